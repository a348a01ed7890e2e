"""Imported first, before numpy: one thread for every library, so that times compare."""

from __future__ import annotations

import os

for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "RAYON"):
    os.environ[f"{name}_NUM_THREADS"] = "1"
