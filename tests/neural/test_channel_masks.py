"""Images under their own feature maps."""

import numpy as np
import pytest
from scipy.special import softmax

from agnostix.core.evaluate import evaluate
from agnostix.core.models import as_predictor
from agnostix.neural.channel_masks import ChannelMaskRows, linear_weights, stretched, weigh_channels
from tests.reference import cam as reference

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((2, 9, 7))
MAPS = [RANDOM.random((5, 3, 4)), RANDOM.random((4, 3, 4))]


@pytest.mark.parametrize("length", [1, 3, 4, 9])
def test_weights_interpolate(length):
    values = RANDOM.random(4)
    expected = reference.enlarge(values[None], (1, length))[0]
    np.testing.assert_allclose(linear_weights(4, length) @ values, expected)


def test_masks_go_from_0_to_1_once_enlarged():
    source = ChannelMaskRows(MAPS, IMAGES, np.zeros((1, 1, 1)))
    masks = source.batch(0, slice(1, 4)).to_array()
    assert masks.shape == (3, 9, 7)
    np.testing.assert_allclose(masks.min(axis=(1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(masks.max(axis=(1, 2)), 1)
    large = reference.enlarge(MAPS[0][2], (9, 7))
    np.testing.assert_allclose(masks[1], (large - large.min()) / np.ptp(large))


def test_constant_map_hides_all():
    weights = linear_weights(3, 9), linear_weights(4, 7)
    assert (stretched(np.full((2, 3, 4), 5.0), *weights) == 0).all()


def test_weights_are_softmax_of_predictions():
    def model(X):
        return np.stack([X.mean((1, 2)), X[:, 0].mean(1)], axis=1)

    source = ChannelMaskRows(MAPS, IMAGES, np.full((1, 1, 1), 0.25))
    outputs = np.array([[1], [0]])
    weights, n_rows = evaluate(as_predictor(model), source, weigh_channels(outputs), n_outputs=2, verbose=0)
    assert n_rows == 9
    for item, column in ((0, 1), (1, 0)):
        masks = source.batch(item, slice(0, len(MAPS[item]))).to_array()
        composed = 0.25 + masks * (IMAGES[item] - 0.25)
        np.testing.assert_allclose(weights[item][0], softmax(model(composed)[:, column]))
    assert source.describe(1, slice(2, 4)) == "row 1 under feature maps 2 to 3"
