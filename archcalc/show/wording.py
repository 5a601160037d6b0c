"""Wording around the table: where the network comes from, its totals, its claims, and what each number means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..analysis.memory import held_bytes
from ..analysis.paths import Expected, expected
from ..errors import printable
from ..models import Summary
from ..papers.claims import Judgement
from ..records import NamedTuple
from ..tasks import summary as rows
from ..units import binary, scaled, with_separators
from .columns import size, sizes

if TYPE_CHECKING:
    from ..analysis.counts import Totals
    from ..analysis.regimes import Regime
    from ..analysis.training import Training
    from ..graph import Graph
    from ..measurement.latency import Latency, Measurement, Memory
    from ..ops import Shape
    from ..papers.results import Reported

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def heading(summary: Summary) -> list[str]:
    """The source of a network and what is counted: title, citation, table, input, batch, dtype, settings."""
    variant = f"{summary.variant} · " if summary.variant not in (summary.family, summary.model) else ""
    counted = [*ends(summary.report.graph), f"batch {summary.report.batch}", summary.report.dtype]
    counted += [f"{name} = {value}" for name, value in summary.settings.items()]
    counted += [summary.counted] if summary.counted else []
    source = variant + (summary.source or "written as layer lines")
    return [clean(part) for part in (summary.title, summary.cite, source, " · ".join(counted)) if part]


def ends(graph: Graph) -> list[str]:
    """`input 3×224×224`, of several inputs each by its name; and where there are several outputs, theirs."""
    outputs = sizes(map(graph.shape, graph.outputs))
    return [f"input {entering(graph.inputs)}", *([f"outputs {outputs}"] if len(graph.outputs) > 1 else [])]


def entering(inputs: Sequence[tuple[str, Shape]]) -> str:
    """`3×224×224`; of several inputs each by its name."""
    return ", ".join(f"{clean(name)} {size(shape)}" if len(inputs) > 1 else size(shape) for name, shape in inputs)


def notes(found: Iterable[str]) -> list[tuple[str, str]]:
    """What makes a network another one than it seems, a fact each."""
    return [("note", clean(note)) for note in found]


def clean(text: str) -> str:
    """Text of a spec on one line, without what a terminal would obey."""
    return printable(" ".join(text.split()))


def shown(summary: Summary, depth: int = 0, pick: rows.Pick | None = None) -> str:
    """The share of the network that is shown: `12 of 39 nodes: 93 % of MACs`; empty if all of it is."""
    if pick is None or not pick.active:
        return ""
    every = rows.candidates(rows.lines(summary, depth))
    picked = rows.lines(summary, depth, pick)
    kinds = {line.kind for line in every}
    what = {"row": "row", "op": "node"}[kinds.pop()] if len(kinds) == 1 and kinds != {"block"} else "part"
    by = pick.by(summary)
    names = {"macs": "MACs", "activation": "activation bytes"}
    only = f" with `{clean(pick.only)}`" if pick.only else ""
    order = f", the largest by {names.get(by, by)} first" if by else ""
    totals, measured = summary.report.totals, summary.measured
    keys = {"macs": "macs", "params": "params", "activation": "activation_bytes"}
    keys = {name: key for name, key in keys.items() if name in ("macs", "params", by)}
    found = {
        name: _share(sum(getattr(line.counts, key) for line in picked), getattr(totals, key), names.get(name, name))
        for name, key in keys.items()
    }
    if measured is not None:
        times = [line.latency.median for line in picked if line.latency is not None]
        found["latency"] = _share(sum(times), measured.whole.median, "latency")
    first = by or ("latency" if measured is not None else "macs")
    parts = ", ".join(filter(None, [found.pop(first, ""), *found.values()]))
    return f"{len(picked)} of {len(every)} {what}s{only}{order}" + (f": {parts}" if parts else "")


def _share(part: float, whole: float, name: str) -> str:
    if not whole:
        return ""
    percent = 100 * part / whole
    text = f"{percent:.0f}" if part in (0, whole) or 1 <= percent < 99.5 else "<1" if percent < 1 else ">99"
    return f"{text} % of {name}"


def made_of(totals: Totals) -> str:
    """`138,344,128 weights + 13,416 biases`, the kinds of parameters that there are."""
    one = {"weights": "weight", "biases": "bias"}
    parts = [(totals.weights, "weights"), (totals.biases, "biases"), (totals.norm_params, "norm")]
    each = [(count, one.get(what, what) if count == 1 else what) for count, what in parts if count]
    return " + ".join(f"{with_separators(count)} {what}" for count, what in each)


def facts(summary: Summary, raw: bool = False) -> list[tuple[str, str]]:
    """The totals, each with what it is made of; `raw`: no number is rounded."""
    totals = summary.report.totals
    made = made_of(totals)
    own = totals.weights + totals.biases + totals.norm_params  # the parts are archcalc's, whoever's the sum is
    said = "" if own == totals.params else f"; by archcalc's own counting {with_separators(own)}"
    number = with_separators if raw else _scaled
    stats = f"; {with_separators(totals.norm_stats)} running statistics apart" if totals.norm_stats else ""
    if totals.active_params != totals.params:
        stats = f"; {with_separators(totals.active_params)} active for each token" + stats
    least = "at least " if summary.report.graph.code and summary.report.graph.code.unknown else ""
    memory = [(totals.param_bytes, "parameters "), (totals.activation_bytes, "activations ")]
    sizes = ", ".join(what + _bytes(count, raw) for count, what in memory)
    found = [
        ("params", (f"{with_separators(totals.params)}{said} = {made}" if made else "none") + stats),
        (summary.calls, number(totals.macs))
        if summary.calls
        else ("MACs", f"{least}{number(totals.macs)}; FLOPs = 2 × MACs = {number(totals.flops)}"),
        ("memory", f"{sizes}, {_bytes(totals.peak_memory_bytes, raw)} at the peak{_flat(summary, raw)}"),
        ("depth", f"{totals.weight_layers} weight layer{'s' * (totals.weight_layers != 1)}"),
    ]
    found += [("reported", clean(text)) for text in map(reported, summary.reported)]
    if summary.training is not None:
        found += trained(summary.training, raw)
    if summary.regime is not None:
        found += passes(summary.regime, raw)
    if summary.report.graph.code is None and (mean := expected(summary.report)) is not None:
        found.append(("expected", left_out(mean, raw)))
    heads = summary.report.totals_with_heads
    if heads is not None:
        text = f"counted apart; with them {with_separators(heads.params)} params and {number(heads.macs)} MACs"
        found.append(("heads", text))
    if summary.measured is not None:
        found += measured(summary.measured)
    return found


def _flat(summary: Summary, raw: bool) -> str:
    """Of code, what the peak would be if every tensor were freed after its last use."""
    graph = summary.report.graph
    if graph.code is None:
        return ""
    return f", {_bytes(max(held_bytes(graph, eager=False)), raw)} if each tensor went after its last use"


def reported(result: Reported) -> str:
    """`top-1 76.1 % (Table 3)`."""
    return f"{result.metric.name} {result.printed} {result.metric.unit}".rstrip() + f" ({result.source})"


def held(memory: Memory) -> str:
    """The memory that a run held: `9.76 MiB at the peak; …`."""
    parts = [
        (memory.peak_memory_bytes, "of values at the peak"),
        (memory.eager_memory_bytes, "where callers hold inputs"),
        (memory.workspace_bytes, "beside them inside ops and kernels"),
        (memory.requested_bytes, "asked of the allocator"),
    ]
    return "; ".join(f"{' '.join(binary(size))} {what}" for size, what in parts if size is not None)


def trained(training: Training, raw: bool = False) -> list[tuple[str, str]]:
    """Facts about a training step: its peak, the parts of it, saved activations by op, and MACs."""
    parts = [f"{name} {_bytes(size, raw)}" for name, size in training.parts.items() if size]
    saved = [f"{word} {_bytes(size, raw)}" for word, size in training.saved_by_op().items()]
    forward, number = training.forward_macs, with_separators if raw else _scaled
    macs = f"{number(training.macs)} MACs = {number(forward)} forward + {number(training.macs - forward)} backward"
    return [
        ("training", f"{_bytes(training.peak_bytes, raw)} with {training.optimizer}, {reached(training)}"),
        ("", ", ".join(parts)),
        *([("", f"saved by op: {', '.join(saved)}")] if saved else []),
        ("", macs),
    ]


def passes(regime: Regime, raw: bool = False) -> list[tuple[str, str]]:
    """Facts about a training of many passes: what each does, how often, and its MACs."""
    number = with_separators if raw else _scaled
    parts = [f"{phase.times} × {number(phase.macs)}: {phase.name}" for phase in regime.phases]
    return [(regime.name, f"{number(regime.macs)} MACs a step"), *(("", part) for part in parts)]


def left_out(mean: Expected, raw: bool = False) -> str:
    """What runs in training on average: `40.25 of 54 branches, 82.5 weight layers, 190 M MACs`."""
    macs = with_separators(round(mean.macs)) if raw else _scaled(round(mean.macs))
    return f"in training {mean.branches:.6g} of {mean.of} branches, {mean.weight_layers:.6g} weight layers, {macs} MACs"


def reached(training: Training) -> str:
    """The place of the peak."""
    if training.node is None:
        return "at the peak in the optimiser's step" if training.phase == "step" else "before anything runs"
    return f"at the peak in the {training.phase} pass of {clean(training.node.path)}"


def _bytes(count: int, raw: bool) -> str:
    return f"{with_separators(count)} bytes" if raw else " ".join(binary(count))


def _scaled(count: int) -> str:
    return " ".join(filter(None, scaled(count)))


def measured(run: Measurement) -> list[tuple[str, str]]:
    """`161 ms, median of 30 runs (IQR 0.938, …)`, whether the layers add up to it, under which conditions, on what."""
    throughput = f"; {rate(run.throughput)} samples/s" if run.throughput else ""
    unstable = [f"{doubt.reason}. {doubt.advice}" for doubt in run.doubts]
    facts = [
        ("latency", f"{spread(run.whole)}{throughput}"),
        ("", _sure(run)),
        ("", _noisy(run.noisy_rounds)),
        ("compiled", _compiled(run)),
        ("layers", _layers(run)),
        *(("" if number else "unstable", text) for number, text in enumerate(unstable)),
        ("run", conditions(run)),
        ("", STOPPED.get(run.stopped, "")),
        ("device", device(run)),
        ("held", held(run.memory) if run.memory is not None else ""),
    ]
    return [fact for fact in facts if fact[1]]


STOPPED = {
    "time limit": "stopped early, by --time-limit",
    "interrupted": "interrupted: this is what was measured so far",
}


def spread(latency: Latency) -> str:
    """`161 ms, median of 30 runs (IQR 0.938, 158 to 190 ms, 90 % below 164)`."""
    if latency.runs == 1:
        return f"{ms(latency.median)}, one run"
    least, most, iqr, p90 = (_bare(time) for time in (latency.min, latency.max, latency.iqr, latency.p90))
    count = with_separators(latency.runs)
    return f"{ms(latency.median)}, median of {count} runs (IQR {iqr}, {least} to {most} ms, 90 % below {p90})"


def _bare(time: float) -> str:
    return ms(time).removesuffix(" ms")


def rate(count: float) -> str:
    """Samples a second, with three digits."""
    return f"{count:,.0f}" if count >= 99.95 else f"{count:.3g}"


def _sure(run: Measurement) -> str:
    """The confidence interval of the median; empty for too few runs."""
    known = run.confidence
    if known.low is None or known.high is None or known.within is None:
        return ""
    wanted = "" if known.reached else f", wanted was ±{_percent(known.wanted)}"
    level = f"{100 * known.level:.0f} % confidence"
    return f"±{_percent(known.within)}: {_bare(known.low)} to {ms(known.high)} with {level}{wanted}"


def _noisy(runs: int) -> str:
    """How many rounds were measured once more; empty for none."""
    if not runs:
        return ""
    does, was = ("does", "it") if runs == 1 else ("do", "them")
    return f"{with_separators(runs)} more {does} not count: others used the processor during {was}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _compiled(run: Measurement) -> str:
    """The compiled network beside the one whose layers are shown."""
    found = run.compiled
    if found is None:
        return ""
    ratio = run.whole.median / found.median if found.median else 0.0
    return f"{spread(found)}; {ratio:.2f} × as fast as the program whose layers are shown: a compiled one has none"


def _layers(run: Measurement) -> str:
    """The layers' sum as a share of the whole, and what their clock cost; empty without layers."""
    if run.reconciliation is None:
        return ""
    share = run.overhead_ms / run.whole.median
    cost = f"{_percent(share)}" if share >= 0.001 else "<0.1 %"
    bound = f"; the GPU waits for launches in {len(run.launch_bound)} of {len(run.layers)}" if run.launch_bound else ""
    return f"{ms(run.layers_sum)} together, {run.reconciliation:.3f} of the whole; their clock cost {cost}{bound}"


def conditions(run: Measurement) -> str:
    """The conditions of a run: mode, dtype, batch, memory format, caches, malloc."""
    found = [run.mode if run.mode == "inference" else "training: forward and backward pass, no step", run.dtype]
    found += [f"batch {run.batch}"] if run.batch > 1 else []
    found += [run.memory_format.replace("_", " ")] if run.memory_format != "contiguous" else []
    found += ["cold caches"] if run.cold else []
    found += [malloc(run)] if run.device == "cpu" else []
    return "; ".join([", ".join(found[:2]), *found[2:]])


def malloc(run: Measurement) -> str:
    """The state of malloc: whether freed memory is kept for the next layer."""
    if run.malloc_pinned:
        return "malloc pinned: freed memory is kept"
    libc = run.machine.libc
    if libc.startswith("glibc"):
        return "malloc not pinned: freed memory may go back to the system"
    return f"malloc not pinned: only glibc's can be{f', here it is {libc}' if libc else ''}"


def device(run: Measurement) -> str:
    """The device of a run: `cpu: …, 2 threads, torch 2.13.0`."""
    threads = f", {run.threads} thread{'s' * (run.threads != 1)}" if run.device == "cpu" else ""
    gpu = [("driver", run.machine.driver), ("CUDA", run.machine.cuda), ("TF32", run.machine.tf32)]
    gpu += [("clocks", run.machine.clocks)]
    about = "".join(f", {what} {said}" for what, said in gpu if said)
    about += f", probe {_bare(run.probe_ms)} ms" if run.probe_ms else ""
    return f"{run.device}: {run.device_name}{threads}, torch {run.torch}{about}"


def ms(time: float) -> str:
    """Milliseconds with three digits: `1.23 ms`, `164 ms`, `8,210 ms`."""
    places = 0 if time >= 99.95 else 1 if time >= 9.995 else 2 if time >= 0.9995 else 3
    return f"{time:,.{places}f} ms"


class Failure(NamedTuple):
    """A printed figure that does not hold: which, how far off, and the number of its note."""

    figure: str
    arithmetic: str
    mark: str

    def __str__(self) -> str:
        return f"{self.figure}: {self.arithmetic}{self.mark}"


class Notes:
    """The notes of errata in the order of their first use; each is printed once, with a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def failures(self, judgements: Iterable[Judgement]) -> list[Failure]:
        """The failures among judgements, each with the number of its note."""
        return [
            Failure(clean(judgement.claim.heading.value), judgement.arithmetic, self._mark(judgement))
            for judgement in judgements
            if not judgement.holds
        ]

    def _mark(self, judgement: Judgement) -> str:
        if judgement.erratum is None:
            return ", undeclared" + (f"; holds under {judgement.proposal}" if judgement.proposal else "")
        note = clean(judgement.erratum.note.value)
        if note not in self.texts:
            self.texts.append(note)
        return " " + str(self.texts.index(note) + 1).translate(SUPERSCRIPTS)

    def numbered(self) -> list[tuple[str, str]]:
        return [(str(n).translate(SUPERSCRIPTS), f"known erratum: {text}") for n, text in enumerate(self.texts, 1)]


def verdict(summary: Summary) -> str:
    """The verdict on a network: how many printed figures hold."""
    judged = summary.judgements
    if not judged:
        return "no printed figure to judge here"
    wrong = [judgement for judgement in judged if not judgement.holds]
    count = len(judged)
    if not wrong:
        return f"✓ all {count} printed figures hold" if count > 1 else "✓ the one printed figure holds"
    known = sum(j.erratum is not None for j in wrong)
    what = "known erratum" if len(wrong) == 1 else "known errata"
    tail = f": {what}" if known == len(wrong) else f", {known} of them {what}" if known else ""
    mark = "✓" if known == len(wrong) else "✗"
    does = "does" if len(wrong) == 1 else "do"
    return f"{mark} {count - len(wrong)} of {count} printed figures hold, {len(wrong)} {does} not{tail}"


def conventions(summary: Summary) -> list[tuple[str, str]]:
    """The meaning of each number, as labels and texts."""
    batch = summary.report.batch
    found = [
        ("params", "weights, biases and norm parameters; running statistics apart"),
        ("MACs", "multiply-accumulates of convolutions, linear layers, matrix products"),
        ("activation", "bytes newly allocated for outputs; none for views and in-place ops"),
        ("peak", "most bytes alive at once, freed at last use; parameters not counted"),
    ]
    if summary.report.graph.code is not None:
        found[3] = ("peak", "most bytes that the code holds at once; parameters not counted")
    if "counted as" in summary.counted:
        found[:2] = [("counts", summary.counted)]
    if summary.measured is not None:
        what = {"inference": "runs in inference mode", "training": "training runs, forward and backward"}
        found.append(("latency", f"median of {what[summary.measured.mode]}; rows need not add up to the total"))
    if batch > 1:
        found.append(("batch", f"MACs, bytes and latency are for all {with_separators(batch)} samples"))
    return found
