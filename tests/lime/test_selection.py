"""Feature selections and their margins against refitting and brute force."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.lime.selection import (
    auto_selection,
    forward_selection,
    group_outputs,
    highest_weights,
    lasso_path,
    select_features,
)
from agnostix.lime.weighted_regression import WeightedRegression
from tests.lime.regressions import block_of, only, regression, spread
from tests.reference import lime as ref


class Choice(NamedTuple):
    features: np.ndarray
    margin: float


def select(selection, one, most, tests=False):
    return Choice(*selection(one, most, tests))


def with_row(one):
    """Samples as the plain formulations take them: the row first, of no weight."""
    z = np.vstack([one.row_design, one.design.T])
    y = np.r_[one.row_predictions, one.predictions[:, 0]]
    return z, y, np.r_[0.0, one.weights]


def one_output(seed, binary=True, d=7, n=160):
    return regression(seed, d=d, n=n, n_outputs=1, binary=binary)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("most", [1, 2, 4, 6])
def test_selections_match_reference(seed, most, binary):
    one = one_output(seed, binary)
    z, y, weights = with_row(one)
    for selection, plain in (
        (forward_selection, ref.forward_selection(z, y, weights, most)),
        (highest_weights, ref.highest_weights(z, y, weights, most)),
        (lasso_path, ref.lasso_path(z, y, weights, most)),
    ):
        choice = select(selection, one, most)
        assert choice.features.tolist() == sorted(plain), selection
        assert choice.margin == np.inf


@given(
    st.integers(0, 2**31),
    st.integers(1, 5),
    st.sampled_from([1e-12, 1e-6, 1e9]),
    st.sampled_from([1e-3, 1e3]),
)
def test_greedy_selections_ignore_units(seed, most, unit, weight):
    one = one_output(seed)
    other = WeightedRegression(
        one.design,
        one.weights * weight,
        one.predictions * unit,
        one.row_design,
        one.row_predictions * unit,
        16,
    )
    for selection in (forward_selection, lasso_path):
        first, second = select(selection, one, most, True), select(selection, other, most, True)
        assert first.features.tolist() == second.features.tolist(), selection
        assert second.margin == pytest.approx(first.margin, rel=1e-5), selection


def test_forward_selection_skips_repeated_column():
    one = one_output(0)
    twice = np.vstack([one.design[[0, 0, 1, 1, 2]]])
    predictions = (2.0 * one.design[0] + one.design[1] + 0.3 * one.design[2])[:, None]
    copies = WeightedRegression(twice, one.weights, predictions, np.ones(5), one.row_predictions, 16)
    assert select(forward_selection, copies, 3).features.tolist() == [0, 2, 4]
    assert select(forward_selection, copies, 4).features.tolist() == [0, 1, 2, 4]


def test_selections_take_constant_columns_last():
    one = one_output(0, d=3)
    design = np.vstack([np.ones(160), one.design[0], np.zeros(160), one.design[1:]])
    constant = WeightedRegression(design, one.weights, one.predictions, np.ones(5), one.row_predictions, 16)
    assert select(forward_selection, constant, 3, True).features.tolist() == [1, 3, 4]
    assert set(select(lasso_path, constant, 4, True).features) == {1, 3, 4}


def test_lasso_path_of_constant_output_is_empty():
    one = one_output(0)
    constant = WeightedRegression(
        one.design, one.weights, np.full((160, 1), 0.7), one.row_design, np.array([0.1]), 16
    )
    assert select(lasso_path, constant, 3, True).features.size == 0
    assert select(forward_selection, constant, 3, True).features.size == 3


def test_highest_weights_use_values_of_row():
    one = one_output(1, binary=False)
    own = np.array([3.0, 0.1, -2.0, 0.5, 1.0, -0.3, 4.0])
    around = WeightedRegression(
        one.design - own[:, None], one.weights, one.predictions, np.zeros(7), one.row_predictions, 16, own
    )
    at = WeightedRegression(one.design, one.weights, one.predictions, own, one.row_predictions, 16)
    for tests in (False, True):
        first, second = (select(highest_weights, p, 3, tests) for p in (around, at))
        assert first.features.tolist() == second.features.tolist()
        assert first.margin == pytest.approx(second.margin)


@pytest.mark.parametrize(
    ("most", "selection"), [(1, forward_selection), (6, forward_selection), (7, highest_weights)]
)
def test_auto_selection_by_number_of_features(most, selection):
    one = one_output(2, d=9)
    found, expected = (select(s, one, most, True) for s in (auto_selection, selection))
    assert found.features.tolist() == expected.features.tolist()
    assert found.margin == expected.margin


# ---------------------------------------------------------------- margins


def center(one, features):
    """Residuals of predictions after least squares on some features, and all features around their means."""
    weights = one.weights
    centered = one.design.T - np.average(one.design.T, axis=0, weights=weights)
    y = one.predictions[:, 0] - np.average(one.predictions[:, 0], weights=weights)
    root = np.sqrt(weights)[:, None]
    if features:
        used = centered[:, features]
        y = y - used @ np.linalg.lstsq(root * used, root[:, 0] * y, rcond=None)[0]
        left = centered - used @ np.linalg.lstsq(root * used, root * centered, rcond=None)[0]
    else:
        left = centered
    return y, centered, left


def plain_lead(one, features, scaled, final=(), best=None):
    """Lead of the best candidate over the next, and its error, with each correlation's own sign.

    Candidates that are chosen later, as `final` says, are none.
    """
    y, centered, left = center(one, features)
    number = block_of(one)
    sums, sizes = {}, {}
    for j in range(one.design.shape[0]):
        if j in features or (j in final and j != best):
            continue
        scale = 1.0 / np.sqrt((one.weights * left[:, j] ** 2).sum()) if scaled else 1.0
        parts = [scale * (one.weights * y * centered[:, j])[number == b].sum() for b in range(one.n_blocks)]
        sums[j], sizes[j] = parts, abs(sum(parts))
    best, second = sorted(sizes, key=lambda j: -sizes[j])[:2]
    sides = [np.sign(sum(sums[j])) for j in (best, second)]
    parts = [sides[0] * a - sides[1] * b for a, b in zip(sums[best], sums[second], strict=True)]
    return best, (sizes[best] - sizes[second]) / spread(parts, one.n_samples, 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("most", [1, 2, 4])
def test_forward_selection_margin_is_least_lead(seed, most):
    """Over the features that are left out in the end: of two that are both chosen, neither is a rival."""
    one = one_output(seed)
    features = []
    for _ in range(most):
        features.append(plain_lead(one, features, scaled=True)[0])
    leads = [
        plain_lead(one, features[:step], scaled=True, final=features, best=features[step])[1]
        for step in range(most)
    ]
    choice = select(forward_selection, one, most, True)
    assert choice.features.tolist() == sorted(features)
    assert choice.margin == pytest.approx(min(leads), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_lasso_path_first_margin_by_products(seed):
    one = one_output(seed)
    assert select(lasso_path, one, 1, True).margin == pytest.approx(
        plain_lead(one, [], scaled=False)[1], rel=1e-6
    )


def opposite(seed, n=1024):
    """Two correlated candidates, one of which raises the predictions and one lowers them."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    design = np.stack(
        [shared + 0.7 * rng.normal(size=n), shared + 0.7 * rng.normal(size=n), rng.normal(size=n)]
    )
    predictions = 1.3 * design[0] - 1.2 * design[1] + 4.0 * rng.normal(size=n)
    return WeightedRegression(design, np.ones(n), predictions[:, None], np.ones(3), np.zeros(1), 16)


@pytest.mark.parametrize("selection", [forward_selection, lasso_path], ids=["forward", "path"])
def test_margin_compares_signed_candidates(selection):
    """The lead varies over other samples as the margin says, and not as without signs."""
    leads, stated, unsigned = [], [], []
    for seed in range(300):
        one = opposite(seed)
        scale = 1.0 / np.sqrt(np.diag(one.gram)) if selection is forward_selection else np.ones(3)
        total = one.cross[:, 0] * scale
        if abs(total[2]) > min(abs(total[:2])) or total[0] * total[1] >= 0:
            continue
        leads.append(abs(total[0]) - abs(total[1]))
        margin = select(selection, one, 1, True).margin
        stated.append(abs(leads[-1]) / margin)
        parts = one.block_scores(one.targets - one.target_mean)[:, :, 0] * scale
        unsigned.append(spread(list(parts[:, 0] - parts[:, 1]), one.n_samples, 1))
    assert len(leads) > 200
    expected = np.std(leads, ddof=1)
    assert np.mean(stated) == pytest.approx(expected, rel=0.2)
    assert np.mean(unsigned) < 0.7 * expected


@pytest.mark.parametrize("seed", range(5))
def test_highest_weights_margin_matches_block_jackknife(seed):
    one = regression(seed, d=5, n=8192, n_outputs=1, binary=False)
    choice = select(highest_weights, one, 2, True)
    z, y, weights = with_row(one)
    number = np.r_[-1, block_of(one)]
    whole = np.abs(ref.ridge(z, y, weights, 0.01)[0] * z[0])
    last, after = np.argsort(-whole)[1:3]
    leads = []
    for b in range(16):
        parts = np.abs(ref.ridge(z, y, weights * (number != b), 0.01)[0] * z[0])
        leads.append(parts[last] - parts[after])
    expected = (whole[last] - whole[after]) / (np.sqrt(15.0) * np.std(leads))
    assert choice.margin == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("selection", [forward_selection, lasso_path, highest_weights])
def test_margin_grows_with_root_of_sample_size(selection):
    def margin(n):
        rng = np.random.default_rng(0)
        design = rng.normal(size=(3, n))
        predictions = 2.0 * design[0] + design[1] + rng.normal(size=n)
        return select(
            selection,
            WeightedRegression(design, np.ones(n), predictions[:, None], np.ones(3), np.zeros(1), 64),
            1,
            True,
        ).margin

    assert margin(2**17) == pytest.approx(8.0 * margin(2**11), rel=0.35)


def test_margin_without_blocks_is_infinite():
    one = regression(0, n_outputs=1, n_blocks=0)
    for selection in (forward_selection, lasso_path, highest_weights):
        assert select(selection, one, 2, True).margin == np.inf


# ---------------------------------------------------------------- several outputs


def test_select_features_selects_per_output():
    one = regression(3, d=6, n_outputs=3)
    found, margin, estimating = select_features(forward_selection, one, 2, True)
    assert found.shape == (6, 3)
    selecting, others = one.halves()
    np.testing.assert_array_equal(estimating.design, others.design)
    for output in range(3):
        alone = select(forward_selection, only(selecting, output), 2, True)
        assert np.flatnonzero(found[:, output]).tolist() == alone.features.tolist()
        assert margin[output] == pytest.approx(alone.margin)


@pytest.mark.parametrize("most", [None, 6, 7])
def test_select_features_keeps_all_if_allowed(most):
    one = regression(3, d=6, n_outputs=3)
    found, margin, estimating = select_features(forward_selection, one, most, True)
    assert estimating is one
    assert found.all()
    assert (margin == np.inf).all()


def test_select_features_of_all_masks_uses_all_of_them():
    one = regression(3, d=6, n_blocks=0)
    found, _, estimating = select_features(forward_selection, one, 2, True)
    assert estimating is one
    assert (
        np.flatnonzero(found[:, 0]).tolist()
        == select(forward_selection, only(one, 0), 2, True).features.tolist()
    )


def test_group_outputs_by_selection():
    def groups(selected):
        return sorted((features.tolist(), outputs.tolist()) for features, outputs in group_outputs(selected))

    assert groups(np.ones((2, 3), dtype=bool)) == [([0, 1], [0, 1, 2])]
    mixed = np.array([[True, False, True, False], [False, True, False, False]])
    assert groups(mixed) == [([], [3]), ([0], [0, 2]), ([1], [1])]
