"""Names, levels and labels that would break out of a format: each format shows them as text."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agnostix import KernelShapExplainer, MimicTree, OcclusionExplainer, WhatIfReport, as_predictor
from agnostix.core.files import printable
from agnostix.report import page as page_module
from tests.report.test_page import Page

BREAKS = [
    "a\n```\n<img src=x onerror=alert(1)>\n```\n",
    "````\r\n~~~\r\n<script>1</script>",
    "\n\n# heading\n\n- item\n\n1. item",
    "| a | b |\n|---|---|\n| <b> | c |",
    "[x](javascript:1) ![y](//z) <http://a.b> &lt; $x$ `code` **bold** _em_",
    "    <i>far in",
    "\x1b]0;title\x07\x1b[31m\x9b2J\u202e\x00",
    "</code></pre><!-- ",
    "=1+1",
    "1. first",
    "- ",
    "===",
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["年齢", "\U0001f642", "उम्र", "سن", "גיל", "\x1b[1m"])
def test_page_is_drawn_in_any_script(name: str) -> None:
    X = pd.DataFrame({name: np.linspace(-1, 1, 60), "b": np.tile([name, "q", "r"], 20)})
    model = as_predictor(lambda X: X[name].to_numpy(), task="regression", output_names=[name])
    page = WhatIfReport(model, X, what_if=[{name: 0.1}], rows=[0]).html()
    pictures = "".join(re.findall(r"<svg role.*?</svg>", page, re.DOTALL))
    assert printable(name) in pictures
    assert "\x1b" not in pictures


@pytest.fixture(scope="module")
def breaking() -> WhatIfReport:
    """A report with these texts as columns, levels, labels of rows, groups, outcomes, output and title."""
    rng = np.random.default_rng(0)
    n = 120
    X = pd.DataFrame({name: rng.normal(size=n) for name in BREAKS})
    X["label"] = np.array(BREAKS)[rng.integers(0, len(BREAKS), n)]
    X.index = pd.Index([f"{BREAKS[j % len(BREAKS)]}{j}" for j in range(n)])
    y = np.where(X[BREAKS[0]] > 0, BREAKS[0], BREAKS[6])

    def model(X: pd.DataFrame) -> np.ndarray:
        p = 1 / (1 + np.exp(-3 * X[BREAKS[0]].to_numpy() - 2 * (X["label"] == BREAKS[1]).to_numpy()))
        return np.column_stack([1 - p, p])

    predictor = as_predictor(model, task="classification", output_names=[BREAKS[6], BREAKS[0]])
    return WhatIfReport(
        predictor,
        X,
        y,
        what_if=[{"label": {BREAKS[0]: 0.4}}, {BREAKS[0]: 99}],
        by="label",
        title=BREAKS[0],
        rows=[3, 4],
        explainers=[
            OcclusionExplainer(predictor, random_state=0),
            KernelShapExplainer(predictor, background_size=5, random_state=0),
        ],
        mimic=MimicTree(predictor, max_leaf_nodes=8, random_state=0),
    )


def outside_of_code(text: str) -> tuple[list[str], list[str]]:
    """Lines of Markdown outside and inside of fenced code, as CommonMark tells them apart."""
    outside, inside, fence = [], [], ""
    for line in text.split("\n"):
        if not fence and (match := re.match(r" {0,3}(`{3,}|~{3,})", line)):
            fence = match[1]
        elif fence and re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}\s*", line):
            fence = ""
        else:
            (inside if fence else outside).append(line)
    assert not fence
    return outside, inside


def test_markdown_is_not_broken_out_of(breaking: WhatIfReport) -> None:
    outside, inside = outside_of_code(breaking.markdown())
    assert "\n".join(inside) == breaking.summary["rules"]["text"]
    plain = [re.sub(r"\\[^\w\s]", "x", line) for line in outside]
    for line in plain:
        assert not re.search(r"[<>`\[\]$]|&\w+;|^ {4}|^\t", line), line
        assert line == "" or not re.match(r"\s*((?!\|)[-=\s]+$|\+ |\d+[.)]$)", line), line
    assert {line.count("|") for line in plain if line.startswith("|")} <= {4, 5, 6, 8}
    assert sum(line.startswith("#") for line in plain) == 22


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("- a", r"\- a"),
        ("+ a", r"\+ a"),
        ("12. a", r"12\. a"),
        ("1)", r"1\)"),
        ("===", r"\==="),
        ("---", r"\---"),
        ("    a", "a"),
        ("-5", "-5"),
        ("1.5", "1.5"),
        ("+0.5 points", "+0.5 points"),
        ("a\n\n# b", r"a \# b"),
        ("$x$ \\ &amp;", r"\$x\$ \\ \&amp;"),
    ],
)
def test_escape_markdown_at_the_start_of_a_line(text: str, escaped: str) -> None:
    assert page_module._escape_markdown(text) == escaped


@pytest.mark.parametrize("form", ["markdown", "rules", "to_text"])
def test_texts_have_no_controls(breaking: WhatIfReport, form: str) -> None:
    text = {
        "markdown": breaking.markdown,
        "rules": lambda: breaking.summary["rules"]["text"],
        "to_text": lambda: breaking._data.surrogate_tree.to_text(),
    }[form]()
    assert printable(text, keep="\n") == text
    assert r"\x1b" in text or form != "markdown"


def test_rules_have_one_line_a_side(breaking: WhatIfReport) -> None:
    text = breaking.summary["rules"]["text"]
    assert all(re.match("[│ ]*[├└]─ ", line) for line in text.split("\n"))


def test_page_of_breaking_names(breaking: WhatIfReport) -> None:
    page = Page(breaking.html())
    assert page.problems == []
    assert page.open == []
    assert {tag for tag, _ in page.elements} & {"img", "b", "i"} == set()
    assert [attrs for tag, attrs in page.elements if tag == "script"] == [
        {"type": "application/json", "id": "summary"},
        {},
    ]


def test_json_of_breaking_names(breaking: WhatIfReport) -> None:
    assert json.loads(breaking.json())["title"] == BREAKS[0]


NODE = """
const summary = require("fs").readFileSync(0, "utf-8"), buttons = [], made = [], nodes = {};
const nothing = () => {};
const element = (id) => nodes[id] ??= {
  textContent: summary, value: "0", setAttribute: nothing, append: nothing, replaceChildren: nothing,
  addEventListener: nothing, add: nothing, click: nothing,
};
const tables = JSON.parse(process.argv[1]);
global.document = {
  getElementById: element, createElementNS: element, createElement: element,
  querySelectorAll: () => tables.map(
    (table) => ({ dataset: { table }, addEventListener: (_, run) => buttons.push([table, run]) })),
};
global.Option = class {};
global.Blob = class { constructor(parts) { made.push(parts[0]); } };
URL.createObjectURL = URL.revokeObjectURL = nothing;
SCRIPT
const out = {};
for (const [table, run] of buttons) { run(); out[table] = made.pop(); }
console.log(JSON.stringify(out));
"""
TABLES = ["ranking", "curves", "scenarios", "shifts", "baseline", "groups", "rows", "neighbors"]


def downloads(report: WhatIfReport) -> dict[str, str]:
    """The CSV files that the page's buttons give, run by node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node runs the page's script")
    script = (Path(page_module.__file__).parent / "templates" / "report.js").read_text("utf-8")
    tables = [*TABLES, *(name for name in ("quality", "rules") if report.summary[name])]
    tables += ["maps"] if report.summary["pictures"] else []
    run = [node, "-e", NODE.replace("SCRIPT", script), json.dumps(tables)]
    done = subprocess.run(run, input=report.json(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_downloads_disarm_formulas_and_keep_columns(breaking: WhatIfReport) -> None:
    for name, text in downloads(breaking).items():
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert {len(row) for row in rows} == {len(rows[0])}, name
        for cell in itertools.chain.from_iterable(rows):
            is_number = re.fullmatch(r"-?[\d.]+(e[-+]\d+)?", cell)
            assert is_number or not re.match(r"[\s\x00-\x1f]*[=+@-]", unicodedata.normalize("NFKC", cell)), (
                cell
            )


FORMULAS = [
    "=1+1",
    "\n=1",
    "\r\n =1",
    "\t@f",
    " +1",
    "\ufeff=1",
    "\u200b-1",
    "\uff1d1",
    "\n\uff0b1",
    "\uff0d1",
    "\uff20f",
]


def test_downloads_disarm_every_kind_of_formula() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"=name": rng.normal(size=66), "label": FORMULAS * 6})
    report = WhatIfReport(as_predictor(lambda X: X["=name"].to_numpy(), task="regression"), X, rows=[0])
    tables = {
        name: list(csv.reader(io.StringIO(text, newline=""))) for name, text in downloads(report).items()
    }
    levels = {row[tables["ranking"][0].index("level")] for row in tables["ranking"][1:]} - {""}
    assert levels == {f"'{one}" for one in FORMULAS}
    assert "'=name" in tables["neighbors"][0]


def test_downloads_of_neighbors_keep_own_and_users_columns() -> None:
    rng = np.random.default_rng(0)
    names = [
        "row",
        "rank",
        "position",
        "label",
        "distance",
        "prediction",
        "observed",
        "rank_2",
        "7",
        "__proto__",
    ]
    X = pd.DataFrame(rng.normal(size=(60, len(names))).round(3), columns=names)
    model = as_predictor(lambda X: 2.0 * X["rank"].to_numpy(), task="regression")
    report = WhatIfReport(model, X, X["7"], rows=[5])
    table = pd.read_csv(io.StringIO(downloads(report)["neighbors"]))
    (row,) = report.summary["rows"]
    shown = [row, *row["neighbors"]["rows"]]
    assert list(table)[:7] == names[:7]
    assert sorted(table.columns[7:]) == sorted(
        [f"{name}_2" for name in names[:7] if name != "rank"] + ["rank_3"] + names[7:]
    )
    assert table["rank"].tolist() == list(range(6))
    np.testing.assert_allclose(table["prediction"], [one["prediction"] for one in shown])
    np.testing.assert_allclose(table["distance"], [0, *(one["distance"] for one in shown[1:])])
    for name, own in {"rank": "rank_3", "rank_2": "rank_2", "prediction": "prediction_2", "7": "7"}.items():
        np.testing.assert_allclose(table[own], [one["values"][name] for one in shown])
