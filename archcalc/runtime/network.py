"""A Graph as a torch module: the same flat tuple of nodes, interpreted."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..analysis.memory import embedding_inputs, last_use, storages
from ..errors import Unavailable, UsageError, did_you_mean
from ..graph import Graph, Node
from ..ops import Shape
from ..units import ITEMSIZE
from . import modules


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


class Level(nn.Module):
    """A level of a network's paths. Its children may have any name, also one that a module has itself."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training":  # the flag; torch would take it for the child of that name
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)


class Network(Level):
    """The torch twin of a Graph: takes a tensor for each input, batch first.

    Returns the output; a tuple where the graph has several; with heads (output, {head: its output}). A node's
    parameters stand in the `state_dict` under `<path of the node>.<name>`; shared ones under the path of the node that
    they belong to, once. `program` is what runs, one step a node.
    """

    def __init__(self, graph: Graph, device: torch.device | str | None, dtype: torch.dtype, heads: bool) -> None:
        super().__init__()
        self.graph = graph
        self.heads = heads
        made: list[nn.Module] = []
        for node in graph.nodes:
            shapes = _shapes(graph, node)
            if node.shares is not None:
                owner = graph.nodes[node.shares]
                if (node.op, shapes) == (owner.op, _shapes(graph, owner)):
                    made.append(made[node.shares])  # the same work: the same module
                    continue
            module: nn.Module = node.op.torch(modules, *shapes).to(dtype)
            if node.shares is not None:
                module = modules.Tied(module, made[node.shares])
            _place(self, node.path, module)
            made.append(module)
        if device is not None:
            self.to(device)
        _settle_in_place(graph, made)
        each = zip(graph.nodes, made, self.freed(last_use(graph)), strict=False)
        self.program = tuple(
            Step(module, tuple(map(self.slot, node.inputs)), self.slot(index), free)
            for index, (node, module, free) in enumerate(each)
        )

    def slot(self, value: int) -> int:
        """Where a value of the graph stands among the values of a run."""
        return len(self.graph.inputs) + value if value >= 0 else -1 - value

    def freed(self, last: Iterable[int]) -> list[tuple[int, ...]]:
        """The slots to free after each node, for the node that reads each node's output last."""
        free: list[list[int]] = [[] for _ in range(len(self.graph.nodes) + 1)]
        for index, end in enumerate(last):
            free[end].append(self.slot(index))
        return [tuple(slots) for slots in free]

    def values(self, x: Iterable[Tensor]) -> list[Any]:
        """The list of values that a run begins with. Raises TypeError where `x` is not one tensor for each input."""
        values: list[Any] = list(x)
        if len(values) != len(self.graph.inputs):
            names = ", ".join(name or "x" for name, _ in self.graph.inputs)
            raise TypeError(f"the network takes {len(self.graph.inputs)} values ({names}), here are {len(values)}")
        return values + [None] * len(self.program)

    def forward(self, *x: Tensor) -> Any:
        values = self.values(x)
        execute(self.program, values)
        outputs = tuple(values[self.slot(value)] for value in self.graph.outputs)
        main = outputs[0] if len(outputs) == 1 else outputs
        if not self.heads:
            return main
        return main, {name: values[self.slot(value)] for name, value in self.graph.head_outputs}


def build(
    graph: Graph, device: torch.device | str | None = None, dtype: str = "float32", heads: bool = False
) -> Network:
    """The network of `graph`, its parameters initialised as torch does (from torch's global generator).

    `heads`: with the heads, which are left out otherwise. Without `device` it stands where torch makes tensors by
    default; on `meta` it takes no memory. Raises UsageError for an unknown dtype, Unavailable without that GPU.
    """
    graph = graph if heads else graph.without_heads()
    if device is None:
        return Network(graph, None, torch_dtype(dtype), heads)
    where = usable(torch.device(device))
    with where:
        return Network(graph, where, torch_dtype(dtype), heads)


def usable(device: torch.device) -> torch.device:
    """`device`, with its number where it is a GPU. Raises Unavailable where there is no such GPU."""
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        built = "" if torch.version.cuda or torch.version.hip else ": this torch is built for the CPU alone"
        raise Unavailable(f"no GPU that torch can use{built}")
    index, count = torch.cuda.current_device() if device.index is None else device.index, torch.cuda.device_count()
    if index >= count:
        raise Unavailable(f"no GPU number {index}: there {'is' if count == 1 else 'are'} {count}, counted from 0")
    return torch.device("cuda", index)


def example_inputs(graph: Graph, batch: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor]:
    """Random inputs on the CPU: normal, or ids where a look-up reads the input. torch's random state stays as it is."""
    generator = torch.Generator("cpu").manual_seed(seed)
    words = embedding_inputs(graph)
    made = []
    for number, (_, shape) in enumerate(graph.inputs):
        size = (batch, *shape)
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


def _place(root: nn.Module, path: str, module: nn.Module) -> None:
    """Hang `module` into the tree so that its `state_dict` keys begin with `path`, dots and all.

    `add_module` refuses names such as `type`, which a row of a table may have.
    """
    *outer, name = path.split(".")
    for part in outer:
        below = root._modules.get(part)
        if below is None:
            below = root._modules[part] = Level()
        root = below
    there = root._modules.get(name)
    if there is not None:  # `a.1` came before `a`
        module._modules.update(there._modules)
    root._modules[name] = module


def _settle_in_place(graph: Graph, made: list[nn.Module]) -> None:
    """Tell every activation and dropout whether it works in place: as the counts of memory say."""
    inference, training = storages(graph).in_place, storages(graph, training=True).in_place
    for index, module in enumerate(made):
        if isinstance(module, modules.InPlace):
            module.in_place, module.in_place_training = inference[index], training[index]
