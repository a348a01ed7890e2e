"""Functions of torch modules and tensors: evaluation mode, hooks, masked batches. They need no TorchModel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from threading import Lock, get_ident
from typing import Any

import numpy as np
import torch

from agnostix.core.masking.fills import SoftMaskBatch
from agnostix.core.models.torch_failures import is_out_of_memory
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_N_LAYERS_NAMED = 10
"""Layers that a message lists."""


class _SharedFlags:
    """A boolean attribute that threads and nested blocks override: the last one to leave restores it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._original: dict[int, bool | None] = {}  # None where it has none, as frozen TorchScript
        self._n_holders: dict[int, int] = {}

    @contextmanager
    def held(self, owners: Iterable[Any]) -> Iterator[None]:
        """Remember the attribute of each owner, and restore it on exit where nobody else holds it."""
        owners = list(owners)
        with self._lock:
            for owner in owners:
                self._original.setdefault(id(owner), getattr(owner, self._name, None))
                self._n_holders[id(owner)] = self._n_holders.get(id(owner), 0) + 1
        try:
            yield
        finally:
            with self._lock:
                for owner in owners:
                    self._n_holders[id(owner)] -= 1
                    if self._n_holders[id(owner)] == 0:
                        del self._n_holders[id(owner)]
                        original = self._original.pop(id(owner))
                        if original is not None:
                            setattr(owner, self._name, original)
                        elif hasattr(owner, self._name):
                            delattr(owner, self._name)


# Global, since a module may be wrapped more than once, and two modules may share layers; empty at rest.
_TRAINING = _SharedFlags("training")
_REQUIRES_GRAD = _SharedFlags("requires_grad")


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Put a module in evaluation mode; each layer's own mode is restored on exit."""
    parts = list(module.modules())
    with _TRAINING.held(parts):
        try:
            module.eval()
        except NotImplementedError:  # an exported program, which keeps the mode it was exported in
            for part in parts:
                part.training = False
        yield


@contextmanager
def without_gradients() -> Iterator[None]:
    """Compute no gradients; what a module keeps of its tensors can be trained with afterwards."""
    with torch.inference_mode(False), torch.no_grad():
        yield


@contextmanager
def frozen(module: Any) -> Iterator[None]:
    """Let a module's parameters need no gradients; each one's own flag is restored on exit."""
    parameters = list(module.parameters())
    with _REQUIRES_GRAD.held(parameters):
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield


@contextmanager
def recurrent_gradients(module: Any, device: Any) -> Iterator[None]:
    """Context in which recurrent layers have gradients in evaluation mode: those of cuDNN have none."""
    is_recurrent = any(isinstance(part, torch.nn.RNNBase) for part in module.modules())
    if device.type != "cuda" or not is_recurrent:
        yield
        return
    with torch.backends.cudnn.flags(enabled=False):
        yield


def uncompiled(module: Any) -> Any:
    """The module that torch.compile was given, whose hooks run; others as they are."""
    return getattr(module, "_orig_mod", module)


def to_array(outputs: Any) -> Floats:
    """A tensor as an array of float64."""
    return outputs.detach().to(torch.promote_types(outputs.dtype, torch.float32)).cpu().numpy().astype(float)


def input_gradients(outputs: Any, inputs: Any, columns: Any, create_graph: bool = False) -> Any:
    """Gradients inputs.shape + (n_selected,) of the outputs at columns (n_rows, n_selected).

    With create_graph they can be differentiated themselves, as a term of a loss.
    """
    # Rows do not interact in evaluation mode, so the gradient of a sum over rows has each row's own.
    sums = outputs.gather(1, columns).sum(dim=0)
    last = len(sums) - 1
    gradients = [
        torch.autograd.grad(one, inputs, retain_graph=create_graph or j < last, create_graph=create_graph)[0]
        for j, one in enumerate(sums)
    ]
    return torch.stack(gradients, dim=-1)


def record_output(recorded: dict[Any, Any], layer: Any) -> Any:
    """A forward hook that puts a layer's output into `recorded`, as part of the graph."""

    def record(_module: Any, _inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):
            raise DataError(
                f"Layer {layer!r} gives a {type(output).__name__}, and activations need one tensor. Name a "
                "layer inside it, or wrap it in a module that returns the tensor."
            )
        if torch.is_grad_enabled() and not output.requires_grad and output.is_floating_point():
            # Nothing before the layer has a graph (an Embedding's input is whole numbers): it starts here.
            output = output.detach().requires_grad_()
        recorded[layer] = output
        return output.clone()  # a later in-place operation (ReLU) must not change what is recorded

    return record


def add_hook(layer: Any, hook: Callable[[Any, Any, Any], Any]) -> Callable[[], None]:
    """Register a forward hook for calls of this thread: others may run the layer too. Returns its removal."""
    own = get_ident()

    def run(module: Any, inputs: Any, output: Any) -> Any:
        # What torch.compile compiles cannot ask for the thread.
        is_own = torch.compiler.is_compiling() or get_ident() == own
        return hook(module, inputs, output) if is_own else None

    remove: Callable[[], None] = layer.register_forward_hook(run).remove
    return remove


def find_layer(module: Any, layer: Any, called: str) -> str:
    """Name of a layer, given by its name or as the module itself."""
    if isinstance(module, torch.jit.ScriptModule):
        check_not_scripted(module, "layers", called)
    parts = dict(module.named_modules(remove_duplicate=False))
    names = [name for name, part in parts.items() if layer in (name, part)]
    if not names:
        listed = ", ".join(map(repr, list(parts)[1 : _N_LAYERS_NAMED + 1]))
        more = ", ..." if len(parts) > _N_LAYERS_NAMED + 1 else ""
        wanted = layer if isinstance(layer, str) else type(layer).__name__
        raise DataError(f"The module {called} has no layer {wanted!r}. It has: {listed}{more}.")
    if isinstance(parts[names[0]], torch.jit.ScriptModule):
        raise DataError(
            f"Layer {names[0]!r} of the module {called} is compiled to TorchScript, and cannot be observed. "
            "Pass the module with the layer it was made from, or name another layer."
        )
    return names[0]


def check_not_scripted(module: Any, what: str, called: str | None = None) -> None:
    """DataError if a module, or a part of it, is compiled to TorchScript."""
    scripted = next((part for part in module.modules() if isinstance(part, torch.jit.ScriptModule)), None)
    if scripted is not None:
        name = called or getattr(scripted, "original_name", type(scripted).__name__)
        raise DataError(
            f"The module {name} is compiled to TorchScript, whose {what} cannot be observed. Pass the "
            "module it was made from."
        )


def widest(dtypes: Iterable[Any]) -> Any:
    """The type that holds the values of all; double precision for none."""
    dtypes = list(dtypes)
    return reduce(torch.promote_types, dtypes) if dtypes else torch.float64


def noise_like(image: Any) -> Any:
    """Noise between the least and the largest value of an image, the same each time."""
    low, high = image.min(), image.max()
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0)).to(image)
    return low + (high - low if high > low else 1.0) * noise


def nearly_equal(one: Any, other: Any) -> bool:
    """Whether outputs differ by rounding alone, in the order in which sums are added up."""
    if one.shape != other.shape or not one.is_floating_point():
        return torch.equal(one, other)
    tolerance = 1e-2 if one.device.type == "cuda" else torch.finfo(one.dtype).eps ** 0.5  # cuda: TF32
    return bool((one - other).abs().max() <= tolerance * one.abs().max())


def measure_outputs(module: Any, row: Any, autocast: Any) -> tuple[int, int]:
    """Bytes of the largest tensor that a layer makes of a row, and of all of them together."""
    sizes, latest = [row.nbytes], row

    def note(_layer: Any, _inputs: Any, output: Any) -> None:
        nonlocal latest
        # Sparse and nested tensors have no such size; a container gives what its last layer gave.
        is_dense = isinstance(output, torch.Tensor) and output.layout == torch.strided
        if is_dense and not output.is_nested and output is not latest:
            sizes.append(output.nbytes)
            latest = output

    layers = [layer for layer in module.modules() if not isinstance(layer, torch.jit.ScriptModule)]
    removals = [add_hook(layer, note) for layer in layers]
    try:
        with without_gradients(), evaluating(module), autocast:
            module(row)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    finally:
        for remove in removals:
            remove()
    return max(sizes), sum(sizes)


@dataclass(frozen=True)
class MaskedBatch:
    """Every row under every mask with every fill, in this order."""

    own: Any  # (n_rows, ...), as the module takes them
    fills: Any  # (n_rows or 1, n_fill, ...)
    n_masks: int
    # From masks and rows, each (n,), to a tensor that broadcasts to (n, ...): 1 keeps its own value.
    weights: Callable[[Codes, Codes], Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, masks and fills."""
        return (self.own.shape[0], self.n_masks, self.fills.shape[1])

    def compose(self, part: slice) -> Any:
        """Some of the masked rows (n, ...)."""
        row, mask, fill = np.unravel_index(np.arange(part.start, part.stop), self.shape)
        of_row = row if self.fills.shape[0] > 1 else np.zeros_like(row)
        own = _take(self.own, row)
        other = _take(self.fills.flatten(0, 1), of_row * self.shape[2] + fill)
        return torch.lerp(other, own, self.weights(mask, row))


def hard_weights(masks: Bools, segments: Codes, own: Any) -> Callable[[Codes, Codes], Any]:
    """Weights of masks (n_masks, n_segments) over segments (n_rows or 1, ...) in the module's layout."""
    kept = torch.as_tensor(np.ascontiguousarray(masks), dtype=own.dtype, device=own.device)
    places = torch.as_tensor(segments, device=own.device)

    def weights(mask: Codes, row: Codes) -> Any:
        chosen = kept[torch.as_tensor(mask, device=own.device)]
        where = _take(places, row if len(places) > 1 else np.zeros_like(row))
        flat = where.flatten(1)
        shown = chosen.index_select(1, flat[0]) if len(flat) == 1 else chosen.gather(1, flat)
        return shown.reshape(len(mask), *where.shape[1:], *[1] * (own.ndim - where.ndim))

    return weights


def soft_weights(masks: SoftMaskBatch, own: Any) -> Callable[[Codes, Codes], Any]:
    """Weights (n, 1, height, width) of soft masks, interpolated on the device."""
    grids, rows, columns = (
        torch.as_tensor(part, dtype=own.dtype, device=own.device)
        for part in (masks.grids, masks.row_weights, masks.column_weights)
    )
    offsets = torch.as_tensor(np.ascontiguousarray(masks.offsets), device=own.device)

    def weights(mask: Codes, _row: Codes) -> Any:
        at = torch.as_tensor(mask, device=own.device)
        shown = rows[offsets[at, 0]] @ grids[at] @ columns[offsets[at, 1]].transpose(1, 2)
        return shown[:, None]

    return weights


def _take(rows: Any, places: Codes) -> Any:
    """Rows at some places; a view of one where all are the same."""
    if (places == places[0]).all():
        return rows[int(places[0])][None]
    return rows[torch.as_tensor(places, device=rows.device)]
