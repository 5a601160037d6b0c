"""A progress bar for whoever is watching, drawn only between runs: a bar that moves by itself would be measured too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Gives what is to be called with the runs done and planned; None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(style="dim", complete_style="cyan", finished_style="cyan", pulse_style="dim"),
        TextColumn("{task.fields[runs]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as shown:
        task = shown.add_task(what, total=None, runs="")
        shown.refresh()

        def tick(done: int, planned: int) -> None:
            shown.update(task, completed=done, total=planned, runs=f"{done} of {planned} runs")
            shown.refresh()

        yield tick
