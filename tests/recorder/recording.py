"""Run the cases and store their results: arrays as npz, everything else as JSON, pictures as PNG."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from joblib import parallel_config

from tests.recorder import reading, registry
from tests.recorder.registry import Case


def record(folder: Path, only: str = "*", pictures: bool = True, n_jobs: int | None = None) -> int:
    """Record matching cases into a new folder; returns 1 if one of them failed."""
    import agnostix

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start, seconds, failed = time.perf_counter(), {}, []
    for case in registry.matching(only):
        begun = time.perf_counter()
        with parallel_config(n_jobs=n_jobs):
            leaves = run_case(case, folder, pictures)
        seconds[case.name] = time.perf_counter() - begun
        if "error" in leaves:
            failed.append(f"{case.name}: {leaves['error']}")
        write(folder, case, leaves)
    source = Path(agnostix.__file__).parent
    manifest = {"source": str(source), "commit": _commit(source), "n_cases": len(seconds), "failed": failed}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    slowest = sorted(seconds, key=seconds.get, reverse=True)[:8]  # type: ignore[arg-type]
    print(f"{len(seconds)} cases of {source} in {time.perf_counter() - start:.0f} s; the slowest:")
    print("\n".join(f"  {seconds[name]:6.1f} s  {name}" for name in slowest))
    print("\n".join(f"failed: {line}" for line in failed), end="\n" * bool(failed))
    return int(bool(failed))


def run_case(case: Case, folder: Path, pictures: bool = True) -> dict[str, Any]:
    """The leaves of a result; of a case that raises, the error in its place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = case.compute()
            if isinstance(result, dict) and "display" in result:
                display = result.pop("display")
                result |= {"frame": display.frame()}
                if pictures:
                    draw(display, picture_path(folder, case.name))
            return reading.read(result)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "where": traceback.format_exc(limit=-3)}


def draw(display: Any, path: Path) -> None:
    """Store a Display's figure; the same on every run, with matplotlib's own fonts."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"font.family": "DejaVu Sans", "figure.max_open_warning": 0}):
        display.plot()
        display.figure_.savefig(path, dpi=80, metadata={"Software": None})
    plt.close("all")


def write(folder: Path, case: Case, leaves: dict[str, Any]) -> None:
    """Store the leaves of a case."""
    path = folder / "cases" / case.name
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {key: value for key, value in leaves.items() if isinstance(value, np.ndarray)}
    plain = {key: value for key, value in leaves.items() if key not in arrays}
    with path.with_name(path.name + ".npz").open("wb") as file:
        np.savez_compressed(file, **{f"a{place}": value for place, value in enumerate(arrays.values())})
    stored = {"tolerance": case.tolerance, "arrays": list(arrays), "plain": plain}
    path.with_name(path.name + ".json").write_text(json.dumps(stored, ensure_ascii=False, indent=1))


def names(folder: Path) -> list[str]:
    """Names of the recorded cases."""
    root = folder / "cases"
    return sorted(str(path.relative_to(root))[: -len(".json")] for path in root.rglob("*.json"))


def load(folder: Path, name: str) -> tuple[dict[str, Any], float]:
    """Leaves and tolerance of a recorded case."""
    path = folder / "cases" / name
    stored = json.loads(path.with_name(path.name + ".json").read_text())
    with np.load(path.with_name(path.name + ".npz")) as arrays:
        leaves = {key: arrays[f"a{place}"] for place, key in enumerate(stored["arrays"])}
    return leaves | stored["plain"], stored["tolerance"]


def picture_path(folder: Path, name: str) -> Path:
    """Where the picture of a case is."""
    return folder / "pictures" / f"{name}.png"


def _commit(source: Path) -> str:
    command = ["git", "-C", str(source), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
