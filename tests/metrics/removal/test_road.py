"""ROAD against a dense linear system, its optimum for linear models, and bad input."""

import itertools

import numpy as np
import pytest

from agnostix import KernelShapExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker
from agnostix.metrics import road
from tests.messages import refuses
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model
from tests.reference import metrics as reference

RNG = np.random.default_rng(2)
PICTURES = RNG.random((3, 7, 8, 3))
MODEL = softmax_model(RNG.normal(size=(7, 8, 3, 3)) * 0.3)
MAPS = RNG.normal(size=(3, 7, 8, 3))
EXP = of_maps(MAPS, MODEL(PICTURES), ("a", "b", "c"))
CLASS = MODEL(PICTURES).argmax(axis=1)


def test_predictions_are_those_of_a_dense_system():
    proportions = [0.1, 0.5, 0.9]
    result = road(MODEL, PICTURES, EXP, proportions=proportions, noise=0.0)
    for row, picture in enumerate(PICTURES):
        order = np.argsort(-MAPS[row, :, :, CLASS[row]].ravel())
        for point, proportion in enumerate(proportions):
            hidden = np.zeros(56, dtype=bool)
            hidden[order[: int(np.ceil(proportion * 56))]] = True
            shown = reference.imputed(picture, hidden.reshape(7, 8))
            expected = MODEL(shown[None])[0, CLASS[row]]
            assert result.curve.values[row, point] == pytest.approx(expected, abs=1e-10)
        assert result.scores[row] == pytest.approx(result.curve.values[row].mean())
    assert result.greater_is_better is False
    assert result.fill == "noisy linear imputation, noise 0"


def _linear_model(weights):
    return lambda X: (X * weights).sum(axis=(1, 2))


def _optimum(weights, picture):
    """W (x - mean of the neighbors) of each pixel."""
    values = np.empty(picture.shape)
    for place in itertools.product(*map(range, picture.shape)):
        hidden = np.zeros(picture.shape, dtype=bool)
        hidden[place] = True
        shown = reference.imputed(picture[..., None], hidden)[..., 0]
        values[place] = weights[place] * (picture[place] - shown[place])
    return values


def test_single_pixels_of_a_linear_model_rank_by_what_their_neighbors_do_not_say():
    weights, pictures = RNG.normal(size=(5, 5)), RNG.random((10, 5, 5))
    model = _linear_model(weights)
    best = of_maps(
        np.stack([_optimum(weights, one) for one in pictures])[..., None], model(pictures)[:, None]
    )
    result = road(model, pictures, best, proportions=[1 / 25], noise=0.0)
    for seed in range(20):
        random = np.random.default_rng(seed).normal(size=(10, 5, 5, 1))
        other = road(
            model, pictures, of_maps(random), proportions=[1 / 25], noise=0.0, least=False, n_random=0
        )
        assert (other.scores >= result.scores - 1e-12).all()
        assert other.difference(result).interval()[0] > 0
    assert result.against("random").interval()[0] > 0


def test_best_pair_by_enumeration_on_4_x_4():
    weights, picture = RNG.normal(size=(4, 4)), RNG.random((4, 4))
    model = _linear_model(weights)

    def fall(pair):
        hidden = np.zeros(16, dtype=bool)
        hidden[list(pair)] = True
        shown = reference.imputed(picture[..., None], hidden.reshape(4, 4))[..., 0]
        return (weights * (picture - shown)).sum()

    best = max(itertools.combinations(range(16), 2), key=fall)
    values = np.zeros(16)
    values[list(best)] = 2.0, 1.0
    exp = of_maps(values.reshape(1, 4, 4, 1), model(picture[None])[:, None])
    result = road(model, picture[None], exp, proportions=[2 / 16], noise=0.0)
    assert result.scores[0] == pytest.approx(model(picture[None])[0] - fall(best))
    for seed in range(10):
        random = of_maps(np.random.default_rng(seed).normal(size=(1, 4, 4, 1)))
        other = road(model, picture[None], random, proportions=[2 / 16], noise=0.0)
        assert other.scores[0] >= result.scores[0] - 1e-12


def test_rows_are_evaluated_once_and_alone():
    model = Counted(MODEL)
    result = road(model, PICTURES, EXP, proportions=[0.2, 0.6])
    assert model.n_rows == result.n_model_rows == 3 * (1 + 3 * 2)
    some = of_maps(MAPS[[2, 0]], MODEL(PICTURES[[2, 0]]), ("a", "b", "c"))
    alone = road(MODEL, PICTURES[[2, 0]], some, proportions=[0.2, 0.6])
    np.testing.assert_allclose(alone.scores, result.scores[[2, 0]], rtol=1e-10)
    other = road(MODEL, PICTURES, EXP, proportions=[0.2, 0.6], random_state=1)
    assert (other.scores != result.scores).any()  # of the noise


def test_segments_are_imputed_whole():
    masker = SegmentMasker("grid", n_segments=6)
    exp = KernelShapExplainer(MODEL, masker=masker, random_state=0).fit(PICTURES).explain(PICTURES)
    result = road(MODEL, PICTURES, exp, proportions=[1 / 6], noise=0.0)
    labels = exp.extras["segments"].array
    for row, picture in enumerate(PICTURES):
        hidden = labels[row] == exp.values[row, :, CLASS[row]].argmax()
        expected = MODEL(reference.imputed(picture, hidden)[None])[0, CLASS[row]]
        assert result.scores[row] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("noise", [-0.1, np.inf, "a", True])
def test_bad_noise(noise):
    with refuses(DataError, "road", "noise", "at least 0"):
        road(MODEL, PICTURES, EXP, noise=noise)


def test_tables_have_no_neighbors():
    table = RNG.normal(size=(5, 3))
    with refuses(DataError, "road", "columns", "deletion", "background"):
        road(lambda X: X[:, 0], table, of_table(RNG.normal(size=(5, 3, 1)), table))
