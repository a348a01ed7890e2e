"""Rows of a table that show what the values of a feature may do where no background row is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.background.chosen import STREAM
from agnostix.core.background.coordinates import read_columns
from agnostix.core.features import first_of_each, keys_of
from agnostix.core.frames import checked_weights
from agnostix.core.reproducibility import own_order, seed_of
from agnostix.core.typing import Bools, Codes, Floats

MOST_PROBES, LEAST_PROBES = 128, 8
"""Rows that get other values of each feature."""
MOST_ROWS = 8_192
"""Model rows that probes take, unless the fewest of each feature are more."""


def count_probes(n_features: int) -> int:
    """Probes of each feature: 128 up to 63 features, fewer of more, at least 8."""
    return int(np.clip(MOST_ROWS // (n_features + 1), LEAST_PROBES, MOST_PROBES))


@dataclass(frozen=True)
class Probes:
    """Rows of a table, and for each feature others whose values they get: the same for any order of rows."""

    rows: Codes  # (n_probes,)
    others: Codes  # (n_features, n_probes)
    weights: Floats  # (n_features, n_probes), of means over the table
    is_constant: Bools  # (n_features,), whether all rows have the same value
    is_complete: Bools  # (n_features,), whether the background has all values of the table

    @classmethod
    def draw(
        cls,
        table: Any,
        features: Sequence[Sequence[int]],
        background: Codes,
        random_state: Any,
        sample_weight: Any,
    ) -> Probes:
        """Half of the others by weight, half so that each value of the feature is as likely as any other.

        `background` has the places of the background rows.
        """
        of_table = checked_weights(sample_weight, table.shape[0])
        keys = [one.key for one in read_columns(table)]
        order = own_order(keys)
        order = order[of_table[order] > 0.0]
        shares = of_table[order] / of_table[order].sum()
        codes = np.column_stack([np.unique(key[order], return_inverse=True)[1].ravel() for key in keys])
        rng = np.random.default_rng([abs(seed_of(random_state)), STREAM, 1])
        n_probes, in_background = count_probes(len(features)), np.isin(order, background)
        rows = order[rng.choice(order.size, n_probes, p=shares)]
        others, weights, n_kinds, n_there = [], [], [], []
        for columns in features:
            _, kind = first_of_each(keys_of(codes[:, list(columns)]).sum(axis=1))
            of_kind = np.bincount(kind, shares)
            lean = 0.5 + 0.5 / (of_kind.size * of_kind[kind])
            drawn = rng.choice(order.size, n_probes, p=shares * lean / (shares @ lean))
            others.append(order[drawn])
            weights.append(1.0 / lean[drawn])
            n_kinds.append(of_kind.size)
            n_there.append(np.unique(kind[in_background]).size)
        own, kinds = np.array(weights), np.array(n_kinds)
        own = own / own.sum(axis=1, keepdims=True)
        return cls(rows, np.array(others), own, kinds == 1, kinds == np.array(n_there))


def weighted_kurtosis(values: Floats, weights: Floats) -> Floats:
    """Kurtosis about 0 (n_values,) of rows (n_rows, n_values) with weights of sum 1; 1 if all are 0."""
    largest = np.abs(values).max(axis=0)
    scaled = values / np.where(largest > 0.0, largest, 1.0)
    two, four = weights @ np.square(scaled), weights @ np.square(np.square(scaled))
    return np.asarray(np.divide(four, np.square(two), out=np.ones_like(two), where=two > 0.0))
