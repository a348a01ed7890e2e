import os
from multiprocessing import get_context
from threading import Event, Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from agnostix.core.reproducibility import (
    _LIMIT,
    WIDTH,
    _blas_libraries,
    multiply,
    one_blas_thread,
    sums_of_squares,
)


@pytest.mark.parametrize("n_columns", [0, 1, WIDTH - 1, WIDTH, WIDTH + 1, 3 * WIDTH])
def test_multiply_and_sums_of_squares_match_numpy(n_columns):
    rng = np.random.default_rng(0)
    matrix, columns = rng.normal(size=(7, 11)), rng.normal(size=(11, n_columns))
    np.testing.assert_allclose(multiply(matrix, columns), matrix @ columns, atol=1e-13)
    np.testing.assert_allclose(sums_of_squares(columns), (columns**2).sum(0), rtol=1e-13)


@pytest.mark.parametrize("n_terms", [5, 64, 333])
def test_multiply_bits_of_column_ignore_other_columns(n_terms):
    rng = np.random.default_rng(0)
    matrix, columns = rng.normal(size=(13, n_terms)), rng.normal(size=(n_terms, 130))
    products, lengths = multiply(matrix, columns), sums_of_squares(columns)
    for some in ([0], [129], [5, 3], list(range(129, -1, -1)), [64] * 70):
        np.testing.assert_array_equal(
            multiply(matrix, np.asfortranarray(columns[:, some])), products[:, some]
        )
        np.testing.assert_array_equal(sums_of_squares(columns[:, some]), lengths[some])


def blas_threads():
    """Threads of each BLAS that is loaded."""
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads():
    """Two threads in each BLAS, which any thread may change."""
    limit = threadpool_limits(2, user_api="blas")
    for library in _blas_libraries():
        getattr(library, "clear_controlling_thread", lambda force: None)(force=True)
    yield
    limit.restore_original_limits()


@one_blas_thread
def wait_inside(inside, leave):
    inside.set()
    leave.wait(10)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_overlapping_threads_leave_number_of_blas_threads(two_blas_threads, order):
    before = blas_threads()
    marks = [(Event(), Event()) for _ in order]
    threads = [Thread(target=wait_inside, args=mark) for mark in marks]
    for thread, (inside, _) in zip(threads, marks, strict=True):
        thread.start()
        assert inside.wait(10)
    for j in order:  # in which they leave
        assert set(blas_threads()) == {1}
        marks[j][1].set()
        threads[j].join()
    assert blas_threads() == before


def test_limit_of_another_package_around_entry_is_not_kept(two_blas_threads):
    before, (inside, leave) = blas_threads(), (Event(), Event())
    with threadpool_limits(1, user_api="blas"):
        thread = Thread(target=wait_inside, args=(inside, leave))
        thread.start()
        assert inside.wait(10)
    leave.set()
    thread.join()
    assert blas_threads() == before


def test_nested_calls_and_errors_leave_number_of_blas_threads(two_blas_threads):
    @one_blas_thread
    def outer():
        multiply(np.eye(2), np.eye(2))
        assert set(blas_threads()) == {1}
        raise KeyError

    before = blas_threads()
    with pytest.raises(KeyError):
        outer()
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_multiplies_while_thread_enters():
    with _LIMIT._lock:  # as another thread may, in the moment of the fork
        process = get_context("fork").Process(target=multiply, args=(np.eye(2), np.eye(2)))
        process.start()
        process.join(20)
    assert process.exitcode == 0
