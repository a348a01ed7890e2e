"""What an explanation offers as a sign that it, or the prediction, is not to be relied on: a number a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.explanation import Detail, Explanation
from agnostix.core.neighbors import find_neighbors
from agnostix.core.typing import Codes, Floats

SIGNALS = {
    "std_error": "standard errors of the values, relative to the values' size",
    "misfit": "1 - R2 of the surrogate near the row",
    "surrogate_gap": "distance of the surrogate's output from the model's",
    "completeness_gap": "what is missing from the sum of the values",
    "neighbors": "distance to the explanations of the nearest rows, relative to the values' size",
}
"""Name and meaning; all are greater where there is more doubt."""
_ROUNDING = 1e-9
"""Of sums, relative to the largest output."""


def signals_of(explanation: Explanation, explained: Codes, rows: Any, n_neighbors: int) -> dict[str, Floats]:
    """Signals (n_rows,) that an explanation offers for one explained output (n_rows,) of each row."""
    n_rows = len(explanation)
    values = np.take_along_axis(
        explanation.values.reshape(n_rows, -1, explanation.values.shape[-1]), explained[:, None, None], axis=2
    )[..., 0]
    size = np.sqrt(np.nansum(values**2, axis=1))
    size = np.where(size > 0, size, np.nan)
    signals: dict[str, Floats] = {}
    if explanation.std_errors is not None:
        errors = explanation.std_errors.reshape(n_rows, values.shape[1], -1)
        errors = np.take_along_axis(errors, explained[:, None, None], axis=2)[..., 0]
        signals["std_error"] = np.sqrt(np.nansum(errors**2, axis=1)) / size
    if explanation.fidelity and "r2" in explanation.fidelity:
        signals["misfit"] = 1.0 - _pick(explanation.fidelity["r2"], explained)
    surrogate = explanation.extras.get("surrogate_outputs")
    largest = 0.0 if explanation.outputs is None else float(np.abs(explanation.outputs).max(initial=0.0))
    if isinstance(surrogate, Detail) and explanation.outputs is not None:
        signals["surrogate_gap"] = np.abs(_pick(surrogate.array - explanation.outputs, explained))
    if explanation.completeness_gap is not None:
        signals["completeness_gap"] = np.abs(_pick(explanation.completeness_gap, explained))
    for name in ("surrogate_gap", "completeness_gap"):
        if name in signals and np.nanmax(signals[name]) <= _ROUNDING * largest:
            del signals[name]  # what rounding leaves
    if n_neighbors and n_rows > 2 and getattr(rows, "ndim", 0) == 2 and _have_equal_features(explanation):
        signals["neighbors"] = distances_to_neighbors(values, rows, n_neighbors) / size
    return {name: one for name, one in signals.items() if _tells(one)}


def distances_to_neighbors(values: Floats, rows: Any, n_neighbors: int) -> Floats:
    """Mean distances (n_rows,) of values (n_rows, n_units) to those of the nearest rows of a table."""
    n_rows = len(values)
    found = find_neighbors(rows, rows, np.arange(n_rows), tuple(range(n_rows)), n_neighbors)
    own = np.nan_to_num(values)
    return np.array(
        [
            np.sqrt(np.square(own[one.positions] - own[row]).sum(axis=1)).mean()
            for row, one in enumerate(found)
        ]
    )


def _have_equal_features(explanation: Explanation) -> bool:
    return "y" not in explanation.dims and not {"words", "segments"} & explanation.extras.keys()


def _pick(array: Floats, explained: Codes) -> Floats:
    """Of numbers (n_rows, n_outputs) those of one output (n_rows,)."""
    return np.take_along_axis(array, explained[:, None], axis=1)[:, 0]


def _tells(signal: Floats) -> bool:
    """Whether a signal differs between rows, by more than rounding."""
    known = signal[np.isfinite(signal)]
    return known.size > 1 and bool(np.ptp(known) > 1e-12 * np.abs(known).max())
