import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import as_predictor  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from tests.messages import refuses  # noqa: E402

PICTURES = np.random.default_rng(0).random((2, 4, 4, 3))


def module():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"device": "gpu"}, ["'device'", "'auto', 'cpu', 'cuda', 'cuda:1'", "got 'gpu'"]),
        ({"device": None}, ["'device'", "'auto', 'cpu', 'cuda', 'cuda:1'", "got None"]),
        ({"device": "meta"}, ["'device'", "is 'meta'", "device='auto' or 'cpu'"]),
        ({"compiled": "yes"}, ["'compiled'", "True, False", "got 'yes'"]),
        ({"compiled": 1}, ["'compiled'", "True, False", "got 1"]),
        ({"batch_size": 0}, ["'batch_size'", "whole number of at least 1", "None", "got 0"]),
        ({"batch_size": 2.5}, ["'batch_size'", "whole number of at least 1", "None", "got 2.5"]),
        ({"batch_size": True}, ["'batch_size'", "whole number of at least 1", "None", "got True"]),
        ({"output": 1.5}, ["'output'", "tuple", "dict", "function", "None", "got 1.5"]),
        ({"output": dict}, ["'output'", "function", "got <class 'dict'>"]),
        ({"std": [0.2] * 3}, ["both mean and std", "neither"]),
        ({"mean": [0.5] * 3, "std": [0.2] * 2}, ["mean and std", "each channel", "got 3 and 2"]),
        (
            {"mean": [0.5] * 3, "std": [0.2, 0.0, 0.2]},
            ["'std'", "above 0", "each channel", "got [0.2, 0.0, 0.2]"],
        ),
        (
            {"mean": [0.5, np.nan, 0.5], "std": [0.2] * 3},
            ["'mean'", "finite", "each channel", "got [0.5, nan, 0.5]"],
        ),
        ({"mean": [0.5], "std": "abc"}, ["'std'", "numbers", "each channel", "got 'abc'"]),
        ({"mean": [], "std": []}, ["'mean'", "numbers", "each channel", "got []"]),
        (
            {"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]},
            ["'mean'", "from 0 to 1", "got [123.7, 116.3, 103.5]", "by 255"],
        ),
    ],
)
def test_as_predictor_refuses_bad_parameters(params, facts):
    with refuses(DataError, "as_predictor", *facts):
        as_predictor(module(), **params)


def test_device_cuda_index_missing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with refuses(DataError, "'device'", "'cuda:2'", "only cuda:0, cuda:1", "device='auto' or 'cpu'"):
        as_predictor(module(), device="cuda:2")


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_mean_and_std_as_any_sequence(kind):
    predictor = as_predictor(module(), activation="none", mean=kind([0.5] * 3), std=kind([0.25] * 3))
    expected = ((PICTURES - 0.5) / 0.25).mean(axis=(1, 2))
    np.testing.assert_allclose(predictor.predict(PICTURES), expected, atol=1e-6)
    assert predictor.function.mean == (0.5,) * 3


def test_device_of_module_makes_no_copy():
    own = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    model = as_predictor(own, device="cpu").function
    model(PICTURES)
    assert model._module is own


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"mean": [0.5] * 3, "std": [0.2] * 3}, "'mean', 'std'"),
        ({"activation": "softmax"}, "'activation'"),
        ({"layout": "CHW"}, "'layout'"),
        ({"value_range": "0-1"}, "'value_range'"),
        ({"device": "cpu"}, "'device'"),
        ({"precision": "bf16"}, "'precision'"),
        ({"compiled": True}, "'compiled'"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_torch_parameters_refused_for_other_models(params, names, wrapped):
    model = as_predictor(module()) if wrapped else lambda X: X.mean(axis=1)
    kind = "Predictor" if wrapped else "function"
    with refuses(ValueError, names, "torch modules alone", f"type {kind}", "Pass the module itself"):
        as_predictor(model, **params)


class Classifier(nn.Module):
    """A module that has scikit-learn's methods too."""

    def forward(self, x):
        return x

    def predict_proba(self, X):
        return np.tile([0.25, 0.75], (len(X), 1))


def test_output_names_method_of_module():
    X = np.eye(2)
    named = as_predictor(Classifier(), output="predict_proba")
    np.testing.assert_array_equal(named.predict(X), [[0.25, 0.75]] * 2)
    assert (named.response, named.task) == ("predict_proba", "classification")
    np.testing.assert_allclose(as_predictor(Classifier(), activation="none").predict(X), X)


def test_repr_shows_module_once():
    assert repr(as_predictor(module())).count("AdaptiveAvgPool2d") == 1
