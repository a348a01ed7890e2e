import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix import EntropicProjection, as_predictor
from agnostix.what_if import responses
from agnostix.what_if.correlated_shifts import CorrelatedShifts
from agnostix.what_if.distinct_values import collapse
from agnostix.what_if.responses import Responses, compute_responses
from agnostix.what_if.tilting import density_ratio, interpolation_error, solve_targets
from tests.reference.what_if import (
    delta_method,
    divergence,
    effective_gainers,
    effective_rows,
    slope_by_difference,
    standardize,
    tilted,
)
from tests.reference.what_if_inference import influence_by_solving, tilt_to
from tests.what_if.doubles import fit_projection, people

FIELDS = list(Responses.__dataclass_fields__)


def table(kind="normal", n=250, seed=0, weighted=True):
    rng = np.random.default_rng(seed)
    x = {
        "normal": rng.normal(size=n),
        "tied": rng.integers(0, 6, n).astype(float),
        "zero-inflated": np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(7.0, 1.5, n)),
        "lognormal": rng.lognormal(size=n),
        "uniform": rng.uniform(size=n),
    }[kind]
    z, base = standardize(x, rng.uniform(0.2, 1.8, n) if weighted else None)
    outcomes = np.c_[np.sin(z) + rng.normal(size=n), z + z * z, rng.random(n) < 0.3]
    return z, base, outcomes - base @ outcomes


def solved(z, base, outcomes, targets, **options):
    distinct = collapse(z, base, outcomes, **options)
    return compute_responses(distinct, solve_targets(distinct, np.atleast_1d(targets)))


def weights_at(z, base, target):
    return tilted(z, base, solve_targets(collapse(z, base, np.zeros((z.size, 1))), np.array([target])).xi[0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["normal", "tied", "zero-inflated"])
@pytest.mark.parametrize("target", [-0.1, 0.0, 0.3, 1.2])
def test_respond_values_slopes_errors_match_delta_method(kind, weighted, target):
    z, base, outcomes = table(kind, weighted=weighted)
    result = solved(z, base, outcomes, target)
    weights = weights_at(z, base, target)
    for j, y in enumerate(outcomes.T):
        expected = delta_method(y, z, target, weights, base)
        shared_leverage = weighted and kind != "normal"
        np.testing.assert_allclose(
            [result.values[0, j], result.slopes[0, j]], expected[:2], rtol=1e-8, atol=1e-12
        )
        np.testing.assert_allclose(
            [result.std_errors[0, j], result.change_errors[0, j]],
            expected[2:],
            rtol=5e-3 if shared_leverage else 1e-8,
            atol=1e-4 if shared_leverage else 1e-7,
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["normal", "tied", "zero-inflated"])
@pytest.mark.parametrize("target", [-0.1, 0.3, 1.2])
def test_respond_kl_ess_max_weight_by_definition(kind, weighted, target):
    z, base, outcomes = table(kind, weighted=weighted)
    result = solved(z, base, outcomes, target)
    weights = weights_at(z, base, target)
    assert result.kl[0] == pytest.approx(divergence(weights, base), abs=1e-10)
    assert result.ess[0] == pytest.approx(effective_rows(weights), rel=1e-10)
    assert result.max_weight[0] == pytest.approx(max(weights), rel=1e-10)
    assert result.gain_ess[0] == pytest.approx(effective_gainers(weights, base), rel=1e-8)


@pytest.mark.parametrize("target", [-1.0, -0.1, 0.4, 1.5])
def test_respond_slopes_are_derivatives(target):
    z, base, outcomes = table()
    result = solved(z, base, outcomes, target)
    for j in range(outcomes.shape[1]):
        slope = slope_by_difference(lambda t, j=j: solved(z, base, outcomes, t).values[0, j], target)
        assert result.slopes[0, j] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("target", [-1.0, -0.1, 0.4, 1.5])
def test_respond_multiplier_is_kl_derivative(target):
    z, base, outcomes = table()
    distinct = collapse(z, base, outcomes)
    xi = solve_targets(distinct, np.array([target])).xi[0]
    assert xi == pytest.approx(
        slope_by_difference(lambda t: solved(z, base, outcomes, t).kl[0], target), abs=1e-6
    )


def test_respond_at_base_mean_changes_nothing():
    z, base, outcomes = table()
    result = solved(z, base, outcomes, 0.0)
    np.testing.assert_allclose(result.values, 0.0, atol=1e-12)
    assert result.kl[0] == pytest.approx(0.0, abs=1e-12)
    assert result.ess[0] == pytest.approx(effective_rows(base))


@pytest.mark.parametrize("side", [-1, 1])
def test_respond_boundary_averages_rows_at_extreme(side):
    z, base, outcomes = table("tied")
    extreme = side * (side * z).max()
    result = solved(z, base, outcomes, extreme)
    there = z == extreme
    share = base[there].sum()
    np.testing.assert_allclose(result.values[0], base[there] @ outcomes[there] / share)
    assert result.kl[0] == pytest.approx(-np.log(share))
    assert result.ess[0] == pytest.approx(effective_rows(base[there] / share))
    assert result.max_weight[0] == pytest.approx(base[there].max() / share)
    assert np.isnan(result.slopes).all()
    assert (result.std_errors[0, [0, 2]] > 0).all()


def test_respond_infeasible_targets_are_nan():
    z, base, outcomes = table()
    mixed = solved(z, base, outcomes, [0.3, z.max() + 1.0, -0.3])
    alone = solved(z, base, outcomes, [0.3, -0.3])
    for field in FIELDS:
        values = getattr(mixed, field)
        assert np.isnan(values[1]).all(), field
        np.testing.assert_allclose(values[[0, 2]], getattr(alone, field), rtol=1e-12, err_msg=field)


def test_respond_in_blocks_matches_all_at_once(monkeypatch):
    z, base, outcomes = table()
    targets = np.linspace(-1.5, 1.5, 23)
    at_once = solved(z, base, outcomes, targets)
    monkeypatch.setattr(responses, "_MAX_CELLS", 1_000)
    in_blocks = solved(z, base, outcomes, targets)
    for field in FIELDS:
        np.testing.assert_allclose(
            getattr(in_blocks, field), getattr(at_once, field), rtol=1e-12, err_msg=field
        )


def test_respond_constant_outcome_has_no_error_nor_slope():
    z, base, _ = table()
    result = solved(z, base, np.zeros((z.size, 1)), [-1.0, 0.0, 1.0])
    for field in ("values", "std_errors", "slopes", "change_errors"):
        np.testing.assert_array_equal(getattr(result, field), 0.0)


def test_respond_statistic_itself_moves_one_for_one():
    z, base, _ = table()
    targets = np.array([-1.0, 0.0, 0.5, 1.0])
    result = solved(z, base, z[:, None], targets)
    np.testing.assert_allclose(result.values[:, 0], targets, atol=1e-9)
    np.testing.assert_allclose(result.slopes[:, 0], 1.0, rtol=1e-9)
    np.testing.assert_allclose(result.std_errors[:, 0], 0.0, atol=1e-7)


def test_respond_error_does_not_shrink_towards_extreme():
    z, base, outcomes = table("lognormal", weighted=False)
    targets = z.max() - np.array([1e-1, 1e-2, 1e-3, 1e-5, 1e-7])
    result = solved(z, base, outcomes, targets)
    for errors in (result.std_errors[:, 0], result.change_errors[:, 0]):
        assert ((errors > 0.5 * errors[0]) | ~np.isfinite(errors)).all()


def test_respond_single_row_at_extreme_has_no_zero_error():
    z, base, outcomes = table("lognormal", weighted=False)
    assert (solved(z, base, outcomes, z.max()).std_errors != 0).all()


@pytest.mark.parametrize("kind", ["normal", "lognormal", "uniform"])
def test_respond_nodes_match_rows(kind):
    z, base, outcomes = table(kind, n=6_000, weighted=False)
    targets = np.quantile(z, np.linspace(0.03, 0.97, 9))
    nodes = solved(z, base, outcomes, targets)
    rows = solved(z, base, outcomes, targets, exact=True)
    for field in FIELDS:
        rtol = 1e-6 if field.endswith("_errors") else {"gain_ess": 1e-5}.get(field, 1e-9)
        np.testing.assert_allclose(
            getattr(nodes, field), getattr(rows, field), rtol=rtol, atol=1e-9, err_msg=field
        )


def test_interpolation_error_bounds_node_error():
    z, base, outcomes = table("lognormal", n=6_000, weighted=False)
    targets = np.array([1.0, 3.0, 6.0])
    nodes = collapse(z, base, outcomes)
    tilts = solve_targets(nodes, targets)
    bound = interpolation_error(nodes, tilts)
    for xi, limit in zip(tilts.xi, bound, strict=True):
        from_nodes = nodes.mass @ np.exp(xi * (nodes.points - z.max()))
        from_rows = base @ np.exp(xi * (z - z.max()))
        assert abs(from_nodes / from_rows - 1.0) <= limit + 1e-12


def test_interpolation_error_zero_for_rows_inf_at_extremes():
    z, base, outcomes = table("normal", n=6_000, weighted=False)
    targets = np.array([z.min() - 1.0, z.min(), 0.0, z.max()])
    rows = collapse(z, base, outcomes, exact=True)
    np.testing.assert_array_equal(interpolation_error(rows, solve_targets(rows, targets)), 0.0)
    nodes = collapse(z, base, outcomes)
    bound = interpolation_error(nodes, solve_targets(nodes, targets))
    assert np.isinf(bound).tolist() == [True, True, False, True]


def test_density_ratio_has_base_mean_one():
    z, base, _ = table("zero-inflated")
    extremes = (z.min(), z.max())
    ratio = density_ratio(z, np.array([-np.inf, -300.0, 0.0, 2.0, 500.0, np.inf]), extremes, base)
    np.testing.assert_allclose(ratio @ base, 1.0)
    np.testing.assert_allclose(ratio[2], 1.0)


@given(st.integers(0, 10_000), st.floats(-1.0, 1.5), st.sampled_from([-2.0, 1e-3, 1e6]))
def test_respond_ignores_row_order_and_outcome_unit(seed, target, unit):
    z, base, outcomes = table("normal", n=60, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(z.size)
    one = solved(z, base, outcomes, target)
    other = solved(z[shuffled], base[shuffled], unit * outcomes[shuffled], target)
    for field in ("values", "slopes"):
        np.testing.assert_allclose(
            getattr(other, field), unit * getattr(one, field), rtol=1e-8, atol=1e-9 * abs(unit)
        )
    for field in ("std_errors", "change_errors"):
        np.testing.assert_allclose(
            getattr(other, field), abs(unit) * getattr(one, field), rtol=1e-6, atol=1e-7 * abs(unit)
        )
    for field in ("kl", "ess", "max_weight"):
        np.testing.assert_allclose(getattr(other, field), getattr(one, field), rtol=1e-8, atol=1e-12)


X = people()


@pytest.mark.parametrize(
    ("feature", "level", "targets"),
    [("age", None, [36.0, 45.0]), ("job", "farmer", [0.1, 0.4]), ("sex", "Male", [0.5, 0.8])],
)
def test_correlated_shifts_match_scenario_shifts(feature, level, targets):
    projection = fit_projection(X)
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_)
    ((same_level, others, shifts),) = correlated.along(feature, {level: np.array(targets)})
    assert same_level == level
    assert {name for name, _ in others} == set(X) - {feature}
    for target, row in zip(targets, shifts, strict=True):
        scenario = projection.what_if({feature: target if level is None else {level: target}})
        for (name, other), shift in zip(others, row, strict=True):
            shifted = scenario.shifts[scenario.shifts["feature"] == name]
            shifted = shifted if other is None else shifted[shifted["level"].astype(str) == other]
            assert shift == pytest.approx(shifted["shift"].iloc[0], abs=1e-9)


def test_correlated_shifts_keep_most_frequent_levels():
    X_ = X.assign(town=[f"t{min(i % 40, 25):02d}" for i in range(len(X))])
    projection = fit_projection(X_)
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_, max_levels=4)
    towns = [level for name, level in correlated.names if name == "town"]
    assert len(towns) == 4
    assert towns[0] == "t25"


def test_correlated_shifts_of_single_column_are_empty():
    projection = EntropicProjection().fit(X[["age"]], predictions=X["age"])
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_)
    ((_, others, shifts),) = correlated.along("age", {None: np.array([40.0, 41.0])})
    assert (others, shifts.shape) == ([], (2, 0))


def test_correlated_shifts_treat_missing_as_unmoved():
    X_ = X.assign(hours=X["hours"].where(np.arange(len(X)) % 2 == 0))
    projection = EntropicProjection(missing="omit").fit(X_, predictions=X["age"])
    correlated = CorrelatedShifts.from_table(projection.table_, projection.config_)
    ((_, others, shifts),) = correlated.along("age", {None: np.array([45.0])})
    weights = projection.what_if({"age": 45}).weights
    hours = X_["hours"].to_numpy()
    z = np.nan_to_num((hours - np.nanmean(hours)) / np.nanstd(hours))
    assert shifts[0, others.index(("hours", None))] == pytest.approx(weights @ z / len(X), abs=1e-10)


def slope_at(z, base, target, y=None, labels=None, scores=None):
    """Slope of a mean, or of the area under the ROC curve, by the target: differences of answers."""
    ends = []
    for at in (target - 1e-4, target + 1e-4):
        weights = tilt_to(z, base, at)
        if y is not None:
            ends.append(weights @ y)
            continue
        up, down = labels == 1, labels == 0
        wins = (scores[up][:, None] > scores[down]) + 0.5 * (scores[up][:, None] == scores[down])
        ends.append(weights[up] @ wins @ weights[down] / (weights[up].sum() * weights[down].sum()))
    return (ends[1] - ends[0]) / 2e-4


def leverages(z, base, target):
    weights = tilt_to(z, base, target)
    return weights * (1.0 + (z - target) ** 2 / (weights @ (z - target) ** 2))


@pytest.mark.parametrize("target", [-0.6, 0.0, 0.4])
@pytest.mark.parametrize("kind", ["normal", "tied"])
def test_slope_errors_of_means_are_those_of_influences_by_solving_again(kind, target):
    z, base, outcomes = table(kind, n=30, weighted=False)
    result = solved(z, base, outcomes, target)
    for j, y in enumerate(outcomes.T):
        psi = influence_by_solving(lambda b, y=y: slope_at(z, b, target, y), base)
        expected = np.sqrt(((psi / (1.0 - leverages(z, base, target))) ** 2).sum())
        assert result.slope_errors[0, j] == pytest.approx(expected, rel=2e-5)


def test_slope_errors_of_metrics_and_clusters():
    X = people(30).assign(age=np.linspace(20.0, 60.0, 30) ** 1.1)
    labels = np.tile([0, 1, 1], 10)
    chance = np.linspace(0.1, 0.9, 30)[::-1] + 0.2 * np.sin(np.arange(30.0))
    z, base = standardize(X["age"])
    scale = X["age"].std(ddof=0)
    options = {"targets": {"age": [X["age"].mean() + 0.3 * scale]}, "metric": ["roc_auc", "prediction"]}
    recorded = pd.Series(chance, index=X["age"])
    model = as_predictor(
        lambda rows: np.c_[1.0 - recorded[rows["age"]], recorded[rows["age"]]], task="classification"
    )
    frame = EntropicProjection(model).fit(X, labels).explain(**options).frame
    area = frame[frame["quantity"] == "roc_auc"].iloc[0]
    psi = influence_by_solving(lambda b: slope_at(z, b, 0.3, labels=labels, scores=chance), base)
    expected = np.sqrt(((psi / (1.0 - leverages(z, base, 0.3))) ** 2).sum()) / scale
    assert area["slope_std_error"] == pytest.approx(expected, rel=0.05)  # leverage enters at each end
    assert area["slope_low"] < area["slope"] < area["slope_high"]
    alone = EntropicProjection(model).fit(X, labels, groups=np.arange(30)).explain(**options).frame
    np.testing.assert_allclose(alone["slope_std_error"], frame["slope_std_error"], rtol=1e-9)
    pairs = EntropicProjection(model).fit(X, labels, groups=np.arange(30) // 2).explain(**options).frame
    assert (pairs["slope_std_error"] != frame["slope_std_error"]).all()


def test_slope_error_of_exact_line_is_0():
    X = people(200)
    curves = EntropicProjection().fit(X, predictions=3.0 * X["age"] + 1.0).explain(features="age").frame
    np.testing.assert_allclose(curves["slope"], 3.0)
    np.testing.assert_allclose(curves["slope_std_error"], 0.0, atol=1e-7)
