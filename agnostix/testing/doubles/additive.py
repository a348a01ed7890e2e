"""A double that is a weighted sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agnostix.core.typing import Floats
from agnostix.testing.doubles.reading import number_columns, weighted_sum


@dataclass(frozen=True)
class AdditiveModel:
    """A weighted sum of the columns of any table of numbers, the weights 1, -2, 0.5 and 3 in turn.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel
    >>> AdditiveModel()(np.array([[1.0, 2.0, 4.0]]))
    array([-1.])
    """

    def __call__(self, X: Any) -> Floats:
        return weighted_sum(number_columns(X))
