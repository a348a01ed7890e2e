import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from agnostix.core.frames import same_table
from agnostix.core.models import MaskComposer, as_predictor
from agnostix.exceptions import DataError, ModelOutputError
from tests.messages import refuses, states

ROWS = np.arange(12.0).reshape(4, 3)
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])
Y = np.array([0, 1, 0, 1])


def answering(answer):
    def stub(X):
        return answer

    return as_predictor(stub)


@pytest.fixture
def on_frame():
    return LinearRegression().fit(FRAME, Y)


@pytest.fixture
def on_array():
    return LinearRegression().fit(ROWS, Y)


@pytest.mark.parametrize(
    "table",
    [
        FRAME,
        FRAME[["c", "a", "b"]],
        FRAME.assign(extra="x"),
        FRAME.set_index(pd.Index(list("wxyz"))),
        pl.from_pandas(FRAME),
        pl.from_pandas(FRAME).select("c", "b", "a"),
        ROWS,
        ROWS.tolist(),
    ],
    ids=["frame", "reordered", "extra column", "other index", "polars", "polars reordered", "array", "list"],
)
def test_predict_fitted_on_frame_accepts_any_table(on_frame, table):
    found = as_predictor(on_frame).predict(table)
    assert found.shape == (4, 1)
    np.testing.assert_array_equal(found[:, 0], on_frame.predict(FRAME))


@pytest.mark.parametrize("table", [FRAME, pl.from_pandas(FRAME), ROWS], ids=["frame", "polars", "array"])
def test_predict_fitted_on_array_accepts_any_table(on_array, table):
    np.testing.assert_array_equal(as_predictor(on_array).predict(table)[:, 0], on_array.predict(ROWS))


def test_present_is_array_for_model_fitted_on_array(on_array):
    assert isinstance(as_predictor(on_array).present(FRAME), np.ndarray)


def test_present_nullable_integers_as_nan():
    frame = FRAME.assign(a=pd.array([1, None, 3, 4], dtype="Int64"))
    seen = []
    model = LogisticRegression().fit(ROWS, Y)
    model.predict_proba = lambda X: seen.append(X) or np.zeros((len(X), 2))
    as_predictor(model).predict(frame)
    np.testing.assert_array_equal(seen[0].astype(float)[:, 0], [1.0, np.nan, 3.0, 4.0])


def test_present_selects_columns_and_keeps_dtypes(on_frame):
    given = FRAME.assign(a=FRAME.a.astype("float32"), c=FRAME.c.astype(int), z=0)[["z", "c", "b", "a"]]
    shown = as_predictor(on_frame).present(given)
    assert list(shown.columns) == ["a", "b", "c"]
    assert shown.dtypes.astype(str).tolist() == ["float32", "float64", "int64"]
    assert isinstance(as_predictor(on_frame).present(pl.from_pandas(given)), pl.DataFrame)


def test_predict_passes_table_to_function_unchanged():
    seen = []
    predictor = as_predictor(lambda X: seen.append(X) or np.zeros(4))
    for table in (FRAME, ROWS, pl.from_pandas(FRAME)):
        predictor.predict(table)
        assert same_table(seen[-1], table)


def test_predict_does_not_change_table(on_frame):
    before = FRAME.copy(deep=True)
    as_predictor(on_frame).predict(FRAME)
    pd.testing.assert_frame_equal(FRAME, before)


def test_predict_does_not_warn_of_feature_names(on_frame, on_array):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for model in (on_frame, on_array):
            for table in (FRAME, ROWS, pl.from_pandas(FRAME)):
                as_predictor(model).predict(table)
    assert caught == []


def test_predict_names_missing_columns(on_frame):
    with refuses(DataError, "X lacks 2 of the 3 columns", "LinearRegression", "a, c", "X has: b, other"):
        as_predictor(on_frame).predict(FRAME[["b"]].assign(other=1))


def test_predict_refuses_other_number_of_columns(on_frame):
    with refuses(DataError, "X has 2 columns", "LinearRegression", "fitted on 3: a, b, c"):
        as_predictor(on_frame).predict(ROWS[:, :2])


@pytest.mark.parametrize(
    "answer",
    [
        np.arange(4),
        np.arange(4.0)[:, None],
        [0, 1, 2, 3],
        pd.Series(range(4), index=list("wxyz")),
        pd.DataFrame({"p": range(4)}),
        pl.Series(range(4)),
        np.arange(4, dtype=object),
    ],
    ids=["vector", "column", "list", "series", "frame", "polars series", "objects"],
)
def test_predict_returns_float_matrix(answer):
    found = answering(answer).predict(ROWS)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[0.0], [1.0], [2.0], [3.0]])


def test_predict_booleans_are_one_and_zero():
    np.testing.assert_array_equal(answering([True, False, True, False]).predict(ROWS)[:, 0], [1, 0, 1, 0])


def test_predict_returns_copy():
    kept = np.zeros(4)
    answering(kept).predict(ROWS)[:] = 1.0
    assert not kept.any()


@pytest.mark.parametrize("shape", [(3,), (5, 2), (4, 2, 2), ()])
def test_predict_refuses_output_of_other_shape(shape):
    facts = ("model stub", "4 rows", f"array of shape {shape}", "(4,) or (4, n_outputs)")
    with refuses(ModelOutputError, *facts):
        answering(np.zeros(shape)).predict(ROWS)


def test_predict_refuses_output_without_columns():
    with refuses(ModelOutputError, "array of shape (4, 0)"):
        answering(np.zeros((4, 0))).predict(ROWS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None])
def test_predict_output_not_finite_names_rows(bad):
    facts = ("model stub", "NaN or infinity", "2 of 4 rows", "row 1", "leave them out")
    with refuses(ModelOutputError, *facts):
        answering(np.array([[0.0, 1.0], [bad, 0.0], [0.0, 0.0], [bad, bad]], dtype=object)).predict(ROWS)


def test_predict_refuses_text_output():
    facts = ("model stub", "type <U3", "np.str_('yes')", "numbers are needed", "predict_proba")
    with refuses(ModelOutputError, *facts):
        answering(np.array(["yes", "no", "no", "yes"])).predict(ROWS)


@pytest.mark.parametrize(
    "answer",
    [
        np.array(["1", "0", "0", "1"]),
        np.array(["1", "0", "0", "1"], dtype=object),
        np.array(["2020-01-01"] * 4, dtype="M8[s]"),
        np.ones(4, dtype=complex),
        [[1.0, 2.0], [1.0], [1.0], [1.0]],
    ],
    ids=["digits in text", "digits in objects", "dates", "complex", "ragged"],
)
def test_predict_refuses_output_of_other_types(answer):
    with refuses(ModelOutputError, "model stub"):
        answering(answer).predict(ROWS)


def test_predict_refuses_list_of_matrices():
    facts = ("model stub", "each target", "3 arrays", "lambda X: model.predict_proba(X)[0]")
    with refuses(ModelOutputError, *facts):
        answering([np.zeros((4, 2))] * 3).predict(ROWS)


def test_predict_error_of_model_propagates():
    def broken(X):
        raise KeyError("no such city")

    with pytest.raises(KeyError, match="no such city"):
        as_predictor(broken).predict(ROWS)


def test_names_of_outputs():
    frame = LogisticRegression().fit(FRAME, ["no", "yes", "no", "yes"])
    assert as_predictor(frame).names(2) == ("no", "yes")
    assert as_predictor(np.sum).names(1) == ("prediction",)
    assert as_predictor(np.sum).names(3) == ("output_0", "output_1", "output_2")
    assert as_predictor(np.sum, output_names=["low", "high"]).names(2) == ("low", "high")


def test_names_refuses_other_number_of_outputs():
    model = LogisticRegression().fit(FRAME, Y)
    with refuses(ModelOutputError, "output_names has 1", "LogisticRegression", "2 outputs"):
        as_predictor(model, output_names=["p"]).names(2)


def doubles_in_place(X):
    """A model that changes its input in place."""
    if isinstance(X, pd.DataFrame):
        X["a"] = X["a"] * 2
        X["more"] = 1
        return X["a"].to_numpy()
    X *= 2
    return X[:, 0]


@pytest.mark.parametrize("table", [FRAME, ROWS], ids=["frame", "array"])
def test_predict_in_place_model_leaves_table(table):
    before = table.copy()
    np.testing.assert_array_equal(as_predictor(doubles_in_place).predict(table)[:, 0], [0, 6, 12, 18])
    assert same_table(table, before)


@pytest.mark.parametrize("table", [FRAME, ROWS], ids=["frame", "array"])
def test_trial_warns_of_in_place_model(table):
    before = table.copy()
    with pytest.warns(UserWarning, match=states("model doubles_in_place", "changes the table", "a copy")):
        predictor, answers, n_rows = as_predictor(doubles_in_place).trial(table)
    assert n_rows == 8
    np.testing.assert_array_equal(answers[:, 0], [0, 6, 12, 18])
    assert predictor.copies
    predictor.predict_batch(table)
    assert same_table(table, before)
    again, *_ = predictor.trial(table)  # told once
    assert again.copies


@pytest.mark.parametrize("table", [FRAME, ROWS, pl.from_pandas(FRAME)], ids=["pandas", "numpy", "polars"])
def test_trial_keeps_other_models(table):
    predictor = as_predictor(lambda X: np.asarray(X)[:, 0])
    same, answers, _ = predictor.trial(table)
    assert same is predictor
    np.testing.assert_array_equal(answers[:, 0], ROWS[:, 0])


class Drifting:
    """A model whose predictions are those of before plus a step, from call to call."""

    def __init__(self, *steps):
        self.steps, self.seen = list(steps), []

    def __call__(self, X):
        self.seen.append(X)
        step = self.steps[min(len(self.seen), len(self.steps)) - 1]
        return np.asarray(X)[:, :1] * 1.0 + step if np.ndim(step) == 0 else np.ones((len(X), len(step)))


@pytest.mark.parametrize(
    ("steps", "apart"),
    [([0.0, 0.0, 0.5, 0.1], "0.5"), ([0.0, 1234.0, 1234.0, 0.0], "1.23e+03")],
)
def test_trial_warns_of_nondeterministic_model(steps, apart):
    predictor = as_predictor(Drifting(*steps))
    with pytest.warns(
        UserWarning, match=states("model Drifting", "not deterministic", f"up to {apart}", "standard errors")
    ):
        same, outputs, n_rows = predictor.trial(ROWS)
    assert same is predictor
    np.testing.assert_array_equal(outputs, ROWS[:, :1])
    assert n_rows == 10


def test_trial_refuses_varying_number_of_outputs():
    with refuses(ModelOutputError, "model Drifting", "1 outputs for each of 4 rows", "2 where", "2 of them"):
        as_predictor(Drifting([1.0], [1.0, 1.0])).trial(ROWS)


@pytest.mark.parametrize("table", [FRAME, ROWS, pl.from_pandas(FRAME)], ids=["pandas", "numpy", "polars"])
def test_trial_predicts_twice_and_tolerates_rounding(table):
    model = Drifting(0.0, 1e-7)
    _, outputs, n_rows = as_predictor(model).trial(table)
    np.testing.assert_array_equal(outputs, ROWS[:, :1])
    assert n_rows == sum(map(len, model.seen)) == 8
    assert all(seen is not table for seen in model.seen)
    parts = [ROWS, ROWS[:1:-1], ROWS[1::-1]]
    for seen, part in zip(model.seen, parts, strict=True):
        np.testing.assert_array_equal(np.asarray(seen), part)


def test_predict_masked_of_callable_mask_composer():
    class Composes:
        def __call__(self, X):
            return X[:, 0]

        def predict_masked(self, x, masks, fill, segments):
            return np.where(masks[:, segments[0]][None, :, None], x[:, None, None], fill[:, None])[..., 0]

    predictor = as_predictor(Composes())
    masks = np.array([[True, False], [False, True]])
    told = predictor.predict_masked(ROWS[:2], masks, ROWS[None, 1:], np.array([[0, 1, 1]]))
    np.testing.assert_array_equal(told[0, :, :, 0], [[0, 0, 0], [3, 6, 9]])
    np.testing.assert_array_equal(told[1, :, :, 0], [[3, 3, 3], [3, 6, 9]])
    assert predictor.supports(MaskComposer)
    assert not as_predictor(lambda X: X).supports(MaskComposer)


def test_predict_masked_in_place_model_leaves_inputs():
    class Composes:
        def __call__(self, X):
            return X[:, 0]

        def predict_masked(self, x, masks, fill, segments):
            told = np.zeros((len(x), len(masks), fill.shape[1]))
            for part in (x, masks, fill, segments):
                part[...] = 0
            return told

    masks = np.array([[True, True], [False, True]])
    pieces = (ROWS[:1] + 1.0, masks, ROWS[None, 1:] + 1.0, np.array([[0, 1, 1]]))
    before = [part.copy() for part in pieces]
    as_predictor(Composes()).predict_masked(*pieces)
    for part, kept in zip(pieces, before, strict=True):
        np.testing.assert_array_equal(part, kept)


@pytest.mark.parametrize("answer", [np.full((1, 2, 3), np.nan), np.zeros((2, 3)), np.zeros((1, 2, 3, 1, 1))])
def test_predict_masked_checks_output(answer):
    class Composes:
        def __call__(self, X):
            return X[:, 0]

        def predict_masked(self, x, masks, fill, segments):
            return answer

    with pytest.raises(ModelOutputError):
        as_predictor(Composes()).predict_masked(
            ROWS[:1], np.ones((2, 1), bool), ROWS[None, 1:], np.zeros((1, 3), int)
        )


@pytest.mark.parametrize("table", [FRAME, ROWS, pl.from_pandas(FRAME)], ids=["pandas", "numpy", "polars"])
def test_batch_size_bounds_what_any_model_gets(table):
    seen = []
    predictor = as_predictor(lambda X: seen.append(len(X)) or np.asarray(X)[:, 0], batch_size=3)
    np.testing.assert_array_equal(predictor.predict(table)[:, 0], ROWS[:, 0])
    predictor.trial(table)
    assert max(seen) == 3
    assert as_predictor(predictor, batch_size=1).batch_size == 1


@pytest.mark.parametrize("batch_size", [0, 2.5, True, "all"])
def test_batch_size_is_a_whole_number(batch_size):
    with refuses(ValueError, "'batch_size' parameter of as_predictor", "at least 1", f"got {batch_size!r}"):
        as_predictor(np.sum, batch_size=batch_size)
