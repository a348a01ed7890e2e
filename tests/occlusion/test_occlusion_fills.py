"""Fills of hidden parts of images."""

import pickle

import numpy as np
import pytest
from sklearn import config_context

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer
from agnostix.core.masking import Inpainter, SegmentMasker
from agnostix.core.masking.fills import noise_fills
from agnostix.exceptions import DataError
from agnostix.testing.checks_execution import peak_mb
from tests.messages import refuses
from tests.occlusion.explainers import explainer_of
from tests.reference.pictures import occlude_windows

RNG = np.random.default_rng(5)
IMAGES = RNG.random((6, 7, 9, 3))
WEIGHTS = RNG.normal(size=(7, 9, 3))
LABELS = np.add.outer(np.arange(7) // 4 * 3, np.arange(9) // 3)


def linear(X):
    return (X * WEIGHTS).reshape(len(X), -1).sum(axis=1)


def bent(X):
    scores = linear(np.asarray(X, dtype=float))
    return np.stack([np.tanh(scores), scores**2], axis=1)


def explained(model=bent, **params):
    explainer = explainer_of(model, random_state=0, **params)
    return explainer.fit(IMAGES).explain(IMAGES[:2])


def sampled(n):
    """The images that a background of n is made of."""
    explainer = explainer_of(linear, method="segments", fill="draws", background_size=n, random_state=0)
    return explainer.fit(IMAGES)._masker.fill


def test_segments_with_fill_draws_match_loop():
    exp = explained(method="segments", fill="draws", background_size=4)
    others = sampled(4)
    assert len(others) == 4
    assert all((other == IMAGES).all(axis=(1, 2, 3)).any() for other in others)
    grid = exp.extras["segments"].array[0]
    for i, image in enumerate(IMAGES[:2]):
        for segment in range(exp.values.shape[1]):
            hidden = (grid == segment)[..., None]
            predictions = bent(np.where(hidden, others, image))
            np.testing.assert_allclose(
                exp.values[i, segment], exp.outputs[i] - predictions.mean(0), atol=1e-12
            )
            error = predictions.std(0, ddof=1) / 2.0 * np.sqrt(1.0 - 4 / len(IMAGES))
            np.testing.assert_allclose(exp.std_errors[i, segment], error, atol=1e-12)
        np.testing.assert_allclose(exp.base_values[i], bent(others).mean(0), atol=1e-12)
    assert exp.params["fill"] == "draws"
    assert exp.extras["background_size"] == 4
    assert exp.n_model_rows == 2 * (1 + 4 * exp.values.shape[1] + 4)


@pytest.mark.parametrize("fill", ["draws", "noise", "array"])
def test_windows_average_over_fill_images(fill):
    fills = IMAGES[2:5] if fill == "array" else fill
    exp = explained(window=3, stride=2, fill=fills, background_size=3)
    for i, image in enumerate(IMAGES[:2]):
        others = {"draws": sampled(3), "array": IMAGES[2:5]}.get(fill)
        others = noise_fills(image[None], 3, 0)[0] if others is None else others
        result = [occlude_windows(bent, image, other, (3, 3), (2, 2))[0] for other in others]
        np.testing.assert_allclose(exp.values[i], np.mean(result, axis=0), atol=1e-12)
        left = 1.0 - 3 / len(IMAGES) if fill == "draws" else 1.0
        error = np.std(result, axis=0, ddof=1) / np.sqrt(3) * np.sqrt(left)
        np.testing.assert_allclose(exp.std_errors[i], error, atol=1e-12)
    np.testing.assert_array_equal(exp.extras["degrees_of_freedom"].array, 2.0)
    description = {"draws": exp.params["fill"], "array": exp.params["masker"]}.get(fill, exp.params["masker"])
    assert {"array": "fill=3 images", "noise": "fill='noise'"}.get(fill, fill) in description


def test_windows_std_errors_of_linear_model_match_closed_form():
    exp = explained(linear, window=1, stride=1, fill="draws", background_size=5)
    others = sampled(5)
    gap = (IMAGES[:2] - others.mean(axis=0)) * WEIGHTS
    np.testing.assert_allclose(exp.values[..., 0], gap.sum(axis=-1), atol=1e-12)
    spread = (others * WEIGHTS).sum(axis=-1).std(axis=0, ddof=1) / np.sqrt(5)
    spread *= np.sqrt(1.0 - 5 / len(IMAGES))
    np.testing.assert_allclose(exp.std_errors[..., 0], np.stack([spread, spread]), atol=1e-12)
    mean = exp.aggregate(how="mean")  # both images share the draws, whose error does not average out
    rows = (exp.values[0] - exp.values[1]) / 2
    np.testing.assert_allclose(mean.std_errors, np.hypot(rows, spread[..., None]), atol=1e-12)


def test_windows_with_fill_inpaint_match_loop():
    exp = explained(window=(3, 4), stride=2, fill="inpaint")
    for i, image in enumerate(IMAGES[:2]):
        inpainter = Inpainter(image, 0)
        corners = [(a, b) for a in range(0, 5, 2) for b in range(0, 7, 2)]
        effects = []
        for down, right in corners:
            hidden = np.zeros((7, 9), dtype=bool)
            hidden[down : down + 3, right : right + 4] = True
            effects.append(exp.outputs[i] - bent(inpainter.filled(hidden)[None])[0])
        np.testing.assert_allclose(exp.extras["windows"].array[i], effects, atol=1e-12)
        gone = bent(inpainter.filled(np.ones((7, 9), dtype=bool))[None])[0]
        np.testing.assert_allclose(exp.base_values[i], gone, atol=1e-12)
    assert (exp.std_errors == 0).all()
    assert "fill='inpaint'" in exp.params["masker"]
    explainer = explainer_of(bent, window=(3, 4), stride=2, fill="inpaint").fit(IMAGES)
    assert explainer.cost(IMAGES[:2]) == exp.n_model_rows == 2 * (2 + len(corners))


def test_segments_with_fill_inpaint_match_loop():
    explainer = OcclusionExplainer(bent, masker=SegmentMasker(LABELS, "inpaint"), random_state=0)
    exp = explainer.fit(IMAGES).explain(IMAGES[:2])
    inpainter = Inpainter(IMAGES[0], 0)
    for segment in range(6):
        prediction = bent(inpainter.filled(segment == LABELS)[None])[0]
        np.testing.assert_allclose(exp.values[0, segment], exp.outputs[0] - prediction, atol=1e-12)


@pytest.mark.parametrize("fill", ["draws", "noise", "inpaint"])
@pytest.mark.parametrize("method", ["window", "segments"])
def test_fills_same_bits_for_any_n_jobs_and_rows(fill, method):
    params = {"method": method, "window": 3, "stride": 2, "fill": fill, "background_size": 3}
    exp = explained(**params)
    again = explained(**params, n_jobs=2)
    explainer = explainer_of(bent, random_state=0, **params).fit(IMAGES)
    alone = explainer.explain(IMAGES[[1]])
    for name in ("values", "std_errors", "base_values"):
        np.testing.assert_array_equal(getattr(again, name), getattr(exp, name))
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(exp, name)[1])


def test_rise_accepts_one_noise_image_and_blur():
    exp = explained(method="rise", n_masks=32, n_cells=2, fill="noise")
    other = noise_fills(IMAGES[:1], 1, 0)[0, 0]
    same = explained(method="rise", n_masks=32, n_cells=2, fill=other[None])
    np.testing.assert_allclose(exp.values[0], same.values[0], atol=1e-12)
    sharp, soft = (explained(method="rise", n_masks=32, n_cells=2, fill="blur", sigma=s) for s in (0.1, 3.0))
    assert np.abs(sharp.values).max() < 0.1 * np.abs(soft.values).max()


@pytest.mark.parametrize(
    ("fill", "facts"),
    [
        ("draws", ("'fill'", "'noise'", "got 'draws'")),
        (IMAGES[:2], ("one fill image", "got 2", "fill=images[:1]")),
        ("inpaint", ("'fill'", "'noise'", "got 'inpaint'")),
    ],
    ids=["draws", "array", "inpaint"],
)
def test_soft_masks_refuse_several_fills(fill, facts):
    with refuses(DataError, "RiseExplainer", *facts):
        RiseExplainer(bent, fill=fill).fit(IMAGES)


@pytest.mark.parametrize("method", ["window", "segments"])
def test_fill_draws_keep_sample_weight(method):
    weight = np.array([0.0, 1.0, 2.0, 0.0, 3.0, 0.0])
    explainer = explainer_of(linear, method=method, window=1, stride=1, fill="draws")
    exp = explainer.fit(IMAGES, sample_weight=weight).explain(IMAGES[:2])
    np.testing.assert_array_equal(explainer.background_, IMAGES[[1, 2, 4]])
    middle = np.average(IMAGES, axis=0, weights=weight)
    np.testing.assert_allclose(exp.base_values[:, 0], linear(middle[None])[0], atol=1e-12)
    gap = ((IMAGES[:2] - middle) * WEIGHTS).sum(axis=-1)
    if method == "window":
        np.testing.assert_allclose(exp.values[..., 0], gap, atol=1e-12)
    else:
        np.testing.assert_allclose(exp.values.sum(axis=(1, 2)), gap.sum(axis=(1, 2)), atol=1e-12)


@pytest.mark.parametrize("fill", ["mean", "blur", "noise", 0.25, IMAGES[3:4]], ids=str)
@pytest.mark.parametrize("method", ["window", "segments", "rise"])
def test_extras_fill_holds_single_fill(fill, method):
    params = {"window": 7, "stride": 7, "n_masks": 32, "n_cells": 2, "background_size": 1}
    exp = explained(method=method, fill=fill, **params)
    fills = np.broadcast_to(exp.extras["fill"].array, (2, 7, 9, 3))
    if method != "rise":
        np.testing.assert_allclose(exp.base_values, bent(fills), atol=1e-12)
    np.testing.assert_array_equal(exp[[1]].extras["fill"].array, exp.extras["fill"].array[[1]])


@pytest.mark.parametrize("params", [{"fill": "draws"}, {"fill": "inpaint"}, {"fill": IMAGES[:2]}], ids=str)
def test_extras_fill_absent_for_several_fills(params):
    assert "fill" not in explained(window=3, stride=2, **params).extras


def test_fill_draws_of_table_equals_auto():
    table = RNG.random((30, 3))
    one, two = (
        OcclusionExplainer(lambda X: X[:, 0] * X[:, 1], fill=fill, random_state=1).fit(table).explain(table)
        for fill in ("auto", "draws")
    )
    np.testing.assert_array_equal(one.values, two.values)


@pytest.mark.parametrize("kind", [OcclusionExplainer, KernelShapExplainer])
def test_fill_noise_peak_memory_is_below_all_images(kind):
    X = RNG.random((12, 32, 32, 3))
    masker = SegmentMasker(n_segments=4, fill="noise", n_draws=20)
    explainer = kind(lambda X: X[:, 3, 4, 0], masker=masker).fit(X[:2])
    with config_context(working_memory=1.0):
        explainer.explain(X[:2])  # what is imported and set up once is not counted
        assert peak_mb(lambda: explainer.explain(X)) < 12 * 20 * X[0].nbytes / 2**20 / 2


def test_fill_draws_are_pickled_without_model():
    explainer = explainer_of(bent, window=3, stride=2, fill="draws", random_state=0).fit(IMAGES)
    again = pickle.loads(pickle.dumps(explainer.without_model())).attach(bent)
    expected = explainer.explain(IMAGES[:1])
    np.testing.assert_array_equal(again.explain(IMAGES[:1]).values, expected.values)


def test_fill_refused_for_other_shape_or_dtype():
    with refuses(DataError, "'fill' of SlidingWindow", "(7, 8, 3)", "X", "(7, 9, 3)", "Resize"):
        explainer_of(bent, window=3, stride=2, fill=IMAGES[:2, :, :8]).fit(IMAGES)
    with refuses(DataError, "'fill' of SlidingWindow", "type uint8", "cannot hold"):
        explainer_of(bent, window=3, stride=2, fill=IMAGES[:2]).fit((255 * IMAGES).astype(np.uint8))


def test_kernel_shap_averages_over_fills_and_lime_refuses():
    masker = SegmentMasker(LABELS, IMAGES[2:5])
    exp = KernelShapExplainer(linear, masker=masker).fit(IMAGES).explain(IMAGES[:1])
    gap = ((IMAGES[0] - IMAGES[2:5].mean(axis=0)) * WEIGHTS).sum(axis=-1)
    expected = [gap[segment == LABELS].sum() for segment in range(6)]
    np.testing.assert_allclose(exp.values[0, :, 0], expected, atol=1e-9)
    for fill in ("noise", "inpaint"):
        shapley = (
            KernelShapExplainer(linear, masker=SegmentMasker(LABELS, fill)).fit(IMAGES).explain(IMAGES[:1])
        )
        assert shapley.check_additivity() < 1e-9
    with refuses(DataError, "'masker' of LimeExplainer", "3 background rows"):
        LimeExplainer(linear, masker=masker).fit(IMAGES)
    lime = LimeExplainer(linear, masker=SegmentMasker(LABELS, "inpaint"), random_state=0).fit(IMAGES)
    inpainted = lime.explain(IMAGES[:1])
    assert inpainted.values.shape == (1, 6, 1)
    assert (inpainted.fidelity["r2"] > 0.5).all()
