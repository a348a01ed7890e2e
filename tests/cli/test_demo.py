from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from agnostix.cli import main
from agnostix.cli.demo import TARGET, diabetes, pipeline, write_model, write_table
from agnostix.cli.loading import load_model, load_table
from tests.messages import assert_states


def test_diabetes_table() -> None:
    X, y = diabetes()
    assert X.shape == (442, 11)
    assert X["sex"].value_counts().to_dict() == {"coded 1": 235, "coded 2": 207}
    assert X["bmi_band"].cat.ordered
    assert list(X["bmi_band"].cat.categories) == ["under 18.5", "18.5-25", "25-30", "30 and over"]
    low = X.groupby("bmi_band", observed=True)["bmi"].min()
    assert low["18.5-25"] >= 18.5
    assert low["30 and over"] >= 30
    assert y.name == TARGET
    assert not X.isna().any(axis=None)


def test_pipeline_r2_on_held_out_rows() -> None:
    X, y = diabetes()
    assert pipeline().fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.3


@pytest.mark.parametrize("missing", [(), ("skops",), ("pyarrow",), ("skops", "pyarrow")])
def test_write_model_and_table_round_trip(tmp_path: Path, without, missing: tuple[str, ...]) -> None:
    for name in missing:
        without(name)
    X, y = diabetes()
    model = pipeline().fit(X, y)
    path, *flags = write_model(model, tmp_path)
    data = write_table(X.assign(**{TARGET: y}), tmp_path)
    assert Path(path).suffix == (".joblib" if "skops" in missing else ".skops")
    assert data.suffix == (".csv" if "pyarrow" in missing else ".parquet")
    table = load_table(data)
    trusted = {"trust_pickle": "--trust-pickle" in flags, "trust_types": flags[1::2]}
    assert load_model(Path(path), **trusted).predict(table) == pytest.approx(model.predict(X))
    assert list(table["bmi_band"].astype(str)) == list(X["bmi_band"].astype(str))


def test_demo_writes_report(run_once) -> None:
    ran = run_once("demo")
    assert (ran.status, ran.err) == (0, "")
    assert re.search(rf"^{re.escape(str(ran.page))}: model.skops on 133 rows, ", ran.out, re.M)
    html = ran.page.read_text(encoding="utf-8")
    assert "coded 1" in html
    assert "30 and over" in html
    assert "<h3>Row 0</h3>" in html
    assert len(html) < 2e6
    assert ran.written == ["out.html"]


def test_demo_row_option(run_once) -> None:
    ran = run_once("demo", "--quiet", "--row", "5", "--row", "132", suffix=".json")
    rows = json.loads(ran.page.read_text(encoding="utf-8"))["rows"]
    assert [row["position"] for row in rows] == [5, 132]


def test_demo_explain_option(run_once) -> None:
    ran = run_once("demo", "--quiet", "--explain", "shapley", suffix=".json")
    (row,) = json.loads(ran.page.read_text(encoding="utf-8"))["rows"]
    (part,) = row["explanations"]
    assert (part["method"], part["quantity"], len(part["values"])) == (
        "KernelShapExplainer",
        "contribution",
        11,
    )


def test_demo_json_output(run_once) -> None:
    ran = run_once("demo", "--quiet", "--row", "5", "--row", "132", suffix=".json")
    assert (ran.status, ran.out, ran.err, ran.written) == (0, "", "", ["out.json"])
    assert json.loads(ran.page.read_text(encoding="utf-8"))["schema_version"] == 3


def test_demo_checks_output_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(pd, "cut", lambda *_: pytest.fail("the table was loaded"))
    path = tmp_path / "no" / "x.html"
    assert main(["demo", "-o", str(path)]) == 2
    assert_states(capsys.readouterr().err, f"--output {path}", f"folder {path.parent} does not exist")
