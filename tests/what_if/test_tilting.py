import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.distinct_values import collapse, collapse_levels
from agnostix.what_if.responses import compute_responses
from agnostix.what_if.tilting import interpolation_error, solve_kl, solve_targets
from tests.reference.what_if import divergence, effective_rows, project_by_cone, standardize, tilted


def capital_gain(rng, n=1_000):
    top, some = n // 200, n * 8 // 100
    gains = rng.lognormal(8.0, 1.0, some - top).clip(1, 90_000)
    return np.r_[np.zeros(n - some), gains, np.full(top, 99_999.0)]


COLUMNS = {
    "normal": lambda rng: rng.normal(size=200),
    "lognormal": lambda rng: rng.lognormal(0.0, 1.0, 200),
    "counts": lambda rng: rng.poisson(2.0, 200).astype(float),
    "zero-inflated": lambda rng: capital_gain(rng, 200),
    "tiny scale": lambda rng: 1e-5 * rng.normal(size=200),
    "far from zero": lambda rng: 1e6 + rng.normal(size=200),
}


def distinct_of(z, base, **options):
    return collapse(z, base, np.zeros((z.size, 1)), **options)


@pytest.fixture(params=COLUMNS)
def column(request):
    rng = np.random.default_rng(7)
    return standardize(COLUMNS[request.param](rng), rng.uniform(0.5, 1.5, 200))


@pytest.mark.parametrize("position", [0.1, 0.3, 0.5])
def test_solve_targets_weights_match_cone_program(column, position):
    z, base = column
    for target in (position * np.quantile(z, 0.02), position * np.quantile(z, 0.98)):
        xi = solve_targets(distinct_of(z, base), np.array([target])).xi[0]
        expected = project_by_cone(z, base, target)
        np.testing.assert_allclose(tilted(z, base, xi), expected, atol=1e-6 / z.size, rtol=0)


def test_solve_targets_reaches_targets(column):
    z, base = column
    room = np.array([0.5, 1e-2, 1e-4, 1e-6, 1e-8])
    targets = np.r_[np.linspace(z.min(), z.max(), 43)[1:-1], z.min() + room, z.max() - room]
    tilts = solve_targets(distinct_of(z, base), targets)
    reached = [tilted(z, base, xi) @ z for xi in tilts.xi]
    assert np.isfinite(tilts.xi).all()
    np.testing.assert_allclose(reached, targets, atol=1e-9, rtol=0)


HEAVY = {
    "cauchy": lambda: np.random.default_rng(7).standard_cauchy(1_000),
    "lognormal": lambda: np.random.default_rng(164).lognormal(0.0, 2.0, 3_000),
    "cubed cauchy": lambda: np.random.default_rng(0).standard_cauchy(300) ** 3,
    "capital gain": lambda: capital_gain(np.random.default_rng(0)),
}


@pytest.mark.parametrize("name", HEAVY)
def test_solve_targets_heavy_tails(name):
    z, base = standardize(HEAVY[name]())
    targets = np.linspace(z.min(), z.max(), 502)[1:-1]
    tilts = solve_targets(distinct_of(z, base), targets)
    exponent = np.outer(tilts.xi, z)
    weights = base * np.exp(exponent - exponent.max(1, keepdims=True))
    np.testing.assert_allclose(weights @ z / weights.sum(1), targets, atol=1e-9, rtol=0)


def test_solve_targets_four_values_far_apart():
    z, base = standardize([0.0, 6.0, 17.0, 50.0], [0.98, 0.01999, 1e-6, 1e-5])
    targets = np.linspace(z.min(), z.max(), 4_002)[1:-1]
    tilts = solve_targets(distinct_of(z, base), targets)
    weights = base * np.exp(np.outer(tilts.xi, z - z.max()))
    np.testing.assert_allclose(weights @ z / weights.sum(1), targets, atol=1e-9, rtol=0)


def test_solve_kl_one_outlier_without_warning():
    z, base = standardize([-4_000.0, -0.02, 0.0, 0.01, 0.4], [6e-8, 0.2, 0.5, 0.29, 0.01])
    wanted = np.array([1e-6, 0.01, 0.1, 1.0, 3.0, 10.0])
    tilts = solve_kl(distinct_of(z, base), wanted, -1)
    np.testing.assert_allclose([divergence(tilted(z, base, xi), base) for xi in tilts.xi], wanted, rtol=1e-7)


def test_solve_targets_relative_accuracy_near_extreme():
    z, base = standardize(capital_gain(np.random.default_rng(0)))
    room = 10.0 ** -np.arange(1, 9)
    tilts = solve_targets(distinct_of(z, base), z.max() - room)
    reached = [tilted(z, base, xi) @ (z.max() - z) for xi in tilts.xi]
    np.testing.assert_allclose(reached, room, rtol=1e-6)


def test_solve_targets_few_effective_rows():
    z, base = standardize(np.random.default_rng(1).normal(size=500))
    target = np.sort(z)[-4:].mean()
    xi = solve_targets(distinct_of(z, base), np.array([target])).xi[0]
    weights = tilted(z, base, xi)
    assert effective_rows(weights) < 6
    assert weights @ z == pytest.approx(target, abs=1e-9)


@pytest.mark.parametrize("p", [0.001, 0.2, 0.5, 0.97])
def test_solve_targets_binary_column_shifts_log_odds(p):
    x = np.repeat([3.0, 8.0], [70, 30])
    z, base = standardize(x)
    low, high = z[0], z[-1]
    xi = solve_targets(distinct_of(z, base), np.array([low + p * (high - low)])).xi[0]
    assert xi * (high - low) == pytest.approx(np.log(p / (1 - p)) - np.log(0.3 / 0.7), abs=1e-9)


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9])
def test_solve_targets_level_weights_by_ratio_of_proportions(p):
    codes = np.repeat([0, 1, 2], [10, 25, 65])
    base = np.full(100, 0.01)
    shares = np.array([0.10, 0.25, 0.65])
    deviation = np.sqrt(shares * (1 - shares))
    points = dict(enumerate(np.c_[-shares / deviation, (1 - shares) / deviation]))
    for j, level in enumerate(collapse_levels(codes, points, base, np.zeros((100, 1)))):
        xi = solve_targets(level, np.array([(p - shares[j]) / deviation[j]])).xi[0]
        ratio = np.exp(xi * level.points) / (level.mass @ np.exp(xi * level.points))
        np.testing.assert_allclose(ratio, [(1 - p) / (1 - shares[j]), p / shares[j]], rtol=1e-9)


@pytest.mark.parametrize("target", [-2.5, -0.3, 0.7, 3.0])
def test_solve_targets_shifts_normal_distribution(target):
    z = np.linspace(-12.0, 12.0, 1_201)
    base = np.exp(-0.5 * z * z)
    base /= base.sum()
    distinct = distinct_of(z, base)
    tilts = solve_targets(distinct, np.array([target]))
    assert tilts.xi[0] == pytest.approx(target, abs=1e-9)
    assert compute_responses(distinct, tilts).kl[0] == pytest.approx(target**2 / 2, abs=1e-9)


def test_solve_targets_integer_weights_are_repeated_rows():
    rng = np.random.default_rng(2)
    x, counts = rng.normal(size=80), rng.integers(1, 6, 80)
    z, base = standardize(x, counts)
    repeated, flat = standardize(np.repeat(x, counts))
    targets = np.array([-1.0, 0.2, 1.3])
    once = solve_targets(distinct_of(z, base), targets)
    often = solve_targets(distinct_of(repeated, flat), targets)
    np.testing.assert_allclose(once.xi, often.xi, rtol=1e-10)


def test_solve_targets_boundary_and_infeasible():
    z, base = standardize(np.random.default_rng(3).normal(size=50))
    low, high = z.min(), z.max()
    near_low, near_high = (
        low + np.array([-1e-6, -1e-10, 0.0, 1e-10, 1e-6]),
        high + np.array([-1e-6, 0.0, 1e-6]),
    )
    targets = np.r_[near_low, 0.0, near_high]
    tilts = solve_targets(distinct_of(z, base), targets)
    assert tilts.infeasible.tolist() == [True] + [False] * 7 + [True]
    assert tilts.boundary.tolist() == [False, True, True, True, False, False, False, True, False]
    assert (tilts.xi[1:4] == -np.inf).all()
    assert tilts.xi[7] == np.inf
    np.testing.assert_array_equal(tilts.targets, targets)


def test_solve_targets_infinite_is_infeasible():
    z, base = standardize(np.arange(10.0))
    assert solve_targets(distinct_of(z, base), np.array([-np.inf, np.inf])).infeasible.all()


def test_solve_targets_empty():
    z, base = standardize(np.arange(10.0))
    distinct = distinct_of(z, base)
    tilts = solve_targets(distinct, np.zeros(0))
    assert tilts.xi.shape == (0,)
    assert compute_responses(distinct, tilts).values.shape == (0, 1)


def test_solve_targets_multiplier_is_monotone(column):
    z, base = column
    targets = np.linspace(z.min() + 1e-3, z.max() - 1e-3, 101)
    assert (np.diff(solve_targets(distinct_of(z, base), targets).xi) > 0).all()


@pytest.mark.parametrize("sign", [-1, 1])
def test_solve_kl_reaches_divergences(column, sign):
    z, base = column
    edge = base[z == (z.max() if sign > 0 else z.min())].sum()
    wanted = -np.log(edge) * np.array([1e-4, 0.02, 0.1, 0.5, 0.9, 0.999])
    tilts = solve_kl(distinct_of(z, base), wanted, sign)
    weights = [tilted(z, base, xi) for xi in tilts.xi]
    np.testing.assert_allclose([divergence(w, base) for w in weights], wanted, rtol=1e-7)
    np.testing.assert_allclose([w @ z for w in weights], tilts.targets, atol=1e-9)
    assert (sign * tilts.xi > 0).all()


@pytest.mark.parametrize("sign", [-1, 1])
def test_solve_kl_beyond_extreme_stays_on_extreme(column, sign):
    z, base = column
    extreme = z.max() if sign > 0 else z.min()
    tilts = solve_kl(distinct_of(z, base), np.array([1.001, 5.0]) * -np.log(base[z == extreme].sum()), sign)
    assert (tilts.xi == sign * np.inf).all()
    np.testing.assert_allclose(tilts.targets, extreme)


def test_solve_kl_zero_keeps_base_weights():
    z, base = standardize(np.arange(10.0))
    tilts = solve_kl(distinct_of(z, base), np.zeros(2), 1)
    np.testing.assert_array_equal(tilts.xi, 0.0)
    np.testing.assert_allclose(tilts.targets, 0.0, atol=1e-12)


@pytest.mark.parametrize("sign", [-1, 1])
def test_solve_kl_one_at_a_time_matches_all(sign):
    z, base = standardize(np.random.default_rng(4).lognormal(size=300))
    distinct, wanted = distinct_of(z, base), np.array([0.01, 0.1, 1.0, 3.0, 50.0])
    together = solve_kl(distinct, wanted, sign)
    apart = [solve_kl(distinct, wanted[j : j + 1], sign).xi[0] for j in range(wanted.size)]
    np.testing.assert_allclose(together.xi, apart, rtol=1e-10)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "uniform"])
def test_solve_targets_and_solve_kl_nodes_match_rows(draw):
    rng = np.random.default_rng(5)
    z, base = standardize(getattr(rng, draw)(size=6_000))
    nodes, rows = distinct_of(z, base), distinct_of(z, base, exact=True)
    assert nodes.bin_widths is not None
    targets = np.quantile(z, np.linspace(0.03, 0.97, 15))
    np.testing.assert_allclose(
        solve_targets(nodes, targets).xi, solve_targets(rows, targets).xi, rtol=1e-9, atol=1e-9
    )
    divergences = np.array([0.01, 0.1, 1.0])
    for sign in (-1, 1):
        np.testing.assert_allclose(
            solve_kl(nodes, divergences, sign).targets, solve_kl(rows, divergences, sign).targets, atol=1e-9
        )


@pytest.mark.parametrize("room", [1e-2, 1e-4, 1e-7, 0.0])
def test_solve_targets_nodes_near_extreme_without_warning(room):
    z, base = standardize(np.random.default_rng(6).normal(size=6_000))
    tilts = solve_targets(distinct_of(z, base), np.array([z.min() + room, z.max() - room]))
    assert not tilts.infeasible.any()


@pytest.mark.parametrize("sign", [-1, 1])
def test_interpolation_error_flags_kl_beyond_extreme(sign):
    z, base = standardize(np.random.default_rng(6).normal(size=6_000))
    nodes = distinct_of(z, base)
    tilts = solve_kl(nodes, np.array([1.0, 20.0]), sign)
    small, large = interpolation_error(nodes, tilts)
    assert small < 1e-12
    assert large > 1.0


def test_interpolation_error_flags_kl_beyond_many_zeros():
    rng = np.random.default_rng(8)
    z, base = standardize(np.where(rng.random(6_000) < 0.45, 0.0, rng.lognormal(size=6_000)))
    nodes = distinct_of(z, base)
    assert nodes.bin_widths is not None
    assert interpolation_error(nodes, solve_kl(nodes, np.array([4.0]), -1))[0] > 1.0


@given(
    st.lists(st.integers(-50, 50), min_size=4, max_size=40).filter(lambda x: len(set(x)) > 1),
    st.floats(0.01, 0.99),
    st.sampled_from([1e-6, 1.0, 1e7]),
    st.sampled_from([0.0, -3.0, 1e4]),
)
def test_solve_targets_ignores_scale_and_shift(values, position, scale, shift):
    x = np.array(values, dtype=float)
    z, base = standardize(x)
    moved, _ = standardize(scale * (x + shift))
    target = np.array([z.min() + position * np.ptp(z)])
    one, other = (solve_targets(distinct_of(c, base), target).xi[0] for c in (z, moved))
    np.testing.assert_allclose(tilted(z, base, one), tilted(moved, base, other), atol=1e-6 / x.size, rtol=0)


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 9)), min_size=3, max_size=30).filter(
        lambda rows: len({x for x, _ in rows}) > 1
    ),
    st.floats(0.001, 0.999),
)
def test_solve_targets_any_weighted_integers(rows, position):
    x, weight = np.array(rows, dtype=float).T
    z, base = standardize(x, weight)
    target = z.min() + position * np.ptp(z)
    xi = solve_targets(distinct_of(z, base), np.array([target])).xi[0]
    assert tilted(z, base, xi) @ z == pytest.approx(target, abs=1e-9)
