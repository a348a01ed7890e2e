"""Names for the arrays that pass through the house: for readers, since numpy's own types are too fine."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

Floats: TypeAlias = NDArray[Any]
"""An array of float64."""

Bools: TypeAlias = NDArray[Any]
"""An array of booleans."""

Codes: TypeAlias = NDArray[Any]
"""An array of integer codes."""
