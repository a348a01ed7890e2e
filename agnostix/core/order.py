"""An order of rows that does not depend on the order of the input."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agnostix.core.typing import Codes


def own_order(keys: list[np.ndarray]) -> Codes:
    """Sort rows by a hash of all that they hold.

    Parameters
    ----------
    keys : list of ndarray of shape (n_rows,)
        Numbers or codes, column by column.

    Returns
    -------
    ndarray of int of shape (n_rows,)
        Rows in their own order; those that are alike as they came.
    """
    mixed = np.zeros(keys[0].size, dtype=np.uint64)
    for key in keys:
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= pd.util.hash_array(np.ascontiguousarray(key))
    return np.argsort(mixed, kind="stable")
