"""Parameter constraints of scikit-learn, which are not among its public names."""

from __future__ import annotations

from typing import Any

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    generate_invalid_param_val,
    make_constraint,
)

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "invalid_values",
]


def invalid_values(constraints: list[Any]) -> list[Any]:
    """Values of the right type that are not allowed, one for each parameter constraint that has any."""
    values = []
    for constraint in constraints:
        try:
            values.append(generate_invalid_param_val(make_constraint(constraint)))
        except NotImplementedError:  # a type, all of whose values are allowed
            continue
    return values
