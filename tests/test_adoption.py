"""Where people put the gate: the pytest plug-in, the pre-commit hook, the GitHub Action, the README that says how."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from archcalc.models import load
from tests.test_commands import Run, command
from tests.test_gate import NET, edit, here, require
from tests.test_packaging import LIGHT, closure

__all__ = ["command", "here"]  # fixtures
ROOT = Path(__file__).resolve().parent.parent
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")

# --- pytest -------------------------------------------------------------------------------------------------------


def run_pytest(*arguments: str, cwd: Path) -> tuple[int, str]:
    """pytest in a process of its own, with the plug-in as its entry point would load it."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # whether archcalc is installed or not: the plug-in is named below
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "archcalc.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "-q",
        *arguments,
    ]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_locks_and_specs_are_test_items(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    (here / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    (here / "poetry.lock").write_text("# made by poetry\n", encoding="utf-8")
    code, out = run_pytest("--archcalc", "-vv", cwd=here)
    assert (code, "3 passed" in out) == (0, True), out
    assert "archcalc.lock::net.yaml:net-small PASSED" in out
    edit(here / "net.yaml", "    conv 8 | conv 16\n    head", "    conv 9 | conv 16\n    head")
    code, out = run_pytest("--archcalc", cwd=here)
    assert (code, "1 failed, 2 passed" in out) == (1, True), out
    assert "conv: out=8 → out=9" in out
    assert "net.yaml:12:" in out
    assert "Traceback" not in out
    code, out = run_pytest("archcalc.lock::net.yaml:net-wide", cwd=here)
    assert (code, "1 passed" in out) == (0, True), out


def test_a_failed_assertion_shows_no_source_of_archcalc_and_an_open_budget_skips(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    test = "from archcalc.testing import assert_locked\ndef test_it():\n    assert_locked()\n"
    (here / "test_net.py").write_text(test, encoding="utf-8")
    require(here / "archcalc.lock")
    code, out = run_pytest("--archcalc", "-rs", cwd=here)
    assert (code, "1 failed, 1 passed, 2 skipped" in out) == (1, True), out
    assert "required budgets were not measured" in out
    edit(here / "net.yaml", "    conv 8 | conv 16\n    head", "    conv 9 | conv 16\n    head")
    code, out = run_pytest("test_net.py", cwd=here)
    assert (code, "out=8 → out=9" in out) == (1, True), out
    assert "test_net.py:3: AssertionError" in out
    assert "archcalc/testing.py" not in out
    assert "read_lock" not in out


def test_without_being_asked_nothing_is_collected(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    assert run_pytest(cwd=here)[0] == pytest.ExitCode.NO_TESTS_COLLECTED


def test_locks_are_found_beside_the_testpaths(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    (here / "tests").mkdir()
    (here / "tests" / "test_it.py").write_text("def test_it(): pass\n", encoding="utf-8")
    (here / "pytest.ini").write_text("[pytest]\ntestpaths = tests\naddopts = --archcalc\n", encoding="utf-8")
    code, out = run_pytest(cwd=here)
    assert (code, "3 passed" in out) == (0, True), out


def test_a_bad_lock_and_a_bad_spec_say_why(here: Path) -> None:
    (here / "a.lock").write_text("archcalc lock 1\nmodel net.yaml:nothing\nend\n", encoding="utf-8")
    (here / "b.lock").write_text("archcalc lock 1\n", encoding="utf-8")
    code, out = run_pytest("--archcalc", cwd=here)
    assert code == pytest.ExitCode.INTERRUPTED
    assert "cut off" in out
    code, out = run_pytest("a.lock", cwd=here)
    assert (code, "there is no model or variant `nothing`" in out) == (1, True), out
    assert "Traceback" not in out


def test_the_fixture(here: Path, command: Run) -> None:
    command("lock", "net.yaml")
    params = load("net.yaml:small").totals.params
    (here / "sub").mkdir()
    (here / "sub" / "test_net.py").write_text(
        "def test_net(archcalc):\n"
        f'    assert archcalc.load("net.yaml:small").totals.params == {params}\n'
        '    archcalc.assert_locked("archcalc.lock", "net.yaml:net-wide")\n'
        f'    archcalc.assert_within("net.yaml:small", "params <= {params}")\n'
        '    archcalc.assert_claims("net.yaml")\n'
        "def test_over(archcalc):\n"
        f'    archcalc.assert_within("net.yaml:small", "params < {params}")\n',
        encoding="utf-8",
    )
    code, out = run_pytest("--rootdir", str(here), "sub", cwd=here)
    assert (code, "1 failed, 1 passed" in out) == (1, True), out
    assert f"params < {params}: {params}" in out


def test_the_plug_in_costs_nothing_until_it_is_used(here: Path) -> None:
    """In every run of pytest it is imported: no torch, and nothing else of archcalc."""
    (here / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    assert 'archcalc.pytest_plugin' in sys.modules\n"
        "    assert {n for n in sys.modules if n.startswith('archcalc')} == {'archcalc', 'archcalc.pytest_plugin'}\n"
        "    assert 'torch' not in sys.modules and 'yaml' not in sys.modules\n",
        encoding="utf-8",
    )
    code, out = run_pytest(cwd=here)
    assert code == 0, out


def test_the_plug_in_is_an_entry_point() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"archcalc": "archcalc.pytest_plugin"}


# --- pre-commit ---------------------------------------------------------------------------------------------------


def test_the_hook_installs_what_counting_needs_and_no_torch() -> None:
    (hook,) = HOOKS
    first, *rest = hook["additional_dependencies"]
    named = {canonicalize_name(Requirement(text).name): Requirement(text) for text in rest}
    assert first == "--no-deps"
    assert set(named) == closure(LIGHT)
    pinned = {canonicalize_name(Requirement(text).name): text for text in constraints()}
    assert {name: str(requirement) for name, requirement in named.items()} == {name: pinned[name] for name in named}, (
        "exact versions, those that the tests run with"
    )
    assert hook["entry"] == "python -I -m archcalc check"


@pytest.mark.slow
def test_the_hook_with_the_real_pre_commit(here: Path, command: Run) -> None:
    pytest.importorskip("pre_commit")
    source, home = here / "source", here / "home"
    everything = [".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE", "archcalc", "specs"]
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in everything), str(source)], check=True)
    for step in (["add", "-A"], ["commit", "-qm", "x"], ["tag", "v0.1.0"]):
        git(*step, cwd=source)
    work = here / "work"
    work.mkdir()
    (here / "net.yaml").rename(work / "net.yaml")
    git("init", "-q", ".", cwd=work)
    config = re.search(r"```yaml\n(repos:\n.*?)```", README, re.DOTALL)
    assert config
    text = re.sub(r"repo: \S+", f"repo: {source}", config[1])
    (work / ".pre-commit-config.yaml").write_text(text, encoding="utf-8")
    archcalc(work, "lock", "net.yaml")
    git("add", "-A", cwd=work)

    def pre_commit() -> tuple[int, str]:
        env = {**os.environ, "PRE_COMMIT_HOME": str(home)}
        paths = env.pop("PYTHONPATH", "").split(os.pathsep)  # the hook must not see this checkout
        env["PYTHONPATH"] = os.pathsep.join(path for path in paths if Path(path, "pre_commit").is_dir())
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
        done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False, timeout=500)
        return done.returncode, done.stdout + done.stderr

    code, out = pre_commit()
    assert (code, "Passed" in out) == (0, True), out
    edit(work / "net.yaml", "    conv 8 | conv 16\n    head", "    conv 9 | conv 16\n    head")
    git("add", "-A", cwd=work)
    code, out = pre_commit()
    assert (code, "out=8 → out=9" in out) == (1, True), out
    assert not list(home.rglob("site-packages/torch"))
    assert list(home.rglob("site-packages/archcalc"))


def git(*arguments: str, cwd: Path) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


def archcalc(cwd: Path, *arguments: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "archcalc", *arguments], cwd=cwd, env=env, check=True, capture_output=True)


# --- the GitHub Action --------------------------------------------------------------------------------------------


def test_the_action_is_composite_and_takes_no_input_into_its_code() -> None:
    """What a caller gives reaches the shell as variables alone."""
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        for value in step.get("env", {}).values():
            used = re.findall(r"\$\{\{ inputs\.(\w+) \}\}", value)
            assert set(used) <= set(ACTION["inputs"])
    assert all(given["description"] and "default" in given for given in ACTION["inputs"].values())


@pytest.mark.slow
def test_the_actions_steps(here: Path) -> None:
    temp = here / "temp"
    temp.mkdir()
    work = here / "work"
    work.mkdir()
    (here / "net.yaml").rename(work / "net.yaml")
    git("init", "-q", ".", cwd=work)
    archcalc(work, "lock", "net.yaml")
    for name in ("venv.py", "pip.py", "logging.py", "yaml.py", "archcalc.py", "sitecustomize.py"):  # of no consequence
        (work / name).write_text("raise SystemExit('imported from the repository')\n", encoding="utf-8")
    install, check = ACTION["runs"]["steps"]
    code, out = step(install, {"python": sys.executable}, work, temp)
    assert code == 0, out
    assert not list((temp / "archcalc").rglob("site-packages/torch"))
    code, out = step(check, {"arguments": "--claims"}, work, temp)
    assert code == 0, out
    assert "::error" not in out
    edit(work / "net.yaml", "    conv 8 | conv 16\n    head", "    conv 9 | conv 16\n    head")
    code, out = step(check, {"arguments": ""}, work, temp)
    assert code == 1, out
    assert "::error file=net.yaml,line=12," in out
    assert "out=8 → out=9" in (temp / "summary").read_text(encoding="utf-8")


def step(found: dict[str, Any], inputs: dict[str, str], work: Path, temp: Path) -> tuple[int, str]:
    """A step as the runner runs it: bash with `-e -o pipefail`, the inputs put into its variables."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    for name, value in found.get("env", {}).items():
        env[name] = re.sub(
            r"\$\{\{ inputs\.(\w+) \}\}", lambda m: inputs.get(m[1], ACTION["inputs"][m[1]]["default"]), value
        )
    env |= {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_WORKSPACE": str(work)}
    env["GITHUB_STEP_SUMMARY"] = str(temp / "summary")
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", found["run"]]
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False, timeout=500)
    return done.returncode, done.stdout + done.stderr


def constraints() -> list[str]:
    """Every exact version of the tests' environment, as `name==version`."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "==" in line and not line.startswith("#")]


@pytest.mark.parametrize("name", ["locked.txt", "publish.txt"])
def test_what_is_installed_is_locked_by_hash(name: str) -> None:
    text = (ROOT / ".github" / name).read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    every = [Requirement(line.split(" --hash")[0].strip()) for line in lines]
    locked = {canonicalize_name(found.name): found for found in every}
    assert all(re.fullmatch(r"\S+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", line) for line in lines)
    ours = {canonicalize_name(Requirement(text).name): Requirement(text).specifier for text in constraints()}
    assert all(found.specifier == ours.get(package, found.specifier) for package, found in locked.items())
    needed = closure((*LIGHT, "hatchling")) if name == "locked.txt" else {"twine"}
    assert needed <= set(locked)


def test_nothing_of_a_repository_is_imported() -> None:
    """Python is always told not to look where it stands; and what is installed is locked."""
    install, check = (step["run"] for step in ACTION["runs"]["steps"])
    for line in (*install.splitlines(), *check.splitlines()):
        assert line.startswith("#") or "ython" not in line or " -I " in line
    assert "--require-hashes --only-binary=:all:" in install
    assert '--no-deps --no-build-isolation "$GITHUB_ACTION_PATH"' in install


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_workflows_pin_what_they_use_and_keep_no_password(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(workflow["permissions"] or {}) <= {"contents"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for used in (step for step in steps if "uses" in step):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used["uses"]), "by the commit, as a tag can be moved"
        if used["uses"].startswith("actions/checkout@"):
            assert used["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text(encoding="utf-8")


# --- the README ---------------------------------------------------------------------------------------------------


def test_the_readme_names_this_version_and_this_hook() -> None:
    from archcalc import __version__

    section = README.partition("## In CI")[2].partition("\n## ")[0]
    assert re.findall(r"(?:archcalc@|rev: )(\S+)", section) == [f"v{__version__}"] * 2
    assert f"id: {HOOKS[0]['id']}" in section
    assert NET  # what the tests lock
    assert "pytest --archcalc" in section
