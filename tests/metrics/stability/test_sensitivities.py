"""Sensitivities and Lipschitz estimates against loops and closed forms; neighbors; what is refused."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.metrics import avg_sensitivity, local_lipschitz, max_sensitivity
from agnostix.metrics.intervals import MeanInterval
from agnostix.metrics.stability import sensitivities
from agnostix.metrics.stability.neighbors import NeighborOptions
from tests.messages import refuses
from tests.metrics.explanations import Counted, of_table, softmax_model
from tests.metrics.stability.stability_models import mixed_table, of_mixed_table, quadratic
from tests.reference import metrics_stability as reference

ALL = [max_sensitivity, avg_sensitivity, local_lipschitz]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
W = np.array([1.0, -2.0, 3.0])
LINEAR = OcclusionExplainer(lambda X: X @ W, random_state=0).fit(X)
MIXED = mixed_table()
PICTURES = RNG.random((5, 6, 5, 3))
WEIGHTS = RNG.normal(size=(6, 5, 3, 4))


def rows_of(frame):
    return list(zip(*(frame[name].to_list() for name in frame), strict=True))


def values_alone(explainer, rows, output):
    """Values of each row, explained by itself."""
    return [explainer.explain(rows[j : j + 1], outputs=output).values.ravel() for j in range(len(rows))]


@pytest.mark.parametrize("make", [OcclusionExplainer, KernelShapExplainer, LimeExplainer])
def test_scores_of_mixed_tables_are_those_of_loops(make):
    explainer = make(of_mixed_table, random_state=0).fit(MIXED)
    columns = [MIXED[name].to_list() for name in MIXED]
    every = rows_of(MIXED)
    rows = MIXED.iloc[:6]
    expected = []
    for row, predicted in zip(range(6), of_mixed_table(rows).argmax(axis=1), strict=True):
        near = reference.different_neighbors(every[row], every, columns, 4)
        output = explainer.output_names_[predicted]
        own = values_alone(explainer, MIXED.iloc[[row]], output)[0]
        others = values_alone(explainer, MIXED.iloc[near], output)
        distances = [reference.scaled_distance(every[row], every[j], columns) for j in near]
        expected.append(
            (
                reference.max_sensitivity(own, others),
                reference.avg_sensitivity(own, others),
                reference.lipschitz(own, others, distances),
            )
        )
    results = [metric(None, rows, explainer, data=MIXED, n_neighbors=4) for metric in ALL]
    np.testing.assert_allclose(np.column_stack([one.scores for one in results]), expected, rtol=1e-7)
    assert all(one.greater_is_better is False and one.draw_errors is None for one in results)


def test_linear_model_changes_by_weights_times_steps():
    result = max_sensitivity(None, X[:20], LINEAR, data=X, relative=False, n_neighbors=3)
    span = np.ptp(X, axis=0)
    for row in range(20):
        gower = np.abs((X - X[row]) / span).mean(axis=1)
        near = np.argsort(gower)[1:4]
        assert result.scores[row] == pytest.approx(np.linalg.norm(W * (X[near] - X[row]), axis=1).max())


def test_linear_model_in_the_ball_has_its_lipschitz_constant_as_bound():
    constant = (np.abs(W) * np.ptp(X, axis=0)).max()
    result = local_lipschitz(None, X[:20], LINEAR, data=X, neighbors="ball", n_neighbors=200)
    assert (result.scores <= constant * (1 + 1e-9)).all()
    assert (result.scores > 0.9 * constant).all()
    assert result.n_draws == 200


def test_lipschitz_of_a_gradient_is_at_most_the_spectral_norm():
    matrix, rows, explainer = quadratic(4, 60)
    largest, vectors = np.linalg.eigh(matrix)
    top = vectors[:, np.abs(largest).argmax()] * 0.1
    # Neighbors along the first eigenvector reach the norm.
    data = np.vstack([rows, rows[2:10] + top])
    data = np.clip(data, 0.0, 1.0)
    bound = np.abs(largest).max()
    result = local_lipschitz(None, rows[2:10], explainer, data=data, n_neighbors=68)
    assert (result.scores <= bound + 1e-9).all()
    inside = ((rows[2:10] + top >= 0) & (rows[2:10] + top <= 1)).all(axis=1)
    assert inside.any()
    np.testing.assert_allclose(result.scores[inside], bound)
    assert (local_lipschitz(None, rows, explainer, neighbors="ball").scores <= bound + 1e-9).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 3.0), st.integers(1, 6), st.integers(0, 99))
def test_points_of_the_ball_are_inside_and_change_only_numbers(radius, n, seed):
    options = NeighborOptions("ball", MIXED, radius=radius, n_neighbors=n, random_state=seed)
    ball = options.make(MIXED.iloc[:5])
    around = ball.around(np.arange(5))
    own = MIXED.iloc[around.owners].reset_index(drop=True)
    assert list(around.places) == list(range(n)) * 5
    assert around.rows["town"].tolist() == own["town"].tolist()
    assert (around.rows.dtypes == own.dtypes).all()
    assert (around.rows["size"].isna() == own["size"].isna()).all()
    spans = MIXED[["size", "age"]].max() - MIXED[["size", "age"]].min()
    moved = ((around.rows[["size", "age"]] - own[["size", "age"]]) / spans).fillna(0.0).to_numpy()
    assert np.abs(moved[:, 0]).max() <= radius + 1e-12
    assert np.abs(moved[:, 1]).max() <= radius + 0.5 / spans["age"]
    np.testing.assert_allclose(around.distances, np.linalg.norm(moved, axis=1), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["uint8", "float32", "float64"]), st.floats(0.01, 2.0), st.integers(0, 99))
def test_points_around_pictures_are_pictures(dtype, radius, seed):
    pixels = (PICTURES * 255).astype("uint8") if dtype == "uint8" else PICTURES.astype(dtype)
    reach = 255.0 if dtype == "uint8" else 1.0
    ball = NeighborOptions(radius=radius, n_neighbors=3, random_state=seed).make(pixels)
    around = ball.around(np.array([1, 3]))
    assert around.rows.dtype == pixels.dtype
    assert list(around.owners) == [1, 1, 1, 3, 3, 3]
    assert around.rows.min() >= 0
    assert around.rows.max() <= reach
    moved = (around.rows.astype(float) - pixels[around.owners]) / reach
    assert np.abs(moved).max() <= radius + (0.5 / 255 if dtype == "uint8" else 1e-6)
    np.testing.assert_allclose(around.distances, np.linalg.norm(moved.reshape(6, -1), axis=1), rtol=1e-6)


@pytest.mark.parametrize("metric", ALL)
def test_sensitivity_in_a_ball_is_that_of_its_points_one_by_one(metric):
    model = softmax_model(WEIGHTS)
    explainer = OcclusionExplainer(model, masker=SegmentMasker("grid", n_segments=6), random_state=0)
    explainer.fit(PICTURES)
    result = metric(None, PICTURES, explainer, radius=0.1, n_neighbors=3, random_state=5)
    around = NeighborOptions(radius=0.1, n_neighbors=3, random_state=5).make(PICTURES).around(np.arange(5))
    for row, predicted in enumerate(model(PICTURES).argmax(axis=1)):
        output = f"output_{predicted}"
        exp = explainer.explain(PICTURES[row : row + 1], outputs=output)
        labels = exp.extras["segments"].array[0].ravel()
        own = exp.values[0, labels, 0]
        points = [around.rows[j : j + 1] for j in np.flatnonzero(around.owners == row)]
        others = [explainer.explain(point, outputs=output).values[0, labels, 0] for point in points]
        distances = [np.linalg.norm(point - PICTURES[row]) for point in points]
        expected = {
            "max_sensitivity": lambda own=own, others=others: reference.max_sensitivity(own, others),
            "avg_sensitivity": lambda own=own, others=others: reference.avg_sensitivity(own, others),
            "local_lipschitz": lambda own=own, others=others, d=distances: reference.lipschitz(
                own, others, d
            ),
        }[metric.__name__]()
        assert result.scores[row] == pytest.approx(expected)
    assert "pixel by pixel" in " ".join(result.notes)


def test_pictures_with_segments_of_their_own_are_compared_by_pixel():
    images = np.repeat(np.repeat(RNG.random((3, 4, 4)), 5, axis=1), 5, axis=2)
    explainer = OcclusionExplainer(
        lambda X: X[:, :10].mean(axis=(1, 2)), masker=SegmentMasker("slic", n_segments=8), random_state=0
    ).fit(images)
    result = avg_sensitivity(None, images, explainer, n_neighbors=2, radius=0.01)
    assert np.isfinite(result.scores).all()


def test_maps_of_pixels_and_draws():
    explainer = RiseExplainer(softmax_model(WEIGHTS), n_masks=64, random_state=0).fit(PICTURES)
    result = avg_sensitivity(None, PICTURES, explainer, n_neighbors=4)
    assert result.n_draws == 4
    changes = result.details["changes"].array[..., 0]
    sizes = result.scores / changes.mean(axis=1)
    np.testing.assert_allclose(result.draw_errors, changes.std(axis=1, ddof=1) / 2 * sizes)
    one = avg_sensitivity(None, PICTURES[:1], explainer, n_neighbors=4)
    assert one.interval_source == "draws"
    assert max_sensitivity(None, PICTURES[:1], explainer, n_neighbors=4).interval_source == "none"


def test_conventions_name_radius_and_draws():
    captum = max_sensitivity(None, X[:3], LINEAR, data=X, neighbors="ball")
    quantus = max_sensitivity(None, X[:3], LINEAR, data=X, neighbors="ball", convention="quantus")
    assert (captum.params["radius"], captum.n_draws) == (0.02, 10)
    assert (quantus.params["radius"], quantus.n_draws) == (0.2, 200)
    assert (quantus.scores > captum.scores).all()
    assert "0.99 of" in " ".join(quantus.notes)  # .05 ** (1 / 200) = .985


def test_neighbors_are_explained_for_the_class_of_their_row():
    model = softmax_model(RNG.normal(size=(1, 1, 1, 3)) * 5)

    def predict(X):
        return model(X[:, :1, None, None])

    rows = RNG.normal(size=(40, 2))
    predicted = predict(rows).argmax(axis=1)
    assert len(set(predicted)) > 1
    explainer = OcclusionExplainer(predict, random_state=0).fit(rows)
    every = max_sensitivity(
        None, rows, explainer, outputs=["output_0", "output_1", "output_2"], relative=False
    )
    result = max_sensitivity(None, rows, explainer, relative=False)
    assert every.scores.shape == (40, 3)
    np.testing.assert_allclose(result.scores, every.scores[np.arange(40), predicted])
    assert result.output_names == ("predicted",)


def test_all_neighbors_are_explained_at_once_and_model_rows_counted():
    model = Counted(of_mixed_table)
    explainer = OcclusionExplainer(model, random_state=0).fit(MIXED)
    calls = []
    explain = explainer.explain
    explainer.explain = lambda rows, **options: calls.append(len(rows)) or explain(rows, **options)
    model.n_rows = 0
    result = max_sensitivity(None, MIXED.iloc[:20], explainer, data=MIXED)
    assert result.n_model_rows == model.n_rows
    assert calls[0] == 20
    assert sum(calls[1:]) == 200
    assert len(calls) == 3  # one for each of two classes


@pytest.mark.parametrize("neighbors", ["real", "ball"])
def test_scores_depend_on_the_row_alone(neighbors):
    whole = avg_sensitivity(None, X[:20], LINEAR, data=X, neighbors=neighbors)
    some = avg_sensitivity(None, X[[7, 3]], LINEAR, data=X, neighbors=neighbors)
    np.testing.assert_allclose(some.scores, whole.scores[[7, 3]], rtol=1e-10)
    assert list(some.row_keys) == list(whole.row_keys[[7, 3]])
    with config_context(working_memory=1):
        cut = avg_sensitivity(None, X[:20], LINEAR, data=X, neighbors=neighbors)
    np.testing.assert_allclose(cut.scores, whole.scores, rtol=1e-10)
    again = avg_sensitivity(None, X[:20], LINEAR, data=X, neighbors=neighbors, random_state=1)
    assert (again.scores != whole.scores).all() == (neighbors == "ball")


def test_work_is_cut_into_blocks(monkeypatch):
    whole = max_sensitivity(None, X[:20], LINEAR, data=X)
    monkeypatch.setattr(sensitivities, "working_memory", lambda: 32 * 200)
    np.testing.assert_allclose(max_sensitivity(None, X[:20], LINEAR, data=X).scores, whole.scores)


def test_frame_libraries_agree():
    frame = MIXED.dropna().reset_index(drop=True)
    explainer = OcclusionExplainer(of_mixed_table, random_state=0).fit(frame)
    others = pl.from_pandas(frame)

    def of_polars(table):
        return of_mixed_table(pd.DataFrame(table.to_dict(as_series=False)))

    of_others = OcclusionExplainer(of_polars, random_state=0).fit(others)
    for neighbors in ("real", "ball"):
        one = max_sensitivity(None, frame[:5], explainer, data=frame, neighbors=neighbors)
        other = max_sensitivity(None, others[:5], of_others, data=others, neighbors=neighbors)
        if neighbors == "real":
            np.testing.assert_allclose(one.scores, other.scores)
        assert np.isfinite(other.scores).all()


def test_explainer_and_rows_are_not_changed():
    explainer = LimeExplainer(of_mixed_table, n_samples=200, random_state=0).fit(MIXED)
    before, rows = pickle.dumps(explainer), MIXED.iloc[:5].copy()
    max_sensitivity(None, rows, explainer, data=MIXED)
    max_sensitivity(None, rows, explainer, data=MIXED, neighbors="ball")
    assert pickle.dumps(explainer) == before
    pd.testing.assert_frame_equal(rows, MIXED.iloc[:5])


def test_duplicates_are_no_neighbors():
    data = np.vstack([X, X[:1], X[:1], X[:1]])
    result = max_sensitivity(None, X[:3], LINEAR, data=data, n_neighbors=2)
    np.testing.assert_allclose(
        result.scores, max_sensitivity(None, X[:3], LINEAR, data=X, n_neighbors=2).scores
    )
    assert (result.details["distances"].array > 0).all()


def test_rows_without_neighbors_have_no_score():
    rows = np.vstack([X, [[50.0, 50.0, 50.0]]])
    result = max_sensitivity(None, rows, LINEAR, radius=0.05)
    assert np.isnan(result.scores[-1])
    assert any("no neighbors" in note for note in result.notes)
    assert np.isfinite(result.interval()).all()


def test_rows_with_zero_explanations_have_no_relative_score():
    explainer = OcclusionExplainer(lambda X: np.maximum(X[:, 0], 0.0), masker=None, random_state=0)
    rows = np.column_stack([np.linspace(-2, 2, 40), np.arange(40.0)])
    explainer.fit(np.full((3, 2), -1.0))
    result = max_sensitivity(None, rows, explainer)
    assert np.isnan(result.scores[:20]).all()
    assert np.isfinite(result.scores[20:]).all()
    assert np.isfinite(max_sensitivity(None, rows, explainer, relative=False).scores).all()


def test_interval_of_the_average_covers():
    """Over a thousand samples of 20 rows, with the draws inside: rows and their draws are independent."""
    rows = np.random.default_rng(0).normal(size=(20_000, 3))
    options = {"data": X, "neighbors": "ball", "n_neighbors": 2, "relative": False}
    result = avg_sensitivity(None, rows, LINEAR, **options)
    hits = 0
    for own in result.scores.reshape(1000, 20):
        low, high = MeanInterval.from_scores(own[:, None]).ends()
        hits += low[0] <= result.score <= high[0]
    assert 920 <= hits <= 980


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"neighbors": "near"}, ("'neighbors'", "'real'", "'near'")),
        ({"convention": "shap"}, ("'convention'", "'captum'", "'shap'")),
        ({"radius": 0.0}, ("'radius'", "positive", "0.0")),
        ({"n_neighbors": 0}, ("'n_neighbors'", "at least 1", "0")),
        ({"random_state": -1}, ("'random_state'", "-1")),
        ({"relative": "yes"}, ("'relative'", "True or False", "'yes'")),
        ({"value_range": (0, 1)}, ("'value_range'", "tables", "(0, 1)")),
        ({"radius": 1e-9}, ("no neighbor", "20 rows", "radius=1e-09", "data=X_train")),
    ],
)
def test_parameters_are_checked(metric, options, facts):
    with refuses(DataError, metric.__name__, *facts):
        metric(None, X[:20], LINEAR, **options)


def test_pictures_need_their_range_and_a_ball():
    explainer = RiseExplainer(softmax_model(WEIGHTS), n_masks=64, random_state=0).fit(PICTURES * 4)
    with refuses(DataError, "0 to 1", "value_range=(low, high)"):
        max_sensitivity(None, PICTURES * 4, explainer)
    result = max_sensitivity(None, PICTURES * 4, explainer, value_range=(0, 4), n_neighbors=2)
    assert np.isfinite(result.scores).all()
    with refuses(DataError, "'value_range'", "(low, high)", "(1, 0)"):
        max_sensitivity(None, PICTURES, explainer, value_range=(1, 0))
    with refuses(DataError, "'neighbors'", "tables", "neighbors='ball'"):
        max_sensitivity(None, PICTURES, explainer, neighbors="real")
    with refuses(DataError, "'data'", "tables", "neighbors='ball'"):
        max_sensitivity(None, PICTURES, explainer, data=PICTURES)
    with refuses(DataError, "radius", "1e-06", "rounded away"):
        byte = (PICTURES * 255).astype(np.uint8)
        max_sensitivity(
            None,
            byte,
            RiseExplainer(softmax_model(WEIGHTS), n_masks=64, random_state=0).fit(byte),
            radius=1e-6,
        )


def test_texts_have_no_neighbors():
    texts = ["good food", "bad service", "good service"]
    explainer = KernelShapExplainer(lambda t: [s.count("good") for s in t], masker=TextMasker()).fit(texts)
    with refuses(DataError, "texts", "agreement(over='seed')", "comprehensiveness"):
        max_sensitivity(None, texts, explainer)


def test_what_is_no_fitted_explainer_is_refused():
    exp = of_table(X[..., None], X)
    with refuses(TypeError, "'explainer'", "fitted explainer", "Explanation"):
        max_sensitivity(None, X, exp)
    with pytest.raises(NotFittedError):
        max_sensitivity(None, X, OcclusionExplainer(lambda X: X @ W))


def test_columns_that_cannot_move_are_refused():
    frame = MIXED[["town"]]
    explainer = OcclusionExplainer(lambda f: (f["town"] == "north").to_numpy() * 1.0, random_state=0)
    explainer.fit(frame)
    with refuses(DataError, "neighbors='ball'", "1 columns", "neighbors='real'"):
        max_sensitivity(None, frame, explainer, neighbors="ball")
    assert np.isfinite(local_lipschitz(None, frame, explainer).scores).all()


def test_constant_predictions_and_regressions_with_several_outputs_are_refused():
    constant = OcclusionExplainer(lambda X: np.ones(len(X)), random_state=0).fit(X)
    with refuses(DataError, "60 rows", "constant", "relative=False"):
        max_sensitivity(None, X, constant)
    assert max_sensitivity(None, X, constant, relative=False).score == 0.0
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, X @ RNG.normal(size=(3, 2)))
    explainer = OcclusionExplainer(model, random_state=0).fit(X)
    with refuses(DataError, "regression", "2 outputs", "outputs='output_0'"):
        max_sensitivity(None, X, explainer)
    assert max_sensitivity(None, X, explainer, outputs="output_0").scores.shape == (60,)


def test_a_single_row_alone_has_no_neighbors():
    with refuses(DataError, "no neighbor", "1 rows", "data=X_train"):
        max_sensitivity(None, X[:1], LINEAR)
    assert max_sensitivity(None, X[:1], LINEAR, data=X).interval_source == "none"


def test_explainer_of_another_model_is_refused_and_its_own_costs_nothing():
    model, other = (LogisticRegression().fit(X, shift < X @ W) for shift in (0.0, 2.0))
    explainer = OcclusionExplainer(model, outputs=[0], random_state=0).fit(X)
    alone = max_sensitivity(None, X[:5], explainer, data=X)
    for same in (model, as_predictor(model), explainer.model_):
        assert max_sensitivity(same, X[:5], explainer, data=X).n_model_rows == alone.n_model_rows
    equal = max_sensitivity(model.predict_proba, X[:5], explainer, data=X)
    assert equal.n_model_rows == alone.n_model_rows
    same = as_predictor(lambda X: model.predict_proba(X), output_names=["False", "True"])
    equal = max_sensitivity(same, X[:5], explainer, data=X)
    assert equal.n_model_rows == alone.n_model_rows + 5
    np.testing.assert_array_equal(equal.scores, alone.scores)
    with refuses(DataError, "another model", "row"):
        max_sensitivity(other, X[:5], explainer, data=X)


def test_nullable_whole_numbers_stay_as_they_are():
    whole = pd.array(RNG.integers(0, 9, 60), dtype="Int64")
    whole[3] = None
    frame = pd.DataFrame({"a": X[:, 0], "whole": whole})
    explainer = OcclusionExplainer(lambda X: X["a"].to_numpy() ** 2, random_state=0).fit(frame)
    result = max_sensitivity(None, frame[:5], explainer, data=frame, neighbors="ball", relative=False)
    assert (result.scores > 0).all()
