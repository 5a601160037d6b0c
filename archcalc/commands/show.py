"""`archcalc show MODEL`."""

import sys
from typing import Annotated

from typer import Argument

from . import completion as complete
from .options import in_color


def show(
    model: Annotated[
        str,
        Argument(
            metavar="MODEL",
            help="A model (vgg16), a family (vgg), or a spec file (./my.yaml).",
            autocompletion=complete.models_and_families,
        ),
    ],
) -> None:
    """Print the spec of a model or family: the paper's table, and how it is read; in a pipe, the file as it is."""
    from ..errors import logged, sentence
    from ..tasks.show import show as task

    found = task(model)
    if found.note:
        print(sentence(found.note), file=sys.stderr)
    text = found.content.decode("utf-8-sig", "replace")
    if sys.stdout.isatty() or (hasattr(sys.stdout, "obeyed") and logged(text) != text):
        from ..show.source import render

        sys.stdout.write(render(text, in_color()))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(found.content)
    sys.stdout.flush()
