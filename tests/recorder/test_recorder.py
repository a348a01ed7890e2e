"""A comparison of recordings fails on what differs, and on nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import effective_n_jobs

from agnostix import Explanation
from agnostix.core.explanation import Detail
from tests.recorder import reading, registry
from tests.recorder.comparison import (
    ExceptionOnPurpose,
    compare_recordings,
    find_differences,
    load_exceptions,
)
from tests.recorder.recording import load, picture_path, record, run_case, write
from tests.recorder.registry import SINGLE, Case, Cases

VALUES = np.array([[1.0, -2.0, 3.0], [0.0, np.nan, np.inf]])
RESULT = {
    "values": VALUES,
    "outputs": np.array([4.0, 5.0]),
    "names": ["a", "b", None],
    "records": [{"x": 1.0, "text": "one"}, {"x": 1e-9, "text": "two"}],
    "objective": 0.5,
    "frame": pd.DataFrame({"number": [1.5, np.nan], "label": ["a", None]}),
}


def store(folder: Path, result: Any, name: str = "some/case", tolerance: float = registry.DOUBLE) -> Path:
    case = Case(name, lambda: result, tolerance)
    write(folder, case, run_case(case, folder))
    return folder


def hows(tmp_path: Path, other: dict[str, Any], tolerance: float = registry.DOUBLE) -> dict[str, str]:
    before = store(tmp_path / "before", RESULT, tolerance=tolerance)
    after = store(tmp_path / "after", RESULT | other, tolerance=tolerance)
    return {difference.key: difference.how for difference in find_differences(before, after)}


def test_comparison_passes_on_equal_results(tmp_path: Path) -> None:
    assert hows(tmp_path, {}) == {}


@pytest.mark.parametrize(
    ("other", "key", "words"),
    [
        ({"values": VALUES + 1e-11}, "values", "differ by up to 1e-11"),
        ({"values": VALUES.T}, "values", "shape (2, 3) -> (3, 2)"),
        ({"values": np.where(np.isnan(VALUES), 0.0, VALUES)}, "values", "1 of 6 are NaN"),
        ({"values": np.where(np.isinf(VALUES), -np.inf, VALUES)}, "values", "1 of 6 are NaN"),
        ({"values": None}, "values", "None"),
        ({"names": ["a", "c", None]}, "names", "'c'"),
        ({"names": ["a", "b"]}, "names", "['a', 'b']"),
        ({"records": [{"x": 1.0, "text": "one"}, {"x": 2e-9, "text": "two"}]}, "records[1]/x", "1e-09"),
        ({"records": [{"x": 1.0, "text": "one"}, {"x": 1e-9, "text": "2"}]}, "records[1]/text", "'2'"),
        ({"records": RESULT["records"][:1]}, "records[1]/x", "missing"),
        ({"records": RESULT["records"][:1]}, "records[length]", "differ"),
        ({"objective": 0.45}, "objective", "differ"),
        ({"frame": RESULT["frame"].assign(number=[1.5, 2.0])}, "frame/column number", "NaN"),
        ({"frame": RESULT["frame"].assign(label=["a", "b"])}, "frame/column label", "'b'"),
        ({"frame": RESULT["frame"].rename(columns={"label": "name"})}, "frame/columns", "'name'"),
        ({"more": 1.0}, "more", "new"),
    ],
)
def test_comparison_fails_on_change(tmp_path: Path, other: dict[str, Any], key: str, words: str) -> None:
    assert words in hows(tmp_path, other)[key]


@pytest.mark.parametrize(
    ("other", "tolerance"),
    [
        ({"values": VALUES * (1 + 1e-13)}, registry.DOUBLE),
        ({"values": VALUES * (1 + 1e-7)}, SINGLE),
        # A difference of outputs has their rounding, although it is small.
        ({"values": VALUES + 4e-6}, SINGLE),
        # All records of a list are one column.
        ({"records": [{"x": 1.0, "text": "one"}, {"x": 1e-9 + 1e-13, "text": "two"}]}, registry.DOUBLE),
        ({"objective": 0.51}, registry.DOUBLE),
    ],
)
def test_comparison_passes_on_rounding(tmp_path: Path, other: dict[str, Any], tolerance: float) -> None:
    assert hows(tmp_path, other, tolerance) == {}


def test_comparison_fails_on_missing_and_new_case(tmp_path: Path) -> None:
    before = store(store(tmp_path / "before", RESULT), RESULT, "other/case")
    after = store(store(tmp_path / "after", RESULT), RESULT, "third/case")
    found = {(one.case, one.how) for one in find_differences(before, after)}
    assert found == {("other/case", "the case is missing"), ("third/case", "the case is new")}
    assert compare_recordings(before, after, exceptions=[]) == 1


def test_comparison_fails_on_case_that_raises(tmp_path: Path) -> None:
    before = store(tmp_path / "before", RESULT)

    def fails() -> None:
        raise ValueError("no way")

    case = Case("some/case", fails)
    write(tmp_path / "after", case, run_case(case, tmp_path / "after"))
    (difference,) = find_differences(before, tmp_path / "after")
    assert (difference.key, difference.how) == ("error", "ValueError: no way")


def test_comparison_passes_on_recorded_exceptions_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = store(tmp_path / "before", RESULT)
    after = store(tmp_path / "after", RESULT | {"values": VALUES + 1.0, "names": ["x", "b", None]})
    on_values = ExceptionOnPurpose("some/*", "values", "one more", "counted from one")
    assert compare_recordings(before, after, exceptions=[on_values]) == 1
    assert "names: " in capsys.readouterr().out
    both = [on_values, ExceptionOnPurpose("*", "na*s", "new names", "clearer")]
    assert compare_recordings(before, after, exceptions=both) == 0
    printed = capsys.readouterr().out
    assert "exception (1 cases): some/*  values: one more (counted from one)" in printed
    assert "new names (clearer)" in printed
    elsewhere = [ExceptionOnPurpose("other/*", "*", "all", "no reason")]
    assert compare_recordings(before, after, exceptions=elsewhere) == 1


def test_exception_key_brackets_are_literal() -> None:
    from tests.recorder.comparison import Difference

    exception = ExceptionOnPurpose("*", "records[*]/x", "", "")
    assert exception.covers(Difference("a", "records[12]/x", ""))
    assert not exception.covers(Difference("a", "records1/x", ""))


def test_load_exceptions_states_change_and_why(tmp_path: Path) -> None:
    entry = {"case": "mimic/*", "key": "pruning_path_/*", "change": "a column more", "why": "it was missing"}
    path = tmp_path / "exceptions.json"
    path.write_text(json.dumps([entry]))
    assert load_exceptions(path) == [ExceptionOnPurpose(**entry)]
    path.write_text(json.dumps([entry | {"why": ""}]))
    with pytest.raises(ValueError, match="pruning_path_"):
        load_exceptions(path)
    load_exceptions()


class Square:
    """A Display that fills a square of its picture."""

    def __init__(self, size: int, shade: float = 0.0, width: float = 2.0) -> None:
        self.size, self.shade, self.width = size, shade, width

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame({"x": [1.0]})

    def plot(self) -> Square:
        from matplotlib.figure import Figure

        self.figure_ = Figure(figsize=(self.width, 1.0))
        self.figure_.figimage(np.full((self.size, self.size), self.shade), vmin=0, vmax=1, cmap="gray")
        return self


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (Square(11), "21 of 12800 pixels differ, by up to 255 of 255"),
        (Square(10, 1 / 255), "100 of 12800 pixels differ, by up to 1 of 255"),
        (Square(10, width=3.0), "size 160 x 80 -> 240 x 80"),
    ],
)
def test_pictures_that_differ_are_counted_and_saved(tmp_path: Path, after: Square, words: str) -> None:
    folders = [tmp_path / name for name in ("before", "after")]
    for folder, display in zip(folders, (Square(10), after), strict=True):
        store(folder, {"display": display})
    (difference,) = find_differences(*folders, differences_folder=tmp_path / "out")
    assert (difference.key, difference.how) == ("picture", words)
    assert (tmp_path / "out" / "some" / "case.png").exists()


def test_pictures_equal_have_no_difference(tmp_path: Path) -> None:
    folders = [store(tmp_path / name, {"display": Square(10)}) for name in ("before", "after")]
    assert picture_path(folders[0], "some/case").exists()
    assert list(find_differences(*folders, differences_folder=tmp_path / "out")) == []
    assert not (tmp_path / "out").exists()


def test_recording_without_pictures_compares_frames(tmp_path: Path) -> None:
    before = store(tmp_path / "before", {"display": Square(10)})
    case = Case("some/case", lambda: {"display": Square(10)})
    write(tmp_path / "after", case, run_case(case, tmp_path / "after", pictures=False))
    assert list(find_differences(before, tmp_path / "after")) == []


def test_picture_missing_is_difference(tmp_path: Path) -> None:
    folders = [store(tmp_path / name, {"display": Square(10)}) for name in ("before", "after")]
    picture_path(folders[1], "some/case").unlink()
    (difference,) = find_differences(*folders)
    assert (difference.key, difference.how) == ("picture", "missing")


def test_reading_takes_every_field_of_an_explanation() -> None:
    explanation = Explanation(
        values=[[[0.5], [-0.2]]],
        feature_names=("age", "hours"),
        output_names=("income",),
        row_names=("first",),
        quantity="contribution",
        method="by hand",
        params={"p_keep": 0.5},
        extras={"kernel": Detail(np.eye(2), ("feature", "feature")), "n": 3},
    )
    leaves = reading.read({"row": explanation})
    np.testing.assert_array_equal(leaves["row/values"], [[[0.5], [-0.2]]])
    np.testing.assert_array_equal(leaves["row/extras/kernel/array"], np.eye(2))
    others = {
        "row/dims": ["row", "feature", "output"],
        "row/std_errors": None,
        "row/feature_names": ["age", "hours"],
        "row/row_names": ["first"],
        "row/quantity": "contribution",
        "row/params/p_keep": 0.5,
        "row/extras/kernel/dims": ["feature", "feature"],
        "row/extras/n": 3,
    }
    assert {key: leaves[key] for key in others} == others
    paths = {key.split("/")[1] for key in leaves}
    # Of an empty dict there is nothing to read.
    assert paths == {one.name for one in fields(Explanation)} - {"coords"}


def test_record_n_jobs_reaches_explainers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"case": Case("some/case", lambda: effective_n_jobs(None))}
    monkeypatch.setattr(registry, "all_cases", lambda: used)
    for n_jobs, expected in ((None, 1), (2, 2)):
        assert record(tmp_path / "one", n_jobs=n_jobs) == 0
        assert load(tmp_path / "one", "some/case")[0] == {"": expected}


def test_recording_round_trip(tmp_path: Path) -> None:
    leaves, tolerance = load(store(tmp_path, RESULT, tolerance=SINGLE), "some/case")
    np.testing.assert_array_equal(leaves["values"], VALUES)
    assert tolerance == SINGLE
    assert leaves["names"] == ["a", "b", None]


def test_cases_refuse_repeated_name() -> None:
    cases = Cases("some")
    cases.add("case", dict)
    with pytest.raises(ValueError, match="some/case"):
        cases.add("case", dict)


def test_registry_every_kind_has_cases() -> None:
    pytest.importorskip("polars")
    kinds = {name.split("/")[0] for name in registry.all_cases()}
    assert kinds == set(registry.MODULES)


def test_command_line_records_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = _main()
    only = ["--only", "shapley/numbers/exact"]
    assert main(["record", str(tmp_path / "one"), *only]) == 0
    assert main(["compare", str(tmp_path / "one"), *only]) == 0
    stored = tmp_path / "one" / "cases" / "shapley" / "numbers" / "exact.json"
    content = json.loads(stored.read_text())
    content["plain"]["cost"] += 1
    stored.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "one"), *only]) == 1
    assert "shapley/numbers/exact  cost" in capsys.readouterr().out


def _main() -> Callable[[list[str]], int]:
    from tests.recorder.__main__ import main

    return main
