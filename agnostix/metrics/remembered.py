"""A model that remembers what it predicted, so that metrics which share a model evaluate nothing twice.

Remembered are the predictions of rows as they are, of rows under masks, and of pictures seen through maps,
each by what it holds: a row, what is hidden of it and what it is hidden behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import numpy as np

from agnostix.core.models import Predictor, as_predictor
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.metrics.orders import row_seeds
from agnostix.metrics.units import PictureFills, Units


@dataclass(frozen=True)
class RememberingPredictor(Predictor):
    """A Predictor with predictions seen before, by what was predicted."""

    known: dict[bytes, Floats] = field(default_factory=dict, compare=False, repr=False)
    maskers: list[Any] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def from_model(cls, model: Any) -> RememberingPredictor:
        """Any model that `as_predictor` takes, nothing seen yet; one that remembers is taken as it is."""
        if isinstance(model, cls):
            return model
        predictor = as_predictor(model)
        return cls(**{one.name: getattr(predictor, one.name) for one in fields(Predictor)})

    def place_of(self, masker: Any) -> bytes:
        """What tells a masker, an object, from all others."""
        for place, one in enumerate(self.maskers):
            if one is masker:
                return str(place).encode()
        self.maskers.append(masker)
        return str(len(self.maskers) - 1).encode()


def key_of_rows(rows: Any) -> bytes:
    """What rows hold, in their order."""
    return bytes(row_seeds(rows).tobytes())


def keys_of_units(predictor: RememberingPredictor, units: Units) -> list[bytes]:
    """Of each row (n_rows,) what it holds, and what parts of it are hidden behind."""
    seeds = [seed.tobytes() for seed in row_seeds(units.rows.data)]
    if not isinstance(units.masker, PictureFills):
        behind = predictor.place_of(units.masker)
        return [seed + behind for seed in seeds]
    rows: Any = units.rows
    fills, labels = (np.broadcast_to(one, (len(seeds), *one.shape[1:])) for one in (rows.fill, rows.labels))
    weights = units.masker.weights.tobytes()
    return [
        seed + hash_of(fill.tobytes(), label.tobytes(), weights)
        for seed, fill, label in zip(seeds, fills, labels, strict=True)
    ]


def keys_of_masks(row: bytes, outputs: Codes, kind: bytes, groups: Codes, masks: Bools) -> list[bytes]:
    """Of each mask (n_masks, n_groups) of a row: what is hidden, and which outputs are predicted.

    A set of hidden units is told from others by the sum of their codes, which needs no list of its units.
    """
    codes = np.zeros((masks.shape[1], 2), dtype=np.uint64)
    np.add.at(codes, groups, codes_of_units(groups.size))
    sums = (~masks).astype(np.uint64) @ codes
    start = hash_of(row, outputs.tobytes(), kind)
    return [start + one.tobytes() for one in sums]


@lru_cache(maxsize=4)
def codes_of_units(n_units: int) -> Codes:
    """Random codes (n_units, 2) of 128 bits: sums of different sets are equal with a chance of 2 ** -128."""
    return np.random.default_rng(n_units).integers(0, 2**64, (n_units, 2), dtype=np.uint64)


def hash_of(*parts: bytes) -> bytes:
    """What tells some parts from others."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.digest()


def new_masks(known: dict[bytes, Floats], keys: Sequence[Sequence[bytes]]) -> list[list[int]]:
    """Of the masks of each job those that are neither known nor in a job before."""
    seen = set(known)
    places = []
    for own in keys:
        fresh = []
        for place, key in enumerate(own):
            if key not in seen:
                seen.add(key)
                fresh.append(place)
        places.append(fresh)
    return places
