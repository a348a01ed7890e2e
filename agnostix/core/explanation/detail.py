"""Arrays with named axes that accompany an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Codes


@dataclass(frozen=True, eq=False)
class Detail:
    """An array whose axes have names, as an entry of `Explanation.extras`.

    Axes named as those of the explanation ("row", "feature", "output", ...)
    have its size and follow indexing, selection and storage. Other names are
    free. ``numpy.asarray(detail)`` is its array.

    Parameters
    ----------
    array : array-like
        Numbers, bools or strings.
    dims : tuple of str
        A name for each axis.
    points_to : str, default=None
        The dim that the array holds places of, such as "feature" for the
        segment of each pixel; -1 points to none. Selection remaps the places,
        to -1 where they are left out.

    Examples
    --------
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
        """Select along a dim of the explanation.

        Parameters
        ----------
        dim : str
            Which; a detail without it only has its pointers remapped.
        places : sequence of int
            What is kept, in this order.

        Returns
        -------
        Detail
        """
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
