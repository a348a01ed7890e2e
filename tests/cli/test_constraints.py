"""Constraints from the texts of ``--what-if``, on the columns and levels of a table, and back to texts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix import EntropicProjection
from agnostix.cli.constraint_texts import write_constraints
from agnostix.cli.constraints import ConstraintBuilder
from agnostix.cli.syntax import parse_scenario
from agnostix.exceptions import DataError
from agnostix.what_if import (
    Correlation,
    Covariance,
    DisparateImpact,
    EqualizedOdds,
    EqualOpportunity,
    ErrorRate,
    ExpectedShortfall,
    FalsePositiveRate,
    Keep,
    Margins,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    StatisticalParity,
    TruePositiveRate,
    Variance,
)
from tests.messages import refuses

X = pd.DataFrame(
    {
        "age": [20.0, 30.0, 40.0, 50.0] * 5,
        "hours": [35.0, 40.0, 38.0, 42.0, 20.0] * 4,
        "sex": ["Female", "Male"] * 10,
        "zip": ["01", "1", "NA", "18..25", "a;b"] * 4,
        "mixed": pd.Series([1, "1", 2, "True"] * 5, dtype=object),
        "flag": [True, False] * 10,
        "prediction": range(20),
    }
)
CLASSES = ("<=50K", ">50K")


def build(text: str, classes=CLASSES) -> list:
    return ConstraintBuilder(X, Path("people.csv"), classes).build(parse_scenario(text))


WOMEN = {"sex": "Female"}
READ = [
    ("age=50", [Mean("age", 50.0)]),
    ("age=35..40", [Mean("age", (35.0, 40.0))]),
    ("age=50+-2", [Mean("age", 50.0, tolerance=2.0)]),
    ("age+=5", [Mean("age", "+5.0")]),
    ("age-=5", [Mean("age", "-5.0")]),
    ("age*=1.1", [Mean("age", "*1.1")]),
    ("age+=1..2", [Mean("age", ("+1.0", "+2.0"))]),
    ("age-=1..2", [Mean("age", ("-2.0", "-1.0"))]),
    ("age[sex=Female]=40", [Mean("age", 40.0, where=WOMEN)]),
    ("age[sex=Female,hours=30..40]=40", [Mean("age", 40.0, where={"sex": "Female", "hours": (30.0, 40.0)})]),
    ("age[hours=40]=40", [Mean("age", 40.0, where={"hours": 40.0})]),
    ("age[zip=01;1]=40", [Mean("age", 40.0, where={"zip": ["01", "1"]})]),
    ('age[zip="18..25";"a;b"]=40', [Mean("age", 40.0, where={"zip": ["18..25", "a;b"]})]),
    ("sex=Female:0.5", [Proportion("sex", "Female", 0.5)]),
    ("sex=Female:0.5;Male:0.5", [Proportion("sex", {"Female": 0.5, "Male": 0.5})]),
    ("sex=Female:0.4..0.6;Male:0.5+-0.1",
     [Proportion("sex", "Female", (0.4, 0.6)), Proportion("sex", "Male", 0.5, tolerance=0.1)]),
    ("sex+=Female:5%", [Proportion("sex", "Female", "+0.05")]),
    ("sex[hours=40]=Female:0.5", [Proportion("sex", "Female", 0.5, where={"hours": 40.0})]),
    ("zip=01:0.2;NA:0.2", [Proportion("zip", {"01": 0.2, "NA": 0.2})]),
    ("mixed=1:0.5", [Proportion("mixed", 1, 0.5)]),
    ("mixed='1':0.5", [Proportion("mixed", "1", 0.5)]),
    ("mixed=True:0.5", [Proportion("mixed", "True", 0.5)]),
    ("flag=True:0.5", [Proportion("flag", True, 0.5)]),
    ("hours=40:0.5", [Proportion("hours", 40.0, 0.5)]),
    ("median(age)=40", [Quantile("age", 0.5, 40.0)]),
    ("quantile(age,0.9)[sex=Female]=40..50", [Quantile("age", 0.9, (40.0, 50.0), where=WOMEN)]),
    ("variance(age)=100", [Variance("age", 100.0)]),
    ("sd(age)=10", [Variance("age", 100.0)]),
    ("sd(age)=10..20", [Variance("age", (100.0, 400.0))]),
    ("sd(age)=10+-1", [Variance("age", (81.0, 121.0))]),
    ("sd(age)*=2", [Variance("age", "*4.0")]),
    ("covariance(age,hours)=3", [Covariance("age", "hours", 3.0)]),
    ("correlation(age,hours)=0.2+-0.1", [Correlation("age", "hours", 0.2, tolerance=0.1)]),
    ("expected_shortfall(age,0.9)=45", [ExpectedShortfall("age", 0.9, 45.0)]),
    ("keep(age,sex)", [Keep("age", "sex")]),
    ("prediction=0.3", [Prediction(0.3)]),
    ("prediction[>50K,sex=Female]=0.3..0.4", [Prediction((0.3, 0.4), output=">50K", where=WOMEN)]),
    ("median(prediction)=0.3", [Prediction(0.3, quantile=0.5)]),
    ("quantile(prediction,0.9)=0.3", [Prediction(0.3, quantile=0.9)]),
    ("above(prediction,0.5)=30%", [Prediction(0.3, above=0.5)]),
    ('"prediction"=3', [Mean("prediction", 3.0)]),
    ('median("prediction")=3', [Quantile("prediction", 0.5, 3.0)]),
    ("error_rate[sex=Female]=0.2", [ErrorRate(0.2, where=WOMEN)]),
    ('true_positive_rate(positive=">50K")=0.2', [TruePositiveRate(0.2, positive=">50K")]),
    ("false_positive_rate=0.2", [FalsePositiveRate(0.2)]),
    ("selection_rate(threshold=0.4)+=10%", [SelectionRate("+0.1", threshold=0.4)]),
    ('disparate_impact(sex,reference=Male,favorable=">50K")=0.8',
     [DisparateImpact(0.8, group="sex", reference="Male", favorable=">50K")]),
    ("statistical_parity(zip,reference=01,compared=NA)=0",
     [StatisticalParity(0.0, group="zip", reference="01", compared="NA")]),
    ("equal_opportunity(sex,flag,reference=Male;True,threshold=0.4)=0",
     [EqualOpportunity(0.0, group=["sex", "flag"], reference=("Male", True), threshold=0.4)]),
    ("equalized_odds(sex,reference=Male)[hours=40]=0.1",
     [EqualizedOdds(0.1, group="sex", reference="Male", where={"hours": 40.0})]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), READ)
def test_constraints_of_a_text(text: str, expected: list) -> None:
    built = build(text)
    assert built == expected
    assert [repr(one) for one in built] == [repr(one) for one in expected]  # 1 is not True


def test_classes_go_by_their_texts() -> None:
    assert build("selection_rate(positive=1)=0.2", (0, 1)) == [SelectionRate(0.2, positive=1)]
    assert build("selection_rate(positive=a)=0.2", ()) == [SelectionRate(0.2, positive="a")]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Age=50", ["no column 'Age'", "people.csv", "age, hours", "mean 'age'"]),
        ("keep(age,sexes)", ["no column 'sexes'", "mean 'sex'"]),
        ("medan(age)=50", ["no column 'medan(age)'", "mean 'median'"]),
        ("age[town=a]=50", ["no column 'town'"]),
        ("sex=female:0.5", ["'sex'", "no level 'female'", "'Female', 'Male'", "mean 'Female'"]),
        ("age[sex=F]=50", ["no level 'F'"]),
        ("age[zip=18..25]=50", ["'zip' holds labels", "18..25 is a range", "double quotes", "'01'"]),
        ("hours=41:0.5", ["'hours'", "no row with the value '41'"]),
        ("hours=many:0.5", ["'hours' holds numbers", "'many'"]),
        ("sd(age)+=2", ["factor", "sd(age)*=1.2"]),
        ("sd(age)=-2", ["0 or more", "-2"]),
        ("selection_rate(positive=yes)=0.5", ["positive=yes", "not a class", "<=50K, >50K"]),
        ("disparate_impact(sex,reference=M;F)=0.5", ["reference=M;F", "one level of each of sex"]),
        ("disparate_impact(sex,flag,reference=Male)=0.5", ["one level of each of sex, flag"]),
        ("disparate_impact(sex,reference=M)=0.5", ["no level 'M'"]),
    ],
)  # fmt: skip
def test_what_the_table_lacks_is_named(text: str, facts: list) -> None:
    with refuses(DataError, "--what-if", *facts):
        build(text)


@pytest.mark.parametrize("text", ['age[zip="18..25"]=50', "sd(age)*=1.2", "median(age)=50", "sex=Female:0.5"])
def test_the_remedies_named_are_read(text: str) -> None:
    assert len(build(text)) == 1


LEVELS = {name: tuple(X[name].unique()) for name in ("sex", "zip", "mixed", "flag")}


@pytest.mark.parametrize("expected", [expected for _, expected in READ])
def test_constraints_as_text_are_read_again(expected: list) -> None:
    text = write_constraints(expected, LEVELS)
    assert text is not None
    assert build(text) == expected


_targets = st.floats(-100, 100).map(lambda value: value + 0.0)
_ends = (
    st.lists(_targets, min_size=2, max_size=2).map(sorted).map(tuple).filter(lambda pair: pair[0] < pair[1])
)
_relative = st.builds(lambda sign, size: f"{sign}{size!r}", st.sampled_from("+-*"), st.floats(0, 100))
_where = st.none() | st.sampled_from([WOMEN, {"zip": ["01", "a;b"]}, {"hours": (20.0, 40.0), "flag": True}])
_tolerances = st.none() | st.floats(0, 9)
_constraints = st.lists(
    st.builds(Mean, st.just("age"), _targets | _relative, _tolerances, where=_where)
    | st.builds(Mean, st.just("hours"), _ends, where=_where)
    | st.builds(Quantile, st.just("age"), st.floats(0.01, 0.99), _targets | _ends, where=_where)
    | st.builds(Prediction, _targets | _ends | _relative, st.none() | st.sampled_from(CLASSES), where=_where)
    | st.builds(Correlation, st.just("age"), st.just("hours"), st.floats(-1, 1), where=_where),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one.key,
)


@given(_constraints)
def test_any_constraints_as_text_are_read_again(constraints: list) -> None:
    text = write_constraints(constraints, LEVELS)
    assert text is not None
    assert build(text) == constraints


@pytest.mark.parametrize(
    "constraint",
    [
        Mean("age", 50, penalty=2.0),
        Mean("age", ("+5", 60)),
        Variance("age", 100, mean="free"),
        Proportion("sex", {"Female": "+0.1", "Male": 0.4}),
        ExpectedShortfall("age", 0.9, 45, quantile=40),
        Margins(pd.crosstab(X["sex"], X["flag"])),
        DisparateImpact(0.8, group="sex", reference="Male", hold_shares=True),
    ],
)
def test_what_the_command_line_lacks_has_no_text(constraint) -> None:
    assert write_constraints([Mean("age", 50), constraint]) is None


def test_constraints_of_a_text_are_solved() -> None:
    rows = X.drop(columns="mixed")
    projection = EntropicProjection().fit(rows, predictions=X["age"] / 100)
    text = "age+=1, sex=Female:0.5+-0.05, hours[flag=True]=34..36, keep(zip)"
    scenario = projection.what_if(build(text))
    reached = scenario.conditions.set_index("label")["reached"]
    assert reached["mean of age"] == pytest.approx(X["age"].mean() + 1)
    assert 0.45 - 1e-9 <= reached["proportion of sex = Female"] <= 0.55 + 1e-9


def test_the_prediction_is_that_of_the_class_that_the_report_is_about() -> None:
    def of(text: str, classes: tuple, positive: str | None) -> list:
        return ConstraintBuilder(X, Path("people.csv"), classes, positive).build(parse_scenario(text))

    assert of("prediction=0.3", CLASSES, "<=50K") == [Prediction(0.3, output="<=50K")]
    assert of("prediction[>50K]=0.3", CLASSES, "<=50K") == [Prediction(0.3, output=">50K")]
    assert of("median(prediction)=0.3", ("a", "b", "c"), "b") == [Prediction(0.3, output="b", quantile=0.5)]
    assert of("prediction[height]=3", (), None) == [Prediction(3.0, output="height")]
    with refuses(DataError, "--what-if", "3 classes", "a, b, c", "prediction[c]=0.3", "--positive"):
        of("prediction=0.3", ("a", "b", "c"), None)
    assert of("prediction[c]=0.3", ("a", "b", "c"), None) == [Prediction(0.3, output="c")]  # the remedies
    with refuses(DataError, "--what-if", "'d'", "a, b, c"):
        of("prediction[d]=0.3", ("a", "b", "c"), None)
