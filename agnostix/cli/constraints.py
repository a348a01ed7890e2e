"""The syntax of ``--what-if``: a scenario in one line of text.

Constraints are separated by commas: ``column=value``, ``column=low..high``, ``column=Level:proportion`` or
``column=Level:low..high``; several levels of a column are separated by semicolons, and proportions written as
0.5 or 50%. A name that contains one of ``,=:;`` is in double quotes, a double quote in it doubled.
"""

from __future__ import annotations

import re
from typing import NoReturn, TypeAlias

from agnostix.core.files import one_line

Bound: TypeAlias = float | tuple[float, float]
Constraints: TypeAlias = dict[str, Bound | dict[str, Bound]]

_NUMBER = r"[-+]?(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_AMOUNT = re.compile(rf"\s*({_NUMBER})\s*(%?)\s*")
_SPECIAL = ',=:;"'
_QUOTES = "; a name that contains one of , = : ; must be in double quotes"


class ConstraintSyntaxError(ValueError):
    """A scenario with a syntax error at `position` of its text, which the message points to."""

    def __init__(self, message: str, text: str, position: int) -> None:
        # A tab or newline would move the caret away from the character that it points to.
        line = re.sub(r"\s", " ", text)
        super().__init__(f"--what-if: {one_line(message)}\n    {line}\n    {' ' * position}^")
        self.position = position


def parse_constraints(text: str) -> Constraints:
    """Constraints by column: a number, a pair of bounds, or a dict of these by level.

    >>> parse_constraints("age=50, hours=35..40, sex=Female:0.5")
    {'age': 50.0, 'hours': (35.0, 40.0), 'sex': {'Female': 0.5}}
    >>> parse_constraints('"pay, net"=-1e3, band=25-30:40%..60%;"30:":10%')
    {'pay, net': -1000.0, 'band': {'25-30': (0.4, 0.6), '30:': 0.1}}
    """
    return _Parser(text).scenario()


class _Parser:
    """A recursive-descent parser of one scenario."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def scenario(self) -> Constraints:
        constraints: Constraints = {}
        while True:
            start = self._skip_spaces()
            column = self._name("a column's name is expected")
            if column in constraints:
                self._fail(
                    f"the column {column!r} is stated twice; several levels of one column are joined "
                    "by ';', as in sex=Female:0.5;Male:0.5",
                    start,
                )
            self._expect("=", f"'=' is expected after the column's name {column!r}")
            constraints[column] = self._value(column)
            if self._at_end():
                return constraints
            self._expect(",", "',' is expected before the next column, ';' before the next level")

    def _value(self, column: str) -> Bound | dict[str, Bound]:
        start = self._skip_spaces()
        quoted = self._peek() == '"'
        name = self._name(f"a number, or a level and its share, is expected after '{column}='")
        if self._peek() == ":":
            self.at = start
            return self._shares(column)
        is_number = not quoted and _AMOUNT.match(name)
        if self._peek() == "=" and not is_number:
            self._fail(f"':' and a share are expected after the level's name{_QUOTES}", self.at)
        if not is_number:
            self._fail(
                f"a number is expected after '{column}=', got {name!r}; for a level, state its share, "
                f"as in {column}={self.text[start : self.at].strip()}:0.5",
                start,
            )
        self.at = start
        return self._bound(share=False)

    def _shares(self, column: str) -> dict[str, Bound]:
        shares: dict[str, Bound] = {}
        while True:
            start = self._skip_spaces()
            level = self._name("a level's name is expected")
            if level in shares:
                self._fail(f"the level {level!r} of {column!r} is stated twice", start)
            self._expect(":", f"':' and a share are expected after the level's name {level!r}")
            shares[level] = self._bound(share=True)
            if self._peek() != ";":
                return shares
            self.at += 1

    def _bound(self, *, share: bool) -> Bound:
        start = self._skip_spaces()
        low, in_percent = self._amount(share)
        if not self.text.startswith("..", self.at):
            return low
        self.at += 2
        high, high_in_percent = self._amount(share)
        if in_percent != high_in_percent:
            self._fail("one bound is in percent and the other is not; write both alike", start)
        if low > high:
            self._fail("the range runs downwards; the smaller bound comes first", start)
        return (low, high) if low < high else low

    def _amount(self, share: bool) -> tuple[float, bool]:
        start = self._skip_spaces()
        match = _AMOUNT.match(self.text, self.at)
        if not match:
            self._fail("a share between 0 and 1 is expected" if share else "a number is expected", start)
        number, percent = match.groups()
        value = float(number) / 100 if percent else float(number)
        if abs(value) == float("inf"):
            self._fail(f"the number {number} is too large", start)
        if percent and not share:
            self._fail("percent are for the share of a level, as in sex=Female:50%", start)
        if share and not 0 <= value <= 1:
            hint = f"; for percent write {number}%" if not percent and 1 < value <= 100 else ""
            self._fail(f"a share lies between 0 and 1{hint}", start)
        self.at = match.end()
        self._end_of_number()
        return value, bool(percent)

    def _end_of_number(self) -> None:
        """Refuse what trails a number, as the letters in ``50years``."""
        if not (self._at_end() or self._peek() in ",;" or self.text.startswith("..", self.at)):
            self._fail("',' is expected after a number", self.at)

    def _name(self, expected: str) -> str:
        start = self._skip_spaces()
        if self._peek() == '"':
            return self._quoted()
        while not self._at_end() and self._peek() not in _SPECIAL:
            self.at += 1
        if self._peek() == '"':
            self._fail("a double quote may only enclose a whole name", self.at)
        name = self.text[start : self.at].strip()
        if not name:
            self._fail(expected, self.at)
        return name

    def _quoted(self) -> str:
        match = re.compile(r'"((?:[^"]|"")*)"').match(self.text, self.at)
        if not match:
            self._fail("this double quote is never closed", self.at)
        if not match[1]:
            self._fail("the name between the double quotes is empty", self.at)
        self.at = match.end()
        self._skip_spaces()
        return match[1].replace('""', '"')

    def _expect(self, character: str, message: str) -> None:
        self._skip_spaces()
        if self._peek() != character:
            self._fail(message if self._at_end() else message + _QUOTES, self.at)
        self.at += 1

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _at_end(self) -> bool:
        return self.at >= len(self.text)

    def _skip_spaces(self) -> int:
        while self._peek().isspace():
            self.at += 1
        return self.at

    def _fail(self, message: str, position: int) -> NoReturn:
        raise ConstraintSyntaxError(message, self.text, position)
