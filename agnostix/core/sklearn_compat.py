"""The one place that reaches into scikit-learn beyond its public face."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from sklearn.tree._tree import Tree
from sklearn.utils import get_tags
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    generate_invalid_param_val,
    make_constraint,
)
from sklearn.utils.validation import validate_data

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "allows_nan",
    "invalid_values",
    "validate_data",
    "with_nodes",
]


def allows_nan(model: Any, *, if_unknown: bool) -> bool:
    """Whether a model takes missing values, by its tags, if it has any; no model does not mind them."""
    if model is None:
        return True
    owner = getattr(getattr(model, "function", model), "__self__", model)  # of a Predictor's function
    for _, step in getattr(owner, "steps", ()):  # a Pipeline's tags do not say that an imputer fills them
        if type(step).__module__.startswith("sklearn.impute"):
            return True
        if hasattr(step, "__sklearn_tags__") and not get_tags(step).input_tags.allow_nan:
            return False
    return bool(get_tags(owner).input_tags.allow_nan) if hasattr(owner, "__sklearn_tags__") else if_unknown


def with_nodes(estimator: Any, nodes: np.ndarray, values: np.ndarray, depth: int) -> Any:
    """A copy of a decision tree with other nodes (a Tree's state) and values (n_nodes, n_outputs)."""
    n_outputs = estimator.n_outputs_
    tree = Tree(estimator.n_features_in_, np.ones(n_outputs, dtype=np.intp), n_outputs)
    tree.__setstate__(
        {
            "max_depth": depth,
            "node_count": nodes.size,
            "nodes": nodes,
            "values": np.ascontiguousarray(values.reshape(nodes.size, n_outputs, 1)),
        }
    )
    other = copy(estimator)
    other.tree_ = tree
    return other


def invalid_values(constraints: list[Any]) -> list[Any]:
    """Values of the right type that are not allowed, one for each parameter constraint that has any."""
    values = []
    for constraint in constraints:
        try:
            values.append(generate_invalid_param_val(make_constraint(constraint)))
        except NotImplementedError:  # a type, all of whose values are allowed
            continue
    return values
