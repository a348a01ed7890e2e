"""Random calibration problems of every form, each with weights that solve it somewhere inside."""

from typing import Any

import numpy as np

from tests.reference.what_if import standardize

FORMS = ("targets", "ranges", "soft", "capped", "mixed")


def random_problem(seed: int, form: str, n_most: int = 500) -> dict[str, Any]:
    """Statistics, ranges, penalties, base weights and bounds on weights, as arguments of `project`."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(30, n_most)), int(rng.integers(1, 7))
    x = rng.normal(size=(n, k)) @ (np.eye(k) + 0.4 * rng.random((k, k)))
    if seed % 3 == 0:
        x[:, 0] = x[:, 0] > 0.3
    if seed % 5 == 0:
        x[:, -1] = np.exp(x[:, -1])
    phi, base = standardize(x, rng.uniform(0.5, 1.5, n))
    bounds = (0.0, np.inf)
    if form in ("capped", "mixed"):
        bounds = (float(rng.uniform(0.0, 0.8)), float(rng.uniform(1.2, 3.0)))
    target = _weights_inside(rng, phi, base, bounds) @ phi
    low, high, penalty = target.copy(), target.copy(), np.full(k, np.inf)
    if form in ("ranges", "mixed"):
        low -= np.where(rng.random(k) < 0.6, rng.uniform(0.0, 0.2, k), 0.0)
        high += np.where(rng.random(k) < 0.6, rng.uniform(0.0, 0.2, k), 0.0)
        high[rng.random(k) < 0.2] = np.inf
    if form in ("soft", "mixed"):
        soft = rng.random(k) < 0.6
        penalty[soft] = 10.0 ** rng.uniform(-1.0, 3.0, soft.sum())
    return {"phi": phi, "low": low, "high": high, "base": base, "penalty": penalty, "weight_bounds": bounds}


def _weights_inside(rng: Any, phi: Any, base: Any, bounds: tuple[float, float]) -> Any:
    """Tilted weights between floor and cap, some of them there."""
    tilt = phi @ rng.normal(size=phi.shape[1]) * rng.uniform(0.1, 0.8)
    least, most = -60.0, 60.0
    for _ in range(100):
        middle = 0.5 * (least + most)
        weights = base * np.clip(np.exp(middle + tilt), *bounds)
        least, most = (middle, most) if weights.sum() < 1.0 else (least, middle)
    return weights / weights.sum()
