"""Values of tensors that a rule needs in the backward pass, also where the network writes over them."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet


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


def _address(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)
