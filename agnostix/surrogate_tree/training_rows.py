"""Training rows of a surrogate tree: columns read as numbers, with the model's predictions.

Observed rows come first, synthetic ones (queries) after them. A synthetic row belongs to the fold of the
observed row that it was drawn near, so that leaving out a fold leaves out all that was made from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import columns, kind_of, to_codes, to_numbers
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

LARGEST = float(np.finfo(np.float32).max)
"""Largest number that a tree can hold, since it compares in single precision."""
SYNTHETIC_WEIGHT = 4.0
"""Total weight of the synthetic rows, relative to that of the observed ones."""


@dataclass(frozen=True)
class RuleFeature:
    """A column of numbers, dates or labels, as a tree reads and names it."""

    name: str
    levels: tuple[Any, ...] | None = None  # labels seen in fit, ordered; None for numbers and dates
    origin: float = 0.0  # subtracted from dates, in ticks, so that single precision resolves them
    dtype: Any = None  # of dates and durations; None for numbers and labels
    has_missing: bool = False  # whether values were missing in fit

    @classmethod
    def from_column(cls, name: str, column: Any) -> RuleFeature:
        """Learn levels or origin from a Series."""
        kind = kind_of(column)
        if kind == "categorical":
            codes, levels = to_codes(column)
            return cls(name, levels, has_missing=bool((codes < 0).any()))
        numbers = to_numbers(column)
        missing = np.isnan(numbers)
        if kind == "numeric":
            return cls(name, has_missing=bool(missing.any()))
        origin = 0.0 if missing.all() else float(numbers[~missing].min())
        return cls(name, origin=origin, dtype=column.dtype, has_missing=bool(missing.any()))

    def encode(self, column: Any) -> Floats:
        """Numbers, ticks since the origin or level codes, shape (n_rows,); NaN for missing and unseen."""
        if self.levels is not None:
            codes, labels = to_codes(column)
            code_of = {level: float(code) for code, level in enumerate(self.levels)}
            return np.array([*(code_of.get(label, np.nan) for label in labels), np.nan])[codes]
        numbers = to_numbers(column) - self.origin
        if (np.abs(numbers) > LARGEST).any():
            raise DataError(
                f"Column {self.name!r} holds infinite values, or numbers beyond {LARGEST:.4g}, which single "
                "precision cannot hold. Replace them, for example with missing values."
            )
        return numbers

    def format_number(self, number: float) -> str:
        """An encoded number as text: a date, or the shortest form that is unique in single precision."""
        if self.dtype is None:
            return str(np.float32(number)).removesuffix(".0")
        return _format_date(number + self.origin, self.dtype)

    def format_levels(self, codes: Iterable[int]) -> str:
        """Labels as text: "= a" for one, "in {a, b}" for several."""
        assert self.levels is not None
        labels = [str(self.levels[code]) for code in sorted(codes)]
        return f"= {labels[0]}" if len(labels) == 1 else f"in {{{', '.join(labels)}}}"


def encode_table(features: tuple[RuleFeature, ...], table: Any) -> Floats:
    """All columns of a table encoded, shape (n_rows, n_columns)."""
    pairs = zip(features, columns(table).values(), strict=True)
    return np.column_stack([feature.encode(column) for feature, column in pairs])


@dataclass(frozen=True)
class TrainingRows:
    """Observed rows, then synthetic ones, with the model's predictions."""

    features: tuple[RuleFeature, ...]
    encoded: Floats  # (n_rows, n_columns)
    predictions: Floats  # (n_rows, n_outputs), the model's
    fold: Codes  # (n_rows,), of a synthetic row that of its parent, -1 without one
    parent: Codes  # (n_rows,), the observed row it was drawn near, or is itself; -1 for none
    n_observed: int
    is_classifier: bool  # whether the largest prediction is the label

    @classmethod
    def from_observed(
        cls,
        features: tuple[RuleFeature, ...],
        encoded: Floats,
        predictions: Floats,
        fold: Codes,
        is_classifier: bool,
    ) -> TrainingRows:
        """Observed rows alone."""
        n_rows = encoded.shape[0]
        return cls(features, encoded, predictions, fold, np.arange(n_rows), n_rows, is_classifier)

    def with_synthetic(self, encoded: Floats, predictions: Floats, parent: Codes) -> TrainingRows:
        """The rows and n synthetic ones (n, ...), with the observed rows (n,) they were drawn near, or -1."""
        return TrainingRows(
            self.features,
            np.vstack([self.encoded, encoded]),
            np.vstack([self.predictions, predictions]),
            np.concatenate([self.fold, np.where(parent < 0, -1, self.fold[parent])]),
            np.concatenate([self.parent, parent]),
            self.n_observed,
            self.is_classifier,
        )

    @property
    def n_synthetic(self) -> int:
        """Number of synthetic rows."""
        return self.fold.size - self.n_observed

    @property
    def is_observed(self) -> Bools:
        """Which rows are observed, shape (n_rows,)."""
        return np.arange(self.fold.size) < self.n_observed

    @property
    def is_binary(self) -> bool:
        """Whether one of two outputs determines the other."""
        return self.is_classifier and self.predictions.shape[1] == 2

    def outside(self, folds: set[int], with_synthetic: bool = True) -> Codes:
        """Rows of the other folds."""
        kept = ~np.isin(self.fold, list(folds))
        return np.flatnonzero(kept if with_synthetic else kept & self.is_observed)

    def weights(self, rows: Codes) -> Floats:
        """Weights (n,) of some rows: 1 for observed ones, SYNTHETIC_WEIGHT times that for all synthetic."""
        observed = rows < self.n_observed
        n_observed, n_synthetic = int(observed.sum()), int((~observed).sum())
        return np.where(observed, 1.0, SYNTHETIC_WEIGHT * n_observed / max(n_synthetic, 1))


def _format_date(ticks: float, dtype: Any) -> str:
    if isinstance(dtype, np.dtype | pd.api.extensions.ExtensionDtype):  # pandas: always read in nanoseconds
        is_span = getattr(dtype, "kind", "M") == "m"
        moment: Any = pd.Timedelta(int(ticks // 1), "ns") if is_span else pd.Timestamp(int(ticks // 1))
        return str(moment.floor("s")).removesuffix(" 00:00:00")
    import polars as pl

    dates = pl.Series([int(ticks // 1)]).cast(pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)
    return str(dates[0]).removesuffix(" 00:00:00")
