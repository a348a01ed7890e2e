"""How given rows are divided: to grow on, to choose by, to report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Codes

N_PARTS = 5
"""Parts into which given rows are divided."""
SET_ASIDE_FROM = 5000
"""Rows from which on one part is set aside to report; below, parts take turns."""


@dataclass(frozen=True)
class Division:
    """How given rows are divided into parts.

    Few rows take turns: every part is tested by trees that were grown without
    it. Of many, the first is set aside to report and the second to choose.

    Attributes
    ----------
    part : ndarray of int of shape (n_rows,)
        Of each row.
    n_parts : int
        How many there are.
    crossed : bool
        Whether parts take turns.
    """

    part: Codes
    n_parts: int
    crossed: bool

    @classmethod
    def of(cls, n_rows: int, seed: int) -> Division:
        """Divide rows at random.

        Parameters
        ----------
        n_rows : int
            How many.
        seed : int
            Of the draw.

        Returns
        -------
        Division
        """
        n_parts = min(N_PARTS, n_rows)
        part = np.random.default_rng([seed, 0]).permutation(n_rows) % n_parts
        return cls(part, n_parts, n_rows < SET_ASIDE_FROM)

    @property
    def tests(self) -> list[tuple[int, set[int]]]:
        """For each trial the part that is tested, and the parts that are not grown on."""
        return [(k, {k}) for k in range(self.n_parts)] if self.crossed else [(1, {0, 1})]

    @property
    def set_aside(self) -> set[int]:
        """Parts that the tree itself is not grown on."""
        return set() if self.crossed else {0}

    @property
    def inflation(self) -> float:
        """Factor on the variance of what is reported.

        Parts that take turns are told by trees that share rows, and the tree that is kept is another again:
        the corrected variance of Nadeau and Bengio.
        """
        return 1.0 + self.n_parts / (self.n_parts - 1.0) if self.crossed else 1.0

    @property
    def source(self) -> str:
        """What is said of the rows that tell."""
        return "cross-fitted" if self.crossed else "held out"
