"""Which columns of a table each column stems from that a fitted transformer makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from agnostix.exceptions import DataError

Sources = list[frozenset[int]]
"""For each column the positions of those that it was made of."""

_ONE_BY_ONE = (
    "Binarizer",
    "FunctionTransformer",
    "MaxAbsScaler",
    "MinMaxScaler",
    "OrdinalEncoder",
    "PowerTransformer",
    "QuantileTransformer",
    "RobustScaler",
    "StandardScaler",
)
"""Transformers of scikit-learn that make one column of each, as long as there are as many."""
_SEVERAL_OF_EACH = ("SplineTransformer", "TargetEncoder")
"""Those that make as many columns of each, next to each other."""


def trace_sources(transformer: Any, sources: Sources, n_columns: int | None) -> Sources:
    """Sources of the columns that a transformer makes of columns with `sources`.

    `n_columns` is how many it makes, where its successor knows. A transformer that is not known is taken to
    make each of its columns of all of its input.
    """
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return sources
    names = [kind.__name__ for kind in type(transformer).__mro__]
    traced = None
    for name in names:
        if name in _STRUCTURES:
            return _STRUCTURES[name](transformer, sources, n_columns)
        if name in _RULES and type(transformer).__module__.startswith("sklearn."):
            traced = _RULES[name](transformer, sources)
            break
        if name in _ONE_BY_ONE and n_columns in (None, len(sources)):
            return sources
        if name in _SEVERAL_OF_EACH and n_columns and n_columns % len(sources) == 0:
            return [one for one in sources for _ in range(n_columns // len(sources))]
    if traced is None and hasattr(transformer, "get_support"):
        traced = [sources[j] for j in np.flatnonzero(transformer.get_support())]
    if traced is not None and n_columns in (None, len(traced)):
        return traced
    return [frozenset().union(*sources)] * _count(transformer, n_columns)


def are_on_trust(steps: Sequence[Any]) -> bool:
    """Whether the sources of some step are a guess: a function's, or those of a class that is not known."""
    for step in steps:
        if step is None or isinstance(step, str):
            continue
        parts = [
            part
            for name in ("steps", "transformer_list", "transformers_")
            for _, part, *_ in getattr(step, name, None) or ()
        ]
        is_known = type(step).__module__.startswith("sklearn.")
        if type(step).__name__ == "FunctionTransformer" and step.func is not None:
            is_known &= isinstance(step.func, np.ufunc) and step.func.nin == 1 and not step.kw_args
        if not is_known or are_on_trust(parts):
            return True
    return False


def _count(transformer: Any, n_columns: int | None) -> int:
    if n_columns is not None:
        return n_columns
    try:
        return len(transformer.get_feature_names_out())
    except Exception as error:  # of a transformer of any make
        raise DataError(
            f"The step {type(transformer).__name__} does not say how many columns it makes (it has no "
            "get_feature_names_out)."
        ) from error


def n_inputs(transformer: Any) -> int | None:
    """Columns that a fitted step takes, if it says so."""
    steps = getattr(transformer, "steps", None)
    if steps:
        return next((n for _, step in steps if (n := n_inputs(step)) is not None), None)
    number = getattr(transformer, "n_features_in_", None)
    return None if number is None else int(number)


def trace_steps(steps: Sequence[Any], sources: Sources, n_columns: int | None) -> Sources:
    """The same of transformers one after the other."""
    for place, step in enumerate(steps):
        later = [n for other in steps[place + 1 :] if (n := n_inputs(other)) is not None]
        sources = trace_sources(step, sources, later[0] if later else n_columns)
    return sources


def _of_pipeline(pipeline: Any, sources: Sources, n_columns: int | None) -> Sources:
    return trace_steps([step for _, step in pipeline.steps], sources, n_columns)


def _of_column_transformer(transformer: Any, sources: Sources, n_columns: int | None) -> Sources:
    slices, inputs = transformer.output_indices_, transformer._transformer_to_input_indices
    steps = {name: step for name, step, _ in transformer.transformers_}
    made: Sources = [frozenset()] * max((one.stop for one in slices.values()), default=0)
    for name, places in slices.items():
        if places.stop == places.start:
            continue
        own = [sources[j] for j in inputs[name]]
        made[places] = trace_sources(steps[name], own, places.stop - places.start)
    return made


def _of_union(union: Any, sources: Sources, n_columns: int | None) -> Sources:
    steps = [step for _, step in union.transformer_list if step != "drop"]
    return [
        one for step in steps for one in trace_sources(step, sources, n_columns if len(steps) == 1 else None)
    ]


def _of_imputer(imputer: Any, sources: Sources) -> Sources:
    kept = list(range(len(sources)))
    if not imputer.keep_empty_features:
        kept = [j for j in kept if not _is_nan(imputer.statistics_[j])]
    indicators = imputer.indicator_.features_ if imputer.add_indicator else ()
    return [sources[j] for j in (*kept, *indicators)]


def _is_nan(value: Any) -> bool:
    return bool(value is None or value != value)


def _of_one_hot(encoder: Any, sources: Sources) -> Sources:
    return [one for one, n in zip(sources, encoder._n_features_outs, strict=True) for _ in range(n)]


def _of_bins(binner: Any, sources: Sources) -> Sources:
    if binner.encode == "ordinal":
        return sources
    return [one for one, n in zip(sources, binner.n_bins_, strict=True) for _ in range(n)]


def _of_powers(features: Any, sources: Sources) -> Sources:
    return [frozenset().union(*(sources[j] for j in np.flatnonzero(row))) for row in features.powers_]


_STRUCTURES: dict[str, Callable[[Any, Sources, int | None], Sources]] = {
    "Pipeline": _of_pipeline,
    "ColumnTransformer": _of_column_transformer,
    "FeatureUnion": _of_union,
}
_RULES: dict[str, Callable[[Any, Sources], Sources]] = {
    "SimpleImputer": _of_imputer,
    "MissingIndicator": lambda indicator, sources: [sources[j] for j in indicator.features_],
    "OneHotEncoder": _of_one_hot,
    "KBinsDiscretizer": _of_bins,
    "PolynomialFeatures": _of_powers,
}
