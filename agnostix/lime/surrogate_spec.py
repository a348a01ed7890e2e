"""What is fitted near each row of a table: the surrogate, the kernel pi_x, and how many features."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from itertools import chain

import numpy as np

from agnostix.core.designs import Design
from agnostix.core.evaluate import WorkerProgress, run_in_shares
from agnostix.core.reproducibility import one_blas_thread
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.sampling import Kernel
from agnostix.lime.surrogates import Surrogate, fit_each_output, fit_surrogate
from agnostix.lime.tabular_samples import BinSamples, InterpretableSamples
from agnostix.lime.weighted_regression import WeightedRegression
from agnostix.lime.wide_regression import WideRegression


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
        if not np.array_equal(rows.outputs[row], np.arange(predictions.shape[1])):
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
