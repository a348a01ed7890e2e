"""Cells that are no labels or numbers, labels of the same text, and names of columns, by any explainer."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    as_predictor,
)
from agnostix.exceptions import DataError
from agnostix.plotting import ScatterDisplay, ShiftDisplay
from agnostix.report import WhatIfReport
from tests.messages import assert_states, refuses

N = 40
A = np.random.default_rng(0).normal(size=N)
HALF = N // 2
CELLS = {
    "list": [[1], [2]] * HALF,
    "longer lists": [["x", "y"][: j % 3] for j in range(N)],
    "dict": [{"u": 1}, {"u": [2]}] * HALF,
    "set": [{1}, {2}] * HALF,
    "array": [np.arange(2), np.arange(3.0)] * HALF,
    "equal arrays": [np.arange(4.0) + j for j in range(N)],
    "tuple": [(1, 2), (3, 4)] * HALF,
    "list or nothing": [[1], None] * HALF,
    "arrow list": pd.array([[1], [2]] * HALF, dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "arrow struct": pd.array(
        [{"u": 1}, {"u": 2}] * HALF, dtype=pd.ArrowDtype(pa.struct([("u", pa.int64())]))
    ),
    "arrow time": pd.array([dt.time(1), dt.time(2)] * HALF, dtype=pd.ArrowDtype(pa.time64("us"))),
}
POLARS = {
    "polars list": pl.Series([[1], [2]] * HALF),
    "polars longer lists": pl.Series([["x", "y"][: j % 3] for j in range(N)]),
    "polars struct": pl.Series([{"u": 1}, {"u": 2}] * HALF),
    "polars array": pl.Series([[1, 2], [3, 4]] * HALF, dtype=pl.Array(pl.Int64, 2)),
    "polars time": pl.Series([dt.time(1), dt.time(2)] * HALF),
    "polars Int128": pl.Series([2**100, 2**100 + 1] * HALF, dtype=pl.Int128),
}


def tables():
    for name, cells in CELLS.items():
        yield (
            name,
            pd.DataFrame({"a": A, "b": A[::-1]}).assign(
                c=pd.Series(cells, dtype=object) if isinstance(cells, list) else cells
            ),
        )
    for name, cells in POLARS.items():
        yield name, pl.DataFrame({"a": A, "b": A[::-1], "c": cells})


def model(X):
    return 2.0 * np.asarray(X["a"])


EXPLAINERS = {
    "KernelShap": lambda model: KernelShapExplainer(model, random_state=0),
    "KernelShap with medoids": lambda model: KernelShapExplainer(
        model, background="medoids", background_size=5, random_state=0
    ),
    "Occlusion": lambda model: OcclusionExplainer(model, random_state=0),
    "LIME": lambda model: LimeExplainer(model, n_samples=128, random_state=0),
    "MimicTree": lambda model: MimicTree(model, max_leaf_nodes=4, random_state=0),
}
parametrize = pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
on_tables = pytest.mark.parametrize("table", dict(tables()).values(), ids=dict(tables()))


@on_tables
@parametrize
def test_columns_that_the_model_does_not_use_are_no_hindrance(explainer, table):
    found = explainer(model).fit(table).explain(table[:3])
    assert np.isfinite(found.values).all()
    kept = table[["a", "b"]]
    known = explainer(model).fit(kept).explain(kept[:3])
    np.testing.assert_allclose(found.outputs, known.outputs)
    if found.method != "LimeExplainer":
        np.testing.assert_allclose(found.values[:, 2], 0.0, atol=1e-9)
    assert len(found.to_frame()) == found.values.size


@on_tables
def test_what_if_and_report_leave_such_columns_alone(table):
    fitted = EntropicProjection(model).fit(table)
    kept = EntropicProjection(model).fit(table[["a", "b"]])
    ours, known = (one.what_if({"a": 0.2}).outcomes for one in (fitted, kept))
    np.testing.assert_allclose(ours["value"], known["value"], rtol=1e-9)
    assert {"a", "b"} <= set(fitted.explain().frame["feature"])
    report = WhatIfReport(model, table, rows=[0], explainers=[OcclusionExplainer(model)])
    assert report.json()


@pytest.mark.parametrize("name", ["list", "dict", "array", "polars list"])
def test_columns_that_must_be_read_are_named(name):
    table = dict(tables())[name]
    with refuses(ValueError, "'c'", "holds lists, arrays or dicts", "length"):
        EntropicProjection(model).fit(table).what_if({"c": 1})
    explanation = OcclusionExplainer(model).fit(table).explain(table[:3])
    with refuses(ValueError, "'c'", "lists, arrays or dicts", "length"):
        ScatterDisplay.from_explanation(explanation, "c").plot()
    longer = pd.DataFrame({"a": A, "c": [len(cell) for cell in CELLS["longer lists"]]})
    assert EntropicProjection(model).fit(longer).what_if({"c": 1.1}).status


@parametrize
def test_models_that_use_such_columns_are_explained(explainer):
    table = dict(tables())["longer lists"]
    rows = table[:6]
    found = explainer(lambda X: X["c"].map(len).to_numpy() * 1.0).fit(table).explain(rows)
    np.testing.assert_array_equal(found.outputs[:, 0], [0, 1, 2, 0, 1, 2])
    if found.method in ("KernelShapExplainer", "OcclusionExplainer"):
        np.testing.assert_allclose(found.values[:, 1], 0.0, atol=1e-12)
        assert found.values[0, 2, 0] < found.values[2, 2, 0]


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("level", [1, "1", True])
def test_labels_of_one_text_are_told_apart(level, shift):
    cells = [1, "1", 2, "1", 1, 2, "1", True] * 5 if level is True else [1, "1", 2, "1", 1, 2, "1", 1] * 5
    cells = cells[shift:] + cells[:shift]
    if level is True:
        cells = ["True" if cell == 1 and type(cell) is int else cell for cell in cells]
    table = pd.DataFrame({"c": pd.Series(cells, dtype=object), "x": np.arange(N) * 1.0})
    fitted = EntropicProjection().fit(table, predictions=np.arange(N) % 5.0)
    scenario = fitted.what_if({"c": {level: 0.5}})
    weights = scenario.weights / scenario.weights.sum()
    own = [type(cell) is type(level) and cell == level for cell in cells]
    np.testing.assert_allclose(weights[own].sum(), 0.5, atol=1e-8)
    assert type(scenario.conditions["level"].iloc[0]) is type(level)


def test_labels_of_one_text_are_found_by_text_only_where_it_is_one():
    table = pd.DataFrame({"c": pd.Series([1, "1", 2.5, "x"] * 10, dtype=object), "x": np.arange(N) * 1.0})
    fitted = EntropicProjection().fit(table, predictions=np.arange(N) % 5.0)
    assert fitted.what_if({"c": {"2.5": 0.5}}).status
    with refuses(ValueError, "'c'", "no level '2'", "'1'"):
        fitted.what_if({"c": {"2": 0.5}})


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("ids", [[2**53, 2**53 + 1], [2**60, 2**60 + 1, 0]])
def test_whole_numbers_that_double_precision_rounds_are_named_with_advice(library, ids):
    table = library({"id": np.resize(ids, N), "x": np.arange(N) * 1.0})
    fitted = EntropicProjection(lambda X: np.asarray(X["x"])).fit(table)
    facts = "'id'", "beyond 2**53", "X['id'] - X['id'].min()", "text"
    with refuses(ValueError, *facts):
        fitted.what_if({"id": 1})
    assert "id" not in set(fitted.explain().frame["feature"])
    smaller = np.asarray(table["id"]) - np.asarray(table["id"]).min()
    if len(ids) == 2:
        table = library({"id": smaller, "x": np.arange(N) * 1.0})
        assert EntropicProjection(lambda X: np.asarray(X["x"])).fit(table).what_if({"id": 0.4}).status
    other = library({"id": np.resize([2**60, 0], N), "x": np.arange(N) * 1.0})
    assert EntropicProjection(lambda X: np.asarray(X["x"])).fit(other).what_if({"id": 2.0**59}).status


class Underscored:
    """A fitted model that stores names of columns with "_" for spaces, as LightGBM does."""

    def __init__(self, names):
        self.feature_names_in_ = np.array([name.replace(" ", "_") for name in names])
        self.classes_ = np.array([0, 1])
        self.names = list(names)

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)

    def predict_proba(self, X):
        assert list(X.columns) == self.names
        p = 1.0 / (1.0 + np.exp(-np.asarray(X[self.names[0]])))
        return np.stack([1.0 - p, p], axis=1)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
@parametrize
def test_models_that_write_spaces_as_underscores(explainer, library):
    names = ["mean radius", "worst_area", "mean  gap"]
    table = library({name: A * (j + 1) for j, name in enumerate(names)})
    table = table if library is pl.DataFrame else table.assign(more=1.0)
    found = explainer(Underscored(names)).fit(table).explain(table[:2])
    np.testing.assert_allclose(found.outputs[:, -1], 1.0 / (1.0 + np.exp(-A[:2])))


def test_underscored_names_that_fit_two_columns_are_refused():
    predictor = as_predictor(Underscored(["a b"]))
    with refuses(DataError, "lacks 1", "a_b"):
        predictor.predict(pd.DataFrame({"a b": [1.0], "a\tb": [1.0]}))
    with refuses(DataError, "lacks 1", "a_b", "Did you mean 'a_c'?"):
        predictor.predict(pd.DataFrame({"a_c": [1.0]}))


def test_typos_get_the_column_that_was_meant():
    table = pd.DataFrame({"income": A, "Region": A[::-1]})
    fitted = EntropicProjection(model_of_income).fit(table)
    explanation = OcclusionExplainer(model_of_income).fit(table).explain(table[:3])
    calls = {
        "'income'": [
            lambda: fitted.what_if({"incme": 0.1}),
            lambda: fitted.explain(features=["icome"]),
            lambda: OcclusionExplainer(model_of_income, feature_groups={"g": ["incom"]}).fit(table),
            lambda: OcclusionExplainer(model_of_income, fill={"incone": 0, "Region": 0}).fit(table),
            lambda: ScatterDisplay.from_explanation(explanation, "income "),
        ],
        "'Region'": [lambda: fitted.what_if({"region": 0.1}), lambda: explanation.aggregate(by="regoin")],
    }
    for meant, every in calls.items():
        for call in every:
            with pytest.raises(ValueError, match="Did you mean") as error:
                call()
            assert_states(str(error.value), f"Did you mean {meant}?")
    with pytest.raises(ValueError, match="There is no column") as error:
        fitted.what_if({"zzz": 1})
    assert "Did you mean" not in str(error.value)


def model_of_income(X):
    return np.asarray(X["income"])


MIXED = pd.DataFrame(
    {"c": pd.Series([1, "1", 2, "1", 1, 2, "1", 1] * 10, dtype=object), "x": np.arange(80.0)}
)


def of_texts(X):
    return np.array([3.0 * isinstance(cell, str) for cell in X["c"]]) + 0.01 * np.asarray(X["x"])


def test_labels_of_the_same_text_are_told_apart_in_rules_and_conditions():
    tree = MimicTree(of_texts, random_state=0, max_leaf_nodes=4).fit(MIXED)
    assert "c = '1'" in tree.to_text()
    assert "c in {1, 2}" in tree.to_text()
    assert all("c in {1, 2}" in rule or "c = '1'" in rule for rule in tree.leaves_["rule"])
    explanation = LimeExplainer(of_texts, n_samples=256, random_state=0).fit(MIXED).explain(MIXED[:3])
    assert explanation.extras["conditions"].array[:, 0].tolist() == ["c = 1", "c = '1'", "c = 2"]


def test_labels_of_the_same_text_are_told_apart_in_what_ifs():
    fitted = EntropicProjection(of_texts).fit(MIXED)
    for level, text in ((1, "c=1: 0.5;"), ("1", "c='1': 0.5;"), (2, "c=2: 0.5;")):
        scenario = fitted.what_if({"c": {level: 0.5}})
        assert text in repr(scenario)
        stated = scenario.shifts.loc[scenario.shifts["stated"], "level"].tolist()
        assert stated == [level]
        assert type(stated[0]) is type(level)
        names = [
            tick.get_text() for tick in ShiftDisplay.from_explanation(scenario).plot().ax_.get_yticklabels()
        ]
        assert {"c = 1", "c = '1'", "c = 2"} <= set(names)
    with refuses(ValueError, "more than 1", "1 0.9, '1' 0.8"):
        fitted.what_if({"c": {1: 0.9, "1": 0.8}})
    with refuses(ValueError, "c = 1", "mean of x 79"):
        fitted.what_if({"c": {1: 0.0, "1": 0.5}, "x": 79})
    with refuses(ValueError, "c = '1'", "x"):
        fitted.what_if({"c": {"1": 0.6}, "x": 78.6})
    report = WhatIfReport(of_texts, MIXED, what_if=[{"c": {"1": 0.5}}])
    assert "c = '1' in 50" in report.markdown()
    assert "c = '1'" in report.json()


def test_labels_of_texts_of_their_own_have_no_quotes():
    X = MIXED.assign(c=[str(cell) for cell in MIXED["c"]])
    tree = MimicTree(lambda X: np.asarray(X["c"] == "1", dtype=float), random_state=0).fit(X)
    assert "'" not in tree.to_text()
    fitted = EntropicProjection(lambda X: np.asarray(X["x"])).fit(X)
    for level in (1, "1"):  # the text of a level, and the level
        assert "c=1: 0.5;" in repr(fitted.what_if({"c": {level: 0.5}}))
    numbers = X.assign(c=pd.Categorical([int(cell) for cell in MIXED["c"]]))
    report = WhatIfReport(lambda X: np.asarray(X["x"]), numbers, what_if=[{"c": {"1": 0.5}}])
    assert "c = 1 in 50" in report.markdown()


HALF_PAIR = "caf\udce9"  # what reading with errors="surrogateescape" makes of another encoding


@pytest.mark.parametrize(
    "explainer", [*EXPLAINERS.values(), EntropicProjection], ids=[*EXPLAINERS, "what if"]
)
def test_names_that_are_no_valid_text_are_refused_with_advice(explainer):
    X = pd.DataFrame({"a": A, "b": A[::-1]})
    X.columns = pd.Index(["a", HALF_PAIR], dtype=object)
    advice = "X.rename(columns=lambda name: name.encode(errors='replace').decode())"
    with pytest.raises(DataError, match="surrogate") as error:
        explainer(model).fit(X)
    assert_states(str(error.value), repr(HALF_PAIR), advice)
    assert explainer(model).fit(eval(advice, {"X": X})).n_features_in_ == 2


@pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
def test_cells_that_are_no_valid_text_are_labels(explainer):
    X = pd.DataFrame({"a": A, "b": A[::-1], "c": pd.Series([HALF_PAIR, "x"] * HALF, dtype=object)})
    found = explainer(model).fit(X).explain(X[:3])
    known = explainer(model).fit(X.assign(c=["w", "x"] * HALF)).explain(X.assign(c=["w", "x"] * HALF)[:3])
    np.testing.assert_allclose(found.values[:, :2], known.values[:, :2], atol=1e-9)


def test_what_if_leaves_labels_that_are_no_valid_text_alone():
    X = pd.DataFrame({"a": A, "c": pd.Series([HALF_PAIR, "x"] * HALF, dtype=object)})
    projection = EntropicProjection(model).fit(X)
    assert [entry[0] for entry in projection.explain().skipped] == ["c"]
    with refuses(DataError, "'c'", "no valid text", "encoding_errors='replace'"):
        projection.what_if({"c": {"x": 0.4}})
    report = WhatIfReport(model, X)
    assert all((report.html(), report.json(), report.markdown()))


class Incomparable:
    """A cell that can be neither compared nor hashed."""

    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("not comparable")


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
@parametrize
def test_cells_that_cannot_be_compared_are_no_failure_of_the_model(explainer, library):
    cells = [Incomparable() for _ in range(N)]
    odd = pl.Series(cells, dtype=pl.Object) if library is pl else pd.Series(cells, dtype=object)
    table = library.DataFrame({"a": A, "b": A[::-1], "c": odd})
    found = explainer(model).fit(table).explain(table[:3])
    np.testing.assert_allclose(found.outputs[:, 0], 2.0 * A[:3])
