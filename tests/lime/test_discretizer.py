"""Bin edges against percentiles and decision trees; features learned from tables."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.tree import DecisionTreeClassifier

from agnostix import LimeExplainer, as_predictor
from agnostix.core.features import JointCoding, LevelCoding, NumberCoding
from agnostix.core.frames import column_names
from agnostix.core.masking import Features
from agnostix.exceptions import DataError
from agnostix.lime import KernelSampling
from agnostix.lime.discretizer import N_BINS, Discretizer, entropy_edges, quantile_edges, snap_edges
from agnostix.lime.features import BinnedFeature, Resampling, ScaledFeature, TruncatedNormals, make_proposals
from tests.messages import refuses
from tests.reference import lime as ref
from tests.reference.lime import bin_of, quartile_edges

N = 200
RNG = np.random.default_rng(0)
EVEN = (np.arange(4096) + 0.5) / 4096


numbers = arrays(float, st.integers(1, 60), elements=st.floats(-1e6, 1e6, width=32))
few = arrays(float, st.integers(1, 60), elements=st.integers(-3, 3).map(float))


@given(st.one_of(numbers, few), st.sampled_from([2, 4, 10]))
def test_quantile_edges_equal_weights_are_percentiles(values, n_bins):
    expected = np.percentile(values, 100.0 * np.arange(1, n_bins) / n_bins)
    for weight in (1.0, 0.3):
        edges = quantile_edges(values, np.full(values.size, weight), n_bins)
        np.testing.assert_allclose(edges, np.unique(edges))
        scale = 1e-12 * np.abs(values).max(initial=1.0)
        assert np.abs(expected[:, None] - edges).min(axis=1).max() <= scale
        assert np.abs(expected[:, None] - edges).min(axis=0).max() <= scale


@given(few)
def test_quantile_edges_merge_ties(values):
    edges = quantile_edges(values, np.ones(values.size), N_BINS["quartile"])
    np.testing.assert_array_equal(edges, quartile_edges(values))


@given(st.one_of(numbers, few), st.data())
def test_quantile_edges_weights_are_repeated_rows(values, data):
    weights = data.draw(arrays(np.int64, values.size, elements=st.integers(1, 4)))
    weights[data.draw(st.integers(0, values.size - 1))] = 1
    expected = quantile_edges(np.repeat(values, weights), np.ones(weights.sum()), 4)
    np.testing.assert_allclose(quantile_edges(values, weights.astype(float), 4), expected)


@given(st.one_of(numbers, few), st.integers(0, 2**31))
def test_quantile_edges_ignore_row_order(values, seed):
    rng = np.random.default_rng(seed)
    weights, order = rng.integers(1, 5, values.size).astype(float), rng.permutation(values.size)
    np.testing.assert_array_equal(
        quantile_edges(values, weights, 4), quantile_edges(values[order], weights[order], 4)
    )


def test_quantile_edges_of_constant_and_single_row():
    for n in (1, 7):
        assert quantile_edges(np.full(n, 5.0), np.ones(n), 4).tolist() == [5.0]


@pytest.mark.parametrize("seed", range(4))
def test_entropy_edges_are_tree_thresholds(seed):
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=200), rng.integers(1, 4, 200).astype(float)
    labels = (np.sin(3.0 * values) + 0.3 * rng.normal(size=200) > 0).astype(int)
    edges = entropy_edges(values, weights, labels)
    repeated = np.repeat(np.arange(200), weights.astype(int))
    tree = DecisionTreeClassifier(criterion="entropy", max_depth=3, random_state=0)
    tree.fit(values[repeated, None], labels[repeated])
    assert 1 < edges.size <= 7
    bins = np.searchsorted(edges, values)
    chances = tree.predict_proba(values[:, None])
    for one in np.unique(bins):  # the tree says the same throughout a bin
        assert np.ptp(chances[bins == one], axis=0).max() < 1e-12


UNITS = [(1.0, 0.0), (2.0**-30, 0.0), (2.0**-400, 0.0), (2.0**40, 0.0), (1.0, 2.0**31), (-1.0, 0.0)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("scale", "offset"), UNITS)
def test_entropy_edges_follow_units_to_the_bit(scale, offset, weighted):
    rng = np.random.default_rng(5)
    values = np.round(1024.0 * rng.normal(size=300)) / 1024.0  # exact with the offset
    labels = (np.abs(values) > 0.5).astype(int)
    weights = rng.integers(1, 4, 300).astype(float) if weighted else np.ones(300)
    expected = scale * entropy_edges(values, weights, labels) + offset
    np.testing.assert_array_equal(entropy_edges(scale * values + offset, weights, labels), np.sort(expected))
    assert expected.size >= 2


@pytest.mark.parametrize(("scale", "offset"), UNITS[:-1])
def test_explanation_with_entropy_bins_ignores_units(scale, offset):
    z = np.round(1024.0 * np.random.default_rng(0).normal(size=400)) / 1024.0
    found = []
    for unit, origin in ((1.0, 0.0), (scale, offset)):
        X = pd.DataFrame({"z": z * unit + origin})
        model = as_predictor(
            lambda X, unit=unit, origin=origin: (np.asarray(X)[:, 0] > 0.25 * unit + origin) * 1.0
        )
        explainer = LimeExplainer(
            model, sampling=KernelSampling(discretizer="entropy"), n_samples=256, random_state=0
        )
        found.append(explainer.fit(X, z > 0.25).explain(X.head(8)).values)
    np.testing.assert_array_equal(found[1], found[0])
    assert np.ptp(found[0]) > 0.3


@pytest.mark.parametrize("gap", [1e-9, 1e-12])
def test_entropy_edges_between_near_values(gap):
    values = 1.0 + gap * np.arange(20.0)
    edges = entropy_edges(values, np.ones(20), (np.arange(20) > 11).astype(int))
    np.testing.assert_allclose(edges - 1.0, [11.5 * gap], rtol=1e-3)


def test_entropy_edges_separate_classes():
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert entropy_edges(values, np.ones(6), np.array(list("aabbbb"))).tolist() == [1.5]


def test_entropy_edges_of_single_class_is_median():
    values = np.array([3.0, 1.0, 2.0])
    assert entropy_edges(values, np.ones(3), np.zeros(3)).tolist() == [2.0]


@given(st.one_of(numbers, few), arrays(float, st.integers(0, 6), elements=st.floats(-2e6, 2e6, width=32)))
def test_snap_edges_occur_and_keep_bins(values, edges):
    edges = np.unique(edges)
    snapped = snap_edges(edges, values)
    assert set(snapped) <= set(values)
    assert (np.diff(snapped) > 0).all()
    before = [bin_of(x, edges) for x in values]
    after = [bin_of(x, snapped) for x in values]
    same = {(a, b) for a in range(len(values)) for b in range(a) if before[a] == before[b]}
    assert {(a, b) for a in range(len(values)) for b in range(a) if after[a] == after[b]} == same


# ---------------------------------------------------------------- learned features


def learn(table, method="quartile", weights=None, labels=None, groups=None):
    weights = np.ones(len(table)) if weights is None else weights
    named = Features.from_names(column_names(table), groups)
    return Discretizer(table, weights, method, labels, "Owner").learn_features(named)


def one(table, **params):
    return learn(table, **params)[0]


def frame(**columns):
    return pd.DataFrame(columns)


# ---------------------------------------------------------------- which columns are sampled method


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
    column, coding, distribution = kinds()[kind]
    feature = one(frame(x=column))
    assert isinstance(feature, BinnedFeature)
    assert (type(feature.coding), type(feature.distribution)) == (coding, distribution)
    assert feature.positions == (0,)
    if distribution is Resampling:
        values = pd.Series(feature.sample(EVEN).columns[0])
        assert set(values.dropna()) <= set(pd.Series(column).dropna())
        assert values.dtype == pd.Series(column).dtype


@pytest.mark.parametrize(
    "make",
    [np.array, lambda X: pd.DataFrame(X, columns=["a", "b"]), lambda X: pl.DataFrame(X, schema=["a", "b"])],
)
def test_learn_same_from_numpy_pandas_polars(make):
    X = RNG.normal(size=(N, 2))
    for feature, expected in zip(learn(make(X)), learn(X), strict=True):
        np.testing.assert_array_equal(feature.coding.edges, expected.coding.edges)
        np.testing.assert_array_equal(feature.sample(EVEN).columns[0], expected.sample(EVEN).columns[0])


@pytest.mark.parametrize(("method", "n_bins"), [("quartile", 4), ("decile", 10)])
def test_learn_quartiles_and_deciles_are_percentiles(method, n_bins):
    X = RNG.normal(size=(N, 1))
    feature = one(X, method=method)
    expected = np.percentile(X[:, 0], 100.0 * np.arange(1, n_bins) / n_bins)
    np.testing.assert_allclose(feature.coding.edges, expected, rtol=1e-12)
    plain = ref.bins_of(X[:, 0], feature.coding.edges)
    np.testing.assert_allclose(feature.frequencies, [*(b.p for b in plain), 0.0], atol=1e-15)
    assert feature.proposal is feature.frequencies


def test_learn_entropy_bins_by_labels():
    x, y = np.arange(20.0), np.repeat(["no", "yes"], [6, 14])
    feature = one(x[:, None], method="entropy", labels=y)
    assert feature.coding.edges.tolist() == [5.5]
    gaps = one(np.r_[np.nan, x][:, None], method="entropy", labels=np.r_[["yes"], y])
    assert gaps.coding.edges.tolist() == [5.5]
    assert gaps.frequencies[-1] == pytest.approx(1 / 21)


def test_learn_weights_are_repeated_rows():
    x, weights = RNG.normal(size=40), RNG.integers(1, 4, size=40)
    weights[0] = 1
    columns = {"x": x, "t": np.array(list("abcd") * 10, dtype=object), "k": RNG.integers(0, 9, size=40)}
    table = pd.DataFrame(columns)
    often = table.loc[np.repeat(np.arange(40), weights)].reset_index(drop=True)
    for feature, expected in zip(learn(table, weights=weights.astype(float)), learn(often), strict=True):
        np.testing.assert_allclose(feature.frequencies, expected.frequencies, atol=1e-14)
        one_, other = feature.sample(EVEN).columns[0], expected.sample(EVEN).columns[0]
        if feature.positions == (0,):
            np.testing.assert_allclose(one_, other, atol=1e-9)
        else:
            assert (np.asarray(one_) == np.asarray(other)).mean() > 0.99  # but for shares on a row's end


def test_learn_oversamples_rare_levels():
    table = frame(x=["u"] * 197 + ["v"] * 3, z=RNG.normal(size=N))
    first, second = learn(table)
    expected, _ = make_proposals([first.frequencies, second.frequencies])
    np.testing.assert_array_equal(first.proposal, expected)
    assert first.frequencies.tolist() == [0.985, 0.015]
    assert first.proposal[1] > 0.1
    assert second.proposal is second.frequencies


def test_learn_edges_of_dates_occur():
    days = pd.to_datetime(["2024-01-01"] * 3 + ["2024-01-08", "2024-01-09", "2024-03-01"])
    coding = one(frame(x=days)).coding
    assert coding.describe(0) == "x <= 2024-01-01"
    assert coding.describe(coding.n_codes - 2) == "x > 2024-01-08"
    polars = one(pl.DataFrame({"x": [dt.date(2024, 1, d) for d in (1, 2, 3, 4, 5)]})).coding
    assert [polars.describe(c) for c in (1, 4)] == ["2024-01-02 < x <= 2024-01-03", "x missing"]


def test_learn_column_all_missing():
    feature = one(frame(x=np.full(5, np.nan)))
    assert feature.frequencies.tolist() == [0.0, 1.0]
    assert not feature.varies
    assert np.isnan(feature.sample(EVEN).columns[0]).all()


# ---------------------------------------------------------------- groups


def test_learn_group_resamples_whole_rows():
    hot = np.eye(3)[RNG.integers(0, 3, size=N)]
    table = pd.DataFrame(np.column_stack([hot, RNG.normal(size=N)]), columns=["a", "b", "c", "x"])
    group, alone = learn(table, groups={"abc": ["c", "a", "b"]})
    assert isinstance(group.coding, JointCoding)
    assert (group.positions, alone.positions) == ((0, 1, 2), (3,))
    sampled = np.column_stack(group.sample(EVEN).columns)
    assert {tuple(row) for row in sampled} == {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)}
    assert group.frequencies.sum() == pytest.approx(1.0)
    codes = group.coding.codes(table)
    for code, share in enumerate(group.frequencies):
        assert share == pytest.approx((codes == code).mean())


def test_learn_group_resamples_rows_by_weight():
    table = frame(x=[1.0, 2.0, 3.0, 4.0], t=list("uvuv"))
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    (group,) = learn(table, weights=weights, groups={"all": ["x", "t"]})
    x, t = group._sample(EVEN, group.frequencies).columns
    pairs = pd.Series(zip(x, t, strict=True)).value_counts(normalize=True)
    for row, weight in zip(zip(table["x"], table["t"], strict=True), weights, strict=True):
        assert pairs[row] == pytest.approx(weight / 10, abs=1e-3)


# ---------------------------------------------------------------- numbers without bins


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
def test_learn_scaled_mean_and_sd(dtype):
    column = RNG.integers(0, 200, size=N).astype(dtype)
    weights = RNG.integers(1, 4, size=N)
    feature = one(frame(x=column), method=None, weights=weights.astype(float))
    assert isinstance(feature, ScaledFeature)
    often = np.repeat(column.astype(float), weights)
    assert feature.mean == pytest.approx(often.mean())
    assert feature.sd == pytest.approx(often.std())
    assert feature.dtype == dtype


def test_learn_scaled_constant_is_exact():
    feature = one(np.full((7, 1), 0.1), method=None, weights=np.full(7, 0.3))
    assert (feature.mean, feature.sd) == (0.1, 0.0)


def test_learn_without_bins_keeps_levels():
    number, level = learn(frame(x=RNG.normal(size=N), t=["u", "v"] * (N // 2)), method=None)
    assert (type(number), type(level)) == (ScaledFeature, BinnedFeature)


# ---------------------------------------------------------------- errors


NO_BINS = ("finite numbers", "discretizer='quartile'", "missing values are a bin")
REFUSED = [
    ({"table": frame(x=[1.0, np.inf, 2.0])}, ["'x'", "infinite values", "bin", "missing ones"]),
    ({"table": frame(x=[1.0, np.inf]), "method": None}, ["'x'", "missing or infinite values", *NO_BINS]),
    ({"table": frame(x=[1.0, np.nan]), "method": None}, ["'x'", "missing or infinite values", *NO_BINS]),
    (
        {"table": frame(x=pd.array([1, None], dtype="Int64")), "method": None},
        ["'x'", "type Int64", *NO_BINS],
    ),
    (
        {"table": frame(x=pd.to_datetime(["2024-01-01"]).as_unit("us")), "method": None},
        ["'x'", "type datetime64[us]", *NO_BINS],
    ),
    (
        {"table": pl.DataFrame({"x": [1.5, None]}), "method": None},
        ["'x'", "missing or infinite values", *NO_BINS],
    ),
    (
        {"table": frame(x=[1.0, 2.0], t=["u", "v"]), "method": None, "groups": {"both": ["t", "x"]}},
        ["group 'both' of feature_groups", "numbers 'x'", "discretizer='quartile'"],
    ),
    (
        {"table": frame(x=[1.0, 2.0]), "method": "entropy"},
        ["'discretizer' of Owner is 'entropy'", "pass y to fit", "'quartile'"],
    ),
    (
        {"table": frame(x=[1.0, 2.0]), "method": "entropy", "labels": np.array([0.5, 1.5])},
        ["'discretizer' of Owner is 'entropy'", "y is continuous", "Pass classes", "'quartile'"],
    ),
]


@pytest.mark.parametrize(("params", "facts"), REFUSED)
def test_learn_refuses_bad_columns_and_labels(params, facts):
    with refuses(DataError, *facts):
        learn(**params)
