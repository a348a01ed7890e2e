import numpy as np
import pytest

from agnostix.what_if.distinct_values import MAX_EXACT, N_NODES, collapse, collapse_levels
from tests.reference.what_if import standardize

PER_OUTCOME = ("first", "first_sq", "second_sq")


def tied(seed=0, n=300):
    rng = np.random.default_rng(seed)
    z, base = standardize(rng.integers(-2, 4, n).astype(float), rng.uniform(0.1, 2.0, n))
    return z, base, rng.normal(size=(n, 2))


def test_collapse_sums_rows_by_distinct_value():
    z, base, outcomes = tied()
    merged = collapse(z, base, outcomes)
    assert merged.points.tolist() == sorted(set(z.tolist()))
    for j, point in enumerate(merged.points):
        b, y = base[z == point], outcomes[z == point]
        assert merged.mass[j] == pytest.approx(b.sum())
        assert merged.mass_sq[j] == pytest.approx((b * b).sum())
        assert merged.row_mass[j] == pytest.approx((b * b).sum() / b.sum())
        assert merged.row_top[j] == b.max()
        np.testing.assert_allclose(merged.first[j], b @ y)
        np.testing.assert_allclose(merged.first_sq[j], (b * b) @ y)
        np.testing.assert_allclose(merged.second_sq[j], (b * b) @ (y * y))
    assert merged.extremes == (z.min(), z.max())
    assert merged.mean == pytest.approx(0.0, abs=1e-12)


def test_collapse_equal_weights_match_weighted_path():
    z, _, outcomes = tied()
    flat = np.full(z.size, 1.0 / z.size)
    nearly = flat.copy()
    nearly[0] = np.nextafter(nearly[0], 1.0)
    one, other = collapse(z, flat, outcomes), collapse(z, nearly, outcomes)
    for name in ("mass", "mass_sq", "row_mass", "row_top", *PER_OUTCOME):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("weighted", [False, True])
def test_collapse_levels_matches_indicator_of_each_level(weighted):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, 200)
    base = rng.uniform(0.1, 2.0, 200) if weighted else np.ones(200)
    base /= base.sum()
    outcomes = rng.normal(size=(200, 2))
    indicators = {j: standardize(codes == j, base)[0] for j in (3, 0, 2)}
    points = {j: np.array([z.min(), z.max()]) for j, z in indicators.items()}
    levels = collapse_levels(codes, points, base, outcomes)
    for z, result in zip(indicators.values(), levels, strict=True):
        expected = collapse(z, base, outcomes, exact=True)
        assert result.extremes == pytest.approx(expected.extremes)
        for name in ("points", "mass", "mass_sq", "row_mass", "row_top", *PER_OUTCOME):
            np.testing.assert_allclose(getattr(result, name), getattr(expected, name), atol=1e-14)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "uniform", "standard_cauchy"])
def test_collapse_nodes_keep_polynomial_sums(draw):
    rng = np.random.default_rng(2)
    z = getattr(rng, draw)(size=5_000)
    z /= np.abs(z).max()
    base, outcomes = np.full(z.size, 1.0 / z.size), rng.normal(size=(z.size, 2))
    merged = collapse(z, base, outcomes)
    assert merged.bin_widths is not None
    for degree in range(N_NODES):
        assert merged.mass @ merged.points**degree == pytest.approx(base @ z**degree, abs=1e-12)
        np.testing.assert_allclose(
            merged.points**degree @ merged.first, (base * z**degree) @ outcomes, atol=1e-12
        )
        np.testing.assert_allclose(
            merged.points**degree @ merged.second_sq, (base**2 * z**degree) @ outcomes**2, atol=1e-15
        )
    assert merged.extremes == (z.min(), z.max())
    assert merged.points.min() >= z.min()
    assert merged.points.max() <= z.max()


def test_collapse_nodes_ignore_row_order():
    rng = np.random.default_rng(3)
    z, outcomes = rng.normal(size=5_000), rng.normal(size=(5_000, 1))
    base, order = np.full(5_000, 2e-4), rng.permutation(5_000)
    one = collapse(np.sort(z), base, outcomes)
    other = collapse(np.sort(z)[order], base, outcomes[order])
    for degree in (0, 1, 2):
        np.testing.assert_allclose(
            one.points**degree @ one.first, other.points**degree @ other.first, atol=1e-12
        )


def distinct(n):
    return np.random.default_rng(4).normal(size=n)


@pytest.mark.parametrize(
    ("z", "options"),
    [
        (distinct(MAX_EXACT), {}),
        (distinct(5_000), {"exact": True}),
        (np.round(distinct(5_000), 1), {}),
    ],
    ids=["few rows", "exact=True", "tied"],
)
def test_collapse_exact_keeps_distinct_values(z, options):
    base = np.full(z.size, 1.0 / z.size)
    merged = collapse(z, base, np.zeros((z.size, 1)), **options)
    assert merged.bin_widths is None
    np.testing.assert_array_equal(merged.points, np.unique(z))


def test_collapse_unequal_weights_keep_distinct_values():
    z = distinct(5_000)
    base = np.random.default_rng(5).uniform(0.5, 1.5, z.size)
    assert collapse(z, base / base.sum(), np.zeros((z.size, 1))).bin_widths is None
