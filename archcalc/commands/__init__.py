"""The commands, a module each: what they take, the task that does it and the page that shows it.

None is imported before it is asked for, and none imports the core before it runs: `--help` and completion are quick.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

# Each with its line of `--help`, in that order.
COMMANDS = {
    "summary": "Show a network row by row, as its paper prints it.",
    "measure": "Measure a network's latency, layer by layer.",
    "compare": "Hold networks side by side.",
    "scale": "Count a network at many inputs, batches and settings.",
    "plot": "Draw a network, or several, for a paper or a slide.",
    "report": "Write all about some networks on one page of HTML.",
    "explain": "Write out the arithmetic of a layer, a network, or an op.",
    "fit": "Find the largest batch that fits into a memory.",
    "trace": "Write down what a torch module does, for commands that need no torch.",
    "export": "Write a network as a spec: a torch module, or any other.",
    "paper": "Hold what documents print against what is computed.",
    "list": "List the models that there are, with what they cost.",
    "show": "Print the spec of a model: the paper's table, and how it is read.",
    "new": "Write a commented spec to start from.",
    "check": "Hold models against their locks and budgets, and specs against what they quote.",
    "lock": "Write down what models are, for `check` to hold them against.",
    "verify": "Hold models against their torch networks.",
    "doctor": "Say what this machine means for what is measured on it.",
}


def command(name: str) -> Callable[..., int | None]:
    """The function of a command; its module has the same name."""
    own = "list_models" if name == "list" else name
    found: Callable[..., int | None] = getattr(import_module(f".{name}", __name__), own)
    return found
