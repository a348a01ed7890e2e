"""The scenarios of a report: how they may be stated, and their results or the nearest that are reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from agnostix.core.explanation import Scenario
from agnostix.core.frames import is_frame
from agnostix.exceptions import DataError, InfeasibleTargetError
from agnostix.what_if import EntropicProjection
from agnostix.what_if.constraints import Constraint
from agnostix.what_if.constraints.short_forms import read_statement
from agnostix.what_if.table import Table


@dataclass(frozen=True)
class StatedScenario:
    """A scenario as it was stated, with its name if it has one."""

    stated: Any  # what `what_if` takes
    name: str | None = None


@dataclass(frozen=True)
class ScenarioResult:
    """A scenario and its result, or why no reweighting reaches it."""

    constraints: tuple[Constraint, ...]
    scenario: Scenario | None
    name: str | None = None
    problem: str | None = None  # why it is not reached
    nearest: ScenarioResult | None = None  # the nearest that is
    conflict: tuple[str, ...] = ()  # what cannot be met together, in words
    is_computed: bool = False  # whether it is the nearest of another one


def read_scenarios(what_if: Any, columns: Collection[str]) -> list[StatedScenario]:
    """Scenarios as `WhatIfReport` takes them, by their names if they have some.

    A mapping with a column among its keys is one scenario, another one has scenarios by name. A list with a
    constraint in it is one scenario, another one has several.
    """
    if isinstance(what_if, Constraint) or _is_table(what_if):
        return [StatedScenario(what_if)]
    if isinstance(what_if, Mapping):
        return _from_mapping(what_if, columns)
    try:
        listed = [] if isinstance(what_if, str) else list(what_if)
    except TypeError:
        listed = None
    if listed is None or isinstance(what_if, str):
        raise DataError(
            "what_if must be a scenario, such as {'age': 50}, a list of scenarios, or scenarios by name, "
            f"such as {{'recession': {{'age': 50}}}}; got {what_if!r}."
        )
    if any(isinstance(one, Constraint) for one in listed):
        return [StatedScenario(listed)]
    return [scenario for one in listed for scenario in read_scenarios(one, columns)]


def _from_mapping(what_if: Mapping[Any, Any], columns: Collection[str]) -> list[StatedScenario]:
    if not what_if or any(str(key) in columns for key in what_if):
        return [StatedScenario(what_if)]
    named = [key for key, value in what_if.items() if _is_scenario(value)]
    if len(named) < len(what_if):
        return [StatedScenario(what_if)]  # of an unknown column, which `what_if` names
    scenarios = [(str(name), read_scenarios(one, columns)) for name, one in what_if.items()]
    for name, several in scenarios:
        if len(several) != 1 or several[0].name is not None:
            raise DataError(f"The scenario {name!r} must be one scenario, got {what_if[name]!r}.")
    return [StatedScenario(one.stated, name) for name, (one,) in scenarios]


def _is_scenario(value: Any) -> bool:
    """Whether something stands for a scenario rather than for an average."""
    is_list = isinstance(value, list | tuple) and any(isinstance(one, Constraint | Mapping) for one in value)
    return is_list or isinstance(value, Mapping | Constraint) or _is_table(value)


def _is_table(value: Any) -> bool:
    """Whether it is a table or its averages."""
    return is_frame(value) or isinstance(value, pd.Series)


def constraints_of(table: Table, constraints: Any, **outcome: Any) -> tuple[Constraint, ...]:
    """The constraints that arguments of `what_if` make about a table's columns."""
    return tuple(item.constraint for item in read_statement(table, constraints, **outcome).items)


def solve_scenario(projection: EntropicProjection, one: StatedScenario) -> ScenarioResult:
    """Its result or, if no reweighting reaches it, why and the nearest that one does."""
    constraints = constraints_of(projection.table_, one.stated)
    try:
        return ScenarioResult(constraints, projection.what_if(one.stated), one.name)
    except InfeasibleTargetError as error:
        nearest = _solve_nearest(projection, error)
        return ScenarioResult(constraints, None, one.name, error.reason, nearest, error.conflict)


def _solve_nearest(projection: EntropicProjection, error: InfeasibleTargetError) -> ScenarioResult | None:
    if not error.nearest:
        return None
    stated = {name: error.nearest.get(name) for name in ("constraints", "prediction", "error_rate")}
    constraints = constraints_of(projection.table_, **stated)
    try:
        return ScenarioResult(constraints, projection.what_if(**error.nearest), is_computed=True)
    except InfeasibleTargetError:
        return None
