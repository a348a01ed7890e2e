"""How far predictions reach elsewhere."""

import numpy as np
import pytest

from agnostix import LimeExplainer, as_predictor
from agnostix.lime.output_ranges import N_ROWS, UNKNOWN, OutputRanges, learn_ranges, some_rows

X = np.random.default_rng(0).normal(size=(3 * N_ROWS, 2))


def predictor(task):
    return as_predictor(lambda Z: np.zeros(len(Z)), task=task)


def test_sizes_are_the_farther_end_and_unknown_where_nothing_differs():
    ranges = OutputRanges.from_predictions(np.array([[0.0, 2.0], [1.0, 2.0]]), predictor("regression"))
    sizes = ranges.sizes(np.array([[0.2, 2.0], [3.0, 2.5]]))
    np.testing.assert_allclose(sizes, [[0.8, np.nan], [3.0, 0.5]])
    assert np.isnan(UNKNOWN.sizes(np.zeros((2, 3)))).all()


def test_probabilities_that_are_all_the_same_may_be_0_or_1():
    same = np.full((5, 2), 0.3)
    np.testing.assert_allclose(
        OutputRanges.from_predictions(same, predictor("classification")).sizes(same[:1]), 0.7
    )
    assert np.isnan(OutputRanges.from_predictions(same, predictor("regression")).sizes(same[:1])).all()
    rounded = same + 1e-16 * np.arange(5)[:, None]
    np.testing.assert_allclose(
        OutputRanges.from_predictions(rounded, predictor("classification")).sizes(same[:1]), 0.7
    )
    beyond = same + 1.0
    assert np.isnan(
        OutputRanges.from_predictions(beyond, predictor("classification")).sizes(beyond[:1])
    ).all()


def test_some_rows_are_the_same_for_any_order():
    order = np.random.default_rng(1).permutation(len(X))
    one, other = some_rows(X), some_rows(X[order])
    assert len(one) == N_ROWS
    np.testing.assert_array_equal(one[np.lexsort(one.T)], other[np.lexsort(other.T)])
    assert some_rows(X[:5]) is not None
    np.testing.assert_array_equal(some_rows(X[:5]), X[:5])


@pytest.mark.parametrize(
    "known", [None, np.zeros((4, 1)), np.arange(4.0)[:, None]], ids=["none", "same", "vary"]
)
def test_rows_are_predicted_only_where_samples_say_nothing(known):
    ranges, n_rows = learn_ranges(X[:50], lambda rows: rows[:, :1], predictor("regression"), known)
    varies = known is not None and known.any()
    assert n_rows == (0 if varies else 50)
    assert ranges.high == (3.0 if varies else X[:50, 0].max())


@pytest.mark.parametrize("sampling", ["kernel", "tilted", "local"])
def test_missed_spike_has_an_error_of_its_size_over_the_samples(sampling):
    table = X[:400].copy()
    table[0] = 2.5

    def spike(Z):
        return 8.0 * (Z > 2.2).all(axis=1)

    explainer = LimeExplainer(spike, n_samples=64, sampling=sampling, random_state=0, verbose=0).fit(table)
    exp = explainer.explain(np.full((1, 2), -1.0))
    assert not exp.values.any()
    assert (exp.std_errors > 8.0 / 64).all()
    assert (exp.extras["interval_kind"].array == "rule_of_three").all()
    _, high = exp.interval()
    np.testing.assert_allclose(high, -np.log(0.05) * exp.std_errors)
    assert np.isnan(exp.fidelity["r2"]).all()
