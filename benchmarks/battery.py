"""Random cases over every explainer of tables, and how many of them fail.

Each example is sampled from a seed: a small table of numbers or of any types, a model double, and a way to
divide the work. ``python benchmarks/battery.py --examples 1 --first SEED`` runs one again.
"""

from __future__ import annotations

import time
import warnings
from argparse import ArgumentParser
from typing import Any

from _clock import print_table, shown

from agnostix.testing import all_explainers, check_random_case
from agnostix.testing.harness import takes_tables


def main() -> None:
    """Run the cases and print the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000, help="for each explainer")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", action="append", help="an explainer's name; all if not given")
    args = parser.parse_args()
    warnings.simplefilter("error")
    seeds = range(args.first, args.first + args.examples)
    explainers = {name: kind(None) for name, kind in all_explainers() if name in (args.only or [name])}
    rows = [_row(name, explainer, seeds) for name, explainer in explainers.items() if takes_tables(explainer)]
    print_table("Random cases", ["explainer", "examples", "failures", "wall"], rows)


def _row(name: str, explainer: Any, seeds: range) -> list[str]:
    start, failures = time.perf_counter(), 0
    for seed in seeds:
        try:
            check_random_case(explainer, seed)
        except AssertionError as error:
            failures += 1
            print(f"{name}, seed {seed}: {error}", flush=True)
    return [name, f"{len(seeds):,}", f"{failures:,}", shown(time.perf_counter() - start)]


if __name__ == "__main__":
    main()
