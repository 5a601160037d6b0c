"""A training step of a module on `meta`: what its forward pass leaves for the backward pass, and the most that is held.

No rule says what an operator keeps: autograd itself runs, and every storage is seen from birth to death.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import flop_registry

from ..errors import UsageError
from ..graph import Graph, Stepped
from .meta import META, attention
from .shadow import Alive, Shadow, Undisturbed, followed, tensors_of
from .trace import heard, leaves, paths, relative, run, running, their_frame


def step(module: nn.Module, given: Mapping[str, Tensor], shadow: Shadow, graph: Graph) -> Stepped:
    """Take a training step of a module on `meta`, in `train()`, at the batch and in the dtype of the graph: every
    output gets a gradient of its size, as from a loss. Raises UsageError where nothing is trained, SpecError at a line
    of the code."""
    assert graph.code is not None
    seen = _Seen(module, graph, given.values())
    seen.saved_by(module, given, shadow)
    module.zero_grad(set_to_none=True)
    seen.take(module, given, shadow)
    gradients = {id(p): p.grad for p in module.parameters() if p.grad is not None}
    sizes = tuple(gradient.untyped_storage().nbytes() for gradient in gradients.values())
    if not sizes:
        raise UsageError("this module has no parameters to train")
    by_node = tuple(seen.saved), tuple(seen.backward)
    return Stepped(sum(graph.code.inputs), sizes, *by_node, seen.watched.peak, seen.phase, seen.at)


class _Seen:
    """A step as it is taken: which node of the graph runs, forward or backward."""

    def __init__(self, module: nn.Module, graph: Graph, inputs: Iterable[Tensor]) -> None:
        self._paths = paths(module)
        self._open: list[str] = [""]
        self._nodes: dict[tuple[str, str, int], int] = {}
        for at, node in reversed([*enumerate(graph.nodes)]):
            path = node.path.partition("/")[0].partition("#")[0]
            path = path if path in self._paths.values() else ""
            line = node.where.source.name, node.where.line
            for key in ((path, *line), (path, "", 0), ("", *line)):
                if key not in self._nodes or node.op.params():
                    self._nodes[key] = at
        self._by_sequence: dict[int, int] = {}  # the nodes whose turn in the backward pass autograd numbers so
        self._there = [*module.parameters(), *module.buffers()]
        self._inputs = [*inputs]
        self._kept: dict[int, tuple[int, int]] = {}  # by storage its bytes, and the node that keeps it first
        self.saved, self.backward = [0] * len(graph.nodes), [0] * len(graph.nodes)
        self.phase, self.at = "forward", -1
        self.watched = _Watched(self._there, self._inputs, self._note)

    def _place(self) -> int:
        """The node whose line runs."""
        frame = their_frame()
        line = ("", 0) if frame is None else (relative(frame.f_code.co_filename), frame.f_lineno)
        keys = ((self._open[-1], *line), (self._open[-1], "", 0), ("", *line))
        return next((self._nodes[key] for key in keys if key in self._nodes), -1)

    def _turn(self) -> int:
        """The node whose turn it is in the backward pass."""
        node: Any = torch._C._current_autograd_node()
        return self._by_sequence.get(node._sequence_nr(), -1) if node is not None else -1

    def _note(self, func: Any, args: Any, kwargs: Any, out: Any, higher: bool) -> None:
        """After each call: which node it is of; backward its products, by torch's own formulas."""
        if self.phase == "forward":
            at = self._place()
            self._by_sequence[torch._C._autograd._get_sequence_nr() - 1] = at
        else:
            at = self._turn()
            if func.overloadpacket in flop_registry:
                self.backward[max(at, 0)] += flop_registry[func.overloadpacket](*args, **kwargs, out_val=out) // 2
        if higher:
            self.at, self.peak_phase = at, self.phase

    def _products(self, macs: int) -> None:
        """Products of attention, which `meta` does not show."""
        self.backward[max(self._turn(), 0)] += macs

    def saved_by(self, module: nn.Module, given: Mapping[str, Tensor], shadow: Shadow) -> None:
        """Run forward, and see what is kept, each storage by the node that keeps it first."""
        outside = {tensor.untyped_storage()._cdata for tensor in (*self._there, *self._inputs)}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in outside and storage._cdata not in self._kept:
                self._kept[storage._cdata] = storage.nbytes(), self._place()
                alive.append(storage)
            return tensor

        alive: list[Any] = []
        with running(shadow), saved_tensors_hooks(keep, lambda tensor: tensor), _fused(self._products):
            out = self._forward(module, given, shadow)
        del out
        for size, at in self._kept.values():
            self.saved[at if at >= 0 else 0] += size

    def take(self, module: nn.Module, given: Mapping[str, Tensor], shadow: Shadow) -> None:
        """Run forward and backward, and see the most that is held."""
        with running(shadow), self.watched, _fused(self._products):
            out = [tensor for tensor in leaves(self._forward(module, given, shadow)) if tensor.requires_grad]
            self.phase = "backward"
            if out:
                torch.autograd.backward(out, [torch.ones_like(tensor) for tensor in out])
        self.phase = self.peak_phase

    def _forward(self, module: nn.Module, given: Mapping[str, Tensor], shadow: Shadow) -> Any:
        with heard(self._enter, self._leave):
            return run(module, given, shadow, None, grad=True)

    def _enter(self, module: nn.Module, _: Any) -> None:
        self._open.append(self._paths.get(id(module), self._open[-1]))

    def _leave(self, *_: Any) -> None:
        self._open.pop()


class Watched(Undisturbed):  # type: ignore[no-untyped-call]
    """The bytes of all storages that a run of a module makes, with its inputs, freed as Python frees them: `peak` is
    the most at once. What is `there` before is not in it."""

    def __init__(self, there: Iterable[Tensor], inputs: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._there = {tensor.untyped_storage()._cdata for tensor in there}
        self._live: dict[int, Alive] = {}  # with their bytes
        self.peak = self._now = 0
        self._take(inputs)

    def _take(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage._cdata not in self._live and storage._cdata not in self._there:
                self._live[storage._cdata] = followed(storage, self._drop, storage._cdata, storage.nbytes())
                self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)

    def _drop(self, storage: Alive) -> None:
        self._now -= self._live.pop(storage.key).held

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._take(tensors_of(out))
        return out


class _Watched(Watched):  # type: ignore[no-untyped-call]
    """Tells of each call, and whether more is held then than ever before."""

    def __init__(self, there: Iterable[Tensor], inputs: Iterable[Tensor], note: Callable[..., None]) -> None:
        super().__init__(there, inputs)
        self._tell = note

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.peak
        out = super().__torch_dispatch__(func, types, args, kwargs)
        self._tell(func, args, kwargs or {}, out, self.peak > before)
        return out


# --- attention as devices do it -----------------------------------------------------------------------------------


class _Attention(torch.autograd.Function):
    """Attention that keeps no weights, but what the fused kernels of devices keep: `meta` has none of these."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, products: Callable[[int], None]) -> Tensor:
        out = attention(query, key, value)
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
        ctx.products = products
        return out

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        query, key, value = ctx.saved_tensors[:3]
        size = query[..., 0].numel() * key.shape[-2]  # of the weights, each of which two products make
        by_scores, by_values = sum(ctx.needs_input_grad[:2]), 1 + ctx.needs_input_grad[2]
        ctx.products(size * (query.shape[-1] * by_scores + value.shape[-1] * by_values))
        return (*(torch.empty_like(one) for one in (query, key, value)), None)


@contextmanager
def _fused(products: Callable[[int], None]) -> Iterator[None]:
    """Attention as devices do it, for code that calls torch's function; `products` hears of its backward MACs."""
    own = F.scaled_dot_product_attention

    def fused(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *rest: Any, **named: Any
    ) -> Any:
        trained = attn_mask is not None and attn_mask.requires_grad
        if query.device != META or query.ndim != 4 or trained or query.shape[1] != key.shape[1]:
            return own(query, key, value, attn_mask, *rest, **named)
        return _Attention.apply(query, key, value, products)  # type: ignore[no-untyped-call]

    F.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        F.scaled_dot_product_attention = own
