"""What an op is: its arguments, and its rules for shape, parameters, MACs and the torch module side by side.

Shapes are without the batch, channels first; a sequence is `Tokens` [tokens, width]. No module here imports torch:
the runtime hands it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from inspect import get_annotations
from math import inf
from typing import Any, ClassVar, Literal, Self, dataclass_transform

from ..records import NamedTuple
from .laid import Laid
from .shapes import OpError, Shape, items, numel, show

Needs = tuple[bool, ...]  # of each input whether its gradient is needed

LIMIT = 10**18


Kind = Literal["weight", "bias", "norm", "stat"]
Storage = Literal["new", "view", "inplace", "own"]
Saves = Literal["", "nothing", "inputs", "factors", "output", "either", "both"] | tuple[int, ...]
Gradient = Literal["new", "passed", "view", "shared"]
OpFamily = Literal[
    "",
    "convolution",  # weights that slide over positions
    "linear",  # every output of all elements of the input
    "product",  # of two values, without weights
    "recurrent",
    "attention",
    "embedding",  # vectors of ids, tokens or positions
    "norm",
    "activation",  # a function of each element, or of each with its neighbours
    "elementwise",  # each element scaled, shifted or masked
    "pool",  # one of many elements, or their mean
    "resampling",
    "merge",  # several values in one
    "layout",  # moves, cuts or names elements
]


Role = Literal[
    "",
    "mixing",
    "product",
    "shares",
    "adding",
    "scaling",
    "negative",
    "roll",
    "table",
    "joined",
    "choosing",
    "averaging",
    "edge",
    "exponential",
    "limited",
    "copied",
    "filled",
]
Along = Literal["", "front", "last", "each"]  # channels in front of the places of a map, behind them, or no matter


# Forms of their own, and what any number may stand for.
EXACTLY = " exactly "  # behind the words of a constant: sums that tell it from others whose words are the same
PARAMETER, BUFFER, TIMES, EITHER, ANY = "parameter", "buffer", "times", "either", "any number"


class Form(NamedTuple):
    """What a function is made of: a call of one of these `names`, an operator's or of the op that it equals, with
    arguments, `of` other forms, in any order where it `turns`. Without a name it is what all is a function of."""

    names: str
    given: dict[str, Any]
    of: tuple[Form, ...] = ()
    turns: bool = True


class Idiom(NamedTuple):
    """An op and how people write it out; channels and parameters lie along an `axis` from the last, 0 where that is no
    matter. `ANY` number is its argument of the name `number`, at the `most` that. Where the channels are cut into
    groups, which the second of so many axes are, `parts` has the argument that says how many, and the axes; what works
    `over` an axis, from the last, has that as an argument."""

    word: str
    arguments: dict[str, Any]
    form: Form
    axis: int = 0
    number: str = "eps"
    most: float = inf
    parts: tuple[str, int] = ("", 0)
    over: int = 0


class Param(NamedTuple):
    """A parameter (or, with kind `stat`, a running statistic) as torch names it in the op's module."""

    name: str
    shape: Shape
    kind: Kind


class Buffer(NamedTuple):
    """A tensor that autograd keeps for the backward pass and that is neither a value of the network nor a parameter.

    `numel` elements for each sample, or `once` for the whole batch, of the network's dtype or at least `least` bytes.
    """

    name: str
    numel: int
    least: int = 0
    once: bool = False

    def bytes(self, batch: int, itemsize: int) -> int:
        """Its size at a batch size, in a network whose dtype has `itemsize` bytes."""
        return self.numel * (1 if self.once else batch) * max(self.least, itemsize)


MISSING: Any = object()  # what stands for a default where there is none


class ReceptiveWindow(NamedTuple):
    """What an output reads along one axis: output i reads the inputs from step · i + first to step · i + last.

    Of these every `every`-th. Where what is read depends on the place, the first of `phases` outputs read `reads(0)`,
    `reads(1)`, …; the next of them the same, `phases · step` inputs on. What goes on `beyond` the ends of the map is
    said where it is no padding of one number: `circular` and other modes, of which `reads` tells what stands there, or
    `others` that are read as well. Of tokens there is one window."""

    step: int | Fraction = 1
    first: int | Fraction = 0
    last: int | Fraction = 0
    every: int = 1
    phases: int = 1
    reads: Callable[[int], range] | None = None
    beyond: str = ""

    @property
    def taps(self) -> range:
        """The inputs that output 0 reads, where what is read does not depend on the place."""
        return range(int(self.first), int(self.last) + 1, self.every)


# An op reads of an input one window an axis; a point; or all of it, whatever its size.
ReceptiveWindows = tuple[ReceptiveWindow, ...] | None
POINT: ReceptiveWindows = ()
WHOLE: ReceptiveWindows = None
FIXED = ReceptiveWindow(0)  # every output reads position 0


class Argument(NamedTuple):
    """A field of an op as a call sees it; `sentence` says what it is."""

    name: str
    kind: str
    default: Any
    sentence: str = ""

    @property
    def required(self) -> bool:
        return self.default is MISSING


class Example(NamedTuple):
    """Arguments and input shapes that an op takes: small, and different where the letters of a formula are."""

    inputs: tuple[Shape, ...]
    arguments: dict[str, Any]


def on(*inputs: Shape, **arguments: Any) -> Example:
    """The example of an op called with `arguments` on values of these shapes."""
    return Example(inputs, arguments)


class Op:
    """One op of the spec language. A subclass is one word; its fields are the arguments of a call.

    `family` is what kind of op it is, for whoever treats kinds alike. `torch_module` is the class of `torch.nn` that
    networks are written with for it, without the number of its axes; other tools know ops by that.

    `storage` says where the output stands: `new` memory, a `view` of the input, where nobody needs the input any more
    in its place (`inplace`), or what the op itself has, a parameter or a constant, once for all samples (`own`). `free`
    says why an op without MACs and element-wise operations costs nothing by definition. `weight_layers` is how many
    convolutions and fully connected layers stand on a path through the op, and 1 of a recurrent layer.

    `saves` says which values the backward pass reads, so that autograd keeps them: the `inputs`, the `output`, `either`
    (the output where the op works in place, else the input), `both` (inputs and output), `factors` (each input that
    another one's gradient is made of), or `nothing`; or some inputs, by their numbers, behind which is
    the output's. `gradient` says where the gradients of the inputs stand: each in `new` memory, in one new tensor
    `shared` by them all, in a `view` of the output's gradient, or it is `passed` on.
    """

    word: ClassVar[str] = ""
    family: ClassVar[OpFamily] = ""
    torch_module: ClassVar[str] = ""
    example: ClassVar[Example] = on((4, 8, 8))
    fields: ClassVar[tuple[Argument, ...]] = ()
    inputs: ClassVar[tuple[int, int]] = (1, 1)  # how many values: least, most
    branches: ClassVar[bool] = False  # a call is written `word: [branch, branch, …]`
    reserved: ClassVar[bool] = False  # the word of a merge names no value
    keeps_order: ClassVar[bool] = False  # the output of a merge or embedding lies in memory as its first input does
    commutes: ClassVar[bool] = False  # the order of its inputs does not matter
    nests: ClassVar[bool] = False  # the inputs of one among its inputs may as well stand in that one's place
    gated: ClassVar[bool] = False  # the inputs behind the first are gates that scale it
    lays_out: ClassVar[bool] = False  # gives the elements of its input, in their order, as another shape
    single: ClassVar[bool] = True  # a call of it is one node of one value
    regroups: ClassVar[bool] = False  # makes many of a value or the reverse: its rules speak of all items, not of one
    takes_defaults_of: ClassVar[str] = ""  # the op whose defaults in a spec are its own too
    probabilities: ClassVar[bool] = False  # it makes them of scores, as losses such as `cross_entropy` do themselves
    logarithm: ClassVar[bool] = False  # what losses such as `nll_loss` want of probabilities
    draws: ClassVar[bool] = False  # gives other numbers each time
    transposed: ClassVar[bool] = False  # its weights are in × out, as factors of a product are
    cuts: ClassVar[bool] = False  # makes windows or a grid of a map
    gathers: ClassVar[bool] = False  # puts what was cut together
    settles: ClassVar[bool] = False  # a second one behind it does nothing, or nothing that anybody means
    folds: ClassVar[bool] = False  # in an evaluation it only scales and shifts each channel
    storage: ClassVar[Storage] = "new"
    channels_last: ClassVar[bool] = False  # in the memory of its output the channels of a place lie together
    copies_in_training: bool = False  # works in place in an evaluation only
    read: ClassVar[int] = 10**6  # how many of its inputs are read; further ones only lend their shape
    saves: ClassVar[Saves] = ""
    gradient: ClassVar[Gradient] = "new"
    param_grads_are_views: ClassVar[bool] = False  # gradients of its parameters are views: torch adds nothing to them
    frees_grad_early: ClassVar[bool] = False  # the backward pass drops the output's gradient on the way, not at its end
    scratch_inwards: ClassVar[bool] = False  # `backward_scratch` is on the way to its inputs' gradients alone
    free: ClassVar[str] = ""
    role: ClassVar[Role] = ""  # of a call of code: what it may be to an attention, or to windows
    along: ClassVar[Along] = ""  # of a call of code: where it takes the channels of a map to stand
    fixed: ClassVar[tuple[int, ...]] = ()  # inputs that are constants, which its arguments say, too
    weight_layers: ClassVar[int] = 0
    survives: float = 1.0  # of how many samples what it reads is there in training

    def __init__(self, *args: Any, **named: Any) -> None:
        given = dict(zip([field.name for field in self.fields], args, strict=False))
        if len(args) > len(self.fields) or given.keys() & named.keys():
            raise TypeError(f"{self.word}: too many arguments, or one given twice")
        given.update(named)
        values = [given.pop(field.name, field.default) for field in self.fields]
        if given or MISSING in values:
            raise TypeError(f"{self.word}: unknown {sorted(given)}" if given else f"{self.word}: arguments are missing")
        own = self.__dict__
        own.update(zip([field.name for field in self.fields], values, strict=True))
        own["_key"] = key = (self.word, *values)
        own["_hash"] = hash(key)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"an op is not changed: {name}")

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Op) and self.__dict__["_key"] == other.__dict__["_key"])

    def __hash__(self) -> int:
        value: int = self.__dict__["_hash"]
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.__dict__["_key"][1:]  # a hash of text holds in one process only

    def __repr__(self) -> str:
        return f"{self.word}({', '.join(f'{field.name}={getattr(self, field.name)!r}' for field in self.fields)})"

    @property
    def in_place(self) -> bool:
        """Whether each element of the output stands where that of the input stood of which it was made."""
        return self.inputs == (1, 1) and (self.lays_out or self.family in ("activation", "elementwise", "norm"))

    @property
    def common(self) -> tuple[int, ...]:
        """Which inputs may be one for all items of the first."""
        return ()

    def turns(self, *x: Any) -> int:
        """How often the op works, for the input shapes `x`: its costs are for one item, and multiplied by this."""
        return 1 if self.regroups or not x else items(x[0])

    @property
    def ids(self) -> int:
        """Below which number its input's values are, where they are ids to look up; else 0."""
        return 0

    @classmethod
    def takes_one(cls) -> bool:
        """Whether it works on one value, with those among its arguments beside it: a merge that a line may call."""
        return cls.inputs[0] - sum(field.kind == "Value" and field.required for field in cls.fields) == 1

    def settled(self) -> bool:
        """Whether a second one behind it does nothing, with the arguments that this one has."""
        return self.settles

    def normal(self, *x: Any) -> Op | None:
        """What the op does to the input shapes `x`, however it is written: what its defaults mean there said as
        arguments, or a plainer op that does the same; None where every element of its first input comes out as it is.
        """
        return self

    def meaning(self, *xy: Any) -> tuple[Op | None, tuple[Shape, ...]]:
        """The op in normal form, None where it does nothing, and the shapes of its parameters, without what is 1.
        Arguments: the input shapes, then the output shape."""
        *x, y = xy
        plain = self.normal(*x)
        if plain is self and x and self.storage == "view" and y == x[0]:
            return None, ()
        shapes: Iterable[Shape] = (tuple(param.shape) for param in self.params(*x))
        if self.transposed:
            shapes = (shape[::-1] for shape in shapes)
        if plain is not None and plain.family == "linear":  # a convolution's kernel is a part of what it reads
            shapes = ((shape[0], numel(shape[1:])) if len(shape) > 1 else shape for shape in shapes)
        return plain, tuple(tuple(n for n in shape if n > 1) for shape in shapes)

    def spellings(self, *x: Any) -> Iterable[Op]:
        """What may be written for this op in normal form on the input shapes `x`, the plainest first."""
        return (self,)

    def deals_out(self, *x: Any) -> bool:
        """Whether it does nothing but deal the elements of three axes at most out to others, as views of code do."""
        return False

    @property
    def gives(self) -> Shape:
        """Of a call of code the size of what it gives, with the batch."""
        return ()

    @property
    def each(self) -> bool:
        """Whether it works on each place alone, in normal form, all channels of it."""
        if self.family in ("activation", "elementwise"):
            return self.equals is not None
        return self.family == "linear" or (self.family == "merge" and self.commutes)

    @property
    def picks(self) -> bool:
        """Whether it takes some of the tokens alone."""
        return False

    @property
    def idioms(self) -> Iterable[Idiom]:
        """What is written out in calls of which one like this comes last."""
        return ()

    @property
    def buffer(self) -> str:
        """The name of the buffer whose elements a call of code gives, all in their order."""
        return ""

    @property
    def constant(self) -> bool:
        """Whether a call of code depends on no input and no weight."""
        return False

    @property
    def of_constant(self) -> tuple[Op, Op] | None:
        """What makes the constant that a call of code reads, and what the call is of that, where both have words."""
        return None

    @property
    def in_two(self) -> tuple[Op, Op] | None:
        """The ops, in normal form, that a call of code is one after the other, where both have words."""
        return None

    @property
    def said(self) -> dict[str, Any]:
        """The arguments of a call by name, a constant among them in words."""
        return {argument.name: value for argument, value in self.arguments}

    def apart(self, other: Op) -> str:
        """What is other in constants of two calls of code that have the same words."""
        return ""

    def moved(self, x: Laid) -> Laid | None:
        """What a call of code gives, where it moves the elements of its input alone, or multiplies all by a number."""
        return None

    def on_map(self, axes: tuple[int, ...]) -> tuple[()] | tuple[Op | None]:
        """What a call of code that pads or cuts a map is in normal form, where the channels, rows and columns of what
        it reads stand along these axes; nothing where it has no word."""
        return ()

    def joined(self, other: Op) -> Op | None:
        """The op that gives what this one and `other` give of one value, side by side."""
        return None

    def of_itself(self, ops: Sequence[Op]) -> Op | None:
        """What this op of two values is where the second is made of the first by these ops, one after the other."""
        return None

    def taking(self, place: int, weight: Shape = (), held: Op | None = None) -> Op | None:
        """What this op, in its normal form, is where its input `place` of two is a parameter that it alone reads, of
        which `held` gives a part."""
        return None

    def weighing(self, size: Shape, made: Op, laid: Op) -> Op | None:
        """What this op of a value and its weights, in its normal form, is where `made` makes these, of this size, of a
        parameter that `laid` lays out."""
        return None

    def behind(self, front: Op, count: int, x: Any) -> Op | None:
        """What this op is together with `front`, which makes what it alone reads of so many values, the first of them
        `x`, both in normal form, where one op does what they do."""
        return None

    def keeps(self, made: Op) -> bool:
        """Whether this merge gives a value as it is where the other is one that `made` gives."""
        return False

    def among(self, front: Op, x: Any, shapes: Sequence[Any]) -> Sequence[int]:
        """Which of the values of these shapes it gives, where it reads `x`, which `front` makes of them, both in normal
        form, and gives all of these and nothing else; none otherwise."""
        return ()

    def padding(self, x: Any) -> tuple[tuple[int, ...], tuple[int, ...], float] | None:
        """How often it puts which number before and behind each axis, where it does nothing else."""
        return None

    def padded(self, before: tuple[int, ...], behind: tuple[int, ...], value: float) -> Op | None:
        """This op, in its normal form, with a number so often around what it reads; None where it cannot say so."""
        return None

    def folded(self) -> Op | None:
        """This op with a scale and a shift of each output channel folded into it; None where that cannot be."""
        return None

    @property
    def restated(self) -> tuple[Op, str] | None:
        """Where a default means what it did not mean in archcalc 0.1.0: this op with it said, and the argument that
        keeps the old meaning."""
        return None

    def but(self, **changes: Any) -> Self:
        """The same op with some arguments changed."""
        return type(self)(**{field.name: getattr(self, field.name) for field in self.fields} | changes)

    @property
    def equals(self) -> Op | None:
        """The op of the spec language that this is; None of a call of code that has none."""
        return self

    @property
    def arguments(self) -> tuple[tuple[Argument, Any], ...]:
        """What a call may give, each with what it is here."""
        return tuple([(argument, getattr(self, argument.name)) for argument in ARGUMENTS[self.word]])

    @property
    def pieces(self) -> Iterable[Op]:
        """The ops that a call appends: this one, or for an op with several outputs one for each, made as they are
        asked for, as only the first shows whether so many fit."""
        return (self,)

    def results(self, x: Any) -> tuple[Op | None, ...]:
        """What takes the results of a call out of the op's value, for the shape `x` of its first input, where it gives
        several in one; None for the value itself. Of most ops the value is the result, and there is nothing."""
        return ()

    def chain(self, *x: Any) -> int:
        """How many products, of matrices or of values element by element, stand behind each other in an op that is more
        than one, for the input shapes `x`; 0 of another."""
        return 0

    def fan_in(self, *x: Any) -> int:
        """How many products each output of a convolution or fully connected layer sums; 0 of another op."""
        return 0

    def shape(self, *x: Any) -> Shape:
        """The output shape for the input shapes `x`. Raises OpError where they do not fit."""
        raise NotImplementedError

    def params(self, *x: Any) -> tuple[Param, ...]:
        """The parameters and running statistics for the input shapes `x`."""
        return ()

    def of_each_expert(self) -> Op | None:
        """What stands for this op, which has weights, in `experts`, with weights of each; None where there is none."""
        return None

    def idle(self, params: int, *x: Any) -> int:
        """How many of its `params` parameters a token does not work with, for the input shapes `x`."""
        return 0

    def macs(self, *xy: Any) -> int:
        """Multiply-accumulates of convolutions, fully connected layers and matrix products, for one sample.

        Arguments: the input shapes, then the output shape.
        """
        raise NotImplementedError

    def elementwise(self, *xy: Any) -> dict[str, int]:
        """Operations that are no MACs, by kind, for one sample: elements that pass a norm, an activation, an add, …"""
        raise NotImplementedError

    def backward_macs(self, needs: Needs, *xy: Any) -> int:
        """Multiply-accumulates of the backward pass, for one sample: of the gradients of the parameters, and of each
        input whose gradient is needed. Arguments: which are, the input shapes, the output shape."""
        raise NotImplementedError

    def weight_macs(self, *xy: Any) -> int:
        """Of these the multiply-accumulates of the gradients of the parameters."""
        return self.backward_macs((False,) * (len(xy) - 1), *xy)

    def saved(self, needs: Needs, *xy: Any) -> Saves:
        """Which values the backward pass reads, for these needs and shapes."""
        return self.saves

    def copied(self, *x: Any) -> tuple[int, ...]:
        """How many copies of each input are kept for the backward pass, in its place, where it is a view whose tokens
        do not follow each other in memory."""
        return ()

    def saved_buffers(self, needs: Needs, *xy: Any) -> tuple[Buffer, ...]:
        """What else autograd keeps for the backward pass: masks, indices, statistics, values inside the op."""
        return ()

    def backward_scratch(self, batch: int, itemsize: int, *xy: Any) -> int:
        """The most bytes that tensors inside the op take in the backward pass of a batch, beside the gradients of
        input, output and parameters; less than none where these are never there together."""
        return 0

    def receptive_window(self, *x: Any) -> tuple[ReceptiveWindows, ...]:
        """Which positions of each value an output position reads, for the input shapes `x`; a point of each by
        default. Values behind the last are not read: only their sizes are."""
        return (POINT,) * min(len(x), self.read)

    def torch(self, rt: Any, *x: Any) -> Any:
        """The torch module for the input shapes `x`; `rt` is `archcalc.runtime.modules`."""
        raise NotImplementedError


class Weightless(Op):
    """No matrix product in it: no MACs by definition."""

    def macs(self, *xy: Any) -> int:
        return 0

    def backward_macs(self, needs: Needs, *xy: Any) -> int:
        return 0


class Free(Weightless):
    """Only moves or names values: no arithmetic by definition; `free` says what it does instead."""

    family: ClassVar[OpFamily] = "layout"
    saves: ClassVar[Saves] = "nothing"

    def elementwise(self, *xy: Any) -> dict[str, int]:
        return {}


class Elementwise(Weightless):
    """One operation, of the kind `operation`, on each element; the shape stays."""

    operation: ClassVar[str]

    family: ClassVar[OpFamily] = "elementwise"
    saves: ClassVar[Saves] = "nothing"

    def shape(self, x: Shape) -> Shape:
        return x

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {self.operation: numel(y)}


# The kinds of element-wise operations: what one unit of each is.
KINDS = {
    "bias": "elements to which a bias is added",
    "norm": "elements normalised",
    "activation": "elements through an activation",
    "pool": "window elements read by pooling",
    "add": "additions of two elements",
    "multiply": "multiplications of two elements",
    "softmax": "elements through a softmax",
    "interpolation": "elements made by upsampling",
}


# What an argument is that means the same in all ops.
SENTENCES = {
    "axis": "which axis, counted from 0 as sizes show them: of a map the channels, of a sequence the tokens first",
    "bias": "whether a bias is learned",
    "biases": "how many biases each gate has: 1 as in papers, 2 as in torch",
    "ceil": "whether the number of windows is rounded up",
    "eps": "what keeps a division from being one by zero",
    "dilation": "the distance between neighbouring elements of the window, on every axis",
    "groups": "how many groups the channels are cut into",
    "kernel": "the size of the window on every axis",
    "other": "the second value",
    "out": "the channels, or the width, of the output",
    "pad": "zeros before the data on every axis, and behind it unless `pad_end` is given",
    "pad_end": "zeros behind the data on every axis",
    "scale": "whether a factor is learned for each channel",
    "shift": "whether what is added is learned for each channel",
    "same": "whether to pad as TensorFlow does, to ⌈n / stride⌉ outputs",
    "size": "the size of the output",
    "stride": "the step of the window on every axis",
    "width": "the width of the output",
}
OPS: dict[str, type[Op]] = {}
ARGUMENTS: dict[str, tuple[Argument, ...]] = {}


@dataclass_transform(frozen_default=True)
def op(word: str, **sentences: str) -> Callable[[type], type]:
    """Register a class as the op `word`; its annotated names become the fields, and `sentences` say what they are.

    Raises TypeError without a family, a cost rule or a sentence.

    As `dataclass(frozen=True)` would, but without generating code: sixty dataclasses cost 50 ms at every start.
    """

    def register(cls: Any) -> Any:
        cls.word = word
        for rule in ("family", "shape", "macs", "backward_macs", "elementwise", "saves", "torch"):
            if getattr(cls, rule) is getattr(Op, rule):
                raise TypeError(f"the op `{word}` has no rule `{rule}`")
        found = {field.name: field for field in cls.fields}
        for name, kind in get_annotations(cls).items():
            if not kind.startswith("ClassVar"):
                sentence = sentences.get(name) or SENTENCES.get(name, "")
                if not sentence and not name.startswith("_"):
                    raise TypeError(f"no sentence says what `{name}` of the op `{word}` is")
                found[name] = Argument(name, kind, cls.__dict__.get(name, MISSING), sentence)
        cls.fields = tuple(found.values())
        cls.single = cls.results is Op.results and cls.pieces is Op.pieces
        OPS[word] = cls
        ARGUMENTS[word] = tuple(field for field in cls.fields if not field.name.startswith("_"))
        return cls

    return register


_COUNTS = {"Count", "Size", "Pad | None"}


def convert(value: Any, kind: str, name: str) -> Any:
    """`value`, as an expression gave it, for an argument of this kind. Raises OpError."""
    if type(value) is int and 0 < value <= LIMIT and kind in _COUNTS:  # as most are
        return value
    optional = kind.endswith("| None")
    kind = kind.removesuffix("| None").strip()
    if value is None and optional:
        return None
    if kind == "Word":
        return value
    if kind in ("Value", "Like") and value is True:
        return True  # the value itself is an input of the node
    if kind == "Pattern":
        if not isinstance(value, str):
            raise OpError(f"`{name}` is a pattern such as `c h w -> (h w) c`; here it is {show(value)}", name)
        return value
    if kind == "Axes":
        if not isinstance(value, tuple):
            raise OpError(f"`{name}` are sizes of axes, each under the axis' own name: `p=4`", name)
        return ", ".join(f"{axis}={whole(size, axis, True)}" for axis, size in value)
    if isinstance(value, str):
        raise OpError(f"`{name}` is no pattern; here it is {value}", name)
    if kind == "bool":
        if not isinstance(value, bool):
            meant = f": write `{bool(value)}`" if value in (0, 1) else ""
            raise OpError(f"`{name}` is True or False, here it is {show(value)}{meant}", name)
        return value
    if kind == "Value":
        raise OpError(f"`{name}` is a value of the network, by its name; here it is {show(value)}", name)
    if kind == "float":
        if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
            raise OpError(f"`{name}` is a number, here it is {show(value)}", name)
        return float(value)
    if kind == "Sides":
        sides = value if isinstance(value, tuple) else (value,)
        if sides.count(-1) > 1:
            raise OpError(f"`{name}` has one axis of −1, what is left; here it is {show(value)}", name)
        found = tuple(-1 if side == -1 else whole(side, name, True) for side in sides)
        return found if isinstance(value, tuple) else found[0]
    if kind in ("Size", "Pad", "Like", "Counts") and isinstance(value, tuple):
        return tuple(whole(v, name, kind != "Pad") for v in value)
    return whole(value, name, kind in ("Count", "Size", "Like", "Counts"))


def whole(value: Any, name: str, positive: bool) -> int:
    """`value` as a count. Raises OpError where it is not whole, or too small."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
        raise OpError(f"`{name}` is a count, here it is {show(value)}", name)
    if value != int(value):
        raise OpError(f"`{name}` is a count, here it is {show(value)}, which is not whole", name)
    if value < (1 if positive else 0):
        raise OpError(f"`{name}` is at least {1 if positive else 0}, here it is {show(value)}", name)
    if value > LIMIT:
        raise OpError(f"`{name}` is above 10¹⁸", name)
    return int(value)
