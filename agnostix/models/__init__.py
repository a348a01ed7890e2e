"""Models of any make, behind one face."""

from agnostix.models.adapt import as_predictor, is_fitted
from agnostix.models.predictor import Predictor

__all__ = ["Predictor", "as_predictor", "is_fitted"]
