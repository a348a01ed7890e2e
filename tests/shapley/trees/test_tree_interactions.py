"""Interactions of trees against their definitions, on games of all coalitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor

from agnostix.core.features import Features
from agnostix.core.frames import column_names
from agnostix.core.models import as_predictor
from agnostix.core.trees import TreeEnsemble, read_trees
from agnostix.shapley.trees import INDICES, plans, prepared, sums, tree_interactions
from agnostix.shapley.trees.sums import TreeSums
from agnostix.shapley.trees.weights import PairGains
from tests.reference import interactions as reference
from tests.reference.trees import shapley_of_pair
from tests.shapley.trees.brute_force import numbers
from tests.shapley.trees.test_tree_values import as_tree


def of_games(predict, X, rows, background, weights, index):
    """By definition, (n_rows, d, d, n_outputs)."""
    d = X.shape[1]
    found = np.zeros((len(rows), d, d, predict(X[:1]).shape[1]))
    for place, row in enumerate(rows):
        for output in range(found.shape[3]):
            known = {}

            def game(coalition, row=row, output=output, known=known):
                if coalition not in known:
                    mixed = background.copy()
                    mixed[:, list(coalition)] = row[list(coalition)]
                    known[coalition] = weights @ predict(mixed)[:, output]
                return known[coalition]

            for who, value in reference.INDICES[index](game, d).items():
                i, j = (min(who), max(who))
                found[place, i, j, output] = found[place, j, i, output] = value
    return found


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("is_paired", [False, True])
@pytest.mark.parametrize(("n_rows", "is_prepared"), [(2, False), (80, False), (2, True)])
def test_interactions_are_those_of_the_definition(index, is_paired, n_rows, is_prepared, monkeypatch) -> None:
    for module in (prepared, sums):
        monkeypatch.setattr(module, "MOST_DENSE", 0 if is_paired else 8)
    monkeypatch.setattr(sums, "_FEW_PAIRS", 100)
    monkeypatch.setattr(prepared, "WHOLE_LEAVES", 256 if is_prepared else 0)
    X, y, _ = numbers()
    model = RandomForestRegressor(3, max_depth=7, random_state=0).fit(X, y)
    predictor = as_predictor(model)
    background, weights = X[100:130], np.linspace(1, 2, 30) / np.linspace(1, 2, 30).sum()
    read = read_trees(predictor, X, Features.from_names(column_names(X)))
    got = tree_interactions(read, X[:n_rows], background, weights, 5, index)
    expected = of_games(predictor.predict, X, X[:2], background, weights, index)
    np.testing.assert_allclose(got[:2], expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(got, got.transpose(0, 2, 1, 3))
    if index != "SII":
        pairs = np.triu(np.ones((5, 5)))
        totals = np.einsum("rpqo,pq->ro", got, pairs)
        np.testing.assert_allclose(
            totals[:, 0], model.predict(X[:n_rows]) - weights @ model.predict(background)
        )


@pytest.mark.parametrize("index", INDICES)
def test_interactions_of_several_margins(index) -> None:
    X, _, labels = numbers()
    model = HistGradientBoostingClassifier(max_iter=3).fit(X, labels)
    read = read_trees(as_predictor(model), X, Features.from_names(column_names(X)))
    got = tree_interactions(read, X[:2], X[100:112], np.full(12, 1 / 12), 5, index)
    expected = of_games(read.margins.predict, X, X[:2], X[100:112], np.full(12, 1 / 12), index)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bits", [64, 3])
def test_interactions_on_long_paths(bits, monkeypatch) -> None:
    monkeypatch.setattr(plans, "MOST_BITS", bits)
    rng = np.random.default_rng(0)
    nested, n_players = 1.0, 12
    for player in reversed(range(n_players)):
        nested = (player, 0.5, nested, float(rng.normal()))
    rows, background = rng.random((2, 3, n_players))
    ensemble = TreeEnsemble.from_trees([as_tree(nested)], np.zeros(1), float)
    sums = TreeSums(ensemble, np.arange(n_players), n_players, 3, PairGains())
    sums.add_tree(0, ensemble.read(rows), ensemble.read(background), np.full(3, 1 / 3))
    # The interaction of a pair is what the value of one changes by if the other comes from the row or not.
    for i, j in ((0, 1), (2, 7), (10, 11)):
        for row, got in zip(rows, sums.total[0, j * (j - 1) // 2 + i], strict=True):
            expected = 0.0
            for other in background:
                with_i, without_i = row.copy(), other.copy()
                present, absent = other.copy(), row.copy()
                present[i], absent[i] = row[i], other[i]
                with_i, without_i = row, absent
                there = shapley_of_pair(nested, with_i, present, range(n_players)).get(j, 0.0)
                gone = shapley_of_pair(nested, without_i, other, range(n_players)).get(j, 0.0)
                expected += (there - gone) / 3
            assert got == pytest.approx(expected, abs=1e-14)
