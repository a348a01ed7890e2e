"""What intervals of quantities rest on under a reweighting: rows that carry errors, rare events seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.inference import AnyInfluence, Design, Evidence
from agnostix.what_if.inference.carried import carried_skewness, trusted_degrees
from agnostix.what_if.inference.intervals import N_BLOCKS
from agnostix.what_if.metrics import MeanQuantity, Quantity, SmoothQuantity
from agnostix.what_if.sample import Sample

_ENOUGH_ROWS = 16_384
"""Rows of a large sample whose influences tell how many degrees of freedom there are, if those are many."""
_FEW_DEGREES = 500.0


def evidence_of(
    sample: Sample, influence: AnyInfluence, drift: Floats | None = None
) -> list[tuple[Evidence, Evidence]]:
    """Of the value and of the change of each quantity, one target; `drift` as in `Influence.errors`."""
    out, j = [], 0
    means = influence.parts(sample.outcomes, None, drift) if sample.outcomes.shape[1] else None
    for quantity in sample.quantities:
        if isinstance(quantity, MeanQuantity):
            assert means is not None
            parts = means[0][:, [j]], means[1][:, [j]]
            j += 1
        elif isinstance(quantity, SmoothQuantity):
            psi, psi_base = (
                sample.restrict(quantity.measure(sample.expand(weights))[1])[:, None]
                for weights in (influence.weights, influence.base)
            )
            parts = influence.parts(psi, psi_base, drift)
        else:
            out.append((_of_blocks(), _of_blocks()))
            continue
        out.append(_evidence(sample, quantity, influence, parts))
    return out


def evidence_of_means(
    sample: Sample, influences: Callable[[int], tuple[Floats, Floats]]
) -> list[tuple[Evidence, Evidence]]:
    """The same of means alone, from influences (n_some_rows, n_means) of every step-th independent row."""
    bounded = np.array([_is_bounded(quantity) for quantity in sample.quantities])
    step = max(sample.base.size // _ENOUGH_ROWS, 1)
    parts = [_trusted_means(part, bounded) for part in influences(step)]
    if step > 1 and min(part[0].min() for part in parts) < _FEW_DEGREES:
        step, parts = 1, [_trusted_means(part, bounded) for part in influences(1)]
    own = [
        [_of_mean(step * d[[j]], t[[j]], s[[j]] / np.sqrt(step)) for d, t, s in parts]
        for j in range(bounded.size)
    ]
    return [(value, change) for value, change in own]


def _of_mean(degrees: Floats, tails: Floats, skewness: Floats) -> Evidence:
    return replace(Evidence.unknown(1), degrees=degrees, tails=tails, skewness=skewness)


def _trusted_means(influences: Floats, bounded: Bools) -> tuple[Floats, Floats, Floats]:
    """Degrees of freedom, tail index and skewness (n_means,) of influences (n_some_rows, n_means)."""
    out = np.empty((2, bounded.size))
    for kind in (False, True):
        if (some := bounded == kind).any():
            out[:, some] = trusted_degrees(influences[:, some] if not some.all() else influences, kind)
    return out[0], out[1], carried_skewness(influences)


def are_plain_means(sample: Sample) -> bool:
    """Whether all quantities are means of independent rows without rare events."""
    means = (isinstance(quantity, MeanQuantity) and quantity.events is None for quantity in sample.quantities)
    return sample.design is None and all(means)


def stack(parts: list[Evidence]) -> Evidence:
    """Of several targets, one after the other."""
    return Evidence(*(np.concatenate([getattr(one, f.name) for one in parts]) for f in fields(Evidence)))


def between(known: Evidence, places: Codes, n: int) -> Evidence:
    """At all n places of a curve, linear between those that are known."""
    every = np.arange(n)
    return Evidence(*(np.interp(every, places, getattr(known, f.name)) for f in fields(Evidence)))


def worse(evidence: tuple[Evidence, Evidence]) -> np.ndarray:
    """Status (n_targets,) of what is measured and of its change."""
    first, second = (one.status() for one in evidence)
    return np.where(first == "ok", second, first)


def _of_blocks() -> Evidence:
    """Of a metric without a known derivative, whose error is that of thirty blocks."""
    return replace(Evidence.unknown(1), degrees=np.array([N_BLOCKS - 1.0]))


def _evidence(
    sample: Sample, quantity: Quantity, influence: AnyInfluence, parts: tuple[Floats, Floats]
) -> tuple[Evidence, Evidence]:
    own_parts = (_trusted(part, sample.design, _is_bounded(quantity)) for part in parts)
    (degrees, tails, skew), (of_change, tails_of_change, skew_of_change) = own_parts
    here, there = (_events(sample, quantity, weights) for weights in (influence.weights, influence.base))
    none = np.full(1, np.nan)
    carriers = none
    if isinstance(quantity, SmoothQuantity) and quantity.carriers is not None:
        both = (influence.weights, influence.base)
        carriers = np.array([min(quantity.carriers(sample.expand(weights)) for weights in both)])
    own = Evidence(degrees, tails, carriers, *here, none, none, skew)
    return own, Evidence(of_change, tails_of_change, carriers, *here, *there, skew_of_change)


def _is_bounded(quantity: Quantity) -> bool:
    """Whether influences have no tail: those of proportions, and of losses by rare events."""
    events = isinstance(quantity, MeanQuantity) and quantity.events is not None
    return events or bool(np.isfinite(quantity.bounds).all())


def _trusted(influences: Floats, design: Design | None, is_bounded: bool) -> tuple[Floats, Floats, Floats]:
    """Degrees of freedom, tail index and skewness (1,) from influences of the rows (n_rows, 1)."""
    own = influences if design is None else design.centered(influences)
    if not np.isfinite(own).all():
        return np.full(1, np.nan), np.full(1, np.nan), np.full(1, np.nan)
    return *trusted_degrees(own, is_bounded, design), carried_skewness(own)


def _events(sample: Sample, quantity: Quantity, weights: Floats) -> tuple[Floats, Floats]:
    """Share of the rows where the quantity's event was seen, and what a larger share adds, each (1,)."""
    if not isinstance(quantity, MeanQuantity) or quantity.events is None:
        return np.full(1, np.nan), np.full(1, np.nan)
    seen, size = (sample.restrict(part) for part in quantity.events)
    return np.array([float(weights @ seen)]), np.array([float(weights @ size)])
