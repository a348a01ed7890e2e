import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix import EntropicProjection
from agnostix.exceptions import DataError, InfeasibleTargetError
from agnostix.what_if.constraints.fairness import (
    DisparateImpact,
    EqualizedOdds,
    EqualOpportunity,
    StatisticalParity,
)
from agnostix.what_if.constraints.moments import Mean
from agnostix.what_if.constraints.rates import SelectionRate
from tests.messages import assert_states, refuses
from tests.reference.fairness import closest_by_nlp, divergence_at_ratio, rate, ratio_grid
from tests.reference.what_if import divergence, project_by_cone

SEX = {"group": "sex", "reference": "Male"}
JOB = {"group": "job", "reference": "clerk"}


def people(n=240, seed=0):
    """Applicants with scores and true classes that depend on sex and job."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "sex": rng.choice(["Female", "Male"], n, p=[0.4, 0.6]),
            "job": rng.choice(["clerk", "farmer", "teacher"], n, p=[0.5, 0.2, 0.3]),
            "age": rng.normal(40.0, 10.0, n),
        }
    )
    signal = 0.05 * (X["age"] - 41.0) + 0.7 * (X["sex"] == "Male") - 0.5 * (X["job"] == "farmer")
    score = 1.0 / (1.0 + np.exp(-(signal + 0.6 * rng.normal(size=n))))
    y = (rng.random(n) < score).astype(int)
    return X, y, score.to_numpy()


X, Y, SCORE = people()
PROJECTION = EntropicProjection().fit(X, Y, predictions=SCORE)
DECISION = SCORE > 0.5
IS = {
    f"{column} = {level}": (X[column] == level).to_numpy()
    for column in ("sex", "job")
    for level in X[column].unique()
}


def solve(*constraints, projection=PROJECTION):
    scenario = projection.what_if(list(constraints))
    return scenario, scenario.weights / len(scenario.weights)


def rates(weights, groups, among=None, decision=DECISION):
    among = np.ones(len(weights), dtype=bool) if among is None else among
    return [rate(decision, IS[group] & among, weights) for group in groups]


KINDS = [
    (DisparateImpact, 0.9, None, lambda a, b: a / b),
    (StatisticalParity, -0.05, None, lambda a, b: a - b),
    (EqualOpportunity, 0.05, Y == 1, lambda a, b: a - b),
]


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(("kind", "target", "among", "compare"), KINDS)
def test_target_is_reached_by_rates_recomputed_row_by_row(kind, target, among, compare, held):
    scenario, weights = solve(kind(target, **SEX, hold_shares=held))
    assert compare(*rates(weights, ["sex = Female", "sex = Male"], among)) == pytest.approx(target, abs=1e-9)
    assert scenario.conditions["reached"][0] == pytest.approx(target, abs=1e-9)
    base = np.full(len(X), 1.0 / len(X))
    before = compare(*rates(base, ["sex = Female", "sex = Male"], among))
    assert scenario.conditions["before"][0] == pytest.approx(before, abs=1e-12)


@pytest.mark.parametrize(("kind", "target", "among", "compare"), KINDS)
def test_held_shares_are_held_and_farther(kind, target, among, compare):
    free, loose = solve(kind(target, **SEX))
    held, weights = solve(kind(target, **SEX, hold_shares=True))
    among = np.ones(len(X), dtype=bool) if among is None else among
    for group in ("sex = Female", "sex = Male"):
        member = IS[group] & among
        assert weights[member].sum() == pytest.approx(member.mean(), abs=1e-10)
        assert abs(loose[member].sum() - member.mean()) > 1e-6
    assert held.kl > free.kl
    assert len(held.searched) == 0
    assert len(free.searched) == 1


@given(
    counts=st.tuples(*[st.integers(2, 30)] * 4),
    rest=st.integers(0, 40),
    ratio=st.floats(0.1, 5.0),
)
@settings(max_examples=25)
def test_disparate_impact_matches_closed_form(counts, rest, ratio):
    labels = np.repeat(["A", "A", "B", "B", "C"], [*counts, rest])
    decision = np.repeat([1.0, 0.0, 1.0, 0.0, 1.0], [*counts, rest])
    projection = EntropicProjection().fit(pd.DataFrame({"g": labels}), predictions=decision)
    constraint = DisparateImpact(ratio, group="g", reference="B", compared="A", threshold=0.5)
    scenario, _ = solve(constraint, projection=projection)
    n = sum(counts) + rest
    masses = (counts[0] + counts[1]) / n, (counts[2] + counts[3]) / n
    own = counts[0] / (counts[0] + counts[1]), counts[2] / (counts[2] + counts[3])
    c = scenario.searched["value"][0]
    assert scenario.kl == pytest.approx(divergence_at_ratio(c, ratio, masses, own), abs=1e-9)
    assert scenario.kl <= divergence_at_ratio(ratio_grid(ratio), ratio, masses, own).min() + 1e-10


@pytest.mark.parametrize(
    ("kind", "target", "among", "slope", "shift"),
    [
        (DisparateImpact, 1.1, None, 1.1, 0.0),
        (StatisticalParity, 0.1, None, 1.0, 0.1),
        (EqualOpportunity, -0.3, Y == 1, 1.0, -0.3),
    ],
)
def test_no_reference_rate_of_grid_is_better_with_other_constraints(kind, target, among, slope, shift):
    scenario, weights = solve(kind(target, **SEX), Mean("age", 42.0))
    assert weights @ X["age"] == pytest.approx(42.0, abs=1e-8)
    among = np.ones(len(X), dtype=bool) if among is None else among
    female, male = IS["sex = Female"] & among, IS["sex = Male"] & among
    base = np.full(len(X), 1.0 / len(X))
    age = (X["age"] - 42.0).to_numpy() / 10.0
    found = scenario.searched["value"][0]
    for c in (found - 0.05, found - 0.01, found + 0.01, found + 0.05):
        phi = np.column_stack([male * (DECISION - c), female * (DECISION - slope * c - shift), age])
        assert divergence(project_by_cone(phi, base, [0.0, 0.0, 0.0]), base) > scenario.kl
    phi = np.column_stack([male * (DECISION - found), female * (DECISION - slope * found - shift), age])
    assert divergence(project_by_cone(phi, base, [0.0, 0.0, 0.0]), base) == pytest.approx(
        scenario.kl, abs=1e-7
    )


def test_smallest_of_several_ratios_is_meant():
    scenario, weights = solve(DisparateImpact(0.7, **JOB))
    clerk, farmer, teacher = rates(weights, ["job = clerk", "job = farmer", "job = teacher"])
    assert min(farmer, teacher) / clerk == pytest.approx(0.7, abs=1e-9)
    # each group in turn as the smallest, by a general solver
    base = np.full(len(X), 1.0 / len(X))
    parts = [IS[f"job = {level}"] for level in ("clerk", "farmer", "teacher")]

    def ratios(w):
        clerk, farmer, teacher = ((w * part) @ DECISION / (w @ part) for part in parts)
        return np.array([farmer, teacher]) / clerk - 0.7

    values = [
        closest_by_nlp(
            base, [("eq", lambda w, g=g: ratios(w)[g]), ("ineq", lambda w, g=g: ratios(w)[1 - g])], 1
        )[0]
        for g in (0, 1)
    ]
    assert scenario.kl == pytest.approx(min(values), abs=1e-6)
    assert scenario.kl <= min(values) + 1e-8


def test_least_ratio_binds_only_groups_below():
    scenario, weights = solve(DisparateImpact((1.1, np.inf), **JOB))
    clerk, farmer, teacher = rates(weights, ["job = clerk", "job = farmer", "job = teacher"])
    assert farmer / clerk >= 1.1 - 1e-9
    assert teacher / clerk >= 1.1 - 1e-9
    assert min(farmer, teacher) / clerk == pytest.approx(1.1, abs=1e-9)
    assert not any("What binds" in note for note in scenario.notes)


def test_target_that_holds_in_data_changes_nothing():
    scenario, weights = solve(DisparateImpact((0.1, 2.0), **SEX))
    np.testing.assert_allclose(weights, 1.0 / len(X), rtol=1e-9)
    assert scenario.kl == pytest.approx(0.0, abs=1e-12)


def test_crossed_groups_are_each_compared():
    constraint = DisparateImpact(0.5, group=["sex", "job"], reference=("Male", "clerk"))
    scenario, weights = solve(constraint)
    reference = rate(DECISION, IS["sex = Male"] & IS["job = clerk"], weights)
    ratios = {
        (sex, job): rate(DECISION, IS[f"sex = {sex}"] & IS[f"job = {job}"], weights) / reference
        for sex in ("Female", "Male")
        for job in ("clerk", "farmer", "teacher")
    }
    assert min(ratios.values()) == pytest.approx(0.5, abs=1e-9)
    smallest = min(ratios, key=ratios.get)
    assert_states(" ".join(scenario.notes), f"sex = {smallest[0]}, job = {smallest[1]}")
    same = DisparateImpact(0.5, group=["sex", "job"], reference={"job": "clerk", "sex": "Male"})
    np.testing.assert_array_equal(solve(same)[1], weights)


def test_equalized_odds_is_larger_difference():
    scenario, weights = solve(EqualizedOdds(0.12, **SEX))
    gaps = [np.subtract(*rates(weights, ["sex = Female", "sex = Male"], one == Y)) for one in (1, 0)]
    assert np.abs(gaps).max() == pytest.approx(0.12, abs=1e-9)
    assert len(scenario.searched) == 2


@pytest.mark.parametrize("target", [(0.0, 0.02), 0.25])
def test_equalized_odds_matches_nonlinear_program(target):
    # rows of a cell of sex, true class and decision are equal: the weights of eight cells tell it all
    cells = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    row = np.column_stack([IS["sex = Female"], Y, DECISION]).astype(int)
    base = np.array([(row == cell).all(1).mean() for cell in cells])
    scenario, _ = solve(EqualizedOdds(target, **SEX))

    def gap(w, one):
        female, male = (
            w[4 * sex + 2 * one + 1] / w[4 * sex + 2 * one : 4 * sex + 2 * one + 2].sum() for sex in (1, 0)
        )
        return female - male

    most = max(target) if isinstance(target, tuple) else target
    within = [
        ("ineq", lambda w, one=one, sign=sign: most - sign * gap(w, one))
        for one in (0, 1)
        for sign in (1, -1)
    ]
    cases = [within]
    if most == target:
        cases = [
            [
                *within[2 - 2 * one : 4 - 2 * one],
                ("eq", lambda w, one=one, sign=sign: most - sign * gap(w, one)),
            ]
            for one in (0, 1)
            for sign in (1, -1)
        ]
    expected = min(closest_by_nlp(base, case)[0] for case in cases)
    assert scenario.kl == pytest.approx(expected, abs=1e-8)
    assert scenario.kl <= expected + 1e-10


@pytest.mark.parametrize("sign", [-1, 1])
def test_difference_of_two_groups_has_a_sign(sign):
    _, weights = solve(EqualOpportunity(sign * 0.1, **SEX))
    female, male = rates(weights, ["sex = Female", "sex = Male"], Y == 1)
    assert female - male == pytest.approx(sign * 0.1, abs=1e-9)


def test_largest_difference_of_several_groups_is_meant():
    _, weights = solve(StatisticalParity(0.1, **JOB))
    clerk, *others = rates(weights, ["job = clerk", "job = farmer", "job = teacher"])
    assert np.abs(np.array(others) - clerk).max() == pytest.approx(0.1, abs=1e-9)
    _, weights = solve(StatisticalParity(0.0, **JOB))
    assert np.ptp(rates(weights, ["job = clerk", "job = farmer", "job = teacher"])) <= 1e-9


def test_tolerance_is_range():
    tolerant, _ = solve(DisparateImpact(1.0, **SEX, tolerance=0.1))
    ranged, _ = solve(DisparateImpact((0.9, 1.1), **SEX))
    assert tolerant.kl == pytest.approx(ranged.kl, abs=1e-13)
    assert tolerant.conditions["reached"][0] == pytest.approx(0.9, abs=1e-9)


@pytest.mark.parametrize("kind", [DisparateImpact, StatisticalParity])
def test_soft_target_balances_divergence_and_gap(kind):
    target, penalty = {DisparateImpact: 1.2, StatisticalParity: 0.2}[kind], 4.0
    soft, _ = solve(kind(target, **SEX, penalty=penalty))
    reached = soft.conditions["reached"][0]
    share, male = DECISION.mean(), DECISION[IS["sex = Male"]].mean()
    unit = np.sqrt(share * (1.0 - share)) / (male if kind is DisparateImpact else 1.0)

    def total(value):
        return solve(kind(value, **SEX))[0].kl + 0.5 * penalty * ((value - target) / unit) ** 2

    assert soft.conditions["before"][0] < reached < target
    assert total(reached) == pytest.approx(
        soft.kl + 0.5 * penalty * ((reached - target) / unit) ** 2, abs=1e-12
    )
    for step in (-0.02, -0.005, 0.005, 0.02):
        assert total(reached + step) > total(reached)


def test_relative_target_is_relative_to_data():
    scenario, _ = solve(DisparateImpact("*1.2", **SEX))
    before, reached = scenario.conditions[["before", "reached"]].iloc[0]
    assert reached == pytest.approx(1.2 * before, abs=1e-9)


def test_threshold_and_where_choose_decisions_and_rows():
    constraint = DisparateImpact(1.0, **SEX, threshold=0.6, where={"job": ["clerk", "teacher"]})
    scenario, weights = solve(constraint)
    among = ~IS["job = farmer"]
    female, male = rates(weights, ["sex = Female", "sex = Male"], among, SCORE >= 0.6)
    assert female / male == pytest.approx(1.0, abs=1e-9)
    assert_states(
        scenario.searched["name"][0], "selection rate", "0.6", "sex = Male", "job in clerk, teacher"
    )


def test_two_comparisons_share_the_reference_rate():
    scenario, weights = solve(
        DisparateImpact(0.9, **JOB, compared="farmer"), StatisticalParity(-0.02, **JOB, compared="teacher")
    )
    clerk, farmer, teacher = rates(weights, ["job = clerk", "job = farmer", "job = teacher"])
    assert farmer / clerk == pytest.approx(0.9, abs=1e-9)
    assert teacher - clerk == pytest.approx(-0.02, abs=1e-9)
    assert scenario.searched["value"].tolist() == pytest.approx([clerk], abs=1e-9)


def test_favorable_class_is_any_of_several():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": np.repeat(["Female", "Male"], 60)})
    scores = rng.dirichlet([1.0, 1.0, 1.0], 120)
    y = rng.choice(["deny", "grant", "wait"], 120)
    projection = EntropicProjection().fit(frame, y, predictions=scores)
    with refuses(ValueError, "3 classes"):
        projection.what_if([DisparateImpact(0.9, **SEX)])
    scenario = projection.what_if([DisparateImpact(0.9, **SEX, favorable="grant")])
    weights, female = scenario.weights, (frame["sex"] == "Female").to_numpy()
    granted = scores.argmax(1) == 1
    assert rate(granted, female, weights) / rate(granted, ~female, weights) == pytest.approx(0.9, abs=1e-9)


def test_order_of_rows_does_not_matter():
    order = np.random.default_rng(3).permutation(len(X))
    shuffled = EntropicProjection().fit(X.iloc[order], Y[order], predictions=SCORE[order])
    scenario, weights = solve(DisparateImpact(0.9, **SEX), Mean("age", 42.0))
    again, moved = solve(DisparateImpact(0.9, **SEX), Mean("age", 42.0), projection=shuffled)
    np.testing.assert_array_equal(moved, weights[order])
    assert again.kl == scenario.kl


@pytest.mark.parametrize(
    ("constraint", "error", "facts"),
    [
        (DisparateImpact(0.8, group="sex", reference="male"), ValueError, ["'sex'", "no level 'male'"]),
        (DisparateImpact(0.8, group="gender", reference="Male"), ValueError, ["no column 'gender'"]),
        (
            DisparateImpact(0.8, group=["sex", "job"], reference="Male"),
            ValueError,
            ["reference", "sex", "job"],
        ),
        (DisparateImpact(0.8, **SEX, compared="Male"), ValueError, ["sex = Male", "reference", "compared"]),
        (DisparateImpact((-0.5, -0.1), **SEX), ValueError, ["ratio", "0 or more", "(-0.5, -0.1)"]),
        (StatisticalParity(-0.1, **JOB), ValueError, ["largest", "0 or more", "-0.1"]),
        (EqualizedOdds(-0.1, **SEX), ValueError, ["largest", "0 or more", "-0.1"]),
        (
            DisparateImpact(0.8, group="age", reference=40),
            DataError,
            ["'age'", "240 different numbers", "pandas.cut"],
        ),
        (DisparateImpact(0.8, **SEX, favorable="x"), ValueError, ["no class 'x'"]),
    ],
    ids=str,
)
def test_bad_input_is_refused(constraint, error, facts):
    with refuses(error, *facts):
        PROJECTION.what_if([constraint])


def test_bad_tolerance_is_refused_where_it_is_stated():
    with refuses(ValueError, "tolerance", "disparate impact of sex", "0 or more", "-1.0"):
        DisparateImpact(0.8, **SEX, tolerance=-1.0)


def test_group_without_any_decision_is_named_and_can_be_left_out():
    frame = pd.DataFrame({"g": ["A"] * 20 + ["B"] * 20 + ["C"] * 5})
    decision = [1.0, 0.0] * 10 + [1.0, 0.0, 0.0, 0.0] * 5 + [0.0] * 5
    projection = EntropicProjection().fit(frame, predictions=decision)
    constraint = DisparateImpact(0.8, group="g", reference="A", threshold=0.5)
    with refuses(DataError, "selection rate", "g = C", "0 in every one", "5 rows", "compared=[...]"):
        projection.what_if([constraint])
    named = DisparateImpact(0.8, group="g", reference="A", threshold=0.5, compared=["B"])
    assert projection.what_if([named]).conditions["reached"][0] == pytest.approx(0.8, abs=1e-9)


def test_rates_need_true_classes():
    projection = EntropicProjection().fit(X, predictions=SCORE)
    with refuses(DataError, "true", "pass y"):
        projection.what_if([EqualOpportunity(0.0, **SEX)])


def test_group_without_positives_is_named():
    y = np.where(IS["sex = Female"], 0, Y)
    projection = EntropicProjection().fit(X, y, predictions=SCORE)
    with refuses(DataError, "No row", "true positive rate", "sex = Female"):
        projection.what_if([EqualOpportunity(0.0, **SEX)])


@pytest.mark.parametrize(
    ("stated", "male"),
    [
        (SelectionRate(0.5, where={"sex": "Female"}), 0.5 / 0.9),
        (SelectionRate(0.5, where={"sex": "Male"}), 0.5),
        (SelectionRate((0.3, 0.45), where={"sex": "Female"}), None),
    ],
)
def test_stated_rates_of_groups_leave_less_to_search(stated, male):
    scenario, weights = solve(DisparateImpact(0.9, **SEX), stated)
    reached = rates(weights, ["sex = Female", "sex = Male"])
    assert reached[0] / reached[1] == pytest.approx(0.9, abs=1e-9)
    if male is None:
        assert 0.3 - 1e-9 <= reached[0] <= 0.45 + 1e-9
        assert scenario.searched["high"][0] == pytest.approx(0.5)
    else:
        assert reached[1] == pytest.approx(male, abs=1e-9)
    both = project_by_cone(*_both_stated(reached), equal=[0.0, 0.0])
    assert scenario.kl == pytest.approx(divergence(both, np.full(len(X), 1.0 / len(X))), abs=1e-6)


def _both_stated(reached):
    """Statistics whose means are 0 where the rates of both sexes are these, and base weights."""
    phi = [
        IS[group] * (DECISION - r) for group, r in zip(("sex = Female", "sex = Male"), reached, strict=True)
    ]
    return np.column_stack(phi), np.full(len(X), 1.0 / len(X))


def test_contradiction_is_named_and_nearest_is_reached():
    with pytest.raises(InfeasibleTargetError) as caught:
        PROJECTION.what_if([DisparateImpact(0.9, **SEX), Mean("age", 90.0)])
    assert_states(str(caught.value), "age", "90")
    again = PROJECTION.what_if(**caught.value.nearest)
    assert again.conditions["reached"][0] == pytest.approx(0.9, abs=1e-9)
    with pytest.raises(InfeasibleTargetError) as caught:
        PROJECTION.what_if([DisparateImpact(5.0, **SEX), SelectionRate(0.5, where={"sex": "Male"})])
    assert_states(str(caught.value), "disparate impact of sex", "5")
    assert PROJECTION.what_if(**caught.value.nearest).status != "infeasible"


def test_held_shares_are_named():
    scenario, _ = solve(EqualizedOdds((0.0, 0.1), **SEX, hold_shares=True))
    held = scenario.conditions[scenario.conditions["role"] == "held"]
    assert set(held["label"]) == {
        f"share of {part} where sex = {sex}"
        for part in ("positives", "negatives")
        for sex in ("Female", "Male")
    }
    np.testing.assert_allclose(held["reached"], held["before"], atol=1e-10)
    scenario, _ = solve(DisparateImpact(0.9, **SEX, hold_shares=True))
    assert set(scenario.conditions["label"][1:]) == {"share where sex = Female", "share where sex = Male"}
