"""Reveal-cancel against loops over units, closed forms, and spellings of the same network."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.neural.as_layers import layers_of  # noqa: E402
from tests.neural.deep_lift.passes import compare, gap  # noqa: E402
from tests.neural.deep_lift.test_multipliers import inputs, rows_of  # noqa: E402
from tests.neural.networks import seeded  # noqa: E402
from tests.reference.deep_lift import contributions  # noqa: E402


def mlp(activation=nn.ReLU):
    return nn.Sequential(nn.Linear(5, 8), activation(), nn.Linear(8, 6), activation(), nn.Linear(6, 3))


def convolutional(activation=nn.ReLU):
    ends = [nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 3)]
    return nn.Sequential(
        nn.Conv2d(2, 4, 2), activation(), nn.Conv2d(4, 3, 2, padding=1), activation(), *ends[:1], *ends[1:]
    )


CASES = {
    "mlp": (mlp, (5,)),
    "smooth mlp": (lambda: mlp(nn.GELU), (5,)),
    "convolutional": (convolutional, (2, 4, 4)),
}


@pytest.mark.parametrize("name", CASES)
def test_networks_are_as_the_loops_over_units(name):
    make, shape = CASES[name]
    network = seeded(make)
    x, x0 = inputs(*shape)
    expected, _ = contributions(layers_of(network), x.numpy(), x0.numpy(), 1, rule="reveal_cancel")
    found = rows_of(network, x, x0, 1, "reveal_cancel")
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-11)
    assert np.abs(found - rows_of(network, x, x0, 1)).max() > 1e-3


def smallest(x):
    return x[:, :1] - torch.relu(x @ torch.tensor([[1.0], [-1.0]], dtype=x.dtype))


@pytest.mark.parametrize("x", [(3.0, 1.0), (1.0, 2.0), (2.0, 2.0)])
def test_minimum_is_divided_in_half(x):
    x = torch.tensor([x], dtype=torch.float64)
    found = compare(smallest, x, 0 * x, "reveal_cancel", weights=1.0).multipliers * x
    assert found[0].tolist() == pytest.approx([float(x.min()) / 2] * 2)


def parts_by_hand(x, x0, first, second, scale):
    """Contributions through relu(scale (first x + second x)), by sums over positive and negative products."""
    products = (first + second) * scale[:, None] * (x - x0)
    z0 = (first + second) @ x0 * scale
    p, n = products.clamp(min=0).sum(1), products.clamp(max=0).sum(1)
    relu = torch.relu
    of_p = (relu(z0 + p) - relu(z0) + relu(z0 + n + p) - relu(z0 + n)) / 2
    of_n = (relu(z0 + n) - relu(z0) + relu(z0 + n + p) - relu(z0 + p)) / 2
    ratios = torch.where(products > 0, (of_p / p)[:, None], (of_n / n)[:, None])
    return (ratios * products).sum(0)


def test_batch_norm_is_part_of_the_linear_operation_before_it():
    network = seeded(lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU()))
    merged = seeded(lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU()))
    norm = network[1]
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    with torch.no_grad():
        merged[0].weight.copy_(network[0].weight * scale[:, None])
        merged[0].bias.copy_((network[0].bias - norm.running_mean) * scale + norm.bias)
    x, x0 = inputs(4)
    one, other = (rows_of(net, x, x0, 2, "reveal_cancel") for net in (network, merged))
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_sums_of_linear_operations_are_one():
    random = torch.Generator().manual_seed(3)
    first, second = (torch.randn(3, 4, generator=random, dtype=torch.float64) for _ in range(2))
    x, x0 = inputs(4)
    joined = lambda x: torch.relu(torch.cat([x, x], 1) @ torch.cat([first, second], 1).T)  # noqa: E731
    apart = lambda x: torch.relu(x @ first.T + 0.0 + x @ second.T)  # noqa: E731
    less = lambda x: torch.relu((x @ first.T).sub_(x @ -second.T))  # noqa: E731
    found = [rows_of(f, x, x0, 1, "reveal_cancel") for f in (joined, apart, less)]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-10)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-10)


def test_other_operands_of_a_sum_have_weight_1():
    weight = torch.tensor([[1.0, -2.0], [0.5, 1.0]], dtype=torch.float64)
    x, x0 = inputs(2)
    shortcut = lambda x: torch.relu(x + x @ weight.T)  # noqa: E731
    joined = lambda x: torch.relu(torch.cat([x, x], 1) @ torch.cat([torch.eye(2).double(), weight], 1).T)  # noqa: E731
    np.testing.assert_allclose(
        rows_of(shortcut, x, x0, 0, "reveal_cancel"), rows_of(joined, x, x0, 0, "reveal_cancel"), rtol=1e-10
    )


def test_one_linear_operation_is_the_sum_over_its_products():
    random = torch.Generator().manual_seed(5)
    weight = torch.randn(3, 4, generator=random, dtype=torch.float64)
    x, x0 = inputs(4)
    found = compare(lambda x: torch.relu(x @ weight.T), x, x0, "reveal_cancel", weights=1.0)
    ones = torch.ones(3, dtype=torch.float64)
    for row in range(2):
        expected = parts_by_hand(x[row], x0[0], weight, 0 * weight, ones)
        np.testing.assert_allclose((found.multipliers * (x - x0))[row], expected, rtol=1e-10)


def test_elsewhere_it_is_rescale():
    x, x0 = inputs(4)
    for function in (torch.relu, lambda x: torch.relu(torch.tanh(x)), lambda x: (x * x.exp()).tanh()):
        one, other = (compare(function, x, x0, rule).multipliers for rule in ("rescale", "reveal_cancel"))
        assert torch.equal(one, other)


def test_input_that_was_written_over_is_no_source():
    weight = torch.eye(4, dtype=torch.float64) - 0.5

    def network(x):
        x = x * 1.0
        y = x @ weight
        x.mul_(2.0)
        return torch.relu(y) * x

    x, x0 = inputs(4)
    assert gap(network, x, x0, "reveal_cancel") < 1e-12
