"""`archcalc plot KIND MODEL|FAMILY … -o FILE.{png,svg,pdf}`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from . import completion as complete
from .measure import Threads
from .options import Output, Settings, pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..analysis.roofline import Device
    from ..tasks.compare import Compared


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
    device: Annotated[
        str,
        Option("--device", metavar="NAME", help="Whose data sheet a roofline is by: a100, unless it is measured."),
    ] = "",
    cpu: Annotated[bool, Option("--cpu", help="Measure a roofline's ceilings, on the CPU.")] = False,
    gpu: Annotated[bool, Option("--gpu", help="Measure a roofline's ceilings, on the GPU.")] = False,
    threads: Threads = None,
    run: Annotated[
        str,
        Option("--run", metavar="FILE", help="Draw the latency of rows as in this saved run: layers, roofline."),
    ] = "",
    batch: Annotated[
        int | None, Option("--batch", metavar="N", help="Samples in the batch: 1, or those of the run.")
    ] = None,
    dtype: Annotated[
        str,
        Option(
            "--dtype",
            metavar="NAME",
            help="Type of all numbers: float32, or that of the run.",
            autocompletion=complete.dtypes,
        ),
    ] = "",
    settings: Settings = None,
) -> None:
    """Draw a picture for a paper: bars by layer, memory over the run, a roofline, the graph of blocks and branches,
    the shrinking volumes; of several networks accuracy against operations, or a family along its variants."""
    from ..errors import UsageError, did_you_mean, printable
    from ..show.pictures import FORMATS, KINDS, ONE, mermaid, picture

    if kind not in KINDS:
        raise UsageError(f"there is no picture `{kind}`", did_you_mean(kind, KINDS) or f"{', '.join(KINDS)}.")
    suffix = Path(output).suffix.lower()
    text = suffix == ".mmd" and kind == "graph"
    if suffix[1:] not in FORMATS and not text:
        raise UsageError(f"`--output {output}` is no png, svg or pdf", "The suffix says what is written.")
    write = Output("text" if text else "", output, pictures=not text)
    asked = known_ceilings(kind, device, cpu, gpu)
    if run and kind not in TIMED:
        raise UsageError(f"a picture of {kind} shows no latency", f"`--run` is for {' and '.join(TIMED)}.")
    found = sides(members(models), run, batch, dtype, pairs(settings))
    if kind in ONE and len(found) != 1:
        raise UsageError(f"a picture of {kind} shows one network, here are {len(found)}")
    if only and kind != "graph":
        raise UsageError("`--only` is for a graph")
    if text:
        write(lambda width, color: mermaid(found[0].summary, only))
        return
    ceilings = asked(found[0], threads)
    write.draw(lambda: picture(kind, found, ceilings, only))
    missing = [printable(model.name) for model in found if kind == "bubble" and model.result is None]
    if missing:
        print(f"no accuracy of this setting is known of {', '.join(missing)}", file=sys.stderr)


TIMED = ("layers", "roofline")  # pictures that show latency where it was measured


def known_ceilings(kind: str, device: str, cpu: bool, gpu: bool) -> "Callable[[Compared, int | None], Device]":
    """What tells the ceilings of a roofline: by a data sheet, or measured. Raises UsageError."""
    from ..analysis.roofline import DEFAULT
    from ..analysis.roofline import device as by_name
    from ..errors import UsageError, printable

    if kind != "roofline" and (device or cpu or gpu):
        raise UsageError(f"`--{'device' if device else 'cpu' if cpu else 'gpu'}` is for a roofline")
    if cpu + gpu + bool(device) > 1:
        raise UsageError("the ceilings are those of a data sheet, of the CPU or of the GPU: one of the three")
    sheet = by_name(device or DEFAULT)

    def found(model: "Compared", threads: int | None) -> "Device":
        from .. import models as api

        run = model.summary.measured
        if cpu or gpu:
            if threads is None and run is not None:
                threads = run.threads
            ceilings = api.ceilings("cuda" if gpu else "cpu", model.summary.report.dtype, threads)
            if run is not None and not ceilings.name.startswith(run.device_name):
                raise UsageError(f"the run is of another machine than this: of {printable(run.device_name)}")
            return ceilings
        if run is not None and run.device == "cpu":
            hint = "`--cpu` measures those of this machine."
            raise UsageError(f"the run is of a CPU, and the ceilings are those of {sheet.name}", hint)
        return sheet

    return found


def sides(names: list[str], run: str, batch: int | None, dtype: str, settings: dict[str, str]) -> "list[Compared]":
    """The networks of a picture, with the run of the one where there is one. Raises UsageError, SpecError."""
    from dataclasses import replace

    from ..errors import UsageError, printable
    from .compare import Sides, saved

    if not run:
        return Sides({}, batch, dtype, settings).of(names)[0]
    if len(names) != 1:
        raise UsageError(f"a run is of one network, here are {len(names)}")
    (found,) = Sides(saved([run]), batch, dtype, settings).of([run])[0]
    if found.summary.measured is not None and found.summary.measured.mode != "inference":
        raise UsageError(f"`{printable(run)}` is a run of training steps, and a picture shows inference")
    if found.summary.model != names[0]:
        raise UsageError(f"`{printable(run)}` is a run of `{found.summary.model}`, not of `{printable(names[0])}`")
    return [replace(found, name=names[0])]


def members(names: list[str]) -> list[str]:
    """The models that are named; a family that is no model itself stands for its models."""
    from ..language.zoo import shipped_names

    families = {spec.family: spec for spec in shipped_names()}
    found: list[str] = []
    for name in names:
        own = families[name].models if name in families else []
        found += own if own and name not in own else [name]
    return list(dict.fromkeys(found))
