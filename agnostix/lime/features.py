"""Interpretable features of a table, and how their values are sampled.

A number is binned or standardized, a categorical column has its levels. The surrogate sees of a sample
whether it is in the row's own bin (`BinnedFeature`), or how many standard deviations it is from the mean
(`ScaledFeature`). Within a bin, values follow a truncated normal distribution or are resampled from
observed rows.

Rare levels are sampled more often than observed, with importance weights p / q for frequencies p and a
proposal q. The weights raise the variance of other averages by about their mean square under q, sum p^2 / q,
which is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from agnostix.core.features import Coding, column_of
from agnostix.core.frames import column_values, take_rows, to_numbers
from agnostix.core.state import PandasState
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError

_BELOW_ONE = 1.0 - 1e-9
"""Quantile levels within a bin stay below 1, also after rounding."""
_MIN_RELATIVE_SD = 1e-11
"""Added to the standard deviation within a bin, relative to its width, so that it can be divided by."""
MAX_VARIANCE_BY_POWER, MAX_VARIANCE = 1.15, 1.3
"""Largest mean squares of the weights: after the power, and in all."""
_N_BISECTIONS = 40


class BinDistribution(Protocol):
    """Distribution of a feature's values within each of its bins."""

    def sample(self, codes: Codes, u: Floats) -> list[Any]:
        """Columns of the feature, (n,) each: quantiles u (n,) of the bins codes (n,)."""


@dataclass(frozen=True)
class TruncatedNormals:
    """A normal distribution with the bin's mean and spread (n_codes,), truncated at its ends (n_codes,).

    A bin whose ends are equal or NaN is a point mass.
    """

    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    dtype: Any

    @classmethod
    def from_values(
        cls, values: Floats, codes: Codes, weights: Floats, edges: Floats, dtype: Any
    ) -> TruncatedNormals:
        """Moments of the bins of values (n_rows,), the bin of missing ones last, between edges (n_edges,)."""
        n_codes, present = edges.size + 2, values[~np.isnan(values)]
        ends = (present.min(), present.max()) if present.size else (np.nan, np.nan)
        low, high = np.array([ends[0], *edges, np.nan]), np.array([*edges, ends[1], np.nan])
        total = np.maximum(np.bincount(codes, weights, n_codes), np.finfo(float).tiny)
        mean = np.bincount(codes, weights * values, n_codes) / total
        variance = np.bincount(codes, weights * (values - mean[codes]) ** 2, n_codes) / total
        return cls(mean, np.sqrt(variance) + _MIN_RELATIVE_SD * (high - low), low, high, np.dtype(dtype))

    def sample(self, codes: Codes, u: Floats) -> list[Any]:
        with np.errstate(invalid="ignore", divide="ignore"):
            first, last = ((end - self.mean) / self.sd for end in (self.low, self.high))
            start, mass = ndtr(first), ndtr(last) - ndtr(first)
            quantiles = self.mean[codes] + self.sd[codes] * ndtri(start[codes] + u * mass[codes])
            values = np.clip(quantiles, self.low[codes], self.high[codes])
        is_point = ~(self.low < self.high)
        values = np.where(is_point[codes], self.low[codes], values)
        return [values.astype(self.dtype, copy=False)]


@dataclass(frozen=True)
class Resampling(PandasState):
    """Observed rows (n_kept, n_columns_of_the_feature), so that the columns of a group stay together.

    Rows are sorted by bin; `ends` (n_kept,) ascend: the bin's code plus the cumulative weight within the bin.
    """

    rows: Any
    ends: Numbers

    @classmethod
    def from_rows(cls, rows: Any, codes: Codes, order_by: Numbers, weights: Floats) -> Resampling:
        """Rows with their bins, their order within a bin and their weights, (n_rows,) each."""
        order = np.lexsort((order_by, codes))
        ordered, weight = codes[order], weights[order]
        total = np.bincount(ordered, weight)
        before = np.concatenate([[0.0], np.cumsum(total)])[ordered]
        cumulative = np.clip((np.cumsum(weight) - before) / total[ordered], 0.0, 1.0)
        is_last = np.append(ordered[1:] != ordered[:-1], True)
        return cls(take_rows(rows, order), ordered + np.where(is_last, 1.0, cumulative))

    def sample(self, codes: Codes, u: Floats) -> list[Any]:
        indices = np.searchsorted(self.ends, codes + u, side="right")
        taken = take_rows(self.rows, np.minimum(indices, self.ends.size - 1))
        return [column_values(taken, j) for j in range(self.rows.shape[1])]


@dataclass(frozen=True)
class FeatureSamples:
    """n samples of one feature: its columns (n,) each, and bin codes or standardized values (n,)."""

    columns: list[Any]
    encoded: Any


class Feature(Protocol):
    """An interpretable feature: how it is sampled, and how values are encoded for the surrogate."""

    @property
    def positions(self) -> tuple[int, ...]:
        """Of its columns in the table."""

    @property
    def varies(self) -> bool:
        """Whether more than one value was observed."""

    def encode(self, X: Any) -> Any:
        """Codes or standardized values (n_rows,) of the rows of a table."""

    def describe(self, encoded: Any) -> list[str]:
        """The condition that each value meets, such as "x <= 2"; empty for a number without bins."""

    def is_unseen(self, encoded: Any) -> Bools:
        """Whether a value is never sampled."""

    def sample(self, u: Floats) -> FeatureSamples:
        """Samples of the proposal, for all rows, from points u (n,) in (0, 1)."""

    def encode_points(self, u: Floats) -> FeatureSamples:
        """The same samples without their columns."""

    def sample_tilted(self, u: Floats, center: Any, width: float) -> FeatureSamples:
        """Samples of the observed distribution times the kernel around a center."""

    def sample_local(self, u: Floats, center: Any, radius: float) -> FeatureSamples:
        """Samples around a center."""

    def log_weights(self, encoded: Any) -> Floats | float:
        """Logarithms of the importance weights that correct for the proposal."""


@dataclass(frozen=True)
class BinnedFeature:
    """A feature with bins or levels; its design is 1 in the row's own one, else 0.

    `frequencies` (n_codes,) in fit and the `proposal` (n_codes,) of the shared samples sum to 1;
    `distribution` is that of the values within the bins.
    """

    positions: tuple[int, ...]
    coding: Coding
    frequencies: Floats
    distribution: BinDistribution
    proposal: Floats

    @property
    def varies(self) -> bool:
        return bool(np.count_nonzero(self.frequencies) > 1)

    def encode(self, X: Any) -> Codes:
        return self.coding.codes(X)

    def is_unseen(self, encoded: Codes) -> Bools:
        return self.frequencies_of(encoded) == 0.0

    def frequencies_of(self, encoded: Numbers) -> Floats:
        """Frequencies in fit (n,) of bins, 0 for code -1."""
        return np.append(self.frequencies, 0.0)[encoded.astype(np.intp)]

    def describe(self, encoded: Codes) -> list[str]:
        conditions = {int(code): self.coding.describe(int(code)) for code in np.unique(encoded)}
        return [conditions[int(code)] for code in encoded]

    def sample(self, u: Floats) -> FeatureSamples:
        return self._sample(u, self.proposal)

    def encode_points(self, u: Floats) -> FeatureSamples:
        return FeatureSamples([], self._place(u, self.proposal)[0])

    def sample_tilted(self, u: Floats, center: int, width: float) -> FeatureSamples:
        """Samples in which another bin than the row's has exp(-1 / (2 width^2)) times its frequency."""
        factor = np.exp(-0.5 / width**2)
        is_row_bin = np.arange(self.frequencies.size) == center
        tilted = np.where(is_row_bin, self.frequencies, self.frequencies * factor)
        if not tilted.any():
            tilted = self.frequencies  # an unseen level, under a kernel so narrow that the factor is 0
        return self._sample(u, tilted / tilted.sum())

    def sample_local(self, u: Floats, center: int, radius: float) -> FeatureSamples:
        """Samples of the observed distribution, since bins have no distances."""
        return self._sample(u, self.frequencies)

    @property
    def log_ratios(self) -> Floats | float:
        """Logarithms of the importance weights of the bins (n_codes,); 0 where nothing is oversampled."""
        if self.proposal is self.frequencies:
            return 0.0
        ratio = np.ones_like(self.frequencies)
        np.divide(self.frequencies, self.proposal, out=ratio, where=self.proposal > 0)
        return np.asarray(np.log(ratio), dtype=np.float64)

    def log_weights(self, encoded: Codes) -> Floats | float:
        ratios = self.log_ratios
        return ratios if isinstance(ratios, float) else ratios[encoded]

    def _sample(self, u: Floats, probabilities: Floats) -> FeatureSamples:
        codes, ends = self._place(u, probabilities)
        starts = np.concatenate([[0.0], ends])[codes]
        within = np.clip((u - starts) / (ends[codes] - starts), 0.0, _BELOW_ONE)
        return FeatureSamples(self.distribution.sample(codes, within), codes)

    def _place(self, u: Floats, probabilities: Floats) -> tuple[Codes, Floats]:
        """Bins (n,) of points, and where the bins end."""
        ends = np.cumsum(probabilities)
        ends /= ends[-1]
        compact = np.int16 if self.frequencies.size < 2**15 else np.int32
        return np.searchsorted(ends, u, side="right").astype(compact), ends


@dataclass(frozen=True)
class ScaledFeature:
    """A number, standardized by mean and standard deviation in `fit`; sd = 0 for a constant."""

    positions: tuple[int, ...]
    name: str
    mean: float
    sd: float
    dtype: Any

    @property
    def varies(self) -> bool:
        return self.sd > 0

    def encode(self, X: Any) -> Floats:
        """Standardized values (n_rows,); DataError if one is missing or infinite."""
        values = to_numbers(column_of(X, self.positions[0]))
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise DataError(
                f"Column {self.name!r} is {values[bad[0]]} in row {bad[0]} of X, which cannot be "
                "standardized. Impute it, or use sampling='kernel', where missing values are a bin."
            )
        return self._standardize(values)

    def is_unseen(self, encoded: Floats) -> Bools:
        """Another value of a constant; all other numbers can be sampled."""
        return (encoded != 0.0) & (self.sd == 0)

    def describe(self, encoded: Floats) -> list[str]:
        return [""] * len(encoded)

    def sample(self, u: Floats) -> FeatureSamples:
        return self._sample(ndtri(u))

    def encode_points(self, u: Floats) -> FeatureSamples:
        return self.sample(u)

    def sample_tilted(self, u: Floats, center: float, width: float) -> FeatureSamples:
        """Samples of the product of the normal distribution and the kernel, which is normal."""
        variance = width**2 / (1.0 + width**2)
        return self._sample(center * (1.0 - variance) + np.sqrt(variance) * ndtri(u))

    def sample_local(self, u: Floats, center: float, radius: float) -> FeatureSamples:
        return self._sample(center + radius * ndtri(u))

    def log_weights(self, encoded: Floats) -> float:
        return 0.0

    def _standardize(self, values: Floats) -> Floats:
        return (values - self.mean) / (self.sd or 1.0)

    def _sample(self, z: Floats) -> FeatureSamples:
        column = _cast(self.mean + self.sd * z, self.dtype)
        is_exact = self.dtype.kind == "f"  # integers are rounded, so the surrogate sees the rounded ones
        return FeatureSamples([column], z if is_exact else self._standardize(column.astype(float)))


def _cast(values: Floats, dtype: Any) -> Any:
    """Values in the dtype of a column; for integers rounded, and clipped to its range."""
    if dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    largest = np.nextafter(float(limits.max) + 1.0, 0.0)  # the largest integer may be no float
    return np.clip(np.rint(values), limits.min, np.floor(largest)).astype(dtype)


def make_proposals(frequencies: Sequence[Floats]) -> list[Floats]:
    """A proposal for each feature's frequencies (n_codes,), flatter as far as the weights allow.

    The same objects are returned where nothing changes: even frequencies, as those of quartiles, stay.
    """
    alike: dict[int, list[int]] = {}  # features with as many bins are changed together
    for place, one in enumerate(frequencies):
        if not _is_even(one[one > 0]):
            alike.setdefault(one.size, []).append(place)
    tables = [np.stack([frequencies[place] for place in places]) for places in alike.values()]
    # The power serves rare levels, the floor the rarest.
    flattened = _largest_change(
        tables, lambda t: [_raise_to_power(p, 1.0 - t) for p in tables], MAX_VARIANCE_BY_POWER
    )
    raised = _largest_change(tables, lambda t: [_raise_to_floor(p, t) for p in flattened], MAX_VARIANCE)
    proposals = list(frequencies)
    for places, table in zip(alike.values(), raised, strict=True):
        for place, one in zip(places, table, strict=True):
            if not np.array_equal(one, frequencies[place]):
                proposals[place] = one
    return proposals


def _largest_change(
    frequencies: Sequence[Floats], change: Callable[[float], list[Floats]], limit: float
) -> list[Floats]:
    """The largest change, between 0 and 1, whose weights have a mean square within the limit."""
    low, high = 0.0, 1.0
    for _ in range(_N_BISECTIONS if frequencies else 0):
        middle = (low + high) / 2.0
        is_allowed = _mean_square_weight(frequencies, change(middle)) <= limit
        low, high = (middle, high) if is_allowed else (low, middle)
    return change(low)


def _mean_square_weight(frequencies: Sequence[Floats], proposals: Sequence[Floats]) -> float:
    """Product over features of sum p^2 / q, from tables (n_features, n_codes) of both."""
    sums = [
        np.divide(p**2, q, out=np.zeros_like(p), where=p > 0).sum(axis=1)
        for p, q in zip(frequencies, proposals, strict=True)
    ]
    return float(np.exp(min(sum(float(np.log(one).sum()) for one in sums), 700.0)))


def _raise_to_power(p: Floats, power: float) -> Floats:
    occurs = p > 0
    raised = np.where(occurs, p, 1.0) ** power * occurs
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _raise_to_floor(p: Floats, floor: float) -> Floats:
    occurs = p > 0
    least = np.min(p, axis=1, where=occurs, initial=1.0)
    is_even = np.array([_is_even(one[one > 0]) for one in p])
    raised = np.maximum(p, floor) * occurs
    raised /= raised.sum(axis=1, keepdims=True)
    return np.where(((least >= floor) | is_even)[:, None], p, raised)


def _is_even(p: Floats) -> bool:
    return bool(np.ptp(p) <= 1e-3 * p.max())
