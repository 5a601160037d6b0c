"""Training memory and the MACs of a training step: a fold over a Graph, forward and then backward.

Which tensors the backward pass reads, and where gradients stand, is said by each op beside its other rules; when they
come and go follows from the order of the nodes. What each quantity means is said in `docs/counting.md`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from ..errors import UsageError, did_you_mean
from ..graph import Code, Graph, Node
from ..ops import Op, Tokens
from ..ops.base import LIMIT, Needs, Saves
from ..ops.shapes import channels, items, numel, positions
from ..records import NamedTuple
from ..units import ITEMSIZE
from .counts import NodeCost, Report
from .memory import input_bytes, last_use, live_until, storages


class Optimizer(NamedTuple):
    """The memory of an optimiser from step to step: copies of the parameters, and bytes for each parameter tensor; and,
    while it updates a parameter tensor, copies of that one."""

    copies: int
    each: int = 0
    scratch: int = 0

    def state(self, tensors: Sequence[int]) -> int:
        """What it keeps from step to step for parameter tensors of so many bytes."""
        return self.copies * sum(tensors) + self.each * len(tensors)

    def update(self, tensors: Sequence[int]) -> int:
        """The most that it takes while it updates one of them."""
        return self.scratch * max(tensors, default=0)


# torch's SGD, SGD with momentum, and Adam, which counts the steps of each tensor in a float and updates one at a time.
OPTIMIZERS = {"sgd": Optimizer(0), "momentum": Optimizer(1), "adam": Optimizer(2, each=4, scratch=2)}

# Whose outputs torch lays out in memory as their first input is: those of maps on two axes, and of any values.
KEEP_CHANNELS_LAST = {"activation", "convolution", "elementwise", "merge", "norm", "pool", "resampling"}
KEEP_ORDER = {"activation", "elementwise"}

Phase = Literal["forward", "backward", "step"]


@dataclass(frozen=True, slots=True)
class Training:
    """The cost of a training step, in bytes and MACs for the whole batch; every parameter is trained. `saved` are the
    bytes that the forward pass leaves for the backward pass, each tensor counted once, at the node that keeps it first.
    `peak_bytes` is the largest sum of live tensors, reached in `phase` at node `at` (−1: at none). `saved` and
    `backward_macs` are in the order of the nodes."""

    graph: Graph = field(repr=False)
    optimizer: str
    input_bytes: int
    param_bytes: int
    stat_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    saved: tuple[int, ...] = field(repr=False)
    peak_bytes: int
    phase: Phase
    at: int
    forward_macs: int
    backward_macs: tuple[int, ...] = field(repr=False)

    @property
    def saved_bytes(self) -> int:
        """All that is saved for the backward pass."""
        return sum(self.saved)

    @property
    def parts(self) -> dict[str, int]:
        """The memory of a step in bytes, by kind, not all of it at once."""
        return {
            "parameters": self.param_bytes,
            "running statistics": self.stat_bytes,
            "gradients": self.gradient_bytes,
            "optimiser state": self.optimizer_bytes,
            "inputs": self.input_bytes,
            "saved activations": self.saved_bytes,
        }

    @property
    def macs(self) -> int:
        """The MACs of the forward and the backward pass."""
        return self.forward_macs + sum(self.backward_macs)

    @property
    def node(self) -> Node | None:
        """The node that runs, forward or backward, when memory is at its peak."""
        return self.graph.nodes[self.at] if self.at >= 0 else None

    def saved_by_op(self) -> dict[str, int]:
        """The saved bytes by op, the most first; ops that save nothing are left out."""
        found: dict[str, int] = {}
        for node, size in zip(self.graph.nodes, self.saved, strict=True):
            found[node.op.word] = found.get(node.op.word, 0) + size
        return {word: size for word, size in sorted(found.items(), key=lambda item: -item[1]) if size}


def train(report: Report, optimizer: str = "sgd", heads: bool = False) -> Training:
    """Count a training step of the main path, or with `heads` of all. Raises UsageError, and SpecError above 10¹⁸."""
    if optimizer not in OPTIMIZERS:
        raise UsageError(f"`{optimizer}` is not an optimiser archcalc knows", did_you_mean(optimizer, OPTIMIZERS))
    if report.graph.code is not None:
        return _of_code(report, report.graph.code, optimizer)
    graph = report.graph if heads else report.graph.without_heads()
    layers = report.layers[: len(graph.nodes)]
    itemsize = ITEMSIZE[report.dtype]
    step = _Step(graph, [layer.cost for layer in layers], report.batch, report.dtype)
    own = [cost.params for node, cost in zip(graph.nodes, step.costs, strict=True) if node.shares is None]
    tensors = [numel(param.shape) * itemsize for params in own for param in params if param.kind != "stat"]
    held = OPTIMIZERS[optimizer]
    parameters, inputs = sum(tensors), sum(step.inputs)
    statistics = sum(layer.norm_stats for layer in layers) * itemsize
    state = held.state(tensors)
    peak, phase, at = step.peak, step.phase, step.at
    gradients = step.gradient_bytes
    updating = inputs + gradients + held.update(tensors)
    if updating > peak:
        peak, phase, at = updating, "step", -1
    found = Training(
        graph=graph,
        optimizer=optimizer,
        input_bytes=inputs,
        param_bytes=parameters,
        stat_bytes=statistics,
        gradient_bytes=gradients,
        optimizer_bytes=state,
        saved=tuple(step.saved),
        peak_bytes=peak + parameters + statistics + state,
        phase=phase,
        at=at,
        forward_macs=sum(cost.macs for cost in step.costs) * report.batch,  # however the report counts
        backward_macs=tuple(step.backward_macs()),
    )
    if max(found.peak_bytes, found.macs) > LIMIT:
        raise graph.nodes[0].where.error("training this network takes more than 10¹⁸ bytes or MACs")
    return found


def _of_code(report: Report, code: Code, optimizer: str) -> Training:
    """A training step of code, as it was taken on `meta`. Raises UsageError for a trace."""
    if code.again is None:
        raise UsageError("a trace is of an inference: a training step is one of the code itself")
    graph, held = report.graph, OPTIMIZERS[optimizer]
    seen = code.again.step(graph)
    gradients = sum(seen.gradients)
    state = held.state(seen.gradients)
    statistics = sum(layer.norm_stats for layer in report.layers) * ITEMSIZE[report.dtype]
    updating = seen.inputs + gradients + held.update(seen.gradients)
    peak, phase, at = max((seen.peak, seen.phase, seen.at), (updating, "step", -1), key=lambda found: found[0])
    return Training(
        graph=graph,
        optimizer=optimizer,
        input_bytes=seen.inputs,
        param_bytes=code.param_bytes,
        stat_bytes=statistics,
        gradient_bytes=gradients,
        optimizer_bytes=state,
        saved=seen.saved,
        peak_bytes=peak + code.param_bytes + statistics + state,
        phase=cast(Phase, phase),
        at=at,
        forward_macs=report.totals.macs,
        backward_macs=seen.backward,
    )


def used_nodes(graph: Graph) -> list[bool]:
    """Whether an output of the network depends on each node."""
    nodes = graph.nodes
    found = {*graph.outputs, *(value for _, value in graph.head_outputs)}
    for index in range(len(nodes) - 1, -1, -1):
        if index in found:
            found.update(nodes[index].inputs)
    return [index in found for index in range(len(nodes))]


class _Gradient:
    """Memory that gradients stand in, of one value or, as views or shared, of several."""

    __slots__ = ("holders", "size", "whole")

    def __init__(self, size: int, whole: bool = True) -> None:
        self.size, self.whole, self.holders = size, whole, 0


class _Step:
    """The tensors of a training step that come and go: all but parameters, statistics and the optimiser's state.
    Gradients of parameters stay from when they are made. A gradient that arrives where there is one already is added to
    it in place, if nothing else stands in its memory; otherwise the sum is new memory, as in torch's autograd
    engine."""

    def __init__(self, graph: Graph, costs: list[NodeCost], batch: int, dtype: str) -> None:
        self.graph, self.costs, self.batch, self.itemsize = graph, costs, batch, ITEMSIZE[dtype]
        self.inputs = input_bytes(graph, batch, dtype)
        self.sizes = [cost.numel * batch * self.itemsize for cost in costs]
        self.roots, self.in_place = storages(graph, training=True)
        self.strided = self._strided()
        self.needs: list[bool] = []  # of each node whether its output gets a gradient
        self.wanted: list[Needs] = []  # of each node which of its inputs get a gradient from it
        self.parameters = self._parameters()
        for node, used, parameters in zip(graph.nodes, used_nodes(graph), self.parameters, strict=True):
            read = node.op.read
            wanted = tuple([value >= 0 and self.needs[value] and n < read for n, value in enumerate(node.inputs)])
            self.wanted.append(wanted)
            self.needs.append(used and (parameters > 0 or True in wanted))
        self.trained: dict[int, bool] = {}  # by owner of parameters that have their gradients: whether these are views
        self.saved = [0] * len(costs)
        self.buffers = [0] * len(costs)
        self.live = self.peak = sum(self.inputs)
        self.phase: Phase = "forward"
        self.at = -1
        self._forward()
        self._backward()

    @property
    def gradient_bytes(self) -> int:
        """All gradients of parameters."""
        return sum(self.parameters[owner] for owner in self.trained) * self.itemsize

    def backward_macs(self) -> list[int]:
        """The MACs of each node's backward pass, for the whole batch."""
        memo: dict[tuple[int, Needs], int] = {}
        found = []
        for node, cost, needed, wanted in zip(self.graph.nodes, self.costs, self.needs, self.wanted, strict=True):
            if not needed or not cost.macs:
                found.append(0)
                continue
            key = id(cost), wanted
            if key not in memo:
                memo[key] = node.op.backward_macs(key[1], *self._shapes(node)) * self._turns(node)
            found.append(memo[key])
        return found

    def _shapes(self, node: Node) -> list[tuple[int, ...]]:
        return [*map(self.graph.shape, node.inputs), node.shape]

    def _turns(self, node: Node) -> int:
        """How often a node works in the whole batch."""
        return self.batch * node.op.turns(*map(self.graph.shape, node.inputs))

    def _strided(self) -> list[bool]:
        """Whether the tokens of each node's output do not follow each other in memory: those that are a view of a map,
        and one value for all samples. What is made element by element of such lies in the same order, and so do the
        maps that convolutions and pools make of one whose channels lie last."""
        last: list[bool] = []  # whether the channels of a place lie together
        found: list[bool] = []
        for node in self.graph.nodes:
            source, op = node.inputs[0], node.op
            is_sequence = isinstance(node.shape, Tokens)
            before = last[source] if source >= 0 else isinstance(self.graph.shape(source), Tokens)
            if op.storage != "view":
                if len(node.shape) == 3 and not is_sequence:
                    before = before and op.family in KEEP_CHANNELS_LAST
                elif op.family not in KEEP_ORDER and not op.keeps_order:
                    before = is_sequence
            last.append(before or op.channels_last)
            several = 1 not in (self.batch * items(node.shape), channels(node.shape), numel(positions(node.shape)))
            found.append(is_sequence and several and (not last[-1] or op.storage == "own"))
        return found

    def _parameters(self) -> list[int]:
        """The number of parameters that each node trains, its own or another's."""
        return [cost.weights + cost.biases + cost.norm_params for cost in self.costs]

    def _reach(self, live: int, phase: Phase, at: int) -> None:
        if live > self.peak:
            self.peak, self.phase, self.at = live, phase, at

    def _forward(self) -> None:
        """Make the values and what is saved of them; drop each value after its last use, unless it is saved."""
        nodes = self.graph.nodes
        keepers = self._keepers()
        self.ends: list[list[int]] = [[] for _ in range(len(nodes) + 1)]  # in the forward pass: roots to drop
        self.kept_by: list[list[int]] = [[] for _ in nodes]  # backward: roots that are read for the last time
        for root, end in live_until(self.roots, last_use(self.graph)).items():
            if root < 0:
                continue
            if root in keepers and end < len(nodes):
                self.kept_by[keepers[root]].append(root)
            else:
                self.ends[end].append(root)
        for index in range(len(nodes)):
            self.live += self.buffers[index] + (self.sizes[index] if self.roots[index] == index else 0)
            self._reach(self.live, "forward", index)
            for root in self.ends[index]:
                self.live -= self.sizes[root]

    def _keepers(self) -> dict[int, int]:
        """For each root that is saved the first node that keeps it: the last one to read it in the backward pass."""
        found: dict[int, int] = {}
        memo: dict[tuple[int, Needs], tuple[Saves, int]] = {}
        for index, node in enumerate(self.graph.nodes):
            if not self.needs[index]:
                continue
            key = id(self.costs[index]), self.wanted[index]
            if key not in memo:
                memo[key] = self._rule(node, key[1])
            keeps, self.buffers[index] = memo[key]
            copied = self._copied(node)
            self.buffers[index] += sum(count * self.sizes[value] for value, count in copied.items())
            self.saved[index] = self.buffers[index]
            for root in self._kept(index, node, keeps, copied):
                if root not in found:
                    found[root] = index
                    self.saved[index] += self.sizes[root] if root >= 0 else 0
        return found

    def _rule(self, node: Node, needs: Needs) -> tuple[Saves, int]:
        op, shapes = node.op, list[tuple[int, ...]]()
        if type(op).saved is not Op.saved or type(op).saved_buffers is not Op.saved_buffers:
            shapes = self._shapes(node)
        buffers = op.saved_buffers(needs, *shapes)
        return op.saved(needs, *shapes), sum(buffer.bytes(self._turns(node), self.itemsize) for buffer in buffers)

    def _copied(self, node: Node) -> dict[int, int]:
        """The values of which a node keeps copies in their place, and how many."""
        if not any(value >= 0 and self.strided[value] for value in node.inputs):
            return {}
        counts = node.op.copied(*map(self.graph.shape, node.inputs))
        each = zip(node.inputs, counts, strict=False)
        found: dict[int, int] = {}
        for value, count in each:
            if count and value >= 0 and self.strided[value]:
                found[value] = found.get(value, 0) + count
        return found

    def _kept(self, index: int, node: Node, keeps: Saves, copied: Container[int]) -> list[int]:
        """The roots that a node keeps; of what is `copied` it keeps none."""
        if keeps == "nothing":
            return []
        if keeps == "output" or (keeps == "either" and self.in_place[index]):
            return [self.roots[index]]
        values = [value for n, value in enumerate(node.inputs) if n < node.op.read]
        if isinstance(keeps, tuple):
            values = [(*node.inputs, index)[n] for n in keeps]
        if keeps == "factors":
            wanted = self.wanted[index]
            values = [value for n, value in enumerate(values) if any(wanted[:n]) or any(wanted[n + 1 :])]
        found = [self.roots[value] if value >= 0 else value for value in values if value not in copied]
        return [*found, self.roots[index]] if keeps == "both" else found

    def _backward(self) -> None:
        """Give every output a gradient of its size, as a loss does, and pass it back."""
        self.pending: dict[int, _Gradient] = {}
        for value in {value for value in (*self.graph.outputs, *(v for _, v in self.graph.head_outputs)) if value >= 0}:
            if self.needs[value]:
                self._hold(value, self._new(self.sizes[value]))
        self._reach(self.live, "backward", len(self.costs) - 1)
        for index in range(len(self.costs) - 1, -1, -1):
            gradient = self.pending.pop(index, None)
            if gradient is not None:
                self._pass(index, gradient)
            self.live -= self.buffers[index]
            for root in self.kept_by[index]:
                self.live -= self.sizes[root]
            if gradient is not None:
                self._arrive(index)

    def _new(self, size: int, whole: bool = True) -> _Gradient:
        self.live += size
        return _Gradient(size, whole)

    def _hold(self, value: int, gradient: _Gradient) -> None:
        gradient.holders += 1
        self.pending[value] = gradient

    def _drop(self, gradient: _Gradient) -> None:
        gradient.holders -= 1
        if not gradient.holders:
            self.live -= gradient.size

    def _pass(self, index: int, gradient: _Gradient) -> None:
        """Run a node backward: make the gradients of its inputs and its parameters, then drop that of its output."""
        node = self.graph.nodes[index]
        kind = node.op.gradient
        self.arrived: list[tuple[int, _Gradient]] = []
        shared: _Gradient | None = None
        for value, wanted in zip(node.inputs, self.wanted[index], strict=True):
            if not wanted:
                continue
            made = gradient
            if kind == "new" or (kind == "passed" and self.sizes[value] != self.sizes[index]):
                made = self._new(self.sizes[value])
            elif kind == "shared":
                made = shared = shared or self._new(self.sizes[index])
            elif kind == "view" and self.sizes[value] != self.sizes[index]:
                gradient.whole = False
            made.holders += 1
            self.arrived.append((value, made))
        self.live += self.parameters[index] * self.itemsize
        scratch = 0
        inwards = node.op.scratch_inwards and not any(self.wanted[index])
        if type(node.op).backward_scratch is not Op.backward_scratch and not inwards:
            scratch = node.op.backward_scratch(self._turns(node), self.itemsize, *self._shapes(node))
        if node.op.frees_grad_early and gradient.holders == 1:
            scratch -= gradient.size
        self._reach(self.live + scratch, "backward", index)
        self._drop(gradient)

    def _arrive(self, index: int) -> None:
        """Add the gradients that a node has made to what is there."""
        node, own = self.graph.nodes[index], self.parameters[index] * self.itemsize
        owner = index if node.shares is None else node.shares
        if owner not in self.trained:
            self.trained[owner] = node.op.param_grads_are_views
        else:
            if self.trained[owner]:  # the sum is new memory, as the gradient there is a view
                self._reach(self.live + own, "backward", index)
                self.trained[owner] = False
            self.live -= own
        for value, made in self.arrived:
            there = self.pending.get(value)
            if there is None:
                self.pending[value] = made
            elif there.holders == 1 and there.whole:
                self._drop(made)
            else:
                total = self._new(self.sizes[value])
                self._reach(self.live, "backward", index)
                self._hold(value, total)
                self._drop(there)
                self._drop(made)
