"""Boosted trees that take labels themselves, trained and read: as files they answer as in memory."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from agnostix.cli import main
from agnostix.cli.labels import KnownLabels, by_column
from agnostix.cli.loading import load_table
from agnostix.cli.model_labels import known_labels
from agnostix.cli.read_labels import read_labels

N = 200


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x 1": rng.normal(size=N).round(3),
            "zip": rng.choice(["01", "1", "NA", "None"], N),
            "grade": rng.choice([3, 1, 2], N),
        }
    )


X = table()
CATEGORIES = X.astype({"zip": "category", "grade": "category"})
Y = (X["x 1"] + 2 * (X["zip"] == "01") + (X["grade"] == 1) > 0.5).astype(int)


def lightgbm():
    library = pytest.importorskip("lightgbm")
    return library.LGBMClassifier(n_estimators=5, verbose=-1).fit(CATEGORIES, Y), CATEGORIES


def xgboost():
    library = pytest.importorskip("xgboost", minversion="3.1")
    return library.XGBClassifier(n_estimators=5, enable_categorical=True).fit(CATEGORIES, Y), CATEGORIES


def catboost():
    library = pytest.importorskip("catboost")
    quiet = {"verbose": 0, "allow_writing_files": False}
    model = library.CatBoostClassifier(iterations=5, cat_features=["zip", "grade"], **quiet)
    return model.fit(X, Y), X


def sklearn():
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=5)
    return model.fit(CATEGORIES, Y), CATEGORIES


@pytest.mark.parametrize("make", [lightgbm, xgboost, catboost, sklearn])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_are_predicted_as_the_training_table(make, suffix: str, tmp_path: Path) -> None:
    model, given = make()
    path = tmp_path / f"a{suffix}"
    X.to_csv(path, index=False) if suffix == ".csv" else X.to_parquet(path, index=False)
    read, notes = read_labels(load_table(path), path, by_column(known_labels(model), X.columns))
    np.testing.assert_array_equal(model.predict_proba(read), model.predict_proba(given))
    assert read["zip"].astype(str).tolist() == X["zip"].tolist()
    told = "; ".join(notes)
    assert all(fact in told for fact in ("zip as texts such as '01'", "'NA'", "'None'", "as a label")) == (
        suffix == ".csv"
    )


@pytest.mark.parametrize("make", [lightgbm, xgboost, sklearn])
def test_numbers_that_are_labels_may_be_missing(make, tmp_path: Path) -> None:
    model, rows = make()
    path = tmp_path / "a.csv"
    X.assign(grade=X["grade"].where(X.index > 9)).to_csv(path, index=False)
    read, _ = read_labels(load_table(path), path, by_column(known_labels(model), X.columns))
    expected = rows.assign(grade=rows["grade"].where(rows.index > 9))
    np.testing.assert_array_equal(model.predict_proba(read), model.predict_proba(expected))


def test_a_label_that_no_training_row_had_comes_last(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pd.DataFrame({"g": ["02", "new", "01", "also"]}).to_csv(path, index=False)
    read, _ = read_labels(load_table(path), path, {"g": KnownLabels(("02", "01"), as_category=True)})
    assert read["g"].cat.categories.tolist() == ["02", "01", "also", "new"]
    assert read["g"].tolist() == ["02", "new", "01", "also"]
    pd.DataFrame({"g": [1, np.nan, 3, 7]}).to_csv(path, index=False)
    read, _ = read_labels(load_table(path), path, {"g": KnownLabels((1, 2, 3), as_category=True)})
    assert read["g"].cat.categories.tolist() == [1, 2, 3, 7]
    assert read["g"].cat.codes.tolist() == [0, -1, 2, 3]


@pytest.mark.parametrize("make", [lightgbm, xgboost, catboost, sklearn])
def test_the_command_line_reads_a_table_with_more_columns(make, tmp_path: Path, capsys) -> None:
    model, _ = make()
    joblib.dump(model, tmp_path / "m.joblib")
    table = X[["grade", "zip", "x 1"]].assign(y=Y, other=1.5 * X["grade"])
    table.to_csv(tmp_path / "a.csv", index=False)
    page = tmp_path / "r.json"
    options = ["--trust-pickle", "--target", "y", "--what-if", "zip=01:40%;NA:0.2", "-o", str(page)]
    status = main(["report", str(tmp_path / "m.joblib"), str(tmp_path / "a.csv"), *options])
    told = capsys.readouterr().err
    assert (status, "zip as texts such as '01'" in told) == (0, True)
    summary = json.loads(page.read_text())
    assert {row["level"] for row in summary["scenarios"][0]["shifts"]} >= {"01", "1", "NA", "None"}
    assert "'NA', 'None' in zip" in dict(summary["metadata"])["Read"]
