import numpy as np
import pytest

from agnostix import InfeasibleTargetError
from tests.messages import refuses
from tests.reference.what_if import (
    distance_from_tilt,
    divergence,
    effective_rows,
    project_by_cone,
    standardize,
)
from tests.what_if.doubles import chance, fit_projection, people, select_rows, truth

X = people()
N = len(X)
WEIGHT = np.random.default_rng(3).uniform(0.2, 3.0, N)
SOME_ZERO = np.where(np.arange(N) % 7 == 0, 0.0, WEIGHT)

QUESTIONS = {
    "a number": {"age": 45},
    "a far number": {"age": 58},
    "two numbers": {"age": 44, "hours": 38},
    "a zero-inflated number": {"gain": 3000},
    "a level": {"sex": {"Female": 0.6}},
    "two of three levels": {"job": {"farmer": 0.4, "teacher": 0.35}},
    "all levels": {"job": {"farmer": 0.4, "teacher": 0.35, "clerk": 0.25}},
    "both levels": {"sex": {"Female": 0.5, "Male": 0.5}},
    "a boolean": {"member": {True: 0.5}},
    "everything": {"age": 42, "hours": 41, "gain": 900, "sex": {"Female": 0.5}, "job": {"clerk": 0.4}},
    "an active range": {"age": (45, 50), "hours": 39},
    "an inactive range": {"age": (30, 50), "hours": 39},
    "two ranges": {"age": (45, 50), "sex": {"Female": (0.2, 0.3)}},
}


def statistic(feature, level=None):
    values = X[feature].to_numpy()
    return (values == level).astype(float) if level is not None else values.astype(float)


def stated(question):
    for feature, wanted in question.items():
        for level, bounds in wanted.items() if isinstance(wanted, dict) else [(None, wanted)]:
            low, high = bounds if isinstance(bounds, tuple) else (bounds, bounds)
            yield feature, level, low, high


@pytest.mark.parametrize("weight", [None, WEIGHT, SOME_ZERO], ids=["equal", "weighted", "some zero"])
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_what_if_reaches_targets_to_1e_9(question, weight):
    scenario = fit_projection(X, weight=weight).what_if(question)
    assert scenario.weights.mean() == pytest.approx(1.0, abs=1e-12)
    assert scenario.weights.min() >= 0.0
    assert scenario.gap <= 1e-9
    base = np.ones(N) / N if weight is None else weight / weight.sum()
    for feature, level, low, high in stated(question):
        values = statistic(feature, level)
        deviation = np.sqrt(base @ (values - base @ values) ** 2)
        reached = scenario.weights @ values / N
        assert low - 1e-9 * deviation <= reached <= high + 1e-9 * deviation


def test_what_if_zero_weight_rows_stay_zero():
    scenario = fit_projection(X, weight=SOME_ZERO).what_if({"age": 45})
    assert (scenario.weights[SOME_ZERO == 0.0] == 0.0).all()
    assert (scenario.weights[SOME_ZERO > 0.0] > 0.0).all()
    assert scenario.n_rows == (SOME_ZERO > 0.0).sum()


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-5, 0.0), (1.0, 1e6), (1e-5, 1e6), (1e8, 0.0), (-1.0, 0.0)], ids=str
)
def test_what_if_weights_ignore_column_units(scale, offset):
    expected = fit_projection(X).what_if({"age": 46, "hours": (42, 45)}).weights
    # the shifted column holds fewer digits: what counts is what it holds, not what it came from
    held = (X["age"] * scale + offset - offset) / scale
    moved = X.assign(age=X["age"] * scale + offset)
    scenario = fit_projection(moved).what_if({"age": 46 * scale + offset, "hours": (42, 45)})
    assert scenario.gap <= 1e-9
    rounding = 1e-9 + 10.0 * np.abs(held - X["age"]).max() / X["age"].std()
    np.testing.assert_allclose(scenario.weights, expected, rtol=rounding)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    "question",
    [QUESTIONS[name] for name in ("a number", "two of three levels", "everything", "two ranges")],
    ids=["one", "levels", "five", "ranges"],
)
def test_what_if_weights_match_cone_program(question, weight):
    scenario = fit_projection(X, weight=weight).what_if(question)
    columns = [(statistic(f, level), low, high) for f, level, low, high in stated(question)]
    phi, base = standardize(np.column_stack([c[0] for c in columns]), weight)
    raw = np.column_stack([c[0] for c in columns])
    mean, deviation = base @ raw, np.sqrt(base @ (raw - base @ raw) ** 2)
    low, high = ((np.array([c[i] for c in columns]) - mean) / deviation for i in (1, 2))
    if (low == high).all():
        expected = project_by_cone(phi, base, equal=low)
    else:
        expected = project_by_cone(phi, base, low=low, high=high)
    np.testing.assert_allclose(scenario.weights / N, expected, atol=2e-6 / N, rtol=0)


def test_what_if_weights_minimize_kl():
    question = {"age": 46, "sex": {"Female": 0.5}}
    scenario = fit_projection(X, weight=WEIGHT).what_if(question)
    base, weights = WEIGHT / WEIGHT.sum(), scenario.weights / N
    phi = np.column_stack([statistic("age"), statistic("sex", "Female")])
    assert distance_from_tilt(weights, base, phi) < 1e-9
    rng = np.random.default_rng(0)
    keeps = np.linalg.qr(np.column_stack([np.ones(N), phi]))[0]
    for _ in range(20):
        direction = rng.normal(size=N) * weights
        direction -= keeps @ (keeps.T @ direction)
        other = weights + 0.5 * weights.min() / np.abs(direction).max() * direction
        assert divergence(other, base) > scenario.kl


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
def test_scenario_kl_ess_max_weight_by_definition(weight):
    scenario = fit_projection(X, weight=weight).what_if({"age": 46, "job": {"farmer": 0.3}})
    base = np.ones(N) / N if weight is None else weight / weight.sum()
    assert scenario.kl == pytest.approx(divergence(scenario.weights / N, base), rel=1e-10)
    assert scenario.ess == pytest.approx(effective_rows(scenario.weights), rel=1e-12)
    assert scenario.ess_fraction == pytest.approx(scenario.ess / effective_rows(base), rel=1e-12)
    assert scenario.max_weight == pytest.approx(scenario.weights.max(), rel=1e-12)


def test_what_if_range_already_met_changes_nothing():
    scenario = fit_projection(X).what_if({"age": (30, 50), "sex": {"Female": (0.1, 0.9)}})
    np.testing.assert_allclose(scenario.weights, 1.0, rtol=1e-14)
    assert scenario.kl == 0.0
    assert scenario.status == "ok"
    assert (scenario.conditions["multiplier"] == 0.0).all()
    assert (scenario.outcomes["change"].abs() < 1e-15).all()


def test_what_if_binding_range_is_target_at_nearer_end():
    projection = fit_projection(X)
    ranged, stated_ = (projection.what_if({"age": wanted, "hours": 41}) for wanted in ((45, 50), 45))
    np.testing.assert_allclose(ranged.weights, stated_.weights, rtol=1e-10)
    np.testing.assert_allclose(ranged.outcomes["std_error"], stated_.outcomes["std_error"], rtol=1e-8)


def test_scenario_conditions_state_targets_and_reached():
    conditions = fit_projection(X).what_if({"age": 45, "sex": {"Female": (0.5, 0.6)}}).conditions
    assert conditions["feature"].tolist() == ["age", "sex"]
    assert conditions["level"].tolist() == [None, "Female"]
    assert conditions["low"].tolist() == [45.0, 0.5]
    assert conditions["high"].tolist() == [45.0, 0.6]
    np.testing.assert_allclose(conditions["before"], [X["age"].mean(), (X["sex"] == "Female").mean()])
    np.testing.assert_allclose(conditions["reached"], [45.0, 0.5], rtol=1e-10)
    assert (conditions["multiplier"] > 0.0).all()


def test_what_if_prediction_is_reached():
    for wanted in (0.3, 0.55, (0.5, 0.6)):
        scenario = fit_projection(X).what_if(prediction=wanted)
        reached = scenario.weights @ chance(X) / N
        low = wanted[0] if isinstance(wanted, tuple) else wanted
        assert reached == pytest.approx(low, abs=1e-9 * chance(X).std())
        assert scenario.outcomes["value"][0] == pytest.approx(low, abs=1e-10)
        assert scenario.outcomes["std_error"][0] == pytest.approx(0.0, abs=1e-12)


def test_what_if_error_rate_is_reached():
    y = (chance(X) > 0.5).astype(int) ^ (np.arange(N) % 5 == 0)
    wrong = (chance(X) > 0.5).astype(int) != y
    scenario = fit_projection(X, y).what_if({"age": 42}, error_rate=0.4)
    assert scenario.weights @ wrong / N == pytest.approx(0.4, abs=1e-10)
    assert scenario.weights @ X["age"] / N == pytest.approx(42.0, abs=1e-8)
    by_name = scenario.outcomes.set_index("quantity")["value"]
    assert by_name["error_rate"] == pytest.approx(0.4)
    assert by_name["accuracy"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("first", "second"), [("age", "hours"), ("age", ("job", "farmer")), (("sex", "Male"), ("job", "clerk"))]
)
def test_joint_cell_matches_what_if(first, second):
    projection = fit_projection(X, truth(X))
    cells = projection.joint(first, second, n_targets=5)
    assert len(cells) == 25
    for _, cell in cells.iloc[[0, 4, 7, 12, 13, 24]].iterrows():
        question = {}
        for key, target in ((first, cell["first_target"]), (second, cell["second_target"])):
            name, level = key if isinstance(key, tuple) else (key, None)
            question[name] = target if level is None else {level: target}
        if cell["status"] == "infeasible":
            with refuses(InfeasibleTargetError, "either alone"):
                projection.what_if(question)
            continue
        scenario = projection.what_if(question)
        outcome = scenario.outcomes.iloc[0]
        for name in ("value", "std_error", "low", "high"):
            assert cell[name] == pytest.approx(outcome[name], rel=1e-6)
        for name in ("kl", "ess", "max_weight"):
            assert cell[name] == pytest.approx(getattr(scenario, name), rel=1e-6, abs=1e-12)
        assert cell["status"] == scenario.status


def test_joint_uses_default_targets_of_both():
    projection = fit_projection(X, n_targets=5)
    cells = projection.joint("age", ("job", "farmer"), n_targets=5)
    curves = projection.explain(features=["age", "job"]).frame
    for column, curve in (
        ("first_target", select_rows(curves, feature="age")),
        ("second_target", select_rows(curves, level="farmer")),
    ):
        np.testing.assert_allclose(np.unique(cells[column]), curve["target"], rtol=1e-9)
    assert cells[["first_target", "second_target"]].apply(tuple, axis=1).is_monotonic_increasing


def test_joint_infeasible_cells_are_nan():
    X_ = X.assign(twin=X["age"] + 0.01 * X["hours"])
    cells = fit_projection(X_).joint("age", "twin", n_targets=3)
    beyond = cells["status"] == "infeasible"
    assert beyond.tolist() == [False, True, True, True, False, True, True, True, False]
    numbers = ["value", "std_error", "low", "high", "kl", "ess", "max_weight"]
    assert cells.loc[beyond, numbers].isna().all(axis=None)
    assert cells.loc[~beyond, numbers].notna().all(axis=None)


@pytest.mark.parametrize(
    ("first", "second", "n_targets", "facts"),
    [
        ("job", "age", 3, ["'job'", "labels", "('job', level)", "'clerk', 'farmer', 'teacher'"]),
        (("job", "pilot"), "age", 3, ["'job'", "no level 'pilot'", "'clerk', 'farmer', 'teacher'"]),
        ("height", "age", 3, ["no column 'height'", "age, hours, gain, sex, job, member"]),
        ("hours", "age", 1, ["'n_targets' parameter of joint", "int of 2 or more", "got 1"]),
        ("hours", "age", 2.5, ["'n_targets' parameter of joint", "int of 2 or more", "got 2.5"]),
        (("age", "old"), "hours", 3, ["'age'", "holds numbers", "'old'"]),
        (("gain", -1), "hours", 3, ["'gain'", "no row with the value -1"]),
    ],
)
def test_joint_refuses_bad_features_and_n_targets(first, second, n_targets, facts):
    with refuses(ValueError, *facts):
        fit_projection(X).joint(first, second, n_targets=n_targets)
