"""What the rest of the house knows of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from agnostix.exceptions import DataError, ModelOutputError
from agnostix.typing import Floats
from agnostix.utils.frames import as_table, column_names, is_frame, select, to_array

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Predictor:
    """A model as a function from a table to a matrix of answers.

    Parameters
    ----------
    function : callable
        From a batch to an array of shape (n,) or (n, n_outputs).
    name : str
        What the model is called in reports.
    task : {"classification", "regression"} or None
        None where the model cannot tell.
    response : str
        The method that answers, or "callable".
    classes : tuple or None
        Labels in the order of the outputs, for a classifier.
    output_names : tuple of str or None
        None: "prediction" for one output, else "output_0", "output_1", ...
    columns : tuple of str or None
        The columns it was fitted on; None if it was fitted on an array or cannot tell.
    wants_array : bool
        Whether frames are handed to it as arrays, since it was fitted on one.
    """

    function: Callable[[Any], Any]
    name: str = "model"
    task: Task | None = None
    response: str = "callable"
    classes: tuple[Any, ...] | None = None
    output_names: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    wants_array: bool = False

    def predict(self, X: Any) -> Floats:
        """Ask the model, and check its answer.

        Parameters
        ----------
        X : DataFrame or array of shape (n_rows, n_columns)
            The table; columns that the model was not fitted on are left out.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            In model output units.

        Raises
        ------
        DataError
            If a column that the model was fitted on is missing.
        ModelOutputError
            If the answer is not numeric, has another number of rows, or is NaN or infinite somewhere.
        """
        X = as_table(X)
        answer = self.function(self.present(X))
        return self._checked(answer, X.shape[0])

    def present(self, X: Any) -> Any:
        """The table as the model was trained on it: its own columns, in its order.

        Parameters
        ----------
        X : DataFrame or ndarray
            The table.

        Returns
        -------
        DataFrame or ndarray
        """
        if self.columns is not None:
            if is_frame(X):
                return select(X, self._found(column_names(X)))
            if X.shape[1] != len(self.columns):
                raise DataError(
                    f"X has {X.shape[1]} columns, but the model {self.name} was fitted on "
                    f"{len(self.columns)}: {', '.join(self.columns)}."
                )
            return pd.DataFrame(X, columns=list(self.columns)).infer_objects()
        return to_array(X) if self.wants_array and is_frame(X) else X

    def names(self, n_outputs: int) -> tuple[str, ...]:
        """Names of the outputs.

        Parameters
        ----------
        n_outputs : int
            How many the model has given.

        Returns
        -------
        tuple of str
        """
        if self.output_names is not None:
            if len(self.output_names) != n_outputs:
                raise ModelOutputError(
                    f"output_names has {len(self.output_names)} names, but the model {self.name} gives "
                    f"{n_outputs} outputs."
                )
            return self.output_names
        if self.classes is not None and len(self.classes) == n_outputs:
            return tuple(str(label) for label in self.classes)
        return ("prediction",) if n_outputs == 1 else tuple(f"output_{j}" for j in range(n_outputs))

    def _found(self, given: list[str]) -> list[str]:
        assert self.columns is not None
        missing = [name for name in self.columns if name not in set(given)]
        if missing:
            raise DataError(
                f"X lacks {len(missing)} of the {len(self.columns)} columns that the model {self.name} was "
                f"fitted on: {', '.join(missing)}. X has: {', '.join(given)}."
            )
        return list(self.columns)

    def _checked(self, answer: Any, n_rows: int) -> Floats:
        if isinstance(answer, list) and answer and np.ndim(answer[0]) == 2:
            raise ModelOutputError(
                f"The model {self.name} answers several targets at once (a list of {len(answer)} arrays). "
                "Wrap one of them in a function: lambda X: model.predict_proba(X)[0]."
            )
        raw = self._numbers(answer)
        values = raw[:, None] if raw.ndim == 1 else raw
        if values.ndim != 2 or values.shape[0] != n_rows or values.shape[1] == 0:
            raise ModelOutputError(
                f"The model {self.name} was given {n_rows} rows and answered with an array of shape "
                f"{raw.shape}; ({n_rows},) or ({n_rows}, n_outputs) is needed."
            )
        with np.errstate(all="ignore"):
            well = np.isfinite(values.sum())  # one pass tells; the search is for when it is not
        if not well:
            bad = np.flatnonzero(~np.isfinite(values).all(1))
            if bad.size == 0:  # finite, and only their sum is not
                return values
            raise ModelOutputError(
                f"The model {self.name} answers NaN or infinity in {bad.size} of {n_rows} rows, "
                f"first in row {bad[0]}. Find out why, or leave those rows out."
            )
        return values

    def _numbers(self, answer: Any) -> Floats:
        try:
            raw = np.asarray(answer)
            if raw.dtype == object and not any(isinstance(value, str) for value in raw.ravel()):
                raw = raw.astype(float)
        except (TypeError, ValueError):
            raise ModelOutputError(
                f"The model {self.name} answers with something that is no table of numbers: a "
                f"{type(answer).__name__} whose parts differ in length or kind."
            ) from None
        if raw.dtype.kind not in "biuf":
            example = f", for example {raw.ravel()[0]!r}" if raw.size else ""
            raise ModelOutputError(
                f"The model {self.name} answers with values of type {raw.dtype}{example}; numbers are "
                "needed. Pass its predict_proba instead of its predict."
            )
        return raw.astype(float)
