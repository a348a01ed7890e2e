import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.calibration import merge_rows, project
from tests.reference.calibration import rake


def cells_by_rows(columns):
    """The rows of each distinct combination of values, one row at a time."""
    rows = {}
    for i, key in enumerate(zip(*columns, strict=True)):
        rows.setdefault(key, []).append(i)
    return sorted(rows.values())


@given(st.integers(0, 10_000))
def test_merge_rows_groups_rows_of_equal_values(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 200))
    columns = [
        rng.integers(-3, 4, n),
        rng.random(n) < 0.5,
        rng.choice([0.25, 1e9, -3.5], n),
        np.where(rng.random(n) < 0.1, 0.7, -1.3),
    ][: int(rng.integers(1, 5))]
    base = rng.dirichlet(np.ones(n))
    cells = merge_rows(columns, base)
    expected = cells_by_rows(columns)
    if 2 * len(expected) > n:
        assert cells is None
        return
    assert sorted(np.flatnonzero(cells.code == c).tolist() for c in range(cells.base.size)) == expected
    np.testing.assert_array_equal(cells.code[cells.first], np.arange(cells.base.size))
    np.testing.assert_array_equal(
        cells.first, [np.flatnonzero(cells.code == c)[0] for c in range(cells.base.size)]
    )
    np.testing.assert_allclose(cells.base, [base[cells.code == c].sum() for c in range(cells.base.size)])


def test_merge_rows_of_many_values_is_none():
    rng = np.random.default_rng(0)
    base = np.full(5_000, 1.0 / 5_000)
    assert merge_rows([rng.normal(size=5_000)], base) is None
    assert merge_rows([rng.integers(0, 2, 5_000), rng.normal(size=5_000)], base) is None
    assert merge_rows(list(rng.integers(0, 60, (4, 5_000))), base) is None


def test_merge_rows_of_many_columns_keeps_numbers_small():
    rng = np.random.default_rng(1)
    group = rng.integers(0, 20, 3_000)
    columns = [(group * (j + 3)) % 7 for j in range(40)]  # 7^40 combinations, 20 of which exist
    assert merge_rows(columns, np.full(3_000, 1.0 / 3_000)).base.size == len(cells_by_rows(columns))


def test_spread_keeps_proportions_within_cells():
    rng = np.random.default_rng(2)
    column, base = rng.integers(0, 4, 500), rng.dirichlet(np.ones(500))
    cells = merge_rows([column], base)
    weights = cells.spread(np.array([0.4, 0.3, 0.2, 0.1]), base)
    np.testing.assert_allclose(np.bincount(column, weights), [0.4, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(weights / base, (np.array([0.4, 0.3, 0.2, 0.1]) / cells.base)[column])


@pytest.mark.parametrize("bounds", [None, (0.5, 1.9)])
def test_project_of_merged_rows_is_that_of_the_rows(bounds):
    # 1,500 rows are merged; with one tiny continuous statistic that must only be near 0, they are not.
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 5, (2, 1_500))
    phi = np.column_stack([code == level for code in codes for level in range(4)]).astype(float)
    phi = (phi - phi.mean(0)) / phi.std(0)
    base = rng.dirichlet(np.full(1_500, 3.0))
    target = 0.1 * rng.normal(size=8)
    merged = project(phi, target, target, base, weight_bounds=bounds)
    free = np.column_stack([phi, rng.normal(size=1_500)])
    rows = project(free, np.r_[target, -9.0], np.r_[target, 9.0], base, weight_bounds=bounds)
    np.testing.assert_allclose(merged.weights, rows.weights, rtol=1e-9)
    np.testing.assert_allclose(merged.tangent, rows.tangent, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(merged.xi, rows.xi[:8], atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_project_of_margins_is_iterative_proportional_fitting(seed):
    rng = np.random.default_rng(seed)
    codes, base = [rng.integers(0, m, 2_000) for m in (3, 4, 6)], rng.dirichlet(np.full(2_000, 2.0))
    margins = [np.bincount(code, base) * rng.uniform(0.5, 1.5, code.max() + 1) for code in codes]
    margins = [margin / margin.sum() for margin in margins]
    phi = np.column_stack(
        [code == level for code, m in zip(codes, margins, strict=True) for level in range(m.size)]
    )
    shares = np.concatenate(margins)
    weights = project(phi.astype(float), shares, shares, base).weights
    np.testing.assert_allclose(weights, rake(codes, margins, base), rtol=1e-10)
