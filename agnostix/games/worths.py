"""Worths of coalitions, with the whole background and with parts of it left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.solvers.links import linked
from agnostix.typing import Floats

_CERTAIN = 1e-15
"""How near to 0 or 1 a mean without a group is let come, where its log-odds are taken for an error only."""


@dataclass(frozen=True)
class WorthScale:
    """From means over groups of background rows to worths.

    Attributes
    ----------
    link : {"identity", "logit"}
        Applied to the mean over the whole background.
    shares : ndarray of shape (n_groups,)
        Weight of each group, summing to 1; a single group is no sample.
    """

    link: str
    shares: Floats

    @property
    def n_versions(self) -> int:
        """The whole, and with each group left out in turn."""
        return 1 + (self.shares.size if self.shares.size > 1 else 0)

    def of(self, means: Floats) -> Floats:
        """Worths of coalitions.

        Parameters
        ----------
        means : ndarray of shape (n_coalitions, n_groups, ...)
            Mean predictions, in model output units.

        Returns
        -------
        ndarray of shape (n_coalitions, n_versions, ...)
            In explained units: first with the whole background, then with each group left out.

        Raises
        ------
        DataError
            If a mean has no log-odds and these are asked for.
        """
        middle = means[:, self.shares.argmax()]
        whole = middle.copy()
        for group, share in enumerate(self.shares):
            whole += share * (means[:, group] - middle)
        worths = np.empty((means.shape[0], self.n_versions, *means.shape[2:]))
        worths[:, 0] = linked(self.link, whole)
        for version in range(1, self.n_versions):
            odds = self.shares[version - 1] / self._left(version)
            without = whole + odds * (whole - means[:, version - 1])
            if self.link == "logit":
                without = np.clip(without, _CERTAIN, 1.0 - _CERTAIN)
            worths[:, version] = linked(self.link, without)
        return worths

    def spread(self, versions: Floats) -> Floats:
        """Variance of what is computed from worths, over draws of the background: a jackknife over groups.

        Parameters
        ----------
        versions : ndarray of shape (n_values, n_versions, ...)
            Results, first with the whole background.

        Returns
        -------
        ndarray of shape (n_values, ...)
            Zeros where the background is no sample.
        """
        variance = np.zeros_like(versions[:, 0])
        for version in range(1, self.n_versions):
            variance += self._left(version) * np.square(versions[:, version] - versions[:, 0])
        return variance

    def _left(self, version: int) -> float:
        """Weight of the other groups, above 0 however small they are."""
        return float(np.delete(self.shares, version - 1).sum())
