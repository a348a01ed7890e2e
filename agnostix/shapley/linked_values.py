"""Values of coalitions, with the whole background and with parts of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agnostix.core.typing import Floats, Numbers
from agnostix.shapley.links import linked

_CERTAIN = 1e-15
"""How near to 0 or 1 a mean without a group is let come, where its log-odds are taken for an error only."""


@dataclass(frozen=True)
class LinkedValues:
    """From means over groups of background rows to values of coalitions.

    Attributes
    ----------
    link : {"identity", "logit"}
        Applied to the mean over the whole background.
    shares : ndarray of shape (n_groups,)
        Weight of each group, summing to 1; a single group is no sample.
    """

    link: str
    shares: Numbers

    @property
    def is_sample(self) -> bool:
        """Whether there are groups to tell an error from."""
        return self.shares.size > 1

    def whole(self, means: Floats) -> Floats:
        """Values with the whole background.

        Parameters
        ----------
        means : ndarray of shape (n_coalitions, n_groups, ...)
            Mean predictions, in model output units.

        Returns
        -------
        ndarray of shape (n_coalitions, ...)
            In explained units.

        Raises
        ------
        DataError
            If a mean has no log-odds and these are asked for.
        """
        return linked(self.link, self._mean(means))

    def versions(self, means: Floats) -> Floats:
        """Values from which the background's error is told.

        Parameters
        ----------
        means : ndarray of shape (n_coalitions, n_groups, ...)
            Mean predictions, in model output units.

        Returns
        -------
        ndarray shaped as means
            In explained units: with each group alone where values are linear in the means, which tells as
            much as leaving it out; else with each group left out.
        """
        if self.link == "identity":
            return means
        whole = self._mean(means)
        without = np.empty_like(means)
        for group, share in enumerate(self.shares):
            without[:, group] = whole + share / self._left[group] * (whole - means[:, group])
        return linked(self.link, np.clip(without, _CERTAIN, 1.0 - _CERTAIN))

    def spread(self, values: Floats, versions: Floats) -> Floats:
        """Variance of values over draws of the background: a jackknife over its groups.

        Parameters
        ----------
        values : ndarray of shape (n_values, ...)
            From the values of the whole.
        versions : ndarray of shape (n_values, n_groups, ...)
            From those of `versions`.

        Returns
        -------
        ndarray of shape (n_values, ...)
        """
        variance = np.zeros_like(values)
        for group, factor in enumerate(self._factors):
            variance += factor * np.square(versions[:, group] - values)
        return variance

    @cached_property
    def _factors(self) -> Floats:
        return self.shares**2 / self._left if self.link == "identity" else self._left

    @cached_property
    def _left(self) -> Floats:
        """Weight of the other groups, above 0 however small they are."""
        return np.array([np.delete(self.shares, group).sum() for group in range(self.shares.size)])

    def _mean(self, means: Floats) -> Floats:
        """From the heaviest group, so that equal means average to themselves; group by group."""
        middle = means[:, self.shares.argmax()]
        whole = middle.copy()
        for group, share in enumerate(self.shares):
            whole += share * (means[:, group] - middle)
        return whole
