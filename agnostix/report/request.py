"""What a report is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes
    ----------
    model, X, y, sample_weight : object
        As for `EntropicProjection`.
    what_if : sequence of mapping
        Scenarios.
    by : str or None
        A column whose groups get a curve each.
    output : str or None
        Which output the report is about.
    title : str or None
        Heading of the page.
    confidence_level : float
        Of every interval.
    rows : object
        Single rows to explain, as for `WhatIfReport`.
    explainers : object
        What explains them, as for `WhatIfReport`.
    random_state : int, RandomState, Generator or None
        Of the explainer that is used by default.
    mimic : object
        The tree whose rules are told, as for `WhatIfReport`.
    """

    model: Any
    X: Any
    y: Any = None
    sample_weight: Any = None
    what_if: Sequence[Mapping[str, Any]] = ()
    by: str | None = None
    output: str | None = None
    title: str | None = None
    confidence_level: float = 0.95
    rows: Any = None
    explainers: Any = None
    random_state: Any = 0
    mimic: Any = None
