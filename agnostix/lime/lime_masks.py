"""Distributions of LIME's masks over segments of a picture or words of a text, weighted by its kernel.

A mask's weight depends on how many of d players it keeps, ``exp(-(1 - sqrt(kept / d))**2 / (2 width**2))``,
by its cosine distance to the mask that keeps all. The players are exchangeable, so a distribution is
known by how often it keeps how many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.masking.masker import MaskDistribution
from agnostix.core.typing import Floats


@dataclass(frozen=True)
class MaskLaw:
    """How many players a weighted mask keeps.

    Attributes
    ----------
    chances : ndarray of shape (n_players + 1,)
        Chance, once masks are weighted, of keeping 0, 1, ..., all.
    weight : float
        Mean weight of a mask.
    """

    chances: Floats
    weight: float

    @classmethod
    def of(cls, d: int, width: float, distribution: MaskDistribution) -> MaskLaw:
        """Weight a distribution of masks.

        Parameters
        ----------
        d : int
            Players, at least 1.
        width : float
            Of the kernel, positive; LIME's own is 0.25, for pictures and texts alike.
        distribution : {"bernoulli", "sizes"}
            Pictures: each player is kept with chance 1/2. Texts: 1 to d players, each number alike likely,
            are left out.

        Returns
        -------
        MaskLaw
        """
        kept = np.arange(d + 1)
        logs = -((1.0 - np.sqrt(kept / d)) ** 2) / (2.0 * width**2)
        sizes = _sizes(d, distribution)
        top = logs[sizes > 0.0].max()
        masses = sizes * np.exp(np.minimum(logs - top, 0.0))
        return cls(masses / masses.sum(), float(masses.sum() * np.exp(top)))

    @property
    def n_players(self) -> int:
        """Players."""
        return len(self.chances) - 1

    @property
    def alpha(self) -> float:
        """Chance that a player is kept."""
        return float(self.chances @ self._kept) / self.n_players

    @property
    def apart(self) -> float:
        """Chance that a given player is kept and a given other one is not; 0 for one player."""
        d = self.n_players
        return float(self.chances @ (self._kept * (d - self._kept))) / max(1, d * (d - 1))

    @property
    def together(self) -> float:
        """Variance of the number kept, a player's share of it: what the covariances of one add up to."""
        deviation = self._kept - self.chances @ self._kept
        return float(self.chances @ deviation**2) / self.n_players

    @property
    def _kept(self) -> Floats:
        """0, 1, ..., all."""
        return np.arange(self.n_players + 1.0)


def mask_weights(d: int, width: float, distribution: MaskDistribution) -> Floats:
    """Mean of the weight, of the weight times z_1, and of the weight times z_1 z_2.

    Parameters
    ----------
    d, width, distribution
        As for `MaskLaw.of`.

    Returns
    -------
    ndarray of shape (3,)
        The last is 0 for one player.

    References
    ----------
    .. [1] D. Garreau and D. Mardaoui, "What does LIME really see in images?", ICML 2021.
    .. [2] D. Mardaoui and D. Garreau, "An analysis of LIME for text data", AISTATS 2021.
    """
    masks = MaskLaw.of(d, width, distribution)
    kept = np.arange(d + 1.0)
    pairs = float(masks.chances @ (kept * (kept - 1.0))) / max(1, d * (d - 1))
    return masks.weight * np.array([1.0, masks.alpha, pairs])


def _sizes(d: int, distribution: MaskDistribution) -> Floats:
    """Chance of keeping 0, 1, ..., d, before masks are weighted."""
    if distribution == "sizes" and d > 1:
        return np.append(np.full(d, 1.0 / d), 0.0)
    # Whole numbers of any size: no logarithm of a factorial, whose last digits would show in the variance.
    ways = 1
    chances = []
    for kept in range(d + 1):
        chances.append(ways / 2**d)
        ways = ways * (d - kept) // (kept + 1)
    return np.array(chances)
