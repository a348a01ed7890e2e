"""Labels of the table's columns that a fitted model was trained on, as far as the model keeps them.

Columns are followed through pipelines, column transformers and ensembles to the encoders, which keep the
labels that they were fitted on. Boosted trees that take labels themselves keep them too (LightGBM, XGBoost),
or keep which columns hold labels (CatBoost).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agnostix.cli.booster_labels import booster_labels
from agnostix.cli.labels import Columns, Key, KnownLabels

_MOST_DEPTH = 12
_MOST_PARTS = 100


def known_labels(model: Any) -> dict[Key, KnownLabels]:
    """What a fitted model keeps of the labels of its columns, by name or position."""
    walk = _Walk()
    walk.visit(model, _names_of(model) or _numbered(model), 0)
    return walk.labels


class _Walk:
    """A walk through a fitted model and the estimators that it holds."""

    def __init__(self) -> None:
        self.labels: dict[Key, KnownLabels] = {}
        self._seen: set[tuple[int, Columns]] = set()

    def visit(self, part: Any, columns: Columns, depth: int) -> None:
        """Take in what a part of the model keeps, whose columns are these of the table."""
        key = (id(part), columns)
        if depth > _MOST_DEPTH or key in self._seen or not _is_estimator(part):
            return
        self._seen.add(key)
        columns = columns or _names_of(part)
        for column, labels in own_labels(part, columns):
            if column is not None:
                self.labels.setdefault(column, labels)
        for inner, given in _inner_parts(part, columns):
            self.visit(inner, given, depth + 1)


def own_labels(part: Any, columns: Columns) -> Iterator[tuple[Key | None, KnownLabels]]:
    """Columns and labels that one estimator keeps, without the estimators that it holds."""
    categories = getattr(part, "categories_", None)
    if columns is not None and isinstance(categories, list) and len(categories) == len(columns):
        yield from _without_empty(zip(columns, categories, strict=True))
    if columns is not None and len(columns) == 1 and hasattr(part, "vocabulary_"):  # a vectorizer of texts
        yield columns[0], KnownLabels()
    mapping = getattr(part, "mapping", None)
    if type(part).__module__.startswith("category_encoders") and mapping:
        yield from _encoder_mapping(part, mapping)
    yield from booster_labels(part, columns)


def _encoder_mapping(part: Any, mapping: Any) -> Iterator[tuple[Key | None, KnownLabels]]:
    """Labels of an encoder of category_encoders: those of its ordinal encoder, or of its own statistics."""
    if isinstance(mapping, list):
        pairs = [(one["col"], one["mapping"]) for one in mapping if "data_type" in one]
    else:
        pairs = [] if getattr(part, "ordinal_encoder", None) is not None else list(mapping.items())
    yield from _without_empty((str(name), table.index) for name, table in pairs)


def _without_empty(pairs: Iterable[tuple[Key | None, Any]]) -> Iterator[tuple[Key | None, KnownLabels]]:
    """Columns and labels, without columns all of whose values were missing."""
    known = ((column, KnownLabels.from_values(values)) for column, values in pairs)
    yield from ((column, labels) for column, labels in known if labels.labels)


def _inner_parts(part: Any, columns: Columns) -> Iterator[tuple[Any, Columns]]:
    """Fitted estimators inside another one, and the columns that each takes."""
    if hasattr(part, "transformers_") and hasattr(part, "output_indices_"):
        for _, inner, selected in _selected_columns(part, columns):
            yield inner, selected
    elif isinstance(getattr(part, "steps", None), list):
        for _, step in part.steps:
            yield step, columns
            columns = passed_columns(step, columns)
    else:
        for inner in _held(part):
            yield inner, _inherited(part, inner, columns)


def _held(part: Any) -> Iterator[Any]:
    """Estimators in the attributes of another one, in lists, tuples and dicts too."""
    for name, value in vars(part).items():
        if name == "final_estimator_":  # it takes predictions, not columns
            continue
        yield from _listed(value, 0)


def _listed(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        if depth < 3 and len(value) <= _MOST_PARTS:
            for one in value:
                yield from _listed(one, depth + 1)
    else:
        yield value


def _inherited(part: Any, inner: Any, columns: Columns) -> Columns:
    """Columns that an estimator takes from the one that holds it."""
    names = _names_of(inner)
    chosen = getattr(part, "estimators_features_", None)
    if chosen is not None and columns is not None:
        places = [places for one, places in zip(part.estimators_, chosen, strict=True) if one is inner]
        return tuple(columns[j] for j in places[0]) if places else None
    n_features = getattr(inner, "n_features_in_", None)
    if columns is not None and n_features in (None, len(columns)):
        return columns
    return names


def _selected_columns(part: Any, columns: Columns) -> Iterator[tuple[str, Any, Columns]]:
    """Name, transformer and columns of each part of a ColumnTransformer."""
    own = _names_of(part)
    n_columns = getattr(part, "n_features_in_", 0)
    columns = columns if columns is not None and len(columns) == n_columns else own
    positions = getattr(part, "_transformer_to_input_indices", {})
    for name, inner, _ in part.transformers_:
        chosen = positions.get(name)
        known = None if columns is None or chosen is None else tuple(columns[j] for j in chosen)
        yield name, inner, known


def passed_columns(step: Any, columns: Columns) -> Columns:
    """Columns of the table that a fitted transformer passes on with their values, None for the others."""
    from sklearn.feature_selection import SelectorMixin
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer

    if step is None or isinstance(step, str):
        return columns
    columns = columns or _names_of(step)
    if columns is None:
        return None
    if isinstance(getattr(step, "steps", None), list):
        for _, one in step.steps:
            columns = passed_columns(one, columns)
        return columns
    if hasattr(step, "transformers_") and hasattr(step, "output_indices_"):
        return _assembled(step, columns)
    if isinstance(step, FunctionTransformer) and step.func is None:
        return columns
    if isinstance(step, SelectorMixin | SimpleImputer):
        return _kept(step, columns)
    return None


def _kept(step: Any, columns: tuple[Key | None, ...]) -> Columns:
    """Columns that a selection or an imputation keeps, by the names that it gives them."""
    import numpy as np

    own = getattr(step, "feature_names_in_", None)
    names = np.array([f"column {j}" for j in range(len(columns))], dtype=object) if own is None else own
    if len(names) != len(columns):
        return None
    place = dict(zip(names, columns, strict=True))
    return tuple(place.get(name) for name in step.get_feature_names_out(names))


def _assembled(step: Any, columns: tuple[Key | None, ...]) -> Columns:
    """Columns of the output of a ColumnTransformer."""
    out: list[Key | None] = [None] * max((part.stop for part in step.output_indices_.values()), default=0)
    for name, inner, selected in _selected_columns(step, columns):
        place = step.output_indices_[name]
        passed = None if inner == "drop" or selected is None else passed_columns(inner, selected)
        if passed is not None and len(passed) == place.stop - place.start:
            out[place] = passed
    return tuple(out)


def _is_estimator(part: Any) -> bool:
    """Whether an object may hold an encoder."""
    if isinstance(part, type) or not hasattr(part, "__dict__"):
        return False
    package = type(part).__module__.partition(".")[0]
    return hasattr(part, "get_params") or package in ("sklearn", "lightgbm", "xgboost", "catboost")


def _names_of(part: Any) -> Columns:
    """Names of the columns that an estimator was fitted on."""
    names = getattr(part, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _numbered(part: Any) -> Columns:
    """Positions of the columns of an array."""
    n_features = getattr(part, "n_features_in_", None)
    return None if n_features is None else tuple(range(n_features))
