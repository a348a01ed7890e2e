"""What is near rows, whatever they are: what a kind of it must do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agnostix.core.masking import Features
from agnostix.core.typing import Bools, Floats
from agnostix.lime.near_rows import Recipe
from agnostix.lime.row_fits import RowFits

Evaluate = Callable[..., tuple[Any, int]]
"""`evaluate` with the model given: from a source and a reduction to results and model rows."""


@dataclass(frozen=True)
class Found:
    """Surrogates near rows.

    Attributes
    ----------
    answers : ndarray of shape (n_rows, n_outputs)
        The model's, to the rows themselves.
    fits : RowFits
        The surrogates.
    present : ndarray of bool of shape (n_rows, n_features)
        Features that each row has.
    extras : dict
        What else is told of the rows.
    n_model_rows : int
        Rows that the model was asked about.
    """

    answers: Floats
    fits: RowFits
    present: Bools
    extras: dict[str, Any]
    n_model_rows: int


class Vicinity(Protocol):
    """Rows near rows, and the surrogates that are fitted to them."""

    @property
    def n_shared(self) -> int:
        """Model rows that were asked about once, for all rows."""

    def read(self, X: Any) -> Any:
        """Rows of the kind that was seen in fit; DataError where they are not."""

    def data(self, rows: Any) -> Any:
        """The rows as an Explanation holds them."""

    def features_of(self, rows: Any) -> Features:
        """Their features."""

    def cost(self, rows: Any) -> int:
        """Model rows that fitting near them takes at most."""

    def found(self, evaluate: Evaluate, recipe: Recipe, rows: Any) -> Found:
        """Fit near each of them."""
