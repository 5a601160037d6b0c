"""The lines of a summary: rows of the paper's table, opened to blocks and single ops, and which of them are shown.

A line is a row of the paper's table, or, where it is opened, a block or a single op below it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..analysis.counts import Layer, Report, Totals
from ..analysis.receptive import ReceptiveFields
from ..errors import SpecError, Unavailable, UsageError, did_you_mean, printable
from ..graph import Input, Node, Span
from ..models import Model, Summary, load
from ..networks import Reference, Settings
from ..ops import OPS, Op, Shape
from ..ops.shapes import show
from ..papers.claims import Judgement
from ..records import NamedTuple
from ..units import squeeze

if TYPE_CHECKING:
    from ..analysis.regimes import Regime
    from ..measurement.conditions import Conditions
    from ..measurement.latency import Latency
    from ..parallel import Tick

SORTS = ("params", "macs", "activation", "latency")
FULL = 10_000  # a depth that opens every block


class Line(NamedTuple):
    """One line of the table.

    `name` is the paper's cell, a block's word, or a call; `label` the row's label as printed; `group` tells which
    label a row stands under, `row` which row (as errata name it) a line belongs to. `lasts` says for this line and
    each above it, up to the row, whether it is the last of its siblings; `opened` that the lines below are its parts.
    """

    kind: Literal["row", "block", "op", "total"]
    name: str
    counts: Totals | Layer
    label: str = ""
    group: str = ""
    row: str = ""
    path: str = ""
    depth: int = 0
    head: str = ""
    where: str = ""
    shapes: tuple[Shape, ...] = ()  # of what comes out of it, one or several
    latency: Latency | None = None
    share: float | None = None
    judgements: tuple[Judgement, ...] = ()
    lasts: tuple[bool, ...] = ()
    opened: bool = False
    start: int = 0  # the nodes of a row or block
    stop: int = 0
    shares: str = ""  # the op whose weights this one works with
    value: int = 0  # what comes out of it first, and what that sees
    outputs: tuple[int, ...] = ()  # all that comes out of a row, block or network
    report: Report | None = None

    @property
    def fields(self) -> ReceptiveFields | None:
        return None if self.report is None or self.kind == "total" else self.report.receptive_fields

    @property
    def part(self) -> tuple[int, int, tuple[int, ...]]:
        """Which nodes it is, from where to where, and what comes out of them."""
        if self.kind == "op":
            return self.value, self.value + 1, (self.value,)
        return self.start, self.stop, self.outputs


# --- the summary --------------------------------------------------------------------------------------------------


def summary(
    model: Reference | Model,
    *,
    batch: int = 1,
    dtype: str = "float32",
    like: str = "",
    fold_bn: bool = False,
    optimizer: str = "",
    input: Input | None = None,
    settings: Settings | None = None,
) -> Summary:
    """All that is counted of a network, row by row as its paper prints it; with an `optimizer` also what a training
    step takes. Raises UsageError, SpecError."""
    return loaded(model, input, settings, fold_bn).summary(batch, dtype, like=like, optimizer=optimizer)


def loaded(model: Reference | Model, input: Input | None, settings: Settings | None, fold_bn: bool) -> Model:
    """The network, with batch norms folded if `fold_bn`."""
    found = load(model, input=input, settings=settings)
    return found.fold_bn() if fold_bn else found


def regime(report: Report, optimizer: str, attack: int | None, against: str, steps: int | None) -> Regime | None:
    """A training of many passes: `attack` steps of PGD, or a generator `against` a discriminator, which has `steps` a
    round. None where neither is asked for. Raises UsageError, also where nothing is trained by an `optimizer`."""
    if not optimizer and (attack is not None or against or steps is not None):
        raise UsageError("`--attack`, `--against` and `--steps` say how a network is trained", "Give `--train` too.")
    if attack is not None and against:
        raise UsageError("`--attack` is of one network, `--against` of two: one of them")
    if steps is not None and not against:
        raise UsageError("`--steps` are those of a discriminator: `--against MODEL`")
    if attack is None and not against:
        return None
    from ..analysis.regimes import gan, pgd  # most summaries do without

    if attack is not None:
        return pgd(report, attack)
    return gan(report, load(against).report(report.batch, report.dtype), 1 if steps is None else steps)


def measured(
    model: Model, found: Summary, conditions: Conditions, tick: Tick | None, again: Callable[[Model], Summary]
) -> tuple[Summary, BaseException | None]:
    """A summary with its latency, made `again` of code, of which the run on the device is counted; and what ended the
    measuring, if any. With not enough memory, or of code that does not run on this machine, what is known without
    running still stands. Raises what ended it where nothing can be run here."""
    from .measure import measurements

    if model.graph.code is not None:
        try:
            model = model.own_run(conditions)
            found = again(model)
        except (SpecError, Unavailable) as error:
            return found, error
    done, stopped = measurements(model, [conditions], tick)
    if done:
        return replace(found, measured=done[0]), stopped
    if stopped is None or not (isinstance(stopped, Unavailable) and sys.modules.get("torch")):
        raise stopped or UsageError("nothing was measured")
    return found, stopped


# --- the lines ----------------------------------------------------------------------------------------------------


def lines(summary: Summary, depth: int = 0, pick: Pick | None = None) -> list[Line]:
    """The rows of the paper's table, those of heads behind the others, each opened `depth` levels; or, picked, the
    innermost of these."""
    found = list(Opener(summary).rows(depth))
    return found if pick is None or not pick.active else pick.of(found, summary)


def table(summary: Summary, depth: int = 0, pick: Pick | None = None) -> list[Line]:
    """The lines with their sums: the main path, its total, and then what hangs on it."""
    every = lines(summary, depth, pick)
    if pick is not None and pick.active:
        every = [_alone(line) for line in every]
    total, *with_heads = totals(summary)
    return [*(line for line in every if not line.head), total, *(line for line in every if line.head), *with_heads]


def _alone(line: Line) -> Line:
    """A line as it is called where it does not stand among its neighbours: a row by its name, a node by its path."""
    flat = line._replace(depth=0, lasts=(), group=line.path + line.row)
    if line.kind == "op":
        return flat._replace(label=printable(line.path))
    if line.kind == "block":
        return flat._replace(name=printable(line.path))
    name = printable(line.row)
    if squeeze(name).startswith(squeeze(line.name)):
        return flat._replace(name=name, label="")
    return flat._replace(label=name)


class Pick(NamedTuple):
    """Which lines are shown: those that hold `only`, the largest first where `sort` or `top` says so; which `columns`,
    and whether numbers are shown as they are (`raw`).

    What is picked is the rows, or at some depth what stands innermost; heads are left out."""

    sort: str = ""
    top: int | None = None
    only: str = ""
    columns: tuple[str, ...] = ()
    raw: bool = False

    @property
    def active(self) -> bool:
        return bool(self.sort or self.top or self.only)

    def by(self, summary: Summary) -> str:
        """What decides the order; nothing where the order is the paper's."""
        return self.sort or (("latency" if summary.measured is not None else "macs") if self.top else "")

    def of(self, found: Sequence[Line], summary: Summary) -> list[Line]:
        kept = [line for line in candidates(found) if self.holds(line, summary)]
        by = self.by(summary)
        if by:
            kept.sort(key=lambda line: -_measure(line, by))
        return kept[: self.top]

    def holds(self, line: Line, summary: Summary) -> bool:
        """An op's word means that op; another text stands in the line's name, or in its row's."""
        if not self.only:
            return True
        asked = self.only.lower()
        if asked in OPS:
            return any(asked in (node.op.word, word(node.op)) for node in nodes_of(line, summary))
        return any(asked in text.lower() for text in (line.name, line.label, line.row, line.path))

    def check(self, summary: Summary, depth: int) -> None:
        """Raise UsageError where nothing is called so that is shown at this depth."""
        if not self.only or any(self.holds(line, summary) for line in candidates(lines(summary, depth))):
            return
        words = sorted({node.op.word for node in summary.report.graph.nodes})
        deeper = any(self.holds(line, summary) for line in lines(summary, FULL))
        near = did_you_mean(self.only, [*words, *(span.name for span in summary.report.graph.rows)])
        hint = "`--depth N` or `--full` opens the rows." if deeper else near if near.startswith("Did") else ""
        what = "no row" if deeper else "nothing"
        hint = hint or f"Its ops are {', '.join(words)}."
        raise UsageError(f"`--only {self.only}`: {what} of `{summary.model}` is called so", hint)


def candidates(found: Sequence[Line]) -> list[Line]:
    """The lines that are picked from: those of the main path that are not opened."""
    return [line for line in found if not line.opened and not line.head]


def nodes_of(line: Line, summary: Summary) -> Sequence[Node]:
    """The nodes that a line counts."""
    if isinstance(line.counts, Layer):
        return (line.counts.node,)
    return summary.report.graph.nodes[line.start : line.stop]


def _measure(line: Line, by: str) -> float:
    if by == "latency":
        return line.latency.median if line.latency is not None else 0.0
    counted: int = getattr(line.counts, "activation_bytes" if by == "activation" else by)
    return counted


def known_sort(name: str, measured: bool) -> str:
    """What `--sort` names; nothing where it is not given. Raises UsageError."""
    if name and name not in SORTS:
        raise UsageError(f"`--sort {name}` is nothing to sort by", did_you_mean(name, SORTS))
    if name == "latency" and not measured:
        raise UsageError("`--sort latency` needs a measurement, and `--static` makes none")
    return name


def totals(summary: Summary) -> list[Line]:
    """The main path's sum, and with heads the sum of all."""
    report, measured = summary.report, summary.measured
    latency = measured.whole if measured is not None else None
    share = 100.0 if share_of(summary) else None
    whole = Line("total", "total", report.totals, latency=latency, share=share)
    found = [whole._replace(stop=report.graph.main, outputs=report.graph.outputs, report=report)]
    if report.totals_with_heads is not None:
        found.append(Line("total", "total with heads", report.totals_with_heads))
    return found


def share_of(summary: Summary) -> str:
    """What shares are of: latency where it was measured, else MACs; nothing where there are none."""
    if summary.measured is not None:
        return "latency" if summary.measured.whole.median else ""
    return summary.calls.rpartition(" ")[2] or "MACs" if summary.report.totals.macs else ""


class Opener:
    """Makes lines of the spans and nodes of a graph."""

    def __init__(self, summary: Summary) -> None:
        self.summary, self.report, self.measured = summary, summary.report, summary.measured
        self.graph = self.report.graph
        self.share = share_of(summary)
        self.judged: dict[str, list[Judgement]] = {}
        for judgement in summary.judgements:
            self.judged.setdefault(judgement.claim.row, []).append(judgement)
        self.inner: dict[int, list[int]] = {}  # for each span the spans directly inside it
        self.names: dict[int, str] = {}  # how each of these is called there: `bottleneck.2`
        self.row = ""
        above: list[int] = []
        for index, span in enumerate(self.graph.spans):
            del above[span.depth :]
            if above and span.start < span.stop:  # an empty block is nothing to show
                path = self.graph.spans[above[-1]].path
                self.inner.setdefault(above[-1], []).append(index)
                self.names[index] = span.path[len(path) + 1 :] if path and span.path.startswith(path) else span.path
            above.append(index)

    def rows(self, depth: int) -> Iterator[Line]:
        found = [index for index, span in enumerate(self.graph.spans) if span.depth == 0]
        for index in sorted(found, key=lambda i: bool(self.graph.spans[i].head)):
            span = self.graph.spans[index]
            self.row = span.name
            judgements = () if span.head else tuple(self.judged.get(span.name, ()))
            parts = self.parts(index) if depth > 0 else []
            yield self._span(span, "row", span.text, 0, (), bool(parts))._replace(
                label=printable(span.label), group=span.path, judgements=judgements
            )
            yield from self._open(parts, 1, depth, ())

    def _open(
        self, parts: Sequence[tuple[bool, int]], level: int, depth: int, lasts: tuple[bool, ...]
    ) -> Iterator[Line]:
        for number, (block, at) in enumerate(parts, 1):
            here = (*lasts, number == len(parts))
            if not block:
                yield self._op(at, level, here)
                continue
            inside = self.parts(at) if level < depth else []
            yield self._span(self.graph.spans[at], "block", self.names[at], level, here, bool(inside))
            yield from self._open(inside, level + 1, depth, here)

    def parts(self, index: int) -> list[tuple[bool, int]]:
        """The blocks directly inside a span (True, by place among the spans) and nodes (False), in order. A block that
        is all of a span is no level of its own."""
        span = self.graph.spans[index]
        inner = self.inner.get(index, [])
        if len(inner) == 1 and self.graph.spans[inner[0]][2:4] == span[2:4]:
            return self.parts(inner[0])
        found: list[tuple[bool, int]] = []
        at = span.start
        for child in inner:
            found += [(False, node) for node in range(at, self.graph.spans[child].start)]
            found.append((True, child))
            at = self.graph.spans[child].stop
        return found + [(False, node) for node in range(at, span.stop)]

    def _span(
        self, span: Span, kind: Literal["row", "block"], name: str, level: int, lasts: tuple[bool, ...], opened: bool
    ) -> Line:
        counts = self.report.subtotal(span)
        measured = None if span.head or self.measured is None else self.measured.span(span.start, span.stop)
        return Line(
            kind,
            printable(name),
            counts,
            row=self.row,
            path=span.path,
            depth=level,
            head=span.head,
            where=span.where.where,
            shapes=tuple(map(self.graph.shape, span.outputs)),
            latency=measured,
            share=self._share(counts, measured, span.head),
            lasts=lasts,
            opened=opened,
            start=span.start,
            stop=span.stop,
            value=span.output,
            outputs=span.outputs,
            report=self.report,
        )

    def _op(self, index: int, level: int, lasts: tuple[bool, ...]) -> Line:
        layer = self.report.layers[index]
        node = layer.node
        latency = None if node.head or self.measured is None else self.measured.layers[index]
        shares = "" if node.shares is None else self.graph.nodes[node.shares].path
        called = call(node.op.equals or node.op, shares)
        own = node.path.rpartition("/")[2].rpartition(".")[2] if self.graph.code is not None else ""
        return Line(
            "op",
            f"{own}: {called}" if own and own.isidentifier() and own != node.op.word else called,
            layer,
            row=self.row,
            path=node.path,
            depth=level,
            head=node.head,
            where=node.where.where,
            shapes=(node.shape,),
            latency=latency,
            share=self._share(layer, latency, node.head),
            lasts=lasts,
            shares=shares,
            value=index,
            report=self.report,
        )

    def _share(self, counts: Totals | Layer, latency: Latency | None, head: str) -> float | None:
        if head or not self.share:
            return None
        if latency is not None and self.measured is not None:
            return 100 * latency.median / self.measured.whole.median
        return 100 * counts.macs / self.report.totals.macs


def word(op: Op) -> str | None:
    """The word of the spec language for what an op does: its own, or of a call of code that of the op it equals."""
    return None if op.equals is None else op.equals.word


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else show(value)


def call(op: Op, shares: str = "") -> str:
    """An op as a layer line calls it: `conv(64, 7, 2, bias=False)`; what has its default is left out. `shares` is the
    node whose weights it works with."""
    arguments = []
    for argument, value in op.arguments:
        if argument.kind.startswith(("Value", "Like")) and value is True:  # a value of the network
            arguments.append(argument.name)
        elif argument.required or (argument.name == "stride" and value != argument.default):
            arguments.append(_shown(value))
        elif argument.kind == "Axes" and value:
            arguments.append(value)
        elif value != argument.default:
            arguments.append(f"{argument.name}={_shown(value)}")
    if shares:
        arguments.append(f"weights={shares}")
    return f"{op.word}({', '.join(arguments)})" if arguments else op.word
