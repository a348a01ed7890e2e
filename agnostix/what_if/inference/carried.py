"""How many degrees of freedom an error has, from the rows that carry it."""

from __future__ import annotations

import numpy as np

from agnostix.core.typing import Floats


def carried_degrees(influences: Floats) -> Floats:
    """Degrees of freedom (n_outcomes,) of errors from influences of the units (n_units, n_outcomes).

    The variance is a sum of squares; its own spread, that of squares about their mean, gives those of the
    chi-square distribution that spreads as much (Satterthwaite). Influences of a normal sample have as many
    as there are rows, those of a label in 20 rows some 20. At least 1.
    """
    n = len(influences)
    square = np.square(influences)
    total, fourth = square.sum(0), (square * square).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = fourth / total**2 - 1.0 / n
        degrees = np.where(total > 0.0, 2.0 / np.maximum(spread, 2.0 / n / n), n - 1.0)
    return np.clip(degrees, 1.0, max(n - 1.0, 1.0))
