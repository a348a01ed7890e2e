"""Which operations hide gates or write where the graph does not see it, and which do not."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from agnostix.neural.gates import GateFinder  # noqa: E402
from tests.neural.networks import ResNet, seeded, spellings, vgg  # noqa: E402


def find(forward, shape=(2, 6)):
    """Names of gates, and of operations in place on views, of a function of random points."""
    points = torch.tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True)
    with GateFinder(points) as finder:
        forward(points * 1.0)
    return list(finder.gates), list(finder.in_place)


def muted(x):
    with torch.no_grad():
        return torch.sigmoid(x)


def zeroed_behind_the_graph(x):
    with torch.no_grad():
        x[x < 0] = 0.0
    return x


def mask_in_a_buffer(x):
    mask = torch.zeros(2, 6, dtype=x.dtype)
    mask[:, 2:] = (x[:, 2:] > 0).double()
    return x * mask


def part_of_a_buffer(x):
    """The other part of the memory does not depend on the input."""
    one, other = torch.ones(2, 12, dtype=x.dtype).unsafe_chunk(2, dim=1)
    return x * other + one.mul_(x).sigmoid_()


GATES = {
    "mask in a buffer": (mask_in_a_buffer, ["mul"]),
    "comparison": (lambda x: x * (x > 0), ["mul"]),
    "comparison of a view": (lambda x: x.view(2, 3, 2) * (x.view(2, 3, 2)[..., :1] > 0), ["mul"]),
    "detached": (lambda x: x * x.detach(), ["mul"]),
    "detached far off": (lambda x: x + (x.detach().exp().sum() * torch.ones(6)), ["add"]),
    "no_grad": (lambda x: x * muted(x), ["mul"]),
    "statistics that have no gradient": (
        lambda x: x * torch.native_layer_norm(x, (6,), None, None, 1e-5)[2],
        ["mul"],
    ),
    "argmax": (lambda x: x + nn.functional.one_hot(x.argmax(dim=1), 6), ["add"]),
    "select": (lambda x: x[x > 0], ["index"]),
    "straight through": (lambda x: x + (x.round() - x).detach(), ["add"]),
    "data": (lambda x: x.data.clamp_(min=0), ["clamp"]),
    "in place without gradients": (zeroed_behind_the_graph, ["index_put"]),
    "list of tensors": (lambda x: torch.cat([x, x.detach()]), ["cat"]),
    "two of them": (lambda x: torch.where(x > 0, x, 0.0 * x) * (x < 1), ["where", "mul"]),
}
NO_GATES = {
    "part of a buffer": part_of_a_buffer,
    "constant mask": lambda x: x * (torch.arange(6) > 2),
    "mask of the shape": lambda x: x * torch.ones_like(x).tril(),
    "new zeros": lambda x: torch.where(torch.arange(6) > 2, x, x.new_zeros(6)),
    "comparison alone": lambda x: (x > 0).sum(),
    "assertion": lambda x: x if bool(torch.isfinite(x).all()) else None,
    "dropout": lambda x: functional.dropout(x, 0.5, training=False),
    "max pool": lambda x: functional.max_pool1d(x[:, None], 2),
    "max": lambda x: x.max(dim=1).values,
    "detached and left": lambda x: (x.detach().mean(), x + 1)[1],
    "without gradients alone": lambda x: muted(x) * (x.detach() > 0),
    "positions": lambda x: x + torch.arange(x.shape[1]).double().sin(),
}


@pytest.mark.parametrize("name", GATES)
def test_gates_are_named(name):
    forward, expected = GATES[name]
    assert find(forward)[0] == expected


@pytest.mark.parametrize("name", NO_GATES)
def test_what_is_no_gate_is_not_named(name):
    assert find(NO_GATES[name]) == ([], [])


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (seeded(vgg), (2, 3, 16, 16)),
        (seeded(ResNet), (2, 3, 16, 16)),
        *((module, (2, 3, 16, 16)) for name, module in spellings().items() if name != "in place"),
        (seeded(nn.LSTM, 6, 3, num_layers=2, bidirectional=True), (2, 4, 6)),
        (seeded(nn.GRU, 6, 3), (2, 4, 6)),
        (seeded(nn.TransformerEncoderLayer, 6, 2, 8), (2, 4, 6)),
    ],
    ids=str,
)
def test_usual_networks_have_no_gates(module, shape):
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    assert find(module, shape) == ([], [])


def test_operations_in_place_on_views_are_named():
    def part(x):
        y = x * 1.0
        y[:, 2:].relu_()
        y[:, :2] = x[:, 2:4]
        y += x
        return y

    assert find(part) == ([], ["relu", "copy"])


def test_address_that_is_used_again_is_no_longer_of_the_input():
    def forward(x):
        for _ in range(50):
            gone = [x * 2.0, x.detach() * 2.0, x > 0]
            del gone
            x = x * torch.tensor(2.0) + torch.from_numpy(np.ones((2, 6))) + torch.ones(2, 6)
            mask = x.new_zeros(2, 6)
            mask[:, :3] = 1
            x = x.masked_fill(mask != 0, 0.0)
        return x

    assert find(forward)[0] == []


def test_results_are_equal_to_the_bit_and_their_graph_is_there():
    module = seeded(ResNet)
    points = torch.rand(2, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    expected = module(points)
    with GateFinder(points):
        scores = module(points)
    assert torch.equal(scores, expected)
    one, other = (torch.autograd.grad(outputs.sum(), points)[0] for outputs in (scores, expected))
    assert torch.equal(one, other)
