"""Tables for the benchmarks: UCI Adult from a file, or a seeded stand-in of the same shape, and pictures."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country"),
)
NUMERIC = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
N_ROWS = 32_561
_LEVELS = {
    "workclass": 9,
    "education": 16,
    "marital-status": 7,
    "occupation": 15,
    "relationship": 6,
    "race": 5,
    "sex": 2,
    "native-country": 42,
}


def add_adult_argument(parser: ArgumentParser) -> None:
    """Let the command line name the file."""
    parser.add_argument(
        "--adult", type=Path, help="UCI Adult as CSV without header; a synthetic stand-in if not given"
    )


def adult(path: Path | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Read the raw table and whether the income is above 50K; without a file, make one up."""
    if path is None:
        return _stand_in(np.random.default_rng(0))
    names = [*COLUMNS, "income"]
    table = pd.read_csv(path, header=None, names=names, skipinitialspace=True)
    return table[list(COLUMNS)], table["income"].str.startswith(">50K").to_numpy()


def described(path: Path | None) -> str:
    """Name the table for a heading."""
    return "a seeded stand-in for UCI Adult" if path is None else "UCI Adult"


def images(n_rows: int = 10_000, side: int = 28) -> tuple[pd.DataFrame, np.ndarray]:
    """Pictures of blobs, one column a pixel and most pixels 0, and ten scores for each picture."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    light = np.zeros((n_rows, side * side))
    for _ in range(3):
        center = rng.normal(side / 2, side / 7, (n_rows, 2, 1))
        distance = (x.ravel() - center[:, 0]) ** 2 + (y.ravel() - center[:, 1]) ** 2
        light += np.exp(-distance / rng.uniform(3.0, 12.0, (n_rows, 1)))
    noisy = 300.0 * light * rng.uniform(0.5, 1.2, light.shape) - 30.0
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    scores = pixels @ rng.normal(size=(side * side, 10)) / 2_000.0
    scores = np.exp(scores - scores.max(1, keepdims=True))
    names = [f"p{j}" for j in range(side * side)]
    return pd.DataFrame(pixels, columns=names), scores / scores.sum(1, keepdims=True)


def _stand_in(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    n = N_ROWS
    table = {name: _labels(rng, name, size) for name, size in _LEVELS.items()}
    age = np.clip(17 + rng.gamma(2.2, 9.8, n), 17, 90).astype(int)
    education = np.clip(np.rint(rng.normal(10.1, 2.6, n)), 1, 16).astype(int)
    hours = np.where(rng.random(n) < 0.47, 40, np.clip(np.rint(rng.normal(41, 16, n)), 1, 99)).astype(int)
    gain = _seldom(rng, 0.083, np.minimum(rng.lognormal(8.7, 1.0, n), 99_999), 118)
    loss = _seldom(rng, 0.047, np.clip(rng.normal(1_870, 360, n), 155, 4_356), 91)
    weight = np.exp(rng.normal(12.0, 0.6, n)).astype(int)
    table |= {"age": age, "education-num": education, "hours-per-week": hours, "fnlwgt": weight}
    table |= {"capital-gain": gain, "capital-loss": loss}
    score = 0.05 * (age - 38) + 0.35 * (education - 10) + 0.03 * (hours - 40) + gain / 4_000 + loss / 2_000
    rich = rng.random(n) < 1.0 / (1.0 + np.exp(1.7 - score))
    return pd.DataFrame(table)[list(COLUMNS)], rich


def _labels(rng: np.random.Generator, name: str, size: int) -> np.ndarray:
    """Labels of which the k-th is about half as frequent as the one before, down to a floor."""
    share = np.maximum(0.55 ** np.arange(size), 1e-3)
    named = np.array([f"{name} {k}" for k in range(size)], dtype=object)
    return named[rng.choice(size, N_ROWS, p=share / share.sum())]


def _seldom(rng: np.random.Generator, share: float, amounts: np.ndarray, n_distinct: int) -> np.ndarray:
    """Zero in most rows, elsewhere one of so many amounts."""
    kept = np.quantile(amounts, (np.arange(n_distinct) + 0.5) / n_distinct).astype(int)
    return np.where(rng.random(amounts.size) < share, rng.choice(kept, amounts.size), 0)
