"""Doubles: the same bits for a row in any batch, plain formulas, and the faults they are made for."""

import pickle

import numpy as np
import polars as pl
import pytest

from agnostix.testing import (
    AdditiveModel,
    ConstantModel,
    CountingModel,
    IgnoringModel,
    InteractionModel,
    MixedFrameModel,
    MutatingModel,
    NanModel,
    ProbabilityModel,
    RaisingModel,
    UnpicklableModel,
    WrongRowsModel,
)
from agnostix.testing.tables import forms, mixed, mixed_polars, named, numbers, take
from tests.messages import refuses

X = numbers(200, 6)
MARKED = np.array([[1.0, 2.0], [-999.0, 2.0], [3.0, 4.0]])
SOUND = [AdditiveModel(), InteractionModel(), ConstantModel(), IgnoringModel(2), ProbabilityModel(4)]


@pytest.mark.parametrize("model", SOUND, ids=str)
def test_double_same_bits_in_any_batch_and_container(model):
    whole = model(X)
    for rows in (slice(3, 4), slice(0, 7), slice(None, None, -3)):
        np.testing.assert_array_equal(model(X[rows]), whole[rows])
    for table in (*forms(X).values(), np.asfortranarray(X), X.astype(object)):
        np.testing.assert_array_equal(model(table), whole)


@pytest.mark.parametrize(
    "table", [mixed(), mixed_polars(), mixed().to_numpy(dtype=object)], ids=lambda t: type(t)
)
def test_mixed_frame_model_same_bits_in_any_batch(table):
    model = MixedFrameModel.from_table(table)
    whole = model(table)
    for rows in ([3], [0, 4, 5], list(range(24))[::-1]):
        np.testing.assert_array_equal(model(take(table, rows)), whole[rows])
    assert len(np.unique(whole)) > 20


def test_additive_and_interaction_models_match_loop():
    weights = [1.0, -2.0, 0.5, 3.0, 1.0, -2.0]
    for row, added, joined in zip(X, AdditiveModel()(X), InteractionModel()(X), strict=True):
        total = 0.0
        for weight, value in zip(weights, row, strict=True):
            total += weight * value
        assert added == total
        assert joined == total + row[0] * row[-1] + float((row[0] > 0) != (row[-1] > 0))


def test_probability_model_sums_to_one_and_columns_differ():
    shares = ProbabilityModel(3)(X)
    np.testing.assert_allclose(shares.sum(1), 1.0, rtol=1e-15)
    assert (shares > 0).all()
    assert len({tuple(column) for column in shares.T}) == 3


@pytest.mark.parametrize("column", [0, 2, 5])
def test_ignoring_model_ignores_that_column_only(column):
    for j in range(6):
        moved = X.copy()
        moved[:, j] += 1.0
        same = np.array_equal(IgnoringModel(column)(moved), IgnoringModel(column)(X))
        assert same == (j == column)


def test_ignoring_model_accepts_ignored_column_alone():
    np.testing.assert_array_equal(IgnoringModel(0)(X[:, :1]), 0.0)


def test_additive_model_missing_counts_as_0():
    np.testing.assert_array_equal(AdditiveModel()(np.array([[np.nan, 1.0]])), [-2.0])
    np.testing.assert_array_equal(
        AdditiveModel()(pl.DataFrame({"a": [None, 2.0], "b": [1.0, 1.0]})), [-2.0, 0.0]
    )


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (lambda f: f.astype({"age": "float32"}), ["expects age: float64", "got age: float32"]),
        (lambda f: f.drop(columns="since"), ["expects since: datetime64", "got fewer"]),
        (lambda f: f.assign(town=f["town"].cat.remove_categories("rome")), ["expects town: category"]),
        (lambda f: f.to_numpy(dtype=object), ["expects frame of: pandas", "got array of width: 8"]),
        (lambda f: mixed_polars(), ["expects frame of: pandas", "got frame of: polars"]),
    ],
)
def test_mixed_frame_model_refuses_other_schema(change, facts):
    with refuses(TypeError, *facts):
        MixedFrameModel.from_table(mixed())(change(mixed()))


@pytest.mark.parametrize(
    "model", [*SOUND, MixedFrameModel.from_table(mixed()), NanModel(AdditiveModel())], ids=str
)
def test_double_pickles(model):
    again = pickle.loads(pickle.dumps(model))
    assert again == model
    table = mixed() if isinstance(model, MixedFrameModel) else X
    np.testing.assert_array_equal(again(table), model(table))


def test_unpicklable_model_predicts():
    np.testing.assert_array_equal(UnpicklableModel(AdditiveModel())(X), AdditiveModel()(X))
    with pytest.raises(TypeError, match="this model cannot be pickled"):
        pickle.dumps(UnpicklableModel(AdditiveModel()))


def test_broken_models_fail_on_marked_rows_only():
    sound = AdditiveModel()(X)
    for double in (RaisingModel, NanModel, WrongRowsModel):
        np.testing.assert_array_equal(double(AdditiveModel())(X), sound)
    np.testing.assert_array_equal(NanModel(AdditiveModel())(MARKED), [-3.0, np.nan, -5.0])
    assert WrongRowsModel(AdditiveModel())(MARKED).shape == (2,)
    with pytest.raises(KeyboardInterrupt, match="this row cannot be predicted"):
        RaisingModel(AdditiveModel(), error=KeyboardInterrupt)(named(MARKED))


@pytest.mark.parametrize("form", ["numpy", "pandas", "polars"])
def test_mutating_model_predicts_before_it_writes(form):
    table = forms(X.copy())[form]
    np.testing.assert_array_equal(MutatingModel(AdditiveModel())(table), AdditiveModel()(X))
    np.testing.assert_array_equal(np.asarray(table), np.column_stack([X[::-1, 0], X[:, 1:]]))


def test_counting_model_counts_rows():
    model = CountingModel(AdditiveModel())
    model(X)
    model(named(X[:3]))
    assert (model.n_rows, model.sizes) == (203, [200, 3])
