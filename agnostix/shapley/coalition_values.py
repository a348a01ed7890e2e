"""Values of coalitions."""

from __future__ import annotations

from dataclasses import dataclass

from agnostix.core.typing import Floats


@dataclass(frozen=True)
class CoalitionValues:
    """Values of coalitions, in explained units.

    Attributes
    ----------
    full, empty : ndarray of shape (...)
        The full and the empty coalition.
    rest : ndarray of shape (n_coalitions, ...)
        The coalitions between, in the order in which they were evaluated.
    """

    full: Floats
    empty: Floats
    rest: Floats

    def differences(self) -> tuple[Floats, Floats]:
        """Kept sides of pairs less their complements, and full less empty, with games as columns."""
        apart = self.rest[0::2] - self.rest[1::2]
        return apart.reshape(apart.shape[0], -1), (self.full - self.empty).ravel()
