"""What rules of relevance for all kinds of operations share. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agnostix.neural.lrp.composites import Composite, Place
from agnostix.neural.lrp.conservation import Account, Conservation
from agnostix.neural.lrp.direct import DirectOperations
from agnostix.neural.lrp.rules import Rule
from agnostix.neural.operations.derived import DerivedWeights
from agnostix.neural.operations.kept import Kept
from agnostix.neural.operations.linear import LinearOperation
from agnostix.neural.operations.mode import OperationMode


@dataclass
class Note:
    """What a node of the graph is, for operations that come after it."""

    name: str
    is_elementwise: bool = False
    operation: LinearOperation | None = None
    rule: Rule | None = None
    place: Place | None = None
    operand: Kept | None = None
    """Of a function of one number."""
    passed: list[Any] = field(default_factory=list)
    """Gradients of its input, of operations that are merged into it and came after the input had changed."""


class RelevanceRules(OperationMode):
    """Base of the rules of each kind of operation."""

    def __init__(
        self,
        composite: Composite,
        attention: str,
        conservation: Conservation,
        direct: DirectOperations,
        derived: DerivedWeights | None = None,
        layer_of: Callable[[], str] = lambda: "",
    ) -> None:
        super().__init__()
        self._composite = composite
        self._holds_attention = attention == "cp_lrp"
        self._conservation = conservation
        self.direct = direct
        self.derived = derived or DerivedWeights()
        self._layer_of = layer_of

    def _entered(self, account: Account, output: Any) -> Any:
        """The output of an operation, noted in its account."""
        account.output = output
        return output
