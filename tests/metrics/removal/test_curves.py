"""Deletion, insertion, sufficiency and comprehensiveness against plain loops, and their optima."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from agnostix import KernelShapExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker, TextMasker
from agnostix.metrics import comprehensiveness, deletion, insertion, sufficiency
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model
from tests.reference import metrics as reference

RNG = np.random.default_rng(0)
PICTURES = RNG.random((4, 13, 12, 3))
WEIGHTS = RNG.normal(size=(13, 12, 3, 3)) * 0.2
MODEL = softmax_model(WEIGHTS)
MAPS = RNG.normal(size=(4, 13, 12, 3))
CLASS = MODEL(PICTURES).argmax(axis=1)
EXP = of_maps(MAPS, MODEL(PICTURES), ("a", "b", "c"))
TABLE = RNG.normal(size=(5, 6))
BACKGROUND = RNG.normal(size=(3, 6))


def _linear(X):
    return np.asarray(X) @ np.array([3.0, -2.0, 1.0, 0.5, 0.0, -1.0])


def _order(row):
    return np.argsort(-MAPS[row, :, :, CLASS[row]].ravel(), kind="stable")


@pytest.mark.parametrize(("convention", "step"), [("rise", 12), ("lecture", 96)])
def test_deletion_is_that_of_rise(convention, step):
    result = deletion(MODEL, PICTURES, EXP, convention=convention)
    for row, picture in enumerate(PICTURES):
        predictions = reference.curve_of_rise(
            lambda one, row=row: MODEL(one[None])[0, CLASS[row]], picture, 0 * picture, _order(row), step
        )
        np.testing.assert_allclose(result.curve.values[row], predictions, rtol=0, atol=1e-12)
        assert result.scores[row] == pytest.approx(reference.auc_of_rise(predictions), abs=1e-12)
    assert result.greater_is_better is False
    assert result.params["step"] == step
    assert result.fill == "zero of the normalized input"


@pytest.mark.parametrize(("convention", "step", "size"), [("rise", 12, 11), ("lecture", 96, 5)])
def test_insertion_is_that_of_rise(convention, step, size):
    result = insertion(MODEL, PICTURES, EXP, convention=convention)
    for row, picture in enumerate(PICTURES):
        predictions = reference.curve_of_rise(
            lambda one, row=row: MODEL(one[None])[0, CLASS[row]],
            reference.blur_of_rise(picture, size),
            picture,
            _order(row),
            step,
        )
        np.testing.assert_allclose(result.curve.values[row], predictions, rtol=0, atol=1e-12)
        assert result.scores[row] == pytest.approx(reference.auc_of_rise(predictions), abs=1e-12)


def test_torch_model_composes_what_a_function_is_given():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(440, 3))
    predictor = as_predictor(network.eval(), mean=[0.4, 0.5, 0.6], std=[0.2, 0.2, 0.3], activation="softmax")
    pictures = PICTURES.astype(np.float32)
    exp = of_maps(MAPS, predictor.predict(pictures), ("output_0", "output_1", "output_2"))
    zero = np.broadcast_to([0.4, 0.5, 0.6], pictures[0].shape)
    for metric in (deletion, insertion):
        result = metric(predictor, pictures, exp)
        own = result.params["step"]
        for row, picture in enumerate(pictures.astype(float)):
            chosen = predictor.predict(pictures[[row]]).argmax()
            blur = reference.blur_of_rise(picture - zero) + zero
            ends = (picture, zero) if metric is deletion else (blur, picture)
            order = np.argsort(-MAPS[row, :, :, chosen].ravel(), kind="stable")
            predictions = reference.curve_of_rise(
                lambda one, c=chosen: predictor.predict(one[None].astype(np.float32))[0, c], *ends, order, own
            )
            np.testing.assert_allclose(result.curve.values[row], predictions, rtol=0, atol=1e-5)


def test_tables_have_columns_replaced_by_all_background_rows():
    values = RNG.normal(size=(5, 6, 1))
    result = deletion(_linear, TABLE, of_table(values, TABLE), masker=BACKGROUND)
    shown = insertion(_linear, TABLE, of_table(values, TABLE), masker=BACKGROUND)
    for row, own in enumerate(TABLE):
        order = np.argsort(-values[row, :, 0])
        curve = reference.table_curve(_linear, own, BACKGROUND, order)
        np.testing.assert_allclose(result.curve.values[row], curve, atol=1e-12)
        backwards = reference.table_curve(_linear, own, BACKGROUND, order[::-1])[::-1]
        np.testing.assert_allclose(shown.curve.values[row], backwards, atol=1e-12)
    assert result.fill == "3 background rows"


def test_frames_with_labels_and_groups_of_columns():
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["u", "v", "u"], "c": [0, 1, 1]})
    background = pd.DataFrame({"a": [0.0, 0.0], "b": ["u", "w"], "c": [0, 1]})

    def model(X):
        return X["a"] * (X["b"] == "u") + X["c"]

    explainer = KernelShapExplainer(model, feature_groups={"bc": ["b", "c"]}, random_state=0)
    exp = explainer.fit(background).explain(table)
    result = deletion(model, table, exp, masker=background, n_random=0, least=False)
    for row in range(3):
        order = [["a"], ["b", "c"]] if exp.values[row, 0, 0] >= exp.values[row, 1, 0] else [["b", "c"], ["a"]]
        means, hidden = [float(model(table.iloc[[row]]).iloc[0])], []
        for columns in order:
            hidden += columns
            mixed = pd.concat([table.iloc[[row]]] * 2, ignore_index=True)
            mixed[hidden] = background[hidden]
            means.append(model(mixed).mean())
        np.testing.assert_allclose(result.curve.values[row], means, atol=1e-12)


def test_texts_have_words_removed_and_their_own_numbers_of_words():
    texts = ["good food and beer", "bad service", "so good"]

    def model(rows):
        return np.array([1.0 * row.count("good") - row.count("bad") + 0.1 * len(row.split()) for row in rows])

    exp = KernelShapExplainer(model, masker=TextMasker()).fit(texts).explain(texts)
    result = deletion(model, texts, exp, masker=TextMasker())
    for row, text in enumerate(texts):
        words = text.split()
        order = np.argsort(-exp.values[row, : len(words), 0].round(12), kind="stable")
        predictions = reference.text_curve(model, words, list(order))
        assert result.scores[row] == pytest.approx(reference.auc_of_rise(predictions), abs=1e-12)
    assert result.curve.x.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert result.curve.values[1, 2] == pytest.approx(model(["bad"])[0])  # of two words, one is hidden


def test_segments_are_hidden_whole():
    masker = SegmentMasker("grid", n_segments=6, fill=0.5)
    exp = KernelShapExplainer(MODEL, masker=masker, random_state=0).fit(PICTURES).explain(PICTURES)
    by_fill = deletion(MODEL, PICTURES, exp, fill=0.5)
    by_masker = deletion(MODEL, PICTURES, exp, masker=masker)
    np.testing.assert_array_equal(by_fill.scores, by_masker.scores)
    labels = exp.extras["segments"].array
    for row, picture in enumerate(PICTURES):
        shown, predictions = picture.copy(), [MODEL(picture[None])[0, CLASS[row]]]
        for segment in np.argsort(-exp.values[row, :, CLASS[row]]):
            shown[labels[row] == segment] = 0.5
            predictions.append(MODEL(shown[None])[0, CLASS[row]])
        np.testing.assert_allclose(by_fill.curve.values[row], predictions, atol=1e-12)


@pytest.mark.parametrize("metric", [sufficiency, comprehensiveness])
def test_sufficiency_and_comprehensiveness(metric):
    values = RNG.normal(size=(5, 6, 1))
    result = metric(_linear, TABLE, of_table(values, TABLE), proportions=[0.5, 0.1], masker=BACKGROUND)
    for row, own in enumerate(TABLE):
        order = np.argsort(-values[row, :, 0])
        falls = []
        for n in (1, 3):
            hidden = order[n:] if metric is sufficiency else order[:n]
            mixed = np.tile(own, (3, 1))
            mixed[:, hidden] = BACKGROUND[:, hidden]
            falls.append(_linear(own[None])[0] - _linear(mixed).mean())
        assert result.scores[row] == pytest.approx(np.mean(falls), abs=1e-12)
    assert result.greater_is_better is (metric is comprehensiveness)


def test_contributions_are_the_optimum_of_linear_models_and_no_random_map_reaches_it():
    w, b = np.array([3.0, -2.0, 1.0, 0.5, 0.0, -1.0]), np.array([0.5, 1.0, -1.0, 2.0, 0.3, 0.7])
    X = RNG.normal(size=(40, 6))
    best = of_table((w * (X - b))[..., None], X, _linear(X)[:, None])
    result = deletion(_linear, X, best, masker=b[None], n_random=4)
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(40, 6, 1))
        other = deletion(_linear, X, of_table(values, X), masker=b[None], least=False, n_random=0)
        assert (other.scores >= result.scores - 1e-12).all()
        assert other.difference(result).interval()[0] > 0
    assert result.against("random").interval(0.999)[0] > 0
    assert result.against("least").interval(0.999)[0] > 0
    # Not those that leave the baseline out, w x.
    naive = deletion(_linear, X, of_table((w * X)[..., None], X), masker=b[None], n_random=0)
    assert naive.difference(result).interval()[0] > 0


def test_nothing_is_evaluated_twice():
    model = Counted(MODEL)
    exp = of_maps(MAPS, MODEL(PICTURES), ("a", "b", "c"))
    result = deletion(model, PICTURES, exp, step=40)
    # Pictures as they are; of three orders the points between; all hidden once.
    assert model.n_rows == result.n_model_rows == 4 * (1 + 3 * 3 + 1)
    model = Counted(MODEL)
    insertion(model, PICTURES, exp, step=40, least=False, n_random=0)
    assert model.n_rows == 4 * (1 + 3 + 1)


def test_equal_rows_of_columns_of_few_values_are_evaluated_once():
    X = np.array([[0.0, 1.0], [1.0, 0.0]])
    background = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    model = Counted(lambda rows: rows.sum(axis=1))
    exp = of_table(np.array([[[1.0], [0.5]], [[0.5], [1.0]]]), X)
    result = deletion(model, X, exp, masker=background)
    assert model.n_rows == result.n_model_rows < 2 * (1 + 2 * 4 + 4)
    plain = deletion(lambda rows: rows.sum(axis=1), X, exp, masker=background[:, :], least=False, n_random=0)
    np.testing.assert_array_equal(plain.scores, result.scores)


def test_answers_do_not_depend_on_workers_batches_and_other_rows():
    values = RNG.normal(size=(5, 6, 1)).round(0)  # with ties
    exp = of_table(values, TABLE)
    whole = deletion(_linear, TABLE, exp, masker=BACKGROUND)
    from joblib import parallel_config
    from sklearn import config_context

    with parallel_config(backend="threading"):
        np.testing.assert_array_equal(
            deletion(_linear, TABLE, exp, masker=BACKGROUND, n_jobs=3).scores, whole.scores
        )
    with config_context(working_memory=1):
        small = deletion(_linear, TABLE, exp, masker=BACKGROUND)
        np.testing.assert_allclose(small.scores, whole.scores, rtol=1e-12)
    some = deletion(_linear, TABLE[[3, 1]], of_table(values[[3, 1]], TABLE[[3, 1]]), masker=BACKGROUND)
    np.testing.assert_allclose(some.scores, whole.scores[[3, 1]], rtol=1e-12)
    np.testing.assert_allclose(some.references["random"], whole.references["random"][[3, 1]], rtol=1e-12)


def test_ties_are_told_with_their_effect():
    values = np.zeros((5, 6, 1))
    values[:, 0] = 1.0
    exp = of_table(values, TABLE)
    result = deletion(_linear, TABLE, exp, masker=BACKGROUND, n_ties=8)
    assert_states(" ".join(result.notes), "5 of 5", "8", "ties")
    assert (result.draw_errors > 0).all()
    single = deletion(_linear, TABLE[:1], of_table(values[:1], TABLE[:1]), masker=BACKGROUND, n_ties=8)
    assert single.interval_source == "draws"
    low, high = single.interval()
    assert low < single.score < high
    values = RNG.normal(size=(5, 6, 1))
    clear = deletion(_linear, TABLE, of_table(values, TABLE, _linear(TABLE)[:, None]), masker=BACKGROUND)
    assert clear.draw_errors is None
    assert clear.notes == ()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), step=st.integers(1, 7))
def test_hiding_the_least_relevant_first_mirrors_a_negated_map(seed, step):
    values = np.random.default_rng(seed).normal(size=(5, 6, 1))
    one = deletion(_linear, TABLE, of_table(values, TABLE), masker=BACKGROUND, step=step, n_random=0)
    other = deletion(_linear, TABLE, of_table(-values, TABLE), masker=BACKGROUND, step=step, n_random=0)
    np.testing.assert_allclose(one.references["least"], other.scores, rtol=1e-12)
    assert one.curve.values.shape == (5, -(-6 // step) + 1)


def test_several_outputs_have_scores_of_their_own():
    result = deletion(MODEL, PICTURES, EXP, outputs=["c", "a"], step=30)
    assert result.scores.shape == (4, 2)
    assert result.output_names == ("c", "a")
    alone = deletion(MODEL, PICTURES, EXP, outputs="a", step=30)
    np.testing.assert_allclose(result.scores[:, 1], alone.scores, atol=1e-12)
    assert result.interval()[0].shape == (2,)


def test_classifier_is_measured_at_the_predicted_class():
    X = RNG.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    model = LogisticRegression().fit(X, y)
    exp = KernelShapExplainer(model, random_state=0).fit(X).explain(X[:10])
    result = deletion(model, X[:10], exp, masker=X[20:40])
    np.testing.assert_allclose(result.curve.values[:, 0], model.predict_proba(X[:10]).max(axis=1))
    assert result.against("random").interval()[0] > 0


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"convention": "captum"}, ("convention", "'rise'", "'lecture'", "'captum'")),
        ({"step": 0}, ("step", "at least 1", "0")),
        ({"step": 2.5}, ("step", "2.5")),
        ({"n_random": -1}, ("n_random", "at least 0")),
        ({"n_ties": 0}, ("n_ties", "at least 1")),
        ({"fill": "inpaint"}, ("fill", "'inpaint'", "road")),
        ({"fill": lambda pictures: pictures[:1]}, ("fill", "(1, 13, 12, 3)")),
        ({"masker": SegmentMasker()}, ("masker", "SegmentMasker", "fill")),
    ],
)
def test_bad_parameters_of_pictures(options, facts):
    with refuses(DataError, "deletion", *facts):
        deletion(MODEL, PICTURES, EXP, **options)


@pytest.mark.parametrize("proportions", [[], [0.0], [1.0], ["a"], 2])
def test_bad_proportions(proportions):
    with refuses(DataError, "proportions", "sufficiency", "below 1"):
        sufficiency(_linear, TABLE, of_table(np.ones((5, 6, 1)), TABLE), proportions=proportions)


def test_tables_need_a_background():
    exp = of_table(RNG.normal(size=(5, 6, 1)), TABLE)
    with refuses(DataError, "deletion", "background", "masker=X_train[:100]"):
        deletion(_linear, TABLE, exp)
    with refuses(DataError, "fill", "masker"):
        deletion(_linear, TABLE, exp, fill=0.0)


@pytest.mark.parametrize("metric", [deletion, comprehensiveness])
def test_score_of_each_random_order_is_given(metric):
    exp = of_table(RNG.normal(size=(*TABLE.shape, 1)), TABLE)
    result = metric(_linear, TABLE, exp, masker=BACKGROUND, n_random=3)
    draws = result.details["random"]
    assert draws.dims == ("row", "draw")
    np.testing.assert_allclose(draws.array.mean(axis=1), result.references["random"], rtol=1e-12)
    one = metric(_linear, TABLE, exp, masker=BACKGROUND, n_random=1)
    np.testing.assert_allclose(draws.array[:, 0], one.references["random"], rtol=1e-12)
    assert "random" not in metric(_linear, TABLE, exp, masker=BACKGROUND, n_random=0).details
    several = metric(MODEL, PICTURES, EXP, **({"step": 40} if metric is deletion else {}), outputs=["a", "c"])
    assert several.details["random"].array.shape == (4, 1, 2)
