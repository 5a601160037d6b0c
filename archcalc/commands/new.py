"""`archcalc new NAME`."""

from typing import Annotated

from typer import Argument, Option

from . import completion as complete


def new(
    name: Annotated[
        str, Argument(metavar="NAME", help="What the family is called: lower case, digits, and . _ - between them.")
    ],
    output: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="Write to FILE, not to NAME.yaml in this folder.")
    ] = "",
) -> None:
    """Write a spec that runs, with a comment for every key, to NAME.yaml. A file that is there stays as it is."""
    from pathlib import Path

    from ..errors import UsageError, printable
    from ..language.starter import check_name, starter
    from ..language.zoo import SUFFIXES

    check_name(name, sorted(complete.known()))
    path = Path(output or f"{name}.yaml")
    if path.suffix not in SUFFIXES:
        raise UsageError(f"`{printable(str(path))}` is no name for a spec file", "A spec ends in `.yaml`.")
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(starter(name))
    except FileExistsError:
        raise UsageError(f"`{printable(str(path))}` is there already: it stays as it is") from None
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"`{printable(str(path))}` is in a folder that does not exist") from None
    shown = printable(str(path))
    model = f"{'' if path.is_absolute() or len(path.parts) > 1 else './'}{shown}:{name}-small"
    print(f"wrote {shown}; try\n  archcalc check {quoted(shown)}\n  archcalc summary {quoted(model)}")


def quoted(word: str) -> str:
    """`word` as a shell takes it."""
    from shlex import quote

    return quote(word)
