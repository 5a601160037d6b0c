"""`archcalc compare A B [C …]`."""

from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from . import complete
from .common import Columns, FoldBn, Format, Job, Like, Output, OutputFile, Settings, Units, names, pairs

if TYPE_CHECKING:
    from ..api import Model
    from ..compare import Compared


def register(app: Typer, jobs: list[Job]) -> None:
    @app.command("compare", short_help="Hold networks side by side.")
    def compare(
        models: Annotated[
            list[str],
            Argument(
                metavar="MODEL MODEL ...",
                help="Models as for `summary`; with another input after an @, as resnet50@256.",
                autocompletion=complete.models,
            ),
        ],
        by: Annotated[
            str, Option("--by", metavar="PART", help="Show where the difference lies: by stage, row or op.")
        ] = "",
        diff: Annotated[bool, Option("--diff", help="Line two networks up, node by node.")] = False,
        columns: Columns = "",
        units: Units = "auto",
        batch: Annotated[int, Option("--batch", metavar="N", help="Samples in the batch.")] = 1,
        dtype: Annotated[
            str, Option("--dtype", metavar="NAME", help="Type of all numbers.", autocompletion=complete.dtypes)
        ] = "float32",
        like: Like = "",
        fold_bn: FoldBn = False,
        settings: Settings = None,
        output_format: Format = "",
        output: OutputFile = "",
    ) -> None:
        """Hold networks side by side: parameters, MACs, memory, depth, receptive field, printed accuracy; ratios to the
        first, the best of each, and the Pareto-optimal ones."""

        def job() -> None:
            from ..compare import compare as side_by_side
            from ..compare import diff as lined_up
            from ..compare import shares
            from ..errors import UsageError
            from ..render import known_units
            from ..render.compared import chosen, render, render_diff

            write, raw, keys = Output(output_format, output), known_units(units) == "raw", names(columns)
            if diff and (len(models) != 2 or by):
                raise UsageError("`--diff` lines two networks up, and nothing else")
            found = side_by_side(side(models, batch, dtype, pairs(settings), like, fold_bn))
            if diff:
                changes = lined_up(*found.models)
                write(lambda width, color: render_diff(changes, found.models, write.format, color))
                return
            chosen(found, keys)
            shared = shares(found, by) if by else ()
            write(lambda width, color: render(found, write.format, width, color, raw, shared, by, keys))

        jobs.append(job)


def side(
    references: list[str], batch: int, dtype: str, settings: dict[str, str], like: str = "", fold_bn: bool = False
) -> "list[Compared]":
    """The models that are named, each with the accuracy that is printed for it where it is as printed."""
    from ..compare import Compared
    from ..results import common

    loaded = [(reference, load_at(reference, settings)) for reference in references]
    printed = {result.model: result for result in common([model.name for _, model in loaded if model.printed])}
    built = [(reference, model, model.fold_bn() if fold_bn else model) for reference, model in loaded]
    return [
        Compared(
            reference, counted.summary(batch, dtype, like=like), printed.get(model.name) if model.printed else None
        )
        for reference, model, counted in built
    ]


def load_at(reference: str, settings: dict[str, str]) -> "Model":
    """A model by what is typed, `resnet50@256`. Raises UsageError, SpecError."""
    from .. import api
    from ..compare import at_input, resized

    name, size = at_input(reference)
    model = api.load(name, settings=settings)
    return model if size is None else api.load(name, input=resized(model.input, size), settings=settings)
