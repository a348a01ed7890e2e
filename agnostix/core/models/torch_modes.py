"""The modes that torch modules are in while they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class _Modes:
    """Modules that are being asked, and what mode each was found in.

    Threads may ask a module at once, or two that share parts: the last one puts the mode back.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: dict[int, bool] = {}
        self._n_askers: dict[int, int] = {}

    def enter(self, module: Any) -> list[Any]:
        """Remember each part's mode, unless somebody asks it already."""
        with self._lock:
            parts = list(module.modules())
            for part in parts:
                self._found.setdefault(id(part), part.training)
                self._n_askers[id(part)] = self._n_askers.get(id(part), 0) + 1
        return parts

    def leave(self, parts: list[Any]) -> None:
        """Put back the modes of parts that nobody asks any more."""
        with self._lock:
            for part in parts:
                self._n_askers[id(part)] -= 1
                if self._n_askers[id(part)] == 0:
                    del self._n_askers[id(part)]
                    part.training = self._found.pop(id(part))


_MODES = _Modes()
"""Modules belong to whoever holds them, so that who asks one is known here alone; empty at rest."""


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Evaluation mode, and every part's own mode once nobody asks it any more.

    Parameters
    ----------
    module : torch.nn.Module
        Not changed otherwise.
    """
    parts = _MODES.enter(module)
    try:
        module.eval()
        yield
    finally:
        _MODES.leave(parts)
