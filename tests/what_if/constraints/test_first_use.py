"""What is stumbled over at first: numbers compared by hand, messages, and names of what is stated."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import (
    DisparateImpact,
    EntropicProjection,
    EqualOpportunity,
    InfeasibleTargetError,
    Margins,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    StatisticalParity,
    TruePositiveRate,
    Variance,
)
from tests.messages import refuses

RNG = np.random.default_rng(5)
N = 400
X = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, N).astype(float),
        "sex": RNG.choice(["F", "M"], N),
        "job": RNG.choice(["clerk", "farmer", "teacher"], N),
        "children": RNG.integers(0, 4, N),
    }
)
Y = RNG.random(N) < 0.4
SCORES = np.clip(RNG.normal(0.3 + 0.3 * Y, 0.2), 0.01, 0.99)


@pytest.fixture(scope="module")
def projection():
    return EntropicProjection().fit(X, Y, predictions=SCORES)


def _kl(projection, constraint):
    weights = projection.what_if([constraint]).weights
    return float(np.mean(weights * np.log(weights)))


IN_GROUP = [
    (lambda t: Mean("age", t, where={"sex": "F"}), 52.0, 1e-2, X["age"][X["sex"] == "F"]),
    (lambda t: Mean("age", (t, 90), where={"sex": "F"}), 52.0, 1e-2, X["age"][X["sex"] == "F"]),
    (
        lambda t: Proportion("job", "clerk", t, where={"sex": "F"}),
        0.5,
        1e-3,
        X["job"][X["sex"] == "F"] == "clerk",
    ),
    (lambda t: TruePositiveRate(t), 0.8, 1e-3, SCORES[Y] >= 0.5),
    (lambda t: Prediction(t, where={"sex": "F"}), 0.5, 1e-3, SCORES[X["sex"] == "F"]),
    (
        lambda t: Prediction(t, above=0.4, where={"sex": "F"}),
        0.7,
        1e-3,
        SCORES[X["sex"] == "F"] > 0.4,
    ),
    (
        lambda t: Variance("age", t, where={"sex": "F"}),
        250.0,
        1e-1,
        (X["age"][X["sex"] == "F"] - X["age"][X["sex"] == "F"].mean()) ** 2,
    ),
]


@pytest.mark.parametrize(("constraint", "target", "step", "inside"), IN_GROUP)
def test_multiplier_in_a_group_is_the_derivative_by_the_target(projection, constraint, target, step, inside):
    stated = projection.what_if([constraint(target)]).conditions["multiplier"][0]
    ends = [_kl(projection, constraint(target + way)) for way in (step, -step)]
    derivative = (ends[0] - ends[1]) / (2 * step) * float(np.std(inside))
    assert stated == pytest.approx(derivative, rel=1e-4)


def test_multiplier_of_a_soft_average_in_a_group_is_what_a_deviation_costs(projection):
    scenario = projection.what_if([Mean("age", 60, penalty=3, where={"sex": "F"})])
    gap = (60 - scenario.conditions["reached"][0]) / np.std(X["age"][X["sex"] == "F"])
    assert scenario.conditions["multiplier"][0] == pytest.approx(3 * gap, rel=1e-6)


def test_multiplier_of_a_comparison_is_none(projection):
    stated = [DisparateImpact(0.8, group="sex", reference="M", threshold=0.5)]
    assert np.isnan(projection.what_if(stated).conditions["multiplier"][0])


SEX_BY_JOB = (X["sex"], X["job"])


@pytest.mark.parametrize(
    ("margins", "within"),
    [
        (pd.crosstab(*SEX_BY_JOB, normalize="index"), "sex"),
        (pd.crosstab(*SEX_BY_JOB, normalize="columns"), "job"),
        (pd.crosstab(*SEX_BY_JOB, normalize="index").round(2), "sex"),
        (X.groupby("sex")["job"].value_counts(normalize=True), "sex"),
        (X.groupby(["sex", "job"])["children"].value_counts(normalize=True), "sex and job"),
    ],
)
def test_margins_refuse_shares_within_groups(projection, margins, within):
    with refuses(ValueError, f"sum to 1 within each level of {within}", "normalize='all'"):
        projection.what_if([Margins(margins)])


@pytest.mark.parametrize("options", [{}, {"normalize": "all"}])
def test_margins_take_the_remedies_that_messages_name(projection, options):
    shares = pd.crosstab(*SEX_BY_JOB, **options)
    assert projection.what_if([Margins(shares)]).kl == pytest.approx(0.0, abs=1e-12)
    rows = X.groupby(["sex", "job"]).size().reset_index(name="n")
    with refuses(ValueError, "table.set_index(['sex', 'job'])['n']"):
        projection.what_if([Margins(rows)])
    assert projection.what_if([Margins(rows.set_index(["sex", "job"])["n"])]).kl == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize(
    ("constraint", "facts"),
    [
        (
            lambda: Margins(pl.DataFrame({"sex": ["F", "M"], "n": [1, 2]})),
            ["got polars.DataFrame", "set_index"],
        ),
        (lambda: Mean("age", "+5%"), ["'+5%'", "'*1.05'"]),
        (lambda: Mean("age", 50, where=X["age"] > 60), ["where must map columns", " ..."]),
        (lambda: Mean("age", X["age"]), ["The target of 'age'", " ..."]),
        (lambda: Proportion("sex", "f", 0.5), ["no level 'f'", "Did you mean 'F'?"]),
        (lambda: DisparateImpact(0.8, group="job", reference="clerc"), ["Did you mean 'clerk'?"]),
        (lambda: Quantile("sex", 0.5, 3), ["'sex'", "no average, quantile or variance"]),
    ],
)
def test_messages_say_the_way_out(projection, constraint, facts):
    with refuses(ValueError, *facts) as caught:
        projection.what_if([constraint()])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "constraint",
    [TruePositiveRate(0.8), EqualOpportunity(0.1, group="sex", reference="M")],
)
def test_rates_of_y_alone_ask_for_predictions(constraint):
    with refuses(ValueError, "y alone", "predictions= to fit"):
        EntropicProjection().fit(X, Y).what_if([constraint])
    with refuses(ValueError, "error_rate", "y alone", "predictions= to fit"):
        EntropicProjection().fit(X, Y).what_if(error_rate=0.2)


def test_without_an_outcome_the_way_to_weights_is_named():
    with refuses(ValueError, "no outcome", "any column of X will do as y"):
        EntropicProjection().fit(X)
    assert EntropicProjection().fit(X, X["age"]).what_if({"sex": {"F": 0.6}}).status == "ok"


@pytest.mark.parametrize(
    ("constraint", "label"),
    [
        (Proportion("children", 2, 0.3), "proportion of children = 2"),
        (Mean("age", 50, where={"children": 2.0}), "mean of age where children = 2"),
        (Mean("age", 50, where={"children": (2, np.inf)}), "mean of age where children 2 or more"),
        (Mean("age", 50, where={"children": (-np.inf, 1)}), "mean of age where children 1 or less"),
        (Mean("age", 50, where={"job": ("clerk", "farmer")}), "mean of age where job in clerk, farmer"),
        (
            StatisticalParity(
                0.1, group=["sex", "children"], reference=("M", 0), compared=[("F", 0)], threshold=0.5
            ),
            "statistical parity of sex x children = F and 0, reference M and 0",
        ),
    ],
)
def test_labels_are_as_users_state_them(projection, constraint, label):
    scenario = projection.what_if([constraint])
    assert scenario.conditions["label"][0] == label
    assert "children = 0.0" not in " ".join(scenario.notes)


def test_conditions_of_a_quantile_of_predictions_in_a_group(projection):
    conditions = projection.what_if([Prediction(0.5, quantile=0.5, where={"sex": "F"})]).conditions
    assert conditions["reached"][0] == pytest.approx(0.5)
    assert np.isfinite(conditions["multiplier"][0])


def test_an_average_of_rows_without_weight_is_named(projection):
    none_left = [Proportion("sex", "F", 0), Mean("age", 40, where={"sex": "F"})]
    facts = "the proportion of sex = F 0, no weight is left for the mean of age where sex = F", "Leave one"
    with refuses(InfeasibleTargetError, *facts) as caught:
        projection.what_if(none_left)
    assert projection.what_if(**caught.value.nearest).gap < 1e-9
    assert all(projection.what_if([one]).gap < 1e-9 for one in none_left)
    with refuses(InfeasibleTargetError, "No row has age above 79"):
        projection.what_if([Mean("age", 40, where={"sex": "M"}), Mean("age", 95)])


def test_margins_take_counts_of_one_row_each(projection):
    counts = pd.DataFrame({"F": [1, 0], "M": [0, 1]}, index=["clerk", "farmer"])
    counts = counts.rename_axis(index="job", columns="sex")
    reached = projection.what_if([Margins(counts)]).conditions["reached"]
    assert reached.tolist() == pytest.approx([0.5, 0, 0, 0.5])
