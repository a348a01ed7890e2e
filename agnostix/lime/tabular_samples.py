"""Perturbed samples of a table, feature by feature, and their interpretable representation.

All rows share one set of samples (`SharedSamples`), or each row has its own (`RowSampler`). Points are those
of a `Design`, one dimension for each feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from agnostix.core.designs import Design
from agnostix.core.frames import build_table
from agnostix.core.row_sources import TableRows
from agnostix.core.state import PandasState
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.lime.features import BinnedFeature, Feature, FeatureSamples
from agnostix.lime.sampling import Kernel, KernelSampling, LocalSampling, Sampling

CHUNK_NUMBERS = 2**20
"""Cells of shared samples that are built and held at once."""
CACHE_BYTES = 64 * 2**20
"""Samples of bins that a `RowSampler` keeps, since many rows share a bin."""


@dataclass(frozen=True)
class InterpretableSamples:
    """What the surrogate sees of n samples: bins and standardized numbers.

    Attributes
    ----------
    is_binned : ndarray of bool of shape (n_features,)
    codes : ndarray of int of shape (n_binned, n)
    standardized : ndarray of shape (n_scaled, n)
    log_weights : ndarray of shape (n,)
        Logarithms of the importance weights.
    """

    is_binned: Bools
    codes: Codes
    standardized: Floats
    log_weights: Floats

    @classmethod
    def from_encoded(
        cls, features: Sequence[Feature], encoded: Sequence[Any], weighted: bool
    ) -> InterpretableSamples:
        """From encoded samples (n,) of each feature; weighted where they follow the proposals."""
        n = encoded[0].size
        is_binned = np.array([isinstance(one, BinnedFeature) for one in features])
        codes = [one for one, binned in zip(encoded, is_binned, strict=True) if binned]
        numbers = [one for one, binned in zip(encoded, is_binned, strict=True) if not binned]
        log_weights = np.zeros(n)
        for feature, one in zip(features, encoded, strict=True) if weighted else []:
            log_weights += feature.log_weights(one)
        return cls(
            is_binned,
            np.stack(codes) if codes else np.empty((0, n), dtype=np.int16),
            np.stack(numbers) if numbers else np.empty((0, n)),
            log_weights,
        )

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.log_weights.size

    def design(self, center: Floats) -> tuple[Floats, Floats, Floats]:
        """Design (n_features, n) near an encoded row, that of the row, and squared distances (n,) to it.

        The design of a bin is 1 for the row's own and else 0, that of a number its standardized value.
        """
        codes = center[self.is_binned].astype(np.intp)
        is_same = self.codes == codes[:, None]
        numbers = center[~self.is_binned]
        squares = (codes.size - is_same.sum(axis=0, dtype=np.int32)).astype(float)
        if not numbers.size:
            return is_same.astype(float), np.ones(codes.size), squares
        squares += np.square(self.standardized - numbers[:, None]).sum(axis=0)
        design = np.empty((center.size, self.n_samples))
        design[self.is_binned], design[~self.is_binned] = is_same, self.standardized
        return design, np.where(self.is_binned, 1.0, center), squares

    def weigh(self, kernel: Kernel | None, squares: Floats) -> Floats:
        """Weights (n,) at squared distances (n,): kernel times importance weights; 1 without a kernel."""
        return np.ones(self.n_samples) if kernel is None else kernel.weights(squares, self.log_weights)


@dataclass(frozen=True)
class TabularSampler(PandasState):
    """Features of a table, the points at which they are sampled, and rows that tables are built like."""

    template: Any
    features: tuple[Feature, ...]
    points: Design

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return int(self.template.shape[1])

    @property
    def varies(self) -> Bools:
        """Features (n_features,) with more than one observed value."""
        return np.array([one.varies for one in self.features])

    def encode(self, X: Any) -> Floats:
        """Bin codes and standardized values (n_rows, n_features) of the rows of a table."""
        return np.stack([np.asarray(one.encode(X), dtype=float) for one in self.features], axis=1)

    def is_unseen(self, encoded: Numbers) -> Bools:
        """Whether values (n_rows, n_features) are never sampled."""
        pairs = zip(self.features, encoded.T, strict=True)
        return np.stack([feature.is_unseen(one) for feature, one in pairs], axis=1)

    def frequencies(self, encoded: Floats) -> Floats:
        """Frequencies in fit of the rows' own bins (n_rows, n_features), NaN for numbers without bins."""
        frequencies = np.full(encoded.shape, np.nan)
        for j, feature in enumerate(self.features):
            if isinstance(feature, BinnedFeature):
                frequencies[:, j] = feature.frequencies_of(encoded[:, j])
        return frequencies

    def sample(self, part: slice) -> list[FeatureSamples]:
        """Some of the shared samples, feature by feature."""
        u = self.points.points(part)
        return [one.sample(u[:, j]) for j, one in enumerate(self.features)]

    def build_table(self, samples: Sequence[FeatureSamples], part: slice = slice(None)) -> Any:
        """A table (n, n_columns) of some of the samples."""
        columns: dict[int, Any] = {}
        for feature, one in zip(self.features, samples, strict=True):
            for position, column in zip(feature.positions, one.columns, strict=True):
                columns[position] = column[part]
        return build_table(self.template, columns)


class SharedSamples(TableRows):
    """Samples for all rows as one long table, of which parts are built when they are evaluated.

    Parameters
    ----------
    sampler : TabularSampler
    start : int, default=0
        Number of samples to leave out, since they have been evaluated.
    """

    def __init__(self, sampler: TabularSampler, start: int = 0) -> None:
        super().__init__(sampler.template, np.arange(start, sampler.points.n_points), "samples")
        self._sampler = sampler
        self._span = slice(0, 0)
        self._samples: list[FeatureSamples] = []

    def for_worker(self) -> SharedSamples:
        return copy(self)

    @property
    def n_columns(self) -> int:
        return self._sampler.n_columns

    def take(self, part: slice) -> Any:
        first, end = int(self.rows[part.start]), int(self.rows[part.stop - 1]) + 1
        if first < self._span.start or end > self._span.stop:
            size = self._sampler.points.n_drawn_together
            start = first // size * size
            self._span = slice(start, max(end, min(start + self._chunk, self._n_samples)))
            self._samples = self._sampler.sample(self._span)
        start = self._span.start
        return self._sampler.build_table(self._samples, slice(first - start, end - start))

    def describe(self, block: int, part: slice | None = None) -> str:
        return f"{super().describe(block, part)} of the neighborhood"

    def interpret(self) -> InterpretableSamples:
        """What a surrogate sees of all samples, also of those that are left out."""
        parts = [[one.encoded for one in self._sampler.sample(span)] for span in self._chunks()]
        encoded = [np.concatenate(same) for same in zip(*parts, strict=True)]
        return InterpretableSamples.from_encoded(self._sampler.features, encoded, weighted=True)

    @property
    def _n_samples(self) -> int:
        return self._sampler.points.n_points

    @property
    def _chunk(self) -> int:
        """Samples that are built at once: those that are drawn together."""
        size = self._sampler.points.n_drawn_together
        return max(1, CHUNK_NUMBERS // (self.n_columns * size)) * size

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, self._n_samples, self._chunk):
            yield slice(start, min(start + self._chunk, self._n_samples))


@dataclass
class RowSampler:
    """Samples of each row's own, at the same points for every row.

    `method` is "tilted", as the kernel of width `scale` would weight them, or "local", around the row with
    `scale` standard deviations.
    """

    sampler: TabularSampler
    method: Literal["tilted", "local"]
    scale: float
    _cache: dict[tuple[int, float], FeatureSamples] = field(default_factory=dict, repr=False)
    _points: Any = field(default=None, repr=False)

    @classmethod
    def from_sampling(cls, sampling: Sampling, sampler: TabularSampler, width: float) -> RowSampler | None:
        """Sampler for a sampling under the kernel of this width; None if all rows share their samples."""
        if isinstance(sampling, KernelSampling):
            return None
        if isinstance(sampling, LocalSampling):
            return cls(sampler, "local", sampling.radius)
        return cls(sampler, "tilted", width)

    def for_worker(self) -> RowSampler:
        """A copy for one worker, with a cache of its own."""
        return RowSampler(self.sampler, self.method, self.scale)

    def sample(self, center: Floats) -> list[FeatureSamples]:
        """All samples of an encoded row (n_features,), feature by feature."""
        if self._points is None:
            points = self.sampler.points
            self._points = points.points(slice(0, points.n_points)).T.copy()
        return [self._sample_cached(j, float(one)) for j, one in enumerate(center)]

    def interpret(self, samples: list[FeatureSamples]) -> InterpretableSamples:
        """What a surrogate sees of samples."""
        encoded = [one.encoded for one in samples]
        return InterpretableSamples.from_encoded(self.sampler.features, encoded, weighted=False)

    def _sample_cached(self, j: int, center: float) -> FeatureSamples:
        if not isinstance(self.sampler.features[j], BinnedFeature):
            return self._sample_feature(j, center)
        key = (j, center if self.method == "tilted" else 0.0)
        samples = self._cache.get(key)
        if samples is None:
            samples = self._sample_feature(j, center)
            if (len(self._cache) + 1) * 24 * samples.encoded.size <= CACHE_BYTES:
                self._cache[key] = samples
        return samples

    def _sample_feature(self, j: int, center: float) -> FeatureSamples:
        feature: Any = self.sampler.features[j]
        sample = feature.sample_tilted if self.method == "tilted" else feature.sample_local
        return sample(self._points[j], center, self.scale)
