"""Where the rows that are drawn come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from agnostix.engine import Survey, TableRows
from agnostix.exceptions import DataError
from agnostix.mimic.growth import Growth
from agnostix.mimic.material import Material
from agnostix.mimic.queries import SmoothedBootstrap
from agnostix.perturb.alike import check_alike
from agnostix.typing import Codes
from agnostix.utils.frames import as_table, columns, take_rows

TRIES = 4
"""Rows that are drawn near a leaf for each that is wanted in it."""


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


@dataclass(frozen=True)
class DrawnInLeaves:
    """Rows drawn for each tree by itself, within the leaves of a first tree, most where it has fewest.

    Attributes
    ----------
    asking : Asking
        How the model is asked.
    growth : Growth
        Of the first tree.
    n_drawn : int
        Rows for each tree.
    """

    asking: Asking
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
        rng = np.random.default_rng([self.asking.seed, 2, *sorted(left_out)])
        given = material.without(left_out, drawn=False)
        first = self.growth.grown(material, given).tree
        leaf = first.apply_read(material.numbers[: material.n_real])
        room = self._room(leaf[given])
        parents = np.concatenate(
            [rng.choice(given[leaf[given] == place], TRIES * wanted) for place, wanted in room.items()]
        )
        drawn = self.asking.bootstrap.draw(parents, self._groups(leaf, given), rng)
        inside = np.flatnonzero(first.apply(drawn) == leaf[parents])
        kept = np.concatenate(
            [inside[leaf[parents[inside]] == place][:wanted] for place, wanted in room.items()]
        )
        more = self.asking.joined(material, take_rows(drawn, kept), parents[kept])
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


@dataclass(frozen=True)
class Asking:
    """A model, and rows that can be drawn for it.

    Attributes
    ----------
    survey : Survey
        The model.
    bootstrap : SmoothedBootstrap
        Near given rows.
    seed : int
        Of all draws.
    """

    survey: Survey
    bootstrap: SmoothedBootstrap
    seed: int

    def resampled(self, material: Material, n_drawn: int) -> Material:
        """Given rows, and rows of a smoothed bootstrap within each part.

        Parameters
        ----------
        material : Material
            Given rows.
        n_drawn : int
            Rows to draw.

        Returns
        -------
        Material
        """
        rng = np.random.default_rng([self.seed, 1])
        parents = rng.integers(material.n_real, size=n_drawn)
        drawn = self.bootstrap.draw(parents, material.fold[: material.n_real], rng)
        return self.joined(material, drawn, parents)

    def sampled(self, material: Material, n_drawn: int, sampler: Callable[..., Any]) -> Material:
        """Given rows, and rows from the user's sampler.

        Parameters
        ----------
        material : Material
            Given rows.
        n_drawn : int
            Rows to draw.
        sampler : callable
            From (n, rng) to a table of n rows.

        Returns
        -------
        Material

        Raises
        ------
        DataError
            If it gives another number of rows, or a table of another make.
        """
        drawn = as_table(sampler(n_drawn, np.random.default_rng([self.seed, 1])))
        check_alike(drawn, self.bootstrap.table)
        if drawn.shape[0] != n_drawn:
            raise DataError(
                f"The 'synthetic' sampler of MimicTree was asked for {n_drawn} rows and gave "
                f"{drawn.shape[0]}. It is called as sampler(n, rng) and must give n rows."
            )
        return self.joined(material, drawn, np.full(n_drawn, -1))

    def joined(self, material: Material, drawn: Any, parents: Codes) -> Material:
        """Ask the model about drawn rows, and put them to the others.

        Parameters
        ----------
        material : Material
            The others.
        drawn : DataFrame or ndarray of shape (n, n_columns)
            What was drawn.
        parents : ndarray of int of shape (n,)
            Given rows from which they were made; -1 for none.

        Returns
        -------
        Material
        """
        if not parents.size:
            return material
        rows = TableRows(drawn, np.arange(drawn.shape[0]), drawn.shape[1], "drawn rows")
        answers = self.survey.ask(rows)
        pairs = zip(material.features, columns(drawn).values(), strict=True)
        return material.joined(np.column_stack([one.read(column) for one, column in pairs]), answers, parents)
