"""Rows drawn feature by feature, near a row or for all rows together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.perturb.features import Drawn, Feature
from agnostix.perturb.sobol import SobolBlocks
from agnostix.typing import Bools, Floats
from agnostix.utils.frames import assembled


@dataclass(frozen=True)
class Neighbourhood:
    """Features, and the points at which they are drawn.

    Attributes
    ----------
    like : DataFrame or ndarray of shape (n, n_columns)
        What the tables are to be like.
    features : tuple of Feature
        All of them.
    points : SobolBlocks
        One dimension for each feature.
    """

    like: Any
    features: tuple[Feature, ...]
    points: SobolBlocks

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.like.shape[1])

    def centres(self, X: Any) -> Floats:
        """Bins and numbers of rows.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of shape (n_rows, n_features)
        """
        return np.stack([np.asarray(one.centres(X), dtype=float) for one in self.features], axis=1)

    def fixed(self, centres: Floats) -> tuple[Bools, Bools]:
        """Features of which draws tell nothing.

        Parameters
        ----------
        centres : ndarray of shape (n_rows, n_features)
            From `centres`.

        Returns
        -------
        idle : ndarray of bool of shape (n_rows, n_features)
            All draws have the row's value.
        unseen : ndarray of bool of shape (n_rows, n_features)
            No draw has it.
        """
        pairs = zip(self.features, centres.T, strict=True)
        unseen = np.stack([one.is_unseen(own) for one, own in pairs], axis=1)
        varies = np.array([one.varies for one in self.features])
        return ~varies & ~unseen, unseen

    def shared(self, part: slice) -> list[Drawn]:
        """Draws that serve all rows.

        Parameters
        ----------
        part : slice
            Which.

        Returns
        -------
        list of Drawn
            One for each feature.
        """
        u = self.points.points(part)
        return [one.drawn(u[:, j]) for j, one in enumerate(self.features)]

    def table(self, drawn: Sequence[Drawn], part: slice = slice(None)) -> Any:
        """Put drawn features together.

        Parameters
        ----------
        drawn : sequence of Drawn
            One for each feature.
        part : slice, default=slice(None)
            Which of the draws.

        Returns
        -------
        DataFrame or ndarray of shape (n, n_columns)
        """
        columns: dict[int, Any] = {}
        for feature, one in zip(self.features, drawn, strict=True):
            for place, column in zip(feature.positions, one.columns, strict=True):
                columns[place] = column[part]
        return assembled(self.like, columns)
