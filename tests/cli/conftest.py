"""A fitted pipeline and a table with strings, as objects and as files."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from agnostix.cli import main


def _people(n_rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n_rows),
            "hours": rng.normal(40, 8, n_rows).round(1),
            "sex": rng.choice(["Female", "Male", "?"], n_rows, p=[0.4, 0.5, 0.1]),
        }
    )
    score = 0.05 * (table["age"] - 48) + 0.1 * (table["hours"] - 40) + rng.logistic(size=n_rows)
    table["income"] = np.where(score > 0, ">50K", "<=50K")
    table["weight"] = rng.uniform(0.5, 2.0, n_rows).round(3)
    return table


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    return _people()


@pytest.fixture(scope="session")
def model(people: pd.DataFrame):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["sex"]), (StandardScaler(), ["age", "hours"])
    )
    return make_pipeline(columns, LogisticRegression()).fit(people[["age", "hours", "sex"]], people["income"])


def _write(folder: Path, people: pd.DataFrame, model) -> SimpleNamespace:
    files = SimpleNamespace(folder=folder, model=folder / "model.skops", data=folder / "people.csv")
    skops.io.dump(model, files.model)
    people.to_csv(files.data, index=False)
    return files


@pytest.fixture
def files(tmp_path: Path, people: pd.DataFrame, model) -> SimpleNamespace:
    """The model as .skops and the table as .csv in a temporary folder."""
    return _write(tmp_path, people, model)


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory, people: pd.DataFrame, model):
    """Run ``agnostix`` once for the same options; gives status, stdout, stderr, page and files in its folder.

    ``report`` reads a model and a table as in ``files``. What has been run is only to be read.
    """
    files = _write(tmp_path_factory.mktemp("files"), people, model)

    @cache
    def run(command: str, *options: str, suffix: str = ".html") -> SimpleNamespace:
        folder = tmp_path_factory.mktemp("run")
        page, out, err = folder / f"out{suffix}", StringIO(), StringIO()
        inputs = [str(files.model), str(files.data)] if command == "report" else []
        with redirect_stdout(out), redirect_stderr(err):
            status = main([command, *inputs, "-o", str(page), *options])
        written = sorted(path.name for path in folder.iterdir())
        return SimpleNamespace(
            status=status, out=out.getvalue(), err=err.getvalue(), page=page, written=written
        )

    return run


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Make a library look as if it were not installed."""

    def hide(name: str) -> None:
        from agnostix.cli import demo, loading

        for module in (demo, loading):
            find_spec = module.find_spec
            monkeypatch.setattr(
                module,
                "find_spec",
                lambda other, find_spec=find_spec: None if other == name else find_spec(other),
            )
        if name != "pyarrow":  # pandas holds on to it
            monkeypatch.setitem(sys.modules, name, None)

    return hide
