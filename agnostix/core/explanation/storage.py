"""Explanations in files: a .npz archive with ``explanation.json`` in it, and nothing that could be executed.

Arrays are members of their own; all else is in the JSON, where what JSON does not know is a dict with
the key ``"$"`` that names its kind.
"""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
import zipfile
import zlib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from agnostix.core.explanation import arrow_files, frame_storage
from agnostix.core.explanation.fields import Detail
from agnostix.core.files import check_readable, replacing

T = TypeVar("T")

SCHEMA = 2
"""Raised when files change; only files of this schema are read."""
FORMAT = "agnostix.Explanation"
TEXT = "explanation.json"
_LEAST_TEXT, _LEAST_VALUES, _LEAST_NODES = 1 << 25, 1 << 20, 1 << 14
"""Bytes, values and objects of the JSON that are read from however few compressed bytes."""
_MOST_SHRUNK = 32
"""How many times shorter compression makes a longer JSON."""
_LEAST_BITS = 16
"""Values in a byte of an Arrow file, of columns that are true or false, or missing throughout."""
_LEAST_LENGTH = 1 << 16
"""Length of an axis that is read from however short a file; else it takes a byte for each place."""


def write(path: str | os.PathLike[str], fields: dict[str, Any]) -> None:
    """Write fields (arrays, plain values, frames): the file is there completely or not at all."""
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        writer = Writer(archive)
        encoded = {name: writer.node(name, value) for name, value in fields.items()}
        head = {"format": FORMAT, "schema": SCHEMA, "agnostix": version("agnostix"), "fields": encoded}
        text = json.dumps(head, allow_nan=False).encode()
        # Text that shrinks as much as that of an archive made to fill the memory is left as it is.
        is_plain = not (_is_bounded(text, 0) or _is_bounded(text, len(zlib.compress(text)) - 6))
        writer.member(TEXT, text, zipfile.ZIP_STORED if is_plain else zipfile.ZIP_DEFLATED)


def read(path: str | os.PathLike[str], build: Callable[..., T]) -> T:
    """What `build` returns for the fields of a file; ValueError if it is damaged, or of another schema."""
    check_readable(path)
    with open(path, "rb") as file:
        start = file.read(4)
        if start != b"PK\x03\x04":
            what = "is empty" if not start else "is no .npz archive"
            raise ValueError(f"{os.fspath(path)} {what}, so Explanation.save did not write it.")
        file.seek(0)
        n_bytes = os.fstat(file.fileno()).st_size
        try:
            archive = zipfile.ZipFile(file)
            broken = _excess(archive, n_bytes) or archive.testzip()  # what is read afterwards was written
        except Exception as error:  # zipfile meets damage with errors of many kinds
            broken = str(error)
        if broken is not None:
            raise ValueError(
                f"{os.fspath(path)} is damaged or was cut off while it was written or copied ({broken})."
            )
        with archive:
            return _built(archive, path, build)


def _excess(archive: zipfile.ZipFile, n_bytes: int) -> str | None:
    """What makes a file of n_bytes larger when it is read than when `write` made it; looked up, not read."""
    members = archive.infolist()
    if sum(member.compress_size for member in members) > n_bytes:
        return "its parts overlap"
    for member in members:
        is_text = member.filename == TEXT and member.compress_type == zipfile.ZIP_DEFLATED
        most = max(_LEAST_TEXT, _MOST_SHRUNK * member.compress_size) if is_text else member.compress_size
        if member.file_size > most or not (is_text or member.compress_type == zipfile.ZIP_STORED):
            return f"{member.filename} is compressed further than Explanation.save does"
    return None


def _is_bounded(text: bytes, n_stored: int) -> bool:
    """Whether JSON of n_stored compressed bytes holds no more than its values may take of the memory."""
    n_nodes = text.count(b"{")
    n_values = text.count(b",") + text.count(b"[") + n_nodes
    return n_stored == len(text) or (
        len(text) <= max(_LEAST_TEXT, _MOST_SHRUNK * n_stored)
        and n_values <= max(_LEAST_VALUES, n_stored)
        and n_nodes <= max(_LEAST_NODES, n_stored // 2)
    )


def _head(archive: zipfile.ZipFile) -> Any:
    """The JSON of an archive; None if there is none."""
    if TEXT not in archive.namelist():
        return None
    text = archive.read(TEXT)
    return json.loads(text) if _is_bounded(text, archive.getinfo(TEXT).compress_size) else None


def _built(archive: zipfile.ZipFile, path: str | os.PathLike[str], build: Callable[..., T]) -> T:
    name = os.fspath(path)
    try:
        head = _head(archive)
    except (ValueError, RecursionError, MemoryError):
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError(f"{name} is an archive, but not one that Explanation.save wrote.")
    if head.get("schema") != SCHEMA:
        is_old = isinstance(head.get("schema"), int) and head["schema"] < SCHEMA
        remedy = "Explain the rows again" if is_old else "Install a later agnostix to read it"
        raise ValueError(
            f"{name} was written by agnostix {head.get('agnostix')} in form {head.get('schema')}; "
            f"agnostix {version('agnostix')} reads form {SCHEMA}. {remedy}."
        )
    reader, fields = Reader(archive), dict[str, Any]()
    try:
        for field, node in head["fields"].items():
            fields[field] = reader.value(node)
        return build(**fields)
    except (KeyboardInterrupt, SystemExit, ImportError):
        raise
    except BaseException as error:  # what is damaged fails anywhere, and in polars as no Exception
        raise ValueError(
            f"{name} says that Explanation.save wrote it, but does not hold what it should: {error!r}."
        ) from error


class Writer:
    """Turns values into nodes of the JSON, and their arrays into members of the archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.names: set[str] = set()

    def member(self, name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> None:
        """Add a file to the archive, with no time in it: equal content makes equal files."""
        self.archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)

    def name(self, where: str, ending: str) -> str:
        """A name for a member at a place, which no other has."""
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", where)
        name, count = plain + ending, 1
        while name in self.names:
            name, count = f"{plain}~{count}{ending}", count + 1
        self.names.add(name)
        return name

    def node(self, where: str, value: Any) -> Any:
        """A value as JSON; TypeError, with its place, if it cannot be written without pickle."""
        if (
            value is None
            or type(value) in (bool, int, str)
            or (type(value) is float and math.isfinite(value))
        ):
            return value
        if isinstance(value, np.ndarray):
            return self.array(where, value)
        if type(value) is list:
            return [self.node(where, entry) for entry in value]
        if type(value) is dict and "$" not in value and all(type(key) is str for key in value):
            return {key: self.node(f"{where}.{key}", entry) for key, entry in value.items()}
        if frame_storage.is_storable(value):
            return frame_storage.encode(self, where, value)
        for tag, kind in _KINDS.items():
            if kind.holds(value):
                return {"$": tag, "of": self.node(where, kind.encode(value))}
        field = where.split(".")[0]
        raise TypeError(
            f"{where} holds a {type(value).__name__} ({reprlib.repr(value)}), which cannot be written "
            f"without pickle. Convert it, or leave it out: dataclasses.replace(explanation, {field}=...)."
        )

    def array(self, where: str, array: np.ndarray) -> dict[str, Any]:
        """An array as a member, or, where it holds objects, as JSON."""
        if array.dtype.hasobject or array.dtype.kind not in "biufcmMSUV":
            cells = [self.node(where, value) for value in array.ravel().tolist()]
            return {"$": "objects", "of": cells, "shape": list(array.shape)}
        name = self.name(where, ".npy")
        with self.archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        return {"$": "array", "of": name}


class Reader:
    """Turns nodes of the JSON back into values, each member once and no array longer than its bytes."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.left = {member.filename: member for member in archive.infolist()}
        self.longest = max(_LEAST_LENGTH, sum(member.file_size for member in self.left.values()))

    def member(self, name: str) -> zipfile.ZipInfo:
        """A member that was not read before; KeyError if there is none."""
        return self.left.pop(name)

    def check_length(self, *lengths: int) -> None:
        """ValueError if an axis is longer than what the file can have held."""
        if max(lengths, default=0) > self.longest:
            raise ValueError(f"an axis of {max(lengths)} in a file of {self.longest} bytes")

    def arrow(self, name: str) -> bytes:
        """The content of an Arrow file; ValueError if reading it would take more than the file can hold."""
        content = self.archive.read(self.member(name))
        n_rows, n_values = arrow_files.measure(content)
        self.check_length(n_rows, n_values // _LEAST_BITS)
        return content

    def value(self, node: Any) -> Any:
        """The value of a node."""
        if isinstance(node, list):
            return [self.value(entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if "$" not in node:
            return {key: self.value(entry) for key, entry in node.items()}
        tag = node["$"]
        if tag == "array":
            return self.array(self.member(node["of"]))
        if tag == "objects":
            cells = [self.value(entry) for entry in node["of"]]
            self.check_length(*node["shape"])
            return np.fromiter(cells, dtype=object, count=len(cells)).reshape(node["shape"])
        if tag in _KINDS:
            return _KINDS[tag].decode(self.value(node["of"]))
        return frame_storage.decode(self, node)

    def array(self, member: zipfile.ZipInfo) -> np.ndarray:
        """The array of a member; ValueError, before any memory is taken, if it states another size."""
        form = np.lib.format
        with self.archive.open(member) as file:
            read_header = (
                form.read_array_header_1_0 if form.read_magic(file) == (1, 0) else form.read_array_header_2_0
            )
            shape, _, dtype = read_header(file)
            n_bytes = member.file_size - file.tell()
        self.check_length(*shape)
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize != n_bytes:
            raise ValueError(f"{member.filename} has {n_bytes} bytes for shape {shape} of {dtype}")
        with self.archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)


class _Kind(NamedTuple):
    """How values of a kind are written as simpler ones."""

    holds: Callable[[Any], bool]
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _of(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _time(value: Any) -> list[Any]:
    zone = getattr(value, "tz", None)
    return [int(value.asm8.view("i8")), value.unit, None if zone is None else frame_storage.zone_name(zone)]


def _timestamp(encoded: list[Any]) -> pd.Timestamp:
    count, unit, zone = encoded
    moment = pd.Timestamp(np.datetime64(count, unit))
    return moment if zone is None else moment.tz_localize("UTC").tz_convert(zone)


def _iso(value: Any) -> list[Any]:
    return [value.isoformat(), value.fold]


def _folded(kind: Any, encoded: list[Any]) -> Any:
    return kind.fromisoformat(encoded[0]).replace(fold=encoded[1])


def _bytes_of(value: np.generic) -> list[str]:
    return [value.dtype.str, value.tobytes().hex()]


# The first that holds is taken: pandas' dates are dates of the standard library too.
_KINDS: dict[str, _Kind] = {
    "detail": _Kind(
        _of(Detail),
        lambda detail: [detail.array, list(detail.dims), detail.points_to],
        lambda parts: Detail(parts[0], tuple(parts[1]), parts[2]),
    ),
    "NaT": _Kind(lambda value: value is pd.NaT, lambda value: None, lambda encoded: pd.NaT),
    "NA": _Kind(lambda value: value is pd.NA, lambda value: None, lambda encoded: pd.NA),
    "timestamp": _Kind(_of(pd.Timestamp), _time, _timestamp),
    "timedelta64": _Kind(
        _of(pd.Timedelta),
        lambda v: _time(v)[:2],
        lambda encoded: pd.Timedelta(np.timedelta64(encoded[0], encoded[1])),
    ),
    "interval": _Kind(
        _of(pd.Interval),
        lambda v: [v.left, v.right, v.closed],
        lambda encoded: pd.Interval(encoded[0], encoded[1], closed=encoded[2]),
    ),
    "period": _Kind(
        _of(pd.Period),
        lambda v: [v.ordinal, v.freqstr],
        lambda encoded: pd.Period(ordinal=encoded[0], freq=encoded[1]),
    ),
    "str": _Kind(_of(np.str_), str, np.str_),
    "bytes": _Kind(_of(bytes), lambda v: bytes(v).hex(), bytes.fromhex),
    "numpy": _Kind(
        lambda v: isinstance(v, np.generic) and v.dtype.kind in "biufcmM",
        _bytes_of,
        lambda encoded: np.frombuffer(bytes.fromhex(encoded[1]), dtype=encoded[0])[0],
    ),
    "float": _Kind(_of(float), lambda v: repr(float(v)), float),
    "datetime": _Kind(_of(datetime), _iso, lambda encoded: _folded(datetime, encoded)),
    "date": _Kind(_of(date), lambda v: v.isoformat(), date.fromisoformat),
    "time": _Kind(_of(time), _iso, lambda encoded: _folded(time, encoded)),
    "timedelta": _Kind(
        _of(timedelta), lambda v: [v.days, v.seconds, v.microseconds], lambda encoded: timedelta(*encoded)
    ),
    "decimal": _Kind(_of(Decimal), str, Decimal),
    "tuple": _Kind(_of(tuple), list, tuple),
    "dict": _Kind(_of(dict), lambda v: [list(pair) for pair in v.items()], dict),
}
