import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from agnostix import EntropicProjection
from agnostix.what_if.curve_draws import CurveStatistics
from agnostix.what_if.inference.nodes import N_NODES, RowNodes
from agnostix.what_if.inference.resampling import Resampling
from agnostix.what_if.metrics import quantities_for
from agnostix.what_if.moments import iter_moments
from agnostix.what_if.sample import Sample
from agnostix.what_if.tilting import solve_kl, solve_targets
from tests.reference.what_if_inference import bootstrap_t, tilt_to
from tests.what_if.doubles import chance, people, truth

X = people(260)
Y = truth(X)
N = len(X)
HOUSE = np.random.default_rng(5).permutation(np.arange(N) // 2)


def moment_of(feature, groups=None, weight=None, metric="prediction", level=None):
    projection = EntropicProjection().fit(X, Y, weight, predictions=chance(X), groups=groups)
    sample = Sample.from_table(projection.table_, quantities_for(metric, projection.predictions_))
    (moment,) = iter_moments(sample, feature, "omit", None if level is None else [level])
    return moment


@pytest.mark.parametrize("feature", ["age", "gain", "member"])
@pytest.mark.parametrize("how", ["targets", "kl"])
def test_draws_are_tilted_row_by_row(feature, how):
    weight = np.random.default_rng(1).uniform(0.5, 2.0, N)
    moment = moment_of(
        feature, HOUSE, weight, ["prediction", "roc_auc"], True if feature == "member" else None
    )
    if how == "targets":
        tilts = solve_targets(moment.distinct, np.array([-0.2, 0.0, 0.4]))
    else:
        tilts = solve_kl(moment.distinct, np.full(2, 0.05), np.array([-1, 1]))
    sample = moment.sample
    resampling = Resampling(N, sample.design, 6, 3)
    statistics = CurveStatistics.from_moment(moment, tilts, resampling)
    drawn = resampling.of_clusters(0, 6)
    values, errors = statistics(drawn)
    n = tilts.xi.size
    assert values.shape == errors.shape == (6, 4 * n)
    prediction, area = sample.quantities
    for d in range(6):
        base = drawn[d][sample.design.cluster] * sample.base
        base /= base.sum()
        for t in range(n):
            side = 1 if tilts.xi[t] > 0 else -1
            goal = {"target": tilts.targets[t]} if how == "targets" else {"kl": 0.05, "side": side}
            weights = tilt_to(moment.statistic.z, base, **goal)
            expected = [weights @ prediction.rows, (weights - base) @ prediction.rows]
            expected += [area.measure(weights)[0], area.measure(weights)[0] - area.measure(base)[0]]
            np.testing.assert_allclose(values[d, t::n], expected, rtol=1e-7, atol=1e-8)


def test_draws_without_the_rows_of_a_target_are_lost():
    moment = moment_of("gain")
    z = moment.statistic.z
    far = 0.5 * (np.sort(z)[-1] + np.sort(z)[-2])  # the largest row alone lies beyond
    tilts = solve_targets(moment.distinct, np.array([0.2, far]))
    resampling = Resampling(N, None, 32, 0)
    values, _ = CurveStatistics.from_moment(moment, tilts, resampling)(resampling.of_clusters(0, 32))
    drawn = resampling.of_clusters(0, 32)[:, z.argmax()] > 0
    np.testing.assert_array_equal(np.isfinite(values[:, 1]), drawn)
    assert np.isfinite(values[:, 0]).all()
    assert 0 < drawn.sum() < 32


def test_nodes_sum_exponentials_to_rounding():
    rng = np.random.default_rng(0)
    z, weights = rng.normal(size=4_000), rng.exponential(size=(3, 4_000))
    nodes = RowNodes.from_values(z)
    assert nodes.points.size == N_NODES
    sums = nodes.sums(weights)
    for xi in (-3.0, 0.0, 0.7, 4.0):
        np.testing.assert_allclose(sums @ np.exp(xi * nodes.points), weights @ np.exp(xi * z), rtol=1e-10)
    xi = np.array([0.7, 4.0, 60.0, np.inf, np.nan])
    tilted = np.exp(xi[:3, None] * (z - z.max())).mean(1)
    log_ratio = np.r_[-np.log(tilted), 0.0, 0.0]
    assert nodes.are_trusted(xi, log_ratio).tolist() == [True, True, False, False, False]
    off = sums @ np.exp(60.0 * (nodes.points - z.max())) / (weights @ np.exp(60.0 * (z - z.max())))
    assert np.abs(off - 1.0).max() > 1e-9  # what is not trusted is not exact


def test_few_values_are_their_own_nodes():
    z = np.random.default_rng(0).integers(0, 2 * N_NODES, 3_000).astype(float)
    nodes = RowNodes.from_values(z)
    np.testing.assert_array_equal(nodes.points, np.unique(z))
    np.testing.assert_allclose(nodes.sums(np.ones((1, 3_000)))[0], np.bincount(z.astype(int)))


def fit(how, X=X, y=Y, groups=None, **params):
    own = {"n_targets": 5, "std_errors": how, "n_bootstrap": 400, "random_state": 0} | params
    return EntropicProjection(**own).fit(X, y, predictions=chance(X), groups=groups)


METRICS = ["prediction", "error_rate", "roc_auc"]


def test_bootstrap_errors_are_near_the_delta_method():
    for groups in (None, HOUSE):
        delta, drawn = (
            fit(how, groups=groups).explain(metric=METRICS).frame for how in ("delta", "bootstrap")
        )
        ok = (delta["status"] == "ok").to_numpy()
        assert ok.sum() > 20
        ratio = (drawn["std_error"] / delta["std_error"])[ok]
        assert ratio.between(0.8, 1.25).mean() > 0.95
        same = ["value", "slope", "kl", "ess", "status"]
        pd.testing.assert_frame_equal(drawn[same], delta[same])
        assert ((drawn["low"] <= drawn["value"]) & (drawn["value"] <= drawn["high"]))[ok].all()


def test_rank_errors_are_near_the_delta_method():
    delta, drawn = (fit(how).rank(metric=METRICS, simultaneous=False) for how in ("delta", "bootstrap"))
    named = ["feature", "level", "direction", "quantity"]
    pd.testing.assert_frame_equal(drawn[named], delta[named])
    ok = (delta["status"] == "ok").to_numpy()
    assert (drawn["std_error"] / delta["std_error"])[ok].between(0.8, 1.25).mean() > 0.95
    assert (drawn["change_low"] < drawn["change_high"]).all()


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_any_number_of_workers_gives_the_same_bits(n_jobs):
    one, more = (fit("bootstrap", n_bootstrap=70, n_jobs=n) for n in (1, n_jobs))
    for question in (lambda p: p.explain(features=["age", "job"]).frame, lambda p: p.rank(features="hours")):
        pd.testing.assert_frame_equal(question(one), question(more), check_exact=True)


def test_any_order_of_rows_gives_the_same_bits():
    moved = np.random.default_rng(2).permutation(N)
    one = fit("bootstrap", groups=HOUSE, n_bootstrap=64).explain(simultaneous=True).frame
    other = fit("bootstrap", X.iloc[moved].reset_index(drop=True), Y[moved], HOUSE[moved], n_bootstrap=64)
    pd.testing.assert_frame_equal(other.explain(simultaneous=True).frame, one, check_exact=True)


def test_seeds_give_other_draws():
    one, same, other = (fit("bootstrap", random_state=s).rank(features="age") for s in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same, check_exact=True)
    assert (one["std_error"] != other["std_error"]).all()


def test_intervals_are_outer_ones_of_student_and_bootstrap_t():
    projection = fit("bootstrap", n_bootstrap=200)
    row = projection.explain(targets={"age": [44.0]}).frame.iloc[0]
    delta = fit("delta").explain(targets={"age": [44.0]}).frame.iloc[0]
    moment = moment_of("age")
    tilts = solve_targets(moment.distinct, moment.statistic.to_z(np.array([44.0])))
    resampling = Resampling(N, None, 200, 0)
    statistics = CurveStatistics.from_moment(moment, tilts, resampling)
    parts = [statistics(resampling.of_clusters(*block)) for block in resampling.blocks()]
    values, errors = (np.concatenate([part[i][:, 0] for part in parts]) for i in (0, 1))
    assert row["std_error"] == pytest.approx(values.std(ddof=1), rel=1e-9)
    low, high = bootstrap_t(values, errors, row["value"], delta["std_error"], 0.95)
    half = (delta["high"] - delta["value"]) / delta["std_error"] * row["std_error"]
    assert row["low"] == pytest.approx(min(low, row["value"] - half), rel=1e-9)
    assert row["high"] == pytest.approx(max(high, row["value"] + half), rel=1e-9)


def test_boundary_on_a_single_row_has_infinite_errors():
    frame = fit("bootstrap").explain(targets={"age": [X["age"].max()]}).frame
    assert frame["status"][0] == "boundary"
    assert np.isinf(frame["std_error"][0])
    assert (frame["low"][0], frame["high"][0]) == (0.0, 1.0)  # of a probability


def test_metric_without_derivative_has_errors_of_draws():
    frame = fit("bootstrap", n_bootstrap=40).explain(targets={"age": [42.0]}, metric=accuracy_score).frame
    exact = fit("bootstrap", n_bootstrap=40).explain(targets={"age": [42.0]}, metric="accuracy").frame
    assert frame["std_error"][0] == pytest.approx(exact["std_error"][0], rel=1e-9)
    assert frame["low"][0] < frame["value"][0] < frame["high"][0]
