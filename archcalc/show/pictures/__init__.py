"""Pictures, by matplotlib and without a display: for a paper's column, in grey too, and for the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from .style import PLAIN, Look, inches, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...analysis.roofline import Device
    from ...models import Summary
    from ...tasks.compare import Compared
    from ...tasks.plot import Bubble
    from ...tasks.scale import ScaleResult

SIDE = 50_000  # dots
SMALL = 4.0  # points: letters that are hard to read in print
FORMATS = ("png", "svg", "pdf", "tikz")
__all__ = [
    "FORMATS", "PLAIN", "Look", "graph_svg", "image", "inches", "mermaid", "picture", "styled", "sweep", "unreadable",
]  # fmt: skip


def image(figure: Figure, form: str, look: Look = PLAIN) -> bytes:
    """A figure as a file of `FORMATS`, the same bytes for the same figure; of the size that was asked for, or as large
    as what is drawn. Raises UsageError where a png would have too many dots."""
    from io import BytesIO

    if form == "tikz":
        from .tikz import tikz

        with styled(look):
            return tikz(figure).encode()
    dots = [side * look.dpi for side in figure.get_size_inches()]
    if form == "png" and (max(dots) > SIDE or dots[0] * dots[1] > SIDE**2 / 10):
        raise UsageError(f"a picture of {dots[0]:,.0f} × {dots[1]:,.0f} dots is too large", "`--dpi` says fewer.")
    out = BytesIO()
    about = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[form]
    edge: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.05} if look.size is None else {}
    with styled(look):
        figure.savefig(out, format=form, dpi=look.dpi, metadata=about, facecolor=figure.get_facecolor(), **edge)
    return out.getvalue()


def picture(
    kind: str,
    models: Sequence[Compared],
    device: Device | None = None,
    only: str = "",
    axes: Bubble | None = None,
    look: Look = PLAIN,
) -> Figure:
    """The picture of a kind in `tasks.plot.KINDS`; `axes` are those of a bubble plot. Raises UsageError where it cannot
    be drawn of these models."""
    from ...analysis.roofline import DEFAULT, DEVICES
    from ...tasks.plot import bubble
    from . import charts, graphs, volumes

    with styled(look):
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


def unreadable(figure: Figure, look: Look) -> str:
    """What is to be said of a picture of a size that is asked for whose letters are small; else nothing."""
    from matplotlib.text import Text

    found: list[Any] = figure.findobj(Text)
    sizes = [float(text.get_fontsize()) for text in found if text.get_visible() and text.get_text().strip()]
    if look.size is None or min(sizes, default=SMALL) >= SMALL:
        return ""
    return f"note: its smallest letters are {min(sizes):.1f} points high; a larger `--size` has larger ones"


def graph_svg(summary: Summary, prefix: str = "") -> str:
    """The picture `graph` to stand in a page, its text text: the box of a block of `blocks(summary)` has the id
    `PREFIXbN`, N its place there, its lines `PREFIXbN-tM`; one of the part K beside the whole `PREFIXiK-bN`."""
    from . import graphs

    look = Look(editable=True)
    with styled(look):
        drawn = image(graphs.drawn(summary, prefix=prefix), "svg", look).decode()
    return drawn[drawn.index("<svg") :]


def sweep(found: ScaleResult, look: Look = PLAIN) -> Figure:
    """The picture of `archcalc scale`."""
    from . import charts, sweeps

    with styled(look):
        return sweeps.swept(found, found.swept) if found.swept else charts.sweep(found.model, found.points)


def mermaid(summary: Summary, only: str = "") -> str:
    """The picture `graph` as mermaid text."""
    from . import graphs

    return graphs.mermaid(summary, only)
