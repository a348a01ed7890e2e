"""All masks of a few features."""

import numpy as np
import pytest

from agnostix.core.masking.masker import all_masks
from tests.messages import refuses


@pytest.mark.parametrize("d", [1, 2, 5])
def test_all_masks_are_binary_digits(d):
    masks = all_masks(d)
    assert masks.dtype == bool
    expected = [[(j >> i) % 2 == 1 for i in range(d)] for j in range(2**d)]
    np.testing.assert_array_equal(masks, expected)
    np.testing.assert_array_equal(masks[::-1], ~masks)


@pytest.mark.parametrize("d", [0, 21])
def test_all_masks_refuses_too_many_features(d):
    with refuses(ValueError, "n_features between 1 and 20", f"got {d}", "sample"):
        all_masks(d)
