"""How many rows carry a reweighted population, and what that means for trust in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Floats
from agnostix.what_if.inference.design import Design

MIN_GAIN_ESS = 20.0
"""Least effective sample size among the rows that gain weight."""


def classify_support(
    infeasible: Bools, boundary: Bools, ess: Floats, gain_ess: Floats, min_ess: float
) -> np.ndarray:
    """Status of each target, shape (n_targets,): "infeasible", "boundary", "thin" or "ok"."""
    thin = (ess < min_ess) | (gain_ess < MIN_GAIN_ESS)
    return np.select([infeasible, boundary, thin], ["infeasible", "boundary", "thin"], "ok").astype(object)


def compute_gain_ess(weights: Floats, base: Floats, design: Design | None = None) -> float:
    """Effective sample size of the rows, or clusters, that gain weight; infinite if none does."""
    if design is not None and design.has_clusters:
        weights, base = design.sum(np.column_stack([weights, base])).T
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
    def from_weights(
        cls, weights: Floats, base: Floats, boundary: bool, min_ess: float, design: Design | None = None
    ) -> WeightDiagnostics:
        """Diagnostics of weights (n_rows,) against base weights (n_rows,), each summing to 1."""
        live = weights > 0
        kl = float(weights[live] @ np.log(weights[live] / base[live]))
        ess = float(1.0 / (weights @ weights))
        gain_ess = np.array([compute_gain_ess(weights, base, design)])
        status = classify_support(
            np.array([False]), np.array([boundary]), np.array([ess]), gain_ess, min_ess
        )[0]
        return cls(max(kl, 0.0), ess, float(weights.max() * base.size), str(status))
