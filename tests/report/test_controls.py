"""Controls and marks that turn the direction of a text, in names, levels and titles of any output."""

import numpy as np
import pandas as pd
import pytest

from agnostix import OcclusionExplainer, WhatIfReport

CONTROLS = "\x00\x1b\x9b\u202e\u2066"
NAME = f"a{CONTROLS}b"
SHOWN = r"a\x00\x1b\x9b\u202e\u2066b"


def model(X):
    return X.iloc[:, 0].to_numpy()


@pytest.mark.parametrize("role", ["column", "group", "level", "title"])
def test_controls_are_shown_as_escapes(role):
    first, second = NAME if role == "column" else "first", NAME if role == "group" else "second"
    levels = [NAME if role == "level" else "low", "high"]
    table = pd.DataFrame({first: np.linspace(-1, 1, 24), second: np.tile(levels, 12)})
    title = NAME if role == "title" else "title"
    report = WhatIfReport(
        model, table, title=title, by=second, rows=[0], explainers=[OcclusionExplainer(model)]
    )
    for text in (report.html(), report.markdown()):
        assert not set(CONTROLS) & set(text)
        assert SHOWN in text.replace("\\\\", "\\")
