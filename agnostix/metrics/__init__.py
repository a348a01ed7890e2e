"""Metrics of explanations: faithfulness, stability and sanity, each with an interval and its cost.

Each is a function of a model or a fitted explainer and rows, and returns a `MetricResult`, of `result`.

`removal`      Units are hidden in the order of their values: `deletion`, `insertion`, `sufficiency`,
               `comprehensiveness`, `road`; `rank_by_fill`; scores of pictures seen through their map,
               `average_drop`, `average_gain`, `average_increase`.
`differences`  Values against changes of the prediction: `infidelity`, `faithfulness_correlation`,
               `sensitivity_n`, `monotonicity`.
`stability`    Explained again nearby, `max_sensitivity`, `avg_sensitivity`, `local_lipschitz`,
               `explanation_adversary`, or by another seed, background or model: `agreement`.
`sanity`       Explained for a model that has learned nothing: `model_randomization`, `data_randomization`,
               `random_logit`; trained without the relevant units: `roar`.
`shape`        The values alone: `sparseness`, `complexity`, `effective_features`, `pointing_game`,
               `energy_inside`.
`comparison`   Several explainers by several metrics: `compare_explainers`.
`doubt`        Which predictions are wrong: `unreliable`.

What they share: how an explanation is read and checked against rows and model, `read`, or read alone,
`maps`; what is hidden together, `units`; orders of units and ties, `orders`; perturbed rows and their
predictions, `perturbation`, each evaluated once for several metrics, `remembered`; how alike explanations
are, `similarity`; a model trained again, `refits`; parameters, `checks`; intervals, `intervals`.
"""

from agnostix.metrics.comparison.comparison_result import ComparisonResult
from agnostix.metrics.comparison.explainers import compare_explainers
from agnostix.metrics.differences.correlations import faithfulness_correlation, sensitivity_n
from agnostix.metrics.differences.infidelity import infidelity
from agnostix.metrics.differences.monotonicity import monotonicity
from agnostix.metrics.doubt.unreliable import unreliable
from agnostix.metrics.doubt.unreliable_result import UnreliableResult
from agnostix.metrics.removal.curves import comprehensiveness, deletion, insertion, sufficiency
from agnostix.metrics.removal.fill_rankings import FillRankings, rank_by_fill
from agnostix.metrics.removal.masked_scores import average_drop, average_gain, average_increase
from agnostix.metrics.removal.road import road
from agnostix.metrics.result import MetricCurve, MetricResult
from agnostix.metrics.sanity.randomization import model_randomization, random_logit
from agnostix.metrics.sanity.retraining import data_randomization, roar
from agnostix.metrics.shape.concentration import complexity, effective_features, sparseness
from agnostix.metrics.shape.localization import energy_inside, pointing_game
from agnostix.metrics.stability.adversary import AdversaryResult, explanation_adversary
from agnostix.metrics.stability.agreement import agreement
from agnostix.metrics.stability.sensitivities import avg_sensitivity, local_lipschitz, max_sensitivity

__all__ = [
    "AdversaryResult",
    "ComparisonResult",
    "FillRankings",
    "MetricCurve",
    "MetricResult",
    "UnreliableResult",
    "agreement",
    "average_drop",
    "average_gain",
    "average_increase",
    "avg_sensitivity",
    "compare_explainers",
    "complexity",
    "comprehensiveness",
    "data_randomization",
    "deletion",
    "effective_features",
    "energy_inside",
    "explanation_adversary",
    "faithfulness_correlation",
    "infidelity",
    "insertion",
    "local_lipschitz",
    "max_sensitivity",
    "model_randomization",
    "monotonicity",
    "pointing_game",
    "random_logit",
    "rank_by_fill",
    "road",
    "roar",
    "sensitivity_n",
    "sparseness",
    "sufficiency",
    "unreliable",
]
