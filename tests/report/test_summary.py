"""The summary holds what the explainer says, in values that any JSON reader takes."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from agnostix import EntropicProjection, WhatIfReport, as_predictor
from tests.messages import refuses


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def _walk(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _walk(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _walk(item)]
    return [value]


@pytest.mark.parametrize("name", ["binary", "regression", "multiclass"])
def test_summary_is_json(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    read = json.loads(report.json(), parse_constant=_no_constant)
    assert read["schema_version"] == 3
    assert json.loads(json.dumps(report.summary)) == read
    assert {type(leaf) for leaf in _walk(read)} <= {str, int, float, bool, type(None)}


def test_report_of_two_rows_with_infinite_errors() -> None:
    X = pd.DataFrame({"a": [0.0, 1.0], "s": ["x", "y"]})
    report = WhatIfReport(as_predictor(lambda X: X["a"].to_numpy(), task="regression"), X, [0.1, 0.9])
    json.loads(report.json(), parse_constant=_no_constant)
    assert "NaN" not in report.html()
    assert "nan" not in report.markdown()


def test_groups_leave_out_group_of_one_row(people: pd.DataFrame) -> None:
    X = people[["age", "sex"]].assign(group=["lonely"] + ["many"] * (len(people) - 1))
    report = WhatIfReport(
        as_predictor(lambda X: X["age"].to_numpy(), task="regression"), X, X["age"], by="group"
    )
    assert {row["group"] for row in report.summary["groups"]} == {"many"}
    (left_out,) = [text for text in report.summary["caveats"] if "lonely" in text]
    assert left_out.startswith("Left out: the group lonely of group – ")
    assert left_out in report.markdown()
    assert "lonely" in report.html()


def test_ranking_equals_explainer(regression: WhatIfReport, people: pd.DataFrame) -> None:
    fresh = _fitted(regression).rank(0.1, metric=["prediction", "mean_absolute_error"])
    own = fresh[fresh["quantity"] == "prediction"].reset_index(drop=True)
    written = pd.DataFrame(regression.summary["ranking"])
    assert written["feature"].tolist() == own["feature"].tolist()
    for name in ("start", "target", "value", "low", "high", "change", "change_low", "change_high", "ess"):
        np.testing.assert_allclose(written[name].astype(float), own[name].astype(float), rtol=1e-5)
    quality = pd.DataFrame(regression.summary["quality"]["ranking"])
    assert set(quality["quantity"]) == {"mean_absolute_error"}
    error = fresh[fresh["quantity"] == "mean_absolute_error"]
    np.testing.assert_allclose(quality["value"], error["value"], rtol=1e-5)


def test_curves_equal_explainer(binary: WhatIfReport, people: pd.DataFrame) -> None:
    frame = _fitted(binary).explain(features=["age", "sex"]).sel(outputs=">50K").frame
    curves = [curve for curve in binary.summary["curves"] if curve["feature"] in ("age", "sex")]
    assert {curve["feature"] for curve in curves} == {"age", "sex"}
    for curve in curves:
        own = frame[frame["feature"] == curve["feature"]]
        own = own if curve["level"] is None else own[own["level"] == curve["level"]]
        for name in ("target", "value", "std_error", "low", "high", "slope", "kl"):
            np.testing.assert_allclose(curve[name], own[name].astype(float), rtol=1e-5, atol=1e-12)
        np.testing.assert_allclose(curve["ess_fraction"], own["ess"] / len(people), rtol=1e-5)
        assert curve["status"] == own["status"].tolist()
        mean = people["age"].mean() if curve["level"] is None else (people["sex"] == curve["level"]).mean()
        assert curve["target"][curve["observed_index"]] == pytest.approx(mean)
        assert curve["correlated_shifts"][curve["observed_index"]] == []


def test_curves_shifts_equal_scenario(binary: WhatIfReport) -> None:
    (curve,) = [curve for curve in binary.summary["curves"] if curve["feature"] == "age"]
    i = len(curve["target"]) - 5
    shifts = _fitted(binary).what_if({"age": curve["target"][i]}).shifts
    named = {
        feature if level is None else f"{feature} = {level}": shift
        for feature, level, shift in zip(shifts["feature"], shifts["level"], shifts["shift"], strict=True)
    }
    assert curve["correlated_shifts"][i]
    for name, by in curve["correlated_shifts"][i]:
        assert by == pytest.approx(named[name], abs=0.006)


def test_scenarios_equal_explainer(binary: WhatIfReport) -> None:
    scenarios = binary.summary["scenarios"]
    own = _fitted(binary).what_if({"age": 45.0, "sex": {"Female": 0.5}})
    assert scenarios[0]["kl"] == pytest.approx(own.kl, rel=1e-5)
    assert scenarios[0]["ess_fraction"] == pytest.approx(own.ess_fraction, rel=1e-5)
    assert scenarios[0]["max_weight"] == pytest.approx(own.max_weight, rel=1e-5)
    outcomes = own.outcomes.set_index("quantity")
    for row in scenarios[0]["outcomes"]:
        for name in ("base", "value", "low", "high", "change"):
            expected = outcomes.loc[row["quantity"], name]
            expected = expected if np.isscalar(expected) else expected.iloc[-1]
            assert row[name] == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert {row["quantity"] for row in scenarios[0]["outcomes"]} >= {
        "prediction",
        "accuracy",
        "roc_auc",
        "log_loss",
    }
    assert len(scenarios[0]["shifts"]) == len(own.shifts)
    assert scenarios[0]["problem"] is None
    assert scenarios[2]["outcomes"] == []


def test_baseline_and_groups_equal_model_scores(
    binary: WhatIfReport, people: pd.DataFrame, income: pd.Series
) -> None:
    by_name = {row["quantity"]: row for row in binary.summary["baseline"]}
    model = binary._inputs.model
    assert by_name["prediction"]["value"] == pytest.approx(model.predict_proba(people)[:, 1].mean(), rel=1e-5)
    assert by_name["accuracy"]["value"] == pytest.approx(model.score(people, income), rel=1e-5)
    groups = {(row["group"], row["quantity"]): row for row in binary.summary["groups"]}
    for group in ("Female", "Male"):
        own = people["sex"] == group
        expected = 1.0 - model.score(people[own], income[own])
        assert groups[group, "error_rate"]["value"] == pytest.approx(expected, rel=1e-5)
        assert groups[group, "error_rate"]["n_rows"] == own.sum()


def test_summary_has_only_output_of_report(binary: WhatIfReport, multiclass: WhatIfReport) -> None:
    for report, output in ((binary, ">50K"), (multiclass, "mid")):
        outputs = {row["output"] for part in ("ranking", "baseline") for row in report.summary[part]}
        assert outputs == {output, None}
        event = "income = >50K" if report is binary else "class mid"  # y is an array without a name
        assert report.summary["outcome"]["name"] == f"mean P({event})"


def test_outcome_of_class_is_named_after_column(people: pd.DataFrame) -> None:
    default = pd.Series((people["age"] > 42).astype(int), name="default")
    model = LogisticRegression().fit(people[["age", "noise"]], default)
    X = people[["age", "noise"]]
    report = WhatIfReport(model, X, default, rows=[0], what_if=[{"age": 41}])
    (row,) = report.summary["rows"]
    assert re.match(
        r"For row 0 the model predicts P\(default = 1\) = .* \(observed: default = [01]\)\.", row["sentence"]
    )
    assert re.search(r"; default = 1 is observed for \d of \d\.", row["neighbors"]["sentences"][-1])
    assert ", the mean P(default = 1) is " in report.summary["findings"][0]
    outcome = dict(report.summary["metadata"])["Outcome"]
    assert outcome.startswith("mean P(default = 1), the model's probability")
    seen = re.findall(r">([^<>]*default = 1[^<>]*)</(?:text|title)>", report.html())
    assert set(seen) >= {
        "change of the mean P(default = 1), in points",
        "mean P(default = 1)",
        "P(default = 1)",
    }
    assert WhatIfReport(model, X, default, output="0").summary["outcome"]["name"] == "mean P(default = 0)"


def test_outcome_of_scores_and_numbers_is_named_after_column(people: pd.DataFrame) -> None:
    X = people[["age", "noise"]]
    late = pd.Series(people["age"] > 42, name="late")
    scores = as_predictor(LogisticRegression().fit(X, late), output="decision_function")
    assert WhatIfReport(scores, X, late).summary["outcome"]["name"] == "mean score of late"
    line = LinearRegression().fit(X, people["echo"])
    assert WhatIfReport(line, X, people["echo"]).summary["outcome"]["name"] == "mean predicted echo"
    assert WhatIfReport(line, X).summary["outcome"]["name"] == "mean prediction"


def test_output_selects_and_refuses_unknown(multiclass: WhatIfReport) -> None:
    request = multiclass._inputs
    report = WhatIfReport(request.model, request.X, request.y, output="old")
    assert {row["output"] for row in report.summary["ranking"]} == {"old"}
    with refuses(ValueError, "no output 'ancient'", "mid, new, old"):
        _ = WhatIfReport(request.model, request.X, output="ancient").summary


def test_identity_model_data_and_cost(binary: WhatIfReport, people: pd.DataFrame) -> None:
    lines = dict(binary.summary["metadata"])
    assert lines["Model"] == "ColumnTransformer > LogisticRegression"
    assert lines["Data"].startswith("400 rows, 5 columns, fingerprint ")
    assert lines["Cost"].startswith("the model was evaluated on 440 rows")
    assert "Weights" not in lines


def test_fingerprint_ignores_row_order(people: pd.DataFrame) -> None:
    def fingerprint(X: pd.DataFrame) -> str:
        model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
        return dict(WhatIfReport(model, X).summary["metadata"])["Data"].split()[-1]

    assert fingerprint(people) == fingerprint(people[::-1])
    changed = people.copy()
    changed.loc[3, "noise"] += 1e-9
    assert fingerprint(people) != fingerprint(changed)


def test_curves_targets_far_from_0_keep_digits() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"time": 1.6e9 + rng.normal(size=200)})
    report = WhatIfReport(as_predictor(lambda X: X["time"].to_numpy() - 1.6e9, task="regression"), X)
    targets = report.summary["curves"][0]["target"]
    assert len(set(targets)) == len(targets)
    assert "1\u202f600\u202f000\u202f000" in report.summary["findings"][0]


def _fitted(report: WhatIfReport) -> EntropicProjection:
    request = report._inputs
    return EntropicProjection(request.model).fit(request.X, request.y)
