"""Recorder cases: a name, a function that computes a result, and how exactly it must agree."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import Any

DOUBLE, SINGLE = 1e-12, 1e-6
MODULES = ("occlusion", "shapley", "lime", "mimic", "what_if", "torch", "results", "displays", "report")


@dataclass(frozen=True)
class Case:
    """One thing to record.

    Attributes
    ----------
    name : str
        Path-like, with the kind first: "lime/tilted".
    compute : callable
        Without arguments; returns a result, or a dict of results.
    tolerance : float
        Of an array's largest absolute value.
    """

    name: str
    compute: Callable[[], Any]
    tolerance: float = DOUBLE


class Cases:
    """Cases of one module, in the order in which they were added."""

    def __init__(self, kind: str, tolerance: float = DOUBLE) -> None:
        self.kind, self.tolerance = kind, tolerance
        self.cases: dict[str, Case] = {}

    def add(self, name: str, compute: Callable[[], Any]) -> None:
        """Add a case under the kind's name."""
        name = f"{self.kind}/{name}"
        if name in self.cases:
            raise ValueError(f"There are two cases {name!r}.")
        self.cases[name] = Case(name, compute, self.tolerance)

    def __call__(self, name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """Add the decorated function as a case."""

        def keep(compute: Callable[[], Any]) -> Callable[[], Any]:
            self.add(name, compute)
            return compute

        return keep


@cache
def all_cases() -> dict[str, Case]:
    """Every case by name."""
    modules = [importlib.import_module(f"tests.recorder.cases_{name}") for name in MODULES]
    return {case.name: case for module in modules for case in module.CASES.cases.values()}


def matching(pattern: str) -> Iterator[Case]:
    """Cases whose name matches, in order."""
    return (case for case in all_cases().values() if fnmatch(case.name, pattern))
