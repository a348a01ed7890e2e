"""Sources of encoded columns: whatever changes when a column does is traced to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_regression
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from agnostix.core.trees.sources import trace_steps
from agnostix.exceptions import DataError
from tests.messages import refuses

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(60, 4))
NUMBERS[::9, 1] = np.nan
LABELS = RNG.integers(0, 3, 60)
TABLE = pd.DataFrame(NUMBERS, columns=list("abcd"))
TABLE["k"], TABLE["g"] = RNG.choice(list("uvwx"), 60), RNG.choice(list("fm"), 60)
WHOLE = TABLE.fillna(0.0)


def changes(fitted, X):
    """For each column that comes out, the columns of X that it changes with."""
    dense = lambda out: out.toarray() if sparse.issparse(out) else np.asarray(out)  # noqa: E731
    before = dense(fitted.transform(X))
    found = [set() for _ in range(before.shape[1])]
    for column in range(X.shape[1]):
        for shift in (1, 7, 20):
            other = X.copy()
            if isinstance(X, pd.DataFrame):
                other[X.columns[column]] = np.roll(X.iloc[:, column].to_numpy(), shift)
            else:
                other[:, column] = np.roll(X[:, column], shift)
            after = dense(fitted.transform(other))
            for place in np.flatnonzero(
                ((before != after) & ~(np.isnan(before) & np.isnan(after))).any(axis=0)
            ):
                found[place].add(column)
    return found


NUMERIC = WHOLE[list("abcd")].to_numpy()


@pytest.mark.parametrize(
    ("steps", "X", "is_exact"),
    [
        ([StandardScaler()], NUMERIC, True),
        ([MinMaxScaler(), QuantileTransformer(n_quantiles=20)], NUMERIC, True),
        ([SimpleImputer()], NUMBERS, True),
        ([SimpleImputer(add_indicator=True)], NUMBERS, True),
        ([MissingIndicator()], NUMBERS, True),
        ([KBinsDiscretizer(3, quantile_method="linear")], NUMERIC, True),
        ([KBinsDiscretizer(3, encode="ordinal", quantile_method="linear")], NUMERIC, True),
        ([SplineTransformer(4)], NUMERIC, True),
        ([PolynomialFeatures(2)], NUMERIC, True),
        ([PolynomialFeatures(2, interaction_only=True, include_bias=False)], NUMERIC, True),
        ([SelectKBest(f_regression, k=2)], NUMERIC, True),
        ([VarianceThreshold(), StandardScaler()], NUMERIC, True),
        ([FunctionTransformer(np.exp)], NUMERIC, True),
        ([TargetEncoder(random_state=0)], TABLE[["k", "g"]], True),
        ([OneHotEncoder()], TABLE[["k", "g"]], True),
        ([OneHotEncoder(drop="first", sparse_output=False)], TABLE[["k", "g"]], True),
        ([OneHotEncoder(max_categories=3)], TABLE[["k", "g"]], True),
        ([OrdinalEncoder()], TABLE[["k", "g"]], True),
        ([make_column_transformer((OneHotEncoder(), ["g", "k"]), (StandardScaler(), ["d"]))], WHOLE, True),
        (
            [
                ColumnTransformer(
                    [
                        ("one", make_pipeline(SimpleImputer(), SelectKBest(f_regression, k=1)), ["c", "b"]),
                        ("none", "drop", ["a"]),
                        ("whole", "passthrough", [3]),
                        ("levels", OrdinalEncoder(), lambda X: ["k"]),
                    ]
                ),
                SplineTransformer(3),
            ],
            TABLE,
            True,
        ),
        ([make_column_transformer((OrdinalEncoder(), ["g", "k"]), remainder="passthrough")], WHOLE, True),
        ([make_union(StandardScaler(), SelectKBest(f_regression, k=2))], NUMERIC, True),
        ([PCA(2)], NUMERIC, True),
        ([make_column_transformer((PCA(2), ["a", "c"]), (OneHotEncoder(), ["k"]))], WHOLE, True),
        ([KNNImputer()], NUMBERS, False),
        ([make_union(PCA(2), StandardScaler()), SelectKBest(f_regression, k=3)], NUMERIC, True),
    ],
    ids=lambda value: " ".join(type(one).__name__ for one in value) if isinstance(value, list) else "",
)
def test_sources_are_what_a_column_changes_with(steps, X, is_exact) -> None:
    fitted = make_pipeline(*steps).fit(X, LABELS)
    found = changes(fitted, X)
    n_columns = len(found)
    traced = trace_steps(fitted.steps[:1] and [step for _, step in fitted.steps], as_sources(X), n_columns)
    assert len(traced) == n_columns
    assert all(change <= set(source) for change, source in zip(found, traced, strict=True))
    if is_exact:
        assert [set(one) for one in traced] == found


def as_sources(X):
    return [frozenset([column]) for column in range(X.shape[1])]


def test_a_column_that_is_missing_everywhere_is_left_out_as_the_imputer_does() -> None:
    X = NUMBERS.copy()
    X[:, 2] = np.nan
    fitted = SimpleImputer().fit(X)
    with pytest.warns(UserWarning, match="Skipping features"):
        made = fitted.transform(X)
    assert trace_steps([fitted], as_sources(X), made.shape[1]) == [frozenset([j]) for j in (0, 1, 3)]


class Silent:
    """A step that says nothing."""

    def transform(self, X):
        return X


def test_a_step_that_does_not_say_its_columns_is_refused() -> None:
    with refuses(DataError, "Silent", "get_feature_names_out"):
        trace_steps([Silent()], as_sources(NUMBERS), None)
    assert trace_steps([Silent()], as_sources(NUMBERS), 2) == [frozenset(range(4))] * 2
