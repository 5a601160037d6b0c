"""What the shell offers behind a Tab: names that begin as the word does, with a few words about each.

No spec is read in full for it: a network's names stand in the first lines of its file. Where nothing is offered the
shell goes on with files by itself, and quotes them as only it can: bash puts a name from here into the line as it is,
and zsh evaluates it, so that nothing from a folder may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

Offers = list[tuple[str, str]]  # a word, and what it is


def models(incomplete: str) -> Offers:
    """The zoo's models."""
    return _begin(incomplete, _titles())


def families(incomplete: str) -> Offers:
    """The zoo's families."""
    from ..language.zoo import shipped_names

    return _begin(incomplete, ((spec.family, spec.title) for spec in shipped_names()))


def models_and_families(incomplete: str) -> Offers:
    """The zoo's models and families."""
    return list(dict([*families(incomplete), *models(incomplete)]).items())


def models_and_ops(incomplete: str) -> Offers:
    """The zoo's models, and ops."""
    return [*models(incomplete), *ops(incomplete)]


def figures(incomplete: str) -> Offers:
    """Models, documents and the ids of figures."""
    import re

    from ..language.zoo import specs_dir

    found = models(incomplete)
    for path in sorted((specs_dir() / "documents").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        title = re.search(r"^document: (.*)$", text, re.MULTILINE)
        ids = re.findall(r"^ {6}([a-z0-9][a-z0-9-]*) +\|", text, re.MULTILINE)
        found += _begin(incomplete, [(path.stem, title[1] if title else ""), *((name, "a figure") for name in ids)])
    return found


def ops(incomplete: str) -> Offers:
    """The words of the spec language that are ops."""
    from ..ops import OPS

    return _begin(incomplete, ((word, (op.__doc__ or "").partition("\n")[0]) for word, op in OPS.items()))


def dtypes(incomplete: str) -> Offers:
    from ..units import ITEMSIZE

    return _begin(incomplete, ((name, f"{size} bytes") for name, size in ITEMSIZE.items()))


def _words(module: str, constant: str) -> Callable[[str], Offers]:
    """Offers the words that a constant holds; its module is only imported then."""

    def offers(incomplete: str) -> Offers:
        words = getattr(import_module(module, __package__), constant)
        return _begin(incomplete, ((word, "") for word in words))

    return offers


formats = _words("..show.writers", "FORMATS")
formats_of_checks = _words("..show.check", "FORMS")
kinds = _words("..tasks.plot", "KINDS")
optimizers = _words("..analysis.training", "OPTIMIZERS")
sorts = _words("..tasks.summary", "SORTS")


def _begin(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offers:
    return [(name, about) for name, about in offers if name.startswith(incomplete)]


def _titles() -> Iterator[tuple[str, str]]:
    """The models of the shipped specs with their papers' titles."""
    from ..language.zoo import shipped_names

    for spec in shipped_names():  # a family of one network goes by its own name
        yield from ((name, spec.title) for name in spec.models or [spec.family])
