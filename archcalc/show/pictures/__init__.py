"""Pictures, by matplotlib and without a display: for a paper's column, in grey too, and for the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...analysis.roofline import Device
    from ...models import Summary
    from ...tasks.compare import Compared
    from ...tasks.plot import Bubble
    from ...tasks.scale import ScaleResult

FORMATS = ("png", "svg", "pdf")


def image(figure: Figure, form: str, text: bool = False) -> bytes:
    """A figure as a file of `FORMATS`, the same bytes for the same figure; of svg the letters as text if `text`."""
    from io import BytesIO

    from matplotlib import rcParams

    from .style import styled

    out = BytesIO()
    about = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[form]
    with styled():
        rcParams["svg.fonttype"] = "none" if text else "path"
        figure.savefig(out, format=form, dpi=200, bbox_inches="tight", pad_inches=0.05, metadata=about)
    return out.getvalue()


def picture(
    kind: str,
    models: Sequence[Compared],
    device: Device | None = None,
    only: str = "",
    axes: Bubble | None = None,
) -> Figure:
    """The picture of a kind in `tasks.plot.KINDS`; `axes` are those of a bubble plot. Raises UsageError where it cannot
    be drawn of these models."""
    from ...analysis.roofline import DEFAULT, DEVICES
    from ...tasks.plot import bubble
    from . import charts, graphs, volumes
    from .style import styled

    with styled():
        if kind == "bubble":
            return charts.bubble(models, axes or bubble(models)[1])
        if kind == "scaling":
            return charts.scaling(models)
        if kind == "bars":
            return charts.bars(models)
        summary: Summary = models[0].summary
        if kind == "layers":
            return charts.layers(summary)
        if kind == "memory":
            return charts.memory(summary)
        if kind == "roofline":
            return charts.roofline(summary, device or DEVICES[DEFAULT])
        if kind == "graph":
            return graphs.drawn(summary, only)
        return volumes.shapes(summary)


def sweep(found: ScaleResult) -> Figure:
    """The picture of `archcalc scale`."""
    from . import charts
    from .style import styled

    with styled():
        return charts.sweep(found.model, found.points)


def mermaid(summary: Summary, only: str = "") -> str:
    """The picture `graph` as mermaid text."""
    from . import graphs

    return graphs.mermaid(summary, only)
