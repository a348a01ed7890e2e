"""A double whose first and last columns work together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agnostix.core.typing import Floats
from agnostix.testing.doubles.reading import number_columns, weighted_sum


@dataclass(frozen=True)
class InteractionModel:
    """The weighted sum of `AdditiveModel`, plus product and exclusive or of the first and last columns.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import InteractionModel
    >>> InteractionModel()(np.array([[1.0, -2.0], [1.0, 2.0]]))
    array([ 4., -1.])
    """

    def __call__(self, X: Any) -> Floats:
        return interaction(number_columns(X))


def interaction(read: list[Floats]) -> Floats:
    """Answer to columns that are read already.

    Parameters
    ----------
    read : list of ndarray of shape (n_rows,)
        The columns.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    first, last = read[0], read[-1]
    return weighted_sum(read) + first * last + ((first > 0) != (last > 0))
