"""Models that more than one benchmark asks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def pipeline(table: pd.DataFrame, rich: np.ndarray) -> Pipeline:
    """Boosted trees on a frame of strings and numbers, fitted."""
    labels = make_column_selector(dtype_exclude="number")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = make_column_transformer((codes, labels), remainder="passthrough")
    return make_pipeline(encode, HistGradientBoostingClassifier(random_state=0)).fit(table, rich)
