"""Inputs that are not one table or one stack of images, or beyond the numbers that can be explained."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from math import prod
from typing import Any

import numpy as np

from agnostix.exceptions import DataError

_LARGEST_PIXEL = 1e150
"""Size of numbers in images up to which sums of their squares are finite."""
_MAX_NAMED = 6
_MOST_INPUTS = 8
"""Arrays up to which a tuple is taken for the inputs of a model, and not for images."""


def are_within(rows: Any, limit: float) -> bool:
    """Whether all numbers are finite and not beyond a limit; without a copy of them."""
    # As Python's numbers: a limit of double precision is infinite in single.
    return -limit <= float(rows.min()) <= float(rows.max()) <= limit


def find_extreme(rows: Any, limit: float) -> tuple[int, float]:
    """The first row (n_rows, ...) with NaN or a number beyond a limit, and its largest or what is none."""
    sizes = np.abs(rows.reshape(len(rows), -1)).max(axis=1).astype(float)
    row = int(np.flatnonzero(~(sizes <= limit))[0])
    return row, float(sizes[row])


def check_sizes(pixels: Any, X: Any) -> None:
    """Raise DataError for NaN, infinity and numbers of images (n_rows, ...) whose squares are infinite."""
    if pixels.dtype.kind != "f" or are_within(pixels, _LARGEST_PIXEL):
        return
    row, largest = find_extreme(pixels, _LARGEST_PIXEL)
    if np.isfinite(largest):
        raise DataError(
            f"X must hold numbers up to {_LARGEST_PIXEL:g}, whose squares are finite, but row {row} has "
            f"{largest:.3g}. Divide them, and let the model multiply: lambda P: f(P * 1e200)."
        )
    what = "masked values" if np.ma.is_masked(X) else "NaN or infinity"
    raise DataError(f"X must hold finite numbers, but row {row} has {what}. Fill these in, or leave it out.")


def check_single_input(X: Any) -> None:
    """Raise DataError for a tuple or a dict of arrays or frames, as models with several inputs take."""
    if isinstance(X, Mapping):
        if _are_inputs(X.values()):
            raise several_inputs_error(X)
        names = ", ".join(repr(name) for name in list(X)[:_MAX_NAMED])
        raise DataError(
            f"X is a dict with the keys {names}, and a table is needed. Pass pd.DataFrame(X); if the model "
            "takes a dict, lambda X: model({name: X[name].to_numpy() for name in X})."
        )
    if isinstance(X, tuple) and _are_inputs(X):
        raise several_inputs_error(X)


def is_several_inputs(X: Any) -> bool:
    """Whether a list holds arrays of equally many rows."""
    return isinstance(X, list | tuple) and _are_inputs(X) and len({one.shape[0] for one in X}) == 1


def several_inputs_error(X: Any) -> DataError:
    """The error for several inputs, with the function that splits a table of them."""
    inputs, values = (list(X.values()), "list(X.values())") if isinstance(X, Mapping) else (list(X), "X")
    shapes = [tuple(one.shape) for one in inputs]
    are_frames = all(hasattr(one, "iloc") for one in inputs)
    are_images = len({shape[:3] for shape in shapes}) == 1 and {len(shape) for shape in shapes} == {4}
    ends = np.cumsum([0, *(shape[-1] if are_images else prod(shape[1:]) for shape in shapes)]).tolist()
    axes = "..." if are_images else ":"
    parts = [
        f"X{'.iloc' if are_frames else ''}[{axes}, {start}:{end}]"
        + ("" if len(shape) == 2 or are_images else f".reshape(-1, {', '.join(map(str, shape[1:]))})")
        for start, end, shape in zip(ends, ends[1:], shapes, strict=False)
    ]
    if isinstance(X, Mapping):
        parts = ["{" + ", ".join(f"{name!r}: {part}" for name, part in zip(X, parts, strict=True)) + "}"]
    joined = f"np.hstack([one.reshape(len(one), -1) for one in {values}])"
    joined = f"np.concatenate({values}, axis=-1)" if are_images else joined
    joined = f"pd.concat({values}, axis=1)" if are_frames else joined
    is_alike = isinstance(X, tuple) and len(set(shapes)) == 1 and not are_frames
    images = " A tuple of images is passed as list(X)." if is_alike else ""
    return DataError(
        f"X is a {type(X).__name__} of {len(shapes)} arrays of shapes {', '.join(map(str, shapes))}, as "
        f"models with several inputs take, and explainers take one. Pass {joined}, and in place of the model "
        f"lambda X: model({', '.join(parts)}).{images}"
    )


def check_takes_one_batch(model: Any, name: str) -> None:
    """Raise DataError for a function that cannot be called with one batch alone."""
    try:
        parameters = signature(model).parameters.values()
    except (TypeError, ValueError):  # of what is written in C
        return
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if len(needed) > 1:
        raise DataError(
            f"The model {name} takes {len(needed)} inputs ({', '.join(needed)}), and rows come as one batch. "
            "Put its inputs side by side, np.hstack(inputs), and pass a function that splits them, such as "
            "lambda X: model(X[:, :2], X[:, 2:])."
        )


def sparse_error(X: Any) -> DataError:
    """The error for a sparse matrix."""
    return DataError(
        f"X is sparse ({type(X).__name__} of shape {X.shape}); a table of rows is needed here, other than by "
        "KernelShapExplainer and OcclusionExplainer. Pass X.toarray(), or a DataFrame of it; of many rows "
        "some: fit(X[:100].toarray()). For a model that takes sparse rows only, pass lambda X: "
        "model.predict_proba(scipy.sparse.csr_array(X))."
    )


def conversion_error(X: Any, error: Exception) -> DataError:
    """The error where numpy cannot convert something, such as a tensor on another device."""
    return DataError(
        f"X is a {type(X).__name__} of which numpy makes no array ({str(error).rstrip('.')}). Of a torch "
        "tensor, pass X.detach().cpu().float().numpy()."
    )


def baselines_error(fill: Any, owner: str) -> DataError:
    """The error for a table of constants where one row is needed."""
    each = "fill=b).fit(X).explain(x[None]) for x, b in zip(X, fill)]"
    if hasattr(fill, "iloc"):
        each = "fill=fill.iloc[i]).fit(X).explain(X.iloc[[i]]) for i in range(len(X))]"
    return DataError(
        f"The 'fill' parameter of {owner} is one row of constants, got a table of shape {tuple(fill.shape)}. "
        f"To average over its rows, fit on them: {owner}(model, background_size={fill.shape[0]}).fit(fill). "
        f"For a baseline of each row, explain row by row: [{owner}(model, {each}."
    )


def check_background(background: Any, owner: str) -> None:
    """Raise DataError for rows where a way to choose them is needed."""
    if not hasattr(background, "shape"):
        return
    each = "fit(b[None]).explain(x[None]) for x, b in zip(X, background)]"
    if hasattr(background, "iloc"):
        each = "fit(background.iloc[[i]]).explain(X.iloc[[i]]) for i in range(len(X))]"
    raise DataError(
        f"The 'background' parameter of {owner} says how rows of fit are chosen, got an array of shape "
        f"{tuple(background.shape)}. Pass these rows to fit: {owner}(model, background='all')"
        f".fit(background). For a baseline of each row, explain row by row: [{owner}(model).{each}."
    )


def _are_inputs(X: Any) -> bool:
    """Whether several things are arrays of rows, no more than a model has inputs."""
    return 1 < len(X) <= _MOST_INPUTS and all(_is_input(one) for one in X)


def _is_input(one: Any) -> bool:
    """Whether something is an array, a tensor or a frame of rows."""
    return hasattr(one, "shape") and len(one.shape) >= 2
