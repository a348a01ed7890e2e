"""A model of any make as a function from rows to outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from agnostix.core.frames import (
    as_read_only,
    as_table,
    column_names,
    copy_table,
    is_frame,
    same_table,
    select,
    to_array,
)
from agnostix.core.masking.soft_masks import SoftMaskBatch
from agnostix.core.models.capabilities import NEEDS, Configured, MaskComposer
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError, ModelOutputError

Task = Literal["classification", "regression"]
Capability = TypeVar("Capability")


def wants_to_write(error: ValueError) -> bool:
    """Whether a model failed because its input is read-only."""
    return "read-only" in str(error)


@dataclass(frozen=True)
class Predictor:
    """A model as a function from rows to a matrix of outputs.

    `supports` and `require` give access to what else the model can do, see
    `agnostix.core.models.capabilities`.

    Parameters
    ----------
    function : callable
        From a batch of rows to an array of shape (n,) or (n, n_outputs).
    name : str
        Name of the model in reports and messages.
    task : {"classification", "regression"} or None
        None if unknown.
    response : str
        The method that predicts, or "callable".
    classes : tuple or None
        Labels in the order of the outputs, for a classifier.
    output_names : tuple of str or None
        None: "prediction" for one output, else "output_0", "output_1", ...
    columns : tuple of str or None
        Columns the model was fitted on; None if it was fitted on an array, or if unknown.
    wants_array : bool
        Whether frames are converted to arrays, since the model was fitted on one.
    copies : bool
        Whether the model gets a copy of each table, since it modifies its input.
    """

    function: Callable[[Any], Any]
    name: str = "model"
    task: Task | None = None
    response: str = "callable"
    classes: tuple[Any, ...] | None = None
    output_names: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    wants_array: bool = False
    copies: bool = False

    @property
    def params(self) -> dict[str, Any]:
        """Settings of the wrapped model that predictions depend on; empty where there are none."""
        return self.function.prediction_params() if isinstance(self.function, Configured) else {}

    def supports(self, capability: type) -> bool:
        """Tell whether the model can do more than predict.

        Parameters
        ----------
        capability : type
            `MaskComposer` or `Differentiable`.

        Returns
        -------
        bool
        """
        return isinstance(self.function, capability)

    def require(self, capability: type[Capability], by: str, *, instead: str = "") -> Capability:
        """Give the model as one that has a capability.

        Parameters
        ----------
        capability : type
            `MaskComposer` or `Differentiable`.
        by : str
            Who needs it, for the message: an explainer, or one of its methods.
        instead : str, default=""
            What works without it, for the message: a sentence.

        Returns
        -------
        capability
            The wrapped model.

        Raises
        ------
        DataError
            If the model lacks the capability.
        """
        if isinstance(self.function, capability):
            return self.function
        need, remedy = NEEDS[capability]
        raise DataError(f"{by} needs {need}, and the model is {self.name}. {remedy} {instead}".rstrip())

    def predict(self, X: Any) -> Floats:
        """Predict rows, and check the outputs.

        Parameters
        ----------
        X : DataFrame or array of shape (n_rows, n_columns), or ndarray of n_rows images
            The rows; columns that the model was not fitted on are left out.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            In model output units.

        Raises
        ------
        DataError
            If a column that the model was fitted on is missing.
        ModelOutputError
            If the output is not numeric, has the wrong number of rows, or has NaN or infinite values.
        """
        table = X if isinstance(X, np.ndarray) and X.ndim > 2 else as_table(X)
        try:
            return self.predict_batch(as_read_only(table)).copy()
        except ValueError as error:
            if not wants_to_write(error):
                raise
            return self.predict_batch(copy_table(table)).copy()

    def predict_batch(self, table: Any) -> Floats:
        """Predict a table that needs no conversion; it is copied only if `copies`.

        Parameters
        ----------
        table : DataFrame or ndarray of n_rows rows
            The rows.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            In model output units; may share memory with the model's.

        Raises
        ------
        DataError, ModelOutputError
            As `predict`.
        """
        outputs = self.function(self.present(copy_table(table) if self.copies else table))
        return self._checked(outputs, table.shape[0])

    def predict_masked(
        self, x: Any, masks: Bools | SoftMaskBatch, fill: Any, segments: Codes | None = None
    ) -> Floats:
        """Predict masked rows that the model composes itself.

        Parameters
        ----------
        x : ndarray of shape (n_rows, ...)
            The rows, of any shape.
        masks : ndarray of bool of shape (n_masks, n_segments), or SoftMaskBatch
            True for the segments that keep the row's own values; a SoftMaskBatch weighs each pixel.
        fill : ndarray of shape (n_rows or 1, n_fill, ...)
            What replaces the masked values, for each row or for all.
        segments : ndarray of int of shape (n_rows or 1, ...), default=None
            The segment of each value of a row, or of its leading axes; None for a SoftMaskBatch.

        Returns
        -------
        ndarray of shape (n_rows, n_masks, n_fill, n_outputs)
            In model output units.

        Raises
        ------
        DataError
            If the model is no `MaskComposer`.
        ModelOutputError
            As `predict`.
        """
        composer = self.require(MaskComposer, "predict_masked")
        shape = (x.shape[0], len(masks), fill.shape[1])
        segments = None if segments is None else segments.copy()  # the model may write to its inputs
        outputs = np.asarray(composer.predict_masked(x.copy(), deepcopy(masks), fill.copy(), segments))
        if outputs.shape[:3] != shape or outputs.ndim > 4:
            raise ModelOutputError(
                f"The model {self.name} returned an array of shape {outputs.shape} for {shape[0]} rows under "
                f"{shape[1]} masks with {shape[2]} fill rows; {shape} or ({shape[0]}, {shape[1]}, "
                f"{shape[2]}, n_outputs) is needed."
            )
        n_rows = int(np.prod(shape))
        return self._checked(outputs.reshape(n_rows, *outputs.shape[3:]), n_rows).reshape(*shape, -1)

    def trial(self, table: Any) -> tuple[Predictor, Floats]:
        """Predict a small table twice, to see whether the model modifies it or is random.

        A warning says so where it does.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_columns)
            The rows; not modified.

        Returns
        -------
        predictor : Predictor
            With `copies` set if the model modifies its input.
        outputs : ndarray of shape (n_rows, n_outputs)
            In model output units.
        """
        given = copy_table(table)
        outputs = np.array(self.predict_batch(given))
        self._check_repeats(outputs, self.predict_batch(copy_table(table)))
        if self.copies or same_table(given, table):
            return self, outputs
        warnings.warn(
            f"The model {self.name} changes the table it is given. It gets a copy each time, which costs "
            "time and memory.",
            UserWarning,
            stacklevel=2,
        )
        return replace(self, copies=True), outputs

    def present(self, X: Any) -> Any:
        """Convert a table to what the model was fitted on: its own columns, in its order.

        Parameters
        ----------
        X : DataFrame or ndarray
            The rows; texts may be an array of one dimension.

        Returns
        -------
        DataFrame or ndarray
        """
        if self.columns is not None:
            if is_frame(X):
                return select(X, self._own_columns(column_names(X)))
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
            Number of outputs.

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

    def _check_repeats(self, first: Floats, again: Floats) -> None:
        if first.shape == again.shape and np.allclose(first, again, rtol=1e-5, atol=1e-8):
            return
        apart = np.abs(first - again).max() if first.shape == again.shape else np.inf
        warnings.warn(
            f"The model {self.name} is not deterministic: two predictions of the same rows differ by up to "
            f"{apart:.3g}. Explanations are not reproducible, and their standard errors leave this out.",
            UserWarning,
            stacklevel=3,
        )

    def _own_columns(self, given: list[str]) -> list[str]:
        assert self.columns is not None
        missing = [name for name in self.columns if name not in set(given)]
        if missing:
            raise DataError(
                f"X lacks {len(missing)} of the {len(self.columns)} columns that the model {self.name} was "
                f"fitted on: {', '.join(missing)}. X has: {', '.join(given)}."
            )
        return list(self.columns)

    def _checked(self, outputs: Any, n_rows: int) -> Floats:
        if isinstance(outputs, list) and outputs and np.ndim(outputs[0]) == 2:
            raise ModelOutputError(
                f"The model {self.name} returned a list of {len(outputs)} arrays, one for each target. "
                "Explain one target: pass lambda X: model.predict_proba(X)[0]."
            )
        raw = self._numbers(outputs)
        values = raw[:, None] if raw.ndim == 1 else raw
        if values.ndim != 2 or values.shape[0] != n_rows or values.shape[1] == 0:
            raise ModelOutputError(
                f"The model {self.name} returned an array of shape {raw.shape} for {n_rows} rows; "
                f"({n_rows},) or ({n_rows}, n_outputs) is needed."
            )
        with np.errstate(all="ignore"):
            well = np.isfinite(values.sum())  # one pass tells; the search is for when it is not
        if not well:
            bad = np.flatnonzero(~np.isfinite(values).all(1))
            if bad.size == 0:  # finite, and only their sum is not
                return values
            raise ModelOutputError(
                f"The model {self.name} returned NaN or infinity for {bad.size} of {n_rows} rows, the first "
                f"of them row {bad[0]}. Check the model on these rows, or leave them out."
            )
        return values

    def _numbers(self, outputs: Any) -> Floats:
        if hasattr(outputs, "detach"):  # a tensor, of a type or from a place that numpy may not know
            outputs = outputs.detach().cpu()
            outputs = outputs.double() if outputs.is_floating_point() else outputs
        try:
            raw = np.asarray(outputs)
            if raw.dtype == object and not any(isinstance(value, str) for value in raw.ravel()):
                raw = raw.astype(float)
        except (TypeError, ValueError):
            raise ModelOutputError(
                f"The model {self.name} returned a {type(outputs).__name__} that is no array of numbers: its "
                "entries differ in length or type."
            ) from None
        if raw.dtype.kind not in "biuf":
            example = f", for example {raw.ravel()[0]!r}" if raw.size else ""
            raise ModelOutputError(
                f"The model {self.name} returned values of type {raw.dtype}{example}; numbers are needed. "
                "Pass its predict_proba instead of its predict."
            )
        return raw.astype(float, copy=False)
