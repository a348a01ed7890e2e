import pickle
from collections import namedtuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import KernelShapExplainer, OcclusionExplainer, as_predictor  # noqa: E402
from agnostix.exceptions import DataError, ModelOutputError  # noqa: E402
from agnostix.maskers import SegmentMasker, SlidingWindow  # noqa: E402
from agnostix.neural import ExtremalMaskExplainer  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.occlusion.explainers import explainer_of  # noqa: E402

X = np.random.default_rng(0).random((4, 3))


Answer = namedtuple("Answer", "logits aux")


class Gives(nn.Module):
    """Returns a function of the batch."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


class Identity(nn.Module):
    """Returns its input."""

    def forward(self, x):
        return x


def softmax(values):
    return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("make", "output", "facts"),
    [
        (lambda x: None, None, ["returned None", "a tensor is needed", "Wrap"]),
        (lambda x: "a", None, ["type str", "a tensor is needed", "Wrap"]),
        (lambda x: x.numpy(), None, ["type ndarray", "a tensor is needed", "Wrap"]),
        (lambda x: (), None, ["empty tuple", "a tensor is needed", "Wrap"]),
        (lambda x: {"a": {"b": x}}, "a", ["Entry 'a'", "type dict", "a tensor is needed", "Wrap"]),
        (
            lambda x: Answer(x, x),
            None,
            ["Answer with entries 'logits', 'aux', 0, 1", "as_predictor(module, output='logits')"],
        ),
        (
            lambda x: x,
            "logits",
            ["'output' parameter of as_predictor is 'logits'", "one tensor", "Leave output out"],
        ),
        (lambda x: x.mean(), None, ["4 rows", "tensor of shape ()", "(4,) or (4, n_outputs)"]),
        (lambda x: x[1:], None, ["4 rows", "tensor of shape (3, 3)", "(4,) or (4, n_outputs)"]),
        (lambda x: x + 1j, None, ["complex numbers", "real part"]),
    ],
)
def test_output_refuses_what_is_not_a_tensor(make, output, facts):
    with refuses(ModelOutputError, "module Gives", *facts):
        as_predictor(Gives(make), output=output).predict(X)


SEQUENCES = lambda x: Answer(x[:, None] + torch.arange(4.0)[:, None], None)  # noqa: E731  (n, 4, 3)


def test_output_of_a_function_selects_from_what_the_module_returns():
    module = Gives(SEQUENCES)
    last = as_predictor(module, output=lambda returned: returned.logits[:, -1], activation="none")
    np.testing.assert_allclose(last.predict(X), X + 3, atol=1e-6)
    one = as_predictor(module, output=lambda returned: returned.logits[:, 2, 1])
    np.testing.assert_allclose(one.predict(X), X[:, 1:2] + 2, atol=1e-6)
    probabilities = as_predictor(module, output=lambda returned: returned.logits[:, 0])
    np.testing.assert_allclose(probabilities.predict(X), softmax(X), atol=1e-6)
    alone = as_predictor(Gives(lambda x: x), output=lambda returned: 2 * returned, activation="none")
    np.testing.assert_allclose(alone.predict(X), 2 * X, atol=1e-6)
    assert last.function.gradients(X, 1).tolist() == np.tile([0.0, 1.0, 0.0], (4, 1)).tolist()


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        (lambda returned: None, ["returned None", "type Answer", "Return a tensor (n,) or (n, n_outputs)"]),
        (lambda returned: returned, ["type Answer", "Return a tensor"]),
        (lambda returned: returned.logits, ["tensor of shape (4, 4, 3)", "(n,) or (n, n_outputs)", "pool"]),
        (lambda returned: returned.logits[0], ["tensor of shape (4, 3)", "(1,) or (1, n_outputs)"]),
        (lambda returned: returned.logits.sum(), ["tensor of shape ()", "(4,) or (4, n_outputs)"]),
        (lambda returned: returned.logits[:, 0] * 1j, ["complex numbers", "real part"]),
    ],
)
def test_output_of_a_function_that_is_no_matrix_is_refused(output, facts):
    rows = X[:1] if "(1,) or (1, n_outputs)" in facts else X
    with refuses(ModelOutputError, "function 'output' of as_predictor", "Gives", *facts):
        as_predictor(Gives(SEQUENCES), output=output).predict(rows)


def test_sequences_are_refused_with_the_function_that_selects():
    with refuses(ModelOutputError, "module Gives", "(4, 4, 3)", "output=lambda returned: returned[:, -1]"):
        as_predictor(Gives(lambda x: SEQUENCES(x).logits)).predict(X)
    remedied = as_predictor(Gives(lambda x: SEQUENCES(x).logits), output=lambda returned: returned[:, -1])
    assert remedied.predict(X).shape == (4, 3)


@pytest.mark.parametrize("output", ["aux", 1])
def test_output_picks_entry_of_named_tuple(output):
    predictor = as_predictor(Gives(lambda x: Answer(x, x[:, :1])), output=output)
    np.testing.assert_allclose(predictor.predict(X), X[:, :1], atol=1e-7)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_predict_single_row_squeezed(n_outputs):
    predictor = as_predictor(Gives(lambda x: x[:, :n_outputs].squeeze()), activation="none", batch_size=1)
    np.testing.assert_allclose(predictor.predict(X), X[:, :n_outputs], atol=1e-7)


def test_activation_auto_refuses_later_non_probabilities():
    predictor = as_predictor(Identity())
    shares = softmax(X)
    np.testing.assert_allclose(predictor.predict(shares), shares, atol=1e-7)
    facts = (
        "module Identity",
        "probabilities at first",
        "from -2 to 4",
        "activation='softmax'",
        "activation='none'",
    )
    with refuses(ModelOutputError, *facts):
        predictor.predict(np.array([[1.0, -2.0, 4.0]]))


@pytest.mark.parametrize("first", [softmax(X), 9.0 * X])
def test_activation_auto_decision_pickles(first):
    predictor = as_predictor(Identity())
    predictor.predict(first)
    again = pickle.loads(pickle.dumps(predictor))
    assert again.params == predictor.params
    assert again.params["activation"] == ("none" if first[0].sum() < 1.01 else "softmax")


def test_activation_auto_ignores_nan():
    predictor = as_predictor(Gives(lambda x: torch.where(x[:, :1] > 0.5, torch.nan, x)))
    shares = np.array([[0.9, 0.05, 0.05], [0.2, 0.3, 0.5]])
    with refuses(ModelOutputError, "NaN or infinity", "1 of 1 rows"):
        predictor.predict(shares[:1])
    np.testing.assert_allclose(predictor.predict(shares[1:]), shares[1:], atol=1e-7)
    assert predictor.params["activation"] == "none"


def test_activation_auto_log_probabilities():
    np.testing.assert_allclose(as_predictor(nn.LogSoftmax(1)).predict(X), softmax(X), atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_activation_auto_keeps_probabilities_of_any_precision(kind):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 40), nn.Softmax(1)).to(kind)
    with torch.no_grad():
        expected = module(torch.tensor(X, dtype=torch.float32).to(kind)).double().numpy()
    np.testing.assert_allclose(as_predictor(module).predict(X), expected, atol=1e-3)


def test_activation_auto_keeps_several_sigmoids():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid())
    found = as_predictor(module).predict(X)
    np.testing.assert_array_equal(found, as_predictor(module, activation="none").predict(X))
    logits = nn.Sequential(nn.Linear(3, 3), nn.Identity())
    np.testing.assert_allclose(as_predictor(logits).predict(X).sum(axis=1), 1.0, atol=1e-6)


def test_activation_auto_keeps_single_logit():
    module = nn.Linear(3, 1)
    raw = as_predictor(module)
    np.testing.assert_array_equal(raw.predict(X), as_predictor(module, activation="none").predict(X))
    assert raw.params["activation"] == "auto"


@pytest.mark.parametrize(
    ("explainer", "params"),
    [
        (OcclusionExplainer, {"masker": SlidingWindow(2, 1)}),
        (KernelShapExplainer, {"masker": SegmentMasker()}),
    ],
)
def test_explanation_params_state_module_settings(explainer, params):
    pictures = np.random.default_rng(0).random((2, 4, 4))
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    predictor = as_predictor(module, precision="bf16")
    exp = explainer(predictor, **params).fit(pictures).explain(pictures)
    told = {"activation": "softmax", "device": "cpu", "precision": "bf16", "compiled": False}
    assert exp.params["model"] == told
    plain = explainer(lambda X: X.mean(axis=(1, 2)), **params).fit(pictures).explain(pictures)
    assert "model" not in plain.params


PICTURES = np.random.default_rng(0).random((2, 6, 8, 3))


CONV = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


GREY = "np.repeat(X.reshape(*X.shape[:3], 1), 3, axis=3)"


@pytest.mark.parametrize(
    ("module", "X", "facts"),
    [
        (CONV, PICTURES[..., 0], ["3 channels", "got 1", GREY]),
        (CONV, PICTURES[..., :1], ["3 channels", "got 1", GREY]),
        (CONV, PICTURES[..., :2], ["3 channels", "got 2"]),
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


def test_predict_refuses_channels_first_and_names_the_way():
    first = PICTURES.transpose(0, 3, 1, 2)
    for X, way in ((first, "X.transpose(0, 2, 3, 1)"), (torch.tensor(first), "X.permute(0, 2, 3, 1)")):
        with refuses(DataError, "(2, 3, 6, 8)", way, "layout='CHW'"):
            as_predictor(CONV).predict(X)


def test_predict_gray_image_remedy_works():
    for gray in (PICTURES[..., 0], PICTURES[..., :1]):
        X = np.repeat(gray.reshape(*gray.shape[:3], 1), 3, axis=3)
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
