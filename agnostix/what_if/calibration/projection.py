from __future__ import annotations
from dataclasses import dataclass
from typing import Any
import numpy as np
from agnostix.what_if.projection import project_ranges

@dataclass(frozen=True)
class Projection:
    status: Any; weights: Any; xi: Any; held: Any; tangent: Any; divergence_value: float

def project(phi, low, high, base, *, penalty=None, start=None):
    try: p, held = project_ranges(phi, low, high, base)
    except Exception: return Projection("infeasible",0*base,np.zeros(phi.shape[1]),np.full(phi.shape[1],np.nan),0*base,np.inf)
    live = p.weights > 0
    kl = float(p.weights[live] @ np.log(p.weights[live] / base[live]))
    return Projection(p.status, p.weights, p.xi, held, p.weights, kl)
