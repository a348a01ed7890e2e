"""Words of a text, and the text without some of them, character by character."""

from __future__ import annotations


def is_letter(character: str) -> bool:
    """What belongs to words where what separates them is neither letter, digit nor underscore."""
    return character.isalnum() or character == "_"


def words_of(text: str) -> list[tuple[int, int, str]]:
    """Start, end and letters of each word."""
    found, start = [], None
    for place, character in enumerate(text + " "):
        if is_letter(character) and start is None:
            start = place
        elif not is_letter(character) and start is not None:
            found.append((start, place, text[start:place]))
            start = None
    return found


def features_of(text: str, bow: bool) -> list[list[tuple[int, int]]]:
    """The places of each player, in the order in which players first occur."""
    if not bow:
        return [[(start, stop)] for start, stop, _ in words_of(text)]
    places: dict[str, list[tuple[int, int]]] = {}
    for start, stop, word in words_of(text):
        places.setdefault(word, []).append((start, stop))
    return list(places.values())


def hidden(text: str, mask: list[bool], bow: bool, stand_in: str) -> str:
    """The text with a word put wherever a player's was, from the end, so that places stay."""
    gone = [place for j, places in enumerate(features_of(text, bow)) if not mask[j] for place in places]
    for start, stop in sorted(gone, reverse=True):
        text = text[:start] + stand_in + text[stop:]
    return text
