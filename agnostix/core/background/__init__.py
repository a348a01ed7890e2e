"""Background rows that stand for a table, and the error of what is averaged over them.

- `background`: `Background` rows with weights, chosen, drawn at random, all, or constant.
- `choice`: how they are chosen, by name; `medoids`: the centers of clusters.
- `chosen`: rows that together are as the table is: `coordinates` and `kernel` say how far rows are apart,
  `rare` which parts of the table few rows would miss, `herding` chooses and weighs, `kriging` has the error,
  under each `covariance`; `probes` ask what a feature does elsewhere in the table.
- `representative`: the same for anyone: `representative_sample`.
- `error_map`: `ErrorMap`, linear functionals of the predictions behind rows that tell the error of a value.
- `functionals`: `BackgroundMeans`, the reducer of masked rows to their means and these functionals.
"""

from agnostix.core.background.background import Background, errors_of_fills
from agnostix.core.background.choice import BACKGROUND_SIZE, BACKGROUNDS, choose_background
from agnostix.core.background.chosen import ChosenRows, choose_rows
from agnostix.core.background.coordinates import read_columns
from agnostix.core.background.error_map import (
    BackgroundError,
    Elsewhere,
    ErrorMap,
    effective_number,
    sum_of_squares,
)
from agnostix.core.background.functionals import BackgroundMeans, compact, few
from agnostix.core.background.probes import Probes, weighted_kurtosis
from agnostix.core.background.representative import RepresentativeSample, representative_sample

__all__ = [
    "BACKGROUNDS",
    "BACKGROUND_SIZE",
    "Background",
    "BackgroundError",
    "BackgroundMeans",
    "ChosenRows",
    "Elsewhere",
    "ErrorMap",
    "Probes",
    "RepresentativeSample",
    "choose_background",
    "choose_rows",
    "compact",
    "effective_number",
    "errors_of_fills",
    "few",
    "read_columns",
    "representative_sample",
    "sum_of_squares",
    "weighted_kurtosis",
]
