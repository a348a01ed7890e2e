"""Sentences are written from the numbers, and only where there is something to say."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from agnostix import WhatIfReport, as_predictor
from agnostix.report.findings import curve_sentence, levels_sentence, question
from agnostix.report.words import Scale

SCALE = Scale(False, 1)


def _report(people: pd.DataFrame, function: object, y: object = None, **more: object) -> WhatIfReport:
    return WhatIfReport(as_predictor(function, task="regression"), people, y, **more)


@pytest.fixture(scope="module")
def without_y(people: pd.DataFrame) -> WhatIfReport:
    return _report(people[["age", "sex"]], lambda X: X["age"].to_numpy(), confidence_level=0.9)


def _numbers(text: str) -> list[float]:
    text = text.replace("−", "-").replace("\u202f", "")
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_findings_first_sentence_holds_numbers_of_ranking(binary: WhatIfReport) -> None:
    first = binary.summary["findings"][0]
    row = max(binary.summary["ranking"], key=lambda row: abs(row["change"]))
    assert row["feature"] == "age"
    said = _numbers(first.split("Close to")[0].split("50K) is")[1])
    wanted = [100 * row[name] for name in ("value", "low", "high", "base")]
    assert said[:4] == pytest.approx(wanted, abs=0.5)
    moved = _numbers(first.split(", the model")[0])
    assert moved == pytest.approx([row["target"], row["start"]], rel=5e-3)
    share = row["ess"] / 400
    assert f"{100 * share:.0f}\u202f% effective rows" in first


def test_findings_leave_out_correlated_copy(binary: WhatIfReport) -> None:
    changes = {
        row["feature"]: row["change_low"] for row in binary.summary["ranking"] if row["direction"] == "up"
    }
    assert changes["echo"] > 0
    assert not any("echo" in sentence for sentence in binary.summary["findings"][:3])


def test_caveats_name_feature_that_moves_along(binary: WhatIfReport) -> None:
    (dependence,) = [text for text in binary.summary["caveats"] if text.startswith("Dependence")]
    lever = next(lever for lever in binary.summary["levers"] if lever["feature"] == "age")
    assert "age moved echo by" in dependence
    assert lever["moved"][0][0][0] == "echo"


def test_findings_give_levels_as_shares(binary: WhatIfReport) -> None:
    (about_sex,) = [text for text in binary.summary["findings"] if "sex = " in text]
    assert re.search(r"sex = (Male|Female) in \d+\u202f% of the rows instead of \d+\u202f%", about_sex)


def test_findings_bound_effect_of_idle_feature() -> None:
    X = pd.DataFrame({"x": np.repeat(np.linspace(-1.0, 1.0, 2000), 2), "idle": np.tile([1.0, -1.0], 2000)})
    report = _report(X, lambda X: 1e3 * X["x"].to_numpy())
    ranking = pd.DataFrame(report.summary["ranking"])
    idle = ranking[ranking["feature"] == "idle"]
    reach = max(idle["change_low"].abs().max(), idle["change_high"].abs().max())
    (sentence,) = [text for text in report.summary["findings"] if text.startswith("Hardly any change: idle;")]
    assert _numbers(sentence)[-1] == pytest.approx(reach, abs=0.5)


def test_findings_without_effects(people: pd.DataFrame) -> None:
    flip = np.where(np.arange(len(people)) % 2 == 0, 1.0, -1.0)
    even = pd.DataFrame({"x": np.repeat(np.linspace(-1, 1, len(people) // 2), 2)})
    report = _report(even, lambda X: flip)
    assert len(report.summary["findings"]) <= 2
    assert report.summary["findings"][0].startswith(
        "No feature moves the mean prediction by more than chance"
    )


def test_findings_constant_model(people: pd.DataFrame) -> None:
    y = np.full(len(people), 3.5)
    report = _report(people[["age", "sex"]], lambda X: np.full(len(X), 3.5), y)
    assert report.summary["findings"][0].startswith("No feature moves")
    assert "NaN" not in report.html()


def test_findings_name_level_where_error_grows(people: pd.DataFrame) -> None:
    y = np.where(people["sex"] == "Female", 10.0, 0.1) * np.tile([1.0, -1.0], 200)
    report = _report(people[["sex", "noise"]], lambda X: np.zeros(len(X)), y)
    (sentence,) = [text for text in report.summary["findings"] if "mean absolute error" in text]
    rank = pd.DataFrame(report.summary["quality"]["ranking"])
    worst = rank.loc[rank["change"].idxmax()]
    value, _, _, base = _numbers(sentence.split("error is")[1])[:4]
    assert (value, base) == pytest.approx((worst["value"], worst["base"]), abs=0.05)
    assert "sex = " in sentence


def test_report_without_y_has_no_quality_part(without_y: WhatIfReport) -> None:
    assert without_y.summary["quality"] == {}
    assert without_y.summary["findings"]
    assert not any("error" in text for text in without_y.summary["findings"])
    assert 'id="quality"' not in without_y.html()
    assert "Is the model any good" not in without_y.markdown()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: 2 * x, "rises from 20.0 to 100.0."),
        (lambda x: -2 * x, "falls from −20.0 to −100.0."),
        (lambda x: 5 + 0 * x, "stays near 5.0."),
        (lambda x: -((x - 30) ** 2), "rises from −400.0 to 0.0 at 30.0 and falls to −400.0."),
        (lambda x: (x - 20) ** 2, "falls from 100.0 to 0.0 at 20.0 and rises to 900.0."),
    ],
)
def test_curve_sentence_describes_course(make: object, expected: str) -> None:
    x = np.linspace(10, 50, 41)
    y = make(x)  # type: ignore[operator]
    sentence = curve_sentence("age", _curve(x, y), "outcome", SCALE)
    assert sentence.startswith("As the average moves from 10.0 to 50.0, the outcome " + expected)
    assert "average, 30.0" in sentence


def test_curve_sentence_ignores_wave_within_errors() -> None:
    x = np.linspace(10, 50, 41)
    curve = _curve(x, np.sin(x / 5), error=2.0)
    assert "stays near" in curve_sentence("age", curve, "outcome", SCALE)


def test_curve_sentence_gives_range_of_dip_and_peak() -> None:
    x = np.linspace(-10, 10, 41)
    y = np.where(np.abs(x) < 8, np.sign(x) * 0.15, 0.0)
    sentence = curve_sentence("age", _curve(x, y, error=0.1), "outcome", Scale(False, 2))
    assert "stays between −0.15 and 0.15" in sentence


def test_curve_sentence_does_not_interpret_thin_support() -> None:
    x = np.linspace(10, 50, 41)
    curve = _curve(x, x).assign(status="thin")
    assert "rises" not in curve_sentence("age", curve, "outcome", SCALE)
    assert "Too few rows" in curve_sentence("age", curve, "outcome", SCALE)


def test_curve_sentence_digits_far_from_0() -> None:
    x = np.linspace(1999.0, 2001.0, 41)
    sentence = curve_sentence("year", _curve(x, x - 2000), "outcome", SCALE)
    assert "from 1\u202f999.0 to 2\u202f001.0" in sentence


def test_curve_sentence_slope_at_average_of_data() -> None:
    x = np.linspace(10, 50, 41)
    sentence = curve_sentence("age", _curve(x, 2 * x), "outcome", SCALE)
    assert "raising it by 10 goes with a change of +20" in sentence


def test_levels_sentence_orders_by_certain_change(binary: WhatIfReport) -> None:
    row = {"feature": "job", "direction": "up", "start": 0.2, "target": 0.4}
    ranking = pd.DataFrame(
        [
            row | {"level": "clerk", "change": 1.0, "change_low": 0.5, "change_high": 1.5},
            row | {"level": "baker", "change": -3.0, "change_low": -4.0, "change_high": -2.0},
            row | {"level": "smith", "change": 9.0, "change_low": -1.0, "change_high": 19.0},
            row | {"level": "judge", "change": np.nan, "change_low": np.nan, "change_high": np.nan},
        ]
    )
    sentence = levels_sentence("job", ranking, SCALE)
    assert sentence.index("baker (−3.0 at 40") < sentence.index("clerk (+1.0 at 40")
    assert "smith" not in sentence
    assert "judge" not in sentence
    assert levels_sentence("job", ranking.iloc[2:], SCALE).startswith("No level of job")


@pytest.mark.parametrize(
    ("constraints", "text"),
    [
        ({"age": 50}, "an average age of 50"),
        ({"age": 1234567.0}, "an average age of 1234567"),
        ({"age": 50, "hours": (35, 40.5)}, "an average age of 50 and an average hours between 35 and 40.5"),
        ({"sex": {"Female": 0.5}}, "sex = Female in 50\u202f% of the rows"),
        ({"sex": {"Female": (0.2, 0.5)}}, "sex = Female in 20\u202f% to 50\u202f% of the rows"),
        ({"a": 1, "b": 2, "c": 3}, "an average a of 1, an average b of 2 and an average c of 3"),
    ],
)
def test_question_wording(constraints: dict, text: str) -> None:
    assert question(constraints) == text


def test_scenario_sentence_matches_table(binary: WhatIfReport) -> None:
    reached = binary.summary["scenarios"][0]
    row = reached["outcomes"][0]
    assert row["text"]["value"] in reached["sentence"]
    text = row["text"]
    assert f"{text['value']} ({text['interval']}) instead of {text['base']}" in reached["sentence"]


def test_scenario_infeasible_reason_in_sentence_and_caveats(binary: WhatIfReport) -> None:
    unreached = binary.summary["scenarios"][2]
    assert "No row has age above" in unreached["problem"]
    assert unreached["sentence"].endswith(unreached["problem"])
    assert any(
        "an average age of 200" in text and unreached["problem"] in text for text in binary.summary["caveats"]
    )


def test_scenario_sentence_states_thin_and_boundary_support(people: pd.DataFrame) -> None:
    report = _report(people, lambda X: X["age"].to_numpy(), what_if=[{"age": 62}, {"sex": {"Male": 1.0}}])
    thin, boundary = report.summary["scenarios"]
    assert (thin["status"], boundary["status"]) == ("thin", "boundary")
    assert "Support is thin" in thin["sentence"]
    assert "edge of the data" in boundary["sentence"]


def test_caveats_share_of_thin_points(binary: WhatIfReport) -> None:
    frame = binary._material.curves.frame
    share = 100 * frame["status"].isin(["thin", "boundary"]).mean()
    (sentence,) = [text for text in binary.summary["caveats"] if text.startswith("Thin support")]
    assert _numbers(sentence)[0] == pytest.approx(share, abs=0.5)


def test_report_states_confidence_level(without_y: WhatIfReport) -> None:
    assert ("Confidence", "90\u202f%") in without_y.summary["identity"]
    assert any("90\u202f%" in text for text in without_y.summary["caveats"])
    assert "90\u202f%" in without_y.html()


def _curve(x: np.ndarray, y: np.ndarray, error: float = 0.01) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "target": x,
            "value": np.asarray(y, dtype=float),
            "std_error": error,
            "slope": np.gradient(y, x),
            "kl": (x - x.mean()) ** 2 / 100,
            "status": "ok",
        }
    )
