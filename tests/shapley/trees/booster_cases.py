"""Tables for XGBoost and LightGBM, and what is refused of their models."""

from __future__ import annotations

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder

from agnostix.core.features import Features
from agnostix.core.frames import column_names
from agnostix.core.models import as_predictor
from agnostix.core.trees import read_trees
from agnostix.exceptions import DataError
from tests.messages import refuses
from tests.shapley.trees.brute_force import numbers, people

X, Y, LABELS = numbers(missing=True)
HALF = len(X) // 2
SPARSE = make_column_transformer(
    (OneHotEncoder(sparse_output=True), ["k", "g"]), remainder="passthrough", sparse_threshold=1.0
)


def levels():
    """A table with categories, some of them missing."""
    table, y = people(missing=True)
    table = table.astype({"k": "category", "g": "category"})
    table.loc[::7, "k"] = np.nan
    return table, y


def refused(model, table, *facts):
    with refuses(DataError, *facts, "algorithm='kernel'"):
        read_trees(as_predictor(model), table, Features.from_names(column_names(table)))
