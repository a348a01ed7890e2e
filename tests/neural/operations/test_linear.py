"""Maps and transposes of linear operations with derived weights, against torch's own derivative."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from agnostix.neural.operations.derived import negative, positive, size  # noqa: E402
from agnostix.neural.operations.kept import KeptValues  # noqa: E402
from agnostix.neural.operations.linear import read_linear  # noqa: E402
from agnostix.neural.operations.mode import Operation  # noqa: E402

CASES = {
    "linear": ((2, 4), (3, 4), functional.linear, {}),
    "linear, several axes": ((2, 5, 4), (3, 4), functional.linear, {}),
    "conv1d": ((2, 4, 9), (3, 4, 3), functional.conv1d, {"stride": 2, "padding": 1}),
    "conv2d": ((2, 4, 7, 6), (3, 4, 3, 2), functional.conv2d, {"stride": (2, 1), "padding": (1, 0)}),
    "conv2d, dilated, grouped": ((2, 4, 9, 9), (6, 2, 3, 3), functional.conv2d, {"dilation": 2, "groups": 2}),
    "conv2d, padding by name": ((2, 4, 7, 7), (3, 4, 3, 3), functional.conv2d, {"padding": "same"}),
    "conv2d, one image": ((4, 7, 7), (3, 4, 3, 3), functional.conv2d, {}),
    "conv3d": ((1, 2, 4, 5, 6), (3, 2, 2, 2, 2), functional.conv3d, {"stride": (1,)}),
    "conv_transpose2d": ((2, 4, 5, 5), (4, 3, 3, 3), functional.conv_transpose2d, {"stride": 2}),
}


def operation_of(shape, weight_shape, function, params, layout=torch.contiguous_format):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if x.ndim == 4:
        x = x.contiguous(memory_format=layout)
    weight = torch.nn.Parameter(torch.randn(weight_shape, generator=generator, dtype=torch.float64))
    weight.requires_grad_(False)
    call = Operation(function.__name__, function, (x.requires_grad_(), weight), params)
    linear = read_linear(call, KeptValues())
    linear.run(lambda x: function(x, weight, None, **params))
    return linear, x, weight, lambda x, w: function(x, w, None, **params)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
@pytest.mark.parametrize("name", CASES)
def test_transposes_equal_derivatives_of_torch(name, layout):
    linear, x, weight, multiply = operation_of(*CASES[name], layout=layout)
    gradient = torch.randn_like(linear.output.value)
    for derivation, own in ((positive, weight.clamp(min=0)), (negative, weight.clamp(max=0))):
        (wanted,) = torch.autograd.grad(multiply(x, own), x, gradient)
        torch.testing.assert_close(linear.transpose_derived(derivation, gradient), wanted, check_stride=False)
    torch.testing.assert_close(linear.multiply_constant(x, size), multiply(x, weight.abs()).detach())
    assert torch.equal(linear.weight, weight)


@pytest.mark.parametrize("name", CASES)
def test_products_of_one_sign(name):
    linear, x, weight, multiply = operation_of(*CASES[name])
    up = multiply(x.clamp(min=0), weight.clamp(min=0)) + multiply(x.clamp(max=0), weight.clamp(max=0))
    torch.testing.assert_close(linear.split_products(True), up)
    torch.testing.assert_close(linear.split_products(True) + linear.split_products(False), linear.products)
    torch.testing.assert_close(linear.magnitudes, multiply(x.abs(), weight.abs()))
