"""The part on single rows: the explainer's numbers, sentences that claim no more, the nearest real rows."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import logit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from agnostix import Explanation, KernelShapExplainer, OcclusionExplainer, WhatIfReport, as_predictor
from agnostix.core.base import AttributionExplainer
from agnostix.exceptions import DataError
from agnostix.report.reading import Reading
from agnostix.report.row_findings import explanation_note, explanation_remarks, explanation_sentences
from agnostix.report.words import Scale
from tests.details import details
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
    asked = binary._request
    explainer = KernelShapExplainer(asked.model, background_size=40, random_state=0)
    return WhatIfReport(asked.model, asked.X, asked.y, rows=[7], explainers=[explainer])


class Halves(AttributionExplainer):
    """An explainer that this package does not know: two features share the answer."""

    def __init__(self, model: object = None, factor: float = 1.0) -> None:
        self.model = model
        self.factor = factor

    def fit(self, X: pd.DataFrame, y: object = None, sample_weight: object = None) -> Halves:
        self.columns_ = list(X.columns)
        return self

    def explain(self, X: pd.DataFrame, *, outputs: object = None) -> Explanation:
        answers = self.factor * as_predictor(self.model).predict(X)[:, [outputs]]
        half = answers[:, None, :] / 2.0
        return Explanation(
            values=np.concatenate([half, half], axis=1),
            base_values=np.zeros_like(answers),
            outputs=answers,
            feature_names=("left", "right"),
            output_names=("asked for",),
            quantity="contribution",
            completeness="outputs - base_values",
            method="Halves",
            n_model_rows=len(X),
            fidelity={"r2": np.full_like(answers, 0.5)},
        )


def _reading(
    values: list[float], errors: list[float] | None, quantity: str = "effect", **more: object
) -> Reading:
    n, extras = len(values), {"background_size": 50} | more.get("extras", {})
    explanation = Explanation(
        values=np.reshape(values, (1, n, 1)),
        std_errors=None if errors is None else np.reshape(errors, (1, n, 1)),
        base_values=[[more.get("base", 0.2)]],
        outputs=[[more.get("output", 0.7)]],
        data=np.arange(float(n))[None],
        feature_names=tuple("abcdefgh"[:n]),
        output_names=("yes",),
        quantity=quantity,
        completeness=more.get("completeness"),
        units=more.get("units", "model output"),
        method="ByHand",
        n_model_rows=1234,
        extras=details(extras),
        params=more.get("params", {}),
    )
    return Reading(explanation, more.get("prediction", 0.7), more.get("share", True), 0.95, 1)


def test_rows_values_equal_explainer(rows: WhatIfReport, people: pd.DataFrame) -> None:
    own = people[["age", "noise", "sex"]]
    explainer = OcclusionExplainer(rows._request.model, random_state=0).fit(own)
    expected = explainer.explain(own.iloc[[7, 3]], outputs=1)
    for i, row in enumerate(rows.summary["rows"]):
        (part,) = row["explanations"]
        assert part["method"] == "OcclusionExplainer"
        assert part["base_value"] == pytest.approx(expected.base_values[i, 0], rel=1e-5)
        assert part["output"] == row["prediction"] == pytest.approx(expected.outputs[i, 0], rel=1e-5)
        assert part["n_model_rows"] == expected.n_model_rows
        assert (part["n_rows_together"], part["background_size"], part["confidence_level"]) == (2, 100, 0.9)
        written = {value["feature"]: value for value in part["values"]}
        assert set(written) == {"age", "noise", "sex"}
        for j, name in enumerate(own):
            value, error = expected.values[i, j, 0], expected.std_errors[i, j, 0]
            assert written[name]["value"] == pytest.approx(value, rel=1e-5)
            assert written[name]["std_error"] == pytest.approx(error, rel=1e-5)
            assert written[name]["low"] == pytest.approx(value - norm.ppf(0.95) * error, rel=1e-4, abs=1e-8)
        sizes = [abs(value["value"]) for value in part["values"]]
        assert sizes == sorted(sizes, reverse=True)
        assert written["age"]["data"] == pytest.approx(people["age"].iloc[[7, 3][i]])
        assert part["sum_of_values"] == pytest.approx(expected.values[i].sum(), rel=1e-5)


def test_nearest_equal_plain_loops(rows: WhatIfReport, people: pd.DataFrame) -> None:
    own = people[["age", "noise", "sex"]]
    told = list(zip(*(own[name].to_list() for name in own), strict=True))
    columns = [own[name].to_list() for name in own]
    model, y = rows._request.model, rows._request.y
    for row, position in zip(rows.summary["rows"], (7, 3), strict=True):
        expected = gower.nearest(told[position], told, columns, 5, position)
        assert row["nearest"]["columns"] == ["age", "noise", "sex"]
        assert [near["position"] for near in row["nearest"]["rows"]] == [j for j, _ in expected]
        for near, (j, distance) in zip(row["nearest"]["rows"], expected, strict=True):
            assert near["distance"] == pytest.approx(distance, rel=1e-5)
            assert near["prediction"] == pytest.approx(model.predict_proba(people)[j, 1], rel=1e-5)
            assert near["truth"] == y[j]
            assert near["values"]["town"] == people["town"][j]
            assert set(near["differs"]) <= {"age", "noise", "sex"}
            assert ("sex" in near["differs"]) == (people["sex"][j] != people["sex"][position])


def test_row_sentences_prediction_truth_and_membership(rows: WhatIfReport, income: pd.Series) -> None:
    row = rows.summary["rows"][0]
    assert (row["name"], row["position"], row["label"]) == ("Row 7", 7, None)
    assert re.fullmatch(
        r"The model gives row 7 P\(income = >50K\) = [\d.]+\u202f%; the truth is income = "
        rf"{income[7]}\.",
        row["sentence"],
    )
    told = row["nearest"]["sentences"]
    assert told[0] == (
        "Row 7 is one of the data's own; no other row is equal to it in the 3 columns that the model uses."
    )
    assert told[1].startswith(f"The nearest, row {row['nearest']['rows'][0]['position']}, differs in ")
    n = sum(near["truth"] == ">50K" for near in row["nearest"]["rows"])
    assert told[2].endswith(f"; the truth is income = >50K for {n} of 5.")


def test_rows_on_page_and_in_markdown(rows: WhatIfReport) -> None:
    page, plain = rows.html(), re.sub(r"\\([^\w\s])", r"\1", rows.markdown())
    seen = re.sub(r"<[^>]+>", "", page.split('<section id="rows">')[1].split("</section>")[0])
    seen = " ".join(seen.replace("&gt;", ">").replace("&lt;", "<").replace("&#39;", "'").split())
    for row in rows.summary["rows"]:
        (part,) = row["explanations"]
        said = [row["sentence"], part["note"], " ".join(part["sentences"]), " ".join(part["remarks"])]
        for text in [*said, " ".join(row["nearest"]["sentences"])]:
            assert " ".join(text.split()) in seen
            assert text in plain
        for value in part["values"]:
            assert value["text"]["interval"] in seen
            assert f"| {value['text']['value']} | {value['text']['interval']} |" in plain
        for near in row["nearest"]["rows"]:
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
    assert "single rows" not in dict(regression.summary["identity"])["Cost"]
    assert WhatIfReport(regression._request.model, regression._request.X, rows=[]).summary["rows"] == []


def test_cost_counts_model_rows(rows: WhatIfReport) -> None:
    n = rows.summary["rows"][0]["explanations"][0]["n_model_rows"]
    told = dict(rows.summary["identity"])["Cost"]
    assert_states(told, "400 rows", f"{n + 2} more", "single rows")
    assert f"Cost: {n} model rows for 2 rows together, with 100 background rows" in rows.markdown()


def test_rows_random_state_is_that_of_report(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy() * X["noise"].to_numpy(), task="regression")

    def told(**more: object) -> object:
        return WhatIfReport(model, people, rows=[0], **more).summary["rows"]

    assert told() == told(random_state=0)
    assert told() != told(random_state=1)
    assert told(random_state=1) == told(explainers=[OcclusionExplainer(model, random_state=1)])


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
        f"The parts add up to the {own['values'][0]['text']['value'][0]}"
        f"{abs(people['age'][5]):.1f} to be explained."
    ]
    assert "The values are exact: nothing was drawn at random. Fidelity: r2 0.500." in own["note"]
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
    asked = binary._request
    report = WhatIfReport(asked.model, asked.X, rows=[0], explainers=[Halves(asked.model, factor=-40.0)])
    (part,) = report.summary["rows"][0]["explanations"]
    assert part["unit"] == "effect"
    assert part["sentences"][0].startswith("The model's answer is \u2212")
    assert " in the explainer's own units. The base value is 0.0; " in part["sentences"][0]
    (figure,) = re.findall(r"<title>Why row 0.*?</svg>", report.html(), re.DOTALL)
    assert "explainer's own units" in " ".join(html.unescape(re.sub(r"<[^>]*>", " ", figure)).split())
    assert "\u202f%" in report.summary["rows"][0]["sentence"]


def test_rows_shapley_values_equal_explanation(shapley: WhatIfReport) -> None:
    asked = shapley._request
    (row,) = shapley.summary["rows"]
    (part,) = row["explanations"]
    used = asked.X[list(asked.model.feature_names_in_)]
    explainer = KernelShapExplainer(asked.model, background_size=40, random_state=0)
    exp = explainer.fit(used, asked.y).explain(used.iloc[[7]], outputs=1)
    told = {value["feature"]: value for value in part["values"]}
    for name, value, error in zip(
        exp.feature_names, exp.values[0, :, 0], exp.std_errors[0, :, 0], strict=True
    ):
        assert told[name]["value"] == pytest.approx(value, rel=1e-5)
        assert told[name]["high"] == pytest.approx(value + norm.ppf(0.975) * error, rel=1e-4)
    assert (part["quantity"], part["unit"]) == ("contribution", "points")
    assert part["completeness"] == "outputs - base_values"
    assert part["title"] == "How much does each feature contribute to the prediction?"
    assert part["sentences"][0].startswith("The mean prediction of 40 background rows is ")
    (total,) = part["remarks"][-1:]
    assert total.startswith("The parts add up to the ")
    assert "what features do only together is divided among them." in part["note"]
    assert "they cover the draw of the background rows, not another model." in part["note"]
    n = len(exp.feature_names)
    assert f"with 40 background rows and {2**n} coalitions of this row's features, by" in part["note"]
    assert "Why row 7, by KernelShapExplainer" in shapley.html()
    more = explainer.n_model_rows_ + exp.n_model_rows + 1
    assert_states(dict(shapley.summary["identity"])["Cost"], f"about {more} more")


def test_cost_leaves_out_earlier_fit(binary: WhatIfReport) -> None:
    asked = binary._request
    used = asked.X[list(asked.model.feature_names_in_)]
    explainer = KernelShapExplainer(asked.model, background_size=40, random_state=0).fit(used)
    report = WhatIfReport(asked.model, asked.X, rows=[7], explainers=[explainer])
    more = explainer.explain(used.iloc[[7]]).n_model_rows + 1
    assert_states(dict(report.summary["identity"])["Cost"], f"about {more} more")


def test_rows_log_odds_are_named(binary: WhatIfReport) -> None:
    asked = binary._request
    explainer = KernelShapExplainer(asked.model, link="logit", random_state=0)
    report = WhatIfReport(asked.model, asked.X, rows=[7], explainers=[explainer])
    (row,) = report.summary["rows"]
    (part,) = row["explanations"]
    assert part["unit"] == "log-odds"
    assert part["output"] == pytest.approx(logit(row["prediction"]), abs=1e-4)
    assert part["sentences"][0].startswith("In log-odds the model's answer is ")
    page = report.html()
    assert "own units" not in page
    (figure,) = re.findall(r"<title>Why row 7.*?</svg>", page, re.DOTALL)
    assert "log-odds" in html.unescape(re.sub(r"<[^>]*>", " ", figure))


def test_explanation_sentences_log_odds_equal_to_probability() -> None:
    same = 0.6590460684074068
    more = {"base": logit(0.25), "output": same, "prediction": same, "units": "log-odds"}
    reading = _reading(
        [same - logit(0.25)], [0.0], quantity="contribution", completeness="outputs - base_values", **more
    )
    assert logit(same) == pytest.approx(same)
    sentence = explanation_sentences(reading)[0]
    assert_states(sentence, "In log-odds", "0.66", "50 background rows", "25.0\u202f%", "\u22121.10", "+1.76")


@pytest.mark.parametrize(
    ("coalitions", "background", "enough"), [(0.1, 0.1, np.inf), (0.1, 0.0, np.inf), (0.0, 0.1, 1234.0)]
)
def test_explanation_note_names_sources_of_error(coalitions: float, background: float, enough: float) -> None:
    extras = {
        "coalition_std_errors": np.full((1, 2, 1), coalitions),
        "background_std_errors": np.full((1, 2, 1), background),
        "background_size_to_halve_error": np.array([enough]),
        "evaluations": np.array([64]),
    }
    note = explanation_note(
        _reading(
            [0.4, 0.1],
            [0.2, 0.2],
            quantity="contribution",
            completeness="outputs - base_values",
            extras=extras,
        )
    )
    assert ("the choice of coalitions" in note) is (coalitions > 0)
    assert ("the draw of the background rows" in note) is (background > 0)
    assert ("about 1\u202f200 background rows they would be half as wide" in note) is (enough == 1234.0)
    assert_states(note, "50 background rows", "64 coalitions", "by ByHand")


def test_caption_names_intervals_only_with_errors(shapley: WhatIfReport) -> None:
    asked = shapley._request
    explainer = KernelShapExplainer(asked.model, background="all", random_state=0)
    exact = WhatIfReport(asked.model, asked.X[:60], rows=[7], explainers=[explainer])
    for report, n in ((shapley, 1), (exact, 0)):
        assert report.html().count("A line through the end of a bar is its interval.") == n


def test_explanation_note_exact_values() -> None:
    note = explanation_note(
        _reading([0.4, 0.1], [0.0, 0.0], quantity="contribution", completeness="outputs - base_values")
    )
    assert "The values are exact for the background rows as they are. Cost" in note
    alone = _reading(
        [0.4, 0.1],
        [0.0, 0.0],
        quantity="contribution",
        completeness="outputs - base_values",
        extras={"background_size": 1},
    )
    assert "The values are exact: nothing was drawn at random. Cost" in explanation_note(alone)


def test_rows_without_explainers_keep_nearest(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    (row,) = WhatIfReport(model, people, rows=[5], explainers=[]).summary["rows"]
    assert row["explanations"] == []
    assert len(row["nearest"]["rows"]) == 5


def test_explanation_sentences_and_remarks_match_numbers() -> None:
    reading = _reading([0.3, -0.1, 0.08, 0.0001, 0.0], [0.05, 0.02, 0.05, 0.0001, 0.0])
    assert explanation_sentences(reading) == [
        "The mean prediction of 50 background rows is 20.0\u202f%; +50.0 points are to be explained.",
        "What raises it most, with 95\u202f% intervals: a = 0 (+30.0 points, +20.2 to +39.8).",
        "What lowers it most: b = 1 (\u221210.0 points, \u221213.9 to \u22126.1).",
    ]
    assert explanation_remarks(reading) == [
        "Not told apart from 0: c; its interval contains it.",
        "Hardly any effect, below 0.05 points: d and e.",
        "The parts do not add up: their sum is +28.0 points instead of +50.0 points. Hidden one at a time, "
        "features show less than all at once, as where two say the same.",
    ]


def test_explanation_sentences_without_effects() -> None:
    reading = _reading([0.0, 1e-17], [0.0, 1e-18], base=0.7)
    assert explanation_sentences(reading)[1:] == ["Nothing surely raises it.", "Nothing surely lowers it."]
    assert explanation_remarks(reading)[0].startswith("Hardly any effect, below")
    assert explanation_remarks(reading)[-1] == "The parts add up to the 0.0 points to be explained."


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0.3, 0.1], ["+40.0 points", "+50.0 points", "less than all at once", "two say the same"]),
        ([0.5, 0.1], ["+60.0 points", "+50.0 points", "more than all at once", "two count only together"]),
        ([-0.3, 0.1], ["\u221220.0 points", "+50.0 points", "need not show"]),
    ],
)
def test_explanation_remarks_reason_for_gap(values: list[float], why: list[str]) -> None:
    (*_, told) = explanation_remarks(_reading(values, [0.01, 0.01]))
    assert_states(told, "do not add up", "one at a time", *why)


def test_explanation_remarks_parts_add_up() -> None:
    assert explanation_remarks(_reading([0.4, 0.1], [0.01, 0.01])) == [
        "The parts add up to the +50.0 points to be explained."
    ]


def test_explanation_sentences_infinite_error() -> None:
    reading = _reading([0.4, 0.1], [np.inf, 0.01])
    assert explanation_sentences(reading)[1] == (
        "What raises it most, with 95\u202f% intervals: b = 1 (+10.0 points, +8.0 to +12.0)."
    )
    assert explanation_remarks(reading)[0] == "Not told apart from 0: a; its interval contains it."


def test_scale_writes_numbers_as_picture() -> None:
    reading = _reading([0.3, -0.1], [0.05, 0.02])
    drawn = reading.display.plot(factor=100.0)
    texts = [text.get_text() for text in drawn.ax_.texts]
    for value, margin in ((0.3, 0.05), (-0.1, 0.02)):
        assert reading.scale.change(value).removesuffix(" points") in texts
        assert f"± {100 * margin * norm.ppf(0.975):.1f}" in texts
    drawn.figure_.clear()


def test_scale_of_parts_decimals() -> None:
    assert Scale.of_parts([0.312, -0.05], True).value(0.5) == "50.0\u202f%"
    assert Scale.of_parts([3120.0], False).value(1.5) == "2"
    assert Scale.of_parts([0.0, np.inf], False).value(1.5) == "1.50"
    assert Scale(True, 1).change_interval(-0.05, 0.1) == "\u22125.0 to +10.0"
    assert Scale(True, 1).change_interval(-np.inf, 0.1) == "\u2013"


def test_rows_show_output_of_report(multiclass: WhatIfReport) -> None:
    asked = multiclass._request
    report = WhatIfReport(asked.model, asked.X, asked.y, output="old", rows=[2])
    (row,) = report.summary["rows"]
    expected = asked.model.predict_proba(asked.X)[2, list(asked.model.classes_).index("old")]
    assert row["prediction"] == pytest.approx(expected, rel=1e-5)
    assert "The model gives row 2 P(class old) = " in row["sentence"]
    assert "P(class old)</text>" in report.html()


def test_rows_new_table_with_labels(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    people = people[["age", "town"]]
    new = people.iloc[[4, 5]].assign(age=[35, 200], town=[people["town"][4], "elsewhere"])
    new.index = ["Ann", "<Bob>"]
    report = WhatIfReport(model, people, people["age"].round(), rows=new)
    first, second = report.summary["rows"]
    assert (first["name"], first["position"], first["truth"]) == ("New row 0, labelled Ann", None, None)
    assert second["name"] == "New row 1, labelled <Bob>"
    assert second["prediction"] == 200.0
    assert second["nearest"]["sentences"][0] == (
        "New row 1 is not in the data: no row there is equal to it in all 2 columns."
    )
    assert "the truth runs from " in second["nearest"]["sentences"][2]
    assert "<Bob>" not in report.html()
    known = WhatIfReport(model, people, rows=people.iloc[[4]]).summary["rows"][0]
    assert known["nearest"]["sentences"][0] == (
        "New row 0 is in the data: one row is equal to it in all 2 columns."
    )
    assert known["nearest"]["rows"][0]["distance"] == 0.0
    assert known["nearest"]["rows"][0]["differs"] == []


def test_rows_labels_name_rows_and_nearest(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    X = people.set_axis([f"p{j}" for j in range(len(people))], axis=0)
    (row,) = WhatIfReport(model, X, rows=["p9"]).summary["rows"]
    assert (row["name"], row["position"], row["label"]) == ("Row 9, labelled p9", 9, "p9")
    assert all(near["label"] == f"p{near['position']}" for near in row["nearest"]["rows"])


def test_nearest_leave_out_rows_of_weight_0(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    weight = np.where(np.arange(len(people)) < 200, 0.0, 1.0)
    (row,) = WhatIfReport(model, people, rows=[3], sample_weight=weight).summary["rows"]
    assert row["prediction"] == pytest.approx(people["age"][3], rel=1e-5)
    assert row["nearest"]["n_compared"] == 200
    assert min(near["position"] for near in row["nearest"]["rows"]) >= 200


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
    told = [WhatIfReport(model, X, rows=[2]).summary["rows"] for X in (people, pl.from_pandas(people))]
    assert told[0] == told[1]


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
            ["rows", "columns of X (age, echo, noise, sex, town)", "lacks echo, noise, sex, town"],
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
