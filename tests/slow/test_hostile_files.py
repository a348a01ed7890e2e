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
