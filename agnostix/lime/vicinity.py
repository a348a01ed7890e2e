"""What is near rows, whatever they are: what a kind of it must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from agnostix.core.explanation import Detail
from agnostix.core.masking import Features
from agnostix.core.typing import Bools
from agnostix.lime.local_fits import LocalFits
from agnostix.lime.near_rows import SurrogateSpec

Evaluate = Callable[..., tuple[Any, int]]
"""`evaluate` with the model given: from a source and a reduction to results and model rows."""


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

    def present(self, rows: Any) -> Bools:
        """Features that each row has, (n_rows, n_features)."""

    def fit(
        self, evaluate: Evaluate, spec: SurrogateSpec, rows: Any
    ) -> tuple[LocalFits, dict[str, Detail], int]:
        """The fits near rows, what else is known of the rows, and the model rows that it took."""
