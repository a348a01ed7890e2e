"""Extras of explanations made by hand, under the dims that explainers give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.explanation import Detail

_VALUE, _END, _ROW, _NAME = ("row", "feature", "output"), ("row", "output"), ("row",), ("row", "feature")
_DIMS = {
    **dict.fromkeys(("coalition_std_errors", "background_std_errors", "selected", "coefficients"), _VALUE),
    **dict.fromkeys(("surrogate_outputs", "surrogate_std_errors", "r2_std_errors", "shown", "hidden"), _END),
    **dict.fromkeys(
        ("predicted", "rule", "evaluations", "n_samples", "background_size_to_halve_error"), _ROW
    ),
    **dict.fromkeys(("words", "conditions", "unseen", "contrasted"), _NAME),
    "segments": ("row", "y", "x"),
}


def details(extras: dict[str, Any]) -> dict[str, Any]:
    """Arrays as Details; "spans" of start, end and feature as two."""
    found: dict[str, Any] = {}
    for key, value in extras.items():
        if key == "spans" and not isinstance(value, Detail):
            found["spans"] = Detail(value[..., :2], ("row", "token", "end"))
            found["span_features"] = Detail(value[..., 2], ("row", "token"), points_to="feature")
        elif key in _DIMS and not isinstance(value, Detail):
            found[key] = Detail(np.asarray(value), _DIMS[key], "feature" if key == "segments" else None)
        else:
            found[key] = value
    return found
