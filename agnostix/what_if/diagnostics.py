"""Weight diagnostics: divergence, effective sample size, and whether enough rows support a result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Floats

MIN_CARRIERS = 20.0
"""Least effective sample size among the rows that gain weight."""


def classify_support(
    infeasible: Bools, boundary: Bools, ess: Floats, carriers: Floats, min_ess: float
) -> np.ndarray:
    """Status of each target, shape (n_targets,): "infeasible", "boundary", "thin" or "ok"."""
    thin = (ess < min_ess) | (carriers < MIN_CARRIERS)
    return np.select([infeasible, boundary, thin], ["infeasible", "boundary", "thin"], "ok").astype(object)


def count_carriers(weights: Floats, base: Floats) -> float:
    """Effective sample size of the rows that gain weight; infinite if none does."""
    gain = np.maximum(weights - base, 0.0)
    gained = gain.sum()
    return float(gained**2 / (gain @ gain)) if gained > 1e-12 else np.inf


@dataclass(frozen=True)
class WeightDiagnostics:
    """Distance of one reweighting from the base weights."""

    kl: float  # Kullback-Leibler divergence in nats
    ess: float  # effective sample size
    max_weight: float  # largest weight, if their mean is 1
    status: str  # "ok", "thin" or "boundary"

    @classmethod
    def from_weights(cls, weights: Floats, base: Floats, boundary: bool, min_ess: float) -> WeightDiagnostics:
        """Diagnostics of weights (n_rows,) against base weights (n_rows,), each summing to 1."""
        live = weights > 0
        kl = float(weights[live] @ np.log(weights[live] / base[live]))
        ess = float(1.0 / (weights @ weights))
        carriers = np.array([count_carriers(weights, base)])
        status = classify_support(
            np.array([False]), np.array([boundary]), np.array([ess]), carriers, min_ess
        )[0]
        return cls(max(kl, 0.0), ess, float(weights.max() * base.size), str(status))
