import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.core.masking import Features, MaskBlock, TabularMasker
from agnostix.shapley.group_means import GroupMeans

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
    answers = rng.normal(size=(block.n_draws, 4, 2))
    found = means.reduce_block(answers, block)
    assert found.shape == (5, means.n_kept, 4, 2)
    for mask, span in enumerate(block.spans):
        for group in range(means.n_kept):
            total, share = np.zeros((4, 2)), 0.0
            for row in np.flatnonzero(groups == group):
                total += weights[row] * answers[span][block.draws[mask].which[row]]
                share += weights[row]
            np.testing.assert_allclose(found[mask, group], total / share, rtol=0, atol=1e-13)
    matrix = block.averaging_by(groups, weights)
    assert matrix.shape == (5 * means.n_kept, block.n_draws)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-14)
    whole = np.einsum("g,mgrk->mrk", np.bincount(groups, weights), found)
    np.testing.assert_allclose(whole.reshape(5, -1), block.averaging @ answers.reshape(-1, 8), atol=1e-13)


def test_group_means_of_background_match_weighted_means():
    groups, weights = np.array([1, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.2])
    answers = RNG.normal(size=(4, 2))
    found = GroupMeans(groups, weights).of_background(answers)
    expected = (0.1 * answers[0] + 0.3 * answers[2] + 0.2 * answers[3]) / 0.6
    np.testing.assert_allclose(found, [answers[1], expected], rtol=1e-14)


def test_group_means_of_equal_predictions_are_exact():
    weights = RNG.dirichlet(np.ones(7))
    means = GroupMeans(np.array([0, 1, 0, 1, 1, 0, 0]), weights)
    block = block_of(RNG.normal(size=(7, 2)), weights, np.zeros((2, 2), dtype=bool))
    np.testing.assert_array_equal(means.reduce_block(np.full((14, 3, 1), 0.1), block), 0.1)
    np.testing.assert_array_equal(means.of_background(np.full((7, 2), 0.1)), 0.1)


def test_group_means_of_row_ignore_other_rows():
    weights = RNG.dirichlet(np.ones(40))
    means = GroupMeans(np.arange(40) % 3, weights)
    block = block_of(RNG.normal(size=(40, 2)), weights, np.zeros((3, 2), dtype=bool))
    answers = RNG.normal(size=(120, 6, 2))
    whole = means.reduce_block(answers, block)
    np.testing.assert_array_equal(means.reduce_block(answers[:, [4]], block), whole[:, :, [4]])
    np.testing.assert_array_equal(means.reduce_block(np.asfortranarray(answers), block), whole)


@pytest.mark.parametrize("n_groups", [1, 3])
def test_group_means_finalize_puts_rows_first(n_groups):
    collected = RNG.normal(size=(5, n_groups, 4, 2))
    (found,) = GroupMeans(np.arange(n_groups), np.ones(n_groups)).finalize(collected)
    assert found.shape == (4, 5, n_groups, 2)
    np.testing.assert_array_equal(found[3, 2, n_groups - 1], collected[2, n_groups - 1, 3])
