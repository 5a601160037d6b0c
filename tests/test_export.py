"""Networks written as specs: what repeats is a block, what is read back is equal, and what has no word is an error."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402

from archcalc.alignment.normal import normal  # noqa: E402
from archcalc.analysis.counts import analyse  # noqa: E402
from archcalc.errors import SpecError, UsageError  # noqa: E402
from archcalc.models import Model, capture, load, models  # noqa: E402
from archcalc.runtime import same  # noqa: E402
from archcalc.tasks import export as task  # noqa: E402
from archcalc.tasks.export import called, export  # noqa: E402
from tests.test_code_diff import CONV, EQUAL, Forward  # noqa: E402
from tests.test_commands import Run, command  # noqa: E402

__all__ = ["command"]  # the fixture
BARE: dict[str, Any] = {**CONV, "bias": False}


class Residual(nn.Module):
    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, **BARE), nn.BatchNorm2d(out)
        self.skip = nn.Conv2d(into, out, 1, stride, bias=False) if into != out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return nn.functional.relu(y + self.skip(x))


def residuals() -> nn.Module:
    parts = [Residual(3, 8, 2), *(Residual(8, 8) for _ in range(3)), Residual(8, 16, 2), Residual(16, 16)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))


def dense() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        found = [x]
        for layer in m.layers:
            found.append(layer(torch.cat(found, 1)))
        return torch.cat(found, 1)  # type: ignore[no-any-return,unused-ignore]

    layers = [nn.Sequential(nn.BatchNorm2d(3 + 4 * n), nn.ReLU(), nn.Conv2d(3 + 4 * n, 4, **BARE)) for n in range(5)]
    return Forward(forward, layers=nn.ModuleList(layers))


def crossed() -> nn.Module:
    """Two values that are read by two branches each."""

    def forward(m: Any, x: Tensor) -> Tensor:
        a, b = m.a(x), m.b(x).relu()
        return torch.cat([a + b, a * b], 1)  # type: ignore[no-any-return,unused-ignore]

    return Forward(forward, a=nn.Conv2d(3, 4, **CONV), b=nn.Conv2d(3, 4, **CONV))


def tied() -> nn.Module:
    return Forward(lambda m, x: m.conv(m.conv(x).relu()), conv=nn.Conv2d(3, 3, **CONV))


def of_one_channel() -> nn.Module:
    convs = [nn.Conv2d(3, 1, 3), nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3, groups=8)]
    return nn.Sequential(*convs, nn.ConvTranspose2d(16, 1, 3), nn.ReLU(), nn.ConvTranspose2d(1, 4, 3))


# A module on 3×8×8, and the lines that are written of it below its input, as they were read one by one.
WRITTEN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "residuals": (
        residuals,
        """\
defaults:
  conv: {bias: False}
layers:
  - residual(8)
  - residual_2 x3
  - residual(16)
  - residual_2
  - gap linear(5)
blocks:
  residual(c):
    - add: [conv(c, 3, 2) bn relu conv(c, 3) bn, conv(c, 1, 2)]
    - relu
  residual_2:
    - add: [identity, conv(cin, 3) bn relu conv(cin, 3) bn]
    - relu
""",
    ),
    "a dense block": (
        dense,
        """\
layers:
  - concat_block x5
blocks:
  concat_block:
    - concat: [identity, bn relu conv(4, 3, bias=False)]
""",
    ),
    "branches that are no series": (
        crossed,
        """\
layers:
  - v1: conv(4, 3)
  - v2: x conv(4, 3) relu
  - concat:
      - add: [v1, v2]
      - mul: [v1, v2]
""",
    ),
    "one channel is no reason for a depth-wise convolution": (
        of_one_channel,
        """\
layers:
  - conv(1, 3, pad=0)
  - conv(8, 3, pad=0)
  - dwconv(3, pad=0, multiplier=2)
  - deconv(1, 3) relu
  - deconv(4, 3)
""",
    ),
    "one layer twice": (
        tied,
        """\
layers:
  - conv(3, 3, weights=W0) relu
  - conv(3, 3, weights=W0)
""",
    ),
}


INPUT = "input: 3 × 8 × 8\n", "input:\n  x: 3 × 8 × 8\n"  # the second where it is called by its name


def captured(module: nn.Module) -> Model:
    return capture(module.eval(), torch.empty(1, 3, 8, 8))


@pytest.mark.parametrize("case", WRITTEN)
def test_a_module_is_written_as_somebody_would(case: str) -> None:
    module, lines = WRITTEN[case]
    head, _, rest = export(captured(module())).text.partition("input:")
    assert head.splitlines()[1] in ("name: sequential", "name: forward")
    assert f"input:{rest}" in [size + lines for size in INPUT]


@pytest.mark.parametrize("case", EQUAL)
def test_what_equals_a_spec_is_written_as_one(case: str, tmp_path: Path) -> None:
    model, path = captured(EQUAL[case][0]()), tmp_path / "one.yaml"
    assert export(model, path).path == path
    found = load(path).totals
    assert (found.params, found.macs) == (model.totals.params, model.totals.macs)
    assert found.params == sum(parameter.numel() for parameter in EQUAL[case][0]().parameters())


# Models of the zoo that the language's every notation is in, and lines at most.
ZOO = {
    "resnet50": 30,
    "bert-base": 17,
    "densenet121": 24,
    "googlenet": 60,
    "vit-b-16": 14,
    "mobilenetv2": 30,
    "swin-t": 40,
    "gpt2": 12,
}


@pytest.mark.parametrize("name", ZOO)
def test_a_model_of_the_zoo_is_written_and_read_back(name: str) -> None:
    model = load(name)
    found = export(model)
    totals = analyse(found.graph).totals
    assert (totals.params, totals.macs) == (model.totals.params, model.totals.macs)
    assert found.text.count("\n") <= ZOO[name]


@pytest.mark.exhaustive
def test_nearly_all_of_the_zoo_is_written_and_read_back() -> None:
    """Or an error says what a spec of lines alone has no word for: what `export` returns is read back and equal."""
    left_out = []
    for name in models():
        try:
            export(load(name))
        except (SpecError, UsageError) as error:
            left_out.append(f"{name}: {error.message}")
    assert len(left_out) < 0.15 * len(models()), left_out


# --- errors -----------------------------------------------------------------------------------------------------------


def test_what_has_no_word_is_named_at_its_line() -> None:
    with pytest.raises(SpecError, match="`roll` has no word in the spec language") as error:
        export(captured(Forward(lambda m, x: m.conv(x).roll(1, 2), conv=nn.Conv2d(3, 3, **CONV))))
    assert error.value.where.startswith("tests/test_export.py")


def in_part(m: Any, x: Tensor) -> Tensor:
    y: Tensor = m.c(x)
    y[:, :2].mul_(2)
    return y


# Modules on 1×6×6×6 whose calls have words, and that are not what these words say.
LAID_OUT: dict[str, Callable[[], nn.Module]] = {
    "rows and columns": lambda: Forward(lambda m, x: m.conv(x.transpose(2, 3)), conv=nn.Conv2d(6, 6, 3)),
    "channels in rows": lambda: Forward(lambda m, x: m.conv(x.transpose(1, 2)), conv=nn.Conv2d(6, 6, 1)),
    "channels last, flat": lambda: Forward(
        lambda m, x: m.fc(x.permute(0, 2, 3, 1).flatten(1)), fc=nn.Linear(216, 2)
    ),
    "a factor for each row": lambda: Forward(
        lambda m, x: x * m.fc(x.mean((2, 3))).sigmoid()[:, None, :, None], fc=nn.Linear(6, 6)
    ),
    "of the batch": lambda: nn.BatchNorm2d(6, track_running_stats=False),
    "by a factor": lambda: nn.Upsample(scale_factor=1.4, mode="bilinear"),
    "the mean of others": lambda: Forward(lambda m, x: m.fc(x.mean((1, 3))), fc=nn.Linear(6, 2)),
    "written in part": lambda: Forward(in_part, c=nn.Conv2d(6, 6, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", LAID_OUT)
def test_what_gives_other_numbers_is_no_spec(case: str) -> None:
    with pytest.raises((SpecError, UsageError), match=r"has no (spec|word)"):
        export(capture(LAID_OUT[case]().eval(), torch.empty(1, 6, 6, 6)))


def test_code_that_is_not_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = captured(residuals())
    assert "not run" not in export(model).text
    monkeypatch.setattr(same, "MOST_PARAMS", 10)
    assert export(model).text.splitlines()[0].endswith("not run: how values are laid out was not compared")


def test_what_does_not_read_back_is_no_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("lenet5")
    for text, says in (("name: x\nlayers: [", "does not read"), ("input: 1 × 32 × 32\nlayers: [relu]\n", "differs at")):
        monkeypatch.setattr(task, "spec", lambda *_, text=text: text)
        with pytest.raises(UsageError, match=says):
            export(model)


@pytest.mark.parametrize(
    ("name", "spec"),
    [("torchvision:resnet50@3x9x9", "resnet50"), ("my_net.py:Net.Inner", "net.inner"), ("a/net.json", "net"),
     ("vgg16", "vgg16"), ("x.py:Ω", "network"), ("./b/My Net.yaml", "my-net")],
)  # fmt: skip
def test_a_spec_is_called_after_what_it_is_of(name: str, spec: str) -> None:
    assert called(name) == spec


def test_the_command_writes_a_file_or_prints(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = command("export", "lenet5")
    assert printed.out.startswith("# lenet5, by archcalc export\nname: lenet5\ninput: 1 × 32 × 32\n")
    done = command("export", "lenet5", "-o", "five.yaml")
    assert (done.code, "read back and equal" in done.out) == (0, True)
    assert Path("five.yaml").read_text(encoding="utf-8") == printed.out
    for wrong in (["lenet5", "-o", "five.txt"], ["nobody"], ["lenet5", "-o", "no/such/folder.yaml"]):
        assert command("export", *wrong).code == 2


def test_a_block_is_called_after_the_innermost_of_those_that_are_the_same_calls(tmp_path: Path) -> None:
    names = [f"part{number}" for number in range(8)]
    blocks = [*(f"  {outer}: {inner}" for outer, inner in pairwise(names)), f"  {names[-1]}: conv(8, 3) bn relu"]
    path = tmp_path / "net.yaml"
    path.write_text(
        "\n".join(["name: net", "input: 3 × 8 × 8", "layers:", "  - part0", "blocks:", *blocks, ""]), encoding="utf-8"
    )
    parts = task._parts(normal(load(str(path)).graph))
    assert [part.kind for part in parts] == names[::-1]  # and not as sets are in order, another one in each process
