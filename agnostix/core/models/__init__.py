"""Models of any make, behind one face."""

from agnostix.core.models.adapt import as_predictor, is_fitted
from agnostix.core.models.predictor import Predictor, wants_to_write

__all__ = ["Predictor", "as_predictor", "is_fitted", "wants_to_write"]
