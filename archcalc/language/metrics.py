"""Metrics that are reported and never computed: those that everybody knows, and those that a spec declares."""

from __future__ import annotations

from ..errors import Text, did_you_mean
from ..records import NamedTuple
from .reader import Map, Tree, where_of

BETTER = {"higher": 1, "lower": -1, "neither": 0}
MOST = 100  # characters of a name


class ReportedMetric(NamedTuple):
    """A metric: its name, its unit (empty: none), and which way is better (−1: lower)."""

    name: str
    unit: str
    better: int


USUAL = {
    metric.name: metric
    for metric in (
        ReportedMetric("accuracy", "%", 1),
        ReportedMetric("top-1", "%", 1),
        ReportedMetric("top-5", "%", 1),
        ReportedMetric("error", "%", -1),
        ReportedMetric("mAP", "%", 1),
        ReportedMetric("BLEU", "", 1),
        ReportedMetric("perplexity", "", -1),
    )
}
# What is computed, or says what a network is: no metric is called so.
TAKEN = frozenset(
    """
    activation activation_bytes active_params arithmetic_intensity batch biases cite dtype family flops input
    latency latency_ms macs measured_memory_bytes model name output_shape outputs param_bytes params peak
    peak_memory_bytes receptive_field receptive_field_union shape spec throughput title training_memory_bytes
    variant weight weight_layers weights year
    """.split()  # noqa: SIM905
)
ON_DEVICE = "latency on "  # in front of a device's name


def known_metric(name: str, declared: dict[str, ReportedMetric]) -> ReportedMetric | None:
    """The metric of a name: declared, usual, or `latency on DEVICE`."""
    if name.startswith(ON_DEVICE) and name != ON_DEVICE and len(name) <= MOST and name.isprintable():
        return declared.get(name, ReportedMetric(name, "ms", -1))
    return declared.get(name) or USUAL.get(name)


def read_metrics(tree: Map) -> dict[str, ReportedMetric]:
    """`metrics:` of a spec, `top-1: {unit: "%", better: higher}`. Raises SpecError."""
    found = {}
    for name, value in tree.items():
        if not isinstance(value, Map):
            raise name.error(f'`{name}` is declared as `{name}: {{unit: "%", better: higher}}`')
        value.only(("unit", "better"), "a metric")
        found[name.value] = declared(name, value.get("unit"), value.get("better"))
    return found


def declared(name: Text, unit: Tree | None, better: Tree | None) -> ReportedMetric:
    """A metric as it is declared; without a unit it has none. Raises SpecError."""
    if not name.value or len(name.value) > MOST or not name.value.isprintable():
        raise name.error(f"a metric has a name of at most {MOST} letters, on one line")
    if name.value in TAKEN:
        raise name.error(f"`{name}` is computed, or says what a network is: a metric has another name")
    for value in (unit, better):
        if value is not None and not isinstance(value, Text):
            raise where_of(value).error("a unit is a text, and `better:` is higher, lower or neither")
    if not isinstance(better, Text) or better.value not in BETTER:
        where = name if better is None else where_of(better)
        said = "" if better is None else did_you_mean(str(better), BETTER)
        raise where.error(f"which way is better of `{name}`?", said or "`better:` is higher, lower or neither.")
    return ReportedMetric(name.value, unit.value.strip() if isinstance(unit, Text) else "", BETTER[better.value])
