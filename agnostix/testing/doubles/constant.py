"""A double that does not look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.typing import Floats


@dataclass(frozen=True)
class ConstantModel:
    """The same answer to every row.

    Parameters
    ----------
    value : float, default=0.1
        The answer; weighted means of 0.1 are not 0.1 to the bit unless care is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import ConstantModel
    >>> ConstantModel()(np.zeros((2, 3)))
    array([0.1, 0.1])
    """

    value: float = 0.1

    def __call__(self, X: Any) -> Floats:
        return np.full(len(X), self.value)
