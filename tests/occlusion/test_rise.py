import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agnostix import RiseExplainer
from agnostix.core.designs import Design
from agnostix.core.evaluate import evaluate
from agnostix.core.hypercubes import Independent, SlicedHalves
from agnostix.core.models import as_predictor
from agnostix.occlusion.rise import SoftMaskRows, SoftMaskSampler
from tests.reference.pictures import rise, soft_mask

RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 6, 8))
FILL = IMAGES.mean(axis=(1, 2), keepdims=True)
WEIGHTS = RNG.normal(size=(6, 8, 2))


def bent(X):
    """Two outputs, one with products of pixels."""
    sums = np.tensordot(X, WEIGHTS, axes=2)
    return np.stack([sums[:, 0], sums[:, 0] * sums[:, 1]], axis=1)


def maps(model, sampler, images=IMAGES, fill=FILL, n_jobs=None):
    outputs = np.tile([0, 1], (len(images), 1))
    source = SoftMaskRows(sampler, images, fill, outputs)
    return evaluate(as_predictor(model), source, SoftMaskRows.estimate_saliency, n_outputs=2, n_jobs=n_jobs)[
        0
    ]


def test_rise_maps_match_reference():
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.4, 64, 0)
    sampled = zip(*sampler.sample(slice(0, 64)), strict=True)
    masks = [soft_mask(grid, shift, 6, 8) for grid, shift in sampled]
    for image, fill, (values, _, base) in zip(IMAGES, FILL, maps(bent, sampler), strict=True):
        scores = bent(np.array([fill + mask * (image - fill) for mask in masks]))
        for k in range(2):
            np.testing.assert_allclose(values[..., k], rise(scores[:, k], masks, 0.4), atol=1e-12)
        np.testing.assert_allclose(base, scores.mean(axis=0), atol=1e-12)


def check_std_errors(sampler, balanced):
    """Errors are the spread over blocks of scores times masks, less `balanced` scores times other masks."""
    n_blocks, n = sampler.points.n_blocks, sampler.points.n_points
    masks = np.array([soft_mask(*one, 6, 8) for one in zip(*sampler.sample(slice(0, n)), strict=True)])
    scores = bent(FILL[0] + masks * (IMAGES[0] - FILL[0]))
    apart = (scores - scores.mean(axis=0)) / (n * sampler.p_keep)
    part, other_masks, factor = balanced(apart)
    left = np.einsum("nyx,nk->nyxk", masks - sampler.p_keep, apart)
    left -= np.einsum("nyx,nk->nyxk", other_masks - sampler.p_keep, part)
    blocks = left.reshape(n_blocks, -1, *left.shape[1:]).sum(axis=1)
    (_, errors, _), _ = maps(bent, sampler)
    np.testing.assert_allclose(
        errors, np.std(blocks, axis=0, ddof=1) * np.sqrt(n_blocks * factor), rtol=1e-6, atol=1e-12
    )


def test_rise_std_errors_of_independent_masks_match_sum_of_blocks():
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.4, 40, 0)
    assert isinstance(sampler.points.draw, Independent)
    check_std_errors(sampler, lambda scores: (0.0 * scores, np.zeros((40, 6, 8)), 1.0))


@pytest.mark.parametrize(("p_keep", "n_masks"), [(0.5, 960), (0.4, 1000)])
def test_rise_std_errors_match_residuals_of_cells_by_slice(p_keep, n_masks):
    """Less the regression on cells and their products with six functions of the slice's mean offset."""
    sampler = SoftMaskSampler.from_seed((6, 8), 3, p_keep, n_masks, 0)
    draw, n = sampler.points.draw, sampler.points.n_points
    sliced = isinstance(draw, SlicedHalves)
    assert sliced == (p_keep == 0.5)
    u = sampler.points.points(slice(0, n))
    grids, offsets = sampler.sample(slice(0, n))
    slices = np.floor(u[:, 0] * (draw.n_slices if sliced else 1))
    centers = [np.floor(offsets[slices == one].mean(axis=0) + 0.5) for one in slices]
    centers = np.array(centers, dtype=int)
    places = 2.0 * (centers + 0.5) / sampler.cell_shape - 1.0
    functions = [
        places[:, 0] ** i * places[:, 1] ** j for i, j in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
    ]
    basis = np.concatenate([(grids.reshape(n, -1) - p_keep) * one[:, None] for one in functions], axis=1)
    rank = np.linalg.matrix_rank(basis, tol=1e-8 * np.linalg.norm(basis))

    def balanced(scores):
        masks = np.array([soft_mask(*one, 6, 8) for one in zip(grids, centers, strict=True)])
        fitted = basis @ np.linalg.pinv(basis, rcond=1e-8) @ scores
        aliasing = 20 / 17 if sliced else 1.0 + (2 * draw.n_levels - 1) / (draw.n_levels - 1) ** 2
        return fitted, masks, aliasing * n / (n - 1 - rank)

    if sliced:
        assert draw.n_array == 20
    check_std_errors(sampler, balanced)


def test_rise_of_additive_model_varies_less_than_of_independent_masks():
    """A model that sees one cell, in 12 seeds."""

    def one_cell(X):
        return np.repeat(X[:, 2:4, 2:4].mean(axis=(1, 2))[:, None], 2, axis=1)

    both = []
    for make in (SoftMaskSampler.from_seed, independent_sampler):
        samplers = [make((6, 8), 3, 0.5, 1000, seed) for seed in range(12)]
        both.append(np.std([maps(one_cell, one, IMAGES[:1], FILL[:1])[0][0] for one in samplers], axis=0))
    assert np.median(both[0] / both[1]) < 0.35


def independent_sampler(shape, n_cells, p_keep, n_masks, seed):
    points = Design(1 + n_cells**2, Independent(n_masks // 50), 50, n_masks // 50, seed)
    return SoftMaskSampler(shape, n_cells, p_keep, points)


def moments(sampler):
    """Covariance of the masks' pixels, with cells that show or not by themselves."""
    down, right = sampler.interpolation
    pixels = np.einsum("ayi,bxj->abyxij", down, right)
    flat = pixels.reshape(*pixels.shape[:2], 48, -1)
    mean = flat.mean(axis=(0, 1))
    assert np.allclose(mean.sum(axis=1), 1.0)
    products = np.einsum("abpi,abqi->pq", flat, flat) / (pixels.shape[0] * pixels.shape[1])
    return sampler.p_keep * (1 - sampler.p_keep) * products


def test_rise_intervals_cover_linear_model():
    """The map is the covariance of the masks with the score, divided by p_keep."""
    slopes = (WEIGHTS * (IMAGES[0] - FILL[0])[..., None]).reshape(48, 2)
    apart = []
    for seed in range(12):
        sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, seed)
        expected = (moments(sampler) @ slopes / 0.5).reshape(6, 8, 2)
        (values, errors, _), _ = maps(lambda X: np.tensordot(X, WEIGHTS, axes=2), sampler)
        apart.append((values - expected) / errors)
    assert np.abs(values - expected).max() < 0.1 * np.abs(expected).max()
    dof = sampler.points.n_blocks - 1
    assert np.mean(np.abs(apart) < stats.t.ppf(0.975, dof)) > 0.92


def test_rise_std_errors_match_spread_over_seeds():
    result = [
        maps(bent, SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, seed), IMAGES[:1], FILL[:1])[0]
        for seed in range(40)
    ]
    spread = np.std([values for values, _, _ in result], axis=0, ddof=1)
    stated = np.sqrt(np.mean([errors**2 for _, errors, _ in result], axis=0))
    assert 0.8 < np.median(stated / spread) < 1.6  # of nine cells, pairs of which are summed without error


def test_rise_std_error_below_that_of_independent_masks():
    """Against independent masks with scores counted from 0, as RISE is written."""
    rng = np.random.default_rng(1)
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, 0)
    down, right = sampler.interpolation
    plain = []
    for _ in range(40):
        grids, shifts = (rng.random((256, 3, 3)) < 0.5).astype(float), rng.integers(0, [2, 3], (256, 2))
        masks = down[shifts[:, 0]] @ grids @ right[shifts[:, 1]].transpose(0, 2, 1)
        scores = 1.0 + bent(FILL[0] + masks * (IMAGES[0] - FILL[0]))
        plain.append(np.einsum("nyx,nk->yxk", masks, scores) / (256 * 0.5))
    ours = [
        maps(
            lambda X: 1.0 + bent(X),
            SoftMaskSampler.from_seed((6, 8), 3, 0.5, 256, seed),
            IMAGES[:1],
            FILL[:1],
        )[0][0]
        for seed in range(40)
    ]
    assert np.median(np.std(ours, axis=0)) < 0.5 * np.median(np.std(plain, axis=0))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_rise_maps_same_for_any_n_jobs(n_jobs):
    sampler = SoftMaskSampler.from_seed((6, 8), 3, 0.5, 64, 0)
    for one, other in zip(maps(bent, sampler), maps(bent, sampler, n_jobs=n_jobs), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def masks_of(sampler, part):
    """Masks of shape (n, height, width), each by loops."""
    grids, offsets = sampler.sample(part)
    pairs = zip(grids, offsets, strict=True)
    return np.array([soft_mask(grid, offset, *sampler.image_shape) for grid, offset in pairs])


@st.composite
def samplers(draw):
    shape = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    return SoftMaskSampler.from_seed(
        shape, draw(st.integers(2, 4)), draw(st.sampled_from([0.2, 0.5])), 32, draw(st.integers(0, 99))
    )


@given(samplers())
def test_soft_masks_are_enlarged_and_shifted_grids(sampler):
    part = slice(1, 9)
    np.testing.assert_allclose(sampler.batch(part).to_array(), masks_of(sampler, part), atol=1e-12)
    composed = sampler.batch(part).compose(np.ones(sampler.image_shape), np.zeros((1, 1)))
    np.testing.assert_allclose(composed, masks_of(sampler, part), atol=1e-12)


@given(samplers(), st.integers(0, 99))
def test_weighted_sum_matches_sum_over_masks(sampler, seed):
    part = slice(2, 12)
    scores = np.random.default_rng(seed).normal(size=(10, 3))
    expected = np.einsum("nyx,nc->yxc", masks_of(sampler, part), scores)
    np.testing.assert_allclose(sampler.weighted_sum(scores, part), expected, atol=1e-12)


@pytest.mark.parametrize("p_keep", [0.1, 0.5, 0.8])
def test_soft_masks_keep_every_pixel_with_probability_p(p_keep):
    sampler = SoftMaskSampler.from_seed((6, 9), 3, p_keep, 4096, 0)
    n = sampler.points.n_points
    mean = sampler.weighted_sum(np.ones((n, 1)), slice(0, n)) / n
    np.testing.assert_allclose(mean, p_keep, atol=0.01)


def test_soft_masks_shifts_cover_cell():
    sampler = SoftMaskSampler.from_seed((6, 9), 3, 0.5, 1024, 0)
    _, shifts = sampler.sample(slice(0, 1024))
    assert set(map(tuple, shifts.tolist())) == {(i, j) for i in range(2) for j in range(3)}


def test_soft_mask_sampler_of_slice():
    sampler = SoftMaskSampler.from_seed((6, 9), 3, 0.5, 256, 7)
    whole, part = sampler.sample(slice(0, 256)), sampler.sample(slice(13, 99))
    for every, some in zip(whole, part, strict=True):
        np.testing.assert_array_equal(every[13:99], some)


@pytest.mark.parametrize(
    ("image", "fill"),
    [
        (RNG.random((6, 9)), np.full((1, 1), 0.3)),
        (RNG.random((6, 9, 3)).astype(np.float32), RNG.random((1, 1, 3)).astype(np.float32)),
        (RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8), np.full((1, 1, 3), 9, dtype=np.uint8)),
    ],
    ids=["gray", "single", "bytes"],
)
def test_compose_keeps_image_dtype(image, fill):
    sampler = SoftMaskSampler.from_seed((6, 9), 3, 0.5, 32, 0)
    built = sampler.batch(slice(0, 8)).compose(image, fill)
    masks = masks_of(sampler, slice(0, 8)).reshape(8, 6, 9, *[1] * (image.ndim - 2))
    expected = masks * image.astype(float) + (1 - masks) * fill
    assert (built.shape, built.dtype) == ((8, *image.shape), image.dtype)
    np.testing.assert_allclose(built, expected, atol=0.5 + 1e-9 if image.dtype == np.uint8 else 1e-6)


def test_errors_of_masks_that_images_share_do_not_average_out():
    """Of copies of one image, the mean map is the map itself, and no surer than it."""
    images = np.repeat(np.random.default_rng(0).random((1, 6, 6)), 8, axis=0)
    explainer = RiseExplainer(lambda X: X[:, 1, 2] + X[:, 4, 4] * X[:, 0, 0], n_masks=256, random_state=0)
    exp = explainer.fit(images).explain(images)
    total = exp.aggregate(how="mean")
    np.testing.assert_allclose(total.values, exp.values[0], atol=1e-12)
    np.testing.assert_allclose(total.std_errors, exp.std_errors[0], atol=1e-12)
    apart = exp.difference(0, 1, dim="row")
    np.testing.assert_allclose(apart.std_errors[0], 2 * exp.std_errors[0], atol=1e-12)  # signs unknown
