"""What if the population were different? Minimal reweighting of the observed rows (entropic projection).

Where to find what:

- the optimization: `projection` for several moment constraints at once (dual Newton, ranges, conic solver),
  `tilting` for many targets of one moment;
- the error: `errors` (delta method with leverage, jackknife);
- whether enough rows support a result ("thin", "boundary"): `diagnostics`;
- what is measured: `metrics`; what is shifted: `moments` and `constraints`;
- the results: `sweeps` (curves and rankings), `scenario`, `joint`, `baseline`.
"""

from agnostix.what_if.correlated_shifts import CorrelatedShifts
from agnostix.what_if.explainer import EntropicProjection
from agnostix.what_if.metrics import default_metrics
from agnostix.what_if.sample import Sample, movable
from agnostix.what_if.table import Column

__all__ = ["Column", "CorrelatedShifts", "EntropicProjection", "Sample", "default_metrics", "movable"]
