"""Cross-fitting, held-out rows, tables of leaves and sizes, stability."""

import numpy as np
import pandas as pd
import pytest

from agnostix.surrogate_tree import cross_fitting
from agnostix.surrogate_tree.cross_fitting import Candidate, CrossFitSplit, best_candidate, cross_fit
from agnostix.surrogate_tree.growth import TreeGrowth
from agnostix.surrogate_tree.pruning import FULL_TREE, RowScores, one_se_alpha
from agnostix.surrogate_tree.stability import measure_stability
from agnostix.surrogate_tree.training_rows import BootstrapQueries, NoQueries, TrainingRows
from tests.reference import surrogate_tree as reference
from tests.surrogate_tree.training import training_rows


def candidates(training):
    growths = [TreeGrowth(targets, 8, 1, ("a", "b", "c")) for targets in ("soft", "hard")]
    strategies = {"none": NoQueries(), "bootstrap": BootstrapQueries(training)}
    return [Candidate(name, growth, strategy) for name, strategy in strategies.items() for growth in growths]


def example(n=400, n_observed=120, seed=0):
    X = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 3)), columns=list("xyz"))
    return training_rows(X, n_observed, seed=seed, n_outputs=3, probabilities=True)


def split_rows(training):
    """The observed rows, and all rows, in the folds of a split."""
    n = training.n_observed
    split = CrossFitSplit.from_seed(n, 0)
    observed = TrainingRows.from_observed(
        training.features, training.encoded[:n], training.predictions[:n], split.fold, True
    )
    parent = training.parent[n:]
    return observed, observed.with_synthetic(training.encoded[n:], training.predictions[n:], parent), split


def fit(training, is_crossed, monkeypatch=None):
    """The fitted tree, its folds, and the training rows in these."""
    if not is_crossed:
        monkeypatch.setattr(cross_fitting, "HOLD_OUT_FROM", 0)
    observed, training, split = split_rows(training)
    assert split.is_crossed is is_crossed
    return cross_fit(observed, candidates(training), split, "label"), split, training


def permute_fold(training, split, fold):
    """Permute the predictions of a fold's rows, and of the synthetic rows near them."""
    inside = np.flatnonzero(np.isin(training.parent, np.flatnonzero(split.fold == fold)))
    training.predictions[inside] = training.predictions[inside][:, [2, 0, 1]]


@pytest.mark.parametrize("fold", range(5))
def test_held_out_tree_ignores_predictions_of_its_fold(fold):
    outputs = []
    for is_permuted in (False, True):
        training = example()
        if is_permuted:
            permute_fold(training, split_rows(training)[2], fold)
        observed, training, split = split_rows(training)
        rows = np.flatnonzero(split.fold == fold)
        trees = [one.hold_out(observed, {fold}, rows) for one in candidates(training)]
        outputs.append([tree.outputs(FULL_TREE) for tree in trees])
        predictions = np.stack([tree.observed_predictions for tree in trees])
        np.testing.assert_array_equal(predictions, [training.predictions[rows]] * len(trees))
    np.testing.assert_array_equal(*outputs)


def test_final_tree_ignores_predictions_of_held_out_fold(monkeypatch):
    training = example()
    first, split, _ = fit(training, False, monkeypatch)
    permute_fold(training, split, 0)
    again, _, _ = fit(training, False, monkeypatch)
    np.testing.assert_array_equal(first.held_out, again.held_out)
    np.testing.assert_array_equal(first.outputs, again.outputs)
    np.testing.assert_array_equal(first.tree.values, again.tree.values)
    assert again.fidelity.label < first.fidelity.label


def test_split_cross_fits_few_and_holds_out_many():
    few = CrossFitSplit.from_seed(103, 0)
    assert (few.n_folds, few.is_crossed, few.source, few.reporting) == (5, True, "cross-fitted", set())
    assert few.holdouts == [(k, {k}) for k in range(5)]
    assert np.ptp(np.bincount(few.fold)) <= 1
    assert few.variance_inflation == 2.25
    many = CrossFitSplit.from_seed(5000, 0)
    assert (many.is_crossed, many.source, many.reporting) == (False, "held out", {0})
    assert many.variance_inflation == 1.0
    assert many.holdouts == [(1, {0, 1})]
    assert CrossFitSplit.from_seed(2, 0).n_folds == 2
    assert (CrossFitSplit.from_seed(103, 1).fold != few.fold).any()


@pytest.mark.parametrize("is_crossed", [True, False])
def test_leaves_frame_and_pruning_path_use_held_out_rows(is_crossed, monkeypatch):
    fitted, _, training = fit(example(), is_crossed, monkeypatch)
    leaves, tree, n = fitted.leaves_frame(["p", "q", "r"]), fitted.tree, training.n_observed
    assert list(leaves.index) == list(tree.leaves)
    observed = tree.apply_encoded(training.encoded[:n])
    held_out = tree.apply_encoded(training.encoded[fitted.held_out])
    predictions = training.predictions[fitted.held_out]
    for leaf, row in leaves.iterrows():
        inside = np.flatnonzero(held_out == leaf)
        hits = int((predictions[inside].argmax(1) == fitted.outputs[inside].argmax(1)).sum())
        assert row["n_tested"] == inside.size
        assert row["n_observed"] == (observed == leaf).sum()
        if inside.size:
            assert row["fidelity"] == hits / inside.size
        if fitted.fidelity.n_effective == fitted.fidelity.n_rows:
            np.testing.assert_allclose(
                [row["fidelity_low"], row["fidelity_high"]],
                reference.clopper_pearson(hits, inside.size),
                atol=1e-9,
            )
        in_leaf = training.predictions[:n][observed == leaf, 1]
        np.testing.assert_allclose([row["mean b"], row["sd b"]], [in_leaf.mean(), in_leaf.std()])
        assert row["label"] == ["p", "q", "r"][int(tree.values[leaf].argmax())]
        assert row["rule"] == tree.rule(leaf)
    assert leaves["coverage"].sum() == pytest.approx(1.0)
    path = fitted.pruning_path_frame(True)
    assert path["leaves"].is_monotonic_increasing
    assert path["leaves"].iloc[0] == 1
    assert path["chosen"].sum() == 1
    assert int(path.loc[path["chosen"], "leaves"].iloc[0]) == tree.leaves.size


def test_held_out_rows_are_never_grown_on(monkeypatch):
    fitted, split, training = fit(example(), False, monkeypatch)
    assert (training.fold[fitted.rows] != 0).all()
    np.testing.assert_array_equal(fitted.held_out, np.flatnonzero(split.fold == 0))
    tree = fitted.tree
    expected = tree.values[tree.apply_encoded(training.encoded[fitted.held_out])]
    np.testing.assert_array_equal(fitted.outputs, expected)


class KnownScores:
    """A held-out tree with known scores."""

    def __init__(self, hits, loss, loss_nearby):
        self.hits, self.loss, self.loss_nearby = np.array(hits, dtype=float), loss, loss_nearby

    def scores(self):
        return RowScores(self.hits, np.full(self.hits.size, self.loss))

    def scores_nearby(self, ccp_alpha):
        return RowScores(self.hits, np.full(self.hits.size, self.loss_nearby))


def test_best_candidate_breaks_label_ties_by_r2():
    first = [KnownScores([1] * 15 + [0], 0.5, 0.5)]
    close = [KnownScores([1] * 13 + [0] * 3, 0.1, 0.1)]  # two labels of sixteen: 1.46 standard errors
    far = [KnownScores([1] * 5 + [0] * 11, 0.0, 0.0)]
    assert best_candidate([first, close, far], ["none"] * 3, "label") == 1
    assert best_candidate([first, close, far], ["none"] * 3, "r2") == 2
    assert best_candidate([first, far], ["none"] * 2, "label") == 0
    assert best_candidate([close, close], ["none"] * 2, "label") == 0
    assert close[0].scores().within_errors_of(first[0].scores()) == (False, True)
    assert close[0].scores().within_errors_of(first[0].scores(), 2.0) == (True, True)


def test_best_candidate_breaks_ties_by_synthetic_rows():
    one, other = [KnownScores([1] * 4, 0.1, 0.5)], [KnownScores([1] * 4, 0.2, 0.3)]
    assert best_candidate([one, other], ["bootstrap"] * 2, "label") == 1
    assert best_candidate([one, other], ["none", "bootstrap"], "label") == 0
    assert best_candidate([one, one, other], ["none", "bootstrap", "bootstrap"], "r2") == 0


def test_fidelity_is_of_the_growth_that_was_selected():
    """Also where a fold's own rows would have the others select another one."""
    fitted, split, training = fit(example(), True)
    chosen = [
        one
        for one in candidates(training)
        if (one.synthetic, one.growth) == (fitted.synthetic, fitted.growth)
    ]
    observed, _, _ = split_rows(training)
    trees = [chosen[0].hold_out(observed, {k}, np.flatnonzero(split.fold == k)) for k in range(split.n_folds)]
    start = 0
    for k, tree in enumerate(trees):
        others = [one for j, one in enumerate(trees) if j != k]
        expected = tree.outputs(one_se_alpha(tree.alphas, others))
        np.testing.assert_array_equal(fitted.outputs[start : start + len(expected)], expected)
        start += len(expected)


def test_stability_compares_refitted_trees():
    fitted, _, _ = fit(example(), True)
    stability = measure_stability(fitted, 4, seed=0)
    assert stability.n_refits == stability.leaves.size == 4
    assert 0.5 < stability.agreement <= 1.0
    assert 0.0 < stability.jaccard <= 1.0
    assert list(stability.used.index) == ["x", "y", "z"]
    again = measure_stability(fitted, 4, seed=0)
    assert (again.agreement, again.r2) == (stability.agreement, stability.r2)
    assert stability.agreement_sd > 0
    pair = measure_stability(fitted, 2, seed=0)
    assert np.isnan([pair.agreement_sd, pair.r2_sd, pair.r2_std_error]).all()  # of a single pair
    assert measure_stability(fitted, 4, seed=1).r2 != stability.r2


def test_stability_of_single_rule_model():
    training = example()
    training.predictions[:] = np.where(training.encoded[:, [0]] > 0, [0.9, 0.1, 0.0], [0.0, 0.2, 0.8])
    stability = measure_stability(fit(training, True)[0], 5, seed=0)
    assert (stability.jaccard, stability.used["x"], list(stability.leaves)) == (1.0, 1.0, [2] * 5)
    assert stability.agreement > 0.97
