"""Training rows of a surrogate tree: observed rows, and synthetic ones that the model is evaluated on.

Observed rows come first, synthetic ones (queries) after them. A synthetic row belongs to the fold of the
observed row that it was sampled near, so that leaving out a fold leaves out all that was made from it.

The smoothed bootstrap resamples observed rows, swaps 15 % of the values with those of other rows, and adds
normal noise of 0.15 standard deviations to numbers; Bastani, Kim and Bastani (2017) sample queries from a
Gaussian mixture instead. A strategy says which queries a tree is grown on where folds are held out.

Predictions are brought to unit spread (`Units`). Sums of squares lose a spread that is small beside an
offset, and overflow beyond 1e154; scikit-learn's trees stop where a variance is below 2e-16. A scale that is
a power of 2, and an origin within a factor of 2 of all numbers, change no bit that the numbers hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import pandas as pd

from agnostix.core.features import column_of, ranks, read_like
from agnostix.core.files import describe_error
from agnostix.core.frames import (
    build_table,
    column_values,
    is_frame,
    kind_of,
    take_rows,
    to_floats,
)
from agnostix.core.models.outputs import are_probabilities
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.rule_tree import RuleFeature, RuleTree, encode_table
from agnostix.surrogate_tree.screening import BinnedColumns

SYNTHETIC_WEIGHT = 4.0
"""Total weight of the synthetic rows, relative to that of the observed ones."""
P_SWAP = 0.15
"""Probability that a value is taken from another row."""
JITTER = 0.15
"""Standard deviation of the noise, in standard deviations of the column."""
MAX_LEVELS = 10
"""Numeric columns with at most so many distinct values are levels, and get no noise."""
POINT_MASS = 0.05
"""A number that this fraction of the rows has gets no noise."""
OVERSAMPLING = 4
"""Rows sampled near a leaf's rows for each that is wanted in the leaf."""


@dataclass(frozen=True)
class TrainingRows:
    """Observed rows, then synthetic ones, with the model's predictions."""

    features: tuple[RuleFeature, ...]
    encoded: Floats  # (n_rows, n_columns)
    predictions: Floats  # (n_rows, n_outputs), the model's
    fold: Codes  # (n_rows,), of a synthetic row that of its parent, -1 without one
    parent: Codes  # (n_rows,), the observed row it was sampled near, or is itself; -1 for none
    n_observed: int
    is_classifier: bool  # whether the largest prediction is the label
    sample_weight: Floats | None = None  # (n_observed,), mean 1; None for equal weights

    @classmethod
    def from_observed(
        cls,
        features: tuple[RuleFeature, ...],
        encoded: Floats,
        predictions: Floats,
        fold: Codes,
        is_classifier: bool,
        sample_weight: Floats | None = None,
    ) -> TrainingRows:
        """Observed rows alone."""
        n_rows = encoded.shape[0]
        parent = np.arange(n_rows)
        return cls(features, encoded, predictions, fold, parent, n_rows, is_classifier, sample_weight)

    def with_synthetic(self, encoded: Floats, predictions: Floats, parent: Codes) -> TrainingRows:
        """The rows and n synthetic ones (n, ...), each sampled near the observed row `parent` (n,), or -1."""
        return TrainingRows(
            self.features,
            np.vstack([self.encoded, encoded]),
            np.vstack([self.predictions, predictions]),
            np.concatenate([self.fold, np.where(parent < 0, -1, self.fold[parent])]),
            np.concatenate([self.parent, parent]),
            self.n_observed,
            self.is_classifier,
            self.sample_weight,
        )

    @cached_property
    def ranks(self) -> Floats:
        """`encoded` with numbers replaced by their ranks."""
        return np.column_stack(rank_columns(self.features, self.encoded))

    @cached_property
    def binned(self) -> BinnedColumns:
        """`encoded` in bins; columns of levels by their codes."""
        levels = [j for j, feature in enumerate(self.features) if feature.levels is not None]
        return BinnedColumns.from_encoded(self.encoded, always_full=levels)

    @property
    def n_synthetic(self) -> int:
        """Number of synthetic rows."""
        return self.fold.size - self.n_observed

    @property
    def is_observed(self) -> Bools:
        """Which rows are observed, shape (n_rows,)."""
        return np.arange(self.fold.size) < self.n_observed

    @cached_property
    def is_binary(self) -> bool:
        """Whether one of two outputs determines the other, since they sum to 1."""
        return self.is_classifier and self.predictions.shape[1] == 2 and are_probabilities(self.predictions)

    def outside(self, folds: set[int], with_synthetic: bool = True) -> Codes:
        """Rows of the other folds."""
        kept = ~np.isin(self.fold, list(folds))
        return np.flatnonzero(kept if with_synthetic else kept & self.is_observed)

    def weights(self, rows: Codes) -> Floats:
        """Weights (n,) of some rows: 1 or their own, of all synthetic ones SYNTHETIC_WEIGHT times these."""
        observed = rows < self.n_observed
        if self.sample_weight is None:
            n_observed, n_synthetic = int(observed.sum()), int((~observed).sum())
            return np.where(observed, 1.0, SYNTHETIC_WEIGHT * n_observed / max(n_synthetic, 1))
        weights = np.append(self.sample_weight, 1.0)[self.parent[rows]]  # the last for rows without a parent
        n_observed, n_synthetic = weights[observed].sum(), weights[~observed].sum()
        return weights * np.where(observed, 1.0, SYNTHETIC_WEIGHT * n_observed / (n_synthetic or 1.0))

    def observed_weights(self, rows: Codes) -> Floats | None:
        """Weights (n,) of some observed rows; None for equal weights."""
        return None if self.sample_weight is None else self.sample_weight[rows]


def rank_columns(features: tuple[RuleFeature, ...], encoded: Floats) -> list[Floats]:
    """Columns (n_rows,) of encoded rows, numbers replaced by their ranks, codes of labels as they are."""
    pairs = zip(features, encoded.T, strict=True)
    return [column if one.levels is not None else ranks(column) for one, column in pairs]


@dataclass(frozen=True)
class ColumnBootstrap:
    """A column's values, and which of them get noise."""

    values: Any  # (n_rows,), as `build_table` takes them
    numbers: Floats | None  # (n_rows,), None if nothing gets noise
    is_noisy: Bools  # (n_rows,)
    noise: float  # standard deviation
    is_integer: bool  # whether all numbers are whole
    dtype: Any

    @classmethod
    def from_table(cls, table: Any, position: int) -> ColumnBootstrap:
        """Learn from the column at a position which values get noise."""
        values, column = column_values(table, position), column_of(table, position)
        is_noisy = np.zeros(len(column), dtype=bool)
        if kind_of(column) != "numeric":
            return cls(values, None, is_noisy, 0.0, False, column.dtype)
        is_double = isinstance(values, np.ndarray) and values.dtype == float
        numbers = values if is_double else to_floats(column)
        present = ~np.isnan(numbers)
        distinct, index, counts = np.unique(numbers[present], return_inverse=True, return_counts=True)
        if distinct.size <= MAX_LEVELS:
            return cls(values, None, is_noisy, 0.0, False, column.dtype)
        is_noisy[present] = counts[index.ravel()] < POINT_MASS * present.sum()
        is_integer = bool((distinct == np.rint(distinct)).all())
        return cls(values, numbers, is_noisy, JITTER * spread(numbers[present]), is_integer, column.dtype)

    def sample(self, rows: Codes, rng: np.random.Generator) -> Any:
        """Values of some rows (n,) with noise, of the column's type and within its range."""
        values = self.values[rows]
        noise = rng.normal(size=rows.size)  # in any case, so that columns do not depend on each other
        if self.numbers is None:
            return values
        numbers = self.numbers[rows] + self.noise * noise
        numbers = np.rint(numbers) if self.is_integer else numbers
        numbers = np.clip(numbers, np.nanmin(self.numbers), np.nanmax(self.numbers))
        is_noisy = self.is_noisy[rows]
        return self._replace(values, np.where(is_noisy, numbers, self.numbers[rows]), is_noisy)

    def _replace(self, values: Any, numbers: Floats, is_noisy: Bools) -> Any:
        """Numbers in place of values, in the type of the values."""
        if isinstance(values, np.ndarray):
            replaced = values.copy()
            replaced[is_noisy] = numbers[is_noisy].astype(self.dtype)
            return replaced
        if isinstance(values, pd.api.extensions.ExtensionArray):
            return pd.Series(numbers).astype(self.dtype).array
        return type(values)(values.name, numbers).fill_nan(None).cast(self.dtype)


@dataclass(frozen=True)
class SmoothedBootstrap:
    """Observed rows resampled, with swapped values and noise."""

    table: Any  # the observed rows, (n_rows, n_columns)

    @cached_property
    def columns(self) -> tuple[ColumnBootstrap, ...]:
        """All columns."""
        return tuple(ColumnBootstrap.from_table(self.table, j) for j in range(self.table.shape[1]))

    def sample(self, parents: Codes, groups: Codes, rng: np.random.Generator) -> Any:
        """A row near each parent (n,), whose swapped values come from its group; groups are (n_rows,)."""
        sizes = np.bincount(groups)
        starts, by_group = np.cumsum(sizes) - sizes, np.argsort(groups, kind="stable")
        group = groups[parents]

        def sample_column(column: ColumnBootstrap) -> Any:
            is_swapped = rng.random(parents.size) < P_SWAP
            others = by_group[starts[group] + (rng.random(parents.size) * sizes[group]).astype(np.intp)]
            return column.sample(np.where(is_swapped, others, parents), rng)

        if is_frame(self.table):
            return build_table(self.table, dict(enumerate(map(sample_column, self.columns))))
        sampled = np.empty((parents.size, len(self.columns)), dtype=self.table.dtype, order="F")
        for position, column in enumerate(self.columns):
            sampled[:, position] = sample_column(column)
        return sampled


@dataclass(frozen=True)
class QuerySampler:
    """Samples synthetic rows, and evaluates the model on them."""

    evaluate: Callable[..., tuple[Any, int]]  # `evaluate` of the explainer
    bootstrap: SmoothedBootstrap
    seed: int

    def resample(self, training: TrainingRows, n_queries: int) -> TrainingRows:
        """The rows with n_queries of the smoothed bootstrap, values swapped within folds."""
        rng = np.random.default_rng([self.seed, 1])
        parents = rng.integers(training.n_observed, size=n_queries)
        queries = self.bootstrap.sample(parents, training.fold[: training.n_observed], rng)
        return self.append(training, queries, parents)

    def call(self, training: TrainingRows, n_queries: int, sampler: Callable[..., Any]) -> TrainingRows:
        """The rows with n_queries of the user's `sampler(n, rng)`."""
        try:
            queries = sampler(n_queries, np.random.default_rng([self.seed, 1]))
        except Exception as error:
            raise DataError(
                f"The 'synthetic' sampler of MimicTree failed when called for {n_queries} rows: "
                f"{describe_error(error).rstrip('.')}. It is called as sampler(n, rng), for n rows."
            ) from error
        queries = read_like(queries, self.bootstrap.table, "what the sampler of synthetic rows returned")
        if queries.shape[0] != n_queries:
            raise DataError(
                f"The 'synthetic' sampler of MimicTree was called for {n_queries} rows and returned "
                f"{queries.shape[0]}. It is called as sampler(n, rng) and must return n rows."
            )
        return self.append(training, queries, np.full(n_queries, -1))

    def append(self, training: TrainingRows, queries: Any, parents: Codes) -> TrainingRows:
        """The rows with queries (n, n_columns), evaluated, and their parents (n,), -1 for none."""
        if not parents.size:
            return training
        predictions, _ = self.evaluate(TableRows(queries, name="synthetic rows"))
        return training.with_synthetic(encode_table(training.features, queries), predictions, parents)


class QueryStrategy(Protocol):
    """Which synthetic rows a tree is grown on."""

    def training_rows(self, training: TrainingRows, held_out: set[int]) -> tuple[TrainingRows, Codes]:
        """Training rows with synthetic ones, and those (n,) to grow on where folds are held out."""


@dataclass(frozen=True)
class NoQueries:
    """No synthetic rows."""

    def training_rows(self, training: TrainingRows, held_out: set[int]) -> tuple[TrainingRows, Codes]:
        """Observed rows alone."""
        return training, training.outside(held_out, with_synthetic=False)


@dataclass(frozen=True)
class BootstrapQueries:
    """Synthetic rows that all trees share, sampled once."""

    training: TrainingRows  # with the synthetic rows

    def training_rows(self, training: TrainingRows, held_out: set[int]) -> tuple[TrainingRows, Codes]:
        """Observed and synthetic rows of the other folds."""
        return self.training, self.training.outside(held_out)


@dataclass(frozen=True)
class LeafQueries:
    """Synthetic rows for each tree separately, within the leaves of a first tree, most in the smallest."""

    sampler: QuerySampler
    grow: Callable[[TrainingRows, Codes], RuleTree]  # the first tree
    n_queries: int  # per tree

    def training_rows(self, training: TrainingRows, held_out: set[int]) -> tuple[TrainingRows, Codes]:
        """Observed rows of the other folds, and rows sampled in the leaves of a tree grown on these."""
        rng = np.random.default_rng([self.sampler.seed, 2, *sorted(held_out)])
        rows = training.outside(held_out, with_synthetic=False)
        tree = self.grow(training, rows)
        leaf = tree.apply_encoded(training.encoded[: training.n_observed])
        wanted = self._allocate(leaf[rows])
        parents = np.concatenate(
            [rng.choice(rows[leaf[rows] == node], OVERSAMPLING * n) for node, n in wanted.items()]
        )
        groups = np.full(leaf.size, leaf.max() + 1)  # held-out rows have a group of their own
        groups[rows] = leaf[rows]
        queries = self.sampler.bootstrap.sample(parents, groups, rng)
        inside = np.flatnonzero(tree.apply(queries) == leaf[parents])
        kept = np.concatenate([inside[leaf[parents[inside]] == node][:n] for node, n in wanted.items()])
        training = self.sampler.append(training, take_rows(queries, kept), parents[kept])
        return training, training.outside(held_out)

    def _allocate(self, leaf: Codes) -> dict[int, int]:
        """Queries for each leaf, so that leaves get as equal in size as possible."""
        nodes, counts = np.unique(leaf, return_counts=True)
        missing = np.maximum((counts.sum() + self.n_queries) / counts.size - counts, 0.0)
        n_wanted = np.floor(missing * self.n_queries / max(missing.sum(), 1.0)).astype(np.intp)
        return dict(zip(nodes.tolist(), n_wanted.tolist(), strict=True))


CONSTANT = 1e-12
"""Spread, relative to the largest number, below which numbers are constant up to rounding."""


@dataclass(frozen=True)
class Units:
    """Origin and scale, factor * 2**exponent, of each column of numbers."""

    origin: Floats  # (n_columns,)
    factor: Floats  # (n_columns,), 1 where the scale is a power of 2
    exponent: Codes  # (n_columns,)

    @classmethod
    def identity(cls, n_columns: int) -> Self:
        """Numbers as they are."""
        return cls(np.zeros(n_columns), np.ones(n_columns), np.zeros(n_columns, dtype=int))

    @classmethod
    def from_values(cls, values: Floats, shared: bool = False) -> Self:
        """Unit spread of each column of values (n_rows, n_columns), or of all together."""
        n_columns = values.shape[1]
        parts = [values.ravel()] if shared else list(values.T)
        measured = [_Spread.from_values(part) for part in parts]
        # One scale is a power of 2, which keeps ties. Several are exact, or units would weigh the columns.
        factors = [one.factor if len(parts) > 1 and one.varies else 1.0 for one in measured]
        return cls(
            np.broadcast_to([one.origin for one in measured], n_columns),
            np.broadcast_to(factors, n_columns),
            np.broadcast_to([one.exponent for one in measured], n_columns),
        )

    def encode(self, values: Floats) -> Floats:
        """Values (..., n_columns) in these units."""
        return np.asarray(np.ldexp(values - self.origin, -self.exponent) / self.factor)

    def decode(self, values: Floats) -> Floats:
        """Values (..., n_columns) from these units."""
        return self.decode_differences(values) + self.origin

    def decode_differences(self, values: Floats) -> Floats:
        """Differences, or standard errors, (..., n_columns) from these units."""
        return np.asarray(np.ldexp(values * self.factor, self.exponent))

    def decode_squares(self, values: Floats) -> Floats:
        """Squares summed over columns, where these have one unit; as they are where each has its own."""
        is_single = (self.factor == 1.0).all() and (self.exponent == self.exponent[0]).all()
        with np.errstate(over="ignore"):  # squares beyond the largest float are infinite
            return np.asarray(np.ldexp(values, 2 * self.exponent[0])) if is_single else values

    def relative_squares(self, differences: Floats) -> tuple[Floats, int]:
        """Mean squares (n_rows,) over columns of differences (n_rows, n_columns); their roots' exponent."""
        exponent = int(self.exponent.max())
        relative = np.ldexp(self.factor, self.exponent - exponent)
        return ((differences * relative) ** 2).mean(axis=1), exponent


def to_common_spread(values: Floats) -> Floats:
    """Columns (n_rows, n_columns), each less an origin, all times one power of 2, with unit spread."""
    measured = [_Spread.from_values(part) for part in values.T]
    exponents = [one.exponent for one in measured if one.varies]
    if not exponents:
        return values
    return np.asarray(np.ldexp(values - [one.origin for one in measured], -max(exponents)))


def spread(values: Floats) -> float:
    """Standard deviation of values (n_rows,), at least one, also where their squares overflow or vanish."""
    exponent = _exponent(np.abs(values).max())
    return float(np.ldexp(np.ldexp(values, -exponent).std(), exponent))


class _Spread(NamedTuple):
    """Origin and spread, factor * 2**exponent, of numbers; of a constant the exponent of its size."""

    origin: float
    factor: float  # from 1/2 to 1
    exponent: int
    varies: bool

    @classmethod
    def from_values(cls, values: Floats) -> _Spread:
        """Measure numbers (n,), at least one."""
        low, high = float(values.min()), float(values.max())
        # Within a factor of 2 of all numbers, so that the differences are exact.
        is_far = (low > 0 and high / 2 <= low) or (high < 0 and high <= low / 2)
        origin = low / 2 + high / 2 if is_far else 0.0
        deviations = values - origin
        exponent = _exponent(np.abs(deviations).max())
        deviation = float(np.ldexp(deviations, -exponent).std())
        largest = max(abs(low), abs(high))
        if deviation <= CONSTANT * np.ldexp(largest, -exponent):
            return cls(0.0, 1.0, _exponent(largest), False)
        factor, shift = np.frexp(deviation)
        return cls(origin, float(factor), exponent + int(shift), True)


def _exponent(number: float) -> int:
    return int(np.frexp(number)[1])
