"""Where the rows that are drawn come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agnostix.core.typing import Codes
from agnostix.surrogate_tree.material import Material


class Source(Protocol):
    """What trees are grown on, beside given rows."""

    def rows(self, material: Material, left_out: set[int]) -> tuple[Material, Codes]:
        """Rows to grow on where some parts are left out, and the material they are of."""


@dataclass(frozen=True)
class GivenAlone:
    """Given rows and no others."""

    def rows(self, material: Material, left_out: set[int]) -> tuple[Material, Codes]:
        """Given rows.

        Parameters
        ----------
        material : Material
            All rows.
        left_out : set of int
            Parts that are not grown on.

        Returns
        -------
        Material, ndarray of int
        """
        return material, material.without(left_out, drawn=False)


@dataclass(frozen=True)
class DrawnOnce:
    """Rows that were drawn for all trees together, each of the part of the row it was made from."""

    drawn: Material

    @property
    def n_drawn(self) -> int:
        """How many were drawn."""
        return self.drawn.fold.size - self.drawn.n_real

    def rows(self, material: Material, left_out: set[int]) -> tuple[Material, Codes]:
        """Given rows and drawn ones.

        Parameters
        ----------
        material : Material
            Given rows.
        left_out : set of int
            Parts that are not grown on.

        Returns
        -------
        Material, ndarray of int
        """
        return self.drawn, self.drawn.without(left_out, drawn=True)
