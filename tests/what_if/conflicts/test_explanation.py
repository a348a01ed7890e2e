"""Scenarios that no weights meet: the reason, the nearest that some do, and ranges for the targets."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    Correlation,
    DisparateImpact,
    EntropicProjection,
    ExpectedShortfall,
    Keep,
    Margins,
    Mean,
    Proportion,
    Quantile,
    SelectionRate,
    Variance,
)
from agnostix.exceptions import InfeasibleTargetError
from tests.messages import assert_states, refuses
from tests.reference.conflicts import is_feasible, is_irreducible, least_sum_of_gaps
from tests.reference.what_if import standardize
from tests.what_if.doubles import chance, people, truth

N = 900


def population(n_levels=3, weighted=False, seed=0):
    """A projection over two columns of labels, and one of pairs of them, as in a census."""
    rng = np.random.default_rng(seed)
    edu = rng.choice(list("abcdefgh")[:n_levels], N)
    sex = rng.choice(list("mf"), N, p=[0.4, 0.6])
    X = pd.DataFrame({"edu": edu, "sex": sex, "edu_sex": pd.Series(edu) + "/" + pd.Series(sex)})
    weight = rng.uniform(0.2, 3.0, N) if weighted else None
    return EntropicProjection().fit(X, predictions=(sex == "f") * 1.0, sample_weight=weight), X


def rounded_margins(X, names, digits, seed):
    """Proportions of another population, each column's rounded by itself and summing to 1."""
    weight = np.random.default_rng(seed).uniform(0.5, 1.5, len(X))
    margins = {}
    for name in names:
        shares = pd.Series(weight).groupby(X[name].to_numpy()).sum() / weight.sum()
        shares = shares.round(digits)
        shares.iloc[0] = round(shares.iloc[0] + 1.0 - shares.sum(), digits)
        margins[name] = shares.to_dict()
    return margins


def refused(projection, *args, **kwargs):
    with pytest.raises(InfeasibleTargetError) as caught:
        projection.what_if(*args, **kwargs)
    return caught.value


def assert_both_remedies_work(projection, error):
    assert error.nearest
    assert error.ranges
    for arguments in (error.nearest, error.ranges):
        assert projection.what_if(**arguments).gap <= 1e-9


def test_contradiction_names_relation_and_distance():
    projection, _ = population()
    joint = {"a/m": 0.167, "a/f": 0.167, "b/m": 0.166, "b/f": 0.167, "c/m": 0.166, "c/f": 0.167}
    error = refused(projection, {"edu": {"a": 0.333, "b": 0.333, "c": 0.334}, "edu_sex": joint})
    facts = ("(edu = a) is (edu_sex = a/m) + (edu_sex = a/f)", "0.333 and 0.334", "0.001 apart")
    assert_states(str(error), *facts, "error.nearest", "error.ranges")
    assert_both_remedies_work(projection, error)
    moved = error.nearest["constraints"]["edu"]
    assert moved == pytest.approx({"a": 0.334, "b": 0.333, "c": 0.333})
    assert error.nearest["constraints"]["edu_sex"] == joint
    assert error.ranges["constraints"]["edu"]["a"] == pytest.approx((0.333, 0.335))


@pytest.mark.parametrize("digits", [2, 3, 4])
@pytest.mark.parametrize("n_levels", [3, 8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("names", [("edu", "edu_sex"), ("edu", "sex", "edu_sex")], ids=len)
def test_rounded_margins_have_nearest_and_ranges(digits, n_levels, weighted, names):
    projection, X = population(n_levels, weighted)
    n_refused = 0
    for seed in range(3):
        margins = rounded_margins(X, names, digits, seed)
        try:
            projection.what_if(margins)
        except InfeasibleTargetError as error:
            n_refused += 1
            assert_states(str(error), "contradict each other")
            assert_both_remedies_work(projection, error)
            for name, shares in error.nearest["constraints"].items():  # no more than the rounding
                apart = max(abs(share - margins[name][level]) for level, share in shares.items())
                assert apart <= 2 * n_levels * 10.0**-digits
    assert n_refused


@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_columns_in_other_units_that_contradict(offset):
    x = (1024 * np.random.default_rng(0).gamma(2.0, size=N)).round() / 1024  # exact at the offset
    X = pd.DataFrame({"x": x + offset, "thousand": 1000.0 * x, "rest": 5.0 - x})
    projection = EntropicProjection().fit(X, predictions=x)
    for constraints, facts in (
        ({"x": offset + 2.0, "thousand": 2100.0}, ["(x)", "0.001*(thousand)", "0.1 apart"]),
        ({"thousand": 2000.0, "rest": 3.1}, ["(thousand)", "- 1000*(rest)", "+ 5000", "100 apart"]),
        ({"thousand": (1900.0, 2000.0), "rest": (1.0, 2.0)}, ["(thousand)", "2000 and 3000"]),
    ):
        error = refused(projection, constraints)
        assert_states(str(error), "contradict each other", *facts)
        assert_both_remedies_work(projection, error)


def test_predictions_that_contradict_columns():
    projection, _ = population()
    error = refused(projection, {"sex": {"f": 0.5}}, prediction=0.52)
    assert_states(str(error), "(sex = f)", "(prediction = prediction)", "0.5 and 0.52", "0.02 apart")
    assert_both_remedies_work(projection, error)


@pytest.mark.parametrize("offset", [0.0, 1.7e9, 1.7e12])
def test_target_beyond_rows_far_from_zero_is_told_apart(offset):
    x = np.arange(100.0)
    projection = EntropicProjection().fit(pd.DataFrame({"x": x + offset}), predictions=x)
    error = refused(projection, {"x": offset + 120.0})
    assert_states(str(error), f"above {offset + 99:.15g}", f"{offset + 120:.15g}")
    assert_both_remedies_work(projection, error)


@pytest.mark.parametrize("far", [1e12, 1e30, 1e150, 1e308, -1e30, -1e308])
@pytest.mark.parametrize(
    "constraints",
    [
        lambda far: [Mean("age", far)],
        lambda far: [Mean("age", far), Mean("hours", 40.0)],
        lambda far: [Mean("age", far, where={"sex": "Female"})],
        lambda far: [Mean("age", (far, np.inf) if far > 0.0 else (-np.inf, far))],
        lambda far: [Mean("age", far), Variance("age", 100.0)],
        lambda far: [Mean("age", (far, np.inf) if far > 0.0 else (-np.inf, far)), Variance("age", 100.0)],
    ],
    ids=["mean", "two", "group", "range", "variance", "variance, range"],
)
def test_target_far_beyond_all_numbers(constraints, far):
    X = people(200)
    projection = EntropicProjection().fit(X, predictions=chance(X))
    with pytest.raises(InfeasibleTargetError) as error:
        projection.what_if(constraints(far))
    assert error.value.reachable < 1e-5
    assert projection.what_if(**error.value.nearest).gap < 1e-7


@pytest.mark.parametrize("far", [1e150, 1e308, -1e308])
def test_prediction_far_beyond_all_predictions(far):
    X = people(200)
    projection = EntropicProjection().fit(X, predictions=chance(X))
    with pytest.raises(InfeasibleTargetError):
        projection.what_if(prediction=far)


def test_proportions_of_one_column_that_do_not_sum_to_1_state_the_sum():
    projection, _ = population()
    third = {"a": 0.333, "b": 0.333, "c": 0.333}
    with refuses(ValueError, "'edu'", "sum to 0.999", "leave one level out"):
        projection.what_if({"edu": third})
    assert projection.what_if({"edu": {"a": 0.333, "b": 0.333}}).gap <= 1e-9
    with refuses(ValueError, "'edu'", "sum to 1.002", "leave one level out"):
        projection.what_if({"edu": dict.fromkeys("abc", 0.334)})


def test_error_pickles_with_ranges():
    projection, _ = population()
    error = refused(projection, {"sex": {"f": 0.5}}, prediction=0.52)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.nearest, again.ranges) == (str(error), error.nearest, error.ranges)


# Constraints of all kinds ----------------------------------------------------------------------------------

X = people(800)
Y = truth(X)
PEOPLE = EntropicProjection().fit(X, Y, predictions=chance(X))
F, M = {"sex": "Female"}, {"sex": "Male"}


@pytest.mark.parametrize(
    ("constraints", "options", "facts"),
    [
        ([Mean("age", 95, where=F)], {}, ["No row where sex = Female has age above", "95"]),
        ([Mean("age", 62, where=F), Mean("hours", 30, where=F)], {}, ["either alone", "goes down to"]),
        ([Mean("age", 60), Mean("hours", 30), Mean("gain", 400)], {}, ["mean of age 60", "goes down to"]),
        ([Mean("age", (62, 64)), Mean("hours", (20, 30))], {}, ["from 62 to 64", "from 20 to 30"]),
        ([Variance("age", 2000)], {}, ["No weights reach variance of age 2000", "goes up to"]),
        ([Mean("age", 62), Variance("age", 600)], {}, ["mean of age", "variance of age"]),
        ([Correlation("age", "hours", -0.99), Mean("gain", 12_000)], {}, ["correlation of age and hours"]),
        ([ExpectedShortfall("gain", 0.95, 1e5)], {}, ["0.95 quantile of gain (held at"]),
        ([Quantile("age", 0.5, 60), Mean("age", 30)], {}, ["0.5 quantile of age", "mean of age 30"]),
        ([SelectionRate(0.9, threshold=0.5, where=F), Mean("age", 30, where=F)], {}, ["selection rate"]),
        ([Keep("age"), Mean("hours", 55)], {}, ["mean of age", "mean of hours"]),
        ([Proportion("sex", {"Female": 0.6, "Male": 0.6})], {}, ["sum to 1.2", "Female 0.6, Male 0.6"]),
        ({"age": 60}, {"weight_bounds": (0.2, 3)}, ["within 0.2 to 3 times the base weights", "least cap"]),
        ({"age": 60}, {"weight_bounds": (0.6, 40)}, ["within 0.6 to 40 times", "largest floor"]),
        ({"age": 95}, {"weight_bounds": (0.2, 3)}, ["No row has age above"]),
        ({"age": 60}, {"weight_bounds": (0, 2), "divergence": "chi_square"}, ["of at most 2 times"]),
        ({"age": 95}, {"divergence": "empirical_likelihood"}, ["No row has age above"]),
        (
            [
                Mean("age", 60, where=F),
                Mean("age", 30, where=M),
                Mean("age", 41),
                Proportion("sex", "Female", 0.2),
            ],
            {},
            ["any 2 of them", "mean of age where sex = Male 30"],
        ),
    ],
    ids=lambda part: re.sub(r"\W+", " ", str(part))[:40],
)
def test_every_kind_has_a_reason_and_remedies(constraints, options, facts):
    error = refused(PEOPLE, constraints, **options)
    assert_states(str(error), *facts)
    assert str(error).startswith(error.reason)
    assert error.conflict
    assert 0.0 <= error.reachable <= 1.0
    assert_both_remedies_work(PEOPLE, error)
    assert {name: error.nearest[name] for name in options if name == "divergence"} == {
        name: value for name, value in options.items() if name == "divergence"
    }


@pytest.mark.parametrize("bounds", [(0.2, 3.0), (0.6, 40.0)])
def test_bounds_that_the_message_proposes_do(bounds):
    error = refused(PEOPLE, {"age": 55, "hours": (45, 50)}, weight_bounds=bounds)
    proposed = re.search(r"weight_bounds=\((\S+), (\S+)\)", error.reason)
    scenario = PEOPLE.what_if(
        {"age": 55, "hours": (45, 50)}, weight_bounds=tuple(map(float, proposed.groups()))
    )
    assert scenario.gap <= 1e-9
    assert error.conflict[-1].startswith("weights within")
    assert error.nearest["weight_bounds"] == bounds


def test_conflict_is_irreducible_and_nearest_has_the_least_sum_of_gaps():
    names = ["age", "hours", "gain"]
    phi, base = standardize(X[names])
    deviations = X[names].std(ddof=0)
    for seed in range(6):
        z = np.random.default_rng(seed).normal(0.0, 2.0, 3)
        targets = {
            name: float(X[name].mean() + t * deviations[name]) for name, t in zip(names, z, strict=True)
        }
        if is_feasible(phi, z, z, base):
            assert PEOPLE.what_if(targets).gap <= 1e-9
            continue
        error = refused(PEOPLE, targets)
        places = [names.index(label.removeprefix("mean of ")) for label in error.conflict]
        assert is_irreducible(phi, z, z, base, places)
        near = error.nearest["constraints"]
        gaps = [abs(near[name] - targets[name]) / deviations[name] for name in names]
        assert sum(gaps) == pytest.approx(least_sum_of_gaps(phi, z, z, base), abs=2e-4 * np.abs(z).sum())


def test_relation_of_cells_of_two_tables_names_their_sums():
    first = pd.crosstab(X["sex"], X["job"], normalize=True)
    second = pd.crosstab(X["job"], X["member"], normalize=True)
    first.iloc[0, 0] += 1e-4
    first.iloc[1, 2] -= 1e-4
    error = refused(PEOPLE, [Margins(first), Margins(second)])
    assert_states(
        error.reason,
        "contradict each other",
        "in the table of sex x job sum to",
        "in the table of job x member",
    )
    assert len({label.split(", ")[0] for label in error.conflict}) > 1
    assert_both_remedies_work(PEOPLE, error)


@pytest.mark.parametrize(
    ("others", "facts"),
    [
        (
            [SelectionRate(0.5, threshold=0.5, where=F), SelectionRate((0.4, 0.6), threshold=0.5, where=M)],
            ["disparate impact of sex, reference Male 3", "goes up to about 2.5", "not to 3"],
        ),
        (
            [SelectionRate(0.5, threshold=0.5, where=M), Mean("age", 41, penalty=2.0)],
            ["goes up to about 2, not to 3", "either alone"],
        ),
    ],
)
def test_ratio_that_others_do_not_allow(others, facts):
    ratio = DisparateImpact(3.0, group="sex", reference="Male", threshold=0.5)
    error = refused(PEOPLE, [ratio, *others])
    assert_states(error.reason, *facts)
    assert_both_remedies_work(PEOPLE, error)
    assert [one.penalty for one in error.nearest["constraints"]] == [None, *(one.penalty for one in others)]


def test_range_of_a_mean_that_a_variance_is_about():
    low = X["age"].min()
    error = refused(PEOPLE, [Mean("age", (low - 5, low - 2)), Variance("age", 90)])
    assert_states(error.reason, "No row has age below")
    assert_both_remedies_work(PEOPLE, error)
    error = refused(PEOPLE, [Mean("age", (68, 70)), Variance("age", (200, 300))])
    assert set(error.conflict) == {"mean of age", "variance of age"}
    assert_both_remedies_work(PEOPLE, error)


def test_gap_weights_say_what_is_moved():
    targets = {"age": 62, "hours": 30}
    kept = {}
    for name in targets:
        error = refused(PEOPLE, targets, gap_weights={name: 50})
        kept[name] = error.nearest["constraints"][name] == targets[name]
        by_label = refused(PEOPLE, targets, gap_weights={f"mean of {name}": 50})
        assert by_label.nearest == error.nearest
    assert kept == {"age": True, "hours": True}


@pytest.mark.parametrize(
    ("gap_weights", "facts"),
    [
        ({"agee": 2}, ["gap_weights", "'agee'", "'age'", "Did you mean"]),
        ({"age": 0}, ["'age'", "above 0", "0"]),
        ({"age": "much"}, ["'age'", "'much'"]),
        ({"age": np.inf}, ["'age'", "inf"]),
        ([2.0], ["gap_weights must map"]),
    ],
)
def test_bad_gap_weights_are_refused_whatever_the_constraints(gap_weights, facts):
    with refuses(ValueError, *facts):
        PEOPLE.what_if({"age": 41}, gap_weights=gap_weights)


def test_others_are_said_and_nearest_meets_them_too():
    error = refused(PEOPLE, {"age": 95, "gain": -3})
    assert_states(error.reason, "other conflicts")
    assert len(error.conflict) == 1
    assert_both_remedies_work(PEOPLE, error)
    assert "other conflicts" not in refused(PEOPLE, {"age": 95, "gain": 500}).reason


def test_unmoved_targets_stay_as_they_were_stated():
    error = refused(
        PEOPLE, [Proportion("sex", "Female", "+0.1"), Mean("hours", "+90"), Mean("age", 41, penalty=2.0)]
    )
    sex, hours, age = error.nearest["constraints"]
    assert hours.target == pytest.approx(X["hours"].max(), rel=0.1)
    assert (sex.target, age.target, age.penalty) == ("+0.1", 41, 2.0)
    low, high = error.ranges["constraints"][1].target
    assert low < hours.target < high
    assert high == pytest.approx(X["hours"].mean() + 90)


def test_order_of_rows_does_not_matter():
    shuffled = X.sample(frac=1.0, random_state=0)
    other = EntropicProjection().fit(shuffled, Y[shuffled.index], predictions=chance(shuffled))
    targets = {"age": 62, "hours": 30, "job": {"clerk": 0.1}}
    one, two = refused(PEOPLE, targets), refused(other, targets)
    assert (str(one), one.nearest, one.ranges) == (str(two), two.nearest, two.ranges)
