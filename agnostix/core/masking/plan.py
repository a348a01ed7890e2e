"""What is asked about every row: which players are present, never the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools
from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Plan:
    """Masks that are put to every row, in stages, frozen before anything runs.

    Attributes
    ----------
    stages : tuple of ndarray of bool of shape (n_masks_of_the_stage, n_players)
        True where the row's own values stay. A later stage is put only to the rows
        that an explainer has not settled by then.
    """

    stages: tuple[Bools, ...]

    def __post_init__(self) -> None:
        if len({stage.shape[1] for stage in self.stages}) != 1:
            raise DataError("A plan needs at least one stage, and all of its stages the same players.")

    @property
    def masks(self) -> Bools:
        """All of them, in order, of shape (n_masks, n_players)."""
        return np.concatenate(self.stages)

    @property
    def n_masks(self) -> int:
        """CoalitionPlan a row, over all stages."""
        return sum(stage.shape[0] for stage in self.stages)


def one_hidden_at_a_time(n_players: int) -> Plan:
    """First the row as it is, then with each player hidden in turn.

    Parameters
    ----------
    n_players : int
        How many there are.

    Returns
    -------
    Plan
        One stage of n_players + 1 masks.
    """
    return Plan((np.vstack([np.ones(n_players, dtype=bool), ~np.eye(n_players, dtype=bool)]),))
