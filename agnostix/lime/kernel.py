"""Weights of draws by their distance from a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Floats
from agnostix.exceptions import DataError

_STEPS = 60
ENOUGH, PLENTY = 1.0, 10.0
"""Weighted sums of squares of a feature at which a penalty of 1 halves its effect, or takes a tenth."""
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

    def check(self, squares: Floats, log_weights: Floats, design: Floats, row: int) -> None:
        """See that enough draws count for a regression, and vary in each of its features.

        Parameters
        ----------
        squares, log_weights : ndarray of shape (n_draws,)
            As `weights`.
        design : ndarray of shape (n_features, n_draws)
            Features of the regression.
        row : int
            Which row it is for.

        Raises
        ------
        DataError
            If they do not; it tells the narrowest kernel that would do.
        """
        needed = min(design.shape[0] + 1.0, squares.size / 4.0)
        weights = self.weights(squares, log_weights)
        found = _counting(weights)
        well = weighted_squares(design, np.exp(log_weights)) >= PLENTY
        design = design[well]  # what hardly varies in any draw is no fault of the kernel's
        if found >= needed and (weighted_squares(design, weights) >= ENOUGH).all():
            return

        def is_enough(width: float) -> bool:
            wider = Kernel(width).weights(squares, log_weights)
            return _counting(wider) >= needed and bool((weighted_squares(design, wider) >= ENOUGH).all())

        narrowest = _narrowest(is_enough, self.width)
        way = "Raise n_samples." if narrowest is None else f"The least that works for it is {narrowest:.3g}."
        what = f"where {well.size} features need {needed:.0f}"
        if found >= needed:
            what = "of which hardly any differs from the row in one of its features"
        raise DataError(
            f"The 'kernel_width' of LimeExplainer is {self.width:.3g}, which leaves weight for "
            f"{found:.3g} of {squares.size} draws around row {row}, {what}. {way} Or use sampling='tilted', "
            "which draws near the row instead."
        )


def weighted_squares(design: Floats, weights: Floats) -> Floats:
    """How much features vary over draws: what stands against a penalty.

    Parameters
    ----------
    design : ndarray of shape (n_features, n_draws)
        What the surrogate sees of them.
    weights : ndarray of shape (n_draws,)
        Their weights.

    Returns
    -------
    ndarray of shape (n_features,)
        Weighted sums of squares about the mean.
    """
    total = weights.sum()
    if total == 0:
        return np.zeros(design.shape[0])
    mean = design @ weights / total
    return np.square(design) @ weights - total * mean**2


def _counting(weights: Floats) -> float:
    """Draws that count: by how even the weights are, and by how large."""
    total, largest = weights.sum(), weights.max()
    if total == 0:
        return 0.0
    return float(min(total, (total / largest) ** 2 / np.square(weights / largest).sum()))


def _narrowest(is_enough: Callable[[float], bool], width: float) -> float | None:
    low, high = np.log(width), np.log(_WIDEST)
    if not is_enough(_WIDEST):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if is_enough(float(np.exp(middle))) else (middle, high)
    return float(f"{np.exp(high) * 1.005:.3g}")
