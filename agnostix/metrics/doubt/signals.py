"""What an explanation offers as a sign that it, or the prediction, is not to be relied on: a number a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail, Explanation
from agnostix.core.neighbors import find_neighbors
from agnostix.core.typing import Codes, Floats
from agnostix.metrics.read import SelectedOutputs
from agnostix.metrics.units import is_table

SIGNALS = {
    "std_error": "standard errors of the values, relative to the values' size",
    "misfit": "1 - R2 of the surrogate near the row",
    "surrogate_gap": "distance of the surrogate's output from the model's",
    "completeness_gap": "what is missing from the sum of the values",
    "neighbors": "distance to explanations of the nearest rows, relative to the values' size",
}
"""Name and meaning; all are greater where there is more doubt."""
_ROUNDING = 1e-9
"""Of sums, relative to the largest output."""


def signals_of(
    explanation: Explanation, selected: SelectedOutputs, places: Codes, rows: Any, n_neighbors: int
) -> dict[str, Floats]:
    """Signals (n_rows,) that an explanation offers for one selected output of each row.

    `places` (n_rows, n_explained) are the outputs of the model that are explained.
    """
    explained = selected.explained[:, 0]
    size = _norms(_values_of(explanation.values, explained))
    size = np.where(size > 0, size, np.nan)
    signals: dict[str, Floats] = {}
    if explanation.std_errors is not None:
        signals["std_error"] = _norms(_values_of(explanation.std_errors, explained)) / size
    if explanation.fidelity and "r2" in explanation.fidelity:
        signals["misfit"] = 1.0 - _pick(explanation.fidelity["r2"], explained)
    largest = 0.0 if explanation.outputs is None else float(np.abs(explanation.outputs).max(initial=0.0))
    for name, gap in _gaps(explanation):
        own = np.abs(_pick(gap, explained))
        if np.max(own, initial=0.0, where=np.isfinite(own)) > _ROUNDING * largest:
            signals[name] = own
    if n_neighbors and len(explanation) > 2 and is_table(rows) and _have_equal_features(explanation):
        values = np.nan_to_num(explanation.values)
        apart = distances_to_neighbors(values, places, selected.outputs[:, 0], rows, n_neighbors)
        signals["neighbors"] = apart / size
    return {name: one for name, one in signals.items() if _tells(one)}


def _gaps(explanation: Explanation) -> Iterator[tuple[str, Floats]]:
    """Names and gaps (n_rows, n_explained) between outputs and what should give them."""
    surrogate = explanation.extras.get("surrogate_outputs")
    if isinstance(surrogate, Detail) and explanation.outputs is not None:
        yield "surrogate_gap", surrogate.array - explanation.outputs
    if explanation.completeness_gap is not None:
        yield "completeness_gap", explanation.completeness_gap


def distances_to_neighbors(
    values: Floats, places: Codes, outputs: Codes, rows: Any, n_neighbors: int
) -> Floats:
    """Mean distances (n_rows,) of values (n_rows, n_units, n_explained) to those of the nearest rows.

    Of the same output (n_rows,) in both; NaN where it is explained for none of the nearest.
    """
    n_rows = len(values)
    found = find_neighbors(rows, rows, np.arange(n_rows), tuple(range(n_rows)), n_neighbors)
    means = np.full(n_rows, np.nan)
    for row, one in enumerate(found):
        is_same = places[[row, *one.positions]] == outputs[row]  # (1 + n_neighbors, n_explained)
        has = is_same.any(axis=1)
        own, *others = (
            values[place, :, same.argmax()]
            for place, same in zip(np.array([row, *one.positions])[has], is_same[has], strict=True)
        )
        if others:
            means[row] = np.sqrt(np.square(np.array(others) - own).sum(axis=1)).mean()
    return means


def _values_of(array: Floats, explained: Codes) -> Floats:
    """Of an array (n_rows, ..., n_explained) the values (n_rows, n_units) of one output."""
    flat = array.reshape(len(array), -1, array.shape[-1])
    return np.take_along_axis(flat, explained[:, None, None], axis=2)[..., 0]


def _norms(values: Floats) -> Floats:
    """Euclidean norms (n_rows,), NaN where no value is known."""
    known = ~np.isnan(values)
    norms = np.sqrt(np.square(np.where(known, values, 0.0)).sum(axis=1))
    return np.where(known.any(axis=1), norms, np.nan)


def _have_equal_features(explanation: Explanation) -> bool:
    return "y" not in explanation.dims and not {"words", "segments"} & explanation.extras.keys()


def _pick(array: Floats, explained: Codes) -> Floats:
    """Of numbers (n_rows, n_outputs) those of one output (n_rows,)."""
    return np.take_along_axis(array, explained[:, None], axis=1)[:, 0]


def _tells(signal: Floats) -> bool:
    """Whether a signal differs between rows, by more than rounding."""
    known = signal[np.isfinite(signal)]
    return known.size > 1 and bool(np.ptp(known) > 1e-12 * np.abs(known).max())
