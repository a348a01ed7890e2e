"""Coverage of LIME's values and RISE's pixels over seeds, beside interactions of two and three columns.

The truth is what the same number of samples has on average: the mean over other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from _coverage import Cell, seeds_of
from _designs import KINDS, explain_picture, explain_stripes, explain_table, models

from agnostix import Explanation

N_SEEDS, N_QUICK = 60, 12
TABLES = ((5, 500), (10, 1000), (10, "auto"), (30, "auto"), (60, "auto"))
"""Columns and n_samples of LIME's tables."""
PICTURES = ((7, 0.5, 4000), (7, 0.5, 1000), (4, 0.5, 4000), (7, 0.3, 4000))
"""Cells along an axis, p_keep and n_masks of RISE's maps."""
N_TRUTH = 4
"""Seeds of the truth, for each that is measured."""


def cells(args: Any) -> Iterator[Cell]:
    """LIME's values in tables and pictures, then RISE's pixels, by kind of model."""
    seeds = seeds_of(args, N_SEEDS, N_QUICK)
    for d, n_samples in TABLES[2:3] if args.quick else TABLES:
        kinds, model = models(d)
        explain = partial(explain_table, d, model, n_samples=n_samples)
        yield from _by_kind("LIME", f"{d} columns, n_samples={n_samples}", kinds, explain, seeds)
    for sampling in ("tilted", "local"):
        kinds, model = models(10)
        explain = partial(explain_table, 10, model, sampling=sampling)
        yield from _by_kind("LIME", f"10 columns, {sampling}", kinds, explain, seeds)
    for n_segments in (12,) if args.quick else (12, 49):
        kinds, model = models(n_segments)
        explain = partial(explain_stripes, n_segments, model)
        yield from _by_kind("LIME", f"{n_segments} segments", kinds, explain, seeds)
    kinds, model = models(49, linear=True)
    for n_cells, p_keep, n_masks in PICTURES[:1] if args.quick else PICTURES:
        explain = partial(explain_picture, n_cells, model, n_masks=n_masks, p_keep=p_keep)
        name = f"{n_cells**2} cells, p_keep={p_keep}, {n_masks:,} masks"
        yield from _by_kind("RISE", name, kinds, explain, seeds)


def _by_kind(
    part: str, name: str, kinds: list[str], explain: Callable[[int], Explanation], seeds: range
) -> Iterator[Cell]:
    """A cell for each kind of model."""
    explanations = [explain(seed) for seed in seeds]
    truth = np.mean([_flat(explain(100_000 + seed).values) for seed in range(N_TRUTH * len(seeds))], axis=0)
    intervals = [exp.interval(0.95) for exp in explanations]
    arrays = {
        "estimates": [exp.values for exp in explanations],
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
        "std_errors": [exp.std_errors for exp in explanations],
    }
    flat = {key: np.stack([_flat(one) for one in values]) for key, values in arrays.items()}
    for kind in KINDS:
        chosen = [one == kind for one in kinds]
        picked = {key: one[:, :, chosen].reshape(len(seeds), -1) for key, one in flat.items()}
        yield Cell(part, f"{name}: {kind}", truths=truth[:, chosen].ravel(), **picked)


def _flat(array: Any) -> np.ndarray:
    """Values (n_values, n_models), of a picture some of the pixels."""
    array = np.asarray(array)[0]
    if array.ndim == 3:
        array = array[2::4, 2::4]
    return array.reshape(-1, array.shape[-1])
