"""Arrow files in explanations: what was saved is read, what takes more than its bytes is not."""

import io
import struct

import numpy as np
import pandas as pd
import pytest

from agnostix import Explanation
from agnostix.core.explanation.arrow_files import measure
from tests.core.explanation.test_storage import archive_of, in_little_memory, made, round_trip
from tests.messages import refuses

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")


def of_polars(frame, **options):
    file = io.BytesIO()
    frame.write_ipc(file, **options)
    return file.getvalue()


def of_pyarrow(table, compression=None, chunk=None):
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(file, table.schema, options=options) as sink:
        sink.write_table(table, max_chunksize=chunk)
    return file.getvalue()


WHOLE = pl.DataFrame(
    {
        "number": [1.5, None, 3.0],
        "text": ["a", "ä" * 50, None],
        "level": pl.Series(["x", None, "y"], dtype=pl.Categorical),
        "list": [[1, 2], None, []],
        "struct": [{"a": 1}, None, {"a": 3}],
        "missing": [None, None, None],
        "money": pl.Series(["1.1", None, "2"]).cast(pl.Decimal(10, 2)),
        "flag": [True, None, False],
    }
)


@pytest.mark.parametrize(
    ("content", "n_rows"),
    [
        (of_polars(WHOLE), 3),
        (of_polars(WHOLE.clear()), 0),
        (of_polars(pl.DataFrame()), 0),
        (of_polars(pl.concat([WHOLE, WHOLE], rechunk=False)), 6),
        (of_pyarrow(pa.table({"a": range(1000)}), chunk=10), 1000),
        (of_pyarrow(pa.table({"a": range(1000)}).slice(100, 7)), 7),
        (of_pyarrow(pa.table({"a": pa.array(["x", "y"] * 500).dictionary_encode()})), 1000),
        (of_pyarrow(pa.table({"a": pa.array(["x", "y" * 99]).cast(pa.string_view())})), 2),
        (of_pyarrow(pa.table({"a": pa.nulls(10**6)})), 10**6),
        (of_pyarrow(pa.table({"a": pa.array([[1, 2], None, [3]])})), 3),
    ],
)
def test_rows_are_counted(content, n_rows):
    assert measure(content)[0] == n_rows


@pytest.mark.parametrize("n_rows", [1, 70_000])
def test_frames_that_take_few_bytes_come_back(n_rows, tmp_path):
    flags = np.arange(n_rows) % 3 == 0
    frame = pl.DataFrame({f"flag {j}": flags for j in range(10)} | {"none": [None] * n_rows})
    frame = frame.with_columns(flags=pl.Series([[True, False] * 4] * n_rows))
    back = round_trip(made(n_rows, data=frame), tmp_path).data
    assert back.equals(frame)


def test_arrow_columns_come_back(tmp_path):
    types = (pa.large_string(), pa.list_(pa.int8()), pa.null())
    columns = (["a", None] * 3, [[1, 2], None] * 3, [None] * 6)
    data = pd.DataFrame(
        {
            str(kind): pd.Series(cells, dtype=pd.ArrowDtype(kind))
            for kind, cells in zip(types, columns, strict=True)
        }
    )
    pd.testing.assert_frame_equal(round_trip(made(6, data=data), tmp_path).data, data)


ZEROS = pl.DataFrame({"a": np.zeros(20_000_000)})
LARGE = pa.table({"a": np.arange(150_000.0), **{f"b{j}": np.arange(150_000) % 2 == 0 for j in range(400)}})


def with_batches_repeated():
    """A large batch and many small ones, each of which is the large one in the footer."""
    tables = [pa.table({"a": np.arange(200_000.0)}), *[pa.table({"a": [1.0]})] * 1000]
    file = io.BytesIO()
    with pa.ipc.new_file(file, tables[0].schema) as sink:
        for table in tables:
            sink.write_table(table)
    content = bytearray(file.getvalue())
    large = struct.pack("<q", 1_600_000)
    last = content.rindex(large)  # the body of the large batch, in its entry of the footer
    entry = bytes(content[last - 16 : last + 8])
    for j in range(1, 1001):
        content[last - 16 + 24 * j : last + 8 + 24 * j] = entry
    return bytes(content)


def with_buffers_shared():
    """A large column, which all others have for their buffer."""
    content, place = bytearray(of_pyarrow(LARGE)), 0
    for _ in range(400):
        small = struct.pack("<q", 18_750)
        place = content.index(small, place + 8)
        content[place - 8 : place + 8] = struct.pack("<qq", 0, 1_200_000)
    return bytes(content)


def changed(content, old, new):
    """A file in which a whole number of 8 bytes is another, once or more."""
    old, new = (struct.pack("<q", one) for one in (old, new))
    assert old in content
    return content.replace(old, new)


BOMBS = {
    "zstd": of_polars(ZEROS, compression="zstd"),
    "lz4": of_polars(ZEROS, compression="lz4"),
    "zstd of pyarrow": of_pyarrow(pa.table({"a": np.zeros(10_000_000)}), "zstd"),
    "batches": with_batches_repeated(),
    "buffers": with_buffers_shared(),
    "nothing, often": changed(of_pyarrow(pa.table({"a": pa.nulls(12_345)})), 12_345, 1 << 40),
    "nothing in many columns": of_pyarrow(pa.table({f"{j}": pa.nulls(60_000) for j in range(2_000)})),
    "nothing in many batches": of_pyarrow(pa.table({"a": pa.nulls(10**7)}), chunk=60_000),
    "negative": changed(of_pyarrow(pa.table({"a": pa.nulls(12_345)})), 12_345, -(1 << 40)),
    "runs": of_pyarrow(
        pa.table({"a": pa.RunEndEncodedArray.from_arrays(pa.array([1 << 30], pa.int32()), pa.array([1]))})
    ),
}
FACTS = {
    **dict.fromkeys(("zstd", "lz4", "zstd of pyarrow"), "compressed"),
    "batches": "batches overlap",
    "buffers": "bytes in buffers",
    "negative": "negative length",
    **dict.fromkeys([name for name in BOMBS if name.startswith(("nothing", "runs"))], "an axis of"),
}
NODES = {
    "polars": {"$": "polars", "of": "v.arrow"},
    "pyarrow": {"$": "series", "as": "arrow", "of": "v.arrow"},
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("node", NODES)
def test_load_refuses_arrow_that_takes_more_than_its_bytes(name, node, tmp_path):
    members = {"v.arrow": BOMBS[name]}
    path = archive_of(tmp_path / "bomb.npz", {"params": {"a": NODES[node]}}, members)
    assert path.stat().st_size < 12e6
    with in_little_memory(100), refuses(ValueError, "bomb.npz", "does not hold what it should", FACTS[name]):
        Explanation.load(path)


def test_load_refuses_texts_beyond_their_bytes(tmp_path):
    content = bytearray(of_pyarrow(pa.table({"column": pa.array(["one", "two", "three"])})))
    place = content.index(struct.pack("<4i", 0, 3, 6, 11))
    content[place : place + 16] = struct.pack("<4i", 0, 3, 1 << 30, 1 << 30)
    path = archive_of(tmp_path / "a.npz", {"params": {"a": NODES["pyarrow"]}}, {"v.arrow": bytes(content)})
    with refuses(ValueError, "a.npz", "does not hold what it should", "ArrowInvalid"):
        Explanation.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"ARROW1", b"ARROW1\0\0" * 9, b"ARROW1\0\0" + bytes(99) + b"ARROW1"]
)
def test_measure_refuses_what_is_no_arrow_file(content):
    with pytest.raises(ValueError, match="Arrow file"):
        measure(content)


def test_measure_has_one_error_for_damage():
    whole, rng = of_polars(WHOLE), np.random.default_rng(0)
    n_refused = 0
    for places in rng.integers(len(whole), size=(1500, 3)):
        content = bytearray(whole)
        for place in places:
            content[place] ^= int(rng.integers(1, 256))
        try:
            measure(bytes(content))
        except ValueError:
            n_refused += 1
    assert n_refused > 150
