"""Weighted regressions against loops and scikit-learn, influences against finite differences."""

import numpy as np
import pytest

from agnostix.core.designs import standard_error
from agnostix.lime.weighted_regression import WeightedRegression
from tests.lime.regressions import block_of, only, plain_fit, regression, reweighted, spread

ALL = np.arange(4)
SOME = np.array([1, 3])


@pytest.mark.parametrize("binary", [True, False])
def test_moments_match_loops(binary):
    one = regression(binary=binary, n=64)
    total = sum(one.weights)
    mean = sum(w * x for w, x in zip(one.weights, one.design.T, strict=True)) / total
    targets = one.predictions - one.row_predictions
    level = sum(w * y for w, y in zip(one.weights, targets, strict=True)) / total
    samples = list(zip(one.weights, one.design.T - mean, targets - level, strict=True))
    expected = {
        "total_weight": total,
        "design_mean": mean,
        "target_mean": level,
        "gram": sum(w * np.outer(x, x) for w, x, _ in samples),
        "cross": sum(w * np.outer(x, y) for w, x, y in samples),
        "total_squares": sum(w * y**2 for w, _, y in samples),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(one, name), value, rtol=1e-10, atol=1e-10)


def test_single_output_matches_regression_of_it():
    one = regression(n_outputs=3)
    taken, alone = one.single_output(1), only(one, 1)
    for name in ("total_weight", "design_mean", "target_mean", "gram", "cross", "total_squares"):
        np.testing.assert_allclose(getattr(taken, name), getattr(alone, name), rtol=1e-12)
    for name in ("predictions", "targets", "row_predictions"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(alone, name))


@pytest.mark.parametrize("level", [0.0, 0.7, -1e9])
@pytest.mark.parametrize("seed", range(5))
def test_total_squares_of_constant_output_is_zero(seed, level):
    rng = np.random.default_rng(seed)
    design = (rng.random((3, 4864)) < 0.3).astype(float)
    answers = np.full((4864, 1), level)
    one = WeightedRegression(design, rng.exponential(size=4864), answers, np.ones(3), np.array([0.1]), 19)
    assert one.total_squares == 0.0


def test_effective_sample_size():
    one = regression(n=64)
    assert one.effective_samples == pytest.approx(sum(one.weights) ** 2 / sum(w * w for w in one.weights))
    even = WeightedRegression(
        one.design, np.full(64, 0.3), one.predictions, one.row_design, one.row_predictions, 16
    )
    assert even.effective_samples == pytest.approx(64.0)


def test_block_scores_matches_loops():
    one = regression(n=64, n_blocks=16)
    errors = np.random.default_rng(1).normal(size=(64, 3))
    scores = one.block_scores(errors)
    for b in range(16):
        expected = sum(
            np.outer(one.design[:, i] - one.design_mean, errors[i]) for i in range(4 * b, 4 * b + 4)
        )
        np.testing.assert_allclose(scores[b], expected, atol=1e-12)


def fitted(one, features, ridge):
    coefficients = np.zeros((one.design.shape[0], one.predictions.shape[1]))
    coefficients[features] = one.solve(features, ridge, one.cross[features])
    return coefficients, one.residuals(coefficients)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 1.0, 300.0])
@pytest.mark.parametrize("features", [ALL, SOME], ids=["all", "some"])
def test_fit_matches_sklearn_ridge(features, ridge, binary):
    one = regression(binary=binary)
    coefficients, rest = fitted(one, features, ridge)
    for output in range(2):
        expected = plain_fit(one, features, ridge, output)
        np.testing.assert_allclose(coefficients[features, output], expected.coef_, atol=1e-10)
        left = one.predictions[:, output] - expected.predict(one.design[features].T)
        np.testing.assert_allclose(rest[:, output], left, atol=1e-9)
    assert (coefficients[[j for j in ALL if j not in features]] == 0.0).all()


def test_fit_equal_columns_share_effect():
    one = regression()
    twice = WeightedRegression(
        one.design[[0, 1, 2, 0]], one.weights, one.predictions, np.ones(4), one.row_predictions, 16
    )
    coefficients, _ = fitted(twice, ALL, 0.0)
    np.testing.assert_allclose(coefficients[0], coefficients[3], atol=1e-10)
    expected = plain_fit(one, [0, 1, 2], 0.0).coef_
    np.testing.assert_allclose(coefficients[:3, 0] + [coefficients[3, 0], 0.0, 0.0], expected, atol=1e-10)


def change(one, block, function, step=1e-5):
    """Derivative of a function of a problem by the weight of a block, from both sides."""
    inside = block_of(one) == block
    ahead, behind = (function(reweighted(one, 1.0 + sign * step * inside)) for sign in (1.0, -1.0))
    return (ahead - behind) / (2.0 * step)


@pytest.mark.parametrize("ridge", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("features", [ALL, SOME], ids=["all", "some"])
def test_influences_are_derivatives_by_block_weight(features, ridge):
    one = regression()
    _, rest = fitted(one, features, ridge)
    moved = one.coefficient_influences(features, ridge, one.weights[:, None] * rest)
    assert moved.shape == (16, features.size, 2)
    for block in (0, 7, 15):
        expected = change(one, block, lambda p: fitted(p, features, ridge)[0][features])
        np.testing.assert_allclose(moved[block], expected, atol=1e-7)


@pytest.mark.parametrize("features", [ALL, SOME], ids=["all", "some"])
def test_influences_match_block_jackknife(features):
    one = regression(n=8192)
    _, rest = fitted(one, features, 1.0)
    moved = one.coefficient_influences(features, 1.0, one.weights[:, None] * rest)
    first_order = one.standard_error(moved, features.size + 1)
    number = block_of(one)
    left = np.array(
        [fitted(reweighted(one, (number != b).astype(float)), features, 1.0)[0][features] for b in range(16)]
    )
    np.testing.assert_allclose(first_order, np.sqrt(15.0) * left.std(axis=0), rtol=0.03)


def test_standard_error_is_spread_of_blocks():
    parts = np.random.default_rng(0).normal(size=(16, 3, 2))
    one = regression(n=512)
    np.testing.assert_allclose(one.standard_error(parts, 5), spread(list(parts), 512, 5), rtol=1e-12)
    assert np.isfinite(one.standard_error(parts, 600)).all()


def test_standard_error_of_sum_of_blocks():
    """Of sums of 16 independent blocks with variance 4, in the mean of squares."""
    parts = np.random.default_rng(0).normal(scale=2.0, size=(16, 4000))
    assert np.square(standard_error(parts, 16)).mean() == pytest.approx(64.0, rel=0.05)


def test_halves_are_independent_samples_of_the_same_total_weight():
    one = regression(n=512, n_blocks=16)
    one.row_weight, one.row_effects = 0.5, np.array([1.0, 2.0])
    later, earlier = one.halves()
    assert (earlier.n_samples, earlier.n_blocks, later.n_samples, later.n_blocks) == (256, 8, 256, 8)
    np.testing.assert_array_equal(np.hstack([earlier.design, later.design]), one.design)
    np.testing.assert_allclose(np.hstack([earlier.weights, later.weights]), 2.0 * one.weights)
    assert (later.row_weight, later.row_effects.tolist()) == (0.5, [1.0, 2.0])


def test_halves_of_single_samples_and_of_odd_blocks():
    later, earlier = regression(n=33, n_blocks=33).halves()
    assert (earlier.n_samples, earlier.n_blocks, later.n_samples, later.n_blocks) == (17, 17, 16, 16)
    later, earlier = regression(n=510, n_blocks=17).halves()
    assert (earlier.n_blocks, later.n_blocks, later.n_samples) == (9, 8, 240)
