"""Whether the torch twin of a spec is the function of other people's module: same weights, same input, same output.

`python -m tests.twins [MODEL …]` prints a line a model; `tests/test_twins.py` runs the table where the libraries are
installed. Nothing is downloaded: the weights are random ones of the library's module, copied across.

Parameters are paired in the order in which they are used, by kind and shape; where a library keeps several in one
tensor (`in_proj_weight`, `qkv`), or in another order, the row says so.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

import archcalc
from archcalc.ops import Shape
from archcalc.runtime.network import example_inputs

Build = Callable[[], nn.Module]


@dataclass(frozen=True)
class Twin:
    """A model of the zoo and the module that is the same function; `made` is `library:name`, with options behind it.

    `config` goes to a configuration of transformers. `split` says which tensors hold several of ours, one behind the
    other: a pattern and how many. `later` are patterns of names that ours uses behind all others of the module in front
    of the match, `behind` pairs of patterns, of which the first go behind the second. `eps` is that of all its norms
    where ours have another, `layer_eps` that of those that are no batch norms; `changed` is what is done to the module
    first, `skip` are those that the function does not use, `transposed` weights that are [in, out] there. `inputs`
    makes what the library's module is given of ours; `output` picks what is compared of what it returns."""

    model: str
    made: str
    input: Shape | None = None
    config: tuple[tuple[str, Any], ...] = ()
    settings: tuple[tuple[str, int], ...] = ()
    split: tuple[tuple[str, int], ...] = ((r"in_proj_(weight|bias)$", 3), (r"\bqkv\.(weight|bias)$", 3))
    skip: tuple[str, ...] = ()
    output: Callable[[Any], Tensor] | None = None
    inputs: Callable[..., tuple[Any, ...]] | None = None
    transposed: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    behind: tuple[tuple[str, str], ...] = ()
    eps: float | None = None
    layer_eps: float | None = None
    changed: Callable[[nn.Module], None] | None = None
    logits: bool = True


def _kind(name: str) -> str:
    last = name.rpartition(".")[2].partition("[")[0]
    return next((kind for kind in ("running_mean", "running_var", "bias") if last.endswith(kind)), "weight")


def used(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[list[tuple[str, Tensor]], Any]:
    """The parameters and running statistics of a module in the order in which a run meets their owners; its output."""
    names, hooks = dict[int, str](), []
    found: dict[str, Tensor] = {}

    def meet(owner: nn.Module, *_: Any) -> None:
        for name, tensor in (*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)):
            if tensor.is_floating_point() and name not in owner._non_persistent_buffers_set:
                found.setdefault(f"{names[id(owner)]}.{name}".lstrip("."), tensor)

    for name, child in module.named_modules():
        names.setdefault(id(child), name)
        hooks.append(child.register_forward_pre_hook(meet))
    with torch.inference_mode():
        output = module(*inputs)
    for hook in hooks:
        hook.remove()
    order = list(found)
    state = module.state_dict()
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):  # what torch uses without its module
        if name in found or name not in state or not tensor.is_floating_point():
            continue
        above, at = name, len(order)
        while above := above.rpartition(".")[0]:
            beside = [n for n, other in enumerate(order) if other.startswith(f"{above}.")]
            if beside:
                at = beside[-1] + 1
                break
        order.insert(at, name)
        found[name] = tensor
    return [(name, found[name]) for name in order], output


def _moved(twin: Twin, theirs: list[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    """With those that `later` names behind all others of the module that they stand in, and those of `behind`."""
    for pattern in twin.later:
        names = [name for name, _ in theirs]
        for name in [name for name in names if re.search(pattern, name)]:
            match = re.search(pattern, name)
            assert match is not None
            prefix, n = name[: match.start()], [name for name, _ in theirs].index(name)
            item = theirs.pop(n)
            behind = [n for n, (other, _) in enumerate(theirs) if other.startswith(prefix)]
            theirs.insert(behind[-1] + 1 if behind else n, item)
    for pattern, other in twin.behind:
        moved = [pair for pair in theirs if re.search(pattern, pair[0])]
        theirs = [pair for pair in theirs if not re.search(pattern, pair[0])]
        at = max(n for n, (name, _) in enumerate(theirs) if re.search(other, name)) + 1
        theirs[at:at] = moved
    return theirs


def randomised(module: nn.Module) -> nn.Module:
    """The module with norms, biases and statistics that are not what they begin as, so that none can be left out."""
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():  # not what a module computes for itself, as rotary angles
            if not tensor.is_floating_point() or tensor.device.type == "meta":
                continue
            noise = torch.rand(tensor.shape, generator=drawn)
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.copy_(0.75 + noise / 2)
            elif tensor.ndim <= 1 or not tensor.any():
                tensor.copy_((noise - 0.5) / 5)
    return module.eval()


def _parts(twin: Twin, theirs: list[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in theirs:
        if any(re.search(pattern, name) for pattern in twin.transposed):
            tensor = tensor.T
        count = next((count for pattern, count in twin.split if re.search(pattern, name)), 1)
        for n, part in enumerate(tensor.chunk(count)):
            called = name if count == 1 else f"{name}[{n}]"
            if not any(re.search(pattern, called) for pattern in twin.skip):
                yield called, part


def carry(twin: Twin, ours: nn.Module, theirs: list[tuple[str, Tensor]]) -> dict[str, str]:
    """Copy their weights into ours, and return which went where. Raises ValueError where one has no partner."""
    left = dict(_parts(twin, _moved(twin, theirs)))
    state, pairs = ours.state_dict(), dict[str, str]()
    for key, tensor in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        name = next(
            (name for name, other in left.items() if _kind(name) == _kind(key) and _alike(other.shape, tensor.shape)),
            None,
        )
        if name is None:
            raise ValueError(f"nothing is left for {key} {tuple(tensor.shape)}; there are {_listed(left)}")
        state[key] = left.pop(name).reshape(tensor.shape).clone()
        pairs[key] = name
    if left:
        raise ValueError(f"left over are {_listed(left)}")
    ours.load_state_dict(state)
    return pairs


def _alike(theirs: torch.Size, ours: torch.Size) -> bool:
    """Whether the shapes are one, differ by axes of 1 that one of them has not, or theirs has the places of a map where
    ours has tokens."""
    if len(theirs) == len(ours) == 4:
        return theirs == ours
    plain = [tuple(size for size in shape if size > 1) for shape in (theirs, ours)]
    flat = len(ours) == 2 and theirs[:1] == (1,) and theirs[-1] == ours[-1] and theirs.numel() == ours.numel()
    return plain[0] == plain[1] or flat


def _listed(left: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in list(left.items())[:4]) or "none"


def make(twin: Twin) -> nn.Module:
    """The library's module. Raises ImportError where the library is missing."""
    library, _, words = twin.made.partition(":")
    name, *options = words.split()
    given = {key: {"True": True, "False": False}[value] for key, value in (option.split("=") for option in options)}
    if library == "timm":
        found: nn.Module = import_module("timm").create_model(name, pretrained=False, **given)
    elif library == "transformers":
        transformers = import_module("transformers")
        kind = getattr(transformers, name)
        found = kind(kind.config_class(**dict(twin.config)))
    else:
        backbone = {"weights_backbone": None} if re.search(r"_(resnet|mobilenet)\w+$|^ssd", name) else {}
        found = import_module("torchvision.models").get_model(name, weights=None, **backbone, **given)
    return found


def difference(twin: Twin) -> float:
    """The largest difference between the outputs, as a part of the largest output. Raises ValueError where the weights
    do not fit, ImportError where the library is missing."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = randomised(make(twin))
        if twin.changed:
            twin.changed(theirs)
        model = archcalc.load(twin.model, input=twin.input, settings=dict(twin.settings))
        ours = model.torch(logits=twin.logits).eval()
        inputs = example_inputs(model.graph, 2, seed=0)
        state, output = used(theirs, twin.inputs(*inputs) if twin.inputs else tuple(inputs))
        carry(twin, ours, state)
        for norm in ours.modules():
            eps = twin.eps if isinstance(norm, nn.modules.batchnorm._BatchNorm) else twin.layer_eps or twin.eps
            if eps is not None and "eps" in vars(norm):
                vars(norm)["eps"] = eps
        with torch.inference_mode():
            mine = ours(*inputs)
    wanted = twin.output(output) if twin.output else output
    wanted = wanted if isinstance(wanted, Tensor) else next(iter(wanted.values()))
    mine = mine if isinstance(mine, Tensor) else mine[0]
    return float((mine.reshape(wanted.shape) - wanted).abs().max() / wanted.abs().max())


def by_heads(module: nn.Module) -> None:
    """Scores divided by the root of a head's width, as MaxViT's paper has it; torchvision takes all heads' together."""
    for part in module.modules():
        if hasattr(part, "scale_factor"):
            part.scale_factor = part.head_dim**-0.5  # type: ignore[operator]


LLAMA = (
    ("num_hidden_layers", 2),
    ("hidden_size", 64),
    ("intermediate_size", 96),
    ("num_attention_heads", 8),
    ("vocab_size", 211),
)
SMALL = (("layers", 2), ("dimension", 64), ("ffn", 96), ("heads", 8), ("V", 211), ("tokens", 20))
TWINS = (
    Twin("alexnet-torchvision", "torchvision:alexnet", (3, 224, 224)),
    Twin("vgg11", "torchvision:vgg11", (3, 224, 224)),
    Twin("vgg16", "torchvision:vgg16", (3, 224, 224)),
    Twin("resnet18", "torchvision:resnet18", (3, 64, 64)),
    Twin("resnet50-v1.5", "torchvision:resnet50", (3, 64, 64)),
    Twin("resnext50-32x4d", "torchvision:resnext50_32x4d", (3, 64, 64)),
    Twin("densenet121", "torchvision:densenet121", (3, 64, 64)),
    Twin("googlenet-torchvision", "torchvision:googlenet aux_logits=False init_weights=False", (3, 224, 224), eps=1e-3),
    Twin("squeezenet1.0", "torchvision:squeezenet1_0", (3, 64, 64)),
    Twin("mobilenetv2", "torchvision:mobilenet_v2", (3, 64, 64)),
    Twin("mobilenetv3-large", "torchvision:mobilenet_v3_large", (3, 64, 64), eps=1e-3),
    Twin("mobilenetv3-small", "torchvision:mobilenet_v3_small", (3, 64, 64), eps=1e-3),
    Twin("mnasnet-b1", "torchvision:mnasnet1_0", (3, 64, 64)),
    Twin("shufflenetv2-1.0", "torchvision:shufflenet_v2_x1_0", (3, 64, 64)),
    Twin("efficientnet-b0", "torchvision:efficientnet_b0", (3, 64, 64)),
    Twin("convnext-tiny", "torchvision:convnext_tiny", (3, 64, 64), later=("layer_scale$",)),
    Twin("ghostnet", "timm:ghostnet_100", (3, 64, 64)),
    Twin("repvgg-a0", "timm:repvgg_a0", (3, 64, 64), later=(r"conv_1x1\.", r"identity\.")),
    Twin("mobileone-s0", "timm:mobileone_s0", (3, 64, 64), later=(r"conv_scale\.", r"identity\.")),
    Twin("fasternet-t0", "timm:fasternet_t0", (3, 64, 64)),
    Twin("convnextv2-tiny", "timm:convnextv2_tiny", (3, 64, 64)),
    Twin("hrnet-w18", "timm:hrnet_w18", (3, 64, 64)),
    Twin(
        "pvt-v2-b2",
        "timm:pvt_v2_b2",
        (3, 64, 64),
        split=((r"\bkv\.(weight|bias)$", 2),),
        later=(r"(?<=attn\.)q\.", r"(?<=attn\.)kv\.", r"(?<=attn\.)proj\."),
    ),
    Twin("mobilevit-s", "timm:mobilevit_s", (3, 64, 64), eps=1e-5),
    Twin("efficientnetv2-s", "torchvision:efficientnet_v2_s", (3, 64, 64), eps=1e-3),
    Twin("r3d-18", "torchvision:r3d_18", (3, 8, 32, 32)),
    Twin("r2plus1d-18-torchvision", "torchvision:r2plus1d_18", (3, 8, 32, 32)),
    Twin("regnety-400mf", "torchvision:regnet_y_400mf", (3, 64, 64), later=(r"proj\.",)),
    Twin(
        "mamba-130m",
        "transformers:MambaForCausalLM",
        (50,),
        config=(("hidden_size", 768), ("num_hidden_layers", 4), ("vocab_size", 50280)),
        settings=(("N", 4),),
        skip=("lm_head",),
        output=lambda found: found.logits,
    ),
    Twin("fcn-resnet50", "torchvision:fcn_resnet50", (3, 64, 64)),
    Twin("deeplabv3-resnet50", "torchvision:deeplabv3_resnet50", (3, 64, 64)),
    Twin("swin-t", "torchvision:swin_t", (3, 224, 224)),
    Twin("swinv2-t", "torchvision:swin_v2_t", (3, 256, 256), skip=("_coords_table", r"qkv\.bias\[1\]$")),
    Twin(
        "maxvit-t",
        "torchvision:maxvit_t",
        (3, 224, 224),
        split=((r"to_qkv\.(weight|bias)$", 3),),
        eps=1e-3,
        layer_eps=1e-5,
        changed=by_heads,
    ),
    Twin("hrnet-w32", "timm:hrnet_w32", (3, 64, 64)),
    Twin("vit-b-16", "torchvision:vit_b_16", (3, 224, 224)),
    Twin("densenet161", "torchvision:densenet161", (3, 64, 64)),
    Twin("wide-resnet50-2", "timm:wide_resnet50_2", (3, 64, 64)),
    Twin("mixer-s-32", "timm:mixer_s32_224"),
    Twin("convmixer-768-32", "timm:convmixer_768_32", (3, 70, 70)),
    Twin(
        "gpt2",
        "transformers:GPT2LMHeadModel",
        config=(("n_layer", 2), ("n_embd", 96), ("n_head", 4), ("vocab_size", 211)),
        settings=(("L", 2), ("d_model", 96), ("heads", 4), ("V", 211), ("tokens", 20)),
        split=((r"c_attn\.(weight|bias)$", 3),),
        transposed=(r"c_\w+\.weight$",),
        skip=("lm_head",),
        output=lambda found: found.logits,
    ),
    Twin(
        "bert-base",
        "transformers:BertModel",
        config=(("num_hidden_layers", 2), ("vocab_size", 211)),
        settings=(("L", 2), ("V", 211), ("tokens", 20)),
        inputs=lambda words, segments: (words, None, segments),
        output=lambda found: found.pooler_output,
    ),
    *(
        Twin(
            model,
            "transformers:LlamaForCausalLM",
            config=(*LLAMA, ("num_key_value_heads", shared), ("rms_norm_eps", eps), ("rope_parameters", rope)),
            settings=(*SMALL, ("kv_heads", shared)),
            output=lambda found: found.logits,
        )
        for model, shared, eps, rope in (
            ("llama-7b", 8, 1e-6, {"rope_type": "default", "rope_theta": 10_000.0}),
            ("llama-3-8b", 2, 1e-5, {"rope_type": "default", "rope_theta": 500_000.0}),
        )
    ),
    Twin(
        "t5-small",
        "transformers:T5ForConditionalGeneration",
        config=(("num_layers", 2), ("vocab_size", 211)),
        settings=(("layers", 2), ("V", 211), ("tokens", 20)),
        skip=("lm_head", "embed_tokens"),
        inputs=lambda source, target: (source, None, target),
        output=lambda found: found.logits,
    ),
    Twin("regnety-800mf-torchvision", "torchvision:regnet_y_800mf", (3, 64, 64), later=(r"proj\.",)),
    Twin("mnasnet-b1-0.5", "torchvision:mnasnet0_5", (3, 64, 64)),
    Twin("shufflenetv2-0.5", "torchvision:shufflenet_v2_x0_5", (3, 64, 64)),
    Twin("wide-resnet101-2", "timm:wide_resnet101_2", (3, 64, 64)),
    Twin("mixer-b-16", "timm:mixer_b16_224"),
    Twin("vgg16-bn", "torchvision:vgg16_bn", (3, 224, 224)),
    Twin("swin-s", "torchvision:swin_s", (3, 224, 224)),
    Twin("bit-r50x1", "timm:resnetv2_50x1_bit", (3, 64, 64), later=(r"downsample\.",)),
    Twin("deit-s-distilled", "timm:deit_small_distilled_patch16_224", behind=(("cls_token$", "dist_token$"),)),
)


def main(names: list[str]) -> None:
    """Print how far each twin is from its library's module."""
    for twin in TWINS:
        if not names or twin.model in names:
            try:
                print(f"{twin.model:24} {twin.made:40} {difference(twin):.1e}", flush=True)
            except Exception as error:
                print(f"{twin.model:24} {twin.made:40} {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
