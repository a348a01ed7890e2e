"""How far explanations of rows may be trusted: the report's numbers are those of the metrics."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression

from agnostix import (
    Explanation,
    KernelShapExplainer,
    LimeExplainer,
    OcclusionExplainer,
    WhatIfReport,
    as_predictor,
)
from agnostix.core.background import choose_rows
from agnostix.metrics import compare_explainers, comprehensiveness
from agnostix.report.trust import N_RANDOM, RowFall, count_hidden, unique_names
from tests.messages import assert_states
from tests.report.conftest import pipeline
from tests.report.test_single_rows import Halves

OWN = ["age", "echo", "noise", "sex", "town"]
ROWS = [7, 3, 20]


@pytest.fixture(scope="module")
def model(people: pd.DataFrame, income: pd.Series) -> object:
    return pipeline(LogisticRegression(), OWN[:3], OWN[3:]).fit(people, income)


@pytest.fixture(scope="module")
def several(model: object, people: pd.DataFrame, income: pd.Series) -> WhatIfReport:
    """Three rows explained in three ways."""
    explainers = [
        OcclusionExplainer(model, background_size=30, random_state=0),
        KernelShapExplainer(model, background_size=30, random_state=0),
        LimeExplainer(model, n_samples=300, random_state=0),
    ]
    return WhatIfReport(model, people, income, rows=ROWS, explainers=explainers, confidence_level=0.9)


@pytest.fixture(scope="module")
def one(model: object, people: pd.DataFrame) -> WhatIfReport:
    """A row explained in one way."""
    return WhatIfReport(model, people, rows=[7])


def measured_directly(report: WhatIfReport, explainer: object, rows: list[int]) -> object:
    """The metric called by hand, with the explainer's background."""
    inputs = report._inputs
    explainer.fit(inputs.X, inputs.y)
    table = inputs.X.iloc[rows]
    explanation = explainer.explain(table, outputs=1)
    options = {"proportions": [1 / 5], "n_random": N_RANDOM, "masker": explainer._masker}
    return comprehensiveness(inputs.model, table, explanation, **options)


def test_row_numbers_equal_metric(several: WhatIfReport) -> None:
    inputs = several._inputs
    explainer = OcclusionExplainer(inputs.model, background_size=30, random_state=0)
    result = measured_directly(several, explainer, ROWS)
    for j, row in enumerate(several.summary["rows"]):
        own = row["explanations"][0]["faithfulness"]
        draws = result.details["random"].array[j]
        assert own["n_hidden"] == 1
        assert own["n_random"] == draws.size == N_RANDOM
        assert own["largest"] == pytest.approx(result.scores[j], rel=1e-5)
        assert own["smallest"] == pytest.approx(result.references["least"][j], rel=1e-5)
        assert own["random"] == pytest.approx(draws.mean(), rel=1e-5)
        low, high = student.interval(0.9, N_RANDOM - 1, draws.mean(), draws.std(ddof=1) / np.sqrt(N_RANDOM))
        assert (own["low"], own["high"]) == (pytest.approx(low, rel=1e-4), pytest.approx(high, rel=1e-4))
        assert (own["verdict"] == "better") == (result.scores[j] > high)


def test_sentences_state_these_numbers(several: WhatIfReport) -> None:
    row = several.summary["rows"][0]
    own = row["explanations"][0]["faithfulness"]
    sentence = row["explanations"][0]["trust"][0]
    (chance,) = row["by_chance"]
    for number, text in ((own["largest"], sentence), (own["smallest"], sentence), (own["random"], chance)):
        stated = [float(found.replace("\u2212", "-")) for found in re.findall(r"[+\u2212]?\d+\.\d+", text)]
        assert min(abs(shown + 100 * number) for shown in stated) < 0.06
    assert_states(chance, "30 background rows", "90\u202f% interval", f"mean of {N_RANDOM} choices")
    assert_states(sentence, "The feature of the largest value changes it by")


def test_numbers_over_rows_and_agreement_equal_comparison(several: WhatIfReport) -> None:
    inputs, summary = several._inputs, several.summary["faithfulness"]
    table = inputs.X.iloc[ROWS]
    explainers = {
        type(one).__name__: type(one)(**one.get_params()).fit(inputs.X, inputs.y)
        for one in inputs.explainer_list()
    }
    background = explainers["OcclusionExplainer"]._masker  # its rows with their weights
    metric = partial(comprehensiveness, proportions=[0.2], n_random=N_RANDOM)
    explanations = {name: one.explain(table, outputs=1) for name, one in explainers.items()}
    options = {"metrics": {"fall": metric}, "masker": background, "level": 0.9, "k": 1}
    expected = compare_explainers(inputs.model, table, explanations, **options)
    for entry in summary["explainers"]:
        result = expected.results["fall"][entry["name"]]
        low, high = result.against("random").interval(0.9)
        assert entry["score"] == pytest.approx(result.score, rel=1e-5)
        assert (entry["low"], entry["high"]) == (pytest.approx(low, rel=1e-4), pytest.approx(high, rel=1e-4))
    for own, other in zip(
        summary["agreement"], expected.to_frame("agreement").to_dict("records"), strict=True
    ):
        assert (own["one"], own["other"], own["measure"]) == (other["one"], other["other"], other["measure"])
        assert own["mean"] == pytest.approx(other["mean"], rel=1e-5, nan_ok=True)
    pairs = expected.to_frame("pairs")
    assert [entry["difference"] for entry in summary["pairs"]] == pytest.approx(pairs["difference"], rel=1e-4)
    told = " ".join(summary["sentences"])
    assert ("cannot be told apart with 3 rows" in told) == bool(pairs["better"].isna().any())


def test_one_row_tells_no_explainers_apart(model: object, people: pd.DataFrame) -> None:
    explainers = [OcclusionExplainer(model), KernelShapExplainer(model, background_size=20)]
    report = WhatIfReport(model, people, rows=[0], explainers=explainers)
    (sentence,) = report.summary["faithfulness"]["sentences"]
    assert sentence == "OcclusionExplainer and KernelShapExplainer cannot be told apart with one row."
    assert_states(
        report.summary["rows"][0]["agreement"][0], "OcclusionExplainer and KernelShapExplainer share"
    )


def test_cost_is_stated_and_bounded(one: WhatIfReport, several: WhatIfReport) -> None:
    for report, n_rows, n_explainers, size in ((one, 1, 1, 50), (several, 3, 3, 30)):
        n = report.summary["faithfulness"]["n_model_rows"]
        most = 1 + (3 + N_RANDOM) * size
        assert 0 < n <= n_rows * n_explainers * most
        assert report.summary["faithfulness"]["background_size"] == size
        written = f"{n:,}".replace(",", "\u202f")
        assert_states(dict(report.summary["metadata"])["Cost"], f"{written} more to measure")
        bound = f"{most:,}".replace(",", "\u202f")
        assert_states(report.summary["faithfulness"]["note"], f"{written} model rows", bound)


def test_model_rows_are_counted_and_shared(people: pd.DataFrame) -> None:
    seen = []

    def model(X: pd.DataFrame) -> np.ndarray:
        seen.append(len(X))
        return X["age"].to_numpy() + X["echo"].to_numpy() * X["noise"].to_numpy()

    predictor = as_predictor(model, task="regression")
    table = people[["age", "echo", "noise"]]
    explainers = [OcclusionExplainer(predictor, background_size=20, random_state=j) for j in range(2)]
    fitted = [each.fit(table) for each in explainers]
    alone = WhatIfReport(predictor, table, rows=[3, 4], explainers=fitted[:1])
    n_alone = alone.summary["faithfulness"]["n_model_rows"]
    seen.clear()
    both = WhatIfReport(predictor, table, rows=[3, 4], explainers=fitted)
    n_both = both.summary["faithfulness"]["n_model_rows"]
    explained = sum(part["n_model_rows"] for part in both.summary["rows"][0]["explanations"])
    assert sum(seen) == both._data.projection.n_model_rows_ + explained + n_both + 2
    assert n_alone <= n_both <= n_alone + 2 * 2 * 20


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_outputs_state_all_sentences(several: WhatIfReport, one: WhatIfReport, kind: str) -> None:
    for report in (several, one):
        text = getattr(report, kind)()
        if kind == "html":
            text = re.sub(r"<[^>]+>", " ", text.split('<section id="rows">')[1].split("</section>")[0])
            text = text.replace("&gt;", ">").replace("&lt;", "<").replace("&#39;", "'")
        else:
            text = re.sub(r"\\([^\w\s])", r"\1", text)
        text = " ".join(text.split())
        summary = json.loads(report.json())
        sentences = [*summary["faithfulness"]["sentences"], summary["faithfulness"]["note"]]
        for row in summary["rows"]:
            sentences += [*row["by_chance"], *row["agreement"]]
            sentences += [sentence for part in row["explanations"] for sentence in part["trust"]]
        for sentence in sentences:
            assert " ".join(sentence.split()) in text
        n_headings = len(summary["rows"]) + (len(summary["rows"]) > 1)
        assert text.count("How far may I trust") == n_headings


def test_what_cannot_be_measured_is_said(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy() + X["noise"].to_numpy(), task="regression")
    table = people[["age", "noise"]]
    report = WhatIfReport(model, table, rows=[5], explainers=[Halves(model), OcclusionExplainer(model)])
    own, other = report.summary["rows"][0]["explanations"]
    assert own["trust"][0].startswith("Not measured: ")
    assert_states(own["faithfulness"]["problem"], "left, right", "age, noise")
    assert other["faithfulness"]["problem"] is None
    assert report.summary["faithfulness"]["explainers"][0]["problem"] == own["faithfulness"]["problem"]
    assert report.summary["rows"][0]["agreement"] == []
    single = WhatIfReport(model, table, rows=[5], explainers=[Halves(model)])
    assert single.summary["faithfulness"]["note"] == ""
    assert_states(single.markdown(), "Not measured: ")
    assert "to measure" not in dict(single.summary["metadata"])["Cost"]


def test_one_feature_ranks_nothing(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    (part,) = WhatIfReport(model, people[["age"]], rows=[5]).summary["rows"][0]["explanations"]
    assert part["trust"][0] == "Not measured: There is one feature, so that its value ranks nothing."


def test_groups_of_columns_are_hidden_together(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy() - X["echo"].to_numpy(), task="regression")
    groups = {"both": ["age", "echo"]}
    explainers = [OcclusionExplainer(model, feature_groups=groups), OcclusionExplainer(model)]
    report = WhatIfReport(model, people, rows=[5, 6], explainers=explainers)
    grouped, single = report.summary["rows"][0]["explanations"]
    assert (grouped["name"], single["name"]) == ("OcclusionExplainer 1", "OcclusionExplainer 2")
    assert grouped["faithfulness"]["problem"] is None
    assert single["faithfulness"]["problem"] is None
    assert_states(report.summary["faithfulness"]["sentences"][-1], "not compared", "groups")


@pytest.mark.parametrize(
    ("largest", "low", "high", "verdict"),
    [
        (2.0, 0.0, 1.0, "better"),
        (0.5, 0.0, 1.0, "alike"),
        (-1.0, 0.0, 1.0, "worse"),
        (1.0, 1.0, 1.0, "alike"),
    ],
)
def test_verdict_is_by_interval(largest: float, low: float, high: float, verdict: str) -> None:
    assert RowFall(largest, 0.0, (low + high) / 2, low, high, 10).verdict == verdict


def test_hidden_are_a_third_at_most_three() -> None:
    assert [count_hidden(n) for n in (1, 2, 3, 5, 6, 8, 9, 500)] == [1, 1, 1, 1, 2, 2, 3, 3]
    assert unique_names(["a", "b", "a"]) == ("a 1", "b", "a 2")


def test_values_of_chance_are_not_called_better(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: 100.0 + 0.0 * X["age"].to_numpy(), task="regression")
    report = WhatIfReport(model, people[["age", "echo", "noise"]], rows=[0])
    (part,) = report.summary["rows"][0]["explanations"]
    assert part["trust"][0].startswith("Not measured: ")
    assert_states(part["trust"][0], "same value for every")


class Parts(Halves):
    """The same for columns of the table, so that it can be measured."""

    def explain(self, X: pd.DataFrame, *, outputs: object = None) -> Explanation:
        explanation = super().explain(X, outputs=outputs)
        values = explanation.values * np.array([1.5, 0.5])[:, None]
        return replace(explanation, values=values, feature_names=tuple(X.columns))


def test_background_is_chosen_where_no_explainer_has_one(people: pd.DataFrame) -> None:
    model = as_predictor(lambda X: X["age"].to_numpy(), task="regression")
    table = people[["age", "noise"]]
    report = WhatIfReport(model, table, rows=[5], explainers=[Parts(model)])
    assert_states(report.summary["faithfulness"]["note"], "background rows are chosen to be as the data are")
    own = report.summary["rows"][0]["explanations"][0]["faithfulness"]
    chosen = choose_rows(table, 50, 0, None)
    mean = chosen.weights @ table["age"].to_numpy()[chosen.rows]
    assert own["largest"] == pytest.approx(people["age"][5] - mean, rel=1e-5)
    background = OcclusionExplainer(model, background_size=200), OcclusionExplainer(model, background_size=9)
    note = WhatIfReport(model, table, rows=[5], explainers=background).summary["faithfulness"]["note"]
    assert_states(note, "background rows are those of OcclusionExplainer 2")


def test_model_that_fails_on_mixed_rows_leaves_the_report(people: pd.DataFrame) -> None:
    known = set(people["age"].round(9) + people["noise"].round(9))

    def model(X: pd.DataFrame) -> np.ndarray:
        if not known.issuperset(X["age"].round(9) + X["noise"].round(9)):
            raise ArithmeticError("no such person")
        return X["age"].to_numpy()

    predictor = as_predictor(model, task="regression")
    report = WhatIfReport(predictor, people[["age", "noise"]], rows=[5], explainers=[Parts(predictor)])
    (part,) = report.summary["rows"][0]["explanations"]
    assert_states(part["trust"][0], "Not measured", "no such person")


def test_columns_may_be_named_by_numbers(people: pd.DataFrame) -> None:
    table = people[["age", "echo", "noise"]].set_axis([0, 1, 2], axis=1)
    model = LogisticRegression().fit(table, people["sex"])
    (part,) = WhatIfReport(model, table, rows=[5]).summary["rows"][0]["explanations"]
    assert part["faithfulness"]["problem"] is None
