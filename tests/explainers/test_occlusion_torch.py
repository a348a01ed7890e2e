import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import OcclusionExplainer, as_predictor  # noqa: E402
from agnostix.perturb import LearnedMask  # noqa: E402

RNG = np.random.default_rng(0)
PICTURES = RNG.random((3, 13, 11, 3))
BYTES = RNG.integers(0, 256, PICTURES.shape).astype(np.uint8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 9 * 7, 4)
    )


PREDICTOR = as_predictor(network(), mean=MEAN, std=STD)


def answers(X):
    """The same network, which is handed pictures that are put together already."""
    return PREDICTOR.function(X)


def explained(model, X=PICTURES, **params):
    return OcclusionExplainer(model, random_state=0, **params).fit(X).explain(X)


@pytest.mark.parametrize("method", ["window", "segments", "rise"])
def test_module_masks_match_composed_images(method):
    params = {"method": method, "window": (4, 5), "stride": (3, 2), "n_masks": 64}
    found, built = (explained(model, **params) for model in (PREDICTOR, answers))
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_allclose(getattr(found, name), getattr(built, name), atol=1e-6)
    assert found.n_model_rows == built.n_model_rows


@pytest.mark.parametrize("X", [PICTURES, BYTES], ids=["decimals", "bytes"])
@pytest.mark.parametrize("fill", ["noise", "inpaint", "draws", "array"])
@pytest.mark.parametrize("method", ["window", "segments"])
def test_module_fills_match_composed_images(method, fill, X):
    given = X[1:] if fill == "array" else fill
    params = {"method": method, "window": (4, 5), "stride": (3, 2), "fill": given, "background_size": 2}
    found, built = (explained(model, X, **params) for model in (PREDICTOR, answers))
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_allclose(getattr(found, name), getattr(built, name), atol=1e-6)
    assert found.n_model_rows == built.n_model_rows


def test_module_rise_of_uint8_matches_composed_images():
    found, built = (explained(model, BYTES, method="rise", n_masks=64) for model in (PREDICTOR, answers))
    np.testing.assert_allclose(found.values, built.values, atol=2e-3 * np.abs(built.outputs).max())


@pytest.mark.parametrize(("window", "stride"), [((4, 5), (3, 2)), ((5, 5), (5, 5)), ((13, 11), (1, 1))])
def test_windows_match_captum(window, stride):
    captum = pytest.importorskip("captum.attr")
    exp = explained(PREDICTOR, window=window, stride=stride, fill=0.0)
    module = PREDICTOR.function.module
    ready = torch.tensor((PICTURES - MEAN) / STD, dtype=torch.float32).permute(0, 3, 1, 2)
    empty = (-torch.tensor(MEAN) / torch.tensor(STD)).reshape(1, 3, 1, 1).expand(1, 3, 13, 11)
    for k in range(4):
        peer = captum.Occlusion(lambda x, k=k: torch.softmax(module(x), 1)[:, k])
        with torch.no_grad():
            found = peer.attribute(ready, (3, *window), strides=(3, *stride), baselines=empty)
        np.testing.assert_allclose(exp.values[..., k], found[:, 0].numpy(), atol=1e-5)


class Quarter(nn.Module):
    """Reads the upper left quarter alone: the share of it that is bright."""

    def forward(self, x):
        return torch.sigmoid(8.0 * x[:, 0, :8, :8].mean(dim=(1, 2)) - 4.0)


BRIGHT = np.ones((1, 16, 16))
SEARCH = {"n_cells": 8, "jitter": 0, "n_steps": 160, "sigma": 0.5, "smoothness": 0.0}


def learned(**params):
    predictor = as_predictor(Quarter(), activation="none")
    search = LearnedMask(**(SEARCH | params))
    return explained(predictor, BRIGHT, method="mask", learned_mask=search, fill=0.0)


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "delete", "area": 0.3},
        {"objective": "preserve", "area": 0.3},
        {"objective": "area", "size": 0.25},
        {"objective": "area", "size": 0.25, "destroy": True},
        {"objective": "both", "area": 0.3},
    ],
    ids=["delete", "preserve", "area", "destroy", "both"],
)
def test_learned_mask_finds_region_that_network_reads(params):
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
def test_learned_mask_keeps_area(size):
    assert abs(learned(objective="area", size=size).values.mean() - size) < 0.02


def test_learned_mask_shown_and_hidden_are_predictions():
    exp = explained(PREDICTOR, method="mask", learned_mask=LearnedMask(n_steps=5, n_cells=4), fill=0.3)
    for k in range(4):
        mask = exp.values[..., k][..., None]
        shown, hidden = mask * PICTURES + (1 - mask) * 0.3, (1 - mask) * PICTURES + mask * 0.3
        np.testing.assert_allclose(exp.extras["shown"].array[:, k], answers(shown)[:, k], atol=1e-5)
        np.testing.assert_allclose(exp.extras["hidden"].array[:, k], answers(hidden)[:, k], atol=1e-5)


@pytest.mark.parametrize(("objective", "each"), [("delete", 1), ("area", 1), ("both", 2)])
def test_learned_mask_cost_counts_model_rows(objective, each):
    asked = []
    module = network()
    module.register_forward_hook(lambda _, given, __: asked.append(len(given[0])))
    search = LearnedMask(objective=objective, n_steps=5, n_cells=4)
    explainer = OcclusionExplainer(module, method="mask", learned_mask=search, outputs=[0, 2]).fit(PICTURES)
    asked.clear()
    exp = explainer.explain(PICTURES)
    assert exp.n_model_rows == explainer.cost(PICTURES) == sum(asked) == 3 * (2 + 2 * (5 * each + 4))


def test_learned_mask_is_determined_by_seed_and_in_params():
    params = {"method": "mask", "learned_mask": LearnedMask(n_steps=5, n_cells=4), "outputs": 0}
    one, two = (explained(PREDICTOR, **params) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)
    assert one.params["learned_mask"].startswith("LearnedMask(objective='delete'")
