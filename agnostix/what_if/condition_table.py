"""What was stated, and what was held with it, before and after a reweighting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.typing import Floats
from agnostix.what_if.calibration import Projection
from agnostix.what_if.constraints.base import Condition, Constraint, Context


def describe_conditions(
    context: Context, conditions: list[Condition], projection: Projection
) -> pd.DataFrame:
    """Frame of the constraints, each one row, and of the quantities that are held for them."""
    multipliers = np.zeros(len(context.constraints))
    held: dict[Any, list[Any]] = {}  # condition and multiplier of each quantity that is held
    for condition, xi in zip(conditions, projection.xi.tolist(), strict=True):
        if condition.role == "stated":
            multipliers[condition.source] += xi
            continue
        key = condition.statistic.key if condition.held is None else condition.held.key
        held.setdefault(key, [condition, 0.0])[1] += xi
    rows = [
        _describe(one, context, projection.weights) | {"multiplier": xi}
        for one, xi in zip(context.constraints, multipliers.tolist(), strict=True)
    ]
    rows += [
        _describe_held(condition, context, projection.weights) | {"multiplier": xi}
        for condition, xi in held.values()
    ]
    names = ["feature", "level", "low", "high", "before", "reached", "multiplier", "kind", "where"]
    columns = {name: [row[name] for row in rows] for name in (*names, "penalty", "role", "label")}
    return pd.DataFrame(columns | {"level": pd.Series(columns["level"], dtype=object)})


def _describe(one: Constraint, context: Context, weights: Floats) -> dict[str, Any]:
    (feature, level), (low, high) = one.named, one.bounds(context)
    return {
        "feature": feature,
        "level": level,
        "low": low,
        "high": high,
        "before": one.at_data(context),
        "reached": one.measure(context, weights),
        "kind": one.kind,
        "where": one.where_label,
        "penalty": np.nan if one.penalty is None else float(one.penalty),
        "role": "stated",
        "label": one.label,
    }


def _describe_held(condition: Condition, context: Context, weights: Floats) -> dict[str, Any]:
    if condition.held is not None:
        return _describe(condition.held, context, weights) | {"role": "held"}
    statistic = condition.statistic
    return {
        "feature": statistic.feature,
        "level": statistic.level,
        "low": condition.low,
        "high": condition.high,
        "before": statistic.mean,
        "reached": float(statistic.from_z(weights @ statistic.z)),
        "kind": "mean",
        "where": "",
        "penalty": np.nan,
        "role": "held",
        "label": statistic.label,
    }
