"""Fitting of an explainer on a model double, its results as arrays, and the assertions of the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from agnostix.core.frames import column_names, columns, kind_of, to_floats
from agnostix.core.models import Differentiable
from agnostix.core.typing import Floats
from agnostix.testing.image_model import ImageModel
from agnostix.testing.tables import numbers

Arrays = dict[str, np.ndarray]


def explains_population(explainer: Any) -> bool:
    """Whether an explainer is about the population it is fitted on, and not about single rows."""
    return hasattr(explainer, "what_if")


def takes_tables(explainer: Any) -> bool:
    """Whether an explainer gets tables, by its tags, or images, whose doubles have gradients."""
    needs_gradients = Differentiable in getattr(explainer, "_requires", ())
    return bool(get_tags(explainer).input_tags.two_d_array) and not needs_gradients


def _compares_operations(explainer: Any) -> bool:
    """Whether an explainer compares operations of a row with those of another, beyond their gradients."""
    return bool(getattr(explainer, "_compares_operations", False))


def make_rows(explainer: Any, n_rows: int = 24, n_columns: int = 4) -> Floats:
    """Numbers as a table (n_rows, n_columns), or as images (n_rows, 2, n_columns / 2)."""
    X = numbers(n_rows, n_columns)
    return X if takes_tables(explainer) else X.reshape(n_rows, 2, -1)


def clone_with_model(explainer: Any, model: Any, **params: Any) -> Any:
    """A clone with another model, a seed, and those of the parameters that the explainer has."""
    own = clone(explainer)
    known = own.get_params(deep=False)
    if known.get("random_state", 0) is None:
        params = {"random_state": 0} | params
    model = model if takes_tables(explainer) else ImageModel(model, _compares_operations(explainer))
    return own.set_params(model=model, **{name: params[name] for name in params if name in known})


def fit_clone(explainer: Any, model: Any, X: Any, sample_weight: Any = None, **params: Any) -> Any:
    """A fitted clone; the weights (n_rows,) are left out where `fit` takes none."""
    own = clone_with_model(explainer, model, **params)
    weighted = sample_weight is not None and has_fit_parameter(own, "sample_weight")
    return own.fit(X, **({"sample_weight": sample_weight} if weighted else {}))


def set_n_jobs(fitted: Any, n_jobs: int) -> None:
    """Set `n_jobs` where the explainer has it."""
    if "n_jobs" in fitted.get_params(deep=False):
        fitted.set_params(n_jobs=n_jobs)


def results(fitted: Any, X: Any) -> Arrays:
    """All results as arrays: of the rows X, or of the population X that the explainer was fitted on."""
    if explains_population(fitted):
        return _population_arrays(fitted, X)
    return explanation_arrays(fitted.explain(X))


def explanation_arrays(exp: Any) -> Arrays:
    """The arrays of an Explanation by name, extras and fidelity included."""
    arrays = {name: getattr(exp, name) for name in ("values", "std_errors", "base_values", "outputs")}
    arrays |= {f"extras[{name!r}]": value for name, value in exp.extras.items()}
    arrays |= {f"fidelity[{name!r}]": value for name, value in (exp.fidelity or {}).items()}
    return {name: np.asarray(value) for name, value in arrays.items() if value is not None}


def _population_arrays(fitted: Any, X: Any) -> Arrays:
    """The curves of an explainer of populations, or its maps of pictures, and one scenario."""
    if not takes_tables(fitted):
        return _picture_arrays(fitted)
    arrays = _frame_arrays("curves", fitted.explain().frame)
    constraint = feasible_constraint(X)
    if constraint:
        scenario = fitted.what_if(constraint)
        arrays["weights"] = np.asarray(scenario.weights)
        for name in ("conditions", "outcomes", "shifts"):
            arrays |= _frame_arrays(name, getattr(scenario, name))
    return arrays


def _picture_arrays(fitted: Any) -> Arrays:
    """The maps of an explainer of sets of pictures, and those of one scenario."""
    effects = fitted.explain()
    arrays = {f"effects.{name}": getattr(effects, name) for name in effects.axes}
    outputs = np.sort(fitted.predictions_.values[:, -1])  # the same mean to the bit in any order
    if np.ptp(outputs) > 0:
        target = float(0.8 * outputs.mean() + 0.2 * outputs[-1])
        shifts = fitted.what_if(prediction={fitted.predictions_.output_names[-1]: target})
        arrays |= {f"shifts.{name}": getattr(shifts, name) for name in shifts.axes if name != "weights"}
        arrays["weights"] = shifts.weights[0, 1]
    return arrays


def population_frame(fitted: Any) -> pd.DataFrame:
    """All values of an explainer of populations, with std_error, low, high and status."""
    result = fitted.explain()
    return result.frame if takes_tables(fitted) else result.to_frame()


def _frame_arrays(name: str, frame: pd.DataFrame) -> Arrays:
    return {f"{name}.{column}": frame[column].to_numpy() for column in frame.columns}


def feasible_constraint(X: Any) -> dict[str, float]:
    """A mean of the first numeric column that varies which a reweighting reaches; {} without one."""
    for name, series in zip(column_names(X), columns(X).values(), strict=True):
        if kind_of(series) == "numeric":
            values = to_floats(series)
            if np.ptp(values) > 0:
                # Sorted, so that the mean is the same to the bit in any order of the rows.
                return {name: float(0.8 * np.sort(values).mean() + 0.2 * values.max())}
    return {}


def assert_identical(actual: Mapping[str, Any], expected: Mapping[str, Any], case: str) -> None:
    """Fail unless two sets of arrays are equal to the last bit; `case` opens the message."""
    assert actual.keys() == expected.keys(), f"{case}: expected {sorted(expected)}, got {sorted(actual)}"
    for name, value in expected.items():
        one, other = np.asarray(actual[name]), np.asarray(value)
        assert one.shape == other.shape, f"{case}: {name} has shape {one.shape}, expected {other.shape}"
        assert _are_equal(one, other), f"{case}: {name} differs{_largest_difference(one, other)}"


def _are_equal(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind in "fc" and other.dtype.kind in "fc":
        return np.array_equal(one, other, equal_nan=True)
    return all(a is b or a == b or (a != a and b != b) for a, b in zip(one.flat, other.flat, strict=True))


def _largest_difference(one: np.ndarray, other: np.ndarray) -> str:
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return ""
    return f" by up to {np.nanmax(np.abs(one - other)):.3g}"


@contextmanager
def assert_raises(case: str, *words: str, kinds: Any = ValueError) -> Iterator[None]:
    """Fail unless one of the kinds of error is raised with all the words in its message."""
    try:
        yield
    except kinds as error:
        missing = [word for word in words if word not in str(error)]
        if missing:
            raise AssertionError(
                f"{case}: the error message does not state {', '.join(missing)}: {error}"
            ) from error
        return
    except Exception as error:
        names = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise AssertionError(f"{case}: expected {names}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"{case}: no error was raised")
