"""Surrogates against scikit-learn, and their standard errors against resampling and the block jackknife."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import HuberRegressor, LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from agnostix.exceptions import DataError
from agnostix.lime.selection import forward_selection, lasso_path
from agnostix.lime.surrogates import LinearSurrogate, LocalFits, RegressorSurrogate, TreeSurrogate
from agnostix.lime.weighted_regression import WeightedRegression
from tests.lime.regressions import block_of, only, plain_fit, regression, reweighted, spread
from tests.messages import refuses

LINEAR = [LinearSurrogate(1.0, forward_selection), LinearSurrogate(0.0, lasso_path)]


@pytest.mark.parametrize("surrogate", LINEAR, ids=["ridge", "klasso"])
@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("binary", [True, False])
def test_linear_surrogate_matches_sklearn(surrogate, most, binary):
    one = regression(d=5, binary=binary, n_outputs=3)
    fit = surrogate.fit(one, most, False)
    for output in range(3):
        expected_choice = range(5)
        if most is not None:
            expected_choice = surrogate.selection(only(one, output), most, False)[0]
        features = np.flatnonzero(fit.selected[:, output])
        assert features.tolist() == list(expected_choice)
        plain = plain_fit(one, features, surrogate.ridge, output)
        np.testing.assert_allclose(fit.coefficients[features, output], plain.coef_, atol=1e-10)
        assert fit.surrogate_outputs[output] == pytest.approx(
            plain.predict(one.row_design[None, features])[0], abs=1e-10
        )
        score = plain.score(one.design[features].T, one.predictions[:, output], sample_weight=one.weights)
        assert fit.r2[output] == pytest.approx(score, abs=1e-10)
        left = np.setdiff1d(np.arange(5), features)
        np.testing.assert_array_equal(fit.coefficients[left, output], 0.0)
        np.testing.assert_array_equal(fit.std_errors[left, output], 0.0)
    np.testing.assert_array_equal(fit.row_design, one.row_design)
    assert fit.effective_samples == one.effective_samples


@pytest.mark.parametrize("most", [None, 2])
def test_linear_surrogate_std_errors_match_block_jackknife(most):
    one = regression(d=4, n=8192)
    surrogate = LINEAR[0]
    fit = surrogate.fit(one, most, False)
    number = block_of(one)
    for output in range(2):
        features = np.flatnonzero(fit.selected[:, output])
        plain = [
            plain_fit(reweighted(one, (number != b).astype(float)), features, 1.0, output) for b in range(16)
        ]
        effects = np.array([p.coef_ for p in plain])
        predictions = np.array([p.predict(one.row_design[None, features])[0] for p in plain])
        np.testing.assert_allclose(
            fit.std_errors[features, output], np.sqrt(15.0) * effects.std(axis=0), rtol=0.03
        )
        assert fit.surrogate_std_errors[output] == pytest.approx(np.sqrt(15.0) * predictions.std(), rel=0.03)


def test_linear_surrogate_std_errors_match_resampling():
    slopes = np.array([1.0, -1.0, 0.5])

    def sample(seed):
        rng = np.random.default_rng(seed)
        design = (rng.random((3, 512)) < 0.3).astype(float)
        predictions = slopes @ design + design[0] * design[1] + rng.normal(size=512) * (1.0 + design[2])
        return WeightedRegression(
            design, rng.exponential(size=512), predictions[:, None], np.ones(3), np.zeros(1), 16
        )

    fits = [LINEAR[0].fit(sample(seed), None, False) for seed in range(400)]
    for value, error in (
        ("coefficients", "std_errors"),
        ("surrogate_outputs", "surrogate_std_errors"),
        ("r2", "r2_std_errors"),
    ):
        sampled = np.array([getattr(fit, value) for fit in fits])
        stated = np.array([getattr(fit, error) for fit in fits])
        np.testing.assert_allclose(np.sqrt((stated**2).mean(axis=0)), sampled.std(axis=0, ddof=1), rtol=0.15)


def test_linear_surrogate_of_linear_model_has_no_error():
    one = regression()
    exact = WeightedRegression(
        one.design, one.weights, 3.0 + one.design.T @ np.ones((4, 1)), np.ones(4), np.array([7.0]), 16
    )
    fit = LINEAR[1].fit(exact, None, False)
    np.testing.assert_allclose(fit.coefficients, 1.0, atol=1e-12)
    np.testing.assert_allclose(fit.std_errors, 0.0, atol=1e-12)
    assert fit.surrogate_outputs == pytest.approx(7.0)
    assert fit.r2 == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("surrogate", LINEAR, ids=["ridge", "klasso"])
def test_linear_surrogate_of_constant_model_has_no_effects(surrogate):
    one = regression()
    constant = WeightedRegression(
        one.design, one.weights, np.full((512, 1), 0.1), np.ones(4), np.array([0.1]), 16
    )
    fit = surrogate.fit(constant, None, False)
    assert not fit.coefficients.any()
    assert not fit.std_errors.any()
    assert (fit.surrogate_outputs, fit.r2, fit.r2_std_errors) == (0.1, 1.0, 0.0)


def test_linear_surrogate_exhaustive_sample_has_no_error():
    fit = LINEAR[0].fit(regression(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.surrogate_std_errors, fit.r2_std_errors):
        assert not errors.any()


@pytest.mark.parametrize("surrogate", LINEAR, ids=["ridge", "klasso"])
def test_linear_surrogate_without_features_is_mean(surrogate):
    one = regression(n_outputs=1)
    none = WeightedRegression(
        one.design[:0], one.weights, one.predictions, np.ones(0), one.row_predictions, 16
    )
    fit = surrogate.fit(none, None, False)
    assert fit.surrogate_outputs == pytest.approx(np.average(one.predictions[:, 0], weights=one.weights))
    assert fit.r2 == pytest.approx(0.0, abs=1e-12)
    assert fit.surrogate_std_errors > 0


def test_linear_surrogate_outputs_are_independent():
    one = regression(d=5, n_outputs=3)
    fit = LINEAR[0].fit(one, 2, True)
    for output in range(3):
        alone = LINEAR[0].fit(only(one, output), 2, True)
        np.testing.assert_allclose(fit.coefficients[:, output], alone.coefficients[:, 0], atol=1e-12)
        np.testing.assert_allclose(fit.std_errors[:, output], alone.std_errors[:, 0], atol=1e-12)
        assert fit.margin[output] == pytest.approx(alone.margin[0])


# ---------------------------------------------------------------- regressors


@pytest.mark.parametrize("most", [None, 2])
def test_regressor_surrogate_ridge_matches_linear_surrogate(most):
    one = regression(d=5, n=8192, n_outputs=2)
    fit = RegressorSurrogate(Ridge(1.0, tol=1e-12), forward_selection).fit(one, most, True)
    expected = LinearSurrogate(1.0, forward_selection).fit(one, most, True)
    for name in ("coefficients", "surrogate_outputs", "r2", "r2_std_errors"):
        np.testing.assert_allclose(getattr(fit, name), getattr(expected, name), atol=1e-9, err_msg=name)
    for name in ("std_errors", "surrogate_std_errors"):
        np.testing.assert_allclose(getattr(fit, name), getattr(expected, name), rtol=0.03, err_msg=name)
    np.testing.assert_array_equal(fit.selected, expected.selected)
    np.testing.assert_array_equal(fit.margin, expected.margin)
    np.testing.assert_array_equal(fit.row_design, one.row_design)


def test_regressor_surrogate_std_errors_match_block_jackknife():
    one = regression(d=3, n_outputs=1)
    regressor = HuberRegressor()
    fit = RegressorSurrogate(regressor, forward_selection).fit(one, None, False)
    y, number = one.predictions[:, 0] - one.row_predictions[0], block_of(one)

    def plain(kept):
        return HuberRegressor().fit(one.design.T[kept], y[kept], sample_weight=one.weights[kept])

    whole, left = plain(number >= 0), [plain(number != b) for b in range(16)]
    np.testing.assert_allclose(fit.coefficients[:, 0], whole.coef_, rtol=1e-10)
    assert fit.surrogate_outputs == pytest.approx(
        one.row_predictions[0] + whole.predict(one.row_design[None])[0]
    )
    expected = np.sqrt(15.0) * np.std([p.coef_ for p in left], axis=0)
    np.testing.assert_allclose(fit.std_errors[:, 0], expected, rtol=1e-10)
    outputs = [p.predict(one.row_design[None])[0] for p in left]
    assert fit.surrogate_std_errors == pytest.approx(np.sqrt(15.0) * np.std(outputs), rel=1e-9)
    score = 1.0 - np.average((y - whole.predict(one.design.T)) ** 2, weights=one.weights) / np.average(
        (y - np.average(y, weights=one.weights)) ** 2, weights=one.weights
    )
    assert fit.r2 == pytest.approx(score, abs=1e-10)
    assert not hasattr(regressor, "coef_")


def test_regressor_surrogate_without_intercept():
    one = regression(d=3, n_outputs=1)
    fit = RegressorSurrogate(LinearRegression(fit_intercept=False), forward_selection).fit(one, None, False)
    y = one.predictions[:, 0] - one.row_predictions[0]
    plain = LinearRegression(fit_intercept=False).fit(one.design.T, y, sample_weight=one.weights)
    assert fit.surrogate_outputs == pytest.approx(one.row_predictions[0] + plain.coef_.sum())
    assert fit.r2 == pytest.approx(plain.score(one.design.T, y, sample_weight=one.weights), abs=1e-10)


class RowCoefficients(RegressorMixin, BaseEstimator):
    """Keeps its coefficients as a row, and has no intercept."""

    def fit(self, X, y, sample_weight=None):
        self.coef_ = LinearRegression(fit_intercept=False).fit(X, y, sample_weight=sample_weight).coef_[None]
        return self


def test_regressor_surrogate_coef_of_shape_1_n():
    one = regression(d=3, n_outputs=1)
    rows = RegressorSurrogate(RowCoefficients(), forward_selection).fit(one, None, False)
    plain = RegressorSurrogate(LinearRegression(fit_intercept=False), forward_selection).fit(one, None, False)
    np.testing.assert_array_equal(rows.coefficients, plain.coefficients)


def test_regressor_surrogate_without_features_is_mean():
    one = regression(n_outputs=1)
    none = WeightedRegression(
        one.design[:0], one.weights, one.predictions, np.ones(0), one.row_predictions, 16
    )
    fit = RegressorSurrogate(Ridge(), forward_selection).fit(none, None, False)
    assert fit.surrogate_outputs == pytest.approx(np.average(one.predictions[:, 0], weights=one.weights))
    assert fit.surrogate_std_errors > 0


def test_regressor_surrogate_exhaustive_sample_has_no_error():
    fit = RegressorSurrogate(Ridge(), forward_selection).fit(regression(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.surrogate_std_errors, fit.r2_std_errors):
        assert not errors.any()


@pytest.mark.parametrize(
    ("regressor", "facts"),
    [
        (
            DecisionTreeRegressor(),
            ["'surrogate' of LimeExplainer", "coef_", "DecisionTreeRegressor", "'ridge', 'klasso', 'tree'"],
        ),
    ],
)
def test_regressor_surrogate_refuses_regressor_without_coef(regressor, facts):
    with refuses(DataError, *facts):
        RegressorSurrogate(regressor, forward_selection).fit(regression(), None, False)


# ---------------------------------------------------------------- trees

TREE = TreeSurrogate(8, forward_selection)


def grown(one, features, output):
    tree = DecisionTreeRegressor(max_leaf_nodes=8, random_state=0)
    return tree.fit(one.design[features].T, one.predictions[:, output], sample_weight=one.weights)


def walked(one, tree, features):
    """Nodes on the row's path, the feature that each but the last splits on, and who is in each."""
    inner, node, inside = tree.tree_, 0, np.ones(one.n_samples, dtype=bool)
    path = [(0, None, inside)]
    while inner.children_left[node] != -1:
        j, cut = inner.feature[node], inner.threshold[node]
        left = one.row_design[features[j]] <= cut
        inside = inside & ((one.design[features[j]] <= cut) == left)
        node = (inner.children_left if left else inner.children_right)[node]
        path.append((node, features[j], inside))
    return path


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("seed", range(3))
def test_tree_surrogate_effects_are_changes_along_path(seed, most, binary):
    one = regression(seed, d=5, n_outputs=1, binary=binary)
    fit = TREE.fit(one, most, False)
    features = np.flatnonzero(fit.selected[:, 0])
    assert features.size == (most or 5)
    tree = grown(one, features, 0)
    path = walked(one, tree, features)
    expected = np.zeros(5)
    for (before, _, _), (node, split, _) in pairwise(path):
        expected[split] += tree.tree_.value[node].item() - tree.tree_.value[before].item()
    np.testing.assert_allclose(fit.coefficients[:, 0], expected, atol=1e-9)
    assert len(path) > 1


@pytest.mark.parametrize("binary", [True, False])
def test_tree_surrogate_effects_sum_to_prediction(binary):
    one = regression(1, d=5, n_outputs=1, binary=binary)
    fit = TREE.fit(one, None, False)
    tree = grown(one, np.arange(5), 0)
    assert fit.surrogate_outputs == pytest.approx(tree.predict(one.row_design[None])[0], abs=1e-9)
    start = np.average(one.predictions[:, 0], weights=one.weights)
    assert start + fit.coefficients.sum() == pytest.approx(fit.surrogate_outputs[0], abs=1e-9)
    score = tree.score(one.design.T, one.predictions[:, 0], sample_weight=one.weights)
    assert fit.r2 == pytest.approx(score, abs=1e-9)
    np.testing.assert_array_equal(fit.row_design, 1.0)


def test_tree_surrogate_std_errors_from_means_along_path():
    one = regression(1, d=5, n_outputs=1)
    fit = TREE.fit(one, None, False)
    path = walked(one, grown(one, np.arange(5), 0), np.arange(5))
    number, y = block_of(one), one.predictions[:, 0]
    moved = []
    for _, _, inside in path:
        weights = one.weights * inside
        mean = np.average(y, weights=weights)
        moved.append([(weights * (y - mean))[number == b].sum() / weights.sum() for b in range(16)])
    moved = np.array(moved)
    steps = np.zeros((5, 16))
    for k, (_, split, _) in enumerate(path[1:]):
        steps[split] += moved[k + 1] - moved[k]
    for j in range(5):
        assert fit.std_errors[j, 0] == pytest.approx(
            spread(list(steps[j]), one.n_samples, len(path)), rel=1e-9
        )
    assert fit.surrogate_std_errors == pytest.approx(
        spread(list(moved[-1]), one.n_samples, len(path)), rel=1e-9
    )


def test_tree_surrogate_std_errors_match_resampling():
    def sample(seed):
        rng = np.random.default_rng(seed)
        design = (rng.random((2, 512)) < 0.4).astype(float)
        predictions = 10.0 * design[0] + 3.0 * design[1] + rng.normal(size=512)
        return WeightedRegression(
            design, rng.exponential(size=512), predictions[:, None], np.ones(2), np.zeros(1), 16
        )

    fits = [TREE.fit(sample(seed), None, False) for seed in range(300)]
    sampled, stated = (
        np.array([getattr(f, name)[:, 0] for f in fits]) for name in ("coefficients", "std_errors")
    )
    np.testing.assert_allclose(np.sqrt((stated**2).mean(axis=0)), sampled.std(axis=0, ddof=1), rtol=0.2)
    np.testing.assert_allclose(sampled.mean(axis=0), [6.0, 1.8], atol=0.1)  # 0.6 of each step


def test_tree_surrogate_outputs_share_tree_in_any_unit():
    one = regression(2, d=4, n_outputs=2)
    other = WeightedRegression(
        one.design,
        one.weights,
        one.predictions * [1.0, 1e6],
        one.row_design,
        one.row_predictions * [1.0, 1e6],
        16,
    )
    first, second = (TREE.fit(p, None, False) for p in (one, other))
    np.testing.assert_allclose(second.coefficients / [1.0, 1e6], first.coefficients, atol=1e-9)
    for output in range(2):
        level = np.average(one.predictions[:, output], weights=one.weights)
        assert level + first.coefficients[:, output].sum() == pytest.approx(
            first.surrogate_outputs[output], abs=1e-9
        )


@pytest.mark.parametrize("n_features", [0, 3])
def test_tree_surrogate_without_split_is_mean(n_features):
    one = regression(n_outputs=1)
    design = np.ones((n_features, one.n_samples))
    constant = WeightedRegression(
        design, one.weights, one.predictions, np.ones(n_features), one.row_predictions, 16
    )
    fit = TREE.fit(constant, None, False)
    assert not fit.coefficients.any()
    assert fit.surrogate_outputs == pytest.approx(np.average(one.predictions[:, 0], weights=one.weights))
    assert fit.r2 == pytest.approx(0.0, abs=1e-12)


def test_tree_surrogate_of_constant_model_has_no_effects():
    one = regression()
    constant = WeightedRegression(
        one.design, one.weights, np.full((512, 1), 0.1), np.ones(4), np.array([0.1]), 16
    )
    fit = TREE.fit(constant, None, False)
    assert not fit.coefficients.any()
    assert (fit.surrogate_outputs, fit.r2, fit.surrogate_std_errors) == (0.1, 1.0, 0.0)


def test_tree_surrogate_exhaustive_sample_has_no_error():
    fit = TREE.fit(regression(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.surrogate_std_errors, fit.r2_std_errors):
        assert not errors.any()


# ---------------------------------------------------------------- fits of many rows


def fit_one(seed=0, d=4):
    return LINEAR[0].fit(regression(seed, d=d, binary=False), None, False)


def contributions(one):
    return one.coefficients * one.row_design[:, None]


def test_stack_take_and_put_keep_rows():
    single = [fit_one(seed) for seed in range(3)]
    stacked = LocalFits.stack(single)
    assert stacked.coefficients.shape == (3, 4, 2)
    assert stacked.n_samples.tolist() == [512] * 3
    turned = stacked.take(np.array([2, 0]))
    for place, row in enumerate((2, 0)):
        for array, expected in zip(turned, single[row], strict=True):
            np.testing.assert_array_equal(array[place], expected)
    stacked.put(np.array([1]), turned.take(np.array([0])))
    for array, expected in zip(stacked, single[2], strict=True):
        np.testing.assert_array_equal(array[1], expected)


def test_insert_features_adds_features_without_effect():
    one, is_fitted = fit_one(d=2), np.array([False, True, True, False])
    whole = one.insert_features(is_fitted)
    for name in ("coefficients", "std_errors", "selected"):
        np.testing.assert_array_equal(getattr(whole, name)[is_fitted], getattr(one, name))
        assert not getattr(whole, name)[~is_fitted].any()
    assert whole.selected.dtype == bool
    np.testing.assert_array_equal(whole.row_design[is_fitted], one.row_design)
    np.testing.assert_array_equal(whole.surrogate_outputs, one.surrogate_outputs)
    assert one.insert_features(np.ones(2, dtype=bool)) is one


def test_rescale_keeps_contributions():
    one, units = fit_one(), np.array([0.1, 1.0, 2.0, 30.0])
    scaled = one.rescale(units, one.row_design * units)
    np.testing.assert_allclose(contributions(scaled), contributions(one), rtol=1e-14)
    np.testing.assert_allclose(scaled.std_errors * units[:, None], one.std_errors, rtol=1e-14)
