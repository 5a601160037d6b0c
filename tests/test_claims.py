"""Claims: every printed figure of every shipped spec, the order of verdicts, and what an edit of a table does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from archcalc import cli
from archcalc.analysis.counts import Report, analyse
from archcalc.errors import ArchcalcError, SpecError, Text
from archcalc.language.checks import read_family
from archcalc.language.expand import expand
from archcalc.language.expr import Opaque
from archcalc.language.family import Family, Layers
from archcalc.language.reader import Map, read_text
from archcalc.language.rows import rows_of
from archcalc.language.table import Quoted, read_table
from archcalc.language.zoo import read_spec, spec_files, specs_dir
from archcalc.papers.claims import Claim, Judgement, claims_of, judge
from archcalc.tasks.check import CheckedSpec, build_spec, check_spec, judge_spec
from archcalc.units import same
from tests.tiers import tiered

ROOT = Path(__file__).resolve().parent.parent

# --- every claim of every shipped spec --------------------------------------------------------------------------


@cache
def checked(path: Path) -> tuple[CheckedSpec, tuple[Claim, ...]]:
    built = build_spec(path)
    return judge_spec(built), claims_of(built.family)


def shipped() -> Iterator[Any]:
    """A parameter for each claim, called by what is claimed; for a spec that cannot be read, one that says so."""
    for path in spec_files():
        try:
            family = read_spec(path)
            claims = claims_of(family)
        except ArchcalcError:
            yield pytest.param(path, -1, id=f"{path.stem}-cannot-be-read")
            continue
        for n, claim in enumerate(claims):
            subject = claim.subject if len(family.variants) > 1 or not claim.row else ""
            words = (path.stem, subject, claim.row, claim.metric, claim.printed.value)
            yield pytest.param(path, n, id="-".join(word for word in words if word).replace("×", "x"))


SHIPPED = list(shipped())


def test_there_are_claims() -> None:
    assert len(SHIPPED) > 250


@pytest.mark.parametrize(("path", "n"), SHIPPED)
def test_a_printed_figure_holds_or_is_an_erratum(path: Path, n: int) -> None:
    found, claims = checked(path)
    judged = [j for judgements in found.judged.values() for j in judgements if alike(j.claim, claims[n])]
    assert judged, "this claim is judged on no model"
    for judgement in judged:
        assert judgement.holds or judgement.erratum is not None, judgement.arithmetic


def alike(a: Claim, b: Claim) -> bool:
    return (a.printed.where, a.subject) == (b.printed.where, b.subject)


@pytest.mark.parametrize("path", spec_files(), ids=lambda path: path.stem)
def test_no_erratum_is_stale(path: Path) -> None:
    assert [error.render() for error in checked(path)[0].stale] == []


# --- the order of verdicts ----------------------------------------------------------------------------------------


def judged(folder: Path, spec: str) -> tuple[Judgement, ...]:
    path = folder / "net.yaml"
    path.write_text(spec, encoding="utf-8")
    (judgements,) = check_spec(path, "net.yaml").judged.values()
    return judgements


@pytest.mark.parametrize(
    ("count", "printed", "reading", "verdict"),
    [
        (1000, "1000", "", "exact"),
        (151_277_313, "151,277,313", "", "exact"),
        (1001, "1000", "", "contradicts"),  # printed in full: nothing is rounded
        (999, "1,000", "", "contradicts"),
        (2700, "2.7K", "", "rounds"),
        (2750, "2.7K", "", "rounds"),  # half of the last place, above
        (2650, "2.7K", "", "rounds"),  # and below
        (2751, "2.7K", "", "truncates"),
        (2799, "2.7K", "", "truncates"),
        (2800, "2.7K", "", "contradicts"),
        (2649, "2.7K", "", "contradicts"),
        (1_814_073_344, "1.8×10^9", "", "rounds"),
        (1_814_073_344, "1.8×10⁹", "", "rounds"),
        (1_750_000_000, "1.8×10^9", "", "rounds"),
        (1_749_999_999, "1.8×10^9", "", "contradicts"),
        (385_000_000, "0.39B", "", "rounds"),
        (384_999_999, "0.39B", "", "contradicts"),
        (399_999_999, "0.39B", "", "truncates"),
        (1000, "~1000", "", "rounds"),  # about: no longer exact
        (1001, "~1000", "", "contradicts"),
        # 114,944 is 112.25 · 1024: in thousands 114.944, so 115 rounded and 114 cut; read with K = 1024, 112
        (114_944, "115K", "K = 1024", "rounds"),
        (114_944, "112K", "K = 1024", "reads as"),
        (114_944, "114K", "K = 1024", "truncates"),
        (114_944, "113K", "K = 1024", "contradicts"),
        (114_944, "112K", "", "contradicts"),  # a reading counts only where it is declared
        (114_688, "112K", "K = 1024", "reads as"),  # 112 · 1024
        (115_200, "112K", "K = 1024", "reads as"),  # 112.5 · 1024
        (115_201, "112K", "K = 1024", "truncates"),
        (115_711, "112K", "K = 1024", "truncates"),
        (115_712, "112K", "K = 1024", "contradicts"),  # 113 · 1024
        (114_944, "0.11M", "K = 1024", "rounds"),
        (2_097_152, "2M", "K = 1024", "rounds"),  # the reading says nothing about M
        (0, "0", "", "exact"),
    ],
)
def test_the_first_verdict_that_fits(count: int, printed: str, reading: str, verdict: str, tmp_path: Path) -> None:
    # as many weights as the input has numbers, and no bias
    spec = f"input: {max(count, 1)}\nlayers:\n  - {'linear(1, bias=False)' if count else 'relu'}\n" + (
        f"reading: {{params: {reading}}}\n" * bool(reading)
    )
    table = f"reported:\n  - from: Table 1\n    table: |\n      figure | net\n      params | {printed}\n"
    (judgement,) = judged(tmp_path, spec + table)
    assert (judgement.verdict, judgement.computed_base) == (verdict, count)
    assert judgement.holds == (verdict != "contradicts")


@pytest.mark.parametrize(
    ("reading", "printed", "verdict"),
    [
        # conv 1×1 from 10 to 100: 1,000 weights, 100 biases; bn of 100: 200 parameters, 200 statistics
        ("no biases", "1,300", "exact"),
        ("no biases", "1,200", "reads as"),
        ("no biases", "1,100", "contradicts"),
        ("no biases", "1.2K", "reads as"),
        ("with norm statistics", "1,500", "reads as"),
        ("with norm statistics", "1,400", "contradicts"),
        ("K = 1024", "1,500", "contradicts"),
    ],
)
def test_a_reading_says_what_is_counted(reading: str, printed: str, verdict: str, tmp_path: Path) -> None:
    spec = f"input: 10 × 1 × 1\nreading: {{params: {reading}}}\nlayers:\n  - conv(100, 1) bn\n"
    table = f"reported:\n  - from: Table 1\n    table: |\n      figure | net\n      params | {printed}\n"
    (judgement,) = judged(tmp_path, spec + table)
    assert judgement.verdict == verdict


# A network, a figure of it that is printed somewhere under another counting, and the reading that is proposed.
PROPOSED = {
    # 4096·512 weights, 512 biases, 1,024 parameters of a norm and as many statistics
    "Keras": ("4096", "linear(512) bn", "params", "2,099,712", "with norm statistics"),
    "no biases": ("4096", "linear(512) bn", "params", "2,098,176", "no biases"),
    "two terms": ("4096", "linear(512) bn", "params", "2,099,200", "no biases, with norm statistics"),
    # 25,557,032 / 1024² = 24.37, as ResNet-50 is printed
    "M": ("25557032", "linear(1, bias=False)", "params", "24.37M", "M = 1024²"),
    "K": ("114944", "linear(1, bias=False)", "params", "112K", "K = 1024"),
    "k": ("114944", "linear(1, bias=False)", "params", "112k", "K = 1024"),
    # 2 · 1024³ weights, a MAC each
    "G": ("2147483648", "linear(1, bias=False)", "macs", "2.000G", "G = 1024³"),
    # 3·4·2·2 weights at 64 places, applied at 256: 12,288
    "deconvolution": ("3 × 8 × 8", "deconv(4, 2, 2)", "macs", "12,288", "deconvolutions at every output"),
    "nothing": ("4096", "linear(512) bn", "params", "2,099,713", ""),
}


def reported(network: str, layers: str, metric: str, printed: str, reading: str = "") -> str:
    """A spec whose one figure is this; with a reading beside its table."""
    table = f"    table: |\n      figure | net\n      {metric} | {printed}\n"
    beside = f"    reading: {reading}\n" * bool(reading)
    return f"input: {network}\nlayers:\n  - {layers}\nreported:\n  - from: Table 1\n{beside}{table}"


@pytest.mark.parametrize(("size", "layers", "metric", "printed", "reading"), PROPOSED.values(), ids=PROPOSED)
def test_a_reading_that_fits_is_proposed(
    size: str, layers: str, metric: str, printed: str, reading: str, tmp_path: Path
) -> None:
    (judgement,) = judged(tmp_path, reported(size, layers, metric, printed))
    assert judgement.verdict == "contradicts", "no reading counts that is not declared"
    assert judgement.proposal.partition(": ")[0] == f"`{reading}`" * bool(reading)
    if reading:
        for declared in (f"\n      {metric}: {reading}", reading):  # of this figure, or of all beside it
            (judgement,) = judged(tmp_path, reported(size, layers, metric, printed, declared))
            assert (judgement.verdict, judgement.proposal) == ("reads as", "")


@pytest.mark.parametrize("command", [["summary", "--static"], ["explain"], ["check"]], ids=lambda words: words[0])
def test_a_proposal_is_shown(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(reported("4096", "linear(512) bn", "params", "2,099,712"), encoding="utf-8")
    assert cli._run([command[0], str(path), *command[1:]]) == (command[0] == "check")
    said = " ".join("".join(capsys.readouterr()).split())
    assert "olds under `with norm statistics`: 2,099,712, the only one of 6 such readings" in said
    cli._run([command[0], str(path), *command[1:], "--format", "json"])
    assert '"proposal": "`with norm statistics`: 2,099,712, the only one of 6 such' in capsys.readouterr().out


def test_the_reading_of_the_page_is_read(tmp_path: Path) -> None:
    """Each figure is read under those of its terms that say something about it; a name of its own goes first."""
    example = next(m[1] for m in re.finditer("`reading: ([^`]+)`", (ROOT / "docs/readings.md").read_text("utf-8")))
    assert example == "no biases, with norm statistics"
    spec = reported("4096", "linear(512) bn", "params", "2,099,200") + "      macs | 2,097,152\n"
    params, macs = judged(tmp_path, f"reading: {example}\n{spec}")
    assert (params.verdict, str(params.claim.reading)) == ("reads as", example)
    assert (macs.verdict, str(macs.claim.reading)) == ("exact", "")
    own = spec.replace("from: Table 1\n", "from: Table 1\n    reading: {params: no biases}\n")
    assert str(judged(tmp_path, f"reading: {example}\n{own}")[0].claim.reading) == "no biases"
    with pytest.raises(SpecError, match="the reading `no biases` changes no figure that is claimed here"):
        judged(tmp_path, f"reading: no biases\n{reported('4096', 'linear(512)', 'macs', '5')}")
    with pytest.raises(SpecError, match="`no bias` is not a reading"):
        judged(tmp_path, f"reading: no bias\n{spec}")


@pytest.mark.parametrize(
    ("shape", "role", "printed", "verdict"),
    [
        ("64 × 8 × 4", "=shape", "64×8×4", "exact"),
        ("64 × 8 × 4", "=shape", "64 x 8 x 4", "exact"),
        ("64 × 8 × 4", "=shape", "8×4", "exact"),  # two numbers: height and width
        ("64 × 8 × 4", "=shape", "4×8", "contradicts"),
        ("64 × 8 × 4", "=shape", "8×4×64", "contradicts"),  # in the order that the role says, or channels first
        ("64 × 8 × 4", "=shape {h}×{w}×{c}", "8×4×64", "exact"),
        ("64 × 8 × 4", "=shape {h}×{w}×{c}", "64×8×4", "contradicts"),
        ("64 × 8 × 4", "=shape {c}@{h}×{w}", "64@8×4", "exact"),
        ("64 × 8 × 4", "=shape {c}@{h}×{w}", "64@8×5", "contradicts"),
        ("64 × 8 × 8", "=shape {h}×{h}×{c}", "8×8×64", "exact"),
        ("64 × 1 × 1", "=shape", "64", "exact"),  # axes of size 1 may be missing
        ("64 × 1 × 1", "=shape", "1×1", "exact"),
        ("64 × 1 × 1", "=shape {h}×{w}×{c}", "1×1×64", "exact"),
        ("64 × 1 × 1", "=shape {h}×{w}×{c}", "64", "exact"),
        ("64 × 1 × 1", "=shape", "65", "contradicts"),
        ("64 × 8 × 1", "=shape", "64×8", "contradicts"),  # two numbers: height and width
        ("64", "=shape", "1×1×64", "exact"),
        ("64", "=shape {h}×{w}×{c}", "1×1×64", "exact"),
        ("64", "=shape", "64", "exact"),
        ("64", "=shape", "63", "contradicts"),
        ("3 × 16 × 8 × 4", "=shape", "3×16×8×4", "exact"),
        ("3 × 16 × 8 × 4", "=shape {d}×{h}×{w}×{c}", "16×8×4×3", "exact"),
        ("3 × 16 × 8 × 4", "=shape", "8×4", "exact"),
        ("64 × 8 × 4", "=input", "8×4", "exact"),
        ("64 × 8 × 4", "=weight_layers", "0", "exact"),
    ],
)
def test_sizes_are_compared_in_the_printed_order(
    shape: str, role: str, printed: str, verdict: str, tmp_path: Path
) -> None:
    table = f'columns: {{layer: layer, size: "{role}"}}\nlayers:\n  table: |\n    layer | size\n    relu | {printed}\n'
    (judgement,) = judged(tmp_path, f"input: {shape}\n{table}notation: {{relu: relu}}\n")
    assert judgement.verdict == verdict


@pytest.mark.parametrize(
    ("count", "printed", "says"),
    [
        (2800, "2.7K", "computed 2,800, printed 2.7K: 3.7 % above"),  # 100 of 2,700
        (9408, "9.5K", "computed 9,408, printed 9.5K: 0.97 % below"),  # 92 of 9,500
        (9408, "2.7K", "computed 9,408, printed 2.7K: 3.5 × the printed"),
        (1999, "1000", "computed 1,999, printed 1000: 100 % above"),
        (1000, "1000", "computed 1,000, printed 1000"),
        (1000, "3M", "computed 1,000, printed 3M: the printed is 3,000 × that"),
        (7, "0", "computed 7, printed 0"),
    ],
)
def test_the_arithmetic_is_told(count: int, printed: str, says: str, tmp_path: Path) -> None:
    table = f"reported:\n  - from: Table 1\n    table: |\n      figure | net\n      params | {printed}\n"
    (judgement,) = judged(tmp_path, f"input: {count}\nlayers:\n  - linear(1, bias=False)\n{table}")
    assert judgement.arithmetic == says


@pytest.mark.parametrize(
    ("note", "quoted"),
    [
        ("Printed 54M.", True),
        ("Printed 54M, of another net.", True),
        ("(54M)", True),
        ("Printed 154M.", False),
        ("Printed 1.54M.", False),
        ("Printed 54MB.", False),
        ("Printed 54.", False),
        ("Printed 53M.", False),
    ],
)
def test_a_note_quotes_the_whole_figure(note: str, quoted: bool, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    table = "reported:\n  - from: Table 1\n    table: |\n      figure | net\n      params | 54M\n"
    erratum = f"errata:\n  - {{variant: net, figures: params, note: '{note}'}}\n"
    path.write_text(f"input: 3\nlayers:\n  - linear(3)\n{table}{erratum}", encoding="utf-8")
    assert bool(check_spec(path, "net.yaml").stale) != quoted


# --- an edit of a quoted table is noticed -------------------------------------------------------------------------

GOOGLENET = specs_dir() / "googlenet.yaml"
SOURCE = GOOGLENET.read_text(encoding="utf-8")


class Edit(NamedTuple):
    """One digit of Table 1 replaced: of `row` (its first cell), under `heading`, `cell` became `edited`."""

    row: str
    heading: str
    cell: str
    edited: str


# The edits that no printed figure can see. Each reason's arithmetic is checked below.
UNSEEN: list[tuple[str, str, str, list[str], str]] = [
    (
        "convolution",
        "params",
        "112K",
        ["114K", "115K"],
        "114,944 parameters: 112 · 1024 as the column is read, 114 thousand cut, 115 thousand rounded",
    ),
    (
        "inception (3a)",
        "type",
        "inception (3a)",
        [f"inception ({n}a)" for n in "0126789"],
        "the id of a module is a name",
    ),
    (
        "inception (3b)",
        "type",
        "inception (3b)",
        [f"inception ({n}b)" for n in "0126789"],
        "the id of a module is a name",
    ),
    (
        "inception (3b)",
        "params",
        "380K",
        ["388K", "389K"],
        "388,736 parameters: 380 · 1024 as the column is read, 388 thousand cut, 389 thousand rounded",
    ),
    ("inception (4a)", "ops", "73M", ["74M"], "73,608,192 operations: 73 million cut, 74 million rounded"),
    ("inception (4b)", "ops", "88M", ["87M"], "87,908,352 operations: 87 million cut, 88 million rounded"),
    ("inception (4d)", "ops", "119M", ["118M"], "118,515,712 operations: 118 million cut, 119 million rounded"),
    ("inception (5b)", "ops", "71M", ["70M"], "70,697,984 operations: 70 million cut, 71 million rounded"),
    (
        "avg pool",
        "patch size/stride",
        "7×7/1",
        [f"7×7/{n}" for n in "23456789"],
        "a window of 7 stands once on a side of 7, whatever its stride",
    ),
    (
        "dropout (40%)",
        "type",
        "dropout (40%)",
        [f"dropout ({n}0%)" for n in "012356789"] + [f"dropout (4{n}%)" for n in "123456789"],
        "dropout costs nothing, and no figure of it is printed",
    ),
    ("linear", "params", "1000K", ["1001K"], "1,025,000 parameters: 1000 · 1024 cut, 1001 · 1024 rounded"),
]


def table_of(tree: Map) -> Text:
    layers = tree.get("layers")
    assert isinstance(layers, Map)
    table = layers.get("table")
    assert isinstance(table, Text)
    return table


TABLE = table_of(read_text(SOURCE, "googlenet.yaml"))
ROWS = [row for row in TABLE.rows() if any(char.isdigit() for char in row.value)]


@cache
def original() -> tuple[Family, Report, list[Any]]:
    family = read_family(read_text(SOURCE, "googlenet.yaml"), "googlenet")
    return family, analyse(expand(family, family.variants[0])), meaning(family)


def meaning(family: Family) -> list[Any]:
    """What the rows build, and from which numbers: rows that mean the same are the same network."""
    return [
        (row.name, id(row.body), {k: v.text.value if isinstance(v, Opaque) else v for k, v in row.columns.items()})
        for row in rows_of(family, family.variants[0])
    ]


def seen_by_the_paper(table: Text) -> bool:
    """Whether the table cannot be read any more, or one of its own figures fails: a part of what `seen` looks at."""
    base, report, means = original()
    try:
        family = replace(base, layers=Layers(Quoted("Table 1", read_table(table)), None))
        if meaning(family) != means:
            report = analyse(expand(family, family.variants[0]))
        return any(not j.holds and j.erratum is None for j in judge(family, "googlenet", report))
    except SpecError:
        return True


def seen(source: str, folder: Path) -> bool:
    """Whether `archcalc check` finds something wrong with the whole file."""
    path = folder / "googlenet.yaml"
    path.write_text(source, encoding="utf-8")
    try:
        return not check_spec(path, path.name).ok
    except SpecError:
        return True


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def unseen(row: Text, folder: Path) -> Iterator[Edit]:
    """The one-digit edits of a row of Table 1 that are not noticed."""
    start = sum(len(line) + 1 for line in TABLE.value.split("\n")[: row.line - TABLE.line - 1])
    lines = SOURCE.split("\n")
    headings = cells(TABLE.value.split("\n")[0])
    for at, old in enumerate(row.value):
        for new in "0123456789" if old.isdigit() else "":
            if new == old:
                continue
            value = TABLE.value[: start + at] + new + TABLE.value[start + at + 1 :]
            if seen_by_the_paper(replace(TABLE, value=value)):
                continue
            line = lines[row.line - 1]
            col = row.col - 1 + at
            assert line[col] == old
            edited = line[:col] + new + line[col + 1 :]
            if not seen("\n".join([*lines[: row.line - 1], edited, *lines[row.line :]]), folder):
                n = row.value[:at].count("|")
                yield Edit(cells(line)[0], headings[n], cells(line)[n], cells(edited)[n])


def test_the_table_of_the_paper_has_its_rows() -> None:
    assert len(ROWS) == 20  # nineteen rows and the headings #1×1, #3×3, …; only dashes have no digit
    assert sum(char.isdigit() for row in ROWS for char in row.value) == 395


@pytest.mark.parametrize(
    "row", tiered(ROWS, lambda row: row in ROWS[::6], lambda row: f"{row.line}-{cells(row.value)[0]}")
)
def test_an_edit_of_googlenets_table_is_noticed(row: Text, tmp_path: Path) -> None:
    expected = {
        Edit(name, heading, cell, edited)
        for name, heading, cell, edits, _ in UNSEEN
        for edited in edits
        if name == cells(row.value)[0] and cell in cells(row.value)
    }
    assert set(unseen(row, tmp_path)) == expected


def counts(row: str) -> tuple[int, int]:
    """The parameters and MACs of a row, by hand."""
    if row == "convolution":  # the second: 1×1 from 64 to 64, 3×3 from 64 to 192, at 56 · 56
        weights = 64 * 64 + 9 * 64 * 192
        return weights + 64 + 192, weights * 56 * 56
    if row == "linear":
        return 1024 * 1000 + 1000, 1024 * 1000
    cin, side, n1, r3, n3, r5, n5, p = {
        "inception (3b)": (256, 28, 128, 128, 192, 32, 96, 64),
        "inception (4a)": (480, 14, 192, 96, 208, 16, 48, 64),
        "inception (4b)": (512, 14, 160, 112, 224, 24, 64, 64),
        "inception (4d)": (512, 14, 112, 144, 288, 32, 64, 64),
        "inception (5b)": (832, 7, 384, 192, 384, 48, 128, 128),
    }[row]
    weights = cin * (n1 + r3 + r5 + p) + 9 * r3 * n3 + 25 * r5 * n5
    return weights + n1 + r3 + n3 + r5 + n5 + p, weights * side * side


@pytest.mark.parametrize(
    ("row", "heading", "cell", "edits", "reason"),
    [case for case in UNSEEN if case[1] in ("params", "ops")],
    ids=[f"{case[0]}-{case[2]}" for case in UNSEEN if case[1] in ("params", "ops")],
)
def test_the_arithmetic_of_the_unseen_figures(row: str, heading: str, cell: str, edits: list[str], reason: str) -> None:
    """Exactly the listed figures hold beside the printed one: rounded, cut, or with K = 1024 for parameters."""
    count = counts(row)[heading == "ops"]
    assert reason.startswith(f"{count:,} ")
    units = [10**3, 1024] if heading == "params" else [10**6]
    fits = {n for unit in units for n in (count // unit, (2 * count + unit) // (2 * unit))}
    number, letter = int(cell[:-1]), cell[-1]
    one_digit = {n for n in fits if len(str(n)) == len(str(number)) and differ(str(n), str(number)) == 1}
    assert {f"{n}{letter}" for n in one_digit} == set(edits)


def differ(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_the_other_reasons_hold() -> None:
    family, report, _ = original()
    rows = {span.name: span for span in report.graph.rows}
    assert report.graph.shape(rows["convolution.2"].output) == (192, 56, 56)
    assert report.graph.shape(rows["avg pool"].input) == (1024, 7, 7)
    assert report.graph.shape(rows["avg pool"].output) == (1024, 1, 1)
    dropout = report.subtotal(rows["dropout (40%)"])
    assert (dropout.params, dropout.macs, sum(dropout.elementwise.values())) == (0, 0, 0)
    named = {row.value for erratum in family.errata for row in erratum.rows} | {
        h.at.value for h in family.heads.values()
    }
    modules = [name for name in rows if name.startswith("inception")]
    assert [name for name in modules if not any(same(name, other) for other in named)] == [
        "inception (3a)",
        "inception (3b)",
    ]
