"""Features: columns, or groups of columns, that are hidden together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agnostix.exceptions import DataError


@dataclass(frozen=True)
class Players:
    """Columns that are hidden together, for each feature: names and positions (empty if not from a table)."""

    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]

    @classmethod
    def from_names(cls, names: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None) -> Players:
        """A feature for each group, in the place of its first column, and for each column in no group."""
        place = {name: j for j, name in enumerate(names)}
        owner: dict[str, str] = {}
        listed: dict[str, list[str]] = {}
        for group, members in (groups or {}).items():
            listed[str(group)] = _members(str(group), members, place, owner)
            owner |= dict.fromkeys(listed[str(group)], str(group))
        taken: dict[str, tuple[int, ...]] = {}
        for name in names:
            group = owner.get(name, name)
            if group not in taken:
                members = listed[group] if name in owner else [name]
                taken[group] = tuple(place[member] for member in members)
        return cls(tuple(taken), tuple(taken.values()))

    @classmethod
    def without_columns(cls, names: Iterable[str]) -> Players:
        """Features of rows that are not tables."""
        named = tuple(names)
        return cls(named, ((),) * len(named))


def _members(
    group: str, members: Sequence[str], place: Mapping[str, int], owner: Mapping[str, str]
) -> list[str]:
    """Columns of a group as text, checked."""
    if isinstance(members, str) or not hasattr(members, "__len__") or len(members) == 0:
        raise DataError(f"The group {group!r} of feature_groups must be a list of columns, got {members!r}.")
    columns = [str(member) for member in members]
    for j, member in enumerate(columns):
        if member in columns[:j]:
            raise DataError(f"The group {group!r} of feature_groups names the column {member!r} twice.")
        if member not in place:
            raise DataError(
                f"The group {group!r} of feature_groups names the column {member!r}, which is not there. "
                f"The columns: {', '.join(place)}."
            )
        if member in owner:
            raise DataError(
                f"The column {member!r} is in two groups of feature_groups, {owner[member]!r} and {group!r}."
            )
    if group in place and group not in columns:
        raise DataError(f"The group {group!r} of feature_groups has the name of a column that is not in it.")
    return columns
