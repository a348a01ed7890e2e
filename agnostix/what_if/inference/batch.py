"""The same problem solved for many base weights at once: Newton's method on the dual, batched over draws."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Bools, Floats

_MAX_ITER = 12
_REACHED = 1e-12
_FARTHEST = 600.0
"""Exponents beyond which a draw is left to the solver of a single problem."""


def tilt_draws(
    centered: Floats, bases: Floats, start: Floats, softness: Floats | None = None
) -> tuple[Floats, Floats, Bools]:
    """Weights (n_draws, n_rows) and multipliers of least divergence, and which draws were solved.

    centered (n_rows, n_conditions) are the statistics minus their targets, bases (n_draws, n_rows) sum to 1.
    A soft condition misses its target by minus its multiplier times `softness` (n_conditions,).
    """
    n_draws, k = bases.shape[0], centered.shape[1]
    xi = np.tile(start, (n_draws, 1))
    solved = np.zeros(n_draws, dtype=bool)
    weights = bases.copy()
    if k == 0:
        return weights, xi, ~solved
    upper = np.triu_indices(k)
    moments = np.hstack([centered, centered[:, upper[0]] * centered[:, upper[1]]])
    softness = np.zeros(k) if softness is None else softness
    active = np.arange(n_draws)
    for _ in range(_MAX_ITER):
        if active.size == 0:
            break
        exponent = xi[active] @ centered.T
        exponent -= exponent.max(1, keepdims=True)
        np.exp(exponent, out=exponent)
        exponent *= bases[active]
        exponent /= exponent.sum(1, keepdims=True)
        weights[active] = exponent
        sums = exponent @ moments
        mean = sums[:, :k]
        gradient = mean + xi[active] * softness
        done = np.abs(gradient).max(1) <= _REACHED
        solved[active[done]] = True
        hessian = np.empty((active.size, k, k))
        hessian[:, upper[0], upper[1]] = hessian[:, upper[1], upper[0]] = sums[:, k:]
        hessian -= mean[:, :, None] * mean[:, None, :]
        hessian[:, np.arange(k), np.arange(k)] += softness
        left = np.flatnonzero(~done)
        step, is_good = _steps(hessian[left], gradient[left])
        xi[active[left]] -= step
        is_good &= np.abs(xi[active[left]]).max(1) * np.abs(centered).max() < _FARTHEST
        active = active[left[is_good]]
    return weights, xi, solved


def _steps(hessian: Floats, gradient: Floats) -> tuple[Floats, Bools]:
    """Newton steps (n_draws, k), and where they are numbers."""
    if gradient.shape[0] == 0:
        return gradient, np.zeros(0, dtype=bool)
    k = gradient.shape[1]
    scale = np.maximum(np.trace(hessian, axis1=1, axis2=2), 1e-300)
    ridge = 1e-15 * scale[:, None, None] * np.eye(k)
    try:
        step = np.linalg.solve(hessian + ridge, gradient[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        step = np.full(gradient.shape, np.nan)
    is_good = np.isfinite(step).all(1)
    return np.where(is_good[:, None], step, 0.0), is_good
