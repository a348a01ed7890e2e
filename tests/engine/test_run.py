import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context

from agnostix.engine import cost, run
from agnostix.exceptions import EngineError
from agnostix.models import as_predictor
from agnostix.perturb import Plan, Players, TabularMasker, one_hidden_at_a_time

RNG = np.random.default_rng(0)
X, BACKGROUND = RNG.normal(size=(9, 3)), RNG.integers(0, 3, (8, 3)).astype(float)
WEIGHTS = RNG.dirichlet(np.ones(8))
MASKS = Plan(np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 1, 0]], dtype=bool))


def answers(X):
    """Each row's alone, to the bit."""
    X = np.asarray(X)
    return np.stack([X[:, 0] * X[:, 1] - X[:, 2], np.abs(X[:, 2]) + 0.1], axis=1)


PREDICTOR = as_predictor(answers)


def masker_of(background=BACKGROUND, weights=WEIGHTS, groups=None):
    return TabularMasker(background, weights, Players.of(["x0", "x1", "x2"], groups))


def by_loops(X, background, weights, masks):
    means, variances = [], []
    for row in X:
        for mask in masks:
            said = np.array([answers(np.where(mask, row, other)[None])[0] for other in background])
            mean = sum(w * one for w, one in zip(weights, said, strict=True))
            means.append(mean)
            variances.append(sum(w * (one - mean) ** 2 for w, one in zip(weights, said, strict=True)))
    shape = (len(X), len(masks), 2)
    return np.reshape(means, shape), np.reshape(variances, shape)


@pytest.mark.parametrize("memory", [0, 0.001, 0.005, 0.02, 100])
def test_means_and_variances_are_those_of_loops(memory):
    with config_context(working_memory=memory):
        found = run(PREDICTOR, masker_of(), MASKS, X, n_outputs=2)
    means, variances = by_loops(X, BACKGROUND, WEIGHTS, MASKS.masks)
    np.testing.assert_allclose(found.means, means, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.variances, variances, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(found.means[:, 0], answers(X))
    np.testing.assert_array_equal(found.variances[:, [0, 4]], 0.0)
    assert found.n_model_rows == cost(MASKS, masker_of(), 9)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_cut_of_the_work_changes_a_bit(data):
    n, n_background = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    masks = Plan(rng.random((data.draw(st.integers(1, 6)), 3)) < 0.5)
    masker = masker_of(rng.normal(size=(n_background, 3)).round(1), rng.dirichlet(np.ones(n_background)))
    X = rng.normal(size=(n, 3))
    whole = run(PREDICTOR, masker, masks, X, n_outputs=2)
    with config_context(working_memory=data.draw(st.sampled_from([0, 0.0005, 0.001, 0.005, 0.01, 0.03]))):
        cut = run(PREDICTOR, masker, masks, X, n_outputs=2)
    np.testing.assert_array_equal(cut.means, whole.means)
    np.testing.assert_array_equal(cut.variances, whole.variances)
    rows = rng.permutation(n)[: data.draw(st.integers(1, n))]
    part = run(PREDICTOR, masker, masks, X[rows], n_outputs=2)
    np.testing.assert_array_equal(part.means, whole.means[rows])
    np.testing.assert_array_equal(part.variances, whole.variances[rows])
    assert (whole.variances >= 0).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_outputs", [1, 2, 7])
@pytest.mark.parametrize("n_background", [100, 9000])
def test_the_layout_of_the_answers_changes_no_bit(order, n_outputs, n_background):
    def model(X):
        return np.array(np.sin(X[:, :1] * np.arange(1, n_outputs + 1)), order=order)

    rng = np.random.default_rng(0)
    masker = masker_of(rng.normal(size=(n_background, 3)), rng.dirichlet(np.ones(n_background)))
    X = rng.normal(size=(5, 3))
    plan = Plan(np.zeros((1, 3), dtype=bool))
    whole = run(as_predictor(model), masker, plan, X, n_outputs=n_outputs)
    alone = run(as_predictor(model), masker, plan, X[3:4], n_outputs=n_outputs)
    np.testing.assert_array_equal(alone.means, whole.means[3:4])
    np.testing.assert_array_equal(alone.variances, whole.variances[3:4])


def test_equal_answers_average_to_themselves():
    weights = np.full(7, 1 / 7)
    masker = TabularMasker(RNG.normal(size=(7, 3)), weights, Players.of(["x0", "x1", "x2"]))
    found = run(as_predictor(lambda X: np.full(len(X), 0.1)), masker, MASKS, X, n_outputs=1)
    np.testing.assert_array_equal(found.means, 0.1)
    np.testing.assert_array_equal(found.variances, 0.0)


def test_the_cost_counts_rows_that_differ():
    background = np.array([[1.0, 5.0, 0.0], [2.0, 5.0, 0.0], [1.0, 6.0, 0.0]])
    masker = masker_of(background, np.full(3, 1 / 3))
    assert cost(one_hidden_at_a_time(3), masker, 10) == 10 * (1 + 2 + 2 + 1)


def test_the_batch_that_failed_is_named():
    def fails_on_the_fifth(given):
        if (given[:, 2] == X[4, 2]).any():
            raise KeyError("lost")
        return given[:, 0]

    with config_context(working_memory=0), pytest.raises(EngineError) as error:
        run(as_predictor(fails_on_the_fifth), masker_of(), MASKS, X, n_outputs=1)
    message = (
        "The model fails_on_the_fifth failed on rows 4 to 4 under masks 0 to 0 (1 model rows): "
        "KeyError: 'lost'"
    )
    assert str(error.value) == message
    assert isinstance(error.value.__cause__, KeyError)


def test_another_number_of_outputs_is_an_error():
    message = (
        f"The model answers failed on rows 0 to 8 under masks 0 to 5 ({cost(MASKS, masker_of(), 9)} model "
        "rows): ModelOutputError: 2 outputs where 3 are expected."
    )
    with pytest.raises(EngineError, match=f"^{re.escape(message)}$"):
        run(PREDICTOR, masker_of(), MASKS, X, n_outputs=3)


def test_an_interruption_is_not_swallowed():
    def interrupted(X):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(as_predictor(interrupted), masker_of(), MASKS, X, n_outputs=1)


def test_frames_and_arrays_give_the_same_bits():
    names = ["x0", "x1", "x2"]
    frame, background = pd.DataFrame(X, columns=names), pd.DataFrame(BACKGROUND, columns=names)
    one = run(PREDICTOR, masker_of(), MASKS, X, n_outputs=2)
    other = run(PREDICTOR, masker_of(background), MASKS, frame, n_outputs=2)
    np.testing.assert_array_equal(one.means, other.means)
    np.testing.assert_array_equal(one.variances, other.variances)


def test_a_first_draw_far_from_the_others_costs_no_digits():
    background = np.array([[1e9, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    masker = masker_of(background, np.array([1e-40, 0.5, 0.5]))
    plan = Plan(np.zeros((1, 3), dtype=bool))
    found = run(as_predictor(lambda X: X[:, 0]), masker, plan, X, n_outputs=1)
    np.testing.assert_allclose(found.means, 1.5, rtol=1e-6)
    np.testing.assert_allclose(found.variances, 0.25, rtol=1e-6)
