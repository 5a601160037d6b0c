"""Pictures as TikZ, for `\\input` in a paper that sets their texts in its own font; needs no TeX to be written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.path import Path

from ..writers.latex import escape

ENDS = {"butt": "butt", "round": "round", "projecting": "rect"}
ACROSS = {"left": "west", "right": "east", "center": ""}
UP = {"top": "north", "bottom": "south", "baseline": "base", "center": "", "center_baseline": ""}


def tikz(figure: Figure) -> str:
    """A figure in points of TeX's `bp`; hatches are left out."""
    dots, figure.dpi = figure.dpi, 72
    try:
        drawn = _Renderer(figure.get_figwidth() * 72, figure.get_figheight() * 72)
        figure.draw(drawn)
    finally:
        figure.dpi = dots
    return "\n".join(drawn.written()) + "\n"


class _Renderer(RendererBase):
    """Writes what is drawn as paths and nodes, in order."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__()
        self.width, self.height = width, height
        self.lines: list[str] = []

    def written(self) -> Iterator[str]:
        yield "% \\usepackage{tikz}, and \\input this file where the picture stands"
        yield "\\begin{tikzpicture}[x=1bp,y=1bp]"
        yield f"\\useasboundingbox (0,0) rectangle ({_n(self.width)},{_n(self.height)});"
        yield from self.lines
        yield "\\end{tikzpicture}"

    def flipy(self) -> bool:
        return False

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def draw_path(self, gc: Any, path: Path, transform: Any, rgbFace: Any = None) -> None:  # noqa: N803 - matplotlib's
        steps = _steps(transform.transform_path(path))
        style = []
        opacity = gc.get_alpha() if gc.get_forced_alpha() else None
        if rgbFace is not None:
            style += [f"fill={_color(rgbFace)}", *_faint("fill", opacity, rgbFace)]
        if gc.get_linewidth() and (len(gc.get_rgb()) < 4 or gc.get_rgb()[3]):
            style += [f"draw={_color(gc.get_rgb())}", f"line width={_n(gc.get_linewidth())}bp"]
            style += [f"line cap={ENDS[gc.get_capstyle()]}", *_faint("draw", opacity, gc.get_rgb())]
            offset, dashes = gc.get_dashes()
            if dashes is not None and len(dashes):
                pattern = " ".join(f"{'off' if n % 2 else 'on'} {_n(dash)}bp" for n, dash in enumerate(dashes))
                style += [f"dash pattern={pattern}", f"dash phase={_n(offset or 0)}bp"]
        if steps and style:
            self._put(gc, f"\\path[{','.join(style)}] {steps};")

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
    ) -> None:
        anchor = "base west"
        if mtext is not None and (not angle or mtext.get_rotation_mode() == "anchor"):
            x, y = mtext.get_transform().transform(mtext.get_unitless_position())
            anchor = " ".join(filter(None, (UP[mtext.get_va()], ACROSS[mtext.get_ha()]))) or "center"
        size = prop.get_size_in_points()
        style = [f"anchor={anchor}", "inner sep=0", f"text={_color(gc.get_rgb())}"]
        style += [f"font=\\fontsize{{{_n(size)}}}{{{_n(1.2 * size)}}}\\selectfont"]
        style += [f"rotate={_n(angle)}"] if angle else []
        self._put(None, f"\\node[{','.join(style)}] at ({_n(x)},{_n(y)}) {{{escape(s)}}};")

    def _put(self, gc: Any, line: str) -> None:
        clip = gc.get_clip_rectangle() if gc is not None else None
        if clip is not None:
            corners = f"({_n(clip.x0)},{_n(clip.y0)}) rectangle ({_n(clip.x1)},{_n(clip.y1)})"
            line = f"\\begin{{scope}}\\clip {corners}; {line}\\end{{scope}}"
        self.lines.append(line)


def _steps(path: Path) -> str:
    found = []
    for points, code in path.iter_segments(simplify=False):
        spots = [f"({_n(x)},{_n(y)})" for x, y in zip(points[::2], points[1::2], strict=True)]
        if code == Path.MOVETO:
            found.append(spots[0])
        elif code == Path.LINETO:
            found.append(f"-- {spots[0]}")
        elif code == Path.CURVE3:
            found.append(f".. controls {spots[0]} .. {spots[1]}")
        elif code == Path.CURVE4:
            found.append(f".. controls {spots[0]} and {spots[1]} .. {spots[2]}")
        elif code == Path.CLOSEPOLY:
            found.append("-- cycle")
    return " ".join(found)


def _color(color: Any) -> str:
    red, green, blue = (round(255 * share) for share in color[:3])
    return f"{{rgb,255:red,{red};green,{green};blue,{blue}}}"


def _faint(what: str, opacity: float | None, color: Any) -> list[str]:
    share = opacity if opacity is not None else color[3] if len(color) > 3 else 1
    return [f"{what} opacity={_n(share)}"] if share < 1 else []


def _n(value: float) -> str:
    return f"{round(float(value), 2) + 0.0:g}"
