"""Explanations: the arithmetic of an op, a row, a network, in every form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from .. import __version__
from ..analysis.arithmetic import Arithmetic, Count, axes_of, usage
from ..analysis.explain import FEW, Alive, Explained, FieldFacts, NodeFacts, Sum
from ..documents import SCHEMA, VERSION, WRITER, FilePlace, Natural, Positive, Sizes, Version
from ..documents import Count as Amount
from ..errors import Text, excerpt, printable
from ..models import Summary
from ..ops import KINDS, Op, Shape, Tokens
from ..ops.shapes import show
from ..tasks.explain import Explanation, JudgementFacts, NetworkFacts, OpFacts, SpanFacts
from ..units import binary
from . import wording
from .columns import Column, Shown, size, sizes, words
from .documents import (
    INPUTS,
    OUTPUTS,
    ClaimDocument,
    InputDocument,
    Itemed,
    Noted,
    OfSeveral,
    OutputDocument,
    claim_document,
    inputs_document,
    itemed,
    noted,
    outputs_document,
)
from .layout import left, width_of
from .page import Block, Fact, Facts, Gap, Heading, Page, Prose, Table, Verbatim
from .source import python as source_lines
from .styles import ACCENT, BOLD, DIM, LOUD, PLAIN, Pieces
from .wording import clean

ROOM = 12  # the width of labels
STORAGE = {
    "new": "new memory",
    "view": "a view of the input: nothing is copied",
    "inplace": "in place of the input where nothing reads that later, else new memory",
    "own": "what the op itself has, once for all samples: nothing is copied",
}


def page(found: Explanation) -> Page:
    """An op with an example, or a model or a part of it: each number with its formula and its arithmetic."""
    blocks: Callable[[], Iterator[Block | Fact]]
    document: Callable[[], ExplainDocument]
    match found.facts, found.network, found.summary:
        case OpFacts() as op, _, _:
            blocks, document = partial(_op, op), partial(_op_data, op)
        case NodeFacts() as node, _, Summary() as summary:
            blocks, document = partial(_node, node, summary), partial(_node_data, node, summary)
        case SpanFacts() as span, Explained() as network, Summary() as summary:
            blocks, document = partial(_span, span, network, summary), partial(_span_data, span, network, summary)
        case NetworkFacts() as facts, Explained() as network, Summary() as summary:
            blocks, document = partial(_network, facts, network, summary), partial(_model_data, facts, network, summary)
    said = found.summary.notes if found.summary else ()
    notes = [Fact(*fact) for fact in wording.notes(said)]

    def terms() -> Table:
        return Table(TERMS, list(_terms(document())))

    return Page("Explained", lambda: _joined(chain(blocks(), notes)), document, terms, notes=said)


def source_page(word: str, source: str, color: bool) -> Page:
    """The code of an op's rules; `color`: whether anybody sees its colours."""
    lines = partial(source_lines, source, color)
    document: SourceDocument = {**HEAD, "kind": "source", "name": word, "source": source}
    return Page(f"The rules of {word}", lambda: [Verbatim(lambda width: lines(), "python")], lambda: document)


def _joined(blocks: Iterator[Block | Fact]) -> Iterator[Block]:
    """Facts that stand below each other as one block."""
    for single, group in groupby(blocks, lambda block: isinstance(block, Fact)):
        if single:
            yield Facts([fact for fact in group if isinstance(fact, Fact)], ROOM)
        else:
            yield from (block for block in group if not isinstance(block, Fact))


# --- what all have ------------------------------------------------------------------------------------------------


def _heading(summary: Summary, what: str, aside: str, where: Text) -> Iterator[Block]:
    """The network, what of it is explained, which of how many that is, and where it stands in the spec."""
    yield Heading(printable(summary.model), (printable(what),), fill=True, aside=aside)
    yield Prose(wording.heading(summary)[-1], DIM)
    yield Gap()
    lines = where.source.lines[where.line - 1 : where.line]
    name = where.where if lines else where.source.name + f":{where.line}" * (where.line > 0)
    place = Facts([Fact("where", printable(name)), *(Fact("", clean(line)) for line in lines)])
    yield Verbatim(partial(_place, where), instead=(place,))
    yield Gap()


def _place(where: Text, width: int) -> Iterator[Pieces]:
    """The line of the spec with carets below it, cut round these where it is too long."""
    if not where.source.lines:
        yield [(excerpt(where), DIM)]
        return
    *above, line, carets = excerpt(where).split("\n")
    bar = carets.index("│") + 2
    body, room = line[bar:], width - bar
    if len(body) > room:
        at = max(0, min(carets.find("^") - bar - room // 3, len(body) - room))
        shown = ("…" if at else body[0]) + body[at + 1 : at + room]
        line = line[:bar] + (f"{shown[:-1]}…" if at + room < len(body) else shown)
        carets = carets[:bar] + carets[bar + at : bar + at + room]
    for text in (*above, line, carets):
        yield [(text, DIM)]


def _below(facts: Sequence[Fact], least: int = ROOM) -> Iterator[Facts]:
    """Facts about the fact above."""
    if facts:
        yield Facts(facts, max([least, *(width_of(fact.label) + 4 for fact in facts)]), 2)


def _counted(label: str, count: Count, behind: str = "", label_style: str = BOLD) -> Fact:
    """`label   out·C·k·k = 64·3·7·7 = 9,408`: by which formula, with which numbers, and what it is."""
    formula = count.rule if count.rule != count.text else ""
    return Fact(label, count.equation + behind, label_style=label_style, formula=formula)


def _shape(shape: Shape, number: int = 0, of: int = 1) -> str:
    """`C×H×W = 3×224×224`; of several `C₁×H₁×W₁ = …`."""
    if not shape and of == 1:
        return "a single number"
    mark = f"{number + 1}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")) if of > 1 else ""
    sign = " × " if isinstance(shape, Tokens) else "×"
    return f"{sign.join(axis + mark for axis in axes_of(shape))} = {size(shape)}"


def _axes(counts: Sequence[Count]) -> Iterator[Facts]:
    """The rule of each axis; alike ones in one line, and none where it only takes over the input's."""
    alike: dict[tuple[str, str], list[Count]] = {}
    for count in counts:
        if count.text or count.rule not in ("", count.name):
            alike.setdefault((count.text, count.rule.replace(count.name, "·")), []).append(count)
    yield from _below(
        [_counted(", ".join(f"{each.name}′" for each in same), same[0], "", PLAIN) for same in alike.values()]
    )


def _letters(counts: Arithmetic) -> Iterator[Fact]:
    """The values of letters in formulas that shapes do not show."""
    used = " ".join(count.rule for count in (*counts.shape, *counts.params, counts.macs, *counts.elementwise))
    words = set(re.findall(r"\w+", used)) - set("CDHWLTN")
    letters = ", ".join(f"{letter} = {value}" for letter, value in counts.letters.items() if letter in words)
    if letters:
        yield Fact("", letters, DIM)


def _costs(counts: Arithmetic, word: str, free: str, shares: str = "") -> Iterator[Fact | Facts]:
    """Parameters tensor by tensor, MACs, and what is no MAC."""
    counted = [count for count in counts.params if count.kind != "stat"]
    if not counted:
        yield Fact("params", f"none of its own: those of {clean(shares)}, counted there" if shares else "none")
    elif len(counted) == 1:
        yield _counted("params", counted[0], f"  {counted[0].name}")
    else:
        yield _counted("params", counts.total._replace(rule=""))
    tensors = [
        _counted(tensor.name, tensor, ", a running statistic: counted apart" if tensor.kind == "stat" else "", PLAIN)
        for tensor in counts.params
        if tensor.kind == "stat" or len(counted) > 1
    ]
    yield from _below(tensors, max((width_of(count.name) + 4 for count in counts.params), default=0))
    if counts.macs.value:
        yield _counted("MACs", counts.macs)
        yield Fact("FLOPs", f"2 × MACs = {2 * counts.macs.value:,}")
    else:
        yield Fact("MACs", f"0: there is no matrix product in `{word}`")
    if not counts.elementwise:
        yield Fact("other ops", f"none: {free}" if free else "none")
    for number, count in enumerate(counts.elementwise):
        yield _counted("" if number else "other ops", count, f" {KINDS[count.name]}")


def _sum(found: Sum, network: Explained) -> Iterator[Fact | Facts]:
    yield Fact(found.name, f"{found.value:,}{' bytes' if found.name == 'activation' else ''}")
    if len(found.added) > FEW:
        yield Fact("", "= " + " + ".join(f"{clean(addend.called)} {addend.text}" for addend in found.added))
        return
    below = []
    for addend in found.added:
        text = addend.text if addend.times > 1 else network.spelled(found, addend)
        below.append(Fact(clean(addend.called), f"{text} = {addend.value:,}" if text else f"{addend.value:,}"))
    yield from _below(below)


def _elementwise(costs: dict[str, int]) -> Fact:
    return Fact("other ops", " · ".join(f"{kind} {count:,}" for kind, count in costs.items() if count) or "none")


def _judged(judged: Sequence[JudgementFacts]) -> Iterator[Block]:
    """Each printed figure with the arithmetic of its verdict, below where it is printed, and at the end the errata."""
    notes = wording.Notes()
    by_source: dict[str, list[JudgementFacts]] = {}
    for found in judged:
        by_source.setdefault(clean(found.judgement.claim.source), []).append(found)
    for source, there in by_source.items():
        named = max(width_of(clean(found.judgement.claim.heading.value)) for found in there) + 4
        yield Gap()
        yield Heading(f"printed in {source}" if source else "printed", level=2, style=BOLD)
        yield Facts([_verdict(found, named, notes) for found in there])
    if notes.texts:
        yield Facts([Fact(mark, note, DIM, DIM) for mark, note in notes.numbered()], 2)


def _verdict(found: JudgementFacts, named: int, notes: wording.Notes) -> Fact:
    judgement, claim = found.judgement, found.judgement.claim
    figure = clean(claim.printed.value)
    same = len(set(found.arithmetic.replace(",", "").split(" = ")) | {figure.replace(",", "")}) == 1
    reading = f" ({claim.reading})" if str(claim.reading) and judgement.verdict != "exact" else ""
    marks = "".join(failure.mark for failure in notes.failures([judgement]))
    text = f"{judgement.verdict}{reading}{'' if same else f': {found.arithmetic}'}{marks}"
    mark, style = ("✓", BOLD) if judgement.holds else ("✗", LOUD)
    return Fact(f"{left(f'{mark} {clean(claim.heading.value)}', named)}{figure}", text, label_style=style)


# --- a node, and an op by itself ----------------------------------------------------------------------------------


def _node(facts: NodeFacts, summary: Summary) -> Iterator[Block | Fact]:
    node = facts.node
    row = f", in the row {clean(facts.row.name)}" if facts.row is not None else ""
    yield from _heading(summary, node.path, f"op {facts.index + 1} of {facts.of}{row}", node.where)
    read = [f"{_shape(v.shape, n, len(facts.inputs))}  {clean(v.name)}" for n, v in enumerate(facts.inputs)]
    yield from _called(node.op, read, node.shape, facts.counts)
    yield from _costs(facts.counts, node.op.word, node.op.free, facts.shares)
    yield from _weighing(facts)
    if facts.users:
        more = f" and {len(facts.users) - FEW} more" if len(facts.users) > FEW else ""
        yield Fact("shared", f"also the parameters of {clean(', '.join(facts.users[:FEW]))}{more}")
    count = facts.activation
    yield _counted(
        "activation", count, f" bytes ({' '.join(binary(count.value))})" if count.value >= 1024 else " bytes"
    )
    yield Fact("", clean(facts.because) + (f"; {facts.until}" if facts.until else ""))
    yield from _receptive(facts.fields)
    if summary.report.receptive_fields.unknown(facts.index):
        yield Fact("field", "? what is seen depends on which item it is, or comes through what has no window")


def _weighing(facts: NodeFacts) -> Iterator[Fact]:
    """What documents say of the weights of a layer: the fan-in, He's deviation, and the matrix that it is."""
    found = facts.weighing
    if found is None:
        return
    yield _counted("fan-in", found.fan_in, f"; He's deviation √(2/{found.fan_in.value}) = {found.deviation:.4g}")
    rows, columns = found.matrix
    zeros = rows * columns - found.nonzero
    yield Fact("matrix", f"{rows:,} × {columns:,} = {rows * columns:,} elements, {zeros:,} of them zero")


def _called(op: Op, read: Sequence[str], gives: Shape, counts: Arithmetic) -> Iterator[Fact | Facts]:
    """The op, what it reads and gives, and by which rules."""
    yield Fact("op", usage(op), ACCENT)
    yield from _letters(counts)
    yield from _reads(read, (gives,))
    yield from _axes(counts.shape)


def _reads(read: Sequence[str], gives: Sequence[Shape]) -> Iterator[Fact]:
    yield from (Fact("" if number else "reads", text) for number, text in enumerate(read))
    yield Fact("gives", sizes(gives))


def _receptive(fields: Sequence[FieldFacts]) -> Iterator[Fact | Facts]:
    """The receptive field: one line where all axes are alike."""
    alike = len({found[1:] for found in fields}) == 1
    for number, found in enumerate(fields[:1] if alike else fields):
        least, most = found.field.least, found.field.most
        shortest = f"; {least} on the shortest path" if least is not None and least != most else ""
        union = f"; {found.field.union} of all places together" if found.field.union != most else ""
        text = (
            f"unbounded: {clean(found.because)}"
            if most is None
            else f"{found.size} = {most}"
            if found.size
            else f"{most}"
        )
        yield Fact("" if number else "field", f"{'' if alike else f'{found.axis}: '}{text}{shortest}{union}")
        if most is not None:
            steps = (("stride", found.stride, found.field.stride), ("offset", found.offset, found.field.offset))
            shown = [(name, f"{spelled} = " if spelled else "", show(value)) for name, spelled, value in steps]
            yield from _below([Fact(name, spelled + value.replace("-", "−")) for name, spelled, value in shown])


def _op(facts: OpFacts) -> Iterator[Block | Fact]:
    yield Heading(facts.word, (facts.where,), about_style=DIM)
    yield Prose(facts.signature, BOLD)
    yield Gap()
    for paragraph in facts.doc.split("\n\n"):
        yield Prose(" ".join(paragraph.split()))
        yield Gap()
    yield Heading("for example", level=2, style=BOLD)
    read = [_shape(shape, number, len(facts.inputs)) for number, shape in enumerate(facts.inputs)]
    yield from _called(facts.example, read, facts.output, facts.counts)
    yield from _costs(facts.counts, facts.word, facts.free)
    yield Fact("output", STORAGE[facts.storage])
    if facts.weight_layers:
        yield Fact("depth", _layers(facts.weight_layers))


def _layers(count: int) -> str:
    return f"{count} weight layer{'s' * (count != 1)}"


# --- a row or block, and a network --------------------------------------------------------------------------------


def _span(facts: SpanFacts, network: Explained, summary: Summary) -> Iterator[Block | Fact]:
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
    yield from _heading(summary, facts.name, about, first.where)
    yield from _reads([f"{size(read.shape)}  {clean(read.name)}" for read in facts.inputs], facts.outputs)
    for found in facts.sums:
        yield from _sum(found, network)
    yield _elementwise(facts.totals.elementwise)
    yield Fact("depth", f"{_layers(facts.totals.weight_layers)} on the longest path through it")
    yield from _judged(facts.judged)


def _network(facts: NetworkFacts, network: Explained, summary: Summary) -> Iterator[Block | Fact]:
    totals = facts.totals
    yield Heading(printable(summary.model), wording.heading(summary), fill=True)
    yield Gap()
    for found in facts.sums:
        yield from _sum(found, network)
        if found.name == "params" and totals.params:
            yield Fact("", f"= {wording.made_of(totals)}")
        if found.name == "MACs":
            yield Fact("FLOPs", f"2 × MACs = {totals.flops:,}")
    yield _elementwise(totals.elementwise)
    yield Fact("depth", f"{_layers(totals.weight_layers)} on the longest path")
    yield Fact("", "= " + " + ".join(f"{clean(addend.called)} {addend.text}" for addend in facts.depth))
    yield Fact("peak", f"{' '.join(binary(totals.peak_memory_bytes))} while {clean(facts.peak_at)} runs")
    alive = [*facts.alive, Alive("together", (), totals.peak_memory_bytes)]
    yield Table(ALIVE, alive, style=_alive_style, headings=False, indent=2, rules=(len(facts.alive),), fill=True)
    yield from _judged(facts.judged)


ALIVE = (
    Column("name", lambda value: clean(value.name), "held then", "held then", words),
    Column(
        "bytes", lambda value: value.bytes, "size", "size", lambda found: Shown("", [f"{n:,} bytes" for n in found])
    ),
    Column("shape", lambda value: size(value.shape) if value.shape else "", "shape", "shape", words),
)


def _alive_style(value: Alive, column: Column) -> str:
    return BOLD if not value.shape else DIM if column.name == "shape" else PLAIN


# --- JSON ---------------------------------------------------------------------------------------------------------

OUTPUT = "The shape of the output, channels first, without the batch; of a sequence tokens and width."
STORED = "Where the output stands: in memory of its own, as a view of the input, in its place, or in what the op has."
READS = "What it reads."
Storage = Annotated[str, (("enum", tuple(STORAGE)),)]


class CountedNumber(TypedDict):
    """A number with its arithmetic."""

    value: Annotated[Amount, "The number."]
    arithmetic: Annotated[
        str | None, "How it comes about, in numbers; null where it is just given, or where nobody would read it."
    ]
    formula: Annotated[str | None, "The same in letters; null where that says no more."]


class CountedAxis(CountedNumber):
    """An axis of the output."""

    axis: Annotated[str, "The letter of the axis."]


class CountedTensor(CountedNumber):
    """A parameter, or a running statistic, which is in no sum."""

    kind: Annotated[Literal["weight", "bias", "norm", "stat"], "What it is: a stat is in no sum."]


class CountedParams(CountedNumber):
    """The parameters together and tensor by tensor."""

    tensors: Annotated[dict[str, CountedTensor], "The tensors by name."]


class StorageDocument(TypedDict):
    """Where an output stands."""

    storage: Annotated[Storage, STORED]
    because: Annotated[str, "Why it stands there."]
    until: Annotated[str, "Until when it is held."]


class CountedActivation(CountedNumber, StorageDocument):
    """The bytes that a node newly allocates."""


class CostsDocument(TypedDict):
    """Output, parameters and operations of an op, a sample."""

    shape: Annotated[list[CountedAxis], "The axes of the output."]
    params: Annotated[CountedParams, "Weights, biases and parameters of normalisations."]
    macs: Annotated[CountedNumber, "Multiply–accumulates of convolutions, fully connected layers and matrix products."]
    flops: Annotated[Amount, "Twice the MACs."]
    elementwise: Annotated[dict[str, CountedNumber], "Operations that are no MACs, by kind."]
    letters: Annotated[dict[str, int], "What the letters of the formulas stand for."]


class ExampleValue(Itemed):
    """A value that the example reads."""

    shape: Annotated[Sizes, "The shape, channels first, without the batch."]


class ValueDocument(ExampleValue):
    """A value that is read."""

    name: Annotated[str, "The node that made it, or the network's input."]


class FieldDocument(TypedDict):
    """The receptive field along an axis of the input."""

    axis: Annotated[str, "The letter of the axis."]
    size: Annotated[
        tuple[Positive, Positive] | None,
        "Input positions that an element sees at most, on the shortest path and on all; null where unbounded.",
    ]
    union: NotRequired[Annotated[Positive, "The field of all places together; absent where it is no other."]]
    arithmetic: Annotated[str | None, "How the size comes about; null where it is not written out."]
    stride: Annotated[float | None, "By how many input positions neighbours differ; null where paths differ."]
    offset: Annotated[float | None, "The input position at which the first field begins; null where paths differ."]
    because: Annotated[str | None, "What makes it unbounded; else null."]


class PartDocument(TypedDict):
    """An addend: a part, or several alike that follow each other."""

    name: Annotated[str, "The part, or the first and the last of several."]
    times: Annotated[Positive, "How many are alike."]
    value: Annotated[Amount, "What they come to together."]
    arithmetic: Annotated[str | None, "How it comes about; null where it is of several nodes, or just given."]


class SumDocument(TypedDict):
    """A sum over parts."""

    value: Annotated[Amount, "The sum."]
    arithmetic: Annotated[str | None, "Its addends as text; null where there are none."]
    parts: Annotated[list[PartDocument], "Its addends; parts that cost nothing are left out."]


class SumsDocument(TypedDict):
    """Three sums over the same parts."""

    params: Annotated[SumDocument, "Weights, biases and parameters of normalisations."]
    macs: Annotated[SumDocument, "Multiply–accumulates."]
    activation_bytes: Annotated[SumDocument, "The bytes newly allocated for outputs."]


class ExplainedClaim(ClaimDocument):
    """A printed figure with the arithmetic of its verdict."""

    arithmetic: Annotated[str, "How the verdict comes about."]


class AliveDocument(ValueDocument):
    """A tensor that is held at the peak."""

    bytes: Annotated[Amount, "Its size."]


class PeakDocument(TypedDict):
    """The node at which memory peaks, and what is held then."""

    value: Annotated[Amount, "The largest sum of live tensors in an inference that frees each at its last use."]
    at: Annotated[str, "The node that runs then."]
    alive: Annotated[list[AliveDocument], "What is held then."]


class Written(TypedDict):
    """The keys that every document begins with."""

    schema: Annotated[Version, VERSION]
    archcalc: Annotated[str, WRITER]


HEAD: Written = {"schema": SCHEMA, "archcalc": __version__}


class OpDocument(Written, CostsDocument, Itemed):
    """An op by itself or in a network."""

    free: Annotated[str | None, "Why it takes no operation; else null."]
    call: Annotated[str, "The op as the spec language calls it, with every argument that is set."]
    output_shape: Annotated[Sizes, OUTPUT]


class WordDocument(OpDocument):
    """A word of the spec language, with an example."""

    kind: Annotated[Literal["word"], "What is explained: an op by itself."]
    name: Annotated[str, "The word."]
    signature: Annotated[str, "How specs call it."]
    doc: Annotated[str, "What it does."]
    where: Annotated[str, "Where its rules stand."]
    storage: Annotated[Storage, STORED]
    weight_layers: Annotated[Natural, "How many layers with weights it counts as."]
    inputs: Annotated[list[ExampleValue], READS]


class OfModel(Written, Noted):
    """The network of which something is explained."""

    model: Annotated[str, "The name by which the network was asked for."]
    settings: Annotated[dict[str, str], "The constants that were set by hand, as they were given."]


class WeighingDocument(TypedDict):
    """What is said of the weights of a layer."""

    fan_in: Annotated[Positive, "How many products each output sums."]
    he_deviation: Annotated[float, "The standard deviation √(2 / fan-in) of He et al., arXiv:1502.01852."]
    matrix: Annotated[Sizes, "Rows and columns of the matrix that multiplies the input laid out as a vector."]
    nonzero: Annotated[Positive, "How many of its elements are weights; the others are zero."]


class NodeDocument(OfModel, OpDocument):
    """An op of a network."""

    kind: Annotated[Literal["op"], "What is explained: a node."]
    name: Annotated[str, "The path of the node."]
    op: Annotated[str, "The word of the spec language for what it does."]
    where: Annotated[FilePlace, "The place in the spec: file:line:column."]
    row: Annotated[str | None, "The row of the table that it belongs to; null where there is none."]
    inputs: Annotated[list[ValueDocument], READS]
    activation_bytes: Annotated[CountedActivation, "The bytes newly allocated; 0 for views and what works in place."]
    receptive_field: Annotated[list[FieldDocument], "The receptive field, an axis each."]
    weighing: Annotated[WeighingDocument | None, "Of a convolution or fully connected layer; else null."]
    shares: Annotated[str | None, "The node whose parameters it works with, where they are counted; else null."]
    shared_by: Annotated[Sequence[str], "The nodes that work with its parameters."]


class SummedDocument(OfModel):
    """A network, or rows or a block of it."""

    sums: Annotated[SumsDocument, "What it costs, as sums over its parts; of a network over the rows of its table."]
    elementwise: Annotated[dict[str, Natural], "Operations that are no MACs, by kind."]
    claims: Annotated[list[ExplainedClaim], "The printed figures about it and the verdicts on them."]


class SpanDocument(SummedDocument, Itemed, OfSeveral):
    """A row of the table, rows that share a label, or a block."""

    kind: Annotated[str, (("enum", ("row", "rows", "block")),), "What is explained."]
    name: Annotated[str, "The row's name or label, or the path of the block."]
    where: Annotated[FilePlace, "The place in the spec: file:line:column."]
    inputs: Annotated[list[ValueDocument], READS]
    output_shape: Annotated[Sizes, OUTPUT]
    weight_layers: Annotated[Natural, "The weight layers on the longest path through it."]


class ModelDocument(SummedDocument):
    """A whole network, its main path."""

    kind: Annotated[Literal["model"], "What is explained: a network."]
    inputs: Annotated[list[InputDocument], INPUTS]
    outputs: Annotated[list[OutputDocument], OUTPUTS]
    weight_layers: Annotated[dict[str, Natural], "The weight layers on the longest path, by row."]
    peak_memory_bytes: Annotated[PeakDocument, "Where the memory peaks."]


class SourceDocument(Written):
    """The rules of an op as code."""

    kind: Annotated[Literal["source"], "What is written: the code of an op's rules."]
    name: Annotated[str, "The word."]
    source: Annotated[str, "The code."]


ExplainDocument = SourceDocument | WordDocument | NodeDocument | SpanDocument | ModelDocument


def _op_data(facts: OpFacts) -> WordDocument:
    return {
        **HEAD,
        "kind": "word",
        "name": facts.word,
        "signature": facts.signature,
        "doc": facts.doc,
        "where": facts.where,
        "storage": facts.storage,
        "free": facts.free or None,
        "weight_layers": facts.weight_layers,
        "call": usage(facts.example),
        "inputs": [{"shape": shape, **itemed(shape)} for shape in facts.inputs],
        "output_shape": facts.output,
        **itemed(facts.output),
        **_costs_document(facts.counts),
    }


def _node_data(facts: NodeFacts, summary: Summary) -> NodeDocument:
    node = facts.node
    storage: StorageDocument = {"storage": facts.storage, "because": facts.because, "until": facts.until}
    return {
        **_of(summary),
        "kind": "op",
        "name": node.path,
        "op": node.op.word,
        "call": usage(node.op),
        "where": node.where.where,
        "row": facts.row.name if facts.row is not None else None,
        "inputs": [{"name": value.name, "shape": value.shape, **itemed(value.shape)} for value in facts.inputs],
        "output_shape": node.shape,
        **itemed(node.shape),
        **_costs_document(facts.counts),
        "activation_bytes": {**_number(facts.activation), **storage},
        "receptive_field": [_field_document(found) for found in facts.fields],
        "free": node.op.free or None,
        "shares": facts.shares or None,
        "shared_by": facts.users,
        "weighing": _weighing_document(facts),
    }


def _weighing_document(facts: NodeFacts) -> WeighingDocument | None:
    found = facts.weighing
    if found is None:
        return None
    return {
        "fan_in": found.fan_in.value,
        "he_deviation": found.deviation,
        "matrix": found.matrix,
        "nonzero": found.nonzero,
    }


def _of(summary: Summary) -> OfModel:
    return {**HEAD, "model": summary.model, "settings": summary.settings, **noted(summary.notes)}


def _span_data(facts: SpanFacts, network: Explained, summary: Summary) -> SpanDocument:
    found = {
        **_of(summary),
        "kind": facts.kind,
        "name": facts.name,
        "where": facts.spans[0].where.where,
        "inputs": [{"name": read.name, "shape": read.shape, **itemed(read.shape)} for read in facts.inputs],
        "output_shape": facts.outputs[0],
        **itemed(facts.outputs[0]),
        "sums": _sums(facts.sums, network),
        "elementwise": facts.totals.elementwise,
        "weight_layers": facts.totals.weight_layers,
        "claims": _claims(facts.judged),
    }
    if len(facts.outputs) > 1:
        found["output_shapes"] = list(facts.outputs)
    return cast(SpanDocument, found)


def _model_data(facts: NetworkFacts, network: Explained, summary: Summary) -> ModelDocument:
    alive: list[AliveDocument] = [
        {"name": a.name, "shape": a.shape, **itemed(a.shape), "bytes": a.bytes} for a in facts.alive
    ]
    return {
        **_of(summary),
        "kind": "model",
        "inputs": inputs_document(network.graph),
        "outputs": outputs_document(network.graph),
        "sums": _sums(facts.sums, network),
        "elementwise": facts.totals.elementwise,
        "weight_layers": {addend.called: addend.value for addend in facts.depth},
        "peak_memory_bytes": {"value": facts.totals.peak_memory_bytes, "at": facts.peak_at, "alive": alive},
        "claims": _claims(facts.judged),
    }


def _number(count: Count) -> CountedNumber:
    return {"value": count.value, "arithmetic": count.text or None, "formula": count.rule or None}


def _costs_document(counts: Arithmetic) -> CostsDocument:
    tensors: dict[str, Any] = {count.name: {**_number(count), "kind": count.kind} for count in counts.params}
    return {
        "shape": [{"axis": count.name, **_number(count)} for count in counts.shape],
        "params": {**_number(counts.total), "tensors": tensors},
        "macs": _number(counts.macs),
        "flops": 2 * counts.macs.value,
        "elementwise": {count.name: _number(count) for count in counts.elementwise},
        "letters": counts.letters,
    }


def _field_document(found: FieldFacts) -> FieldDocument:
    field = found.field
    document: FieldDocument = {
        "axis": found.axis,
        "size": None if field.most is None or field.least is None else (field.least, field.most),
        "arithmetic": found.size or None,
        "stride": None if field.stride is None else float(field.stride),
        "offset": None if field.offset is None else float(field.offset),
        "because": found.because or None,
    }
    if field.union is not None and field.union != field.most:
        document["union"] = field.union
    return document


def _sums(sums: Sequence[Sum], network: Explained) -> SumsDocument:
    def document(found: Sum) -> SumDocument:
        parts: list[PartDocument] = [
            {"name": a.called, "times": a.times, "value": a.value, "arithmetic": network.spelled(found, a) or None}
            for a in found.added
        ]
        return {"value": found.value, "arithmetic": found.text or None, "parts": parts}

    params, macs, activation = map(document, sums)
    return {"params": params, "macs": macs, "activation_bytes": activation}


def _claims(judged: Sequence[JudgementFacts]) -> list[ExplainedClaim]:
    return [{**claim_document(found.judgement), "arithmetic": found.arithmetic} for found in judged]


# --- csv ----------------------------------------------------------------------------------------------------------


Number = Mapping[str, Any]  # its value, and perhaps its formula and its arithmetic
TERMS = (
    Column("quantity", itemgetter(0)),
    Column("part", itemgetter(1)),
    Column("formula", lambda term: term[2].get("formula") or ""),
    Column("arithmetic", lambda term: term[2].get("arithmetic") or ""),
    Column("value", lambda term: term[2]["value"]),
)


def _terms(found: Mapping[str, Any]) -> Iterator[tuple[str, str, Number]]:
    """The numbers of a document, of what and of which part of it, each whole before its parts."""
    yield from (("output_shape", axis["axis"], axis) for axis in found.get("shape", ()))
    if "params" in found:
        yield "params", "", found["params"]
        for name, tensor in found["params"]["tensors"].items():
            yield "params" if tensor["kind"] != "stat" else "norm_stats", name, tensor
        yield "macs", "", found["macs"]
        yield "flops", "", {"arithmetic": "2·macs", "value": found["flops"]}
    for quantity, whole in found.get("sums", {}).items():
        yield quantity, "", whole
        yield from ((quantity, part["name"], part) for part in whole["parts"])
    for kind, cost in found["elementwise"].items():
        yield "elementwise", kind, cost if isinstance(cost, dict) else {"value": cost}
    if "activation_bytes" in found:
        yield "activation_bytes", "", found["activation_bytes"]
    for field in found.get("receptive_field", ()):
        if field["size"]:
            yield "receptive_field", field["axis"], {**field, "value": field["size"][1]}
    layers = found.get("weight_layers", {})
    for row, count in (layers if isinstance(layers, dict) else {"": layers}).items():
        yield "weight_layers", row, {"value": count}
    if "peak_memory_bytes" in found:
        yield "peak_memory_bytes", "", found["peak_memory_bytes"]
        for held in found["peak_memory_bytes"]["alive"]:
            yield "peak_memory_bytes", held["name"], {"value": held["bytes"]}
