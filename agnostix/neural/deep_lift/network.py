"""A network that passes multipliers of DeepLIFT back: rows, then baselines one by one. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from agnostix.exceptions import DataError
from agnostix.neural.backward_rules import interpreted
from agnostix.neural.deep_lift.multipliers import MultiplierMode, refuse_difference
from agnostix.neural.deep_lift.tape import Difference, find_difference
from agnostix.neural.graph import RESHAPING, key_of
from agnostix.neural.network import failures_explained, not_differentiable
from agnostix.neural.operations.guard import find_unseen
from agnostix.neural.operations.network import PreparedNetwork

_LINEAR = """
    adaptive_avg_pool2d adaptive_avg_pool3d add avg_pool2d avg_pool3d batch_norm_no_update cudnn_batch_norm
    cumsum fft_c2c fft_c2r fft_r2c imag mean miopen_batch_norm mkldnn_adaptive_avg_pool2d native_batch_norm
    native_batch_norm_legit_no_training neg nansum real rsub sub sum trace view_as_complex view_as_real
"""
_PRODUCTS = """
    addbmm addcdiv addcmul addmm addmv addr baddbmm bmm conv_depthwise2d conv_depthwise3d conv_tbc convolution
    convolution_overrideable cudnn_convolution cudnn_convolution_transpose cudnn_grid_sampler div dot
    grid_sampler_2d grid_sampler_3d lerp linear matmul miopen_convolution miopen_convolution_transpose
    miopen_depthwise_convolution mkldnn_convolution mkldnn_linear mm mps_convolution mul mv
    nnpack_spatial_convolution slow_conv2d slow_conv3d slow_conv_dilated2d slow_conv_dilated3d
    slow_conv_transpose2d slow_conv_transpose3d trilinear vdot
"""
"""Linear if all operands but one are constant."""
_PASSING = frozenset(map(key_of, (_LINEAR + RESHAPING).split()))
_SCALES = frozenset(map(key_of, _PRODUCTS.split()))


class DeepLiftNetwork(PreparedNetwork):
    """Scores of rows, differences from baselines, and multipliers between the two."""

    def __init__(
        self, session: Any, dtype: Any, target: str, layer: Any, name: str, owner: str, rule: str
    ) -> None:
        super().__init__(session, dtype, target, layer, name, owner)
        self._rule = rule
        self._mode: MultiplierMode
        self.n_model_rows = 0
        self._needs_copies = False  # of a baseline, one for each row

    def points(self, X: Any) -> Any:
        """Rows X (n_rows, ...) as the network's input, images with channels first, or the layer's output."""
        self.n_model_rows += 0 if self.is_input else len(X)
        return super().points(X)

    def scores(self, points: Any, X: Any) -> Any:
        """Scores (n_rows, n_outputs) of points with the graph of the rules; DataError names what has none."""
        self._mode = MultiplierMode(self._rule)
        scores = self._run(points, X)
        unseen = find_unseen(scores.grad_fn, passing=_PASSING, scales=_SCALES)
        if unseen:
            raise DataError(refusal(self.owner, self.name, unseen))
        return scores

    def against(self, base: Any, X: Any) -> Any:
        """Scores (n_rows or 1, n_outputs) of a baseline (n_rows or 1, ...) of the rows X that came last."""
        # Other parts of the network than a layer see the rows themselves.
        if self._needs_copies or not self.is_input:
            base = base.expand(len(X), *base.shape[1:])
        scores, difference = self._run_base(base, X)
        if difference is not None and len(base) < len(X):
            self._needs_copies = True
            scores, difference = self._run_base(base.expand(len(X), *base.shape[1:]), X)
        if difference is not None:
            raise refuse_difference(difference.kind, difference.name, self.owner, self.name)
        return scores

    def _run_base(self, base: Any, X: Any) -> tuple[Any, Difference | None]:
        self._mode.begin_base()
        scores = self._run(base.detach().clone().requires_grad_(), X[: len(base)]).detach()
        return scores, find_difference(self._mode.rows, self._mode.base)

    def _run(self, points: Any, X: Any) -> Any:
        self.n_model_rows += len(points)
        try:
            with interpreted(), self._mode:
                return self._score_points(points, X)
        finally:
            self._mode.end()

    def multipliers(self, scores: Any, points: Any, column: Any) -> Any:
        """Multipliers of points for the scores in a column (n_rows,), against the latest baseline."""
        chosen = torch.as_tensor(column, dtype=torch.int64, device=scores.device)[:, None]
        with failures_explained(), _checkpoints_explained():
            return torch.autograd.grad(scores.gather(1, chosen).sum(), points, retain_graph=True)[0]


@contextmanager
def _checkpoints_explained() -> Iterator[None]:
    """Context in which multipliers are passed back, through parts that checkpoints would run again."""
    try:
        yield
    except RuntimeError as error:
        if "recomputation" not in str(error):
            raise
        raise not_differentiable(
            "a checkpoint runs a part of it again, without the rules. Call the part itself in evaluation: "
            "checkpoints save memory in training."
        ) from error


def refusal(owner: str, model: str, unseen: Any) -> str:
    """Message for operations without a rule, by name, and what to do about them."""
    hints = list(dict.fromkeys(hint for hint in unseen.values() if hint))
    if not all(unseen.values()):
        hints.append(
            "Write them by operations that have rules: linear ones, functions of one number, products, "
            "quotients, softmax, normalization, maxima and changes of shape. IntegratedGradientsExplainer "
            "needs no rules."
        )
    return (
        f"{owner} has no rule for operations that the network {model} runs: {', '.join(unseen)}. "
        f"{' '.join(hints)}"
    )
