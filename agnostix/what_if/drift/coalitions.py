"""Orders of columns: which coalitions are solved, and how Shapley values are made of their values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from agnostix.core.typing import Codes, Floats

MOST_EXACT = 12
"""Columns up to which all orders are averaged."""
_N_ORDERS = 40
"""Sampled orders above that, in pairs of an order and its reverse."""
_STREAM = 21
Coalition = tuple[int, ...]
"""Places of columns, in increasing order."""


@dataclass(frozen=True)
class CoalitionPlan:
    """Coalitions by size, and the matrix from their values to Shapley values."""

    coalitions: tuple[Coalition, ...]  # the empty one first, the full one last
    weights: Floats  # (n_coalitions, n_columns)
    orders: Codes | None = None  # (n_orders, n_columns), sampled; None if all are averaged

    @classmethod
    def exact(cls, n_columns: int) -> CoalitionPlan:
        """All subsets."""
        coalitions = tuple(c for size in range(n_columns + 1) for c in combinations(range(n_columns), size))
        weights = np.zeros((len(coalitions), n_columns))
        for row, coalition in enumerate(coalitions):
            inside, size = list(coalition), len(coalition)
            outside = [j for j in range(n_columns) if j not in coalition]
            weights[row, inside] = _weight(size - 1, n_columns)
            weights[row, outside] = -_weight(size, n_columns)
        return cls(coalitions, weights)

    @classmethod
    def sampled(cls, n_columns: int, n_orders: int, seed: int) -> CoalitionPlan:
        """The coalitions along random orders, each with its reverse."""
        rng = np.random.default_rng([seed, _STREAM])
        half = [rng.permutation(n_columns) for _ in range(-(-n_orders // 2))]
        orders = np.array([order for one in half for order in (one, one[::-1])], dtype=np.intp)
        sums: dict[Coalition, Floats] = {}
        for order in orders:
            for place, column in enumerate(order):
                before, after = _coalition(order[:place]), _coalition(order[: place + 1])
                for coalition, sign in ((before, -1.0), (after, 1.0)):
                    sums.setdefault(coalition, np.zeros(n_columns))[column] += sign / len(orders)
        coalitions = tuple(sorted(sums, key=lambda one: (len(one), one)))
        return cls(coalitions, np.array([sums[one] for one in coalitions]), orders)

    @classmethod
    def from_columns(cls, n_columns: int, n_orders: int | None, seed: int) -> CoalitionPlan:
        """All orders where they are few, else a sample."""
        if n_orders is None and n_columns <= MOST_EXACT:
            return cls.exact(n_columns)
        return cls.sampled(n_columns, n_orders or _N_ORDERS, seed)

    def sampling_errors(self, values: Floats) -> Floats:
        """Standard errors (n_columns,) of sampling orders, from the coalitions' values (n_coalitions,)."""
        n_columns = self.weights.shape[1]
        if self.orders is None:
            return np.zeros(n_columns)
        value_of = dict(zip(self.coalitions, values, strict=True))
        marginal = np.zeros(self.orders.shape)
        for row, order in enumerate(self.orders):
            steps = np.array([value_of[_coalition(order[:k])] for k in range(n_columns + 1)])
            marginal[row, order] = np.diff(steps)
        pairs = 0.5 * (marginal[0::2] + marginal[1::2])  # of an order and its reverse
        if len(pairs) < 2:
            return np.full(n_columns, np.inf)
        return pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))


def _weight(n_before: int, n_columns: int) -> float:
    """Probability that the columns before one in a random order are these, so many."""
    if not 0 <= n_before < n_columns:
        return 0.0
    return factorial(n_before) * factorial(n_columns - n_before - 1) / factorial(n_columns)


def _coalition(columns: Codes) -> Coalition:
    return tuple(sorted(int(one) for one in columns))
