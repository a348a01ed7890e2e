"""Values of KernelShapExplainer against plain loops, shap's trees and closed forms; links; bad input."""

import itertools
import re
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from agnostix import KernelShapExplainer
from agnostix.core.masking import Features, TabularMasker
from agnostix.exceptions import DataError
from tests.messages import refuses, states
from tests.reference import shapley as ref

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(40, 5))
KERNELS = ["auto", "pooled", "row", "none"]


def explained(model, X, seen=None, weight=None, **params):
    """Fitted on `seen`, by default on X itself, and explained on X."""
    explainer = KernelShapExplainer(model, random_state=0, **params)
    return explainer.fit(X if seen is None else seen, None, weight).explain(X)


def curved(X):
    """Three outputs with interactions, each row's by itself to the last bit."""
    X = np.asarray(X, dtype=float)
    first = X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3] ** 2
    return np.stack([first, np.sin(X[:, 0] + X[:, 4]) * X[:, 3], X[:, 1] - np.abs(X[:, 2] * X[:, 4])], axis=1)


def chances(X):
    """Probabilities of two classes, each row's by itself to the last bit."""
    X = np.asarray(X, dtype=float)
    p = expit(X[:, 0] * X[:, 1] - X[:, 2] + 0.5 * X[:, 3])
    return np.stack([1.0 - p, p], axis=1)


def labeled(age, job, level, member, since):
    """Two outputs of columns of every type, with interactions of three."""
    pay = {"clerk": 1.0, "farmer": 2.5, None: -1.0}[job] * (1.0 + member)
    rank = {"low": 0.0, "high": 3.0, None: 0.5}[level]
    year = 0.0 if since is None else since.year - 2020
    return [pay * (0.5 if age is None else age / 40.0) + rank * member, year * rank + pay]


def people(n, seed):
    """Rows of labeled's arguments, with values missing."""
    rng = np.random.default_rng(seed)
    choices = ["clerk", "farmer", None], ["low", "high", None], [False, True], [date(2019, 5, 1), None]
    ages = [
        None if gone else float(age)
        for age, gone in zip(rng.integers(20, 60, n), rng.random(n) < 0.3, strict=True)
    ]
    return [[age, *(pool[rng.integers(len(pool))] for pool in choices)] for age in ages]


COLUMNS = ["age", "job", "level", "member", "since"]


def pandas_frame(rows):
    frame = pd.DataFrame(rows, columns=COLUMNS)
    types = {"age": float, "level": pd.CategoricalDtype(["low", "high"]), "member": bool}
    return frame.astype(types | {"since": "datetime64[ns]"})


def polars_frame(rows):
    types = [pl.Float64, pl.String, pl.Enum(["low", "high"]), pl.Boolean, pl.Date]
    return pl.DataFrame(rows, schema=dict(zip(COLUMNS, types, strict=True)), orient="row")


def predict_pandas(X):
    pd.testing.assert_series_equal(X.dtypes, pandas_frame(people(3, 0)).dtypes)
    rows = X.astype(object).where(X.notna(), None).to_numpy()
    return [labeled(*row) for row in rows]


def predict_polars(X):
    assert X.schema == polars_frame([]).schema
    return [labeled(*row) for row in X.rows()]


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("groups", [None, {"some": ["x3", "x0"]}], ids=["columns", "groups"])
def test_exact_values_match_loop(weighted, groups):
    weight = np.random.default_rng(1).uniform(0.1, 5.0, 40) if weighted else None
    exp = explained(curved, ROWS, weight=weight, background="all", feature_groups=groups)
    places = None if groups is None else [[3, 0], [1], [2], [4]]
    for i in range(0, 40, 13):
        predictions = ref.masked_predictions(lambda rows: curved(np.array(rows)), ROWS[i], ROWS, places)
        np.testing.assert_allclose(exp.values[i], ref.masked_values(predictions, weight), rtol=0, atol=1e-13)
        np.testing.assert_array_equal(exp.outputs[i], curved(ROWS[[i]])[0])
        base = np.average(curved(ROWS), axis=0, weights=weight)
        np.testing.assert_allclose(exp.base_values[i], base, rtol=0, atol=1e-14)
    assert exp.feature_names == (("some", "x1", "x2", "x4") if groups else ("x0", "x1", "x2", "x3", "x4"))
    np.testing.assert_array_equal(exp.std_errors, 0.0)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("groups", [None, {"person": ["age", "member"]}], ids=["columns", "groups"])
@pytest.mark.parametrize(
    ("frame", "model"),
    [(pandas_frame, predict_pandas), (polars_frame, predict_polars)],
    ids=["pandas", "polars"],
)
def test_exact_values_of_mixed_frames_match_loop(frame, model, groups, weighted):
    seen, rows = people(12, 1), people(4, 2)
    weight = np.arange(1.0, 13.0) if weighted else None
    explainer = KernelShapExplainer(model, background="all", feature_groups=groups)
    exp = explainer.fit(frame(seen), None, weight).explain(frame(rows))
    places = None if groups is None else [[0, 3], [1], [2], [4]]
    for i, row in enumerate(rows):
        predictions = ref.masked_predictions(
            lambda mixed: [labeled(*one) for one in mixed], row, seen, places
        )
        np.testing.assert_allclose(exp.values[i], ref.masked_values(predictions, weight), rtol=0, atol=1e-13)
    assert exp.n_model_rows < 4 * 2 ** (4 if groups else 5) * 12


def test_exact_values_with_sampled_background_match_loop():
    explainer = KernelShapExplainer(curved, background="sample", background_size=7, random_state=0)
    exp = explainer.fit(ROWS).explain(ROWS[:2])
    predictions = ref.masked_predictions(lambda rows: curved(np.array(rows)), ROWS[1], explainer.background_)
    np.testing.assert_allclose(exp.values[1], ref.masked_values(predictions), rtol=0, atol=1e-13)
    assert explainer.background_.shape == (7, 5)


def test_custom_masker_brings_its_background():
    masker = TabularMasker(
        ROWS[:6], np.arange(1.0, 7.0) / 21.0, Features.from_names([f"x{j}" for j in range(5)])
    )
    exp = explained(curved, ROWS[20:23], seen=ROWS, masker=masker)
    same = explained(curved, ROWS[20:23], seen=ROWS[:6], weight=np.arange(1.0, 7.0), background="all")
    np.testing.assert_array_equal(exp.values, same.values)
    np.testing.assert_array_equal(exp.std_errors, 0.0)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_exact_values_match_shap_tree_explainer(task):
    shap = pytest.importorskip("shap", reason="shap is not installed")
    X = np.random.default_rng(3).integers(0, 6, (150, 6)).astype(float)  # exact in single precision
    y = X[:, 0] * X[:, 1] - X[:, 2] * (X[:, 3] > 2) + X[:, 4]
    if task == "regression":
        model = RandomForestRegressor(8, max_depth=5, random_state=0).fit(X, y)
    else:
        model = RandomForestClassifier(8, max_depth=5, random_state=0).fit(X, np.digitize(y, [0, 8]))
    reference = shap.TreeExplainer(model, data=X[:30], feature_perturbation="interventional").shap_values(
        X[40:48]
    )
    exp = explained(model, X[40:48], seen=X[:30], background="all")
    np.testing.assert_allclose(exp.values, reference.reshape(exp.values.shape), rtol=0, atol=1e-6)
    assert np.abs(reference).max() > 0.05


def of_game(game):
    """A model whose prediction for a row of zeros and ones is the value of the coalition of its ones."""
    return lambda X: np.array([game(frozenset(np.flatnonzero(row).tolist())) for row in np.asarray(X)])


def explain_game(game, d, **params):
    """The explanation of the row of ones before that of zeros."""
    return explained(of_game(game), np.ones((1, d)), seen=np.zeros((1, d)), background="all", **params)


def spread_equally(players, d, total=1.0):
    values = np.zeros(d)
    values[list(players)] = total / len(players)
    return values


GAMES = {
    "unanimity": (ref.unanimity({0, 2, 3}), spread_equally({0, 2, 3}, 7)),
    "gloves": (ref.glove, np.array([2 / 3, 1 / 6, 1 / 6, 0.0, 0.0, 0.0, 0.0])),
    "airport": (ref.airport([1, 2, 2.5, 4, 7, 7.5, 9]), ref.airport_values([1, 2, 2.5, 4, 7, 7.5, 9])),
    "even character": (ref.character({0, 2, 3, 5}), np.zeros(7)),
    "odd character": (ref.character({1, 4, 6}), spread_equally({1, 4, 6}, 7, -2.0)),
    "leaf": (ref.leaf({0, 3}, {1}), ref.leaf_values({0, 3}, {1}, 7)),
    "everyone": (ref.unanimity(set(range(7))), np.full(7, 1 / 7)),
}


@pytest.mark.parametrize(("game", "values"), GAMES.values(), ids=GAMES)
def test_exact_values_match_closed_forms(game, values):
    exp = explain_game(game, 7, tol=None)
    np.testing.assert_allclose(exp.values[0, :, 0], values, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    assert exp.extras["evaluations"].array.tolist() == [128]


@pytest.mark.parametrize("kernel", ["row", "none"])
@pytest.mark.parametrize(("game", "values"), GAMES.values(), ids=GAMES)
def test_sampled_values_within_std_errors_of_closed_forms(game, values, kernel):
    exp = explain_game(game, 7, budget=80, kernel=kernel)
    away = np.abs(exp.values[0, :, 0] - values)
    assert away.max() <= 0.25 * np.abs(values).max() + 1e-12
    assert (away <= 5.0 * exp.std_errors[0, :, 0] + 1e-14).all()
    assert (exp.std_errors > 0).all()
    assert exp.std_errors.max() <= max(np.abs(values).max(), 0.1)


def test_sampled_values_of_even_interactions_are_zero():
    exp = explain_game(ref.character({0, 2, 3, 5}), 7, budget=16)
    np.testing.assert_allclose(exp.values, 0.0, atol=1e-14)


@pytest.mark.parametrize("budget", ["auto", 14])
def test_values_of_product_on_zeros_are_equal(budget):
    row = np.array([[2.0, -3.0, 0.5, 7.0, 1.5, 4.0]])
    exp = explained(lambda X: X.prod(axis=1), row, seen=np.zeros((1, 6)), background="all", budget=budget)
    bound = 1e-13 if budget == "auto" else 5.0 * exp.std_errors.max()
    np.testing.assert_allclose(exp.values, row.prod() / 6, rtol=0, atol=bound)
    np.testing.assert_allclose(exp.values.sum(), row.prod(), rtol=1e-13)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [3, 4, 9, 13])
def test_least_budget_is_exact_up_to_pairwise_interactions(d, kernel):
    rng = np.random.default_rng(d)
    X, w = rng.normal(size=(12, d)), rng.normal(size=d)
    pairs = [(i, j, rng.normal()) for i, j in itertools.combinations(range(d), 2)]

    def model(X):
        twos = sum(c * X[:, i] * X[:, j] for i, j, c in pairs)
        return np.stack([X @ w, np.sin(X).sum(axis=1), twos], axis=1)

    exp = explained(model, X, background="all", budget=min(2 * d + 2, 2**d), kernel=kernel)
    middle = X.mean(axis=0)
    np.testing.assert_allclose(exp.values[:, :, 0], w * (X - middle), rtol=0, atol=1e-10)
    np.testing.assert_allclose(exp.values[:, :, 1], np.sin(X) - np.sin(X).mean(axis=0), rtol=0, atol=1e-10)
    expected = np.zeros_like(X)
    for i, j, c in pairs:  # half of the gain alone and half of the gain last, averaged over the background
        both, cross = X[:, i] * X[:, j], (X[:, i] * X[:, j]).mean()
        with_i, with_j = X[:, i] * middle[j], middle[i] * X[:, j]
        expected[:, i] += c * (with_i - cross + both - with_j) / 2.0
        expected[:, j] += c * (with_j - cross + both - with_i) / 2.0
    np.testing.assert_allclose(exp.values[:, :, 2], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("budget", ["auto", 12])
def test_logit_link_of_logistic_regression_is_linear(budget):
    y = (ROWS[:, 0] - ROWS[:, 1] + 0.3 * ROWS[:, 2] > 0).astype(int)
    model = LogisticRegression().fit(ROWS, y)
    exp = explained(model, ROWS[:9], seen=ROWS[[20]], background="all", link="logit", budget=budget)
    values = model.coef_[0] * (ROWS[:9] - ROWS[20])
    np.testing.assert_allclose(exp.values[:, :, 1], values, rtol=0, atol=1e-10)
    np.testing.assert_allclose(exp.values[:, :, 0], -values, rtol=0, atol=1e-10)
    np.testing.assert_allclose(exp.outputs[:, 1], model.decision_function(ROWS[:9]), rtol=0, atol=1e-10)
    np.testing.assert_allclose(exp.extras["raw_outputs"].array, model.predict_proba(ROWS[:9]), rtol=1e-13)


def test_logit_link_is_applied_to_mean_prediction():
    explainer = KernelShapExplainer(chances, background="all", link="logit").fit(ROWS)
    exp = explainer.explain(ROWS[:3])
    predictions = ref.masked_predictions(lambda rows: chances(np.array(rows)), ROWS[2], ROWS)
    np.testing.assert_allclose(exp.values[2], ref.masked_values(predictions, None, logit), rtol=0, atol=1e-12)
    np.testing.assert_allclose(exp.base_values[0], logit(chances(ROWS).mean(axis=0)), rtol=1e-13)
    np.testing.assert_allclose(explainer.base_values_, chances(ROWS).mean(axis=0), rtol=1e-13)


def test_identity_link_has_no_raw_outputs():
    assert "raw_outputs" not in explained(chances, ROWS[:2], seen=ROWS).extras


def test_logit_link_refuses_mean_prediction_of_1():
    X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    explainer = KernelShapExplainer(lambda X: X[:, 0], link="logit", background="all").fit(X)
    with refuses(DataError, "link='logit'", "between 0 and 1", "got 1.", "link='identity'"):
        explainer.explain(X[1:2])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("budget", ["auto", 40])
def test_values_of_probabilities_sum_to_zero_over_classes(kernel, budget):
    X = np.random.default_rng(5).normal(size=(60, 8))
    model = LogisticRegression().fit(X, np.digitize(X[:, 0] * X[:, 1] + X[:, 2], [-1.0, 0.5]))
    exp = explained(model, X[:9], seen=X, budget=budget, kernel=kernel, background_size=15)
    np.testing.assert_allclose(exp.values.sum(axis=2), 0.0, atol=1e-13)
    assert exp.values.shape == (9, 8, 3)
    assert np.abs(exp.values).max() > 0.1


@pytest.mark.parametrize(
    ("groups", "facts"),
    [
        ({"g": ["x0", "x9"]}, ["group 'g'", "column 'x9'", "not there", "x0, x1, x2, x3, x4"]),
        ({"g": ["x0"], "h": ["x1", "x0"]}, ["column 'x0'", "two groups", "'g' and 'h'"]),
        ({"g": ["x0", "x0"]}, ["group 'g'", "column 'x0' twice"]),
        ({"g": []}, ["group 'g'", "list of columns", "got []"]),
    ],
)
def test_feature_groups_refused_if_unknown_repeated_or_empty(groups, facts):
    with refuses(DataError, "feature_groups", *facts):
        explained(curved, ROWS, feature_groups=groups)


@pytest.mark.parametrize(("n_players", "least"), [(2, 4), (3, 8), (4, 10), (5, 12)])
def test_budget_too_small_error_states_least_budget(n_players, least):
    X = ROWS[:, :n_players]
    numbers = f"at least {least}", f"{n_players} features", f"got {least - 1}"
    with refuses(
        DataError, "'budget' parameter of KernelShapExplainer", "'auto'", *numbers, "feature_groups"
    ):
        KernelShapExplainer(lambda X: X.prod(axis=1), budget=least - 1).fit(X)
    exp = explained(lambda X: X.prod(axis=1), X, budget=least)
    assert (exp.extras["evaluations"].array == least).all()


def test_feature_groups_lower_least_budget():
    groups = {"a": ["x0", "x1"], "b": ["x2", "x3"]}
    exp = explained(curved, ROWS[:2], seen=ROWS, budget=8, feature_groups=groups, background="all")
    assert exp.extras["evaluations"].array.tolist() == [8, 8]
    np.testing.assert_array_equal(exp.std_errors, 0.0)


@pytest.mark.parametrize("budget", [2, "auto"])
def test_single_player_gets_whole_difference(budget):
    exp = explained(lambda X: X[:, 0] ** 2, ROWS[:, :1], budget=budget, background="all")
    squares = ROWS[:, 0] ** 2
    np.testing.assert_allclose(exp.values[:, 0, 0], squares - squares.mean(), rtol=0, atol=1e-14)


def test_fit_refuses_table_without_rows():
    with refuses(DataError, "X", "at least one row", "got shape (0, 5)"):
        KernelShapExplainer(curved).fit(ROWS[:0])


@pytest.mark.parametrize("background", ["sample", "all", "medoids"])
def test_fit_refuses_background_of_zero_weight(background):
    with refuses(DataError, "sample_weight", "zero for all", "40 rows"):
        explained(curved, ROWS, weight=np.zeros(40), background=background)


def test_explain_and_cost_refuse_missing_column():
    frame = pd.DataFrame(ROWS, columns=list("abcde"))
    explainer = KernelShapExplainer(curved, background_size=5).fit(frame)
    for call in (explainer.explain, explainer.cost):
        with refuses(DataError, "X", "columns", "(a, b, c, d, e)", "lacks e"):
            call(frame[list("abcd")])


def test_unseen_label_is_passed_to_model():
    def model(X):
        return (X["a"] == "new").to_numpy().astype(float) * (1.0 + X["b"].to_numpy())

    seen = pd.DataFrame({"a": ["old", "older"], "b": [0.0, 2.0]})
    exp = explained(model, pd.DataFrame({"a": ["new"], "b": [1.0]}), seen=seen, background="all")
    np.testing.assert_allclose(exp.values[0, :, 0], [2.0, 0.0], atol=1e-15)


class Moody:
    """A model whose predictions rise with each call."""

    def __init__(self):
        self.n_calls = 0

    def __call__(self, X):
        self.n_calls += 1
        return X[:, 0] + 0.25 * self.n_calls


def test_fit_warns_of_nondeterministic_model():
    facts = ["model Moody", "not deterministic", "up to 0.5", "standard errors"]
    with pytest.warns(UserWarning, match=states(*facts)):
        KernelShapExplainer(Moody(), background_size=5).fit(ROWS)


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"budget": 1}, ["'auto'", "an int in the range [2, inf)", "Got 1"]),
        ({"budget": 40.0}, ["'auto'", "an int in the range [2, inf)", "Got 40.0"]),
        ({"tol": 0.0}, ["a float in the range (0.0, inf)", "None", "Got 0.0"]),
        ({"background_size": 0}, ["an int in the range [1, inf)", "Got 0"]),
        ({"feature_groups": ["x0"]}, ["'dict'", "None", "Got ['x0']"]),
    ],
)
def test_fit_refuses_parameter_of_wrong_kind(params, facts):
    (name,) = params
    with refuses(ValueError, f"{name!r} parameter of KernelShapExplainer", *facts):
        explained(curved, ROWS, **params)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("kernel", {"auto", "pooled", "row", "none"}),
        ("link", {"identity", "logit"}),
        ("background", {"representative", "sample", "medoids", "all"}),
    ],
)
def test_fit_refuses_unknown_option(name, allowed):
    with refuses(ValueError, f"'{name}' parameter of KernelShapExplainer", "Got 'mean'") as error:
        explained(curved, ROWS, **{name: "mean"})
    assert set(re.findall(r"'(\w+)'", re.search(r"\{(.*)\}", str(error.value))[1])) == allowed


# Axioms, over random games on tables of zeros and ones.


@st.composite
def table_games(draw):
    """A player count, a background and a model that looks up whole-number values."""
    d = draw(st.integers(2, 5))
    seed, n = draw(st.integers(0, 10_000)), draw(st.integers(1, 4))
    rng = np.random.default_rng(seed)
    return d, rng.integers(0, 2, (n, d)).astype(float), rng.integers(-4, 5, (2**d, 2)).astype(float)


def looked_up(table):
    return lambda X: table[(np.asarray(X) @ 2 ** np.arange(X.shape[1])).astype(int)]


@given(table_games(), st.sampled_from(["auto", "least"]))
def test_values_are_additive_and_linear_in_model(case, budget):
    d, background, table = case
    budget = "auto" if budget == "auto" else min(2 * d + 2, 2**d)
    third = np.column_stack([table, 2.0 * table[:, 0] - 3.0 * table[:, 1]])
    exp = explained(looked_up(third), np.ones((1, d)), seen=background, background="all", budget=budget)
    np.testing.assert_allclose(exp.values.sum(axis=1), exp.outputs - exp.base_values, atol=1e-12)
    np.testing.assert_array_equal(exp.outputs[0], third[-1])
    np.testing.assert_allclose(
        exp.values[..., 2], 2.0 * exp.values[..., 0] - 3.0 * exp.values[..., 1], atol=1e-11
    )


@given(table_games())
def test_values_are_symmetric_and_null_players_get_zero(case):
    d, background, table = case
    background[:, 1] = background[:, 0]  # so that the first two have equal background values

    def model(X):
        alike = np.asarray(X).copy()
        alike[:, 0], alike[:, 1] = X[:, 0] * X[:, 1], X[:, 0] + X[:, 1] > 0
        alike[:, 2:3] = 0.0
        return looked_up(table)(alike)

    exp = explained(model, np.ones((1, d)), seen=background, background="all")
    np.testing.assert_allclose(exp.values[:, 0], exp.values[:, 1], atol=1e-13)
    np.testing.assert_allclose(exp.values[:, 2:3], 0.0, atol=1e-13)
