"""What the rest of the house knows of a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from agnostix.core.frames import (
    as_table,
    column_names,
    copied,
    is_frame,
    locked,
    same_table,
    select,
    to_array,
)
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError, ModelOutputError

Task = Literal["classification", "regression"]


def wants_to_write(error: ValueError) -> bool:
    """Tell whether a model failed since it may not write into its input.

    Parameters
    ----------
    error : ValueError
        How it failed.

    Returns
    -------
    bool
    """
    return "read-only" in str(error)


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
    masked : callable or None
        For a model that puts masked rows together itself, where it lives: from
        (X, masks, fill, labels) to an array of shape (n_rows, n_masks, n_fill) or
        (n_rows, n_masks, n_fill, n_outputs); see `ask_masked`.
    faded : callable or None
        The same for soft masks: from (x, fill, grids, shifts, down, right) to an array of
        shape (n_masks,) or (n_masks, n_outputs); see `ask_faded`.
    copies : bool
        Whether the model gets a copy of each table, since it changes what it is given.
    """

    function: Callable[[Any], Any]
    name: str = "model"
    task: Task | None = None
    response: str = "callable"
    classes: tuple[Any, ...] | None = None
    output_names: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    wants_array: bool = False
    masked: Callable[[Any, Bools, Any, Codes], Any] | None = field(default=None, repr=False)
    faded: Callable[..., Any] | None = field(default=None, repr=False)
    copies: bool = False

    @property
    def told_params(self) -> dict[str, Any]:
        """What explanations tell of how the model is asked; empty where nothing was chosen."""
        return dict(getattr(self.function, "told_params", {}))

    def predict(self, X: Any) -> Floats:
        """Ask the model, and check its answer.

        Parameters
        ----------
        X : DataFrame or array of shape (n_rows, n_columns), or ndarray of n_rows pictures
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
        table = X if isinstance(X, np.ndarray) and X.ndim > 2 else as_table(X)
        try:
            return self.ask(locked(table)).copy()
        except ValueError as error:
            if not wants_to_write(error):
                raise
            return self.ask(copied(table)).copy()

    def ask(self, table: Any) -> Floats:
        """Ask the model about a table that is known to be one, and check its answer.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            The table.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            In model output units.

        Raises
        ------
        DataError, ModelOutputError
            As `predict`.
        """
        answer = self.function(self.present(copied(table) if self.copies else table))
        return self._checked(answer, table.shape[0])

    def ask_masked(self, X: Any, masks: Bools, fill: Any, labels: Codes) -> Floats:
        """Ask the model about rows with parts of them hidden, which it composes itself.

        Parameters
        ----------
        X : ndarray of shape (n_rows, ...)
            The rows, of any shape.
        masks : ndarray of bool of shape (n_masks, n_players)
            True where a row's own values stay.
        fill : ndarray of shape (n_rows or 1, n_fill, ...)
            What stands in, for each row or for all.
        labels : ndarray of int of shape (n_rows or 1, ...)
            The player to which each place of a row belongs, or of its leading axes.

        Returns
        -------
        ndarray of shape (n_rows, n_masks, n_fill, n_outputs)
            In model output units.

        Raises
        ------
        ModelOutputError
            As `predict`.
        """
        assert self.masked is not None
        shape = (X.shape[0], masks.shape[0], fill.shape[1])
        own = (copied(part) for part in (X, masks, fill, labels))  # which it may write to
        answer = np.asarray(self.masked(*own))
        if answer.shape[:3] != shape or answer.ndim > 4:
            raise ModelOutputError(
                f"The model {self.name} was given {shape[0]} rows under {shape[1]} masks, with {shape[2]} "
                f"rows to fill in, and answered with an array of shape {answer.shape}; {shape} or "
                f"({shape[0]}, {shape[1]}, {shape[2]}, n_outputs) is needed."
            )
        n_rows = int(np.prod(shape))
        return self._checked(answer.reshape(n_rows, *answer.shape[3:]), n_rows).reshape(*shape, -1)

    def ask_faded(self, rows: Any) -> Floats:
        """Ask the model about one picture under soft masks, which it composes itself.

        Parameters
        ----------
        rows : FadedRows
            The picture in pieces.

        Returns
        -------
        ndarray of shape (n_masks, n_outputs)
            In model output units.

        Raises
        ------
        ModelOutputError
            As `predict`.
        """
        assert self.faded is not None
        answer = self.faded(rows.x, rows.fill, rows.grids, rows.shifts, rows.down, rows.right)
        return self._checked(answer, rows.grids.shape[0])

    def trial(self, table: Any) -> tuple[Predictor, Floats]:
        """Ask about a small table, and see whether the model changes it, or its mind.

        The model is asked twice. A warning says so where the answers differ.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            The table; it stays as it is.

        Returns
        -------
        predictor : Predictor
            One that hands out copies, where the model changes its input; then a warning says so.
        answers : ndarray of shape (n_rows, n_outputs)
            In model output units.
        """
        given = copied(table)
        answers = np.array(self.ask(given))
        self._check_repeats(answers, self.ask(copied(table)))
        if self.copies or same_table(given, table):
            return self, answers
        warnings.warn(
            f"The model {self.name} changes the table it is given. It gets a copy of its own each time, "
            "which costs time and memory.",
            UserWarning,
            stacklevel=2,
        )
        return replace(self, copies=True), answers

    def present(self, X: Any) -> Any:
        """The table as the model was trained on it: its own columns, in its order.

        Parameters
        ----------
        X : DataFrame or ndarray
            The table; texts may be an array of one dimension.

        Returns
        -------
        DataFrame or ndarray
        """
        if self.columns is not None:
            if is_frame(X):
                return select(X, self._found(column_names(X)))
            n_columns = 1 if X.ndim == 1 else X.shape[1]
            if n_columns != len(self.columns):
                raise DataError(
                    f"X has {n_columns} columns, but the model {self.name} was fitted on "
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

    def _check_repeats(self, answers: Floats, again: Floats) -> None:
        if answers.shape == again.shape and np.allclose(answers, again, rtol=1e-5, atol=1e-8):
            return
        apart = np.abs(answers - again).max() if answers.shape == again.shape else np.inf
        warnings.warn(
            f"The model {self.name} answers the same rows differently each time, by up to {apart:.3g}. "
            "Explanations of it cannot be repeated, and their standard errors do not tell of this.",
            UserWarning,
            stacklevel=3,
        )

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
        if hasattr(answer, "detach"):  # a tensor, of a type or from a place that numpy may not know
            answer = answer.detach().cpu()
            answer = answer.double() if answer.is_floating_point() else answer
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
        return raw.astype(float, copy=False)
