"""The report's section on images: what is refused, numbers, sentences, figures, formats."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agnostix import Explanation, OcclusionExplainer, WhatIfReport, as_predictor
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import IS_SIGNED
from agnostix.exceptions import DataError
from agnostix.maskers import SlidingWindow
from agnostix.plotting import PixelsGridDisplay
from agnostix.report import pictures as pictures_module
from agnostix.report.pictures import MapFacts, MethodMaps, check_pictures, method_maps
from agnostix.report.pictures_summary import summarize_pictures
from agnostix.report.sentences_pictures import region
from tests.messages import assert_states, refuses
from tests.plotting.explanations import layered, pixels
from tests.report.test_escaping import BREAKS, downloads, outside_of_code
from tests.report.test_page import Page

N_IMAGES = 2
TOO_MANY = ["24 maps", "at most 20", "2 images", "2 outputs", "6 explanations", "explanation[:2]"]


def two_corners(images: np.ndarray) -> np.ndarray:
    """Two outputs (n_rows, 2), each of one corner."""
    return np.stack([images[:, :3, :3].mean((1, 2)), images[:, -3:, -4:].mean((1, 2))], axis=1)


@pytest.fixture(scope="module")
def windows() -> dict[str, Explanation]:
    """Effects of hiding windows of two sizes."""
    images = 0.5 + np.random.default_rng(0).random((N_IMAGES, 9, 12))
    model = as_predictor(two_corners, output_names=["cat", "dog"], task="regression")
    explainers = {
        f"size {n}": OcclusionExplainer(model, masker=SlidingWindow(n, 1, fill=0.0)) for n in (1, 3)
    }
    return {name: one.fit(images).explain(images) for name, one in explainers.items()}


def make_report(pictures: Any, **more: Any) -> WhatIfReport:
    X = pd.DataFrame({"age": np.linspace(20, 60, 60)})
    model = as_predictor(lambda X: X["age"].to_numpy(dtype=float), task="regression")
    return WhatIfReport(model, X, pictures=pictures, **more)


@pytest.fixture(scope="module")
def report(windows: dict[str, Explanation]) -> WhatIfReport:
    return make_report(windows)


def masks(succeeded: Any = ((True, False), (True, True)), **given: Any) -> Explanation:
    values = np.zeros((N_IMAGES, 4, 6, 2))
    values[:, 1:3, 2:5] = 1.0
    found = {"succeeded": Detail(np.array(succeeded), ("row", "output"))}
    known = {"values": values, "std_errors": None, "quantity": "mask", "units": "visibility"}
    return pixels(2, **(known | {"extras": found} | given))


def test_report_without_pictures_has_no_section(binary: WhatIfReport) -> None:
    assert binary.summary["pictures"] == {}
    assert "Where does the model look?" not in binary.markdown()
    assert "Maps of images" not in binary.html()
    assert make_report({}).summary["pictures"] == {}


def test_maps_have_numbers_of_explanation(report: WhatIfReport, windows: dict[str, Explanation]) -> None:
    for i, image in enumerate(report.summary["pictures"]["images"]):
        assert [(entry["output"], entry["method"]) for entry in image["maps"]] == [
            (output, method) for output in ("cat", "dog") for method in windows
        ]
        for entry in image["maps"]:
            exp = windows[entry["method"]]
            k = exp.output_names.index(entry["output"])
            sizes = {(y, x): abs(float(exp.values[i, y, x, k])) for y in range(9) for x in range(12)}
            most = max(sizes.values())
            assert entry["largest"] == pytest.approx(exp.values[i, entry["y"], entry["x"], k], rel=1e-5)
            assert abs(entry["largest"]) == pytest.approx(most, rel=1e-5)
            assert entry["n_largest"] == sum(size >= most * (1 - 1e-9) for size in sizes.values())
            strongest = sorted(sizes.values(), reverse=True)[:11]  # of 108
            assert entry["top_share"] == pytest.approx(sum(strongest) / sum(sizes.values()), rel=1e-5)
            assert entry["sum"] == pytest.approx(exp.values[i, :, :, k].sum(), rel=1e-5)
            assert entry["model_output"] == pytest.approx(exp.outputs[i, k], rel=1e-5)
            assert entry["gap"] is None
            assert entry["is_drawn"]
            assert entry["is_reached"]


def test_places_are_where_model_looks(report: WhatIfReport) -> None:
    for image in report.summary["pictures"]["images"]:
        cat, dog = image["places"]
        assert_states(cat, "cat", "at the upper left", "size 1 and size 3")
        assert_states(dog, "dog", "at the lower right", "size 1 and size 3")


@pytest.mark.parametrize(
    ("y", "x", "where"),
    [
        (0, 0, "at the upper left"),
        (2, 4, "at the top"),
        (0, 8, "at the upper right"),
        (3, 0, "at the left"),
        (4, 4, "in the center"),
        (5, 6, "at the right"),
        (8, 2, "at the lower left"),
        (8, 5, "at the bottom"),
        (6, 6, "at the lower right"),
    ],
)
def test_region_is_ninth_of_image(y: int, x: int, where: str) -> None:
    values = np.zeros((9, 9))
    values[y, x] = -2.0
    assert region(MapFacts(values, True, np.nan, True)) == where


def test_largest_of_equal_values_is_in_their_middle() -> None:
    values = np.zeros((9, 12))
    values[1:4, 5:10] = 0.3
    facts = MapFacts(values, True, np.nan, True)
    assert facts.place == (2, 7)
    assert facts.n_largest == 15
    ring = np.zeros((5, 5))
    ring[0], ring[-1] = 1.0, -1.0
    y, x = MapFacts(ring, True, np.nan, True).place
    assert abs(ring[y, x]) == 1.0
    assert x == 2


def test_top_share_of_even_values_is_tenth() -> None:
    even = MapFacts(np.full((10, 20), -0.4), True, np.nan, True)
    assert even.top_share == pytest.approx(0.1)
    assert np.isnan(MapFacts(np.zeros((3, 3)), True, np.nan, True).top_share)


def test_maps_of_zeros_and_unknown_values_are_said() -> None:
    values = np.zeros((N_IMAGES, 4, 6, 2))
    values[1, :, :, 1], values[1, 0, 0, 0] = np.nan, np.nan
    exp = pixels(2, values=values, std_errors=None, output_names=("a", "b"))
    first, second = summarize_pictures(method_maps({"one": exp}, 0.95))["images"]
    assert [entry["text"]["where"] for entry in first["maps"]] == ["all values are 0"] * 2
    assert first["maps"][0]["largest"] == 0.0
    assert first["maps"][0]["top_share"] is None
    assert_states(first["places"][0], "a", "no map", "0")
    assert second["maps"][1]["largest"] is None
    assert second["maps"][1]["y"] is None
    json.dumps(second, allow_nan=False)


def test_many_outputs_and_methods_are_counted() -> None:
    exp = pixels(10, output_names=tuple(f"out{j}" for j in range(10)))[:1]
    image = summarize_pictures(method_maps({"one": exp}, 0.95))["images"][0]
    assert len(image["maps"]) == 10
    assert len(image["places"]) == 7
    assert_states(image["places"][-1], "table", "4 outputs more")
    assert_states(image["caption"], "out5", "4 more")
    many = method_maps({f"map{j}": exp.sel(outputs=[0]) for j in range(20)}, 0.95)
    assert_states(summarize_pictures(many)["images"][0]["places"][0], "out0", "more")


def test_outputs_of_image_are_said(report: WhatIfReport, windows: dict[str, Explanation]) -> None:
    outputs = windows["size 1"].outputs
    assert outputs is not None
    for i, image in enumerate(report.summary["pictures"]["images"]):
        assert_states(
            image["sentence"], f"image {i}", f"cat = {outputs[i, 0]:#.3g}", f"dog = {outputs[i, 1]:#.3g}"
        )


def test_outputs_of_image_are_those_of_the_model_before_logits() -> None:
    logits = pixels(1, units="logits", outputs=np.array([[3.5], [4.5]]), output_names=("a",))
    plain = pixels(1, outputs=np.array([[0.25], [0.75]]), output_names=("a",))
    first = summarize_pictures(method_maps({"x": logits, "y": plain}, 0.95))["images"][0]
    assert_states(first["sentence"], "a = 0.250")
    alone = summarize_pictures(method_maps({"x": logits}, 0.95))["images"][0]
    assert_states(alone["sentence"], "a = 3.50", "in logits")
    none = pixels(1, outputs=None)
    assert summarize_pictures(method_maps({"x": none}, 0.95))["images"][0]["sentence"] == ""


def one_method(exp: Explanation) -> dict[str, Any]:
    return summarize_pictures(method_maps({"one": exp}, 0.9))["methods"][0]


def test_method_line_states_values_cost_and_units() -> None:
    exp = replace(pixels(1, quantity="sensitivity", units="logits", std_errors=None), n_model_rows=1234)
    method = one_method(exp)
    assert method["n_model_rows"] == 1234
    assert_states(
        " ".join(method["sentences"]), "sensitivity", "in logits", "1\u202f234 model rows", "by hand"
    )
    assert_states(" ".join(method["trust"]), "No standard errors")
    assert method["largest_std_error"] is None


def test_method_line_states_standard_errors() -> None:
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.1, 2.0, (2, 4, 6, 1))
    exp = pixels(1, std_errors=errors)
    method = one_method(exp)
    low, high = exp.interval(0.9)
    inside = sum(a <= 0.0 <= b for a, b in zip(low.ravel(), high.ravel(), strict=True)) / low.size
    assert method["largest_std_error"] == pytest.approx(errors.max(), rel=1e-5)
    assert method["share_unclear"] == pytest.approx(inside, rel=1e-5)
    assert_states(" ".join(method["trust"]), f"{100 * inside:.0f}\u202f%", "90\u202f%")
    assert_states(" ".join(one_method(pixels(1, std_errors=0.0 * errors))["trust"]), "exact")
    assert_states(" ".join(one_method(pixels(1, std_errors=np.nan * errors))["trust"]), "unknown")


def test_gap_is_what_sum_of_values_misses() -> None:
    values = np.random.default_rng(2).normal(size=(2, 4, 6, 1))
    ends = {"outputs": values.sum((1, 2)) + 1.0, "base_values": np.ones((2, 1))}
    known = {"values": values, "std_errors": None, "quantity": "contribution"}
    exact = pixels(1, completeness="outputs - base_values", **known, **ends)
    assert np.all(MethodMaps("one", exact, 0.95).gaps == 0.0)
    assert_states(" ".join(one_method(exact)["trust"]), "sum to that difference")
    stated = replace(exact, completeness_gap=np.array([[0.25], [-0.5]]))
    images = summarize_pictures(method_maps({"one": stated}, 0.95))
    assert [image["maps"][0]["gap"] for image in images["images"]] == [0.25, -0.5]
    assert images["has_gaps"]
    assert_states(" ".join(one_method(stated)["trust"]), "completeness gap", "at most 0.50")
    off = replace(exact, outputs=exact.outputs + 2.0)
    np.testing.assert_allclose(MethodMaps("one", off, 0.95).gaps, 2.0)
    whole = replace(exact, completeness="outputs", base_values=None)
    np.testing.assert_allclose(MethodMaps("one", whole, 0.95).gaps, 1.0)


def test_tolerance_not_reached_is_said() -> None:
    status = np.array([["converged", "not reached"], ["converged", "converged"]])
    exp = pixels(2, output_names=("a", "b"), extras={"status": Detail(status, ("row", "output"))})
    summary = summarize_pictures(method_maps({"one": exp}, 0.95))
    assert summary["methods"][0]["n_not_reached"] == 1
    assert_states(" ".join(summary["methods"][0]["trust"]), "not reached", "b in image 0")
    reached = [entry["is_reached"] for image in summary["images"] for entry in image["maps"]]
    assert reached == [True, False, True, True]


def test_masks_that_failed_are_said_and_have_no_numbers() -> None:
    summary = summarize_pictures(method_maps({"mask": masks(output_names=("a", "b"))}, 0.95))
    assert summary["methods"][0]["n_failed"] == 1
    assert_states(" ".join(summary["methods"][0]["trust"]), "No mask was found", "b in image 0")
    found, failed = summary["images"][0]["maps"]
    assert [found[key] for key in ("y", "x", "n_largest", "is_drawn")] == [1, 3, 6, True]
    assert (failed["largest"], failed["top_share"], failed["is_drawn"]) == (None, None, False)
    assert failed["text"]["where"] == "no mask found"
    assert_states(summary["images"][0]["caption"], "outlined")


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({}, ["blue is positive", "orange negative"]),
        ({"quantity": "sensitivity", "extras": {IS_SIGNED: False}}, ["white is 0", "bluest"]),
    ],
)
def test_caption_states_colors(change: dict[str, Any], facts: list[str]) -> None:
    exp = pixels(1, output_names=("a",), **change)
    image = summarize_pictures(method_maps({"one": exp}, 0.95))["images"][0]
    assert_states(image["caption"], "image 0", "one", "for a", *facts)
    assert ("blue is positive" in image["caption"]) == (facts[0] == "blue is positive")


def test_images_have_labels_and_predicted_outputs_their_names() -> None:
    one = pixels(1, output_names=("predicted",), extras={"predicted": Detail(np.array(["x", "y"]), ("row",))})
    summary = summarize_pictures(method_maps({"one": replace(one, row_names=("first", 7))}, 0.95))
    assert [image["name"] for image in summary["images"]] == ["Image 0, labeled first", "Image 1, labeled 7"]
    assert [image["maps"][0]["output"] for image in summary["images"]] == ["x", "y"]
    assert_states(summary["images"][1]["places"][0], "For y")


@pytest.mark.parametrize(
    ("pictures", "error", "facts"),
    [
        (lambda one: one, TypeError, ["pictures", "mapping", "an Explanation"]),
        (lambda one: [one], TypeError, ["pictures", "mapping", "a list"]),
        (lambda one: {"a": one.values}, TypeError, ["pictures['a']", "Explanation", "a ndarray"]),
        (lambda one: {3: one}, TypeError, ["pictures", "3", "str"]),
        (lambda one: {"a": layered()}, DataError, ["pictures['a']", "layer", "one layer"]),
        (lambda one: {"a": one.aggregate()}, DataError, ["pictures['a']", "'row'", "before `aggregate`"]),
        (lambda one: {"a": one, "b": one.sel(outputs=[0])}, DataError, ["'a'", "'b'", "same images"]),
        (lambda one: {"a": one, "b": replace(one, data=1 - one.data)}, DataError, ["'a'", "'b'", "data"]),
        (lambda one: {"a": replace(one, data=one.data[:, :2])}, DataError, ["'a'", "4 x 6", "(2, 2, 6, 3)"]),
        (lambda one: {"a": one[:0]}, DataError, ["'a'", "nothing to draw"]),
        (lambda one: {str(j): one for j in range(6)}, DataError, TOO_MANY),
    ],
)  # fmt: skip
def test_pictures_refuse_misfits(pictures: Any, error: type[Exception], facts: list[str]) -> None:
    report = make_report(pictures(pixels(2)))
    with refuses(error, *facts):
        _ = report.summary


def test_table_explanation_is_refused_before_model_runs() -> None:
    def model(X: Any) -> Any:
        raise AssertionError

    exp = Explanation(values=np.ones((1, 1, 1)), feature_names=("a",), output_names=("b",), quantity="effect",
                      method="by hand")  # fmt: skip
    with refuses(DataError, "pictures['a']", "feature", "rows="):
        _ = WhatIfReport(as_predictor(model), pd.DataFrame({"a": [1.0]}), pictures={"a": exp}).summary


def test_remedies_of_too_many_maps_work() -> None:
    one = pixels(2)
    many = {str(j): one for j in range(6)}
    assert len(check_pictures({name: exp[:1] for name, exp in many.items()})) == 6
    assert len(check_pictures({name: exp.sel(outputs=[0]) for name, exp in many.items()})) == 6
    assert pictures_module.MAX_MAPS == 20


def test_images_with_unknown_pixels_are_the_same() -> None:
    data = np.random.default_rng(0).random((2, 4, 6, 3))
    data[0, 1, 2] = np.nan
    assert len(check_pictures({"a": pixels(1, data=data), "b": pixels(1, data=data.copy())})) == 2


def test_page_has_figure_of_each_image(report: WhatIfReport) -> None:
    text = report.html()
    section = text.split('id="pictures"')[1].split("</section>")[0]
    assert "Where does the model look?" in section
    assert section.count("<svg ") == N_IMAGES
    titles = re.findall(r'<svg [^>]*role="img"[^>]*><title>([^<]*)</title>', section)
    assert len(titles) == N_IMAGES
    for i, title in enumerate(titles):
        assert_states(title, f"Image {i}", "cat and dog", "size 1 and size 3")
    for svg in re.findall(r"<svg .*?</svg>", section, re.DOTALL):
        assert svg.count("data:image/png;base64") >= 2 * (1 + 2)  # an image and two maps for each output
        assert "min-width" in svg.split(">")[0]
    for svg in re.findall(r"<svg .*?</svg>", section, re.DOTALL):
        assert [name for name in ("size 1", "size 3", "cat", "dog") if f">{name}<" not in svg] == []
    page = Page(text)
    assert page.problems == []
    assert page.open == []
    assert all(link.startswith(("#", "data:")) for link in page.values("src", "href", "xlink:href"))
    ids = page.values("id")
    assert len(ids) == len(set(ids))


def test_page_json_and_markdown_state_the_same(report: WhatIfReport) -> None:
    pictures = json.loads(report.json())["pictures"]
    seen = "".join(Page(report.html()).texts)
    markdown = report.markdown()
    for image in pictures["images"]:
        assert all(text in seen for text in [image["sentence"], image["caption"], *image["places"]])
        assert image["sentence"] in markdown
        for entry in image["maps"]:
            row = f"| {image['name']} | {entry['output']} | {entry['method']} | {entry['text']['largest']} |"
            assert row in markdown
    for method in pictures["methods"]:
        for text in (" ".join(method["sentences"]), " ".join(method["trust"])):
            assert text in seen
            assert f"- **{method['name']}**: {text}" in re.sub(r"\\([^\w\s])", r"\1", markdown)
    assert pictures["not_measured"] in seen
    assert "base64" not in markdown


def test_page_of_failed_mask_is_drawn() -> None:
    pictures = {
        "mask": masks(),
        "effect": replace(masks(), quantity="effect", units="model output", extras={}),
    }
    section = make_report(pictures).html().split('id="pictures"')[1].split("</section>")[0]
    first, second = re.findall(r"<svg .*?</svg>", section, re.DOTALL)
    assert "no mask found" in first
    assert "no mask found" not in second


def test_page_escapes_names() -> None:
    exp = pixels(2, output_names=(BREAKS[0], BREAKS[6]), row_names=(BREAKS[1], BREAKS[3]), units=BREAKS[5],
                 method=BREAKS[4])  # fmt: skip
    report = make_report({BREAKS[2]: exp, BREAKS[8]: exp, "<script>1</script>": exp, "": exp})
    page = Page(report.html())
    assert page.problems == []
    assert page.open == []
    assert {tag for tag, _ in page.elements} & {"img", "b", "i"} == set()
    assert [attrs for tag, attrs in page.elements if tag == "script"] == [
        {"type": "application/json", "id": "summary"},
        {},
    ]
    outside, inside = outside_of_code(report.markdown())
    assert inside == []
    for line in [re.sub(r"\\[^\w\s]", "x", line) for line in outside]:
        assert not re.search(r"[<>`\[\]$]|&\w+;|^ {4}|^\t", line), line
    assert {line.count("|") for line in outside if re.match(r"\| Image \d", line)}
    assert json.loads(report.json())["pictures"]["methods"][0]["name"] == BREAKS[2]


def test_download_of_maps_has_each(report: WhatIfReport) -> None:
    text = downloads(report)["maps"]
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    entries = [entry for image in report.summary["pictures"]["images"] for entry in image["maps"]]
    assert [float(row["largest"]) for row in rows] == [entry["largest"] for entry in entries]
    assert [row["image"] for row in rows] == ["Image 0"] * 4 + ["Image 1"] * 4


def test_network_explanations_are_reported() -> None:
    torch = pytest.importorskip("torch")
    from agnostix import CamExplainer, IntegratedGradientsExplainer, SaliencyExplainer

    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    model = as_predictor(torch.nn.Sequential(*layers, torch.nn.Linear(4, 2)), output_names=["cat", "dog"])
    images = np.random.default_rng(0).random((1, 10, 10, 3))
    explainers = {
        "Grad-CAM": CamExplainer(model, method="grad_cam"),
        "gradient": SaliencyExplainer(model),
        "integrated gradients": IntegratedGradientsExplainer(model),
    }
    pictures = {name: one.fit(images).explain(images) for name, one in explainers.items()}
    summary = make_report(pictures).summary["pictures"]
    for method in summary["methods"]:
        assert method["n_model_rows"] == pictures[method["name"]].n_model_rows
    gaps = [
        entry["gap"] for entry in summary["images"][0]["maps"] if entry["method"] == "integrated gradients"
    ]
    expected = pictures["integrated gradients"].completeness_gap
    np.testing.assert_allclose(gaps, expected[0], rtol=1e-5)


def test_maps_of_layers_are_refused(windows: dict[str, Explanation]) -> None:
    one = windows["size 1"]
    coarse = replace(
        one, values=one.values[:, ::3, ::3], std_errors=None, extras={"layer": "conv: (8, 3, 4)"}
    )
    with refuses(DataError, "pictures['conv']", "layer conv: (8, 3, 4)", "PixelsGridDisplay"):
        check_pictures({"size 1": one, "conv": coarse})
    PixelsGridDisplay.from_explanations({"size 1": one, "conv": coarse})
