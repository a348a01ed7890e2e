"""Calls that are refused, and work as the message advises."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from agnostix.exceptions import DataError
from tests.messages import states

LEFT_OUT = object()
"""An argument that is not passed."""


@dataclass(frozen=True)
class Case:
    """A call that is refused with some arguments, and works with those that the message advises."""

    call: Callable[..., Any]
    given: dict[str, Any]
    facts: tuple[str, ...]
    remedy: str = ""  # as the message has it: an expression for the argument `into`, or keyword arguments
    into: str = ""
    then: dict[str, Any] = field(default_factory=dict)  # arguments that the message has no code for
    names: dict[str, Any] = field(default_factory=dict)  # in the remedy
    error: type[Exception] = DataError
    expected: Any = None

    def refuse(self) -> None:
        """Fail unless the arguments are refused with all facts and the remedy."""
        facts = states(*self.facts, *([self.remedy] if self.remedy else []))
        is_warning = issubclass(self.error, Warning)
        with pytest.warns(self.error, match=facts) if is_warning else pytest.raises(self.error, match=facts):
            self.call(**self.given)

    def follow(self) -> Any:
        """What the call gives with the remedy."""
        names = {"np": np, "pandas": pd, "polars": pl, "copy": copy} | self.given | self.names
        if self.into:
            changes = {self.into: eval(self.remedy, names)} | self.then
        else:
            changes = eval(f"dict({self.remedy})", names) | self.then
        arguments = self.given | changes
        return self.call(**{name: value for name, value in arguments.items() if value is not LEFT_OUT})


def check(case: Case, atol: float = 1e-9) -> None:
    """Fail unless the call is refused, and gives with the remedy what is expected."""
    case.refuse()
    result = case.follow()
    if case.expected is not None:
        expected = case.expected() if callable(case.expected) else case.expected
        np.testing.assert_allclose(np.asarray(result, dtype=float), expected, rtol=1e-6, atol=atol)


def on(cases: dict[str, Case]) -> pytest.MarkDecorator:
    """A test of each case, by name."""
    return pytest.mark.parametrize("case", cases.values(), ids=cases)
