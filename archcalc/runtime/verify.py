"""torch as an oracle: does the network that torch builds have the parameters, shapes and MACs that the ops say?

And does it run: finite numbers at the smallest input that the spec takes, the same for a sample alone and in a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..analysis.conventions import attention_products
from ..analysis.counts import NodeCost, analyse
from ..analysis.memory import embedding_inputs
from ..errors import SpecError, Unavailable, UsageError, installed
from ..graph import Graph, Node
from ..language.expand import settable
from ..measurement.conditions import Conditions
from ..networks import Network, as_traced, network, said
from ..ops import Op, Shape, dims
from ..ops.shapes import batched
from ..parallel import cores, map_processes
from . import modules
from .machine import available_memory
from .measure import own_run
from .network import build, example_inputs, parameter_count, quiet
from .replay import replayed
from .room import out_of_memory, out_of_memory_while, parameter_bytes, require, with_margin
from .step import Watched

CPU = torch.device("cpu")
PROCESS = 512 * 2**20  # bytes of a process that has loaded torch, and of activations at a smallest input
BATCH = 2  # more than one sample, or an axis that slipped into the batch's place would not show
TOLERANCE = 1e-4  # of the largest element of a value: between batch sizes torch may add in another order
SEED = 0

# What torch's counter does not know, by family or class of torch.nn, and why; of these MACs are not compared as long as
# it counts none.
UNKNOWN_TO_COUNTER: dict[str, str] = {"Bilinear": "the counter passes over aten.bilinear"}

# Of what fvcore does not know a part, by the same, and why; and the MACs that it passes over.
UNKNOWN_TO_FVCORE: dict[str, str] = {
    "attention": "fvcore passes over the two products of scaled_dot_product_attention",
    "Bilinear": "fvcore passes over aten::bilinear",
    "recurrent": "fvcore passes over recurrent layers",
}
# What fvcore counts of convolutions, fully connected layers and matrix products; the rest is no MACs.
PRODUCTS = ("conv", "linear", "addmm", "matmul", "mm", "bmm", "baddbmm", "einsum")

# Buffers that are no running statistic of a channel, and why.
OTHER_BUFFERS: dict[str, str] = {
    "num_batches_tracked": "counts the steps of training, for no formula",
    "bias_hh_l0": "a second bias that is held at zero",
    "bias_hh_l0_reverse": "a second bias that is held at zero",
    "places": "where the windows of `deformconv` stand",
    "codes": "the fixed codes of `rbf`",
    "constant": "what a constant gives",
    "positions": "the fixed positions of `sinusoid`",
    "cos": "how far a rotary embedding turns",
    "sin": "how far a rotary embedding turns",
    "pairs": "which bias of a table each pair of tokens has",
    **{f"along_{at}": "the difference of each pair of places along an axis" for at in range(3)},
    "fixed": "what is always added to the scores of an attention",
    "hidden": "what hides tokens of shifted windows from each other",
}

Key = tuple[Op, tuple[Shape, ...]]
Ran = dict[tuple[Key, tuple[torch.dtype, ...], bool], list[str]]  # by op, shapes, dtypes, whether weights are tied


@dataclass(frozen=True, slots=True)
class Verified:
    """A model held against its torch network: what was compared, and what differs.

    `inputs` are the smallest legal ones, at which the network ran. `gaps` are the ops that one of the counters is known
    not to count, and why. `not_run` is why it did not run as a whole, where there is too little memory; `fewer` is with
    how many layers it ran then, as `layers = 1`, if there is memory for these. A difference names the node. Of `code`
    it is the module itself that ran, at its own inputs.
    """

    model: str
    nodes: int
    params: int
    macs: int
    inputs: tuple[tuple[str, Shape], ...]
    seconds: float
    gaps: dict[str, str]
    differences: tuple[str, ...]
    not_run: str = ""
    fewer: str = ""
    code: bool = False

    @property
    def ran(self) -> bool:
        return not self.not_run or bool(self.fewer)

    @property
    def ok(self) -> bool:
        return not self.differences


# --- many models --------------------------------------------------------------------------------------------------


def verify_all(
    names: Sequence[str], tick: Callable[[int, int], None] | None = None, workers: int | None = None
) -> tuple[Verified, ...]:
    """Verify models of these names, in processes where there are several; `tick` hears how many are done.

    Raises UsageError for an unknown name and SpecError for a bad spec, before any is verified; Unavailable where
    fvcore is missing or memory runs out.
    """
    every = {name: network(name).graph for name in names}
    graphs = {name: graph for name, graph in every.items() if graph.code is None}
    code = {name: verify_code(name, graph) for name, graph in every.items() if graph.code is not None}
    cost = {name: _cost(graph) for name, graph in graphs.items()}
    largest_first = sorted(cost, key=lambda name: -cost[name])
    if workers is None:
        workers = together([parameter_bytes(graph) + PROCESS for graph in graphs.values()])
    found = map_processes(
        verify_model, largest_first, 2, tick, workers=workers, prepare=partial(torch.set_num_threads, 1)
    )
    by_name = dict(zip(largest_first, found, strict=True)) | code
    return tuple(by_name[name] for name in names)


def together(sizes: Sequence[int]) -> int:
    """How many of the jobs that take so many bytes can run side by side, whichever they are; at least one does."""
    free = available_memory(CPU)
    most = min(cores(), len(sizes))
    largest = sorted(sizes, reverse=True)
    while most > 1 and free is not None and with_margin(sum(largest[:most])) > free:
        most -= 1
    return max(1, most)


def _cost(graph: Graph) -> int:
    """About how long a model takes."""
    return sum(layer.cost.weights for layer in analyse(graph).layers) + 10**5 * len(graph.nodes)


def verify_model(name: str) -> Verified:
    """Hold one model against torch: at its printed input on `meta` and by fvcore, and running at the smallest one, with
    fewer layers where there is no memory for all of them."""
    start = time.perf_counter()
    printed = network(name)
    graph, small = printed.graph, smallest(printed)
    differences = verify(graph)
    with out_of_memory_while("fvcore counted"):
        differences += count_with_fvcore(graph)
    not_run = fewer = ""
    try:
        differences += run(small)
    except Unavailable as error:
        not_run = _sentences(error)
        for fewer, thin in thinner(printed, small):
            try:
                differences += run(thin)
                break
            except Unavailable:
                fewer = ""
    totals = analyse(graph).totals
    gaps = {node.op.word: _gap(node.op, UNKNOWN_TO_COUNTER | UNKNOWN_TO_FVCORE) for node in graph.nodes}
    return Verified(
        model=name,
        nodes=len(graph.nodes),
        params=totals.params,
        macs=totals.macs,
        inputs=small.inputs,
        seconds=time.perf_counter() - start,
        gaps={word: why for word, why in sorted(gaps.items()) if why},
        differences=tuple(differences),
        not_run=not_run,
        fewer=fewer,
    )


def _sentences(error: Unavailable) -> str:
    """Why something did not run, and what helps."""
    return f"{error.message}. {error.hint}".rstrip(" .") + "."


def verify_code(name: str, graph: Graph) -> Verified:
    """Run a module on the CPU and hold what is counted of it against that: parameters, the peak of the memory that is
    held, MACs by torch's counter call by call, and that the calls alone give what the module gives."""
    start = time.perf_counter()
    gaps: dict[str, str] = {}
    differences: list[str] = []
    not_run = ""
    assert graph.code is not None
    try:
        own = own_run(graph, Conditions(graph.code.batch, graph.code.dtype))
        with out_of_memory_while("the module ran"):
            differences, gaps = _of_code(graph, own)
    except Unavailable as error:
        not_run = _sentences(error)
    totals = as_traced(graph).totals
    took = time.perf_counter() - start
    return Verified(
        str(name),
        len(graph.nodes),
        totals.params,
        totals.macs,
        graph.inputs,
        took,
        gaps,
        tuple(differences),
        not_run,
        code=True,
    )


def _of_code(graph: Graph, own: Graph) -> tuple[list[str], dict[str, str]]:
    """What differs between a module as it was counted on `meta`, as it was seen to run, and what torch says of it; and
    which ops the counter passes over."""
    replay, counted, seen = replayed(own), as_traced(graph).totals, as_traced(own)
    with torch.inference_mode(), Watched((*replay.parameters(), *replay.buffers()), replay.given.values()) as watched:
        replay(*replay.given.values())
    pairs = {
        "parameters": (counted.params, parameter_count(replay.module)),
        "bytes at the peak": (seen.totals.peak_memory_bytes, watched.peak),
        "MACs on `meta`, and as it ran": (counted.macs, seen.totals.macs),
    }
    found = [f"{what}: {ours:,}, in torch {there:,}" for what, (ours, there) in pairs.items() if ours != there]
    if replay.differs():
        found.append("its calls, one after the other, give other numbers than the module")
    gaps: dict[str, str] = {}
    values = replay.values(x.clone() for x in replay.given.values())
    plain = torch.backends.mkldnn.flags(enabled=False)
    with quiet(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), plain:  # ways of which the counter knows all
        for node, layer, step in zip(own.nodes, seen.layers, replay.program, strict=True):
            with FlopCounterMode(display=False) as counter:
                values[step.output] = step.call(*[values[slot] for slot in step.inputs])
            macs = counter.get_total_flops() // 2
            if layer.macs and not macs:
                gaps[node.op.word] = f"the counter passes over aten.{node.op.word}"
            elif layer.macs != macs:
                found.append(f"{node.path}: {layer.macs:,} MACs, torch counts {macs:,}")
            for slot in step.free:
                values[slot] = None
    return found, gaps


def _gap(op: Op, known: Mapping[str, str]) -> str:
    """Why a counter does not know an op; nothing where it does."""
    return known.get(op.family) or known.get(op.torch_module, "")


def _key(graph: Graph, node: Node) -> Key:
    return node.op, tuple(graph.shape(value) for value in node.inputs)


def smallest(printed: Network) -> Graph:
    """The network at the smallest square input that it takes, or at the smallest power of two of ids; as printed where
    its input is neither one map nor ids."""
    graph, small = printed.graph, list[Shape]()
    shape = graph.inputs[0][1]
    if len(graph.inputs) == 1 and len(shape) > 1:
        small = [(shape[0], *(min(side, axis) for axis in shape[1:])) for side in range(1, max(shape[1:]))]
    elif len(graph.inputs) == 1 and -1 in embedding_inputs(graph):
        small = [(2**power,) for power in range(1, (shape[0] - 1).bit_length())]
    for size in small:
        try:
            return printed.at(size).graph
        except SpecError:
            continue
    return graph


def thinner(printed: Network, small: Graph) -> Iterator[tuple[str, Graph]]:
    """The network `small` with a constant at 1, 2 or 3 where that only leaves out layers: every kind of node, an op on
    values of some shapes, is still there, and no other; with what the constant is then."""
    if (selection := printed.selection) is None:
        return
    kinds = {_key(small, node) for node in small.nodes}
    shape = small.inputs[0][1] if len(small.inputs) == 1 else dict(small.inputs)
    for number in (1, 2, 3):
        for name in settable(selection):
            if name not in printed.settings:
                try:
                    graph = network(selection, shape, {**printed.settings, name: number}).graph
                except (SpecError, UsageError):
                    continue
                if len(graph.nodes) < len(small.nodes) and {_key(graph, node) for node in graph.nodes} == kinds:
                    yield f"{name} = {number}", graph


# --- running ------------------------------------------------------------------------------------------------------


def run(graph: Graph) -> list[str]:
    """Run the network in an evaluation, on two samples together and on each alone, node by node.

    What differs, at the first node where it does: numbers that are not finite, or another value of a sample alone.
    Raises Unavailable where there is too little memory.
    """
    heads = tuple(value for _, value in graph.head_outputs)
    whole = replace(graph, main=len(graph.nodes), outputs=graph.outputs + heads, head_outputs=())
    require(analyse(whole), 2 * BATCH, CPU)
    with out_of_memory_while("the network ran"):
        return _differences(graph)


def _differences(graph: Graph) -> list[str]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = build(graph, "cpu", heads=True).eval()
    together = network.values(example_inputs(graph, BATCH, seed=SEED))
    alone = [
        network.values(x[sample : sample + 1].clone() for x in together[: len(graph.inputs)]) for sample in range(BATCH)
    ]
    with torch.inference_mode():
        for node, step in zip(graph.nodes, network.program, strict=True):
            try:
                for values in (together, *alone):
                    values[step.output] = step.call(*[values[slot] for slot in step.inputs])
            except Exception as error:  # whatever else torch raises is a difference
                if out_of_memory(error):
                    raise
                return [f"{node.path}: torch refuses it: {str(error).splitlines()[0]}"]
            y = together[step.output]
            most = float(y.abs().max())
            if not most < float("inf"):  # also not a number
                return [f"{node.path}: the output is not finite at the input {said(dict(graph.inputs))}"]
            for sample, (values, own) in enumerate(zip(alone, y.chunk(BATCH), strict=True)):
                off = float((values[step.output] - own).abs().max())
                if not off <= TOLERANCE * most + torch.finfo(y.dtype).tiny:
                    return [f"{node.path}: sample {sample + 1} differs by {off:.2g} alone and in a batch of {BATCH}"]
            for values in (together, *alone):
                for slot in step.free:
                    values[slot] = None
    return []


# --- fvcore -------------------------------------------------------------------------------------------------------


def count_with_fvcore(graph: Graph) -> list[str]:
    """The nodes whose MACs fvcore counts otherwise, but for its known gaps. Raises Unavailable where it is missing.

    Nodes of the same op and shapes are traced once, each by itself.
    """
    memo: dict[Key, int] = {}
    found = []
    for node, cost, *_ in analyse(graph).layers:
        if not cost.macs:
            continue
        key = _key(graph, node)
        if key not in memo:
            memo[key] = _fvcore_macs(*key)
        expected = cost.macs - _unknown_to_fvcore(node.op, cost)
        if memo[key] != expected:
            found.append(f"{node.path}: {expected:,} MACs, fvcore counts {memo[key]:,}")
    return found


def _unknown_to_fvcore(op: Op, cost: NodeCost) -> int:
    """The MACs that fvcore passes over."""
    if not _gap(op, UNKNOWN_TO_FVCORE):
        return 0
    return attention_products(op, cost) if op.family == "attention" else cost.macs


def _fvcore_macs(op: Op, x: tuple[Shape, ...]) -> int:
    with installed():
        from fvcore.nn import FlopCountAnalysis
    # On `meta`, where nothing takes memory; torch does not trace convolutions there.
    where = CPU if op.family == "convolution" else torch.device("meta")
    with where:
        module = op.torch(modules, *x).eval()
        inputs = tuple(torch.zeros(batched(shape, 1)) for shape in x)
    with quiet(), torch.no_grad():
        analysis = FlopCountAnalysis(module, inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counted = analysis.tracer_warnings("none").by_operator()
    return sum(int(counted[name]) for name in PRODUCTS)


# --- parameters, shapes and MACs on meta --------------------------------------------------------------------------


def verify(graph: Graph, ran: Ran | None = None) -> list[str]:
    """The differences between what the ops say of `graph` and what torch does; empty where there are none.

    Builds the network with its heads on torch's `meta` device, which takes no memory, and runs it node by node:
    parameters and running statistics by name and shape, output shapes at a batch of 2, MACs by torch's own counter.
    Nodes of the same op and shapes run once, over all graphs that `ran` has been given with.
    """
    network = build(graph, "meta", heads=True).eval()
    found: list[str] = []
    ids = embedding_inputs(graph)
    layers = analyse(graph).layers
    ran = {} if ran is None else ran
    for node, layer, step in zip(graph.nodes, layers, network.program, strict=True):
        key = _key(graph, node)
        module = step.call
        assert isinstance(module, nn.Module)
        found += _parameters(node, module, key[1])
        dtypes = tuple(torch.long if x in ids else torch.float32 for x in node.inputs)
        run_before = (key, dtypes, isinstance(module, modules.Tied))
        if run_before not in ran:
            each = zip(key[1], dtypes, strict=True)
            inputs = [torch.empty(batched(shape, BATCH), dtype=dtype, device="meta") for shape, dtype in each]
            ran[run_before] = _run(node, module, inputs, layer.cost.macs)
        found += [f"{node.path}: {difference}" for difference in ran[run_before]]
    total, count = sum(layer.params for layer in layers), parameter_count(network)
    if count != total:
        found.append(f"the network has {total:,} parameters, torch has {count:,}")
    return found


def _parameters(node: Node, module: nn.Module, x: tuple[Shape, ...]) -> list[str]:
    """What differs in the parameters and running statistics of one node."""
    said = node.op.params(*x)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if isinstance(module, modules.Tied):
        tensors = module.tensors()
    found = []
    for what, stat in (("parameter", False), ("statistic", True)):
        shapes = {param.name: param.shape for param in said if (param.kind == "stat") == stat}
        there = {
            name: tuple(tensor.shape)
            for name, tensor in tensors.items()
            if isinstance(tensor, nn.Parameter) != stat and not (stat and name.rpartition(".")[2] in OTHER_BUFFERS)
        }
        for name in sorted(shapes.keys() | there.keys()):
            a, b = _dims(shapes.get(name)), _dims(there.get(name))
            if a != b:
                found.append(f"{node.path}: the {what} `{name}` is {a}, in torch {b}")
    return found


def _dims(shape: Shape | None) -> str:
    return "missing" if shape is None else dims(shape)


def _run(node: Node, module: nn.Module, inputs: list[Tensor], macs: int) -> list[str]:
    """What differs in the shape and the MACs of a node."""
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            y = module(*inputs)
    except Exception as error:  # whatever torch raises is a difference
        return [f"torch refuses it: {str(error).splitlines()[0]}"]
    found = []
    if tuple(y.shape) != batched(node.shape, BATCH):
        found.append(f"the output is {dims(node.shape)}, in torch {dims(tuple(y.shape[1:]))}")
    counted = counter.get_total_flops()
    unknown = _gap(node.op, UNKNOWN_TO_COUNTER) and counted == 0
    if not unknown and counted != 2 * BATCH * macs:
        found.append(f"{macs:,} MACs, torch counts {counted / (2 * BATCH):,.10g}")
    return found
