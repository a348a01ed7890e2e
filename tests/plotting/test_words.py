"""Words in pictures."""

from __future__ import annotations

import pytest

from agnostix.plotting.words import wrap_lines


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("predicted probability of True, in log-odds", 40, "predicted probability of True, in\nlog-odds"),
        ("hours", 40, "hours"),
        ("a b c", 4, "a b\nc"),
    ],
)
def test_wrap_lines_breaks_between_words(text: str, width: int, lines: str) -> None:
    assert wrap_lines(text, width) == lines


def test_wrap_lines_shortens_long_label() -> None:
    assert wrap_lines("one two three four", 7) == "one two\nthree …"
