"""Selection of rows, features and outputs of an explanation, by name or position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostix.core.explanation.fields import Detail, counted, take_along
from agnostix.core.frames import take_rows
from agnostix.core.typing import Codes

if TYPE_CHECKING:
    from agnostix.core.explanation.explanation import Explanation


def fields_of_rows(explanation: Explanation, rows: Any) -> dict[str, Any]:
    """Fields of the explanation of some rows, as `dataclasses.replace` takes them."""
    places = row_places(rows, len(explanation))
    data, names = explanation.data, explanation.row_names
    return _taken(explanation, "row", places) | {
        "data": None if data is None else take_rows(data, places),
        "row_names": None if names is None else tuple(names[i] for i in places),
    }


def selected_fields(explanation: Explanation, dim: str, wanted: Any) -> dict[str, Any]:
    """Fields of the explanation of some features or outputs."""
    if dim not in explanation.dims:
        raise ValueError(
            f"sel({dim}s=...) needs a dim {dim!r}; this explanation has dims {explanation.dims}."
        )
    names = explanation.labels(dim)
    places = find_places(dim, wanted, names)
    fields = _taken(explanation, dim, places) | {f"{dim}_names": tuple(names[j] for j in places)}
    data = explanation.data
    if dim == "feature" and isinstance(data, np.ndarray) and data.ndim == 2 and data.shape[1] == len(names):
        fields["data"] = data[:, places]
    return fields


def _taken(explanation: Explanation, dim: str, places: Any) -> dict[str, Any]:
    """Fields that have an axis along `dim`, but for names and data."""
    dims, ends = explanation.dims, explanation.end_dims
    fields: dict[str, Any] = {}
    for name in ("values", "std_errors", "base_values", "outputs", "completeness_gap"):
        array = getattr(explanation, name)
        own = dims if name in ("values", "std_errors") else ends
        fields[name] = None if array is None else take_along(array, own, dim, places)
    if explanation.fidelity is not None:
        entries = explanation.fidelity.items()
        fields["fidelity"] = {key: take_along(array, ends, dim, places) for key, array in entries}
    fields["extras"] = {
        key: value.take(dim, places) if isinstance(value, Detail) else value
        for key, value in explanation.extras.items()
    }
    return fields


def row_places(rows: Any, n_rows: int) -> Codes:
    if isinstance(rows, slice):
        return np.arange(n_rows)[rows]
    index = np.asarray(rows)
    if index.size == 0 and index.ndim == 1 and index.dtype.kind != "b":
        return np.empty(0, dtype=np.intp)
    if isinstance(rows, tuple) or index.ndim > 1 or index.dtype.kind not in "biu":
        raise TypeError(
            f"Rows are chosen by an int, a slice, a list of ints or a mask; got {rows!r}. "
            "Outputs and features are chosen with sel."
        )
    if index.dtype.kind == "b":
        if index.shape != (n_rows,):
            raise IndexError(f"A mask must have one entry for each of the {n_rows} rows; got {index.shape}.")
        return np.flatnonzero(index)
    index = np.atleast_1d(index).astype(np.intp)
    outside = index[(index < -n_rows) | (index >= n_rows)]
    if outside.size:
        raise IndexError(f"Row {outside[0]} is out of range: there are {counted(n_rows, 'row')}.")
    return index % max(n_rows, 1)


def find_places(what: str, wanted: Any, names: Sequence[str]) -> list[int]:
    listed = [wanted] if isinstance(wanted, str) or not np.iterable(wanted) else list(wanted)
    return [find_place(what, one, names) for one in listed]


def find_place(what: str, wanted: Any, names: Sequence[str]) -> int:
    if isinstance(wanted, str) and wanted in names:
        return list(names).index(wanted)
    is_place = isinstance(wanted, int | np.integer) and not isinstance(wanted, bool)
    if is_place and -len(names) <= wanted < len(names):
        return int(wanted) % len(names)
    known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise KeyError(f"No {what} {wanted!r} here. There are {len(names)}: {known}.")


def object_array(values: Any) -> np.ndarray:
    """An array of objects of one dimension, even where the objects have lengths of their own."""
    return np.fromiter(values, dtype=object, count=len(values))
