"""Designs of many features as zeros and ones: whether a sample is in the row's own bin, or keeps a word.

As numbers, a design of 5,000 features and 50,000 samples is 2 GB. Here it is half a byte a cell, or the cells
out of the usual bin alone, and is multiplied chunk by chunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from agnostix.core.typing import Bools, Codes, Floats

CHUNK_NUMBERS = 2**20
"""Numbers of a design that are held at once."""
_NONE = 255
"""No bin of any sample."""


class Indicators(ABC):
    """A matrix (n_samples, n_features) of zeros and ones."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""

    @abstractmethod
    def product(self, v: Floats) -> Floats:
        """The matrix times v (n_features, n_columns)."""

    @abstractmethod
    def adjoint(self, u: Floats) -> Floats:
        """Its transpose times u (n_samples, n_columns)."""

    @abstractmethod
    def samples(self, part: slice) -> Indicators:
        """Some samples."""

    @abstractmethod
    def features(self, features: Codes) -> Indicators:
        """Some features."""

    def normal(self, v: Floats, shift: Floats, weights: Floats) -> Floats:
        """`adjoint` of weights (n_samples,) times (`product` of v less a shift (n_columns,))."""
        return self.adjoint(weights[:, None] * (self.product(v) - shift))

    def to_numbers(self) -> Floats:
        """As numbers, (n_features, n_samples)."""
        return self.adjoint(np.eye(self.shape[0]))


@dataclass(frozen=True)
class SparseIndicators(Indicators):
    """Few ones, each a stored cell."""

    cells: csr_array

    @property
    def shape(self) -> tuple[int, int]:
        return self.cells.shape

    @cached_property
    def _transposed(self) -> Any:
        return self.cells.T.tocsr()

    def product(self, v: Floats) -> Floats:
        return np.asarray(self.cells @ v)

    def adjoint(self, u: Floats) -> Floats:
        return np.asarray(self._transposed @ u)

    def samples(self, part: slice) -> SparseIndicators:
        return SparseIndicators(self.cells[part])

    def features(self, features: Codes) -> SparseIndicators:
        return SparseIndicators(self.cells[:, features].tocsr())

    def to_numbers(self) -> Floats:
        return np.asarray(self._transposed.toarray(), dtype=np.float64)


class _Chunked(Indicators):
    """Made into numbers chunk by chunk."""

    @abstractmethod
    def _numbers(self, part: slice) -> Floats:
        """Some samples as numbers (n, n_features)."""

    def _chunks(self) -> Iterator[slice]:
        n, d = self.shape
        size = max(1, CHUNK_NUMBERS // max(d, 1))
        for start in range(0, n, size):
            yield slice(start, min(start + size, n))

    def product(self, v: Floats) -> Floats:
        out = np.empty((self.shape[0], v.shape[1]))
        for part in self._chunks():
            np.matmul(self._numbers(part), v, out=out[part])
        return out

    def adjoint(self, u: Floats) -> Floats:
        out = np.zeros((self.shape[1], u.shape[1]))
        for part in self._chunks():
            out += self._numbers(part).T @ u[part]
        return out

    def normal(self, v: Floats, shift: Floats, weights: Floats) -> Floats:
        out = np.zeros((self.shape[1], v.shape[1]))
        for part in self._chunks():  # each chunk is made once for both products
            numbers = self._numbers(part)
            out += numbers.T @ (weights[part, None] * (numbers @ v - shift))
        return out

    def to_numbers(self) -> Floats:
        out = np.empty(self.shape[::-1])
        for part in self._chunks():
            out[:, part] = self._numbers(part).T
        return out


@dataclass(frozen=True)
class MaskIndicators(_Chunked):
    """Masks (n_samples, n_features)."""

    masks: Bools

    @property
    def shape(self) -> tuple[int, int]:
        return self.masks.shape[0], self.masks.shape[1]

    def samples(self, part: slice) -> MaskIndicators:
        return MaskIndicators(self.masks[part])

    def features(self, features: Codes) -> MaskIndicators:
        return MaskIndicators(self.masks[:, features])

    def _numbers(self, part: slice) -> Floats:
        return self.masks[part].astype(float)


@dataclass(frozen=True)
class PackedCodes:
    """Codes of bins (n_samples, n_features), two in a byte where all are below 16."""

    cells: Any  # uint8 (n_samples, n_features / 2), of uint16 or more and (n_samples, n_features) else
    n_features: int
    is_packed: bool

    @classmethod
    def empty(cls, n_samples: int, n_codes: Sequence[int]) -> PackedCodes:
        """Room for the codes of features with n_codes bins each."""
        most, d = max(n_codes, default=0), len(n_codes)
        if most <= 16:
            return cls(np.zeros((n_samples, -(-d // 2)), dtype=np.uint8), d, True)
        dtype = np.uint8 if most < _NONE else np.int32
        return cls(np.zeros((n_samples, d), dtype=dtype), d, False)

    def put(self, part: slice, codes: Codes) -> None:
        """Store the codes (n, n_features) of some samples."""
        if not self.is_packed:
            self.cells[part] = codes
            return
        half = self.cells.shape[1]
        self.cells[part] = codes[:, :half]
        self.cells[part, : self.n_features - half] |= codes[:, half:].astype(np.uint8) << 4

    def equal(self, part: slice, own: Codes) -> Floats:
        """1 where the codes of some samples are the row's own (n_features,), else 0."""
        own, cells = np.where(own < 0, _NONE if self.is_packed else -1, own), self.cells[part]
        out = np.empty((len(cells), self.n_features), dtype=bool)
        if not self.is_packed:
            np.equal(cells, own, out=out)
            return out.astype(float)
        half, own = cells.shape[1], own.astype(np.uint8)
        np.equal(cells & 15, own[:half], out=out[:, :half])
        np.equal((cells >> 4)[:, : self.n_features - half], own[half:], out=out[:, half:])
        return out.astype(float)


@dataclass(frozen=True)
class CodeIndicators(_Chunked):
    """Whether samples are in the row's own bins (n_all_features,), of some features and samples."""

    codes: PackedCodes
    own: Codes
    kept: Codes  # (n_features,), of all
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.stop - self.start, self.kept.size

    def samples(self, part: slice) -> CodeIndicators:
        start, stop, _ = part.indices(self.shape[0])
        return replace(self, start=self.start + start, stop=self.start + stop)

    def features(self, features: Codes) -> CodeIndicators:
        return replace(self, kept=self.kept[features])

    def _numbers(self, part: slice) -> Floats:
        whole = self.codes.equal(slice(self.start + part.start, self.start + part.stop), self.own)
        return whole if self.kept.size == self.own.size else whole[:, self.kept]


@dataclass(frozen=True)
class SideBySide(Indicators):
    """Two parts whose features are at `places` (n_features,) of both together."""

    parts: tuple[Indicators, Indicators]
    places: tuple[Codes, Codes]

    @property
    def shape(self) -> tuple[int, int]:
        return self.parts[0].shape[0], self.places[0].size + self.places[1].size

    def product(self, v: Floats) -> Floats:
        one, other = (part.product(v[places]) for part, places in zip(self.parts, self.places, strict=True))
        return one + other

    def adjoint(self, u: Floats) -> Floats:
        out = np.empty((self.shape[1], u.shape[1]))
        for part, places in zip(self.parts, self.places, strict=True):
            out[places] = part.adjoint(u)
        return out

    def samples(self, part: slice) -> SideBySide:
        one, other = self.parts
        return replace(self, parts=(one.samples(part), other.samples(part)))

    def features(self, features: Codes) -> SideBySide:
        where = np.empty((2, self.shape[1]), dtype=np.intp)
        for number, places in enumerate(self.places):
            where[:, places] = np.stack([np.full(places.size, number), np.arange(places.size)])
        of, place = where[:, features]
        one, other = self.parts
        first, second = np.flatnonzero(of == 0), np.flatnonzero(of == 1)
        return SideBySide((one.features(place[first]), other.features(place[second])), (first, second))

    def to_numbers(self) -> Floats:
        out = np.empty(self.shape[::-1])
        for part, places in zip(self.parts, self.places, strict=True):
            out[places] = part.to_numbers()
        return out


@dataclass(frozen=True)
class IndicatorDesign:
    """A design z (n_features, n_samples), 1 - indicators where they are flipped (n_features,), else these."""

    indicators: Indicators
    is_flipped: Bools

    @property
    def shape(self) -> tuple[int, int]:
        """(n_features, n_samples), as an array of numbers has it."""
        n, d = self.indicators.shape
        return d, n

    @property
    def signs(self) -> Floats:
        """-1 where the design is flipped, else 1, (n_features,)."""
        return np.where(self.is_flipped, -1.0, 1.0)

    def samples(self, part: slice) -> IndicatorDesign:
        """The design of some samples."""
        return replace(self, indicators=self.indicators.samples(part))

    def features(self, features: Codes) -> IndicatorDesign:
        """Some of its features."""
        return IndicatorDesign(self.indicators.features(features), self.is_flipped[features])

    def product(self, v: Floats) -> Floats:
        """Z' v, (n_samples, n_columns), of v (n_features, n_columns)."""
        return self.indicators.product(self.signs[:, None] * v) + self.is_flipped @ v

    def means(self, weights: Floats) -> Floats:
        """Weighted means (n_features,)."""
        means = self.indicators.adjoint(weights[:, None])[:, 0] / weights.sum()
        return np.where(self.is_flipped, 1.0 - means, means)

    def to_numbers(self) -> Floats:
        """As numbers, (n_features, n_samples)."""
        numbers = self.indicators.to_numbers()
        numbers[self.is_flipped] = 1.0 - numbers[self.is_flipped]
        return numbers
