"""How alike two explanations of the same rows are: rank correlation, structure, and agreement of the largest.

All functions compare arrays (n_rows, n_units) row by row, maps (n_rows, height, width) for `ssim`, and give
a number for each row, (n_rows,). A unit that is NaN in one of the two is left out of both. Values that agree
to ten digits of a row's largest are tied. What is said of ties holds on average over independent ways
to break them in the two explanations, computed without drawing any: an explanation whose k-th place is tied
agrees with itself less than wholly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.ndimage import correlate1d
from scipy.stats import rankdata

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.metrics.orders import comparable

WINDOW, SIGMA = 11, 1.5
"""Pixels across Wang's Gaussian window, and its standard deviation."""
K1, K2 = 0.01, 0.03
"""Wang's constants, as shares of the range of the data."""


def spearman(one: Floats, other: Floats, *, absolute: bool = False) -> Floats:
    """Spearman's correlation of the values (n_rows, n_units), or of their sizes; ties share a mean rank.

    NaN where a row has the same value for every unit in either of the two.
    """
    first, second, shown = _paired(one, other, absolute=absolute)
    return _correlate(*(_centered(rankdata(values, axis=1), shown) for values in (first, second)))


def top_k_agreement(one: Floats, other: Floats, k: int) -> Floats:
    """Share of the k units largest in size that are so in both; k at most the units that a row has.

    Krishna, S., et al. (2022). The disagreement problem in explainable machine learning.
    https://doi.org/10.48550/arXiv.2202.01602: feature agreement.
    """
    first, second, k_each = _places(one, other, k)
    return _share_of(_within(first, k_each) * _within(second, k_each), k_each)


def sign_agreement(one: Floats, other: Floats, k: int) -> Floats:
    """Share of the k units largest in size that are so in both, with the same sign (Krishna et al. 2022)."""
    first, second, k_each = _places(one, other, k)
    same = np.sign(one) == np.sign(other)
    return _share_of(same * _within(first, k_each) * _within(second, k_each), k_each)


def rank_agreement(one: Floats, other: Floats, k: int) -> Floats:
    """Share of the first k places by size that have the same unit in both (Krishna et al. 2022)."""
    first, second, k_each = _places(one, other, k)
    return _share_of(_at_the_same_place(first, second, k_each), k_each)


def agreement_of_pairs(
    values: Sequence[Floats], k: int, are_signed: Sequence[bool]
) -> dict[tuple[int, int], dict[str, Floats]]:
    """Agreement (n_rows,) of all pairs of explanations (n_rows, n_units) of the same units, each ranked once.

    Where one of the two has no signs, Spearman's correlation is that of sizes, and that of signs is NaN.
    """
    shown = ~np.isnan(values[0])
    k_each = np.minimum(k, shown.sum(axis=1))
    places = [_places_by_size(comparable(np.where(shown, np.abs(one), 0.0)), shown) for one in values]
    within = [_within(own, k_each) for own in places]
    by_size = [_centered((start + end) / -2.0, shown) for start, end in places]
    by_value = [_centered(_ranks(one, shown), shown) for one in values]
    agreement = {}
    for i, j in combinations(range(len(values)), 2):
        has_signs = bool(are_signed[i] and are_signed[j])
        common, ranks = within[i] * within[j], by_value if has_signs else by_size
        same = np.sign(values[i]) == np.sign(values[j])
        agreement[i, j] = {
            "top-k": _share_of(common, k_each),
            "signs": _share_of(same * common, k_each) if has_signs else np.full(len(shown), np.nan),
            "ranks": _share_of(_at_the_same_place(places[i], places[j], k_each), k_each),
            "spearman": _correlate(ranks[i], ranks[j]),
        }
    return agreement


def ssim(one: Floats, other: Floats) -> Floats:
    """Structural similarity of maps (n_rows, height, width), meaned over places where the window fits.

    The range of the data is that of both maps of a row together; 1 where both have one and the same value
    everywhere, NaN where a pixel is NaN. Maps below 11 pixels have the largest odd window that fits.

    Wang, Z., et al. (2004). Image quality assessment: from error visibility to structural similarity.
    IEEE Transactions on Image Processing. https://doi.org/10.1109/TIP.2003.819861
    """
    x, y = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    low, high = (np.minimum(x, y).min(axis=(1, 2)), np.maximum(x, y).max(axis=(1, 2)))
    reach = np.where(high > low, high - low, 1.0)[:, None, None]
    x, y = x / reach, y / reach  # the range is 1, so that its powers are finite
    middle = x.mean(axis=(1, 2), keepdims=True)
    mean_x, mean_y = _windowed(x), _windowed(y)
    around_x, around_y = x - middle, y - middle  # by which large offsets do not cost digits
    m_x, m_y = mean_x - middle, mean_y - middle
    var_x, var_y = _windowed(around_x**2) - m_x**2, _windowed(around_y**2) - m_y**2
    covariance = _windowed(around_x * around_y) - m_x * m_y
    luminance = (2.0 * mean_x * mean_y + K1**2) / (mean_x**2 + mean_y**2 + K1**2)
    structure = (2.0 * covariance + K2**2) / (var_x + var_y + K2**2)
    return np.asarray((luminance * structure).mean(axis=(1, 2)))


def _windowed(maps: Floats) -> Floats:
    """Gaussian means of maps (n_rows, height, width) at each place where the whole window is inside."""
    size = min(WINDOW, min(maps.shape[1:]) - (min(maps.shape[1:]) + 1) % 2)
    half = size // 2
    weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2.0 * SIGMA**2))
    weights /= weights.sum()
    smooth = correlate1d(correlate1d(maps, weights, axis=1), weights, axis=2)
    return smooth[:, half : maps.shape[1] - half, half : maps.shape[2] - half]


def _paired(one: Floats, other: Floats, *, absolute: bool) -> tuple[Floats, Floats, Bools]:
    """Values of both without the digits that may be rounding, infinite where left out, and what is not."""
    shown = ~(np.isnan(one) | np.isnan(other))
    both = (np.abs(values) if absolute else values for values in (one, other))
    first, second = (np.where(shown, comparable(np.where(shown, values, 0.0)), np.inf) for values in both)
    return first, second, shown


def _ranks(values: Floats, shown: Bools) -> Floats:
    """Ranks from 1, those that are not shown last."""
    return np.asarray(rankdata(np.where(shown, comparable(np.where(shown, values, 0.0)), np.inf), axis=1))


def _correlate(one: Floats, other: Floats) -> Floats:
    """Correlation (n_rows,) of centered ranks, NaN where all of them are tied."""
    scale = np.sqrt(np.square(one).sum(axis=1) * np.square(other).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip((one * other).sum(axis=1) / scale, -1.0, 1.0)


def _centered(ranks: Floats, shown: Bools) -> Floats:
    """Ranks less their mean over the units that are shown, 0 elsewhere."""
    n_shown = np.maximum(shown.sum(axis=1, keepdims=True), 1)
    own = np.where(shown, ranks, 0.0)
    return np.where(shown, own - own.sum(axis=1, keepdims=True) / n_shown, 0.0)


def _places(one: Floats, other: Floats, k: int) -> tuple[tuple[Codes, Codes], tuple[Codes, Codes], Codes]:
    """First and last + 1 place by size that ties leave each unit in both, and k (n_rows,) of each row."""
    first, second, shown = _paired(one, other, absolute=True)
    places = [_places_by_size(values, shown) for values in (first, second)]
    return places[0], places[1], np.minimum(k, shown.sum(axis=1))


def _places_by_size(sizes: Floats, shown: Bools) -> tuple[Codes, Codes]:
    """First and last + 1 place that ties leave each unit, the largest first."""
    keys = np.where(shown, -sizes, np.inf)
    start = rankdata(keys, method="min", axis=1).astype(np.intp) - 1
    return start, rankdata(keys, method="max", axis=1).astype(np.intp)


def _at_the_same_place(first: tuple[Codes, Codes], second: tuple[Codes, Codes], k_each: Codes) -> Floats:
    """Probability (n_rows, n_units) of each unit to be at one of the first k places, and the same in both."""
    start = np.maximum(first[0], second[0])
    end = np.minimum(np.minimum(first[1], second[1]), k_each[:, None])
    common = np.maximum(end - start, 0) / ((first[1] - first[0]) * (second[1] - second[0]))
    return np.asarray(common)


def _within(places: tuple[Codes, Codes], k_each: Codes) -> Floats:
    """Probability (n_rows, n_units) of each unit to be among the first k of its row."""
    start, end = places
    return np.clip(k_each[:, None] - start, 0, end - start) / (end - start)


def _share_of(common: Floats, k_each: Codes) -> Floats:
    """Sums over units (n_rows, n_units) over k, NaN for rows without any unit."""
    with np.errstate(invalid="ignore"):
        return np.asarray(common.sum(axis=1) / k_each)
