"""Columns constant but for rounding, far from 0 or in extreme units, and weights of any size."""

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.utils.validation import has_fit_parameter

from agnostix import EntropicProjection, WhatIfReport
from agnostix.exceptions import DataError
from agnostix.testing import AdditiveModel, InteractionModel, all_explainers
from agnostix.testing.harness import assert_identical, explains_population, fit_clone, results, takes_tables
from agnostix.testing.tables import numbers
from tests.messages import assert_states, refuses

OF_TABLES = [explainer(None) for _, explainer in all_explainers() if takes_tables(explainer(None))]
WEIGHTED = [one for one in OF_TABLES if has_fit_parameter(one, "sample_weight")]


def shares(n_rows=60):
    """Shares of a whole, and their sum, which is 1 but for rounding."""
    parts = np.random.default_rng(0).random((n_rows, 3))
    parts /= parts.sum(1, keepdims=True)
    X = pd.DataFrame(parts, columns=["a", "b", "c"])
    X["total"] = X["a"] + X["b"] + X["c"]
    assert X["total"].nunique() > 1
    return X


def steps(value, n_steps, n_rows=60):
    """A column of neighboring numbers of double precision, from a value up."""
    column = np.full(n_rows, value)
    for j in range(1, n_steps + 1):
        column[j :: n_steps + 1] = column[j - 1] + np.spacing(column[j - 1])
    return column


FORMS = {
    "array": lambda X: X.to_numpy(),
    "pandas": lambda X: X,
    "polars": lambda X: pl.DataFrame({name: X[name].to_numpy() for name in X.columns}),
}


@pytest.fixture(autouse=True)
def _no_warnings_of_numpy():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_column_constant_but_for_rounding(explainer, form):
    X = FORMS[form](shares())
    fitted = fit_clone(explainer, AdditiveModel(), X)
    for name, values in results(fitted, X).items():
        if name in ("values", "curves.value"):
            assert np.isfinite(values).all(), name


def test_constant_but_for_rounding_is_skipped_with_reason():
    X = shares()
    projection = EntropicProjection(AdditiveModel()).fit(X)
    curves = projection.explain()
    assert [entry[0] for entry in curves.skipped] == ["total"]
    assert "constant but for rounding: every row has 1" in curves.skipped[0][2]
    assert set(projection.rank()["feature"]) == {"a", "b", "c"}
    for call in (
        lambda: projection.explain(features="total"),
        lambda: projection.what_if({"total": 1.0}),
        lambda: projection.joint("a", "total"),
    ):
        with refuses(DataError, "'total' cannot be shifted", "constant but for rounding"):
            call()
    with refuses(DataError, "is 1 in every row"):
        EntropicProjection(lambda X: X["total"]).fit(X).what_if(prediction=1.0)


def test_report_of_column_constant_but_for_rounding(tmp_path):
    X = shares()
    WhatIfReport(AdditiveModel(), X, X["a"] > 0.3).save(tmp_path / "report.html")
    WhatIfReport(lambda X: X["total"], X).save(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("n_steps", [1, 4, 9, 20, 80, 1000])
@pytest.mark.parametrize("value", [1.0, -3.0, 1e-300, 2.0**52, 2.0**60, 1e300])
def test_columns_of_few_steps_of_double_precision(value, n_steps):
    X = pd.DataFrame({"x": steps(value, n_steps, 3000), "y": np.random.default_rng(0).random(3000)})
    projection = EntropicProjection(n_targets=5).fit(X, predictions=X["y"])
    curves = projection.explain()
    assert {"x", "y"} == set(curves.frame["feature"]) | {entry[0] for entry in curves.skipped}
    assert np.isfinite(curves.frame["value"]).all()
    for histogram in curves.histograms:
        assert (np.diff(histogram.edges) > 0).all()
        assert histogram.fractions.sum() == pytest.approx(1.0)


def test_column_that_spans_more_than_a_number_is_skipped_with_remedy():
    x = np.r_[-1.7e308, 1.7e308, np.linspace(-1.0, 1.0, 58)]
    X = pd.DataFrame({"x": x, "y": np.arange(60.0)})
    projection = EntropicProjection().fit(X, predictions=X["y"])
    assert [entry[0] for entry in projection.explain().skipped] == ["x"]
    with refuses(DataError, "'x' cannot be shifted", "-1.7e+308 to 1.7e+308", "divide it by a power of ten"):
        projection.what_if({"x": 1.0})
    with refuses(DataError, "squares predictions", "1.7e+308", "Divide them by 1e308"):
        EntropicProjection().fit(X, predictions=x)
    ranking = EntropicProjection().fit(X, predictions=x / 1e308).rank()
    assert np.isfinite(ranking[["value", "std_error"]]).all(axis=None)
    again = EntropicProjection().fit(X.assign(x=x / 10.0), predictions=X["y"])
    assert again.explain(features="x").frame["value"].notna().all()


OFFSETS = [0.0, 1e6, -1.7e9, 1.7e9, 1e12, 1.7e15]
B = np.round(np.random.default_rng(0).gamma(2.0, size=200) * 4.0) / 4.0  # exact at every offset


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("scale", [1.0, 2.0**-40, 2.0**40])
def test_scenario_far_from_zero_reaches_target(offset, scale):
    x = scale * (B + offset)
    X = pd.DataFrame({"x": x, "b": B})
    projection = EntropicProjection().fit(X, predictions=x)
    target = scale * (offset + 2.5)
    for arguments in (
        {"constraints": {"x": target}},
        {"prediction": target},
        {"constraints": {"x": (target, target + 9 * scale)}},
    ):
        scenario = projection.what_if(**arguments)
        weights = [Fraction(float(weight)) for weight in scenario.weights]
        mean = sum(w * Fraction(float(v)) for w, v in zip(weights, x, strict=True)) / sum(weights)
        gap = abs(float(mean - Fraction(target))) / x.std()
        assert gap <= 1e-9
        assert scenario.gap == pytest.approx(gap, abs=1e-14)


@pytest.mark.parametrize("offset", OFFSETS[1:])
def test_curves_far_from_zero_equal_those_at_zero(offset):
    frames = []
    for add in (0.0, offset):
        X = pd.DataFrame({"x": B + add, "g": np.arange(200) % 2})
        projection = EntropicProjection().fit(X, predictions=np.sin(B))
        curves = projection.explain(targets={"x": [add + 1.75, add + 2.5]}, by="g").frame
        ranking, scenario = projection.rank(features="x"), projection.what_if({"x": add + 2.5})
        assert projection.joint("x", ("g", 1), n_targets=3)["value"].notna().all()
        frames.append([curves, ranking, scenario.outcomes])
    for one, other in zip(*frames, strict=True):
        for name in ("value", "std_error", "low", "high"):
            np.testing.assert_allclose(other[name], one[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("scale", "offset"), [(2.0**-27, 0.0), (2.0**-500, 0.0), (2.0**500, 0.0), (1.0, 1e8), (64.0, 1.7e9)]
)
def test_curves_follow_units_of_predictions(scale, offset):
    X, y = pd.DataFrame({"x": B, "k": np.arange(200) % 3}), np.round(64.0 * np.sin(B)) / 64.0
    frames = []
    for unit, origin in ((1.0, 0.0), (scale, offset)):
        projection = EntropicProjection().fit(X, predictions=unit * y + origin)
        parts = projection.explain().frame, projection.rank(), projection.what_if({"x": 2.5}).outcomes
        for part in parts:
            for name in ("value", "low", "high"):
                part[name] = (part[name] - origin) / unit
            part["std_error"] /= unit
        frames.append(parts)
    for one, other in zip(*frames, strict=True):
        for name in ("value", "std_error", "low", "high"):
            rounding = 4.0 * np.spacing(offset) / scale
            np.testing.assert_allclose(other[name], one[name], rtol=1e-9, atol=1e-12 + rounding)


@pytest.mark.parametrize("explainer", WEIGHTED, ids=str)
@pytest.mark.parametrize("exponent", [-1020, -540, 540, 1020])
def test_weights_in_any_units_give_same_results(explainer, exponent):
    X, weight = numbers(24, 3), 1.0 + np.arange(24.0) % 7
    expected = results(fit_clone(explainer, InteractionModel(), X, weight), X)
    actual = results(fit_clone(explainer, InteractionModel(), X, np.ldexp(weight, exponent)), X)
    if not explains_population(explainer):
        assert_identical(actual, expected, "weights in other units")
    for name, values in expected.items():  # the population's rows are ordered by a hash of the weights too
        if values.dtype.kind == "f":
            np.testing.assert_allclose(actual[name], values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("explainer", WEIGHTED, ids=str)
@pytest.mark.parametrize("bad", [["w"] * 24, np.full(24, 1j), np.r_[-1.0, np.ones(23)], np.ones(3)], ids=str)
def test_bad_weights_are_refused_by_name(explainer, bad):
    with pytest.raises(ValueError, match=r"sample_weight.*24|sample_weight .* such as"):
        fit_clone(explainer, InteractionModel(), numbers(24, 3), bad)


@pytest.mark.parametrize("explainer", WEIGHTED, ids=str)
def test_weights_that_span_double_precision(explainer):
    X, weight = numbers(24, 3), 10.0 ** np.linspace(-300, 300, 24)
    if isinstance(explainer, EntropicProjection):
        with refuses(DataError, "sample_weight spans", "12 rows", "1e-290", "to 0"):
            fit_clone(explainer, InteractionModel(), X, weight)
        weight[weight < 1e-290 * weight.max()] = 0.0
        fitted = fit_clone(explainer, InteractionModel(), X, weight)
        assert np.isfinite(fitted.explain().frame["value"]).all()
        assert fitted.baseline()["value"][0] == pytest.approx(InteractionModel()(X[-1:])[0])
        return
    for name, values in results(fit_clone(explainer, InteractionModel(), X, weight), X).items():
        if name in ("values", "curves.value", "outcomes.value"):
            assert np.isfinite(values).all(), name


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("way", ["model", "predictions", "y"])
def test_what_if_of_predictions_whose_squares_no_number_holds_is_refused(size, way):
    X, y = pd.DataFrame({"x": B}), np.sin(B)

    def fit(values):
        if way == "model":
            of_x = dict(zip(B.tolist(), values.tolist(), strict=True))
            return EntropicProjection(lambda Z: np.array([of_x[x] for x in Z["x"]])).fit(X)
        return EntropicProjection().fit(X, **{way: values})

    unit = int(np.floor(np.log10(np.abs(size * y).max())))
    with refuses(DataError, "EntropicProjection squares predictions", "1e-151", "1e+151", f"1e{unit}"):
        fit(size * y)
    if size > 1e-300:
        expected, found = (one.what_if({"x": 2.5}).outcomes for one in (fit(y), fit(size * y / 10.0**unit)))
        np.testing.assert_allclose(found["std_error"] * 10.0**unit / size, expected["std_error"], rtol=1e-9)
    if size < 1.0:
        assert fit(np.full(200, size)).baseline()["std_error"][0] == 0.0


@pytest.mark.parametrize("scale", [2.0**-1064, 2.0**-1000])
def test_column_of_few_digits_is_skipped_with_remedy(scale):
    X = pd.DataFrame({"x": scale * B, "b": B})
    projection = EntropicProjection().fit(X, predictions=B)
    assert [entry[0] for entry in projection.explain().skipped] == ["x"]
    with refuses(DataError, "'x' cannot be shifted", "few digits", "multiply it by a power of ten"):
        projection.what_if({"x": 2.5 * scale})
    assert EntropicProjection().fit(X * 1e305, predictions=B).what_if({"x": 2.5 * scale * 1e305}).status


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_whole_numbers_beyond_double_precision_are_infinite(explainer):
    X = pd.DataFrame({"a": B[:40], "odd": pd.Series([10**400, 1] * 20, dtype=object)})
    name = type(explainer).__name__
    if name in ("OcclusionExplainer", "KernelShapExplainer"):
        values = fit_clone(explainer, lambda Z: np.asarray(Z["a"]), X).explain(X[:3]).values
        np.testing.assert_array_equal(values[:, 1], 0.0)
        return
    with refuses(DataError, "'odd'", "infinite values", "Replace them"):
        fit_clone(explainer, lambda Z: np.asarray(Z["a"]), X)


@pytest.mark.parametrize("explainer", OF_TABLES, ids=str)
def test_records_and_raw_bytes_are_refused(explainer):
    X = numbers(24, 3)
    records = np.array([tuple(row) for row in X], dtype=[("a", float), ("b", float), ("c", float)])
    for table in (records, X.copy().view("V8")):
        with refuses(DataError, "records or raw bytes", "pandas.DataFrame(X)"):
            fit_clone(explainer, AdditiveModel(), table)
    assert fit_clone(explainer, AdditiveModel(), pd.DataFrame(records)).n_features_in_ == 3


def test_neighbors_of_a_column_that_spans_more_than_a_number():
    X = pd.DataFrame({"a": B, "wide": np.resize([1.7e308, -1.7e308, 0.0], 200)})
    report = WhatIfReport(lambda Z: np.asarray(Z["a"]), X, rows=[0])
    assert report.summary["rows"][0]["neighbors"]["sentences"]


POPULATION_CALLS = {
    "average": lambda p, a, b: p.what_if({"x0": a}),
    "averages": lambda p, a, b: p.what_if({"x0": a, "x1": b}),
    "range": lambda p, a, b: p.what_if({"x0": (a, a + 0.01)}),
    "mean prediction": lambda p, a, b: p.what_if(prediction=float(a)),
    "curve": lambda p, a, b: p.explain(targets={"x0": [a], "x1": [b]}),
    "ranking": lambda p, a, b: p.rank(),
    "joint": lambda p, a, b: p.joint("x0", "x1", n_targets=3),
}


@pytest.mark.parametrize("call", POPULATION_CALLS)
@pytest.mark.parametrize("factor", [1e3, 1e10, 1e26, 1e100])
@pytest.mark.parametrize("n_rows", [24, 60])
def test_weights_that_span_too_much_for_targets_are_named(call, factor, n_rows):
    X, run = numbers(n_rows, 3), POPULATION_CALLS[call]
    a, b = X[:, 0].mean(), X[:, 1].mean()
    weight = factor ** -np.minimum(np.arange(n_rows), 289 / np.log10(factor))
    try:
        found = run(EntropicProjection().fit(X, predictions=X[:, 0], sample_weight=weight), a, b)
        assert getattr(found, "gap", 0.0) <= 1e-9
    except DataError as error:
        n_light = int((weight < 1e-12 * weight.max()).sum())
        remedy = "np.maximum(sample_weight, 1e-10 * np.max(sample_weight))"
        assert_states(str(error), "sample_weight", f"{n_light} of {n_rows} rows", "1e-12", remedy)
    raised = np.maximum(weight, 1e-10 * np.max(weight))
    found = run(EntropicProjection().fit(X, predictions=X[:, 0], sample_weight=raised), a, b)
    assert getattr(found, "gap", 0.0) <= 1e-9
