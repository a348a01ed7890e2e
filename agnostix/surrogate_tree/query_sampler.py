"""Rows that are drawn for a surrogate tree, with the model's predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import as_table, check_schema, columns
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Codes
from agnostix.exceptions import DataError
from agnostix.surrogate_tree.material import Material
from agnostix.surrogate_tree.queries import SmoothedBootstrap


@dataclass(frozen=True)
class QuerySampler:
    """A model, and rows that can be drawn for it.

    Attributes
    ----------
    evaluate : callable
        `evaluate` with the model given.
    bootstrap : SmoothedBootstrap
        Near given rows.
    seed : int
        Of all draws.
    """

    evaluate: Callable[..., tuple[Any, int]]
    bootstrap: SmoothedBootstrap
    seed: int

    def resample(self, material: Material, n_drawn: int) -> Material:
        """Given rows, and n_drawn rows of a smoothed bootstrap within each part."""
        rng = np.random.default_rng([self.seed, 1])
        parents = rng.integers(material.n_real, size=n_drawn)
        drawn = self.bootstrap.draw(parents, material.fold[: material.n_real], rng)
        return self.join(material, drawn, parents)

    def sample(self, material: Material, n_drawn: int, sampler: Callable[..., Any]) -> Material:
        """Given rows, and n_drawn rows from the user's sampler(n, rng)."""
        drawn = as_table(sampler(n_drawn, np.random.default_rng([self.seed, 1])))
        check_schema(drawn, self.bootstrap.table)
        if drawn.shape[0] != n_drawn:
            raise DataError(
                f"The 'synthetic' sampler of MimicTree was asked for {n_drawn} rows and gave "
                f"{drawn.shape[0]}. It is called as sampler(n, rng) and must give n rows."
            )
        return self.join(material, drawn, np.full(n_drawn, -1))

    def join(self, material: Material, drawn: Any, parents: Codes) -> Material:
        """Given rows, and drawn ones with predictions; `parents` are those they were made from, or -1."""
        if not parents.size:
            return material
        answers, _ = self.evaluate(TableRows(drawn, name="drawn rows"))
        pairs = zip(material.features, columns(drawn).values(), strict=True)
        return material.joined(np.column_stack([one.read(column) for one, column in pairs]), answers, parents)
