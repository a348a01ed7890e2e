"""Displays of pictures and texts from explainers as they run: every row, output and way of asking."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from agnostix import KernelShapExplainer, LimeExplainer
from agnostix.core.masking import SegmentMasker, TextMasker
from agnostix.plotting import SegmentsDisplay, TextDisplay

PICTURES = np.random.default_rng(0).random((2, 18, 12, 3))
TEXTS = ["Good food, good beer;\nbad, slow service and a bill that was a bad surprise.", "Good."]
LIME = {"lime": (LimeExplainer, {}), "chosen": (LimeExplainer, {"max_features": 2})}
HOWS = LIME | {"shap": (KernelShapExplainer, {})}
hows = pytest.mark.parametrize(("kind", "parameters"), HOWS.values(), ids=HOWS)


def corners(X: Any) -> np.ndarray:
    """Two outputs that mirror each other, by two corners together."""
    bright = np.asarray(X)[:, 1, 1, 0] * np.asarray(X)[:, -1, -1, 2]
    return np.c_[1.0 - bright, bright]


def praise(texts: Any) -> np.ndarray:
    found = np.array(
        [text.lower().count("good") - 0.5 * ("bad" in text and "slow" in text) for text in texts]
    )
    return np.c_[-found, found]


def values_of(exp: Any, row: int, place: int, names: Any) -> dict[str, float]:
    """The features that a row has, and that were not left out of its surrogate."""
    n = len(names)
    chosen = (
        exp.extras["selected"].array[row, :n, place] if "selected" in exp.extras else np.ones(n, dtype=bool)
    )
    values = dict(zip(np.array(names)[chosen].tolist(), exp.values[row, :n, place][chosen], strict=True))
    assert n == np.isfinite(exp.values[row, :, place]).sum()
    return values


@hows
@pytest.mark.parametrize("n_segments", [6, 40])
@pytest.mark.parametrize("outputs", [[1], [0, 1]])
def test_segments_from_masked_explainers_equal_values(kind, parameters, n_segments, outputs) -> None:
    masker = SegmentMasker(n_segments=n_segments)
    explainer = kind(corners, masker=masker, random_state=0, **parameters).fit(PICTURES)
    exp = explainer.explain(PICTURES)
    for row in (0, 1):
        display = SegmentsDisplay.from_explanation(exp, row=row, outputs=outputs).plot()
        display.figure_.draw_without_rendering()
        frame = display.frame()
        for place in outputs:
            own = frame[frame["output"] == exp.output_names[place]]
            found = dict(zip(own["segment"], own["value"], strict=True))
            assert found == values_of(exp, row, place, exp.feature_names)
        titles = [panel.get_title(loc="left") for panel in np.ravel(display.axes_)]
        assert all(("R²" in one) == (kind is LimeExplainer) for one in titles)
    selected = SegmentsDisplay.from_explainer(explainer, PICTURES, row=1, outputs=outputs).frame()
    np.testing.assert_array_equal(selected["value"], frame["value"])


@hows
def test_text_from_masked_explainers_equals_values(kind, parameters) -> None:
    explainer = kind(praise, masker=TextMasker(), random_state=0, **parameters).fit(TEXTS)
    exp = explainer.explain(TEXTS)
    for row, n_words in ((0, 13), (1, 1)):
        display = TextDisplay.from_explanation(exp, row=row, output=1)
        display.plot(Figure(figsize=(6, 3)).add_subplot()).figure_.draw_without_rendering()
        frame = display.frame()
        words = exp.extras["words"].array[row][:n_words].tolist()
        found = dict(zip(frame["word"], frame["value"], strict=True))
        assert found == values_of(exp, row, 1, words)
        html = display.html()
        assert ("R²" in html) == (kind is LimeExplainer)
        assert all(word in html for word in words)
    assert exp.extras["words"].array[1].tolist()[1:] == [""] * 12


def n_dotted(display: TextDisplay) -> int:
    return len(display.ax_.lines)


def test_text_exact_values_are_not_dotted() -> None:
    """All masks are evaluated: errors are 0, and there are no intervals."""
    explainer = LimeExplainer(praise, masker=TextMasker(), random_state=0).fit(TEXTS)
    exp = explainer.explain(["Good food, slow bad service"])
    display = TextDisplay.from_explanation(exp, output=1).plot(Figure(figsize=(6, 3)).add_subplot())
    assert n_dotted(display) == 0
    drawn = explainer.explain([" ".join(f"w{j}" for j in range(12)) + " good bad slow"])
    display = TextDisplay.from_explanation(drawn, output=1).plot(Figure(figsize=(6, 3)).add_subplot())
    assert 0 < n_dotted(display) < 15
