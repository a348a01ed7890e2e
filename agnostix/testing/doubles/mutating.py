"""A double that writes into what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from agnostix.core.frames import is_frame


@dataclass(frozen=True)
class MutatingModel:
    """Another model, after whose answer the first column of the table is turned upside down.

    Parameters
    ----------
    model : callable
        What answers.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, MutatingModel
    >>> X = np.array([[1.0], [2.0]])
    >>> MutatingModel(AdditiveModel())(X)
    array([1., 2.])
    >>> X.ravel()
    array([2., 1.])
    """

    model: Callable[[Any], Any]

    def __call__(self, X: Any) -> Any:
        answers = self.model(X)
        _turn_first_column(X)
        return answers


def _turn_first_column(X: Any) -> None:
    if not is_frame(X):
        X[:, 0] = X[::-1, 0].copy()
    elif isinstance(X, pd.DataFrame):
        X.isetitem(0, X.iloc[::-1, 0].to_numpy())
    else:
        X.replace_column(0, X.to_series(0).reverse())
