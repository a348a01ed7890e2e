"""Rows that are drawn where a first tree has few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.frames import take_rows
from agnostix.core.typing import Codes
from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.query_sampler import QuerySampler

TRIES = 4
"""Rows that are drawn near a leaf for each that is wanted in it."""


@dataclass(frozen=True)
class DrawnInLeaves:
    """Rows drawn for each tree by itself, within the leaves of a first tree, most where it has fewest.

    Attributes
    ----------
    sampler : QuerySampler
        Draws rows and has them predicted.
    growth : Growth
        Of the first tree.
    n_drawn : int
        Rows for each tree.
    """

    sampler: QuerySampler
    growth: Growth
    n_drawn: int

    def rows(self, material: Material, left_out: set[int]) -> tuple[Material, Codes]:
        """Draw, and ask the model.

        Parameters
        ----------
        material : Material
            Given rows.
        left_out : set of int
            Parts that are not grown on, nor drawn from.

        Returns
        -------
        Material, ndarray of int
        """
        rng = np.random.default_rng([self.sampler.seed, 2, *sorted(left_out)])
        given = material.without(left_out, drawn=False)
        first = self.growth.grown(material, given).tree
        leaf = first.apply_read(material.numbers[: material.n_real])
        room = self._room(leaf[given])
        parents = np.concatenate(
            [rng.choice(given[leaf[given] == place], TRIES * wanted) for place, wanted in room.items()]
        )
        drawn = self.sampler.bootstrap.draw(parents, self._groups(leaf, given), rng)
        inside = np.flatnonzero(first.apply(drawn) == leaf[parents])
        kept = np.concatenate(
            [inside[leaf[parents[inside]] == place][:wanted] for place, wanted in room.items()]
        )
        more = self.sampler.join(material, take_rows(drawn, kept), parents[kept])
        return more, more.without(left_out, drawn=True)

    def _groups(self, leaf: Codes, given: Codes) -> Codes:
        """Leaves, and a group of their own for rows that are not drawn from."""
        groups = np.full(leaf.size, leaf.max() + 1)
        groups[given] = leaf[given]
        return groups

    def _room(self, leaf: Codes) -> dict[int, int]:
        """Rows for each leaf, so that all have as many as can be."""
        places, held = np.unique(leaf, return_counts=True)
        lacking = np.maximum((held.sum() + self.n_drawn) / held.size - held, 0.0)
        wanted = np.floor(lacking * self.n_drawn / max(lacking.sum(), 1.0)).astype(np.intp)
        return dict(zip(places.tolist(), wanted.tolist(), strict=True))
