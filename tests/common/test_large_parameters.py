"""Parameters larger than what they count: as if they were as large as that, or a message that names them."""

from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from agnostix import KernelShapExplainer, MimicTree, OcclusionExplainer, RiseExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, SlidingWindow
from tests.messages import refuses

TABLE = np.random.default_rng(0).normal(size=(20, 3))
PICTURES = np.random.default_rng(0).random((2, 4, 5))
SIZES = (10**9, 2**31, 2**63 - 1, np.int64(2**63 - 1), np.uint64(2**64 - 1), 10**20, 10**400)
sizes = pytest.mark.parametrize("size", SIZES, ids=[f"{type(one).__name__} {str(one)[:25]}" for one in SIZES])


def total(X):
    return np.asarray(X, dtype=float).reshape(len(X), -1).sum(axis=1)


def grid(size):
    return SegmentMasker(n_segments=size)


COUNTED = {
    "background_size of occlusion": (lambda n: OcclusionExplainer(total, background_size=n), TABLE, 20),
    "background_size of shapley": (lambda n: KernelShapExplainer(total, background_size=n), TABLE, 20),
    "budget": (lambda n: KernelShapExplainer(total, budget=n), TABLE, 8),
    "budget of pictures": (lambda n: KernelShapExplainer(total, masker=grid(4), budget=n), PICTURES, 16),
    "n_segments": (lambda n: OcclusionExplainer(total, masker=grid(n)), PICTURES, 20),
    "sigma": (lambda n: RiseExplainer(total, n_masks=32, fill="blur", sigma=n), PICTURES, 1e9),
    "sigma of segments": (
        lambda n: OcclusionExplainer(total, masker=SegmentMasker(fill="blur", sigma=n)),
        PICTURES,
        1e9,
    ),
}


@sizes
@pytest.mark.parametrize("name", COUNTED)
def test_count_beyond_all_is_all(name, size):
    make, X, n = COUNTED[name]
    found, expected = (make(one).set_params(random_state=0).fit(X).explain(X) for one in (size, n))
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)


@pytest.mark.parametrize(
    "params", [{"max_leaf_nodes": 10**6}, *({"min_samples_leaf": size} for size in SIZES[:-1])], ids=str
)
def test_tree_with_more_leaves_than_rows(params):
    mimic = MimicTree(total, random_state=0, **params).fit(TABLE)
    (name,) = params
    expected = MimicTree(total, random_state=0, **{name: 5000}).fit(TABLE)
    np.testing.assert_array_equal(mimic.predict(TABLE), expected.predict(TABLE))


def test_blur_of_many_sides_leaves_the_mean():
    explainer = RiseExplainer(total, n_masks=32, fill="blur", sigma=1e300)
    fill = explainer.fit(PICTURES).explain(PICTURES).extras["fill"].array
    means = np.broadcast_to(PICTURES.mean(axis=(1, 2), keepdims=True), PICTURES.shape)
    np.testing.assert_allclose(fill, means, atol=1e-3)


@pytest.mark.parametrize("X", [PICTURES, (255 * PICTURES).astype(np.uint8)], ids=["float64", "uint8"])
@pytest.mark.parametrize("masker", [SegmentMasker, partial(SlidingWindow, 2, 2)])
def test_color_beyond_the_type_of_the_images_is_refused(masker, X):
    with refuses(DataError, "'fill'", str(10**400), str(X.dtype)):
        OcclusionExplainer(total, masker=masker(fill=10**400)).fit(X)


@pytest.mark.parametrize("color", [10**20, Fraction(1, 2), np.float16(0.5)])
def test_color_of_any_number(color):
    masker = SegmentMasker(n_segments=4, fill=color)
    found = OcclusionExplainer(total, masker=masker).fit(PICTURES).explain(PICTURES)
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), total(PICTURES) - 20 * float(color), rtol=1e-9)


def test_constant_beyond_double_precision_is_refused():
    with refuses(DataError, "'fill'", "float64", str(10**400)):
        OcclusionExplainer(total, fill=[10**400, 0, 0]).fit(TABLE)


@pytest.mark.parametrize("fill", ["blur", "mean", "noise", "inpaint", "segment_mean"])
def test_fill_of_long_doubles(fill):
    found, expected = (
        OcclusionExplainer(total, masker=SegmentMasker(n_segments=4, fill=fill)).fit(X).explain(X).values
        for X in (PICTURES.astype(np.longdouble), PICTURES)
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)
