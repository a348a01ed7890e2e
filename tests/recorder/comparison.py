"""Compare two recordings, leaf by leaf and pixel by pixel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from tests.recorder.pictures import compare_pictures
from tests.recorder.recording import load, names, picture_path
from tests.recorder.registry import DOUBLE

EXCEPTIONS = Path(__file__).with_name("exceptions.json")
OBJECTIVE = 0.02
"""Of learned masks: how far the score reached may be from the recorded one, in units of the score."""


@dataclass(frozen=True)
class Difference:
    """One leaf that differs: its case, its key, and how."""

    case: str
    key: str
    how: str

    def __str__(self) -> str:
        return f"{self.case}  {self.key}: {self.how}"


@dataclass
class ExceptionOnPurpose:
    """A change that was made on purpose: where (patterns of case and key), what and why."""

    case: str
    key: str
    change: str
    why: str
    applied: list[Difference] = field(default_factory=list)

    def covers(self, difference: Difference) -> bool:
        """Whether a difference is the one meant."""
        return fnmatchcase(difference.case, self.case) and _matches(difference.key, self.key)


def load_exceptions(path: Path = EXCEPTIONS) -> list[ExceptionOnPurpose]:
    """The listed exceptions; each says what changed and why."""
    exceptions = [ExceptionOnPurpose(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    for one in exceptions:
        if not (one.change and one.why):
            raise ValueError(f"The exception for {one.case} {one.key} in {path} needs a change and a why.")
    return exceptions


def compare_recordings(
    before: Path,
    after: Path,
    only: str = "*",
    differences_folder: Path | None = None,
    exceptions: list[ExceptionOnPurpose] | None = None,
) -> int:
    """Print what differs and which exceptions were applied; returns 1 if a difference is left."""
    exceptions = load_exceptions() if exceptions is None else exceptions
    left = []
    for difference in find_differences(before, after, only, differences_folder):
        excused = next((one for one in exceptions if one.covers(difference)), None)
        (left if excused is None else excused.applied).append(difference)
    for one in exceptions:
        where = f"{one.case}  {one.key}"
        n_cases = len({difference.case for difference in one.applied})
        print(f"exception ({n_cases} cases): {where}: {one.change} ({one.why})")
    print("\n".join(map(str, left)), end="\n" * bool(left))
    n_cases = sum(fnmatchcase(name, only) for name in names(before))
    n_differing = len({difference.case for difference in left})
    print(f"{n_cases} cases compared: {n_differing} differ, in {len(left)} places.")
    if left and differences_folder is not None and differences_folder.exists():
        print(f"Pictures that differ are in {differences_folder}.")
    return int(bool(left))


def find_differences(
    before: Path, after: Path, only: str = "*", differences_folder: Path | None = None
) -> Iterator[Difference]:
    """Everything in which two recordings differ."""
    known, new = ([name for name in names(folder) if fnmatchcase(name, only)] for folder in (before, after))
    yield from (Difference(name, "", "the case is missing") for name in known if name not in new)
    yield from (Difference(name, "", "the case is new") for name in new if name not in known)
    drawn = all((folder / "pictures").exists() for folder in (before, after))
    for name in (name for name in known if name in new):
        (one, tolerance), (other, _) = load(before, name), load(after, name)
        yield from (Difference(name, key, how) for key, how in compare_leaves(one, other, tolerance))
        paths = [picture_path(folder, name) for folder in (before, after)]
        if drawn and paths[0].exists() != paths[1].exists():
            yield Difference(name, "picture", "missing" if paths[0].exists() else "new")
        elif drawn and paths[0].exists():
            target = None if differences_folder is None else differences_folder / f"{name}.png"
            how = compare_pictures(*paths, target)
            if how:
                yield Difference(name, "picture", how)


def compare_leaves(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> Iterator[tuple[str, str]]:
    """Keys that differ, and how."""
    if "error" in other and "error" not in one:
        yield "error", other["error"]
        return
    yield from ((key, "missing") for key in one if key not in other)
    yield from ((key, "new") for key in other if key not in one)
    scales = _scales(one)
    outputs = {key.removesuffix("outputs"): _largest(value) for key, value in one.items() if _is_outputs(key)}
    for key in one:
        if key in other:
            if key.split("/")[-1].startswith("objective"):
                allowed = OBJECTIVE
            else:
                # Differences of outputs carry the rounding of the outputs, however small they are themselves:
                # 1e-7 in float32. In double 1e-15 of the outputs is left to arrays of nothing but rounding.
                size = max((outputs[root] for root in outputs if key.startswith(root)), default=0.0)
                floor = size if tolerance > DOUBLE else 1e-3 * size
                allowed = tolerance * max(scales[_column(key)], floor)
            how = compare_values(one[key], other[key], allowed)
            if how:
                yield key, how


def compare_values(one: Any, other: Any, allowed: float) -> str:
    """How two leaves differ, in words; nothing where they agree."""
    numbers = [_as_numbers(value) for value in (one, other)]
    if numbers[0] is None or numbers[1] is None:
        return _compare_plain(_plain(one), _plain(other))
    a, b = numbers
    if a.shape != b.shape:
        return f"shape {a.shape} -> {b.shape}"
    if (a.dtype.kind == "b") != (b.dtype.kind == "b"):
        return f"{a.dtype} -> {b.dtype}"
    a, b = a.astype(float), b.astype(float)
    finite = np.isfinite(a) & np.isfinite(b)
    odd = ~finite & ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if odd.any():
        return f"{odd.sum()} of {a.size} are NaN or infinite in one alone"
    gap = np.abs(np.where(finite, a, 0.0) - np.where(finite, b, 0.0))
    if not (gap > allowed).any():
        return ""
    place = np.unravel_index(gap.argmax(), gap.shape)
    at = f" at {tuple(map(int, place))}" if place else ""
    return (
        f"{(gap > allowed).sum()} of {gap.size} differ by up to {gap.max():.3g} ({allowed:.3g} allowed): "
        f"{a[place]:.17g} -> {b[place]:.17g}{at}"
    )


def _compare_plain(one: Any, other: Any) -> str:
    if one == other:
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        places = [place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
        first = places[0]
        return f"{len(places)} of {len(one)} differ, [{first}]: {_short(one[first], other[first])}"
    return _short(one, other)


def _as_numbers(value: Any) -> np.ndarray | None:
    if isinstance(value, np.ndarray):
        return value
    return np.asarray(value) if isinstance(value, int | float) else None


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _short(one: Any, other: Any) -> str:
    """Both in a few words, from a little before the first letter that differs."""
    texts = [repr(value) for value in (one, other)]
    pairs = enumerate(zip(*texts, strict=False))
    same = next((place for place, pair in pairs if pair[0] != pair[1]), min(map(len, texts)))
    start = max(0, same - 30)
    shown = [text[start : start + 120] + ("..." if len(text) > start + 120 else "") for text in texts]
    return " -> ".join("..." * (start > 0) + text for text in shown)


def _is_outputs(key: str) -> bool:
    return key == "outputs" or key.endswith("/outputs")


def _column(key: str) -> str:
    """The key without places in lists: numbers of all records of a list are compared as one column."""
    return re.sub(r"\[\d+\]", "[*]", key)


def _scales(leaves: dict[str, Any]) -> dict[str, float]:
    scales: dict[str, float] = {}
    for key, value in leaves.items():
        scales[_column(key)] = max(scales.get(_column(key), 0.0), _largest(value))
    return scales


def _largest(value: Any) -> float:
    numbers = _as_numbers(value)
    if numbers is None or numbers.size == 0:
        return 0.0
    sizes = np.abs(numbers.astype(float))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))


def _matches(key: str, pattern: str) -> bool:
    # Keys have places in brackets, which mean a set of letters in patterns of file names.
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(escaped, key) is not None
