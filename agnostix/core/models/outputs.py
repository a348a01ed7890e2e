"""What a model's outputs mean: labels as indicators, classes that exclude each other, independent rows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

from agnostix.core.frames import (
    column_names,
    copy_table,
    has_changeable_cells,
    is_frame,
    missing_as_nan,
    same_table,
    take_rows,
)
from agnostix.core.models.other_outputs import from_tensor, no_numbers
from agnostix.core.names import did_you_mean
from agnostix.core.typing import Bools, Floats, Numbers
from agnostix.exceptions import DataError, ModelOutputError

if TYPE_CHECKING:
    from agnostix.core.models.predictor import Predictor


RESPONSES = ("predict_proba", "decision_function", "score_samples", "predict")
"""Methods that a model may predict with."""
_SUM_TOLERANCE = 1e-4
"""How far from 1 the probabilities of a row may sum to, and how far outside 0 to 1 each may be."""
_HALF_ROUNDINGS = 2.0
"""Roundings of half precision that are allowed besides: sums of a softmax in it are off by up to 1.5."""
_DIGITS = (2, 3, 4)
"""Digits that published probabilities are rounded to, each by itself."""
_SAME, _SAME_IN_HALF = 1e-5, 0.03
"""By how much predictions of a row may differ, relative to the largest, in single and in half precision."""
_MOST_LABELS = 20
"""Distinct whole numbers up to which predictions are taken for labels."""


def kind_of_estimator(model: Any) -> str | None:
    """Whether a model is a "classifier", "regressor", "clusterer" or "outlier_detector"; None for others."""
    tests = {
        "classifier": is_classifier,
        "regressor": is_regressor,
        "clusterer": is_clusterer,
        "outlier_detector": is_outlier_detector,
    }
    for kind, test in tests.items():
        try:
            if test(model):
                return kind
        except (AttributeError, TypeError):  # an object without scikit-learn's tags
            break
    return "classifier" if hasattr(model, "predict_proba") or hasattr(model, "classes_") else None


def last_step(model: Any) -> Any:
    """The estimator at the end of a Pipeline, in a search or a FrozenEstimator."""
    while True:
        steps = getattr(model, "steps", None)
        frozen = model.estimator if type(model).__name__ == "FrozenEstimator" else None
        inner = steps[-1][1] if steps else getattr(model, "best_estimator_", frozen)
        if inner is None or isinstance(inner, str):
            return model
        model = inner


def labels_of(model: Any, kind: str | None) -> tuple[Any, ...] | None:
    """Labels that an estimator predicts; None if unknown, or of several targets."""
    if kind == "outlier_detector":
        return (-1, 1)
    if kind == "clusterer":
        inner = last_step(model)
        seen = {int(label) for label in np.unique(getattr(inner, "labels_", ())) if label >= 0}
        return tuple(sorted(seen | set(range(len(getattr(inner, "cluster_centers_", ())))))) or None
    classes = getattr(model, "classes_", None) if kind == "classifier" else None
    if classes is None or isinstance(classes, list):  # a list: several targets
        return None
    return tuple(getattr(label, "item", lambda label=label: label)() for label in classes)


def single_class(predictor: Predictor) -> DataError:
    """The error for a classifier that was fitted on rows of one class, whose predictions are constant."""
    label = (predictor.classes or ("?",))[0]
    return DataError(
        f"The model {predictor.name} knows a single class, {label!r}, and predicts it for every row. Fit it "
        "on rows of at least two classes."
    )


def varying_outputs(name: str, shape: tuple[int, ...], other: tuple[int, ...]) -> ModelOutputError:
    """The error for a model whose number of outputs depends on the rows: two shapes of its predictions."""
    return ModelOutputError(
        f"The model {name} returned {shape[1]} outputs for each of {shape[0]} rows, and {other[1]} where it "
        f"was called for {other[0]} of them. Return as many for any rows, such as one for each class."
    )


def has_independent_labels(model: Any) -> bool:
    """Whether a row can have several of a classifier's labels, as far as it says."""
    inner = last_step(model)
    return bool(getattr(inner, "multilabel_", False)) or isinstance(getattr(inner, "classes_", None), list)


def as_indicators(labels: Any, classes: Sequence[Any] | None, name: str) -> Floats:
    """An indicator of each class (n_rows, n_classes) from labels (n_rows,) or (n_rows, 1); or as they are."""
    given = np.asarray(labels)
    column = given.reshape(-1) if given.ndim == 2 and given.shape[1] == 1 else given
    if column.ndim == 2 and column.dtype.kind in "biuf" and np.isin(column, (0, 1)).all():
        return column.astype(float)  # of independent labels
    if column.ndim != 1 or classes is None:
        raise ModelOutputError(
            f"The model {name} predicts labels of several targets, in an array of shape {given.shape}. "
            "Explain one: lambda X: np.stack([model.predict(X)[:, 0] == label for label in labels], axis=1)."
        )
    indicators = np.stack([column == label for label in classes], axis=1)
    unknown = np.flatnonzero(~indicators.any(axis=1))
    if unknown.size:
        raise ModelOutputError(
            f"The model {name} predicted {column[unknown[0]]!r} for row {unknown[0]}, which is none of its "
            f"labels: {', '.join(repr(label) for label in classes)}."
        )
    return indicators.astype(float)


def as_numbers(outputs: Any, name: str) -> Floats:
    """What a model returned as an array of float64, of any shape; ModelOutputError if it is none."""
    if hasattr(outputs, "detach"):  # a tensor, of a type or from a place that numpy may not know
        outputs = outputs.detach().cpu()
        outputs = outputs.double() if outputs.is_floating_point() else outputs
    try:
        raw = np.asarray(missing_as_nan(outputs) if isinstance(outputs, np.ma.MaskedArray) else outputs)
        if raw.dtype == object and not any(isinstance(value, str) for value in raw.ravel()):
            raw = raw.astype(float)
    except (TypeError, ValueError, OverflowError):
        raw = None
    if raw is None or raw.dtype.kind not in "biuf":
        raise ModelOutputError(f"The model {name} returned {no_numbers(outputs, raw)}")
    return raw.astype(float, copy=False)


def precision_of(outputs: Any) -> float:
    """Machine precision of a model's outputs as it returned them: arrays, tensors, lists."""
    text = str(getattr(outputs, "dtype", ""))
    if "bfloat16" in text:
        return 2.0**-8
    found = re.search(r"float(16|32)$", text)
    return {"16": 2.0**-11, "32": 2.0**-24}[found[1]] if found else float(np.finfo(float).eps)


def are_probabilities(outputs: Floats) -> bool:
    """Whether outputs (n_rows, n_outputs) are probabilities of classes that exclude each other."""
    if outputs.shape[1] < 2 or not between_zero_and_one(outputs):
        return False
    apart = float(np.abs(outputs.sum(axis=1) - 1.0).max(initial=0.0))
    # Rounding is read from the values: the type they have need not be the one that they were computed in.
    return apart <= _SUM_TOLERANCE or apart <= _SUM_TOLERANCE + _rounding_of_sums(outputs)


def between_zero_and_one(outputs: Floats) -> bool:
    """Whether all outputs could be probabilities, up to rounding."""
    return bool((outputs >= -_SUM_TOLERANCE).all() and (outputs <= 1.0 + _SUM_TOLERANCE).all())


def _rounding_of_sums(outputs: Floats) -> float:
    """How far off 1 rounding puts sums of probabilities (n_rows, n_outputs) in half precision or decimals."""
    # Half precision rounds relative to each probability, so that its part does not grow with their number.
    single = np.ascontiguousarray(outputs, dtype=np.float32)
    if (single == outputs).all() and not (single.view(np.uint32) & 0xFFFF).any():
        return _HALF_ROUNDINGS * 2.0**-8  # bfloat16, which may have come as single precision
    if (outputs.astype(np.float16) == outputs).all():
        return _HALF_ROUNDINGS * 2.0**-11
    for digits in _DIGITS:
        if np.allclose(outputs, outputs.round(digits), rtol=0.0, atol=1e-7):  # as single precision has them
            return min(0.5 * outputs.shape[1], 3.0) * 10.0**-digits  # of many, most errors cancel out
    return 0.0


def check_labels(outputs: Floats, integers: bool, task: str | None, name: str) -> None:
    """Refuse, or without a task warn of, one whole number a row that seems to be the code of a label."""
    if outputs.shape[1] != 1 or task == "regression" or not (outputs == np.rint(outputs)).all():
        return
    distinct = np.unique(outputs)
    if not 3 <= distinct.size <= min(_MOST_LABELS, len(outputs) // 2 if task is None else len(outputs)):
        return
    shown = ", ".join(f"{number:g}" for number in distinct[:6]) + (", ..." if distinct.size > 6 else "")
    indicators = "lambda X: np.stack([model(X) == label for label in labels], axis=1)"
    if task == "classification":
        raise ModelOutputError(
            f"The model {name} is a classifier and returned one whole number for each row ({shown}): labels, "
            f"which cannot be averaged. Pass one indicator for each label, {indicators}, or the "
            "probabilities."
        )
    if integers:
        warnings.warn(
            f"The model {name} returns whole numbers ({shown}), and they are explained as quantities. If "
            f"they are labels, pass one indicator for each, {indicators}; if they are quantities, "
            "as_predictor(model, task='regression') says so.",
            UserWarning,
            stacklevel=4,
        )


def join_outputs(batches: Iterable[Any]) -> Any:
    """What a model returned for batches, as one array; as it is where that is none."""
    parts = []
    for outputs in batches:
        if isinstance(outputs, list) and np.ndim(outputs[0]) == 2:  # one for each target, which is refused
            return outputs
        # Copied, since the model may write its next predictions into the same array.
        parts.append(from_tensor(outputs) if hasattr(outputs, "detach") else np.array(outputs))
    return np.concatenate(parts)


def warn_of_chance(first: Floats, again: Floats, name: str) -> None:
    """Warn that a model is random."""
    apart = np.abs(first - again).max() if first.shape == again.shape else np.inf
    warnings.warn(
        f"The model {name} is not deterministic: two predictions of the same rows differ by up to "
        f"{apart:.3g}. Explanations are not reproducible, and their standard errors leave this out.",
        UserWarning,
        stacklevel=4,
    )


def differ(one: Floats, other: Floats, precision: float) -> Bools:
    """Rows (n_rows,) whose predictions (n_rows, n_outputs) differ by more than rounding."""
    if one.shape != other.shape:
        return np.ones(len(one), dtype=bool)
    same = _SAME_IN_HALF if precision > _SAME else _SAME
    return (np.abs(one - other) > same * np.abs(one) + same * np.abs(one).max() * 0.1 + 1e-8).any(axis=1)


def check_neighbors(first: Floats, again: Floats, rows: Numbers, name: str) -> None:
    """Refuse predictions that come in an order of their own, and warn where they depend on other rows.

    `again` (n_rows, n_outputs) are predictions of the same rows in other batches; `rows` those that differ.
    """
    row = int(rows[0])
    seen = (
        f"trial row {row} got {_text(first[row])} among {len(first)} rows and {_text(again[row])} in another "
        "order and batch"
    )
    if np.allclose(np.sort(first, axis=0), np.sort(again, axis=0), rtol=_SAME):
        raise ModelOutputError(
            f"The model {name} does not return its predictions in the order of the rows: {seen}. A merge, "
            "group-by or sort inside it reorders them. Put them back into the order of X, for example with "
            "X.merge(table, how='left') in place of table.merge(X)."
        )
    warnings.warn(
        f"The prediction of the model {name} for a row depends on the rows beside it: {seen}. Explanations "
        "depend on how rows are put into batches. Use numbers from the training data, such as its mean and "
        "standard deviation, in place of those of the batch.",
        UserWarning,
        stacklevel=4,
    )


def _text(outputs: Floats) -> str:
    return f"{outputs[0]:.4g}" if outputs.size == 1 else np.array2string(outputs, precision=4, threshold=6)


def match_columns(own: Sequence[str], given: Sequence[str], name: str) -> list[str]:
    """A table's columns that the model was fitted on; LightGBM stores names with "_" for spaces."""
    if set(own) <= set(given):
        return list(own)
    underscored: dict[str, list[str]] = {}
    for column in given:
        underscored.setdefault(re.sub(r"\s", "_", column), []).append(column)
    matches = [[column] if column in given else underscored.get(column, []) for column in own]
    if all(len(match) == 1 for match in matches) and len({match[0] for match in matches}) == len(own):
        return [match[0] for match in matches]
    missing = [column for column, match in zip(own, matches, strict=True) if not match]
    missing = missing or [column for column in own if column not in given]
    raise DataError(
        f"X lacks {len(missing)} of the {len(own)} columns that the model {name} was "
        f"fitted on: {', '.join(missing)}. X has: {', '.join(given)}."
        f"{did_you_mean(missing[0], [column for column in given if column not in own])}"
    )


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
    seen: dict[str, Any] = {
        "exclusive": _is_exclusive(predictor, known),
        "output_names": _own_names(predictor, raw),
        "copies": predictor.copies or has_changeable_cells(table),  # which rows of a batch may share
    }
    is_known = all(getattr(predictor, name) == value for name, value in seen.items())
    tried = predictor if is_known else replace(predictor, **seen)
    if predictor.copies or same_table(given, table):
        return tried, outputs, n_model_rows
    warnings.warn(
        f"The model {predictor.name} changes the table it is given. It gets a copy each time, which costs "
        "time and memory.",
        UserWarning,
        stacklevel=3,
    )
    return replace(tried, copies=True), outputs, n_model_rows


def _own_names(predictor: Predictor, raw: Any) -> tuple[str, ...] | None:
    """Names of the outputs, where a function returns a frame those of its columns."""
    if predictor.output_names is not None or predictor.classes is not None or not is_frame(raw):
        return predictor.output_names
    names = tuple(column_names(raw))
    return names if len(set(names)) == len(names) else None


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
    widths = {len(part): part.shape[1] for part in again if part.shape[1] != outputs.shape[1]}
    if widths:
        n_rows, width = next(iter(widths.items()))
        raise varying_outputs(predictor.name, outputs.shape, (n_rows, width))
    backward = np.concatenate(again)[::-1]
    apart = differ(outputs, backward, precision)
    if not apart.any():
        return len(outputs)
    repeated = predictor.predict_batch(copy_table(take_rows(table, parts[-1])))
    if len(outputs) == 1 or differ(again[-1], repeated, precision).any():
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


def _is_exclusive(predictor: Predictor, outputs: Floats) -> bool | None:
    """Whether the outputs of a classifier are those of classes that exclude each other; None for scores."""
    if predictor.task != "classification" or predictor.exclusive is False or outputs.shape[1] == 1:
        return predictor.exclusive
    if are_probabilities(outputs):
        return True
    are_scores = predictor.response == "decision_function" or not between_zero_and_one(outputs)
    return None if are_scores else False
