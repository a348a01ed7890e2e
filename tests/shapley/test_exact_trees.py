"""KernelShapExplainer on trees: when they are explained exactly, over what, and what it says."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from agnostix import Explanation, KernelShapExplainer
from agnostix.core.models import as_predictor
from agnostix.exceptions import DataError, EngineError
from agnostix.maskers import TextMasker
from agnostix.metrics import deletion
from tests.messages import assert_states, refuses

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(120, 5)), columns=list("abcde"))
Y = (X.a * X.b + np.where(X.c > 0, X.d, X.e)).to_numpy()
FOREST = RandomForestRegressor(5, random_state=0).fit(X, Y)
GRADIENT = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, Y)
BOOSTED = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, Y > 0)


def fitted(model, **params):
    return KernelShapExplainer(model, random_state=0, **params).fit(X)


@pytest.mark.parametrize(
    "model",
    [
        FOREST,
        HistGradientBoostingRegressor(max_iter=5).fit(X, Y),
        RandomForestClassifier(4, random_state=0).fit(X, np.digitize(Y, [-0.5, 0.5])),
        make_pipeline(StandardScaler(), DecisionTreeRegressor(random_state=0)).fit(X, Y),
        RandomForestRegressor(4, random_state=0).fit(X, np.stack([Y, Y**2], axis=1)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_auto_explains_trees_as_all_coalitions_over_all_rows_do(model) -> None:
    explainer = fitted(model)
    exp, expected = (
        one.explain(X[:4]) for one in (explainer, fitted(model, algorithm="kernel", background="all"))
    )
    assert (explainer.algorithm_, exp.extras["algorithm"], explainer.kernel_, explainer.budget_) == (
        "tree",
        "tree",
        "exact",
        0,
    )
    np.testing.assert_allclose(exp.values, expected.values, atol=1e-12)
    np.testing.assert_allclose(exp.base_values, expected.base_values, atol=1e-12)
    np.testing.assert_allclose(exp.outputs, expected.outputs, atol=1e-12)
    assert exp.output_names == expected.output_names
    assert exp.check_additivity() < 1e-8
    np.testing.assert_array_equal(exp.std_errors, 0.0)
    assert (explainer.cost(X), exp.n_model_rows, len(explainer.background_)) == (len(X), 4, len(X))
    assert_states(explainer.algorithm_reason_, "exactly", "120", "CPU seconds")


def test_margins_are_explained_if_asked_for_and_offered_else() -> None:
    kernel, tree = fitted(BOOSTED), fitted(BOOSTED, algorithm="tree")
    assert (kernel.algorithm_, tree.algorithm_) == ("kernel", "tree")
    assert_states(kernel.algorithm_reason_, "algorithm='tree'", "margins", "predict_proba", "CPU seconds")
    exp = tree.explain(X[:6])
    assert (exp.units, exp.output_names) == ("margin", ("False", "True"))
    np.testing.assert_allclose(exp.outputs[:, 1], BOOSTED.decision_function(X[:6]), atol=1e-12)
    np.testing.assert_allclose(exp.base_values[0, 1], BOOSTED.decision_function(X).mean(), atol=1e-12)
    np.testing.assert_array_equal(exp.values[:, :, 0], -exp.values[:, :, 1])
    np.testing.assert_array_equal(tree.explain(X[:6], outputs="False").values, exp.values[:, :, :1])
    assert exp.check_additivity() < 1e-8


def test_margins_of_three_classes_have_their_names() -> None:
    labels = np.array(["low", "mid", "high"])[np.digitize(Y, [-0.5, 0.5])]
    model = HistGradientBoostingClassifier(max_iter=4).fit(X, labels)
    exp = fitted(model, algorithm="tree").explain(X[:3])
    assert exp.output_names == ("high", "low", "mid")
    np.testing.assert_allclose(exp.outputs, model.decision_function(X[:3]), atol=1e-12)


@pytest.mark.parametrize(
    "params", [{"budget": 64}, {"tol": 0.1}, {"kernel": "none"}, {"link": "logit"}], ids=str
)
def test_parameters_of_sampling_keep_auto_from_trees(params) -> None:
    model = RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, Y > 0)
    explainer = fitted(model, **params)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, f"{next(iter(params))}=")
    if "link" not in params:
        assert fitted(model, algorithm="tree", **params).algorithm_ == "tree"


def test_other_models_say_why_they_are_sampled() -> None:
    explainer = fitted(LinearRegression().fit(X, Y))
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "LinearRegression", "algorithm='kernel'")
    with refuses(DataError, "LinearRegression", "algorithm='kernel'"):
        fitted(LinearRegression().fit(X, Y), algorithm="tree")
    assert fitted(FOREST, algorithm="kernel").algorithm_reason_ == "algorithm='kernel' was chosen."


def test_maskers_say_that_trees_are_of_tables() -> None:
    explainer = KernelShapExplainer(lambda texts: np.array([len(one) for one in texts]), masker=TextMasker())
    assert_states(explainer.fit(["a b", "c"]).algorithm_reason_, "tables", "masker")


@pytest.mark.parametrize("limit", ["MOST_SECONDS", "MOST_SECONDS_PER_CALL"])
def test_long_work_is_not_started_by_itself(monkeypatch, limit) -> None:
    model = FOREST if limit == "MOST_SECONDS_PER_CALL" else GRADIENT
    if limit == "MOST_SECONDS_PER_CALL":  # as of trees that are too large to be kept
        monkeypatch.setattr("agnostix.shapley.trees.prepared.WHOLE_LEAVES", 1)
        monkeypatch.setattr(
            "agnostix.shapley.explainer.KernelShapExplainer._count_sampled_rows", lambda *_: 1
        )
    monkeypatch.setattr(f"agnostix.shapley.exact_trees.{limit}", 1e-6)
    explainer = fitted(model)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "algorithm='tree'", "predictions", "CPU seconds", "coalitions")
    assert fitted(model, algorithm="tree").algorithm_ == "tree"


def test_the_cheaper_way_does_not_depend_on_the_rows_that_are_explained(monkeypatch) -> None:
    monkeypatch.setattr("agnostix.shapley.exact_trees.MOST_SECONDS_PER_CALL", 0.1)
    rng = np.random.default_rng(0)
    table, y = rng.normal(size=(4000, 6)), rng.normal(size=4000)
    grown = RandomForestRegressor(10, min_samples_leaf=2, random_state=0).fit(table, y)
    short = RandomForestRegressor(10, max_depth=4, random_state=0).fit(table, y)
    assert KernelShapExplainer(short).fit(table).algorithm_ == "tree"
    explainer = KernelShapExplainer(grown, random_state=0).fit(table)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "4,000", "for the first row", "coalitions take about")
    few, many = explainer.explain(table[:1]), explainer.explain(table[:5])
    assert {few.extras["algorithm"], many.extras["algorithm"]} == {"kernel"}


def test_tables_of_more_rows_than_trees_take(monkeypatch) -> None:
    monkeypatch.setattr("agnostix.shapley.exact_trees.MOST_ROWS", 100)
    explainer = fitted(FOREST)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "100", "120", "Fit on a sample")
    with refuses(DataError, "120", "Fit on a sample", "algorithm='kernel'"):
        fitted(FOREST, algorithm="tree")
    weights = np.where(np.arange(len(X)) < 90, 1.0, 0.0)
    weighted = KernelShapExplainer(FOREST, algorithm="tree").fit(X, sample_weight=weights)
    assert len(weighted.background_) == 90


def test_exact_values_are_called_exact() -> None:
    exp = fitted(FOREST).explain(X[:2])
    assert repr(exp).endswith(", exact)")
    assert "± standard error of the mean over rows" in exp._repr_html_()
    assert "±" not in exp[:1]._repr_html_()
    assert "Value; exact" in exp[:1]._repr_html_()
    sampled = fitted(FOREST, algorithm="kernel", background_size=10).explain(X[:2])
    assert repr(sampled).endswith(", with standard errors)")
    assert set(exp.extras) <= set(sampled.extras)
    for name in ("coalition_std_errors", "background_std_errors", "design_errors"):
        np.testing.assert_array_equal(exp.extras[name].array, 0.0)


def test_exact_values_are_stored_drawn_and_averaged(tmp_path) -> None:
    exp = fitted(FOREST).explain(X[:6])
    exp.save(tmp_path / "exact")
    loaded = Explanation.load(tmp_path / "exact")
    np.testing.assert_array_equal(loaded.values, exp.values)
    np.testing.assert_array_equal(loaded.std_errors, 0.0)
    mean = exp.aggregate()
    assert (mean.std_errors > 0.0).all()  # since other rows have other values
    for display in (exp.plot.waterfall(row=0), exp.plot.bar(), exp.plot.beeswarm()):
        assert display.ax_ is not None
    low, high = exp.interval()
    np.testing.assert_array_equal(low, high)


def test_trees_are_refused_with_maskers_and_links() -> None:
    with refuses(DataError, "'algorithm'", "masker", "'tree'"):
        KernelShapExplainer(lambda texts: np.ones(len(texts)), algorithm="tree", masker=TextMasker()).fit(
            ["a b"]
        )
    with refuses(DataError, "'algorithm'", "link='logit'", "'tree'"):
        fitted(BOOSTED, algorithm="tree", link="logit")
    with refuses(ValueError, "'algorithm'", "'trees'"):
        fitted(BOOSTED, algorithm="trees")


@pytest.mark.parametrize("algorithm", ["auto", "tree"])
@pytest.mark.parametrize("model", [FOREST, BOOSTED], ids=["forest", "boosted"])
def test_stored_and_cloned_explainers_explain_alike(model, algorithm) -> None:
    explainer = fitted(model, algorithm=algorithm)
    expected = explainer.explain(X[:3])
    for other in (
        pickle.loads(pickle.dumps(explainer)),
        pickle.loads(pickle.dumps(explainer.without_model())).attach(model),
        clone(explainer).fit(X),
    ):
        exp = other.explain(X[:3])
        np.testing.assert_array_equal(exp.values, expected.values)
        assert (exp.units, exp.output_names) == (expected.units, expected.output_names)
    assert explainer.get_params()["algorithm"] == algorithm


def test_another_model_is_not_attached() -> None:
    other = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, Y > 0.5)
    stored = fitted(BOOSTED, algorithm="tree").without_model()
    with pytest.raises(ValueError, match="attach needs the model of fit"):
        stored.attach(other)


def test_groups_weights_and_equal_rows() -> None:
    weights = RNG.random(len(X))
    weights[::3] = 0.0
    explainer = KernelShapExplainer(FOREST, feature_groups={"pair": ["a", "d"]}).fit(X, sample_weight=weights)
    kernel = KernelShapExplainer(
        FOREST, algorithm="kernel", background="all", feature_groups={"pair": ["a", "d"]}
    )
    rows = X.iloc[[3, 1, 3, 3]]
    exp = explainer.explain(rows)
    assert exp.feature_names == ("pair", "b", "c", "e")
    np.testing.assert_allclose(
        exp.values, kernel.fit(X, sample_weight=weights).explain(rows).values, atol=1e-12
    )
    assert len(explainer.background_) == np.count_nonzero(weights)
    np.testing.assert_array_equal(exp.values[0], exp.values[2])


def test_arrays_and_polars_frames_have_the_same_values() -> None:
    values = fitted(FOREST).explain(X[:3]).values
    table = pl.from_pandas(X)
    polars = KernelShapExplainer(FOREST).fit(table)
    assert polars.algorithm_ == "tree"
    np.testing.assert_allclose(polars.explain(table[:3]).values, values, atol=1e-14)
    model = RandomForestRegressor(5, random_state=0).fit(X.to_numpy(), Y)
    array = KernelShapExplainer(model).fit(X.to_numpy())
    assert array.algorithm_ == "tree"
    np.testing.assert_allclose(array.explain(X[:3].to_numpy()).values, values, atol=1e-14)


def test_a_model_that_is_fitted_by_the_explainer_is_read() -> None:
    explainer = KernelShapExplainer(GradientBoostingRegressor(n_estimators=4, random_state=0)).fit(X, Y)
    assert explainer.algorithm_ == "tree"
    assert explainer.explain(X[:2]).check_additivity() < 1e-8


def test_selected_outputs_are_those_of_all() -> None:
    model = RandomForestClassifier(4, random_state=0).fit(X, np.digitize(Y, [-0.5, 0.5]))
    explainer = fitted(model)
    whole = explainer.explain(X[:5])
    one = explainer.explain(X[:5], outputs="predicted")
    picked = model.predict(X[:5])
    np.testing.assert_array_equal(one.values[:, :, 0], whole.values[np.arange(5), :, picked])
    assert explainer.transform(X[:2]).shape == (2, 15)


class Moody(RandomForestRegressor):
    """A forest that predicts something else where the first column is large."""

    def predict(self, table):
        return super().predict(table) + (np.asarray(table)[:, 0] > 50.0)


def test_each_explained_row_is_checked_and_failures_are_named() -> None:
    model = Moody(4, random_state=0).fit(X.to_numpy(), Y)
    explainer = KernelShapExplainer(model, algorithm="tree").fit(X.to_numpy())
    rows = X.to_numpy()[:4].copy()
    assert explainer.explain(rows).n_model_rows == 4
    rows[2, 0] = 60.0
    with refuses(DataError, "Moody", "row 2", "algorithm='kernel'"):
        explainer.explain(rows)
    levels = X.assign(level=np.where(X.a > 0, "high", "low"))
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["level"]), remainder="passthrough"),
        RandomForestRegressor(4, random_state=0),
    ).fit(levels, Y)
    explainer = KernelShapExplainer(model).fit(levels)
    assert explainer.algorithm_ == "tree"
    with pytest.raises(EngineError, match="unknown categories"):
        explainer.explain(levels[:3].assign(level=["high", "odd", "low"]))


def test_what_cannot_be_read_is_sampled(monkeypatch) -> None:
    def fail(*given):
        raise RuntimeError("no names here")

    monkeypatch.setattr("agnostix.shapley.exact_trees.read_trees", fail)
    explainer = fitted(FOREST)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "RandomForestRegressor", "RuntimeError", "no names here")
    with refuses(DataError, "RandomForestRegressor", "RuntimeError", "no names here", "algorithm='kernel'"):
        fitted(FOREST, algorithm="tree")


class Silent(BaseEstimator):
    """A step that does not say what it makes."""

    def fit(self, table, y=None):
        return self

    def transform(self, table):
        return np.asarray(table)


def test_steps_that_cannot_be_followed_are_named() -> None:
    model = make_pipeline(make_union(Silent(), Silent()), RandomForestRegressor(4, random_state=0)).fit(X, Y)
    explainer = fitted(model)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "Silent", "get_feature_names_out")


class Sampler(BaseEstimator):
    """A step that changes the rows of training alone."""

    def fit_resample(self, table, y):
        return table, y


class Resampling(Pipeline):
    """A Pipeline that passes samplers over, as imbalanced-learn's does."""

    def fit(self, table, y):
        self.steps[-1][1].fit(table, y)
        return self

    def predict(self, table):
        return self.steps[-1][1].predict(table)


class Without(BaseEstimator):
    """A step that has neither of both."""


def test_samplers_are_passed_over_and_other_steps_fall_back() -> None:
    forest = RandomForestRegressor(4, random_state=0)
    explainer = fitted(Resampling([("even", Sampler()), ("trees", forest)]).fit(X, Y))
    assert explainer.algorithm_ == "tree"
    np.testing.assert_array_equal(explainer.explain(X[:3]).values, fitted(forest).explain(X[:3]).values)
    odd = Resampling([("odd", Without()), ("trees", forest)]).fit(X, Y)
    explainer = fitted(odd)
    assert explainer.algorithm_ == "kernel"
    assert_states(
        explainer.algorithm_reason_, "Without > RandomForestRegressor", "AttributeError", "transform"
    )
    with refuses(DataError, "Without > RandomForestRegressor", "AttributeError", "algorithm='kernel'"):
        fitted(odd, algorithm="tree")


def test_a_step_that_makes_lists_is_read() -> None:
    model = make_pipeline(FunctionTransformer(lambda table: np.exp(table.to_numpy()).tolist()), clone(FOREST))
    explainer = fitted(model.fit(X, Y))
    assert explainer.algorithm_ == "tree"
    assert explainer.explain(X[:3]).check_additivity() < 1e-8


def cumulated(table):
    return np.cumsum(np.asarray(table), axis=1)


@pytest.mark.parametrize("rows", [slice(3, 4), slice(0, 2), slice(None)], ids=["one", "two", "all"])
def test_functions_that_mix_columns_are_sampled_whatever_the_table(rows) -> None:
    model = make_pipeline(FunctionTransformer(cumulated), clone(FOREST)).fit(X, Y)
    explainer = KernelShapExplainer(model, random_state=0).fit(X[rows])
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "FunctionTransformer", "b", "feature_groups")
    with refuses(DataError, "FunctionTransformer", "algorithm='kernel'"):
        KernelShapExplainer(model, algorithm="tree").fit(X[rows])
    pairs = {"all": list(X.columns)}
    whole = KernelShapExplainer(model, algorithm="tree", feature_groups=pairs).fit(X[rows])
    assert whole.explain(X[:3]).check_additivity() < 1e-8


def test_functions_of_one_column_are_explained_by_a_table_of_one_row() -> None:
    model = make_pipeline(FunctionTransformer(lambda table: np.asarray(table) ** 3), clone(FOREST)).fit(X, Y)
    explainer = KernelShapExplainer(model).fit(X[3:4])
    assert explainer.algorithm_ == "tree"
    exp = explainer.explain(X[:3])
    expected = KernelShapExplainer(model, algorithm="kernel", background="all").fit(X[3:4]).explain(X[:3])
    np.testing.assert_allclose(exp.values, expected.values, atol=1e-12)


def reduced(table):
    """The price of rows on sale."""
    return table.assign(price=np.where(table.sale == 1, table.price * table.rate, table.price))


def sales(n_rows, every):
    table = pd.DataFrame(RNG.uniform(size=(n_rows, 3)), columns=["price", "rate", "other"])
    table["sale"] = (np.arange(n_rows) % every == 7).astype(int)
    model = make_pipeline(FunctionTransformer(reduced), RandomForestRegressor(4, max_depth=6, random_state=0))
    return table, model.fit(table, reduced(table).price + table.other)


def test_two_of_many_columns_that_are_mixed_are_found() -> None:
    table = pd.DataFrame(RNG.normal(size=(60, 50))).add_prefix("c")
    model = make_pipeline(
        FunctionTransformer(lambda rows: rows.assign(c7=rows.c7 * rows.c31)), clone(FOREST)
    ).fit(table, table.c7 * table.c31)
    explainer = KernelShapExplainer(model, budget="auto", random_state=0)
    assert explainer.fit(table).algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "c7", "FunctionTransformer")
    assert "c31" not in explainer.algorithm_reason_


def test_columns_that_are_mixed_in_few_rows_are_found() -> None:
    table, model = sales(3000, 1500)
    explainer = KernelShapExplainer(model, random_state=0).fit(table)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "FunctionTransformer", "price")


def test_rows_that_make_a_step_mix_columns_are_refused() -> None:
    table, model = sales(300, 50)
    table["sale"] = np.where(table.sale == 1, 2, 0)  # of which the function makes nothing
    explainer = KernelShapExplainer(model).fit(table)
    assert explainer.algorithm_ == "tree"
    explainer.explain(table[:10])
    with refuses(DataError, "FunctionTransformer", "explained rows", "price", "algorithm='kernel'"):
        explainer.explain(table[:10].assign(sale=1))
    many = pd.concat([table] * 8, ignore_index=True)
    many.loc[1777, ["price", "rate", "sale"]] = [0.9, 0.1, 1]
    with refuses(DataError, "FunctionTransformer", "explained rows", "price"):
        explainer.explain(many)


class Mixing(StandardScaler):
    """A scaler by name that does something else."""

    def transform(self, table):
        return cumulated(super().transform(table))


def test_classes_derived_from_known_ones_are_tried_out() -> None:
    model = make_pipeline(Mixing(), clone(FOREST)).fit(X, Y)
    assert KernelShapExplainer(model, random_state=0).fit(X[:1]).algorithm_ == "kernel"
    inner = make_column_transformer((Mixing(), list("abc")), remainder="passthrough")
    model = make_pipeline(inner, clone(FOREST)).fit(X, Y)
    assert KernelShapExplainer(model, random_state=0).fit(X[:1]).algorithm_ == "kernel"


def test_levels_without_another_one_are_not_taken_on_trust() -> None:
    table = X.assign(level="high")
    inner = make_column_transformer((OrdinalEncoder(), ["level"]), remainder="passthrough")
    steps = FunctionTransformer(lambda rows: rows.copy()), inner
    model = make_pipeline(*steps, clone(FOREST)).fit(table, Y)
    explainer = KernelShapExplainer(model, random_state=0).fit(table)
    assert explainer.algorithm_ == "kernel"
    assert_states(explainer.algorithm_reason_, "FunctionTransformer", "level")
    differing = table.assign(level=np.where(X.a > 0, "high", "low"))
    assert KernelShapExplainer(model.fit(differing, Y)).fit(differing).algorithm_ == "tree"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_the_model_refuses_are_named(bad) -> None:
    explainer = fitted(GradientBoostingRegressor(n_estimators=4, random_state=0).fit(X, Y))
    rows = X.iloc[[0, 0, 0, 1]].copy()
    rows.iloc[3, 0] = bad
    assert explainer.cost(rows) == 4
    with refuses(EngineError, "GradientBoostingRegressor", "rows 0 to 3"):
        explainer.explain(rows)


def test_all_rows_that_the_model_predicted_are_counted() -> None:
    class Counting(RandomForestRegressor):
        n_predicted = 0

        def predict(self, table):
            type(self).n_predicted += len(table)
            return super().predict(table)

    model = Counting(4, random_state=0).fit(X, Y)
    explainer = fitted(model)
    assert explainer.n_model_rows_ == Counting.n_predicted
    exp = explainer.explain(X[:7])
    assert explainer.n_model_rows_ + exp.n_model_rows == Counting.n_predicted


def test_truth_values_may_be_missing() -> None:
    table = X.assign(a=pd.array([None if j % 9 == 0 else bool(x > 0) for j, x in enumerate(X.a)], "boolean"))
    model = HistGradientBoostingRegressor(max_iter=5).fit(table, Y)
    explainer = fitted_on(model, table)
    assert explainer.algorithm_ == "tree"
    expected = KernelShapExplainer(model, algorithm="kernel", background="all").fit(table).explain(table[:3])
    np.testing.assert_allclose(explainer.explain(table[:3]).values, expected.values, atol=1e-12)


def fitted_on(model, table, **params):
    return KernelShapExplainer(model, random_state=0, **params).fit(table)


def test_a_model_that_was_fitted_again_is_refused() -> None:
    model = RandomForestRegressor(4, random_state=0).fit(X, Y)
    explainer = fitted(model)
    model.fit(X, Y + 3.0)
    with refuses(DataError, "RandomForestRegressor", "fitted again"):
        explainer.explain(X[:3])
    with refuses(DataError, "not those of fit", "Call fit again"):
        pickle.loads(pickle.dumps(explainer)).explain(X[:3])


def test_models_and_tables_that_do_not_belong_together() -> None:
    other = X.rename(columns={"a": "z"})
    for algorithm in ("auto", "tree"):
        with refuses(DataError, "RandomForestRegressor", "a"):
            KernelShapExplainer(FOREST, algorithm=algorithm).fit(other)
        with pytest.raises(ValueError, match=r"(?i)weight"):
            KernelShapExplainer(FOREST, algorithm=algorithm).fit(X, sample_weight=np.zeros(len(X)))


def test_a_table_of_one_row_and_levels_that_it_lacks() -> None:
    levels = X.assign(level=np.where(X.a > 0, "high", np.where(X.b > 0, "mid", "low")))
    steps = make_column_transformer((OneHotEncoder(), ["level"]), remainder="passthrough")
    model = make_pipeline(steps, RandomForestRegressor(4, random_state=0)).fit(levels, Y)
    for table in (levels[3:4], levels[levels.level != "mid"]):
        exp, expected = (
            KernelShapExplainer(model, algorithm=algorithm, background="all").fit(table).explain(levels[:5])
            for algorithm in ("tree", "kernel")
        )
        np.testing.assert_allclose(exp.values, expected.values, atol=1e-12)


def test_versions_that_store_something_else_are_named(monkeypatch) -> None:
    monkeypatch.setattr("agnostix.core.trees.libraries.read_forest", lambda *_, **__: {}["nodes"])
    explainer = fitted(FOREST)
    assert explainer.algorithm_ == "kernel"
    assert_states(
        explainer.algorithm_reason_, "RandomForestRegressor", "sklearn", sklearn.__version__, "nodes"
    )


def test_a_background_that_was_set_is_said_not_to_bind() -> None:
    explainer = fitted(FOREST, background_size=10, background="sample")
    assert_states(explainer.algorithm_reason_, "background='sample'", "background_size=10", "all rows")
    assert "background" not in fitted(FOREST).algorithm_reason_


def test_metrics_of_margins_say_what_they_can_be_measured_with() -> None:
    exp = fitted(BOOSTED, algorithm="tree").explain(X[:6])
    with refuses(DataError, "margins", "GradientBoostingClassifier", "algorithm='kernel'"):
        deletion(BOOSTED, X[:6], exp, masker=X)

    def margins(rows):
        return np.stack([-BOOSTED.decision_function(rows), BOOSTED.decision_function(rows)], axis=1)

    predictor = as_predictor(margins, output_names=["False", "True"])
    assert np.isfinite(deletion(predictor, X[:6], exp, masker=X).scores).all()
