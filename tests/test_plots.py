"""Pictures: every kind is drawn, in every form, alike each time; texts stand apart and inside."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from archcalc import cli
from archcalc import models as api
from archcalc.analysis.roofline import Device, memory_traffic
from archcalc.errors import UsageError
from archcalc.language.zoo import shipped_names
from archcalc.measurement.latency import Measurement, Mode
from archcalc.measurement.runs import Run, document
from archcalc.models import load
from archcalc.show import pictures as plots
from archcalc.show.pictures import charts, graphs, volumes
from archcalc.show.pictures.blocks import blocks
from archcalc.show.pictures.names import bars_of, times
from archcalc.show.report import page as report
from archcalc.show.writers import write
from archcalc.tasks.compare import Compared, ComparisonPlan, gather
from archcalc.tasks.plot import ONE, plot
from archcalc.tasks.report import ReportResult
from archcalc.tasks.scale import scale

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("vgg16", "googlenet", "densenet121", "efficientnet-b0", "vit-b-16")
BLOCKS = (("googlenet", "inception (3a)"), ("densenet121", "Dense Block (1)"), ("vit-b-16", "encoder.1"))


def one(model: str) -> list[Compared]:
    return gather([model], ComparisonPlan())[0]


def texts(figure: Figure) -> list[Text]:
    """What is written, but for ticks, which matplotlib sets apart itself."""
    ticks = {id(text) for ax in figure.axes for text in [*ax.get_xticklabels(), *ax.get_yticklabels()]}
    found: list[Any] = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    return [text for text in found if id(text) not in ticks]


def boxes(figure: Figure) -> list[tuple[str, Any]]:
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    found = []
    for text in texts(figure):
        box = (
            Text.get_window_extent(text, renderer) if isinstance(text, Annotation) else text.get_window_extent(renderer)
        )
        found.append((text.get_text(), box))
    return found


def hold(figure: Figure) -> None:
    """No text stands on another, and each axis of numbers says its unit."""
    for (a, first), (b, second) in itertools.combinations(boxes(figure), 2):
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        high = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert wide <= 1.5 or high <= 1.5, f"`{a}` stands on `{b}`"
    for ax in figure.axes:
        if ax.axison:
            assert ax.get_xlabel()
            assert any(mark in ax.get_xlabel() for mark in ("(", "MACs"))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ONE)
def test_every_kind(kind: str, model: str) -> None:
    figure = plots.picture(kind, one(model))
    hold(figure)
    assert plots.image(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize(("model", "only"), BLOCKS)
def test_graphs_of_blocks(model: str, only: str) -> None:
    summary = one(model)[0].summary
    hold(graphs.drawn(summary, only))


# Of each network: how many boxes there are, how many levels a U has, what stands there several times, and what is said.
WHOLE: list[tuple[str, int, int, dict[str, int], list[str]]] = [
    ("vgg16", 14, 0, {"conv3-64 ×2": 2, "conv3-512 ×3": 3, "FC-4096 ×2": 2}, ["maxpool", "soft-max"]),
    ("resnet50", 8, 0, {"conv3_x": 4, "conv4_x": 6}, ["3×3 max pool, stride 2", "[1×1,64; 3×3,64; 1×1,256]×3"]),
    ("googlenet", 22, 0, {}, ["inception (4e)", "aux (4a)", "aux (4d)"]),
    ("densenet121", 15, 0, {"Dense Block (3)": 24}, ["Transition Layer (1)"]),
    ("efficientnet-b0", 10, 0, {"MBConv6, k5×5 ×4": 4}, ["MBConv1, k3×3"]),
    ("vit-b-16", 4, 0, {"encoder ×12": 12}, ["16×16 conv, 768, stride 16 → class token → position"]),
    ("nasnet-a-mobile", 11, 0, {"normal ×4": 4}, ["reduction", "aux"]),
    ("transformer-base", 7, 0, {"encoder ×6": 6, "decoder ×6": 6}, ["source", "target", "linear 37000 → softmax"]),
    ("unet", 19, 5, {"conv 3×3, 1024 ×2": 2}, ["up-conv 2×2, copy and crop c4", "conv 1×1, 2"]),
    ("lstm-ptb-small", 4, 0, {"layer ×2": 2}, ["LSTM 200"]),
]


@pytest.mark.parametrize(("model", "count", "levels", "repeated", "said"), WHOLE)
def test_the_blocks_of_a_network(
    model: str, count: int, levels: int, repeated: dict[str, int], said: list[str]
) -> None:
    summary = one(model)[0].summary
    found = blocks(summary)
    assert (len(found.blocks), found.levels) == (count, levels)
    assert repeated.items() <= {block.texts[0]: block.count for block in found.blocks}.items()
    texts = [text for block in found.blocks for text in block.texts]
    assert set(said) <= set(texts)
    assert not any(re.search(r"\b[a-z_]+\(|\b[a-z_]+=", text) for text in texts), "a call of the spec language"
    main = summary.report.graph.nodes  # every node stands in one block
    assert sorted(n for b in found.blocks for n in range(b.start, b.stop)) == [*range(len(main))]
    if model not in MODELS:  # those are drawn above
        hold(graphs.drawn(summary))


SOME = ("unet", "transformer-base", "sd-unet")
REST = sorted({(list(spec.models) or [spec.family])[0] for spec in shipped_names()} - {*SOME})


@pytest.mark.parametrize("model", [*SOME, *(pytest.param(model, marks=pytest.mark.exhaustive) for model in REST)])
def test_texts_stand_in_their_boxes(model: str) -> None:
    """And boxes apart from each other."""
    figure = graphs.drawn(one(model)[0].summary)
    figure.draw_without_rendering()
    drawn: Any = figure.axes[0]
    boxes = {patch.get_gid(): patch.get_window_extent() for patch in drawn.patches if patch.get_gid()}
    for text in drawn.texts:
        if text.get_gid():
            box, own = boxes[text.get_gid().rpartition("-t")[0]], text.get_window_extent()
            assert box.x0 < own.x0, text.get_text()
            assert own.x1 < box.x1, text.get_text()
            assert box.y0 < own.y0 < own.y1 < box.y1, text.get_text()
    for a, b in itertools.combinations(boxes.values(), 2):
        assert not a.overlaps(b)


@pytest.mark.parametrize(
    ("model", "levels", "start"),
    [("unet3d", 4, 1), ("vnet", 5, 1), ("pix2pix-generator", 9, 1), ("sd-unet", 4, 5), ("unetpp", 0, 0)],
)
def test_what_is_a_u(model: str, levels: int, start: int) -> None:
    """Also where other inputs are read on all levels; not where one goes up and down several times."""
    found = blocks(one(model)[0].summary)
    assert (found.levels, found.start) == (levels, start)


def test_a_u_has_levels_by_resolution() -> None:
    """Down four times, up four times, and across from each level that is copied."""
    found = blocks(one("unet")[0].summary).blocks
    assert [block.level for block in found] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0, 0]
    assert [block.inputs for block in found if len(block.inputs) > 1] == [(9, 7), (11, 5), (13, 3), (15, 1)]


def test_modules_of_code_are_repeated(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n"
        "class Block(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.stem, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)\n"
        "        self.stages = nn.Sequential(*[Block() for _ in range(5)])\n"
        "    def forward(self, x):\n"
        "        return self.fc(self.stages(self.stem(x)).mean((2, 3)))\n"
    )
    found = blocks(load(f"{file}:Net", input=(3, 8, 8)).summary())
    assert [block.texts for block in found.blocks][:3] == [("x",), ("stem", "Conv2d"), ("stages", "Block ×5")]
    assert [block.count for block in found.blocks][:3] == [1, 1, 5]
    assert [title for title, _ in found.inside] == ["Block, in stages"]


def test_a_graph_in_a_page_has_a_name_for_each_block() -> None:
    summary = one("vit-b-16")[0].summary
    text = plots.graph_svg(summary, prefix="n2-")
    assert text.startswith("<svg")
    for n in range(4):
        assert text.count(f'id="n2-b{n}"') == 1
    assert text.count('id="n2-i0-b') >= 6
    assert "encoder ×12</text>" in text, "text is text"


def test_the_boxes_of_an_inception_module() -> None:
    made = blocks(one("googlenet")[0].summary, "inception (3a)").blocks
    assert [" ".join(block.texts) for block in made if block.kind == "convolution"] == [
        "1×1 conv, 64 ReLU",
        "1×1 conv, 96 ReLU",
        "3×3 conv, 128 ReLU",
        "1×1 conv, 16 ReLU",
        "5×5 conv, 32 ReLU",
        "1×1 conv, 32 ReLU",
    ]
    concat = next(block for block in made if block.kind == "merge")
    assert len(concat.inputs) == 4


def test_pads_that_go_on_otherwise_are_other_boxes(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text("title: n\ninput: 3x8x8\nlayers:\n  - pad(1, mode=reflect) pad(1)\n  - relu\n")
    made = blocks(one(str(tmp_path / "n.yaml"))[0].summary).blocks
    assert [block.texts for block in made[1:]] == [("reflect padding",), ("padding",), ("ReLU",)]


def test_mermaid_has_every_box_and_arrow() -> None:
    summary = one("googlenet")[0].summary
    for only in ("inception (3a)", ""):
        made = blocks(summary, only).blocks
        lines = plots.mermaid(summary, only).splitlines()
        assert lines[3] == "flowchart TD"
        assert sum("->" in line for line in lines) == sum(len(block.inputs) for block in made)
        assert sum(line.endswith(('"]', '"])', '"}}')) for line in lines) == len(made)


def test_the_volumes_of_vgg() -> None:
    assert volumes.volumes(one("vgg16")[0].summary) == [
        (3, 224, 224), (64, 224, 224), (64, 112, 112), (128, 112, 112), (128, 56, 56), (256, 56, 56),
        (256, 28, 28), (512, 28, 28), (512, 14, 14), (512, 7, 7), (4096,), (1000,),
    ]  # fmt: skip


def test_bars_are_the_figures() -> None:
    summary = one("vgg16")[0].summary
    axes = plots.picture("layers", one("vgg16")).axes
    macs = [patch.get_width() for patch in axes[0].patches]  # type: ignore[attr-defined]
    assert sum(macs) == pytest.approx(15.470264320)
    params = [patch.get_width() for patch in axes[1].patches]  # type: ignore[attr-defined]
    assert sum(params) == pytest.approx(138.357544)
    assert len(macs) == len(summary.report.graph.rows)


def test_a_point_on_the_roof() -> None:
    """VGG-16's conv3-64 (1): 2·86,704,128 FLOPs over its bytes, below the slope of 2.039 TB/s."""
    summary = one("vgg16")[0].summary
    bytes_moved = sum(memory_traffic(summary.report)[:2])
    x = 2 * 86_704_128 / bytes_moved
    ax = plots.picture("roofline", one("vgg16")).axes[0]
    collections: Any = ax.collections
    points = [tuple(point) for collection in collections for point in collection.get_offsets()]
    assert any(p[0] == pytest.approx(x) and p[1] == pytest.approx(x * 2.039e12) for p in points)


MEASURED = Device("A processor, 1 thread", {"float32": 1e11}, 2e10, "measured: a product of matrices; a copy of 8 MiB")


def test_rows_on_measured_ceilings() -> None:
    """Every row in 2 ms: VGG-16's conv3-64 (1) does 2·86,704,128 FLOPs in them."""
    (model,) = one("vgg16")
    main = model.summary.report.graph.main
    first = next(line for line in bars_of(model.summary))
    nodes = [array("d", [0.0] * 8) for _ in range(main)]
    for span in model.summary.report.graph.rows:
        nodes[span.start] = array("d", [2.0] * 8)
    whole = array("d", [sum(run) for run in zip(*nodes, strict=True)])
    run = Measurement("cpu", "A processor", "2.13.0", 1, "float32", 1, whole, tuple(nodes))
    figure = plots.picture("roofline", [replace(model, summary=replace(model.summary, measured=run))], MEASURED)
    collections: Any = figure.axes[0].collections
    points = [tuple(point) for collection in collections for point in collection.get_offsets()]
    assert any(p[1] == pytest.approx(first.counts.flops / 0.002) for p in points)
    assert first.counts.flops == 2 * 86_704_128
    said = " ".join(text.get_text() for text in texts(figure))
    assert "ceilings: A processor, 1 thread, measured: a product of matrices; a copy of 8 MiB" in said
    assert "rows: measured on cpu: A processor, 1 thread" in said
    hold(figure)


def test_a_family_grows_along_its_line() -> None:
    assert charts.growing([5.3, 7.8, 9.1, 18, 10.2, 5.3, 20, 12.2, 19.3]) == [0, 1, 2, 4, 7, 8]
    assert charts.growing([3]) == [0]
    assert charts.growing([]) == []


def saved(path: Path, mode: Mode = "inference") -> str:
    """A saved run of LeNet-5 on a CPU, every node in 1 ms."""
    model = load("lenet5")
    rows = tuple(array("d", [1.0] * 8) for _ in range(model.graph.main))
    whole = array("d", [float(len(rows))] * 8)
    backward = rows if mode == "training" else ()
    run = Measurement("cpu", "A processor", "2.13.0", 1, "float32", 1, whole, rows, backward=backward, mode=mode)
    found = Run.of(model.graph, [run], "lenet5", model.spec, {})
    path.write_text(json.dumps(document(found)), encoding="utf-8")
    return str(path)


def test_a_roofline_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def ceilings(*arguments: Any) -> Device:
        seen.append(arguments)
        return MEASURED

    monkeypatch.setattr(api, "ceilings", ceilings)
    path = tmp_path / "r.png"
    run = saved(tmp_path / "run.json")
    assert cli._run(["plot", "roofline", "lenet5", "--cpu", "--run", run, "-o", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert seen == [("cpu", "float32", 1)], "as many threads as in the run"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["roofline", "lenet5", "--run", "{run}"], "`--cpu` measures those of this machine"),
        (["roofline", "alexnet", "--cpu", "--run", "{run}"], "is a run of `lenet5`, not of `alexnet`"),
        (["roofline", "lenet5", "--cpu", "--run", "{trained}"], "a run of training steps"),
        (["roofline", "lenet5", "--cpu", "--device", "a100"], "one of the three"),
        (["memory", "lenet5", "--cpu"], "`--cpu` is for a roofline"),
        (["shapes", "lenet5", "--run", "{run}"], "shows no latency"),
    ],
)
def test_what_a_run_cannot_show(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"run": saved(tmp_path / "run.json"), "trained": saved(tmp_path / "trained.json", "training")}
    assert cli._run(["plot", *(a.format(**paths) for a in arguments), "-o", str(tmp_path / "x.png")]) == 2
    assert message in capsys.readouterr().err


def test_bubbles() -> None:
    models = gather(["efficientnet", "resnet50", "resnet152"], ComparisonPlan())[0]
    hold(plots.picture("bubble", models))
    hold(plots.picture("scaling", models))
    with pytest.raises(UsageError, match="printed accuracy"):
        plots.picture("bubble", gather(["lenet5", "alexnet"], ComparisonPlan())[0])
    with pytest.raises(UsageError, match="at least two models"):
        plots.picture("scaling", one("vgg16"))


def test_bubbles_of_ones_own(tmp_path: Path) -> None:
    """By a metric of theirs, of which less is better, with the front; who has no place is named."""
    file = tmp_path / "r.csv"
    rows = (("vgg16", 30), ("resnet50", 20), ("resnet18", 25), ("resnet34", 26))
    file.write_text("model,metric,value,source\n" + "".join(f"{name},error,{value},us\n" for name, value in rows))
    found = plot(
        "bubble", "vgg16", "resnet50", "resnet18", "resnet34", "lenet5", results=file, y="err", x="peak", pareto=True
    )
    assert found.missing == ("lenet5",)
    figure = plots.picture("bubble", found.models, axes=found.bubble)
    said = " ".join(text.get_text() for text in texts(figure))
    assert "not known of them: lenet5" in said
    assert "error as reported (%)" in said
    assert "peak memory (MiB, log scale)" in said
    lines: Any = {line.get_label(): line for line in figure.axes[0].get_lines()}
    peak = {name: load(name).totals.peak_memory_bytes / 2**20 for name, _ in rows}
    assert [*lines["Pareto front"].get_xdata()] == pytest.approx([peak["resnet18"], peak["resnet50"]])
    hold(figure)


def test_a_familys_line_does_not_turn_back() -> None:
    """It leaves out who is worse at more cost; VGG stands beside ResNet, as both were tested with ten crops."""
    found = plot("bubble", "vgg", "resnet")
    assert {model.result.tested for model in found.models if model.result} == {"ImageNet validation, ten crops"}
    assert {model.summary.family for model in found.models if model.result} == {"vgg", "resnet"}
    lines: Any = plots.picture("bubble", found.models, axes=found.bubble).axes[0].get_lines()
    for line in lines:
        assert [*line.get_ydata()] == sorted(line.get_ydata())
        assert [*line.get_xdata()] == sorted(line.get_xdata())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bubble", "vgg16", "resnet50", "--y", "bleu"], "`bleu` is nothing that is known of a network"),
        (
            ["bubble", "vgg16", "resnet50", "--x", "speed"],
            "Known here: macs, params, latency, peak_memory",
        ),
        (["bubble", "vgg16", "resnet50", "--x", "latency"], "`--measure` does it"),
        (["layers", "vgg16", "--pareto"], "are for a bubble plot"),
    ],
)
def test_a_bubble_plot_says_what_it_cannot(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["plot", *arguments, "-o", str(tmp_path / "x.svg")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "The kind stands first: layers, memory, roofline, graph, shapes, bubble or scaling."),
        ("vgg16 -o x.svg", "there is no picture `vgg16`\nThe kind stands first: layers,"),
        ("my_net.py:Net layers --input 3x8x8", "there is no picture `my_net.py:Net`\nThe kind stands first"),
        ("layer", "Did you mean `layers`? The kind stands first"),
        ("memory -o x.svg", "`archcalc plot memory MODEL -o FILE`"),
        ("graph vgg16", "where is the picture to go?"),
        ("graph vgg16 -o x.txt", "`--output x.txt` is none of png, svg, pdf, tikz, or of a graph mmd"),
    ],
)
def test_what_a_picture_lacks_is_said(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["plot", *line.split()]) == 2
    assert says in capsys.readouterr().err


def test_a_sweep() -> None:
    found = scale("vgg16", inputs=[64, 96, 128], batches=[1, 2])
    points, figure = found.points, plots.sweep(found)
    lines: Any = figure.axes[0].get_lines()
    assert [list(line.get_xdata()) for line in lines] == [[64, 96, 128]] * 2
    assert lines[0].get_ydata()[0] * 1e9 == pytest.approx(points[0].report.totals.macs)
    hold(figure)


def test_tikz_has_texts_of_tex(tmp_path: Path) -> None:
    """Every text is a node, and a stranger's name is no command; where TeX is, it takes the file."""
    (model,) = one("vit-b-16")
    named = replace(model, summary=replace(model.summary, model="50_%$x^$\\input{a}"))
    figure = plots.picture("graph", [named])
    text = plots.image(figure, "tikz").decode()
    assert text.count("\\node") == len(texts(figure))
    assert r"{encoder $\times$12};" in text
    assert r"50\_\%\$x\textasciicircum{}\$\textbackslash{}input\{a\}" in text
    if shutil.which("pdflatex"):
        head = r"\documentclass{article}\usepackage{tikz}\begin{document}"
        (tmp_path / "a.tex").write_text(head + text.replace("%", "\n%", 1) + r"\end{document}", encoding="utf-8")
        done = subprocess.run(
            ["pdflatex", "-interaction=batchmode", "-halt-on-error", "a.tex"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (tmp_path / "a.log").read_text(encoding="latin-1")[-2000:]


@pytest.mark.parametrize(
    "chosen", [{"pareto": ["params", "macs"]}, {"best": 5, "by": "macs"}, {"pareto": ["params"], "maximize": ["depth"]}]
)
def test_a_sweep_of_many(chosen: dict[str, Any]) -> None:
    """Each point is above once, and below a line; of two costs the front falls."""
    vary = {"width": "1..1.5/0.1", "depth": "1,1.4", "resolution": "192..320/16", "dtype": "float32,float16"}
    found = scale("efficientnet-b0", vary=vary, where="params <= 9M and macs >= 700M", **chosen)
    assert found.swept is not None
    figure = plots.sweep(found)
    above, below = figure.axes
    drawn: list[Any] = list(above.collections)
    dots = [len(collection.get_offsets()) for collection in drawn]
    assert dots == [found.swept.left, len(found.points)]
    assert len(below.get_lines()) == sum(dots) + len({text.get_text().split("\n")[-1] for text in below.texts[1::2]})
    if found.swept.objectives == ("params", "macs"):
        steps: Any = above.get_lines()[0].get_ydata()
        assert len(steps) > 1
        assert list(steps) == sorted(steps, reverse=True)
    hold(figure)


@pytest.mark.parametrize("form", plots.FORMATS)
def test_pictures_are_alike_each_time(form: str) -> None:
    assert len({plots.image(plots.picture("layers", one("vgg16")), form) for _ in range(2)}) == 1


def test_colours_differ_in_grey() -> None:
    """The luminance of neighbours in the cycle differs by a tenth of the scale."""
    from matplotlib.colors import to_rgb

    from archcalc.show.pictures.style import CYCLE

    greys = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(to_rgb, CYCLE)]
    assert all(abs(a - b) > 0.1 for a, b in itertools.pairwise(greys))


def test_a_page_with_pictures() -> None:
    text = write(report(ReportResult(tuple(one("vgg16")), None)), "html")
    assert text.count("<svg") == len(ONE)
    assert "138,357,544" in text


def test_a_family_stands_for_its_models() -> None:
    assert charts.families(gather(["vgg16", "vgg19"], ComparisonPlan())[0]).keys() == {"vgg"}


def test_on_the_command_line(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "archcalc", "plot", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    for suffix in ("svg", "mmd"):
        path = tmp_path / f"g.{suffix}"
        assert run("graph", "googlenet", "--only", "inception (3a)", "-o", str(path)).returncode == 0
        assert path.stat().st_size > 200
    for wrong in (
        ["graf", "vgg16", "-o", "x.png"],
        ["graph", "vgg16", "-o", "x.gif"],
        ["layers", "vgg16", "vgg19", "-o", "x.png"],
    ):
        done = run(*wrong)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("kind", [*ONE, "bubble", "scaling"])
def test_a_picture_looks_as_one_asks(kind: str) -> None:
    """So many inches and dots, dark, without a title, in a font; texts apart there too."""
    models = one("lenet5") if kind in ONE else gather(["efficientnet"], ComparisonPlan())[0]
    look = plots.Look((5, 4), 100, False, "dark", "serif")
    drawn = plots.picture(kind, models, look=look)
    assert tuple(drawn.get_size_inches()) == (5, 4)
    data = plots.image(drawn, "png", look)
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (500, 400)
    said = " ".join(text.get_text() for text in texts(drawn))
    assert "batch 1" not in said
    assert drawn.get_facecolor()[:3] == pytest.approx((0x1C / 255,) * 3)
    assert all(text.get_fontfamily() == ["serif"] for text in texts(drawn))
    hold(drawn)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--size 6", "`6` is no size in inches"),
        ("--size 0x4", "sides of 0.5 to 40 inches"),
        ("--dpi 5", "30 to 1200 dots per inch, not 5"),
        ("--size 30x30 --dpi 1200", "a picture of 36,000 × 36,000 dots is too large"),
        ("--theme dar", "Did you mean `dark`?"),
        ("--font 'DejaVu Sanz'", "Did you mean `DejaVu Sans`?"),
    ],
)
def test_a_look_that_nobody_has(options: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["plot", "layers", "lenet5", "-o", str(tmp_path / "x.png"), *shlex.split(options)]) == 2
    assert message in capsys.readouterr().err


def test_text_of_an_svg_is_text_where_asked_for(tmp_path: Path) -> None:
    for options, found in ((["--editable"], True), ([], False)):
        path = tmp_path / "x.svg"
        assert cli._run(["plot", "graph", "lenet5", "-o", str(path), *options]) == 0
        assert ("convolutional, 5×5</text>" in path.read_text(encoding="utf-8")) == found


def test_a_figure_can_be_gone_on_with() -> None:
    """In Python: drawn outside of the style, strangers' names are still no formulas."""
    figure = plot("layers", "lenet5").figure(size=(4, 3))
    figure.axes[0].set_title("mine")
    assert b"mine" in plots.image(figure, "svg", plots.Look(editable=True))
    assert scale("lenet5", inputs=[32, 64]).figure(theme="dark").axes


def test_an_unstable_run_is_marked() -> None:
    (model,) = one("lenet5")
    nodes = tuple(array("d", [1.0] * 8) for _ in range(model.summary.report.graph.main))
    run = Measurement("cpu", "A processor", "2.13.0", 1, "float32", 1, array("d", [99.0] * 8), nodes)
    assert run.doubts, "the layers are far from the whole"
    shown = [replace(model, summary=replace(model.summary, measured=run))]
    for kind in ("roofline", "layers"):
        figure = plots.picture(kind, shown, MEASURED)
        said = " ".join(" ".join(text.get_text().split()) for text in texts(figure))
        assert "an unstable run: the layers add up to" in said
        hold(figure)


def test_stages_and_heads_have_their_names() -> None:
    names = [text.get_text() for text in plots.picture("layers", one("resnet50")).axes[0].get_yticklabels()]
    assert [name.split(":")[0] for name in names[:4]] == ["conv1", "conv2_x", "conv2_x", "conv3_x"]
    assert names[1] == "conv2_x: 3×3 max pool, stride 2"
    heads = [text.get_text() for text in plots.picture("layers", one("googlenet")).axes[0].get_yticklabels()]
    assert heads[-2:] == ["aux (4a) (head)", "aux (4d) (head)"]
    said = " ".join(text.get_text() for text in texts(plots.picture("shapes", one("transformer-base"))))
    assert "source" in said
    assert "target" in said


def test_a_column_is_wide_enough_for_bars() -> None:
    hold(plots.picture("layers", one("vgg16"), look=plots.Look((3.4, 3.5))))


def test_narrow_stages_have_their_sizes() -> None:
    figure = plots.picture("memory", one("unet"))
    said = [text.get_text() for text in texts(figure)]
    assert {"570×570", "66×66", "392×392", "388×388"} <= set(said)
    hold(figure)


def test_volumes_of_a_long_network_stand_in_rows() -> None:
    """The U-Net's 28 sizes are no wider than a page."""
    figure = plots.picture("shapes", one("unet"))
    assert figure.get_size_inches()[0] <= 7
    assert len({round(text.get_position()[1], 2) for text in texts(figure) if "×\n" in text.get_text()}) == 3
    hold(figure)


def test_very_long_networks_are_refused_or_cut(tmp_path: Path) -> None:
    """Where a picture cannot show all, it says so, and soon."""
    file = tmp_path / "long.yaml"
    convs = "".join(f"  - conv({8 + n % 2}, 1) relu\n" for n in range(700))
    file.write_text(f"name: long\ninput: 3 × 4 × 4\nlayers:\n{convs}", encoding="utf-8")
    model = one(str(file))
    for kind in ("graph", "shapes"):
        with pytest.raises(UsageError, match="no picture"):
            plots.picture(kind, model)
    figure = plots.picture("layers", model)
    assert len(figure.axes[0].patches) == 100
    assert "the 100 of 700 rows that have the most MACs" in [text.get_text() for text in texts(figure)]


@pytest.mark.parametrize(
    ("text", "count", "found"),
    [
        ("encoder", 12, "encoder ×12"),
        ("encoder", 1, "encoder"),
        ("[1×1 conv; 3×3 conv]×6", 6, "[1×1 conv; 3×3 conv]×6"),
        ("[3×3, 64] ×4 ×1", 4, "[3×3, 64] ×4 ×1"),
        ("MBConv6, k3×3", 3, "MBConv6, k3×3 ×3"),
        ("2×2 max pool", 2, "2×2 max pool ×2"),
        ("Conv 3 × 3", 3, "Conv 3 × 3 ×3"),
        ("5 × Inception-A", 5, "5 × Inception-A"),
        ("5×5 conv, 256 → ReLU", 2, "(5×5 conv, 256 → ReLU) ×2"),
    ],
)
def test_a_count_is_said_once(text: str, count: int, found: str) -> None:
    assert times(text, count) == found


COLUMN = (3.3, 2.5)  # inches: a picture in a column of a paper


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("model", ["resnet50", "densenet121", "transformer-base", "unet"])
def test_a_small_picture_holds_its_texts(kind: str, model: str) -> None:
    """None stands on another, none leaves the picture, and what has no name there is said below."""
    drawn = plots.picture(kind, one(model), look=plots.Look(COLUMN))
    hold(drawn)
    wide, high = (side * drawn.dpi for side in drawn.get_size_inches())
    for text, box in boxes(drawn):
        assert min(box.x0, box.y0) > -1.5, text
        assert box.x1 < wide + 1.5, text
        assert box.y1 < high + 1.5, text
    if kind == "roofline" and model == "unet":
        assert re.search("without a name for want of room: .* and \\d+ more", " ".join(texts_of(drawn)), re.DOTALL)


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def test_letters_that_nobody_reads_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, small in (("nasnet-a-large", True), ("vgg16", False)):
        assert cli._run(["plot", "graph", model, "--size", "3.3x2.5", "-o", str(tmp_path / "x.svg")]) == 0
        assert ("points high" in capsys.readouterr().err) == small


def test_no_name_stands_on_the_roof() -> None:
    drawn = plots.picture("roofline", one("alexnet"), look=plots.Look(COLUMN))
    names = [text for text in drawn.axes[0].texts if isinstance(text, Annotation) and "/s" not in text.get_text()]
    drawn.draw_without_rendering()
    roof = drawn.axes[0].lines[0].get_transform().transform(drawn.axes[0].lines[0].get_xydata())
    level = roof[-1][1]
    assert len(names) > 3
    for name in names:
        box = Text.get_window_extent(name)
        assert not (box.y0 < level < box.y1 and box.x1 > roof[1][0]), name.get_text()
