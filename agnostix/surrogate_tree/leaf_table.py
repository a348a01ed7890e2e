"""`leaves_` of MimicTree: one row for each leaf, every number with its 95 % interval.

Means and deviations are of the model's predictions for observed rows. As with contributions, the splits were
chosen to keep a leaf's rows close together, so that errors follow from residuals of cross-fitted trees:
predictions less the mean of the observed rows in the leaf of a tree that was grown without the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.intervals import INTERVALS
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.measures import (
    LEVEL,
    ROUNDING,
    clopper_pearson,
    loss_measure,
    n_carrying,
    n_kish,
    proportion,
    spread_dof,
)
from agnostix.surrogate_tree.training_rows import Units

Columns = dict[str, Any]


@dataclass(frozen=True)
class LeafPredictions:
    """The model's predictions for observed rows, and what trees grown without each row expect."""

    predictions: Floats  # (n_observed, n_outputs)
    expected: Floats  # (n_observed, n_outputs)
    weights: Floats  # (n_observed,)
    are_probabilities: bool  # between 0 and 1, and their deviations up to 1/2

    def columns(self, parts: list[Codes], names: tuple[str, ...], units: Units) -> Columns:
        """Mean and standard deviation of each output in each leaf's rows."""
        columns: Columns = {}
        means = np.array([self._means(rows) for rows in parts])  # (n_leaves, 4, n_outputs)
        deviations = np.array([self._deviations(rows) for rows in parts])  # (n_leaves, 3, n_outputs)
        ends = units.decode(means[:, [0, 2, 3]])
        errors, deviations = units.decode_differences(means[:, 1]), units.decode_differences(deviations)
        if self.are_probabilities:
            ends[:, 1:], deviations[:, 1:] = (
                np.clip(ends[:, 1:], 0.0, 1.0),
                np.minimum(deviations[:, 1:], 0.5),
            )
        for k, name in enumerate(names):
            columns |= {
                f"mean {name}": ends[:, 0, k],
                f"mean_std_error {name}": errors[:, k],
                f"mean_low {name}": ends[:, 1, k],
                f"mean_high {name}": ends[:, 2, k],
                f"sd {name}": deviations[:, 0, k],
                f"sd_low {name}": deviations[:, 1, k],
                f"sd_high {name}": deviations[:, 2, k],
            }
        return columns

    @property
    def ranges(self) -> Floats:
        """Largest less least prediction, (n_outputs,)."""
        return np.asarray(np.ptp(self.predictions, axis=0))

    def _means(self, rows: Codes) -> Floats:
        """Mean, standard error, low and high, each (n_outputs,)."""
        share = self.weights[rows] / self.weights[rows].sum()
        mean = share @ self.predictions[rows]
        influence = share[:, None] * (self.predictions[rows] - self.expected[rows])
        n = rows.size
        errors = np.sqrt(np.square(influence).sum(axis=0) * n / max(n - 1, 1))
        parts = [mean, errors, np.zeros_like(mean), np.zeros_like(mean)]
        unseen = self.ranges / n_kish(n, share)
        for k, column in enumerate(influence.T):
            kind, dof = "student", spread_dof(column) if n > 1 else 1.0
            if not errors[k] ** 2 > ROUNDING * self.ranges[k] ** 2:
                kind, errors[k] = "rule_of_three", unseen[k]
            one = (mean[[k]], errors[[k]], np.array([max(dof, 1.0)]))
            low, high = INTERVALS[kind](*one, LEVEL)
            parts[2][k], parts[3][k] = low[0], high[0]
        return np.array(parts)

    def _deviations(self, rows: Codes) -> Floats:
        """Standard deviation, low and high, each (n_outputs,)."""
        own = self.weights[rows]
        share = own / own.sum()
        centered = self.predictions[rows] - share @ self.predictions[rows]
        deviation = np.sqrt(share @ centered**2)
        squares = (self.predictions[rows] - self.expected[rows]) ** 2
        ends = []
        for k, variance in enumerate(deviation**2):
            if not variance > ROUNDING * self.ranges[k] ** 2:
                unseen = loss_measure(np.zeros(rows.size), float(self.ranges[k]) ** 2, 1.0, own)
                ends.append((0.0, np.sqrt(unseen.ends()[1])))
                continue
            influence = share * (squares[:, k] / variance - 1.0)  # of log(variance)
            dof = min(spread_dof(influence), n_carrying(squares[:, k], own) - 1.0)
            error = np.sqrt(np.square(influence).sum())
            kind = "log" if dof >= 1.0 else "undetermined"
            low, high = INTERVALS[kind](*(np.array([v]) for v in (variance, variance * error, dof)), LEVEL)
            ends.append((np.sqrt(max(low[0], 0.0)), np.sqrt(high[0])))
        return np.array([deviation, *np.array(ends).T])


@dataclass(frozen=True)
class LeafTests:
    """Held-out rows by the leaf that each reaches."""

    leaf: Codes  # (n_held_out,)
    predictions: Floats  # (n_held_out, n_outputs), the model's
    outputs: Floats  # (n_held_out, n_outputs), of trees grown without these rows
    weights: Floats | None  # (n_held_out,)
    variance_inflation: float

    def columns(self, leaves: Codes, units: Units, is_classifier: bool) -> Columns:
        """Rows tested, agreement of labels and root mean squared distance in each leaf."""
        inside = [np.flatnonzero(self.leaf == leaf) for leaf in leaves]
        columns: Columns = {"n_tested": np.array([rows.size for rows in inside])}
        if is_classifier:
            hits = (self.predictions.argmax(axis=1) == self.outputs.argmax(axis=1)).astype(float)
            fidelity = np.array([self._fidelity(hits, rows) for rows in inside])
            columns["fidelity"], columns["fidelity_low"], columns["fidelity_high"] = fidelity.T
        relative, exponent = units.relative_squares(self.predictions - self.outputs)
        spread = units.relative_squares(np.ptp(self.predictions, axis=0)[None])[0][0]
        errors = np.array([self._error(relative, spread, rows) for rows in inside])
        errors = np.ldexp(np.sqrt(errors), exponent)
        columns["rmse"], columns["rmse_low"], columns["rmse_high"] = errors.T
        return columns

    def _fidelity(self, hits: Floats, rows: Codes) -> tuple[float, float, float]:
        """Agreement of labels with its interval; NaN where nothing was tested."""
        if not rows.size:
            return np.nan, 0.0, 1.0
        own = self._weights(rows)
        share = float(np.average(hits[rows], weights=own))
        n = n_kish(rows.size, own) / self.variance_inflation
        return share, *clopper_pearson(share * n, n)

    def _error(self, squares: Floats, largest: float, rows: Codes) -> tuple[float, float, float]:
        """Mean squared distance with its interval; NaN where nothing was tested."""
        if not rows.size:
            return np.nan, np.nan, np.nan
        measure = loss_measure(squares[rows], float(largest), self.variance_inflation, self._weights(rows))
        return measure.value, *measure.ends()

    def _weights(self, rows: Codes) -> Floats | None:
        return None if self.weights is None else self.weights[rows]


def coverage_columns(inside: list[Bools], weights: Floats) -> Columns:
    """Fraction of the observed rows in each leaf, by weight, with Wilson's interval."""
    shares = np.array([weights[rows].sum() for rows in inside]) / weights.sum()
    n = n_kish(weights.size, weights)
    low, high = np.array([proportion(float(share), n).ends() for share in shares]).T
    return {"coverage": shares, "coverage_low": low, "coverage_high": high}
