"""From what people type to a family and a variant: names of the zoo, `family:variant`, and paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path

from ..errors import SpecError, Text, UsageError, did_you_mean
from ..files import Version, inside, typed, version
from ..graph import Input, Typed
from .checks import check_used, read_family, references
from .family import FROM, Family, ModelEntry, Variant, overlay, read_expressions
from .names import SpecNames, read_names
from .reader import Map, read_file, read_text
from .rows import check_notation

SUFFIXES = (".yaml", ".yml")
PATTERN = re.compile(r"[*?[]")  # of names, as in a shell
NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")  # of a family; a file's is no longer than 255
# What a file without `layers:` lays over the families of its models.
LAID_BY_FILE = ("stands_in", "input", "given", "let", "defaults", "notation", "heads", "rows", "blocks")


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """A model as it is built: `family` with everything laid over it, and which of its variants. `file` is the spec that
    names the model and carries its claims; `plain` says that nothing is laid over the variant, so that the file's
    claims about the variant are judged on this model. `laid` are the names of `given:` that win over the variant's
    row."""

    name: str
    file: Family = field(repr=False)
    family: Family = field(repr=False)
    variant: Variant
    spec: str
    plain: bool
    laid: frozenset[str] = frozenset()
    entry: ModelEntry | None = None

    @property
    def subject(self) -> str:
        """The name in claims: the typed one, or the variant's printed one where it has none."""
        return self.entry.name.value if self.entry is not None else self.variant.name.value


@cache
def specs_dir() -> Path:
    """The folder of the shipped specs: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


def spec_files() -> list[Path]:
    """The shipped specs, by name."""
    folder = specs_dir()
    names = sorted(os.listdir(folder))  # noqa: PTH208  # paths are slower to make, and to sort
    return [folder / name for name in names if name.endswith(".yaml")]


def read_spec(path: Path, name: str | None = None, whole: bool = True) -> Family:
    """Read and check a spec file; without `whole` not what it is laid over, which takes longer. Raises SpecError."""
    return _checked(read_file(path, name or str(path)), path.stem, whole)


def _checked(tree: Map, stem: str, whole: bool) -> Family:
    family = read_family(tree, stem)
    if family.layers is not None:
        check_used(family, set())
        check_notation(family)
    else:
        bases = {entry.family: entry.where for entry in family.models.values()}
        if not bases or "" in bases:
            hint = "A file without `layers:` is laid over other families: its models are `family:variant`."
            raise family.tree.where.error("`layers:` is missing: a quoted table, or a list of layer lines", hint)
        if whole:
            check_over(family)
    return family


def check_over(family: Family) -> None:
    """Raise SpecError at a name that neither a file without `layers:` uses nor any family that it is laid over."""
    used: set[str] = set()
    for base, where in {entry.family: entry.where for entry in family.models.values()}.items():
        used |= references(_family(base, where))
    check_used(family, used)


def shipped_family(path: Path) -> Family:
    """A shipped spec."""
    return _kept(path, f"specs/{path.name}", False)


def _kept(path: Path, name: str, whole: bool) -> Family:
    """`read_spec`, again only where the file has changed."""
    try:
        found = version(path)
    except OSError:
        return read_spec(path, name, whole)  # which says what is wrong
    return _read_version(path, name, whole, found)


@lru_cache(maxsize=256)
def _read_version(path: Path, name: str, whole: bool, _version: Version) -> Family:
    return read_spec(path, name, whole)


def _family(name: str, where: Text) -> Family:
    """The shipped family called `name`, for what `where` says about it. Raises SpecError."""
    path = specs_dir() / f"{name}.yaml"
    if not NAME.fullmatch(name) or not path.is_file():
        raise where.error(f"there is no family `{name}`", did_you_mean(name, [p.stem for p in spec_files()]))
    return shipped_family(path)


def select(reference: str, named: Iterable[SpecNames] | None = None) -> Selection:
    """Find a model by name (`vgg16`), by `family:variant` (`vgg:D`), or by path (`./my.yaml`, `./my.yaml:NAME`).

    `named` are the names in the shipped specs, where many models are selected. Raises UsageError for an unknown name,
    or where several variants could be meant; SpecError for a bad spec."""
    reference = reference.strip()
    path, colon, wanted = split(reference)
    if path is not None:
        family = _kept(typed(path), path, True)
        return _choose(family, wanted if colon else None, path, reference)
    for names in map(read_names, _likely(reference)) if named is None else named:
        if names.has(reference):
            family = shipped_family(names.path)
            return _model(family, family.models[reference], names.path.name)
    name, colon, wanted = reference.partition(":")
    candidate = specs_dir() / f"{name}.yaml"
    if NAME.fullmatch(name) and candidate.is_file():
        return _choose(shipped_family(candidate), wanted if colon else None, candidate.name, reference)
    if os.path.exists(reference):  # noqa: PTH110  # `Path.exists` raises for a name that is too long
        raise UsageError(f"no model is called `{reference}`", f"For the file, write `./{reference}`.")
    if colon and os.path.isfile(f"{name}.py"):  # noqa: PTH113  # as above
        raise UsageError(f"no model is called `{reference}`", f"For the code in the file, write `{name}.py:{wanted}`.")
    hint = did_you_mean(reference, known_names())
    raise UsageError(f"no model is called `{reference}`", hint or "`archcalc list` shows the models there are.")


def _likely(model: str) -> list[Path]:
    """The shipped specs, first those whose names begin as a part of the model's: most need not be opened then."""
    return sorted(spec_files(), key=lambda path: path.stem.partition("-")[0] not in model)


def select_text(reference: str, text: str) -> Selection:
    """The model of a path, as `select` finds it, in the text of the file: elsewhere there may be no such file."""
    path, colon, wanted = split(reference.strip())
    assert path is not None
    return _choose(_checked(read_text(text, path), Path(path).stem, True), wanted if colon else None, path, reference)


def source_of(source: Text, whole: bool) -> Selection:
    """What `from NAME:` names: a model of the zoo, `family:variant`, or a family, of which blocks know `given:` and no
    variant. `whole`: its rows are wanted, too. Raises SpecError at `source`."""
    try:
        name, colon, _ = source.value.partition(":")
        file = specs_dir() / f"{name}.yaml"
        if not colon and not whole and NAME.fullmatch(name) and file.is_file() and name not in model_names():
            family = shipped_family(file)
            return Selection(name, family, family, Variant(source), file.name, plain=False)
        if split(source.value)[0] is not None:
            raise source.error(f"`{source}` is no name of the zoo", "A file builds on what `archcalc list` shows.")
        return select(source.value)
    except UsageError as error:
        names = [line.strip() for line in error.hint.split("\n")]
        hint = f"Such as {', '.join(f'`{name}`' for name in names[:3])}." if len(names) > 1 else error.hint
        raise source.error(error.message, hint) from None


def select_named(name: str, by: Path, reference: str) -> Selection:
    """The model that a lock or a saved run at `by` calls `name`, and who reads it from here `reference`. Nothing is
    opened but a spec file below the folder or the repository of `by`, and nothing is shown of a file that is none.
    Raises as `select` does."""
    path = split(name)[0]
    if path is None:
        return select(name)
    here = typed(split(reference)[0] or "")
    if not path.endswith(SUFFIXES) or not inside(path, by, here):
        rule = "A lock or a saved run names specs (.yaml, .yml) by relative paths, below its own folder or repository."
        raise UsageError(f"`{path}` may not be named here", rule)
    try:
        return select(reference)
    except SpecError as error:
        if error.text is None or read_names(here).is_spec:
            raise
        hint = f"Nothing of it is shown here. `archcalc summary {here}` says what is wrong."
        raise UsageError(f"`{path}` is no spec", hint) from None


def shipped(spec: str) -> bool:
    """Whether a model's `spec` is a file that ships, and no path."""
    return NAME.fullmatch(spec) is not None and (specs_dir() / spec).is_file()


def shipped_names() -> Iterator[SpecNames]:
    """The names in each shipped spec, by family."""
    return map(read_names, spec_files())


def model_names() -> Iterator[str]:
    """The names of the zoo's models, by family."""
    return (model for names in shipped_names() for model in names.models)


def known_names() -> list[str]:
    """All known names: the models and families of the zoo, sorted."""
    return sorted({*model_names(), *(path.stem for path in spec_files())})


def selections(path: Path, name: str | None = None) -> tuple[Family, list[Selection]]:
    """A spec file and all of its models: the named ones, and the variants that no model names plainly. `name` is how
    messages call the file; a shipped one is called `specs/…`. Raises SpecError."""
    shipped = name is None and path.parent == specs_dir()
    family = shipped_family(path) if shipped else read_spec(path, name)
    if shipped and family.layers is None:
        check_over(family)
    spec = path.name if shipped else name or str(path)
    found = [_model(family, entry, spec) for entry in family.models.values()]
    return family, found + [_variant(family, variant, spec) for variant in family.unnamed]


def models_of(reference: str) -> list[str]:
    """The models that a reference means, each at its `@SIZE` if it says one: all of a family that is no model itself,
    of a pattern (`resnet*`) or of a spec file, else the one. Raises UsageError for a pattern of none, SpecError."""
    name, _ = at_input(reference)
    tail = reference[len(name) :]
    path, colon, _ = split(name)
    if path is not None:
        if colon or not path.endswith(SUFFIXES):
            return [reference]
        _, found = selections(typed(path), path)
        names = [selection.entry.name.value if selection.entry else selection.variant.name.value for selection in found]
        return [f"{path}:{name}{tail}" for name in names] if len(names) > 1 else [reference]
    if PATTERN.search(name):
        every = (model for spec in shipped_names() for model in spec.models or [spec.family])
        names = [model for model in every if fnmatchcase(model, name)]
        if not names:
            raise UsageError(f"no model is called like `{name}`", "`archcalc list` shows the models there are.")
    else:
        family = next((spec for spec in shipped_names() if spec.family == name), None)
        single = family is None or any(spec.has(name) for spec in shipped_names())
        names = [name] if family is None or single else family.models or [name]
    return [reference] if names == [name] else [f"{model}{tail}" for model in names]


def all_of(references: Iterable[str]) -> list[str]:
    """The models that several references mean: those of a family, a pattern or a file once, whatever else names them.
    Raises as `models_of` does."""
    typed_alone: dict[str, bool] = {}  # of each so far; what is, may stand there twice
    found: list[str] = []
    for reference in references:
        models = models_of(reference)
        alone = models == [reference]
        found += [model for model in models if model not in typed_alone or (alone and typed_alone[model])]
        typed_alone |= dict.fromkeys(models, alone)
    return found


def split(reference: str) -> tuple[str | None, str, str]:
    """A path with what stands behind its colon; no path where the reference is a name."""
    for suffix in SUFFIXES:
        head, found, tail = reference.partition(f"{suffix}:")
        if found:
            return head + suffix, ":", tail
    if reference.endswith(SUFFIXES) or reference.startswith((".", "~", "/")) or "/" in reference.partition(":")[0]:
        return reference, "", ""
    return None, "", ""


_SIZE = r"\d{1,9}(?:[x×]\d{1,9}){0,3}"
_DTYPE = r":[a-z]\w*(?:=\d{1,18})?"
_TYPED = rf"(?:{_SIZE}(?:{_DTYPE})?|{_DTYPE})"
_NAMED = rf"[A-Za-z_][\w.]*={_TYPED}"


def at_input(reference: str) -> tuple[str, Input | None]:
    """`resnet50@256` is resnet50 and (256,), `resnet50@3x256x320` all axes; a size of one number is every side. Of
    several inputs each goes by its name, `dit-xl-2@latent=4x64x64,time=256`, of code with its dtype,
    `net.py:Net@ids=32:int64`, or by their places, which are 0, 1, …: `net.py:Net@3x8x8,16`."""
    name, at, size = reference.rpartition("@")
    if not at or not re.fullmatch(rf"{_TYPED}(?:,{_TYPED})*|{_NAMED}(?:,{_NAMED})*", size):
        return reference, None
    sizes: dict[str, tuple[int, ...]] = {}
    for place, part in enumerate(size.split(",")):
        own, axes, dtype, value = re.fullmatch(rf"(?:([\w.]+)=)?((?:{_SIZE})?)(?::(\w+)(?:=(\d+))?)?", part).groups("")  # type: ignore[union-attr]
        shape = tuple(int(side) for side in re.split("[x×]", axes) if side)
        sizes[own or str(place)] = Typed(shape, dtype, int(value or 1)) if dtype else shape
    return name, sizes["0"] if [*sizes] == ["0"] else sizes


def resized(printed: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """The printed input at another size: a whole one, channels first, or its channels and one number on every other
    axis. Raises UsageError, with the right spelling of one that has a batch, no channels, or these behind."""
    axes, channels = len(printed), printed[0]
    if len(size) == 1 and axes > 1:
        return (channels, *size * (axes - 1))
    right, why = size, ""
    if len(size) == axes + 1 and size[0] == 1:
        right, why = size[1:], "is without the batch"
    if len(right) == axes > 1 and right[0] != channels == right[-1]:
        right, why = (channels, *right[:-1]), "has the channels first" + f", and {why}" * bool(why)
    elif len(size) == axes - 1 and size[0] != channels:
        right, why = (channels, *size), "has the channels first"
    if len(right) != axes:
        raise UsageError(f"an input of {axes} axes cannot have the size {'×'.join(map(str, size))}")
    if why:
        raise UsageError(f"{'×'.join(map(str, size))}: an input {why}", f"Write `{'x'.join(map(str, right))}`.")
    return size


def _choose(family: Family, wanted: str | None, spec: str, reference: str) -> Selection:
    """The model or variant of `family` that is called `wanted`; its only one where that is None."""
    if wanted is None:
        if family.layers is not None and len(family.variants) == 1:
            return _variant(family, family.variants[0], spec)
        names = [*family.models, *(variant.name.value for variant in family.unnamed)]
        if family.layers is None and len(names) == 1:
            return _model(family, family.models[names[0]], spec)
        shown = [f"{reference}:{name}" for name in names]
        raise UsageError(f"`{reference}` has {len(names)} models: name one", words=shown)
    if wanted in family.models:
        return _model(family, family.models[wanted], spec)
    variant = family.variant(wanted) if family.layers is not None else None
    if variant is not None:
        return _variant(family, variant, spec)
    known = [*family.models, *(v.name.value for v in family.variants)] if family.layers else list(family.models)
    raise UsageError(f"`{reference}`: there is no model or variant `{wanted}`", did_you_mean(wanted, known))


def _variant(family: Family, variant: Variant, spec: str) -> Selection:
    """A variant under its printed name: the model that names it plainly, where there is one."""
    entry = family.plainly(variant.name.value)
    if entry is not None:
        return _model(family, entry, spec)
    name = variant.name.value
    name = name if len(family.variants) == 1 and not family.models else f"{family.name}:{name}"
    return Selection(name, family, family, variant, spec, plain=True)


def _model(file: Family, entry: ModelEntry, spec: str) -> Selection:
    """A model: its variant, with the file's keys and its own laid over it."""
    base = _family(entry.family, entry.where) if entry.family else file
    family, laid = base, set[str]()
    if entry.family:
        laid |= set(file.given)
        own = [item for item in file.tree.items() if item[0].value in LAID_BY_FILE or FROM.fullmatch(item[0].value)]
        family = read_family(overlay(base.tree, own), base.name, base)
    if entry.overlay is not None:
        constants = read_expressions(entry.overlay, "given")
        laid |= set(constants)
        if set(entry.overlay.entries) <= {"given"}:
            family = replace(family, given={**family.given, **constants})  # the same, without reading all again
        else:
            family = read_family(overlay(family.tree, entry.overlay.items()), base.name, family)
        columns = {heading for variant in base.variants for heading in variant.cells}
        known = {*base.given, *file.given, *references(family), *columns}
        for name, (key, _) in constants.items():
            if name not in known:
                raise key.error(f"nothing uses `{key}`", did_you_mean(name, known))
    variant = family.variant(entry.variant.value)
    if variant is None:
        names = [v.name.value for v in family.variants]
        hint = did_you_mean(entry.variant.value, names)
        raise entry.variant.error(f"`{entry.variant}` is not a variant of `{base.name}`", hint)
    return Selection(entry.name.value, file, family, variant, spec, entry.plain, frozenset(laid), entry)
