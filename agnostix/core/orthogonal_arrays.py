"""Orthogonal arrays of strength 2: tables of levels in which any two columns hold all pairs equally often.

Two constructions: `bush` has q^2 runs of q levels in up to q + 1 columns, for q a prime or a power of two;
`plackett_burman` has as few runs as there are columns, of two levels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from agnostix.core.typing import Codes


def is_prime(q: int) -> bool:
    """Whether q is a prime."""
    return q > 1 and all(q % divisor for divisor in range(2, int(q**0.5) + 1))


def is_power_of_two(q: int) -> bool:
    """Whether q is 2, 4, 8, ..."""
    return q > 1 and q & (q - 1) == 0


@lru_cache(maxsize=8)
def bush(q: int) -> Codes:
    """Array (q^2, q + 1) of q levels, index 1 (Bose, 1938; Bush, 1952)."""
    # A run is a line a + b x over the field of q elements; its levels are the values at all x, and b. Two
    # lines meet in one x at most, which makes every pair of levels at two x the values of one line only.
    product = _products(q)
    a, b = np.divmod(np.arange(q * q), q)
    values = product[b]
    sums = a[:, None] ^ values if is_power_of_two(q) else (a[:, None] + values) % q
    return np.column_stack([sums, b])


def _products(q: int) -> Codes:
    """Products (q, q) of the elements of the field GF(q)."""
    if is_prime(q):
        return np.outer(np.arange(q), np.arange(q)) % q
    powers = next(found for poly in range(q + 1, 2 * q, 2) if len(set(found := _powers(q, poly))) == q - 1)
    logarithm = np.zeros(q, dtype=np.intp)
    logarithm[powers] = np.arange(q - 1)
    product = np.array(powers)[(logarithm[:, None] + logarithm) % (q - 1)]
    product[0], product[:, 0] = 0, 0
    return product


def _powers(q: int, poly: int) -> list[int]:
    """Powers 0 to q - 2 of x modulo a polynomial whose bits are its coefficients in GF(2)."""
    powers = [1]
    for _ in range(q - 2):
        shifted = powers[-1] << 1
        powers.append(shifted ^ poly if shifted & q else shifted)
    return powers


@lru_cache(maxsize=8)
def plackett_burman(n_runs: int) -> Codes:
    """Array (n_runs, n_runs - 1) of levels 0 and 1, n_runs - 1 a prime that leaves 3 when divided by 4.

    Paley's (1933) matrix: no column is the product of two others, as columns of Sylvester's matrix are.
    """
    q = n_runs - 1
    squares = np.zeros(q, dtype=np.intp)
    squares[np.arange(1, q) ** 2 % q] = 1
    circulant = squares[(np.arange(q)[:, None] + np.arange(q)) % q]
    return np.vstack([circulant, np.ones(q, dtype=np.intp)])
