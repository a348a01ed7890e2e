"""Shares that do not sum to what they must, in words: margins that were rounded one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agnostix.core.names import label_text
from agnostix.core.typing import Floats
from agnostix.what_if.constraints.base import Constraint, Context
from agnostix.what_if.constraints.moments import Proportion, check_blocks

_FEW = 3
"""Terms up to which an equation is read more easily than sums."""


def describe_block(constraints: Sequence[Constraint], context: Context) -> str | None:
    """That proportions of levels of one column do not sum to 1; None if they do, or are others."""
    if not all(isinstance(one, Proportion) for one in constraints):
        return None
    try:
        check_blocks(constraints, context)
    except ValueError as error:
        return str(error)
    return None


def describe_sums(
    constraints: Sequence[Constraint], factors: Floats, constant: float, targets: Floats, context: Context
) -> str | None:
    """What two sets of shares sum to that sum to the same in every row; None for other relations.

    The first share is the sum of `factors` (n_constraints - 1,) times the others, and a constant.
    """
    events = [_event(one, context) for one in constraints]
    is_plain = (np.abs(factors) == 1.0).all() and all(event is not None for event in events)
    if not is_plain or len(constraints) <= _FEW:
        return None
    if abs(constant - 1.0) <= 1e-9 and (factors < 0.0).all():
        return _sum_to_one(events, targets)
    if abs(constant) > 1e-9 or not (factors > 0.0).any():
        return None
    signs = np.r_[-1.0, factors]
    sides = [np.flatnonzero(signs == sign) for sign in (-1.0, 1.0)]
    names = [_name([events[j] for j in side]) for side in sides]
    if None in names:
        return None
    one, other = apart(*(float(targets[side].sum()) for side in sides))
    verbs = ["is" if side.size == 1 else "sum to" for side in sides]
    return f"{names[0]} {verbs[0]} {one}, and {names[1]} {verbs[1]} {other}"


def _sum_to_one(events: Sequence[dict[str, str] | None], targets: Floats) -> str | None:
    """Of shares of two tables that cover every row once."""
    tables = list(dict.fromkeys(tuple(event or ()) for event in events))
    sides = [[j for j, event in enumerate(events) if tuple(event or ()) == table] for table in tables]
    names = [_name([events[j] for j in side]) for side in sides]
    if len(tables) != 2 or None in names:
        return None
    sums = [float(targets[side].sum()) for side in sides]
    verbs = ["is" if len(side) == 1 else "sum to" for side in sides]
    total, one = apart(sum(sums), 1.0)
    return (
        f"{names[0]} {verbs[0]} {sums[0]:.6g}, and {names[1]} {verbs[1]} {sums[1]:.6g}, "
        f"together {total} and not {one}"
    )


def _event(constraint: Constraint, context: Context) -> dict[str, str] | None:
    """The columns and levels whose joint share it is; None if it is no share of all rows."""
    if not getattr(constraint, "is_share", False) or constraint.where_label:
        return None
    feature, level = constraint.named
    columns = getattr(constraint, "columns", (feature,))
    levels = level if isinstance(level, tuple) and len(columns) > 1 else (level,)
    texts = [
        label_text(one, context.sample.column(name).levels) if name in context.sample.table.columns else None
        for name, one in zip(columns, levels, strict=True)
    ]
    return None if None in texts else dict(zip(columns, map(str, texts), strict=True))


def _name(events: Sequence[dict[str, str] | None]) -> str | None:
    """One name for shares of cells of one table: by what they have in common."""
    first = events[0] or {}
    if any(list(event or ()) != list(first) for event in events):
        return None
    common = [
        f"{name} = {level}" for name, level in first.items() if all((e or {})[name] == level for e in events)
    ]
    if len(events) == 1:
        return f"the share of {', '.join(common)}"
    table = " x ".join(first)
    if len(first) == 1:
        return f"the shares of {', '.join(f'{table} = {(event or first)[table]}' for event in events)}"
    return (
        f"the shares of {', '.join(common)} in the table of {table}"
        if common
        else (f"{len(events)} shares in the table of {table}")
    )


def apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with the digits that tell them apart and one more, at least six."""
    known = next((digits for digits in range(5, 16) if f"{one:.{digits}g}" != f"{other:.{digits}g}"), 16)
    return f"{one:.{known + 1}g}", f"{other:.{known + 1}g}"
