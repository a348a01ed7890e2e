"""Background rows with weights, and the error of their choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.background.chosen import choose_rows, error_of_rows
from agnostix.core.background.coordinates import read_columns
from agnostix.core.background.error_map import ErrorMap, random_groups
from agnostix.core.background.kriging import MOST_ROWS
from agnostix.core.frames import checked_weights, constant_row, take_rows, without_index
from agnostix.core.reproducibility import own_order, seed_of
from agnostix.core.sparse_rows import is_sparse, row_keys
from agnostix.core.typing import Codes, Floats


@dataclass(frozen=True)
class Background:
    """Background rows (n_background, n_columns), or images, with weights that add up to 1."""

    rows: Any
    weights: Floats
    errors: ErrorMap  # of values that are averaged over the rows, about those of the whole table
    places: Codes | None = None  # (n_background,) of the rows in the table

    @classmethod
    def sample(cls, table: Any, size: int, random_state: Any, sample_weight: Any) -> Background:
        """Rows sampled without replacement, all if there are no more than `size`; they keep their weights.

        Rows without weight are not there. The population is the table, of which all rows have no error.
        """
        weights = checked_weights(sample_weight, table.shape[0])
        there = np.flatnonzero(weights)
        if there.size <= size:
            return cls._weighted(table, there, weights, ErrorMap.none(there.size))
        rng = np.random.default_rng(seed_of(random_state))
        order = there if is_stack(table) else _in_own_order(table, there)
        rows = np.sort(order[rng.permutation(there.size)[:size]])
        own = weights[rows] / weights[rows].sum()
        if is_stack(table) or size > MOST_ROWS or is_wide(table):
            errors = ErrorMap.of_draws(own, random_groups(size, rng), size / there.size)
        else:
            errors = error_of_rows(table, rows, own, random_state, sample_weight)
        return cls._weighted(table, rows, weights, errors)

    @classmethod
    def representative(cls, table: Any, size: int, random_state: Any, sample_weight: Any) -> Background:
        """Rows chosen to be as the table is together, with weights; all distinct ones if no more differ.

        Of more than a thousand columns, or of sparse rows, they are drawn at random: few rows cannot be as so
        many columns are.
        """
        if is_wide(table) and table.shape[0] > size:
            return cls.sample(table, size, random_state, sample_weight)
        table = table.toarray() if is_sparse(table) else table
        chosen = choose_rows(table, size, random_state, sample_weight)
        return cls(without_index(take_rows(table, chosen.rows)), chosen.weights, chosen.errors, chosen.rows)

    @classmethod
    def whole(cls, table: Any, sample_weight: Any) -> Background:
        """All rows, as the whole population."""
        weights = checked_weights(sample_weight, table.shape[0])
        there = np.flatnonzero(weights)
        return cls._weighted(table, there, weights, ErrorMap.none(there.size))

    @classmethod
    def constant(cls, fill: Any, table: Any, owner: str) -> Background:
        """One row of constants, by column name or in order; `owner` names the explainer in messages."""
        return cls(constant_row(fill, table, owner), np.ones(1), ErrorMap.none(1))

    @classmethod
    def _weighted(cls, table: Any, rows: Codes, weights: Floats, errors: ErrorMap) -> Background:
        taken = take_rows(table, rows)
        kept = taken.toarray() if is_sparse(table) else without_index(taken)
        return cls(kept, weights[rows] / weights[rows].sum(), errors, rows)


def is_stack(table: Any) -> bool:
    """Whether these are pictures or other arrays, one for each row, and no table."""
    return len(table.shape) > 2


MOST_COLUMNS = 1_000
"""Columns up to which rows are chosen to be as a table is."""


def is_wide(table: Any) -> bool:
    """Whether rows are drawn at random, since there are too many columns to choose by."""
    return is_sparse(table) or table.shape[1] > MOST_COLUMNS


def _in_own_order(table: Any, rows: Codes) -> Codes:
    """Some rows (n,) of a table, in an order that does not depend on where they are in it."""
    if is_sparse(table):
        return rows[np.argsort(row_keys(table[rows]), kind="stable")]
    return rows[own_order([one.key[rows] for one in read_columns(table)])]


def errors_of_fills(weights: Floats) -> ErrorMap:
    """Of fills with weights (n_fill,), as if drawn from endless others; a single one has no error."""
    if weights.size == 1:
        return ErrorMap.none(1)
    return ErrorMap.of_draws(weights, random_groups(weights.size, np.random.default_rng(0)))
