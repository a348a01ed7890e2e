"""The same projections by other people's solvers, each in the way its users would write it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from scipy.optimize import minimize


def bfgs_curve(z: np.ndarray, targets: np.ndarray, outcome: np.ndarray, gtol: float) -> np.ndarray:
    """One BFGS solve of the dual per target: multipliers, reached means, mean outcomes, one row a target."""
    found = np.empty((targets.size, 3))
    for j, target in enumerate(targets):

        def dual(xi: np.ndarray, target: float = target) -> tuple[float, np.ndarray]:
            exponent = z * xi[0]
            top = exponent.max()
            weights = np.exp(exponent - top)
            total = weights.sum()
            return top + np.log(total) - xi[0] * target, np.array([weights @ z / total - target])

        xi = minimize(dual, np.zeros(1), jac=True, method="BFGS", options={"gtol": gtol}).x[0]
        weights = np.exp(z * xi - (z * xi).max())
        weights /= weights.sum()
        found[j] = xi, weights @ z, weights @ outcome
    return found


def clarabel(phi: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """State the primal in cvxpy and solve it with Clarabel: weights, and the solver's own seconds."""
    import cvxpy as cp

    n = phi.shape[0]
    ratio = cp.Variable(n, nonneg=True)
    constraints = [cp.sum(ratio) == n, (phi.T / n) @ ratio == target]
    problem = cp.Problem(cp.Minimize(cp.sum(cp.rel_entr(ratio, np.ones(n)))), constraints)
    problem.solve(solver=cp.CLARABEL)
    return ratio.value / n, problem.solver_stats.solve_time


def empirical_calibration() -> ModuleType | None:
    """The package, where it is installed."""
    try:
        import empirical_calibration as found
    except ImportError:
        return None
    return found


def calibrate(package: ModuleType, phi: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Entropy balancing towards one stated row of averages."""
    weights, _ = package.calibrate(
        covariates=phi, target_covariates=target[None, :], objective=package.Objective.ENTROPY
    )
    return weights


_ETHIK = """
import sys, json, time, warnings
warnings.filterwarnings("ignore")
import ethik, pandas as pd
X, y = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2]).iloc[:, 0]
X.index = y.index
for line in sys.stdin:
    explainer = ethik.ClassificationExplainer(verbose=False)
    start = time.perf_counter()
    frame = explainer.explain_influence(X, y)
    taken = time.perf_counter() - start
    columns = frame[["feature", "target", "ksi", "influence"]].to_dict("list")
    print(json.dumps({"seconds": taken, "frame": columns}), flush=True)
"""


class Ethik:
    """The package ethik in an interpreter of its own, since it needs libraries of its time."""

    def __init__(self, python: str, X: pd.DataFrame, y: np.ndarray) -> None:
        self._folder = tempfile.TemporaryDirectory()
        paths = [str(Path(self._folder.name) / name) for name in ("X.csv", "y.csv")]
        X.astype(float).to_csv(paths[0], index=False)
        pd.DataFrame({"prediction": y}).to_csv(paths[1], index=False)
        self._process = subprocess.Popen(
            [python, "-c", _ETHIK, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def explain(self) -> tuple[float, pd.DataFrame]:
        """One call: the seconds that it took there, and its frame."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print("go", file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return answer["seconds"], pd.DataFrame(answer["frame"])

    def close(self) -> None:
        """Let the other interpreter end."""
        self._process.communicate()
        self._folder.cleanup()
