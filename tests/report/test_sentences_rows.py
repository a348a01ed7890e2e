"""Sentences on single rows: they state the numbers and no more, and the fidelity of a surrogate first."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.special import logit
from scipy.stats import norm

from agnostix import Explanation, OcclusionExplainer, WhatIfReport, as_predictor
from agnostix.core.base import AttributionExplainer
from agnostix.core.explanation import Detail
from agnostix.plotting import BarDisplay, WaterfallDisplay
from agnostix.report.sentences_rows import (
    explanation_note,
    explanation_remarks,
    explanation_sentences,
    explanation_title,
    fidelity_sentence,
    fidelity_warnings,
)
from agnostix.report.sentences_trust import error_sentences, fidelity_note
from agnostix.report.single_rows import ExplanationView
from tests.details import details
from tests.messages import assert_states

CONDITIONS = ["28 < age <= 37", "hours <= 40", "job = clerk"]


def errors(view: ExplanationView) -> str:
    """What an explanation says of its own errors."""
    return " ".join(error_sentences(view))


def _surrogate(values: Any = (0.3, -0.1, 0.01), r2: Any = 0.9, **more: Any) -> Explanation:
    """One row: an intercept of 0.2, the values, and a model that predicts 0.45."""
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


def _read(*values: Any, **more: Any) -> ExplanationView:
    return ExplanationView(_surrogate(*values, **more), more.get("outputs", [[0.45]])[0][0], True, 0.95, 1)


class Nearby(AttributionExplainer):
    """An explainer that gives each row the surrogate above, under the names of its columns."""

    def __init__(self, model: object = None, r2: float = 0.9) -> None:
        self.model = model
        self.r2 = r2

    def fit(self, X: pd.DataFrame, y: object = None, sample_weight: object = None) -> Nearby:
        self.columns_ = tuple(X.columns)
        return self

    def explain(self, X: pd.DataFrame, *, outputs: object = None) -> Explanation:
        predictions = as_predictor(self.model).predict(X)[:, [outputs]]
        values = np.zeros((len(X), len(self.columns_), 1))
        values[:, :3, 0] = [0.3, -0.1, 0.01]
        conditions = np.array([[f"{name} <near> {i}" for name in self.columns_] for i in range(len(X))])
        return Explanation(
            values=values,
            std_errors=np.full(values.shape, 0.02),
            base_values=np.full((len(X), 1), 0.2),
            outputs=predictions,
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


def test_sentences_of_a_surrogate_that_is_not_determined() -> None:
    extras = {
        "determined": Detail(np.array([[False]]), ("row", "output")),
        "interval_kind": Detail(np.array("undetermined"), ()),
    }
    view = _read(r2=np.nan, std_errors=np.full((1, 3, 1), np.nan), extras=extras)
    assert fidelity_sentence(view) == (
        "The model predicts 45.0\u202f% for the row, and no sample drawn near it meets what the row has: how "
        "well a surrogate follows the model there, and the values, are not determined."
    )
    assert fidelity_warnings(view) == []
    assert explanation_remarks(view)[0] == "Not determined: 28 < age <= 37, hours <= 40 and job = clerk."


def test_fidelity_sentence_r2_and_both_predictions() -> None:
    view = _read()
    assert fidelity_sentence(view) == (
        "A surrogate fitted to the model's predictions near the row follows them closely: it explains "
        "90\u202f% of their variance, R² 0.90 (0.85 to 0.93), and predicts 41.0\u202f% for the row itself, "
        "where the model predicts 45.0\u202f%."
    )
    assert fidelity_warnings(view) == []
    assert explanation_title(view) == "How does a surrogate model near this row come to its prediction?"


def test_explanation_sentences_from_intercept_to_surrogate() -> None:
    assert explanation_sentences(_read()) == [
        "The base value of the surrogate, its prediction where none of these conditions holds, is "
        "20.0\u202f%; its contributions for the row add up to +21.0 points.",
        "What raises it most, with 95\u202f% intervals: 28 < age <= 37 (+30.0 points, +26.1 to +33.9).",
        "What lowers it most: hours <= 40 (\u221210.0 points, \u221213.9 to \u22126.1).",
    ]
    assert explanation_remarks(_read()) == [
        "Not distinguishable from 0: job = clerk; its interval contains it."
    ]
    view = _read()
    assert (view.base, view.end, view.output) == (0.2, pytest.approx(0.41), 0.45)
    assert view.difference == pytest.approx(view.total)


def test_explanation_sentences_without_conditions() -> None:
    view = _read(extras={"conditions": None})
    first, raises, _ = explanation_sentences(view)
    assert first.startswith("The base value of the surrogate is 20.0\u202f%; its contributions")
    assert "most, with 95\u202f% intervals: age = 31 (+30.0 points" in raises


@pytest.mark.parametrize(
    ("r2", "error", "missed"),
    [
        (0.31, 0.02, "leaves more than half"),
        (-0.2, 0.02, "worse than a constant"),
        (0.6, 0.1, "may leave more than half"),
    ],
)
def test_fidelity_warnings_low_r2(r2: float, error: float, missed: str) -> None:
    view = _read(r2=r2, r2_error=error)
    assert "follows them poorly: it explains " in fidelity_sentence(view)
    (warning,) = fidelity_warnings(view)
    assert_states(warning, missed, "Occlusion", "Shapley values")


def test_fidelity_sentence_negative_r2() -> None:
    assert_states(fidelity_sentence(_read(r2=-0.2)), "none of their variance", "R² −0.20 (−0.24 to −0.16)")


def test_fidelity_warnings_predictions_far_apart() -> None:
    view = _read(outputs=[[0.8]])
    assert "follows them closely" in fidelity_sentence(view)
    (warning,) = fidelity_warnings(view)
    assert_states(warning, "differ by 39.0 points", "more than the largest contribution")
    assert len(fidelity_warnings(_read(outputs=[[0.8]], r2=0.1))) == 2


def test_fidelity_sentence_constant_model() -> None:
    flat = _read((0.0, 0.0, 0.0), np.nan, std_errors=np.zeros((1, 3, 1)), outputs=[[0.2]])
    assert_states(fidelity_sentence(flat), "everywhere near the row", "20.0\u202f%")
    assert fidelity_warnings(flat) == []
    assert_states(errors(flat), "values have no error")


def test_fidelity_sentence_without_r2() -> None:
    view = _read(r2=None)
    sentence = fidelity_sentence(view)
    assert_states(sentence, "predicts 41.0\u202f% for the row itself", "the model predicts 45.0\u202f%")
    assert "R²" not in sentence
    assert "follows" not in sentence
    assert fidelity_warnings(view) == []
    assert fidelity_note() not in errors(view)


def test_view_names_features_not_selected() -> None:
    selected = np.array([[[True], [False], [True]]])
    view = _read((0.3, 0.0, 0.01), extras={"selected": selected})
    assert view.values["label"].tolist() == ["age", "job"]
    assert view.not_selected == ["hours"]
    assert_states(explanation_remarks(view)[-1], "2 features", "not selected: hours")
    assert "R² 0.90 (" in fidelity_sentence(view)


def test_explanation_note_of_surrogate() -> None:
    note = explanation_note(_read())
    assert_states(
        note, "adds to the prediction of a surrogate", "a weighted sum", "rows sampled near this one"
    )
    own = errors(_read())
    assert_states(own, "Intervals have 95\u202f% confidence", "the sampling of rows near this one")
    assert_states(own, "\u201cClosely\u201d is an R² of at least 0.8", "\u201croughly\u201d of at least 0.5")
    assert note.endswith("Cost: 5\u202f000 model rows, by ByHand.")


def test_explanation_note_counts_draws() -> None:
    note = explanation_note(_read(extras={"n_samples": np.array([4096])}))
    assert note.endswith("Cost: 5\u202f000 model rows, with 4\u202f096 rows sampled near it, by ByHand.")


def test_explanation_note_draws_shared_by_all_rows() -> None:
    note = explanation_note(_read(n_model_rows=1, extras={"n_samples": np.array([4096])}))
    assert note.endswith("Cost: 1 model row, with 4\u202f096 rows evaluated before, by ByHand.")


def test_explanation_sentences_base_value_of_tree() -> None:
    first = explanation_sentences(_read(params={"surrogate": "tree"}))[0]
    assert_states(first, "its mean prediction near the row, is 20.0\u202f%; its contributions for the row")


def test_explanation_remarks_coefficients_do_not_add_up() -> None:
    view = _read(extras={"surrogate_outputs": np.array([[0.61]])})
    assert explanation_sentences(view)[0].endswith(
        "; its prediction for the row differs from it by +41.0 points."
    )
    remark = explanation_remarks(view)[-1]
    assert_states(remark, "do not add up", "+21.0 points instead of +41.0 points")


@pytest.mark.parametrize(
    ("unseen", "fact"),
    [
        ([True, False, False], "not among the samples: age."),
        ([True, False, True], "not among the samples: age and job."),
    ],
)
def test_explanation_remarks_unseen_values(unseen: list[bool], fact: str) -> None:
    view = _read(extras={"unseen": np.array([unseen])})
    assert_states(explanation_remarks(view)[-1], fact, "when the value is put into them")
    assert explanation_remarks(_read(extras={"unseen": np.array([[False] * 3])})) == explanation_remarks(
        _read()
    )


def test_explanation_remarks_rare_values_apart_from_unseen() -> None:
    unseen, contrasted = np.array([[True, False, False]]), np.array([[True, False, True]])
    remarks = explanation_remarks(_read(extras={"unseen": unseen, "contrasted": contrasted}))[-2:]
    assert_states(remarks[0], "not among the samples: age.", "when the value is put into them")
    assert_states(remarks[1], "too rare", "job.", "when the value is put into them")


def test_explanation_sentences_other_units() -> None:
    view = ExplanationView(_surrogate(outputs=[[45.0]]), 0.45, True, 0.95, 1)
    assert "is 0.2 in the explainer's own units; its contributions" in explanation_sentences(view)[0]


# Explanations of the model itself


def _view(
    values: list[float], errors: list[float] | None, quantity: str = "effect", **more: object
) -> ExplanationView:
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
    return ExplanationView(explanation, more.get("prediction", 0.7), more.get("in_percent", True), 0.95, 1)


def test_explanation_sentences_log_odds_equal_to_probability() -> None:
    same = 0.6590460684074068
    more = {"base": logit(0.25), "output": same, "prediction": same, "units": "log-odds"}
    view = _view(
        [same - logit(0.25)], [0.0], quantity="contribution", completeness="outputs - base_values", **more
    )
    assert logit(same) == pytest.approx(same)
    sentence = explanation_sentences(view)[0]
    assert_states(
        sentence, "log-odds", "0.66", "50 background rows", "25.0\u202f%", "\u22121.10", "1.76 above"
    )


@pytest.mark.parametrize(
    ("coalitions", "background", "enough"), [(0.1, 0.1, np.inf), (0.1, 0.0, np.inf), (0.0, 0.1, 1234.0)]
)
def test_error_sentences_name_sources_of_error(coalitions: float, background: float, enough: float) -> None:
    extras = {
        "coalition_std_errors": np.full((1, 2, 1), coalitions),
        "background_std_errors": np.full((1, 2, 1), background),
        "background_size_to_halve_error": np.array([enough]),
        "evaluations": np.array([64]),
    }
    view = _view(
        [0.4, 0.1],
        [0.2, 0.2],
        quantity="contribution",
        completeness="outputs - base_values",
        extras=extras,
    )
    note, own = explanation_note(view), errors(view)
    assert ("the sampling of coalitions" in own) is (coalitions > 0)
    assert ("the sampling of the background rows" in own) is (background > 0)
    assert ("about 1\u202f200 background rows they would be half as wide" in own) is (enough == 1234.0)
    assert_states(note, "50 background rows", "64 coalitions", "by ByHand")


def test_error_sentences_exact_values() -> None:
    view = _view([0.4, 0.1], [0.0, 0.0], quantity="contribution", completeness="outputs - base_values")
    assert errors(view) == "The values are exact for these background rows."
    alone = _view(
        [0.4, 0.1],
        [0.0, 0.0],
        quantity="contribution",
        completeness="outputs - base_values",
        extras={"background_size": 1},
    )
    assert errors(alone) == "The values are exact: nothing is sampled."


def test_explanation_sentences_and_remarks_match_numbers() -> None:
    view = _view([0.3, -0.1, 0.08, 0.0001, 0.0], [0.05, 0.02, 0.05, 0.0001, 0.0])
    assert explanation_sentences(view) == [
        "The prediction, 70.0\u202f%, is 50.0 points above the mean prediction of 50 background rows, "
        "20.0\u202f%.",
        "What raises it most, with 95\u202f% intervals: a = 0 (+30.0 points, +20.2 to +39.8).",
        "What lowers it most: b = 1 (\u221210.0 points, \u221213.9 to \u22126.1).",
    ]
    assert explanation_remarks(view) == [
        "Not distinguishable from 0: c; its interval contains it.",
        "Near 0, below 0.05 points: d and e.",
        "The effects do not add up: their sum is +28.0 points instead of +50.0 points. Replaced one at a "
        "time, features change less than all at once, as where two carry the same information.",
    ]


@pytest.mark.parametrize(
    ("output", "where"), [(0.1, "10.0 points below"), (0.2, "equal to"), (0.3, "10.0 points above")]
)
def test_explanation_sentences_prediction_above_or_below_base_value(output: float, where: str) -> None:
    sentence = explanation_sentences(_view([0.3, 0.1], [0.1, 0.1], output=output, prediction=output))[0]
    assert f"is {where} the mean prediction of 50 background rows, 20.0" in sentence


def test_explanation_sentences_without_effects() -> None:
    view = _view([0.0, 1e-17], [0.0, 1e-18], base=0.7)
    assert explanation_sentences(view)[1:] == [
        "No feature clearly raises it.",
        "No feature clearly lowers it.",
    ]
    assert explanation_remarks(view)[0].startswith("Near 0, below")
    assert explanation_remarks(view)[-1] == "The effects add up to the difference, 0.0 points."


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (
            [0.3, 0.1],
            ["+40.0 points", "+50.0 points", "less than all at once", "two carry the same information"],
        ),
        ([0.5, 0.1], ["+60.0 points", "+50.0 points", "more than all at once", "two matter only together"]),
        ([-0.3, 0.1], ["\u221220.0 points", "+50.0 points", "need not change"]),
    ],
)
def test_explanation_remarks_reason_for_gap(values: list[float], why: list[str]) -> None:
    (*_, remark) = explanation_remarks(_view(values, [0.01, 0.01]))
    assert_states(remark, "do not add up", "one at a time", *why)


def test_explanation_remarks_parts_add_up() -> None:
    assert explanation_remarks(_view([0.4, 0.1], [0.01, 0.01])) == [
        "The effects add up to the difference, +50.0 points."
    ]


def test_explanation_sentences_infinite_error() -> None:
    view = _view([0.4, 0.1], [np.inf, 0.01])
    assert explanation_sentences(view)[1] == (
        "What raises it most, with 95\u202f% intervals: b = 1 (+10.0 points, +8.0 to +12.0)."
    )
    assert explanation_remarks(view)[0] == "Not determined: a."


def test_scale_writes_numbers_as_picture() -> None:
    view = _view([0.3, -0.1], [0.05, 0.02])
    drawn = view.display.plot(factor=100.0)
    texts = [text.get_text() for text in drawn.ax_.texts]
    for value, margin in ((0.3, 0.05), (-0.1, 0.02)):
        assert view.scale.change(value).removesuffix(" points") in texts
        assert f"± {100 * margin * norm.ppf(0.975):.1f}" in texts
    drawn.figure_.clear()


# Every quantity, from any explainer

QUANTITIES = ("contribution", "effect", "sensitivity", "relevance", "coefficient", "mask")
STATED = {
    "contribution": "the contribution of each feature to P(default = 1)",
    "effect": "the effect of each feature on P(default = 1)",
    "sensitivity": "the sensitivity of P(default = 1) to each feature",
    "relevance": "the relevance of each feature for P(default = 1)",
    "coefficient": "the coefficient of each feature for P(default = 1)",
    "mask": "the mask of each feature for P(default = 1)",
}


def _own(
    quantity: str, completeness: str | None = None, values: Any = (0.4, 0.1), base: Any = None, **more: Any
) -> ExplanationView:
    """A view of an explanation as an explainer from elsewhere may give it: nothing but what is required."""
    explanation = Explanation(
        values=np.reshape(np.asarray(values, dtype=float), (1, -1, 1)),
        base_values=None if base is None else [[base]],
        outputs=[[0.7]],
        feature_names=("a", "b", "c")[: len(values)],
        output_names=("1",),
        quantity=quantity,
        completeness=completeness,
        method="ByHand",
        **more,
    )
    return ExplanationView(explanation, 0.7, True, 0.95, 1, "P(default = 1)")


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_sentences_state_quantity_that_leads_nowhere(quantity: str) -> None:
    view = _own(quantity)
    assert explanation_sentences(view)[0] == f"The values are {STATED[quantity]}."
    in_units = _own(quantity, units="log-odds per year")
    assert explanation_sentences(in_units)[0] == f"The values are {STATED[quantity]}, in log-odds per year."
    assert explanation_remarks(view) == []
    assert not view.is_waterfall
    assert view.in_points is (quantity in ("contribution", "effect"))
    largest = explanation_sentences(view)[1]
    assert ("a (+40.0 points)" in largest) is view.in_points
    assert ("a (+0.400)" in largest) is not view.in_points


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(
    ("completeness", "base", "figure", "target"),
    [
        (None, None, BarDisplay, None),
        ("outputs", None, BarDisplay, 0.7),
        ("outputs", 0.2, BarDisplay, 0.7),
        ("outputs - base_values", 0.2, WaterfallDisplay, 0.5),
        ("surrogate", 0.2, WaterfallDisplay, 0.5),
    ],
)
def test_view_of_every_quantity_and_completeness(
    quantity: str, completeness: str | None, base: float | None, figure: type, target: float | None
) -> None:
    view = _own(quantity, completeness, base=base)
    assert type(view.display) is figure
    assert view.target == pytest.approx(target)
    assert view.values["label"].tolist() == ["a", "b"]
    assert view.in_points is (completeness is not None or quantity in ("contribution", "effect"))
    texts = [explanation_title(view), *explanation_sentences(view), *explanation_remarks(view)]
    texts += [explanation_note(view), errors(view)]
    assert not re.search(r"\bnan\b|None|\{|\u2013", " ".join(texts))
    is_sum = any("add up" in text for text in texts)
    assert is_sum is (target is not None)
    view.display.plot(Figure().add_subplot()).figure_.draw_without_rendering()


def test_titles_and_meanings_differ_by_quantity() -> None:
    views = [_own(quantity) for quantity in QUANTITIES]
    assert len({explanation_title(view) for view in views}) == len(QUANTITIES)
    assert len({explanation_note(view) for view in views}) == len(QUANTITIES)


def test_remarks_of_values_that_add_up_to_prediction() -> None:
    (remark,) = explanation_remarks(_own("relevance", "outputs", (0.5, 0.2)))
    assert remark == "The relevance scores add up to the prediction, 70.0\u202f%."
    (remark,) = explanation_remarks(_own("relevance", "outputs", (0.5, 0.1)))
    assert remark == "The relevance scores do not add up: their sum is 60.0\u202f% instead of 70.0\u202f%."


def test_remarks_state_completeness_gap() -> None:
    view = _own("contribution", "outputs - base_values", (0.3, 0.1), 0.2, completeness_gap=[[0.1]])
    (remark,) = explanation_remarks(view)
    assert_states(remark, "+40.0 points instead of +50.0 points", "a gap of +10.0 points")


def test_sentences_of_values_without_sign() -> None:
    view = _own("mask", values=(1.0, 0.9, 0.0), std_errors=np.full((1, 3, 1), 0.01))
    assert explanation_sentences(view)[1:] == [
        "The largest mask values, with 95\u202f% intervals: a (+1.00, +0.98 to +1.02) and b (+0.90, +0.88 to "
        "+0.92)."
    ]
    below = _own("sensitivity", values=(-3.0, 0.1), std_errors=np.reshape([0.1, 0.5], (1, 2, 1)))
    assert explanation_sentences(below)[1:] == [
        "No sensitivities are clearly above 0.",
        "Negative sensitivities, with 95\u202f% intervals: a (\u22123.00, \u22123.20 to \u22122.80).",
    ]


def test_note_of_unknown_errors() -> None:
    note = errors(_own("sensitivity", std_errors=np.full((1, 2, 1), np.nan)))
    assert "The error of the values is unknown." in note
    assert "exact" not in note


def test_coefficients_of_surrogate_have_fidelity_and_bars() -> None:
    view = _read(quantity="coefficient", completeness=None, r2=0.1, outputs=[[0.8]])
    assert view.is_surrogate
    assert not view.is_waterfall
    assert (
        explanation_sentences(view)[0] == "The values are the coefficient of each feature for the prediction."
    )
    assert "the sampling of rows near this one" in errors(view)
    assert_states(
        fidelity_sentence(view), "predicts 41.0\u202f% for the row", "the model predicts 80.0\u202f%"
    )
    (warning,) = fidelity_warnings(view)  # a gap is not compared with coefficients
    assert_states(warning, "these coefficients")


class Slopes(AttributionExplainer):
    """An explainer from elsewhere: slopes of the log-odds, without a base value."""

    def __init__(self, model: object = None) -> None:
        self.model = model

    def fit(self, X: pd.DataFrame, y: object = None, sample_weight: object = None) -> Slopes:
        self.columns_ = tuple(X.columns)
        return self

    def explain(self, X: pd.DataFrame, *, outputs: object = None) -> Explanation:
        return Explanation(
            values=np.arange(float(len(X) * len(self.columns_))).reshape(len(X), -1, 1) - 1.0,
            outputs=as_predictor(self.model).predict(X)[:, [outputs]],
            data=X,
            feature_names=self.columns_,
            output_names=("selected",),
            quantity="sensitivity",
            units="log-odds per unit",
            method="Slopes",
            n_model_rows=len(X),
        )


def test_report_with_sensitivities(people: pd.DataFrame, income: pd.Series) -> None:
    def model(X: pd.DataFrame) -> np.ndarray:
        p = X["age"].to_numpy() / 200.0
        return np.column_stack([1.0 - p, p])

    predictor = as_predictor(model, task="classification", output_names=sorted(set(income)))
    people = people[["age", "noise", "sex"]]
    report = WhatIfReport(predictor, people, income, rows=[7], explainers=[Slopes(predictor)])
    (row,) = json.loads(report.json())["rows"]
    (part,) = row["explanations"]
    assert part["title"] == "How sensitive is the prediction to each feature?"
    stated = "The values are the sensitivity of P(income = >50K) to each feature, in log-odds per unit."
    assert part["sentences"][0] == stated
    assert (part["quantity"], part["unit"], part["figure"]) == ("sensitivity", "sensitivity", "bars")
    assert (part["base_value"], part["output"]) == (None, row["prediction"])
    assert [value["text"]["value"] for value in part["values"]] == ["\u22121.00", "+1.00", "0.00"]
    assert row["text"]["prediction"].endswith("\u202f%")
    page = report.html()
    (figure,) = re.findall(r"<title>Why row 7, by Slopes.*?</svg>", page, re.DOTALL)
    seen = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", figure)).split())
    assert "sensitivity of P(income = >50K) (log-odds per unit)" in seen
    assert "Each bar is the sensitivity of a feature." in page
    assert "base value (open dot)" not in page
    assert stated in re.sub(r"\\([^\w\s])", r"\1", report.markdown())


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
    fidelity = near["fidelity"]
    assert (fidelity["r2"], fidelity["surrogate_output"]) == (0.3, 0.41)
    assert fidelity["low"] == pytest.approx(1.0 - 0.7 * np.exp(1.96 * 0.02 / 0.7), abs=1e-4)
    assert fidelity["high"] == pytest.approx(1.0 - 0.7 * np.exp(-1.96 * 0.02 / 0.7), abs=1e-4)
    assert near["base_value"] == 0.2
    assert near["sum_of_values"] == pytest.approx(fidelity["surrogate_output"] - near["base_value"])
    assert near["output"] == row["prediction"] != fidelity["surrogate_output"]
    assert [value["condition"] for value in near["values"]] == [
        f"{n} <near> 0" for n in ("age", "noise", "sex")
    ]
    assert {value["condition"] for value in occlusion["values"]} == {None}


def test_page_fidelity_first_and_warnings_marked(report: WhatIfReport) -> None:
    page = report.html()
    near = report.summary["rows"][0]["explanations"][0]
    section = page.split('<section id="rows">')[1].split("</section>")[0]
    sentence, (warning, *_) = near["fidelity"]["sentence"], near["fidelity"]["warnings"]
    places = [
        html.unescape(section).index(text)
        for text in (near["title"], sentence, warning, near["sentences"][0])
    ]
    assert places == sorted(places)
    assert section.count('<p class="warning">') == len(near["fidelity"]["warnings"])
    assert "<td>age &lt;near&gt; 0</td>" in section
    assert "<near>" not in page.split('<script id="summary"')[0]
    assert "lead from the base value of the surrogate (open dot) to its prediction (gray dot)" in section
    assert section.count("lead from the base value (open dot) to the prediction (filled dot).") == 1
    figure = re.findall(r"<title>Why row 7, by Nearby.*?</svg>", page, re.DOTALL)[0]
    seen = html.unescape(re.sub(r"<[^>]*>", " ", figure))
    for text in ("surrogate prediction", "gap to the model", "model prediction", "age <near> 0", "R² 0.30 ("):
        assert text in seen


def test_markdown_has_fidelity_and_warnings(report: WhatIfReport) -> None:
    plain = re.sub(r"\\([^\w\s])", r"\1", report.markdown())
    near = report.summary["rows"][0]["explanations"][0]
    assert near["fidelity"]["sentence"] in plain
    for warning in near["fidelity"]["warnings"]:
        assert f"**{warning}**" in plain
    assert "| age <near> 0 | " in plain
    assert plain.index(near["fidelity"]["sentence"]) < plain.index(near["sentences"][0])
