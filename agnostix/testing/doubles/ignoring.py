"""A double that does not look at one column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agnostix.core.typing import Floats
from agnostix.testing.doubles.interaction import interaction
from agnostix.testing.doubles.reading import number_columns


@dataclass(frozen=True)
class IgnoringModel:
    """`InteractionModel` on all columns but one.

    Parameters
    ----------
    column : int, default=1
        The place of the column that is ignored.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix.testing import IgnoringModel
    >>> IgnoringModel()(np.array([[1.0, 5.0, 2.0], [1.0, 6.0, 2.0]]))
    array([-1., -1.])
    """

    column: int = 1

    def __call__(self, X: Any) -> Floats:
        read = number_columns(X)
        kept = [column for j, column in enumerate(read) if j != self.column] or [0.0 * read[0]]
        return interaction(kept)
