from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from agnostix.cli.arguments import parse_arguments
from agnostix.cli.run import check_output, find_rows, run_report, split_table
from agnostix.exceptions import DataError
from tests.messages import refuses

PLACE = "age, hours, sex, income, weight"


def _arguments(*options: str, model: Path = Path("m.skops"), data: Path = Path("people.csv")):
    return parse_arguments(["report", str(model), str(data), *options])


def _refused(facts: tuple[str, ...], table: pd.DataFrame, model, *options: str) -> None:
    with refuses(DataError, *facts):
        split_table(table, model, _arguments(*options))


def test_split_table_takes_out_target_and_weights(people: pd.DataFrame, model) -> None:
    options = ("--target", "income", "--weight", "weight", "--by", "sex")
    inputs = split_table(people, model, _arguments(*options))
    assert list(inputs.X.columns) == ["age", "hours", "sex"]
    assert inputs.y.name == "income"
    assert inputs.sample_weight.tolist() == people["weight"].tolist()
    assert list(people.columns) == ["age", "hours", "sex", "income", "weight"]


def test_split_table_without_options_keeps_all(people: pd.DataFrame, model) -> None:
    inputs = split_table(people, model, _arguments())
    assert list(inputs.X.columns) == list(people.columns)
    assert inputs.y is None
    assert inputs.sample_weight is None


def test_split_table_keeps_weight_that_model_reads(people: pd.DataFrame, model) -> None:
    inputs = split_table(people, model, _arguments("--weight", "hours"))
    assert "hours" in inputs.X
    assert inputs.sample_weight.tolist() == people["hours"].tolist()


def test_split_table_missing_weight_is_nan(people: pd.DataFrame, model) -> None:
    table = people.assign(weight=people["weight"].where(people.index > 0).astype("Float64"))
    inputs = split_table(table, model, _arguments("--weight", "weight"))
    assert np.isnan(inputs.sample_weight[0])


@pytest.mark.parametrize("option", ["--target", "--by", "--weight"])
def test_split_table_refuses_unknown_column(people: pd.DataFrame, model, option: str) -> None:
    _refused((f"{option} 'Income'", "people.csv", PLACE), people, model, option, "Income")


def test_split_table_refuses_weight_not_numeric(people: pd.DataFrame, model) -> None:
    facts = ("--weight 'sex'", "not numeric", f"people.csv has {people['sex'][0]!r}")
    _refused(facts, people, model, "--weight", "sex")
    table = people.assign(weight=people["weight"] > 1)
    facts = ("--weight 'weight'", "not numeric", f"people.csv has {table['weight'][0]!r}")
    _refused(facts, table, model, "--weight", "weight")


def test_split_table_names_missing_columns(people: pd.DataFrame, model) -> None:
    facts = ("people.csv", "2 of the 3 columns", "needs: age, hours.", "has: sex, income, weight")
    _refused(facts, people.drop(columns=["age", "hours"]), model)


def test_split_table_refuses_target_among_features(people: pd.DataFrame, model) -> None:
    facts = ("--target 'hours'", "predicts from: age, hours, sex")
    _refused(facts, people, model, "--target", "hours")


def test_split_table_refuses_by_target(people: pd.DataFrame, model) -> None:
    facts = ("--by 'income'", "is the target", "another column")
    _refused(facts, people, model, "--target", "income", "--by", "income")


def test_split_table_model_fitted_on_array(people: pd.DataFrame) -> None:
    model = LinearRegression().fit(people[["age", "hours"]].to_numpy(), people["weight"])
    numbers = people[["age", "hours", "weight"]]
    assert split_table(numbers, model, _arguments("--target", "weight")).X.shape == (len(people), 2)
    facts = (
        "fitted on 2 columns without names",
        "people.csv has 3",
        "age, hours, weight",
        "fit the model on a DataFrame",
    )
    _refused(facts, numbers, model)


@pytest.mark.parametrize(
    ("scenario", "facts"),
    [
        ("Age=50", ["no column 'Age'", "people.csv", PLACE]),
        ("sex=female:0.5", ["'sex'", "no level 'female'", "'?', 'Female', 'Male'"]),
    ],
)
def test_run_report_refuses_unknown_column_and_level(
    files: SimpleNamespace, scenario: str, facts: list[str]
) -> None:
    arguments = _arguments("--what-if", scenario, model=files.model, data=files.data)
    arguments.output = files.folder / "r.html"
    with refuses(ValueError, "--what-if", *facts):
        run_report(arguments)


def test_check_output_accepts_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_output(Path("report.html"))
    check_output(tmp_path / "r.JSON")
    assert list(tmp_path.iterdir()) == []


def test_check_output_keeps_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "r.md"
    path.write_text("before")
    check_output(path)
    assert path.read_text() == "before"


@pytest.mark.parametrize("name", ["r.pdf", "r"])
def test_check_output_refuses_other_suffix(name: str) -> None:
    suffix = Path(name).suffix or "no suffix"
    with refuses(ValueError, f"--output {name}", ".html, .json, .md", repr(suffix)):
        check_output(Path(name))


def test_check_output_refuses_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "no" / "r.html"
    with refuses(FileNotFoundError, f"--output {path}", f"folder {path.parent} does not exist"):
        check_output(path)


def test_check_output_refuses_folder(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.mkdir()
    with refuses(IsADirectoryError, f"--output {path} is a folder"):
        check_output(path)


def test_check_output_refuses_folder_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir / "tmp0"))

    # Root may write everywhere, so the refusal is played.
    monkeypatch.setattr("agnostix.cli.run.tempfile.TemporaryFile", refuse)
    with refuses(
        PermissionError, f"--output {tmp_path / 'r.html'}", f"folder {tmp_path}", "Permission denied"
    ):
        check_output(tmp_path / "r.html")


def test_run_report_checks_output_first(tmp_path: Path) -> None:
    with refuses(FileNotFoundError, str(tmp_path / "no"), "does not exist"):
        run_report(_arguments("-o", str(tmp_path / "no" / "r.html"), model=Path("none.skops")))


def test_run_report_json(files: SimpleNamespace) -> None:
    path = files.folder / "r.json"
    options = ("--target", "income", "--what-if", "age=50", "-o", str(path), "--quiet")
    report = run_report(_arguments(*options, model=files.model, data=files.data))
    assert json.loads(path.read_text()) == json.loads(report.json())


@pytest.mark.parametrize(
    ("texts", "positions"), [([], []), (["17"], [17]), (["0", "399"], [0, 399]), (["007"], [7])]
)
def test_find_rows_by_position(people: pd.DataFrame, texts: list[str], positions: list[int]) -> None:
    assert find_rows(texts, people) == positions


def test_find_rows_by_text_label(people: pd.DataFrame) -> None:
    table = people.set_axis([f"p{j}" if j else "17" for j in range(len(people))], axis=0)
    assert find_rows(["p3", "17", "18"], table) == [3, 0, 18]
    turned = people.set_axis(people.index[::-1], axis=0)
    assert find_rows(["17"], turned) == [17]


@pytest.mark.parametrize(
    ("texts", "facts"),
    [
        (["400"], ["no row 400", "positions run from 0 to 399"]),
        (["-1"], ["no row -1", "positions run from 0 to 399"]),
        (["Ann"], ["no row 'Ann'", "positions run from 0 to 399"]),
        (["1.5"], ["no row '1.5'", "positions run from 0 to 399"]),
        (["3", "03"], ["row 3", "twice"]),
    ],
)
def test_find_rows_refuses_unknown(people: pd.DataFrame, texts: list[str], facts: list[str]) -> None:
    with refuses(DataError, "--row", *facts):
        find_rows(texts, people)
