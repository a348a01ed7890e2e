"""Explanations that can be compared: of the same rows, model and output, with values of the same units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from agnostix.core.explanation import Detail, Explanation
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.read import BY_SIZE, UNSIGNED, ExplainedRows, check_explanation, read_explanation
from agnostix.metrics.remembered import RememberingPredictor
from agnostix.metrics.units import kind_of


@dataclass(frozen=True)
class Explained:
    """An explanation, what made it and how long that took; neither is known of one that was given."""

    name: str
    explanation: Explanation
    explainer: Any = None
    seconds: float = float("nan")


@dataclass(frozen=True)
class ComparedExplanations:
    """Explanations of the same rows, output and units, with their values."""

    kind: str  # of units: "column", "pixel", "segment" or "word"
    parts: tuple[Explained, ...]
    values: tuple[Floats, ...]  # (n_rows, n_units) of each, NaN where a row has fewer
    n_model_rows: int
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the explanations, in their order."""
        return tuple(one.name for one in self.parts)

    @property
    def are_signed(self) -> list[bool]:
        """Whether the values of each have a sign that means something."""
        return [one.explanation.quantity not in UNSIGNED for one in self.parts]


def explain_all(X: Any, explainers: Mapping[str, Any], outputs: Any, by: str) -> tuple[Explained, ...]:
    """Explain rows by each of the fitted explainers, once; explanations are taken as they are."""
    if not isinstance(explainers, Mapping) or len(explainers) < 2:
        got = f"{len(explainers)} entries" if isinstance(explainers, Mapping) else type(explainers).__name__
        raise DataError(
            f"The 'explainers' of {by} must be a dict of at least two fitted explainers or explanations by "
            f"their names, got {got}."
        )
    return tuple(explain_one(X, str(name), one, outputs, by) for name, one in explainers.items())


def explain_one(X: Any, name: str, explainer: Any, outputs: Any, by: str) -> Explained:
    """Explain rows and take the time, unless there is an explanation already."""
    if isinstance(explainer, Explanation):
        return Explained(name, explainer)
    if not callable(getattr(explainer, "explain", None)):
        raise DataError(
            f"{name!r} in {by} must be a fitted explainer or an Explanation, got {type(explainer).__name__}."
        )
    try:
        check_is_fitted(explainer)
    except NotFittedError:
        raise DataError(
            f"{name!r} in {by} is not fitted: {type(explainer).__name__}. Call its fit(X_train) first."
        ) from None
    start = perf_counter()
    explanation = explainer.explain(X) if outputs is None else explainer.explain(X, outputs=outputs)
    seconds = perf_counter() - start
    check_explanation(explanation, f"{name!r} in {by}")
    return Explained(name, explanation, explainer, seconds)


def choose_masker(parts: tuple[Explained, ...]) -> tuple[Any, tuple[str, ...]]:
    """What hides columns or words where nothing was given: what the first explainer hides them behind."""
    kind = kind_of(parts[0].explanation)
    if kind in ("pixel", "segment"):
        return None, ()
    for one in parts:
        masker = getattr(one.explainer, "_masker", None)
        if masker is not None:
            return masker, (f"What is hidden is replaced as {one.name} does it, since no masker was given.",)
    return None, ()


def compare_explanations(
    predictor: RememberingPredictor,
    X: Any,
    parts: tuple[Explained, ...],
    *,
    masker: Any,
    fill: Any,
    outputs: Any,
    by: str,
    n_jobs: int | None,
    verbose: Any,
) -> ComparedExplanations:
    """Read all against rows and model, in the same units; DataError says which cannot be compared and why."""
    for one in parts:
        check_explanation(one.explanation, f"{one.name!r} in {by}")
    parts, notes = in_common_units(parts, by)
    options = {"masker": masker, "fill": fill, "outputs": outputs, "n_jobs": n_jobs, "verbose": verbose}
    read = [
        read_explanation(predictor, X, one.explanation, by=f"{one.name!r} in {by}", **options)
        for one in parts
    ]
    _check_outputs(parts, read, by)
    for one, explained in zip(parts, read, strict=True):
        if one.explanation.quantity in BY_SIZE:
            notes += (f"{one.name}: {BY_SIZE[one.explanation.quantity]}.",)
        notes += tuple(f"{one.name}: {note}" for note in explained.notes if note.startswith("Whether"))
    values = tuple(np.where(explained.units.present, explained.values[..., 0], np.nan) for explained in read)
    n_model_rows = sum(explained.n_model_rows for explained in read)
    return ComparedExplanations(read[0].units.kind, parts, values, n_model_rows, notes)


def _check_outputs(parts: tuple[Explained, ...], read: list[ExplainedRows], by: str) -> None:
    """DataError unless all are of one output in each row, the same one."""
    first = read[0]
    if first.n_selected > 1:
        names = ", ".join(first.output_names[:8])
        raise DataError(
            f"{by} compares explanations of one output at a time, and {first.n_selected} are chosen: "
            f"{names}. Choose one, or 'predicted'."
        )
    for one, explained in zip(parts[1:], read[1:], strict=True):
        apart = np.flatnonzero((explained.outputs != first.outputs).any(axis=1))
        if apart.size:
            row = apart[0]
            known = first.predictor.names(first.predictions.shape[1])
            own, others = (known[each.outputs[row, 0]] for each in (explained, first))
            raise DataError(
                f"{by} needs explanations of the same output: for row {row}, {one.name!r} is of {own!r} and "
                f"{parts[0].name!r} of {others!r}. Choose outputs, or explain all with the same."
            )


def in_common_units(parts: tuple[Explained, ...], by: str) -> tuple[tuple[Explained, ...], tuple[str, ...]]:
    """Explanations of the same units: segments are painted where units differ; DataError where none fit."""
    kinds = {one.name: kind_of(one.explanation) for one in parts}
    found = set(kinds.values())
    if found == {"pixel", "segment"} or (found == {"segment"} and not _have_equal_segments(parts)):
        painted = [name for name, kind in kinds.items() if kind == "segment"]
        parts = tuple(_painted(one) if kinds[one.name] == "segment" else one for one in parts)
        verb = "have" if len(painted) > 1 else "has"
        notes: tuple[str, ...] = (f"{' and '.join(painted)} {verb} one value for all pixels of a segment.",)
        return _of_same_shape(parts, by), notes
    if len(found) > 1:
        listed = ", ".join(f"{name!r} of {kind}s" for name, kind in kinds.items())
        raise DataError(
            f"{by} needs explanations of the same units, got {listed}. Explain the same features."
        )
    return _of_same_shape(parts, by), ()


def _of_same_shape(parts: tuple[Explained, ...], by: str) -> tuple[Explained, ...]:
    """The same; DataError where features, words or pixels are others than those of the first."""
    first = parts[0]
    for one in parts[1:]:
        if len(one.explanation) != len(first.explanation):
            raise DataError(
                f"{by} needs explanations of the same rows: {one.name!r} has {len(one.explanation)}, "
                f"{first.name!r} has {len(first.explanation)}."
            )
        own, others = (_units_of(each.explanation) for each in (one, first))
        if own != others:
            raise DataError(
                f"{by} needs explanations of the same units: {one.name!r} has {_listed(own)}, {first.name!r} "
                f"has {_listed(others)}. Fit all explainers with the same columns, feature_groups or masker."
            )
    return parts


def _units_of(explanation: Explanation) -> tuple[Any, ...]:
    """What names the units: sizes of maps, words of texts, or names of features."""
    if "y" in explanation.dims:
        return explanation.values.shape[1:3]
    words = explanation.extras.get("words")
    return tuple(np.ravel(words.array)) if isinstance(words, Detail) else explanation.feature_names


def _listed(units: tuple[Any, ...]) -> str:
    more = ", ..." if len(units) > 5 else ""
    return f"{len(units)} ({', '.join(map(str, units[:5]))}{more})"


def _have_equal_segments(parts: tuple[Explained, ...]) -> bool:
    labels = [one.explanation.extras["segments"].array for one in parts]
    return all(own.shape == labels[0].shape and bool((own == labels[0]).all()) for own in labels[1:])


def _painted(one: Explained) -> Explained:
    """An explanation of pixels, each with the value of its segment."""
    explanation = one.explanation
    labels = explanation.extras["segments"].array  # (n_rows, height, width)
    n_outputs = explanation.values.shape[-1]
    flat = np.take_along_axis(explanation.values, np.maximum(labels, 0).reshape(len(labels), -1, 1), axis=1)
    flat = np.where(labels.reshape(len(labels), -1, 1) < 0, np.nan, flat)  # of a segment that was left out
    known = {key: value for key, value in explanation.extras.items() if key == "predicted"}
    pixels = replace(
        explanation,
        values=flat.reshape(*labels.shape, n_outputs),
        dims=("row", "y", "x", "output"),
        std_errors=None,
        completeness=None,
        completeness_gap=None,
        feature_names=(),
        fidelity=None,
        extras=known,
    )
    return replace(one, explanation=pixels)
