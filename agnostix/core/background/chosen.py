"""Rows that stand for a table: chosen, weighted, and with the error that is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.background.coordinates import ColumnValues, codes_of, read_columns
from agnostix.core.background.error_map import ErrorMap
from agnostix.core.background.herding import herd, kernel_weights
from agnostix.core.background.kernel import TableKernel
from agnostix.core.background.kriging import kriging_map
from agnostix.core.background.rare import RarePart, rare_parts
from agnostix.core.features import first_of_each, keys_of
from agnostix.core.frames import checked_weights
from agnostix.core.reproducibility import one_blas_thread, own_order, seed_of
from agnostix.core.typing import Codes, Floats

MOST_CANDIDATES = 1_000
"""Rows of a large table that are candidates; and some of each rare part besides."""
CANDIDATES_OF_PART = 8
PRODUCTS = 0.02
"""How much means of products of two columns count where rows are chosen; more where they are weighted."""

HELD = 30.0
WITHIN = 0.3
"""How much it counts that the rows of a rare part are as all of that part are."""


@dataclass(frozen=True)
class ChosenRows:
    """Places (n_chosen,) of rows in a table, ascending, their weights, and the error of means over them."""

    rows: Codes
    weights: Floats
    errors: ErrorMap


@one_blas_thread
def choose_rows(table: Any, n_chosen: int, random_state: Any, sample_weight: Any) -> ChosenRows:
    """At most n_chosen distinct rows that stand for a table; all of them, without error, if no more differ.

    The same for any order of the rows. The seed draws candidates where there are more than a thousand.
    """
    weights = checked_weights(sample_weight, table.shape[0])
    values, places, weights = _distinct_rows(read_columns(table), weights / weights.sum())
    if places.size <= n_chosen:
        return _in_order(places, weights, ErrorMap.none(places.size))
    rng = np.random.default_rng([abs(seed_of(random_state)), STREAM])
    kernel = TableKernel.from_columns(values, weights, rng)
    parts = rare_parts(values, weights, n_chosen)
    candidates = _candidates(weights.size, parts, rng)
    matrix = kernel.of_rows(candidates) + _of_parts(parts, candidates)
    matrix += PRODUCTS * kernel.of_products(candidates)
    chosen = herd(matrix, parts, candidates, n_chosen)
    own = matrix[np.ix_(chosen, chosen)] + kernel.of_means(candidates[chosen])
    own += _within_parts(matrix, parts, candidates, chosen) + HELD * _of_parts(parts, candidates[chosen])
    own = kernel_weights(own)
    chosen, own = candidates[chosen[own > 0.0]], own[own > 0.0]
    order = np.argsort(places[chosen])
    chosen, own = chosen[order], own[order]
    return ChosenRows(places[chosen], own, kriging_map(kernel, chosen, own, rng))


@one_blas_thread
def error_of_rows(
    table: Any, rows: Codes, weights: Floats, random_state: Any, sample_weight: Any
) -> ErrorMap:
    """Error map of rows (n,) of a table that were chosen in another way, with weights (n,)."""
    of_table = checked_weights(sample_weight, table.shape[0])
    there = np.flatnonzero(of_table)
    values = [one.take(there) for one in read_columns(table)]
    rng = np.random.default_rng([abs(seed_of(random_state)), STREAM])
    kernel = TableKernel.from_columns(values, of_table[there] / of_table[there].sum(), rng)
    return kriging_map(kernel, np.searchsorted(there, rows), weights, rng)


STREAM = 7
"""Apart from the streams that draw other things of the same seed."""


def _distinct_rows(values: list[ColumnValues], weights: Floats) -> tuple[list[ColumnValues], Codes, Floats]:
    """Columns of distinct rows with weight, in an order of their own; places in the table, and weights."""
    keys = [one.key for one in values]
    there = own_order(keys)
    there = there[weights[there] > 0.0]
    first, which = first_of_each(keys_of(codes_of(keys)[there]).sum(axis=1))
    places = there[first]
    of_each = np.asarray(np.bincount(which, weights[there], first.size), dtype=float)
    return [one.take(places) for one in values], places, of_each


def _in_order(places: Codes, weights: Floats, errors: ErrorMap) -> ChosenRows:
    order = np.argsort(places)
    return ChosenRows(places[order], weights[order], errors)


def _candidates(n_rows: int, parts: list[RarePart], rng: np.random.Generator) -> Codes:
    """Rows to choose from, (n_candidates,) ascending: all, or random ones and some of each rare part."""
    if n_rows <= MOST_CANDIDATES:
        return np.arange(n_rows)
    drawn = [rng.choice(n_rows, MOST_CANDIDATES, replace=False)]
    for part in parts:
        members = np.flatnonzero(part.members)
        drawn.append(rng.choice(members, min(members.size, CANDIDATES_OF_PART), replace=False))
    return np.unique(np.concatenate(drawn))


def _within_parts(matrix: Floats, parts: list[RarePart], candidates: Codes, chosen: Codes) -> Floats:
    """Kernel (n_chosen, n_chosen) of how far the rows of each rare part are from all of that part.

    The effect of a rare level depends on other columns, and one row of the level does not tell how.
    """
    within = np.zeros((chosen.size, chosen.size))
    for part in parts:
        inside = part.members[candidates]
        own, every = np.flatnonzero(inside[chosen]), np.flatnonzero(inside)
        if own.size < 2:
            continue
        from_all = matrix[np.ix_(chosen[own], every)].mean(axis=1)
        overall = matrix[np.ix_(every, every)].mean()
        centered = matrix[np.ix_(chosen[own], chosen[own])] - from_all[:, None] - from_all[None] + overall
        within[np.ix_(own, own)] += WITHIN / part.proportion * centered
    return within


def _of_parts(parts: list[RarePart], rows: Codes) -> Floats:
    """Kernel (n, n) of whether rows are in the same rare parts, so that the weights of these are right."""
    if not parts:
        return np.zeros((rows.size, rows.size))
    members = np.column_stack([part.members[rows] for part in parts])
    shares = np.array([part.proportion for part in parts])
    matrix = (members - shares) / np.sqrt(shares * (1.0 - shares))
    return np.asarray(matrix @ matrix.T)
