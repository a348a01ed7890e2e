"""Correlations over subsets of a size, row by row: sums of values against falls of the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.differences.association import (
    is_constant,
    jackknife_error,
    pearson,
    same_sums,
)
from agnostix.metrics.differences.subsets import (
    DrawSpec,
    Subsets,
    check_falls,
    predict_falls,
    rounding,
    shuffled_values,
    subsets_of_size,
    values_of,
)
from agnostix.metrics.intervals import mean_known
from agnostix.metrics.read import ExplainedRows
from agnostix.metrics.removal.ordered import counts_of

FEW, STILL, EQUAL = 1, 2, 3
REASONS = {
    FEW: "the row has too few units",
    STILL: "the prediction changes by the same amount whatever is hidden",
    EQUAL: "all sums of values are equal",
}
"""Why a correlation is undefined."""


def checked_sizes(by: str, name: str, sizes: Any) -> Any:
    """Numbers of units, or proportions (n_points,), in ascending order; DataError for anything else."""
    listed = list(sizes) if np.iterable(sizes) and not isinstance(sizes, str) else [sizes]
    is_bool = any(isinstance(one, bool | np.bool_) for one in listed)
    if listed and not is_bool and all(isinstance(one, Integral) and int(one) >= 1 for one in listed):
        return np.unique(np.array(listed, dtype=np.intp))
    if listed and all(isinstance(one, Real) and 0 < float(one) < 1 for one in listed):
        return np.unique(np.array(listed, dtype=float))
    raise DataError(
        f"The {name!r} of {by} must be whole numbers of units from 1 on, or proportions above 0 and below 1; "
        f"got {sizes!r}."
    )


@dataclass(frozen=True)
class Sizes:
    """How many units subsets have, by row, and how that is called."""

    by_row: tuple[Codes, ...]  # (n_points,) of each row
    x: Floats
    label: str


def sizes_of_rows(explained: ExplainedRows, sizes: Any) -> Sizes:
    """Of all rows; those that are the same number of units in each row are one."""
    kind, n_units = explained.units.kind, explained.units.present.sum(axis=1)
    if sizes.dtype.kind == "f":
        by_row = [np.minimum(own, n - 1) for own, n in zip(counts_of(explained, sizes), n_units, strict=True)]
    else:
        by_row = [sizes] * len(explained)
    if (n_units == n_units[0]).all():
        own = np.unique(by_row[0])
        return Sizes((own,) * len(by_row), own / n_units[0], f"proportion of {kind}s hidden")
    label = f"proportion of {kind}s hidden" if sizes.dtype.kind == "f" else f"{kind}s hidden"
    return Sizes(tuple(by_row), sizes.astype(float), label)


@dataclass(frozen=True)
class Correlations:
    """Of each row, size and output, (n_rows, n_points, n_selected); NaN where undefined."""

    values: Floats
    errors: Floats  # over draws
    random: Floats | None  # means over shuffled values
    is_drawn: bool
    notes: tuple[str, ...]
    n_model_rows: int

    @property
    def scores(self) -> Floats:
        """Means over sizes (n_rows, n_selected)."""
        return mean_known(self.values, axis=1)

    @property
    def score_errors(self) -> Floats:
        """Their errors: draws of different sizes are independent."""
        n = (~np.isnan(self.values)).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.sqrt(np.nansum(self.errors**2, axis=1)) / n)


def correlate_sizes(
    explained: ExplainedRows, sizes: Sizes, spec: DrawSpec, by: str, n_jobs: Any, verbose: Any
) -> Correlations:
    """Pearson correlations over subsets of each size, each evaluated once."""
    n_units = explained.units.n_units
    plan: dict[tuple[int, int], Subsets] = {}
    for row, present in enumerate(explained.units.present):
        units = np.flatnonzero(present)
        for size in {int(one) for one in sizes.by_row[row] if 0 < one < units.size}:
            own = subsets_of_size(units.size, size, spec.n_samples, explained.seeds[row])
            plan[row, size] = own.among(units, n_units)
    _check_sizes(explained, plan, by)
    answers, n = predict_falls(explained, [(row, one) for (row, _), one in plan.items()], n_jobs, verbose)
    check_falls(explained, [row for row, _ in plan], answers, by)
    falls = dict(zip(plan, answers, strict=True))
    shape = (len(explained), sizes.x.size, explained.n_selected)
    values, errors, random = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    reasons = np.full(shape, FEW)
    for row, own_sizes in enumerate(sizes.by_row):
        shuffled = [shuffled_values(explained, row, draw) for draw in range(spec.n_random)]
        for point, size in enumerate(own_sizes.tolist()):
            if (row, size) in plan:
                place = row, point
                values[place], errors[place], random[place], reasons[place] = _correlate(
                    explained, row, plan[row, size], falls[row, size], shuffled
                )
    return Correlations(
        values,
        errors,
        random if spec.n_random else None,
        not all(one.is_all for one in plan.values()),
        _notes_on_undefined(reasons, explained, by),
        n,
    )


def _correlate(
    explained: ExplainedRows, row: int, own: Subsets, falls: Floats, shuffled: Sequence[Floats]
) -> tuple[Floats, Floats, Floats, Codes]:
    """Correlation, its error, the mean of shuffled values, and why it is undefined, each (n_selected,)."""
    values, hidden = values_of(explained, row), own.hidden.astype(float)
    sums = hidden @ values
    reasons = np.where(same_sums(sums, values), EQUAL, 0)
    reasons = np.where(is_constant(falls, rounding(explained, explained.scores[row] - falls)), STILL, reasons)
    defined = reasons == 0
    r = np.where(defined, pearson(sums, falls), np.nan)
    error = np.zeros_like(r) if own.is_all else jackknife_error(sums, falls)
    random = np.full((max(len(shuffled), 1), r.size), np.nan)
    for draw, one in enumerate(shuffled):
        others = hidden @ one
        random[draw] = np.where(defined & ~same_sums(others, one), pearson(others, falls), np.nan)
    return r, np.where(defined, error, np.nan), mean_known(random, axis=0), reasons


def _check_sizes(explained: ExplainedRows, plan: dict[tuple[int, int], Subsets], by: str) -> None:
    if not plan:
        n = int(explained.units.present.sum(axis=1).max())
        raise DataError(
            f"{by} hides some of the {explained.units.kind}s and not all, and no row has more than {n}. "
            "Choose smaller sizes; rows of a single unit have nothing to compare."
        )


def _notes_on_undefined(reasons: Codes, explained: ExplainedRows, by: str) -> tuple[str, ...]:
    """What is left out and why; DataError where nothing is left."""
    n = int((reasons > 0).sum())
    if n == 0:
        return ()
    why = [
        f"{text} ({int((reasons == one).sum())})" for one, text in REASONS.items() if (reasons == one).any()
    ]
    if n == reasons.size:
        raise DataError(
            f"None of the correlations of {by} is defined: {'; '.join(why)}. Use other sizes, another fill "
            "or background, or other outputs."
        )
    return (f"{n} of {reasons.size} correlations are undefined and left out: {'; '.join(why)}.",)
