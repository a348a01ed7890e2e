"""Messages of errors and warnings checked by their facts, not by their wording."""

import re
from contextlib import AbstractContextManager

import pytest


def states(*facts: str) -> str:
    """Regular expression for a message with all facts, in any order; names and numbers match as a whole."""
    return r"(?s)\A" + "".join(f"(?=.*{_as_whole(fact)})" for fact in facts)


def refuses(error: type[Exception], *facts: str) -> AbstractContextManager[pytest.ExceptionInfo]:
    """Context in which an error with all facts in its message must be raised."""
    return pytest.raises(error, match=states(*facts))


def assert_states(text: str, *facts: str) -> None:
    """Fail unless the text has all facts."""
    assert re.search(states(*facts), text), f"{facts} expected, got: {text}"


def _as_whole(fact: str) -> str:
    """A fact that is not part of a longer word or number: 20 is not found in 120, 20.5 or -20."""
    start = r"(?<![\w.-])" if fact[0].isdigit() else r"(?<!\w)" if fact[0].isalpha() else ""
    end = r"(?!\w|\.\d)" if fact[-1].isdigit() else r"(?!\w)" if fact[-1].isalpha() else ""
    return start + re.escape(fact) + end
