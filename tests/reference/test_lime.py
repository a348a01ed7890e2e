"""LIME's reference formulas against enumeration, scikit-learn and the lime package."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import truncnorm
from sklearn.linear_model import Ridge, lars_path
from sklearn.tree import DecisionTreeRegressor

from tests.reference import lime as ref

R = 0.7


def a_table(n=400, seed=0):
    """A normal, a skewed, a zero-inflated and a two-level column."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, 4))
    table[:, 1] = np.exp(table[:, 1])
    table[:, 2] = np.where(rng.random(n) < 0.4, -1.0, table[:, 2] ** 2)
    table[:, 3] = rng.random(n) < 0.3
    return table


def bins_and_row(table, at=3):
    edges = [ref.quartile_edges(column) for column in table.T]
    columns = [ref.bins_of(column, e) for column, e in zip(table.T, edges, strict=True)]
    return columns, table[at], [ref.bin_of(x, e) for x, e in zip(table[at], edges, strict=True)]


def discrete(columns):
    """Columns whose bins are single values."""
    return [
        [ref.Bin(p / math.fsum(masses), float(b), 0.0, float(b), float(b)) for b, p in enumerate(masses)]
        for masses in columns
    ]


THREE = discrete([[2, 3, 5], [1, 4], [3, 3, 1, 1]])


def table_of(columns, seed=0):
    """A model that has its own prediction in each cell."""
    return np.random.default_rng(seed).normal(size=[len(bins) for bins in columns])


def brute(f, columns, row_bins, n=1e9, alpha=0.0):
    """The surrogate over all cells as weighted samples; n so large that the row is lost."""
    cells = list(ref.enumerated(f, columns, row_bins, R))
    weights = n * np.array([w for w, _, _ in cells])
    z, y = np.array([z for _, z, _ in cells]), np.array([y for _, _, y in cells])
    return ref.ridge(z, y, weights, alpha)


# ---------------------------------------------------------------- bins


def test_bin_of_open_below_and_closed_above():
    edges = ref.quartile_edges([0.0, 1.0, 2.0, 3.0, 4.0])
    assert edges.tolist() == [1.0, 2.0, 3.0]
    assert [ref.bin_of(x, edges) for x in (-9.0, 1.0, 1.1, 2.0, 3.0, 3.1)] == [0, 0, 1, 1, 2, 3]


def test_bins_of_constant_column_are_point_mass():
    edges = ref.quartile_edges(np.full(7, 5.0))
    first, second = ref.bins_of(np.full(7, 5.0), edges)
    assert (edges.tolist(), first) == ([5.0], ref.Bin(1.0, 5.0, 0.0, 5.0, 5.0))
    assert second.p == 0.0
    assert ref.expectation(lambda x: x**2, first) == 25.0
    assert ref.interval_mass(first, 4.0, 5.0) == 1.0
    assert ref.interval_mass(first, 5.0, 6.0) == 0.0
    rng = np.random.default_rng(0)
    x, z = ref.binned_samples(rng, 10, [[first, second]], [5.0], [0])
    assert (x == 5.0).all()
    assert (z == 1.0).all()


def test_between_edges_bounds():
    column = [0.0, 1.0, 1.5, 4.0]
    first, second = ref.between_edges(column, [1.2])
    assert (first.lo, first.hi, second.lo, second.hi) == (0.0, 1.2, 1.2, 4.0)
    assert (second.mean, second.p) == (2.75, 0.5)


def test_seen_bins_and_levels():
    first, second = ref.seen_bins([1.0, 5.0, 1.0, 2.0], [1.5])
    assert (first, second) == (ref.Seen(0.5, [1.0, 1.0]), ref.Seen(0.5, [5.0, 2.0]))
    assert ref.seen_levels(["b", "a", "b", "b"]) == [ref.Seen(0.75, ["b"]), ref.Seen(0.25, ["a"])]
    assert ref.expectation(lambda x: x**2, second) == 14.5
    assert ref.interval_mass(second, 2.0, 5.0) == 0.5
    samples = list(ref.enumerated_draws([[first, second], ref.seen_levels([7, 7])], [1, 0], 0.7))
    assert samples == [
        (0.5 * 0.7, [0.0, 1.0], [1.0, 7]),
        (0.25, [1.0, 1.0], [5.0, 7]),
        (0.25, [1.0, 1.0], [2.0, 7]),
    ]


@pytest.mark.parametrize(
    ("mean", "sd", "lo", "hi"),
    [(0.0, 1.0, -1.0, 2.0), (3.0, 0.5, 2.9, 9.0), (0.0, 1.0, 5.0, 7.0), (0, 1, -90, 90)],
)
def test_truncated_moments_match_scipy(mean, sd, lo, hi):
    one = ref.Bin(1.0, mean, sd, lo, hi)
    normal = truncnorm((lo - mean) / sd, (hi - mean) / sd, loc=mean, scale=sd)
    assert ref.expectation(lambda x: x, one) == pytest.approx(normal.mean(), abs=1e-11)
    assert ref.expectation(lambda x: x * x, one) == pytest.approx(normal.var() + normal.mean() ** 2, rel=1e-9)
    assert ref.interval_mass(one, lo, lo + sd) == pytest.approx(normal.cdf(lo + sd), abs=1e-11)


def test_normal_draws_follow_distribution():
    one = ref.Bin(1.0, 0.3, 0.8, -0.5, 2.0)
    samples = ref.normal_draws(np.random.default_rng(0), one, 40_000)
    assert samples.min() >= one.lo
    assert samples.max() <= one.hi
    for power in (1, 2, 3):
        expected = ref.expectation(lambda x, k=power: x**k, one)
        error = np.std(samples**power) / math.sqrt(samples.size)
        assert abs(np.mean(samples**power) - expected) < 4.0 * error


# ---------------------------------------------------------------- ridge and selection


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 50.0])
def test_fit_matches_sklearn_ridge(alpha):
    rng = np.random.default_rng(0)
    z, y, weights = rng.normal(size=(50, 4)), rng.normal(size=50), rng.exponential(size=50)
    model = Ridge(alpha=alpha, tol=1e-12).fit(z, y, sample_weight=weights)
    found = ref.fit(z, y, weights, alpha)
    np.testing.assert_allclose(found.coefficients, model.coef_, atol=1e-12)
    assert found.intercept == pytest.approx(model.intercept_, abs=1e-12)
    assert found.r2 == pytest.approx(model.score(z, y, sample_weight=weights), abs=1e-12)
    assert found.prediction == pytest.approx(model.predict(z[:1])[0], abs=1e-12)


def samples(seed, n=120, d=7):
    rng = np.random.default_rng(seed)
    z = (rng.random((n, d)) < rng.uniform(0.2, 0.8, size=d)).astype(float)
    z[0] = 1.0
    y = z @ rng.normal(size=d) + z[:, 0] * z[:, 1] + 0.5 * rng.normal(size=n)
    return z, y, ref.flip_weights(z)


@pytest.mark.parametrize("seed", range(6))
def test_lasso_knots_match_lars_path(seed):
    z, y, weights = samples(seed)
    centered = np.sqrt(weights)[:, None] * (z - np.average(z, axis=0, weights=weights))
    target = np.sqrt(weights) * (y - np.average(y, weights=weights))
    _, _, expected = lars_path(centered, target, method="lasso")
    found = np.array(ref.lasso_knots(centered, target)).T
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_lasso_knots_optimal_where_column_leaves():
    rng = np.random.default_rng(37)
    shared = rng.normal(size=(30, 1))
    x = 2.0 * shared + rng.normal(size=(30, 6))
    y = x @ np.array([1.0, -1.0, 1.0, -1.0, 0.5, 0.0]) + rng.normal(size=30)
    knots = ref.lasso_knots(x, y)
    assert any(((one != 0.0) & (after == 0.0)).any() for one, after in pairwise(knots))
    for beta in knots:
        slope = x.T @ (y - x @ beta)
        level = np.abs(slope).max()
        used = beta != 0.0
        np.testing.assert_allclose(slope[used], level * np.sign(beta[used]), atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2, 4, 7])
def test_selections_match_lime(seed, k):
    base = pytest.importorskip("lime.lime_base").LimeBase(None, random_state=0)
    z, y, weights = samples(seed)
    for name, chosen in {
        "forward_selection": ref.forward_selection(z, y, weights, k),
        "highest_weights": ref.highest_weights(z, y, weights, k),
        "lasso_path": ref.lasso_path(z, y, weights, k),
    }.items():
        assert chosen == list(base.feature_selection(z, y, weights, k, name)), name


# ---------------------------------------------------------------- binary design: contrasts


@pytest.mark.parametrize("row_bins", [(0, 0, 0), (2, 1, 3), (1, 0, 2)])
def test_ridge_coefficients_are_conditional_contrasts(row_bins):
    predictions = table_of(THREE)
    total, mean, crossed, _ = ref.enumerated_moments(lambda c: predictions[c], THREE, row_bins, R)
    assert total == pytest.approx(ref.mean_weight(THREE, row_bins, R), abs=1e-14)
    alphas = [ref.tilted(q, R)[0] for q in ref.row_masses(THREE, row_bins)]
    contrasts = [(c - a * mean) / (a * (1.0 - a)) for a, c in zip(alphas, crossed, strict=True)]
    coefficients, intercept = brute(lambda c: predictions[c], THREE, row_bins)
    np.testing.assert_allclose(coefficients, contrasts, atol=1e-10)
    assert intercept == pytest.approx(mean - np.dot(alphas, contrasts), abs=1e-10)


def test_additive_contrasts_match_enumeration():
    columns, _, row_bins = bins_and_row(a_table())
    parts = [math.sin, lambda x: x**2, math.exp, lambda x: 3.0 * x]
    means = [
        [ref.expectation(f, one) if one.p else 0.0 for one in bins]
        for f, bins in zip(parts, columns, strict=True)
    ]
    contrasts, mean = ref.additive(parts, columns, row_bins, R)

    def f(cell):
        return math.fsum(means[j][b] for j, b in enumerate(cell))

    assert mean == pytest.approx(ref.enumerated_moments(f, columns, row_bins, R)[1], abs=1e-12)
    np.testing.assert_allclose(brute(f, columns, row_bins)[0], contrasts, atol=1e-10)
    for r in (0.01, 0.99):
        np.testing.assert_allclose(ref.additive(parts, columns, row_bins, r)[0], contrasts, atol=1e-13)


def test_linear_contrasts_are_differences_of_means():
    columns, _, row_bins = bins_and_row(a_table())
    slopes = [1.0, -2.0, 0.5, 0.0]
    contrasts, _ = ref.linear(slopes, columns, row_bins, R)
    for j, (a, bins, b) in enumerate(zip(slopes, columns, row_bins, strict=True)):
        means = [ref.expectation(lambda x: x, one) if one.p else 0.0 for one in bins]
        others = [(one.p, m) for k, (one, m) in enumerate(zip(bins, means, strict=True)) if k != b]
        outside = sum(p * m for p, m in others) / sum(p for p, _ in others)
        assert contrasts[j] == pytest.approx(a * (means[b] - outside), abs=1e-12)


@pytest.mark.parametrize("members", [{0}, {1, 2}, {0, 1, 2}])
def test_aligned_box_contrasts_match_enumeration(members):
    row_bins = (1, 0, 2)

    def f(cell):
        return float(all(cell[k] == row_bins[k] for k in members))

    contrasts, mean = ref.aligned_box(members, THREE, row_bins, R)
    assert mean == pytest.approx(ref.enumerated_moments(f, THREE, row_bins, R)[1], abs=1e-14)
    np.testing.assert_allclose(brute(f, THREE, row_bins)[0], contrasts, atol=1e-10)
    sides = {k: (row_bins[k] - 0.5, row_bins[k] + 0.5) for k in members}
    np.testing.assert_allclose(ref.box(sides, THREE, row_bins, R)[0], contrasts, atol=1e-14)


def refined(columns, cuts):
    """Bins cut further at the model's thresholds: pieces with their mass, a value inside and their bin."""
    pieces = []
    for bins, column_cuts in zip(columns, cuts, strict=True):
        here = []
        for b, one in enumerate(bins):
            if not one.p:
                continue
            ends = [one.lo, *sorted(c for c in column_cuts if one.lo < c < one.hi), one.hi]
            for lo, hi in pairwise(ends):
                mass = one.p * ref.interval_mass(one, lo if lo < hi else -math.inf, hi)
                here.append((mass, (lo + hi) / 2.0, b))
        pieces.append(here)
    return pieces


@pytest.mark.parametrize("at", [3, 8, 11])
def test_tree_boxes_contrasts_match_ridge(at):
    table = a_table()
    columns, _, row_bins = bins_and_row(table, at)
    y = table[:, 0] * table[:, 2] + (table[:, 1] > 1.0) * (table[:, 3] > 0.5)
    model = DecisionTreeRegressor(max_leaf_nodes=9, random_state=0).fit(table, y)
    tree = model.tree_
    cuts = [tree.threshold[tree.feature == j] for j in range(4)]
    pieces = refined(columns, cuts)
    fine = [[ref.Bin(mass, mid, 0.0, mid, mid) for mass, mid, _ in here] for here in pieces]
    shape = [len(here) for here in pieces]
    cells = np.array(list(np.ndindex(*shape)))
    grid = np.array([[fine[j][b].mean for j, b in enumerate(cell)] for cell in cells])
    masses = np.prod([[fine[j][b].p for j, b in enumerate(cell)] for cell in cells], axis=1)
    z = np.array([[float(pieces[j][b][2] == row_bins[j]) for j, b in enumerate(cell)] for cell in cells])
    weights = masses * R ** (1.0 - z).sum(1)
    predictions = model.predict(grid)
    contrasts, mean = ref.sum_of_boxes(ref.tree_boxes(tree), columns, row_bins, R)
    assert mean == pytest.approx(np.average(predictions, weights=weights), abs=1e-10)
    np.testing.assert_allclose(ref.ridge(z, predictions, 1e9 * weights, 0.0)[0], contrasts, atol=1e-9)


# ---------------------------------------------------------------- binary design: the row's own sample

counted_or_not = pytest.mark.parametrize("counted", [True, False])


@counted_or_not
@pytest.mark.parametrize("n", [0.5, 20.0, 5000.0])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 30.0])
def test_ridge_of_moments_counts_row_as_sample(n, alpha, counted):
    row_bins, predictions, row_prediction = (1, 0, 2), table_of(THREE), 3.0
    cells = list(ref.enumerated(lambda c: predictions[c], THREE, row_bins, R))
    weights = np.array([float(counted), *(n * w for w, _, _ in cells)])
    z, y = (
        np.array([[1.0] * 3, *(z for _, z, _ in cells)]),
        np.array([row_prediction, *(y for _, _, y in cells)]),
    )
    expected = ref.fit(z, y, weights, alpha)
    total, mean, crossed, square = ref.enumerated_moments(lambda c: predictions[c], THREE, row_bins, R)
    alphas = [ref.tilted(q, R)[0] for q in ref.row_masses(THREE, row_bins)]
    found = ref.ridge_of_moments(
        n * total,
        alphas,
        ref.independent_seconds(alphas),
        mean,
        crossed,
        square,
        [1.0] * 3,
        row_prediction,
        alpha,
        counted,
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_without_row_shrinks_each_coefficient_alone():
    row_bins, predictions = (1, 0, 2), table_of(THREE)
    beta, _ = brute(lambda c: predictions[c], THREE, row_bins)
    alphas = [ref.tilted(q, R)[0] for q in ref.row_masses(THREE, row_bins)]
    total = 40.0 * ref.mean_weight(THREE, row_bins, R)
    found, _ = brute(lambda c: predictions[c], THREE, row_bins, n=40.0, alpha=2.0)
    np.testing.assert_allclose(found, ref.without_row(beta, alphas, total, 2.0), atol=1e-10)


def within_error(runs, expected, bias=0.0):
    """Means of runs are what is expected, up to four of their standard errors and a bias of order 1 / n."""
    runs = np.array(runs)
    error = runs.std(0, ddof=1) / math.sqrt(len(runs))
    assert (np.abs(runs.mean(0) - expected) <= 4.0 * error + bias).all()


def test_lime_binned_runs_agree_with_limit():
    columns, row, row_bins = bins_and_row(a_table())
    slopes = np.array([1.0, -2.0, 0.5, 3.0])
    n, rng = 2000, np.random.default_rng(0)
    contrasts, mean = ref.linear(slopes, columns, row_bins, ref.flip_weight(4))
    expected = ref.binned_ridge(columns, row_bins, n, mean, contrasts, 0.0, float(slopes @ row))
    runs = [ref.lime_binned(lambda x: x @ slopes, columns, row, row_bins, n, rng) for _ in range(60)]
    within_error([run.coefficients for run in runs], expected.coefficients, bias=5.0 / n)
    within_error([run.intercept for run in runs], expected.intercept, bias=5.0 / n)
    within_error([run.prediction for run in runs], expected.prediction, bias=5.0 / n)


def test_lime_package_agrees_with_limit():
    tabular = pytest.importorskip("lime.lime_tabular")
    table = np.random.default_rng(0).normal(size=(500, 3))
    slopes, row = np.array([1.0, -2.0, 0.5]), table[3]
    edges = [ref.quartile_edges(column) for column in table.T]
    columns = [ref.between_edges(column, e) for column, e in zip(table.T, edges, strict=True)]
    row_bins = [ref.bin_of(x, e) for x, e in zip(row, edges, strict=True)]
    contrasts, mean = ref.linear(slopes, columns, row_bins, ref.flip_weight(3))
    expected = ref.binned_ridge(columns, row_bins, 4999, mean, contrasts, 0.0, float(slopes @ row))
    peer = tabular.LimeTabularExplainer(table, mode="regression", random_state=0, feature_selection="none")
    runs, predictions = [], []
    for _ in range(12):
        result = peer.explain_instance(row, lambda x: x @ slopes, num_samples=5000)
        runs.append([value for _, value in sorted(result.local_exp[1])])
        predictions.append(result.local_pred[0])
    within_error(runs, expected.coefficients, bias=1e-3)
    within_error(predictions, expected.prediction, bias=1e-3)


# ---------------------------------------------------------------- without bins


def hermite_cells(d, n=12):
    """Nodes and weights of the standard normal of d columns, exact for polynomials of degree 2 n - 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    grid = np.array(np.meshgrid(*[nodes] * d)).reshape(d, -1).T
    return grid, np.prod(np.array(np.meshgrid(*[weights / weights.sum()] * d)).reshape(d, -1), axis=0)


@pytest.mark.parametrize("row_z", [[0.0, 0.0], [1.5, -0.7]])
def test_gaussian_quadratic_matches_quadrature(row_z):
    slopes, curves, width = [1.0, -2.0], [0.5, 0.25], 1.1
    grid, masses = hermite_cells(2, n=80)
    weights = masses * np.exp(-((grid - row_z) ** 2).sum(1) / (2.0 * width**2))
    y = grid @ slopes + grid**2 @ curves
    beta, mean, square = ref.gaussian_quadratic(slopes, curves, row_z, width)
    means, variance, weight = ref.gaussian_law(row_z, width)
    assert weights.sum() == pytest.approx(weight, rel=1e-10)
    np.testing.assert_allclose(np.average(grid, axis=0, weights=weights), means, atol=1e-10)
    np.testing.assert_allclose(np.average((grid - means) ** 2, axis=0, weights=weights), variance, rtol=1e-8)
    assert mean == pytest.approx(np.average(y, weights=weights), abs=1e-8)
    assert square == pytest.approx(np.average(y**2, weights=weights), abs=1e-7)
    np.testing.assert_allclose(ref.ridge(grid, y, 1e9 * weights, 0.0)[0], beta, atol=1e-8)
    for j in range(2):
        assert beta[j] == pytest.approx(slopes[j] + 2.0 * curves[j] * row_z[j] / (1.0 + width**2))


@counted_or_not
@pytest.mark.parametrize("row_z", [[0.0, 0.0], [1.5, -0.7]])
@pytest.mark.parametrize("n", [3.0, 1000.0])
def test_gaussian_ridge_counts_row_as_sample(row_z, n, counted):
    slopes, curves, width = [1.0, -2.0], [0.5, 0.25], 1.1
    grid, masses = hermite_cells(2, n=80)
    z = np.vstack([row_z, grid])
    weights = np.r_[float(counted), n * masses * np.exp(-((grid - row_z) ** 2).sum(1) / (2.0 * width**2))]
    y = z @ slopes + z**2 @ curves
    beta, mean, square = ref.gaussian_quadratic(slopes, curves, row_z, width)
    found = ref.gaussian_ridge(row_z, width, n, beta, mean, square, y[0], counted=counted)
    for one, other in zip(found, ref.fit(z, y, weights), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_lime_gaussian_runs_agree_with_limit():
    mean, sd, row = np.array([1.0, -1.0, 0.0]), np.array([2.0, 0.5, 1.0]), np.array([2.0, -1.2, 0.5])
    slopes, n, rng = np.array([1.0, -2.0, 0.5]), 2000, np.random.default_rng(1)

    def f(x):
        return x @ slopes + x[:, 0] ** 2

    width = ref.kernel_width(3)
    row_z = (row - mean) / sd
    # In standard deviations: a_j sd_j and sd_j**2, and the slope at the mean of the square of the first.
    inner = slopes * sd + np.array([2.0 * mean[0] * sd[0], 0.0, 0.0])
    curves = [sd[0] ** 2, 0.0, 0.0]
    beta, level, square = ref.gaussian_quadratic(inner, curves, row_z, width)
    start = float(mean @ slopes + mean[0] ** 2)
    square += 2.0 * start * level + start**2
    expected = ref.gaussian_ridge(row_z, width, n, beta, start + level, square, float(f(row[None])[0]))
    runs = [ref.lime_gaussian(f, mean, sd, row, n, rng) for _ in range(60)]
    for name, bias in {"coefficients": 20.0 / n, "intercept": 20.0 / n, "r2": 5.0 / n}.items():
        within_error([getattr(run, name) for run in runs], getattr(expected, name), bias)


def test_lime_around_runs_agree_with_limit():
    sd, row, radius = np.array([2.0, 0.5]), np.array([2.0, -1.2]), 0.3
    slopes, n, rng = np.array([1.0, -2.0]), 2000, np.random.default_rng(2)

    def f(x):
        return x @ slopes + x[:, 0] ** 2

    width, step = ref.kernel_width(2), radius * sd
    inner = slopes * step + np.array([2.0 * row[0] * step[0], 0.0])
    beta, level, _ = ref.gaussian_quadratic(inner, [step[0] ** 2, 0.0], [0.0, 0.0], width)
    start = float(f(row[None])[0])
    expected = ref.gaussian_ridge([0.0, 0.0], width, n, beta, start + level, 0.0, start)
    runs = [ref.lime_around(f, sd, radius, row, n, rng) for _ in range(60)]
    within_error([run.coefficients for run in runs], expected.coefficients, 5.0 / n)
    within_error([run.prediction for run in runs], expected.prediction, 5.0 / n)
    assert expected.prediction == pytest.approx(expected.intercept)


# ---------------------------------------------------------------- images and texts


@pytest.mark.parametrize("distribution", ["bernoulli", "sizes"])
@pytest.mark.parametrize("d", [2, 3, 6])
def test_mask_alphas_match_enumeration(d, distribution):
    alphas = ref.mask_alphas(d, 0.25, distribution, up_to=3)
    cells = list(ref.mask_distribution(d, 0.25, distribution))
    for p, alpha in enumerate(alphas):
        expected = math.fsum(w * math.prod(z[:p]) for w, z in cells) if p <= d else 0.0
        assert alpha == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("distribution", ["bernoulli", "sizes"])
@pytest.mark.parametrize("members", [{0}, {1, 4}, {0, 2, 3}, {0, 1, 2, 3, 4}])
def test_mask_product_matches_enumeration(members, distribution):
    d = 5

    def f(z):
        return math.prod(z[j] for j in members)

    total, mean, crossed, _ = ref.mask_moments(f, d, distribution=distribution)
    covariances, expected_mean = ref.mask_product(members, d, distribution=distribution)
    assert total == pytest.approx(ref.mask_alphas(d, distribution=distribution)[0], abs=1e-15)
    assert expected_mean == pytest.approx(mean, abs=1e-14)
    a1 = ref.mask_alphas(d, distribution=distribution)[1] / total
    np.testing.assert_allclose(covariances, np.array(crossed) - a1 * mean, atol=1e-14)
    cells = list(ref.mask_distribution(d, distribution=distribution))
    z, weights = np.array([z for _, z in cells]), np.array([w for w, _ in cells])
    y = np.array([f(one) for one in z])
    expected, _ = ref.ridge(z, y, 1e9 * weights, 0.0)
    np.testing.assert_allclose(
        ref.mask_coefficients(covariances, ref.mask_alphas(d, distribution=distribution)), expected, atol=1e-9
    )


@counted_or_not
@pytest.mark.parametrize("distribution", ["bernoulli", "sizes"])
@pytest.mark.parametrize("n", [2.0, 1000.0])
def test_mask_ridge_counts_full_mask_as_sample(distribution, n, counted):
    d = 4

    def f(z):
        return z[0] * z[1] + 2.0 * z[2] - z[3] * z[0]

    cells = list(ref.mask_distribution(d, distribution=distribution))
    z = np.array([[1.0] * d, *(z for _, z in cells)])
    weights = np.array([float(counted), *(n * w for w, _ in cells)])
    _, mean, crossed, square = ref.mask_moments(f, d, distribution=distribution)
    found = ref.mask_ridge(
        d, n, mean, crossed, square, f([1.0] * d), distribution=distribution, counted=counted
    )
    for one, other in zip(found, ref.fit(z, np.array([f(one) for one in z]), weights), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
