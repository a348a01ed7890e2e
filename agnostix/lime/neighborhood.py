"""Neighborhoods of the rows of a table: perturbed samples, and the surrogates that are fitted to them.

Near a row with interpretable representation z', a surrogate g is fitted to samples z with weights pi_x(z):
`SurrogateSpec` says which g, which kernel pi_x and how many features. `TabularNeighborhood` shares one set of
samples over all rows, or samples near each row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np

from agnostix.core.base import OutputSelection
from agnostix.core.designs import Design
from agnostix.core.evaluate import WorkerProgress, run_in_shares
from agnostix.core.explanation import Detail
from agnostix.core.features import distinct_rows, read_like
from agnostix.core.frames import take_rows
from agnostix.core.intervals import satterthwaite, student_quantile
from agnostix.core.masking import Features
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.row_sources import RowSource, TableRows
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.lime.features import BinnedFeature
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.output_ranges import UNKNOWN, OutputRanges
from agnostix.lime.sampling import AMPLE_VARIATION, MIN_VARIATION, Kernel
from agnostix.lime.surrogates import Surrogate, fit_each_output, fit_surrogate
from agnostix.lime.tabular_samples import (
    BinSamples,
    Drawn,
    InterpretableSamples,
    RowSampler,
    SharedSamples,
    TabularSampler,
)
from agnostix.lime.unseen_levels import LevelEffect, UnseenLevelEffects, count_effect_rows
from agnostix.lime.weighted_regression import WeightedRegression, split_points
from agnostix.lime.wide_regression import WideRegression

MAX_DOUBLINGS = 4
"""Times that the samples are doubled at most while the selection of features is not stable."""

Evaluate = Callable[..., tuple[Any, int]]
"""`evaluate` under the explained model: from a source and a reduction to results and model rows."""


class NeighborhoodFits(NamedTuple):
    """Fits near rows of the outputs to explain, and what else is known of the rows.

    Attributes
    ----------
    fits : LocalFits
    predictions : (n_rows, n_outputs)
        Of all outputs.
    details : dict of Detail
    n_model_rows : int
        That it took.
    """

    fits: LocalFits
    predictions: Floats
    details: dict[str, Detail]
    n_model_rows: int


class Neighborhood(Protocol):
    """Samples near rows of any kind, and the surrogates that are fitted to them."""

    @property
    def n_shared_rows(self) -> int:
        """Model rows that were evaluated in fit, for all rows to explain."""

    def read(self, X: Any) -> Any:
        """Rows of the kind seen in fit; DataError if they are not."""

    def data(self, rows: Any) -> Any:
        """The rows as an Explanation stores them."""

    def features_of(self, rows: Any) -> Features:
        """Features of the rows."""

    def present(self, rows: Any) -> Bools:
        """Features (n_rows, n_features) that each row has."""

    def cost(self, rows: Any) -> int:
        """Model rows that `fit` evaluates at most."""

    def fit(
        self, evaluate: Evaluate, spec: SurrogateSpec, rows: Any, selection: OutputSelection
    ) -> NeighborhoodFits:
        """Fits near the rows, of the outputs to explain."""


@dataclass(frozen=True)
class EncodedRows:
    """Distinct rows of a table to explain.

    Attributes
    ----------
    encoded : (n_rows, n_features)
        Bin codes and standardized values.
    predictions : (n_rows, n_selected)
        Of the outputs to explain.
    outputs : int (n_rows, n_selected)
        Which outputs these are.
    is_fitted : bool (n_rows, n_features)
        Features in the regression: those in which some samples differ from the row and others do not.
    row_indices : int (n_rows,)
        Of the rows in the table that is explained, for messages.
    weights : (n_rows,)
        Weights that samples in the place of the rows would have.
    effects : (n_rows, n_selected)
        Effects of values that no sample has, in the predictions.
    sizes : (n_rows, n_selected)
        How far predictions elsewhere differ from theirs; NaN if unknown.
    """

    encoded: Floats
    predictions: Floats
    outputs: Codes
    is_fitted: Bools
    row_indices: Codes
    weights: Floats
    effects: Floats
    sizes: Floats

    def take(self, rows: Codes) -> EncodedRows:
        """Some rows."""
        return EncodedRows(*(getattr(self, one.name)[rows] for one in fields(self)))


@dataclass(frozen=True)
class SurrogateSpec:
    """What is fitted near each row.

    Attributes
    ----------
    surrogate : Surrogate
    kernel : Kernel or None
        None for samples of equal weight.
    radius : float or None
        Of samples around the row, in standard deviations: the design is then relative to the row.
    max_features : int or None
    with_margin : bool
        Whether the margin of the selection of features is computed.
    n_jobs, verbose
        Workers that fit, and whether their progress is shown.
    """

    surrogate: Surrogate
    kernel: Kernel | None
    radius: float | None
    max_features: int | None
    with_margin: bool
    n_jobs: int | None = None
    verbose: int = 0

    @one_blas_thread
    def fit(
        self,
        samples: InterpretableSamples | BinSamples,
        predictions: Floats,
        rows: EncodedRows,
        row: int,
        points: Design,
    ) -> LocalFits:
        """The fit near one of the rows, to predictions (n_samples, n_outputs) of samples."""
        center, is_fitted = rows.encoded[row], rows.is_fitted[row]
        if rows.outputs.shape[1] < predictions.shape[1]:
            predictions = predictions[:, rows.outputs[row]]
        if isinstance(samples, BinSamples):
            wide = self._regress_on_bins(samples, predictions, rows, row, points)
            fit = fit_each_output(self.surrogate, wide, self.max_features, self.with_margin)
            return fit.insert_features(is_fitted)
        design, row_design, squares = samples.design(center)
        weights = samples.weigh(self.kernel, squares)
        scale = np.where(samples.is_binned, 1.0, self.radius or 1.0)
        origin = np.zeros_like(row_design)
        if self.radius is not None:
            origin = np.where(samples.is_binned, 0.0, row_design)
            design = (design - origin[:, None]) / scale[:, None]
        if not is_fitted.all():
            design = design[is_fitted]
        if self.kernel is not None:
            number = int(rows.row_indices[row])
            self.kernel.check(squares, samples.log_weights, design, number, samples.is_binned[is_fitted])
        regression = WeightedRegression(
            design,
            weights,
            predictions,
            ((row_design - origin) / scale)[is_fitted],
            rows.predictions[row],
            points.n_blocks,
            (origin / scale)[is_fitted],
            points,
            np.flatnonzero(is_fitted),
            row_weight=float(rows.weights[row]),
            row_effects=rows.effects[row],
            sizes=rows.sizes[row],
        )
        fit = fit_surrogate(self.surrogate, regression, self.max_features, self.with_margin)
        whole = fit.insert_features(is_fitted)
        return whole if self.surrogate.has_contributions else whole.rescale(scale, row_design)

    def _regress_on_bins(
        self,
        samples: BinSamples,
        predictions: Floats,
        rows: EncodedRows,
        row: int,
        points: Design,
    ) -> WideRegression:
        """The regression on many features, all binned."""
        is_fitted = np.flatnonzero(rows.is_fitted[row])
        design, _, squares = samples.design(rows.encoded[row])
        weights = samples.weigh(self.kernel, squares)
        if is_fitted.size < design.shape[0]:
            design = design.features(is_fitted)
        if self.kernel is not None:
            number = int(rows.row_indices[row])
            self.kernel.check(
                squares, samples.log_weights, design, number, np.ones(is_fitted.size, dtype=bool)
            )
        return WideRegression(
            design,
            weights,
            predictions,
            np.ones(is_fitted.size),
            rows.predictions[row],
            points.n_blocks,
            points,
            row_weight=float(rows.weights[row]),
            row_effects=rows.effects[row],
            sizes=rows.sizes[row],
        )


def fit_shared(
    spec: SurrogateSpec,
    samples: InterpretableSamples | BinSamples,
    predictions: Floats,
    rows: EncodedRows,
    points: Design,
) -> LocalFits:
    """Fits near all rows to samples that they share; the rows are split among workers."""
    parts = run_in_shares(
        partial(_fit_rows, spec, samples, predictions, rows, points),
        rows.row_indices.size,
        lambda row: f"the surrogate near row {rows.row_indices[row]}",
        size=rows.row_indices.size,
        n_jobs=spec.n_jobs,
        verbose=spec.verbose,
    )
    return LocalFits.stack(chain.from_iterable(parts))


def _fit_rows(
    spec: SurrogateSpec,
    samples: InterpretableSamples | BinSamples,
    predictions: Floats,
    rows: EncodedRows,
    points: Design,
    progress: WorkerProgress,
    worker: int,
    part: range,
) -> list[LocalFits]:
    return [spec.fit(samples, predictions, rows, row, points) for row in progress.follow(worker, part)]


class RowSamples(RowSource):
    """Samples of each row's own, one item for each row; `fit_row` reduces their predictions to a fit."""

    def __init__(self, spec: SurrogateSpec, sampler: RowSampler, rows: EncodedRows) -> None:
        self._spec = spec
        self._row_sampler = sampler
        self._rows = rows
        self._cached: tuple[int, Drawn] = (-1, Drawn([]))

    def for_worker(self) -> RowSamples:
        return RowSamples(self._spec, self._row_sampler.for_worker(), self._rows)

    @property
    def _sampler(self) -> TabularSampler:
        return self._row_sampler.sampler

    @property
    def n_items(self) -> int:
        return self._rows.row_indices.size

    @property
    def n_columns(self) -> int:
        return self._sampler.n_columns

    def n_rows(self, block: int) -> int:
        return self._sampler.points.n_points

    def build(self, block: int, part: slice) -> Any:
        return self._sampler.build_table(self._sample(block), part)

    def describe(self, block: int, part: slice | None = None) -> str:
        first, last = (0, self.n_rows(block) - 1) if part is None else (part.start, part.stop - 1)
        return f"samples {first} to {last} around row {self._rows.row_indices[block]}"

    def fit_row(self, row: int, predictions: Floats) -> LocalFits:
        """The fit near a row, from predictions (n_samples, n_outputs) of its samples."""
        samples = self._row_sampler.interpret(self._sample(row))
        return self._spec.fit(samples, predictions, self._rows, row, self._sampler.points)

    def _sample(self, row: int) -> Drawn:
        if self._cached[0] != row:
            self._cached = row, self._row_sampler.sample(self._rows.encoded[row])
        return self._cached[1]


@dataclass(frozen=True)
class TabularNeighborhood:
    """Samples shared by all rows and their predictions, or a sampler near each row.

    Attributes
    ----------
    features : Features
        Names and columns of the features.
    sampler : TabularSampler
    row_sampler : RowSampler or None
        None where all rows share their samples.
    width : float
        Of the kernel.
    stability : float or None
        Confidence of the selection of features; samples are doubled for rows where it is lower.
    seen : OutputRanges
        Of predictions elsewhere.
    samples, predictions : InterpretableSamples and (n_samples, n_outputs), or None
        The shared samples, once they have been evaluated.
    """

    features: Features
    sampler: TabularSampler
    row_sampler: RowSampler | None
    width: float
    stability: float | None
    seen: OutputRanges = UNKNOWN
    samples: InterpretableSamples | BinSamples | None = None
    predictions: Floats | None = None

    @property
    def n_samples(self) -> int:
        """Samples near a row."""
        return self.sampler.points.n_points

    @property
    def n_shared_rows(self) -> int:
        return 0 if self.predictions is None else self.predictions.shape[0]

    def read(self, X: Any) -> Any:
        return read_like(X, self.sampler.template)

    def data(self, rows: Any) -> Any:
        return rows

    def features_of(self, rows: Any) -> Features:
        return self.features

    def present(self, rows: Any) -> Bools:
        return np.ones((rows.shape[0], len(self.features.names)), dtype=bool)

    def evaluate_shared(self, evaluate: Evaluate) -> TabularNeighborhood:
        """With predictions of all shared samples; unchanged where each row has samples of its own."""
        if self.row_sampler is not None:
            return self
        rows = SharedSamples(self.sampler, self.n_shared_rows)
        predictions, _ = evaluate(rows)
        if self.predictions is not None:
            predictions = np.concatenate([self.predictions, predictions])
        return replace(self, samples=rows.interpret(), predictions=predictions)

    def cost(self, rows: Any) -> int:
        n_rows, contrasted = rows.shape[0], self.is_contrasted(self.sampler.encode(rows))
        cost = n_rows + count_effect_rows(self.sampler, int(contrasted.sum()))
        if self.row_sampler is not None:
            return cost + n_rows * self.n_samples
        return cost + (0 if self.stability is None else self.n_samples * (2**MAX_DOUBLINGS - 1))

    def fit(
        self, evaluate: Evaluate, spec: SurrogateSpec, rows: Any, selection: OutputSelection
    ) -> NeighborhoodFits:
        """Fits near the rows, equal rows once."""
        first, which = distinct_rows(rows)
        distinct = take_rows(rows, first)
        predictions, _ = evaluate(TableRows(rows, first))
        encoded = self.sampler.encode(distinct)
        outputs = selection.indices(predictions)
        fitted = (
            outputs if self._fits_each_output else np.tile(np.arange(predictions.shape[1]), (first.size, 1))
        )
        fits, n_sampled = self._fit_distinct(evaluate, spec, distinct, encoded, predictions, fitted, first)
        details = {name: detail.take("row", which) for name, detail in self.details(encoded).items()}
        if self.stability is not None:
            details["stable"] = Detail(self._is_stable(fits)[which], ("row",))
        if fitted is not outputs:
            fits = fits.take_outputs(outputs)
        return NeighborhoodFits(fits.take(which), predictions[which], details, first.size + n_sampled)

    @property
    def _fits_each_output(self) -> bool:
        """Whether outputs are fitted one by one, so that only those to explain need be; else all together."""
        return self.row_sampler is None and self.sampler.is_wide and self.stability is None

    def is_contrasted(self, encoded: Numbers) -> Bools:
        """Values (n_rows, n_features) that too few samples have for a regression, or none."""
        frequency = self.sampler.frequencies(encoded)
        probability, mean_weight = self._tilt(frequency)
        is_tilted = self.row_sampler is not None and self.row_sampler.method == "tilted"
        total = self.n_samples * (1.0 if is_tilted else mean_weight)
        is_rare = (frequency < 0.5) & (total * probability < MIN_VARIATION)
        is_rare &= self.n_samples * frequency < AMPLE_VARIATION
        return is_rare | self.sampler.is_unseen(encoded)

    def details(self, encoded: Numbers) -> dict[str, Detail]:
        """Details of encoded rows (n_rows, n_features) that do not depend on their fits."""
        pairs = zip(self.sampler.features, encoded.T, strict=True)
        conditions = np.stack([np.array(feature.describe(one)) for feature, one in pairs], axis=1)
        arrays: dict[str, Numbers] = {
            "unseen": self.sampler.is_unseen(encoded),
            "contrasted": self.is_contrasted(encoded),
        }
        arrays |= {"conditions": conditions} if (conditions != "").any() else {}
        return {name: Detail(array, ("row", "feature")) for name, array in arrays.items()}

    def _tilt(self, frequency: Floats) -> tuple[Floats, Floats]:
        """Probability of the rows' own bins under the kernel, and the mean weight (n_rows, 1) of a sample."""
        mean_weight = frequency + (1.0 - frequency) * np.exp(-0.5 / self.width**2)
        probability = np.divide(frequency, mean_weight, out=np.zeros_like(mean_weight), where=mean_weight > 0)
        return probability, np.nanprod(mean_weight, axis=1, keepdims=True)

    def _check_tilted(self, encoded: Floats, row_indices: Codes) -> None:
        """Raise a DataError if tilted samples hardly leave a row's bin that the observed rows leave."""
        frequency = self.sampler.frequencies(encoded)
        probability, _ = self._tilt(frequency)
        is_stuck = self.n_samples * probability * (1.0 - probability) < MIN_VARIATION
        is_stuck &= self.n_samples * frequency * (1.0 - frequency) >= AMPLE_VARIATION
        if is_stuck.any():
            row, feature = np.argwhere(is_stuck)[0]
            raise DataError(
                f"The 'width' of TiltedSampling is {self.width:.3g}, with which hardly any of "
                f"{self.n_samples} samples near row {row_indices[row]} leaves its bin of "
                f"{self.features.names[feature]!r}. Use a larger width, or a larger n_samples."
            )

    def _fit_distinct(
        self,
        evaluate: Evaluate,
        spec: SurrogateSpec,
        X: Any,
        encoded: Floats,
        predictions: Floats,
        outputs: Codes,
        row_indices: Codes,
    ) -> tuple[LocalFits, int]:
        """Fits near distinct rows, of the outputs (n_rows, n_selected), and the model rows that they took."""
        contrasted = self.is_contrasted(encoded)
        levels = UnseenLevelEffects.from_flags(
            spec.kernel, self.sampler, self.row_sampler, X, encoded, contrasted, row_indices
        )
        effects, n_effect_rows = levels.estimate(evaluate) if contrasted.any() else ([], 0)
        in_rows = np.zeros(outputs.shape)
        effects = [one.take(outputs[row]) for (row, _), one in zip(levels.pairs, effects, strict=False)]
        for (row, _), effect in zip(levels.pairs, effects, strict=True):
            in_rows[row] += effect.value
        is_fitted = self.sampler.varies & ~contrasted
        weights = self._row_weights(encoded, is_fitted)
        of_outputs = (
            np.take_along_axis(part, outputs, 1) for part in (predictions, self.seen.sizes(predictions))
        )
        own, sizes = of_outputs
        rows = EncodedRows(encoded, own, outputs, is_fitted, row_indices, weights, in_rows, sizes)
        if self.row_sampler is None:
            fits, n_model_rows = self._fit_shared(evaluate, spec, rows)
        else:
            if self.row_sampler.method == "tilted":
                self._check_tilted(encoded, row_indices)
            source = RowSamples(spec, self.row_sampler, rows)
            each, n_model_rows = evaluate(source, RowSamples.fit_row)
            fits = LocalFits.stack(each)
        _insert_effects(fits, levels.pairs, effects)
        return fits, n_model_rows + n_effect_rows

    def _row_weights(self, encoded: Floats, is_fitted: Bools) -> Floats:
        """Weights (n_rows,) that samples in the place of encoded rows would have, at distance 0."""
        weights = np.zeros(len(encoded))
        for feature, codes, fitted in zip(self.sampler.features, encoded.T, is_fitted.T, strict=True):
            if self.row_sampler is None and isinstance(feature, BinnedFeature):
                weights[fitted] += feature.log_weights(codes[fitted].astype(np.intp))
        return np.exp(weights)

    def _fit_shared(
        self, evaluate: Evaluate, spec: SurrogateSpec, rows: EncodedRows
    ) -> tuple[LocalFits, int]:
        fits = self._fit_samples(spec, rows)
        doubled = self
        for _ in range(MAX_DOUBLINGS if self.stability is not None else 0):
            unstable = np.flatnonzero(~doubled._is_stable(fits))
            if unstable.size == 0:
                break
            points = doubled.sampler.points.longer(2)
            doubled = replace(doubled, sampler=replace(self.sampler, points=points)).evaluate_shared(evaluate)
            fits.put(unstable, doubled._fit_samples(spec, rows.take(unstable)))
        return fits, doubled.n_samples - self.n_samples

    def _fit_samples(self, spec: SurrogateSpec, rows: EncodedRows) -> LocalFits:
        assert self.samples is not None
        assert self.predictions is not None
        return fit_shared(spec, self.samples, self.predictions, rows, self.sampler.points)

    def _is_stable(self, fits: LocalFits) -> Bools:
        """Rows (n_rows,) whose selected features lead the others with the required confidence."""
        counts, which = np.unique(fits.n_samples, return_inverse=True)
        n_blocks = np.array([split_points(self.sampler.points.first(int(n)))[2] for n in counts])
        least = student_quantile(self.stability, n_blocks - 1.0)
        return ~(fits.margin.min(axis=1) < least[which.ravel()])


def _insert_effects(fits: LocalFits, pairs: Codes, effects: list[LevelEffect]) -> None:
    """Put effects of unseen levels, and their errors, at pairs (n, 2) of row and feature, in place."""
    for (row, feature), effect in zip(pairs, effects, strict=True):
        cell, design = (row, feature), fits.row_design[row, feature]
        fits.coefficients[cell], fits.std_errors[cell] = effect.value / design, effect.error / abs(design)
        fits.dof[cell], fits.shared[cell] = effect.dof, effect.components / design
        fits.selected[cell] = True
        fits.surrogate_outputs[row] += effect.value
        both = fits.surrogate_std_errors[row] ** 2, effect.error**2
        fits.output_dof[row] = satterthwaite(both, (fits.output_dof[row], effect.dof))
        fits.surrogate_std_errors[row] = np.sqrt(sum(both))
