"""How a background is chosen, by name."""

from __future__ import annotations

from typing import Any

from agnostix.core.background.background import Background
from agnostix.core.background.medoids import medoids
from agnostix.core.sparse_rows import is_sparse
from agnostix.exceptions import DataError

BACKGROUNDS = ("representative", "sample", "medoids", "all")
"""Rows chosen to be as the table is together; drawn at random; the centers of clusters; all."""
BACKGROUND_SIZE = 50
"""Background rows by default."""


def choose_background(how: str, table: Any, size: int, seed: int, sample_weight: Any) -> Background:
    """Background rows of a table, at most `size` but for "all"."""
    if how == "medoids" and is_sparse(table):
        raise DataError(
            "The 'background' parameter must be 'representative', 'sample' or 'all' for sparse rows, got "
            "'medoids'. Pass X.toarray() for medoids."
        )
    if how == "all":
        return Background.whole(table, sample_weight)
    choose = {"sample": Background.sample, "medoids": medoids}.get(how, Background.representative)
    return choose(table, size, seed, sample_weight)
