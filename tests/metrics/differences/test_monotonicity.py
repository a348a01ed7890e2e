"""Monotonicity by both definitions against plain loops; that it can fail, and when it must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config

from agnostix import KernelShapExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import TextMasker
from agnostix.metrics import monotonicity
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model
from tests.reference import metrics_agreement as reference

RNG = np.random.default_rng(2)
TABLE, BACKGROUND = RNG.normal(size=(6, 4)), RNG.normal(size=(3, 4))
VALUES = RNG.normal(size=(6, 4, 1))
W, B = np.array([3.0, -2.0, 1.0, 0.5, -0.3, -1.0]), np.array([0.5, 1.0, -1.0, 2.0, 0.3, 0.7])
ROWS = RNG.normal(size=(40, 6))


def _curved(X):
    X = np.asarray(X)
    return np.sin(X[:, 0]) * X[:, 1] + X[:, 2] ** 2 - X[:, 3]


def _linear(X):
    return np.asarray(X) @ W


def test_nguyen_is_the_rank_correlation_with_mean_squared_changes():
    result = monotonicity(_curved, TABLE, of_table(VALUES, TABLE, _curved(TABLE)[:, None]), masker=BACKGROUND)
    for row, own in enumerate(TABLE):
        expected = reference.monotonicity_nguyen(_curved, own, BACKGROUND, VALUES[row, :, 0])
        assert result.scores[row] == pytest.approx(expected, abs=1e-12)
    assert result.name == "monotonicity (nguyen)"
    assert result.greater_is_better is True
    assert result.draw_errors is None
    assert result.notes == ()
    # The mean change would not do: changes to both sides cancel.
    far = np.array([[1.0, 1.0, 1.0, 1.0], [-1.0, 0.1, 0.1, 0.1]])
    model = lambda X: X[:, 0] * 2 + X[:, 1] + 0.5 * X[:, 2] + 0.1 * X[:, 3]  # noqa: E731
    row = np.array([[0.0, 0.5, 0.5, 0.5]])
    exp = of_table(np.array([[[4.0], [3.0], [2.0], [1.0]]]), row)
    assert monotonicity(model, row, exp, masker=far).score == pytest.approx(1.0)


@pytest.mark.parametrize("background", [BACKGROUND, BACKGROUND[:1]])
def test_arya_is_whether_the_prediction_never_falls(background):
    model = lambda X: np.exp(_curved(X))  # noqa: E731
    values = np.abs(VALUES)
    result = monotonicity(model, TABLE, of_table(values, TABLE), definition="arya", masker=background)
    for row, own in enumerate(TABLE):
        expected = reference.monotonicity_arya(model, own, background, values[row, :, 0])
        assert result.scores[row] == expected[0]
        assert result.details["rising_steps"].array[row, 0] == pytest.approx(expected[1])
    assert result.interval_kind == "wilson"
    assert result.curve.values.shape == (6, 5)
    np.testing.assert_allclose(result.curve.values[:, -1], model(TABLE))


def test_arya_can_fail_and_hold():
    # The second column counts once the first is there: shown the other way round, nothing falls.
    model = lambda X: X[:, 0] - 0.5 * X[:, 1] * (1 - X[:, 0])  # noqa: E731
    row, zero = np.ones((1, 2)), np.zeros((1, 2))
    scores = [
        monotonicity(
            model, row, of_table(np.array(values)[None, :, None], row), definition="arya", masker=zero
        )
        for values in ([1.0, 2.0], [2.0, 1.0])
    ]
    assert [one.score for one in scores] == [1.0, 0.0]
    assert scores[1].details["rising_steps"].array.tolist() == [[0.5]]


def test_sizes_of_contributions_are_the_optimum_of_linear_models():
    best = of_table((W * (ROWS - B))[..., None], ROWS, _linear(ROWS)[:, None])
    result = monotonicity(_linear, ROWS, best, masker=B[None])
    np.testing.assert_allclose(result.scores, 1.0, atol=1e-12)
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(40, 6, 1))
        other = monotonicity(_linear, ROWS, of_table(values, ROWS), masker=B[None])
        assert result.difference(other).interval()[0] > 0
        assert other.interval(0.999)[1] < 1
    assert result.against("random").interval(0.999)[0] > 0
    gradient = of_table(np.tile(W, (40, 1))[..., None], ROWS, quantity="sensitivity")
    converted = monotonicity(_linear, ROWS, gradient, masker=B[None])
    np.testing.assert_allclose(converted.scores, 1.0, atol=1e-12)
    assert_states(" ".join(converted.notes), "sensitivity", "multiplied")


def test_arya_says_nothing_of_the_order_for_linear_models():
    w = np.abs(W)
    rows = B + np.abs(ROWS)
    for seed in range(3):
        values = np.random.default_rng(seed).random((40, 6, 1))
        result = monotonicity(
            lambda X: X @ w, rows, of_table(values, rows), definition="arya", masker=B[None]
        )
        assert result.score == 1.0
        assert result.references["random"].mean() == 1.0
    best = of_table((W * (ROWS - B))[..., None], ROWS)
    result = monotonicity(_linear, ROWS, best, definition="arya", masker=B[None])
    negative = ((W * (ROWS - B)) < 0).any(axis=1)
    np.testing.assert_array_equal(result.scores, ~negative)
    assert_states(" ".join(result.notes), f"{negative.sum()} of 40", "negative")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), power=st.sampled_from([1, 3, 5]))
def test_only_ranks_of_values_count(seed, power):
    values = np.random.default_rng(seed).normal(size=(6, 4, 1)) + 0.0
    for definition in ("nguyen", "arya"):
        options = {"masker": BACKGROUND, "definition": definition}
        one = monotonicity(_curved, TABLE, of_table(values, TABLE), **options)
        other = monotonicity(_curved, TABLE, of_table(3 * values**power, TABLE), **options)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-12)


@pytest.mark.parametrize("definition", ["nguyen", "arya"])
def test_rows_alone_are_rows_together(definition):
    values = RNG.normal(size=(40, 6, 1)).round(0)
    model = lambda X: _linear(X) + X[:, 0] * X[:, 1]  # noqa: E731
    options = {"masker": ROWS[:3], "definition": definition}
    whole = monotonicity(model, ROWS, of_table(values, ROWS), **options)
    order = RNG.permutation(40)[:19]
    some = monotonicity(model, ROWS[order], of_table(values[order], ROWS[order]), **options)
    np.testing.assert_allclose(some.scores, whole.scores[order], atol=1e-10)
    np.testing.assert_allclose(some.references["random"], whole.references["random"][order], atol=1e-10)
    with parallel_config(backend="threading"):
        threads = monotonicity(model, ROWS, of_table(values, ROWS), n_jobs=3, **options)
    np.testing.assert_array_equal(threads.scores, whole.scores)


def test_cost_is_counted():
    model = Counted(_curved)
    result = monotonicity(model, TABLE, of_table(VALUES, TABLE), masker=BACKGROUND)
    assert model.n_rows == result.n_model_rows == 6 + 6 * 4 * 3
    model = Counted(_curved)
    exp = of_table(VALUES, TABLE)
    result = monotonicity(model, TABLE, exp, masker=BACKGROUND, definition="arya", n_random=0)
    assert model.n_rows == result.n_model_rows == 6 + 6 * 4 * 3


def test_several_outputs_texts_and_patches():
    model = softmax_model(RNG.normal(size=(4, 1, 1, 3)))
    predict = lambda X: model(np.asarray(X)[:, :, None, None])  # noqa: E731
    exp = of_table(RNG.normal(size=(6, 4, 3)), TABLE, predict(TABLE), ("a", "b", "c"))
    for definition in ("nguyen", "arya"):
        options = {"masker": BACKGROUND, "definition": definition}
        both = monotonicity(predict, TABLE, exp, outputs=["c", "a"], **options)
        alone = monotonicity(predict, TABLE, exp, outputs="a", **options)
        np.testing.assert_allclose(both.scores[:, 1], alone.scores, atol=1e-12)
    texts = ["good food and beer", "bad service", "so good"]
    score = lambda rows: np.array([2.0 * row.count("good") - row.count("bad") for row in rows])  # noqa: E731
    shapley = KernelShapExplainer(score, masker=TextMasker()).fit(texts).explain(texts)
    np.testing.assert_allclose(monotonicity(score, texts, shapley).scores, 1.0)
    arya = monotonicity(score, texts, shapley, definition="arya")
    assert arya.scores.tolist() == [1.0, 0.0, 1.0]
    pictures = RNG.random((3, 9, 8))
    weights = RNG.normal(size=(9, 8))
    maps = (weights * (pictures - 0.5))[..., None]
    for patch in (1, 4):
        result = monotonicity(
            lambda X: np.tensordot(X, weights, 2), pictures, of_maps(maps), fill=0.5, patch=patch
        )
        np.testing.assert_allclose(result.scores, 1.0, atol=1e-9)


def test_what_has_no_score_is_left_out_and_told():
    values, rows = VALUES.copy(), TABLE.copy()
    values[1] = [[0.5], [-0.5], [0.5], [0.5]]  # one size
    rows[3] = BACKGROUND[0]
    result = monotonicity(_curved, rows, of_table(values, rows), masker=BACKGROUND[:1])
    assert np.flatnonzero(np.isnan(result.scores)).tolist() == [1, 3]
    assert_states(" ".join(result.notes), "2 of 6", "left out")
    assert np.isfinite(result.score)
    same = values.copy()
    same[:] = values[1]
    with refuses(DataError, "monotonicity (nguyen)", "equal", "faithfulness_correlation"):
        monotonicity(_curved, TABLE, of_table(same, TABLE), masker=BACKGROUND)


def test_ties_of_arya_are_told_with_their_effect():
    model = lambda X: X[:, 0] - 0.5 * X[:, 1] * (1 - X[:, 0]) + 0 * X[:, 2]  # noqa: E731
    row, zero = np.ones((1, 3)), np.zeros((1, 3))
    exp = of_table(np.array([[[1.0], [1.0], [0.0]]]), row)
    result = monotonicity(model, row, exp, definition="arya", masker=zero, n_ties=20)
    assert 0 < result.score < 1
    assert result.interval_source == "draws"
    assert_states(" ".join(result.notes), "equal value", "20")


def test_bad_input():
    exp = of_table(VALUES, TABLE)
    for definition in ("nguyen", "arya"):
        with refuses(DataError, f"monotonicity ({definition})", "do not change", "6 rows"):
            monotonicity(lambda X: np.full(len(X), 0.3), TABLE, exp, masker=BACKGROUND, definition=definition)
    with refuses(DataError, "definition", "'nguyen'", "'arya'", "'quantus'"):
        monotonicity(_curved, TABLE, exp, masker=BACKGROUND, definition="quantus")
    with refuses(DataError, "n_ties", "at least 1"):
        monotonicity(_curved, TABLE, exp, masker=BACKGROUND, n_ties=0)
    with refuses(DataError, "monotonicity", "background"):
        monotonicity(_curved, TABLE, exp)
    with refuses(DataError, "monotonicity", "other rows"):
        monotonicity(_curved, TABLE[::-1], exp, masker=BACKGROUND)
