"""What explainers that differentiate a network have in common: callers' contexts, refusals, parameters."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from agnostix import (  # noqa: E402
    CamExplainer,
    IntegratedGradientsExplainer,
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    SaliencyExplainer,
    as_predictor,
)
from agnostix.core.models import torch_model  # noqa: E402
from agnostix.exceptions import DataError, EngineError  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.networks import ResNet, pictures, seeded  # noqa: E402

IMAGES = pictures(2, 8).astype(np.float32)
EXPLAINERS = [
    (SaliencyExplainer, {}),
    (SaliencyExplainer, {"method": "guided", "target": "predictions"}),
    (SaliencyExplainer, {"n_samples": 3}),
    (IntegratedGradientsExplainer, {"method": "gauss-legendre", "n_steps": 5}),
    (IntegratedGradientsExplainer, {"baseline": "data", "n_samples": 32}),
    (CamExplainer, {"method": ["grad_cam", "cam", "score_cam"]}),
]


def explain(explainer, params, module, rows=IMAGES):
    seed = {} if explainer is CamExplainer else {"random_state": 0}
    return explainer(module, **params, **seed).fit(rows).explain(rows)


def resnet(dtype=torch.float32):
    return seeded(ResNet, dtype=dtype)


@pytest.mark.parametrize(("explainer", "params"), EXPLAINERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_callers_autocast_changes_nothing(explainer, params, precision):
    model = as_predictor(resnet(), precision=precision)
    expected = explain(explainer, params, model).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(explain(explainer, params, model).values, expected)


@pytest.mark.parametrize(("explainer", "params"), EXPLAINERS)
def test_parameters_made_in_inference_mode_are_refused_with_the_way_out(explainer, params):
    with torch.inference_mode():
        module = copy.deepcopy(resnet())
    with refuses(DataError, "torch.inference_mode()", "copy.deepcopy(module)", "ResNet"):
        explain(explainer, params, module)
    expected = explain(explainer, params, resnet()).values
    np.testing.assert_array_equal(explain(explainer, params, copy.deepcopy(module)).values, expected)


@pytest.mark.parametrize("explainer", [SaliencyExplainer, IntegratedGradientsExplainer, CamExplainer])
def test_a_model_without_a_module_is_refused_with_explainers_that_take_it(explainer):
    def model(X):
        return X[:, 0]

    X = np.random.default_rng(0).normal(size=(20, 3))
    names = ("OcclusionExplainer", "KernelShapExplainer", "LimeExplainer")
    with refuses(DataError, "needs gradients", "torch module", *names):
        explainer(model).fit(X)
    for remedy in (OcclusionExplainer, KernelShapExplainer, LimeExplainer):
        assert remedy(model).fit(X).explain(X[:1]).values.shape[:2] == (1, 3)


@pytest.mark.parametrize(
    ("explainer", "changed"),
    [
        (SaliencyExplainer, {"method": "guided"}),
        (SaliencyExplainer, {"layer": "conv1"}),
        (IntegratedGradientsExplainer, {"baseline": "data"}),
        (IntegratedGradientsExplainer, {"baseline": IMAGES[0]}),
        (IntegratedGradientsExplainer, {"target": "predictions"}),
        (CamExplainer, {"layer": ["stages.0", "stages.1"]}),
        (CamExplainer, {"target": "predictions"}),
        (CamExplainer, {"token_grid": (2, 2)}),
    ],
)
def test_parameters_that_fit_has_used_cannot_be_changed_after_it(explainer, changed):
    fitted = explainer(resnet()).fit(IMAGES)
    fitted.set_params(**changed)
    with refuses(DataError, "fitted with another value", *changed, "Call fit again"):
        fitted.explain(IMAGES)
    if "token_grid" not in changed:
        assert len(fitted.fit(IMAGES).explain(IMAGES)) == 2


def test_a_baseline_of_the_same_numbers_is_no_change():
    fitted = IntegratedGradientsExplainer(resnet(), baseline=IMAGES[0], method="gauss-legendre").fit(IMAGES)
    expected = fitted.explain(IMAGES).values
    fitted.set_params(baseline=IMAGES[0].copy())
    np.testing.assert_array_equal(fitted.explain(IMAGES).values, expected)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.explain(IMAGES).values, expected)


def test_modules_in_half_precision_that_overflow_are_refused_with_the_way_out():
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), dtype=torch.float32)
    module[0].weight.data *= 3e3
    module[2].weight.data *= 3e3
    rows = 1e-4 * np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    half = as_predictor(copy.deepcopy(module).half(), activation="none")
    with refuses(EngineError, "gradients", "row 0", "copy.deepcopy(module).float()"):
        explain(SaliencyExplainer, {}, half, rows)
    wider = as_predictor(copy.deepcopy(module).half().float(), activation="none")
    assert np.isfinite(explain(SaliencyExplainer, {}, wider, rows).values).all()


def test_rounding_of_modules_in_half_precision_is_no_gap():
    module = as_predictor(resnet().to(torch.bfloat16), activation="none")
    exp = explain(IntegratedGradientsExplainer, {}, module)  # without a warning
    assert set(exp.extras["status"].array.ravel()) == {"converged"}


class Failing(ResNet):
    """Fails at one of its next passes."""

    n_left = -1

    def forward(self, x):
        self.n_left -= 1
        if self.n_left == 0:
            raise KeyError("lost")
        return super().forward(x)


@pytest.mark.parametrize(("explainer", "params"), EXPLAINERS)
def test_failures_in_fit_name_the_model(explainer, params):
    module, messages = seeded(Failing, dtype=torch.float32), []
    for n_left in range(1, 14):
        module.n_left = n_left
        try:
            explainer(as_predictor(module, activation="none"), **params).fit(IMAGES)
        except EngineError as error:
            messages.append(str(error))
        assert not any(part._forward_hooks for part in module.modules())
        assert all(one.requires_grad for one in module.parameters())
    assert messages
    assert all("Failing failed on" in message for message in messages)


def test_threads_share_a_module():
    module = resnet()
    cases = [
        (SaliencyExplainer, {"layer": "conv1"}),
        (IntegratedGradientsExplainer, {"layer": "conv1", "method": "gauss-legendre", "n_steps": 3}),
        (CamExplainer, {"layer": "stages.0", "method": ["grad_cam", "ablation_cam"]}),
        (CamExplainer, {"method": ["grad_cam", "score_cam"]}),
    ]
    expected = [explain(*case, module).values for case in cases]

    def work(start):
        order = [(start + i) % len(cases) for i in range(2 * len(cases))]
        return [(k, explain(*cases[k], module).values) for k in order]

    with ThreadPoolExecutor(4) as pool:
        results = [one for part in pool.map(work, range(4)) for one in part]
    for k, values in results:
        np.testing.assert_allclose(values, expected[k], atol=1e-6)


@pytest.mark.parametrize(("explainer", "params"), EXPLAINERS)
def test_batches_leave_memory_for_the_gradients_of_many_outputs(explainer, params, monkeypatch):
    class Wide(ResNet):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    rows, sizes, largest = np.repeat(IMAGES, 4, axis=0), [], []
    monkeypatch.setattr(torch_model, "GRAPH_BYTES", 2**21)
    module = seeded(Wide, n_classes=200, dtype=torch.float32)
    if "score_cam" in params.get("method", ()):
        params = {"method": ["grad_cam", "cam"]}
    for outputs in ([0], list(range(200))):
        fitted = explainer(module, **params, outputs=outputs).fit(rows)
        sizes.clear()
        assert fitted.explain(rows).values.shape[-1] == len(outputs)
        largest.append(max(sizes))
    assert largest[1] < largest[0]


class Lookups(nn.Module):
    """The product of two embeddings, by one table or by two with the same numbers."""

    def __init__(self, is_shared):
        super().__init__()
        self.first, self.linear = nn.Embedding(9, 3), nn.Linear(3, 2)
        self.second = self.first if is_shared else copy.deepcopy(self.first)

    def forward(self, x):
        return self.linear((self.first(x.long()) * self.second((x.long() + 1) % 9)).mean(dim=1))


@pytest.mark.parametrize(("explainer", "params"), EXPLAINERS[:-1])
def test_layers_that_are_used_twice_are_refused_with_the_way_out(explainer, params):
    words = np.random.default_rng(0).integers(0, 9, size=(5, 4))
    params = params | {"layer": "first"}
    with refuses(DataError, "Layer 'first'", "2 times", "a module of its own"):
        explain(explainer, params, seeded(Lookups, True), words)
    module = as_predictor(seeded(Lookups, False))
    exp = explain(explainer, params, module, words)
    model = module.function.before_activation() if exp.units == "logits" else module.function
    np.testing.assert_allclose(exp.outputs, model(words)[:, :2], atol=1e-12)


class Recomputed(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return checkpoint(self.net, x, use_reentrant=False)


@pytest.mark.parametrize(("explainer", "params"), [*EXPLAINERS[:-1], (CamExplainer, {})])
def test_layers_inside_a_checkpoint_keep_what_they_were_given(explainer, params):
    expected = explain(explainer, params | {"layer": "conv1"}, resnet()).values
    module = Recomputed(resnet())
    values = explain(explainer, params | {"layer": "net.conv1"}, module).values
    np.testing.assert_allclose(values, expected, atol=1e-6 * np.abs(expected).max())
    assert not any(part._forward_hooks for part in module.modules())


@pytest.mark.parametrize("explainer", [SaliencyExplainer, IntegratedGradientsExplainer, CamExplainer])
def test_layers_that_are_not_called_are_refused(explainer):
    module = resnet()
    module.spare = nn.Conv2d(3, 3, 1)
    with refuses(DataError, "Layer 'spare'", "not called"):
        explain(explainer, {"layer": "spare"}, module)
