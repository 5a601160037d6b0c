"""Rooflines: what devices reach at best, the bytes that nodes move, and FLOPs for each of them.

Ceilings are those of data sheets, or measured. A node reads its inputs and its parameters and writes its output, each
once and from memory, as if no cache were large enough to keep a tensor from one node to the next; a view moves nothing
(Williams et al., Roofline, CACM 2009).
"""

from __future__ import annotations

from ..errors import UsageError, did_you_mean
from ..ops.shapes import elements
from ..records import NamedTuple
from ..units import ITEMSIZE
from .counts import Layer, Report
from .memory import ID_BYTES, embedding_inputs


class Device(NamedTuple):
    """Ceilings of a device: FLOPs per second by dtype (a multiply-accumulate is two), bytes per second of memory.
    `source` is the data sheet, or says how they were measured."""

    name: str
    flops: dict[str, float]
    bandwidth: float
    source: str

    def peak(self, dtype: str) -> float:
        """FLOPs per second in a dtype. Raises UsageError where the data sheet has none."""
        if dtype not in self.flops:
            raise UsageError(f"the data sheet of {self.name} gives no figure for {dtype}")
        return self.flops[dtype]

    @property
    def by(self) -> str:
        """`by its data sheet`, or how its ceilings were measured."""
        return self.source if self.source.startswith("measured") else "by its data sheet"


DEVICES = {
    "a100": Device(
        "NVIDIA A100 SXM 80 GB",
        {"float32": 19.5e12, "float64": 9.7e12, "float16": 312e12, "bfloat16": 312e12},
        2039e9,
        "NVIDIA A100 Tensor Core GPU data sheet, June 2021: dense, 16-bit with tensor cores, 32-bit without TF32",
    ),
}
DEFAULT = "a100"


def device(name: str) -> Device:
    """A device by its short name. Raises UsageError."""
    if name not in DEVICES:
        raise UsageError(f"no data sheet is shipped for `{name}`", did_you_mean(name, DEVICES))
    return DEVICES[name]


def memory_traffic(report: Report) -> tuple[int, ...]:
    """The bytes that each node reads and writes, for the whole batch."""
    size, batch = ITEMSIZE[report.dtype], report.batch
    ids = embedding_inputs(report.graph)
    code = report.graph.code
    if code is not None:
        values = [*code.bytes, *reversed(code.inputs)]  # by index, inputs from behind
        return tuple(
            0 if x.node.op.storage == "view" else sum(values[v] for v in (*x.node.inputs, n)) + sum(x.cost[1:5]) * size
            for n, x in enumerate(report.layers)
        )

    def one(layer: Layer) -> int:
        node = layer.node
        if node.op.storage == "view" or (node.op.free and not layer.cost.params and node.op.storage == "inplace"):
            return 0
        each = [elements(report.graph.shape(value)) * (ID_BYTES if value in ids else size) for value in node.inputs]
        if node.inputs[0] in ids:  # a look-up reads the words that it needs, and not the whole table
            return batch * (sum(each) + 2 * elements(node.shape) * size)
        _, *parameters = layer.cost[:5]  # its own or another's, and statistics
        return batch * (sum(each) + elements(node.shape) * size) + sum(parameters) * size

    return tuple(map(one, report.layers))


def network_intensity(report: Report) -> float:
    """The arithmetic intensity of the main path, FLOPs for each byte moved; 0 where nothing is moved."""
    moved = sum(memory_traffic(report)[: report.graph.main])
    return report.totals.flops / moved if moved else 0.0
