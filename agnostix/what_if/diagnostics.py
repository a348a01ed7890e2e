"""Weight diagnostics: divergence, effective sample size, and whether enough rows support a result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Floats

MIN_CARRIERS = 20.0
"""Effective rows that must carry the part that moves."""


def classify_support(
    infeasible: Bools, boundary: Bools, ess: Floats, carriers: Floats, min_ess: float
) -> np.ndarray:
    """One word a target, shape (n_targets,)."""
    thin = (ess < min_ess) | (carriers < MIN_CARRIERS)
    return np.select([infeasible, boundary, thin], ["infeasible", "boundary", "thin"], "ok").astype(object)


def count_carriers(weights: Floats, base: Floats) -> float:
    """Effective rows among those that gain weight."""
    gain = np.maximum(weights - base, 0.0)
    gained = gain.sum()
    return float(gained**2 / (gain @ gain)) if gained > 1e-12 else np.inf


@dataclass(frozen=True)
class WeightDiagnostics:
    """How far one reweighting goes from the base weights."""

    kl: float  # divergence in nats, effective rows, largest weight where the mean is 1
    ess: float  # divergence in nats, effective rows, largest weight where the mean is 1
    max_weight: float  # divergence in nats, effective rows, largest weight where the mean is 1
    status: str  # one word for it

    @classmethod
    def from_weights(cls, weights: Floats, base: Floats, boundary: bool, min_ess: float) -> WeightDiagnostics:
        """Measure."""
        live = weights > 0
        kl = float(weights[live] @ np.log(weights[live] / base[live]))
        ess = float(1.0 / (weights @ weights))
        carriers = np.array([count_carriers(weights, base)])
        status = classify_support(
            np.array([False]), np.array([boundary]), np.array([ess]), carriers, min_ess
        )[0]
        return cls(max(kl, 0.0), ess, float(weights.max() * base.size), str(status))
