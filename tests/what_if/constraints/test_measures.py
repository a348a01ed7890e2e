"""Rates and comparisons of groups as metrics of every what-if call."""

import numpy as np
import pandas as pd
import pytest

from agnostix import EntropicProjection, explain_gap
from agnostix.exceptions import DataError
from agnostix.what_if.constraints import (
    DisparateImpact,
    EqualizedOdds,
    EqualOpportunity,
    ErrorRate,
    FalsePositiveRate,
    SelectionRate,
    StatisticalParity,
    TruePositiveRate,
)
from agnostix.what_if.constraints.base import Constraint
from tests.messages import refuses
from tests.reference.fairness import group_comparisons, group_rates
from tests.what_if.fairness.people import people

X, Y, SCORE = people()
N = len(X)
PROJECTION = EntropicProjection(n_targets=5).fit(X, Y, predictions=SCORE)
SEX = {"group": "sex", "reference": "Male"}
JOB = {"group": "job", "reference": "clerk"}
CROSSED = {"group": ["sex", "job"], "reference": ("Male", "clerk")}


def rates(group, weights, threshold=0.5):
    """Rates of the rows with these levels, row by row."""
    members = np.all([np.ones(N, dtype=bool), *(X[name] == level for name, level in group.items())], axis=0)
    return group_rates(threshold <= SCORE, Y, members, weights)


def compare(name, groups, reference, weights, threshold=0.5):
    """A comparison of each group with the reference group."""
    base = rates(reference, weights, threshold)
    return [group_comparisons(rates(group, weights, threshold), base)[name] for group in groups]


FEMALE, MALE, CLERK = {"sex": "Female"}, {"sex": "Male"}, {"job": "clerk"}
OTHERS = [{"job": "farmer"}, {"job": "teacher"}]
CELLS = [
    {"sex": sex, "job": job}
    for sex in ("Female", "Male")
    for job in ("clerk", "farmer", "teacher")
    if (sex, job) != ("Male", "clerk")
]
CASES = {
    "ratio": (
        DisparateImpact(**SEX),
        lambda w: compare("disparate impact", [FEMALE], MALE, w)[0],
    ),
    "ratio at a threshold": (
        DisparateImpact(**SEX, threshold=0.6),
        lambda w: compare("disparate impact", [FEMALE], MALE, w, 0.6)[0],
    ),
    "least ratio": (
        DisparateImpact(**JOB),
        lambda w: min(compare("disparate impact", OTHERS, CLERK, w)),
    ),
    "difference": (
        StatisticalParity(**SEX),
        lambda w: compare("statistical parity", [FEMALE], MALE, w)[0],
    ),
    "largest difference": (
        StatisticalParity(**JOB),
        lambda w: max(map(abs, compare("statistical parity", OTHERS, CLERK, w))),
    ),
    "one of several": (
        EqualOpportunity(**JOB, compared="teacher"),
        lambda w: compare("equal opportunity", OTHERS[1:], CLERK, w)[0],
    ),
    "crossed": (
        EqualizedOdds(**CROSSED),
        lambda w: max(compare("equalized odds", CELLS, {"sex": "Male", "job": "clerk"}, w)),
    ),
    "selection": (SelectionRate(where=FEMALE), lambda w: rates(FEMALE, w)["selection rate"]),
    "selection of all": (SelectionRate(), lambda w: rates({}, w)["selection rate"]),
    "true positives": (TruePositiveRate(where=FEMALE), lambda w: rates(FEMALE, w)["true positive rate"]),
    "false positives": (FalsePositiveRate(), lambda w: rates({}, w)["false positive rate"]),
    "errors": (ErrorRate(where=CELLS[0]), lambda w: rates(CELLS[0], w)["error rate"]),
}


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request):
    return request.param


def test_measure_is_that_of_the_rows_at_base_and_in_a_scenario(case):
    metric, expected = case
    uniform = np.full(N, 1.0 / N)
    assert PROJECTION.baseline(metric=metric)["value"][0] == pytest.approx(expected(uniform), abs=1e-12)
    scenario = PROJECTION.what_if({"age": 43.0}, metric=metric)
    line = scenario.outcomes.iloc[-1]
    assert line["quantity"] == metric.label
    assert line["base"] == pytest.approx(expected(uniform), abs=1e-12)
    assert line["value"] == pytest.approx(expected(scenario.weights), abs=1e-12)
    curve = PROJECTION.explain(targets={"age": [43.0]}, metric=metric).frame.iloc[0]
    for name in ("value", "std_error", "low", "high"):
        assert curve[name] == pytest.approx(line[name], abs=1e-8)


def test_slope_is_the_derivative_by_the_target(case):
    metric, _ = case
    at = PROJECTION.explain(targets={"age": [42.0 - 1e-5, 42.0, 42.0 + 1e-5]}, metric=metric).frame
    low, _, high = at["value"]
    assert at["slope"][1] == pytest.approx((high - low) / 2e-5, rel=1e-4, abs=1e-8)


def test_derivative_is_that_by_weights(case):
    metric, expected = case
    (quantity,) = metric.quantities(PROJECTION.table_, PROJECTION.predictions_)
    order = PROJECTION.table_.order
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 1.5, N)
    weights /= weights.sum()
    value, psi = (
        quantity.measure(weights)
        if metric != SelectionRate()
        else (weights @ quantity.rows, quantity.rows - weights @ quantity.rows)
    )
    in_user_order = np.empty(N)
    in_user_order[order] = weights
    assert value == pytest.approx(expected(in_user_order), abs=1e-12)
    step = 1e-7
    for i in range(0, N, 40):
        up, down = in_user_order.copy(), in_user_order.copy()
        up[order[i]] += step
        down[order[i]] -= step
        assert psi[i] == pytest.approx((expected(up) - expected(down)) / (2 * step), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", ["ratio", "difference", "true positives", "errors"])
def test_standard_error_is_that_of_a_bootstrap(name):
    metric, expected = CASES[name]
    rng = np.random.default_rng(2)
    drawn = [expected(np.bincount(rng.integers(0, N, N), minlength=N) / N) for _ in range(300)]
    error = PROJECTION.baseline(metric=metric)["std_error"][0]
    assert error == pytest.approx(np.std(drawn), rel=0.15)


def test_measures_do_not_depend_on_the_order_of_rows():
    shuffled = np.random.default_rng(3).permutation(N)
    other = EntropicProjection().fit(X.iloc[shuffled], Y[shuffled], predictions=SCORE[shuffled])
    metrics = [metric for metric, _ in CASES.values()]
    pd.testing.assert_frame_equal(
        PROJECTION.baseline(metric=metrics), other.baseline(metric=metrics), check_exact=True
    )


def test_ranking_takes_measures_and_names_the_least_column():
    ranking = PROJECTION.rank(metric=DisparateImpact(**SEX))
    largest = ranking.iloc[0]
    again = PROJECTION.explain(targets={"age": [ranking["target"][ranking["feature"] == "age"].iloc[0]]})
    assert largest["quantity"] == DisparateImpact(**SEX).label
    assert again.frame["kl"].iloc[0] == pytest.approx(0.1, abs=1e-6)


def few(selected, n=12):
    """A group `a` with `selected` of n selected, and a group `b` with half of 60."""
    frame = pd.DataFrame({"g": ["a"] * n + ["b"] * 60, "x": np.arange(n + 60.0)})
    decided = [1] * selected + [0] * (n - selected) + [1, 0] * 30
    return EntropicProjection().fit(frame, predictions=decided)


@pytest.mark.parametrize("selected", [0, 12])
def test_rate_without_spread_has_the_binomial_bound(selected):
    far = 1.0 - 0.025 ** (1.0 / 12)
    line = few(selected).baseline(metric=SelectionRate(where={"g": "a"})).iloc[0]
    assert line["std_error"] == pytest.approx(0.0, abs=1e-12)
    ends = (0.0, far) if selected == 0 else (1.0 - far, 1.0)
    assert (line["low"], line["high"]) == pytest.approx(ends, abs=1e-9)


@pytest.mark.parametrize("selected", [0, 12])
def test_comparison_with_a_rate_without_spread_reaches_as_far(selected):
    group = {"group": "g", "reference": "b"}
    far = 1.0 - 0.025 ** (1.0 / 12)
    lines = few(selected).baseline(metric=[DisparateImpact(**group), StatisticalParity(**group)])
    for line, scale, limit in zip(lines.to_dict("records"), (2.0, 1.0), (0.0, -1.0), strict=True):
        assert limit <= line["low"] <= line["value"] <= line["high"]
        reach = line["high"] - line["value"] if selected == 0 else line["value"] - line["low"]
        other = line["value"] - line["low"] if selected == 0 else line["high"] - line["value"]
        if limit == 0.0 and selected == 0:
            assert line["low"] == 0.0
            assert reach == pytest.approx(scale * far, abs=1e-9)
        else:
            assert reach == pytest.approx(np.hypot(other, scale * far), abs=1e-9)


def test_bootstrap_keeps_the_binomial_bound_of_a_rate_without_spread():
    far = 1.0 - 0.025 ** (1.0 / 12)
    metric = SelectionRate(where={"g": "a"})
    drawn = few(0).set_params(std_errors="bootstrap", n_bootstrap=50)
    frame = pd.DataFrame({"g": ["a"] * 12 + ["b"] * 60, "x": np.arange(72.0)})
    projection = drawn.fit(frame, predictions=[0] * 12 + [1, 0] * 30)
    line = projection.baseline(metric=metric).iloc[0]
    scenario = projection.what_if({"x": 34.0}, metric=metric).outcomes.iloc[-1]
    assert (line["low"], line["high"]) == pytest.approx((0.0, far), abs=1e-9)
    assert scenario["low"] == 0.0
    assert scenario["high"] > far  # fewer effective rows


def test_few_effective_rows_of_a_group_make_its_interval_wider():
    where = {"where": {"g": "a"}}
    line = few(4).baseline(metric=SelectionRate(**where)).iloc[0]
    value, high = line["value"], line["high"]
    # Wilson's end by Student's quantile of 12 / 3 degrees, of no more rows than the group has
    n = min(value * (1.0 - value) / line["std_error"] ** 2, 12.0)
    assert high - value == pytest.approx(2.7764451 * np.sqrt(high * (1.0 - high) / n), rel=1e-6)


def test_rows_without_a_value_are_in_no_group():
    lacking = X.assign(sex=X["sex"].where(np.arange(N) % 5 > 0, None))
    projection = EntropicProjection(missing="omit").fit(lacking, Y, predictions=SCORE)
    line = projection.baseline(metric=DisparateImpact(**SEX)).iloc[0]
    there = (np.arange(N) % 5 > 0).astype(float)
    assert line["value"] == pytest.approx(compare("disparate impact", [FEMALE], MALE, there)[0], abs=1e-12)
    stated = projection.what_if([DisparateImpact("*1", **SEX)]).conditions["before"][0]
    assert line["value"] == pytest.approx(stated, abs=1e-12)


def test_target_that_empties_a_group_leaves_no_value():
    curve = PROJECTION.explain(targets={"sex": {"Female": [0.0, 0.3]}}, metric=DisparateImpact(**SEX))
    assert np.isnan(curve.frame["value"][0])
    assert curve.frame["value"][1] > 0.0


def test_clusters_count_in_the_standard_errors_of_groups():
    twice = pd.concat([X, X], ignore_index=True)
    y, score = np.tile(Y, 2), np.tile(SCORE, 2)
    alone = EntropicProjection().fit(twice, y, predictions=score)
    paired = EntropicProjection().fit(twice, y, predictions=score, groups=np.tile(np.arange(N), 2))
    metric = DisparateImpact(**SEX)
    single, plain, own = (one.baseline(metric=metric)["std_error"][0] for one in (PROJECTION, alone, paired))
    assert plain == pytest.approx(single / np.sqrt(2.0), rel=0.02)
    assert own == pytest.approx(single, rel=0.02)


def test_measure_without_a_target_cannot_be_stated():
    with refuses(ValueError, "no target", "metric=", "DisparateImpact(0.5, ...)"):
        PROJECTION.what_if([DisparateImpact(**SEX)])
    assert PROJECTION.what_if([DisparateImpact(0.5, **SEX)]).status == "ok"
    for option in ({"tolerance": 0.1}, {"penalty": 2.0}):
        with refuses(ValueError, "no target", "tolerance", "penalty"):
            SelectionRate(**option)


def test_columns_must_still_have_a_target():
    with refuses(ValueError, "'age'", "must be a number", "None"):
        PROJECTION.what_if({"age": None})


REFUSED = {
    "by its own groups": (
        lambda: PROJECTION.baseline(metric=DisparateImpact(**SEX), by="sex"),
        ValueError,
        ["by='sex'", "disparate impact of sex", "Leave by= out"],
    ),
    "without a table": (
        lambda: explain_gap(PROJECTION, PROJECTION, metric=DisparateImpact(**SEX)),
        ValueError,
        ["disparate impact of sex", "explain, rank, what_if or baseline"],
    ),
    "unknown level": (
        lambda: PROJECTION.explain(metric=DisparateImpact(group="sex", reference="Man")),
        ValueError,
        ["'sex'", "no level 'Man'", "'Female', 'Male'"],
    ),
    "empty group": (
        lambda: PROJECTION.baseline(
            metric=DisparateImpact(**SEX, where={"age": (200, 300)}),
        ),
        DataError,
        ["age 200 to 300"],
    ),
    "empty cell": (
        lambda: few(3).baseline(metric=StatisticalParity(group="g", reference="a", where={"x": (0, 5)})),
        ValueError,
        ["g = a", "no others"],
    ),
    "no true classes": (
        lambda: few(3).baseline(metric=EqualOpportunity(group="g", reference="a")),
        DataError,
        ["true classes", "pass y"],
    ),
}


@pytest.mark.parametrize(("call", "error", "facts"), REFUSED.values(), ids=list(REFUSED))
def test_bad_measures_are_refused_by_name(call, error, facts):
    with refuses(error, *facts):
        call()


def test_only_rates_and_comparisons_are_measures():
    measures = {kind.__name__ for kind in _kinds(Constraint) if kind.is_measure and "kind" in vars(kind)}
    assert measures == {
        *("DisparateImpact", "EqualOpportunity", "EqualizedOdds", "StatisticalParity"),
        *("ErrorRate", "FalsePositiveRate", "SelectionRate", "TruePositiveRate"),
    }


def _kinds(kind):
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)
