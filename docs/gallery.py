"""Draws the pictures of the gallery and of the README, and writes their page: `python -m docs.gallery`.

Each is made by the command that stands beside it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures"


class Shown(NamedTuple):
    """A picture: its file, the command that draws it, and what it shows."""

    file: str
    command: str
    caption: str


GALLERY = (
    Shown(
        "bubble.png",
        "plot bubble 'efficientnet-b?' resnet50-v1.5 resnet152 densenet169 densenet264 inception-v3 xception polynet"
        " nasnet-a-large resnext101-64x4d-320",
        "Printed accuracy against operations; the area of a bubble is the parameters. All are of one setting.",
    ),
    Shown("layers.png", "plot layers vgg16", "Where VGG-16's operations, parameters and memory are, row by row."),
    Shown("shapes.png", "plot shapes vgg16", "The shrinking volumes of VGG-16."),
    Shown("unet.png", "plot graph unet", "The U of the U-Net, a level for each resolution."),
    Shown("transformer.png", "plot graph transformer-base", "What is repeated, once, with what is inside beside it."),
    Shown("inception.png", "plot graph googlenet --only 'inception (3a)'", "One block and its branches."),
    Shown("dense.png", "plot graph densenet121 --only 'Dense Block (1)'", "A dense block, cut into columns."),
    Shown("memory.png", "plot memory densenet121", "Live tensors over a run of DenseNet-121, the peak marked."),
    Shown("roofline.png", "plot roofline efficientnet-b0", "What limits each row of EfficientNet-B0 on a GPU."),
    Shown("scaling.png", "plot scaling efficientnet densenet", "Two families along their variants."),
    Shown(
        "sweep.png",
        "scale efficientnet-b0 --input 128..512/64 --batch 1,8",
        "One network at many inputs, each counted.",
    ),
)


def page(written: str, gallery: Sequence[Shown] = GALLERY) -> str:
    """`docs/gallery.md`."""
    lines = [
        written,
        "# Gallery",
        "",
        "Every picture is made by the command below it; `svg`, `pdf` and `tikz` work like `png`. `--size 6x4`,",
        "`--dpi`, `--no-title`, `--theme dark` and `--font` fit it to its place; `--editable` leaves text text.",
    ]
    for shown in gallery:
        lines += ["", f"## {shown.caption.split('.')[0].split(';')[0]}", ""]
        lines += [f"![{shown.caption}](pictures/{shown.file})", "", shown.caption, ""]
        lines += ["```sh", f"archcalc {shown.command} -o {shown.file}", "```"]
    return "\n".join(lines) + "\n"


def draw(shown: Shown) -> None:
    """Run the command of a picture."""
    from PIL import Image

    from archcalc import cli

    sys.argv = ["archcalc"]
    try:
        cli.main([*shlex.split(shown.command), "-o", str(PICTURES / shown.file)])
    except SystemExit as done:
        if done.code:
            raise
    with Image.open(PICTURES / shown.file) as image:  # a third of the bytes
        small = image.convert("RGB").quantize(128, method=Image.Quantize.MAXCOVERAGE)
    small.save(PICTURES / shown.file, optimize=True)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for each in GALLERY:
        draw(each)
        print(f"wrote docs/pictures/{each.file}")
