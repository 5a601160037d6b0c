"""How a result shows itself, in a notebook and as a table. `show` knows how, and nothing here may know `show`: the root
of the package hands it in, once somebody looks."""

TYPE_CHECKING = False  # `typing` takes longer than all else that importing the package does
if TYPE_CHECKING:
    from typing import Any


def _views() -> "Any":
    from importlib import import_module

    return import_module("archcalc").views_of_results()


class Shown:
    """What `print` shows as the command does, and a notebook as HTML."""

    __slots__ = ()

    def __str__(self) -> str:
        return _views().text(self)  # type: ignore[no-any-return]

    def _repr_html_(self) -> str:
        return _views().html(self)  # type: ignore[no-any-return]


class Drawn(Shown):
    """What is a picture."""

    __slots__ = ()

    def figure(self, **look: "Any") -> "Any":
        """The picture as a matplotlib Figure: `.figure(size=(6, 4), title=False).savefig("layers.pdf")`. `size` in
        inches, `title`, `theme` (paper or dark) and `font` are as the command's options."""
        return _views().figure(self, **look)


class Tabular(Shown):
    """What is a table, too."""

    __slots__ = ()

    def frame(self, depth: int = 0) -> "Any":
        """The table as a pandas DataFrame with exact numbers, as in csv; the rows of a network opened `depth` levels.
        Columns that hold nothing are left out."""
        return _views().frame(self, depth)
