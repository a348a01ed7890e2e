"""What intervals of quantities rest on under a reweighting: rows that carry errors, rare events seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.inference import AnyInfluence, Design, Evidence
from agnostix.what_if.inference.carried import trusted_degrees
from agnostix.what_if.inference.intervals import N_BLOCKS
from agnostix.what_if.metrics import MeanQuantity, Quantity, SmoothQuantity
from agnostix.what_if.sample import Sample

_ENOUGH_ROWS = 16_384
"""Rows of a large sample whose influences tell how many degrees of freedom there are, if those are many."""
_FEW_DEGREES = 500.0
EVIDENCE_OF_MEANS = ("degrees", "tails", "skewness")
"""What intervals of means of independent rows rest on, besides their errors."""


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
    sample: Sample, places: list[int], influences: Callable[[int], Callable[[int], tuple[Floats, Floats]]]
) -> Floats:
    """Of means alone, (n_places, 2, 3, n_means): of values and changes, what `trusted_degrees` has of each.

    `influences` makes, of every step-th independent row, the influences (n_some_rows, n_means) at a place.
    """
    bounded = np.array([_is_bounded(quantity) for quantity in sample.quantities])
    step = max(sample.base.size // _ENOUGH_ROWS, 1)
    some = influences(step)
    out = np.stack([_trusted_means(some(j), bounded) for j in places])
    if step > 1:
        few = np.flatnonzero(out[:, :, 0].min((1, 2)) < _FEW_DEGREES)
        out[:, :, 0] *= step
        out[:, :, 2] /= np.sqrt(step)
        every = influences(1) if few.size else some
        for place in few.tolist():
            out[place] = _trusted_means(every(places[place]), bounded)
    return out


def _trusted_means(parts: tuple[Floats, Floats], bounded: Bools) -> Floats:
    return np.stack([trusted_degrees(part, bounded) for part in parts])


def split_evidence(known: Floats) -> list[tuple[Evidence, Evidence]]:
    """Evidence of each mean at all targets, from what `evidence_of_means` has, (n_targets, 2, 3, n_means)."""
    unknown = Evidence.unknown(len(known))
    value, change = (
        [
            replace(unknown, **dict(zip(EVIDENCE_OF_MEANS, of_mean, strict=True)))
            for of_mean in np.moveaxis(known[:, i], 0, -1).swapaxes(0, 1)
        ]
        for i in (0, 1)
    )
    return list(zip(value, change, strict=True))


def are_plain_means(sample: Sample) -> bool:
    """Whether all quantities are means of independent rows without rare events."""
    means = (isinstance(quantity, MeanQuantity) and quantity.events is None for quantity in sample.quantities)
    return sample.design is None and all(means)


def stack(parts: list[Evidence]) -> Evidence:
    """Of several targets, one after the other."""
    return Evidence(*(np.concatenate([getattr(one, f.name) for one in parts]) for f in fields(Evidence)))


def interpolate(known: Floats, places: Codes, n: int) -> Floats:
    """At all n targets of a curve (n, ...), linear between the places that are known (n_places, ...)."""
    if places.size == n:
        return known
    columns = known.reshape(places.size, -1).T
    return np.stack([np.interp(np.arange(n), places, own) for own in columns], -1).reshape(
        n, *known.shape[1:]
    )


def between(known: Evidence, places: Codes, n: int) -> Evidence:
    """Evidence at all n targets of a curve from that at some."""
    return Evidence(*(interpolate(getattr(known, f.name), places, n) for f in fields(Evidence)))


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
    return trusted_degrees(own, is_bounded, design)


def _events(sample: Sample, quantity: Quantity, weights: Floats) -> tuple[Floats, Floats]:
    """Share of the rows where the quantity's event was seen, and what a larger share adds, each (1,)."""
    if not isinstance(quantity, MeanQuantity) or quantity.events is None:
        return np.full(1, np.nan), np.full(1, np.nan)
    seen, size = (sample.restrict(part) for part in quantity.events)
    return np.array([float(weights @ seen)]), np.array([float(weights @ size)])
