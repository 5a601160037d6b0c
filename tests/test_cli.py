"""The command line as a user meets it: whole processes, their output, their exit codes, and what they load."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import archcalc
from archcalc import cli
from archcalc.errors import Unavailable

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "pandas", "matplotlib", "fvcore", "numpy"}
TINY = """
name: tiny
input: 3 × 8 × 8
given: {classes: 10}
layers:
  - conv(4, 3) bn relu
  - gap linear(classes) softmax
"""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **(extra or {})}


def run(
    *arguments: str, cwd: Path = ROOT, extra: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "archcalc", *arguments],
        cwd=cwd,
        env=environment(extra),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def on_a_terminal(*arguments: str, columns: int = 80, extra: Mapping[str, str] | None = None) -> str:
    """What a terminal of that width gets from the command."""
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [sys.executable, "-m", "archcalc", *arguments]
    with subprocess.Popen(command, env=environment(extra), stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so where the other end is closed
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(pieces).decode().replace("\r\n", "\n")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def without_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which the heavy packages cannot be imported."""
    shim = f"import sys\nfor name in {sorted(HEAVY)!r}:\n    sys.modules[name] = None\n"
    (tmp_path / "sitecustomize.py").write_text(shim, encoding="utf-8")
    return {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}


# --- what is loaded -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["summary", "--help"],
        *[["summary", "googlenet", "--static", "--format", name] for name in ("text", "json", "csv", "markdown")],
        ["summary", "resnet50", "--static", "--full"],
        ["summary", "resnet50", "--static", "--sort", "macs", "--top", "3", "--only", "conv"],
        *[["list", "vgg", "--format", name] for name in ("text", "json", "csv", "markdown")],
        ["show", "vgg16"],
        ["explain", "vgg16"],
        ["explain", "vgg16", "FC-1000", "--format", "json"],
        ["explain", "conv"],
        ["explain", "conv", "--source"],
        ["check", "specs/vgg.yaml"],
        ["check", "no-such.yaml"],
        ["new", "vgg"],
        ["summary", "vgg61", "--static"],
    ],
    ids=" ".join,
)
def test_a_static_command_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from archcalc.cli import main
try:
    main({arguments!r})
finally:
    print(sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    loaded = set(done.stderr.split("[")[-1].replace("'", "").rstrip("]\n").split(", "))
    assert "archcalc" in loaded
    assert not loaded & {*HEAVY, "rich", "pygments", "pydantic_core"} - _of_typer()
    if arguments == ["--version"]:
        assert not loaded & {"typer", "yaml", "dataclasses"}
    if "--help" in arguments:
        assert not loaded & {"yaml", "fractions"}  # the core


@cache
def _of_typer() -> set[str]:
    """What typer itself loads for a command with an option."""
    code = (
        "import sys, typer\napp = typer.Typer()\n@app.command()\ndef c(x: int = 0) -> None: pass\n"
        "try: app(['--x', '1'])\nexcept SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return set(done.stdout.split())


def test_the_version_is_that_of_the_package() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"archcalc {archcalc.__version__}\n", "")


# --- wrong use ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage: archcalc"),
        (["sumary"], "Did you mean 'summary'?"),
        (["summary"], "Missing argument 'MODEL'"),
        (["summary", "vgg16", "--statik"], "--static"),
        (["check", "vgg16"], "`vgg16` is a network that ships, and no file"),
        (["summary", "vgg17", "--static"], "Did you mean `vgg1"),
        (["summary", "resnet-50", "--static"], "Did you mean `resnet50`?"),
        (["summary", "vgg", "--static"], "vgg:vgg16"),
        (["summary", "vgg16", "--static", "--format", "jsn"], "Did you mean `json`?"),
        (["summary", "vgg16", "--static", "--dtype", "float31"], "Did you mean `float32`?"),
        (["summary", "vgg16", "--static", "--set", "clases=10"], "Did you mean `classes`?"),
        (["summary", "vgg16", "--static", "--set", "classes"], "`name=value`"),
        (["summary", "vgg16", "--static", "--set", "classes=ten"], "`classes` wants a number"),
        (["summary", "vgg16", "--static", "--set", "classes=1", "--set", "classes=2"], "`classes` twice"),
        (["summary", "vgg16", "--static", "--input", "3,224"], "`--input 3x256x256`"),
        (["summary", "vgg16", "--static", "--input", "3x4x4"], "specs/vgg.yaml:"),
        (["summary", "vgg16", "--static", "--batch", "0"], "at least one sample"),
        (["summary", "vgg16", "--static", "--batch", "many"], "--batch"),
        (["summary", "vgg16", "--static", "--depth", "-1"], "--depth"),
        (["summary", "vgg16", "--static", "--gpu"], "one of the two"),
        (["summary", "vgg16", "--static", "--output", "no/such/folder/x.json"], "a folder that does not exist"),
        (["summary", "vgg16", "--static", "--output", "x.png"], "this command draws none"),
        (["summary", "./no-such-file.yaml", "--static"], "./no-such-file.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_says_what_is_meant_and_exits_2(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_bad_spec_shows_the_place_and_exits_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(TINY.replace("relu", "rellu"), encoding="utf-8")
    done = run("summary", "./bad.yaml", "--static", cwd=tmp_path)
    assert done.returncode == 2
    assert "./bad.yaml:6:" in done.stderr
    assert "Did you mean `relu`?" in done.stderr


# --- static -------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_plain_text_on_unbroken_lines() -> None:
    done = run("summary", "resnet50", "--static")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\033" not in done.stdout
    assert "[1×1,256; 3×3,256; 1×1,1024]×6  1024×14×14" in done.stdout.replace("   ", "  ")


def test_a_pipe_heeds_columns_and_forced_color() -> None:
    narrow = run("summary", "resnet50", "--static", extra={"COLUMNS": "80"}).stdout
    assert (
        max(map(len, narrow.splitlines()))
        <= 80
        < max(map(len, run("summary", "resnet50", "--static").stdout.splitlines()))
    )
    assert "\033[1;36mresnet50" in run("summary", "resnet50", "--static", extra={"FORCE_COLOR": "1"}).stdout
    assert "\033" not in run("summary", "resnet50", "--static", extra={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert (
        run("summary", "resnet50", "--static", extra={"COLUMNS": "many", "FORCE_COLOR": "0"}).stdout.count("\033") == 0
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-V"], f"archcalc {archcalc.__version__}\n"),
        (["-h"], "Usage: archcalc"),
        (["compare", "-h"], "Usage: archcalc compare"),
    ],
    ids=" ".join,
)
def test_short_options(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("vgg16", "`archcalc summary vgg16` shows it"),
        ("vgg16@64", "`archcalc summary vgg16@64` shows it"),
        ("vgg:D", "`archcalc summary vgg:D` shows it"),
        ("./my.yaml", "`archcalc summary ./my.yaml` shows it"),
        ("vgg", "`archcalc list vgg` shows it"),
        ("sumary", "Did you mean 'summary'?"),
    ],
)
def test_a_network_is_no_command_but_one_is_offered(word: str, says: str) -> None:
    done = run(word)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_what_is_written_is_said_unless_it_is_to_be_quiet(tmp_path: Path) -> None:
    for name in ("x.svg", "x.md"):
        line = ["plot", "scaling", "lenet5", "alexnet"] if name == "x.svg" else ["compare", "lenet5", "alexnet"]
        done = run(*line, "-o", name, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (0, "", f"wrote {name}")
        done = run(*line, "--quiet", "-o", name, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run("scale", "lenet5", "--input", "8,32", "-q").stderr == ""
    assert "error: " in run("summary", "vgg17", "--static", "-q").stderr


def test_a_terminal_gets_color_and_its_own_width() -> None:
    text = on_a_terminal("summary", "resnet50", "--static", columns=120)
    assert "\033[1;36mresnet50\033[0m" in text
    assert "─" * 100 in text
    assert "─" * 121 not in text


@pytest.mark.parametrize("extra", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_terminal_may_refuse_color(extra: dict[str, str]) -> None:
    assert "\033" not in on_a_terminal("summary", "vgg16", "--static", extra=extra)


def test_settings_and_input_change_the_counts() -> None:
    done = run("summary", "vgg16", "--static", "--set", "classes=10", "--input", "3 × 256×256", "--format", "json")
    found = json.loads(done.stdout)
    assert found["input"] == [3, 256, 256]
    assert found["settings"] == {"classes": "10"}
    assert found["layers"][-1]["output_shape"] == [10]
    assert found["claims"] == []


def test_batch_and_dtype_scale_what_they_should() -> None:
    one, many = (
        json.loads(run("summary", "vgg16", "--static", "--format", "json", *options).stdout)["totals"]
        for options in ((), ("--batch", "8", "--dtype", "float16"))
    )
    assert many["params"] == one["params"]
    assert many["param_bytes"] == one["param_bytes"] // 2
    assert many["macs"] == 8 * one["macs"]
    assert many["activation_bytes"] == 4 * one["activation_bytes"]


def test_depth_opens_blocks() -> None:
    lines = [
        list(csv.DictReader(run("summary", "resnet50", "--static", "--format", "csv", *options).stdout.splitlines()))
        for options in ((), ("--depth", "1"), ("--full",))
    ]
    assert [max(int(line["depth"]) for line in table) for table in lines] == [0, 1, 3]


def test_markdown_is_written() -> None:
    assert "| conv3-64 | 64×224×224 | 1,792 |" in run("summary", "vgg16", "--static", "--format", "markdown").stdout


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "vgg.json"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    done = run("summary", "vgg16", "--static", "--format", "json", "-o", str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {target}\n")
    assert json.loads(target.read_text(encoding="utf-8"))["model"] == "vgg16"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_stays_as_it_is_when_something_fails(tmp_path: Path) -> None:
    target = tmp_path / "vgg.json"
    target.write_text("old", encoding="utf-8")
    done = run("summary", "vgg16", "--static", "--set", "classes=0", "-o", str(target))
    assert done.returncode == 2
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "a.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    assert run("summary", "vgg16", "--static", "-o", str(link)).returncode == 0
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("vgg16")


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "archcalc", "summary", "densenet201", "--static", "--full"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"densenet201")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_said_and_exits_3() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "archcalc", "summary", "vgg16", "--static"]
        done = subprocess.run(
            command, env=environment(), stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False
        )
    assert done.returncode == 3
    assert done.stderr.startswith("error: the output cannot be written: ")
    assert "Traceback" not in done.stderr


def test_an_output_in_another_encoding_is_utf_8_all_the_same() -> None:
    done = run("summary", "resnet50", "--static", extra={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "64×112×112" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("words", ["archcalc su", "archcalc summary resnet1"])
def test_the_shell_completes_and_loads_little_for_it(shell: str, words: str) -> None:
    asked = {
        "_ARCHCALC_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "PYTHONVERBOSE": "1",
    }
    done = run(extra=asked)
    wanted = {"summary"} if words.endswith("su") else {"resnet101", "resnet152", "resnet18"}
    assert wanted <= set(re.findall(r"[\w.-]+", done.stdout))
    assert "vgg16" not in done.stdout
    loaded = set(re.findall(r"^import '([\w.]+)'", done.stderr, re.M))
    assert "typer" in loaded
    assert not loaded & {*HEAVY, "rich", "pygments", "archcalc.language.expand", "archcalc.analysis.counts"}
    assert ("yaml" in loaded) is words.endswith("resnet1")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("compare vgg16 --columns params,peak", {"params,peak_memory_bytes"}),
        ("summary vgg16 --columns receptive_field_m", {"receptive_field_min", "receptive_field_max"}),
        ("scale vgg16 --columns param_", {"param_bytes"}),
        ("list --columns ye", {"year"}),
        ("summary vgg16 --set cl", {"classes="}),
        ("summary vgg16 --like t", {"torchvision", "thop", "torchinfo"}),
        ("doctor vgg16 --vs fvcore,p", {"fvcore,ptflops"}),
        ("plot roofline vgg16 --device a1", {"a100"}),
        ("measure vgg16 --device cu", {"cuda"}),
        ("explain vgg16 conv3-512.1", {"conv3-512.1"}),
        ("explain lst", {"lstm"}),
        ("plot graph vgg16 --only conv3-512.1", {"conv3-512.1"}),
        ("summary googlenet --only inception", {"(3a)"}),
        ("summary vgg16 --only max", {"maxpool.1", "maxout"}),
        ("list --sort par", {"params"}),
        ("compare vgg16 vgg19 --by st", {"stage"}),
        ("list --units r", {"raw"}),
        ("paper --verdict cont", {"contradicts"}),
        ("plot bubble vgg --x peak", {"peak_memory"}),
        ("plot bubble vgg --y top", {"top-1", "top-5"}),
        ("plot graph vgg16 --theme d", {"dark"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_are_completed(words: str, offered: set[str]) -> None:
    line = f"archcalc {words}"
    asked = {"_ARCHCALC_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    assert offered <= set(run(extra=asked).stdout.split())


# --- measured -----------------------------------------------------------------------------------------------------


def test_latency_is_measured_and_the_run_described(tiny: Path) -> None:
    pytest.importorskip("torch")
    done = run("summary", str(tiny), "--format", "json", "--time-limit", "1")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["measured"]["device"] == "cpu"
    assert found["measured"]["latency_ms"]["median"] > 0
    assert all(layer["latency_ms"]["runs"] == found["measured"]["runs"] for layer in found["layers"])


def test_a_measurement_that_is_cut_says_so(tiny: Path) -> None:
    pytest.importorskip("torch")
    done = run("summary", str(tiny), "--time-limit", "0")
    assert done.returncode == 0
    assert "stopped early, by --time-limit" in done.stdout
    assert "one run" in done.stdout


def test_progress_is_for_terminals(tiny: Path) -> None:
    pytest.importorskip("torch")
    text = on_a_terminal("summary", str(tiny), "--time-limit", "0")
    assert "running " in text
    assert text.index("running ") < text.index("% of latency")


def test_without_torch_counting_works_and_measuring_names_the_option(without_torch: dict[str, str]) -> None:
    static = run("summary", "vgg16", "--static", extra=without_torch)
    assert (static.returncode, static.stderr) == (0, "")
    done = run("summary", "vgg16", extra=without_torch)
    assert done.returncode == 3
    assert done.stdout == ""
    assert "torch" in done.stderr
    assert "--static` counts without it" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_gpu_asking_for_it_exits_3(tiny: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = run("summary", str(tiny), "--gpu")
    assert done.returncode == 3
    assert "GPU" in done.stderr


def test_out_of_memory_still_prints_the_static_table() -> None:
    pytest.importorskip("torch")
    done = run("summary", "vgg16", "--batch", "1000000", "--format", "json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["batch"] == 1_000_000
    assert found["measured"] is None
    assert "memory" in done.stderr


# --- errors that nobody expects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError(), 3, "not enough memory"),
        (RecursionError(), 2, "nested too deeply"),
        (OSError(28, "No space left on device", "x.json"), 3, "error: x.json: No space left on device"),
        (Unavailable("no torch", "Use `--static`."), 3, "error: no torch\nUse `--static`."),
        (ValueError("a\x1bb"), 70, "internal error: ValueError: a·b"),
    ],
    ids=str,
)
def test_an_error_is_a_sentence_and_an_exit_code(
    error: Exception, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ARCHCALC_DEBUG", raising=False)
    monkeypatch.setattr(cli, "_asked", lambda arguments: _raise(error))
    with pytest.raises(SystemExit) as left:
        cli.main(["summary"])
    assert left.value.code == code
    shown = capsys.readouterr().err
    assert says in shown
    assert "Traceback" not in shown


def test_a_traceback_is_for_those_who_ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ARCHCALC_DEBUG", "1")
    monkeypatch.setattr(cli, "_asked", lambda arguments: _raise(ValueError("oh")))
    with pytest.raises(SystemExit):
        cli.main(["summary"])
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_asked", lambda arguments: _raise(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as left:
        cli.main(["summary"])
    assert left.value.code == 130


def _raise(error: BaseException) -> None:
    raise error
