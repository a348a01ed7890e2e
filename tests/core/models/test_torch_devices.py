"""Every path of the torch adapter on each device that is here, against double precision on the CPU."""

from copy import deepcopy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import (  # noqa: E402
    ExtremalMaskExplainer,
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    RiseExplainer,
    SaliencyExplainer,
    as_predictor,
)
from agnostix.maskers import SegmentMasker, SlidingWindow  # noqa: E402

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")),
]
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(40, 4))
IMAGES = RNG.random((3, 16, 16, 3))
BYTES = (255 * IMAGES).astype(np.uint8)
NORMALIZATION = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}


def cnn():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 3),
    )


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))


class Last(nn.Module):
    def forward(self, outputs):
        return outputs[0][:, -1]


def recurrent():
    torch.manual_seed(0)
    return nn.Sequential(nn.Unflatten(1, (4, 1)), nn.LSTM(1, 5, batch_first=True), Last(), nn.Linear(5, 3))


def explained(explainer, X):
    exp = explainer.fit(X).explain(X)
    return np.concatenate([exp.values.ravel(), exp.outputs.ravel()])


def of_session(predictor):
    with predictor.function.session() as session:
        rows = session.rows(BYTES).requires_grad_()
        scores = session.score(session.prepare(rows, BYTES.dtype))
        (gradient,) = torch.autograd.grad(scores[:, 1].sum(), rows)
        return np.concatenate([part.detach().cpu().numpy().ravel() for part in (scores, gradient)])


PATHS = {
    "table": (mlp, lambda p: p.predict(TABLE)),
    "images": (cnn, lambda p: p.predict(IMAGES)),
    "bytes": (cnn, lambda p: p.predict(BYTES)),
    "gradients of a table": (mlp, lambda p: p.function.gradients(TABLE, 1)),
    "gradients of images": (cnn, lambda p: p.function.gradients(IMAGES, [[0, 2]] * 3)),
    "activations": (cnn, lambda p: p.function.activations(IMAGES, ["2"])["2"]),
    "session": (cnn, of_session),
    "occlusion of a table": (
        mlp,
        lambda p: explained(OcclusionExplainer(p, background_size=5, random_state=0), TABLE),
    ),
    "guided backpropagation": (cnn, lambda p: explained(SaliencyExplainer(p, method="guided"), BYTES)),
    "deconvolution": (cnn, lambda p: explained(SaliencyExplainer(p, method="deconvolution"), IMAGES)),
    "noisy gradients": (mlp, lambda p: explained(SaliencyExplainer(p, n_samples=3, random_state=0), TABLE)),
    "noisy gradients of recurrent layers": (
        recurrent,
        lambda p: explained(SaliencyExplainer(p, layer="0", n_samples=3, random_state=0), TABLE),
    ),
    "windows": (cnn, lambda p: explained(OcclusionExplainer(p, masker=SlidingWindow(4, 2)), BYTES)),
    "segments": (
        cnn,
        lambda p: explained(KernelShapExplainer(p, masker=SegmentMasker("grid"), random_state=0), BYTES),
    ),
    "lime": (
        cnn,
        lambda p: explained(
            LimeExplainer(p, masker=SegmentMasker("grid"), n_samples=256, random_state=0), BYTES
        ),
    ),
    "rise": (cnn, lambda p: explained(RiseExplainer(p, n_masks=256, random_state=0), BYTES)),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("path", PATHS)
def test_path_equals_double_precision(path, device):
    make, compute = PATHS[path]
    module = make()
    params = {} if make is mlp else NORMALIZATION
    expected = compute(as_predictor(deepcopy(module).double(), device="cpu", **params))
    actual = compute(as_predictor(module, device=device, **params))
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    assert next(module.parameters()).device.type == "cpu"  # the caller's module stays where it is


@pytest.mark.parametrize("device", DEVICES)
def test_module_runs_where_its_parameters_are(device):
    module = cnn().to(device)
    predictor = as_predictor(module)
    assert predictor.params["device"].startswith(device)
    expected = as_predictor(deepcopy(module).cpu().double()).predict(BYTES)
    np.testing.assert_allclose(predictor.predict(BYTES), expected, atol=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("device", DEVICES)
def test_half_precision_is_near(device, precision):
    predictor = as_predictor(cnn(), device=device, precision=precision, **NORMALIZATION)
    expected = as_predictor(cnn(), **NORMALIZATION)
    np.testing.assert_allclose(predictor.predict(BYTES), expected.predict(BYTES), atol=0.02)
    occluded, plain = (
        OcclusionExplainer(p, masker=SlidingWindow(8, 8)).fit(BYTES).explain(BYTES).values
        for p in (predictor, expected)
    )
    np.testing.assert_allclose(occluded, plain, atol=0.02)


@pytest.mark.parametrize("device", DEVICES)
def test_extremal_mask_is_learned(device):
    class Corner(nn.Module):
        def forward(self, x):
            return x[:, :, :8, :8].mean((1, 2, 3))

    explainer = ExtremalMaskExplainer(
        as_predictor(Corner(), activation="none", device=device),
        objective="extremal_preserve",
        area=0.25,
        fill=0,
        n_cells=8,
        mask_sigma=0.5,
        jitter=0,
        smoothness=0,
        n_steps=150,
        random_state=0,
    )
    ones = np.ones((1, 16, 16, 3))
    assert explainer.fit(ones).explain(ones).values[0, :8, :8].mean() > 0.8


@pytest.mark.parametrize("device", DEVICES)
def test_memory_that_runs_out_halves_batches(device):
    class Limited(nn.Module):
        """Takes up to 5 rows, as a device with little memory."""

        def __init__(self):
            super().__init__()
            self.sizes = []

        def forward(self, x):
            self.sizes.append(len(x))
            if len(x) > 5:
                raise torch.OutOfMemoryError("out of memory")
            return x.sum(1)

    module = Limited()
    predictor = as_predictor(module, activation="none", device=device, batch_size=32)
    np.testing.assert_allclose(predictor.predict(TABLE)[:, 0], TABLE.sum(1), rtol=1e-5)
    np.testing.assert_allclose(predictor.function.gradients(TABLE, 0), np.ones_like(TABLE))
    assert max(module.sizes) == 32
