"""EntropicProjection: what if the population were different? Minimal reweighting of the observed rows.

Entropy balancing (Hainmueller, 2012), or entropic variable projection (Bachoc et al., 2023). With base
weights b, statistics phi_i of the rows and targets t, the weights are

    w = argmin sum_i w_i log(w_i / b_i)  such that  sum_i w_i phi_i = t,  so  w_i = b_i exp(xi' phi_i) / Z

Divergence       KL(w || b) in nats: `inference.WeightDiagnostics`, for curves `responses._diagnose`.
Solver           Several moments: `calibration.project`, a proximal Newton method on the dual in xi, which
                 takes ranges, soft targets, bounds on weights and other divergences too.
                 One moment, many targets: `tilting.solve_targets` and `solve_kl`, safeguarded Newton steps
                 over `distinct_values`: equal rows merged, or Chebyshev nodes of a continuous column.
Standard error   `inference`: the delta method with leverage (`Influence`) for means and for metrics with a
                 known derivative (`metrics`), a jackknife over blocks of rows for the others, Student's t
                 (`interval`). For curves the same in sums over distinct values: `responses`.
Words            What is certain of several curves at once, for sentences: `trends`.
Fill             None: no value is replaced. A row counts where the shifted column has a value
                 (`sample.keep_complete_rows`).
Support          "thin" and "boundary": `inference.classify_support`. Infeasible targets, why and the nearest
                 feasible ones: `conflicts`.
What is shifted  `moments`: averages and proportions, their default targets. `constraints`: a scenario's,
                 compiled to linear conditions on the weights (`constraints.base`).
Results          `response_curves`, `sweeps`: curves, rankings, the baseline. `scenario`: scenarios, solved in
                 `solving`, with `condition_table`, `outcomes` and `shifts`. `joint`: grids.
Pictures         `pixels`: `PixelProjection`, each pixel a column, all of them stacked.
Drift            Two tables: `drift`, the parts of a gap in prediction, error or rate between them.
Fairness         `fairness`: every measure of groups, and how far populations with other values are.
Rows             `table` and `predictions` in a canonical order; `sample`: some of them, standardized.
"""

from agnostix.what_if.constraints import (
    Correlation,
    Covariance,
    DisparateImpact,
    EqualizedOdds,
    EqualOpportunity,
    ErrorRate,
    ExpectedShortfall,
    FalsePositiveRate,
    Keep,
    Margins,
    Mean,
    Prediction,
    Proportion,
    Quantile,
    SelectionRate,
    StatisticalParity,
    TruePositiveRate,
    Variance,
)
from agnostix.what_if.correlated_shifts import CorrelatedShifts
from agnostix.what_if.drift import explain_gap
from agnostix.what_if.explainer import EntropicProjection
from agnostix.what_if.fairness import measure_fairness, stress_fairness
from agnostix.what_if.metrics import default_metrics
from agnostix.what_if.pixels import PixelProjection
from agnostix.what_if.sample import Sample, movable
from agnostix.what_if.table import Column
from agnostix.what_if.trends import Trend, Trends, read_trends

__all__ = [
    "Column",
    "CorrelatedShifts",
    "Correlation",
    "Covariance",
    "DisparateImpact",
    "EntropicProjection",
    "EqualOpportunity",
    "EqualizedOdds",
    "ErrorRate",
    "ExpectedShortfall",
    "FalsePositiveRate",
    "Keep",
    "Margins",
    "Mean",
    "PixelProjection",
    "Prediction",
    "Proportion",
    "Quantile",
    "Sample",
    "SelectionRate",
    "StatisticalParity",
    "Trend",
    "Trends",
    "TruePositiveRate",
    "Variance",
    "default_metrics",
    "explain_gap",
    "measure_fairness",
    "movable",
    "read_trends",
    "stress_fairness",
]
