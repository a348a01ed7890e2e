"""Intervals of leaves' means, deviations, errors and coverage against loops."""

import numpy as np
import pandas as pd
import pytest

from agnostix import MimicTree, as_predictor
from agnostix.core.intervals import skewed_half_widths
from agnostix.surrogate_tree.leaf_table import HeldOutResiduals, LeafPredictions
from agnostix.surrogate_tree.training_rows import Units
from tests.reference import surrogate_tree as reference


def example(seed=0, n=80, n_leaves=3, n_outputs=2):
    """Leaves of the tree and of two trees of a cross-fit, by row, with numbers."""
    rng = np.random.default_rng(seed)
    leaf, own = rng.integers(n_leaves, size=n), rng.integers(4, size=(2, n))
    predictions, weights = rng.normal(size=(n, n_outputs)), rng.gamma(3.0, size=n)
    return leaf, own, predictions, weights, np.arange(n) % 2


def held_out(leaf, own, residuals, weights, fold):
    sums = HeldOutResiduals.zero(3, residuals.shape[1])
    for k in range(2):
        inside, outside = fold == k, fold != k
        grown_on = (leaf[outside], own[k][outside], weights[outside])
        sums = sums.add(grown_on, (own[k][inside], residuals[inside], weights[inside]))
    return sums


def test_held_out_residuals_count_by_shared_rows():
    leaf, own, residuals, weights, fold = example()
    sums = held_out(leaf, own, residuals, weights, fold)
    for place in range(3):
        total, first, second = 0.0, 0.0, 0.0
        for i in range(leaf.size):
            k = fold[i]
            mates = [m for m in range(leaf.size) if fold[m] != k and own[k][m] == own[k][i]]
            share = sum(weights[m] for m in mates if leaf[m] == place) / sum(weights[m] for m in mates)
            total += share * weights[i]
            first += share * weights[i] * residuals[i, 0]
            second += share * weights[i] * residuals[i, 0] ** 2
        np.testing.assert_allclose(sums.mean_residual()[place, 0], first / total)
        np.testing.assert_allclose(sums.mean_square()[place, 0], second / total)


def test_trees_that_are_the_same_count_their_own_leaves_alone():
    leaf, _, residuals, weights, fold = example()
    sums = held_out(leaf, np.array([leaf, leaf]), residuals, weights, fold)
    for place in range(3):
        inside = leaf == place
        expected = np.average(residuals[inside] ** 2, axis=0, weights=weights[inside])
        np.testing.assert_allclose(sums.mean_square()[place], expected)
        carrying = reference.n_carrying(weights[inside] * residuals[inside, 0] ** 2)
        np.testing.assert_allclose(sums.n_carrying()[place, 0], carrying)


def test_means_match_reference():
    leaf, own, predictions, _, fold = example(n=200)
    weights = np.ones(200)
    expected = 0.4 * predictions[:, ::-1]
    sums = held_out(leaf, own, predictions - expected, weights, fold)
    units = Units.identity(2)
    parts = [np.flatnonzero(leaf == place) for place in range(3)]
    columns = LeafPredictions(predictions, expected, sums, weights, False).columns(parts, ("a", "b"), units)
    residuals = predictions[:, 0] - expected[:, 0]
    squares = [list(residuals[rows] ** 2) for rows in parts]
    drawn, center, _, dof, _ = reference.leaf_scales(squares, sums.mean_square()[:, 0])
    relative = [one / np.sqrt(drawn[place]) for place, rows in enumerate(parts) for one in residuals[rows]]
    skewness = np.mean(np.power(relative, 3)) / np.mean(np.square(relative)) ** 1.5
    for place, rows in enumerate(parts):
        n, mean = rows.size, predictions[rows, 0].mean()
        apart = max((residuals[rows] ** 2).sum() / n / (n - 1), center[place] / n)
        together = max(abs(sums.mean_residual()[place, 0]), abs(residuals[rows].mean()) / 2)
        error = np.sqrt(apart + together**2)
        carrying = max(reference.n_carrying(list(residuals[rows] ** 2)), sums.n_carrying()[place, 0])
        below, above = skewed_half_widths(error, 0.95, min(carrying, dof / 2), skewness / np.sqrt(n))
        got = [columns[f"mean{part} a"][place] for part in ("", "_std_error", "_low", "_high")]
        np.testing.assert_allclose(got, [mean, error, mean - below, mean + above])
        deviation = predictions[rows, 0].std()
        np.testing.assert_allclose(columns["sd a"][place], deviation)
        assert 0 < columns["sd_low a"][place] < deviation < columns["sd_high a"][place]
        assert columns["sd_std_error a"][place] > 0


def test_order_of_rows_in_a_leaf_and_weights_of_one_size_do_not_matter():
    leaf, own, predictions, _, fold = example()
    sums = held_out(leaf, own, predictions, np.ones(80), fold)
    parts = [np.flatnonzero(leaf == place) for place in range(3)]
    shuffled = [rows[::-1] for rows in parts]
    one, other = (
        LeafPredictions(predictions, 0.1 * predictions, sums, np.full(80, weight), False).columns(
            rows, ("a", "b"), Units.identity(2)
        )
        for rows, weight in ((parts, 1.0), (shuffled, 3.0))
    )
    for name, column in one.items():
        np.testing.assert_allclose(other[name], column, rtol=1e-9, err_msg=name)


def test_leaves_of_equal_predictions_follow_the_rule_of_three():
    predictions = np.repeat([[0.0], [1.0]], [4, 6], axis=0)
    zero = HeldOutResiduals.zero(2, 1)
    table = LeafPredictions(predictions, predictions, zero, np.ones(10), True)
    columns = table.columns([np.arange(4), np.arange(4, 10)], ("p",), Units.identity(1))
    np.testing.assert_allclose(columns["mean_std_error p"], [1 / 4, 1 / 6])
    np.testing.assert_allclose(columns["mean_high p"], [-np.log(0.05) / 4, 1.0])
    np.testing.assert_allclose(columns["mean_low p"], [0.0, 1 + np.log(0.05) / 6])
    np.testing.assert_allclose(columns["sd p"], 0.0)
    np.testing.assert_allclose(columns["sd_high p"], 0.5)  # of probabilities no more
    assert (columns["sd_std_error p"] > 0).all()


RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(150, 3)), columns=list("xyz"))


def likely(Z):
    yes = 1 / (1 + np.exp(-2 * Z["x"].to_numpy() - np.maximum(Z["y"].to_numpy(), 0)))
    return np.column_stack([1 - yes, yes])


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("synthetic", ["none", "bootstrap", "leaf", "callable"])
def test_every_number_of_a_leaf_lies_in_its_interval(task, synthetic):
    model = likely if task == "classification" else lambda Z: likely(Z)[:, 1] * 1000
    sampler = (lambda n, rng: X.iloc[rng.integers(150, size=n)]) if synthetic == "callable" else synthetic
    predictor = as_predictor(model, task=task)
    mimic = MimicTree(predictor, synthetic=sampler, max_queries=600, random_state=0).fit(X)
    table = mimic.leaves_
    stems = [
        name for name in table if name.partition(" ")[0] in ("coverage", "fidelity", "rmse", "mean", "sd")
    ]
    assert len(stems) == (7 if task == "classification" else 4)
    for name in stems:
        what, _, output = name.partition(" ")
        low, high = (table[f"{what}_{end} {output}".strip()] for end in ("low", "high"))
        tested = table[name].notna()
        assert (low[tested] <= table[name][tested] + 1e-12).all(), name
        assert (table[name][tested] <= high[tested] + 1e-12).all(), name
        if task == "classification" and what in ("coverage", "mean"):
            assert low.min() >= 0
            assert high.max() <= 1
    errors = table[[name for name in table if "std_error" in name]].to_numpy(dtype=float)
    assert (errors[np.isfinite(errors)] > 0).all()


def test_many_rows_are_halved(monkeypatch):
    from agnostix.surrogate_tree import cross_fitting

    monkeypatch.setattr(cross_fitting, "HOLD_OUT_FROM", 100)
    mimic = MimicTree(as_predictor(likely, task="classification"), synthetic="none", random_state=0).fit(X)
    fitted = mimic._fitted
    assert fitted.fold_trees == ()
    parts = [inside for inside, _ in fitted._trees_of_folds()]
    assert len(parts) == 2
    np.testing.assert_array_equal(np.sum(parts, axis=0), 1)
    errors = mimic.explain(X.head(5)).std_errors
    assert (errors[mimic.explain(X.head(5)).values != 0] > 0).all()
