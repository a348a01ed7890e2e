"""Rows with features of their own: texts, and images that are segmented one by one."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from agnostix import Explanation, KernelShapExplainer
from agnostix.core.masking import SegmentMasker, TextMasker
from agnostix.exceptions import DataError
from agnostix.testing import CountingModel
from tests.common.reviews import reviews, train
from tests.messages import refuses
from tests.reference import shapley as ref
from tests.reference import texts as ref_texts
from tests.reference.pictures import put_together

WORDS = [f"w{j}" for j in range(150)]
SCORES = dict(zip(WORDS, np.random.default_rng(0).normal(size=150).round(3).tolist(), strict=True))


def additive(texts):
    """Scores of the words, summed in one order of the words; an unknown word has none."""
    return [sum(SCORES.get(word, 0.0) for word in sorted(text.split())) for text in texts]


def entangled(texts):
    """Two outputs in which words interact."""
    actual = np.zeros((len(texts), 2))
    for i, text in enumerate(texts):
        numbers = sorted(int(word[1:]) for word in text.split() if word in SCORES)
        actual[i] = len(set(numbers)) ** 2, sum(a * b % 7 for a, b in pairwise(numbers))
    return actual


def text_of(n_words, seed=0):
    rng = np.random.default_rng([n_words, seed])
    return " ".join(rng.permutation(WORDS)[:n_words])


def same(one, other):
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


def same_row(exp, row, alone):
    """One row of many has the bits of the row by itself, and more places."""
    n = alone.values.shape[1]
    for name in ("values", "std_errors"):
        np.testing.assert_array_equal(getattr(exp, name)[row, :n], getattr(alone, name)[0])
    for name in ("base_values", "outputs"):
        np.testing.assert_array_equal(getattr(exp, name)[row], getattr(alone, name)[0])
    assert np.isnan(exp.values[row, n:]).all()
    assert (exp.std_errors[row, n:] == 0).all()
    assert alone.extras["evaluations"].array[0] == exp.extras["evaluations"].array[row]
    assert alone.extras["kernel"].array[0] == exp.extras["kernel"].array[row]


@given(
    X=st.lists(st.lists(st.sampled_from(WORDS[:30]), min_size=1, max_size=20), min_size=1, max_size=4),
    bow=st.booleans(),
)
def test_values_of_additive_text_model_are_word_scores(X, bow):
    texts = [" ".join(words) for words in X]
    explainer = KernelShapExplainer(additive, masker=TextMasker(bow=bow), budget=64, random_state=0)
    exp = explainer.fit([text_of(3)]).explain(texts)
    for i, words in enumerate(X):
        players = list(dict.fromkeys(words)) if bow else words
        expected = [SCORES[word] * (words.count(word) if bow else 1) for word in players]
        np.testing.assert_allclose(exp.values[i, : len(players), 0], expected, rtol=0, atol=1e-11)
        assert np.isnan(exp.values[i, len(players) :]).all()
        assert (exp.std_errors[i, len(players) :] == 0).all()
        is_sampled = exp.extras["evaluations"].array[i] < 2 ** len(players)
        assert (exp.std_errors[i, : len(players)] > 0).all() == is_sampled
    np.testing.assert_array_equal(exp.base_values, 0.0)
    assert exp.check_additivity() < 1e-11


def test_values_of_words_match_definition():
    text = "w3 w1 w3 w9"
    exp = KernelShapExplainer(entangled, masker=TextMasker()).fit([text]).explain([text, "w2 w5"])

    def value(known):
        return entangled([ref_texts.hidden(text, [j in known for j in range(3)], True, "")])[0]

    for output in range(2):
        expected = ref.shapley(lambda known, j=output: value(known)[j], 3)
        np.testing.assert_allclose(exp.values[0, :, output], expected, rtol=0, atol=1e-12)
    assert np.isnan(exp.values[1, 2]).all()
    np.testing.assert_array_equal(exp.outputs, entangled([text, "w2 w5"]))
    assert exp.extras["evaluations"].array.tolist() == [8, 4]
    assert exp.n_model_rows == 12


def bands(picture):
    """As many segments as the first pixel says."""
    return np.arange(picture[..., 0].size).reshape(picture.shape[:2]) % int(picture.flat[0])


def of_bands(*counts):
    X = np.random.default_rng(3).random((len(counts), 5, 6, 2))
    X[:, 0, 0, 0] = counts
    return X


FACTORS = np.random.default_rng(4).normal(size=(5, 6, 2))


def linear(X):
    """Each picture's own sum, whatever pictures are beside it."""
    return np.array([float((np.asarray(x, dtype=float) * FACTORS).sum()) for x in X])


@pytest.mark.parametrize("fill", ["mean", "segment_mean", "blur", 0.25, [0.5, 0.0]])
def test_values_of_segments_of_linear_model_match_closed_form(fill):
    X, masker = of_bands(3, 20, 12, 14), SegmentMasker(bands, fill=fill, sigma=1.0)
    exp = KernelShapExplainer(linear, masker=masker, tol=None, random_state=0).fit(X[:1]).explain(X)
    fills = np.broadcast_to(masker.read(X).fill[:, 0], X.shape)
    assert exp.values.shape == (4, 20, 1)
    for i, n in enumerate([3, 20, 12, 14]):
        gain = (FACTORS * (X[i] - fills[i])).sum(axis=2)
        expected = [gain[bands(X[i]) == j].sum() for j in range(n)]
        np.testing.assert_allclose(exp.values[i, :n, 0], expected, rtol=0, atol=1e-11)
        assert np.isnan(exp.values[i, n:]).all()
    np.testing.assert_allclose(exp.base_values[:, 0], linear(fills), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(exp.extras["segments"].array, [bands(x) for x in X])
    n_varying = masker.read(X).varying.sum(axis=1)  # a segment of one pixel is its own mean
    assert n_varying.tolist() == ([3, 10, 12, 14] if fill == "segment_mean" else [3, 20, 12, 14])
    assert exp.extras["evaluations"].array.tolist() == [2**n if n <= 12 else 512 for n in n_varying]
    assert exp.extras["kernel"].array.tolist() == ["exact" if n <= 12 else "row" for n in n_varying]


class Composing:
    """A model that puts pictures together itself."""

    def __call__(self, X):
        return linear(X)

    def predict_masked(self, X, masks, fill, labels):
        mixed = put_together(X, masks, fill, labels)
        return linear(mixed.reshape(-1, *X.shape[1:])).reshape(*mixed.shape[:3])


@pytest.mark.parametrize("fill", ["mean", "segment_mean", "blur", 0.25])
def test_mask_composer_with_segments_per_image_same_bits(fill):
    X, masker = of_bands(3, 14, 5), SegmentMasker(bands, fill=fill)
    plain, composed = (
        KernelShapExplainer(model, masker=masker, random_state=0).fit(X).explain(X)
        for model in (linear, Composing())
    )
    same(composed, plain)


CASES = {
    "texts": (entangled, TextMasker(), [text_of(n) for n in (3, 30, 14, 3, 80, 30)]),
    "places": (entangled, TextMasker(bow=False), [text_of(n) for n in (3, 30, 14, 3, 80, 30)]),
    "pictures": (linear, SegmentMasker(bands), of_bands(3, 20, 14, 3, 30, 20)),
}
cases = pytest.mark.parametrize(("model", "masker", "X"), CASES.values(), ids=CASES)


@cases
@pytest.mark.parametrize("tol", [None, 0.05])
def test_bits_of_row_ignore_other_rows(model, masker, X, tol):
    explainer = KernelShapExplainer(model, masker=masker, tol=tol, random_state=0, budget=200).fit(X[:2])
    exp = explainer.explain(X)
    for row in range(6):
        same_row(exp, row, explainer.explain([X[row]]))
    same(exp[[4, 1]], explainer.explain([X[4], X[1]]))
    assert explainer.cost(X) >= exp.n_model_rows
    assert exp.check_additivity() < 1e-9 * np.abs(exp.outputs).max()


@cases
def test_same_bits_for_any_n_jobs_and_working_memory(model, masker, X):
    explainer = KernelShapExplainer(model, masker=masker, random_state=0, budget=200).fit(X)
    exp = explainer.explain(X)
    with config_context(working_memory=0):
        same(explainer.explain(X), exp)
    same(explainer.set_params(n_jobs=2).explain(X), exp)


@cases
def test_explanation_does_not_depend_on_rows_of_fit(model, masker, X):
    """More features than any row of fit, or fewer: only the seed counts."""
    small = KernelShapExplainer(model, masker=masker, random_state=0).fit([X[0]])
    large = KernelShapExplainer(model, masker=masker, random_state=0).fit([X[4]])
    same(small.explain(X), large.explain(X))
    assert (small.budget_, small.kernel_) == (8, "exact")
    assert large.budget_ == max(512, 8 * len(large.features_.names))


def test_equal_texts_are_evaluated_once():
    model = CountingModel(lambda texts: np.array(additive(texts)))
    explainer = KernelShapExplainer(model, masker=TextMasker()).fit(["w1"])
    before = model.n_rows
    exp = explainer.explain(["w1 w2", "w3", "w1 w2"])
    assert model.n_rows - before == exp.n_model_rows == 4 + 2
    same(exp[[2]], exp[[0]])


def test_word_equal_to_mask_token_is_not_varying():
    masker = TextMasker(mask_token="w2")
    exp = KernelShapExplainer(additive, masker=masker).fit(["w1"]).explain(["w1 w2 w3", "w2"])
    assert exp.extras["evaluations"].array.tolist() == [4, 1]
    assert exp.values[0, 1, 0] == exp.values[1, 0, 0] == 0.0
    assert np.isnan(exp.values[1, 1:]).all()


def test_kernel_auto_is_own_for_every_number_of_words():
    texts = [text_of(n) for n in (5, 64, 65, 140)]
    explainer = KernelShapExplainer(entangled, masker=TextMasker(), random_state=0).fit(texts)
    exp = explainer.explain(texts)
    assert exp.extras["kernel"].array.tolist() == ["exact", "row", "row", "row"]
    assert exp.extras["evaluations"].array.tolist() == [32, 512, 520, 1120]
    assert explainer.kernel_ == "row"
    assert np.isfinite(exp.std_errors).all()
    assert exp.check_additivity() < 1e-8


@pytest.mark.parametrize("kernel", ["row", "none"])
def test_std_errors_cover_exact_values_with_either_kernel(kernel):
    """All coalitions of 13 words are known; sampled values are within a few of their own errors."""
    text = text_of(13)
    exact = KernelShapExplainer(entangled, masker=TextMasker(), budget=2**13).fit([text]).explain([text])
    n_within, n = 0, 0
    for seed in range(5):
        explainer = KernelShapExplainer(
            entangled, masker=TextMasker(), budget=120, kernel=kernel, random_state=seed
        )
        exp = explainer.fit([text_of(2)]).explain([text])
        assert exp.extras["kernel"].array.tolist() == [kernel]
        assert (exp.std_errors[0] > 0).all()
        n_within += (np.abs(exp.values - exact.values) <= 1.96 * exp.std_errors + 1e-9).sum()
        n += exp.values.size
    assert n_within / n > 0.85


def test_kernel_pooled_refused_for_features_per_row():
    model = CountingModel(additive)
    facts = ["'kernel' parameter of KernelShapExplainer", "'auto', 'row' or 'none'", "masker", "got 'pooled'"]
    with refuses(DataError, *facts):
        KernelShapExplainer(model, masker=TextMasker(), kernel="pooled").fit(["a"])
    assert model.n_rows == 0


def test_budget_too_small_for_longer_text_refused_before_predict():
    model = CountingModel(lambda texts: np.array(additive(texts)))
    explainer = KernelShapExplainer(model, masker=TextMasker(), budget=40).fit([text_of(19)])
    numbers = "at least 42", "20 features", "got 40"
    facts = ["'budget' parameter of KernelShapExplainer", "'auto'", *numbers, "masker"]
    before = model.n_rows
    for call in (explainer.explain, explainer.cost):
        with refuses(DataError, *facts):
            call([text_of(3), text_of(20)])
    assert model.n_rows == before
    with refuses(DataError, *facts):
        explainer.fit([text_of(20)])
    assert (
        explainer.set_params(budget=42).fit([text_of(20)]).explain([text_of(20)]).extras["evaluations"].array
        == 42
    )


@pytest.mark.parametrize(("model", "masker", "X"), [CASES["texts"], CASES["pictures"]])
def test_transform_refuses_features_per_row(model, masker, X):
    counting = CountingModel(model)
    explainer = KernelShapExplainer(counting, masker=masker).fit(X[:1])
    before = counting.n_rows
    for call in (lambda: explainer.transform(X), explainer.get_feature_names_out):
        with refuses(
            DataError, "KernelShapExplainer", "columns", "explain(X).values", "SegmentMasker('grid')"
        ):
            call()
    assert counting.n_rows == before


@pytest.mark.parametrize("segments", ["grid", np.arange(30).reshape(5, 6) % 4])
def test_transform_of_shared_segments(segments):
    X = of_bands(3, 5)
    explainer = KernelShapExplainer(linear, masker=SegmentMasker(segments, n_segments=4)).fit(X)
    assert explainer.get_feature_names_out().tolist() == [f"segment {j}" for j in range(4)]
    np.testing.assert_array_equal(explainer.transform(X), explainer.explain(X).values[:, :, 0])
    assert explainer.n_features_in_ == 60


def test_explain_refuses_grid_of_other_size():
    def brightness(X):
        return X.mean(axis=(1, 2))

    explainer = KernelShapExplainer(brightness, masker=SegmentMasker(n_segments=9)).fit(np.ones((1, 3, 3)))
    for call in (explainer.explain, explainer.cost, explainer.transform):
        with refuses(DataError, "4 features", "fit had 9", "fit again"):
            call(np.ones((1, 2, 2)))
    assert explainer.explain(np.eye(6)[None]).values.shape == (1, 9, 1)


@pytest.fixture(scope="module")
def trained():
    return train()


def test_text_pipeline_is_explained_by_words(trained, tmp_path):
    X = [
        *reviews()[0][:12],
        "Great food, and the staff was lovely, great, but for one rude waiter who was awful",
    ]
    explainer = KernelShapExplainer(trained, masker=TextMasker(), random_state=0).fit(X)
    exp = explainer.explain(X)
    assert exp.output_names == ("bad", "good")
    np.testing.assert_allclose(exp.outputs, trained.predict_proba(X), rtol=1e-12)
    np.testing.assert_allclose(exp.base_values, trained.predict_proba([""] * 13), rtol=1e-12)
    assert exp.check_additivity() < 1e-10
    for i, words in enumerate(exp.extras["words"].array):
        value = dict(zip(words, exp.values[i, :, 1], strict=True))
        assert all(value[word] > 0 for word in ("great", "lovely", "fresh") if word in value)
        assert all(value[word] < 0 for word in ("awful", "stale", "rude") if word in value)
    assert exp.values[12, exp.extras["words"].array[12].tolist().index("who"), 1] == pytest.approx(
        0.0, abs=0.02
    )
    assert exp.data.tolist() == X
    check_stored(exp, tmp_path / "texts.npz")
    same(pickle.loads(pickle.dumps(explainer)).explain(X), exp)
    same(clone(explainer).fit(X).explain(X), exp)
    words = exp.extras["words"].array
    assert exp.to_frame().shape == ((words != "").sum() * 2, 6)
    assert np.isnan(exp.values[words == ""]).all()  # which the frame leaves out


def check_stored(exp, path):
    exp.save(path)
    loaded = Explanation.load(path)
    same(loaded, exp)
    assert loaded.data.dtype == exp.data.dtype
    np.testing.assert_array_equal(loaded.data, exp.data)
    assert set(loaded.extras) == set(exp.extras)
    for name, value in exp.extras.items():
        np.testing.assert_array_equal(loaded.extras[name], value)
    np.testing.assert_array_equal(loaded[[1, 0]].data, exp.data[[1, 0]])


def test_storage_keeps_segments_of_images(tmp_path):
    X = of_bands(3, 5)
    exp = KernelShapExplainer(linear, masker=SegmentMasker(bands)).fit(X).explain(X)
    check_stored(exp, tmp_path / "pictures.npz")
    np.testing.assert_array_equal(exp[[1]].extras["segments"].array[0], bands(X[1]))


def test_unfitted_text_pipeline_is_fitted():
    texts, y = reviews()
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0))
    exp = KernelShapExplainer(model, masker=TextMasker()).fit(texts, y).explain(texts[:2])
    np.testing.assert_allclose(exp.outputs, model.fit(texts, y).predict_proba(texts[:2]), rtol=1e-12)


def test_text_pipeline_on_frame_gets_frame():
    texts, y = reviews()
    X = pd.DataFrame({"review": texts})
    columns = ColumnTransformer([("words", TfidfVectorizer(), "review")])
    model = make_pipeline(columns, Ridge()).fit(X, y == "good")
    exp = KernelShapExplainer(model, masker=TextMasker()).fit(X).explain(X.head(3))
    np.testing.assert_allclose(exp.outputs[:, 0], model.predict(X.head(3)), rtol=1e-12)
    two = make_pipeline(Ridge()).fit(pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 2.0]}), [0.0, 1.0])
    with refuses(DataError, "1 columns", "model Ridge", "fitted on 2: a, b"):
        KernelShapExplainer(two, masker=TextMasker()).fit(X)


def halves():
    """Two flat halves of a picture."""
    picture = np.zeros((24, 24, 3))
    picture[:, 11:] = [1.0, 0.5, 0.25]
    return picture


def photo():
    """Soft shapes in bytes, from 0 to 255."""
    picture = gaussian_filter(np.random.default_rng(0).random((40, 30, 3)), (3, 3, 0))
    return (np.rint((picture - picture.min()) * 255 / np.ptp(picture))).astype(np.uint8)


def test_slic_segments_end_at_edges():
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    labels = SegmentMasker("slic", n_segments=8).read(halves()[None]).labels[0]
    left, right = (set(half.ravel()) for half in np.split(labels, [11], axis=1))
    assert not left & right
    assert 4 <= labels.max() + 1 <= 16


def test_quickshift_segments_match_lime():
    segmentation = pytest.importorskip("skimage.segmentation", reason="scikit-image is not installed")
    labels = segmentation.quickshift(photo(), kernel_size=4, max_dist=200, ratio=0.2, rng=0)
    actual = SegmentMasker("quickshift").read(photo()[None]).labels[0]
    np.testing.assert_array_equal(actual, np.unique(labels, return_inverse=True)[1].reshape(40, 30))


@pytest.mark.parametrize("segments", ["slic", "quickshift"])
def test_segments_ignore_units_and_other_images(segments):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    masker = SegmentMasker(segments, n_segments=20)
    rows = masker.read(np.stack([photo(), photo()[::-1, :, ::-1]]))
    for X in (photo(), photo() / 255.0, 4.0 * photo() - 512.0, photo().astype(np.int64)):
        np.testing.assert_array_equal(masker.read(X[None]).labels[0], rows.labels[0])
    again = masker.read(np.stack([photo()[::-1, :, ::-1], photo()]))
    np.testing.assert_array_equal(again.labels, rows.labels[::-1])
    for row in range(2):
        n_segments = int(rows.present[row].sum())
        assert set(rows.labels[row].ravel()) == set(range(n_segments))
        assert n_segments > 1


@pytest.mark.filterwarnings("ignore:.* is a single segment to:UserWarning")
@pytest.mark.parametrize("segments", ["slic", "quickshift"])
@pytest.mark.parametrize(
    "shape", [(20, 16), (20, 16, 1), (20, 16, 2), (20, 16, 4), (1, 1), (1, 9, 3), (2, 2, 3)]
)
def test_segments_of_images_of_any_channels_and_size(segments, shape):
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    X = np.random.default_rng(0).random((2, *shape))
    X[1] = 0.5
    masker = SegmentMasker(segments, n_segments=6)
    rows = masker.read(X)
    assert rows.labels.shape == (2, *shape[:2])
    exp = KernelShapExplainer(lambda X: X.reshape(len(X), -1).sum(axis=1), masker=masker).fit(X).explain(X)
    assert exp.check_additivity() < 1e-9
