"""Small games with all coalitions known, and what the references say of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from agnostix.core.masking.masker import all_masks
from agnostix.shapley.coalition_values import CoalitionValues
from agnostix.shapley.coalitions import Coalitions
from agnostix.shapley.interactions.game_kernel import Targets
from agnostix.shapley.interactions.indices import pair_places
from tests.reference import interactions as reference

NAMES = tuple(reference.INDICES)


def random_game(d, seed=0):
    """Values (2**d,) by the code of the coalition."""
    return np.random.default_rng(seed).normal(size=2**d)


def smooth_game(d, seed=0):
    """The same of a smooth function of sums, with interactions of all orders."""
    slopes = np.random.default_rng(seed).normal(size=(d, 2)) / np.sqrt(d)
    a, b = (all_masks(d) @ slopes).T
    return np.tanh(2.0 * a) + a * b


def all_targets(index, d):
    return Targets(index, np.arange(d), *pair_places(d))


def expected(index, values, d):
    """Single players, then pairs."""
    found = reference.INDICES[index](lambda one: values[sum(1 << i for i in one)], d)
    pairs = [found[frozenset(pair)] for pair in combinations(range(d), 2)]
    return np.array([*(found[frozenset([i])] for i in range(d)), *pairs])


def listed(values):
    """All coalitions (2**d, ...) in the order of a plan."""
    return CoalitionValues(values[-1], values[0], values[1:-1])


def sampled(values, coalitions: Coalitions):
    """Both sides of pairs."""
    codes = 1 << np.arange(coalitions.n_players)
    sides = np.stack([values[coalitions.masks @ codes], values[~coalitions.masks @ codes]], axis=1)
    return CoalitionValues(values[-1], values[0], sides.reshape(-1, *values.shape[1:]))
