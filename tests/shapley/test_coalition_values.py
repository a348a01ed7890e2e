import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from agnostix.core.background import ErrorMap
from agnostix.exceptions import DataError
from agnostix.shapley.coalition_values import CoalitionValues, LinkedValues, apply_link
from tests.messages import refuses

RNG = np.random.default_rng(0)


def linked_of(link, predictions, weights, errors):
    return LinkedValues.of_background(link, predictions, weights, errors)


def drawn(n, seed, share=0.0):
    """Weights (n,) of background rows, and the errors of their draw, each row a group."""
    weights = np.random.default_rng(seed).dirichlet(np.full(n, 5.0))
    return weights, ErrorMap.of_draws(weights, np.arange(n), share)


def reduced(predictions, weights, errors):
    """Mean and components (n_masks, n_kept, ...) of predictions (n_masks, n_background, ...)."""
    mean = np.einsum("b,mb...->m...", weights, predictions)[:, None]
    return np.concatenate([mean, np.einsum("bc,mb...->mc...", errors.functionals, predictions)], axis=1)


def test_values_are_links_of_means():
    weights, errors = drawn(6, 0)
    predictions = RNG.uniform(0.1, 0.9, (5, 6, 2, 3))
    means = reduced(predictions, weights, errors)
    for link, apply in (("identity", np.asarray), ("logit", logit)):
        values = LinkedValues(link).values(means)
        expected = apply(np.einsum("b,mbro->mro", weights, predictions))
        np.testing.assert_allclose(values.full, expected[0], atol=1e-13)
        np.testing.assert_allclose(values.empty, expected[1], atol=1e-13)
        np.testing.assert_allclose(values.rest, expected[2:], atol=1e-13)


@given(st.integers(2, 6), st.floats(0.0, 0.9), st.integers(0, 1000))
def test_components_of_means_are_the_jackknife(n, share, seed):
    weights, errors = drawn(n, seed, share)
    predictions = np.random.default_rng(seed).normal(size=(2, n, 1, 1))
    components = LinkedValues("identity").components(reduced(predictions, weights, errors))
    whole, jackknife = weights @ predictions[0, :, 0, 0], 0.0
    for row in range(n):
        left = np.delete(weights, row)
        without = left @ np.delete(predictions[0, :, 0, 0], row) / left.sum()
        jackknife += (1.0 - weights[row]) * (without - whole) ** 2
    expected = (1.0 - share) * jackknife
    np.testing.assert_allclose(np.square(components.full).sum(), expected, rtol=1e-9, atol=1e-15)


def test_components_of_log_odds_are_near_the_jackknife():
    n = 40
    weights, errors = drawn(n, 0)
    predictions = np.random.default_rng(0).uniform(0.2, 0.6, (2, n, 1, 1))
    components = LinkedValues("logit").components(reduced(predictions, weights, errors))
    whole, jackknife = logit(weights @ predictions[0, :, 0, 0]), 0.0
    for row in range(n):
        left = np.delete(weights, row)
        without = logit(left @ np.delete(predictions[0, :, 0, 0], row) / left.sum())
        jackknife += (1.0 - weights[row]) * (without - whole) ** 2
    np.testing.assert_allclose(np.square(components.full).sum(), jackknife, rtol=0.02)


@given(st.integers(0, 1000))
def test_components_of_log_odds_are_derivatives(seed):
    rng = np.random.default_rng(seed)
    means = np.concatenate([rng.uniform(0.05, 0.95, (3, 1, 2, 1)), rng.normal(size=(3, 4, 2, 1))], axis=1)
    components, step = LinkedValues("logit").components(means), 1e-6
    for number in range(4):
        moved = means[:, :1] + step * means[:, [1 + number]]
        numeric = (logit(moved) - logit(means[:, :1])) / step
        np.testing.assert_allclose(components.full[number], numeric[0, 0], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(components.empty[number], numeric[1, 0], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(components.rest[:, number], numeric[2:, 0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_background_is_the_empty_coalition(link):
    weights, errors = drawn(7, 1)
    predictions = RNG.uniform(0.1, 0.9, (7, 2))
    masks = RNG.uniform(0.1, 0.9, (4, 7, 3, 2))
    hidden = np.broadcast_to(predictions[:, None], (1, 7, 3, 2))
    known = linked_of(link, predictions, weights, errors)
    means = reduced(np.concatenate([masks[:1], hidden, masks[1:]]), weights, errors)
    without = np.delete(means, 1, axis=0)
    for part in ("values", "components"):
        one, other = getattr(known, part)(without), getattr(LinkedValues(link), part)(means)
        for name in ("full", "empty", "rest"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_equal_predictions_of_the_background_average_to_themselves(link):
    weights, errors = drawn(7, 1)
    linked = linked_of(link, np.full((7, 2), 0.1), weights, errors)
    np.testing.assert_array_equal(linked.empty[0], 0.1)
    np.testing.assert_array_equal(linked.empty[1:], 0.0)


def test_logit_finds_means_of_0_and_1():
    certain = np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1) * np.array([[[1.0, 1.0]]])
    certain[:, 0, 0, 1] = 0.5
    linked = LinkedValues("logit")
    assert np.isfinite(linked.apply(certain)).all()
    assert np.isfinite(linked.components(np.repeat(certain, 3, axis=1)).rest).all()
    np.testing.assert_array_equal(linked.outside(certain), [[0.0, np.nan]])
    np.testing.assert_array_equal(LinkedValues("identity").outside(certain), [[np.nan, np.nan]])
    known = LinkedValues("logit", np.array([[0.5, 1.0]]))
    np.testing.assert_array_equal(known.outside(certain[1:2]), [[np.nan, 1.0]])


def test_one_row_tells_no_error():
    errors = ErrorMap.of_draws(np.ones(1), np.zeros(1, dtype=int))
    linked = linked_of("identity", np.ones((1, 1)), np.ones(1), errors)
    means = np.full((3, 2, 1, 1), np.nan)
    assert np.isnan(linked.components(means).full).all()


def test_apply_link_identity_keeps_means():
    means = np.array([[-3.0, 0.0], [1.0, 7.5]])
    np.testing.assert_array_equal(apply_link("identity", means), means)


def test_apply_link_logit_gives_log_odds():
    means = np.array([[0.5, 0.2], [0.9, 1e-12]])
    np.testing.assert_allclose(
        apply_link("logit", means), np.log(means / (1.0 - means)), rtol=1e-14, atol=1e-16
    )


@pytest.mark.parametrize(("mean", "shown"), [(0.0, "0"), (1.0, "1"), (-0.25, "-0.25"), (1.0000001, "1")])
def test_apply_link_logit_refuses_mean_outside_0_1(mean, shown):
    with refuses(
        DataError, "link='logit'", "between 0 and 1", f"got {shown}.", "link='identity'", "calibrated"
    ):
        apply_link("logit", np.array([0.5, mean]))


def test_coalition_values_differences_are_of_pairs():
    rest = RNG.normal(size=(6, 2, 3))
    full, empty = RNG.normal(size=(2, 2, 3))
    differences, delta = CoalitionValues(full, empty, rest).differences()
    expected = [(rest[2 * j] - rest[2 * j + 1]).ravel() for j in range(3)]
    np.testing.assert_array_equal(differences, expected)
    np.testing.assert_array_equal(delta, (full - empty).ravel())
