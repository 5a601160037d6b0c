"""Whose results these are: those of a spec for its models, and those of a file for networks as they are named there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .. import files
from ..errors import ArchcalcError, Text, UsageError, did_you_mean, printable
from ..fronts import is_other
from ..language.metrics import ReportedMetric
from ..language.zoo import at_input, known_names, select, shipped
from ..models import Model
from ..networks import input_at, inputs_of
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
        raise none_of_these(file, known)
    return found


def none_of_these(file: Path | str, known: Sequence[Reported]) -> UsageError:
    """That a file has no result of the networks that are asked for, with those of which it has."""
    there = ", ".join(dict.fromkeys(f"`{result.model}`" for result in known[:50])) or "none"
    return UsageError(f"`{printable(str(file))}` has no result of these networks", f"It has results of {there}.")


def declared(results: Iterable[Reported]) -> dict[str, ReportedMetric]:
    """The metrics of results by name. Raises UsageError where one is declared in two ways."""
    found: dict[str, ReportedMetric] = {}
    for result in results:
        if found.setdefault(result.metric.name, result.metric) != result.metric:
            hint = "Its unit, or which way is better, differs between specs, or from what the file says."
            raise UsageError(f"`{printable(result.metric.name)}` is declared in two ways", hint)
    return found


def merged(own: Sequence[Reported], known: Sequence[Reported], names: Collection[str]) -> tuple[Reported, ...]:
    """What is reported for a model of these names, of one metric what is `known` rather than its `own`."""
    found = {result.metric.name: result for result in own}
    return tuple((found | {r.metric.name: r for r in known if r.model.value in names}).values())


def known_results(file: Path | str, asked: Collection[str]) -> tuple[Reported, ...]:
    """The results of a file, each of a network that is asked for, under the name by which it is, or that there is.
    Raises SpecError, also where two of them are of one network under two names."""
    spelled: dict[str, list[str]] = {}
    found: dict[tuple[str, str], Reported] = {}
    places: dict[tuple[str, str], Text] = {}
    for result in read_results(files.typed(file), str(file)):
        typed = result.model.value
        if typed not in spelled:
            spelled[typed] = [typed] if typed in asked else _meant(result.model, asked) or [typed]
        for name in spelled[typed]:
            first = places.setdefault((name, result.metric.name), result.model)
            if first is not result.model:
                what = f"`{result.metric.name}` of `{typed}` stands in line {first.line} already"
                raise result.model.error(f"{what}, as of `{first}`")
            found[name, result.metric.name] = result._replace(model=replace(result.model, value=name))
    return tuple(found.values())


def _meant(typed: Text, asked: Collection[str]) -> list[str]:
    """The names by which a network is asked for that is typed in another way. Raises SpecError where there is none."""
    zoo = set(known_names())
    others = [name for name in asked if name not in zoo]
    if typed.value in zoo and not others:
        return []
    try:
        wanted = network_of(typed.value)
    except UsageError as error:
        hint = did_you_mean(at_input(typed.value)[0], [*asked, *zoo]) or error.hint
        raise typed.error(error.message, hint) from None
    found = [name for name in asked if name in zoo and wanted == (name, "", "")]
    for name in others:
        with suppress(ArchcalcError):  # a saved run
            found += [name] if network_of(name) == wanted else []
    return found


def network_of(typed: str) -> tuple[str, str, str]:
    """What is asked for, however it is typed: the model of which file, with its inputs where they are not as printed.
    Raises UsageError, SpecError."""
    name, size = at_input(typed)
    if is_other(name):
        return str(Path(name)), "", typed.removeprefix(name)
    found = select(name)
    printed = inputs_of(found)
    at = {} if size is None else input_at(found, size)
    given = dict(at) if isinstance(at, Mapping) else {next(iter(printed)): at}
    differs = {key: shape for key, shape in given.items() if printed.get(key) != shape}
    file = "" if shipped(found.spec) else str(files.typed(found.spec).resolve())
    return found.name, file, str(differs or "")
