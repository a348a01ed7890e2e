"""A double with several outputs, which sum to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Floats
from agnostix.testing.doubles.reading import number_columns, weighted_sum


@dataclass(frozen=True)
class ProbabilityModel:
    """Shares of several outputs, which sum to 1 in every row.

    They are made by sums, products and quotients, which are rounded alike
    everywhere; an exponential may differ in its last bit from batch to batch.

    Parameters
    ----------
    n_outputs : int, default=3
        How many.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import ProbabilityModel
    >>> ProbabilityModel(2)(np.array([[1.0], [2.0]])).round(2)
    array([[0.29, 0.71],
           [0.23, 0.77]])
    """

    n_outputs: int = 3

    def __call__(self, X: Any) -> Floats:
        read = number_columns(X)
        scores = [weighted_sum(read, k) for k in range(self.n_outputs)]
        shares = [1.0 + score * score for score in scores]
        total = sum(shares[1:], start=shares[0])
        return np.column_stack([share / total for share in shares])
