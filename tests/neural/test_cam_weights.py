"""The formulas of class activation maps, against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from agnostix.neural import cam_weights  # noqa: E402
from agnostix.neural.cam_weights import CAMS  # noqa: E402
from tests.reference import cam as reference  # noqa: E402


def random_maps(seed, shape=(5, 3, 4)):
    """Maps with zeros as after ReLU, one of them dead, and gradients of both signs with some zeros."""
    random = np.random.default_rng(seed)
    maps, gradients = np.maximum(random.normal(size=shape), 0), random.normal(size=shape)
    maps[1], gradients[2], gradients[0, 0] = 0.0, 0.0, 0.0
    return maps, gradients


def by_loops(method, maps, gradients):
    if method in ("hires_cam", "layer_cam"):
        slopes = gradients if method == "hires_cam" else np.maximum(gradients, 0)
        return (slopes * maps).sum(axis=0)
    return np.tensordot(reference.weights(method, maps, gradients), maps, axes=1)


@pytest.mark.parametrize("method", CAMS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_gradient_cams_equal_loops(method, seed):
    maps, gradients = random_maps(seed)
    others = -gradients[::-1]
    tensors = torch.as_tensor(maps)[None], torch.as_tensor(np.stack([gradients, others]))[None]
    actual = CAMS[method](*tensors)[0]
    for k, slopes in enumerate((gradients, others)):
        np.testing.assert_allclose(actual[k], by_loops(method, maps, slopes), atol=1e-12)


@pytest.mark.parametrize("method", CAMS)
def test_dead_channels_have_no_part(method):
    maps, gradients = random_maps(0)
    alive = [0, 2, 3, 4]
    whole, part = (
        CAMS[method](torch.as_tensor(maps[some])[None], torch.as_tensor(gradients[some])[None, None])
        for some in (slice(None), alive)
    )
    assert torch.isfinite(whole).all()
    torch.testing.assert_close(whole, part, atol=1e-14, rtol=0)


@pytest.mark.parametrize("method", CAMS)
def test_zero_maps_and_gradients_give_zeros(method):
    zeros = torch.zeros(2, 4, 3, 3)
    ones = torch.ones(2, 4, 3, 3)
    for maps, gradients in ((zeros, ones), (ones, zeros), (zeros, zeros)):
        assert (CAMS[method](maps, gradients[:, None]) == 0).all()


def test_grad_cam_pp_of_small_gradients_is_grad_cam_without_negative_ones():
    """Alpha is 1/2 where the gradient times the sum of the map is small; its powers would be 0."""
    maps, gradients = torch.ones(1, 2, 2, 2), torch.full((1, 1, 2, 2, 2), 1e-30)
    expected = cam_weights.cam(maps, gradients) / 2
    torch.testing.assert_close(cam_weights.grad_cam_pp(maps, gradients), expected)
    assert (cam_weights.grad_cam_pp(maps, -gradients) == 0).all()


@pytest.mark.parametrize("shape", [(3, 3), (7, 5), (2, 9), (1, 4), (4, 1)])
def test_resize_equals_loops_and_torch(shape):
    maps = np.random.default_rng(0).normal(size=(2, 4, 3))
    actual = cam_weights.resize(torch.as_tensor(maps), shape)
    np.testing.assert_allclose(actual, [reference.enlarge(one, shape) for one in maps], atol=1e-12)
    if min(shape) >= 3:  # torch's shrinks by the same formula
        theirs = torch.nn.functional.interpolate(torch.as_tensor(maps)[None], shape, mode="bilinear")
        torch.testing.assert_close(actual, theirs[0])


def test_resize_of_series():
    maps = torch.as_tensor(np.random.default_rng(0).normal(size=(2, 5)))
    theirs = torch.nn.functional.interpolate(maps[None], 13, mode="linear")[0]
    torch.testing.assert_close(cam_weights.resize(maps, (13,)), theirs)


def test_ablation_of_score_that_is_not_positive():
    """Without the channel the score falls by 1: its weight is positive whatever the score's sign."""
    maps = torch.ones(1, 1, 2, 2)
    drops, scores = torch.ones(1, 3, 1), torch.tensor([[2.0, -2.0, 0.0]])
    assert cam_weights.ablation_cam(maps, drops, scores)[0, :, 0, 0].tolist() == [0.5, 0.5, 1.0]


def test_min_max_of_constant_map_is_zero():
    scaled = cam_weights.min_max(torch.stack([torch.full((2, 2), 3.0), torch.arange(4.0).reshape(2, 2)]))
    assert scaled[0].max() == 0
    assert scaled[1].flatten().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_is_pooled():
    even = torch.ones(1, 1, 3, 2, 2) * torch.arange(3.0)[:, None, None]
    assert cam_weights.is_pooled(even)
    even[0, 0, 1, 0, 0] *= 1.001
    assert not cam_weights.is_pooled(even)
