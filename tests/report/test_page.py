"""The page: whole, offline, safe, and the same numbers everywhere."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from agnostix import WhatIfReport, as_predictor

EVIL = "<script>alert(1)</script>"
NAMES = [
    EVIL,
    "</script><!--",
    "a & b",
    '"quo\'te"',
    r"C:\data\1 \g<0>",
    'id="x" url(#x) href="#x"',
    "#1f2933 {{ 7 * 7 }}",
]
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """Elements, texts and identifiers of a page; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.problems: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
        else:
            self.texts.append(data)

    def values(self, *names: str) -> list[str]:
        return [
            value for _, attrs in self.elements for name in names if (value := attrs.get(name)) is not None
        ]


@pytest.fixture(scope="module")
def evil() -> WhatIfReport:
    rng = np.random.default_rng(0)
    n = 240
    X = pd.DataFrame({name: rng.normal(size=n) for name in NAMES[1:]})
    X.insert(0, EVIL, rng.choice(NAMES, n))
    y = pd.Series(X[NAMES[2]] + rng.normal(0, 0.1, n), name=EVIL)
    model = as_predictor(lambda X: X[NAMES[2]].to_numpy(), task="regression")
    scenarios = [{EVIL: {EVIL: 0.3}}, {NAMES[2]: 99}, {NAMES[4]: 0.2}, {NAMES[4]: 0.2}]
    return WhatIfReport(model, X, y, what_if=scenarios, by=EVIL, title="</title>" + EVIL)


@pytest.fixture(scope="module")
def wide() -> WhatIfReport:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 300)), columns=[f"column {j}" for j in range(300)])
    model = as_predictor(lambda X: X["column 0"].to_numpy() + X["column 299"].to_numpy(), task="regression")
    return WhatIfReport(model, X, X["column 0"], what_if=[{"column 1": 0.2}], rows=[1])


def _pictures(text: str) -> list[str]:
    pictures = re.findall(r"<svg role.*?</svg>", text, re.DOTALL)
    assert len(pictures) > 4
    return pictures


def _pages(request: pytest.FixtureRequest) -> list[str]:
    return [request.getfixturevalue(name).html() for name in ("binary", "regression", "multiclass", "evil")]


def test_page_closes_every_element(request: pytest.FixtureRequest) -> None:
    for text in _pages(request):
        page = Page(text)
        assert page.problems == []
        assert page.open == []


def test_page_shows_names_as_text(evil: WhatIfReport) -> None:
    page = Page(evil.html())
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "summary"}, {}]
    assert evil.html().lower().count("<script") == 2
    assert {tag for tag, _ in page.elements if tag == "img"} == set()
    assert "{{ 7 * 7 }}" in evil.html()
    seen = "".join(page.texts)
    for name in NAMES:
        assert name in seen
    assert "".join(page.texts).count(EVIL) > 5


def test_page_pictures_keep_names(evil: WhatIfReport) -> None:
    for svg in _pictures(evil.html()):
        labels = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]
        assert labels
        assert not any("var(--" in text or "figure-" in text for text in labels)


def test_page_embedded_json_equals_summary(evil: WhatIfReport, binary: WhatIfReport) -> None:
    for report in (evil, binary):
        page = Page(report.html())
        embedded = next(text for text in page.scripts if text.startswith("{"))
        assert "<" not in embedded
        assert json.loads(embedded) == json.loads(report.json())


def test_page_loads_nothing_from_elsewhere(request: pytest.FixtureRequest) -> None:
    for text in _pages(request):
        page = Page(text)
        links = page.values("src", "href", "xlink:href", "action", "data", "srcset", "poster")
        assert links
        assert all(link.startswith(("#", "data:")) for link in links)
        inside = " ".join(page.values("style", "fill", "clip-path", "filter", "mask")) + " ".join(
            page.scripts[:1]
        )
        assert all(link.startswith("#") for link in re.findall(r"url\(([^)]*)\)", inside))
        assert "@import" not in inside
        assert not any(
            "http" in value
            for _, attrs in page.elements
            for name, value in attrs.items()
            if value and not name.startswith("xmlns")
        )


def test_page_ids_are_unique_and_references_resolve(request: pytest.FixtureRequest) -> None:
    for text in _pages(request):
        page = Page(text)
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        referred = [link[1:] for link in page.values("href", "xlink:href") if link.startswith("#")]
        referred += re.findall(r"url\(#([^)]*)\)", " ".join(page.values("style", "clip-path")))
        referred += page.values("for")
        assert referred
        assert set(referred) <= set(ids)


def test_page_ids_are_unique_for_equal_scenarios(evil: WhatIfReport) -> None:
    one, other = evil.summary["scenarios"][2:]
    assert one["sentence"] == other["sentence"]
    assert one["outcomes"]
    ids = Page(evil.html()).values("id")
    assert len(ids) == len(set(ids))


def test_page_pictures_have_titles(request: pytest.FixtureRequest) -> None:
    for text in _pages(request):
        drawn = re.findall(r'<svg role="img"[^>]*>(.{7})', text)
        assert len(drawn) > 3
        assert set(drawn) == {"<title>"}
        assert re.search(r'<svg id="whatif-picture"[^>]*aria-label="[^"]+"', text)


def test_page_pictures_take_colors_from_css(binary: WhatIfReport) -> None:
    for svg in _pictures(binary.html()):
        assert "var(--ink)" in svg
        assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", re.sub(r"#000000|#ffffff", "", svg))


def test_page_sentences_and_tables_match_summary(binary: WhatIfReport) -> None:
    seen = " ".join("".join(Page(binary.html()).texts).split())
    for sentence in [*binary.summary["findings"], *binary.summary["caveats"]]:
        assert " ".join(sentence.split()) in seen
    for scenario in binary.summary["scenarios"]:
        assert " ".join(scenario["sentence"].split()) in seen
        for row in scenario["outcomes"]:
            cells = [row["text"][name] for name in ("name", "base", "value", "interval", "change")]
            assert "".join("".join(cells).split()) in "".join(seen.split())
    for feature in binary.summary["features"]:
        assert " ".join(feature["sentence"].split()) in seen
    assert "Incomes & <others>" in seen


def test_page_ranking_table_has_every_row(binary: WhatIfReport) -> None:
    table = binary.html().split("The ranking as a table")[1].split("</table>")[0]
    assert table.count("<tr>") == 1 + len(binary.summary["ranking"])


def test_page_without_options_has_no_such_parts(multiclass: WhatIfReport) -> None:
    text = multiclass.html()
    assert 'class="scenario' not in text
    assert 'id="groups"' not in text
    assert "Scenarios (CSV)" not in text
    assert "Groups (CSV)" not in text


def test_page_of_wide_table_stays_below_2_mb(wide: WhatIfReport) -> None:
    text = wide.html()
    assert len(text.encode()) < 2_000_000
    assert len(wide.summary["features"]) == 24
    assert len(wide.summary["ranking"]) == 600
    assert "The first 200 of 600 rows" in text
    assert "24 of 300 features have a figure of their own" in text


def test_page_of_wide_table_cuts_single_rows(wide: WhatIfReport) -> None:
    (row,) = wide.summary["rows"]
    assert len(row["explanations"][0]["values"]) == len(row["values"]) == 300
    section = wide.html().split('id="rows"')[1].split("</section>")[0]
    assert "The 20 largest of 300; all are in the CSV." in section
    assert "The first 40 of 300 columns are shown; all are in the JSON." in section


def test_page_is_reproducible_but_for_times(people: pd.DataFrame) -> None:
    def page() -> str:
        model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
        report = WhatIfReport(model, people[["age", "sex"]])
        text = report.html()
        for seconds in report.summary["timings"].values():
            text = text.replace(repr(seconds), "T")
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d \w+", "", text)

    assert page() == page()


def test_html_leaves_rcparams_alone(people: pd.DataFrame) -> None:
    with mpl.rc_context({"font.size": 33.0, "savefig.dpi": 20, "axes.grid": True}):
        before = dict(mpl.rcParams)
        model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
        text = WhatIfReport(model, people[["age", "sex"]]).html()
        assert dict(mpl.rcParams) == before
    assert "33px" not in text


def test_html_leaves_backend_alone(people: pd.DataFrame) -> None:
    kept = dict.__getitem__(mpl.rcParams, "backend")
    try:
        mpl.rcParams["backend"] = "svg"
        WhatIfReport(as_predictor(lambda X: X["age"].to_numpy(), task="regression"), people[["age"]]).html()
        assert dict.__getitem__(mpl.rcParams, "backend") == "svg"
    finally:
        dict.__setitem__(mpl.rcParams, "backend", kept)


def test_markdown_escapes_signs(evil: WhatIfReport) -> None:
    piped = WhatIfReport(
        as_predictor(lambda X: X["a|b"].to_numpy(), task="regression", output_names=["x|y"]),
        pd.DataFrame({"a|b": np.linspace(0, 1, 60), "g": np.tile(["p|q", "r\ns", "*t*"], 20)}),
        what_if=[{"a|b": 0.6}],
        by="g",
    ).markdown()
    rows = [line for line in piped.splitlines() if line.startswith("|")]
    assert len(rows) > 6
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in rows}
    assert columns <= {4, 5, 6}
    assert r"p\|q" in piped
    assert "| r s |" in piped
    assert r"\*t\*" in piped
    assert "<script" not in evil.markdown().replace("\\<", "")


def test_markdown_has_sentences_of_summary(binary: WhatIfReport) -> None:
    plain = re.sub(r"\\([^\w\s])", r"\1", binary.markdown())
    for sentence in [*binary.summary["findings"], *binary.summary["caveats"]]:
        assert sentence in plain
    assert "\\_" not in binary.markdown()


def test_repr_html_is_page_in_iframe(regression: WhatIfReport) -> None:
    shown = regression._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    frame = Page(shown)
    assert [tag for tag, _ in frame.elements] == ["iframe"]
    assert frame.elements[0][1]["srcdoc"] == regression.html()
