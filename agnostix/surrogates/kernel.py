"""Weights of draws by their distance from a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.exceptions import DataError
from agnostix.typing import Floats

_STEPS = 60
_WIDEST = 1e6


@dataclass(frozen=True)
class Kernel:
    """A normal kernel on distances.

    Attributes
    ----------
    width : float
        In the units of the distances.
    """

    width: float

    def weights(self, squares: Floats, log_weights: Floats) -> Floats:
        """Weigh draws.

        Parameters
        ----------
        squares : ndarray of shape (n_draws,)
            Squared distances.
        log_weights : ndarray of shape (n_draws,)
            Logarithms of weights that the draws have already.

        Returns
        -------
        ndarray of shape (n_draws,)
        """
        return np.exp(log_weights - squares / (2.0 * self.width**2))

    def check(self, squares: Floats, log_weights: Floats, n_features: int, row: int) -> None:
        """See that enough draws count for a regression.

        Parameters
        ----------
        squares, log_weights : ndarray of shape (n_draws,)
            As `weights`.
        n_features : int
            Features of the regression.
        row : int
            Which row it is for.

        Raises
        ------
        DataError
            If they do not; it tells the narrowest kernel that would do.
        """
        needed = min(n_features + 1.0, squares.size / 4.0)
        found = _counting(squares, log_weights, self.width)
        if found >= needed:
            return
        narrowest = _narrowest(squares, log_weights, self.width, needed)
        way = "Raise n_samples." if narrowest is None else f"The least that works for it is {narrowest:.3g}."
        raise DataError(
            f"The 'kernel_width' of LimeExplainer is {self.width:.3g}, which leaves weight for "
            f"{found:.3g} of {squares.size} draws around row {row}, where {n_features} features need "
            f"{needed:.0f}. {way} Or use sampling='tilted', which draws near the row instead."
        )


def _counting(squares: Floats, log_weights: Floats, width: float) -> float:
    """Draws that count: by how even the weights are, and by how much they are beside the row's own 1."""
    weights = Kernel(width).weights(squares, log_weights)
    total, largest = weights.sum(), weights.max()
    if total == 0:
        return 0.0
    return float(min(total, (total / largest) ** 2 / np.square(weights / largest).sum()))


def _narrowest(squares: Floats, log_weights: Floats, width: float, needed: float) -> float | None:
    low, high = np.log(width), np.log(_WIDEST)
    if _counting(squares, log_weights, _WIDEST) < needed:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        enough = _counting(squares, log_weights, float(np.exp(middle))) >= needed
        low, high = (low, middle) if enough else (middle, high)
    return float(f"{np.exp(high) * 1.005:.3g}")
