"""Where a text stands, and the errors that point at it.

Every word, cell and number of a spec is a `Text`: its characters and the place where they stand. Whatever goes wrong
is an `ArchcalcError`; `main()` prints it and leaves with its exit code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


class ArchcalcError(Exception):
    """An error that a user can read; `exit_code` is what the command leaves with.

    1: a check failed · 2: wrong use or a bad spec · 3: the environment cannot do it."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "", words: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = "\n".join(map(printable, filter(None, (hint, *(f"  {word}" for word in words)))))  # a line each

    def render(self) -> str:
        return f"error: {printable(self.message)}" + (f"\n{self.hint}" if self.hint else "")


class UsageError(ArchcalcError):
    """A command or an argument that makes no sense."""


class Unavailable(ArchcalcError):
    """This machine cannot do what was asked: no torch, no GPU, not enough memory."""

    exit_code = 3


def not_installed(error: ImportError, by: str = "") -> ArchcalcError | None:
    """What to say of a package that is missing, or does not load, and is installed `by` another if one is named; None
    where it is archcalc's own fault."""
    name = (error.name or "").partition(".")[0]
    if name in ("", "archcalc"):
        return None
    if isinstance(error, ModuleNotFoundError):
        return Unavailable(f"this needs {name}, which is not installed", f"Install it with `pip install {by or name}`.")
    return Unavailable(f"{name} does not load here: {error}", f"`pip install --force-reinstall {name}` may mend it.")


@contextmanager
def installed(by: str = "") -> Iterator[None]:
    """Raises Unavailable for a package that is missing, with what installs it: its own name, or what it comes `by`."""
    try:
        yield
    except ImportError as error:
        raise not_installed(error, by) or error from None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A spec file: the name by which messages call it, and its lines."""

    name: str
    lines: tuple[str, ...] = field(repr=False)


@dataclass(slots=True, unsafe_hash=True)  # `frozen` would make reading specs, all of it Text, a tenth slower
class Text:
    """A piece of a spec: `value` as read, standing in `source` at `line` and `col` (both from 1, in characters).

    `exact` says that the characters of `value` stand one after the other from there, so that parts have places of
    their own; `block` marks a `|` scalar, whose rows do."""

    value: str
    source: Source = field(repr=False, compare=False)
    line: int = field(compare=False)
    col: int = field(compare=False)
    exact: bool = field(default=True, repr=False, compare=False)
    block: bool = field(default=False, repr=False, compare=False)

    def __str__(self) -> str:
        return self.value

    @property
    def where(self) -> str:
        """`specs/vgg.yaml:22:41`."""
        return f"{self.source.name}:{self.line}:{self.col}"

    def part(self, start: int, stop: int | None = None) -> Text:
        """The characters from `start` to `stop`, with their place (the whole text's where it is not known better)."""
        value = self.value[start:stop]
        return Text(value, self.source, self.line, self.col + start if self.exact else self.col, self.exact)

    def strip(self) -> Text:
        value = self.value.strip()
        start = len(self.value) - len(self.value.lstrip())
        return self if len(value) == len(self.value) else self.part(start, start + len(value))

    def rows(self) -> list[Text]:
        """The lines of a `|` block, each with its place; another text is one row."""
        if not self.block:
            return [self]
        rows = self.value.rstrip("\n").split("\n")
        cuts = (len(self.source.lines[at]) - len(row) for at, row in enumerate(rows, self.line) if row.strip())
        cut = next(cuts, 0)
        return [Text(row, self.source, self.line + 1 + n, cut + 1) for n, row in enumerate(rows)]

    def error(self, message: str, hint: str = "") -> SpecError:
        return SpecError(message, self, hint)


class SpecError(ArchcalcError):
    """A spec that breaks a rule, with the place: `file:line:col`, the line, and a caret."""

    def __init__(self, message: str, text: Text | None = None, hint: str = "") -> None:
        super().__init__(message, hint)
        self.text = text
        self.context: list[str] = []

    @property
    def where(self) -> str:
        return self.text.where if self.text else ""

    def within(self, what: str) -> SpecError:
        """Add what was being built when it failed, innermost first."""
        self.context.append(what)
        return self

    def render(self) -> str:
        parts = [f"error: {sentence(self.message)}"]
        if self.text is not None:
            parts.append(excerpt(self.text))
        within = [f"  in {sentence(what)}" for what in self.context]
        parts += within if len(within) <= 4 else [*within[:3], "  …", within[-1]]
        if self.hint:
            parts.append(sentence(self.hint))
        return "\n".join(parts)


WIDTH = 100  # of an excerpt; longer lines are cut round the caret
QUOTED = 80  # characters of what a message quotes; a longer piece is cut


def excerpt(text: Text) -> str:
    """The line that `text` stands in, with carets below it; its number alone where it is not at hand."""
    lines = text.source.lines
    if not lines:
        return f"  ——▶ {printable(text.source.name)}" + f":{text.line}" * (text.line > 0)
    line = lines[text.line - 1] if 0 < text.line <= len(lines) else ""
    start = min(text.col - 1, len(line))
    first = text.value.split("\n")[0] if not text.block else "|"
    width = max(1, min(len(first), len(line) - start))
    if len(line) > WIDTH:
        left = max(0, min(start - WIDTH // 3, len(line) - WIDTH))
        line = ("…" if left else "") + line[left : left + WIDTH] + ("…" if left + WIDTH < len(line) else "")
        start -= left - (1 if left else 0)
        width = min(width, len(line) - start - 1)
    number = str(text.line)
    bar = " " * len(number) + " │"
    caret = " " * start + "^" * max(1, width)
    return f"  ——▶ {printable(text.where)}\n{bar}\n{number} │ {printable(line)}\n{bar} {caret}".rstrip()


TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # the order of reading
# What is obeyed, breaks a line, is half a character, or none that XML can hold.
OBEYED = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{TURNING}\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def printable(text: str) -> str:
    """`text` as one line that nobody obeys: a tab becomes a space, line ends and control characters `·`. Every text of
    others passes through here on its way out."""
    return text if text.isprintable() else OBEYED.sub("·", text.replace("\t", " "))


CI_LOGS = ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")  # set in jobs whose log obeys lines of it
_COMMAND = re.compile(r"^(\s*:)(?=:)|(#)(?=#\w*\[)", re.MULTILINE)


def logged(text: str) -> str:
    """`text` for such a log: `::command::` at the start of a line and `##[command]` or `##vso[command]` anywhere, as
    the runners of GitHub, Azure and TeamCity look for them, are broken up by a blank."""
    return _COMMAND.sub(r"\1\2 ", text)


def sentence(text: str) -> str:
    """One printable line; long quotes are cut."""
    text = re.sub(rf"`([^`]{{{QUOTED}}})[^`]{{20,}}`", r"`\1…`", text.replace("\n", " "))
    return printable(text if len(text) <= 5 * QUOTED else text[: 5 * QUOTED] + "…")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The known word nearest to `word`, or None where none is near."""
    import difflib  # on the error path only: 6 ms

    lower = {w.lower(): w for w in reversed(list(dict.fromkeys(words)))}
    low = word.lower()
    found = difflib.get_close_matches(low, list(lower), n=5, cutoff=0.6) if len(word) <= 200 else []
    if not found:
        return None
    swapped = next((near for near in found if sorted(near) == sorted(low)), found[0])  # `vgg61` is `vgg16`
    return lower[swapped]


def begun(word: str, known: Iterable[str]) -> list[str]:
    """What a word may stand for: itself where it is known, however its letters are large or small, or else all that
    begins so."""
    names, low = list(dict.fromkeys(known)), word.lower()
    return [name for name in names if name.lower() == low] or [
        name for name in names if low and name.lower().startswith(low)
    ]


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """``Did you mean `conv`?``, a short list of what there is, or nothing."""
    known = list(dict.fromkeys(words))
    near = nearest(word, known)
    if near is not None and near != word:
        return f"Did you mean `{near}`?"
    return f"Known here: {', '.join(known)}" if 0 < len(known) <= 12 else ""
