"""What comes of a hostile input: the right answer, a clear error, or one of the faults below.

A `Case` is a call with a check of its answer. `attempt` runs it under a guard of time, and looks at what the
call leaves behind. `assert_well` runs many and lists the faults. Nothing here knows of tables or pictures.
"""

from __future__ import annotations

import ast
import faulthandler
import functools
import inspect
import os
import random
import re
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_info

import agnostix
from agnostix.exceptions import ConvergenceError, EngineError

PACKAGE = str(Path(agnostix.__file__).parent) + os.sep

RIGHT, CLEAR = "right", "clear error"
WRONG = "wrong value in silence"
UNCLEAR = "error from the depths"
REFUSED = "refused though it can be answered"
NOISE = "warning from the depths"
HANG = "hang"
CHANGED = "input changed"
LEFT = "something left behind"
FAULTS = (WRONG, UNCLEAR, REFUSED, NOISE, HANG, CHANGED, LEFT)

CPU_SECONDS = 8.0
"""Of one call, by the processor's clock; four times as many by the wall's, for those who wait forever."""

ON_PURPOSE = ("_param_validation.py", "_get_feature_names")
"""Module and function of scikit-learn whose errors name parameter and value, or names of columns."""

DEPTHS = re.compile(
    r"could not be broadcast|operands could not|ufunc|out of bounds|not subscriptable|unhashable"
    r"|truth value of|object is not (iterable|callable)|unsupported operand|zero-size array|has no attribute"
    r"|inhomogeneous|cannot unpack|not enough values|singular matrix|SVD did not|unexpected keyword"
    r"|positional argument|maximum recursion|cannot convert float|list index|need at least one array",
    re.IGNORECASE,
)
"""What libraries say of their own insides."""


class Hung(BaseException):
    """The guard's; a BaseException, so that nothing that reports a model's failure catches it."""


@dataclass(frozen=True)
class Case:
    """A call, a check that says what is wrong with its answer (None: nothing), what must not change."""

    name: str
    call: Callable[[], Any]
    check: Callable[[Any], str | None] = lambda answer: None
    watched: tuple[Any, ...] = ()
    must_answer: bool = False
    must_refuse: bool = False
    facts: tuple[str, ...] = ()
    """Words that a refusal must have, any one of them."""
    errors: tuple[type[Exception], ...] = ()
    """Accepted beside ValueError, TypeError and the package's own."""


@dataclass(frozen=True)
class Outcome:
    kind: str
    detail: str = ""
    warnings: tuple[str, ...] = field(default=())

    @property
    def is_fault(self) -> bool:
        return self.kind in FAULTS


def attempt(case: Case, seconds: float = CPU_SECONDS) -> Outcome:
    """Run a case and say what came of it; the gravest fault, if there are several."""
    before, state = [fingerprint(one) for one in case.watched], global_state()
    with temporary_folder() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with guard(seconds):
                answer = case.call()
                wrong = case.check(answer)
        except Hung:
            return Outcome(HANG, f"more than {seconds:g} s")
        except Exception as error:
            outcome = judge_error(error, case)
        else:
            outcome = Outcome(RIGHT) if wrong is None else Outcome(WRONG, wrong)
            if wrong is None and case.must_refuse:
                outcome = Outcome(WRONG, "answered what has no answer")
        left = sorted(path.name for path in folder.iterdir())
    said = tuple(f"{type(one.message).__name__}: {one.message}" for one in caught)
    if outcome.kind == WRONG:
        return Outcome(outcome.kind, outcome.detail, said)
    changed = [k for k, one in enumerate(case.watched) if fingerprint(one) != before[k]]
    if changed:
        return Outcome(CHANGED, f"number {changed} of what the caller handed over")
    now = global_state()  # of what was there before: a library that a call imports brings states of its own
    moved = [name for name in state if now[name] != state[name]]
    if moved or left:
        return Outcome(LEFT, ", ".join([*moved, *(f"temporary {name}" for name in left)]))
    noise = [one for one in caught if is_noise(one)]
    if noise and not outcome.is_fault:
        first = noise[0]
        return Outcome(NOISE, f"{first.filename}:{first.lineno} {first.category.__name__}: {first.message}")
    return Outcome(outcome.kind, outcome.detail, said)


def judge_error(error: Exception, case: Case) -> Outcome:
    """Whether an error was raised on purpose, by the package, with a message that says something."""
    text = text_of(error)
    line = f"{type(error).__name__}: {text}"
    if case.must_answer:
        return Outcome(REFUSED, f"{line}\n{where(error)}")
    allowed = (ValueError, TypeError, EngineError, ConvergenceError, *case.errors)
    own = type(error).__module__.startswith("agnostix.") or type(error) in (ValueError, TypeError)
    if not isinstance(error, allowed) or not (own or raised_on_purpose(error) or type(error) in case.errors):
        return Outcome(UNCLEAR, f"{line}\n{where(error)}")
    if not raised_on_purpose(error) or misdiagnosed(error):
        return Outcome(UNCLEAR, f"{line}\n{where(error)}")
    if len(text) < 20 or (DEPTHS.search(text) and not isinstance(error, EngineError)):
        return Outcome(UNCLEAR, f"{line}\n{where(error)}")
    if case.facts and not any(fact in text for fact in case.facts):
        return Outcome(UNCLEAR, f"names none of {case.facts}: {line}")
    return Outcome(CLEAR, line)


def text_of(error: BaseException) -> str:
    """The message, empty where it cannot be made."""
    try:
        return str(error).strip()
    except Exception:
        return ""


def raised_on_purpose(error: BaseException) -> bool:
    """Whether the deepest frame is a `raise` statement of the package's, or scikit-learn's of parameters."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if os.path.basename(frame.filename) in ON_PURPOSE or frame.name in ON_PURPOSE:
        return True
    return frame.filename.startswith(PACKAGE) and frame.lineno in lines_of_raise(frame.filename)


def misdiagnosed(error: BaseException) -> bool:
    """Whether the package's own slip is retold as a failure of the model."""
    cause = error.__cause__
    if not isinstance(error, EngineError) or cause is None or cause.__traceback__ is None:
        return False
    deepest = traceback.extract_tb(cause.__traceback__)[-1]
    is_call = deepest.name == "call" and "function(" in (deepest.line or "")  # of a model that takes no table
    return deepest.filename.startswith(PACKAGE) and not is_call and not raised_on_purpose(cause)


@functools.cache
def lines_of_raise(filename: str) -> frozenset[int]:
    """Lines that a raise statement covers."""
    tree = ast.parse(Path(filename).read_text(encoding="utf-8"))
    return frozenset(
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


def where(error: BaseException, n_frames: int = 3) -> str:
    """The deepest frames, and those of the cause."""
    parts = []
    for one in (error, error.__cause__):
        if one is not None and one.__traceback__ is not None:
            frames = traceback.extract_tb(one.__traceback__)[-n_frames:]
            parts += [f"  {frame.filename}:{frame.lineno} {frame.line}" for frame in frames]
    return "\n".join(parts)


def is_noise(caught: warnings.WarningMessage) -> bool:
    """A warning that is no advice of the package's: from numpy's insides, or about its use of a library."""
    return issubclass(
        caught.category, (RuntimeWarning, DeprecationWarning, FutureWarning, ResourceWarning)
    ) and (caught.filename.startswith(PACKAGE) or issubclass(caught.category, ResourceWarning))


@contextmanager
def guard(seconds: float) -> Iterator[None]:
    """Raise `Hung` after so much processor time, or four times as much by the wall's clock.

    Where native code doesn't return, the process prints its stacks and ends.
    """

    def stop(*_: Any) -> None:
        raise Hung

    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    old = [(number, signal.signal(number, stop)) for number in (signal.SIGPROF, signal.SIGALRM)]
    faulthandler.dump_traceback_later(20.0 * seconds, exit=True, file=sys.__stderr__)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 4.0 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        faulthandler.cancel_dump_traceback_later()
        for number, handler in old:
            signal.signal(number, handler)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of its own for temporary files, so that what others write there does not count."""
    old, old_variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory() as name:
        tempfile.tempdir = os.environ["TMPDIR"] = name
        try:
            yield Path(name)
        finally:
            tempfile.tempdir = old
            if old_variable is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = old_variable


def global_state() -> dict[str, Any]:
    """What a call must leave as it was: random states, threads, limits of thread pools, folder, settings."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    state: dict[str, Any] = {
        "numpy's random state": (numpy_state[1].tobytes(), *numpy_state[2:]),
        "Python's random state": hash(random.getstate()),
        "threads": sum(not thread.daemon for thread in threading.enumerate()),
        "working folder": os.getcwd(),
        "numpy's error state": tuple(np.geterr().items()),
        "pandas' options": (pd.get_option("display.max_rows"), pd.get_option("display.precision")),
        "recursion limit": sys.getrecursionlimit(),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch's random state"] = torch.get_rng_state().numpy().tobytes()
        state["torch's gradients"] = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        state["torch's default dtype"] = torch.get_default_dtype()
        state["torch's threads"] = torch.get_num_threads()
    for pool in threadpool_info():
        state[f"threads of {pool['filepath']}"] = pool["num_threads"]
    return state


def fingerprint(value: Any) -> Any:
    """Equal as long as a value is the same to the bit: arrays, frames, tensors, files, lists of them."""
    if isinstance(value, np.ma.MaskedArray):
        return "masked", fingerprint(value.data), fingerprint(np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray):
        content = repr(value.tolist()) if value.dtype.hasobject else value.tobytes()
        return str(value.dtype), value.shape, value.strides, value.flags.writeable, content
    if isinstance(value, pd.DataFrame):
        columns = [fingerprint(value.iloc[:, j]) for j in range(value.shape[1])]
        return repr(list(value.columns)), repr(value.index.tolist()), columns
    if isinstance(value, pd.Series):
        return str(value.dtype), repr(value.index.tolist()), repr(value.tolist())
    if isinstance(value, list | tuple):
        return type(value).__name__, [fingerprint(one) for one in value]
    if isinstance(value, dict):
        return [(repr(key), fingerprint(one)) for key, one in value.items()]
    if isinstance(value, Path):
        return (value.read_bytes(), value.stat().st_mode) if value.is_file() else value.exists()
    if hasattr(value, "to_pydict"):  # pyarrow
        return str(value.schema), repr(value.to_pydict())
    if hasattr(value, "to_dict") and hasattr(value, "schema"):  # polars
        return repr(value.schema), repr(value.to_dict(as_series=False))
    if type(value).__module__ == "torch":
        return str(value.dtype), tuple(value.shape), value.requires_grad, repr(value.detach().cpu().tolist())
    if is_dataclass(value) and not inspect.isclass(value):
        return [fingerprint(getattr(value, one.name)) for one in fields(value)]
    return repr(value)


def attempt_all(cases: Iterable[Case]) -> tuple[Counter[str], list[tuple[Case, Outcome]]]:
    """How often each kind came, and the faults."""
    counts: Counter[str] = Counter()
    faults = []
    for case in cases:
        outcome = attempt(case)
        counts[outcome.kind] += 1
        if outcome.is_fault:
            faults.append((case, outcome))
    return counts, faults


def assert_well(cases: Iterable[Case], n_least: int = 1) -> None:
    """Fail with the faults listed, or where there are fewer cases than stated."""
    counts, faults = attempt_all(cases)
    lines = [f"- {case.name}\n  {one.kind}: {one.detail}" for case, one in faults]
    summary = ", ".join(f"{kind}: {count}" for kind, count in counts.most_common())
    assert not faults, "\n".join([f"{len(faults)} of {sum(counts.values())} inputs ({summary}):", *lines])
    assert sum(counts.values()) >= n_least


def closeness(
    found: Any, known: Any, rtol: float = 1e-8, atol: float = 0.0, what: str = "values"
) -> str | None:
    """None where two arrays agree to rtol of the largest known number; else what differs. No overflow."""
    found, known = np.asarray(found, dtype=float), np.asarray(known, dtype=float)
    if found.shape != known.shape:
        return f"{what} have shape {found.shape}, not {known.shape}"
    if not np.isfinite(found).all():
        return f"{what} are not finite: {found.ravel()[~np.isfinite(found.ravel())][:3]}"
    size = max(np.abs(known).max(initial=0.0), np.finfo(float).tiny)
    with np.errstate(over="ignore", under="ignore"):
        apart = np.abs(found / size - known / size)
    if apart.max(initial=0.0) <= rtol + atol / size:
        return None
    k = np.unravel_index(int(apart.argmax()), apart.shape)
    return f"{what} at {tuple(map(int, k))} are {found[k]!r}, not {known[k]!r} (largest {size:.3g})"
