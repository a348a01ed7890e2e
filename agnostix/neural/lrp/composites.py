"""Which rule an operation has: by its layer, its kind and its depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agnostix.neural.lrp.rules import Epsilon, Rule


@dataclass(frozen=True)
class Place:
    """Where an operation is in the network."""

    kind: str  # "convolution", "linear", or the name of a nonlinear function
    layer: str  # name of the innermost module that runs it, "" for the network's own
    depth: int  # linear operations between the input and this one, at most
    is_first: bool  # no linear operation comes before it


COMPOSITES: dict[str, Mapping[str, Rule]] = {
    "epsilon": {"convolution": Epsilon(), "linear": Epsilon()},
}


def rule_of(composite: Any, place: Place) -> Rule | None:
    """The rule of an operation; None for none."""
    if isinstance(composite, Callable):
        return composite(place)
    named = COMPOSITES[composite] if isinstance(composite, str) else composite
    keys = (place.layer, "first" if place.is_first else "", place.kind)
    return next((named[key] for key in keys if key and key in named), None)
