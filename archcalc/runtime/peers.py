"""The machine as torch sees it, and other tools run on the same network."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis.counts import analyse, cost_of
from ..analysis.memory import embedding_inputs
from ..analysis.peers import Counted, Peer, like, of_code, reasons
from ..errors import ArchcalcError
from ..graph import Graph
from ..measurement.conditions import Conditions
from ..measurement.latency import Latency
from ..measurement.machine import Examined
from ..networks import as_traced
from ..ops import Op, Shape, Tokens
from ..ops.shapes import batched
from ..parallel import obey_interrupt
from . import modules
from .bench import CpuClock, Probe, clock_cost, first_line
from .machine import available_memory, device_name, device_of, glibc, machine, quota
from .measure import own_run
from .network import Network, Step, build, execute, quiet
from .replay import replayed
from .room import require
from .shadow import tensors_of
from .trace import applied

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
    """A network, or a node, whose parts are called by number and which takes its inputs by place or by name, and gives
    all its outputs: what every tool can take.

    fvcore takes the `/` of a path for a level of its own; thop and ptflops go by a module's class, so what archcalc
    derives from torch's is torch's own here; no tool looks at what is no child, so tied weights stand in their module.
    """

    def __init__(self, network: Network | nn.Module) -> None:
        super().__init__()
        made: dict[tuple[int, str], nn.Module] = {}
        self.kept: tuple[Any, list[Step]]  # in a tuple, so that it is no child
        if isinstance(network, Network):
            self.kept = network, [step._replace(call=_of_torch(step.call, made)) for step in network.program]
        else:
            self.kept = _of_torch(network, made), []
        self.nodes = nn.ModuleList(made.values())

    def forward(self, *x: Tensor, **named: Tensor) -> Any:
        network, steps = self.kept
        if not isinstance(network, Network):
            return network(*x, *named.values())
        values = network.values((*x, *named.values()))
        execute(steps, values)
        outputs = tuple(values[network.slot(value)] for value in network.counted.outputs)
        return outputs if len(outputs) > 1 else outputs[0]


def _of_torch(call: Any, made: dict[tuple[int, str], nn.Module]) -> Callable[..., Any]:
    """A module as others write it, made once: a fully connected layer that flattens as torch's own behind that; one
    that works with another's weights as that other one, where the two are the same but for that."""
    module: Any = call.whole() if isinstance(call, modules.Tied) else call
    owner = call.owner[0] if isinstance(call, modules.Tied) else call
    flat = type(module) is modules.FlatLinear
    if flat:
        linear = nn.Linear(module.in_features, module.out_features, bias=module.bias is not None, device="meta")
        linear.weight, linear.bias, module = module.weight, module.bias, linear
    module = made.setdefault((id(owner), repr(module)), module)
    return (lambda x: module(x.flatten(1))) if flat else module


Count = Callable[..., tuple[int, int]]  # of a module and its inputs: the parameters and the figure


def _torchinfo(model: nn.Module, *x: Tensor) -> tuple[int, int]:
    from torchinfo import summary

    found = summary(model, input_data=list(x), verbose=0, device="cpu", depth=100)
    return int(found.total_params), int(found.total_mult_adds)


def _fvcore(model: nn.Module, *x: Tensor) -> tuple[int, int]:
    from fvcore.nn import FlopCountAnalysis, parameter_count

    counted = FlopCountAnalysis(model, x)
    counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(parameter_count(model)[""]), int(counted.total())


def _ptflops(model: nn.Module, *x: Tensor) -> tuple[int, int]:
    from ptflops import get_model_complexity_info

    silent = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    named = {f"x{number}": value for number, value in enumerate(x)}  # by place it would take their number for the batch
    macs, params = get_model_complexity_info(model, (1,), input_constructor=lambda _shape: named, **silent)
    if macs is None:
        raise RuntimeError("it gave up, and printed why")
    return int(params), int(macs)


def _thop(model: nn.Module, *x: Tensor) -> tuple[int, int]:
    from thop import profile

    macs, params = profile(model, inputs=x, verbose=False)
    return int(params), int(macs)


TOOLS: dict[str, Count] = {"torchinfo": _torchinfo, "fvcore": _fvcore, "ptflops": _ptflops, "thop": _thop}


def peer(tool: str, graph: Graph, tick: Callable[[int, int], None] | None = None) -> Peer:
    """What `tool` makes of the main path of `graph` at batch 1, and of each of its nodes alone, to tell why. Whatever
    the tool raises, on import too, is its answer; Ctrl-C is not.

    `tick` is called with the nodes done and planned. Raises Unavailable where the network does not fit into memory.
    """
    graph = graph.without_heads()
    installed = ""
    try:
        with _silence():
            import_module(tool)
        with suppress(PackageNotFoundError):
            installed = version(tool)
        if graph.code is not None:
            return _of_code(tool, installed, own_run(graph, Conditions(graph.code.batch, graph.code.dtype)))
        require(analyse(graph), 1, torch.device("cpu"))
        count, ids = TOOLS[tool], embedding_inputs(graph)
        inputs = [_zeros(graph.shape(x), ids.get(x)) for x in range(-1, -1 - len(graph.inputs), -1)]
        params, total = _quietly(count, Plain(build(graph, "cpu")), inputs)
        counted = list(_by_node(count, graph, ids, tick))
    except (KeyboardInterrupt, ArchcalcError):  # ours: the network cannot be built here
        raise
    except BaseException as error:
        obey_interrupt()  # which a tool may have made another error of
        if isinstance(error, ModuleNotFoundError) and error.name == tool:
            return Peer(tool, missing=True)
        return Peer(tool, installed, failed=f"{type(error).__name__}: {first_line(error)}")
    found = Peer(tool, installed, params, total, reasons(total, counted))
    return replace(found, like=like(found, graph, counted))


class _Named(nn.Module):
    """A module whose inputs go by name, that takes them by place, too."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module, self.names = module, tuple(names)

    def forward(self, *x: Tensor, **named: Tensor) -> Any:
        return applied(self.module, dict(zip(self.names, (*x, *named.values()), strict=True)))


def _of_code(tool: str, installed: str, own: Graph) -> Peer:
    """What a tool makes of a module, and of each of its parts alone that calls no other."""
    count, replay = TOOLS[tool], replayed(own)
    seen: list[tuple[str, nn.Module, tuple[Tensor, ...]]] = []
    paths = {id(part): path for path, part in replay.module.named_modules() if not [*part.children()]}

    def note(part: nn.Module, args: Any, _: Any) -> None:
        if id(part) in paths:
            seen.append((paths[id(part)], part, tuple(tensors_of(args))))

    with torch.no_grad(), _silence(), torch.nn.modules.module.register_module_forward_hook(note):
        replay(*replay.given.values())
    params, total = _quietly(count, _Named(replay.module, [*replay.given]), [*replay.given.values()])
    layers = as_traced(own).layers
    by_path: dict[str, list[int]] = {}
    for at, node in enumerate(own.nodes):
        by_path.setdefault(node.path.partition("/")[0].partition("#")[0], []).append(at)
    counted: list[Counted] = []
    known: dict[tuple[str, str], int] = {}
    there: set[int] = set()
    for path, part, inputs in seen:
        nodes = [at for at in by_path.get(path, ()) if at not in there]
        calls = [own.nodes[at].path.partition("/")[0] for at in nodes]
        turn = [at for at, call in zip(nodes, calls, strict=True) if call == calls[0]]
        there.update(turn)
        key = path, str([tuple(x.shape) for x in inputs])
        if key not in known:
            known[key] = _quietly(count, copy.deepcopy(part), inputs)[1] if inputs else 0
        if turn:
            at = max(turn, key=lambda at: (layers[at].macs, layers[at].params))
            node, x = own.nodes[at], tuple(map(own.shape, own.nodes[at].inputs)) or ((1,),)
            cost = layers[at].cost._replace(macs=sum(layers[at].macs for at in turn))
            y = Tokens(node.shape) if len(node.shape) == 2 else node.shape
            counted.append(Counted(node.op.equals or node.op, cost, x, y, known[key]))
    loose = [at for at in range(len(own.nodes)) if at not in there and layers[at].macs]
    said = of_code(total, counted, sum(layers[at].macs for at in loose), [own.nodes[at].op.word for at in loose])
    return Peer(tool, installed, params, total, said)


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
            known[node.op, x] = _quietly(count, Plain(module), inputs)[1]
        yield Counted(node.op, cost_of(node.op, x, node.shape), x, node.shape, known[node.op, x])
        if tick is not None:
            tick(number + 1, len(graph.nodes))


def _zeros(shape: Shape, ids: int | None) -> Tensor:
    return torch.zeros(batched(shape, 1), dtype=torch.float32 if ids is None else torch.long)


def _quietly(count: Count, model: nn.Module, inputs: Sequence[Tensor]) -> tuple[int, int]:
    """What the tool says in figures, without what it prints, logs and warns."""
    with _silence(), torch.no_grad():
        return count(model.eval(), *inputs)


@contextmanager
def _silence() -> Iterator[None]:
    with quiet(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield
