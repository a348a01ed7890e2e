import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_t, norm
from scipy.stats import t as student

from agnostix import EntropicProjection
from agnostix.what_if.inference.bands import student_level


def independent(n, degrees, level=0.95, of_errors=None):
    return student_level(np.eye(n), np.eye(n) if of_errors is None else of_errors, np.full(n, degrees), level)


def test_of_independent_student_variables_each_takes_its_share():
    for n, degrees in ((3, 4.0), (10, 8.0), (10, np.inf)):
        assert 1.0 - independent(n, degrees) == pytest.approx(1.0 - 0.95 ** (1.0 / n), rel=0.2)


def test_errors_from_the_same_rows_are_those_of_the_multivariate_t():
    n, degrees = 5, 4.0
    correlation = np.full((n, n), 0.5) + 0.5 * np.eye(n)
    level = student_level(correlation, np.ones((n, n)), np.full(n, degrees), 0.95)
    draws = multivariate_t(np.zeros(n), correlation, df=degrees, seed=0).rvs(200_000)
    half = student(degrees).ppf(0.5 + 0.5 * level)
    assert (np.abs(draws) < half).all(1).mean() == pytest.approx(0.95, abs=0.006)
    assert level < independent(n, degrees)


def test_never_beyond_bonferroni_nor_below_one_interval():
    for degrees in (1.0, 3.0, 50.0, np.inf):
        for of_errors in (np.eye(4), np.ones((4, 4))):
            assert 0.95 <= independent(4, degrees, of_errors=of_errors) <= 1.0 - 0.05 / 4
    assert independent(1, 3.0) == 0.95


def halves(frame, level=False):
    half = 0.5 * (frame["change_high"] - frame["change_low"]) / frame["std_error"]
    return 2.0 * norm.cdf(half) - 1.0 if level else half.to_numpy()


def tables(n=2_000, k=6, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    X = pd.DataFrame({f"x{j}": shared + 0.1 * rng.normal(size=n) for j in range(k)})
    return X, shared + rng.normal(size=n)


def test_columns_that_move_together_need_little_more_than_one():
    X, y = tables()
    alike = EntropicProjection().fit(X, predictions=y).rank()
    apart = pd.DataFrame(np.random.default_rng(1).normal(size=X.shape), columns=X.columns)
    others = EntropicProjection().fit(apart, predictions=y).rank()
    assert halves(alike).max() < halves(others).min()
    alone = EntropicProjection().fit(X, predictions=y).rank(simultaneous=False)
    assert (halves(alike) > halves(alone)).all()


@pytest.mark.parametrize("groups", [False, True])
def test_the_level_is_the_same_for_any_order_of_rows(groups):
    X, y = tables(600, 4)
    X["x0"] = np.where(X["x1"] > 1.0, np.nan, X["x0"])
    X["sex"] = np.where(np.arange(600) % 3 == 0, "a", "b")
    ids = np.arange(600) // 2 if groups else None
    order = np.random.default_rng(2).permutation(600)
    options = {"metric": ["prediction", "mean_absolute_error"], "by": "sex"}
    one = EntropicProjection(missing="omit").fit(X, y + 0.1, predictions=y, groups=ids)
    own = EntropicProjection(missing="omit").fit(
        X.iloc[order], (y + 0.1)[order], predictions=y[order], groups=None if ids is None else ids[order]
    )
    first, second = (each.rank(**options) for each in (one, own))
    numbers = ["change", "change_low", "change_high"]
    np.testing.assert_allclose(first[numbers], second[numbers], rtol=1e-9, atol=1e-12)


def test_a_metric_without_known_derivative_is_apart_from_the_others():
    X, y = tables(300, 2)

    def largest(y_true, y_pred, sample_weight):
        return float(np.average(np.abs(y_true - y_pred) > 1.0, weights=sample_weight))

    frame = (
        EntropicProjection()
        .fit(X, y + np.random.default_rng(0).normal(size=300), predictions=y)
        .rank(metric=["prediction", largest])
    )
    assert np.isfinite(frame["change_low"]).all()
