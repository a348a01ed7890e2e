"""Weights that rules derive from those of a network, as w+, kept for all batches of rows. Imports nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

Derivation = Callable[[Any], Any]
"""Of a weight, which is written over and returned; equal functions are the same derivation."""


def positive(weight: Any) -> Any:
    """w+."""
    return weight.clamp_(min=0)


def negative(weight: Any) -> Any:
    """w-."""
    return weight.clamp_(max=0)


def size(weight: Any) -> Any:
    """|w|."""
    return weight.abs_()


def squared(weight: Any) -> Any:
    """w^2."""
    return weight.square_()


def unit(weight: Any) -> Any:
    """1 for each weight."""
    return weight.fill_(1)


@dataclass(frozen=True)
class _Derived:
    weight: Any  # held, so that no other one has its id
    version: int
    scale: Any
    result: Any

    def is_of(self, weight: Any, scale: Any) -> bool:
        """Whether it would be the same for a weight and a scale (or None)."""
        if weight._version != self.version or (scale is None) != (self.scale is None):
            return False
        return scale is None or bool(scale.equal(self.scale))


class DerivedWeights:
    """Derived weights, each computed once for a parameter of the network."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Hashable], _Derived] = {}

    def find(self, key: Hashable, weight: Any, scale: Any, derive: Callable[[], Any]) -> Any:
        """What derive makes of a parameter and a scale (or None) under a key; it is to be read alone."""
        place = id(weight), key
        known = self._known.get(place)
        if known is None or not known.is_of(weight, scale):
            known = self._known[place] = _Derived(weight, weight._version, scale, derive())
        return known.result
