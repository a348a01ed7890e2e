"""Scenarios of a report: the ways in which they may be stated, their names, the nearest that is reached."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, WhatIfReport
from agnostix.core.models import as_predictor
from agnostix.exceptions import DataError
from agnostix.report.scenarios import StatedScenario, read_scenarios
from agnostix.what_if import ErrorRate, Keep, Mean, Prediction, Proportion, Variance
from tests.messages import refuses

COLUMNS = ["age", "hours", "sex"]
OLDER, HALF = Mean("age", "+5"), Proportion("sex", "Female", 0.5)
TABLE = pd.DataFrame({"age": [50.0, 60.0]})


def stated(scenario: Any, name: str | None = None) -> StatedScenario:
    return StatedScenario(scenario, name)


@pytest.mark.parametrize(
    ("what_if", "expected"),
    [
        ((), []),
        ([], []),
        ({"age": 50}, [stated({"age": 50})]),
        ({"sex": {"Female": 0.5}}, [stated({"sex": {"Female": 0.5}})]),
        ([{"age": 50}, {"hours": (30, 40)}], [stated({"age": 50}), stated({"hours": (30, 40)})]),
        (iter([{"age": 50}]), [stated({"age": 50})]),
        (OLDER, [stated(OLDER)]),
        ([OLDER, HALF], [stated([OLDER, HALF])]),
        ([OLDER, {"hours": 40}], [stated([OLDER, {"hours": 40}])]),
        ([[OLDER], [HALF], {"age": 50}], [stated([OLDER]), stated([HALF]), stated({"age": 50})]),
        ({"recession": {"age": 50}}, [stated({"age": 50}, "recession")]),
        ({"a": {"age": 50}, "b": [OLDER, HALF], "c": HALF},
         [stated({"age": 50}, "a"), stated([OLDER, HALF], "b"), stated(HALF, "c")]),
        ([{"a": [OLDER]}, {"age": 50}, {"b": HALF}],
         [stated([OLDER], "a"), stated({"age": 50}), stated(HALF, "b")]),
        ({"year": 2020}, [stated({"year": 2020})]),  # of a column that is not there
        ({"town": {"a": 0.5}, "age": 3}, [stated({"town": {"a": 0.5}, "age": 3})]),
        ({1: {"age": 50}}, [stated({"age": 50}, "1")]),
    ],
)  # fmt: skip
def test_read_scenarios(what_if: Any, expected: list) -> None:
    assert read_scenarios(what_if, COLUMNS) == expected


def test_read_scenarios_takes_tables_and_means() -> None:
    means = TABLE.mean()
    for what_if, name in (({"next": TABLE}, "next"), (TABLE, None), ([TABLE], None), (means, None)):
        (one,) = read_scenarios(what_if, COLUMNS)
        assert one.stated is (means if what_if is means else TABLE)
        assert one.name == name


@pytest.mark.parametrize(
    ("what_if", "facts"),
    [
        ("age=50", ["{'age': 50}", "scenarios by name", "'age=50'"]),
        (50, ["list of scenarios", "50"]),
        ({"both": [{"age": 50}, {"hours": 40}]}, ["'both'", "one scenario"]),
        ({"outer": {"inner": {"age": 50}}}, ["'outer'", "one scenario"]),
    ],
)
def test_read_scenarios_refuses(what_if: Any, facts: list[str]) -> None:
    with refuses(DataError, *facts):
        read_scenarios(what_if, COLUMNS)


def report_on(people: pd.DataFrame, what_if: Any, **more: Any) -> WhatIfReport:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    return WhatIfReport(model, people, what_if=what_if, **more)


def test_bad_scenarios_are_refused_before_the_model_runs(people: pd.DataFrame) -> None:
    def model(X: Any) -> Any:
        raise AssertionError

    with refuses(DataError, "what_if", "'age=50'"):
        _ = WhatIfReport(model, people, what_if="age=50").summary


def test_names_and_results_are_those_of_the_explainer(people: pd.DataFrame) -> None:
    scenarios = {
        "older": {"age": "+5"},
        "narrow": [Variance("age", "*0.5"), Keep("sex")],
        "younger": [Prediction("-2")],
    }
    summary = report_on(people, scenarios).summary
    projection = EntropicProjection(report_on(people, ())._inputs.model).fit(people)
    assert [one["name"] for one in summary["scenarios"]] == list(scenarios)
    for one, what_if in zip(summary["scenarios"], scenarios.values(), strict=True):
        own = projection.what_if(what_if)
        assert one["kl"] == pytest.approx(own.kl, rel=1e-5)
        assert one["notes"] == list(own.notes)
        assert one["outcomes"][0]["value"] == pytest.approx(own.outcomes["value"][0], rel=1e-5)
        assert [row["label"] for row in one["conditions"]] == own.conditions["label"].tolist()
        assert all(row["text"]["reached"] for row in one["conditions"])


def test_conditions_are_written_in_their_units(binary: WhatIfReport) -> None:
    request = binary._inputs
    scenarios = [[ErrorRate(0.2), Mean("age", 41), Prediction(0.4, output=">50K")], {"sex": {"Female": 0.5}}]
    report = WhatIfReport(request.model, request.X, request.y, what_if=scenarios, output=">50K")
    first, second = (one["conditions"] for one in report.summary["scenarios"])
    assert [row["text"]["reached"] for row in first] == ["20.0\u202f%", "41.0", "40.0\u202f%"]
    assert [row["text"]["stated"] for row in first] == ["20.0\u202f%", "41.0", "40.0\u202f%"]
    assert [row["text"]["reached"] for row in second] == ["50.0\u202f%"]
    assert "a mean P(income = >50K) of 40\u202f%" in report.summary["scenarios"][0]["description"]


def test_one_that_is_not_reached_has_the_nearest(people: pd.DataFrame) -> None:
    (one,) = report_on(people, {"old": {"age": 200}}).summary["scenarios"]
    assert one["name"] == "old"
    assert "No row has age above" in one["problem"]
    assert "what_if(" not in one["problem"]
    assert one["outcomes"] == []
    near = one["nearest"]
    assert near["problem"] is None
    reached = near["conditions"][0]["reached"]
    assert reached == pytest.approx(people["age"].max(), rel=0.01)
    assert near["outcomes"][0]["value"] == pytest.approx(reached)
    assert float(near["description"].removeprefix("an average age of ")) == pytest.approx(reached)
    assert one["conflict"] == ["mean of age"]


def test_pages_have_names_conditions_and_the_nearest(people: pd.DataFrame) -> None:
    scenarios = {"a recession": [Mean("age", "-2"), Keep("sex")], "old <age>": {"age": 200}}
    report = report_on(people, scenarios)
    for page in (report.html(), report.markdown()):
        for fact in (
            "a recession",
            "2 lower than in the data",
            "proportion of sex = Female",
            "The nearest that can",
        ):
            assert fact in page
        assert "old <age>" not in page
    assert json.loads(report.json())["scenarios"][1]["nearest"]["nearest"] is None
    assert report.html().count("Shifts of all features: ") == 2


def test_data_notes_stand_beside_the_data(people: pd.DataFrame) -> None:
    report = report_on(people, (), data_notes=["Labels are read <so>."])
    assert dict(report.summary["metadata"])["Read"] == "Labels are read <so>."
    assert "Labels are read &lt;so&gt;." in report.html()
    assert "Read" not in dict(report_on(people, ()).summary["metadata"])


def test_a_scenario_with_a_name_of_a_column_is_one_of_that_column(people: pd.DataFrame) -> None:
    with refuses(ValueError, "'age'"):
        _ = report_on(people, {"age": {"noise": 0.1}}).summary
    assert len(report_on(people, [{"noise": 0.1}]).summary["scenarios"]) == 1
    assert np.isfinite(report_on(people, [{"noise": 0.1}]).summary["scenarios"][0]["kl"])


def test_a_prediction_is_described_by_its_own_class(binary: WhatIfReport) -> None:
    request = binary._inputs
    for output, name in (("<=50K", "mean prediction of >50K"), (">50K", "mean P(income = >50K)")):
        report = WhatIfReport(request.model, request.X, request.y, what_if=[Prediction(0.4)], output=output)
        (one,) = report.summary["scenarios"]
        assert one["description"] == f"a {name} of 40\u202f%"
        outcome = one["outcomes"][0]["value"]
        assert outcome == pytest.approx(0.4 if output == ">50K" else 0.6)
