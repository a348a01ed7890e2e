"""Averages as lines of a chart: which are drawn, in what order, and their names."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.core.names import label_text
from agnostix.core.typing import Floats
from agnostix.plotting.words import shorten


def order_averages(frame: pd.DataFrame, size: Floats) -> pd.DataFrame:
    """What is stated first, then by size (n_averages,), the largest first; of two levels one."""
    order = np.lexsort((-size, ~frame["stated"].astype(bool)))
    ordered = frame.iloc[order]
    n_levels = ordered.groupby("feature")["feature"].transform("size")
    mirrored = (n_levels == 2) & ordered.duplicated("feature")
    return ordered[~mirrored].reset_index(drop=True)


def name_averages(shown: pd.DataFrame, frame: pd.DataFrame) -> list[str]:
    """The columns, or columns and levels, of what is shown of a frame."""
    levels_of = dict(iter(frame.groupby("feature")["level"]))
    return [
        shorten(f if level is None else f"{f} = {label_text(level, levels_of[f])}")
        for f, level in zip(shown["feature"], shown["level"], strict=True)
    ]
