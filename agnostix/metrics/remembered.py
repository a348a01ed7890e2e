"""A model that remembers its predictions of rows as they are, so that several metrics evaluate them once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from agnostix.core.models import Predictor, as_predictor
from agnostix.core.typing import Floats
from agnostix.metrics.orders import row_seeds


@dataclass(frozen=True)
class RememberingPredictor(Predictor):
    """A Predictor with the predictions (n_rows, n_outputs) of tables and pictures seen, by what they hold."""

    known: dict[bytes, Floats] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_model(cls, model: Any) -> RememberingPredictor:
        """Any model that `as_predictor` takes, nothing seen yet."""
        predictor = as_predictor(model)
        return cls(**{one.name: getattr(predictor, one.name) for one in fields(Predictor)})


def key_of_rows(rows: Any) -> bytes:
    """What rows hold, in their order."""
    return bytes(row_seeds(rows).tobytes())
