"""Trial of a model on a few rows: what its outputs are, and whether they depend on more than the row."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.frames import copy_table, same_table, take_rows
from agnostix.core.models.outputs import (
    between_zero_and_one,
    check_labels,
    check_neighbors,
    differ,
    precision_of,
    sum_to_one,
    warn_of_chance,
)
from agnostix.core.typing import Floats

if TYPE_CHECKING:
    from agnostix.core.models.predictor import Predictor


def try_model(predictor: Predictor, table: Any, others: Any) -> tuple[Predictor, Floats, int]:
    """What is known of a predictor after it predicted a table twice, outputs, and model rows."""
    given = copy_table(table)
    raw = predictor.call(given)
    outputs = np.array(predictor.checked(raw, table.shape[0]))
    n_model_rows = len(outputs) + _try_again(predictor, table, outputs)
    known = outputs
    if len(outputs) == 1 and others is not None and others.shape[0] > 1:
        more, n_more = _try_others(predictor, others)
        n_model_rows += n_more
        known = np.concatenate([outputs, more]) if more.shape[1] == outputs.shape[1] else outputs
    exclusive = _is_exclusive(predictor, known, precision_of(raw))
    tried = predictor if exclusive is predictor.exclusive else replace(predictor, exclusive=exclusive)
    if predictor.copies or same_table(given, table):
        return tried, outputs, n_model_rows
    warnings.warn(
        f"The model {predictor.name} changes the table it is given. It gets a copy each time, which costs "
        "time and memory.",
        UserWarning,
        stacklevel=3,
    )
    return replace(tried, copies=True), outputs, n_model_rows


def _try_again(predictor: Predictor, table: Any, outputs: Floats) -> int:
    """Predict rows once more, from the last to the first in two batches, and check both; model rows.

    ModelOutputError, or a warning, where outputs (n_rows, n_outputs) are labels, or depend on chance or on
    the rows beside them.
    """
    order = np.arange(len(outputs))[::-1]
    parts = [part for part in (order[: len(order) // 2], order[len(order) // 2 :]) if part.size]
    again = []
    for part in parts:
        raw = predictor.call(copy_table(take_rows(table, part)))
        # Copied, since the model may write its next predictions into the same array.
        again.append(np.array(predictor.checked(raw, len(part))))
    precision, are_integers = precision_of(raw), str(getattr(raw, "dtype", "")).startswith(("int", "uint"))
    check_labels(outputs, are_integers, predictor.task, predictor.name)
    is_like = all(part.shape[1] == outputs.shape[1] for part in again)
    backward = np.concatenate(again)[::-1] if is_like else again[0]
    apart = differ(outputs, backward, precision)
    if not apart.any():
        return len(outputs)
    repeated = predictor.predict_batch(copy_table(take_rows(table, parts[-1])))
    if len(outputs) == 1 or not is_like or differ(again[-1], repeated, precision).any():
        warn_of_chance(outputs, backward, predictor.name)
    else:
        check_neighbors(outputs, backward, np.flatnonzero(apart), predictor.name)
    return len(outputs) + len(parts[-1])


def _try_others(predictor: Predictor, others: Any) -> tuple[Floats, int]:
    """Predictions (n_rows, n_outputs) of rows that the model need not be able to predict; model rows."""
    try:
        outputs = np.array(predictor.predict_batch(copy_table(others)))
    except Exception:  # which names the rows where they are explained
        return np.empty((0, 0)), int(others.shape[0])
    return outputs, len(outputs) + _try_again(predictor, others, outputs)


def _is_exclusive(predictor: Predictor, outputs: Floats, precision: float) -> bool | None:
    """Whether the outputs of a classifier are those of classes that exclude each other; None for scores."""
    if predictor.task != "classification" or predictor.exclusive is False or outputs.shape[1] == 1:
        return predictor.exclusive
    if sum_to_one(outputs, precision):
        return True
    are_scores = predictor.response == "decision_function" or not between_zero_and_one(outputs)
    return None if are_scores else False
