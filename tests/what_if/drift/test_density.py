"""The density ratio and the doubly robust mean."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from agnostix.what_if.drift.density import CovariateShift, DensityRatio
from agnostix.what_if.drift.encoding import Encoded
from agnostix.what_if.drift.rates import RateQuantity
from agnostix.what_if.drift.tables import Side
from agnostix.what_if.table import Table
from tests.reference.drift import robust_mean
from tests.what_if.drift.pairs import people


def side(name, X, loss, weight=None, groups=None):
    table = Table.from_frame(X, weight, [loss], groups=groups)
    loss = loss[table.order]
    quantity = RateQuantity("loss", None, loss, np.ones(loss.size), False)
    return Side.from_table(name, table, quantity, np.empty((loss.size, 0)), np.ones(loss.size, dtype=bool))


def normal_sides(n=800, shift=0.7, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    tables = [pd.DataFrame({"x": rng.normal(m, 1.0, n), "z": rng.normal(size=n)}) for m in (0.0, shift)]
    losses = [X["x"].to_numpy() ** 2 + noise * rng.normal(size=n) for X in tables]
    return [side(name, X, loss) for name, X, loss in zip("AB", tables, losses, strict=True)]


def fit(a, b, max_ratio=20.0, seed=0, n_jobs=None):
    encoded = Encoded.from_sides(list(a.columns), a, b)
    return encoded, DensityRatio.fit(encoded, a, b, max_ratio, seed, n_jobs)


@pytest.fixture(scope="module")
def normal():
    a, b = normal_sides()
    return (a, b, *fit(a, b))


def test_ratio_is_that_of_the_laws(normal):
    a, _, _, ratio = normal
    x = a.columns["x"].values
    truth = np.exp(0.7 * x - 0.7**2 / 2)
    assert a.base @ ratio.values == pytest.approx(1.0)
    assert a.base @ np.abs(ratio.values / truth - 1.0) < 0.2
    assert ratio.clipped == 0
    assert ratio.ess == pytest.approx(1.0 / np.sum((a.base * ratio.values) ** 2))


def test_auc_is_scikit_learn_s_of_held_out_scores(normal):
    a, b, _, ratio = normal
    x = np.r_[a.columns["x"].values, b.columns["x"].values]
    of_x = roc_auc_score(np.r_[np.zeros(a.n_rows), np.ones(b.n_rows)], x)
    assert ratio.auc == pytest.approx(of_x, abs=0.02)


def test_ratio_is_cut_at_max_ratio():
    a, b = normal_sides(n=600, shift=2.0)
    _, free = fit(a, b, 1e9)
    _, cut = fit(a, b, 4.0)
    assert free.clipped == 0
    assert cut.clipped == (free.values > 4.0).sum() > 0
    expected = np.minimum(free.values, 4.0)
    np.testing.assert_allclose(cut.values, expected / (a.base @ expected))


def test_mean_under_covariates_is_b_s_where_the_outcome_is_unchanged(normal):
    a, b, encoded, ratio = normal
    covariates = CovariateShift.fit(encoded, a, b, ratio.values, 0, None)
    error = np.sqrt((covariates.psi_a**2).sum() + (covariates.psi_b**2).sum())
    assert abs(covariates.value - (1.0 + 0.7**2)) < 3 * error
    assert error < 0.15


def test_robust_mean_and_error_match_the_formula_by_rows(monkeypatch, normal):
    """With a regression that is known, both are sums over rows."""
    a, b, encoded, ratio = normal
    mu_a, mu_b = 0.8 * a.columns["x"].values ** 2, 0.8 * b.columns["x"].values ** 2
    known = "agnostix.what_if.drift.density._regress"
    monkeypatch.setattr(known, lambda *_: (mu_a, mu_b, "known"))
    covariates = CovariateShift.fit(encoded, a, b, ratio.values, 0, None)
    value, error = robust_mean(a.quantity.numerator, mu_a, mu_b, ratio.values, a.base, b.base)
    assert covariates.value == pytest.approx(value)
    own = np.sqrt((covariates.psi_a**2).sum() + (covariates.psi_b**2).sum())
    assert own == pytest.approx(error)


@pytest.mark.parametrize("wrong", ["ratio", "regression"])
def test_mean_is_right_where_one_of_both_models_is_wrong(monkeypatch, wrong):
    a, b = normal_sides(n=4000, noise=0.1)
    encoded = Encoded.from_sides(["x", "z"], a, b)
    x_a, x_b = a.columns["x"].values, b.columns["x"].values
    ratio = np.ones(a.n_rows) if wrong == "ratio" else np.exp(0.7 * x_a - 0.7**2 / 2)
    means = (x_a**2, x_b**2) if wrong == "ratio" else (np.zeros(a.n_rows), np.zeros(b.n_rows))
    monkeypatch.setattr("agnostix.what_if.drift.density._regress", lambda *_: (*means, "stated"))
    covariates = CovariateShift.fit(encoded, a, b, ratio / (a.base @ ratio), 0, None)
    assert covariates.value == pytest.approx(1.49, abs=0.15)
    assert abs(a.base @ a.quantity.numerator - 1.49) > 0.4  # A's own mean is far from it


def test_no_row_is_predicted_by_a_model_that_saw_it():
    """Another loss of the rows of one fold changes the predictions of the other folds alone."""
    from agnostix.what_if.drift.density import _regress

    a, b = normal_sides(n=200)
    encoded = Encoded.from_sides(["x", "z"], a, b)
    loss = a.quantity.numerator
    first = a.folds == 0
    moved = np.where(first, loss[::-1] + 0.5, loss)
    moved = np.clip(moved, loss.min(), loss.max())
    one, other = (_regress(each, encoded, a, 0, None) for each in (loss, moved))
    assert one[2] == other[2]
    np.testing.assert_array_equal(one[0][first], other[0][first])
    assert not np.allclose(one[0][~first], other[0][~first])


def test_rows_of_a_cluster_are_in_one_fold():
    X = people(100)[["age", "hours"]]
    grouped = side("A", X, np.arange(100.0), groups=np.arange(100) // 4)
    homes = grouped.design.cluster
    assert all(np.unique(grouped.folds[homes == home]).size == 1 for home in np.unique(homes))
    assert np.unique(grouped.folds).size == 5


def test_few_clusters_make_few_folds():
    X = people(60)[["hours"]]
    a, b = (side(name, X, np.arange(60.0), groups=np.arange(60) % n) for name, n in (("A", 2), ("B", 3)))
    assert np.unique(a.folds).tolist() == [0, 1]
    encoded, ratio = fit(a, b)
    covariates = CovariateShift.fit(encoded, a, b, ratio.values, 0, None)
    assert np.isfinite(covariates.value)


def test_encoding_has_a_column_for_each_number_level_and_missing_value():
    a, b = (side(name, people(80, name == "B"), np.arange(80.0)) for name in "AB")
    encoded = Encoded.from_sides(["age", "sex", "job", "hours"], a, b)
    assert encoded.raw.shape == (160, 4)
    assert encoded.is_label.tolist() == [False, False, True, True]
    assert encoded.linear.shape == (160, 2 + 1 + 2 + 3)  # numbers, a missing age, levels
    assert encoded.quadratic.shape == (160, 8 + 3)
    assert np.isfinite(encoded.quadratic).all()
    missing = np.isnan(encoded.raw[:, 0])
    np.testing.assert_array_equal(encoded.linear[:, 2], missing)


def test_rare_levels_share_a_code():
    rng = np.random.default_rng(0)
    names = np.r_[["common"] * 150, [f"rare{j}" for j in range(50)]]
    X = pd.DataFrame({"x": rng.normal(size=200), "name": names})
    a, b = (side(name, X, np.arange(200.0)) for name in "AB")
    encoded = Encoded.from_sides(["x", "name"], a, b)
    assert sorted(np.unique(encoded.raw[:, 1])) == [0.0, 1.0]


def test_chosen_models_are_named(normal):
    a, b, encoded, ratio = normal
    assert ratio.model == "logistic regression"
    covariates = CovariateShift.fit(encoded, a, b, ratio.values, 0, None)
    assert covariates.model == "least squares with squares and products"


def test_trees_are_chosen_for_steps():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.uniform(-1, 1, 1200), "z": rng.uniform(-1, 1, 1200)})
    step = np.where((X["x"] > 0.2) ^ (X["z"] > -0.3), 1.0, -1.0)
    falls = rng.random(1200) < np.where(step > 0, 0.75, 0.25)
    a, b = (side(name, X[part], step[part]) for name, part in (("A", ~falls), ("B", falls)))
    encoded, ratio = fit(a, b)
    assert ratio.model == "boosted trees"
    assert CovariateShift.fit(encoded, a, b, ratio.values, 0, None).model == "boosted trees"
