import numpy as np
import pytest

from agnostix.what_if.calibration import DIVERGENCES, merge_rows, project
from agnostix.what_if.inference import Influence, MergedInfluence
from tests.reference.what_if import standardize


def crossed(seed=0, n=600, weighted=True):
    """Indicators of two columns' levels, the columns' codes, and outcomes that vary within their cells."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, m, n) for m in (3, 4)]
    indicators = np.column_stack([code == level for code in codes for level in range(code.max())])
    phi, base = standardize(indicators, rng.uniform(0.5, 2.0, n) if weighted else None)
    outcomes = rng.normal(size=(n, 2)) + phi[:, :2]
    return phi, base, codes, outcomes


def by_rows_and_cells(phi, base, codes, projection, penalty=None, terms=None, plain=False):
    cells = merge_rows(codes, base)
    binding = np.isfinite(projection.held)
    target, xi = projection.held[binding], projection.xi[binding]
    soft = None if penalty is None else penalty[binding]

    def influence(rows, weights, tangent, base):
        parts = phi[:, binding][rows]
        if plain:
            return Influence.from_weights(parts - target, weights, base)
        held = None if terms is None else -terms * base[:, None] * (parts - base @ parts)
        return Influence.from_conditions(
            parts, target, xi, weights, tangent, base, penalty=soft, base_terms=held
        )

    sums = [cells.sums(part) for part in (projection.weights, projection.tangent)]
    by_cell = influence(cells.first, *sums, cells.base)
    merged = MergedInfluence.from_cells(by_cell, cells, projection.weights, projection.tangent, base)
    return influence(slice(None), projection.weights, projection.tangent, base), merged, cells


def assert_same(rows, merged, cells, outcomes, codes):
    np.testing.assert_allclose(merged.inflated, rows.inflated, rtol=1e-9)
    np.testing.assert_allclose(merged.slopes(outcomes), rows.slopes(outcomes), atol=1e-9)
    np.testing.assert_allclose(merged.of_rows(outcomes), rows.of_rows(outcomes), atol=1e-12)
    np.testing.assert_allclose(merged.errors(outcomes), rows.errors(outcomes), rtol=1e-8)
    levels = np.column_stack([code == level for code in codes for level in range(code.max() + 1)]).astype(
        float
    )
    levels = np.column_stack([levels, levels @ np.arange(levels.shape[1])]).astype(float)
    expected = rows.errors(levels)
    # Of what is stated, the error is 0 but for rounding.
    np.testing.assert_allclose(merged.errors_of_cells(levels[cells.first]), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_merged_influence_is_that_of_the_rows(weighted):
    phi, base, codes, outcomes = crossed(weighted=weighted)
    target = 0.3 * np.random.default_rng(1).normal(size=phi.shape[1])
    projection = project(phi, target, target, base)
    assert_same(*by_rows_and_cells(phi, base, codes, projection, plain=True), outcomes, codes)


@pytest.mark.parametrize("bounds", [None, (0.6, 1.7)])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_merged_influence_of_any_divergence(name, bounds):
    phi, base, codes, outcomes = crossed()
    rng = np.random.default_rng(2)
    target = 0.2 * rng.normal(size=phi.shape[1])
    penalty = np.where(np.arange(target.size) % 2, 30.0, np.inf)
    options = {"divergence": DIVERGENCES[name], "weight_bounds": bounds, "penalty": penalty}
    projection = project(phi, target, target, base, **options)
    rows, merged, cells = by_rows_and_cells(phi, base, codes, projection, penalty, np.eye(target.size)[0])
    assert merged.remainder is not None
    assert_same(rows, merged, cells, outcomes, codes)


def test_merged_influence_knows_of_a_row_that_dominates():
    phi, base, codes, outcomes = crossed(weighted=False)
    base = np.where(np.arange(base.size) == 5, 1e5 * base[0], base)
    base /= base.sum()
    projection = project(phi, base @ phi, base @ phi, base)
    rows, merged, cells = by_rows_and_cells(phi, base, codes, projection, plain=True)
    assert merged.one_row_dominates == rows.one_row_dominates
    if rows.one_row_dominates:
        assert np.isinf(merged.errors(outcomes)).all()
        assert np.isinf(merged.errors_of_cells(phi[cells.first])).all()
