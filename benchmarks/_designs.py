"""Spread over seeds of LIME's values and RISE's pixels beside interactions, as a share of independent draws'.

    python benchmarks/_designs.py [--quick] [--seeds 40]

All models of a line are outputs of one function, so that they are seen at the same samples. Values of columns
that a model does not use are among those compared: an interaction of two columns must not become theirs. The
largest of so many ratios of standard deviations is above 1 also where nothing differs; the last column has it
for independent draws of other seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from _clock import print_table
from sklearn.ensemble import HistGradientBoostingRegressor

from agnostix import Explanation, LimeExplainer, RiseExplainer
from agnostix.core.designs import Design
from agnostix.core.hypercubes import Independent
from agnostix.core.masking import SegmentMasker

KINDS = ("additive", "pairs", "triples", "trees on pairs", "trees on triples")
N_MODELS = 6
"""Of each kind but trees, which are two."""
SIDE = 28

Model = Callable[[np.ndarray], np.ndarray]
"""From columns (n, d), each with median 0, to predictions (n,)."""


def models(d: int, seed: int = 0, *, linear: bool = False) -> tuple[list[str], Model]:
    """Kinds, and all models as one function to (n, n_models); sums of bent columns, or linear ones."""
    rng = np.random.default_rng(seed)
    kinds, parts = [], []
    for kind, order in (("additive", 1), ("pairs", 2), ("triples", 3)):
        for number in range(N_MODELS):
            kinds.append(kind)
            parts.append(
                _sum(d, 4 if linear else number, rng) if order == 1 else _product(d, order, number % 3, rng)
            )
    for kind, order in (("trees on pairs", 2), ("trees on triples", 3)):
        for _ in range(2):
            kinds.append(kind)
            parts.append(_trees(d, order, rng))
    return kinds, lambda X: np.stack([part(X) for part in parts], axis=1)


def _sum(d: int, number: int, rng: np.random.Generator) -> Model:
    slopes = rng.normal(size=d)
    bend = (np.sign, np.tanh, np.sin, np.square, lambda x: x, np.abs)[number % 6]
    return lambda X: bend(X) @ slopes


def _product(d: int, order: int, form: int, rng: np.random.Generator) -> Model:
    columns = rng.choice(d, order, replace=False)
    bend = (np.sign, lambda x: x, np.tanh)[form]
    return lambda X: bend(X[:, columns]).prod(axis=1)


def _trees(d: int, order: int, rng: np.random.Generator) -> Model:
    """Boosted trees on 4,000 normal rows whose answer is a sum of two products."""
    X = rng.normal(size=(4000, d))
    products = [X[:, rng.choice(d, order, replace=False)].prod(axis=1) for _ in range(2)]
    fitted = HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(X, products[0] + products[1] / 2)
    return fitted.predict


@contextmanager
def independent_draws() -> Iterator[None]:
    """Independent points wherever a design is asked for."""

    def draw(n_dims: int, n_points: int, seed: int, *, of_halves: bool = False) -> Design:
        size = n_points // 64
        return Design(n_dims, Independent(size), n_points // size, size, seed)

    with patch.object(Design, "from_n_points", draw), patch.object(Design, "sliced_halves", draw):
        yield


def lime_values(d: int, model: Model, seed: int) -> np.ndarray:
    """Values (d, n_models) of one row of normal columns."""
    return explain_table(d, model, seed).values[0]


def explain_table(d: int, model: Model, seed: int, **params: Any) -> Explanation:
    """One row of normal columns."""
    X = np.random.default_rng(1).normal(size=(1000, d))
    explainer = LimeExplainer(model, outputs=_all(model, d), random_state=seed, verbose=0, **params)
    return explainer.fit(X).explain(X[:1])


def segment_values(n_segments: int, model: Model, seed: int) -> np.ndarray:
    """Values (n_segments, n_models) of the stripes of a picture."""
    return explain_stripes(n_segments, model, seed).values.reshape(n_segments, -1)


def explain_stripes(n_segments: int, model: Model, seed: int) -> Explanation:
    """A picture of stripes, which are columns that are there or not."""
    picture, segments = np.ones((1, 1, n_segments)), np.arange(n_segments)[None]
    masker = SegmentMasker(segments=segments, fill=-1.0)
    explainer = LimeExplainer(
        lambda X: model(X[:, 0]), masker=masker, outputs=_all(model, n_segments), random_state=seed, verbose=0
    )
    return explainer.fit(picture).explain(picture)


def rise_values(n_cells: int, model: Model, seed: int) -> np.ndarray:
    """Pixels (49, n_models) of a map."""
    return explain_picture(n_cells, model, seed).values[0, 2::4, 2::4].reshape(49, -1)


def explain_picture(n_cells: int, model: Model, seed: int, **params: Any) -> Explanation:
    """A picture whose 7 x 7 parts are columns, by their mean brightness."""
    picture = np.ones((1, SIDE, SIDE))

    def predict(images: np.ndarray) -> np.ndarray:
        parts = images.reshape(-1, 7, SIDE // 7, 7, SIDE // 7).mean(axis=(2, 4)).reshape(-1, 49)
        return model(3.0 * (parts - 0.5))

    explainer = RiseExplainer(
        predict,
        n_cells=n_cells,
        fill=0.0,
        outputs=_all(model, 49),
        random_state=seed,
        verbose=0,
        **params,
    )
    return explainer.fit(picture).explain(picture)


def _all(model: Model, d: int) -> list[int]:
    return list(range(model(np.zeros((1, d))).shape[1]))


def compare(
    name: str, kinds: list[str], values: Callable[[int], np.ndarray], n_seeds: int
) -> list[list[str]]:
    """Lines of the table, one of each kind of model."""
    ours = _deviations(values, range(n_seeds))
    with independent_draws():
        theirs = _deviations(values, range(1000, 1000 + n_seeds))
        others = _deviations(values, range(2000, 2000 + n_seeds))
    lines = []
    for kind in KINDS:
        chosen = np.array([one == kind for one in kinds])
        moves = theirs[:, chosen] > 1e-9 * theirs.max()  # a sum over segments is fitted without error
        if moves.any():
            ratio, noise = (sd[:, chosen][moves] / theirs[:, chosen][moves] for sd in (ours, others))
            cells = (f"{np.median(ratio):.2f}", f"{ratio.max():.2f}", f"{noise.max():.2f}", f"{ratio.size}")
            lines.append([name, kind, *cells])
            print(" | ".join(lines[-1]), flush=True)
    return lines


def _deviations(values: Callable[[int], np.ndarray], seeds: range) -> np.ndarray:
    return np.std([values(seed) for seed in seeds], axis=0, ddof=1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few columns and seeds")
    parser.add_argument("--seeds", type=int, default=None, help="seeds of each design")
    parser.add_argument("--only", default="lime,segments,rise", help="parts, separated by commas")
    parser.add_argument("--columns", default="8,12,16,30,60", help="of LIME's tables and pictures")
    parser.add_argument("--cells", default="3,4,5,7", help="of RISE's grids, along an axis")
    args = parser.parse_args()
    n_seeds = args.seeds or (10 if args.quick else 40)
    lines = []
    for d in (10,) if args.quick else map(int, args.columns.split(",")):
        kinds, model = models(d)
        if "lime" in args.only:
            lines += compare(f"LIME, {d} columns", kinds, partial(lime_values, d, model), n_seeds)
        if "segments" in args.only:
            n_segments = max(d, 12)  # fewer have all their masks evaluated
            kinds, model = models(n_segments)
            values = partial(segment_values, n_segments, model)
            lines += compare(f"LIME, {n_segments} segments", kinds, values, n_seeds)
    kinds, model = models(49, linear=True)
    for n_cells in (7,) if args.quick else map(int, args.cells.split(",")):
        if "rise" in args.only:
            lines += compare(
                f"RISE, {n_cells**2} cells", kinds, partial(rise_values, n_cells, model), n_seeds
            )
    print_table(
        f"Standard deviation over {n_seeds} seeds, as a share of independent draws'",
        ("design", "models", "median", "largest", "largest of independent draws'", "values"),
        lines,
    )


if __name__ == "__main__":
    main()
