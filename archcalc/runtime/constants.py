"""Constants of code in words: what it makes of no input and no weight, alike wherever the values are alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from hashlib import sha256

import torch
from torch import Tensor

from ..alignment.scores import BACKWARDS, HIDDEN, HIDES, PICKS, SEEN
from ..ops import dims
from ..ops.base import EXACTLY
from .modules import coordinates, differences, distance_classes, sines, window_mask

FEW = 16  # elements that are said one by one
GRID = 1 << 16  # elements of the places of a grid
NEAR = 1e-6  # of places
LARGE = 1e3  # beside numbers as large, as those that hide, sums do not show the others
LARGEST = 1 << 22  # elements that are looked at
MANY = 1 << 10  # elements from which on it is quicker to see whether it was looked at before
MOST_SAID = 1 << 10
# Masks are made anew in each layer.
SAID: dict[tuple[torch.dtype, tuple[int, ...], bytes], str] = {}
WAVES, ALIKE = 1 << 20, 1e-4  # elements that may be the sines of a map, and how near they are then
CLOSE = 4e-7  # of sines, for each place: angles are rounded
BUCKETS = ((32, 128), (64, 128), (16, 64), (32, 20), (320, 800))  # classes of distances, and the last class's distance


def described(value: Tensor) -> str:
    """What a constant is: `full 0.5`, `range 0 128`, `relative 7×7`, `mask causal -inf`, `cos 10000 64 halves`,
    `sines 25×34 256 6.283185307179586 interleaved`, or its size and what tells it from others."""
    value = value.detach().cpu().contiguous()
    if value.numel() < MANY:
        return _described(value)
    numbers = value.reshape(-1).view(torch.uint8).numpy().tobytes()
    key = value.dtype, tuple(value.shape), sha256(numbers).digest()
    if key not in SAID:
        if len(SAID) >= MOST_SAID:
            SAID.clear()
        SAID[key] = _described(value)
    return SAID[key]


def _described(value: Tensor) -> str:
    if not value.numel():
        return f"empty {_dtype(value)}"
    if value.is_complex() or (value.dtype.itemsize == 1 and value.is_floating_point()):
        return f"{_dtype(value)} {dims(tuple(value.shape))}"
    plain = value.squeeze()
    first = plain.reshape(-1)[0]
    if bool((plain == first).all()):
        return f"full {_number(first)}"
    whole = not value.is_floating_point()
    known = _whole(plain) if whole and value.dtype != torch.bool else "" if whole else _turning(plain)
    known = known or _mask(plain) or ("" if whole else grid(plain) or _picking(plain) or _waves(plain))
    return known + _places(value) if known else _other(value)


def _places(value: Tensor) -> str:
    """Along which axes, from the last, its elements lie, where these are not the last ones."""
    axes = [axis - value.ndim for axis, size in enumerate(value.shape) if size > 1]
    return "" if axes == [*range(-len(axes), 0)] else f" at {' '.join(map(str, axes))}"


def _number(value: Tensor) -> str:
    found = value.item()
    return (
        str(int(found))
        if isinstance(found, bool) or (float(found).is_integer() and abs(found) < 1e15)
        else f"{found:.7g}"
    )


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _whole(x: Tensor) -> str:
    """Of whole numbers: a range, or which learned vector is that of a pair of tokens."""
    if x.ndim == 1 and bool((x == torch.arange(len(x)) + x[0]).all()):
        return f"range {int(x[0])} {len(x)}"
    tokens = math.isqrt(x.numel())
    if tokens * tokens != x.numel():
        return ""
    line, most = x.flatten(), int(x.max())
    for axes in _axes(tokens):
        known = most + 1 == math.prod(2 * n - 1 for n in axes)
        for way in ("", BACKWARDS) if known else ():
            apart = differences(axes)
            if bool((line == (apart.T if way else apart).flatten()).all()):
                return f"relative {dims(axes)}{way}"
    if x.ndim != 2:
        return ""
    apart = torch.arange(x.shape[1])[None, :] - torch.arange(x.shape[0])[:, None]
    for buckets, distance in BUCKETS:
        for both in (True, False):
            if most < buckets and bool((x == distance_classes(apart, buckets, distance, both)).all()):
                return f"buckets {buckets} {distance} {'both' if both else 'behind'}"
    return ""


def _axes(count: int) -> Iterator[tuple[int, ...]]:
    """The grids of so many places, the squarest first; and a line."""
    sides = [n for n in range(math.isqrt(count), 1, -1) if count % n == 0]
    for side in sides:
        yield side, count // side
        if side * side != count:
            yield count // side, side
    cube = round(count ** (1 / 3))
    if cube**3 == count:
        yield cube, cube, cube
    yield (count,)


def _mask(x: Tensor) -> str:
    """Of two values, of which one hides: which pairs of tokens see each other, and what the others get."""
    if x.ndim not in (2, 3):
        return ""
    seen = x if x.dtype == torch.bool else x == 0
    rest = x[~seen]
    fill = "" if x.dtype == torch.bool else _number(rest[0]) if len(rest) else "0"
    if x.dtype != torch.bool and (not len(rest) or not bool((rest == rest[0]).all()) or float(rest[0]) > HIDES):
        return ""
    fill = f" {fill}" if fill else ""
    known, hidden = _pairs(seen), _pairs(~seen) if x.dtype == torch.bool else ""
    if hidden and not known:
        return f"{HIDDEN}{hidden}"
    return f"{SEEN}{known or f'{dims(tuple(x.shape))} {_digest(seen)}'}{fill}"


def later(x: Tensor) -> bool:
    """Whether real numbers say no more than which token comes later than which: ones and zeros, or what hides these."""
    if x.ndim != 2 or x.shape[0] != x.shape[1] or len(x) < 2:
        return False
    ones = torch.ones_like(x)
    return any(torch.equal(x, half) for half in (ones.tril(), ones.triu(1))) or _mask(x).startswith(f"{SEEN}causal")


def _pairs(seen: Tensor) -> str:
    """Which pairs of tokens see each other, where that has a word."""
    if seen.ndim == 2 and seen.shape[0] == seen.shape[1] and bool((seen == torch.ones_like(seen).tril()).all()):
        return "causal"
    if seen.ndim == 3 and seen.shape[1] == seen.shape[2]:
        for of, each, moved in _moves(seen.shape[0], math.isqrt(seen.shape[1])):
            if len(window_mask(of, each, moved)) == len(seen) and torch.equal(seen, window_mask(of, each, moved)):
                return f"windows {dims(of)} {dims(each)} {dims(moved)}"
    return ""


def _moves(windows: int, side: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The maps of so many square windows, the windows, and by how much these may be moved."""
    for counts in _axes(windows):
        if len(counts) < 3:
            counts = counts if len(counts) == 2 else (1, *counts)
            of = tuple(count * side for count in counts)
            for shift in range(1, side):
                yield of, (side, side), tuple(shift if count > 1 else 0 for count in counts)


def _turning(x: Tensor) -> str:
    """Of real numbers: the cosines or sines that turn pairs of elements by the place of their token."""
    if x.ndim != 2 or len(x) < 2 or x.shape[1] < 2 or not bool((x.abs() <= 1).all()):
        return ""
    wave = torch.cos if bool((x[0] == 1).all()) else torch.sin if bool((x[0] == 0).all()) else None
    places = torch.arange(len(x), dtype=torch.float64)[:, None]
    for width, form in ((x.shape[1], "halves"), (x.shape[1], "pairs"), (2 * x.shape[1], "once")):
        second = x[1, 1 if form != "pairs" else min(2, x.shape[1] - 1)].double()
        angle = float(torch.acos(second) if wave is torch.cos else torch.asin(second))
        if wave is None or width < 4 or width % 2 or not 0 < angle < 1:
            continue
        for digits in range(1, 5):  # the roundest that it may be
            base = float(f"{angle ** (-width / 2):.{digits}g}")
            angles = places / base ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
            angles = {"halves": angles.repeat(1, 2), "pairs": angles.repeat_interleave(2, 1)}.get(form, angles)
            if float((wave(angles) - x).abs().max()) < CLOSE * (len(x) + 3):
                return f"{wave.__name__} {base:g} {width} {form}"
    return ""


def grid(x: Tensor) -> str:
    """Of real numbers: the places of a grid, from −1 to 1 along each axis, or their logarithms."""
    count = x.numel() // max(1, x.shape[-1])
    for axes in _axes(count) if x.ndim > 1 and count < x.numel() < GRID else ():
        for log in (None, 8.0) if len(axes) == x.shape[-1] and x.ndim in (2, len(axes) + 1) else ():
            if (x.ndim == 2 or x.shape[:-1] == axes) and torch.allclose(
                coordinates(axes, log), x.reshape(count, -1).float(), atol=NEAR
            ):
                return f"coordinates {dims(axes)} {log or 0:g}"
    return ""


def _picking(x: Tensor) -> str:
    """Of ones and zeros: what numbers would pick of the last axis, of which each place has a single one."""
    alone = x.ndim == 3 and bool(((x == 0) | (x == 1)).all()) and bool((x.sum(-1) == 1).all())
    at = x.argmax(-1) if alone else x.new_zeros(1, dtype=torch.long)
    known = _whole(at) if alone and int(at.max()) + 1 == x.shape[-1] else ""
    return f"{PICKS}{known}" if known.startswith("relative") else ""


def _waves(x: Tensor) -> str:
    """Of real numbers: the sines and cosines of the places of a map, tokens × channels, as `sines` makes them."""
    if x.ndim != 2 or min(x.shape) < 4 or x.shape[1] % 4 or x.numel() > WAVES:
        return ""
    pairs = {True: x.reshape(len(x), -1, 2), False: x.reshape(len(x), 2, 2, -1).transpose(2, 3)}
    for interleaved, both in pairs.items():
        if float((both.square().sum(-1) - 1).abs().max()) > ALIKE:
            continue
        for size in _axes(len(x)):
            for span, backwards in ((None, False), (2 * math.pi, False), (None, True), (2 * math.pi, True)):
                made = sines(x.shape[1], size, span, interleaved, backwards) if len(size) == 2 else None
                if made is not None and float((made.flatten(1).T - x).abs().max()) < ALIKE:
                    said = f"sines {dims(size)} {x.shape[1]} {span or 0!r}"
                    return said + " interleaved" * interleaved + " backwards" * backwards
    return ""


def _digest(x: Tensor) -> str:
    return sha256(x.to(torch.int64).contiguous().numpy().tobytes()).hexdigest()[:12]


def _other(x: Tensor) -> str:
    """Its type and size, and its elements, or what is made of all of them: of real numbers sums, as these differ in
    their last digits from one machine to the next; and the same to more digits, which are compared by how near they
    are."""
    if x.numel() <= FEW:
        rest = " ".join(map(_number, x.flatten()))
    elif not x.is_floating_point():
        rest = _digest(x)
    else:
        line = x.flatten().double().nan_to_num(0.0, 1e9, -1e9)
        waves = torch.sin(
            torch.arange(1, x.numel() + 1, dtype=torch.float64)[None] * torch.tensor([[1.0], [0.1], [2.3]])
        )
        small = line.where(line.abs() < LARGE, 0.0)
        sums = [line.mean(), line.square().mean().sqrt(), *(waves @ line)]
        sums += [] if torch.equal(small, line) else [*(waves @ small)]
        rest = " ".join(f"{float(one):.4g}" for one in sums)
        rest += EXACTLY + " ".join(f"{float(one):.9g}" for one in (small.norm(), *(waves @ small)))
    return f"{_dtype(x)} {dims(tuple(x.shape))} {rest}"
