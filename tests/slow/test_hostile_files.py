"""Files that are damaged or made to do harm, tables and options typed wrong, names that break out of a format."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import stat
import struct
import sys
import warnings
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    Explanation,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    RiseExplainer,
    WhatIfReport,
)
from agnostix.cli import main
from agnostix.cli.loading import load_model, load_table
from agnostix.core.explanation import Detail, storage
from agnostix.maskers import SegmentMasker, TextMasker
from tests.slow.hostile import Case, assert_well

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
skops = pytest.importorskip("skops.io")

pytestmark = pytest.mark.slow
FILE_ERRORS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, OSError)

# Archives


def total(X):
    """The sum of all numbers, or the length of texts."""
    if isinstance(X, pd.DataFrame):
        return X["a"].to_numpy(float)
    X = np.asarray(X)
    return np.array([len(one) for one in X]) if X.ndim == 1 else X.reshape(len(X), -1).astype(float).sum(axis=1)


def explanations():
    """One of every explainer, on what it takes."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=30), "b\n": rng.integers(0, 5, 30), "c": ["x", "ü", None] * 10})
    table.index = pd.Index([f"person {j}" for j in range(30)], name="who")
    arrow = table.reset_index(drop=True).convert_dtypes(dtype_backend="pyarrow")
    polars = pl.DataFrame({"a": rng.normal(size=30), "c": ["x", None, "y"] * 10})
    pictures, texts = rng.integers(0, 256, (3, 6, 5, 3)).astype(np.uint8), ["good food", "bad, bad service", "日 本"]
    made = {
        "occlusion": (OcclusionExplainer(total, random_state=0), table),
        "shapley": (KernelShapExplainer(total, random_state=0), arrow),
        "lime": (LimeExplainer(total, n_samples=64, random_state=0), table),
        "tree": (MimicTree(total, random_state=0), table),
        "polars": (OcclusionExplainer(lambda X: X["a"].to_numpy(), random_state=0), polars),
        "pictures": (KernelShapExplainer(total, masker=SegmentMasker(n_segments=4)), pictures),
        "windows": (RiseExplainer(total, n_masks=32, random_state=0), pictures),
        "texts": (LimeExplainer(total, masker=TextMasker(), n_samples=64, random_state=0), texts),
    }
    return {name: explainer.fit(X).explain(X[:3]) for name, (explainer, X) in made.items()}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Paths of explanations that were saved, with what they hold."""
    folder = tmp_path_factory.mktemp("archives")
    saved = {}
    for name, explanation in explanations().items():
        explanation.save(folder / f"{name}.npz")
        saved[name] = (folder / f"{name}.npz", explanation)
    return saved


def plain(value):
    """What can be compared by equality."""
    if isinstance(value, Detail):
        return ["Detail", plain(value.array), value.dims, value.points_to]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, repr(value.tolist())]
    if isinstance(value, pd.DataFrame):
        return [value.dtypes.astype(str).tolist(), repr(value.to_dict("list")), repr(value.index)]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, pl.DataFrame):
        return [repr(value.schema), repr(value.to_dict(as_series=False))]
    return repr(value)


def difference(found, known):
    """The first field in which two explanations differ."""
    for name in ("values", "std_errors", "base_values", "outputs", "data", "feature_names", "output_names", "row_names",
                 "quantity", "method", "params", "fidelity", "n_model_rows", "extras"):  # fmt: skip
        if plain(getattr(found, name)) != plain(getattr(known, name)):
            return f"{name} differ: {getattr(found, name)!r}, not {getattr(known, name)!r}"[:500]
    return None


def damage(rng, content):
    """Bytes that were flipped, cut, doubled, moved or written over."""
    content, place = bytearray(content), int(rng.integers(len(content)))
    length = int(rng.choice([1, 2, 8, 64, 1000]))
    kind = str(rng.choice(["flip", "flip", "flip", "cut", "cut start", "drop", "double", "zeros", "noise", "append"]))
    if kind == "flip":
        for one in rng.integers(len(content), size=int(rng.integers(1, 5))):
            content[one] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del content[place:]
    elif kind == "cut start":
        del content[:place]
    elif kind == "drop":
        del content[place : place + length]
    elif kind == "double":
        content[place:place] = content[place : place + length]
    elif kind == "append":
        content += content[place : place + length]
    else:
        own = bytes(length) if kind == "zeros" else rng.bytes(length)
        content[place : place + length] = own[: len(content) - place]
    return kind, bytes(content)


def load(path):
    """An explanation, or the one error for what is damaged, without the warnings of zipfile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return Explanation.load(path)
        except ValueError as error:
            if str(error).startswith(str(path)) and "\n" not in str(error):
                return error
            raise


def damaged_archives(archives, folder):
    rng = np.random.default_rng(17)
    for number in range(200):
        name = list(archives)[number % len(archives)]
        whole, known = archives[name]
        kind, content = damage(rng, whole.read_bytes())
        path = folder / f"damaged{number}.npz"
        path.write_bytes(content)
        yield Case(
            f"{kind} of {name}, {number}",
            lambda path=path: load(path),
            lambda found, known=known: None if isinstance(found, ValueError) else difference(found, known),
            watched=(path,),
        )


def test_damaged_archives(archives, tmp_path):
    for path, known in archives.values():
        assert difference(Explanation.load(path), known) is None
    assert_well(damaged_archives(archives, tmp_path), 200)


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content, compression)


def numbered(value, number=0):
    """Every node of a JSON, with a function that gives the JSON with another in its place."""
    yield value, lambda other: other
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        for node, put in numbered(inner):

            def replaced(other, key=key, put=put):
                copy = value.copy()
                copy[key] = put(other)
                return copy

            yield node, replaced


WRONG_NODES = (
    None, True, -1, 10**30, 1e308, "", "x" * 100_000, [], {}, [[]], {"$": "no"}, {"$": 3}, {"$": "array"}, {"$": "array", "of": "values.npy"},
    {"$": "array", "of": "../../etc/passwd"}, {"$": "array", "of": ["values.npy"]}, {"$": "numpy", "of": ["O", "00"]},
    {"$": "numpy", "of": ["<f8", ""]}, {"$": "objects", "of": [1], "shape": [1 << 60]}, {"$": "objects", "of": [1], "shape": [-1]},
    {"$": "float", "of": "1" * 10_000}, {"$": "float", "of": "nan"}, {"$": "decimal", "of": "1e999999999999"},
    {"$": "timestamp", "of": [1, "generic", None]}, {"$": "period", "of": [1 << 62, "D"]}, {"$": "tuple", "of": None},
    {"$": "dict", "of": [[1]]}, {"$": "detail", "of": [1, 2, 3]}, {"$": "multi", "of": [], "names": []},
    {"$": "range", "of": [0, 1 << 70, 1], "name": None}, {"$": "polars", "of": "values.npy"}, {"$": "pandas"},
    {"$": "series", "as": "category", "of": [0], "categories": None, "ordered": 1},
    {"$": "series", "as": "period", "of": {"$": "array", "of": "values.npy"}, "dtype": "period[" + "D" * 9999 + "]"},
    {"$": "series", "as": "zoned", "of": [], "zone": "/etc/passwd"}, {"$": "interval", "of": [1, 0, "left"]},
)  # fmt: skip


def is_usable(found):
    """Whether what was loaded is an explanation whose parts fit each other."""
    if isinstance(found, ValueError):
        return None
    try:
        repr(found), found.to_frame(), found[:1], found.save(os.path.join(os.environ["TMPDIR"], "again.npz"))
        os.remove(os.path.join(os.environ["TMPDIR"], "again.npz"))
    except Exception as error:
        return f"loaded, but {error!r} in use"
    return None


def rewritten_archives(archives, folder):
    """Archives with whole members and a sound checksum, whose text or arrays are not as they were."""
    rng = np.random.default_rng(18)
    names = list(archives)
    for number in range(200):
        name = names[number % len(names)]
        members = members_of(archives[name][0])
        head = json.loads(members[storage.TEXT])
        kind = ("node", "node", "node", "swap", "foreign", "header", "schema", "drop")[number // len(names) % 8]
        arrays = [one for one in members if one.endswith(".npy")]
        if kind == "node":
            nodes = list(numbered(head["fields"]))
            node, put = nodes[int(rng.integers(len(nodes)))]
            head["fields"] = put(WRONG_NODES[int(rng.integers(len(WRONG_NODES)))])
        elif kind == "swap" and len(arrays) > 1:
            one, other = rng.choice(arrays, 2, replace=False)
            members[one], members[other] = members[other], members[one]
        elif kind == "foreign":
            others = members_of(archives[names[int(rng.integers(len(names)))]][0])
            members |= {key: others[key] for key in others if key != storage.TEXT}
        elif kind == "header":
            one = str(rng.choice(arrays))
            dtype = str(rng.choice(["<f8", "|O", "<U1000000", "|V0", "<M8[s]", ">c16", "|b1", "nonsense", "<f8, <f8"]))
            shape = [(1 << 40,), (-1,), (2, 2), (), (0, 1 << 50), (3, 3, 1)][int(rng.integers(6))]
            text = repr({"descr": dtype, "fortran_order": bool(rng.integers(2)), "shape": shape}).encode()
            members[one] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n" + bytes(24)
        elif kind == "schema":
            head["schema"] = [0, 1, 3, None, "2", 2.5, [2], 10**40, True][int(rng.integers(9))]
        else:
            members.pop(str(rng.choice(arrays)))
        members[storage.TEXT] = json.dumps(head).encode()
        path = folder / f"rewritten{number}.npz"
        write_members(path, members)

        yield Case(f"{kind} of {name}, {number}", lambda path=path: load(path), is_usable, watched=(path,))


def test_rewritten_archives(archives, tmp_path):
    assert_well(rewritten_archives(archives, tmp_path), 200)


def bombs(folder):
    """Small files that would take much memory or time."""
    head = {"format": storage.FORMAT, "schema": storage.SCHEMA, "agnostix": "1"}
    array, plain_head = {"$": "array", "of": "v.npy"}, json.dumps(head | {"fields": {"values": 1}}).encode()
    zeros = io.BytesIO()
    np.lib.format.write_array_header_1_0(zeros, {"descr": "<f8", "fortran_order": False, "shape": (10**7,)})
    deep = b'{"format": "agnostix.Explanation", "schema": 2, "fields": ' + b'{"a":' * 200_000
    frame = io.BytesIO()
    pl.DataFrame({"a": np.zeros(10**7)}).write_ipc(frame, compression="zstd")
    nothing = io.BytesIO()
    with pa.ipc.new_file(nothing, pa.schema([(f"c{j}", pa.null()) for j in range(500)])) as sink:
        for _ in range(40):
            sink.write_batch(pa.record_batch([pa.nulls(65_000)] * 500, schema=sink.schema if hasattr(sink, "schema") else pa.schema([(f"c{j}", pa.null()) for j in range(500)])))
    made = {
        "deflated zeros": ({storage.TEXT: plain_head, "v.npy": zeros.getvalue() + bytes(8 * 10**7)}, zipfile.ZIP_DEFLATED),
        "bzip2": ({storage.TEXT: plain_head + b" " * 10**7}, zipfile.ZIP_BZIP2),
        "lzma": ({storage.TEXT: plain_head + b" " * 10**7}, zipfile.ZIP_LZMA),
        "spaces": ({storage.TEXT: plain_head + b" " * 10**8}, zipfile.ZIP_DEFLATED),
        "deep": ({storage.TEXT: deep}, zipfile.ZIP_DEFLATED),
        "lists": ({storage.TEXT: b'{"fields": [' + b"[]," * 10**7}, zipfile.ZIP_DEFLATED),
        "one list many times": ({storage.TEXT: json.dumps(head | {"fields": {"values": [array] * 10**5}}).encode(), "v.npy": zeros.getvalue()}, zipfile.ZIP_DEFLATED),
        "long name": ({storage.TEXT: json.dumps(head | {"fields": {"x" * 10**6: 1}}).encode()}, zipfile.ZIP_DEFLATED),
        "huge number": ({storage.TEXT: json.dumps(head)[:-1].encode() + b', "fields": {"values": ' + b"9" * 10**6 + b"}}"}, zipfile.ZIP_DEFLATED),
        "many members": ({storage.TEXT: plain_head} | {f"{j}.npy": b"" for j in range(30_000)}, zipfile.ZIP_STORED),
        "compressed frame": ({storage.TEXT: json.dumps(head | {"fields": {"data": {"$": "polars", "of": "v.arrow"}}}).encode(), "v.arrow": frame.getvalue()}, zipfile.ZIP_STORED),
        "nothing": ({storage.TEXT: json.dumps(head | {"fields": {"data": {"$": "polars", "of": "v.arrow"}}}).encode(), "v.arrow": nothing.getvalue()}, zipfile.ZIP_STORED),
    }  # fmt: skip
    for name, (members, compression) in made.items():
        path = folder / f"{name}.npz"
        write_members(path, members, compression)

        def refused(found):
            return None if isinstance(found, ValueError) else "loaded"

        yield Case(name, lambda path=path: load_in_little_memory(path), refused, watched=(path,))


def load_in_little_memory(path, most=1 << 30):
    """Load with a limit on the memory that the process may take beside what it has."""
    resource = pytest.importorskip("resource")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + most, limits[1]))
    try:
        found = load(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    if isinstance(found, ValueError) and "MemoryError" in str(found):
        raise MemoryError(str(found))
    return found


def refusal(use, path):
    """What is wrong with how a path is refused: not the system's own error, which names it, or ours."""
    try:
        use(path)
    except OSError as error:
        name = os.path.realpath(path) if isinstance(path, str) else os.fspath(path)
        is_named = error.filename in (name, os.fsdecode(path)) or os.fsdecode(path) in str(error) or "no folder" in str(error)
        return None if is_named or error.filename == path else repr(error)
    except TypeError as error:
        return None if "os.PathLike" in str(error) else repr(error)
    return "taken"


def places(folder):
    """Paths that are no files, or no place to write to."""
    explanation = explanations()["occlusion"]
    (folder / "folder.npz").mkdir()
    os.mkfifo(folder / "pipe.npz")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "socket.npz"))
    (folder / "circle.npz").symlink_to(folder / "circle.npz")
    (folder / "nothing.npz").symlink_to(folder / "gone" / "a.npz")
    (folder / "file").write_text("x")
    if os.geteuid() == 0:
        os.mknod(folder / "device.npz", stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)
    paths = [folder / name for name in ("folder.npz", "pipe.npz", "socket.npz", "circle.npz", "nothing.npz", "gone/a.npz", "file/a.npz", "x" * 300, "device.npz")]
    paths += [str(folder) + "/a\0b.npz", "", "/proc/self/agnostix.npz", b"\xff" * 300]
    for path in paths:
        if path == folder / "device.npz" and not path.exists():
            continue
        for name, use in {"load": Explanation.load, "save": explanation.save}.items():
            yield Case(f"{name} {path!r}", lambda path=path, use=use: refusal(use, path), lambda wrong: wrong)
    for path in (None, 3, 3.5, True, ["a"], object()):
        for name, use in {"load": Explanation.load, "save": explanation.save}.items():
            yield Case(f"{name} {path!r}", lambda path=path, use=use: refusal(use, path), lambda wrong: wrong)
    for name in ("a" * 251 + ".npz", "é.npz", "a\nb.npz", "-o.npz", " .npz", "a.npz.part", "no suffix", "\udcff.npz"):
        path = folder / name

        def call(path=path):
            explanation.save(path)
            return Explanation.load(path)

        yield Case(f"save and load {name!r}", call, lambda found: difference(found, explanation), must_answer=True)


def test_bombs(tmp_path):
    assert_well(bombs(tmp_path), 12)


def test_places(tmp_path):
    assert_well(places(tmp_path), 40)


# Tables for the command line


def people(n_rows=30):
    """A table with texts, and one column whose labels look like numbers and missing values."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n_rows),
            "hours": rng.normal(40, 8, n_rows).round(1),
            "sex": rng.choice(["Female", "Male"], n_rows),
            "code": rng.choice(["01", "NA", "None", "1e5", "true"], n_rows),
        }
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model as .skops and its table, in a folder."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder, table = tmp_path_factory.mktemp("command"), people()
    encode = (OneHotEncoder(handle_unknown="ignore"), ["sex", "code"])
    columns = make_column_transformer(encode, remainder="passthrough")
    model = make_pipeline(columns, LinearRegression()).fit(table, table["age"] + table["hours"])
    skops.dump(model, folder / "model.skops")
    table.to_csv(folder / "people.csv", index=False)
    levels = {name: tuple(sorted(set(table[name]))) for name in ("sex", "code")}
    return SimpleNamespace(folder=folder, model=folder / "model.skops", data=folder / "people.csv", table=table, levels=levels)


LEVELS = (
    "01", "NA", "None", "null", "nan", "NaN", "", "N/A", "True", "1e5", "0x10", "inf", " ", "<script>", "=cmd()", "\u202e", "🙂", "a\nb", 'a"b', "a,b",
    "x" * 70_000, "\x1b[2J", "\ufeff", "１", "1_000", "-", "#N/A", "é", "e\u0301",
)  # fmt: skip


def random_table(rng):
    """Bytes of a table, and the texts of its cells if they are as they should be; None if it is broken."""
    table = people(12).astype(str)
    for _ in range(int(rng.integers(4))):
        table.iat[int(rng.integers(12)), int(rng.choice([2, 3]))] = LEVELS[int(rng.integers(len(LEVELS)))]
    rows = [list(table.columns), *table.to_numpy().tolist()]
    quoting = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC][int(rng.integers(3))]
    newline = ["\n", "\r\n", "\n"][int(rng.integers(3))]
    file = io.StringIO()
    csv.writer(file, quoting=quoting, lineterminator=newline).writerows(rows)
    text, kind, rows_known = file.getvalue(), str(rng.choice(BREAKS)), rows
    lines = text.split(newline)
    place = int(rng.integers(1, 8))
    encoding = "utf-8"
    if kind in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp037"):
        encoding = kind
    elif kind == "separator":
        text = text.replace(",", str(rng.choice([";", "\t", "|", " ", ":"])))
    elif kind == "long row":
        lines.insert(place, ",".join(rows[1][:4] + ["1", "2"]).replace("\n", " "))
    elif kind == "short row":
        lines.insert(place, "1,2")
    elif kind == "empty rows":
        lines.insert(place, "")
    elif kind == "decimal comma":
        lines[place] = '30,"40,5",Male,01'
    elif kind == "open quote":
        lines[place] = '30,40.5,"Male,01'
    elif kind == "text for a number":
        lines[place] = "thirty,40.5,Male,01"
    elif kind == "nul":
        lines[place] = "3\x000,40.5,Male,01"
    elif kind == "huge number":
        lines[place] = "9" * 400 + ",1e999,Male,01"
    elif kind == "huge field":
        lines[place] = f"30,40.5,{'M' * 200_000},01"
    elif kind == "duplicate column":
        lines[0] = "age,hours,sex,sex"
    elif kind == "missing column":
        lines[0] = "age,hours,gender,code"
    elif kind == "unnamed column":
        lines[0] = "age,hours,sex,"
    elif kind == "empty":
        lines = []
    elif kind == "header alone":
        lines = lines[:1]
    if kind in ("utf-8-sig", "separator", "utf-16", "utf-16-le", "utf-32", "cp037", "whole"):
        content = text.encode(encoding, "replace")
    else:
        content = newline.join(lines).encode()
    if kind == "bad byte":
        middle = int(rng.integers(len(content)))
        content = content[:middle] + b"\xff" + content[middle:]
    known = rows_known if kind in ("whole", "utf-8-sig", "empty rows") else None
    return kind, content, known


BREAKS = (
    "whole", "whole", "whole", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp037", "separator", "long row", "short row", "empty rows",
    "decimal comma", "open quote", "text for a number", "nul", "huge number", "huge field", "duplicate column", "missing column", "unnamed column", "empty", "header alone",
    "bad byte",
)  # fmt: skip
MUST_FAIL = {
    "utf-16", "utf-16-le", "utf-32", "cp037", "separator", "long row", "short row", "open quote", "nul", "duplicate column", "empty", "header alone", "bad byte", "decimal comma",
}  # fmt: skip


def tables(files, folder):
    rng = np.random.default_rng(19)
    for number in range(150):
        kind, content, known = random_table(rng)
        path = folder / f"t{number}.csv"
        path.write_bytes(content)

        def check(table, known=known):
            if known is None:
                return None
            if list(table.columns) != known[0] or len(table) != len(known) - 1:
                return f"columns {list(table.columns)} and {len(table)} rows"
            for j, name in enumerate(known[0]):
                for cell, text in zip(table[name], (row[j] for row in known[1:]), strict=True):
                    if name in files.levels:
                        is_missing = text not in files.levels[name] and isinstance(cell, float)
                        wrong = cell != text and not (is_missing and text.strip() in MISSING_TEXTS)
                    else:
                        wrong = cell != float(text)
                    if wrong:
                        return f"{name} is {cell!r}, not {text!r}"
            return None

        refuse = kind in MUST_FAIL
        yield Case(f"{kind}, {number}", lambda path=path: load_table(path, files.levels), check, watched=(path,),
                   must_refuse=refuse, must_answer=known is not None, facts=(path.name,))  # fmt: skip


MISSING_TEXTS = {"", "NA", "None", "null", "nan", "NaN", "N/A", "#N/A"}


def test_tables(files, tmp_path):
    assert_well(tables(files, tmp_path), 150)
