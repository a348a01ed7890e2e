"""What the margins of columns explain, against cone programs, closed forms and derivatives."""

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, explain_gap
from tests.reference.drift import (
    dummies,
    error_by_differences,
    gaussian_value,
    margins_by_cone,
    oaxaca_explained,
    shapley_by_orders,
)
from tests.what_if.drift.pairs import (
    NAMES,
    SLOPES,
    chance,
    gaussian,
    left_over,
    line,
    linear,
    linear_pair,
    parts,
    people,
)


def numbers(X, centers, match):
    """Statistics of each number of a table, by the column."""
    out = []
    for name, center in zip(NAMES, centers, strict=True):
        x = X[name].to_numpy()
        out.append(x[:, None] if match == "means" else np.column_stack([x, (x - center) ** 2]))
    return out


@pytest.mark.parametrize("match", ["means", "variances"])
def test_margins_of_numbers_match_brute_force(match):
    A, B = linear_pair(n=150, predict=lambda X: np.exp(0.4 * linear(X)))
    Xa, Xb = gaussian(150, np.zeros(3), seed=0)[0], gaussian(150, [0.4, 0.0, 0.2], seed=500)[0]
    centers = Xb.mean()
    base = np.full(150, 1 / 150)
    stats = [numbers(X, centers, match) for X in (Xa, Xb)]
    expected, under_all = margins_by_cone(*stats, base, base, np.exp(0.4 * linear(Xa)))
    gap = explain_gap(A, B, match=match)
    values = parts(gap)
    np.testing.assert_allclose([values[f"margin of {name}"] for name in NAMES], expected, atol=1e-6)
    in_b = np.exp(0.4 * linear(Xb)).mean()
    assert values["dependence"] == pytest.approx(in_b - under_all, abs=1e-6)
    assert gap.n_coalitions == 8
    assert left_over(gap) < 1e-12


@pytest.mark.parametrize("metric", ["prediction", "true_positive_rate"])
def test_margins_of_labels_missing_values_and_weights_match_brute_force(metric):
    tables = people(200, False, 3), people(160, True, 3)
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1.5, len(X)) for X in tables]
    truths = [(rng.random(len(X)) < chance(X)).astype(int) for X in tables]
    A, B = (
        EntropicProjection().fit(X, y, w, predictions=chance(X))
        for X, y, w in zip(tables, truths, weights, strict=True)
    )
    base = [w / w.sum() for w in weights]
    stats = [
        [
            np.column_stack([X["age"].isna(), X["age"].fillna(40.0) - 40.0]),
            dummies(X["sex"], ["Female", "Male"]),
            dummies(X["job"], ["clerk", "farmer", "teacher"]),
        ]
        for X in tables
    ]
    # A missing age counts as 40, whose proportion is fixed as well: the mean of the others follows.
    p, y = chance(tables[0]), truths[0]
    rate = (p, None) if metric == "prediction" else ((p > 0.5) * y * 1.0, y * 1.0)
    expected, _ = margins_by_cone(*stats, *base, *rate)
    values = parts(explain_gap(A, B, metric=metric, columns=["age", "sex", "job"]))
    found = [values[f"margin of {name}"] for name in ("age", "sex", "job")]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_margins_of_deciles_match_brute_force():
    Xa, Xb = gaussian(150, np.zeros(3), seed=0)[0], gaussian(150, [0.3, 0.0, 0.0], seed=500)[0]
    cuts = np.sort(Xb["a"].to_numpy())[np.ceil(150 * np.arange(1, 10) / 10).astype(int) - 1]
    A, B = (EntropicProjection().fit(X, predictions=np.sin(2.0 * X["a"].to_numpy())) for X in (Xa, Xb))
    base = np.full(150, 1 / 150)
    stats = [[np.column_stack([X["a"], *(X["a"] <= cut for cut in cuts)]).astype(float)] for X in (Xa, Xb)]
    expected, _ = margins_by_cone(*stats, base, base, np.sin(2.0 * Xa["a"].to_numpy()))
    gap = explain_gap(A, B, columns="a", match="deciles")
    assert line(gap, "margin of a")["value"] == pytest.approx(expected[0], abs=1e-5)


def test_deciles_leave_nothing_of_a_step_at_one_of_them():
    Xa, Xb = gaussian(150, np.zeros(3), seed=0)[0], gaussian(150, [0.3, 0.0, 0.0], seed=500)[0]
    third = np.sort(Xb["a"].to_numpy())[44]
    A, B = (EntropicProjection().fit(X, predictions=(X["a"].to_numpy() <= third) * 1.0) for X in (Xa, Xb))
    assert abs(parts(explain_gap(A, B, columns="a"))["dependence"]) > 1e-3
    assert parts(explain_gap(A, B, columns="a", match="deciles"))["dependence"] == pytest.approx(
        0.0, abs=1e-9
    )


def closed_form(shift, rho, outcome):
    sigma = np.full((3, 3), rho) + (1.0 - rho) * np.eye(3)
    zero, target = np.zeros(3), np.array(shift)
    return shapley_by_orders(lambda S: gaussian_value(zero, sigma, target, S, outcome), 3)


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("shift", [(0.5, 0.0, 0.0), (0.3, -0.3, 0.2)])
def test_margins_of_large_gaussian_tables_have_the_closed_form(rho, shift):
    A, B = linear_pair(n=5_000, shift=shift, rho=rho)
    gap = explain_gap(A, B, confidence_level=0.999)
    for name, truth in zip(NAMES, closed_form(shift, rho, lambda mean, _: mean @ SLOPES), strict=True):
        own = line(gap, f"margin of {name}")
        assert own["low"] <= truth <= own["high"]
        assert own["std_error"] < 0.04


def test_margins_of_independent_columns_are_kitagawa_oaxaca_blinder():
    """With columns that are uncorrelated in A, each part is the slope times the difference of means."""
    rng = np.random.default_rng(0)
    cells = pd.DataFrame([(a, b, c) for a in range(4) for b in range(3) for c in range(2)], columns=NAMES)
    Xa = pd.concat([cells] * 5, ignore_index=True).astype(float)
    Xb = Xa[rng.random(len(Xa)) < 0.3 + 0.1 * Xa["a"] + 0.1 * Xa["c"]].reset_index(drop=True)
    A, B = (EntropicProjection().fit(X, predictions=linear(X)) for X in (Xa, Xb))
    gap = explain_gap(A, B)
    expected = oaxaca_explained(SLOPES, Xa.mean(), Xb.mean())
    np.testing.assert_allclose([parts(gap)[f"margin of {name}"] for name in NAMES], expected, atol=1e-9)
    assert parts(gap)["dependence"] == pytest.approx(0.0, abs=1e-9)


def test_sum_of_margins_is_explained_part_of_oaxaca_blinder_whatever_correlates():
    A, B = linear_pair(n=300, rho=0.6)
    Xa, Xb = gaussian(300, np.zeros(3), 0.6, 0)[0], gaussian(300, [0.4, 0.0, 0.2], 0.6, 500)[0]
    margins = explain_gap(A, B).frame.query("kind == 'margin'")["value"]
    assert margins.sum() == pytest.approx(oaxaca_explained(SLOPES, Xa.mean(), Xb.mean()).sum(), abs=1e-9)


def test_standard_errors_are_those_of_the_derivatives_by_weights():
    tables = people(20, False, 1), people(16, True, 1)

    def explained(base_a, base_b):
        pairs = zip(tables, (base_a, base_b), strict=True)
        fitted = (EntropicProjection().fit(X, None, base, predictions=chance(X)) for X, base in pairs)
        return explain_gap(*fitted, columns=["sex", "hours"])

    base = [np.full(len(X), 1.0 / len(X)) for X in tables]
    names = ["margin of sex", "margin of hours", "dependence"]
    errors = error_by_differences(
        lambda a, b: np.array([parts(explained(a, b))[one] for one in names]), *base
    )
    gap = explained(*base)
    for name, error in zip(names, errors, strict=True):
        # The leverage makes the stated error a little larger.
        assert 1.0 < line(gap, name)["std_error"] / error < 1.4


def test_columns_that_moved_by_themselves_are_named():
    """Rows fall to B by a logistic in one column; another correlates with it, a third does not."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    X = pd.DataFrame(
        {"moved": x, "along": 0.8 * x + 0.6 * rng.normal(size=4000), "still": rng.normal(size=4000)}
    )
    falls = rng.random(4000) < 1.0 / (1.0 + np.exp(-x))
    A, B = (EntropicProjection().fit(X[part], predictions=X.sum(axis=1)[part]) for part in (~falls, falls))
    frame = explain_gap(A, B).frame.set_index("column")
    assert frame.loc["along", "shift"] > 0.5
    assert frame.loc[["moved", "along", "still"], "moved"].tolist() == [True, False, False]
    assert frame.loc["moved", "p_value"] < 1e-10


def test_p_values_are_uniform_where_nothing_moved():
    """Two samples of one law: a tenth of the p-values is below a tenth."""
    p_values = []
    for seed in range(80):
        A, B = linear_pair(n=100, shift=(0.0, 0.0, 0.0), seed=seed)
        p_values += explain_gap(A, B).frame["p_value"].dropna().tolist()
    assert len(p_values) == 240
    assert 0.04 < np.mean(np.array(p_values) < 0.1) < 0.17


@pytest.mark.slow
def test_intervals_hold_the_truth():
    """Nominal 95 % intervals of a curved prediction, at least .92 less two Monte-Carlo errors."""
    shift, rho = (0.5, 0.0, 0.0), 0.4

    def curved(X):
        return linear(X) + 0.5 * X["a"].to_numpy() * X["b"].to_numpy()

    truth = closed_form(shift, rho, lambda m, s: m @ SLOPES + 0.5 * (m[0] * m[1] + s[0, 1]))
    hits = []
    for seed in range(300):
        A, B = linear_pair(n=500, shift=shift, rho=rho, seed=seed, predict=curved)
        frame = explain_gap(A, B).frame.set_index("part")
        own = frame.loc[[f"margin of {name}" for name in NAMES] + ["dependence"]]
        hits.append((own["low"] <= [*truth, 0.0]) & (own["high"] >= [*truth, 0.0]))
    assert (np.mean(hits, axis=0) >= 0.92 - 2 * np.sqrt(0.05 * 0.95 / 300)).all()


def test_clusters_widen_the_intervals():
    """Every row three times, as a household of its own, says no more than the rows themselves."""
    X, _ = gaussian(200, np.zeros(3), seed=0)
    other, _ = gaussian(200, [0.4, 0.0, 0.2], seed=1)
    single = [EntropicProjection().fit(T, predictions=linear(T)) for T in (X, other)]
    thrice = [pd.concat([T] * 3, ignore_index=True) for T in (X, other)]
    rows = [EntropicProjection().fit(T, predictions=linear(T)) for T in thrice]
    homes = [EntropicProjection().fit(T, predictions=linear(T), groups=np.arange(600) % 200) for T in thrice]
    one, wrong, right = (explain_gap(*pair).frame["std_error"][:3] for pair in (single, rows, homes))
    np.testing.assert_allclose(right, one, rtol=0.03)
    np.testing.assert_allclose(wrong, one / np.sqrt(3.0), rtol=0.03)
