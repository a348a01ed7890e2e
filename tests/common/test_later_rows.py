"""Rows that come later with other types, another order or more columns; labels of rows; by any explainer."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.cluster import KMeans

from agnostix import Explanation, KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer
from agnostix.exceptions import DataError
from agnostix.plotting import WaterfallDisplay
from agnostix.report import WhatIfReport
from tests.messages import refuses

RNG = np.random.default_rng(0)
N = 60
X = pd.DataFrame(
    {
        "a": RNG.integers(0, 9, N) * 1.0,
        "k": RNG.integers(0, 9, N),
        "small": RNG.normal(size=N).astype(np.float32),
        "few": RNG.integers(0, 100, N).astype(np.int32),
        "maybe": pd.array([*range(N - 1), None], dtype="Int64"),
        "city": pd.Categorical(RNG.choice(["x", "y"], N)),
        "text": RNG.choice(["u", "v"], N),
        "flag": RNG.random(N) > 0.5,
    }
)
EXPLAINERS = {
    "KernelShap": lambda model: KernelShapExplainer(model, random_state=0, background_size=10),
    "Occlusion": lambda model: OcclusionExplainer(model, random_state=0),
    "Occlusion, workers": lambda model: OcclusionExplainer(model, n_jobs=2, random_state=0),
    "LIME": lambda model: LimeExplainer(model, n_samples=256, random_state=0),
    "MimicTree": lambda model: MimicTree(model, max_leaf_nodes=4, synthetic="none", random_state=0),
}
parametrize = pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)


def model(X):
    """A model of any library, which takes all columns."""
    total = np.zeros(len(X))
    for name in ("a", "k", "small", "few", "maybe"):
        total += np.array(
            [0.0 if cell is None or pd.isna(cell) else float(cell) for cell in X[name].to_list()]
        )
    return total + np.array([cell == "x" for cell in X["city"].to_list()])


def stub(X):
    return np.asarray(X["a"], dtype=float)


def in_polars(frame):
    return pl.from_pandas(frame.astype({"city": str})).with_columns(pl.col("city").cast(pl.Enum(["x", "y"])))


LATER = {
    "integers for decimals": lambda X: X.astype({"a": int}),
    "wider": lambda X: X.astype({"few": np.int64}),
    "decimals for integers": lambda X: X.astype({"k": float, "few": float}),
    "narrower": lambda X: X.astype({"k": np.int8}),
    "nullable": lambda X: X.astype({"k": "Int64", "a": "Float64", "flag": "boolean"}),
    "pyarrow": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "plain for nullable": lambda X: X.astype({"maybe": float}),
    "objects": lambda X: X.astype(object),
    "text for labels": lambda X: X.astype({"city": str}),
    "labels for text": lambda X: X.astype({"text": "category"}),
    "fewer labels": lambda X: X.assign(city=X["city"].cat.set_categories(["y", "x", "z"])),
    "order": lambda X: X[X.columns[::-1]],
    "more": lambda X: X.assign(id=7, other="z")[["id", *X.columns, "other"]],
}


@parametrize
@pytest.mark.parametrize("change", LATER.values(), ids=LATER)
def test_rows_that_lose_nothing_are_explained_alike(explainer, change):
    fitted = explainer(model).fit(X)
    rows = X.iloc[[3, 8, 20]]
    known, found = fitted.explain(rows), pickle.loads(pickle.dumps(fitted)).explain(change(rows))
    np.testing.assert_array_equal(found.values, known.values)
    pd.testing.assert_frame_equal(found.data, known.data)
    assert fitted.cost(change(rows)) == fitted.cost(rows)


@parametrize
def test_polars_rows_that_lose_nothing_are_explained_alike(explainer):
    table = in_polars(X)
    fitted = explainer(model).fit(table)
    rows = table[[3, 8, 20]]
    changed = rows.with_columns(pl.col("a").cast(pl.Int32), pl.col("k").cast(pl.Float64)).select(
        pl.lit(1).alias("id"), *table.columns[::-1]
    )
    found = fitted.explain(changed)
    np.testing.assert_array_equal(found.values, fitted.explain(rows).values)
    assert found.data.equals(rows)


@parametrize
@pytest.mark.parametrize("value", [np.nan, 2.5])
def test_integers_may_be_missing_or_decimal_later(explainer, value):
    floats = explainer(model).fit(X.astype({"k": float}))
    rows = X.iloc[[3, 8]].astype({"k": float})
    rows.iloc[0, 1] = value
    found, known = explainer(model).fit(X).explain(rows), floats.explain(rows)
    if isinstance(floats, MimicTree | LimeExplainer):
        assert np.isfinite(found.values).all()
    else:
        np.testing.assert_allclose(found.values, known.values)
    np.testing.assert_allclose(found.outputs, known.outputs)


@parametrize
def test_values_that_their_type_cannot_hold_are_named_with_advice(explainer):
    fitted = explainer(model).fit(X)
    rows = X.iloc[[3, 8]].astype({"small": float})
    rows.iloc[1, 2] = 0.1
    with refuses(DataError, "'small'", "float64 in X", "float32 in what fit saw", "0.1 of row 1", "X.astype"):
        fitted.explain(rows)
    assert fitted.explain(rows.astype({"small": "float32"})).values.shape[0] == 2
    unknown = X.iloc[[3, 8]].assign(city=pd.Categorical(["x", "new"]))
    with refuses(DataError, "'city'", "'new' of row 1", "Leave such rows out", "fit on a table that has it"):
        fitted.explain(unknown)
    assert fitted.explain(unknown[:1]).values.shape[0] == 1
    with refuses(DataError, "'k'", "'many' of row 0", "Leave such rows out"):
        fitted.explain(X.iloc[[3]].assign(k="many"))
    with refuses(DataError, "lacks city", "Did you mean 'City'?"):
        fitted.explain(X.rename(columns={"city": "City"}))
    with refuses(DataError, "fit saw a DataFrame of pandas", "X is one of polars", "X.to_pandas()"):
        fitted.explain(pl.from_pandas(X[["a", "k"]]))


INDEXES = {
    "text": [f"patient {i}" for i in range(N)],
    "numbers": range(1000, 1000 + N),
    "decimals": np.arange(N) / 4,
    "dates": pd.date_range("2024-01-01", periods=N),
    "pairs": pd.MultiIndex.from_product([["north", "south"], range(N // 2)]),
    "repeated": ["one", "two"] * (N // 2),
}


@parametrize
@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_labels_of_rows_are_kept(explainer, index, tmp_path):
    table = X.set_axis(pd.Index(index), axis=0)
    found = explainer(model).fit(table).explain(table.iloc[3:6])
    labels = table.index[3:6].tolist()
    assert list(found.row_names) == labels
    assert found.to_frame()["row"].unique().tolist() == list(dict.fromkeys(labels))
    assert found[1:].row_names == tuple(labels[1:])
    assert len(found.to_frame(layout="wide")) == 3
    found.save(tmp_path / "explanation")
    assert Explanation.load(tmp_path / "explanation").row_names == tuple(labels)
    if isinstance(labels[0], str | tuple):
        WaterfallDisplay.from_explanation(found, row=labels[0])


@parametrize
def test_rows_that_are_only_numbered_have_no_names(explainer):
    fitted = explainer(model).fit(X)
    assert fitted.explain(X[:3]).row_names is None
    assert explainer(model).fit(in_polars(X)).explain(in_polars(X)[:2]).row_names is None
    assert list(fitted.explain(X.iloc[3:5]).row_names) == [3, 4]


def test_report_takes_pairs_as_labels():
    table = X[["a", "k"]].set_axis(pd.MultiIndex.from_product([["north", "south"], range(N // 2)]))
    for rows in (("north", 3), [("north", 3)], [("north", 3), ("south", 4)]):
        report = WhatIfReport(stub, table, rows=rows, explainers=[OcclusionExplainer(stub)])
        assert len(report.summary["rows"]) == (2 if isinstance(rows, list) and len(rows) == 2 else 1)


def test_clusters_of_labeled_rows():
    frame = X[["a", "k"]].set_axis([f"row {i}" for i in range(N)])
    found = OcclusionExplainer(KMeans(2, n_init=1, random_state=0).fit(frame)).fit(frame).explain(frame[:2])
    assert found.row_names == ("row 0", "row 1")
