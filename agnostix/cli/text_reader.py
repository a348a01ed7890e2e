"""Reading a line of text from left to right, and errors that point to a place in it."""

from __future__ import annotations

import re
from typing import NoReturn

from agnostix.core.files import one_line

NUMBER = r"(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_SIGNED = re.compile(rf"\s*([-+]?{NUMBER})\s*(%?)\s*")
SPECIAL = ',=:;"'
QUOTES = "; a name that contains one of , = : ; [ must be in double quotes"


class ConstraintSyntaxError(ValueError):
    """A scenario with a syntax error at `position` of its text, which the message points to."""

    def __init__(self, message: str, text: str, position: int) -> None:
        # A tab or newline would move the caret away from the character that it points to.
        line = re.sub(r"\s", " ", text)
        super().__init__(f"--what-if: {one_line(message)}\n    {line}\n    {' ' * position}^")
        self.position = position


class TextReader:
    """A text and a place in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def number(self, expected: str) -> tuple[str, bool]:
        """The text of a number, and whether a percent sign follows it."""
        start = self.skip_spaces()
        match = _SIGNED.match(self.text, self.at)
        if not match:
            self.fail(expected, start)
        number, percent = match.groups()
        if abs(float(number)) == float("inf"):
            self.fail(f"the number {number} is too large", start)
        self.at = match.end()
        return number, bool(percent)

    def name(self, expected: str, special: str = SPECIAL) -> str:
        """A name up to a special character, or in double quotes."""
        start = self.skip_spaces()
        if self.peek() == '"':
            return self._quoted()
        while not self.at_end() and self.peek() not in special:
            self.at += 1
        if self.peek() == '"':
            self.fail("a double quote may only enclose a whole name", self.at)
        name = self.text[start : self.at].strip()
        if not name:
            self.fail(expected, self.at)
        return name

    def _quoted(self) -> str:
        match = re.compile(r'"((?:[^"]|"")*)"').match(self.text, self.at)
        if not match:
            self.fail("this double quote is never closed", self.at)
        if not match[1]:
            self.fail("the name between the double quotes is empty", self.at)
        self.at = match.end()
        self.skip_spaces()
        return match[1].replace('""', '"')

    def expect(self, character: str, message: str) -> None:
        """Pass a character that must come next."""
        self.skip_spaces()
        if not self.take(character):
            self.fail(message if self.at_end() else message + QUOTES, self.at)

    def take(self, characters: str) -> bool:
        """Pass these characters, if they come next."""
        if not self.text.startswith(characters, self.at):
            return False
        self.at += len(characters)
        return True

    def peek(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.at : self.at + 1]

    def at_end(self) -> bool:
        """Whether all is read."""
        return self.at >= len(self.text)

    def skip_spaces(self) -> int:
        """Pass spaces; the place after them."""
        while self.peek().isspace():
            self.at += 1
        return self.at

    def fail(self, message: str, position: int) -> NoReturn:
        """Raise the error that points to a position."""
        raise ConstraintSyntaxError(message, self.text, position)


def quoted(name: str) -> str:
    """A name in double quotes, as `TextReader.name` reads it."""
    return '"' + name.replace('"', '""') + '"'
