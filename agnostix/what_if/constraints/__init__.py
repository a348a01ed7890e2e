"""The language of scenarios: what can be stated about a population, as plain dataclasses."""

from agnostix.what_if.constraints.base import Constraint
from agnostix.what_if.constraints.moments import Mean, Proportion
from agnostix.what_if.constraints.outcome import ErrorRate, Prediction

__all__ = ["Constraint", "ErrorRate", "Mean", "Prediction", "Proportion"]
