"""What every command printed on the day a golden was saved, in every form: `python -m tests.goldens` saves them anew.

A golden proves nothing about a number (other tests do that); it shows, in review, each byte that a change moves. Runs
are not measured anew for it but read from `tests/data/runs`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "data" / "goldens"
RUNS = ROOT / "data" / "runs"
FORMS = {"text": "txt", "json": "json", "csv": "csv", "markdown": "md", "latex": "tex", "html": "html"}
SIX = tuple(FORMS)
FOUR = ("text", "json", "csv", "markdown")

TINY = """\
name: tiny
title: A tiny network
cite: nobody, nowhere, 2026
input: 3 × 8 × 8
given: {classes: 10}
columns: {layer: layer, params: =params}
layers:
  from: Table 1
  table: |
    layer | params
    conv  | 112
    head  | 50
notation:
  conv: conv(4, 3) relu
  head: gap linear(classes)
variants: [tiny]
"""
WRONG = TINY.replace("112", "113").replace("| 50", "| 51").replace("tiny", "wrong")
BAD = TINY.replace("conv(4, 3)", "cnov(4, 3)").replace("tiny", "bad")


class Golden(NamedTuple):
    """A command line, and the forms of its result that are held; `columns`: on a terminal of that width, in color."""

    name: str
    line: str
    forms: tuple[str, ...] = SIX
    columns: int = 0

    @property
    def command(self) -> str:
        return self.line.split()[0]


GOLDENS = (
    # --- summary
    Golden("summary", "summary lenet5 --static"),
    Golden("summary-terminal", "summary lenet5 --static", ("text",), 60),
    Golden("summary-wide", "summary googlenet --static --depth 1", ("text",), 120),
    Golden("summary-errata", "summary googlenet --static"),
    Golden("summary-open", "summary resnet18 --static --depth 2"),
    Golden("summary-full", "summary squeezenet1.1 --static --full", FOUR),
    Golden("summary-heads", "summary inception-v3 --static", FOUR),
    Golden("summary-names", "summary unet --static", FOUR),
    Golden("summary-tokens", "summary vit-b-16 --static", FOUR),
    Golden("summary-train", "summary alexnet --static --train --optimizer adam"),
    Golden("summary-like", "summary resnet18 --static --like fvcore"),
    Golden("summary-folded", "summary resnet18 --static --fold-bn"),
    Golden("summary-sorted", "summary resnet18 --static --full --sort params --top 3"),
    Golden("summary-only", "summary resnet18 --static --full --only conv --units raw"),
    Golden("summary-columns", "summary vgg16 --static --columns params,receptive,kernel"),
    Golden("summary-batch", "summary vgg16 --static --batch 8 --dtype float16 --input 3x256x256 --set classes=10"),
    Golden("summary-file", "summary tiny.yaml --static"),
    Golden("summary-measured", "summary lenet5"),
    Golden("summary-measured-train", "summary lenet5 --train"),
    Golden("summary-measured-terminal", "summary lenet5 --depth 1", ("text",), 80),
    # --- measure
    Golden("measure", "measure lenet5"),
    Golden("measure-open", "measure lenet5 --depth 1 --sort latency --top 3"),
    Golden("measure-batches", "measure lenet5 --batch 1,8"),
    Golden("measure-against", "measure lenet5 --batch 1,8 --against before.json --fail-on-regression"),
    Golden("measure-train", "measure lenet5 --train"),
    # --- compare
    Golden("compare", "compare vgg16 resnet50 googlenet"),
    Golden("compare-terminal", "compare vgg16 resnet50 googlenet", ("text",), 80),
    Golden("compare-raw", "compare lenet5 lenet5@64 --units raw --columns params,macs,peak_memory_bytes"),
    Golden("compare-by-stage", "compare resnet18 resnet34 --by stage"),
    Golden("compare-by-row", "compare lenet5 tiny.yaml --by row"),
    Golden("compare-by-op", "compare mobilenetv1 resnet18 --by op"),
    Golden("compare-diff", "compare resnet50 resnet50-v1.5 --diff"),
    Golden("compare-runs", "compare run.json later.json"),
    Golden("compare-run", "compare run.json alexnet"),
    Golden("compare-measured", "compare lenet5 squeezenet1.1 --cpu"),
    Golden("compare-train", "compare lenet5 alexnet --train --like thop"),
    # --- scale
    Golden("scale", "scale resnet18 --input 64..128/32"),
    Golden("scale-settings", "scale efficientnet-b0 --set classes=10,1000 --batch 1,8 --dtype float16"),
    Golden(
        "scale-front",
        "scale efficientnet-b0 --vary width=1..1.2/0.1 --vary resolution=192,224 --set 'depth=1.2*width' "
        "--where 'params < 10M' --pareto params --maximize macs --train",
    ),
    Golden("scale-columns", "scale lenet5 --batch 1,2 --columns params,macs --units raw"),
    # --- explain
    Golden("explain-op", "explain conv"),
    Golden("explain-recurrent", "explain lstm"),
    Golden("explain-network", "explain resnet18"),
    Golden("explain-row", "explain vgg16 conv3-512.1", ("text", "json", "markdown")),
    Golden("explain-rows", "explain vgg16 conv3-512.1"),
    Golden("explain-node", "explain resnet18 conv1/conv"),
    Golden("explain-block", "explain googlenet 'inception (3a)'"),
    Golden("explain-terminal", "explain alexnet", ("text",), 70),
    Golden("explain-source", "explain conv --source", ("text", "json", "markdown")),
    # --- fit, verify, doctor
    Golden("fit", "fit resnet18 --memory 4GiB"),
    Golden("fit-train", "fit resnet18 --memory 4GiB --train --optimizer adam"),
    Golden("fit-nothing", "fit vgg16 --memory 100MiB"),
    Golden("verify", "verify lenet5 squeezenet1.1"),
    Golden("verify-one", "verify tiny.yaml"),
    Golden("doctor", "doctor"),
    Golden("doctor-peers", "doctor alexnet --vs torchinfo,fvcore"),
    # --- papers
    Golden("paper", "paper vgg16"),
    Golden("paper-document", "paper raissi --verdict contradicts"),
    Golden("paper-figure", "paper vgg-16-conv-layers"),
    Golden("paper-all", "paper --all"),
    Golden("paper-terminal", "paper resnet50", ("text",), 80),
    Golden("paper-columns", "paper alexnet --columns id,printed,computed --units raw"),
    # --- list, show, new
    Golden("list", "list", ("text", "csv", "json")),
    Golden("list-word", "list vgg"),
    Golden("list-all", "list --all fusion"),
    Golden("list-columns", "list resnet --columns name,params --units raw"),
    Golden("list-terminal", "list mobilenet", ("text",), 80),
    Golden("show", "show lenet5", ("text",)),
    Golden("new", "new fresh", ("text",)),
    # --- check, lock
    Golden("check-lock", "check drifted.lock"),
    Golden("check-locks", "check same.lock rows.lock"),
    Golden("check-specs", "check tiny.yaml wrong.yaml"),
    Golden("check-bad", "check bad.yaml tiny.yaml"),
    Golden("check-ci", "check drifted.lock wrong.yaml", ("github", "junit", "sarif", "gitlab")),
    Golden("check-terminal", "check drifted.lock", ("text",), 80),
    Golden("lock", "lock tiny.yaml lenet5 -o new.lock", ("text",)),
    # --- wrong use
    *(
        Golden(f"wrong-{number:02}", line, ("text",))
        for number, line in enumerate(
            (
                "summary vgg",
                "summary resnet5O --static",
                "summary lenet5 --static --columns foo",
                "summary lenet5 --static --gpu",
                "summary lenet5 --static --optimizer adam",
                "summary lenet5 --static --set klasses=3",
                "summary lenet5 --static --input 3xx",
                "summary bad.yaml --static",
                "compare lenet5",
                "compare lenet5 alexnet --by foo",
                "compare run.json other.json --fail-on-regression",
                "scale lenet5",
                "explain convv",
                "explain lenet5 nothing",
                "fit lenet5 --memory much",
                "paper nothing",
                "paper lenet5 --verdict good",
                "list nothing-like-it",
                "check nothing.lock",
                "check",
                "measure lenet5 --batch x",
                "measure lenet5 --fail-on-regression",
                "measure lenet5 --against other.json",
                "verify",
                "doctor --vs fvcore",
                "doctor lenet5 --vs fvcor",
                "plot layers lenet5 -o x.txt",
                "plot circles lenet5 -o x.png",
                "report lenet5 -o x.txt",
                "new lenet5",
                "lock lenet5 -o x.txt",
                "show nothing",
                "summary lenet5 --format yaml",
                "fit lenet5 --memory 1GiB --format junit",
            )
        )
    ),
)


def lay_out(folder: Path) -> None:
    """Put the files that the command lines name into a folder."""
    shutil.copytree(_laid_out(), folder, dirs_exist_ok=True)


@functools.cache
def _laid_out() -> Path:
    folder = Path(tempfile.mkdtemp()).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, text in (("tiny", TINY), ("wrong", WRONG), ("bad", BAD)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    for name, run in (("run", "lenet5"), ("before", "lenet5"), ("later", "lenet5-later"), ("other", "squeezenet")):
        shutil.copy(RUNS / f"{run}.json", folder / f"{name}.json")
    run_here(folder, ["lock", "tiny.yaml", "lenet5", "-o", "same.lock"])
    run_here(folder, ["lock", "alexnet", "--rows", "-o", "rows.lock"])
    locked = (folder / "same.lock").read_text(encoding="utf-8")
    drifted = (
        locked.replace("conv(out=4, kernel=3) | 4", "conv(out=8, kernel=3) | 8")
        .replace("| 112 |", "| 224 |")
        .replace("  params 162", "  params 324\n  budget params < 100")
    )
    (folder / "drifted.lock").write_text(drifted, encoding="utf-8")
    return folder


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_here(folder: Path, arguments: list[str], columns: int = 0) -> tuple[str, str, int]:
    """Run a command in this process and that folder: what it writes to both streams, and its exit code."""
    from archcalc import cli

    out, err = _Terminal() if columns else io.StringIO(), io.StringIO()
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "ARCHCALC_DEBUG")
    }
    kept |= {"TERM": "xterm-256color"} | ({"COLUMNS": str(columns)} if columns else {})
    code: object = 0
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, kept, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        saved_runs(),
    ):
        try:
            cli.main(arguments)
        except SystemExit as left:
            code = left.code
    return out.getvalue(), err.getvalue(), code if isinstance(code, int) else 1


@contextlib.contextmanager
def saved_runs() -> Iterator[None]:
    """Instead of measuring, take what was measured once."""
    from archcalc.measurement.conditions import Conditions
    from archcalc.measurement.runs import read
    from archcalc.runtime import measure
    from archcalc.runtime import peers as doctor
    from tests.test_doctor import QUIET

    def in_turn(networks: list, conditions: Conditions, tick: object = None) -> tuple:  # type: ignore[type-arg]
        found = []
        for network in networks:
            large = len(network.graph.nodes) > 60
            name = "squeezenet" if large else "lenet5-train" if conditions.training else "lenet5"
            run = read(RUNS / f"{name}.json", name)
            found.append(next(m for m in run.measurements if m.batch == conditions.batch))
        return tuple(found)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(measure, "measure_in_turn", in_turn))
        stack.enter_context(mock.patch.object(doctor, "examine", return_value=QUIET))
        for module, name, function in _slow():
            stack.enter_context(mock.patch.object(module, name, function))
        yield


@functools.cache
def _slow() -> list[tuple[Any, str, Any]]:
    """What takes seconds and is the same in every form: it is worked out once, without a word on progress."""
    from archcalc.runtime import peers, verify
    from archcalc.tasks import list as listing
    from archcalc.tasks import paper

    def once(module: Any, name: str) -> tuple[Any, str, Any]:
        kept = functools.cache(getattr(module, name))

        def called(*arguments: Any, tick: object = None, **named: Any) -> Any:
            plain = [tuple(each) if isinstance(each, list) else each for each in arguments if not callable(each)]
            return kept(*plain, **named)

        return module, name, called

    return [
        once(module, name)
        for module, name in ((verify, "verify_all"), (paper, "paper"), (listing, "list_models"), (peers, "peer"))
    ]


def steady(text: str) -> str:
    """Without what is another thing in each run: seconds, the date, folders."""
    text = re.sub(r'("seconds": )[\d.]+', r"\g<1>0", text)
    text = re.sub(r'time="[\d.]+"', 'time="0"', text)
    text = re.sub(
        r"^((?:lenet5|squeezenet1\.1|tiny\.yaml),yes(?:,[^,]*){4},)[\d.]+", r"\g<1>0", text, flags=re.MULTILINE
    )
    text = re.sub(r"(archcalc/ops/\w+\.py:)\d+", r"\g<1>0", text)
    text = re.sub(r"(<(style|script)>).*?(</\2>)", r"\1\3", text, flags=re.DOTALL)  # files of their own
    text = re.sub(r"sha256-[^']+", "sha256-", text)
    return text.replace(str(ROOT.parent), "ROOT")


def outcome(golden: Golden, form: str, folder: Path) -> str:
    """All that a command gives: standard output, then the other stream and the exit code, if any."""
    import shlex

    arguments = [*shlex.split(golden.line), *([] if form == "text" else ["--format", form])]
    out, err, code = run_here(folder, arguments, golden.columns)
    out, err = steady(out).replace(str(folder), "HERE"), steady(err).replace(str(folder), "HERE")
    return out + (f"--- exit {code}\n{err}" if err or code else "")


def path_of(golden: Golden, form: str) -> Path:
    return FOLDER / f"{golden.name}.{FORMS.get(form, form)}"


def main() -> None:
    """Save all goldens, or those whose names begin as the arguments do."""
    wanted = tuple(sys.argv[1:])
    FOLDER.mkdir(exist_ok=True)
    for golden in GOLDENS:
        if wanted and not golden.name.startswith(wanted):
            continue
        for form in golden.forms:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name).resolve()
                lay_out(folder)
                path_of(golden, form).write_text(outcome(golden, form, folder), encoding="utf-8")


if __name__ == "__main__":
    main()
