"""The result of explaining rows: validated, frozen, cut, put together, told as tables and HTML."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from enum import IntEnum, StrEnum
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix import Explanation
from agnostix.core.explanation import Detail
from tests.messages import refuses
from tests.reference.metrics_comparison import ends_of_mean

N_ROWS, N_FEATURES, N_OUTPUTS = 5, 3, 2


def made(**changes):
    """Additive, with errors, a frame, and extras of both sorts."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N_ROWS, N_FEATURES, N_OUTPUTS))
    base = rng.normal(size=(1, N_OUTPUTS)) * np.ones((N_ROWS, 1))
    data = pd.DataFrame(
        {
            "age": [20.0, 30.0, 40.0, np.nan, 60.0],
            "town": pd.Categorical(["b", "a", "b", "a", None], categories=["b", "a"]),
            "hours": [1, 2, 3, 4, 5],
            "sex": ["f", "m", "f", "m", "f"],
        },
        index=list("vwxyz"),
    )
    told = {
        "values": values,
        "std_errors": rng.uniform(size=values.shape),
        "base_values": base,
        "outputs": base + values.sum(axis=1),
        "data": data,
        "feature_names": ("hours", "town", "age"),
        "output_names": ("no", "yes"),
        "row_names": tuple("vwxyz"),
        "quantity": "contribution",
        "completeness": "outputs - base_values",
        "method": "by hand",
        "params": {"budget": np.int64(3), "groups": ("a", "b"), "tol": None},
        "fidelity": {"r2": rng.uniform(size=(N_ROWS, N_OUTPUTS))},
        "n_model_rows": np.int64(70),
        "extras": {
            "raw": Detail(np.arange(N_ROWS * 2.0).reshape(N_ROWS, 2), ("row", "part")),
            "grid": Detail(np.arange(N_ROWS), ("place",)),
            "note": "x",
        },
    }
    return Explanation(**{**told, **changes})


def picture(**changes):
    rng = np.random.default_rng(1)
    told = {
        "values": rng.normal(size=(2, 4, 6, 3)),
        "dims": ("row", "y", "x", "output"),
        "base_values": np.zeros((2, 3)),
        "outputs": np.ones((2, 3)),
        "data": rng.uniform(size=(2, 4, 6, 1)),
        "feature_names": (),
        "output_names": ("a", "b", "c"),
        "quantity": "effect",
        "method": "window",
    }
    return Explanation(**{**told, **changes})


# Validation


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"quantity": "shapley"}, ["quantity", "'contribution', 'effect', 'sensitivity',", "got 'shapley'"]),
        ({"values": np.zeros((5, 3))}, ["values", "dims ('row', 'feature', 'output')", "got shape (5, 3)"]),
        ({"values": [[["a"]]]}, ["values", "array of numbers"]),
        ({"std_errors": np.zeros((5, 3))}, ["std_errors", "shape of values = (5, 3, 2)", "got (5, 3)"]),
        ({"std_errors": np.full((5, 3, 2), -1.0)}, ["std_errors", "negative", "0 where a value is exact"]),
        ({"base_values": np.zeros(2)}, ["base_values", "(n_rows, n_outputs) = (5, 2)", "got (2,)"]),
        ({"outputs": np.zeros((5, 1))}, ["outputs", "(n_rows, n_outputs) = (5, 2)", "got (5, 1)"]),
        ({"feature_names": ("a", "b", "a")}, ["feature_names", "repeat", "repeated: 'a'"]),
        ({"feature_names": ("a", "b")}, ["feature_names", "3 entries", "got 2"]),
        ({"feature_names": ("a", "b", 3)}, ["feature_names", "tuple of str", "got ('a', 'b', 3)"]),
        ({"feature_names": "abc"}, ["feature_names", "tuple of str", "got 'abc'"]),
        ({"output_names": ("a", "a")}, ["output_names", "repeat", "repeated: 'a'"]),
        ({"row_names": ("a",)}, ["row_names", "5 entries", "got 1"]),
        ({"row_names": "vwxyz"}, ["row_names", "one name for each row", "'vwxyz'"]),
        ({"data": pd.DataFrame({"a": [1.0]})}, ["data", "5 rows", "got 1"]),
        ({"data": 3}, ["data", "DataFrame or an array", "got a int"]),
        ({"params": {"masker": print}}, ["params['masker']", "plain", "builtin_function_or_method"]),
        ({"params": {"deep": [{"x": {1: 2}}]}}, ["params['deep'][0]['x']", "plain", "text as keys"]),
        ({"extras": {"frame": pd.DataFrame()}}, ["extras['frame']", "plain", "DataFrame"]),
        ({"fidelity": {"r2": np.zeros(5)}}, ["fidelity['r2']", "(n_rows, n_outputs) = (5, 2)", "got (5,)"]),
    ],
)
def test_explanation_refuses_fields_that_do_not_fit(changes, facts):
    with refuses(ValueError, *facts):
        made(**changes)


def test_n_model_rows_must_be_an_integer():
    with pytest.raises(TypeError):
        made(n_model_rows=1.5)


def test_image_explanation_has_no_feature_names():
    assert picture().feature_names == ()
    with refuses(ValueError, "feature_names", "0 entries", "got 4"):
        picture(feature_names=("a", "b", "c", "d"))


def test_explanation_is_frozen_and_inputs_stay_writable():
    values = np.zeros((1, 2, 1))
    data = np.zeros((1, 2))
    exp = Explanation(
        values=values,
        base_values=[[0]],
        outputs=[[0]],
        data=data,
        feature_names=["a", "b"],
        output_names=["y"],
        quantity="contribution",
        completeness="outputs - base_values",
        method="m",
    )
    for array in (exp.values, exp.base_values, exp.outputs, exp.data):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1.0
    with pytest.raises(FrozenInstanceError):
        exp.values = values
    values[...] = 0.0
    data[...] = 0.0
    assert exp.base_values.dtype == np.float64
    assert exp.feature_names == ("a", "b")


def test_data_ignores_columns_added_to_frame_later():
    data = pd.DataFrame({"hours": range(5)})
    exp = made(data=data)
    data["new"] = 1
    assert list(exp.data.columns) == ["hours"]


class Kernel(StrEnum):
    SHAPLEY = "shapley"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "plain"),
    [(Kernel.SHAPLEY, "shapley"), (Level.HIGH, 3), (np.float64(0.5), 0.5), (np.str_("x"), "x"), (True, True)],
)
def test_params_of_enums_and_numpy_scalars_are_stored(value, plain, tmp_path):
    exp = made(params={"one": value, "many": [value]}, extras={"same": {"inside": value}})
    assert type(exp.params["one"]) is type(plain)
    exp.save(tmp_path / "exp.npz")
    loaded = Explanation.load(tmp_path / "exp.npz")
    assert (loaded.params["one"], loaded.params["many"]) == (plain, [plain])
    assert loaded.extras["same"] == {"inside": plain}


def test_params_become_plain_values():
    assert made().params == {"budget": 3, "groups": ["a", "b"], "tol": None}
    assert type(made().params["budget"]) is int
    assert type(made().n_model_rows) is int


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda exp: pickle.loads(pickle.dumps(exp))])
def test_copy_is_read_only(copied):
    exp = copied(made())
    assert not exp.values.flags.writeable
    assert not exp.extras["raw"].array.flags.writeable
    np.testing.assert_array_equal(exp.values, made().values)


# Rows


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        (1, [1]),
        (-1, [4]),
        (np.int64(2), [2]),
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        ([3, 0, 3], [3, 0, 3]),
        (np.array([-2, 1]), [3, 1]),
        ([True, False, False, True, False], [0, 3]),
        (pd.Series([False, False, False, False, True]), [4]),
        ([], []),
        (np.zeros(5, dtype=bool), []),
    ],
)
def test_indexing_takes_rows_of_every_field(rows, places):
    exp = made()
    part = exp[rows]
    assert len(part) == len(places)
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(part, name), getattr(exp, name)[places])
    np.testing.assert_array_equal(part.extras["raw"], exp.extras["raw"].array[places])
    np.testing.assert_array_equal(part.fidelity["r2"], exp.fidelity["r2"][places])
    assert part.extras["grid"].array.size == 5
    assert part.extras["note"] == "x"
    assert part.row_names == tuple("vwxyz"[j] for j in places)
    assert part.n_model_rows == 70
    pd.testing.assert_frame_equal(part.data, exp.data.iloc[places])


@pytest.mark.parametrize("rows", [2, [0, 3], [], slice(1, 3)])
def test_indexing_takes_rows_of_polars_and_arrays(rows):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"hours": range(5), "town": list("abcde")})
    part = made(data=frame)[rows]
    assert isinstance(part.data, pl.DataFrame)
    places = np.atleast_1d(np.arange(5)[rows if rows != [] else slice(0)])
    assert part.data["hours"].to_list() == list(places)
    assert made(data=np.arange(15).reshape(5, 3))[rows].data[:, 0].tolist() == list(3 * places)


@pytest.mark.parametrize(
    ("rows", "error", "facts"),
    [
        (5, IndexError, ["Row 5", "out of range", "5 rows"]),
        ([0, -6], IndexError, ["Row -6", "out of range", "5 rows"]),
        ([True, False], IndexError, ["mask", "5 rows", "got (2,)"]),
        ("v", TypeError, ["int, a slice, a list of ints or a mask", "got 'v'"]),
        ((0, 1), TypeError, ["int, a slice, a list of ints or a mask", "got (0, 1)"]),
        ([0.5], TypeError, ["int, a slice, a list of ints or a mask", "got [0.5]"]),
        ([[0]], TypeError, ["int, a slice, a list of ints or a mask", "got [[0]]"]),
    ],
)
def test_indexing_refuses_unknown_rows(rows, error, facts):
    with refuses(error, *facts):
        made()[rows]


def test_iteration_gives_one_row_each():
    assert [part.row_names for part in made()] == [(name,) for name in "vwxyz"]
    assert [len(part) for part in picture()] == [1, 1]


@given(st.lists(st.integers(-5, 4), max_size=9), st.lists(st.integers(0, 8), max_size=5))
def test_indexing_twice_equals_indexing_once(first, second):
    second = [j for j in second if j < len(first)]
    twice = made()[first][second]
    once = made()[[first[j] for j in second]]
    np.testing.assert_array_equal(twice.values, once.values)
    assert twice.row_names == once.row_names


# Outputs and features


def test_sel_outputs_by_name_and_index():
    exp = made()
    for chosen in (exp.sel(outputs="yes"), exp.sel(outputs=1), exp.sel(outputs=[-1])):
        assert chosen.output_names == ("yes",)
        np.testing.assert_array_equal(chosen.values, exp.values[..., [1]])
        np.testing.assert_array_equal(chosen.outputs, exp.outputs[:, [1]])
        np.testing.assert_array_equal(chosen.fidelity["r2"], exp.fidelity["r2"][:, [1]])
        assert chosen.check_additivity() <= 1e-12
    assert exp.sel(outputs=("yes", "no")).output_names == ("yes", "no")


def test_sel_features_keeps_frame_whole():
    chosen = made().sel(features=["age", 0], outputs=0)
    assert chosen.feature_names == ("age", "hours")
    np.testing.assert_array_equal(chosen.values, made().values[:, [2, 0], :1])
    np.testing.assert_array_equal(chosen.std_errors, made().std_errors[:, [2, 0], :1])
    assert list(chosen.data.columns) == ["age", "town", "hours", "sex"]


def test_sel_features_takes_columns_of_array():
    exp = made(data=np.arange(15.0).reshape(5, 3)).sel(features=["age", "hours"])
    np.testing.assert_array_equal(exp.data[0], [2.0, 0.0])
    np.testing.assert_array_equal(exp[0].to_frame()["data_value"], [2.0, 2.0, 0.0, 0.0])
    whole = made(data=np.arange(20.0).reshape(5, 4)).sel(features="age")
    assert whole.data.shape == (5, 4)
    assert set(whole.to_frame()["data_value"]) == {None}


@pytest.mark.parametrize("wanted", ["maybe", 2, -3, True, 0.0, ["yes", "maybe"]])
def test_sel_refuses_unknown_output(wanted):
    unknown = "maybe" if isinstance(wanted, list) else wanted
    with refuses(KeyError, "output", repr(unknown), "2: no, yes"):
        made().sel(outputs=wanted)


def test_sel_refuses_repeated_features_and_images():
    with refuses(ValueError, "feature_names", "repeated: 'hours'"):
        made().sel(features=[0, "hours"])
    with refuses(ValueError, "sel(features=...)", "dim 'feature'"):
        picture().sel(features=0)
    assert picture().sel(outputs="b").values.shape == (2, 4, 6, 1)


# Rows put together


@pytest.mark.parametrize("how", ["mean_abs", "mean", "max_abs"])
def test_aggregate_matches_formulas(how):
    exp = made(std_errors=None)
    total = exp.aggregate(how=how)
    assert total.dims == ("feature", "output")
    assert total.feature_names == ("hours", "town", "age")
    assert total.extras["aggregate"] == how
    assert (total.base_values, total.outputs, total.data, total.fidelity) == (None,) * 4
    assert (total.completeness, total.n_model_rows) == (None, 70)
    assert set(total.extras) == {"grid", "note", "aggregate"} | (
        {"mean": {"degrees_of_freedom", "skewness"}, "max_abs": set()}.get(
            how, {"degrees_of_freedom", "interval_kind", "skewness"}
        )
    )
    numbers = exp.values if how == "mean" else np.abs(exp.values)
    expected = numbers.max(axis=0) if how == "max_abs" else numbers.mean(axis=0)
    np.testing.assert_allclose(total.values, expected, rtol=1e-14)
    low, high = total.interval(0.9)
    if how == "max_abs":
        assert np.isnan(total.std_errors).all()
        assert np.isnan(low).all()
        return
    errors = numbers.std(axis=0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(total.std_errors, errors, rtol=1e-13)
    for j, k in np.ndindex(errors.shape):
        least, most = ends_of_mean(numbers[:, j, k], 0.9)
        assert high[j, k] == pytest.approx(most, rel=1e-9)
        assert low[j, k] == pytest.approx(max(least, 0.0) if how == "mean_abs" else least, rel=1e-9)


def test_aggregate_groups_in_order_of_categories_missing_last():
    total = made().aggregate(by="town")
    assert total.dims == ("group", "feature", "output")
    keys = total.coords["group"].tolist()
    assert keys[:2] == ["b", "a"]
    assert pd.isna(keys[2])
    assert_group(total, 0, made()[[0, 2]].aggregate())
    assert np.isnan(total.std_errors[2]).all()  # one row has no spread
    assert np.isnan(total.interval()[0][2]).all()
    frame = total.to_frame()
    assert list(frame) == ["group", "feature", "output", "value", "std_error"]
    assert frame["group"].tolist()[:7] == ["b"] * 6 + ["a"]


@pytest.mark.parametrize(
    "labels", [np.array([2, 10, 2, 10, 2]), pd.Series([2, 10, 2, 10, 2], index=list("vwxyz"))]
)
def test_aggregate_by_labels(labels):
    total = made().aggregate(by=labels, how="mean")
    assert total.labels("group").tolist() == [2, 10]
    assert_group(total, 1, made()[[1, 3]].aggregate(how="mean"))


def test_aggregate_by_polars_column():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(
        {
            "level": pl.Series(["low", "high", "low", None, "high"], dtype=pl.Enum(["low", "high"])),
            "sex": ["m", "f", "m", "f", "m"],
        }
    )
    exp = made(data=frame)
    keys = [key for key in exp.aggregate(by="level").coords["group"] if key == key]
    assert keys == ["low", "high"]
    assert_group(exp.aggregate(by="sex"), 0, exp[[1, 3]].aggregate())


def test_aggregate_by_array_column_named_as_feature():
    exp = made(data=np.array([[0, 1, 2]] * 3 + [[1, 1, 2]] * 2))
    assert_group(exp.aggregate(by="hours"), 1, exp[3:].aggregate())


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ({"how": "median"}, ["how", "'mean_abs', 'mean', 'max_abs'", "got 'median'"]),
        ({"by": "place"}, ["by='place'", "no column of data", "age, town, hours, sex"]),
        ({"by": [1, 2]}, ["by", "5 rows", "got (2,)"]),
        ({"by": np.zeros((5, 2))}, ["by", "one dimension", "got shape (5, 2)"]),
    ],
)
def test_aggregate_refuses_bad_arguments(arguments, facts):
    with refuses(ValueError, *facts):
        made().aggregate(**arguments)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (["a", None, "a", "b", None], ["a", "b", None]),
        (["a", np.nan, "a", "b", np.nan], ["a", "b", None]),
        ([None] * 5, [None]),
        (["1", 1, "1", 1, 1], [1, "1"]),
        ([("a", 1), ("a", 1), ("b",), ("b",), ("b",)], [("a", 1), ("b",)]),
        (range(5), list(range(5))),
    ],
)
def test_aggregate_by_list_keeps_missing_and_mixed_labels(labels, groups):
    total = made(std_errors=None).aggregate(by=labels)
    found = [label if isinstance(label, tuple) or label == label else None for label in total.coords["group"]]
    assert found == groups
    for j, label in enumerate(groups):
        rows = [i for i, one in enumerate(labels) if one == label or (label is None and pd.isna(one))]
        np.testing.assert_allclose(total.values[j], np.abs(made().values[rows]).mean(axis=0))


@pytest.mark.parametrize("detail", [Detail(np.zeros(2), ("group",)), Detail(np.array([0]), ("y",), "group")])
def test_aggregate_by_refuses_details_with_dim_group(detail):
    exp = made(extras={"clusters": detail})
    assert exp.aggregate().extras["clusters"] is detail
    with refuses(ValueError, "dim 'group'", "extras['clusters']"):
        exp.aggregate(by=[0, 0, 1, 1, 1])


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_to_frame_and_aggregate_ignore_repeated_columns(layout):
    data = pd.DataFrame(np.arange(6).reshape(2, 3), columns=["a", "a", "b"])
    exp = Explanation(
        values=np.ones((2, 2)),
        dims=("row", "feature"),
        feature_names=("a", "b"),
        data=data,
        quantity="effect",
        method="m",
    )
    frame = exp.to_frame(layout)
    if layout == "long":
        assert frame["data_value"].tolist() == [None, 2, None, 5]
    assert exp.aggregate(by="b").coords["group"].tolist() == [2, 5]
    with refuses(ValueError, "by='a'", "no column"):
        exp.aggregate(by="a")


def test_aggregate_refuses_no_rows_group_dim_or_missing_data():
    with refuses(ValueError, "no rows", "aggregate"):
        made()[[]].aggregate()
    with refuses(ValueError, "aggregate(by=...)", "dim 'group'", "dims has one", "replace(explanation, ...)"):
        Explanation(values=np.zeros((2, 3)), dims=("row", "group"), quantity="effect", method="m").aggregate(
            by=[0, 1]
        )
    with refuses(ValueError, "by='town'", "no column of data", "data is no table"):
        made(data=None).aggregate(by="town")


def test_aggregate_ignores_padding():
    values = made().values.copy()
    values[0, 2] = np.nan
    values[:, 1] = np.nan
    exp = made(values=values, std_errors=None)
    total = exp.aggregate(how="mean")
    np.testing.assert_allclose(total.values[2], values[1:, 2].mean(axis=0))
    assert np.isnan(total.values[1]).all()
    assert total.extras["degrees_of_freedom"].array[:, 0].tolist() == [4, 0, 3]
    assert np.isnan(exp.aggregate(how="max_abs").values[1]).all()


def test_aggregate_images_by_pixel():
    exp = picture()
    total = exp.aggregate(how="mean")
    assert total.dims == ("y", "x", "output")
    np.testing.assert_allclose(total.values, exp.values.mean(axis=0))


def assert_group(total, place, alone):
    np.testing.assert_array_equal(total.values[place], alone.values)
    np.testing.assert_array_equal(total.std_errors[place], alone.std_errors)


# Additivity


def test_check_additivity_returns_largest_gap():
    assert 0.0 <= made().check_additivity() <= 1e-14
    assert made()[[]].check_additivity() == 0.0


def test_check_additivity_error_names_worst_row():
    outputs = made().outputs.copy()
    outputs[3, 1] += 0.5
    outputs[1, 0] -= 0.1
    with refuses(ValueError, "row 'y', output 'yes'", "gap of 0.5"):
        made(outputs=outputs).check_additivity()
    with refuses(ValueError, "row 3", "output 'yes'", "gap of 0.5"):
        made(outputs=outputs, row_names=None).check_additivity()
    assert made(outputs=outputs).check_additivity(rtol=0.6) == pytest.approx(0.5)


def test_check_additivity_gap_is_relative_and_nan_counts():
    exp = made(base_values=np.full((5, 2), 1e9), outputs=1e9 + made().values.sum(axis=1) + 1.0)
    assert exp.check_additivity() == pytest.approx(1.0)
    outputs = made().outputs.copy()
    outputs[2, 0] = np.nan
    with refuses(ValueError, "row 'x'", "output 'no'", "gap of nan"):
        made(outputs=outputs).check_additivity()


def test_check_additivity_refuses_without_completeness():
    with refuses(ValueError, "check_additivity", "completeness is None", "quantity 'effect'"):
        made(quantity="effect", completeness=None).check_additivity()


def test_check_additivity_sums_over_pixels():
    values = np.random.default_rng(0).normal(size=(2, 4, 6, 3))
    exp = picture(
        quantity="contribution",
        completeness="outputs - base_values",
        values=values,
        outputs=values.sum(axis=(1, 2)),
    )
    assert exp.check_additivity() <= 1e-13


# Tables


def test_to_frame_long_has_one_row_per_value():
    exp = made()
    frame = exp.to_frame()
    assert list(frame) == ["row", "feature", "output", "value", "std_error", "data_value"]
    assert len(frame) == 5 * 3 * 2
    for row, feature, output, value, error, told in frame.itertuples(index=False):
        place = "vwxyz".index(row), exp.feature_names.index(feature), exp.output_names.index(output)
        assert exp.values[place] == value
        assert exp.std_errors[place] == error
        own = exp.data.loc[row, feature]
        assert told == own or (pd.isna(told) and pd.isna(own))


def test_to_frame_long_without_errors_data_or_names():
    frame = made(std_errors=None, data=None, row_names=None).to_frame()
    assert frame["std_error"].isna().all()
    assert frame["std_error"].dtype == float
    assert set(frame["data_value"]) == {None}
    assert frame["row"].tolist() == np.repeat(range(5), 6).tolist()


def test_to_frame_keeps_numeric_data_values():
    exp = made().sel(features=["hours", "age"])
    assert exp.to_frame()["data_value"].dtype == float
    assert made().to_frame()["data_value"].dtype == object


def test_to_frame_feature_groups_have_no_data_value():
    exp = made(feature_names=("hours", "place", "age"))
    told = exp.to_frame().groupby("feature")["data_value"]
    assert told.get_group("place").isna().all()
    assert told.get_group("hours").tolist() == np.repeat(range(1, 6), 2).tolist()


def test_to_frame_wide_has_one_row_per_row():
    exp = made()
    frame = exp.to_frame(layout="wide")
    assert frame.columns.names == ["feature", "output"]
    assert frame.index.tolist() == list("vwxyz")
    np.testing.assert_array_equal(frame["town", "yes"], exp.values[:, 1, 1])
    single = exp.sel(outputs="no").to_frame(layout="wide")
    assert list(single) == ["hours", "town", "age"]
    np.testing.assert_array_equal(single, exp.values[..., 0])
    single.iloc[0, 0] = 9.0  # the user's own


def test_to_frame_rows_named_by_tuples():
    exp = made(row_names=tuple((j, "a") for j in range(5)))
    assert exp.to_frame(layout="wide").index[1] == (1, "a")
    assert exp.to_frame()["row"].iloc[6] == (1, "a")


def test_to_frame_layouts_images_and_no_rows():
    with refuses(ValueError, "layout", "'long' or 'wide'", "got 'tall'"):
        made().to_frame(layout="tall")
    assert len(picture().to_frame()) == 2 * 4 * 6 * 3
    assert made()[[]].to_frame().empty
    assert made()[[]].to_frame(layout="wide").shape == (0, 6)


# Words


def test_repr_states_shape():
    assert repr(made()) == (
        "Explanation('by hand', contribution: 5 rows x 3 features x 2 outputs (no, yes), "
        "with standard errors)"
    )
    assert repr(picture()[0]) == "Explanation('window', effect: 1 row x 4 (y) x 6 (x) x 3 outputs (a, b, c))"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags, self.cells = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.cells.append(data)


def _read(exp):
    reader = _Reader()
    reader.feed(exp._repr_html_())
    assert reader.open == []
    return reader


def test_html_shows_largest_features_with_errors():
    exp = made()
    reader = _read(exp[0])
    order = np.argsort(-np.abs(exp.values[0]).max(axis=1))
    assert reader.cells[:3] == ["feature", "no", "yes"]
    assert reader.cells[3::3] == [exp.feature_names[j] for j in order]
    value, error = exp.values[0, order[0], 0], exp.std_errors[0, order[0], 0]
    assert reader.cells[4] == f"{value:.4g} ± {error:.2g}"
    mean = exp.aggregate().sel(features=_read(exp).cells[3], outputs="no")
    assert _read(exp).cells[4] == f"{mean.values[0, 0]:.4g} ± {mean.std_errors[0, 0]:.2g}"


def test_html_is_cut_to_few_features_and_outputs():
    exp = made(
        values=np.ones((5, 40, 30)),
        std_errors=None,
        base_values=np.zeros((5, 30)),
        outputs=np.zeros((5, 30)),
        fidelity=None,
        feature_names=[f"f{j}" for j in range(40)],
        output_names=[f"o{j}" for j in range(30)],
    )
    reader = _read(exp)
    assert reader.tags.count("tr") == 11
    assert len(reader.cells) == 11 * 7
    assert "10 of 40 features; 6 of 30 outputs" in exp._repr_html_()
    assert "±" not in exp[0]._repr_html_()


def test_html_escapes_every_name():
    evil = "<script>alert('1')</script>&\""
    exp = made(feature_names=(evil, "b", "c"), output_names=(evil, "x"), method=evil)
    page = exp._repr_html_()
    assert "<script" not in page
    assert set(_read(exp).tags) <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert evil in _read(exp).cells


@pytest.mark.parametrize(
    "exp", [picture(), made()[[]], made(feature_names=(), values=np.zeros((5, 0, 2)), std_errors=None)]
)
def test_html_without_table(exp):
    assert "table" not in _read(exp).tags


def test_replace_changes_field():
    exp = made()
    assert next(field.name for field in fields(exp)) == "values"
    assert replace(exp, method="other").method == "other"
