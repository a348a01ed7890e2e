"""All masks of a few features."""

import numpy as np
import pytest

from agnostix.core.masking import Background
from agnostix.core.masking.masker import all_masks
from agnostix.exceptions import DataError
from tests.core.tables import FORMS, forms
from tests.messages import refuses

TABLE = np.arange(40.0).reshape(20, 2)


WEIGHTS = np.arange(20.0)


@forms
def test_background_whole_is_all_rows(make):
    background = Background.whole(make(TABLE), None)
    assert type(background.rows) is type(make(TABLE))
    np.testing.assert_array_equal(np.asarray(background.rows), TABLE)
    np.testing.assert_array_equal(background.weights, np.full(20, 0.05))
    assert not background.is_sample


@forms
def test_background_drawn_without_replacement(make):
    background = Background.sample(make(TABLE), 7, 3, WEIGHTS + 1.0)
    rows = np.asarray(background.rows)
    places = (rows[:, 0] / 2).astype(int)
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(rows, TABLE[places])
    np.testing.assert_allclose(background.weights, (places + 1.0) / (places + 1.0).sum(), rtol=1e-14)
    assert background.is_sample
    again = Background.sample(make(TABLE), 7, 3, None)
    np.testing.assert_array_equal(np.asarray(again.rows), rows)
    other = Background.sample(make(TABLE), 7, 4, None)
    assert not np.array_equal(np.asarray(other.rows), rows)


def test_background_drawn_is_uniform():
    counts = np.zeros(20)
    for seed in range(400):
        counts[(Background.sample(TABLE, 5, seed, None).rows[:, 0] / 2).astype(int)] += 1
    assert counts.min() > 100 - 4 * np.sqrt(75)
    assert counts.max() < 100 + 4 * np.sqrt(75)


@pytest.mark.parametrize("size", [20, 1000])
def test_background_drawn_all_rows_is_sample(size):
    background = Background.sample(TABLE, size, 0, None)
    np.testing.assert_array_equal(background.rows, TABLE)
    assert background.is_sample


@pytest.mark.parametrize("how", ["whole", "drawn"])
def test_background_leaves_out_zero_weight_rows(how):
    weight = np.where(np.arange(20) % 2, 2.0, 0.0)
    background = (
        Background.whole(TABLE, weight) if how == "whole" else Background.sample(TABLE, 20, 0, weight)
    )
    np.testing.assert_array_equal(background.rows, TABLE[1::2])
    np.testing.assert_array_equal(background.weights, np.full(10, 0.1))


def test_background_resets_index():
    frame = FORMS["pandas"](TABLE)
    assert list(Background.whole(frame, None).rows.index) == list(range(20))
    assert list(Background.sample(frame, 4, 0, None).rows.index) == list(range(4))
    assert frame.index[0] == 100


@pytest.mark.parametrize(
    "weight", [np.ones(3), np.r_[np.nan, np.ones(19)], np.r_[-1.0, np.ones(19)], np.r_[np.inf, np.ones(19)]]
)
def test_background_refuses_bad_sample_weight(weight):
    for make in (lambda: Background.whole(TABLE, weight), lambda: Background.sample(TABLE, 5, 0, weight)):
        with refuses(DataError, "sample_weight", "finite", "0 or more", "20 rows"):
            make()


def test_background_refuses_all_zero_weights():
    for make in (
        lambda: Background.whole(TABLE, np.zeros(20)),
        lambda: Background.sample(TABLE, 5, 0, np.zeros(20)),
    ):
        with refuses(DataError, "sample_weight", "zero for all of the 20 rows"):
            make()


def test_background_drawn_refuses_zero_weight_sample():
    (place,) = (Background.sample(TABLE, 1, 0, None).rows[:, 0] / 2).astype(int)
    with refuses(DataError, "background", "zero weight", "Raise background_size"):
        Background.sample(TABLE, 1, 0, (np.arange(20) != place).astype(float))


@pytest.mark.parametrize(
    ("dtype", "fill", "expected"),
    [
        ("float32", [0, 1.5], "float32"),
        ("float64", [0, None], "float64"),
        ("int32", [0, 7.0], "int32"),
        ("int32", [0, 0.5], "float64"),
        ("int32", [0, np.nan], "float64"),
        ("uint8", [0, 300], "int64"),
        ("bool", [True, False], "bool"),
        ("object", [None, "a"], "object"),
        ("<U1", ["a", "bc"], "<U2"),
    ],
)
def test_background_constant_keeps_dtype_if_it_fits(dtype, fill, expected):
    row = Background.constant(fill, np.zeros((3, 2)).astype(dtype), "Owner").rows
    assert (row.shape, row.dtype) == ((1, 2), np.dtype(expected))
    assert [value if value == value else None for value in row[0].tolist()] == [
        value if value == value else None for value in fill
    ]


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool"])
def test_background_constant_refuses_text_fill(dtype):
    with refuses(DataError, "'fill' parameter of Owner", "numbers", f"type {dtype}", "got ['a', 0]"):
        Background.constant(["a", 0], np.zeros((3, 2)).astype(dtype), "Owner")


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
