"""torch modules as functions from pictures or tables to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import torch

from agnostix.core.models.torch_answers import TorchAnswers
from agnostix.core.models.torch_cells import MaskedCells
from agnostix.core.models.torch_failures import (
    check_passes_gradients,
    failures_named,
    is_out_of_memory,
    without_memory,
)
from agnostix.core.models.torch_input import TorchInput
from agnostix.core.models.torch_masks import MaskFound, search
from agnostix.core.models.torch_modes import evaluating
from agnostix.core.models.torch_params import PRECISIONS, check_params, normalisation
from agnostix.core.typing import Bools, Codes, Floats

CPU_BYTES = 20_000_000
"""Of the largest tensor inside a network on a processor: much larger ones are asked of the system
anew each time, and leave its caches."""
CPU_ROWS = 256
"""In a batch on a processor, however small the network."""
GPU_NUMBERS = 256 * 3 * 224 * 224
"""Numbers in a batch on a GPU, as far as its memory goes."""
GPU_BYTES_PER_NUMBER = 600
"""What a network is taken to hold on a GPU for each number of its input."""
_MOST_TRIED = 256


@dataclass(frozen=True)
class TorchModel:
    """A torch module that is asked with arrays.

    Parameters
    ----------
    module : torch.nn.Module
        Run in evaluation mode; its flags are put back afterwards.
    activation : {"auto", "softmax", "sigmoid", "none"}, default="auto"
        What is made of its answers. "auto" is softmax where the first that it gives are
        several numbers that are no probabilities already.
    mean, std : sequence of float, default=None
        The network's own normalisation, by channel, on pictures from 0 to 1.
    layout : {"HWC", "CHW"}, default="HWC"
        Where the channels of the pictures that come in are; the module gets CHW.
    value_range : {"auto", "0-1", "0-255"}, default="auto"
        Of the pictures; "auto" is 0-255 for uint8, and else 0-1.
    device : str, default="auto"
        "auto" is where the module's parameters are.
    precision : {"fp32", "bf16", "fp16"}, default="fp32"
        Of the network's inner arithmetic.
    output : int, str or None, default=None
        Which entry of a tuple or dict the module's answer is.
    compiled : bool, default=False
        Whether the module is compiled by torch first.
    batch_size : int, default=None
        None: by a rule from the shape of the rows.
    """

    module: Any
    activation: str = "auto"
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    layout: str = "HWC"
    value_range: str = "auto"
    device: str = "auto"
    precision: str = "fp32"
    output: Any = None
    compiled: bool = False
    batch_size: int | None = None
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_params(self)
        for name, values in zip(("mean", "std"), normalisation(self.mean, self.std), strict=True):
            object.__setattr__(self, name, values)

    def __getstate__(self) -> dict[str, Any]:
        known = {name: self._made[name] for name in ("are_probabilities",) if name in self._made}
        return self.__dict__ | {"_made": known}

    @property
    def __name__(self) -> str:
        return type(self.module).__name__

    @property
    def told_params(self) -> dict[str, Any]:
        """What explanations tell of it."""
        return {
            "activation": self._answered.applied,
            "device": str(self._device),
            "precision": self.precision,
            "compiled": self.compiled,
        }

    def __call__(self, X: Any) -> Floats:
        """Ask about rows.

        Parameters
        ----------
        X : ndarray of n_rows rows
            Pictures in the layout that was said, grey ones without channels, or a table of numbers.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
        """
        rows = self._input.read(X)
        size = self._size(self._prepared(rows[:1]))
        return self._in_batches(rows.shape[0], size, lambda part: self._prepared(rows[part]))

    def predict_masked(self, X: Any, masks: Bools, fill: Any, labels: Codes) -> Floats:
        """Ask about rows with parts hidden, which are put together where the module is.

        Parameters
        ----------
        X : ndarray of shape (n_rows, ...)
            The rows.
        masks : ndarray of bool of shape (n_masks, n_players)
            True where a row's own values stay.
        fill : ndarray of shape (n_rows or 1, n_fill, ...)
            What stands in.
        labels : ndarray of int of shape (n_rows or 1, ...)
            The player to which each place of a row belongs, or of its leading axes.

        Returns
        -------
        ndarray of shape (n_rows, n_masks, n_fill, n_outputs)
        """
        own = self._prepared(X)
        others = self._prepared(fill.reshape(-1, *fill.shape[2:])).unflatten(0, fill.shape[:2])
        shown = torch.as_tensor(np.ascontiguousarray(masks), dtype=torch.float32, device=own.device)
        where = torch.as_tensor(self._input.spread(labels, X), device=own.device)
        cells = MaskedCells(own, others, shown, where)
        answers = self._in_batches(int(np.prod(cells.shape)), self._size(own[:1]), cells.built)
        return answers.reshape(*cells.shape, -1)

    def predict_faded(
        self, x: Any, fill: Any, grids: Floats, shifts: Codes, down: Floats, right: Floats
    ) -> Floats:
        """Ask about one picture under soft masks, which is put together where the module is.

        Parameters
        ----------
        x : ndarray of shape (height, width) or (height, width, n_channels)
            The picture, in the layout "HWC".
        fill : ndarray of x's shape
            What stands in.
        grids : ndarray of shape (n_masks, n_cells, n_cells)
            1 where the picture shows.
        shifts : ndarray of int of shape (n_masks, 2)
            Of each grid, down and to the right.
        down, right : ndarray of shape (n_shifts, n_pixels, n_cells)
            Weights of a grid's rows and columns in those of pixels, for each shift.

        Returns
        -------
        ndarray of shape (n_masks, n_outputs)
        """
        self._input.check_channels_are_last(x)
        own, other = self._prepared(x[None]), self._prepared(np.broadcast_to(fill, x.shape)[None])
        cells, along, across = (
            torch.as_tensor(part, dtype=torch.float32, device=own.device) for part in (grids, down, right)
        )
        places = torch.as_tensor(np.ascontiguousarray(shifts), device=own.device)

        def composed(part: slice) -> Any:
            masks = along[places[part, 0]] @ cells[part] @ across[places[part, 1]].transpose(1, 2)
            return torch.lerp(other, own, masks[:, None])

        return self._in_batches(grids.shape[0], self._size(own), composed)

    def learn_mask(self, x: Any, fill: Any, output: int, how: Any, seed: int) -> MaskFound:
        """Search for a mask of one picture by gradients; those of the module's parameters stay as they are.

        Parameters
        ----------
        x : ndarray of shape (height, width) or (height, width, n_channels)
            The picture.
        fill : ndarray that broadcasts to x
            What stands in.
        output : int
            Whose score counts.
        how : LearnedMask
            What is searched for.
        seed : int
            Of the jitter.

        Returns
        -------
        MaskFound
        """
        self._input.check_channels_are_last(x)

        def score(batch: Any) -> Any:
            answers = self._tensor(batch)[:, output]
            check_passes_gradients(self.__name__, batch, answers)
            return answers

        with torch.inference_mode(False), torch.enable_grad(), evaluating(self._runner):
            own, other = self._prepared(x[None]), self._prepared(np.broadcast_to(fill, x.shape)[None])
            try:
                return search(score, own, other, how, seed)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise without_memory(self.__name__) from error

    def tune(self, x: Any, sizes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256)) -> TorchModel:
        """Measure which batch size is the fastest, and keep it.

        Parameters
        ----------
        x : ndarray
            A row as those that will be asked about.
        sizes : sequence of int, default=(1, 2, 4, ..., 256)
            What is tried, in this order, until one takes twice the best time a row.

        Returns
        -------
        TorchModel
            With `batch_size` set.
        """
        from time import perf_counter

        best, found = np.inf, 1
        for size in sizes:
            rows = np.repeat(np.asarray(x)[None], min(size, _MOST_TRIED), axis=0)
            tried = replace(self, batch_size=size)
            tried(rows[:size])
            start = perf_counter()
            tried(rows)
            each = (perf_counter() - start) / rows.shape[0]
            if each < best:
                best, found = each, size
            elif each > 2.0 * best:
                break
        return replace(self, batch_size=found)

    @property
    def _input(self) -> TorchInput:
        return TorchInput(self.__name__, self.mean, self.std, self.layout, self.value_range)

    def _prepared(self, rows: Any) -> Any:
        """Rows as the module takes them, where it lives."""
        return self._input.made(rows, self._device)

    def _in_batches(self, n_rows: int, size: int, make: Callable[[slice], Any]) -> Floats:
        """Answers batch by batch; where memory runs out, batches are halved."""
        found, start = [], 0
        with torch.inference_mode(), evaluating(self._runner):
            while start < n_rows:
                part = slice(start, min(start + size, n_rows))
                try:
                    found.append(self._answers(make(part)))
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    if size == 1:
                        raise without_memory(self.__name__) from error
                    size = max(1, size // 2)
                    continue
                start = part.stop
        return np.concatenate(found)

    def _answers(self, batch: Any) -> Floats:
        return self._tensor(batch).cpu().numpy().astype(float)

    def _tensor(self, batch: Any) -> Any:
        """Answers where the module is, of shape (n, n_outputs)."""
        with self._autocast(batch), failures_named(self.module, batch):
            given = self._runner(batch.to(self._kind))
        return self._answered.made(given, batch.shape[0])

    def _autocast(self, batch: Any) -> Any:
        kind = PRECISIONS[self.precision]
        return torch.autocast(batch.device.type, dtype=kind, enabled=kind is not None)

    @property
    def _answered(self) -> TorchAnswers:
        return TorchAnswers(self.module, self.output, self.activation, self._made)

    @property
    def _kind(self) -> Any:
        """The type of the module's own numbers."""
        kinds = (own.dtype for own in self._own_tensors() if own.is_floating_point())
        return next(kinds, torch.float32)

    def _own_tensors(self) -> Iterator[Any]:
        return chain(self.module.parameters(), self.module.buffers())

    @property
    def _device(self) -> Any:
        if self.device != "auto":
            return torch.empty(0, device=self.device).device  # with its number, as tensors have it
        return next((own.device for own in self._own_tensors()), torch.device("cpu"))

    @property
    def _module(self) -> Any:
        """The module on its device."""
        if "module" not in self._made:
            is_elsewhere = any(own.device != self._device for own in self._own_tensors())
            away = self.device != "auto" and is_elsewhere
            self._made["module"] = deepcopy(self.module).to(self._device) if away else self.module
        return self._made["module"]

    @property
    def _runner(self) -> Any:
        """The same, compiled where that is asked for."""
        if "runner" not in self._made:
            self._made["runner"] = torch.compile(self._module) if self.compiled else self._module
        return self._made["runner"]

    def _size(self, row: Any) -> int:
        """Rows in a batch, by one that is ready for the module."""
        if self.batch_size is not None:
            return self.batch_size
        numbers = row[0].numel()
        if row.device.type != "cuda":
            return max(1, min(CPU_ROWS, CPU_BYTES // self._bytes_inside(row)))
        free = torch.cuda.mem_get_info(self._device)[0]
        return max(1, min(GPU_NUMBERS, free // GPU_BYTES_PER_NUMBER) // numbers)

    def _bytes_inside(self, row: Any) -> int:
        """Of such a row where the network is widest."""
        known = self._made.setdefault("largest", {})
        if row.shape not in known:
            with failures_named(self.module, row):
                ready = row.to(self._kind)
                known[row.shape] = _largest_output(self._module, ready, self._autocast(row))
        return int(known[row.shape])


def _largest_output(module: Any, row: Any, autocast: Any) -> int:
    """Bytes of the largest tensor that a part of the module makes of a row."""
    found = [row.nbytes]

    def note(_part: Any, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            found.append(output.nbytes)

    parts = [part for part in module.modules() if not isinstance(part, torch.jit.ScriptModule)]
    hooks = [part.register_forward_hook(note) for part in parts]
    try:
        with torch.inference_mode(), evaluating(module), autocast:
            module(row)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    finally:
        for hook in hooks:
            hook.remove()
    return max(found)
