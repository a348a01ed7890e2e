"""Scenarios that no weights meet: what is in conflict, and the nearest that some meet."""

from agnostix.what_if.conflicts.explanation import explain_conflict, keeps_groups

__all__ = ["explain_conflict", "keeps_groups"]
