"""Equalities, ranges, tolerances, soft targets and relative ones, of every kind."""

import cvxpy as cp
import numpy as np
import pytest

from agnostix import (
    Correlation,
    ErrorRate,
    ExpectedShortfall,
    Keep,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    TruePositiveRate,
    Variance,
)
from tests.reference import constraints as reference
from tests.reference.what_if import divergence
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people(150)
N = len(X)
AGE, HOURS, GAIN = (X[name].to_numpy() for name in ("age", "hours", "gain"))
P = chance(X)
WOMEN = (X["sex"] == "Female").to_numpy()
IN_WOMEN = {"sex": "Female"}
WEIGHT = np.random.default_rng(3).uniform(0.2, 3.0, N)
BASE = WEIGHT / WEIGHT.sum()
PROJECTION = fit_projection(X, truth(X), WEIGHT)


def solve(*constraints, **options):
    return PROJECTION.what_if(list(constraints), metric="prediction", **options)


RANGED = {
    "mean": (lambda t, **kw: Mean("age", t, **kw), (44.0, 47.0)),
    "mean in a group": (lambda t, **kw: Mean("age", t, where=IN_WOMEN, **kw), (44.0, 47.0)),
    "proportion": (lambda t, **kw: Proportion("sex", "Female", t, **kw), (0.5, 0.6)),
    "variance": (lambda t, **kw: Variance("age", t, **kw), (130.0, 150.0)),
    "correlation": (lambda t, **kw: Correlation("age", "hours", t, **kw), (0.1, 0.3)),
    "shortfall": (lambda t, **kw: ExpectedShortfall("age", 0.8, t, **kw), (56.0, 58.0)),
    "share above": (lambda t, **kw: Prediction(t, above=0.5, **kw), (0.4, 0.5)),
    "error rate": (lambda t, **kw: ErrorRate(t, **kw), (0.45, 0.55)),
    "true positives": (lambda t, **kw: TruePositiveRate(t, **kw), (0.8, 0.9)),
    "selection": (lambda t, **kw: SelectionRate(t, where=IN_WOMEN, **kw), (0.5, 0.6)),
}


@pytest.mark.parametrize("name", RANGED)
def test_range_binds_at_its_nearer_end(name):
    make, (low, high) = RANGED[name]
    ranged = solve(make((low, high)))
    before, reached = ranged.conditions.loc[0, ["before", "reached"]]
    nearer = low if before < low else high
    assert not low <= before <= high
    np.testing.assert_allclose(ranged.weights, solve(make(nearer)).weights, rtol=1e-7)
    assert reached == pytest.approx(nearer, rel=1e-9)
    assert tuple(ranged.conditions.loc[0, ["low", "high"]]) == (low, high)


@pytest.mark.parametrize("name", RANGED)
def test_range_around_the_data_moves_nothing(name):
    make, _ = RANGED[name]
    before = solve(make("+0")).conditions["before"][0]
    scenario = solve(make((before - 0.01, before + 0.01)))
    np.testing.assert_allclose(scenario.weights, WEIGHT / WEIGHT.mean(), rtol=1e-9)


@pytest.mark.parametrize("name", RANGED)
def test_tolerance_is_a_range(name):
    make, (low, high) = RANGED[name]
    tolerated = solve(make(0.5 * (low + high), tolerance=0.5 * (high - low)))
    np.testing.assert_allclose(tolerated.weights, solve(make((low, high))).weights, rtol=1e-7)


@pytest.mark.parametrize("name", RANGED)
def test_soft_target_is_between_the_data_and_the_target(name):
    make, (low, high) = RANGED[name]
    before = solve(make("+0")).conditions["before"][0]
    target = low if before < low else high
    gaps = []
    for penalty in (1.0, 30.0, 1000.0):
        scenario = solve(make(target, penalty=penalty))
        reached = scenario.conditions["reached"][0]
        assert min(before, target) <= reached <= max(before, target)
        assert scenario.conditions["penalty"][0] == penalty
        gaps.append(abs(reached - target))
    assert abs(before - target) > gaps[0] > gaps[1] > gaps[2] > 0.0


def penalized(values, target, penalty, scale):
    """Weights and least of KL + penalty / 2 (gap / scale)^2, by a cone program."""
    ratio = cp.Variable(N)
    gap = (BASE * (values - target)) @ ratio / scale
    cost = BASE @ cp.rel_entr(ratio, 1.0) + 0.5 * penalty * cp.square(gap)
    problem = cp.Problem(cp.Minimize(cost), [BASE @ ratio == 1.0])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return BASE * ratio.value


@pytest.mark.parametrize(
    ("constraint", "values", "target"),
    [
        (Mean("age", 50.0, penalty=4.0), AGE, 50.0),
        (Proportion("sex", "Female", 0.9, penalty=4.0), WOMEN.astype(float), 0.9),
        (Prediction(0.8, penalty=4.0), P, 0.8),
        (Prediction(0.9, above=0.5, penalty=4.0), (P > 0.5).astype(float), 0.9),
    ],
    ids=["mean", "proportion", "prediction", "share above"],
)
def test_soft_average_matches_cone_program(constraint, values, target):
    scale = np.sqrt(BASE @ (values - BASE @ values) ** 2)
    scenario = solve(constraint)
    np.testing.assert_allclose(
        scenario.weights / N, penalized(values, target, 4.0, scale), rtol=0, atol=2e-6 / N
    )
    gap = (scenario.conditions["reached"][0] - target) / scale
    assert scenario.conditions["multiplier"][0] == pytest.approx(-4.0 * gap, rel=1e-8)


def test_soft_range_costs_the_gap_beyond_it():
    soft, other = (solve(Mean("age", target, penalty=4.0)) for target in ((50.0, 60.0), 50.0))
    np.testing.assert_allclose(soft.weights, other.weights, rtol=1e-9)
    inside = solve(Mean("age", (30.0, 50.0), penalty=4.0))
    np.testing.assert_allclose(inside.weights, WEIGHT / WEIGHT.mean(), rtol=1e-12)


@pytest.mark.parametrize("penalty", [2.0, 50.0])
def test_soft_mean_in_a_group_is_best_on_a_grid_of_its_value(penalty):
    target = 48.0
    scenario = solve(Mean("age", target, penalty=penalty, where=IN_WOMEN))
    mean = reference.average(AGE, BASE, WOMEN)
    deviation = np.sqrt(reference.variance(AGE, BASE, WOMEN))

    def cost(scenario, value):
        return divergence(scenario.weights / N, BASE) + 0.5 * penalty * ((value - target) / deviation) ** 2

    reached = scenario.conditions["reached"][0]
    assert scenario.searched["value"][0] == pytest.approx(reached, rel=1e-9)
    least = cost(scenario, reached)
    for value in np.linspace(mean, target, 25):
        assert cost(solve(Mean("age", value, where=IN_WOMEN)), value) >= least - 1e-10


def test_soft_mean_under_a_variance_is_searched_over_and_paid_once():
    constraints = [Mean("age", 50.0, penalty=4.0), Variance("age", 110.0)]
    scenario = solve(*constraints)
    scale = np.sqrt(BASE @ (AGE - BASE @ AGE) ** 2)

    def cost(scenario, value):
        return divergence(scenario.weights / N, BASE) + 2.0 * ((value - 50.0) / scale) ** 2

    reached = scenario.conditions["reached"][0]
    assert reached == pytest.approx(scenario.searched["value"][0], rel=1e-9)
    assert reference.variance(AGE, scenario.weights) == pytest.approx(110.0, rel=1e-9)
    least = cost(scenario, reached)
    for value in np.linspace(40.0, 50.0, 21):
        assert cost(solve(Mean("age", value), Variance("age", 110.0)), value) >= least - 1e-10


@pytest.mark.parametrize("bounds", [(41.0, 44.0), (30.0, 50.0)], ids=["binding", "inside"])
def test_ranged_mean_under_a_variance_is_best_on_a_grid(bounds):
    scenario = solve(Mean("age", bounds), Variance("age", 140.0))
    reached = scenario.conditions["reached"][0]
    assert bounds[0] - 1e-9 <= reached <= bounds[1] + 1e-9
    assert reference.variance(AGE, scenario.weights) == pytest.approx(140.0, rel=1e-9)
    for value in np.linspace(*bounds, 21):
        assert solve(Mean("age", value), Variance("age", 140.0)).kl >= scenario.kl - 1e-10


@pytest.mark.parametrize("target", [80.0, 140.0, (120.0, 160.0)], ids=str)
def test_free_mean_under_a_variance_is_closest(target):
    scenario = solve(Variance("age", target, mean="free"))
    assert scenario.kl < solve(Variance("age", target)).kl
    assert set(scenario.conditions["role"]) == {"stated", "held"}
    for value in np.linspace(38.0, 42.0, 21):
        assert solve(Variance("age", target), Mean("age", value)).kl >= scenario.kl - 1e-10


@pytest.mark.parametrize("where", [None, IN_WOMEN], ids=["all", "group"])
def test_soft_quantile_gives_way_in_the_share_below(where):
    member = np.ones(N, dtype=bool) if where is None else WOMEN
    shares = []
    for penalty in (1.0, 30.0, 1000.0):
        weights = solve(Quantile("age", 0.5, 48.0, penalty=penalty, where=where)).weights
        shares.append(reference.average(AGE <= 48.0, weights, member))
    assert reference.average(AGE <= 48.0, WEIGHT, member) > shares[0] > shares[1] > shares[2] > 0.5


def test_soft_quantile_on_ties_is_best_on_a_grid():
    penalty, q = 40.0, 0.4
    scenario = solve(Quantile("gain", q, 0.0, penalty=penalty, where=IN_WOMEN), Proportion("gain", 0.0, 0.5))
    np.testing.assert_allclose(scenario.weights, solve(Proportion("gain", 0.0, 0.5)).weights, rtol=1e-6)
    below = solve(Quantile("gain", q, 2000.0, penalty=penalty, where=IN_WOMEN))
    share = reference.average(GAIN < 2000.0, below.weights, WOMEN)
    deviation = np.sqrt(reference.variance(GAIN < 2000.0, BASE, WOMEN))
    least = below.kl + 0.5 * penalty * ((share - q) / deviation) ** 2
    for value in np.linspace(q, reference.average(GAIN < 2000.0, WEIGHT, WOMEN), 25)[:-1]:
        other = solve(Quantile("gain", value, 2000.0, where=IN_WOMEN))
        assert other.kl + 0.5 * penalty * ((value - q) / deviation) ** 2 >= least - 1e-10


@pytest.mark.parametrize(
    ("target", "factor", "shift"),
    [("+5", 1.0, 5.0), ("-2.5", 1.0, -2.5), ("*1.1", 1.1, 0.0), (" * .9", 0.9, 0)],
)
@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda t: Mean("age", t), lambda: reference.average(AGE, WEIGHT)),
        (lambda t: Mean("age", t, where=IN_WOMEN), lambda: reference.average(AGE, WEIGHT, WOMEN)),
        (lambda t: Variance("age", t), lambda: reference.variance(AGE, WEIGHT)),
    ],
    ids=["mean", "mean in a group", "variance"],
)
def test_relative_target_is_relative_to_the_datas_value(target, factor, shift, make, formula):
    scenario = solve(make(target))
    assert scenario.conditions["reached"][0] == pytest.approx(factor * formula() + shift, rel=1e-9)


def test_relative_quantile_is_relative_to_the_least_in_the_data():
    least = min(reference.quantiles(0.5, AGE, WEIGHT))
    conditions = solve(Quantile("age", 0.5, "+2")).conditions
    assert conditions["before"][0] == least
    assert conditions["reached"][0] == pytest.approx(least + 2.0)


def test_relative_ends_of_ranges():
    mean = reference.average(AGE, WEIGHT)
    conditions = solve(Mean("age", ("+2", 60.0)), Mean("hours", ("*0.9", "*0.95"))).conditions
    assert conditions.loc[0, "low"] == pytest.approx(mean + 2.0)
    assert conditions.loc[0, "reached"] == pytest.approx(mean + 2.0)
    hours = reference.average(HOURS, WEIGHT)
    assert conditions.loc[1, "reached"] == pytest.approx(0.95 * hours)
    with pytest.raises(ValueError, match="'age' runs from"):
        solve(Mean("age", ("+2", "-2")))


def test_open_ranges_are_one_sided():
    low = solve(Mean("age", (45.0, np.inf)), Proportion("sex", "Female", (-np.inf, 0.2)))
    np.testing.assert_allclose(
        low.weights, solve(Mean("age", 45.0), Proportion("sex", "Female", 0.2)).weights, rtol=1e-9
    )


def test_keep_is_mean_and_proportions_that_stay():
    kept = solve(Keep("hours", "job"), Mean("age", 42.0))
    levels = dict.fromkeys(("clerk", "farmer", "teacher"), "+0")
    spelled = solve(Mean("hours", "+0"), Proportion("job", levels), Mean("age", 42.0))
    np.testing.assert_allclose(kept.weights, spelled.weights, rtol=1e-9)
    assert kept.conditions["label"].tolist() == spelled.conditions["label"].tolist()
