"""Effects of unseen levels against a weighted mean of paired differences."""

import numpy as np
import pandas as pd
import pytest

from agnostix.core.designs import Design
from agnostix.core.evaluate import evaluate
from agnostix.core.masking import Features
from agnostix.core.models import as_predictor
from agnostix.lime.discretizer import Discretizer
from agnostix.lime.sampling import Kernel
from agnostix.lime.tabular_samples import RowSampler, TabularSampler
from agnostix.lime.unseen_levels import UnseenLevelEffects, count_effect_rows
from tests.lime.regressions import spread

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "x": RNG.normal(size=90),
        "t": pd.Categorical(
            np.where(np.arange(90) < 5, "rare", "often"), categories=["often", "rare", "new"]
        ),
        "y": RNG.normal(size=90),
    }
)
ROWS = pd.DataFrame(
    {
        "x": [0.1, np.nan],
        "t": pd.Categorical(["new", "rare"], categories=["often", "rare", "new"]),
        "y": [0.0, 9.0],
    }
)
LEVELS = {"often": 0.0, "rare": 1.0, "new": 7.0}


def model(table):
    level = table["t"].astype(str).map(LEVELS).to_numpy()
    x, y = np.nan_to_num(table["x"].to_numpy(), nan=4.0), table["y"].to_numpy()
    return np.stack([level * (1.0 + y) + x, x * y], axis=1)


def make_effects(method, n=1024, groups=None):
    """Effects of the unseen values of ROWS, the sampler, and which values are is_unseen."""
    named = Features.from_names(list(TABLE), groups)
    features = Discretizer(TABLE, np.ones(90), "quartile", None, "Owner").learn_features(named)
    points = Design.from_n_points(len(features), n, 0)
    sampler = TabularSampler(TABLE.iloc[:20], tuple(features), points)
    row_sampler = None if method == "kernel" else RowSampler(sampler, "tilted", 1.2)
    kernel = Kernel(1.2) if row_sampler is None else None
    encoded = sampler.encode(ROWS)
    is_unseen = sampler.is_unseen(encoded)
    row_indices = np.array([5, 8])
    effects = UnseenLevelEffects.from_flags(
        kernel, sampler, row_sampler, ROWS, encoded, is_unseen, row_indices
    )
    return effects, sampler, is_unseen


@pytest.mark.parametrize("method", ["kernel", "tilted"])
def test_unseen_level_effect_is_weighted_mean_of_differences(method):
    source, sampler, is_unseen = make_effects(method)
    assert is_unseen.tolist() == [[False, True, False], [True, False, False]]
    assert source.pairs.tolist() == [[0, 1], [1, 0]]
    effects, _ = evaluate(as_predictor(model), source, UnseenLevelEffects.estimate_effect, n_outputs=2)
    for (row, feature), (effect, error, dof, components) in zip(source.pairs, effects, strict=True):
        n = source.sampler.points.n_points
        table = source.build(source.pairs.tolist().index([row, feature]), slice(0, 2 * n))
        before, after = table.iloc[:n].reset_index(drop=True), table.iloc[n:].reset_index(drop=True)
        name = TABLE.columns[feature]
        pd.testing.assert_frame_equal(before.drop(columns=name), after.drop(columns=name))
        assert {str(value) for value in after[name]} == {str(ROWS[name][row])}
        weights = np.ones(n)
        if method == "kernel":
            codes = sampler.encode(before)
            differs = (codes != sampler.encode(ROWS)[row]).sum(axis=1)
            logs = [
                feature_.log_weights(column.astype(int))
                for feature_, column in zip(sampler.features, codes.T, strict=True)
            ]
            weights = np.exp(np.sum([log * np.ones(n) for log in logs], axis=0) - differs / (2.0 * 1.2**2))
        difference = model(after) - model(before)
        expected = np.average(difference, axis=0, weights=weights)
        np.testing.assert_allclose(effect, expected, rtol=1e-10)
        parts = weights[:, None] / weights.sum() * (difference - expected)
        blocks = parts.reshape(source.sampler.points.n_blocks, -1, 2).sum(axis=1)
        np.testing.assert_allclose(error, spread(list(blocks), n, 0), rtol=1e-9)
        np.testing.assert_allclose((components.astype(float) ** 2).sum(axis=1), error**2, rtol=1e-5)
        assert (dof >= 15).all()


def test_unseen_level_effects_rows_without_then_with_value():
    source, sampler, _ = make_effects("kernel", n=2048)
    n = source.sampler.points.n_points
    whole = source.build(0, slice(0, 2 * n))
    samples = source.sampler.build_table(source.sampler.sample(slice(0, n)))
    pd.testing.assert_frame_equal(whole.iloc[:n], samples)
    changed = [name for name in whole if not whole[name][n:].reset_index(drop=True).equals(samples[name])]
    places = sampler.features[source.pairs[0][1]].positions
    assert changed == [whole.columns[place] for place in places]


@pytest.mark.parametrize(("n", "n_taken"), [(64, 64), (512, 512), (5000, 19 * 32)])
def test_unseen_level_effects_cost(n, n_taken):
    source, sampler, _ = make_effects("kernel", n=n)
    assert [source.n_rows(item) for item in range(2)] == [2 * n_taken] * 2
    assert count_effect_rows(sampler, 2) == 4 * n_taken


@pytest.mark.parametrize("method", ["kernel", "tilted"])
def test_unseen_level_effects_same_in_worker_and_slice(method):
    source, _, _ = make_effects(method)
    other = source.for_worker()
    for item in (1, 0, 1):
        whole = source.build(item, slice(0, 1024))
        part = other.build(item, slice(300, 700)).reset_index(drop=True)
        pd.testing.assert_frame_equal(part, whole.iloc[300:700].reset_index(drop=True))


def test_unseen_level_effects_replace_whole_group():
    source, _, is_unseen = make_effects("kernel", groups={"both": ["t", "y"]})
    assert is_unseen[0].tolist() == [False, True]
    n = source.sampler.points.n_points
    after = source.build(0, slice(n, 2 * n))
    assert set(after["t"]) == {"new"}
    assert set(after["y"]) == {0.0}
    assert after["x"].nunique() > 100


def test_unseen_level_effects_describe_rows():
    source, _, _ = make_effects("kernel")
    assert source.describe(1, slice(3, 9)) == "samples 3 to 8 around row 8"
