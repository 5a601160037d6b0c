"""What trainings cost of which a step is many passes: attacks, and two networks against each other. What the quantities
mean is said in `docs/counting.md`."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from ..ops import dims
from ..ops.base import Needs
from ..ops.shapes import numel
from ..records import NamedTuple
from .counts import Report
from .training import train, used_nodes


class Phase(NamedTuple):
    """A part of a regime: what it does, how often, and the MACs of each time, for the whole batch."""

    name: str
    times: int
    macs: int


@dataclass(frozen=True, slots=True)
class Regime:
    """A training step of many passes: PGD, or a round of a GAN."""

    name: str
    phases: tuple[Phase, ...]

    @property
    def macs(self) -> int:
        """The MACs of all of it."""
        return sum(phase.times * phase.macs for phase in self.phases)


def pgd(report: Report, steps: int) -> Regime:
    """Adversarial training: `steps` steps of projected gradient descent, each of which wants the gradient of the input
    alone, and a training step on what they find (Madry et al., arXiv:1706.06083). Raises UsageError."""
    if steps < 1:
        raise UsageError(f"an attack has at least one step, here it is {steps}")
    back = into_inputs(report)
    if not back:
        raise UsageError("no gradient comes to the input: it is of ids, or nothing is multiplied with it")
    step = Phase("a step of the attack, forward and to the input", steps, report.totals.macs + back)
    return Regime("PGD", (step, Phase("the training step", 1, train(report).macs)))


def gan(generator: Report, discriminator: Report, steps: int = 1) -> Regime:
    """A round of a GAN: `steps` times the discriminator learns from as many samples as it is given of each kind, then
    the generator learns through it (Goodfellow et al., arXiv:1406.2661, Algorithm 1). Raises UsageError."""
    if steps < 1:
        raise UsageError(f"the discriminator has at least one step, here it is {steps}")
    made, judged = generator.graph.shape(generator.graph.outputs[0]), discriminator.graph.inputs[0][1]
    if numel(made) != numel(judged):
        raise UsageError(f"the discriminator reads {dims(judged)}, and the generator makes {dims(made)}")
    make, judge = generator.totals.macs, discriminator.totals.macs
    taught = judge + into_inputs(discriminator) + train(generator).macs - make
    return Regime(
        "GAN",
        (
            Phase("samples are made", steps + 1, make),
            Phase("the discriminator learns from real and made ones", steps, 2 * train(discriminator).macs),
            Phase("the generator learns through it", 1, taught),
        ),
    )


def into_inputs(report: Report) -> int:
    """The MACs of the backward pass to the network's inputs, where no parameter is trained: for the whole batch."""
    graph = report.graph.without_heads()
    needs: list[bool] = []
    found = 0
    for node, layer, used in zip(graph.nodes, report.layers, used_nodes(graph), strict=False):
        read = 0 if node.op.ids else node.op.read
        wanted: Needs = tuple([n < read and (value < 0 or needs[value]) for n, value in enumerate(node.inputs)])
        needs.append(used and any(wanted))
        if needs[-1] and layer.cost.macs:
            shapes = [graph.shape(value) for value in node.inputs]
            alone = node.op.backward_macs(wanted, *shapes, node.shape) - node.op.weight_macs(*shapes, node.shape)
            found += alone * node.op.turns(*shapes)
    return found * report.batch
