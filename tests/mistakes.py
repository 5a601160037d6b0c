"""Realistic mistakes in real specs: an edit, the layer and the line that the gate must name, and whether a gate on the
number of parameters alone would miss it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

SPECS = Path(__file__).resolve().parent.parent / "specs"


class Mistake(NamedTuple):
    """`old` becomes `new` in the spec `model` is in (`family:variant`). A cause must stand at a path that begins with
    `path`, and in a line that holds `line`. `missed`: the number of parameters stays."""

    title: str
    model: str
    old: str
    new: str
    path: str
    line: str
    missed: bool

    @property
    def file(self) -> str:
        return f"{self.model.partition(':')[0]}.yaml"

    @property
    def locked(self) -> str:
        """How a lock beside a copy of the spec calls the model."""
        family, _, variant = self.model.partition(":")
        return f"{family}.yaml:{variant}"

    def lay_out(self, folder: Path) -> Path:
        """A copy of the spec, still right."""
        return Path(shutil.copy(SPECS / self.file, folder))

    def make(self, folder: Path) -> None:
        """Make the mistake in the copy. Raises LookupError where the spec has no such text, or several."""
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise LookupError(f"{self.file} has `{self.old}` {text.count(self.old)} times: mend the table of mistakes")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


MISTAKES = (
    Mistake(
        "bias on before a norm",
        "mobilenetv2:mobilenetv2",
        "relu6 conv(c, 1) bn",
        "relu6 conv(c, 1, bias=True) bn",
        "bottleneck.1/inverted/body/conv",
        "conv(c, 1, bias=True)",
        False,
    ),
    Mistake(
        "stride moved from the 3×3 to the 1×1",
        "resnet:resnet50-v1.5",
        "conv(c, 1, 1 if v15 else s) bn relu conv(c, 3, s if v15 else 1)",
        "conv(c, 1, s) bn relu conv(c, 3, 1 if v15 else 1)",
        "conv3_x/bottleneck.1/conv.2",
        "bn relu conv(c, 3, 1 if v15",
        True,
    ),
    Mistake(
        "groups forgotten",
        "resnext:resnext50-32x4d",
        ", groups=C)",
        ", groups=min(C, 1))",
        "conv2/bottleneck.1/conv.2",
        "groups=min(C, 1)",
        False,
    ),
    Mistake(
        "ceil mode lost",
        "squeezenet:squeezenet1.0",
        "maxpool(k, s, pad=0, ceil=True)",
        "maxpool(k, s, pad=0)",
        "maxpool1/maxpool",
        "maxpool(k, s, pad=0)",
        True,
    ),
    Mistake(
        "expansion 6 → 4",
        "mobilenetv2:mobilenetv2",
        "| 6 | 96   | 3 |",
        "| 4 | 96   | 3 |",
        "bottleneck.5/inverted.1/body/conv.1",
        "| 4 | 96   | 3 |",
        False,
    ),
    Mistake(
        "a repeat dropped",
        "resnet:resnet50",
        "1×1,256]×3     | [1×1,64; 3×3,64; 1×1,256]×3      |",
        "1×1,256]×2     | [1×1,64; 3×3,64; 1×1,256]×3      |",
        "conv2_x/bottleneck.3",
        "1×1,256]×2",
        False,
    ),
    Mistake(
        "make_divisible dropped",
        "mobilenetv2:mobilenetv2-0.75",
        '"make_divisible(alpha * c, 8)"',
        '"round(alpha * c)"',
        "bottleneck.2/inverted.1/body/conv.2",
        "relu6 conv(c, 1) bn",
        False,
    ),
    Mistake(
        "SE ratio of the expanded width",
        "efficientnet:efficientnet-b0",
        "squeeze_excite(max(1, floor(cin/4)))",
        "squeeze_excite(max(1, floor(cin*expand/4)))",
        "MBConv6, k3×3.1/mbconv.1/inverted/squeeze_excite/conv.1",
        "squeeze_excite(max(1, floor(cin*expand/4)))",
        False,
    ),
    Mistake(
        "head width",
        "mobilenetv2:mobilenetv2",
        "|   | 1280 | 1 | 1",
        "|   | 1024 | 1 | 1",
        "conv2d 1×1/conv",
        "|   | 1024 | 1 | 1",
        False,
    ),
    Mistake(
        "padding",
        "mobilenetv2:mobilenetv2",
        "conv(C, 3, s) bn relu6",
        "conv(C, 3, s, pad=0) bn relu6",
        "conv2d/conv",
        "conv(C, 3, s, pad=0)",
        True,
    ),
    Mistake(
        "wrong input",
        "resnet:resnet50",
        "input:  3 × 224 × 224",
        "input:  3 × 256 × 256",
        "",
        "input:  3 × 256",
        True,
    ),
    Mistake(
        "two cells swapped: the strides of two stages",
        "mobilenetv2:mobilenetv2",
        "| 6 | 96   | 3 | 1\n    14×14×96    | bottleneck         | 6 | 160  | 3 | 2",
        "| 6 | 96   | 3 | 2\n    14×14×96    | bottleneck         | 6 | 160  | 3 | 1",
        "bottleneck.5/inverted.1/body/dwconv",
        "| 6 | 96   | 3 | 2",
        True,
    ),
    Mistake(
        "a skip forgotten",
        "mobilenetv2:mobilenetv2",
        "identity if s == 1 and cin == c",
        "identity if s == 2 and cin == c",
        "bottleneck.2/inverted.2",
        "bottleneck         | 6 | 24",
        True,
    ),
    Mistake(
        "max pooling became average pooling",
        "resnet:resnet50",
        "maxpool(k, s)",
        "avgpool(k, s)",
        "conv2_x/avgpool",
        "avgpool(k, s)",
        True,
    ),
    Mistake(
        "another activation",
        "mobilenetv2:mobilenetv2",
        "dwconv(3, s) bn relu6",
        "dwconv(3, s) bn relu",
        "bottleneck.1/inverted/body/relu",
        "dwconv(3, s) bn relu",
        True,
    ),
    Mistake(
        "two branches in the other order",
        "googlenet:googlenet",
        "      - cv(r3, 1) cv(n3, 3)\n      - cv(r5, 1) cv(n5, five)",
        "      - cv(r5, 1) cv(n5, five)\n      - cv(r3, 1) cv(n3, 3)",
        "inception (3a)/inception",
        "cv(r5, 1) cv(n5, five)",
        True,
    ),
    Mistake(
        "a norm forgotten",
        "resnet:resnet50",
        "bn relu conv(d, 1) bn attend",
        "bn relu conv(d, 1) attend",
        "conv2_x/bottleneck.1/bn",
        "bn relu conv(d, 1) attend",
        False,
    ),
    Mistake(
        "kernel 3 → 5",
        "mobilenetv2:mobilenetv2",
        "dwconv(3, s) bn relu6",
        "dwconv(5, s) bn relu6",
        "bottleneck.1/inverted/body/dwconv",
        "dwconv(5, s)",
        False,
    ),
)
