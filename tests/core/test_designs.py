"""Designs: strength 2, Latin hypercubes, independence and prefixes, and what their error is."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from agnostix.core.designs import (
    LEAST_USED,
    MIN_ARRAYS,
    Design,
    standard_error,
)
from agnostix.core.hypercubes import Independent, LatinHypercube, SlicedHalves, TwoLevels

CUBES = pytest.mark.parametrize(("q", "d"), [(7, 8), (8, 5), (16, 17), (31, 32)])


def every(design):
    return design.points(slice(0, design.n_points))


def arrays(design):
    return every(design).reshape(design.n_draws, design.draw.n_runs, design.n_dims)


def cube(q, d, n_draws=2, seed=0):
    return Design(d, LatinHypercube(q), n_draws, q, seed)


# ---------------------------------------------------------------- what is balanced


@CUBES
def test_latin_hypercube_has_every_pair_of_levels_once(q, d):
    for points in arrays(cube(q, d)):
        levels = np.floor(points * q).astype(int)
        for one, other in combinations(levels.T, 2):
            assert len(set(zip(one.tolist(), other.tolist(), strict=True))) == q * q


@CUBES
def test_latin_hypercube_stratifies_every_column(q, d):
    for points in arrays(cube(q, d)):
        cells = np.sort(np.floor(points * q * q), axis=0)
        np.testing.assert_array_equal(cells, np.arange(q * q)[:, None] + 0 * cells)


def test_two_levels_has_every_pair_of_halves_a_quarter_of_points():
    design = Design.from_n_points(30, 1000, 0, of_halves=True)
    assert isinstance(design.draw, TwoLevels)
    for points in arrays(design):
        for one, other in combinations((points >= 0.5).astype(int).T, 2):
            assert np.bincount(2 * one + other, minlength=4).tolist() == [design.draw.n_runs // 4] * 4


@pytest.mark.parametrize(("d", "n", "size"), [(50, 4000, 60), (10, 5000, 72), (50, 500, 60), (17, 100, 20)])
def test_sliced_halves_have_every_pair_of_halves_in_each_slice(d, n, size):
    design = Design.sliced_halves(d, n, 0)
    draw = design.draw
    assert isinstance(draw, SlicedHalves)
    assert (draw.n_array, draw.n_slices, design.n_draws) == (size, n // size, 1)
    points = every(design)
    np.testing.assert_array_equal(
        np.sort(np.floor(points[:, 0] * design.n_points)), np.arange(design.n_points)
    )
    slices = np.floor(points[:, 0] * draw.n_slices)
    for one in range(draw.n_slices):
        halves = (points[slices == one, 1:] >= 0.5).astype(int)
        for a, b in combinations(halves.T, 2):
            assert np.bincount(2 * a + b, minlength=4).tolist() == [size // 4] * 4


def test_sliced_halves_without_an_array_are_independent():
    assert isinstance(Design.sliced_halves(50, 40, 0).draw, Independent)


@pytest.mark.parametrize("draw", [LatinHypercube(8), TwoLevels(20), Independent(9), SlicedHalves(20, 3)])
def test_points_lie_inside_cube(draw):
    points = every(Design(9, draw, 40, draw.n_runs, 1))
    assert points.min() > 0.0
    assert points.max() < 1.0


@pytest.mark.parametrize("draw", [LatinHypercube(7), TwoLevels(20), Independent(3), SlicedHalves(20, 2)])
def test_every_place_of_a_draw_is_uniform(draw):
    first = np.stack([Design(3, draw, 1, draw.n_runs, seed).points(slice(0, 1))[0] for seed in range(800)])
    for column in first.T:
        assert kstest(column, "uniform").pvalue > 1e-4


def test_arrays_are_independent():
    sums = (
        np.square(every(Design(1, LatinHypercube(7), 2000, 49, seed=2))[:, 0]).reshape(2000, 49).sum(axis=1)
    )
    around = sums - sums.mean()
    for lag in (1, 2, 16):
        correlation = (around[lag:] * around[:-lag]).sum() / (around**2).sum()
        assert abs(correlation) < 4.5 / np.sqrt(2000)


# ---------------------------------------------------------------- sizes


@given(st.integers(1, 70), st.integers(16, 20_000), st.booleans())
def test_design_takes_most_of_the_points(d, n, of_halves):
    design = Design.from_n_points(d, n, 0, of_halves=of_halves)
    assert LEAST_USED * n <= design.n_points <= n
    assert design.n_blocks * design.size == design.n_points
    assert design.n_blocks >= min(28, n // 2)
    if isinstance(design.draw, LatinHypercube):
        assert design.draw.n_levels + 1 >= d
    if isinstance(design.draw, TwoLevels):
        assert design.draw.n_runs > d


@pytest.mark.parametrize(
    ("d", "n", "draw", "n_draws"),
    [
        (10, 5000, LatinHypercube(16), 19),
        (17, 5000, LatinHypercube(16), 19),
        (18, 5000, LatinHypercube(19), 13),
        (30, 5120, LatinHypercube(32), 5),
        (30, 5000, LatinHypercube(67), 1),
        (8, 1000, LatinHypercube(8), 15),
        (69, 5000, Independent(78), 64),
        (50, 4096, LatinHypercube(64), 1),
        (50, 4000, LatinHypercube(61), 1),
        (30, 1000, LatinHypercube(31), 1),
        (3, 32, Independent(1), 32),
    ],
)
def test_design_of_points(d, n, draw, n_draws):
    design = Design.from_n_points(d, n, 0)
    assert (design.draw, design.n_draws) == (draw, n_draws)


# ---------------------------------------------------------------- the same points


@given(st.data())
def test_points_of_slice(data):
    design = cube(7, 3, 6, seed=data.draw(st.integers(0, 2**40)))
    stop = data.draw(st.integers(1, 294))
    start = data.draw(st.integers(0, stop - 1))
    np.testing.assert_array_equal(design.points(slice(start, stop)), every(design)[start:stop])


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_longer_starts_with_same_points(factor):
    design = Design.from_n_points(4, 500, 3)
    longer = design.longer(factor)
    assert (longer.n_points, longer.size) == (factor * design.n_points, design.size)
    np.testing.assert_array_equal(longer.points(slice(0, design.n_points)), every(design))
    assert longer.first(design.n_points) == design


def test_points_depend_on_seed_only():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = every(cube(8, 4, seed=3)), every(replace(cube(8, 4, seed=3)))
    np.testing.assert_array_equal(one, two)
    assert (one != every(cube(8, 4, seed=4))).mean() > 0.9
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_shortened_takes_the_first_points_of_each_array():
    design = Design.from_n_points(10, 5000, 0)
    short = design.shortened(620)
    assert (short.n_points, short.size, short.n_blocks) == (19 * 32, 32, 19)
    np.testing.assert_array_equal(every(short).reshape(19, 32, 10), arrays(design)[:, :32])
    single = Design.from_n_points(30, 4096, 0).shortened(620)
    assert (single.n_points, single.n_blocks, single.is_cut) == (620, 620, False)


# ---------------------------------------------------------------- errors


def additive_fit(levels, values):
    """Least squares on indicators of all levels of all columns."""
    indicators = np.concatenate(
        [(column[:, None] == np.unique(column)).astype(float) for column in levels.T], 1
    )
    return indicators @ np.linalg.lstsq(indicators, values, rcond=None)[0]


@pytest.mark.parametrize(("q", "d", "n_draws"), [(8, 3, 4), (7, 2, 3)])
def test_additive_part_is_least_squares_on_levels(q, d, n_draws):
    design = cube(q, d, n_draws)
    values = np.random.default_rng(0).normal(size=(design.n_points, 2))
    expected = additive_fit(np.floor(every(design) * q), values)
    np.testing.assert_allclose(design.additive_part(values), expected, atol=1e-10)


def test_own_part_is_mean_by_level():
    design = cube(7, 4, 3)
    functions = np.random.default_rng(0).normal(size=(2, design.n_points))
    means = design.own_part(functions, np.array([3, 1]))
    for function, mean, dim in zip(functions, means, (3, 1), strict=True):
        levels = np.floor(every(design)[:, dim] * 7)
        for level in range(7):
            np.testing.assert_allclose(mean[levels == level], function[levels == level].mean(), atol=1e-12)


def test_products_of_additive_functions_of_levels_are_summed_without_error():
    design = cube(11, 5, 1)
    table = np.random.default_rng(1).normal(size=(2, 5, 11))
    levels = np.floor(every(design) * 11).astype(int)
    one, other = (part[np.arange(5), levels].sum(axis=1) for part in table)
    assert np.mean(one * other) == pytest.approx(
        (table[0].mean(1).sum() * table[1].mean(1).sum())
        + sum((a * b).mean() - a.mean() * b.mean() for a, b in zip(*table, strict=True)),
        abs=1e-12,
    )


def test_standard_error_takes_arrays_where_they_vary_less():
    rng = np.random.default_rng(0)
    blocks, arrays_ = rng.normal(size=(64, 2)), np.repeat(rng.normal(scale=2.0, size=(16, 1)), 2, axis=1)
    arrays_[:, 1] *= 0.02
    both = standard_error(np.concatenate([blocks, arrays_]), 64)
    apart = [np.sqrt(len(one) * one.var(ddof=1)) for one in (blocks[:, 0], arrays_[:, 1])]
    np.testing.assert_allclose(both, apart, rtol=1e-12)


def sums(design, k=0):
    """Estimates of E[s_k f] of an additive f, of s_1 s_2, and of s_0 s_1 s_2; their parts by block."""
    u = every(design)
    s = np.where(u >= 0.5, 1.0, -1.0)
    g = np.column_stack([u @ np.arange(1.0, u.shape[1] + 1), s[:, 1] * s[:, 2], s[:, 0] * s[:, 1] * s[:, 2]])
    g = (g - g.mean(axis=0)) / len(u)
    total = s[:, k] @ g
    parts = s[:, k, None] * g
    own = design.own_part(s[:, [k]].T.copy(), np.array([k]))[0]
    rest = parts - own[:, None] * design.additive_part(g)
    blocks = np.sqrt(design.inflation) * rest.reshape(design.n_blocks, -1, 3).sum(axis=1)
    return total, standard_error(blocks, design.n_blocks)


@pytest.mark.parametrize(("n", "seeds"), [(5000, 60), (1000, 120), (484, 120)])
def test_error_of_unused_column_beside_interactions(n, seeds):
    """As of independent points beside interactions, a fraction of it for a sum, and stated as made."""
    d = 10
    totals, errors = zip(*(sums(Design.from_n_points(d, n, seed)) for seed in range(seeds)), strict=True)
    design = Design.from_n_points(d, n, 0)
    made = np.std(totals, axis=0)
    stated = np.sqrt(np.mean(np.square(errors), axis=0))
    alone = np.sqrt(np.array([(np.arange(2.0, d + 1) ** 2).sum() / 12, 1.0]) / design.n_points)
    assert made[0] < 0.45 * alone[0]
    assert 0.7 < made[1] / alone[1] < 1.4
    assert 0.7 < stated[1] / made[1] < 1.4
    assert 0.7 < stated[0] / made[0] < 1.8


def test_min_arrays_leave_their_spread():
    design = Design.from_n_points(10, 5000, 0)
    assert (design.n_arrays, design.degrees_of_freedom) == (19, 18)
    few = Design.from_n_points(40, 4096, 0)
    assert (few.n_arrays, few.degrees_of_freedom) == (0, 63)
    assert MIN_ARRAYS <= 16
