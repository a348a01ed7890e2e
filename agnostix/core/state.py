"""What fitted objects store: what is of pandas as arrays and plain values, since skops stores no pandas."""

from __future__ import annotations

import copyreg
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.explanation.storage import Reader, Writer


@dataclass(frozen=True)
class StoredPandas:
    """A frame, a Series or a dict of constants as plain values, and its arrays by name."""

    node: Any  # as `Writer.node` gives it
    parts: dict[str, Any]  # arrays, and bytes of Arrow
    is_series: bool


class PandasState:
    """Base of what holds frames between `fit` and `explain`.

    skops takes the state from `__getstate__`, and gets arrays. Pickle and copies take frames as they are, so
    that work for other processes is not slowed down.
    """

    def __getstate__(self) -> dict[str, Any]:
        return without_pandas(vars(self))

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(with_pandas(state))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self),), dict(vars(self))  # type: ignore[attr-defined]


def without_pandas(state: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes, what is of pandas as arrays; an object once, however many names it has."""
    return _replaced(state, _is_of_pandas, _store)


def with_pandas(state: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that `without_pandas` was given."""
    return _replaced(state, lambda value: isinstance(value, StoredPandas), _restore)


def _replaced(
    state: Mapping[str, Any], is_meant: Callable[[Any], bool], replace: Callable[[Any], Any]
) -> dict[str, Any]:
    meant = {id(value): value for value in state.values() if is_meant(value)}
    known = {key: replace(value) for key, value in meant.items()}
    return {name: known.get(id(value), value) for name, value in state.items()}


def _is_of_pandas(value: Any) -> bool:
    """Whether an attribute is a frame or a Series, or a dict with values such as Timestamps."""
    if type(value) is dict:
        return any(type(one).__module__.split(".")[0] == "pandas" for one in value.values())
    return isinstance(value, pd.DataFrame | pd.Series)


def _store(value: Any) -> Any:
    """A value as plain ones; as it is where something in it cannot be written, which pickle may take."""
    writer, is_series = _MemoryWriter(), isinstance(value, pd.Series)
    given = {"frame": value.to_frame("value"), "name": value.name} if is_series else value
    try:
        return StoredPandas(writer.node("state", given), writer.parts, is_series)
    except TypeError:
        return value


def _restore(stored: StoredPandas) -> Any:
    value = _MemoryReader(stored.parts).value(stored.node)
    return value["frame"].iloc[:, 0].rename(value["name"]) if stored.is_series else value


class _MemoryWriter(Writer):
    """Keeps arrays as they are."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.parts: dict[str, Any] = {}

    def member(self, name: str, content: Any, compression: int = zipfile.ZIP_STORED) -> None:
        self.parts[name] = content

    def array(self, where: str, array: np.ndarray) -> dict[str, Any]:
        if array.dtype.hasobject:
            return super().array(where, array)
        name = self.name(where, "")
        self.member(name, array)
        return {"$": "array", "of": name}


class _MemoryReader(Reader):
    """Takes arrays as they are."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.parts = parts
        self.archive: Any = self

    def member(self, name: str) -> Any:
        return name

    def read(self, name: str) -> Any:
        """The bytes of Arrow."""
        return self.parts[name]

    def array(self, member: Any) -> np.ndarray:
        array: np.ndarray = self.parts[member]
        return array

    def check_length(self, *lengths: int) -> None:
        """Nothing: what is in memory has its length."""
