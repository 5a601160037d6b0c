"""`archcalc paper [MODEL|DOCUMENT|ID …]`."""

import sys
from typing import Annotated

from typer import Argument, Option

from . import completion as complete
from .options import Columns, Format, Output, OutputFile, Units
from .options import names as chosen


def paper(
    names: Annotated[
        list[str] | None,
        Argument(
            metavar="[MODEL|DOCUMENT|ID ...]",
            help="A model (vgg16), a document (raissi), or the id of a figure (googlenet-conv1-params).",
            autocompletion=complete.figures,
        ),
    ] = None,
    every: Annotated[bool, Option("--all", help="All figures of all documents.")] = False,
    verdict: Annotated[
        str,
        Option("--verdict", metavar="VERDICT", help="Only figures with this verdict, as contradicts."),
    ] = "",
    columns: Columns = "",
    units: Units = "auto",
    output_format: Format = "",
    output: OutputFile = "",
) -> int:
    """Hold the figures that documents print against what is computed, each with its verdict and the reason.

    Exits with 1 where a figure contradicts and no erratum says so, or an erratum no longer applies.
    """
    from ..errors import UsageError, did_you_mean
    from ..papers.documents import read_ledger
    from ..papers.judge import VERDICTS, Ledger, stale
    from ..show import known_units
    from ..show.paper import render
    from ..show.progress import progress

    write = Output(output_format, output)
    wanted, raw = chosen(columns), known_units(units) == "raw"
    if verdict and verdict not in VERDICTS:
        raise UsageError(f"`{verdict}` is not a verdict", did_you_mean(verdict, VERDICTS))
    ledger = Ledger(read_ledger())
    if not names and not every and not verdict:
        known = sorted({entry.document for entry in ledger.entries.values()})
        raise UsageError(
            "which figures?", "Name models, figures or documents, or all of them: `--all`. Documents:\n  "
            + "\n  ".join(known),
        )  # fmt: skip
    entries = ledger.chosen(names) if names else list(ledger.entries.values())
    with progress("judging figures", "figures") as tick:
        findings = []
        for done, entry in enumerate(entries, 1):
            findings.append(ledger.finding(entry.id.value))
            if tick is not None:
                tick(done, len(entries))
    old = stale(findings)
    shown = [finding for finding in findings if not verdict or finding.verdict == verdict]
    whole = bool(names) and {entry.id.value for entry in entries} == set(names or ())
    write(lambda width, color: render(shown, write.format, width, color, whole, wanted, raw))
    for error in old:
        print(error.render(), file=sys.stderr)
    return int(bool(old) or any(finding.undeclared for finding in findings))
