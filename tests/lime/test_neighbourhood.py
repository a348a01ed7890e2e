"""Samples of whole rows, shared or per row, as tables and as surrogate designs."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import chi2_contingency

from agnostix.core.frames import column_names
from agnostix.core.masking import Features
from agnostix.core.sobol import SobolBlocks
from agnostix.lime.learn_features import FeatureLearner
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.shared_rows import SharedRows
from agnostix.lime.traces import Traces

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


def neighbourhood(table, n_points=512, how="quartile", groups=None, seed=0):
    players = Features.from_names(column_names(table), groups)
    features = FeatureLearner(table, np.ones(len(table)), how, None, "Owner").learn(players)
    return Neighbourhood(
        table[:20], tuple(features), SobolBlocks.from_n_points(len(features), n_points, seed)
    )


def same(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(one, pl.DataFrame):
        assert one.equals(other, null_equal=True)
    else:
        assert (pd.DataFrame(one).compare(pd.DataFrame(other))).empty


def values_of(table):
    return [column.to_list() for column in (table[name] for name in table.columns)]


# ---------------------------------------------------------------- draws for all rows


@forms
def test_sampled_table_keeps_type_and_dtypes(table):
    near = neighbourhood(table)
    drawn = near.table(near.shared(slice(0, 512)))
    assert type(drawn) is type(table)
    assert drawn.shape == (512, table.shape[1])
    if isinstance(table, np.ndarray):
        assert drawn.dtype == table.dtype
    else:
        assert list(drawn.dtypes) == list(table.dtypes)
        assert list(drawn.columns) == list(table.columns)


@forms
def test_traces_match_centers_of_sampled_table(table):
    near = neighbourhood(table)
    drawn = near.shared(slice(0, 512))
    found = near.centres(near.table(drawn))
    np.testing.assert_array_equal(found, np.stack([one.trace for one in drawn], axis=1))
    assert not near.unseen(found).any()


def test_shared_samples_have_independent_features():
    near = neighbourhood(PLAIN, 8192)
    codes = [one.trace for one in near.shared(slice(0, 8192))]
    for j in range(3):
        np.testing.assert_allclose(np.bincount(codes[j]) / 8192, near.features[j].asked[:4], atol=2e-3)
        for k in range(j):
            table = np.zeros((4, 4))
            np.add.at(table, (codes[j], codes[k]), 1)
            assert chi2_contingency(table).pvalue > 1e-4


@forms
@pytest.mark.parametrize("chunk", [1, 900, 10**6])
def test_shared_rows_of_slice(table, chunk, monkeypatch):
    monkeypatch.setattr("agnostix.lime.shared_rows.CHUNK_NUMBERS", chunk)
    near = neighbourhood(table)
    whole = near.table(near.shared(slice(0, 512)))
    rows = SharedRows(near).for_worker()
    assert (rows.n_rows(0), rows.n_columns) == (512, table.shape[1])
    for part in (slice(0, 5), slice(5, 300), slice(17, 18), slice(480, 512)):
        same(
            rows.build(0, part), whole[part].reset_index(drop=True) if hasattr(whole, "iloc") else whole[part]
        )
    np.testing.assert_array_equal(
        rows.traces().codes, np.stack([one.trace for one in near.shared(slice(0, 512))])
    )


def test_shared_rows_longer_continue_shorter():
    short = neighbourhood(MIXED)
    longer = Neighbourhood(short.like, short.features, short.points.longer(2))
    rest = SharedRows(longer, start=512)
    assert rest.n_rows(0) == 512
    whole = longer.table(longer.shared(slice(0, 1024)))
    same(rest.build(0, slice(100, 200)), whole[612:712].reset_index(drop=True))
    same(short.table(short.shared(slice(0, 512))), whole[:512])
    assert rest.describe(0, slice(0, 3)) == "draws 512 to 514 of the neighborhood"
    traces, first = rest.traces(), SharedRows(short).traces()
    assert traces.n_draws == 1024
    for name in ("codes", "numbers", "log_weights"):
        np.testing.assert_array_equal(getattr(traces.first(512), name), getattr(first, name))


# ---------------------------------------------------------------- draws of a row's own


@pytest.mark.parametrize("how", ["tilted", "local"])
@pytest.mark.parametrize("kept", [0, 64 * 2**20])
def test_own_draws_match_features_at_same_points(how, kept, monkeypatch):
    monkeypatch.setattr("agnostix.lime.own_draws.KEPT_BYTES", kept)
    near = neighbourhood(MIXED)
    points = near.points.points(slice(0, 512))
    draws = OwnDraws(near, how, 0.8).for_worker()
    centres = near.centres(MIXED.iloc[[0, 50, 0, 3, 51]])
    for centre in centres:
        for j, drawn in enumerate(draws.draw(centre)):
            feature = near.features[j]
            if how == "tilted":
                expected = feature.tilted(points[:, j], int(centre[j]), 0.8)
            else:
                expected = feature.drawn(points[:, j]) if feature.asked is feature.seen else None
            if expected is not None:
                np.testing.assert_array_equal(drawn.trace, expected.trace)


def test_own_draws_do_not_oversample_rare_levels():
    near = neighbourhood(MIXED, 8192)
    draws = OwnDraws(near, "local", 1.0)
    drawn = draws.draw(near.centres(MIXED.iloc[:1])[0])
    rare = int(near.features[1].centres(MIXED.iloc[:1])[0])
    assert (drawn[1].trace == rare).mean() == pytest.approx(3 / N, abs=1e-3)
    assert near.features[1].asked[rare] > 0.05
    np.testing.assert_array_equal(draws.traces(drawn).log_weights, 0.0)


def test_own_draws_ignore_earlier_rows():
    near = neighbourhood(PLAIN, how=None)
    centres = near.centres(PLAIN[:4])
    draws = OwnDraws(near, "local", 0.5)
    after = [draws.draw(centre) for centre in centres][-1]
    alone = OwnDraws(near, "local", 0.5).draw(centres[3])
    for one, other in zip(after, alone, strict=True):
        np.testing.assert_array_equal(one.columns[0], other.columns[0])


# ---------------------------------------------------------------- what a surrogate sees


def traced(how="quartile"):
    near = neighbourhood(MIXED[["x", "t", "k"]], 64, how)
    drawn = near.shared(slice(0, 64))
    return near, drawn, Traces.of(near.features, [one.trace for one in drawn], weighted=True)


@pytest.mark.parametrize("how", ["quartile", None])
@pytest.mark.parametrize("at", [0, 50])
def test_traces_design_is_indicator_or_standardized(how, at):
    near, drawn, traces = traced(how)
    centre = near.centres(MIXED[["x", "t", "k"]].iloc[[at]])[0]
    design, own, squares = traces.design(centre)
    expected, apart = np.empty((3, 64)), np.zeros(64)
    for j, one in enumerate(drawn):
        is_number = how is None and j != 1
        expected[j] = one.trace if is_number else one.trace == centre[j]
        apart += (one.trace - centre[j]) ** 2 if is_number else one.trace != centre[j]
    np.testing.assert_array_equal(design, expected)
    np.testing.assert_allclose(squares, apart, rtol=1e-14)
    np.testing.assert_array_equal(own, [centre[0], 1.0, centre[2]] if how is None else [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(traces.is_binned, [how is not None, True, how is not None])


def test_traces_log_weights_sum_over_features():
    near, drawn, traces = traced()
    expected = np.zeros(64)
    for feature, one in zip(near.features, drawn, strict=True):
        expected += np.log(
            feature.seen / np.where(feature.asked > 0, feature.asked, 1.0) + (feature.seen == 0)
        )[one.trace]
    np.testing.assert_allclose(traces.log_weights, expected, atol=1e-12)
    assert np.ptp(traces.log_weights) > 0.5
    unweighted = Traces.of(near.features, [one.trace for one in drawn], weighted=False)
    np.testing.assert_array_equal(unweighted.log_weights, 0.0)


def test_unseen_levels_and_missing_values():
    near = neighbourhood(MIXED)
    table = MIXED.iloc[:2].copy()
    table["t"] = pd.Categorical([None, "rare"], categories=MIXED["t"].cat.categories)
    table.loc[0, "x"] = np.nan
    found = near.unseen(near.centres(table))
    assert found.tolist() == [[True, True, False, False, False], [False] * 5]
    assert near.varies.all()
