import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from agnostix.exceptions import DataError
from agnostix.shapley.linked_values import LinkedValues
from tests.messages import refuses

RNG = np.random.default_rng(0)


@given(st.integers(2, 6), st.sampled_from(["identity", "logit"]), st.integers(0, 1000))
def test_linked_values_match_weighted_means_and_jackknife(n_groups, link, seed):
    rng = np.random.default_rng(seed)
    shares, means = rng.dirichlet(np.full(n_groups, 5.0)), rng.uniform(0.1, 0.9, (4, n_groups, 3))
    scale = LinkedValues(link, shares)
    apply = logit if link == "logit" else np.asarray
    np.testing.assert_allclose(scale.whole(means), apply(np.einsum("g,cgk->ck", shares, means)), atol=1e-12)
    versions = scale.versions(means)
    for group in range(n_groups):
        left = np.delete(shares, group)
        without = np.einsum("g,cgk->ck", left / left.sum(), np.delete(means, group, axis=1))
        expected = means[:, group] if link == "identity" else logit(without)
        np.testing.assert_allclose(versions[:, group], expected, atol=1e-10)


@given(st.integers(2, 6), st.integers(0, 1000))
def test_spread_identity_matches_jackknife(n_groups, seed):
    rng = np.random.default_rng(seed)
    shares, means = rng.dirichlet(np.full(n_groups, 5.0)), rng.normal(size=n_groups)
    whole = shares @ means
    jackknife = 0.0
    for group in range(n_groups):
        left = np.delete(shares, group)
        without = left @ np.delete(means, group) / left.sum()
        jackknife += (1.0 - shares[group]) * (without - whole) ** 2
    found = LinkedValues("identity", shares).spread(np.array([whole]), means[None])
    np.testing.assert_allclose(found, [jackknife], rtol=1e-9, atol=1e-15)


def test_whole_of_equal_means_is_exact():
    shares = np.full(7, 1 / 7)
    np.testing.assert_array_equal(LinkedValues("identity", shares).whole(np.full((1, 7, 1), 0.1)), 0.1)


def test_logit_refuses_mean_0_and_clips_means_without_group():
    scale = LinkedValues("logit", np.array([0.5, 0.5]))
    low, high = np.array([[[0.0], [0.5]]]), np.array([[[1.0], [0.5]]])
    np.testing.assert_allclose(scale.whole(low)[0, 0], logit(0.25), rtol=1e-12)
    np.testing.assert_allclose(scale.versions(low)[0, :, 0], [0.0, logit(1e-15)], atol=1e-12)
    np.testing.assert_allclose(scale.versions(high)[0, :, 0], [0.0, logit(1.0 - 1e-15)], rtol=1e-3)
    with refuses(DataError, "link='logit'", "mean predictions", "between 0 and 1"):
        scale.whole(np.zeros((1, 2, 1)))


def spread_of(scale, means):
    """Of the means themselves, by (coalition, group, output)."""
    return scale.spread(scale.whole(means), scale.versions(means))


def test_spread_of_mean_is_textbook_variance():
    values = RNG.normal(size=30)
    scale = LinkedValues("identity", np.full(30, 1 / 30))
    spread = spread_of(scale, values.reshape(1, 30, 1))
    np.testing.assert_allclose(spread, [[values.var(ddof=1) / 30]], rtol=1e-12)


def test_spread_of_weighted_mean_matches_formula():
    shares, means = np.array([0.5, 0.3, 0.2]), np.array([1.0, 4.0, -2.0])
    scale = LinkedValues("identity", shares)
    whole = shares @ means
    expected = sum(s**2 / (1.0 - s) * (m - whole) ** 2 for s, m in zip(shares, means, strict=True))
    np.testing.assert_allclose(spread_of(scale, means.reshape(1, 3, 1)), [[expected]], rtol=1e-12)


def test_is_sample_false_for_one_group():
    assert not LinkedValues("identity", np.ones(1)).is_sample
    assert LinkedValues("identity", np.full(2, 0.5)).is_sample


@pytest.mark.parametrize("heavy", [0, 1, 2])
@pytest.mark.parametrize("link", ["identity", "logit"])
def test_spread_finite_if_one_group_has_all_weight(heavy, link):
    shares = np.full(3, 1e-20)
    shares[heavy] = 1.0
    scale = LinkedValues(link, shares)
    means = RNG.uniform(0.2, 0.8, (5, 3, 1))
    assert np.isfinite(scale.whole(means)).all()
    assert np.isfinite(scale.versions(means)).all()
    assert (spread_of(scale, means) < 1e-15).all()
