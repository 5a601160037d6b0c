"""`archcalc report`: all about some networks on one page, pictures inline; and the whole zoo, to explore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import attrgetter

from .. import __version__
from ..analysis.roofline import Device
from ..errors import UsageError, printable
from ..models import Summary
from ..papers.claims import Judgement
from ..papers.judge import VERDICTS, Finding
from ..parallel import Tick
from ..records import NamedTuple
from ..tasks.compare import Compared, Comparison
from ..tasks.plot import bubble
from ..tasks.report import ReportResult, ZooModel, ZooResult
from ..tasks.summary import FULL, Line
from ..units import with_separators
from . import compare as compared
from . import list as listing
from . import paper, summary, wording
from .columns import Column, Shown, Value, binary, by_names, exact, percent, sizes, words
from .page import Beside, Block, Explored, Fact, Facts, Fold, Heading, Page, Picture, Prose, Table
from .pictures import Look, graph_svg, image, picture
from .pictures.blocks import blocks
from .reported import reported_column
from .styles import DIM
from .summary_data import data
from .wording import clean

FIGURES = "figures"  # what links call the table of them
CAPTIONS = {
    "layers": "Where the operations, the parameters and the memory are, by the rows of the paper's table.",
    "memory": "What is alive in memory while each node runs, at inference.",
    "shapes": "How the sizes shrink.",
}


def page(result: ReportResult, tick: Tick | None = None) -> Page:
    """The page: a comparison of several models, then each of them; `tick(done, total)` reports pictures drawn."""
    title = ", ".join(printable(model.called) for model in result.models)
    return Page(title, lambda: _blocks(result, tick), lambda: [data(model.summary) for model in result.models])


def _blocks(result: ReportResult, tick: Tick | None) -> Iterator[Block]:
    models, found = result.models, result.comparison
    yield Heading(", ".join(printable(model.called) for model in models))
    if found is not None:
        yield Heading("Side by side", level=2)
        bars, bubbles = list(_drawn("bars", "What each of them costs.", models)), list(_bubbles(models, found))
        roofs = [drawn for model in models if model.summary.measured for drawn in _roofline(model, result.ceilings)]
        yield Beside([bubbles or bars, [*(bars if bubbles else []), *roofs]])
        yield from compared.blocks(found)
    for number, model in enumerate(models):
        yield from _network(model, number, result.ceilings)
        if tick is not None:
            tick(number + 1, len(models))


def _bubbles(models: Sequence[Compared], found: Comparison) -> Iterator[Block]:
    """All of them as bubbles, by each figure that is printed or reported."""
    for metric in (m for m in found.metrics if m.key == "accuracy" or m.reported is not None):
        what = "Printed accuracy" if metric.reported is None else printable(f"{metric.key}, as reported,")
        yield from _drawn("bubble", f"{what} over operations.", models, metric.key)
    if len({model.summary.family for model in models}) < len(models):
        yield from _drawn("scaling", "Size over operations.", models)


def _network(model: Compared, number: int, ceilings: Device | None) -> Iterator[Block]:
    """All about one network: its layers beside its graph, what is counted and printed, and its other pictures."""
    shown = replace(model.summary, reported=model.reported)
    yield from summary.heading(shown, level=2)
    columns = [
        column._replace(value=lambda line: sizes(line.shapes)) if column.name == "output_shape" else column
        for column in summary.columns(shown)
    ]
    table = summary.table(shown, columns, FULL, None, wording.Notes())
    graph, linked = _graph(shown, f"n{number}-", table.records)
    explored = Explored(anchor=lambda line: linked.get(id(line), ""))
    whole = table._replace(explored=explored, notes=lambda line: ())
    said = [*wording.facts(shown), ("claims", wording.verdict(shown)), *wording.notes(shown.notes)]
    facts = Facts([Fact(*fact) for fact in said])
    conventions = Facts([Fact(*fact) for fact in wording.conventions(shown)])
    quoted = [_of_spec(judgement) for judgement in shown.judgements]
    claims = [Fold(f"Printed figures, {_told(shown.judgements)}", [Table(QUOTED[1:], quoted)])] if quoted else []
    drawn = {kind: list(_drawn(kind, caption, [model])) for kind, caption in CAPTIONS.items()}
    about: list[Block] = [whole, facts, *claims, Fold("What each number means", [conventions])]
    yield Beside([about, [*graph, *drawn["layers"]]])
    yield Beside([[*drawn["memory"], *_roofline(model, ceilings)], drawn["shapes"]])


def _graph(shown: Summary, prefix: str, lines: Sequence[Line]) -> tuple[list[Picture], dict[int, str]]:
    """The graph, and the names of the lines of the table that its blocks are, by the lines' ids."""
    names: dict[int, str] = {}
    links: dict[str, list[str]] = {}
    try:
        found = blocks(shown).blocks
        drawn = graph_svg(shown, prefix=prefix)
    except UsageError:  # more boxes than are a picture
        return [], {}
    for at, block in enumerate(found):
        end = block.start
        for number, line in enumerate(lines):  # the outermost, which stand before their parts
            start, stop, _ = line.part
            if line.kind != "total" and end <= start < stop <= block.stop:
                name = names.setdefault(id(line), f"{prefix}{number}")
                links.setdefault(f"{prefix}b{at}", []).append(name)
                end = stop
    return [Picture(drawn, "The network. A click on a block shows its rows.", True, links)], names


def _roofline(model: Compared, ceilings: Device | None) -> Iterator[Picture]:
    """What limits the rows of a network: as they were measured, where the ceilings are those of the same machine."""
    run = model.summary.measured
    if run is None or (run.device == "cpu" and ceilings is None):
        counted = replace(model, summary=replace(model.summary, measured=None))
        yield from _drawn("roofline", "What limits each row, by a device's data sheet.", [counted])
    else:
        yield from _drawn(
            "roofline", f"What limits each row of {printable(model.called)}, measured.", [model], "", ceilings
        )


def _drawn(
    kind: str, caption: str, models: Sequence[Compared], y: str = "", device: Device | None = None
) -> Iterator[Picture]:
    with suppress(UsageError):  # nothing to draw, or fewer than two with a printed accuracy
        axes = bubble(models, y=y, pareto=True)[1] if kind == "bubble" else None
        drawn = image(picture(kind, models, device, axes=axes), "svg", Look(editable=True)).decode()
        yield Picture(drawn, caption)


# --- printed figures --------------------------------------------------------------------------------------------------


class _Quoted(NamedTuple):
    """A printed figure in words: of which models, of which row or in which document, and whether it holds."""

    models: str
    of: str
    figure: str
    printed: str
    computed: str
    verdict: str
    why: str
    source: str


QUOTED = tuple(
    Column(name, attrgetter(name), heading, heading, words)
    for name, heading in (
        ("models", "models"), ("of", "of"), ("figure", "figure"), ("printed", "printed"), ("computed", "computed"),
        ("verdict", "verdict"), ("why", "why"), ("source", "printed in"),
    )
)  # fmt: skip


def _line_of(quoted: _Quoted) -> str:
    """What links call the line of the one model that a figure is of, if it is of one."""
    return f"m-{quoted.models}" if quoted.models and "," not in quoted.models else ""


def _of_spec(judgement: Judgement, models: Iterable[str] = ()) -> _Quoted:
    claim, erratum, found = judgement.claim, judgement.erratum, judgement.computed
    under = f": {claim.reading}" if judgement.verdict == "reads as" else ""
    return _Quoted(
        ", ".join(models),
        clean(claim.row),
        clean(claim.heading.value),
        clean(claim.printed.value),
        "×".join(map(str, found)) if isinstance(found, tuple) else with_separators(found),
        f"{judgement.verdict}{under}{', erratum' if erratum else ''}",
        clean(erratum.note.value) if erratum else "",
        clean(claim.source),
    )


def _of_document(finding: Finding) -> _Quoted:
    entry = finding.entry
    return _Quoted(
        finding.model,
        clean(entry.system),
        entry.metric.replace("_", " "),
        clean(entry.printed.value),
        paper.computed(finding),
        paper.verdict(finding),
        clean(paper.cause(finding) if not finding.holds else ""),
        clean(entry.sources[0]),
    )


def _told(judged: Sequence[Judgement | Finding]) -> str:
    """`21: 17 exact, 3 round, 1 contradicts`."""
    found = Counter[str](one.verdict for one in judged)
    one = {"reads as": "holds under a reading", "not computable": "cannot be computed"}
    each = [f"{n:,} {paper.SAID[word] if n > 1 else one.get(word, word)}" for word in VERDICTS if (n := found[word])]
    return f"{len(judged):,}: {', '.join(each)}"


# --- the zoo ----------------------------------------------------------------------------------------------------------


def zoo(result: ZooResult) -> Page:
    """The page of the zoo: its models as bubbles and as a table, and every printed figure with its verdict."""
    return Page("The zoo", lambda: _zoo(result), lambda: [listing.model_document(m.listed) for m in result.models])


def _zoo(result: ZooResult) -> Iterator[Block]:
    quoted = [_of_spec(judgement, models) for models, judgement in result.quoted]
    quoted += map(_of_document, result.findings)
    of, wrong = Counter[str](), Counter[str]()
    for figure in quoted:
        for name in filter(None, figure.models.split(", ")):
            of[name] += 1
            wrong[name] += figure.verdict.startswith("contradicts")
    families = len({model.listed.family for model in result.models})
    yield Heading("The zoo", (f"{len(result.models):,} networks of {families:,} papers, counted from their tables",))
    yield Prose(f"By archcalc {__version__}; `archcalc summary NAME` shows a network layer by layer.", DIM)
    yield Heading("Networks", level=2)
    yield Prose(
        "Choose the axes; a search keeps what holds all words and bounds, as `resnet params < 30M year >= 2016`. A "
        "click on a bubble shows its line, a click on a name what is printed of the network. An accuracy is as a "
        "document prints it: whether it was tested as another one says `tested`."
    )
    own = [
        *_columns(),
        Column("figures", lambda model: of[model.listed.name], "printed figures", "", exact),
        Column("contradict", lambda model: wrong[model.listed.name], "contradict", "", exact),
        *(reported_column(metric) for metric in result.metrics),
    ]
    plot = Explored("models", ("macs", "top1", "params", "tested"), lambda model: f"m-{model.listed.name}")
    yield Table(own, result.models, explored=plot)
    yield Heading("Printed figures", level=2)
    judged: list[Judgement | Finding] = [*(judgement for _, judgement in result.quoted), *result.findings]
    yield Prose(f"Every figure that is printed of them, and whether it holds. {_told(judged)}.")
    yield Table([QUOTED[0]._replace(link=_line_of), *QUOTED[1:]], quoted, explored=Explored(FIGURES))


def _columns() -> Iterator[Column]:
    """What is said of a model: as in the list of models, and how it was tested."""
    for column in by_names(listing.KNOWN, SHOWN):
        link = _figures if column.name == "name" else None
        show = _each if column.name.endswith("_bytes") else column.show
        yield column._replace(value=partial(_listed, column), link=link, show=show)
    yield Column("top1", lambda m: m.result and m.result.accuracy, "top-1 printed", "", percent)
    yield Column("tested", lambda m: m.result and clean(m.result.tested), "tested", "", words)


def _listed(column: Column, model: ZooModel) -> Value:
    return column.value(model.listed)


def _each(values: Sequence[Value]) -> Shown:
    """Sizes each with its own unit, as they are too far apart for one."""
    return Shown("", [" ".join([*texts, unit]) for unit, texts in (binary([value]) for value in values)])


SHOWN = ("name", "family", "title", "year", "params", "macs", "activation_bytes", "peak_memory_bytes", "weight_layers",
         "input")  # fmt: skip


def _figures(model: ZooModel) -> str:
    return f"{FIGURES}?={model.listed.name}"
