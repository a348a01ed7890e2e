"""Trees that keep their background: the same values, in bounded memory, by any number of workers."""

from __future__ import annotations

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)

from agnostix.core.features import Features
from agnostix.core.frames import column_names
from agnostix.core.models import as_predictor
from agnostix.core.trees import read_trees
from agnostix.shapley.trees import TreeBackground, forecast_trees, seconds_per_row, values_over
from tests.shapley.trees.brute_force import numbers

X, Y, LABELS = numbers(n_rows=700)
SMALL = HistGradientBoostingClassifier(max_iter=4).fit(X, LABELS)
LARGE = RandomForestRegressor(3, random_state=0).fit(X, Y)
SUMS = RandomForestClassifier(3, max_leaf_nodes=60, random_state=0).fit(X, LABELS)


def background_of(model, table=X):
    read = read_trees(as_predictor(model), table, Features.from_names(column_names(table)))
    return TreeBackground(read, table, np.full(len(table), 1 / len(table)), table.shape[1])


@pytest.mark.parametrize("model", [SMALL, LARGE, SUMS], ids=["boosted", "grown to the end", "few leaves"])
def test_kept_trees_give_what_passing_trees_give(model) -> None:
    passing = background_of(model)
    expected = values_over(passing, X[:30])
    kept = background_of(model)
    kept.prepare()
    assert len(kept.trees) == (0 if model is LARGE else kept.ensemble.n_trees)
    np.testing.assert_allclose(values_over(kept, X[:30]), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(values_over(kept, X[4:5]), expected[4:5], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(values_over(kept, X[4:5]), values_over(kept, X[4:5]))


@pytest.mark.parametrize("model", [SMALL, LARGE], ids=["boosted", "grown to the end"])
def test_any_number_of_workers_gives_the_same_bits(model) -> None:
    kept = background_of(model)
    kept.prepare()
    one = values_over(kept, X[:20])
    with parallel_config(backend="threading"):
        for n_jobs in (2, 3):
            np.testing.assert_array_equal(values_over(kept, X[:20], n_jobs=n_jobs), one)


def test_kept_trees_fit_a_part_of_the_working_memory() -> None:
    kept = background_of(SMALL)
    kept.prepare()
    with config_context(working_memory=1 / 8):
        fewer = background_of(SMALL)
        fewer.prepare()
        assert 0 < len(fewer.trees) < len(kept.trees)
        held = sum(tree.n_bytes for tree in fewer.trees.values())
        assert held <= 2**20 / 8 / 4
        values = values_over(fewer, X[:5])
    np.testing.assert_allclose(values, values_over(kept, X[:5]), rtol=0, atol=1e-13)


def test_forecasts_grow_with_leaves_and_background() -> None:
    small, large = (background_of(model).model for model in (SMALL, LARGE))
    assert forecast_trees(small, 1000).preparation > forecast_trees(small, 100).preparation > 0.0
    assert forecast_trees(small, 1000).first_row == forecast_trees(small, 100).first_row
    assert forecast_trees(large, 100).preparation == 0.0
    assert forecast_trees(large, 1000).first_row > forecast_trees(large, 100).first_row
    more = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, Y)
    deeper = GradientBoostingRegressor(n_estimators=20, max_depth=5, random_state=0).fit(X, Y)
    few, many = (seconds_per_row(background_of(model).model) for model in (more, deeper))
    assert 1e-6 < few < many
