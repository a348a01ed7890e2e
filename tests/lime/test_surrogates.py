"""Surrogates against scikit-learn, and their standard errors against resampling and the block jackknife."""

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import HuberRegressor, Lasso, LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from agnostix.exceptions import DataError
from agnostix.lime.evidence import carriers, rare_changes
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.selection import forward_selection, lasso_path
from agnostix.lime.surrogates import LinearSurrogate, RegressorSurrogate, TreeSurrogate, fit_surrogate
from agnostix.lime.weighted_regression import WeightedRegression
from tests.lime.regressions import (
    block_of,
    left_out_r2,
    left_out_residuals,
    only,
    plain_fit,
    regression,
    reweighted,
)
from tests.messages import refuses
from tests.reference.lime import tree_steps

LINEAR = [LinearSurrogate(1.0, forward_selection), LinearSurrogate(0.0, lasso_path)]


@pytest.mark.parametrize("surrogate", LINEAR, ids=["ridge", "klasso"])
@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("binary", [True, False])
def test_linear_surrogate_matches_sklearn(surrogate, most, binary):
    one = regression(d=5, binary=binary, n_outputs=3)
    fit = fit_surrogate(surrogate, one, most, False)
    for output in range(3):
        expected_choice, two = range(5), one
        if most is not None:
            selecting, two = one.halves()
            expected_choice = surrogate.selection(only(selecting, output), most, False)[0]
        features = np.flatnonzero(fit.selected[:, output])
        assert features.tolist() == list(expected_choice)
        plain = plain_fit(two, features, surrogate.ridge, output)
        np.testing.assert_allclose(fit.coefficients[features, output], plain.coef_, atol=1e-10)
        assert fit.surrogate_outputs[output] == pytest.approx(
            plain.predict(one.row_design[None, features])[0], abs=1e-10
        )
        left = np.setdiff1d(np.arange(5), features)
        np.testing.assert_array_equal(fit.coefficients[left, output], 0.0)
        np.testing.assert_array_equal(fit.std_errors[left, output], 0.0)
    np.testing.assert_array_equal(fit.row_design, one.row_design)
    assert (fit.effective_samples, fit.n_samples) == (one.effective_samples, 512)


@pytest.mark.parametrize("ridge", [0.0, 1.0, 50.0])
def test_linear_surrogate_r2_is_of_samples_left_out(ridge):
    one = regression(n=64, n_blocks=16)
    fit = fit_surrogate(LinearSurrogate(ridge, forward_selection), one, None, False)
    for output in range(2):
        residuals = left_out_residuals(one, np.arange(4), ridge, output)
        assert fit.r2[output] == pytest.approx(left_out_r2(one, residuals, output), abs=1e-9)


def test_linear_surrogate_r2_of_selected_features_is_of_the_half_that_estimates():
    one = regression(n=64, n_blocks=16)
    fit = fit_surrogate(LINEAR[0], one, 2, False)
    features = np.flatnonzero(fit.selected[:, 0])
    _, two = one.halves()
    assert fit.r2[0] == pytest.approx(left_out_r2(two, left_out_residuals(two, features, 1.0)), abs=1e-9)


def test_linear_surrogate_r2_of_noise_is_not_above_0():
    """In the sample it is the number of features over that of samples, 0.4 here."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        design = (rng.random((100, 250)) < 0.5).astype(float)
        noise = rng.normal(size=(250, 1))
        one = WeightedRegression(design, np.ones(250), noise, np.ones(100), np.zeros(1), 250)
        found.append(fit_surrogate(LINEAR[0], one, None, False).r2[0])
    assert np.mean(found) == pytest.approx(-100 / 150, abs=0.15)


@pytest.mark.parametrize("most", [None, 2])
def test_linear_surrogate_std_errors_match_block_jackknife(most):
    one = regression(d=4, n=8192)
    surrogate = LINEAR[0]
    fit = fit_surrogate(surrogate, one, most, False)
    one = one if most is None else one.halves()[1]
    number, n_blocks = block_of(one), one.n_blocks
    for output in range(2):
        features = np.flatnonzero(fit.selected[:, output])
        plain = [
            plain_fit(reweighted(one, (number != b).astype(float)), features, 1.0, output)
            for b in range(n_blocks)
        ]
        effects = np.array([p.coef_ for p in plain])
        predictions = np.array([p.predict(one.row_design[None, features])[0] for p in plain])
        bases = np.array([p.intercept_ for p in plain])
        scale = np.sqrt(n_blocks - 1.0)
        np.testing.assert_allclose(fit.std_errors[features, output], scale * effects.std(axis=0), rtol=0.03)
        assert fit.surrogate_std_errors[output] == pytest.approx(scale * predictions.std(), rel=0.03)
        assert fit.base_std_errors[output] == pytest.approx(scale * bases.std(), rel=0.03)
        np.testing.assert_array_equal(fit.dof[features, output], n_blocks - 1.0)


def test_linear_surrogate_std_errors_of_single_samples_are_hc2():
    one = regression(d=4, n=300, n_blocks=300, n_outputs=1)
    fit = fit_surrogate(LINEAR[0], one, None, False)
    w, centered = one.weights, one.design - one.design_mean[:, None]
    inverse = np.linalg.inv(one.gram + np.eye(4))
    rest = one.predictions[:, 0] - plain_fit(one, np.arange(4), 1.0).predict(one.design.T)
    h = w * (1.0 / w.sum() + np.einsum("in,ij,jn->n", centered, inverse, centered))
    variance = inverse @ (centered * (w * rest) ** 2 / (1.0 - h)) @ centered.T @ inverse * 300 / 299
    np.testing.assert_allclose(fit.std_errors[:, 0], np.sqrt(np.diag(variance)), rtol=1e-9)


def test_linear_surrogate_intervals_of_many_features_cover():
    """With half as many features as samples, each a block by itself."""
    inside = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        design = (rng.random((60, 130)) < 0.5).astype(float)
        y = design[0] + rng.normal(size=130)
        one = WeightedRegression(design, np.ones(130), y[:, None], np.ones(60), np.zeros(1), 130)
        fit = fit_surrogate(LINEAR[1], one, None, False)
        half = student.ppf(0.975, fit.dof[:, 0]) * fit.std_errors[:, 0]
        inside.append(np.abs(fit.coefficients[:, 0] - (np.arange(60) == 0)) <= half)
    assert 0.92 < np.mean(inside) < 0.98


def test_freedom_counts_samples_in_the_bin():
    """Of a bin in which five of 400 samples are, the contrast is known as from five."""
    rng = np.random.default_rng(0)
    design = np.vstack([np.arange(400) < 5, rng.random(400) < 0.5]).astype(float)
    one = WeightedRegression(design, np.ones(400), rng.normal(size=(400, 1)), np.ones(2), np.zeros(1), 400)
    fit = fit_surrogate(LINEAR[0], one, None, False)
    assert 2.0 < fit.dof[0, 0] < 8.0
    assert fit.dof[1, 0] > 200.0


def test_shared_components_are_the_errors_and_their_covariance():
    one = regression(d=4, n=8192)
    fit = fit_surrogate(LINEAR[0], one, None, False)
    shared = fit.shared.astype(float)
    np.testing.assert_allclose((shared**2).sum(axis=2), fit.std_errors**2, rtol=1e-5)
    weighted = one.weights[:, None] * one.residuals(fit.coefficients)
    moved = one.coefficient_influences(np.arange(4), 1.0, weighted)
    for output in range(2):
        parts = moved[:, :, output] - moved[:, :, output].mean(axis=0)
        expected = np.corrcoef(parts.T)
        errors = fit.std_errors[:, output]
        found = shared[:, output] @ shared[:, output].T / np.outer(errors, errors)
        np.testing.assert_allclose(found, expected, atol=0.02)


def test_linear_surrogate_std_errors_match_resampling():
    slopes = np.array([1.0, -1.0, 0.5])

    def sample(seed):
        rng = np.random.default_rng(seed)
        design = (rng.random((3, 512)) < 0.3).astype(float)
        predictions = slopes @ design + design[0] * design[1] + rng.normal(size=512) * (1.0 + design[2])
        return WeightedRegression(
            design, rng.exponential(size=512), predictions[:, None], np.ones(3), np.zeros(1), 16
        )

    fits = [fit_surrogate(LINEAR[0], sample(seed), None, False) for seed in range(400)]
    for value, error in (
        ("coefficients", "std_errors"),
        ("surrogate_outputs", "surrogate_std_errors"),
        ("r2", "r2_std_errors"),
        ("coefficients", "base_std_errors"),
    ):
        if error == "base_std_errors":
            sampled = np.array([f.surrogate_outputs - f.coefficients.sum(axis=0) for f in fits])
            stated = np.array([f.base_std_errors for f in fits])
            assert np.sqrt((stated**2).mean()) == pytest.approx(sampled.std(ddof=1), rel=0.15)
            continue
        sampled = np.array([getattr(fit, value) for fit in fits])
        stated = np.array([getattr(fit, error) for fit in fits])
        np.testing.assert_allclose(np.sqrt((stated**2).mean(axis=0)), sampled.std(axis=0, ddof=1), rtol=0.15)


def test_linear_surrogate_of_linear_model_has_the_rule_of_three():
    one = regression()
    exact = WeightedRegression(
        one.design, one.weights, 3.0 + one.design.T @ np.ones((4, 1)), np.ones(4), np.array([7.0]), 16
    )
    fit = fit_surrogate(LINEAR[1], exact, None, False)
    np.testing.assert_allclose(fit.coefficients, 1.0, atol=1e-12)
    np.testing.assert_allclose(fit.std_errors, rare_changes(exact, np.arange(4), np.arange(1))[:-2])
    assert fit.is_unused.all()
    assert fit.surrogate_outputs == pytest.approx(7.0)
    assert fit.r2 == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("surrogate", LINEAR, ids=["ridge", "klasso"])
def test_linear_surrogate_of_constant_model_has_no_effects(surrogate):
    one = regression()
    constant = WeightedRegression(
        one.design, one.weights, np.full((512, 1), 0.1), np.ones(4), np.array([0.1]), 16
    )
    fit = fit_surrogate(surrogate, constant, None, False)
    assert not fit.coefficients.any()
    assert fit.surrogate_outputs == 0.1
    for unknown in (fit.std_errors, fit.surrogate_std_errors, fit.r2, fit.r2_std_errors):
        assert np.isnan(unknown).all()
    assert fit.is_determined.all()


KINDS = [*LINEAR, RegressorSurrogate(Ridge(), forward_selection), TreeSurrogate(8, forward_selection)]


@pytest.mark.parametrize("surrogate", KINDS, ids=["ridge", "klasso", "regressor", "tree"])
def test_surrogate_of_model_constant_but_at_the_row_is_not_determined(surrogate):
    one = regression()
    spike = WeightedRegression(
        one.design, one.weights, np.full((512, 2), 0.1), np.ones(4), np.array([0.1, 1.0]), 16, sizes=3.0
    )
    fit = fit_surrogate(surrogate, spike, None, False)
    assert fit.is_determined.tolist() == [True, False]
    expected = rare_changes(spike, np.arange(4), np.array([0]))[:-2]
    np.testing.assert_allclose(fit.std_errors[:, [0]], expected)
    assert (expected > 3.0 / 512).all()
    for unknown in (fit.std_errors[:, 1], fit.surrogate_std_errors[1], fit.r2[1], fit.r2_std_errors[1]):
        assert np.isnan(unknown).all()
    known = WeightedRegression(
        one.design,
        one.weights,
        np.full((512, 2), 0.1),
        np.ones(4),
        np.array([0.1, 1.0]),
        16,
        row_effects=np.array([0.0, 0.9]),
    )
    assert fit_surrogate(surrogate, known, None, False).is_determined.all()


@pytest.mark.parametrize(("n_hits", "determined"), [(0, False), (1, False), (2, True), (5, True)])
def test_row_is_determined_by_two_samples_like_it(n_hits, determined):
    """The row and one sample are two; a rate from two samples is the least of which an error is known."""
    one = regression(n=4096, n_outputs=1)
    spike = (np.arange(4096) % 800 == 3).astype(float)
    spike[np.cumsum(spike) > n_hits] = 0.0
    spiky = WeightedRegression(one.design, np.ones(4096), spike[:, None], np.ones(4), np.ones(1), 4096)
    fit = fit_surrogate(LINEAR[0], spiky, None, False)
    assert fit.is_determined.tolist() == [determined]
    if determined:
        assert fit.r2_dof < 4 * n_hits


def test_carriers_are_kish_of_squared_residuals():
    one = regression(n=64, n_outputs=1)
    one.row_weight = 0.7
    rest, at_row = np.random.default_rng(0).normal(size=(64, 1)), np.array([2.0])
    shares = [*(one.weights * rest[:, 0] ** 2), 0.7 * 4.0]
    expected = sum(shares) ** 2 / sum(share**2 for share in shares)
    n_carriers, row_share = carriers(one, rest, at_row)
    assert (n_carriers, row_share) == (pytest.approx(expected), pytest.approx(0.7 * 4.0 / sum(shares)))
    assert carriers(one, 0.0 * rest, at_row) == (1.0, 1.0)
    assert carriers(one, 0.0 * rest, 0.0 * at_row) == (np.inf, 0.0)


def test_sample_that_stands_out_leaves_values_open_but_not_without_error():
    one = regression(n=64, n_outputs=1)
    design = (one.design > 0).astype(float)
    for n_hits in (0, 1):
        y = np.zeros((64, 1))
        y[np.flatnonzero(design[0])[:n_hits]] = 1.0
        few = WeightedRegression(design, np.ones(64), y, np.ones(4), np.zeros(1), 64, sizes=1.0)
        fit = fit_surrogate(LINEAR[0], few, None, False)
        assert fit.is_determined.all()
        assert fit.is_unused.all()
        in_bin = design.sum(axis=1)
        least = 0.7 / np.maximum(in_bin, 64.0 - in_bin)
        assert (fit.std_errors[:, 0] > least).all()
        assert (fit.std_errors[:, 0] < 6.0 / np.minimum(in_bin, 64.0 - in_bin)).all()
        assert np.isnan(fit.r2)
        sums = np.square(fit.shared).sum(axis=-1)
        np.testing.assert_allclose(sums, fit.std_errors**2, rtol=1e-6)


def test_linear_surrogate_exhaustive_sample_has_no_error():
    fit = fit_surrogate(LINEAR[0], regression(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.surrogate_std_errors, fit.r2_std_errors):
        assert not errors.any()


@pytest.mark.parametrize("surrogate", LINEAR, ids=["ridge", "klasso"])
def test_linear_surrogate_without_features_is_mean(surrogate):
    one = regression(n_outputs=1)
    none = WeightedRegression(
        one.design[:0], one.weights, one.predictions, np.ones(0), one.row_predictions, 16
    )
    fit = fit_surrogate(surrogate, none, None, False)
    assert fit.surrogate_outputs == pytest.approx(np.average(one.predictions[:, 0], weights=one.weights))
    assert fit.r2 == pytest.approx(0.0, abs=1e-12)
    assert fit.surrogate_std_errors > 0
    assert fit.r2_std_errors > 0


def test_linear_surrogate_outputs_are_independent():
    one = regression(d=5, n_outputs=3)
    fit = fit_surrogate(LINEAR[0], one, 2, True)
    for output in range(3):
        alone = fit_surrogate(LINEAR[0], only(one, output), 2, True)
        np.testing.assert_allclose(fit.coefficients[:, output], alone.coefficients[:, 0], atol=1e-12)
        np.testing.assert_allclose(fit.std_errors[:, output], alone.std_errors[:, 0], atol=1e-12)
        assert fit.margin[output] == pytest.approx(alone.margin[0])


# ---------------------------------------------------------------- regressors


@pytest.mark.parametrize("most", [None, 2])
def test_regressor_surrogate_ridge_matches_linear_surrogate(most):
    one = regression(d=5, n=8192, n_outputs=2)
    fit = fit_surrogate(RegressorSurrogate(Ridge(1.0, tol=1e-12), forward_selection), one, most, True)
    expected = fit_surrogate(LinearSurrogate(1.0, forward_selection), one, most, True)
    for name in ("coefficients", "surrogate_outputs"):
        np.testing.assert_allclose(getattr(fit, name), getattr(expected, name), atol=1e-9, err_msg=name)
    np.testing.assert_allclose(fit.r2, expected.r2, atol=2e-3)
    np.testing.assert_allclose(fit.r2_std_errors, expected.r2_std_errors, rtol=0.05)
    np.testing.assert_array_equal(fit.selected, expected.selected)
    np.testing.assert_array_equal(fit.margin, expected.margin)
    np.testing.assert_array_equal(fit.row_design, one.row_design)


def test_regressor_surrogate_std_errors_are_of_balanced_halves():
    one = regression(d=3, n_outputs=1)
    regressor = HuberRegressor()
    fit = fit_surrogate(RegressorSurrogate(regressor, forward_selection), one, None, False)
    y = one.predictions[:, 0] - one.row_predictions[0]
    group = np.arange(512) // 32

    def plain(kept):
        return HuberRegressor().fit(one.design.T[kept], y[kept], sample_weight=one.weights[kept])

    whole = plain(group >= 0)
    np.testing.assert_allclose(fit.coefficients[:, 0], whole.coef_, rtol=1e-10)
    assert fit.surrogate_outputs == pytest.approx(
        one.row_predictions[0] + whole.predict(one.row_design[None])[0]
    )
    squares, left, total = [], np.zeros(512), np.zeros((16, 16))
    for k in range(1, 16):
        # The parity of the bits that the group and k share: any two groups are together as often as not.
        inside = np.array([bin(g & k).count("1") % 2 == 0 for g in range(16)])
        total += np.outer(2 * inside - 1, 2 * inside - 1)
        first, second = plain(inside[group]), plain(~inside[group])
        numbers = [[*p.coef_, p.predict(one.row_design[None])[0], p.intercept_] for p in (first, second)]
        squares.append(((np.array(numbers[0]) - numbers[1]) / 2.0) ** 2)
        left += np.where(inside[group], second.predict(one.design.T), first.predict(one.design.T)) / 15.0
    np.testing.assert_array_equal(total, 16 * np.eye(16) - 1)
    expected = np.sqrt(np.mean(squares, axis=0))
    np.testing.assert_allclose(fit.std_errors[:, 0], expected[:3], rtol=1e-9)
    assert fit.surrogate_std_errors == pytest.approx(expected[3], rel=1e-9)
    assert fit.base_std_errors == pytest.approx(expected[4], rel=1e-9)
    assert (fit.dof == 15).all()
    assert fit.r2 == pytest.approx(left_out_r2(one, y - left), abs=1e-9)
    assert not hasattr(regressor, "coef_")


def test_regressor_surrogate_coefficients_of_0_in_all_fits_have_the_rule_of_three():
    one = regression(d=4, n_outputs=1)
    fit = fit_surrogate(RegressorSurrogate(Lasso(5.0), forward_selection), one, None, False)
    assert not fit.coefficients.any()
    assert fit.is_unused.all()
    expected = fit_surrogate(
        LinearSurrogate(0.0, forward_selection),
        WeightedRegression(one.design, one.weights, one.predictions, np.ones(4), one.row_predictions, 16),
        None,
        False,
    )
    assert (fit.std_errors > 0).all()
    assert (fit.std_errors < expected.std_errors).all()


def test_regressor_surrogate_without_intercept():
    one = regression(d=3, n_outputs=1)
    fit = fit_surrogate(
        RegressorSurrogate(LinearRegression(fit_intercept=False), forward_selection), one, None, False
    )
    y = one.predictions[:, 0] - one.row_predictions[0]
    plain = LinearRegression(fit_intercept=False).fit(one.design.T, y, sample_weight=one.weights)
    assert fit.surrogate_outputs == pytest.approx(one.row_predictions[0] + plain.coef_.sum())
    assert fit.coefficients[:, 0] == pytest.approx(plain.coef_)


class RowCoefficients(RegressorMixin, BaseEstimator):
    """Keeps its coefficients as a row, and has no intercept."""

    def fit(self, X, y, sample_weight=None):
        self.coef_ = LinearRegression(fit_intercept=False).fit(X, y, sample_weight=sample_weight).coef_[None]
        return self


def test_regressor_surrogate_coef_of_shape_1_n():
    one = regression(d=3, n_outputs=1)
    rows = fit_surrogate(RegressorSurrogate(RowCoefficients(), forward_selection), one, None, False)
    plain = fit_surrogate(
        RegressorSurrogate(LinearRegression(fit_intercept=False), forward_selection), one, None, False
    )
    np.testing.assert_array_equal(rows.coefficients, plain.coefficients)


def test_regressor_surrogate_without_features_is_mean():
    one = regression(n_outputs=1)
    none = WeightedRegression(
        one.design[:0], one.weights, one.predictions, np.ones(0), one.row_predictions, 16
    )
    fit = fit_surrogate(RegressorSurrogate(Ridge(), forward_selection), none, None, False)
    assert fit.surrogate_outputs == pytest.approx(np.average(one.predictions[:, 0], weights=one.weights))
    assert fit.surrogate_std_errors > 0


def test_regressor_surrogate_exhaustive_sample_has_no_error():
    fit = fit_surrogate(RegressorSurrogate(Ridge(), forward_selection), regression(n_blocks=0), None, False)
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
        fit_surrogate(RegressorSurrogate(regressor, forward_selection), regression(), None, False)


# ---------------------------------------------------------------- trees

TREE = TreeSurrogate(8, forward_selection)


def grown(one, output=0, n_groups=8):
    """By group of samples, of two trees: changes along the path by feature, leaf, root, and predictions."""
    group = np.arange(one.n_samples) * n_groups // one.n_samples
    steps, predictions = [], []
    shift, y = one.row_predictions[output], one.predictions[:, output]
    unit = np.sqrt(one.total_squares[output] / one.total_weight)
    y = (y - shift) / unit  # ties are broken by rounding
    for g in range(n_groups):
        inside = np.flatnonzero(group == g)
        part = np.arange(inside.size) * 2 // inside.size
        found = []
        for k in range(2):
            kept = inside[part != k]
            tree = DecisionTreeRegressor(max_leaf_nodes=8, min_samples_leaf=5, random_state=0)
            tree.fit(one.design.T[kept], y[kept], sample_weight=one.weights[kept])
            at_row, base = tree.predict(one.row_design[None])[0] * unit, tree.tree_.value[0].item() * unit
            numbers = [*(tree_steps(tree.tree_, one.row_design) * unit), at_row + shift, base + shift]
            found.append((numbers, tree.predict(one.design.T) * unit + shift))
        steps.append(np.mean([one for one, _ in found], axis=0))
        predictions.append(np.mean([one for _, one in found], axis=0))
    return np.array(steps), np.array(predictions), group


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_tree_surrogate_effects_are_mean_changes_along_paths(seed, binary):
    one = regression(seed, d=5, n_outputs=1, binary=binary)
    fit = fit_surrogate(TREE, one, None, False)
    steps, predictions, group = grown(one)
    *effects, at_row, base = steps.mean(axis=0)
    np.testing.assert_allclose(fit.coefficients[:, 0], effects, atol=1e-9)
    assert fit.surrogate_outputs == pytest.approx(at_row, abs=1e-9)
    assert base + fit.coefficients.sum() == pytest.approx(at_row, abs=1e-9)
    np.testing.assert_array_equal(fit.row_design, 1.0)
    *_, output_error, _ = errors = steps.std(axis=0, ddof=1) / np.sqrt(8.0)
    # At least the spread of trees; what leaves vary by and a sample that they missed come in addition.
    assert output_error <= fit.surrogate_std_errors < 2.0 * output_error + 0.05
    shares = one.weights / one.weights.sum()
    parts = (shares * (one.targets[:, 0] - shares @ one.targets[:, 0]) / np.sqrt(1.0 - shares)).reshape(
        16, -1
    )
    assert fit.base_std_errors == pytest.approx(np.sqrt(16.0) * parts.sum(axis=1).std(ddof=1), rel=1e-9)
    # A sum of squares of which two trees or fewer are all is no measure of a spread.
    squares = steps[:, :5] ** 2
    often = (squares.sum(axis=0) ** 2 >= 2.5 * (squares**2).sum(axis=0)) & squares.any(axis=0)
    assert often.any()
    np.testing.assert_allclose(fit.std_errors[often, 0], errors[:5][often], rtol=1e-6)
    assert (fit.std_errors[~often, 0] >= errors[:5][~often] - 1e-12).all()
    squares, used = squares[:, often], steps[:, :5][:, often]
    effective = squares.sum(axis=0) ** 2 / (squares**2).sum(axis=0)
    apart = (used - used.mean(axis=0)) ** 2
    by_spread = 2.0 / ((apart**2).sum(axis=0) / apart.sum(axis=0) ** 2 - 1 / 8)
    expected = np.clip(np.minimum(effective, by_spread), 2.0, 7.0)
    np.testing.assert_allclose(fit.dof[often, 0], expected, rtol=1e-6)
    left = [one.predictions[i, 0] - predictions[np.arange(8) != group[i], i].mean() for i in range(512)]
    assert fit.r2 == pytest.approx(left_out_r2(one, np.array(left)), abs=1e-9)


def test_tree_surrogate_on_selected_features_uses_the_half_that_estimates():
    one = regression(1, d=5, n_outputs=1)
    fit = fit_surrogate(TREE, one, 2, False)
    features = np.flatnonzero(fit.selected[:, 0])
    _, two = one.halves()
    few = WeightedRegression(
        two.design[features], two.weights, two.predictions, one.row_design[features], one.row_predictions, 8
    )
    steps, _, _ = grown(few, n_groups=8)
    np.testing.assert_allclose(fit.coefficients[features, 0], steps.mean(axis=0)[:2], atol=1e-9)
    assert not np.delete(fit.coefficients[:, 0], features).any()


def test_tree_surrogate_features_without_splits_have_the_rule_of_three():
    rng = np.random.default_rng(0)
    design = (rng.random((3, 512)) < 0.4).astype(float)
    design[2] = 1.0
    y = 10.0 * design[0]
    one = WeightedRegression(design, np.ones(512), y[:, None], np.ones(3), np.array([10.0]), 16)
    fit = fit_surrogate(TREE, one, None, False)
    assert fit.is_unused[:, 0].tolist() == [True, True, False]  # leaves are pure; the last is constant
    assert fit.std_errors[1, 0] > 0
    assert fit.std_errors[2, 0] == 0


def test_tree_surrogate_answer_of_pure_leaves_is_not_exact():
    design = np.tile([0.0, 1.0], 256)[None]
    one = WeightedRegression(design, np.ones(512), 3.0 * design.T, np.ones(1), np.array([3.0]), 16)
    fit = fit_surrogate(TREE, one, None, False)
    assert fit.surrogate_outputs == pytest.approx(3.0)
    assert 0 < fit.surrogate_std_errors < 0.05


def test_tree_surrogate_std_errors_match_resampling():
    def sample(seed):
        rng = np.random.default_rng(seed)
        design = (rng.random((2, 1024)) < 0.4).astype(float)
        predictions = 10.0 * design[0] + 3.0 * design[1] + rng.normal(size=1024)
        return WeightedRegression(
            design, rng.exponential(size=1024), predictions[:, None], np.ones(2), np.zeros(1), 16
        )

    # More samples than groups of them: a feature that is used in all groups has their spread.
    fits = [fit_surrogate(TREE, sample(seed), None, False) for seed in range(200)]
    for value, error in (("coefficients", "std_errors"), ("surrogate_outputs", "surrogate_std_errors")):
        sampled = np.array([getattr(fit, value) for fit in fits])
        stated = np.array([getattr(fit, error) for fit in fits])
        np.testing.assert_allclose(np.sqrt((stated**2).mean(axis=0)), sampled.std(axis=0, ddof=1), rtol=0.2)
    sampled = np.array([fit.coefficients[:, 0] for fit in fits])
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
    first, second = (fit_surrogate(TREE, p, None, False) for p in (one, other))
    np.testing.assert_allclose(second.coefficients / [1.0, 1e6], first.coefficients, atol=1e-9)


@pytest.mark.parametrize("n_features", [0, 3])
def test_tree_surrogate_without_split_is_mean(n_features):
    one = regression(n_outputs=1)
    design = np.ones((n_features, one.n_samples))
    constant = WeightedRegression(
        design, one.weights, one.predictions, np.ones(n_features), one.row_predictions, 16
    )
    fit = fit_surrogate(TREE, constant, None, False)
    assert not fit.coefficients.any()
    assert not fit.std_errors.any()
    mean = np.average(one.predictions[:, 0], weights=one.weights)
    assert fit.surrogate_outputs == pytest.approx(mean, abs=0.1)
    assert fit.r2 == pytest.approx(0.0, abs=0.03)


def test_tree_surrogate_of_constant_model_has_no_effects():
    one = regression()
    constant = WeightedRegression(
        one.design, one.weights, np.full((512, 1), 0.1), np.ones(4), np.array([0.1]), 16
    )
    fit = fit_surrogate(TREE, constant, None, False)
    assert not fit.coefficients.any()
    assert fit.surrogate_outputs == 0.1
    assert np.isnan([fit.r2, fit.surrogate_std_errors]).all()


def test_tree_surrogate_exhaustive_sample_has_no_error():
    fit = fit_surrogate(TREE, regression(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.surrogate_std_errors, fit.r2_std_errors):
        assert not errors.any()


# ---------------------------------------------------------------- fits of many rows


def fit_one(seed=0, d=4):
    return fit_surrogate(LINEAR[0], regression(seed, d=d, binary=False), None, False)


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
    for name in ("coefficients", "std_errors", "selected", "shared", "is_unused"):
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
