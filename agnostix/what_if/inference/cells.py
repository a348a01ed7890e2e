"""Influence of rows that the conditions tell apart by few cells, as margins do: sums over cells, not rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import TypeAlias

import numpy as np

from agnostix.core.typing import Codes, Floats
from agnostix.what_if.calibration import Cells
from agnostix.what_if.inference.carried import trusted_degrees_of_sums
from agnostix.what_if.inference.influence import (
    MAX_LEVERAGE,
    MIN_CARRIED_WEIGHT,
    Influence,
    invert_moment,
)


@dataclass(frozen=True)
class CellInfluence:
    """`Influence` of exponential tilting along statistics that are constant within cells."""

    cells: Cells
    centered: Floats  # (n_cells, n_constraints), statistics minus their targets
    weights: Floats  # (n_rows,), projected weights, summing to 1
    base: Floats  # (n_rows,), base weights, summing to 1
    inverse: Floats  # (n_constraints, n_constraints), inverse of the weighted second moments of `centered`
    inflated: Floats  # (n_rows,), weights over one minus leverage
    one_row_dominates: bool  # whether the result rests on one row, whose spread is unknown

    @classmethod
    def from_weights(cls, centered: Floats, cells: Cells, weights: Floats, base: Floats) -> CellInfluence:
        """From statistics minus their targets (n_cells, n_constraints) and weights (n_rows,)."""
        own = np.bincount(cells.code, weights, len(centered))
        inverse = invert_moment((centered * own[:, None]).T @ centered)
        factor = 1.0 + ((centered @ inverse) * centered).sum(1)
        leverage = weights * factor[cells.code]
        dominates = bool(((leverage > MAX_LEVERAGE) & (weights > MIN_CARRIED_WEIGHT)).any())
        inflated = weights / (1.0 - np.minimum(leverage, MAX_LEVERAGE))
        return cls(cells, centered, weights, base, inverse, inflated, dominates)

    def errors(self, psi: Floats, psi_base: Floats | None = None) -> tuple[Floats, Floats]:
        """Standard errors (n_outcomes,) of weighted means, and of their differences to the base means."""
        if self.one_row_dominates:
            unknown = np.full(psi.shape[1], np.inf)
            return unknown, unknown
        own, change = self.parts(psi, psi_base)
        return np.sqrt((own**2).sum(0)), np.sqrt((change**2).sum(0))

    def parts(
        self, psi: Floats, psi_base: Floats | None = None, drift: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Influence (n_rows, n_outcomes) of each row on weighted means, and on their differences."""
        assert drift is None  # margins are stated, not a divergence
        psi_base = psi if psi_base is None else psi_base
        own, change = np.empty_like(psi, order="F"), np.empty_like(psi, order="F")
        for j in range(psi.shape[1]):
            own[:, j] = self._of_rows(psi[:, j])
            change[:, j] = own[:, j] - (psi_base[:, j] - self.base @ psi_base[:, j]) * self.base
        return own, change

    def _of_rows(self, psi: Floats) -> Floats:
        residual = psi - self.weights @ psi
        sums = np.bincount(self.cells.code, self.weights * residual, len(self.centered))
        slopes = self.inverse @ (self.centered.T @ sums)
        residual -= (self.centered @ slopes)[self.cells.code]
        residual *= self.inflated
        return residual

    def shifts_of_levels(self, codes: Codes, n_levels: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Shares of levels (n_levels,) before and after, errors of the differences, degrees of freedom."""
        # The rows' influences are a (1_level - e) - b (1_level - p0), whose powers are expanded, so that they
        # are sums over cells and levels.
        by_cell, by_level = self._sums, self._level_sums(codes, n_levels)
        after, before = by_level("weights"), by_level("base")
        p, p0 = after.sum(0), before.sum(0)
        if self.one_row_dominates:
            return p0, p, np.full(n_levels, np.inf), np.ones(n_levels)
        own = after - by_cell["weights"][:, None] * p
        e = p + self.centered @ (self.inverse @ (self.centered.T @ own))
        squares, fourth = (self._power_sums(by_level, e, p0, power) for power in (2, 4))
        degrees = trusted_degrees_of_sums(squares, fourth, self.base.size)
        return p0, p, np.sqrt(squares), degrees

    def _power_sums(self, by_level: Callable[[str], Floats], e: Floats, p0: Floats, power: int) -> Floats:
        """Sums (n_levels,) of a power of the influences, by e (n_cells, n_levels) and p0 (n_levels,)."""
        total = np.zeros(p0.size)
        for k in range(power + 1):
            name = "a" * (power - k) + "b" * k
            inside, everywhere = by_level(name), self._sums[name][:, None]
            own = (1.0 - e) ** (power - k) * (p0 - 1.0) ** k * inside
            others = (-e) ** (power - k) * p0**k * (everywhere - inside)
            total += comb(power, k) * (own + others).sum(0)
        return np.maximum(total, 0.0)

    def _level_sums(self, codes: Codes, n_levels: int) -> Callable[[str], Floats]:
        """Sums of products of the rows by cell and level, (n_cells, n_levels)."""
        n_cells, cell = len(self.centered), self.cells.code
        level = codes[self.cells.first]
        if (level[cell] == codes).all():  # rows were merged by this column: a cell has one level

            def from_cells(name: str) -> Floats:
                sums = np.zeros((n_cells, n_levels))
                sums[np.arange(n_cells), level] = self._sums[name]
                return sums

            return from_cells
        joint, products = cell * n_levels + codes, self._products

        def from_rows(name: str) -> Floats:
            sums = np.bincount(joint, products[name], n_cells * n_levels)
            return sums.astype(np.float64, copy=False).reshape(n_cells, n_levels)

        return from_rows

    @property
    def _products(self) -> dict[str, Floats]:
        """Products (n_rows,) of what powers of the influences are made of."""
        a, b = self.inflated, self.base
        aa, ab, bb = a * a, a * b, b * b
        products = {"weights": self.weights, "base": b, "aa": aa, "ab": ab, "bb": bb}
        products |= {"aaaa": aa * aa, "aaab": aa * ab, "aabb": ab * ab, "abbb": ab * bb, "bbbb": bb * bb}
        return products

    @cached_property
    def _sums(self) -> dict[str, Floats]:
        """Sums of the products by cell, (n_cells,)."""
        return {name: self.cells.sums(product) for name, product in self._products.items()}


AnyInfluence: TypeAlias = Influence | CellInfluence
"""Influence of rows, in cells where these are few."""
