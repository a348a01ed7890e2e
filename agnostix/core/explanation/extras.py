"""Which extras go by feature or by output, so that what is selected of the values is selected of them."""

from __future__ import annotations

from typing import Any

import numpy as np

_BY_BOTH = (
    "selected",
    "coefficients",
    "coefficient_std_errors",
    "coalition_std_errors",
    "background_std_errors",
)
_FEATURE_AXES = {
    "conditions": 1,
    "words": 1,
    "unseen": 1,
    **dict.fromkeys(_BY_BOTH, 1),
}
_OUTPUT_AXES = {
    "surrogate_outputs": 1,
    "surrogate_std_errors": 1,
    "r2_std_errors": 1,
    "margin": 1,
    "raw_outputs": 1,
    **dict.fromkeys(_BY_BOTH, 2),
}


def extras_of_outputs(extras: dict[str, Any], places: list[int], n_outputs: int) -> dict[str, Any]:
    return {key: _taken(value, _OUTPUT_AXES.get(key), places, n_outputs) for key, value in extras.items()}


def extras_of_features(extras: dict[str, Any], places: list[int], n_features: int) -> dict[str, Any]:
    kept = {key: _taken(value, _FEATURE_AXES.get(key), places, n_features) for key, value in extras.items()}
    if "segments" in kept:
        kept["segments"] = _pointing(np.asarray(kept["segments"]), places, n_features)
    if "spans" in kept:
        spans = np.array(kept["spans"], dtype=int)
        spans[..., 2] = _pointing(spans[..., 2], places, n_features)
        spans[spans[..., 2] < 0] = -1
        kept["spans"] = spans
    return kept


def _taken(value: Any, axis: int | None, places: list[int], size: int) -> Any:
    """What is known by its name; another array of that name, of other length, stays as it is."""
    goes_along = axis is not None and np.ndim(value) > axis and np.shape(value)[axis] == size
    return np.take(value, places, axis=axis) if goes_along else value


def _pointing(pointers: np.ndarray, places: list[int], n_features: int) -> np.ndarray:
    """Features' new places; -1 points to none."""
    place = np.full(n_features + 1, -1)
    place[places] = np.arange(len(places))
    return place[np.where((pointers < 0) | (pointers >= n_features), n_features, pointers)]
