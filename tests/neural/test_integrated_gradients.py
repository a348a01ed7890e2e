"""Integrated and expected gradients against exact paths, closed forms, finite differences and captum."""

import pickle

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from sklearn import config_context  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from torch import nn  # noqa: E402

from agnostix import IntegratedGradientsExplainer, OcclusionExplainer, as_predictor  # noqa: E402
from agnostix.core.models import torch_model  # noqa: E402
from agnostix.exceptions import DataError, EngineError  # noqa: E402
from agnostix.neural import quadrature  # noqa: E402
from agnostix.plotting import PixelsDisplay  # noqa: E402
from tests.messages import refuses, states  # noqa: E402
from tests.neural.networks import (  # noqa: E402
    DigitCnn,
    Modules,
    ResNet,
    efficientnet_lite0,
    pictures,
    seeded,
    spellings,
    vgg,
)
from tests.reference.integrated_gradients import (  # noqa: E402
    exact_integrated_gradients,
    midpoint_integrated_gradients,
    quadratic_expected_gradients,
    quadratic_integrated_gradients,
)

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(12, 5))
MATRIX = RNG.normal(size=(5, 5))
WORDS = RNG.integers(1, 9, size=(6, 4))


def mlp(n_inputs=5, n_outputs=3, width=12):
    return nn.Sequential(
        nn.Linear(n_inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, n_outputs)
    )


class Quadratic(nn.Module):
    """x' A x."""

    def forward(self, x):
        return ((x @ torch.tensor(MATRIX, dtype=x.dtype)) * x).sum(dim=1)


class Tokens(nn.Module):
    """Mean of embeddings through a hidden layer; token 0 is padding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 3)
        self.linear, self.head = nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.linear(self.embedding(x.long()).mean(dim=1))))


class ByFunction(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def explainer_of(module, X=TABLE, **params):
    return IntegratedGradientsExplainer(
        as_predictor(module, activation="none"), random_state=0, **params
    ).fit(X)


def explained(module, X=TABLE, **params):
    return explainer_of(module, X, **params).explain(X)


def parameters_of(module):
    layers = [layer for layer in module if isinstance(layer, nn.Linear)]
    return [one.weight.detach().numpy() for one in layers], [one.bias.detach().numpy() for one in layers]


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")),
]


# Formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3, 1e-4])
def test_networks_of_relus_are_integrated_within_tolerance(tolerance):
    module = seeded(mlp)
    exp = explained(module, tolerance=tolerance, max_steps=20_000)
    weights, biases = parameters_of(module)
    exact = np.array(
        [[exact_integrated_gradients(weights, biases, x, np.zeros(5), k) for k in range(3)] for x in TABLE]
    ).transpose(0, 2, 1)
    largest = np.abs(exact).max(axis=1)
    assert (exp.extras["status"].array == "converged").all()
    assert (np.abs(exp.values - exact).max(axis=1) <= tolerance * largest).all()
    np.testing.assert_allclose(exact.sum(axis=1), exp.outputs - exp.base_values, rtol=1e-9)


def test_exact_path_agrees_with_finite_differences():
    """Of the two second formulations, one does not know the network."""
    module = seeded(mlp)
    weights, biases = parameters_of(module)

    def function(x):
        return float(module(torch.tensor(x[None]))[0, 1].detach())

    exact = exact_integrated_gradients(weights, biases, TABLE[0], TABLE[1], 1)
    other = midpoint_integrated_gradients(function, TABLE[0], TABLE[1], 400)
    np.testing.assert_allclose(exact, other, atol=1e-2 * np.abs(exact).max())


@pytest.mark.parametrize("method", ["adaptive", "gauss-legendre"])
@pytest.mark.parametrize("baseline", ["zeros", 0.5, "mean", "median", TABLE[3], TABLE[3:4], list(TABLE[2])])
def test_quadratic_form_has_closed_form(baseline, method):
    exp = explained(Quadratic().double(), baseline=baseline, method=method)
    start = {"zeros": np.zeros(5), "mean": TABLE.mean(axis=0), "median": np.median(TABLE, axis=0)}
    one = start[baseline] if isinstance(baseline, str) else np.broadcast_to(np.squeeze(baseline), 5)
    expected = [quadratic_integrated_gradients(MATRIX, x, one) for x in TABLE]
    np.testing.assert_allclose(exp.values[..., 0], expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(exp.base_values, np.full((12, 1), one @ MATRIX @ one), rtol=1e-6, atol=1e-9)
    assert np.abs(exp.completeness_gap).max() < 1e-6


@pytest.mark.parametrize("baseline", ["mean", "median"])
def test_weights_count_rows_of_the_baseline(baseline):
    weights = np.array([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 2])
    repeated = np.repeat(TABLE, weights, axis=0)
    model = as_predictor(Quadratic().double(), activation="none")
    explainer = IntegratedGradientsExplainer(model, baseline=baseline)
    weighted = explainer.fit(TABLE, sample_weight=weights).explain(TABLE)
    plain = explainer.fit(repeated).explain(TABLE)
    np.testing.assert_allclose(weighted.base_values, plain.base_values, rtol=1e-9)
    np.testing.assert_allclose(weighted.values, plain.values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "X"), [(vgg, pictures(2, 16)), (ResNet, pictures(2, 16)), (Modules, pictures(2, 16))]
)
def test_gauss_legendre_agrees_with_loop(make, X):
    """The gradient of each node by torch, one picture and output at a time, with channels first."""
    module = seeded(make)
    exp = explained(module, X, method="gauss-legendre", n_steps=5)
    nodes, weights = np.polynomial.legendre.leggauss(5)
    for row, x in enumerate(X.transpose(0, 3, 1, 2)):
        for k in range(4):
            total = np.zeros_like(x)
            for node, weight in zip(nodes, weights, strict=True):
                point = torch.tensor(x[None] * (node + 1) / 2, requires_grad=True)
                module(point)[0, k].backward()
                total += weight / 2 * point.grad[0].numpy()
            expected = (x * total).sum(axis=0)
            np.testing.assert_allclose(exp.values[row, ..., k], expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("make", "X"), [(vgg, pictures(2, 16)), (ResNet, pictures(2, 16)), (DigitCnn, pictures(2, 28, 1))]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_gauss_legendre_agrees_with_captum(make, X, dtype, tolerance):
    attr = pytest.importorskip("captum.attr")
    module = seeded(make, dtype=dtype)
    rows = X.astype(str(dtype).removeprefix("torch."))
    exp = explained(module, rows, method="gauss-legendre", n_steps=50, outputs=[1])
    images = torch.tensor(rows[:, None] if rows.ndim == 3 else rows.transpose(0, 3, 1, 2))
    theirs = attr.IntegratedGradients(module).attribute(images, target=1, n_steps=50, method="gausslegendre")
    expected = theirs.detach().numpy().sum(axis=1)
    assert np.abs(exp.values[..., 0] - expected).max() <= tolerance * np.abs(expected).max()


def test_values_of_spellings_agree():
    X = pictures(2, 8)
    params = {"tolerance": 0.1, "outputs": [1]}
    results = {name: explained(module, X, **params) for name, module in spellings().items()}
    expected = results.pop("modules")
    for name, exp in results.items():
        np.testing.assert_allclose(exp.values, expected.values, rtol=1e-6, atol=1e-9, err_msg=name)


# Status and errors -------------------------------------------------------------------------------


def test_gap_is_reported_and_not_spread():
    exp = explained(seeded(vgg), pictures(2, 16), method="gauss-legendre", n_steps=4)
    sums = exp.values.sum(axis=(1, 2))
    gaps = exp.outputs - exp.base_values - sums
    assert np.abs(gaps).min() > 1e-9
    np.testing.assert_allclose(exp.completeness_gap, gaps, rtol=1e-12)
    assert exp.check_additivity(1e-12) >= 0
    assert exp.extras["n_nodes"].array.tolist() == [[4] * 4] * 2
    assert "status" not in exp.extras


def test_extras_say_what_was_reached():
    exp = explained(seeded(vgg), pictures(2, 16), tolerance=0.05)
    extras = exp.extras
    assert {extras[name].dims for name in ("status", "n_nodes", "value_error", "relative_gap")} == {
        ("row", "output")
    }
    assert (extras["status"].array == "converged").all()
    assert extras["value_error"].array.max() <= 0.05
    assert extras["relative_gap"].array.max() <= 0.05
    assert len(np.unique(extras["n_nodes"].array)) > 2
    some = exp[1].sel(outputs=2)
    assert some.extras["n_nodes"].array == extras["n_nodes"].array[1, 2]


def test_cap_warns_of_rows_and_the_remedy_works():
    module, X = seeded(vgg), pictures(3, 16)
    with pytest.warns(ConvergenceWarning, match=states("3 of 3", "0, 1, 2", "max_steps", "50", "0.001")):
        exp = explained(module, X, tolerance=1e-3, max_steps=50, outputs=[0])
    assert (exp.extras["status"].array == "not reached").all()
    assert exp.extras["n_nodes"].array.max() <= 50
    assert exp.n_model_rows <= explainer_of(module, X, max_steps=50, outputs=[0]).cost(X)
    smaller = explained(module, X, tolerance=0.2, max_steps=100, outputs=[0])
    assert (smaller.extras["status"].array == "converged").all()


def test_network_that_jumps_is_not_reached_and_the_remedy_works():
    module = ByFunction(lambda x: x.sum(dim=1) + (x[:, 0] > 0))
    with pytest.warns(
        ConvergenceWarning, match=states("jumps", "OcclusionExplainer", "more steps do not help")
    ):
        exp = explained(module, np.abs(TABLE))
    np.testing.assert_allclose(exp.completeness_gap, 1.0, atol=1e-6)
    np.testing.assert_allclose(exp.values[..., 0], np.abs(TABLE), rtol=1e-6)
    assert exp.extras["n_nodes"].array.max() < 200
    OcclusionExplainer(as_predictor(module, activation="none")).fit(TABLE).explain(TABLE[:2])


def test_network_that_detaches_a_part_shows_it_in_the_gap():
    module = ByFunction(lambda x: x[:, 0] + x.detach()[:, 1])
    with pytest.warns(ConvergenceWarning, match="passes no gradient"):
        exp = explained(module)
    np.testing.assert_allclose(exp.completeness_gap[:, 0], TABLE[:, 1], rtol=1e-5)


def test_network_that_detaches_everything_is_refused():
    with refuses(DataError, "No gradients pass", "OcclusionExplainer"):
        explained(ByFunction(lambda x: x.detach().sum(dim=1)))


def test_row_equal_to_its_baseline_is_exactly_zero():
    X = np.concatenate([np.zeros((1, 5)), TABLE[:2]])
    for method in ("adaptive", "gauss-legendre"):
        exp = explained(seeded(mlp), X, method=method)
        assert not exp.values[0].any()
        assert not exp.completeness_gap[0].any()
        assert exp.extras["n_nodes"].array[0].tolist() == [0, 0, 0]
        assert exp.extras["n_nodes"].array[1:].min() > 0
        alone = explained(seeded(mlp), X[:1], method=method)
        assert not alone.values.any()


def test_feature_equal_to_its_baseline_is_exactly_zero():
    X = TABLE.copy()
    X[:, 2] = 0.0
    assert not explained(seeded(mlp), X).values[:, 2].any()


@pytest.mark.parametrize("method", ["adaptive", "gauss-legendre"])
def test_gradients_that_are_not_numbers_name_the_row(method):
    module = ByFunction(lambda x: torch.where(x[:, 0] > 0, torch.sqrt(x[:, 0]), 0.0) + x[:, 1])
    X = np.abs(TABLE)
    X[4, 0] = -1.0
    with refuses(EngineError, "NaN", "row 4"):
        explained(module, X, method=method)
    remedy = ByFunction(lambda x: torch.sqrt(torch.relu(x[:, 0]) + 1e-3) + x[:, 1])
    explained(remedy, X, method=method)


def test_square_root_at_a_black_baseline_has_values():
    """Nodes do not lie at the baseline, where the gradient is infinite."""
    exp = explained(ByFunction(lambda x: torch.sqrt(x).sum(dim=1)), np.abs(TABLE) + 0.1, tolerance=0.05)
    np.testing.assert_allclose(exp.values[..., 0], np.sqrt(np.abs(TABLE) + 0.1), rtol=0.05)


# Batches, memory and outputs ---------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 7, 500])
@pytest.mark.parametrize(
    "params", [{}, {"method": "gauss-legendre", "n_steps": 6}, {"baseline": "data", "n_samples": 32}]
)
def test_values_do_not_depend_on_batches(params, batch_size):
    X, module = pictures(3, 8), seeded(vgg, size=8)
    params = {"tolerance": 0.2, "outputs": [0, 1]} | params
    expected = explained(module, X, **params)
    model = as_predictor(module, activation="none", batch_size=batch_size)
    actual = IntegratedGradientsExplainer(model, random_state=0, **params).fit(X).explain(X)
    np.testing.assert_allclose(actual.values, expected.values, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(actual.completeness_gap, expected.completeness_gap, atol=1e-14)
    if "baseline" not in params:
        np.testing.assert_array_equal(actual.extras["n_nodes"].array, expected.extras["n_nodes"].array)


def test_values_do_not_depend_on_which_outputs_are_explained():
    X, module = pictures(2, 8), seeded(vgg, size=8)
    whole = explained(module, X, tolerance=0.1)
    for outputs in ([2], [3, 0]):
        part = explained(module, X, outputs=outputs, tolerance=0.1)
        np.testing.assert_allclose(part.values, whole.values[..., outputs], rtol=1e-12, atol=1e-16)
        np.testing.assert_array_equal(part.extras["n_nodes"].array, whole.extras["n_nodes"].array[:, outputs])
    predicted = explained(module, X, outputs="predicted", tolerance=0.1)
    best = whole.outputs.argmax(axis=1)
    np.testing.assert_allclose(
        predicted.values[..., 0], whole.values[[0, 1], ..., best], rtol=1e-12, atol=1e-16
    )


def test_one_forward_pass_serves_all_outputs():
    calls = []
    module = seeded(vgg)
    hook = module.register_forward_hook(lambda _module, inputs, _output: calls.append(len(inputs[0])))
    X = pictures(2, 16)
    for outputs in ([0], [0, 1, 2, 3]):
        explainer = explainer_of(module, X, method="gauss-legendre", n_steps=9, outputs=outputs)
        calls.clear()
        exp = explainer.explain(X)
        assert sum(calls) == exp.n_model_rows == 2 + 1 + 18
        assert explainer.cost(X) >= exp.n_model_rows
    hook.remove()


def test_rows_are_integrated_in_groups_that_memory_holds(monkeypatch):
    expected = explained(seeded(mlp))
    monkeypatch.setattr(quadrature, "_STATE_BYTES", 11 * 8 * 15 * 5)
    actual = explained(seeded(mlp))
    np.testing.assert_allclose(actual.values, expected.values, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(actual.extras["n_nodes"].array, expected.extras["n_nodes"].array)


def test_memory_that_runs_out_halves_batches(monkeypatch):
    X, module = TABLE[:5], seeded(mlp)
    expected = explained(module, X, tolerance=0.2)

    class Hungry(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, x):
            if len(x) > 3:
                raise RuntimeError("out of memory")
            return self.module(x)

    monkeypatch.setattr(torch_model, "CPU_ROWS", 64)
    model = as_predictor(Hungry(), activation="none", batch_size=64)
    explainer = IntegratedGradientsExplainer(model, tolerance=0.2).fit(X[:3])
    np.testing.assert_allclose(explainer.explain(X).values, expected.values, rtol=1e-9, atol=1e-12)


# Inputs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("black", 0.0), ("zeros", 0.0), (0.25, 0.25), ([0.1, 0.2, 0.3], np.array([0.1, 0.2, 0.3])),
        (pictures(1, 16, seed=5), pictures(1, 16, seed=5)),
        (pictures(1, 16, seed=5)[0], pictures(1, 16, seed=5)),
    ],
)  # fmt: skip
def test_baselines_of_images(baseline, expected):
    X, module = pictures(2, 16), seeded(ResNet)
    exp = explained(module, X, baseline=baseline, method="gauss-legendre", n_steps=3)
    start = np.broadcast_to(expected, (1, 16, 16, 3))
    scores = module(torch.tensor(start.transpose(0, 3, 1, 2).copy())).detach().numpy()
    np.testing.assert_allclose(exp.base_values, np.repeat(scores, 2, axis=0), rtol=1e-9)


def test_mean_and_blur_are_of_each_image():
    X, module = pictures(2, 16), seeded(ResNet)
    mean = explained(module, X, baseline="mean", method="gauss-legendre", n_steps=3)
    for row in (0, 1):
        color = X[row].mean(axis=(0, 1)).tolist()
        one = explained(module, X[[row]], baseline=color, method="gauss-legendre", n_steps=3)
        np.testing.assert_allclose(mean.values[row], one.values[0], rtol=1e-6, atol=1e-12)
    near, far = (explained(module, X, baseline="blur", sigma=s, outputs=[0]) for s in (0.3, 30.0))
    assert np.abs(near.outputs - near.base_values).max() < np.abs(far.outputs - far.base_values).max()


def test_bytes_are_explained_as_their_decimals():
    X = (255 * pictures(2, 16)).astype(np.uint8)
    module = seeded(ResNet, dtype=torch.float32)
    whole = explained(module, X, baseline=128, method="gauss-legendre", n_steps=3)
    decimal = explained(
        module, (X / 255.0).astype(np.float32), baseline=128 / 255, method="gauss-legendre", n_steps=3
    )
    np.testing.assert_allclose(whole.values, decimal.values, atol=1e-5 * np.abs(decimal.values).max())


def test_frames_and_whole_numbers_are_tables():
    module = seeded(mlp)
    frame = pd.DataFrame(TABLE, columns=list("abcde"))
    exp = explained(module, frame, baseline=frame.iloc[:1])
    np.testing.assert_array_equal(exp.values, explained(module, TABLE, baseline=TABLE[:1]).values)
    assert exp.feature_names == tuple("abcde")
    whole = RNG.integers(-3, 4, size=(4, 5))
    np.testing.assert_array_equal(
        explained(module, whole).values, explained(module, whole.astype(float)).values
    )
    explained(module, whole, baseline="mean")


@pytest.mark.parametrize(
    ("X", "baseline", "facts"),
    [
        (TABLE, "black", ("'black'", "table", "'median'", "5 columns")),
        (TABLE, "blur", ("'blur'", "table")),
        (TABLE, TABLE[:2], ("(2, 5)", "5 columns")),
        (TABLE, [1.0, 2.0], ("shape (2,)", "5 columns")),
        (TABLE, None, ("None",)),
        (TABLE, True, ("True",)),
        (TABLE, [np.nan] * 5, ("finite",)),
        (pictures(2, 16), "median", ("'median'", "images", "'blur'")),
        (pictures(2, 16), [0.1, 0.2], ("shape (2,)", "(16, 16, 3)")),
        (pictures(2, 16), pictures(1, 8), ("(1, 8, 8, 3)", "(16, 16, 3)")),
        ((255 * pictures(2, 16)).astype(np.uint8), 0.5, ("uint8", "0.5")),
    ],
)  # fmt: skip
def test_bad_baselines_are_refused(X, baseline, facts):
    module = mlp() if X.ndim == 2 else ResNet()
    with refuses(DataError, "'baseline' parameter of IntegratedGradientsExplainer", *facts):
        explainer_of(module.double(), X, baseline=baseline)


def test_model_without_gradients_is_refused():
    with refuses(DataError, "IntegratedGradientsExplainer", "gradients"):
        IntegratedGradientsExplainer(lambda X: X.sum(axis=1)).fit(TABLE)


def test_target_is_before_or_after_the_activation():
    module = seeded(mlp)
    model = as_predictor(module, activation="softmax")
    logits, predictions = (
        IntegratedGradientsExplainer(model, target=target, tolerance=1e-4, max_steps=5000)
        .fit(TABLE)
        .explain(TABLE)
        for target in ("logits", "predictions")
    )
    assert (logits.units, predictions.units) == ("logits", "model output")
    scores = module(torch.tensor(TABLE)).detach().numpy()
    np.testing.assert_allclose(logits.outputs, scores, rtol=1e-9)
    np.testing.assert_allclose(
        predictions.outputs, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    )
    np.testing.assert_allclose(predictions.values.sum(axis=2), 0.0, atol=1e-4)


# Layers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["adaptive", "gauss-legendre"])
def test_embedding_has_a_value_for_each_token(method):
    module = seeded(Tokens)
    exp = explained(module, WORDS, layer="embedding", method=method, tolerance=1e-6)
    table = module.embedding.weight.detach().numpy()
    head = nn.Sequential(module.linear, nn.Tanh(), module.head)
    for row, words in enumerate(WORDS[:2]):
        for k in (0, 1):

            def function(tokens, k=k):
                return float(head(torch.tensor(tokens.mean(axis=0)[None]))[0, k].detach())

            expected = midpoint_integrated_gradients(function, table[words], np.zeros((4, 3)), 60)
            np.testing.assert_allclose(exp.values[row, :, k], expected.sum(axis=1), atol=5e-5)
    assert exp.dims == ("row", "feature", "output")
    assert np.abs(exp.completeness_gap).max() < 1e-6


def test_baseline_of_a_layer_is_its_output_for_a_row():
    module = seeded(Tokens)
    padding = np.zeros(4, dtype=int)
    exp = explained(module, WORDS, layer=module.embedding, baseline=padding)
    base = module(torch.tensor(padding[None])).detach().numpy()
    np.testing.assert_allclose(exp.base_values, np.repeat(base, 6, axis=0), rtol=1e-6)
    same = explained(module, np.concatenate([padding[None], WORDS]), layer="embedding", baseline=padding)
    assert not same.values[0].any()


def test_layers_count_model_rows():
    calls = []
    module = seeded(Tokens)
    module.register_forward_hook(lambda _module, inputs, _output: calls.append(len(inputs[0])))
    for params in (
        {},
        {"method": "gauss-legendre"},
        {"baseline": "data", "n_samples": 32},
        {"baseline": [0] * 4},
    ):
        explainer = explainer_of(module, WORDS, layer="embedding", **params)
        calls.clear()
        exp = explainer.explain(WORDS)
        assert sum(calls) == exp.n_model_rows <= explainer.cost(WORDS), params


def test_bad_layers_are_refused():
    module = seeded(Tokens)
    with refuses(DataError, "'words'", "'embedding'"):
        explained(module, WORDS, layer="words")
    assert explained(module, WORDS, layer="linear").feature_names == tuple(f"linear[{i}]" for i in range(6))
    with refuses(DataError, "'baseline' parameter", "'mean'", "layer"):
        explained(module, WORDS, layer="embedding", baseline="mean")
    with refuses(DataError, "Embedding"):
        explained(module, WORDS)


# Devices, precision, compilation -----------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "params",
    [
        {"tolerance": 0.1},
        {"method": "gauss-legendre", "n_steps": 6},
        {"baseline": "data", "n_samples": 32},
        {"baseline": "mean", "tolerance": 0.1},
    ],
)
def test_values_on_a_device_are_those_in_double_precision(params, device):
    X = pictures(3, 8).astype(np.float32)
    expected = explained(seeded(vgg, size=8), X.astype(float), outputs=[0, 1], **params)
    model = as_predictor(seeded(vgg, size=8, dtype=torch.float32), activation="none", device=device)
    explainer = IntegratedGradientsExplainer(model, outputs=[0, 1], random_state=0, **params)
    actual = explainer.fit(X).explain(X)
    tolerance = 0.1 if "tolerance" in params else 1e-3
    assert np.abs(actual.values - expected.values).max() <= tolerance * np.abs(expected.values).max()
    np.testing.assert_allclose(actual.base_values, expected.base_values, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_layers_on_a_device(device):
    expected = explained(seeded(Tokens), WORDS, layer="embedding")
    model = as_predictor(seeded(Tokens, dtype=torch.float32), activation="none", device=device)
    for params in ({}, {"baseline": "data", "n_samples": 32}):
        exp = (
            IntegratedGradientsExplainer(model, layer="embedding", random_state=0, **params)
            .fit(WORDS)
            .explain(WORDS)
        )
        np.testing.assert_allclose(exp.outputs, expected.outputs, atol=1e-4)
    assert exp.values.shape == (6, 4, 2)


def test_half_precision_reaches_a_tolerance_that_it_can():
    X = pictures(2, 8).astype(np.float32)
    model = as_predictor(seeded(vgg, size=8, dtype=torch.float32), activation="none", precision="bf16")
    explainer = IntegratedGradientsExplainer(model, outputs=[0], tolerance=0.3, max_steps=3000)
    exp = explainer.fit(X).explain(X)
    assert (exp.extras["status"].array == "converged").all()
    exact = explained(seeded(vgg, size=8), X.astype(float), outputs=[0], tolerance=0.05)
    assert np.abs(exp.values - exact.values).max() < 0.3 * np.abs(exact.values).max()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_module_has_the_values_of_the_module():
    module = seeded(mlp)
    exp = explained(torch.jit.script(module))
    np.testing.assert_allclose(exp.values, explained(module).values, rtol=1e-9, atol=1e-12)


def test_target_function_of_a_sequence_output():
    """The module gives scores for each token; a function takes the last one's."""

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(5, 8)

        def forward(self, x):
            return torch.tanh(self.linear(x)).unflatten(1, (4, 2))

    module = seeded(Tagger)
    model = as_predictor(module, activation="none", output=lambda given: given[:, -1])
    exp = IntegratedGradientsExplainer(model).fit(TABLE).explain(TABLE)
    whole = explained(ByFunction(lambda x: module(x)[:, -1]), TABLE)
    np.testing.assert_allclose(exp.values, whole.values, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_efficientnet_is_complete_within_the_tolerance():
    X = pictures(1, 64).astype(np.float32)
    model = as_predictor(efficientnet_lite0(), activation="none", mean=[0.498] * 3, std=[0.502] * 3)
    exp = (
        IntegratedGradientsExplainer(model, outputs=[285, 1], tolerance=0.05, max_steps=3000)
        .fit(X)
        .explain(X)
    )
    assert (exp.extras["status"].array == "converged").all()
    assert (np.abs(exp.completeness_gap) <= 0.05 * np.abs(exp.outputs - exp.base_values)).all()


# Expected gradients ------------------------------------------------------------------------------


def test_expected_gradients_are_near_the_closed_form_within_their_errors():
    exp = explained(Quadratic().double(), baseline="data", n_samples=1024)
    expected = np.array([quadratic_expected_gradients(MATRIX, x, TABLE) for x in TABLE])
    z = (exp.values[..., 0] - expected) / exp.std_errors[..., 0]
    assert np.abs(z).max() < 5
    assert np.abs(exp.values[..., 0] - expected).max() < 0.1 * np.abs(expected).max()
    assert exp.extras["degrees_of_freedom"].array == 15
    assert exp.extras["n_samples"] == 1024
    np.testing.assert_allclose(exp.base_values, np.diag(TABLE @ MATRIX @ TABLE.T).mean(), rtol=0.05)


def test_expected_gradients_of_a_linear_network_know_their_errors():
    """The mean over all rows is w (x - mean X); a feature that is the same in all rows is exactly 0."""
    X = TABLE.copy()
    X[:, 1] = 3.0
    module = seeded(nn.Linear, 5, 1)
    exp = explained(module, X, baseline="data", n_samples=512)
    expected = (X - X.mean(axis=0)) * module.weight.detach().numpy()[0]
    assert (np.abs(exp.values[..., 0] - expected) <= 4 * exp.std_errors[..., 0] + 1e-12).all()
    assert not exp.values[:, 1].any()
    assert not exp.std_errors[:, 1].any()


def test_expected_gradients_draw_weighted_rows():
    weights = np.zeros(12)
    weights[3] = 1.0
    model = as_predictor(Quadratic().double(), activation="none")
    explainer = IntegratedGradientsExplainer(model, baseline="data", random_state=0, n_samples=512)
    exp = explainer.fit(TABLE, sample_weight=weights).explain(TABLE)
    expected = [quadratic_integrated_gradients(MATRIX, x, TABLE[3]) for x in TABLE]
    np.testing.assert_allclose(exp.values[..., 0], expected, atol=6 * exp.std_errors.max() + 1e-9)
    np.testing.assert_allclose(exp.base_values, TABLE[3] @ MATRIX @ TABLE[3])


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_intervals_of_expected_gradients_cover(activation):
    """Over seeds, the share of 95 % intervals that hold the mean over all rows, in each place."""
    module = seeded(lambda: nn.Sequential(nn.Linear(5, 16), activation(), nn.Linear(16, 2)))
    rows, baselines = TABLE[:2], RNG.normal(size=(30, 5))
    truth = np.mean(
        [
            explained(module, rows, baseline=one, method="gauss-legendre", n_steps=500).values
            for one in baselines
        ],
        axis=0,
    )
    model = as_predictor(module, activation="none", batch_size=1024)
    inside = np.zeros(truth.shape)
    for seed in range(1000):
        explainer = IntegratedGradientsExplainer(model, baseline="data", random_state=seed)
        low, high = explainer.fit(baselines).explain(rows).interval()
        inside += (low <= truth) & (truth <= high)
    assert inside.min() / 1000 >= 0.92
    assert inside.max() / 1000 <= 0.98


def test_expected_gradients_repeat_with_their_seed_alone():
    one, same = (explained(seeded(mlp), baseline="data", n_samples=32) for _ in range(2))
    np.testing.assert_array_equal(one.values, same.values)
    model = as_predictor(seeded(mlp), activation="none")
    other = IntegratedGradientsExplainer(model, baseline="data", n_samples=32, random_state=1).fit(TABLE)
    assert not np.allclose(one.values, other.explain(TABLE).values)


# As other explainers -----------------------------------------------------------------------------


def test_explanation_states_what_it_is(tmp_path):
    X = pictures(2, 8)
    explainer = explainer_of(seeded(vgg, size=8), X, tolerance=0.5)
    exp = explainer.explain(X)
    assert (exp.quantity, exp.completeness, exp.dims) == (
        "contribution", "outputs - base_values", ("row", "y", "x", "output")
    )  # fmt: skip
    assert exp.params["baseline"] == "zeros"
    exp.save(tmp_path / "ig.npz")
    again = type(exp).load(tmp_path / "ig.npz")
    np.testing.assert_array_equal(again.extras["status"].array, exp.extras["status"].array)
    np.testing.assert_array_equal(again.completeness_gap, exp.completeness_gap)
    assert isinstance(exp.plot.pixels(row=0, outputs=0), PixelsDisplay)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(explainer)).explain(X).values, exp.values)


def test_transform_gives_columns_of_tables():
    explainer = explainer_of(seeded(mlp))
    matrix = explainer.transform(TABLE)
    assert matrix.shape == (12, 15)
    np.testing.assert_array_equal(matrix[:, :5], explainer.explain(TABLE).values[..., 0])


def test_caller_without_gradients_and_flags_are_left_alone():
    module = seeded(mlp).train()
    flags = [(one.requires_grad, one.grad) for one in module.parameters()]
    with torch.inference_mode():
        inside = explained(module)
    np.testing.assert_array_equal(inside.values, explained(module).values)
    assert module.training
    assert [(one.requires_grad, one.grad) for one in module.parameters()] == flags
    for one in module.parameters():
        one.requires_grad_(False)
    np.testing.assert_array_equal(explained(module).values, inside.values)


@given(
    seed=st.integers(0, 1000), scale=st.sampled_from([1e-6, 1.0, 1e6]), memory=st.sampled_from([0.001, 1.0])
)
def test_values_are_linear_in_the_network(seed, scale, memory):
    """Contributions to a sum of networks times a number are those of each, with fixed nodes."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(3, 4))
    one, two = (seeded(mlp, 4, 1, seed=seed + i) for i in (0, 1))
    params = {"method": "gauss-legendre", "n_steps": 4}
    with config_context(working_memory=memory):
        both = explained(ByFunction(lambda x: scale * (one(x) + 2 * two(x))), X.astype(np.float64), **params)
        parts = [explained(ByFunction(lambda x, m=m: m(x)), X, **params).values for m in (one, two)]
    np.testing.assert_allclose(both.values, scale * (parts[0] + 2 * parts[1]), rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("method", ["adaptive", "gauss-legendre"])
def test_baselines_without_a_finite_score_are_refused(method):
    module = ByFunction(lambda x: torch.log(x)[:, :2])
    rows = np.abs(TABLE) + 0.1
    with refuses(DataError, "ByFunction", "baseline", "NaN or infinity", "another baseline"):
        explained(module, rows, method=method)
    assert np.abs(explained(module, rows, method=method, baseline="mean").completeness_gap).max() < 0.1


def test_draws_without_a_finite_score_are_refused_in_fit():
    module = ByFunction(lambda x: torch.log(x)[:, :2])
    rows = np.random.default_rng(0).uniform(0.5, 1.0, (300, 5))
    rows[150, 0] = -1.0  # not among the rows that fit predicts
    explainer = IntegratedGradientsExplainer(as_predictor(module, activation="none"), baseline="data")
    with refuses(DataError, "ByFunction", "baseline", "NaN or infinity"):
        explainer.fit(rows, sample_weight=np.isin(np.arange(300), (150, 151)).astype(float))
