"""From what a torch module returns to a matrix of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from agnostix.exceptions import ModelOutputError

_ROUNDING = 1e-3
"""Deviation from 1 that the sum of probabilities may have, in single precision."""


@dataclass(frozen=True)
class TorchOutputs:
    """Selects the output tensor and applies the activation.

    Attributes
    ----------
    module : torch.nn.Module
    output : int, str or None
        Entry of a tuple or dict.
    activation : {"auto", "softmax", "sigmoid", "none"}
    known : dict
        Under "are_probabilities" what the first outputs were; kept from call to call.
    """

    module: Any
    output: Any
    activation: str
    known: dict[str, Any]

    @property
    def name(self) -> str:
        """Class of the module."""
        return type(self.module).__name__

    @property
    def applied(self) -> str:
        """The activation in use; "auto" until outputs have been seen that decide it."""
        if self.activation != "auto" or "are_probabilities" not in self.known:
            return self.activation
        return "none" if self.known["are_probabilities"] else "softmax"

    def to_matrix(self, given: Any, n_rows: int) -> Any:
        """Outputs (n_rows, n_outputs) in single precision, or the module's own if that is finer."""
        outputs = self._matrix(self._entry(given), n_rows)
        are_probabilities = self._decide(outputs) if self.activation == "auto" else None
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        if self.activation == "softmax" or are_probabilities is False:
            return torch.softmax(outputs, dim=1)
        return torch.sigmoid(outputs) if self.activation == "sigmoid" else outputs

    def _entry(self, given: Any) -> Any:
        """The tensor among what the module returned."""
        if isinstance(given, torch.Tensor):
            if self.output is not None:
                raise ModelOutputError(
                    f"The 'output' parameter of as_predictor is {self.output!r}, and the module {self.name} "
                    "returned one tensor. Leave output out."
                )
            return given
        parts = _parts(given)
        if not parts:
            raise ModelOutputError(
                f"The module {self.name} returned {_kind(given)}; a tensor is needed, or a tuple or dict "
                "with one. Wrap the module in one that returns it."
            )
        if self.output not in parts:
            known = ", ".join(repr(name) for name in parts)
            raise ModelOutputError(
                f"The module {self.name} returned a {type(given).__name__} with entries {known}. Choose "
                f"one: as_predictor(module, output={next(iter(parts))!r})."
            )
        if not isinstance(parts[self.output], torch.Tensor):
            raise ModelOutputError(
                f"Entry {self.output!r} of the output of module {self.name} is "
                f"{_kind(parts[self.output])}; a tensor is needed. Wrap the module in one that returns it."
            )
        return parts[self.output]

    def _matrix(self, outputs: Any, n_rows: int) -> Any:
        if n_rows == 1 and outputs.ndim < 2:  # some modules squeeze away the axis of a single row
            outputs = outputs.reshape(1, -1)
        shape = tuple(outputs.shape)
        if outputs.is_complex():
            raise ModelOutputError(
                f"The module {self.name} returned complex numbers; return their real part."
            )
        if outputs.ndim == 0 or shape[0] != n_rows:
            raise ModelOutputError(
                f"The module {self.name} returned a tensor of shape {shape} for {n_rows} rows; "
                f"({n_rows},) or ({n_rows}, n_outputs) is needed."
            )
        if outputs.ndim > 2 and outputs[0].numel() != shape[1]:
            raise ModelOutputError(
                f"The module {self.name} returned a tensor of shape {shape}; (n,) or (n, n_outputs) is "
                "needed. Wrap it in a module that pools or selects."
            )
        return outputs.flatten(1) if outputs.ndim > 1 else outputs[:, None]

    def _decide(self, outputs: Any) -> bool | None:
        """Whether outputs are probabilities, as decided by the first; None if there are none to decide by."""
        outputs = outputs[outputs.isfinite().all(dim=1)].detach()
        if outputs.shape[1] < 2 or len(outputs) == 0:
            return None
        if self.known.get("are_probabilities") is False:
            return False
        are_now = self._are_probabilities(outputs)
        if self.known.setdefault("are_probabilities", are_now) and not are_now:
            raise ModelOutputError(
                f"The module {self.name} returned probabilities at first, and now numbers from "
                f"{float(outputs.min()):.6g} to {float(outputs.max()):.6g}, which are not probabilities. "
                "Pass as_predictor(module, activation='softmax') for logits, activation='none' to leave "
                "them as they are."
            )
        return bool(self.known["are_probabilities"])

    def _are_probabilities(self, outputs: Any) -> bool:
        """Whether rows sum to 1, or the module ends in a sigmoid."""
        if not bool((outputs >= 0).all() & (outputs <= 1 + _ROUNDING).all()):
            return False
        if isinstance(list(self.module.modules())[-1], torch.nn.Sigmoid):
            return True
        eps = torch.finfo(outputs.dtype).eps if outputs.is_floating_point() else 0.0
        apart = (outputs.sum(dim=1, dtype=torch.float32) - 1.0).abs()
        return bool((apart < max(_ROUNDING, 2.0 * eps)).all())


def _parts(given: Any) -> dict[Any, Any]:
    """Entries of a tuple or dict by name and position; empty for other objects."""
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, tuple | list):
        return {}
    return getattr(given, "_asdict", dict)() | dict(enumerate(given))


def _kind(given: Any) -> str:
    if isinstance(given, tuple | list | Mapping) and len(given) == 0:
        return f"an empty {type(given).__name__}"
    return "None" if given is None else f"something of type {type(given).__name__}"
