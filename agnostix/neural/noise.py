"""SmoothGrad's noise (Smilkov et al., 2017), the same for all rows, and running moments of what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Codes, Floats

_STREAM = 5
"""Of the random numbers of noise, apart from those of other draws with the same seed."""


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on rows: the k-th draw is the same for all of them, times the size that each has."""

    seed: int
    sizes: Any  # tensor, broadcast to the rows: standard deviations

    def add_to(self, points: Any, samples: Codes, rows: Codes) -> Any:
        """Noisy copies (n, ...) of the points of rows (n,), with the noise of samples (n,)."""
        shape = points.shape[1:]
        drawn, place = np.unique(samples, return_inverse=True)
        normals = np.stack([self._draw(int(sample), tuple(shape)) for sample in drawn])
        return points[rows] + self._sizes_of(points)[rows] * points.new_tensor(normals)[place]

    def _draw(self, sample: int, shape: tuple[int, ...]) -> Floats:
        return np.random.default_rng([self.seed, _STREAM, sample]).standard_normal(shape)

    def _sizes_of(self, points: Any) -> Any:
        return self.sizes.expand(len(points), *self.sizes.shape[1:])


class RunningMoments:
    """Mean and standard error of arrays (n_rows, ...) that come sample by sample (Welford, 1962)."""

    def __init__(self) -> None:
        self.mean: Floats = np.zeros(0)
        self._squares: Floats = np.zeros(0)

    def add(self, values: Floats, samples: Codes, rows: Codes, n_rows: int) -> None:
        """Add values (n, ...) of rows (n,); each row's samples come in their order."""
        if self.mean.size == 0:
            self.mean = np.zeros((n_rows, *values.shape[1:]))
            self._squares = np.zeros_like(self.mean)
        for sample in np.unique(samples):
            some = samples == sample
            of_rows, apart = rows[some], values[some] - self.mean[rows[some]]
            self.mean[of_rows] += apart / (sample + 1)
            self._squares[of_rows] += apart * (values[some] - self.mean[of_rows])

    def std_error(self, n_samples: int) -> Floats:
        """Standard error of the mean."""
        return np.sqrt(self._squares / ((n_samples - 1) * n_samples))
