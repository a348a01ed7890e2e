"""Outputs of layers as maps."""

import pytest

torch = pytest.importorskip("torch")

from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural.token_grid import channel_axis, find_grid, to_maps  # noqa: E402
from tests.messages import refuses  # noqa: E402


def test_maps_stay_as_they_are():
    images, series = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 6)
    assert to_maps(images, 2, None, "conv") is images
    assert to_maps(series, 1, None, "conv") is series


@pytest.mark.parametrize("n_before", [0, 1])
def test_tokens_go_on_square_with_class_token_apart(n_before):
    tokens = torch.arange(2 * (9 + n_before) * 2.0).reshape(2, 9 + n_before, 2)
    maps = to_maps(tokens, 2, None, "block")
    assert maps.shape == (2, 2, 3, 3)
    assert torch.equal(maps[1, 1, 2, 0], tokens[1, n_before + 6, 1])


def test_grid_of_registers_and_oblong_images():
    tokens = torch.rand(1, 4 + 6, 2)
    maps = to_maps(tokens, 2, (2, 3), "block")
    assert torch.equal(maps[0, :, 1, 2], tokens[0, -1])
    assert torch.equal(maps[0, :, 0, 0], tokens[0, 4])


def test_function_makes_maps():
    windows = torch.rand(2, 4, 5, 3)
    assert to_maps(windows, 2, lambda out: out.permute(0, 3, 1, 2), "swin").shape == (2, 3, 4, 5)
    with refuses(DataError, "token_grid", "(2, 3)", "swin"):
        to_maps(windows, 2, lambda out: out[:, 0, 0], "swin")
    with refuses(DataError, "NoneType"):
        to_maps(windows, 2, lambda out: None, "swin")


def test_tokens_that_are_no_grid():
    with refuses(DataError, "12 tokens", "token_grid=(height, width)", "block"):
        find_grid(12, None, "block")
    with refuses(DataError, "(5, 5)", "25 places", "12 tokens"):
        find_grid(12, (5, 5), "block")
    with refuses(DataError, "1 tokens"):
        find_grid(1, None, "block")


@pytest.mark.parametrize(("shape", "n_axes"), [((2, 7), 2), ((2, 7, 1, 1), 2), ((2, 7), 1), ((2, 7, 1), 1)])
def test_layer_without_height(shape, n_axes):
    with refuses(DataError, "Layer pool", str(shape), "token_grid"):
        to_maps(torch.rand(shape), n_axes, None, "pool")


def test_channel_axis():
    assert channel_axis(4, 2, None) == 1
    assert channel_axis(3, 1, None) == 1
    assert channel_axis(3, 2, (2, 3)) == 2
    assert channel_axis(4, 2, lambda out: out) is None
