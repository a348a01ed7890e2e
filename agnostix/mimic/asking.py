"""A model, asked about rows that are drawn for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import as_table, columns
from agnostix.core.masking.schema import check_schema
from agnostix.core.typing import Codes
from agnostix.engine import Survey, TableRows
from agnostix.exceptions import DataError
from agnostix.mimic.material import Material
from agnostix.mimic.queries import SmoothedBootstrap


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
        check_schema(drawn, self.bootstrap.table)
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
