import re

import numpy as np
import pytest

from agnostix.exceptions import DataError
from agnostix.perturb import MaskBlock, SegmentMasker

RNG = np.random.default_rng(0)
LABELS = np.array([[4, 4, -1], [4, 9, 9]])
MASKS = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
"""Over the segments -1, 4 and 9."""
FORMS = {
    "grey": RNG.random((5, 2, 3)),
    "colour": RNG.random((5, 2, 3, 4)),
    "single": RNG.random((5, 2, 3)).astype(np.float32),
    "bytes": RNG.integers(0, 256, (5, 2, 3, 3)).astype(np.uint8),
}
forms = pytest.mark.parametrize("X", FORMS.values(), ids=FORMS)


def block_of(masker, masks=MASKS):
    return MaskBlock(slice(0, len(masks)), masks, tuple(masker.draws(masks)))


def by_hand(picture, mask, fill):
    """A picture pixel by pixel."""
    mixed, names = picture.copy(), [-1, 4, 9]
    for row, column in np.ndindex(LABELS.shape):
        if not mask[names.index(LABELS[row, column])]:
            mixed[row, column] = picture.mean(axis=(0, 1)) if fill == "mean" else fill
    return mixed


@forms
@pytest.mark.parametrize("fill", ["mean", 1])
def test_pictures_are_built_as_pixel_by_pixel(X, fill):
    masker, rows = SegmentMasker(LABELS, fill=fill), np.array([3, 0])
    builder, block = masker.builder(X, rows, 100), block_of(masker)
    whole = builder.build(block, slice(0, 8))
    assert (whole.dtype, whole.shape) == (X.dtype, (8, *X.shape[1:]))
    for cell in range(8):
        mask, row = divmod(cell, 2)
        np.testing.assert_array_equal(whole[cell], by_hand(X[rows[row]], MASKS[mask], fill))
    np.testing.assert_array_equal(builder.build(block, slice(3, 6)), whole[3:6])
    np.testing.assert_array_equal(builder.build(block, np.array([7, 0])), whole[[7, 0]])
    assert builder.distinct(block) is None


@forms
@pytest.mark.parametrize("fill", ["mean", 1])
def test_pieces_are_put_together_to_the_same(X, fill):
    masker = SegmentMasker(LABELS, fill=fill)
    piece = masker.compose(X, 2)
    built = masker.builder(X, np.array([2]), 100).build(block_of(masker), slice(0, 4))
    shown = MASKS[:, piece.labels].reshape(4, 2, 3, *[1] * (X.ndim - 3))
    assert piece.fill.shape == (1, *X.shape[1:])
    np.testing.assert_array_equal(np.where(shown, piece.x, piece.fill), built)


@forms
def test_segments_of_the_colour_do_not_vary(X):
    X = X.copy()
    X[0, 0, :2] = X[0, 1, 0] = X[1] = 1
    X[2, 0, 2] = 1
    X[3, 1, 1] = 1  # one of two pixels
    found = SegmentMasker(LABELS, fill=1).varying(X)
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 1, 1]]
    assert not SegmentMasker(LABELS).varying(X)[1].any()


def test_one_channel_that_differs_is_enough():
    X = np.zeros((1, 2, 3, 3))
    X[0, 0, 2, 1] = 0.5
    assert SegmentMasker(LABELS, fill=0).varying(X).tolist() == [[True, False, False]]


def test_what_the_engine_asks_of_it():
    masker, X = SegmentMasker(LABELS), FORMS["colour"]
    assert masker.players.names == ("segment -1", "segment 4", "segment 9")
    assert masker.weights.tolist() == [1.0]
    assert not masker.merges
    assert masker.width(X) == 24
    first, which = masker.distinct(np.concatenate([X, X]))
    assert first.tolist() == which.tolist() == list(range(10))
    for draw in masker.draws(MASKS):
        assert (draw.rows.tolist(), draw.weights.tolist(), draw.which.tolist()) == ([0], [1.0], [0])


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        ([0, 1], "int64 of shape (2,)"),
        ([[0.0, 1.0]], "float64 of shape (1, 2)"),
        ([[True, False]], "bool of shape (1, 2)"),
        (np.zeros((0, 3), dtype=int), "int64 of shape (0, 3)"),
        (np.zeros((1, 2, 3), dtype=int), "int64 of shape (1, 2, 3)"),
    ],
)
def test_labels_that_are_no_map_are_refused(labels, got):
    message = f"The 'labels' of SegmentMasker must be whole numbers of shape (height, width), got {got}."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        SegmentMasker(labels)


@pytest.mark.parametrize("fill", ["median", None, [0.0, 1.0], np.zeros(3), True])
def test_colours_that_are_none_are_refused(fill):
    message = f"The 'fill' of SegmentMasker must be 'mean' or a number, got {fill!r}."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        SegmentMasker(LABELS, fill=fill)


@pytest.mark.parametrize("fill", [-1, 256, 0.5, np.nan])
def test_colours_that_pictures_cannot_hold_are_refused(fill):
    message = f"The 'fill' of SegmentMasker is {fill!r}, which pictures of type uint8 cannot hold."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        SegmentMasker(LABELS, fill=fill).check(FORMS["bytes"])
    SegmentMasker(LABELS, fill=fill).check(FORMS["single"])


@pytest.mark.parametrize("fill", [0, 255, 7.0, np.float32(3), np.int64(4)])
def test_whole_numbers_of_any_make_are_colours(fill):
    SegmentMasker(LABELS, fill=fill).check(FORMS["bytes"])
    masked = SegmentMasker(LABELS, fill=fill).compose(FORMS["bytes"], 0).fill
    np.testing.assert_array_equal(masked, np.full((1, 2, 3, 3), int(fill), dtype=np.uint8))
