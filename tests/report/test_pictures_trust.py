"""What was measured of images in the report: the numbers of the comparison, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agnostix import Explanation, OcclusionExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import SlidingWindow
from agnostix.metrics import ComparisonResult, compare_explainers, deletion, random_logit
from agnostix.report.sentences_measured import NOT_MEASURED
from tests.messages import assert_states, refuses
from tests.report.test_page import Page
from tests.report.test_pictures import make_report

IMAGES = 0.5 + np.random.default_rng(0).random((5, 9, 12))
Measured = tuple[Any, dict[str, Explanation], ComparisonResult]


def corner(images: np.ndarray) -> np.ndarray:
    return images[:, :3, :3].mean((1, 2)) + 0.2 * images[:, 5, 5]


@pytest.fixture(scope="module")
def measured() -> Measured:
    """A model, maps by two windows, and their comparison."""
    model = as_predictor(corner, task="regression", output_names=["corner"])
    explainers = {
        f"size {n}": OcclusionExplainer(model, masker=SlidingWindow(n, 1, fill=0.0)).fit(IMAGES)
        for n in (1, 3)
    }
    result = compare_explainers(
        model, IMAGES, explainers, metrics=["deletion", "insertion"], fill=0, verbose=0
    )
    return model, result.explanations, result


def section(text: str) -> str:
    return " ".join(text.split("Where does the model look?")[-1].split())


def test_numbers_are_those_of_comparison(measured: Measured) -> None:
    _, maps, result = measured
    stated = make_report(maps, pictures_comparison=result).summary["pictures"]["measured"]
    for entry, row in zip(stated["scores"], result.to_frame().to_dict("records"), strict=True):
        assert (entry["metric"], entry["method"], entry["n_images"]) == (row["metric"], row["explainer"], 5)
        for name in ("score", "low", "high", "random"):
            assert entry[name] == pytest.approx(row[name], rel=1e-5)
        assert float(entry["text"]["score"].replace("\u2212", "-")) == pytest.approx(row["score"], rel=6e-3)
    assert stated["sentences"][:2] == [f"With 5 images, {verdict}" for verdict in result.verdicts]
    top = result.to_frame("agreement").set_index("measure").loc["top-k"]
    assert_states(stated["sentences"][2], "5 pixels", f"{100 * top['mean']:.0f}\u202f%", "size 1 and size 3")
    n = result.n_shared_rows + sum(one.n_model_rows for by in result.results.values() for one in by.values())
    assert_states(stated["note"], f"{n:,} model rows".replace(",", "\u202f"), "95\u202f% confidence")
    assert [entry["difference"] for entry in stated["pairs"]] == pytest.approx(
        result.to_frame("pairs")["difference"], rel=1e-4
    )


def test_page_markdown_and_json_state_the_same(measured: Measured) -> None:
    _, maps, result = measured
    report = make_report({name: one[:2] for name, one in maps.items()}, pictures_comparison=result)
    pictures = json.loads(report.json())["pictures"]
    seen = section("".join(Page(report.html()).texts))
    plain = section(re.sub(r"\\([^\w\s])", r"\1", report.markdown()))
    for sentence in [*pictures["measured"]["sentences"], pictures["measured"]["note"]]:
        assert " ".join(sentence.split()) in seen
        assert " ".join(sentence.split()) in plain
    for entry in pictures["measured"]["scores"]:
        text = entry["text"]
        assert all(text[name] in seen for name in ("metric", "score", "interval", "random"))
        assert f"| {text['metric']} | {entry['method']} | {text['score']} | {text['interval']} |" in plain
    assert NOT_MEASURED not in seen
    assert pictures["not_measured"] == ""


def test_without_measures_the_page_says_so(measured: Measured) -> None:
    report = make_report(measured[1])
    assert report.summary["pictures"]["measured"] == {}
    assert NOT_MEASURED in section("".join(Page(report.html()).texts))
    assert_states(section(report.markdown()), "not measured", "pictures_comparison=comparison")


def test_results_one_by_one(measured: Measured) -> None:
    model, maps, _ = measured
    options = {"fill": 0, "n_random": 20, "verbose": 0}
    results = {name: deletion(model, IMAGES, one, **options) for name, one in maps.items()}
    stated = make_report(maps, pictures_comparison=results).summary["pictures"]["measured"]
    assert [entry["score"] for entry in stated["scores"]] == pytest.approx(
        [one.score for one in results.values()], rel=1e-5
    )
    assert_states(stated["sentences"][0], "With 5 images, deletion (less is better)")
    assert stated["agreement"] == []
    alone = {"size 3": [results["size 3"]]}
    own = make_report({"size 3": maps["size 3"]}, pictures_comparison=alone).summary["pictures"]["measured"]
    advantage = results["size 3"].against("random")
    better = advantage.interval()[0] > 0
    verdict = "better than a random order" if better else "cannot be told from a random order"
    assert_states(own["sentences"][0], "deletion, size 3", f"{advantage.score:.3g}", verdict)


def test_one_image_has_no_interval(measured: Measured) -> None:
    model, maps, _ = measured
    values = np.random.default_rng(1).normal(size=(1, 9, 12, 1))  # no ties, so nothing is drawn
    one = replace(maps["size 1"][:1], values=values)
    result = deletion(model, IMAGES[:1], one, fill=0, verbose=0)
    stated = make_report({"a": one}, pictures_comparison={"a": result}).summary["pictures"]["measured"]
    assert (stated["scores"][0]["low"], stated["scores"][0]["text"]["interval"]) == (None, "\u2013")
    assert_states(stated["sentences"][0], "one image does not tell")
    assert "confidence" not in stated["note"]


def test_verdicts_of_metrics_are_stated() -> None:
    def two(images: np.ndarray) -> np.ndarray:
        return np.stack([corner(images), images[:, -3:, -3:].mean((1, 2))], axis=1)

    model = as_predictor(two, task="classification", output_names=["a", "b"])
    explainer = OcclusionExplainer(model, masker=SlidingWindow(3, 1, fill=0.0)).fit(IMAGES)
    result = random_logit(model, IMAGES, explainer)
    maps = {"windows": explainer.explain(IMAGES, outputs="predicted")}
    report = make_report(maps, pictures_comparison={"windows": result})
    assert f"random_logit, windows: {result.verdict}" in report.summary["pictures"]["measured"]["sentences"]


def test_refused_are_measures_of_other_pictures(measured: Measured) -> None:
    model, maps, result = measured
    other = {"size 1": maps["size 1"], "other": maps["size 3"]}
    with refuses(DataError, "'size 1', 'size 3'", "'size 1', 'other'", "'other' is in one alone"):
        _ = make_report(other, pictures_comparison=result).summary
    moved = {name: replace(one, values=one.values + (name == "size 3")) for name, one in maps.items()}
    with refuses(DataError, "other maps", "'size 3'", "image 0", "none of its 5", "comparison.explanations"):
        _ = make_report(moved, pictures_comparison=result).summary
    cut = {
        name: replace(one, values=one.values[:, 1:], std_errors=None, data=None) for name, one in maps.items()
    }
    with refuses(DataError, "(9, 12, 1)", "(8, 12, 1)"):
        _ = make_report(cut, pictures_comparison=result).summary
    few = {"a": deletion(model, IMAGES[:2], maps["size 1"][:2], fill=0, verbose=0)}
    with refuses(DataError, "deletion of 'a'", "2 images", "pictures has 5"):
        _ = make_report({"a": maps["size 1"]}, pictures_comparison=few).summary
    with refuses(DataError, "'effect'", "'relevance'"):
        _ = make_report(
            {"a": replace(maps["size 1"][:2], quantity="relevance")}, pictures_comparison=few
        ).summary


def test_refused_are_other_things(measured: Measured) -> None:
    model, maps, result = measured
    with refuses(DataError, "there are none", "pictures=comparison.explanations"):
        _ = make_report(None, pictures_comparison=result).summary
    with refuses(TypeError, "pictures_comparison", "ComparisonResult", "float"):
        _ = make_report(maps, pictures_comparison=0.5).summary
    one = deletion(model, IMAGES, maps["size 1"], fill=0, verbose=0)
    single = {"a": maps["size 1"]}
    with refuses(TypeError, "pictures_comparison['a']", "MetricResult", "str"):
        _ = make_report(single, pictures_comparison={"a": ["deletion"]}).summary
    with refuses(DataError, "two results of deletion", "Keep one"):
        _ = make_report(single, pictures_comparison={"a": [one, one]}).summary
    with refuses(DataError, "has no result", "None"):
        _ = make_report(single, pictures_comparison={"a": []}).summary
