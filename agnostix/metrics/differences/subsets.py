"""Subsets of units that are hidden: how they are drawn, and by how much the prediction falls.

Subsets are drawn for each row from its own seed. Where there are no more than draws, all are evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_whole
from agnostix.metrics.orders import RANDOM, generator
from agnostix.metrics.perturbation import MaskJob, predict_jobs
from agnostix.metrics.read import ExplainedRows

SUBSETS = 31
"""Stream of a row's seed for subsets."""
_ROUNDINGS = 8
"""By which predictions that are meant to be equal may differ."""


@dataclass(frozen=True)
class DrawSpec:
    """How much is drawn for each row."""

    n_samples: int
    n_random: int = 1
    random_state: int = 0

    def checked(self, by: str) -> DrawSpec:
        """Itself; DataError for numbers that are not allowed."""
        for name, lowest in (("n_samples", 3), ("n_random", 0), ("random_state", 0)):
            check_whole(by, name, getattr(self, name), lowest)
        return self


@dataclass(frozen=True)
class Subsets:
    """Subsets of a row's units, True where hidden, with weights that add up to 1."""

    hidden: Bools  # (n_subsets, n_units)
    weights: Floats  # (n_subsets,)
    is_all: bool  # whether none were drawn, since all are there

    @classmethod
    def equal(cls, hidden: Bools, *, is_all: bool) -> Subsets:
        """With equal weights."""
        return cls(hidden, np.full(len(hidden), 1.0 / len(hidden)), is_all)

    @property
    def rank(self) -> int:
        """Of the subsets as vectors of 0 and 1, over the units that any hides."""
        own = self.hidden[:, self.hidden.any(axis=0)]
        return (
            min(own.shape) if own.shape[0] < own.shape[1] else int(np.linalg.matrix_rank(own.astype(float)))
        )

    def among(self, units: Codes, n_units: int) -> Subsets:
        """The same of some units (n_own,) among n_units; the others are never hidden."""
        hidden = np.zeros((len(self.hidden), n_units), dtype=bool)
        hidden[:, units] = self.hidden
        return Subsets(hidden, self.weights, self.is_all)


def subsets_of_size(n: int, size: int, n_samples: int, seed: Any) -> Subsets:
    """Subsets of `size` of n units, each equally likely."""
    if comb(n, size) <= n_samples:
        places = np.array(list(combinations(range(n), size)))
        hidden = np.zeros((len(places), n), dtype=bool)
        np.put_along_axis(hidden, places, values=True, axis=1)
        return Subsets.equal(hidden, is_all=True)
    return Subsets.equal(_ranks(n, n_samples, generator(seed, SUBSETS, size)) < size, is_all=False)


def subsets_by_size(n: int, n_samples: int, seed: Any) -> Subsets:
    """Subsets of 1 to n units, each number equally likely."""
    if 2**n - 1 <= n_samples:
        hidden = _all_subsets(n)[1:]
        sizes = hidden.sum(axis=1)
        return Subsets(hidden, np.array([1.0 / (n * comb(n, int(size))) for size in sizes]), is_all=True)
    random = generator(seed, SUBSETS)
    sizes = random.integers(1, n + 1, (n_samples, 1))
    return Subsets.equal(_ranks(n, n_samples, random) < sizes, is_all=False)


def bernoulli_subsets(n: int, n_samples: int, seed: Any) -> Subsets:
    """Subsets that have each of n units with probability 1/2."""
    if 2**n <= n_samples:
        return Subsets.equal(_all_subsets(n), is_all=True)
    return Subsets.equal(generator(seed, SUBSETS).random((n_samples, n)) < 0.5, is_all=False)


def _all_subsets(n: int) -> Bools:
    """All subsets (2 ** n, n), the empty one first."""
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)


def _ranks(n: int, n_samples: int, random: np.random.Generator) -> Codes:
    """Place of each unit (n_samples, n) in random orders."""
    return random.random((n_samples, n)).argsort(axis=1).argsort(axis=1)


def predict_falls(
    explained: ExplainedRows, plan: Sequence[tuple[int, Subsets]], n_jobs: Any, verbose: Any
) -> tuple[list[Floats], int]:
    """By how much predictions (n_subsets, n_selected) fall with the subsets of (row, subsets), model rows."""
    groups = np.arange(explained.units.n_units)
    answers, n_model_rows = predict_jobs(
        explained.predictor,
        explained.units,
        [MaskJob(row, groups, ~one.hidden) for row, one in plan],
        explained.outputs,
        explained.predictions,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    whole = explained.scores
    return [whole[row] - answer for (row, _), answer in zip(plan, answers, strict=True)], n_model_rows


def values_of(explained: ExplainedRows, row: int) -> Floats:
    """Values (n_units, n_selected) of a row, 0 for units that it does not have."""
    return np.where(explained.units.present[row][:, None], explained.values[row], 0.0)


def shuffled_values(explained: ExplainedRows, row: int, draw: int) -> Floats:
    """The same in random order among the row's units."""
    units, values = np.flatnonzero(explained.units.present[row]), values_of(explained, row)
    order = generator(explained.seeds[row], RANDOM, draw).permutation(units.size)
    values[units] = values[units[order]]
    return values


def rounding(explained: ExplainedRows, predictions: Floats) -> Floats:
    """By how much predictions (n, n_selected) may differ that are meant to be equal, (n_selected,).

    The model computes in single precision where all its predictions are numbers of it.
    """
    known = explained.predictions
    with np.errstate(over="ignore"):
        is_single = np.array_equal(known.astype(np.float32), known)
    size = np.abs(predictions).max(axis=0, initial=0.0)
    return np.asarray(_ROUNDINGS * np.finfo(np.float32 if is_single else float).eps * size)


def check_falls(explained: ExplainedRows, rows: Sequence[int], falls: Sequence[Floats], by: str) -> None:
    """DataError where no prediction falls or rises in any row, (n, n_selected) of each, whatever is done."""
    whole = explained.scores
    for row, one in zip(rows, falls, strict=True):
        if (np.abs(one) > rounding(explained, whole[row] - one)).any():
            return
    raise DataError(
        f"{by} compares an explanation with changes of the prediction, and the predictions of "
        f"{explained.predictor.name} do not change in any of {len(explained)} rows ({explained.units.fill}). "
        "Choose another output or fill, or other background rows."
    )
