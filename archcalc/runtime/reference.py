"""From how code is spelled to a module with its inputs. Only what somebody has spelled is imported."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .. import files
from ..errors import Unavailable, UsageError, did_you_mean, printable
from ..graph import Input, Typed
from ..language.zoo import resized
from ..ops import dims
from .shadow import OnMeta, Shadow
from .skeleton import untouched
from .trace import Given, places, settled, shown

Kwargs = Mapping[str, Any]
SIDE = 224  # of a picture
TOKENS = 32  # of a text where nobody says how long it is
SOUND = 1024  # steps of a spectrogram
SECOND = 16_000  # samples of a wave


def built(
    spelled: str, input: Input | None, kwargs: Kwargs, here: bool = False
) -> tuple[nn.Module, dict[str, Given], Callable[[], Any]]:
    """The module that a reference means, on `meta` where it can be built there, its inputs, and what makes one that is
    not. `here`: it was spelled on the command line, and may stand in the current folder. Raises UsageError, SpecError
    at a line of somebody's code, Unavailable for a library that is missing."""
    head, _, name = spelled.partition(":")
    _from_here(here)
    make, usual = LIBRARIES.get(head, _of_code)(spelled, name, kwargs)
    module = _made(make)
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"`{spelled}` is no torch module, but of the type {type(module).__name__}",
            "A reference names a class of modules, something that gives one when it is called, or one.",
        )
    return module, _inputs(spelled, input, usual, module), make


def arguments(spelled: str, here: bool = False) -> list[str] | None:
    """What the code that a reference means is made with, by name; None where that may be anything. Raises as `built`
    does."""
    head, _, name = spelled.partition(":")
    _from_here(here)
    return None if head in LIBRARIES else _arguments(_found(head, name))


def _from_here(here: bool) -> None:
    if here and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _made(make: Callable[[], Any]) -> Any:
    """Build on `meta`; where that fails, on the CPU."""
    with untouched(), shown():
        try:
            shadow = Shadow()
            with ExitStack() as stack:
                stack.enter_context(torch.device("meta"))
                stack.enter_context(shadow)
                stack.enter_context(OnMeta(shadow))
                made = make()
            if isinstance(made, nn.Module):
                _keep(made, shadow)
            return made
        except (Exception, SystemExit):  # whatever it is: on the CPU it says so itself
            return make()


def _keep(module: nn.Module, shadow: Shadow) -> None:
    """Give buffers, and tensors that are plain attributes, whose values follow from the code alone these values: they
    say what the code does."""

    def known(value: Any) -> Any:
        if type(value) in (list, tuple):
            return type(value)(map(known, value))
        twin = shadow.twin(value) if type(value) is Tensor else None
        return value if twin is None else twin

    for part in module.modules():
        vars(part).update({name: known(value) for name, value in vars(part).items()})
        for name, tensor in part._buffers.items():
            if tensor is not None and settled(part, name, tensor, shadow):
                part._buffers[name] = known(tensor)


def _inputs(spelled: str, input: Input | None, usual: dict[str, Given] | None, module: nn.Module) -> dict[str, Given]:
    """The inputs by name; the only one without a name is the first argument."""
    if input is None:
        if not usual:
            raise UsageError(
                f"nothing says what `{spelled}` takes",
                _takes(module),
            )
        return usual
    named = input if isinstance(input, Mapping) else {"": input}
    if "0" in named:  # by their places
        named = dict(zip(places(module, len(named)), named.values(), strict=False))
    found: dict[str, Given] = {}
    known = _arguments(module.forward, (*KEYWORDS, Parameter.VAR_POSITIONAL))
    for name, shape in named.items():
        word = name.partition(".")[0]
        if word and known is not None and word not in known:
            raise UsageError(f"`{spelled}` takes no `{word}`", did_you_mean(word, known))
        typed = shape if isinstance(shape, Typed) else Typed(shape)
        given = Given(tuple(typed), typed.dtype, typed.value)
        if min(given.shape, default=1) < 1:
            raise UsageError(f"an input has axes of at least 1, here it is {dims(given.shape)}")
        before = (usual or {}).get(name)
        if before is not None and len(given.shape) == 1 < len(before.shape) and not typed.dtype:
            given = given._replace(shape=resized(before.shape, given.shape))
        if not typed.dtype and before is not None and before.dtype:
            given = given._replace(dtype=before.dtype)
        found[name] = given
    return found


def _takes(module: nn.Module) -> str:
    """Which inputs a module has, and how they are said."""
    usual = "`--input 3x224x224`, without the batch, or by name `--input input_ids=32:int64`."
    try:
        every = signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return f"Say it: {usual}"
    needed = [each.name for each in every if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    if len(needed) > 1:
        each = " ".join(f"--input {name}=SIZE" for name in needed)
        return f"It takes {len(needed)}, each without the batch: `{each}`; a SIZE is 3x224x224, 32:int64 or :int64."
    return f"{f'It takes `{needed[0]}`' if needed else 'Say it'}: {usual}"


# --- what is spelled ----------------------------------------------------------------------------------------------

Made = tuple[Callable[[], Any], dict[str, Given] | None]


def _of_code(spelled: str, name: str, kwargs: Kwargs) -> Made:
    """`file.py:name` or `package.module:name`."""
    found = _found(spelled.partition(":")[0], name)
    if isinstance(found, nn.Module):
        if kwargs:
            raise UsageError(f"`{spelled}` is a module that is there: `--kwargs` are for what makes one")
        return (lambda: found), None
    if not callable(found):
        raise UsageError(f"`{spelled}` cannot be called, and is no module")
    known = _arguments(found)
    for word in kwargs:
        if known is not None and word not in known:
            hint = did_you_mean(word, known) or "It is made with nothing."
            raise UsageError(f"`{spelled}` is not made with `{word}`", hint)
    return (lambda: found(**kwargs)), None


def _found(head: str, name: str) -> Any:
    """What a file or a package calls so."""
    with shown():
        found: Any = _file(head) if head.endswith(".py") else _package(head)
    for part in name.split("."):
        if not hasattr(found, part):
            known = [word for word, value in vars(found).items() if callable(value) and not word.startswith("_")]
            raise UsageError(f"`{head}` has no `{name}`", did_you_mean(part, known))
        found = getattr(found, part)
    return found


KEYWORDS = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def _arguments(made: Any, kinds: Sequence[Any] = KEYWORDS) -> list[str] | None:
    """The names of what is called; None where that may be anything."""
    try:
        every = signature(made).parameters.values() if not isinstance(made, nn.Module) else ()
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_KEYWORD for each in every):
        return None
    return [each.name for each in every if each.kind in kinds]


def _file(name: str) -> ModuleType:
    path = files.typed(name)
    if not path.is_file():
        raise UsageError(f"there is no file `{name}`")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    known = path.stem
    spec = importlib.util.spec_from_file_location(known, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(known, module)
    spec.loader.exec_module(module)
    return module


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise UsageError(
                f"there is no module `{missing}` to import", "A file of this folder is spelled `file.py:name`."
            ) from None
        raise


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        raise Unavailable(f"this needs {missing}, which is not installed", f"`pip install {missing}`.") from None
    except Exception as error:
        raise Unavailable(f"{name} does not load here: {printable(str(error))[:200]}") from None


def _torchvision(_: str, name: str, kwargs: Kwargs) -> Made:
    models = _library("torchvision.models")
    if name not in models.list_models():
        raise UsageError(f"torchvision has no `{name}`", did_you_mean(name, models.list_models()))
    size: tuple[int, ...] = ()
    try:
        crops = [weights.transforms.keywords.get("crop_size") for weights in models.get_model_weights(name)]
        crop = min(crops, key=str)  # the smallest: others have a module of their own
        sides = tuple(crop) if isinstance(crop, list | tuple) else (crop, crop)
        size = (3, 16, *sides) if name in models.list_models(module=models.video) else (3, *sides)
    except (ValueError, AttributeError, TypeError):
        pass
    if not size or None in size:
        size = (3, 224, 224)
    more = {"weights_backbone": None} if name in models.list_models(module=models.segmentation) else {}
    more |= {"weights_backbone": None} if name in models.list_models(module=models.detection) else {}
    return (lambda: models.get_model(name, weights=None, **{**more, **kwargs})), {"": Given(size)}


def _timm(_: str, name: str, kwargs: Kwargs) -> Made:
    timm = _library("timm")
    if name not in timm.list_models() and not timm.is_model(name):
        raise UsageError(f"timm has no `{name}`", did_you_mean(name, timm.list_models()))
    cfg = timm.get_pretrained_cfg(name)
    size = tuple(cfg.input_size) if cfg is not None and cfg.input_size else (3, 224, 224)
    return (lambda: timm.create_model(name, pretrained=False, **kwargs)), {"": Given(size)}


def _transformers(_: str, name: str, kwargs: Kwargs) -> Made:
    """The class that a configuration names, with random weights."""
    library = _library("transformers")
    text = files.decoded(files.read(files.typed(name), files.MOST, "a configuration", name), name)
    try:
        found = json.loads(text)
    except files.FAULTS as error:
        raise UsageError(f"`{name}` is no JSON: {files.fault(error, text)}") from None
    kind = found.get("model_type") if isinstance(found, dict) else None
    if not isinstance(kind, str):
        raise UsageError(f"`{name}` is no configuration of transformers: it has no `model_type`")
    classes = found.get("architectures") or []
    wanted = classes[0] if isinstance(classes, list) and classes and isinstance(classes[0], str) else ""
    try:
        cls = getattr(library, wanted, None) if wanted.isidentifier() else None
    except ImportError as error:
        raise Unavailable(f"transformers does not load `{wanted}` here: {' '.join(str(error).split())[:200]}") from None
    if wanted and cls is None:
        raise UsageError(f"this transformers has no `{wanted}`, which `{name}` names")
    one = {"use_cache": False}  # of one pass no keys and values are kept for the next
    values = {key: value for key, value in {**found, **one, **kwargs}.items() if key not in ("model_type", "auto_map")}
    with shown():
        config = library.AutoConfig.for_model(kind, **values)

    def make() -> Any:
        return cls(config) if cls is not None else library.AutoModel.from_config(config)

    built = cls or library.MODEL_MAPPING.get(type(config), None)  # what is made where no class is named
    return make, _entering(config, getattr(built, "main_input_name", "input_ids"))


def _entering(config: Any, main: str) -> dict[str, Given]:
    """What a model of transformers takes: text unless its first input is a picture, a film, or sound."""

    def of(names: str, usual: int) -> int:
        return next((found for name in names.split() if isinstance(found := getattr(config, name, None), int)), usual)

    text = Given((TOKENS,), "int64")
    usual = {"input_ids": text}
    if main == "pixel_values":
        frames = (of("num_frames", 0),) if of("num_frames", 0) else ()
        usual = {main: Given((*frames, *_picture(config)))}
    elif main == "input_features":
        steps, bands = 2 * of("max_source_positions", SOUND // 2), of("num_mel_bins input_feat_per_channel", 80)
        usual = {main: Given((bands, steps) if hasattr(config, "num_mel_bins") else (steps, bands))}
    elif main == "input_values":
        bands = of("num_mel_bins", 0)
        channels = (of("audio_channels", 0),) if of("audio_channels", 0) else ()
        usual = {main: Given((of("max_length", SOUND), bands) if bands else (*channels, SECOND))}
    elif getattr(config, "vision_config", None) is not None:
        usual["pixel_values"] = Given(_picture(config.vision_config))
    if getattr(config, "is_encoder_decoder", False):
        usual["decoder_input_ids"] = text
    return usual


def _picture(config: Any) -> tuple[int, ...]:
    side = getattr(config, "image_size", None) or SIDE
    return (getattr(config, "num_channels", 3), *(side if isinstance(side, list | tuple) else (side, side)))


LIBRARIES: dict[str, Callable[[str, str, Kwargs], Made]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "transformers": _transformers,
}
