"""Games of one row with all coalitions known: votes and rules, and models whose hidden parts are replaced.

Nothing is downloaded: the network is trained on scikit-learn's digits, the texts are rules and word scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

Evaluate = Callable[[np.ndarray], np.ndarray]
"""From coalitions (n, n_players) to their values (n,)."""


@dataclass(frozen=True)
class MaskGame:
    """A game by the values of its coalitions."""

    name: str
    n_players: int
    evaluate: Evaluate

    @cached_property
    def table(self) -> np.ndarray:
        """Values of all coalitions; player i is bit i of the index."""
        return np.asarray(self.evaluate(all_coalitions(self.n_players)), dtype=float)

    @cached_property
    def truth(self) -> np.ndarray:
        """Shapley values."""
        return exact_values(self.table)

    def predict(self, rows: Any) -> np.ndarray:
        """Of rows of ones and zeros."""
        return self.table[np.asarray(rows).astype(bool) @ (1 << np.arange(self.n_players))]

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        """The same of masks."""
        return self.predict(np.atleast_2d(masks))


def exact_values(table: np.ndarray) -> np.ndarray:
    """Shapley values out of the values of all coalitions, by the definition."""
    d = int(np.log2(table.size))
    sizes = all_coalitions(d).sum(axis=1)
    weights = np.array([1.0 / (d * comb(d - 1, size)) for size in range(d)])
    values = np.empty(d)
    for i in range(d):
        without = np.flatnonzero((np.arange(2**d) >> i & 1) == 0)
        values[i] = weights[sizes[without]] @ (table[without | (1 << i)] - table[without])
    return values


def all_coalitions(d: int) -> np.ndarray:
    """Bools (2**d, d)."""
    return (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(bool)


def games_with_steps() -> list[MaskGame]:
    """Votes, vetoes, thresholds, conjunctions."""
    return [
        *(MaskGame(f"voting, {d} parties", d, _voting(d, seed)) for d, seed in ((13, 1), (15, 2), (16, 3))),
        MaskGame("veto and 3 of 8", 16, lambda m: m[:, 0] & (m[:, 1:9].sum(1) >= 3)),
        MaskGame("veto and 4 of 9", 15, lambda m: m[:, 0] & (m[:, 1:10].sum(1) >= 4)),
        MaskGame("at least 7 of 13", 13, lambda m: m.sum(1) >= 7),
        MaskGame("at least 9 of 16", 16, lambda m: m.sum(1) >= 9),
        MaskGame("3 of 5 and 5 of 10", 15, lambda m: 1.0 * (m[:, :5].sum(1) >= 3) + (m[:, 5:].sum(1) >= 5)),
        MaskGame("all of 3 + all of 5", 13, lambda m: 1.0 * m[:, :3].all(1) + m[:, 3:8].all(1)),
        MaskGame("keywords, 15 words", 15, _keywords(15, 1)),
    ]


def smooth_games(n_pictures: int = 2) -> list[MaskGame]:
    """Sums of waves, sentences with negations, and digits in front of a small network."""
    pictures = pictures_of_digits(n_pictures)
    return [
        MaskGame("waves, 14", 14, _waves(14, 1)),
        MaskGame("sentiment, 14 words", 14, _sentiment(14, 2)),
        MaskGame("sentiment, 16 words", 16, _sentiment(16, 5)),
        *pictures,
    ]


def many_games(n: int) -> dict[str, list[MaskGame]]:
    """Of each kind so many, for medians over games."""
    return {
        "digits, network, 16 segments": pictures_of_digits(n),
        "sentiment, 14 words": [MaskGame(f"sentiment {i}", 14, _sentiment(14, i)) for i in range(n)],
        "waves, 14": [MaskGame(f"waves {i}", 14, _waves(14, i)) for i in range(n)],
        "voting, 16": [MaskGame(f"voting {i}", 16, _voting(16, i)) for i in range(n)],
    }


def _voting(d: int, seed: int) -> Evaluate:
    weights = np.random.default_rng([seed, d]).exponential(size=d)
    return lambda masks: masks @ weights > weights.sum() / 2.0


def _keywords(d: int, seed: int) -> Evaluate:
    """Sums over rules: some words there, another one not."""
    rng = np.random.default_rng([seed, d])
    rules = [
        (rng.choice(d, rng.integers(2, 5), replace=False), rng.choice([-1.0, 1.0, 2.0])) for _ in range(4)
    ]
    return lambda masks: sum(score * (masks[:, w[1:]].all(1) & ~masks[:, w[0]]) for w, score in rules)


def _waves(d: int, seed: int) -> Evaluate:
    slopes = np.random.default_rng([seed, d]).normal(size=(d, 3)) / np.sqrt(d)

    def evaluate(masks: np.ndarray) -> np.ndarray:
        a, b, c = (masks @ slopes).T
        return np.tanh(2.0 * a) + b * np.sin(2.0 * c)

    return evaluate


def _sentiment(d: int, seed: int) -> Evaluate:
    """Log-odds are sums of word scores, of which a word of negation turns the next one round."""
    rng = np.random.default_rng([seed, d])
    scores, negates = rng.normal(size=d) * 1.5, rng.random(d) < 0.25

    def evaluate(masks: np.ndarray) -> np.ndarray:
        before = np.c_[np.zeros(len(masks), dtype=bool), (masks & negates)[:, :-1]]
        return 1.0 / (1.0 + np.exp(-(masks * np.where(before, -1.0, 1.0)) @ scores))

    return evaluate


def pictures_of_digits(n: int) -> list[MaskGame]:
    """Digits in sixteen segments of 2 x 2 pixels, hidden ones at the mean; probability of the true class."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16.0
    predict = _network(images, labels)
    chosen = np.random.default_rng(0).choice(len(images), n, replace=False)
    return [
        MaskGame(f"digit {i}, network", 16, _of_picture(predict, images[i], labels[i], images.mean()))
        for i in chosen
    ]


def _of_picture(predict: Any, image: np.ndarray, label: int, fill: float) -> Evaluate:
    segments = np.arange(16).reshape(4, 4).repeat(2, axis=0).repeat(2, axis=1)
    return lambda masks: predict(np.where(masks[:, segments], image, fill))[:, label]


def _network(images: np.ndarray, labels: np.ndarray) -> Any:
    """Two layers of convolutions, trained for some seconds."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 12, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(12, 24, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(24 * 16, 10),
    )
    x, y = torch.tensor(images[:, None], dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    def predict(pictures: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            parts = torch.tensor(pictures[:, None], dtype=torch.float32).split(8192)
            return torch.cat([net(part).double().softmax(1) for part in parts]).numpy()

    return predict
