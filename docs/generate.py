"""Writes what is made from the code: pages of `docs/` and the JSON Schemas. Run it by `make docs`.

Everything is computed, by counting alone: torch is not needed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

from archcalc.analysis.arithmetic import usage
from archcalc.analysis.counts import Report, analyse
from archcalc.analysis.explain import Explained, NodeFacts
from archcalc.errors import Source, Text
from archcalc.graph import GraphBuilder
from archcalc.language.lines import MERGES
from archcalc.language.zoo import Selection, spec_files
from archcalc.ops import ARGUMENTS, KINDS, OPS, Op, OpError, dims
from archcalc.ops.shapes import show
from archcalc.papers.accuracies import known
from archcalc.papers.claims import Judgement
from archcalc.schemas.generate import MERGE_SENTENCES, argument_sentence, shipped
from archcalc.show.list import NAMED, ONLY_PRINTED
from archcalc.show.page import Table
from archcalc.show.writers import markdown
from archcalc.tasks.check import BuiltSpec, CheckedSpec, build_spec, judge_spec
from archcalc.tasks.list import systems_without_spec, year_of
from docs import gallery
from docs.reference import cli_page

from .papers import papers_page, readings_page

DOCS = Path(__file__).resolve().parent
WRITTEN = "<!-- Written by docs/generate.py: change the code, then run `make docs`. -->"

# --- ops ------------------------------------------------------------------------------------------------------------

STORAGE = {
    "new": "new memory",
    "view": "a view of the input",
    "inplace": "in place of the input where nobody needs that any more, else new memory",
    "own": "what the op itself has, once for all samples",
}
# The quantities of the page about counting by the kinds of parameters.
QUANTITY = {"weight": "weights", "bias": "biases", "norm": "norm_params", "stat": "norm_stats"}
LONG = 100  # characters: arithmetic beyond it is not worth reading


def explained(word: str) -> NodeFacts:
    """The example of an op with its arithmetic. Raises LookupError where it does not take it."""
    inputs, arguments = OPS[word].example
    builder = GraphBuilder(tuple((f"value {n}", value) for n, value in enumerate(inputs)))
    try:
        op = OPS[word](**arguments)
        builder.append(op, tuple(-1 - n for n in range(len(inputs))), Text(word, Source(word, (word,)), 1, 1))
    except OpError as error:
        raise LookupError(f"`{word}` does not take its example: {error.message}") from None
    return Explained(analyse(builder.finish(1, (0,), ()))).node(0)


def ops_page() -> str:
    """`docs/ops.md`."""
    modules: dict[str, list[str]] = {}
    for word, op in OPS.items():
        modules.setdefault(op.__module__, []).append(word)
    lines = [WRITTEN, "# Ops", "", *_opening(modules)]
    for module, words in modules.items():
        lines += ["", f"## {_title(module)}"]
        for word in words:
            lines += ["", *_op(word)]
    lines += ["", "## Words that are no ops", "", *_no_ops()]
    return "\n".join(lines) + "\n"


def _opening(modules: dict[str, list[str]]) -> Iterator[str]:
    yield f"The {len(OPS)} ops of the [spec language](spec-language.md), each with an example and its arithmetic,"
    yield "written out by the rule that counts it. What a quantity means is on the page about [counting](counting.md)."
    yield "Shapes are without the batch, channels first; *n tokens × d* is a sequence. Costs are for one sample."
    yield ""
    for module, words in modules.items():
        yield f"- {_title(module)}: " + " · ".join(f"[{word}](#{word})" for word in words)
    yield ""
    yield (
        "Beside MACs, these operations are counted by kind: "
        + "; ".join(f"`{k}`, {what}" for k, what in KINDS.items())
        + "."
    )


def _title(module: str) -> str:
    """What the ops of a module have in common: its docstring up to the first colon."""
    return (sys.modules[module].__doc__ or module).strip().split("\n")[0].split(":")[0].rstrip(".")


def _op(word: str) -> Iterator[str]:
    op, arguments = OPS[word], ARGUMENTS[word]
    yield f"### `{word}`"
    given = [a.name if a.required else f"{a.name}={show(a.default)}" for a in arguments]
    called = f"{word}({', '.join(given)})" if given else word
    yield f"`{called}: [branch, branch, …]`" if word in MERGES else f"`{called}`"
    yield ""
    yield cleandoc(op.__doc__ or "")
    yield ""
    for argument in arguments:
        yield f"- `{argument.name}`: {argument_sentence(argument)}"
    if arguments:
        yield ""
    yield from _example(op, explained(word))


def _example(op: type[Op], found: NodeFacts) -> Iterator[str]:
    node = found.node
    call = usage(node.op)
    *others, last = [dims(value.shape) for value in found.inputs]
    on = f"{', '.join(others)} and {last}" if others else last
    yield f"Example: `{call}{':' if op.word in MERGES else ''}` of {on} gives {dims(node.shape)}."
    yield ""
    shape = [(str(count.value), count.text or str(count.value)) for count in found.counts.shape]
    if any(size != text for size, text in shape):
        sizes = " × ".join(text if text.isdigit() else f"({text})" for _, text in shape)
        yield f"- shape: {sizes if len(shape) > 1 else shape[0][1]}"
    yield from _parameters(found)
    macs = found.counts.macs
    yield f"- MACs: {_short(macs.equation) if macs.value else 'none by definition'}"
    costs = " · ".join(f"{count.name}: {_short(count.equation)}" for count in found.counts.elementwise)
    yield f"- other operations: {costs or (f'none by definition, {op.free}' if op.free else 'none')}"
    yield f"- output: {STORAGE[op.storage]}"


def _parameters(found: NodeFacts) -> Iterator[str]:
    """A line for each kind of parameters that the example has."""
    by_kind: dict[str, list[str]] = {}
    for count in found.counts.params:
        by_kind.setdefault(QUANTITY[count.kind], []).append(f"`{count.name}` {_short(count.equation)}")
    for quantity, counts in by_kind.items():
        yield f"- {quantity}: {' · '.join(counts)}"
    if not by_kind:
        yield "- parameters: none"


def _short(equation: str) -> str:
    return equation.rpartition(" = ")[2] if len(equation) > LONG else equation


def _no_ops() -> Iterator[str]:
    yield "### `identity`"
    yield "The value itself, also where no line of a body is left. It is no node and costs nothing."
    for word in MERGES:
        if word not in OPS:
            yield ""
            yield f"### `{word}`"
            yield f"`{word}: [branch, branch, …]`"
            yield ""
            yield f"{MERGE_SENTENCES.get(word, '')} It is no node and costs nothing."


# --- models ---------------------------------------------------------------------------------------------------------


def models_page() -> str:
    """`docs/models.md`."""
    built = [build_spec(path) for path in spec_files()]
    checked = [judge_spec(spec) for spec in built]
    count = sum(len(spec.models) for spec in built)
    judged = [j for found in checked for judgements in found.judged.values() for j in judgements]
    lines = [
        WRITTEN,
        "# Models",
        "",
        f"{len(checked)} families, {count} models. Every number is computed at batch 1 and the printed input, for the",
        "main path; what it means is on the page about [counting](counting.md): MACs are multiply–accumulates,",
        "parameters are without running statistics. Claims are the figures that papers and other publishers print for",
        "a model, held against the computed ones:",
        f"{_claims(judged)}. An erratum gives the likely cause of a figure that does not hold.",
        "",
        *(f"- [{spec.family.name}](#{_anchor(spec.family.name)}): {', '.join(spec.reports)}" for spec in built),
    ]
    for spec, found in zip(built, checked, strict=True):
        lines += ["", *_family(spec, found)]
    return "\n".join([*lines, "", *_only_printed()]) + "\n"


def _only_printed() -> Iterator[str]:
    """What documents name and no spec builds."""
    systems = list(systems_without_spec())
    printed = len(known().results)
    models = sum(bool(result.models) for result in known().results)
    yield f"## {ONLY_PRINTED}"
    yield f"The documents of the [ledger](papers.md) print {printed} accuracies, errors and times, {models} of them for"
    yield "models above. They are reported, never computed. The data, and which printed network is which model, are in"
    yield "[the list of systems](../specs/documents/accuracies/systems.yaml) and beside it."
    yield f"No spec builds these {len(systems)} systems. Of each stands here the first of its results, or, where none"
    yield "is printed, what documents show of it; `archcalc list --all` shows them too."
    yield ""
    yield from markdown.table(Table(NAMED, systems))


def _anchor(heading: str) -> str:
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _family(spec: BuiltSpec, found: CheckedSpec) -> Iterator[str]:
    family = spec.family
    year = year_of(family.cite)
    yield f"## {family.name}"
    yield " · ".join(filter(None, (f"{year or ''}", f"*{family.title}*" if family.title else "", family.cite)))
    yield ""
    quoted = family.layers.quoted if family.layers else None
    source = f" quotes: {quoted.source}." if quoted and quoted.source else ""
    yield f"[specs/{spec.spec}](../specs/{spec.spec}){source}"
    yield ""
    yield "| model | printed as | input | params | MACs | weight layers | claims |"
    yield "|---|---|---|--:|--:|--:|---|"
    for selection, report in spec.models:
        yield _model(selection, report, found)
    if family.namesakes:
        yield ""
    for name, sentence in family.namesakes.items():
        yield f"- `{name}`: {' '.join(sentence.value.split())}"


def _model(selection: Selection, report: Report, found: CheckedSpec) -> str:
    variant = selection.variant.name.value
    if selection.family.name != selection.file.name:
        variant = f"{selection.family.name}:{variant}"
    inputs = " and ".join(dims(shape) for _, shape in report.graph.inputs)
    totals = report.totals
    cells = [
        f"`{selection.name}`",
        variant,
        inputs,
        f"{totals.params:,}",
        f"{totals.macs:,}",
        f"{totals.weight_layers}",
        _claims(found.judged[selection.name]),
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _claims(judged: tuple[Judgement, ...] | list[Judgement]) -> str:
    """`92 of 102 hold, 10 under errata`."""
    if not judged:
        return "none"
    holding = sum(j.holds for j in judged)
    errata = sum(j.erratum is not None for j in judged)
    text = f"{holding} of {len(judged)} hold"
    text += f", {errata} under errata" if errata else ""
    return text + (f", {len(judged) - holding - errata} open" if holding + errata < len(judged) else "")


# --- all --------------------------------------------------------------------------------------------------------------


def pages() -> dict[Path, str]:
    """The pages and what should stand in them."""
    return {
        DOCS / "ops.md": ops_page(),
        DOCS / "models.md": models_page(),
        DOCS / "cli.md": cli_page(WRITTEN),
        DOCS / "gallery.md": gallery.page(WRITTEN.replace("generate.py", "gallery.py")),
        DOCS / "papers.md": papers_page(WRITTEN),
        DOCS / "readings.md": readings_page(WRITTEN),
    }


def main() -> None:
    """Write what is stale."""
    for path, text in {**pages(), **shipped()}.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
