"""The one place where a reference becomes a network: a name, a spec file or a selected model, at an input and with
settings, gives a Graph and its Report.

A room that makes graphs of something else than specs hands in a front: `FRONTS.append(front)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from .analysis.counts import Report, analyse
from .errors import SpecError, UsageError, did_you_mean
from .graph import Graph, Input, Typed
from .language.expand import expand_model, input_shapes, settable
from .language.rows import place_of
from .language.zoo import Selection, at_input, resized, select, shipped_names, specs_dir, split
from .ops import Shape, dims
from .records import NamedTuple
from .units import as_typed, cut, read_number

Number = int | Fraction
Reference = str | Path  # how a network is named
Settings = Mapping[str, int | float | str | Fraction]


class Spelled(str):
    """A reference as somebody spells it on the command line, with what is said of code beside it: what it is made
    with, whether an example runs for real, whether operators that no rule counts are passed over, and its input."""

    kwargs: Mapping[str, Any]
    example: bool
    allow_unknown: bool
    input: Input | None

    def __new__(
        cls,
        text: str,
        kwargs: Mapping[str, Any] | None = None,
        example: bool = False,
        allow_unknown: bool = False,
        input: Input | None = None,
    ) -> Spelled:
        found = super().__new__(cls, text)
        found.kwargs, found.example, found.allow_unknown, found.input = kwargs or {}, example, allow_unknown, input
        return found

    def called(self, text: str) -> Spelled:
        """Another reference with the same beside it."""
        return Spelled(text, self.kwargs, self.example, self.allow_unknown, self.input)

    @property
    def beside(self) -> dict[str, Any]:
        """What is said beside it but the input, by name."""
        return {"kwargs": dict(self.kwargs), "example": self.example, "allow_unknown": self.allow_unknown}

    def made_with(self, more: Mapping[str, Any]) -> Spelled:
        """The same, made with more."""
        return Spelled(self, {**self.kwargs, **more}, self.example, self.allow_unknown, self.input)


LIBRARIES = ("torchvision", "timm", "transformers")  # whose models are spelled by name


def is_code(reference: str) -> bool:
    """Whether a reference spells code: `file.py:name`, `package.module:name`, `torchvision:resnet50`. A word before the
    colon that could be a family never does."""
    head, colon, name = reference.partition(":")
    if not colon or not name:
        return False
    if head in LIBRARIES or head.endswith(".py"):
        return True
    dotted = "." in head and split(reference)[0] is None and not (specs_dir() / f"{head}.yaml").is_file()
    return dotted and all(part.isidentifier() for part in (*head.split("."), *name.split(".")))


# The graph of what is spelled in another way than specs are, at an input and with settings; None for another spelling.
Front = Callable[[str, Input | None, Settings], Graph | None]
FRONTS: list[Front] = []


class Network(NamedTuple):
    """A network as it was asked for. `selection` is the model of a spec, None where a front gave the graph; `settings`
    are the constants set by hand; `printed` says that neither they nor the input differ from what the spec prints."""

    name: str
    graph: Graph
    selection: Selection | None
    settings: dict[str, Number]
    printed: bool

    def at(self, input: Input) -> Network:
        """The network at another input. Raises SpecError where it does not fit."""
        return network(self.selection or self.name, input, self.settings)


def network(reference: Reference | Selection, input: Input | None = None, settings: Settings | None = None) -> Network:
    """Build a network: `vgg16`, `vgg:D`, `./my.yaml`, a Path, or a Selection, of which no front is asked.

    `input` (channels first, without the batch, or one number for every side; of several by name) replaces the printed
    one, as `vgg16@256` does, `settings` the constants by name. Raises UsageError for an unknown name or setting,
    SpecError for a bad spec or for a size or setting that does not fit."""
    reference, input = _at(reference, input)
    found = _found(reference, input, settings or {})
    if isinstance(found, tuple):
        return Network(found[0], found[1], None, {}, True)
    values = numbers(found, settings or {})
    shape = None if input is None else checked(input)
    try:
        graph = expand_model(found, settings=values, input=shape)
    except SpecError as error:
        asked = [f"{name} = {as_typed(value)}" for name, value in values.items()]
        asked = [*([] if shape is None else [f"input {said(shape)}"]), *asked]
        if asked:
            error.within(f"`{found.name}` at {', '.join(asked)}")
        raise
    return Network(found.name, graph, found, values, not values and _printed(found, shape))


def _printed(selection: Selection, input: Input | None) -> bool:
    """Whether an input is the printed one, also where somebody says it."""
    if input is None:
        return True
    printed = dict(input_shapes(selection, {}))
    asked = input if isinstance(input, Mapping) else {next(iter(printed)): input}
    return all(resized(printed[name], tuple(axes)) == printed[name] for name, axes in asked.items())


def input_of(reference: Reference | Selection, size: Sequence[int] = (), settings: Settings | None = None) -> Shape:
    """The first input of a network, with another size of its sides where one is given; of a spec nothing is built.

    Raises as `network` does, and UsageError for a size that does not go with its axes."""
    first = next(iter(inputs_of(reference, settings).values()))
    return resized(first, tuple(size)) if size else first


def inputs_of(reference: Reference | Selection, settings: Settings | None = None) -> dict[str, Shape]:
    """The inputs of a network by name; of a spec nothing is built. Raises as `network` does."""
    reference = _at(reference, None)[0]
    found = _found(reference, None, settings or {})
    return dict(found[1].inputs if isinstance(found, tuple) else input_shapes(found, numbers(found, settings or {})))


def input_at(reference: Reference | Selection, size: Input, settings: Settings | None = None) -> Input:
    """The input of a network, or some of several by name, with another size of its sides. Raises as `input_of` does."""
    if not isinstance(size, Mapping):
        return input_of(reference, size, settings)
    inputs = inputs_of(reference, settings)
    return {name: resized(inputs.get(name, tuple(axes)), tuple(axes)) for name, axes in size.items()}


def name_of(reference: Reference) -> str:
    """A reference as a text, with what may be said beside it."""
    return reference if isinstance(reference, str) else str(reference)


def says_input(reference: Reference) -> bool:
    """Whether a reference says at which input, behind an @ or beside it."""
    return at_input(name_of(reference))[1] is not None or getattr(reference, "input", None) is not None


def said(input: Input) -> str:
    """`3×224×224`, or of some inputs by name `latent 4×64×64, context 77`."""
    if not isinstance(input, Mapping):
        return dims(input)
    alone = [*input] in ([""], ["input"])  # no name was given
    return ", ".join(dims(shape) if alone else f"{name} {dims(shape)}" for name, shape in input.items())


def _at(reference: Reference | Selection, input: Input | None) -> tuple[Reference | Selection, Input | None]:
    """A reference without its input, as `vgg16@256` has it, and the input. Raises UsageError for two of them."""
    if not isinstance(reference, str):
        return reference, input
    name, size = at_input(reference)
    if size is None:
        return reference, reference.input if input is None and isinstance(reference, Spelled) else input
    if input is not None:
        raise UsageError(f"`{reference}` says the input, and {said(input)} is another", f"Leave one out: `{name}`.")
    return reference.called(name) if isinstance(reference, Spelled) else name, size


def _found(reference: Reference | Selection, input: Input | None, settings: Settings) -> Selection | tuple[str, Graph]:
    """The model of a spec, or what a front makes of a reference."""
    if isinstance(reference, Path):
        reference = str(reference) if split(str(reference))[0] else f"./{reference}"
    if not isinstance(reference, str):
        return reference
    for front in FRONTS:
        graph = front(reference, input, settings)
        if graph is not None:
            return str(reference), graph
    if isinstance(reference, Spelled) and (reference.kwargs or reference.example or reference.allow_unknown):
        raise UsageError(f"`{reference}` is a spec: `--kwargs`, `--example` and `--allow-unknown` are for code")
    return select(reference)


def selected(reference: Reference | Selection) -> tuple[Selection, Input | None]:
    """The model of a spec that a reference means, and the input that it says. Raises as `network` does."""
    name, input = _at(reference, None)
    found = _found(name, input, {})
    if isinstance(found, tuple):
        raise UsageError(f"`{reference}` is no spec, and has no constants to set")
    return found, input


def numbers(selection: Selection, settings: Settings) -> dict[str, Number]:
    """The settings as numbers. Raises UsageError."""
    values = {name: _number(name, value) for name, value in settings.items()}
    known = settable(selection) if values else ()
    for name in values:
        if name not in known and place_of(selection.family, selection.variant, name) is None:
            hint = did_you_mean(name, known) or "This spec has nothing that can be set."
            raise UsageError(f"`{name}` is not a value that `{selection.name}` lets one set", hint)
    return values


def is_settable(selection: Selection, name: str) -> bool:
    """Whether a model lets one set a name, or a place in its table. Raises UsageError for a place that there is not."""
    return name in settable(selection) or place_of(selection.family, selection.variant, name) is not None


def report(reference: Reference | Selection, input: Input | None = None, settings: Settings | None = None) -> Report:
    """The counts of a network at batch 1 in float32, of code as it was traced. Raises as `network` does, and SpecError
    above 10¹⁸."""
    return as_traced(network(reference, input, settings).graph)


def as_traced(graph: Graph) -> Report:
    """The counts of a graph at batch 1 in float32, of code at the batch and in the dtype of its run."""
    return analyse(graph) if graph.code is None else analyse(graph, graph.code.batch, graph.code.dtype)


class Networks:
    """Models of specs by name, for many questions: each is selected, built and counted once."""

    def __init__(self) -> None:
        self._named = tuple(shipped_names())
        self._selections: dict[str, Selection] = {}
        self._reports: dict[Any, Report] = {}

    def selection(self, model: str) -> Selection:
        """The model of this name. Raises UsageError and SpecError."""
        if model not in self._selections:
            self._selections[model] = select(model, self._named)
        return self._selections[model]

    def report(
        self, model: str, size: tuple[int, ...] | None = None, settings: Mapping[str, Number] | None = None
    ) -> Report:
        """The counts of a model at batch 1, at another size of its input. Raises UsageError and SpecError."""
        key = (model, size, tuple(sorted((settings or {}).items())))
        if key not in self._reports:
            shape = None if size is None else input_of(self.selection(model), size, settings)
            self._reports[key] = report(self.selection(model), shape, settings)
        return self._reports[key]


def _number(name: str, value: int | float | str | Fraction) -> Number:
    if type(value) is int:
        return value
    try:
        number = value if isinstance(value, Fraction) else read_number(str(value))
    except ValueError as error:
        raise UsageError(f"`{name}` wants a number, here it is `{cut(str(value))}`", str(error)) from None
    return number.numerator if number.denominator == 1 else number


def checked(input: Input) -> Input:
    """An input for a spec. Raises UsageError for one that there cannot be."""
    if isinstance(input, Mapping) and "0" in input:
        raise UsageError(
            "several inputs of a spec go by their names", "Such as `--input latent=4x32x32 --input text=77`."
        )
    return {name: _shape(shape) for name, shape in input.items()} if isinstance(input, Mapping) else _shape(input)


def _shape(input: Shape) -> Shape:
    if isinstance(input, Typed) and input.dtype:
        raise UsageError(f"an input of a spec has no dtype of its own, here it is {input.dtype}")
    shape = tuple(input)
    if not shape or len(shape) > 4 or any(not isinstance(n, int) or not 1 <= n <= 10**9 for n in shape):
        raise UsageError(f"an input has one to four axes of at least 1, here it is {dims(shape)}")
    return shape
