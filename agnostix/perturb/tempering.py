"""Rare values drawn more often than they are seen, at a price that is fixed beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agnostix.typing import Floats

MOST = 1.25
"""Largest factor by which the weights may raise the variance of all other averages."""
_STEPS = 30


def tempered(shares: Sequence[Floats]) -> list[Floats]:
    """Flatten distributions together, as far as their weights allow.

    All shares are raised to one power, the least for which the mean square of the weights that undo it stays
    within `MOST`. Even shares, as those of quartiles, stay as they are.

    Parameters
    ----------
    shares : sequence of ndarray of shape (n_codes,)
        One distribution for each feature, each summing to 1.

    Returns
    -------
    list of ndarray of shape (n_codes,)
        The same objects where nothing changes.
    """
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if _price(shares, middle) <= MOST:
            high = middle
        else:
            low = middle
    return [_flattened(one, high) for one in shares]


def _price(shares: Sequence[Floats], power: float) -> float:
    """Mean square of the weights, over all features together."""
    price = 1.0
    for one in shares:
        flat = _flattened(one, power)
        there = one > 0
        price *= float((one[there] ** 2 / flat[there]).sum())
    return price


def _flattened(share: Floats, power: float) -> Floats:
    there = share[share > 0]
    if np.ptp(there) <= 1e-3 * there.max():
        return share
    raised = np.zeros_like(share)
    raised[share > 0] = there**power
    return raised / raised.sum()
