"""The operator of sampled pairs; estimates of rows, at once and in stages; results."""

from dataclasses import replace
from functools import partial
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from agnostix.core.background import ErrorMap
from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalition_values import CoalitionValues, LinkedValues
from agnostix.shapley.coalitions import CoalitionPlan, count_pairs, sample_pairs
from agnostix.shapley.estimation import (
    RowEstimation,
    ShapleyResult,
    Stage,
    build_operator,
    estimate,
    learn_operator,
)
from agnostix.shapley.exact import ExactOperator, exact_weights
from agnostix.shapley.kriging import KernelParams, learn_kernel
from agnostix.shapley.odd_kernel import pair_covariances, shapley_covariances
from agnostix.shapley.residual_noise import NoisePrior, Spread
from agnostix.shapley.stopping import stage_pairs
from tests.reference import shapley as ref

D = 9


def interactions(orders, n_games, seed):
    """Worths of all coalitions under sums of random unanimity games on so many players."""
    rng = np.random.default_rng(seed)
    masks = all_masks(D)
    games = np.zeros((2**D, n_games))
    for order in orders:
        for _ in range(15):
            weight = rng.normal(size=n_games) / order
            games += masks[:, rng.choice(D, order, replace=False)].all(1)[:, None] * weight
    return games


def differences_of(games, design):
    codes = design.masks @ (1 << np.arange(D))
    return games[codes] - games[len(games) - 1 - codes], games[-1] - games[0]


def spread_of(games, design):
    codes = design.masks @ (1 << np.arange(D))
    return Spread.from_pairs(games[codes], games[len(games) - 1 - codes], games[-1] + games[0])


def errors_of(operator, games, design):
    """Standard errors (D, n_games) and degrees of freedom."""
    variances, dof = operator.game_variances(*differences_of(games, design), spread_of(games, design))
    return np.sqrt(variances), dof


@pytest.mark.parametrize("n", [D - 1, D, 20, 100])
def test_build_operator_exact_for_pairwise_interactions(n):
    games = interactions([1, 2], 5, seed=0)
    design = sample_pairs(D, n, seed=1)
    data = differences_of(games, design)
    operator = build_operator(design, learn_kernel(design, *data))
    np.testing.assert_allclose(operator.game_values(*data), exact_weights(all_masks(D)) @ games, atol=1e-12)
    errors, dof = errors_of(operator, games, design)
    size = np.sqrt(np.square(data[0]).mean(axis=0))
    assert (errors > 1e-6 * size).all()  # nothing proves that there are no other interactions
    assert errors.max() < 0.5 * size.max()
    if n < D + 6:  # too few residuals for a jackknife
        np.testing.assert_array_equal(dof, max(1.0, 0.4 * (n - D + 1 + 2)))
    assert (dof >= 1.0).all()


def test_build_operator_exact_with_kernel_of_other_games():
    design = sample_pairs(D, 40, seed=1)
    params = learn_kernel(design, *differences_of(interactions([1, 3, 4], 5, seed=0), design))
    games = interactions([1, 2], 5, seed=2)
    operator, data = build_operator(design, params), differences_of(games, design)
    assert params.is_active
    np.testing.assert_allclose(operator.game_values(*data), exact_weights(all_masks(D)) @ games, atol=1e-8)
    assert (errors_of(operator, games, design)[0] > 0.0).all()


def test_build_operator_saturated_uses_pilot_errors():
    longer = sample_pairs(D, 40, seed=1)
    params = learn_kernel(longer, *differences_of(interactions([1, 2, 3], 20, seed=0), longer))
    games = interactions([1, 2, 3], 200, seed=2)
    design = longer.prefix(D - 1)
    operator, data = build_operator(design, params), differences_of(games, design)
    missed = operator.game_values(*data) - exact_weights(all_masks(D)) @ games
    errors, dof = errors_of(operator, games, design)
    np.testing.assert_array_equal(dof, 0.4 * params.noise.dof)
    assert (np.abs(missed) <= student.ppf(0.975, dof) * errors).mean() > 0.95
    assert 0.5 < np.square(missed).mean() / np.square(errors).mean() < 2.0


def test_build_operator_on_all_pairs_is_exact():
    games = np.random.default_rng(0).normal(size=(2**D, 3))
    design = sample_pairs(D, count_pairs(D), seed=0)
    data = differences_of(games, design)
    params = KernelParams(np.ones(D), 100.0, 1.0, 0.0, NoisePrior.unknown())
    operator = build_operator(design, params)
    np.testing.assert_allclose(operator.game_values(*data), exact_weights(all_masks(D)) @ games, atol=1e-13)
    errors, dof = errors_of(operator, games, design)
    assert errors.max() < 1e-13
    assert (dof == np.inf).all()


def test_build_operator_beats_regression_and_covers():
    games = interactions([1, 2, 3, 5], 60, seed=0)
    truth = exact_weights(all_masks(D)) @ games
    plain, with_kernel, covered = [], [], []
    for seed in range(20):
        design = sample_pairs(D, 4 * D, seed)
        y, delta = differences_of(games, design)
        params = learn_kernel(design, y[:, :10], delta[:10])
        off = KernelParams.without_kernel(D)
        operator = build_operator(design, params)
        missed = (operator.game_values(y, delta) - truth)[:, 10:]
        errors, dof = errors_of(operator, games, design)
        covered.append(np.abs(missed) <= student.ppf(0.975, dof[:, 10:]) * errors[:, 10:])
        with_kernel.append(np.square(missed).sum())
        plain.append(np.square(build_operator(design, off).game_values(y, delta) - truth)[:, 10:].sum())
    assert np.sum(with_kernel) < np.sum(plain) / 1.5
    assert 0.92 <= np.mean(covered) <= 0.995


@given(st.integers(2, 9), st.integers(0, 40), st.integers(0, 50), st.floats(-100, 100))
def test_build_operator_is_efficient_and_finite(d, more, seed, size):
    rng = np.random.default_rng(seed)
    n = min(d - 1 + more, count_pairs(d))
    design = sample_pairs(d, n, seed)
    y, delta = 10.0**size * rng.normal(size=(n, 4)), 10.0**size * rng.normal(size=4)
    y[:, 0] = delta[0] = 0.0
    operator = build_operator(design, learn_kernel(design, y, delta))
    spread = Spread(np.square(y).sum(0) / max(n, 1), np.square(y).sum(0) / max(n, 1))
    values, (variances, dof) = operator.game_values(y, delta), operator.game_variances(y, delta, spread)
    np.testing.assert_allclose(values.sum(0), delta, rtol=0, atol=1e-10 * 10.0**size)
    assert (values[:, 0] == 0.0).all()
    assert (dof >= 1.0).all()
    assert np.isfinite(variances).all()
    assert (variances >= 0.0).all()
    assert (variances[:, 1:] > 0.0).all()


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_operator_apply_is_linear(a, b):
    design = sample_pairs(D, 30, seed=0)
    one, other = (interactions([1, 2, 3, 5], 2, seed) for seed in (0, 1))
    operator = build_operator(design, learn_kernel(design, *differences_of(one, design)))
    mixed = operator.game_values(*differences_of(a * one + b * other, design))
    apart = a * operator.game_values(*differences_of(one, design)) + b * operator.game_values(
        *differences_of(other, design)
    )
    np.testing.assert_allclose(mixed, apart, atol=1e-10)


def test_operator_apply_sums_to_zero_over_classes():
    logits = interactions([1, 2, 3], 4, seed=0)
    games = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    design = sample_pairs(D, 30, seed=0)
    data = differences_of(games, design)
    values = build_operator(design, learn_kernel(design, *data)).game_values(*data)
    np.testing.assert_allclose(values.sum(1), 0.0, atol=1e-13)


def test_operator_interval_of_dummy_player_holds_zero():
    rng, masks = np.random.default_rng(0), all_masks(D)
    games = rng.normal(size=(2 ** (D - 1), 10))[masks[:, : D - 1] @ (1 << np.arange(D - 1))]
    design = sample_pairs(D, 60, seed=0)
    data = differences_of(games, design)
    operator = build_operator(design, learn_kernel(design, *data))
    errors, dof = errors_of(operator, games, design)
    assert (np.abs(operator.game_values(*data)[-1]) <= student.ppf(0.999, dof[-1]) * errors[-1]).all()


def test_operator_bits_of_game_ignore_others():
    games = interactions([1, 2, 3], 150, seed=0)
    design = sample_pairs(D, 40, seed=0)
    y, delta = differences_of(games, design)
    operator = build_operator(design, learn_kernel(design, y[:, :10], delta[:10]))
    values, (errors, dof) = operator.game_values(y, delta), errors_of(operator, games, design)
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_array_equal(operator.game_values(y[:, order], delta[order]), values[:, order])
    for j in (0, 63, 64, 149):
        np.testing.assert_array_equal(operator.game_values(y[:, [j]], delta[[j]])[:, 0], values[:, j])
        alone = errors_of(operator, games[:, [j]], design)
        np.testing.assert_array_equal(alone[0][:, 0], errors[:, j])
        np.testing.assert_array_equal(alone[1][:, 0], dof[:, j])


def test_game_variances_are_blends_with_the_jackknife_over_pairs():
    """The jackknife by kriging again without each pair."""
    games = interactions([1, 2, 3, 4], 6, seed=0)
    design = sample_pairs(D, 40, seed=0)
    params = learn_kernel(design, *differences_of(games, design))
    assert params.is_active
    y, delta = differences_of(games, design)
    operator = build_operator(design, params)
    whole, jackknife, fourth, left_out = operator.game_values(y, delta), 0.0, 0.0, 0.0
    noise = 1 / design.kernel_weights()
    masks = np.vstack([design.masks, np.ones(D, dtype=bool)])  # Delta is as a pair without noise
    signs, data = 2.0 * masks - 1.0, np.vstack([y, delta])
    covariance = np.diag(np.r_[noise / noise.mean(), 1e-9])
    covariance += params.rho * pair_covariances(signs, params.scales)
    cross = params.rho * shapley_covariances(masks, params.scales)
    for pair in range(design.n_pairs):
        kept = np.arange(design.n_pairs + 1) != pair
        values = kriged(signs[kept], covariance[np.ix_(kept, kept)], cross[:, kept], data[kept])
        predicted, variance = predicted_pair(signs, covariance, data, pair)
        left_out = left_out + (data[pair] - predicted) ** 2 / variance / design.n_pairs
        size = int(design.masks[pair].sum())
        n_others = comb(D, size) - (design.masks.sum(axis=1) == size).sum()
        jackknife = jackknife + n_others / comb(D, size) * (values - whole) ** 2
        fourth = fourth + (n_others / comb(D, size)) ** 2 * (values - whole) ** 4
    np.testing.assert_allclose(kriged(signs, covariance, cross, data), whole, atol=1e-6)
    spread = spread_of(games, design)
    residuals = np.square(operator.whitener @ np.vstack([y, delta]))
    own = left_out**0.9 * np.maximum(left_out, residuals.mean(axis=0)) ** 0.1
    noise_variances, dof = operator.noise.shrink(own, len(residuals), spread, design.n_pairs, operator.gain)
    expected = operator.unscaled_variances[:, None] * noise_variances
    share = np.minimum(1.0, (2.5 - 5 / len(residuals)) * expected.sum(axis=0) / jackknife.sum(axis=0))
    variances, dofs = operator.game_variances(y, delta, spread)
    np.testing.assert_allclose(variances, (expected + share * jackknife) / 2, rtol=1e-4)
    parts = expected / 2, share * jackknife / 2
    inverse = (parts[0] ** 2 / dof + parts[1] ** 2 / (0.4 * jackknife**2 / fourth)) / variances**2
    np.testing.assert_allclose(dofs, np.maximum(1.0, 1 / inverse), rtol=1e-4)


def kriged(signs, covariance, cross, data):
    """Shapley values of universal kriging: the additive part by generalized least squares, then the rest."""
    inverse = np.linalg.inv(covariance)
    additive = np.linalg.solve(signs.T @ inverse @ signs, signs.T @ inverse @ data)
    return additive + cross @ inverse @ (data - signs @ additive)


def predicted_pair(signs, covariance, data, pair):
    """A pair (n_games,) by universal kriging from all others, and the variance of what that misses."""
    kept = np.arange(len(signs)) != pair
    inverse, cross = np.linalg.inv(covariance[np.ix_(kept, kept)]), covariance[pair, kept]
    trend = signs[pair] - cross @ inverse @ signs[kept]
    of_slopes = np.linalg.inv(signs[kept].T @ inverse @ signs[kept])
    weights = cross @ inverse + trend @ of_slopes @ signs[kept].T @ inverse
    variance = covariance[pair, pair] - cross @ inverse @ cross + trend @ of_slopes @ trend
    return weights @ data[kept], variance


def test_build_operator_on_prefixes_error_decreases():
    games = interactions([1, 2, 3], 30, seed=0)
    truth = exact_weights(all_masks(D)) @ games
    design = sample_pairs(D, 120, seed=0)
    params = learn_kernel(design, *differences_of(games, design))
    off = []
    for n in (12, 30, 60, 120):
        prefix = design.prefix(n)
        off.append(
            np.square(
                build_operator(prefix, params).game_values(*differences_of(games, prefix)) - truth
            ).mean()
        )
    assert off == sorted(off, reverse=True)


# Estimates of rows.

RNG = np.random.default_rng(0)
N = 6
SHAPE = (3, 4, 2)
"""Background rows, rows and outputs."""
TABLES = RNG.normal(size=(2**N, *SHAPE)) + 3.0 * all_masks(N).sum(axis=1).reshape(-1, 1, 1, 1)
"""Predictions of all coalitions."""
WEIGHTS = np.array([0.2, 0.5, 0.3])
ERRORS = ErrorMap.of_draws(WEIGHTS, np.arange(3))
MEANS = np.einsum("b,mbrk->mrk", WEIGHTS, TABLES)
KEPT = np.concatenate([MEANS[:, None], np.einsum("bc,mbrk->mcrk", ERRORS.functionals, TABLES)], axis=1)
"""Means and components of all coalitions."""
LINKED = LinkedValues("identity")
PLAN = CoalitionPlan(np.ones(N, dtype=bool), sample_pairs(N, 20, seed=1), evaluates_empty=True)
EVERY = CoalitionPlan(PLAN.varying, None, evaluates_empty=True)


def means_of(masks, rows=slice(None)):
    """Means and components (n_rows, n_masks, n_kept, n_outputs)."""
    return KEPT[masks @ (1 << np.arange(N))][:, :, rows].transpose(2, 0, 1, 3)


def learned():
    """A kernel of all rows and outputs."""
    return learn_kernel(
        PLAN.coalitions, *LINKED.values(means_of(PLAN.masks).transpose(1, 2, 0, 3)).differences()
    )


def shapley_of(tables):
    """Values (n_rows, n_players, n_outputs) by the definition."""
    games = [
        [ref.shapley(ref.table_game(tables[:, i, k]), N) for k in range(2)] for i in range(tables.shape[1])
    ]
    return np.array(games).transpose(0, 2, 1)


def fields_of(result):
    return {name: getattr(result, name) for name in result.__dataclass_fields__}


def test_exact_estimate_matches_definition_and_jackknife():
    result = estimate(EVERY, ExactOperator(EVERY.others), LINKED, means_of(EVERY.masks))
    np.testing.assert_allclose(result.values, shapley_of(MEANS), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(result.coalition_variances, 0.0)
    variance = 0.0
    for group in range(3):
        left = np.where(np.arange(3) == group, 0.0, WEIGHTS)
        without = shapley_of(np.einsum("b,mbrk->mrk", left / left.sum(), TABLES))
        variance = variance + left.sum() * (without - result.values) ** 2
    np.testing.assert_allclose(
        np.square(result.components).sum(axis=2), variance, rtol=1e-5
    )  # single precision
    np.testing.assert_allclose(result.outputs, MEANS[-1], rtol=1e-14)
    np.testing.assert_allclose(result.base_values, MEANS[0], rtol=1e-13)
    np.testing.assert_allclose(result.base_components, KEPT[0, 1:].transpose(1, 0, 2), rtol=1e-13)
    np.testing.assert_array_equal(result.predictions, MEANS[-1])
    assert result.evaluations.tolist() == result.forecast.tolist() == [64] * 4


@pytest.mark.parametrize("kernel", ["shared", "own"])
def test_estimate_bits_of_row_ignore_other_rows(kernel):
    operator = build_operator(PLAN.coalitions, learned()) if kernel == "shared" else None
    means = means_of(PLAN.masks)
    result = estimate(PLAN, operator, LINKED, means)
    for row in range(4):
        alone = fields_of(estimate(PLAN, operator, LINKED, means[[row]]))
        for name, array in fields_of(result).items():
            np.testing.assert_array_equal(array[[row]], alone[name], err_msg=name)
    unsampled = estimate(PLAN, operator, LINKED, means[:, :, :1])
    assert unsampled.components.shape == (4, N, 0, 2)
    np.testing.assert_array_equal(unsampled.values, result.values)
    assert (result.coalition_variances > 0).all()
    assert (result.components != 0).all()


def test_estimate_without_kernel_matches_pair_regression():
    operator = build_operator(PLAN.coalitions, replace(learned(), rho=0.0))
    sides = [frozenset(np.flatnonzero(mask).tolist()) for mask in PLAN.coalitions.masks]
    rest = TABLES[PLAN.masks @ (1 << np.arange(N))]
    by_background_row = operator.apply(CoalitionValues(rest[0], rest[1], rest[2:]))
    assert by_background_row.shape == (N, *SHAPE)
    for place in np.ndindex(SHAPE):
        expected = ref.pair_regression(ref.table_game(TABLES[(slice(None), *place)]), sides, N)
        np.testing.assert_allclose(by_background_row[(slice(None), *place)], expected, rtol=0, atol=1e-11)


def test_estimate_has_variances_and_degrees_of_freedom_of_the_operator():
    operator = build_operator(PLAN.coalitions, learned())
    means = means_of(PLAN.masks)
    result = estimate(PLAN, operator, LINKED, means)
    values = LINKED.values(means.transpose(1, 2, 0, 3))
    plain, dof = operator.game_variances(*values.differences(), values.spread())
    np.testing.assert_array_equal(
        result.coalition_variances.transpose(1, 0, 2).reshape(N, -1), plain.reshape(N, -1)
    )
    np.testing.assert_array_equal(result.coalition_dof.transpose(1, 0, 2).reshape(N, -1), dof)
    assert (dof > 1.0).all()


def test_estimate_learns_kernel_of_each_row():
    result = estimate(PLAN, None, LINKED, means_of(PLAN.masks))
    for row in range(4):
        means = means_of(PLAN.masks, [row])
        values = LINKED.values(means.transpose(1, 2, 0, 3))
        alone = estimate(PLAN, learn_operator(PLAN.coalitions, values), LINKED, means)
        for name, array in fields_of(result.take([row])).items():
            np.testing.assert_array_equal(array, getattr(alone, name), err_msg=name)


def test_all_pairs_need_no_kernel_of_their_own():
    coalitions = sample_pairs(5, 15, seed=0)
    worths = np.random.default_rng(0).normal(size=(32, 2))
    codes = coalitions.masks @ (1 << np.arange(5))
    rest = np.stack([worths[codes], worths[31 - codes]], axis=1).reshape(-1, 2)
    values = CoalitionValues(worths[31], worths[0], rest)
    shapley_values, variances, dof = learn_operator(coalitions, values).solve(values)
    np.testing.assert_allclose(shapley_values, exact_weights(all_masks(5)) @ worths, atol=1e-12)
    assert variances.max() < 1e-28
    assert (dof == np.inf).all()


# Rows in stages.


def evaluate(calls, masks, rows):
    """Mean predictions of some rows; logs the calls."""
    calls.append((len(masks), rows.tolist()))
    return means_of(masks, rows), len(masks) * rows.size


def stages_of(plan):
    params = replace(learned(), rho=0.0)
    sizes = stage_pairs(plan.players.size, plan.coalitions.n_pairs)
    return [Stage(plan.prefix(n), lambda one: build_operator(one.coalitions, params)) for n in sizes]


def test_estimation_evaluates_selected_rows_only():
    calls, rows = [], np.array([3, 1])
    result = ShapleyResult.zeros(np.ones((4, N), dtype=bool), 2, 3)
    stage = Stage(PLAN, lambda plan: build_operator(plan.coalitions, learned()))
    n = RowEstimation(partial(evaluate, calls), [stage], LINKED, None, result).run(rows)
    assert calls == [(42, [3, 1])]
    assert n == 2 * 42
    expected = fields_of(estimate(PLAN, stage.operator, LINKED, means_of(PLAN.masks)))
    for name, array in fields_of(result).items():
        np.testing.assert_array_equal(array[rows], expected[name][rows], err_msg=name)
        untouched = {"outside": np.nan, "coalition_dof": np.inf}.get(name, 0)
        np.testing.assert_array_equal(array[[0, 2]], untouched, err_msg=name)


def test_estimation_stops_each_row_by_its_own_errors():
    stages = stages_of(PLAN)
    each = [estimate(stage.plan, stage.operator, LINKED, means_of(stage.plan.masks)) for stage in stages]
    errors = np.array([part.errors_in_units_of(1.0, k + 1) for k, part in enumerate(each)])
    tol = float(np.sort(errors[0])[1])  # so that two rows stop at the first stage
    calls, result = [], ShapleyResult.zeros(np.ones((4, N), dtype=bool), 2, 3)
    n = RowEstimation(partial(evaluate, calls), stages, LINKED, tol, result).run(np.arange(4))
    ends = [part.evaluations[0] for part in each]
    last = [next((k for k in range(len(each)) if errors[k, i] <= tol), len(each) - 1) for i in range(4)]
    assert last.count(0) == 2
    for row, stage in enumerate(last):
        for name in ("values", "coalition_variances", "evaluations"):
            np.testing.assert_array_equal(getattr(result, name)[row], getattr(each[stage], name)[row])
        missed = max(1.0, errors[stage, row] / tol)
        assert result.forecast[row] == min(2**N, np.ceil(result.evaluations[row] * missed**2))
    assert result.evaluations.tolist() == [ends[stage] for stage in last]
    assert calls[0] == (26, [0, 1, 2, 3])
    assert calls[1] == (ends[1] - 26, np.flatnonzero(np.array(last) > 0).tolist())
    assert n == sum(n_masks * len(rows) for n_masks, rows in calls) == result.evaluations.sum()


def test_estimation_in_chunks_same_bits(monkeypatch):
    results, calls = [], []
    for memory in (2**20, 1):
        monkeypatch.setattr("agnostix.shapley.estimation.working_memory", lambda memory=memory: memory)
        results.append(ShapleyResult.zeros(np.ones((4, N), dtype=bool), 2, 3))
        stages = stages_of(PLAN)
        RowEstimation(partial(evaluate, calls), stages, LINKED, 0.1, results[-1]).run(np.arange(4))
    assert [len(rows) for n_masks, rows in calls if n_masks == 26] == [4, 1, 1, 1, 1]
    for name, array in fields_of(results[0]).items():
        np.testing.assert_array_equal(array, getattr(results[1], name), err_msg=name)


def test_estimation_builds_no_operator_that_no_row_needs():
    built = []

    def build(plan):
        built.append(plan.n_evaluations)
        return build_operator(plan.coalitions, learned())

    stages = [Stage(stage.plan, build) for stage in stages_of(PLAN)]
    result = ShapleyResult.zeros(np.ones((4, N), dtype=bool), 2, 3)
    RowEstimation(partial(evaluate, []), stages, LINKED, 1e9, result).run(np.arange(4))
    assert built == [26]


# Results.


def test_result_put_leaves_other_players_zero():
    result = ShapleyResult.zeros(np.ones((3, 4), dtype=bool), 1, 2)
    rows = np.array([2, 0])
    by_player, by_row = np.arange(1.0, 5.0).reshape(2, 2, 1), np.array([[7.0], [8.0]])
    components = by_player[:, :, None] * np.array([[1.0], [2.0]])
    by_value = (by_player, 10.0 * by_player, 1.0 / by_player, components)
    counts = np.array([6, 6]), np.array([6.0, np.inf])
    base = 2.0 * by_row, by_row[:, None] * np.array([[1.0], [5.0]])
    part = ShapleyResult(*by_value, by_row, *base, 3.0 * by_row, np.full((2, 1), np.nan), *counts)
    result.put(rows, np.array([1, 3]), part)
    assert result.values[..., 0].tolist() == [[0, 3, 0, 4], [0, 0, 0, 0], [0, 1, 0, 2]]
    np.testing.assert_array_equal(result.coalition_variances, 10.0 * result.values)
    np.testing.assert_array_equal(result.components[:, :, 1], 2.0 * result.values)
    assert result.base_components[:, 1, 0].tolist() == [40, 0, 35]
    assert result.coalition_dof[..., 0].tolist() == [
        [np.inf, 1 / 3, np.inf, 1 / 4],
        [np.inf] * 4,
        [np.inf, 1, np.inf, 1 / 2],
    ]
    assert result.outputs[:, 0].tolist() == [8, 0, 7]
    assert result.base_values[:, 0].tolist() == [16, 0, 14]
    assert result.predictions[:, 0].tolist() == [24, 0, 21]
    assert result.evaluations.tolist() == [6, 0, 6]
    assert result.forecast.tolist() == [np.inf, 0, 6]
    assert result.take(np.array([2, 2])).outputs[:, 0].tolist() == [7, 7]


def test_result_zeros_is_nan_where_a_row_has_no_player():
    result = ShapleyResult.zeros(np.array([[True, False], [True, True]]), 1, 0)
    np.testing.assert_array_equal(np.isnan(result.values[..., 0]), [[False, True], [False, False]])
