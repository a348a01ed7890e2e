"""Columns of two tables as numbers for the models that compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.drift.tables import SharedColumn, Side

_MOST_LEVELS = 50
_LEAST_COUNT = 10
"""Rows that a level needs for an indicator of its own."""
_MOST_PRODUCTS = 12
"""Numeric columns up to which their products are used."""
_FAR = 4.0
"""Standard deviations at which numbers are cut before they are squared."""


@dataclass(frozen=True)
class Encoded:
    """The rows of A, then those of B."""

    raw: Floats  # (n_rows, n_columns), numbers and codes of levels, NaN where missing: for trees
    is_label: Bools  # (n_columns,), which columns are codes
    linear: Floats  # (n_rows, n_features), standardized numbers and indicators
    quadratic: Floats  # the same with squares and products of numbers

    @classmethod
    def from_sides(cls, columns: Sequence[str], a: Side, b: Side) -> Encoded:
        """Columns of both tables, and the predictions, which are a function of them."""
        shared = [SharedColumn.from_columns(a.columns[name], b.columns[name]) for name in columns]
        numbers = [np.r_[one.a, one.b] for one in shared if not one.levels]
        numbers += list(np.vstack([a.predictions, b.predictions]).T)
        labels = [np.r_[one.a, one.b].astype(float) for one in shared if one.levels]
        codes = [_few_codes(one) for one in labels]
        scaled, missing = zip(*map(_standardize, numbers), strict=True)
        indicators = [flag for flag in missing if flag.any()] + [
            code == level for code in codes for level in np.unique(code[~np.isnan(code)])
        ]
        linear = np.column_stack([*scaled, *(one.astype(float) for one in indicators)])
        near = np.clip(np.column_stack(scaled), -_FAR, _FAR)
        return cls(
            np.column_stack([*numbers, *codes]),
            np.r_[np.zeros(len(numbers), dtype=bool), np.ones(len(codes), dtype=bool)],
            linear,
            np.column_stack([linear, *_products(near)]),
        )


def _standardize(values: Floats) -> tuple[Floats, Bools]:
    """Numbers of mean 0 and standard deviation 1, 0 where missing, and where they are."""
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(values.size), missing
    center, spread = np.nanmean(values), np.nanstd(values)
    scaled = (values - center) / (spread if spread > 0.0 else 1.0)
    return np.where(missing, 0.0, scaled), missing


def _few_codes(codes: Floats) -> Floats:
    """Codes of the levels that are frequent, all others under one, NaN where missing."""
    known = codes >= 0
    levels, counts = np.unique(codes[known], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    kept = levels[order][: min(_MOST_LEVELS, int((counts >= _LEAST_COUNT).sum()))]
    place = {level: j for j, level in enumerate(kept)}
    out = np.array([float(place.get(code, len(kept))) for code in codes])
    return np.where(known, out, np.nan)


def _products(near: Floats) -> list[Floats]:
    """Squares of numbers (n_rows, n_numbers), and products where they are few."""
    n_numbers = near.shape[1]
    pairs = [(i, i) for i in range(n_numbers)]
    if n_numbers <= _MOST_PRODUCTS:
        pairs += [(i, j) for i in range(n_numbers) for j in range(i)]
    return [near[:, i] * near[:, j] - float((near[:, i] * near[:, j]).mean()) for i, j in pairs]
