"""Fields of an explanation: arrays with named axes, validated and read-only."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import as_read_only, is_frame
from agnostix.core.typing import Codes, Floats

DEGREES_OF_FREEDOM = "degrees_of_freedom"
"""Key of the Detail with the degrees of freedom of the standard errors, infinite for normal intervals."""
INTERVAL_KIND = "interval_kind"
"""Key of the Detail with the kind of each interval, a key of `core.intervals.INTERVALS`."""
SHARED_ERRORS = "shared_errors"
"""Key of the Detail with the part of the errors that rows, features and outputs share: dims of values, then
"component". The covariance of two values' shared errors is the dot product over components, and of a squared
standard error the sum of squares over components is the shared part."""
COMPONENT = "component"
DESIGN_ERRORS = "design_errors"
"""Key of the Detail with the part of the errors that comes from draws which all rows share, with an unknown
correlation, shaped as values."""
SHARED_DEGREES_OF_FREEDOM = "shared_degrees_of_freedom"
"""Key of the Detail with the degrees of freedom of the shared errors; without it, those of the values, or
components less one where these are infinite."""
DESIGN_DEGREES_OF_FREEDOM = "design_degrees_of_freedom"
"""Key of the Detail with the degrees of freedom of a design's errors; without it, those of the values."""
SKEWNESS = "skewness"
"""Key of the Detail with the skewness of means over rows, whose intervals reach further on one side."""
BASE_VALUE_STD_ERRORS = "base_value_std_errors"
"""Key of the Detail with the standard errors of the base values, dims "row" and "output"."""
IS_SIGNED = "is_signed"
"""Key of whether values may have either sign, so that 0 is the middle of their scale, where that is known."""
LAYER = "layer"
"""Key of the layer whose own units or grid the values are of, not columns or pixels: "name: shape"."""
COMPLETENESS = ("outputs - base_values", "outputs", "surrogate")
"""What values may sum to."""
NAMED_DIMS = ("row", "feature", "output")
"""Dims whose entries have names in fields of their own; others may have coordinates."""
INTERACTION = "interaction"
"""Quantity of pairs of features: symmetric in two dims "feature", each pair once in sums and tables."""
NUMBER_COLUMNS = ("value", "std_error", "low", "high", "data_value")
"""Columns of `to_frame` besides the dims, which no dim can be called."""


@dataclass(frozen=True, eq=False)
class Detail:
    """An array with a name for each axis, as an entry of `Explanation.extras`.

    Axes named as those of the explanation ("row", "feature", "output", ...) have its size and follow
    indexing, selection and storage; other names are free. `points_to` is the dim that the array holds places
    of, such as "feature" for the segment of each pixel, -1 for none: selection remaps them.

    >>> import numpy as np
    >>> from agnostix.core.explanation import Detail
    >>> segments = Detail(np.array([[[0, 0, 1], [2, 2, 1]]]), ("row", "y", "x"), points_to="feature")
    >>> segments.take("feature", [2, 1]).array.tolist()
    [[[-1, -1, 1], [0, 0, 1]]]
    """

    array: np.ndarray
    dims: tuple[str, ...]
    points_to: str | None = None

    def __post_init__(self) -> None:
        array = np.asarray(self.array).view()  # the caller's own array stays as writable as it was
        array.flags.writeable = False
        dims = checked_dims("dims of a Detail", self.dims)
        if array.ndim != len(dims):
            raise ValueError(
                f"dims of a Detail must name each of its {array.ndim} axes (shape {array.shape}); got {dims}."
            )
        if self.points_to is not None and array.dtype.kind not in "iu":
            raise ValueError(f"points_to={self.points_to!r} needs whole numbers; got {array.dtype}.")
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "dims", dims)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # pickled arrays come back writable

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype) if copy else np.asarray(self.array, dtype=dtype)

    def take(self, dim: str, places: Sequence[int] | Codes) -> Detail:
        """Entries at some places along a dim; places that the array points to are remapped."""
        kept = np.asarray(places, dtype=None if len(places) else np.intp)
        if kept.dtype.kind not in "iu" or kept.min(initial=0) < 0:
            raise ValueError(f"places must be whole numbers from 0 up, got {places!r}.")
        array = take_along(self.array, self.dims, dim, kept)
        if self.points_to == dim:
            array = _remap(array, kept)
        return Detail(array, self.dims, self.points_to)


def checked_dims(what: str, dims: Any) -> tuple[str, ...]:
    """Names of axes as a tuple."""
    if isinstance(dims, str) or not all(isinstance(name, str) for name in dims):
        raise ValueError(f"{what} must be a tuple of str; got {dims!r}.")
    return tuple(str(name) for name in dims)


def take_along(array: np.ndarray, dims: Sequence[str], dim: str, places: Any) -> np.ndarray:
    """Entries at `places` of each axis named `dim`."""
    for axis in (axis for axis, name in enumerate(dims) if name == dim):
        array = np.take(array, np.asarray(places, dtype=np.intp), axis=axis)
    return array


def expand(detail: Detail, dims: Sequence[str]) -> np.ndarray:
    """The array with an axis for each of `dims`, of length 1 where the detail has none."""
    free, order = list(range(len(dims))), []
    for name in detail.dims:
        axis = next(axis for axis in free if dims[axis] == name)
        free.remove(axis)
        order.append(axis)
    return np.expand_dims(detail.array.transpose(np.argsort(order)), tuple(free))


def _remap(pointers: np.ndarray, places: Codes) -> np.ndarray:
    pointers = pointers.astype(np.intp)
    size = max(pointers.max(initial=-1), places.max(initial=-1)) + 1
    target = np.full(size + 1, -1)  # the last entry is what -1 points to
    target[places] = np.arange(places.size)
    return target[np.where(pointers < 0, size, pointers)]


def check_interval_details(extras: dict[str, Any], dims: tuple[str, ...]) -> None:
    """Refuse details of intervals that cannot be matched with the values."""
    shaped = {SHARED_ERRORS: (*dims, COMPONENT), DESIGN_ERRORS: dims}
    free = (
        DEGREES_OF_FREEDOM,
        INTERVAL_KIND,
        SHARED_DEGREES_OF_FREEDOM,
        DESIGN_DEGREES_OF_FREEDOM,
        SKEWNESS,
    )
    for key in (*shaped, *free):
        detail = extras.get(key)
        if detail is None:
            continue
        got = detail.dims if isinstance(detail, Detail) else type(detail).__name__
        if key in shaped and got != shaped[key]:
            raise ValueError(f"extras[{key!r}] must be a Detail with dims {shaped[key]}; got {got}.")
        if not isinstance(detail, Detail) or (
            key in free and any(detail.dims.count(d) > dims.count(d) for d in detail.dims)
        ):
            raise ValueError(
                f"extras[{key!r}] must be a Detail with dims among those of values, {dims}; got {got}."
            )
        if key != INTERVAL_KIND and detail.array.dtype.kind not in "biuf":
            raise ValueError(f"extras[{key!r}] must hold numbers; got {detail.array.dtype}.")


def counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()  # the caller's own array stays as writable as it was
    view.flags.writeable = False
    return view


def checked_floats(name: str, value: Any, shape: tuple[int, ...] | None = None, axes: str = "") -> Floats:
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biufO":  # text would be parsed, and imaginary parts be lost
            raise TypeError(f"got {given.dtype}")
        array = given.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}.") from None
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} must have shape {axes} = {shape}, as values have; got {array.shape}.")
    return read_only(array)


def checked_values(value: Any, dims: tuple[str, ...]) -> Floats:
    values = checked_floats("values", value)
    reserved = [dim for dim in dims if dim in NUMBER_COLUMNS]
    if reserved:
        raise ValueError(
            f"dims must not contain {reserved[0]!r}, a column of to_frame; got {dims}. Rename it."
        )
    if values.ndim != len(dims):
        raise ValueError(
            f"values must have an axis for each of dims {dims}; got shape {values.shape}. "
            "A single output has an axis of length 1, or no dim 'output'."
        )
    for dim in set(dims):
        sizes = {n for name, n in zip(dims, values.shape, strict=True) if name == dim}
        if len(sizes) > 1 or (dim == "row" and dims.count("row") > 1):
            raise ValueError(f"dims {dims} repeat {dim!r}, which shape {values.shape} does not allow.")
    return values


def checked_errors(value: Any, shape: tuple[int, ...]) -> Floats | None:
    if value is None:
        return None
    errors = checked_floats("std_errors", value, shape, "of values")
    if (errors < 0).any():
        raise ValueError(
            "std_errors hold negative numbers: they must be 0 where a value is exact, NaN where the error is "
            "unknown, and None where nothing was sampled."
        )
    return errors


def checked_completeness(completeness: Any, present: dict[str, bool]) -> None:
    if completeness is None:
        return
    if completeness not in COMPLETENESS:
        known = ", ".join(map(repr, COMPLETENESS))
        raise ValueError(f"completeness must be None or one of {known}; got {completeness!r}.")
    needed = {"outputs": ("outputs",), "surrogate": ("base_values",)}.get(
        completeness, ("outputs", "base_values")
    )
    missing = [name for name in needed if not present[name]]
    if missing:
        raise ValueError(f"completeness={completeness!r} needs {' and '.join(missing)}; got None.")


def checked_coords(coords: Any, dims: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    checked = {}
    for dim, value in dict(coords).items():
        if dim not in dims or dim in NAMED_DIMS:
            raise ValueError(
                f"coords[{dim!r}] is none of the dims {dims} that take coordinates; rows, features and "
                "outputs have row_names, feature_names and output_names."
            )
        array = np.asarray(value)
        n = shape[dims.index(dim)]
        if array.shape != (n,):
            raise ValueError(
                f"coords[{dim!r}] must have {n} entries, as values have; got shape {array.shape}."
            )
        checked[dim] = read_only(array)
    return checked


def checked_names(what: str, names: Any, n: int) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{what} must be a tuple of str; got {names!r}.")
    named = tuple(str(name) for name in names)
    if len(named) != n:
        raise ValueError(f"{what} must have {n} entries, as values have along their axis; got {len(named)}.")
    repeated = sorted({name for name in named if named.count(name) > 1}) if len(set(named)) < n else []
    if repeated:
        raise ValueError(f"{what} must not repeat a name; repeated: {', '.join(map(repr, repeated))}.")
    return named


def checked_row_names(names: Any, n_rows: int | None) -> tuple[Hashable, ...] | None:
    if names is None:
        return None
    if n_rows is None:
        raise ValueError("row_names need a dim 'row'; pass None.")
    if isinstance(names, str):
        raise ValueError(f"row_names must be one name for each row; got the text {names!r}.")
    named = tuple(names)
    if len(named) != n_rows:
        raise ValueError(f"row_names must have {n_rows} entries, one for each row; got {len(named)}.")
    return named


def checked_data(data: Any, n_rows: int | None) -> Any:
    if data is None:
        return None
    if n_rows is None:
        raise ValueError("data are the explained rows, and need a dim 'row'; pass None.")
    table = as_read_only(data if is_frame(data) else np.asarray(data))
    if table.shape == ():
        raise ValueError(f"data must be a DataFrame or an array of rows; got a {type(data).__name__}.")
    if len(table) != n_rows:
        raise ValueError(f"data must have {n_rows} rows, as values have; got {len(table)}.")
    return table


def plain_value(where: str, value: Any) -> Any:
    """Numbers, text, None, and lists and dicts of them, as Python's own types."""
    if isinstance(value, np.bool_ | np.integer | np.floating | np.str_):
        return value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # the text of an Enum's member, which str() would name
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, list | tuple):
        return [plain_value(f"{where}[{j}]", entry) for j, entry in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {str(key): plain_value(f"{where}[{key!r}]", entry) for key, entry in value.items()}
    raise ValueError(
        f"{where} must be plain: a number, text, None, or a list or dict (with text as keys) of them; "
        f"got a {type(value).__name__}."
    )


def checked_extra(key: str, value: Any, sizes: dict[str, int]) -> Any:
    if isinstance(value, np.ndarray):
        raise ValueError(
            f"extras[{key!r}] is an array of shape {value.shape}, whose axes have no names. Pass "
            "Detail(array, dims=(...)), so that selection and storage know them."
        )
    if not isinstance(value, Detail):
        return plain_value(f"extras[{key!r}]", value)
    for dim, n in zip(value.dims, value.array.shape, strict=True):
        if sizes.get(dim, n) != n:
            raise ValueError(
                f"extras[{key!r}] must have {sizes[dim]} entries along {dim!r}, as values have; got {n}."
            )
    n = sizes.get(str(value.points_to))
    if n is not None and value.array.size:
        lowest, highest = int(value.array.min()), int(value.array.max())
        if lowest < -1 or highest >= n:
            worst = highest if highest >= n else lowest
            raise ValueError(
                f"extras[{key!r}] points to {value.points_to} {worst}, and there are {n}, counted from 0; "
                "-1 points to none."
            )
    return value
