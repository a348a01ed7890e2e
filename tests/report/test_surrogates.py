"""The part of a simpler model: how far it may be believed comes first, and its answer is not the model's."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agnostix import Explanation, OcclusionExplainer, WhatIfReport, as_predictor
from agnostix.core.base import AttributionExplainer
from agnostix.report.reading import Reading
from agnostix.report.row_findings import (
    explanation_note,
    explanation_remarks,
    explanation_sentences,
    explanation_title,
)
from agnostix.report.surrogate_findings import fidelity_note, fidelity_sentence, fidelity_warnings
from tests.details import details
from tests.messages import assert_states

CONDITIONS = ["28 < age <= 37", "hours <= 40", "job = clerk"]


def _surrogate(values: Any = (0.3, -0.1, 0.01), r2: Any = 0.9, **more: Any) -> Explanation:
    """One row: an intercept of 0.2, the values, and a model that says 0.45."""
    values = np.reshape(np.asarray(values, dtype=float), (1, -1, 1))
    n = values.shape[1]
    extras = {
        "surrogate_outputs": 0.2 + np.nansum(values, axis=1),
        "r2_std_errors": np.array([[more.pop("r2_error", 0.02)]]),
        "conditions": np.array([CONDITIONS[:n]]),
    } | more.pop("extras", {})
    known = {
        "values": values,
        "std_errors": np.full(values.shape, 0.02),
        "base_values": [[0.2]],
        "outputs": [[0.45]],
        "data": pd.DataFrame([[31.0, 38.0, "clerk"][:n]], columns=["age", "hours", "job"][:n]),
        "feature_names": ("age", "hours", "job")[:n],
        "output_names": ("yes",),
        "quantity": "contribution",
        "completeness": "surrogate",
        "method": "ByHand",
        "n_model_rows": 5000,
        "fidelity": None if r2 is None else {"r2": [[r2]]},
        "extras": details({key: value for key, value in extras.items() if value is not None}),
    }
    return Explanation(**(known | more))


def _read(*given: Any, **more: Any) -> Reading:
    return Reading(_surrogate(*given, **more), more.get("outputs", [[0.45]])[0][0], True, 0.95, 1)


class Nearby(AttributionExplainer):
    """An explainer that gives each row the surrogate above, under the names of its columns."""

    def __init__(self, model: object = None, r2: float = 0.9) -> None:
        self.model = model
        self.r2 = r2

    def fit(self, X: pd.DataFrame, y: object = None, sample_weight: object = None) -> Nearby:
        self.columns_ = tuple(X.columns)
        return self

    def explain(self, X: pd.DataFrame, *, outputs: object = None) -> Explanation:
        answers = as_predictor(self.model).predict(X)[:, [outputs]]
        values = np.zeros((len(X), len(self.columns_), 1))
        values[:, :3, 0] = [0.3, -0.1, 0.01]
        conditions = np.array([[f"{name} <near> {i}" for name in self.columns_] for i in range(len(X))])
        return Explanation(
            values=values,
            std_errors=np.full(values.shape, 0.02),
            base_values=np.full((len(X), 1), 0.2),
            outputs=answers,
            data=X,
            feature_names=self.columns_,
            output_names=("yes",),
            quantity="contribution",
            completeness="surrogate",
            method="Nearby",
            n_model_rows=5000,
            fidelity={"r2": np.full((len(X), 1), self.r2)},
            extras=details(
                {
                    "surrogate_outputs": np.full((len(X), 1), 0.41),
                    "r2_std_errors": np.full((len(X), 1), 0.02),
                    "conditions": conditions,
                }
            ),
        )


# Sentences


def test_fidelity_sentence_r2_and_both_predictions() -> None:
    reading = _read()
    assert fidelity_sentence(reading) == (
        "A simpler model, fitted to the model's answers near the row, follows them closely: it accounts for "
        "90\u202f% of how they vary, R² 0.90 (0.86 to 0.94), and says 41.0\u202f% for the row itself, where "
        "the model says 45.0\u202f%."
    )
    assert fidelity_warnings(reading) == []
    assert explanation_title(reading) == "What does a simpler model near this row say?"


def test_explanation_sentences_from_intercept_to_surrogate() -> None:
    assert explanation_sentences(_read()) == [
        "Its base value, its answer where none of these conditions holds, is 20.0\u202f%; the values lead "
        "from there to its answer for the row, +21.0 points in all.",
        "What raises it most, with 95\u202f% intervals: 28 < age <= 37 (+30.0 points, +26.1 to +33.9).",
        "What lowers it most: hours <= 40 (\u221210.0 points, \u221213.9 to \u22126.1).",
    ]
    assert explanation_remarks(_read()) == ["Not told apart from 0: job = clerk; its interval contains it."]
    reading = _read()
    assert (reading.base, reading.end, reading.output) == (0.2, pytest.approx(0.41), 0.45)
    assert reading.gap == pytest.approx(reading.total)


def test_explanation_sentences_without_conditions() -> None:
    reading = _read(extras={"conditions": None})
    first, raises, _ = explanation_sentences(reading)
    assert first.startswith("Its base value is 20.0\u202f%; the values lead")
    assert "most, with 95\u202f% intervals: age = 31 (+30.0 points" in raises


@pytest.mark.parametrize(
    ("r2", "error", "missed"),
    [
        (0.31, 0.02, "misses more than half"),
        (-0.2, 0.02, "worse than one same answer for all rows"),
        (0.6, 0.1, "may miss more than half"),
    ],
)
def test_fidelity_warnings_low_r2(r2: float, error: float, missed: str) -> None:
    reading = _read(r2=r2, r2_error=error)
    assert "follows them poorly: it accounts for " in fidelity_sentence(reading)
    (warning,) = fidelity_warnings(reading)
    assert_states(warning, missed, "Occlusion", "Shapley values")


def test_fidelity_sentence_negative_r2() -> None:
    assert_states(fidelity_sentence(_read(r2=-0.2)), "none of how they vary", "R² −0.20 (−0.24 to −0.16)")


def test_fidelity_warnings_predictions_far_apart() -> None:
    reading = _read(outputs=[[0.8]])
    assert "follows them closely" in fidelity_sentence(reading)
    (warning,) = fidelity_warnings(reading)
    assert_states(warning, "39.0 points apart", "farther than any feature's value")
    assert len(fidelity_warnings(_read(outputs=[[0.8]], r2=0.1))) == 2


def test_fidelity_sentence_constant_model() -> None:
    flat = _read((0.0, 0.0, 0.0), np.nan, std_errors=np.zeros((1, 3, 1)), outputs=[[0.2]])
    assert_states(fidelity_sentence(flat), "the same everywhere", "20.0\u202f%")
    assert fidelity_warnings(flat) == []
    assert_states(explanation_note(flat), "values have no error")


def test_fidelity_sentence_without_r2() -> None:
    reading = _read(r2=None)
    sentence = fidelity_sentence(reading)
    assert_states(sentence, "says 41.0\u202f% for the row itself", "the model says 45.0\u202f%")
    assert "R²" not in sentence
    assert "follows" not in sentence
    assert fidelity_warnings(reading) == []
    assert fidelity_note() not in explanation_note(reading)


def test_reading_leaves_out_features_not_selected() -> None:
    selected = np.array([[[True], [False], [True]]])
    reading = _read((0.3, 0.0, 0.01), extras={"selected": selected})
    assert reading.values["label"].tolist() == ["age", "job"]
    assert reading.left_out == ["hours"]
    assert_states(explanation_remarks(reading)[-1], "2 features", "left out: hours")
    assert "R² 0.90 (" in fidelity_sentence(reading)


def test_explanation_note_of_surrogate() -> None:
    note = explanation_note(_read())
    assert_states(note, "adds to the answer of a simpler model", "a weighted sum", "rows made near this one")
    assert_states(note, "Intervals have 95\u202f% confidence", "the draw of the rows near it")
    assert_states(note, "\u201cClosely\u201d is an R² of at least 0.8", "\u201croughly\u201d of at least 0.5")
    assert note.endswith("Cost: 5\u202f000 model rows, by ByHand.")


def test_explanation_note_counts_draws() -> None:
    note = explanation_note(_read(extras={"n_samples": np.array([4096])}))
    assert note.endswith("Cost: 5\u202f000 model rows, with 4\u202f096 drawn rows near it, by ByHand.")


def test_explanation_note_draws_shared_by_all_rows() -> None:
    note = explanation_note(_read(n_model_rows=1, extras={"n_samples": np.array([4096])}))
    told = "Cost: 1 model row, with 4\u202f096 drawn rows that were asked about before, by ByHand."
    assert note.endswith(told)


def test_explanation_sentences_base_value_of_tree() -> None:
    first = explanation_sentences(_read(params={"surrogate": "tree"}))[0]
    assert first.startswith("Its base value, its mean answer near the row, is 20.0\u202f%; the values lead")


def test_explanation_remarks_coefficients_do_not_add_up() -> None:
    reading = _read(extras={"surrogate_outputs": np.array([[0.61]])})
    assert explanation_sentences(reading)[0].endswith(
        "; from there it is a way to its answer for the row, +41.0 points in all."
    )
    remark = explanation_remarks(reading)[-1]
    assert_states(remark, "do not add up", "+21.0 points instead of +41.0 points")


@pytest.mark.parametrize(
    ("unseen", "fact"),
    [([True, False, False], "never seen: age."), ([True, False, True], "never seen: age and job.")],
)
def test_explanation_remarks_unseen_values(unseen: list[bool], fact: str) -> None:
    reading = _read(extras={"unseen": np.array([unseen])})
    assert_states(explanation_remarks(reading)[-1], fact, "when the value is put into them")
    assert explanation_remarks(_read(extras={"unseen": np.array([[False] * 3])})) == explanation_remarks(
        _read()
    )


def test_explanation_remarks_rare_values_apart_from_unseen() -> None:
    unseen, contrasted = np.array([[True, False, False]]), np.array([[True, False, True]])
    remarks = explanation_remarks(_read(extras={"unseen": unseen, "contrasted": contrasted}))[-2:]
    assert_states(remarks[0], "never seen: age.", "when the value is put into them")
    assert_states(remarks[1], "too rare", "job.", "when the value is put into them")


def test_explanation_sentences_other_units() -> None:
    reading = Reading(_surrogate(outputs=[[45.0]]), 0.45, True, 0.95, 1)
    assert "is 0.2 in the explainer's own units; the values" in explanation_sentences(reading)[0]


# The page


@pytest.fixture(scope="module")
def report(people: pd.DataFrame, income: pd.Series) -> WhatIfReport:
    model = as_predictor(lambda X: X["age"].to_numpy() / 200.0, task="regression")
    explainers = [Nearby(model, r2=0.3), OcclusionExplainer(model)]
    return WhatIfReport(model, people[["age", "noise", "sex"]], rows=[7], explainers=explainers)


def test_summary_keeps_surrogate_and_model_output_apart(report: WhatIfReport) -> None:
    (row,) = json.loads(report.json())["rows"]
    near, occlusion = row["explanations"]
    assert occlusion["fidelity"] is None
    told = near["fidelity"]
    assert (told["r2"], told["surrogate_output"]) == (0.3, 0.41)
    assert told["low"] == pytest.approx(0.3 - 1.96 * 0.02, abs=1e-4)
    assert told["high"] == pytest.approx(0.3 + 1.96 * 0.02, abs=1e-4)
    assert near["base_value"] == 0.2
    assert near["sum_of_values"] == pytest.approx(told["surrogate_output"] - near["base_value"])
    assert near["output"] == row["prediction"] != told["surrogate_output"]
    assert [value["said"] for value in near["values"]] == [f"{n} <near> 0" for n in ("age", "noise", "sex")]
    assert {value["said"] for value in occlusion["values"]} == {None}


def test_page_fidelity_first_and_warnings_marked(report: WhatIfReport) -> None:
    page = report.html()
    near = report.summary["rows"][0]["explanations"][0]
    section = page.split('<section id="rows">')[1].split("</section>")[0]
    told, (warning, *_) = near["fidelity"]["sentence"], near["fidelity"]["warnings"]
    places = [
        html.unescape(section).index(text) for text in (near["title"], told, warning, near["sentences"][0])
    ]
    assert places == sorted(places)
    assert section.count('<p class="warning">') == len(near["fidelity"]["warnings"])
    assert "<td>age &lt;near&gt; 0</td>" in section
    assert "<near>" not in page.split('<script id="summary"')[0]
    assert "From the simpler model's base value, the open dot, to its answer, the grey one" in section
    assert section.count("From the base value, the open dot, to the answer, the filled one.") == 1
    figure = re.findall(r"<title>Why row 7, by Nearby.*?</svg>", page, re.DOTALL)[0]
    seen = html.unescape(re.sub(r"<[^>]*>", " ", figure))
    for text in ("surrogate's answer", "gap to the model", "model's answer", "age <near> 0", "R² 0.30 ("):
        assert text in seen


def test_markdown_has_fidelity_and_warnings(report: WhatIfReport) -> None:
    plain = re.sub(r"\\([^\w\s])", r"\1", report.markdown())
    near = report.summary["rows"][0]["explanations"][0]
    assert near["fidelity"]["sentence"] in plain
    for warning in near["fidelity"]["warnings"]:
        assert f"**{warning}**" in plain
    assert "| age <near> 0 | " in plain
    assert plain.index(near["fidelity"]["sentence"]) < plain.index(near["sentences"][0])
