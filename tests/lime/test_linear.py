"""Linear surrogates against scikit-learn, and their standard errors against resampling."""

import numpy as np
import pytest

from agnostix.lime.linear import LinearSurrogate
from agnostix.lime.moments import Moments
from agnostix.lime.problem import Problem
from agnostix.lime.selection import ForwardSelection, LassoPath
from tests.lime.problems import block_of, plain_fit, problem, reweighted

SURROGATES = [LinearSurrogate(1.0, ForwardSelection()), LinearSurrogate(0.0, LassoPath())]


@pytest.mark.parametrize("surrogate", SURROGATES, ids=["ridge", "klasso"])
@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("binary", [True, False])
def test_linear_surrogate_matches_sklearn(surrogate, most, binary):
    one = problem(d=5, binary=binary, n_outputs=3)
    fit = surrogate.fit(one, most, False)
    for output in range(3):
        expected_choice = range(5)
        if most is not None:
            alone = one.only(output)
            expected_choice = surrogate.selection.choose(alone, Moments.of(alone), most, False).features
        features = np.flatnonzero(fit.selected[:, output])
        assert features.tolist() == list(expected_choice)
        plain = plain_fit(one, features, surrogate.ridge, output)
        np.testing.assert_allclose(fit.effects[features, output], plain.coef_, atol=1e-10)
        assert fit.output[output] == pytest.approx(
            plain.predict(one.own_design[None, features])[0], abs=1e-10
        )
        score = plain.score(one.design[features].T, one.answers[:, output], sample_weight=one.weights)
        assert fit.r2[output] == pytest.approx(score, abs=1e-10)
        left = np.setdiff1d(np.arange(5), features)
        np.testing.assert_array_equal(fit.effects[left, output], 0.0)
        np.testing.assert_array_equal(fit.std_errors[left, output], 0.0)
    np.testing.assert_array_equal(fit.own_design, one.own_design)
    assert fit.effective == one.effective


@pytest.mark.parametrize("most", [None, 2])
def test_linear_surrogate_std_errors_match_block_jackknife(most):
    one = problem(d=4, n=8192)
    surrogate = SURROGATES[0]
    fit = surrogate.fit(one, most, False)
    number = block_of(one)
    for output in range(2):
        features = np.flatnonzero(fit.selected[:, output])
        plain = [
            plain_fit(reweighted(one, (number != b).astype(float)), features, 1.0, output) for b in range(16)
        ]
        effects = np.array([p.coef_ for p in plain])
        answers = np.array([p.predict(one.own_design[None, features])[0] for p in plain])
        np.testing.assert_allclose(
            fit.std_errors[features, output], np.sqrt(15.0) * effects.std(axis=0), rtol=0.03
        )
        assert fit.output_std_errors[output] == pytest.approx(np.sqrt(15.0) * answers.std(), rel=0.03)


def test_linear_surrogate_std_errors_match_resampling():
    slopes = np.array([1.0, -1.0, 0.5])

    def drawn(seed):
        rng = np.random.default_rng(seed)
        design = (rng.random((3, 512)) < 0.3).astype(float)
        answers = slopes @ design + design[0] * design[1] + rng.normal(size=512) * (1.0 + design[2])
        return Problem(design, rng.exponential(size=512), answers[:, None], np.ones(3), np.zeros(1), 16)

    fits = [SURROGATES[0].fit(drawn(seed), None, False) for seed in range(400)]
    for value, error in (("effects", "std_errors"), ("output", "output_std_errors"), ("r2", "r2_std_errors")):
        found = np.array([getattr(fit, value) for fit in fits])
        told = np.array([getattr(fit, error) for fit in fits])
        np.testing.assert_allclose(np.sqrt((told**2).mean(axis=0)), found.std(axis=0, ddof=1), rtol=0.15)


def test_linear_surrogate_of_linear_model_has_no_error():
    one = problem()
    exact = Problem(
        one.design, one.weights, 3.0 + one.design.T @ np.ones((4, 1)), np.ones(4), np.array([7.0]), 16
    )
    fit = SURROGATES[1].fit(exact, None, False)
    np.testing.assert_allclose(fit.effects, 1.0, atol=1e-12)
    np.testing.assert_allclose(fit.std_errors, 0.0, atol=1e-12)
    assert fit.output == pytest.approx(7.0)
    assert fit.r2 == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=["ridge", "klasso"])
def test_linear_surrogate_of_constant_model_has_no_effects(surrogate):
    one = problem()
    still = Problem(one.design, one.weights, np.full((512, 1), 0.1), np.ones(4), np.array([0.1]), 16)
    fit = surrogate.fit(still, None, False)
    assert not fit.effects.any()
    assert not fit.std_errors.any()
    assert (fit.output, fit.r2, fit.r2_std_errors) == (0.1, 1.0, 0.0)


def test_linear_surrogate_exhaustive_sample_has_no_error():
    fit = SURROGATES[0].fit(problem(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.output_std_errors, fit.r2_std_errors):
        assert not errors.any()


@pytest.mark.parametrize("surrogate", SURROGATES, ids=["ridge", "klasso"])
def test_linear_surrogate_without_features_is_mean(surrogate):
    one = problem(n_outputs=1)
    none = Problem(one.design[:0], one.weights, one.answers, np.ones(0), one.own_answers, 16)
    fit = surrogate.fit(none, None, False)
    assert fit.output == pytest.approx(np.average(one.answers[:, 0], weights=one.weights))
    assert fit.r2 == pytest.approx(0.0, abs=1e-12)
    assert fit.output_std_errors > 0


def test_linear_surrogate_outputs_are_independent():
    one = problem(d=5, n_outputs=3)
    fit = SURROGATES[0].fit(one, 2, True)
    for output in range(3):
        alone = SURROGATES[0].fit(one.only(output), 2, True)
        np.testing.assert_allclose(fit.effects[:, output], alone.effects[:, 0], atol=1e-12)
        np.testing.assert_allclose(fit.std_errors[:, output], alone.std_errors[:, 0], atol=1e-12)
        assert fit.margin[output] == pytest.approx(alone.margin[0])
