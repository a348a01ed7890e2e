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
from scipy.sparse import csc_array, csr_array, vstack

from agnostix.core.designs import Design
from agnostix.core.row_sources import TableRows, working_memory
from agnostix.core.state import PandasState
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.lime.features import BinnedFeature, Feature, FeatureSamples
from agnostix.lime.indicators import (
    CodeIndicators,
    IndicatorDesign,
    Indicators,
    PackedCodes,
    SideBySide,
    SparseIndicators,
)
from agnostix.lime.sampling import Kernel, KernelSampling, LocalSampling, Sampling
from agnostix.lime.sparse_columns import SparseColumns, build_mixed
from agnostix.lime.wide_regression import MOST_DENSE

CHUNK_NUMBERS = 2**20
"""Cells of shared samples that are built and held at once, if as many are drawn together."""
CELL_BYTES = 20
"""Bytes of a cell of samples that are held as points, values and bins or standardized numbers."""
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
class BinSamples:
    """What the surrogate sees of n samples of a wide table, all of its features binned.

    Attributes
    ----------
    codes : PackedCodes
        Of the features that are no sparse columns.
    sparse : csr_array (n, n_sparse)
        Bins of sparse columns less their usual ones.
    dense_places, sparse_places : int
        Places of both among all features.
    usual : int (n_sparse,)
    log_weights : ndarray of shape (n,)
        Logarithms of the importance weights.
    """

    codes: PackedCodes
    sparse: csr_array
    dense_places: Codes
    sparse_places: Codes
    usual: Codes
    log_weights: Floats

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.log_weights.size

    @property
    def is_binned(self) -> Bools:
        """All features are."""
        return np.ones(self.dense_places.size + self.sparse_places.size, dtype=bool)

    def design(self, center: Floats) -> tuple[IndicatorDesign, Floats, Floats]:
        """As that of `InterpretableSamples`: 1 for the row's own bin and else 0."""
        own = center.astype(np.intp)
        indicators, is_usual = self._indicators(own)
        ones = np.ones((own.size, 1))
        inside = indicators.product(np.where(is_usual, -1.0, 1.0)[:, None] * ones)[:, 0]
        squares = np.rint(own.size - is_usual.sum() - inside)
        return IndicatorDesign(indicators, is_usual), np.ones(own.size), squares

    def weigh(self, kernel: Kernel | None, squares: Floats) -> Floats:
        """Weights (n,) at squared distances (n,): kernel times importance weights."""
        return np.ones(self.n_samples) if kernel is None else kernel.weights(squares, self.log_weights)

    def _indicators(self, own: Codes) -> tuple[Indicators, Bools]:
        """Whether samples are in the row's bins, or out of those that are usual (n_features,)."""
        is_usual = np.zeros(own.size, dtype=bool)
        kept = np.arange(self.dense_places.size)
        dense = CodeIndicators(self.codes, own[self.dense_places], kept, 0, self.n_samples)
        if not self.sparse_places.size:
            return dense, is_usual
        change = own[self.sparse_places] - self.usual
        is_usual[self.sparse_places] = change == 0
        change_here = change[self.sparse.indices]
        ones = ((change_here == 0) | (self.sparse.data == change_here)).astype(float)
        cells = csr_array((ones, self.sparse.indices, self.sparse.indptr), shape=self.sparse.shape)
        cells.eliminate_zeros()
        sparse = SparseIndicators(cells)
        if not self.dense_places.size:
            return sparse, is_usual
        return SideBySide((dense, sparse), (self.dense_places, self.sparse_places)), is_usual


@dataclass(frozen=True)
class SampleColumns:
    """Samples of each feature; of sparse columns together, their values and bins."""

    dense: Sequence[FeatureSamples]
    sparse: tuple[csc_array, csc_array] | None = None

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.dense[0].encoded.size if self.sparse is None else self.sparse[0].shape[0]

    def take(self, part: slice) -> SampleColumns:
        """Some of the samples."""
        dense = [FeatureSamples([c[part] for c in one.columns], one.encoded[part]) for one in self.dense]
        sparse = None if self.sparse is None else (self.sparse[0][part], self.sparse[1][part])
        return SampleColumns(dense, sparse)


@dataclass(frozen=True)
class TabularSampler(PandasState):
    """Features of a table, the points at which they are sampled, and rows that tables are built like."""

    template: Any
    features: tuple[Feature, ...]
    points: Design  # one dimension for each feature that is no sparse column
    sparse: SparseColumns | None = None

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return int(self.template.shape[1])

    @property
    def is_wide(self) -> bool:
        """Whether samples are kept as bins alone, since there are many."""
        return len(self.features) > MOST_DENSE and all(
            isinstance(one, BinnedFeature) for one in self.features
        )

    def check_memory(self, sampling: Sampling) -> None:
        """DataError if samples that are held as numbers exceed the working memory."""
        if self.is_wide and isinstance(sampling, KernelSampling):
            return
        size = CELL_BYTES * len(self.features) * self.points.n_points
        if size <= working_memory() or len(self.features) <= MOST_DENSE:
            return
        remedy = "Use sampling='kernel' with its bins, whose samples are kept as half a byte a cell"
        raise DataError(
            f"The 'sampling' of LimeExplainer, {sampling!r}, holds {self.points.n_points} samples of "
            f"{len(self.features)} features as numbers, {size / 2**20:.0f} MB, and the working memory is "
            f"{working_memory() / 2**20:.0f} MB. {remedy}, or fewer features (feature_groups), or raise "
            "sklearn's working_memory."
        )

    @property
    def dense_places(self) -> Codes:
        """Places of the features that are no sparse columns."""
        is_dense = np.ones(len(self.features), dtype=bool)
        if self.sparse is not None:
            is_dense[self.sparse.places] = False
        return np.flatnonzero(is_dense)

    @property
    def varies(self) -> Bools:
        """Features (n_features,) with more than one observed value."""
        return np.array([one.varies for one in self.features])

    def encode(self, X: Any) -> Floats:
        """Bin codes and standardized values (n_rows, n_features) of the rows of a table."""
        encoded = np.empty((X.shape[0], len(self.features)))
        for place in self.dense_places:
            encoded[:, place] = self.features[place].encode(X)
        if self.sparse is not None:
            encoded[:, self.sparse.places] = self.sparse.usual + self.sparse.encode(X).toarray()
        return encoded

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

    def sample(self, part: slice, only_encoded: bool = False) -> SampleColumns:
        """Some of the shared samples; of a wide table perhaps their bins alone."""
        dense = self.dense_places
        u = np.ascontiguousarray(self.points.points(part).T) if dense.size else np.empty((0, 0))
        samples = [
            self.features[place].encode_points(one) if only_encoded else self.features[place].sample(one)
            for place, one in zip(dense, u, strict=True)
        ]
        if self.sparse is None:
            return SampleColumns(samples)
        n_runs = self.points.draw.n_runs
        draws = range(part.start // n_runs, -(-part.stop // n_runs))
        parts = [self.sparse.sample(self.points, number) for number in draws]
        values, codes = (vstack(some, format="csc") for some in zip(*parts, strict=True))
        inside = slice(part.start - draws.start * n_runs, part.stop - draws.start * n_runs)
        return SampleColumns(samples, (csc_array(values[inside]), csc_array(codes[inside])))

    def encoded(self, columns: SampleColumns) -> list[Any]:
        """Bin codes and standardized values (n,) of each feature."""
        encoded: list[Any] = [None] * len(self.features)
        for place, one in zip(self.dense_places, columns.dense, strict=True):
            encoded[place] = one.encoded
        if self.sparse is not None and columns.sparse is not None:
            codes = columns.sparse[1].toarray() + self.sparse.usual
            for place, one in zip(self.sparse.places, codes.T, strict=True):
                encoded[place] = one
        return encoded

    def build_table(self, columns: SampleColumns, part: slice = slice(None)) -> Any:
        """A table (n, n_columns) of some of the samples."""
        columns = columns.take(part)
        dense: dict[int, Any] = {}
        for place, one in zip(self.dense_places, columns.dense, strict=True):
            for position, column in zip(self.features[place].positions, one.columns, strict=True):
                dense[position] = column
        if self.sparse is None or columns.sparse is None:
            return build_mixed(self.template, dense)
        return build_mixed(self.template, dense, self.sparse.positions, columns.sparse[0])


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
        self._samples = SampleColumns([])

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

    def interpret(self) -> InterpretableSamples | BinSamples:
        """What a surrogate sees of all samples, also of those that are left out."""
        if self._sampler.is_wide:
            return self._interpret_bins()
        parts = [[one.encoded for one in self._sampler.sample(span, True).dense] for span in self._chunks()]
        encoded = [np.concatenate(same) for same in zip(*parts, strict=True)]
        return InterpretableSamples.from_encoded(self._sampler.features, encoded, weighted=True)

    def _interpret_bins(self) -> BinSamples:
        """The same of a wide table, chunk by chunk."""
        sampler, n = self._sampler, self._n_samples
        places, sparse = sampler.dense_places, sampler.sparse
        dense = [sampler.features[place] for place in places]
        codes = PackedCodes.empty(
            n, [one.frequencies.size for one in dense if isinstance(one, BinnedFeature)]
        )
        log_weights = np.zeros(n)
        cells = []
        for span in self._chunks():
            columns = sampler.sample(span, only_encoded=True)
            for feature, one in zip(dense, columns.dense, strict=True):
                log_weights[span] += feature.log_weights(one.encoded)
            if places.size:
                codes.put(span, np.stack([one.encoded for one in columns.dense], axis=1))
            if sparse is not None and columns.sparse is not None:
                cells.append(csr_array(columns.sparse[1]))
                log_weights[span] += sparse.log_weights(cells[-1])
        none = np.zeros(0, dtype=np.intp)
        return BinSamples(
            codes,
            csr_array((n, 0)) if sparse is None else csr_array(vstack(cells, format="csr")),
            places,
            none if sparse is None else sparse.places,
            none if sparse is None else sparse.usual,
            log_weights,
        )

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

    def sample(self, center: Floats) -> SampleColumns:
        """All samples of an encoded row (n_features,)."""
        if self._points is None:
            points = self.sampler.points
            self._points = points.points(slice(0, points.n_points)).T.copy()
        return SampleColumns([self._sample_cached(j, float(one)) for j, one in enumerate(center)])

    def interpret(self, columns: SampleColumns) -> InterpretableSamples:
        """What a surrogate sees of samples."""
        encoded = [one.encoded for one in columns.dense]
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
