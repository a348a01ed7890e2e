"""Sentences on results whose intervals cannot be trusted, and the way out."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from agnostix.report.formatting import join_words
from agnostix.what_if.inference import FEW_EVENTS, HEAVY_TAILS

_WHY = {
    FEW_EVENTS: (
        "Few events: fewer than two effective rows of the rarer kind carry the {names}, so that no interval "
        "holds. It takes more rows with such events, or a measure that needs fewer, as the error rate."
    ),
    HEAVY_TAILS: (
        "Heavy tails: single rows decide the {names}, and one more like the largest would move it further "
        "than any interval says. Look at the logarithm, at capped values or at a median instead."
    ),
}


def reliability_sentences(frames: Iterable[pd.DataFrame], outcome_name: str) -> list[str]:
    """One sentence for each reason that some results have no interval that holds."""
    named: dict[str, dict[str, None]] = {}
    for frame in frames:
        if "status" not in frame or "quantity" not in frame:
            continue
        for status in _WHY:
            for quantity in frame.loc[frame["status"] == status, "quantity"].unique():
                name = outcome_name if quantity in ("prediction", "outcome") else quantity.replace("_", " ")
                named.setdefault(status, {})[name] = None
    return [_WHY[status].format(names=join_words(list(own))) for status, own in named.items()]
