"""One seed, drawn once."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state


def seed_of(random_state: Any) -> int:
    """Draw a seed without reading or writing the global random state.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        An int is the seed; None takes entropy from the machine.

    Returns
    -------
    int
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
