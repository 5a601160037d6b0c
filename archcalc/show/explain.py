"""Explanations: the arithmetic of an op, a row, a network, in every form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from .. import __version__
from ..analysis.arithmetic import Arithmetic, Count, axes_of, usage
from ..analysis.explain import FEW, Alive, FieldFacts, Network, NodeFacts, Sum
from ..documents import SCHEMA, VERSION, WRITER, Natural, Place, Positive, Sizes, Version
from ..documents import Count as Amount
from ..errors import Text, excerpt, printable
from ..models import Summary
from ..ops import KINDS, Shape, Tokens
from ..ops.shapes import show
from ..tasks.explain import Explanation, JudgementFacts, NetworkFacts, OpFacts, SpanFacts
from ..units import binary, with_separators
from . import wording
from .columns import Column, Shown, size, words
from .documents import ClaimDocument, claim_document
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
}


def page(found: Explanation) -> Page:
    """An op with an example, or a model or a part of it: each number with its formula and its arithmetic."""
    document = partial(data, found)
    return Page("Explained", lambda: _joined(_blocks(found)), document, lambda: Table(TERMS, list(terms(document()))))


def _blocks(found: Explanation) -> Iterator[Block]:
    facts, network, summary = found.facts, found.network, found.summary
    if isinstance(facts, OpFacts):
        yield from _op(facts)
        return
    assert network is not None
    assert summary is not None
    if isinstance(facts, NodeFacts):
        yield from _node(facts, summary)
    elif isinstance(facts, SpanFacts):
        yield from _span(facts, network, summary)
    else:
        yield from _network(facts, network, summary)


def source_page(word: str, source: str, color: bool) -> Page:
    """The code of an op's rules; `color`: whether anybody sees its colours."""
    lines = partial(source_lines, source, color)
    document: SourceDocument = {
        "schema": SCHEMA,
        "archcalc": __version__,
        "kind": "source",
        "name": word,
        "source": source,
    }
    return Page(f"The rules of {word}", lambda: [Verbatim(lambda width: lines(), "python")], lambda: document)


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Facts that stand below each other as one block."""
    for where, group in groupby(blocks, lambda block: block[1:] if isinstance(block, Facts) else None):
        if where is None:
            yield from group
        else:
            yield Facts([fact for block in group if isinstance(block, Facts) for fact in block.facts], *where)


# --- what all have ------------------------------------------------------------------------------------------------


def _heading(summary: Summary, what: str, aside: str, where: Text) -> Iterator[Block]:
    """The network, what of it is explained, which of how many that is, and where it stands in the spec."""
    yield Heading(printable(summary.model), (printable(what),), fill=True, aside=aside)
    yield Prose(wording.heading(summary)[-1], DIM)
    yield Gap()
    lines = where.source.lines[where.line - 1 : where.line]
    instead = Facts([Fact("where", printable(where.where)), *(Fact("", clean(line)) for line in lines)])
    yield Verbatim(partial(_place, where), instead=(instead,))
    yield Gap()


def _place(where: Text, width: int) -> Iterator[Pieces]:
    """The line of the spec with carets below it, cut round these where it is too long."""
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


def _facts(*facts: Fact) -> Facts:
    return Facts(facts, ROOM)


def _below(facts: Sequence[Fact]) -> Iterator[Facts]:
    """Facts about the fact above."""
    if facts:
        yield Facts(facts, max(ROOM, max(width_of(fact.label) for fact in facts) + 4), 2)


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
    shown: list[tuple[list[str], Count]] = []
    for count in counts:
        if not count.text and count.rule in ("", count.name):
            continue
        rule = count.rule.replace(count.name, "·")
        if shown and (shown[-1][1].text, shown[-1][1].rule.replace(shown[-1][1].name, "·")) == (count.text, rule):
            shown[-1][0].append(count.name)
        else:
            shown.append(([count.name], count))
    found = [_counted(", ".join(f"{name}′" for name in names), count, "", PLAIN) for names, count in shown]
    yield from [Facts(found, ROOM, 2)] if found else []


def _letters(counts: Arithmetic) -> Iterator[Facts]:
    """The values of letters in formulas that shapes do not show."""
    used = " ".join(count.rule for count in (*counts.shape, *counts.params, counts.macs, *counts.elementwise))
    words = set(re.findall(r"\w+", used)) - set("CDHWLTN")
    letters = ", ".join(f"{letter} = {value}" for letter, value in counts.letters.items() if letter in words)
    yield from [_facts(Fact("", letters, DIM))] if letters else []


def _costs(counts: Arithmetic, word: str, free: str, shares: str = "") -> Iterator[Facts]:
    """Parameters tensor by tensor, MACs, and what is no MAC."""
    counted = [count for count in counts.params if count.kind != "stat"]
    if not counted:
        own = f"none of its own: those of {clean(shares)}, counted there" if shares else "none"
        yield _facts(Fact("params", own))
    elif len(counted) == 1:
        yield _facts(_counted("params", counted[0], f"  {counted[0].name}"))
    else:
        yield _facts(_counted("params", counts.total._replace(rule="")))
    room = max((width_of(count.name) + 4 for count in counts.params), default=0)
    tensors = [
        _counted(tensor.name, tensor, ", a running statistic: counted apart" if tensor.kind == "stat" else "", PLAIN)
        for tensor in counts.params
        if tensor.kind == "stat" or len(counted) > 1
    ]
    yield from [Facts(tensors, room, 2)] if tensors else []
    if counts.macs.value:
        yield _facts(_counted("MACs", counts.macs), Fact("FLOPs", f"2 × MACs = {2 * counts.macs.value:,}"))
    else:
        yield _facts(Fact("MACs", f"0: there is no matrix product in `{word}`"))
    if not counts.elementwise:
        yield _facts(Fact("other ops", f"none: {free}" if free else "none"))
    yield _facts(
        *(
            _counted("" if number else "other ops", count, f" {KINDS[count.name]}")
            for number, count in enumerate(counts.elementwise)
        )
    )


def _sum(found: Sum, network: Network) -> Iterator[Facts]:
    unit = " bytes" if found.name == "activation" else ""
    whole = Fact(found.name, f"{found.value:,}{unit}" if found.added else f"0{unit}")
    if len(found.added) > FEW:
        named = " + ".join(f"{clean(addend.called)} {addend.text}" for addend in found.added)
        yield _facts(whole, Fact("", f"= {named}"))
        return
    yield _facts(whole)
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
    yield from [Facts([Fact(mark, note, DIM, DIM) for mark, note in notes.numbered()], 2)] if notes.texts else []


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


def _node(facts: NodeFacts, summary: Summary) -> Iterator[Block]:
    node = facts.node
    row = f", in the row {clean(facts.row.name)}" if facts.row is not None else ""
    yield from _heading(summary, node.path, f"op {facts.index + 1} of {facts.of}{row}", node.where)
    yield _facts(Fact("op", usage(node.op), ACCENT))
    yield from _letters(facts.counts)
    read = [f"{_shape(v.shape, n, len(facts.inputs))}  {clean(v.name)}" for n, v in enumerate(facts.inputs)]
    yield from _reads(read, node.shape)
    yield from _axes(facts.counts.shape)
    yield from _costs(facts.counts, node.op.word, node.op.free, facts.shares)
    if facts.users:
        more = f" and {len(facts.users) - FEW} more" if len(facts.users) > FEW else ""
        yield _facts(Fact("shared", f"also the parameters of {clean(', '.join(facts.users[:FEW]))}{more}"))
    count = facts.activation
    unit = f" bytes ({' '.join(binary(count.value))})" if count.value >= 1024 else " bytes"
    until = f"; {facts.until}" if facts.until else ""
    yield _facts(_counted("activation", count, unit), Fact("", f"{clean(facts.because)}{until}"))
    yield from _receptive(facts.fields)


def _reads(read: Sequence[str], gives: Shape) -> Iterator[Facts]:
    yield _facts(
        *(Fact("" if number else "reads", text) for number, text in enumerate(read)), Fact("gives", size(gives))
    )


def _receptive(fields: Sequence[FieldFacts]) -> Iterator[Facts]:
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
        yield _facts(Fact("" if number else "field", axis + text))
        if most is not None:
            steps = []
            for name, spelled in (("stride", found.stride), ("offset", found.offset)):
                value = show(getattr(found.field, name)).replace("-", "−")
                steps.append(Fact(name, (f"{spelled} = " if spelled else "") + value))
            yield from _below(steps)


def _op(facts: OpFacts) -> Iterator[Block]:
    yield Heading(facts.word, (facts.where,), about_style=DIM)
    yield Prose(facts.signature, BOLD)
    yield Gap()
    for paragraph in facts.doc.split("\n\n"):
        yield Prose(" ".join(paragraph.split()))
        yield Gap()
    yield Heading("for example", level=2, style=BOLD)
    yield _facts(Fact("op", usage(facts.example), ACCENT))
    yield from _letters(facts.counts)
    yield from _reads([_shape(x, n, len(facts.inputs)) for n, x in enumerate(facts.inputs)], facts.output)
    yield from _axes(facts.counts.shape)
    yield from _costs(facts.counts, facts.word, facts.free)
    yield _facts(Fact("output", STORAGE[facts.storage]))
    layers = facts.weight_layers
    if layers:
        yield _facts(Fact("depth", f"{layers} weight layer{'s' * (layers != 1)}"))


# --- a row or block, and a network --------------------------------------------------------------------------------


def _span(facts: SpanFacts, network: Network, summary: Summary) -> Iterator[Block]:
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
    yield from _reads([f"{size(facts.input.shape)}  {clean(facts.input.name)}"], facts.output)
    for found in facts.sums:
        yield from _sum(found, network)
    layers = facts.totals.weight_layers
    depth = f"{layers} weight layer{'s' * (layers != 1)} on the longest path through it"
    yield _facts(_elementwise(facts.totals.elementwise), Fact("depth", depth))
    yield from _judged(facts.judged)


def _network(facts: NetworkFacts, network: Network, summary: Summary) -> Iterator[Block]:
    totals = facts.totals
    yield Heading(printable(summary.model), wording.heading(summary), fill=True)
    yield Gap()
    for found in facts.sums:
        yield from _sum(found, network)
        if found.name == "params" and totals.params:
            parts = [(totals.weights, "weights"), (totals.biases, "biases"), (totals.norm_params, "norm")]
            made = " + ".join(f"{with_separators(count)} {what}" for count, what in parts if count)
            yield _facts(Fact("", f"= {made}"))
        if found.name == "MACs":
            yield _facts(Fact("FLOPs", f"2 × MACs = {totals.flops:,}"))
    layers = " + ".join(f"{clean(addend.called)} {addend.text}" for addend in facts.depth)
    yield _facts(
        _elementwise(totals.elementwise),
        Fact("depth", f"{totals.weight_layers} weight layers on the longest path"),
        Fact("", f"= {layers}"),
        Fact("peak", f"{' '.join(binary(totals.peak_memory_bytes))} while {clean(facts.peak_at)} runs"),
    )
    alive = [*facts.alive, Alive("together", (), totals.peak_memory_bytes)]
    yield Table(ALIVE, alive, style=_alive_style, headings=False, indent=2, rules=(len(facts.alive),), fill=True)
    yield from _judged(facts.judged)


ALIVE = (
    Column("name", lambda value: clean(value.name), "held then", "held then", words),
    Column(
        "bytes",
        lambda value: value.bytes,
        "size",
        "size",
        lambda sizes: Shown("", [f"{size:,} bytes" for size in sizes]),
    ),
    Column("shape", lambda value: size(value.shape) if value.shape else "", "shape", "shape", words),
)


def _alive_style(value: Alive, column: Column) -> str:
    return BOLD if not value.shape else DIM if column.name == "shape" else PLAIN


# --- JSON ---------------------------------------------------------------------------------------------------------

ARITHMETIC = "How it comes about, in numbers; null where it is just given, or where nobody would read it."
FORMULA = "The same in letters; null where that says no more."
CALL = "The op as the spec language calls it, with every argument that is set."
FREE = "Why it takes no operation; else null."
OUTPUT = "The shape of the output, channels first, without the batch; of a sequence tokens and width."
STORED = "Where the output stands: in memory of its own, as a view of the input, or in its place."
READS = "What it reads."
CLAIMS = "The printed figures about it and the verdicts on them."
Storage = Annotated[str, (("enum", tuple(STORAGE)),)]


class CountedNumber(TypedDict):
    """A number with its arithmetic."""

    value: Annotated[Amount, "The number."]
    arithmetic: Annotated[str | None, ARITHMETIC]
    formula: Annotated[str | None, FORMULA]


class CountedAxis(CountedNumber):
    """An axis of the output."""

    axis: Annotated[str, "The letter of the axis."]


class CountedTensor(CountedNumber):
    """A parameter, or a running statistic, which is in no sum."""

    kind: Annotated[Literal["weight", "bias", "norm", "stat"], "What it is: a stat is in no sum."]


class CountedParams(CountedNumber):
    """The parameters together and tensor by tensor."""

    tensors: Annotated[dict[str, CountedTensor], "The tensors by name."]


class CountedActivation(CountedNumber):
    """The bytes that a node newly allocates."""

    storage: Annotated[Storage, STORED]
    because: Annotated[str, "Why it stands there."]
    until: Annotated[str, "Until when it is held."]


class CostsDocument(TypedDict):
    """Output, parameters and operations of an op, a sample."""

    shape: Annotated[list[CountedAxis], "The axes of the output."]
    params: Annotated[CountedParams, "Weights, biases and parameters of normalisations."]
    macs: Annotated[CountedNumber, "Multiply–accumulates of convolutions, fully connected layers and matrix products."]
    flops: Annotated[Amount, "Twice the MACs."]
    elementwise: Annotated[dict[str, CountedNumber], "Operations that are no MACs, by kind."]
    letters: Annotated[dict[str, int], "What the letters of the formulas stand for."]


class ValueDocument(TypedDict):
    """A value that is read."""

    name: Annotated[str, "The node that made it, or the network's input."]
    shape: Annotated[Sizes, "The shape, channels first, without the batch."]


class ExampleValue(TypedDict):
    """A value that the example reads."""

    shape: Annotated[Sizes, "The shape, channels first, without the batch."]


class FieldDocument(TypedDict):
    """The receptive field along an axis of the input."""

    axis: Annotated[str, "The letter of the axis."]
    size: Annotated[
        tuple[Positive, Positive] | None, "Input positions on the shortest path and on all; null where unbounded."
    ]
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


class AliveDocument(TypedDict):
    """A tensor that is held at the peak."""

    name: Annotated[str, "The node that made it, or the network's input."]
    shape: Annotated[Sizes, "The shape, channels first, without the batch."]
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


class WordDocument(Written, CostsDocument):
    """A word of the spec language, with an example."""

    kind: Annotated[Literal["word"], "What is explained: an op by itself."]
    name: Annotated[str, "The word."]
    signature: Annotated[str, "How specs call it."]
    doc: Annotated[str, "What it does."]
    where: Annotated[str, "Where its rules stand."]
    storage: Annotated[Storage, STORED]
    free: Annotated[str | None, FREE]
    weight_layers: Annotated[Natural, "How many layers with weights it counts as."]
    call: Annotated[str, CALL]
    inputs: Annotated[list[ExampleValue], READS]
    output_shape: Annotated[Sizes, OUTPUT]


class OfModel(Written):
    """The network of which something is explained."""

    model: Annotated[str, "The name by which the network was asked for."]
    settings: Annotated[dict[str, str], "The constants that were set by hand, as they were given."]


class NodeDocument(OfModel, CostsDocument):
    """An op of a network."""

    kind: Annotated[Literal["op"], "What is explained: a node."]
    name: Annotated[str, "The path of the node."]
    op: Annotated[str, "The word of the spec language for what it does."]
    call: Annotated[str, CALL]
    where: Annotated[Place, "The place in the spec: file:line:column."]
    row: Annotated[str | None, "The row of the table that it belongs to; null where there is none."]
    inputs: Annotated[list[ValueDocument], READS]
    output_shape: Annotated[Sizes, OUTPUT]
    activation_bytes: Annotated[CountedActivation, "The bytes newly allocated; 0 for views and what works in place."]
    receptive_field: Annotated[list[FieldDocument], "The receptive field, an axis each."]
    free: Annotated[str | None, FREE]
    shares: Annotated[str | None, "The node whose parameters it works with, where they are counted; else null."]
    shared_by: Annotated[Sequence[str], "The nodes that work with its parameters."]


class SpanDocument(OfModel):
    """A row of the table, rows that share a label, or a block."""

    kind: Annotated[str, (("enum", ("row", "rows", "block")),), "What is explained."]
    name: Annotated[str, "The row's name or label, or the path of the block."]
    where: Annotated[Place, "The place in the spec: file:line:column."]
    inputs: Annotated[list[ValueDocument], READS]
    output_shape: Annotated[Sizes, OUTPUT]
    sums: Annotated[SumsDocument, "What it costs, as sums over its parts."]
    elementwise: Annotated[dict[str, Natural], "Operations that are no MACs, by kind."]
    weight_layers: Annotated[Natural, "The weight layers on the longest path through it."]
    claims: Annotated[list[ExplainedClaim], CLAIMS]


class ModelDocument(OfModel):
    """A whole network, its main path."""

    kind: Annotated[Literal["model"], "What is explained: a network."]
    sums: Annotated[SumsDocument, "What it costs, as sums over the rows of its table."]
    elementwise: Annotated[dict[str, Natural], "Operations that are no MACs, by kind."]
    weight_layers: Annotated[dict[str, Natural], "The weight layers on the longest path, by row."]
    peak_memory_bytes: Annotated[PeakDocument, "Where the memory peaks."]
    claims: Annotated[list[ExplainedClaim], CLAIMS]


class SourceDocument(Written):
    """The rules of an op as code."""

    kind: Annotated[Literal["source"], "What is written: the code of an op's rules."]
    name: Annotated[str, "The word."]
    source: Annotated[str, "The code."]


ExplainDocument = SourceDocument | WordDocument | NodeDocument | SpanDocument | ModelDocument


def data(found: Explanation) -> ExplainDocument:
    """The JSON document; each kind of fact has its own."""
    facts, network, summary = found.facts, found.network, found.summary
    head: Written = {"schema": SCHEMA, "archcalc": __version__}
    if isinstance(facts, OpFacts):
        return _word_document(head, facts)
    assert network is not None
    assert summary is not None
    whose: OfModel = {**head, "model": summary.model, "settings": summary.settings}
    if isinstance(facts, NodeFacts):
        return _node_document(whose, facts)
    if isinstance(facts, SpanFacts):
        return {
            **whose,
            "kind": facts.kind,
            "name": facts.name,
            "where": facts.spans[0].where.where,
            "inputs": [{"name": facts.input.name, "shape": facts.input.shape}],
            "output_shape": facts.output,
            "sums": _sums(facts.sums, network),
            "elementwise": facts.totals.elementwise,
            "weight_layers": facts.totals.weight_layers,
            "claims": _claims(facts.judged),
        }
    return {
        **whose,
        "kind": "model",
        "sums": _sums(facts.sums, network),
        "elementwise": facts.totals.elementwise,
        "weight_layers": {addend.called: addend.value for addend in facts.depth},
        "peak_memory_bytes": {
            "value": facts.totals.peak_memory_bytes,
            "at": facts.peak_at,
            "alive": [{"name": value.name, "shape": value.shape, "bytes": value.bytes} for value in facts.alive],
        },
        "claims": _claims(facts.judged),
    }


def _word_document(head: Written, facts: OpFacts) -> WordDocument:
    return {
        **head,
        "kind": "word",
        "name": facts.word,
        "signature": facts.signature,
        "doc": facts.doc,
        "where": facts.where,
        "storage": facts.storage,
        "free": facts.free or None,
        "weight_layers": facts.weight_layers,
        "call": usage(facts.example),
        "inputs": [{"shape": shape} for shape in facts.inputs],
        "output_shape": facts.output,
        **_costs_document(facts.counts),
    }


def _node_document(whose: OfModel, facts: NodeFacts) -> NodeDocument:
    node = facts.node
    return {
        **whose,
        "kind": "op",
        "name": node.path,
        "op": node.op.word,
        "call": usage(node.op),
        "where": node.where.where,
        "row": facts.row.name if facts.row is not None else None,
        "inputs": [{"name": value.name, "shape": value.shape} for value in facts.inputs],
        "output_shape": node.shape,
        **_costs_document(facts.counts),
        "activation_bytes": {
            **_number(facts.activation),
            "storage": facts.storage,
            "because": facts.because,
            "until": facts.until,
        },
        "receptive_field": [_field_document(found) for found in facts.fields],
        "free": node.op.free or None,
        "shares": facts.shares or None,
        "shared_by": facts.users,
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
    return {
        "axis": found.axis,
        "size": None if field.most is None or field.least is None else (field.least, field.most),
        "arithmetic": found.size or None,
        "stride": None if field.stride is None else float(field.stride),
        "offset": None if field.offset is None else float(field.offset),
        "because": found.because or None,
    }


def _sums(sums: Sequence[Sum], network: Network) -> SumsDocument:
    params, macs, activation = (_sum_document(found, network) for found in sums)
    return {"params": params, "macs": macs, "activation_bytes": activation}


def _sum_document(found: Sum, network: Network) -> SumDocument:
    return {
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


def _claims(judged: Sequence[JudgementFacts]) -> list[ExplainedClaim]:
    return [{**claim_document(found.judgement), "arithmetic": found.arithmetic} for found in judged]


# --- csv ----------------------------------------------------------------------------------------------------------


class Term(NamedTuple):
    """A number of an explanation: of what, of which part of it (none: the whole), and how it comes about."""

    quantity: str
    part: str
    formula: str
    arithmetic: str
    value: int


TERMS = tuple(Column(name, attrgetter(name)) for name in Term._fields)


def terms(found: Mapping[str, Any]) -> Iterator[Term]:
    """The numbers of a document, each whole before its parts."""
    for axis in found.get("shape", ()):
        yield _term("output_shape", axis["axis"], axis)
    if "params" in found:
        yield _term("params", "", found["params"])
        for name, tensor in found["params"]["tensors"].items():
            yield _term("params" if tensor["kind"] != "stat" else "norm_stats", name, tensor)
        yield _term("macs", "", found["macs"])
        yield Term("flops", "", "", "2·macs", found["flops"])
    for quantity, whole in found.get("sums", {}).items():
        yield _term(quantity, "", whole)
        yield from (_term(quantity, part["name"], part) for part in whole["parts"])
    for kind, cost in found["elementwise"].items():
        yield _term("elementwise", kind, cost if isinstance(cost, dict) else {"value": cost})
    if "activation_bytes" in found:
        yield _term("activation_bytes", "", found["activation_bytes"])
    for field in found.get("receptive_field", ()):
        if field["size"]:
            yield Term("receptive_field", field["axis"], "", field["arithmetic"] or "", field["size"][1])
    layers = found.get("weight_layers", {})
    for row, count in (layers if isinstance(layers, dict) else {"": layers}).items():
        yield Term("weight_layers", row, "", "", count)
    if "peak_memory_bytes" in found:
        peak = found["peak_memory_bytes"]
        yield Term("peak_memory_bytes", "", "", "", peak["value"])
        yield from (Term("peak_memory_bytes", held["name"], "", "", held["bytes"]) for held in peak["alive"])


def _term(quantity: str, part: str, number: Mapping[str, Any]) -> Term:
    return Term(quantity, part, number.get("formula") or "", number.get("arithmetic") or "", number["value"])
