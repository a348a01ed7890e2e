"""Our side of benchmarks/relevance.py: explanations of one output, rules by their names, differences."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import agnostix.neural as neural
from agnostix import LrpExplainer, as_predictor

TINY = 1e-9
COMPOSITES = (
    "epsilon",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_gamma_box",
    "epsilon_alpha2_beta1",
    "deep_taylor",
)
RULES: dict[str, Callable[[], Any]] = {
    "epsilon": lambda: neural.Epsilon(TINY),
    "gamma": lambda: neural.Gamma(0.25),
    "z-plus": lambda: neural.ZPlus(),
    "alpha2-beta1": lambda: neural.AlphaBeta(2.0, 1.0),
    "z-box": lambda: neural.ZBox(-1.0, 1.0),
    "w-square": lambda: neural.WSquare(),
    "flat": lambda: neural.Flat(),
}


def tight(stabilizer: float = TINY) -> dict[str, Any]:
    """Epsilon for all operations, with a stabilizer that does not count."""
    return {"default": neural.Epsilon(stabilizer)}


def inputs_of(X: Any, dtype: Any = torch.float64) -> Any:
    """Rows as the module takes them: images with channels first."""
    rows = torch.as_tensor(X, dtype=dtype)
    return rows.permute(0, 3, 1, 2) if rows.ndim == 4 else rows


def relevance(module: Any, X: Any, outputs: Any, dtype: Any = torch.float64, **params: Any) -> Any:
    """Relevance of outputs by `LrpExplainer`."""
    return fitted(LrpExplainer, module, outputs, rows_of(X, dtype), **params).explain(rows_of(X, dtype))


def deep_lift(module: Any, X: Any, outputs: Any, dtype: Any = torch.float64, **params: Any) -> Any:
    """Contributions by `DeepLiftExplainer`, against zeros."""
    from agnostix import DeepLiftExplainer

    params = {"rule": "rescale", "baseline": "zeros", **params}
    return fitted(DeepLiftExplainer, module, outputs, rows_of(X, dtype), **params).explain(rows_of(X, dtype))


def rows_of(X: Any, dtype: Any) -> Any:
    """Rows in the precision of the network; token ids as they are."""
    X = np.asarray(X)
    return X if X.dtype.kind in "iu" else X.astype("float64" if dtype == torch.float64 else "float32")


def fitted(explainer: Any, module: Any, outputs: Any, rows: Any, **params: Any) -> Any:
    """An explainer of some outputs of a module, which has no activation after it."""
    model = as_predictor(module, activation="none")
    return explainer(model, outputs=outputs, verbose=0, **params).fit(rows)


def apart(one: Any, other: Any) -> float:
    """The largest difference as a share of the largest value."""
    one, other = np.asarray(one, float).reshape(np.shape(other)), np.asarray(other, float)
    return float(np.abs(one - other).max() / np.abs(other).max())


def or_refused(call: Callable[[], float]) -> str:
    """A number for a reader, or the name of the error that came instead, whose message goes to stderr."""
    try:
        return f"{call():.0e}"
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return type(error).__name__
