from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import leverage_pairs
from agnostix.shapley.exact_solver import ExactSolver
from agnostix.shapley.kernel_params import learn_kernel
from agnostix.shapley.own_kernel_solver import OwnKernelSolver
from agnostix.shapley.sampled_solver import SampledSolver
from agnostix.shapley.shapley_operator import build_operator
from tests.reference import shapley as ref

RNG = np.random.default_rng(0)
D = 6
MASKS = all_masks(D)
SHAPE = (3, 4, 2)
"""Groups, rows and outputs."""
TABLES = RNG.normal(size=(2**D, *SHAPE)) + 3.0 * MASKS.sum(axis=1).reshape(-1, 1, 1, 1)
PAIRS = leverage_pairs(D, 20, seed=1)


def in_order_of(pairs, tables):
    """CoalitionValues of all, of none, and of each pair's sides."""
    place = 2 ** np.arange(D)
    rest = np.empty((2 * pairs.n_pairs, *tables.shape[1:]))
    rest[0::2], rest[1::2] = tables[pairs.masks @ place], tables[~pairs.masks @ place]
    return CoalitionValues(tables[-1], tables[0], rest)


WHOLE, VERSIONS = in_order_of(PAIRS, TABLES[:, 0]), in_order_of(PAIRS, TABLES)


def learned():
    return learn_kernel(PAIRS, *VERSIONS.differences())


def of_row(row):
    whole = CoalitionValues(WHOLE.full[[row]], WHOLE.empty[[row]], WHOLE.rest[:, [row]])
    return whole, CoalitionValues(
        VERSIONS.full[:, [row]], VERSIONS.empty[:, [row]], VERSIONS.rest[:, :, [row]]
    )


def test_exact_solver_matches_definition():
    whole = CoalitionValues(TABLES[-1, 0], TABLES[0, 0], TABLES[1:-1, 0])
    values, variances, versions = ExactSolver(D).solve(
        whole, CoalitionValues(TABLES[-1], TABLES[0], TABLES[1:-1])
    )
    assert versions.shape == (D, *SHAPE)
    for place in np.ndindex(SHAPE):
        expected = ref.shapley(ref.table_game(TABLES[(slice(None), *place)]), D)
        np.testing.assert_allclose(versions[(slice(None), *place)], expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(values, versions[:, 0])
    np.testing.assert_array_equal(variances, np.zeros((D, 4, 2)))


@pytest.mark.parametrize("d", [0, 1])
def test_exact_solver_zero_and_one_player(d):
    full, empty = RNG.normal(size=(2, 4, 2))
    values, variances, versions = ExactSolver(d).solve(
        CoalitionValues(full, empty, np.empty((0, 4, 2))), None
    )
    np.testing.assert_array_equal(values, (full - empty)[None][:d])
    assert variances.shape == (d, 4, 2)
    assert versions is None


@pytest.mark.parametrize("solver", ["shared", "own"])
def test_solver_bits_of_row_ignore_other_rows(solver):
    solve = SampledSolver(build_operator(PAIRS, learned())).solve if solver == "shared" else None
    solve = solve or OwnKernelSolver(PAIRS).solve
    values, variances, versions = solve(WHOLE, VERSIONS)
    for row in range(4):
        one, spread, parts = solve(*of_row(row))
        np.testing.assert_array_equal(values[:, [row]], one)
        np.testing.assert_array_equal(variances[:, [row]], spread)
        np.testing.assert_array_equal(versions[:, :, [row]], parts)
    np.testing.assert_array_equal(solve(WHOLE, None)[0], values)
    np.testing.assert_array_equal(versions[:, 0], values)
    np.testing.assert_allclose(versions.sum(axis=0), VERSIONS.full - VERSIONS.empty, rtol=0, atol=1e-12)
    assert (variances > 0).all()


def test_sampled_solver_without_kernel_matches_pair_regression():
    operator = build_operator(PAIRS, replace(learned(), rho=0.0))
    versions = SampledSolver(operator).solve(WHOLE, VERSIONS)[2]
    kept = [frozenset(np.flatnonzero(mask).tolist()) for mask in PAIRS.masks]
    for place in np.ndindex(SHAPE):
        expected = ref.pair_regression(ref.table_game(TABLES[(slice(None), *place)]), kept, D)
        np.testing.assert_allclose(versions[(slice(None), *place)], expected, rtol=0, atol=1e-11)


def test_sampled_solver_variances_give_student_intervals():
    operator = build_operator(PAIRS, learned())
    variances = SampledSolver(operator).solve(WHOLE, None)[1]
    plain = operator.variances(*WHOLE.differences()).reshape(D, 4, 2)
    factor = stats.t.ppf(0.975, operator.dof) / 1.959963984540054
    np.testing.assert_allclose(np.sqrt(variances), factor * np.sqrt(plain), rtol=1e-12)
    assert factor > 1.05


def test_own_kernel_solver_learns_kernel_of_each_row():
    values, variances, versions = OwnKernelSolver(PAIRS).solve(WHOLE, VERSIONS)
    for row in range(4):
        whole, parts = of_row(row)
        operator = build_operator(PAIRS, learn_kernel(PAIRS, *whole.differences()), own=True)
        one, spread, others = SampledSolver(operator).solve(whole, parts)
        np.testing.assert_array_equal(values[:, [row]], one)
        np.testing.assert_array_equal(variances[:, [row]], spread)
        np.testing.assert_array_equal(versions[:, :, [row]], others)
