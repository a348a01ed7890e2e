"""What models return in place of numbers, and how to make numbers of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import reprlib
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from agnostix.core.frames import columns, is_frame
from agnostix.exceptions import ModelOutputError

_FROM_DATES = (
    "lambda X: (pandas.to_datetime(model(X), utc=True) - pandas.Timestamp(0, tz='UTC')) "
    "/ pandas.Timedelta('1D')"
)
_FROM_LABELS = "lambda X: np.stack([model(X) == label for label in labels], axis=1)"
_OTHER_KINDS = {
    "m": ("durations", "lambda X: model(X) / np.timedelta64(1, 'D')"),
    "c": ("complex numbers", "lambda X: np.abs(model(X))"),
}
"""By numpy's kind: what it is, and numbers of it."""


def finished(outputs: Any, name: str) -> Any:
    """What a model returned, once it is there: futures waited for, lazy and sparse arrays as arrays."""
    if isinstance(outputs, np.ndarray):
        return outputs
    if sparse.issparse(outputs):
        return outputs.toarray()
    if inspect.iscoroutine(outputs) or asyncio.isfuture(outputs):
        if inspect.iscoroutine(outputs):
            outputs.close()
        raise ModelOutputError(
            f"The model {name} is asynchronous: it returned a {type(outputs).__name__}. Pass a function that "
            "waits for it: lambda X: asyncio.run(model(X)); where a loop runs already, as in notebooks, "
            "lambda X: pool.submit(asyncio.run, model(X)), with a ThreadPoolExecutor as the pool."
        )
    if isinstance(outputs, list | tuple) and outputs and _waits(outputs[0]) is not None:
        return [finished(one, name) for one in outputs]
    wait = _waits(outputs)
    return outputs if wait is None else finished(wait(), name)


def _waits(outputs: Any) -> Callable[[], Any] | None:
    """What gives the result of a future, or of dask; None for anything else."""
    if type(outputs).__module__.partition(".")[0] == "dask":
        return outputs.compute
    if not callable(getattr(outputs, "done", None)):
        return None
    waits = [getattr(outputs, method, None) for method in ("result", "wait")]  # the latter of torch
    return next((wait for wait in waits if callable(wait)), None)


def from_tensor(outputs: Any) -> Any:
    """A copy of a tensor as an array; numpy does not know bfloat16."""
    tensor = outputs.detach().cpu()
    return np.array((tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy())


def no_numbers(outputs: Any, raw: Any) -> str:
    """What was returned, as the end of a sentence, and what to do; `raw` is the array of it, if it is one."""
    if is_frame(outputs):
        return _from_frame(outputs)
    if isinstance(outputs, Mapping):
        key = next((key for key, value in outputs.items() if np.asarray(value).dtype.kind in "biuf"), None)
        return f"a {type(outputs).__name__}; an array of numbers is needed.{_choose(key, 'model(X)[{!r}]')}"
    first = _first_entry(outputs if raw is None else raw)
    shown = reprlib.repr(first)
    if isinstance(first, Mapping):
        key = next((key for key, value in first.items() if isinstance(value, Real)), None)
        choice = _choose(key, "[entry[{!r}] for entry in model(X)]")
        return f"a {type(first).__name__} for each row, the first {shown}; a number is needed.{choice}"
    if isinstance(first, dt.date | np.datetime64):
        return f"dates, the first {first}; numbers are needed. Pass days: {_FROM_DATES}."
    if raw is not None and raw.dtype.kind in _OTHER_KINDS:
        what, remedy = _OTHER_KINDS[raw.dtype.kind]
        return f"{what}, the first {shown}; numbers are needed. Pass {remedy}."
    if callable(first):
        return (
            f"functions, the first of type {type(first).__name__}; numbers are needed. Pass their values at "
            "some places: lambda X: np.array([function(places) for function in model(X)])."
        )
    if raw is not None or isinstance(first, str):
        kind = type(first).__name__ if raw is None or raw.dtype == object else raw.dtype
        return (
            f"values of type {kind}, for example {shown}; numbers are needed. Pass its predict_proba "
            f"instead of its predict, or an indicator for each label: {_FROM_LABELS}."
        )
    return (
        f"a {type(outputs).__name__} that is no array of numbers: its entries differ in length or type. "
        "Return as many numbers for each row."
    )


def _from_frame(frame: Any) -> str:
    """What a frame has in its columns beside numbers."""
    series = columns(frame)
    numbers = [name for name, column in series.items() if _holds_numbers(column)]
    other = next((name for name in series if name not in numbers), None)
    if other is None:
        return "a DataFrame without columns; one of numbers is needed."
    what = f"a DataFrame whose column {other!r} holds no numbers but {series[other].dtype}."
    return f"{what} Pass those of numbers: lambda X: model(X)[{numbers!r}]." if numbers else what


def _holds_numbers(series: Any) -> bool:
    if isinstance(series, pd.Series):
        return pd.api.types.is_numeric_dtype(series.dtype)
    return bool(series.dtype.is_numeric())


def _first_entry(outputs: Any) -> Any:
    """The first of the entries, where there are any."""
    flat = outputs.ravel() if isinstance(outputs, np.ndarray) else outputs
    return next(iter(flat), None) if hasattr(flat, "__iter__") else flat


def _choose(key: Any, how: str) -> str:
    return "" if key is None else f" Choose an entry: lambda X: {how.format(key)}."
