"""Displays of results, as in scikit-learn: drawn by ``plot``, numbers in ``frame``."""

from agnostix.plotting.bar import BarDisplay
from agnostix.plotting.beeswarm import BeeswarmDisplay
from agnostix.plotting.comparison import ComparisonDisplay
from agnostix.plotting.concentration import WeightConcentrationDisplay
from agnostix.plotting.curve import WhatIfCurveDisplay
from agnostix.plotting.display import Display, ExplanationDisplay
from agnostix.plotting.fairness import FairnessStressDisplay, GroupMeasuresDisplay
from agnostix.plotting.gap import GapDisplay
from agnostix.plotting.heatmap import HeatmapDisplay
from agnostix.plotting.interactions import InteractionHeatmapDisplay, InteractionNetworkDisplay
from agnostix.plotting.joint_map import WhatIfMapDisplay
from agnostix.plotting.leaves import LeavesDisplay
from agnostix.plotting.love import LoveDisplay
from agnostix.plotting.metrics import MetricCurveDisplay, MetricScoresDisplay
from agnostix.plotting.pixel_effects import PixelEffectDisplay
from agnostix.plotting.pixels import PixelsDisplay
from agnostix.plotting.pixels_grid import PixelsGridDisplay
from agnostix.plotting.pruning_path import PruningPathDisplay
from agnostix.plotting.ranking import WhatIfRankingDisplay
from agnostix.plotting.roc import RocDisplay
from agnostix.plotting.scatter import ScatterDisplay
from agnostix.plotting.segments import SegmentsDisplay
from agnostix.plotting.shifts import ShiftDisplay
from agnostix.plotting.text import TextDisplay
from agnostix.plotting.tree import TreeDisplay
from agnostix.plotting.waterfall import WaterfallDisplay

__all__ = [
    "BarDisplay",
    "BeeswarmDisplay",
    "ComparisonDisplay",
    "Display",
    "ExplanationDisplay",
    "FairnessStressDisplay",
    "GapDisplay",
    "GroupMeasuresDisplay",
    "HeatmapDisplay",
    "InteractionHeatmapDisplay",
    "InteractionNetworkDisplay",
    "LeavesDisplay",
    "LoveDisplay",
    "MetricCurveDisplay",
    "MetricScoresDisplay",
    "PixelEffectDisplay",
    "PixelsDisplay",
    "PixelsGridDisplay",
    "PruningPathDisplay",
    "RocDisplay",
    "ScatterDisplay",
    "SegmentsDisplay",
    "ShiftDisplay",
    "TextDisplay",
    "TreeDisplay",
    "WaterfallDisplay",
    "WeightConcentrationDisplay",
    "WhatIfCurveDisplay",
    "WhatIfMapDisplay",
    "WhatIfRankingDisplay",
]
