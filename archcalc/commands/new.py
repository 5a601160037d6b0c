"""`archcalc new NAME`."""

from typing import Annotated

from typer import Argument, Option


def new(
    name: Annotated[
        str, Argument(metavar="NAME", help="What the family is called: lower case, digits, and . _ - between them.")
    ],
    output: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="Write to FILE, not to NAME.yaml in this folder.")
    ] = "",
) -> None:
    """Write a spec that runs, with a comment for every key, to NAME.yaml. A file that is there stays as it is."""
    from shlex import quote

    from ..errors import printable
    from ..tasks.new import new as task

    path = task(name, output)
    shown = printable(str(path))
    model = f"{'' if path.is_absolute() or len(path.parts) > 1 else './'}{shown}:{name}-small"
    print(f"wrote {shown}; try\n  archcalc check {quote(shown)}\n  archcalc summary {quote(model)}")
