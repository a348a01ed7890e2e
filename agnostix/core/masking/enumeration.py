"""All masks of a few features."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Bools

MAX_FEATURES = 20


def all_masks(n_features: int) -> Bools:
    """List every mask, shape (2**n_features, n_features): row j holds the binary digits of j, lowest first.

    The first row is empty, the last one full, and the complement of row j is row ``2**n_features - 1 - j``.
    """
    if not 1 <= n_features <= MAX_FEATURES:
        raise ValueError(
            f"All masks can be listed for n_features between 1 and {MAX_FEATURES}, got {n_features}; "
            "sample some instead."
        )
    codes = np.arange(2**n_features, dtype=np.int64)
    return (codes[:, None] >> np.arange(n_features)) & 1 == 1
