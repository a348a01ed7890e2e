"""Sentences on scenarios are those of the constraints and of the numbers beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agnostix import WhatIfReport
from agnostix.core.models import as_predictor
from agnostix.report.sentences_scenarios import describe_constraints
from agnostix.what_if import (
    Correlation,
    DisparateImpact,
    EqualizedOdds,
    ErrorRate,
    Keep,
    Margins,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    Variance,
)
from agnostix.what_if.constraints import Constraint

WOMEN = {"sex": "Female"}
PERCENT = "\u202f%"


@pytest.mark.parametrize(
    ("constraints", "text"),
    [
        ([Mean("age", 50)], "an average age of 50"),
        ([Mean("age", 1234567.0)], "an average age of 1234567"),
        ([Mean("age", 50), Mean("hours", (35, 40.5))],
         "an average age of 50 and an average hours between 35 and 40.5"),
        ([Mean("age", 50, tolerance=2)], "an average age of 50 \u00b1 2"),
        ([Mean("age", 50, penalty=2)], "an average age near 50"),
        ([Mean("age", "+5")], "an average age 5 higher than in the data"),
        ([Mean("age", "- 5")], "an average age 5 lower than in the data"),
        ([Mean("age", "*1.1")], "an average age 1.1 times that of the data"),
        ([Mean("age", ("+1", 60))], "an average age between 1 higher than in the data and 60"),
        ([Mean("age", 50, where=WOMEN)], "an average age of 50 where sex = Female"),
        ([Proportion("sex", "Female", 0.5)], f"sex = Female in 50{PERCENT} of the rows"),
        ([Proportion("sex", "Female", 0.125)], f"sex = Female in 12.5{PERCENT} of the rows"),
        ([Proportion("sex", "Female", (0.2, 0.5))],
         f"sex = Female in 20{PERCENT} to 50{PERCENT} of the rows"),
        ([Proportion("sex", "Female", 0.5, tolerance=0.02)],
         f"sex = Female in 50{PERCENT} \u00b1 2{PERCENT} of the rows"),
        ([Proportion("sex", "Female", 0.5, penalty=2)], f"sex = Female near 50{PERCENT} of the rows"),
        ([Proportion("sex", "Female", "+0.05")],
         "sex = Female in 5 points more of the rows than in the data"),
        ([Proportion("sex", "Female", "-0.05")],
         "sex = Female in 5 points less of the rows than in the data"),
        ([Proportion("sex", "Female", "*2")], "sex = Female in 2 times as many of the rows as in the data"),
        ([Proportion("sex", {"F": 0.5, "M": 0.4}, where={"age": (30, 40)})],
         f"sex = F in 50{PERCENT} of the rows where age 30 to 40 and sex = M in 40{PERCENT} of the rows "
         "where age 30 to 40"),
        ([Keep("age", "sex")], "age and sex as in the data"),
        ([Prediction(0.3)], "a mean prediction of 0.3"),
        ([Prediction(0.3, quantile=0.5)], "a median prediction of 0.3"),
        ([Prediction(0.3, quantile=0.9, where=WOMEN)],
         f"a 90{PERCENT} quantile of the prediction of 0.3 where sex = Female"),
        ([Prediction(0.3, quantile=0.8)], f"an 80{PERCENT} quantile of the prediction of 0.3"),
        ([Prediction(0.3, above=200)], f"a prediction above 200 in 30{PERCENT} of the rows"),
        ([ErrorRate(0.2)], f"an error rate of 20{PERCENT}"),
        ([ErrorRate("+0.02", where=WOMEN)],
         "an error rate 2 points higher than in the data where sex = Female"),
        ([SelectionRate(0.25)], f"a selection rate of 25{PERCENT}"),
        ([Quantile("age", 0.5, 40)], "a median age of 40"),
        ([Quantile("age", 0.9, (60, 70), where=WOMEN)],
         f"a 90{PERCENT} quantile of age between 60 and 70 where sex = Female"),
        ([Variance("age", "*1.2")], "a variance of age 1.2 times that of the data"),
        ([Correlation("age", "hours", 0.2)], "a correlation of age and hours of 0.2"),
        ([DisparateImpact(0.8, group="sex", reference="Male")],
         "a disparate impact of 0.8 for sex, reference Male"),
        ([EqualizedOdds((0, 0.1), group=["sex", "town"], reference=("Male", "north"))],
         "an equalized odds difference between 0 and 0.1 for sex x town, reference Male x north"),
        ([Mean(name, 1) for name in "abc"], "an average a of 1, an average b of 1 and an average c of 1"),
    ],
)  # fmt: skip
def test_describe_constraints_wording(constraints: list[Constraint], text: str) -> None:
    assert describe_constraints(constraints) == text


def test_margins_are_named() -> None:
    table = pd.crosstab(pd.Series(["a", "b"], name="town"), pd.Series(["c", "d"], name="sex"))
    text = describe_constraints([Margins(table)])
    assert all(fact in text for fact in ("town", "sex", "stated"))


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


def age_of(people: pd.DataFrame, **more: Any) -> WhatIfReport:
    return WhatIfReport(as_predictor(lambda X: X["age"].to_numpy(), task="regression"), people, **more)


def test_scenario_sentence_states_thin_and_boundary_support(people: pd.DataFrame) -> None:
    thin, boundary = age_of(people, what_if=[{"age": 62}, {"sex": {"Male": 1.0}}]).summary["scenarios"]
    assert (thin["status"], boundary["status"]) == ("thin", "boundary")
    assert "Support is thin" in thin["sentence"]
    assert "boundary of the data" in boundary["sentence"]


def test_a_stated_outcome_has_no_interval(people: pd.DataFrame) -> None:
    stated, free = age_of(people, what_if=[[Prediction(45)], {"sex": {"Male": 0.5}}]).summary["scenarios"]
    assert "(as stated) instead of" in stated["sentence"]
    assert stated["outcomes"][0]["text"]["interval"] == "as stated"
    assert "as stated" not in free["sentence"]


def test_shift_sentence_names_the_largest_shifts_that_were_not_stated(people: pd.DataFrame) -> None:
    scenarios = [{"age": 45}, [Prediction(45)], {"sex": {"Male": 0.5}}]
    besides, reverse, nothing = age_of(people, what_if=scenarios).summary["scenarios"]
    assert besides["shift_sentence"].startswith("What shifts most besides, in standard deviations: echo (+")
    assert reverse["shift_sentence"].startswith(
        "What shifts most to reach it, in standard deviations: age (+"
    )
    assert nothing["shift_sentence"] == "Nothing else shifts noticeably."
    for one in (besides, reverse):
        free = {row["feature"]: abs(row["shift"]) for row in one["shifts"] if not row["stated"]}
        first = one["shift_sentence"].partition(": ")[2].split(" ")[0]
        assert free[first] == max(free.values())
        assert f"{free[first]:.2f}" in one["shift_sentence"]


def test_nothing_is_said_of_shifts_where_all_is_stated() -> None:
    X = pd.DataFrame({"age": np.arange(30.0)})
    (one,) = age_of(X, what_if={"age": 16}).summary["scenarios"]
    assert one["shift_sentence"] == ""
