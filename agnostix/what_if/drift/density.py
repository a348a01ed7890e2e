"""The metric in A under B's covariates: a density ratio and a regression, cross-fitted and doubly robust.

A classifier tells B's rows from A's; its odds, where both tables weigh the same, are the density ratio of B
to A. A regression learns the metric's mean mu(x) on A. Both are fitted on four fifths of the rows and
predict the fifth. The mean under B's covariates is then

    mean_B mu + mean_A ratio (loss - mu) / mean_A ratio

whose error is the product of both models' errors (augmented inverse probability weighting, Robins, Rotnitzky
and Zhao, 1994; cross-fitted, Chernozhukov et al., 2018). Of a linear model, one with squares and products
and boosted trees, the one with the least loss on rows that it has not seen is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.drift.encoding import Encoded
from agnostix.what_if.drift.tables import N_FOLDS, Side

_TREES = {"max_iter": 80, "learning_rate": 0.08, "max_leaf_nodes": 12, "early_stopping": False}
_LEAST_ODDS = 1e-6
Learner = Callable[[Any, Any, Any, Any], Floats]
"""From rows, targets and weights to learn from, and rows to predict, to predictions of these."""


@dataclass(frozen=True)
class DensityRatio:
    """Density ratio of B to A in each row of A."""

    values: Floats  # (n_rows_a,), of base mean 1
    model: str  # the classifier that was chosen
    auc: float  # of telling B's rows from A's
    clipped: int  # rows of A whose ratio was cut
    ess: float  # effective rows of A

    @classmethod
    def fit(
        cls, encoded: Encoded, a: Side, b: Side, max_ratio: float, seed: int, n_jobs: int | None
    ) -> DensityRatio:
        """Cross-fitted odds, calibrated by a logistic regression on them, cut at max_ratio."""
        is_b = np.r_[np.zeros(a.n_rows), np.ones(b.n_rows)]
        weight = np.r_[a.base * a.n_rows, b.base * a.n_rows]  # both tables weigh the same
        folds = np.r_[a.folds, b.folds]
        odds, model = _best(
            [
                ("logistic regression", encoded.linear, _logistic),
                ("logistic regression with squares and products", encoded.quadratic, _logistic),
                ("boosted trees", encoded.raw, _TreesOfOdds(seed, encoded.is_label)),
            ],
            is_b,
            weight,
            folds,
            _log_loss,
            n_jobs,
        )
        calibrated = _calibrate(odds, is_b, weight)
        ratio = np.exp(calibrated[: a.n_rows])
        ratio /= a.base @ ratio
        clipped = ratio > max_ratio
        ratio = np.minimum(ratio, max_ratio)
        ratio /= a.base @ ratio
        carried = a.base * ratio
        auc = _area(calibrated, is_b, weight)
        return cls(ratio, model, auc, int(clipped.sum()), float(1.0 / (carried @ carried)))


@dataclass(frozen=True)
class CovariateShift:
    """The metric in A under B's covariates, with the influence of each row on it."""

    value: float
    psi_a: Floats  # (n_rows_a,)
    psi_b: Floats  # (n_rows_b,)
    model: str  # the regression that was chosen

    @classmethod
    def fit(
        cls, encoded: Encoded, a: Side, b: Side, ratio: Floats, seed: int, n_jobs: int | None
    ) -> CovariateShift:
        """Doubly robust means of the metric's numerator and denominator, and their ratio."""
        mean, psi_a, psi_b, model = _robust_mean(a.quantity.numerator, encoded, a, b, ratio, seed, n_jobs)
        if a.quantity.is_mean:
            return cls(mean, psi_a, psi_b, model)
        below, below_a, below_b, _ = _robust_mean(a.quantity.denominator, encoded, a, b, ratio, seed, n_jobs)
        value = mean / below if below > 0.0 else np.nan
        return cls(value, (psi_a - value * below_a) / below, (psi_b - value * below_b) / below, model)


def _robust_mean(
    loss: Floats, encoded: Encoded, a: Side, b: Side, ratio: Floats, seed: int, n_jobs: int | None
) -> tuple[float, Floats, Floats, str]:
    """Mean of a loss (n_rows_a,) under B's covariates, influence of A's and B's rows, and the regression."""
    mu, mu_b, model = _regress(loss, encoded, a, seed, n_jobs)
    carried = a.base * ratio
    left = loss - mu
    correction = float(carried @ left)
    psi_a = carried * (left - correction)
    over_b = float(b.base @ mu_b)
    return over_b + correction, psi_a, b.base * (mu_b - over_b), model


def _regress(
    loss: Floats, encoded: Encoded, a: Side, seed: int, n_jobs: int | None
) -> tuple[Floats, Floats, str]:
    """Mean loss of A's rows by models that have not seen them, of B's by the mean of all, and the model."""
    n_b = encoded.raw.shape[0] - a.n_rows
    low, high = float(loss.min()), float(loss.max())
    candidates = [
        ("least squares", encoded.linear, _ridge),
        ("least squares with squares and products", encoded.quadratic, _ridge),
        ("boosted trees", encoded.raw, _TreesOfMeans(seed, encoded.is_label)),
    ]
    jobs, keys = [], []
    for name, rows, learn in candidates:
        for fold in range(N_FOLDS):
            seen, new = a.folds != fold, a.folds == fold
            ahead = np.vstack([rows[: a.n_rows][new], rows[a.n_rows :]])
            jobs.append(
                delayed(_quietly)(learn, rows[: a.n_rows][seen], loss[seen], a.base[seen] * a.n_rows, ahead)
            )
            keys.append((name, new))
    mu = {name: np.zeros(a.n_rows) for name, _, _ in candidates}
    mu_b = {name: np.zeros(n_b) for name, _, _ in candidates}
    for (name, new), found in zip(keys, Parallel(n_jobs=n_jobs, prefer="threads")(jobs), strict=True):
        known = np.clip(found, low, high)
        mu[name][new] = known[: int(new.sum())]
        mu_b[name] += known[int(new.sum()) :] / N_FOLDS
    best = min(mu, key=lambda name: float(a.base @ (loss - mu[name]) ** 2))
    return mu[best], mu_b[best], best


def _best(
    candidates: Sequence[tuple[str, Floats, Learner]],
    target: Floats,
    weight: Floats,
    folds: Codes,
    measure: Callable[[Floats, Floats, Floats], float],
    n_jobs: int | None,
) -> tuple[Floats, str]:
    """Predictions (n_rows,) of rows that were not seen, by the candidate with the least loss."""
    used = np.unique(folds)  # few clusters are in few folds
    jobs = [
        delayed(_quietly)(learn, rows[folds != f], target[folds != f], weight[folds != f], rows[folds == f])
        for _, rows, learn in candidates
        for f in used
    ]
    results = iter(Parallel(n_jobs=n_jobs, prefer="threads")(jobs))
    predicted = {}
    for name, _, _ in candidates:
        predicted[name] = np.zeros(target.size)
        for f in used:
            predicted[name][folds == f] = next(results)
    best = min(predicted, key=lambda name: measure(predicted[name], target, weight))
    return predicted[best], best


def _quietly(learn: Learner, rows: Any, target: Any, weight: Any, ahead: Any) -> Floats:
    # Tables are small: on a busy machine boosted trees wait longer for OpenMP's threads than they compute.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="openmp"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return learn(rows, target, weight, ahead)


def _logistic(rows: Floats, target: Floats, weight: Floats, ahead: Floats) -> Floats:
    model = LogisticRegression(solver="newton-cholesky", max_iter=100)
    return model.fit(rows, target, sample_weight=weight).decision_function(ahead)


def _ridge(rows: Floats, target: Floats, weight: Floats, ahead: Floats) -> Floats:
    return Ridge(alpha=1.0).fit(rows, target, sample_weight=weight).predict(ahead)


@dataclass(frozen=True)
class _TreesOfOdds:
    """Log odds by boosted trees."""

    seed: int
    is_label: Bools

    def __call__(self, rows: Floats, target: Floats, weight: Floats, ahead: Floats) -> Floats:
        model = HistGradientBoostingClassifier(
            **_TREES, categorical_features=self.is_label, random_state=self.seed
        )
        return clone(model).fit(rows, target, sample_weight=weight).decision_function(ahead)


@dataclass(frozen=True)
class _TreesOfMeans:
    """Means by boosted trees."""

    seed: int
    is_label: Bools

    def __call__(self, rows: Floats, target: Floats, weight: Floats, ahead: Floats) -> Floats:
        model = HistGradientBoostingRegressor(
            **_TREES, categorical_features=self.is_label, random_state=self.seed
        )
        return clone(model).fit(rows, target, sample_weight=weight).predict(ahead)


def _log_loss(log_odds: Floats, target: Floats, weight: Floats) -> float:
    sign = 2.0 * target - 1.0
    return float(weight @ np.logaddexp(0.0, -sign * log_odds))


def _calibrate(log_odds: Floats, target: Floats, weight: Floats) -> Floats:
    """Log odds through a logistic regression on them (Platt's scaling)."""
    bounded = np.clip(log_odds, np.log(_LEAST_ODDS), -np.log(_LEAST_ODDS))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky")
    return _quietly_fit(model, bounded[:, None], target, weight).decision_function(bounded[:, None])


def _quietly_fit(model: Any, rows: Floats, target: Floats, weight: Floats) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows, target, sample_weight=weight)


def _area(score: Floats, is_b: Floats, weight: Floats) -> float:
    """Weighted area under the ROC curve."""
    _, rank = np.unique(score, return_inverse=True)
    up = np.bincount(rank, weight * is_b)
    down = np.bincount(rank, weight * (1.0 - is_b))
    below = np.cumsum(down) - 0.5 * down
    return float(up @ below / (up.sum() * down.sum()))
