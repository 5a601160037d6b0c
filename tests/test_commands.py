"""The commands to look around with: list, show, explain, new, check, what summary picks, and the shell's completion."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import archcalc
from archcalc import cli
from archcalc.errors import UsageError
from archcalc.language import zoo
from archcalc.language.names import read_names
from archcalc.language.starter import check_name, starter
from archcalc.language.zoo import model_names, spec_files
from archcalc.models import Summary
from archcalc.show import wording
from archcalc.show.source import render as in_color
from archcalc.show.writers import FORMATS, markdown
from archcalc.tasks import summary as rows
from archcalc.tasks.summary import FULL, SORTS
from tests.test_cli import on_a_terminal, run
from tests.test_render import run_of, summary_of, written

SPECS = spec_files()
TINY = """\
name: tiny
title: A tiny network
cite: nobody, nowhere, 2026
input: 3 × 8 × 8
models: {tiny: tiny}
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


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, as `main()` does."""
    monkeypatch.delenv("ARCHCALC_DEBUG", raising=False)
    monkeypatch.delenv("_ARCHCALC_COMPLETE", raising=False)

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        code = 0
        try:
            cli.main(list(arguments))
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        return Done(code, *capfd.readouterr())

    return call


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of its own: copies of two families, and a tiny one."""
    folder = tmp_path / "specs"
    folder.mkdir()
    for name in ("vgg.yaml", "googlenet.yaml"):
        shutil.copy(zoo.specs_dir() / name, folder / name)
        (folder / name).chmod(0o644)
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    monkeypatch.setattr(zoo, "specs_dir", lambda: folder)
    return folder


def mend(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- list ---------------------------------------------------------------------------------------------------------


def test_the_list_is_grouped_by_family_and_names_the_paper(command: Run) -> None:
    text = command("list", "vgg").out
    lines = text.split("\n")
    at = lines.index("vgg  Very Deep Convolutional Networks for Large-Scale Image Recognition")
    assert lines[at + 1] == "Simonyan & Zisserman, ICLR 2015, arXiv:1409.1556v6"
    assert re.fullmatch(r"  vgg11 +132,863,336 +7\.61 G  3×224×224", lines[at + 2])
    assert re.fullmatch(r"\d+ models of \d+ families", lines[-2])  # vgg, and what is laid over it


def test_the_list_holds_every_model_with_its_numbers(command: Run) -> None:
    found = json.loads(command("list", "--format", "json").out)
    named = [entry["name"] for entry in found if ":" not in entry["name"]]
    alone = {path.stem for path in SPECS if not read_names(path).models}  # of a family with one network, as nin
    assert [name for name in named if name not in alone] == list(model_names())
    assert alone <= set(named)
    assert len({entry["name"] for entry in found}) == len(found)
    for entry in found:
        assert [key for key in entry if key != "active_params"][:5] == ["name", "family", "params", "macs", "input"]
        assert entry["params"] >= 0
        assert all(isinstance(size, int) for size in entry["input"])
    by_name = {entry["name"]: entry for entry in found}
    vgg16 = by_name["vgg16"]
    assert (vgg16["family"], vgg16["params"], vgg16["macs"]) == ("vgg", 138_357_544, 15_470_264_320)
    assert (vgg16["input"], vgg16["year"], vgg16["variant"], vgg16["spec"]) == ([3, 224, 224], 2015, "D", "vgg.yaml")


def test_the_list_is_computed_afresh(command: Run, specs: Path) -> None:
    before = {entry["name"]: entry for entry in json.loads(command("list", "--format", "json").out)}
    assert set(before) == {"vgg11", "vgg11-lrn", "vgg13", "vgg16-c", "vgg16", "vgg19", "tiny"} | {
        "googlenet",
        "googlenet-torchvision",
    }
    mend(specs / "tiny.yaml", "conv(4, 3)", "conv(8, 3)")
    (specs / "googlenet.yaml").unlink()
    after = {entry["name"]: entry for entry in json.loads(command("list", "--format", "json").out)}
    assert (before["tiny"]["params"], after["tiny"]["params"]) == (162, 314)
    assert set(before) - set(after) == {"googlenet", "googlenet-torchvision"}
    assert all(after[name] == before[name] for name in after if name != "tiny")


def test_a_broken_spec_is_named_with_its_place(command: Run, specs: Path) -> None:
    mend(specs / "tiny.yaml", "conv(4, 3)", "cnv(4, 3)")
    done = command("list")
    assert (done.code, done.out) == (2, "")
    assert "specs/tiny.yaml:15:9" in done.err


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("tiny", ["tiny"]),
        ("TINY", ["tiny"]),
        ("nowhere", ["tiny"]),
        ("2026", ["tiny"]),
        ("vgg1", ["vgg11", "vgg11-lrn", "vgg13", "vgg16-c", "vgg16", "vgg19"]),
        ("Szegedy", ["googlenet", "googlenet-torchvision"]),
        ("-torchvision", ["googlenet-torchvision"]),
    ],
)
@pytest.mark.usefixtures("specs")
def test_a_word_is_looked_for_in_name_family_title_and_citation(command: Run, word: str, names: list[str]) -> None:
    found = csv.DictReader(io.StringIO(command("list", "--format", "csv", "--", word).out))
    assert [line["name"] for line in found] == names


def test_no_model_is_an_answer_and_the_nearest_name_is_offered(command: Run) -> None:
    done = command("list", "vgk")
    assert done == (0, "", "no model holds `vgk`. Did you mean `vgg`?\n")
    assert command("list", "vgk", "--format", "json").out == "[]\n"
    assert command("list", "vgk", "--format", "csv").out.count("\n") == 1


@pytest.mark.usefixtures("specs")
def test_all_forms_of_the_list_hold_the_same_numbers(command: Run) -> None:
    found = json.loads(command("list", "--format", "json").out)
    lines = list(csv.DictReader(io.StringIO(command("list", "--format", "csv").out)))
    assert [(line["name"], int(line["params"]), int(line["macs"])) for line in lines] == [
        (entry["name"], entry["params"], entry["macs"]) for entry in found
    ]
    text, markdown = command("list").out, command("list", "--format", "markdown").out
    for entry in found:
        assert re.search(rf"^  {re.escape(entry['name'])} +{entry['params']:,} ", text, re.M)
        assert re.search(rf"^\| {re.escape(entry['name'])} \|.*\| {entry['params']:,} \|", markdown, re.M)


@pytest.mark.parametrize(
    ("suffix", "begins"), [("json", "[\n"), ("csv", "name,"), ("md", "### Models\n\n| model |"), ("txt", "  model")]
)
@pytest.mark.usefixtures("specs")
def test_the_form_follows_the_suffix_of_the_file(command: Run, tmp_path: Path, suffix: str, begins: str) -> None:
    target = tmp_path / f"models.{suffix}"
    assert command("list", "-o", str(target)) == (0, "", f"wrote {target}\n")
    assert target.read_text(encoding="utf-8").startswith(begins)
    assert command("list", "-o", str(target), "--format", "json").code == 0
    assert target.read_text(encoding="utf-8").startswith("[\n")


@pytest.mark.parametrize("columns", [60, 80])
def test_the_list_fits_a_terminal(columns: int) -> None:
    text = re.sub(r"\033\[[0-9;]*m", "", on_a_terminal("list", "net", columns=columns))
    assert max(map(len, text.split("\n"))) <= columns
    assert "arXiv" in text


# --- show ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_family_is_shown_byte_for_byte(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cli._run(["show", path.stem])
    assert capfdbinary.readouterr().out == path.read_bytes()


@pytest.mark.parametrize(
    ("reference", "file", "note"),
    [
        ("vgg16", "vgg.yaml", ""),
        ("vgg:D", "vgg.yaml", ""),
        ("googlenet", "googlenet.yaml", ""),
        (
            "googlenet-torchvision",
            "googlenet.yaml",
            "`googlenet-torchvision` lays `given`, `blocks`, `notation` and `rows` over the variant `googlenet`, "
            "in line 8\n",
        ),
    ],
)
def test_a_model_shows_the_file_that_names_it(command: Run, reference: str, file: str, note: str) -> None:
    done = command("show", reference)
    assert done == (0, (zoo.specs_dir() / file).read_text(encoding="utf-8"), note)


def test_an_overlay_file_says_over_what_it_lies(command: Run, specs: Path) -> None:
    (specs / "thin.yaml").write_text(
        "models:\n  vgg16-thin: {variant: vgg:D, rows: {FC-1000: linear(few)}}\ngiven: {few: 7}\n", encoding="utf-8"
    )
    done = command("show", "vgg16-thin")
    assert done.out.startswith("models:\n  vgg16-thin:")
    assert done.err == "`vgg16-thin` lays `given` and `rows` over `D` of `vgg`; `archcalc show vgg` prints that\n"


def test_a_file_is_shown_even_where_it_cannot_be_read_as_a_spec(command: Run, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes("\ufeffname: [\r\nöö".encode())
    assert command("show", str(path)).out.encode() == path.read_bytes()
    assert command("show", f"{path}:tiny").code == 0


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("vgk", "Did you mean `vgg`?"),
        ("vgg:Z", "`vgg:Z`: there is no"),
        ("./no-such.yaml", "there is no file `./no-such.yaml`"),
        (".", "`.` is a directory"),
        ("../../../etc/passwd.yaml", "there is no file"),
    ],
)
def test_what_cannot_be_shown_says_why(command: Run, reference: str, says: str) -> None:
    done = command("show", reference)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_a_large_file_is_not_shown(command: Run, tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (1 << 20) + b"#")
    assert "larger than 1 MiB" in command("show", str(path)).err


def test_a_terminal_shows_keys_in_color_and_every_character() -> None:
    for path in SPECS:
        text = path.read_text(encoding="utf-8")
        painted = in_color(text, color=True)
        assert re.sub(r"\033\[[0-9;]*m", "", painted) == "".join(f"{line.rstrip()}\n" for line in text.splitlines())
        assert in_color(text, color=False) == text
    assert "\033[36mname\033[0m:   vgg" in on_a_terminal("show", "vgg16", columns=120)
    assert "\033" not in on_a_terminal("show", "vgg16", columns=120, extra={"NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("line", "painted"),
    [
        ("name: vgg", "<name>: vgg"),
        ("  conv{k}-{c}: conv(c, k)", "  <conv{k}-{c}>: conv(c, k)"),
        ('  "{k}×{k}, {c}":  conv(c, k)', '  <"{k}×{k}, {c}">:  conv(c, k)'),
        ("- add:", "- <add>:"),
        ("    - conv(c, 3) bn", "    - conv(c, 3) bn"),
        ("given: {r: 16}  # as printed", "<given>: {r: 16}  (# as printed)"),
        ('"#1×1": n1', '<"#1×1">: n1'),
        ("title: C# and F#", "<title>: C# and F#"),
    ],
)
def test_a_line_of_a_spec_is_painted(line: str, painted: str) -> None:
    shown = in_color(line, color=True).rstrip("\n")
    shown = re.sub(r"\033\[36m(.*?)\033\[0m", r"<\1>", shown)
    assert re.sub(r"\033\[2m(.*?)\033\[0m", r"(\1)", shown) == painted


def test_a_terminal_is_not_obeyed_by_a_spec() -> None:
    assert "\033" not in in_color("name: \033[31mred\x07", color=False)


# --- explain ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vgg16", "FC-1000"], "1000·4096 + 1000 = 4,097,000"),
        (["vgg16", "FC-1000", "--set", "classes=10"], "10·4096 + 10 = 40,970"),
        (["vgg16", "FC-1000", "--set", "classes=10"], "input 3×224×224 · batch 1 · float32 · classes = 10\n"),
        (["vgg16", "conv3-64.1", "--input", "3x64x64"], "64·64·64·3·3·3 = 7,077,888"),
        (["vgg:D", "FC-1000/linear"], "out·N"),
        (["resnet50"], "50 weight layers on the longest path"),
        (["conv"], "archcalc/ops/conv.py:"),
        (["conv", "--source"], "class Conv(_Convolution):"),
        (["vgg16", "FC-1000", "--format", "json"], '"kind": "row"'),
        (["conv", "--format", "json"], '"kind": "word"'),
    ],
    ids=" ".join,
)
def test_explain_writes_out_what_is_asked_for(command: Run, arguments: list[str], says: str) -> None:
    done = command("explain", *arguments)
    assert (done.code, done.err) == (0, "")
    assert says in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vgk"], "`vgk` is neither a model nor an op\nDid you mean `vgg`?"),
        (["covn"], "Did you mean `conv`?"),
        (["vgg"], "vgg:vgg16"),
        (["vgg16", "FC-4"], "could be 2 parts of this network"),
        (["vgg16", "FC-1001"], "Did you mean `FC-1000`?"),
        (["conv", "1"], "`conv` is an op: it has no layer `1`"),
        (["conv", "vgg16"], "The model stands first: `archcalc explain vgg16 conv`."),
        (["FC-4096", "./net.yaml"], "The model stands first: `archcalc explain ./net.yaml FC-4096`."),
        (["vgg16", "--source"], "archcalc explain conv --source"),
        (["vgg16", "--format", "junit"], "`junit` is not a format archcalc writes"),
        (["vgg16", "--set", "n=1"], "`n` is not a value"),
        (["./nothing.yaml"], "there is no file"),
    ],
    ids=" ".join,
)
def test_explain_says_what_it_cannot_find(command: Run, arguments: list[str], says: str) -> None:
    done = command("explain", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_a_model_goes_before_an_op_of_its_name(command: Run, specs: Path) -> None:
    (specs / "relu.yaml").write_text(TINY.replace("tiny", "relu"), encoding="utf-8")
    done = command("explain", "relu")
    assert done.out.startswith("relu  A relu network\n")
    assert done.err == "`relu` is a model here, and an op too\n"


# --- new ----------------------------------------------------------------------------------------------------------


def test_a_new_spec_runs_as_it_is(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("new", "digits")
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == "wrote digits.yaml; try\n  archcalc check digits.yaml\n  archcalc summary ./digits.yaml:digits-small\n"
    )
    assert (tmp_path / "digits.yaml").read_text(encoding="utf-8") == starter("digits")
    for line in done.out.split("\n")[1:3]:
        tried = command(*line.split()[1:], *(["--static"] if "summary" in line else []))
        assert (tried.code, tried.err) == (0, ""), line
    assert "✓ every printed figure holds" in command("check", "digits.yaml").out
    assert command("show", "digits.yaml").out == starter("digits")
    assert command("explain", "digits.yaml:digits-large", "stem").code == 0


def test_a_file_that_is_there_stays(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("mine", encoding="utf-8")
    done = command("new", "mine")
    assert done == (2, "", "error: `mine.yaml` is there already: it stays as it is\n")
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == "mine"
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nothing.yaml")
    assert command("new", "other", "-o", "link.yaml").code == 2
    assert not (tmp_path / "nothing.yaml").exists()


def test_a_new_spec_goes_where_it_is_wanted(command: Run, tmp_path: Path) -> None:
    done = command("new", "mine", "-o", str(tmp_path / "a b.yaml"))
    assert f"archcalc check '{tmp_path}/a b.yaml'" in done.out
    assert command("new", "mine", "-o", str(tmp_path / "no" / "x.yaml")).err.endswith(
        "is in a folder that does not exist\n"
    )
    assert "ends in `.yaml`" in command("new", "mine", "-o", str(tmp_path / "x.txt")).err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("My Net", "Did you mean `my-net`?"),
        ("VGG", "Did you mean `vgg`?"),
        ("net.yaml", "Did you mean `net`?"),
        ("-x", "Did you mean `x`?"),
        ("x/y", "Did you mean `x-y`?"),
        ("..", "cannot name a spec"),
        ("", "cannot name a spec"),
        ("ö", "cannot name a spec"),
        ("x" * 61, "cannot name a spec"),
        ("vgg", "`archcalc show vgg`"),
        ("vgg16", "is a model or a family"),
        ("mobilenetv3", "is a model or a family"),
    ],
)
def test_a_name_that_does_not_do_is_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_name(name, [*model_names(), *(path.stem for path in SPECS)])
    assert says in raised.value.render()


@pytest.mark.parametrize("name", ["a", "net2", "my-net", "my_net-1.5", "x" * 60])
def test_a_good_name_does(name: str) -> None:
    check_name(name, [])


# --- check --------------------------------------------------------------------------------------------------------

WRONG = TINY.replace("112", "113")  # one figure that contradicts
STALE = TINY + "errata:\n  - {row: head, figures: params, note: Printed 50 by mistake.}\n"
DECLARED = WRONG + "errata:\n  - {row: conv, figures: params, note: Printed 113 by mistake.}\n"
BROKEN = TINY.replace("relu", "rellu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"good": TINY, "wrong": WRONG, "stale": STALE, "declared": DECLARED, "broken": BROKEN}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["good.yaml"], 0),
        (["declared.yaml"], 0),
        (["wrong.yaml"], 1),
        (["stale.yaml"], 1),
        (["broken.yaml"], 2),
        (["nothing.yaml"], 2),
        (["."], 2),
        (["good.yaml", "wrong.yaml"], 1),
        (["wrong.yaml", "broken.yaml", "stale.yaml"], 2),
        ([], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("output_format", ["text", "json", "csv", "markdown"])
@pytest.mark.usefixtures("folder")
def test_check_leaves_with_what_it_found(command: Run, files: list[str], code: int, output_format: str) -> None:
    assert command("check", *files, "--format", output_format).code == code


@pytest.mark.usefixtures("folder")
def test_every_file_is_checked_and_every_error_shown(command: Run) -> None:
    done = command("check", "broken.yaml", "wrong.yaml", "nothing.yaml", "good.yaml", "stale.yaml")
    lines = done.out.split("\n")
    marks = {line.split()[1]: line[0] for line in lines if re.match(r"[✓✗]  \w+\.yaml", line)}
    assert marks == {
        "broken.yaml": "✗",
        "wrong.yaml": "✗",
        "nothing.yaml": "✗",
        "good.yaml": "✓",
        "stale.yaml": "✗",
    }
    assert done.err.count("error: ") == 2
    assert "broken.yaml:15:20" in done.err
    assert "Did you mean `relu`?" in done.err
    assert "there is no file `nothing.yaml`" in done.err
    assert " ".join(lines[-3:-1]) == (
        "✗ 2 specs cannot be read; 1 figure contradicts and stands under no erratum; 1 erratum no longer applies"
    )


@pytest.mark.usefixtures("folder")
def test_what_contradicts_is_shown_with_its_arithmetic_and_place(command: Run) -> None:
    text = command("check", "wrong.yaml").out
    assert "✗  wrong.yaml  1 model   2 figures  1 contradicts, undeclared\n" in text
    assert "  ✗ `params` of the row `conv`: computed 112, printed 113" in text
    assert "——▶ wrong.yaml:12:13\n" in text
    assert "  12 │     conv  | 113\n     │             ^^^\n" in text


@pytest.mark.usefixtures("folder")
def test_a_stale_erratum_is_shown_with_its_place(command: Run) -> None:
    text = command("check", "stale.yaml").out
    assert "1 stale erratum" in text
    assert "this erratum no longer applies" in text
    assert "——▶ stale.yaml:19:11" in text


@pytest.mark.usefixtures("folder")
def test_a_declared_contradiction_is_counted_and_quiet(command: Run) -> None:
    text = command("check", "declared.yaml", "good.yaml").out
    assert "✓  declared.yaml  1 model   2 figures  1 known erratum\n" in text
    assert "2 specs, 2 models, 4 printed figures: 3 exact · 1 contradict, as errata say\n" in text
    assert text.endswith("✓ every printed figure holds or stands under an erratum\n")


@pytest.mark.usefixtures("folder")
def test_a_file_named_twice_is_checked_once(command: Run) -> None:
    text = command("check", "good.yaml", "./good.yaml", "declared.yaml").out
    assert [line.split()[1] for line in text.split("\n")[:2]] == ["good.yaml", "declared.yaml"]


@pytest.mark.usefixtures("folder")
def test_the_forms_of_check_agree(command: Run) -> None:
    files = ["wrong.yaml", "broken.yaml", "stale.yaml", "good.yaml"]
    found = json.loads(command("check", *files, "--format", "json").out)
    assert (found["schema"], found["archcalc"], found["ok"]) == (1, archcalc.__version__, False)
    assert [(spec["spec"], spec["ok"]) for spec in found["specs"]] == list(
        zip(files, [False, False, False, True], strict=True)
    )
    wrong, broken, stale, good = found["specs"]
    assert wrong["undeclared"][0]["where"] == "wrong.yaml:12:13"
    assert (wrong["undeclared"][0]["computed"], wrong["undeclared"][0]["printed"]) == (112, "113")
    assert broken["error"]["where"] == "broken.yaml:15:20"
    assert stale["stale"][0]["where"].startswith("stale.yaml:19:")
    assert (good["models"], good["figures"], good["verdicts"]["exact"]) == (["tiny"], 2, 2)
    lines = list(csv.DictReader(io.StringIO(command("check", *files, "--format", "csv").out)))
    assert [line["ok"] == "yes" for line in lines] == [spec["ok"] for spec in found["specs"]]
    assert [line["undeclared"] for line in lines] == ["1", "0", "0", "0"]
    markdown = command("check", *files, "--format", "markdown").out
    assert markdown.count("\n| ") == 2 + len(files)


@pytest.mark.usefixtures("folder")
def test_check_without_a_file_says_what_it_wants(command: Run) -> None:
    done = command("check")
    assert "`--zoo`" in done.err
    assert "archcalc check my.yaml" in done.err


@pytest.mark.usefixtures("specs")
def test_the_zoo_and_files_are_checked_together(command: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TINY, encoding="utf-8")
    found = json.loads(command("check", str(path), "--zoo", "--format", "json").out)
    assert [spec["spec"] for spec in found["specs"]] == [str(path), "googlenet.yaml", "tiny.yaml", "vgg.yaml"]


def test_the_zoo_holds(command: Run) -> None:
    done = command("check", "--zoo")
    assert done.out.endswith("✓ every printed figure holds or stands under an erratum\n")
    assert (done.code, done.err) == (0, "")


def test_somebody_who_watches_sees_how_far_it_is() -> None:
    text = on_a_terminal("check", "--zoo", columns=100)
    assert f"{len(SPECS)} of {len(SPECS)} specs" in text
    assert text.rindex(" specs") > text.rindex("checking specs")


def test_a_figure_of_several_models_counts_once() -> None:
    from archcalc.tasks.check import check_spec

    checked = check_spec(zoo.specs_dir() / "densenet.yaml")
    places = {(j.claim.printed.where, j.claim.heading.value) for judged in checked.judged.values() for j in judged}
    assert len(checked.figures) == len(places) == sum(checked.verdicts.values())


# --- what summary picks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("depth", [0, 1, FULL])
@pytest.mark.parametrize("model", ["vgg16", "googlenet", "resnet50", "vit-b-16"])
def test_sorting_puts_the_largest_first_and_loses_nothing(model: str, depth: int, sort: str) -> None:
    summary = summary_of(model, True)
    pick = rows.Pick(sort)
    key = {"macs": "macs", "params": "params", "activation": "activation_bytes"}.get(sort, "")
    found = rows.lines(summary, depth, pick)
    times = [line.latency.median for line in found if line.latency is not None]
    values = [getattr(line.counts, key) for line in found] if key else times
    assert values == sorted(values, reverse=True)
    every = rows.candidates(rows.lines(summary, depth))
    assert sorted(line.path + line.row for line in found) == sorted(line.path + line.row for line in every)
    assert sum(line.counts.macs for line in found) == summary.report.totals.macs


@pytest.mark.parametrize(
    ("model", "only", "depth", "count"),
    [
        ("vgg16", "conv", 0, 13),
        ("vgg16", "conv", FULL, 13),
        ("vgg16", "linear", 0, 3),
        ("vgg16", "FC-", 0, 3),
        ("vgg16", "fc-4096", FULL, 6),
        ("googlenet", "inception", 0, 9),
        ("googlenet", "inception", 1, 9 * 8),
        ("googlenet", "maxpool", FULL, 13),
        ("resnet50", "shortcut", FULL, 8),
        ("resnet50", "add", FULL, 16),
    ],
)
def test_only_what_is_called_so_is_shown(model: str, only: str, depth: int, count: int) -> None:
    found = rows.lines(summary_of(model), depth, rows.Pick(only=only))
    assert len(found) == count
    if only in ("conv", "linear", "maxpool", "add") and depth == FULL:
        assert {
            line.counts.node.op.word for line in found if isinstance(line.counts, archcalc.analysis.counts.Layer)
        } == {only}


@pytest.mark.parametrize(
    ("only", "depth", "says"),
    [
        ("covn", 0, "Did you mean `conv`?"),
        ("shortcut", 0, "`--full` opens the rows"),
        ("xyzzy", 0, "Its ops are add, bn, conv,"),
    ],
)
def test_a_word_that_names_nothing_is_wrong_use(only: str, depth: int, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        rows.Pick(only=only).check(summary_of("resnet50"), depth)
    assert says in raised.value.render()


@pytest.mark.parametrize(
    ("pick", "depth", "says"),
    [
        (rows.Pick(), 0, ""),
        (rows.Pick(only="FC-"), 0, "3 of 22 rows with `FC-`: <1 % of MACs, 89 % of params"),
        (rows.Pick("params", 2), 0, "2 of 22 rows, the largest by params first: 86 % of params, <1 % of MACs"),
        (rows.Pick(top=5), FULL, "5 of 39 nodes, the largest by MACs first: 60 % of MACs, 3 % of params"),
        (rows.Pick("activation"), 0, "22 of 22 rows, the largest by activation bytes first: 100 % of activation bytes"),
    ],
)
def test_how_much_is_shown_is_said(pick: rows.Pick, depth: int, says: str) -> None:
    summary = summary_of("vgg16")
    text = wording.shown(summary, depth, pick)
    assert text.startswith(says)
    assert bool(text) is pick.active
    shown = f"shown   {text}"
    assert (shown in " ".join(written(summary, depth, 200, pick=pick).split("\n"))) is pick.active
    assert (
        f"- **shown**: {markdown.escape(text)}" in written(summary, depth, form="markdown", pick=pick)
    ) is pick.active


def test_the_top_of_a_measured_network_is_by_latency() -> None:
    summary = summary_of("vgg16", True)
    assert rows.Pick(top=1).by(summary) == "latency"
    assert "% of latency" in wording.shown(summary, 0, rows.Pick(top=1))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("depth", [0, 1, FULL])
@pytest.mark.parametrize("model", ["vgg16", "googlenet", "resnet50", "efficientnet-b0"])
def test_picked_lines_say_which_they_are_and_fit(model: str, depth: int, width: int) -> None:
    summary = summary_of(model, True)
    pick = rows.Pick("macs", 12)
    text = written(summary, depth, width, pick=pick)
    assert max(map(len, text.split("\n"))) <= width
    table = rows.table(summary, depth, pick)
    names = [line.label or line.name for line in table]
    assert len(set(names)) == len(names)
    assert all(name in text for name in names)
    assert "├" not in text
    assert table[-1 if summary.report.totals_with_heads is None else -2].kind == "total"
    assert not any(line.head for line in table)
    totals = [line for line in table if line.kind == "total"]
    assert totals[0].counts.macs == summary.report.totals.macs


def test_all_forms_pick_the_same() -> None:
    summary: Summary = summary_of("resnet50")
    pick = rows.Pick("params", 5, "conv")
    paths = [line.path for line in rows.lines(summary, FULL, pick)]
    table = csv.DictReader(io.StringIO(written(summary, FULL, form="csv", pick=pick)))
    assert [line["path"] for line in table] == paths
    assert json.loads(written(summary, FULL, form="json", pick=pick))["shown"] == paths
    assert "shown" not in json.loads(written(summary, FULL, form="json"))
    markdown = written(summary, FULL, form="markdown", pick=pick)
    assert [markdown.index(path) for path in paths] == sorted(markdown.index(path) for path in paths)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sort", "mac"], "Did you mean `macs`?"),
        (["--sort", "latency"], "needs a measurement"),
        (["--top", "0"], "--top"),
        (["--only", "xyzzy"], "nothing of `vgg16` is called so"),
    ],
    ids=" ".join,
)
def test_picking_wrongly_says_what_is_meant(command: Run, arguments: list[str], says: str) -> None:
    done = command("summary", "vgg16", "--static", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_summary_picks_by_its_options(command: Run) -> None:
    done = command(
        "summary", "vgg16", "--static", "--sort", "params", "--top", "1", "--only", "linear", "--format", "csv"
    )
    lines = list(csv.DictReader(io.StringIO(done.out)))
    assert [(line["row"], line["params"]) for line in lines] == [("FC-4096.1", "102764544")]


def test_a_measured_run_is_sorted_by_latency() -> None:
    summary = summary_of("vgg16")
    from dataclasses import replace

    measured = replace(summary, measured=run_of(summary))
    found = rows.lines(measured, 0, rows.Pick("latency", 3))
    medians = [line.latency.median for line in rows.lines(measured) if line.latency is not None]
    assert [line.latency.median for line in found if line.latency is not None] == sorted(medians, reverse=True)[:3]


# --- completion ---------------------------------------------------------------------------------------------------


def offered(command: Run, monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    monkeypatch.setenv("_ARCHCALC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    done = command()
    assert done.err == ""
    return done.out.split()


@pytest.mark.parametrize(
    ("words", "some", "not_these"),
    [
        ("archcalc ", ["summary", "explain", "fit", "list", "show", "new", "check", "verify"], []),
        ("archcalc su", ["summary"], ["show"]),
        ("archcalc summary resnet1", ["resnet18", "resnet101", "resnet152"], ["vgg16", "resnet50"]),
        ("archcalc summary vgg16 --", ["--static", "--sort", "--only", "--format"], []),
        ("archcalc summary vgg16 --format ", list(FORMATS), []),
        ("archcalc summary vgg16 --dtype b", ["bfloat16"], ["float32"]),
        ("archcalc summary vgg16 --sort ", list(SORTS), []),
        ("archcalc summary vgg16 --only con", ["conv", "concat"], ["relu"]),
        ("archcalc summary ni", ["nin"], []),
        ("archcalc list mo", ["mobilenetv2"], ["mobilenetv2-0.75"]),
        ("archcalc show vgg", ["vgg", "vgg16"], []),
        ("archcalc explain con", ["conv", "concat", "convnext-tiny"], []),
        ("archcalc explain vgg16 --format ", list(FORMATS), []),
    ],
    ids=str,
)
def test_the_shell_is_offered_what_fits(
    command: Run, monkeypatch: pytest.MonkeyPatch, words: str, some: list[str], not_these: list[str]
) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parent.parent)
    found = offered(command, monkeypatch, words)
    assert set(some) <= set(found)
    assert not set(not_these) & set(found)


@pytest.mark.parametrize(
    "words", ["check ./", "check ", "summary ./", "summary n", "summary ~nobody/x", "lock a", "paper "]
)
def test_no_file_is_offered(command: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str) -> None:
    """The shell goes on with files itself, as only it knows how to quote them."""
    for name in ("net.yaml", "a net.yaml", r"\$(touch pwned).yaml", "archcalc.lock"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    found = "\n".join(offered(command, monkeypatch, f"archcalc {words}"))
    assert re.fullmatch(r"[a-z0-9._:-]*(\n[a-z0-9._:-]+)*", found)
    assert not set(found.split()) & {"net.yaml", "archcalc.lock"}
    assert bool(found) is (words[-1] in "na" or words == "paper ")


def test_titles_stand_beside_the_names() -> None:
    asked = {"_ARCHCALC_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run(extra={**asked, "_TYPER_COMPLETE_ARGS": "archcalc summary vgg16"})
    assert "vgg16\tVery Deep Convolutional Networks for Large-Scale Image Recognition" in done.stdout.split("\n")


def test_the_names_that_are_offered_are_those_of_the_specs() -> None:
    for path in SPECS:
        family, _ = zoo.selections(path)
        names = read_names(path)
        assert (names.models, names.title) == (list(family.models), family.title)
        assert names.keys == set(family.tree.entries)
        assert names.is_spec or family.layers is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TINY, (["tiny"], "A tiny network")),
        ("models: {a: x, b: {variant: y, given: {title: 1}}}\ntitle: T", (["a", "b"], "T")),
        ("title: >-\n  long\n  title\nmodels:\n  a: [x]\n  b: y\nblocks:\n  c: d", (["a", "b"], "long title")),
        ("layers: [models, {models: {x: y}}]", ([], "")),
        ("- models: {x: y}", ([], "")),
        ("models: {a: [", ([], "")),
        ("", ([], "")),
    ],
)
def test_names_are_found_without_reading_the_spec(tmp_path: Path, text: str, found: object) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    names = read_names(path)
    assert (names.models, names.title) == found


def test_a_file_that_is_no_text_has_no_names(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    for names in (read_names(path), read_names(tmp_path / "nothing.yaml")):
        assert (names.models, names.title, names.is_spec) == ([], "", False)
