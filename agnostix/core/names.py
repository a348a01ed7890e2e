"""Names of columns and labels: their texts, and the one most like a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from agnostix.exceptions import DataError


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """A sentence with the known name that is most like one, with a space before; empty if none is."""
    by_lower = {one.lower(): one for one in map(str, known)}
    close = get_close_matches(str(name).lower(), by_lower, n=1)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""


def label_texts(labels: Iterable[Any]) -> list[str]:
    """Labels as texts, in quotes where labels of several types have the same: 1 and '1'."""
    listed = list(labels)
    texts = [str(label) for label in listed]
    types: dict[str, set[type]] = {}
    for label, text in zip(listed, texts, strict=True):
        types.setdefault(text, set()).add(type(label))
    return [repr(label) if len(types[text]) > 1 else text for label, text in zip(listed, texts, strict=True)]


def label_text(label: Any, labels: Iterable[Any]) -> str:
    """One of the labels as `label_texts` has it; a whole number of a column of numbers as users state it."""
    known, text = list(labels), str(label)
    if isinstance(label, float) and not known and label.is_integer():
        return f"{label:.0f}"
    is_shared = any(type(one) is not type(label) and str(one) == text for one in known)
    return repr(label) if is_shared else text


def check_are_text(names: list[str]) -> None:
    """Refuse names that have no UTF-8, of which pandas selects no columns."""
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        broken = next(name for name in names if name.encode(errors="replace").decode() != name)
        raise DataError(
            f"X has a column {broken!r}, whose name is no valid text: half a surrogate pair is in it. Rename "
            "it: X.rename(columns=lambda name: name.encode(errors='replace').decode())."
        ) from error
