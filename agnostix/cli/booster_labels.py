"""Labels that boosted trees keep of columns which they take as categories: LightGBM, XGBoost, CatBoost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from agnostix.cli.labels import Columns, Key, KnownLabels


def booster_labels(part: Any, columns: Columns) -> Iterator[tuple[Key | None, KnownLabels]]:
    """Columns of a fitted booster that hold labels, and these where they are kept."""
    readers = {"lightgbm": _lightgbm, "xgboost": _xgboost, "catboost": _catboost}
    read = readers.get(type(part).__module__.partition(".")[0])
    if read is not None:
        yield from read(part, columns)


def _lightgbm(part: Any, columns: Columns) -> Iterator[tuple[Key | None, KnownLabels]]:
    """LightGBM keeps the labels of its columns of dtype category, in their order."""
    booster = getattr(part, "booster_", part)
    labels = getattr(booster, "pandas_categorical", None)
    if not labels:
        return
    places = _lightgbm_places(booster)
    # With a list of its own for categorical_feature, it does not keep which columns the labels are of.
    if len(places) == len(labels):
        names = _names(booster.feature_name(), columns)
        for place, known in zip(places, labels, strict=True):
            yield names[place], KnownLabels.from_values(known, as_category=True)


def _lightgbm_places(booster: Any) -> list[int]:
    places = booster.params.get("categorical_column")
    if places is None:
        match = re.search(r"^\[categorical_feature: ([\d,]+)\]", booster.model_to_string(), re.MULTILINE)
        places = match[1].split(",") if match else []
    return sorted(int(place) for place in places)


def _xgboost(part: Any, columns: Columns) -> Iterator[tuple[Key | None, KnownLabels]]:
    """XGBoost marks columns of categories, and keeps their labels since version 3.1."""
    if hasattr(part, "get_booster"):
        part = part.get_booster()
    types = getattr(part, "feature_types", None) or []
    if "c" not in types:
        return
    names = _names(part.feature_names or list(range(len(types))), columns)
    kept: dict[Any, Any] = {}
    if hasattr(part, "get_categories") and find_spec("pyarrow") is not None:
        kept = dict(part.get_categories(export_to_arrow=True).to_arrow())
    for j, (name, kind) in enumerate(zip(names, types, strict=True)):
        if kind == "c":
            labels = kept.get(part.feature_names[j] if part.feature_names else str(j))
            values = () if labels is None else labels.to_pylist()
            yield name, KnownLabels.from_values(values, as_category=True)


def _catboost(part: Any, columns: Columns) -> Iterator[tuple[Key | None, KnownLabels]]:
    """CatBoost keeps which columns hold labels, and of the labels only their hashes."""
    if not hasattr(part, "get_cat_feature_indices"):
        return
    names = _names(part.feature_names_, columns)
    yield from ((names[place], KnownLabels()) for place in part.get_cat_feature_indices())


def _names(own: Sequence[Any], columns: Columns) -> tuple[Key | None, ...]:
    """The columns as the table has them, else as the booster does: by number if it was fitted on an array."""
    numbered = tuple(range(len(own)))
    if columns is not None and len(columns) == len(own) and columns != numbered:
        return columns
    is_array = [str(name) for name in own] in ([str(j) for j in numbered], _column_names(len(own)))
    return numbered if is_array else tuple(str(name) for name in own)


def _column_names(n: int) -> list[str]:
    """Names that LightGBM gives to columns without any."""
    return [f"Column_{j}" for j in range(n)]
