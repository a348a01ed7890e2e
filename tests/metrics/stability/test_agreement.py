"""Agreement over seeds, backgrounds and refits against loops; the interval over rows and shared draws."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer, RiseExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import TextMasker
from agnostix.metrics import agreement
from agnostix.metrics.intervals import MeanInterval, add_errors, crossed
from tests.messages import refuses
from tests.metrics.explanations import softmax_model
from tests.metrics.stability.stability_models import Noise
from tests.reference import metrics_stability as reference

RNG = np.random.default_rng(4)
X = pd.DataFrame(RNG.normal(size=(150, 6)), columns=list("abcdef"))
Y = np.where(X["a"] - X["b"] + 0.5 * X["c"] * X["d"] > 0, "yes", "no")
MODEL = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
PICTURES = RNG.random((6, 9, 8))
OF_PICTURES = softmax_model(RNG.normal(size=(9, 8, 1, 3)))


def of_pictures(images):
    return OF_PICTURES(images[..., None])


def rank_correlation(one, other):
    return pd.Series(one).corr(pd.Series(other), method="spearman")


def expected_seed(draw):
    return int(np.random.default_rng([0, 0, draw]).integers(2**31))


@pytest.mark.parametrize("make", [OcclusionExplainer, LimeExplainer, KernelShapExplainer])
def test_agreement_over_seeds_is_that_of_explainers_fitted_with_them(make):
    explainer = make(MODEL, random_state=7).fit(X)
    result = agreement(None, X[:8], explainer, data=X, n_draws=3)
    own = explainer.explain(X[:8], outputs="predicted").values[..., 0]
    names = MODEL.predict(X[:8])
    table = np.empty((8, 3))
    for draw in range(3):
        other = make(MODEL, random_state=expected_seed(draw)).fit(X)
        for row in range(8):
            values = other.explain(X[row : row + 1], outputs=names[row]).values.ravel()
            table[row, draw] = rank_correlation(own[row], values)
    np.testing.assert_allclose(result.details["similarities"].array[..., 0], table, atol=1e-12)
    np.testing.assert_allclose(result.scores, table.mean(axis=1))
    assert result.std_error == pytest.approx(reference.crossed_error(table.tolist()))
    assert result.greater_is_better is True
    assert result.n_draws == 3


def test_what_draws_nothing_agrees_with_itself():
    explainer = OcclusionExplainer(MODEL, random_state=7).fit(X[:50])
    result = agreement(None, X[:8], explainer, data=X[:50])
    assert (result.scores == 1).all()
    assert any("draws nothing" in note for note in result.notes)
    assert (agreement(None, X[:8], explainer, data=X[:50], over="background").scores < 1).any()


def test_background_is_a_bootstrap_sample_with_the_same_seed():
    explainer = OcclusionExplainer(MODEL, random_state=7).fit(X[:50])
    result = agreement(
        None, X[:5], explainer, data=X[:50], over="background", n_draws=2, outputs="yes", random_state=3
    )
    own = explainer.explain(X[:5], outputs="yes").values[..., 0]
    for draw in range(2):
        rows = np.random.default_rng([3, 1, draw]).integers(50, size=50)
        other = OcclusionExplainer(MODEL, random_state=7).fit(X[:50].iloc[rows])
        values = other.explain(X[:5], outputs="yes").values[..., 0]
        table = [rank_correlation(a, b) for a, b in zip(own, values, strict=True)]
        np.testing.assert_allclose(result.details["similarities"].array[:, draw, 0], table)


def test_refits_are_explained_for_the_output_that_the_model_predicts():
    explainer = OcclusionExplainer(MODEL, random_state=7).fit(X[:50])
    result = agreement(
        None, X[:5], explainer, data=X[:50], y=Y[:50], over="refit", n_draws=2, similarity="top-k", k=2
    )
    own = explainer.explain(X[:5], outputs="predicted").values[..., 0]
    for draw in range(2):
        rows = np.random.default_rng([0, 2, draw]).integers(50, size=50)
        model = clone(MODEL).fit(X[:50].iloc[rows], Y[rows])
        other = OcclusionExplainer(model, random_state=7).fit(X[:50])
        for row, name in enumerate(MODEL.predict(X[:5])):
            values = other.explain(X[row : row + 1], outputs=name).values.ravel()
            common = set(np.argsort(-np.abs(own[row]))[:2]) & set(np.argsort(-np.abs(values))[:2])
            assert result.details["similarities"].array[row, draw, 0] == len(common) / 2


def test_refit_may_be_a_function():
    def predict(model):
        return lambda table: model.predict_proba(table)

    explainer = OcclusionExplainer(predict(MODEL), random_state=7).fit(X[:50])
    with refuses(DataError, "no estimator", "Pass refit", "over='seed'"):
        agreement(None, X[:5], explainer, data=X[:50], y=Y[:50], over="refit")
    fits = []

    def refit(rows, labels):
        fits.append(len(rows))
        return predict(clone(MODEL).fit(rows, labels))

    options = {"over": "refit", "n_draws": 3}
    own = agreement(None, X[:5], explainer, data=X[:50], y=Y[:50], refit=refit, **options)
    assert fits == [50] * 3
    of_model = OcclusionExplainer(MODEL, random_state=7).fit(X[:50])
    np.testing.assert_allclose(
        own.scores, agreement(None, X[:5], of_model, data=X[:50], y=Y[:50], **options).scores
    )


def test_bootstrap_samples_have_all_classes():
    labels = np.array(["rare"] + ["no", "yes"] * 20)
    rows = X[:41]
    model = LogisticRegression().fit(rows, labels)
    explainer = OcclusionExplainer(model, random_state=0).fit(rows)
    result = agreement(
        None, rows[:4], explainer, data=rows, y=labels, over="refit", n_draws=5, outputs="rare"
    )
    assert np.isfinite(result.scores).all()
    many = np.minimum(np.arange(150), 50)  # of fifty single rows a sample hardly ever has all
    model = LogisticRegression().fit(X, many)
    explainer = OcclusionExplainer(model, random_state=0).fit(X)
    with refuses(DataError, "150 rows", "51 classes"):
        agreement(None, X[:4], explainer, data=X, y=many, over="refit")


@pytest.mark.parametrize("over", ["seed", "background"])
def test_trees_and_their_paths(over):
    explainer = MimicTree(MODEL, random_state=0).fit(X)
    result = agreement(None, X[:10], explainer, data=X, over=over, n_draws=2)
    assert result.scores.shape == (10,)


def test_texts_and_maps():
    texts = ["good food good beer", "bad service here", "good service bad food"]
    explainer = KernelShapExplainer(
        lambda t: [s.count("good") - 2 * s.count("bad") + 0.1 * len(s) for s in t], masker=TextMasker()
    ).fit(texts)
    assert agreement(None, texts, explainer, data=texts, n_draws=2).score == pytest.approx(1.0)
    rise = RiseExplainer(of_pictures, n_masks=64, random_state=0).fit(PICTURES)
    for similarity in ("ssim", "absolute-spearman", "spearman"):
        result = agreement(None, PICTURES, rise, data=PICTURES, n_draws=2, similarity=similarity)
        assert (result.scores < 1).all()
    with refuses(DataError, "'ssim'", "images", "'spearman'"):
        agreement(None, X[:3], OcclusionExplainer(MODEL, random_state=0).fit(X), data=X, similarity="ssim")


def test_explainer_is_not_changed():
    explainer = LimeExplainer(MODEL, n_samples=200, random_state=0).fit(X)
    before = pickle.dumps(explainer)
    for over in ("seed", "background", "refit"):
        agreement(None, X[:3], explainer, data=X, y=Y, over=over, n_draws=2)
    assert pickle.dumps(explainer) == before


def test_same_draws_give_the_same_result():
    explainer = LimeExplainer(MODEL, n_samples=200, random_state=0).fit(X)
    whole = agreement(None, X[:8], explainer, data=X, n_draws=3)
    some = agreement(None, X.iloc[[5, 2]], explainer, data=X, n_draws=3)
    np.testing.assert_allclose(some.scores, whole.scores[[5, 2]], rtol=1e-10)
    assert (agreement(None, X[:8], explainer, data=X, n_draws=3, random_state=1).scores != whole.scores).any()
    one = agreement(None, X[:1], explainer, data=X, n_draws=3)
    assert one.interval_source == "draws"
    spread = whole.details["similarities"].array[0, :, 0].std(ddof=1) / np.sqrt(3)
    assert one.std_error == pytest.approx(spread)


def test_errors_of_shared_draws_are_in_the_interval():
    """Where seeds decide everything, rows that all agree say nothing of other seeds."""
    rows = np.random.default_rng(0).normal(size=(30, 8)) * 0.01
    explainer = Noise(lambda X: X.sum(axis=1), random_state=0).fit(rows)
    result = agreement(None, rows, explainer, data=rows, n_draws=6)
    by_draw = result.details["similarities"].array[..., 0]
    assert by_draw.std(axis=0).max() < 0.1
    assert result.std_error == pytest.approx(by_draw.mean(axis=0).std(ddof=1) / np.sqrt(6), rel=0.1)
    assert result.degrees_of_freedom < 6
    difference = result.difference(agreement(None, rows, explainer, data=rows, n_draws=6, random_state=1))
    assert difference.shared_error > result.shared_error


@pytest.mark.parametrize("sizes", [(1.0, 1.0, 1.0), (0.0, 0.0, 1.0), (0.2, 1.0, 0.5), (1.0, 0.1, 3.0)])
def test_interval_over_rows_and_draws_covers(sizes):
    """A thousand tables of 20 rows and 8 draws, with effects of rows, of draws, and of both together."""
    of_rows, of_draws, of_both = sizes
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        table = (
            of_rows * rng.normal(size=(20, 1, 1))
            + of_draws * rng.normal(size=(1, 8, 1))
            + of_both * rng.normal(size=(20, 8, 1))
        )
        interval = MeanInterval.from_scores(
            table.mean(axis=1), n_draws=8, shared_error=np.array([crossed(table[..., 0])[2]])
        )
        low, high = interval.ends()
        hits += low[0] <= 0 <= high[0]
    assert 920 <= hits <= 985


def test_shared_errors_are_those_of_loops():
    table = RNG.normal(size=(7, 4))
    rows_alone = table.mean(axis=1).std(ddof=1) / np.sqrt(7)
    shared = crossed(table)[2]
    assert np.hypot(rows_alone, shared) == pytest.approx(reference.crossed_error(table.tolist()))
    error, dof = add_errors(np.array([3.0, 0.0]), np.array([9.0, 9.0]), np.array([4.0, 0.0]), 3.0)
    np.testing.assert_allclose(error, [5.0, 0.0])
    np.testing.assert_allclose(dof, [625 / (81 / 9 + 256 / 3), 9.0])


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"over": "rows"}, ("'over'", "'seed'", "'rows'")),
        ({"similarity": "cosine"}, ("'similarity'", "'spearman'", "'cosine'")),
        ({"n_draws": 1}, ("'n_draws'", "at least 2", "1")),
        ({"k": 0}, ("'k'", "at least 1", "0")),
        ({"over": "refit"}, ("over='refit'", "Pass y")),
        ({"refit": len}, ("'refit'", "over='refit'", "'seed'")),
        ({"over": "refit", "y": Y, "refit": 3}, ("'refit'", "function", "3")),
    ],
)
def test_parameters_are_checked(options, facts):
    explainer = OcclusionExplainer(MODEL, random_state=0).fit(X)
    with refuses(DataError, "agreement", *facts):
        agreement(None, X[:3], explainer, data=X, **options)


def test_what_cannot_be_compared_is_refused():
    with refuses(TypeError, "'explainer'", "LogisticRegression"):
        agreement(None, X[:3], LogisticRegression(), data=X)
    with refuses(ValueError, "inconsistent numbers of samples", "150", "3"):
        agreement(None, X[:3], OcclusionExplainer(MODEL, random_state=0).fit(X), data=X, y=Y[:3])
    constant = OcclusionExplainer(lambda table: np.ones(len(table)), random_state=0).fit(X)
    with refuses(DataError, "same value", "constant"):
        agreement(None, X[:3], constant, data=X)
    several = LinearRegression().fit(X, X[["a", "b"]])
    with refuses(DataError, "regression", "2 outputs"):
        agreement(None, X[:3], OcclusionExplainer(several, random_state=0).fit(X), data=X)
