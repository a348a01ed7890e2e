from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from agnostix.games import ExactSolver, OwnKernelSolver, SampledSolver
from agnostix.perturb import all_coalitions, leverage_pairs
from agnostix.solvers.kernel_params import learn_kernel
from agnostix.solvers.shapley_operator import build_operator
from tests.reference import shapley as ref

RNG = np.random.default_rng(0)
D = 6
MASKS = all_coalitions(D)
SHAPE = (3, 4, 2)
"""Versions, rows and outputs."""
TABLES = RNG.normal(size=(2**D, *SHAPE)) + 3.0 * MASKS.sum(axis=1).reshape(-1, 1, 1, 1)
PAIRS = leverage_pairs(D, 20, seed=1)


def in_order_of(pairs, tables=TABLES):
    """Worths of all, of none, and of each pair's sides."""
    place = 2 ** np.arange(D)
    rest = np.empty((2 * pairs.n_pairs, *tables.shape[1:]))
    rest[0::2], rest[1::2] = tables[pairs.masks @ place], tables[~pairs.masks @ place]
    return tables[-1], tables[0], rest


def learned(tables=TABLES):
    full, empty, rest = in_order_of(PAIRS, tables)
    return learn_kernel(PAIRS, (rest[0::2] - rest[1::2]).reshape(20, -1), (full - empty).ravel())


def test_all_coalitions_are_solved_as_by_definition():
    values, variances = ExactSolver(D).solve(TABLES[-1], TABLES[0], TABLES[1:-1])
    assert values.shape == (D, *SHAPE)
    for place in np.ndindex(SHAPE):
        expected = ref.shapley(ref.table_game(TABLES[(slice(None), *place)]), D)
        np.testing.assert_allclose(values[(slice(None), *place)], expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(variances, np.zeros((D, 4, 2)))


@pytest.mark.parametrize("d", [0, 1])
def test_games_of_few_players(d):
    full, empty = RNG.normal(size=(2, *SHAPE))
    values, variances = ExactSolver(d).solve(full, empty, np.empty((0, *SHAPE)))
    np.testing.assert_array_equal(values, (full - empty)[None][:d])
    assert variances.shape == (d, 4, 2)


@pytest.mark.parametrize("solver", ["shared", "own"])
def test_every_version_row_and_output_is_solved_by_itself(solver):
    full, empty, rest = in_order_of(PAIRS)
    solve = SampledSolver(build_operator(PAIRS, learned())).solve if solver == "shared" else None
    solve = solve or OwnKernelSolver(PAIRS).solve
    values, variances = solve(full, empty, rest)
    for row in range(4):
        alone, spread = solve(full[:, [row]], empty[:, [row]], rest[:, :, [row]])
        np.testing.assert_array_equal(values[:, :, [row]], alone)
        np.testing.assert_array_equal(variances[:, [row]], spread)
    np.testing.assert_allclose(values.sum(axis=0), full - empty, rtol=0, atol=1e-12)
    assert (variances > 0).all()


def test_without_a_kernel_pairs_are_solved_by_regression():
    operator = build_operator(PAIRS, replace(learned(), rho=0.0))
    values, _ = SampledSolver(operator).solve(*in_order_of(PAIRS))
    kept = [frozenset(np.flatnonzero(mask).tolist()) for mask in PAIRS.masks]
    for place in np.ndindex(SHAPE):
        expected = ref.pair_regression(ref.table_game(TABLES[(slice(None), *place)]), kept, D)
        np.testing.assert_allclose(values[(slice(None), *place)], expected, rtol=0, atol=1e-11)


def test_variances_are_of_the_first_version_and_make_students_intervals():
    full, empty, rest = in_order_of(PAIRS)
    operator = build_operator(PAIRS, learned())
    _, variances = SampledSolver(operator).solve(full, empty, rest)
    differences = rest[0::2, 0] - rest[1::2, 0]
    plain = operator.variances(differences.reshape(20, -1), (full - empty)[0].ravel()).reshape(D, 4, 2)
    factor = stats.t.ppf(0.975, operator.dof) / 1.959963984540054
    np.testing.assert_allclose(np.sqrt(variances), factor * np.sqrt(plain), rtol=1e-12)
    assert factor > 1.05


def test_own_kernels_are_learned_from_each_rows_outputs():
    full, empty, rest = in_order_of(PAIRS)
    values, variances = OwnKernelSolver(PAIRS).solve(full, empty, rest)
    for row in range(4):
        differences = rest[0::2, 0, row] - rest[1::2, 0, row]
        params = learn_kernel(PAIRS, differences, (full - empty)[0, row])
        operator = build_operator(PAIRS, params, own=True)
        one, spread = SampledSolver(operator).solve(full[:, [row]], empty[:, [row]], rest[:, :, [row]])
        np.testing.assert_array_equal(values[:, :, [row]], one)
        np.testing.assert_array_equal(variances[:, [row]], spread)
