"""Recurrent layers: tokens of width d to tokens of width n, one op a layer; on a vector they make one step. And the
linear recurrence of each element alone, the scan."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import (
    POINT,
    WHOLE,
    Buffer,
    Needs,
    Op,
    Param,
    ReceptiveWindow,
    ReceptiveWindows,
    Saves,
    Weightless,
    on,
    op,
)
from .merge import Slice, Split
from .shapes import Count, OpError, Shape, Tokens, Value, axis_of, dims, numel, positions
from .tokens import Take, sequence

STATES = {
    "width": "the width of the state",
    "bidirectional": "whether a second layer reads the tokens from the last on",
    "hidden": "the state to begin from, which is zero unless given",
    "states": "whether the last state is a part of the result, behind the tokens",
}


@op("rnn", **STATES)
class Rnn(Op):
    """Elman's recurrent layer: h = tanh(W x + U h + b) (Elman, Cognitive Science 1990). `bidirectional`: the states of
    two, one of which reads backwards, side by side, 2n wide (Schuster & Paliwal, 1997).
    """

    width: Count
    bias: bool = True
    biases: Count = 1
    bidirectional: bool = False
    hidden: Value = False
    states: bool = False

    enters: ClassVar[int] = (
        1  # products from the input to the state; one more at each step that the state is carried on
    )
    leaves: ClassVar[int] = 0  # and from the state to the output
    # `gates` matrices from the input and as many from the state: gates · n · (d + n) weights and MACs a token
    gates: ClassVar[int] = 1
    inside: ClassVar[int] = 1  # values kept for each unit of the state, every token: states, gates
    cost: ClassVar[dict[str, int]] = {"activation": 1, "add": 1}  # operations for each unit of the state, every token

    family = "recurrent"
    weight_layers = 1  # as papers count layers, whatever the number of steps
    torch_module: ClassVar[str] = "RNN"
    example = on(Tokens((6, 8)), width=5)
    inputs = (1, 2)
    saves = "nothing"  # of the values themselves: torch reads a copy of the input, tokens first

    def shape(self, x: Shape, *states: Shape) -> Shape:
        word = type(self).word
        if self.biases > 2:
            raise OpError(f"`biases` is 1, as in papers, or 2, as in torch; here it is {self.biases}", "biases")
        if self.bidirectional and (self.hidden or self.states):
            raise OpError(f"`{word}` of both directions takes and gives no state: call one for each", "bidirectional")
        for state, name in zip(states, ("hidden", "cell"), strict=False):
            if tuple(state) != (self.width,):
                raise OpError(f"`{name}` is a vector of {self.width}, as the state is; this is {dims(state)}", name)
        if isinstance(x, Tokens) or len(x) != 1:
            return Tokens((sequence(x, word)[0], self.width * self._ways))
        if not states:
            raise OpError(f"on a vector `{word}` makes one step and wants its state: `{word}({self.width}, hidden=h)`")
        return (self.width,)

    def results(self, x: Shape) -> tuple[Op | None, ...]:
        if not self.states:
            return ()
        return (None, Take(x[0] - 1)) if isinstance(x, Tokens) else (None,)

    @staticmethod
    def _steps(x: Shape) -> tuple[int, int]:
        """How many steps, and the width of what each reads."""
        return (x[0], x[1]) if isinstance(x, Tokens) else (1, x[0])

    @property
    def _ways(self) -> int:
        return 2 if self.bidirectional else 1

    def chain(self, x: Shape, *states: Shape) -> int:
        """At every step the matrix of the state, and behind it two gates where there are some."""
        return self._steps(x)[0] * (1 if self.gates == 1 else 3)

    def params(self, x: Shape, *states: Shape) -> tuple[Param, ...]:
        rows, (_, wide) = self.gates * self.width, self._steps(x)
        found = [Param("weight_ih_l0", (rows, wide), "weight"), Param("weight_hh_l0", (rows, self.width), "weight")]
        if self.bias:
            found.append(Param("bias_ih_l0", (rows,), "bias"))
            if self.biases == 2:
                found.append(Param("bias_hh_l0", (rows,), "bias"))
        if self.bidirectional:
            found += [param._replace(name=f"{param.name}_reverse") for param in found]
        return tuple(found)

    def macs(self, x: Shape, *states_y: Shape) -> int:
        steps, wide = self._steps(x)
        return self._ways * steps * self.gates * self.width * (wide + self.width)

    def backward_macs(self, needs: Needs, x: Shape, *states_y: Shape) -> int:
        steps, wide = self._steps(x)
        into_x = self._ways * steps * self.gates * self.width * wide
        first = self._ways * self.gates * self.width**2  # a first state that is zero for good gets no gradient
        return 2 * self.macs(x) - (0 if any(needs[1:]) else first) - (0 if needs[0] else into_x)

    def weight_macs(self, x: Shape, *states_y: Shape) -> int:
        return self.macs(x)

    def saved_buffers(self, needs: Needs, x: Shape, *states_y: Shape) -> tuple[Buffer, ...]:
        steps, wide = self._steps(x)
        first = self.inside == 1  # the state before the first token is one of those kept
        given = len(states_y) - 1  # of those before the first token: values, of which a view is kept
        kept = self.inside * steps + first - given
        if not isinstance(x, Tokens):
            return (Buffer("states and gates", kept * self.width),)
        states = Buffer("states and gates", self._ways * (kept + sum(needs[1:])) * self.width)
        return Buffer("the input, tokens first", self._ways * steps * wide), states

    def saved(self, needs: Needs, x: Shape, *states_y: Shape) -> Saves:
        return "nothing" if isinstance(x, Tokens) else "inputs"

    def elementwise(self, x: Shape, *states_y: Shape) -> dict[str, int]:
        units = self._ways * self._steps(x)[0] * self.width
        found = {kind: count * units for kind, count in self.cost.items()}
        if self.bias:
            found["bias"] = self.biases * self.gates * units
        return found

    def receptive_window(self, x: Shape, *states: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,) * (1 + len(states))

    def torch(self, rt: Any, x: Shape, *states: Shape) -> Any:
        made = rt.recurrent(
            type(self).torch_module, self._steps(x)[1], self.width, self.bias, self.biases, self.bidirectional
        )
        return rt.stateful(made, not isinstance(x, Tokens), self._packs) if states or self._packs else made

    @property
    def _packs(self) -> bool:
        """Whether a state that is no output stands behind the outputs, from where `results` takes it."""
        return False


@op("lstm", cell="the state of the cell to begin from", **STATES)
class Lstm(Rnn):
    """Long short-term memory: gates i, f, o and candidate g; c = f∘c + i∘g, h = o∘tanh c.

    Source: Hochreiter & Schmidhuber, Neural Computation 1997, with the forget gate of Gers et al., 2000.
    """

    cell: Value = False

    torch_module = "LSTM"
    inputs = (1, 3)
    gates = 4
    enters, leaves = 2, 1
    inside = 7
    cost = {"activation": 5, "add": 5, "multiply": 3}  # noqa: RUF012 — read only

    @property
    def _packs(self) -> bool:
        return self.states

    def shape(self, x: Shape, *states: Shape) -> Shape:
        if len(states) == 1:
            raise OpError(
                "`lstm` begins from both of its states: `hidden=h, cell=c`", "hidden" if self.hidden else "cell"
            )
        y = super().shape(x, *states)
        if not self.states:
            return y
        return Tokens((y[0] + 1, y[1])) if isinstance(y, Tokens) else (2 * y[0],)

    def results(self, x: Shape) -> tuple[Op | None, ...]:
        if not self.states:
            return ()
        if not isinstance(x, Tokens):
            return tuple(Split(2).pieces)
        return Slice(0, x[0], axis=0), Take(x[0] - 1), Take(x[0])


@op("gru")
class Gru(Rnn):
    """Gated recurrent unit: reset r, update z and candidate n; h = (1 − z)∘n + z∘h (Cho et al., arXiv:1406.1078).

    As in torch the reset gate stands behind U's product: n = tanh(W x + b + r∘(U h)).
    """

    torch_module = "GRU"
    gates = 3
    enters = 2
    inside = 7
    cost = {"activation": 3, "add": 5, "multiply": 3}  # noqa: RUF012 — read only


@op("scan", by="what the step before is multiplied by, element by element; its axes of size 1 are spread")
class Scan(Weightless):
    """The linear recurrence y(t) = by(t) ∘ y(t − 1) + x(t) of each element, from zero on, along the tokens, or of other
    values along the last axis unless `axis` is given: the scan of state space models (Gu & Dao, arXiv:2312.00752,
    section 3.3.2). A multiplication and an addition an element, of which none is a MAC.
    """

    by: Value
    axis: int | None = None

    family = "elementwise"
    example = on(Tokens((6, 8)), Tokens((6, 8)), by=True)
    inputs = (2, 2)
    saves: ClassVar[Saves] = "both"

    def _axis(self, x: Shape) -> int:
        last = 0 if isinstance(x, Tokens) or not x else len(x) - 1
        return axis_of(x, last if self.axis is None else self.axis)

    def shape(self, x: Shape, by: Shape) -> Shape:
        self._axis(x)
        alike = isinstance(x, Tokens) == isinstance(by, Tokens) and len(x) == len(by)
        if not alike or any(size not in (n, 1) for n, size in zip(x, by, strict=False)):
            raise OpError(f"`by` has a factor for each element of {dims(x)}; this value is {dims(by)}", "by")
        return x

    def chain(self, x: Shape, by: Shape) -> int:
        return x[self._axis(x)]

    def elementwise(self, x: Shape, by: Shape, y: Shape) -> dict[str, int]:
        return {"multiply": numel(y), "add": numel(y)}

    def saved(self, needs: Needs, x: Shape, by: Shape, y: Shape) -> Saves:
        """The factors, and for their own gradient the output."""
        return (1, 2) if needs[1] else (1,) if needs[0] else "nothing"

    def backward_scratch(self, batch: int, itemsize: int, x: Shape, by: Shape, y: Shape) -> int:
        return 0 if by == x else batch * numel(y) * itemsize  # the gradient of the factors before it is added up

    def receptive_window(self, x: Shape, by: Shape) -> tuple[ReceptiveWindows, ...]:
        """A position reads itself and all those before it."""
        axis, seen = self._axis(x), POINT
        if axis != axis_of(x, None):
            before = ReceptiveWindow(1, 1 - x[axis], 0)
            each = range(1, len(x))
            seen = WHOLE if isinstance(x, Tokens) else tuple(before if n == axis else ReceptiveWindow() for n in each)
        return seen, seen if positions(by) == positions(x) else WHOLE

    def torch(self, rt: Any, x: Shape, by: Shape) -> Any:
        return rt.Scan(1 + self._axis(x))
