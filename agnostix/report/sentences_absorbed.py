"""Sentences on what became of the output where values sum to it but for what is absorbed on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.typing import Floats
from agnostix.report.formatting import is_known, join_words, number, percent

_WORDS = {
    "bias": "biases",
    "epsilon": "stabilizers",
    "offset": "constants of functions",
    "softmax": "attention weights",
}
_LEAST = 0.005
"""Share of the output from which on a cause is named."""
_LARGE = 100.0
"""Times the output, from which on values that cancel in a layer are named."""


def has_absorbed(explanation: Explanation) -> bool:
    """Whether it is known what is absorbed of the outputs."""
    detail = explanation.extras.get("absorbed")
    is_whole = explanation.completeness == "outputs" and explanation.outputs is not None
    return is_whole and getattr(detail, "dims", None) == ("row", "cause", "output")


def absorption_sentences(explanation: Explanation, features: str) -> list[str]:
    """What share of the outputs the features get, and what absorbs the rest; empty where that is unknown."""
    if not has_absorbed(explanation):
        return []
    outputs: Floats = np.asarray(explanation.outputs)
    if not (outputs != 0.0).any():
        return ["The output is 0: there is no relevance to distribute."]
    kept, absorbed = _shares(explanation, outputs)
    whole = float(outputs.ravel()[0]) if outputs.size == 1 else None
    parts = [f"the {features} get {_say(kept, whole)}"]
    for cause, shares in zip(_causes(explanation), absorbed.swapaxes(0, 1), strict=True):
        if np.nanmax(np.abs(shares)) >= _LEAST:
            parts.append(f"{_WORDS.get(cause, cause)} absorb {_say(shares, whole)}")
    rest = 1.0 - kept - absorbed.sum(axis=1)
    if np.nanmax(np.abs(rest)) >= _LEAST:
        parts.append(f"{_say(rest, whole)} cannot be accounted for")
    of = "each output" if whole is None else f"the output, {number(whole)},"
    return [f"Of {of} {join_words(parts, len(parts))}.", *_cancelling(explanation, outputs)]


def _shares(explanation: Explanation, outputs: Floats) -> tuple[Floats, Floats]:
    """Shares of outputs: of all features (n_rows, n_outputs), of each cause (n_rows, n_causes, n_outputs)."""
    known = np.where(outputs == 0.0, np.nan, outputs)
    detail: Any = explanation.extras["absorbed"]
    sums = np.nansum(explanation.values, axis=tuple(range(1, explanation.values.ndim - 1)))
    return sums / known, detail.array / known[:, None]


def _causes(explanation: Explanation) -> list[str]:
    """Names of what absorbs."""
    n_causes = explanation.extras["absorbed"].array.shape[1]
    names: Any = explanation.extras.get("causes")
    return list(names) if names is not None else [f"cause {k}" for k in range(n_causes)]


def _say(shares: Floats, whole: float | None) -> str:
    """Shares in percent, from the least to the largest; of one output its part too."""
    if whole is not None:
        share = float(shares.ravel()[0])
        return f"{number(share * whole)} ({percent(share)})"
    low, high = (percent(float(end) + 0.0) for end in (np.nanmin(shares), np.nanmax(shares)))
    return low if low == high else f"from {low} to {high}"


def _cancelling(explanation: Explanation, outputs: Floats) -> list[str]:
    """Where values of many times the output cancel in a layer."""
    detail: Any = explanation.extras.get("largest_size")
    if getattr(detail, "dims", None) != ("row", "output"):
        return []
    ratio = float(np.nanmax(detail.array / np.where(outputs == 0.0, np.nan, np.abs(outputs))))
    if not is_known(ratio) or ratio <= _LARGE:
        return []
    return [
        f"In a layer absolute values add up to {number(ratio)} times the output and nearly cancel: do not "
        "rely on single values."
    ]
