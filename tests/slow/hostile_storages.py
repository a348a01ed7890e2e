"""Hostile tables: storages of the same numbers, columns beside them, names of columns, scales.

Each family yields cases for a seed. The numbers that a model sees are known, so that its explanation is too.
"""

from __future__ import annotations

import datetime as dt
import fractions
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse as sp

from agnostix import MimicTree
from tests.slow import table_answers as ta
from tests.slow.hostile import Case, closeness

N = 32
Maker = Callable[[Any], Any]


def numbers(kind: str, seed: int, n_rows: int = N, n_columns: int = 3) -> Any:
    """A table (n_rows, n_columns) of numbers that every type of its kind holds to the bit."""
    rng = np.random.default_rng(seed)
    if kind == "eighths":
        return rng.integers(-16, 17, (n_rows, n_columns)) / 8.0
    if kind == "whole":
        return rng.integers(0, 100, (n_rows, n_columns)).astype(float)
    table = rng.integers(0, 2, (n_rows, n_columns)).astype(float)
    table[:2] = [[0.0] * n_columns, [1.0] * n_columns]
    return table


def frame(P: Any, names: Any = ("a", "b", "c")) -> pd.DataFrame:
    return pd.DataFrame(P, columns=pd.Index(list(names)[: P.shape[1]], dtype=object))


def polars(P: Any, dtype: Any = None) -> pl.DataFrame:
    columns = {name: P[:, j] for j, name in enumerate("abcdefgh"[: P.shape[1]])}
    table = pl.DataFrame(columns)
    return table if dtype is None else table.cast(dtype)


def fortran(P: Any) -> Any:
    return np.asfortranarray(P)


def strided(P: Any) -> Any:
    wide = np.zeros((2 * P.shape[0], 3 * P.shape[1]))
    wide[::2, ::3] = P
    return wide[::2, ::3]


def backward(P: Any) -> Any:
    return P[::-1, ::-1].copy()[::-1, ::-1]


def read_only(P: Any) -> Any:
    own = P.copy()
    own.flags.writeable = False
    return own


def masked(P: Any) -> Any:
    return np.ma.masked_array(P.copy(), np.zeros(P.shape, dtype=bool))


def decimals(P: Any) -> Any:
    return np.array([[Decimal(str(value)) for value in row] for row in P], dtype=object)


def fractional(P: Any) -> Any:
    return np.array([[fractions.Fraction(value) for value in row] for row in P], dtype=object)


def chunked(P: Any) -> Any:
    return pl.concat([polars(P[:5]), polars(P[5:])], rechunk=False)


def polars_objects(P: Any) -> Any:
    return pl.DataFrame([pl.Series("abc"[j], P[:, j].tolist(), dtype=pl.Object) for j in range(3)])


def structured(P: Any) -> Any:
    return np.array([tuple(row) for row in P], dtype=[("a", float), ("b", float), ("c", float)])


def labeled(P: Any, index: Any) -> Any:
    table = frame(P)
    table.index = index
    return table


def with_columns(P: Any, columns: Any) -> Any:
    table = frame(P)
    table.columns = columns
    return table


# By name: kind of numbers, maker, and what is promised: "equal" to plain numbers, "labels" of the same model,
# "may" be refused, "must" be refused.
ARRAYS: dict[str, tuple[str, Maker, str]] = (
    {
        "float64": ("eighths", np.copy, "equal"),
        "Fortran order": ("eighths", fortran, "equal"),
        "strided": ("eighths", strided, "equal"),
        "negative strides": ("eighths", backward, "equal"),
        "read-only": ("eighths", read_only, "equal"),
        "masked": ("eighths", masked, "equal"),
        "matrix": ("eighths", lambda P: np.asarray(P).view(np.matrix), "may"),
        "big-endian": ("eighths", lambda P: P.astype(">f8"), "equal"),
        "big-endian int": ("whole", lambda P: P.astype(">i4"), "equal"),
        "long double": ("eighths", lambda P: P.astype(np.longdouble), "equal"),
        "object floats": ("eighths", lambda P: P.astype(object), "equal"),
        "object ints": ("whole", lambda P: P.astype(int).astype(object), "equal"),
        "object decimals": ("eighths", decimals, "equal"),
        "object fractions": ("eighths", fractional, "may"),
        "object bools": ("bits", lambda P: P.astype(bool).astype(object), "labels"),
        "bool": ("bits", lambda P: P.astype(bool), "labels"),
        "list of lists": ("eighths", lambda P: P.tolist(), "equal"),
        "list of tuples": ("eighths", lambda P: [tuple(row) for row in P.tolist()], "equal"),
        "list of arrays": ("eighths", list, "equal"),
        "tuple of lists": ("eighths", lambda P: tuple(P.tolist()), "equal"),
        "list of lists of ints": ("whole", lambda P: P.astype(int).tolist(), "equal"),
        "texts of numbers": ("eighths", lambda P: P.astype(str), "labels"),
        "bytes of numbers": ("whole", lambda P: P.astype(int).astype("S"), "labels"),
        "structured": ("eighths", structured, "must"),
        "complex": ("eighths", lambda P: P.astype(complex), "must"),
        "void": ("eighths", lambda P: P.copy().view("V8"), "must"),
        "one row flat": ("eighths", lambda P: P[0], "must"),
        "three axes of objects": ("eighths", lambda P: P.astype(object)[:, :, None, None], "must"),
        "scalar": ("eighths", lambda P: np.float64(3.0), "must"),
        "None": ("eighths", lambda P: None, "must"),
        "text": ("eighths", lambda P: "rows.csv", "must"),
        "bytes alone": ("eighths", lambda P: b"rows", "must"),
        "generator": ("eighths", lambda P: (row for row in P), "must"),
        "set": ("eighths", lambda P: {1, 2}, "must"),
        "dict of columns": ("eighths", lambda P: {"a": P[:, 0].tolist(), "b": P[:, 1].tolist()}, "must"),
        "list of dicts": ("eighths", lambda P: [{"a": 1.0, "b": 2.0}] * 5, "must"),
        "ragged": ("eighths", lambda P: [[1.0, 2.0], [3.0]], "must"),
        "empty list": ("eighths", lambda P: [], "must"),
        "list of empty lists": ("eighths", lambda P: [[], []], "must"),
        "no rows": ("eighths", lambda P: P[:0], "must"),
        "no columns": ("eighths", lambda P: P[:, :0], "must"),
        "sparse": ("eighths", sp.csr_matrix, "may"),
        "sparse array": ("eighths", sp.coo_array, "may"),
        "datetimes": ("whole", lambda P: P.astype("datetime64[D]"), "may"),
        "timedeltas": ("whole", lambda P: P.astype("timedelta64[D]"), "may"),
    }
    | {
        f"array {dtype}": ("whole", lambda P, dtype=dtype: P.astype(dtype), "equal")
        for dtype in (
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float16",
            "float32",
        )
    }
    | {
        f"array of eighths {dtype}": ("eighths", lambda P, dtype=dtype: P.astype(dtype), "equal")
        for dtype in ("float16", "float32")
    }
)

WHOLE_TYPES = (
    "int8",
    "uint16",
    "int32",
    "uint64",
    "float16",
    "float32",
    "Int8",
    "UInt32",
    "Int64",
    "Float32",
)
FRAMES: dict[str, tuple[str, Maker, str]] = (
    {
        "pandas": ("eighths", frame, "equal"),
        "pandas Float64": ("eighths", lambda P: frame(P).astype("Float64"), "equal"),
        "pandas Float32": ("eighths", lambda P: frame(P).astype("Float32"), "equal"),
        "pandas object": ("eighths", lambda P: frame(P).astype(object), "equal"),
        "pandas decimals": ("eighths", lambda P: frame(decimals(P)), "equal"),
        "pandas fractions": ("eighths", lambda P: frame(fractional(P)), "may"),
        "pandas arrow double": ("eighths", lambda P: frame(P).astype("double[pyarrow]"), "equal"),
        "pandas arrow float": ("eighths", lambda P: frame(P).astype("float[pyarrow]"), "equal"),
        "pandas arrow int16": ("whole", lambda P: frame(P).astype("int16[pyarrow]"), "equal"),
        "pandas arrow decimal": (
            "eighths",
            lambda P: frame(decimals(P)).astype(pd.ArrowDtype(pa.decimal128(10, 4))),
            "equal",
        ),
        "pandas sparse": ("whole", lambda P: frame(P).astype(pd.SparseDtype(float, 0.0)), "may"),
        "pandas bool": ("bits", lambda P: frame(P).astype(bool), "labels"),
        "pandas boolean": ("bits", lambda P: frame(P).astype("boolean"), "labels"),
        "pandas arrow bool": ("bits", lambda P: frame(P).astype("bool[pyarrow]"), "labels"),
        "pandas category of numbers": ("whole", lambda P: frame(P).astype("category"), "labels"),
        "pandas category of texts": ("whole", lambda P: frame(P).astype(str).astype("category"), "labels"),
        "pandas texts": ("whole", lambda P: frame(P).astype(str), "labels"),
        "pandas string": ("whole", lambda P: frame(P).astype(str).astype("string"), "labels"),
        "pandas complex": ("eighths", lambda P: frame(P).astype(complex), "may"),
        "pandas mixed types": ("whole", lambda P: frame(P).astype({"a": "int8", "b": "Float32"}), "equal"),
        "pandas strided": ("eighths", lambda P: frame(np.repeat(P, 2, axis=0))[::2], "equal"),
        "pandas no rows": ("eighths", lambda P: frame(P)[:0], "must"),
        "pandas no columns": ("eighths", lambda P: frame(P)[[]], "must"),
        "pandas index of texts": ("eighths", lambda P: labeled(P, [f"r{j}" for j in range(len(P))]), "equal"),
        "pandas index twice": ("eighths", lambda P: labeled(P, [0, 1] * (len(P) // 2)), "equal"),
        "pandas index NaN": ("eighths", lambda P: labeled(P, [np.nan] * len(P)), "equal"),
        "pandas index None": (
            "eighths",
            lambda P: labeled(P, pd.Index([None] * len(P), dtype=object)),
            "equal",
        ),
        "pandas index backward": ("eighths", lambda P: labeled(P, range(len(P))[::-1]), "equal"),
        "pandas index of times": (
            "eighths",
            lambda P: labeled(P, pd.date_range("2024", periods=len(P))),
            "equal",
        ),
        "pandas index of two": (
            "eighths",
            lambda P: labeled(
                P, pd.MultiIndex.from_product([range(len(P) // 2), list("xy")], names=["a", None])
            ),
            "equal",
        ),
        "pandas index of intervals": (
            "eighths",
            lambda P: labeled(P, pd.interval_range(0, periods=len(P))),
            "equal",
        ),
        "pandas index named as a column": (
            "eighths",
            lambda P: labeled(P, pd.RangeIndex(5, 5 + len(P), name="a")),
            "equal",
        ),
        "pandas columns ints": ("eighths", lambda P: with_columns(P, range(3)), "equal"),
        "pandas columns ints backward": ("eighths", lambda P: with_columns(P, [2, 1, 0]), "equal"),
        "pandas columns floats": ("eighths", lambda P: with_columns(P, [0.5, np.inf, 2.0]), "equal"),
        "pandas columns None": ("eighths", lambda P: with_columns(P, ["a", None, "c"]), "may"),
        "pandas columns NaN": ("eighths", lambda P: with_columns(P, [np.nan, "b", "c"]), "may"),
        "pandas columns tuples": (
            "eighths",
            lambda P: with_columns(P, pd.Index([("a", 1), ("a", 2), ("b", 1)], tupleize_cols=False)),
            "may",
        ),
        "pandas columns levels": (
            "eighths",
            lambda P: with_columns(P, pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])),
            "may",
        ),
        "pandas columns times": (
            "eighths",
            lambda P: with_columns(P, pd.date_range("2024", periods=3)),
            "equal",
        ),
        "pandas columns mixed": ("eighths", lambda P: with_columns(P, [0, "a", dt.date(2024, 1, 1)]), "may"),
        "pandas columns bools": ("eighths", lambda P: with_columns(P, [True, False, "c"]), "may"),
        "pandas columns categories": (
            "eighths",
            lambda P: with_columns(P, pd.CategoricalIndex(list("xyz"))),
            "may",
        ),
        "pandas columns named": (
            "eighths",
            lambda P: with_columns(P, pd.Index(list("xyz"), name="row")),
            "equal",
        ),
        "pandas columns 0 and '0'": ("eighths", lambda P: with_columns(P, [0, "0", "c"]), "must"),
        "pandas columns twice": ("eighths", lambda P: with_columns(P, list("aab")), "must"),
        "series": ("eighths", lambda P: frame(P)["a"], "must"),
        "polars": ("eighths", polars, "equal"),
        "polars Float32": ("eighths", lambda P: polars(P, pl.Float32), "equal"),
        "polars chunked": ("eighths", chunked, "equal"),
        "polars decimal": ("eighths", lambda P: polars(P, pl.Decimal(10, 4)), "equal"),
        "polars bool": ("bits", lambda P: polars(P.astype(bool)), "labels"),
        "polars texts": ("whole", lambda P: polars(P, pl.String), "labels"),
        "polars categorical": ("whole", lambda P: polars(P, pl.String).cast(pl.Categorical), "labels"),
        "polars object": ("eighths", polars_objects, "may"),
        "polars mixed": (
            "whole",
            lambda P: polars(P).with_columns(pl.col("a").cast(pl.Int8), pl.col("b").cast(pl.UInt64)),
            "equal",
        ),
        "polars no rows": ("eighths", lambda P: polars(P)[:0], "must"),
        "polars no columns": ("eighths", lambda P: polars(P).select([]), "must"),
        "polars lazy": ("eighths", lambda P: polars(P).lazy(), "must"),
        "polars series": ("eighths", lambda P: polars(P)["a"], "must"),
        "arrow table": ("eighths", lambda P: pa.Table.from_pandas(frame(P)), "must"),
        "arrow batch": ("eighths", lambda P: pa.RecordBatch.from_pandas(frame(P)), "must"),
    }
    | {f"pandas {one}": ("whole", lambda P, one=one: frame(P).astype(one), "equal") for one in WHOLE_TYPES}
    | {
        f"polars {one}": ("whole", lambda P, one=one: polars(P, one), "equal")
        for one in (pl.Int8, pl.Int16, pl.Int64, pl.UInt8, pl.UInt32, pl.UInt64, pl.Int128)
    }
)
STORAGES = ARRAYS | FRAMES


@cache
def plain_answer(name: str, model: str, kind: str, seed: int, shape: tuple[int, int]) -> dict[str, Any]:
    """The same of a float64 array."""
    P = numbers(kind, seed, *shape)
    target = {"x0": middle_of(P[:, 0])} if name == "EntropicProjection" else None
    return ta.answer(name, ta.MODELS[model], P, target=target)


def middle_of(column: Any) -> float:
    """An average that a reweighting reaches, in eighths."""
    return float(round(8.0 * (0.8 * column.mean() + 0.2 * column.max())) / 8.0)  # exact at any offset


def first_name(table: Any) -> Any:
    return str(table.columns[0]) if hasattr(table, "columns") else "x0"


def check_known(
    name: str, model: str, kind: str, seed: int, P: Any, as_labels: bool, found: Any
) -> str | None:
    """Of numbers in another storage: identities, brute force, and the answer to plain numbers."""
    function = ta.MODELS[model]
    wrong = ta.check_identities(name, found)
    if wrong is None and name in ta.OF_BACKGROUND:
        wrong = ta.check_reference(name, function, P, found)
    if wrong is None and name == "EntropicProjection":
        wrong = ta.check_population(found, function(P))
        if wrong is None and "weights" in found:
            wrong = ta.check_target(found, P[:, 0], middle_of(P[:, 0]))
    if wrong is not None:
        return wrong
    known = plain_answer(name, model, kind, seed, P.shape)
    keys = ("outputs", "baseline") if as_labels else None
    return ta.compare(found, known, keys)


def storage_cases(seed: int, n: int) -> Iterator[Case]:
    """The same numbers in every storage, by every explainer."""
    rng = np.random.default_rng([seed, 1])
    grid = [(storage, name) for storage in STORAGES for name in ta.NAMES]
    for k in range(n):
        storage, name = grid[(seed * n + k) % len(grid)]
        kind, maker, promise = STORAGES[storage]
        model = list(ta.MODELS)[int(rng.integers(len(ta.MODELS)))]
        own_seed = int(rng.integers(3))
        P = numbers(kind, own_seed)
        table = maker(P)
        shifts = name == "EntropicProjection" and promise in ("equal", "may")
        call = partial(
            _fit_and_explain, name, ta.MODELS[model], table, middle_of(P[:, 0]) if shifts else None
        )
        yield Case(
            f"{name}, {model} of {storage}, seed {own_seed}",
            call,
            partial(check_known, name, model, kind, own_seed, P, promise == "labels"),
            watched=() if storage == "generator" else (table,),
            must_answer=promise in ("equal", "labels"),
            must_refuse=promise == "must",
        )


def _fit_and_explain(name: str, model: Any, table: Any, target: float | None) -> Any:
    return ta.answer(name, model, table, target=None if target is None else {first_name(table): target})


# ---------------------------------------------------------------- names of columns

LINE_ENDS = ("a\nb", "a\r\nb", "a\x0bb", "a\x85b", "a\u2028b", "a\u2029b", "\n", "a\tb", "\ta")
MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</script><b>",
    "a & b < c > d",
    "\"double\" and 'single'",
    "&lt;b&gt;",
    "<!-- comment",
    "]]>",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${7*7}",
    "`code` *bold* _it_ [link](javascript:alert(1))",
    "```",
    "a\n```\n<script>alert(1)</script>",
    "| pipe | table |",
    "# heading",
    "$x_1$",
    "$unclosed",
    "%s %d %(name)s",
    "{0} {name}",
    "\\alpha \\n",
    "javascript:alert(1)",
)
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\n=1", "＝1+1", "\r=1", "  =1")
SCRIPTS = (
    "年齢",
    "عُمْر",
    "हिन्दी",
    "ภาษาไทย",
    "e\u0301 and \u00e9",
    "\u0301leading mark",
    "👩‍👩‍👧‍👦",
    "🇩🇪",
    "\u202eright to left",
    "\u200bzero\u200bwidth",
    "\ufeffbom",
    "\x00null",
    "\x1b[31mred\x1b[0m",
    "\x07bell",
    "\ud800half a pair",
    "Z" + "\u0335" * 60 + "algo",
    "ﷺ",
    "𝒳",
    "İi",
)
OWN = (
    "prediction",
    "row",
    "feature",
    "output",
    "value",
    "values",
    "std_error",
    "rank",
    "distance",
    "level",
    "group",
    "target",
    "quantity",
    "index",
    "x0",
    "x1",
    "missing",
    "None",
    "nan",
    "True",
    "0",
    "1e5",
    "self",
    "class",
    "def",
    "lambda",
    "select",
    "DROP TABLE x; --",
    "import os",
    "__class__",
    "a.b",
    "a['b']",
    "a b",
    "base_value",
    "outputs",
    "shape",
    "columns",
    "predicted",
    "row_name",
    "weight",
    "synthetic",
)
SIZES = (
    "",
    " ",
    "  ",
    "n" * 300,
    "word " * 200,
    "é" * 5000,
    ".",
    "..",
    "/etc/passwd",
    "a/b\\c",
    "C:\\x",
    "\u00a0",
)
NAMES = (*LINE_ENDS, *MARKUP, *FORMULAS, *SCRIPTS, *OWN, *SIZES)
VIEWS = ("to_frame", "repr", "exports", "json", "markdown", "html_rows", "save")


def name_cases(seed: int, n: int) -> Iterator[Case]:
    """Tables whose columns have hostile names have the answers of plain names."""
    rng = np.random.default_rng([seed, 2])
    libraries: tuple[Maker, ...] = (lambda t: t, lambda t: pl.from_pandas(t))
    for k in range(n):
        name = ta.NAMES[k % len(ta.NAMES)]
        start = (seed * n + k) // len(ta.NAMES) * 2
        chosen = [NAMES[(start + j) % len(NAMES)] for j in range(2)]
        chosen.insert(int(rng.integers(3)), NAMES[int(rng.integers(len(NAMES)))])
        chosen = list(dict.fromkeys(chosen))
        model, own_seed = list(ta.MODELS)[int(rng.integers(3))], int(rng.integers(3))
        P = numbers("eighths", own_seed, n_columns=len(chosen))
        table = libraries[0](frame(P, chosen))
        if rng.random() < 0.3 and not any("\ud800" in one for one in chosen):
            table = libraries[1](table)
        yield Case(
            f"{name}, {model} of columns {[one[:40] for one in chosen]!r}, seed {own_seed}",
            partial(_with_names, name, ta.MODELS[model], table, middle_of(P[:, 0])),
            partial(_check_names, name, model, own_seed, P, chosen),
            watched=(table,),
            must_answer=not any("\ud800" in one for one in chosen),
        )


def _with_names(name: str, model: Any, table: Any, target: float) -> Any:
    found = _fit_and_explain(name, model, table, target if name == "EntropicProjection" else None)
    if "explanation" in found:
        long, wide = found["explanation"].to_frame(), found["explanation"].to_frame("wide")
        found |= {"long": long, "wide": wide, "html": found["explanation"]._repr_html_()}
        found["repr"] = repr(found["explanation"])
    if name == "MimicTree":
        tree: MimicTree = found["fitted"]
        output = tree.output_names_[0]
        code: dict[str, Any] = {}
        exec(tree.to_python(output=output), code)
        cells = np.column_stack([ta.column(table, j) for j in range(table.shape[1])])
        names = [str(one) for one in table.columns]
        rows = [dict(zip(names, row, strict=True)) for row in cells.tolist()]
        found["exported"] = np.array([code["predict"](row) for row in rows])
        found["nodes"] = np.asarray(tree.rule_tree_.values)[tree.apply(table)][:, 0]
        found["texts"] = (tree.to_text(), tree.to_json(), *_sql(tree, output))
    return found


def _sql(tree: MimicTree, output: str) -> tuple[str, ...]:
    """As SQL, which has no name with a null character."""
    used = {tree.rule_tree_.features[j].name for j in tree.rule_tree_.feature[tree.rule_tree_.left >= 0]}
    return () if any("\x00" in one or one == "" for one in used) else (tree.to_sql(output=output),)


def _check_names(name: str, model: str, seed: int, P: Any, chosen: list[str], found: Any) -> str | None:
    wrong = check_known(name, model, "eighths", seed, P, False, found)
    if wrong is not None or "long" not in found:
        return wrong
    if list(dict.fromkeys(found["long"]["feature"])) != chosen:
        return f"the frame names {list(dict.fromkeys(found['long']['feature']))}"
    if found["wide"].shape[0] < ta.N_EXPLAINED:
        return f"the wide frame has {found['wide'].shape[0]} rows"
    if "<script>alert" in found["html"] or "<img src=x" in found["html"]:
        return "markup of a name is in the HTML"
    if "\x1b" in found["repr"] or ("\n" in found["repr"].strip() and "\n" in "".join(chosen)):
        return f"a terminal obeys the text: {found['repr']!r}"
    if "exported" in found:
        return closeness(found["exported"], found["nodes"], 1e-12, what="exported predictions")
    return None


# ---------------------------------------------------------------- scales

SCALES = (
    1e-300,
    1e-200,
    1e-100,
    1e-30,
    1e-12,
    1e-6,
    1.0,
    1e6,
    1e12,
    1e30,
    1e100,
    1e200,
    1e300,
    5e-324 * 2**10,
)
OFFSETS = (0.0, 1.0, 1e3, 1e6, 1e9, -1.7e9, 1e12)


def scale_cases(seed: int, n: int) -> Iterator[Case]:
    """Columns and predictions in other units: the same explanation in these units, or a refusal."""
    rng = np.random.default_rng([seed, 3])
    for k in range(n):
        name = ta.NAMES[k % len(ta.NAMES)]
        model = list(ta.MODELS)[int(rng.integers(2))]
        own_seed = int(rng.integers(3))
        P = numbers("eighths", own_seed)
        by_power = rng.random() < 0.7
        scales = [float(SCALES[int(rng.integers(len(SCALES)))]) for _ in range(3)]
        scales = [float(2.0 ** round(np.log2(scale))) for scale in scales]
        offsets = [float(OFFSETS[int(rng.integers(len(OFFSETS)))]) if by_power else 0.0 for _ in range(3)]
        size = 1.0 if k % 3 else float(SCALES[int(rng.integers(len(SCALES)))])
        size = float(2.0 ** round(np.log2(size)))
        with np.errstate(over="ignore"):
            table = (P + offsets) * scales
        yield Case(
            f"{name}, {model} of columns times {scales} plus {offsets}, predictions times {size:g}",
            partial(_scaled, name, model, table, scales, offsets, size, middle_of(P[:, 0])),
            partial(_check_scaled, name, model, own_seed, P, size),
            watched=(table,),
            must_answer=size == 1.0 and all(1e-150 < scale < 1e150 for scale in scales),
        )


def _scaled(name: str, model: str, table: Any, scales: Any, offsets: Any, size: float, target: float) -> Any:
    def function(X: Any) -> Any:
        own = np.column_stack([np.asarray(X)[:, j] / scales[j] - offsets[j] for j in range(3)])
        return size * ta.MODELS[model](own)

    shift = {"x0": (target + offsets[0]) * scales[0]} if name == "EntropicProjection" else None
    return ta.answer(name, function, table, target=shift)


def _check_scaled(name: str, model: str, seed: int, P: Any, size: float, found: Any) -> str | None:
    known = plain_answer(name, model, "eighths", seed, P.shape)
    shrunk = dict(found)
    for key in ("values", "outputs", "base_values", "std_errors", "surrogate", "baseline", "scenario"):
        if found.get(key) is not None:
            shrunk[key] = np.asarray(found[key], dtype=float) / size
    for key in ("curves", "rank", "baseline_error"):
        if found.get(key) is not None:
            shrunk[key] = np.asarray(found[key], dtype=float) / size
    if "curves" in found and found["curves"].shape != known["curves"].shape:
        return None if len(found["skipped"]) else f"curves have shape {found['curves'].shape}"
    return ta.compare(shrunk, known, rtol=1e-6 + 16.0 * 2.0**-1074 / size)  # of the last digits


# ---------------------------------------------------------------- columns that the model leaves alone


def _tile(cells: Any, n: int) -> list[Any]:
    cells = list(cells)
    return [cells[j % len(cells)] for j in range(n)]


def _series(cells: Any, dtype: Any = object) -> Callable[[int], Any]:
    return lambda n: pd.Series(_tile(cells, n), dtype=dtype)


class Opaque:
    """An object that compares, hashes and prints badly."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    def __repr__(self) -> str:
        return "Opaque"


ULP = [1.0, np.nextafter(1.0, 2.0)]
EXTRAS: dict[str, Callable[[int], Any]] = {
    "constant": _series([7.0], float),
    "constant text": _series(["x"]),
    "constant but for rounding": _series(ULP, float),
    "all missing": _series([np.nan], float),
    "all None": _series([None]),
    "all NaT": _series([pd.NaT], "datetime64[ns]"),
    "all NA": _series([pd.NA], "Float64"),
    "one value": _series([np.nan, np.nan, 3.0], float),
    "infinite": _series([np.inf, 1.0, 2.0], float),
    "both infinities": _series([np.inf, -np.inf, 0.0, 1.0], float),
    "subnormal": _series([5e-324, 1e-310, 0.0], float),
    "largest": _series([1.7e308, -1.7e308, 0.0], float),
    "minus zero": _series([0.0, -0.0], float),
    "beyond 2**53": _series([2**53, 2**53 + 1, 2**53 + 2], "int64"),
    "uint64": _series([2**64 - 1, 0, 2**63], "uint64"),
    "huge ints": _series([10**400, -(10**30), 5]),
    "ints and None": _series([1, None, 3]),
    "Int64 with NA": _series([1, pd.NA, 3], "Int64"),
    "bool with None": _series([True, None, False]),
    "boolean with NA": _series([True, pd.NA, False], "boolean"),
    "unique texts": lambda n: pd.Series([f"id-{j}" for j in range(n)]),
    "long texts": _series(["word " * 2000, "x" * 10_000]),
    "empty texts": _series(["", " ", "\n"]),
    "texts of markup": _series(["<script>alert(1)</script>", "=1+1", "a\n```\n<b>", "\x1b[31m"]),
    "texts of odd scripts": _series(["e\u0301", "\u00e9", "हिन्दी", "\ud800", "\u202e"]),
    "1 and '1'": _series([1, "1", 1.0, True]),
    "numbers and texts": _series([1.5, "many", None, 3]),
    "bytes": _series([b"a", b"\xff"]),
    "lists": _series([[1], [2, 3], []]),
    "dicts": _series([{"a": 1}, {}]),
    "arrays": _series([np.arange(2), np.arange(3)]),
    "opaque": _series([Opaque(), Opaque()]),
    "functions": _series([len, max]),
    "complex": _series([1j, 2.0], complex),
    "complex objects": _series([1j, 2.0, None]),
    "decimals": _series([Decimal("1.5"), Decimal("NaN"), Decimal("2")]),
    "infinite decimals": _series([Decimal("Infinity"), Decimal("2")]),
    "fractions": _series([fractions.Fraction(1, 3), fractions.Fraction(2)]),
    "uuids": lambda n: pd.Series([uuid.UUID(int=j % 3) for j in range(n)]),
    "dates": _series([dt.date(2024, 1, 1), dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "datetimes": _series(["2024-01-01", "2024-05-05", None], "datetime64[ns]"),
    "datetimes s": _series(["0001-01-01", "9999-05-05"], "datetime64[s]"),
    "zones": lambda n: pd.Series(pd.date_range("2024-03-30", periods=n, freq="h", tz="Europe/Berlin")),
    "mixed zones": _series([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]),
    "times": _series([dt.time(1), dt.time(2, 30)]),
    "timedeltas": _series([pd.Timedelta(hours=1), pd.Timedelta(days=-3), pd.NaT], "timedelta64[ns]"),
    "periods": lambda n: pd.Series(_tile(pd.period_range("2024-01", periods=3, freq="M"), n)),
    "intervals": lambda n: pd.Series(pd.cut(np.arange(n) % 5.0, 3)),
    "categories": _series(["x", "y", None], "category"),
    "unused categories": lambda n: pd.Series(pd.Categorical(_tile("xy", n), categories=list("zyxw"))),
    "ordered categories": lambda n: pd.Series(pd.Categorical(_tile("xy", n), list("yx"), ordered=True)),
    "categories of mixed": lambda n: pd.Series(pd.Categorical(_tile([1, "1", 2.5], n))),
    "categories of dates": lambda n: pd.Series(_tile(pd.date_range("2024", periods=3), n)).astype("category"),
    "no categories": lambda n: pd.Series(pd.Categorical([None] * n, categories=[])),
    "sparse": _series([0.0, 0.0, 1.0], pd.SparseDtype(float, 0.0)),
    "arrow texts": _series(["x", None], "string[pyarrow]"),
    "arrow dictionary": lambda n: pd.Series(
        _tile("xy", n), dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
    "arrow null": lambda n: pd.Series([None] * n, dtype=pd.ArrowDtype(pa.null())),
    "arrow decimal": lambda n: pd.Series(
        _tile([Decimal("1.5"), None], n), dtype=pd.ArrowDtype(pa.decimal128(8, 2))
    ),
    "arrow binary": _series([b"a", b"b"], pd.ArrowDtype(pa.binary())),
    "arrow duration": _series([dt.timedelta(1), dt.timedelta(2)], pd.ArrowDtype(pa.duration("s"))),
    "arrow timestamp": _series([dt.datetime(2024, 1, 1), None], pd.ArrowDtype(pa.timestamp("us", "UTC"))),
    "polars nulls": lambda n: pl.Series([None] * n, dtype=pl.Null),
    "polars enum": lambda n: pl.Series(_tile(["x", "y", None], n), dtype=pl.Enum(["y", "x", "z"])),
    "polars time": lambda n: pl.Series(_tile([dt.time(1), dt.time(2)], n)),
    "polars duration": lambda n: pl.Series(_tile([dt.timedelta(1), None], n)),
    "polars zones": lambda n: pl.Series(_tile([dt.datetime(2024, 1, 1)], n), dtype=pl.Datetime("us", "UTC")),
    "polars struct": lambda n: pl.Series(_tile([{"u": 1}, {"u": None}], n)),
    "polars list": lambda n: pl.Series(_tile([[1], [2, 3], None], n)),
    "polars binary": lambda n: pl.Series(_tile([b"a", b"b"], n)),
    "polars NaN and null": lambda n: pl.Series(_tile([1.0, float("nan"), None], n)),
    "polars infinite": lambda n: pl.Series(_tile([1.0, float("inf")], n)),
    "polars object": lambda n: pl.Series(_tile([Opaque(), Opaque()], n), dtype=pl.Object),
    "polars decimal": lambda n: pl.Series(_tile([Decimal("1.5"), None], n)),
    "polars Int128": lambda n: pl.Series(_tile([2**100, -5], n), dtype=pl.Int128),
    "polars categories": lambda n: pl.Series(_tile(["x", None], n), dtype=pl.Categorical),
    "polars far dates": lambda n: pl.Series(_tile([dt.date(1, 1, 1), dt.date(9999, 1, 1)], n)),
}


def first_two(X: Any) -> Any:
    """A model of the columns a and b alone."""
    return 2.0 * np.asarray(X["a"], dtype=float) - 3.0 * np.asarray(X["b"], dtype=float)


def extra_cases(seed: int, n: int) -> Iterator[Case]:
    """A hostile column that the model does not use, beside two that it does."""
    rng = np.random.default_rng([seed, 4])
    grid = [(extra, name) for extra in EXTRAS for name in ta.NAMES]
    for k in range(n):
        extra, name = grid[(seed * n + k) % len(grid)]
        own_seed, place = int(rng.integers(3)), int(rng.integers(3))
        P = numbers("eighths", own_seed, n_columns=2)
        cells = EXTRAS[extra](N)
        library = pl if isinstance(cells, pl.Series) else pd
        columns: dict[str, Any] = {"a": P[:, 0], "b": P[:, 1]}
        names = ["a", "b"]
        names.insert(place, "odd")
        table = library.DataFrame({one: cells if one == "odd" else columns[one] for one in names})
        target = {"a": middle_of(P[:, 0])} if name == "EntropicProjection" else None
        yield Case(
            f"{name} beside {extra} ({library.__name__}), place {place}, seed {own_seed}",
            partial(ta.answer, name, first_two, table, target=target),
            partial(_check_extra, name, own_seed, P, place),
            watched=() if "opaque" in extra else (table,),
            must_answer=name in ta.OF_BACKGROUND
            or (name in ta.OF_ROWS and not any(word in extra for word in ("infinit", "huge"))),
        )


@cache
def _without_extra(name: str, seed: int) -> dict[str, Any]:
    P = numbers("eighths", seed, n_columns=2)
    target = {"a": middle_of(P[:, 0])} if name == "EntropicProjection" else None
    return ta.answer(name, first_two, frame(P), target=target)


def _check_extra(name: str, seed: int, P: Any, place: int, found: Any) -> str | None:
    known = _without_extra(name, seed)
    wrong = ta.check_identities(name, found)
    if wrong is not None:
        return wrong
    if name == "EntropicProjection":
        keys = ("baseline", "baseline_error", "scenario")
        return ta.check_target(found, P[:, 0], middle_of(P[:, 0])) or ta.compare(found, known, keys)
    wrong = ta.compare(found, known, ("outputs", "base_values") if name in ta.OF_BACKGROUND else ("outputs",))
    if wrong is not None or name == "LIME":
        return wrong
    odd = np.abs(found["values"][:, place]).max()
    if odd > (1e-9 if name in ta.OF_BACKGROUND else np.inf):
        return f"the column that is not used has the value {odd}"
    if name in ta.OF_BACKGROUND:
        kept = np.delete(found["values"], place, axis=1)
        return closeness(kept, known["values"], 1e-8, atol=1e-8)
    return None
