"""Sobol blocks: sizes, stratification, independence and prefixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from agnostix.core.reproducibility import MIN_BLOCKS, SobolBlocks


def every(blocks):
    return blocks.points(slice(0, blocks.n_points))


@given(st.integers(16, 200_000))
def test_sobol_blocks_size_leaves_at_least_16_blocks(n):
    blocks = SobolBlocks.from_n_points(3, n, 0)
    assert blocks.size & (blocks.size - 1) == 0
    assert blocks.n_blocks >= MIN_BLOCKS > n // (2 * blocks.size)
    assert n - blocks.size < blocks.n_points <= n


@pytest.mark.parametrize(
    ("n", "size", "n_blocks"), [(16, 1, 16), (31, 1, 31), (32, 2, 16), (5000, 256, 19), (8192, 512, 16)]
)
def test_sobol_blocks_sizes(n, size, n_blocks):
    assert SobolBlocks.from_n_points(2, n, 0) == SobolBlocks(2, size, n_blocks, 0)


@pytest.mark.parametrize("d", [1, 2, 7, 40])
def test_sobol_block_stratifies_every_column(d):
    blocks = SobolBlocks(d, 64, 16, seed=5)
    for block in every(blocks).reshape(16, 64, d):
        np.testing.assert_array_equal(
            np.sort(np.floor(64 * block), axis=0), np.arange(64.0)[:, None] + 0 * block
        )


def test_sobol_block_stratifies_two_columns():
    for block in every(SobolBlocks(2, 64, 16, seed=5)).reshape(16, 64, 2):
        for first, second in ((64, 1), (16, 4), (8, 8), (2, 32)):
            cells = np.floor(block * [first, second]) @ [second, 1]
            assert len(set(cells)) == 64


@pytest.mark.parametrize("d", [5, 40])
def test_sobol_points_lie_inside_cube(d):
    points = every(SobolBlocks(d, 1024, 16, seed=1))
    assert points.min() > 0.0
    assert points.max() < 1.0


def test_sobol_pairs_of_columns_more_even_than_random():
    def apart(points):
        bins = np.floor(4 * points).astype(int)
        same = np.stack([bins == k for k in range(4)], axis=2).reshape(len(points), -1).astype(float)
        return np.abs(same.T @ same / len(points) - np.outer(same.mean(0), same.mean(0)))

    blocks = SobolBlocks(30, 256, 16, seed=4)
    ours = [apart(block).max() for block in every(blocks).reshape(16, 256, 30)]
    rng = np.random.default_rng(0)
    assert max(ours) < min(apart(rng.random((256, 30))).max() for _ in range(16))


def test_sobol_columns_are_uniform_over_scrambles():
    first = np.stack([SobolBlocks(3, 2, 16, seed).points(slice(0, 1))[0] for seed in range(800)])
    for column in first.T:
        assert kstest(column, "uniform").pvalue > 1e-4


def test_sobol_blocks_are_independent():
    sums = every(SobolBlocks(1, 4, 4000, seed=2)).reshape(4000, 4).sum(axis=1)
    around = sums - sums.mean()
    for lag in (1, 2, 16):
        correlation = (around[lag:] * around[:-lag]).sum() / (around**2).sum()
        assert abs(correlation) < 4.5 / np.sqrt(4000)


@given(st.data())
def test_sobol_points_of_slice(data):
    blocks = SobolBlocks(3, 8, 6, seed=data.draw(st.integers(0, 2**40)))
    stop = data.draw(st.integers(1, 48))
    start = data.draw(st.integers(0, stop - 1))
    np.testing.assert_array_equal(blocks.points(slice(start, stop)), every(blocks)[start:stop])


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_sobol_longer_starts_with_same_points(factor):
    blocks = SobolBlocks(4, 16, 16, seed=3)
    longer = blocks.longer(factor)
    assert (longer.n_points, longer.size) == (factor * 256, 16)
    np.testing.assert_array_equal(longer.points(slice(0, 256)), every(blocks))


def test_sobol_points_depend_on_seed_only():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = every(SobolBlocks(4, 16, 16, seed=3)), every(SobolBlocks(4, 16, 16, seed=3))
    np.testing.assert_array_equal(one, two)
    assert (one != every(SobolBlocks(4, 16, 16, seed=4))).all()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_sobol_beyond_max_dimension_is_random():
    blocks = SobolBlocks(21_202, 2, 2, seed=0)
    points = every(blocks)
    assert points.shape == (4, 21_202)
    assert kstest(points.ravel(), "uniform").pvalue > 1e-4
    np.testing.assert_array_equal(blocks.points(slice(1, 3)), points[1:3])
