"""A double that gives up on some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agnostix.testing.doubles.reading import marked


@dataclass(frozen=True)
class RaisingModel:
    """Another model, which raises an error where a row is marked.

    Parameters
    ----------
    model : callable
        What answers otherwise.
    marker : float, default=-999.0
        What the first column holds in a marked row.
    error : type of exception, default=ArithmeticError
        What is raised, with the words "this row cannot be answered".

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, RaisingModel
    >>> RaisingModel(AdditiveModel())(np.array([[1.0], [-999.0]]))
    Traceback (most recent call last):
    ArithmeticError: this row cannot be answered
    """

    model: Callable[[Any], Any]
    marker: float = -999.0
    error: type[BaseException] = ArithmeticError

    def __call__(self, X: Any) -> Any:
        if marked(X, self.marker).any():
            raise self.error("this row cannot be answered")
        return self.model(X)
