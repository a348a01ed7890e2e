"""Localization: does a map point into a region that is known, such as the box of an object?"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from agnostix.core.typing import Bools, Floats
from agnostix.exceptions import DataError
from agnostix.metrics.maps import RowMaps, paint_maps, read_maps
from agnostix.metrics.orders import comparable
from agnostix.metrics.read import ATTRIBUTIONS, BY_SIZE, check_pictures, check_quantity
from agnostix.metrics.result import MetricResult

INSTEAD = "For tables and texts: comprehensiveness, which hides the most relevant ones."


def pointing_game(
    model: Any, X: Any, explanation: Any, *, regions: Any, tolerance: float = 0, outputs: Any = None
) -> MetricResult:
    """Pointing game: proportion of pictures whose largest value is in the given region; greater is better.

    Parameters
    ----------
    model : object
        Not used, there as in all metrics; may be None.
    X : array-like of pictures or None
        The pictures that were explained, by which results are paired; None: those of the explanation.
    explanation : Explanation
        With a value for each pixel or segment.
    regions : array-like of shape (n_rows, 4) or (n_rows, height, width)
        Of each picture a box (top, left, bottom, right) in pixels, bottom and right not included,
        or a mask that is True inside. Rows whose region is empty have no score.
    tolerance : float, default=0
        Pixels, Euclidean, by which the largest value may be outside; 15 in [1]_, of pictures of
        some 500 pixels.
    outputs : str, int or list of these, default=None
        Which of the explained outputs; None: the one explained, or each row's largest.

    Returns
    -------
    MetricResult
        Scores are 1 for a hit, else 0, with Wilson's interval; where several pixels have the largest value,
        the proportion of them that hit. References: "random", a pixel drawn by chance, and
        "center", the middle of the picture.

    Raises
    ------
    DataError
        If the rows are no pictures, the regions do not fit, or the explanation has NaN.

    Notes
    -----
    [1]_ averages over classes, here it is over rows. Sensitivities have no direction, so their sizes count.

    References
    ----------
    .. [1] Zhang, J., et al. (2018). Top-down neural attention by excitation backprop. IJCV, 126.
       https://doi.org/10.1007/s11263-017-1059-x

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.maskers import SlidingWindow
    >>> from agnostix.metrics import pointing_game
    >>> images = np.random.default_rng(0).random((4, 8, 8))
    >>> model = lambda X: X[:, :4, :4].mean((1, 2))
    >>> explainer = OcclusionExplainer(model, masker=SlidingWindow(size=2, stride=2, fill=0.0))
    >>> exp = explainer.fit(images).explain(images)
    >>> pointing_game(model, images, exp, regions=[[0, 0, 4, 4]] * 4).score
    1.0
    """
    if not isinstance(tolerance, Real) or isinstance(tolerance, bool) or not 0 <= tolerance < np.inf:
        raise DataError(f"The 'tolerance' of pointing_game must be pixels, at least 0, got {tolerance!r}.")
    maps, painted, notes = _read_pictures("pointing_game", X, explanation, outputs)
    inside = read_regions(regions, painted.shape[:3], "pointing_game")
    near = np.stack([_grown(one, float(tolerance)) for one in inside])
    n_rows, height, width, n_selected = painted.shape
    flat = comparable(np.moveaxis(painted, -1, 1).reshape(n_rows, n_selected, -1))
    is_top = flat == flat.max(axis=2, keepdims=True)
    scores = (is_top & near.reshape(n_rows, 1, -1)).sum(axis=2) / is_top.sum(axis=2)
    tied = int((is_top.sum(axis=2) > 1).any(axis=1).sum())
    if tied:
        notes += (f"In {tied} of {n_rows} maps several pixels have the largest value: their mean counts.",)
    center = near[:, (height - 1) // 2, (width - 1) // 2].astype(float)
    are_hits = bool(np.isin(scores, (0.0, 1.0)).all())
    references = {"random": near.mean(axis=(1, 2)), "center": center}
    fields = {"tolerance": float(tolerance)}
    return _result(
        "pointing_game", maps, scores, inside, references, fields, notes, "wilson" if are_hits else "student"
    )


def energy_inside(model: Any, X: Any, explanation: Any, *, regions: Any, outputs: Any = None) -> MetricResult:
    """Energy-based pointing game: share of the map's positive values in the region; greater is better.

    Parameters
    ----------
    model, X, explanation, regions, outputs : object
        As in `pointing_game`.

    Returns
    -------
    MetricResult
        Scores are between 0 and 1, NaN where no value is positive. Reference "random": the
        region's share of the picture, which is the score of an even map.

    Raises
    ------
    DataError
        If the rows are no pictures, the regions do not fit, or the explanation has NaN.

    Notes
    -----
    The positive part of the map counts, which for class activation maps is the map [1]_. Sensitivities
    have no direction, so their sizes count.

    References
    ----------
    .. [1] Wang, H., et al. (2020). Score-CAM: Score-weighted visual explanations for convolutional neural
       networks. CVPR Workshops. https://doi.org/10.1109/CVPRW50498.2020.00020

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.maskers import SlidingWindow
    >>> from agnostix.metrics import energy_inside
    >>> images = np.random.default_rng(0).random((4, 8, 8))
    >>> model = lambda X: X[:, :4, :4].mean((1, 2))
    >>> explainer = OcclusionExplainer(model, masker=SlidingWindow(size=2, stride=2, fill=0.0))
    >>> exp = explainer.fit(images).explain(images)
    >>> energy_inside(model, images, exp, regions=[[0, 0, 4, 4]] * 4).score
    1.0
    """
    maps, painted, notes = _read_pictures("energy_inside", X, explanation, outputs)
    inside = read_regions(regions, painted.shape[:3], "energy_inside")
    largest = painted.max(axis=(1, 2), keepdims=True)
    energy = np.maximum(painted, 0.0) / np.where(largest > 0, largest, 1.0)
    total = energy.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        scores = (energy * inside[..., None]).sum(axis=(1, 2)) / np.where(total > 0, total, np.nan)
    empty = int(np.isnan(scores).any(axis=1).sum())
    if empty:
        notes += (f"{empty} of {len(scores)} rows have no score: none of their values is positive.",)
    return _result(
        "energy_inside", maps, scores, inside, {"random": inside.mean(axis=(1, 2))}, {}, notes, "student"
    )


def read_regions(regions: Any, shape: tuple[int, ...], by: str) -> Bools:
    """Masks (n_rows, height, width) from boxes or masks; DataError if they do not fit pictures of a shape."""
    given = np.asarray(regions)
    if given.shape == shape and (given.dtype == bool or np.isin(given, (0, 1)).all()):
        inside = given.astype(bool)
    elif given.shape == (shape[0], 4) and given.dtype.kind in "iuf" and _are_boxes(given, shape):
        y, x = np.arange(shape[1])[:, None], np.arange(shape[2])
        top, left, bottom, right = given.T[..., None, None]
        inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
    else:
        raise DataError(
            f"The 'regions' of {by} must be boxes (top, left, bottom, right) of shape ({shape[0]}, 4) within "
            f"{shape[1]} x {shape[2]} pixels, or masks of 0 and 1 of shape {shape}; got "
            f"{given.dtype} of shape {given.shape}{_range(given)}."
        )
    if not inside.any():
        raise DataError(f"The 'regions' of {by} are empty in all {shape[0]} rows.")
    return inside


def _are_boxes(boxes: Any, shape: tuple[int, ...]) -> bool:
    """Whether boxes (n_rows, 4) are within pictures, each end not before its start."""
    high = np.array([shape[1], shape[2]] * 2)
    return bool(((boxes >= 0) & (boxes <= high)).all() and (boxes[:, :2] <= boxes[:, 2:]).all())


def _range(array: Any) -> str:
    if array.dtype.kind not in "biuf" or array.size == 0:
        return ""
    return f", with values from {array.min():.4g} to {array.max():.4g}"


def _grown(inside: Bools, tolerance: float) -> Bools:
    """A mask (height, width) with all pixels within a distance of it; nothing grows of nothing."""
    if tolerance == 0 or not inside.any():
        return inside
    return np.asarray(distance_transform_edt(~inside) <= tolerance)


def _read_pictures(
    by: str, X: Any, explanation: Any, outputs: Any
) -> tuple[RowMaps, Floats, tuple[str, ...]]:
    """Maps, their pixels (n_rows, height, width, n_selected), and notes."""
    check_pictures(explanation, by, INSTEAD)
    notes = check_quantity(explanation, by, ATTRIBUTIONS, BY_SIZE)
    maps = read_maps(explanation, X, outputs, by)
    painted = paint_maps(maps)
    return maps, np.abs(painted) if explanation.quantity in BY_SIZE else painted, notes


def _result(
    name: str,
    maps: RowMaps,
    scores: Floats,
    inside: Bools,
    references: dict[str, Floats],
    params: dict[str, Any],
    notes: tuple[str, ...],
    kind: str,
) -> MetricResult:
    """The result of scores (n_rows, n_selected), without those of rows whose region is empty."""
    known = np.asarray(inside.any(axis=(1, 2)))
    scores = np.where(known[:, None], scores, np.nan)
    if not known.all():
        notes += (f"{int((~known).sum())} of {len(known)} rows have no score: their region is empty.",)
    beside = {
        key: maps.squeeze(np.where(known[:, None], one[:, None], np.nan) * np.ones_like(scores))
        for key, one in references.items()
    }
    return MetricResult(
        name=name,
        scores=maps.squeeze(scores),
        greater_is_better=True,
        made_for=ATTRIBUTIONS,
        interval_kind=kind,
        references=beside,
        params=params,
        notes=notes,
        **maps.result_fields(),
    )
