"""Which of the model's outputs are explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.explanation import Detail
from agnostix.core.typing import Codes, Floats, Numbers

MAX_OUTPUTS = 20
"""Outputs up to which all are explained by default; beyond, the predicted one."""


@dataclass(frozen=True)
class OutputSelection:
    """Outputs to explain: the same in every row, or the one that each row's prediction is largest in.

    Attributes
    ----------
    all_names : tuple of str
        Names of all of the model's outputs.
    places : tuple of int or None
        Which of them; None for each row's predicted one.
    """

    all_names: tuple[str, ...]
    places: tuple[int, ...] | None

    @classmethod
    def from_parameter(cls, outputs: Any, all_names: Sequence[str]) -> OutputSelection:
        """Read the parameter `outputs`: None, "predicted", a name, an index or several; else ValueError."""
        names = tuple(all_names)
        if outputs is None:
            return cls(names, None if len(names) > MAX_OUTPUTS else tuple(range(len(names))))
        if isinstance(outputs, str) and outputs == "predicted" and outputs not in names:
            return cls(names, None)
        listed = [outputs] if isinstance(outputs, str) or not np.iterable(outputs) else outputs
        places = tuple(_find_output(one, names) for one in listed)
        if not places or len(set(places)) < len(places):
            raise ValueError(
                f"The 'outputs' parameter must name at least one output, and none twice, got {outputs!r}."
            )
        return cls(names, places)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the selected outputs; "predicted" where it is another for each row."""
        return ("predicted",) if self.places is None else tuple(self.all_names[j] for j in self.places)

    @property
    def n_selected(self) -> int:
        """Outputs that are explained for each row."""
        return 1 if self.places is None else len(self.places)

    def indices(self, predictions: Floats) -> Codes:
        """Places (n_rows, n_selected) of the outputs, given predictions (n_rows, n_outputs)."""
        if self.places is None:
            return predictions.argmax(axis=1)[:, None]
        return np.tile(np.array(self.places, dtype=np.intp), (predictions.shape[0], 1))

    def pick(self, array: Numbers, predictions: Floats) -> Numbers:
        """From an array (n_rows, ..., n_outputs) to (n_rows, ..., n_selected)."""
        if self.places == tuple(range(array.shape[-1])):
            return array
        indices = self.indices(predictions)
        between = (1,) * (array.ndim - 2)
        return np.take_along_axis(array, indices.reshape(len(indices), *between, -1), axis=-1)

    def details(self, predictions: Floats) -> dict[str, Detail]:
        """Names of the predicted outputs (n_rows,), where each row has its own."""
        if self.places is not None:
            return {}
        predicted = np.array([self.all_names[j] for j in predictions.argmax(axis=1)])
        return {"predicted": Detail(predicted, ("row",))}


def _find_output(one: Any, names: tuple[str, ...]) -> int:
    one = one.item() if isinstance(one, np.ndarray) and one.ndim == 0 else one
    if isinstance(one, int | np.integer) and not isinstance(one, bool) and 0 <= one < len(names):
        return int(one)
    if str(one) in names:
        return names.index(str(one))
    raise ValueError(f"There is no output {one!r}. The outputs: {', '.join(names)}.")
