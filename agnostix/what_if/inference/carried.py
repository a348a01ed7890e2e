"""How many degrees of freedom an error has, from the rows that carry it, and how heavy their tails are."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Floats
from agnostix.what_if.inference.design import Design

_OF_CARRIED = 1.0 / 3.0
"""Degrees of freedom for each that squares of influences have: samples look too light-tailed."""
_HEAVY = 1.5
"""Tail index of influences below which degrees of freedom follow it; below 2 there is no variance."""
_ABOVE_INDEX = 0.7
_GROWTH = 1.5
"""Of degrees of freedom of sizes with the tail index above that."""
_LIGHT = 200.0
"""Degrees of freedom of squares that leave no room for so heavy a tail, which is not looked for."""


def carried_degrees(influences: Floats) -> Floats:
    """Degrees of freedom (n_outcomes,) of errors from influences of the units (n_units, n_outcomes).

    The variance is a sum of squares; its own spread, that of squares about their mean, gives those of the
    chi-square distribution that spreads as much (Satterthwaite). Influences of a normal sample have as many
    as there are rows, those of a label in 20 rows some 20. At least 1.
    """
    square = np.square(_in_parts_of_the_error(influences))
    return _degrees_of_sums(np.einsum("ij->j", square), np.einsum("ij,ij->j", square, square), len(square))


def _degrees_of_sums(total: Floats, fourth: Floats, n: int) -> Floats:
    """The same from sums of squares and of fourth powers (n_outcomes,) over n units."""
    spread = fourth / np.where(total > 0.0, total, 1.0) ** 2 - 1.0 / n
    degrees = np.where(total > 0.0, 2.0 / np.maximum(spread, 2.0 / n / n), n - 1.0)
    return np.clip(degrees, 1.0, max(n - 1.0, 1.0))


def in_parts_of_the_largest(influences: Floats) -> Floats:
    """Influences (n_units, n_outcomes) whose powers neither overflow nor vanish."""
    largest = np.abs(influences).max(0, initial=0.0)
    return np.asarray(influences / np.where(largest > 0.0, largest, 1.0), dtype=np.float64)


def _in_parts_of_the_error(influences: Floats) -> Floats:
    """Influences (n_units, n_outcomes) whose squares sum to 1, or those of the largest if these overflow."""
    with np.errstate(over="ignore"):
        total = np.einsum("ij,ij->j", influences, influences)
    if not ((total > 1e-200) & (total < 1e200)).all():
        return in_parts_of_the_largest(influences)
    return np.asarray(influences / np.sqrt(total), dtype=np.float64)


def carried_skewness(influences: Floats) -> Floats:
    """Skewness (n_outcomes,) of the sum of influences (n_units, n_outcomes), 0 without spread."""
    unit = _in_parts_of_the_error(influences)
    third, total = np.einsum("ij,ij,ij->j", unit, unit, unit), np.einsum("ij,ij->j", unit, unit)
    return np.asarray(third / np.where(total > 0.0, total, 1.0) ** 1.5, dtype=np.float64)


def tail_index(influences: Floats) -> Floats:
    """Hill's estimate of the tail index of sizes (n_units, n_outcomes), infinite if unseen; (n_outcomes,).

    Of the largest root of n, at most of half of the units that carry the sum, and of three or more.

    Hill, B. M. (1975). A simple general approach to inference about the tail of a distribution. Annals of
    Statistics, 3(5), 1163-1174. https://doi.org/10.1214/aos/1176343247
    """
    n = len(influences)
    most = int(np.sqrt(n))
    out = np.full(influences.shape[1], np.inf)
    if most < 3:
        return out
    sizes = in_parts_of_the_largest(np.abs(influences))
    top = -np.sort(-np.partition(sizes, n - 1 - most, axis=0)[n - 1 - most :], axis=0)
    for j, own in enumerate(top.T):
        total, square = float(sizes[:, j].sum()), float(sizes[:, j] @ sizes[:, j])
        k = max(min(most, int(0.5 * total**2 / square)), 3) if square > 0.0 else 0
        if k and own[k] > 0.0:
            index, of_few = _hill(own, k), _hill(own, max(k // 3, 3))
            # A few rows far from all others, as those of a rare label, have a tail of their own.
            out[j] = of_few if of_few > 2.0 * index else index
    return out


def _hill(ordered: Floats, k: int) -> float:
    """Hill's estimate from sizes in falling order, by the first k and the next."""
    mean = float(np.log(ordered[:k] / ordered[k]).mean())
    return 1.0 / mean if mean > 0.0 else np.inf


def trusted_degrees(
    influences: Floats, is_bounded: bool = False, design: Design | None = None
) -> tuple[Floats, Floats]:
    """Degrees of freedom (n_outcomes,) that intervals hold with, and the tail index.

    A third of those that the squares have, and few where tails are so heavy that there is no variance: then
    one more row like the largest would move the value by more than its error. What is bounded has no tail. Of
    clusters in a design, whose sums are nearer to normal, all degrees count, up to clusters minus strata.
    """
    whole = design is not None and design.n_clusters < design.cluster.size
    carried = carried_degrees(influences)
    degrees = np.maximum((1.0 if whole else _OF_CARRIED) * carried, 1.0)
    index, looked_at = np.full(degrees.size, np.inf), carried < _LIGHT
    if is_bounded or not looked_at.any():
        return degrees, index
    index[looked_at] = tail_index(influences[:, looked_at])
    return np.where(index < _HEAVY, np.minimum(degrees, index + _ABOVE_INDEX), degrees), index


def degrees_of_sizes(degrees: Floats, index: Floats) -> Floats:
    """Degrees of freedom of sizes of residuals, few also where tails are so heavy that errors have none."""
    # A sample without its largest residuals looks light: what they would add grows with the tail.
    with np.errstate(over="ignore"):
        most = (_HEAVY + _ABOVE_INDEX) * np.exp(_GROWTH * np.maximum(index - _HEAVY, 0.0))
    return np.asarray(np.fmin(degrees, most), dtype=np.float64)


def trusted_degrees_of_sums(total: Floats, fourth: Floats, n: int) -> Floats:
    """`trusted_degrees` of what is bounded, from sums of squares and of fourth powers (n_outcomes,)."""
    return np.maximum(_OF_CARRIED * _degrees_of_sums(total, fourth, n), 1.0)
