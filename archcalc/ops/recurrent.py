"""Recurrent layers: tokens of width d to tokens of width n, one op a layer."""

from __future__ import annotations

from typing import Any, ClassVar

from .base import WHOLE, Buffer, Needs, Op, Param, ReceptiveWindows, on, op
from .shapes import Count, OpError, Shape, Tokens
from .tokens import sequence


@op("rnn", width="the width of the state", bidirectional="whether a second layer reads the tokens from the last on")
class Rnn(Op):
    """Elman's recurrent layer: h = tanh(W x + U h + b) (Elman, Cognitive Science 1990). `bidirectional`: the states of
    two, one of which reads backwards, side by side, 2n wide (Schuster & Paliwal, 1997).
    """

    width: Count
    bias: bool = True
    biases: Count = 1
    bidirectional: bool = False

    # `gates` matrices from the input and as many from the state: gates · n · (d + n) weights and MACs a token
    gates: ClassVar[int] = 1
    inside: ClassVar[int] = 1  # values kept for each unit of the state, every token: states, gates
    cost: ClassVar[dict[str, int]] = {"activation": 1, "add": 1}  # operations for each unit of the state, every token

    family = "recurrent"
    torch_module: ClassVar[str] = "RNN"
    example = on(Tokens((6, 8)), width=5)
    saves = "nothing"  # of the values themselves: torch reads a copy of the input, tokens first

    def shape(self, x: Shape) -> Shape:
        if self.biases > 2:
            raise OpError(f"`biases` is 1, as in papers, or 2, as in torch; here it is {self.biases}", "biases")
        return Tokens((sequence(x, type(self).word)[0], self.width * self._ways))

    @property
    def _ways(self) -> int:
        return 2 if self.bidirectional else 1

    def params(self, x: Shape) -> tuple[Param, ...]:
        rows = self.gates * self.width
        found = [Param("weight_ih_l0", (rows, x[1]), "weight"), Param("weight_hh_l0", (rows, self.width), "weight")]
        if self.bias:
            found.append(Param("bias_ih_l0", (rows,), "bias"))
            if self.biases == 2:
                found.append(Param("bias_hh_l0", (rows,), "bias"))
        if self.bidirectional:
            found += [param._replace(name=f"{param.name}_reverse") for param in found]
        return tuple(found)

    def macs(self, x: Shape, y: Shape) -> int:
        return self._ways * x[0] * self.gates * self.width * (x[1] + self.width)

    def backward_macs(self, needs: Needs, x: Shape, y: Shape) -> int:
        into_x = self._ways * x[0] * self.gates * self.width * x[1]
        first = self._ways * self.gates * self.width**2  # the first state is zero for good: it gets no gradient
        return 2 * self.macs(x, y) - first - (0 if needs[0] else into_x)

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        first = self.inside == 1  # the state before the first token is one of those kept
        states = Buffer("states and gates", self._ways * (self.inside * x[0] + first) * self.width)
        return Buffer("the input, tokens first", self._ways * x[0] * x[1]), states

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        units = self._ways * x[0] * self.width
        found = {kind: count * units for kind, count in self.cost.items()}
        if self.bias:
            found["bias"] = self.biases * self.gates * units
        return found

    def receptive_window(self, x: Shape) -> tuple[ReceptiveWindows, ...]:
        return (WHOLE,)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.recurrent(type(self).torch_module, x[1], self.width, self.bias, self.biases, self.bidirectional)


@op("lstm")
class Lstm(Rnn):
    """Long short-term memory: gates i, f, o and candidate g; c = f∘c + i∘g, h = o∘tanh c.

    Source: Hochreiter & Schmidhuber, Neural Computation 1997, with the forget gate of Gers et al., 2000.
    """

    torch_module = "LSTM"
    gates = 4
    inside = 7
    cost = {"activation": 5, "add": 5, "multiply": 3}  # noqa: RUF012 — read only


@op("gru")
class Gru(Rnn):
    """Gated recurrent unit: reset r, update z and candidate n; h = (1 − z)∘n + z∘h (Cho et al., arXiv:1406.1078).

    As in torch the reset gate stands behind U's product: n = tanh(W x + b + r∘(U h)).
    """

    torch_module = "GRU"
    gates = 3
    inside = 7
    cost = {"activation": 3, "add": 5, "multiply": 3}  # noqa: RUF012 — read only
