"""The adversary of an explanation against all corners and all neighbors; what is refused."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnostix import KernelShapExplainer, OcclusionExplainer, RiseExplainer
from agnostix.exceptions import DataError
from agnostix.maskers import TextMasker
from agnostix.metrics import AdversaryResult, explanation_adversary, max_sensitivity
from tests.messages import refuses
from tests.metrics.explanations import Counted, softmax_model
from tests.metrics.stability.stability_models import mixed_table, of_mixed_table, quadratic
from tests.reference import metrics_stability as reference

RNG = np.random.default_rng(3)
MIXED = mixed_table()
PICTURES = RNG.random((5, 6, 5, 3))
WEIGHTS = RNG.normal(size=(6, 5, 3, 4)) * 0.3
X = RNG.normal(size=(60, 3))
W = np.array([1.0, -2.0, 3.0])


@pytest.mark.parametrize("d", [3, 6, 8])
def test_search_comes_near_the_worst_corner_of_the_cube(d):
    """The change of a quadratic's gradient is convex, so that its maximum is at a corner."""
    matrix, rows, explainer = quadratic(d, 40, seed=d)
    own = rows[2:20]
    corners = 0.02 * np.array(list(itertools.product([-1, 1], repeat=d)))
    worst = np.linalg.norm(corners @ matrix, axis=1).max() / np.linalg.norm(own @ matrix, axis=1)
    result = explanation_adversary(None, own, explainer, neighbors="ball", data=rows, tolerance=1e3)
    assert (result.scores <= worst * (1 + 1e-9)).all()
    assert (result.scores / worst).min() > 0.85
    assert (result.scores / worst).mean() > 0.97
    few = explanation_adversary(None, own, explainer, neighbors="ball", data=rows, tolerance=1e3, n_rounds=1)
    assert (result.scores >= few.scores).all()


def test_linear_model_has_every_corner_as_adversary():
    explainer = OcclusionExplainer(lambda X: X @ W, random_state=0).fit(X)
    result = explanation_adversary(
        None, X[:10], explainer, neighbors="ball", data=X, tolerance=100.0, radius=0.05
    )
    step = 0.05 * np.ptp(X, axis=0)
    own = explainer.explain(X[:10]).values[..., 0]
    np.testing.assert_allclose(result.scores, np.linalg.norm(W * step) / np.linalg.norm(own, axis=1))
    np.testing.assert_allclose(np.abs(result.neighbors - X[:10]), np.tile(step, (10, 1)))
    np.testing.assert_allclose(result.distances, 0.05 * np.sqrt(3))


@pytest.mark.parametrize("change", ["relative", "spearman", "top-k", "signs"])
def test_real_neighbors_are_all_tried(change):
    explainer = KernelShapExplainer(of_mixed_table, random_state=0).fit(MIXED)
    rows = MIXED.iloc[:6]
    result = explanation_adversary(None, rows, explainer, data=MIXED, n_neighbors=12, change=change, k=1)
    columns = [MIXED[name].to_list() for name in MIXED]
    every = list(zip(*columns, strict=True))
    p = of_mixed_table(MIXED)
    for row in range(6):
        near = reference.different_neighbors(every[row], every, columns, 12)
        alike = [j for j in near if p[j].argmax() == p[row].argmax()]
        output = explainer.output_names_[p[row].argmax()]
        own = explainer.explain(MIXED.iloc[[row]], outputs=output).values.ravel().round(12)
        others = [explainer.explain(MIXED.iloc[[j]], outputs=output).values.ravel().round(12) for j in alike]
        worst = {
            "relative": lambda own=own, others=others: reference.max_sensitivity(own, others),
            "spearman": lambda own=own, others=others: np.nanmax(
                [1 - pd.Series(own).corr(pd.Series(other), method="spearman") for other in others]
            ),
            "top-k": lambda own=own, others=others: max(
                float(np.abs(own).argmax() != np.abs(other).argmax()) for other in others
            ),
            "signs": lambda own=own, others=others: max(
                1.0
                - float(
                    np.abs(own).argmax() == np.abs(other).argmax()
                    and (own[np.abs(own).argmax()] > 0) == (other[np.abs(own).argmax()] > 0)
                )
                for other in others
            ),
        }[change]()
        assert result.scores[row] == pytest.approx(worst)
        assert result.distances[row] == pytest.approx(
            min(
                (
                    reference.scaled_distance(every[row], every[j], columns)
                    for j in alike
                    if MIXED.iloc[[j]]
                    .reset_index(drop=True)
                    .equals(result.neighbors.iloc[[row]].reset_index(drop=True))
                ),
                default=np.nan,
            )
        )


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 99), st.floats(0.01, 0.5))
def test_adversaries_are_predicted_alike_and_explained_as_stated(seed, radius):
    model = softmax_model(WEIGHTS)
    explainer = RiseExplainer(model, n_masks=64, random_state=0).fit(PICTURES)
    result = explanation_adversary(None, PICTURES, explainer, radius=radius, n_rounds=2, random_state=seed)
    assert isinstance(result, AdversaryResult)
    assert result.neighbors.shape == PICTURES.shape
    assert np.abs(result.neighbors - PICTURES).max() <= radius + 1e-12
    assert result.neighbors.min() >= 0
    assert result.neighbors.max() <= 1
    predicted = model(PICTURES).argmax(axis=1)
    np.testing.assert_allclose(result.predictions, model(result.neighbors))
    np.testing.assert_allclose(result.own_predictions, model(PICTURES))
    assert (result.predictions.argmax(axis=1) == predicted).all()
    for row in range(5):
        output = f"output_{predicted[row]}"
        own = explainer.explain(PICTURES[row : row + 1], outputs=output).values.ravel()
        other = explainer.explain(result.neighbors[row : row + 1], outputs=output).values.ravel()
        assert result.scores[row] == pytest.approx(reference.max_sensitivity(own, [other]), rel=1e-6)
    moved = (result.neighbors - PICTURES).reshape(5, -1)
    np.testing.assert_allclose(result.distances, np.linalg.norm(moved, axis=1))


def test_adversary_is_worse_than_chance():
    explainer = RiseExplainer(softmax_model(WEIGHTS), n_masks=64, random_state=0).fit(PICTURES)
    drawn = max_sensitivity(None, PICTURES, explainer, radius=0.1, n_neighbors=30)
    found = explanation_adversary(None, PICTURES, explainer, radius=0.1, n_neighbors=10, n_rounds=5)
    assert (found.scores > drawn.scores).all()


def test_model_rows_are_counted_and_a_row_has_its_own_draws():
    model = Counted(of_mixed_table)
    explainer = OcclusionExplainer(model, random_state=0).fit(MIXED)
    model.n_rows = 0
    options = {"data": MIXED, "neighbors": "ball", "n_rounds": 3, "n_neighbors": 4, "radius": 0.1}
    result = explanation_adversary(None, MIXED.iloc[:8], explainer, **options)
    assert result.n_model_rows == model.n_rows
    some = explanation_adversary(None, MIXED.iloc[[5, 2]], explainer, **options)
    np.testing.assert_allclose(some.scores, result.scores[[5, 2]], rtol=1e-10)
    assert result.neighbors["town"].tolist() == MIXED["town"].iloc[:8].tolist()
    assert (result.neighbors.dtypes == MIXED.dtypes).all()


def test_row_stays_where_no_neighbor_is_predicted_alike():
    rows = np.array([[0.0, 0.0], [0.1, 0.0], [0.2, 0.0], [5.0, 1.0]])

    def predict(X):
        far = X[:, 1] + 0.1 * X[:, 0]
        return np.column_stack([far, 1 - far])

    explainer = OcclusionExplainer(predict, random_state=0).fit(rows)
    result = explanation_adversary(None, rows, explainer, n_neighbors=2)
    assert np.isnan(result.scores[3])
    assert (result.neighbors[3] == rows[3]).all()
    assert result.distances[3] == 0
    assert any("1 of 4 rows have no score" in note for note in result.notes)
    with refuses(DataError, "4 rows", "predicted alike", "radius"):
        explanation_adversary(None, rows, explainer, n_neighbors=2, tolerance=0.0)


def test_tolerance_of_models_without_classes():
    explainer = OcclusionExplainer(lambda X: X @ W, random_state=0).fit(X)
    result = explanation_adversary(None, X, explainer, neighbors="ball", radius=0.3)
    apart = np.abs(result.predictions - result.own_predictions).max()
    assert apart <= 0.05 * np.ptp(X @ W)
    assert result.params["tolerance"] == pytest.approx(0.05 * np.ptp(X @ W))
    narrow = explanation_adversary(None, X, explainer, neighbors="ball", radius=0.3, tolerance=0.1)
    assert np.abs(narrow.predictions - narrow.own_predictions).max() <= 0.1


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"change": "cosine"}, ("'change'", "'relative'", "'cosine'")),
        ({"k": 0, "change": "top-k"}, ("'k'", "at least 1", "0")),
        ({"n_rounds": 0}, ("'n_rounds'", "at least 1", "0")),
        ({"n_neighbors": None}, ("'n_neighbors'", "None")),
        ({"tolerance": -1}, ("'tolerance'", "at least 0", "-1")),
        ({"change": "ssim"}, ("'ssim'", "images", "'spearman'")),
    ],
)
def test_parameters_are_checked(options, facts):
    explainer = OcclusionExplainer(lambda X: X @ W, random_state=0).fit(X)
    with refuses(DataError, "explanation_adversary", *facts):
        explanation_adversary(None, X, explainer, **options)


def test_what_has_no_adversary_is_refused():
    explainer = OcclusionExplainer(of_mixed_table, random_state=0).fit(MIXED)
    with refuses(DataError, "one output", "2", "'predicted'"):
        explanation_adversary(None, MIXED, explainer, outputs=[0, 1])
    assert explanation_adversary(None, MIXED, explainer, outputs=0).output_names == ("output_0",)
    texts = ["good food", "bad service"]
    of_texts = KernelShapExplainer(lambda t: [s.count("good") for s in t], masker=TextMasker()).fit(texts)
    with refuses(DataError, "texts", "agreement"):
        explanation_adversary(None, texts, of_texts)
    constant = OcclusionExplainer(lambda X: np.ones(len(X)), random_state=0).fit(X)
    with refuses(DataError, "constant", "max_sensitivity(relative=False)"):
        explanation_adversary(None, X, constant)
    linear = OcclusionExplainer(lambda X: X @ W, random_state=0).fit(X)
    with refuses(DataError, "1 row", "Pass tolerance"):
        explanation_adversary(None, X[:1], linear, data=X)
    assert explanation_adversary(None, X[:1], linear, data=X, tolerance=9.0).scores.shape == (1,)
