"""Coalition errors, budgets, tolerances and kernels of KernelShapExplainer."""

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.tree import DecisionTreeRegressor

from agnostix import KernelShapExplainer
from agnostix.shapley.coalitions import count_pairs, sample_pairs
from agnostix.shapley.estimation import build_operator
from tests.reference import shapley as ref

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 5))
WIDE = RNG.normal(size=(60, 9))


def curved(X):
    """Three outputs with interactions of two and of three."""
    first = X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3] ** 2
    return np.stack([first, np.sin(X[:, 0] + X[:, 4]) * X[:, 3], X[:, 1] - np.abs(X[:, 2] * X[:, 4])], axis=1)


def tangled(X):
    """Interactions of many players, as deep trees and networks have them."""
    first = np.tanh(X.sum(axis=1)) + X[:, 0] * X[:, 1] * X[:, 2]
    return np.stack([first, np.abs(X[:, ::2].sum(axis=1)) * np.cos(X[:, 1])], axis=1)


class Counting:
    """A model that counts its rows."""

    def __init__(self, model):
        self.model, self.n_rows = model, 0

    def __call__(self, X):
        self.n_rows += len(X)
        return self.model(X)


def fitted(model, seen, **params):
    params = {"background": "sample", "random_state": 0} | params
    return KernelShapExplainer(model, **params).fit(seen)


def root_mean_square(values):
    return np.sqrt(np.square(values).mean())


@pytest.mark.parametrize(
    ("model", "kernel", "ratio"),
    [
        (tangled, "pooled", 0.72),
        (tangled, "row", 0.91),
        (tangled, "none", 0.95),
        (curved, "pooled", 1.61),
        (curved, "row", 0.64),
        (curved, "none", 0.96),
    ],
)
def test_coalition_std_errors_match_deviation_from_exact(model, kernel, ratio):
    """Over 12 designs; were errors off by a factor of 2, a bound about what was measured would be passed."""
    rows, seen = WIDE[:5, :8], WIDE[20:26, :8]
    truth = fitted(model, seen, tol=None, background="all").explain(rows).values
    away, stated = [], []
    for seed in range(12):
        exp = fitted(model, seen, background="all", budget=64, kernel=kernel, random_state=seed).explain(rows)
        away.append(exp.values - truth)
        stated.append(exp.std_errors)
    assert ratio / 1.5 < root_mean_square(away) / root_mean_square(stated) < ratio * 1.5
    assert np.mean(np.abs(away) < 1.96 * np.array(stated)) > 0.9


def test_kernel_lowers_deviation_and_std_errors():
    rows, seen = WIDE[:5], WIDE[20:40]
    truth = fitted(curved, seen, tol=None, background="all").explain(rows).values
    away = {}
    for kernel in ("pooled", "row", "none"):
        exp = fitted(curved, seen, background="all", budget=100, kernel=kernel).explain(rows)
        away[kernel] = root_mean_square(exp.values - truth), root_mean_square(exp.std_errors)
    for kernel in ("pooled", "row"):
        assert away[kernel][0] < 0.7 * away["none"][0]
        assert away[kernel][1] < 0.7 * away["none"][1]


# Extras.


def shapes_of(exp):
    return {name: np.shape(value) for name, value in exp.extras.items()}


def test_extras_shapes_and_row_selection():
    exp = fitted(curved, ROWS, budget=12, background_size=30).explain(ROWS[:4])
    assert shapes_of(exp) == {
        "algorithm": (),
        "background_size": (),
        "coalition_std_errors": (4, 5, 3),
        "background_std_errors": (4, 5, 3),
        "degrees_of_freedom": (4, 5, 3),
        "design_errors": (4, 5, 3),
        "shared_errors": (4, 5, 3, 32),
        "base_value_std_errors": (4, 3),
        "base_value_degrees_of_freedom": (4, 3),
        "evaluations": (4,),
        "forecast": (4,),
        "kernel": (),
        "background_size_to_halve_error": (4,),
    }
    some = exp[[2, 0]]
    for name in ("coalition_std_errors", "background_std_errors", "evaluations", "forecast"):
        np.testing.assert_array_equal(some.extras[name], exp.extras[name].array[[2, 0]])
    assert some.extras["kernel"] == exp.extras["kernel"] == "pooled"
    assert exp.extras["background_size"] == 30


def test_extras_follow_selected_outputs():
    explainer = fitted(curved, ROWS, budget=12, background_size=30)
    whole, one = explainer.explain(ROWS[:4]), explainer.explain(ROWS[:4], outputs=2)
    for name in ("coalition_std_errors", "background_std_errors"):
        np.testing.assert_array_equal(one.extras[name], whole.extras[name].array[..., [2]])
    np.testing.assert_array_equal(one.values, whole.values[..., [2]])


def test_std_errors_scale_with_values():
    one = fitted(curved, ROWS, budget=12, background_size=30).explain(ROWS[:4])
    thousandfold = fitted(lambda X: 1024.0 * curved(X), ROWS, budget=12, background_size=30).explain(ROWS[:4])
    for name in ("coalition_std_errors", "background_std_errors"):
        np.testing.assert_allclose(thousandfold.extras[name], 1024.0 * one.extras[name].array, rtol=1e-9)


@pytest.mark.parametrize("algorithm", ["kernel", "tree"])
def test_background_size_to_halve_no_error_is_the_one_at_hand(algorithm):
    model = DecisionTreeRegressor(max_depth=4, random_state=0).fit(ROWS[:50], curved(ROWS[:50]))
    exp = fitted(model, ROWS[:50], algorithm=algorithm, background="all").explain(ROWS[:4])
    np.testing.assert_array_equal(exp.extras["background_size_to_halve_error"].array, 50.0)


def test_background_size_to_halve_error_halves_error():
    exact = fitted(curved, ROWS, background_size=30).explain(ROWS[:4])
    np.testing.assert_array_equal(exact.extras["background_size_to_halve_error"].array, 120.0)
    exp = fitted(curved, ROWS, budget=24, background_size=10, kernel="none").explain(ROWS[:9])
    of_coalitions = np.square(exp.extras["coalition_std_errors"].array).sum(axis=(1, 2))
    of_background = np.square(exp.extras["background_std_errors"].array).sum(axis=(1, 2))
    needed = exp.extras["background_size_to_halve_error"].array
    can = of_coalitions < (of_coalitions + of_background) / 4.0
    np.testing.assert_array_equal(np.isinf(needed), ~can)
    assert can.any()
    halved = np.sqrt(
        (of_coalitions + of_background * 10.0 / needed)[can] / (of_coalitions + of_background)[can]
    )
    one_less = np.sqrt(
        (of_coalitions + of_background * 10.0 / (needed - 1.0))[can] / (of_coalitions + of_background)[can]
    )
    assert (halved <= 0.5 + 1e-12).all()
    assert (one_less > 0.5 - 1e-12).all()


# Budgets.


@pytest.mark.parametrize("budget", [20, 21, 64, 500, 511])
@pytest.mark.parametrize("background_size", [1, 13])
def test_evaluations_never_exceed_budget(budget, background_size):
    model = Counting(tangled)
    explainer = fitted(model, WIDE, budget=budget, background_size=background_size)
    assert model.n_rows == explainer.n_model_rows_
    model.n_rows = 0
    exp = explainer.explain(WIDE[20:27])
    assert (exp.extras["evaluations"].array <= budget).all()
    assert (exp.extras["evaluations"].array >= budget - 1).all()
    assert model.n_rows == exp.n_model_rows <= explainer.cost(WIDE[20:27])
    assert explainer.cost(WIDE[20:27]) <= 7 * budget * background_size
    assert (exp.extras["coalition_std_errors"].array > 0).any()


@pytest.mark.parametrize("budget", [512, 10_000, "auto"])
def test_budget_for_all_coalitions_gives_exact_values(budget):
    model = Counting(tangled)
    explainer = fitted(model, WIDE, budget=budget, tol=None, background_size=4)
    model.n_rows = 0
    exp = explainer.explain(WIDE[20:27])
    assert explainer.kernel_ == exp.extras["kernel"] == "exact"
    assert (exp.extras["evaluations"].array == 512).all()
    assert model.n_rows == exp.n_model_rows == 7 * (511 * 4 - 4 + 1)
    np.testing.assert_array_equal(exp.extras["coalition_std_errors"].array, 0.0)
    predictions = ref.masked_predictions(
        lambda rows: tangled(np.array(rows)), WIDE[20], explainer.background_
    )
    np.testing.assert_allclose(exp.values[0], ref.masked_values(predictions), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("n_players", "tol", "budget"),
    [
        (6, "auto", 64),
        (12, "auto", 512),
        (12, None, 4096),
        (13, None, 512),
        (64, "auto", 512),
        (80, 0.5, 640),
    ],
)
def test_budget_auto_by_number_of_players(n_players, tol, budget):
    X = np.random.default_rng(0).normal(size=(3, n_players))
    explainer = fitted(lambda X: X.sum(axis=1), X, tol=tol, background_size=1, kernel="none")
    assert explainer.budget_ == budget


@pytest.mark.parametrize("budget", ["auto", 30])
def test_constant_players_are_zero_and_cost_nothing(budget):
    seen, X = WIDE[20:26].copy(), WIDE[:6].copy()
    seen[:, 3:] = X[0, 4:] = X[1, 8] = X[2, 3:] = 0.5
    exp = fitted(tangled, seen, budget=budget, tol=None, background="all").explain(X)
    varies = ~(X[:, None] == seen).all(axis=1)
    assert varies.sum(axis=1).tolist() == [4, 8, 3, 9, 9, 9]
    np.testing.assert_array_equal(exp.values[~varies], 0.0)
    np.testing.assert_array_equal(exp.std_errors[~varies], 0.0)
    most = 512 if budget == "auto" else budget
    np.testing.assert_array_equal(exp.extras["evaluations"].array, np.minimum(2 ** varies.sum(axis=1), most))
    for i in range(3):
        predictions = ref.masked_predictions(lambda rows: tangled(np.array(rows)), X[i], seen)
        away = np.abs(exp.values[i] - ref.masked_values(predictions))
        assert (away <= 5.0 * exp.std_errors[i] + 1e-13).all()


@pytest.mark.parametrize(("n_varying", "n_evaluations"), [(12, 4096), (13, 512)])
def test_budget_without_tol_is_exact_for_few_varying_players(n_varying, n_evaluations):
    X = np.random.default_rng(0).normal(size=(2, 14))
    X[1, n_varying:] = X[0, n_varying:]
    exp = fitted(lambda X: X.prod(axis=1), X[:1], tol=None, kernel="none").explain(X[1:])
    assert exp.extras["evaluations"].array.tolist() == [n_evaluations]


def test_pooled_kernel_is_restricted_to_varying_players():
    def model(X):  # the first players are in all interactions
        return np.tanh(2.0 * X[:, 0] * X[:, 1]) * (1.0 + X[:, 6:].sum(axis=1)) + 0.01 * np.sin(X.sum(axis=1))

    seen, X = WIDE[20:26].copy(), WIDE[:1].copy()
    seen[:, 2] = X[0, 2] = 0.5
    explainer = fitted(model, seen, budget=64, background="all", kernel="pooled")
    exp = explainer.explain(np.vstack([X, X + (np.arange(9) == 2)]))
    varying = np.arange(9) != 2
    predictions = ref.masked_predictions(lambda rows: model(np.array(rows)), X[0], seen)
    pairs = sample_pairs(8, 31, 0)
    sides = [
        [frozenset(np.flatnonzero(varying)[side]) | {2} for side in (mask, ~mask)] for mask in pairs.masks
    ]
    value = {coalition: rows.mean() for coalition, rows in predictions.items()}
    differences = np.array([[value[one] - value[other]] for one, other in sides])
    delta = np.array([value[frozenset(range(9))] - value[frozenset()]])
    operator = build_operator(pairs, explainer._kernel_params.restrict(varying))
    expected = operator.game_values(differences, delta)[:, 0]
    np.testing.assert_allclose(exp.values[0, varying, 0], expected, rtol=0, atol=1e-12)
    assert exp.extras["evaluations"].array.tolist() == [64, 64]


def test_row_equal_to_background_has_zero_values():
    seen = np.repeat(WIDE[:1], 3, axis=0)
    exp = fitted(tangled, seen).explain(WIDE[:1])
    np.testing.assert_array_equal(exp.values, 0.0)
    np.testing.assert_array_equal(exp.outputs, exp.base_values)
    assert exp.extras["evaluations"].array.tolist() == [1]


# Tolerances.

STAGES = [32, 48, 72, 108, 162, 242, 362, 400]
"""Evaluations of the looks at 9 players under a budget of 400."""


def at_stages(kernel, tol, n_rows=12, seen=WIDE[20:40], **params):
    explainer = fitted(tangled, seen, budget=400, tol=tol, kernel=kernel, background="all", **params)
    return explainer, explainer.explain(WIDE[:n_rows])


@pytest.mark.parametrize(("kernel", "tol"), [("row", 0.04), ("none", 0.03)])
def test_tol_row_matches_fixed_budget_of_its_stage(kernel, tol):
    explainer, exp = at_stages(kernel, tol)
    evaluations = exp.extras["evaluations"].array
    assert len(set(evaluations)) > 1
    assert set(evaluations) <= set(STAGES)
    for budget in set(evaluations.tolist()):
        there = evaluations == budget
        used = kernel if budget == max(STAGES) else "none"  # a row's own kernel is learned in the last stage
        same = fitted(tangled, WIDE[20:40], budget=budget, kernel=used, background="all").explain(WIDE[:12])
        np.testing.assert_array_equal(exp.values[there], same.values[there])
        # Errors lean on pilot rows: kernel="row" has none, others have as many coalitions as the budget.
        np.testing.assert_allclose(exp.std_errors[there], same.std_errors[there], rtol=6e-2)
    assert exp.n_model_rows < explainer.cost(WIDE[:12])


@pytest.mark.parametrize(("kernel", "tol"), [("pooled", 0.07), ("row", 0.07), ("none", 0.12)])
def test_larger_budget_leaves_rows_that_stop_as_they_are(kernel, tol):
    _, large = at_stages(kernel, tol)
    small = fitted(tangled, WIDE[20:40], budget=108, tol=tol, kernel=kernel, background="all")
    small = small.explain(WIDE[:12])
    there = large.extras["evaluations"].array < 108
    assert there.any()
    assert not there.all()
    np.testing.assert_array_equal(small.values[there], large.values[there])
    np.testing.assert_array_equal(small.std_errors[there], large.std_errors[there])
    assert (small.extras["evaluations"].array[~there] == 108).all()


@pytest.mark.parametrize(("kernel", "tol"), [("pooled", 0.01), ("row", 0.03), ("none", 0.03)])
def test_tol_stops_rows_below_it_and_forecasts_others(kernel, tol):
    _, exp = at_stages(kernel, tol)
    evaluations, forecast = exp.extras["evaluations"].array, exp.extras["forecast"].array
    of_coalitions = [exp.extras[key].array for key in ("coalition_std_errors", "degrees_of_freedom")]
    largest, dof = of_coalitions[0].max(axis=1), np.median(of_coalitions[1], axis=1)
    looks = np.array([STAGES.index(n) + 1 for n in evaluations])[:, None]
    halves = largest * student.ppf(1 - 0.025 / 2.0**looks, dof)
    ranges = exp.values.max(axis=1, initial=0.0) - exp.values.min(axis=1, initial=0.0)
    errors = (halves / 1.959964 / ranges).max(axis=1)
    within = errors <= tol
    assert within.any()
    assert (evaluations[~within] == 400).all()
    np.testing.assert_array_equal(forecast[within], evaluations[within])
    np.testing.assert_allclose(forecast[~within], np.minimum(512, 400 * (errors[~within] / tol) ** 2), atol=1)


def test_tol_out_of_reach_takes_budget_and_forecast():
    _, exp = at_stages("none", 1e-6)
    assert (exp.extras["evaluations"].array == 400).all()
    assert (exp.extras["forecast"].array == 512).all()  # all coalitions


def test_tol_ignores_background_std_errors():
    explainer = fitted(lambda X: X @ np.arange(9.0), WIDE, budget=64, tol=0.1, background_size=5)
    exp = explainer.explain(WIDE[:4])
    assert (exp.extras["evaluations"].array == 32).all()
    assert (exp.extras["background_std_errors"].array > 0).any()


@pytest.mark.parametrize("n_alike", [1, 5])
def test_tol_equal_rows_stop_at_same_stage(n_alike):
    explainer, exp = at_stages("none", 0.05)
    again = explainer.explain(np.repeat(WIDE[:12], n_alike, axis=0)[::-1])
    np.testing.assert_array_equal(again.values[::-1][::n_alike], exp.values)
    np.testing.assert_array_equal(
        again.extras["evaluations"].array[::-1][::n_alike], exp.extras["evaluations"].array
    )
    assert again.n_model_rows == exp.n_model_rows


def test_tol_rows_of_few_players_are_exact():
    seen = WIDE[20:24].copy()
    seen[:, 3:] = seen[0, 3:]
    X = np.vstack([np.where(np.arange(9) < 3, WIDE[0], seen[0]), WIDE[1]])
    exp = fitted(tangled, seen, budget=64, tol=0.5, background="all").explain(X)
    assert exp.extras["evaluations"].array[0] == exp.extras["forecast"].array[0] == 8
    assert exp.extras["evaluations"].array[1] < 64
    np.testing.assert_array_equal(exp.extras["coalition_std_errors"].array[0], 0.0)


# The default.


def test_default_takes_few_looks_and_keeps_its_tolerance():
    explainer = fitted(tangled, WIDE[20:40], background="all")
    exp = explainer.explain(WIDE[:12])
    truth = fitted(tangled, WIDE[20:40], tol=None, background="all").explain(WIDE[:12])
    assert (explainer.kernel_, explainer.budget_) == ("pooled", 512)
    assert 32 <= explainer.expected_evaluations_ <= 512
    assert set(exp.extras["evaluations"].array) <= {*STAGES[:6], 512}
    assert exp.n_model_rows < 0.5 * truth.n_model_rows
    assert explainer.cost(WIDE[:12]) >= truth.n_model_rows  # at most
    ranges = truth.values.max(axis=1, initial=0.0) - truth.values.min(axis=1, initial=0.0)
    assert (np.abs(exp.values - truth.values).max(axis=1) <= 1.96 * 0.1 * ranges).all()
    np.testing.assert_allclose(exp.values.sum(axis=1), exp.outputs - exp.base_values, rtol=0, atol=1e-12)


def test_default_row_is_independent_of_other_rows_and_reproducible():
    explainer = fitted(tangled, WIDE[20:40])
    exp, again = explainer.explain(WIDE[:12]), fitted(tangled, WIDE[20:40]).explain(WIDE[:12])
    np.testing.assert_array_equal(exp.values, again.values)
    for row in (0, 5, 11):
        alone = explainer.explain(WIDE[row : row + 1])
        np.testing.assert_allclose(alone.values[0], exp.values[row], rtol=0, atol=1e-13)
        assert alone.extras["evaluations"].array[0] == exp.extras["evaluations"].array[row]


def test_default_is_exact_where_no_tolerance_is_met_before():
    def parity(X):  # interactions of all players: nothing is learned before everything is known
        return np.prod(np.where(np.asarray(X) > 0.5, 1.0, -1.0), axis=1)

    zeros, ones = np.zeros((8, 7)), np.ones((1, 7))
    exp = fitted(parity, zeros).explain(ones)
    assert exp.extras["evaluations"].array.tolist() == [128]
    np.testing.assert_allclose(exp.values[0], 2.0 / 7.0, atol=1e-14)
    np.testing.assert_array_equal(exp.extras["coalition_std_errors"].array, 0.0)


def test_default_stops_a_row_by_all_outputs_whichever_are_explained():
    def two_outputs(X):
        X = np.asarray(X)
        return np.column_stack([X.sum(axis=1), np.where(X > 0.5, 1.0, -1.0).prod(axis=1)])

    explainer = fitted(two_outputs, WIDE[20:40], background="all")
    both, first = explainer.explain(WIDE[:3]), explainer.explain(WIDE[:3], outputs=0)
    assert (both.extras["evaluations"].array > 32).all()  # for the product
    np.testing.assert_array_equal(first.extras["evaluations"].array, both.extras["evaluations"].array)
    np.testing.assert_array_equal(first.values, both.values[..., :1])


@pytest.mark.parametrize("tol", [0, -0.1, "none", np.nan])
def test_tol_that_is_no_tolerance_is_refused(tol):
    with pytest.raises(ValueError, match="The 'tol' parameter of KernelShapExplainer"):
        fitted(tangled, WIDE, tol=tol)


# Kernels.


@pytest.mark.parametrize(
    ("n_players", "n_rows", "budget", "kernel"),
    [
        (9, 8, 512, "exact"),
        (9, 8, 511, "pooled"),
        (9, 7, 511, "row"),
        (14, 7, 514, "row"),
        (14, 7, 8194, "row"),
        (14, 8, 516, "pooled"),
        (14, 8, 4098, "pooled"),
        (14, 8, 4100, "row"),
        (14, 7, 8196, "row"),
    ],
)
def test_kernel_auto_by_players_rows_and_budget(n_players, n_rows, budget, kernel):
    X = np.random.default_rng(0).normal(size=(n_rows, n_players))
    assert fitted(lambda X: X[:, 0], X, budget=budget, background_size=1).kernel_ == kernel


@pytest.mark.parametrize("kernel", ["pooled", "row", "none"])
def test_kernel_parameter_is_used(kernel):
    explainer = fitted(tangled, WIDE[:3], budget=64, kernel=kernel)
    used = explainer.explain(WIDE[3:4]).extras["kernel"]
    assert explainer.kernel_ == (used.array[0] if kernel == "row" else used) == kernel
    assert fitted(tangled, WIDE[:3], tol=None, kernel=kernel).kernel_ == "exact"


def test_kernels_give_different_values():
    actual = [fitted(tangled, WIDE, budget=64, kernel=kernel).explain(WIDE[:3]).values for kernel in
             ("pooled", "row", "none")]  # fmt: skip
    assert np.abs(actual[0] - actual[1]).max() > 1e-6
    assert np.abs(actual[1] - actual[2]).max() > 1e-6
    assert np.abs(actual[0] - actual[2]).max() > 1e-6


def test_budget_of_all_pairs_but_one_is_sampled():
    n = count_pairs(9)
    exp = fitted(tangled, WIDE, budget=2 * n + 1, background_size=3).explain(WIDE[:3])
    assert (exp.extras["evaluations"].array == 2 * n).all()
    truth = fitted(tangled, WIDE, tol=None, background_size=3).explain(WIDE[:3])
    np.testing.assert_allclose(exp.values, truth.values, rtol=0, atol=1e-3)
    assert np.abs(exp.values - truth.values).max() > 1e-12
