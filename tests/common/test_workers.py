"""Workers: models that cannot be sent to them, and what is left when the main process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.linear_model import LinearRegression

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer
from agnostix.exceptions import EngineError
from tests.messages import refuses

X = np.random.default_rng(0).normal(size=(40, 3))
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 1))


class Locked:
    """A model that no process can be sent."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, X):
        return X.reshape(len(X), -1)[:, 0].copy()


def first(X):
    return X[:, 0].copy()


class LockedRegression(LinearRegression):
    """A regressor that no process can be sent."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def explained(explainer, rows):
    return explainer.fit(rows).explain(rows[:4]).values


RUNS = {
    "occlusion": (
        "model Locked",
        lambda **o: explained(OcclusionExplainer(Locked(), random_state=0, **o), X),
    ),
    "shapley": ("model Locked", lambda **o: explained(KernelShapExplainer(Locked(), random_state=0, **o), X)),
    "lime": ("model Locked", lambda **o: explained(LimeExplainer(Locked(), random_state=0, **o), X)),
    "rise": (
        "model Locked",
        lambda **o: explained(RiseExplainer(Locked(), random_state=0, n_masks=64, **o), IMAGES),
    ),
    "lime's surrogate": (
        "surrogate of SurrogateSpec",
        lambda **o: explained(LimeExplainer(first, surrogate=LockedRegression(), random_state=0, **o), X),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_is_unpicklable_is_named_and_remedies_work(name):
    what, run = RUNS[name]
    facts = (what, "2 processes", "_thread.lock", "n_jobs=1", 'parallel_config(backend="threading")')
    with refuses(EngineError, *facts):
        run(n_jobs=2)
    with parallel_config(backend="threading"):
        threads = run(n_jobs=2)
    np.testing.assert_array_equal(run(n_jobs=1), threads)


KILLED = """
    import os, sys, time
    import numpy as np
    from sklearn import config_context
    from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer, RiseExplainer

    main, log = os.getpid(), sys.argv[1]

    def slow(X):
        if os.getpid() != main:
            with open(log, "a") as file:
                file.write("asked\\n")
            time.sleep(0.1)
        return X.reshape(len(X), -1)[:, 0].copy()

    X = np.random.default_rng(0).normal(size=(120, 3))
    explainer = {
        "occlusion": OcclusionExplainer, "shapley": KernelShapExplainer,
        "lime": LimeExplainer, "rise": RiseExplainer,
    }[sys.argv[2]](slow, random_state=0, n_jobs=2)
    if sys.argv[2] == "rise":
        X = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    explainer.fit(X)
    with config_context(working_memory=0.001):
        explainer.explain(X)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX")
@pytest.mark.parametrize(
    ("name", "end"),
    [*((name, "SIGKILL") for name in ("occlusion", "shapley", "lime", "rise")), ("occlusion", "SIGTERM")],
)
def test_nothing_is_left_after_the_main_process_was_killed(name, end, tmp_path):
    log, folder = tmp_path / "log", tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(log), name]
    with subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(folder)}
    ) as process:
        wait_until(lambda: log.exists() and len(log.read_text().split()) > 3)
        assert process.poll() is None
        assert list(folder.glob("agnostix-*"))
        process.send_signal(getattr(signal, end))
        process.wait()
    n_before = len(log.read_text().split())
    wait_until(lambda: not list(folder.glob("agnostix-*")))
    time.sleep(0.5)
    assert len(log.read_text().split()) <= n_before + 4  # each worker ends what it is at


def wait_until(holds):
    for _ in range(200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never held")
