"""Multipliers of single operations against closed forms."""

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from agnostix.neural.deep_lift import slopes  # noqa: E402

NUMBERS = st.floats(-3, 3, width=32)


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def rescaled(function, name, x, x0):
    x, x0 = tensor(x), tensor(x0)
    return float(slopes.rescale(function, name, x, function(x), x0, function(x0)))


@given(NUMBERS, NUMBERS)
def test_slope_times_difference_is_the_difference_of_the_output(x, x0):
    for name in ("relu", "tanh", "silu", "gelu", "hardswish", "elu", "abs", "exp", "square"):
        function = getattr(torch.nn.functional, name, None) or getattr(torch, name)
        missing = rescaled(function, name, x, x0) * (x - x0) - float(
            function(tensor(x)) - function(tensor(x0))
        )
        assert abs(missing) < 1e-11


@pytest.mark.parametrize("distance", [0.0, 1e-15, 1e-12, 1e-9, -1e-7, 1e-5, 1e-4])
def test_slope_near_the_baseline_is_the_derivative(distance):
    x0 = 0.7
    assert rescaled(torch.tanh, "tanh", x0 + distance, x0) == pytest.approx(
        float(1 - tensor(x0 + distance / 2).tanh() ** 2), abs=1e-9
    )
    assert rescaled(torch.log, "log", 1e-3 * (x0 + distance), 1e-3 * x0) == pytest.approx(
        1e3 / (x0 + distance / 2), rel=1e-8
    )


def test_slope_over_a_kink_is_no_derivative():
    assert rescaled(torch.relu, "relu", 1e-9, -3e-9) == pytest.approx(0.25)
    assert rescaled(torch.abs, "abs", 1e-9, -3e-9) == pytest.approx(-0.5)
    jumps = lambda x: torch.nn.functional.threshold(x, 0.0, -1.0)  # noqa: E731
    assert rescaled(jumps, "threshold", 1e-9, -1e-9) == pytest.approx(5e8)


def test_slope_where_the_derivative_is_infinite_is_0():
    assert rescaled(torch.sqrt, "sqrt", 0.0, 0.0) == 0.0


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_factors_have_their_shapley_values(a, b, a0, b0):
    of_a, of_b = slopes.multiply_back(
        torch.mul, tensor(1.0), (tensor(a), tensor(b)), (tensor(a0), tensor(b0))
    )
    first = ((a - a0) * b0 + (a - a0) * b) / 2
    second = ((b - b0) * a0 + (b - b0) * a) / 2
    assert float(of_a * (a - a0)) == pytest.approx(first, abs=1e-12)
    assert float(of_b * (b - b0)) == pytest.approx(second, abs=1e-12)


def test_quotient_is_a_product_with_the_reciprocal():
    of_a, of_b = slopes.divide_back(tensor(2.0), *(tensor(one) for one in (3.0, 1.0, 4.0, 5.0)))
    assert float(of_a) == pytest.approx(2 * (1 / 4 + 1 / 5) / 2)
    assert float(of_b) == pytest.approx(2 * (3 + 1) / 2 * (1 / 4 - 1 / 5) / (4 - 5))


def composed_softmax(gradient, x, x0):
    """The same by exp, a sum, a reciprocal and a product, with the rules of each."""
    highest = torch.maximum(x.max(), x0.max())
    e, e0 = (x - highest).exp(), (x0 - highest).exp()
    total, total0 = e.sum(), e0.sum()
    to_inverse = (gradient * (e + e0) / 2).sum()
    to_total = to_inverse * (1 / total - 1 / total0) / (total - total0)
    return (gradient * (1 / total + 1 / total0) / 2 + to_total) * (e - e0) / (x - x0)


def test_softmax_is_composed():
    random = torch.Generator().manual_seed(0)
    gradient, x, x0 = (torch.randn(5, generator=random, dtype=torch.float64) for _ in range(3))
    assert torch.allclose(
        slopes.softmax_back(gradient, x, x0, 0), composed_softmax(gradient, x, x0), rtol=1e-12
    )


def test_softmax_and_its_logarithm_have_their_gradients_at_the_baseline():
    random = torch.Generator().manual_seed(0)
    gradient, x = (torch.randn(2, 5, generator=random, dtype=torch.float64) for _ in range(2))
    x.requires_grad_()
    for back, function in (
        (slopes.softmax_back, torch.softmax),
        (slopes.log_softmax_back, torch.log_softmax),
    ):
        (expected,) = torch.autograd.grad(function(x, 1), x, gradient)
        for distance in (0.0, 1e-9):
            found = back(gradient, x.detach() + distance, x.detach(), 1)
            assert torch.allclose(found, expected, atol=1e-8)


def test_hidden_places_have_no_multiplier():
    x, x0 = tensor(1.0, -torch.inf, 2.0), tensor(0.5, -torch.inf, 0.1)
    found = slopes.softmax_back(tensor(1.0, 2.0, 3.0), x, x0, 0)
    shown = slopes.softmax_back(tensor(1.0, 3.0), x[::2], x0[::2], 0)
    assert found[1] == 0
    assert torch.allclose(found[::2], shown)


def at_most(x, x0, winner, winner0):
    places = (torch.tensor([one]) for one in (winner, winner0))
    return slopes.maximum_back(tensor(1.0), tensor(*x), tensor(*x0), *places).tolist()


def test_maximum_is_divided_between_both_winners():
    assert at_most((3.0, 1.0), (1.0, 0.0), 0, 0) == [1.0, 0.0]
    # 3 - 2: all of the increase is the first's, over its own difference of 3.
    assert at_most((3.0, 1.0), (0.0, 2.0), 0, 1) == pytest.approx([1 / 3, 0.0])
    # 1 - 2: all of the decrease is that of the second.
    assert at_most((1.0, 0.5), (0.0, 2.0), 0, 1) == pytest.approx([0.0, -1 / -1.5])
    assert at_most((2.0, 1.0), (2.0, 1.5), 0, 0) == [1.0, 0.0]
    assert at_most((2.0, 1.0), (1.0, 2.0), 0, 1) == [0.0, 0.0]
