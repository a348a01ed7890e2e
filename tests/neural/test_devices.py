"""Every method that differentiates networks on each device, against double precision on the CPU."""

from copy import deepcopy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agnostix import CamExplainer, IntegratedGradientsExplainer, SaliencyExplainer, as_predictor  # noqa: E402
from tests.neural import networks  # noqa: E402

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")),
]
IMAGES = (255 * networks.pictures(2)).astype(np.uint8)
CAMS = ["cam", "grad_cam", "grad_cam_pp", "axiom_cam", "hires_cam", "layer_cam", "ablation_cam", "score_cam"]
EXPLAINERS = {
    "gradient": lambda model: SaliencyExplainer(model),
    "guided": lambda model: SaliencyExplainer(model, method="guided"),
    "deconvolution": lambda model: SaliencyExplainer(model, method="deconvolution"),
    "SmoothGrad": lambda model: SaliencyExplainer(model, n_samples=4, random_state=0),
    "integrated gradients": lambda model: IntegratedGradientsExplainer(model, method="gauss-legendre"),
    "adaptive": lambda model: IntegratedGradientsExplainer(model),
    "expected gradients": lambda model: IntegratedGradientsExplainer(
        model, baseline="data", n_samples=32, random_state=0
    ),
    "maps": lambda model: CamExplainer(model, method=CAMS),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_explainer_equals_double_precision(name, device):
    module = networks.seeded(networks.ResNet, dtype=torch.float32)
    expected, actual = (
        EXPLAINERS[name](as_predictor(one, device=where, mean=[0.5] * 3, std=[0.25] * 3))
        .fit(IMAGES)
        .explain(IMAGES)
        for one, where in ((deepcopy(module).double(), "cpu"), (module, device))
    )
    # A node beside a kink may lie on its other side in single precision, which changes its whole weight.
    share = 0.03 if "gradients" in name or name == "adaptive" else 1e-3
    scale = np.abs(expected.values).max(axis=(-3, -2), keepdims=True)
    assert (np.abs(actual.values - expected.values) <= share * scale).all()
    np.testing.assert_allclose(actual.outputs, expected.outputs, atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("layer", ["GRU", "LSTM", "RNN"])
def test_recurrent_networks_have_gradients(layer, device):
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = getattr(torch.nn, layer)(2, 5, batch_first=True)
            self.linear = torch.nn.Linear(5, 2)

        def forward(self, x):
            return self.linear(self.recurrent(x.unflatten(1, (-1, 2)))[0][:, -1])

    X, module = np.random.default_rng(0).normal(size=(3, 8)), networks.seeded(Recurrent, dtype=torch.float32)
    expected, actual = (
        SaliencyExplainer(as_predictor(one, device=where)).fit(X).explain(X).values
        for one, where in ((deepcopy(module).double(), "cpu"), (module, device))
    )
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("device", DEVICES)
def test_half_precision_is_near(device, precision):
    module = networks.seeded(networks.ResNet, dtype=torch.float32)
    half, full = (
        CamExplainer(as_predictor(module, device=device, precision=one), method="hires_cam")
        .fit(IMAGES)
        .explain(IMAGES)
        .values
        for one in (precision, "fp32")
    )
    assert np.abs(half - full).max() <= 0.05 * np.abs(full).max()
