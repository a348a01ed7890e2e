"""Shapley values and both of their errors, from the mean predictions of the coalitions of some rows.

The error of sampling coalitions is the posterior variance of kriging, scaled by each row's noise variance;
that of the background is told by components, which go through the same operator as the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Protocol

import numpy as np

from agnostix.core.background import compact
from agnostix.core.reproducibility import multiply, one_blas_thread, sums_of_squares
from agnostix.core.row_sources import working_memory
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.shapley import continued_kernel
from agnostix.shapley.coalition_values import CoalitionValues, LinkedValues
from agnostix.shapley.coalitions import N_RESIDUALS, CoalitionPlan, Coalitions, count_pairs
from agnostix.shapley.continued_kernel import ContinuedOperator
from agnostix.shapley.exchangeable_kernel import ExchangeableErrors
from agnostix.shapley.jackknife import OwnKernelOperator
from agnostix.shapley.kriging import (
    MAX_LEARNING_DOF,
    KernelParams,
    Kriging,
    cross_validated,
    left_out_variances,
)
from agnostix.shapley.pair_regression import PairRegression
from agnostix.shapley.residual_noise import (
    ALIKE,
    FEW_BY_KERNEL,
    MOST_DOF,
    NoisePrior,
    Spread,
    blend,
    by_size,
    effective_number,
)
from agnostix.shapley.stopping import forecast_evaluations, level_of_look, relative_errors

_OF_RESIDUALS = 0.1
"""Weight of the mean square of all residuals, where it is larger than that of left out pairs."""
_MEANS_FRACTION = 0.125
"""Fraction of the working memory for the mean predictions of the rows that are evaluated together."""
_BLOCK_BYTES = 2**22
"""Means that are solved at once: they should stay in the processor's caches."""


class Operator(Protocol):
    """From coalition values to Shapley values."""

    def solve(self, values: CoalitionValues) -> tuple[Floats, Floats, Floats]:
        """Shapley values (n_players, ...), variances of the sampling of coalitions, degrees of freedom."""

    def apply(self, values: CoalitionValues) -> Floats:
        """Shapley values (n_players, ...)."""


@dataclass(frozen=True)
class PairOperator:
    """Shapley values and variances from sampled pairs, under one kernel for all games.

    A game has the same bits whatever games are beside it.
    """

    matrix: Floats  # (n_players, n_pairs + 1), from differences and Delta to Shapley values
    whitener: Floats  # (n_residuals, n_pairs + 1)
    unscaled_variances: Floats  # (n_players,), in units of a game's noise variance; 0 with all pairs
    unsampled: Floats  # (n_pairs,), share of all pairs of each pair's size that are not in the design
    noise: NoisePrior  # what other games say about the noise variance
    gain: float = 1.0  # expected square of a residual of the regression, in units of the noise variance
    exchangeable: ExchangeableErrors | None = None  # variances by game, where there is no kernel

    def solve(self, values: CoalitionValues) -> tuple[Floats, Floats, Floats]:
        """Shapley values (n_players, ...), their variances and degrees of freedom."""
        differences, delta = values.differences()
        shape = (-1, *values.full.shape)
        variances, dof = self.game_variances(differences, delta, values.spread())
        found = self.game_values(differences, delta)
        return found.reshape(shape), variances.reshape(shape), dof.reshape(shape)

    def apply(self, values: CoalitionValues) -> Floats:
        """Shapley values (n_players, ...) of games (...)."""
        return self.game_values(*values.differences()).reshape(-1, *values.full.shape)

    def game_values(self, differences: Floats, delta: Floats) -> Floats:
        """Shapley values (n_players, n_games) from differences (n_pairs, n_games) and delta (n_games,)."""
        return multiply(self.matrix, np.vstack([differences, delta]))

    def game_variances(self, differences: Floats, delta: Floats, spread: Spread) -> tuple[Floats, Floats]:
        """Error variances (n_players, n_games), at least those of rounding, and their degrees of freedom."""
        data = np.vstack([differences, delta])
        rounding = np.square(np.finfo(float).eps * multiply(np.abs(self.matrix), np.abs(data)))
        if not self.unscaled_variances.any():
            return rounding, np.full(rounding.shape, np.inf)
        residuals = multiply(self.whitener, data)
        own = self._noise(residuals)
        noise, dof = self.noise.shrink(own, len(residuals), spread, len(differences), self.gain)
        values = self.game_values(differences, delta)
        if self.exchangeable is not None:
            alike = by_size(self.exchangeable.unscaled_variances(data, own) * noise, values, ALIKE)
            return alike + rounding, np.full(rounding.shape, min(dof, MOST_DOF))
        expected = self.unscaled_variances[:, None] * noise
        if len(residuals) < N_RESIDUALS:
            few = by_size(expected, values, FEW_BY_KERNEL)
            return few + rounding, np.full(rounding.shape, dof)
        variances, dofs = blend(expected, dof, *self._left_out(residuals, own), len(residuals))
        return variances + rounding, dofs

    def _noise(self, residuals: Floats) -> Floats:
        """Noise variances (n_games,), by pairs that are left out, and hardly less than by all residuals."""
        mean = sums_of_squares(residuals) / max(1, len(residuals))
        if self.exchangeable is not None:
            return mean
        left_out = cross_validated(self.whitener, residuals)
        return left_out ** (1.0 - _OF_RESIDUALS) * np.maximum(left_out, mean) ** _OF_RESIDUALS

    def _left_out(self, residuals: Floats, own: Floats) -> tuple[Floats, Floats]:
        """Jackknife over pairs, from whitened residuals: variances and their dof (n_players, n_games)."""
        unit = np.where(own > 0.0, np.sqrt(own), 1.0)  # so that fourth powers stay finite
        squares = np.square(self._per_residual * multiply(self.whitener[:, :-1].T, residuals / unit))
        # Where all pairs of a size are known, those that are left out would always be in.
        weights = np.square(self.matrix[:, :-1]) * self.unsampled
        variances, fourth = multiply(weights, squares), multiply(np.square(weights), np.square(squares))
        return variances * unit**2, effective_number(variances, fourth)

    @cached_property
    def _per_residual(self) -> Floats:
        """From a pair's residual in the units of `whitener` to what it is without that pair, (n_pairs, 1)."""
        return left_out_variances(self.whitener)[:, None]


def learn_operator(coalitions: Coalitions, values: CoalitionValues) -> Operator:
    """Operator of the games of one row, under a kernel of their own."""
    if coalitions.is_complete:
        return build_operator(coalitions, KernelParams.without_kernel(coalitions.n_players))
    if coalitions.n_pairs > continued_kernel.MAX_FACTORIZED:
        return ContinuedOperator.learn(coalitions, values)
    return OwnKernelOperator.learn(coalitions, values)


@one_blas_thread
def build_operator(coalitions: Coalitions, params: KernelParams) -> PairOperator:
    """Operator of a design, under a kernel of other games."""
    regression = PairRegression.from_coalitions(coalitions)
    is_complete = regression.n_pairs == count_pairs(regression.n_players)
    rho = params.rho if params.is_active and not is_complete else 0.0
    kriging = Kriging.from_regression(regression, params.scales, rho)
    variances = np.zeros_like(kriging.unscaled_variances) if is_complete else kriging.unscaled_variances
    exchangeable = None
    if rho == 0.0 and not is_complete and regression.dof >= N_RESIDUALS:
        n_first = min(regression.n_pairs, regression.n_players - 1 + MAX_LEARNING_DOF)
        first = PairRegression.from_coalitions(coalitions.prefix(n_first))
        exchangeable = ExchangeableErrors.from_regression(regression, first)
    return PairOperator(
        matrix=kriging.matrix,
        whitener=kriging.whitener,
        unscaled_variances=variances,
        unsampled=coalitions.unsampled_shares(),
        noise=params.noise,
        gain=kriging.gain,
        exchangeable=exchangeable,
    )


_BY_PLAYER = ("values", "coalition_variances", "coalition_dof", "components")


@dataclass
class ShapleyResult:
    """Shapley values and errors of some rows, in explained units."""

    values: Floats  # (n_rows, n_players, n_outputs); NaN where a row does not have the player
    coalition_variances: Floats  # shaped as values
    coalition_dof: Floats  # shaped as values, degrees of freedom of these; infinite where they are exact
    components: Floats  # (n_rows, n_players, n_components, n_outputs), of the background's error
    outputs: Floats  # (n_rows, n_outputs), values of the full coalition
    base_values: Floats  # (n_rows, n_outputs), values of the empty coalition
    base_components: Floats  # (n_rows, n_components, n_outputs), of their error
    predictions: Floats  # (n_rows, n_outputs), in model output units
    outside: Floats  # (n_rows, n_outputs), a mean prediction without a value of the link; NaN for none
    evaluations: Codes  # (n_rows,), coalitions that were evaluated
    forecast: Floats  # (n_rows,), evaluations that the tolerance takes

    @classmethod
    def zeros(cls, present: Bools, n_outputs: int, n_components: int) -> ShapleyResult:
        """Zeros for the players that are present (n_rows, n_players), as if none varied."""
        n_rows = present.shape[0]
        values, variances = np.zeros((2, *present.shape, n_outputs))
        values[~present] = np.nan
        outputs, base_values, predictions, outside = np.zeros((4, n_rows, n_outputs))
        outside[:] = np.nan
        return cls(
            values=values,
            coalition_variances=variances,
            coalition_dof=np.full_like(values, np.inf),
            components=np.zeros((*present.shape, n_components, n_outputs), dtype=np.float32),
            outputs=outputs,
            base_values=base_values,
            base_components=np.zeros((n_rows, n_components, n_outputs)),
            predictions=predictions,
            outside=outside,
            evaluations=np.zeros(n_rows, dtype=np.intp),
            forecast=np.zeros(n_rows),
        )

    def put(self, rows: Codes, players: Codes, part: ShapleyResult) -> None:
        """Fill in some rows, in which these players vary."""
        if part.components.dtype != self.components.dtype:
            self.components = self.components.astype(float)  # which single precision does not hold
        for name in (field.name for field in fields(self)):
            places = (rows[:, None], players) if name in _BY_PLAYER else rows
            getattr(self, name)[places] = getattr(part, name)

    def take(self, rows: Codes | Bools) -> ShapleyResult:
        """Some of the rows."""
        return ShapleyResult(*(getattr(self, field.name)[rows] for field in fields(self)))

    def errors_in_units_of(self, tolerance: float, look: int) -> Floats:
        """Largest coalition error of each row (n_rows,), as a look with this number sees it."""
        of_coalitions = self.values, self.coalition_variances, self.coalition_dof
        return relative_errors(*of_coalitions, level_of_look(look)) / tolerance


def expect_evaluations(pilots: ShapleyResult, tolerance: float, most: int) -> float:
    """Evaluations that rows like these, which have had their first look, take on average until they stop.

    As if errors fell in proportion to evaluations: kriging's fall faster than by the square root of them.
    """
    errors = pilots.errors_in_units_of(tolerance, look=1)
    return float(np.minimum(pilots.evaluations * np.maximum(1.0, errors), most).mean())


@dataclass(frozen=True)
class Stage:
    """Coalitions of a stage and of those before it, and their operator, built when a row needs it."""

    plan: CoalitionPlan
    build: Callable[[CoalitionPlan], Operator | None]  # None for a kernel of each row's own

    @cached_property
    def operator(self) -> Operator | None:
        """The operator."""
        return self.build(self.plan)


Evaluate = Callable[[Bools, Codes], tuple[Floats, int]]
"""From masks and rows to means and components (n_rows, n_masks, n_kept, n_outputs), and model rows."""


@dataclass(frozen=True)
class RowEstimation:
    """Estimates rows, each at the first stage with errors within the tolerance, or at the last."""

    evaluate: Evaluate
    stages: Sequence[Stage]
    linked: LinkedValues
    tolerance: float | None  # needed for more than one stage
    result: ShapleyResult  # which is filled in

    def run(self, rows: Codes) -> int:
        """Fill in rows; gives model rows."""
        return self._run(0, rows, None)

    def _run(self, k: int, rows: Codes, means: Floats | None) -> int:
        """The same from the k-th stage on, with the means of the stages before it."""
        plan, n_model_rows = self.stages[k].plan, 0
        for some in np.array_split(np.arange(rows.size), -(-rows.size // self._n_together(plan))):
            n_known = 0 if means is None else means.shape[1]
            every, n = self.evaluate(plan.masks[n_known:], rows[some])
            if means is not None:
                every = np.concatenate([means[some], every], axis=1)
            part = estimate(plan, self.stages[k].operator, self.linked, every)
            goes_on = self._goes_on(k, part)
            self.result.put(rows[some[~goes_on]], plan.players, part.take(~goes_on))
            n_model_rows += n
            if goes_on.any():
                n_model_rows += self._run(k + 1, rows[some[goes_on]], every[goes_on])
        return n_model_rows

    def _goes_on(self, k: int, part: ShapleyResult) -> Bools:
        """Rows (n_rows,) that need the next stage; notes what the others would have needed."""
        if self.tolerance is None:
            return np.zeros(len(part.values), dtype=bool)
        errors = part.errors_in_units_of(self.tolerance, look=k + 1)
        part.forecast = forecast_evaluations(part.evaluations, errors, self.stages[k].plan.players.size)
        return (errors > 1.0) & (k + 1 < len(self.stages))

    def _n_together(self, plan: CoalitionPlan) -> int:
        """Rows whose means fit into memory beside those of the other stages."""
        n_kept, n_outputs = 1 + self.result.components.shape[2], self.result.outputs.shape[1]
        n_bytes = 8 * len(plan.masks) * n_kept * n_outputs * len(self.stages)
        return max(1, int(_MEANS_FRACTION * working_memory() / n_bytes))


def estimate(
    plan: CoalitionPlan, operator: Operator | None, linked: LinkedValues, means: Floats
) -> ShapleyResult:
    """Shapley values of rows by means (n_rows, n_masks, n_kept, n_outputs), a few rows at a time."""
    n_rows = 1
    if operator is not None:
        n_rows = max(1, min(_BLOCK_BYTES, working_memory() // 16) * len(means) // means.nbytes)
    parts = [
        _estimate_block(plan, operator, linked, means[start : start + n_rows].transpose(1, 2, 0, 3))
        for start in range(0, len(means), n_rows)
    ]
    return ShapleyResult(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(ShapleyResult))
    )


def _estimate_block(
    plan: CoalitionPlan, operator: Operator | None, linked: LinkedValues, means: Floats
) -> ShapleyResult:
    values = linked.values(means)
    if operator is None:
        assert plan.coalitions is not None
        operator = learn_operator(plan.coalitions, values)
    shapley_values, of_coalitions, dof = operator.solve(values)
    components = linked.components(means)
    n = np.full(means.shape[2], plan.n_evaluations)
    return ShapleyResult(
        values=shapley_values.transpose(1, 0, 2),
        coalition_variances=of_coalitions.transpose(1, 0, 2),
        coalition_dof=dof.transpose(1, 0, 2),
        components=_apply_to_components(operator, components, len(shapley_values)),
        outputs=values.full,
        base_values=values.empty,
        base_components=components.empty.transpose(1, 0, 2),
        predictions=means[0, 0],
        outside=linked.outside(means),
        evaluations=n,
        forecast=n.astype(float),
    )


def _apply_to_components(operator: Operator, components: CoalitionValues, n_players: int) -> Floats:
    """Components (n_rows, n_players, n_components, n_outputs) of the errors of Shapley values."""
    n_components, n_rows, n_outputs = components.full.shape
    if n_components == 0:
        return np.zeros((n_rows, n_players, 0, n_outputs), dtype=np.float32)
    return compact(operator.apply(components).transpose(2, 0, 1, 3))
