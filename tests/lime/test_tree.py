"""Tree surrogates against scikit-learn's trees, node by node."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from agnostix.lime.problem import Problem
from agnostix.lime.selection import ForwardSelection
from agnostix.lime.tree import TreeSurrogate
from tests.lime.problems import block_of, problem, spread

SURROGATE = TreeSurrogate(8, ForwardSelection())


def grown(one, features, output):
    tree = DecisionTreeRegressor(max_leaf_nodes=8, random_state=0)
    return tree.fit(one.design[features].T, one.answers[:, output], sample_weight=one.weights)


def walked(one, tree, features):
    """Nodes on the row's path, the feature that each but the last splits on, and who is in each."""
    inner, node, inside = tree.tree_, 0, np.ones(one.n_draws, dtype=bool)
    path = [(0, None, inside)]
    while inner.children_left[node] != -1:
        j, cut = inner.feature[node], inner.threshold[node]
        left = one.own_design[features[j]] <= cut
        inside = inside & ((one.design[features[j]] <= cut) == left)
        node = (inner.children_left if left else inner.children_right)[node]
        path.append((node, features[j], inside))
    return path


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("seed", range(3))
def test_tree_surrogate_effects_are_changes_along_path(seed, most, binary):
    one = problem(seed, d=5, n_outputs=1, binary=binary)
    fit = SURROGATE.fit(one, most, False)
    features = np.flatnonzero(fit.selected[:, 0])
    assert features.size == (most or 5)
    tree = grown(one, features, 0)
    path = walked(one, tree, features)
    expected = np.zeros(5)
    for (before, _, _), (node, split, _) in pairwise(path):
        expected[split] += tree.tree_.value[node].item() - tree.tree_.value[before].item()
    np.testing.assert_allclose(fit.effects[:, 0], expected, atol=1e-9)
    assert len(path) > 1


@pytest.mark.parametrize("binary", [True, False])
def test_tree_surrogate_effects_sum_to_prediction(binary):
    one = problem(1, d=5, n_outputs=1, binary=binary)
    fit = SURROGATE.fit(one, None, False)
    tree = grown(one, np.arange(5), 0)
    assert fit.output == pytest.approx(tree.predict(one.own_design[None])[0], abs=1e-9)
    start = np.average(one.answers[:, 0], weights=one.weights)
    assert start + fit.effects.sum() == pytest.approx(fit.output[0], abs=1e-9)
    score = tree.score(one.design.T, one.answers[:, 0], sample_weight=one.weights)
    assert fit.r2 == pytest.approx(score, abs=1e-9)
    np.testing.assert_array_equal(fit.own_design, 1.0)


def test_tree_surrogate_std_errors_from_means_along_path():
    one = problem(1, d=5, n_outputs=1)
    fit = SURROGATE.fit(one, None, False)
    path = walked(one, grown(one, np.arange(5), 0), np.arange(5))
    number, y = block_of(one), one.answers[:, 0]
    moved = []
    for _, _, inside in path:
        weights = one.weights * inside
        mean = np.average(y, weights=weights)
        moved.append([(weights * (y - mean))[number == b].sum() / weights.sum() for b in range(16)])
    moved = np.array(moved)
    steps = np.zeros((5, 16))
    for k, (_, split, _) in enumerate(path[1:]):
        steps[split] += moved[k + 1] - moved[k]
    for j in range(5):
        assert fit.std_errors[j, 0] == pytest.approx(spread(list(steps[j]), one.n_draws, len(path)), rel=1e-9)
    assert fit.output_std_errors == pytest.approx(spread(list(moved[-1]), one.n_draws, len(path)), rel=1e-9)


def test_tree_surrogate_std_errors_match_resampling():
    def drawn(seed):
        rng = np.random.default_rng(seed)
        design = (rng.random((2, 512)) < 0.4).astype(float)
        answers = 10.0 * design[0] + 3.0 * design[1] + rng.normal(size=512)
        return Problem(design, rng.exponential(size=512), answers[:, None], np.ones(2), np.zeros(1), 16)

    fits = [SURROGATE.fit(drawn(seed), None, False) for seed in range(300)]
    found, told = (np.array([getattr(f, name)[:, 0] for f in fits]) for name in ("effects", "std_errors"))
    np.testing.assert_allclose(np.sqrt((told**2).mean(axis=0)), found.std(axis=0, ddof=1), rtol=0.2)
    np.testing.assert_allclose(found.mean(axis=0), [6.0, 1.8], atol=0.1)  # 0.6 of each step


def test_tree_surrogate_outputs_share_tree_in_any_unit():
    one = problem(2, d=4, n_outputs=2)
    other = Problem(
        one.design, one.weights, one.answers * [1.0, 1e6], one.own_design, one.own_answers * [1.0, 1e6], 16
    )
    first, second = (SURROGATE.fit(p, None, False) for p in (one, other))
    np.testing.assert_allclose(second.effects / [1.0, 1e6], first.effects, atol=1e-9)
    for output in range(2):
        level = np.average(one.answers[:, output], weights=one.weights)
        assert level + first.effects[:, output].sum() == pytest.approx(first.output[output], abs=1e-9)


@pytest.mark.parametrize("n_features", [0, 3])
def test_tree_surrogate_without_split_is_mean(n_features):
    one = problem(n_outputs=1)
    design = np.ones((n_features, one.n_draws))
    still = Problem(design, one.weights, one.answers, np.ones(n_features), one.own_answers, 16)
    fit = SURROGATE.fit(still, None, False)
    assert not fit.effects.any()
    assert fit.output == pytest.approx(np.average(one.answers[:, 0], weights=one.weights))
    assert fit.r2 == pytest.approx(0.0, abs=1e-12)


def test_tree_surrogate_of_constant_model_has_no_effects():
    one = problem()
    still = Problem(one.design, one.weights, np.full((512, 1), 0.1), np.ones(4), np.array([0.1]), 16)
    fit = SURROGATE.fit(still, None, False)
    assert not fit.effects.any()
    assert (fit.output, fit.r2, fit.output_std_errors) == (0.1, 1.0, 0.0)


def test_tree_surrogate_exhaustive_sample_has_no_error():
    fit = SURROGATE.fit(problem(n_blocks=0), None, False)
    for errors in (fit.std_errors, fit.output_std_errors, fit.r2_std_errors):
        assert not errors.any()
