"""Metrics of explanations: faithfulness, stability and sanity, each with an interval and its cost.

Each is a function of a model, rows and an `Explanation` of them, and returns a `MetricResult`.

Curves           `deletion`, `insertion`, `sufficiency`, `comprehensiveness`: `curves`; `road`, whose
                 pixels are interpolated in `imputation`.
Fills            `rank_by_fill`: `fill_rankings`; those of the literature: `fills`.
Masked inputs    `average_drop`, `average_gain`, `average_increase`: `masked_scores`.
Differences      `infidelity`, under subsets or under noise, `additive`; `faithfulness_correlation` and
                 `sensitivity_n`: `correlations`, computed in `sized`; `monotonicity`. Subsets and what
                 hiding them changes: `subsets`; pixels hidden together: `patches`; sensitivities as
                 contributions and back: `quantities`; correlations and their errors: `association`.

How an explanation is read and checked against rows and model is in `read`; what is hidden together in
`units`; orders and ties in `orders` and `ordered`; perturbed rows and their predictions in `perturbation`;
intervals in `intervals`.
"""

from agnostix.metrics.correlations import faithfulness_correlation, sensitivity_n
from agnostix.metrics.curves import comprehensiveness, deletion, insertion, sufficiency
from agnostix.metrics.fill_rankings import FillRankings, rank_by_fill
from agnostix.metrics.infidelity import infidelity
from agnostix.metrics.masked_scores import average_drop, average_gain, average_increase
from agnostix.metrics.monotonicity import monotonicity
from agnostix.metrics.result import MetricCurve, MetricResult
from agnostix.metrics.road import road

__all__ = [
    "FillRankings",
    "MetricCurve",
    "MetricResult",
    "average_drop",
    "average_gain",
    "average_increase",
    "comprehensiveness",
    "deletion",
    "faithfulness_correlation",
    "infidelity",
    "insertion",
    "monotonicity",
    "rank_by_fill",
    "road",
    "sensitivity_n",
    "sufficiency",
]
