"""Functions, gated units and norms have the same relevance by their names and written by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural.lrp.rules import AlphaBeta, Epsilon, Gamma, Pass, ZPlus  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.lrp.passes import propagate  # noqa: E402


def numbers(*shape, seed=0):
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, FIRST, SECOND, BIAS = numbers(2, 6), numbers(6, 6, seed=1), numbers(6, 6, seed=2), numbers(6, seed=3)
SCALE = FIRST[0]


def up(x):
    return functional.linear(x, SECOND, BIAS)


def channel_gate(x):
    return up(x.mean(-1, keepdim=True).expand(2, 6))


def rooted(x, eps=1e-6):
    return torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


def exponentials(x):
    return torch.exp(x - x.amax(-1, keepdim=True))


def over_its_sum(x, eps=0.0):
    return x / (x.sum(-1, keepdim=True) + eps)


def zeros_like(x):
    return torch.zeros(6, dtype=x.dtype)


SPELLINGS = {
    "relu": [
        functional.relu,
        lambda x: x.clamp(min=0),
        lambda x: x * (x > 0),
        lambda x: (x + x.abs()) / 2,
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: torch.maximum(x, zeros_like(x)),
        lambda x: torch.max(zeros_like(x), x),
        lambda x: torch.fmax(x, zeros_like(x)),
        lambda x: -torch.minimum(-x, zeros_like(x)),
        lambda x: torch.stack([x, torch.zeros_like(x)]).amax(0),
        lambda x: torch.stack([x, torch.zeros_like(x)]).max(0).values,
        lambda x: functional.threshold(x, 0.0, 0.0),
        lambda x: functional.relu(x * 1, inplace=True),
    ],
    "silu": [
        functional.silu,
        lambda x: x * torch.sigmoid(x),
        lambda x: torch.sigmoid(x) * x,
        lambda x: x / (1 + torch.exp(-x)),
        lambda x: x * (1 / (1 + torch.exp(-x))),
        lambda x: functional.silu(x * 1, inplace=True),
        lambda x: functional.silu(input=x),
        lambda x: functional.glu(torch.cat([x, x], dim=1)),
    ],
    "gelu": [
        functional.gelu,
        lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
        lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2))),
        lambda x: x * (torch.erf(x / math.sqrt(2)) + 1) / 2,
    ],
    "gelu by tanh": [
        lambda x: functional.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3)))),
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))),
    ],
    "mish": [
        functional.mish,
        lambda x: x * torch.tanh(functional.softplus(x)),
        lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))),
    ],
    "hardswish": [
        functional.hardswish,
        lambda x: x * functional.hardsigmoid(x),
        lambda x: x * functional.relu6(x + 3) / 6,
        lambda x: x * torch.clamp(x + 3, 0, 6) / 6,
    ],
    "glu": [
        lambda x: functional.glu(torch.cat([x, up(x)], dim=1)),
        lambda x: x * torch.sigmoid(up(x)),
        lambda x: (x * 1).mul_(up(x).sigmoid_()),
        lambda x: x * (0.5 * (1 + torch.tanh(up(x) / 2))),
    ],
    "swiglu": [
        lambda x: functional.silu(x) * up(x),
        lambda x: up(x) * (x * torch.sigmoid(x)),
        lambda x: functional.silu(x).mul_(up(x)),
    ],
    "geglu": [lambda x: functional.gelu(x) * up(x), lambda x: up(x).mul_(functional.gelu(x))],
    "squeeze-excitation": [
        lambda x: x * torch.sigmoid(channel_gate(x)),
        lambda x: torch.sigmoid(channel_gate(x)) * x,
        lambda x: (x * 1).mul_(channel_gate(x).sigmoid_()),
        lambda x: torch.einsum("ij,ij->ij", torch.sigmoid(channel_gate(x)), x),
    ],
    "squeeze-excitation, hard": [
        lambda x: x * functional.hardsigmoid(channel_gate(x)),
        lambda x: x * (functional.relu6(channel_gate(x) + 3) / 6),
        lambda x: x * ((channel_gate(x) + 3.0).clamp(0, 6) * (1 / 6)),
    ],
    "interpolation": [
        lambda x: torch.lerp(x, up(x), torch.sigmoid(channel_gate(x))),
        lambda x: (1 - torch.sigmoid(channel_gate(x))) * x + torch.sigmoid(channel_gate(x)) * up(x),
    ],
    "exp": [torch.exp, lambda x: (x * 1).exp_(), lambda x: math.e**x, lambda x: torch.pow(math.e, x)],
    "softmax": [
        lambda x: x.softmax(-1),
        lambda x: functional.softmax(x, -1),
        torch.nn.Softmax(dim=1),
        lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
        lambda x: exponentials(x) / exponentials(x).sum(1, keepdim=True),
        lambda x: over_its_sum(torch.exp(x)),
        lambda x: over_its_sum(exponentials(x)),
        lambda x: over_its_sum((x * 1).exp_()),
        lambda x: (x * 1).exp_().div_(x.exp().sum(-1)[:, None]),
        lambda x: exponentials(x).div_(exponentials(x).sum(-1, keepdim=True).clamp(min=1e-30)),
        lambda x: over_its_sum(exponentials(x), 1e-300),
    ],
    "softmax with hidden places": [
        lambda x: x.masked_fill(FIRST[0] > 0, -torch.inf).softmax(-1),
        lambda x: over_its_sum(exponentials(x).masked_fill(FIRST[0] > 0, 0.0)),
        lambda x: over_its_sum(torch.exp(x) * (FIRST[0] <= 0)),
    ],
    "softmax as a gate": [
        lambda x: up(x) * x.softmax(-1),
        lambda x: up(x) * over_its_sum(exponentials(x)),
    ],
    "layer norm": [
        lambda x: functional.layer_norm(x, (6,), SCALE, BIAS),
        lambda x: functional.group_norm(x[:, None], 1)[:, 0] * SCALE + BIAS,
        lambda x: functional.instance_norm(x[:, None])[:, 0] * SCALE + BIAS,
        lambda x: (x - x.mean(-1, keepdim=True)) / rooted(x - x.mean(-1, keepdim=True), 1e-5) * SCALE + BIAS,
        lambda x: (
            (x - x.mean(-1, keepdim=True))
            * torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
            * SCALE
            + BIAS
        ),
    ],
    "root mean square norm": [
        lambda x: functional.rms_norm(x, (6,), SCALE, 1e-6),
        lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * SCALE,
        lambda x: SCALE * (x / rooted(x)),
        lambda x: x * (1 / rooted(x)) * SCALE,
        lambda x: x * rooted(x).reciprocal() * SCALE,
    ],
    "unit length": [
        lambda x: functional.normalize(x, dim=-1),
        lambda x: x / x.norm(dim=-1, keepdim=True),
        lambda x: x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-12),
        lambda x: torch.einsum("ij,i->ij", x, 1 / x.norm(dim=-1)),
    ],
    "unit deviation": [
        lambda x: x / x.std(-1, keepdim=True),
        lambda x: x / x.var(-1, keepdim=True).sqrt(),
        lambda x: (x * 1).div_(x.std(-1, keepdim=True)),
    ],
    "matrix product": [
        lambda x: functional.linear(x, FIRST),
        lambda x: x @ FIRST.T,
        lambda x: (FIRST @ x.T).T,
        lambda x: torch.mm(x, FIRST.T),
        lambda x: torch.mm(input=x, mat2=FIRST.T),
        lambda x: torch.bmm(x[None], FIRST.T[None])[0],
        lambda x: torch.stack([torch.mv(FIRST, row) for row in x]),
        lambda x: torch.addmm(zeros_like(x), x, FIRST.T),
        lambda x: torch.inner(x, FIRST),
        lambda x: torch.tensordot(x, FIRST, dims=([1], [1])),
        lambda x: torch.einsum("bi,oi->bo", x, FIRST),
        lambda x: torch.einsum("oi,bi->bo", FIRST, x),
        lambda x: torch.einsum("...i,oi", x, FIRST),
        lambda x: functional.conv1d(x[:, :, None], FIRST[:, :, None])[:, :, 0],
    ],
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("attention", ["cp_lrp", "attn_lrp"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_have_the_same_relevance(name, attention, bias):
    wanted = None
    for k, function in enumerate(SPELLINGS[name]):

        def network(x, function=function):
            return up(function(functional.linear(x, FIRST, BIAS)))

        found = propagate(network, X, attention=attention, bias=bias)
        torch.testing.assert_close(found.outputs, network(X)[:, 1], rtol=0, atol=1e-12)
        assert found.gap < 1e-12, k
        assert not found.unseen, k
        wanted = wanted or found
        torch.testing.assert_close(found.relevance, wanted.relevance, rtol=1e-9, atol=1e-9, msg=str(k))


@pytest.mark.parametrize("root", [lambda x: 1 / rooted(x), lambda x: rooted(x).reciprocal()])
def test_a_scale_before_a_norm_is_that_of_the_linear_operation(root):
    def network(x, is_late):
        x = functional.linear(x, FIRST, BIAS)
        return up(x * root(x) * SCALE if is_late else SCALE * x * root(x))

    found, wanted = (propagate(lambda x: network(x, late), X) for late in (False, True))  # noqa: B023
    # The stabilizer is of the scaled outputs.
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-5)
    assert found.gap < 1e-12


LINEAR = {
    "linear": (lambda x: functional.linear(x, numbers(4, 6, seed=5), numbers(4, seed=6)), nn.BatchNorm1d),
    "matmul": (lambda x: x @ numbers(6, 4, seed=5), nn.BatchNorm1d),
    "conv1d": (lambda x: functional.conv1d(x.view(2, 2, 3), numbers(4, 2, 2, seed=5)), nn.BatchNorm1d),
    "conv_transpose1d": (
        lambda x: functional.conv_transpose1d(x.view(2, 2, 3), numbers(2, 4, 2, seed=5)),
        nn.BatchNorm1d,
    ),
}


@pytest.mark.parametrize("rule", [Epsilon(), ZPlus(), Gamma(0.3), AlphaBeta()])
@pytest.mark.parametrize("name", LINEAR)
def test_batch_norm_by_hand_is_merged_as_that_of_torch(name, rule):
    linear, make = LINEAR[name]
    norm = make(4).double().eval()
    for seed, one in enumerate((norm.weight, norm.bias, norm.running_mean, norm.running_var)):
        one.data = numbers(4, seed=seed + 10)
    norm.running_var.exp_()

    def by_hand(x):
        y = linear(x)
        mean, variance, weight, bias = (
            one.detach().reshape(-1, *[1] * (y.ndim - 2))
            for one in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        return ((y - mean) / torch.sqrt(variance + norm.eps) * weight + bias).relu()

    composite = {"default": rule}
    norm.requires_grad_(False)
    wanted = propagate(lambda x: norm(linear(x)).relu().reshape(2, -1), X, composite=composite)
    found = propagate(lambda x: by_hand(x).reshape(2, -1), X, composite=composite)
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=1e-9, atol=1e-12)
    assert found.absorbed == pytest.approx(wanted.absorbed, abs=1e-12)
    assert found.gap < 1e-12


@pytest.mark.parametrize("name", LINEAR)
def test_positive_products_after_a_batch_norm_are_those_of_the_map_of_inputs(name):
    linear, make = LINEAR[name]
    norm = make(4).double().eval().requires_grad_(False)
    norm.weight.data = numbers(4, seed=10)
    norm.running_var.data = numbers(4, seed=11).exp()
    found = propagate(lambda x: norm(linear(x)).reshape(2, -1), X, composite={"default": ZPlus()})
    matrix = torch.autograd.functional.jacobian(lambda x: norm(linear(x)).reshape(2, -1)[0], X)[:, 0]
    outputs, start = (norm(linear(x)).reshape(2, -1)[0, 1] for x in (X, X * 0))
    products = (matrix[1] * X[0]).clamp(min=0)
    wanted = products / (products.sum() + start.clamp(min=0) + 1e-9) * outputs
    torch.testing.assert_close(found.relevance[0], wanted, rtol=1e-7, atol=1e-10)


FUNCTIONS = {
    torch.sin: math.sin,
    torch.tanh: math.tanh,
    torch.sigmoid: lambda x: 1 / (1 + math.exp(-x)),
    torch.exp: math.exp,
    torch.cos: math.cos,
    torch.atan: math.atan,
    functional.softplus: lambda x: math.log1p(math.exp(x)),
    torch.square: lambda x: x * x,
    functional.elu: lambda x: x if x > 0 else math.expm1(x),
    functional.leaky_relu: lambda x: x if x > 0 else 0.01 * x,
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_keeps_what_it_rises_from_its_value_at_0(function):
    x = torch.tensor([[-2.0, -1e-9, 0.0, 1e-9, 0.3, 4.0]], dtype=torch.float64)
    found = propagate(lambda x: function(x)[..., None].expand(-1, -1, 2), x)
    start = FUNCTIONS[function](0.0)
    wanted = [FUNCTIONS[function](float(one)) - start for one in x[0]]
    assert found.relevance[0].tolist() == pytest.approx(wanted, abs=1e-12)
    assert found.absorbed.get("offset", 0.0) == pytest.approx(6 * start)


def test_roots_and_sizes_of_0_have_no_relevance():
    x = torch.tensor([[0.0, 4.0, 1e-20]], dtype=torch.float64)
    for function in (torch.sqrt, torch.abs, lambda x: x**0.5):
        found = propagate(lambda x: function(x)[..., None].expand(-1, -1, 2), x)  # noqa: B023
        torch.testing.assert_close(found.relevance, function(x), rtol=1e-12, atol=0)
        assert found.gap < 1e-12


def test_pass_gives_all_to_the_operand():
    x = numbers(2, 3).abs()
    rules = {"default": Epsilon(), "exp": Pass(), "reciprocal": Pass()}
    found = propagate(lambda x: 1 / torch.exp(x), x, composite=rules)
    torch.testing.assert_close(found.relevance[:, 1], torch.exp(-x[:, 1]), rtol=1e-12, atol=0)
    assert found.gap < 1e-12


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: 1 / (x**2 + 1), "reciprocal"),
        (lambda x: torch.log(x**2 + 1e-3), "log"),
        (lambda x: 2 / (x**2 + 1e-3).sqrt().mul(3), "reciprocal"),
        (lambda x: torch.logsumexp(x, dim=1, keepdim=True), "logsumexp"),
        (lambda x: torch.cumprod(x, dim=1), "cumprod"),
        (lambda x: (x * 1)[:, :2].reciprocal_(), "reciprocal"),
        (lambda x: torch.clamp(x, min=x.flip(1)), "clamp"),
        (lambda x: x.std(1, keepdim=True), "std"),
    ],
)
def test_what_has_no_rule_is_seen_by_its_name(function, name):
    found = propagate(
        lambda x: up(function(functional.linear(x, FIRST, BIAS)).expand(2, -1).repeat(1, 6)[:, :6]), X
    )
    assert name in found.unseen


def test_statistics_of_the_batch_are_refused():
    def network(x):
        return functional.batch_norm(x, None, None, training=True)

    with refuses(DataError, "batch_norm", "batch", "eval()"):
        propagate(network, X)


def test_convolution_by_a_kernel_of_the_input_is_refused():
    with refuses(DataError, "conv1d", "weight", "unfold"):
        propagate(lambda x: functional.conv1d(x[:, None], x[:1, None, :3])[:, 0], X)


def test_linear_by_a_weight_of_the_input_is_a_product():
    wanted = propagate(lambda x: x @ (x.T @ x).T, X)
    found = propagate(lambda x: functional.linear(x, x.T @ x), X)
    torch.testing.assert_close(found.relevance, wanted.relevance, rtol=0, atol=1e-12)
    assert found.gap < 1e-12


def test_a_maximum_gives_to_the_constant_where_it_is_larger():
    x = torch.tensor([[-1.0, 2.0, 3.0]], dtype=torch.float64)
    found = propagate(
        lambda x: torch.maximum(x, torch.tensor([0.5, 2.0, 1.0]))[..., None].expand(-1, -1, 2), x
    )
    torch.testing.assert_close(found.relevance, torch.tensor([[0.0, 1.0, 3.0]], dtype=torch.float64))
    assert found.absorbed["offset"] == pytest.approx(1.5)
