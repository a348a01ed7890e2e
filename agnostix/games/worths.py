"""What coalitions are worth."""

from __future__ import annotations

from dataclasses import dataclass

from agnostix.core.typing import Floats


@dataclass(frozen=True)
class Worths:
    """What coalitions are worth, in explained units.

    Attributes
    ----------
    full, empty : ndarray of shape (...)
        All players, and none.
    rest : ndarray of shape (n_coalitions, ...)
        The coalitions between, in the order in which they were asked about.
    """

    full: Floats
    empty: Floats
    rest: Floats

    def differences(self) -> tuple[Floats, Floats]:
        """Kept sides of pairs less their complements, and all less none, with games as columns."""
        apart = self.rest[0::2] - self.rest[1::2]
        return apart.reshape(apart.shape[0], -1), (self.full - self.empty).ravel()
