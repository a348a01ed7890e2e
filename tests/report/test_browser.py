"""The page as a browser shows it; the checks themselves are those of the continuous integration."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHECKS = Path(__file__).parents[2] / ".ci" / "browser_check.py"
HEAD = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
SLIDER = '<input type="range" id="whatif-target" min="0" max="4"><output id="whatif-value">2</output>'
MOVES = """<script>
  const slider = document.getElementById("whatif-target");
  const shown = document.getElementById("whatif-value");
  slider.addEventListener("input", () => { shown.textContent = slider.value * 3; });
</script>"""
GOOD = f"{HEAD}<style>:root {{ color-scheme: light dark; }}</style>{SLIDER}{MOVES}"


@pytest.fixture(scope="module")
def checks() -> Iterator[ModuleType]:
    if not CHECKS.is_file():
        pytest.skip(f"{CHECKS} is not part of this copy")
    spec = importlib.util.spec_from_file_location("browser_check", CHECKS)
    module = importlib.util.module_from_spec(spec)
    sys.modules["browser_check"] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    if module.find_browser() is None:
        reason = f"none of {', '.join(module.BROWSERS)} is installed"
        if os.environ.get("AGNOSTIX_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    yield module
    del sys.modules["browser_check"]


def _page(folder: Path, html: str) -> Path:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    return path


def test_check_page_demo_has_no_problems(checks: ModuleType, tmp_path: Path) -> None:
    result = checks.check_page(checks.make_demo(tmp_path), tmp_path)
    assert result.problems == []
    assert [path.name for path in result.files] == [
        "wide-light.png",
        "wide-dark.png",
        "narrow-light.png",
        "narrow-dark.png",
        "print.pdf",
    ]
    assert all(path.stat().st_size > 10_000 for path in result.files)


def test_page_shows_level_with_script_as_text(checks: ModuleType, tmp_path: Path) -> None:
    from agnostix.report import WhatIfReport

    evil = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"group": rng.choice([evil, "</script>", "plain"], 300), "age": rng.normal(40, 10, 300)})
    y = pd.Series(np.where(X["age"] + rng.normal(0, 5, 300) > 40, evil, "plain"), name="</title>" + evil)
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["group"]), remainder="passthrough"),
        LogisticRegression(max_iter=1000),
    ).fit(X, y)
    page = tmp_path / "evil.html"
    WhatIfReport(model, X, y, what_if=[{"group": {evil: 0.5}}], by="group", title=evil).save(page)
    result = checks.check_page(page, tmp_path)
    assert result.problems == []
    with checks.Browser(checks.find_browser()) as browser:
        browser.open(page, width=checks.WIDE)
        assert "<script>alert(1)</script>" in browser.evaluate("document.body.innerText")


def test_slider_texts_and_numbers_differ_by_target(checks: ModuleType, tmp_path: Path) -> None:
    from agnostix import WhatIfReport, as_predictor

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"time": 1.6e9 + rng.normal(size=200)})
    model = as_predictor(lambda X: -1e-3 * (X["time"].to_numpy() - 1.6e9), task="regression")
    page = WhatIfReport(model, X).save(tmp_path / "page.html")
    with checks.Browser(checks.find_browser()) as browser:
        browser.open(page, width=checks.NARROW)
        shown_texts = browser.evaluate(
            """(() => {
                const slider = document.getElementById("whatif-target");
                return [0, 20, 21, 40].map((value) => {
                    slider.value = value;
                    slider.dispatchEvent(new Event("input", {bubbles: true}));
                    return [slider.getAttribute("aria-valuetext"),
                            document.getElementById("whatif-average").textContent,
                            document.getElementById("whatif-value").textContent];
                });
            })()"""
        )
    assert [words for words, *_ in shown_texts] == [shown for _, shown, _ in shown_texts]
    assert len({words for words, *_ in shown_texts}) == 4
    assert all(words.startswith(("1\u202f600\u202f000", "1\u202f599\u202f999")) for words, *_ in shown_texts)
    values = [float(value.replace("\u2212", "-")) for *_, value in shown_texts]
    assert values == sorted(values, reverse=True)
    assert not any(value == "\u22120" for *_, value in shown_texts)


def test_csv_of_rows_and_nearest_matches_summary(checks: ModuleType, tmp_path: Path) -> None:
    from agnostix import WhatIfReport, as_predictor

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(40, 10, 60), "town": rng.choice(["=1+1", "b, c"], 60)})
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    report = WhatIfReport(model, X, rows=[7, 3])
    with checks.Browser(checks.find_browser()) as browser:
        browser.open(report.save(tmp_path / "page.html"), width=checks.NARROW)
        assert browser.evaluate("document.documentElement.scrollWidth") == checks.NARROW
        texts = browser.evaluate(
            """(async () => {
                const kept = [];
                const make = URL.createObjectURL;
                URL.createObjectURL = (blob) => { kept.push(blob.text()); return make(blob); };
                HTMLAnchorElement.prototype.click = () => {};
                for (const name of ["rows", "neighbors"]) {
                    document.querySelector(`button[data-table="${name}"]`).click();
                }
                return Promise.all(kept);
            })()"""
        )
    values, neighbors = (pd.read_csv(io.StringIO(text)) for text in texts)
    rows = report.summary["rows"]
    assert values["row"].tolist() == ["Row 7", "Row 7", "Row 3", "Row 3"]
    assert values["feature"].tolist() == ["age", "town"] * 2
    expected = [value["std_error"] for row in rows for value in row["explanations"][0]["values"]]
    np.testing.assert_allclose(values["std_error"], expected)
    assert {"position", "method", "data", "value", "low", "high", "base_value", "output"} <= set(values)
    assert neighbors["rank"].tolist() == [*range(6)] * 2
    assert neighbors["position"].tolist()[:6] == [
        7,
        *(near["position"] for near in rows[0]["neighbors"]["rows"]),
    ]
    assert set(neighbors["town"]) == {"'=1+1", "b, c"}


def test_page_of_images_scrolls_figures_alone(checks: ModuleType, tmp_path: Path) -> None:
    from agnostix import WhatIfReport, as_predictor
    from tests.plotting.explanations import pixels

    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    maps = {f"a method with a long name {j}": pixels(2, row_names=("x" * 200, "y")) for j in range(5)}
    report = WhatIfReport(model, pd.DataFrame({"age": np.linspace(0.0, 1.0, 50)}), pictures=maps)
    page = report.save(tmp_path / "page.html")
    result = checks.check_page(page, tmp_path)
    assert result.problems == []
    with checks.Browser(checks.find_browser()) as browser:
        browser.open(page, width=checks.NARROW)
        least = browser.evaluate("""Math.min(...[...document.querySelectorAll("#pictures svg")].map(
            (svg) => svg.getBoundingClientRect().width))""")
        assert least > checks.NARROW
        assert browser.evaluate("document.documentElement.scrollWidth") == checks.NARROW


def test_check_page_good_page_has_no_problems(checks: ModuleType, tmp_path: Path) -> None:
    result = checks.check_page(_page(tmp_path, GOOD), tmp_path)
    assert result.problems == []
    assert result.facts["narrow-dark"]["slider"] == ["0", "6", "12"]
    assert result.files[0].read_bytes().startswith(b"\x89PNG")
    assert result.files[-1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        (GOOD + '<script>console.error("oops")</script>', "wide-light: console: ['oops']"),
        (GOOD + "<script>nowhere()</script>", "exception: ReferenceError: nowhere is not defined"),
        (GOOD + '<img src="http://localhost:9/x.png">', "requested http://localhost:9/x.png"),
        (GOOD + '<link rel="stylesheet" href="style.css">', "/style.css"),
        (GOOD + '<div style="width: 700px">wide</div>', "narrow-light: the page is 708 px wide"),
        (HEAD + SLIDER + MOVES, "wide-dark: the page's ground has a lightness of 255"),
        (GOOD.replace(MOVES, ""), "the slider does not move the number: ['2', '2', '2']"),
        (GOOD.replace("whatif-value", "other"), "there is no #whatif-target or no #whatif-value"),
    ],
)
def test_check_page_names_each_defect(checks: ModuleType, tmp_path: Path, html: str, problem: str) -> None:
    assert problem in "\n".join(checks.check_page(_page(tmp_path, html), tmp_path).problems)


def test_check_page_dialog_is_an_error(checks: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(checks.BrowserError, match="the page opens a dialog: 1"):
        checks.check_page(_page(tmp_path, GOOD + "<script>alert(1)</script>"), tmp_path)


def test_check_page_refuses_program_that_is_no_browser(checks: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(checks.BrowserError, match="the browser ended"):
        checks.check_page(_page(tmp_path, GOOD), tmp_path, program="/bin/true")
