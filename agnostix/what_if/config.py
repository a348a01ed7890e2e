"""Parameters that every projection of one explainer shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Missing = Literal["warn", "omit", "raise"]
"""What to do where a column that is shifted has missing values."""


@dataclass(frozen=True)
class ProjectionConfig:
    """Parameters that shape every projection."""

    n_targets: int = 41  # targets of a default curve
    quantiles: tuple[float, float] = (0.05, 0.95)  # where it ends
    confidence_level: float = 0.95  # of every interval
    min_ess_fraction: float = 0.2  # share of the effective rows below which support is thin
    missing: Missing = "warn"
