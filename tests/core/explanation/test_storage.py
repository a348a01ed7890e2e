"""Explanations in files: all comes back as it was, and what is no such file is told apart."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
import time
import tracemalloc
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import fields, replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agnostix import Explanation
from agnostix.core.explanation import Detail, frame_storage, storage
from tests.messages import refuses, states


def made(n_rows=4, **changes):
    rng = np.random.default_rng(0)
    told = {
        "values": rng.normal(size=(n_rows, 2, 1)),
        "base_values": np.zeros((n_rows, 1)),
        "outputs": np.ones((n_rows, 1)),
        "feature_names": ("a", "β <b>"),
        "output_names": ("y",),
        "quantity": "effect",
        "method": "features",
    }
    return Explanation(**{**told, **changes})


def round_trip(exp, folder):
    exp.save(folder / "exp.npz")
    return Explanation.load(folder / "exp.npz")


def assert_same(one, other):
    for field in fields(one):
        was, now = getattr(one, field.name), getattr(other, field.name)
        if field.name == "data":
            continue
        assert type(was) is type(now), field.name
        if field.name == "extras":
            was, now = ({k: getattr(v, "array", v) for k, v in extras.items()} for extras in (was, now))
        np.testing.assert_equal(now, was)


def test_load_returns_every_field(tmp_path):
    exp = made(
        std_errors=np.full((4, 2, 1), 0.1),
        row_names=("a", 1, (2, "x"), dt.date(2024, 2, 29)),
        params={
            "tol": float("inf"),
            "miss": float("nan"),
            "groups": {"$": [1, None, True]},
            "deep": {"x": 1.5},
        },
        fidelity={"r2/√": np.full((4, 1), 0.5), "r2_√": np.full((4, 1), 0.25)},
        n_model_rows=12,
        extras={
            "classes": Detail(np.array(["no", None, 3, ("t",)], dtype=object), ("row",)),
            "small": Detail(np.arange(3, dtype=np.float16), ("place",)),
            "names": Detail(np.array(["ä", "bc"]), ("feature",)),
            "flags": Detail(np.array([[True], [False]]), ("place", "sign")),
            "when": Detail(np.array(["2024-01-01", "NaT"], dtype="M8[D]"), ("feature",)),
            "scalar": Detail(np.array(3), ()),
            "owners": Detail(np.array([1, 0, -1]), ("token",), points_to="feature"),
            "list": [1, {"a": None}],
        },
    )
    back = round_trip(exp, tmp_path)
    assert_same(exp, back)
    for key, value in exp.extras.items():
        if isinstance(value, Detail):
            now = back.extras[key]
            assert (now.array.dtype, now.dims, now.points_to) == (
                value.array.dtype,
                value.dims,
                value.points_to,
            )
    assert not back.values.flags.writeable
    assert back.data is None


BERLIN = "Europe/Berlin"
COLUMNS = {
    "float": np.array([1.5, np.nan, np.inf, -0.0]),
    "float32": np.array([1.5, np.nan, 3, 4], dtype=np.float32),
    "int8": np.array([1, 2, 3, 4], dtype=np.int8),
    "uint64": np.array([1, 2, 3, 2**64 - 1], dtype=np.uint64),
    "bool": np.array([True, False, True, False]),
    "complex": np.array([1j, 2, 3, 4]),
    "str": pd.Series(["a", None, "", "ä\n"]),
    "string": pd.array(["a", pd.NA, "", "ä"], dtype="string"),
    "python strings": pd.array(["a", pd.NA, "", "ä"], dtype=pd.StringDtype("python")),
    "object": pd.Series(["a", None, np.nan, 3], dtype=object),
    "mixed": pd.Series([True, 2**70, (1, [2.5]), {"k": pd.NA, 3: b"\x00"}], dtype=object),
    "numpy scalars": pd.Series([np.float32(1.5), np.int8(3), np.datetime64("2024-01-01", "D"), np.str_("")],
                               dtype=object),
    "moments": pd.Series([dt.datetime(2024, 1, 1, 3), dt.date(2024, 1, 1), dt.time(3, 4), dt.timedelta(1, 2)],
                         dtype=object),
    "pandas scalars": pd.Series([pd.NaT, pd.Timestamp("2024-01-01", tz="Europe/Berlin"), pd.Timedelta("1h"),
                                 pd.Period("2024-01", "M")], dtype=object),
    "decimals": pd.Series([Decimal("1.10"), pd.Interval(0, 1, closed="left"), b"ab", ""], dtype=object),
    "Int64": pd.array([1, None, 2**62, 4], dtype="Int64"),
    "UInt8": pd.array([1, None, 3, 4], dtype="UInt8"),
    "Float32": pd.array([1.5, None, 3, 4], dtype="Float32"),
    "boolean": pd.array([True, None, False, True], dtype="boolean"),
    "category": pd.Categorical(["a", None, "b", "a"], categories=["b", "a", "unused"]),
    "ordered": pd.Categorical([3, 1, None, 3], categories=[3, 1, 2], ordered=True),
    "binned": pd.cut([0.1, 0.9, np.nan, 0.5], [0, 0.5, 1]),
    "date categories": pd.Categorical(pd.to_datetime(["2024-01-01", None, "2023-01-01", "2024-01-01"])),
    "date ns": pd.Series(pd.to_datetime(["2024-01-01", None, "2023-01-01", "2024-01-01"])).astype("M8[ns]"),
    "date s": np.array(["0001-01-01", "NaT", "2024-01-01", "9999-01-01"], dtype="M8[s]"),
    "zoned": pd.Series(pd.to_datetime(["2024-03-31 01:30", None] * 2, utc=True))
    .dt.tz_convert(BERLIN),
    "offset": pd.Series(pd.to_datetime(["2024-03-31 01:30+05:30"] * 4)),
    "timedelta": pd.Series(pd.to_timedelta([1, None, 3, 4], unit="h")),
    "period": pd.Series(pd.PeriodIndex(["2024-01", "NaT", "2024-03", "2024-04"], freq="M")),
    "interval": pd.arrays.IntervalArray.from_tuples([(0, 1), (1, 2), np.nan, (3, 4)], closed="both"),
    "sparse": pd.arrays.SparseArray([0.0, 0.0, 1.0, 0.0], fill_value=0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_load_returns_pandas_column(name, tmp_path):
    data = pd.DataFrame({name: COLUMNS[name], "other": range(4)})
    back = round_trip(made(data=data), tmp_path).data
    pd.testing.assert_frame_equal(back, data, check_column_type="exact")
    for was, now in zip(data[name].array, back[name].array, strict=True):
        assert type(was) is type(now)
        assert repr(was) == repr(now)
    assert back[name].dtype == data[name].dtype


def test_load_returns_arrow_columns(tmp_path):
    pa = pytest.importorskip("pyarrow")
    data = pd.DataFrame(
        {
            "list": pd.Series([[1, 2], None, [], [3]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
            "text": pd.Series(["a", None, "b", "c"], dtype=pd.ArrowDtype(pa.string())),
            "string": pd.array(["a", pd.NA, "", "ä"], dtype="string[pyarrow]"),
        }
    )
    pd.testing.assert_frame_equal(round_trip(made(data=data), tmp_path).data, data)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(3, -5, -2, name="n"),
        pd.Index([3, 1, 3, 1], name="repeated"),
        pd.Index(["a", "b", None, "d"]),
        pd.date_range("2024-01-01", periods=4, tz="UTC", freq="D", name="day"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", 3)], names=["x", None]),
        pd.CategoricalIndex(["a", "b", "a", "b"], name=("tuple", 1)),
        pd.Index([(1, 2), (1, 3), (2,), ()], tupleize_cols=False),
    ],
)
def test_load_returns_index(index, tmp_path):
    data = pd.DataFrame({"a": range(4)}, index=index)
    back = round_trip(made(data=data), tmp_path).data
    pd.testing.assert_frame_equal(back, data, check_freq=False, check_index_type="exact")
    assert type(back.index) is type(index)


@pytest.mark.parametrize(
    "names",
    [
        pd.Index([1, 2]),
        pd.Index(["x", 3], dtype=object, name="n"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]),
    ],
)
def test_load_returns_column_labels(names, tmp_path):
    data = pd.DataFrame(np.zeros((4, 2)), columns=names)
    pd.testing.assert_frame_equal(round_trip(made(data=data), tmp_path).data, data, check_column_type="exact")


@pytest.mark.parametrize("columns", [[], ["a", "a"]])
def test_load_returns_no_columns_and_repeated_names(columns, tmp_path):
    data = pd.DataFrame(np.zeros((4, len(columns))), columns=columns, index=list("aabb"))
    pd.testing.assert_frame_equal(round_trip(made(data=data), tmp_path).data, data)


@pytest.mark.parametrize(
    "data",
    [
        np.arange(8, dtype=np.float32).reshape(4, 2),
        np.array([["a", 1.5], [None, 2], [np.nan, "b"], [True, "c"]], dtype=object),
        np.arange(4 * 6 * 6, dtype=np.uint8).reshape(4, 6, 6, 1),
        np.asfortranarray(np.arange(8.0).reshape(4, 2)),
    ],
)
def test_load_returns_arrays(data, tmp_path):
    back = round_trip(made(data=data), tmp_path).data
    assert back.dtype == data.dtype
    np.testing.assert_equal(back.tolist(), data.tolist())


@pytest.mark.parametrize("n_rows", [0, 1])
def test_load_returns_no_rows_and_one_row(n_rows, tmp_path):
    data = pd.DataFrame({name: pd.Series(column).iloc[:n_rows] for name, column in COLUMNS.items()})
    back = round_trip(made(n_rows, data=data), tmp_path)
    assert len(back) == n_rows
    pd.testing.assert_frame_equal(back.data, data)


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters()), st.binary(),
    st.datetimes(), st.dates(), st.times(), st.timedeltas(), st.decimals(allow_nan=False),
    st.tuples(st.integers(), st.text()),
)  # fmt: skip


@given(st.recursive(CELLS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_load_returns_any_cell(tmp_path, cell):
    data = pd.DataFrame({"cell": pd.Series([cell], dtype=object)})
    back = round_trip(made(1, data=data), tmp_path).data["cell"].array[0]
    assert repr(back) == repr(cell)


def polars_frame(pl):
    return pl.DataFrame(
        {
            "float": [1.5, None, float("nan"), 2.0],
            "text": ["a", None, "", "ä"],
            "level": pl.Series(["lo", "hi", None, "lo"], dtype=pl.Enum(["lo", "hi", "never"])),
            "town": pl.Series(["x", None, "y", "x"], dtype=pl.Categorical),
            "small": pl.Series([1, None, 3, 4], dtype=pl.UInt8),
            "day": [dt.date(2024, 1, 1), None, dt.date(1, 1, 1), dt.date(9999, 1, 1)],
            "moment": pl.Series([dt.datetime(2024, 1, 1)] * 4, dtype=pl.Datetime("ms", "Europe/Berlin")),
            "list": [[1], None, [], [2, 3]],
        }
    )


def test_load_returns_polars_as_polars(tmp_path):
    pl = pytest.importorskip("polars")
    from polars.testing import assert_frame_equal

    back = round_trip(made(data=polars_frame(pl)), tmp_path).data
    assert_frame_equal(back, polars_frame(pl), categorical_as_str=False)


def test_load_polars_without_polars_gives_pandas(tmp_path, monkeypatch):
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    made(data=polars_frame(pl)).save(tmp_path / "exp.npz")
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "polars", None)
        with pytest.warns(UserWarning, match=states("polars", "pandas")) as told:
            back = Explanation.load(tmp_path / "exp.npz").data
    assert told[0].filename == __file__
    assert isinstance(back, pd.DataFrame)
    assert back["level"].cat.categories.tolist() == ["lo", "hi", "never"]
    assert back["text"].tolist()[3] == "ä"


def test_unsigned_codes_of_arrow_become_signed():
    pa = pytest.importorskip("pyarrow")
    codes = pa.array([0, 1, None, 0], type=pa.uint32())
    table = pa.table({"level": pa.DictionaryArray.from_arrays(codes, ["lo", "hi"]), "n": [1, 2, 3, 4]})
    signed = frame_storage._with_signed_codes(table, pa)
    assert signed.column("level").type.index_type == pa.int64()
    frame = signed.to_pandas()
    assert frame["level"].astype(object).fillna("none").tolist() == ["lo", "hi", "none", "lo"]
    assert frame["level"].cat.categories.tolist() == ["lo", "hi"]
    assert frame["n"].tolist() == [1, 2, 3, 4]


def test_load_polars_without_polars_and_pyarrow_omits_data(tmp_path, monkeypatch):
    pl = pytest.importorskip("polars")
    exp = made(data=polars_frame(pl))
    exp.save(tmp_path / "exp.npz")
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "polars", None)
        context.setitem(sys.modules, "pyarrow", None)
        with pytest.warns(UserWarning, match=states("neither polars nor pyarrow", "left out")):
            back = Explanation.load(tmp_path / "exp.npz")
    assert back.data is None
    assert_same(exp, back)


def test_load_polars_that_pandas_cannot_hold_omits_data(tmp_path, monkeypatch):
    pl = pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")

    def fail(content):
        raise pa.ArrowTypeError("no such type")

    made(data=polars_frame(pl)).save(tmp_path / "exp.npz")
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "polars", None)
        context.setattr(pa.ipc, "open_file", fail)
        with pytest.warns(UserWarning, match=states("pandas", "no such type", "left out")):
            assert Explanation.load(tmp_path / "exp.npz").data is None


# What cannot be written


class Thing:
    pass


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (pd.DataFrame({"a": [Thing()]}), "data.0 holds"),
        (np.array([[Thing(), 1]], dtype=object), "data holds"),
    ],
)
def test_save_refuses_what_needs_pickle_and_leaves_no_file(data, place, tmp_path):
    with refuses(TypeError, place, "Thing", "pickle", "replace(explanation, data=...)"):
        made(1, data=data).save(tmp_path / "exp.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["row_names", "extras"])
def test_save_error_names_field_to_replace(field, tmp_path):
    value = (frozenset(),) if field == "row_names" else {"x": Detail(np.array([Thing()]), ("free",))}
    with refuses(TypeError, field, f"replace(explanation, {field}=...)"):
        made(1, **{field: value}).save(tmp_path / "exp.npz")


def test_save_failed_keeps_old_file(tmp_path):
    exp = made(1)
    exp.save(tmp_path / "exp.npz")
    before = (tmp_path / "exp.npz").read_bytes()
    with pytest.raises(TypeError):
        replace(exp, data=pd.DataFrame({"a": [Thing()]})).save(tmp_path / "exp.npz")
    assert (tmp_path / "exp.npz").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_save_refuses_polars_objects(tmp_path):
    pl = pytest.importorskip("polars")
    data = pl.DataFrame({"a": pl.Series([Thing()], dtype=pl.Object)})
    with refuses(TypeError, "data", "Arrow", "polars"):
        made(1, data=data).save(tmp_path / "exp.npz")


# The file itself


def test_save_equal_explanations_give_equal_npz_files(tmp_path):
    exp = made(data=pd.DataFrame({"a": range(4)}))
    exp.save(tmp_path / "one.npz")
    exp.save(str(tmp_path / "two"))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two").read_bytes()
    with np.load(tmp_path / "one.npz") as archive:
        np.testing.assert_array_equal(archive["values"], exp.values)
    with zipfile.ZipFile(tmp_path / "one.npz") as archive:
        head = json.loads(archive.read(storage.TEXT))
    assert head["format"] == "agnostix.Explanation"
    assert head["schema"] == 2


def test_load_refuses_truncated_file(tmp_path):
    exp = made(data=pd.DataFrame({"a": list("abcd")}))
    exp.save(tmp_path / "exp.npz")
    whole = (tmp_path / "exp.npz").read_bytes()
    for length in [*range(4, len(whole), max(1, len(whole) // 60)), len(whole) - 1]:
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with refuses(ValueError, "cut.npz", "damaged", "cut off"):
            Explanation.load(tmp_path / "cut.npz")


def test_load_changed_byte_is_detected_or_harmless(tmp_path):
    exp = made(data=pd.DataFrame({"a": list("abcd")}))
    exp.save(tmp_path / "exp.npz")
    whole = bytearray((tmp_path / "exp.npz").read_bytes())
    told = 0
    for place in range(0, len(whole), 3):
        changed = whole.copy()
        changed[place] ^= 0xFF
        (tmp_path / "changed.npz").write_bytes(changed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                back = Explanation.load(tmp_path / "changed.npz")
        except ValueError:
            told += 1
        else:
            assert_same(exp, back)
    assert told > 0.5 * len(whole) / 3


def test_load_refuses_empty_and_other_files(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with refuses(ValueError, str(tmp_path / "a"), "empty", "Explanation.save"):
        Explanation.load(tmp_path / "a")
    (tmp_path / "b").write_text("hello")
    with refuses(ValueError, str(tmp_path / "b"), "no .npz archive", "Explanation.save"):
        Explanation.load(tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        Explanation.load(tmp_path / "c")


@pytest.mark.parametrize("text", [None, b"{}", b"[]", b"no json", b"\xff", b'{"format": "other"}'])
def test_load_refuses_foreign_archive(text, tmp_path):
    np.savez(tmp_path / "foreign.npz", values=np.zeros(3))
    if text is not None:
        with zipfile.ZipFile(tmp_path / "foreign.npz", "a") as archive:
            archive.writestr(storage.TEXT, text)
    with refuses(ValueError, "foreign.npz", "archive", "not one that Explanation.save wrote"):
        Explanation.load(tmp_path / "foreign.npz")


def rewritten(folder, change):
    """The file of an explanation, its text changed."""
    made(data=pd.DataFrame({"a": range(4)})).save(folder / "exp.npz")
    with zipfile.ZipFile(folder / "exp.npz") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(parts[storage.TEXT])
    change(head)
    parts[storage.TEXT] = json.dumps(head).encode()
    with zipfile.ZipFile(folder / "exp.npz", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return folder / "exp.npz"


@pytest.mark.parametrize(
    ("schema", "remedy"), [(3, "Install a later agnostix"), (1, "Explain the rows again"), (None, "Install")]
)
def test_load_refuses_other_schema(schema, remedy, tmp_path):
    path = rewritten(tmp_path, lambda head: head.update(schema=schema, agnostix="9.1"))
    with refuses(ValueError, "agnostix 9.1", f"form {schema}", "form 2", remedy):
        Explanation.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.pop("fields"),
        lambda head: head["fields"].pop("values"),
        lambda head: head["fields"].update(values={"$": "array", "of": "gone.npy"}),
        lambda head: head["fields"].update(values={"$": "unheard of", "of": 1}),
        lambda head: head["fields"].update(values=[1.0]),
        lambda head: head["fields"].update(more=1),
        lambda head: head["fields"]["data"].update(series=[{"$": "series", "as": "numpy"}]),
    ],
)
def test_load_refuses_text_that_does_not_fit_arrays(change, tmp_path):
    with refuses(ValueError, "exp.npz", "does not hold what it should"):
        Explanation.load(rewritten(tmp_path, change))


def test_load_never_unpickles(tmp_path):
    path = rewritten(tmp_path, lambda head: None)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    np.save(tmp_path / "evil.npy", np.array([Thing()], dtype=object), allow_pickle=True)
    parts["values.npy"] = (tmp_path / "evil.npy").read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with refuses(ValueError, "exp.npz", "does not hold what it should", "allow_pickle"):
        Explanation.load(path)


# Files made to do harm: one ValueError, soon, and little memory


def archive_of(path, head, members=(), compression=zipfile.ZIP_DEFLATED):
    """A file of this JSON (bytes, or fields) and members by name."""
    if not isinstance(head, bytes):
        head = json.dumps({"format": storage.FORMAT, "schema": 2, "agnostix": "1", "fields": head}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in dict(members).items():
            archive.writestr(name, content)
        archive.writestr(storage.TEXT, head, compression)
    return path


def header_of(shape, descr="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


@contextmanager
def in_little_memory(most=400):
    """Fail if what runs takes more than `most` MB, or 20 s."""
    tracemalloc.start()
    start = time.process_time()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most * 1e6
        assert time.process_time() - start < 20.0
    finally:
        tracemalloc.stop()


ARRAY = {"$": "array", "of": "v.npy"}
BOMBS = {
    "nested far": (
        {"values": 1},
        b'{"format": "agnostix.Explanation", "schema": 2, "fields": ' + b"[" * 500_000,
    ),
    "lists": ({}, b'{"format": "agnostix.Explanation", "schema": 2, "fields": {"a": [' + b"[]," * 20_000_000),
    "lists in a shorter text": (
        {},
        b'{"format": "agnostix.Explanation", "schema": 2, "fields": {"a": [' + b"[]," * 10_000_000 + b"0]}}",
    ),
    "spaces": ({}, b" " * 200_000_000),
    "huge array": ({"values": ARRAY}, {"v.npy": header_of((1 << 40,))}),
    "huge array of short axes": ({"values": ARRAY}, {"v.npy": header_of((60_000, 4_000))}),
    "huge empty array": ({"values": ARRAY}, {"v.npy": header_of((0, 1 << 40))}),
    "array of nothing": ({"values": ARRAY}, {"v.npy": header_of((1 << 40,), "<U0")}),
    "array read again and again": ({"values": [ARRAY] * 100_000}, {"v.npy": header_of((100,)) + b"0" * 800}),
    "long range": ({"row_names": {"$": "range", "of": [0, 1 << 60, 1], "name": None}}, {}),
    "range that fits the memory": (
        {"row_names": {"$": "range", "of": [0, 1 << 26, 1], "name": None}},
        {},
    ),
    "objects of nothing": ({"values": {"$": "objects", "of": [], "shape": [0, 1 << 40]}}, {}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_load_refuses_bomb(name, tmp_path):
    fields, rest = BOMBS[name]
    is_text = isinstance(rest, bytes)
    path = archive_of(tmp_path / "bomb.npz", rest if is_text else fields, () if is_text else rest)
    assert path.stat().st_size < 1e6
    with in_little_memory(), refuses(ValueError, "bomb.npz"):
        Explanation.load(path)


def test_load_refuses_compressed_member(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v.npy", header_of((10_000_000,)) + bytes(80_000_000))
        archive.writestr(storage.TEXT, b"{}")
    with in_little_memory(50), refuses(ValueError, "bomb.npz", "damaged", "v.npy", "compressed"):
        Explanation.load(path)


def test_load_refuses_overlapping_members(tmp_path):
    path = archive_of(tmp_path / "bomb.npz", {}, {f"{j:03}.npy": bytes(100_000) for j in range(40)})
    whole = bytearray(path.read_bytes())
    start = whole.index(b"PK\x01\x02")
    for _ in range(40):  # every entry of the directory leads to the first member
        whole[start + 42 : start + 46] = bytes(4)
        whole[start + 20 : start + 28] = (4_000_000).to_bytes(4, "little") * 2
        start = whole.index(b"PK\x01\x02", start + 4)
    path.write_bytes(whole)
    with in_little_memory(50), refuses(ValueError, "bomb.npz", "damaged", "overlap"):
        Explanation.load(path)


DAMAGED = {
    "OverflowError": {"$": "timedelta", "of": [10**12, 0, 0]},
    "InvalidOperation": {"$": "decimal", "of": "one"},
    "ZeroDivisionError": {"$": "range", "of": [0, 1, 0], "name": None},
    "RecursionError": None,
    "polars": {"$": "polars", "of": "v.npy"},
    "pyarrow": {"$": "series", "as": "arrow", "of": "v.npy"},
    "TypeError": {"$": "dict", "of": [[[], 1]]},
    "OutOfBounds": {"$": "timestamp", "of": [1 << 62, "s", "UTC"]},
    "zone": {"$": "timestamp", "of": [0, "ns", "Nowhere/City"]},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_load_has_one_error_for_what_is_damaged(name, tmp_path):
    if name in ("polars", "pyarrow"):
        pytest.importorskip(name)
    node = DAMAGED[name]
    for _ in range(0 if node else 900):
        node = [node]
    path = archive_of(tmp_path / "damaged.npz", {"params": {"a": node}}, {"v.npy": b"ARROW1\0\0" * 9})
    with refuses(ValueError, "damaged.npz", "does not hold what it should"):
        Explanation.load(path)


@pytest.mark.parametrize("error", [MemoryError, BaseException("panic"), RuntimeError])
def test_load_has_one_error_for_whatever_building_raises(error, tmp_path):
    made(1).save(tmp_path / "a.npz")

    def build(**fields):
        raise error

    with refuses(ValueError, "a.npz", "does not hold what it should"):
        storage.read(tmp_path / "a.npz", build)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ImportError("No module named 'pyarrow'")])
def test_load_lets_pass_what_says_nothing_of_the_file(error, tmp_path):
    made(1).save(tmp_path / "a.npz")

    def build(**fields):
        raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        storage.read(tmp_path / "a.npz", build)


@pytest.mark.parametrize(
    "data",
    [
        np.full((400_000, 3), "x", dtype=object),
        pd.DataFrame({"a": [[]] * 30_000}),
        pd.DataFrame({"a": pd.array([",[{" * 9_000] * 300, dtype="string")}),
        pd.DataFrame({"a": [{"k": 1}] * 20_000}),
    ],
)
def test_load_reads_all_that_save_wrote(data, tmp_path):
    back = round_trip(made(len(data), data=data), tmp_path)
    np.testing.assert_equal(np.asarray(back.data), np.asarray(data))
