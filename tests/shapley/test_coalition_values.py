import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from agnostix.core.masking import Features, MaskBlock, TabularMasker
from agnostix.exceptions import DataError
from agnostix.shapley.coalition_values import CoalitionValues, GroupMeans, LinkedValues, apply_link
from tests.messages import refuses

RNG = np.random.default_rng(0)


def block_of(background, weights, masks):
    masker = TabularMasker(
        background, weights, Features.from_names([f"x{j}" for j in range(background.shape[1])])
    )
    return MaskBlock(slice(0, len(masks)), masks, tuple(masker.draws(masks)))


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
def test_group_means_match_loop(n, n_groups, seed):
    rng = np.random.default_rng(seed)
    background, weights = rng.integers(0, 3, (n, 3)).astype(float), rng.dirichlet(np.ones(n))
    groups = np.unique(rng.permutation(n) % n_groups, return_inverse=True)[1]
    masks = rng.random((5, 3)) < 0.5
    block, means = block_of(background, weights, masks), GroupMeans(groups, weights)
    predictions = rng.normal(size=(block.n_draws, 4, 2))
    actual = means.reduce_block(predictions, block)
    assert actual.shape == (5, means.n_kept, 4, 2)
    for mask, span in enumerate(block.spans):
        for group in range(means.n_kept):
            total, share = np.zeros((4, 2)), 0.0
            for row in np.flatnonzero(groups == group):
                total += weights[row] * predictions[span][block.draws[mask].which[row]]
                share += weights[row]
            np.testing.assert_allclose(actual[mask, group], total / share, rtol=0, atol=1e-13)
    matrix = block.averaging_by(groups, weights)
    assert matrix.shape == (5 * means.n_kept, block.n_draws)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-14)
    whole = np.einsum("g,mgrk->mrk", np.bincount(groups, weights), actual)
    np.testing.assert_allclose(whole.reshape(5, -1), block.averaging @ predictions.reshape(-1, 8), atol=1e-13)


def test_group_means_of_background_match_weighted_means():
    groups, weights = np.array([1, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.2])
    predictions = RNG.normal(size=(4, 2))
    actual = GroupMeans(groups, weights).reduce_background(predictions)
    expected = (0.1 * predictions[0] + 0.3 * predictions[2] + 0.2 * predictions[3]) / 0.6
    np.testing.assert_allclose(actual, [predictions[1], expected], rtol=1e-14)


def test_group_means_of_equal_predictions_are_exact():
    weights = RNG.dirichlet(np.ones(7))
    means = GroupMeans(np.array([0, 1, 0, 1, 1, 0, 0]), weights)
    block = block_of(RNG.normal(size=(7, 2)), weights, np.zeros((2, 2), dtype=bool))
    np.testing.assert_array_equal(means.reduce_block(np.full((14, 3, 1), 0.1), block), 0.1)
    np.testing.assert_array_equal(means.reduce_background(np.full((7, 2), 0.1)), 0.1)


def test_group_means_of_row_ignore_other_rows():
    weights = RNG.dirichlet(np.ones(40))
    means = GroupMeans(np.arange(40) % 3, weights)
    block = block_of(RNG.normal(size=(40, 2)), weights, np.zeros((3, 2), dtype=bool))
    predictions = RNG.normal(size=(120, 6, 2))
    whole = means.reduce_block(predictions, block)
    np.testing.assert_array_equal(means.reduce_block(predictions[:, [4]], block), whole[:, :, [4]])
    np.testing.assert_array_equal(means.reduce_block(np.asfortranarray(predictions), block), whole)


@pytest.mark.parametrize("n_groups", [1, 3])
def test_group_means_finalize_puts_rows_first(n_groups):
    collected = RNG.normal(size=(5, n_groups, 4, 2))
    (actual,) = GroupMeans(np.arange(n_groups), np.ones(n_groups)).finalize(collected)
    assert actual.shape == (4, 5, n_groups, 2)
    np.testing.assert_array_equal(actual[3, 2, n_groups - 1], collected[2, n_groups - 1, 3])


@given(st.integers(2, 6), st.sampled_from(["identity", "logit"]), st.integers(0, 1000))
def test_linked_values_match_weighted_means_and_jackknife(n_groups, link, seed):
    rng = np.random.default_rng(seed)
    weights, means = rng.dirichlet(np.full(n_groups, 5.0)), rng.uniform(0.1, 0.9, (4, n_groups, 3))
    linked = LinkedValues(link, weights)
    apply = logit if link == "logit" else np.asarray
    np.testing.assert_allclose(linked.apply(means), apply(np.einsum("g,cgk->ck", weights, means)), atol=1e-12)
    replicates = linked.apply_without_groups(means)
    for group in range(n_groups):
        left = np.delete(weights, group)
        without = np.einsum("g,cgk->ck", left / left.sum(), np.delete(means, group, axis=1))
        expected = means[:, group] if link == "identity" else logit(without)
        np.testing.assert_allclose(replicates[:, group], expected, atol=1e-10)


@given(st.integers(2, 6), st.integers(0, 1000))
def test_jackknife_variances_identity_matches_jackknife(n_groups, seed):
    rng = np.random.default_rng(seed)
    weights, means = rng.dirichlet(np.full(n_groups, 5.0)), rng.normal(size=n_groups)
    whole = weights @ means
    jackknife = 0.0
    for group in range(n_groups):
        left = np.delete(weights, group)
        without = left @ np.delete(means, group) / left.sum()
        jackknife += (1.0 - weights[group]) * (without - whole) ** 2
    actual = LinkedValues("identity", weights).jackknife_variances(np.array([whole]), means[None])
    np.testing.assert_allclose(actual, [jackknife], rtol=1e-9, atol=1e-15)


def test_apply_of_equal_means_is_exact():
    weights = np.full(7, 1 / 7)
    np.testing.assert_array_equal(LinkedValues("identity", weights).apply(np.full((1, 7, 1), 0.1)), 0.1)


def test_logit_finds_mean_0_and_clips_means_without_group():
    linked = LinkedValues("logit", np.array([0.5, 0.5]))
    low, high = np.array([[[0.0], [0.5]]]), np.array([[[1.0], [0.5]]])
    np.testing.assert_allclose(linked.apply(low)[0, 0], logit(0.25), rtol=1e-12)
    np.testing.assert_allclose(linked.apply_without_groups(low)[0, :, 0], [0.0, logit(1e-15)], atol=1e-12)
    np.testing.assert_allclose(
        linked.apply_without_groups(high)[0, :, 0], [0.0, logit(1.0 - 1e-15)], rtol=1e-3
    )
    certain = np.array([[[0.0, 0.5]] * 2, [[0.5, 0.5]] * 2, [[1.0, 0.5]] * 2])
    assert np.isfinite(linked.apply(certain)).all()
    np.testing.assert_array_equal(linked.outside(certain), [0.0, np.nan])
    np.testing.assert_array_equal(LinkedValues("identity", np.ones(1)).outside(certain), [np.nan, np.nan])


def variances_of(linked, means):
    """Of the means themselves, by (coalition, group, output)."""
    return linked.jackknife_variances(linked.apply(means), linked.apply_without_groups(means))


def test_jackknife_variances_of_mean_is_textbook_variance():
    values = RNG.normal(size=30)
    linked = LinkedValues("identity", np.full(30, 1 / 30))
    variances = variances_of(linked, values.reshape(1, 30, 1))
    np.testing.assert_allclose(variances, [[values.var(ddof=1) / 30]], rtol=1e-12)


def test_jackknife_variances_of_weighted_mean_matches_formula():
    weights, means = np.array([0.5, 0.3, 0.2]), np.array([1.0, 4.0, -2.0])
    linked = LinkedValues("identity", weights)
    whole = weights @ means
    expected = sum(s**2 / (1.0 - s) * (m - whole) ** 2 for s, m in zip(weights, means, strict=True))
    np.testing.assert_allclose(variances_of(linked, means.reshape(1, 3, 1)), [[expected]], rtol=1e-12)


def test_is_sample_false_for_one_group():
    assert not LinkedValues("identity", np.ones(1)).is_sample
    assert LinkedValues("identity", np.full(2, 0.5)).is_sample


@pytest.mark.parametrize("heavy", [0, 1, 2])
@pytest.mark.parametrize("link", ["identity", "logit"])
def test_jackknife_variances_finite_if_one_group_has_all_weight(heavy, link):
    weights = np.full(3, 1e-20)
    weights[heavy] = 1.0
    linked = LinkedValues(link, weights)
    means = RNG.uniform(0.2, 0.8, (5, 3, 1))
    assert np.isfinite(linked.apply(means)).all()
    assert np.isfinite(linked.apply_without_groups(means)).all()
    assert (variances_of(linked, means) < 1e-15).all()


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


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_linked_values_without_groups_match_overall_mean(link):
    means, empty = RNG.uniform(0.1, 0.9, (4, 3, 2, 1)), RNG.uniform(0.1, 0.9, (3, 1))
    linked = LinkedValues(link, np.array([0.5, 0.3, 0.2]), empty)
    overall = np.einsum("g,mgrk->mrk", linked.group_weights, means)
    grouped, alone = linked.values(means), linked.without_groups().values(overall[:, None])
    assert not linked.without_groups().is_sample
    for name in ("full", "empty", "rest"):
        np.testing.assert_allclose(getattr(alone, name), getattr(grouped, name), rtol=1e-13)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "evaluated"])
def test_linked_values_split_full_and_empty_coalition(is_known):
    means, empty = RNG.normal(size=(6, 3, 2, 1)), RNG.normal(size=(3, 1))
    linked = LinkedValues("identity", np.full(3, 1 / 3), empty if is_known else None)
    values, replicates = linked.values(means), linked.replicates(means)
    whole = means.mean(axis=1)
    np.testing.assert_allclose(values.full, whole[0], rtol=1e-14)
    expected = np.broadcast_to(empty.mean(axis=0), (2, 1)) if is_known else whole[1]
    np.testing.assert_allclose(values.empty, expected, rtol=1e-13)
    np.testing.assert_allclose(values.rest, whole[1 if is_known else 2 :], rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(replicates.full, means[0])
    for group in range(3):
        expected = np.broadcast_to(empty[group], (2, 1)) if is_known else means[1, group]
        np.testing.assert_array_equal(replicates.empty[group], expected)
    np.testing.assert_array_equal(replicates.rest, means[1 if is_known else 2 :])


def test_coalition_values_differences_are_of_pairs():
    rest = RNG.normal(size=(6, 2, 3))
    full, empty = RNG.normal(size=(2, 2, 3))
    differences, delta = CoalitionValues(full, empty, rest).differences()
    expected = [(rest[2 * j] - rest[2 * j + 1]).ravel() for j in range(3)]
    np.testing.assert_array_equal(differences, expected)
    np.testing.assert_array_equal(delta, (full - empty).ravel())
