"""Masks of networks for which the best one is known."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import as_predictor  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402
from agnostix.plotting import PixelsDisplay  # noqa: E402
from tests.messages import assert_states, refuses  # noqa: E402

LEVELS = np.random.default_rng(0).permutation(np.repeat([0.0, 1.0, 3.0, 6.0], 16)).reshape(8, 8)
"""Weights of pixels, of sum 160; with an area penalty a mask holds those above a level."""
WHITE = np.ones((1, 8, 8))
PIXELS = {"n_cells": 8, "mask_sigma": 0.0, "jitter": 0.0, "smoothness": 0.0, "n_steps": 60}
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
    predictor = as_predictor(module, activation="none")
    explainer = ExtremalMaskExplainer(predictor, fill=fill, random_state=seed, **(PIXELS | params))
    return explainer.fit(X).explain(X)


@pytest.mark.parametrize("noise", [0.0, 2.0])
@pytest.mark.parametrize("objective", ["extremal_preserve", "extremal_delete"])
@pytest.mark.parametrize(("size", "least"), [(0.25, 6.0), (0.5, 3.0)])
def test_extremal_mask_holds_pixels_of_largest_weight(size, least, objective, noise):
    exp = explained(Weighted(LEVELS), objective=objective, area=size, noise=noise)
    np.testing.assert_array_equal(exp.values[0, ..., 0], least <= LEVELS)
    kept = LEVELS[least <= LEVELS].sum()
    np.testing.assert_allclose(
        [exp.extras["shown"].array[0, 0], exp.extras["hidden"].array[0, 0]], [kept, 160 - kept]
    )


@pytest.mark.parametrize("objective", ["delete", "preserve"])
@pytest.mark.parametrize("level", [0.5, 2.0, 4.0])
def test_area_penalty_keeps_pixels_above_level(objective, level):
    exp = explained(Weighted(LEVELS), objective=objective, area_penalty=64 * level / 160)
    np.testing.assert_array_equal(exp.values[0, ..., 0], level < LEVELS)


def test_both_keeps_pixels_above_level():
    """Where 144 of 160 are shown, a weight counts 1 / 160 in what is hidden and 1 / 144 in the logarithm."""
    area_penalty = 64 * 2.0 * (1 / 160 + 1 / 144)
    exp = explained(Weighted(LEVELS), objective="both", area_penalty=area_penalty)
    np.testing.assert_array_equal(exp.values[0, ..., 0], LEVELS > 2.0)


@pytest.mark.parametrize("objective", ["delete", "preserve", "extremal_preserve"])
def test_masks_ignore_unit_of_score(objective):
    one, two = (
        explained(Weighted(LEVELS, scale), objective=objective, mask_sigma=1.0, n_steps=12)
        for scale in (1, 4096)
    )
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_allclose(4096 * one.extras["shown"].array, two.extras["shown"].array)


def test_mask_depends_on_image_and_seed_alone():
    images = np.random.default_rng(1).random((3, 8, 8))
    few = {"n_steps": 6, "jitter": 1.0}
    exp, turned = (explained(Weighted(LEVELS), X, **few) for X in (images, images[::-1]))
    np.testing.assert_array_equal(exp.values, turned.values[::-1])
    np.testing.assert_array_equal(exp.values, explained(Weighted(LEVELS), images, **few).values)
    assert (exp.values != explained(Weighted(LEVELS), images, seed=1, **few).values).any()


def test_module_is_restored():
    module = Weighted(LEVELS).train()
    module.weights.grad = torch.full((8, 8), 7.0)
    explained(module, n_steps=3)
    assert module.training
    assert module.weights.requires_grad
    assert (module.weights.grad == 7.0).all()


def test_constant_score_has_empty_mask():
    with pytest.warns(UserWarning, match=r"score is 2 .* the fill.* Use another fill, or other outputs"):
        exp = explained(Weighted(0 * LEVELS, shift=2.0), objective="extremal_preserve")
    assert (exp.values == 0).all()
    assert exp.extras["shown"].array == exp.extras["hidden"].array == exp.outputs == 2.0
    assert exp.n_model_rows == 4
    assert not exp.extras["succeeded"].array.any()
    display = PixelsDisplay.from_explanation(exp).plot()
    assert display.failed == exp.output_names
    assert_states(display.ax_.get_xlabel(), "no mask found", "the fill has the same score")


@pytest.mark.parametrize("n_steps", [1, 2])
def test_area_is_exact_after_few_steps(n_steps):
    exp = explained(Weighted(LEVELS), objective="extremal_preserve", area=0.25, n_steps=n_steps)
    assert exp.values.sum() == 16


RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 13, 11, 3))
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 9 * 7, 4)
    )


PREDICTOR = as_predictor(network(), mean=MEAN, std=STD)


def predict(X):
    """The same network, on masked images that are composed before."""
    return PREDICTOR.function(X)


class Quarter(nn.Module):
    """Reads the upper left quarter alone: its mean brightness."""

    def forward(self, x):
        return torch.sigmoid(8.0 * x[:, 0, :8, :8].mean(dim=(1, 2)) - 4.0)


BRIGHT = np.ones((1, 16, 16))
SEARCH = {"n_cells": 8, "jitter": 0, "n_steps": 160, "mask_sigma": 0.5, "smoothness": 0.0}


def learned(**params):
    predictor = as_predictor(Quarter(), activation="none")
    explainer = ExtremalMaskExplainer(predictor, fill=0.0, random_state=0, **(SEARCH | params))
    return explainer.fit(BRIGHT).explain(BRIGHT)


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "delete", "area_penalty": 0.3},
        {"objective": "preserve", "area_penalty": 0.3},
        {"objective": "extremal_preserve", "area": 0.25},
        {"objective": "extremal_delete", "area": 0.25},
        {"objective": "both", "area_penalty": 0.3},
    ],
    ids=lambda params: params["objective"],
)
def test_mask_finds_quarter_that_network_reads(params):
    exp = learned(**params)
    mask = exp.values[0, ..., 0]
    assert (mask.min() >= 0) & (mask.max() <= 1)
    assert mask[:7, :7].mean() > 0.8
    assert mask[10:].max() < 0.25
    assert mask[:, 10:].max() < 0.25
    assert exp.extras["shown"].array[0, 0] > 0.8
    assert exp.extras["hidden"].array[0, 0] < 0.2
    np.testing.assert_allclose(exp.outputs, 1 / (1 + np.exp(-4)), atol=1e-6)
    np.testing.assert_allclose(exp.base_values, 1 / (1 + np.exp(4)), atol=1e-6)
    assert exp.std_errors is None


@pytest.mark.parametrize("size", [0.1, 0.25, 0.6])
def test_area_is_as_requested(size):
    assert abs(learned(objective="extremal_preserve", area=size).values.mean() - size) < 0.02


def test_shown_and_hidden_are_predictions():
    exp = ExtremalMaskExplainer(PREDICTOR, n_steps=5, n_cells=4, fill=0.3, random_state=0).fit(IMAGES)
    exp = exp.explain(IMAGES)
    for k in range(4):
        mask = exp.values[..., k][..., None]
        shown, hidden = mask * IMAGES + (1 - mask) * 0.3, (1 - mask) * IMAGES + mask * 0.3
        np.testing.assert_allclose(exp.extras["shown"].array[:, k], predict(shown)[:, k], atol=1e-5)
        np.testing.assert_allclose(exp.extras["hidden"].array[:, k], predict(hidden)[:, k], atol=1e-5)


@pytest.mark.parametrize(("objective", "each"), [("delete", 1), ("extremal_preserve", 1), ("both", 2)])
def test_cost_counts_model_rows(objective, each):
    batch_sizes = []
    module = network()
    module.register_forward_hook(lambda _, inputs, __: batch_sizes.append(len(inputs[0])))
    explainer = ExtremalMaskExplainer(module, objective=objective, n_steps=5, n_cells=4, outputs=[0, 2])
    explainer.fit(IMAGES)
    batch_sizes.clear()
    exp = explainer.explain(IMAGES)
    assert exp.n_model_rows == explainer.cost(IMAGES) == sum(batch_sizes) == 3 * (2 + 2 * (5 * each + 4))


def test_masks_repeat_by_seed():
    explainer = ExtremalMaskExplainer(PREDICTOR, n_steps=5, n_cells=4, outputs=0, random_state=0)
    one, two = (explainer.fit(IMAGES).explain(IMAGES) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)
    assert one.params["objective"] == "delete"


@pytest.mark.parametrize("objective", ["delete", "preserve", "both", "extremal_preserve", "extremal_delete"])
def test_success_needs_half_of_score_and_more_than_area(objective):
    exp = learned(objective=objective, area=0.25, area_penalty=0.3)
    extras, span = exp.extras, exp.outputs - exp.base_values
    np.testing.assert_allclose(extras["kept"].array, (extras["shown"].array - exp.base_values) / span)
    np.testing.assert_allclose(extras["removed"].array, (exp.outputs - extras["hidden"].array) / span)
    judged = {"delete": ["removed"], "preserve": ["kept"], "both": ["kept", "removed"]}
    shares = [extras[name].array for name in judged[objective.removeprefix("extremal_")]]
    np.testing.assert_array_equal(extras["reached"].array, np.min(shares, axis=0))
    np.testing.assert_array_equal(extras["needed"].array, np.maximum(0.5, exp.values.mean((1, 2))))
    assert extras["succeeded"].array.all()
    assert PixelsDisplay.from_explanation(exp).failed == ()


@pytest.mark.parametrize("objective", ["extremal_preserve", "extremal_delete"])
def test_mask_that_is_too_small_fails_and_is_not_drawn(objective):
    even = Weighted(np.ones((8, 8)))
    exp = explained(even, objective=objective, area=0.25)
    assert not exp.extras["succeeded"].array.any()
    display = PixelsDisplay.from_explanation(exp).plot()
    assert display.failed == exp.output_names
    share = exp.extras["kept" if objective == "extremal_preserve" else "removed"].array[0, 0]
    assert_states(
        display.ax_.get_xlabel(), "no mask found", f"{100 * share:.3g} % of the score", "50 % needed"
    )
    assert not display.ax_.collections
    (image,) = display.ax_.get_images()
    assert np.ptp(np.asarray(image.get_array())) == 0  # the white image alone


def test_mask_that_does_no_better_than_its_area_fails():
    exp = explained(Weighted(np.ones((8, 8))), objective="extremal_preserve", area=0.75)
    np.testing.assert_allclose(exp.extras["kept"].array, 0.75, atol=1e-6)
    assert not (exp.extras["succeeded"].array & (exp.extras["kept"].array <= exp.values.mean())).any()


def test_explainer_pickles_and_is_attached_to_its_model():
    explainer = ExtremalMaskExplainer(PREDICTOR, n_steps=3, n_cells=4, outputs=0, random_state=0)
    expected = explainer.fit(IMAGES).explain(IMAGES[:1])
    again = pickle.loads(pickle.dumps(explainer.without_model())).attach(PREDICTOR)
    np.testing.assert_array_equal(again.explain(IMAGES[:1]).values, expected.values)


def test_masks_need_gradients():
    with refuses(DataError, "ExtremalMaskExplainer", "gradients", "as_predictor(module)"):
        ExtremalMaskExplainer(predict).fit(IMAGES)


@pytest.mark.parametrize("fill", ["draws", "inpaint", IMAGES[:2]], ids=["draws", "inpaint", "array"])
def test_masks_refuse_fills_that_are_many(fill):
    with refuses(DataError, "ExtremalMaskExplainer", "fill"):
        ExtremalMaskExplainer(PREDICTOR, fill=fill).fit(IMAGES)


@pytest.mark.parametrize(
    "params",
    [{"objective": "keep"}, {"area": 1.0}, {"n_cells": 1}, {"mask_sigma": -1.0}, {"learning_rate": 0}],
    ids=str,
)
def test_parameters_out_of_range_are_named(params):
    ((name, value),) = params.items()
    with refuses(ValueError, f"'{name}'", "ExtremalMaskExplainer", repr(value)):
        ExtremalMaskExplainer(PREDICTOR, **params).fit(IMAGES)


def test_parameters_are_those_of_the_search_and_the_fill():
    search = ["objective", "area", "area_penalty", "smoothness", "n_cells", "mask_sigma", "jitter", "noise"]
    names = [*search, "n_steps", "learning_rate", "fill", "sigma"]
    common = ["model", "outputs", "n_jobs", "random_state", "verbose"]
    assert set(ExtremalMaskExplainer(None).get_params(deep=False)) == {*names, *common}
