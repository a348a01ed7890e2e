"""The engine: plans in, answers out."""

from agnostix.engine.batches import working_memory
from agnostix.engine.group_means import GroupMeans
from agnostix.engine.run import Answered, Run
from agnostix.engine.summary import MeanAndVariance, Summary

__all__ = ["Answered", "GroupMeans", "MeanAndVariance", "Run", "Summary", "working_memory"]
