"""What is said of relevance that does not arrive: by completeness and details."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from agnostix import (
    DeepLiftExplainer,
    Explanation,
    IntegratedGradientsExplainer,
    LrpExplainer,
    WhatIfReport,
    as_predictor,
)
from agnostix.core.explanation import Detail
from agnostix.report.sentences_absorbed import absorption_sentences
from tests.messages import assert_states

THIN = "\u202f"
CAUSES = ["bias", "epsilon", "softmax"]


def relevance(values: Any, absorbed: Any, outputs: Any, **more: Any) -> Explanation:
    """Of rows (n_rows, n_features, n_outputs), with amounts (n_rows, n_causes, n_outputs)."""
    values = np.asarray(values, dtype=float)
    amounts = Detail(np.asarray(absorbed, dtype=float), ("row", "cause", "output"))
    return Explanation(
        values=values,
        outputs=np.asarray(outputs, dtype=float),
        feature_names=tuple(f"x{j}" for j in range(values.shape[1])),
        output_names=tuple(f"y{k}" for k in range(values.shape[2])),
        quantity="relevance",
        completeness="outputs",
        method="by hand",
        extras={"causes": CAUSES, "absorbed": amounts, **more},
    )


ONE = relevance([[[2.0], [-0.5]]], [[[0.5], [0.0], [0.0]]], [[2.0]])


def test_shares_of_one_output_are_said() -> None:
    (sentence,) = absorption_sentences(ONE, "features")
    assert_states(
        sentence, "the output, 2.00, the features get", f"1.50 (75{THIN}%)", f"absorb 0.500 (25{THIN}%)"
    )
    assert "stabilizers" not in sentence


def test_shares_of_several_outputs_are_ranges() -> None:
    two = relevance(
        [[[1.0, 3.0]], [[1.0, -2.0]]],
        [[[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]], [[3.0, -2.0], [0.0, 0.0], [0.0, 0.0]]],
        [[2.0, 2.0], [4.0, -4.0]],
    )
    (sentence,) = absorption_sentences(two, "pixels")
    assert_states(sentence, "each output", f"from 25{THIN}% to 150{THIN}%", f"from 0{THIN}% to 75{THIN}%")
    assert_states(sentence, f"attention weights absorb from \u221250{THIN}% to 0{THIN}%")


def test_what_is_missing_is_said() -> None:
    off = replace(ONE, outputs=np.array([[4.0]]))
    assert_states(absorption_sentences(off, "features")[0], f"2.00 (50{THIN}%) cannot be accounted for")


def test_output_of_zero_has_nothing_to_distribute() -> None:
    assert_states(absorption_sentences(replace(ONE, outputs=np.zeros((1, 1))), "features")[0], "output is 0")


def test_values_that_cancel_are_said() -> None:
    def of_size(size: float) -> list[str]:
        size_detail = Detail(np.array([[size]]), ("row", "output"))
        return absorption_sentences(replace(ONE, extras={**ONE.extras, "largest_size": size_detail}), "x")

    assert len(of_size(199.0)) == 1
    assert_states(of_size(402.0)[1], "201 times", "do not rely")


@pytest.mark.parametrize("change", [{"completeness": None}, {"extras": {}}])
def test_nothing_is_said_of_other_explanations(change: dict[str, Any]) -> None:
    assert absorption_sentences(replace(ONE, **change), "features") == []


def test_report_states_relevance_of_pictures_and_rows() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    model = as_predictor(torch.nn.Sequential(*layers, torch.nn.Linear(4, 1)), output_names=["cat"])
    images = np.random.default_rng(0).random((1, 10, 10, 3))
    explainers = {"LRP": LrpExplainer(model), "DeepLIFT": DeepLiftExplainer(model)}
    explainers["integrated gradients"] = IntegratedGradientsExplainer(model)
    pictures = {name: one.fit(images).explain(images) for name, one in explainers.items()}
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(60, 3)), columns=["a", "b", "c"])
    tabular = as_predictor(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)))
    lrp = LrpExplainer(tabular, composite="epsilon")
    report = WhatIfReport(tabular, table, pictures=pictures, rows=[0], explainers=[lrp])
    methods = {
        one["name"]: " ".join(one["sentences"] + one["trust"])
        for one in report.summary["pictures"]["methods"]
    }
    kept = pictures["LRP"].values.sum() / pictures["LRP"].outputs[0, 0]
    assert_states(methods["LRP"], "propagated back", f"({100 * kept:.0f}{THIN}%)".replace("-", "\u2212"))
    assert "gap" not in methods["LRP"]
    assert methods["DeepLIFT"].split(" Cost")[0].startswith("Each value is the part of the difference")
    assert methods["DeepLIFT"].split(".")[0] == methods["integrated gradients"].split(".")[0]
    for page in (report.markdown(), report.html()):
        assert_states(page, "the pixels get", "the features get", "biases absorb")
    assert "do not add up" not in report.markdown()


def test_report_says_that_features_are_units_of_a_layer() -> None:
    torch = pytest.importorskip("torch")
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32), columns=list("abc"))
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)).eval()
    model = as_predictor(module, activation="none", output_names=["y"])
    explainers = [LrpExplainer(model, layer="1"), DeepLiftExplainer(model)]
    text = WhatIfReport(model, X, rows=[0], explainers=explainers).markdown()
    assert text.count("Features are units of layer 1: (4,).") == 1
