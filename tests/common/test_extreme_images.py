"""Images of very large numbers, and networks that fail between image and fill: no NaN, and no false blame."""

import copy
from contextlib import suppress

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer, as_predictor  # noqa: E402
from agnostix.exceptions import DataError, EngineError, ModelOutputError  # noqa: E402
from agnostix.maskers import SegmentMasker, SlidingWindow  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402
from tests.messages import refuses  # noqa: E402

SIGNS = np.random.default_rng(0).choice([-1.0, 1.0], (2, 4, 4))
EXPLAINERS = {
    "window": lambda model: OcclusionExplainer(model, masker=SlidingWindow(2, 2)),
    "blur": lambda model: OcclusionExplainer(model, masker=SlidingWindow(2, 2, fill="blur")),
    "inpaint": lambda model: OcclusionExplainer(model, masker=SlidingWindow(2, 2, fill="inpaint")),
    "noise": lambda model: OcclusionExplainer(model, masker=SegmentMasker(n_segments=4, fill="noise")),
    "draws": lambda model: OcclusionExplainer(
        model, masker=SegmentMasker(n_segments=4), fill="draws", random_state=0
    ),
    "shapley": lambda model: KernelShapExplainer(model, masker=SegmentMasker(n_segments=4), random_state=0),
    "lime": lambda model: LimeExplainer(
        model, masker=SegmentMasker(n_segments=4), n_samples=32, random_state=0
    ),
    "rise": lambda model: RiseExplainer(model, n_masks=32, random_state=0),
}
explainers = pytest.mark.parametrize("explainer", EXPLAINERS.values(), ids=EXPLAINERS)
TORCH_EXPLAINERS = EXPLAINERS | {
    "mask": lambda model: ExtremalMaskExplainer(model, n_steps=2, random_state=0, fill=0)
}
torch_explainers = pytest.mark.parametrize("explainer", TORCH_EXPLAINERS.values(), ids=TORCH_EXPLAINERS)


class Scaled:
    """The sum of the pixels in units of a scale."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, X):
        return (np.asarray(X, dtype=float) / self.scale).sum(axis=(1, 2))


class ScaledModule(nn.Module):
    """The same as a module in single precision."""

    def __init__(self, scale):
        super().__init__()
        self.scale, self.weight = scale, nn.Parameter(torch.ones(1))

    def forward(self, x):
        return (x / self.scale).flatten(1).sum(1, keepdim=True) * self.weight


def explain(explainer, model, X):
    return explainer(model).fit(X).explain(X).values


@explainers
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e100, 1e149])
def test_values_in_units_of_large_images(explainer, scale):
    found, expected = (explain(explainer, Scaled(one), one * SIGNS) for one in (scale, 1.0))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@explainers
@pytest.mark.parametrize("scale", [1e155, 1.7e308])
def test_images_whose_squares_are_infinite_are_refused(explainer, scale):
    X = scale * SIGNS
    with refuses(DataError, "row 0", f"{scale:.3g}", "1e+150", "lambda P: f(P * 1e200)"):
        explainer(Scaled(scale)).fit(X)
    fitted = explainer(Scaled(scale)).fit(SIGNS)
    with refuses(DataError, "row 0", f"{scale:.3g}"):
        fitted.explain(X)
    f = Scaled(scale)
    found = explain(explainer, lambda P: f(P * 1e200), X / 1e200)
    expected = explain(explainer, Scaled(1.0), SIGNS)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@torch_explainers
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_beyond_the_precision_of_a_module_are_refused(explainer, dtype):
    X, model = (3e38 * SIGNS).astype(dtype), ScaledModule(3e38)
    with refuses(DataError, "module ScaledModule", "float32", "row 0", "3e+38", "double()"):
        explainer(as_predictor(model, activation="none", value_range="0-1")).fit(X)
    doubled = as_predictor(copy.deepcopy(model).double(), activation="none", value_range="0-1")
    assert np.isfinite(explain(explainer, doubled, X)).all()
    divided = as_predictor(ScaledModule(1.0), activation="none")
    np.testing.assert_allclose(
        explain(explainer, divided, SIGNS), explain(explainer, doubled, X.astype(float)), atol=1e-4
    )


@pytest.mark.parametrize("make", [KernelShapExplainer, LimeExplainer, OcclusionExplainer])
def test_tables_beyond_the_precision_of_a_module_are_refused(make):
    X = 1e39 * SIGNS[0]
    with refuses(DataError, "module ScaledModule", "float32", "row 0", "1e+39", "double()"):
        make(as_predictor(ScaledModule(1e39), activation="none"), random_state=0).fit(X)
    doubled = as_predictor(ScaledModule(1e39).double(), activation="none")
    found, expected = (
        make(model, random_state=0).fit(rows).explain(rows).values
        for model, rows in (
            (doubled, X),
            (as_predictor(ScaledModule(1.0).double(), activation="none"), SIGNS[0]),
        )
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


class FailsBetween(nn.Module):
    """NaN for all but images of ones, and those of zeros."""

    def forward(self, x):
        y = x.flatten(1).mean(1, keepdim=True)
        return torch.where((y == 1) | (y == 0), y, torch.nan * y)


class SteepBetween(nn.Module):
    """Finite everywhere, with infinite slopes where a pixel is 0."""

    def forward(self, x):
        return x.clamp(min=0).sqrt().flatten(1).mean(1, keepdim=True)


@torch_explainers
@pytest.mark.parametrize("module", [FailsBetween(), SteepBetween()])
def test_nan_between_image_and_fill_is_never_a_value(explainer, module):
    X = np.ones((2, 4, 4))
    X[1, :2] = 0.0
    explainer = explainer(as_predictor(module, activation="none")).fit(np.ones((2, 4, 4)))
    with suppress(ModelOutputError, EngineError):  # a refusal is as good
        assert np.isfinite(explainer.explain(X).values).all()


def test_mask_of_a_network_with_nan_between_image_and_fill_is_refused():
    model = as_predictor(FailsBetween(), activation="none")
    explainer = ExtremalMaskExplainer(model, n_steps=2, fill=0, random_state=0).fit(np.ones((2, 4, 4)))
    with refuses(ModelOutputError, "FailsBetween", "row 0", "NaN", "(image + fill) / 2", "another fill"):
        explainer.explain(np.ones((2, 4, 4)))
