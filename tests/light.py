"""The light install, typer, rich and PyYAML alone: what every command does there. `python -m tests.light` asks it of
the Python that runs it; with `--blocked` all else is hidden first, where more is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

# What is neither in the light set nor of Python itself, of all that an archcalc might want.
HEAVY = (
    "torch", "fvcore", "torchinfo", "thop", "ptflops", "pandas", "matplotlib", "numpy", "scipy", "PIL", "jsonschema",
    "sympy", "networkx", "pydantic", "packaging", "tqdm", "tabulate", "iopath", "yacs", "hypothesis", "pytest",
)  # fmt: skip
HIDE = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
"""
COMMAND = "import sys; from archcalc.cli import main; main(sys.argv[1:])"
LIBRARY = "import archcalc\ntry:\n    {}\nexcept archcalc.ArchcalcError as error:\n    sys.exit(error.render())"


class Case(NamedTuple):
    """Words of the command line, or one line of Python; the package that it lacks, if any."""

    words: str
    needs: str = ""

    @property
    def code(self) -> int:
        """What a command leaves with: 3 where something is missing."""
        return 3 if self.needs else 0


TRACE = Path(__file__).resolve().parent / "data" / "traces" / "net.json"  # of code, which is not needed to read it
COMMANDS = [
    Case("--version"),
    Case("--help"),
    Case("summary lenet5 --static"),
    Case("summary lenet5 --static --full --like fvcore"),
    Case("summary lenet5 --static --format html -o page.html"),
    Case("summary lenet5 --static --format csv"),
    Case("summary lenet5 --static --format markdown"),
    Case("summary lenet5 --static --format json"),
    Case("summary lenet5 --static --train"),
    Case(f"summary {TRACE} --static --full"),
    Case(f"explain {TRACE} conv"),
    Case(f"compare {TRACE} lenet5"),
    Case("summary net.py:Net --static", "torch"),
    Case("trace net.py:Net -o traced.json", "torch"),
    Case("summary lenet5", "torch"),
    Case("measure lenet5", "torch"),
    Case("export lenet5 -o five.yaml"),
    Case("export net.py:Net", "torch"),
    Case("compare lenet5 alexnet"),
    Case("compare lenet5 alexnet --format html -o compared.html"),
    Case("compare lenet5 alexnet --cpu", "torch"),
    Case("scale lenet5 --batch 1,2"),
    Case("scale lenet5 --batch 1,2 -o sizes.csv"),
    Case("scale lenet5 --batch 1,2 -o sizes.png", "matplotlib"),
    Case("scale lenet5 --vary classes=10..20 --pareto params,macs --points all.csv"),
    Case("plot layers lenet5 -o layers.png", "matplotlib"),
    Case("plot memory lenet5 -o memory.svg", "matplotlib"),
    Case("plot roofline lenet5 -o roofline.pdf", "matplotlib"),
    Case("plot roofline lenet5 --cpu -o measured.pdf", "torch"),
    Case("plot graph lenet5 -o graph.svg", "matplotlib"),
    Case("plot graph lenet5 -o graph.mmd"),
    Case("plot shapes lenet5 -o shapes.png", "matplotlib"),
    Case("plot bubble lenet5 alexnet -o bubble.png", "matplotlib"),
    Case("plot scaling resnet -o scaling.png", "matplotlib"),
    Case("report lenet5 -o report.html", "matplotlib"),
    Case("report --zoo lenet5 -o zoo.html"),
    Case("explain lenet5 C1"),
    Case("fit lenet5 --memory 1GiB"),
    Case("paper alexnet"),
    Case("list lenet"),
    Case("show lenet5"),
    Case("new mine"),
    Case("lock lenet5 -o nets.lock"),
    Case("check nets.lock"),
    Case("check nets.lock --format junit=out.xml --format sarif=out.sarif --format github"),
    Case("verify lenet5", "torch"),
    Case("doctor", "torch"),
    Case("doctor lenet5 --vs thop", "torch"),
]
CALLS = [
    Case("archcalc.load('lenet5').totals"),
    Case("archcalc.load('lenet5')._repr_html_()"),
    Case("archcalc.compare('lenet5', 'alexnet')"),
    Case("archcalc.load('lenet5').convert_state_dict({'C1/conv.weight': 1})"),
    Case("archcalc.load('lenet5').frame()", "pandas"),
    Case("archcalc.list('lenet5').frame()", "pandas"),
    Case("archcalc.plot('layers', 'lenet5').figure()", "matplotlib"),
    Case("archcalc.plot('layers', 'lenet5')._repr_html_()", "matplotlib"),
    Case("archcalc.load('lenet5').torch()", "torch"),
    Case("archcalc.measure('lenet5')", "torch"),
    Case("archcalc.verify('lenet5')", "torch"),
]


def wrong(case: Case, folder: Path, hide: str = "") -> str:
    """What a case does that it should not, in `folder`; nothing where all is right."""
    code = hide + (COMMAND if case in COMMANDS else "import sys\n" + LIBRARY.format(case.words))
    words = case.words.split() if case in COMMANDS else []
    before = {path.name for path in folder.iterdir()}
    command = [sys.executable, "-W", "error", "-c", code, *words]
    checkout = {"PYTHONPATH": str(Path(__file__).parent.parent)} if hide else {}  # else what is installed
    environment = {**os.environ, **checkout}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    expected = case.code if case in COMMANDS else int(bool(case.needs))
    said = f"{case.words}: {done.returncode}\n{done.stderr}"
    if done.returncode != expected or "internal error" in done.stderr or "Traceback" in done.stderr:
        return said
    told = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]  # of the model, beside pictures
    wanted = f"error: this needs {case.needs}, which is not installed\nInstall it with `pip install {case.needs}`"
    if case.needs and not "\n".join(told).startswith(wanted):
        return said
    if case.needs and {path.name for path in folder.iterdir()} != before:
        return f"{case.words}: it wrote a file"
    return ""


def main() -> None:
    """Run all, and leave with 1 where something is wrong."""
    hide = HIDE if "--blocked" in sys.argv else ""
    with tempfile.TemporaryDirectory() as folder:
        found = [said for case in (*COMMANDS, *CALLS) if (said := wrong(case, Path(folder), hide))]
    print("\n".join(found) or f"{len(COMMANDS) + len(CALLS)} cases are right without more than typer, rich and PyYAML")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
