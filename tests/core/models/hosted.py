"""Explainers that wrap their model in a torch module, for the battery."""

import numpy as np
import torch
from torch import nn

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer
from agnostix.core.models import as_predictor
from tests.core.base.test_saliency import Saliency


class Hosted(nn.Module):
    """Answers a batch as a model in numpy does."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return torch.as_tensor(np.asarray(self.model(x.double().numpy())))


class _OnImages(torch.autograd.Function):
    """An `ImageModel` on a batch of gray images with a channel axis, and its gradients."""

    @staticmethod
    def forward(ctx, x, model):
        images = x.detach().double().numpy()[:, 0]
        ctx.jacobian = torch.as_tensor(model.jacobian(images))
        return torch.as_tensor(np.asarray(model(images.copy()))).reshape(len(x), -1)

    @staticmethod
    def backward(ctx, grad):
        return (ctx.jacobian @ grad[:, None, :, None]).squeeze(-1)[:, None].float(), None


class HostedImages(Hosted):
    """Answers a batch of images as a model in numpy does, and can be differentiated."""

    def forward(self, x):
        return _OnImages.apply(x, self.model)


class _InTorch:
    _host = Hosted

    def _fit_predictor(self, X, y, sample_weight=None):
        self.model_ = self.model
        self._predictor = as_predictor(self._host(self.model), activation="none", task=self._task)
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


class TorchSaliency(_InTorch, Saliency):
    """Gradients."""

    _host = HostedImages
