"""Model doubles with a fault: they raise, return NaN or too few rows, write into their input, do not pickle.

Those that fail do so where the first column of a row holds the marker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from agnostix.core.frames import is_frame
from agnostix.core.typing import Bools
from agnostix.testing.doubles import number_columns

MARKER = -999.0


@dataclass(frozen=True)
class RaisingModel:
    """Another model that raises an error at a marked row.

    Parameters
    ----------
    model : callable
        The other model.
    marker : float, default=-999.0
        Value of the first column in a marked row.
    error : type of exception, default=ArithmeticError
        What is raised, with the message "this row cannot be predicted".

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, RaisingModel
    >>> RaisingModel(AdditiveModel())(np.array([[1.0], [-999.0]]))
    Traceback (most recent call last):
    ArithmeticError: this row cannot be predicted
    """

    model: Callable[[Any], Any]
    marker: float = MARKER
    error: type[BaseException] = ArithmeticError

    def __call__(self, X: Any) -> Any:
        if _find_marked(X, self.marker).any():
            raise self.error("this row cannot be predicted")
        return self.model(X)


@dataclass(frozen=True)
class NanModel:
    """Another model with one output that returns NaN for a marked row.

    Parameters
    ----------
    model : callable
        The other model.
    marker : float, default=-999.0
        Value of the first column in a marked row.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, NanModel
    >>> NanModel(AdditiveModel())(np.array([[1.0], [-999.0]]))
    array([ 1., nan])
    """

    model: Callable[[Any], Any]
    marker: float = MARKER

    def __call__(self, X: Any) -> Any:
        return np.where(_find_marked(X, self.marker), np.nan, self.model(X))


@dataclass(frozen=True)
class WrongRowsModel:
    """Another model that returns one row too few where a row is marked.

    Parameters
    ----------
    model : callable
        The other model.
    marker : float, default=-999.0
        Value of the first column in a marked row.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, WrongRowsModel
    >>> WrongRowsModel(AdditiveModel())(np.array([[1.0], [-999.0]]))
    array([1.])
    """

    model: Callable[[Any], Any]
    marker: float = MARKER

    def __call__(self, X: Any) -> Any:
        predictions = self.model(X)
        return predictions[:-1] if _find_marked(X, self.marker).any() else predictions


@dataclass(frozen=True)
class MutatingModel:
    """Another model that reverses the first column of its input after the prediction.

    Parameters
    ----------
    model : callable
        The other model.

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
        predictions = self.model(X)
        _reverse_first_column(X)
        return predictions


@dataclass(frozen=True)
class UnpicklableModel:
    """Another model that cannot be pickled, such as one with an open connection.

    Parameters
    ----------
    model : callable
        The other model.

    Examples
    --------
    >>> import pickle
    >>> from agnostix.testing import AdditiveModel, UnpicklableModel
    >>> pickle.dumps(UnpicklableModel(AdditiveModel()))
    Traceback (most recent call last):
    TypeError: this model cannot be pickled
    """

    model: Callable[[Any], Any]

    def __call__(self, X: Any) -> Any:
        return self.model(X)

    def __reduce__(self) -> NoReturn:
        raise TypeError("this model cannot be pickled")


def _find_marked(X: Any, marker: float) -> Bools:
    """Whether each row is marked, shape (n_rows,)."""
    return number_columns(X)[0] == marker


def _reverse_first_column(X: Any) -> None:
    if not is_frame(X):
        X[:, 0] = X[::-1, 0].copy()
    elif isinstance(X, pd.DataFrame):
        X.isetitem(0, X.iloc[::-1, 0].to_numpy())
    else:
        X.replace_column(0, X.to_series(0).reverse())
