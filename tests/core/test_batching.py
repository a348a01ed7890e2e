import numpy as np
import pytest
from sklearn import config_context

from agnostix.core.evaluate import split_evenly
from agnostix.core.row_sources import BATCH_BYTES, MAX_BYTES, MERGED_NUMBERS, BatchPlan, batch_rows


def plan(n_rows, draws, n_columns=5, n_outputs=1, n_kept=2, merges=False, n_workers=1):
    return BatchPlan.from_sizes(
        n_rows, np.array(draws), n_columns, n_outputs, n_kept, n_workers, merges=merges
    )


@pytest.mark.parametrize("memory", [0, 0.0001, 0.001, 0.01, 1, 1024, 4096])
@pytest.mark.parametrize("n_rows", [1, 2, 17])
@pytest.mark.parametrize("draws", [[1], [1, 5], [1, 7, 7, 2, 100, 1]])
@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("merges", [False, True])
def test_plan_puts_every_mask_in_one_slice(memory, n_rows, draws, n_workers, merges):
    with config_context(working_memory=memory):
        batches = plan(n_rows, draws, merges=merges, n_workers=n_workers)
    np.testing.assert_array_equal(
        np.concatenate([np.arange(len(draws))[part] for part in batches.masks]), np.arange(len(draws))
    )
    assert 1 <= batches.n_rows <= n_rows
    n_blocks = -(-n_rows // batches.n_rows) * len(batches.masks)
    assert len(split_evenly(n_blocks, n_workers)) >= min(n_workers, n_rows * len(batches.masks))


@pytest.mark.parametrize("memory", [0.001, 0.01, 0.1, 1, 8])
@pytest.mark.parametrize("n_columns", [1, 10, 784])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_plan_batches_stay_within_working_memory(memory, n_columns, n_workers):
    draws = np.array([1] + [30] * 20)
    with config_context(working_memory=memory):
        batches = plan(40, draws, n_columns, n_workers=n_workers)
        batch_size = batch_rows(n_columns, 1, n_workers)
    room = memory * 2**20 / n_workers
    assert batch_size == 1 or batch_size * n_columns * 8 * 5 <= room
    n_cells = batches.n_rows * max(draws[part].sum() for part in batches.masks)
    assert batches.capacity == (n_cells if n_cells <= batch_size else 0)
    assert batches.capacity or batches.n_rows == 1


def test_plan_prefers_many_rows_per_mask():
    with config_context(working_memory=1):
        batches = plan(10_000, [1, 9, 9, 4, 5], 4)
    most = 2**20 // (5 * 8 * 4)
    assert batches.n_rows == most // 9
    assert batches.masks == (slice(0, 1), slice(1, 2), slice(2, 3), slice(3, 5))


def test_plan_few_rows_take_many_masks():
    with config_context(working_memory=5 * 8 * 10 / 2**20):
        batches = plan(1, [1, 5, 4, 1, 20, 2], 1, n_kept=1)
    assert batches.masks == (slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6))
    assert batches.capacity == 0


def test_plan_counts_kept_results_as_memory():
    with config_context(working_memory=1):
        batches = plan(10_000, [1] * 64, 4, n_kept=16)
    assert batches.n_rows == 2**20 // (8 * 64 * 16)


@pytest.mark.parametrize("n_outputs", [1, 8])
def test_plan_merging_slices_ignore_memory_and_workers(n_outputs):
    draws = [100] * 3000
    plans = []
    for memory in (0.001, 1, 1024):
        with config_context(working_memory=memory):
            plans += [plan(50, draws, n_outputs=n_outputs, merges=True, n_workers=n) for n in (1, 3)]
    assert all(one.masks == plans[0].masks for one in plans)
    sizes = [100 * (part.stop - part.start) * n_outputs for part in plans[0].masks]
    assert MERGED_NUMBERS - 100 * n_outputs < sizes[0] <= MERGED_NUMBERS


def test_batch_rows_default_limits():
    assert batch_rows(10, 1, 1) == BATCH_BYTES // (5 * 8 * 10)
    with config_context(working_memory=100_000):
        assert batch_rows(10, 1, 1) == BATCH_BYTES // (5 * 8 * 10)
    assert batch_rows(10, 1, 64) == MAX_BYTES // 64 // (5 * 8 * 10)


def test_batch_rows_shrink_for_many_outputs():
    assert batch_rows(10, 1000, 1) == BATCH_BYTES // (5 * 8 * 1000)


def test_plan_single_row_is_split_by_masks():
    with config_context(working_memory=0):
        batches = plan(1, [5] * 7, n_workers=3)
    assert len(batches.masks) == 7
    assert split_evenly(7, 3) == [range(3), range(3, 5), range(5, 7)]


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("n_workers", [1, 2, 3, 20])
def test_split_evenly_gives_consecutive_tasks(n_tasks, n_workers):
    shares = split_evenly(n_tasks, n_workers)
    assert [task for share in shares for task in share] == list(range(n_tasks))
    assert len(shares) == min(n_workers, n_tasks)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1
