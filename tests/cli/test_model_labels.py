"""Labels that fitted models keep, found by the column of the table that they are of."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from agnostix.cli import booster_labels
from agnostix.cli.labels import KnownLabels, by_column, class_labels
from agnostix.cli.model_labels import known_labels

N = 60
ZIP, SEX = ("01", "02", "NA"), ("a", "b")


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "zip": np.resize(np.array(ZIP, dtype=object), N),
            "grade": rng.choice([1, 2], N),
            "sex": np.resize(np.array(SEX, dtype=object), N),
        }
    )


X, Y = table(), table()["x"]
UNKNOWN = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
FILL = SimpleImputer(strategy="most_frequent")


def encode(encoder, columns, final=None):
    return make_pipeline(
        ColumnTransformer([("labels", encoder, columns)], remainder="drop"), final or LinearRegression()
    )


def first(columns):
    """The columns of a frame, computed."""
    return columns[["sex", "zip"]]


MODELS = {
    "by name": encode(OneHotEncoder(), ["sex", "zip"]),
    "by position": encode(TargetEncoder(), [3, 1]),
    "by mask": encode(OrdinalEncoder(), [False, True, False, True]),
    "by slice": encode(OneHotEncoder(), slice("zip", "sex")),
    "by type": encode(OneHotEncoder(), make_column_selector(dtype_exclude="number")),
    "after an imputer": encode(make_pipeline(FILL, OneHotEncoder()), ["sex", "zip"]),
    "imputed before": make_pipeline(
        ColumnTransformer([("fill", FILL, ["sex", "zip"])], remainder="drop"), UNKNOWN, LinearRegression()
    ),
    "two transformers": make_pipeline(
        ColumnTransformer([("scale", StandardScaler(), ["x"]), ("keep", "passthrough", ["sex", "zip"])]),
        ColumnTransformer([("labels", OneHotEncoder(), [2, 1])], remainder="passthrough"),
        LinearRegression(),
    ),
    "identity": encode(make_pipeline(FunctionTransformer(), OneHotEncoder()), ["zip", "sex"]),
    "a function": make_pipeline(FunctionTransformer(first), OneHotEncoder(), LinearRegression()),
    "union": encode(FeatureUnion([("one", OneHotEncoder()), ("two", UNKNOWN)]), ["zip", "sex"]),
    "search": GridSearchCV(encode(UNKNOWN, [1, 3]), {"linearregression__fit_intercept": [True]}, cv=2),
    "voting": VotingRegressor([("one", encode(UNKNOWN, ["zip", "sex"]))]),
    "stacking": StackingRegressor(
        [("one", encode(UNKNOWN, ["zip", "sex"]))], final_estimator=make_pipeline(UNKNOWN, LinearRegression())
    ),
    "bagging": BaggingRegressor(encode(UNKNOWN, [1, 3]), n_estimators=2, random_state=0),
    "target": TransformedTargetRegressor(encode(UNKNOWN, [1, 3])),
}


@pytest.mark.parametrize("name", MODELS)
def test_labels_are_found_by_column(name: str) -> None:
    found = by_column(known_labels(clone(MODELS[name]).fit(X, Y)), X.columns)
    labels = {column: one.labels for column, one in found.items()}
    assert {"zip": labels.pop("zip"), "sex": labels.pop("sex")} == {"zip": ZIP, "sex": SEX}
    assert all(isinstance(one, float | int) for values in labels.values() for one in values)


ON_ARRAYS = ["by position", "by mask", "search", "bagging", "target"]


@pytest.mark.parametrize("name", ON_ARRAYS)
def test_labels_of_a_model_fitted_on_an_array_go_by_position(name: str) -> None:
    known = known_labels(clone(MODELS[name]).fit(X.to_numpy(), Y))
    assert {key: one.labels for key, one in known.items()} == {1: ZIP, 3: SEX}
    renamed = by_column(known, ["u", "v", "w", "z"])
    assert {column: one.labels for column, one in renamed.items()} == {"v": ZIP, "z": SEX}
    assert set(by_column(known, ["u", "v"])) == {"v"}


def test_labels_of_a_calibrated_classifier() -> None:
    model = encode(OneHotEncoder(handle_unknown="ignore"), [1, 3], LogisticRegression())
    for rows in (X, X.to_numpy()):
        found = by_column(known_labels(CalibratedClassifierCV(model, cv=2).fit(rows, Y > 0)), X.columns)
        assert {column: one.labels for column, one in found.items()} == {"zip": ZIP, "sex": SEX}


def test_bagged_columns_are_followed() -> None:
    bagged = BaggingRegressor(make_pipeline(UNKNOWN, LinearRegression()), max_features=0.5, random_state=1)
    found = by_column(known_labels(bagged.fit(X, Y)), X.columns)
    assert found["sex"].labels == SEX
    assert found["zip"].labels == ZIP
    assert found["grade"].labels == (1, 2)


@pytest.mark.parametrize("categorical", ["from_dtype", ["zip", "sex"], [1, 3]])
def test_labels_of_histogram_boosting(categorical) -> None:
    model = HistGradientBoostingRegressor(categorical_features=categorical, max_iter=2)
    model.fit(X.astype({"zip": "category", "sex": "category"}), Y)
    found = by_column(known_labels(model), X.columns)
    assert {column: one.labels for column, one in found.items()} == {"zip": ZIP, "sex": SEX}


@pytest.mark.filterwarnings("ignore:Skipping features")
def test_selected_and_filled_columns_keep_their_place() -> None:
    numbers = pd.DataFrame({"none": np.zeros(N), "gone": np.nan, "a": np.resize([1, 2], N)})
    numbers["b"] = np.resize([1, 2, 3], N)
    for step in (
        SimpleImputer(add_indicator=True),
        VarianceThreshold(),
        SelectKBest(lambda X, y: -X.var(0), k=2),
    ):
        given = numbers if isinstance(step, SimpleImputer) else numbers.drop(columns="gone")
        model = make_pipeline(step, UNKNOWN, LinearRegression())
        found = {key: one.labels for key, one in known_labels(model.fit(given, Y)).items()}
        assert all(found.get(name, labels) == labels for name, labels in (("a", (1, 2)), ("b", (1, 2, 3))))
        assert len(found) >= 1


def test_what_a_transformer_changes_is_no_label_of_the_table() -> None:
    model = make_pipeline(StandardScaler(), UNKNOWN, LinearRegression()).fit(X[["x", "grade"]].to_numpy(), Y)
    assert known_labels(model) == {}
    assert known_labels(LinearRegression().fit(X[["x"]], Y)) == {}
    assert known_labels(lambda rows: rows) == {}


def test_columns_of_a_vectorizer_are_texts() -> None:
    words = ColumnTransformer([("words", CountVectorizer(token_pattern=r"\w+"), "zip")], remainder="drop")
    assert known_labels(make_pipeline(words, LinearRegression()).fit(X, Y)) == {"zip": KnownLabels()}


def test_labels_are_without_missing_ones() -> None:
    rows = X.assign(zip=X["zip"].where(X["zip"] != "02"), sex=None)
    model = encode(OneHotEncoder(), ["zip", "sex"]).fit(rows, Y)
    found = {key: one.labels for key, one in known_labels(model).items()}
    assert found == {"zip": ("01", "NA")}


def test_class_labels() -> None:
    assert class_labels(LogisticRegression().fit(X[["x"]], np.resize(["01", "NA"], N))) == ("01", "NA")
    assert class_labels(LinearRegression().fit(X[["x"]], Y)) == ()


def test_names_with_spaces_are_those_that_lightgbm_keeps() -> None:
    known = {"home_town": KnownLabels(("a",)), "sex": KnownLabels(("b",)), "no": KnownLabels(("c",))}
    found = by_column(known, ["home town", "sex"])
    assert {name: one.labels for name, one in found.items()} == {"home town": ("a",), "sex": ("b",)}


class _Kept:
    """Something of another library, with these attributes."""

    def __init__(self, module: str, **attributes) -> None:
        self.__class__ = type("Kept", (_Kept,), {"__module__": module})
        self.__dict__.update(attributes)


def lightgbm_booster(**changes):
    kept = {
        "pandas_categorical": [["01", "02"], [1, 2]],
        "params": {"categorical_column": [3, 1]},
        "feature_name": lambda: ["x", "zip", "y", "grade"],
        "model_to_string": lambda: "a\n[categorical_feature: 1,3]\n",
    }
    return _Kept("lightgbm.basic", **kept | changes)


@pytest.mark.parametrize("changes", [{}, {"params": {}}])
def test_labels_of_a_lightgbm_booster(changes: dict) -> None:
    booster = lightgbm_booster(**changes)
    expected = {"zip": KnownLabels(("01", "02"), True), "grade": KnownLabels((1, 2), True)}
    assert known_labels(booster) == expected
    wrapper = _Kept("lightgbm.sklearn", booster_=booster, feature_names_in_=["x", "zip", "y", "grade"])
    assert known_labels(wrapper) == expected


def test_lightgbm_with_columns_of_its_own_choice_keeps_no_places() -> None:
    assert known_labels(lightgbm_booster(params={"categorical_column": [1]})) == {}
    assert known_labels(lightgbm_booster(pandas_categorical=None)) == {}
    on_array = lightgbm_booster(feature_name=lambda: [f"Column_{j}" for j in range(4)])
    assert set(known_labels(on_array)) == {1, 3}


def test_labels_of_an_xgboost_booster(monkeypatch: pytest.MonkeyPatch) -> None:
    arrow = SimpleNamespace(
        to_arrow=lambda: [("x", None), ("zip", SimpleNamespace(to_pylist=lambda: ["01", "NA"]))]
    )
    kept = {"feature_types": ["float", "c"], "feature_names": ["x", "zip"]}
    booster = _Kept("xgboost.core", **kept, get_categories=lambda export_to_arrow: arrow)
    wrapper = _Kept("xgboost.sklearn", get_booster=lambda: booster, feature_names_in_=["x", "zip"])
    for model in (booster, wrapper):
        assert known_labels(model) == {"zip": KnownLabels(("01", "NA"), True)}
    unnamed = _Kept("xgboost.core", feature_types=["float", "c"], feature_names=None)
    assert known_labels(unnamed) == {1: KnownLabels((), True)}
    assert known_labels(_Kept("xgboost.core", feature_types=["float"], feature_names=["x"])) == {}
    monkeypatch.setattr(booster_labels, "find_spec", lambda name: None)
    assert known_labels(booster) == {"zip": KnownLabels((), True)}


def test_columns_of_labels_of_catboost() -> None:
    kept = {"feature_names_": ["x", "zip"], "get_cat_feature_indices": lambda: [1], "n_features_in_": 2}
    assert known_labels(_Kept("catboost.core", **kept)) == {"zip": KnownLabels()}
    assert known_labels(_Kept("catboost.core", **kept | {"feature_names_": ["0", "1"]})) == {1: KnownLabels()}


def test_labels_of_category_encoders() -> None:
    ordinal = _Kept(
        "category_encoders.ordinal",
        mapping=[{"col": "zip", "mapping": pd.Series({"01": 1, "NA": 2, np.nan: -2}), "data_type": object}],
        get_params=dict,
    )
    wrapping = _Kept(
        "category_encoders.target_encoder",
        mapping={"zip": pd.Series({1: 0.5, 2: 0.7})},
        ordinal_encoder=ordinal,
        get_params=dict,
    )
    own = _Kept(
        "category_encoders.cat_boost", mapping={"zip": pd.Series({"01": 1, "NA": 2})}, get_params=dict
    )
    for encoder in (ordinal, wrapping, own):
        assert known_labels(encoder) == {"zip": KnownLabels(("01", "NA"))}
    assert known_labels(_Kept("category_encoders.hashing", mapping=None, get_params=dict)) == {}
