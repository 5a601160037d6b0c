"""Lines of the package by room, each held to its budget: `make size`.

Lines are a budget, not an achievement: a capability that needs more raises its room's budget in the same commit, with
a sentence in CHANGELOG.md or in a decision that says what for. The whole may not grow by rooms that stay below theirs.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "archcalc"
BUDGETS = {
    "alignment": 3_440,
    "analysis": 3_810,
    "commands": 1_980,
    "gate": 1_540,
    "language": 5_900,
    "measurement": 1_150,
    "ops": 5_960,
    "papers": 2_590,
    "runtime": 7_080,
    "schemas": 640,
    "show": 10_810,
    "tasks": 5_180,
    "tracing": 2_520,
    "the roof": 3_540,  # the files that stand in no room
}
WHOLE = 56_050


def sizes() -> Counter[str]:
    """Lines of Python by room."""
    found: Counter[str] = Counter()
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).parts
        found[parts[0] if len(parts) > 1 else "the roof"] += path.read_text(encoding="utf-8").count("\n")
    return found


def main() -> None:
    """Print every room with its budget, and leave with 1 where one is exceeded."""
    found = sizes()
    rows = [(room, found[room], BUDGETS.get(room, 0)) for room in sorted({*found, *BUDGETS})]
    rows.append(("all", found.total(), WHOLE))
    print("room           lines  budget")
    for room, lines, budget in rows:
        print(f"{room:<12} {lines:7,} {budget:7,}{'  over' if lines > budget else ''}")
    over = [room for room, lines, budget in rows if lines > budget]
    if over:
        sys.exit(f"over budget: {', '.join(over)}; delete something, or raise it in tests/size.py and say what for")


if __name__ == "__main__":
    main()
