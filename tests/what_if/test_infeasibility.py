import pickle

import numpy as np
import pytest

from agnostix import InfeasibleTargetError
from tests.messages import assert_states
from tests.reference.what_if import is_member, reachable_share
from tests.what_if.doubles import chance, fit_projection, people, truth

X = people()
N = len(X)
Y = truth(X)
# with a column that is another one in other units
X2 = X.assign(months=12.0 * X["age"], rest=100.0 - X["age"] - X["hours"])


def refused(projection, constraints=None, **stress):
    with pytest.raises(InfeasibleTargetError) as caught:
        projection.what_if(constraints, **stress)
    return caught.value


def ask_nearest(projection, error):
    """Nearest is a mapping for `constraints`, or all arguments where the outcome is among them."""
    return projection.what_if(**error.nearest)


def test_infeasible_error_states_extreme_and_nearest():
    top, mean = X["age"].max(), X["age"].mean()
    error = refused(fit_projection(X), {"age": 200})
    share = (top - mean) / (200 - mean) * 0.999
    near = mean + share * (200 - mean)
    facts = (
        f"No row has age above {top:.6g}",
        "average of 200",
        f"{100 * share:.3g} % of the way",
        f"age {near:.4g}",
    )
    assert_states(str(error), *facts)
    assert error.reachable == pytest.approx(share, rel=1e-6)
    assert error.nearest == {"constraints": {"age": pytest.approx(near, rel=1e-6)}}
    below = refused(fit_projection(X), {"age": -5})
    assert f"No row has age below {X['age'].min():.6g}, so" in str(below)


@pytest.mark.parametrize(
    ("constraints", "stress"),
    [
        ({"age": 200}, {}),
        ({"age": 200, "hours": 41}, {}),
        ({"age": 60, "hours": 30}, {}),
        ({"age": (200, 300)}, {}),
        ({"age": (62, 70), "hours": (20, 31)}, {}),
        ({"age": 64, "sex": {"Female": 0.5}, "job": {"clerk": 0.1}}, {}),
        (None, {"prediction": 1.0}),
        (None, {"prediction": (1.1, 1.2)}),
        ({"age": 30}, {"prediction": 0.9}),
        ({"age": 30, "job": {"clerk": 0.6}}, {"error_rate": 0.99, "prediction": 0.6}),
    ],
    ids=str,
)
def test_infeasible_nearest_is_feasible(constraints, stress):
    projection = fit_projection(X, Y)
    error = refused(projection, constraints, **stress)
    assert 0.0 < error.reachable < 1.0
    scenario = ask_nearest(projection, error)
    assert scenario.gap <= 1e-9
    assert scenario.status in ("ok", "thin")


def test_infeasible_matches_linear_program():
    phi = X[["age", "hours"]].to_numpy()
    start = phi.mean(0)
    verdicts = []
    for target in np.array([[60.0, 30.0], [60.0, 45.0], [25.0, 50.0], [25.0, 35.0], [45.0, 39.0]]):
        inside = is_member(phi, target)
        verdicts.append(inside)
        if inside:
            assert fit_projection(X).what_if(dict(zip(("age", "hours"), target, strict=True))).gap <= 1e-9
            continue
        error = refused(fit_projection(X), dict(zip(("age", "hours"), target, strict=True)))
        assert_states(str(error), "No row lies as far")
        assert error.reachable == pytest.approx(0.999 * reachable_share(phi, start, target), rel=1e-6)
    assert set(verdicts) == {True, False}


def test_infeasible_error_names_contradicting_targets():
    error = refused(fit_projection(X2), {"age": 45, "months": 500})
    assert_states(str(error), "targets contradict each other", "*(age)", "*(months)", "No part of the way")
    assert error.nearest == {}


@pytest.mark.parametrize(
    "question",
    [{"age": 45, "months": 540}, {"age": 45, "hours": 41, "rest": 14}, {"age": 45, "months": (500, 600)}],
    ids=str,
)
def test_what_if_redundant_targets_are_one_target(question):
    found = fit_projection(X2).what_if(question)
    expected = fit_projection(X2).what_if({k: question[k] for k in ("age", "hours") if k in question})
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-8)
    np.testing.assert_allclose(found.outcomes["std_error"], expected.outcomes["std_error"], rtol=1e-6)


def test_infeasible_error_pickles():
    error = refused(fit_projection(X), {"age": 200, "sex": {"Female": 0.5}})
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ValueError)
    assert (str(again), again.nearest, again.reachable) == (str(error), error.nearest, error.reachable)
    assert set(again.nearest["constraints"]) == {"age", "sex"}


def test_infeasible_prediction_states_extreme():
    error = refused(fit_projection(X), prediction=0.999)
    top = chance(X).max()
    assert_states(str(error), f"No row has prediction = prediction above {top:.6g}")
    assert set(error.nearest) == {"prediction"}


def test_infeasible_never_returns_uniform_weights():
    rng = np.random.default_rng(0)
    for _ in range(30):
        target = {"age": rng.uniform(0, 90), "hours": rng.uniform(20, 70)}
        if not is_member(X[["age", "hours"]], list(target.values())):
            assert refused(fit_projection(X), target).reachable < 1.0
        else:
            scenario = fit_projection(X).what_if(target)
            assert scenario.weights @ X["age"] / N == pytest.approx(target["age"], abs=1e-8)
            assert scenario.weights @ X["hours"] / N == pytest.approx(target["hours"], abs=1e-8)
