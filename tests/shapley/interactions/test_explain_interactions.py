"""`explain_interactions` of any model: exact, sampled, of trees; what users see, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from agnostix import Explanation, KernelShapExplainer
from agnostix.maskers import TextMasker
from tests.messages import refuses
from tests.reference import interactions as reference
from tests.shapley.interactions.games import NAMES

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))
WIDE = RNG.normal(size=(60, 14))


def smooth(rows):
    rows = np.asarray(rows, dtype=float)
    return np.tanh(rows[:, 0] * rows[:, 1]) + rows[:, 2] ** 2 * rows[:, 3] + rows[:, 4]


def explainer(model=smooth, X=X, **params):
    params = {"random_state": 0, "verbose": 0, "background": "all"} | params
    return KernelShapExplainer(model, **params).fit(X)


def by_definition(predict, row, background, index):
    """Symmetric (d, d) of one output."""
    d = len(row)

    def game(coalition):
        mixed = background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return predict(mixed).mean()

    found = np.zeros((d, d))
    for who, value in reference.INDICES[index](game, d).items():
        found[min(who), max(who)] = found[max(who), min(who)] = value
    return found


@pytest.mark.parametrize("index", NAMES)
def test_all_coalitions_give_the_definition(index):
    exp = explainer().explain_interactions(X[:2], index=index)
    assert exp.dims == ("row", "feature", "feature", "output")
    assert (exp.quantity, exp.extras["index"]) == ("interaction", index)
    for place in range(2):
        expected = by_definition(smooth, X[place], X, index)
        np.testing.assert_allclose(exp.values[place, :, :, 0], expected, atol=1e-11)
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    if index == "SII":
        assert exp.completeness is None
        values = explainer().explain(X[:2]).values
        np.testing.assert_allclose(np.diagonal(exp.values[..., 0], 0, 1, 2), values[..., 0], atol=1e-12)
    else:
        assert exp.check_additivity() < 1e-10


@pytest.mark.parametrize("index", NAMES)
def test_sampled_coalitions_are_near_their_errors(index):
    whole = explainer(X=WIDE[:, :9], background_size=9).explain_interactions(WIDE[:1, :9], index=index)
    one = explainer(X=WIDE[:, :9], budget=200)
    exp = one.explain_interactions(WIDE[:1, :9], index=index)
    upper = np.triu_indices(9, 0 if index == "STII" else 1)
    off, errors = (exp.values - whole.values)[0, :, :, 0][upper], exp.std_errors[0, :, :, 0][upper]
    assert (errors > 0.0).all()
    assert (np.abs(off) <= 2.5 * errors).mean() >= 0.85
    assert exp.extras["evaluations"].array.tolist() == [200]
    assert exp.n_model_rows <= one.cost(WIDE[:1, :9])
    if index != "SII":
        assert exp.check_additivity() < 1e-8


def test_single_features_are_those_of_explain():
    one = explainer(X=WIDE[:, :9], budget=60)
    exp, values = one.explain_interactions(WIDE[:2, :9], index="SII"), one.explain(WIDE[:2, :9])
    diagonal = np.diagonal(exp.values[..., 0], 0, 1, 2)
    np.testing.assert_allclose(diagonal, values.values[..., 0], atol=1e-12)
    errors = np.diagonal(exp.std_errors[..., 0], 0, 1, 2)
    np.testing.assert_allclose(errors, values.std_errors[..., 0], rtol=1e-6)


def test_a_row_does_not_depend_on_those_beside_it():
    one = explainer(X=WIDE[:, :8], budget=60, background="sample", background_size=10)
    whole = one.explain_interactions(np.concatenate([WIDE[:3, :8], WIDE[:1, :8]]))
    alone = one.explain_interactions(WIDE[2:3, :8])
    np.testing.assert_array_equal(whole.values[2], alone.values[0])
    np.testing.assert_array_equal(whole.std_errors[2], alone.std_errors[0])
    np.testing.assert_array_equal(whole.values[3], whole.values[0])


def test_features_are_chosen():
    one = explainer()
    whole, some = (one.explain_interactions(X[:2], features=chosen) for chosen in (None, ["x3", 0]))
    assert some.feature_names == ("x3", "x0")
    assert some.completeness is None
    places = np.ix_([0, 1], [3, 0], [3, 0])
    np.testing.assert_allclose(some.values[..., 0], whole.values[..., 0][places], atol=1e-12)


def test_players_that_do_not_vary_interact_with_nobody():
    fixed = X.copy()
    fixed[:, 1] = 2.0
    exp = explainer(X=fixed).explain_interactions(fixed[:2])
    assert not exp.values[:, 1].any()
    assert exp.values[:, 0, 0].all()
    np.testing.assert_allclose(
        exp.values[0, :, :, 0], by_definition(smooth, fixed[0], fixed, "k-SII"), atol=1e-11
    )


def test_an_error_of_the_background_is_stated():
    exp = explainer(background="sample", background_size=10).explain_interactions(X[:3])
    assert (exp.std_errors[:, 0, 1] > 0.0).all()
    assert exp.extras["background_std_errors"].dims == exp.dims
    assert not exp.extras["coalition_std_errors"].array.any()


@pytest.mark.parametrize("index", NAMES)
def test_trees_are_exact_in_the_users_columns(index):
    table = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    table["level"] = np.random.default_rng(1).choice(list("xyz"), len(table))
    y = (X[:, 0] * (table["level"] == "x") + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)
    encoder = make_column_transformer((OneHotEncoder(), ["level"]), remainder="passthrough")
    model = make_pipeline(encoder, RandomForestClassifier(4, random_state=0)).fit(table, y)
    params = {"random_state": 0, "verbose": 0}
    trees = KernelShapExplainer(model, algorithm="tree", **params).fit(table)
    exp = trees.explain_interactions(table[:3], index=index)
    assert exp.extras["algorithm"] == "tree"
    kernel = KernelShapExplainer(model, algorithm="kernel", background="all", **params).fit(table)
    other = kernel.explain_interactions(table[:3], index=index)
    np.testing.assert_allclose(exp.values, other.values, atol=1e-12)
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    assert exp.values.shape == (3, 4, 4, 3)


def test_margins_of_boosted_classifiers():
    model = HistGradientBoostingClassifier(max_iter=5).fit(X, X[:, 0] * X[:, 1] > 0)
    exp = explainer(model, algorithm="tree").explain_interactions(X[:2])
    assert exp.units == "margin"
    assert exp.check_additivity() < 1e-10


def test_log_odds():
    def probability(rows):
        return 1.0 / (1.0 + np.exp(-smooth(rows)))

    exp = explainer(probability, link="logit").explain_interactions(X[:2], index="FSII")
    assert exp.units == "log-odds"
    assert exp.check_additivity() < 1e-10


def test_selection_storage_frame_and_pictures(tmp_path):
    exp = explainer(background="sample", background_size=10).explain_interactions(X[:4])
    low, high = exp.interval()
    assert ((low <= exp.values) & (exp.values <= high)).all()
    exp.save(tmp_path / "pairs.npz")
    again = Explanation.load(tmp_path / "pairs.npz")
    np.testing.assert_array_equal(again.values, exp.values)
    frame = exp[1].sel(features=["x2", "x0"]).to_frame(level=0.9)
    assert list(zip(frame["feature"], frame["feature_2"], strict=True)) == [
        ("x2", "x2"),
        ("x2", "x0"),
        ("x0", "x0"),
    ]
    assert frame["value"].iloc[1] == exp.values[1, 0, 2, 0]
    mean = exp.aggregate()
    np.testing.assert_array_equal(mean.values, mean.values.transpose(1, 0, 2))
    assert "x0 × x1" in exp._repr_html_()


def test_bad_input():
    one = explainer()
    with refuses(ValueError, "index", "'k-SII'", "'shapley'"):
        one.explain_interactions(X[:1], index="shapley")
    with refuses(ValueError, "features", "'z'", "x0"):
        one.explain_interactions(X[:1], features="z")
    with refuses(ValueError, "features", "twice"):
        one.explain_interactions(X[:1], features=[0, "x0"])
    with refuses(ValueError, "features", "at least one"):
        one.explain_interactions(X[:1], features=[])
    texts = KernelShapExplainer(lambda texts: np.ones(len(texts)), masker=TextMasker(), verbose=0)
    texts.fit(["a good film", "a bad one"])
    with refuses(ValueError, "same in all rows"):
        texts.explain_interactions(["a good film"])


def test_too_many_features_are_named():
    table = RNG.normal(size=(20, 70))
    one = explainer(lambda rows: rows[:, 0] * rows[:, 1] + rows[:, 69], table, budget=160)
    with refuses(ValueError, "64", "70", "2,415", "features=[...]"):
        one.explain_interactions(table[:1])
    exp = one.explain_interactions(table[:1], features=[0, 1, 69])
    assert exp.values.shape == (1, 3, 3, 1)
    expected = (table[0, 0] - table[:, 0].mean()) * (table[0, 1] - table[:, 1].mean())
    expected += np.cov(table[:, 0], table[:, 1], bias=True)[0, 1]
    assert abs(exp.values[0, 0, 1, 0] - expected) < 4.0 * exp.std_errors[0, 0, 1, 0] + 1e-6
