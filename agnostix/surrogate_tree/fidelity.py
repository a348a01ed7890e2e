"""Fidelity of a surrogate tree to the model, with intervals.

Agreement of labels has a Clopper-Pearson interval; those of R2 and of the Kullback-Leibler divergence are
made on logarithmic scales (`measures`). Trees of a cross-fit share training rows, which inflates variances
(Nadeau and Bengio, 2003): n rows count as n / variance_inflation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import rel_entr
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d

from agnostix.core.explanation.views import table_html
from agnostix.core.frames import missing_as_nan
from agnostix.core.models.outputs import are_probabilities
from agnostix.core.typing import Floats
from agnostix.surrogate_tree.measures import (
    CLOPPER_PEARSON,
    LEVEL,
    Measure,
    loss_measure,
    n_kish,
    paired_difference,
    proportion,
    r2_difference,
    r2_measure,
    weighted_mean,
)

SMALLEST_PROBABILITY = 1e-6
"""Floor of the tree's probabilities in a Kullback-Leibler divergence, which would be infinite at 0."""
_WORDS = {
    "label": "same label",
    "r2": "R2",
    "kl": "Kullback-Leibler divergence",
    "accuracy_model": "accuracy of the model",
    "accuracy_tree": "accuracy of the tree",
    "accuracy_both": "both right",
    "accuracy_difference": "accuracy, model less tree",
}


@dataclass(frozen=True)
class Fidelity:
    """Agreement of a surrogate tree with the model on rows it was not grown on.

    Attributes
    ----------
    measures : dict of str to Measure
        What was measured, by name: "label", "r2", "kl", "accuracy_model", "accuracy_tree", "accuracy_both",
        "accuracy_difference", those that there are; each with ``value``, ``std_error``,
        ``degrees_of_freedom``, ``kind``, ``status`` and ``ends(level)``. Of ``status`` "constant" the
        predictions are all the same, and R2 is 1 by convention; "few rows": a single row makes up nearly all
        of the spread of the predictions or of the tree's errors, so that what was not seen may be larger
        than all that was. Intervals of labels are Clopper and Pearson's, those of R2 end at 1.
    outputs_r2 : tuple of Measure
        R2 of each output.
    n_rows : int
        Rows it was measured on.
    n_effective : float
        Independent rows that these are worth; fewer for a cross-fit.
    source : {"cross-fitted", "held out", "new rows"}
        Whether each row was predicted by a tree grown without it, rows were held out, or the rows were
        passed to ``MimicTree.fidelity``.
    label : float or None
        Fraction of rows with the same label; None for regression.
    r2 : float
        R2 of the tree's outputs against the model's predictions, over all outputs.
    r2_outputs : ndarray of shape (n_outputs,)
        R2 of each output.
    kl : float or None
        Mean Kullback-Leibler divergence of the tree's probabilities from the model's, in nats; None unless
        the model predicts probabilities.
    accuracy_model, accuracy_tree, accuracy_both, accuracy_difference : float or None
        Accuracy of the model, of the tree, fraction of rows where both are right, and the first less the
        second; for regression the R2 of the first two, and their difference. None if y is unknown.
    """

    measures: dict[str, Measure]
    outputs_r2: tuple[Measure, ...]
    n_rows: int
    n_effective: float
    source: str

    def frame(self, level: float = LEVEL) -> pd.DataFrame:
        """What was measured, one row for each.

        Parameters
        ----------
        level : float, default=0.95
            Coverage of the intervals, between 0 and 1.

        Returns
        -------
        DataFrame
            With index ``measure`` and the columns value, std_error, low, high,
            degrees_of_freedom, kind and status.
        """
        rows = [
            (one.value, one.std_error, *one.ends(level), one.degrees_of_freedom, one.kind, one.status)
            for one in self.measures.values()
        ]
        names = ["value", "std_error", "low", "high", "degrees_of_freedom", "kind", "status"]
        return pd.DataFrame(rows, columns=names, index=pd.Index(list(self.measures), name="measure"))

    @property
    def label(self) -> float | None:
        """Fraction of rows with the same label."""
        return self._value("label")

    @property
    def r2(self) -> float:
        """R2 over all outputs."""
        return self.measures["r2"].value

    @property
    def r2_outputs(self) -> Floats:
        """R2 of each output."""
        return np.array([one.value for one in self.outputs_r2])

    @property
    def kl(self) -> float | None:
        """Mean Kullback-Leibler divergence."""
        return self._value("kl")

    @property
    def accuracy_model(self) -> float | None:
        """Accuracy of the model."""
        return self._value("accuracy_model")

    @property
    def accuracy_tree(self) -> float | None:
        """Accuracy of the tree."""
        return self._value("accuracy_tree")

    @property
    def accuracy_both(self) -> float | None:
        """Fraction of rows where both are right."""
        return self._value("accuracy_both")

    @property
    def accuracy_difference(self) -> float | None:
        """Accuracy of the model less that of the tree."""
        return self._value("accuracy_difference")

    def _value(self, name: str) -> float | None:
        return self.measures[name].value if name in self.measures else None

    def _repr_html_(self) -> str:
        """What was measured, line by line."""
        lines = [
            (_WORDS[name], row.value, row.std_error, row.low, row.high)
            for name, row in zip(self.measures, self.frame().itertuples(), strict=True)
        ]
        names = ["measure", "value", "std error", "low", "high"]
        return table_html(f"Fidelity, {self.source}: {self.n_rows:,} rows", names, lines)

    def with_accuracies(self, predictions: Floats, outputs: Floats, y: Any, classes: Any) -> Fidelity:
        """With accuracies, or R2 where classes are None, of predictions and outputs (n_rows, n_outputs)."""
        if classes is None:
            return replace(self, measures=self.measures | _r2_of_truth(predictions, outputs, y))
        truth = column_or_1d(np.asarray(missing_as_nan(y)))
        right = [(classes[values.argmax(axis=1)] == truth).astype(float) for values in (predictions, outputs)]
        model, tree, both = (
            proportion(float(one.mean()), float(one.size)) for one in (*right, right[0] * right[1])
        )
        own = {"accuracy_model": model, "accuracy_tree": tree, "accuracy_both": both}
        own["accuracy_difference"] = paired_difference(*right)
        return replace(self, measures=self.measures | own)


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
    measures: dict[str, Measure] = {}
    if is_classifier:
        same = weighted_mean((predictions.argmax(1) == outputs.argmax(1)).astype(float), weights)
        measures["label"] = proportion(same, n_effective, CLOPPER_PEARSON)
    measures["r2"] = r2_measure(predictions, outputs, variance_inflation, weights)
    if is_classifier and are_probabilities(predictions):
        losses, largest = kl_divergence(predictions, outputs), -float(np.log(SMALLEST_PROBABILITY))
        measures["kl"] = loss_measure(losses, largest, variance_inflation, weights)
    by_output = [
        r2_measure(predictions[:, [k]], outputs[:, [k]], variance_inflation, weights)
        for k in range(predictions.shape[1])
    ]
    return Fidelity(measures, tuple(by_output), n_rows, n_effective, source)


def _r2_of_truth(predictions: Floats, outputs: Floats, y: Any) -> dict[str, Measure]:
    """R2 of both (n_rows, n_outputs) against the truth, a mean over outputs, and their difference."""
    truth = np.asarray(missing_as_nan(y)).reshape(predictions.shape[0], -1)
    deviation = truth.std(axis=0)
    unit = np.where(deviation > 0, deviation, 1.0)  # in which the R2 over all outputs is the mean of theirs
    model, tree = (
        replace(r2_measure(truth / unit, values / unit), value=float(r2_score(truth, values)))
        for values in (predictions, outputs)
    )
    difference = r2_difference(predictions / unit, outputs / unit, truth / unit)
    difference = replace(difference, value=model.value - tree.value)
    return {"accuracy_model": model, "accuracy_tree": tree, "accuracy_difference": difference}


def kl_divergence(predictions: Floats, outputs: Floats) -> Floats:
    """Divergence of the tree's probabilities from the model's for each row, in nats, shape (n_rows,)."""
    floored = np.maximum(outputs, SMALLEST_PROBABILITY)
    normalized = floored / floored.sum(axis=1, keepdims=True)
    return rel_entr(np.maximum(predictions, 0.0), normalized).sum(axis=1)
