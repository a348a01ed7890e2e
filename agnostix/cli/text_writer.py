"""The text of a scenario as ``--what-if`` reads it."""

from __future__ import annotations

import re

from agnostix.cli.statements import FORMS, Amount, ScenarioText, Setting, Statement, Wanted
from agnostix.cli.text_reader import quoted


def write_scenario(scenario: ScenarioText) -> str:
    """The text of a scenario, of which `parse_scenario` makes the same."""
    lead = "" if scenario.name is None else f"{_name(scenario.name)}: "
    return lead + ",".join(map(_write, scenario.statements))


def _write(one: Statement) -> str:
    """The text of one statement."""
    if one.subject == "column":
        text = _name(one.names[0])
    elif one.names or one.number is not None or one.settings or FORMS[one.subject].n_names != (0, 0):
        inside = ["prediction"] if one.of_prediction and one.subject != "prediction" else []
        inside += [_name(name) for name in one.names]
        inside += [] if one.number is None else [_number(one.number)]
        inside += [f"{name}={_write_setting(value)}" for name, value in one.settings]
        text = f"{one.subject}({','.join(inside)})"
    else:
        text = one.subject
    brackets = [] if one.output is None else [_name(one.output)]
    brackets += [f"{_name(name)}={_write_wanted(wanted)}" for name, wanted in one.where]
    text += f"[{','.join(brackets)}]" if brackets else ""
    if one.shares:
        shares = ";".join(f"{_name(level)}:{_write_amount(amount)}" for level, amount in one.shares)
        return f"{text}{one.shares[0][1].relation}{shares}"
    return text if one.amount is None else f"{text}{one.amount.relation}{_write_amount(one.amount)}"


def _write_amount(amount: Amount) -> str:
    text = _number(amount.low)
    if amount.tolerance is not None:
        return f"{text}+-{_number(amount.tolerance)}"
    return text if amount.low == amount.high else f"{text}..{_number(amount.high)}"


def _write_setting(value: Setting) -> str:
    return _number(value) if isinstance(value, float) else ";".join(map(_name, value))


def _write_wanted(wanted: Wanted) -> str:
    if isinstance(wanted[0], str):
        return ";".join(map(_name, wanted))
    return "..".join(_number(end) for end in wanted)


def _number(value: float) -> str:
    """A number that is read as the same, without a point if it is whole."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(value)


def _name(name: str) -> str:
    """A name as it is, or in double quotes where it could be read as something else."""
    is_plain = re.fullmatch(r"[^\W\d][\w ]*\w|[^\W\d]", name) and name not in FORMS
    return name if is_plain else quoted(name)
