"""The commands, a module each: what they take, the task that does it and the page that shows it.

Nothing here imports the core before a command runs, so that `--help` and completion are quick.
"""

from collections.abc import Callable

from .check import check
from .compare import compare
from .doctor import doctor
from .explain import explain
from .fit import fit
from .list import list_models
from .lock import lock
from .measure import measure
from .new import new
from .paper import paper
from .plot import plot
from .report import report
from .scale import scale
from .show import show
from .summary import summary
from .verify import verify

# Each with its line of `--help`, in that order.
COMMANDS: dict[str, tuple[Callable[..., int | None], str]] = {
    "summary": (summary, "Show a network row by row, as its paper prints it."),
    "measure": (measure, "Measure a network's latency, layer by layer."),
    "compare": (compare, "Hold networks side by side."),
    "scale": (scale, "Count a network at many inputs, batches and settings."),
    "plot": (plot, "Draw a network, or several, for a paper or a slide."),
    "report": (report, "Write all about some networks on one page of HTML."),
    "explain": (explain, "Write out the arithmetic of a layer, a network, or an op."),
    "fit": (fit, "Find the largest batch that fits into a memory."),
    "paper": (paper, "Hold what documents print against what is computed."),
    "list": (list_models, "List the models that there are, with what they cost."),
    "show": (show, "Print the spec of a model: the paper's table, and how it is read."),
    "new": (new, "Write a commented spec to start from."),
    "check": (check, "Hold models against their locks and budgets, and specs against what they quote."),
    "lock": (lock, "Write down what models are, for `check` to hold them against."),
    "verify": (verify, "Hold models against their torch networks."),
    "doctor": (doctor, "Say what this machine means for what is measured on it."),
}
