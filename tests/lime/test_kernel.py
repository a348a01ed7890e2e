import re

import numpy as np
import pytest

from agnostix.exceptions import DataError
from agnostix.lime.kernel import Kernel, weighted_squares
from tests.messages import refuses

RNG = np.random.default_rng(0)
SQUARES = RNG.integers(0, 9, size=400).astype(float)
LOGS = np.log(RNG.uniform(0.5, 1.5, size=400))


def test_kernel_weights_are_gaussian():
    expected = [
        np.exp(log) * np.exp(-square / (2.0 * 0.7**2)) for square, log in zip(SQUARES, LOGS, strict=True)
    ]
    np.testing.assert_allclose(Kernel(0.7).weights(SQUARES, LOGS), expected, rtol=1e-13)


def design(n_features, n_draws=400):
    """Features that vary in any few draws."""
    return np.random.default_rng(1).normal(scale=9.0, size=(n_features, n_draws))


def counting(width, squares=SQUARES, logs=LOGS):
    weights = Kernel(width).weights(squares, logs)
    return min(weights.sum(), weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


@pytest.mark.parametrize("n_features", [3, 20, 80])
def test_kernel_error_states_least_width_that_works(n_features):
    squares = SQUARES + 3.0
    with pytest.raises(DataError) as error:
        Kernel(0.05).check(squares, LOGS, design(n_features), 7)
    told = float(re.search(r"least that works for it is (\S+)\.", str(error.value))[1])
    Kernel(told).check(squares, LOGS, design(n_features), 7)
    assert counting(told, squares) >= n_features + 1
    assert counting(0.98 * told, squares) < n_features + 1


def test_kernel_small_sample_needs_a_quarter():
    Kernel(5.0).check(np.zeros(40), np.zeros(40), design(500, 40), 0)
    with refuses(DataError, "need 10"):
        Kernel(0.01).check(np.r_[np.zeros(9), np.full(31, 9.0)], np.zeros(40), design(500, 40), 0)


CASES = {
    "four of the same": (
        np.repeat([0.0, 4.0], [4, 396]),
        0.2,
        10,
        ["is 0.2", "4 of 400 draws", "10 features need 11", "least that works for it is 0.708"],
    ),
    "all far away": (
        np.full(400, 2000.0),
        0.2,
        10,
        ["is 0.2", "0 of 400 draws", "10 features need 11", "least that works for it is 16.8"],
    ),
    "many features": (
        np.repeat([0.0, 9.0], [150, 1850]),
        0.1,
        200,
        ["is 0.1", "150 of 2000 draws", "200 features need 201", "least that works for it is 1.13"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_kernel_refuses_too_few_effective_samples(case):
    squares, width, n_features, facts = CASES[case]
    with refuses(DataError, "'kernel_width' of LimeExplainer", "row 3", "sampling='tilted'", *facts):
        Kernel(width).check(squares, np.zeros(squares.size), design(n_features, squares.size), 3)


def test_kernel_refuses_uneven_importance_weights():
    logs = np.r_[0.0, np.full(399, -80.0)]
    facts = (
        "'kernel_width' of LimeExplainer is 1",
        "1 of 400 draws",
        "10 features need 11",
        "Raise n_samples",
    )
    with refuses(DataError, *facts):
        Kernel(1.0).check(np.zeros(400), logs, design(10), 3)


def test_kernel_error_for_feature_that_hardly_varies():
    flips = np.repeat([0.0, 1.0], [200, 200])
    one = 1.0 - flips[None]
    facts = ("'kernel_width' of LimeExplainer is 0.2", "200 of 400 draws", "row 3", "one of its features")
    with refuses(DataError, *facts) as error:
        Kernel(0.2).check(flips, np.zeros(400), one, 3)
    told = float(re.search(r"works for it is (\S+)\.", str(error.value))[1])
    Kernel(told).check(flips, np.zeros(400), one, 3)
    outside = 200 * np.exp(-0.5 / told**2)  # and 200 inside: squares about the mean of 1 at least
    assert 1.0 <= outside * 200 / (200 + outside) < 1.1


def test_kernel_accepts_rare_feature():
    rare = np.r_[np.zeros(399), 1.0][None]
    Kernel(0.5).check(np.zeros(400), np.zeros(400), rare, 3)


def test_weighted_squares_match_loops():
    weights = np.array([0.5, 2.0, 1.0])
    rows = np.array([[0.0, 1.0, 1.0], [0.0, 3.0, 0.0], [5.0] * 3])
    means = [np.average(row, weights=weights) for row in rows]
    expected = [
        sum(w * (x - mean) ** 2 for w, x in zip(weights, row, strict=True))
        for row, mean in zip(rows, means, strict=True)
    ]
    np.testing.assert_allclose(weighted_squares(rows, weights), expected, atol=1e-12)
    assert weighted_squares(rows, np.zeros(3)).tolist() == [0.0] * 3
