"""Explanations: the arithmetic of an op, a row, a network, as text and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .. import __version__
from ..analysis.arithmetic import Arithmetic, Count, axes_of, usage
from ..analysis.explain import FEW, Alive, FieldFacts, Network, NodeFacts, Sum
from ..documents import SCHEMA
from ..errors import Text, excerpt, printable
from ..models import Summary
from ..ops import KINDS, Shape, Tokens
from ..ops.base import show
from ..tasks.explain import JudgementFacts, NetworkFacts, OpFacts, SpanFacts
from ..units import binary, with_separators
from . import records, sentences
from .as_json import write
from .columns import Column, Shown, size, words
from .documents import claim_document
from .layout import left, width_of
from .pieces import ACCENT, BOLD, DIM, LOUD, PLAIN, PROSE, Pieces, hanging, page, prose
from .sentences import clean

ROOM = 12  # the width of labels
LEAST = 30  # columns that arithmetic wants beside a label
FORMATS = ("text", "json", "markdown")

Facts = NodeFacts | SpanFacts | NetworkFacts | OpFacts


def render(
    facts: Facts,
    network: Network | None,
    summary: Summary | None,
    output_format: str,
    width: int | None = None,
    color: bool = False,
) -> str:
    """What is explained in one of `FORMATS`, of `summary`'s network where it is not an op by itself."""
    if output_format == "json":
        return write(document(facts, network, summary))
    markdown = output_format == "markdown"
    text = page(_text(facts, network, summary, PROSE if width is None else width), color and not markdown)
    return f"```\n{text}```\n" if markdown else text


def _text(facts: Facts, network: Network | None, summary: Summary | None, width: int) -> Iterator[Pieces]:
    if isinstance(facts, OpFacts):
        yield from _op(facts, width)
        return
    assert network is not None
    assert summary is not None
    if isinstance(facts, NodeFacts):
        yield from _node(facts, summary, width)
    elif isinstance(facts, SpanFacts):
        yield from _span(facts, network, summary, width)
    else:
        yield from _network(facts, network, summary, width)


# --- lines --------------------------------------------------------------------------------------------------------


def _heading(name: str, what: str, about: str, width: int) -> Iterator[Pieces]:
    """The network, what of it is explained, and which of how many that is."""
    name, what = printable(name), printable(what)
    if width_of(f"{name}  {what}  {about}".rstrip()) <= width:
        yield [(name, LOUD), ("  ", PLAIN), (what, BOLD), ("  ", PLAIN), (about, DIM)]
        return
    yield [(name, LOUD)]
    yield from prose(what, width, BOLD)
    if about:
        yield from prose(about, width, DIM)


def _place(where: Text, width: int) -> Iterator[Pieces]:
    """Where it stands in the spec: the line with carets below it, cut round these where it is too long."""
    *above, line, carets = excerpt(where).split("\n")
    bar = carets.index("│") + 2
    body, room = line[bar:], width - bar
    if len(body) > room:
        at = max(0, min(carets.find("^") - bar - room // 3, len(body) - room))
        shown = body[at : at + room]
        shown = f"…{shown[1:]}" if at else shown
        shown = f"{shown[:-1]}…" if at + room < len(body) else shown
        line, carets = line[:bar] + shown, carets[:bar] + carets[bar + at : bar + at + room]
    for text in (*above, line, carets):
        yield [(text, DIM)]


def _fact(label: str, text: str, width: int, style: str = PLAIN, indent: int = 0) -> Iterator[Pieces]:
    room = max(ROOM, width_of(label) + indent + 2)
    label_style = PLAIN if indent else BOLD
    if room > max(ROOM, width - LEAST):  # no room beside the label
        yield from hanging(" " * indent, label.rstrip(), indent, width, label_style)
        room, label, indent = ROOM, "", 0
    yield from hanging(" " * indent + label, text, room, width, style, label_style)


def _count(
    label: str, count: Count, width: int, behind: str = "", indent: int = 0, room: int = ROOM
) -> Iterator[Pieces]:
    """`label   out·C·k·k = 64·3·7·7 = 9,408`: by which formula, with which numbers, and what it is."""
    room = max(room, width_of(label) + indent + 2)
    label = left(" " * indent + label, room)
    formula = count.rule if count.rule != count.text else ""
    text = (f"{count.text} = " if count.text else "") + f"{count.value:,}"
    start: Pieces = [(label, PLAIN if indent else BOLD)]
    if not formula:
        lines = list(hanging(label, text + behind, room, width))
        yield from ([start + lines[0][1:], *lines[1:]] if lines else [])
    elif room + width_of(f"{formula} = {text}{behind}") <= width:
        yield [*start, (f"{formula} = ", DIM), (text + behind, PLAIN)]
    else:
        yield [*start, (formula, DIM)]
        yield from hanging("", f"= {text}{behind}", room, width)


def _shape(shape: Shape) -> str:
    """`C×H×W = 3×224×224`."""
    if not shape:
        return "a single number"
    sign = " × " if isinstance(shape, Tokens) else "×"
    return f"{sign.join(axes_of(shape))} = {size(shape)}"


def _axes(counts: Sequence[Count], width: int) -> Iterator[Pieces]:
    """The rule of each axis; alike ones in one line, and none where it only takes over the input's."""
    shown: list[tuple[list[str], Count]] = []
    for count in counts:
        if not count.text and count.rule in ("", count.name):
            continue
        rule = count.rule.replace(count.name, "·")
        if shown and (shown[-1][1].text, shown[-1][1].rule.replace(shown[-1][1].name, "·")) == (count.text, rule):
            shown[-1][0].append(count.name)
        else:
            shown.append(([count.name], count))
    for names, count in shown:
        yield from _count(", ".join(f"{name}′" for name in names), count, width, indent=2)


def _letters(counts: Arithmetic) -> str:
    """What the letters of the formulas are that the shapes do not say."""
    used = " ".join(count.rule for count in (*counts.shape, *counts.params, counts.macs, *counts.elementwise))
    words = set(re.findall(r"\w+", used)) - set("CDHWLTN")
    return ", ".join(f"{letter} = {value}" for letter, value in counts.letters.items() if letter in words)


# --- a node, and an op by itself ----------------------------------------------------------------------------------


def _node(facts: NodeFacts, summary: Summary, width: int) -> Iterator[Pieces]:
    node = facts.node
    row = f", in the row {clean(facts.row.name)}" if facts.row is not None else ""
    yield from _heading(summary.model, node.path, f"op {facts.index + 1} of {facts.of}{row}", width)
    yield from prose(sentences.heading(summary)[-1], width, DIM)
    yield []
    yield from _place(node.where, width)
    yield []
    yield from _fact("op", usage(node.op), width, ACCENT)
    letters = _letters(facts.counts)
    if letters:
        yield from _fact("", letters, width, DIM)
    for number, value in enumerate(facts.inputs):
        shape = _marked(value.shape, number, len(facts.inputs))
        yield from _fact("" if number else "reads", f"{shape}  {clean(value.name)}", width)
    yield from _fact("gives", size(node.shape), width)
    yield from _axes(facts.counts.shape, width)
    yield from _costs(facts.counts, node.op.word, node.op.free, width, facts.shares)
    if facts.users:
        more = f" and {len(facts.users) - FEW} more" if len(facts.users) > FEW else ""
        yield from _fact("shared", f"also the parameters of {clean(', '.join(facts.users[:FEW]))}{more}", width)
    count = facts.activation
    unit = f" bytes ({' '.join(binary(count.value))})" if count.value >= 1024 else " bytes"
    yield from _count("activation", count, width, unit)
    until = f"; {facts.until}" if facts.until else ""
    yield from _fact("", f"{clean(facts.because)}{until}", width)
    yield from _receptive(facts.fields, width)


def _receptive(fields: Sequence[FieldFacts], width: int) -> Iterator[Pieces]:
    """The receptive field: one line where all axes are alike."""
    alike = len({found[1:] for found in fields}) == 1
    for number, found in enumerate(fields[:1] if alike else fields):
        least, most = found.field.least, found.field.most
        axis = "" if alike else f"{found.axis}: "
        if most is None:
            on = f"; {least} on the shortest path" if least is not None else ""
            text = f"unbounded: {clean(found.because)}{on}"
        else:
            text = (f"{found.size} = " if found.size else "") + str(most)
            text += f"; {least} on the shortest path" if least != most else ""
        yield from _fact("" if number else "field", axis + text, width)
        if most is not None:
            for name, spelled in (("stride", found.stride), ("offset", found.offset)):
                value = show(getattr(found.field, name)).replace("-", "−")
                yield from _fact(name, (f"{spelled} = " if spelled else "") + value, width, indent=2)


def _marked(shape: Shape, number: int, of: int) -> str:
    if of == 1:
        return _shape(shape)
    mark = f"{number + 1}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
    sign = " × " if isinstance(shape, Tokens) else "×"
    return f"{sign.join(axis + mark for axis in axes_of(shape))} = {size(shape)}"


def _costs(counts: Arithmetic, word: str, free: str, width: int, shares: str = "") -> Iterator[Pieces]:
    """Parameters tensor by tensor, MACs, and what is no MAC."""
    tensors = counts.params
    counted = [count for count in tensors if count.kind != "stat"]
    if not counted:
        yield from _fact(
            "params", f"none of its own: those of {clean(shares)}, counted there" if shares else "none", width
        )
    elif len(counted) == 1:
        yield from _count("params", counted[0], width, f"  {counted[0].name}")
    else:
        yield from _count("params", counts.total._replace(rule=""), width)
    room = max((width_of(count.name) + 4 for count in tensors), default=0)
    for count in tensors:
        if count.kind == "stat":
            yield from _count(count.name, count, width, ", a running statistic: counted apart", 2, room)
        elif len(counted) > 1:
            yield from _count(count.name, count, width, "", 2, room)
    if counts.macs.value:
        yield from _count("MACs", counts.macs, width)
        yield from _fact("FLOPs", f"2 × MACs = {2 * counts.macs.value:,}", width)
    else:
        yield from _fact("MACs", f"0: there is no matrix product in `{word}`", width)
    if not counts.elementwise:
        why = f"none: {free}" if free else "none"
        yield from _fact("other ops", why, width)
    for number, count in enumerate(counts.elementwise):
        yield from _count("" if number else "other ops", count, width, f" {KINDS[count.name]}")


def _op(facts: OpFacts, width: int) -> Iterator[Pieces]:
    yield [(facts.word, LOUD), ("  ", PLAIN), (facts.where, DIM)]
    yield from hanging("", facts.signature, 0, width, BOLD)
    yield []
    for paragraph in facts.doc.split("\n\n"):
        yield from prose(" ".join(paragraph.split()), width)
        yield []
    yield [("for example", BOLD)]
    yield from _fact("op", usage(facts.example), width, ACCENT)
    letters = _letters(facts.counts)
    if letters:
        yield from _fact("", letters, width, DIM)
    for number, shape in enumerate(facts.inputs):
        yield from _fact("" if number else "reads", _marked(shape, number, len(facts.inputs)), width)
    yield from _fact("gives", size(facts.output), width)
    yield from _axes(facts.counts.shape, width)
    yield from _costs(facts.counts, facts.word, facts.free, width)
    yield from _fact("output", STORAGE[facts.storage], width)
    layers = facts.weight_layers
    if layers:
        yield from _fact("depth", f"{layers} weight layer{'s' * (layers != 1)}", width)


STORAGE = {
    "new": "new memory",
    "view": "a view of the input: nothing is copied",
    "inplace": "in place of the input where nothing reads that later, else new memory",
}

# --- a row or block -----------------------------------------------------------------------------------------------


def _span(facts: SpanFacts, network: Network, summary: Summary, width: int) -> Iterator[Pieces]:
    first, last = facts.spans[0], facts.spans[-1]
    rows = [span for span in network.graph.rows if not span.head]
    nodes = last.stop - first.start
    about = f"{nodes} op{'s' * (nodes != 1)}"
    if facts.kind == "row" and first in rows:
        about = f"row {rows.index(first) + 1} of {len(rows)}, {about}"
    elif facts.kind == "rows":
        about = f"{len(facts.spans)} rows, {about}"
    elif first.head:
        about = f"head, {about}: counted apart"
    yield from _heading(summary.model, facts.name, about, width)
    yield from prose(sentences.heading(summary)[-1], width, DIM)
    yield []
    yield from _place(first.where, width)
    yield []
    yield from _fact("reads", f"{size(facts.input.shape)}  {clean(facts.input.name)}", width)
    yield from _fact("gives", size(facts.output), width)
    for found in facts.sums:
        yield from _sum(found, network, width)
    yield from _elementwise(facts.totals.elementwise, width)
    layers = facts.totals.weight_layers
    yield from _fact("depth", f"{layers} weight layer{'s' * (layers != 1)} on the longest path through it", width)
    yield from _judged(facts.judged, width)


def _sum(found: Sum, network: Network, width: int) -> Iterator[Pieces]:
    unit = " bytes" if found.name == "activation" else ""
    if not found.added:
        yield from _fact(found.name, f"0{unit}", width)
        return
    yield from _fact(found.name, f"{found.value:,}{unit}", width)
    if len(found.added) > FEW:
        named = " + ".join(f"{clean(addend.called)} {addend.text}" for addend in found.added)
        yield from _fact("", f"= {named}", width)
        return
    room = max(width_of(addend.called) for addend in found.added)
    for addend in found.added:
        spelled = network.spelled(found, addend)
        text = addend.text if addend.times > 1 else spelled
        shown = f"{text} = {addend.value:,}" if text else f"{addend.value:,}"
        yield from _fact(left(clean(addend.called), room), shown, width, indent=2)


def _elementwise(costs: dict[str, int], width: int) -> Iterator[Pieces]:
    shown = " · ".join(f"{kind} {count:,}" for kind, count in costs.items() if count)
    yield from _fact("other ops", shown or "none", width)


def _judged(judged: Sequence[JudgementFacts], width: int) -> Iterator[Pieces]:
    """Each printed figure with the arithmetic of its verdict, below where it is printed, and at the end the errata."""
    notes = sentences.Notes()
    by_source: dict[str, list[JudgementFacts]] = {}
    for found in judged:
        by_source.setdefault(clean(found.judgement.claim.source), []).append(found)
    for source, there in by_source.items():
        names = [clean(found.judgement.claim.heading.value) for found in there]
        figures = [clean(found.judgement.claim.printed.value) for found in there]
        named, wide = max(map(width_of, names)) + 4, max(map(width_of, figures))
        yield []
        yield from prose(f"printed in {source}" if source else "printed", width, BOLD)
        for name, figure, found in zip(names, figures, there, strict=True):
            judgement = found.judgement
            same = len(set(found.arithmetic.replace(",", "").split(" = ")) | {figure.replace(",", "")}) == 1
            reading = str(judgement.claim.reading) if judgement.verdict != "exact" else ""
            text = judgement.verdict + (f" ({reading})" if reading else "") + ("" if same else f": {found.arithmetic}")
            text += "".join(failure.mark for failure in notes.failures([judgement]))
            mark, style = ("✓", BOLD) if judgement.holds else ("✗", LOUD)
            label = f"{left(f'{mark} {name}', named)}{figure}"
            yield from hanging(label, text, named + wide + 2, width, label_style=style)
    for mark, note in notes.numbered():
        yield from hanging(mark, note, 2, width, DIM)


# --- a network ----------------------------------------------------------------------------------------------------


def _network(facts: NetworkFacts, network: Network, summary: Summary, width: int) -> Iterator[Pieces]:
    title, *rest = sentences.heading(summary)
    totals = facts.totals
    yield from _heading(summary.model, title, "", width)
    for text in rest:
        yield from prose(text, width)
    yield []
    for found in facts.sums:
        yield from _sum(found, network, width)
        if found.name == "params" and totals.params:
            parts = [(totals.weights, "weights"), (totals.biases, "biases"), (totals.norm_params, "norm")]
            made = " + ".join(f"{with_separators(count)} {what}" for count, what in parts if count)
            yield from _fact("", f"= {made}", width)
        if found.name == "MACs":
            yield from _fact("FLOPs", f"2 × MACs = {totals.flops:,}", width)
    yield from _elementwise(totals.elementwise, width)
    yield from _fact("depth", f"{totals.weight_layers} weight layers on the longest path", width)
    layers = " + ".join(f"{clean(addend.called)} {addend.text}" for addend in facts.depth)
    yield from _fact("", f"= {layers}", width)
    most = " ".join(binary(totals.peak_memory_bytes))
    yield from _fact("peak", f"{most} while {clean(facts.peak_at)} runs", width)
    alive = [*facts.alive, Alive("together", (), totals.peak_memory_bytes)]
    yield from records.text(ALIVE, alive, width, headings=False, indent=2, style=_alive_style)
    yield from _judged(facts.judged, width)


ALIVE = (
    Column("name", lambda value: clean(value.name), "", "", words),
    Column("bytes", lambda value: value.bytes, "", "", lambda sizes: Shown("", [f"{size:,} bytes" for size in sizes])),
    Column("shape", lambda value: size(value.shape) if value.shape else "", "", "", words),
)


def _alive_style(value: Alive, column: Column) -> str:
    return BOLD if not value.shape else DIM if column.name == "shape" else PLAIN


# --- JSON ---------------------------------------------------------------------------------------------------------

Entry = Iterable[tuple[str, Any]]


def document(facts: Facts, network: Network | None, summary: Summary | None) -> Entry:
    """The keys and values, in order."""
    yield "schema", SCHEMA
    yield "archcalc", __version__
    if isinstance(facts, OpFacts):
        yield from _op_document(facts)
        return
    assert network is not None
    assert summary is not None
    yield "model", summary.model
    yield "settings", summary.settings
    if isinstance(facts, NodeFacts):
        yield from _node_document(facts)
    elif isinstance(facts, SpanFacts):
        yield from _span_document(facts, network)
    else:
        yield from _network_document(facts, network)


def _number(count: Count) -> dict[str, Any]:
    found: dict[str, Any] = {"value": count.value, "arithmetic": count.text or None, "formula": count.rule or None}
    return found | ({"kind": count.kind} if count.kind else {})


def _counts(counts: Arithmetic) -> Entry:
    yield "shape", [{"axis": count.name, **_number(count)} for count in counts.shape]
    yield "params", {**_number(counts.total), "tensors": {count.name: _number(count) for count in counts.params}}
    yield "macs", _number(counts.macs)
    yield "flops", 2 * counts.macs.value
    yield "elementwise", {count.name: _number(count) for count in counts.elementwise}
    yield "letters", counts.letters


def _node_document(facts: NodeFacts) -> Entry:
    node = facts.node
    yield "kind", "op"
    yield "name", node.path
    yield "op", node.op.word
    yield "call", usage(node.op)
    yield "where", node.where.where
    yield "row", facts.row.name if facts.row is not None else None
    yield "inputs", [{"name": value.name, "shape": value.shape} for value in facts.inputs]
    yield "output_shape", node.shape
    yield from _counts(facts.counts)
    yield (
        "activation_bytes",
        {**_number(facts.activation), "storage": facts.storage, "because": facts.because, "until": facts.until},
    )
    yield "receptive_field", [_field(found) for found in facts.fields]
    yield "free", node.op.free or None
    yield "shares", facts.shares or None
    yield "shared_by", facts.users


def _field(found: FieldFacts) -> dict[str, Any]:
    field = found.field
    return {
        "axis": found.axis,
        "size": None if field.most is None else [field.least, field.most],
        "arithmetic": found.size or None,
        "stride": None if field.stride is None else float(field.stride),
        "offset": None if field.offset is None else float(field.offset),
        "because": found.because or None,
    }


def _op_document(facts: OpFacts) -> Entry:
    yield "kind", "word"
    yield "name", facts.word
    yield "signature", facts.signature
    yield "doc", facts.doc
    yield "where", facts.where
    yield "storage", facts.storage
    yield "free", facts.free or None
    yield "weight_layers", facts.weight_layers
    yield "call", usage(facts.example)
    yield "inputs", [{"shape": shape} for shape in facts.inputs]
    yield "output_shape", facts.output
    yield from _counts(facts.counts)


def _sums(sums: Sequence[Sum], network: Network) -> dict[str, Any]:
    return {
        {"MACs": "macs", "activation": "activation_bytes"}.get(found.name, found.name): {
            "value": found.value,
            "arithmetic": found.text or None,
            "parts": [
                {
                    "name": addend.called,
                    "times": addend.times,
                    "value": addend.value,
                    "arithmetic": network.spelled(found, addend) or None,
                }
                for addend in found.added
            ],
        }
        for found in sums
    }


def _judged_document(judged: Sequence[JudgementFacts]) -> list[dict[str, Any]]:
    return [{**claim_document(found.judgement), "arithmetic": found.arithmetic} for found in judged]


def _span_document(facts: SpanFacts, network: Network) -> Entry:
    yield "kind", facts.kind
    yield "name", facts.name
    yield "where", facts.spans[0].where.where
    yield "inputs", [{"name": facts.input.name, "shape": facts.input.shape}]
    yield "output_shape", facts.output
    yield "sums", _sums(facts.sums, network)
    yield "elementwise", facts.totals.elementwise
    yield "weight_layers", facts.totals.weight_layers
    yield "claims", _judged_document(facts.judged)


def _network_document(facts: NetworkFacts, network: Network) -> Entry:
    yield "kind", "model"
    yield "sums", _sums(facts.sums, network)
    yield "elementwise", facts.totals.elementwise
    yield "weight_layers", {addend.called: addend.value for addend in facts.depth}
    yield (
        "peak_memory_bytes",
        {
            "value": facts.totals.peak_memory_bytes,
            "at": facts.peak_at,
            "alive": [{"name": value.name, "shape": value.shape, "bytes": value.bytes} for value in facts.alive],
        },
    )
    yield "claims", _judged_document(facts.judged)
