"""Small training tables for surrogate trees."""

import numpy as np

from agnostix.core.frames import columns
from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.rule_feature import RuleFeature
from agnostix.testing.tables import mixed, mixed_polars

TABLES = {"pandas": mixed, "polars": mixed_polars}


def read(X):
    features = tuple(RuleFeature.learn(name, column) for name, column in columns(X).items())
    pairs = zip(features, columns(X).values(), strict=True)
    return features, np.column_stack([feature.read(column) for feature, column in pairs])


def answered(numbers, seed=0, n_outputs=2):
    """Answers that depend on all columns, missing values included."""
    rng = np.random.default_rng(seed)
    filled = np.where(np.isnan(numbers), 2.0, numbers)
    spread = np.where(filled.std(axis=0) > 0, filled.std(axis=0), 1.0)
    return np.sin((filled / spread) @ rng.normal(size=(numbers.shape[1], n_outputs)))


def material(X, n_real=None, seed=0, n_outputs=2, shares=False):
    """Rows of a table; the last may count as synthetic, made from the first."""
    features, numbers = read(X)
    answers = answered(numbers, seed, n_outputs)
    if shares:
        answers = np.exp(2 * answers) / np.exp(2 * answers).sum(axis=1, keepdims=True)
    n = len(numbers)
    n_real = n_real or n
    given = Material.given(features, numbers[:n_real], answers[:n_real], shares)
    given = given.divided(np.arange(n_real) % 5)
    parent = np.random.default_rng(seed).integers(n_real, size=n - n_real)
    return given.joined(numbers[n_real:], answers[n_real:], parent) if n > n_real else given


def small_tree(X, answers, leaves=2):
    features, numbers = read(X)
    one = Material.given(features, numbers, np.array(answers, dtype=float)[:, None], False)
    return Growth("soft", leaves, 1, ("prediction",)).grown(one, np.arange(len(answers))).tree
