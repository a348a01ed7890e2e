"""LimeExplainer on images and texts: closed forms over all masks, features of each row, and lime."""

import math
import pickle
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from agnostix import Explanation, LimeExplainer
from agnostix.core.masking import Features, SegmentMasker, TabularMasker, TextMasker
from agnostix.exceptions import DataError
from agnostix.lime import KernelSampling, TiltedSampling
from agnostix.testing import CountingModel
from tests.common.reviews import reviews, train
from tests.messages import assert_states, refuses
from tests.reference import lime as ref
from tests.reference.pictures import put_together

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* is a single segment to:UserWarning"
)  # of which one is tested

DISTRIBUTION = {"picture": "bernoulli", "text": "sizes"}
SAMPLINGS = {"kernel": KernelSampling, "tilted": TiltedSampling}
PICTURES = 1.0 + np.random.default_rng(0).random((3, 8, 8))  # nowhere 0, which is the fill


def grid_of(n):
    return SegmentMasker(n_segments=n, fill=0.0)


def segments_on(pictures, n):
    """Which segments of a grid are not hidden: (n_rows, n)."""
    labels = grid_of(n).read(pictures[:1]).labels[0]
    return np.stack([(pictures[:, labels == j] != 0.0).all(axis=1) for j in range(labels.max() + 1)], axis=1)


class PictureModel:
    """Sums of values times products of segments that are there."""

    def __init__(self, n_segments, *outputs):
        self.n_segments, self.outputs = n_segments, outputs

    def __call__(self, pictures):
        on = segments_on(np.asarray(pictures), self.n_segments)
        return np.stack(
            [sum(v * on[:, sorted(m)].all(axis=1) for v, m in one) for one in self.outputs], axis=1
        )


class TextModel:
    """The same of words w0, w1, ..."""

    def __init__(self, *outputs):
        self.outputs = outputs

    def __call__(self, texts):
        words = [set(text.split()) for text in texts]
        return np.array(
            [[sum(v for v, m in one if {f"w{j}" for j in m} <= w) for one in self.outputs] for w in words]
        )


def limit(products, d, n, distribution, penalty=1.0, width=0.25, weighted=True):
    """The surrogate of a sum of products, on infinitely many masks with the total weight of n."""
    alphas = ref.mask_alphas(d, width, distribution)
    a1, a2 = alphas[1] / alphas[0], alphas[2] / alphas[0]
    seconds = [[a1 if i == j else a2 for j in range(d)] for i in range(d)]
    mean, crossed, square = 0.0, np.zeros(d), 0.0
    for value, members in products:
        covariances, share = ref.mask_product(members, d, width, distribution)
        mean += value * share
        crossed += value * (np.array(covariances) + a1 * share)
        for other, more in products:
            square += value * other * ref.mask_product(members | more, d, width, distribution)[1]
    total = n * (alphas[0] if weighted else 1.0)
    row = sum(value for value, _ in products)
    return ref.ridge_of_moments(
        total, [a1] * d, seconds, mean, crossed, square, [1.0] * d, row, penalty, counted=False
    )


OUTPUTS = (
    [(1.0, {0, 2}), (-0.5, {1})],
    [(2.0, {0}), (0.25, {1}), (-1.0, {3})],
)


def explained(kind, d, **parameters):
    """A row of d features explained, and the distribution of its masks."""
    if kind == "picture":
        explainer = LimeExplainer(PictureModel(d, *OUTPUTS), masker=grid_of(d), **parameters)
        return explainer.fit(PICTURES[:1]).explain(PICTURES[:1]), DISTRIBUTION[kind]
    text = " ".join(f"w{j}" for j in range(d))
    explainer = LimeExplainer(TextModel(*OUTPUTS), masker=TextMasker(), **parameters)
    return explainer.fit([text]).explain([text]), DISTRIBUTION[kind]


kinds = pytest.mark.parametrize("kind", ["picture", "text"])
samplings = pytest.mark.parametrize("sampling", ["kernel", "tilted"])


@kinds
@samplings
@pytest.mark.parametrize("how", [{}, {"surrogate": "klasso"}, {"n_samples": 70}, {"width": 0.5}], ids=str)
@pytest.mark.parametrize("d", [4, 6])
def test_all_masks_match_closed_form(kind, sampling, how, d):
    n, width = how.get("n_samples", 1000), how.get("width", 0.25)
    params = {name: value for name, value in how.items() if name != "width"}
    exp, distribution = explained(
        kind, d, sampling=SAMPLINGS[sampling](how.get("width")), random_state=0, **params
    )
    penalty = 0.0 if "surrogate" in how else 1.0
    for k, products in enumerate(OUTPUTS):
        fit = limit(products, d, n, distribution, penalty, width, weighted=sampling == "kernel")
        np.testing.assert_allclose(exp.values[0, :, k], fit.coefficients, atol=1e-10)
        np.testing.assert_allclose(exp.base_values[0, k], fit.intercept, atol=1e-10)
        np.testing.assert_allclose(exp.extras["surrogate_outputs"].array[0, k], fit.prediction, atol=1e-10)
        np.testing.assert_allclose(exp.fidelity["r2"][0, k], fit.r2, atol=1e-9)
    assert exp.extras["n_samples"].array.tolist() == [2**d]
    assert exp.n_model_rows == 2**d + 1
    for errors in (
        exp.std_errors,
        exp.extras["surrogate_std_errors"].array,
        exp.extras["r2_std_errors"].array,
    ):
        assert not errors.any()
    assert (exp.quantity, exp.completeness, exp.method) == ("contribution", "surrogate", "LimeExplainer")
    np.testing.assert_allclose(exp.outputs, [[0.5, 1.25]], atol=1e-12)


@kinds
@samplings
@pytest.mark.parametrize("surrogate", ["ridge", "klasso"])
def test_sampled_masks_within_std_errors_of_closed_form(kind, sampling, surrogate):
    d, off, errors = 16, [], []
    for seed in range(4):
        exp, distribution = explained(kind, d, sampling=sampling, surrogate=surrogate, random_state=seed)
        n = exp.extras["n_samples"].array[0]
        assert n in (960, 961)
        for k, products in enumerate(OUTPUTS[:1]):  # the other is additive, and no error is left of it
            fit = limit(
                products,
                d,
                n,
                distribution,
                1.0 if surrogate == "ridge" else 0.0,
                weighted=sampling == "kernel",
            )
            off += [*(exp.values[0, :, k] - fit.coefficients), exp.fidelity["r2"][0, k] - fit.r2]
            off.append(exp.extras["surrogate_outputs"].array[0, k] - fit.prediction)
            errors += [*exp.std_errors[0, :, k], exp.extras["r2_std_errors"].array[0, k]]
            errors.append(exp.extras["surrogate_std_errors"].array[0, k])
    ratio = np.abs(np.array(off) / np.array(errors))
    assert ratio.max() < 6.0
    assert 0.5 < np.sqrt(np.mean(ratio**2)) < 1.5


@kinds
def test_tilted_sampling_agrees_with_kernel(kind):
    one, other = (
        explained(kind, 16, sampling=s, surrogate="klasso", random_state=3)[0] for s in ("kernel", "tilted")
    )
    apart = np.abs(one.values - other.values)
    assert (apart <= 5.0 * np.hypot(one.std_errors, other.std_errors) + 1e-9).all()
    assert 0.0 < apart.max() < 0.1


@kinds
@samplings
def test_additive_model_without_penalty_is_exact(kind, sampling):
    exp, _ = explained(kind, 16, sampling=sampling, surrogate="klasso", random_state=0)
    expected = np.zeros(16)
    expected[[0, 1, 3]] = [2.0, 0.25, -1.0]
    np.testing.assert_allclose(exp.values[0, :, 1], expected, atol=1e-10)
    # No residual: the error is what a mask that differs, one of so many, would change.
    assert (exp.std_errors[0, :, 1] > 1e-3).all()
    assert (exp.std_errors[0, :, 1] < 0.05).all()
    assert (exp.extras["interval_kind"].array[0, :, 1] == "rule_of_three").all()
    np.testing.assert_allclose(exp.base_values[0, 1], 0.0, atol=1e-10)
    np.testing.assert_allclose(exp.fidelity["r2"][0, 1], 1.0, atol=1e-10)


@pytest.mark.parametrize("surrogate", ["ridge", "klasso"])
def test_text_of_one_word_matches_formula(surrogate):
    exp = LimeExplainer(TextModel([(3.0, {0})]), masker=TextMasker(), surrogate=surrogate).fit(["w0"])
    exp = exp.explain(["w0"])
    kept = 250.0  # 1000 samples, half of them with the word: their squares about the mean
    expected = 3.0 * (kept / (kept + 1.0) if surrogate == "ridge" else 1.0)
    np.testing.assert_allclose(exp.values[0, 0, 0], expected, atol=1e-10)
    assert exp.fidelity["r2"][0, 0] > 0.9999


@kinds
def test_max_features_selects_largest(kind):
    exp, _ = explained(kind, 6, max_features=2, random_state=0)
    assert exp.extras["selected"].array[0].sum(axis=0).tolist() == [2, 2]
    assert exp.extras["selected"].array[0, [0, 3], 1].all()
    assert (exp.values[~exp.extras["selected"].array] == 0.0).all()
    drawn, _ = explained(kind, 16, max_features=3, random_state=0)
    assert drawn.extras["selected"].array[0, [0, 1, 3], 1].all()


@pytest.mark.parametrize("surrogate", ["tree", Ridge(alpha=1e-9)], ids=["tree", "regressor"])
@kinds
def test_surrogate_tree_and_regressor_on_masks(kind, surrogate):
    exp, _ = explained(kind, 6, surrogate=surrogate, random_state=0)
    assert exp.fidelity["r2"][0, 1] > 0.85
    total = exp.base_values + exp.values.sum(axis=1)
    np.testing.assert_allclose(total, exp.extras["surrogate_outputs"].array, atol=1e-10)
    if surrogate != "tree":
        np.testing.assert_allclose(exp.values[0, [0, 1, 3], 1], [2.0, 0.25, -1.0], atol=1e-5)


# ---------------------------------------------------------------- how pictures are cut and filled

FACTORS = np.random.default_rng(4).normal(size=(12, 10, 3))
COLORED = np.random.default_rng(5).random((2, 12, 10, 3))
MAP = np.arange(120).reshape(12, 10) // 35


def linear(X):
    """The sum of each image, which does not depend on the batch."""
    return np.array([float((np.asarray(x, dtype=float) * FACTORS).sum()) for x in X])


def cut_at(picture):
    """Three or four bands, as the first pixel says."""
    return np.arange(120).reshape(12, 10) // (40 if picture[0, 0, 0] < 0.5 else 30)


@pytest.mark.parametrize("fill", ["mean", "segment_mean", "blur", 0.25, [0.5, 0.0, 1.0]], ids=str)
@pytest.mark.parametrize("segments", ["grid", "slic", "quickshift", MAP, cut_at], ids=lambda s: str(s)[:9])
def test_values_of_segments_of_linear_model_match_closed_form(segments, fill):
    if isinstance(segments, str) and segments != "grid":
        pytest.importorskip("skimage", reason="scikit-image is not installed")
    masker = SegmentMasker(segments, fill=fill, n_segments=6, sigma=1.0)
    rows = masker.read(COLORED)
    fills, labels = (
        np.broadcast_to(rows.fill[:, 0], COLORED.shape),
        np.broadcast_to(rows.labels, (2, 12, 10)),
    )
    explainer = LimeExplainer(linear, masker=masker, surrogate="klasso", random_state=0).fit(COLORED)
    exp = explainer.explain(COLORED)
    present = rows.present
    assert exp.values.shape == (2, present.shape[1], 1)
    for i in range(2):
        gain = (FACTORS * (COLORED[i] - fills[i])).sum(axis=2)
        expected = [gain[labels[i] == j].sum() for j in range(present[i].sum())]
        np.testing.assert_allclose(exp.values[i, : len(expected), 0], expected, rtol=0, atol=1e-8)
        assert np.isnan(exp.values[i, len(expected) :]).all()
    np.testing.assert_allclose(exp.base_values[:, 0], linear(fills), rtol=0, atol=1e-8)
    np.testing.assert_array_equal(exp.extras["segments"].array, labels)
    np.testing.assert_array_equal(exp.data, COLORED)


class Composing:
    """A model that composes masked images itself."""

    def __init__(self):
        self.n_masks = 0

    def __call__(self, X):
        return linear(X)

    def predict_masked(self, X, masks, fill, labels):
        self.n_masks += len(X) * len(masks)
        mixed = put_together(X, masks, fill, labels)
        return linear(mixed.reshape(-1, *X.shape[1:])).reshape(*mixed.shape[:3])


@pytest.mark.parametrize("fill", ["mean", "segment_mean", "blur", 0.25])
@pytest.mark.parametrize("n_segments", [4, 20])
def test_mask_composer_same_bits(fill, n_segments):
    model, masker = Composing(), SegmentMasker(fill=fill, n_segments=n_segments)
    plain, composed = (
        LimeExplainer(one, masker=masker, random_state=0).fit(COLORED).explain(COLORED)
        for one in (linear, model)
    )
    same(composed, plain)
    assert model.n_masks == composed.n_model_rows


# ---------------------------------------------------------------- features of each row

DETAILS = ("surrogate_outputs", "surrogate_std_errors", "r2_std_errors", "n_samples", "effective_samples")


def same(one, other):
    for name in ("values", "std_errors", "base_values", "outputs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    np.testing.assert_array_equal(one.fidelity["r2"], other.fidelity["r2"])
    for name in DETAILS:
        np.testing.assert_array_equal(one.extras[name], other.extras[name])


def same_row(exp, row, alone):
    """One row of many has the bits of the row by itself, and more places."""
    n = alone.values.shape[1]
    same(exp.sel(features=exp.feature_names[:n])[[row]], alone)
    assert np.isnan(exp.values[row, n:]).all()
    assert (exp.std_errors[row, n:] == 0).all()


def entangled(texts):
    """Two outputs with interactions of words."""
    found = np.zeros((len(texts), 2))
    for i, text in enumerate(texts):
        numbers = sorted(int(word[1:]) for word in text.split() if word[:1] == "w")
        found[i] = len(set(numbers)) ** 2, sum(a * b % 7 for a, b in pairwise(numbers))
    return found


def text_of(n_words, seed=0):
    rng = np.random.default_rng([n_words, seed])
    return " ".join(f"w{j}" for j in rng.permutation(60)[:n_words])


def bands(picture):
    """As many segments as the first pixel says."""
    return np.arange(picture[..., 0].size).reshape(picture.shape[:2]) % round(100 * picture.flat[0])


def of_bands(*counts):
    X = COLORED[[0] * len(counts)].copy()
    X += np.random.default_rng(9).random(X.shape)
    X[:, 0, 0, 0] = np.array(counts) / 100
    return X


CASES = {
    "texts": (entangled, TextMasker(), [text_of(n) for n in (3, 30, 14, 1, 50, 30)]),
    "places": (entangled, TextMasker(bow=False), [text_of(n) for n in (3, 30, 14, 1, 50, 30)]),
    "pictures": (linear, SegmentMasker(bands), of_bands(3, 20, 14, 1, 30, 20)),
}
cases = pytest.mark.parametrize(("model", "masker", "X"), CASES.values(), ids=CASES)


@cases
@samplings
@pytest.mark.parametrize("surrogate", ["ridge", "klasso", "tree"])
def test_bits_of_row_ignore_other_rows(model, masker, X, sampling, surrogate):
    explainer = LimeExplainer(model, masker=masker, sampling=sampling, surrogate=surrogate, random_state=0)
    exp = explainer.fit(X[:2]).explain(X)
    for row in range(6):
        same_row(exp, row, explainer.explain([X[row]]))
    same(exp[[4, 1]], explainer.explain([X[4], X[1]]))
    assert explainer.cost(X) >= exp.n_model_rows
    assert explainer.n_model_rows_ == 4


@cases
def test_same_bits_for_any_n_jobs_and_working_memory(model, masker, X):
    explainer = LimeExplainer(model, masker=masker, random_state=0).fit(X)
    exp = explainer.explain(X)
    with config_context(working_memory=0):
        same(explainer.explain(X), exp)
    same(explainer.set_params(n_jobs=2).explain(X), exp)


@cases
def test_explanation_does_not_depend_on_rows_of_fit(model, masker, X):
    small = LimeExplainer(model, masker=masker, random_state=0).fit([X[0]])
    large = LimeExplainer(model, masker=masker, random_state=0).fit([X[4]])
    same(small.explain(X), large.explain(X))


@cases
def test_seed_changes_sampled_masks_only(model, masker, X):
    one, other = (LimeExplainer(model, masker=masker, random_state=seed).fit(X).explain(X) for seed in (0, 1))
    same(one[[0, 3]], other[[0, 3]])
    assert (one.values[1] != other.values[1]).any()


def test_equal_texts_are_evaluated_once():
    model = CountingModel(entangled)
    explainer = LimeExplainer(model, masker=TextMasker()).fit(["w1"])
    before = model.n_rows
    texts = ["w1 w2", "w3", "w1 w2"]
    exp = explainer.explain(texts)
    assert model.n_rows - before == exp.n_model_rows == 1 + 4 + 1 + 2
    assert explainer.cost(texts) == 2 * (1 + 4) + 1 + 2
    same(exp[[2]], exp[[0]])


def test_word_equal_to_mask_token_is_no_feature():
    explainer = LimeExplainer(entangled, masker=TextMasker(mask_token="w2"), random_state=0).fit(["w1"])
    exp = explainer.explain(["w1 w2 w3", "w2"])
    assert exp.values[0, 1, 0] == exp.values[1, 0, 0] == 0.0
    assert exp.extras["n_samples"].array.tolist() == [4, 1]
    np.testing.assert_array_equal(exp.base_values[1], exp.outputs[1])
    assert np.isnan(exp.fidelity["r2"][1]).all()
    alone = LimeExplainer(entangled, masker=TextMasker(mask_token="w2"), random_state=0).fit(["w1"])
    same(alone.explain(["w1 w2 w3"]), exp.sel(features=exp.feature_names)[[0]])


# ---------------------------------------------------------------- pipelines of texts, storage


@pytest.fixture(scope="module")
def trained():
    return train()


def test_text_pipeline_is_explained_by_words(trained, tmp_path):
    X = [
        *reviews()[0][:12],
        "Great food, and the staff was lovely, great, but for a rude waiter who was awful",
    ]
    explainer = LimeExplainer(trained, masker=TextMasker(), random_state=0).fit(X)
    exp = explainer.explain(X)
    assert exp.output_names == ("bad", "good")
    np.testing.assert_allclose(exp.outputs, trained.predict_proba(X), rtol=1e-12)
    np.testing.assert_allclose(exp.values[:, :, 0], -exp.values[:, :, 1], atol=1e-10)
    for i, words in enumerate(exp.extras["words"].array):
        value = dict(zip(words, exp.values[i, :, 1], strict=True))
        assert all(value[word] > 0 for word in ("great", "lovely", "fresh") if word in value)
        assert all(value[word] < 0 for word in ("awful", "stale", "rude") if word in value)
    assert exp.data.tolist() == X
    stored(exp, tmp_path / "texts.npz")
    same(pickle.loads(pickle.dumps(explainer)).explain(X), exp)
    same(clone(explainer).fit(X).explain(X), exp)
    bare = explainer.without_model()
    same(pickle.loads(pickle.dumps(bare)).attach(trained).explain(X), exp)
    words = exp.extras["words"].array
    assert exp.to_frame().shape[0] == (words != "").sum() * 2
    assert np.isnan(exp.values[words == ""]).all()  # which the frame leaves out


def stored(exp, path):
    exp.save(path)
    loaded = Explanation.load(path)
    same(loaded, exp)
    np.testing.assert_array_equal(loaded.data, exp.data)
    assert set(loaded.extras) == set(exp.extras)
    for name, value in exp.extras.items():
        np.testing.assert_array_equal(loaded.extras[name], value)


def test_storage_keeps_segments_of_images(tmp_path):
    X = of_bands(3, 5)
    explainer = LimeExplainer(linear, masker=SegmentMasker(bands), random_state=0).fit(X)
    exp = explainer.explain(X)
    stored(exp, tmp_path / "pictures.npz")
    np.testing.assert_array_equal(exp[[1]].extras["segments"].array[0], bands(X[1]))
    same(pickle.loads(pickle.dumps(explainer)).explain(X), exp)


def test_unfitted_text_pipeline_is_fitted():
    texts, y = reviews()
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0))
    exp = LimeExplainer(model, masker=TextMasker(), random_state=0).fit(texts, y).explain(texts[:2])
    np.testing.assert_allclose(exp.outputs, model.fit(texts, y).predict_proba(texts[:2]), rtol=1e-12)


def test_text_pipeline_on_frame_gets_frame():
    texts, y = reviews()
    X = pd.DataFrame({"review": texts})
    columns = ColumnTransformer([("words", TfidfVectorizer(), "review")])
    model = make_pipeline(columns, Ridge()).fit(X, y == "good")
    exp = LimeExplainer(model, masker=TextMasker(), random_state=0).fit(X).explain(X.head(3))
    np.testing.assert_allclose(exp.outputs[:, 0], model.predict(X.head(3)), rtol=1e-12)


def test_outputs_predicted_are_those_of_each_row(trained):
    X = reviews()[0][:4]
    explainer = LimeExplainer(trained, masker=TextMasker(), random_state=0).fit(X)
    exp, predicted = explainer.explain(X), explainer.explain(X, outputs="predicted")
    best = exp.outputs.argmax(axis=1)
    np.testing.assert_array_equal(predicted.values[:, :, 0], exp.values[np.arange(4), :, best])
    assert predicted.extras["predicted"].array.tolist() == trained.predict(X).tolist()


# ---------------------------------------------------------------- lime


def beside(explainer_runs, ours):
    """The means of lime's runs and ours agree, up to both errors and the row itself, which lime counts."""
    runs = np.array(explainer_runs)
    errors = np.hypot(runs.std(0, ddof=1) / math.sqrt(len(runs)), ours.std_errors[0, :, 1])
    off = np.abs(runs.mean(0) - ours.values[0, :, 1])
    assert (off <= 4.0 * errors + 5.0 / 1000).all()
    assert np.abs(ours.values[0, :, 1]).max() > 0.05


def test_texts_agree_with_lime_package(trained):
    lime_text = pytest.importorskip("lime.lime_text", reason="lime is not installed")
    text = "Great food, and the staff was lovely, great, but for a rude waiter who was awful, again"
    ours = (
        LimeExplainer(trained, masker=TextMasker(), n_samples=4000, random_state=0)
        .fit([text])
        .explain([text])
    )
    words = ours.extras["words"].array[0].tolist()
    runs = []
    for seed in range(8):
        peer = lime_text.LimeTextExplainer(random_state=seed)
        peer_exp = peer.explain_instance(
            text, trained.predict_proba, num_features=len(words), num_samples=4000
        )
        runs.append([dict(peer_exp.as_list())[word] for word in words])
    beside(runs, ours)


def test_images_agree_with_lime_package():
    lime_image = pytest.importorskip("lime.lime_image", reason="lime is not installed")
    labels = MAP[:, :, None].repeat(3, axis=2)[..., 0] * 3 + np.arange(10) // 4
    labels = np.unique(labels, return_inverse=True)[1].reshape(12, 10)

    def model(X):
        probability = 1.0 / (1.0 + np.exp(linear(COLORED[:1]) - linear(X)))
        return np.c_[1.0 - probability, probability]

    masker = SegmentMasker(labels, fill="segment_mean")
    ours = LimeExplainer(model, masker=masker, n_samples=1000, random_state=0).fit(COLORED[:1])
    ours = ours.explain(COLORED[:1])
    runs = []
    for seed in range(8):
        peer_exp = lime_image.LimeImageExplainer(random_state=seed).explain_instance(
            COLORED[0],
            model,
            labels=(1,),
            top_labels=None,
            num_samples=1000,
            segmentation_fn=lambda _: labels,
        )
        runs.append([value for _, value in sorted(peer_exp.local_exp[1])])
    beside(runs, ours)


# ---------------------------------------------------------------- columns, and errors


@pytest.mark.parametrize(("model", "masker", "X"), [CASES["texts"], CASES["pictures"]])
def test_transform_refuses_features_per_row(model, masker, X):
    counting = CountingModel(model)
    explainer = LimeExplainer(counting, masker=masker).fit(X[:1])
    before = counting.n_rows
    for ask in (lambda: explainer.transform(X), explainer.get_feature_names_out):
        with refuses(DataError, "LimeExplainer", "columns", "explain(X).values", "SegmentMasker('grid')"):
            ask()
    assert counting.n_rows == before


@pytest.mark.parametrize("segments", ["grid", MAP], ids=["grid", "map"])
def test_transform_of_shared_segments(segments):
    explainer = LimeExplainer(linear, masker=SegmentMasker(segments, n_segments=4), random_state=0)
    explainer.fit(COLORED)
    assert explainer.get_feature_names_out().tolist() == [f"segment {j}" for j in range(4)]
    np.testing.assert_array_equal(explainer.transform(COLORED), explainer.explain(COLORED).values[:, :, 0])
    assert explainer.n_features_in_ == 360
    assert explainer.kernel_width_ == 0.25


def refused(facts, parameters, X=COLORED, **more):
    model = CountingModel(linear)
    explainer = LimeExplainer(model, **({"masker": SegmentMasker(n_segments=4)} | parameters))
    with refuses(DataError, *facts):
        explainer.fit(X)
    assert model.n_rows == 0


@pytest.mark.parametrize(
    ("name", "needed", "given"),
    [
        ("feature_groups", None, {"a": ["b", "c"]}),
        ("stability", None, 0.9),
    ],
)
def test_table_parameters_refused_with_masker(name, needed, given):
    facts = [f"{name!r} parameter of LimeExplainer", f"must be {needed!r}", "masker", f"got {given!r}"]
    refused(facts, {name: given})


@pytest.mark.parametrize("discretizer", ["decile", None])
@pytest.mark.parametrize("kind", [KernelSampling, TiltedSampling])
def test_discretizer_refused_with_masker(kind, discretizer):
    facts = [f"'discretizer' of {kind.__name__}", "masker", f"got {discretizer!r}", "Leave it out"]
    refused(facts, {"sampling": kind(discretizer=discretizer)})


def test_local_sampling_refused_with_masker():
    facts = ["'sampling' of LimeExplainer", "'kernel' or 'tilted'", "masker", "got 'local'"]
    refused(facts, {"sampling": "local"})


def test_masker_with_several_background_rows_is_refused():
    X = np.random.default_rng(0).random((20, 3))
    wide = TabularMasker(X[:7], np.full(7, 1.0 / 7.0), Features.from_names(["a", "b", "c"]))
    facts = ["'masker' of LimeExplainer", "7 background rows", "KernelShapExplainer", "background of one row"]
    refused(facts, {"masker": wide}, X)


@samplings
def test_tabular_masker_of_one_row_matches_closed_form(sampling):
    """A feature that equals the fill has value 0 exactly."""
    X, slopes = np.random.default_rng(0).normal(size=(9, 12)), np.arange(12.0) - 3.0
    X[4, 2] = X[0, 2]
    masker = TabularMasker(
        X[:1], np.ones(1), Features.from_names([f"c{j}" for j in range(12)], {"g": ["c1", "c4"]})
    )
    explainer = LimeExplainer(
        lambda t: t @ slopes, masker=masker, sampling=sampling, surrogate="klasso", random_state=0
    ).fit(X)
    exp = explainer.explain(X[1:])
    parts = (X[1:] - X[0]) * slopes
    expected = np.c_[parts[:, 0], parts[:, 1] + parts[:, 4], parts[:, [2, 3, 5, 6, 7, 8, 9, 10, 11]]]
    np.testing.assert_allclose(exp.values[:, :, 0], expected, atol=1e-9)
    assert exp.values[3, 2, 0] == 0.0
    assert exp.feature_names == ("c0", "g", *(f"c{j}" for j in (2, 3, 5, 6, 7, 8, 9, 10, 11)))
    np.testing.assert_allclose(explainer.transform(X[1:]), expected, atol=1e-9)


@pytest.mark.parametrize("n_most", [5, 99])
def test_max_features_refused_above_number_of_features(n_most):
    facts = ["'max_features' of LimeExplainer", "at most 4", "None", f"got {n_most}"]
    refused(facts, {"max_features": n_most})


@pytest.mark.parametrize("kind", ["picture", "text"])
def test_kernel_width_too_small_error_names_row_and_least_width(kind):
    with pytest.raises(DataError) as error:
        explained(kind, 16, sampling=KernelSampling(0.01), random_state=0)
    message = str(error.value)
    facts = [
        "'width' of KernelSampling is 0.01",
        "960 samples" if kind == "picture" else "961 samples",
        "row 0",
        "16 features need 17",
        "TiltedSampling(0.01)",
    ]
    assert_states(message, *facts)
    least = float(re.search(r"smallest width that works for it is (\S+)\.", message)[1])
    exp, _ = explained(kind, 16, sampling=KernelSampling(least), random_state=0)
    assert exp.extras["effective_samples"].array[0] >= 17
    explained(kind, 16, sampling=TiltedSampling(0.01), random_state=0)


def test_explain_refuses_grid_of_other_size():
    masker = SegmentMasker(n_segments=9)
    explainer = LimeExplainer(lambda X: X.mean(axis=(1, 2)), masker=masker).fit(np.ones((1, 3, 3)))
    for ask in (explainer.explain, explainer.cost, explainer.transform):
        with refuses(DataError, "4 features", "fit had 9", "fit again"):
            ask(np.ones((1, 2, 2)))
