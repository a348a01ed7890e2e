"""A double that answers NaN to some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.testing.doubles.reading import marked


@dataclass(frozen=True)
class NanModel:
    """Another model with one output, which answers NaN where a row is marked.

    Parameters
    ----------
    model : callable
        What answers otherwise.
    marker : float, default=-999.0
        What the first column holds in a marked row.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import AdditiveModel, NanModel
    >>> NanModel(AdditiveModel())(np.array([[1.0], [-999.0]]))
    array([ 1., nan])
    """

    model: Callable[[Any], Any]
    marker: float = -999.0

    def __call__(self, X: Any) -> Any:
        return np.where(marked(X, self.marker), np.nan, self.model(X))
