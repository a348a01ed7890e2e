"""LrpExplainer: targets, layers, tokens, series; warnings, and models that it refuses with the way out."""

import copy
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from agnostix import LrpExplainer, as_predictor  # noqa: E402
from agnostix.core.sklearn_compat import InvalidParameterError  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural import Epsilon, ZPlus  # noqa: E402
from tests.messages import refuses, states  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.lrp.comparison import absorbed, assert_kept, explain, mlp  # noqa: E402
from tests.neural.networks import pictures, seeded, vgg  # noqa: E402
from tests.reference.layers import Layer  # noqa: E402
from tests.reference.relevance import relevances  # noqa: E402

X = np.random.default_rng(1).normal(size=(4, 5))
IMAGES = pictures(2, 16)
TOKENS = np.random.default_rng(0).integers(0, 10, size=(3, 6))
cancels = pytest.mark.filterwarnings("ignore:Relevance nearly cancels")


class Tokens(nn.Module):
    """An embedding, a layer of a transformer and a head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.encoder(self.embedding(x.long())).mean(dim=1))


class Around(nn.Module):
    """A linear layer, something else and a linear layer."""

    def __init__(self, inner, width=6):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(5, width), inner, nn.Linear(width, 2)

    def forward(self, x):
        return self.last(self.inner(self.first(x)))


def test_explanation_says_what_it_is():
    exp = explain(seeded(mlp), X, "epsilon")
    assert (exp.quantity, exp.completeness, exp.units, exp.std_errors) == (
        "relevance",
        "outputs",
        "model output",
        None,
    )
    assert (exp.method, exp.dims, exp.n_model_rows) == ("LrpExplainer", ("row", "feature", "output"), 4)
    assert absorbed(exp).shape == (4, 4, 3)
    assert exp.extras["absorbed"].dims == ("row", "cause", "output")
    assert exp.extras["largest_size"].array.shape == (4, 3)
    np.testing.assert_allclose(exp.outputs, seeded(mlp)(torch.tensor(X)).detach().numpy())


@cancels
def test_images_have_one_value_a_pixel_in_the_units_of_the_networks_input():
    module = seeded(vgg)
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.3, 0.4])
    model = as_predictor(module, activation="none", mean=list(mean), std=list(std))
    values = explain(model, IMAGES, "epsilon").values
    assert values.shape == (2, 16, 16, 4)
    np.testing.assert_allclose(values, explain(module, (IMAGES - mean) / std, "epsilon").values, atol=1e-14)


@cancels
def test_relevance_of_predictions_starts_at_probabilities():
    module = seeded(mlp)
    logits = explain(as_predictor(module, activation="softmax"), X, "epsilon")
    assert logits.units == "logits"
    np.testing.assert_allclose(logits.values, explain(module, X, "epsilon").values)
    exp = explain(as_predictor(module, activation="softmax"), X, "epsilon", target="predictions")
    np.testing.assert_allclose(exp.outputs.sum(axis=1), 1.0)
    assert exp.units == "model output"
    assert_kept(exp)
    assert absorbed(exp)[:, 3].any()  # by the softmax
    wanted = relevances([*layers_of(module), Layer("softmax")], X, 1)
    np.testing.assert_allclose(exp.values[..., 1], wanted.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(absorbed(exp)[:, 3, 1], wanted.absorbed["softmax"], rtol=0, atol=1e-12)
    both = explain(as_predictor(module[:-1], activation="sigmoid"), X, "epsilon", target="predictions")
    np.testing.assert_allclose(absorbed(both)[:, 2], 0.5, atol=0.2)
    assert_kept(both)


@pytest.mark.parametrize("layer", ["0", "1", "2"])
def test_relevance_of_a_layer_and_what_is_absorbed_above_are_the_output(layer):
    module = seeded(
        lambda: nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))
    )
    exp = explain(module, X, "epsilon", layer=layer)
    assert_kept(exp)
    assert exp.n_model_rows == 8
    wanted = relevances(layers_of(module), X, 0)
    np.testing.assert_allclose(exp.values[..., 0], wanted.layers[int(layer) + 1], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(exp.values, explain(module, X, "epsilon", layer=module[int(layer)]).values)


@cancels
def test_relevance_of_a_layer_of_maps_is_summed_over_its_channels():
    module = seeded(vgg)
    exp = explain(module, IMAGES, "epsilon_plus", layer="3")
    assert exp.values.shape == (2, 16, 16, 4)
    assert_kept(exp)


@pytest.mark.parametrize("attention", ["cp_lrp", "attn_lrp"])
def test_tokens_have_the_relevance_of_their_embedding(attention):
    module = seeded(Tokens)
    exp = explain(module, TOKENS, "epsilon", layer="embedding", attention=attention)
    assert exp.values.shape == (3, 6, 2)
    assert_kept(exp)
    layers = [*layers_of(module.embedding, module.encoder), Layer("mean", axis=0), *layers_of(module.head)]
    wanted = relevances(layers, TOKENS, 0, {"attention": attention})
    np.testing.assert_allclose(exp.values[..., 0], wanted.values, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_series_have_one_value_a_step_and_channel(kind):
    class Series(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent, self.head = kind(2, 3, batch_first=True), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.recurrent(x.squeeze(1))[0][:, -1])

    module, series = seeded(Series), np.random.default_rng(0).normal(size=(3, 5, 2))
    exp = explain(module, series, "epsilon")
    assert exp.values.shape == (3, 5, 2, 2)
    assert_kept(exp)
    layers = [*layers_of(module.recurrent), Layer("select", index=-1), *layers_of(module.head)]
    np.testing.assert_allclose(exp.values[..., 0], relevances(layers, series, 0).values, rtol=0, atol=1e-10)


def test_network_without_linear_operations_is_gradient_times_input():
    class Mean(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean(dim=1), x[:, 0] + 1.0], dim=1)

    exp = explain(Mean(), X, "epsilon_plus")
    np.testing.assert_allclose(exp.values[..., 0], X / 5, rtol=1e-6)
    np.testing.assert_allclose(absorbed(exp)[:, 2, 1], 1.0, rtol=1e-6)


def test_fitted_explainer_can_be_cloned_pickled_and_saved(tmp_path):
    module = seeded(lambda: nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2)))
    model = as_predictor(module, activation="none")
    explainer = LrpExplainer(model, composite={"default": ZPlus()}, bias="distributed", layer="1")
    twin = clone(explainer)
    assert (twin.composite, twin.bias, twin.layer) == ({"default": ZPlus()}, "distributed", "1")
    fitted = explainer.fit(X)
    exp = fitted.explain(X)
    again = pickle.loads(pickle.dumps(fitted)).explain(X)
    np.testing.assert_array_equal(again.values, exp.values)
    fitted.set_params(bias="absorbed")
    with refuses(DataError, "bias", "fit again"):
        fitted.explain(X)
    fitted.fit(X).explain(X)


def test_parameters_are_checked():
    for name, value in {"bias": "left", "attention": "raw", "target": "loss", "layer": 3}.items():
        with refuses(InvalidParameterError, repr(name), "LrpExplainer"):
            LrpExplainer(seeded(mlp), **{name: value}).fit(X)
    with refuses(DataError, "no layer", "'7'", "'0'"):
        LrpExplainer(seeded(mlp), layer="7").fit(X)


# Warnings.


def test_output_of_exactly_0_is_warned_of():
    module = nn.Linear(2, 2, bias=False)
    module.weight.data = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    rows = np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 3.0]], dtype=np.float32)
    with pytest.warns(ConvergenceWarning, match=states("2 rows", "0, 2", "exactly 0", "all values are 0")):
        exp = explain(module, rows, "epsilon")
    assert not exp.values[[0, 2], :, 0].any()
    assert exp.values[:, :, 1].all()
    assert exp.values[1].all()
    explain(module, rows, "epsilon", outputs=[1])  # the other output


def test_relevance_that_nearly_cancels_is_warned_of():
    module = seeded(
        lambda: nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    )
    module[0].weight.data = torch.eye(2).double()
    module[2].weight.data = torch.tensor([[1.0, -1.0]]).double()
    rows = np.array([[3.0, 1.0], [1.0, 0.999]])
    facts = ("1 row", "1", "2e+03 times", "row 1", "composite={'default': ZPlus()}", "relative=True")
    with pytest.warns(ConvergenceWarning, match=states(*facts)):
        exp = explain(module, rows, "epsilon")
    np.testing.assert_allclose(exp.extras["largest_size"].array[:, 0], [4.0, 1.999], rtol=2e-3)
    explain(module, rows, {"default": ZPlus()})
    with pytest.warns(ConvergenceWarning):
        explain(module, rows, {"0": Epsilon(0.25, relative=True), "2": Epsilon()})


# Modes and makes of modules.


def test_module_is_put_in_evaluation_mode_and_left_as_it_was():
    module = seeded(
        lambda: nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 2))
    )
    wanted = explain(module, X, "epsilon").values
    module.train()
    module[3].eval()
    module[0].weight.requires_grad_(False)
    state = copy.deepcopy(module.state_dict())
    np.testing.assert_array_equal(explain(module, X, "epsilon").values, wanted)
    assert [part.training for part in module] == [True, True, True, False, True]
    assert [one.requires_grad for one in module.parameters()] == [False, *[True] * 5]
    assert all(one.grad is None for one in module.parameters())
    assert all(torch.equal(one, state[name]) for name, one in module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_single_precision_is_as_double_to_rounding():
    module = seeded(vgg)
    wanted = explain(module, IMAGES, "epsilon_plus").values
    single = explain(copy.deepcopy(module).float(), IMAGES.astype(np.float32), "epsilon_plus").values
    np.testing.assert_allclose(single, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_refused(dtype):
    module = seeded(mlp, dtype=getattr(torch, dtype))
    rows = X.astype(np.float32)
    with refuses(DataError, "LrpExplainer", dtype, "single or double", ".float())"):
        explain(module, rows, "epsilon")
    assert_kept(
        explain(as_predictor(copy.deepcopy(module).float(), activation="none"), rows, "epsilon"), 1e-5
    )


def test_autocast_is_refused():
    model = as_predictor(seeded(mlp, dtype=torch.float32), activation="none", precision="bf16")
    with refuses(DataError, "LrpExplainer", "bfloat16", "single or double"):
        explain(model, X.astype(np.float32), "epsilon")


def test_torchscript_is_refused():
    module = seeded(mlp, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.trace(module, torch.zeros(1, 5))
    with refuses(DataError, "TorchScript", "Pass the module it was made from"):
        explain(scripted, X.astype(np.float32), "epsilon")


@pytest.mark.filterwarnings("ignore:The prediction of the model")
def test_quantized_module_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(seeded(mlp, dtype=torch.float32), {nn.Linear})
    with refuses(DataError, "LrpExplainer", "quantized", "before"):
        explain(quantized, X.astype(np.float32), "epsilon")


class Swish(torch.autograd.Function):
    """x sigmoid(x) with a derivative by hand."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return gradient * (s + x * s * (1 - s))


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_custom_autograd_function_is_refused_by_name():
    with refuses(DataError, "LrpExplainer", "no rule", "Swish", "SaliencyExplainer"):
        explain(seeded(Around, Call(Swish.apply)), X, "epsilon")
    assert_kept(explain(seeded(Around, nn.SiLU()), X, "epsilon"))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x.cumprod(dim=1), "cumprod"),
        (lambda x: x.logsumexp(dim=1, keepdim=True).expand_as(x), "logsumexp"),
        (lambda x: torch.fft.rfft(x).real.repeat(1, 2)[:, :6], "fft"),
    ],
)
def test_operation_without_a_rule_is_refused_by_name(function, name):
    with pytest.raises(DataError, match=rf"LrpExplainer has no rule.*{name}.*IntegratedGradientsExplainer"):
        explain(seeded(Around, Call(function)), X, "epsilon")


@pytest.mark.filterwarnings("ignore:None of the inputs")
def test_checkpoints_are_refused():
    class Checkpointed(nn.Module):
        def __init__(self, **params):
            super().__init__()
            self.params, self.dense = params, nn.Sequential(nn.Linear(6, 6), nn.ReLU())

        def forward(self, x):
            return checkpoint(self.dense, x, **self.params) if self.params else self.dense(x)

    for is_reentrant in (True, False):
        with refuses(DataError, "checkpoint", "gradient_checkpointing_disable()"):
            explain(seeded(lambda: Around(Checkpointed(use_reentrant=is_reentrant))), X, "epsilon")  # noqa: B023
    assert_kept(explain(seeded(lambda: Around(Checkpointed())), X, "epsilon"))


def test_compiled_module_runs_its_own_operations():
    module = seeded(mlp)
    compiled = explain(torch.compile(module, backend="eager"), X, "epsilon")
    np.testing.assert_array_equal(compiled.values, explain(module, X, "epsilon").values)
