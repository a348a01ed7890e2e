"""Rare values drawn more often than they are seen, at a price that is fixed beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from agnostix.core.typing import Floats

MOST_BY_POWER, MOST = 1.15, 1.3
"""Largest factors by which weights may raise the variance of other averages: by the power, and in all."""
_STEPS = 40


def tempered(shares: Sequence[Floats]) -> list[Floats]:
    """Flatten distributions together, as far as their weights allow.

    First all shares are raised to one power, the least for which the mean square of the weights that undo it
    stays within a limit, and then to a floor, the highest within a larger one: the power serves rare values,
    the floor the rarest. Even shares, as those of quartiles, stay as they are.

    Parameters
    ----------
    shares : sequence of ndarray of shape (n_codes,)
        One distribution for each feature, each summing to 1.

    Returns
    -------
    list of ndarray of shape (n_codes,)
        The same objects where nothing changes.
    """
    flat = _furthest(shares, lambda amount: [_powered(one, 1.0 - amount) for one in shares], MOST_BY_POWER)
    return _furthest(shares, lambda amount: [_floored(one, amount) for one in flat], MOST)


def _furthest(shares: Sequence[Floats], change: Callable[[float], list[Floats]], most: float) -> list[Floats]:
    """The largest change, from 0 to 1, whose weights cost no more than a limit."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _price(shares, change(middle)) <= most else (low, middle)
    return change(low)


def _price(shares: Sequence[Floats], asked: Sequence[Floats]) -> float:
    """Mean square of the weights, over all features together."""
    parts = [(one[one > 0] ** 2 / other[one > 0]).sum() for one, other in zip(shares, asked, strict=True)]
    return float(np.prod(parts))


def _powered(share: Floats, power: float) -> Floats:
    there = share > 0
    if _is_even(share[there]):
        return share
    raised = np.where(there, share, 1.0) ** power * there
    return raised / raised.sum()


def _floored(share: Floats, floor: float) -> Floats:
    there = share > 0
    if share[there].min() >= floor or _is_even(share[there]):
        return share
    raised = np.maximum(share, floor) * there
    return raised / raised.sum()


def _is_even(share: Floats) -> bool:
    return bool(np.ptp(share) <= 1e-3 * share.max())
