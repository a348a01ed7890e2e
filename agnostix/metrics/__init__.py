"""Metrics of explanations: faithfulness, stability and sanity, each with an interval and its cost.

Each is a function of a model, rows and an `Explanation` of them, and returns a `MetricResult`.

Curves           `deletion`, `insertion`, `sufficiency`, `comprehensiveness`: `curves`; `road`, whose
                 pixels are interpolated in `imputation`.
Fills            `rank_by_fill`: `fill_rankings`; those of the literature: `fills`.
Masked inputs    `average_drop`, `average_gain`, `average_increase`: `masked_scores`.
Stability        `max_sensitivity`, `avg_sensitivity`, `local_lipschitz`: `stability`;
                 `explanation_adversary`: `adversary`; `agreement`: `agreement`. Neighbors are in
                 `neighbors`, and rows are explained anew in `explaining`.
Differences      `infidelity`, under subsets or under noise, `additive`; `faithfulness_correlation` and
                 `sensitivity_n`: `correlations`, computed in `sized`; `monotonicity`. Subsets and what
                 hiding them changes: `subsets`; pixels hidden together: `patches`; sensitivities as
                 contributions and back: `quantities`; correlations and their errors: `association`.
Sanity           `model_randomization`, `random_logit`: `randomization`, verdicts in `verdicts`, layers in
                 `reset_layers`; `data_randomization`, `roar`: `retraining`.
Shape            `sparseness`, `complexity`, `effective_features`: `shape`; `pointing_game`,
                 `energy_inside`: `localization`.
Comparison       `compare_explainers`: `comparison`, whose results are in `comparison_result`; metrics by name
                 in `named`, explanations in the same units in `compared`, tests of many pairs in `multiple`.
Wrong rows       `unreliable`: `unreliable`, with `signals`, `wrong_predictions` and ROC curves in `roc`.

How an explanation is read and checked against rows and model is in `read`; what is hidden together in
`units`; orders and ties in `orders` and `ordered`; perturbed rows and their predictions in `perturbation`;
intervals in `intervals`; how alike explanations are in `similarity`.
"""

from agnostix.metrics.adversary import AdversaryResult, explanation_adversary
from agnostix.metrics.agreement import agreement
from agnostix.metrics.comparison import compare_explainers
from agnostix.metrics.comparison_result import ComparisonResult
from agnostix.metrics.correlations import faithfulness_correlation, sensitivity_n
from agnostix.metrics.curves import comprehensiveness, deletion, insertion, sufficiency
from agnostix.metrics.fill_rankings import FillRankings, rank_by_fill
from agnostix.metrics.infidelity import infidelity
from agnostix.metrics.localization import energy_inside, pointing_game
from agnostix.metrics.masked_scores import average_drop, average_gain, average_increase
from agnostix.metrics.monotonicity import monotonicity
from agnostix.metrics.randomization import model_randomization, random_logit
from agnostix.metrics.result import MetricCurve, MetricResult
from agnostix.metrics.retraining import data_randomization, roar
from agnostix.metrics.road import road
from agnostix.metrics.shape import complexity, effective_features, sparseness
from agnostix.metrics.stability import avg_sensitivity, local_lipschitz, max_sensitivity
from agnostix.metrics.unreliable import unreliable
from agnostix.metrics.unreliable_result import UnreliableResult

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
