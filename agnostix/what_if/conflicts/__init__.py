"""Scenarios that no weights meet: what is in conflict, and the nearest that some meet."""

from agnostix.what_if.conflicts.explanation import explain_conflict
from agnostix.what_if.conflicts.gap_weights import read_gap_weights
from agnostix.what_if.conflicts.linear import keeps_groups
from agnostix.what_if.conflicts.searched import values_meeting

__all__ = ["explain_conflict", "keeps_groups", "read_gap_weights", "values_meeting"]
