"""Guided backpropagation and deconvolution go by operation: one small network for each."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from agnostix import SaliencyExplainer, as_predictor  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.networks import (  # noqa: E402
    HandWritten,
    efficientnet_lite0,
    pictures,
    relu_by_where,
    seeded,
    spellings,
)
from tests.reference.saliency import backpropagate, relu_with_rule  # noqa: E402

METHODS = ("guided", "deconvolution")
X = np.random.default_rng(1).normal(size=(4, 6))


def explain(module, rows=X, method="guided", **params):
    """Values (n_rows, ..., n_outputs) of a module as it is."""
    explainer = SaliencyExplainer(as_predictor(module, activation="none"), method=method, **params)
    return explainer.fit(rows).explain(rows).values


class Net(nn.Module):
    """Two linear layers around an operation on (n, 8), which comes after a ReLU or without one."""

    def __init__(self, operation, relu=None, n_inner=8):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(6, 8), nn.Linear(n_inner, 3)
        self.operation, self.relu = operation, relu

    def forward(self, x):
        x = self.linear1(x)
        return self.linear2(self.operation(x if self.relu is None else self.relu(x)))


def net(operation, relu=None, **params):
    return seeded(Net, operation, relu, **params)


def gradients(module, rows=X):
    """Gradients (n_rows, ..., n_outputs) by torch alone."""
    x = torch.tensor(rows, requires_grad=True)
    outputs = module(x).sum(dim=0)
    parts = [torch.autograd.grad(one, x, retain_graph=True)[0] for one in outputs]
    return torch.stack(parts, dim=-1).numpy()


def in_place(x):
    y = x * 1.0
    return functional.relu_(y)


def hardtanh_in_place(x):
    return functional.hardtanh_(x * 1.0, 0.0, 1e9)


RECTIFIERS = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "functional": functional.relu,
    "method": lambda x: x.relu(),
    "in place": in_place,
    "hardtanh": lambda x: functional.hardtanh(x, 0.0, 1e9),
    "hardtanh in place": hardtanh_in_place,
    "threshold": lambda x: functional.threshold(x, 0.0, 0.0),
    "clamp": lambda x: x.clamp(min=0),
    "clamp in place": lambda x: (x * 1.0).clamp_(min=0),
    "clamp of a float": lambda x: torch.clamp(x, 0.0),
    "clamp of a tensor": lambda x: x.clamp(min=torch.tensor(0.0, dtype=x.dtype)),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "clamp_min of a tensor": lambda x: torch.clamp_min(x, torch.zeros(1, dtype=x.dtype)),
    "clip": lambda x: x.clip(0),
    "checkpoint": lambda x: checkpoint(torch.relu, x, use_reentrant=False),
    "checkpoint of clamp": lambda x: checkpoint(lambda one: one.clamp(min=0), x, use_reentrant=False),
    "of a view": lambda x: x.view(-1, 2, 4).relu().flatten(1),
    "of a part": lambda x: torch.cat([x[:, :3].relu(), x[:, 3:].relu()], dim=1),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECTIFIERS)
def test_every_spelling_of_relu_has_the_rule(name, method):
    expected = gradients(net(relu_with_rule(method)))
    assert np.abs(expected - gradients(net(torch.relu))).max() > 0.01
    np.testing.assert_allclose(explain(net(RECTIFIERS[name]), method=method), expected, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_relu_used_twice_has_the_rule_each_time(method):
    shared = nn.ReLU()

    def twice(relu):
        return lambda x: relu(x @ torch.ones(8, 8, dtype=x.dtype).tril() - relu(x))

    np.testing.assert_allclose(
        explain(net(twice(shared)), method=method), gradients(net(twice(relu_with_rule(method)))), atol=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
def test_clamp_at_exactly_zero_is_inactive_as_relu(method):
    rows = np.zeros((2, 6))
    values = [
        explain(zero_bias(relu), rows, method)
        for relu in (torch.relu, lambda x: x.clamp(min=0), RECTIFIERS["hardtanh"])
    ]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


def zero_bias(relu):
    module = net(relu)
    nn.init.zeros_(module.linear1.bias)
    return module


class Small(nn.Module):
    """Two convolutions and two linear layers with ReLU6, for 6 x 5 pictures of two channels."""

    def __init__(self, relu, scale=4.0):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, (2, 1))
        self.linear1, self.linear2 = nn.Linear(4 * 3 * 3, 5), nn.Linear(5, 3)
        self.relu, self.scale = relu, scale

    def forward(self, x):
        x = self.relu(self.scale * self.conv1(x) + 1.0)
        x = self.relu(self.conv2(x))
        return self.linear2(self.relu(self.linear1(x.flatten(1))))

    def layers(self, highest):
        """The same for the loops of the reference."""
        own = {name: value.detach().numpy() for name, value in self.named_parameters()}
        return [
            ("conv", self.scale * own["conv1.weight"], self.scale * own["conv1.bias"] + 1.0),
            ("relu", highest),
            ("conv", own["conv2.weight"], own["conv2.bias"]),
            ("relu", highest),
            ("linear", own["linear1.weight"], own["linear1.bias"]),
            ("relu", highest),
            ("linear", own["linear2.weight"], own["linear2.bias"]),
        ]


RELU6 = {
    "module": nn.ReLU6(),
    "in place": nn.ReLU6(inplace=True),
    "functional": functional.relu6,
    "clamp": lambda x: x.clamp(0, 6),
}


@pytest.mark.parametrize("method", ["gradient", *METHODS])
@pytest.mark.parametrize("name", RELU6)
def test_relu6_equals_loops_over_layers(name, method):
    module, rows = seeded(Small, RELU6[name]), pictures(2, 6, 2)[:, :, :5] * 8 - 2
    layers = module.layers(6.0)
    values = explain(module, rows, method)
    for row, x in enumerate(rows):
        for k in range(3):
            expected = backpropagate(layers, x.transpose(2, 0, 1), k, method).sum(axis=0)
            np.testing.assert_allclose(values[row, ..., k], expected, atol=1e-12)
    saturated = functional.relu6(4 * module.conv1(torch.tensor(rows).permute(0, 3, 1, 2)) + 1.0) == 6
    assert saturated.any()


@pytest.mark.parametrize("method", ["gradient", *METHODS])
def test_relu_equals_loops_over_layers(method):
    module, rows = seeded(Small, torch.relu), pictures(1, 6, 2)[:, :, :5]
    expected = backpropagate(module.layers(np.inf), rows[0].transpose(2, 0, 1), 2, method).sum(axis=0)
    np.testing.assert_allclose(explain(module, rows, method)[0, ..., 2], expected, atol=1e-12)


@pytest.mark.parametrize("method", ["gradient", "gradient_x_input", *METHODS])
def test_four_spellings_of_the_same_weights_agree(method):
    values = {name: explain(module, pictures(), method) for name, module in spellings().items()}
    largest = np.abs(values["modules"]).max()
    for name, one in values.items():
        assert np.abs(one - values["modules"]).max() <= 1e-12 * largest, name


@pytest.mark.parametrize("method", METHODS)
def test_spelling_by_where_is_refused_by_name(method):
    module = seeded(HandWritten, relu_by_where)
    with refuses(DataError, "where", "HandWritten", method, "rules={'where': 'gradient'}"):
        explain(module, pictures(), method)
    plain = explain(module, pictures(), "gradient")
    np.testing.assert_allclose(explain(spellings()["modules"], pictures(), "gradient"), plain, atol=1e-12)


def normed(x):
    return (x - x.mean(dim=1, keepdim=True)) / (x.var(dim=1, keepdim=True) + 1e-5).sqrt()


def attention(kernel):
    def attend(x):
        tokens = x.view(-1, 1, 4, 2)
        with torch.nn.attention.sdpa_kernel(kernel):
            return functional.scaled_dot_product_attention(tokens, tokens, tokens).reshape(-1, 8)

    return attend


def causal(x):
    tokens = x.view(-1, 4, 2)
    scores = (tokens @ tokens.mT).masked_fill(torch.ones(4, 4, dtype=torch.bool).triu(1), -torch.inf)
    return (scores.softmax(dim=2) @ tokens).flatten(1)


def in_slices(x):
    y = torch.zeros_like(x)
    y[:, :4] = 2.0 * x[:, 4:]
    y[:, 4:] = x[:, :4]
    y[:, 2:].mul_(3.0)
    return y


def first(module, shape):
    """A recurrent module on (n, 4, 2)."""
    return lambda x: module(x.view(shape))[0].flatten(1)


PLAIN = {
    "conv1d": nn.Sequential(
        nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 4, 3, padding=1), nn.Flatten(), nn.Linear(16, 8)
    ),
    "conv2d": nn.Sequential(nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 8, 2), nn.Flatten()),
    "conv3d": nn.Sequential(nn.Unflatten(1, (1, 2, 2, 2)), nn.Conv3d(1, 8, 2), nn.Flatten()),
    "transposed conv": nn.Sequential(nn.Unflatten(1, (8, 1, 1)), nn.ConvTranspose2d(8, 2, 2), nn.Flatten()),
    "grouped conv": nn.Sequential(nn.Unflatten(1, (8, 1, 1)), nn.Conv2d(8, 8, 1, groups=4), nn.Flatten()),
    "batch norm": nn.BatchNorm1d(8),
    "layer norm": nn.LayerNorm(8),
    "layer norm by hand": normed,
    "group norm": nn.GroupNorm(2, 8),
    "instance norm": nn.Sequential(nn.Unflatten(1, (2, 4)), nn.InstanceNorm1d(2), nn.Flatten()),
    "max pool": nn.Sequential(nn.Unflatten(1, (2, 4)), nn.MaxPool1d(3, 1, 1), nn.Flatten()),
    "adaptive pool": nn.Sequential(nn.Unflatten(1, (8, 1)), nn.AdaptiveAvgPool1d(1), nn.Flatten()),
    "max over tokens": lambda x: x.view(-1, 2, 4).max(dim=1).values.repeat(1, 2),
    "amax": lambda x: x + x.amax(dim=1, keepdim=True),
    "dropout": nn.Dropout(0.9),
    "softmax": nn.Softmax(dim=1),
    "log_softmax": nn.LogSoftmax(dim=1),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "hardsigmoid": nn.Hardsigmoid(),
    "glu": lambda x: functional.glu(x, dim=1).repeat(1, 2),
    "residual": lambda x: x + x.roll(1, dims=1),
    "concatenation": lambda x: torch.cat([x[:, 4:], x[:, :4] * 2], dim=1),
    "stack": lambda x: torch.stack(x.chunk(2, dim=1), dim=2).flatten(1),
    "reshaping": lambda x: (
        x.view(-1, 2, 4).transpose(1, 2).permute(0, 2, 1).reshape(-1, 8).flip(1)[:, torch.arange(8)]
    ),
    "padding": lambda x: functional.pad(x, (1, 1))[:, 1:9],
    "slices in place": in_slices,
    "einsum": lambda x: (
        torch.einsum("nij,nkj->nik", x.view(-1, 2, 4), x.view(-1, 2, 4)).flatten(1).repeat(1, 2)
    ),
    "interpolation": lambda x: functional.interpolate(x.view(-1, 1, 2, 4), scale_factor=2)[
        :, 0, ::2, ::2
    ].flatten(1),
    "where by a constant": lambda x: torch.where(torch.arange(8) % 2 == 0, x, 2 * x),
    "causal attention by hand": causal,
    "flash attention": attention(torch.nn.attention.SDPBackend.FLASH_ATTENTION),
    "math attention": attention(torch.nn.attention.SDPBackend.MATH),
    "GRU": first(seeded(nn.GRU, 2, 2, batch_first=True), (-1, 4, 2)),
    "LSTM": first(seeded(nn.LSTM, 2, 2, batch_first=True), (-1, 4, 2)),
    "LSTM both ways": first(
        seeded(nn.LSTM, 2, 1, num_layers=2, bidirectional=True, batch_first=True), (-1, 4, 2)
    ),
    "RNN": first(seeded(nn.RNN, 2, 2, batch_first=True), (-1, 4, 2)),
    "double": lambda x: x.float().double(),
    "checkpoint": lambda x: checkpoint(torch.tanh, x, use_reentrant=False),
}
"""Operations that pass gradients as they are."""


@pytest.mark.parametrize("name", PLAIN)
def test_other_operations_pass_gradients_as_they_are(name):
    operation = PLAIN[name].double() if isinstance(PLAIN[name], nn.Module) else PLAIN[name]
    module = net(copy.deepcopy(operation))
    plain = explain(module, method="gradient")
    assert np.abs(plain).max() > 1e-4
    for method in METHODS:
        np.testing.assert_array_equal(explain(module, method=method), plain)
        expected = gradients(net(copy.deepcopy(operation), relu_with_rule(method)))
        np.testing.assert_allclose(
            explain(net(copy.deepcopy(operation), torch.relu), method=method), expected, atol=1e-6
        )


class Tokens(nn.Module):
    """A module on tokens (n, 3, 8), made with a ReLU."""

    def __init__(self, make, relu):
        super().__init__()
        self.linear1, self.inner, self.linear2 = nn.Linear(6, 24), make(relu), nn.Linear(8, 3)

    def forward(self, x):
        return self.linear2(self.inner(self.linear1(x).view(-1, 3, 8)).mean(dim=1))


class SelfAttention(nn.Module):
    def __init__(self, relu):
        super().__init__()
        self.attention, self.relu = nn.MultiheadAttention(8, 2, batch_first=True), relu

    def forward(self, x):
        return self.relu(self.attention(x, x, x, need_weights=False)[0])


class SqueezeExcite(nn.Module):
    def __init__(self, relu):
        super().__init__()
        self.squeeze, self.relu, self.excite = nn.Linear(8, 2), relu, nn.Linear(2, 8)

    def forward(self, x):
        return x * torch.sigmoid(self.excite(self.relu(self.squeeze(x.mean(dim=1, keepdim=True)))))


class RecurrentRelu(nn.Module):
    """nn.RNN with ReLU, or its steps one by one."""

    def __init__(self, relu):
        super().__init__()
        self.rnn = nn.RNN(8, 8, nonlinearity="relu", batch_first=True)
        self.relu = relu

    def forward(self, x):
        if self.relu is torch.relu:
            return self.rnn(x)[0]
        own, state, states = self.rnn, torch.zeros(len(x), 8, dtype=x.dtype), []
        for t in range(x.shape[1]):
            entered = functional.linear(x[:, t], own.weight_ih_l0, own.bias_ih_l0)
            state = self.relu(entered + functional.linear(state, own.weight_hh_l0, own.bias_hh_l0))
            states.append(state)
        return torch.stack(states, dim=1)


def encoder_layer(relu):
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation=relu)


def encoder(relu):
    return nn.TransformerEncoder(encoder_layer(relu), 2, enable_nested_tensor=False)


def decoder(relu):
    layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True, activation=relu)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x, x.flip(1))

    return Decoder()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "make", [SelfAttention, SqueezeExcite, RecurrentRelu, encoder_layer, encoder, decoder]
)
def test_composites_are_seen_through(make, method):
    expected = gradients(seeded(Tokens, make, relu_with_rule(method)))
    values = explain(seeded(Tokens, make, torch.relu), method=method)
    np.testing.assert_allclose(values, expected, atol=1e-12)
    assert np.abs(values - gradients(seeded(Tokens, make, torch.relu))).max() > 1e-6


def gelu_by_hand(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


class Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def silu_by_hand(x):
    return x * torch.sigmoid(x) + torch.relu(x)


SMOOTH = {
    "gelu": functional.gelu,
    "silu": functional.silu,
    "elu": functional.elu,
    "selu": functional.selu,
    "celu": functional.celu,
    "leaky_relu": functional.leaky_relu,
    "prelu": nn.PReLU(),
    "rrelu": functional.rrelu,
    "hardswish": functional.hardswish,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "softshrink": functional.softshrink,
    "abs": torch.abs,
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "minimum": lambda x: -torch.minimum(-x, torch.zeros_like(x)),
    "clamp": lambda x: x.clamp(-1, 1),
    "clamp_max": lambda x: torch.clamp_max(x, 1),
    "clamp_min": lambda x: x.clamp_min(0.1),
    "hardtanh": functional.hardtanh,
    "threshold": lambda x: functional.threshold(x, 0.1, 0.0),
    "sin": torch.sin,
    "sign": lambda x: x * x.sign(),
    "round": lambda x: x + x.round(),
    "mul": lambda x: x * torch.sigmoid(1.5 * x),
    "div": lambda x: x / (1 + torch.exp(-x)),
    "Custom": Custom.apply,
}
"""Operations that have no rule unless there is one in `rules`, and their names."""
HIDDEN = {
    "x * (x > 0)": (lambda x: x * (x > 0), "mul"),
    "x * (x > 0).to(x.dtype)": (lambda x: x * (x > 0).to(x.dtype), "mul"),
    "where": (relu_by_where, "where"),
    "where with a number": (lambda x: torch.where(x > 0, x, 0.0), "where"),
    "masked_fill": (lambda x: x.masked_fill(x < 0, 0.0), "masked_fill"),
    "index_put": (lambda x: (x * 1.0).index_put((x < 0,), torch.zeros((), dtype=x.dtype)), "index_put"),
    "gather": (lambda x: x + x.gather(1, x.argmax(dim=1, keepdim=True)), "gather"),
    "detached": (lambda x: x + (torch.relu(x) - x).detach(), "add"),
    "no_grad": (lambda x: x * no_grad_mask(x), "mul"),
    "data": (lambda x: through_data(x), "index_put"),
    "heaviside": (lambda x: x * torch.heaviside(x.detach(), torch.zeros(8, dtype=x.dtype)), "mul"),
}
"""Gates that are not in the graph, and the operation that they come in by."""


def no_grad_mask(x):
    with torch.no_grad():
        return (x.relu() / x).nan_to_num()


def through_data(x):
    y = x * 1.0
    y.data[y.data < 0] = 0.0
    return y


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SMOOTH)
def test_operations_without_a_rule_are_refused_by_name(name, method):
    module = net(SMOOTH[name])
    with refuses(DataError, name if name not in ("selu",) else "elu", "Net", method, "'gradient'"):
        explain(module, method=method)
    values = explain(module, method=method, rules={name: "gradient"})
    np.testing.assert_array_equal(values, explain(module, method="gradient"))
    if name not in ("mul", "div"):
        assert np.isfinite(explain(module, method=method, rules={name: "rectify"})).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_gates_are_refused_by_name(name, method):
    operation, shown = HIDDEN[name]
    with refuses(DataError, shown, "Net", method, f"rules={{'{shown}': 'gradient'}}"):
        explain(net(operation), method=method)
    values = explain(net(operation), method=method, rules={shown: "gradient"})
    np.testing.assert_allclose(values, explain(net(operation), method="gradient"), atol=1e-12)


def test_rectify_keeps_positive_gradients_alone():
    guided = explain(net(functional.gelu), rules={"gelu": "rectify"})
    module = net(nn.Identity())
    inner, (w1, w2) = (
        module.linear1(torch.tensor(X)).requires_grad_(),
        (module.linear1.weight, module.linear2.weight),
    )
    slope = torch.autograd.grad(functional.gelu(inner).sum(), inner)[0]
    expected = torch.einsum("kh,nh,hd->ndk", w2.clamp(min=0), slope, w1)
    np.testing.assert_allclose(guided, expected.detach().numpy(), atol=1e-12)
    deconvolved = explain(net(functional.gelu), method="deconvolution", rules={"gelu": "rectify"})
    expected = torch.einsum("kh,hd->dk", w2.clamp(min=0), w1).expand(4, 6, 3)
    np.testing.assert_allclose(deconvolved, expected.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["where", "masked_fill"])
def test_hidden_relu_with_the_rule_of_relu(name, method):
    operation, shown = HIDDEN[name]
    values = explain(net(operation), method=method, rules={shown: "rectify"})
    np.testing.assert_allclose(values, gradients(net(relu_with_rule(method))), atol=1e-12)


def test_operations_that_pass_gradients_can_be_given_another_rule():
    values = explain(net(torch.tanh), rules={"tanh": "rectify"})
    module = net(torch.tanh)
    slope = 1 - torch.tanh(module.linear1(torch.tensor(X))) ** 2
    expected = torch.einsum("kh,nh,hd->ndk", module.linear2.weight.clamp(min=0), slope, module.linear1.weight)
    np.testing.assert_allclose(values, expected.detach().numpy(), atol=1e-12)
    with refuses(DataError, "ReLU", "method='guided'", "method='gradient'"):
        explain(net(torch.relu), rules={"relu": "gradient"})


def test_rules_leave_relu_alone():
    module = net(lambda x: functional.normalize(torch.relu(x), dim=1).clamp_min(0))
    with refuses(DataError, "clamp_min"):
        explain(module)
    reference = net(lambda x: functional.normalize(relu_with_rule("guided")(x), dim=1))
    expected = gradients(reference)
    expected = np.where(np.isnan(expected), 0.0, expected)
    values = explain(
        net(lambda x: functional.normalize(torch.relu(x), dim=1)), rules={"clamp_min": "gradient"}
    )
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore:None of the inputs")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("operation", "facts"),
    [
        (lambda x: checkpoint(torch.relu, x, use_reentrant=True), ("checkpoint", "use_reentrant=False")),
        (lambda x: relu_on_a_part(x), ("relu", "in place", "torch.cat")),
    ],
)
def test_what_hides_operations_is_refused_with_the_way_out(operation, facts, method):
    with refuses(DataError, *facts):
        explain(net(operation), method=method)


def relu_on_a_part(x):
    y = x * 1.0
    y[:, 2:].relu_()
    return y


@pytest.mark.filterwarnings("ignore:None of the inputs")
def test_plain_gradient_names_reentrant_checkpoints_and_writing_over_what_is_needed():
    with refuses(DataError, "reentrant", "use_reentrant=False"):
        explain(net(lambda x: checkpoint(torch.relu, x, use_reentrant=True)), method="gradient")
    with refuses(DataError, "no derivative"):
        explain(net(lambda x: x * torch.heaviside(x, torch.zeros(8, dtype=x.dtype))), method="gradient")
    with refuses(DataError, "writes over", "y = y + z"):
        explain(net(lambda x: torch.relu(x).add_(x)), method="gradient")
    values = explain(net(lambda x: torch.relu(x) + x), method="gradient")
    np.testing.assert_allclose(values, gradients(net(lambda x: torch.relu(x) + x)), atol=1e-12)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_scripted_modules_are_refused():
    module = net(torch.relu)
    with refuses(DataError, "TorchScript", "Pass the module it was made from"):
        explain(torch.jit.trace(module, torch.tensor(X)))
    plain = explain(torch.jit.trace(module, torch.tensor(X)), method="gradient")
    np.testing.assert_allclose(plain, gradients(module), atol=1e-12)
    with refuses(DataError, "TorchScript"):
        explain(nn.Sequential(torch.jit.trace(module, torch.tensor(X)), nn.Identity()))


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_scripted_functions_are_refused():
    scripted_silu = torch.jit.script(silu_by_hand)
    for _ in range(4):  # the operations of the first runs are in the graph, later they are one node
        with pytest.raises(DataError, match=r"mul|TorchScript"):
            explain(net(scripted_silu))


@pytest.mark.parametrize("method", METHODS)
def test_compiled_modules_and_parts_run_their_own_operations(method):
    if not hasattr(torch.compiler, "set_stance"):
        pytest.skip("torch 2.6 is needed")
    module = net(torch.relu)
    expected = explain(module, method=method)
    whole = torch.compile(module, backend="eager")
    np.testing.assert_array_equal(explain(whole, method=method), expected)
    part = net(torch.compile(torch.relu, backend="aot_eager"))
    np.testing.assert_array_equal(explain(part, method=method), expected)


def test_custom_operations_of_a_library_are_refused_by_name():
    @torch.library.custom_op("agnostix_tests::half_relu", mutates_args=())
    def half_relu(x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0)

    half_relu.register_autograd(lambda ctx, gradient: 0.5 * gradient)
    with refuses(DataError, "agnostix_tests_half_relu"):
        explain(net(half_relu))


def test_refusal_names_all_operations_at_once():
    with refuses(DataError, "gelu", "abs", "rules={", "'abs': 'gradient'", "'gelu': 'gradient'"):
        explain(net(lambda x: functional.gelu(x.abs())))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_efficientnet_lite0_has_rules_for_all_its_operations(method):
    images = pictures(1, 64).astype(np.float32)
    predictor = as_predictor(efficientnet_lite0(), mean=[0.498] * 3, std=[0.502] * 3)
    explainer = SaliencyExplainer(predictor, method=method, outputs="predicted")
    values = explainer.fit(images).explain(images).values
    assert np.isfinite(values).all()
    assert np.abs(values).max() > 0


def test_an_operation_without_a_derivative_is_refused_with_the_way_out():
    with refuses(DataError, "NotImplemented", "no derivative in torch", "write it by others"):
        explain(net(lambda x: x * torch.heaviside(x, torch.zeros_like(x))))
