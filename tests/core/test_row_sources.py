"""Evaluation of tables, items and chunks: order, batches, workers and errors."""

import os
import re
import signal
import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn import config_context

from agnostix.core.evaluate import evaluate
from agnostix.core.models import as_predictor
from agnostix.core.row_sources import RowSource, TableRows
from agnostix.exceptions import DataError, EngineError
from tests.messages import refuses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))


def answers(X):
    """Outputs of each row, independent of other rows to the bit."""
    X = np.asarray(X)
    return np.stack([X[:, 0] * X[:, 1] - X[:, 2], np.abs(X[:, 2]) + 0.1], axis=1)


class Items(RowSource):
    """Items that are consecutive rows of a table."""

    n_columns = 3

    def __init__(self, sizes, is_for_worker=False):
        self.sizes, self.is_for_worker = sizes, is_for_worker
        self.starts = np.concatenate([[0], np.cumsum(sizes)])

    @property
    def n_items(self):
        return len(self.sizes)

    def for_worker(self):
        return Items(self.sizes, is_for_worker=True)

    def n_rows(self, block):
        return self.sizes[block]

    def build(self, block, part):
        assert self.is_for_worker
        return X[self.starts[block] : self.starts[block + 1]][part].copy()

    def describe(self, block, part=None):
        return f"item {block}" if part is None else f"part {part.start} to {part.stop - 1} of item {block}"

    def number(self, item, predictions):
        assert self.is_for_worker
        return item, predictions


def run(source, reduce=None, model=answers, n_outputs=2, **how):
    return evaluate(as_predictor(model), source, reduce, n_outputs=n_outputs, **how)[0]


def few_rows(n):
    """A working memory for at most n rows a call."""
    return config_context(working_memory=n * 5 * 8 * 3 / 2**20)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 20), st.integers(1, 3))
def test_items_predict_every_row_once_in_order(sizes, most, n_jobs):
    calls = []

    def watching(given):
        calls.append(len(given))
        return answers(given)

    with few_rows(most * n_jobs), parallel_config("threading"):
        found = run(Items(sizes), Items.number, watching, n_jobs=n_jobs)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    assert [number for number, _ in found] == list(range(len(sizes)))
    for item, (_, told) in enumerate(found):
        np.testing.assert_array_equal(told, answers(X[starts[item] : starts[item + 1]]))
    assert sum(calls) == sum(sizes)
    assert max(calls, default=0) <= most
    assert 0 not in calls


@given(st.integers(1, 50), st.integers(1, 60), st.integers(1, 3))
def test_table_rows_predict_in_order(n, most, n_jobs):
    rows = RNG.permutation(50)[:n]
    with few_rows(most * n_jobs), parallel_config("threading"):
        found = run(TableRows(X, rows), n_jobs=n_jobs)
    np.testing.assert_array_equal(found, answers(X[rows]))


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_row_sources_same_bits_for_any_n_jobs(backend):
    with parallel_config(backend), few_rows(14):
        found = run(TableRows(X), n_jobs=2)
        parts = run(Items([7, 1, 11, 2]), n_jobs=2)
    np.testing.assert_array_equal(found, answers(X))
    for one, other in zip(parts, run(Items([7, 1, 11, 2])), strict=True):
        np.testing.assert_array_equal(one, other)


def test_table_rows_are_split_over_workers():
    calls = []

    def watching(given):
        calls.append(len(given))
        return answers(given)

    with parallel_config("threading"):
        run(TableRows(X), model=watching, n_jobs=3)
    assert sorted(calls) == [16, 17, 17]


def fails_on_the_fifth(given):
    if (given[:, 0] == X[4, 0]).any():
        raise ArithmeticError("no fifth")
    return answers(given)


def test_evaluate_error_names_rows_and_item():
    facts = ("model fails_on_the_fifth", "ArithmeticError: no fifth")
    with few_rows(3), refuses(EngineError, *facts, "rows 3 to 5", "3 model rows") as error:
        run(TableRows(X), model=fails_on_the_fifth)
    assert isinstance(error.value.__cause__, ArithmeticError)
    with few_rows(2), refuses(EngineError, *facts, "part 2 to 2 of item 1", "1 model rows"):
        run(Items([2, 3]), model=fails_on_the_fifth)


@pytest.mark.parametrize(
    ("model", "cause"),
    [
        (lambda given: answers(given)[:, :1], ["ModelOutputError", "1 outputs", "2 are expected"]),
        (lambda given: answers(given) * np.nan, ["ModelOutputError", "NaN or infinity"]),
        (lambda given: answers(given)[1:], ["ModelOutputError", "50 rows", "shape (49, 2)"]),
    ],
    ids=["outputs", "nan", "rows"],
)
def test_evaluate_refuses_bad_outputs(model, cause):
    with refuses(EngineError, "rows 0 to 49", "50 model rows", *cause):
        run(TableRows(X), model=model)


def test_evaluate_keyboard_interrupt_propagates():
    def interrupted(given):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(TableRows(X), model=interrupted)


@pytest.mark.parametrize("form", ["numpy", "pandas"])
def test_evaluate_in_place_model_leaves_table(form):
    def spoils(given):
        found = answers(given)
        if form == "pandas":
            given.iloc[:, 0] = 0.0
        else:
            given[:, 0] = 0.0
        return found

    table = X.copy() if form == "numpy" else pd.DataFrame(X, columns=list("abc"))
    with few_rows(7):
        found = run(TableRows(table), model=spoils)
    np.testing.assert_array_equal(found, answers(X))
    np.testing.assert_array_equal(np.asarray(table), X)


def dies(given):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_evaluate_dead_worker_error_names_rows():
    with parallel_config("loky"):
        run(TableRows(X), n_jobs=2)  # the pool is there
        with pytest.raises(EngineError) as error:
            run(TableRows(X), model=dies, n_jobs=2)
    assert re.match(
        r"A worker died while evaluating the model dies on rows (0 to 24|25 to 49)", str(error.value)
    )


def means(source, item, predictions):
    return item, predictions.mean(axis=0)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("most", [3, 1000])
def test_reduce_sees_whole_table_for_any_n_jobs(n_jobs, most):
    with few_rows(most * n_jobs), parallel_config("threading"):
        (item, mean) = run(TableRows(X), means, n_jobs=n_jobs)
    assert item == 0
    np.testing.assert_array_equal(mean, answers(X).mean(axis=0))


class Chunks:
    """A table in chunks, each dropped before the next is made."""

    def __init__(self, lengths, make=np.asarray):
        self.lengths, self.make, self.n_read, self.alive = lengths, make, 0, None

    def __iter__(self):
        ends = np.cumsum(self.lengths)
        for start, end in zip(ends - self.lengths, ends, strict=True):
            assert self.alive is None or self.alive() is None, "two chunks are held at once"
            chunk = self.make(X[start:end].copy())
            self.alive = weakref.ref(chunk)
            self.n_read += 1
            yield chunk
            del chunk


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("lengths", [[50], [1, 49], [20, 5, 25], [1] * 50])
@pytest.mark.parametrize("most", [3, 1000])
def test_chunks_same_bits_as_table(n_jobs, lengths, most):
    with few_rows(most * n_jobs), parallel_config("threading"):
        found, n_model_rows = evaluate(
            as_predictor(answers), iter(Chunks(lengths)), n_outputs=2, n_jobs=n_jobs
        )
    np.testing.assert_array_equal(found, answers(X))
    assert n_model_rows == 50


def test_chunks_are_read_and_reduced_one_by_one():
    chunks, read = Chunks([20, 5, 25], make=lambda part: pd.DataFrame(part, columns=list("abc"))), []

    def watching(given):
        read.append(chunks.n_read)
        return answers(given)

    found = run(iter(chunks), means, watching)
    assert read == [1, 2, 3]
    assert [item for item, _ in found] == [0, 1, 2]
    np.testing.assert_array_equal(found[1][1], answers(X[20:25]).mean(axis=0))


def test_evaluate_error_names_chunk():
    with refuses(EngineError, "chunk 1", "rows 0 to 5", "6 model rows", "ArithmeticError"):
        run(iter([X[5:9], X[:6]]), model=fails_on_the_fifth)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (TableRows(X, np.arange(0)), "no rows to evaluate"),
        (Items([]), "no rows to evaluate"),
        (Items([2, 0, 1]), "Item 1 of Items has no rows"),
        (iter([]), "the source gave no chunks"),
        (iter([X[:3], X[:0]]), "no rows to evaluate"),
    ],
    ids=["table", "items", "item", "chunks", "chunk"],
)
def test_sources_without_rows_are_refused(source, told):
    with refuses(DataError, told):
        run(source, n_jobs=2)


@pytest.mark.parametrize("table", [X, pd.DataFrame(X)], ids=["array", "frame"])
def test_evaluate_refuses_table_as_iterable_of_chunks(table):
    with refuses(TypeError, "TableRows(table)"):
        run(table)


@pytest.mark.parametrize(
    "source", ["abc", b"abc", {"a": X}, 3, None], ids=["str", "bytes", "dict", "int", "None"]
)
def test_evaluate_refuses_other_sources(source):
    with refuses(TypeError, "iterable of tables", f"got {type(source).__name__}"):
        run(source)


@pytest.mark.parametrize("chunk", [None, 3, iter([])], ids=["None", "int", "iterator"])
def test_evaluate_names_chunk_that_is_no_table(chunk):
    with refuses(DataError, "Chunk 1", type(chunk).__name__):
        run(iter([X[:2], chunk]))


class LostError(Exception):
    pass


def test_evaluate_leaves_error_of_iterator_unchanged():
    def chunks():
        yield X[:2]
        raise LostError("the file is gone")

    for n_jobs in (None, 2):
        with pytest.raises(LostError, match="the file is gone"):
            run(chunks(), n_jobs=n_jobs)
