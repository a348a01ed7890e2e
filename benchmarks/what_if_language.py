"""All that can be stated about a population: exactness, verdicts, searches, intervals, drift, pictures, time.

Each table is a script of its own, which says what is compared, and runs in a process of its own:

- solver: residuals and duality gaps of random problems, a scenario of 20 constraints beside Clarabel,
  verdicts beside linear programs, raking beside iterative proportional fitting, ipfn and balance.
- conflicts: contradictions and nearest scenarios, beside linear programs.
- search: kinds that are not convex, beside fine grids.
- coverage: intervals by the delta method and by bootstrap, for every kind.
- drift: parts of the gap between two tables whose truth is known.
- pixels: pictures as a population, beside a loop over pixels.

What follows ``--`` goes to each script that is run: ``--only coverage -- --tables 100``. One thread, but for
coverage, which takes two processes; nothing is asserted.
"""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

_SCRIPTS = {
    "solver": "_what_if_solver.py",
    "conflicts": "_what_if_conflicts.py",
    "search": "_what_if_search.py",
    "coverage": "_what_if_language_coverage.py",
    "drift": "_what_if_drift.py",
    "pixels": "_what_if_pixels.py",
}
_OF_ADULT = ("solver", "conflicts", "drift")


def main() -> None:
    """Run all tables, or those named."""
    own, others = _split(sys.argv[1:])
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", help="csv file of UCI Adult (default: a synthetic table of its kind)")
    parser.add_argument("--only", choices=_SCRIPTS, action="append", help="leave out the other tables")
    args = parser.parse_args(own)
    for name in args.only or _SCRIPTS:
        adult = ["--adult", args.adult] if args.adult and name in _OF_ADULT else []
        script = Path(__file__).parent / _SCRIPTS[name]
        subprocess.run([sys.executable, str(script), *adult, *others], check=True)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]


if __name__ == "__main__":
    main()
