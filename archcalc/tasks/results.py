"""Whose results these are: those of a spec for its models, and those of a file for networks as they are named there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from .. import files
from ..errors import UsageError, did_you_mean, printable
from ..language.zoo import at_input, known_names, select
from ..models import Model
from ..papers.results import Reported, read_results


def results_of(file: Path | str, models: Mapping[str, Model]) -> dict[str, tuple[Reported, ...]]:
    """What is reported for models, by the names by which they were asked for: in the file, if there is one, and of a
    model as its spec prints it in the spec; of one metric what the file says. Raises UsageError where the file has
    nothing for any of them, SpecError."""
    known = known_results(file, models) if file else ()
    found = {
        name: merged(model.reported, known, {name, model.name} if model.printed else {name})
        for name, model in models.items()
    }
    typed = set(map(id, known))
    used = any(id(result) in typed for own in found.values() for result in own)
    if file and models and not used:
        there = ", ".join(dict.fromkeys(f"`{result.model}`" for result in known[:50])) or "none"
        raise UsageError(f"`{printable(str(file))}` has no result of these networks", f"It has results of {there}.")
    return found


def merged(own: Sequence[Reported], known: Sequence[Reported], names: Collection[str]) -> tuple[Reported, ...]:
    """What is reported for a model of these names, of one metric what is `known` rather than its `own`."""
    found = {result.metric.name: result for result in own}
    return tuple((found | {r.metric.name: r for r in known if r.model.value in names}).values())


def known_results(file: Path | str, asked: Mapping[str, object]) -> tuple[Reported, ...]:
    """The results of a file, each of a network that is asked for, or that there is. Raises SpecError."""
    results = read_results(files.typed(file), str(file))
    zoo: set[str] = set()
    for result in results:
        name = at_input(result.model.value)[0]
        if result.model.value in asked or name in asked or name in zoo:
            continue
        zoo = zoo or set(known_names())
        if name in zoo:
            continue
        try:
            select(name)
        except UsageError as error:
            hint = did_you_mean(name, [*asked, *zoo]) or error.hint
            raise result.model.error(f"no network is called `{name}`", hint) from None
    return results
