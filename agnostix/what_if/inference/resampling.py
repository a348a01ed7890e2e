"""Draws of the rows with replacement, as multipliers of their base weights.

Of the n_h clusters of a stratum, n_h - 1 are drawn and weigh n_h / (n_h - 1) each time, so that the spread of
means over draws is their variance also where n_h is small (Rao and Wu, 1988). Rows without a design are
clusters of their own in one stratum. Draws come in blocks of one size, each with a stream of its own:
they are the same whoever computes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.inference.design import Design

BLOCK = 32
"""Draws of a block."""
_STREAM = 11
"""Apart from the streams of other random numbers of the same seed."""


@dataclass(frozen=True)
class Resampling:
    """Bootstrap draws of the rows of a table."""

    n_rows: int  # of the table
    design: Design | None  # of its rows
    n_draws: int
    seed: int

    @cached_property
    def own_design(self) -> Design:
        """The design; without one, each row is a cluster."""
        one = np.zeros(self.n_rows, dtype=np.intp)
        return self.design or Design(np.arange(self.n_rows), one, False)

    @cached_property
    def _by_stratum(self) -> tuple[Codes, Codes, Codes]:
        """Clusters by stratum, the first of the stratum of each draw, and its size."""
        sizes = self.own_design.sizes
        first = np.cumsum(sizes) - sizes
        times = sizes - 1
        return (
            np.argsort(self.own_design.stratum, kind="stable"),
            np.repeat(first, times),
            np.repeat(sizes, times),
        )

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Number and size of each block."""
        for start in range(0, self.n_draws, BLOCK):
            yield start // BLOCK, min(BLOCK, self.n_draws - start)

    def of_clusters(self, number: int, size: int) -> Floats:
        """How often each cluster counts in a block's draws, (size, n_clusters)."""
        order, first, sizes = self._by_stratum
        n_clusters = self.own_design.n_clusters
        rng = np.random.default_rng([self.seed, _STREAM, number])
        chosen = order[first + rng.integers(0, sizes, (BLOCK, first.size))[:size]]
        chosen += n_clusters * np.arange(size)[:, None]
        counts = np.bincount(chosen.ravel(), minlength=size * n_clusters).reshape(size, n_clusters)
        of_stratum = self.own_design.sizes / (self.own_design.sizes - 1.0)
        return np.asarray(counts * of_stratum[self.own_design.stratum], dtype=np.float64)

    def of_rows(self, of_clusters: Floats, rows: Bools | None = None) -> Floats:
        """How often the rows count, (n_draws, n_rows), all of them or those that are chosen."""
        if rows is None and not self.own_design.has_clusters:
            return of_clusters
        return of_clusters[:, self.own_design.cluster if rows is None else self.own_design.cluster[rows]]

    def squares(self, influences: Floats, rows: Bools | None = None) -> Floats:
        """What each cluster adds to variances, (n_clusters, n_outcomes), from influences of the rows."""
        design = self.own_design if rows is None else self.own_design.restrict(rows)
        return design.centered(influences) ** 2
