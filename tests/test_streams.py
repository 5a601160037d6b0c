"""What outlasts a reader that has gone and a Ctrl-C: exit codes, and that an interrupt is never lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archcalc import cli, parallel
from tests.test_cli import ROOT, TINY, environment, run

ARCHCALC = f"{sys.executable} -m archcalc"
WRONG = TINY + "reported:\n  - from: nobody\n    table: |\n      figure | net\n      params | 7\n"


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, where `archcalc` is this one; its exit code is that of the first in a pipe that fails."""
    script = f'set -o pipefail; archcalc() {{ {ARCHCALC} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], cwd=cwd, env=environment(), capture_output=True, encoding="utf-8", check=False
    )


# --- readers that have gone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("archcalc check ./net.yaml | true", 1),
        ("archcalc check ./net.yaml --format json | true", 1),
        ("archcalc check ./net.yaml >&-", 1),
        ("archcalc check ./net.yaml 2>&-", 1),
        ("archcalc check ./net.yaml ./gone.yaml 2>&1 >/dev/null | true", 2),
        ("archcalc summary nope 2>&1 >/dev/null | true", 2),
        ("archcalc summary nope 2>/dev/full", 2),
        ("archcalc summary nope 2>&-", 2),
        ("archcalc summary vgg16 --static | true", 0),
        ("archcalc summary vgg16 --static >&-", 0),
        ("archcalc summary vgg16 --static >/dev/full", 3),
        ("archcalc list | true", 0),
        ("archcalc --help | true", 0),
        ("archcalc --version | true", 0),
        ("archcalc --version >/dev/full", 3),
    ],
)
def test_who_reads_changes_no_exit_code(line: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(WRONG, encoding="utf-8")
    done = shell(line, tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "internal error" not in done.stderr


def test_watching_ends_with_its_reader(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(TINY, encoding="utf-8")
    command = [sys.executable, "-m", "archcalc", "check", "--watch", "net.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 0


# --- Ctrl-C -------------------------------------------------------------------------------------------------------

LOST = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(10**6): pass
except KeyboardInterrupt:
    {then}
"""


@pytest.mark.parametrize("then", ["pass", "raise ImportError('numpy failed to initialize')", "raise ValueError('oh')"])
@pytest.mark.parametrize("command", ["summary ./net.yaml", "verify ./net.yaml", "doctor", "measure ./net.yaml"])
def test_an_interrupt_that_an_import_swallows_ends_the_command(command: str, then: str, tmp_path: Path) -> None:
    fake = tmp_path / "fake" / "torch"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text(LOST.format(then=then), encoding="utf-8")
    (tmp_path / "net.yaml").write_text(TINY, encoding="utf-8")
    done = run(*command.split(), cwd=tmp_path, extra={"PYTHONPATH": f"{fake.parent}{os.pathsep}{ROOT}"})
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.slow
def test_an_interrupt_while_torch_is_imported(tmp_path: Path) -> None:
    """For real: torch's own code swallowed 7 of 40, and the command went on to its end."""
    pytest.importorskip("torch")
    (tmp_path / "net.yaml").write_text(TINY, encoding="utf-8")
    command = [sys.executable, "-X", "importtime", "-m", "archcalc", "measure", "net.yaml", "--time-limit", "0"]
    drawn = random.Random(14)
    for _ in range(8):
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:  # until the import has begun
                if b"torch" in line:
                    break
            time.sleep(drawn.uniform(0, 1))
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate()
                assert process.returncode in (130, -signal.SIGINT)


def test_an_interrupt_while_arguments_are_read_is_no_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_app", lambda arguments, asked: lambda **_: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(SystemExit) as left:
        cli.main(["list"])
    assert left.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_a_job_swallows_ends_the_jobs() -> None:
    done: list[int] = []

    def job(number: int) -> None:
        done.append(number)
        if number == 2:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            except KeyboardInterrupt:
                pass

    ended = parallel.heed_interrupts(own=False)
    try:
        with pytest.raises(KeyboardInterrupt):
            parallel.map_processes(job, range(9), 100)
    finally:
        assert ended()
    assert done == [0, 1, 2]
    assert parallel.map_processes(abs, [-1, 2], 100) == [1, 2]  # nothing of it is left for what comes later


def test_whoever_ignores_interrupts_still_does() -> None:
    """As `nohup archcalc … &` does."""
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from archcalc.cli import main; import os\n"
    code += "import archcalc.commands.list as l; was = l.list_models\n"
    code += "def interrupted(*a, **k): os.kill(os.getpid(), signal.SIGINT); return was(*a, **k)\n"
    code += "import functools; l.list_models = functools.wraps(was)(interrupted); main(['list', 'vgg'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=False)
    assert done.returncode == 0
    assert b"vgg16" in done.stdout
