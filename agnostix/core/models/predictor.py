"""Models of any make as functions from rows to outputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from agnostix.core.frames import (
    as_table,
    column_names,
    copy_table,
    is_frame,
    select,
    take_rows,
    to_array,
)
from agnostix.core.inputs import check_takes_one_batch, conversion_error
from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.models.capabilities import NEEDS, Configured, MaskComposer
from agnostix.core.models.failures import NamedFailure
from agnostix.core.models.other_outputs import finished
from agnostix.core.models.outputs import (
    RESPONSES,
    as_indicators,
    as_numbers,
    has_independent_labels,
    join_outputs,
    kind_of_estimator,
    labels_of,
    match_columns,
    try_model,
)
from agnostix.core.sparse_rows import is_sparse
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError, ModelOutputError

Task = Literal["classification", "regression"]
Capability = TypeVar("Capability")
_TASKS: dict[str | None, Task] = {
    "classifier": "classification",
    "clusterer": "classification",
    "regressor": "regression",
}


def as_predictor(
    model: Any,
    *,
    task: Task | None = None,
    output_names: list[str] | tuple[str, ...] | None = None,
    output: Any = None,
    activation: str = "auto",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    layout: str = "HWC",
    value_range: str = "auto",
    device: str = "auto",
    precision: str = "fp32",
    compiled: bool = False,
    batch_size: int | None = None,
) -> Predictor:
    """Wrap a model for use by every explainer.

    Parameters
    ----------
    model : fitted estimator, Pipeline, torch module, callable or Predictor
        Classifiers predict with ``predict_proba``, regressors and clusterers with ``predict``, outlier
        detectors with ``decision_function``. A callable takes a
        batch of rows and returns an array of shape (n,) or (n, n_outputs), or a
        future of one. A callable that composes
        masked rows itself, for example on a GPU, also has a method ``predict_masked(x, masks, fill,
        segments)``: rows of shape (n_rows, ...), masks of shape (n_masks, n_segments), fill of shape
        (n_rows or 1, n_fill, ...), and the segment of each value, of shape (n_rows or 1, ...). It
        returns an array of shape (n_rows, n_masks, n_fill, n_outputs). From `RiseExplainer` the masks
        are an `agnostix.maskers.SoftMaskBatch` and segments is None: ``masks.to_array()`` has shape
        (n_masks, height, width), with values between 0 and 1, and ``masks.compose(x[0], fill[0, 0])``
        gives the masked images.
    task : {"classification", "regression"}, default=None
        Needed only if the model does not say it, as a plain callable, and
        something depends on it, such as a metric. Whole numbers that a callable
        returns as decimals (0.0, 1.0, 2.0) may be counts or codes of labels, which
        nothing tells apart: they are averaged as counts, unless the task is
        "classification".
    output_names : list of str, default=None
        Names of the outputs; by default the classes, "prediction", or
        "output_0", "output_1", ...
    output : str, int or callable, default=None
        Method to predict with, if not the default: "predict_proba",
        "decision_function", "score_samples" or "predict". Labels of a classifier's or
        clusterer's ``predict`` become an indicator each. Of a torch module that
        returns a tuple or a dict, the entry; or a method of its own by one of
        these names; or a function from what it returns to a tensor of shape (n,)
        or (n, n_outputs), such as the logits of one place of a sequence:
        ``output=lambda returned: returned.logits[:, -1]``. The `activation` comes
        after it.
    activation : {"auto", "softmax", "sigmoid", "none"}, default="auto"
        Applied to the outputs of a torch module. "auto" is softmax if it gives
        several numbers a row that are not probabilities already, unless `task`
        is "regression"; the first outputs decide, and later ones that
        contradict them are an error. One number a row is left as it is: use
        "sigmoid" for a logit. The ``params`` of explanations report the choice.
    mean, std : sequence of float, default=None
        A torch module's own normalization by channel, of images from 0 to 1.
    layout : {"HWC", "CHW"}, default="HWC"
        Where the channels of the images are; a torch module gets CHW.
    value_range : {"auto", "0-1", "0-255"}, default="auto"
        Of images for a torch module: "0-255" divides by 255, "0-1" leaves them as
        they are, whatever their type. "auto" divides uint8 alone, warns of decimal
        images beyond 2, and is an error for other integers.
    device : str, default="auto"
        Where a torch module runs, as torch names it; "auto" is where its
        parameters are. On another device a copy runs, made at the first prediction.
    precision : {"fp32", "bf16", "fp16"}, default="fp32"
        Of a torch module's inner arithmetic.
    compiled : bool, default=False
        Whether a torch module is compiled first.
    batch_size : int, default=None
        Most rows that the model gets at once; None chooses it from their shape for a torch
        module, and from the working memory for others.

    Returns
    -------
    Predictor

    Raises
    ------
    TypeError
        If the model neither predicts nor can be called.
    ValueError
        If a parameter has a value that is not allowed, or the classifier lacks the method.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from agnostix import as_predictor
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> predictor = as_predictor(LogisticRegression(max_iter=1000).fit(X, y))
    >>> predictor.predict(X.head(2)).shape, predictor.task
    ((2, 3), 'classification')
    """
    if task not in (None, "classification", "regression"):
        raise ValueError(
            "The 'task' parameter of as_predictor must be 'classification', 'regression' or None, "
            f"got {task!r}."
        )
    names = _checked_names(output_names)
    of_torch = {
        "activation": activation,
        "mean": mean,
        "std": std,
        "layout": layout,
        "value_range": value_range,
        "device": device,
        "precision": precision,
        "compiled": compiled,
    }
    _check_batch_size(batch_size)
    if _is_torch_module(model) and not (output in RESPONSES and hasattr(model, output)):
        return _from_module(model, task, names, output, of_torch | {"batch_size": batch_size})
    _check_no_module_is_meant(model, of_torch)
    if output not in (None, *RESPONSES):
        raise ValueError(
            f"The 'output' parameter of as_predictor must be one of {', '.join(RESPONSES)} or None, "
            f"got {output!r}."
        )
    predictor = _from_model(model, task, names, output)
    return predictor if batch_size is None else replace(predictor, batch_size=int(batch_size))


def _from_model(model: Any, task: Task | None, names: tuple[str, ...] | None, output: Any) -> Predictor:
    """A Predictor of anything but a torch module."""
    if isinstance(model, Predictor):
        if output not in (None, model.response):
            raise ValueError(
                f"The predictor calls {model.response!r} already; wrap the model itself instead."
            )
        if task is None and names is None:
            return model
        return replace(model, task=task or model.task, output_names=names or model.output_names)
    _check_takes_tables(model)
    if hasattr(model, "predict") or (output is not None and hasattr(model, output)):
        return _from_estimator(model, task, names, output)
    owner = getattr(model, "__self__", None)
    method = getattr(model, "__name__", "")
    if owner is not None and hasattr(owner, "predict") and method in RESPONSES:
        return _from_estimator(owner, task, names, output or method)
    if callable(model):
        name = method or type(model).__name__
        name = "function" if name == "<lambda>" else name
        check_takes_one_batch(model, name)
        return Predictor(model, name=name, task=task, output_names=names)
    raise TypeError(
        "The 'model' must be a fitted estimator, a Pipeline, or a callable from a batch of rows to outputs, "
        f"got {model!r}."
    )


def _check_takes_tables(model: Any) -> None:
    """Refuse what predicts, but not from a table: a class, and XGBoost's own Booster."""
    if isinstance(model, type):
        raise TypeError(f"The 'model' is the class {model.__name__}. Pass an instance of it that is fitted.")
    if type(model).__module__.split(".")[0] == "xgboost" and type(model).__name__ == "Booster":
        raise TypeError(
            "The 'model' is a Booster of xgboost, which predicts from a DMatrix. Pass "
            "lambda X: model.predict(xgboost.DMatrix(X)), or an XGBRegressor or XGBClassifier."
        )


def _from_module(
    module: Any, task: Task | None, names: tuple[str, ...] | None, output: Any, params: dict[str, Any]
) -> Predictor:
    from agnostix.core.models.torch_model import TorchModel

    if params["activation"] == "auto" and task == "regression":
        params = params | {"activation": "none"}
    model = TorchModel(module, output=output, **params)
    return Predictor(model, name=model.__name__, task=task, output_names=names)


def _check_batch_size(batch_size: Any) -> None:
    whole = isinstance(batch_size, Integral) and not isinstance(batch_size, bool)
    if batch_size is not None and not (whole and batch_size > 0):
        raise DataError(
            "The 'batch_size' parameter of as_predictor must be a whole number of at least 1, or None, got "
            f"{batch_size!r}."
        )


def _check_no_module_is_meant(model: Any, of_torch: dict[str, Any]) -> None:
    """Refuse parameters that only apply to torch modules."""
    defaults = as_predictor.__kwdefaults__ or {}
    given = [repr(name) for name, value in of_torch.items() if not _is(value, defaults[name])]
    if given:
        raise ValueError(
            f"as_predictor takes {', '.join(given)} for torch modules alone, and the model is of type "
            f"{type(model).__name__}. Pass the module itself, or leave "
            f"{'them' if len(given) > 1 else 'it'} out."
        )


def _is(value: Any, default: Any) -> bool:
    return type(value) is type(default) and value == default


def _checked_names(output_names: Any) -> tuple[str, ...] | None:
    names = None if output_names is None else tuple(str(name) for name in output_names)
    if names is not None and (isinstance(output_names, str) or len(set(names)) < len(names)):
        raise ValueError(
            "The 'output_names' parameter of as_predictor must be a list of names, none twice, "
            f"got {output_names!r}."
        )
    return names


def _is_torch_module(model: Any) -> bool:
    """Whether the model is a torch module, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def is_fitted(model: Any) -> bool:
    """Whether an estimator is fitted; callables and other objects always are."""
    if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "get_params")):
        return True
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True


def _from_estimator(
    model: Any, task: Task | None, names: tuple[str, ...] | None, output: str | None
) -> Predictor:
    name = _name_of(model)
    if not is_fitted(model):
        raise NotFittedError(
            f"The model {name} is not fitted. Call its fit first, or hand it over with (X, y) to be fitted."
        )
    kind = kind_of_estimator(model)
    task = task or _TASKS.get(kind)
    response = output or _default_response(model, kind, task)
    if not hasattr(model, response):
        other = next(r for r in RESPONSES if hasattr(model, r))
        raise ValueError(
            f"The model {name} has no {response}. The nearest that works: "
            f"as_predictor(model, output={other!r})."
        )
    classes = labels_of(model, kind) if task == "classification" or response == "predict" else None
    if kind == "clusterer" and response == "predict" and classes is None:
        raise ValueError(
            f"The model {name} is a clusterer that does not say which clusters it has. Pass an indicator for "
            "each: lambda X: np.stack([model.predict(X) == label for label in labels], axis=1)."
        )
    columns = fitted_columns(model)
    n_features = getattr(model, "n_features_in_", None)
    return Predictor(
        getattr(model, response),
        name=name,
        task="classification" if kind == "outlier_detector" and response == "predict" else task,
        response=response,
        classes=None if task == "regression" else classes,
        output_names=names,
        columns=columns,
        wants_array=columns is None and n_features is not None,
        exclusive=False if has_independent_labels(model) else None,
    )


def fitted_columns(model: Any) -> tuple[str, ...] | None:
    """Names of the columns that a model was fitted on, None for an array, or if it does not keep them."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:  # CatBoost's name for it; it numbers the columns of an array
        names = getattr(model, "feature_names_", None)
        if names is not None and [str(name) for name in names] == [str(j) for j in range(len(names))]:
            return None
    return None if names is None else tuple(str(name) for name in names)


def _default_response(model: Any, kind: str | None, task: Task | None) -> str:
    """The method of an estimator that says most."""
    if kind == "outlier_detector":
        return "decision_function" if hasattr(model, "decision_function") else "score_samples"
    if kind == "clusterer" and not hasattr(model, "predict_proba"):
        return "predict"
    return "predict_proba" if task == "classification" else "predict"


def _name_of(model: Any) -> str:
    steps = getattr(model, "steps", None)
    if steps:
        return " > ".join(type(step).__name__ for _, step in steps if step not in (None, "passthrough"))
    inner = getattr(model, "estimator", None) if type(model).__name__ == "FrozenEstimator" else None
    return _name_of(inner) if inner is not None else type(model).__name__


def _as_images(X: Any) -> Any:
    """An array of images, from one or from a tensor."""
    try:
        return np.asarray(X)
    except (RuntimeError, TypeError) as error:
        raise conversion_error(X, error) from error


def wants_to_write(error: ValueError) -> bool:
    """Whether a model failed because its input is read-only."""
    return "read-only" in str(error)


@dataclass(frozen=True)
class Predictor:
    """A model as a function from rows to a matrix of outputs; `require` gives what else it can do."""

    function: Callable[[Any], Any]  # from a batch of rows to an array (n,) or (n, n_outputs)
    name: str = "model"  # in reports and messages
    task: Task | None = None
    response: str = "callable"  # or the method that predicts
    classes: tuple[Any, ...] | None = None  # in the order of the outputs
    output_names: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None  # that the model was fitted on; None for an array, or if unknown
    wants_array: bool = False  # whether frames are converted, since the model was fitted on an array
    copies: bool = False  # whether each table is copied, since the model modifies its input
    batch_size: int | None = None  # most rows in a call; None for no bound
    exclusive: bool | None = None  # whether outputs of a row sum to 1, False for independent labels
    sparse: Callable[[Any], Any] | None = None  # class of sparse rows that the model gets; None for arrays

    @property
    def params(self) -> dict[str, Any]:
        """Settings of the wrapped model that predictions depend on; empty where there are none."""
        return self.function.prediction_params() if isinstance(self.function, Configured) else {}

    def supports(self, capability: type) -> bool:
        """Whether the model can do more than predict: be a `MaskComposer`, or `Differentiable`."""
        return isinstance(self.function, capability)

    def require(self, capability: type[Capability], by: str, *, instead: str = "") -> Capability:
        """The model as one with a capability; DataError names who needs it, and what works `instead`."""
        if isinstance(self.function, capability):
            return self.function
        need, remedy = NEEDS[capability]
        raise DataError(f"{by} needs {need}, and the model is {self.name}. {remedy} {instead}".rstrip())

    def predict(self, X: Any) -> Floats:
        """Checked outputs (n_rows, n_outputs) of a table or of images (n_rows, ...)."""
        X = _as_images(X) if getattr(X, "ndim", 2) > 2 else X
        table = X if isinstance(X, np.ndarray) and X.ndim > 2 else as_table(X)
        # A copy: a tensor made of a read-only array, or of a frame's column, can still be written to.
        return replace(self, copies=True).predict_batch(table).copy()

    def predict_batch(self, table: Any) -> Floats:
        """Outputs (n_rows, n_outputs) of a checked table; they may share memory with the model."""
        return self.checked(self.call(table), table.shape[0])

    def call(self, table: Any) -> Any:
        """What the model returns for a checked table, as it is."""
        table, size = copy_table(table) if self.copies else table, self.batch_size
        if size is None or table.shape[0] <= size:
            return finished(self.function(self.present(table)), self.name)
        starts = range(0, table.shape[0], size)
        parts = (take_rows(table, slice(start, start + size)) for start in starts)
        return join_outputs(finished(self.function(self.present(part)), self.name) for part in parts)

    def predict_masked(
        self, x: Any, masks: Bools | SoftMaskBatch, fill: Any, segments: Codes | None = None
    ) -> Floats:
        """Outputs (n_rows, n_masks, n_fill, n_outputs) of a `MaskComposer`."""
        composer = self.require(MaskComposer, "predict_masked")
        shape = (x.shape[0], len(masks), fill.shape[1])
        segments = None if segments is None else segments.copy()  # the model may write to its inputs
        outputs = composer.predict_masked(x.copy(), deepcopy(masks), fill.copy(), segments)
        outputs = np.asarray(finished(outputs, self.name))
        if outputs.shape[:3] != shape or outputs.ndim > 4:
            raise ModelOutputError(
                f"The model {self.name} returned an array of shape {outputs.shape} for {shape[0]} rows under "
                f"{shape[1]} masks with {shape[2]} fill rows; {shape} or ({shape[0]}, {shape[1]}, "
                f"{shape[2]}, n_outputs) is needed."
            )
        n_rows = int(np.prod(shape))
        return self.checked(outputs.reshape(n_rows, *outputs.shape[3:]), n_rows).reshape(*shape, -1)

    def trial(self, table: Any, others: Any = None) -> tuple[Predictor, Floats, int]:
        """The predictor as a trial shows it, outputs (n_rows, n_outputs) of a small table, and model rows.

        `others` are rows that show whether rows are independent where the table has a single one.
        """
        with NamedFailure(self.name, table.shape[0], "trial rows"):
            return try_model(self, table, others)

    def present(self, X: Any) -> Any:
        """A table as the model was fitted on one: its own columns in its order, an array, or sparse rows."""
        if self.sparse is not None:
            return X if is_sparse(X) else self.sparse(X)
        X = X.toarray() if is_sparse(X) else X
        if self.columns is not None:
            if is_frame(X):
                return select(X, match_columns(self.columns, column_names(X), self.name))
            n_columns = 1 if X.ndim == 1 else X.shape[1]
            if n_columns != len(self.columns):
                raise DataError(
                    f"X has {n_columns} columns, but the model {self.name} was fitted on "
                    f"{len(self.columns)}: {', '.join(self.columns)}."
                )
            return pd.DataFrame(X, columns=list(self.columns)).infer_objects()
        return to_array(X) if self.wants_array and is_frame(X) else X

    def names(self, n_outputs: int) -> tuple[str, ...]:
        """Names of the outputs."""
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

    def checked(self, outputs: Any, n_rows: int) -> Floats:
        """What the model returned as outputs (n_rows, n_outputs); ModelOutputError if it is none."""
        if isinstance(outputs, list) and outputs and np.ndim(outputs[0]) == 2:
            raise ModelOutputError(
                f"The model {self.name} returned a list of {len(outputs)} arrays, one for each target. "
                "Explain one target: pass lambda X: model.predict_proba(X)[0]."
            )
        if self.response == "predict" and self.task == "classification":
            outputs = as_indicators(outputs, self.classes, self.name)
        raw = as_numbers(outputs, self.name)
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
            what = "masked values" if np.ma.is_masked(outputs) else "NaN or infinity"
            raise ModelOutputError(
                f"The model {self.name} returned {what} for {bad.size} of {n_rows} rows, the first "
                f"of them row {bad[0]}. Check the model on these rows, or leave them out."
            )
        return values
