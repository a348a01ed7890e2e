"""Masks of networks for which the best one is known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import OcclusionExplainer, as_predictor  # noqa: E402
from agnostix.perturb import LearnedMask  # noqa: E402
from tests.messages import states  # noqa: E402

LEVELS = np.random.default_rng(0).permutation(np.repeat([0.0, 1.0, 3.0, 6.0], 16)).reshape(8, 8)
"""Weights of pixels, of sum 160; a mask of pixels that has a price holds those above a level."""
WHITE = np.ones((1, 8, 8))
PIXELS = {"n_cells": 8, "sigma": 0.0, "jitter": 0.0, "smoothness": 0.0, "n_steps": 60}
"""A cell for each pixel, and edges that are hard."""


class Weighted(nn.Module):
    """The sum of weights times pixels."""

    def __init__(self, weights, scale=1.0, shift=0.0):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))
        self.scale, self.shift = scale, shift

    def forward(self, x):
        return self.scale * (self.weights * x[:, 0]).sum(dim=(1, 2)) + self.shift


def explained(module, X=WHITE, seed=0, fill=0.0, **params):
    search = LearnedMask(**(PIXELS | params))
    predictor = as_predictor(module, activation="none")
    explainer = OcclusionExplainer(
        predictor, method="mask", learned_mask=search, fill=fill, random_state=seed
    )
    return explainer.fit(X).explain(X)


@pytest.mark.parametrize("noise", [0.0, 2.0])
@pytest.mark.parametrize("destroy", [False, True])
@pytest.mark.parametrize(("size", "least"), [(0.25, 6.0), (0.5, 3.0)])
def test_mask_of_area_keeps_pixels_of_largest_weight(size, least, destroy, noise):
    exp = explained(Weighted(LEVELS), objective="area", size=size, destroy=destroy, noise=noise)
    np.testing.assert_array_equal(exp.values[0, ..., 0], least <= LEVELS)
    kept = LEVELS[least <= LEVELS].sum()
    np.testing.assert_allclose(
        [exp.extras["shown"].array[0, 0], exp.extras["hidden"].array[0, 0]], [kept, 160 - kept]
    )


@pytest.mark.parametrize("objective", ["delete", "preserve"])
@pytest.mark.parametrize("level", [0.5, 2.0, 4.0])
def test_mask_with_area_penalty_keeps_pixels_above_it(objective, level):
    exp = explained(Weighted(LEVELS), objective=objective, area=64 * level / 160)
    np.testing.assert_array_equal(exp.values[0, ..., 0], level < LEVELS)


def test_mask_of_both_objectives_keeps_pixels_above_penalty():
    """Where 144 of 160 are shown, a weight counts 1 / 160 in what is hidden and 1 / 144 in the logarithm."""
    price = 64 * 2.0 * (1 / 160 + 1 / 144)
    exp = explained(Weighted(LEVELS), objective="both", area=price)
    np.testing.assert_array_equal(exp.values[0, ..., 0], LEVELS > 2.0)


@pytest.mark.parametrize("objective", ["delete", "preserve", "area"])
def test_mask_ignores_scale_of_score(objective):
    one, two = (
        explained(Weighted(LEVELS, scale), objective=objective, sigma=1.0, n_steps=12) for scale in (1, 4096)
    )
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_allclose(4096 * one.extras["shown"].array, two.extras["shown"].array)


def test_mask_depends_on_image_and_seed_only():
    pictures = np.random.default_rng(1).random((3, 8, 8))
    few = {"n_steps": 6, "jitter": 1.0}
    exp, turned = (explained(Weighted(LEVELS), X, **few) for X in (pictures, pictures[::-1]))
    np.testing.assert_array_equal(exp.values, turned.values[::-1])
    np.testing.assert_array_equal(exp.values, explained(Weighted(LEVELS), pictures, **few).values)
    assert (exp.values != explained(Weighted(LEVELS), pictures, seed=1, **few).values).any()


def test_mask_search_leaves_module_unchanged():
    module = Weighted(LEVELS).train()
    module.weights.grad = torch.full((8, 8), 7.0)
    explained(module, n_steps=3)
    assert module.training
    assert module.weights.requires_grad
    assert (module.weights.grad == 7.0).all()


def test_mask_of_constant_score_is_empty_and_warns():
    with pytest.warns(UserWarning, match=states("score is 2", "empty", "another fill", "other outputs")):
        exp = explained(Weighted(0 * LEVELS, shift=2.0), objective="area")
    assert (exp.values == 0).all()
    assert exp.extras["shown"].array == exp.extras["hidden"].array == exp.outputs == 2.0
    assert exp.n_model_rows == 4


@pytest.mark.parametrize("n_steps", [1, 2])
def test_mask_of_area_after_few_steps_keeps_area(n_steps):
    exp = explained(Weighted(LEVELS), objective="area", size=0.25, n_steps=n_steps)
    assert exp.values.sum() == 16
