"""A progress bar for whoever is watching, drawn only when told to: a bar that moves by itself would be measured too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, unit: str = "runs") -> Iterator[Callable[[int, int], None] | None]:
    """Gives what is to be called with how many are done and planned; None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(style="dim", complete_style="cyan", finished_style="cyan", pulse_style="dim"),
        TextColumn("{task.fields[count]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as shown:
        task = shown.add_task(what, total=None, count="")
        shown.refresh()

        def tick(done: int, planned: int) -> None:
            shown.update(task, completed=done, total=planned, count=f"{done} of {planned} {unit}")
            shown.refresh()

        yield tick
