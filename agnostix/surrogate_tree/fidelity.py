"""Fidelity of a surrogate tree to the model, with intervals.

Agreement of labels has a Clopper-Pearson interval, R2 a standard error by the delta method, the
Kullback-Leibler divergence that of a mean. Trees of a cross-fit share training rows, which inflates variances
(Nadeau and Bengio, 2003): n rows count as n / variance_inflation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import rel_entr
from scipy.stats import beta
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d

from agnostix.core.explanation.views import table_html
from agnostix.core.frames import missing_as_nan
from agnostix.core.models.outputs import are_probabilities
from agnostix.core.typing import Floats

LEVEL = 0.95
"""Coverage of the intervals."""
SMALLEST_PROBABILITY = 1e-6
"""Floor of the tree's probabilities in a Kullback-Leibler divergence, which would be infinite at 0."""


@dataclass(frozen=True)
class Fidelity:
    """Agreement of a surrogate tree with the model on rows it was not grown on.

    Attributes
    ----------
    label, label_low, label_high : float or None
        Fraction of rows with the same label, and its 95 % interval (Clopper-Pearson); None for regression.
    r2, r2_std_error : float
        R2 of the tree's outputs against the model's predictions, over all outputs; 1 and 0 if the
        predictions are constant.
    r2_outputs, r2_outputs_std_errors : ndarray of shape (n_outputs,)
        The same for each output.
    kl, kl_std_error : float or None
        Mean Kullback-Leibler divergence of the tree's probabilities from the model's, in nats; None
        unless the model predicts probabilities.
    accuracy_model, accuracy_tree, accuracy_both : float or None
        Accuracy of the model, of the tree, and fraction of rows where both are right; for regression the R2
        of the first two. None if y is unknown.
    n_rows : int
        Rows it was measured on.
    n_effective : float
        Independent rows that these are worth; fewer for a cross-fit.
    source : {"cross-fitted", "held out", "new rows"}
        Whether each row was predicted by a tree grown without it, rows were held out, or the rows were
        passed to ``MimicTree.fidelity``.
    """

    label: float | None
    label_low: float | None
    label_high: float | None
    r2: float
    r2_std_error: float
    r2_outputs: Floats
    r2_outputs_std_errors: Floats
    kl: float | None
    kl_std_error: float | None
    accuracy_model: float | None
    accuracy_tree: float | None
    accuracy_both: float | None
    n_rows: int
    n_effective: float
    source: str

    def _repr_html_(self) -> str:
        """What was measured, line by line."""
        lines = [
            ("same label", self.label, None, self.label_low, self.label_high),
            ("R2", self.r2, self.r2_std_error, None, None),
            ("Kullback-Leibler divergence", self.kl, self.kl_std_error, None, None),
            ("accuracy of the model", self.accuracy_model, None, None, None),
            ("accuracy of the tree", self.accuracy_tree, None, None, None),
            ("both right", self.accuracy_both, None, None, None),
        ]
        names = ["measure", "value", "std error", "low", "high"]
        title = f"Fidelity, {self.source}: {self.n_rows:,} rows"
        return table_html(title, names, [line for line in lines if line[1] is not None])

    def with_accuracies(self, predictions: Floats, outputs: Floats, y: Any, classes: Any) -> Fidelity:
        """With accuracies, or R2 where classes are None, of predictions and outputs (n_rows, n_outputs)."""
        if classes is None:
            truth = np.asarray(missing_as_nan(y)).reshape(predictions.shape[0], -1)
            model, tree = (float(r2_score(truth, values)) for values in (predictions, outputs))
            return replace(self, accuracy_model=model, accuracy_tree=tree)
        truth = column_or_1d(np.asarray(missing_as_nan(y)))
        model, tree = (classes[values.argmax(axis=1)] == truth for values in (predictions, outputs))
        return replace(
            self,
            accuracy_model=float(model.mean()),
            accuracy_tree=float(tree.mean()),
            accuracy_both=float((model & tree).mean()),
        )


def measure_fidelity(
    predictions: Floats,
    outputs: Floats,
    is_classifier: bool,
    source: str,
    variance_inflation: float = 1.0,
    weights: Floats | None = None,
) -> Fidelity:
    """Compare the model's predictions with a tree's outputs, both (n_rows, n_outputs), weights (n_rows,)."""
    n_rows = predictions.shape[0]
    n_effective = n_kish(n_rows, weights) / variance_inflation
    same = (predictions.argmax(1) == outputs.argmax(1)).astype(float)
    label = weighted_mean(same, weights) if is_classifier else None
    low, high = (None, None) if label is None else clopper_pearson(label * n_effective, n_effective)
    r2, r2_std_error = r2_with_error(predictions, outputs, variance_inflation, weights)
    by_output = [
        r2_with_error(predictions[:, [k]], outputs[:, [k]], variance_inflation, weights)
        for k in range(predictions.shape[1])
    ]
    kl = kl_divergence(predictions, outputs) if is_classifier and are_probabilities(predictions) else None
    return Fidelity(
        label=label,
        label_low=low,
        label_high=high,
        r2=r2,
        r2_std_error=r2_std_error,
        r2_outputs=np.array([value for value, _ in by_output]),
        r2_outputs_std_errors=np.array([error for _, error in by_output]),
        kl=None if kl is None else weighted_mean(kl, weights),
        kl_std_error=None if kl is None else standard_error(kl, weights, variance_inflation),
        accuracy_model=None,
        accuracy_tree=None,
        accuracy_both=None,
        n_rows=n_rows,
        n_effective=n_effective,
        source=source,
    )


def clopper_pearson(hits: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Exact binomial interval (Clopper and Pearson, 1934) for hits of n, which need not be whole."""
    tail, misses = (1.0 - level) / 2.0, n - hits
    low = 0.0 if hits <= 0 else float(beta.ppf(tail, hits, misses + 1.0))
    high = 1.0 if misses <= 1e-9 * n else float(beta.ppf(1.0 - tail, hits + 1.0, misses))
    return low, high


def r2_with_error(
    predictions: Floats, outputs: Floats, variance_inflation: float = 1.0, weights: Floats | None = None
) -> tuple[float, float]:
    """R2 over all outputs and its standard error by the delta method; 1 and 0 if nothing varies."""
    residual = ((outputs - predictions) ** 2).sum(axis=1)
    total = ((predictions - np.average(predictions, axis=0, weights=weights)) ** 2).sum(axis=1)
    mean_total = weighted_mean(total, weights)
    if mean_total <= 1e-24 * weighted_mean((predictions**2).sum(axis=1), weights) or not total.any():
        return 1.0, 0.0
    ratio = weighted_mean(residual, weights) / mean_total
    influence = (residual - ratio * total) / mean_total
    return float(1.0 - ratio), standard_error(influence, weights, variance_inflation)


def kl_divergence(predictions: Floats, outputs: Floats) -> Floats:
    """Divergence of the tree's probabilities from the model's for each row, in nats, shape (n_rows,)."""
    floored = np.maximum(outputs, SMALLEST_PROBABILITY)
    normalized = floored / floored.sum(axis=1, keepdims=True)
    return rel_entr(np.maximum(predictions, 0.0), normalized).sum(axis=1)


def weighted_mean(values: Floats, weights: Floats | None) -> float:
    """Mean of values (n_rows,), weights None for equal ones."""
    return float(values.mean()) if weights is None else float(np.average(values, weights=weights))


def n_kish(n_rows: int, weights: Floats | None) -> float:
    """Rows of equal weight that weighted rows are worth (Kish)."""
    return float(n_rows) if weights is None else float(weights.sum() ** 2 / np.square(weights).sum())


def standard_error(values: Floats, weights: Floats | None, variance_inflation: float = 1.0) -> float:
    """Standard error of the weighted mean of values (n_rows,)."""
    n = values.size
    if n < 2:
        return 0.0
    if weights is None:
        return float(np.sqrt(variance_inflation * values.var(ddof=1) / n))
    influence = weights * (values - np.average(values, weights=weights)) / weights.sum()
    return float(np.sqrt(variance_inflation * np.square(influence).sum() * n / (n - 1)))
