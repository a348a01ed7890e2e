"""Both parts of the standard errors of KernelShapExplainer, and what rows share of them."""

import numpy as np
import pytest
from scipy.special import expit, logit

from agnostix import KernelShapExplainer
from agnostix.core.intervals import half_widths
from tests.jackknife import jackknifed
from tests.reference import shapley as ref

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 5))


def curved(X):
    """Three outputs with interactions of two and of three."""
    first = X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3] ** 2
    return np.stack([first, np.sin(X[:, 0] + X[:, 4]) * X[:, 3], X[:, 1] - np.abs(X[:, 2] * X[:, 4])], axis=1)


def chances(X):
    return expit(X[:, 0] * X[:, 1] - X[:, 2] + 0.5 * X[:, 3])


def two_classes(X):
    return np.stack([1.0 - chances(X), chances(X)], axis=1)


def fitted(model, seen, **params):
    params = {"background": "sample", "random_state": 0} | params
    return KernelShapExplainer(model, **params).fit(seen)


@pytest.mark.parametrize(
    "params",
    [
        {"background": "all"},
        {"background": "medoids", "background_size": 30},
        {"background": "representative", "background_size": 30},
        {"background_size": 30},
    ],
)
def test_coalition_std_errors_are_zero_for_all_coalitions(params):
    exp = fitted(curved, ROWS, **params).explain(ROWS[:3])
    np.testing.assert_array_equal(exp.extras["coalition_std_errors"].array, 0.0)
    of_background = exp.extras["background_std_errors"].array
    np.testing.assert_array_equal(exp.std_errors, of_background)
    assert (of_background > 0).any() == ("background_size" in params)


@pytest.mark.parametrize("background", ["all", "sample", "representative"])
@pytest.mark.parametrize("link", ["identity", "logit"])
def test_background_std_errors_are_zero_for_all_rows(background, link):
    explainer = fitted(chances, ROWS[:50], background=background, budget=12, link=link, background_size=50)
    exp = explainer.explain(ROWS[50:60])
    np.testing.assert_array_equal(exp.extras["background_std_errors"].array, 0.0)
    np.testing.assert_array_equal(exp.std_errors, exp.extras["coalition_std_errors"].array)
    assert (exp.std_errors > 0).all()


@pytest.mark.parametrize("background", ["medoids", "sample", "representative"])
def test_std_errors_of_one_background_row_of_many_are_unknown(background):
    exp = fitted(curved, ROWS, background=background, background_size=1).explain(ROWS[:3])
    assert np.isnan(exp.std_errors).all()
    assert np.isnan(exp.extras["base_value_std_errors"].array).all()


@pytest.mark.parametrize("background", ["all", "medoids", "sample", "representative"])
def test_std_errors_are_zero_for_background_of_the_only_row(background):
    exp = fitted(curved, ROWS[:1], background=background).explain(ROWS[1:3])
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    assert exp.extras["background_size"] == 1


@pytest.mark.parametrize("link", ["identity", "logit"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_background_std_errors_match_jackknife(link, weighted):
    weight = np.arange(1.0, 25.0) if weighted else None
    params = {"background": "sample", "background_size": 12, "link": link, "random_state": 0}
    explainer = KernelShapExplainer(chances, **params)
    exp = jackknifed(explainer.fit(ROWS[:24], None, weight), 24).explain(ROWS[30:32])
    drawn = explainer.background_
    own = [int(np.flatnonzero((row == ROWS[:24]).all(axis=1))[0]) for row in drawn]
    weight = None if weight is None else weight[own]
    for i in (0, 1):
        predictions = ref.masked_predictions(lambda rows: chances(np.array(rows)), ROWS[30 + i], drawn)
        variance = ref.background_variance(predictions, weight, logit if link == "logit" else float)
        variance *= 1 - 12 / 24  # drawn without replacement from no more than these
        tolerance = 1e-5 if link == "identity" else 0.05  # log-odds by the delta method
        np.testing.assert_allclose(
            exp.extras["background_std_errors"].array[i] ** 2, variance, rtol=tolerance, atol=1e-12
        )
    np.testing.assert_array_equal(exp.std_errors, exp.extras["background_std_errors"].array)


def test_background_std_errors_finite_if_mean_is_0_without_a_row():
    X = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.5, 1.0]])
    exp = fitted(lambda X: X[:, 0] * X[:, 1], X[:3], link="logit", background_size=2).explain(X[3:])
    assert np.isfinite(exp.std_errors).all()
    assert (exp.extras["background_std_errors"].array > 0.1).all()


@pytest.mark.parametrize("budget", ["auto", 12])
def test_whole_table_has_no_background_error(budget):
    exp = fitted(curved, ROWS[:40], budget=budget, background_size=40).explain(ROWS[50:53])
    np.testing.assert_array_equal(exp.extras["background_std_errors"].array, 0.0)
    np.testing.assert_array_equal(exp.std_errors, exp.extras["coalition_std_errors"].array)
    assert "shared_errors" not in exp.extras
    assert (exp.extras["degrees_of_freedom"].array == np.inf).all() == (budget == "auto")


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_shared_errors_are_components_of_background_errors(link):
    both = fitted(two_classes, ROWS, background_size=30, link=link)
    exp = both.explain(ROWS[:4])
    shared = exp.extras["shared_errors"]
    assert shared.dims == ("row", "feature", "output", "component")
    squares = np.square(shared.array, dtype=float).sum(axis=-1)
    np.testing.assert_allclose(np.sqrt(squares), exp.extras["background_std_errors"], rtol=1e-6)
    one = both.explain(ROWS[:4], outputs=1)
    np.testing.assert_array_equal(one.extras["shared_errors"].array, shared.array[:, :, [1]])


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_errors_of_values_and_base_values_add_up_to_that_of_the_prediction(link):
    """A prediction does not depend on the background: what values lack, the base value has too much."""
    explainer = jackknifed(fitted(chances, ROWS, background_size=30, link=link), 300)
    exp = explainer.explain(ROWS[:4])
    total = exp.extras["shared_errors"].array.sum(axis=1)
    base = exp.extras["base_value_std_errors"].array
    np.testing.assert_allclose(np.sqrt(np.square(total).sum(axis=-1)), base, rtol=1e-5)
    np.testing.assert_array_equal(exp.extras["base_value_degrees_of_freedom"].array, 19.0)  # of 20 groups
    predictions = chances(explainer.background_)
    plain = np.sqrt(np.var(predictions, axis=0, ddof=1) / 30 * (1 - 30 / 300))
    slope = 1.0 if link == "identity" else 1.0 / (predictions.mean(axis=0) * (1 - predictions.mean(axis=0)))
    np.testing.assert_allclose(base[0] / (plain * slope), 1.0, atol=0.5)  # by groups of one or two rows


def test_degrees_of_freedom_are_of_both_parts():
    exp = fitted(curved, ROWS, budget=16, background_size=10).explain(ROWS[:4])
    parts = [exp.extras[f"{part}_std_errors"].array ** 2 for part in ("coalition", "background")]
    alone = fitted(curved, ROWS, budget=16, background="all").explain(ROWS[:4])
    of_coalitions = alone.extras["degrees_of_freedom"].array
    assert np.unique(of_coalitions).size == 1
    dof = exp.extras["degrees_of_freedom"].array
    least = min(9.0, of_coalitions.min() - 2.0)  # other pilots' games, other degrees of freedom
    assert ((least <= dof) & (dof <= 9 + of_coalitions.max() + 2.0)).all()
    low, high = exp.interval(0.9)
    np.testing.assert_allclose((high - low) / 2, half_widths(np.sqrt(sum(parts)), 0.9, dof), rtol=1e-9)


def test_std_errors_add_both_variances():
    exp = fitted(curved, ROWS, budget=12, background_size=30).explain(ROWS[:4])
    of_coalitions, of_background = (
        exp.extras["coalition_std_errors"].array,
        exp.extras["background_std_errors"].array,
    )
    assert (of_coalitions > 0).all()
    assert (of_background > 0).any()
    np.testing.assert_allclose(exp.std_errors**2, of_coalitions**2 + of_background**2, rtol=1e-13)


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_background_std_errors_match_spread_over_backgrounds(link):
    """Rows in groups, since 40 of them are left out two by two; the bounds are those of a factor of 1.35."""
    truth = fitted(chances, ROWS, background="all", link=link).explain(ROWS[:4]).values
    actual = [
        fitted(chances, ROWS, background_size=40, link=link, random_state=seed).explain(ROWS[:4])
        for seed in range(60)
    ]
    spread = np.std([exp.values for exp in actual], axis=0)
    stated = np.sqrt(np.mean([exp.std_errors**2 for exp in actual], axis=0))
    assert 1 / 1.35 < np.median(stated[spread > 0] / spread[spread > 0]) < 1.35
    away = [(exp.values - truth)[:, :4] / exp.std_errors[:, :4] for exp in actual]
    assert np.mean(np.abs(away) < 1.96) > 0.87
