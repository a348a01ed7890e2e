"""Values that rules need in the backward pass, also of tensors that are written over. Imports torch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakSet

from torch.autograd.graph import saved_tensors_hooks


class Kept:
    """The value of a tensor when it was kept."""

    def __init__(self, value: Any) -> None:
        self.value = value


class KeptValues:
    """Values share memory with the network's tensors, until an operation in place is about to write there."""

    def __init__(self) -> None:
        self._by_storage: dict[int, WeakSet[Kept]] = {}

    def keep(self, tensor: Any) -> Kept:
        """The value of a tensor, without its graph."""
        kept = Kept(tensor.detach())
        self._by_storage.setdefault(_address(tensor), WeakSet()).add(kept)
        return kept

    def before_writing(self, tensor: Any) -> None:
        """Copy what is kept of the memory of a tensor."""
        for kept in self._by_storage.pop(_address(tensor), ()):
            kept.value = kept.value.clone()

    def saving(self) -> AbstractContextManager[None]:
        """Context in which graphs that are made save kept values."""
        return saved_tensors_hooks(self.keep, lambda kept: kept.value)


def _address(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)
