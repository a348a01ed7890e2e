"""How far populations are in which a group measure has other values."""

import numpy as np
import pytest

from agnostix import (
    DisparateImpact,
    EntropicProjection,
    EqualizedOdds,
    Mean,
    StatisticalParity,
    stress_fairness,
)
from tests.messages import assert_states, refuses
from tests.reference.fairness import divergence_at_ratio, ratio_grid
from tests.what_if.fairness.people import people

X, Y, SCORE = people()
PROJECTION = EntropicProjection().fit(X, Y, predictions=SCORE)
SEX = {"group": "sex", "reference": "Male"}
IMPACT = DisparateImpact(**SEX)
STRESS = stress_fairness(PROJECTION, IMPACT, n_targets=5)


def test_distances_are_least_over_a_grid_of_closed_forms():
    female, chosen = (X["sex"] == "Female").to_numpy(), SCORE >= 0.5
    masses = female.mean(), 1.0 - female.mean()
    own = chosen[female].mean(), chosen[~female].mean()
    for line in STRESS.frame.to_dict("records"):
        grid = divergence_at_ratio(ratio_grid(line["target"]), line["target"], masses, own)
        assert line["kl"] <= grid.min() + 1e-10
        assert line["kl"] == pytest.approx(grid.min(), abs=1e-6)


def test_values_run_from_twice_the_gap_over_the_data_to_parity():
    frame, value = STRESS.frame, STRESS.value
    named = dict(zip(frame["named"], frame["target"], strict=True))
    assert named["data"] == value
    assert named["doubled"] == value / 2.0
    assert named["parity"] == 1.0
    assert named["four fifths"] == 0.8
    assert frame["target"].is_monotonic_increasing
    at_data = frame[frame["named"] == "data"].iloc[0]
    assert at_data["kl"] == pytest.approx(0.0, abs=1e-12)
    below = frame[frame["target"] <= value]["kl"]
    above = frame[frame["target"] >= value]["kl"]
    assert below.is_monotonic_decreasing
    assert above.is_monotonic_increasing


def test_lines_are_those_of_scenarios():
    line = STRESS.frame.iloc[0]
    scenario = PROJECTION.what_if([IMPACT.with_target(line["target"])])
    for name in ("kl", "ess", "ess_fraction", "max_weight", "status"):
        assert line[name] == getattr(scenario, name)
    shifts = STRESS.shifts[STRESS.shifts["target"] == line["target"]]
    np.testing.assert_array_equal(shifts["shift"], scenario.shifts["shift"])
    largest = scenario.shifts.loc[scenario.shifts["shift"].abs().idxmax()]
    assert_states(line["moved"], largest["feature"], f"{largest['shift']:+.2f} sd")


def test_interval_is_that_of_the_measure():
    own = PROJECTION.baseline(metric=IMPACT).iloc[0]
    assert (STRESS.value, STRESS.low, STRESS.high) == (own["value"], own["low"], own["high"])


def test_difference_is_hidden_at_0_and_doubled():
    stress = stress_fairness(PROJECTION, StatisticalParity(**SEX), n_targets=3)
    named = dict(zip(stress.frame["named"], stress.frame["target"], strict=True))
    assert named == {"doubled": 2.0 * stress.value, "data": stress.value, "parity": 0.0}
    assert stress.parity == 0.0


def test_ratio_above_1_doubles_upwards():
    stress = stress_fairness(PROJECTION, DisparateImpact(group="sex", reference="Female"), n_targets=3)
    named = dict(zip(stress.frame["named"], stress.frame["target"], strict=True))
    assert named == {"parity": 1.0, "data": stress.value, "doubled": 2.0 * stress.value}


def test_largest_of_several_differences_is_stressed():
    stress = stress_fairness(PROJECTION, EqualizedOdds(group="job", reference="clerk"), targets=[0.0, 0.1])
    assert (stress.frame["status"] == "ok").all()
    assert stress.frame["kl"].is_monotonic_decreasing


def test_value_that_no_population_has_is_said():
    stress = stress_fairness(PROJECTION, IMPACT, targets=[0.8, 5.0], weight_bounds=(0.5, 2.0))
    near, far = stress.frame.to_dict("records")
    assert near["status"] == "ok"
    assert far["status"] == "infeasible"
    assert np.isnan(far["kl"])
    assert_states(far["reason"], "0.5 to 2 times", "disparate impact of sex")
    assert set(stress.shifts["target"]) == {0.8}


def test_divergence_is_passed_on():
    stress = stress_fairness(PROJECTION, IMPACT, targets=[0.8], divergence="chi_square")
    scenario = PROJECTION.what_if([IMPACT.with_target(0.8)], divergence="chi_square")
    assert stress.frame["kl"][0] == scenario.kl
    assert stress.divergence == "chi_square"


def test_result_says_what_it_is():
    for text in (repr(STRESS), STRESS._repr_html_()):
        assert_states(text, "disparate impact of sex", "doubled", "parity", "kl")
    copy = STRESS.to_frame()
    copy["kl"] = -1.0
    assert (STRESS.frame["kl"] >= -1e-12).all()


REFUSED = {
    "projection": (lambda: stress_fairness(X, IMPACT), TypeError, ["EntropicProjection", "DataFrame"]),
    "measure": (lambda: stress_fairness(PROJECTION, Mean("age", 3)), TypeError, ["comparison", "Mean"]),
    "target": (
        lambda: stress_fairness(PROJECTION, IMPACT.with_target(0.8)),
        ValueError,
        ["target 0.8", "targets=[0.8]"],
    ),
    "targets": (lambda: stress_fairness(PROJECTION, IMPACT, targets=["x"]), ValueError, ["targets", "'x'"]),
    "n_targets": (lambda: stress_fairness(PROJECTION, IMPACT, n_targets=2), ValueError, ["n_targets", "2"]),
    "divergence": (
        lambda: stress_fairness(PROJECTION, IMPACT, divergence="kl"),
        ValueError,
        ["'kl'", "'chi_square'"],
    ),
}


@pytest.mark.parametrize(("call", "error", "facts"), REFUSED.values(), ids=list(REFUSED))
def test_bad_calls_are_refused(call, error, facts):
    with refuses(error, *facts):
        call()
