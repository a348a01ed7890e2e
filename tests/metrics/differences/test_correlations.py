"""Faithfulness correlation and sensitivity-n against plain loops, their optima, and what has none."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn import config_context

from agnostix import KernelShapExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.metrics import faithfulness_correlation, sensitivity_n
from agnostix.metrics.differences.subsets import subsets_of_size
from agnostix.metrics.orders import row_seeds
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model
from tests.reference import metrics_agreement as reference

RNG = np.random.default_rng(1)
TABLE, BACKGROUND = RNG.normal(size=(5, 4)), RNG.normal(size=(3, 4))
VALUES = RNG.normal(size=(5, 4, 1))
W, B = np.array([3.0, -2.0, 1.0, 0.5, -0.3, -1.0, 2.0]), np.array([0.5, 1.0, -1.0, 2.0, 0.3, 0.7, 0.1])
ROWS = RNG.normal(size=(30, 7))
BEST = (W * (ROWS - B))[..., None]
METRICS = [faithfulness_correlation, sensitivity_n]


def _curved(X):
    X = np.asarray(X)
    return np.sin(X[:, 0]) * X[:, 1] + X[:, 2] ** 2 - X[:, 3]


def _linear(X):
    return np.asarray(X) @ W


def _sum(X):
    return X.sum(axis=tuple(range(1, X.ndim)))


@pytest.mark.parametrize(("subset_size", "size"), [(1, 1), (2, 2), (3, 3), (0.3, 2), (0.25, 1), (0.9, 3)])
def test_all_subsets_of_a_size(subset_size, size):
    exp = of_table(VALUES, TABLE, _curved(TABLE)[:, None])
    result = faithfulness_correlation(_curved, TABLE, exp, masker=BACKGROUND, subset_size=subset_size)
    subsets = list(combinations(range(4), size))
    for row, own in enumerate(TABLE):
        expected = reference.correlation_over_subsets(_curved, own, BACKGROUND, VALUES[row, :, 0], subsets)
        assert result.scores[row] == pytest.approx(expected, abs=1e-12)
    assert result.draw_errors is None
    assert (result.details["size"].array == size).all()
    assert result.params["subset_size"] == subset_size
    assert result.notes == ()


def test_drawn_subsets_and_their_jackknife_error():
    values = RNG.normal(size=(30, 7, 1))
    result = faithfulness_correlation(
        _linear, ROWS, of_table(values, ROWS), masker=B[None], subset_size=3, n_samples=20, random_state=4
    )
    for row, seed in enumerate(row_seeds(ROWS, 4)):
        drawn = subsets_of_size(7, 3, 20, seed)
        assert not drawn.is_all
        assert (drawn.hidden.sum(axis=1) == 3).all()
        subsets = [np.flatnonzero(one) for one in drawn.hidden]
        args = _linear, ROWS[row], B[None], values[row, :, 0], subsets
        assert result.scores[row] == pytest.approx(reference.correlation_over_subsets(*args), abs=1e-12)
        sums = np.array([values[row, one, 0].sum() for one in subsets])
        falls = np.array([BEST[row, one, 0].sum() for one in subsets])
        assert result.draw_errors[row] == pytest.approx(reference.jackknife(sums, falls), rel=1e-9)
    assert result.n_draws == 20


def test_sensitivity_n_is_the_correlation_of_each_size():
    values = RNG.normal(size=(30, 7, 1))
    exp = of_table(values, ROWS)
    options = {"masker": B[None], "n_samples": 15}
    result = sensitivity_n(_linear, ROWS, exp, sizes=[1, 3, 5], **options)
    alone = [faithfulness_correlation(_linear, ROWS, exp, subset_size=size, **options) for size in (1, 3, 5)]
    np.testing.assert_allclose(result.curve.values, np.transpose([one.scores for one in alone]), rtol=1e-12)
    np.testing.assert_allclose(result.scores, np.mean([one.scores for one in alone], axis=0), rtol=1e-12)
    np.testing.assert_allclose(result.curve.x, [1 / 7, 3 / 7, 5 / 7])
    np.testing.assert_allclose(
        result.references["random"], np.mean([one.references["random"] for one in alone], axis=0), rtol=1e-12
    )
    errors = [0.0 if one.draw_errors is None else one.draw_errors for one in alone]
    np.testing.assert_allclose(
        result.draw_errors, np.sqrt(sum(np.square(one) for one in errors)) / 3, rtol=1e-12
    )
    assert alone[0].draw_errors is None  # all seven single columns
    assert result.curve.references["random"].shape == (30, 3)


def test_proportions_that_are_the_same_number_are_one_point():
    result = sensitivity_n(_curved, TABLE, of_table(VALUES, TABLE), masker=BACKGROUND)
    np.testing.assert_allclose(result.curve.x, [0.25, 0.5, 0.75])
    assert result.curve.x_label == "proportion of columns hidden"
    assert result.curve.y_label == "correlation"


@pytest.mark.parametrize("metric", METRICS)
def test_contributions_are_the_optimum_of_linear_models_and_no_random_map_reaches_it(metric):
    result = metric(_linear, ROWS, of_table(BEST, ROWS, _linear(ROWS)[:, None]), masker=B[None])
    np.testing.assert_allclose(result.scores, 1.0, atol=1e-12)
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(30, 7, 1))
        other = metric(_linear, ROWS, of_table(values, ROWS), masker=B[None], n_random=0)
        assert result.difference(other).interval()[0] > 0
        assert other.interval(0.999)[1] < 1
    assert result.against("random").interval(0.999)[0] > 0
    for naive in (W * ROWS, np.tile(W, (30, 1))):  # without the baseline, or the gradient
        other = metric(_linear, ROWS, of_table(naive[..., None], ROWS), masker=B[None])
        assert result.difference(other).interval()[0] > 0
    gradient = of_table(np.tile(W, (30, 1))[..., None], ROWS, quantity="sensitivity")
    converted = metric(_linear, ROWS, gradient, masker=B[None])
    np.testing.assert_allclose(converted.scores, 1.0, atol=1e-12)
    assert_states(" ".join(converted.notes), "sensitivity", "multiplied")


@settings(max_examples=15, deadline=None)
@given(
    factor=st.floats(0.01, 100), shift=st.floats(-5, 5), size=st.integers(1, 6), n_samples=st.integers(12, 40)
)
def test_correlations_know_neither_scale_nor_shift(factor, shift, size, n_samples):
    values = np.random.default_rng(size).normal(size=(30, 7, 1))
    options = {"masker": B[None], "subset_size": size, "n_samples": n_samples}
    one = faithfulness_correlation(_linear, ROWS, of_table(values, ROWS), **options)
    other = faithfulness_correlation(_linear, ROWS, of_table(factor * values + shift, ROWS), **options)
    np.testing.assert_allclose(other.scores, one.scores, atol=1e-8)
    turned = faithfulness_correlation(_linear, ROWS, of_table(-values, ROWS), **options)
    np.testing.assert_allclose(turned.scores, -one.scores, atol=1e-12)
    assert (np.abs(one.scores) <= 1).all()


@pytest.mark.parametrize("metric", METRICS)
def test_rows_alone_are_rows_together(metric):
    values = RNG.normal(size=(30, 7, 1))
    exp, options = of_table(values, ROWS), {"masker": ROWS[:2], "n_samples": 9}
    whole = metric(_linear, ROWS, exp, **options)
    order = RNG.permutation(30)[:17]
    some = metric(_linear, ROWS[order], of_table(values[order], ROWS[order]), **options)
    np.testing.assert_allclose(some.scores, whole.scores[order], atol=1e-10)
    np.testing.assert_allclose(some.draw_errors, whole.draw_errors[order], atol=1e-10)
    np.testing.assert_allclose(some.references["random"], whole.references["random"][order], atol=1e-10)
    with parallel_config(backend="threading"):
        np.testing.assert_array_equal(metric(_linear, ROWS, exp, n_jobs=3, **options).scores, whole.scores)
    with config_context(working_memory=1):
        np.testing.assert_allclose(metric(_linear, ROWS, exp, **options).scores, whole.scores, atol=1e-10)
    single = metric(_linear, ROWS[:1], of_table(values[:1], ROWS[:1]), **options)
    assert single.interval_source == "draws"
    low, high = single.interval()
    assert low < single.score < high


def test_intervals_cover_the_mean_of_all_rows_and_draws():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(2000, 7))
    values = W * (rows - B) + rng.normal(size=(2000, 7)) * 2
    every = faithfulness_correlation(
        _linear, rows, of_table(values[..., None], rows), masker=B[None], subset_size=3, n_samples=35
    )
    assert every.draw_errors is None
    covered = 0
    for seed in range(200):
        own = np.random.default_rng(seed).choice(2000, 25)
        result = faithfulness_correlation(
            _linear, rows[own], of_table(values[own][..., None], rows[own]), masker=B[None], subset_size=3,
            n_samples=12, random_state=seed, n_random=0,
        )  # fmt: skip
        low, high = result.interval()
        covered += low <= every.score <= high
    assert 175 <= covered <= 199


def test_cost_is_counted_and_equal_subsets_are_evaluated_once():
    model = Counted(_curved)
    result = sensitivity_n(model, TABLE, of_table(VALUES, TABLE), masker=BACKGROUND, sizes=[1, 2, 3])
    assert model.n_rows == result.n_model_rows == 5 + 5 * (4 + 6 + 4) * 3


def test_several_outputs():
    model = softmax_model(RNG.normal(size=(4, 1, 1, 3)))
    predict = lambda X: model(np.asarray(X)[:, :, None, None])  # noqa: E731
    values = RNG.normal(size=(5, 4, 3))
    exp = of_table(values, TABLE, predict(TABLE), ("a", "b", "c"))
    for metric in METRICS:
        result = metric(predict, TABLE, exp, masker=BACKGROUND, outputs=["c", "a"])
        assert result.scores.shape == (5, 2)
        alone = metric(predict, TABLE, exp, masker=BACKGROUND, outputs="a")
        np.testing.assert_allclose(result.scores[:, 1], alone.scores, atol=1e-12)
    chosen = predict(TABLE).argmax(axis=1)
    own = faithfulness_correlation(predict, TABLE, exp, masker=BACKGROUND, subset_size=2)
    for row in range(5):
        expected = reference.correlation_over_subsets(
            lambda X, c=chosen[row]: predict(X)[:, c], TABLE[row], BACKGROUND, values[row, :, chosen[row]],
            list(combinations(range(4), 2)),
        )  # fmt: skip
        assert own.scores[row] == pytest.approx(expected, abs=1e-10)


def test_texts_of_unequal_length():
    texts = ["good food and bad beer there", "bad service", "so good a place"]
    model = lambda rows: np.array([1.0 * row.count("good") - row.count("bad") for row in rows])  # noqa: E731
    exp = KernelShapExplainer(model, masker=TextMasker()).fit(texts).explain(texts)
    result = sensitivity_n(model, texts, exp, sizes=[0.2, 0.5])
    np.testing.assert_allclose(result.scores, 1.0, atol=1e-12)
    assert result.details["size"].array.tolist() == [[2, 3], [1, 1], [1, 2]]
    result = sensitivity_n(model, texts, exp, sizes=[1, 3])
    assert np.isnan(result.curve.values[1, 1])  # of two words, three cannot be hidden
    assert_states(" ".join(result.notes), "1 of 6", "too few", "left out")
    np.testing.assert_allclose(result.scores, 1.0, atol=1e-12)
    assert result.curve.x_label == "words hidden"
    display = result.plot()
    assert display.ax_.get_ylabel() == "correlation"
    assert np.isfinite(display.curve["mean"]).all()


def test_frames_of_columns_with_labels():
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["u", "v", "u"], "c": [0, 1, 1]})
    model = lambda X: X["a"] * 1.0 + 2.0 * (X["b"] == "u") + X["c"]  # noqa: E731
    exp = KernelShapExplainer(model, random_state=0).fit(table).explain(table)
    result = faithfulness_correlation(model, table, exp, masker=table, subset_size=1)
    np.testing.assert_allclose(result.scores, 1.0, atol=1e-9)


def test_pictures_by_pixels_patches_and_segments():
    pictures = RNG.random((4, 13, 12))
    values = (pictures - 0.5)[..., None]
    for patch in (1, 4):
        result = faithfulness_correlation(
            _sum, pictures, of_maps(values), fill=0.5, patch=patch, n_samples=20
        )
        np.testing.assert_allclose(result.scores, 1.0, atol=1e-9)
        assert (result.against("random").scores > 0).all()
    masker = SegmentMasker("grid", n_segments=6, fill=0.5)
    exp = KernelShapExplainer(_sum, masker=masker, random_state=0).fit(pictures).explain(pictures)
    np.testing.assert_allclose(sensitivity_n(_sum, pictures, exp, masker=masker).scores, 1.0, atol=1e-9)
    with refuses(DataError, "patch", "at least two", "13 x 12"):
        faithfulness_correlation(_sum, pictures, of_maps(values), fill=0.5, patch=20)
    result = faithfulness_correlation(_sum, pictures, of_maps(values), fill=0.5, patch=6, n_samples=20)
    assert np.isfinite(result.score)


def test_what_has_no_correlation_is_left_out_and_told():
    values, rows = VALUES.copy(), TABLE.copy()
    values[1] = 0.7  # one value
    rows[3] = BACKGROUND[0]  # nothing changes when it is hidden
    exp = of_table(values, rows)
    result = faithfulness_correlation(_curved, rows, exp, masker=BACKGROUND[:1], subset_size=2)
    assert np.flatnonzero(np.isnan(result.scores)).tolist() == [1, 3]
    assert_states(" ".join(result.notes), "2 of 5", "whatever is hidden (1)", "sums of values are equal (1)")
    assert result.score == pytest.approx(np.nanmean(result.scores))
    assert np.isfinite(result.interval()).all()


@pytest.mark.parametrize(
    "model",
    [
        lambda X: 0.1 + X[:, 0] - X[:, 0] * (1 + 1e-16),
        lambda X: np.float32(0.3) + np.float32(1e-8) * _sum(X).astype(np.float32),
    ],
)
def test_rounding_is_no_change(model):
    with refuses(DataError, "faithfulness_correlation", "do not change"):
        faithfulness_correlation(model, TABLE, of_table(VALUES, TABLE), masker=BACKGROUND)


def test_constant_predictions_are_refused():
    for metric in METRICS:
        with refuses(DataError, metric.__name__, "do not change", "5 rows", "3 background rows"):
            metric(lambda X: np.full(len(X), 2.0), TABLE, of_table(VALUES, TABLE), masker=BACKGROUND)


def test_nothing_defined_is_refused():
    # All columns count the same, so that any two of them do.
    rows = BACKGROUND[0] + np.ones((5, 4))
    with refuses(DataError, "sensitivity_n", "same amount", "(15)", "other sizes"):
        sensitivity_n(_sum, rows, of_table(VALUES, rows), masker=BACKGROUND[:1], sizes=[1, 2, 3])


@pytest.mark.parametrize("bad", [0, -1, 1.0, 0.0, "half", True, [], [2, 0.5], None])
def test_bad_sizes(bad):
    exp = of_table(VALUES, TABLE)
    with refuses(DataError, "sensitivity_n", "sizes", "above 0 and below 1"):
        sensitivity_n(_curved, TABLE, exp, masker=BACKGROUND, sizes=bad)


def test_bad_parameters():
    exp = of_table(VALUES, TABLE)
    with refuses(DataError, "subset_size", "one number", "sensitivity_n"):
        faithfulness_correlation(_curved, TABLE, exp, masker=BACKGROUND, subset_size=[1, 2])
    with refuses(DataError, "4", "smaller sizes"):
        faithfulness_correlation(_curved, TABLE, exp, masker=BACKGROUND, subset_size=4)
    with refuses(DataError, "n_samples", "at least 3"):
        faithfulness_correlation(_curved, TABLE, exp, masker=BACKGROUND, n_samples=2)
    with refuses(DataError, "faithfulness_correlation", "background"):
        faithfulness_correlation(_curved, TABLE, exp)
    with refuses(DataError, "sensitivity_n", "other rows"):
        sensitivity_n(_curved, TABLE[::-1], exp, masker=BACKGROUND)
