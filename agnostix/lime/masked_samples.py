"""Masks of images and texts near a row, and the surrogates that are fitted to them.

Masks are sampled (images: each segment is kept with probability 1/2; texts: 1 to all words are hidden, each
number with the same probability), or enumerated where there are few. A mask's distance from the row, which
keeps everything, is 1 - sqrt(fraction kept), the cosine distance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from agnostix.core.base import OutputSelection
from agnostix.core.designs import Design
from agnostix.core.evaluate import ProgressBar
from agnostix.core.masking import Features, MaskBlock, MaskedRows, Masker, read_rows
from agnostix.core.masking.masker import MaskDistribution, all_masks
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_sources import MaskedRowSource
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.indicators import IndicatorDesign, MaskIndicators
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.neighborhood import Evaluate, NeighborhoodFits, SurrogateSpec
from agnostix.lime.output_ranges import UNKNOWN, OutputRanges
from agnostix.lime.sampling import check_n_samples, mask_size_probabilities, resolve_n_samples
from agnostix.lime.surrogates import fit_each_output, fit_surrogate
from agnostix.lime.weighted_regression import WeightedRegression
from agnostix.lime.wide_regression import MOST_DENSE, WideRegression

N_MASKS = 1000
"""Masks of an image or text; more if it has many features."""


@dataclass(frozen=True)
class MaskSamples:
    """Masks (n, n_features), True where a feature is kept, and their weights (n,) before the kernel.

    Sampled masks have weight 1 and come in `n_blocks` independent blocks of equal length. Enumerated ones
    have n_blocks = 0, and weights that sum to the number of samples they replace.
    """

    masks: Bools
    weights: Floats
    points: Design | None = None

    @property
    def n_blocks(self) -> int:
        """Blocks of which the spread is the error; 0 for enumerated masks."""
        return 0 if self.points is None else self.points.n_blocks

    @property
    def dims(self) -> Codes | None:
        """Dimension of the points that each feature is a function of; None if of all."""
        is_own = self.points is not None and self.points.n_dims == self.masks.shape[1]
        return np.arange(self.masks.shape[1]) if is_own else None

    @classmethod
    def sample(
        cls, n_features: int, n_samples: int, distribution: MaskDistribution, seed: int
    ) -> MaskSamples:
        """At most n_samples masks of a distribution; all masks if there are no more."""
        if 2**n_features <= n_samples:
            masks = all_masks(n_features)
            return cls(masks, n_samples * _mask_probabilities(masks, distribution))
        is_bernoulli = distribution == "bernoulli"
        n_dims = n_features
        if is_bernoulli:
            points = Design.from_n_points(n_dims, n_samples, seed, of_halves=True)
            masks = _by_array(points, lambda u: u >= 0.5)
        else:
            points = _points_of_sizes(n_features, n_samples, seed)
            masks = _by_array(points, lambda u: keep_smallest(u[:, 1:], np.floor(u[:, 0] * n_features)))
        return cls(masks, np.ones(len(masks)), points)

    @classmethod
    def sample_sizes(cls, n_features: int, n_samples: int, probabilities: Floats, seed: int) -> MaskSamples:
        """At most n_samples masks that keep 0, 1, ... features with probabilities (n_features + 1,)."""
        if 2**n_features <= n_samples:
            masks = all_masks(n_features)
            by_size = probabilities / _count_by_size(masks)
            return cls(masks, n_samples * by_size[masks.sum(axis=1)])
        points, ends = _points_of_sizes(n_features, n_samples, seed), np.cumsum(probabilities)
        ends /= probabilities.sum()
        masks = _by_array(
            points, lambda u: keep_smallest(u[:, 1:], np.searchsorted(ends, u[:, 0], side="right"))
        )
        return cls(masks, np.ones(len(masks)), points)

    @property
    def design(self) -> IndicatorDesign:
        """Whether features are kept."""
        return IndicatorDesign(MaskIndicators(self.masks), np.zeros(self.masks.shape[1], dtype=bool))


def _points_of_sizes(n_features: int, n_samples: int, seed: int) -> Design:
    """Points of a size and an order of the features; of many they are independent."""
    make = Design.from_n_points if n_features <= MOST_DENSE else Design.independent
    return make(n_features + 1, n_samples, seed)


def _by_array(points: Design, to_masks: Callable[[Floats], Bools]) -> Bools:
    """Masks (n_points, n_features) of points, made of those that are drawn together."""
    size = points.n_drawn_together
    parts = (slice(start, start + size) for start in range(0, points.n_points, size))
    return np.concatenate([to_masks(points.points(part)) for part in parts])


def keep_smallest(u: Floats, n_kept: Codes) -> Bools:
    """Masks (n, n_features) that keep the n_kept (n,) features with the smallest u (n, n_features)."""
    return u.argsort(axis=1).argsort(axis=1) < n_kept[:, None]


def _count_by_size(masks: Bools) -> Floats:
    """How many masks keep 0, 1, ... features, (n_features + 1,)."""
    return np.bincount(masks.sum(axis=1), minlength=masks.shape[1] + 1).astype(float)


def _mask_probabilities(masks: Bools, distribution: MaskDistribution) -> Floats:
    """Probability (n,) of each of all masks."""
    n_features = masks.shape[1]
    if distribution == "bernoulli" or n_features == 1:
        return np.full(masks.shape[0], 0.5**n_features)
    n_kept = masks.sum(axis=1)
    return np.where(n_kept < n_features, 1.0 / (n_features * _count_by_size(masks)[n_kept]), 0.0)


@dataclass(frozen=True)
class MaskedNeighborhood:
    """Masks near rows that a masker reads.

    Attributes
    ----------
    masker : Masker
    features : Features
        Features of the rows seen in fit.
    width : float
        Of the kernel, on cosine distances.
    n_samples : int or "auto"
        Masks of a row at most.
    is_tilted : bool
        Whether masks are sampled as the kernel would weight them.
    seed : int
    seen : OutputRanges
        Of predictions of rows that are not masked.
    """

    masker: Masker
    features: Features
    width: float
    n_samples: int | str
    is_tilted: bool
    seed: int
    seen: OutputRanges = UNKNOWN

    @property
    def n_shared_rows(self) -> int:
        return 0

    def read(self, X: Any) -> MaskedRows:
        return read_rows(self.masker, X, self.features)

    def data(self, rows: MaskedRows) -> Any:
        return rows.data

    def features_of(self, rows: MaskedRows) -> Features:
        return rows.features

    def present(self, rows: MaskedRows) -> Bools:
        return rows.present

    def cost(self, rows: MaskedRows) -> int:
        return sum(
            (1 + self._sample_masks(int(varying.sum()), int(row_indices[0])).masks.shape[0])
            * row_indices.size
            for varying, row_indices in self._patterns(rows)
        )

    def fit(
        self, evaluate: Evaluate, spec: SurrogateSpec, rows: MaskedRows, selection: OutputSelection
    ) -> NeighborhoodFits:
        """Fits near the rows, together those in which the same features vary."""
        n_features = rows.present.shape[1]
        patterns = list(self._patterns(rows))
        n_evaluations = sum(
            row_indices.size * (1 + min(self._most(int(varying.sum())), 2 ** int(varying.sum())))
            for varying, row_indices in patterns
        )
        by_pattern: list[tuple[Floats, ...]] = []
        n_model_rows = 0
        with ProgressBar(n_evaluations, spec.verbose) as bar:
            for varying, row_indices in patterns:
                samples = self._sample_masks(int(varying.sum()), int(row_indices[0]))
                masks = np.ones((1 + samples.masks.shape[0], n_features), dtype=bool)
                masks[1:, varying] = samples.masks
                weights = _weigh(spec, samples, int(row_indices[0]))
                reducer = _FitReducer(spec, samples, weights, varying, self.seen, selection)
                source = MaskedRowSource.from_rows(self.masker, rows[row_indices], masks, names=row_indices)
                arrays, n = evaluate(source, reducer, verbose=bar)
                by_pattern.append(arrays)
                n_model_rows += n
        order = np.argsort(np.concatenate([row_indices for _, row_indices in patterns]))
        predictions, *fits = (np.concatenate(arrays)[order] for arrays in zip(*by_pattern, strict=True))
        return NeighborhoodFits(LocalFits(*fits), predictions, rows.details(), n_model_rows)

    def _patterns(self, rows: MaskedRows) -> Iterator[tuple[Bools, Codes]]:
        """Features that vary together, and the rows in which they do."""
        patterns, which = np.unique(rows.varying, axis=0, return_inverse=True)
        for number, varying in enumerate(patterns):
            yield varying, np.flatnonzero(which.ravel() == number)

    def _sample_masks(self, n_features: int, row: int) -> MaskSamples:
        """Masks of so many features; DataError, which names the row, if they are too few."""
        if n_features == 0:
            return MaskSamples(np.ones((1, 0), dtype=bool), np.ones(1))
        distribution = self.masker.mask_distribution
        n_samples = self._most(n_features)
        if not self.is_tilted:
            samples = MaskSamples.sample(n_features, n_samples, distribution, self.seed)
        else:
            probabilities = mask_size_probabilities(n_features, self.width, distribution)
            samples = MaskSamples.sample_sizes(n_features, n_samples, probabilities, self.seed)
        if samples.n_blocks:
            check_n_samples(samples.masks.shape[0], n_features, f" near row {row}")
        return samples

    def _most(self, n_features: int) -> int:
        """Most masks of so many features."""
        return resolve_n_samples(self.n_samples, n_features, N_MASKS)


def _weigh(spec: SurrogateSpec, samples: MaskSamples, row: int) -> Floats:
    """Weights (n,) of masks under the kernel; DataError if it leaves too few of them."""
    if spec.kernel is None or samples.masks.shape[1] < 2:  # a single feature needs no kernel
        return samples.weights
    squares = (1.0 - np.sqrt(samples.masks.mean(axis=1))) ** 2
    occurs = samples.weights > 0
    log_weights = np.log(samples.weights, where=occurs, out=np.full(occurs.size, -np.inf))
    is_narrow = samples.masks.shape[1] <= MOST_DENSE
    spec.kernel.check(
        squares, log_weights, samples.masks.T.astype(float) if is_narrow else samples.design, row
    )
    return spec.kernel.weights(squares, log_weights)


@dataclass(frozen=True)
class _FitReducer:
    """Reducer to a fit near each row, from its predictions under all masks, the unmasked row first."""

    spec: SurrogateSpec
    samples: MaskSamples
    weights: Floats
    varying: Bools
    seen: OutputRanges
    selection: OutputSelection
    n_kept: ClassVar[int] = 1

    def reduce_block(self, predictions: Floats, block: MaskBlock) -> Floats:
        """Keep every prediction."""
        return predictions[:, None]

    @one_blas_thread
    def finalize(self, blocks: Floats) -> tuple[Any, ...]:
        """Predictions of rows and their fits, from predictions (n_masks, 1, n_rows, n_outputs)."""
        row_predictions, predictions = blocks[0, 0], blocks[1:, 0]
        outputs, sizes = self.selection.indices(row_predictions), self.seen.sizes(row_predictions)
        if self.samples.masks.shape[1] > MOST_DENSE:
            some = zip(outputs, row_predictions, sizes, strict=True)
            each = [self._fit_wide(predictions[:, row], *part) for row, part in enumerate(some)]
            return row_predictions, *LocalFits.stack(each)
        every = zip(row_predictions, sizes, strict=True)
        each = [self._fit_dense(predictions[:, row], *part) for row, part in enumerate(every)]
        return row_predictions, *LocalFits.stack(each).take_outputs(outputs)

    def _fit_dense(self, predictions: Floats, at_row: Floats, sizes: Floats) -> LocalFits:
        """The fit of all outputs near a row, from predictions (n_masks, n_outputs)."""
        design, samples = self.samples.masks.T.astype(float), self.samples
        regression = WeightedRegression(
            np.ascontiguousarray(design),
            self.weights,
            np.ascontiguousarray(predictions),
            np.ones(design.shape[0]),
            at_row,
            samples.n_blocks,
            points=samples.points,
            dims=samples.dims,
            sizes=sizes,
        )
        fit = fit_surrogate(self.spec.surrogate, regression, self.spec.max_features, with_margin=False)
        return fit.insert_features(self.varying)

    def _fit_wide(self, predictions: Floats, outputs: Codes, at_row: Floats, sizes: Floats) -> LocalFits:
        """The fit of some outputs near a row, one by one."""
        samples = self.samples
        regression = WideRegression(
            samples.design,
            self.weights,
            predictions[:, outputs],
            np.ones(samples.masks.shape[1]),
            at_row[outputs],
            samples.n_blocks,
            samples.points,
            samples.dims,
            sizes=sizes[outputs],
            are_exchangeable=True,
        )
        fit = fit_each_output(self.spec.surrogate, regression, self.spec.max_features, with_margin=False)
        return fit.insert_features(self.varying)
