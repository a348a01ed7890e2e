"""Metrics of explanations: faithfulness, stability and sanity, each with an interval and its cost.

`MetricResult` is what every metric returns (`result`, `intervals`). How an explanation is read and checked
against rows and model is `read`; what is hidden together, `units`; orders and ties, `orders`; perturbed rows
and their predictions, `perturbation`.
"""

from agnostix.metrics.result import MetricCurve, MetricResult

__all__ = ["MetricCurve", "MetricResult"]
