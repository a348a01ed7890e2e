"""Progress bars, and the progress of each worker."""

import inspect
import os
import pty
import re
import select
import subprocess
import sys
import termios
import textwrap
import time
from types import MappingProxyType

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context

from agnostix import KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer
from agnostix.core import evaluate as evaluate_module
from agnostix.core.evaluate import ProgressBar, WorkerProgress, evaluate, run_in_shares
from agnostix.core.models import as_predictor
from agnostix.core.row_sources import TableRows
from agnostix.exceptions import EngineError
from agnostix.maskers import TextMasker

X = np.arange(60.0).reshape(20, 3)


def slow(given):
    time.sleep(0.02)
    return given[:, 0]


class Terminal:
    """A pseudo terminal as standard error."""

    def __enter__(self):
        self.text = ""
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 100))
        self._before, sys.stderr = sys.stderr, os.fdopen(slave, "w")
        return self

    def __exit__(self, *error):
        stream, sys.stderr = sys.stderr, self._before
        stream.flush()
        while select.select([self._master], [], [], 0.2)[0]:
            self.text += os.read(self._master, 2**16).decode()
        stream.close()
        os.close(self._master)


def run(n_jobs=1, verbose=1):
    """20 calls of a slow model."""
    with parallel_config("threading"), config_context(working_memory=0):
        return evaluate(as_predictor(slow), TableRows(X), n_outputs=1, n_jobs=n_jobs, verbose=verbose)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_bar_appears_in_terminal_after_delay(n_jobs, monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.05)
    with Terminal() as terminal:
        found, n_model_rows = run(n_jobs)
    shares = [int(share) for share in re.findall(r"(\d+)%", terminal.text)]
    assert shares == sorted(shares)
    assert shares[0] < 100 == shares[-1]
    assert re.findall(r"([\d,]+) model rows", terminal.text)[-1] == str(n_model_rows) == "20"
    assert re.search(r"\d\d:\d\d<\d\d:\d\d", terminal.text), "no forecast of the time that is left"
    np.testing.assert_array_equal(found[:, 0], X[:, 0])


def test_bar_says_what_the_work_takes(monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.05)
    with Terminal() as terminal, ProgressBar(20, 1, lambda: "at most 20 model rows: ") as bar:
        run(verbose=bar)
    assert "at most 20 model rows:" in terminal.text


def test_bar_absent_before_delay():
    with Terminal() as terminal:
        run()
    assert terminal.text == ""


def test_verbose_0_shows_nothing(monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.05)
    with Terminal() as terminal:
        run(verbose=0)
    assert terminal.text == ""


def test_bar_absent_without_terminal(capfd, monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.05)
    run()
    assert capfd.readouterr() == ("", "")


def test_bar_counts_several_evaluations(monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.05)
    with Terminal() as terminal, ProgressBar(60, 1) as bar:
        run(verbose=bar)
        run(n_jobs=2, verbose=bar)
    shares = [int(share) for share in re.findall(r"(\d+)%", terminal.text)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 100 == shares[-1], "work of which a third came to nothing is done nevertheless"
    assert "40 model rows" in terminal.text


def test_bar_of_chunks_counts_rows_without_forecast(monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.05)
    with Terminal() as terminal, config_context(working_memory=0):
        evaluate(as_predictor(slow), (X[j : j + 5] for j in (0, 5, 10, 15)), n_outputs=1)
    assert "20 model rows" in terminal.text
    assert "%" not in terminal.text


def test_bar_is_closed_when_model_fails(monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.01)

    def fails(given):
        time.sleep(0.1)
        raise ArithmeticError

    with Terminal() as terminal, pytest.raises(EngineError):
        evaluate(as_predictor(fails), TableRows(X), n_outputs=1)
    assert "  0%" in terminal.text
    assert "100%" not in terminal.text
    assert terminal.text.endswith("\n")


def test_bar_class_is_widget_in_notebook(monkeypatch):
    class Shell:
        config = MappingProxyType({"IPKernelApp": {}})

    class IPython:
        get_ipython = staticmethod(Shell)

    assert not evaluate_module.is_interactive()
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert evaluate_module.is_interactive()
    for spec, module in ((None, "tqdm.std"), (object(), "tqdm.notebook")):
        monkeypatch.setattr(evaluate_module.importlib.util, "find_spec", lambda name, spec=spec: spec)
        assert evaluate_module._bar_class().__module__ == module


def test_import_without_ipywidgets_does_not_warn():
    code = """
        import sys
        import warnings
        warnings.simplefilter("error")
        sys.modules["ipywidgets"] = None
        import agnostix
        agnostix.KernelShapExplainer
        agnostix.OcclusionExplainer
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def double(progress, worker, share):
    return [2 * task for task in progress.follow(worker, share)]


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_run_in_shares_keeps_order(backend, n_jobs):
    with parallel_config(backend):
        shares = run_in_shares(double, 5, str, size=5, n_jobs=n_jobs, verbose=0)
    assert [one for share in shares for one in share] == [0, 2, 4, 6, 8]
    assert len(shares) == n_jobs


def test_worker_progress_counts_per_worker(tmp_path):
    counting = WorkerProgress(2, str(tmp_path / "counts"))
    assert list(counting.follow(1, range(3, 6))) == [3, 4, 5]
    tasks = counting.follow(0, range(3))
    next(tasks)
    counting.add_rows(0, 7)
    np.testing.assert_array_equal(counting.counts, [[1, 0, 7], [0, 3, 0]])


def test_worker_progress_without_file_still_runs(tmp_path):
    path = tmp_path / "counts"
    counting = WorkerProgress(2, str(path))
    path.unlink()
    assert list(counting.follow(1, range(2))) == [0, 1]


@pytest.mark.parametrize(
    "explainer",
    [KernelShapExplainer, LimeExplainer, MimicTree, OcclusionExplainer],
    ids=lambda one: one.__name__,
)
def test_explainers_show_progress_by_default(explainer):
    assert inspect.signature(explainer).parameters["verbose"].default == 1


def test_rows_with_players_of_their_own_are_under_one_bar(monkeypatch):
    monkeypatch.setattr(evaluate_module, "DELAY", 0.05)
    texts = ["a", "a b", "a b c", "a b c d"]

    def slow_length(given):
        time.sleep(0.05)
        return [len(text) for text in given]

    explainer = KernelShapExplainer(slow_length, masker=TextMasker()).fit(texts)
    with Terminal() as terminal:
        exp = explainer.explain(texts)
    shares = [int(share) for share in re.findall(r"(\d+)%", terminal.text)]
    assert shares == sorted(shares)
    assert len([share for share in shares if 0 < share < 100]) > 0
    assert terminal.text.count("\n") == 1
    assert re.findall(r"([\d,]+) model rows", terminal.text)[-1] == str(exp.n_model_rows)
