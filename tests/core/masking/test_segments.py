import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agnostix.core.evaluate import MeanAndVariance, evaluate
from agnostix.core.masking import MaskBlock, SegmentMasker
from agnostix.core.masking.fills import noise_fills
from agnostix.core.models import as_predictor
from agnostix.core.row_sources import MaskedRowSource
from agnostix.exceptions import DataError
from tests.messages import refuses

RNG = np.random.default_rng(0)
LABELS = np.array([[4, 4, -1], [4, 9, 9]])
MASKS = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
"""Over the segments -1, 4 and 9."""
FORMS = {
    "gray": RNG.random((5, 2, 3)),
    "color": RNG.random((5, 2, 3, 4)),
    "single": RNG.random((5, 2, 3)).astype(np.float32),
    "bytes": RNG.integers(0, 256, (5, 2, 3, 3)).astype(np.uint8),
    "switches": RNG.random((5, 2, 3)) < 0.5,
}
FILLS = ["mean", "segment_mean", "blur", 1]
forms = pytest.mark.parametrize("X", FORMS.values(), ids=FORMS)
fills = pytest.mark.parametrize("fill", FILLS)


def halves(picture):
    """A segment for each shade that is brighter than the one before it, from a picture alone."""
    gray = picture.reshape(*picture.shape[:2], -1)[..., 0].astype(float)
    return np.searchsorted(np.quantile(gray, [0.3, 0.6]), gray) * 7


def block_of(masker, masks=MASKS):
    return MaskBlock(slice(0, len(masks)), masks, tuple(masker.draws(masks)))


def built(masker, X, masks=MASKS):
    """Every picture under every mask, mask by mask."""
    rows = masker.read(X)
    builder = rows.builder(np.arange(len(rows)), 0)
    return builder.build(block_of(masker, masks), slice(0, len(masks) * len(rows)))


def smoothed(channel, sigma):
    """A Gaussian blur, sum by sum, beyond the edges mirrored; truncated where scipy's is."""
    reach = int(4.0 * sigma + 0.5)
    steps = range(-reach, reach + 1)
    weights = np.exp(-0.5 * (np.array(steps) / sigma) ** 2)
    weights /= weights.sum()
    for _ in range(2):
        n = len(channel)
        mirror = [*range(n), *range(n - 1, -1, -1)]
        channel = sum(
            weight * channel[[mirror[(j + step) % (2 * n)] for j in range(n)]]
            for weight, step in zip(weights, steps, strict=True)
        ).T
    return channel


def stand_in(picture, labels, place, fill):
    """What a pixel gets, channel by channel, as numbers with decimals."""
    picture = picture.astype(float)
    if fill == "mean":
        return picture.mean(axis=(0, 1))
    if fill == "segment_mean":
        return picture[labels == labels[place]].mean(axis=0)
    if fill == "blur":
        channels = picture.reshape(*picture.shape[:2], -1)
        blurred = np.stack([smoothed(channel, 0.8) for channel in np.moveaxis(channels, 2, 0)], axis=2)
        return blurred.reshape(picture.shape)[place]
    return np.asarray(fill, dtype=float)


def by_hand(picture, labels, mask, fill):
    """A picture pixel by pixel."""
    mixed, names = picture.copy(), np.unique(labels).tolist()
    for place in np.ndindex(labels.shape):
        if not mask[names.index(labels[place])]:
            color = stand_in(picture, labels, place, fill)
            mixed[place] = color if picture.dtype.kind == "f" else np.rint(color)
    return mixed


def check_built(whole, X, maps, masks, fill):
    assert (whole.dtype, whole.shape) == (X.dtype, (len(masks) * len(X), *X.shape[1:]))
    rtol = {"float64": 1e-13, "float32": 1e-6}.get(str(X.dtype), 0.0)
    for cell, picture in enumerate(whole):
        mask, row = divmod(cell, len(X))
        expected = by_hand(X[row], maps[row], masks[mask], fill)
        np.testing.assert_allclose(picture.astype(float), expected.astype(float), rtol=rtol)


@forms
@fills
def test_builder_matches_loops_over_pixels(X, fill):
    masker = SegmentMasker(LABELS, fill=fill, sigma=0.8)
    whole = built(masker, X)
    check_built(whole, X, [LABELS] * 5, MASKS, fill)
    builder, block = masker.read(X).builder(np.array([3, 0]), 100), block_of(masker)
    some = builder.build(block, slice(0, 8))
    np.testing.assert_array_equal(some, whole.reshape(4, 5, *X.shape[1:])[:, [3, 0]].reshape(some.shape))
    np.testing.assert_array_equal(builder.build(block, slice(3, 6)), some[3:6])
    np.testing.assert_array_equal(builder.build(block, np.array([7, 0])), some[[7, 0]])
    assert builder.distinct(block) is None


@pytest.mark.parametrize("X", [FORMS["gray"], FORMS["bytes"]])
@fills
def test_read_segments_and_fills_each_image_alone(X, fill):
    masker = SegmentMasker(halves, fill=fill, sigma=0.8)
    rows = masker.read(X)
    maps = [halves(picture) for picture in X]
    check_built(built(masker, X), X, maps, MASKS, fill)
    for i in range(5):
        np.testing.assert_array_equal(rows.labels[i], maps[i] // 7)
        alone = masker.read(X[[i]])
        np.testing.assert_array_equal(alone.labels[0], rows.labels[i])
        np.testing.assert_array_equal(alone.fill, rows[[i]].fill)


@forms
@fills
@pytest.mark.parametrize("segments", [LABELS, halves], ids=["one map", "own maps"])
def test_compose_matches_builder(X, fill, segments):
    masker = SegmentMasker(segments, fill=fill)
    rows = masker.read(X)
    piece = rows.compose(np.array([2, 0]))
    masks = MASKS[:, : rows.labels.max() + 1]
    whole = rows.builder(np.array([2]), 100).build(block_of(masker, masks), slice(0, 4))
    shown = masks[:, piece.labels[0]].reshape(4, 2, 3, *[1] * (X.ndim - 3))
    assert piece.fill.shape[1:] == (1, *X.shape[1:])
    np.testing.assert_array_equal(piece.x, X[[2, 0]])
    np.testing.assert_array_equal(np.where(shown, piece.x[0], piece.fill[0]), whole)


PICTURES = st.sampled_from([np.uint8, np.float64, np.int16]).flatmap(
    lambda dtype: arrays(
        dtype,
        st.tuples(*[st.integers(1, 4)] * 3),
        elements=st.integers(0, 100) if dtype != np.float64 else st.floats(-1e3, 1e3),
    )
)


@given(X=PICTURES, fill=st.sampled_from(FILLS), n=st.integers(1, 20), data=st.data())
def test_read_present_and_varying_of_any_images(X, fill, n, data):
    masker = SegmentMasker("grid", fill=fill, n_segments=n, sigma=1.5)
    rows = masker.read(X)
    present = rows.present
    assert present.all()
    n_players = len(rows.features.names)
    assert (np.unique(rows.labels) == np.arange(n_players)).all()
    masks = data.draw(arrays(bool, (3, n_players)))
    masks[0] = True
    whole = built(masker, X, masks).reshape(3, *X.shape)
    np.testing.assert_array_equal(whole[0], X)
    shown = masks[:, np.broadcast_to(rows.labels, X.shape)]
    np.testing.assert_array_equal(whole[shown], np.broadcast_to(X, whole.shape)[shown])
    least, most = X.astype(float).min(), X.astype(float).max()
    if fill != 1:  # a mean is never beyond what it is the mean of, and is rounded once
        rounding = 1e-9 * np.abs(X.astype(float)).max()
        assert whole.min() >= least - rounding
        assert whole.max() <= most + rounding
    changed = np.zeros(present.shape, dtype=bool)
    for player in range(n_players):
        hidden = built(masker, X, np.arange(n_players)[None] != player)
        changed[:, player] = (hidden != X).reshape(len(X), -1).any(axis=1)
    np.testing.assert_array_equal(rows.varying, changed)


@pytest.mark.parametrize(
    ("height", "width", "n", "down", "across"),
    [
        (8, 8, 16, 4, 4), (224, 224, 50, 7, 7), (10, 40, 16, 2, 8), (3, 3, 100, 3, 3), (1, 9, 4, 1, 4),
        (9, 1, 4, 4, 1), (5, 7, 1, 1, 1), (1000, 1, 3, 3, 1),
    ],
)  # fmt: skip
def test_segments_grid_cells_of_similar_size(height, width, n, down, across):
    labels = SegmentMasker("grid", n_segments=n).read(np.zeros((1, height, width))).labels[0]
    assert labels.max() + 1 == down * across
    sizes = np.bincount(labels.ravel())
    assert sizes.min() >= (height // down) * (width // across)
    assert sizes.max() <= -(-height // down) * -(-width // across)
    for name in range(down * across):
        rows, columns = np.nonzero(labels == name)
        assert rows.size == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


@forms
def test_varying_is_false_for_segments_of_fill_color(X):
    X = X.copy()
    X[0, 0, :2] = X[0, 1, 0] = X[1] = 1
    X[0, 0, 2] = X[0, 1, 1:] = X[2:] = 0
    X[2, 0, 2] = 1
    X[3, 1, 1] = 1  # one of two pixels
    masker = SegmentMasker(LABELS, fill=1)
    found = masker.read(X).varying
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("fill", ["mean", "segment_mean", "blur", "inpaint", "noise"])
@pytest.mark.parametrize("shade", [0.1, 1 / 3, 1e9 + 0.1])
def test_varying_is_false_for_constant_image(fill, shade):
    X = np.full((2, 5, 7, 3), shade)
    X[..., 1] = 0.7
    masker = SegmentMasker(fill=fill)
    assert not masker.read(X).varying.any()
    masker = SegmentMasker(lambda picture: np.eye(5, 7, dtype=int), fill=fill)
    assert not masker.read(X.astype(np.float32)).varying.any()


def test_varying_is_true_if_one_channel_differs():
    X = np.zeros((1, 2, 3, 3))
    X[0, 0, 2, 1] = 0.5
    masker = SegmentMasker(LABELS, fill=0)
    assert masker.read(X).varying.tolist() == [[True, False, False]]


def test_fill_color_per_channel():
    masker = SegmentMasker(LABELS, fill=[1, 2, 3])
    X = FORMS["bytes"]
    whole = built(masker, X)
    check_built(whole, X, [LABELS] * 5, MASKS, [1, 2, 3])
    assert whole[5].tolist() == [[[1, 2, 3]] * 3] * 2


STACK = np.random.default_rng(4).random((3, 2, 3, 4))


@pytest.mark.parametrize("fill", ["noise", "stack"])
def test_fill_images_are_each_used(fill):
    X = FORMS["color"]
    masker = SegmentMasker(LABELS, STACK if fill == "stack" else fill, n_draws=3, random_state=2)
    rows = masker.read(X)
    block = block_of(masker)
    assert [len(part.rows) for part in block.draws] == [1, 3, 3, 3]
    others = [STACK] * 5 if fill == "stack" else noise_fills(X, 3, 2)
    cells = [(mask, draw) for mask in range(4) for draw in block.draws[mask].rows]
    whole = rows.builder(np.arange(5), 0).build(block, slice(0, 50)).reshape(10, 5, *X.shape[1:])
    for found, (mask, draw) in zip(whole, cells, strict=True):
        shown = MASKS[mask][np.searchsorted([-1, 4, 9], LABELS)][..., None]
        for i in range(5):
            np.testing.assert_array_equal(found[i], np.where(shown, X[i], others[i][draw]))
    some = rows.builder(np.array([3, 0]), 0).build(block, np.array([19, 4]))
    np.testing.assert_array_equal(some, [whole[9, 0], whole[2, 3]])
    assert rows.varying.all()


def test_varying_is_true_if_any_fill_image_differs():
    X = np.zeros((2, 2, 3))
    X[1, 0, 2] = 1.0
    fill = np.zeros((2, 2, 3))
    fill[1, 1, 1] = 1.0
    masker = SegmentMasker(LABELS, fill)
    assert masker.read(X).varying.tolist() == [[False, False, True], [True, False, True]]


@pytest.mark.parametrize(
    ("weights", "got"),
    [
        ([0.5, 0.5], "shape (2,) and a sum of 1"),
        ([0.5, 0.3, 0.1], "shape (3,) and a sum of 0.9"),
        ([1.0, 0.5, -0.5], "shape (3,) and a sum of 1"),
        ([np.nan] * 3, "shape (3,) and a sum of nan"),
    ],
)
def test_weights_refused_if_not_distribution(weights, got):
    facts = ("'weights' of SegmentMasker", "above 0", "3 fill pictures", "adding up to 1", f"got {got}")
    with refuses(DataError, *facts):
        SegmentMasker(LABELS, STACK, weights=weights)


def test_masker_and_rows_contract():
    masker, X = SegmentMasker(LABELS), FORMS["color"]
    rows = masker.read(np.concatenate([X, X]))
    assert rows.features.names == ("segment -1", "segment 4", "segment 9")
    assert rows.present.tolist() == [[True] * 3] * 10
    assert masker.weights.tolist() == [1.0]
    assert not masker.merges
    assert masker.same_features
    assert rows.n_values == 24
    assert len(rows) == 10
    first, which = rows.distinct()
    assert first.tolist() == which.tolist() == list(range(10))
    for draw in masker.draws(MASKS):
        assert (draw.rows.tolist(), draw.weights.tolist(), draw.which.tolist()) == ([0], [1.0], [0])
    np.testing.assert_array_equal(rows.data, rows.unmasked)
    np.testing.assert_array_equal(rows.details()["segments"].array, [[[1, 1, 0], [1, 2, 2]]] * 10)


def bands(picture):
    """As many segments as the first pixel says."""
    return np.arange(picture.size).reshape(picture.shape) % int(picture[0, 0])


def of_bands(*counts):
    X = np.random.default_rng(3).random((len(counts), 3, 4))
    X[:, 0, 0] = counts
    return X


def test_read_images_of_different_segment_counts():
    masker = SegmentMasker(bands, fill=0.0)
    rows = masker.read(of_bands(2, 5, 3))
    assert not masker.same_features
    assert rows.features.names == tuple(f"segment {j}" for j in range(5))
    assert rows.present.tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert rows.varying.tolist() == rows.present.tolist()
    some = rows[np.array([2, 0])]
    assert len(some.features.names) == 3
    assert some.present.tolist() == [[1, 1, 1], [1, 1, 0]]
    np.testing.assert_array_equal(some.details()["segments"].array, rows.labels[[2, 0]])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_evaluation_of_subset_uses_own_segments(n_jobs):
    """A later call with fewer segments than an earlier one has narrower masks."""
    masker, rng = SegmentMasker(bands, fill=0.5), np.random.default_rng(1)
    X = of_bands(3, 6, 3, 4)
    rows = masker.read(X)
    predictor = as_predictor(lambda X: np.asarray(X)[:, 1:].sum(axis=(1, 2)))
    for chosen in ([0, 2], [1], [3]):
        some = rows[np.array(chosen)]
        masks = rng.random((7, len(some.features.names))) < 0.5
        source = MaskedRowSource.from_rows(masker, some, masks)
        (means, _), n_model_rows = evaluate(predictor, source, MeanAndVariance(), n_outputs=1, n_jobs=n_jobs)
        expected = [[by_hand(X[i], bands(X[i]), mask, 0.5)[1:].sum() for mask in masks] for i in chosen]
        np.testing.assert_allclose(means[..., 0], expected, rtol=1e-13)
        assert n_model_rows == 7 * len(chosen)


def test_segments_function_cannot_change_images():
    def blots(picture):
        picture[:] = 0
        return LABELS

    masker = SegmentMasker(blots)
    np.testing.assert_array_equal(masker.read(FORMS["gray"]).pixels, FORMS["gray"])


def test_read_lists_and_memory_layouts_alike():
    X = FORMS["color"]
    masker = SegmentMasker(LABELS)
    plain = masker.read(X)
    for other in (X.tolist(), np.asfortranarray(X), X[::-1][::-1]):
        read = masker.read(other)
        np.testing.assert_array_equal(read.fill, plain.fill)
        np.testing.assert_array_equal(read.pixels, X)


SEGMENTS = (
    "'segments' of SegmentMasker",
    "'grid', 'slic', 'quickshift'",
    "shape (height, width)",
    "function",
)


@pytest.mark.parametrize(
    ("segments", "got"),
    [
        ([0, 1], "int64 of shape (2,)"),
        ([[0.0, 1.0]], "float64 of shape (1, 2)"),
        ([[True, False]], "bool of shape (1, 2)"),
        (np.zeros((0, 3), dtype=int), "int64 of shape (0, 3)"),
        (np.zeros((1, 2, 3), dtype=int), "int64 of shape (1, 2, 3)"),
        ("felzenszwalb", "'felzenszwalb'"),
        (None, "None"),
    ],
)
def test_segments_refused_if_not_integer_map(segments, got):
    with refuses(DataError, *SEGMENTS, f"got {got}"):
        SegmentMasker(segments)


@pytest.mark.parametrize(
    "fill",
    [
        "median",
        None,
        [],
        np.zeros((1, 3)),
        True,
        [True, False],
        ["a"],
        [[1.0], [1.0, 2.0]],
        np.full((2, 3, 3), np.nan),
    ],
)
def test_fill_refused_if_unknown(fill):
    got = f"an array of shape {fill.shape}" if isinstance(fill, np.ndarray) else repr(fill)
    facts = (
        "'fill' of SegmentMasker",
        "'mean', 'segment_mean', 'blur', 'inpaint', 'noise'",
        "number for each channel",
        "(n_fill, height, width) or (n_fill, height, width, n_channels)",
        f"got {got}",
    )
    with refuses(DataError, *facts):
        SegmentMasker(LABELS, fill=fill)


@pytest.mark.parametrize("n_segments", [0, -1, 2.0, None, True])
def test_n_segments_refused_if_not_positive_integer(n_segments):
    with refuses(DataError, "'n_segments' of SegmentMasker", "at least 1", f"got {n_segments!r}"):
        SegmentMasker(n_segments=n_segments)


@pytest.mark.parametrize("sigma", [0, -1.0, np.inf, np.nan, None, "wide", True])
def test_sigma_refused_if_not_positive(sigma):
    with refuses(DataError, "'sigma' of SegmentMasker", "above 0", f"got {sigma!r}"):
        SegmentMasker(sigma=sigma)


@pytest.mark.parametrize("fill", [-1, 256, 0.5, np.nan, [0, 1, 300]])
def test_fill_refused_if_dtype_cannot_hold_it(fill):
    masker = SegmentMasker(LABELS, fill=fill)
    with refuses(DataError, f"'fill' of SegmentMasker is {fill!r}", "type uint8"):
        masker.read(FORMS["bytes"])
    masker.read(FORMS["bytes"].astype(np.float32))


def test_fill_refused_beyond_float32():
    with refuses(DataError, "'fill' of SegmentMasker is 1e+300", "type float32"):
        SegmentMasker(LABELS, fill=1e300).read(FORMS["single"])


@pytest.mark.parametrize(
    ("X", "fill", "facts"),
    [
        (FORMS["bytes"], [0, 1], ["has 2 numbers", "(2, 3, 3)", "3 channels"]),
        (FORMS["color"], (0.0,), ["has 1 numbers", "(2, 3, 4)", "4 channels"]),
        (FORMS["gray"], [0.5], ["has 1 numbers", "(2, 3)", "no channels"]),
    ],
)
def test_fill_refused_for_other_channels(X, fill, facts):
    with refuses(DataError, "'fill' of SegmentMasker", *facts):
        SegmentMasker(LABELS, fill=fill).read(X)


@pytest.mark.parametrize("fill", [0, 255, 7.0, np.float32(3), np.int64(4)])
def test_fill_integers_of_any_type(fill):
    masker = SegmentMasker(LABELS, fill=fill)
    masked = masker.read(FORMS["bytes"]).compose(np.array([0])).fill
    np.testing.assert_array_equal(masked, np.full((1, 1, 2, 3, 3), int(fill), dtype=np.uint8))


SHAPES = (
    "X must be numbers",
    "(n_rows, height, width)",
    "(n_rows, height, width, n_channels)",
    "at least one",
)


@pytest.mark.parametrize(
    ("X", "got"),
    [
        (np.zeros((0, 3, 4)), "float64 of shape (0, 3, 4)"),
        (np.zeros((1, 3, 4, 0)), "float64 of shape (1, 3, 4, 0)"),
        (np.zeros((3, 4)), "float64 of shape (3, 4)"),
        (np.zeros((2, 3, 4, 3, 1)), "float64 of shape (2, 3, 4, 3, 1)"),
        (np.full((2, 3, 4), "a"), "<U1 of shape (2, 3, 4)"),
        (np.zeros((2, 3, 4), dtype=object), "object of shape (2, 3, 4)"),
        (np.zeros((2, 3, 4), dtype=complex), "complex128 of shape (2, 3, 4)"),
        (np.zeros(4), "float64 of shape (4,)"),
        (3.0, "float64 of shape ()"),
    ],
)
def test_read_refuses_what_is_not_images(X, got):
    with refuses(DataError, *SHAPES, f"got {got}"):
        SegmentMasker().read(X)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_read_refuses_nan_and_infinity(bad):
    X = FORMS["color"].copy()
    X[3, 1, 2, 0] = bad
    with refuses(DataError, "finite", "row 3", "NaN or infinity", "Fill these in, or leave it out"):
        SegmentMasker().read(X)


def test_read_refuses_images_of_several_sizes():
    with refuses(DataError, "pictures of one size"):
        SegmentMasker().read([np.zeros((2, 3)), np.zeros((3, 3))])


def test_segments_refused_if_map_of_other_size():
    with refuses(DataError, "'segments' of SegmentMasker", "shape (4, 4)", "got int64 of shape (2, 3)"):
        SegmentMasker(LABELS).read(np.zeros((2, 4, 4)))


@pytest.mark.parametrize(
    ("map_of", "got"),
    [
        (lambda picture: picture.T > 1, "bool of shape (3, 2)"),
        (lambda picture: picture, "float64 of shape (2, 3)"),
        (lambda picture: 1, "int64 of shape ()"),
    ],
)
def test_segments_function_refused_if_bad_map(map_of, got):
    with refuses(DataError, "'segments' of SegmentMasker", "row 0 of X", "shape (2, 3)", f"got {got}"):
        SegmentMasker(map_of).read(FORMS["gray"])
