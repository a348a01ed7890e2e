"""A session and what it keeps, against plain loops."""

import numpy as np
import pytest

from agnostix.core.masking import Features, TabularMasker
from agnostix.core.models import as_predictor
from agnostix.shapley.coalition_plan import CoalitionPlan
from agnostix.shapley.coalitions import leverage_pairs
from agnostix.shapley.exact_solver import ExactSolver
from agnostix.shapley.group_means import GroupMeans
from agnostix.shapley.linked_values import LinkedValues
from agnostix.shapley.session import Session
from agnostix.shapley.shapley_result import ShapleyResult
from tests.reference import shapley as ref

RNG = np.random.default_rng(0)
BACKGROUND, X = RNG.normal(size=(6, 3)), RNG.normal(size=(5, 3))
WEIGHTS = np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1])
ALL = CoalitionPlan(np.ones(3, dtype=bool), None, evaluates_empty=False)


def model(X):
    return np.stack([X[:, 0] * X[:, 1] * X[:, 2], X[:, 0] - np.abs(X[:, 1])], axis=1)


def session_of(groups=range(6), empty=True, n_jobs=None):
    masker = TabularMasker(BACKGROUND, WEIGHTS, Features.from_names(["x0", "x1", "x2"]))
    means = GroupMeans(np.array(list(groups)), WEIGHTS)
    scale = LinkedValues("identity", np.bincount(means.groups, WEIGHTS))
    none = means.of_background(model(BACKGROUND)) if empty else None
    return Session(as_predictor(model), masker, 2, means, scale, none, n_jobs, 0)


def told(row):
    return ref.masked_answers(lambda rows: model(np.array(rows)), row, BACKGROUND)


@pytest.mark.parametrize("empty", [True, False], ids=["known", "asked"])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [3, 1]])
def test_session_evaluates_selected_rows_only(empty, rows):
    result = ShapleyResult.zeros(np.ones((5, 3), dtype=bool), 2)
    session = session_of(empty=empty)
    plan = ALL if empty else CoalitionPlan(ALL.varying, None, evaluates_empty=True)
    session.evaluate(plan, ExactSolver(3), session.masker.read(X), np.array(rows), result)
    for row in range(5):
        answers = told(X[row])
        played = float(row in rows)
        values, variances = ref.masked_values(answers, WEIGHTS), ref.background_variance(answers, WEIGHTS)
        np.testing.assert_allclose(result.values[row], played * values, rtol=0, atol=1e-14)
        np.testing.assert_allclose(result.background_variances[row], played * variances, rtol=0, atol=1e-14)
        np.testing.assert_allclose(result.predictions[row], played * model(X[[row]])[0], rtol=0, atol=1e-15)
        np.testing.assert_allclose(
            result.base_values[row], played * (WEIGHTS @ model(BACKGROUND)), atol=1e-15
        )
        assert result.evaluations[row] == result.forecast[row] == 8 * played
    np.testing.assert_array_equal(result.outputs, result.predictions)
    np.testing.assert_array_equal(result.coalition_variances, 0.0)
    assert result.n_model_rows == len(rows) * (1 + 6 * (6 if empty else 7))
    assert session.cost(plan, len(rows)) == result.n_model_rows


def test_session_background_variance_leaves_out_whole_groups():
    result = ShapleyResult.zeros(np.ones((5, 3), dtype=bool), 2)
    groups = [0, 1, 1, 0, 2, 2]
    session = session_of(groups)
    session.evaluate(ALL, ExactSolver(3), session.masker.read(X), np.arange(5), result)
    answers = told(X[2])
    whole, variance = ref.masked_values(answers, WEIGHTS), 0.0
    for group in range(3):
        left = np.where(np.array(groups) == group, 0.0, WEIGHTS)
        variance = variance + left.sum() * (ref.masked_values(answers, left) - whole) ** 2
    np.testing.assert_allclose(result.background_variances[2], variance, rtol=1e-10, atol=1e-25)


def test_evaluate_pilots_averages_over_whole_background():
    plan = CoalitionPlan(ALL.varying, leverage_pairs(3, 2, seed=0), evaluates_empty=False)
    session = session_of([0, 1, 1, 0, 2, 2])
    values, n_model_rows = session.evaluate_pilots(plan, session.masker.read(X))
    assert values.shape == (5, 5, 2)
    for row in range(5):
        answers = told(X[row])
        expected = [WEIGHTS @ answers[frozenset(np.flatnonzero(mask))] for mask in plan.masks]
        np.testing.assert_allclose(values[:, row], expected, rtol=0, atol=1e-14)
    assert n_model_rows == 5 * (1 + 4 * 6)
    np.testing.assert_allclose(session_of().empty_value, WEIGHTS @ model(BACKGROUND), rtol=1e-13)


def test_result_put_leaves_other_players_zero():
    result = ShapleyResult.zeros(np.ones((3, 4), dtype=bool), 1)
    rows = np.array([2, 0])
    by_player, by_row = np.arange(1.0, 5.0).reshape(2, 2, 1), np.array([[7.0], [8.0]])
    solved = (by_player, 10.0 * by_player, 100.0 * by_player, by_row, 2.0 * by_row, 3.0 * by_row)
    result.put(rows, np.array([1, 3]), solved, 6, np.array([6.0, np.inf]))
    assert result.values[..., 0].tolist() == [[0, 3, 0, 4], [0, 0, 0, 0], [0, 1, 0, 2]]
    np.testing.assert_array_equal(result.coalition_variances, 10.0 * result.values)
    np.testing.assert_array_equal(result.background_variances, 100.0 * result.values)
    assert result.outputs[:, 0].tolist() == [8, 0, 7]
    assert result.base_values[:, 0].tolist() == [16, 0, 14]
    assert result.predictions[:, 0].tolist() == [24, 0, 21]
    assert result.evaluations.tolist() == [6, 0, 6]
    assert result.forecast.tolist() == [np.inf, 0, 6]
