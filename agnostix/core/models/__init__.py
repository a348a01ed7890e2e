"""Models of any make behind one interface."""

from agnostix.core.models.capabilities import Differentiable, MaskComposer
from agnostix.core.models.predictor import Predictor, as_predictor, is_fitted, wants_to_write

__all__ = ["Differentiable", "MaskComposer", "Predictor", "as_predictor", "is_fitted", "wants_to_write"]
