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


def test_how_far_it_may_be_believed_and_what_both_say() -> None:
    reading = _read()
    assert fidelity_sentence(reading) == (
        "A simpler model, fitted to the model's answers near the row, follows them closely: it accounts for "
        "90\u202f% of how they vary, R² 0.90 (0.86 to 0.94), and says 41.0\u202f% for the row itself, where "
        "the model says 45.0\u202f%."
    )
    assert fidelity_warnings(reading) == []
    assert explanation_title(reading) == "What does a simpler model near this row say?"


def test_the_way_begins_at_the_intercept_and_ends_at_the_simpler_model_s_answer() -> None:
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


def test_without_conditions_a_base_value_is_no_more_than_that() -> None:
    reading = _read(extras={"conditions": None})
    first, raises, _ = explanation_sentences(reading)
    assert first.startswith("Its base value is 20.0\u202f%; the values lead")
    assert "most, with 95\u202f% intervals: age = 31 (+30.0 points" in raises


@pytest.mark.parametrize(
    ("r2", "error", "missed"),
    [
        (0.31, 0.02, "misses more than half of how the answers vary near the row"),
        (-0.2, 0.02, "does worse than one same answer for all rows near this one"),
        (
            0.6,
            0.1,
            "may miss more than half of how the answers vary near the row, as far as its interval tells",
        ),
    ],
)
def test_a_simpler_model_that_does_not_follow_is_warned_of(r2: float, error: float, missed: str) -> None:
    reading = _read(r2=r2, r2_error=error)
    assert "follows them poorly: it accounts for " in fidelity_sentence(reading)
    assert fidelity_warnings(reading) == [
        f"Do not rely on the values alone: the simpler model {missed}. Occlusion and Shapley values ask the "
        "model itself."
    ]


def test_an_r2_below_0_accounts_for_nothing() -> None:
    assert "it accounts for none of how they vary, R² −0.20 (" in fidelity_sentence(_read(r2=-0.2))


def test_answers_that_lie_far_apart_are_warned_of() -> None:
    reading = _read(outputs=[[0.8]])
    assert "follows them closely" in fidelity_sentence(reading)
    assert fidelity_warnings(reading) == [
        "For the row itself the two answers lie 39.0 points apart, farther than any feature's value reaches."
    ]
    assert len(fidelity_warnings(_read(outputs=[[0.8]], r2=0.1))) == 2


def test_a_model_that_is_constant_near_the_row() -> None:
    flat = _read((0.0, 0.0, 0.0), np.nan, std_errors=np.zeros((1, 3, 1)), outputs=[[0.2]])
    assert fidelity_sentence(flat) == (
        "Near the row the model's answer is the same everywhere, 20.0\u202f%: there is nothing for a simpler "
        "model to follow."
    )
    assert fidelity_warnings(flat) == []
    assert "The values have no error: the simpler model meets every answer near the row." in explanation_note(
        flat
    )


def test_a_simpler_model_that_does_not_tell_its_fidelity() -> None:
    reading = _read(r2=None)
    assert fidelity_sentence(reading) == (
        "A simpler model, fitted to the model's answers near the row, says 41.0\u202f% for the row itself, "
        "where the model says 45.0\u202f%."
    )
    assert fidelity_warnings(reading) == []
    assert fidelity_note() not in explanation_note(reading)


def test_features_that_it_was_not_given_are_named_and_have_no_value() -> None:
    selected = np.array([[[True], [False], [True]]])
    reading = _read((0.3, 0.0, 0.01), extras={"selected": selected})
    assert reading.values["label"].tolist() == ["age", "job"]
    assert reading.left_out == ["hours"]
    assert explanation_remarks(reading)[-1] == "The simpler model was held to 2 features; left out: hours."
    assert "R² 0.90 (" in fidelity_sentence(reading)


def test_the_note_says_what_a_value_is_what_intervals_cover_and_what_words_mean() -> None:
    assert explanation_note(_read()) == (
        "A value is what the feature, as it is in this row, adds to the answer of a simpler model: a "
        "weighted sum that was fitted to the model's answers to rows made near this one, the nearer ones "
        "counting more. It tells of the model only as far as the two agree. Intervals have 95\u202f% "
        "confidence, each by itself; they cover the draw of the rows near it, not another model. "
        "\u201cClosely\u201d is an R² of at least 0.8, \u201croughly\u201d of at least 0.5, by the lower "
        "end of its interval; \u201cpoorly\u201d is less. Cost: 5\u202f000 model rows, by ByHand."
    )


def test_the_draws_are_counted() -> None:
    note = explanation_note(_read(extras={"n_samples": np.array([4096])}))
    assert note.endswith("Cost: 5\u202f000 model rows, with 4\u202f096 drawn rows near it, by ByHand.")


def test_rows_that_were_drawn_for_all_are_no_cost_of_this_one() -> None:
    note = explanation_note(_read(n_model_rows=1, extras={"n_samples": np.array([4096])}))
    told = "Cost: 1 model row, with 4\u202f096 drawn rows that were asked about before, by ByHand."
    assert note.endswith(told)


def test_the_base_of_a_tree_is_its_mean() -> None:
    first = explanation_sentences(_read(params={"surrogate": "tree"}))[0]
    assert first.startswith("Its base value, its mean answer near the row, is 20.0\u202f%; the values lead")


def test_coefficients_that_do_not_add_up_are_said_not_to() -> None:
    reading = _read(extras={"surrogate_outputs": np.array([[0.61]])})
    assert explanation_sentences(reading)[0].endswith(
        "; from there it is a way to its answer for the row, +41.0 points in all."
    )
    assert explanation_remarks(reading)[-1] == (
        "The parts do not add up: their sum is +21.0 points instead of +41.0 points."
    )


@pytest.mark.parametrize(
    ("unseen", "told"),
    [
        ([True, False, False], "A value that was never seen: age. What is credited to it"),
        ([True, False, True], "Values that were never seen: age and job. What is credited to each"),
    ],
)
def test_values_that_were_never_seen_are_named(unseen: list[bool], told: str) -> None:
    reading = _read(extras={"unseen": np.array([unseen])})
    assert explanation_remarks(reading)[-1] == (
        f"{told} is how far the model's answers to rows near this one change, in the mean, when the value "
        "is put into them."
    )
    assert explanation_remarks(_read(extras={"unseen": np.array([[False] * 3])})) == explanation_remarks(
        _read()
    )


def test_values_that_are_too_rare_are_named_apart_from_those_never_seen() -> None:
    unseen, contrasted = np.array([[True, False, False]]), np.array([[True, False, True]])
    remarks = explanation_remarks(_read(extras={"unseen": unseen, "contrasted": contrasted}))[-2:]
    assert remarks[0].startswith("A value that was never seen: age. What is credited to it is how far")
    assert remarks[1] == (
        "A value that was too rare to be in enough of the draws: job. What is credited to it is "
        "how far the model's answers to rows near this one change, in the mean, when the value is put into "
        "them."
    )


def test_other_units_are_named() -> None:
    reading = Reading(_surrogate(outputs=[[45.0]]), 0.45, True, 0.95, 1)
    assert "is 0.2 in the explainer's own units; the values" in explanation_sentences(reading)[0]


# The page


@pytest.fixture(scope="module")
def report(people: pd.DataFrame, income: pd.Series) -> WhatIfReport:
    model = as_predictor(lambda X: X["age"].to_numpy() / 200.0, task="regression")
    explainers = [Nearby(model, r2=0.3), OcclusionExplainer(model)]
    return WhatIfReport(model, people[["age", "noise", "sex"]], rows=[7], explainers=explainers)


def test_the_summary_keeps_both_answers_apart(report: WhatIfReport) -> None:
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


def test_on_the_page_fidelity_stands_first_and_warnings_are_marked(report: WhatIfReport) -> None:
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


def test_the_markdown_says_the_same(report: WhatIfReport) -> None:
    plain = re.sub(r"\\([^\w\s])", r"\1", report.markdown())
    near = report.summary["rows"][0]["explanations"][0]
    assert near["fidelity"]["sentence"] in plain
    for warning in near["fidelity"]["warnings"]:
        assert f"**{warning}**" in plain
    assert "| age <near> 0 | " in plain
    assert plain.index(near["fidelity"]["sentence"]) < plain.index(near["sentences"][0])
