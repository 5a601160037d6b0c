"""A module's own run on a device, done again call by call: steps that can be timed one by one.

What a device does may be other than what `meta` shows, as attention that is fused there, so it is the run on the device
that is counted and replayed; with the same parameters and inputs it gives the same numbers, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis.memory import last_use
from ..errors import Unavailable
from ..graph import Graph, Stepped
from ..tracing import code
from ..tracing.traced import TRAINING, Ref
from .capture import Captured
from .machine import device_of
from .network import Program, Step, execute
from .room import out_of_memory, out_of_memory_while
from .shadow import changed, tensors_of, written
from .skeleton import untouched
from .trace import SEED, Again, Watch, applied, leaves


@dataclass(frozen=True, slots=True)
class Own:
    """A module as it runs on a device itself, at a batch and dtype, in an evaluation or in `training`; at others it is
    counted on `meta` again."""

    captured: Captured
    batch: int
    dtype: str
    device: str
    layout: torch.memory_format | None = None
    training: bool = False

    def __call__(self, batch: int, dtype: str) -> Graph:
        return self.captured(batch, dtype)

    def step(self, graph: Graph) -> Stepped:
        return self.captured.step(graph)

    def folded(self, graph: Graph) -> Graph:
        return self.captured.folded(graph)

    def graph(self) -> Graph:
        """What runs. Raises as `Captured.trace` does, and Unavailable."""
        return self._run()[0].graph

    def replay(self, graph: Graph) -> Replay:
        """What runs, for a graph of it. Raises Unavailable where a module does not run twice alike."""
        made, watch, module, given = self._run()
        if [node.path for node in made.graph.nodes] != [node.path for node in graph.nodes]:
            raise Unavailable(f"`{self.captured.name}` runs otherwise each time: no call of it can be timed")
        return Replay(made, watch, module, given, self.training)

    def _run(self) -> tuple[code.Built, Watch, nn.Module, dict[str, Tensor]]:
        with out_of_memory_while("the module ran"):
            watch, module, given = self.captured.real(
                self.batch, self.dtype, device_of(self.device), self.layout, self.training
            )
        level = self.device + TRAINING * self.training
        traced = watch.traced(self.captured.name, self.batch, self.dtype, level)
        return code.built(traced, watch.files, self.captured.unknown, self), watch, module, given


def replayed(graph: Graph) -> Replay:
    """The run of a graph that `own_run` gives, to be done again. Raises as `Own.replay` does."""
    assert graph.code is not None
    assert isinstance(graph.code.again, Own)
    return graph.code.again.replay(graph)


class Replay(Program, nn.Module):
    """The calls of a run as steps, a node of `counted` each, on the parameters of the module that ran, and the inputs
    that it had. What they are called by is torch's operators as they stand above autograd, which sees each of them
    where a step of training is taken."""

    def __init__(
        self, made: code.Built, watch: Watch, module: nn.Module, given: dict[str, Tensor], trains: bool = False
    ) -> None:
        super().__init__()
        self.trains = trains
        self.module, self.counted, self.program, self.given = module, made.graph, (), given
        self._outputs = [made.values.get(tensor) for _, tensor in watch.outputs]
        each = zip(made.origins, self.freed(last_use(made.graph)), strict=False)
        self.program = tuple(self._step(at, origin, free, made, watch) for at, (origin, free) in enumerate(each))

    def _step(self, at: int, origin: code.Origin, free: tuple[int, ...], made: code.Built, watch: Watch) -> Step:
        if origin.part is not None:
            return Step(itemgetter(origin.part), (self.slot(made.graph.nodes[at].inputs[0]),), self.slot(at), free)
        numbers: list[int] = []
        again = watch.again[origin.call]

        def bound(value: Any) -> Any:
            """What is known, and of each other tensor its place among `numbers`."""
            if not isinstance(value, Ref):
                return value
            if value in watch.known:
                known = watch.known[value]
                return known.clone() if self.trains and known.is_inference() else known
            if value not in numbers:
                numbers.append(int(value))
            return _Slot(numbers.index(value))

        found = Again(again.func, changed(again.args, bound), changed(again.kwargs, bound))
        call = _call(found, origin.several)
        return Step(call, tuple(self.slot(made.values[number]) for number in numbers), self.slot(at), free)

    def forward(self, *x: Tensor) -> Any:
        """What the module itself gives."""
        return applied(self.module, dict(zip(self.given, x, strict=True)))

    def differs(self) -> bool:
        """Whether the module itself gives other numbers, or in training other gradients, than its calls, one after the
        other, do."""
        if self.trains:
            try:
                pairs = [*zip(self._gradients(self._by_calls), self._gradients(self._itself), strict=True)]
            except RuntimeError as error:
                if out_of_memory(error):
                    raise
                return True  # what the module does without gradients, as a spectral norm its powers
            return not all(_alike(*pair) for pair in pairs)
        with untouched(), torch.inference_mode():
            torch.manual_seed(SEED)
            values = self.values(x.clone() for x in self.given.values())
            execute(self.program, values)
            torch.manual_seed(SEED)
            wanted = self._itself()
        each = zip(self._outputs, wanted, strict=False)  # a parameter that is given out is no node's
        pairs = [(values[self.slot(value)], tensor) for value, tensor in each if value is not None]
        return len(wanted) != len(self._outputs) or not all(_alike(*pair) for pair in pairs)

    def _gradients(self, run: Callable[[], list[Any]]) -> list[Tensor | None]:
        self.zero_grad(set_to_none=True)
        with untouched(), torch.enable_grad():
            torch.manual_seed(SEED)
            out = [y for y in run() if isinstance(y, Tensor) and y.requires_grad]
            torch.autograd.backward(out, [torch.ones_like(y) for y in out])
        found = [parameter.grad for parameter in self.parameters()]
        self.zero_grad(set_to_none=True)
        return found

    def _by_calls(self) -> list[Any]:
        values = self.values(x.clone() for x in self.given.values())
        execute(self.program, values)
        return [values[self.slot(value)] for value in self.counted.outputs]

    def _itself(self) -> list[Any]:
        return leaves(self(*[x.clone() for x in self.given.values()]))


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two are equal to the last bit; what is no number is like itself."""
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))


class _Slot(int):
    """The place of a tensor among those that a step takes."""


def _filled(value: Any, tensors: tuple[Any, ...]) -> Any:
    return changed(value, lambda part: tensors[part] if isinstance(part, _Slot) else part)


def _slots(value: Any) -> Iterator[int]:
    if isinstance(value, _Slot):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _slots(part)


def _call(again: Again, several: bool) -> Callable[..., Any]:
    """A call that takes its tensors by place, and gives a tensor, or `several`."""
    func, args, kwargs = again
    places = [at for at, value in enumerate(args) if isinstance(value, _Slot)]
    plain = len(places) == sum(1 for _ in _slots(args)) and not any(True for _ in _slots([*kwargs.values()]))
    in_order = plain and [args[at] for at in places] == [*range(len(places))]

    def run(*tensors: Any) -> Any:
        if not in_order:
            return func(*_filled(args, tensors), **_filled(kwargs, tensors))
        given = [*args]
        for at, tensor in zip(places, tensors, strict=True):
            given[at] = tensor
        return func(*given, **kwargs)

    if not func._schema.returns or len(func._schema.returns) > 1 or "[]" in str(func._schema.returns[0].type):

        def chosen(*tensors: Any) -> Any:
            found = tensors_of(run(*tensors))
            if not found:
                found = written(func, _filled(args, tensors), _filled(kwargs, tensors))
            return found if several else found[0]

        return chosen
    return run
