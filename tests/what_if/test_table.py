import numpy as np
import pandas as pd
import pytest

from agnostix.exceptions import DataError
from agnostix.what_if.sample import standardize
from agnostix.what_if.table import Column, Table
from tests.messages import refuses
from tests.reference import what_if
from tests.what_if.doubles import people

X = people(40)


def read(X, weight=None, others=()):
    return Table.from_frame(X, weight, others)


def test_table_order_ignores_row_order():
    extra = np.random.default_rng(0).random(len(X))
    expected = read(X, None, [extra])
    for seed in range(3):
        turned = np.random.default_rng(seed).permutation(len(X))
        result = read(X.iloc[turned], None, [extra[turned]])
        np.testing.assert_array_equal(turned[result.order], expected.order)
        for name, column in expected.columns.items():
            np.testing.assert_array_equal(result.columns[name].values, column.values)


def test_table_order_breaks_ties_by_other_arrays():
    same = pd.DataFrame({"a": np.ones(50)})
    extra = np.arange(50.0)
    turned = np.random.default_rng(1).permutation(50)
    first, second = read(same, None, [extra]), read(same, None, [extra[turned]])
    np.testing.assert_array_equal(extra[first.order], extra[turned][second.order])
    assert (np.diff(extra[first.order]) < 0).any()  # an order of its own, not that of the values


def test_table_zero_weight_rows_return_as_zero():
    weight = np.where(np.arange(len(X)) % 4 == 0, 0.0, 2.0)
    table = read(X, weight)
    assert table.n_rows == 30
    assert table.base.sum() == pytest.approx(1.0)
    back = table.to_user_order(table.base)
    np.testing.assert_allclose(back, weight / weight.sum())


def test_table_base_weights_in_any_unit():
    weight = np.random.default_rng(0).random(len(X))
    small, large = read(X, 1e-200 * weight), read(X, 1e200 * weight)
    np.testing.assert_allclose(np.sort(small.base), np.sort(weight / weight.sum()))
    np.testing.assert_allclose(np.sort(large.base), np.sort(weight / weight.sum()))


@pytest.mark.parametrize(
    ("weight", "facts"),
    [
        (np.ones(39), ["sample_weight", "40 rows", "got 39"]),
        (np.full(40, np.nan), ["sample_weight", "no value in 40 of 40 rows"]),
        (np.r_[np.nan, np.ones(39)], ["sample_weight", "no value in 1 of 40 rows"]),
        (np.r_[-1.0, np.ones(39)], ["sample_weight", "0 or more", "values from -1 to 1"]),
        (np.r_[np.inf, np.ones(39)], ["sample_weight", "finite", "values from 1 to inf"]),
        (np.zeros(40), ["sample_weight", "zero for all", "40 rows"]),
        (["w"] * 40, ["sample_weight", "such as 'w'", "Convert"]),
        (np.full(40, 1j), ["sample_weight", "such as 1j", "Convert"]),
        (np.ma.masked_array(np.ones(40), np.arange(40) < 3), ["sample_weight", "no value in 3 of 40 rows"]),
        (pd.array([None] + [1.0] * 39), ["sample_weight", "no value in 1 of 40 rows"]),
        (np.r_[1.0, np.zeros(39)], ["single row", "sample_weight above 0", "at least two"]),
    ],
)
def test_table_refuses_bad_sample_weight(weight, facts):
    with refuses(DataError, *facts):
        read(X, weight)


def test_table_refuses_single_row():
    with refuses(DataError, "X has a single row", "n_samples=1", "at least two"):
        read(X.head(1))


def test_table_refuses_infinite_values():
    with refuses(DataError, "'age'", "infinite values", "by missing values or by a bound"):
        read(X.assign(age=np.r_[np.inf, X["age"][1:]]))


def test_table_column_by_name_or_text():
    table = read(pd.DataFrame(np.arange(6.0).reshape(3, 2)))
    assert table.column(1) is table.column("1")
    with refuses(ValueError, "no column 2", "columns: 0, 1"):
        table.column(2)


@pytest.mark.parametrize(
    ("values", "kind", "levels"),
    [
        ([1, 2, 1], "numeric", ()),
        (["b", "a", "b"], "categorical", ("a", "b")),
        ([True, False, True], "categorical", (False, True)),
        (
            pd.Categorical(["low", "high", "low"], ["low", "high"], ordered=True),
            "categorical",
            ("low", "high"),
        ),
        (pd.Categorical(["b", "a", "b"], ["z", "b", "a"]), "categorical", ("a", "b")),
        (pd.Series(["b", None, "a"], dtype="string"), "categorical", ("a", "b")),
        (pd.Series([1, None, 3], dtype="Int64"), "numeric", ()),
        (pd.to_datetime(["2020-01-01", "2021-01-01", None]), "date", ()),
    ],
    ids=["int", "str", "bool", "ordered", "categories", "string", "Int64", "dates"],
)
def test_column_kind_and_levels(values, kind, levels):
    column = Column.from_series("c", pd.DataFrame({"c": values})["c"])
    assert (column.kind, column.levels) == (kind, levels)


def test_column_missing_of_numbers_and_labels():
    numbers = Column.from_series("c", pd.Series([1.0, np.nan, 2.0]))
    labels = Column.from_series("c", pd.Series(["x", None, "y"], dtype=object))
    for column in (numbers, labels):
        np.testing.assert_array_equal(column.missing, [False, True, False])
        np.testing.assert_array_equal(column.take(np.array([1, 2])).missing, [True, False])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [1e-150, 1e-5, 1.0, 1e150])
def test_standardize_has_mean_0_and_deviation_1(scale, weighted):
    rng = np.random.default_rng(0)
    values = scale * rng.normal(3.0, 2.0, 200)
    weight = rng.random(200) if weighted else np.ones(200)
    z, mean, deviation = standardize(values, weight / weight.sum())
    expected, base = what_if.standardize(values / scale, weight)
    np.testing.assert_allclose(z, expected, rtol=1e-10, atol=1e-12)
    assert base @ z == pytest.approx(0.0, abs=1e-15)
    np.testing.assert_allclose(mean + deviation * z, values, rtol=1e-12)


def test_standardize_constant_is_zeros():
    z, mean, deviation = standardize(np.full(4, 7.0), np.full(4, 0.25))
    assert (z.tolist(), mean, deviation) == ([0.0] * 4, 7.0, 1.0)
