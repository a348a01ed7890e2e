"""A double that insists on the types it was made for."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from agnostix.core.frames import columns, is_frame, kind_of, to_codes, to_floats
from agnostix.core.typing import Floats
from agnostix.testing.doubles.reading import weighted_sum

_MISSING = -1.5


@dataclass(frozen=True)
class MixedFrameModel:
    """A weighted sum over columns of numbers, labels, booleans and dates, missing ones included.

    Every table must be of the make it was made for: the same library, columns
    and dtypes, categories included. Anything else is a TypeError.

    Parameters
    ----------
    make : tuple
        What `of` found.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix.testing import MixedFrameModel
    >>> X = pd.DataFrame({"age": [30.0, None], "job": ["clerk", None]})
    >>> model = MixedFrameModel.of(X)
    >>> model(X).shape
    (2,)
    >>> model(X.astype({"age": "float32"}))
    Traceback (most recent call last):
    TypeError: The model was made for age: float64 and is given age: float32.
    """

    make: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, X: Any) -> MixedFrameModel:
        """Make a model for tables like this one.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        MixedFrameModel
        """
        return cls(_make(X))

    def __call__(self, X: Any) -> Floats:
        given = _make(X)
        if given != self.make:
            ours, theirs = (_told(one, other) for one, other in ((self.make, given), (given, self.make)))
            raise TypeError(f"The model was made for {ours} and is given {theirs}.")
        if not is_frame(X):
            return weighted_sum([_of_cells(X[:, j]) for j in range(X.shape[1])])
        return weighted_sum([_numbers(series) for series in columns(X).values()])


def _make(X: Any) -> tuple[tuple[str, Any], ...]:
    if not is_frame(X):
        return (("an array of columns", X.shape[1]), ("of kind", X.dtype.kind))
    library = type(X).__module__.split(".")[0]
    return (("a frame of", library), *((str(name), X[name].dtype) for name in X.columns))


def _told(one: tuple[tuple[str, Any], ...], other: tuple[tuple[str, Any], ...]) -> str:
    """What one make has and the other has not."""
    return ", ".join(f"{name}: {dtype}" for name, dtype in one if (name, dtype) not in other) or "fewer"


def _numbers(series: Any) -> Floats:
    if kind_of(series) == "numeric":
        values = to_floats(series)
        return np.where(np.isnan(values), _MISSING, values)
    codes, levels = to_codes(series)
    return np.array([*(_of_label(level) for level in levels), _MISSING])[codes]  # missing: the code -1


def _of_cells(values: np.ndarray) -> Floats:
    """Each cell by itself, since what a column of objects is taken for depends on which rows there are."""
    return np.array([_of_cell(value) for value in values])


def _of_cell(value: Any) -> float:
    if pd.isna(value):
        return _MISSING
    return float(value) if isinstance(value, Real) else _of_label(value)


def _of_label(level: Any) -> float:
    return crc32(str(level).encode()) % 97 / 16
