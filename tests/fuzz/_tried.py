"""What every generator wants of a command: an exit code that says what happened, in time, within memory."""

from __future__ import annotations

import contextlib
import io
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from archcalc import cli
from archcalc.gate import budgets
from tests.pace import unit

SECONDS = 2.0  # of the processor, for a static command and an input of 64 KiB, on a machine of this pace or faster:
PACE = 0.5
MEMORY = 500 * 2**10  # KiB beyond what the process had
SPECS = sorted(path for path in Path(__file__).resolve().parents[2].joinpath("specs").glob("*.yaml"))
NOISE = (
    *("\0", "\x1b[2J", "\n", "\r\n", "\t", "\u2028", "\ud800", "\ufeff", "é", "語", "×", "…", "٣", "١٢"),
    *("9" * 30, "9" * 5000, "1e99999999", "-1", "0", "1/0", "nan", "1.5", "True", "null", "x" * 300, " " * 3000),
    *("[" * 200, "{" * 200, "(" * 200, "[[]]", "{}", "&a", "*a", "!!python/object:os.system", "<<: *a", "|", ">", "%"),
    *("../", "/proc/self/environ", "~nosuch/x.yaml", "/dev/zero", "a.yaml:b:c", "@", "#", "::error::", "`", "'", '"'),
)


def run(*arguments: str) -> tuple[object, str]:
    """A command in this process: its exit code, and all that it says."""
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", newline="")
    code: object = 0
    budgets.forget_projects()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            cli.main(list(arguments))
        except SystemExit as left:
            code = left.code or 0
    said.flush()
    return code, said.buffer.getvalue().decode("utf-8", "replace")


def tried(*arguments: str, codes: Sequence[int] = (0, 1, 2)) -> str:
    """What a command says. Raises AssertionError where it leaves with another code, or takes too much."""
    for _ in range(3):  # other processes run, too, and the first loads modules
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        code, said = run(*arguments)
        taken = time.process_time() - start
        if taken <= SECONDS:
            break
    assert code in codes, f"exit {code}: {said[-2000:]}"
    assert "internal error" not in said, said
    assert "Traceback" not in said, said
    allowed = SECONDS if taken <= SECONDS else SECONDS * max(1.0, unit.__wrapped__() / PACE)
    assert taken <= allowed, f"{taken:.1f} s, three times, of {allowed:.1f}"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before <= MEMORY, "memory"
    return said


def mutated(random: Random, text: str, words: Sequence[str] = ()) -> str:
    """A text after some of what people, programs and attackers do to it."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        lines = text.split("\n")
        at, other = random.randrange(len(lines)), random.randrange(len(lines))
        spot, end = sorted((random.randrange(len(text) + 1), random.randrange(len(text) + 1)))
        piece = random.choice((*NOISE, *words))
        change = random.randrange(10)
        if change == 0:
            del lines[at]
        elif change == 1:
            lines[at], lines[other] = lines[other], lines[at]
        elif change == 2:
            lines[at:at] = [lines[other]] * random.choice((1, 2, 50))
        elif change == 3:
            lines[at] = lines[at].replace(random.choice(lines[at] or " "), piece)
        elif change == 4:
            found = [part for part in lines[at].split(" ") if part]
            lines[at] = lines[at].replace(random.choice(found), piece, 1) if found else piece
        elif change == 5:
            lines = lines[:at] or [""]
        elif change == 6:
            lines = [*text[:spot].split("\n")[:-1], text[:spot].rsplit("\n", maxsplit=1)[-1] + piece + text[spot:]]
        elif change == 7:
            lines = [text[:spot] + text[min(end, spot + 40) :]]
        elif change == 8:
            lines[at] += piece
        else:
            lines[at] = " " * random.randrange(6) + lines[at].lstrip()
        text = "\n".join(lines)[: 2**16]
    return text


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
