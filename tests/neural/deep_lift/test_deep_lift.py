"""DeepLiftExplainer: baselines, completeness on pictures, tables, series and tokens, refusals, and captum."""

import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from agnostix import DeepLiftExplainer, IntegratedGradientsExplainer, as_predictor  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.networks import (  # noqa: E402
    DigitCnn,
    HandWritten,
    Modules,
    ResNet,
    pictures,
    relu_by_where,
    seeded,
    spellings,
    vgg,
)
from tests.reference.deep_lift import contributions  # noqa: E402

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(12, 5))
WEIGHTS = RNG.uniform(0.2, 2.0, 12)
WORDS = RNG.integers(1, 9, size=(6, 4))
PICTURES = pictures(4, size=8)


def mlp(n_outputs=3):
    return nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, n_outputs))


class Tokens(nn.Module):
    """Two heads over embeddings; token 0 is padding, which attention leaves out."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
        self.linear = nn.Linear(8, 3)

    def forward(self, x):
        x = x.long()
        return self.linear(self.layer(self.embedding(x), src_key_padding_mask=x == 0).mean(dim=1))


class Series(nn.Module):
    """An LSTM over the columns, and a 1-D convolution over its states."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 4, batch_first=True, bidirectional=True)
        self.conv, self.linear = nn.Conv1d(8, 4, 2), nn.Linear(4, 3)

    def forward(self, x):
        states = self.lstm(x[:, :, None])[0].transpose(1, 2)
        return self.linear(functional.gelu(self.conv(states)).amax(dim=2))


def explain(network, X, fit=None, rows=None, **params):
    explainer = DeepLiftExplainer(network, random_state=0, **params)
    return explainer.fit(X if fit is None else fit).explain(X if rows is None else rows)


def missing(exp):
    """Largest gap, as a share of the largest score or contribution."""
    size = max(np.abs(one).max() for one in (exp.outputs, exp.base_values, exp.values))
    sums = exp.values.reshape(len(exp.values), -1, exp.values.shape[-1]).sum(axis=1)
    np.testing.assert_allclose(exp.completeness_gap, exp.outputs - exp.base_values - sums, atol=1e-15)
    return np.abs(exp.completeness_gap).max() / size


CASES = {
    "vgg": (lambda: vgg(size=8), PICTURES, {}),
    "resnet": (lambda: ResNet((4, 6)), PICTURES, {"baseline": "mean"}),
    "attention": (Modules, PICTURES, {"baseline": "blur", "sigma": 2.0}),
    "table": (mlp, TABLE, {"baseline": "data"}),
    "series": (Series, TABLE, {"baseline": "median"}),
    "tokens": (Tokens, WORDS, {"layer": "embedding"}),
}


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("name", CASES)
def test_values_add_up(name, rule):
    make, X, params = CASES[name]
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        exp = explain(seeded(make, dtype=dtype), X, rule=rule, **params)
        assert missing(exp) < tolerance
        assert (exp.quantity, exp.completeness) == ("contribution", "outputs - base_values")


def test_probabilities_add_up():
    exp = explain(as_predictor(seeded(mlp), activation="softmax"), TABLE, target="predictions")
    assert missing(exp) < 1e-12
    np.testing.assert_allclose(exp.outputs.sum(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(exp.values.sum(axis=-1), 0, atol=1e-14)


def test_pictures_are_as_the_loops_over_units():
    network = seeded(DigitCnn, size=8)
    X = pictures(2, size=8, n_channels=1)
    exp = explain(as_predictor(network, mean=[0.3], std=[0.5]), X, baseline=0.2, outputs=3)
    rows, base = (X[:, None] - 0.3) / 0.5, np.full((1, 1, 8, 8), (0.2 - 0.3) / 0.5)
    expected, differences = contributions(layers_of(network), rows, base, 3)
    np.testing.assert_allclose(exp.values[..., 0], expected[:, 0], rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose((exp.outputs - exp.base_values)[:, 0], differences, rtol=1e-10)


def test_linear_model_has_weights_times_differences():
    network = seeded(nn.Linear, 5, 2)
    weight = network.weight.detach().numpy()
    exp = explain(network, TABLE, baseline="mean")
    expected = (TABLE - TABLE.mean(axis=0))[:, :, None] * weight.T
    np.testing.assert_allclose(exp.values, expected, rtol=1e-10, atol=1e-13)
    same = IntegratedGradientsExplainer(network, baseline="mean").fit(TABLE).explain(TABLE)
    np.testing.assert_allclose(exp.values, same.values, rtol=1e-8, atol=1e-12)


def test_several_baselines_are_a_mean_of_each():
    network, several = seeded(mlp), RNG.normal(size=(3, 5))
    exp = explain(network, TABLE, baseline=several)
    single = [explain(network, TABLE, baseline=one) for one in several]
    np.testing.assert_allclose(exp.values, np.mean([one.values for one in single], axis=0), rtol=1e-10)
    np.testing.assert_allclose(exp.base_values, np.mean([one.base_values for one in single], axis=0))
    error = np.std([one.values for one in single], axis=0, ddof=1) / 3**0.5
    np.testing.assert_allclose(exp.std_errors, error, rtol=1e-8, atol=1e-14)
    assert float(exp.extras["degrees_of_freedom"].array) == pytest.approx(2.0)
    assert single[0].std_errors is None


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_rows_as_baselines_keep_their_weights(rule):
    network = seeded(mlp)
    explainer = DeepLiftExplainer(network, baseline="data", rule=rule).fit(TABLE, sample_weight=WEIGHTS)
    exp = explainer.explain(TABLE[:3])
    single = [explain(network, TABLE, rows=TABLE[:3], baseline=one, rule=rule).values for one in TABLE]
    np.testing.assert_allclose(exp.values, np.average(single, axis=0, weights=WEIGHTS), rtol=1e-9, atol=1e-14)
    share = (WEIGHTS**2).sum() / WEIGHTS.sum() ** 2
    assert float(exp.extras["degrees_of_freedom"].array) == pytest.approx(1 / share - 1)
    spread = np.average((np.array(single) - exp.values) ** 2, axis=0, weights=WEIGHTS)
    np.testing.assert_allclose(exp.std_errors, (spread * share / (1 - share)) ** 0.5, rtol=1e-7, atol=1e-14)


def test_rows_of_weight_0_are_no_baselines():
    weights = np.where(np.arange(12) < 2, 1.0, 0.0)
    explainer = DeepLiftExplainer(seeded(mlp), baseline="data").fit(TABLE, sample_weight=weights)
    expected = explain(seeded(mlp), TABLE, baseline=TABLE[:2])
    np.testing.assert_allclose(explainer.explain(TABLE).values, expected.values, rtol=1e-10, atol=1e-14)


def test_data_are_sampled_by_the_seed():
    one, other, third = (
        DeepLiftExplainer(seeded(mlp), baseline="data", n_samples=4, random_state=seed)
        .fit(TABLE)
        .explain(TABLE)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.values, other.values)
    assert np.abs(one.values - third.values).max() > 1e-3
    assert one.extras["n_samples"] == 4


def test_baselines_of_images_are_in_their_units():
    network = seeded(ResNet, (4, 6))
    color = np.array([0.1, 0.5, 0.9])
    by_color, by_image, by_each = (
        explain(network, PICTURES, baseline=one)
        for one in (
            color,
            np.broadcast_to(color, PICTURES.shape[1:]),
            np.array([color * np.ones((8, 8, 3))] * 2),
        )
    )
    np.testing.assert_allclose(by_color.values, by_image.values, rtol=1e-12)
    np.testing.assert_allclose(by_color.values, by_each.values, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(by_each.std_errors, 0, atol=1e-12)
    bytes_ = (PICTURES * 255).astype(np.uint8)
    exp = explain(as_predictor(network), bytes_, baseline="black")
    assert missing(exp) < 1e-10


def test_row_that_is_the_baseline_has_values_of_0():
    exp = explain(seeded(mlp), TABLE, baseline=TABLE[2])
    assert not exp.values[2].any()
    assert not exp.completeness_gap[2].any()


def test_spellings_are_the_same():
    first, *others = [explain(network, PICTURES).values for network in spellings().values()]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-8, atol=1e-12)


def test_rows_are_the_same_in_any_batch():
    for make, X in ((Modules, PICTURES), (Series, TABLE)):
        explainer = DeepLiftExplainer(seeded(make)).fit(X)
        together = explainer.explain(X).values
        apart = np.concatenate([explainer.explain(X[i : i + 1]).values for i in range(len(X))])
        np.testing.assert_allclose(together, apart, rtol=1e-9, atol=1e-13)


def test_padding_is_the_rows_own():
    words = WORDS.copy()
    words[:, 3] = 0
    exp = explain(seeded(Tokens), words, layer="embedding", baseline=np.zeros(4))
    assert missing(exp) < 1e-10
    assert exp.values.shape == (6, 4, 3)


def test_rows_that_the_model_sees():
    explainer = DeepLiftExplainer(seeded(mlp), baseline=TABLE[:3]).fit(TABLE)
    exp = explainer.explain(TABLE)
    assert exp.n_model_rows == 12 + 3  # each baseline once
    assert exp.n_model_rows <= explainer.cost(TABLE)


def test_pickled_explainer_explains_the_same():
    explainer = DeepLiftExplainer(seeded(mlp), baseline="data").fit(TABLE)
    again = pickle.loads(pickle.dumps(explainer))
    np.testing.assert_array_equal(again.explain(TABLE).values, explainer.explain(TABLE).values)


def network_of(function):
    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(5, 3)

        def forward(self, x):
            return function(self.linear(x))

    return seeded(Made)


class Swish(torch.autograd.Function):
    """A function with a derivative of its own, which no mode sees."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.sigmoid(ctx.saved_tensors[0])


REFUSED = {
    "gate": (lambda x: x * (x > 0), ("mul", "torch.relu(x)", "baseline")),
    "no rule": (lambda x: x.cumprod(dim=1), ("cumprod", "IntegratedGradientsExplainer")),
    "custom function": (Swish.apply, ("Swish",)),
    "two varying operands": (lambda x: torch.pow(x.abs() + 1, x), ("pow", "several operands")),
    "rounding": (lambda x: torch.div(x, 2 + x**2, rounding_mode="floor"), ("div", "rounding")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_operations_are_refused_by_name(name):
    function, facts = REFUSED[name]
    with refuses(DataError, *facts):
        explain(network_of(function), TABLE)


@pytest.mark.filterwarnings("ignore:The (prediction of the )?model Made")
@pytest.mark.parametrize(
    ("function", "facts"),
    [
        (lambda x: x.tanh() if x.detach().square().sum() > 5 else x.sigmoid(), ("other operations", "tanh")),
        (lambda x: functional.dropout(x, 0.5, training=True), ("dropout", "random")),
        (
            lambda x: functional.batch_norm(x, None, None, training=True) if len(x) > 1 else x,
            ("batch_norm", "track_running_stats=True"),
        ),
    ],
)
def test_networks_that_are_not_functions_of_a_row_are_refused(function, facts):
    explainer = DeepLiftExplainer(network_of(function))
    with refuses(DataError, *facts):
        explainer.fit(TABLE).explain(TABLE)


def test_checkpoints_are_refused():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.part, self.last = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 6)), nn.Linear(6, 3)

        def forward(self, x):
            return self.last(checkpoint(self.part, x, use_reentrant=False))

    with refuses(DataError, "checkpoint", "Call the part itself"):
        explain(seeded(Checkpointed), TABLE)


def test_gate_that_is_the_same_for_row_and_baseline_is_none():
    exp = explain(network_of(lambda x: torch.where(torch.arange(3) > 0, x, -x)), TABLE)
    assert missing(exp) < 1e-12


def test_choice_is_refused_where_it_is_one():
    with refuses(DataError, "where", "torch.relu(x)"):
        explain(seeded(HandWritten, relu=relu_by_where), PICTURES)


def test_half_precision_and_scripts_are_refused():
    with refuses(DataError, "torch.float16", ".float()"):
        explain(seeded(mlp, dtype=torch.float16), TABLE)
    with pytest.warns(DeprecationWarning, match="script"):
        scripted = torch.jit.script(seeded(mlp))
    with refuses(DataError, "TorchScript"):
        explain(scripted, TABLE)


@pytest.mark.parametrize("baseline", [np.zeros(4), np.zeros((3, 4)), "black", [[0.0] * 5, [np.nan] * 5]])
def test_baselines_of_another_shape_are_refused(baseline):
    with refuses(DataError, "baseline"):
        explain(seeded(mlp), TABLE, baseline=baseline)


@pytest.mark.parametrize(
    ("make", "X"), [(lambda: vgg(size=8), PICTURES), (lambda: DigitCnn(size=8), pictures(3, 8, 1))]
)
def test_networks_of_modules_are_as_captum_has_them(make, X):
    attr = pytest.importorskip("captum.attr")
    network = seeded(make)
    rows = torch.tensor(X).reshape(len(X), 8, 8, -1).permute(0, 3, 1, 2)
    exp = explain(network, X, outputs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of hooks, and gradients that it asks for
        expected = attr.DeepLift(network).attribute(rows, torch.zeros_like(rows), target=1)
    if not any(isinstance(one, nn.MaxPool2d) for one in network.modules()):
        np.testing.assert_allclose(exp.values[..., 0], expected.sum(dim=1).detach(), rtol=1e-6, atol=1e-9)
    assert missing(exp) < 1e-10
