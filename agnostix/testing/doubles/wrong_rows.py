"""A double that loses a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agnostix.testing.doubles.reading import marked


@dataclass(frozen=True)
class WrongRowsModel:
    """Another model, which answers one row too few where a row is marked.

    Parameters
    ----------
    model : callable
        What answers otherwise.
    marker : float, default=-999.0
        What the first column holds in a marked row.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, WrongRowsModel
    >>> WrongRowsModel(AdditiveModel())(np.array([[1.0], [-999.0]]))
    array([1.])
    """

    model: Callable[[Any], Any]
    marker: float = -999.0

    def __call__(self, X: Any) -> Any:
        answers = self.model(X)
        return answers[:-1] if marked(X, self.marker).any() else answers
