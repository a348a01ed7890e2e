"""How the recorder reaches the package and reads its results: the one place that knows old and new names."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

HOMES = ("agnostix", "agnostix.plotting", "agnostix.maskers", "agnostix.lime", "agnostix.core.masking")
"""Modules in which public names are looked for, in this order."""

RENAMED = {
    "share": "p_keep",
    "frontier_": "pruning_path_",
    "frontier": "pruning_path",
    "price": "ccp_alpha",
    "n_real": "n_observed",
    "FrontierDisplay": "PruningPathDisplay",
    "players_": "features_",
    "said": "condition",
    "identity": "metadata",
    "levers": "curves",
    "moved": "correlated_shifts",
    "nearest": "neighbors",
    "n_rows_together": "n_rows_explained",
    "points": "n_points",
    "question": "description",
    "says": "class",
    "start": "observed_index",
    "truth": "observed",
}
"""Names of parameters, attributes, columns, keys and Displays: as recordings have them, and as they are."""
# Keys that were called "share" became others than the parameter.
_CANONICAL = {new: old for old, new in RENAMED.items()} | {"fractions": "share", "in_percent": "share"}

settings: dict[str, Any] = {"n_jobs": None}
"""Passed to every explainer that takes it."""

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Where a function is in memory, which is another place in every process."""
_EXPLANATION_ARRAYS = ("values", "std_errors", "base_values", "outputs")
_NOT_RECORDED = {"params", "kind", "method"}


def public(name: str) -> Any:
    """A public class or function, wherever it lives."""
    for home in HOMES:
        try:
            module = importlib.import_module(home)
        except ModuleNotFoundError as error:
            if not home.startswith(str(error.name)):
                raise
            continue
        for known in (name, RENAMED.get(name, name)):
            if hasattr(module, known):
                return getattr(module, known)
    raise AttributeError(f"None of {', '.join(HOMES)} has {name!r}; say in {__name__}.HOMES where it went.")


def make(name: str, *args: Any, **params: Any) -> Any:
    """An instance of a public class, its parameters under the names that it knows."""
    name, params = _present_form(name, params)
    known = inspect.signature(public(name)).parameters
    if "n_jobs" in known and settings["n_jobs"] is not None:
        params.setdefault("n_jobs", settings["n_jobs"])
    renamed = {key if key in known else RENAMED.get(key, key): value for key, value in params.items()}
    return public(name)(*args, **renamed)


def _present_form(name: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Occlusion of images and sampling of LIME as recordings use them, or by the classes that came after."""
    if name == "LimeExplainer" and "kernel_width" not in inspect.signature(public(name)).parameters:
        return name, _with_sampling(params)
    if name != "OcclusionExplainer" or "method" in inspect.signature(public(name)).parameters:
        if "learned_mask" in params:
            params = params | {"learned_mask": public("LearnedMask")(**params["learned_mask"])}
        return name, params
    method = params.pop("method", "window" if "window" in params else None)
    if method == "mask":
        return "ExtremalMaskExplainer", params | _extremal(params.pop("learned_mask"))
    if method == "rise":
        return "RiseExplainer", {key: value for key, value in params.items() if key != "background_size"}
    if method is None:
        return name, params
    fill = params.pop("fill", "auto")
    is_drawn = isinstance(fill, str) and fill == "draws"
    how = {
        "fill": "mean" if is_drawn or (isinstance(fill, str) and fill == "auto") else fill,
        "sigma": params.pop("sigma", 10.0),
        "n_draws": params.get("background_size", 100),
        "random_state": params["random_state"],
    }
    window, stride = params.pop("window", 16), params.pop("stride", 8)
    if method == "window":
        masker = public("SlidingWindow")(window, stride, **how)
    else:
        masker = public("SegmentMasker")("grid", **how)
    return name, params | {"masker": masker} | ({"fill": fill} if is_drawn else {})


def _with_sampling(params: dict[str, Any]) -> dict[str, Any]:
    """LIME's parameters with those of the sampling together, where they are not the defaults."""
    kept = dict(params)
    own = {"width": kept.pop("kernel_width", None), "radius": kept.pop("radius", 1.0)}
    discretizer, sampling = kept.pop("discretizer", "auto"), kept.pop("sampling", "kernel")
    defaults = {"width": None, "radius": 1.0}
    own = {key: value for key, value in own.items() if value != defaults[key]}
    if discretizer != "auto" and sampling != "local":
        own["discretizer"] = discretizer
    kind = {"kernel": "KernelSampling", "tilted": "TiltedSampling", "local": "LocalSampling"}[sampling]
    return kept | {"sampling": public(kind)(**own) if own else sampling}


def _extremal(search: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a search for a mask under their present names."""
    objective, is_destroyed = search.get("objective", "delete"), search.get("destroy", False)
    renamed = {"size": "area", "area": "area_penalty", "sigma": "mask_sigma"}
    kept = {renamed.get(key, key): value for key, value in search.items() if key != "destroy"}
    if objective == "area":
        kept["objective"] = "extremal_delete" if is_destroyed else "extremal_preserve"
    return kept


def explain_exact(explainer: Any, X: Any, **params: Any) -> Any:
    """LIME's exact limits, by a function of their own or the method that came after it."""
    if hasattr(explainer, "explain_exact"):
        return explainer.explain_exact(X, **params)
    return public("lime_exact")(explainer, X, **params)


def attribute(owner: Any, name: str) -> Any:
    """An attribute under its present name."""
    return getattr(owner, name) if hasattr(owner, name) else getattr(owner, RENAMED[name])


def read(result: Any) -> dict[str, Any]:
    """A result as a flat dict of arrays, numbers and text, by path."""
    leaves: dict[str, Any] = {}
    _read_into(leaves, "", result)
    return leaves


def read_explanation(exp: Any) -> dict[str, Any]:
    """What an Explanation holds, by name; extras by key, whether plain arrays or with dims."""
    read: dict[str, Any] = {name: getattr(exp, name) for name in _EXPLANATION_ARRAYS}
    read |= {
        "data": exp.data,
        "feature_names": list(exp.feature_names),
        "output_names": list(exp.output_names),
        "row_names": None if exp.row_names is None else [str(name) for name in exp.row_names],
        "fidelity": {key: _plain(value) for key, value in (exp.fidelity or {}).items()},
        "n_model_rows": exp.n_model_rows,
        "params": {key: value for key, value in exp.params.items() if key not in ("n_jobs", "verbose")},
        "extras": {key: _plain(value) for key, value in exp.extras.items()},
    }
    return read


def read_aggregate(aggregate: Any) -> dict[str, Any]:
    """Values and errors over rows, of shape (n_features, n_outputs); by group, one block after the other."""
    if isinstance(aggregate, pd.DataFrame):
        return {name: aggregate[name].to_numpy() for name in ("value", "std_error")}
    errors = np.full_like(aggregate.values, np.nan) if aggregate.std_errors is None else aggregate.std_errors
    flat = (-1, aggregate.values.shape[-1])
    return {"value": aggregate.values.reshape(flat), "std_error": errors.reshape(flat)}


def _plain(value: Any) -> Any:
    """An extra without its dims."""
    return value.array if hasattr(value, "array") and hasattr(value, "dims") else value


def _is_explanation(result: Any) -> bool:
    return hasattr(result, "base_values") and hasattr(result, "feature_names")


def _read_into(leaves: dict[str, Any], path: str, value: Any) -> None:
    join = f"{path}/" if path else ""
    if _is_explanation(value):
        _read_into(leaves, path, read_explanation(value))
    elif isinstance(value, pd.Series):
        _read_into(leaves, path, {"index": np.asarray(value.index), "series": _column(value)})
    elif isinstance(value, pd.DataFrame):
        _read_frame(leaves, join, value)
    elif type(value).__module__.startswith("polars"):
        _read_frame(leaves, join, value.to_pandas())
    elif is_dataclass(value) and not isinstance(value, type):
        shown = [
            one.name
            for one in fields(value)
            if one.name not in _NOT_RECORDED and not one.name.startswith("_")
        ]
        _read_into(leaves, path, {name: getattr(value, name) for name in shown})
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        _read_into(leaves, path, value._asdict())
    elif isinstance(value, Mapping):
        for key, one in value.items():
            _read_into(leaves, join + _CANONICAL.get(str(key), str(key)), one)
    elif isinstance(value, list | tuple) and any(
        isinstance(one, Mapping | list | tuple) or is_dataclass(one) for one in value
    ):
        leaves[f"{path}[length]"] = len(value)
        for place, one in enumerate(value):
            _read_into(leaves, f"{path}[{place}]", one)
    elif isinstance(value, list | tuple):
        leaves[path] = _array(np.asarray(value, dtype=None if _all_numbers(value) else object))
    elif isinstance(value, np.ndarray):
        leaves[path] = _array(value)
    else:
        leaves[path] = _scalar(value)


def _read_frame(leaves: dict[str, Any], join: str, frame: pd.DataFrame) -> None:
    names = ["/".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    names = [_CANONICAL.get(name, name) for name in names]
    leaves[f"{join}columns"] = names
    leaves[f"{join}n_rows"] = len(frame)
    if not isinstance(frame.index, pd.RangeIndex):
        leaves[f"{join}index"] = [str(label) for label in frame.index]
    for place, name in enumerate(names):
        leaves[f"{join}column {name}"] = _column(frame.iloc[:, place])


def _column(series: pd.Series) -> Any:
    if pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        return _array(series.to_numpy(dtype=float if series.isna().any() else None, na_value=np.nan))
    return _array(series.astype(object).to_numpy())


def _array(values: np.ndarray) -> Any:
    """Numbers as an array; anything else as lists of text, numbers and None."""
    if values.dtype.kind in "biufc":
        return np.asarray(values)
    if values.dtype == object and values.size and _all_numbers(values.ravel()):
        return values.astype(float)
    return (
        [_scalar(value) for value in values.ravel()] if values.ndim < 2 else [_array(row) for row in values]
    )


def _all_numbers(values: Any) -> bool:
    return all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values)


def _cell(value: Any) -> Any:
    """A scalar among others, missing where it is no number."""
    return None if isinstance(value, float) and np.isnan(value) else _scalar(value)


def _scalar(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, str):
        return ADDRESS.sub("", value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item() if value.dtype.kind in "biufU" else str(value)
    return ADDRESS.sub("", str(value))
