"""Models of any make behind one interface.

- `predictor`: `as_predictor` and `Predictor`; `capabilities`: what a model can do beyond predicting.
- `outputs`: what outputs mean (labels, probabilities of classes); `failures`: errors of a model, named.
- `torch_model`: torch modules as functions of arrays; `torch_tensors`: arrays to tensors, outputs to
  matrices; `torch_functional`: gradients, hooks and masked batches, functions of modules and tensors alone.
"""

from agnostix.core.models.capabilities import Differentiable, MaskComposer
from agnostix.core.models.failures import NamedFailure
from agnostix.core.models.predictor import Predictor, as_predictor, fitted_columns, is_fitted, wants_to_write

__all__ = [
    "Differentiable",
    "MaskComposer",
    "NamedFailure",
    "Predictor",
    "as_predictor",
    "fitted_columns",
    "is_fitted",
    "wants_to_write",
]
