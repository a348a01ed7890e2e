"""Fitted explainers whose background has the errors of plain draws: the jackknife, as loops have it."""

from __future__ import annotations

from typing import Any

import numpy as np

from agnostix.core.background import ErrorMap


def jackknifed(explainer: Any, n_rows: int) -> Any:
    """The explainer, with errors of its background as drawn at random from a table of n_rows."""
    weights = explainer.background_weights_
    explainer._errors = ErrorMap.of_draws(weights, np.arange(weights.size) % 20, weights.size / n_rows)
    explainer._probed = None
    return explainer
