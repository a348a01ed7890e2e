from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnostix.cli.constraints import ConstraintSyntaxError, parse_constraints
from tests.messages import refuses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age=50", {"age": 50.0}),
        ("age=50,hours=35..40,sex=Female:0.5", {"age": 50.0, "hours": (35.0, 40.0), "sex": {"Female": 0.5}}),
        ("sex=Female:0.5;Male:0.5", {"sex": {"Female": 0.5, "Male": 0.5}}),
        ("sex=Female:0.4..0.6", {"sex": {"Female": (0.4, 0.6)}}),
        ("sex=Female:50%", {"sex": {"Female": 0.5}}),
        ("sex=Female:40%..60%;Male:12.5%", {"sex": {"Female": (0.4, 0.6), "Male": 0.125}}),
        ("sex=Female:0;Male:1", {"sex": {"Female": 0.0, "Male": 1.0}}),
        ("  age =  50 , sex = Not listed : 50 % ; Male : 0.1 .. 0.2 ",
         {"age": 50.0, "sex": {"Not listed": 0.5, "Male": (0.1, 0.2)}}),
        ("t=-5", {"t": -5.0}),
        ("t=-5..-2.5", {"t": (-5.0, -2.5)}),
        ("t=-1e3..+2.5E-1", {"t": (-1000.0, 0.25)}),
        ("t=.5..1.", {"t": (0.5, 1.0)}),
        ("t=1...5e1", {"t": (1.0, 5.0)}),
        ("t=3..3", {"t": 3.0}),
        ("hours-per-week=40", {"hours-per-week": 40.0}),
        ("band=18.5-25:0.3;30 and over:10%", {"band": {"18.5-25": 0.3, "30 and over": 0.1}}),
        ("grade=1:0.5;-2:0.25", {"grade": {"1": 0.5, "-2": 0.25}}),
        ('"pay, net"=3', {"pay, net": 3.0}),
        ('income="<=50K":0.5', {"income": {"<=50K": 0.5}}),
        ('"a:b;c=d"="x""y":0.5', {"a:b;c=d": {'x"y': 0.5}}),
        ('" padded "=1', {" padded ": 1.0}),
    ],
)  # fmt: skip
def test_parse_constraints_reads(text: str, expected: dict) -> None:
    assert parse_constraints(text) == expected


QUOTES = ", = : ; must be in double quotes"
ERRORS = [
    ("", 0, ["column's name is expected"]),
    ("age", 3, ["'='", "after the column's name 'age'"]),
    ("age:5", 3, ["'='", "after the column's name 'age'", QUOTES]),
    ("=5", 0, ["column's name is expected"]),
    ("age=", 4, ["a number, or a level and its share", "after 'age='"]),
    ("age==5", 4, ["a number, or a level and its share", "after 'age='"]),
    ("age=fifty", 4, ["number", "after 'age='", "got 'fifty'", "level", "age=fifty:0.5"]),
    ("age=nan", 4, ["number", "after 'age='", "got 'nan'"]),
    ('sex="F"', 4, ["number", "after 'sex='", "got 'F'", "level", 'sex="F":0.5']),
    ("age=50years", 6, ["','", "after a number"]),
    ("age=5 hours=4", 6, ["','", "after a number"]),
    ("age=1e999", 4, ["1e999", "too large"]),
    ("age=50%", 4, ["percent", "share of a level", "sex=Female:50%"]),
    ("age=40..35", 4, ["range", "smaller bound comes first"]),
    ("age=40..", 8, ["a number is expected"]),
    ("age=1,", 6, ["column's name is expected"]),
    ("age=1,,b=2", 6, ["column's name is expected"]),
    ("age=1;b=2", 5, ["','", "before the next column", "';'", "before the next level", QUOTES]),
    ("age=1,age=2", 6, ["column 'age'", "twice", "sex=Female:0.5;Male:0.5"]),
    ("sex=F:", 6, ["share between 0 and 1"]),
    ("sex=F:half", 6, ["share between 0 and 1"]),
    ("sex=F:60", 6, ["share lies between 0 and 1", "60%"]),
    ("sex=F:-0.1", 6, ["share lies between 0 and 1"]),
    ("sex=F:120%", 6, ["share lies between 0 and 1"]),
    ("sex=F:40%..0.6", 6, ["percent", "both alike"]),
    ("sex=F:0.6..0.4", 6, ["range", "smaller bound comes first"]),
    ("sex=F:0.5;", 10, ["level's name is expected"]),
    ("sex=F:0.5;F:0.5", 10, ["level 'F' of 'sex'", "twice"]),
    ("sex=F:0.5;M", 11, ["':'", "share", "after the level's name 'M'"]),
    ("income=<=50K:0.5", 8, ["':'", "share", "after the level's name", QUOTES]),
    ('"age=5', 0, ["double quote", "never closed"]),
    ('""=5', 0, ["between the double quotes", "empty"]),
    ('a"b"=5', 1, ["double quote", "whole name"]),
]


@pytest.mark.parametrize(("text", "position", "facts"), ERRORS)
def test_constraint_syntax_error_points_to_position(text: str, position: int, facts: list[str]) -> None:
    with refuses(ConstraintSyntaxError, "--what-if", *facts) as caught:
        parse_constraints(text)
    _, shown, caret = str(caught.value).split("\n")
    assert shown == f"    {text}"
    assert caret == f"    {' ' * position}^"
    assert caught.value.position == position


def test_constraint_syntax_error_message_lines() -> None:
    with refuses(ValueError, "after 'hours='", "got 'long'", "hours=long:0.5\n") as caught:
        parse_constraints("age=50,\thours=long")
    assert str(caught.value).endswith("\n    age=50, hours=long\n                  ^")  # a tab is a space


_names = st.text(min_size=1, max_size=8)
_numbers = st.floats(-1e9, 1e9).map(lambda value: value + 0.0)
_shares = st.floats(0, 1)


def _bounds(values: st.SearchStrategy) -> st.SearchStrategy:
    pairs = st.lists(values, min_size=2, max_size=2, unique=True).map(lambda pair: tuple(sorted(pair)))
    return values | pairs


_constraints = st.dictionaries(
    _names,
    _bounds(_numbers) | st.dictionaries(_names, _bounds(_shares), min_size=1, max_size=3),
    min_size=1,
    max_size=3,
)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _written(target) -> str:
    if isinstance(target, dict):
        return ";".join(f"{_quoted(level)}:{_written(share)}" for level, share in target.items())
    return "..".join(map(repr, target)) if isinstance(target, tuple) else repr(target)


@given(_constraints)
def test_parse_constraints_round_trip(constraints: dict) -> None:
    text = ",".join(f"{_quoted(column)}={_written(target)}" for column, target in constraints.items())
    assert parse_constraints(text) == constraints


@given(st.text(alphabet='ab=:;,." %0123456789-+e\t', max_size=30))
def test_parse_constraints_any_text(text: str) -> None:
    try:
        outcome = len(parse_constraints(text)) > 0
    except ConstraintSyntaxError as error:
        outcome = 0 <= error.position <= len(text)
    assert outcome
