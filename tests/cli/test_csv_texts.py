"""Texts of a .csv that pandas changes: the model's own labels bring them back, or a message says so."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from agnostix.cli.labels import KnownLabels, by_column, class_labels
from agnostix.cli.loading import load_table
from agnostix.cli.model_labels import known_labels
from agnostix.cli.read_labels import read_labels
from agnostix.exceptions import DataError
from tests.messages import refuses

LEVELS = {
    "zeros": ["01", "007", "1"],
    "words": ["NA", "None", "null"],
    "numbers": ["1", "2", "2.50"],
    "truth": ["True", "False", "true"],
    "exponents": ["1e3", "inf", "nan"],
}
N = 60


def read_as(path: Path, known=None):
    labels = {
        name: one if isinstance(one, KnownLabels) else KnownLabels(one) for name, one in (known or {}).items()
    }
    return read_labels(load_table(path), path, labels)[0]


def table_of(levels=LEVELS):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {name: np.array(labels, dtype=object)[rng.integers(0, 3, N)] for name, labels in levels.items()}
    )
    return table.assign(x=rng.normal(size=N).round(3))


def fitted(encoder, final=None):
    X, names = table_of(), list(LEVELS)
    final = LinearRegression() if final is None else final
    return make_pipeline(make_column_transformer((encoder, names), remainder="passthrough"), final).fit(
        X, X["x"]
    )


MODELS = {
    "one-hot": lambda: fitted(OneHotEncoder()),
    "ordinal": lambda: fitted(OrdinalEncoder()),
    "target": lambda: fitted(TargetEncoder()),
    "nested": lambda: fitted(make_pipeline(make_pipeline(OneHotEncoder()))),
    "voting": lambda: VotingRegressor([("one", fitted(OneHotEncoder()))]).fit(table_of(), table_of()["x"]),
    "search": lambda: GridSearchCV(
        fitted(OneHotEncoder()), {"linearregression__fit_intercept": [True]}, cv=2
    ).fit(table_of(), table_of()["x"]),
    "boosting": lambda: HistGradientBoostingRegressor(categorical_features=list(LEVELS), max_iter=2).fit(
        table_of().astype(dict.fromkeys(LEVELS, "category")), table_of()["x"]
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_texts_come_back_as_the_model_knows_them(name: str, tmp_path: Path) -> None:
    model, table = MODELS[name](), table_of()
    table.to_csv(tmp_path / "a.csv", index=False)
    read = read_as(tmp_path / "a.csv", by_column(known_labels(model), table.columns))
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    given = table.astype(dict.fromkeys(LEVELS, "category")) if name == "boosting" else table
    back = read.astype(dict.fromkeys(LEVELS, "category")) if name == "boosting" else read
    np.testing.assert_array_equal(model.predict(back), model.predict(given))


def test_missing_values_stay_missing_unless_the_model_knows_their_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,x\nNA,NA,1\n,,2\nu,v,3\nNone,None,NA\n")
    read = read_as(tmp_path / "a.csv", {"a": ("NA", "u"), "b": ("u", "v")})
    assert read["a"].isna().tolist() == [False, True, False, True]
    assert read["b"].isna().tolist() == [True, True, False, True]
    assert read["x"].isna().tolist() == [False, False, False, True]


def test_labels_that_are_numbers_stay_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,y\n1,01\n2,02\n")
    read = read_as(tmp_path / "a.csv", {"a": (1, 2), "y": ("01", "02")})
    assert read["a"].tolist() == [1, 2]
    assert read["y"].tolist() == ["01", "02"]


def test_class_labels() -> None:
    X = table_of()[["x"]]
    assert class_labels(LogisticRegression().fit(X, np.tile(["01", "NA"], N // 2))) == ("01", "NA")
    assert class_labels(LinearRegression().fit(X, X["x"])) == ()


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a,x\n1,2\n01,3\n", ("line 3", "'01'", "column 'a'", "number")),
        ("a,x\nu,2\n\nNA,3\n", ("line 4", "'NA'", "column 'a'", "missing")),
        ("a,x\nnull,2\nu,3\n", ("line 2", "'null'", "column 'a'", "missing")),
    ],
)
def test_what_is_changed_without_the_models_word_is_told(text: str, facts: tuple, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.warns(UserWarning, match=r"\.parquet") as caught:
        read = read_as(tmp_path / "a.csv")
    (message,) = [str(one.message) for one in caught]
    assert all(fact in message for fact in facts)
    texts = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    texts.to_parquet(tmp_path / "a.parquet")  # the remedy
    assert read_as(tmp_path / "a.parquet")["a"].tolist() == texts["a"].tolist()
    assert read["x"].tolist() == [2, 3]


@pytest.mark.parametrize(
    "text", ["a,x\nu,2\n,3\n", "a,x\n1,2\n,3\n", "a,x\n0,2\n0.5,3\n", "a,x\n-1,NA\n10,3\n"]
)
def test_usual_tables_are_read_without_warning(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_as(tmp_path / "a.csv")


@pytest.mark.parametrize("header", [",x", "x,", ",", '"",x', "Unnamed: 1,"])
def test_columns_without_a_name_are_told_by_their_place(header: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    j = 0 if header.startswith((",", '"')) else 1
    name = "Unnamed: 1.1" if header.startswith("U") else f"Unnamed: {j}"
    for cells, becomes in ((("1", "01"), "number"), (("u", "NA"), "missing")):
        path.write_text(f"{header}\n" + "".join(f"{cell},7\n" if j == 0 else f"7,{cell}\n" for cell in cells))
        with pytest.warns(UserWarning, match="line 3") as caught:
            read_as(path)
        assert all(fact in str(caught[0].message) for fact in (repr(cells[1]), f"column {name!r}", becomes))
    path.write_text(f"{header}\n" + ('"1,5",7\n' if j == 0 else '7,"1,5"\n'))
    with refuses(DataError, "line 2", f"column {name!r}", "'1,5'", "decimal=','"):
        read_as(path)


def test_decimal_commas_are_told_by_column_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,2\n3,"4,5"\n5,"-1,25"\n')
    with refuses(DataError, "line 3", "column 'b'", "'4,5'", "decimal=','"):
        read_as(path)
    pd.read_csv("a.csv", decimal=",").to_csv(path, index=False)  # the remedy
    assert read_as(path)["b"].tolist() == [2, 4.5, -1.25]
    path.write_text("a;b\n1;2,5\n3;4,5\n")
    with refuses(DataError, "separates its columns by ';'", "sep=';', decimal=','"):
        read_as(path)
    pd.read_csv("a.csv", sep=";", decimal=",").to_csv(path, index=False)
    assert read_as(path)["b"].tolist() == [2.5, 4.5]


@pytest.mark.parametrize("cell", ['"a,b"', '"1,2,3"', '"12,"', '",5"', '"1,5 m"'])
def test_texts_with_commas_are_no_decimal_commas(cell: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"a,b\n1,{cell}\n2,5\n")
    assert read_as(tmp_path / "a.csv")["b"].tolist() == [cell.strip('"'), "5"]
    (tmp_path / "a.csv").write_text('a,b\n1,"1,5"\n2,"2,5"\n')
    assert read_as(tmp_path / "a.csv", {"b": ("1,5", "2,5")})["b"].tolist() == ["1,5", "2,5"]
