"""What is asked about every row: which players are present, never the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.typing import Bools


@dataclass(frozen=True)
class Plan:
    """Masks that are put to every row, frozen before anything runs.

    Attributes
    ----------
    masks : ndarray of bool of shape (n_masks, n_players)
        True where the row's own values stay.
    """

    masks: Bools

    @property
    def n_masks(self) -> int:
        """Questions a row."""
        return self.masks.shape[0]


def one_hidden_at_a_time(n_players: int) -> Plan:
    """First the row as it is, then with each player hidden in turn.

    Parameters
    ----------
    n_players : int
        How many there are.

    Returns
    -------
    Plan
        Of n_players + 1 masks.
    """
    return Plan(np.vstack([np.ones(n_players, dtype=bool), ~np.eye(n_players, dtype=bool)]))
