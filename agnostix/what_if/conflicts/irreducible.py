"""An irreducible set of conditions in conflict: infeasible, and feasible without any one of them.

The multipliers of an elastic program are zero for conditions that its proof does not need (sensitivity
filter); of the others each is left out in turn, for good if the rest is in conflict still (deletion filter;
Chinneck and Dravnieks, 1991, doi 10.1287/ijoc.3.2.157).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agnostix.core.typing import Bools, Codes, Floats
from agnostix.what_if.conflicts.least_gaps import LeastGaps, least_gaps
from agnostix.what_if.conflicts.reachable_means import ReachableMeans

CONFLICT = 1e-8
"""Standard deviations by which conditions must be missed together to be in conflict."""
_IN_GROUPS = 0.1
"""The same where groups may have little weight, of that."""


@dataclass(frozen=True)
class Conflict:
    """Conditions that no weights meet together."""

    places: Codes  # of the conditions
    with_bounds: bool  # whether it needs the bounds on the weights
    has_others: bool  # whether there are conflicts that do not need all of these
    multipliers: Floats  # (n_conditions,), no weights have multipliers @ means as large as the ranges ask for


@dataclass(frozen=True)
class ConflictFinder:
    """Linear programs that say which conditions are in conflict."""

    free: ReachableMeans  # without bounds on the weights
    bounded: ReachableMeans | None
    low: Floats  # (n_conditions,)
    high: Floats
    implied: Bools  # (n_conditions,), what travels with the user's own conditions
    always: Bools  # (n_conditions,), what must hold and is not named: weight in the groups that are spoken of
    always_low: tuple[float, ...] = ()  # lower ends of these, of which any will do
    least: float = CONFLICT

    def find(self) -> Conflict | None:
        """An irreducible conflict, of the user's own conditions if there is one; None if there is none."""
        for places, with_bounds in self._candidates():
            certificate = self._certificate(places, with_bounds)
            if certificate is not None:
                places, certificate = self._reduce(places, certificate, with_bounds)
                others = self._has_others(places, with_bounds)
                return Conflict(places, with_bounds, others, certificate.multipliers)
        return None

    def _candidates(self) -> Iterator[tuple[Codes, bool]]:
        """Conditions and whether bounds are among them, those first that need the fewest implied ones."""
        own = np.flatnonzero(~self.always & ~self.implied)
        every = np.flatnonzero(~self.always)
        for places in (own, every) if every.size > own.size else (own,):
            yield places, False
            if self.bounded is not None:
                yield places, True

    def _certificate(self, places: Codes, with_bounds: bool) -> LeastGaps | None:
        """The proof that conditions are in conflict; None if some weights meet them."""
        if places.size == 0:
            return None
        reach = self.bounded if with_bounds and self.bounded is not None else self.free
        if not self.always.any():
            return self._prove(reach, places, self.low, self.least)
        proof = None
        for end in self.always_low:
            low = np.where(self.always, end, self.low)
            proof = self._prove(reach, places, low, _IN_GROUPS * self.least)
            if proof is None:
                return None
        return proof

    def _prove(self, reach: ReachableMeans, places: Codes, low: Floats, least: float) -> LeastGaps | None:
        """The proof that conditions are missed by more than `least` standard deviations, if they are."""
        costs = np.where(self.always, np.inf, 1.0)
        every = np.r_[places, np.flatnonzero(self.always)]
        gaps = least_gaps(reach, low, self.high, costs, every, together=True, decide=least)
        return gaps if gaps.bound > least else None

    def _reduce(self, places: Codes, certificate: LeastGaps, with_bounds: bool) -> tuple[Codes, LeastGaps]:
        """The conditions that are left when none can be left out."""
        places, certificate = self._only_needed(places, certificate, with_bounds)
        size = np.abs(certificate.multipliers)
        for place in sorted(places, key=lambda j: (not self.implied[j], size[j], -j)):
            if place not in places:
                continue
            without = places[places != place]
            shorter = self._certificate(without, with_bounds)
            if shorter is not None:
                places, certificate = self._only_needed(without, shorter, with_bounds)
        return places, certificate

    def _only_needed(
        self, places: Codes, certificate: LeastGaps, with_bounds: bool
    ) -> tuple[Codes, LeastGaps]:
        """The conditions that a proof rests on, if they are in conflict to rounding too."""
        needed = np.intersect1d(places, certificate.support)
        if needed.size == places.size:
            return places, certificate
        again = self._certificate(needed, with_bounds)
        return (places, certificate) if again is None else (needed, again)

    def _has_others(self, places: Codes, with_bounds: bool) -> bool:
        """Whether leaving out one of the conditions leaves a conflict."""
        every = np.flatnonzero(~self.always)
        if with_bounds and self._certificate(every, False) is not None:
            return True
        has_bounds = self.bounded is not None
        return any(self._certificate(every[every != j], has_bounds) is not None for j in places)
