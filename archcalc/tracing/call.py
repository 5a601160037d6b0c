"""A call of a torch operator as an op of a Graph: one class for all of them, with the facts of what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import prod
from typing import Any, Self

from ..ops import OPS, Op, OpError, Param, Shape, Tokens
from ..ops.base import (
    BUFFER,
    EXACTLY,
    PARAMETER,
    Along,
    Argument,
    Idiom,
    Needs,
    OpFamily,
    ReceptiveWindows,
    Role,
    Storage,
)
from ..ops.laid import Laid
from ..ops.shapes import single
from ..records import NamedTuple
from .calls.idioms import IDIOMS
from .calls.lift import PADS, padded, sides
from .calls.moves import KEEPS, moved


class Facts(NamedTuple):
    """What is known of a call, for all that it worked on: `reach` is an op where it reads as that one does, and None
    where nothing is known of it, `like` the op of the spec language that it equals, `shaped` whether on sizes as specs
    have them, `fixed` the inputs that are constants, which its arguments say, `narrow` whether numbers lose digits in
    it. `reads` and `gives` are the sizes of the first tensor that it reads and gives, with the batch, and `part` which
    part it is of what several are: the axis, where it begins and how long it is."""

    word: str
    family: OpFamily
    torch_module: str
    shape: Shape
    arguments: tuple[tuple[str, Any], ...]
    params: tuple[Param, ...]
    macs: int
    elementwise: tuple[tuple[str, int], ...]
    storage: Storage
    weight_layers: int
    reach: tuple[ReceptiveWindows, ...] | Op | None
    like: Op | None
    shaped: bool
    free: str
    fixed: tuple[int, ...] = ()
    narrow: bool = False
    reads: Shape = ()
    gives: Shape = ()
    part: tuple[int, int, int] | None = None


class Call(Op):
    """A call of torch. Its rules give what was seen, whatever shapes they are asked for."""

    inputs = (0, 10**6)
    saves = "inputs"
    like: Op | None
    draws: bool  # type: ignore[misc]
    transposed: bool  # type: ignore[misc]
    role: Role  # type: ignore[misc]
    along: Along  # type: ignore[misc]
    layer: tuple[Along, bool] | None

    def __init__(self, facts: Facts) -> None:
        own = self.__dict__
        own["facts"] = facts
        for name in ("word", "family", "torch_module", "storage", "weight_layers", "free", "like", "fixed"):
            own[name] = getattr(facts, name)
        own["role"] = ROLES.get(facts.word, "")
        own["draws"] = facts.word in DRAWS
        own.update({"read": 1} if facts.word in LIKE else {})
        own["regroups"] = facts.reach is None
        own["layer"] = layer = _layer(facts)
        own["along"] = layer[0] if layer is not None else _along(facts)
        own["transposed"] = layer is not None and layer[1]
        own["_key"] = ("", facts)
        own["_hash"] = hash((facts.word, facts.shape, facts.macs, facts.arguments))

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.__dict__["facts"],)

    def __repr__(self) -> str:
        return f"{self.word}({', '.join(f'{argument.name}={value!r}' for argument, value in self.arguments)})"

    @property
    def equals(self) -> Op | None:
        return self._facts.like

    @property
    def arguments(self) -> tuple[tuple[Argument, Any], ...]:
        return tuple((Argument(name, "", None), _shown(value)) for name, value in self._facts.arguments)

    @property
    def _facts(self) -> Facts:
        facts: Facts = self.__dict__["facts"]
        return facts

    def but(self, **changes: Any) -> Self:
        return self

    def turns(self, *x: Any) -> int:
        return 1

    def settled(self) -> bool:
        return False

    def normal(self, *x: Any) -> Op | None:
        """The op of the spec language that it equals; of another the name and the arguments, nothing of what it was
        seen to work on. A value laid out anew is that value."""
        return meant(self, x)

    @property
    def gives(self) -> Shape:
        return self._facts.gives

    @property
    def said(self) -> dict[str, Any]:
        return {name: _unnamed(value) for name, value in self._facts.arguments}

    @property
    def idioms(self) -> Iterable[Idiom]:
        return IDIOMS.get(self.word, ())

    @property
    def of_constant(self) -> tuple[Op, Op] | None:
        facts = self._facts
        params, layer = [param.shape for param in facts.params], self.family == "linear"
        of = [
            value for name, value in self.said.items() if name in ("input", "self", "other") and isinstance(value, str)
        ]
        made = (
            _constant(of[0].split(), facts.reads)
            if len(of) == 1 and len(params) in ((1, 2) if layer else (0,))
            else None
        )
        if made is None or (layer and (len(params[0]) != 2 or self.transposed)):
            return None
        if self.role == "adding":
            return made, OPS["add"]()
        return (made, OPS["linear"](out=params[0][0], bias=len(params) > 1)) if layer else None

    @property
    def in_two(self) -> tuple[Op, Op] | None:
        facts, axes = self._facts, len(self.gives)
        if facts.narrow or self.storage != "new":
            return None
        if len(facts.params) == 1:  # a function of a parameter
            usual = all(value in (PARAMETER, USUAL.get(name)) for name, value in facts.arguments)
            word = FUNCTIONS.get(self.word) if usual and not facts.fixed else None
            return (_learned(facts.params[0].shape), OPS[word]()) if word else None
        if facts.params:
            return None
        if self.word in LOG_SOFTMAX and (axis := self.said["dim"] % axes):
            x = Tokens(facts.reads[1:]) if axes == 3 else facts.reads[1:]
            shares = OPS["softmax"](axis=axis - 1)
            return shares.normal(x) or shares, OPS["log"]()
        words = {"log_sigmoid": ("sigmoid", "log"), "rsqrt": ("sqrt", "reciprocal")}.get(self.word)
        return (OPS[words[0]](), OPS[words[1]]()) if words else None

    @property
    def buffer(self) -> str:
        facts = self._facts
        own = next((value for name, value in facts.arguments if name == "self"), None)
        if not isinstance(own, Own) or facts.storage != "own" or facts.narrow or self.word not in KEEPS:
            return ""
        kind, _, name = own.partition(" ")
        return name if kind == BUFFER else ""

    @property
    def constant(self) -> bool:
        return self._facts.free == CONSTANT

    def apart(self, other: Op) -> str:
        if not isinstance(other, Call):
            return ""
        sides = [_exactly([value for _, value in one._facts.arguments]) for one in (self, other)]
        told = [f"a constant of {x[0]} has other values" for x, y in zip(*sides, strict=False) if not _near(x[1], y[1])]
        return told[0] if told else ""

    def moved(self, x: Laid) -> Laid | None:
        facts = self._facts
        if (self.word in PARTS and facts.part is None) or (self.role == "joined" and x.size == facts.gives):
            return x
        if facts.narrow or x.size != facts.reads:
            return None
        with suppress(*ODD):
            return moved(self.word, self.said, facts.part, x, facts.gives)
        return None

    def on_map(self, axes: tuple[int, ...]) -> tuple[()] | tuple[Op | None]:
        with suppress(*ODD):
            return self._on_map(axes)
        return ()

    def _on_map(self, axes: tuple[int, ...]) -> tuple[()] | tuple[Op | None]:
        given, size = self.said, self._facts.reads
        x = tuple(size[axis] for axis in axes)
        if 0 in axes or len({*axes}) < len(x) or len(size) != len(self.gives):
            return ()
        if self.word in PADS:
            of, each = (0, *axes), sides(given, len(size))
            if min(map(min, each)) < 0 or any(each[0]) or any(each[of[1]]):
                return ()
            return (padded(given, *zip(*[each[axis] for axis in of[2:]], strict=True)).normal(x),)
        axis = given.get("dim", 0) % len(size)
        if axis not in axes:
            return ()
        start, step = given.get("start") or 0, given.get("step", 1)
        start = min(start + size[axis] if start < 0 else start, size[axis])
        stop = min(start + (self.gives[axis] - 1) * step + 1, size[axis])
        stop = size[axis] if step > 1 and stop + step > size[axis] else stop
        return (OPS["slice"](start, stop, step, axis=axes.index(axis)).normal(x),)

    def weighing(self, size: Shape, made: Op, laid: Op) -> Op | None:
        """Weights that are a batch of one to a batch norm are standardised, those of each output channel together."""
        if self.word not in CONVOLUTIONS or not isinstance(made, Call) or not isinstance(laid, Call):
            return None
        said, norm, form = self.said, made.said, laid.said.get("shape", laid.said.get("size", ()))
        if made.word != "batch_norm" or not norm.get("training") or {"weight", "bias"} & norm.keys():
            return None
        if laid.word not in (*COPIES, "view") or len(form) != 3 or form[:2] != (1, size[0]):
            return None
        if laid.params()[0].shape != size or isinstance(said.get("padding", 0), str):
            return None
        sizes = {"stride": said.get("stride", 1), "pad": said.get("padding", 0), "dilation": said.get("dilation", 1)}
        return OPS["stdconv"](
            out=size[0], kernel=single(size[2:]), groups=said.get("groups", 1), bias="bias" in said, eps=norm["eps"],
            **{name: n if isinstance(n, int) else single(n) for name, n in sizes.items()},
        )  # fmt: skip

    def shape(self, *x: Any) -> Shape:
        return self._facts.shape

    def params(self, *x: Any) -> tuple[Param, ...]:
        return self._facts.params

    def macs(self, *xy: Any) -> int:
        return self._facts.macs

    def elementwise(self, *xy: Any) -> dict[str, int]:
        return dict(self._facts.elementwise)

    def backward_macs(self, needs: Needs, *xy: Any) -> int:
        return self._facts.macs * (bool(self._facts.params) + sum(needs))

    def receptive_window(self, *x: Any) -> tuple[ReceptiveWindows, ...]:
        facts = self._facts
        if facts.like is not None and facts.shaped:
            return facts.like.receptive_window(*x)
        return facts.reach.receptive_window(*x) if isinstance(facts.reach, Op) else facts.reach or ()


# What a call may be to an attention, and to windows.
ROLES: dict[str, Role] = {
    "scaled_dot_product_attention": "mixing", **dict.fromkeys(("matmul", "bmm", "einsum"), "product"),
    **dict.fromkeys(("softmax", "_softmax"), "shares"), "add": "adding",
    **dict.fromkeys(("mul", "div"), "scaling"), "neg": "negative", "roll": "roll",
    **dict.fromkeys(("index", "embedding"), "table"), "cat": "joined",
    **dict.fromkeys(("where", "masked_fill"), "choosing"), "mean": "averaging",
    **dict.fromkeys(("pad", "constant_pad_nd", "slice", "narrow"), "edge"), "exp": "exponential", "clone": "copied",
    **dict.fromkeys(("clamp", "clamp_max"), "limited"), **dict.fromkeys(("zero", "fill"), "filled"),
}  # fmt: skip
FRONT = ("convolution", "norm", "pool", "resampling")  # families of what has channels in front of places
ENDS = ("layer_norm", "rms_norm")
SUMS = ("mean", "sum", "amax", "amin", "max", "var", "std")  # over axes that are said
DEALS = ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "prelu", "_prelu_kernel", "im2col")


def _layer(facts: Facts) -> tuple[Along, bool] | None:
    """Of a product of a value and a parameter that is a fully connected layer of each place: where it takes the
    channels to stand, and whether the parameter is in × out."""
    given, axes = dict(facts.arguments), len(facts.gives)
    if [len(param.shape) for param in facts.params] != PRODUCTS.get(facts.word):
        return None
    if facts.word == "einsum":
        return _of_letters(str(given.get("equation")), given.get("tensors", ()))
    if facts.word == "addmm":
        once = given.get("beta", 1) == given.get("alpha", 1) == 1
        return ("last", True) if once and given.keys() & {"self", "mat1", "mat2"} == {"self", "mat2"} else None
    if "self" in given:
        return ("front", False) if axes == 3 else None
    return "last", True


def _of_letters(equation: str, of: Sequence[str]) -> tuple[Along, bool] | None:
    """The same of an einsum of a value and a parameter, in this order or the other."""
    left, _, out = equation.replace(" ", "").replace("...", ".").partition("->")
    parts = dict(zip(of, left.split(","), strict=False))
    x, weight = parts.get("tensor", ""), parts.get("parameter", "")
    if len(parts) < 2 or any(len({*one}) < len(one) for one in (x, weight, out)) or len({*weight} & {*x}) != 1:
        return None
    (summed,), made = {*weight} & {*x}, "".join({*weight} - {*x})
    if "." in weight or out != x.replace(summed, made) or len(x) < 2:
        return None
    at = x.index(summed)
    where: Along = "last" if at == len(x) - 1 else "front" if at == 1 and x[0] != "." else ""
    return (where, weight[0] == summed) if where else None


def _along(facts: Facts) -> Along:
    """Where a call takes the channels of a map to stand."""
    axes, word, given = len(facts.reads), facts.word, dict(facts.arguments)
    if word in SUMS:
        said = given.get("dim")
        over = {at % axes for at in (said if isinstance(said, tuple) else (said,)) if axes and isinstance(at, int)}
        front, last = over == {*range(2, axes)}, over == {*range(1, axes - 1)}
        return "front" if over and front else "last" if over and last else ""
    if "pad" in word and facts.family == "layout":
        sizes = given.get("pad", given.get("padding"))
        sizes = sizes if isinstance(sizes, tuple) else ()
        return "front" if len(sizes) <= 2 * axes - 4 else "last" if not any(sizes[:2]) else ""
    if facts.family == "linear" or word in ENDS:
        return "last"
    if word in DEALS or (facts.family in FRONT and (facts.params or facts.like or facts.family == "resampling")):
        return "front"
    whole = facts.family in ("activation", "elementwise") and not (facts.like and facts.like.probabilities)
    return "each" if word in EACH or (whole and facts.reads == facts.gives and word not in OVER) else ""


EACH = ("add", "sub", "mul", "div")
LOG_SOFTMAX = ("log_softmax", "_log_softmax")
OVER = (*LOG_SOFTMAX, "softmax", "_softmax", "_safe_softmax")
ODD = (LookupError, TypeError, ValueError, ArithmeticError, OpError)  # of arguments that torch gives nowhere
CONSTANT = "makes a constant, of no input and no weight"

# --- in normal form -----------------------------------------------------------------------------------------------

PARTS = ("chunk", "split", "split_with_sizes", "unbind")  # that give parts, which are nodes of their own
TURNS = ("permute", "transpose", "movedim", "swapaxes")  # of more axes than a map has: they deal channels out anew
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
DRAWS = {
    "rand", "rand_like", "randn", "randn_like", "randint", "randint_like", "randperm", "bernoulli", "multinomial",
    "normal", "uniform", "exponential", "random", "dropout", "feature_dropout", "alpha_dropout",
    "feature_alpha_dropout",
}  # fmt: skip
LIKE = ("expand_as", "view_as", "reshape_as", "type_as")  # what reads of its second value the shape alone
COPIES = ("_to_copy", "clone", "contiguous", "reshape", "to", "repeat")  # that lay out a value anew


def _constant(words: Sequence[str], size: Shape) -> Op | None:
    """The op that makes a constant, which is said in words, where there is one."""
    kind, *said = words[1:] if words[:1] == ["constant"] and words[1:] else [""]
    with suppress(ValueError, IndexError, OpError):
        if kind == "full" and len(said) == 1:
            return OPS["constant"](value=float(said[0]), size=single(tuple(n for n in size if n > 1)))
        axes = tuple(map(int, said[0].split("×")))
        if kind == "coordinates" and said[1:] in (["0"], ["8"]):
            return OPS["coordinates"](axes, log=float(said[1]) or None)
        if kind == "sines" and "at" not in said:
            more = dict.fromkeys(said[3:], True)
            return OPS["sines"](out=int(said[1]), like=axes, span=float(said[2]) or None, **more)
    return None


def meant(call: Call, x: tuple[Shape, ...]) -> Op | None:
    """A call in normal form, on inputs of these shapes; None where it gives its first input."""
    facts: Facts = call.__dict__["facts"]
    given = dict(facts.arguments)
    if facts.like is not None:
        if facts.word == "item":
            return facts.like
        # Two axes are those of a signal, or of a sequence: of which probabilities are over the last.
        maps = facts.shaped and facts.like.family != "merge" and not facts.like.probabilities
        with suppress(OpError):  # where it says the shape otherwise than a spec does
            return facts.like.normal(*(shape if maps or len(shape) != 2 else Tokens(shape) for shape in x))
    axes = len(facts.reads)
    if len(x) == 1 and not facts.params and given.get("other") == NOTHING.get(facts.word, ...):
        return None
    if call.layer is not None and len(x) == 1:
        return OPS["linear"](out=facts.params[0].shape[call.transposed], bias=len(facts.params) == 2)
    if facts.word in MERGES and given.get("alpha", 1) == 1:
        if len(x) == 1 and facts.params:
            return OPS[facts.word]().taking(1)
        if len(x) == 2:
            return OPS[facts.word]()
    sizes = given.get("pad", ())
    if facts.word in PADS and sizes and not any(sizes):
        return None
    if facts.word in PADS and sizes == (-1, 1) * (axes - 2) and not given.get("value"):
        return OPS["shift"]()
    if facts.word in PADS and x and len(x[0]) == axes - 1 and _widens(sizes, 2 * axes - 3) and not given.get("value"):
        return OPS["pad_channels"](out=x[0][0] + sizes[2 * axes - 3])
    if facts.word in PADS and len(sizes) == 2 * axes - 4 and min(sizes) >= 0:
        return padded(given, sizes[-2::-2], sizes[-1::-2]).normal(x[0])  # the last axis comes first
    if facts.word == "cat" and len(x) == 1 and _alone(given.get("tensors", ())):
        return None
    if facts.word == "mean" and given.get("dim") and all(n % axes and facts.reads[n] == 1 for n in given["dim"]):
        return None
    if facts.word in POOLED and call.along:  # channels in front, or behind
        return OPS[POOLED[facts.word]]()
    if facts.word == "select" and x and given["dim"] == 1 and axes == 3:
        return OPS["take"](given["index"] % x[0][0]).normal(Tokens(x[0]))
    if facts.word == "transpose" and axes == 5 and {given["dim0"], given["dim1"]} == {1, 2}:
        return OPS["shuffle"](x[0][0])
    if facts.storage == "own" and not x and facts.params and not (given.get("start") or given.get("index")):
        return _learned(facts.params[0].shape)
    places = str(_unnamed(given.get("indices")))
    if call.role == "table" and not x and len(facts.params) == 1 and places.startswith("constant range 0 "):
        return OPS["learned"](size=facts.shape)
    other = facts.word == "item" and facts.part is None and given["index"] != 0  # another result of a call
    moves = not other and (facts.storage in ("view", "own") or facts.word in COPIES)
    laid_out = moves and not facts.narrow and prod(x[0] if x else (0,)) == prod(facts.shape)
    if facts.word in PARTS or (laid_out and not (facts.word in TURNS and axes > 4)):
        return None
    arguments = tuple([(name, _unnamed(value)) for name, value in facts.arguments if name != "dtype" or facts.narrow])
    if call.role == "mixing" and axes > 2:  # how many heads there are, and how wide, no layer says
        arguments += (("heads", facts.reads[-3] if axes > 3 else 1), ("width", facts.reads[-1]))
    return Call(Facts(facts.word, facts.family, "", (), arguments, (), 0, (), "new", 0, None, None, False, ""))


def _learned(size: Shape) -> Op:
    """A parameter as a value, of one sample."""
    own = size[1:] if len(size) > 2 and size[0] == 1 else size or (1,)
    return OPS["learned"](size=own if len(own) > 1 else own[0])


FUNCTIONS = {"silu": "swish", **{word: word for word in ("relu", "sigmoid", "tanh", "exp", "softplus", "abs", "sqrt")}}
USUAL = {"beta": 1, "threshold": 20}
PRODUCTS = {"matmul": [2], "mm": [2], "addmm": [2, 1], "einsum": [2]}  # of which parameters, by their axes
MERGES = ("add", "mul")  # of two values, whichever is spread
POOLED = {"mean": "gap", "amax": "gmp", "max": "gmp"}  # over all places
ROUNDED = 1e-6  # of the length of a constant
NOTHING = {"add": 0, "sub": 0, "mul": 1, "div": 1}  # the number with which an operator gives its value as it is


def _widens(sizes: Sequence[int], at: int) -> bool:
    """Whether of what is padded, from the last axis on, one place alone is, behind."""
    return len(sizes) > at and sizes[at] > 0 and not any((*sizes[:at], *sizes[at + 1 :]))


def _alone(values: Any) -> bool:
    """Whether of values that are joined all but one are empty."""
    return sum(not str(_unnamed(value)).startswith("constant empty") for value in values) <= 1


class Own(str):
    """A tensor among the arguments that no call makes, by what it is and its name: `parameter head.scale`."""


def _shown(value: Any) -> Any:
    """An argument without the sums that tell a constant from others with its words."""
    if isinstance(value, tuple):
        return tuple(map(_shown, value))
    return Own(value.partition(EXACTLY)[0]) if isinstance(value, Own) else value


def _unnamed(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_unnamed, value))
    if not isinstance(value, Own):
        return value
    kind, _, said = value.partition(EXACTLY)[0].partition(": ")
    return f"constant {said}" if said else kind.partition(" ")[0]


def _exactly(values: Sequence[Any]) -> list[tuple[str, list[float]]]:
    """Of the constants among arguments that are told from others by sums the size, and these sums."""
    found = []
    for value in values:
        if isinstance(value, tuple):
            found += _exactly(value)
        elif isinstance(value, Own) and EXACTLY in value:
            words, _, sums = value.partition(EXACTLY)
            with suppress(ValueError, IndexError):
                found.append((words.partition(": ")[2].split()[1], [*map(float, sums.split())]))
    return found


def _near(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether sums, of which the first is of the squares of all, differ by no more than numbers are rounded."""
    return all(abs(x - y) <= ROUNDED * max(one[0], other[0]) for x, y in zip(one, other, strict=False))


def argument(value: Any) -> Any:
    """An argument as it is shown and hashed: lists as sizes."""
    return tuple(map(argument, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
