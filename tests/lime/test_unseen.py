"""Contrasts of unseen levels against a weighted mean of paired differences."""

import numpy as np
import pandas as pd
import pytest

from agnostix.core.evaluate import evaluate
from agnostix.core.masking import Features
from agnostix.core.models import as_predictor
from agnostix.core.sobol import SobolBlocks
from agnostix.lime.kernel import Kernel
from agnostix.lime.learn_features import FeatureLearner
from agnostix.lime.near_rows import SurrogateSpec
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.selection import forward_selection
from agnostix.lime.surrogates import LinearSurrogate
from agnostix.lime.unseen import UnseenContrasts
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


def contrasts(how, n=1024, groups=None):
    players = Features.from_names(list(TABLE), groups)
    features = FeatureLearner(TABLE, np.ones(90), "quartile", None, "Owner").learn(players)
    hood = Neighbourhood(TABLE.iloc[:20], tuple(features), SobolBlocks.from_n_points(len(features), n, 0))
    own = None if how == "kernel" else OwnDraws(hood, "tilted", 1.2)
    kernel = Kernel(1.2) if own is None else None
    spec = SurrogateSpec(LinearSurrogate(1.0, forward_selection), kernel, None, None, False)
    centres = hood.centres(ROWS)
    unseen = hood.unseen(centres)
    return UnseenContrasts.of(spec, hood, own, ROWS, centres, unseen, np.array([5, 8])), hood, unseen


@pytest.mark.parametrize("how", ["kernel", "tilted"])
def test_unseen_contrast_is_weighted_mean_of_differences(how):
    found, hood, unseen = contrasts(how)
    assert unseen.tolist() == [[False, True, False], [True, False, False]]
    assert found.pairs.tolist() == [[0, 1], [1, 0]]
    effects, _ = evaluate(as_predictor(model), found, UnseenContrasts.estimate_effect, n_outputs=2)
    for (row, feature), (effect, error) in zip(found.pairs, effects, strict=True):
        table = found.build(found.pairs.tolist().index([row, feature]), slice(0, 1024))
        without, given = table.iloc[:512].reset_index(drop=True), table.iloc[512:].reset_index(drop=True)
        name = TABLE.columns[feature]
        pd.testing.assert_frame_equal(without.drop(columns=name), given.drop(columns=name))
        assert {str(value) for value in given[name]} == {str(ROWS[name][row])}
        weights = np.ones(512)
        if how == "kernel":
            codes = hood.centres(without)
            apart = (codes != hood.centres(ROWS)[row]).sum(axis=1)
            undo = [
                feature_.log_weights(column.astype(int))
                for feature_, column in zip(hood.features, codes.T, strict=True)
            ]
            weights = np.exp(np.sum([log * np.ones(512) for log in undo], axis=0) - apart / (2.0 * 1.2**2))
        apart = model(given) - model(without)
        expected = np.average(apart, axis=0, weights=weights)
        np.testing.assert_allclose(effect, expected, rtol=1e-10)
        parts = weights[:, None] / weights.sum() * (apart - expected)
        blocks = parts.reshape(16, 32, 2).sum(axis=1)
        np.testing.assert_allclose(error, spread(list(blocks), 512, 1), rtol=1e-9)


def test_unseen_contrast_rows_without_then_with_value():
    found, hood, _ = contrasts("kernel", n=2048)
    whole = found.build(0, slice(0, 1024))
    drawn = found.neighbourhood.table(found.neighbourhood.shared(slice(0, 512)))
    pd.testing.assert_frame_equal(whole.iloc[:512], drawn)
    changed = [name for name in whole if not whole[name][512:].reset_index(drop=True).equals(drawn[name])]
    places = hood.features[found.pairs[0][1]].positions
    assert changed == [whole.columns[place] for place in places]


@pytest.mark.parametrize(("n", "taken"), [(64, 64), (512, 512), (5000, 19 * 32)])
def test_unseen_contrasts_cost(n, taken):
    found, hood, _ = contrasts("kernel", n=n)
    assert [found.n_rows(item) for item in range(2)] == [2 * taken] * 2
    assert UnseenContrasts.cost(hood, 2) == 4 * taken


@pytest.mark.parametrize("how", ["kernel", "tilted"])
def test_unseen_contrasts_same_in_worker_and_slice(how):
    found, _, _ = contrasts(how)
    other = found.for_worker()
    for item in (1, 0, 1):
        whole = found.build(item, slice(0, 1024))
        part = other.build(item, slice(300, 700)).reset_index(drop=True)
        pd.testing.assert_frame_equal(part, whole.iloc[300:700].reset_index(drop=True))


def test_unseen_contrasts_replace_whole_group():
    found, _, unseen = contrasts("kernel", groups={"both": ["t", "y"]})
    assert unseen[0].tolist() == [False, True]
    given = found.build(0, slice(512, 1024))
    assert set(given["t"]) == {"new"}
    assert set(given["y"]) == {0.0}
    assert given["x"].nunique() > 100


def test_unseen_contrasts_describe_rows():
    found, _, _ = contrasts("kernel")
    assert found.describe(1, slice(3, 9)) == "draws 3 to 8 around row 8"
