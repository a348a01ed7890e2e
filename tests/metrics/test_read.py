"""Explanations that do not fit rows, model or metric are refused with what does not fit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression

from agnostix import (
    CamExplainer,
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    as_predictor,
    representative_sample,
)
from agnostix.exceptions import DataError, EngineError
from agnostix.maskers import TextMasker
from agnostix.metrics import deletion
from agnostix.metrics.read import read_explanation
from agnostix.metrics.units import background_masker
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted, of_maps, of_table

X, Y = load_iris(return_X_y=True, as_frame=True)
MODEL = LogisticRegression(max_iter=1000).fit(X, Y)
ROWS = X.iloc[::15]
EXP = KernelShapExplainer(MODEL, random_state=0).fit(X).explain(ROWS)


def _read(model=MODEL, rows=ROWS, exp=EXP, **options):
    return read_explanation(model, rows, exp, by="deletion", **{"masker": X.tail(20)} | options)


def test_values_and_predictions_of_the_predicted_class():
    explained = _read()
    chosen = MODEL.predict_proba(ROWS).argmax(axis=1)
    np.testing.assert_array_equal(explained.outputs[:, 0], chosen)
    np.testing.assert_array_equal(explained.values[..., 0], EXP.values[np.arange(10), :, chosen])
    np.testing.assert_allclose(explained.scores[:, 0], MODEL.predict_proba(ROWS).max(axis=1))
    assert (explained.output_names, explained.n_model_rows, explained.notes) == (("predicted",), 10, ())


def test_rows_are_predicted_once():
    model = Counted(MODEL.predict_proba)
    exp = replace(EXP, output_names=("output_0", "output_1", "output_2"))
    assert _read(model, exp=exp).n_model_rows == model.n_rows == 10
    _read(model, exp=exp, predictions=MODEL.predict_proba(ROWS))
    assert model.n_rows == 10


def test_explanation_of_the_predicted_output_alone():
    exp = KernelShapExplainer(MODEL, outputs="predicted", random_state=0).fit(X).explain(ROWS)
    one, other = _read(exp=exp), _read()
    np.testing.assert_array_equal(one.outputs, other.outputs)
    np.testing.assert_allclose(one.values, other.values, atol=1e-12)


def test_outputs_by_name():
    explained = _read(outputs=["2", "0"])
    assert explained.outputs[0].tolist() == [2, 0]
    assert explained.output_names == ("2", "0")
    with refuses(ValueError, "'7'", "0, 1, 2"):
        _read(outputs="7")


def test_output_that_is_not_explained():
    with refuses(DataError, "deletion", "outputs='0'", "predicted to be 2"):
        _read(exp=EXP.sel(outputs=["0", "1"]))
    assert _read(exp=EXP.sel(outputs=["1"])).output_names == ("1",)


def test_regressions_of_several_outputs_need_a_choice():
    model = LinearRegression().fit(X, np.column_stack([Y, -Y]))
    exp = KernelShapExplainer(model, random_state=0).fit(X).explain(ROWS)
    with refuses(DataError, "2 outputs", "regression", "outputs="):
        _read(model, exp=exp)
    assert _read(model, exp=exp, outputs=1).outputs[0, 0] == 1


def test_other_rows_are_refused_with_the_first_that_differs():
    with refuses(DataError, "10 rows", "149"):
        _read(rows=X.iloc[:149])
    shuffled = ROWS.iloc[[0, 1, 3, 2, *range(4, 10)]]
    with refuses(DataError, "other rows", "row 2", "sepal width (cm)"):
        _read(rows=shuffled)
    array = ROWS.to_numpy()
    exp = of_table(EXP.values, array, EXP.outputs, EXP.output_names)
    moved = array.copy()
    moved[4, 1] += 1.0
    with refuses(DataError, "row 4", f"{array[4, 1]}", f"{moved[4, 1]}"):
        _read(MODEL.predict_proba, moved, exp, masker=X.to_numpy())


def test_other_model_is_refused_with_row_and_difference():
    other = LogisticRegression(C=0.01).fit(X, Y)
    apart = np.abs(other.predict_proba(ROWS) - EXP.outputs)
    row = np.unravel_index(apart.argmax(), apart.shape)[0]
    with refuses(DataError, "another model", f"row {row}", f"{apart.max():.3g}", "explain again"):
        _read(other)
    with refuses(DataError, "output '0'", "prediction"):
        _read(lambda rows: rows.iloc[:, 0])


def test_outputs_in_other_units_are_not_compared_and_it_is_said():
    exp = KernelShapExplainer(MODEL, link="logit", random_state=0).fit(X).explain(ROWS)
    assert_states(" ".join(_read(exp=exp).notes), "not checked", "log-odds")
    assert_states(" ".join(_read(exp=replace(EXP, outputs=None, completeness=None)).notes), "no outputs")


def test_failing_model_is_named():
    def model(rows):
        raise RuntimeError("out of paper")

    with refuses(EngineError, "out of paper"):
        _read(model)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_refused_with_the_row(bad):
    values = EXP.values.copy()
    values[[3, 5], 1] = bad
    with refuses(DataError, "NaN", "2 of 10", "row 3"):
        _read(exp=replace(EXP, values=values, completeness=None))


def test_one_value_everywhere_ranks_nothing():
    values = EXP.values.copy()
    values[2] = 1.0
    assert_states(" ".join(_read(exp=replace(EXP, values=values)).notes), "1 of 10", "row 2", "chance")
    with refuses(DataError, "one value", "ranks nothing"):
        _read(exp=replace(EXP, values=np.ones_like(values)))


def test_constant_predictions_give_flat_curves():
    def model(rows):
        return np.full(len(rows), 3.0)

    exp = of_table(np.arange(40.0).reshape(10, 4, 1), ROWS, np.full((10, 1), 3.0))
    result = deletion(model, ROWS, exp, masker=X.tail(5))
    np.testing.assert_array_equal(result.scores, 3.0)
    assert result.against("random").interval() == (0.0, 0.0)


def test_sizes_of_sensitivities_are_ranked_and_it_is_said():
    values = np.array([[[-3.0], [1.0], [2.0], [0.0]]] * 10)
    exp = of_table(values, ROWS, quantity="sensitivity", names=("0",))
    explained = _read(exp=exp)
    np.testing.assert_array_equal(explained.values, np.abs(values))
    assert_states(" ".join(explained.notes), "'sensitivity'", "sizes")
    with refuses(DataError, "deletion", "'sensitivity'", "'contribution'"):
        _read(exp=exp, by_size={}, made_for=("contribution",))


def test_coefficients_of_tables_are_refused_with_the_remedy():
    explainer = LimeExplainer(MODEL, values="coef", random_state=0, n_samples=64).fit(X)
    with refuses(DataError, "per unit", "values='coef_x'"):
        _read(exp=explainer.explain(ROWS))
    remedy = LimeExplainer(MODEL, values="coef_x", random_state=0, n_samples=64).fit(X)
    assert _read(exp=remedy.explain(ROWS)).values.shape == (10, 4, 1)


@pytest.mark.parametrize(
    ("exp", "error", "facts"),
    [
        (EXP.values, TypeError, ("Explanation", "ndarray")),
        (EXP.aggregate(), DataError, ("('feature', 'output')", "('row', 'feature', 'output')")),
        (EXP[[]], DataError, ("at least one row",)),
    ],
)
def test_what_is_no_explanation_of_rows(exp, error, facts):
    with refuses(error, "deletion", *facts):
        _read(exp=exp)


def test_features_that_were_left_out_are_missed():
    with refuses(DataError, "2 features", "4"):
        _read(exp=EXP.sel(features=[0, 1]))


def test_maps_of_another_size():
    exp = of_maps(np.arange(48.0).reshape(3, 4, 4, 1))
    with refuses(DataError, "4 x 4", "5 x 5"):
        deletion(lambda P: P.sum((1, 2)), np.zeros((3, 5, 5)), exp)


def test_words_that_were_split_otherwise():
    texts = ["a good day", "no-one came"]

    def model(rows):
        return [float(len(row)) for row in rows]

    masker = TextMasker(pattern=r"\s+")
    exp = KernelShapExplainer(model, masker=masker).fit(texts).explain(texts)
    with refuses(DataError, "other words", "masker"):
        deletion(model, texts, exp)
    assert deletion(model, texts, exp, masker=masker).scores.shape == (2,)


def test_frames_of_polars():
    polars = pytest.importorskip("polars")
    frame, background = polars.from_pandas(ROWS), polars.from_pandas(X)
    exp = KernelShapExplainer(MODEL, random_state=0).fit(background).explain(frame)
    result = deletion(MODEL, frame, exp, masker=background.tail(20))
    other = deletion(MODEL, ROWS, EXP, masker=X.tail(20))
    np.testing.assert_allclose(result.scores, other.scores, atol=1e-10)


def test_rows_keep_their_names():
    rows = pd.DataFrame(ROWS.to_numpy(), columns=ROWS.columns, index=list("abcdefghij"))
    exp = OcclusionExplainer(MODEL, random_state=0).fit(X).explain(rows)
    result = deletion(as_predictor(MODEL), rows, exp, masker=X.tail(5))
    assert result.row_names == tuple("abcdefghij")


@pytest.mark.parametrize("params", [{"method": "score_cam"}, {"normalize": True}, {"method": "grad_cam"}])
def test_maps_whose_outputs_are_logits_are_read(params):
    pytest.importorskip("torch")
    from tests.neural import networks

    images = networks.pictures()
    model = as_predictor(networks.seeded(networks.vgg), activation="softmax")
    explainer = CamExplainer(model, layer="9", outputs="predicted", verbose=0, **params)
    exp = explainer.fit(images).explain(images)
    explained = read_explanation(model, images, exp, by="average_drop")
    assert_states(" ".join(explained.notes), "outputs in logits")
    np.testing.assert_allclose(explained.scores[:, 0], model.predict(images).max(axis=1))


def test_units_of_a_layer_are_refused():
    extras = EXP.extras | {"layer": "fc1: (4,)"}
    with refuses(DataError, "deletion", "units of layer fc1: (4,)", "layer=None"):
        _read(exp=replace(EXP, extras=extras))


def test_results_of_other_random_states_are_of_the_same_rows():
    X = np.random.default_rng(0).normal(size=(6, 3))
    model = lambda X: X @ np.array([1.0, -3.0, 2.0])  # noqa: E731
    exp = of_table(np.tile([1.0, 1.0, 2.0], (6, 1))[..., None], X)
    one, other = (
        deletion(model, X, exp, masker=X[:2], step=1, n_ties=3, random_state=seed) for seed in (0, 7)
    )
    assert (one.references["random"] != other.references["random"]).any()
    np.testing.assert_array_equal(one.row_keys, other.row_keys)
    assert one.difference(other).scores.shape == (6,)


def test_background_of_an_explainer_or_sample_keeps_its_weights():
    table = np.random.default_rng(0).normal(size=(300, 3))
    explainer = OcclusionExplainer(lambda X: X[:, 0] * X[:, 1], background_size=12, random_state=0).fit(table)
    exp = explainer.explain(table[:5])
    sample = representative_sample(table, 12, random_state=0)
    weights = explainer.background_weights_
    assert np.ptp(weights) > 0
    for masker in (explainer, sample):
        own = background_masker(masker, exp)
        np.testing.assert_array_equal(own.background, explainer.background_)
        np.testing.assert_array_equal(own.weights, weights)
    assert np.ptp(background_masker(explainer.background_, exp).weights) == 0
