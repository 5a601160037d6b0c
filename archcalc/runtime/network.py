"""A Graph as a torch module: the same flat tuple of nodes, interpreted."""

from __future__ import annotations

import copy
import logging
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..analysis.memory import embedding_inputs, last_use, storages
from ..errors import UsageError, did_you_mean
from ..graph import Graph, Node, state_key, state_keys
from ..ops import Shape
from ..ops.shapes import batched
from ..records import NamedTuple
from ..units import ITEMSIZE
from . import modules
from .machine import usable
from .room import out_of_memory_while, require_parameters

NO_TWIN = "code has no twin: it is a torch module itself"


class Step(NamedTuple):
    """One node, ready to run. Slots are positions in a list of values: the network's inputs, then the nodes' outputs.

    `free` are the slots that nobody reads after this step.
    """

    call: Callable[..., Tensor]
    inputs: tuple[int, ...]
    output: int
    free: tuple[int, ...]


def execute(steps: Iterable[Step], values: list[Any]) -> None:
    """Run `steps` on `values`, which holds the inputs in front and room for every node's output behind them.

    Each value is dropped after its last use; the inputs and the network's outputs stay.
    """
    for call, inputs, output, free in steps:
        values[output] = call(*[values[slot] for slot in inputs])
        for slot in free:
            values[slot] = None


class Program:
    """Steps on a list of values: `program` node by node of the graph `counted`."""

    counted: Graph
    program: tuple[Step, ...]

    def slot(self, value: int) -> int:
        """Where a value of the graph stands among the values of a run."""
        return len(self.counted.inputs) + value if value >= 0 else -1 - value

    def freed(self, last: Iterable[int]) -> list[tuple[int, ...]]:
        """The slots to free after each node, for the node that reads each node's output last."""
        free: list[list[int]] = [[] for _ in range(len(self.counted.nodes) + 1)]
        for index, end in enumerate(last):
            free[end].append(self.slot(index))
        return [tuple(slots) for slots in free]

    def values(self, x: Iterable[Tensor]) -> list[Any]:
        """The list of values that a run begins with. Raises TypeError where `x` is not one tensor for each input."""
        values: list[Any] = list(x)
        if len(values) != len(self.counted.inputs):
            names = ", ".join(name or "x" for name, _ in self.counted.inputs)
            raise TypeError(f"the network takes {len(self.counted.inputs)} values ({names}), here are {len(values)}")
        return values + [None] * len(self.counted.nodes)


class Network(Program, fx.GraphModule):
    """The torch twin of a Graph, which it has as `counted`: takes a tensor for each input, batch first.

    Returns the output; a tuple where the graph has several; with heads (output, {head: its output}). Its code is one
    line a node. A node is the module of that name by `state_key`, under which its parameters stand in the `state_dict`;
    shared ones under the node that they belong to, once. `program` is the same node by node, for what looks between.
    """

    def __init__(self, root: nn.Module, counted: Graph, heads: bool) -> None:
        keys = state_keys(counted)
        code = fx.Graph()
        names = [state_key(name) if name else "x" for name, _ in counted.inputs]
        if len(set(names)) < len(names):
            names = [f"x{number}" for number in range(1, len(names) + 1)]
        values: dict[int, fx.Node] = {-1 - number: code.placeholder(name) for number, name in enumerate(names)}
        made: dict[str, nn.Module] = {}
        for index, node in enumerate(counted.nodes):
            key = keys[node.path]
            module = _below(root, key)
            if module is None:  # the same work as another node's: its module
                assert node.shares is not None
                key = keys[counted.nodes[node.shares].path]
                module = root.get_submodule(key)
            made[node.path] = module
            values[index] = code.call_module(key, tuple(values[value] for value in node.inputs))
        outputs = tuple(values[value] for value in counted.outputs)
        main = outputs[0] if len(outputs) == 1 else outputs
        code.output((main, {name: values[value] for name, value in counted.head_outputs}) if heads else main)
        super().__init__(root, code, "Network")
        self._modules.update(root._modules)  # with what is not called, such as a layer in the place of another
        self.counted, self.heads = counted, heads
        each = zip(counted.nodes, self.freed(last_use(counted)), strict=False)
        self.program = tuple(
            Step(made[node.path], tuple(map(self.slot, node.inputs)), self.slot(index), free)
            for index, (node, free) in enumerate(each)
        )

    def __reduce__(self) -> Any:
        root = nn.Module()
        root._modules.update(self._modules)
        own = ("_modules", "_graph", "program", "counted", "heads")  # what `__init__` makes
        kept = {name: value for name, value in vars(self).items() if name not in own}
        return Network, (root, self.counted, self.heads), kept

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        _, (root, *rest), kept = self.__reduce__()
        twin = memo[id(self)] = Network(copy.deepcopy(root, memo), *rest)
        vars(twin).update(copy.deepcopy(kept, memo))
        return twin

    def __prepare_scriptable__(self) -> fx.GraphModule:
        """What `torch.jit.script` compiles instead, with the same parameters: nodes of ours opened."""
        return _scriptable(self)


class _Opener(fx.Tracer):
    """Looks into modules that are not torch's own, and writes out hooks, which no compiler takes as objects."""

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        if not self.is_leaf_module(m, ""):
            return super().call_module(m, forward, args, kwargs)
        for before in m._forward_pre_hooks.values():
            args = before(m, args)
        y = super().call_module(m, forward, args, kwargs)
        for behind in m._forward_hooks.values():
            y = behind(m, args, y)
        return y


def _scriptable(network: Network) -> fx.GraphModule:
    opened = fx.GraphModule(network, _Opener().trace(network), "Network")
    for key, module in list(opened.named_modules()):
        if module._forward_pre_hooks or module._forward_hooks:
            bare = copy.copy(module)
            bare._forward_pre_hooks, bare._forward_hooks = OrderedDict(), OrderedDict()
            opened.set_submodule(key, bare)
    return opened


def build(
    graph: Graph,
    device: torch.device | str | None = None,
    dtype: str = "float32",
    heads: bool = False,
    logits: bool = False,
) -> Network:
    """The network of `graph`, its parameters initialised as torch does (from torch's global generator).

    `heads`: with the heads, which are left out otherwise. `logits`: without what makes probabilities at its ends.
    Without `device` it stands where torch makes tensors by default; on `meta` it takes no memory. Raises UsageError for
    an unknown dtype, Unavailable without that GPU or memory, SpecError where two nodes would have one name.
    """
    if graph.code is not None:
        raise UsageError(NO_TWIN, "`archcalc summary` and `compare` count it.")
    graph = graph if heads else graph.without_heads()
    graph = without_probabilities(graph) if logits else graph
    number, where = torch_dtype(dtype), None if device is None else usable(torch.device(device))
    there = where or torch.get_default_device()
    if there.type in ("cpu", "cuda"):
        require_parameters(graph, dtype, there)
    with out_of_memory_while("the parameters were made"), nullcontext() if where is None else where:
        network = Network(_modules(graph, number), graph, heads)
    return network if where is None else network.to(where)


def without_probabilities(graph: Graph) -> Graph:
    """The graph without the softmax or sigmoid that an output, or a head, ends in; as it is where none does."""

    def behind(value: int) -> int:
        return graph.nodes[value].inputs[0] if value in ends else value

    while ends := {
        value
        for value in (*graph.outputs, *(value for _, value in graph.head_outputs))
        if value >= 0 and graph.nodes[value].op.probabilities
    }:
        read = {value for node in graph.nodes for value in node.inputs}
        outputs, heads = map(behind, graph.outputs), ((name, behind(value)) for name, value in graph.head_outputs)
        graph = replace(graph, outputs=tuple(outputs), head_outputs=tuple(heads)).leave_out(ends - read)
    return graph


def _modules(graph: Graph, dtype: torch.dtype) -> nn.Module:
    """The modules of the nodes, hung into a tree by name; a node that does the work of another with its parameters has
    none of its own."""
    root, keys = nn.Module(), state_keys(graph)
    made: list[nn.Module] = []
    for node in graph.nodes:
        shapes = _shapes(graph, node)
        shared = None
        if node.shares is not None:
            owner, shared = graph.nodes[node.shares], made[node.shares]
            if (node.op, shapes) == (owner.op, _shapes(graph, owner)):
                made.append(shared)
                continue
        module: nn.Module = node.op.torch(modules, *shapes).to(dtype)
        if shared is not None:
            if modules.alike(module, shared):
                made.append(shared)
                continue
            module = modules.Tied(module, shared)
        *outer, name = keys[node.path].split(".")
        level = root
        for part in outer:
            if part not in level._modules:
                level.add_module(part, nn.Module())
            level = level.get_submodule(part)
        level.add_module(name, module)
        made.append(module)
    _settle_in_place(graph, made)
    return root


def example_inputs(graph: Graph, batch: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor]:
    """Random inputs on the CPU: normal, or ids where a look-up reads the input. torch's random state stays as it is."""
    generator = torch.Generator("cpu").manual_seed(seed)
    words = embedding_inputs(graph)
    made = []
    for number, (_, shape) in enumerate(graph.inputs):
        size = batched(shape, batch)
        if -1 - number in words:
            made.append(torch.randint(words[-1 - number], size, generator=generator, device="cpu"))
        else:
            made.append(torch.randn(size, generator=generator, device="cpu").to(dtype))
    return made


def torch_dtype(name: str) -> torch.dtype:
    """torch's dtype of this name. Raises UsageError where archcalc does not count in it."""
    if name not in ITEMSIZE:
        raise UsageError(f"`{name}` is not a dtype archcalc counts in", did_you_mean(name, ITEMSIZE))
    dtype: torch.dtype = getattr(torch, name)
    return dtype


@contextmanager
def quiet() -> Iterator[None]:
    """Without what other libraries log and warn of what they pass over: that is known."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def parameter_count(module: nn.Module) -> int:
    """Parameters of a module, shared ones once; running statistics are none."""
    return sum(parameter.numel() for parameter in module.parameters())


def _shapes(graph: Graph, node: Node) -> list[Shape]:
    return [graph.shape(value) for value in node.inputs]


def _below(root: nn.Module, key: str) -> nn.Module | None:
    try:
        return root.get_submodule(key)
    except AttributeError:
        return None


def _settle_in_place(graph: Graph, made: list[nn.Module]) -> None:
    """Tell every activation and dropout whether it works in place: as the counts of memory say."""
    inference, training = storages(graph).in_place, storages(graph, training=True).in_place
    for index, module in enumerate(made):
        if isinstance(module, modules.InPlace):
            module.in_place, module.in_place_training = inference[index], training[index]
