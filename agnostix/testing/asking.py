"""How the checks ask an explainer of either kind, and how they compare and complain."""

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
from agnostix.core.typing import Floats
from agnostix.testing.doubles import ImageModel
from agnostix.testing.tables import numbers

Answers = dict[str, np.ndarray]


def is_population(explainer: Any) -> bool:
    """Tell an explainer of populations from one of rows.

    Parameters
    ----------
    explainer : BaseExplainer
        Any explainer.

    Returns
    -------
    bool
    """
    return hasattr(explainer, "what_if")


def takes_tables(explainer: Any) -> bool:
    """Whether an explainer takes tables, or images, as its tags say."""
    return bool(get_tags(explainer).input_tags.two_d_array)


def rows_for(explainer: Any, n_rows: int = 24, n_columns: int = 4) -> Floats:
    """Numbers (n_rows, n_columns) as a table, or as images (n_rows, 2, n_columns / 2), as it takes them."""
    X = numbers(n_rows, n_columns)
    return X if takes_tables(explainer) else X.reshape(n_rows, 2, -1)


def model_for(explainer: Any, model: Any) -> Any:
    """A model of tables, or the same as one of images."""
    return model if takes_tables(explainer) else ImageModel(model)


def with_model(explainer: Any, model: Any, **params: Any) -> Any:
    """Clone an explainer and give the clone another model, a seed, and what else is asked for.

    Parameters
    ----------
    explainer : BaseExplainer
        Not changed.
    model : object
        The clone's model, of tables; explainers of images get it as one of images.
    **params : dict
        Parameters; those that the explainer does not have are left out.

    Returns
    -------
    BaseExplainer
    """
    own = clone(explainer)
    known = own.get_params(deep=False)
    if known.get("random_state", 0) is None:
        params = {"random_state": 0} | params
    return own.set_params(
        model=model_for(explainer, model), **{name: params[name] for name in params if name in known}
    )


def fitted(explainer: Any, model: Any, X: Any, sample_weight: Any = None, **params: Any) -> Any:
    """Clone, set and fit.

    Parameters
    ----------
    explainer, model, **params : object
        As in `with_model`.
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        What it is fitted on.
    sample_weight : ndarray of shape (n_rows,), default=None
        Weights, for explainers that take them.

    Returns
    -------
    BaseExplainer
    """
    own = with_model(explainer, model, **params)
    weighted = sample_weight is not None and has_fit_parameter(own, "sample_weight")
    return own.fit(X, **({"sample_weight": sample_weight} if weighted else {}))


def answers(own: Any, X: Any) -> Answers:
    """All that a fitted explainer says, as arrays.

    Parameters
    ----------
    own : BaseExplainer
        Fitted.
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        Rows to be explained; of a population, the rows it was fitted on.

    Returns
    -------
    dict of str to ndarray
    """
    return _of_population(own, X) if is_population(own) else told(own.explain(X))


def told(exp: Any) -> Answers:
    """An explanation as arrays.

    Parameters
    ----------
    exp : Explanation
        What was explained.

    Returns
    -------
    dict of str to ndarray
    """
    own = {name: getattr(exp, name) for name in ("values", "std_errors", "base_values", "outputs")}
    more = {f"extras[{name!r}]": value for name, value in exp.extras.items()}
    more |= {f"fidelity[{name!r}]": value for name, value in (exp.fidelity or {}).items()}
    return {name: np.asarray(value) for name, value in (own | more).items() if value is not None}


def _of_population(own: Any, X: Any) -> Answers:
    out = _frame_columns("curves", own.explain().frame)
    target = reachable(X)
    if target:
        scenario = own.what_if(target)
        out["weights"] = np.asarray(scenario.weights)
        for name in ("conditions", "outcomes", "shifts"):
            out |= _frame_columns(name, getattr(scenario, name))
    return out


def _frame_columns(name: str, frame: pd.DataFrame) -> Answers:
    return {f"{name}.{column}": frame[column].to_numpy() for column in frame.columns}


def reachable(X: Any) -> dict[str, float]:
    """An average of the first column of numbers that a reweighting reaches.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_rows, n_columns)
        The population.

    Returns
    -------
    dict of str to float
        Constraints for ``what_if``; empty where no column of numbers varies.
    """
    for name, series in zip(column_names(X), columns(X).values(), strict=True):
        if kind_of(series) == "numeric":
            values = to_floats(series)
            if np.ptp(values) > 0:
                return {
                    name: float(0.8 * np.sort(values).mean() + 0.2 * values.max())
                }  # in any order of the rows
    return {}


def assert_same(found: Mapping[str, Any], expected: Mapping[str, Any], where: str) -> None:
    """Complain unless two answers are the same to the last bit.

    Parameters
    ----------
    found, expected : mapping of str to ndarray
        The answers.
    where : str
        What was changed between them, for the message.

    Raises
    ------
    AssertionError
        If they differ.
    """
    assert found.keys() == expected.keys(), f"{where}: {sorted(found)} where {sorted(expected)} is expected"
    for name, value in expected.items():
        one, other = np.asarray(found[name]), np.asarray(value)
        assert one.shape == other.shape, f"{where}: {name} has shape {one.shape} and not {other.shape}"
        assert _equal(one, other), f"{where}: {name} differs{_by_how_much(one, other)}"


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind in "fc" and other.dtype.kind in "fc":
        return np.array_equal(one, other, equal_nan=True)
    return all(a is b or a == b or (a != a and b != b) for a, b in zip(one.flat, other.flat, strict=True))


def _by_how_much(one: np.ndarray, other: np.ndarray) -> str:
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return ""
    return f" by up to {np.nanmax(np.abs(one - other)):.3g}"


@contextmanager
def refused(where: str, *words: str, kinds: Any = ValueError) -> Iterator[None]:
    """Complain unless an error is raised whose message has all the words.

    Parameters
    ----------
    where : str
        What ought to be refused, for the message.
    *words : str
        What the message must have in it.
    kinds : type or tuple of type, default=ValueError
        Of the error.

    Raises
    ------
    AssertionError
        If nothing is raised, or something else.
    """
    try:
        yield
    except kinds as error:
        lacking = [word for word in words if word not in str(error)]
        if lacking:
            raise AssertionError(f"{where}: the message lacks {', '.join(lacking)}: {error}") from error
        return
    except Exception as error:
        wanted = kinds if isinstance(kinds, tuple) else (kinds,)
        names = " or ".join(kind.__name__ for kind in wanted)
        raise AssertionError(
            f"{where}: a {names} is expected, not {type(error).__name__}: {error}"
        ) from error
    raise AssertionError(f"{where}: accepted without a word")
