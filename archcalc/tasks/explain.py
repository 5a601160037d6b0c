"""Why a number is what it is: of a node by its op's rules, of a row or block by its parts, of a network by its rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ..analysis.arithmetic import Arithmetic, arithmetic
from ..analysis.counts import Report, Totals
from ..analysis.explain import Addend, Alive, Explained, NodeFacts, Part, Sum, Value, depth_by_row, peak
from ..analysis.find import find
from ..errors import Unavailable, UsageError
from ..fronts import is_other
from ..graph import Input, Span
from ..language.zoo import known_names, split
from ..models import Model, Summary, load
from ..networks import Settings
from ..ops import ARGUMENTS, OPS, Op, Shape
from ..ops.shapes import show
from ..ops.synonyms import suggest_op
from ..papers.claims import Judgement
from ..records import NamedTuple
from ..units import read_figure, with_separators
from ..views import Shown


@dataclass(frozen=True, slots=True)
class Explanation(Shown):
    """What is to be known about an op, or about a model or a part of it; then `network` and `summary` are the whole.

    `note` says that a model is meant where an op is called so, too."""

    facts: OpFacts | NodeFacts | SpanFacts | NetworkFacts
    network: Explained | None = field(default=None, repr=False)
    summary: Summary | None = field(default=None, repr=False)
    note: str = ""


def explain(
    name: str | Model, layer: str = "", *, input: Input | None = None, settings: Settings | None = None
) -> Explanation:
    """Write out the arithmetic of a model, of a row, block or op of it (`layer`), or of an op of the spec language.

    At batch 1 in float32; `input` and `settings` are those of `load`. A model goes before an op of the same name.
    Raises UsageError for a name that is not known or could be several, SpecError for a bad spec."""
    word = name if isinstance(name, str) and name in OPS else ""
    if word and word not in known_names():
        if layer:
            raise UsageError(f"`{word}` is an op: it has no layer `{layer}`", _turned(word, layer))
        return Explanation(explain_op(word))
    summary = _load(name, layer, input, settings).summary()
    network = Explained(summary.report)
    note = f"`{word}` is a model here, and an op too" if word else ""
    if not layer:
        return Explanation(explain_network(network, summary.judgements), network, summary, note)
    node, spans = find(network.graph, layer)
    facts = explain_spans(network, spans, summary.judgements) if node is None else network.node(node)
    return Explanation(facts, network, summary, note)


def _load(name: str | Model, layer: str, input: Input | None, settings: Settings | None) -> Model:
    """The model; where there is none, say that it is no op either."""
    try:
        return load(name, input=input, settings=settings)
    except UsageError as error:
        if isinstance(name, Model) or error.message != f"no model is called `{name}`":
            raise
        hint = _turned(name, layer) or suggest_op(name, known_names()) or error.hint
        raise UsageError(f"`{name}` is neither a model nor an op", hint) from None


def _turned(name: str, layer: str) -> str:
    """What to type where the model stands behind its layer."""
    named = layer in known_names() or split(layer)[0] is not None or is_other(layer)
    return f"The model stands first: `archcalc explain {layer} {name}`." if named else ""


# --- a row or a block ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """A row, a group of rows that share a label, or a block: its sums, and the figures that are printed for it."""

    kind: str  # row, rows, block
    name: str
    spans: tuple[Span, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Shape, ...]
    totals: Totals
    parts: tuple[Part, ...]
    sums: tuple[Sum, ...]
    judged: tuple[JudgementFacts, ...]


def explain_spans(network: Explained, spans: Sequence[Span], judgements: Sequence[Judgement]) -> SpanFacts:
    """Explain a row or block, or several rows that follow each other."""
    report, first, last = network.report, spans[0], spans[-1]
    whole = first._replace(stop=last.stop, outputs=last.outputs)
    if len(spans) == 1:
        kind = "row" if first.depth == 0 else "block"
        name = first.name if first.depth == 0 else first.path
        parts = network.parts(first.start, first.stop, first.depth + 1, first.path)
    else:
        kind, name = "rows", first.path
        parts = [Part(span.name, span.start, span.stop, report.subtotal(span)) for span in spans]
    read = dict.fromkeys(
        value
        for node in report.graph.nodes[first.start : last.stop]
        for value in node.inputs
        if not first.start <= value < last.stop
    )
    rows = {span.name for span in spans if span.depth == 0}
    judged = tuple(explain_judgement(j) for j in judgements if j.claim.row and j.claim.row in rows and not first.head)
    return SpanFacts(
        kind,
        name,
        tuple(spans),
        tuple(Value(network.called(value), report.graph.shape(value)) for value in read or (first.input,)),
        tuple(map(report.graph.shape, last.outputs)),
        report.subtotal(whole),
        tuple(parts),
        network.sums(parts),
        judged,
    )


class JudgementFacts(NamedTuple):
    """A verdict with its arithmetic: `|9,472 − 2.7·1024| = 6,707.2 > 51.2`."""

    judgement: Judgement
    arithmetic: str


def explain_judgement(judgement: Judgement) -> JudgementFacts:
    """Write out how the verdict on a printed figure comes about."""
    claim, computed = judgement.claim, judgement.computed
    if isinstance(computed, tuple) or judgement.difference is None:
        shown = "×".join(map(str, computed)) if isinstance(computed, tuple) else f"{computed:,}"
        sign = "=" if judgement.holds else "≠"
        return JudgementFacts(judgement, f"{shown} {sign} {claim.printed}")
    figure = read_figure(claim.printed.value, claim.role.scale)
    assert figure is not None
    printed = computed - judgement.difference
    if figure.exact:
        return JudgementFacts(judgement, f"{computed:,} {'=' if judgement.holds else '≠'} {_number(printed)}")
    factor = printed / figure.digits if figure.digits else Fraction(1)
    half = figure.ulp * factor / 2
    shown = f"{_number(figure.digits)}·{_number(factor)}" if factor != 1 else _number(printed)
    off = abs(judgement.difference)
    if judgement.verdict == "truncates":
        arithmetic = f"{shown} = {_number(printed)} ≤ {computed:,} < {_number(printed + 2 * half)}"
    else:
        arithmetic = f"|{computed:,} − {shown}| = {_number(off)} {'≤' if off <= half else '>'} {_number(half)}"
    return JudgementFacts(judgement, arithmetic)


def _number(value: Fraction) -> str:
    """`2,764.8`; powers of ten as such."""
    digits = str(value)
    if len(digits) > 6 and digits.strip("0") == "1":
        return "10" + f"{len(digits) - 1}".translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return with_separators(value)


# --- a network ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A whole network, its main path: sums over its rows, the longest path of weight layers by row, and what is held
    when memory is at its peak."""

    totals: Totals
    sums: tuple[Sum, ...]
    depth: tuple[Addend, ...]
    peak_at: str
    alive: tuple[Alive, ...]
    judged: tuple[JudgementFacts, ...]


def explain_network(network: Explained, judgements: Sequence[Judgement]) -> NetworkFacts:
    """Explain the totals of the main path."""
    report = network.report
    rows = [span for span in report.graph.rows if not span.head]
    parts = [Part(span.name, span.start, span.stop, report.subtotal(span)) for span in rows]
    main = Explained(Report(report.graph.without_heads(), report.batch, report.dtype, report.layers, report.totals))
    at, alive = peak(main)
    return NetworkFacts(
        report.totals,
        network.sums(parts),
        tuple(depth_by_row(main.report)),
        main.called(at) if at >= 0 else "the input",
        tuple(alive),
        tuple(explain_judgement(j) for j in judgements if not j.claim.row),
    )


# --- an op --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpFacts:
    """A word of the spec language: how it is called, what it does, and its rules on an example."""

    word: str
    signature: str
    doc: str
    where: str  # archcalc/ops/conv.py:91
    storage: str
    free: str
    weight_layers: int
    example: Op
    inputs: tuple[Shape, ...]
    output: Shape
    counts: Arithmetic = field(repr=False)


def explain_op(word: str) -> OpFacts:
    """Explain an op by an example that it takes. Raises UsageError where there is no such op."""
    from inspect import cleandoc

    if word not in OPS:
        raise UsageError(f"`{word}` is no op", suggest_op(word))
    cls = OPS[word]
    inputs, arguments = cls.example
    op = cls(**arguments)
    output = op.shape(*inputs)
    return OpFacts(
        word,
        signature(cls),
        cleandoc(cls.__doc__ or ""),
        _place(cls),
        cls.storage,
        cls.free,
        cls.weight_layers,
        op,
        inputs,
        output,
        arithmetic(op, inputs, output),
    )


def signature(cls: type[Op]) -> str:
    """`conv(out, kernel, stride=1, …)`; a merge as specs write it."""
    shown = [a.name if a.required else f"{a.name}={show(a.default)}" for a in ARGUMENTS[cls.word]]
    call = f"{cls.word}({', '.join(shown)})" if shown else cls.word
    return f"{call}: [branch, branch, …]" if cls.branches else call


def _place(cls: type[Op]) -> str:
    """Where the class stands: `archcalc/ops/conv.py:91`."""
    from inspect import getsourcelines

    path = "/".join(cls.__module__.split(".")) + ".py"
    try:
        return f"{path}:{getsourcelines(sys.modules[cls.__module__].__dict__[cls.__name__])[1]}"
    except (OSError, KeyError):
        return path


def source(word: str) -> str:
    """The class of an op, what it inherits of its rules, and the functions that it calls. Raises Unavailable."""
    from inspect import getsource
    from types import FunctionType

    try:
        pieces: dict[str, str] = {}
        shared = (Op.__module__, show.__module__, "math")
        for cls in OPS[word].__mro__:
            if cls is Op or not cls.__module__.startswith(f"{Op.__module__.rpartition('.')[0]}."):
                continue
            pieces[cls.__qualname__] = getsource(cls)
            rules = [rule for rule in vars(cls).values() if isinstance(rule, FunctionType)]
            for rule in rules:  # and behind them what they call, and what that calls
                scope = vars(sys.modules[rule.__module__])
                for name in rule.__code__.co_names:
                    helper = scope.get(name)
                    if isinstance(helper, FunctionType) and helper.__module__ not in shared and name not in pieces:
                        pieces[name] = getsource(helper)
                        rules.append(helper)
    except OSError as error:
        raise Unavailable(f"the source of `{word}` is not installed: {error}") from None
    return "\n\n\n".join(piece.rstrip() for piece in pieces.values()) + "\n"
