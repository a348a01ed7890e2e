"""Background rows that stand for a table, and the error of what is averaged over them.

- `background`: `Background` rows with weights, drawn at random, all, or constant.
- `error_map`: `ErrorMap`, linear functionals of the predictions behind them that tell the error of a value.
- `functionals`: `BackgroundMeans`, the reducer of masked rows to their means and these functionals.
"""

from agnostix.core.background.background import Background, errors_of_fills
from agnostix.core.background.error_map import BackgroundError, ErrorMap, sum_of_squares
from agnostix.core.background.functionals import BackgroundMeans

__all__ = [
    "Background",
    "BackgroundError",
    "BackgroundMeans",
    "ErrorMap",
    "errors_of_fills",
    "sum_of_squares",
]
