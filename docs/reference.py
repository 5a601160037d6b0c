"""The page of commands, made from `--help`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WIDTH = 96


def cli_page(written: str) -> str:
    """`docs/cli.md`: what `--help` says of each command."""
    return "\n".join(_lines(written)) + "\n"


def _lines(written: str) -> Iterator[str]:
    from typer.main import get_command

    from archcalc import cli
    from archcalc.commands import COMMANDS

    wide: Any = {"max_content_width": WIDTH, "terminal_width": WIDTH}
    root = get_command(cli._app([*COMMANDS], []))
    yield written
    yield "# Commands"
    yield ""
    yield "What `archcalc COMMAND --help` says. Exit codes: 0 fine, 1 a check failed, 2 wrong use or a bad spec, 3 the"
    yield "environment cannot do it (or a gate cannot know), 70 an error of archcalc itself, 130 interrupted."
    commands = root.commands  # type: ignore[attr-defined]
    yield ""
    yield "\n".join(f"- [`{name}`](#{name}): {command.get_short_help_str(200)}" for name, command in commands.items())
    for name, command in commands.items():
        above = root.context_class(root, info_name="archcalc", **wide)
        context = command.context_class(command, info_name=name, parent=above, **wide)
        yield from ("", f"## {name}", "", "```", command.get_help(context), "```")
