"""One baseline or several with weights, and averages over them with their standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import is_frame, to_array
from agnostix.core.typing import Floats
from agnostix.neural.baselines import check_baseline, fixed_baseline

_STREAM = 9
"""Of random numbers, apart from those of other draws with the same seed."""


@dataclass(frozen=True)
class Baselines:
    """Baselines (n_baselines, ...) of all rows, with weights that sum to 1."""

    rows: Any
    weights: Floats

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def concentration(self) -> float:
        """Sum of the squared weights: 1 over the number of equal ones that are as good."""
        return float((self.weights**2).sum())

    @property
    def n_degrees(self) -> float:
        """Degrees of freedom of standard errors."""
        return 1.0 / self.concentration - 1.0


def read_baselines(
    baseline: Any, X: Any, weights: Floats | None, n_samples: int, seed: int, has_layer: bool, owner: str
) -> Baselines | None:
    """Baselines of all rows, from a parameter; None where each row has its own, or 0 at a layer."""
    several = _several(baseline, X)
    if several is not None:
        for one in several:
            check_baseline(one, X, has_layer, owner)
        rows = np.concatenate([fixed_baseline(one, X, None) for one in several])
        return Baselines(rows, np.full(len(rows), 1.0 / len(rows)))
    check_baseline(baseline, X, has_layer, owner)
    if isinstance(baseline, str) and baseline == "data":
        return _draw(X, weights, n_samples, seed)
    if has_layer and isinstance(baseline, str):
        return None
    fixed = fixed_baseline(baseline, X, weights)
    return None if fixed is None else Baselines(fixed, np.ones(1))


def _several(baseline: Any, X: Any) -> Any:
    """An array of more than one baseline row; None for other values of the parameter."""
    if isinstance(baseline, str):
        return None
    values = to_array(baseline) if is_frame(baseline) else np.asarray(baseline)
    return values if values.ndim == X.ndim and len(values) > 1 else None


def _draw(X: Any, weights: Floats | None, n_samples: int, seed: int) -> Baselines:
    """Rows without replacement, which keep their weights; all of them if there are no more."""
    shares = np.ones(len(X)) if weights is None else np.asarray(weights, dtype=float)
    places = np.flatnonzero(shares)
    if len(places) > n_samples:
        places = np.sort(np.random.default_rng([seed, _STREAM]).choice(places, n_samples, replace=False))
    return Baselines(np.ascontiguousarray(X[places]), shares[places] / shares[places].sum())


class WeightedMoments:
    """Mean of arrays or tensors that come one by one with weights, and its standard error."""

    def __init__(self) -> None:
        self.mean: Any = None
        self._weight = 0.0
        self._squares: Any = 0.0

    def add(self, values: Any, weight: float) -> None:
        """Add values with a weight above 0."""
        self._weight += weight
        if self.mean is None:
            self.mean = values
            return
        apart = values - self.mean
        self.mean = self.mean + weight / self._weight * apart
        self._squares = self._squares + weight * apart * (values - self.mean)

    def std_error(self, concentration: float) -> Any:
        """Standard error of the mean, for weights that sum to 1 and their sum of squares."""
        return (self._squares / self._weight * (concentration / (1.0 - concentration))) ** 0.5
