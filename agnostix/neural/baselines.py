"""Where paths of integrated gradients start: baselines of tables, images and layers, and draws from data."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from agnostix.core.base import fill_whole
from agnostix.core.frames import is_frame, to_array
from agnostix.core.masking.fills import ImageFill, as_type
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError

N_BLOCKS = 16
"""Of draws, whose spread is the standard error."""
_STREAM = 8
"""Of random numbers, apart from those of other draws with the same seed."""
_NAMES = {
    "table": ("zeros", "mean", "median", "data"),
    "images": ("black", "zeros", "mean", "blur", "data"),
    "layer": ("zeros", "data"),
}


@dataclass(frozen=True)
class BaselineSample:
    """Baseline rows and positions on the path, in independent blocks; the same for all rows.

    In a block, places among the rows and positions are a Latin hypercube: each of n equal parts of the
    rows, and of the path, has one of them.
    """

    rows: Any  # array (n_drawn, ...), each once
    places: Codes  # (n_blocks, n_in_block), among these rows
    positions: Floats  # (n_blocks, n_in_block)

    @classmethod
    def sample(cls, X: Any, weights: Any, n_samples: int, seed: int) -> BaselineSample:
        """Draws from rows X (n_rows, ...) with weights (n_rows,) or None."""
        random = np.random.default_rng([seed, _STREAM])
        size = n_samples // N_BLOCKS

        def strata() -> Floats:
            orders = np.stack([random.permutation(size) for _ in range(N_BLOCKS)])
            return (orders + random.random((N_BLOCKS, size))) / size

        shares = np.ones(len(X)) if weights is None else np.asarray(weights, dtype=float)
        shares = np.cumsum(shares) / shares.sum()
        chosen = np.minimum(np.searchsorted(shares, strata(), side="right"), len(X) - 1)
        kept, places = np.unique(chosen, return_inverse=True)
        return cls(np.ascontiguousarray(X[kept]), places.reshape(chosen.shape), strata())


def check_baseline(baseline: Any, X: Any, has_layer: bool, owner: str) -> None:
    """Raise DataError unless rows X (n_rows, ...) can have the baseline."""
    kind = "layer" if has_layer else "table" if X.ndim == 2 else "images"
    if isinstance(baseline, str):
        if baseline not in _NAMES[kind]:
            raise _refusal(baseline, kind, X, owner)
        return
    try:
        values = _as_numbers(baseline)
    except (TypeError, ValueError):
        raise _refusal(baseline, kind, X, owner) from None
    if values.shape[:1] == (1,) and values.shape[1:] == X.shape[1:]:
        values = values[0]
    is_color = values.ndim == 1 and X.ndim == 4 and values.shape == X.shape[3:]
    is_number = values.ndim == 0 and not has_layer
    if not (values.shape == X.shape[1:] or (is_color and not has_layer) or is_number):
        raise _refusal(baseline, kind, X, owner)
    if not np.isfinite(values).all() or (
        X.dtype.kind in "iu" and X.ndim > 2 and not _is_held(values, X.dtype)
    ):
        raise DataError(
            f"The 'baseline' parameter of {owner} holds numbers that rows of type {X.dtype} cannot hold, "
            f"between {np.min(values):.6g} and {np.max(values):.6g}. Use finite numbers in the units of X."
        )


def fixed_baseline(baseline: Any, X: Any, weights: Any) -> Any:
    """The one baseline of all rows (1, ...), in the layout and units of X; None where each has its own."""
    if isinstance(baseline, str):
        if baseline in ("blur", "data") or (baseline == "mean" and X.ndim > 2):
            return None
        if baseline == "mean":
            return np.average(X.astype(float), axis=0, weights=weights)[None]
        if baseline == "median":
            return _medians(X.astype(float), weights)[None]
        return np.zeros((1, *X.shape[1:]), dtype=X.dtype)
    values = _as_numbers(baseline)
    values = values[0] if values.ndim == X.ndim else values
    dtype = X.dtype if X.ndim > 2 else np.float64
    return np.broadcast_to(values, X.shape[1:])[None].astype(dtype)


def own_baselines(baseline: str, sigma: float, X: Any) -> Any:
    """Baselines (n_rows, ...) of images that each have their own: the mean color, or the image blurred."""
    return np.broadcast_to(fill_whole(ImageFill(baseline, sigma), X), X.shape)


def _medians(X: Floats, weights: Any) -> Floats:
    if weights is None:
        return np.median(X, axis=0)
    order = np.argsort(X, axis=0, kind="stable")
    shares = np.cumsum(np.asarray(weights, dtype=float)[order], axis=0)
    first = (shares >= 0.5 * shares[-1]).argmax(axis=0)
    return np.take_along_axis(np.take_along_axis(X, order, axis=0), first[None], axis=0)[0]


def _as_numbers(baseline: Any) -> Any:
    values = to_array(baseline) if is_frame(baseline) else np.asarray(baseline)
    if values.dtype.kind not in "iuf" or (values.ndim == 0 and not isinstance(baseline, Real | np.ndarray)):
        raise ValueError
    return values


def _is_held(values: Any, dtype: Any) -> bool:
    return bool(np.array_equal(as_type(np.asarray(values, dtype=float), dtype), values))


def _refusal(baseline: Any, kind: str, X: Any, owner: str) -> DataError:
    got = f"an array of shape {np.shape(baseline)}" if np.ndim(baseline) else repr(baseline)
    names = ", ".join(map(repr, _NAMES[kind]))
    one = {
        "table": f"a number, or one number for each of the {X.shape[1]} columns",
        "images": f"a number, one number for each channel, or an image of shape {X.shape[1:]}",
        "layer": f"a row of shape {X.shape[1:]}, from which the layer's output is taken",
    }[kind]
    where = {"table": "for a table", "images": "for images", "layer": "with layer"}[kind]
    return DataError(f"The 'baseline' parameter of {owner} must be, {where}, {names}, {one}; got {got}.")
