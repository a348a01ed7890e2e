"""What the user chose, passed down in one piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """Parameters that shape every projection.

    Attributes
    ----------
    n_targets : int
        Targets of a default curve.
    quantiles : tuple of float
        Where it ends.
    confidence_level : float
        Of every interval.
    min_ess_fraction : float
        Share of the effective rows below which support is thin.
    missing : {"raise", "omit"}
        What to do with rows that lack a value of a column that is moved.
    """

    n_targets: int = 41
    quantiles: tuple[float, float] = (0.05, 0.95)
    confidence_level: float = 0.95
    min_ess_fraction: float = 0.2
    missing: Literal["raise", "omit"] = "raise"
