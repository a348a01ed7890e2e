"""LIME with infinitely many samples: the surrogate from the exact moments of a model.

With S the diagonal covariance of the z_j under the weighted distribution, kappa the covariances of the model
with them, and N the number of samples times their mean weight, the ridge coefficients are

    (S + ridge / N I)^-1 kappa:

the penalty is that of the explainer's own number of samples.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError
from agnostix.lime.exact_additive import AdditiveModel
from agnostix.lime.exact_moments import ModelMoments, row_frequencies, tilt
from agnostix.lime.exact_trees import tree_moments
from agnostix.lime.features import BinnedFeature
from agnostix.lime.influences import N_COMPONENTS
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.neighborhood import NeighborhoodFits, TabularNeighborhood
from agnostix.lime.results import to_attribution
from agnostix.lime.sampling import TiltedSampling
from agnostix.lime.surrogates import RIDGE

_TINY = 1e-200
"""Lower bound of a divisor, so that a variance or weight of 0 gives no NaN."""
_CONSTANT = 1e-14
"""Variance, relative to the mean square, below which predictions are constant up to rounding."""


class ExactRidge(NamedTuple):
    """Ridge regressions with a free intercept, in model output units.

    Attributes
    ----------
    coefficients : (n_rows, n_features, n_outputs)
    intercept, outputs : (n_rows, n_outputs)
        The surrogate where all z are 0, and at the row, where all are 1.
    r2 : (n_rows, n_outputs) or None
        None without the model's mean square; NaN for constant predictions.
    """

    coefficients: Floats
    intercept: Floats
    outputs: Floats
    r2: Floats | None


def exact_ridge(
    alpha: Floats, weight: Floats, n_samples: float, moments: ModelMoments, ridge: float = RIDGE
) -> ExactRidge:
    """The regression on independent z with P(z = 1) alpha (n_rows, n_features), mean weight (n_rows,)."""
    variance = (alpha * (1.0 - alpha))[..., None]
    penalty = (ridge / np.maximum(n_samples * weight, _TINY))[:, None, None]
    coefficients = np.where(variance > 0.0, moments.kappa / np.maximum(variance + penalty, _TINY), 0.0)
    intercept = moments.mean - _sum_features(alpha[..., None] * coefficients)
    r2 = None
    if moments.square is not None:
        total = moments.square - moments.mean**2
        # Shrunken coefficients b explain 2 b'kappa - b'S b, not b'kappa.
        explained = _sum_features(coefficients * (2.0 * moments.kappa - variance * coefficients))
        is_constant = total <= _CONSTANT * moments.square
        r2 = np.where(is_constant, np.nan, np.minimum(explained / np.where(is_constant, 1.0, total), 1.0))
    return ExactRidge(coefficients, intercept, intercept + _sum_features(coefficients), r2)


def explain_exactly(explainer: Any, X: Any, additive: bool = False, outputs: Any = None) -> Explanation:
    """Explain rows as a fitted LimeExplainer would with infinitely many samples."""
    neighborhood = _require_closed_form(explainer)
    sampler = neighborhood.sampler
    rows, selection = neighborhood.read(X), explainer._select_outputs(outputs)
    predictions = explainer._predict(rows)
    bins = sampler.encode(rows).astype(np.intp)
    unseen = sampler.is_unseen(bins)
    r = float(np.exp(-0.5 / explainer.kernel_width_**2))
    n_model_rows = rows.shape[0]
    if additive:
        model = AdditiveModel(explainer._evaluate, explainer._predictor.name, sampler)
        moments, n_more = model.moments(bins, r)
        fits = _fit_limits(explainer, neighborhood, bins, r, moments, predictions)
        n_model_rows += n_more + _add_unseen_effects(fits, model, rows, unseen)
    else:
        _check_seen(unseen, explainer.features_.names)
        moments, n_more = tree_moments(explainer._predictor, explainer.features_, sampler, bins, r)
        n_model_rows += n_more
        fits = _fit_limits(explainer, neighborhood, bins, r, moments, predictions)
    selected = fits.take_outputs(selection.indices(predictions))
    found = NeighborhoodFits(selected, predictions, neighborhood.details(bins), n_model_rows)
    attribution = to_attribution(explainer, rows, found)
    exp = explainer._make_explanation(rows, selection, attribution)
    return replace(exp, method="explain_exact", fidelity=None if moments.square is None else exp.fidelity)


def _require_closed_form(explainer: Any) -> TabularNeighborhood:
    """The neighborhood of a fitted explainer, if it has a closed form."""
    check_is_fitted(explainer)
    explainer._check_has_model()
    neighborhood = explainer._neighborhood
    reason = ""
    if not isinstance(neighborhood, TabularNeighborhood):
        reason = "a masker"
    elif not all(isinstance(one, BinnedFeature) for one in neighborhood.sampler.features):
        reason = "numbers without bins; use sampling='kernel'"
    elif not (isinstance(explainer.surrogate, str) and explainer.surrogate in ("ridge", "klasso")):
        reason = f"surrogate={explainer.surrogate!r}; use 'ridge'"
    elif explainer.max_features is not None:
        reason = f"max_features={explainer.max_features}; use None"
    if reason:
        raise DataError(f"explain_exact has no closed form for a LimeExplainer with {reason}.")
    assert isinstance(neighborhood, TabularNeighborhood)
    return neighborhood


def _check_seen(unseen: Bools, names: tuple[str, ...]) -> None:
    if unseen.any():
        row, j = np.argwhere(unseen)[0]
        raise DataError(
            f"Row {row} has a value of {names[j]!r} that was not seen in fit, which explain_exact cannot "
            "follow through trees. Use LimeExplainer.explain."
        )


def _fit_limits(
    explainer: Any,
    neighborhood: TabularNeighborhood,
    bins: Codes,
    r: float,
    moments: ModelMoments,
    predictions: Floats,
) -> LocalFits:
    """The surrogates of rows with bins (n_rows, n_features)."""
    frequencies = [one.frequencies for one in neighborhood.sampler.features if isinstance(one, BinnedFeature)]
    alpha, weight = tilt(row_frequencies(frequencies, bins), r)
    if isinstance(explainer.sampling_, TiltedSampling):
        weight = np.ones_like(weight)
    ridge = RIDGE if explainer.surrogate == "ridge" else 0.0
    exact = exact_ridge(alpha, weight, neighborhood.n_samples, moments, ridge)
    # Effects of rare bins are estimated outside of the regression, without its penalty.
    rare = (neighborhood.is_contrasted(bins) & (alpha > 0))[..., None]
    unpenalized = exact_ridge(alpha, weight, neighborhood.n_samples, moments, 0.0).coefficients
    correction = np.where(rare, unpenalized - exact.coefficients, 0.0)
    coefficients, by_output = exact.coefficients + correction, np.zeros_like(predictions)
    return LocalFits(
        coefficients=coefficients,
        std_errors=np.zeros_like(coefficients),
        dof=np.full(coefficients.shape, np.inf),
        is_unused=np.zeros(coefficients.shape, dtype=bool),
        shared=np.zeros((*coefficients.shape, N_COMPONENTS)),
        row_design=np.ones(bins.shape),
        surrogate_outputs=exact.outputs + correction.sum(axis=1),
        surrogate_std_errors=by_output,
        base_std_errors=by_output,
        output_dof=np.full_like(predictions, np.inf),
        r2=np.full_like(predictions, np.nan) if exact.r2 is None else exact.r2,
        r2_std_errors=by_output,
        r2_dof=np.full_like(predictions, np.inf),
        is_determined=np.ones(predictions.shape, dtype=bool),
        selected=np.ones(coefficients.shape, dtype=bool),
        margin=np.full_like(predictions, np.inf),
        effective_samples=np.full(len(bins), np.inf),
        n_samples=np.full(len(bins), neighborhood.n_samples),
    )


def _add_unseen_effects(fits: LocalFits, model: AdditiveModel, rows: Any, unseen: Bools) -> int:
    """Put in the effects of values not seen in fit, and return the model rows that they took."""
    n_model_rows = 0
    for j in np.flatnonzero(unseen.any(axis=0)):
        row_indices = np.flatnonzero(unseen[:, j])
        effects, n_more = model.unseen_effects(rows, row_indices, int(j))
        fits.coefficients[row_indices, j] = effects
        fits.surrogate_outputs[row_indices] += effects
        n_model_rows += n_more
    return n_model_rows


def _sum_features(x: Floats) -> Floats:
    """Sum (n_rows, n_outputs) over features, in their order: the same bits whatever the other rows."""
    return reduce(np.add, np.moveaxis(x, 1, 0))
