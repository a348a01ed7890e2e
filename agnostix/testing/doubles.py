"""Model doubles: callables whose prediction of a row is equal to the bit in any batch.

Columns are added up one after the other, never by a matrix product, whose order of summation depends on the
number of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from agnostix.core.frames import columns, is_frame, kind_of, to_codes, to_floats
from agnostix.core.typing import Floats

COEFFICIENTS = (1.0, -2.0, 0.5, 3.0)
"""Of the columns in turn; the fifth has that of the first again."""
_MISSING = -1.5
"""What a missing value counts as in `MixedFrameModel`."""


@dataclass(frozen=True)
class AdditiveModel:
    """A weighted sum of numeric columns, with weights 1, -2, 0.5 and 3 in turn.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel
    >>> AdditiveModel()(np.array([[1.0, 2.0, 4.0]]))
    array([-1.])
    """

    def __call__(self, X: Any) -> Floats:
        return weighted_sum(number_columns(X))


@dataclass(frozen=True)
class InteractionModel:
    """The sum of `AdditiveModel`, plus product and exclusive or of the first and last columns.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import InteractionModel
    >>> InteractionModel()(np.array([[1.0, -2.0], [1.0, 2.0]]))
    array([ 4., -1.])
    """

    def __call__(self, X: Any) -> Floats:
        return _sum_with_interaction(number_columns(X))


@dataclass(frozen=True)
class ConjunctionModel:
    """1 where all columns are above 0, else 0: a step that few rows and few masks meet.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import ConjunctionModel
    >>> ConjunctionModel()(np.array([[1.0, 2.0], [1.0, -2.0]]))
    array([1., 0.])
    """

    def __call__(self, X: Any) -> Floats:
        above = [np.asarray(column) > 0 for column in number_columns(X)]
        return np.logical_and.reduce(above).astype(float)


@dataclass(frozen=True)
class IgnoringModel:
    """`InteractionModel` on all columns but one.

    Parameters
    ----------
    column : int, default=1
        Position of the column that is ignored.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import IgnoringModel
    >>> IgnoringModel()(np.array([[1.0, 5.0, 2.0], [1.0, 6.0, 2.0]]))
    array([-1., -1.])
    """

    column: int = 1

    def __call__(self, X: Any) -> Floats:
        every = number_columns(X)
        used = [column for j, column in enumerate(every) if j != self.column]
        return _sum_with_interaction(used or [0.0 * every[0]])


@dataclass(frozen=True)
class ConstantModel:
    """The same prediction for every row.

    Parameters
    ----------
    value : float, default=0.1
        The prediction. A weighted mean of copies of 0.1 is rarely 0.1 to the bit.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import ConstantModel
    >>> ConstantModel()(np.zeros((2, 3)))
    array([0.1, 0.1])
    """

    value: float = 0.1

    def __call__(self, X: Any) -> Floats:
        return np.full(len(X), self.value)


@dataclass(frozen=True)
class ProbabilityModel:
    """Several outputs, which are positive and sum to 1 in every row.

    They are made by sums, products and quotients, which are rounded alike in
    any batch; an exponential may differ in its last bit.

    Parameters
    ----------
    n_outputs : int, default=3
        Number of outputs.

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
        every = number_columns(X)
        scores = [weighted_sum(every, k) for k in range(self.n_outputs)]
        weights = [1.0 + score * score for score in scores]
        total = sum(weights[1:], start=weights[0])
        return np.column_stack([weight / total for weight in weights])


@dataclass(eq=False)
class CountingModel:
    """Another model, with a count of the rows it evaluated.

    Parameters
    ----------
    model : callable
        The other model.
    sizes : list of int
        Rows of each batch so far.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, CountingModel
    >>> model = CountingModel(AdditiveModel())
    >>> predictions = model(np.zeros((3, 2))), model(np.zeros((1, 2)))
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
        """Rows of all batches so far."""
        return sum(self.sizes)


@dataclass(frozen=True)
class MixedFrameModel:
    """A weighted sum over columns of numbers, labels, booleans and dates, with missing values.

    A table must have the library, columns, dtypes and categories that the
    model was made for. Any other is a TypeError.

    Parameters
    ----------
    schema : tuple
        What `from_table` read.

    Examples
    --------
    >>> import pandas as pd
    >>> from agnostix.testing import MixedFrameModel
    >>> X = pd.DataFrame({"age": [30.0, None], "job": ["clerk", None]})
    >>> model = MixedFrameModel.from_table(X)
    >>> model(X).shape
    (2,)
    >>> model(X.astype({"age": "float32"}))
    Traceback (most recent call last):
    TypeError: MixedFrameModel expects age: float64, got age: float32.
    """

    schema: tuple[tuple[str, Any], ...]

    @classmethod
    def from_table(cls, X: Any) -> MixedFrameModel:
        """Make a model for tables with the schema of this one.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        MixedFrameModel
        """
        return cls(_read_schema(X))

    def __call__(self, X: Any) -> Floats:
        schema = _read_schema(X)
        if schema != self.schema:
            raise TypeError(
                f"MixedFrameModel expects {_missing_entries(self.schema, schema)}, "
                f"got {_missing_entries(schema, self.schema)}."
            )
        if not is_frame(X):
            return weighted_sum([_score_cells(X[:, j]) for j in range(X.shape[1])])
        return weighted_sum([_score_column(series) for series in columns(X).values()])


def _read_schema(X: Any) -> tuple[tuple[str, Any], ...]:
    if not is_frame(X):
        return (("array of width", X.shape[1]), ("kind", X.dtype.kind))
    library = type(X).__module__.split(".")[0]
    return (("frame of", library), *((str(name), X[name].dtype) for name in X.columns))


def _missing_entries(schema: tuple[tuple[str, Any], ...], other: tuple[tuple[str, Any], ...]) -> str:
    """Entries of a schema that the other does not have, as text."""
    return ", ".join(f"{name}: {dtype}" for name, dtype in schema if (name, dtype) not in other) or "fewer"


def _score_column(series: Any) -> Floats:
    if kind_of(series) == "numeric":
        values = to_floats(series)
        return np.where(np.isnan(values), _MISSING, values)
    codes, levels = to_codes(series)
    return np.array([*(_score_label(level) for level in levels), _MISSING])[codes]  # missing: the code -1


def _score_cells(values: np.ndarray) -> Floats:
    # Cell by cell: the kind of a column of objects would depend on which rows are in the batch.
    return np.array([_score_cell(value) for value in values])


def _score_cell(value: Any) -> float:
    if pd.isna(value):
        return _MISSING
    return float(value) if isinstance(value, Real) else _score_label(value)


def _score_label(level: Any) -> float:
    return crc32(str(level).encode()) % 97 / 16


def number_columns(X: Any) -> list[Floats]:
    """Columns (n_rows,) of a table as floats; missing values are 0."""
    if is_frame(X):
        every = [to_floats(series) for series in columns(X).values()]
    else:
        table = np.asarray(X)
        every = [table[:, j].astype(float) for j in range(table.shape[1])]
    return [np.where(np.isnan(column), 0.0, column) for column in every]


def weighted_sum(every: list[Floats], shift: int = 0) -> Floats:
    """Sum (n_rows,) of columns times their coefficients, of which the first is number `shift`."""
    total = np.zeros(every[0].shape)
    for j, column in enumerate(every):
        total = total + COEFFICIENTS[(j + shift) % len(COEFFICIENTS)] * column
    return total


def _sum_with_interaction(every: list[Floats]) -> Floats:
    first, last = every[0], every[-1]
    return weighted_sum(every) + first * last + ((first > 0) != (last > 0))
