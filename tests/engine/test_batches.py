import numpy as np
import pytest
from sklearn import config_context

from agnostix.engine.batches import (
    BATCH_BYTES,
    MAX_BYTES,
    MERGED_NUMBERS,
    Demand,
    Task,
    lay_out,
    tasks_of,
)
from agnostix.engine.pool import shares


def demand(n_rows, draws, width=5, n_outputs=1, kept=2, merges=False):
    return Demand(n_rows, np.array(draws), width, n_outputs, kept, merges)


def covered(layout, tasks, n_rows, n_masks):
    """How often each mask of each row is asked."""
    asked = np.zeros((n_rows, n_masks), dtype=int)
    for task in tasks:
        for masks in layout.masks[task.parts]:
            asked[task.rows, masks] += 1
    return asked


@pytest.mark.parametrize("memory", [0, 0.0001, 0.001, 0.01, 1, 1024, 4096])
@pytest.mark.parametrize("n_rows", [1, 2, 17])
@pytest.mark.parametrize("draws", [[1], [1, 5], [1, 7, 7, 2, 100, 1]])
@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("merges", [False, True])
def test_every_mask_of_every_row_is_asked_once(memory, n_rows, draws, n_workers, merges):
    with config_context(working_memory=memory):
        layout = lay_out(demand(n_rows, draws, merges=merges), n_workers)
    tasks = tasks_of(layout, n_rows, n_workers)
    np.testing.assert_array_equal(covered(layout, tasks, n_rows, len(draws)), 1)
    assert len(tasks) >= min(n_workers, n_rows * len(layout.masks))


@pytest.mark.parametrize("memory", [0.001, 0.01, 0.1, 1, 8])
@pytest.mark.parametrize("width", [1, 10, 784])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_calls_stay_within_their_share_of_the_memory(memory, width, n_workers):
    with config_context(working_memory=memory):
        layout = lay_out(demand(40, [1] + [30] * 20, width), n_workers)
    room = memory * 2**20 / n_workers
    assert layout.most == 1 or layout.most * width * 8 * 5 <= room
    biggest = max(np.array([1] + [30] * 20)[part].sum() for part in layout.masks)
    assert layout.fits == (layout.n_rows * biggest <= layout.most)
    assert layout.fits or layout.n_rows == 1


def test_many_rows_under_one_mask_go_before_few_rows_under_many():
    with config_context(working_memory=1):
        layout = lay_out(demand(10_000, [1, 9, 9, 4, 5], 4), 1)
    most = 2**20 // (5 * 8 * 4)
    assert layout.n_rows == most // 9
    assert layout.masks == (slice(0, 1), slice(1, 2), slice(2, 3), slice(3, 5))


def test_few_rows_go_under_many_masks():
    with config_context(working_memory=5 * 8 * 10 / 2**20):
        layout = lay_out(demand(1, [1, 5, 4, 1, 20, 2], 1, kept=1), 1)
    assert layout.masks == (slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6))
    assert not layout.fits


def test_what_is_kept_counts_towards_the_memory():
    with config_context(working_memory=1):
        layout = lay_out(demand(10_000, [1] * 64, 4, kept=16), 1)
    assert layout.n_rows == 2**20 // (8 * 64 * 16)


@pytest.mark.parametrize("n_outputs", [1, 8])
def test_where_equal_rows_are_looked_for_no_setting_changes_which(n_outputs):
    draws = [100] * 3000
    layouts = []
    for memory in (0.001, 1, 1024):
        with config_context(working_memory=memory):
            layouts += [lay_out(demand(50, draws, n_outputs=n_outputs, merges=True), n) for n in (1, 3)]
    assert all(layout.masks == layouts[0].masks for layout in layouts)
    sizes = [100 * (part.stop - part.start) * n_outputs for part in layouts[0].masks]
    assert MERGED_NUMBERS - 100 * n_outputs < sizes[0] <= MERGED_NUMBERS


def test_without_a_setting_256_mb_and_parts_that_suit_the_caches():
    most = BATCH_BYTES // (5 * 8 * 10)
    assert lay_out(demand(10_000, [1000], 10), 1).most == most
    with config_context(working_memory=100_000):
        assert lay_out(demand(10_000, [1000], 10), 1).most == most
    assert lay_out(demand(10_000, [1000], 10), 64).most == MAX_BYTES // 64 // (5 * 8 * 10)


def test_wide_answers_make_batches_small():
    assert lay_out(demand(9, [10], 10, 1000), 1).most == BATCH_BYTES // (5 * 8 * 1000)


def test_a_single_row_is_shared_by_masks():
    with config_context(working_memory=0):
        layout = lay_out(demand(1, [5] * 7), 3)
    tasks = tasks_of(layout, 1, 3)
    assert [task.parts for task in tasks] == [slice(0, 3), slice(3, 5), slice(5, 7)]


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("n_workers", [1, 2, 3, 20])
def test_each_worker_gets_neighbours_and_none_gets_nothing(n_tasks, n_workers):
    tasks = [Task(slice(j, j + 1), slice(0, 1)) for j in range(n_tasks)]
    parts = shares(tasks, n_workers)
    assert [task for part in parts for task in part] == tasks
    assert len(parts) == min(n_workers, n_tasks)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1
