"""Experts: layers of which each token runs through a few only. `experts(n, k): body` of a spec is made of these."""

from __future__ import annotations

from typing import Any

from .base import WHOLE, Buffer, Needs, Op, Param, ReceptiveWindows, Saves, Weightless, on, op
from .shapes import INDEX_BYTES, Count, Cut, ManyTokens, OpError, Shape, Tokens, Value, cuts_of, dims, elements, many
from .tokens import sequence


@op("gates", chosen="how many experts a token runs through", normalize="whether the gates of a token add up to 1")
class Gates(Weightless):
    """The softmax over the scores of each token, all but the `chosen` largest zeroed: tokens × experts to the same.

    Source: Shazeer et al., arXiv:1701.06538, section 2.1; Jiang et al., arXiv:2401.04088, section 2.1.
    """

    chosen: Count
    normalize: bool = True

    family = "activation"
    example = on(Tokens((6, 8)), chosen=2)
    saves = "nothing"

    def shape(self, x: Shape) -> Shape:
        _, experts = sequence(x, "gates")
        if self.chosen > experts:
            raise OpError(f"{self.chosen} of {experts} experts cannot be chosen", "chosen")
        return Tokens(x)

    def elementwise(self, x: Shape, y: Shape) -> dict[str, int]:
        return {"softmax": x[0] * x[1], **({"multiply": x[0] * self.chosen} if self.normalize else {})}

    def saved_buffers(self, needs: Needs, x: Shape, y: Shape) -> tuple[Buffer, ...]:
        found = [Buffer("the probabilities", x[0] * x[1]), Buffer("the indices", x[0] * self.chosen, INDEX_BYTES)]
        if self.normalize:
            found += [Buffer("the largest", x[0] * self.chosen), Buffer("their sums", x[0])]
        return tuple(found)

    def torch(self, rt: Any, x: Shape) -> Any:
        return rt.Gates(self.chosen, self.normalize)


def _chosen(x: Shape, gates: Shape, word: str) -> tuple[Cut, int]:
    """The cut that made a copy of the tokens for each expert that they run through, and how many experts there are.
    Raises OpError where the gates are of others."""
    if not isinstance(x, ManyTokens) or not isinstance(gates, Tokens) or gates[0] != x[0]:
        raise OpError(f"`{word}` works on copies of tokens and their gates; here are {dims(x)} and {dims(gates)}")
    *outer, cut = x.cuts
    if cut.word != "copies" or tuple(outer) != cuts_of(gates):
        raise OpError(f"`{word}` wants a copy of the tokens for each expert that they run through, here are {dims(x)}")
    return cut, gates[1]


@op("expert_linear", gates="how much each expert counts for each token")
class ExpertLinear(Op):
    """A fully connected layer of each expert: copies of T tokens, the j-th worked on by the j-th expert of each token.

    Weights: experts × out × in. MACs: out · in for every token of every copy.
    """

    out: Count
    gates: Value
    bias: bool = True

    family = "linear"
    example = on(ManyTokens((6, 8), (Cut("copies", 2),)), Tokens((6, 4)), out=5, gates=True)
    inputs = (2, 2)
    regroups = True
    weight_layers = 1
    read = 1  # of the gates only which experts they choose
    saves = "nothing"  # of the values themselves: the rows of each expert stand together in a copy

    def shape(self, x: Shape, gates: Shape) -> Shape:
        _chosen(x, gates, "expert_linear")
        return many(Tokens((x[0], self.out)), cuts_of(x))

    def params(self, x: Shape, gates: Shape) -> tuple[Param, ...]:
        weight = Param("weight", (gates[1], self.out, x[1]), "weight")
        return (weight, Param("bias", (gates[1], self.out), "bias")) if self.bias else (weight,)

    def idle(self, params: int, x: Shape, gates: Shape) -> int:
        cut, experts = _chosen(x, gates, "expert_linear")
        return params // experts * max(0, experts - cut.number)

    def macs(self, x: Shape, gates: Shape, y: Shape) -> int:
        return elements(y) * x[1]

    def backward_macs(self, needs: Needs, x: Shape, gates: Shape, y: Shape) -> int:
        return self.macs(x, gates, y) * (1 + needs[0])

    def elementwise(self, x: Shape, gates: Shape, y: Shape) -> dict[str, int]:
        return {"bias": elements(y)} if self.bias else {}

    def saved_buffers(self, needs: Needs, x: Shape, gates: Shape, y: Shape) -> tuple[Buffer, ...]:
        rows = elements(x) // x[1]
        orders = Buffer("the order of the rows, and back", rows * (1 + needs[0]), INDEX_BYTES)
        return Buffer("the rows, expert by expert", elements(x)), orders

    def torch(self, rt: Any, x: Shape, gates: Shape) -> Any:
        return rt.ExpertLinear(gates[1], _chosen(x, gates, "expert_linear")[0].number, x[1], self.out, self.bias)


@op("combine", gates="how much each expert counts for each token")
class Combine(Weightless):
    """What the chosen experts make of each token, each times its gate, added up: k copies of T tokens to T tokens."""

    gates: Value

    family = "merge"
    example = on(ManyTokens((6, 8), (Cut("copies", 2),)), Tokens((6, 4)), gates=True)
    inputs = (2, 2)
    regroups = True
    saves = (0,)

    def shape(self, x: Shape, gates: Shape) -> Shape:
        _chosen(x, gates, "combine")
        return many(Tokens(x), cuts_of(x)[:-1])

    def elementwise(self, x: Shape, gates: Shape, y: Shape) -> dict[str, int]:
        added = elements(x) - elements(y)
        return {"multiply": elements(x), **({"add": added} if added else {})}

    def saved(self, needs: Needs, x: Shape, gates: Shape, y: Shape) -> Saves:
        return (0,) if needs[1] else "nothing"

    def saved_buffers(self, needs: Needs, x: Shape, gates: Shape, y: Shape) -> tuple[Buffer, ...]:
        rows = elements(x) // x[1]
        chosen = [Buffer("the gates of the chosen", rows)] if needs[0] else []
        return (*chosen, Buffer("their indices", rows, INDEX_BYTES)) if needs[1] else tuple(chosen)

    def receptive_window(self, x: Shape, gates: Shape) -> tuple[ReceptiveWindows, ...]:
        return WHOLE, WHOLE

    def torch(self, rt: Any, x: Shape, gates: Shape) -> Any:
        return rt.Combine(_chosen(x, gates, "combine")[0].number)
