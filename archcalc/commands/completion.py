"""What the shell offers behind a Tab: names that begin as the word does, with a few words about each.

No spec is read in full for it: a network's names stand in the first lines of its file. Where nothing is offered the
shell goes on with files by itself, and quotes them as only it can: bash puts a name from here into the line as it is,
and zsh evaluates it, so that nothing from a folder may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module

from typer import Context

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


def columns(ctx: Context, incomplete: str) -> Offers:
    """The columns of the command that is typed, also behind a comma."""
    from ..show.columns import Column

    where, constant = COLUMNS.get(ctx.info_name or "", ("", ""))
    found = getattr(import_module(where, __package__), constant) if where else ()
    every = found() if callable(found) else found
    return _listed(incomplete, ((c.name if isinstance(c, Column) else c.key, c.heading) for c in every))


# Of each command: the module and what in it has its columns.
COLUMNS = {
    "summary": ("..show.summary", "KNOWN"),
    "compare": ("..tasks.compare", "COMPARED"),
    "scale": ("..show.scale", "known_columns"),
    "list": ("..show.list", "KNOWN"),
    "paper": ("..show.paper", "COLUMNS"),
}


def constants(ctx: Context, incomplete: str) -> Offers:
    """The constants that the network which is typed lets one set."""
    from ..errors import ArchcalcError
    from ..language.expand import settable
    from ..language.zoo import at_input, models_of, select

    asked = ctx.params.get("model") or ctx.params.get("models") or ctx.args  # where an option is open, nobody knows
    names = [asked] if isinstance(asked, str) else list(asked)
    try:
        models = [model for name in names[:1] for model in models_of(name)]
        found = [name for model in models[:1] for name in settable(select(at_input(model)[0]))]
    except ArchcalcError:
        return []
    return _begin(incomplete, ((f"{name}=", "") for name in found))


def parts(ctx: Context, incomplete: str) -> Offers:
    """The rows of the network that is typed."""
    from ..errors import ArchcalcError
    from ..networks import network

    try:
        typed = ctx.params.get("name") or ctx.params.get("model") or (ctx.args or [""])[-1]
        graph = network(str(typed)).graph
    except ArchcalcError:
        return []
    return _begin(incomplete, ((row.name, row.text if row.text != row.name else "") for row in graph.rows))


def parts_and_ops(ctx: Context, incomplete: str) -> Offers:
    """The rows of the network that is typed, and ops."""
    return [*parts(ctx, incomplete), *ops(incomplete)]


def metrics(ctx: Context, incomplete: str) -> Offers:
    """What bubbles may be placed by: what documents print, and what the networks that are typed report."""
    from ..errors import ArchcalcError
    from ..language.zoo import at_input, models_of, select
    from ..papers.results import of_spec
    from ..tasks.plot import PRINTED

    found = dict.fromkeys(PRINTED, "printed")
    with suppress(ArchcalcError):
        chosen = [select(at_input(one)[0]) for name in ctx.params.get("models") or ctx.args for one in models_of(name)]
        found |= {known.metric.name: "reported" for one in chosen for known in of_spec(one.file, one.subject)}
    return _begin(incomplete, found.items())


def peers(incomplete: str) -> Offers:
    """The tools that `doctor` knows, also behind a comma."""
    from ..analysis.peers import PEERS

    return _listed(incomplete, ((name, "") for name in PEERS))


def places(incomplete: str) -> Offers:
    """Where one may measure."""
    return _begin(incomplete, [("cpu", ""), ("cuda", "the GPU")])


def _listed(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offers:
    """The last name of a list with commas."""
    before, comma, last = incomplete.rpartition(",")
    return [(f"{before}{comma}{name}", about) for name, about in _begin(last, offers)]


formats = _words("..show.writers", "FORMATS")
formats_of_checks = _words("..show.check", "FORMS")
kinds = _words("..tasks.plot", "KINDS")
along = _words("..tasks.plot", "ALONG")
by = _words("..tasks.compare", "BY")
units = _words("..show.columns", "UNITS")
verdicts = _words("..papers.judge", "VERDICTS")
themes = _words("..show.pictures.style", "THEMES")
optimizers = _words("..analysis.training", "OPTIMIZERS")
sorts = _words("..tasks.summary", "SORTS")
tools = _words("..analysis.conventions", "CONVENTIONS")
sheets = _words("..analysis.roofline", "DEVICES")


def _begin(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offers:
    return [(name, about) for name, about in offers if name.startswith(incomplete)]


def _titles() -> Iterator[tuple[str, str]]:
    """The models of the shipped specs with their papers' titles."""
    from ..language.zoo import shipped_names

    for spec in shipped_names():  # a family of one network goes by its own name
        yield from ((name, spec.title) for name in spec.models or [spec.family])
