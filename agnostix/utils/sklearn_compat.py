"""The one place that reaches into scikit-learn beyond its public face."""

from __future__ import annotations

from typing import Any

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    generate_invalid_param_val,
    make_constraint,
)
from sklearn.utils.validation import validate_data

__all__ = ["HasMethods", "Interval", "InvalidParameterError", "StrOptions", "invalid_values", "validate_data"]


def invalid_values(constraints: list[Any]) -> list[Any]:
    """Values of the right type that are yet not allowed, one for each constraint that has any.

    Parameters
    ----------
    constraints : list
        An entry of an estimator's ``_parameter_constraints``.

    Returns
    -------
    list
    """
    found = []
    for constraint in constraints:
        try:
            found.append(generate_invalid_param_val(make_constraint(constraint)))
        except NotImplementedError:  # a type, all of whose values are allowed
            continue
    return found
