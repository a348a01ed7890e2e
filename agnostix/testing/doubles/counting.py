"""A double that counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class CountingModel:
    """Another model, and how many rows it was asked about.

    Parameters
    ----------
    model : callable
        What answers.
    sizes : list of int
        Rows of each batch so far.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, CountingModel
    >>> model = CountingModel(AdditiveModel())
    >>> answers = model(np.zeros((3, 2))), model(np.zeros((1, 2)))
    >>> model.n_rows
    4
    """

    model: Callable[[Any], Any]
    sizes: list[int] = field(default_factory=list, repr=False)

    def __call__(self, X: Any) -> Any:
        self.sizes.append(X.shape[0])
        return self.model(X)

    @property
    def n_rows(self) -> int:
        """All rows so far."""
        return sum(self.sizes)
