"""Weighted least squares against scikit-learn, influences against finite differences."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from agnostix.lime.least_squares import (
    influences,
    output_influences,
    r2_of,
    residuals,
    solved,
    standard_error,
)
from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem
from tests.lime.problems import block_of, plain_fit, problem, reweighted, spread

ALL = np.arange(4)
SOME = np.array([1, 3])


def fitted(one, features, ridge):
    moments = Moments.of(one)
    effects = np.zeros((one.design.shape[0], one.answers.shape[1]))
    effects[features] = solved(moments, features, ridge, moments.cross[features])
    return moments, effects, residuals(one, moments, effects)


def outputs_of(one, features, ridge):
    moments, effects, _ = fitted(one, features, ridge)
    return moments.level + (one.own_design - moments.mean) @ effects


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 1.0, 300.0])
@pytest.mark.parametrize("features", [ALL, SOME], ids=["all", "some"])
def test_fit_matches_sklearn_ridge(features, ridge, binary):
    one = problem(binary=binary)
    _, effects, rest = fitted(one, features, ridge)
    for output in range(2):
        expected = plain_fit(one, features, ridge, output)
        np.testing.assert_allclose(effects[features, output], expected.coef_, atol=1e-10)
        left = one.answers[:, output] - expected.predict(one.design[features].T)
        np.testing.assert_allclose(rest[:, output], left, atol=1e-9)
    assert (effects[[j for j in ALL if j not in features]] == 0.0).all()


def test_fit_equal_columns_share_effect():
    one = problem()
    twice = Problem(one.design[[0, 1, 2, 0]], one.weights, one.answers, np.ones(4), one.own_answers, 16)
    _, effects, _ = fitted(twice, ALL, 0.0)
    np.testing.assert_allclose(effects[0], effects[3], atol=1e-10)
    expected = plain_fit(one, [0, 1, 2], 0.0).coef_
    np.testing.assert_allclose(effects[:3, 0] + [effects[3, 0], 0.0, 0.0], expected, atol=1e-10)


def change(one, block, function, step=1e-5):
    """Derivative of a function of a problem by the weight of a block, from both sides."""
    inside = block_of(one) == block
    ahead, behind = (function(reweighted(one, 1.0 + sign * step * inside)) for sign in (1.0, -1.0))
    return (ahead - behind) / (2.0 * step)


@pytest.mark.parametrize("ridge", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("features", [ALL, SOME], ids=["all", "some"])
def test_influences_are_derivatives_by_block_weight(features, ridge):
    one = problem()
    moments, _, rest = fitted(one, features, ridge)
    weighted = one.weights[:, None] * rest
    moved = influences(one, moments, features, ridge, weighted)
    outputs = output_influences(one, moments, features, weighted, moved)
    assert moved.shape == (16, features.size, 2)
    for block in (0, 7, 15):
        expected = change(one, block, lambda p: fitted(p, features, ridge)[1][features])
        np.testing.assert_allclose(moved[block], expected, atol=1e-7)
        np.testing.assert_allclose(
            outputs[block], change(one, block, lambda p: outputs_of(p, features, ridge)), atol=1e-7
        )


@pytest.mark.parametrize("features", [ALL, SOME], ids=["all", "some"])
def test_influences_match_block_jackknife(features):
    one = problem(n=8192)
    moments, _, rest = fitted(one, features, 1.0)
    moved = influences(one, moments, features, 1.0, one.weights[:, None] * rest)
    first_order = standard_error(moved, one.n_draws, features.size + 1)
    number = block_of(one)
    left = np.array(
        [fitted(reweighted(one, (number != b).astype(float)), features, 1.0)[1][features] for b in range(16)]
    )
    np.testing.assert_allclose(first_order, np.sqrt(15.0) * left.std(axis=0), rtol=0.03)


def test_standard_error_is_spread_of_blocks():
    parts = np.random.default_rng(0).normal(size=(16, 3, 2))
    np.testing.assert_allclose(standard_error(parts, 512, 5), spread(list(parts), 512, 5), rtol=1e-12)
    assert np.isfinite(standard_error(parts, 4, 9)).all()


def test_standard_error_of_sum_of_blocks():
    """Of sums of 16 independent blocks with variance 4, in the mean of squares."""
    parts = np.random.default_rng(0).normal(scale=2.0, size=(16, 4000))
    assert np.square(standard_error(parts, 10**9, 0)).mean() == pytest.approx(64.0, rel=0.05)


@pytest.mark.parametrize("features", [ALL, SOME], ids=["all", "some"])
def test_r2_matches_sklearn(features):
    one = problem()
    moments, _, rest = fitted(one, features, 1.0)
    r2, _ = r2_of(one, moments, rest)
    for output in range(2):
        fit = plain_fit(one, features, 1.0, output)
        predicted = fit.predict(one.design[features].T)
        expected = r2_score(one.answers[:, output], predicted, sample_weight=one.weights)
        assert r2[output] == pytest.approx(expected, abs=1e-12)


def test_r2_std_error_is_spread_of_derivatives():
    one = problem()

    def r2(p):
        moments, _, rest = fitted(p, ALL, 0.0)
        return r2_of(p, moments, rest)[0]

    moments, _, rest = fitted(one, ALL, 0.0)
    expected = spread([change(one, b, r2) for b in range(16)], one.n_draws, 1)
    np.testing.assert_allclose(r2_of(one, moments, rest)[1], expected, rtol=1e-5)


def test_r2_std_error_without_blocks_is_zero():
    one = problem(n_blocks=0)
    moments, _, rest = fitted(one, ALL, 0.0)
    assert r2_of(one, moments, rest)[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("seed", range(5))
def test_r2_of_constant_output_is_one(seed):
    rng = np.random.default_rng(seed)
    design = (rng.random((3, 4864)) < 0.3).astype(float)
    one = Problem(
        design, rng.exponential(size=4864), np.full((4864, 1), 0.7), np.ones(3), np.array([0.1]), 19
    )
    moments, effects, rest = fitted(one, np.arange(3), 1.0)
    assert r2_of(one, moments, rest) == (1.0, 0.0)
    np.testing.assert_allclose(effects, 0.0, atol=1e-14)
