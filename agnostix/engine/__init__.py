"""The engine: plans in, answers out."""

from agnostix.engine.batches import working_memory
from agnostix.engine.group_means import GroupMeans
from agnostix.engine.inpainted_windows import InpaintedWindows
from agnostix.engine.run import Answered, Run
from agnostix.engine.soft_masks import SoftMasks
from agnostix.engine.summary import MeanAndVariance, Summary
from agnostix.engine.survey import Inquiry, Rows, Survey
from agnostix.engine.table_rows import TableRows

__all__ = [
    "Answered",
    "GroupMeans",
    "InpaintedWindows",
    "Inquiry",
    "MeanAndVariance",
    "Rows",
    "Run",
    "SoftMasks",
    "Summary",
    "Survey",
    "TableRows",
    "working_memory",
]
