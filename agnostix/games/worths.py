"""Worths of coalitions, with the whole background and with parts of it."""

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
        """The whole, and one for each group where there are several."""
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
            In explained units: first with the whole background, then with each group alone where values are
            linear in the means, or with each group left out.

        Raises
        ------
        DataError
            If a mean has no log-odds and these are asked for.
        """
        whole = means[:, 0].copy()
        for group in range(1, self.shares.size):
            whole += self.shares[group] * (means[:, group] - means[:, 0])
        worths = np.empty((means.shape[0], self.n_versions, *means.shape[2:]))
        worths[:, 0] = linked(self.link, whole)
        for version in range(1, self.n_versions):
            share = self.shares[version - 1]
            if self.link == "identity":  # all that follows is linear: the group alone tells as much
                worths[:, version] = means[:, version - 1]
            else:
                without = whole + share / (1.0 - share) * (whole - means[:, version - 1])
                worths[:, version] = linked(self.link, np.clip(without, _CERTAIN, 1.0 - _CERTAIN))
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
            share = self.shares[version - 1]
            factor = share**2 / (1.0 - share) if self.link == "identity" else 1.0 - share
            variance += factor * np.square(versions[:, version] - versions[:, 0])
        return variance
