import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.metrics import accuracy_score

from agnostix import EntropicProjection
from agnostix.exceptions import DataError
from tests.messages import refuses
from tests.reference.what_if_inference import linearized_variance
from tests.what_if.doubles import chance, people, truth

X = people(240)
N = len(X)
Y = truth(X)
HOUSE = np.random.default_rng(5).permutation(np.arange(N) // 3)
REGION = np.array(["north", "east", "south"], dtype=object)[HOUSE % 3]


def fit(X=X, y=Y, weight=None, **how):
    return EntropicProjection(n_targets=5).fit(X, y, weight, predictions=chance(X), **how)


def questions(projection):
    """Standard errors of everything that has one."""
    scenario = projection.what_if({"age": 42, "job": {"clerk": 0.45}}, metric=["accuracy", accuracy_score])
    parts = [
        scenario.outcomes[["std_error", "change_std_error", "low", "high"]],
        scenario.shifts[["std_error", "low", "high"]],
        projection.explain(metric=["prediction", "roc_auc"]).frame[["std_error", "low", "high"]],
        projection.rank(metric=["prediction", "roc_auc"])[["std_error", "low", "high", "change_low"]],
        projection.joint("age", "hours", n_targets=3)[["std_error", "low", "high"]],
        projection.baseline(metric=["prediction", "roc_auc"])[["std_error", "low", "high"]],
    ]
    return np.concatenate([part.to_numpy(float).ravel() for part in parts])


def test_clusters_of_one_row_are_independent_rows():
    alone = fit(groups=[f"p{j}" for j in range(N)])
    for one, other in (
        (alone.explain(), fit().explain()),
        (alone.rank(), fit().rank()),
        (alone.baseline(), fit().baseline()),
        (alone.what_if({"age": 43, "hours": 41}).outcomes, fit().what_if({"age": 43, "hours": 41}).outcomes),
        (alone.what_if({"age": 43}).shifts, fit().what_if({"age": 43}).shifts),
    ):
        pd.testing.assert_frame_equal(getattr(one, "frame", one), getattr(other, "frame", other), rtol=1e-8)


def test_rows_counted_twice_in_their_cluster_count_once():
    twice = pd.concat([X, X], ignore_index=True)
    double = fit(twice, np.r_[Y, Y], groups=np.r_[np.arange(N), np.arange(N)])
    for name in ("std_error", "change_std_error"):
        one, other = (p.what_if({"age": 43, "hours": 41}).outcomes[name] for p in (fit(), double))
        np.testing.assert_allclose(other, one, rtol=1e-9)
    naive = fit(twice, np.r_[Y, Y]).what_if({"age": 43, "hours": 41}).outcomes["std_error"]
    assert (naive < 0.75 * fit().what_if({"age": 43, "hours": 41}).outcomes["std_error"]).all()
    for name in ("std_error", "value"):
        np.testing.assert_allclose(double.explain().frame[name], fit().explain().frame[name], rtol=1e-8)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_order_of_rows_gives_the_same_bits(seed):
    moved = np.random.default_rng(seed).permutation(N)
    one = fit(groups=HOUSE, strata=REGION)
    other = fit(X.iloc[moved].reset_index(drop=True), Y[moved], groups=HOUSE[moved], strata=REGION[moved])
    np.testing.assert_array_equal(questions(one), questions(other))


def test_clusters_enter_everything_that_has_an_error():
    with_clusters, without = questions(fit(groups=HOUSE)), questions(fit())
    moved = np.abs(with_clusters - without) > 1e-9
    assert moved.mean() > 0.95


@pytest.mark.parametrize("how", [{"groups": HOUSE}, {"groups": HOUSE, "strata": REGION}, {"strata": REGION}])
def test_baseline_error_is_that_of_a_stratified_cluster_sample(how):
    weight = np.random.default_rng(1).uniform(0.5, 2.0, N)
    error = fit(weight=weight, **how).baseline()["std_error"][0]
    base, p = weight / weight.sum(), chance(X)
    cluster = how.get("groups", np.arange(N))
    region = how.get("strata", np.full(N, "all"))
    moves, stratum = [], []
    for one in np.unique(cluster):
        own = cluster == one
        moves.append(base[own] @ (p[own] - base @ p) / (1.0 - base[own].sum()))
        stratum.append(region[own][0])
    assert error**2 == pytest.approx(linearized_variance(np.array(moves), np.array(stratum)), rel=2e-3)


def test_domain_keeps_clusters_of_the_whole_sample():
    # households of one sex only: those of the other contribute 0 to their stratum's mean
    frame = fit(groups=HOUSE, strata=REGION).baseline(by="sex")
    female = (X["sex"] == "Female").to_numpy()
    own = female / female.sum()
    p = chance(X)
    houses = [np.flatnonzero(house == HOUSE) for house in np.unique(HOUSE)]
    moves = [own[rows] @ (p[rows] - own @ p) for rows in houses]
    stratum = [REGION[rows[0]] for rows in houses]
    expected = np.sqrt(linearized_variance(np.array(moves), np.array(stratum)))
    assert frame.loc[frame["group"] == "Female", "std_error"].iloc[0] == pytest.approx(expected, rel=0.03)


def test_degrees_of_freedom_are_clusters_minus_strata():
    few = HOUSE % 6
    outcome = fit(groups=few).baseline().iloc[0]
    half = student(degrees(few, 5)).ppf(0.975) * outcome["std_error"]
    assert outcome["low"] == pytest.approx(outcome["value"] - half)
    twelve = HOUSE % 12
    region = np.where(twelve % 2 == 0, "a", "b")
    outcome = fit(groups=twelve, strata=region).baseline().iloc[0]
    half = student(degrees(twelve, 10, region)).ppf(0.975) * outcome["std_error"]
    assert outcome["high"] == pytest.approx(outcome["value"] + half, rel=1e-3)


def degrees(groups, most, strata=None):
    """At most clusters minus strata, and what the spread of squares of clusters' influences leaves."""
    names = np.unique(groups)
    y = chance(X)
    sums = np.array([((y - y.mean()) / N)[groups == one].sum() for one in names])
    if strata is not None:
        own = np.array([strata[groups == one][0] for one in names])
        sums = np.array([s - sums[own == one].mean() for s, one in zip(sums, own, strict=True)])
    carried = 2.0 / ((sums**4).sum() / (sums**2).sum() ** 2 - 1.0 / names.size)
    return min(most, carried)


def test_few_clusters_that_gain_weight_are_thin():
    assert fit().what_if({"age": 42}).status == "ok"
    assert fit(groups=HOUSE).what_if({"age": 42}).status == "ok"
    assert fit(groups=HOUSE % 12).what_if({"age": 42}).status == "thin"
    assert set(fit(groups=HOUSE % 12).explain(targets={"age": [42]}).frame["status"]) == {"thin"}


def test_labels_of_any_type_are_ids():
    expected = questions(fit(groups=HOUSE))
    for ids in (
        HOUSE.tolist(),
        pd.Series(HOUSE, name="house"),
        pd.DataFrame({"house": HOUSE}),
        HOUSE[:, None],
        HOUSE.astype(float),
    ):
        np.testing.assert_allclose(questions(fit(groups=ids)), expected, rtol=1e-7, atol=1e-10)


def test_rows_without_weight_need_no_cluster():
    weight = np.ones(N)
    weight[:6] = 0.0
    lacking = HOUSE.astype(float)
    lacking[:6] = np.nan
    kept = fit(X[6:].reset_index(drop=True), Y[6:], groups=HOUSE[6:])
    given = fit(weight=weight, groups=lacking).baseline()["std_error"][0]
    assert given == pytest.approx(kept.baseline()["std_error"][0], rel=1e-9)


def test_one_stratum_is_none():
    np.testing.assert_array_equal(
        questions(fit(groups=HOUSE, strata=["all"] * N)), questions(fit(groups=HOUSE))
    )


def test_ids_of_another_length():
    with refuses(DataError, "groups", f"{N}", f"({N - 1},)"):
        fit(groups=HOUSE[:-1])
    with refuses(DataError, "strata", f"{N}", f"({N}, 2)"):
        fit(strata=X[["age", "sex"]])
    fit(groups=X["sex"] + "/" + pd.Series(HOUSE).astype(str))  # the remedy


def test_rows_without_id():
    ids = HOUSE.astype(object)
    ids[[7, 9]] = None
    with refuses(DataError, "groups", "2", f"{N}", "row 7"):
        fit(groups=ids)
    ids[7], ids[9] = "own 7", "own 9"
    fit(groups=ids)


def test_single_cluster():
    with refuses(DataError, "groups", "single cluster", "'all'"):
        fit(groups=["all"] * N)


def test_cluster_in_two_strata():
    region = REGION.copy()
    j = int(np.flatnonzero(HOUSE == 4)[0])
    region[j] = "west"
    with refuses(DataError, "groups", "4", "'east'", "'west'"):
        fit(groups=HOUSE, strata=region)
    joined = pd.Series(region) + "/" + pd.Series(HOUSE).astype(str)
    with refuses(DataError, "strata", "single cluster", "'west'"):  # and ids that start anew are joined
        fit(groups=joined, strata=region)


def test_stratum_with_single_cluster():
    region = REGION.copy()
    region[HOUSE == 4] = "west"
    with refuses(DataError, "strata", "single cluster", "'west'"):
        fit(groups=HOUSE, strata=region)
    region[region == "west"] = "east"
    fit(groups=HOUSE, strata=region)
    alone = np.array(["a"] * (N - 1) + ["b"])
    with refuses(DataError, "strata", "single row", "'b'"):
        fit(strata=alone)


def test_ids_of_pandas_in_another_order():
    named = X.set_axis([f"r{j}" for j in range(N)])
    ids = pd.Series(HOUSE, index=named.index[::-1])
    with refuses(DataError, "groups", "another order"):
        EntropicProjection().fit(named, predictions=chance(X), groups=ids)


def test_ids_that_are_no_labels():
    with refuses(DataError, "groups", "3"):
        fit(groups=3)
