"""`python -m tests.fuzz --seconds N --seed S [GENERATOR ...]`: all generators in turn; leaves with 1 if one has found
something."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import traceback

from . import GENERATORS, once


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("generators", nargs="*", metavar="GENERATOR", help=", ".join(GENERATORS))
    asked = parser.parse_args()
    unknown = set(asked.generators) - set(GENERATORS)
    if unknown:
        parser.error(f"no generator is called {', '.join(sorted(unknown))}; there are {', '.join(GENERATORS)}")
    rounds = dict.fromkeys(asked.generators or GENERATORS, 0)
    faults = 0
    end = time.monotonic() + asked.seconds
    for seed in itertools.count(asked.seed):
        for generator in rounds:
            if time.monotonic() > end:
                print(f"{', '.join(f'{name}: {count} rounds' for name, count in rounds.items())}; {faults} faults")
                return min(faults, 1)
            try:
                once(generator, seed)
            except Exception:
                faults += 1
                print(f"--- python -m tests.fuzz --seconds 0.1 --seed {seed} {generator}\n{traceback.format_exc()}")
                sys.stdout.flush()
            rounds[generator] += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
