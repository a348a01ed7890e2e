"""Paired tests, Holm's correction and Hsu's comparison with the best against their plain definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix.metrics import MetricResult
from agnostix.metrics.comparison.multiple import best_intervals, holm, p_value_of_mean, paired_p_value
from tests.reference import metrics_comparison as reference

P_VALUES = st.lists(st.sampled_from([0.0, 1e-4, 0.01, 0.012, 0.02, 0.05, 0.3, 1.0]), min_size=1, max_size=12)


def result_of(scores, **fields):
    known = {"name": "m", "greater_is_better": True, "made_for": ("relevance",), "quantity": "relevance"}
    return MetricResult(scores=np.asarray(scores, dtype=float), **known | fields)


@given(P_VALUES)
def test_holm_is_that_of_the_definition(p):
    np.testing.assert_allclose(holm(np.array(p)), reference.holm(p), rtol=1e-12)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=10, unique=True))
def test_holm_rejects_what_stepping_down_rejects(p):
    found = set(np.flatnonzero(holm(np.array(p)) < 0.05))
    sure = {j for j in range(len(p)) if abs(reference.holm(p)[j] - 0.05) > 1e-9}
    assert found & sure == reference.rejected_by_holm(p, 0.05) & sure


def test_untested_ones_do_not_count():
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.02])), [0.02, np.nan, 0.02])
    assert np.isnan(holm(np.array([np.nan]))).all()


@pytest.mark.parametrize("power", [1, 2, 3])
def test_p_value_is_that_of_the_paired_definition(power):
    rng = np.random.default_rng(0)
    one, other = rng.exponential(size=(2, 12)) ** power
    expected = reference.paired_p_value(one, other)
    assert paired_p_value(result_of(one), result_of(other)) == pytest.approx(expected, rel=1e-10)
    assert paired_p_value(result_of(other), result_of(one)) == pytest.approx(expected, rel=1e-10)
    difference = result_of(one).difference(result_of(other))
    assert np.abs(difference.interval(1.0 - expected)).min() == pytest.approx(0.0, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30))
def test_p_value_of_proportions_is_that_of_mcnemar(pairs):
    one, other = np.array(pairs, dtype=float).T
    results = [result_of(scores, interval_kind="wilson") for scores in (one, other)]
    assert paired_p_value(*results) == pytest.approx(reference.mcnemar(one, other))


def test_equal_scores_and_constant_differences():
    scores = np.arange(5.0)
    assert paired_p_value(result_of(scores), result_of(scores)) == 1.0
    assert paired_p_value(result_of(scores), result_of(scores + 1.0)) == 0.0


def test_a_single_row_is_tested_by_its_draws_or_not_at_all():
    one, other = result_of([0.4]), result_of([0.7])
    assert np.isnan(paired_p_value(one, other))
    drawn = [result_of(s, draw_errors=np.array([0.1]), n_draws=9) for s in ([0.4], [0.9])]
    assert 0.0 < paired_p_value(*drawn) < 0.05
    assert np.isnan(p_value_of_mean(result_of([0.4])))


@pytest.mark.parametrize("less_is_better", [False, True])
def test_intervals_against_the_best_are_those_of_the_definition(less_is_better):
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(4, 15)) + np.array([0.0, 0.5, 0.4, -1.5])[:, None]
    sign = -1.0 if less_is_better else 1.0
    results = {
        str(j): result_of(sign * one, greater_is_better=not less_is_better) for j, one in enumerate(scores)
    }
    found = best_intervals(results, 0.9)
    expected = reference.intervals_against_the_best(scores.tolist(), 0.9)
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-12)
    assert found["3"][1] == 0.0 > found["3"][0]  # not the best


def test_intervals_against_the_best_cover_together():
    means, covered = np.array([0.0, 0.3, 0.3]), 0
    truth = [means[j] - np.delete(means, j).max() for j in range(3)]
    for seed in range(400):
        rng = np.random.default_rng(seed)
        scores = rng.normal(size=(3, 20)) + means[:, None] + rng.normal(size=20)
        ends = best_intervals({str(j): result_of(one) for j, one in enumerate(scores)}, 0.95)
        covered += all(low <= t <= high for (low, high), t in zip(ends.values(), truth, strict=True))
    assert covered / 400 >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 400)


def test_a_single_row_leaves_everyone_in_question():
    ends = best_intervals({"a": result_of([0.1]), "b": result_of([0.2])}, 0.95)
    assert ends == {"a": (-np.inf, np.inf), "b": (-np.inf, np.inf)}


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_largest_mean_may_always_be_the_best(seed):
    scores = np.random.default_rng(seed).normal(size=(3, 6))
    ends = best_intervals({str(j): result_of(one) for j, one in enumerate(scores)}, 0.95)
    assert ends[str(scores.mean(axis=1).argmax())][1] > 0
