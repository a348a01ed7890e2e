import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from agnostix import RiseExplainer, as_predictor
from agnostix.core.masking import SoftMaskBatch
from agnostix.core.models import Differentiable, MaskComposer
from agnostix.exceptions import DataError, EngineError, ModelOutputError
from tests.messages import refuses
from tests.occlusion.explainers import explainer_of

IMAGES = np.random.default_rng(0).random((2, 6, 8))
WEIGHTS = np.random.default_rng(1).normal(size=(6, 8))
ROWS = np.arange(12.0).reshape(4, 3)


def weigh(X):
    return (WEIGHTS * X).sum(axis=(1, 2))


class Composer:
    """A user's own callable that composes hard and soft masks."""

    def __init__(self):
        self.n_masks = 0

    def __call__(self, X):
        return weigh(X)

    def predict_masked(self, x, masks, fill, segments):
        self.n_masks += len(masks)
        if isinstance(masks, SoftMaskBatch):
            assert segments is None
            shown = masks.to_array()[None, :, None]
        else:
            shown = np.stack([masks[:, places] for places in segments])[:, :, None]
        mixed = fill[:, None] + shown * (x[:, None, None] - fill[:, None])
        return (WEIGHTS * mixed).sum(axis=(-2, -1))


@pytest.fixture(scope="module")
def classifier():
    return LogisticRegression().fit(ROWS, [0, 0, 1, 1])


@pytest.mark.parametrize("capability", [MaskComposer, Differentiable])
def test_supports_is_false_for_estimators_and_functions(classifier, capability):
    assert not as_predictor(classifier).supports(capability)
    assert not as_predictor(weigh).supports(capability)


def test_supports_finds_own_mask_composer_without_gradients():
    model = Composer()
    predictor = as_predictor(model)
    assert predictor.supports(MaskComposer)
    assert predictor.require(MaskComposer, "a test") is model
    assert not predictor.supports(Differentiable)


@pytest.mark.parametrize(
    ("capability", "need"),
    [(Differentiable, "gradients"), (MaskComposer, "composes masked rows")],
)
def test_require_names_who_needs_what_and_the_remedy(classifier, capability, need):
    facts = ("SaliencyExplainer needs", need, "LogisticRegression", "as_predictor(module)", "Or use another.")
    with refuses(DataError, *facts):
        as_predictor(classifier).require(capability, "SaliencyExplainer", instead="Or use another.")


def test_predict_masked_needs_a_mask_composer():
    with refuses(DataError, "predict_masked needs", "composes masked rows"):
        as_predictor(weigh).predict_masked(ROWS, np.ones((1, 3), bool), ROWS[None], np.arange(3)[None])


def test_estimator_method_is_no_mask_composer():
    # The composing method belongs to the estimator, but its predict_proba is what is called.
    class Odd(LogisticRegression):
        def predict_masked(self, x, masks, fill, segments):
            raise AssertionError

    assert not as_predictor(Odd().fit(ROWS, [0, 0, 1, 1])).supports(MaskComposer)


@pytest.mark.parametrize("method", ["rise", "segments", "window"])
def test_own_mask_composer_explains_like_a_plain_function(method):
    params = {"method": method, "n_masks": 64, "n_cells": 3, "window": 3, "stride": 2, "random_state": 0}
    model = Composer()
    found, plain = (
        explainer_of(function, **params).fit(IMAGES).explain(IMAGES) for function in (model, weigh)
    )
    assert model.n_masks > 0
    np.testing.assert_allclose(found.values, plain.values, atol=1e-12)
    np.testing.assert_allclose(found.base_values, plain.base_values, atol=1e-12)
    assert found.n_model_rows == plain.n_model_rows


def soft_batch():
    rng = np.random.default_rng(2)
    return SoftMaskBatch(
        (rng.random((5, 3, 3)) < 0.5).astype(float),
        rng.integers(0, 2, (5, 2)),
        rng.random((2, 6, 3)),
        rng.random((2, 8, 3)),
    )


def test_soft_masks_keep_arrays_if_model_writes_to_them():
    class Writes(Composer):
        def predict_masked(self, x, masks, fill, segments):
            found = super().predict_masked(x, masks, fill, segments)
            for part in (x, fill, masks.grids, masks.offsets, masks.row_weights, masks.column_weights):
                part[...] = 0
            return found

    masks, image, fill = soft_batch(), IMAGES[:1].copy(), np.full((1, 1, 1, 1), 0.5)
    first, second = (as_predictor(Writes()).predict_masked(image, masks, fill) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    expected = weigh(masks.compose(image[0], fill[0, 0]))
    np.testing.assert_allclose(first[0, :, 0, 0], expected, atol=1e-12)


def test_soft_masks_check_the_shape_of_outputs():
    class Short(Composer):
        def predict_masked(self, x, masks, fill, segments):
            return super().predict_masked(x, masks, fill, segments)[:, 1:]

    with refuses(ModelOutputError, "Short", "5 masks", "(1, 4, 1)", "(1, 5, 1)"):
        as_predictor(Short()).predict_masked(IMAGES[:1], soft_batch(), np.zeros((1, 1, 1, 1)))


def test_composer_without_soft_masks_fails_with_its_own_error():
    class HardOnly(Composer):
        def predict_masked(self, x, masks, fill, segments):
            return np.where(masks[:, segments[0]], x, fill)

    explainer = RiseExplainer(HardOnly(), n_masks=64, n_cells=3).fit(IMAGES)
    with refuses(EngineError, "soft masks 0 to", "TypeError"):
        explainer.explain(IMAGES)
