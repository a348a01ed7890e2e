"""Single rows in the report: the numbers of the explainers, and the nearest neighbors."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import logit
from scipy.stats import t
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from agnostix import Explanation, KernelShapExplainer, OcclusionExplainer, WhatIfReport, as_predictor
from agnostix.core.base import AttributionExplainer
from agnostix.exceptions import DataError
from tests.messages import assert_states, refuses
from tests.reference import gower
from tests.report.conftest import pipeline


@pytest.fixture(scope="module")
def rows(people: pd.DataFrame, income: pd.Series) -> WhatIfReport:
    """Two rows explained, of a model that was fitted on three of five columns."""
    model = pipeline(LogisticRegression(), ["age", "noise"], ["sex"])
    model.fit(people[["age", "noise", "sex"]], income)
    return WhatIfReport(model, people, income, rows=[7, 3], title="Rows", confidence_level=0.9)


@pytest.fixture(scope="module")
def shapley(binary: WhatIfReport) -> WhatIfReport:
    """A row explained by Shapley values from 40 background rows."""
    inputs = binary._inputs
    explainer = KernelShapExplainer(inputs.model, background_size=40, random_state=0)
    return WhatIfReport(inputs.model, inputs.X, inputs.y, rows=[7], explainers=[explainer])


class Halves(AttributionExplainer):
    """An explainer from elsewhere: two features have half of the prediction each."""

    def __init__(self, model: object = None, factor: float = 1.0) -> None:
        self.model = model
        self.factor = factor

    def fit(self, X: pd.DataFrame, y: object = None, sample_weight: object = None) -> Halves:
        self.columns_ = list(X.columns)
        return self

    def explain(self, X: pd.DataFrame, *, outputs: object = None) -> Explanation:
        predictions = self.factor * as_predictor(self.model).predict(X)[:, [outputs]]
        half = predictions[:, None, :] / 2.0
        return Explanation(
            values=np.concatenate([half, half], axis=1),
            base_values=np.zeros_like(predictions),
            outputs=predictions,
            feature_names=("left", "right"),
            output_names=("selected",),
            quantity="contribution",
            completeness="outputs - base_values",
            method="Halves",
            n_model_rows=len(X),
            fidelity={"r2": np.full_like(predictions, 0.5)},
        )


def test_rows_values_equal_explainer(rows: WhatIfReport, people: pd.DataFrame) -> None:
    own = people[["age", "noise", "sex"]]
    explainer = OcclusionExplainer(rows._inputs.model, random_state=0).fit(own)
    expected = explainer.explain(own.iloc[[7, 3]], outputs=1)
    low, _ = expected.interval(0.9)
    for i, row in enumerate(rows.summary["rows"]):
        (part,) = row["explanations"]
        assert part["method"] == "OcclusionExplainer"
        assert part["base_value"] == pytest.approx(expected.base_values[i, 0], rel=1e-5)
        assert part["output"] == row["prediction"] == pytest.approx(expected.outputs[i, 0], rel=1e-5)
        assert part["n_model_rows"] == expected.n_model_rows
        assert (part["n_rows_explained"], part["background_size"], part["confidence_level"]) == (2, 50, 0.9)
        written = {value["feature"]: value for value in part["values"]}
        assert set(written) == {"age", "noise", "sex"}
        for j, name in enumerate(own):
            value, error = expected.values[i, j, 0], expected.std_errors[i, j, 0]
            assert written[name]["value"] == pytest.approx(value, rel=1e-5)
            assert written[name]["std_error"] == pytest.approx(error, rel=1e-5)
            assert written[name]["low"] == pytest.approx(low[i, j, 0], rel=1e-4, abs=1e-8)
        sizes = [abs(value["value"]) for value in part["values"]]
        assert sizes == sorted(sizes, reverse=True)
        assert written["age"]["data"] == pytest.approx(people["age"].iloc[[7, 3][i]])
        assert part["sum_of_values"] == pytest.approx(expected.values[i].sum(), rel=1e-5)


def test_nearest_equal_plain_loops(rows: WhatIfReport, people: pd.DataFrame) -> None:
    own = people[["age", "noise", "sex"]]
    table = list(zip(*(own[name].to_list() for name in own), strict=True))
    columns = [own[name].to_list() for name in own]
    model, y = rows._inputs.model, rows._inputs.y
    for row, position in zip(rows.summary["rows"], (7, 3), strict=True):
        expected = gower.nearest(table[position], table, columns, 5, position)
        assert row["neighbors"]["columns"] == ["age", "noise", "sex"]
        assert [near["position"] for near in row["neighbors"]["rows"]] == [j for j, _ in expected]
        for near, (j, distance) in zip(row["neighbors"]["rows"], expected, strict=True):
            assert near["distance"] == pytest.approx(distance, rel=1e-5)
            assert near["prediction"] == pytest.approx(model.predict_proba(people)[j, 1], rel=1e-5)
            assert near["observed"] == y[j]
            assert near["values"]["town"] == people["town"][j]
            assert set(near["differs"]) <= {"age", "noise", "sex"}
            assert ("sex" in near["differs"]) == (people["sex"][j] != people["sex"][position])


def test_row_sentences_prediction_truth_and_membership(rows: WhatIfReport, income: pd.Series) -> None:
    row = rows.summary["rows"][0]
    assert (row["name"], row["position"], row["label"]) == ("Row 7", 7, None)
    assert re.fullmatch(
        r"For row 7 the model predicts P\(income = >50K\) = [\d.]+\u202f% \(observed: income = "
        rf"{income[7]}\)\.",
        row["sentence"],
    )
    sentences = row["neighbors"]["sentences"]
    assert sentences[0] == (
        "Row 7 is in the data; no other row equals it in the 3 columns that the model uses."
    )
    first = row["neighbors"]["rows"][0]["position"]
    assert sentences[1].startswith(f"The nearest neighbor, row {first}, differs in ")
    n = sum(near["observed"] == ">50K" for near in row["neighbors"]["rows"])
    assert sentences[2].endswith(f"; income = >50K is observed for {n} of 5.")


def test_rows_on_page_and_in_markdown(rows: WhatIfReport) -> None:
    page, plain = rows.html(), re.sub(r"\\([^\w\s])", r"\1", rows.markdown())
    seen = re.sub(r"<[^>]+>", "", page.split('<section id="rows">')[1].split("</section>")[0])
    seen = " ".join(seen.replace("&gt;", ">").replace("&lt;", "<").replace("&#39;", "'").split())
    for row in rows.summary["rows"]:
        (part,) = row["explanations"]
        sentences = [row["sentence"], part["note"], " ".join(part["sentences"]), " ".join(part["remarks"])]
        sentences.append(" ".join(part["trust"]))
        for text in [*sentences, " ".join(row["neighbors"]["sentences"])]:
            assert " ".join(text.split()) in seen
            assert text in plain
        for value in part["values"]:
            assert value["text"]["interval"] in seen
            assert f"| {value['text']['value']} | {value['text']['interval']} |" in plain
        for near in row["neighbors"]["rows"]:
            assert near["name"] in seen
            assert near["name"] in plain
    assert page.index('id="quality"') < page.index('id="rows"') < page.index('id="trust"')
    assert "Single rows (CSV)" in page
    assert "<title>Why row 7, by OcclusionExplainer</title>" in page
    tables = [
        line for line in plain.split("## Why these predictions?")[1].splitlines() if line.startswith("|")
    ]
    assert {line.count("|") for line in tables} == {5, 8}


def test_report_without_rows_has_no_such_part(regression: WhatIfReport) -> None:
    assert regression.summary["rows"] == []
    assert 'id="rows"' not in regression.html()
    assert "Why this prediction?" not in regression.markdown()
    assert "single rows" not in dict(regression.summary["metadata"])["Cost"]
    assert WhatIfReport(regression._inputs.model, regression._inputs.X, rows=[]).summary["rows"] == []


def test_cost_counts_model_rows(rows: WhatIfReport) -> None:
    n = rows.summary["rows"][0]["explanations"][0]["n_model_rows"]
    cost = dict(rows.summary["metadata"])["Cost"]
    assert_states(cost, "440 rows", f"{n + 2} more", "single rows")
    assert f"Cost: {n} model rows for 2 rows together, with 50 background rows" in rows.markdown()


def test_rows_random_state_is_that_of_report(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy() * X["noise"].to_numpy(), task="regression")

    def explained(**more: object) -> object:
        return WhatIfReport(model, people, rows=[0], **more).summary["rows"]

    assert explained() == explained(random_state=0)
    drawn = [OcclusionExplainer(model, background="sample", random_state=seed) for seed in (0, 1)]
    assert explained(explainers=drawn[:1]) != explained(explainers=drawn[1:])
    assert explained(random_state=1) == explained(explainers=[OcclusionExplainer(model, random_state=1)])


def test_rows_explainer_from_elsewhere(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    halves = Halves(model)
    report = WhatIfReport(
        model, people[["age", "sex"]], rows=[5], explainers=[halves, OcclusionExplainer(model)]
    )
    own, other = report.summary["rows"][0]["explanations"]
    assert not hasattr(halves, "columns_")
    assert (own["method"], own["quantity"], other["quantity"]) == ("Halves", "contribution", "effect")
    assert own["title"] == "How much does each feature contribute to the prediction?"
    assert own["remarks"] == [
        f"The contributions add up to the difference, {own['values'][0]['text']['value'][0]}"
        f"{abs(people['age'][5]):.1f}."
    ]
    assert own["trust"][1:] == ["The values are exact: nothing is sampled.", "Fidelity: r2 0.500."]
    assert {value["text"]["interval"] for value in own["values"]} == {"exact"}
    page = report.html()
    assert "Why row 5, by Halves" in page
    assert '<span class="note">Halves</span>' in page


def test_rows_fitted_explainer_is_not_refitted(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    explainer = OcclusionExplainer(model, background_size=7, random_state=3).fit(people[["age", "sex"]])
    report = WhatIfReport(model, people, rows=[5], explainers=explainer)
    (part,) = report.summary["rows"][0]["explanations"]
    assert part["background_size"] == 7
    assert {value["feature"] for value in part["values"]} == {"age", "sex"}


def test_row_sentences_name_other_units(binary: WhatIfReport) -> None:
    inputs = binary._inputs
    report = WhatIfReport(inputs.model, inputs.X, rows=[0], explainers=[Halves(inputs.model, factor=-40.0)])
    (part,) = report.summary["rows"][0]["explanations"]
    assert part["unit"] == "contribution"
    assert part["sentences"][0].startswith("The prediction, \u2212")
    assert part["sentences"][0].endswith(" below the base value, 0.0, in the explainer's own units.")
    (figure,) = re.findall(r"<title>Why row 0.*?</svg>", report.html(), re.DOTALL)
    assert "explainer's own units" in " ".join(html.unescape(re.sub(r"<[^>]*>", " ", figure)).split())
    assert "\u202f%" in report.summary["rows"][0]["sentence"]


def test_rows_shapley_values_equal_explanation(shapley: WhatIfReport) -> None:
    inputs = shapley._inputs
    (row,) = shapley.summary["rows"]
    (part,) = row["explanations"]
    used = inputs.X[list(inputs.model.feature_names_in_)]
    explainer = KernelShapExplainer(inputs.model, background_size=40, random_state=0)
    exp = explainer.fit(used, inputs.y).explain(used.iloc[[7]], outputs=1)
    written = {value["feature"]: value for value in part["values"]}
    dof = exp.extras["degrees_of_freedom"].array
    for name, value, error, own in zip(
        exp.feature_names, exp.values[0, :, 0], exp.std_errors[0, :, 0], dof[0, :, 0], strict=True
    ):
        assert written[name]["value"] == pytest.approx(value, rel=1e-5)
        assert written[name]["high"] == pytest.approx(value + t.ppf(0.975, own) * error, rel=1e-4)
    assert (part["quantity"], part["unit"]) == ("contribution", "points")
    assert part["completeness"] == "outputs - base_values"
    assert part["title"] == "How much does each feature contribute to the prediction?"
    assert " points above the mean prediction of 40 background rows, " in part["sentences"][0]
    (total,) = part["remarks"][-1:]
    assert total.startswith("The contributions add up to the difference, ")
    assert "an interaction is divided among the features that take part in it." in part["note"]
    assert_states(part["trust"][1], "they cover the sampling of the background rows, not the training")
    n = len(exp.feature_names)
    assert f"with 40 background rows and {2**n} coalitions of this row's features, by" in part["note"]
    assert "Why row 7, by KernelShapExplainer" in shapley.html()
    more = explainer.n_model_rows_ + exp.n_model_rows + 1
    assert_states(dict(shapley.summary["metadata"])["Cost"], f", {more:_} more".replace("_", "\u202f"))


def test_exact_values_of_trees_rest_on_the_trees() -> None:
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, y)
    report = WhatIfReport(model, X, y, rows=[17], explainers=[KernelShapExplainer(model)])
    note = report.summary["rows"][0]["explanations"][0]["note"]
    assert_states(note, f"exact over the whole table of {len(X)} rows", "the model's own trees")
    assert "Cost: 1 model row, by" in note
    assert "±" not in report.summary["rows"][0]["explanations"][0]["sentences"][0]


def test_cost_leaves_out_earlier_fit(binary: WhatIfReport) -> None:
    inputs = binary._inputs
    used = inputs.X[list(inputs.model.feature_names_in_)]
    explainer = KernelShapExplainer(inputs.model, background_size=40, random_state=0).fit(used)
    report = WhatIfReport(inputs.model, inputs.X, rows=[7], explainers=[explainer])
    more = explainer.explain(used.iloc[[7]]).n_model_rows + 1
    assert_states(dict(report.summary["metadata"])["Cost"], f", {more:_} more".replace("_", "\u202f"))


def test_rows_log_odds_are_named(binary: WhatIfReport) -> None:
    inputs = binary._inputs
    explainer = KernelShapExplainer(inputs.model, link="logit", random_state=0)
    report = WhatIfReport(inputs.model, inputs.X, rows=[7], explainers=[explainer])
    (row,) = report.summary["rows"]
    (part,) = row["explanations"]
    assert part["unit"] == "log-odds"
    assert part["output"] == pytest.approx(logit(row["prediction"]), abs=1e-4)
    assert " (log-odds; the latter is a probability of " in part["sentences"][0]
    page = report.html()
    assert "own units" not in page
    (figure,) = re.findall(r"<title>Why row 7.*?</svg>", page, re.DOTALL)
    assert "log-odds" in html.unescape(re.sub(r"<[^>]*>", " ", figure))


def test_caption_names_intervals_only_with_errors(shapley: WhatIfReport) -> None:
    inputs = shapley._inputs
    explainer = KernelShapExplainer(inputs.model, background="all", random_state=0)
    exact = WhatIfReport(inputs.model, inputs.X[:60], rows=[7], explainers=[explainer])
    for report, n in ((shapley, 1), (exact, 0)):
        assert report.html().count("Lines through the ends of the bars are intervals.") == n


def test_rows_without_explainers_keep_nearest(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    (row,) = WhatIfReport(model, people, rows=[5], explainers=[]).summary["rows"]
    assert row["explanations"] == []
    assert len(row["neighbors"]["rows"]) == 5


def test_rows_show_output_of_report(multiclass: WhatIfReport) -> None:
    inputs = multiclass._inputs
    report = WhatIfReport(inputs.model, inputs.X, inputs.y, output="old", rows=[2])
    (row,) = report.summary["rows"]
    expected = inputs.model.predict_proba(inputs.X)[2, list(inputs.model.classes_).index("old")]
    assert row["prediction"] == pytest.approx(expected, rel=1e-5)
    assert "For row 2 the model predicts P(class old) = " in row["sentence"]
    assert "P(class old)</text>" in report.html()


def test_rows_new_table_with_labels(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    people = people[["age", "town"]]
    new = people.iloc[[4, 5]].assign(age=[35, 200], town=[people["town"][4], "elsewhere"])
    new.index = ["Ann", "<Bob>"]
    report = WhatIfReport(model, people, people["age"].round(), rows=new)
    first, second = report.summary["rows"]
    assert (first["name"], first["position"], first["observed"]) == ("New row 0, labeled Ann", None, None)
    assert second["name"] == "New row 1, labeled <Bob>"
    assert second["prediction"] == 200.0
    assert second["neighbors"]["sentences"][0] == (
        "New row 1 is not in the data; no row equals it in all 2 columns."
    )
    assert "observed values range from " in second["neighbors"]["sentences"][2]
    assert "<Bob>" not in report.html()
    known = WhatIfReport(model, people, rows=people.iloc[[4]]).summary["rows"][0]
    assert known["neighbors"]["sentences"][0] == (
        "New row 0 is in the data; one row equals it in all 2 columns."
    )
    assert known["neighbors"]["rows"][0]["distance"] == 0.0
    assert known["neighbors"]["rows"][0]["differs"] == []


def test_rows_labels_name_rows_and_nearest(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    X = people.set_axis([f"p{j}" for j in range(len(people))], axis=0)
    (row,) = WhatIfReport(model, X, rows=["p9"]).summary["rows"]
    assert (row["name"], row["position"], row["label"]) == ("Row 9, labeled p9", 9, "p9")
    assert all(near["label"] == f"p{near['position']}" for near in row["neighbors"]["rows"])


def test_nearest_leave_out_rows_of_weight_0(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    weight = np.where(np.arange(len(people)) < 200, 0.0, 1.0)
    (row,) = WhatIfReport(model, people, rows=[3], sample_weight=weight).summary["rows"]
    assert row["prediction"] == pytest.approx(people["age"][3], rel=1e-5)
    assert row["neighbors"]["n_compared"] == 200
    assert min(near["position"] for near in row["neighbors"]["rows"]) >= 200


def test_rows_of_messy_table_are_json(people: pd.DataFrame) -> None:
    n = len(people)
    X = people[["age"]].assign(
        holes=np.where(np.arange(n) % 5 == 0, np.nan, people["noise"]),
        day=pd.date_range("2020-01-01", periods=n),
        some=pd.array([None, 1] * (n // 2), dtype="Int64"),
        flag=people["age"] > 40,
    )
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    report = WhatIfReport(model, X, rows=[0, 1])
    first, second = json.loads(report.json())["rows"]
    assert first["values"]["holes"] is None
    assert first["text"]["values"]["holes"] == "missing"
    assert (first["values"]["some"], second["values"]["some"]) == (None, 1)
    assert second["text"]["values"]["day"] == "2020-01-02"
    assert first["values"]["flag"] is bool(X["flag"][0])
    assert "NaN" not in report.html()


def test_rows_polars_equals_pandas(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: np.asarray(X["age"], dtype=float), task="regression")
    rows = [WhatIfReport(model, X, rows=[2]).summary["rows"] for X in (people, pl.from_pandas(people))]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("more", "kind", "facts"),
    [
        ({"rows": [400]}, DataError, ["no row 400", "from 0 to 399"]),
        ({"rows": ["x"]}, DataError, ["no row 'x'", "from 0 to 399"]),
        ({"rows": [1, 1]}, DataError, ["row 1", "twice"]),
        (
            {"rows": range(21)},
            DataError,
            ["rows", "21 rows", "at most 20", "OcclusionExplainer(model).fit(X).explain(rows)"],
        ),
        (
            {"rows": pd.DataFrame({"age": [1.0]})},
            DataError,
            ["rows", "(age, echo, noise, sex, town)", "lacks echo, noise, sex, town"],
        ),
        (
            {"explainers": [3]},
            TypeError,
            ["'explainers'", "WhatIfReport", "list of explainers", "OcclusionExplainer(model)", "got 3"],
        ),
    ],
)
def test_rows_and_explainers_are_checked_before_model_runs(
    people: pd.DataFrame, more: dict, kind: type, facts: list[str]
) -> None:
    def never(X: pd.DataFrame) -> np.ndarray:
        raise AssertionError

    with refuses(kind, *facts):
        _ = WhatIfReport(as_predictor(never, task="regression"), people, **more).summary


def test_timings_include_rows(rows: WhatIfReport) -> None:
    assert set(rows.timings) == {"model", "solving", "rows", "drawing"}
