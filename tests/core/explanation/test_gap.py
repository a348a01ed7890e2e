"""GapExplanation: what is shown of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix import GapExplanation
from tests.messages import assert_states


def made(n_columns: int = 3, **fields: object) -> GapExplanation:
    """A gap of 1 with a margin of each column, and one that is not determined."""
    names = [f"<x{j}>" for j in range(n_columns)]
    frame = pd.DataFrame(
        {
            "part": [*(f"margin of {name}" for name in names), "dependence"],
            "kind": ["margin"] * n_columns + ["dependence"],
            "column": [*names, None],
            "value": [*np.full(n_columns - 1, 0.25), np.nan, 1.0 - 0.25 * (n_columns - 1)],
            "low": -1.0,
            "high": 1.0,
            "shift": 0.5,
            "moved": pd.Series([*[True] * n_columns, None], dtype=object),
            "status": ["ok"] * (n_columns - 1) + ["not determined", "ok"],
        }
    )
    ends = {"value": [1.0, 2.0, 1.0], "std_error": 0.1, "low": 0.8, "high": 1.2}
    all_fields = {
        "frame": frame,
        "totals": pd.DataFrame(ends, index=["A", "B", "gap"]),
        "statistics": pd.DataFrame(),
        "unreached": pd.DataFrame(),
        "n_coalitions": 8,
        "ratio": {},
        "notes": ("A & B.",),
        "metric": "prediction",
        "output": None,
        "match": "means",
        "n_rows": (10, 10),
        "confidence_level": 0.95,
    }
    return GapExplanation(**(all_fields | fields))  # type: ignore[arg-type]


def test_text_has_gap_parts_and_notes() -> None:
    text = repr(made())
    assert_states(
        text,
        "prediction: A 1, B 2, gap 1",
        "0.8 to 1.2",
        "10 and 10 rows",
        "margin of <x0>",
        "not determined",
        "A & B.",
    )
    assert "more parts" not in text


def test_output_is_named_once() -> None:
    assert "prediction of risk" in repr(made(output="risk"))
    assert "prediction of prediction" not in repr(made(output="prediction"))


def test_many_parts_are_cut_in_text_and_html_alone() -> None:
    gap = made(20)
    for text in (repr(gap), gap._repr_html_()):
        assert_states(text, "7 more parts", "x13")
        assert "x14" not in text
    assert len(gap.to_frame()) == 21


def test_html_escapes_and_shows_unknown_values_as_dashes() -> None:
    html = made()._repr_html_()
    assert "&lt;x0&gt;" in html
    assert "<x0>" not in html
    assert "A &amp; B." in html
    assert html.count("–") == 1


def test_frame_is_copy() -> None:
    gap = made()
    frame = gap.to_frame()
    frame["value"] = 0.0
    assert gap.frame["value"].iloc[0] == 0.25
