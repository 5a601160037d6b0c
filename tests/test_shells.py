"""A Tab in a real bash, zsh and fish: names of files are the shell's own affair, and run nothing."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    r"$(touch pwned).yaml",
    r"\$(touch pwned).yaml",
    r"`touch pwned`.yaml",
    r"a net;touch pwned;.yaml",
    r"""it's "$(touch pwned)".yaml""",
    r"b&touch pwned&.lock",
)
# Of each shell: how it starts, and lines that load the completion and let Ctrl-X write the line to a file.
SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        ["source {script}", """bind -x '"\\C-x": printf "%s" "$READLINE_LINE" > {line}'"""],
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        [
            "autoload -Uz compinit; compinit -u -D; source {script}",
            'written() { print -rn -- "$BUFFER" > {line} }; zle -N written; bindkey "^X" written',
        ],
    ),
    "fish": (["fish", "--no-config", "-i"], ["source {script}", "bind \\cx 'commandline | string collect > {line}'"]),
}


class Shell:
    """A shell in a terminal of its own, in `folder`."""

    def __init__(self, name: str, home: Path, folder: Path) -> None:
        self.argv, setup = SHELLS[name]
        self.folder, self.line = folder, home / "line"
        program = home / "bin" / "archcalc"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m archcalc "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if key not in ("BASH_ENV", "ENV", "GITHUB_ACTIONS")}
        path = f"{program.parent}:{os.environ['PATH']}"
        self.env = {
            **kept,
            "HOME": str(home),
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        asked = {**self.env, "_ARCHCALC_COMPLETE": f"source_{name}"}
        script = subprocess.run([program], env=asked, capture_output=True, text=True, check=True, timeout=60).stdout
        (home / "script").write_text(script, encoding="utf-8")
        self.near, self.far = pty.openpty()
        opened = [
            "sh",
            "-c",
            'exec "$@" <>"$0" >&0 2>&1',
            os.ttyname(self.far),
        ]  # what opens it first is controlled by it
        self.process = subprocess.Popen([*opened, *self.argv], cwd=folder, env=self.env, start_new_session=True)
        self.seen = b""
        for line in setup:
            self.type(line.replace("{script}", str(home / "script")).replace("{line}", str(self.line)) + "\r")

    def type(self, keys: str) -> None:
        os.write(self.near, keys.encode())

    def completed(self, words: str) -> str:
        """The line that a Tab makes of words, or another one where the shell is slow."""
        line = words
        self.type(words)
        for _ in range(5):
            self.line.unlink(missing_ok=True)
            self.type("\t\x18")
            end = time.monotonic() + 60
            while not self.line.exists() or not self.line.stat().st_size:
                assert time.monotonic() < end, self.seen.decode(errors="replace")
                if select.select([self.near], [], [], 0.05)[0]:
                    self.seen += os.read(self.near, 65536)
            time.sleep(0.05)
            line = self.line.read_text(encoding="utf-8").strip("\n")
            if line != words:
                break
        self.type("\x15")  # the line is emptied
        return line

    def words_of(self, line: str) -> list[str]:
        """What the command would be given, by the shell itself."""
        asked = line.replace("archcalc ", "printf '%s\\n' ", 1)
        argv = [self.argv[0], "-c", asked]
        done = subprocess.run(argv, cwd=self.folder, env=self.env, capture_output=True, check=False, timeout=60)
        return done.stdout.decode().splitlines()

    def end(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)
        os.close(self.near)
        os.close(self.far)


@pytest.mark.parametrize("name", SHELLS)
def test_a_tab_runs_nothing_and_quotes(name: str, tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on this machine")
    home, folder = tmp_path / "home", tmp_path / "nets"
    home.mkdir()
    folder.mkdir()
    shell = Shell(name, home, folder)
    try:
        assert shell.completed("archcalc summary resnet15").strip() == "archcalc summary resnet152"
        for number, file in enumerate(NAMES):
            path = folder / file
            path.touch()
            words = ("archcalc summary ./", "archcalc check ./", "archcalc compare vgg16 ./")[number % 3]
            line = shell.completed(words)
            assert shell.words_of(line) == [*words.split()[1:-1], f"./{file}"], line
            assert [found.name for found in folder.iterdir()] == [file]
            path.unlink()
    finally:
        shell.end()
