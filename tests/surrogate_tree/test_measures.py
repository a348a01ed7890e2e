"""Estimates with intervals: R2, losses, proportions and differences against loops and jackknives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta
from scipy.stats import t as student
from sklearn.metrics import r2_score

from agnostix.surrogate_tree.measures import (
    Measure,
    loss_measure,
    n_carrying,
    paired_difference,
    proportion,
    r2_difference,
    r2_measure,
    spread_dof,
)
from tests.messages import refuses
from tests.reference import surrogate_tree as reference


def skewed(seed, n=60, sigma=1.0):
    rng = np.random.default_rng(seed)
    predictions = np.exp(sigma * rng.normal(size=(n, 1)))
    return predictions, predictions * rng.uniform(0.5, 1.4, (n, 1))


def leave_one_out(function, *arrays, weights=None):
    """Jackknife error of a function of rows and their weights."""
    n = len(arrays[0])
    own = np.ones(n) if weights is None else weights
    values = []
    for k in range(n):
        kept = np.delete(np.arange(n), k)
        values.append(function(*(array[kept] for array in arrays), own[kept]))
    values = np.array(values)
    return np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum())


@pytest.mark.parametrize("weighted", [False, True])
def test_r2_matches_loops_and_jackknife(weighted):
    predictions, outputs = skewed(0, 300, 0.2)
    weights = np.random.default_rng(1).gamma(4.0, size=300) if weighted else None
    measure = r2_measure(predictions, outputs, 1.0, weights)
    assert measure.value == pytest.approx(r2_score(predictions, outputs, sample_weight=weights))
    jackknife = leave_one_out(
        lambda one, other, own: r2_score(one, other, sample_weight=own), predictions, outputs, weights=weights
    )
    assert measure.std_error == pytest.approx(jackknife, rel=0.05)


def test_r2_ends_are_students_on_the_log_scale_with_the_rows_that_carry():
    predictions, outputs = skewed(3, 200, 0.5)
    measure = r2_measure(predictions, outputs, 2.25)
    residual = ((predictions - outputs) ** 2).ravel()
    total = ((predictions - predictions.mean()) ** 2).ravel()
    influence = residual / residual.mean() - total / total.mean()
    carrying = [reference.n_carrying(residual) - 1, reference.n_carrying(total) - 1]
    dof = min(reference.chi_square_dof(influence**2) / 2.25, *carrying)
    assert measure.degrees_of_freedom == pytest.approx(dof)
    missing = 1 - measure.value
    jackknife = leave_one_out(lambda one, other, own: np.log(1 - r2_score(one, other)), predictions, outputs)
    half = student.ppf(0.95, dof) * 1.5 * jackknife
    assert jackknife == pytest.approx(np.sqrt(influence.var(ddof=1) / 200), rel=0.1)
    np.testing.assert_allclose(measure.ends(0.9), (1 - missing * np.exp(half), 1 - missing * np.exp(-half)))


@given(seed=st.integers(0, 10**6), sigma=st.floats(0, 4), n=st.integers(2, 40), level=st.floats(0.5, 0.999))
def test_r2_ends_are_ordered_and_at_most_1(seed, sigma, n, level):
    measure = r2_measure(*skewed(seed, n, sigma), 2.25)
    low, high = measure.ends(level)
    assert low <= measure.value <= high <= 1.0
    if measure.status == "ok":
        inner = measure.ends(level / 2)
        assert low <= inner[0] <= inner[1] <= high
    else:
        assert (low, high) == (-np.inf, 1.0)
        assert np.isnan(measure.std_error)


def test_r2_that_one_row_carries_has_no_interval():
    predictions = np.append(np.linspace(0, 1, 50), 1000.0)[:, None]
    measure = r2_measure(predictions, predictions * 0.9)
    assert (measure.status, measure.kind, measure.ends()) == ("few rows", "undetermined", (-np.inf, 1.0))
    assert measure.value == pytest.approx(reference.r2(predictions, predictions * 0.9))


def test_r2_that_less_than_two_rows_carry_has_one_degree_of_freedom():
    predictions = np.concatenate([np.linspace(0, 1, 50), [20.0, 4.0]])[:, None]
    measure = r2_measure(predictions, predictions * 0.9)
    residual = list(0.01 * predictions[:, 0] ** 2)
    assert 0.1 < reference.n_carrying(residual) - 1 < 1
    assert (measure.status, measure.degrees_of_freedom) == ("ok", 1.0)


def test_r2_of_a_row_that_makes_up_most_of_both_sums_has_the_error_of_the_others():
    predictions = np.append(np.linspace(0, 1, 50), 6.0)[:, None]
    outputs = np.append(0.9 * predictions[:-1], 4.5)[:, None]
    measure = r2_measure(predictions, outputs)
    without = 1 - reference.r2(predictions[:-1], outputs[:-1])
    missing = 1 - measure.value
    assert measure.status == "ok"
    assert measure.std_error / missing > 0.9 * abs(np.log(missing / without)) > 0.3


def test_r2_without_any_residual_follows_the_rule_of_three():
    predictions = np.repeat([0.0, 2.0], 50)[:, None]
    measure = r2_measure(predictions, predictions, 2.0)
    assert measure.value == 1.0
    # One row of the n_effective = 50 that went to the other side would cost 4 of a mean spread of 1.
    assert measure.std_error == pytest.approx(4.0 / 50)
    np.testing.assert_allclose(measure.ends(), (1 - 4.0 / 50 * -np.log(0.05), 1.0))


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_matches_jackknife_and_stays_positive(weighted):
    losses = np.random.default_rng(0).exponential(size=200)
    weights = np.random.default_rng(1).gamma(4.0, size=200) if weighted else None
    measure = loss_measure(losses, 20.0, 1.0, weights)
    jackknife = leave_one_out(lambda one, own: np.average(one, weights=own), losses, weights=weights)
    assert measure.value == pytest.approx(np.average(losses, weights=weights))
    assert measure.std_error == pytest.approx(jackknife, rel=0.02)
    low, high = measure.ends()
    assert 0 < low < measure.value < high
    assert high - measure.value > measure.value - low


def test_loss_that_was_never_seen_or_once():
    unseen = loss_measure(np.zeros(30), 5.0)
    assert (unseen.value, unseen.std_error, unseen.kind) == (0.0, 5.0 / 30, "rule_of_three")
    assert unseen.ends()[0] == 0.0
    once = loss_measure(np.append(np.zeros(29), 1.0), 5.0)
    assert (once.status, once.ends()) == ("few rows", (0.0, np.inf))


def test_spread_dof_is_that_of_the_kurtosis():
    influence = np.random.default_rng(0).standard_t(5, size=80)
    influence -= influence.mean()
    assert spread_dof(influence) == pytest.approx(reference.chi_square_dof(influence**2))
    assert spread_dof(influence, None, 2.0) == pytest.approx(reference.chi_square_dof(influence**2) / 2)
    assert n_carrying(influence**2, None) == pytest.approx(reference.n_carrying(influence**2))
    assert n_carrying(np.zeros(3), None) == 0.0


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (12, 12), (5, 30)])
def test_proportion_has_no_error_of_0(hits, n):
    one = proportion(hits / n, n)
    assert one.std_error == pytest.approx(beta(hits + 0.5, n - hits + 0.5).std())
    low, high = one.ends()
    # Wilson's ends are where the difference to the share is 1.96 of its own errors.
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(hits / n - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / n), rel=1e-5)
    exact = proportion(hits / n, n, "clopper_pearson")
    np.testing.assert_allclose(exact.ends(0.8), reference.clopper_pearson(hits, n, 0.8), atol=1e-9)


def test_paired_difference_counts_rows_that_differ():
    ones, others = np.array([1, 1, 1, 0, 1, 0.0]), np.array([1, 0, 0, 1, 1, 0.0])
    measure = paired_difference(ones, others)
    assert measure.value == pytest.approx(1 / 6)
    more, less = (2 + 1) / 8, (1 + 1) / 8
    assert measure.std_error == pytest.approx(np.sqrt((more + less - (more - less) ** 2) / 8))
    same = paired_difference(ones, ones)
    assert same.value == 0.0
    assert same.ends()[0] < 0 < same.ends()[1]


def test_r2_difference_is_paired():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(250, 1))
    one, other = truth + 0.5 * rng.normal(size=(250, 1)), truth + 0.6 * rng.normal(size=(250, 1))
    measure = r2_difference(one, other, truth)
    assert measure.value == pytest.approx(r2_score(truth, one) - r2_score(truth, other))
    jackknife = leave_one_out(lambda t, a, b, _: r2_score(t, a) - r2_score(t, b), truth, one, other)
    assert measure.std_error == pytest.approx(jackknife, rel=0.03)
    same = r2_difference(one, one, truth)
    assert (same.value, same.kind) == (0.0, "rule_of_three")
    assert r2_difference(one, other, np.ones((250, 1))).status == "constant"


def test_level_is_checked():
    with refuses(ValueError, "level", "between 0 and 1", "1.5"):
        Measure(0.5, 0.1, 9.0, "student").ends(1.5)
