from __future__ import annotations

import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from agnostix.cli.loading import MissingExtraError, ModelFileError, load_model, load_table, untrusted_types
from agnostix.exceptions import DataError
from tests.messages import refuses

MEND = ("comma must be in double quotes", "delete it")
EMPTY = "missing value is an empty place between commas"
TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


class Evil:
    """Writes a file when it is loaded, as any pickle may."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture(scope="module")
def linear() -> LinearRegression:
    return LinearRegression().fit(np.arange(6.0).reshape(3, 2), [1.0, 2.0, 3.0])


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    x = np.linspace(0, 1, 60)[:, None]
    path = tmp_path / "trees.skops"
    skops.io.dump(HistGradientBoostingRegressor(max_iter=3).fit(x, x[:, 0]), path)
    return path


def test_load_model_skops(files: SimpleNamespace, people: pd.DataFrame, model) -> None:
    loaded = load_model(files.model)
    assert (loaded.predict_proba(people) == model.predict_proba(people)).all()


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".PKL", ".joblib"])
def test_load_model_trusted_pickle(tmp_path: Path, linear: LinearRegression, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    joblib.dump(linear, path) if suffix == ".joblib" else path.write_bytes(pickle.dumps(linear))
    assert load_model(path, trust_pickle=True).coef_ == pytest.approx(linear.coef_)


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib"])
def test_load_model_untrusted_pickle_is_not_read(tmp_path: Path, suffix: str) -> None:
    path, trace = tmp_path / f"model{suffix}", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Evil(trace)))
    facts = (f"{path} is a pickle", "--trust-pickle", "skops.io.dump(model, 'model.skops')")
    with refuses(ModelFileError, *facts):
        load_model(path)
    assert not trace.exists()


def test_load_model_lists_untrusted_type(trees: Path) -> None:
    assert untrusted_types(trees) == [TREES]
    facts = (
        str(trees),
        "a type that is not known to be safe",
        f"\n    {TREES}\n",
        f"\n    --trust-type {TREES}",
    )
    with refuses(ModelFileError, *facts):
        load_model(trees)
    with refuses(ModelFileError, *facts):
        load_model(trees, trust_types=["some.other.Type"])


def test_load_model_lists_several_untrusted_types(trees: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["evil\x1b[2Jtype", "b.B", "a.A", "c c.C"]
    monkeypatch.setattr(skops.io, "get_untrusted_types", lambda file: listed)
    facts = (
        f"{trees} holds 3 types",
        "\n    a.A\n    c c.C\n    'evil\\x1b[2Jtype'\n",
        "\n    --trust-type a.A --trust-type 'c c.C' --trust-type 'evil\x1b[2Jtype'",
    )
    with refuses(ModelFileError, *facts):
        load_model(trees, trust_types=["b.B"])


def test_load_model_trust_types(trees: Path) -> None:
    assert load_model(trees, trust_types=[TREES, "some.other.Type"]).predict([[0.5]]).shape == (1,)


@pytest.mark.parametrize("name", ["model.onnx", "model"])
def test_load_model_refuses_other_suffix(name: str) -> None:
    suffix = Path(name).suffix or "no suffix"
    with refuses(ModelFileError, name, ".skops, .pkl, .pickle, .joblib", repr(suffix)):
        load_model(Path(name))


@pytest.mark.parametrize("name", ["m.skops", "m.pkl"])
def test_load_model_refuses_missing_file_and_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with refuses(FileNotFoundError, f"{path} does not exist"):
        load_model(path)
    path.mkdir()
    with refuses(FileNotFoundError, f"{path} is a folder"):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("m.skops", "Save it again with skops.io.dump"),
        ("m.pkl", "name it .joblib"),
        ("m.joblib", "Save it again with joblib.dump"),
    ],
)
def test_load_model_refuses_unreadable_file(tmp_path: Path, name: str, remedy: str) -> None:
    path = tmp_path / name
    path.write_text("#" * 20)
    with refuses(ModelFileError, f"{path} cannot be read", remedy) as caught:
        load_model(path, trust_pickle=True)
    assert re.search(r"read: \w+: .*[^.]\. ", str(caught.value))  # the kind of error and its words


def test_load_model_names_missing_module(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(b"cnolibrary.of.this.name\nModel\n.")
    with refuses(ModelFileError, str(path), "module 'nolibrary'", "not installed"):
        load_model(path, trust_pickle=True)


def test_load_model_refuses_object_without_predict(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump({"model": 1}, path)
    with refuses(ModelFileError, str(path), "type dict", "no predict"):
        load_model(path)


def test_load_model_refuses_unfitted(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump(LinearRegression(), path)
    with refuses(ModelFileError, str(path), "LinearRegression", "not fitted", "Call its fit"):
        load_model(path)


def test_load_model_without_skops_names_extra(files: SimpleNamespace, without) -> None:
    without("skops")
    with refuses(MissingExtraError, f"{files.model} needs skops", "pip install 'agnostix[cli]'"):
        load_model(files.model)


def test_load_table_csv_keeps_texts(files: SimpleNamespace, people: pd.DataFrame) -> None:
    table = load_table(files.data)
    assert list(table.columns) == list(people.columns)
    assert set(table["sex"]) == {"Female", "Male", "?"}
    assert table["income"].tolist() == people["income"].tolist()
    assert load_table(files.data)["hours"].tolist() == people["hours"].tolist()


def test_load_table_parquet_keeps_category_order(tmp_path: Path) -> None:
    band = pd.Categorical(["low", "high", "low"], categories=["low", "high", "top"], ordered=True)
    path = tmp_path / "t.parquet"
    pd.DataFrame({"band": band, "x": [1, 2, 3]}).to_parquet(path)
    assert list(load_table(path)["band"].cat.categories) == ["low", "high", "top"]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a,b\n1,2\n1,2,3\n", ["line 3", "3 values", "header has 2 columns", *MEND]),
        ("a,b\n1,2\n3\n5,6\n", ["line 3", "1 value", "header has 2 columns", *MEND, EMPTY]),
        ('a,b\n1,"2\n', ["line 2", "unexpected end", "double quote", "never closed"]),
        ('a,b\n1,2\n3,"4\n', ["line 3", "unexpected end", "double quote", "never closed"]),
        ("", ["is empty", "header line", "rows"]),
        ("a,a\n1,2\n", ["columns twice: a", "Rename or drop"]),
    ],
)
def test_load_table_csv_names_broken_line(tmp_path: Path, text: str, facts: list[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with refuses(DataError, str(path), *facts):
        load_table(path)


def test_load_table_csv_missing_in_last_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,\n2,3\n")
    assert load_table(path)["b"].isna().tolist() == [True, False]


def test_load_table_csv_refuses_other_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("town,n\nKöln,1\n".encode("latin-1"))
    with refuses(DataError, "t.csv", "not text in UTF-8", "Save it as UTF-8", ".parquet"):
        load_table(path)


def test_load_table_parquet_refuses_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("no parquet")
    with refuses(DataError, "t.parquet", "cannot be read as Parquet"):
        load_table(path)


def test_load_table_parquet_refuses_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": []}).to_parquet(path)
    with refuses(DataError, f"{path} has 0 rows and 1 columns"):
        load_table(path)


def test_load_table_without_pyarrow_names_extra(tmp_path: Path, without) -> None:
    path = tmp_path / "t.parquet"
    path.touch()
    without("pyarrow")
    with refuses(MissingExtraError, f"{path} needs pyarrow", "pip install 'agnostix[cli]'"):
        load_table(path)


def test_load_table_refuses_other_suffix_and_missing_file() -> None:
    with refuses(DataError, "t.xlsx", ".csv and .parquet", "'.xlsx'"):
        load_table(Path("t.xlsx"))
    with refuses(FileNotFoundError, "no.csv does not exist"):
        load_table(Path("no.csv"))
