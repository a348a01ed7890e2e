"""A comparison of recordings fails on what differs, and on nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.recorder import adapter, registry
from tests.recorder.comparison import (
    ExceptionOnPurpose,
    compare_recordings,
    find_differences,
    load_exceptions,
)
from tests.recorder.recording import load, picture_path, run_case, write
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


def test_load_exceptions_states_change_and_why() -> None:
    assert all(one.change and one.why for one in load_exceptions())


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


@dataclass(frozen=True)
class Detail:
    """An extra that names its axes."""

    array: Any
    dims: tuple[str, ...]


def test_adapter_reads_plain_extras_and_details_alike() -> None:
    def result(extras: dict[str, Any]) -> SimpleNamespace:
        arrays = {"values": VALUES, "std_errors": None, "base_values": None, "outputs": None, "data": None}
        names = {"feature_names": ("a",), "output_names": ("b",), "row_names": None}
        params = {"n_jobs": 2, "p_keep": 0.5}
        return SimpleNamespace(**arrays, **names, fidelity=None, n_model_rows=3, params=params, extras=extras)

    plain = adapter.read(result({"kernel": VALUES, "n": 3}))
    named = adapter.read(result({"kernel": Detail(VALUES, ("row", "feature")), "n": Detail(3, ())}))
    assert list(plain) == list(named)
    np.testing.assert_array_equal(plain["extras/kernel"], named["extras/kernel"])
    assert plain["extras/n"] == named["extras/n"] == 3
    assert plain["params/share"] == 0.5
    assert "params/n_jobs" not in plain


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
