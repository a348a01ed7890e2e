"""What the literature hides pixels behind: the zero of a network's input, and its blurred picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from agnostix.core.masking.fills import as_type
from agnostix.core.models import Predictor
from agnostix.core.typing import Floats

BLUR_SIZE = {"rise": 11, "lecture": 5}
BLUR_SIGMA = 5.0
STEP_ROWS = {"rise": 1, "lecture": 8}
"""Rows of pixels in a step."""
CONVENTIONS = tuple(STEP_ROWS)


def network_zero(predictor: Predictor, pixels: Any) -> Floats:
    """What a network's normalization maps to 0, in the pictures' units: () or (n_channels,)."""
    mean = getattr(predictor.function, "mean", None)
    if mean is None:
        return np.zeros(())
    value_range = getattr(predictor.function, "value_range", "auto")
    is_bytes = value_range == "0-255" or (value_range == "auto" and pixels.dtype == np.uint8)
    return np.asarray(mean, dtype=float) * (255.0 if is_bytes else 1.0)


@dataclass(frozen=True)
class ZeroInput:
    """Pictures that a network gets as zeros."""

    predictor: Predictor

    def __str__(self) -> str:
        return "zero of the normalized input"

    def __call__(self, pixels: Any) -> Any:
        """Fills shaped as pixels (n_rows, ...)."""
        zero = network_zero(self.predictor, pixels)
        return as_type(np.broadcast_to(zero, pixels.shape), pixels.dtype)


@dataclass(frozen=True)
class KernelBlur:
    """Pictures blurred by a Gaussian that is cut to a square of pixels, with zero input beyond edges."""

    predictor: Predictor
    size: int
    sigma: float = BLUR_SIGMA

    def __str__(self) -> str:
        return f"blur of {self.size} x {self.size} pixels"

    def __call__(self, pixels: Any) -> Any:
        """Fills shaped as pixels (n_rows, ...)."""
        impulse = np.zeros(self.size)
        impulse[self.size // 2] = 1.0
        kernel = ndimage.gaussian_filter(impulse, self.sigma)  # whose sum is 1: mirrored at the ends
        zero = network_zero(self.predictor, pixels)
        blurred = pixels.astype(float) - zero
        for axis in (1, 2):
            blurred = ndimage.convolve1d(blurred, kernel, axis, mode="constant")
        return as_type(blurred + zero, pixels.dtype)
