"""The harness of hostile inputs tells each kind of outcome apart, and can fail."""

import os
import random
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
import pytest

from agnostix import OcclusionExplainer
from agnostix.core.files import one_line
from agnostix.core.frames import as_table
from agnostix.exceptions import EngineError
from tests.slow import hostile
from tests.slow.hostile import Case, attempt

X = np.arange(12.0).reshape(4, 3)


def spin():
    while True:
        pass


def write():
    X[0, 0] += 1.0


def leave_file():
    os.close(tempfile.mkstemp()[0])


CASES = {
    "right": (Case("", lambda: 1), hostile.RIGHT),
    "clear": (Case("", lambda: OcclusionExplainer(None, n_jobs="two").fit(X)), hostile.CLEAR),
    "own error": (Case("", lambda: as_table(3)), hostile.CLEAR),
    "without the fact": (Case("", lambda: as_table(3), facts=("column 'b'",)), hostile.UNCLEAR),
    "wrong": (Case("", lambda: 1, lambda answer: f"{answer} is not 2"), hostile.WRONG),
    "not refused": (Case("", lambda: 1, must_refuse=True), hostile.WRONG),
    "refused": (Case("", lambda: as_table(3), must_answer=True), hostile.REFUSED),
    "depths": (Case("", lambda: {}["key"]), hostile.UNCLEAR),
    "numpy's": (Case("", lambda: np.ones(3) + np.ones(4)), hostile.UNCLEAR),
    "hang": (Case("", spin), hostile.HANG),
    "sleep": (Case("", lambda: time.sleep(10)), hostile.HANG),
    "changed": (Case("", write, watched=(X,)), hostile.CHANGED),
    "shuffled": (Case("", lambda: np.random.shuffle([1, 2])), hostile.LEFT),  # noqa: NPY002
    "drawn": (Case("", random.random), hostile.LEFT),
    "file": (Case("", leave_file), hostile.LEFT),
}


@pytest.mark.slow
@pytest.mark.parametrize(("case", "kind"), CASES.values(), ids=CASES)
def test_outcome_is_told(case, kind):
    assert attempt(case, seconds=0.2).kind == kind


@pytest.mark.slow
def test_slip_retold_as_failure_of_model_is_found():
    errors = []
    for call in (lambda: one_line(None), lambda: as_table(None), lambda: {}["key"]):
        error = EngineError("The model failed on rows 0 to 3, it says.")
        try:
            call()
        except Exception as cause:
            error.__cause__ = cause
        errors.append(hostile.misdiagnosed(error))
    assert errors == [True, False, False]


@pytest.mark.slow
def test_noise_is_of_the_package():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn_explicit("overflow", RuntimeWarning, hostile.PACKAGE + "core/frames.py", 1)
        warnings.warn_explicit("overflow", RuntimeWarning, "model.py", 1)
        warnings.warn_explicit("Pass task=.", UserWarning, hostile.PACKAGE + "core/frames.py", 1)
    assert [hostile.is_noise(one) for one in caught] == [True, False, False]


@pytest.mark.slow
def test_fingerprints_differ_by_one_bit():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    other = frame.assign(a=[1.0, np.nextafter(2.0, 3.0)])
    forms = (
        lambda table: table,
        lambda table: table["a"],
        lambda table: table["a"].to_numpy(),
        lambda table: np.ma.masked_array(table["a"].to_numpy(), [False, True]),
        lambda table: table.to_numpy(),
        lambda table: pl.from_pandas(table),
        lambda table: pa.Table.from_pandas(table),
        lambda table: [table["a"].tolist()],
        lambda table: {"a": table["a"].tolist()},
    )
    for form in forms[:1]:
        assert hostile.fingerprint(form(frame)) == hostile.fingerprint(form(frame.copy()))
    for form in forms:
        assert hostile.fingerprint(form(frame)) != hostile.fingerprint(form(other))


@pytest.mark.slow
def test_assert_well_lists_faults():
    with pytest.raises(AssertionError, match=r"1 of 2 inputs"):
        hostile.assert_well([Case("one", lambda: 1), Case("other", lambda: 1, must_refuse=True)])
    with pytest.raises(AssertionError):
        hostile.assert_well([Case("one", lambda: 1)], n_least=2)


def test_closeness_has_no_overflow():
    assert hostile.closeness([1e308, -1e308], [1e308, -1e308]) is None
    assert hostile.closeness([1e-310], [2e-310]) is not None
    assert hostile.closeness([np.nan], [1.0]) is not None
    assert hostile.closeness([0.0], [0.0]) is None
