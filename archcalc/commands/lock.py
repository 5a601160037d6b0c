"""`archcalc lock MODEL …`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from . import completion as complete
from .options import replace

if TYPE_CHECKING:
    from ..gate.lock import Entry, Lock

SAID = {"params": "params", "macs": "MACs", "nodes": "nodes"}


def lock(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL|PATH ...",
            help="Models, or spec files with all of their models: resnet50, net.yaml, net.yaml:small.",
            autocompletion=complete.models,
        ),
    ],
    output: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="The lock, archcalc.lock unless given.")
    ] = "archcalc.lock",
    rows: Annotated[
        bool,
        Option(
            "--rows",
            help="A line for each row of the paper's table, with a digest of its nodes, not for each node.",
        ),
    ] = False,
) -> int:
    """Write what matters of models to a lock, as text to review: totals, and a line for each node.

    A lock that is there keeps its other models and its budgets; models that it has are locked anew.
    """
    from ..errors import ArchcalcError, UsageError, printable
    from ..gate.build import Wanted, build_many, names_in, reference
    from ..show.progress import progress

    path = Path(output).expanduser()
    if path.suffix != ".lock":
        raise UsageError(f"`{printable(output)}` is no name for a lock", "A lock ends in `.lock`.")
    if not path.parent.is_dir():
        raise UsageError(f"`{printable(output)}` is in a folder that does not exist")
    names = list(dict.fromkeys(name for model in models for name in names_in(model, path)))
    with progress("locking", "models") as tick:
        built = build_many([Wanted(reference(name, path), name, rows, "") for name in names], tick)
    for found in built:
        if isinstance(found, ArchcalcError):
            raise found
    entries = [found.entry for found in built if not isinstance(found, ArchcalcError) and found.entry is not None]
    before = store(path, entries)
    for entry in entries:
        old = before.sections.get(entry.model)
        what = "locked" if old is None else "as it was" if old.lines() == entry.text() else "locked anew"
        counts = [f"{entry.totals[name]:,} {said}" for name, said in SAID.items()]
        print(f"{what} {printable(entry.model)}: {', '.join(counts)}")
    print(f"wrote {printable(output)}; try\n  archcalc check {printable(output)}", file=sys.stderr)
    return 0


def store(path: Path, entries: Sequence["Entry"]) -> "Lock":
    """Put entries into a lock, which is read again for it, as another run may have written meanwhile; it is replaced
    whole. Gives the lock as it was. Raises SpecError."""
    from ..gate.lock import Lock, read_lock

    with alone(path.parent):
        before = read_lock(path) if path.exists() else Lock(path, str(path), {})
        text = before.text(entries)
        if not path.exists() or path.read_bytes() != text.encode():
            for left in path.parent.glob(f".{path.name}.*.tmp"):  # of a run that was killed
                left.unlink(missing_ok=True)
            replace(path, text)
    return before


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other run writes a lock in this folder. The system ends it with the process, however that ends."""
    import os

    try:
        import fcntl
    except ImportError:  # Windows: the last one wins, and the file is whole
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
