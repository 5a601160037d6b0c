"""A module with its inputs: run on `meta` or for real, at any batch and dtype, in an evaluation or a training step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import Source, UsageError
from ..graph import Graph, Stepped, Typed
from ..ops import Shape
from ..tracing import code
from ..tracing.traced import Traced
from ..units import ITEMSIZE
from .fold import folded, pairs
from .shadow import Shadow
from .skeleton import Hooked, lazy, padded, skeleton, untouched
from .step import step
from .trace import SEED, Given, Watch, made_for_real, made_on_meta, places, run, shown


@dataclass(frozen=True, slots=True)
class Captured:
    """A module with its inputs, to be run at any batch and dtype. It may stand on `meta`: `made` makes one that does
    not. The first of `inputs` may be called "": it is the first argument. `whole` is the only batch that inputs whose
    values are given have."""

    module: nn.Module
    inputs: Mapping[str, Given]
    name: str = ""
    example: bool = False
    unknown: bool = False
    made: Callable[[], nn.Module] | None = None
    whole: int | None = None

    def __call__(self, batch: int, dtype: str) -> Graph:
        """The graph at a batch and dtype. Raises UsageError, SpecError."""
        traced, files = self.trace(batch, dtype)
        graph = code.graph(traced, files, self.unknown, self)
        each = zip(graph.inputs, self.inputs.values(), strict=True)
        return replace(graph, inputs=tuple((name, _valued(shape, given.value)) for (name, shape), given in each))

    def trace(self, batch: int = 1, dtype: str = "float32") -> tuple[Traced, dict[str, Source]]:
        """Run a copy of the module once, in an evaluation, and say what it did; with the lines of its files. Of an
        example the module itself runs, on the CPU. Raises UsageError, SpecError at the line where it fails."""
        if self.example:
            watch, _, _ = self.real(batch, dtype, torch.device("cpu"))
            return watch.traced(self.name, batch, dtype, "example"), watch.files
        try:
            watch = self._seen(batch, dtype, hooks=False)
        except Hooked:
            watch = self._seen(batch, dtype, hooks=True)
        return watch.traced(self.name, batch, dtype, "meta"), watch.files

    def _seen(self, batch: int, dtype: str, hooks: bool) -> Watch:
        shadow = Shadow()
        with untouched():
            return _watched(*self._on_meta(batch, dtype, shadow, hooks=hooks), shadow)

    def real(
        self,
        batch: int,
        dtype: str,
        where: torch.device,
        layout: torch.memory_format | None = None,
        training: bool = False,
    ) -> tuple[Watch, nn.Module, dict[str, Tensor]]:
        """Run the module itself on a device, with numbers from a fixed seed: what was seen, with all that it takes to
        do it again; of a `training` step the forward pass, in `train()`. Raises as `trace` does."""
        self._check(batch)
        number, shadow = getattr(torch, dtype), Shadow()
        with untouched():
            torch.manual_seed(SEED)
            module = self._module().to(where).train(training).to(number)
            given = {key: made_for_real(one, batch, number, layout).to(where) for key, one in self.inputs.items()}
            if layout is not None:
                module.to(memory_format=layout)  # type: ignore[call-overload]
            if lazy(module):
                run(module, given, shadow, None)
            torch.manual_seed(SEED)
            return _watched(module, given, shadow), module, given

    def step(self, graph: Graph) -> Stepped:
        """What a training step at the batch and in the dtype of a graph takes. Raises as `trace` does."""
        assert graph.code is not None
        shadow = Shadow()
        with untouched():
            module, given = self._on_meta(graph.code.batch, graph.code.dtype, shadow, training=True)
            return step(module, given, shadow, graph)

    def folded(self, graph: Graph) -> Graph:
        """The graph with batch norms folded into the layers before them. Raises as `trace` does."""
        assert graph.code is not None
        wanted = pairs(graph)
        module = folded(skeleton(self.module, Shadow()), wanted)
        found = replace(self, module=module, made=lambda: folded(self._module(), wanted))
        return found(graph.code.batch, graph.code.dtype)

    def _on_meta(
        self, batch: int, dtype: str, shadow: Shadow, training: bool = False, hooks: bool = True
    ) -> tuple[nn.Module, dict[str, Tensor]]:
        """A copy of the module that takes no memory, all shapes known, and its inputs. Raises as `trace` does."""
        self._check(batch)
        module = skeleton(self.module, shadow, hooks, getattr(torch, dtype))
        module = module.train() if training else module.eval()
        given = made_on_meta(self.inputs, batch, dtype, shadow)
        if lazy(module):
            run(module, given, shadow, None)
            module = skeleton(module, shadow, hooks)
        return module, given

    def _check(self, batch: int) -> None:
        if self.whole not in (None, batch):
            raise UsageError("whole numbers were given for one batch: capture the module again with others")

    def _module(self) -> nn.Module:
        """A module with values of its own, random ones where those there stand on `meta`."""
        with shown():
            module = self.module if self.made is None else self.made()
            module = padded(copy.deepcopy(module) if module is self.module else module)
        if any(tensor.device.type == "meta" for tensor in (*module.parameters(), *module.buffers())):
            module = module.to_empty(device="cpu")
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    nn.init.normal_(tensor, std=0.02)
                else:
                    tensor.detach().zero_()
            for part in module.modules():
                reset: Any = getattr(part, "reset_parameters", None)
                if callable(reset):
                    reset()
        return module


def _valued(shape: Shape, value: int) -> Shape:
    return Typed(shape, shape.dtype, value) if isinstance(shape, Typed) else shape


def _watched(module: nn.Module, given: Mapping[str, Tensor], shadow: Shadow) -> Watch:
    """What a run does: the second where the first fills a cache, as all others then do that."""
    watch: Watch = run(module, given, shadow, Watch(module, given, shadow))
    return run(module, given, shadow, Watch(module, given, shadow)) if watch.filled else watch


def capture(
    module: nn.Module,
    inputs: Mapping[str, Given],
    *,
    name: str = "",
    example: bool = False,
    unknown: bool = False,
    made: Callable[[], nn.Module] | None = None,
) -> Graph:
    """The graph of a module at batch 1 in float32, which can be had again at others. Raises SpecError."""
    return Captured(module, inputs, name, example, unknown, made)(1, "float32")


def of_module(
    module: Any, inputs: Sequence[Any], named: Mapping[str, Any], example: bool = False, unknown: bool = False
) -> Graph:
    """The graph of a module as it runs on these tensors, whose batch is the first axis of all of them. Raises
    UsageError, SpecError."""
    if not isinstance(module, nn.Module):
        raise UsageError(f"this is no torch module, but of the type {type(module).__name__}")
    given: dict[str, Given] = {}
    every = [*zip(places(module, len(inputs)), inputs, strict=False), *named.items()]
    tensors = [each for name, value in every for each in _tensors(name, value)]
    if len(dict(every)) != len(inputs) + len(named) or not tensors:
        raise UsageError("give the inputs as tensors, each once")
    batches = set()
    for name, tensor in tensors:
        if not isinstance(tensor, Tensor) or not tensor.ndim:
            raise UsageError(f"the input `{name}` is no tensor with a batch")
        real = not tensor.is_floating_point() and not tensor.is_complex() and tensor.device.type != "meta"
        value = tensor.detach().cpu() if real else None
        dtype = str(tensor.dtype).removeprefix("torch.")
        given[name] = Given(tuple(tensor.shape[1:]), dtype if not tensor.is_floating_point() else "", 1, value)
        batches.add(tensor.shape[0])
    if len(batches) != 1:
        raise UsageError("the inputs have different batches: the first axis of each is one")
    floats = [t.dtype for t in (*module.parameters(), *dict(tensors).values()) if t.is_floating_point()]
    dtype = str(floats[0]).removeprefix("torch.") if floats else "float32"
    batch = batches.pop()
    whole = batch if any(one.values is not None for one in given.values()) else None
    found = Captured(module, given, type(module).__name__, example, unknown, whole=whole)
    return found(batch, dtype if dtype in ITEMSIZE else "float32")


def _tensors(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What an input holds, with the names that `applied` takes: also in lists, tuples and mappings."""
    if isinstance(value, Mapping | list | tuple):
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _tensors(f"{name}.{key}", part)
    else:
        yield name, value
