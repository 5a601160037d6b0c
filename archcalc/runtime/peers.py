"""The machine as torch sees it, and other tools run on the same network."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis.counts import cost_of
from ..analysis.memory import embedding_inputs
from ..analysis.peers import Counted, Peer, reasons
from ..errors import ArchcalcError
from ..graph import Graph
from ..measurement.latency import Latency
from ..measurement.machine import Examined
from ..ops import Op, Shape
from . import modules
from .bench import CpuClock, Probe, clock_cost, first_line
from .machine import available_memory, device_name, device_of, glibc, machine, quota
from .network import Network, build, execute, quiet

WATCHED = 1.0  # seconds, for the neighbours of a processor to show


def examine(device: str = "cpu") -> Examined:
    """What this machine has. Raises UsageError, and Unavailable where `device` is a GPU that cannot be used."""
    where = device_of(device)
    return Examined(
        machine=machine(where),
        device=str(where),
        device_name=device_name(where),
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        quota=quota(),
        memory=available_memory(where),
        pinnable=glibc() is not None,
        clock_ms=clock_cost(CpuClock()),
        probe=_steadiness(),
        gpu=_gpu(),
    )


def _steadiness() -> Latency:
    """The same piece of work for a second, again and again."""
    probe, until = Probe(), time.monotonic() + WATCHED
    found = [probe()]
    while time.monotonic() < until:
        found.append(probe())
    return Latency.of(found)


def _gpu() -> str:
    try:
        return device_name(device_of("cuda"))
    except ArchcalcError as error:
        return f"none: {error.message}"


# --- other tools --------------------------------------------------------------------------------------------------


class Plain(nn.Module):
    """A network, or a node, whose parts are called by number and which takes one tensor: what every tool can take.

    fvcore takes the `/` of a path for a level of its own; thop and ptflops go by a module's class, so what archcalc
    derives from torch's is torch's own here; some tools pass one input only, the others are kept.
    """

    def __init__(self, network: Network | nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        if isinstance(network, Network):
            steps = [step._replace(call=_of_torch(step.call)) for step in network.program]
            self.nodes = nn.ModuleList(step.call for step in steps if isinstance(step.call, nn.Module))
        else:
            steps = []
            self.nodes = nn.ModuleList([_of_torch(network)])
        self.kept = (network, steps, list(inputs[1:]))  # in a tuple, so that it is no child

    def forward(self, x: Tensor) -> Any:
        network, steps, others = self.kept
        if not isinstance(network, Network):
            return self.nodes[0](x, *others)
        values = network.values([x, *others])
        execute(steps, values)
        return values[network.slot(network.graph.outputs[0])]


def _of_torch(call: Any) -> Any:
    """A fully connected layer that flattens as torch's two modules, as others write it."""
    if type(call) is not modules.FlatLinear:
        return call
    linear = nn.Linear(call.in_features, call.out_features, bias=call.bias is not None, device="meta")
    linear.weight, linear.bias = call.weight, call.bias
    return nn.Sequential(nn.Flatten(1), linear)


Count = Callable[[nn.Module, Tensor], tuple[int, int]]  # the parameters and the figure


def _torchinfo(model: nn.Module, x: Tensor) -> tuple[int, int]:
    from torchinfo import summary

    found = summary(model, input_data=[x], verbose=0, device="cpu", depth=100)
    return int(found.total_params), int(found.total_mult_adds)


def _fvcore(model: nn.Module, x: Tensor) -> tuple[int, int]:
    from fvcore.nn import FlopCountAnalysis, parameter_count

    counted = FlopCountAnalysis(model, x)
    counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(parameter_count(model)[""]), int(counted.total())


def _ptflops(model: nn.Module, x: Tensor) -> tuple[int, int]:
    from ptflops import get_model_complexity_info

    silent = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    size = tuple(x.shape[1:])
    macs, params = get_model_complexity_info(model, size, input_constructor=lambda _shape: {"x": x}, **silent)
    if macs is None:
        raise RuntimeError("it gave up, and printed why")
    return int(params), int(macs)


def _thop(model: nn.Module, x: Tensor) -> tuple[int, int]:
    from thop import profile

    macs, params = profile(model, inputs=(x,), verbose=False)
    return int(params), int(macs)


TOOLS: dict[str, Count] = {"torchinfo": _torchinfo, "fvcore": _fvcore, "ptflops": _ptflops, "thop": _thop}


def peer(tool: str, graph: Graph, tick: Callable[[int, int], None] | None = None) -> Peer:
    """What `tool` makes of the main path of `graph` at batch 1, and of each of its nodes alone, to tell why.

    `tick` is called with the nodes done and planned.
    """
    try:
        import_module(tool)
    except ImportError:
        return Peer(tool, missing=True)
    graph = graph.without_heads()
    count = TOOLS[tool]
    try:
        installed = version(tool)
    except PackageNotFoundError:
        installed = ""
    ids = embedding_inputs(graph)
    try:
        inputs = [_zeros(graph.shape(x), ids.get(x)) for x in range(-1, -1 - len(graph.inputs), -1)]
        params, total = _quietly(count, Plain(build(graph, "cpu").eval(), inputs), inputs[0])
        counted = list(_by_node(count, graph, ids, tick))
    except Exception as error:  # whatever a tool raises is its answer
        return Peer(tool, installed, failed=f"{type(error).__name__}: {first_line(error)}")
    return Peer(tool, installed, params, total, reasons(total, counted))


def _by_node(
    count: Count, graph: Graph, ids: dict[int, int], tick: Callable[[int, int], None] | None
) -> Iterator[Counted]:
    """Every node as the tool counts it alone; nodes that are alike are counted once."""
    known: dict[tuple[Op, tuple[Shape, ...]], int] = {}
    for number, node in enumerate(graph.nodes):
        x = tuple(graph.shape(value) for value in node.inputs)
        if (node.op, x) not in known:
            inputs = [_zeros(graph.shape(value), ids.get(value)) for value in node.inputs]
            module: nn.Module = node.op.torch(modules, *x)
            known[node.op, x] = _quietly(count, Plain(module, inputs).eval(), inputs[0])[1]
        yield Counted(node.op, cost_of(node.op, x, node.shape), x, node.shape, known[node.op, x])
        if tick is not None:
            tick(number + 1, len(graph.nodes))


def _zeros(shape: Shape, ids: int | None) -> Tensor:
    return torch.zeros((1, *shape), dtype=torch.float32 if ids is None else torch.long)


def _quietly(count: Count, model: nn.Module, x: Tensor) -> tuple[int, int]:
    """What the tool says in figures, without what it prints, logs and warns."""
    with quiet(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), torch.no_grad():
        return count(model, x)
