"""Reports: what they say as data, as Markdown and as a page."""

from __future__ import annotations

import json
import re
from typing import Any

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer, WhatIfReport
from tests.recorder import inputs
from tests.recorder.registry import Cases

CASES = Cases("report")


def read_report(report: Any) -> dict[str, Any]:
    """The summary, the Markdown and the page, without times and the date."""
    summary = json.loads(report.json())
    summary.pop("timings")
    summary["metadata"] = [line for line in summary["metadata"] if line[0] != "Made"]
    markdown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d [A-Z+\-0-9]+", "DATE", report.markdown())
    markdown = re.sub(r"\d+(\.\d+)? (milli)?seconds?", "SECONDS", markdown)
    page = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d [A-Z+\-0-9]+", "DATE", report.html())
    page = re.sub(r"[\d.,]+ (milli)?seconds?", "SECONDS", page)
    # The page holds the summary too, on a line of its own.
    lines = [line for line in page.splitlines() if '"timings": {' not in line]
    return {"summary": summary, "markdown": markdown.splitlines(), "page": lines}


def _report(model: Any, y: Any, **params: Any) -> Any:
    return read_report(WhatIfReport(model, inputs.people(), y, **params))


def _add() -> None:
    scenarios = [{"age": 50.0, "town": {"north": 0.5}}, {"age": (52, 60)}, {"age": 200}]
    CASES.add(
        "approval",
        lambda: _report(inputs.approval(), inputs.approved(), what_if=scenarios, title="Approvals"),
    )
    CASES.add("approval by groups", lambda: _report(inputs.approval(), inputs.approved(), by="member"))
    CASES.add("approval without y", lambda: _report(inputs.approval(), None, output="no"))
    CASES.add("spender", lambda: _report(inputs.spender(), inputs.spending(), what_if=[{"income": 30_000}]))
    CASES.add(
        "spender, weights",
        lambda: _report(inputs.spender(), inputs.spending(), sample_weight=inputs.weights()),
    )
    CASES.add("classes", lambda: _report(inputs.classes(), inputs.segments_of_people(), confidence_level=0.9))
    CASES.add("approval rows", lambda: _report(inputs.approval(), inputs.approved(), rows=[0, 7]))
    CASES.add(
        "approval new rows",
        lambda: _report(inputs.approval(), inputs.approved(), rows=inputs.people()[:2].assign(age=[25, 71])),
    )
    CASES.add("labels of rows", _labelled)
    for name, explainer in {
        "occlusion": lambda: OcclusionExplainer(inputs.approval(), random_state=0, background_size=30),
        "shapley": lambda: KernelShapExplainer(inputs.approval(), random_state=0, background_size=20),
        "shapley sampled": lambda: KernelShapExplainer(
            inputs.approval(), random_state=0, budget=40, background_size=20
        ),
        "lime": lambda: LimeExplainer(inputs.approval(), random_state=0, n_samples=1024, max_features=4),
        "mimic": lambda: MimicTree(inputs.approval(), random_state=0, max_leaf_nodes=6, max_queries=600),
    }.items():
        CASES.add(
            f"approval explained by {name}",
            lambda e=explainer: _report(inputs.approval(), inputs.approved(), rows=[3, 11], explainers=[e()]),
        )
    CASES.add(
        "approval, rules",
        lambda: _report(inputs.approval(), inputs.approved(), mimic=_tree(inputs.approval())),
    )
    CASES.add(
        "spender, rules and rows",
        lambda: _report(inputs.spender(), inputs.spending(), mimic=_tree(inputs.spender()), rows=[5]),
    )
    CASES.add(
        "classes, everything",
        lambda: _report(
            inputs.classes(),
            inputs.segments_of_people(),
            what_if=[{"age": 55}],
            by="grade",
            rows=[1],
            mimic=_tree(inputs.classes()),
        ),
    )


def _labelled() -> Any:
    return read_report(
        WhatIfReport(
            inputs.forest(), inputs.frame(), inputs.smooth(inputs.numbers()), rows=["row 5", "row 99"]
        )
    )


def _tree(model: Any) -> Any:
    return MimicTree(model, random_state=0, max_leaf_nodes=6, max_queries=600)


_add()
