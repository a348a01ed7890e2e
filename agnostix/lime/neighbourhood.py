"""Rows drawn feature by feature, near a row or for all rows together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import build_table
from agnostix.core.sobol import SobolBlocks
from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.lime.features import BinnedFeature, Drawn, Feature


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

    @property
    def varies(self) -> Bools:
        """Features of which more than one value is drawn, of shape (n_features,)."""
        return np.array([one.varies for one in self.features])

    def unseen(self, centres: Numbers) -> Bools:
        """Values that are never drawn.

        Parameters
        ----------
        centres : ndarray of shape (n_rows, n_features)
            From `centres`.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_features)
        """
        pairs = zip(self.features, centres.T, strict=True)
        return np.stack([one.is_unseen(own) for one, own in pairs], axis=1)

    def shares_of_bins(self, centres: Floats) -> Floats:
        """How often the rows' own bins were seen.

        Parameters
        ----------
        centres : ndarray of shape (n_rows, n_features)
            From `centres`.

        Returns
        -------
        ndarray of shape (n_rows, n_features)
            NaN for numbers without bins.
        """
        shares = np.full(centres.shape, np.nan)
        for j, one in enumerate(self.features):
            if isinstance(one, BinnedFeature):
                shares[:, j] = np.append(one.seen, 0.0)[centres[:, j].astype(np.intp)]
        return shares

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
        return build_table(self.like, columns)
