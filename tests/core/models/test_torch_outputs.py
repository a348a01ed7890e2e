import pickle
from collections import namedtuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import KernelShapExplainer, OcclusionExplainer, as_predictor  # noqa: E402
from agnostix.exceptions import ModelOutputError  # noqa: E402
from agnostix.maskers import SegmentMasker  # noqa: E402

X = np.random.default_rng(0).random((4, 3))
Answer = namedtuple("Answer", "logits aux")


class Gives(nn.Module):
    """Gives whatever a function makes of the batch."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


class Identity(nn.Module):
    """Gives what it gets."""

    def forward(self, x):
        return x


def softmax(values):
    return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("make", "output", "message"),
    [
        (
            lambda x: None,
            None,
            "The module Gives answers with None; a tensor is needed, or a tuple or dict that has one. Wrap "
            "the "
            "module in one that gives it.",
        ),
        (
            lambda x: "a",
            None,
            "The module Gives answers with something of type str; a tensor is needed, or a tuple or dict "
            "that "
            "has one. Wrap the module in one that gives it.",
        ),
        (
            lambda x: x.numpy(),
            None,
            "The module Gives answers with something of type ndarray; a tensor is needed, or a tuple or dict "
            "that has one. Wrap the module in one that gives it.",
        ),
        (
            lambda x: (),
            None,
            "The module Gives answers with an empty tuple; a tensor is needed, or a tuple or dict that has "
            "one. Wrap the module in one that gives it.",
        ),
        (
            lambda x: {"a": {"b": x}},
            "a",
            "Entry 'a' of what the module Gives answers with is something of type dict; a tensor is needed. "
            "Wrap the module in one that gives it.",
        ),
        (
            lambda x: Answer(x, x),
            None,
            "The module Gives answers with a Answer ('logits', 'aux', 0, 1). Say which entry is meant: "
            "as_predictor(module, output='logits').",
        ),
        (
            lambda x: x,
            "logits",
            "The 'output' parameter of as_predictor is 'logits', and the module Gives answers with one "
            "tensor. "
            "Leave output out.",
        ),
        (
            lambda x: x.mean(),
            None,
            "The module Gives was given 4 rows and answers with a tensor of shape (); (4,) or (4, n_outputs) "
            "is needed.",
        ),
        (
            lambda x: x[1:],
            None,
            "The module Gives was given 4 rows and answers with a tensor of shape (3, 3); (4,) or (4, "
            "n_outputs) is needed.",
        ),
        (
            lambda x: x + 1j,
            None,
            "The module Gives answers with complex numbers; pass a real part.",
        ),
    ],
)
def test_output_refuses_what_is_not_a_tensor(make, output, message):
    with pytest.raises(ModelOutputError) as error:
        as_predictor(Gives(make), output=output).predict(X)
    assert str(error.value) == message


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
    with pytest.raises(ModelOutputError) as error:
        predictor.predict(np.array([[1.0, -2.0, 4.0]]))
    assert str(error.value) == (
        "The module Identity answered with probabilities at first, and now with numbers from -2 to 4, which "
        "are none. Say what they are: as_predictor(module, activation='softmax') for logits, "
        "activation='none' "
        "to leave them as they are."
    )


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
    with pytest.raises(ModelOutputError, match=r"NaN or infinity in 1 of 1 rows"):
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
    [(OcclusionExplainer, {"window": 2, "stride": 1}), (KernelShapExplainer, {"masker": SegmentMasker()})],
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
