"""Small training tables for surrogate trees."""

import numpy as np

from agnostix.core.frames import columns
from agnostix.surrogate_tree.growth import TreeGrowth
from agnostix.surrogate_tree.rule_tree import RuleFeature, encode_table
from agnostix.surrogate_tree.training_rows import TrainingRows
from agnostix.testing.tables import mixed, mixed_polars

TABLES = {"pandas": mixed, "polars": mixed_polars}


def encode(X):
    features = tuple(RuleFeature.from_column(name, column) for name, column in columns(X).items())
    return features, encode_table(features, X)


def predict(encoded, seed=0, n_outputs=2):
    """Predictions that depend on all columns, missing values included."""
    rng = np.random.default_rng(seed)
    filled = np.where(np.isnan(encoded), 2.0, encoded)
    scale = np.where(filled.std(axis=0) > 0, filled.std(axis=0), 1.0)
    return np.sin((filled / scale) @ rng.normal(size=(encoded.shape[1], n_outputs)))


def training_rows(X, n_observed=None, seed=0, n_outputs=2, probabilities=False):
    """Rows of a table; those from n_observed on are synthetic, with random parents."""
    features, encoded = encode(X)
    predictions = predict(encoded, seed, n_outputs)
    if probabilities:
        predictions = np.exp(2 * predictions) / np.exp(2 * predictions).sum(axis=1, keepdims=True)
    n_rows = len(encoded)
    n_observed = n_observed or n_rows
    fold = np.arange(n_observed) % 5
    observed = TrainingRows.from_observed(
        features, encoded[:n_observed], predictions[:n_observed], fold, probabilities
    )
    if n_rows == n_observed:
        return observed
    parent = np.random.default_rng(seed).integers(n_observed, size=n_rows - n_observed)
    return observed.with_synthetic(encoded[n_observed:], predictions[n_observed:], parent)


def small_tree(X, predictions, max_leaf_nodes=2):
    features, encoded = encode(X)
    column, fold = np.array(predictions, dtype=float)[:, None], np.zeros(len(predictions), dtype=int)
    training = TrainingRows.from_observed(features, encoded, column, fold, False)
    return TreeGrowth("soft", max_leaf_nodes, 1, ("prediction",)).grow(training, np.arange(len(column))).tree
