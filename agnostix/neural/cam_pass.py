"""Class activation maps of batches of rows, from one forward pass to the layers. Imports torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from agnostix.core.models import Predictor
from agnostix.core.models.torch_functional import to_array
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.neural import cam_weights
from agnostix.neural.cam_config import CamConfig
from agnostix.neural.cam_weights import CAMS
from agnostix.neural.feature_maps import Call, MapNetwork, MapSource, ReplayError
from agnostix.neural.network import failures_explained, failures_named
from agnostix.neural.token_grid import channel_axis, to_maps

_HEAD_BYTES = 20_000_000
"""Of the ablated maps that go through the head together."""
_HEAD_ROWS = 256
_ABLATED = "ablation_cam"


def find_sources(session: Any, config: CamConfig, row: Any) -> list[MapSource]:
    """Where each layer's maps are made, and whether its head is affine and can be run alone, by one row."""
    network = MapNetwork(session, _score(session, config), config.layers)
    sources, calls = network.find(row, config.n_axes)
    scores, outputs = network.run(row, sources)
    column = scores.argmax(dim=1, keepdim=True)
    checked = []
    for source, output, gradient in zip(sources, outputs, _gradients(scores, outputs, column), strict=True):
        maps, slopes = _maps(output.detach(), source, config), _slopes(gradient, source, config)
        _check_layout(source, slopes, config)
        if config.needs("cam") and not (source.is_affine and cam_weights.is_pooled(slopes)):
            raise DataError(
                f"method='cam' needs scores that are linear in the pooled maps, and those after layer "
                f"{source.name} are not: CAM is for a network that ends in global average "
                "pooling and one linear layer, with target='logits'. Use method='grad_cam'."
            )
        if config.needs(_ABLATED):
            drops = cam_weights.affine_drops(maps, slopes)[0]
            source = _checked_head(
                network, source, calls, row, output.detach(), scores.detach(), column, drops, config
            )
        checked.append(source)
    return checked


def _check_layout(source: MapSource, slopes: Any, config: CamConfig) -> None:
    """Refuse maps whose first axes are pooled: their channels are last."""
    if config.n_axes < 2 or config.token_grid is not None or cam_weights.is_pooled(slopes):
        return
    if cam_weights.is_pooled(slopes.movedim(-1, 2)):
        raise DataError(
            f"Layer {source} seems to have its channels last: scores depend on sums over its first two axes. "
            "Name the layer, and pass token_grid=lambda output: output.permute(0, 3, 1, 2)."
        )


def _checked_head(
    network: MapNetwork, source: MapSource, calls: list[Call], row: Any, output: Any, scores: Any,
    column: Any, drops: Any, config: CamConfig,
) -> MapSource:  # fmt: skip
    """The source with what the graph says of the head, where scores with and without a channel agree."""
    axis = _channels(output, source, config)
    channel = int(drops[0].abs().argmax())
    pair = torch.cat([output, _without(output, axis, [channel])])
    try:
        is_cut = source.is_cut
        found = network.run_head(source, calls, row, pair) if is_cut else None
        is_cut = found is not None and _agree(found[:1], scores)
    except (ReplayError, RuntimeError):
        is_cut = False
    if not is_cut or found is None:
        found = network.run_with(source, np.concatenate([row, row]), pair)
    drop = scores.gather(1, column) - found[1:].gather(1, column)
    is_affine = source.is_affine and _agree(drop, drops[:, [channel]], scale=scores)
    return replace(source, is_cut=is_cut, is_affine=is_affine)


class CamPass:
    """Maps of batches of rows inside a session."""

    def __init__(
        self,
        session: Any,
        config: CamConfig,
        sources: list[MapSource],
        predictor: Predictor,
        selection: Any,
    ) -> None:
        self._session = session
        self._config = config
        self._sources = sources
        self._predictor = predictor
        self._selection = selection
        self._network = MapNetwork(session, _score(session, config), config.layers)
        self._calls: list[Call] = []
        self._first = 0
        self.n_model_rows = 0
        self.kept: list[dict[int, Floats]] = [{} for _ in self._sources]
        """Of each layer, by the row, the feature maps (n_channels, ...) where Score-CAM needs them."""

    def compute(self, X: Any, values: Floats, first: int) -> list[tuple[Floats, Floats]]:
        """Fill in values of rows X; scores (n, n_selected) and predictions (n, n_outputs) of batches.

        `first` is the number of the first row, for messages.
        """
        if any(self._config.needs(_ABLATED) and one.is_cut and not one.is_affine for one in self._sources):
            with failures_named(self._predictor.name, first, first):
                self._calls = self._network.record(X[:1])[1]
            self.n_model_rows += 1

        self._first = first

        def compute(part: slice) -> tuple[Floats, Floats]:
            with failures_named(self._predictor.name, first + part.start, first + part.stop - 1):
                return self._compute(X[part], values[part], part.start)

        return self._session.in_batches(X, compute)

    def _compute(self, X: Any, values: Floats, start: int) -> tuple[Floats, Floats]:
        scores, outputs = self._network.run(X, self._sources)
        detached = scores.detach()
        activated = detached if self._config.target == "predictions" else self._session.activate(detached)
        predictions = self._predictor.checked(to_array(activated), len(X))
        selected = self._selection.indices(predictions)
        columns = torch.as_tensor(selected, dtype=torch.int64, device=scores.device)
        chosen = detached.gather(1, columns)
        gradients = _gradients(scores, outputs, columns)
        self.n_model_rows += len(X)
        for at, (source, output, slopes) in enumerate(zip(self._sources, outputs, gradients, strict=True)):
            output = output.detach()
            maps, slopes = _maps(output, source, self._config), _slopes(slopes, source, self._config)
            if self._config.needs("score_cam"):
                self.kept[at].update(enumerate(to_array(maps), start))
            found = {method: CAMS[method](maps, slopes) for method in self._config.methods if method in CAMS}
            if self._config.needs(_ABLATED):
                drops = self._drops(source, X, output, maps, slopes, columns, detached)
                found[_ABLATED] = cam_weights.ablation_cam(maps, drops, chosen)
            self._check_finite(source, found, slice(start, start + len(X)))
            write(found, values[:, at], self._config)
        return to_array(chosen), predictions

    def _drops(
        self, source: MapSource, X: Any, output: Any, maps: Any, slopes: Any, columns: Any, scores: Any
    ) -> Any:
        """Drops (n, n_selected, n_channels) of the scores when a channel's map is 0."""
        if source.is_affine:
            return cam_weights.affine_drops(maps, slopes)
        axis = _channels(output, source, self._config)
        drops = []
        for i, column in enumerate(columns):
            without = self._scores_without(source, X[i : i + 1], output[i : i + 1], axis)
            drops.append(scores[i, column, None] - without[:, column].T)
        return torch.stack(drops)

    def _scores_without(self, source: MapSource, row: Any, output: Any, axis: int) -> Any:
        """Scores (n_channels, n_outputs) of a row without each channel of a layer's output (1, ...)."""
        n = output.shape[axis]
        self.n_model_rows += n
        if not source.is_cut:
            rows = np.broadcast_to(row, (n, *row.shape[1:]))

            def run(part: slice) -> Any:
                ablated = _without(output, axis, range(part.start, part.stop))
                return self._network.run_with(source, rows[part], ablated)

            return torch.cat(self._session.in_batches(rows, run))
        size = max(1, min(_HEAD_ROWS, _HEAD_BYTES // output.nbytes))
        parts = [range(start, min(start + size, n)) for start in range(0, n, size)]
        return torch.cat(
            [self._network.run_head(source, self._calls, row, _without(output, axis, part)) for part in parts]
        )

    def _check_finite(self, source: MapSource, maps: dict[str, Any], rows: slice) -> None:
        if not all(bool(torch.isfinite(one).all()) for one in maps.values()):
            first, last = self._first + rows.start, self._first + rows.stop - 1
            raise DataError(
                f"The output of layer {source.name}, or gradients there, have NaN or infinity in rows "
                f"{first} to {last}. In half precision they overflow: use precision='fp32' in "
                "as_predictor, and copy.deepcopy(module).float() if its own parameters are half. Else check "
                "the network at these rows."
            )


def write(maps: dict[str, Any], values: Floats, config: CamConfig) -> None:
    """Maps (n, n_selected, ...) of a layer's size, by method, into values (n, n_methods, n_selected, ...)."""
    if not maps:
        return
    places = [config.methods.index(method) for method in maps]
    small = torch.stack(
        [one.clamp(min=0.0) if config.is_positive(method) else one for method, one in maps.items()], dim=1
    )
    for one, value in zip(small, values, strict=True):  # row by row, so that one row is enlarged at a time
        large = cam_weights.resize(one.flatten(0, 1), config.shape)
        large = cam_weights.min_max(large) if config.normalize else large
        value[places] = large.cpu().numpy().reshape(len(places), *value.shape[1:])


def _gradients(scores: Any, outputs: list[Any], columns: Any) -> list[list[Any]]:
    """For each output of a layer the gradients (n, ...) of the scores at columns (n, n_selected)."""
    # Rows do not interact in evaluation mode, so the gradient of a sum over rows has each row's own.
    sums = scores.gather(1, columns).sum(dim=0)
    if not scores.requires_grad:
        raise DataError("The scores do not depend on the layers' outputs through torch's graph.")
    with failures_explained():
        by_score = [torch.autograd.grad(one, outputs, retain_graph=True) for one in sums]
    return [list(slopes) for slopes in zip(*by_score, strict=True)]


def _score(session: Any, config: CamConfig) -> Any:
    """What is differentiated, a function from inputs to scores (n, n_outputs)."""
    return session.score if config.target == "logits" else session.predict


def _slopes(gradients: list[Any], source: MapSource, config: CamConfig) -> Any:
    """Gradients (n, ...) of each score as (n, n_selected, n_channels, ...)."""
    return torch.stack([_maps(one, source, config) for one in gradients], dim=1)


def _maps(output: Any, source: MapSource, config: CamConfig) -> Any:
    wide = output.to(torch.promote_types(output.dtype, torch.float32))
    return to_maps(wide, config.n_axes, config.token_grid, source.name)


def _channels(output: Any, source: MapSource, config: CamConfig) -> int:
    axis = channel_axis(output.ndim, config.n_axes, config.token_grid)
    if axis is None:
        raise DataError(
            f"Ablation-CAM needs the channels of layer {source.name}, which a function token_grid does not "
            "tell. Use token_grid=(height, width), or another method."
        )
    return axis


def _without(output: Any, axis: int, channels: Any) -> Any:
    """An output (1, ...) without each of some channels, (n, ...)."""
    many = output.repeat(len(channels), *[1] * (output.ndim - 1))
    many.movedim(axis, 1)[range(len(channels)), list(channels)] = 0.0
    return many


def _agree(one: Any, other: Any, scale: Any = None) -> bool:
    """Whether two tensors are equal up to rounding, relative to their largest number or that of `scale`."""
    size = torch.stack(
        [tensor.abs().max() for tensor in (one, other, *([] if scale is None else [scale]))]
    ).max()
    return bool((one - other).abs().max() <= torch.finfo(one.dtype).eps ** 0.5 * size)
