"""Composites: which rule an operation has, by its layer, its kind and its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agnostix.core.names import did_you_mean
from agnostix.exceptions import DataError
from agnostix.neural.lrp.rules import (
    AlphaBeta,
    DirectRule,
    Epsilon,
    Flat,
    Gamma,
    Pass,
    Rule,
    WSquare,
    ZBox,
    ZPlus,
)

FIRST, DEFAULT = "first", "default"
CONVOLUTION, LINEAR = "convolution", "linear"
_N_NAMED = 10
"""Layers that a message lists."""


@dataclass(frozen=True)
class Place:
    """Where an operation is in the network.

    Parameters
    ----------
    kind : str
        "convolution", "linear", which matrix products with constants are too, or
        the name of a nonlinear function, for which `Pass` counts alone.
    layer : str
        Name of the innermost module that runs the operation; "" for the network.
    depth : int
        Linear operations from the input to this one, at most, itself included; 0 for
        nonlinear functions.
    is_first : bool
        Whether no linear operation comes before it; False for nonlinear functions.

    Examples
    --------
    >>> from agnostix.neural import Epsilon, Place, ZPlus
    >>> def choose(place):
    ...     return ZPlus() if place.depth < 3 else Epsilon()
    >>> choose(Place("linear", layer="fc1", depth=1, is_first=True))
    ZPlus()
    """

    kind: str
    layer: str
    depth: int
    is_first: bool


COMPOSITES: dict[str, Mapping[str, Rule]] = {
    "epsilon": {DEFAULT: Epsilon()},
    "epsilon_plus": {CONVOLUTION: ZPlus(), LINEAR: Epsilon()},
    "epsilon_plus_flat": {FIRST: Flat(), CONVOLUTION: ZPlus(), LINEAR: Epsilon()},
    "epsilon_gamma_box": {FIRST: ZBox(), CONVOLUTION: Gamma(0.25), LINEAR: Epsilon()},
    "epsilon_alpha2_beta1": {CONVOLUTION: AlphaBeta(2.0, 1.0), LINEAR: Epsilon()},
    "deep_taylor": {FIRST: ZBox(), DEFAULT: ZPlus()},
}
"""Rules by "first", the kind of operation, and "default", in this order."""
UNBOUNDED = {"deep_taylor": {FIRST: WSquare(), DEFAULT: ZPlus()}}
"""The same where the input has no bounds, as a layer's output."""


class Composite:
    """Rules of operations, and which of its keys the network has used."""

    def __init__(self, composite: Any, owner: str, is_bounded: bool = True) -> None:
        self._owner = owner
        self._function = composite if callable(composite) else None
        self._rules: Mapping[str, Rule] = {}
        if isinstance(composite, str):
            known = COMPOSITES if is_bounded else {**COMPOSITES, **UNBOUNDED}
            self._rules = known[composite]
        elif self._function is None:
            self._rules = dict(composite)
        self._is_own = not isinstance(composite, str) and self._function is None
        self._used: set[str] = set()
        self._boxes: list[ZBox] = []
        for rule in self._rules.values():
            if isinstance(rule, ZBox):
                self._add_box(rule)
        self._places: dict[Place, None] = {}

    @property
    def needs_layers(self) -> bool:
        """Whether rules may depend on the name of the layer."""
        return self._function is not None or self._is_own

    @property
    def box(self) -> ZBox | None:
        """The rule that needs a box: one that is named, or that a function has given."""
        return self._boxes[0] if self._boxes else None

    def rule_of(self, place: Place) -> Rule:
        """The rule of a linear operation; DataError if it has none, or one that does not fit."""
        self._places[place] = None
        first = (FIRST,) if place.is_first else ()
        rule = self._find(place, (place.layer, *first, place.kind, DEFAULT), is_pass=False)
        if not isinstance(rule, Rule) or isinstance(rule, Pass):
            given = "no rule" if rule is None else f"the rule {rule!r}"
            raise DataError(
                f"The 'composite' parameter of {self._owner} gives {_describe(place)} {given}. Give it one "
                f"for its layer, {place.kind!r} or 'default', such as Epsilon()."
            )
        if isinstance(rule, DirectRule) and not place.is_first:
            raise DataError(
                f"The 'composite' parameter of {self._owner} gives {_describe(place)} the rule {rule!r}, "
                "which is for operations on the input, since inputs of 0 have relevance too. Give it to "
                "'first'."
            )
        if isinstance(rule, ZBox):
            self._add_box(rule)
        return rule

    def passes(self, place: Place) -> bool:
        """Whether a nonlinear function has the rule Pass."""
        self._places[place] = None
        return isinstance(self._find(place, (place.layer, place.kind), is_pass=True), Pass)

    def _find(self, place: Place, keys: Sequence[str], is_pass: bool) -> Any:
        """The rule of the first key that has one, Pass or another; what a function gives, whatever it is."""
        if self._function is not None:
            return self._function(place)
        for key in filter(None, keys):
            rule = self._rules.get(key)
            if rule is not None and isinstance(rule, Pass) == is_pass:
                self._used.add(key)
                return rule
        return None

    def _add_box(self, rule: ZBox) -> None:
        if all(rule is not one for one in self._boxes):
            self._boxes.append(rule)
        if len({repr(one) for one in self._boxes}) > 1:
            raise DataError(
                f"The 'composite' parameter of {self._owner} has several boxes, "
                f"{', '.join(map(repr, self._boxes))}, and the input lies in one. Give all its operations "
                "the same ZBox."
            )

    def check_used(self) -> None:
        """DataError for keys that name no operation that has run."""
        idle = [key for key in self._rules if key not in self._used] if self._is_own else []
        idle = [key for key in idle if key not in (FIRST, DEFAULT, CONVOLUTION, LINEAR)]
        if not idle:
            return
        layers = list(dict.fromkeys(place.layer for place in self._places if place.layer))
        kinds = list(dict.fromkeys(place.kind for place in self._places))
        listed = ", ".join(map(repr, layers[:_N_NAMED])) + (", ..." if len(layers) > _N_NAMED else "")
        if idle[0] in kinds or idle[0] in layers:
            raise DataError(
                f"The 'composite' parameter of {self._owner} gives {idle[0]!r} the rule "
                f"{self._rules[idle[0]]!r}, and no operation there can have it. Linear operations have "
                "rules, functions of one number Pass() or none."
            )
        raise DataError(
            f"The 'composite' parameter of {self._owner} has a rule for {idle[0]!r}, which names no "
            f"operation of the network.{did_you_mean(idle[0], [*layers, *kinds])} It runs "
            f"{', '.join(map(repr, kinds))}{' in the layers ' if layers else ''}{listed}."
        )


def check_composite(composite: Any, owner: str) -> None:
    """DataError unless composite is a name, a mapping to rules or a function."""
    names = ", ".join(map(repr, COMPOSITES))
    if isinstance(composite, str):
        if composite not in COMPOSITES:
            raise DataError(
                f"The 'composite' parameter of {owner} must be one of {names}, a dict of rules, or a "
                f"function, got {composite!r}.{did_you_mean(composite, COMPOSITES)}"
            )
        return
    if isinstance(composite, Rule) or (isinstance(composite, type) and issubclass(composite, Rule)):
        raise DataError(
            f"The 'composite' parameter of {owner} is a rule, {composite!r}, and must say which operations "
            "have it: {'default': rule} for all linear ones."
        )
    if callable(composite):
        return
    if not isinstance(composite, Mapping) or not composite:
        raise DataError(
            f"The 'composite' parameter of {owner} must be one of {names}, a dict of rules, or a function, "
            f"got {composite!r}."
        )
    for key, rule in composite.items():
        if not isinstance(rule, Rule):
            raise DataError(
                f"The 'composite' parameter of {owner} must have rules as its values, such as Epsilon(), got "
                f"{rule!r} for {key!r}. They are in agnostix.neural."
            )


def _describe(place: Place) -> str:
    where = f" in layer {place.layer!r}" if place.layer else ""
    return f"the operation {place.kind!r}{where}"
