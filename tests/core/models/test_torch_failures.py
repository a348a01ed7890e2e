import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import as_predictor  # noqa: E402
from agnostix.exceptions import DataError, ModelOutputError  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.occlusion.explainers import explainer_of  # noqa: E402

PICTURES = np.random.default_rng(0).random((2, 6, 8, 3))
CONV = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
GREY = "np.repeat(X.reshape(*X.shape[:3], 1), 3, axis=3)"


@pytest.mark.parametrize(
    ("module", "X", "facts"),
    [
        (CONV, PICTURES[..., 0], ["3 channels", "got 1", GREY]),
        (CONV, PICTURES[..., :1], ["3 channels", "got 1", GREY]),
        (CONV, PICTURES[..., :2], ["3 channels", "got 2"]),
        (CONV, PICTURES.transpose(0, 3, 1, 2), ["3 channels", "got 8", "X.transpose(0, 2, 3, 1)"]),
        (CONV, PICTURES[:, 0, 0], ["3 channels", "table of 3 columns"]),
        (nn.Sequential(nn.Linear(4, 2)), PICTURES[:, 0, 0], ["4 numbers a row", "linear layer", "rows of 3"]),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(4, 2)),
            PICTURES,
            ["4 numbers a row", "linear layer", "rows of 144"],
        ),
        (
            nn.Sequential(nn.Embedding(9, 2), nn.Flatten()),
            np.ones((2, 3), dtype=int),
            ["(Embedding)", "whole", "float32", "x.long()"],
        ),
    ],
)
def test_predict_names_rows_module_cannot_take(module, X, facts):
    with refuses(DataError, "module Sequential", *facts) as error:
        as_predictor(module).predict(X)
    assert isinstance(error.value.__cause__, RuntimeError)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, numbers, codes, scale=1.0):
        return self.layer(numbers) * scale + codes


class NeedsList(nn.Module):
    def forward(self, rows):
        return rows + "text"


@pytest.mark.parametrize("call", ["predict", "gradients", "activations"])
def test_module_of_several_inputs_is_refused_with_remedy(call):
    predictor, X = as_predictor(TwoInputs(), activation="none"), np.ones((2, 3))
    calls = {
        "predict": lambda: predictor.predict(X),
        "gradients": lambda: predictor.function.gradients(X, 0),
        "activations": lambda: predictor.function.activations(X, ["layer"]),
    }
    with refuses(DataError, "TwoInputs", "2 inputs", "numbers, codes", "Wrap") as error:
        calls[call]()
    assert isinstance(error.value.__cause__, TypeError)


def test_module_type_error_of_other_kind_is_not_changed():
    with refuses(TypeError, "str"):
        as_predictor(NeedsList(), activation="none").predict(np.ones((2, 3)))


def test_predict_gray_image_remedy_works():
    for grey in (PICTURES[..., 0], PICTURES[..., :1]):
        X = np.repeat(grey.reshape(*grey.shape[:3], 1), 3, axis=3)
        assert as_predictor(CONV).predict(X).shape == (2, 2)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("method", ["window", "segments", "rise", "mask"])
def test_modules_of_any_precision_explain_alike(kind, method):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(96, 2))

    def explainer(one):
        if method == "mask":
            return ExtremalMaskExplainer(one, n_steps=2, n_cells=4, random_state=0)
        return explainer_of(one, method, window=4, stride=2, n_masks=32, random_state=0)

    found, single = (
        explainer(one).fit(PICTURES).explain(PICTURES) for one in (module.to(kind), module.float())
    )
    np.testing.assert_allclose(found.outputs, single.outputs, atol=1e-6 if kind == torch.float64 else 5e-3)
    assert found.values.shape == single.values.shape


class Detached(nn.Module):
    """Predicts without gradients."""

    @torch.no_grad()
    def forward(self, x):
        return x.mean(dim=(2, 3))


class Hungry(nn.Module):
    """Runs out of memory when gradients are recorded."""

    def forward(self, x):
        if torch.is_grad_enabled():
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")
        return x.mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("module", "kind", "facts"),
    [
        (Detached(), DataError, ["No gradients", "Detached", "RiseExplainer or OcclusionExplainer"]),
        (Hungry(), ModelOutputError, ["Memory", "Hungry", "smaller pictures", "precision='bf16'", "device"]),
    ],
)
def test_mask_that_cannot_be_learned_says_why(module, kind, facts):
    explainer = ExtremalMaskExplainer(module.train(), fill=0.5).fit(PICTURES)
    with refuses(kind, *facts):
        explainer.explain(PICTURES)
    assert module.training


@pytest.mark.parametrize("around", [torch.inference_mode, torch.no_grad])
def test_masks_are_learned_in_no_grad_and_inference_mode(around):
    explainer = ExtremalMaskExplainer(CONV, n_steps=3, n_cells=4, random_state=0).fit(PICTURES)
    with around():
        found = explainer.explain(PICTURES)
    np.testing.assert_array_equal(found.values, explainer.explain(PICTURES).values)


def test_compiled_failure_names_module(monkeypatch):
    from torch._dynamo.exc import TorchRuntimeError

    def compiled(module):
        def fails(x):
            raise TorchRuntimeError("no compiler.\nmore lines")

        module.forward = fails
        return module

    monkeypatch.setattr(torch, "compile", compiled)
    with refuses(ModelOutputError, "compile", "module Detached", "no compiler", "compiled=False"):
        as_predictor(Detached(), compiled=True, batch_size=1).predict(PICTURES)
