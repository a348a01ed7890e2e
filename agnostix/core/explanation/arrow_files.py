"""Arrow files checked before they are read: how much memory they take, without a library that reads them.

An Arrow file has its batches in blocks, which the footer lists. A batch states its rows, and the place and
length of each of its buffers, in a flatbuffer. Polars and pyarrow trust these numbers and decompress whatever
is marked as compressed; `Explanation.save` compresses nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_MAGIC = b"ARROW1"
_DICTIONARY, _RECORDS = 2, 3
"""Kinds of batches: levels of categories, and rows."""
_BLOCK = struct.Struct("<qi4xq")  # offset, length of the metadata, length of the body
_PAIR = struct.Struct("<qq")  # length and nulls of a node; offset and length of a buffer


def measure(content: bytes) -> tuple[int, int]:
    """Rows, and values of all columns, that a file states; ValueError if its bytes cannot hold them."""
    try:
        return _measure(memoryview(content))
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"an Arrow file that is damaged ({error})") from error


def _measure(content: memoryview) -> tuple[int, int]:
    (length,) = struct.unpack_from("<i", content, len(content) - len(_MAGIC) - 4)
    start = len(content) - len(_MAGIC) - 4 - length
    if bytes(content[: len(_MAGIC)]) != _MAGIC or bytes(content[-len(_MAGIC) :]) != _MAGIC or start < 0:
        raise ValueError("no Arrow file")
    footer = _Table.root(content[start : start + length])
    blocks = [_BLOCK.unpack(entry) for field in (2, 3) for entry in footer.structs(field, _BLOCK.size)]
    if sum(metadata + body for _, metadata, body in blocks) > len(content):
        raise ValueError("an Arrow file whose batches overlap")
    batches = [_measure_batch(content, *block) for block in blocks]
    return sum(n_rows for n_rows, _ in batches), sum(n_values for _, n_values in batches)


def _measure_batch(content: memoryview, offset: int, n_metadata: int, n_body: int) -> tuple[int, int]:
    """Rows, 0 for levels of categories, and values of all columns that a batch states."""
    if min(offset, n_metadata, n_body) < 0 or offset + n_metadata + n_body > len(content):
        raise ValueError("an Arrow file with a batch beyond its end")
    message = _Table.root(content[offset + 8 : offset + n_metadata])
    kind, header = message.number(1, "<B"), message.table(2)
    batch = header.table(1) if kind == _DICTIONARY else header
    if kind not in (_DICTIONARY, _RECORDS):
        raise ValueError(f"an Arrow file with a batch of kind {kind}")
    if batch.place(3):
        raise ValueError("an Arrow file that is compressed")
    n_buffers = sum(_PAIR.unpack(entry)[1] for entry in batch.structs(2, _PAIR.size))
    if n_buffers > n_body:
        raise ValueError(f"an Arrow file whose batch has {n_buffers} bytes in buffers and {n_body} in all")
    lengths = [_PAIR.unpack(entry)[0] for entry in batch.structs(1, _PAIR.size)]
    n_rows = batch.number(0, "<q")
    if min([n_rows, *lengths]) < 0:
        raise ValueError("an Arrow file with a batch of a negative length")
    return n_rows if kind == _RECORDS else 0, sum(lengths)


class _Table(NamedTuple):
    """A table of a flatbuffer, whose fields are numbered."""

    data: memoryview
    start: int

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        """The outermost table."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def place(self, field: int) -> int:
        """Where a field is; 0 if it has its default."""
        entries = self.start - struct.unpack_from("<i", self.data, self.start)[0]
        (size,) = struct.unpack_from("<H", self.data, _not_negative(entries))
        entry = 4 + 2 * field
        if entry + 2 > size:
            return 0
        (offset,) = struct.unpack_from("<H", self.data, entries + entry)
        return self.start + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        """A field that is a number."""
        place = self.place(field)
        return int(struct.unpack_from(form, self.data, place)[0]) if place else 0

    def table(self, field: int) -> _Table:
        """A field that is a table."""
        place = self.place(field)
        if not place:
            raise ValueError("an Arrow file without a part that it needs")
        return _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0])

    def structs(self, field: int, size: int) -> Iterator[memoryview]:
        """The entries of a field that is a vector of structs of a size."""
        place = self.place(field)
        if not place:
            return
        place += struct.unpack_from("<I", self.data, place)[0]
        (count,) = struct.unpack_from("<I", self.data, place)
        if place + 4 + count * size > len(self.data):
            raise ValueError("an Arrow file with a vector beyond its end")
        for j in range(count):
            yield self.data[place + 4 + j * size : place + 4 + (j + 1) * size]


def _not_negative(place: int) -> int:
    """A place; IndexError if it is before the start, from which Python would count backwards."""
    if place < 0:
        raise IndexError("a place before the start")
    return place
