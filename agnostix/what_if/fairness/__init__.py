"""Fairness of a model: every measure of groups, and how far populations with other values are."""

from agnostix.what_if.fairness.measures import measure_fairness
from agnostix.what_if.fairness.stress import stress_fairness

__all__ = ["measure_fairness", "stress_fairness"]
