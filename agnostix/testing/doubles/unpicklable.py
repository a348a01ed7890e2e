"""A double that stays in its process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True)
class UnpicklableModel:
    """Another model, which cannot be pickled, as one that holds an open connection.

    Parameters
    ----------
    model : callable
        What answers.

    Examples
    --------
    >>> import pickle
    >>> from agnostix.testing import AdditiveModel, UnpicklableModel
    >>> pickle.dumps(UnpicklableModel(AdditiveModel()))
    Traceback (most recent call last):
    TypeError: this model cannot be pickled
    """

    model: Callable[[Any], Any]

    def __call__(self, X: Any) -> Any:
        return self.model(X)

    def __reduce__(self) -> NoReturn:
        raise TypeError("this model cannot be pickled")
