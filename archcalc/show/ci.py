"""Forms that CI systems read: annotations of GitHub, JUnit XML, SARIF, and GitLab's code quality report.

All are made of one list of problems, each with its place in the repository.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from json import dumps
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from .. import __version__
from ..errors import ArchcalcError, SpecError, Text, printable
from ..files import repository
from ..gate.build import CheckedModel
from ..records import NamedTuple
from ..tasks.check import CheckResult, UnreadSpec
from ..tasks.diff import Diff
from . import diff as against
from . import drift as gated
from .drift import SHOWN
from .writers.json import escaped

Level = Literal["error", "warning"]
RULES = {
    "drift": "A model is not as its lock says.",
    "budget": "A model costs more than its budget allows.",
    "claim": "A printed figure contradicts and stands under no erratum.",
    "unread": "A lock or a spec cannot be read or built.",
    "unmeasured": "Nobody knows whether a required budget is kept.",
    "unlocked": "A model of a locked spec is in no lock.",
    "unheld": "Something was not held.",
    "different": "A model is another network than it is held to be.",
}
OPEN = ("unmeasured", "unheld")  # of which nothing is known


class Problem(NamedTuple):
    """Something to annotate: what is wrong with `subject`, a model or a file, and where: a path from the root of the
    repository, and a line and column from 1."""

    rule: str
    level: Level
    subject: str
    title: str
    message: str
    file: str
    line: int
    col: int

    @property
    def text(self) -> str:
        return f"{self.subject}: {self.message}"

    @property
    def fingerprint(self) -> str:
        """A digest that stays the same while lines move."""
        from hashlib import sha256

        said = "\0".join((self.rule, self.subject, self.title, self.file))
        return sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def problems(run: CheckResult) -> Iterator[Problem]:
    """All of them, those of locks first."""
    return (problem for _, _, found in _cases(run) for problem in found)


def _cases(run: CheckResult) -> Iterator[tuple[str, str, list[Problem]]]:
    """Every lock, model and spec that was checked: its group, its name, and its problems."""
    for lock in run.locks:
        if lock.error is not None:
            yield lock.name, lock.name, [_error(lock.name, lock.error, lock.name)]
    for lock_name, model in run.models:
        yield lock_name or model.spec, model.name, list(_model(model))
    for result in run.specs:
        rule, errors = ("unread", [result.error]) if isinstance(result, UnreadSpec) else ("claim", result.problems)
        yield "specs", result.spec, [_error(result.spec, error, result.spec, rule) for error in errors]
    for diff in run.held:
        yield f"against {diff.second.name}", diff.first.name, list(_different(diff))
    for new in run.not_locked:
        level: Level = "error" if run.strict else "warning"
        text = "no lock has this model; `archcalc lock` does"
        yield "not locked", new.name, [_problem("unlocked", level, new.name, text, text, new.where, None)]
    for lacking in run.not_held:
        place = f"{lacking.what}:1:1"
        yield (
            "not held",
            lacking.what,
            [_problem("unheld", "warning", lacking.what, lacking.why, printable(lacking.why), place, None)],
        )


def _model(model: CheckedModel) -> Iterator[Problem]:
    if model.error is not None:
        yield _error(model.name, model.error, model.locked.source.name)
    if model.drift is not None:
        found = gated.causes(model.drift)
        rest = [*gated.totals(model.drift), gated.following(model.drift)]
        rest.append(f"old checkpoints: {gated.checkpoint(model.drift.checkpoint, bool(found))}")
        for number, cause in enumerate(found):
            at = f" at {', '.join(cause.paths[:3])}{' …' if len(cause.paths) > 3 else ''}" if cause.paths else ""
            message = [f"{cause.what}{at}", cause.where]
            message += filter(None, rest) if not number else []
            told = "\n".join(map(printable, message))
            where = cause.places[0].where if cause.places else model.locked.where
            yield _problem("drift", "error", model.name, cause.what + at, told, where, model.locked)
    for verdict in model.budgets:
        if verdict.unmeasured:
            text = gated.budget(verdict)
            where = verdict.budget.text.where
            told = printable(f"budget {text}")
            yield _problem("unmeasured", "warning", model.name, text, told, where, model.locked)
        if verdict.holds is False:
            level: Level = "warning" if verdict.budget.advisory else "error"
            text = gated.budget(verdict)
            told = printable(f"budget {text}")
            yield _problem("budget", level, model.name, text, told, verdict.budget.text.where, model.locked)


def _different(diff: Diff) -> Iterator[Problem]:
    """A problem a group of differences, where the first of them is in the model that is held."""
    nodes = diff.alignment.first.graph.nodes
    for number, group in enumerate(diff.alignment.groups):
        said = against.said(diff, group)
        follows = [f"{label}: {text}" for label, text in against.follows(diff)] if not number else []
        message = [said, *(against.place(diff, one) for one in group[:SHOWN]), against.impact(diff, group), *follows]
        at = next((node for one in group for node in (*one.first, one.after) if node is not None), None)
        where = nodes[at].where.where if at is not None else f"{diff.first.summary.spec}:1:1"
        yield _problem("different", "error", diff.first.name, said, "\n".join(filter(None, message)), where, None)


def _error(subject: str, error: ArchcalcError, file: str, rule: str = "unread") -> Problem:
    where = error.where if isinstance(error, SpecError) and error.text is not None else ""
    message = "\n".join([printable(error.message), *error.hint.splitlines()])
    return _problem(rule, "error", subject, error.message, message, where or f"{file}:1:1", None)


def _problem(
    rule: str, level: Level, subject: str, title: str, message: str, where: str, locked: Text | None
) -> Problem:
    file, line, col = where.rsplit(":", 2)
    there = _in_repository(file)
    if there is None and locked is not None:  # a spec that archcalc ships: the lock is what the repository has
        file, line, col = locked.where.rsplit(":", 2)
        there = _in_repository(file)
    path = there or Path(file).as_posix()
    return Problem(rule, level, printable(subject), printable(title), message, path, int(line), int(col))


def _in_repository(file: str) -> str | None:
    """The path from the repository's root, or from here where there is none; None where the file is not in it."""
    path = Path(file)
    if not path.is_file():
        return None
    try:
        return path.resolve().relative_to(_root(Path.cwd())).as_posix()
    except ValueError:
        return None


@lru_cache(maxsize=8)
def _root(folder: Path) -> Path:
    folder = folder.resolve()
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        root = os.environ.get(name)
        if root and folder.is_relative_to(Path(root).resolve()):
            return Path(root).resolve()
    return repository(folder) or folder


# --- the forms ----------------------------------------------------------------------------------------------------


def github(run: CheckResult) -> str:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""

    def escaped(text: str, characters: str = ":,") -> str:
        return "".join(f"%{ord(c):02X}" if c in f"%\r\n{characters}" else printable(c) for c in text)

    return "".join(
        f"::{problem.level} file={escaped(problem.file)},line={problem.line},col={problem.col},"
        f"title={escaped(f'archcalc: {problem.subject}')}::{escaped(problem.message, '')}\n"
        for problem in problems(run)
    )


COUNTED = ("tests", "failures", "errors")


def junit(run: CheckResult) -> str:
    """A test suite a lock, a test case a model."""
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    suites: dict[str, list[tuple[str, list[Problem]]]] = {}
    for group, name, found in _cases(run):
        suites.setdefault(printable(group), []).append((printable(name), found))
    root = Element("testsuites", name="archcalc")
    sums = Counter[str]()
    for group, cases in suites.items():
        suite = SubElement(root, "testsuite", name=group)
        counts = Counter(tests=len(cases))
        for name, found in cases:
            case = SubElement(suite, "testcase", classname=group, name=name, time="0")
            failing = [problem for problem in found if problem.level == "error"]
            if failing:
                tag = "error" if any(problem.rule == "unread" for problem in failing) else "failure"
                counts[f"{tag}s"] += 1
                told = SubElement(case, tag, message=failing[0].title, type=failing[0].rule)
                told.text = "\n\n".join(f"{printable(p.file)}:{p.line}:{p.col}\n{p.message}" for p in failing)
            elif any(problem.rule in OPEN for problem in found):
                counts["skipped"] += 1
                SubElement(case, "skipped", message="; ".join(p.title for p in found if p.rule in OPEN))
            elif found:
                SubElement(case, "system-out").text = "\n".join(problem.message for problem in found)
        suite.attrib |= {**{name: str(counts[name]) for name in (*COUNTED, "skipped")}, "time": "0"}
        sums += counts
    root.attrib |= {**{name: str(sums[name]) for name in COUNTED}, "time": "0"}
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def sarif(run: CheckResult) -> str:
    """SARIF 2.1.0, as code scanning reads it."""
    rules = list(RULES)
    results = []
    for problem in problems(run):
        region = {"startLine": problem.line, "startColumn": problem.col}
        place = {"artifactLocation": {"uri": quote(problem.file, errors="surrogateescape")}, "region": region}
        result = {"ruleId": problem.rule, "ruleIndex": rules.index(problem.rule), "level": problem.level}
        result |= {"message": {"text": problem.text}, "locations": [{"physicalLocation": place}]}
        result |= {"kind": "open", "level": "none"} if problem.rule in OPEN else {}
        results.append({**result, "partialFingerprints": {"archcalc/v1": problem.fingerprint}})
    known = [{"id": rule, "shortDescription": {"text": text}} for rule, text in RULES.items()]
    driver = {"name": "archcalc", "version": __version__, "rules": known}
    ran = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return _json({"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [ran]})


def gitlab(run: CheckResult) -> str:
    """GitLab's code quality report, a subset of Code Climate's."""
    found = {
        problem.fingerprint: {
            "description": problem.text,
            "check_name": f"archcalc/{problem.rule}",
            "fingerprint": problem.fingerprint,
            "severity": "major" if problem.level == "error" else "info",
            "location": {"path": problem.file, "lines": {"begin": problem.line}},
        }
        for problem in problems(run)
    }
    return _json(list(found.values()))


def _json(found: Any) -> str:
    lines = dumps(found, ensure_ascii=False, indent=1).split("\n")
    return "\n".join([*map(escaped, lines), ""])


FORMATS: dict[str, Callable[[CheckResult], str]] = {"github": github, "junit": junit, "sarif": sarif, "gitlab": gitlab}
