"""A development check: which libraries' implementations are the networks that ship, node by node.

    python -m tests.twins_of_code [--only TEXT] [--write]

It needs torchvision, timm, open_clip and transformers, of which nothing is downloaded: weights are random, on `meta`.
`--write` writes docs/twins.md; without it a line a pair is printed. `tests/twins.py` holds outputs against each other.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from archcalc.alignment.align import Difference, align
from archcalc.errors import ArchcalcError
from archcalc.graph import Graph
from archcalc.language.zoo import select_text
from archcalc.models import load
from archcalc.runtime import capture, reference, trace
from tests.captured import torchvision

SPECS = Path(__file__).resolve().parent.parent / "specs"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "twins.md"
SHOWN = 3  # kinds of differences that are named
# By library what it calls the networks that ship; one that ships under several names stands in several lines.
NAMES = {
    "torchvision": """
        alexnet-torchvision alexnet · vgg11 vgg11 · vgg13 vgg13 · vgg16 vgg16 · vgg19 vgg19
        vgg11-bn vgg11_bn · vgg13-bn vgg13_bn · vgg16-bn vgg16_bn · vgg19-bn vgg19_bn
        resnet18 resnet18 · resnet34 resnet34 · resnet50 resnet50 · resnet50-v1.5 resnet50
        resnet101-v1.5 resnet101 · resnet152-v1.5 resnet152 · wide-resnet50-2 wide_resnet50_2
        wide-resnet101-2 wide_resnet101_2 · resnext50-32x4d resnext50_32x4d · resnext101-32x8d resnext101_32x8d
        resnext101-64x4d resnext101_64x4d · densenet121 densenet121 · densenet161 densenet161
        densenet169 densenet169 · densenet201 densenet201 · googlenet-torchvision googlenet · googlenet googlenet
        inception-v3 inception_v3 · squeezenet1.0 squeezenet1_0 · squeezenet1.1 squeezenet1_1
        mobilenetv2 mobilenet_v2 · mobilenetv3-large mobilenet_v3_large · mobilenetv3-small mobilenet_v3_small
        mnasnet-b1 mnasnet1_0 · mnasnet-b1-0.5 mnasnet0_5 · mnasnet-b1-0.75 mnasnet0_75 · mnasnet-b1-1.3 mnasnet1_3
        shufflenetv2-0.5 shufflenet_v2_x0_5 · shufflenetv2-1.0 shufflenet_v2_x1_0
        shufflenetv2-1.5 shufflenet_v2_x1_5 · shufflenetv2-2.0 shufflenet_v2_x2_0
        efficientnet-b0 efficientnet_b0 · efficientnet-b1 efficientnet_b1 · efficientnet-b2 efficientnet_b2
        efficientnet-b3 efficientnet_b3 · efficientnet-b4 efficientnet_b4 · efficientnet-b5 efficientnet_b5
        efficientnet-b6 efficientnet_b6 · efficientnet-b7 efficientnet_b7 · efficientnetv2-s efficientnet_v2_s
        efficientnetv2-m efficientnet_v2_m · efficientnetv2-l efficientnet_v2_l
        regnetx-400mf regnet_x_400mf · regnetx-400mf-torchvision regnet_x_400mf · regnetx-800mf regnet_x_800mf
        regnetx-1.6gf regnet_x_1_6gf · regnetx-3.2gf regnet_x_3_2gf · regnetx-8.0gf regnet_x_8gf
        regnetx-16gf regnet_x_16gf · regnetx-32gf regnet_x_32gf · regnety-400mf regnet_y_400mf
        regnety-800mf regnet_y_800mf · regnety-800mf-torchvision regnet_y_800mf · regnety-1.6gf regnet_y_1_6gf
        regnety-3.2gf regnet_y_3_2gf · regnety-8.0gf regnet_y_8gf · regnety-8.0gf-torchvision regnet_y_8gf
        regnety-16gf regnet_y_16gf · regnety-32gf regnet_y_32gf · regnety-128gf regnet_y_128gf
        convnext-tiny convnext_tiny · convnext-small convnext_small · convnext-base convnext_base
        convnext-large convnext_large · vit-b-16 vit_b_16 · vit-b-32 vit_b_32 · vit-l-16 vit_l_16
        vit-l-32 vit_l_32 · vit-h-14 vit_h_14 · swin-t swin_t · swin-s swin_s · swin-b swin_b · swinv2-t swin_v2_t
        maxvit-t maxvit_t · r3d-18 r3d_18 · r2plus1d-18-torchvision r2plus1d_18 · fcn-resnet50 fcn_resnet50
        deeplabv3-resnet50 deeplabv3_resnet50
    """,
    "timm": """
        vgg11 vgg11 · vgg16 vgg16 · vgg19 vgg19 · vgg16-bn vgg16_bn · resnet18 resnet18 · resnet34 resnet34
        resnet50-v1.5 resnet50 · resnet101-v1.5 resnet101 · resnet152-v1.5 resnet152
        wide-resnet50-2 wide_resnet50_2 · wide-resnet101-2 wide_resnet101_2 · resnext50-32x4d resnext50_32x4d
        resnext101-32x4d resnext101_32x4d · resnext101-32x8d resnext101_32x8d · resnext101-64x4d resnext101_64x4d
        se-resnet50 legacy_seresnet50 · se-resnet101 legacy_seresnet101 · se-resnet152 legacy_seresnet152
        se-resnext50-32x4d legacy_seresnext50_32x4d · se-resnext101-32x4d legacy_seresnext101_32x4d
        senet154 legacy_senet154 · bit-r50x1 resnetv2_50x1_bit · bit-r101x3 resnetv2_101x3_bit
        densenet121 densenet121 · densenet161 densenet161 · densenet169 densenet169 · densenet201 densenet201
        dpn-92 dpn92 · dpn-98 dpn98 · dpn-131 dpn131 · ghostnet ghostnet_100 · ghostnet-0.5 ghostnet_050
        ghostnet-1.3 ghostnet_130 · hrnet-w18 hrnet_w18 · hrnet-w32 hrnet_w32 · hrnet:HRNet-W48-C hrnet_w48
        inception-v3 inception_v3 · inception-v4 inception_v4 · inception-resnet-v2 inception_resnet_v2
        xception legacy_xception · mixer-s-32 mixer_s32_224 · mixer-b-16 mixer_b16_224 · mixer-l-16 mixer_l16_224
        convmixer-768-32 convmixer_768_32 · convmixer:ConvMixer-1536/20 convmixer_1536_20
        mobilenetv1 mobilenetv1_100 · mobilenetv2 mobilenetv2_100 · mobilenetv2-1.4 mobilenetv2_140
        mobilenetv2-0.75 mobilenetv2_075 · mobilenetv2-0.5 mobilenetv2_050 · mobilenetv2-0.35 mobilenetv2_035
        mobilenetv3-large mobilenetv3_large_100 · mobilenetv3-small mobilenetv3_small_100
        mobilenetv3-large-0.75 mobilenetv3_large_075 · mobilenetv3-small-0.75 mobilenetv3_small_075
        mnasnet-b1 mnasnet_100 · mnasnet-b1-0.5 mnasnet_050 · mnasnet-b1-0.75 mnasnet_075
        mnasnet-a1 semnasnet_100 · efficientnet-b0 efficientnet_b0 · efficientnet-b1 efficientnet_b1
        efficientnet-b2 efficientnet_b2 · efficientnet-b3 efficientnet_b3 · efficientnet-b4 efficientnet_b4
        efficientnet-b5 efficientnet_b5 · efficientnet-b6 efficientnet_b6 · efficientnet-b7 efficientnet_b7
        efficientnet-l2 efficientnet_l2 · efficientnetv2-s efficientnetv2_s · efficientnetv2-m efficientnetv2_m
        efficientnetv2-l efficientnetv2_l · nasnet-a-large nasnetalarge · pnasnet-5-large pnasnet5large
        regnetx-200mf regnetx_002 · regnetx-400mf regnetx_004 · regnetx-600mf regnetx_006 · regnetx-800mf regnetx_008
        regnetx-1.6gf regnetx_016 · regnetx-3.2gf regnetx_032 · regnetx-4.0gf regnetx_040 · regnetx-6.4gf regnetx_064
        regnetx-8.0gf regnetx_080 · regnetx-12gf regnetx_120 · regnetx-16gf regnetx_160 · regnetx-32gf regnetx_320
        regnety-200mf regnety_002 · regnety-400mf regnety_004 · regnety-600mf regnety_006 · regnety-800mf regnety_008
        regnety-1.6gf regnety_016 · regnety-3.2gf regnety_032 · regnety-4.0gf regnety_040 · regnety-6.4gf regnety_064
        regnety-8.0gf regnety_080 · regnety-12gf regnety_120 · regnety-16gf regnety_160 · regnety-32gf regnety_320
        repvgg-a0 repvgg_a0 · mobileone-s0 mobileone_s0
        fasternet-t0 fasternet_t0 · fasternet:FasterNet-T1 fasternet_t1 · fasternet:FasterNet-T2 fasternet_t2
        fasternet:FasterNet-S fasternet_s · fasternet:FasterNet-M fasternet_m · fasternet:FasterNet-L fasternet_l
        convnext-tiny convnext_tiny · convnext-small convnext_small · convnext-base convnext_base
        convnext-large convnext_large · convnextv2-tiny convnextv2_tiny · convnextv2:ConvNeXt@V2-Atto convnextv2_atto
        convnextv2:ConvNeXt@V2-Base convnextv2_base · vit-b-16 vit_base_patch16_224 · vit-b-32 vit_base_patch32_224
        vit-l-16 vit_large_patch16_224 · vit-l-32 vit_large_patch32_224 · vit-h-14 vit_huge_patch14_224
        deit:DeiT-S deit_small_patch16_224 · deit-s-distilled deit_small_distilled_patch16_224
        swin-t swin_tiny_patch4_window7_224 · swin-s swin_small_patch4_window7_224
        swin-b swin_base_patch4_window7_224 · swinv2-t swinv2_tiny_window8_256 · maxvit-t maxvit_tiny_tf_224
        coatnet-0 coatnet_0_224 · coatnet-0-timm coatnet_0_224 · coatnet-1-timm coatnet_1_224
        mobilevit-s mobilevit_s · mobilevit:XS mobilevit_xs · mobilevit:XXS mobilevit_xxs · pvt-v2-b2 pvt_v2_b2
        pvt-v2:PVTv2-B0 pvt_v2_b0 · pvt-v2:PVTv2-B5 pvt_v2_b5 · darknet53 darknet53
        sam-b-encoder samvit_base_patch16
    """,
    "open_clip": """
        clip-rn50 RN50-quickgelu · clip-rn101 RN101-quickgelu · clip-rn50x4 RN50x4-quickgelu
        clip-rn50x16 RN50x16-quickgelu · clip-rn50x64 RN50x64-quickgelu · clip-vit-b-32 ViT-B-32-quickgelu
        clip-vit-b-16 ViT-B-16-quickgelu · clip-vit-l-14 ViT-L-14-quickgelu
    """,
    "transformers": """
        resnet50-v1.5 ResNetForImageClassification · vit-b-16 ViTForImageClassification
        convnext-tiny ConvNextForImageClassification · mobilenetv2 MobileNetV2ForImageClassification
        mobilenetv1 MobileNetV1ForImageClassification · regnety-4.0gf RegNetForImageClassification
        bit-r50x1 BitForImageClassification
        gpt2 GPT2LMHeadModel · bert-base BertModel · llama-7b LlamaForCausalLM
        t5-small T5ForConditionalGeneration · clip-vit-b-32 CLIPVisionModelWithProjection
        cvt-13 CvtForImageClassification
        swin-t SwinForImageClassification · detr-resnet50 DetrForObjectDetection
    """,
}


@dataclass(frozen=True)
class Pair:
    """A network that ships, and what a library has under its name; what came of it."""

    model: str
    library: str
    name: str

    @property
    def called(self) -> str:
        return f"{self.library} {self.name}"


def pairs() -> Iterator[Pair]:
    """All pairs of `NAMES`."""
    for library, text in NAMES.items():
        for line in text.strip().splitlines():
            for entry in line.split("·"):
                model, name = entry.split()
                yield Pair(model.replace("@", " "), library, name)


def module(pair: Pair, shape: tuple[int, ...]) -> nn.Module:
    """The library's module, on `meta`. Raises what the library does."""
    if pair.library in ("torchvision", "timm"):
        kwargs: dict[str, Any] = {"aux_logits": False} if pair.name == "googlenet" else {}
        kwargs |= {"num_classes": 1000} if pair.library == "timm" and pair.name.startswith("vit_") else {}
        side = {"image_size": shape[1]} if pair.name.startswith("vit_") and pair.library == "torchvision" else {}
        return reference.built(f"{pair.library}:{pair.name}", shape, kwargs | side)[0]
    if pair.library == "open_clip":
        made: Any = reference._made(lambda: import_module("open_clip").create_model(pair.name))
        return made.visual  # type: ignore[no-any-return]
    kind = getattr(import_module("transformers"), pair.name)
    labels = 1000 if pair.name.endswith("ImageClassification") else LABELS.get(pair.name)
    config = kind.config_class(**({"num_labels": labels} if labels else {}))
    config.use_cache = False
    made = reference._made(lambda: kind(config))
    return Only(made, ONE[pair.name]) if pair.name in ONE else made


class Only(nn.Module):
    """A module of which those outputs are taken that the network gives."""

    def __init__(self, module: nn.Module, outputs: str) -> None:
        super().__init__()
        self.module, self.outputs = module, outputs.split()

    def forward(self, **given: Any) -> Any:
        found = self.module(**given)
        return tuple(found[name] for name in self.outputs)


# What the networks that ship give of what others give.
ONE = {
    "BertModel": "pooler_output", "T5ForConditionalGeneration": "logits",
    "CLIPVisionModelWithProjection": "image_embeds", "DetrForObjectDetection": "logits pred_boxes",
}  # fmt: skip
LABELS = {"DetrForObjectDetection": 91}  # COCO's ids, as the network that ships has them
TOWER = ("  - I: image vision\n  - T: text words linear(e, bias=False)\n  - I similarity(T)\n", "  - vision\n")


def graph_of(pair: Pair) -> Graph:
    """The network that ships; of two towers the one that libraries have as a module."""
    if not pair.model.startswith("clip"):
        return load(pair.model).graph
    text = (SPECS / "clip.yaml").read_text(encoding="utf-8")
    assert TOWER[0] in text
    text = text.replace(*TOWER).replace(
        "input:  {image: 3 × resolution × resolution, text: 77}", "input: 3 × resolution × resolution"
    )
    return load(select_text(f"clip.yaml:{pair.model}", text)).graph


def code(pair: Pair, graph: Graph) -> Graph:
    """The graph of the library's module at the input of the network that ships."""
    made = module(pair, graph.inputs[0][1])
    names = [""] if pair.library != "transformers" else _names(made, len(graph.inputs))
    given = {
        name: trace.Given(tuple(shape), "int64" if len(shape) == 1 else "")
        for name, (_, shape) in zip(names, graph.inputs, strict=False)
    }
    return capture.capture(made, given, name=pair.called)


def _names(made: Any, count: int) -> list[str]:
    made = made.module if isinstance(made, Only) else made
    first = getattr(made, "main_input_name", "input_ids")
    more = ["token_type_ids"] if type(made).__name__ == "BertModel" else ["decoder_input_ids"]
    return [first, *more][:count]


def said(differences: tuple[Difference, ...]) -> str:
    """The differences in a few words, alike ones together."""
    kinds: dict[str, int] = {}
    for one in differences:
        only = {"only in the first": "here ", "only in the second": "there "}.get(one.kind, "")
        what = f"{only}{one.what}"
        kinds[what] = kinds.get(what, 0) + 1
    parts = [what if count == 1 else f"{count} × {what}" for what, count in kinds.items()]
    more = f" and {len(parts) - SHOWN:,} more" if len(parts) > SHOWN else ""
    return "; ".join(parts[:SHOWN]) + more


def held(pair: Pair) -> dict[str, Any]:
    """What comes of a pair."""
    found: dict[str, Any] = {"model": pair.model, "library": pair.library, "name": pair.name}
    try:
        graph = graph_of(pair)
        alignment = align(graph, code(pair, graph))
    except ArchcalcError as error:
        return found | {"error": error.render().splitlines()[0]}
    except Exception as error:  # whatever a library raises
        return found | {"error": f"{type(error).__name__}: {error}"[:200]}
    return found | {
        "verdict": alignment.verdict, "places": len(alignment.differences), "said": said(alignment.differences),
        "left_out": alignment.left_out,
    }  # fmt: skip


HEAD = """\
<!-- Written by `python -m tests.twins_of_code --write`, with {versions}. -->
# Whose code is the paper's network
Networks that ship, held against the implementations that go by their names, node by node, as `archcalc compare A B
--diff` does: {equal} of {all} pairs are equal. *Here* is the network that ships, *there* the library's; an arrow goes
from here to there. A softmax behind the last layer is left out.

Windows, heads, masks, biases, cosines, rotary and relative positions, and functions that code writes out are compared
as what they are. What else it makes of products and views is compared operator by operator, and may be the same where
it is listed as another.
"Biases of differences by head backwards" are the same biases in a table that stands the other way round, heads first.
torchvision's Swin V2 has biases of keys that it overwrites with zeros each time: it computes what the paper's does, and
has parameters for nothing. A spec of two towers is held by the one for images, which libraries have as a module; of
BERT, T5 and CLIP one output is taken, and no keys and values are kept.

| network | is it | is another, or not compared: where |
|---|---|---|
"""


def page(rows: list[dict[str, Any]]) -> str:
    """The page of docs: a line a network."""
    versions = ", ".join(f"{name} {import_module(name).__version__.partition('+')[0]}" for name in ("torch", *NAMES))
    equal = sum(row.get("verdict", "").startswith("equal") for row in rows)
    lines = []
    for model in dict.fromkeys(row["model"] for row in rows):
        good, bad = [], []
        for row in (row for row in rows if row["model"] == model):
            name = f"{row['library']} `{row['name']}`"
            if row.get("verdict", "").startswith("equal"):
                order = " (up to the order of a concat)" if row["places"] else ""
                good.append(name + order)
            else:
                what = row.get("error") or f"{row['places']:,} place{'s' * (row['places'] != 1)}: {row['said']}"
                bad.append(f"{name}: {what}")
        lines.append(f"| {model} | {' · '.join(good)} | {' · '.join(bad).replace('|', '∣')} |\n")
    return HEAD.format(versions=versions, equal=equal, all=len(rows)) + "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    torchvision()  # timm imports it, too
    rows = []
    for pair in pairs():
        if asked.only in f"{pair.model} {pair.called}":
            rows.append(held(pair))
            print(json.dumps(rows[-1]), flush=True)
    good = sum(row.get("verdict", "").startswith("equal") for row in rows)
    print(f"{good} of {len(rows)} are equal", file=sys.stderr)
    if asked.write:
        PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
