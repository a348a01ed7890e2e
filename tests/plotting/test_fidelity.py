"""Fidelity of a surrogate: numbers, thresholds, words, and where they are written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import norm
from scipy.stats import t as student_distribution

from agnostix import Explanation
from agnostix.core.explanation import Detail
from agnostix.plotting import BarDisplay, WaterfallDisplay
from agnostix.plotting.fidelity import Fidelity, describe_fidelity_over_rows, format_r2
from agnostix.plotting.style import CONTRAST, MUTED
from tests.plotting.explanations import make, people, surrogate


def _one(r2: float, error: float = 0.0, output: float = 0.75, **given: Any) -> Explanation:
    """A surrogate that predicts 0.75 for one row of two features."""
    extras = {"r2_std_errors": np.array([[error]])} | given.pop("extras", {})
    return make(
        [[0.5, -0.25]],
        outputs=[[output]],
        quantity="contribution",
        completeness="surrogate",
        fidelity={"r2": [[r2]]},
        extras=extras,
        **given,
    )


def _of(*r2: float, **given: Any) -> Fidelity:
    fidelity = Fidelity.from_explanation(_one(*r2, **given), 0, 0)
    assert fidelity is not None
    return fidelity


def test_fidelity_interval_is_that_of_what_is_missing_to_1() -> None:
    fidelity = Fidelity.from_explanation(_one(0.95, 0.04), 0, 0, confidence_level=0.9)
    assert fidelity is not None
    assert (fidelity.r2, fidelity.low, fidelity.high) == (
        0.95,
        pytest.approx(1.0 - 0.05 * np.exp(0.04 / 0.05 * norm.ppf(0.95))),
        pytest.approx(1.0 - 0.05 * np.exp(-0.04 / 0.05 * norm.ppf(0.95))),
    )
    by_output = {"r2_degrees_of_freedom": 4.0, "degrees_of_freedom": 9.0}
    extras = {name: Detail(np.array([[n]]), ("row", "output")) for name, n in by_output.items()}
    student = Fidelity.from_explanation(_one(0.95, 0.04, extras=extras), 0, 0)
    assert student is not None
    assert student.low == pytest.approx(1.0 - 0.05 * np.exp(0.8 * student_distribution.ppf(0.975, 4)))
    assert (fidelity.surrogate_output, fidelity.output, fidelity.largest) == (0.75, 0.75, 0.5)
    assert (fidelity.n_used, fidelity.n_features) == (2, 2)


@pytest.mark.parametrize(
    ("r2", "error", "follows"),
    [
        (1.0, 0.0, "closely"),
        (0.8, 0.0, "closely"),
        (0.9, 0.06, "roughly"),
        (0.79, 0.0, "roughly"),
        (0.5, 0.0, "roughly"),
        (0.6, 0.06, "poorly"),
        (0.49, 0.0, "poorly"),
        (-0.3, 0.0, "poorly"),
        (0.9, np.inf, "poorly"),
    ],
)
def test_fidelity_follows_by_lower_end_of_interval(r2: float, error: float, follows: str) -> None:
    fidelity = _of(r2, error)
    assert fidelity.follows == follows
    assert fidelity.is_poor is (follows == "poorly")


@pytest.mark.parametrize(
    ("r2", "error", "words"),
    [
        (0.9, 0.05, "R² 0.90 (0.73 to 0.96): the surrogate follows the model roughly"),
        (0.998, 0.0005, "R² 0.998 (0.997 to 0.999): the surrogate follows the model closely"),
        (0.9, 0.0, "R² 0.90: the surrogate follows the model closely"),
        (-0.2, 0.1, "R² −0.20 (−0.41 to −0.02): the surrogate follows the model poorly"),
        (0.9, np.inf, "R² 0.90, of unknown error: the surrogate follows the model poorly"),
        (0.2, 2.0, "R² 0.20 (below −10.00 to 0.99): the surrogate follows the model poorly"),
        (np.nan, 0.0, "The model is constant near the row."),
    ],
)
def test_fidelity_words_by_r2_and_error(r2: float, error: float, words: str) -> None:
    assert _of(r2, error).words == words


def test_fidelity_constant_model_is_not_poor() -> None:
    fidelity = _of(np.nan)
    assert fidelity.is_constant
    assert not fidelity.is_poor


def test_fidelity_that_is_not_determined_is_poor_and_says_so() -> None:
    extras = {"determined": Detail(np.array([[False]]), ("row", "output"))}
    fidelity = _of(np.nan, np.nan, extras=extras)
    assert fidelity.words == "R² not determined: no sample is like the row"
    assert (fidelity.is_poor, fidelity.is_constant) == (True, False)
    assert describe_fidelity_over_rows(_one(np.nan, np.nan, extras=extras), 0) == (
        "R² not determined for all 1 rows"
    )
    two = surrogate(fidelity={"r2": np.array([[0.9, 0.9], [np.nan, np.nan]])})
    known = {**two.extras, "determined": Detail(np.array([[True, True], [False, False]]), ("row", "output"))}
    words = describe_fidelity_over_rows(replace(two, extras=known), 0)
    assert words == "R² 0.90 to 0.90, median 0.90; not determined for 1 of 2 rows"


def test_fidelity_is_off_beyond_largest_value() -> None:
    assert not _of(0.9, 0.0, 1.25).is_off
    assert _of(0.9, 0.0, 1.2501).is_off
    assert _of(0.9, 0.0, 0.2).is_off


def test_format_r2_below_1_is_not_rounded_to_1() -> None:
    assert [format_r2(r2) for r2 in (1.0, 0.998, 0.9999, 0.99999, -0.001, 0.5)] == [
        "1.00",
        "0.998",
        "0.9999",
        "1.0000",
        "0.00",
        "0.50",
    ]


@pytest.mark.parametrize(
    "exp",
    [
        people(),
        make([[0.5]], quantity="contribution", completeness="surrogate"),
        make([[0.5]], fidelity={"r2": [[0.5]]}),
    ],
)
def test_fidelity_absent_without_r2(exp: Explanation) -> None:
    assert Fidelity.from_explanation(exp, 0, 0) is None
    assert describe_fidelity_over_rows(exp, 0) == ""
    assert _title(WaterfallDisplay.from_explanation(exp)) == ("", False)
    assert _title(BarDisplay.from_explanation(exp)) == ("", False)


def test_fidelity_follows_selected_outputs() -> None:
    exp = surrogate(fidelity={"r2": np.array([[0.1, 0.9], [0.2, 0.8]])})
    fidelity = Fidelity.from_explanation(exp.sel(outputs="out_$put$"), 1, 0)
    assert fidelity is not None
    assert fidelity.r2 == 0.8
    assert fidelity.surrogate_output == pytest.approx(exp.extras["surrogate_outputs"].array[1, 1])


def _title(display: Any) -> tuple[str, bool]:
    """What stands above a picture, and whether as a warning."""
    ax = display.plot(Figure().add_subplot()).ax_
    title = next((one for one in (ax._left_title, ax._right_title) if one.get_text()), ax._left_title)
    assert to_hex(title.get_color()) in (MUTED, CONTRAST) or not title.get_text()
    return title.get_text().replace("\n", " "), to_hex(title.get_color()) == CONTRAST


@pytest.mark.parametrize("display", [BarDisplay, WaterfallDisplay])
def test_fidelity_is_title_of_row_picture(display: Any) -> None:
    for r2, follows in ((0.9, "closely"), (0.3, "poorly")):
        exp = surrogate(r2)
        title, warns = _title(display.from_explanation(exp, row=1, confidence_level=0.9))
        reach = 0.02 * norm.ppf(0.95) / (1 - r2)
        low, high = 1 - (1 - r2) * np.exp(reach), 1 - (1 - r2) * np.exp(-reach)
        assert title == f"R² {r2:.2f} ({low:.2f} to {high:.2f}): the surrogate follows the model {follows}"
        assert warns is (follows == "poorly")


def test_fidelity_over_rows_is_range_with_poor_count() -> None:
    r2 = np.array([[0.9, 0.9], [0.2, 0.7], [np.nan, np.nan], [0.4, 0.6]])
    exp = surrogate(r2_error=0.0, n_rows=4, fidelity={"r2": r2})
    assert _title(BarDisplay.from_explanation(exp))[0] == "R² 0.60 to 0.90, median 0.70"
    title = _title(BarDisplay.from_explanation(exp, output="no"))[0]
    assert title == "R² 0.20 to 0.90, median 0.40; poor for 2 of 4 rows"
    assert describe_fidelity_over_rows(exp[[1, 3]], 0).endswith("; poor for all 2 rows")
    assert describe_fidelity_over_rows(exp[[2]], 0) == "The model is constant near all rows."
