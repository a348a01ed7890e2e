"""A way to grow a tree."""

from __future__ import annotations

from dataclasses import dataclass

from agnostix.surrogate_tree.growth import Growth
from agnostix.surrogate_tree.sources import Source


@dataclass(frozen=True)
class Way:
    """A way to grow a tree.

    Attributes
    ----------
    synthetic : str
        Which rows are drawn.
    growth : Growth
        How it is grown.
    source : Source
        On what.
    """

    synthetic: str
    growth: Growth
    source: Source
