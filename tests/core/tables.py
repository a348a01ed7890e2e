"""Tables of two columns, from an array of numbers, in each library."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

FORMS = {
    "numpy": np.array,
    "pandas": lambda X: pd.DataFrame(X, columns=["a", "b"], index=range(100, 100 + len(X))),
    "polars": lambda X: pl.DataFrame(X, schema=["a", "b"]),
}


forms = pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
