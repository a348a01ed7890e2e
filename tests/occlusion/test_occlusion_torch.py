import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import as_predictor  # noqa: E402
from tests.occlusion.explainers import explainer_of  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 13, 11, 3))
BYTES = RNG.integers(0, 256, IMAGES.shape).astype(np.uint8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 9 * 7, 4)
    )


PREDICTOR = as_predictor(network(), mean=MEAN, std=STD)


def predict(X):
    """The same network, which is handed images that are put together already."""
    return PREDICTOR.function(X)


def explained(model, X=IMAGES, **params):
    return explainer_of(model, random_state=0, **params).fit(X).explain(X)


@pytest.mark.parametrize("method", ["window", "segments", "rise"])
def test_images_composed_by_module_equal_built_ones(method):
    params = {"method": method, "window": (4, 5), "stride": (3, 2), "n_masks": 64}
    result, built = (explained(model, **params) for model in (PREDICTOR, predict))
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_allclose(getattr(result, name), getattr(built, name), atol=1e-6)
    assert result.n_model_rows == built.n_model_rows


@pytest.mark.parametrize("X", [IMAGES, BYTES], ids=["decimals", "bytes"])
@pytest.mark.parametrize("fill", ["noise", "inpaint", "draws", "array"])
@pytest.mark.parametrize("method", ["window", "segments"])
def test_fills_are_the_same_for_module(method, fill, X):
    fills = X[1:] if fill == "array" else fill
    params = {"method": method, "window": (4, 5), "stride": (3, 2), "fill": fills, "background_size": 2}
    result, built = (explained(model, X, **params) for model in (PREDICTOR, predict))
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_allclose(getattr(result, name), getattr(built, name), atol=1e-6)
    assert result.n_model_rows == built.n_model_rows


def test_soft_masks_of_bytes_need_no_rounding():
    result, built = (explained(model, BYTES, method="rise", n_masks=64) for model in (PREDICTOR, predict))
    np.testing.assert_allclose(result.values, built.values, atol=2e-3 * np.abs(built.outputs).max())


@pytest.mark.parametrize(("window", "stride"), [((4, 5), (3, 2)), ((5, 5), (5, 5)), ((13, 11), (1, 1))])
def test_windows_match_captum(window, stride):
    captum = pytest.importorskip("captum.attr")
    exp = explained(PREDICTOR, window=window, stride=stride, fill=0.0)
    module = PREDICTOR.function.module
    ready = torch.tensor((IMAGES - MEAN) / STD, dtype=torch.float32).permute(0, 3, 1, 2)
    empty = (-torch.tensor(MEAN) / torch.tensor(STD)).reshape(1, 3, 1, 1).expand(1, 3, 13, 11)
    for k in range(4):
        peer = captum.Occlusion(lambda x, k=k: torch.softmax(module(x), 1)[:, k])
        with torch.no_grad():
            result = peer.attribute(ready, (3, *window), strides=(3, *stride), baselines=empty)
        np.testing.assert_allclose(exp.values[..., k], result[:, 0].numpy(), atol=1e-5)
