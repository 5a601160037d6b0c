"""Which positions of its inputs an output of a call reads: a window or a point of maps, channels first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...ops import Op
from ...ops.base import POINT, WHOLE, OpFamily, ReceptiveWindow, ReceptiveWindows
from .kinds import axes_of
from .lift import PADS, padded, sides
from .moves import KEEPS
from .seen import Seen, Shape

# What makes each position of its output of the same position of its inputs, where these are maps of one size.
POINTS: tuple[OpFamily, ...] = ("activation", "elementwise", "merge", "norm")
WINDOWS = ("conv1d", "conv2d", "conv3d", "max_pool", "avg_pool")
# What reads other positions, whatever its family: of its groups, of the whole map, of an axis.
OTHERS = re.compile(
    r"(group|instance|layer|rms)_norm|softmax|^(stack|norm|linalg_vector_norm|outer|ger|addr|cdist|_euclidean_dist|"
    r"cross|linalg_cross|trapz)$"
)
# What reads as the op does that it equals.
LIKE = re.compile(
    r"^(conv\d|conv_transpose|adaptive_|_?upsample_|pixel_|group_norm|instance_norm|(slice|narrow|cat|concat)$)"
)


def reach(
    seen: Seen, family: OpFamily, x: Sequence[Shape], y: Shape, like: Op | None
) -> tuple[ReceptiveWindows, ...] | Op | None:
    """The windows on the inputs of shapes `x` without the batch: none where they are those of `like`, the op that the
    call equals on these; or another op whose they are, or None where nothing is known. A value with one position reads
    all of what it is made of."""
    name = seen.call.name
    if len(y) < 2 or (len(y) > 1 and set(y[1:]) == {1}):
        single = all(len(shape) < 2 or set(shape[1:]) == {1} for shape in x)
        return (POINT if single else WHOLE,) * len(x)
    if name.startswith(WINDOWS) and not isinstance(seen.args.get("padding"), str):
        return _window(seen, name) if len(x[0]) == len(y) == 1 + axes_of(name) else None
    by_batch = seen.args.get("training") or seen.args.get("train")
    if family in POINTS and not OTHERS.search(name) and _alike(x, y) and not (family == "norm" and by_batch):
        if name in ("cat", "concat") and seen.args.get("dim", 0) not in (1, -len(y)):
            return None
        return (POINT,) * len(x)
    if name in KEEPS and y == x[0]:
        return (POINT,) * len(x)
    if name in PADS:
        if len(y) + 1 != len(seen.out):  # the batch is not in front
            return None
        batch, channels, *places = sides(seen.args, len(seen.out))
        if not any(map(any, (batch, *places))) and min(channels) >= 0:  # channels more
            return (POINT,) * len(x)
        cuts = min(map(min, places)) < 0 or any((*batch, *channels))
        return None if cuts else padded(seen.args, *zip(*places, strict=True))
    return () if like is not None and LIKE.match(name) and len(x[0]) == len(y) else None


def _alike(x: Sequence[Shape], y: Shape) -> bool:
    """Whether all are maps of one size, or scales of channels of such."""
    return all(len(shape) == len(y) and (shape[1:] == y[1:] or set(shape[1:]) == {1}) for shape in x)


def _window(seen: Seen, name: str) -> tuple[ReceptiveWindows, ...] | None:
    axes = axes_of(name)
    kernel = seen.shape("weight")[2:] if seen.has("weight") else seen.sizes("kernel_size", axes, 1)
    stride = seen.sizes("stride", axes, 1) if seen.args.get("stride") or seen.has("weight") else kernel
    pad, dilation = seen.sizes("padding", axes, 0), seen.sizes("dilation", axes, 1)
    each = zip(kernel, stride, pad, dilation, strict=True)
    return (tuple(ReceptiveWindow(s, -p, d * (k - 1) - p, d if k > 1 else 1) for k, s, p, d in each),)
