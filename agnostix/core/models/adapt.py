"""Wraps models of any make as a Predictor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from agnostix.core.models.predictor import Predictor, Task

_RESPONSES = ("predict_proba", "decision_function", "predict")


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
        Classifiers predict with ``predict_proba``, regressors with ``predict``. A callable takes a
        batch of rows and returns an array of shape (n,) or (n, n_outputs). A callable that composes
        masked rows itself, for example on a GPU, also has a method ``predict_masked(x, masks, fill,
        segments)``: rows of shape (n_rows, ...), masks of shape (n_masks, n_segments), fill of shape
        (n_rows or 1, n_fill, ...), and the segment of each value, of shape (n_rows or 1, ...). It
        returns an array of shape (n_rows, n_masks, n_fill, n_outputs). For ``method="rise"`` the
        masks are an `agnostix.maskers.SoftMaskBatch` and segments is None: ``masks.to_array()`` has
        shape (n_masks, height, width), with values between 0 and 1, and
        ``masks.compose(x[0], fill[0, 0])`` gives the masked images. See
        `agnostix.core.models.capabilities.MaskComposer`.
    task : {"classification", "regression"}, default=None
        Needed only if the model does not say it, as a plain callable, and
        something depends on it, such as a metric.
    output_names : list of str, default=None
        Names of the outputs; by default the classes, "prediction", or
        "output_0", "output_1", ...
    output : {"predict_proba", "decision_function", "predict"}, int or str, default=None
        Method to predict with, if not the default. Of a torch module that
        returns a tuple or a dict, the entry; or a method of its own by one of
        these names.
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
        Of images for a torch module; "auto" is 0-255 for uint8, 0-1 for floats
        and bool, and an error for other integers.
    device : str, default="auto"
        Where a torch module runs, as torch names it; "auto" is where its
        parameters are. On another device a copy runs, made at the first prediction.
    precision : {"fp32", "bf16", "fp16"}, default="fp32"
        Of a torch module's inner arithmetic.
    compiled : bool, default=False
        Whether a torch module is compiled first.
    batch_size : int, default=None
        Rows per batch for a torch module; None chooses it from their shape.

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
        "batch_size": batch_size,
    }
    if _is_torch_module(model) and not (output in _RESPONSES and hasattr(model, output)):
        return _from_module(model, task, names, output, of_torch)
    _check_no_module_is_meant(model, of_torch)
    if output not in (None, *_RESPONSES):
        raise ValueError(
            f"The 'output' parameter of as_predictor must be one of {', '.join(_RESPONSES)} or None, "
            f"got {output!r}."
        )
    if isinstance(model, Predictor):
        if output not in (None, model.response):
            raise ValueError(
                f"The predictor calls {model.response!r} already; wrap the model itself instead."
            )
        if task is None and names is None:
            return model
        return replace(model, task=task or model.task, output_names=names or model.output_names)
    if hasattr(model, "predict") or (output is not None and hasattr(model, output)):
        return _from_estimator(model, task, names, output)
    owner = getattr(model, "__self__", None)
    method = getattr(model, "__name__", "")
    if owner is not None and hasattr(owner, "predict") and method in _RESPONSES:
        return _from_estimator(owner, task, names, output or method)
    if callable(model):
        name = method or type(model).__name__
        name = "function" if name == "<lambda>" else name
        return Predictor(model, name=name, task=task, output_names=names)
    raise TypeError(
        "The 'model' must be a fitted estimator, a Pipeline, or a callable from a batch of rows to outputs, "
        f"got {model!r}."
    )


def _from_module(
    module: Any, task: Task | None, names: tuple[str, ...] | None, output: Any, params: dict[str, Any]
) -> Predictor:
    from agnostix.core.models.torch_model import TorchModel

    if params["activation"] == "auto" and task == "regression":
        params = params | {"activation": "none"}
    model = TorchModel(module, output=output, **params)
    return Predictor(model, name=model.__name__, task=task, output_names=names)


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
    if not (hasattr(model, "fit") and hasattr(model, "get_params")):
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
    task = task or _task_of(model)
    response = output or ("predict_proba" if task == "classification" else "predict")
    if not hasattr(model, response):
        other = next(r for r in ("predict_proba", "decision_function", "predict") if hasattr(model, r))
        raise ValueError(
            f"The model {name} has no {response}. The nearest that works: "
            f"as_predictor(model, output={other!r})."
        )
    columns = getattr(model, "feature_names_in_", None)
    n_features = getattr(model, "n_features_in_", None)
    return Predictor(
        getattr(model, response),
        name=name,
        task=task,
        response=response,
        classes=_classes_of(model, response) if task == "classification" else None,
        output_names=names,
        columns=None if columns is None else tuple(str(column) for column in columns),
        wants_array=columns is None and n_features is not None,
    )


def _task_of(model: Any) -> Task | None:
    for test, task in ((is_classifier, "classification"), (is_regressor, "regression")):
        try:
            if test(model):
                return cast(Task, task)
        except (AttributeError, TypeError):  # an object without scikit-learn's tags
            break
    if hasattr(model, "predict_proba"):
        return "classification"
    return None


def _classes_of(model: Any, response: str) -> tuple[Any, ...] | None:
    classes = getattr(model, "classes_", None)
    if classes is None or response == "predict" or isinstance(classes, list):  # a list: several targets
        return None
    return tuple(getattr(label, "item", lambda label=label: label)() for label in classes)


def _name_of(model: Any) -> str:
    steps = getattr(model, "steps", None)
    if steps:
        return " > ".join(type(step).__name__ for _, step in steps if step not in (None, "passthrough"))
    inner = getattr(model, "estimator", None) if type(model).__name__ == "FrozenEstimator" else None
    return _name_of(inner) if inner is not None else type(model).__name__
