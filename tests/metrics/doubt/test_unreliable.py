"""Doubts about explanations that single out wrong predictions: signals, areas, what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import TextMasker
from agnostix.metrics import unreliable
from tests.messages import assert_states, refuses
from tests.metrics.explanations import of_maps, of_table
from tests.reference import metrics_comparison as reference

X, Y = make_classification(260, 5, n_informative=4, n_redundant=0, flip_y=0.15, random_state=0)
X = pd.DataFrame(X, columns=list("abcde"))
LABELS = np.array(["no", "yes"])[Y]
FOREST = RandomForestClassifier(15, random_state=0).fit(X[:120], LABELS[:120])
ROWS, TRUTH = X[120:], LABELS[120:]
P = FOREST.predict_proba(ROWS)
WRONG = FOREST.predict(ROWS) != TRUTH
LIME = LimeExplainer(FOREST, n_samples=300, random_state=0).fit(X[:120])
EXP = LIME.explain(ROWS)
PLACE = P.argmax(axis=1)


@pytest.fixture(scope="module")
def result():
    return unreliable(FOREST, ROWS, TRUTH, LIME)


def _own(array):
    """Of an array (n_rows, ..., 2) the predicted output."""
    return np.stack([row[..., place] for row, place in zip(array, PLACE, strict=True)])


def test_signals_are_those_of_the_explanation(result):
    assert tuple(result.signals) == ("std_error", "misfit", "surrogate_gap", "neighbors", "margin")
    values, errors = _own(EXP.values), _own(EXP.std_errors)
    size = np.linalg.norm(values, axis=1)
    np.testing.assert_allclose(result.signals["std_error"], np.linalg.norm(errors, axis=1) / size)
    np.testing.assert_allclose(result.signals["misfit"], 1.0 - _own(EXP.fidelity["r2"]))
    gap = _own(EXP.extras["surrogate_outputs"].array) - P.max(axis=1)
    np.testing.assert_allclose(result.signals["surrogate_gap"], np.abs(gap), atol=1e-12)
    np.testing.assert_allclose(result.signals["margin"], 1.0 - np.abs(P[:, 1] - P[:, 0]))
    np.testing.assert_array_equal(result.is_wrong, WRONG)


def test_neighbors_are_those_of_gower(result):
    values = _own(EXP.values)
    numbers = ROWS.to_numpy()
    spans = np.ptp(numbers, axis=0)
    expected = []
    for row in range(len(ROWS)):
        apart = np.minimum(np.abs(numbers - numbers[row]) / spans, 1.0).mean(axis=1)
        apart[row] = np.inf
        nearest = np.argsort(apart.round(12), kind="stable")[:5]
        same = EXP.values[..., PLACE[row]]
        expected.append(np.mean([np.linalg.norm(same[j] - same[row]) for j in nearest]))
    np.testing.assert_allclose(result.signals["neighbors"], expected / np.linalg.norm(values, axis=1))


def test_neighbors_with_another_predicted_output_are_not_compared():
    own = LIME.explain(ROWS, outputs="predicted")
    found = unreliable(FOREST, ROWS, TRUTH, own, signals=["neighbors"]).signals["neighbors"]
    both = unreliable(FOREST, ROWS, TRUTH, EXP, signals=["neighbors"]).signals["neighbors"]
    numbers, values = ROWS.to_numpy(), own.values[..., 0]
    row = int(np.flatnonzero(~np.isclose(found, both))[0])  # which has neighbors of both kinds
    apart = np.minimum(np.abs(numbers - numbers[row]) / np.ptp(numbers, axis=0), 1.0).mean(axis=1)
    apart[row] = np.inf
    nearest = [j for j in np.argsort(apart.round(12), kind="stable")[:5] if PLACE[j] == PLACE[row]]
    assert 0 < len(nearest) < 5
    expected = np.mean([np.linalg.norm(values[j] - values[row]) for j in nearest])
    assert found[row] == pytest.approx(expected / np.linalg.norm(values[row]))


def test_areas_are_those_of_counted_pairs(result):
    frame = result.to_frame().set_index("signal")
    raw, apart = [], []
    for name in result.signals:
        pair = [result.signals[name], result.signals["margin"]]
        areas, covariance = reference.areas_and_covariance(pair, WRONG)
        line = frame.loc[name]
        assert line["auc"] == pytest.approx(areas[0])
        assert line["auc"] == pytest.approx(roc_auc_score(WRONG, result.signals[name]))
        assert (line["n_wrong"], line["n_right"]) == (WRONG.sum(), (~WRONG).sum())
        if name == "margin":
            assert line[["p_holm", "difference"]].isna().all()
            continue
        error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
        assert line["difference"] == pytest.approx(areas[0] - areas[1])
        assert line["difference_high"] - line["difference"] == pytest.approx(1.959964 * error, rel=1e-6)
        from scipy.stats import norm

        raw.append(2 * norm.sf(abs(areas[0] - 0.5) / np.sqrt(covariance[0, 0])))
        apart.append(2 * norm.sf(abs(areas[0] - areas[1]) / error))
    own = frame.drop(index="margin")
    np.testing.assert_allclose(own["p_holm"], reference.holm(raw), rtol=1e-6)
    np.testing.assert_allclose(own["difference_p_holm"], reference.holm(apart), rtol=1e-6)


def test_words_and_rows_of_the_result(result):
    assert len(result.verdicts) == len(result.signals)
    assert_states(result.verdicts[-1], "margin", "AUC")
    assert_states(repr(result), "LimeExplainer", f"{WRONG.sum()} of 140 predictions are wrong")
    assert "<table" in result._repr_html_()
    assert result.n_model_rows == EXP.n_model_rows + 140
    false, hits = result.curve("misfit")
    assert (false[0], hits[0], false[-1], hits[-1]) == (0.0, 0.0, 1.0, 1.0)
    with refuses(KeyError, "'fit'", "misfit"):
        result.curve("fit")


def test_a_planted_signal_is_found_and_noise_is_not():
    found, wrong = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(140, 5, 2))
        planted = of_table(
            values,
            ROWS,
            P,
            ("no", "yes"),
            std_errors=np.repeat(rng.normal(1.0, 0.2, (140, 1, 1)), 5, 1) + 0 * values,
        )
        noise = unreliable(FOREST, ROWS, TRUTH, planted, n_neighbors=0)
        wrong += bool(noise.to_frame()["p_holm"].iloc[0] < 0.05)
        size = np.linalg.norm(_own(values), axis=1)[:, None, None]
        errors = (WRONG * 1.2 + rng.normal(3.0, 1.0, 140))[:, None, None] * size
        told = of_table(values, ROWS, P, ("no", "yes"), std_errors=np.abs(errors) + 0 * values)
        line = unreliable(FOREST, ROWS, TRUTH, told, n_neighbors=0).to_frame().iloc[0]
        found += bool(line["p_holm"] < 0.05 and line["auc"] > 0.5)
    assert wrong / 60 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)
    assert found / 60 >= 0.9


def test_surrogate_trees_and_gaps_of_completeness():
    tree = MimicTree(FOREST, max_queries=400, random_state=0).fit(X[:120])
    names = set(unreliable(FOREST, ROWS, TRUTH, tree).signals)
    assert "surrogate_gap" in names
    assert "misfit" not in names  # the same for every row
    gap = np.abs(np.random.default_rng(0).normal(size=(140, 2)))
    exp = of_table(EXP.values, ROWS, P, ("no", "yes"), completeness_gap=gap)
    found = unreliable(FOREST, ROWS, TRUTH, exp, signals=["completeness_gap"])
    np.testing.assert_array_equal(found.signals["completeness_gap"], _own(gap))
    rounding = of_table(EXP.values, ROWS, P, ("no", "yes"), completeness_gap=gap * 1e-15)
    assert set(unreliable(FOREST, ROWS, TRUTH, rounding).signals) == {"neighbors", "margin"}


def test_rows_without_a_signal_are_left_out_and_told():
    r2 = EXP.fidelity["r2"].copy()
    r2[::4] = np.nan
    exp = of_table(EXP.values, ROWS, P, ("no", "yes"), fidelity={"r2": r2})
    found = unreliable(FOREST, ROWS, TRUTH, exp, signals=["misfit", "std_error"])
    line = found.to_frame().iloc[0]
    known = np.arange(140) % 4 != 0
    assert line["n_wrong"] + line["n_right"] == 105
    assert line["auc"] == pytest.approx(roc_auc_score(WRONG[known], found.signals["misfit"][known]))
    assert_states(" ".join(found.notes), "35 of 140 rows", "std_error is left out")


def test_labels_of_other_types():
    codes = (TRUTH == "yes").astype(int)
    predictor = as_predictor(lambda X: FOREST.predict_proba(pd.DataFrame(X, columns=list("abcde"))))
    exp = of_table(EXP.values, ROWS.to_numpy(), P, ("output_0", "output_1"))
    for y in (
        codes,
        codes.astype(float),
        codes.astype(bool),
        codes[:, None],
        pd.Series(codes, index=ROWS.index),
    ):
        np.testing.assert_array_equal(unreliable(predictor, ROWS.to_numpy(), y, exp).is_wrong, WRONG)


def test_regressions_have_a_tolerance_and_no_margin():
    rng = np.random.default_rng(0)
    numbers = X["a"] + 0.5 * rng.normal(size=260)
    ridge = Ridge().fit(X[:120], numbers[:120])
    lime = LimeExplainer(ridge, n_samples=200, random_state=0).fit(X[:120])
    with refuses(DataError, "tolerance", "at least 0", "None"):
        unreliable(ridge, ROWS, numbers[120:], lime)
    found = unreliable(ridge, ROWS, numbers[120:], lime, tolerance=0.5)
    np.testing.assert_array_equal(found.is_wrong, np.abs(ridge.predict(ROWS) - numbers[120:]) > 0.5)
    assert "margin" not in found.signals
    assert found.to_frame()["difference"].isna().all()


def test_pictures_and_texts():
    pictures = np.random.default_rng(0).random((30, 4, 4))
    y = np.random.default_rng(1).integers(0, 2, 30)

    def model(rows):
        p = rows[:, :2].mean(axis=(1, 2))
        return np.stack([1 - p, p], axis=1)

    values = np.random.default_rng(2).normal(size=(30, 4, 4, 2))
    exp = of_maps(values, model(pictures), ("output_0", "output_1"), std_errors=np.abs(values) ** 2)
    assert set(unreliable(model, pictures, y, exp).signals) == {"std_error", "margin"}
    texts = [
        " ".join(["good", "bad", "food"][j] for j in one)
        for one in np.random.default_rng(3).integers(0, 3, (30, 4))
    ]

    def praise(rows):
        p = np.clip([0.5 + 0.1 * (text.count("good") - text.count("bad")) for text in rows], 0, 1)
        return np.stack([1 - p, p], axis=1)

    shap = OcclusionExplainer(praise, masker=TextMasker()).fit(texts).explain(texts)
    with refuses(DataError, "OcclusionExplainer", "no signal", "std_error"):
        unreliable(praise, texts, y, shap)


@pytest.mark.parametrize(
    ("y", "options", "facts"),
    [
        (TRUTH[:5], {}, ("'y'", "140 rows", "(5,)")),
        (np.where(TRUTH == "no", "nope", TRUTH), {}, ("'nope'", "'no', 'yes'")),
        (FOREST.predict(ROWS), {}, ("0 of 140 are wrong", "at least two of each")),
        (TRUTH, {"tolerance": -1}, ("tolerance", "-1")),
        (TRUTH, {"tolerance": 0.1}, ("one predicted number", "2 outputs")),
        (TRUTH, {"signals": ["fit"]}, ("'signals'", "'misfit'", "'fit'")),
        (TRUTH, {"signals": "misfit"}, ("'signals'", "list")),
        (TRUTH, {"signals": ["completeness_gap"]}, ("no signal", "completeness_gap")),
        (TRUTH, {"n_neighbors": -1}, ("'n_neighbors'", "-1")),
        (TRUTH, {"outputs": ["no", "yes"]}, ("one output at a time", "no, yes")),
    ],
)
def test_bad_input(y, options, facts):
    with refuses(DataError, *facts):
        unreliable(FOREST, ROWS, y, EXP, **options)


def test_other_rows_other_models_and_no_explainer():
    with refuses(DataError, "row 0", "other rows"):
        unreliable(FOREST, ROWS[::-1], TRUTH[::-1], EXP)
    other = RandomForestClassifier(3, random_state=1).fit(X[:120], LABELS[:120])
    with refuses(DataError, "another model"):
        unreliable(other, ROWS, TRUTH, EXP)
    with refuses(DataError, "fitted explainer or an Explanation", "int"):
        unreliable(FOREST, ROWS, TRUTH, 3)
    with refuses(DataError, "not fitted", "KernelShapExplainer"):
        unreliable(FOREST, ROWS, TRUTH, KernelShapExplainer(FOREST))
