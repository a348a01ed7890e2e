"""What features are in one row: which of them there are, what they are called, what they lead to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.detail import expand
from agnostix.core.explanation.intervals import DEGREES_OF_FREEDOM
from agnostix.core.typing import Floats
from agnostix.plotting.attributions import ends_of, errors_of, largest_first


def said_in_row(explanation: Explanation, i: int) -> list[str | None]:
    """What the explanation says that each feature is in a row: a condition, or a word of a text.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.
    i : int
        Place of the row.

    Returns
    -------
    list of str or None
        By feature; None where nothing is said.
    """
    for name in ("conditions", "words"):
        told: Any = explanation.extras.get(name)
        if told is not None and told.dims == ("row", "feature"):
            return [str(one) or None for one in np.asarray(told)[i]]
    return [None] * len(explanation.feature_names)


def values_in_row(explanation: Explanation, i: int, k: int) -> Floats:
    """The values of a row.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.
    i, k : int
        Places of the row and of the output.

    Returns
    -------
    ndarray of shape (n_features,)
        NaN where a feature does not exist, or is none of those that a surrogate was held to.
    """
    values: Floats = np.array(explanation.values[i, :, k])
    selected: Any = explanation.extras.get("selected")
    if selected is not None:
        values[~np.asarray(selected)[i, :, k] & (values == 0.0)] = np.nan
    return values


def named_in_row(explanation: Explanation, i: int) -> Explanation:
    """The explanation with its output named as row i's own, where it is another for each row.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.
    i : int
        Place of the row.

    Returns
    -------
    Explanation
    """
    if "predicted" not in explanation.extras:
        return explanation
    return replace(explanation, output_names=(str(explanation.extras["predicted"].array[i]),))


def intervals_in_row(explanation: Explanation, i: int, k: int, confidence_level: float) -> pd.DataFrame:
    """The values of a row that there are, with their intervals, the largest first.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.
    i, k : int
        Places of the row and of the output.
    confidence_level : float
        Nominal coverage of each interval.

    Returns
    -------
    DataFrame
        Columns place (of the feature), value, std_error, low, high.
    """
    values, errors = values_in_row(explanation, i, k), errors_of(explanation, k)[i]
    places = largest_first(values[None])
    low, high = (ends[0, places, k] for ends in explanation[i].interval(confidence_level))
    known = {"value": values[places], "std_error": errors[places], "low": low, "high": high}
    return pd.DataFrame({"place": places, **known})


def surrogate_output(explanation: Explanation, i: int, k: int) -> float:
    """What a surrogate answers for its row.

    Parameters
    ----------
    explanation : Explanation
        Of a surrogate.
    i, k : int
        Places of the row and of the output.

    Returns
    -------
    float
        In explained units; the sum of its values where it is not told.
    """
    told = explanation.extras.get("surrogate_outputs")
    if told is not None:
        return float(told.array[i, k])
    return float(ends_of(explanation)[0][i, k] + np.nansum(explanation.values[i, :, k]))


def surrogate_error(explanation: Explanation, i: int, k: int) -> float:
    """Standard error of what a surrogate answers for its row.

    Parameters
    ----------
    explanation : Explanation
        Of a surrogate.
    i, k : int
        Places of the row and of the output.

    Returns
    -------
    float
        In explained units; NaN where it is not told.
    """
    told = explanation.extras.get("surrogate_std_errors")
    return float("nan") if told is None else float(told.array[i, k])


def surrogate_dof(explanation: Explanation, i: int, k: int) -> float:
    """Degrees of freedom of the standard errors of a surrogate's answer and R².

    Parameters
    ----------
    explanation : Explanation
        Of a surrogate.
    i, k : int
        Places of the row and of the output.

    Returns
    -------
    float
        Infinite where they are not told, or differ from feature to feature.
    """
    told = explanation.extras.get(DEGREES_OF_FREEDOM)
    if told is None or not set(told.dims) <= {"row", "output"}:
        return float("inf")
    return float(np.broadcast_to(expand(told, ("row", "output")), ends_of(explanation)[1].shape)[i, k])


def check_same_features(explanation: Explanation) -> None:
    """Refuse to put rows together whose features are not the same things.

    Parameters
    ----------
    explanation : Explanation
        Of any kind.

    Raises
    ------
    ValueError
        If features are words or segments, and differ from row to row.
    """
    for what, name, display in (
        ("words", "words", "TextDisplay"),
        ("segments", "segments", "SegmentsDisplay"),
    ):
        told: Any = explanation.extras.get(name)
        if told is not None and (np.asarray(told) != np.asarray(told)[:1]).any():
            raise ValueError(
                f"The features are {what}, and differ from row to row, so that rows cannot be put together: "
                f"draw one row, with {display}, or with row= where there is one."
            )
