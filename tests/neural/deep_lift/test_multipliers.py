"""Rules of all operations: sums of contributions, references by loops, and what is refused."""

import gc
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from agnostix.neural.operations.catalog import ACTIVATIONS, FUNCTIONS  # noqa: E402
from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.deep_lift.passes import compare, gap  # noqa: E402
from tests.neural.networks import DigitCnn, Modules, ResNet, seeded, spellings, vgg  # noqa: E402
from tests.reference.deep_lift import contributions  # noqa: E402

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
ALIASES = {
    **{name: getattr(functional, name) for name in ("hardsigmoid", "hardswish", "mish", "silu", "elu")},
    "log_sigmoid": functional.logsigmoid,
    "special_erf": torch.special.erf,
    "special_expit": torch.special.expit,
    "expit": torch.special.expit,
    "swish": functional.silu,
    "threshold": lambda x: functional.threshold(x, 0.4, 0.1),
    "prelu": lambda x: functional.prelu(x, torch.tensor([0.3], dtype=x.dtype)),
    "clamp": lambda x: x.clamp(0.3, 0.6),
    "clip": lambda x: x.clip(0.3, 0.6),
    "clamp_max": lambda x: x.clamp_max(0.5),
    "clamp_min": lambda x: x.clamp_min(0.5),
    "pow": lambda x: x**3 + x.pow(2) + torch.pow(2.0, x),
    "rpow": lambda x: 2**x,
    "float_power": lambda x: torch.float_power(x, 2.5),
    "acosh": lambda x: torch.acosh(x + 1),
}


def function_of(name):
    """A function of torch by its name in the catalog."""
    for owner in (ALIASES, functional, torch):
        found = owner.get(name) if isinstance(owner, dict) else getattr(owner, name, None)
        if found is not None:
            return found
    raise AssertionError(name)


def table(dtype, seed=0):
    """Rows (4, 6) between 0.1 and 0.9, some of them equal to the baseline (1, 6) or near it."""
    random = torch.Generator().manual_seed(seed)
    x, x0 = (0.1 + 0.8 * torch.rand(n, 6, generator=random, dtype=torch.float64) for n in (4, 1))
    for place, distance in enumerate((0.0, 1e-9, 1e-7, 1e-4)):
        x[place, place] = x0[0, place] + distance
    return x.to(dtype), x0.to(dtype)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", sorted(ACTIVATIONS | FUNCTIONS))
def test_functions_of_one_number_add_up(name, dtype):
    function = function_of(name)
    shift = 0.5 if name in ("relu", "leaky_relu", "selu", "elu", "celu", "hardshrink", "softshrink") else 0.0
    x, x0 = table(dtype)
    assert gap(lambda x: function(x - shift), x, x0) < TOLERANCES[dtype]


def set_items(x):
    out = torch.zeros(len(x), 7, dtype=x.dtype)
    out[:, 1:] = x.exp()
    out[:, 0] = x[:, 2]
    return out * out


def add_in_place(x):
    y = torch.tanh(x)
    z = y * y
    y += z
    y *= y.exp()
    return y - z


def relu_of_a_view(x):
    y = x * 3 - 1
    functional.relu_(y[:, :2])
    return y * y


def normalize_groups(x):
    wide = x.reshape(-1, 6, 1) * torch.arange(1.0, 4, dtype=x.dtype)
    return functional.group_norm(wide, 2, torch.arange(1.0, 7, dtype=x.dtype))


SPLIT = lambda x: (x[:, :3], x[:, 3:])  # noqa: E731
MATRICES = lambda x: (x.reshape(-1, 2, 3), x.reshape(-1, 3, 2))  # noqa: E731
OPERATIONS = {
    "softmax": lambda x: x.softmax(-1),
    "softmax of far logits": lambda x: torch.softmax(20 * x, dim=1),
    "softmax in double": lambda x: functional.softmax(x, 1, dtype=torch.float64),
    "softmax with hidden places": lambda x: x.masked_fill(torch.arange(6) > 3, -torch.inf).softmax(1),
    "log_softmax": lambda x: functional.log_softmax(5 * x, 1),
    "softmin": lambda x: functional.softmin(x, 1),
    "product": lambda x: torch.mul(*SPLIT(x)),
    "product with itself": lambda x: x * x * x,
    "product of all rows": lambda x: x * x.mean(dim=1, keepdim=True),
    "matmul": lambda x: MATRICES(x)[0] @ MATRICES(x)[1],
    "bmm": lambda x: torch.bmm(*MATRICES(x)),
    "baddbmm": lambda x: torch.baddbmm(x.reshape(-1, 2, 3)[:, :, :2], *MATRICES(x), alpha=0.5),
    "einsum": lambda x: torch.einsum("ni,nj->nij", x, x.exp()),
    "einsum with a constant": lambda x: torch.einsum("ni,ij->nj", x, torch.ones(6, 2, dtype=x.dtype)),
    "einsum of three": lambda x: torch.einsum("ni,nj,ni->nj", x, x, x.sigmoid()),
    "addcmul": lambda x: torch.addcmul(x, x, x.exp(), value=2.0),
    "addcdiv": lambda x: torch.addcdiv(x, x, x.exp()),
    "quotient": lambda x: torch.div(*SPLIT(x)),
    "divisor": lambda x: 3 / x + torch.arange(1.0, 7, dtype=x.dtype) / x,
    "layer_norm": lambda x: functional.layer_norm(x, (6,)),
    "layer_norm over two axes": lambda x: functional.layer_norm(x.reshape(-1, 2, 3), (2, 3)),
    "group_norm": normalize_groups,
    "instance_norm": lambda x: functional.instance_norm(x.reshape(-1, 2, 3)),
    "rms_norm": lambda x: functional.rms_norm(x, (6,)),
    "batch_norm": lambda x: functional.batch_norm(
        x, torch.zeros(6, dtype=x.dtype), torch.ones(6, dtype=x.dtype)
    ),
    "amax": lambda x: x.reshape(-1, 2, 3).amax((1, 2)),
    "amin": lambda x: x.amin((1,), keepdim=True),
    "max": lambda x: x.max(1).values,
    "min": lambda x: torch.min(x, dim=1)[0],
    "maximum": lambda x: torch.maximum(*SPLIT(x)),
    "max of two": lambda x: torch.max(x, 1 - x),
    "minimum with a constant": lambda x: torch.minimum(x, torch.tensor(0.5, dtype=x.dtype)),
    "max_pool1d": lambda x: functional.max_pool1d(x[:, None], 3, 1),
    "max_pool2d": lambda x: functional.max_pool2d(x.reshape(-1, 1, 2, 3), 2, 1, padding=1),
    "MaxPool2d": lambda x: nn.MaxPool2d(2, 1, ceil_mode=True)(x.reshape(-1, 1, 2, 3)),
    "AdaptiveMaxPool2d": lambda x: nn.AdaptiveMaxPool2d((1, 2))(x.reshape(-1, 1, 2, 3)),
    "max_pool3d": lambda x: functional.max_pool3d(x.reshape(-1, 1, 1, 2, 3), (1, 2, 2), 1),
    "max_pool2d with indices": lambda x: functional.max_pool2d(x.reshape(-1, 2, 3), 2, return_indices=True)[
        0
    ],
    "glu": functional.glu,
    "attention": lambda x: functional.scaled_dot_product_attention(
        *[x.reshape(-1, 1, 2, 3)] * 3, is_causal=True
    ),
    "lerp": lambda x: torch.lerp(x, x.exp(), x.sigmoid()),
    "setitem": set_items,
    "in place": add_in_place,
    "SiLU in place": lambda x: functional.silu(2 * x, inplace=True),
    "ReLU in place on a view": relu_of_a_view,
    "cat": lambda x: torch.cat([x, x.exp()], 1),
    "upsampling": lambda x: functional.interpolate(x[:, None], scale_factor=2, mode="linear") ** 2,
    "cumsum": lambda x: x.cumsum(1).exp(),
    "normalize": functional.normalize,
}
BY_HAND = {
    "norm": (lambda x: x.norm(dim=1), lambda x: (x * x).sum(1).sqrt()),
    "norm of all": (lambda x: x[:1].norm(), lambda x: (x[:1] ** 2).sum() ** 0.5),
    "linalg.norm": (lambda x: torch.linalg.norm(x, dim=-1), lambda x: x.square().sum(1).sqrt()),
    "norm of sizes": (
        lambda x: torch.norm(x, 1, dim=1, keepdim=True),
        lambda x: x.abs().sum(1, keepdim=True),
    ),
    "vector_norm of order 3": (
        lambda x: torch.linalg.vector_norm(x, 3, dim=1),
        lambda x: (x.abs() ** 3).sum(1) ** (1 / 3),
    ),
    "largest": (lambda x: torch.linalg.vector_norm(x, torch.inf, dim=1), lambda x: x.abs().amax(1)),
    "smallest": (lambda x: torch.linalg.vector_norm(x, -torch.inf, dim=1), lambda x: x.abs().amin(1)),
    "var": (
        lambda x: x.var(dim=(0, 1), keepdim=True) * x[:1],
        lambda x: ((x - x.mean()) ** 2).sum() / (x.numel() - 1) * x[:1],
    ),
    "var_mean": (
        lambda x: torch.stack(torch.var_mean(x, 1, correction=2)),
        lambda x: torch.stack([((x - x.mean(1, keepdim=True)) ** 2).sum(1) / 4, x.mean(1)]),
    ),
    "std": (lambda x: x.std(1, False), lambda x: ((x - x.mean(1, keepdim=True)) ** 2).mean(1).sqrt()),
    "std of all": (lambda x: x[:1].std(), lambda x: ((x[:1] - x[:1].mean()) ** 2).sum().div(5).sqrt()),
    "logsumexp": (lambda x: x.logsumexp(1), lambda x: x.exp().sum(1).log()),
    "logsumexp of both axes": (
        lambda x: x[:1].logsumexp((0, 1), keepdim=True),
        lambda x: x[:1].exp().sum((0, 1), keepdim=True).log(),
    ),
}
OPERATIONS.update({name: pair[0] for name, pair in BY_HAND.items() if name != "var"})


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_add_up(name, dtype):
    assert gap(OPERATIONS[name], *table(dtype)) < TOLERANCES[dtype]


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_baseline_for_all_is_one_for_each(name):
    x, x0 = table(torch.float64)
    one, each = (compare(OPERATIONS[name], x, base).multipliers for base in (x0, x0.expand(4, 6)))
    assert torch.allclose(one, each, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", BY_HAND)
def test_norms_spreads_and_logsumexp_are_those_by_hand(name):
    x, x0 = table(torch.float64)
    x0 = x0.expand_as(x)
    found, wanted = (compare(one, x, x0, weights=1.0) for one in BY_HAND[name])
    assert found.unseen == []
    assert found.difference is None
    torch.testing.assert_close(found.change, wanted.change, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.multipliers, wanted.multipliers, rtol=1e-9, atol=1e-11)


def test_logsumexp_of_large_numbers_does_not_overflow():
    x, x0 = table(torch.float64)
    found, wanted = (compare(lambda x: x.logsumexp(1), x + shift, x0 + shift) for shift in (1000.0, 0.0))
    torch.testing.assert_close(found.multipliers, wanted.multipliers, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functional.linear(x, x.exp(), x[0, :1]),
        lambda x: functional.conv1d(x[:, None], x[:, None, :2].exp(), x[0, :1]),
    ],
)
def test_weights_from_the_input_are_factors(function):
    x, x0 = table(torch.float64)
    assert gap(function, x[:1], x0) < 1e-12


UNKNOWN = {
    "cumprod": lambda x: x.cumprod(1),
    "sort": lambda x: x.sort(1).values,
    "topk": lambda x: x.topk(2, 1).values,
    "prod": lambda x: x.prod(1),
    "linalg_svd": lambda x: torch.linalg.matrix_norm(x, 2),
    "linalg_vector_norm": lambda x: torch.linalg.vector_norm(x, 0, dim=1),
    "atan2": lambda x: torch.atan2(x, 1 + x),
    "floor": lambda x: x - (3 * x).floor(),
    "cdist": lambda x: torch.cdist(x[:, None], x[:, None] + 1),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_operations_without_a_rule_are_named(name):
    assert name in compare(UNKNOWN[name], *table(torch.float64)).unseen


HIDDEN = {
    "mul": lambda x: x * (x > 0.5),
    "where": lambda x: torch.where(x > 0.5, x, 0.0),
    "masked_fill": lambda x: x.masked_fill(x < 0.5, 0.0),
    "gather": lambda x: x.gather(1, x.argmax(dim=1, keepdim=True)),
    "rsub": lambda x: x.mean().item() - x,
    "div": lambda x: x / x.detach().norm(),
    "getitem": lambda x: x[:, int(x[0].argmax())],
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_depends_on_the_input_without_a_gradient_is_found(name):
    x, x0 = table(torch.float64)
    base = torch.full_like(x0, 0.3)
    base[0, 0] = 0.7
    found = compare(HIDDEN[name], x[1:2], base).difference
    assert (found.kind, found.name) == ("constants", name)


def test_branches_that_the_input_takes_are_found():
    def branch(x):
        return torch.sigmoid(x) if x.sum() > 3 else torch.tanh(x)

    x = torch.ones(1, 6)
    found = compare(branch, x, 0 * x).difference
    assert (found.kind, found.name) == ("operations", "sigmoid")
    longer = compare(lambda x: (x * 2).tanh() if x.sum() > 3 else x * 2, x, 0 * x).difference
    assert (longer.kind, longer.name) == ("operations", "tanh")


def rows_of(network, x, x0, unit, rule="rescale"):
    """Contributions of rows for one output."""
    if isinstance(network, nn.Module):
        network.requires_grad_(False)
    found = compare(lambda x: network(x)[:, unit], x, x0.expand_as(x), rule, weights=1.0)
    assert found.unseen == []
    assert found.difference is None
    return (found.multipliers * (x - x0)).numpy()


def inputs(*shape, seed=0):
    """Rows and a baseline with numbers of either sign."""
    random = torch.Generator().manual_seed(seed)
    return (torch.randn(n, *shape, generator=random, dtype=torch.float64) for n in (2, 1))


def encoder(norm_first):
    layer = nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", batch_first=True, norm_first=norm_first)
    return nn.Sequential(nn.Linear(3, 8), layer, nn.Flatten(), nn.Linear(32, 4))


NETWORKS = {
    "vgg": (lambda: vgg(size=8), (3, 8, 8)),
    "digits": (lambda: DigitCnn(size=8), (1, 8, 8)),
    "resnet": (lambda: ResNet((4, 6)), (3, 6, 6)),
    "attention on pixels": (Modules, (3, 6, 6)),
    "encoder, norm first": (lambda: encoder(True), (4, 3)),
    "encoder, norm last": (lambda: encoder(False), (4, 3)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_as_the_loops_over_units(name):
    make, shape = NETWORKS[name]
    network = seeded(make)
    x, x0 = inputs(*shape)
    # Not in the fused kernels, which take no function mode.
    expected, _ = contributions(layers_of(network), x.numpy(), x0.numpy(), 1)
    np.testing.assert_allclose(rows_of(network, x, x0, 1), expected, rtol=1e-8, atol=1e-10)


class Series(nn.Module):
    """A recurrent layer, and its last output through a linear layer."""

    def __init__(self, kind):
        super().__init__()
        self.recurrent = getattr(nn, kind)(3, 4, 2, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(8, 2)

    def forward(self, x):
        return self.linear(self.recurrent(x)[0][:, -1])


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_networks_are_as_the_loops_over_units(kind):
    from tests.reference.layers import Layer

    network = seeded(Series, kind)
    x, x0 = inputs(5, 3)
    layers = [*layers_of(network.recurrent), Layer("select", index=-1), *layers_of(network.linear)]
    expected, _ = contributions(layers, x.numpy(), x0.numpy(), 1)
    np.testing.assert_allclose(rows_of(network, x, x0, 1), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_spellings_are_the_same(rule):
    x, x0 = inputs(3, 8, 8)
    first, *others = [rows_of(network, x, x0, 2, rule) for network in spellings().values()]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-12)


def test_graphs_are_freed():
    network = seeded(ResNet, (4, 6), inplace=True).requires_grad_(False)
    x, x0 = inputs(3, 6, 6)
    for rule in ("rescale", "reveal_cancel"):
        seen = []

        def forward(x, seen=seen):
            inner = network.conv1(x)
            seen.append(weakref.ref(inner))
            return network(x)

        gc.disable()
        try:
            compare(forward, x, x0, rule)
            assert [one() for one in seen] == [None, None]
        finally:
            gc.enable()
