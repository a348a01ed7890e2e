"""Rows of a table that show what the values of a feature may do where no background row is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.background.chosen import STREAM
from agnostix.core.background.coordinates import codes_of, read_columns
from agnostix.core.features import first_of_each, keys_of
from agnostix.core.frames import checked_weights
from agnostix.core.reproducibility import own_order, seed_of
from agnostix.core.sparse_rows import is_sparse, row_keys
from agnostix.core.typing import Bools, Codes, Floats

MOST_PROBES, LEAST_PROBES = 128, 8
"""Rows that get other values of each feature."""
MOST_PROBED = 1_024
"""Features that are probed; of more some are drawn, and the others taken to be as these are on average."""
MOST_ROWS = 8_192
"""Model rows that probes take, unless the fewest of each feature are more."""


def count_probes(n_features: int) -> int:
    """Probes of each feature: 128 up to 63 features, fewer of more, at least 8."""
    return int(np.clip(MOST_ROWS // (n_features + 1), LEAST_PROBES, MOST_PROBES))


@dataclass(frozen=True)
class Probes:
    """Rows of a table, and for each feature others whose values they get: the same for any order of rows."""

    rows: Codes  # (n_probes,)
    probed: Codes  # (n_probed,): the features that are probed, all unless there are very many
    others: Codes  # (n_probed, n_probes)
    weights: Floats  # (n_probed, n_probes), of means over the table
    is_constant: Bools  # (n_features,), whether all rows have the same value
    is_complete: Bools  # (n_features,), whether the background has all values of the table

    def of_all(self, values: Floats) -> Floats:
        """Numbers (n_features, ...) of all features, from those of the probed ones; of others their mean."""
        every = np.tile(values.mean(axis=0), (self.is_constant.size, *[1] * (values.ndim - 1)))
        every[self.probed] = values
        return every

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
        rng = np.random.default_rng([abs(seed_of(random_state)), STREAM, 1])
        n_features, some = len(features), np.arange(len(features))
        n_probes = count_probes(n_features)
        if n_features > MOST_PROBED:
            some = np.sort(rng.choice(n_features, MOST_PROBED, replace=False))
        order, key_of = _read_keys(table)
        order = order[of_table[order] > 0.0]
        shares = of_table[order] / of_table[order].sum()
        in_background = np.isin(order, background)
        rows = order[rng.choice(order.size, n_probes, p=shares)]
        others, weights = [], []
        is_constant, is_complete = np.zeros((2, n_features), dtype=bool)
        is_probed = np.isin(np.arange(n_features), some)
        for feature, columns in enumerate(features):
            codes = codes_of([key_of(column)[order] for column in columns])
            _, kind = first_of_each(keys_of(codes).sum(axis=1))
            of_kind = np.bincount(kind, shares)
            is_constant[feature] = of_kind.size == 1
            is_complete[feature] = np.unique(kind[in_background]).size == of_kind.size
            if not is_probed[feature]:
                continue
            lean = 0.5 + 0.5 / (of_kind.size * of_kind[kind])
            drawn = rng.choice(order.size, n_probes, p=shares * lean / (shares @ lean))
            others.append(order[drawn])
            weights.append(1.0 / lean[drawn])
        own = np.array(weights)
        own = own / own.sum(axis=1, keepdims=True)
        return cls(rows, some, np.array(others), own, is_constant, is_complete)


def _read_keys(table: Any) -> tuple[Codes, Callable[[int], Any]]:
    """Rows in an order of their own, and what gives the key (n_rows,) of a column."""
    if not is_sparse(table):
        keys = [one.key for one in read_columns(table)]
        return own_order(keys), keys.__getitem__
    by_column = table.tocsc()
    return np.argsort(row_keys(table), kind="stable"), lambda j: by_column[:, [j]].toarray().ravel()


def weighted_kurtosis(values: Floats, weights: Floats) -> Floats:
    """Kurtosis about 0 (n_values,) of rows (n_rows, n_values) with weights of sum 1; 1 if all are 0."""
    largest = np.abs(values).max(axis=0)
    scaled = values / np.where(largest > 0.0, largest, 1.0)
    two, four = weights @ np.square(scaled), weights @ np.square(np.square(scaled))
    return np.asarray(np.divide(four, np.square(two), out=np.ones_like(two), where=two > 0.0))
