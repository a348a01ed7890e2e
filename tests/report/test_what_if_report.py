"""The report as an object: lazy, computed once, written whole or not at all; and what it takes in."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix import WhatIfReport, as_predictor
from agnostix.exceptions import DataError
from agnostix.report import what_if_report
from tests.messages import assert_states, refuses


def _age(**more: object) -> object:
    return as_predictor(lambda X: np.asarray(X["age"], dtype=float), task="regression", **more)


class Counting:
    """A model that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, X: pd.DataFrame) -> np.ndarray:
        self.calls += 1
        return X["age"].to_numpy()


def test_summary_is_computed_lazily_and_once(people: pd.DataFrame) -> None:
    model = Counting()
    report = WhatIfReport(as_predictor(model, task="regression"), people[["age"]])
    assert model.calls == 0
    first = report.summary
    report.html()
    report.markdown()
    report.json()
    assert report.summary is first
    n_calls = model.calls
    assert report.html() == report.html()
    assert model.calls == n_calls


def test_json_and_markdown_do_not_draw(people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(material: object) -> dict:
        raise AssertionError

    monkeypatch.setattr(what_if_report, "draw_figures", drawn)
    report = WhatIfReport(_age(), people[["age"]])
    report.json()
    report.markdown()
    with pytest.raises(AssertionError):
        report.html()


def test_timings_parts(people: pd.DataFrame) -> None:
    def slow(X: pd.DataFrame) -> np.ndarray:
        time.sleep(0.05)
        return X["age"].to_numpy()

    report = WhatIfReport(as_predictor(slow, task="regression"), people[["age"]])
    assert report.timings["drawing"] == 0.0
    report.html()
    timings = report.timings
    assert set(timings) == {"model", "solving", "drawing"}
    assert timings["model"] >= 0.05
    assert timings["solving"] > 0.0
    assert timings["drawing"] > 0.0


@pytest.mark.parametrize("ending", [".html", ".htm", ".HTML", ".json", ".md"])
def test_save_format_by_suffix(regression: WhatIfReport, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"report{ending}"
    assert regression.save(path) == path
    made = {
        ".htm": regression.html,
        ".html": regression.html,
        ".json": regression.json,
        ".md": regression.markdown,
    }
    assert path.read_text("utf-8") == made[ending.lower()]()
    assert os.listdir(tmp_path) == [path.name]


def test_save_accepts_str_path(regression: WhatIfReport, tmp_path: Path) -> None:
    assert regression.save(str(tmp_path / "a.md")) == tmp_path / "a.md"


@pytest.mark.parametrize("name", ["report.pdf", "report", "html"])
def test_save_refuses_other_suffix(name: str, tmp_path: Path) -> None:
    report = WhatIfReport(Counting(), None)
    with refuses(ValueError, ".html, .json or .md", repr(str(tmp_path / name))):
        report.save(tmp_path / name)


def test_save_refuses_missing_folder_before_computing(tmp_path: Path) -> None:
    report = WhatIfReport(Counting(), None)
    with refuses(FileNotFoundError, f"no folder {str(tmp_path / 'nowhere')!r}", "'a.html'"):
        report.save(tmp_path / "nowhere" / "a.html")


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_save_permissions_follow_umask(regression: WhatIfReport, tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        path = regression.save(tmp_path / "a.json")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("broken", ["chmod", "replace"])
def test_save_keeps_old_file_when_writing_fails(
    regression: WhatIfReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "a.html"
    path.write_text("before")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, broken, fail)
    with refuses(OSError, "disk full"):
        regression.save(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.html"]


@pytest.mark.parametrize("ending", [".html", ".json", ".md"])
def test_save_writes_half_a_surrogate_pair_as_escape(
    regression: WhatIfReport, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(regression.summary, "title", "a \ud800 title")
    text = regression.save(tmp_path / f"a{ending}").read_text("utf-8")
    assert r"a \ud800 title" in text
    if ending == ".json":
        assert json.loads(text)["title"] == "a \ud800 title"


def test_save_keeps_old_file_when_model_fails(people: pd.DataFrame, tmp_path: Path) -> None:
    def broken(X: pd.DataFrame) -> np.ndarray:
        raise RuntimeError("no such device")

    path = tmp_path / "a.html"
    path.write_text("before")
    with refuses(RuntimeError, "no such device"):
        WhatIfReport(as_predictor(broken, task="regression"), people).save(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.html"]


def test_open_shows_page(regression: WhatIfReport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown: list[str] = []
    monkeypatch.setattr(what_if_report.webbrowser, "open", shown.append)
    monkeypatch.setattr(what_if_report.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    path = regression.open()
    assert shown == [path.as_uri()]
    assert path.read_text("utf-8") == regression.html()


def test_summary_numpy_polars_and_pandas_agree() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 2))
    names = ["x0", "x1"]
    model = as_predictor(lambda X: np.asarray(X)[:, 0] ** 2, task="regression", output_names=["y"])
    summaries = []
    for X in (values, pl.DataFrame(values, schema=names), pd.DataFrame(values, columns=names)):
        summary = json.loads(WhatIfReport(model, X, values[:, 0], what_if=[{"x1": 0.3}]).json())
        del summary["timings"], summary["metadata"]
        summaries.append(summary)
    assert summaries[0] == summaries[1] == summaries[2]


def test_summary_of_messy_table(people: pd.DataFrame) -> None:
    n = len(people)
    X = people[["age"]].assign(
        holes=np.where(np.arange(n) % 5 == 0, np.nan, people["noise"]),
        some=np.where(np.arange(n) % 4 == 0, None, people["town"]),
        day=pd.date_range("2020-01-01", periods=n),
        same=1.0,
        key=[f"id{j}" for j in range(n)],
        empty=np.nan,
    )
    report = WhatIfReport(_age(), X, what_if=[{"holes": 0.2}])
    caveats = " ".join(report.summary["caveats"])
    for left_out in ("day", "same", "key", "empty"):
        assert f"Left out: {left_out} – " in caveats
    assert "holes is missing in 20\u202f% of the rows" in caveats
    assert "some is missing in 25\u202f% of the rows" in caveats
    assert "holes" in {feature["name"] for feature in report.summary["features"]}
    assert "Left out: key" in report.html()
    assert report.summary["scenarios"][0]["n_rows"] == n - n // 5


def test_summary_of_sixty_levels(people: pd.DataFrame) -> None:
    levels = [f"v{j:02}" for j in range(60)]
    X = people[["age"]].assign(many=np.resize(levels, len(people)))
    report = WhatIfReport(_age(), X)
    followed = [curve["level"] for curve in report.summary["curves"] if curve["feature"] == "many"]
    assert len(followed) == 12
    assert len({row["level"] for row in report.summary["ranking"] if row["feature"] == "many"}) == 60
    assert "v59" in report.html()


def test_sample_weight_enters_baseline_and_identity(people: pd.DataFrame) -> None:
    weights = np.where(people["sex"] == "Female", 3.0, 1.0)
    report = WhatIfReport(_age(), people, sample_weight=weights)
    mean = np.average(people["age"], weights=weights)
    assert report.summary["baseline"][0]["value"] == pytest.approx(mean, rel=1e-5)
    ess = weights.sum() ** 2 / (weights**2).sum()
    assert dict(report.summary["metadata"])["Weights"] == f"{ess:.0f} effective rows"


def test_what_if_accepts_single_scenario(people: pd.DataFrame) -> None:
    assert len(WhatIfReport(_age(), people, what_if={"age": 41}).summary["scenarios"]) == 1


def test_by_gives_groups(binary: WhatIfReport) -> None:
    assert {row["group"] for row in binary.summary["groups"]} == {"Female", "Male"}
    assert set(binary._data.curves.frame["group"]) == {"Female", "Male"}


@pytest.mark.parametrize(
    ("more", "facts"),
    [
        ({"what_if": [{"height": 3}]}, ["no column 'height'", "age, echo, noise, sex, town"]),
        ({"what_if": [{"sex": {"Other": 0.5}}]}, ["'sex'", "no level 'Other'", "'Female', 'Male'"]),
        ({"by": "height"}, ["no column 'height'", "age, echo, noise, sex, town"]),
    ],
)
def test_what_if_and_by_refuse_unknown(people: pd.DataFrame, more: dict, facts: list[str]) -> None:
    with refuses(ValueError, *facts):
        _ = WhatIfReport(_age(), people, **more).summary


def test_shares_that_sum_to_more_than_1_are_a_finding(people: pd.DataFrame) -> None:
    report = WhatIfReport(_age(), people, what_if=[{"sex": {"Female": 0.5, "Male": 0.6}}])
    (scenario,) = report.summary["scenarios"]
    assert_states(scenario["problem"], "'sex'", "sum to 1.1", "Female", "Male")
    shares = [row["reached"] for row in scenario["nearest"]["conditions"]]
    assert sum(shares) == pytest.approx(1.0)


def test_report_refuses_constant_table() -> None:
    X = pd.DataFrame({"age": np.ones(20)})
    with refuses(DataError, "No column of X", "age", "constant"):
        _ = WhatIfReport(_age(), X).summary


def test_title_default_and_own(people: pd.DataFrame) -> None:
    assert WhatIfReport(_age(), people, title="Ours").summary["title"] == "Ours"
    assert WhatIfReport(_age(), people).summary["title"].startswith("What if the population were different?")
