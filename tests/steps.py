"""A training step of a torch network, watched: what autograd saves, what is live at most, and the counted MACs."""

from __future__ import annotations

import weakref
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from archcalc.analysis.memory import embedding_inputs
from archcalc.graph import Graph
from archcalc.ops.shapes import batched
from archcalc.runtime.memory import held_peak
from archcalc.runtime.network import Network, build


class Step(NamedTuple):
    """Bytes saved for the backward pass in distinct storages (inputs and parameters not among them), the most bytes
    live (both among them), and the MACs that torch's counter saw backward, for the whole batch; and the most bytes
    that an inference of the same network holds between its nodes (inputs among them, parameters not)."""

    saved: int
    peak: int
    backward_macs: int
    inference_peak: int


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The bytes of all storages that torch's operators made and that are alive, and the most there were at once.

    `known` are tensors that are there already and not counted. `at` is whatever `place` was when the most were live.
    """

    def __init__(self, *known: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes = {tensor.untyped_storage()._cdata: 0 for tensor in known}
        self.live = self.peak = 0
        self.place = self.at = ""

    def note(self, tensor: Tensor) -> None:
        """Count a tensor, unless its storage is known."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.sizes:
            self.sizes[storage._cdata] = storage.nbytes()
            self.live += storage.nbytes()
            if self.live > self.peak:
                self.peak, self.at = self.live, self.place
            weakref.finalize(storage, self._drop, storage._cdata)

    def _drop(self, key: int) -> None:
        self.live -= self.sizes.pop(key)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.note(tensor)
        return made


class Watched(LiveTensors):  # type: ignore[no-untyped-call]
    """Live tensors of a backward pass as well.

    Where a gradient arrives at a value that has one, torch's engine adds in place if nobody else holds that tensor, but
    not while its operators are watched. So that is done here (`test_gradients_are_added_in_place` holds the engine to
    it); the engine's and the wrapper's are the two references there are to such a storage.
    """

    backward = False
    flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.backward and func is torch.ops.aten.add.Tensor and isinstance(args[1], Tensor) and not kwargs:
            old, new = args
            storage = old.untyped_storage()
            alone = torch._C._storage_Use_Count(storage._cdata) <= 2
            if alone and old.is_contiguous() and old.shape == new.shape and storage.nbytes() == old.nbytes:
                return old.add_(new)
        made = super().__torch_dispatch__(func, types, args, kwargs)
        if self.backward and func._overloadpacket in flop_registry:  # as torch's FlopCounterMode does
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=made)
        return made


class Norms(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives empty what a CPU's norms give. Where nothing is computed, torch works them out piece by piece in Python,
    which takes most of the time of a step, and gives statistics also in an evaluation, where a CPU has none.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        aten = torch.ops.aten
        if func is aten.native_batch_norm.default:
            x, _, _, _, _, training = args[:6]
            stats = x.new_empty(x.shape[1] if training else 0)
            return x.new_empty(x.shape), stats, torch.empty_like(stats)
        if func is aten.native_layer_norm.default:
            x, over = args[:2]
            stats = x.new_empty(*x.shape[: -len(over)], *(1 for _ in over))
            return x.new_empty(x.shape), stats, torch.empty_like(stats)
        if func in (aten.native_batch_norm_backward.default, aten.native_layer_norm_backward.default):
            x, wanted = args[1], args[-1]
            own = args[2] if func is aten.native_layer_norm_backward.default else x.shape[1]
            return tuple(x.new_empty(own if at else x.shape) if it else None for at, it in enumerate(wanted))
        return func(*args, **(kwargs or {}))


class Loss(torch.autograd.Function):
    """A number whose gradient with regard to each value is a tensor of the value's size, as that of most losses."""

    @staticmethod
    def forward(ctx: Any, *values: Tensor) -> Tensor:
        ctx.like = [(value.shape, value.dtype, value.device) for value in values]
        return values[0].new_empty(())

    @staticmethod
    def backward(ctx: Any, *_gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.ones(shape, dtype=dtype, device=device) for shape, dtype, device in ctx.like)


def step(graph: Graph, batch: int, device: str = "meta", dtype: str = "float32") -> Step:
    """Run forward, in training mode, and backward from all outputs. `fake` is a CPU that computes nothing, but whose
    operators are a CPU's: on `meta` some, such as attention, are made of others. oneDNN is left out: its recurrent
    kernels save a workspace of their own."""
    network = build(graph, "meta" if device == "fake" else device, dtype, heads=bool(graph.head_outputs))
    if device != "fake":
        with torch.backends.mkldnn.flags(enabled=False), Norms() if device == "meta" else nullcontext():  # type: ignore[no-untyped-call]
            return _step(network, graph, batch, device, getattr(torch, dtype))
    with FakeTensorMode():
        for module in network.modules():
            for name, tensor in module._parameters.items():
                if tensor is not None:
                    module._parameters[name] = nn.Parameter(torch.empty(tensor.shape, dtype=tensor.dtype))
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
        with Norms():  # type: ignore[no-untyped-call]
            return _step(network, graph, batch, "cpu", getattr(torch, dtype))


def _step(network: Network, graph: Graph, batch: int, device: str, dtype: torch.dtype) -> Step:
    ids = embedding_inputs(graph)
    inputs = [
        torch.zeros(batched(shape, batch), device=device, dtype=torch.long if -1 - n in ids else dtype)
        for n, (_, shape) in enumerate(graph.inputs)
    ]
    held = [*network.parameters(), *(b for name, b in network.named_buffers() if "running_" in name)]
    there = {tensor.untyped_storage()._cdata for tensor in [*network.parameters(), *network.buffers(), *inputs]}
    packed: list[weakref.ref[Tensor]] = []

    def keep(tensor: Tensor) -> Tensor:
        kept = tensor.detach()  # a saved output would keep its own node
        packed.append(weakref.ref(kept))  # what no output depends on is gone before the backward pass
        return kept

    with torch.no_grad():
        inference_peak, _ = held_peak(network.eval(), inputs)
    network.train()
    watched = Watched(*network.parameters(), *network.buffers())
    for x in inputs:
        watched.note(x)
    with watched:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = _flat(network(*inputs))
        storages = [tensor.untyped_storage() for tensor in (ref() for ref in packed) if tensor is not None]
        saved = sum({s._cdata: s.nbytes() for s in storages if s._cdata not in there}.values())
        del storages
        forward, watched.backward = watched.peak, True
        if any(y.requires_grad for y in outputs):
            Loss.apply(*outputs).backward()  # type: ignore[no-untyped-call]
    fixed = sum(tensor.nbytes for tensor in held)
    peak = max(forward, watched.peak - 2 * dtype.itemsize)  # the loss and its gradient, which are numbers, come behind
    return Step(saved, peak + fixed, watched.flops // 2, inference_peak)


def _flat(outputs: Any) -> tuple[Tensor, ...]:
    if isinstance(outputs, Tensor):
        return (outputs,)
    found: list[Tensor] = []
    for output in outputs.values() if isinstance(outputs, dict) else outputs:
        found += _flat(output)
    return tuple(found)
