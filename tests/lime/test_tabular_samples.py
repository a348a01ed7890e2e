"""Samples of whole rows, shared or of each row, as tables and as surrogate designs."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import chi2_contingency

from agnostix.core.designs import Design
from agnostix.core.frames import column_names
from agnostix.core.masking import Features
from agnostix.lime.discretizer import Discretizer
from agnostix.lime.tabular_samples import InterpretableSamples, RowSampler, SharedSamples, TabularSampler

RNG = np.random.default_rng(0)
N = 120
PLAIN = RNG.normal(size=(N, 3))
RARE = np.where(np.arange(N) < 3, "rare", "common")
MIXED = pd.DataFrame(
    {
        "x": PLAIN[:, 0],
        "t": pd.Categorical(RARE),
        "k": np.arange(N) % 7,
        "day": [dt.datetime(2024, 1, 1) + dt.timedelta(days=j % 9) for j in range(N)],
        "gap": np.where(np.arange(N) % 5 == 0, np.nan, PLAIN[:, 1]),
    }
)
FORMS = {
    "numpy": PLAIN,
    "objects": np.array(MIXED.astype({"t": object}), dtype=object),
    "pandas": MIXED,
    "polars": pl.from_pandas(MIXED.astype({"t": "str"})),
}
forms = pytest.mark.parametrize("table", FORMS.values(), ids=FORMS)


def make_sampler(table, n_points=512, method="quartile", groups=None, seed=0):
    named = Features.from_names(column_names(table), groups)
    features = Discretizer(table, np.ones(len(table)), method, None, "Owner").learn_features(named)
    return TabularSampler(table[:20], tuple(features), Design.from_n_points(len(features), n_points, seed))


def same(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(one, pl.DataFrame):
        assert one.equals(other, null_equal=True)
    else:
        assert (pd.DataFrame(one).compare(pd.DataFrame(other))).empty


def values_of(table):
    return [column.to_list() for column in (table[name] for name in table.columns)]


# ---------------------------------------------------------------- samples for all rows


@forms
def test_sampled_table_keeps_type_and_dtypes(table):
    sampler = make_sampler(table)
    built = sampler.build_table(sampler.sample(slice(0, 512)))
    assert type(built) is type(table)
    assert built.shape == (512, table.shape[1])
    if isinstance(table, np.ndarray):
        assert built.dtype == table.dtype
    else:
        assert list(built.dtypes) == list(table.dtypes)
        assert list(built.columns) == list(table.columns)


@forms
def test_interpretable_samples_match_centers_of_sampled_table(table):
    sampler = make_sampler(table)
    drawn = sampler.sample(slice(0, 512))
    encoded = sampler.encode(sampler.build_table(drawn))
    np.testing.assert_array_equal(encoded, np.stack(sampler.encoded(drawn), axis=1))
    assert not sampler.is_unseen(encoded).any()


def test_shared_samples_have_independent_features():
    sampler = make_sampler(PLAIN, 8192)
    codes = [one.encoded for one in sampler.sample(slice(0, 8192)).dense]
    for j in range(3):
        np.testing.assert_allclose(np.bincount(codes[j]) / 8192, sampler.features[j].proposal[:4], atol=2e-3)
        for k in range(j):
            table = np.zeros((4, 4))
            np.add.at(table, (codes[j], codes[k]), 1)
            assert chi2_contingency(table).pvalue > 1e-4


@forms
@pytest.mark.parametrize("chunk", [1, 900, 10**6])
def test_shared_samples_of_slice(table, chunk, monkeypatch):
    monkeypatch.setattr("agnostix.lime.tabular_samples.CHUNK_NUMBERS", chunk)
    sampler = make_sampler(table)
    whole = sampler.build_table(sampler.sample(slice(0, 512)))
    rows = SharedSamples(sampler).for_worker()
    assert (rows.n_rows(0), rows.n_columns) == (512, table.shape[1])
    for part in (slice(0, 5), slice(5, 300), slice(17, 18), slice(480, 512)):
        same(
            rows.build(0, part), whole[part].reset_index(drop=True) if hasattr(whole, "iloc") else whole[part]
        )
    np.testing.assert_array_equal(
        rows.interpret().codes, np.stack([one.encoded for one in sampler.sample(slice(0, 512)).dense])
    )


def test_shared_samples_longer_continue_shorter():
    short = make_sampler(MIXED)
    longer = TabularSampler(short.template, short.features, short.points.longer(2))
    rest = SharedSamples(longer, start=512)
    assert rest.n_rows(0) == 512
    whole = longer.build_table(longer.sample(slice(0, 1024)))
    same(rest.build(0, slice(100, 200)), whole[612:712].reset_index(drop=True))
    same(short.build_table(short.sample(slice(0, 512))), whole[:512])
    assert rest.describe(0, slice(0, 3)) == "samples 512 to 514 of the neighborhood"
    samples, first = rest.interpret(), SharedSamples(short).interpret()
    assert samples.n_samples == 1024
    for name in ("codes", "standardized", "log_weights"):
        np.testing.assert_array_equal(getattr(samples, name)[..., :512], getattr(first, name))


# ---------------------------------------------------------------- samples of each row


@pytest.mark.parametrize("method", ["tilted", "local"])
@pytest.mark.parametrize("cache_bytes", [0, 64 * 2**20])
def test_row_sampler_samples_match_features_at_same_points(method, cache_bytes, monkeypatch):
    monkeypatch.setattr("agnostix.lime.tabular_samples.CACHE_BYTES", cache_bytes)
    sampler = make_sampler(MIXED)
    points = sampler.points.points(slice(0, 512))
    row_sampler = RowSampler(sampler, method, 0.8).for_worker()
    for center in sampler.encode(MIXED.iloc[[0, 50, 0, 3, 51]]):
        for j, one in enumerate(row_sampler.sample(center).dense):
            feature = sampler.features[j]
            if method == "tilted":
                expected = feature.sample_tilted(points[:, j], int(center[j]), 0.8)
            else:
                expected = feature.sample(points[:, j]) if feature.proposal is feature.frequencies else None
            if expected is not None:
                np.testing.assert_array_equal(one.encoded, expected.encoded)


def test_row_sampler_samples_do_not_oversample_rare_levels():
    sampler = make_sampler(MIXED, 8192)
    row_sampler = RowSampler(sampler, "local", 1.0)
    drawn = row_sampler.sample(sampler.encode(MIXED.iloc[:1])[0])
    rare = int(sampler.features[1].encode(MIXED.iloc[:1])[0])
    assert (drawn.dense[1].encoded == rare).mean() == pytest.approx(3 / N, abs=1e-3)
    assert sampler.features[1].proposal[rare] > 0.05
    np.testing.assert_array_equal(row_sampler.interpret(drawn).log_weights, 0.0)


def test_row_sampler_samples_ignore_earlier_rows():
    sampler = make_sampler(PLAIN, method=None)
    encoded = sampler.encode(PLAIN[:4])
    row_sampler = RowSampler(sampler, "local", 0.5)
    after = [row_sampler.sample(center).dense for center in encoded][-1]
    alone = RowSampler(sampler, "local", 0.5).sample(encoded[3]).dense
    for one, other in zip(after, alone, strict=True):
        np.testing.assert_array_equal(one.columns[0], other.columns[0])


# ---------------------------------------------------------------- what a surrogate sees


def interpretable(method="quartile"):
    sampler = make_sampler(MIXED[["x", "t", "k"]], 64, method)
    samples = sampler.sample(slice(0, 64)).dense
    return (
        sampler,
        samples,
        InterpretableSamples.from_encoded(sampler.features, [one.encoded for one in samples], weighted=True),
    )


@pytest.mark.parametrize("method", ["quartile", None])
@pytest.mark.parametrize("at", [0, 50])
def test_interpretable_samples_design_is_indicator_or_standardized(method, at):
    sampler, feature_samples, samples = interpretable(method)
    center = sampler.encode(MIXED[["x", "t", "k"]].iloc[[at]])[0]
    design, own, squares = samples.design(center)
    expected, apart = np.empty((3, 64)), np.zeros(64)
    for j, one in enumerate(feature_samples):
        is_number = method is None and j != 1
        expected[j] = one.encoded if is_number else one.encoded == center[j]
        apart += (one.encoded - center[j]) ** 2 if is_number else one.encoded != center[j]
    np.testing.assert_array_equal(design, expected)
    np.testing.assert_allclose(squares, apart, rtol=1e-14)
    np.testing.assert_array_equal(own, [center[0], 1.0, center[2]] if method is None else [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(samples.is_binned, [method is not None, True, method is not None])


def test_interpretable_samples_log_weights_sum_over_features():
    sampler, feature_samples, samples = interpretable()
    expected = np.zeros(64)
    for feature, one in zip(sampler.features, feature_samples, strict=True):
        expected += np.log(
            feature.frequencies / np.where(feature.proposal > 0, feature.proposal, 1.0)
            + (feature.frequencies == 0)
        )[one.encoded]
    np.testing.assert_allclose(samples.log_weights, expected, atol=1e-12)
    assert np.ptp(samples.log_weights) > 0.5
    unweighted = InterpretableSamples.from_encoded(
        sampler.features, [one.encoded for one in feature_samples], weighted=False
    )
    np.testing.assert_array_equal(unweighted.log_weights, 0.0)


def test_unseen_levels_and_missing_values():
    sampler = make_sampler(MIXED)
    table = MIXED.iloc[:2].copy()
    table["t"] = pd.Categorical([None, "rare"], categories=MIXED["t"].cat.categories)
    table.loc[0, "x"] = np.nan
    encoded = sampler.is_unseen(sampler.encode(table))
    assert encoded.tolist() == [[True, True, False, False, False], [False] * 5]
    assert sampler.varies.all()
