"""A seeded generator of hostile tables, models, weights, targets, parameters and reports.

Its families are in `hostile_storages` and `hostile_calls`. `python -m tests.slow.hostile_tables` prints how
many inputs of each family were right, a clear error or a fault; another seed, and a multiple of the inputs,
may follow.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator

from tests.slow.hostile import Case, attempt_all
from tests.slow.hostile_calls import (
    estimator_cases,
    later_cases,
    model_cases,
    parameter_cases,
    report_cases,
    target_cases,
    weight_cases,
)
from tests.slow.hostile_storages import extra_cases, name_cases, scale_cases, storage_cases

SEED = 0
CHUNK = 120
"""Inputs in a test, about a second's work."""

FAMILIES: dict[str, tuple[Callable[[int, int], Iterator[Case]], int]] = {  # and how many chunks of each
    "storages": (storage_cases, 5),
    "names": (name_cases, 4),
    "scales": (scale_cases, 3),
    "columns beside": (extra_cases, 3),
    "models": (model_cases, 4),
    "estimators": (estimator_cases, 3),
    "weights": (weight_cases, 2),
    "targets": (target_cases, 2),
    "parameters": (parameter_cases, 4),
    "later rows": (later_cases, 2),
    "reports": (report_cases, 2),
}


def chunks() -> list[tuple[str, int]]:
    """Family and number of each chunk."""
    return [(family, number) for family, (_, n_chunks) in FAMILIES.items() for number in range(n_chunks)]


def chunk_cases(family: str, number: int, seed: int = SEED) -> Iterator[Case]:
    """The inputs of a chunk; other chunks and other seeds of a family have other ones."""
    make, n_chunks = FAMILIES[family]
    return make(seed * n_chunks + number, CHUNK)


def main(seed: int = SEED, times: int = 1) -> int:
    """Print the tally of each family, and the faults; the number of faults."""
    totals: Counter[str] = Counter()
    for family, (_, n_chunks) in FAMILIES.items():
        counts: Counter[str] = Counter()
        for number in range(n_chunks * times):
            more, faults = attempt_all(chunk_cases(family, number, seed))
            counts += more
            for case, outcome in faults:
                print(f"- {case.name}\n  {outcome.kind}: {outcome.detail}")
        print(f"{family}: {dict(counts)}")
        totals += counts
    print(f"all {sum(totals.values())}: {dict(totals)}")
    return sum(count for kind, count in totals.items() if kind not in ("right", "clear error"))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
