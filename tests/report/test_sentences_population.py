"""Sentences are written from the numbers, and only where there is something to say."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from agnostix import MimicTree, OcclusionExplainer, WhatIfReport, as_predictor
from agnostix.exceptions import DataError
from agnostix.report.formatting import Scale
from agnostix.report.sentences_population import curve_sentence, levels_sentence
from agnostix.what_if import Trend, Trends
from tests.messages import refuses

SCALE = Scale(False, 1)


def _report(people: pd.DataFrame, function: object, y: object = None, **more: object) -> WhatIfReport:
    return WhatIfReport(as_predictor(function, task="regression"), people, y, **more)


@pytest.fixture(scope="module")
def without_y(people: pd.DataFrame) -> WhatIfReport:
    return _report(people[["age", "sex"]], lambda X: X["age"].to_numpy(), confidence_level=0.9)


def _numbers(text: str) -> list[float]:
    text = text.replace("−", "-").replace("\u202f", "")
    return [float(text) for text in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_findings_first_sentence_holds_numbers_of_ranking(binary: WhatIfReport) -> None:
    first = binary.summary["findings"][0]
    row = max(binary.summary["ranking"], key=lambda row: abs(row["change"]))
    assert row["feature"] == "age"
    stated = _numbers(first.split("Effective")[0].split("50K) is")[1])
    expected = [100 * row[name] for name in ("value", "low", "high", "base")]
    assert stated[:4] == pytest.approx(expected, abs=0.5)
    shift = _numbers(first.split(", the mean")[0])
    assert shift == pytest.approx([row["target"], row["start"]], rel=5e-3)
    assert f"Effective sample size {100 * row['ess'] / 400:.0f}\u202f%: close to the data." in first


def test_findings_leave_out_correlated_copy(binary: WhatIfReport) -> None:
    changes = {
        row["feature"]: row["change_low"] for row in binary.summary["ranking"] if row["direction"] == "up"
    }
    assert changes["echo"] > 0
    assert not any("echo" in sentence for sentence in binary.summary["findings"][:3])


def test_caveats_name_correlated_feature(binary: WhatIfReport) -> None:
    (correlated,) = [text for text in binary.summary["caveats"] if text.startswith("Correlated")]
    curve = next(curve for curve in binary.summary["curves"] if curve["feature"] == "age")
    assert "the shift of age also shifts echo, by +" in correlated
    assert curve["correlated_shifts"][0][0][0] == "echo"


def test_findings_give_levels_as_shares(binary: WhatIfReport) -> None:
    (about_sex,) = [text for text in binary.summary["findings"] if "sex = " in text]
    assert re.search(r"sex = (Male|Female) in \d+\u202f% of the rows instead of \d+\u202f%", about_sex)


def test_findings_bound_effect_of_idle_feature() -> None:
    X = pd.DataFrame({"x": np.repeat(np.linspace(-1.0, 1.0, 2000), 2), "idle": np.tile([1.0, -1.0], 2000)})
    report = _report(X, lambda X: 1e3 * X["x"].to_numpy())
    ranking = pd.DataFrame(report.summary["ranking"])
    idle = ranking[ranking["feature"] == "idle"]
    reach = max(idle["change_low"].abs().max(), idle["change_high"].abs().max())
    (sentence,) = [text for text in report.summary["findings"] if text.startswith("Hardly any change: idle;")]
    assert _numbers(sentence)[-1] == pytest.approx(reach, abs=0.5)


def test_findings_without_effects(people: pd.DataFrame) -> None:
    even = pd.DataFrame({"x": np.repeat(np.linspace(-1, 1, len(people) // 2), 2)})
    report = _report(even, lambda X: np.where(X.index % 2 == 0, 1.0, -1.0))
    assert len(report.summary["findings"]) <= 2
    assert report.summary["findings"][0].startswith(
        "No feature changes the mean prediction by more than chance"
    )


def test_findings_constant_model(people: pd.DataFrame) -> None:
    y = np.full(len(people), 3.5)
    report = _report(people[["age", "sex"]], lambda X: np.full(len(X), 3.5), y)
    assert report.summary["findings"][0].startswith("No feature changes the mean")
    assert "NaN" not in report.html()


def test_findings_name_level_where_error_grows(people: pd.DataFrame) -> None:
    y = np.where(people["sex"] == "Female", 10.0, 0.1) * np.tile([1.0, -1.0], 200)
    report = _report(people[["sex", "noise"]], lambda X: np.zeros(len(X)), y)
    (sentence,) = [text for text in report.summary["findings"] if "mean absolute error" in text]
    rank = pd.DataFrame(report.summary["quality"]["ranking"])
    worst = rank.loc[rank["change"].idxmax()]
    value, _, _, base = _numbers(sentence.split("error is")[1])[:4]
    assert (value, base) == pytest.approx((worst["value"], worst["base"]), abs=0.05)
    assert "sex = " in sentence


def test_report_without_y_has_no_quality_part(without_y: WhatIfReport) -> None:
    assert without_y.summary["quality"] == {}
    assert without_y.summary["findings"]
    assert not any("error" in text for text in without_y.summary["findings"])
    assert 'id="quality"' not in without_y.html()
    assert "Is the model still accurate" not in without_y.markdown()


@pytest.mark.parametrize(
    ("make", "trend", "expected"),
    [
        (lambda x: 2 * x, Trend(1, 0, 40), "rises from 20.0 to 100.0."),
        (lambda x: -2 * x, Trend(-1, 0, 40), "falls from −20.0 to −100.0."),
        (lambda x: 5 + 0 * x, Trend(0, 0, 40), "stays near 5.0."),
        (lambda x: 2 * x, Trend(0, 0, 40), "stays between 20.0 and 100.0, no more than chance could"),
        (
            lambda x: -((x - 30) ** 2),
            Trend(1, 0, 40, 20),
            "rises from −400.0 to 0.0 at 30.0 and falls to −400.0.",
        ),
        (lambda x: (x - 22) ** 2, Trend(-1, 0, 40, 10), "falls from 144.0 to 0.0 at 22.0 and rises to 784"),
        (lambda x: x, Trend(-1, 0, 40, 10), "falls from 10.0 to 20.0 at 20.0 and rises to 50.0."),
    ],
)
def test_curve_sentence_describes_trend(make: object, trend: Trend, expected: str) -> None:
    x = np.linspace(10, 50, 41)
    y = make(x)  # type: ignore[operator]
    sentence = curve_sentence("age", _curve(x, y), trend, "outcome", SCALE, 0.95)
    assert sentence.startswith("As the average shifts from 10.0 to 50.0, the outcome " + expected)
    assert "average, 30.0" in sentence


def test_curve_sentence_tells_where_a_trend_is_certain() -> None:
    x = np.linspace(10, 50, 41)
    sentence = curve_sentence("age", _curve(x, 2 * x), Trend(1, 10, 30), "outcome", SCALE, 0.95)
    assert sentence.startswith(
        "As the average shifts from 20.0 to 40.0, the outcome rises from 40.0 to 80.0; whether it goes on "
        "beyond, too few rows tell."
    )


def test_curve_sentence_does_not_interpret_thin_support() -> None:
    x = np.linspace(10, 50, 41)
    curve = _curve(x, x).assign(status="thin")
    for trend in (None, Trend(1, 0, 40)):
        sentence = curve_sentence("age", curve, trend, "outcome", SCALE, 0.95)
        assert "rises" not in sentence
        assert "Too few rows" in sentence


def test_curve_sentence_digits_far_from_0() -> None:
    x = np.linspace(1999.0, 2001.0, 41)
    sentence = curve_sentence("year", _curve(x, x - 2000), Trend(1, 0, 40), "outcome", SCALE, 0.95)
    assert "from 1\u202f999.0 to 2\u202f001.0" in sentence


def test_curve_sentence_slope_at_average_of_data_with_interval() -> None:
    x = np.linspace(10, 50, 41)
    curve = _curve(x, -2 * x)
    sentence = curve_sentence("age", curve, Trend(-1, 0, 40), "outcome", SCALE, 0.9)
    assert "raising it by 10 goes with a change of −20 (90\u202f% interval −25 to −15)." in sentence
    share = curve_sentence("age", curve, Trend(-1, 0, 40), "outcome", Scale(True, 1), 0.9)
    assert "a change of −2\u202f000 points (90\u202f% interval −2\u202f500 to −1\u202f500)." in share
    unknown = curve.assign(slope_low=-np.inf, slope_high=np.inf)
    assert curve_sentence("age", unknown, Trend(-1, 0, 40), "outcome", SCALE, 0.9).endswith("change of −20.")


def test_levels_sentence_orders_by_certain_change() -> None:
    row = {"feature": "job", "direction": "up", "start": 0.2, "target": 0.4, "status": "ok"}
    ranking = pd.DataFrame(
        [
            row | {"level": "clerk", "change": 1.0},
            row | {"level": "baker", "change": -3.0},
            row | {"level": "smith", "change": 9.0},
            row | {"level": "thin", "change": 9.0, "status": "thin"},
            row | {"level": "judge", "change": np.nan},
        ]
    )
    signs = {"clerk": 1, "baker": -1, "smith": 0, "thin": 1, "judge": 0}
    trends = Trends(levels={("job", str, level): sign for level, sign in signs.items()})
    sentence = levels_sentence("job", ranking, trends, "outcome", SCALE)
    assert sentence.index("baker (−3.0 at 40") < sentence.index("clerk (+1.0 at 40")
    for absent in ("smith", "judge", "thin"):
        assert absent not in sentence
    assert levels_sentence("job", ranking.iloc[2:], trends, "outcome", SCALE).startswith("No level of job")


def test_caveats_share_of_thin_points(binary: WhatIfReport) -> None:
    frame = binary._data.curves.frame
    share = 100 * frame["status"].isin(["thin", "boundary"]).mean()
    (sentence,) = [text for text in binary.summary["caveats"] if text.startswith("Thin support")]
    assert _numbers(sentence)[0] == pytest.approx(share, abs=0.5)


def test_report_states_confidence_level(without_y: WhatIfReport) -> None:
    assert ("Confidence", "90\u202f%") in without_y.summary["metadata"]
    assert any("90\u202f%" in text for text in without_y.summary["caveats"])
    assert "90\u202f%" in without_y.html()


# Rules

RNG = np.random.default_rng(3)
PEOPLE = pd.DataFrame({"age <b>": RNG.normal(40, 10, 300), "town": RNG.choice(["n", "s"], 300)})


def follows(X: Any) -> Any:
    share = np.where(X["age <b>"] > 40, 0.9, 0.2) - 0.1 * (X["town"] == "s")
    return np.column_stack([1 - share, share])


def wild(X: Any) -> Any:
    """No tree of few leaves can follow it."""
    share = 0.5 + 0.45 * np.sin(50 * X["age <b>"].to_numpy())
    return np.column_stack([1 - share, share])


def _report_with_tree(function: Any, **params: Any) -> WhatIfReport:
    model = as_predictor(function, task="classification", output_names=["no", "yes"])
    return WhatIfReport(model, PEOPLE, mimic=MimicTree(model, random_state=0, **params))


@pytest.fixture(scope="module")
def close() -> WhatIfReport:
    return _report_with_tree(follows, max_leaf_nodes=4)


@pytest.fixture(scope="module")
def poor() -> WhatIfReport:
    return _report_with_tree(wild, max_leaf_nodes=3)


def test_rules_fidelity_leaves_and_cost(close: WhatIfReport) -> None:
    rules, mimic = close.summary["rules"], close._data.surrogate_tree
    assert mimic is not None
    fidelity = mimic.fidelity_
    assert fidelity.label is not None
    agreement = f"{100 * fidelity.label:.1f}"
    assert rules["sentence"].startswith(
        f"A surrogate tree of {len(mimic.leaves_)} rules predicts the same class as the model for {agreement}"
    )
    assert rules["sentence"].endswith("It follows the model closely.")
    assert rules["warnings"] == []
    assert [leaf["rule"] for leaf in rules["leaves"]] == mimic.leaves_["rule"].tolist()
    assert rules["text"] == mimic.to_text()
    cost = dict(close.summary["metadata"])["Cost"]
    assert cost.endswith(" more for the surrogate tree")
    assert "rules" in close.timings


def test_rules_warn_of_low_fidelity(poor: WhatIfReport) -> None:
    rules = poor.summary["rules"]
    assert rules["sentence"].endswith("It follows the model poorly.")
    assert rules["warnings"][0].startswith(
        "Do not read these rules as the model: they leave more than half of the variance of its predictions "
    )
    assert any("The most frequent class alone agrees" in warning for warning in rules["warnings"])
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
    model = as_predictor(follows, task="classification", output_names=["no", "yes"])
    report = WhatIfReport(model, PEOPLE)
    assert report.summary["rules"] == {}
    assert '<section id="rules">' not in report.html()


def test_rules_regression_sentence() -> None:
    model = as_predictor(lambda X: X["age <b>"].to_numpy() ** 2, task="regression")
    report = WhatIfReport(model, PEOPLE, mimic=MimicTree(model, max_leaf_nodes=4, random_state=0).fit(PEOPLE))
    assert report.summary["rules"]["sentence"].startswith("A surrogate tree of 4 rules explains ")
    assert "RMSE" in report.html()


def test_mimic_refuses_other_object() -> None:
    with refuses(TypeError, "'mimic'", "WhatIfReport", "MimicTree", "None", "got 3"):
        _ = WhatIfReport(lambda X: np.zeros(len(X)), PEOPLE, mimic=3).summary


def test_mimic_as_explainer_gives_rule_of_row() -> None:
    model = as_predictor(follows, task="classification", output_names=["no", "yes"])
    mimic = MimicTree(model, max_leaf_nodes=4, random_state=0)
    (row,) = WhatIfReport(model, PEOPLE, rows=[3], explainers=[mimic]).summary["rows"]
    (part,) = row["explanations"]
    assert part["title"] == "How does the surrogate tree come to its prediction?"
    assert part["fidelity"]["sentence"].startswith(
        "A surrogate tree fitted to the model's predictions for all rows "
    )
    assert any(remark.startswith("The rule of this row: ") for remark in part["remarks"])
    text = " ".join([part["note"], *part["sentences"], part["fidelity"]["sentence"]])
    assert "near" not in text
    assert "its mean prediction for all rows" in text


def test_mimic_sample_weight_is_used_or_noted() -> None:
    model = as_predictor(follows, task="classification", output_names=["no", "yes"])
    mimic, weights = MimicTree(model, max_leaf_nodes=4, random_state=0), np.linspace(0.2, 3.0, 300)
    weighted, fitted = clone(mimic).fit(PEOPLE, sample_weight=weights), clone(mimic).fit(PEOPLE)
    rules = WhatIfReport(model, PEOPLE, sample_weight=weights, mimic=mimic).summary["rules"]
    assert rules["text"] == weighted.to_text() != fitted.to_text()
    assert rules["note"].endswith("The tree, its fidelity and its coverage count each row by its weight.")
    rules = WhatIfReport(model, PEOPLE, sample_weight=weights, mimic=fitted).summary["rules"]
    assert rules["note"].endswith("The tree was fitted before this report, whose weights it does not use.")
    assert "weight" not in WhatIfReport(model, PEOPLE, mimic=mimic).summary["rules"]["note"]


class WithoutWeights(OcclusionExplainer):
    def fit(self, X: Any, y: Any = None) -> Any:
        return super().fit(X, y)


def test_weights_that_an_explainer_does_not_take_are_refused() -> None:
    model, weights = as_predictor(follows, task="classification"), np.linspace(0.2, 3.0, 300)
    explainer = WithoutWeights(model, random_state=0)
    with refuses(DataError, "WithoutWeights", "sample_weight", "Leave the weights out", "fitted"):
        _ = WhatIfReport(model, PEOPLE, sample_weight=weights, rows=[3], explainers=[explainer]).summary
    fitted = clone(explainer).fit(PEOPLE)
    assert WhatIfReport(model, PEOPLE, sample_weight=weights, rows=[3], explainers=[fitted]).summary["rows"]
    assert WhatIfReport(model, PEOPLE, rows=[3], explainers=[explainer]).summary["rows"]


def _curve(x: np.ndarray, y: np.ndarray, error: float = 0.01) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "target": x,
            "value": np.asarray(y, dtype=float),
            "std_error": error,
            "slope": np.gradient(y, x),
            "slope_low": np.gradient(y, x) - 0.5,
            "slope_high": np.gradient(y, x) + 0.5,
            "kl": (x - x.mean()) ** 2 / 100,
            "status": "ok",
        }
    )
