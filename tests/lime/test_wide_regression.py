"""Fits to many features: without a Gram matrix they are what they are with one."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from agnostix import LimeExplainer
from agnostix.core.designs import Design
from agnostix.exceptions import DataError
from agnostix.lime.indicators import (
    CodeIndicators,
    IndicatorDesign,
    MaskIndicators,
    PackedCodes,
    SideBySide,
    SparseIndicators,
)
from agnostix.lime.influences import LinearInfluences
from agnostix.lime.selection import auto_selection, forward_selection, highest_weights
from agnostix.lime.surrogates import LinearSurrogate, TreeSurrogate, fit_surrogate
from agnostix.lime.weighted_regression import WeightedRegression
from agnostix.lime.wide_influences import WideInfluences
from agnostix.lime.wide_regression import WideRegression, conjugate_gradients
from tests.messages import refuses


def codes_and_parts(n=60, d=7, n_codes=5, seed=0):
    """Codes of two kinds, and their indicators side by side."""
    rng = np.random.default_rng(seed)
    codes, own = rng.integers(0, n_codes, (n, d)), rng.integers(0, n_codes, d)
    packed = PackedCodes.empty(n, [n_codes] * d)
    for start in (0, 25):
        packed.put(slice(start, start + 35), codes[start : start + 35])
    dense = CodeIndicators(packed, own, np.arange(d), 0, n)
    rare = rng.random((n, 4)) < 0.1
    places = np.array([0, 2, 3, 5, 6, 8, 9]), np.array([1, 4, 7, 10])
    whole = np.empty((n, d + 4))
    whole[:, places[0]], whole[:, places[1]] = codes == own, rare
    return SideBySide((dense, SparseIndicators(csr_array(rare.astype(float)))), places), whole


@pytest.mark.parametrize("n_codes", [5, 200, 400])
def test_indicators_are_a_matrix(n_codes):
    both, whole = codes_and_parts(n_codes=n_codes)
    rng = np.random.default_rng(1)
    v, u = rng.normal(size=(11, 3)), rng.normal(size=(60, 3))
    some = np.array([8, 1, 10, 0])
    for one, plain in (
        (both, whole),
        (both.samples(slice(7, 40)).features(some), whole[7:40, some]),
        (both.features(some), whole[:, some]),
        (MaskIndicators(whole > 0), whole),
    ):
        n, d = plain.shape
        assert one.shape == (n, d)
        np.testing.assert_array_equal(one.to_numbers(), plain.T)
        np.testing.assert_allclose(one.product(v[:d]), plain @ v[:d], atol=1e-12)
        np.testing.assert_allclose(one.adjoint(u[:n]), plain.T @ u[:n], atol=1e-12)
        weights = np.abs(u[:n, 0])
        expected = plain.T @ (weights[:, None] * (plain @ v[:d] - 0.3))
        np.testing.assert_allclose(one.normal(v[:d], np.full(3, 0.3), weights), expected, atol=1e-12)


def test_packed_codes_take_half_a_byte():
    assert PackedCodes.empty(1000, [5] * 600).cells.nbytes == 300_000


def test_unseen_codes_equal_none():
    for n_codes in (5, 100, 300):
        packed = PackedCodes.empty(4, [n_codes] * 3)
        packed.put(slice(0, 4), np.full((4, 3), n_codes - 1))
        assert packed.equal(slice(0, 4), np.array([-1, n_codes - 1, 0])).sum(axis=0).tolist() == [0, 4, 0]


def pair(d=150, n=1500, seed=0, n_outputs=2, kind="bins"):
    """The same regression, wide and with numbers: flags of different frequencies, or masks of all sizes."""
    rng = np.random.default_rng(seed)
    if kind == "bins":
        flags = rng.random((n, d)) < rng.uniform(0.05, 0.6, d)
        is_flipped, weights, points = rng.random(d) < 0.5, rng.uniform(0.5, 1.5, n), None
    elif kind == "sizes":
        sizes = rng.integers(0, d, n)
        flags = rng.random((n, d)).argsort(axis=1) < sizes[:, None]
        is_flipped, points = np.zeros(d, dtype=bool), None
        weights = np.exp(-((1.0 - np.sqrt(sizes / d)) ** 2) / (2 * 0.25**2))
    else:
        points = Design.from_n_points(d, n, seed, of_halves=True)
        flags, is_flipped = points.points(slice(0, points.n_points)) >= 0.5, np.zeros(d, dtype=bool)
        n = len(flags)
        weights = rng.uniform(0.9, 1.1, n)
    design = IndicatorDesign(MaskIndicators(flags), is_flipped)
    slopes = rng.normal(size=(d, n_outputs)) * (rng.random((d, 1)) < 0.3)
    z = design.to_numbers().T
    noise = rng.normal(size=(n, n_outputs)) * (1.0 + z[:, :1])
    predictions = z @ slopes + 2.0 * (z[:, :1] * z[:, 1:2]) + noise
    n_blocks = n if points is None else points.n_blocks
    common = (weights, predictions, np.ones(d), np.zeros(n_outputs), n_blocks)
    dims = None if points is None else np.arange(d)
    wide = WideRegression(design, *common, points=points, dims=dims, are_exchangeable=kind != "bins")
    return wide, WeightedRegression(design.to_numbers(), *common, points=points, dims=dims)


@pytest.mark.parametrize("kind", ["bins", "sizes", "arrays"])
def test_wide_moments_and_solution_are_those_of_numbers(kind):
    wide, plain = pair(kind=kind)
    v = np.random.default_rng(1).normal(size=(150, 2))
    for name in ("cross", "design_mean", "total_squares", "gram_diagonal"):
        np.testing.assert_allclose(getattr(wide, name), getattr(plain, name), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(wide.times_gram(v), plain.gram @ v, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(wide.gram_column(3), plain.gram_column(3), atol=1e-9)
    np.testing.assert_allclose(wide.whole_gram(), plain.gram, atol=1e-8)
    every, some = np.arange(150), np.array([3, 60, 7])
    for features in (every, some):
        right = plain.cross[features]
        solution = wide.solve(features, 1.0, right)
        np.testing.assert_allclose(solution, plain.solve(features, 1.0, right), rtol=1e-8, atol=1e-9)
    coefficients = wide.solve(every, 1.0, wide.cross)
    np.testing.assert_allclose(wide.residuals(coefficients), plain.residuals(coefficients), atol=1e-9)
    if wide.n_blocks < wide.n_samples:
        residuals = plain.residuals(coefficients)
        np.testing.assert_allclose(wide.block_scores(residuals), plain.block_scores(residuals), atol=1e-7)


@pytest.mark.parametrize("kind", ["bins", "sizes", "arrays"])
def test_wide_influences_are_those_of_each_sample(kind):
    wide, plain = pair(kind=kind)
    exact, close = LinearInfluences(plain, np.arange(150), 1.0), WideInfluences(wide, 1.0)
    assert exact.leverages.sum() == pytest.approx(close.leverages.sum(), rel=0.01)
    np.testing.assert_allclose(close.leverages, exact.leverages, atol=0.035)
    residuals = plain.residuals(plain.solve(np.arange(150), 1.0, plain.cross))
    one, other = exact.spread(residuals), close.spread(residuals)
    ratios = other.errors[:-2] / one.errors[:-2]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.01)
    assert np.quantile(np.abs(ratios - 1.0), 0.95) < 0.08
    np.testing.assert_allclose(other.errors[-2:], one.errors[-2:], rtol=0.03)
    assert np.median(other.dof / one.dof) == pytest.approx(1.0, abs=0.15)
    np.testing.assert_allclose(np.square(other.components).sum(axis=-1), other.errors**2, rtol=1e-9)
    left = exact.leave_out(residuals).std() / close.leave_out(residuals).std()
    assert left == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("selection", [forward_selection, highest_weights, auto_selection])
def test_wide_selections_are_those_of_numbers(selection):
    wide, plain = pair()
    for most in (4, 8):
        one, other = (
            fit_surrogate(LinearSurrogate(1.0, selection), part, most, True) for part in (wide, plain)
        )
        np.testing.assert_array_equal(one.selected, other.selected)
        np.testing.assert_allclose(one.margin, other.margin, rtol=1e-5)
        np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(one.std_errors, other.std_errors, rtol=1e-8, atol=1e-10)


def test_trees_of_selected_features_are_those_of_numbers():
    wide, plain = pair(d=60, n=600, n_outputs=1)
    one, other = (
        fit_surrogate(TreeSurrogate(8, forward_selection), part, 3, False) for part in (wide, plain)
    )
    np.testing.assert_allclose(one.coefficients, other.coefficients)


def test_conjugate_gradients_refuse_what_does_not_converge():
    with refuses(DataError, "cannot be fitted: they are too nearly dependent"):
        conjugate_gradients(lambda v: v * np.nan, np.ones(3), np.ones((3, 1)), 1e-11)


def wide_table(n=300, d=700, seed=0):
    rng = np.random.default_rng(seed)
    X = np.zeros((n, d))
    for row in X:
        row[rng.choice(d, 12, replace=False)] = rng.integers(1, 5, 12)
    return X, np.where(np.arange(d) < 20, np.arange(d) % 5 - 2.0, 0.0)


def test_wide_table_gives_contrasts_of_a_sum():
    """Of a sum of columns, a value is the mean in the row's bin less that in the others."""
    X, slopes = wide_table()
    explainer = LimeExplainer(lambda Z: Z @ slopes, random_state=0, verbose=0).fit(X)
    exp = explainer.explain(X[:1])
    j = int(np.flatnonzero((X[0] == 0) & (np.arange(700) < 20) & (slopes != 0))[0])
    others = X[X[:, j] > 0, j].mean()
    assert exp.values[0, j, 0] == pytest.approx(-slopes[j] * others, abs=4 * exp.std_errors[0, j, 0])
    assert exp.std_errors.max() < 1.5
    assert explainer._neighborhood.samples.sparse.nnz < 0.03 * 700 * explainer._neighborhood.n_samples


def test_wide_results_do_not_depend_on_other_rows():
    X, slopes = wide_table()
    explainer = LimeExplainer(lambda Z: Z @ slopes, random_state=0, verbose=0).fit(X)
    both = explainer.explain(X[:2])
    np.testing.assert_array_equal(explainer.explain(X[1:2]).values[0], both.values[1])
    np.testing.assert_array_equal(explainer.explain(X[1:2]).std_errors[0], both.std_errors[1])


@pytest.mark.parametrize("max_features", [None, 5])
def test_outputs_of_wide_tables_do_not_depend_on_those_explained(max_features):
    X, slopes = wide_table()

    def model(Z):
        return np.stack([Z @ slopes, Z[:, 0] ** 2, Z[:, 1] - 0.3 * Z[:, 5]], axis=1)

    explainer = LimeExplainer(model, max_features=max_features, random_state=0, verbose=0).fit(X)
    both = explainer.explain(X[:2])
    one = explainer.explain(X[:2], outputs=[2, 1])
    predicted, best = explainer.explain(X[:2], outputs="predicted"), model(X[:2]).argmax(axis=1)
    for name in ("values", "std_errors"):
        whole = getattr(both, name)
        np.testing.assert_array_equal(getattr(one, name), whole[:, :, [2, 1]])
        np.testing.assert_array_equal(getattr(predicted, name)[:, :, 0], whole[np.arange(2), :, best])
    for name in ("surrogate_outputs", "r2_std_errors", "base_value_std_errors"):
        np.testing.assert_array_equal(one.extras[name].array, both.extras[name].array[:, [2, 1]])
    np.testing.assert_array_equal(one.fidelity["r2"], both.fidelity["r2"][:, [2, 1]])


def test_stability_asks_all_outputs_whichever_are_explained():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))

    def model(Z):
        return np.stack([3.0 * Z[:, 0], Z[:, 1] + 0.98 * Z[:, 2]], axis=1)

    explainer = LimeExplainer(
        model, n_samples=200, max_features=1, stability=0.99, random_state=0, verbose=0
    ).fit(X)
    every, one = explainer.explain(X[:3]), explainer.explain(X[:3], outputs=[0])
    assert every.extras["n_samples"].array.max() > 200
    np.testing.assert_array_equal(one.extras["n_samples"].array, every.extras["n_samples"].array)
    np.testing.assert_array_equal(one.values, every.values[:, :, :1])
