import numpy as np
import pytest
from sklearn import config_context

from agnostix.engine.batches import BATCH_BYTES, MAX_BYTES, Batch, cut, shares


def covered(batches, n_rows, n_masks):
    """How often each mask of each row is asked."""
    asked = np.zeros((n_rows, n_masks), dtype=int)
    for batch in batches:
        asked[batch.rows, batch.masks] += 1
    return asked


@pytest.mark.parametrize("memory", [0, 0.0001, 0.001, 0.01, 1, 1024, 4096])
@pytest.mark.parametrize("n_rows", [1, 2, 17])
@pytest.mark.parametrize("draws", [[1], [1, 5], [1, 7, 7, 2, 100, 1]])
@pytest.mark.parametrize("n_workers", [1, 3])
def test_every_mask_of_every_row_is_asked_once(memory, n_rows, draws, n_workers):
    with config_context(working_memory=memory):
        batches = cut(n_rows, np.array(draws), 5, n_workers)
    np.testing.assert_array_equal(covered(batches, n_rows, len(draws)), 1)


@pytest.mark.parametrize("memory", [0.001, 0.01, 0.1, 1, 8])
@pytest.mark.parametrize("n_columns", [1, 10, 784])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_batches_stay_within_their_share_or_are_single_masks(memory, n_columns, n_workers):
    draws = np.array([1] + [30] * 20)
    with config_context(working_memory=memory):
        batches = cut(40, draws, n_columns, n_workers)
    room = memory * 2**20 / n_workers
    for batch in batches:
        n = (batch.rows.stop - batch.rows.start) * draws[batch.masks].sum()
        assert n * n_columns * 8 * 4 <= room or draws[batch.masks].size == 1


def test_as_much_as_fits_goes_into_a_batch():
    draws = np.array([1, 9])
    with config_context(working_memory=1):
        batches = cut(10_000, draws, 4, 1)
    n = 2**20 // (4 * 8 * 4) // 10
    assert batches[0] == Batch(slice(0, n), slice(0, 2))
    assert batches[-1].rows.stop == 10_000
    assert len(batches) == -(-10_000 // n)


def test_rows_that_do_not_fit_are_cut_by_masks():
    with config_context(working_memory=4 * 8 * 10 / 2**20):
        batches = cut(2, np.array([1, 5, 4, 1, 20, 2]), 1, 1)
    masks = [slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6)]
    assert batches == [Batch(slice(row, row + 1), part) for row in (0, 1) for part in masks]


def test_without_a_setting_256_mb_and_parts_that_suit_the_caches():
    draws = np.array([1000])
    n = BATCH_BYTES // (4 * 8 * 10) // 1000
    assert cut(10_000, draws, 10, 1)[0].rows == slice(0, n)
    with config_context(working_memory=100_000):
        assert cut(10_000, draws, 10, 1)[0].rows == slice(0, n)
    n = MAX_BYTES // 64 // (4 * 8 * 10) // 1000
    assert cut(10_000, draws, 10, 64)[0].rows == slice(0, n)


@pytest.mark.parametrize("n_batches", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("n_workers", [1, 2, 3, 20])
def test_each_worker_gets_neighbours_and_none_gets_nothing(n_batches, n_workers):
    batches = [Batch(slice(j, j + 1), slice(0, 1)) for j in range(n_batches)]
    parts = shares(batches, n_workers)
    assert [batch for part in parts for batch in part] == batches
    assert len(parts) == min(n_workers, n_batches)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1
