"""Models of any make, behind one face."""

from agnostix.models.adapt import as_predictor, is_fitted
from agnostix.models.predictor import Predictor, wants_to_write

__all__ = ["Predictor", "as_predictor", "is_fitted", "wants_to_write"]
