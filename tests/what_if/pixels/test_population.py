"""Pictures as rows: values kept, bytes where they do, an order that depends on the pictures alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.what_if.pixels.columns import PixelColumns, merges_levels
from agnostix.what_if.pixels.population import PixelTable, picture_keys
from agnostix.what_if.sample import standardize
from tests.what_if.pixels.doubles import digits, with_noise

KINDS = {
    "bytes": digits(),
    "truth values": digits() > 4,
    "counts": digits().astype(np.int64) * 1000,
    "shares": digits() / np.float32(8.0),
    "numbers": with_noise(digits()),
    "single precision": with_noise(digits()).astype(np.float32),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_keep_their_values(kind):
    pictures, order = KINDS[kind], np.random.default_rng(0).permutation(120)[:100]
    table = PixelTable.from_pictures(pictures, order)
    assert (table.n_rows, table.n_pixels, table.shape) == (100, 16, (4, 4))
    expected = pictures[order].reshape(100, -1).astype(float)
    np.testing.assert_array_equal(table.numbers(slice(3, 9)), expected[:, 3:9])
    rows = np.arange(100) % 3 == 0
    np.testing.assert_array_equal(table.numbers(slice(0, 16), rows), expected[rows])
    assert (table.levels is None) == (kind in ("numbers", "single precision"))


def test_few_levels_take_a_byte_each():
    table = PixelTable.from_pictures(digits() / 8.0, np.arange(120))
    assert table.pixels.dtype == np.uint8
    np.testing.assert_array_equal(table.levels, np.arange(9) / 8.0)


def test_levels_that_come_late_are_found():
    pictures = np.zeros((300, 16, 16), dtype=np.float64)  # the first 256 pictures are all that is tried
    pictures[-1] = np.arange(256.0).reshape(16, 16)
    table = PixelTable.from_pictures(pictures, np.arange(300))
    assert table.levels is not None
    assert table.levels.size == 256
    pictures[-2] = 0.5 + pictures[-1]
    table = PixelTable.from_pictures(pictures, np.arange(300))
    assert table.levels is None
    np.testing.assert_array_equal(table.pixels, pictures.reshape(300, -1))


@pytest.mark.parametrize(("size", "n_blocks"), [(1, 16), (5, 4), (16, 1), (40, 1)])
def test_blocks_cover_all_pixels(size, n_blocks):
    blocks = list(PixelTable.from_pictures(digits(), np.arange(120)).blocks(size))
    assert len(blocks) == n_blocks
    assert np.concatenate([np.arange(16)[block] for block in blocks]).tolist() == list(range(16))


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_of_pictures_alone(kind):
    pictures = KINDS[kind]
    turned = np.random.default_rng(1).permutation(120)
    np.testing.assert_array_equal(picture_keys(pictures[turned]), picture_keys(pictures)[turned])
    n_different = len(np.unique(pictures.reshape(120, -1), axis=0))
    assert len(np.unique(picture_keys(pictures))) == n_different


@given(st.integers(0, 119), st.integers(0, 15), st.integers(1, 255))
def test_key_changes_with_one_pixel(row, pixel, by):
    pictures = digits()
    changed = pictures.copy()
    changed.reshape(120, -1)[row, pixel] += np.uint8(by)
    differs = picture_keys(pictures) != picture_keys(changed)
    assert differs.sum() == 1
    assert differs[row]


@pytest.mark.parametrize("kind", ["bytes", "numbers"])
@pytest.mark.parametrize("rows", [None, np.arange(120) % 2 == 0])
def test_columns_are_standardized_as_single_ones(kind, rows):
    pictures = KINDS[kind]
    n = 120 if rows is None else 60
    base = np.random.default_rng(4).uniform(0.5, 1.5, n)
    base /= base.sum()
    table = PixelTable.from_pictures(pictures, np.arange(120))
    columns = PixelColumns.from_pixels(table, slice(0, 16), base, np.empty((n, 0)), rows)
    assert merges_levels(table, n) == (kind == "bytes")
    assert columns.places.tolist() == list(range(1, 16))  # the first is constant
    for k, place in enumerate(columns.places):
        x = pictures.reshape(120, -1)[:, place].astype(float)
        x = x if rows is None else x[rows]
        z, mean, scale = standardize(x, base)
        np.testing.assert_allclose(columns.averages[place], mean, rtol=1e-12)
        np.testing.assert_allclose(columns.scale[k], scale, rtol=1e-12)
        np.testing.assert_allclose(
            [one[k] for one in columns.distinct.extremes], [z.min(), z.max()], rtol=1e-10
        )
        np.testing.assert_allclose(columns.distinct.mean[k], 0.0, atol=1e-14)
    np.testing.assert_allclose(columns.from_z(np.zeros((15, 1)))[:, 0], columns.averages[1:], rtol=1e-12)
