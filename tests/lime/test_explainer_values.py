"""Values of LimeExplainer against the plain algorithm on the same samples, and against its limits."""

import math
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from agnostix import LimeExplainer
from agnostix.core.designs import Design
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.lime.weighted_regression import split_points
from tests.reference import lime as ref

RNG = np.random.default_rng(0)
N = 200
TABLE = np.column_stack(
    [RNG.normal(size=N), np.exp(RNG.normal(size=N)), RNG.uniform(size=N), RNG.gamma(2.0, size=N)]
)
ROW = TABLE[3]
EDGES = [ref.quartile_edges(column) for column in TABLE.T]
COLUMNS = [ref.between_edges(column, e) for column, e in zip(TABLE.T, EDGES, strict=True)]
ROW_BINS = [ref.bin_of(x, e) for x, e in zip(ROW, EDGES, strict=True)]
SLOPES = np.array([1.0, -2.0, 3.0, 0.5])
R = ref.flip_weight(4)
POINTS = Design.from_n_points(4, 1000, 0)


class Recording:
    """A model that keeps the rows it predicts."""

    def __init__(self, model):
        self.model, self.tables = model, []

    def __call__(self, X):
        self.tables.append(np.array(X, dtype=float))
        return self.model(X)


def fitted(model, observed=TABLE, **params):
    return LimeExplainer(model, **{"random_state": 0, **params}).fit(observed)


def samples_of(model, n_samples, row=ROW, **params):
    """An explanation of a row, and the samples near it."""
    recording = Recording(model)
    explainer = fitted(recording, n_samples=n_samples, **params)
    exp = explainer.explain(row[None])
    n = int(exp.extras["n_samples"].array[0])
    biggest = max(recording.tables, key=len)
    assert len(biggest) == n  # few enough for one batch
    return exp, biggest


def halves(samples):
    """The samples that select, and those that estimate."""
    first = split_points(POINTS)[0]
    return samples[first:], samples[:first]


def tangled(X):
    return np.sin(2.0 * X[:, 0]) * X[:, 1] + X[:, 2] * X[:, 3] + (X[:, 0] > 0.3)


# ---------------------------------------------------------------- the plain algorithm on the same samples


def in_bins(samples, row_bins=ROW_BINS):
    cut = zip(samples.T, EDGES, row_bins, strict=True)
    return np.stack([[ref.bin_of(x, e) == b for x in column] for column, e, b in cut], axis=1).astype(float)


@pytest.mark.parametrize("kernel_width", [None, 0.8])
def test_values_match_plain_algorithm(kernel_width):
    exp, samples = samples_of(tangled, 1000, sampling=KernelSampling(kernel_width))
    z, y = in_bins(samples), tangled(samples)
    weights = ref.flip_weights(z, kernel_width)
    coefficients, intercept = ref.ridge(z, y, weights)
    np.testing.assert_allclose(exp.values[0, :, 0], coefficients, atol=1e-9)
    assert exp.base_values[0, 0] == pytest.approx(intercept, abs=1e-9)
    output = intercept + coefficients.sum()
    assert exp.extras["surrogate_outputs"].array[0, 0] == pytest.approx(output, abs=1e-9)
    # Each sample is predicted by the surrogate of the others.
    left, means = np.empty(len(y)), np.empty(len(y))
    for i in range(len(y)):
        others = np.where(np.arange(len(y)) == i, 0.0, weights)
        slopes, start = ref.ridge(z, y, others)
        left[i], means[i] = start + z[i] @ slopes, np.average(y, weights=others)
    r2 = 1.0 - weights @ (y - left) ** 2 / (weights @ (y - means) ** 2)
    assert exp.fidelity["r2"][0, 0] == pytest.approx(r2, abs=1e-9)
    assert exp.outputs[0, 0] == tangled(ROW[None])[0]
    assert exp.extras["effective_samples"].array[0] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert exp.extras["kernel_width"] == pytest.approx(kernel_width or ref.kernel_width(4))


@pytest.mark.parametrize("how", ["forward_selection", "highest_weights", "lasso_path", "auto"])
@pytest.mark.parametrize("surrogate", ["ridge", "klasso"])
@pytest.mark.parametrize("k", [1, 3])
def test_feature_selection_matches_plain_algorithm(how, surrogate, k):
    exp, samples = samples_of(tangled, 1000, max_features=k, feature_selection=how, surrogate=surrogate)
    selecting, estimating = halves(samples)
    z, y = np.vstack([np.ones(4), in_bins(selecting)]), np.r_[0.0, tangled(selecting)]
    weights = np.r_[0.0, ref.flip_weights(z[1:])]
    plain = ref.forward_selection if how == "auto" else getattr(ref, how)
    selected = sorted((ref.lasso_path if surrogate == "klasso" else plain)(z, y, weights, k))
    assert np.flatnonzero(exp.extras["selected"].array[0, :, 0]).tolist() == selected
    z, ridge = in_bins(estimating), 1.0 if surrogate == "ridge" else 0.0
    weights = ref.flip_weights(z) * len(samples) / len(z)
    coefficients, intercept = ref.ridge(z[:, selected], tangled(estimating), weights, ridge)
    np.testing.assert_allclose(exp.values[0, selected, 0], coefficients, atol=1e-9)
    assert exp.base_values[0, 0] == pytest.approx(intercept, abs=1e-9)
    left = np.setdiff1d(np.arange(4), selected)
    assert not exp.values[0, left].any()
    assert not exp.std_errors[0, left].any()


def test_feature_selection_auto_is_highest_weights_for_many():
    observed = RNG.normal(size=(N, 9))
    model = Recording(lambda X: X @ np.arange(9.0) + X[:, 0] * X[:, 8])
    exp = [
        fitted(model, observed, n_samples=1000, max_features=7, feature_selection=how).explain(observed[:2])
        for how in ("auto", "highest_weights")
    ]
    np.testing.assert_array_equal(exp[0].values, exp[1].values)


@pytest.mark.parametrize("values", ["coef_x", "coef"])
def test_values_without_bins_match_plain_algorithm(values):
    unbinned = KernelSampling(discretizer=None)
    exp, samples = samples_of(tangled, 1000, sampling=unbinned, values=values)
    mean, sd = TABLE.mean(axis=0), TABLE.std(axis=0)
    z = (np.vstack([ROW, samples]) - mean) / sd
    weights = np.r_[0.0, ref.distance_weights(z)[1:]]
    coefficients, intercept = ref.ridge(z, np.r_[0.0, tangled(samples)], weights)
    np.testing.assert_allclose(exp.extras["coefficients"].array[0, :, 0], coefficients, atol=1e-9)
    expected = coefficients * (z[0] if values == "coef_x" else 1.0)
    np.testing.assert_allclose(exp.values[0, :, 0], expected, atol=1e-9)
    errors = exp.extras["coefficient_std_errors"].array[0, :, 0] * (
        np.abs(z[0]) if values == "coef_x" else 1.0
    )
    np.testing.assert_allclose(exp.std_errors[0, :, 0], errors, rtol=1e-12)
    assert exp.base_values[0, 0] == pytest.approx(intercept, abs=1e-9)
    assert exp.extras["surrogate_outputs"].array[0, 0] == pytest.approx(
        intercept + coefficients @ z[0], abs=1e-9
    )


@pytest.mark.parametrize("radius", [1.0, 0.1])
def test_values_of_local_sampling_match_plain_algorithm(radius):
    exp, samples = samples_of(tangled, 1000, sampling=LocalSampling(radius))
    sd = TABLE.std(axis=0)
    steps = np.vstack([np.zeros(4), (samples - ROW) / (radius * sd)])
    weights = np.r_[0.0, ref.distance_weights(steps * radius)[1:]]
    coefficients, intercept = ref.ridge(steps, np.r_[0.0, tangled(samples)], weights)
    np.testing.assert_allclose(exp.extras["coefficients"].array[0, :, 0], coefficients / radius, atol=1e-8)
    assert exp.extras["surrogate_outputs"].array[0, 0] == pytest.approx(intercept, abs=1e-8)
    own = (ROW - TABLE.mean(axis=0)) / sd
    np.testing.assert_allclose(exp.values[0, :, 0], coefficients / radius * own, atol=1e-8)


def test_values_of_tilted_sampling_match_plain_algorithm():
    exp, samples = samples_of(tangled, 1000, sampling="tilted")
    z = in_bins(samples)
    coefficients, intercept = ref.ridge(z, tangled(samples), np.ones(len(z)))
    np.testing.assert_allclose(exp.values[0, :, 0], coefficients, atol=1e-9)
    assert exp.base_values[0, 0] == pytest.approx(intercept, abs=1e-9)
    assert exp.extras["effective_samples"].array[0] == pytest.approx(len(samples))


@pytest.mark.parametrize("discretizer", ["quartile", None])
def test_surrogate_tree_matches_path_and_sums_to_its_output(discretizer):
    sampling = KernelSampling(discretizer=discretizer)
    exp, samples = samples_of(tangled, 1000, surrogate="tree", sampling=sampling)
    mean, sd = TABLE.mean(axis=0), TABLE.std(axis=0)
    z, own = (in_bins(samples), np.ones(4)) if discretizer else ((samples - mean) / sd, (ROW - mean) / sd)
    weights = ref.distance_weights(np.vstack([own, z]))[1:]
    y, found = tangled(samples), []
    starts = np.arange(9) * POINTS.n_draws // 8 * POINTS.draw.n_runs
    for start, end in pairwise(starts):  # groups of arrays, and in each a tree for each half
        part = np.arange(end - start) * 2 // (end - start)
        for k in range(2):
            kept = start + np.flatnonzero(part != k)
            tree = DecisionTreeRegressor(max_leaf_nodes=8, min_samples_leaf=5, random_state=0)
            tree.fit(z[kept], y[kept], sample_weight=weights[kept])
            found.append([*ref.tree_steps(tree.tree_, own), np.average(y[kept], weights=weights[kept])])
            found[-1].append(tree.predict(own[None])[0])
    *parts, base, output = np.mean(found, axis=0)
    assert exp.extras["surrogate_outputs"].array[0, 0] == pytest.approx(output, abs=1e-6)
    assert exp.base_values[0, 0] == pytest.approx(base, abs=1e-9)
    np.testing.assert_allclose(exp.values[0, :, 0], parts, atol=1e-6)
    by_group = np.reshape(found, (8, 2, 6)).mean(axis=1)
    error = by_group.std(axis=0, ddof=1) / np.sqrt(8)
    # The base is the mean of all samples, whose spread is known better than that of eight groups.
    assert exp.extras["base_value_std_errors"].array[0, 0] == pytest.approx(error[4], rel=0.6)
    assert error[5] <= exp.extras["surrogate_std_errors"].array[0, 0] < 2.0 * error[5]
    assert (exp.std_errors[0, :, 0] >= error[:4] - 1e-9).all()


def test_surrogate_ridge_regressor_matches_built_in_ridge():
    exp, other = (
        fitted(tangled, n_samples=1000, surrogate=s, max_features=2).explain(TABLE[:3])
        for s in (Ridge(1.0, tol=1e-12), "ridge")
    )
    for name in ("values", "base_values"):
        np.testing.assert_allclose(getattr(exp, name), getattr(other, name), atol=1e-8)
    ratios = exp.std_errors[other.std_errors > 0] / other.std_errors[other.std_errors > 0]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.5)  # fifteen contrasts of halves, and many blocks


# ---------------------------------------------------------------- limits in closed form


def sides_of(exp, contrasts, mean, n, sampling):
    """Values, intercept and surrogate output in the limit: each contrast shrunk by the ridge alone."""
    alphas = [ref.tilted(q, R)[0] for q in ref.row_masses(COLUMNS, ROW_BINS)]
    total = n * (ref.mean_weight(COLUMNS, ROW_BINS, R) if sampling == "kernel" else 1.0)
    effects = np.array(ref.without_row(contrasts, alphas, total, 1.0))
    intercept = mean - np.dot(alphas, effects)
    return effects, intercept, intercept + effects.sum()


def agrees(exp, expected, least=0.0):
    """Values and the surrogate's output are within errors of what is expected, jointly."""
    effects, _, output = expected
    z = (exp.values[0, :, 0] - effects) / np.maximum(exp.std_errors[0, :, 0], least)
    assert np.abs(z).max() < 4.5
    assert np.sqrt((z**2).mean()) < 3.0
    error = max(exp.extras["surrogate_std_errors"].array[0, 0], least)
    assert abs(exp.extras["surrogate_outputs"].array[0, 0] - output) < 3.0 * error


def parts_of(x):
    return [np.sin(x[0]), x[1] ** 2, np.exp(x[2]), -3.0 * x[3]]


@pytest.mark.parametrize("sampling", ["kernel", "tilted"])
@pytest.mark.parametrize("kind", ["linear", "additive", "box", "misaligned", "tree"])
def test_values_converge_to_closed_forms(kind, sampling):
    tree = DecisionTreeRegressor(max_leaf_nodes=9, random_state=0).fit(TABLE, tangled(TABLE))
    inside = {k: (COLUMNS[k][ROW_BINS[k]].lo, COLUMNS[k][ROW_BINS[k]].hi) for k in (0, 2, 3)}
    across = {0: (-0.4, 0.9), 1: (0.5, math.inf), 3: (-math.inf, 2.5)}

    def box(sides):
        return lambda X: (
            np.prod([(X[:, k] > lo) & (X[:, k] <= hi) for k, (lo, hi) in sides.items()], axis=0) * 1.0
        )

    model, limit = {
        "linear": (lambda X: X @ SLOPES, lambda: ref.linear(SLOPES, COLUMNS, ROW_BINS, R)),
        "additive": (
            lambda X: sum(parts_of(X.T)),
            lambda: ref.additive(
                [math.sin, lambda x: x**2, math.exp, lambda x: -3.0 * x], COLUMNS, ROW_BINS, R
            ),
        ),
        "box": (box(inside), lambda: ref.aligned_box([0, 2, 3], COLUMNS, ROW_BINS, R)),
        "misaligned": (box(across), lambda: ref.box(across, COLUMNS, ROW_BINS, R)),
        "tree": (tree.predict, lambda: ref.sum_of_boxes(ref.tree_boxes(tree.tree_), COLUMNS, ROW_BINS, R)),
    }[kind]
    exp = fitted(model, n_samples=16384, sampling=sampling).explain(ROW[None])
    contrasts, mean = limit()
    agrees(exp, sides_of(exp, np.ravel(contrasts), float(np.ravel(mean)[0]), 16384, sampling), least=1e-5)


@pytest.mark.parametrize("kind", [KernelSampling, TiltedSampling])
@pytest.mark.parametrize("curves", [[0.0] * 4, [0.5, -0.2, 0.0, 1.0]])
def test_values_without_bins_converge_to_closed_forms(kind, curves):
    mean, sd = TABLE.mean(axis=0), TABLE.std(axis=0)
    own, width = (ROW - mean) / sd, ref.kernel_width(4)

    def model(X):
        z = (X - mean) / sd
        return z @ SLOPES + z**2 @ curves

    sampling = kind(discretizer=None)
    exp = fitted(model, n_samples=16384, sampling=sampling, values="coef").explain(ROW[None])
    beta, level, _ = ref.gaussian_quadratic(SLOPES, curves, own, width)
    means, variance, weight = ref.gaussian_law(own, width)
    total = 16384 * (weight if kind is KernelSampling else 1.0)
    effects = np.array(beta) * variance / (variance + 1.0 / total)
    intercept = level - np.dot(means, effects)
    agrees(exp, (effects, intercept, intercept + effects @ own), least=2e-5)


def test_tilted_sampling_agrees_with_kernel():
    exps = [
        fitted(tangled, n_samples=8192, sampling=s, surrogate="klasso").explain(TABLE[:10])
        for s in ("kernel", "tilted")
    ]
    gap = np.abs(exps[0].values - exps[1].values) / np.hypot(exps[0].std_errors, exps[1].std_errors)
    assert gap.max() < 4.5
    assert np.sqrt((gap**2).mean()) < 1.5
    output = [exp.extras["surrogate_outputs"].array for exp in exps]
    errors = [exp.extras["surrogate_std_errors"].array for exp in exps]
    assert (np.abs(output[0] - output[1]) / np.hypot(*errors)).max() < 4.5


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes])
def test_local_sampling_small_radius_gives_gradient(load):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = LogisticRegression(max_iter=1000).fit(X, y > np.median(y) if load is load_diabetes else y)
    exp = fitted(
        lambda Z: model.predict_proba(Z)[:, 1], X, sampling=LocalSampling(1e-3), values="coef"
    ).explain(X[:5])
    probabilities = model.predict_proba(X[:5])[:, 1]
    gradient = (probabilities * (1.0 - probabilities))[:, None] * model.coef_
    for values, expected in zip(exp.values[:, :, 0], gradient, strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_allclose(exp.extras["surrogate_outputs"].array[:, 0], probabilities, rtol=1e-5)
    np.testing.assert_allclose(exp.fidelity["r2"], 1.0, atol=1e-4)


def test_std_errors_match_spread_over_seeds():
    """Of each coefficient; the median over all of them is within 20 %."""
    rows = TABLE[:8]
    exps = [fitted(tangled, n_samples=2000, random_state=seed).explain(rows) for seed in range(30)]
    spread = np.std([exp.values for exp in exps], axis=0, ddof=1)
    output = np.sqrt(np.mean([exp.std_errors**2 for exp in exps], axis=0))
    assert np.median(output / spread) == pytest.approx(1.0, abs=0.25)
    outputs = np.std([exp.extras["surrogate_outputs"].array for exp in exps], axis=0, ddof=1)
    output = np.sqrt(np.mean([exp.extras["surrogate_std_errors"].array ** 2 for exp in exps], axis=0))
    assert np.median(output / outputs) == pytest.approx(1.0, abs=0.3)


# ---------------------------------------------------------------- lime


def smooth(load):
    """Columns of which no value holds 5 % of the rows, and a model of them."""
    X, y = load(return_X_y=True)
    counts = [np.unique(column, return_counts=True)[1].max() for column in X.T]
    X = X[:, np.array(counts) < 0.05 * len(X)]
    tree = DecisionTreeRegressor(max_leaf_nodes=12, random_state=0).fit(X, y)
    scale = X.std(axis=0)
    return X, lambda Z: tree.predict(Z) / y.std() + np.tanh((Z - X.mean(axis=0)) / scale).sum(axis=1)


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes, load_wine])
def test_values_agree_with_lime_package(load):
    tabular = pytest.importorskip("lime.lime_tabular")
    X, model = smooth(load)
    assert X.shape[1] >= 6
    rows = X[[3, 70, 150]]
    exp = fitted(model, X, n_samples=5000).explain(rows)
    values = np.empty((6, *exp.values.shape[:2]))
    for seed in range(6):
        peer = tabular.LimeTabularExplainer(X, mode="regression", random_state=seed, feature_selection="none")
        for i, row in enumerate(rows):
            output = peer.explain_instance(row, model, num_samples=5000, num_features=X.shape[1])
            values[seed, i] = [value for _, value in sorted(output.local_exp[1])]
    error = np.hypot(exp.std_errors[:, :, 0], values.std(axis=0, ddof=1).mean() / np.sqrt(6))
    z = (exp.values[:, :, 0] - values.mean(axis=0)) / error
    assert np.abs(z).max() < 5.0
    assert np.sqrt((z**2).mean()) < 1.6
    assert np.abs(exp.values).max() > 10.0 * error.max()
