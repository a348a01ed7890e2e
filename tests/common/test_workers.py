"""Workers: models that cannot be sent to them, and what is left when the main process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

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
    from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer

    main, log = os.getpid(), sys.argv[1]

    def slow(X):
        if os.getpid() != main:
            with open(log, "a") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(0.1)
        return X.reshape(len(X), -1)[:, 0].copy()

    X = np.random.default_rng(0).normal(size=(120, 3))
    explainer = {
        "occlusion": OcclusionExplainer, "shapley": KernelShapExplainer, "lime": LimeExplainer
    }[sys.argv[2]](slow, random_state=0, n_jobs=2)
    explainer.fit(X)
    with config_context(working_memory=0.001):
        explainer.explain(X[: int(sys.argv[3])])
    print("idle", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX")
@pytest.mark.parametrize(
    ("name", "end"),
    [*((name, "SIGKILL") for name in ("occlusion", "shapley", "lime")), ("occlusion", "SIGTERM")],
)
def test_nothing_is_left_after_the_main_process_was_killed(name, end, tmp_path):
    log, folder = tmp_path / "log", tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(log), name, "120"]
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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX")
def test_idle_workers_end_with_the_main_process(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(log), "occlusion", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline().strip() == "idle"
        workers = {int(line) for line in log.read_text().split()}
        assert workers
        assert all(is_running(one) for one in workers)
        process.kill()
        process.stdout.close()
        process.wait()
    wait_until(lambda: not any(is_running(one) for one in workers))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX")
def test_no_folder_is_left_where_workers_were_killed_too(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(log), "occlusion", "120"]
    with subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(folder)}
    ) as process:
        wait_until(lambda: log.exists() and len(set(log.read_text().split())) == 2)
        assert list(folder.glob("agnostix-*"))
        process.kill()
        for one in set(log.read_text().split()):
            os.kill(int(one), signal.SIGKILL)
        process.wait()
    wait_until(lambda: not list(folder.glob("agnostix-*")))


def is_running(pid):
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(holds):
    for _ in range(200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never held")
