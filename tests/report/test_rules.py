"""The model written as rules, on the page."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agnostix import MimicTree, WhatIfReport, as_predictor
from agnostix.exceptions import DataError
from agnostix.report.rules import summarise_rules
from tests.messages import refuses

RNG = np.random.default_rng(3)
X = pd.DataFrame({"age <b>": RNG.normal(40, 10, 300), "town": RNG.choice(["n", "s"], 300)})


def follows(X: Any) -> Any:
    share = np.where(X["age <b>"] > 40, 0.9, 0.2) - 0.1 * (X["town"] == "s")
    return np.column_stack([1 - share, share])


def wild(X: Any) -> Any:
    """No tree of few leaves can follow it."""
    share = 0.5 + 0.45 * np.sin(50 * X["age <b>"].to_numpy())
    return np.column_stack([1 - share, share])


def report_of(function: Any, **params: Any) -> WhatIfReport:
    model = as_predictor(function, task="classification", output_names=["no", "yes"])
    return WhatIfReport(model, X, mimic=MimicTree(model, random_state=0, **params))


@pytest.fixture(scope="module")
def close() -> WhatIfReport:
    return report_of(follows, max_leaf_nodes=4)


@pytest.fixture(scope="module")
def poor() -> WhatIfReport:
    return report_of(wild, max_leaf_nodes=3)


def test_rules_fidelity_leaves_and_cost(close: WhatIfReport) -> None:
    rules, mimic = close.summary["rules"], close._material.mimic
    assert mimic is not None
    found = mimic.fidelity_
    assert found.label is not None
    told = f"{100 * found.label:.1f}"
    assert rules["sentence"].startswith(
        f"A tree of {len(mimic.leaves_)} rules says what the model says for {told}"
    )
    assert rules["sentence"].endswith("It follows the model closely.")
    assert rules["warnings"] == []
    assert [leaf["rule"] for leaf in rules["leaves"]] == mimic.leaves_["rule"].tolist()
    assert rules["text"] == mimic.to_text()
    cost = dict(close.summary["identity"])["Cost"]
    assert cost.endswith("for a tree that copies it")
    assert "rules" in close.timings


def test_rules_warn_of_low_fidelity(poor: WhatIfReport) -> None:
    rules = poor.summary["rules"]
    assert rules["sentence"].endswith("It follows the model poorly.")
    assert rules["warnings"][0].startswith(
        "Do not take these rules for the model: they miss more than half of how its answers vary."
    )
    assert any("Saying the commonest label for every row" in warning for warning in rules["warnings"])
    assert any("of the rules, for" in warning for warning in rules["warnings"])


def test_page_rules_escape_names_and_draw_tree(close: WhatIfReport) -> None:
    page = close.html()
    section = page[page.index('<section id="rules">') : page.index('<section id="trust">')]
    assert "Can the model be written as rules?" in section
    assert "age &lt;b&gt;" in section
    assert "<b>" not in section
    assert '<svg role="img"' in section
    assert 'data-table="rules"' in page
    assert json.loads(close.json())["rules"]["leaves"]


def test_markdown_rules_have_tree_as_text(close: WhatIfReport) -> None:
    written = close.markdown()
    assert "## Can the model be written as rules?" in written
    assert close.summary["rules"]["text"] in written


def test_report_without_mimic_has_no_rules() -> None:
    assert summarise_rules(None) == {}
    model = as_predictor(follows, task="classification", output_names=["no", "yes"])
    report = WhatIfReport(model, X)
    assert report.summary["rules"] == {}
    assert '<section id="rules">' not in report.html()


def test_rules_regression_sentence() -> None:
    model = as_predictor(lambda X: X["age <b>"].to_numpy() ** 2, task="regression")
    report = WhatIfReport(model, X, mimic=MimicTree(model, max_leaf_nodes=4, random_state=0).fit(X))
    assert report.summary["rules"]["sentence"].startswith(
        "A tree of 4 rules, asked about rows that it was not grown on, accounts for "
    )
    assert "off by (rmse)" in report.html()


def test_mimic_refuses_other_object() -> None:
    with refuses(TypeError, "'mimic'", "WhatIfReport", "MimicTree", "None", "got 3"):
        _ = WhatIfReport(lambda X: np.zeros(len(X)), X, mimic=3).summary


def test_mimic_as_explainer_gives_rule_of_row() -> None:
    model = as_predictor(follows, task="classification", output_names=["no", "yes"])
    mimic = MimicTree(model, max_leaf_nodes=4, random_state=0)
    (row,) = WhatIfReport(model, X, rows=[3], explainers=[mimic]).summary["rows"]
    (part,) = row["explanations"]
    assert part["title"] == "What does a tree that copies the model say?"
    assert part["fidelity"]["sentence"].startswith(
        "A tree of rules, fitted to the model's answers to all rows, "
    )
    assert any(remark.startswith("Its rule: ") for remark in part["remarks"])
    told = " ".join([part["note"], *part["sentences"], part["fidelity"]["sentence"]])
    assert "near" not in told
    assert "its mean answer to all rows" in told


def test_mimic_sample_weight_is_noted_or_refused() -> None:
    model = as_predictor(follows, task="classification", output_names=["no", "yes"])
    mimic, weights = MimicTree(model, max_leaf_nodes=4, random_state=0), np.full(300, 2.0)
    report = WhatIfReport(model, X, sample_weight=weights, mimic=mimic)
    assert report.summary["rules"]["note"].endswith("Here all rows count alike, whatever their weights.")
    with refuses(DataError, "MimicTree", "sample_weight", "Leave the weights out", "fitted"):
        _ = WhatIfReport(model, X, sample_weight=weights, rows=[3], explainers=[mimic]).summary
