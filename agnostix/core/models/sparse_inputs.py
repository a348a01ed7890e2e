"""Whether a model takes sparse rows as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agnostix.core.models.outputs import differ
from agnostix.core.models.predictor import Predictor
from agnostix.exceptions import DataError


def for_sparse(predictor: Predictor, rows: Any) -> Predictor:
    """The predictor with sparse rows handed over as they are, if the model takes these; else as arrays.

    DataError for a function that predicts something else of sparse rows than of the same as an array.
    """
    if predictor.columns is not None:
        return predictor
    taking = replace(predictor, sparse=type(rows), copies=True)
    try:
        outputs = taking.predict_batch(rows)
    except Exception:  # whatever a model raises that takes arrays alone
        return predictor
    try:
        others = replace(predictor, copies=True).predict_batch(rows)
    except Exception:
        others = outputs
    if predictor.response == "callable" and differ(outputs, others, 0.0).any():
        raise DataError(
            f"The model {predictor.name} predicts something else of sparse rows ({type(rows).__name__}) than "
            "of the same rows as an array. Pass X.toarray(), or a function that makes of its rows what "
            "the model takes: lambda X: model(scipy.sparse.csr_array(X))."
        )
    return replace(predictor, sparse=type(rows))
