"""The language of scenarios: what can be stated about a population, as plain dataclasses."""

from agnostix.what_if.constraints.base import Constraint
from agnostix.what_if.constraints.dispersion import Correlation, Covariance, Variance
from agnostix.what_if.constraints.fairness import (
    DisparateImpact,
    EqualizedOdds,
    EqualOpportunity,
    StatisticalParity,
)
from agnostix.what_if.constraints.margins import Keep, Margins
from agnostix.what_if.constraints.moments import Mean, Proportion
from agnostix.what_if.constraints.outcome import Prediction
from agnostix.what_if.constraints.quantiles import ExpectedShortfall, Quantile
from agnostix.what_if.constraints.rates import (
    ErrorRate,
    FalsePositiveRate,
    SelectionRate,
    TruePositiveRate,
)

__all__ = [
    "Constraint",
    "Correlation",
    "Covariance",
    "DisparateImpact",
    "EqualOpportunity",
    "EqualizedOdds",
    "ErrorRate",
    "ExpectedShortfall",
    "FalsePositiveRate",
    "Keep",
    "Margins",
    "Mean",
    "Prediction",
    "Proportion",
    "Quantile",
    "SelectionRate",
    "StatisticalParity",
    "TruePositiveRate",
    "Variance",
]
