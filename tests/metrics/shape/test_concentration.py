"""Gini coefficient, entropy and effective numbers against plain formulations and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agnostix import KernelShapExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import TextMasker
from agnostix.metrics import complexity, effective_features, sparseness
from agnostix.metrics.shape.concentration import entropy, gini, hill_number
from tests.messages import assert_states, refuses
from tests.metrics.explanations import of_maps, of_table
from tests.reference import metrics_sanity as reference

RNG = np.random.default_rng(0)
SIZES = arrays(float, st.integers(1, 12), elements=st.just(0.0) | st.floats(1e-6, 1)).filter(
    lambda one: one.max() > 1e-3
)


@given(SIZES)
def test_formulas_are_those_of_loops(sizes):
    assert gini(sizes) == pytest.approx(reference.gini(sizes), abs=1e-12)
    assert entropy(sizes) == pytest.approx(reference.entropy(sizes), abs=1e-12)
    for order in (0, 0.5, 1, 2, 3):
        assert hill_number(sizes, order) == pytest.approx(reference.hill(sizes, order), rel=1e-9)


@given(SIZES)
def test_bounds_and_what_more_equal_sizes_do(sizes):
    n = sizes.size
    assert -1e-12 <= gini(sizes) <= 1 - 1 / n + 1e-12
    assert -1e-12 <= entropy(sizes) <= np.log(n) + 1e-12
    assert gini(np.repeat(sizes, 3)) == pytest.approx(gini(sizes), abs=1e-12)  # copies change nothing
    assert entropy(np.repeat(sizes, 3)) == pytest.approx(entropy(sizes) + np.log(3), abs=1e-9)
    numbers = [hill_number(sizes, order) for order in (0, 0.5, 1, 2, 5)]
    assert all(a >= b - 1e-9 for a, b in pairwise(numbers))


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_closed_forms(n):
    one, even = np.eye(n)[n // 2], np.full(n, 0.3)
    assert gini(one) == pytest.approx(1 - 1 / n)
    assert gini(even) == pytest.approx(0, abs=1e-12)
    assert entropy(one) == 0
    assert entropy(even) == pytest.approx(np.log(n))
    for order in (0, 1, 2, 7.5):
        assert hill_number(one, order) == pytest.approx(1)
        assert hill_number(even, order) == pytest.approx(n)


def test_scores_of_tables_and_maps_do_not_depend_on_signs_or_units():
    X = RNG.normal(size=(6, 5))
    values = RNG.normal(size=(6, 5, 1))
    for metric, plain in ((sparseness, reference.gini), (complexity, reference.entropy)):
        expected = [plain(one) for one in values[..., 0]]
        for sign, scale in ((1, 1.0), (-1, 1e-200), (1, 1e200)):
            exp = of_table(sign * scale * values, X)
            np.testing.assert_allclose(metric(None, X, exp).scores, expected, atol=1e-12)
    maps = RNG.normal(size=(3, 4, 6, 2))
    result = sparseness(None, None, of_maps(maps, names=("a", "b")), outputs=["a", "b"])
    assert result.output_names == ("a", "b")
    assert result.scores[1, 1] == pytest.approx(reference.gini(maps[1, ..., 1].ravel()))
    assert result.greater_is_better
    assert complexity(None, None, of_maps(maps[..., :1])).greater_is_better is False
    assert result.n_model_rows == 0


def test_by_default_the_largest_output_of_each_row_counts():
    values = RNG.normal(size=(4, 5, 3))
    outputs = RNG.random((4, 3))
    result = sparseness(None, None, of_table(values, RNG.normal(size=(4, 5)), outputs, ("a", "b", "c")))
    expected = [reference.gini(values[row, :, outputs[row].argmax()]) for row in range(4)]
    np.testing.assert_allclose(result.scores, expected, atol=1e-12)
    assert result.output_names == ("predicted",)
    with refuses(DataError, "sparseness", "outputs='a'"):
        sparseness(None, None, of_table(values, RNG.normal(size=(4, 5)), None, ("a", "b", "c")))


def test_words_that_a_text_has_not_do_not_count():
    texts = ["good food", "the service was good and fast"]
    exp = KernelShapExplainer(lambda X: [t.count("good") for t in X], masker=TextMasker()).fit(texts)
    result = effective_features(None, texts, exp.explain(texts), order=0)
    np.testing.assert_allclose(result.scores, 1)
    np.testing.assert_allclose(sparseness(None, texts, exp.explain(texts)).scores, [1 / 2, 5 / 6], atol=1e-8)


def test_rows_of_zeros_have_no_score():
    values = np.zeros((3, 4, 1))
    values[1, 2] = 1.0
    result = effective_features(None, None, of_table(values, np.zeros((3, 4))))
    np.testing.assert_array_equal(result.scores, [np.nan, 1.0, np.nan])
    assert_states(" ".join(result.notes), "2 of 3")
    with refuses(DataError, "complexity", "0", "all 3 rows"):
        complexity(None, None, of_table(np.zeros((3, 4, 1)), np.zeros((3, 4))))


def test_results_of_two_explanations_are_paired():
    X = RNG.normal(size=(8, 5))
    one, other = (of_table(RNG.normal(size=(8, 5, 1)), X) for _ in range(2))
    difference = sparseness(None, X, one).difference(sparseness(None, X, other))
    assert difference.interval()[0] < difference.score < difference.interval()[1]


def test_bad_input_is_refused():
    X = RNG.normal(size=(3, 4))
    values = RNG.normal(size=(3, 4, 1))
    with refuses(TypeError, "sparseness", "Explanation", "ndarray"):
        sparseness(None, X, values)
    with refuses(DataError, "sparseness", "row 0"):
        sparseness(None, X + 1, of_table(values, X))
    values[2, 1] = np.nan
    with refuses(DataError, "complexity", "NaN", "1 of 3", "row 2"):
        complexity(None, X, of_table(values, X))
    for order in (-1, np.inf, True, "2"):
        with refuses(DataError, "'order'", "effective_features", repr(order)):
            effective_features(None, X, of_table(values, X), order=order)
