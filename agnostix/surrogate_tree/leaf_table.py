"""`leaves_` of MimicTree: one row for each leaf, every number with its 95 % interval.

Means and deviations are of the model's predictions for observed rows; what they estimate is the mean and the
deviation of all rows like these in the same leaf. The splits were chosen to keep a leaf's rows close together
and far from others, so that both are too good. Trees of a cross-fit know how much: in their leaves, means of
the rows they were grown on are compared with held-out rows. `HeldOutResiduals` carries this over to the
leaves of the tree, by the rows that two leaves share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from agnostix.core.intervals import interval_ends, skewed_half_widths
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.surrogate_tree.leaf_scales import LeafScales
from agnostix.surrogate_tree.measures import (
    LEVEL,
    ROUNDING,
    clopper_pearson,
    n_carrying,
    n_kish,
    proportion,
)
from agnostix.surrogate_tree.training_rows import Units

Columns = dict[str, Any]


@dataclass(frozen=True)
class HeldOutResiduals:
    """Sums over held-out rows in leaves of cross-fitted trees, for each leaf of the tree by rows it shares.

    A held-out row counts for a leaf by the fraction of the rows in its own tree's leaf that are in that leaf.
    """

    weight: Floats  # (n_leaves, 1)
    residual: Floats  # (n_leaves, n_outputs), weighted
    squares: Floats  # (n_leaves, n_outputs), weighted
    fourths: Floats  # (n_leaves, n_outputs), squares of the weighted squares

    @classmethod
    def zero(cls, n_leaves: int, n_outputs: int) -> HeldOutResiduals:
        """Of no rows."""
        return cls(np.zeros((n_leaves, 1)), *np.zeros((3, n_leaves, n_outputs)))

    def add(
        self, grown_on: tuple[Codes, Codes, Floats], held_out: tuple[Codes, Floats, Floats]
    ) -> HeldOutResiduals:
        """With those of one tree of the cross-fit.

        Of the rows it was grown on, the places of the tree's leaves (n,), its own leaves and weights; of
        held-out rows its leaves (n_held_out,), residuals (n_held_out, n_outputs) and weights.
        """
        leaf, own, weights = grown_on
        n_own, shape = int(own.max()) + 1, (len(self.weight), int(own.max()) + 1)
        shared = csr_matrix((weights, (leaf, own)), shape=shape)
        fraction = shared.multiply(1.0 / np.maximum(np.bincount(own, weights, n_own), 1e-300)).tocsr()
        own, residuals, weights = held_out
        by_leaf = csr_matrix((np.ones(own.size), (own, np.arange(own.size))), shape=(n_own, own.size))
        part = weights[:, None]
        sums = [part, part * residuals, part * residuals**2, (part * residuals**2) ** 2]
        added = [fraction @ (by_leaf @ one) for one in sums]
        return HeldOutResiduals(
            self.weight + added[0],
            self.residual + added[1],
            self.squares + added[2],
            self.fourths + added[3],
        )

    def mean_residual(self) -> Floats:
        """By how much held-out rows lie above what was expected of them, (n_leaves, n_outputs)."""
        return np.asarray(self.residual / np.maximum(self.weight, 1e-300))

    def mean_square(self) -> Floats:
        """Mean squared residual, (n_leaves, n_outputs)."""
        return np.asarray(self.squares / np.maximum(self.weight, 1e-300))

    def n_carrying(self) -> Floats:
        """Rows that the squares are worth (Kish), (n_leaves, n_outputs)."""
        return np.asarray(self.squares**2 / np.maximum(self.fourths, 1e-300))


@dataclass(frozen=True)
class LeafPredictions:
    """The model's predictions for observed rows, and what trees grown without each row expect."""

    predictions: Floats  # (n_observed, n_outputs)
    expected: Floats  # (n_observed, n_outputs)
    held_out: HeldOutResiduals
    weights: Floats  # (n_observed,)
    are_probabilities: bool  # between 0 and 1, and their deviations up to 1/2

    def columns(self, parts: list[Codes], names: tuple[str, ...], units: Units) -> Columns:
        """Mean and standard deviation of each output in each leaf's rows."""
        scales = self._scales(parts)
        skewness = self._skewness(parts, scales)
        # (n_leaves, 4, n_outputs)
        means = np.array([self._means(k, scales, skewness, rows) for k, rows in enumerate(parts)])
        deviations = np.array([self._deviations(k, scales, rows) for k, rows in enumerate(parts)])
        ends = units.decode(means[:, [0, 2, 3]])
        with np.errstate(over="ignore"):  # predictions near the largest number: an end is infinite
            errors, deviations = units.decode_differences(means[:, 1]), units.decode_differences(deviations)
        if self.are_probabilities:
            ends[:, 1:] = np.clip(ends[:, 1:], 0.0, 1.0)
            deviations[:, 2:] = np.minimum(deviations[:, 2:], 0.5)
        columns: Columns = {}
        for k, name in enumerate(names):
            columns |= {
                f"mean {name}": ends[:, 0, k],
                f"mean_std_error {name}": errors[:, k],
                f"mean_low {name}": ends[:, 1, k],
                f"mean_high {name}": ends[:, 2, k],
                f"sd {name}": deviations[:, 0, k],
                f"sd_std_error {name}": deviations[:, 1, k],
                f"sd_low {name}": deviations[:, 2, k],
                f"sd_high {name}": deviations[:, 3, k],
            }
        return columns

    @property
    def _ranges(self) -> Floats:
        """Largest less least prediction, (n_outputs,)."""
        return np.asarray(np.ptp(self.predictions, axis=0))

    def _means(self, k: int, scales: list[LeafScales | None], skewness: Floats, rows: Codes) -> Floats:
        """Mean, standard error, low and high, each (n_outputs,), of the rows (n,) of the k-th leaf."""
        share = self.weights[rows] / self.weights[rows].sum()
        mean, n = share @ self.predictions[rows], n_kish(rows.size, share)
        residuals = share[:, None] * (self.predictions[rows] - self.expected[rows])
        own = np.square(residuals)
        usual, limits = np.array([(0.0, np.inf) if s is None else s.at(k) for s in scales]).T
        # How far rows are apart, the leaf's own or those of all leaves; and how far they are off together: by
        # rows of leaves like it, or by half of what other trees differ, which has noise of its own.
        apart = np.maximum(own.sum(axis=0) * rows.size / max(rows.size - 1, 1), usual / n)
        together = np.maximum(np.abs(self.held_out.mean_residual()[k]), np.abs(residuals.sum(axis=0)) / 2.0)
        errors = np.hypot(np.sqrt(apart), together)
        seen = errors > ROUNDING**0.5 * self._ranges
        carrying = np.maximum([n_carrying(one, None) for one in own.T], self.held_out.n_carrying()[k])
        dof = np.maximum(np.minimum(carrying, limits / 2.0), 1.0)
        below, above = skewed_half_widths(np.where(seen, errors, 0.0), LEVEL, dof, skewness / np.sqrt(n))
        errors = np.where(seen, errors, self._ranges / n)
        low, high = interval_ends(mean, errors, LEVEL, kinds="rule_of_three")
        return np.array([mean, errors, np.where(seen, mean - below, low), np.where(seen, mean + above, high)])

    def _skewness(self, parts: list[Codes], scales: list[LeafScales | None]) -> Floats:
        """Skewness (n_outputs,) of the residuals of all leaves' rows, in units of each leaf."""
        skewness = np.zeros(len(scales))
        for j, scale in enumerate(scales):
            if scale is not None:
                residuals = self.predictions[:, j] - self.expected[:, j]
                units = zip(parts, np.sqrt(scale.moderated), strict=True)
                relative = np.concatenate([residuals[rows] / unit for rows, unit in units])
                skewness[j] = np.mean(relative**3) / np.mean(relative**2) ** 1.5
        return skewness

    def _deviations(self, k: int, scales: list[LeafScales | None], rows: Codes) -> Floats:
        """Standard deviation, error, low and high, each (n_outputs,), of the rows (n,) of the k-th leaf."""
        share = self.weights[rows] / self.weights[rows].sum()
        unseen = self._ranges**2 / n_kish(rows.size, share)
        variance = share @ (self.predictions[rows] - share @ self.predictions[rows]) ** 2
        variance = np.where(variance > ROUNDING * self._ranges**2, variance, 0.0)
        columns = [
            _root_with_error(value, float(most), scale, k)
            for value, most, scale in zip(variance, unseen, scales, strict=True)
        ]
        return np.array(columns).T

    def _scales(self, parts: list[Codes]) -> list[LeafScales | None]:
        """Mean squares of the rows (n,) of each leaf, of each output."""
        squares, weights = (self.predictions - self.expected) ** 2, [self.weights[rows] for rows in parts]
        squares = np.where(squares > ROUNDING * self._ranges**2, squares, 0.0)
        usual = self.held_out.mean_square()
        return [
            LeafScales.from_squares([own[rows] for rows in parts], weights, usual[:, j])
            for j, own in enumerate(squares.T)
        ]


def _root_with_error(
    square: float, unseen: float, scales: LeafScales | None, k: int
) -> tuple[float, float, float, float]:
    """Root of a mean square of the k-th leaf, its error, low and high; `unseen` is the rule of three's."""
    error, high = np.sqrt(unseen), interval_ends(0.0, unseen, LEVEL, np.inf, "rule_of_three")[1]
    low = 0.0
    if scales is not None:
        value = np.full(len(scales.moderated), square)
        ends = scales.ends(value)
        own_error, own_high = scales.std_errors(value)[k], ends[1][k]
        # Of a leaf in which nothing differs, all that rows which were not seen can do may be less.
        error = own_error if square > 0 else min(own_error, error)
        high, low = (own_high, ends[0][k]) if square > 0 else (min(own_high, high), 0.0)
    root = float(np.sqrt(square))
    return root, float(error), float(np.sqrt(low)), float(np.sqrt(high))


@dataclass(frozen=True)
class LeafTests:
    """Held-out rows by the leaf that each reaches."""

    leaf: Codes  # (n_held_out,)
    predictions: Floats  # (n_held_out, n_outputs), the model's
    outputs: Floats  # (n_held_out, n_outputs), of trees grown without these rows
    weights: Floats | None  # (n_held_out,)
    variance_inflation: float

    def columns(
        self, leaves: Codes, held_out: HeldOutResiduals, units: Units, is_classifier: bool
    ) -> Columns:
        """Rows tested, agreement of labels and root mean squared distance in each leaf."""
        inside = [np.flatnonzero(self.leaf == leaf) for leaf in leaves]
        columns: Columns = {"n_tested": np.array([rows.size for rows in inside])}
        if is_classifier:
            hits = (self.predictions.argmax(axis=1) == self.outputs.argmax(axis=1)).astype(float)
            fidelity = np.array([self._fidelity(hits, rows) for rows in inside])
            columns["fidelity"], columns["fidelity_low"], columns["fidelity_high"] = fidelity.T
        errors, exponent = self._errors(inside, held_out, units)
        names = ("rmse", "rmse_std_error", "rmse_low", "rmse_high")
        return columns | dict(zip(names, np.ldexp(errors, exponent).T, strict=True))

    def _fidelity(self, hits: Floats, rows: Codes) -> tuple[float, float, float]:
        """Agreement of labels with its interval; NaN where nothing was tested."""
        if not rows.size:
            return np.nan, 0.0, 1.0
        own = self._weights(rows)
        share = float(np.average(hits[rows], weights=own))
        n = n_kish(rows.size, own) / self.variance_inflation
        return share, *clopper_pearson(share * n, n)

    def _errors(self, inside: list[Codes], held_out: HeldOutResiduals, units: Units) -> tuple[Floats, int]:
        """Root mean squared distances, errors, low and high, (n_leaves, 4), NaN where nothing was tested.

        As fractions of a power of 2, and its exponent.
        """
        relative, exponent = units.relative_squares(self.predictions - self.outputs)
        largest = units.relative_squares(np.ptp(self.predictions, axis=0)[None])[0][0]
        relative = np.where(relative > ROUNDING * largest, relative, 0.0)
        usual = units.relative_squares(np.sqrt(held_out.mean_square()))[0]
        weights = [np.ones(rows.size) if self.weights is None else self.weights[rows] for rows in inside]
        scales = LeafScales.from_squares(
            [relative[rows] for rows in inside], weights, usual, self.variance_inflation
        )
        errors = np.full((len(inside), 4), np.nan)
        for k, (rows, own) in enumerate(zip(inside, weights, strict=True)):
            if rows.size:
                unseen = float(largest) * self.variance_inflation / n_kish(rows.size, own)
                square = float(np.average(relative[rows], weights=own))
                errors[k] = _root_with_error(square, unseen, scales, k)
        return errors, exponent

    def _weights(self, rows: Codes) -> Floats | None:
        return None if self.weights is None else self.weights[rows]


def coverage_columns(inside: list[Bools], weights: Floats) -> Columns:
    """Fraction of the observed rows in each leaf, by weight, with Wilson's interval."""
    shares = np.array([weights[rows].sum() for rows in inside]) / weights.sum()
    n = n_kish(weights.size, weights)
    low, high = np.array([proportion(float(share), n).ends() for share in shares]).T
    return {"coverage": shares, "coverage_low": low, "coverage_high": high}
