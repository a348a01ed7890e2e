"""Model doubles of tables as operations of torch on columns, equal to the bit. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from agnostix.testing.doubles import (
    COEFFICIENTS,
    AdditiveModel,
    ConstantModel,
    IgnoringModel,
    InteractionModel,
    ProbabilityModel,
)

_NEARLY_0 = 1e-300


def evaluate(model: Any, columns: Sequence[Any]) -> Any:
    """Predictions (n_rows, n_outputs) of a double, or of what it wraps, from columns (n_rows,)."""
    while hasattr(model, "model"):
        model = model.model
    return _FORMULAS[type(model)](model, columns)


def _weighted_sum(every: Sequence[Any], shift: int = 0) -> Any:
    total = torch.zeros_like(every[0])
    for j, column in enumerate(every):
        total = total + COEFFICIENTS[(j + shift) % len(COEFFICIENTS)] * column
    return total


def _with_interaction(every: Sequence[Any]) -> Any:
    first, last = every[0], every[-1]
    is_first, is_last = _step(first), _step(last)
    return _weighted_sum(every) + first * last + (is_first + is_last - 2 * is_first * is_last)


def _step(x: Any) -> Any:
    """1 above 0 and 0 below, as functions of one number, whose difference has a rule."""
    return torch.nn.functional.threshold(-torch.relu(x), -_NEARLY_0, 1.0)


def _additive(_model: AdditiveModel, every: Sequence[Any]) -> Any:
    return _weighted_sum(every)[:, None]


def _interaction(_model: InteractionModel, every: Sequence[Any]) -> Any:
    return _with_interaction(every)[:, None]


def _ignoring(model: IgnoringModel, every: Sequence[Any]) -> Any:
    used = [column for j, column in enumerate(every) if j != model.column]
    return _with_interaction(used or [0.0 * every[0]])[:, None]


def _constant(model: ConstantModel, every: Sequence[Any]) -> Any:
    return (0.0 * every[0] + model.value)[:, None]


def _probabilities(model: ProbabilityModel, every: Sequence[Any]) -> Any:
    scores = [_weighted_sum(every, k) for k in range(model.n_outputs)]
    weights = [1.0 + score * score for score in scores]
    total = sum(weights[1:], start=weights[0])
    return torch.stack([weight / total for weight in weights], dim=1)


_FORMULAS: dict[type, Callable[[Any, Sequence[Any]], Any]] = {
    AdditiveModel: _additive,
    ConstantModel: _constant,
    IgnoringModel: _ignoring,
    InteractionModel: _interaction,
    ProbabilityModel: _probabilities,
}
