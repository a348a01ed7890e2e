"""Correlations of what an explanation says with what happens, and their errors over draws."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Bools, Floats

_SMALL = 1e-12
"""Relative spread below which numbers are the same but for rounding."""


def pearson(x: Floats, y: Floats) -> Floats:
    """Correlations (n_selected,) of x and y, both (n, n_selected); NaN where either has one value."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip((x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0)), -1.0, 1.0)


def jackknife_error(x: Floats, y: Floats) -> Floats:
    """Standard errors (n_selected,) of correlations over draws, by leaving out each of n.

    Efron, B. (1982). The jackknife, the bootstrap and other resampling plans. SIAM, section 3.
    https://doi.org/10.1137/1.9781611970319
    """
    n = len(x)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    xy, xx, yy = (
        (one * other).sum(axis=0) - n / (n - 1.0) * one * other for one, other in ((x, y), (x, x), (y, y))
    )
    # Where a single draw makes all the difference there is nothing without it: 0.
    known = (xx > _SMALL * (x**2).sum(axis=0)) & (yy > _SMALL * (y**2).sum(axis=0))
    without = np.where(known, xy / np.sqrt(np.where(known, xx * yy, 1.0)), 0.0)
    return np.asarray(np.sqrt((n - 1.0) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0)))


def is_constant(x: Floats, size: Floats) -> Bools:
    """Whether x (n, n_selected) has one value in each column, up to rounding of numbers of a size."""
    return np.asarray(np.ptp(x, axis=0) <= size)


def same_sums(x: Floats, values: Floats) -> Bools:
    """Whether sums x (n, n_selected) of values (n_units, n_selected) are equal up to rounding."""
    return is_constant(x, _SMALL * np.abs(values).sum(axis=0))
