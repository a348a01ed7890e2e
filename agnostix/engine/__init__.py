"""The engine: plans in, answers out."""

from agnostix.engine.run import Answered, Run
from agnostix.engine.summary import MeanAndVariance, Summary

__all__ = ["Answered", "MeanAndVariance", "Run", "Summary"]
