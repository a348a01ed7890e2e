"""Explainers that wrap their model in a torch module, for the battery."""

import numpy as np
import torch
from torch import nn

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer
from agnostix.core.models import as_predictor


class Hosted(nn.Module):
    """Answers a batch as a model in numpy does."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return torch.as_tensor(np.asarray(self.model(x.double().numpy())))


class _InTorch:
    def _fit_predictor(self, X, y, sample_weight=None):
        self.model_ = self.model
        self._predictor = as_predictor(Hosted(self.model), activation="none", task=self._task)
        return self._predictor

    @property
    def _task(self):
        return getattr(self.model, "task", None)


class TorchOcclusion(_InTorch, OcclusionExplainer):
    """Windows and features."""


class TorchShap(_InTorch, KernelShapExplainer):
    """Coalitions."""


class TorchLime(_InTorch, LimeExplainer):
    """Surrogates."""
