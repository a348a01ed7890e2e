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

MEND = "Mend the line (a text that holds a comma stands in double quotes), or delete it."
EMPTY = "A missing value is an empty place between commas."
OPEN = "Is a double quote here that is never closed?"
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


def _refused(kind: type[Exception], message: str, load, *args, **options) -> None:
    with pytest.raises(kind) as caught:
        load(*args, **options)
    assert str(caught.value) == message


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
    message = (
        f"{path} is a pickle, and loading one runs whatever code is in it. If you made the file, or trust "
        "who did, add --trust-pickle. The safe way is to save the model as .skops: "
        "skops.io.dump(model, 'model.skops')."
    )
    _refused(ModelFileError, message, load_model, path)
    assert not trace.exists()


def test_load_model_lists_untrusted_type(trees: Path) -> None:
    assert untrusted_types(trees) == [TREES]
    message = (
        f"{trees} holds a type that is not known to be safe. Review it:\n    {TREES}\n"
        f"If you trust it, append to the command:\n    --trust-type {TREES}"
    )
    _refused(ModelFileError, message, load_model, trees)
    _refused(ModelFileError, message, load_model, trees, trust_types=["some.other.Type"])


def test_load_model_lists_several_untrusted_types(trees: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["evil\x1b[2Jtype", "b.B", "a.A", "c c.C"]
    monkeypatch.setattr(skops.io, "get_untrusted_types", lambda file: listed)
    message = (
        f"{trees} holds 3 types that are not known to be safe. Review them:\n"
        "    a.A\n    c c.C\n    'evil\\x1b[2Jtype'\n"
        "If you trust them, append to the command:\n"
        "    --trust-type a.A --trust-type 'c c.C' --trust-type 'evil\x1b[2Jtype'"
    )
    _refused(ModelFileError, message, load_model, trees, trust_types=["b.B"])


def test_load_model_trust_types(trees: Path) -> None:
    assert load_model(trees, trust_types=[TREES, "some.other.Type"]).predict([[0.5]]).shape == (1,)


@pytest.mark.parametrize("name", ["model.onnx", "model"])
def test_load_model_refuses_other_suffix(name: str) -> None:
    suffix = Path(name).suffix or "no suffix"
    message = f"{name}: models are read from .skops, .pkl, .pickle, .joblib, not from {suffix!r}."
    _refused(ModelFileError, message, load_model, Path(name))


@pytest.mark.parametrize("name", ["m.skops", "m.pkl"])
def test_load_model_refuses_missing_file_and_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _refused(FileNotFoundError, f"{path} does not exist.", load_model, path)
    path.mkdir()
    _refused(FileNotFoundError, f"{path} is a folder, not a file.", load_model, path)


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("m.skops", "Save it again with skops.io.dump."),
        ("m.pkl", "If joblib wrote it, name it .joblib."),
        ("m.joblib", "Save it again with joblib.dump."),
    ],
)
def test_load_model_refuses_unreadable_file(tmp_path: Path, name: str, way_out: str) -> None:
    path = tmp_path / name
    path.write_text("#" * 20)
    with pytest.raises(ModelFileError) as caught:
        load_model(path, trust_pickle=True)
    assert re.fullmatch(rf"{re.escape(str(path))} cannot be read: \w+: .*[^.]\. {way_out}", str(caught.value))


def test_load_model_names_missing_module(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(b"cnolibrary.of.this.name\nModel\n.")
    message = f"{path} needs the module 'nolibrary', which is not installed here."
    _refused(ModelFileError, message, load_model, path, trust_pickle=True)


def test_load_model_refuses_object_without_predict(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump({"model": 1}, path)
    message = f"{path} holds an object of type dict, which has no predict; a model is needed."
    _refused(ModelFileError, message, load_model, path)


def test_load_model_refuses_unfitted(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump(LinearRegression(), path)
    message = f"{path} holds a LinearRegression that is not fitted. Call its fit, and save it again."
    _refused(ModelFileError, message, load_model, path)


def test_load_model_without_skops_names_extra(files: SimpleNamespace, without) -> None:
    without("skops")
    message = f"{files.model} needs skops, which is not installed: pip install 'agnostix[cli]'"
    _refused(MissingExtraError, message, load_model, files.model)


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
    ("text", "message"),
    [
        ("a,b\n1,2\n1,2,3\n", f", line 3: 3 values, but the header has 2 columns. {MEND}"),
        ("a,b\n1,2\n3\n5,6\n", f", line 3: 1 value, but the header has 2 columns. {MEND} {EMPTY}"),
        ('a,b\n1,"2\n', f", line 2: unexpected end of data. {OPEN}"),
        ('a,b\n1,2\n3,"4\n', f", line 3: unexpected end of data. {OPEN}"),
        ("", " is empty. A header line with the columns' names, then the rows, are needed."),
        ("a,a\n1,2\n", " names columns twice: a. Rename or drop the repeated ones."),
    ],
)
def test_load_table_csv_names_broken_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    _refused(DataError, f"{path}{message}", load_table, path)


def test_load_table_csv_missing_in_last_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,\n2,3\n")
    assert load_table(path)["b"].isna().tolist() == [True, False]


def test_load_table_csv_refuses_other_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("town,n\nKöln,1\n".encode("latin-1"))
    with pytest.raises(
        DataError, match=r"t\.csv is not text in UTF-8 \(.*\)\. Save it as UTF-8, or as \.parquet\.$"
    ):
        load_table(path)


def test_load_table_parquet_refuses_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("no parquet")
    with pytest.raises(DataError, match=r"t\.parquet cannot be read as Parquet: "):
        load_table(path)


def test_load_table_parquet_refuses_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": []}).to_parquet(path)
    _refused(DataError, f"{path} has 0 rows and 1 columns; nothing to report on.", load_table, path)


def test_load_table_without_pyarrow_names_extra(tmp_path: Path, without) -> None:
    path = tmp_path / "t.parquet"
    path.touch()
    without("pyarrow")
    message = f"{path} needs pyarrow, which is not installed: pip install 'agnostix[cli]'"
    _refused(MissingExtraError, message, load_table, path)


def test_load_table_refuses_other_suffix_and_missing_file() -> None:
    message = "t.xlsx: tables are read from .csv and .parquet, not from '.xlsx'."
    _refused(DataError, message, load_table, Path("t.xlsx"))
    _refused(FileNotFoundError, "no.csv does not exist.", load_table, Path("no.csv"))
