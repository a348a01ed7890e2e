import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import as_predictor  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402

PICTURES = np.random.default_rng(0).random((2, 4, 4, 3))


def module():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"device": "gpu"},
            "The 'device' parameter of as_predictor must be 'auto', 'cpu', 'cuda', 'cuda:1' or another "
            "device "
            "of torch, got 'gpu'.",
        ),
        (
            {"device": None},
            "The 'device' parameter of as_predictor must be 'auto', 'cpu', 'cuda', 'cuda:1' or another "
            "device "
            "of torch, got None.",
        ),
        (
            {"device": "meta"},
            "The 'device' parameter of as_predictor is 'meta', which torch cannot use here. Use "
            "device='auto' or "
            "'cpu'.",
        ),
        (
            {"compiled": "yes"},
            "The 'compiled' parameter of as_predictor must be one of True, False, got 'yes'.",
        ),
        ({"compiled": 1}, "The 'compiled' parameter of as_predictor must be one of True, False, got 1."),
        (
            {"batch_size": 0},
            "The 'batch_size' parameter of as_predictor must be a whole number of at least 1, or None, got "
            "0.",
        ),
        (
            {"batch_size": 2.5},
            "The 'batch_size' parameter of as_predictor must be a whole number of at least 1, or None, got "
            "2.5.",
        ),
        (
            {"batch_size": True},
            "The 'batch_size' parameter of as_predictor must be a whole number of at least 1, or None, got "
            "True.",
        ),
        (
            {"output": 1.5},
            "The 'output' parameter of as_predictor must be a place in a tuple, a key of a dict, or None "
            "for a "
            "torch module, got 1.5.",
        ),
        (
            {"std": [0.2] * 3},
            "as_predictor needs both mean and std of a network's normalisation, or neither.",
        ),
        (
            {"mean": [0.5] * 3, "std": [0.2] * 2},
            "mean and std of as_predictor must have one number for each channel, got 3 and 2.",
        ),
        (
            {"mean": [0.5] * 3, "std": [0.2, 0.0, 0.2]},
            "The 'std' parameter of as_predictor must be numbers above 0, one for each channel, got [0.2, "
            "0.0, "
            "0.2].",
        ),
        (
            {"mean": [0.5, np.nan, 0.5], "std": [0.2] * 3},
            "The 'mean' parameter of as_predictor must be finite numbers, one for each channel, got [0.5, "
            "nan, "
            "0.5].",
        ),
        (
            {"mean": [0.5], "std": "abc"},
            "The 'std' parameter of as_predictor must be finite numbers, one for each channel, got 'abc'.",
        ),
        (
            {"mean": [], "std": []},
            "The 'mean' parameter of as_predictor must be finite numbers, one for each channel, got [].",
        ),
        (
            {"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]},
            "The 'mean' parameter of as_predictor is that of pictures from 0 to 1, got [123.7, 116.3, "
            "103.5]. "
            "Divide mean and std of pictures from 0 to 255 by 255.",
        ),
    ],
)
def test_as_predictor_refuses_bad_parameters(params, message):
    with pytest.raises(DataError) as error:
        as_predictor(module(), **params)
    assert str(error.value) == message


def test_device_cuda_index_missing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DataError) as error:
        as_predictor(module(), device="cuda:2")
    assert str(error.value) == (
        "The 'device' parameter of as_predictor is 'cuda:2', and torch finds only cuda:0, cuda:1 here. Use "
        "device='auto' or 'cpu'."
    )


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
    ("params", "names", "them"),
    [
        ({"mean": [0.5] * 3, "std": [0.2] * 3}, "'mean', 'std'", "them"),
        ({"activation": "softmax"}, "'activation'", "it"),
        ({"layout": "CHW"}, "'layout'", "it"),
        ({"value_range": "0-1"}, "'value_range'", "it"),
        ({"device": "cpu"}, "'device'", "it"),
        ({"precision": "bf16"}, "'precision'", "it"),
        ({"compiled": True}, "'compiled'", "it"),
        ({"batch_size": 3}, "'batch_size'", "it"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_torch_parameters_refused_for_other_models(params, names, them, wrapped):
    model = as_predictor(module()) if wrapped else lambda X: X.mean(axis=1)
    with pytest.raises(ValueError, match="torch modules alone") as error:
        as_predictor(model, **params)
    assert str(error.value) == (
        f"as_predictor takes {names} for torch modules alone, and the model is of type "
        f"{'Predictor' if wrapped else 'function'}. Pass the module itself, or leave {them} out."
    )


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
