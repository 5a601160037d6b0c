"""Two networks node by node: whether they are one, or where they differ and what that changes.

What is compared is the main path as it computes in an evaluation: `archcalc.alignment.normal` says what is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..alignment.align import Alignment, Difference, align
from ..alignment.steps import Step
from ..alignment.weights import Checkpoint, buffers, carried, checkpoint, others, states, transposed
from ..errors import SpecError, UsageError
from ..models import Model
from ..networks import Reference
from ..records import NamedTuple
from ..views import Tabular
from .compare import Compared, ComparisonPlan, gather, saved

Field = float | None
UNKNOWN = ("constant", "buffer ")  # among arguments, without words for their values


class Impact(NamedTuple):
    """What differences change at their own nodes: parameters and MACs that the second network has more there, and how
    many parameters and statistics of a checkpoint of the first have no place, come in addition, or are reshaped."""

    params: int
    macs: int
    gone: int
    missing: int
    reshaped: int


@dataclass(frozen=True)
class Diff(Tabular):
    """Two networks held against each other."""

    first: Compared
    second: Compared
    alignment: Alignment = field(repr=False)
    same: bool | None = None  # whether code was run and gave the numbers of what it is; None: it was not run

    @property
    def equal(self) -> bool:
        """Whether one computes what the other does, given the same weights."""
        return self.alignment.verdict == "equal" and self.same is not False

    @property
    def unseen(self) -> bool:
        """Whether code reads constants whose values do not follow from it."""
        for graph in (self.alignment.first.graph, self.alignment.second.graph):
            code = graph.code
            kept = [name for name, _ in code.others] + [key for keys in code.keys for key in keys] if code else []
            given = [value for node in graph.nodes for _, value in node.op.arguments] if code else []
            flat = {one for value in given for one in (value if isinstance(value, tuple) else (value,))}
            flat -= {UNKNOWN[1] + name for name in kept}
            if any(isinstance(one, str) and ":" not in one and one.startswith(UNKNOWN) for one in flat):
                return True
        return False

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """What a checkpoint of the first network holds for the second."""
        one, other = (form.graph for form in (self.alignment.first, self.alignment.second))
        code, names = one.code is not None and other.code is not None, buffers(self.alignment)
        known = {*names, *names.values()}
        before, now = (
            [*states(graph), *(state for state in others(graph) if code or not known.isdisjoint(state.own))]
            for graph in (one, other)
        )
        return checkpoint(before, now, dict(self.alignment.nodes), names, transposed(self.alignment))

    def carry(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """A `state_dict` of the first network's twin as that of the second, with its names and shapes. Raises
        UsageError where one is not the other, or the state is of another network."""
        if not self.equal:
            raise UsageError(f"`{self.first.name}` and `{self.second.name}` are not equal, node by node")
        return carried(self.alignment, state, self.first.name)

    @property
    def receptive_fields(self) -> tuple[Field, Field]:
        """The receptive field of the last feature map of each, infinite where it is unbounded."""
        one, other = (side.summary.report.receptive_fields for side in (self.first, self.second))
        return one.most(one.last_map), other.most(other.last_map)

    def field(self, which: int, node: int) -> Field:
        """The receptive field of a node of the first (0) or the second network."""
        return (self.first, self.second)[which].summary.report.receptive_fields.most(node)

    @cached_property
    def _steps(self) -> tuple[dict[int, Step], dict[int, Step]]:
        """The steps of both by their nodes."""
        one, other = (self.alignment.first, self.alignment.second)
        return {step.node: step for step in one.steps}, {step.node: step for step in other.steps}

    @cached_property
    def _as_large(self) -> set[tuple[int, ...]]:
        """The nodes that are one another's and have weights of the same shapes."""
        one, other = self._steps
        return {(a, b) for a, b in self.alignment.nodes if one[a].weights == other[b].weights}

    def impact(self, group: Sequence[Difference]) -> Impact:
        """What differences change at their own nodes."""
        sides: list[tuple[int, int, Counter[tuple[str, str]]]] = []
        for which, model in enumerate((self.first, self.second)):
            report, steps = model.summary.report, self._steps[which]
            every: dict[int, bool] = {}  # whether its tensors have their places in the other
            for place in group:
                for node in place.second if which else place.first:
                    kept = (place.first[:1] + place.second[:1]) in self._as_large
                    every |= dict.fromkeys(sorted(steps[node].nodes if node in steps else {node}), kept)
            layers = [report.layers[node] for node in every]
            held = states(report.graph, [node for node, kept in every.items() if not kept])
            tensors = Counter(tensor for state in held for tensor in state.tensors)
            sides.append((sum(layer.params for layer in layers), sum(layer.macs for layer in layers), tensors))
        (params, macs, before), (more_params, more_macs, now) = sides
        gone, missing = ([name for name, _ in found.elements()] for found in (before - now, now - before))
        reshaped = (Counter(gone) & Counter(missing)).total()
        lacking = len(gone) - reshaped, len(missing) - reshaped
        return Impact(more_params - params, more_macs - macs, *lacking, reshaped)


def diff(first: Reference | Model, second: Reference | Model, plan: ComparisonPlan | None = None) -> Diff:
    """Hold two networks against each other, node by node: by name, at an input as `resnet50@256`, spec files, saved
    runs, what `load` and `capture` give. Raises UsageError, SpecError."""
    models = (first, second)
    return held(*gather(models, plan or ComparisonPlan(), saved(models))[0])


def held(*models: Compared) -> Diff:
    """Two networks that are counted already, held against each other. Raises UsageError for other than two, as where
    one is a family."""
    if len(models) != 2:
        raise UsageError(f"two networks are held against each other, here are {len(models)}")
    first, second = models
    one, other = (model.summary.report.graph for model in (first, second))
    found = align(one, other)
    return Diff(first, second, found, _same(found, first, second) if found.verdict == "equal" else None)


def _same(found: Alignment, first: Compared, second: Compared) -> bool | None:
    """Whether code gives the numbers of what it is node by node, too: how values are laid out no node says. None where
    one is code that cannot run here, or fails where it does, or both are specs."""
    if first.summary.report.graph.code is None:
        first, second = second, first
        found = align(first.summary.report.graph, second.summary.report.graph)
    codes = [code for model in (first, second) if (code := model.summary.report.graph.code) is not None]
    if not codes or any(code.again is None for code in codes):
        return None
    from ..runtime.same import same_numbers

    with suppress(SpecError, UsageError):
        return same_numbers(found, first.name, first.totals)
    return None
