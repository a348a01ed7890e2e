"""A model that fails on the rows of `fit`: the error names the model, the rows and the cause."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from agnostix.core.files import describe_error
from agnostix.exceptions import EngineError

_CALL = "call"
"""Method of the package whose frame is the last one if a model cannot be called."""


@dataclass(frozen=True)
class NamedFailure:
    """Context that raises an EngineError in place of what a model raises; the package's errors pass."""

    # Not by contextlib, which takes a RuntimeError from a StopIteration for its own.

    model: str
    n_rows: int
    rows: str = "rows"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or _is_own(error):
            return
        counted = f"{self.n_rows} {self.rows if self.n_rows != 1 else self.rows.removesuffix('s')}"
        raise EngineError(
            f"The model {self.model} failed on {counted}: {describe_error(error).rstrip('.')}. Check that X "
            "has the columns and types that the model was trained on, and that it predicts these rows."
        ) from error


def _is_own(error: Exception) -> bool:
    """Whether the package raised an error, and so has said what to do."""
    if type(error).__module__ == "agnostix.exceptions":
        return True
    frame = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
    is_core = str(frame.f_globals.get("__name__", "")).startswith("agnostix.core.")
    return is_core and frame.f_code.co_name != _CALL
