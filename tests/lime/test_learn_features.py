"""Samplers learned from tables: type of sampler, bins, shares and errors."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix.core.features import JointCoding, LevelCoding, NumberCoding
from agnostix.core.frames import column_names
from agnostix.core.masking import Features
from agnostix.exceptions import DataError
from agnostix.lime.drawing import Resampling, TruncatedNormals
from agnostix.lime.features import BinnedFeature, ScaledFeature
from agnostix.lime.learn_features import FeatureLearner
from agnostix.lime.tempering import tempered
from tests.messages import refuses
from tests.reference import lime as ref

N = 200
RNG = np.random.default_rng(0)
EVEN = (np.arange(4096) + 0.5) / 4096


def learned(table, how="quartile", weights=None, labels=None, groups=None):
    weights = np.ones(len(table)) if weights is None else weights
    players = Features.from_names(column_names(table), groups)
    return FeatureLearner(table, weights, how, labels, "Owner").learn(players)


def one(table, **params):
    return learned(table, **params)[0]


def frame(**columns):
    return pd.DataFrame(columns)


# ---------------------------------------------------------------- which columns are drawn how


def kinds():
    floats, days = RNG.normal(size=N), pd.date_range("2024-01-01", periods=N)
    tied = np.where(np.arange(N) < 10, 7.0, floats)  # 5 % of the rows
    nearly = np.where(np.arange(N) < 9, 7.0, floats)
    gap = np.where(np.arange(N) < 3, np.nan, floats)
    return {
        "floats": (floats, NumberCoding, TruncatedNormals),
        "float32": (floats.astype(np.float32), NumberCoding, TruncatedNormals),
        "gaps": (gap, NumberCoding, TruncatedNormals),
        "a point mass": (tied, NumberCoding, Resampling),
        "nearly one": (nearly, NumberCoding, TruncatedNormals),
        "a constant": (np.full(N, 2.5), NumberCoding, Resampling),
        "whole numbers": (np.arange(N), NumberCoding, Resampling),
        "whole numbers with gaps": (pd.array([None, *range(1, N)], dtype="Int64"), NumberCoding, Resampling),
        "days": (days, NumberCoding, Resampling),
        "texts": (np.array(["u", "v"] * (N // 2), dtype=object), LevelCoding, Resampling),
        "flags": (np.arange(N) % 3 == 0, LevelCoding, Resampling),
        "categories": (pd.Categorical(["u", "v"] * (N // 2)), LevelCoding, Resampling),
    }


@pytest.mark.parametrize("kind", kinds())
def test_learn_coding_and_sampler_by_column_type(kind):
    column, coding, drawing = kinds()[kind]
    feature = one(frame(x=column))
    assert isinstance(feature, BinnedFeature)
    assert (type(feature.coding), type(feature.drawing)) == (coding, drawing)
    assert feature.positions == (0,)
    if drawing is Resampling:
        found = pd.Series(feature.drawn(EVEN).columns[0])
        assert set(found.dropna()) <= set(pd.Series(column).dropna())
        assert found.dtype == pd.Series(column).dtype


@pytest.mark.parametrize(
    "make",
    [np.array, lambda X: pd.DataFrame(X, columns=["a", "b"]), lambda X: pl.DataFrame(X, schema=["a", "b"])],
)
def test_learn_same_from_numpy_pandas_polars(make):
    X = RNG.normal(size=(N, 2))
    for feature, expected in zip(learned(make(X)), learned(X), strict=True):
        np.testing.assert_array_equal(feature.coding.edges, expected.coding.edges)
        np.testing.assert_array_equal(feature.drawn(EVEN).columns[0], expected.drawn(EVEN).columns[0])


@pytest.mark.parametrize(("how", "n_bins"), [("quartile", 4), ("decile", 10)])
def test_learn_quartiles_and_deciles_are_percentiles(how, n_bins):
    X = RNG.normal(size=(N, 1))
    feature = one(X, how=how)
    expected = np.percentile(X[:, 0], 100.0 * np.arange(1, n_bins) / n_bins)
    np.testing.assert_allclose(feature.coding.edges, expected, rtol=1e-12)
    plain = ref.bins_of(X[:, 0], feature.coding.edges)
    np.testing.assert_allclose(feature.seen, [*(b.p for b in plain), 0.0], atol=1e-15)
    assert feature.asked is feature.seen


def test_learn_entropy_bins_by_labels():
    x, y = np.arange(20.0), np.repeat(["no", "yes"], [6, 14])
    feature = one(x[:, None], how="entropy", labels=y)
    assert feature.coding.edges.tolist() == [5.5]
    gaps = one(np.r_[np.nan, x][:, None], how="entropy", labels=np.r_[["yes"], y])
    assert gaps.coding.edges.tolist() == [5.5]
    assert gaps.seen[-1] == pytest.approx(1 / 21)


def test_learn_weights_are_repeated_rows():
    x, weights = RNG.normal(size=40), RNG.integers(1, 4, size=40)
    weights[0] = 1
    columns = {"x": x, "t": np.array(list("abcd") * 10, dtype=object), "k": RNG.integers(0, 9, size=40)}
    table = pd.DataFrame(columns)
    often = table.loc[np.repeat(np.arange(40), weights)].reset_index(drop=True)
    for feature, expected in zip(learned(table, weights=weights.astype(float)), learned(often), strict=True):
        np.testing.assert_allclose(feature.seen, expected.seen, atol=1e-14)
        one_, other = feature.drawn(EVEN).columns[0], expected.drawn(EVEN).columns[0]
        if feature.positions == (0,):
            np.testing.assert_allclose(one_, other, atol=1e-9)
        else:
            assert (np.asarray(one_) == np.asarray(other)).mean() > 0.99  # but for shares on a row's end


def test_learn_tempers_rare_levels():
    table = frame(x=["u"] * 197 + ["v"] * 3, z=RNG.normal(size=N))
    first, second = learned(table)
    expected, _ = tempered([first.seen, second.seen])
    np.testing.assert_array_equal(first.asked, expected)
    assert first.seen.tolist() == [0.985, 0.015]
    assert first.asked[1] > 0.1
    assert second.asked is second.seen


def test_learn_edges_of_dates_occur():
    days = pd.to_datetime(["2024-01-01"] * 3 + ["2024-01-08", "2024-01-09", "2024-03-01"])
    coding = one(frame(x=days)).coding
    assert coding.describe(0) == "x <= 2024-01-01"
    assert coding.describe(coding.n_codes - 2) == "x > 2024-01-08"
    polars = one(pl.DataFrame({"x": [dt.date(2024, 1, d) for d in (1, 2, 3, 4, 5)]})).coding
    assert [polars.describe(c) for c in (1, 4)] == ["2024-01-02 < x <= 2024-01-03", "x missing"]


def test_learn_column_all_missing():
    feature = one(frame(x=np.full(5, np.nan)))
    assert feature.seen.tolist() == [0.0, 1.0]
    assert not feature.varies
    assert np.isnan(feature.drawn(EVEN).columns[0]).all()


# ---------------------------------------------------------------- groups


def test_learn_group_resamples_whole_rows():
    hot = np.eye(3)[RNG.integers(0, 3, size=N)]
    table = pd.DataFrame(np.column_stack([hot, RNG.normal(size=N)]), columns=["a", "b", "c", "x"])
    group, alone = learned(table, groups={"abc": ["c", "a", "b"]})
    assert isinstance(group.coding, JointCoding)
    assert (group.positions, alone.positions) == ((0, 1, 2), (3,))
    drawn = np.column_stack(group.drawn(EVEN).columns)
    assert {tuple(row) for row in drawn} == {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)}
    assert group.seen.sum() == pytest.approx(1.0)
    codes = group.coding.codes(table)
    for code, share in enumerate(group.seen):
        assert share == pytest.approx((codes == code).mean())


def test_learn_group_resamples_rows_by_weight():
    table = frame(x=[1.0, 2.0, 3.0, 4.0], t=list("uvuv"))
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    (group,) = learned(table, weights=weights, groups={"all": ["x", "t"]})
    x, t = group._drawn(EVEN, group.seen).columns
    pairs = pd.Series(zip(x, t, strict=True)).value_counts(normalize=True)
    for row, weight in zip(zip(table["x"], table["t"], strict=True), weights, strict=True):
        assert pairs[row] == pytest.approx(weight / 10, abs=1e-3)


# ---------------------------------------------------------------- numbers that stay numbers


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
def test_learn_scaled_mean_and_sd(dtype):
    column = RNG.integers(0, 200, size=N).astype(dtype)
    weights = RNG.integers(1, 4, size=N)
    feature = one(frame(x=column), how=None, weights=weights.astype(float))
    assert isinstance(feature, ScaledFeature)
    often = np.repeat(column.astype(float), weights)
    assert feature.mean == pytest.approx(often.mean())
    assert feature.sd == pytest.approx(often.std())
    assert feature.dtype == dtype


def test_learn_scaled_constant_is_exact():
    feature = one(np.full((7, 1), 0.1), how=None, weights=np.full(7, 0.3))
    assert (feature.mean, feature.sd) == (0.1, 0.0)


def test_learn_without_bins_keeps_levels():
    number, level = learned(frame(x=RNG.normal(size=N), t=["u", "v"] * (N // 2)), how=None)
    assert (type(number), type(level)) == (ScaledFeature, BinnedFeature)


# ---------------------------------------------------------------- what is refused


NO_BINS = ("without gaps", "discretizer='quartile'", "missing values are a bin")
REFUSED = [
    ({"table": frame(x=[1.0, np.inf, 2.0])}, ["'x'", "infinite values", "bin", "missing ones"]),
    ({"table": frame(x=[1.0, np.inf]), "how": None}, ["'x'", "missing or infinite values", *NO_BINS]),
    ({"table": frame(x=[1.0, np.nan]), "how": None}, ["'x'", "missing or infinite values", *NO_BINS]),
    (
        {"table": frame(x=pd.array([1, None], dtype="Int64")), "how": None},
        ["'x'", "type Int64", *NO_BINS],
    ),
    (
        {"table": frame(x=pd.to_datetime(["2024-01-01"]).as_unit("us")), "how": None},
        ["'x'", "type datetime64[us]", *NO_BINS],
    ),
    ({"table": pl.DataFrame({"x": [1.5, None]}), "how": None}, ["'x'", "type Float64", *NO_BINS]),
    (
        {"table": frame(x=[1.0, 2.0], t=["u", "v"]), "how": None, "groups": {"both": ["t", "x"]}},
        ["group 'both' of feature_groups", "numbers 'x'", "discretizer='quartile'"],
    ),
    (
        {"table": frame(x=[1.0, 2.0]), "how": "entropy"},
        ["'discretizer' of Owner is 'entropy'", "pass y to fit", "'quartile'"],
    ),
    (
        {"table": frame(x=[1.0, 2.0]), "how": "entropy", "labels": np.array([0.5, 1.5])},
        ["'discretizer' of Owner is 'entropy'", "y is of numbers", "Cut y into classes", "'quartile'"],
    ),
]


@pytest.mark.parametrize(("params", "facts"), REFUSED)
def test_learn_refuses_bad_columns_and_labels(params, facts):
    with refuses(DataError, *facts):
        learned(**params)
