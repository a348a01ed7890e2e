"""Rows put to the model in parts: nothing is lost, doubled or dependent on the cut, and errors name rows."""

import os
import re
import signal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn import config_context

from agnostix.core.models import as_predictor
from agnostix.engine import Survey, TableRows
from agnostix.exceptions import EngineError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))


def answers(X):
    """Each row's alone, to the bit."""
    X = np.asarray(X)
    return np.stack([X[:, 0] * X[:, 1] - X[:, 2], np.abs(X[:, 2]) + 0.1], axis=1)


class Items:
    """Some stretches of a table, each an item that tells the means of its answers."""

    width = 3

    def __init__(self, sizes, is_opened=False):
        self.sizes, self.is_opened, self.n_items = sizes, is_opened, len(sizes)
        self.starts = np.concatenate([[0], np.cumsum(sizes)])

    def opened(self):
        return Items(self.sizes, is_opened=True)

    def size(self, item):
        return self.sizes[item]

    def build(self, item, part):
        assert self.is_opened
        return X[self.starts[item] : self.starts[item + 1]][part].copy()

    def digest(self, item, answers):
        return np.array(item), answers.copy()

    def told(self, item, part):
        return f"part {part.start} to {part.stop - 1} of item {item}"


def survey(model=answers, n_outputs=2, **how):
    return Survey(as_predictor(model), n_outputs, **how)


def few_rows(n):
    """A working memory in which calls have n rows at most."""
    return config_context(working_memory=n * 5 * 8 * 3 / 2**20)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 20), st.integers(1, 3))
def test_every_row_of_every_item_is_asked_about_once_in_its_place(sizes, most, n_jobs):
    calls = []

    def watching(given):
        calls.append(len(given))
        return answers(given)

    with few_rows(most * n_jobs), parallel_config("threading"):
        found = survey(watching, n_jobs=n_jobs).answer(Items(sizes))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    assert [int(number) for number, _ in found] == list(range(len(sizes)))
    for item, (_, told) in enumerate(found):
        np.testing.assert_array_equal(told, answers(X[starts[item] : starts[item + 1]]))
    assert sum(calls) == sum(sizes)
    assert max(calls, default=0) <= most
    assert 0 not in calls


@given(st.integers(1, 50), st.integers(1, 60), st.integers(1, 3))
def test_a_table_is_asked_about_row_by_row(n, most, n_jobs):
    rows = RNG.permutation(50)[:n]
    with few_rows(most * n_jobs), parallel_config("threading"):
        found = survey(n_jobs=n_jobs).ask(TableRows(X, rows, 3))
    np.testing.assert_array_equal(found, answers(X[rows]))


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
def test_workers_change_no_bit(backend):
    with parallel_config(backend), few_rows(14):
        found = survey(n_jobs=2).ask(TableRows(X, np.arange(50), 3))
        parts = survey(n_jobs=2).answer(Items([7, 0, 11, 2]))
    np.testing.assert_array_equal(found, answers(X))
    for (_, one), (_, other) in zip(parts, survey().answer(Items([7, 0, 11, 2])), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_table_is_shared_by_all_workers():
    calls = []

    def watching(given):
        calls.append(len(given))
        return answers(given)

    with parallel_config("threading"):
        survey(watching, n_jobs=3).ask(TableRows(X, np.arange(50), 3))
    assert sorted(calls) == [16, 17, 17]


def fails_on_the_fifth(given):
    if (given[:, 0] == X[4, 0]).any():
        raise ArithmeticError("no fifth")
    return answers(given)


def test_rows_that_fail_are_named():
    message = "The model fails_on_the_fifth failed on rows 3 to 5 (3 model rows): ArithmeticError: no fifth"
    with few_rows(3), pytest.raises(EngineError, match=f"^{re.escape(message)}$") as error:
        survey(fails_on_the_fifth).ask(TableRows(X, np.arange(50), 3))
    assert isinstance(error.value.__cause__, ArithmeticError)
    message = message.replace("rows 3 to 5 (3 m", "part 2 to 2 of item 1 (1 m")
    with few_rows(2), pytest.raises(EngineError, match=f"^{re.escape(message)}$"):
        survey(fails_on_the_fifth).answer(Items([2, 3]))


@pytest.mark.parametrize(
    ("model", "cause"),
    [
        (lambda given: answers(given)[:, :1], "ModelOutputError: 1 outputs where 2 are expected."),
        (lambda given: answers(given) * np.nan, "ModelOutputError: "),
        (lambda given: answers(given)[1:], "ModelOutputError: "),
    ],
    ids=["outputs", "nan", "rows"],
)
def test_answers_that_cannot_be_used(model, cause):
    with pytest.raises(EngineError, match=re.escape(f"failed on rows 0 to 49 (50 model rows): {cause}")):
        survey(model).ask(TableRows(X, np.arange(50), 3))


def test_an_interruption_is_not_swallowed():
    def interrupted(given):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(interrupted).ask(TableRows(X, np.arange(50), 3))


@pytest.mark.parametrize("form", ["numpy", "pandas"])
def test_a_model_may_spoil_what_it_is_given(form):
    def spoils(given):
        found = answers(given)
        if form == "pandas":
            given.iloc[:, 0] = 0.0
        else:
            given[:, 0] = 0.0
        return found

    table = X.copy() if form == "numpy" else pd.DataFrame(X, columns=list("abc"))
    with few_rows(7):
        found = survey(spoils).ask(TableRows(table, np.arange(50), 3))
    np.testing.assert_array_equal(found, answers(X))
    np.testing.assert_array_equal(np.asarray(table), X)


def test_progress_counts_the_items(capfd):
    survey(verbose=1).answer(Items([2, 3, 4]))
    assert "3/3" in capfd.readouterr().err


def dies(given):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_dies_is_named_with_its_rows():
    with parallel_config("loky"):
        survey(n_jobs=2).ask(TableRows(X, np.arange(50), 3))  # the pool is there
        with pytest.raises(EngineError) as error:
            survey(dies, n_jobs=2).ask(TableRows(X, np.arange(50), 3))
    assert re.match(
        r"A worker died while the model dies was asked about rows (0 to 24|25 to 49)", str(error.value)
    )
