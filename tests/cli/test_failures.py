"""Failures in one line, whatever the model raises, and texts that a terminal of any encoding can show."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from agnostix.cli import main
from agnostix.cli.failures import write_line
from tests.messages import assert_states


class Panic(BaseException):
    """What libraries in other languages raise."""


class SilentError(Exception):
    """An error that says nothing."""

    def __str__(self) -> str:
        return ""


ERRORS = [
    ValueError("could not convert string to float: 'x'"),
    TypeError("no"),
    KeyError("age"),
    IndexError("no"),
    AttributeError("no"),
    RuntimeError("CUDA error\nthe second line\n"),
    ZeroDivisionError("no"),
    MemoryError(),
    RecursionError("no"),
    NotImplementedError(),
    AssertionError(),
    OSError(28, "No space left on device"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    StopIteration(),
    SystemExit(0),
    Panic("at the disco"),
    SilentError(),
    ValueError(""),
    ValueError("\x1b[31mred\x1b]0;title\x07"),
]


class Failing(RegressorMixin, BaseEstimator):
    """Fails from its nth call on."""

    def __init__(self, error: BaseException = ERRORS[0], n_calls: int = 0) -> None:
        self.error = error
        self.n_calls = n_calls

    def fit(self, X, y=None):
        self.coef_ = 1
        self.n_done_ = 0
        return self

    def predict(self, X):
        self.n_done_ += 1
        if self.n_done_ > self.n_calls:
            raise self.error
        return X.iloc[:, 0].to_numpy(dtype=float)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """Run the report on a model and a small table; gives status and lines of stderr."""

    def run(model: object, *options: str, table: pd.DataFrame | None = None) -> SimpleNamespace:
        rng = np.random.default_rng(0)
        table = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"]) if table is None else table
        table.to_csv(tmp_path / "d.csv", index=False)
        monkeypatch.setattr("agnostix.cli.run.load_model", lambda *_, **__: model)
        status = main(["report", "m.pkl", str(tmp_path / "d.csv"), "-o", str(tmp_path / "o.md"), *options])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=status, out=out, err=err.splitlines(), page=tmp_path / "o.md")

    return run


@pytest.mark.parametrize("n_calls", [0, 1, 3], ids=["predictions", "fit of the explainer", "explain"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}{error.args!s:.9}")
def test_failing_model_is_told_in_one_line(run, error: BaseException, n_calls: int) -> None:
    ran = run(Failing(error, n_calls).fit(None), "--row", "0")
    assert ran.status == 2
    assert not ran.page.exists()
    assert len(ran.err) == 1
    assert_states(ran.err[0], "agnostix: error: ", "model Failing failed on", type(error).__name__, "--debug")
    assert "\x1b" not in ran.err[0]
    if not str(error).strip():
        assert "without a message" in ran.err[0]


def test_debug_prints_the_traceback(run) -> None:
    ran = run(Failing(ERRORS[0]).fit(None), "--debug")
    assert ran.status == 2
    assert ran.err[0].startswith("Traceback")
    assert any("raise self.error" in line for line in ran.err)
    assert_states(ran.err[-1], "model Failing failed on 40 rows", "could not convert")


class Warns(Failing):
    """Warns with a text that would write to the terminal."""

    def predict(self, X):
        warnings.warn("a\x1b[31m\nb", UserWarning, stacklevel=1)
        return X.iloc[:, 0].to_numpy(dtype=float)


@pytest.mark.filterwarnings("default")
def test_warnings_take_one_line(run) -> None:
    ran = run(Warns().fit(None))
    assert ran.status == 0
    assert r"agnostix: warning: a\x1b[31m b" in ran.err
    assert all(line.startswith("agnostix: warning: ") for line in ran.err)


def test_names_do_not_reach_the_terminal(run) -> None:
    table = pd.DataFrame(
        {"a\x1b[2J\x9b": np.linspace(0, 1, 40), "b\nagnostix: error: no": np.tile([0.0, 1], 20)}
    )
    ran = run(Failing(n_calls=99).fit(None), "--row", "0", "--mimic", table=table)
    assert ran.status == 0
    assert r"a\x1b[2J\x9b" in ran.out
    assert not set("\x1b\x9b") & set(ran.out)
    assert not any(line.startswith("agnostix") for line in ran.out.splitlines())
    ran = run(Failing(n_calls=99).fit(None), "--by", "none", table=table)
    assert_states("\n".join(ran.err), "none", r"a\x1b[2J\x9b")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "koi8-r", "utf-8"])
def test_write_line_in_any_encoding(encoding: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    write_line("\u22125\u202f% \u201c年齢\u201d \U0001f642 \ud800", file)
    file.seek(0)
    text = file.read()
    assert text.startswith(("-5 % ", "\u22125"))
    assert r"\ud800" in text


@pytest.mark.slow
def test_command_prints_in_ascii(files: SimpleNamespace) -> None:
    command = [sys.executable, "-m", "agnostix", "report", str(files.model), str(files.data), "-o"]
    ran = subprocess.run(
        [*command, str(files.folder / "o.md"), "--what-if", "age=30"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert b"What if" in ran.stdout.decode("ascii").encode()


TERMINATED = """
    import sys, time
    import numpy as np
    from agnostix.cli import main
    from agnostix.cli import run
    from tests.cli.test_failures import Failing

    class Slow(Failing):
        def predict(self, X):
            print("asked", flush=True)
            time.sleep(60)

    run.load_model = lambda *_, **__: Slow().fit(None)
    sys.exit(main(["report", "m.pkl", sys.argv[1], "-o", sys.argv[2]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_sigterm_leaves_no_file(files: SimpleNamespace) -> None:
    page, before = files.folder / "o.html", sorted(os.listdir(files.folder))
    command = [sys.executable, "-c", textwrap.dedent(TERMINATED), str(files.data), str(page)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "asked"
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert err == "agnostix: terminated; nothing was written\n"
    assert sorted(os.listdir(files.folder)) == before
