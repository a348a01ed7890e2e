"""Files damaged or made to do harm, tables and options typed wrong, names that break out of a format."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import stat
import struct
import warnings
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
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
from agnostix.cli.labels import KnownLabels
from agnostix.cli.loading import load_model, load_table
from agnostix.cli.read_labels import read_labels
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
    return (
        np.array([len(one) for one in X]) if X.ndim == 1 else X.reshape(len(X), -1).astype(float).sum(axis=1)
    )


def explanations():
    """One of every explainer, on what it takes."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"a": rng.normal(size=30), "b\n": rng.integers(0, 5, 30), "c": ["x", "ü", None] * 10}
    )
    table.index = pd.Index([f"person {j}" for j in range(30)], name="who")
    arrow = table.reset_index(drop=True).convert_dtypes(dtype_backend="pyarrow")
    polars = pl.DataFrame({"a": rng.normal(size=30), "c": ["x", None, "y"] * 10})
    pictures, texts = (
        rng.integers(0, 256, (3, 6, 5, 3)).astype(np.uint8),
        ["good food", "bad, bad service", "日 本"],
    )
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
    for name in (field.name for field in fields(Explanation)):
        if plain(getattr(found, name)) != plain(getattr(known, name)):
            return f"{name} differ: {getattr(found, name)!r}, not {getattr(known, name)!r}"[:500]
    return None


def damage(rng, content):
    """Bytes that were flipped, cut, doubled, moved or written over."""
    content, place = bytearray(content), int(rng.integers(len(content)))
    length = int(rng.choice([1, 2, 8, 64, 1000]))
    kind = str(
        rng.choice(["flip", "flip", "flip", "cut", "cut start", "drop", "double", "zeros", "noise", "append"])
    )
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
    None, True, -1, 10**30, 1e308, "", "x" * 100_000, [], {}, [[]], {"$": "no"}, {"$": 3},
    {"$": "array"}, {"$": "array", "of": "values.npy"}, {"$": "array", "of": "../../etc/passwd"},
    {"$": "array", "of": ["values.npy"]}, {"$": "numpy", "of": ["O", "00"]},
    {"$": "numpy", "of": ["<f8", ""]}, {"$": "objects", "of": [1], "shape": [1 << 60]},
    {"$": "objects", "of": [1], "shape": [-1]}, {"$": "float", "of": "1" * 10_000},
    {"$": "float", "of": "nan"}, {"$": "decimal", "of": "1e999999999999"},
    {"$": "timestamp", "of": [1, "generic", None]}, {"$": "period", "of": [1 << 62, "D"]},
    {"$": "tuple", "of": None}, {"$": "dict", "of": [[1]]}, {"$": "detail", "of": [1, 2, 3]},
    {"$": "multi", "of": [], "names": []}, {"$": "range", "of": [0, 1 << 70, 1], "name": None},
    {"$": "polars", "of": "values.npy"}, {"$": "pandas"},
    {"$": "series", "as": "category", "of": [0], "categories": None, "ordered": 1},
    {"$": "series", "as": "period", "of": {"$": "array", "of": "values.npy"}, "dtype": "period[?]"},
    {"$": "series", "as": "zoned", "of": [], "zone": "/etc/passwd"},
    {"$": "interval", "of": [1, 0, "left"]},
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
        kind = ("node", "node", "node", "swap", "foreign", "header", "schema", "drop")[
            number // len(names) % 8
        ]
        arrays = [one for one in members if one.endswith(".npy")]
        if kind == "node":
            nodes = list(numbered(head["fields"]))
            _, put = nodes[int(rng.integers(len(nodes)))]
            head["fields"] = put(WRONG_NODES[int(rng.integers(len(WRONG_NODES)))])
        elif kind == "swap" and len(arrays) > 1:
            one, other = rng.choice(arrays, 2, replace=False)
            members[one], members[other] = members[other], members[one]
        elif kind == "foreign":
            others = members_of(archives[names[int(rng.integers(len(names)))]][0])
            members |= {key: others[key] for key in others if key != storage.TEXT}
        elif kind == "header":
            one = str(rng.choice(arrays))
            dtype = str(
                rng.choice(["<f8", "|O", "<U1000000", "|V0", "<M8[s]", ">c16", "|b1", "nonsense", "<f8, <f8"])
            )
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
    nothing, schema = io.BytesIO(), pa.schema([(f"c{j}", pa.null()) for j in range(500)])
    with pa.ipc.new_file(nothing, schema) as sink:
        for _ in range(40):
            sink.write_batch(pa.record_batch([pa.nulls(65_000)] * 500, schema=schema))

    def text(fields):
        return json.dumps(head | {"fields": fields}).encode()

    def framed(file):
        return {storage.TEXT: text({"data": {"$": "polars", "of": "v.arrow"}}), "v.arrow": file.getvalue()}

    number = json.dumps(head)[:-1].encode() + b', "fields": {"values": ' + b"9" * 10**6 + b"}}"
    deflated, stored = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED
    made = {
        "zeros": ({storage.TEXT: plain_head, "v.npy": zeros.getvalue() + bytes(8 * 10**7)}, deflated),
        "bzip2": ({storage.TEXT: plain_head + b" " * 10**7}, zipfile.ZIP_BZIP2),
        "lzma": ({storage.TEXT: plain_head + b" " * 10**7}, zipfile.ZIP_LZMA),
        "spaces": ({storage.TEXT: plain_head + b" " * 10**8}, deflated),
        "deep": ({storage.TEXT: deep}, deflated),
        "lists": ({storage.TEXT: b'{"fields": [' + b"[]," * 10**7}, deflated),
        "repeated": ({storage.TEXT: text({"values": [array] * 10**5}), "v.npy": zeros.getvalue()}, deflated),
        "long name": ({storage.TEXT: text({"x" * 10**6: 1})}, deflated),
        "huge number": ({storage.TEXT: number}, deflated),
        "many members": ({storage.TEXT: plain_head} | {f"{j}.npy": b"" for j in range(30_000)}, stored),
        "compressed frame": (framed(frame), stored),
        "nothing": (framed(nothing), stored),
    }
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
        is_named = (
            error.filename in (name, os.fsdecode(path))
            or os.fsdecode(path) in str(error)
            or "no folder" in str(error)
        )
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
    paths = [
        folder / name
        for name in (
            "folder.npz",
            "pipe.npz",
            "socket.npz",
            "circle.npz",
            "nothing.npz",
            "gone/a.npz",
            "file/a.npz",
            "x" * 300,
            "device.npz",
        )
    ]
    paths += [str(folder) + "/a\0b.npz", "", "/proc/self/agnostix.npz", b"\xff" * 300]
    for path in paths:
        if path == folder / "device.npz" and not path.exists():
            continue
        for name, use in {"load": Explanation.load, "save": explanation.save}.items():
            yield Case(f"{name} {path!r}", lambda path=path, use=use: refusal(use, path), lambda wrong: wrong)
    for path in (None, 3, 3.5, True, ["a"], object()):
        for name, use in {"load": Explanation.load, "save": explanation.save}.items():
            yield Case(f"{name} {path!r}", lambda path=path, use=use: refusal(use, path), lambda wrong: wrong)
    for name in (
        "a" * 251 + ".npz",
        "é.npz",
        "a\nb.npz",
        "-o.npz",
        " .npz",
        "a.npz.part",
        "no suffix",
        "\udcff.npz",
    ):
        path = folder / name

        def call(path=path):
            explanation.save(path)
            return Explanation.load(path)

        yield Case(
            f"save and load {name!r}", call, lambda found: difference(found, explanation), must_answer=True
        )


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
    return SimpleNamespace(
        folder=folder, model=folder / "model.skops", data=folder / "people.csv", table=table, levels=levels
    )


LEVELS = (
    "01", "NA", "None", "null", "nan", "NaN", "", "N/A", "True", "1e5", "0x10", "inf", " ", "<script>",
    "=cmd()", "\u202e", "🙂", "a\nb", 'a"b', "a,b", "x" * 70_000, "\x1b[2J", "\ufeff", "１", "1_000",
    "-", "#N/A", "é", "e\u0301",
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
        lines.insert(place, ",".join([*rows[1][:4], "1", "2"]).replace("\n", " "))
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
    "whole", "whole", "whole", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp037", "separator",
    "long row", "short row", "empty rows", "decimal comma", "open quote", "text for a number", "nul",
    "huge number", "huge field", "duplicate column", "missing column", "unnamed column", "empty",
    "header alone", "bad byte",
)  # fmt: skip
MUST_FAIL = {
    "utf-16", "utf-16-le", "utf-32", "cp037", "separator", "long row", "short row", "open quote",
    "nul", "duplicate column", "empty", "header alone", "bad byte", "decimal comma",
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

        expected = {"must_refuse": kind in MUST_FAIL, "must_answer": known is not None, "facts": (path.name,)}

        def call(path=path):
            known = {name: KnownLabels(labels) for name, labels in files.levels.items()}
            return read_labels(load_table(path), path, known)[0]

        yield Case(f"{kind}, {number}", call, check, watched=(path,), **expected)


MISSING_TEXTS = {"", "NA", "None", "null", "nan", "NaN", "N/A", "#N/A"}


def test_tables(files, tmp_path):
    assert_well(tables(files, tmp_path), 150)


# Options of the command line

WHAT_IF = (
    "", "age", "age=", "=5", "age=x", "age==5", "age=5,", "age=5;6", "age=50%", "age=1e999", "age=nan",
    "age=9..1", "age=1...2", "age=5,age=6", "no=5", "sex=Female", "sex=Female:2", "sex=Female:-1",
    "sex=Female:0.5;Female:0.5", "sex=No:0.5", "age=+5", "age=*2", "age[sex=F]=4",
    "quantile(age)=4", "error_rate[=", '"age=5', 'a"ge=5', '""=5',
    "age=5 years", "sex=5", "age=Female:0.5", "\n", "a\nb=5", ",", ";", ":", "=" * 5000,
    "age=5," * 3000 + "x", "\u202eage=5",
)  # fmt: skip
OPTIONS = (
    ["--target", "no"], ["--target", ""], ["--target", "age"], ["--target", "a\nb"], ["--target"],
    ["--by", "no"], ["--by", "hours"], ["--weight", "sex"], ["--weight", "no"], ["--positive", "x"],
    ["--row=x"], ["--row=-1"], ["--row=30"], ["--row=99999999999999999999"], ["--row="], ["--row=1.5"],
    ["--row=0", "--row=0"], ["--mimic=0"], ["--mimic=99999999999999999999"], ["--mimic=-3"],
    ["--mimic=x"], ["--mimic=1e3"], ["--mimic="], ["--explain", "no"], ["--explain", ""], ["--no"],
    ["--pos", "x"], ["--\n"], ["--quiet=1"], ["extra"], ["-o", "x.pdf"], ["-o", "x"], ["-o", ""],
    ["-o", "gone/x.html"], ["-o", "a\0.html"], ["-o", "x" * 300 + ".html"], ["-o", "."],
    ["-o", "/proc/x.html"], ["-o", "people.csv/x.html"], ["-o", "\ud800/x.html"], ["--trust-type"],
    ["--title"],
)  # fmt: skip
RIGHT_OPTIONS = (
    ["--row=0"], ["--row=29", "--explain", "shapley"], ["--mimic"], ["--by", "sex"],
    ["--what-if", "age=40"], ["--what-if", "age=1e308"], ["--what-if", "sex=Female:50%"],
    ["--what-if", "sex=Female:0.6;Male:0.6"], ["--what-if", "older: age+=1,keep(sex)"],
    ["--what-if", "prediction*=1.1"],
    ["--title", "\udcff<b>\n"], ["--trust-type", "os.system"], ["--quiet"], ["--debug"],
)  # fmt: skip
INPUTS = {
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "circle": lambda path: path.symlink_to(path),
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(3000)),
    "zip": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
    "text": lambda path: path.write_text("hello"),
    "missing": lambda path: None,
    "pickle of numbers": lambda path: path.write_bytes(b"\x80\x04K\x01."),
    "cut pickle": lambda path: path.write_bytes(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f"),
    "recursion": lambda path: path.write_bytes(b"(" * 10**6),
}


def run(files, argv):
    """Status and lines of stderr of the command, in the folder of the files."""
    out, err, here = io.StringIO(), io.StringIO(), os.getcwd()
    os.chdir(files.folder)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = main(argv)
    finally:
        os.chdir(here)
    return status, err.getvalue().splitlines()


def one_error(answer):
    """What is wrong with a refusal: another status than 2, a traceback, or other lines than those stated."""
    status, lines = answer
    errors = [line for line in lines if line.startswith("agnostix: error: ")]
    others = [line for line in lines if not line.startswith(("agnostix: error: ", "agnostix: warning: "))]
    is_usage = bool(others) and others[0].startswith("usage: ")
    is_marked = bool(others) and others[-1].strip() == "^" and len(others) == 2
    if status != 2 or len(errors) != 1 or (others and not is_usage and not is_marked):
        return f"status {status}: {lines}"
    return None if len(errors[0]) > 35 and "should not happen" not in errors[0] else f"says {errors[0]}"


def success(answer):
    return None if answer[0] == 0 else f"status {answer}"


def commands(files):
    report = ["report", "model.skops", "people.csv", "-o", "out.json"]
    for argv in (
        [],
        ["no"],
        ["report"],
        ["report", "model.skops"],
        ["report", "", ""],
        ["report", "people.csv", "model.skops"],
        ["demo", "x"],
        ["demo", "--row", "x"],
        ["--"],
    ):
        yield Case(f"{argv}", lambda argv=argv: run(files, argv), one_error)
    for options in [*OPTIONS, *(["--what-if", text] for text in WHAT_IF)]:
        yield Case(f"{options}"[:80], lambda options=options: run(files, [*report, *options]), one_error)
    for options in RIGHT_OPTIONS:
        yield Case(f"{options}"[:80], lambda options=options: run(files, [*report, *options]), success)
    for suffix in (".csv", ".parquet", ".skops", ".pkl", ".joblib"):
        for kind, make in INPUTS.items():
            path = files.folder / f"{kind}{suffix}"
            make(path)
            inputs = (
                ["model.skops", path.name] if suffix in (".csv", ".parquet") else [path.name, "people.csv"]
            )
            argv = ["report", *inputs, "--trust-pickle", "-o", "out.json"]
            yield Case(f"{kind}{suffix}", lambda argv=argv: run(files, argv), one_error)


def damaged_models(files):
    rng, whole = np.random.default_rng(20), files.model.read_bytes()
    expected = load_model(files.model).predict(files.table)
    for number in range(60):
        kind, content = damage(rng, whole)
        path = files.folder / f"damaged{number}.skops"
        path.write_bytes(content)

        def call(path=path):
            return load_model(path).predict(files.table)

        def check(found):
            return None if np.array_equal(found, expected) else "predicts otherwise"

        yield Case(f"{kind} of the model, {number}", call, check, watched=(path,), facts=(path.name,))


def test_commands(files):
    assert_well(commands(files), 140)


def test_damaged_models(files):
    assert_well(damaged_models(files), 60)


# Reports

NAMES = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td></table><h1>",
    "\"><svg onload=alert(1)>", "{{ 7 * 7 }}", "{% include 'x' %}", "&lt;b&gt;", "]]>",
    "```\n<script>alert(1)</script>", "# heading", "| a | b |", "[x](javascript:alert(1))",
    "![x](http://x/y.png)", "`code`", "a\nb", "a\r\nb", "a\u2028b", "a\tb", "=cmd|' /C calc'!A0", "+1",
    "-1", "@SUM(A1)", "\n=1", "＝1", "prediction", "rank", "distance", "weight", "row", "", " ",
    "\x1b[31m", "\x00", "\u202e", "a" * 3000, "名前", "🙂", "__proto__", "constructor", "</script>",
    "<!--", "-->", "\\u003c", "%s %d {0}", "'", '"', "\\", "0", "nan", "None", "a, b", "a;b", "a=b:c",
)  # fmt: skip


CONTROLS = set("\x1b\x00\u202e")


class Tags(HTMLParser):
    """Names of the elements of a page, and of their attributes."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def outside(page):
    """Elements and attributes of a page."""
    parser = Tags()
    parser.feed(page)
    return parser.names, parser.attributes


def report_of(names, levels, title):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({names[0]: rng.normal(size=24), names[1]: np.tile(levels, 12)})

    def model(X):
        return X.iloc[:, 0].to_numpy()

    return WhatIfReport(
        model, table, title=title, rows=[0], explainers=[OcclusionExplainer(model)], by=names[1]
    )


def hostile_reports(folder):
    plain_report = report_of(("first", "second"), ("low", "high"), "title")
    own_page, own_lines = plain_report.html(), plain_report.markdown().splitlines()
    (own_tags, own_attributes), n_scripts = outside(own_page), own_page.count("</script>")
    own_starts = {line.lstrip()[:3] for line in own_lines}
    for number, name in enumerate(NAMES):
        other = NAMES[(number + 7) % len(NAMES)]
        which = number % 3
        names = (name, "second") if which == 0 else ("first", name) if which == 1 else ("first", "second")
        levels = (name, other) if which == 2 else ("low", "high")

        suffixes = (".json", ".md", ".html")[: 3 if number % 8 == 0 else 2]  # a page takes long to draw

        def call(names=names, levels=levels, name=name, suffixes=suffixes):
            report = report_of(names, levels, name)
            for suffix in suffixes:
                report.save(folder / f"r{suffix}")
            return [(folder / f"r{suffix}").read_text(encoding="utf-8") for suffix in suffixes]

        def check(texts):
            summary, markdown, *pages = texts
            json.loads(summary)
            starts = {
                line.lstrip()[:3] for line in markdown.splitlines() if line.lstrip().startswith(("<", "```"))
            }
            if starts - own_starts:
                return f"markdown has lines that begin with {starts}"
            for page in pages:
                tags, attributes = outside(page)
                if tags - own_tags or attributes - own_attributes or page.count("</script>") != n_scripts:
                    return f"the page has {tags - own_tags} and {attributes - own_attributes}"
            return "controls reach the text" if CONTROLS & set("".join([markdown, *pages])) else None

        yield Case(f"{number}: {name!r} as {('column', 'group', 'level')[which]}"[:80], call, check)


def test_reports(tmp_path):
    assert_well(hostile_reports(tmp_path), 50)
