"""User-supplied regressors as surrogates against the built-in ridge and the block jackknife."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import HuberRegressor, LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from agnostix.exceptions import DataError
from agnostix.lime.fitted import FittedSurrogate
from agnostix.lime.linear import LinearSurrogate
from agnostix.lime.problem import Problem
from agnostix.lime.selection import ForwardSelection
from tests.lime.problems import block_of, problem
from tests.messages import refuses


@pytest.mark.parametrize("most", [None, 2])
def test_fitted_surrogate_ridge_matches_linear_surrogate(most):
    one = problem(d=5, n=8192, n_outputs=2)
    found = FittedSurrogate(Ridge(1.0, tol=1e-12), ForwardSelection()).fit(one, most, True)
    expected = LinearSurrogate(1.0, ForwardSelection()).fit(one, most, True)
    for name in ("effects", "output", "r2", "r2_std_errors"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-9, err_msg=name)
    for name in ("std_errors", "output_std_errors"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0.03, err_msg=name)
    np.testing.assert_array_equal(found.selected, expected.selected)
    np.testing.assert_array_equal(found.margin, expected.margin)
    np.testing.assert_array_equal(found.own_design, one.own_design)


def test_fitted_surrogate_std_errors_match_block_jackknife():
    one = problem(d=3, n_outputs=1)
    regressor = HuberRegressor()
    fit = FittedSurrogate(regressor, ForwardSelection()).fit(one, None, False)
    y, number = one.answers[:, 0] - one.own_answers[0], block_of(one)

    def plain(kept):
        return HuberRegressor().fit(one.design.T[kept], y[kept], sample_weight=one.weights[kept])

    whole, left = plain(number >= 0), [plain(number != b) for b in range(16)]
    np.testing.assert_allclose(fit.effects[:, 0], whole.coef_, rtol=1e-10)
    assert fit.output == pytest.approx(one.own_answers[0] + whole.predict(one.own_design[None])[0])
    expected = np.sqrt(15.0) * np.std([p.coef_ for p in left], axis=0)
    np.testing.assert_allclose(fit.std_errors[:, 0], expected, rtol=1e-10)
    outputs = [p.predict(one.own_design[None])[0] for p in left]
    assert fit.output_std_errors == pytest.approx(np.sqrt(15.0) * np.std(outputs), rel=1e-9)
    score = 1.0 - np.average((y - whole.predict(one.design.T)) ** 2, weights=one.weights) / np.average(
        (y - np.average(y, weights=one.weights)) ** 2, weights=one.weights
    )
    assert fit.r2 == pytest.approx(score, abs=1e-10)
    assert not hasattr(regressor, "coef_")


def test_fitted_surrogate_without_intercept():
    one = problem(d=3, n_outputs=1)
    fit = FittedSurrogate(LinearRegression(fit_intercept=False), ForwardSelection()).fit(one, None, False)
    y = one.answers[:, 0] - one.own_answers[0]
    plain = LinearRegression(fit_intercept=False).fit(one.design.T, y, sample_weight=one.weights)
    assert fit.output == pytest.approx(one.own_answers[0] + plain.coef_.sum())
    assert fit.r2 == pytest.approx(plain.score(one.design.T, y, sample_weight=one.weights), abs=1e-10)


class RowCoefficients(RegressorMixin, BaseEstimator):
    """Keeps its coefficients as a row, and has no intercept."""

    def fit(self, X, y, sample_weight=None):
        self.coef_ = LinearRegression(fit_intercept=False).fit(X, y, sample_weight=sample_weight).coef_[None]
        return self


def test_fitted_surrogate_coef_of_shape_1_n():
    one = problem(d=3, n_outputs=1)
    found = FittedSurrogate(RowCoefficients(), ForwardSelection()).fit(one, None, False)
    plain = FittedSurrogate(LinearRegression(fit_intercept=False), ForwardSelection()).fit(one, None, False)
    np.testing.assert_array_equal(found.effects, plain.effects)


def test_fitted_surrogate_without_features_is_mean():
    one = problem(n_outputs=1)
    none = Problem(one.design[:0], one.weights, one.answers, np.ones(0), one.own_answers, 16)
    fit = FittedSurrogate(Ridge(), ForwardSelection()).fit(none, None, False)
    assert fit.output == pytest.approx(np.average(one.answers[:, 0], weights=one.weights))
    assert fit.output_std_errors > 0


def test_fitted_surrogate_exhaustive_sample_has_no_error():
    fit = FittedSurrogate(Ridge(), ForwardSelection()).fit(problem(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.output_std_errors, fit.r2_std_errors):
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
def test_fitted_surrogate_refuses_regressor_without_coef(regressor, facts):
    with refuses(DataError, *facts):
        FittedSurrogate(regressor, ForwardSelection()).fit(problem(), None, False)
