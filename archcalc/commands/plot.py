"""`archcalc plot KIND MODEL|FAMILY … -o FILE.{png,svg,pdf}`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from . import complete
from .common import Job, Output, Settings, pairs

if TYPE_CHECKING:
    pass


def register(app: Typer, jobs: list[Job]) -> None:
    @app.command("plot", short_help="Draw a network, or several, for a paper or a slide.")
    def plot(
        kind: Annotated[
            str,
            Argument(
                metavar="KIND",
                help="layers, memory, roofline, graph or shapes of one network; bubble or scaling of several.",
                autocompletion=complete.kinds,
            ),
        ],
        models: Annotated[
            list[str],
            Argument(
                metavar="MODEL|FAMILY ...",
                help="Models as for `compare`; a family stands for all of its models.",
                autocompletion=complete.models_and_families,
            ),
        ],
        output: Annotated[
            str, Option("--output", "-o", metavar="FILE", help="The picture: png, svg or pdf; a graph also mmd.")
        ],
        only: Annotated[str, Option("--only", metavar="ROW", help="Draw this row or block of a graph.")] = "",
        device: Annotated[str, Option("--device", metavar="NAME", help="Whose data sheet a roofline is by.")] = "a100",
        batch: Annotated[int, Option("--batch", metavar="N", help="Samples in the batch.")] = 1,
        dtype: Annotated[
            str, Option("--dtype", metavar="NAME", help="Type of all numbers.", autocompletion=complete.dtypes)
        ] = "float32",
        settings: Settings = None,
    ) -> None:
        """Draw a picture for a paper: bars by layer, memory over the run, a roofline, the graph of blocks and branches,
        the shrinking volumes; of several networks accuracy against operations, or a family along its variants."""

        def job() -> None:
            from ..devices import device as by_name
            from ..errors import UsageError, did_you_mean, printable
            from ..render.plots import FORMATS, KINDS, ONE, mermaid, picture
            from .compare import side

            if kind not in KINDS:
                raise UsageError(f"there is no picture `{kind}`", did_you_mean(kind, KINDS) or f"{', '.join(KINDS)}.")
            suffix = Path(output).suffix.lower()
            text = suffix == ".mmd" and kind == "graph"
            if suffix[1:] not in FORMATS and not text:
                raise UsageError(f"`--output {output}` is no png, svg or pdf", "The suffix says what is written.")
            write = Output("text" if text else "", output, pictures=not text)
            sheet = by_name(device)
            found = side(members(models), batch, dtype, pairs(settings))
            if kind in ONE and len(found) != 1:
                raise UsageError(f"a picture of {kind} shows one network, here are {len(found)}")
            if only and kind != "graph":
                raise UsageError("`--only` is for a graph")
            if text:
                write(lambda width, color: mermaid(found[0].summary, only))
                return
            write.draw(lambda: picture(kind, found, sheet, only))
            missing = [printable(model.name) for model in found if kind == "bubble" and model.result is None]
            if missing:
                print(f"no accuracy of this setting is known of {', '.join(missing)}", file=sys.stderr)

        jobs.append(job)


def members(names: list[str]) -> list[str]:
    """The models that are named; a family that is no model itself stands for its models."""
    from ..zoo import read_spec, spec_files

    families = {path.stem: path for path in spec_files()}
    found: list[str] = []
    for name in names:
        own = list(read_spec(families[name]).models) if name in families else []
        found += own if own and name not in own else [name]
    return list(dict.fromkeys(found))
