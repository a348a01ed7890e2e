"""Coverage of every explainer's intervals: one command, one table.

    python benchmarks/coverage.py --adult adult.data [--only shapley,lime] [--quick] [--seeds N]
        [--first-seed N]

Each ``_coverage_<part>.py`` yields the cells of its part; `_coverage.Cell` says what is measured of one.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

if __name__ != "__main__":  # numba asks for the package of this name, which scripts here would find first
    raise ImportError("benchmarks/coverage.py is a script.")

from _clock import print_table
from _coverage import HEADER, REQUIREMENTS, Cell, line

PARTS = tuple(
    sorted(path.stem.removeprefix("_coverage_") for path in Path(__file__).parent.glob("_coverage_*.py"))
)


def main() -> None:
    """Print the table of the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default=",".join(PARTS), help=f"parts, separated by commas: {', '.join(PARTS)}"
    )
    parser.add_argument("--quick", action="store_true", help="a trial with few designs")
    parser.add_argument("--seeds", type=int, default=None, help="designs of each cell")
    parser.add_argument(
        "--first-seed", type=int, default=0, help="seed of the first design: others are fresh"
    )
    parser.add_argument("--adult", default=None, help="UCI Adult, without header")
    args = parser.parse_args()
    cells = []
    for part in args.only.split(","):
        for cell in importlib.import_module(f"_coverage_{part}").cells(args):
            cells.append(cell)
            print(" | ".join(line(cell)), flush=True)
    print_table("Coverage of nominal 95 % intervals", HEADER, [line(cell) for cell in cells])
    print_table("Cells that hold each requirement", ("part", "cells", *REQUIREMENTS), _held(cells))


def _held(cells: list[Cell]) -> list[tuple[str, ...]]:
    """For each part, how many of its cells hold each requirement."""
    lines = []
    for part in dict.fromkeys(cell.part for cell in cells):
        missed = [cell.failures() for cell in cells if cell.part == part]
        held = [sum(name not in own for own in missed) for name in REQUIREMENTS]
        lines.append((part, str(len(missed)), *map(str, held)))
    return lines


if __name__ == "__main__":
    main()
