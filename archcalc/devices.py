"""Devices, and what they reach at best: by their makers' data sheets, for rooflines where nothing was measured."""

from __future__ import annotations

from typing import NamedTuple

from .errors import UsageError, did_you_mean


class Device(NamedTuple):
    """Ceilings of a device: FLOPs per second by dtype (a multiply-accumulate is two), bytes per second of memory.

    `source` is the data sheet, or says how they were measured.
    """

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

    @property
    def ridge(self) -> dict[str, float]:
        """From how many FLOPs per byte on the arithmetic is the limit, by dtype."""
        return {dtype: peak / self.bandwidth for dtype, peak in self.flops.items()}


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
