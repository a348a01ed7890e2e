import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.linear_model import LinearRegression

from agnostix import Explanation, OcclusionExplainer, RiseExplainer
from agnostix.core.masking import SegmentMasker, SlidingWindow, TextMasker
from agnostix.exceptions import DataError
from tests.messages import refuses
from tests.occlusion.explainers import explainer_of
from tests.reference.pictures import occlude_windows, rise, soft_mask

RNG = np.random.default_rng(0)
GRAY = RNG.random((3, 7, 9))
COLOR = RNG.random((3, 7, 9, 3))
BYTES = RNG.integers(0, 256, (3, 7, 9, 3)).astype(np.uint8)
FORMS = {"gray": GRAY, "color": COLOR, "bytes": BYTES}
forms = pytest.mark.parametrize("X", FORMS.values(), ids=FORMS)


class Bent:
    """A model of images with two outputs, one of which has products of pixels."""

    def __init__(self, shape):
        self.weights = np.random.default_rng(1).normal(size=(*shape, 2)) / 10

    def __call__(self, X):
        X = np.asarray(X, dtype=float)
        axes = tuple(range(1, X.ndim))
        sums = np.stack([(X * self.weights[..., k]).sum(axis=axes) for k in (0, 1)], axis=1)
        return np.stack([sums[:, 0] + 1.0, sums[:, 0] * sums[:, 1]], axis=1)


def explained(X, model=None, **params):
    return explainer_of(model or Bent(X.shape[1:]), random_state=0, **params).fit(X).explain(X)


def same(one, other):
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@forms
@pytest.mark.parametrize(("window", "stride"), [(3, 2), ((2, 4), (2, 3)), (7, 7), (1, 1)])
def test_windows_match_loop(X, window, stride):
    model = Bent(X.shape[1:])
    exp = explained(X, model, method="window", window=window, stride=stride)
    pair, step = np.broadcast_to(window, 2), np.broadcast_to(stride, 2)
    for i, image in enumerate(X):
        mean = image.mean((0, 1))
        values, effects = occlude_windows(model, image, np.rint(mean) if X is BYTES else mean, pair, step)
        unit = np.abs(effects).max()
        np.testing.assert_allclose(exp.values[i], values, atol=1e-12 * unit)
        np.testing.assert_allclose(exp.extras["windows"].array[i], effects, atol=1e-12 * unit)
    np.testing.assert_allclose(exp.outputs, model(X), rtol=1e-12)
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    assert (exp.quantity, exp.dims) == ("effect", ("row", "y", "x", "output"))
    assert (exp.feature_names, exp.output_names) == ((), ("output_0", "output_1"))


@given(st.data())
def test_windows_of_any_size_match_loop(data):
    shape = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    window = tuple(data.draw(st.integers(1, length)) for length in shape)
    stride = tuple(data.draw(st.integers(1, length)) for length in window)
    X = np.random.default_rng(data.draw(st.integers(0, 99))).random((1, *shape))
    model = Bent(shape)
    exp = explained(X, model, method="window", window=window, stride=stride, fill=0.25)
    values, _ = occlude_windows(model, X[0], 0.25, window, stride)
    np.testing.assert_allclose(exp.values[0], values, atol=1e-12)


@pytest.mark.parametrize("fill", ["mean", "blur", 0, 0.5, [0.1, 0.2, 0.3]])
def test_windows_with_each_fill_match_loop(fill):
    model = Bent(COLOR.shape[1:])
    exp = explained(COLOR, model, window=4, stride=3, fill=fill)
    standing = SegmentMasker(np.zeros((7, 9), dtype=int), fill=fill).read(COLOR)
    for i, image in enumerate(COLOR):
        other = standing.fill[i if len(standing.fill) > 1 else 0, 0]
        values, _ = occlude_windows(model, image, np.broadcast_to(other, image.shape), (4, 4), (3, 3))
        np.testing.assert_allclose(exp.values[i], values, atol=1e-12)
        hidden = model(np.broadcast_to(other, image.shape)[None])[0]
        np.testing.assert_allclose(exp.base_values[i], hidden, atol=1e-12)
    assert f"fill={fill!r}" in exp.params["masker"]


def test_windows_of_linear_model_match_closed_form():
    """With windows of one pixel, the pixel's weight times how far it is from the fill."""
    weights = RNG.normal(size=(7, 9))
    exp = explained(GRAY, lambda X: (X * weights).sum(axis=(1, 2)), window=1, stride=1, fill=0.5)
    np.testing.assert_allclose(exp.values[..., 0], weights * (GRAY - 0.5), atol=1e-12)
    np.testing.assert_allclose(exp.values.sum(axis=(1, 2)) + exp.base_values, exp.outputs, atol=1e-12)


@forms
def test_rise_matches_formula(X):
    model = Bent(X.shape[1:])
    explainer = RiseExplainer(model, n_masks=64, n_cells=3, p_keep=0.4, random_state=3).fit(X)
    exp = explainer.explain(X)
    sampled = explainer._make_sampler(X).sample(slice(0, 64))
    masks = np.array([soft_mask(*grid_and_offset, 7, 9) for grid_and_offset in zip(*sampled, strict=True)])
    for i, image in enumerate(X):
        fill = image.mean((0, 1))
        fill = np.rint(fill) if X is BYTES else fill
        mixed = fill + masks.reshape(64, 7, 9, *[1] * (X.ndim - 3)) * (image - fill)
        scores = model(np.rint(mixed) if X is BYTES else mixed)
        unit = np.abs(scores).max()
        for k in range(2):
            expected = rise(scores[:, k], masks, 0.4)
            np.testing.assert_allclose(exp.values[i, ..., k], expected, atol=1e-12 * unit)
        np.testing.assert_allclose(exp.base_values[i], scores.mean(axis=0), atol=1e-12 * unit)
    assert (exp.std_errors > 0).all()
    assert exp.extras["n_masks"] == 64
    assert exp.n_model_rows == explainer.cost(X) == 3 * 65


def test_rise_is_determined_by_seed():
    one, two = (explained(GRAY, method="rise", n_masks=64) for _ in range(2))
    same(one, two)
    other = RiseExplainer(Bent((7, 9)), n_masks=64, random_state=1).fit(GRAY).explain(GRAY)
    assert (other.values != one.values).any()


@pytest.mark.parametrize("method", ["window", "rise", "segments"])
def test_same_bits_for_any_n_jobs_memory_and_rows(method):
    params = {"method": method, "window": 3, "stride": 2, "n_masks": 64}
    explainer = explainer_of(Bent((7, 9)), random_state=0, **params).fit(GRAY)
    whole = explainer.explain(GRAY)
    same(explainer.explain(GRAY[[2, 0]]), whole[[2, 0]])
    with config_context(working_memory=0.01):
        same(explainer.explain(GRAY), whole)
    same(explained(GRAY, n_jobs=2, **params), whole)


@pytest.mark.parametrize("method", ["window", "rise", "segments"])
def test_outputs_by_name_and_predicted(method):
    params = {"method": method, "window": 3, "stride": 2, "n_masks": 64}
    whole = explained(GRAY, **params)
    one = explained(GRAY, outputs="output_1", **params)
    # BLAS multiplies a matrix by one column in another order than by two.
    rounding = 1e-15 * np.abs(whole.values).max()
    np.testing.assert_allclose(one.values[..., 0], whole.values[..., 1], rtol=0, atol=rounding)
    predicted = explained(GRAY, outputs="predicted", **params)
    top = whole.outputs.argmax(axis=1)
    for i, k in enumerate(top):
        np.testing.assert_allclose(
            predicted.values[i, ..., 0], whole.values[i, ..., k], rtol=0, atol=rounding
        )
    assert predicted.extras["predicted"].array.tolist() == [f"output_{k}" for k in top]


@pytest.mark.parametrize("method", ["window", "rise"])
def test_storage_of_maps(method, tmp_path):
    exp = explained(GRAY, method=method, window=(3, 2), stride=2, n_masks=64)
    exp.save(tmp_path / "map.zip")
    again = Explanation.load(tmp_path / "map.zip")
    same(again, exp)
    assert again.params == exp.params
    if method == "window":
        assert exp.params["masker"].startswith("SlidingWindow((3, 2), (2, 2), ")


def test_segments_match_loop():
    masker = SegmentMasker("grid", n_segments=4)
    exp = OcclusionExplainer(Bent((7, 9)), masker=masker, random_state=0).fit(GRAY).explain(GRAY)
    assert exp.values.shape == (3, 4, 2)
    labels = exp.extras["segments"].array
    model = Bent((7, 9))
    for i, image in enumerate(GRAY):
        for j in range(4):
            hidden = np.where(labels[i] == j, image.mean(), image)
            expected = model(image[None])[0] - model(hidden[None])[0]
            np.testing.assert_allclose(exp.values[i, j], expected, atol=1e-12)


@pytest.mark.parametrize("fill", ["auto", 0.5, "noise"])
def test_images_without_masker_default_to_windows(fill):
    images = np.tile(GRAY, (1, 3, 2))
    window = SlidingWindow(16, 8, "mean" if fill == "auto" else fill, n_draws=3)
    one, other = (
        OcclusionExplainer(Bent((21, 18)), random_state=0, **params).fit(images).explain(images)
        for params in ({"fill": fill, "background_size": 3}, {"masker": window})
    )
    same(one, other)
    assert one.dims == ("row", "y", "x", "output")
    assert one.params["masker"] == other.params["masker"] == repr(window)


def test_tables_without_masker_default_to_features():
    table = RNG.random((9, 3))
    exp = OcclusionExplainer(lambda X: X[:, 0]).fit(table).explain(table)
    assert exp.dims == ("row", "feature", "output")


def test_transform_of_segments():
    explainer = OcclusionExplainer(Bent((7, 9)), masker=SegmentMasker("grid", n_segments=4)).fit(GRAY)
    assert explainer.transform(GRAY).shape == (3, 8)
    assert explainer.get_feature_names_out()[0] == "output_0: segment 0"


@pytest.mark.parametrize("method", ["window", "rise"])
@pytest.mark.parametrize("call", [lambda e: e.transform(GRAY), lambda e: e.get_feature_names_out()])
def test_maps_are_no_columns(method, call):
    explainer = explainer_of(Bent((7, 9)), method=method, window=3, stride=2, n_masks=32).fit(GRAY)
    with refuses(DataError, type(explainer).__name__, "columns", "'y', 'x'", "explain(X).values"):
        call(explainer)


def test_parameters_of_each_class():
    common = ["model", "outputs", "n_jobs", "random_state", "verbose"]
    own = {
        OcclusionExplainer: ["masker", "fill", "background", "background_size", "feature_groups"],
        RiseExplainer: ["n_masks", "n_cells", "p_keep", "fill", "sigma"],
    }
    for kind, names in own.items():
        assert set(kind(None).get_params(deep=False)) == {*common, *names}


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"size": 8, "stride": 2}, ("'size'", "height of 8", "images have 7", "7 or less")),
        ({"size": 3}, ("'stride'", "8 pixels", "height 3", "stride of 3 or less")),
        ({"size": (3, 2, 1), "stride": 1}, ("'size'", "3 lengths", "(n_rows, depth, height, width)")),
        ({"size": (3, 2, 1, 1, 1)}, ("'size'", "whole number of pixels", "(3, 2, 1, 1, 1)")),
        ({"size": 3, "stride": (2, 0.5)}, ("'stride'", "whole number of pixels", "(2, 0.5)")),
        ({"size": 3, "stride": 1, "fill": "gray"}, ("'fill' of SlidingWindow", "'blur'", "'gray'")),
        (
            {"size": 3, "stride": 1, "fill": [1.0, 2.0]},
            ("'fill' of SlidingWindow", "2 numbers", "no channels"),
        ),
        ({"size": 3, "stride": 1, "sigma": 0}, ("'sigma' of SlidingWindow", "above 0", "got 0")),
        ({"size": 3, "stride": 1, "n_draws": 0}, ("'n_draws' of SlidingWindow", "at least 1", "got 0")),
        ({"size": 3, "stride": 1, "random_state": -1}, ("'random_state' of SlidingWindow", "got -1")),
        ({"size": 3, "stride": 1, "weights": [2.0]}, ("'weights' of SlidingWindow", "1 fill pictures")),
    ],
)
def test_window_refuses_what_does_not_fit(params, facts):
    with refuses(DataError, *facts):
        OcclusionExplainer(Bent((7, 9)), masker=SlidingWindow(**params)).fit(GRAY)


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"fill": 0, "masker": SegmentMasker()}, ("'fill'", "'auto' or 'draws'", "got 0", "to the masker")),
        ({"fill": "blur", "masker": SlidingWindow(3, 3)}, ("'fill'", "got 'blur'", "to the masker")),
        ({"fill": "draws", "masker": TextMasker()}, ("fill='draws'", "got TextMasker", "to the masker")),
        (
            {"feature_groups": {"a": ["b"]}, "masker": SlidingWindow(3, 3)},
            ("'feature_groups'", "{'a': ['b']}"),
        ),
    ],
)
def test_occlusion_refuses_parameters_that_contradict(params, facts):
    with refuses(DataError, *facts):
        OcclusionExplainer(Bent((7, 9)), **params).fit(GRAY)


@pytest.mark.parametrize(
    ("fill", "facts"),
    [
        ("gray", ("'fill'", "RiseExplainer", "'blur'", "got 'gray'")),
        (None, ("'fill'", "RiseExplainer", "got None")),
        ("segment_mean", ("'fill'", "RiseExplainer", "got 'segment_mean'")),
    ],
)
def test_rise_refuses_unknown_fills(fill, facts):
    with refuses(DataError, *facts):
        RiseExplainer(Bent((7, 9)), fill=fill).fit(GRAY)


@pytest.mark.parametrize(
    ("fill", "facts"),
    [
        ([1.0, 2.0], ("2 numbers", "(20, 18)", "no channels")),
        (np.zeros((1, 3, 3)), ("pictures of shape (3, 3)", "(20, 18)", "Resize")),
    ],
)
@pytest.mark.parametrize("explainer", [OcclusionExplainer, RiseExplainer])
def test_fill_of_other_shape_is_refused_in_the_name_of_the_explainer(explainer, fill, facts):
    with refuses(DataError, f"'fill' of {explainer.__name__}", *facts):
        explainer(lambda X: X.mean(axis=(1, 2)), fill=fill).fit(RNG.random((2, 20, 18)))


@pytest.mark.parametrize("fill", ["gray", None, {"a": 1.0}])
def test_occlusion_refuses_unknown_fills_of_images(fill):
    with refuses(DataError, "'fill' of OcclusionExplainer", "'blur'", f"got {fill!r}"):
        OcclusionExplainer(lambda X: X.mean(axis=(1, 2)), fill=fill).fit(RNG.random((2, 20, 18)))


def test_rise_needs_images():
    table = RNG.random((9, 3))
    with refuses(DataError, "RiseExplainer", "images", "got a table", "OcclusionExplainer"):
        RiseExplainer(LinearRegression().fit(table, table[:, 0])).fit(table)


def test_windows_need_images():
    table = RNG.random((9, 3))
    with refuses(DataError, "height, width", "shape (9, 3)"):
        OcclusionExplainer(lambda X: X[:, 0], masker=SlidingWindow(1, 1)).fit(table)


@pytest.mark.parametrize("method", ["window", "rise"])
def test_images_of_another_shape_than_in_fit(method):
    explainer = explainer_of(Bent((7, 9)), method=method, window=3, stride=2, n_masks=32).fit(GRAY)
    with refuses(DataError, type(explainer).__name__, "(9, 7)", "(7, 9)"):
        explainer.explain(GRAY.transpose(0, 2, 1))


@pytest.mark.parametrize("shape", [(4, 6, 3), (6, 4, 3)])
@pytest.mark.parametrize("method", ["window", "segments", "rise"])
def test_images_of_several_sizes_are_refused(shape, method):
    images = [np.zeros((6, 6, 3)), np.zeros(shape)]
    with refuses(DataError, "X must be", "of one size", "another size by themselves"):
        explainer_of(lambda X: X.mean(axis=(1, 2, 3)), method=method, window=2, stride=2).fit(images)


@pytest.mark.parametrize("kind", [list, tuple])
def test_list_of_images_equals_array(kind):
    images = np.random.default_rng(0).random((2, 4, 4))
    explainer = explainer_of(lambda X: X.mean(axis=(1, 2)), window=2, stride=2).fit(kind(images))
    result = explainer.explain(kind(images))
    np.testing.assert_array_equal(result.values, explainer.explain(images).values)
