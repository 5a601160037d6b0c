"""A progress bar for whoever is watching, drawn only when told to: a bar that moves by itself would be measured too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic


@contextmanager
def progress(what: str, unit: str = "runs", rate: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """Gives what is to be called with how many are done and planned; None where standard error is no terminal. With a
    `rate` it says how many are done a second, of those since the first call: others may have been done before."""
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

        begun, before = monotonic(), 0

        def tick(done: int, planned: int) -> None:
            nonlocal begun, before
            if rate and not before:
                begun, before = monotonic(), done
            took = monotonic() - begun
            left = took / (done - before) * (planned - done) if done > before else 0.0
            behind = f", {(done - before) / took:,.0f} a second" if rate and done > before and took else ""
            behind += f", {time_left(left)} left" if left >= 1 else ""
            shown.update(task, completed=done, total=planned, count=f"{done:,} of {planned:,} {unit}{behind}")
            shown.refresh()

        yield tick


def time_left(seconds: float) -> str:
    """`0:35`, `1:02:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
