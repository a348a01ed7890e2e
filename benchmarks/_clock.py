"""Timing side by side, measuring memory, printing Markdown."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import resource
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

MB = 1_000_000.0


def seconds(call: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleave(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, np.ndarray]:
    """Time calls in turn, round after round, so that a busy moment of the machine hits all alike."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return {name: np.array(taken) for name, taken in times.items()}


class ModelClock:
    """A model's function, the time spent in it and the rows that it was given."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.taken, self.rows = 0.0, 0

    def __call__(self, X: Any) -> Any:
        start = time.perf_counter()
        answers = self.function(X)
        self.taken += time.perf_counter() - start
        self.rows += len(X)
        return answers


def interleave_inside(
    cases: dict[str, tuple[ModelClock, Callable[[], Any]]], repeats: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Time calls in turn: for each the wall times, and what of them was spent in the model."""
    inside: dict[str, list[float]] = {name: [] for name in cases}
    calls = {name: partial(_noted, *case, inside[name]) for name, case in cases.items()}
    walls = interleave(calls, repeats)
    return {name: (walls[name], np.array(inside[name][1:])) for name in cases}


def _noted(clock: ModelClock, call: Callable[[], Any], inside: list[float]) -> None:
    clock.forget()
    call()
    inside.append(clock.taken)


def peak_mb(call: Callable[[], Any]) -> tuple[Any, float]:
    """Call with tracemalloc on: the result, and the peak above what was held before, in MB."""
    gc.collect()
    tracemalloc.start()
    result = call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, peak / MB


def peak_rss_mb() -> float:
    """The most memory that this process held, ever or since `forget_peak`, in MB (Linux)."""
    # not getrusage, whose maximum a new process inherits from the one that started it
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / MB


def rss_mb() -> float:
    """The memory that this process holds now, in MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MB


def forget_peak() -> None:
    """Let `peak_rss_mb` start anew from what is held now, where the system allows it."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def in_a_process(function: Callable[..., Any], *args: Any) -> Any:
    """Call in a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, the first column to the left and the others to the right."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(header) + " |")
    print("|---" + "|---:" * (len(header) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def shown(taken: float) -> str:
    """A time for a reader."""
    if taken >= 10.0:
        return f"{taken:.1f} s"
    return f"{1e3 * taken:.0f} ms" if taken >= 0.1 else f"{1e3 * taken:.2f} ms"


def median_ratio(slow: np.ndarray, fast: np.ndarray) -> str:
    """The median over rounds of how many times longer the one took than the other."""
    ratio = np.median(slow / fast)
    return f"{ratio:.1f}" if ratio >= 10.0 else f"{ratio:.2f}"
