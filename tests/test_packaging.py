"""What is shipped: wheel and sdist hold the specs, and the wheel works away from the checkout, without torch."""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import archcalc

ROOT = Path(__file__).resolve().parent.parent
SPECS = {path.name for path in (ROOT / "specs").glob("*.yaml")}
LIGHT = ("typer", "rich", "PyYAML")  # what the static commands need
HEAVY = ("torch", "fvcore", "pandas", "matplotlib")
VGG16_PARAMS = 138_357_544

slow = pytest.mark.slow


def run(command: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `command` in `cwd`, deaf to the Python paths of this process."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)


def closure(names: Sequence[str]) -> set[str]:
    """The installed distributions that `names` need, themselves included."""
    found: set[str] = set()
    queue = [canonicalize_name(name) for name in names]
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                queue.append(canonicalize_name(needed.name))
    return found


def copy_distribution(name: str, site: Path) -> None:
    """Copy an installed distribution's modules into another environment's site-packages.

    Copies rather than an install: it needs no network, and the versions are those that the other tests use. A `.pth`
    or system packages would show torch as well, and a checkout's editable install.
    """
    files = importlib.metadata.files(name)
    assert files, f"{name} does not list its files"
    for file in files:
        if file.parts[0] != ".." and file.suffix != ".pyc":
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_binary())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel built from it."""
    out = tmp_path_factory.mktemp("dist")
    result = run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT], out)
    assert result.returncode == 0, result.stdout + result.stderr
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def light(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that holds the wheel and the light set, and nothing else."""
    base = tmp_path_factory.mktemp("light")
    venv.create(base, with_pip=True)
    paths = sysconfig.get_paths("venv", vars={"base": str(base), "platbase": str(base)})
    for name in closure(LIGHT):
        copy_distribution(name, Path(paths["purelib"]))
    scripts = Path(paths["scripts"])
    result = run([scripts / "python", "-m", "pip", "install", "--no-deps", "--no-index", built[1]], base)
    assert result.returncode == 0, result.stdout + result.stderr
    return scripts


@slow
def test_sdist_and_wheel_hold_every_spec(built: tuple[Path, Path]) -> None:
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    assert SPECS
    assert {f"specs/{name}" for name in SPECS} <= packed
    assert {f"archcalc/specs/{name}" for name in SPECS} <= shipped
    assert "archcalc/py.typed" in shipped
    assert {"README.md", "LICENSE", "constraints.txt", "tests/test_packaging.py"} <= packed
    assert {name.split("/")[0].partition("-")[0] for name in shipped} == {"archcalc"}


@slow
def test_version_is_the_constant(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    assert metadata["Version"] == archcalc.__version__
    assert metadata["License-Expression"] == "MIT"


@slow
def test_wheel_answers_elsewhere_without_the_heavy_packages(light: Path, tmp_path: Path) -> None:
    search = "import importlib.util as u, sys; print([name for name in sys.argv[1:] if u.find_spec(name)])"
    assert run([light / "python", "-c", search, *HEAVY], tmp_path).stdout.strip() == "[]"
    result = run([light / "archcalc", "summary", "vgg16", "--static", "--format", "json"], tmp_path)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["model"] == "vgg16"
    assert answer["totals"]["params"] == VGG16_PARAMS


@slow
def test_measuring_without_torch_names_the_way_out(light: Path, tmp_path: Path) -> None:
    result = run([light / "archcalc", "summary", "vgg16"], tmp_path)
    assert result.returncode == 3, result.stdout + result.stderr
    assert "--static" in result.stderr
    assert "Traceback" not in result.stderr


@slow
def test_wheel_reads_its_own_specs(light: Path, tmp_path: Path) -> None:
    result = run([light / "python", "-c", "from archcalc.language.zoo import specs_dir; print(specs_dir())"], tmp_path)
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    assert folder.is_relative_to(light.parent.resolve())
    assert {path.name for path in folder.glob("*.yaml")} == SPECS


def test_checkout_reads_the_checkouts_specs() -> None:
    """An editable install leaves a copy of the specs in site-packages, which must not be read."""
    from archcalc.language.zoo import specs_dir

    assert specs_dir().resolve() == ROOT / "specs"
