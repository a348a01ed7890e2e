import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from agnostix import Correlation, EntropicProjection, Keep, Mean, TruePositiveRate, Variance
from agnostix.exceptions import DataError
from agnostix.what_if.inference import Design
from agnostix.what_if.inference.resampling import Resampling
from agnostix.what_if.replicate_weights import leave_out_groups
from tests.messages import refuses
from tests.reference.what_if_inference import calibrate, linearized_variance
from tests.what_if.doubles import chance, people, truth

X = people(240)
Y = truth(X)
N = len(X)
P = chance(X)
HOUSE = np.random.default_rng(5).permutation(np.arange(N) // 2)
QUESTION = {"age": 43, "hours": (42, 44), "job": {"clerk": 0.45}}  # the range binds in every draw


def fit(how="bootstrap", X=X, y=Y, P=P, groups=None, strata=None, **params):
    own = {"std_errors": how, "n_bootstrap": 300, "random_state": 0, "missing": "omit"} | params
    return EntropicProjection(**own).fit(X, y, predictions=P, groups=groups, strata=strata)


@pytest.mark.parametrize("groups", [None, HOUSE], ids=["rows", "clusters"])
@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        [Mean("age", 43, penalty=5.0), Keep("sex")],
        [Variance("age", 120.0), Mean("hours", "+1")],
        [Correlation("age", "hours", 0.6)],
        [Mean("age", 42, where={"sex": "Female"})],
        [TruePositiveRate(0.65)],
    ],
    ids=["averages", "soft", "variance", "correlation", "in a group", "rate"],
)
def test_bootstrap_errors_are_near_the_delta_method(question, groups):
    delta, drawn = (fit(how, groups=groups).what_if(question) for how in ("delta", "bootstrap"))
    for frame in ("outcomes", "shifts"):
        one, other = getattr(delta, frame), getattr(drawn, frame)
        moving = one["std_error"] > 1e-3
        assert (other["std_error"] / one["std_error"])[moving].between(0.6, 1.75).all()
        assert (other["low"] <= other["high"]).all()
    ratio = drawn.outcomes["change_std_error"] / delta.outcomes["change_std_error"]
    assert ratio[delta.outcomes["change_std_error"] > 1e-3].between(0.6, 1.75).all()
    np.testing.assert_array_equal(drawn.weights, delta.weights)


@pytest.mark.parametrize("divergence", ["chi_square", "empirical_likelihood"])
def test_other_divergences_and_bounds(divergence):
    how = {"divergence": divergence, "weight_bounds": (0.3, 3.0)}
    delta, drawn = (fit(name).what_if({"age": 42.5}, **how) for name in ("delta", "bootstrap"))
    assert (drawn.outcomes["std_error"] / delta.outcomes["std_error"]).between(0.8, 1.25).all()


def test_scenario_of_draws_is_solved_row_by_row():
    scenario = fit(n_bootstrap=40).what_if(
        [Mean("age", 43), Keep("sex")], metric=["prediction", accuracy_score]
    )
    projection = fit(n_bootstrap=40)
    order, resampling = projection.table_.order, Resampling(N, None, 40, 0)
    counts = np.vstack([resampling.of_clusters(*block) for block in resampling.blocks()])
    phi = np.column_stack([X["age"], X["sex"] == "Female"]).astype(float)[order]
    scale = phi.std(0)
    right = ((P > 0.5) == Y)[order].astype(float)
    values, changes, shifts = [], [], []
    for count in counts:
        here = count > 0
        base = count[here] / count.sum()
        target = np.array([43.0, base @ phi[here, 1]]) / scale
        weights = calibrate(phi[here] / scale, target, base, "kullback_leibler")[0]
        ends = [(w @ P[order][here], w @ right[here], w @ X["hours"].to_numpy()[order][here])
                for w in (weights, base)]  # fmt: skip
        values.append(ends[0][:2])
        changes.append(np.subtract(*ends)[:2])
        shifts.append((ends[0][2] - ends[1][2]) / X["hours"].std(ddof=0))
    np.testing.assert_allclose(scenario.outcomes["std_error"], np.std(values, axis=0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(
        scenario.outcomes["change_std_error"], np.std(changes, axis=0, ddof=1), rtol=1e-6
    )
    own = scenario.shifts.set_index("feature").loc["hours", "std_error"]
    assert own == pytest.approx(np.std(shifts, ddof=1), rel=1e-6)


def test_any_number_of_workers_and_order_of_rows():
    question = [Mean("age", 43), TruePositiveRate(0.65)]
    one = fit(n_bootstrap=40, groups=HOUSE).what_if(question)
    more = fit(n_bootstrap=40, groups=HOUSE, n_jobs=2).what_if(question)
    moved = np.random.default_rng(1).permutation(N)
    other = fit(
        "bootstrap", X.iloc[moved].reset_index(drop=True), Y[moved], P[moved], HOUSE[moved], n_bootstrap=40
    )
    for scenario in (more, other.what_if(question)):
        pd.testing.assert_frame_equal(scenario.outcomes, one.outcomes, check_exact=True)
        pd.testing.assert_frame_equal(scenario.shifts, one.shifts, check_exact=True)


def test_joint_and_baseline_have_errors_of_draws():
    delta, drawn = (fit(how) for how in ("delta", "bootstrap"))
    one, other = (p.joint("age", "hours", n_targets=3) for p in (delta, drawn))
    ok = one["status"] == "ok"
    assert (other["std_error"] / one["std_error"])[ok].between(0.8, 1.25).all()
    assert not np.allclose(other["std_error"], one["std_error"])
    one, other = (p.baseline(metric=["prediction", "roc_auc"]) for p in (delta, drawn))
    assert (other["std_error"] / one["std_error"]).between(0.85, 1.15).all()


def test_lost_draws_are_counted():
    top = np.sort(X["age"])[-3]
    few = fit(n_bootstrap=200).what_if({"age": (top, 100)})
    (note,) = [note for note in few.notes if "bootstrap" in note]
    assert "of 200 bootstrap draws" in note
    assert not fit().what_if({"age": 43}).notes


# Replicate weights -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bootstrap", "jackknife"])
@pytest.mark.parametrize("question", [QUESTION, [Variance("age", 120.0), TruePositiveRate(0.7)]])
def test_replicates_meet_the_targets(method, question):
    scenario = fit("delta").what_if(question)
    replicates = scenario.replicate_weights(20, method=method, random_state=0)
    assert replicates.shape == (N, 20)
    np.testing.assert_allclose(replicates.mean(0), 1.0)
    for w in replicates.T:
        if question is QUESTION:
            assert w @ X["age"] / N == pytest.approx(43)
            assert 42 - 1e-9 <= w @ X["hours"] / N <= 44 + 1e-9
        else:
            positive = Y == 1
            assert w[positive] @ (P[positive] > 0.5) / w[positive].sum() == pytest.approx(0.7)
            assert w @ (X["age"] - w @ X["age"] / N) ** 2 / N == pytest.approx(120.0)


@pytest.mark.parametrize("groups", [None, HOUSE], ids=["rows", "clusters"])
def test_variance_of_replicates_is_that_of_the_scenario(groups):
    scenario = fit("delta", groups=groups).what_if(QUESTION)
    error = scenario.outcomes["std_error"][0]
    value = scenario.outcomes["value"][0]
    drawn = scenario.replicate_weights(600, random_state=1).T @ P / N
    # .935 of it over many draws, 240 rows being few, known to .03 by 600 of them.
    assert np.sqrt(np.mean((drawn - value) ** 2)) == pytest.approx(0.935 * error, rel=0.12)
    left_out = scenario.replicate_weights(N, method="jackknife").T @ P / N
    n = left_out.size
    assert n == (N if groups is None else N // 2)
    assert np.sqrt((n - 1) / n * np.sum((left_out - value) ** 2)) == pytest.approx(error, rel=0.02)


def test_rows_that_take_no_part_have_no_weight():
    lacking = X.assign(age=np.where(np.arange(N) < 9, np.nan, X["age"]))
    replicates = fit("delta", lacking).what_if({"age": 43}).replicate_weights(5, random_state=0)
    assert (replicates[:9] == 0.0).all()
    np.testing.assert_allclose(replicates.mean(0), 1.0)


def test_replicates_are_the_same_for_any_workers_and_after_pickling():
    scenario = fit("delta").what_if([Mean("age", 43, where={"sex": "Female"}), Variance("hours", 45.0)])
    one = scenario.replicate_weights(40, random_state=3)
    np.testing.assert_array_equal(scenario.replicate_weights(40, random_state=3, n_jobs=2), one)
    again = pickle.loads(pickle.dumps(scenario))
    np.testing.assert_array_equal(again.replicate_weights(40, random_state=3), one)
    assert (scenario.replicate_weights(40, random_state=4) != one).any()


def test_replicates_out_of_reach():
    top = np.sort(X["age"])[-3]
    few = fit("delta").what_if({"age": (top, 100)})
    with pytest.warns(UserWarning, match="of 100 replicates"):
        assert few.replicate_weights(100, random_state=0).shape[1] < 100
    largest = fit("delta").what_if({"age": X["age"].max()})
    with refuses(DataError, "None of 2 replicates"):
        for seed in range(9):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                largest.replicate_weights(2, random_state=seed)


@pytest.mark.parametrize(("name", "value"), [("n_replicates", 1), ("n_replicates", 2.5), ("method", "brr")])
def test_replicates_bad_arguments(name, value):
    with refuses(ValueError, name, repr(value)):
        fit("delta").what_if({"age": 43}).replicate_weights(**{name: value})


@pytest.mark.parametrize("sizes", [(40,), (3, 5, 30), (2,) * 12])
@pytest.mark.parametrize("n_groups", [8, 100])
def test_jackknife_of_groups_is_unbiased(sizes, n_groups):
    stratum = np.repeat(np.arange(len(sizes)), sizes)
    factors = leave_out_groups(Design(np.arange(stratum.size), stratum), n_groups)
    n = len(factors)
    rng = np.random.default_rng(0)
    found, expected = [], []
    for _ in range(400):
        y = rng.normal(size=stratum.size) + stratum
        found.append((n - 1) / n * np.sum((factors @ y - y.sum()) ** 2))
        moves = y if len(sizes) > 1 else (y - y.mean()) * np.sqrt(y.size / (y.size - 1))
        expected.append(linearized_variance(moves, stratum))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.06)
    if n_groups >= stratum.size:
        np.testing.assert_allclose(found, expected, rtol=1e-9)


# Design effects ----------------------------------------------------------------------------------


def test_design_effect_is_that_of_kish():
    scenario = fit("delta").what_if(QUESTION)
    w = scenario.weights
    assert scenario.design_effect == pytest.approx(1.0 + w.var() / w.mean() ** 2)


def test_design_effects_of_outcomes_compare_with_simple_draws():
    scenario = fit("delta").what_if({"age": 43}, metric=["prediction", "roc_auc", accuracy_score])
    effects = scenario.outcomes.set_index("quantity")["design_effect"]
    w = scenario.weights / scenario.weights.sum()
    value = scenario.outcomes["value"][0]
    simple = w @ (P - value) ** 2 / N
    assert effects["prediction"] == pytest.approx(scenario.outcomes["std_error"][0] ** 2 / simple)
    assert effects["prediction"] < 0.6  # the stated age explains most of it
    assert 0.8 < effects["roc_auc"] < 2.0
    assert np.isnan(effects["accuracy_score"])
    pairs = np.r_[np.arange(N), np.arange(N)]
    twice = fit("delta", pd.concat([X, X], ignore_index=True), np.r_[Y, Y], np.r_[P, P], pairs)
    clustered = twice.what_if({"age": 43}, metric="prediction").outcomes["design_effect"][0]
    assert clustered == pytest.approx(2.0 * effects["prediction"], rel=1e-6)
