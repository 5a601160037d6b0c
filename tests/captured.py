"""A development check: how many modules of the libraries are captured, and whether torch counts the same.

    python -m tests.captured torchvision [--every N] [--only TEXT] [--run] [--output FILE]

With `--run` those that have room are run for real, too: each call has to give the sizes that it gave on `meta`, and
each storage has to be as large, and there as long. Each model has a process of its own, and a limit of time. What
stands in the file of lines of JSON is not done again.
It needs torchvision, timm, transformers, segmentation-models-pytorch or open_clip, which the tests do not install.
Nothing is downloaded: weights are random. What depends on the values of activations is run for real, and says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archcalc.analysis.counts import analyse
from archcalc.errors import ArchcalcError
from archcalc.graph import Typed
from archcalc.runtime import capture, reference, trace
from archcalc.runtime.shadow import OnMeta, Shadow
from archcalc.runtime.skeleton import skeleton, untouched

# Operators that torchvision defines in C++, by their schemas: enough to import it without.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) "
    "-> (Tensor, Tensor)",
    "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio) -> (Tensor, Tensor)",
    "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) "
    "-> (Tensor, Tensor)",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, "
    "SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, "
    "SymInt offset_groups, bool use_mask) -> Tensor",
    "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "SymInt batch_size, SymInt channels, SymInt height, SymInt width, int sampling_ratio, bool aligned) -> Tensor",
    "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor",
    "_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt "
    "pooled_height, SymInt pooled_width, int sampling_ratio, SymInt batch_size, SymInt channels, SymInt height, "
    "SymInt width) -> Tensor",
    "_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt "
    "pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor",
)


def torchvision() -> Any:
    """torchvision, also where its operators are not there or are another torch's."""
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        name = schema.partition("(")[0]
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)  # type: ignore[no-untyped-call]
    torchvision.kept = library  # type: ignore[attr-defined]
    import torchvision as found

    return found


def fcm(module: nn.Module, given: dict[str, trace.Given]) -> int | None:
    """The MACs that torch's own counter sees on `meta`; None where it raises."""
    try:
        with untouched():
            shadow = Shadow()
            module = skeleton(module, shadow).eval().requires_grad_(False)  # else its tracker of modules raises
            inputs = trace.made_on_meta(given, 1, "float32", shadow)
            counter = FlopCounterMode(display=False)
            with torch.no_grad(), shadow, OnMeta(shadow), counter:
                trace.applied(module, inputs)
        return counter.get_total_flops() // 2
    except Exception:
        return None


def of_torchvision() -> Iterator[tuple[str, dict[str, Any]]]:
    """torchvision's classifiers with what it publishes about each of their weights."""
    models = torchvision().models
    for name in models.list_models(module=models):
        for weight in models.get_model_weights(name):
            size = weight.transforms.keywords["crop_size"]
            kwargs = {"image_size": size} if name.startswith("vit_") else {}
            kwargs = {"aux_logits": False} if name == "googlenet" else kwargs  # as it is published
            published = {"params": weight.meta["num_params"], "ops": weight.meta["_ops"]}
            yield name, {"size": (3, size, size), "kwargs": kwargs, **published}


def of_maps() -> Iterator[tuple[str, dict[str, Any]]]:
    """torchvision's models for segmentation, video and optical flow."""
    models = torchvision().models
    for part in (models.segmentation, models.video, models.optical_flow):
        for name in models.list_models(module=part):
            several = {f"image{n}": (3, 128, 128) for n in (1, 2)} if part is models.optical_flow else None
            yield name, {"size": several}


DECODERS = """Unet resnet18 · UnetPlusPlus resnet18 · MAnet resnet18 · Linknet resnet18 · FPN resnet18 · PSPNet resnet18
· PAN resnet18 · DeepLabV3 resnet18 · DeepLabV3Plus resnet18 · UPerNet resnet18 · Segformer resnet18 · Unet mobilenet_v2
· Unet efficientnet-b0"""


def of_smp() -> Iterator[tuple[str, dict[str, Any]]]:
    """Decoders of segmentation-models-pytorch on a ResNet-18, and some other encoders."""
    for name, encoder in (each.split() for each in DECODERS.split("·")):
        made = {"encoder_name": encoder, "encoder_weights": None}
        part = name.lower().removesuffix("plus" if name == "DeepLabV3Plus" else "-")
        yield f"segmentation_models_pytorch.decoders.{part}:{name}", {"size": (3, 256, 256), "kwargs": made}


def of_open_clip() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, tokens in (("ViT-B-32", 77), ("RN50", 77), ("coca_ViT-B-32", 76)):
        given = {"image": (3, 224, 224), "text": Typed((tokens,), "int64")}
        yield "open_clip.factory:create_model", {"size": given, "kwargs": {"model_name": name}}


def of_layers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Layers of torch itself that are networks of their own."""
    for name, kwargs, size in (
        ("LSTM", {"input_size": 64, "hidden_size": 128, "num_layers": 2, "batch_first": True}, (50, 64)),
        ("GRU", {"input_size": 64, "hidden_size": 128, "bidirectional": True, "batch_first": True}, (50, 64)),
        ("RNN", {"input_size": 64, "hidden_size": 128, "batch_first": True}, (50, 64)),
        ("TransformerEncoderLayer", {"d_model": 512, "nhead": 8, "batch_first": True}, (100, 512)),
        ("TransformerDecoderLayer", {"d_model": 512, "nhead": 8, "batch_first": True}, {"0": (10, 512), "1": (9, 512)}),
        ("Transformer", {"d_model": 64, "nhead": 4, "batch_first": True}, {"0": (10, 64), "1": (9, 64)}),
        ("MultiheadAttention", {"embed_dim": 64, "num_heads": 4, "batch_first": True}, dict.fromkeys("012", (9, 64))),
        ("Bilinear", {"in1_features": 5, "in2_features": 6, "out_features": 7}, {"0": (5,), "1": (6,)}),
        ("ConvTranspose3d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3}, (4, 6, 6, 6)),
    ):  # fmt: skip
        yield f"torch.nn:{name}", {"size": size, "kwargs": kwargs}


def of_timm() -> Iterator[tuple[str, dict[str, Any]]]:
    import timm

    for name in timm.list_models():
        yield name, {}


# Kinds of models of transformers, each in its usual size with two layers.
KINDS = """
albert audio-spectrogram-transformer bart beit bert bigbird_pegasus big_bird biogpt bit blenderbot bloom camembert clip
clip_vision_model clip_text_model codegen convbert convnext convnextv2 ctrl cvt deberta deberta-v2 deepseek_v3 deit
dinov2 distilbert dpt efficientnet electra encodec falcon focalnet gemma gemma2 glpn gpt2 gpt_bigcode gpt_neo gpt_neox
gptj hiera hubert ibert layoutlm levit llama longformer longt5 m2m_100 mamba marian mbart mistral mixtral mobilebert
mobilenet_v1 mobilenet_v2 mobilevit mpnet mpt mt5 mvp nystromformer olmo opt pegasus persimmon phi phi3 poolformer
pvt_v2 qwen2 qwen2_moe reformer regnet rembert resnet roberta roc_bert roformer segformer squeezebert stablelm
siglip starcoder2 swin swinv2 t5 timesformer vit vit_mae vit_msn vits wav2vec2 wavlm whisper xglm xlm xlm-roberta
xlnet yolos
"""
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers")
# What goes with the two layers: where the depths of stages say how many there are, they stay.
BESIDE: dict[str, dict[str, Any]] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "convnext": {"num_hidden_layers": 4},
    "convnextv2": {"num_hidden_layers": 4},
}


def of_transformers() -> Iterator[tuple[str, dict[str, Any]]]:
    """A configuration of each kind, in a file of a folder that goes with the process."""
    import transformers

    folder = Path(tempfile.mkdtemp())
    for kind in KINDS.split():
        try:
            usual = transformers.AutoConfig.for_model(kind)
        except ValueError:  # this transformers has none
            continue
        few = {name: 2 for name in LAYERS if isinstance(getattr(usual, name, None), int)}
        path = folder / f"{kind}.json"
        path.write_text(json.dumps({"model_type": kind, **few, **BESIDE.get(kind, {})}))
        yield str(path), {}


GROUPS: dict[str, Callable[[], Iterator[tuple[str, dict[str, Any]]]]] = {
    "torchvision": of_torchvision,
    "maps": of_maps,
    "timm": of_timm,
    "transformers": of_transformers,
    "smp": of_smp,
    "open_clip": of_open_clip,
    "layers": of_layers,
}
HEADS = {"maps": "torchvision", "torchvision": "torchvision", "timm": "timm", "transformers": "transformers"}


LARGE = 250_000_000  # parameters of what is not run for real


def otherwise(module: nn.Module, given: dict[str, trace.Given], made: Callable[[], nn.Module]) -> str:
    """Where a run on the CPU does otherwise than the one on `meta`; nothing where it does not."""
    runs = [capture.Captured(module, given, made=made, example=example).trace()[0] for example in (False, True)]
    calls = [
        [
            (f"{call.op} at {call.file}:{call.line}", [traced.tensors[at].shape for at in call.outputs])
            for call in traced.calls
        ]
        for traced in runs
    ]
    for one, other in zip_longest(*calls):
        if one != other:
            return f"{one} on meta, {other} on the CPU"
    for one, other in zip_longest(*(traced.storages for traced in runs)):
        if one != other and (one is None or other is None or one.born >= 0):
            return f"{one} on meta, {other} on the CPU, of {calls[0][(one or other).born][0]}"
    return ""


def one(group: str, name: str, known: dict[str, Any], counted: bool = True, run: bool = False) -> dict[str, Any]:
    """Capture one model, and hold it against torch's counter, if it is to be counted so, against a real run, if it
    is to be run, and against what is published."""
    name = f"{HEADS[group]}:{name}" if group in HEADS else name
    found: dict[str, Any] = {"model": name, "size": known.get("size"), **known.get("kwargs", {})}
    start = time.perf_counter()
    try:
        module, inputs, made = reference.built(name, known.get("size"), known.get("kwargs", {}))
        found["built"] = round(time.perf_counter() - start, 3)
        start = time.perf_counter()
        try:
            graph = capture.capture(module, inputs)
        except ArchcalcError as error:
            if error.message != trace.DEPENDS:
                raise
            graph, counted, found["example"] = capture.capture(module, inputs, example=True, made=made), False, True
        found["seconds"] = round(time.perf_counter() - start, 3)
    except ArchcalcError as error:
        return found | {"error": error.render()}
    totals = analyse(graph).totals
    found |= {"params": totals.params, "macs": totals.macs, "nodes": len(graph.nodes)}
    found["peak"] = totals.peak_memory_bytes
    own = sum(parameter.numel() for parameter in module.parameters())
    problems = [] if own == totals.params else [f"params {own:,} by torch"]
    macs = fcm(module, inputs) if counted else totals.macs
    if macs not in (None, totals.macs):
        problems.append(f"FCM {macs}")
    found |= {"FCM": "raised"} if macs is None else {}
    if run and "example" not in found and own <= LARGE:
        found["run"] = otherwise(module, inputs, made) or "the same"
    if known.get("params") not in (None, totals.params):
        problems.append(f"published params {known['params']:,}")
    if known.get("ops") not in (None, round(totals.macs / 1e9, 3)):
        problems.append(f"published {known['ops']} G")
    return found | ({"problems": problems} if problems else {})


def apart(limit: float, *asked: Any) -> dict[str, Any]:
    """What `one` finds in a process of its own, or that it took too long."""
    with get_context("fork").Pool(1) as pool:
        try:
            found: dict[str, Any] = pool.apply_async(one, asked).get(limit)
        except TimeoutError:
            return {"model": asked[1], "error": f"not captured within {limit:.0f} s"}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--limit", type=float, default=240, help="seconds a model")
    asked = parser.parse_args()
    torchvision()  # timm imports it, too
    every = [entry for entry in GROUPS[asked.group]() if asked.only in entry[0]]
    there = asked.output.read_text(encoding="utf-8") if asked.output and asked.output.exists() else ""
    rows = {row["asked"]: row for row in map(json.loads, there.splitlines())}
    for number, (name, known) in [*enumerate(every)][asked.first :: asked.every]:
        key = f"{Path(name).name} {number}"
        if key in rows:
            continue
        rows[key] = {"asked": key, **apart(asked.limit, asked.group, name, known, True, asked.run)}
        print(json.dumps(rows[key]), flush=True)
        if asked.output:
            with asked.output.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(rows[key])}\n")
    same = [row["run"] == "the same" for row in rows.values() if "run" in row]
    if same:
        print(f"{sum(same)} of {len(same)} run so", file=sys.stderr)
    good = sum("error" not in row and "problems" not in row for row in rows.values())
    print(f"{good} of {len(rows)} agree", file=sys.stderr)


if __name__ == "__main__":
    main()
