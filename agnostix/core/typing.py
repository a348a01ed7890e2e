"""Array types by what they hold."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.intp]
"""Integer codes, counts or positions."""
Numbers: TypeAlias = NDArray[Any]
"""Floats, counts or truth values alike, such as the weighted counts of `numpy.bincount`."""
