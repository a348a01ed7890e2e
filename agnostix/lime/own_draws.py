"""Draws of each row's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from agnostix.core.typing import Floats
from agnostix.lime.features import BinnedFeature, Drawn
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.traces import Traces

KEPT_BYTES = 64 * 2**20
"""Draws of bins that are kept, since many rows are in each."""


@dataclass
class OwnDraws:
    """Makes draws near rows; the same points of the cube serve every row.

    Attributes
    ----------
    neighbourhood : Neighbourhood
        What is drawn.
    how : {"tilted", "local"}
        As the kernel would weight rows, or around each row.
    scale : float
        Width of the kernel, or the radius in standard deviations.
    """

    neighbourhood: Neighbourhood
    how: Literal["tilted", "local"]
    scale: float
    _known: dict[tuple[int, float], Drawn] = field(default_factory=dict, repr=False)
    _points: Any = field(default=None, repr=False)

    def for_worker(self) -> OwnDraws:
        """A copy for one worker alone, since it keeps what it has drawn."""
        return OwnDraws(self.neighbourhood, self.how, self.scale)

    def draw(self, centre: Floats) -> list[Drawn]:
        """All draws near a row.

        Parameters
        ----------
        centre : ndarray of shape (n_features,)
            The row's bins and numbers.

        Returns
        -------
        list of Drawn
            One for each feature.
        """
        if self._points is None:
            points = self.neighbourhood.points
            self._points = points.points(slice(0, points.n_points)).T.copy()
        return [self._drawn(j, float(one)) for j, one in enumerate(centre)]

    def traces(self, drawn: list[Drawn]) -> Traces:
        """What a surrogate sees of draws.

        Parameters
        ----------
        drawn : list of Drawn
            From `draw`.

        Returns
        -------
        Traces
        """
        return Traces.of(self.neighbourhood.features, [one.trace for one in drawn], weighted=False)

    def _drawn(self, j: int, centre: float) -> Drawn:
        feature = self.neighbourhood.features[j]
        if not isinstance(feature, BinnedFeature):
            return self._made(j, centre)
        key = (j, centre if self.how == "tilted" else 0.0)
        found = self._known.get(key)
        if found is None:
            found = self._made(j, centre)
            if (len(self._known) + 1) * 24 * found.trace.size <= KEPT_BYTES:
                self._known[key] = found
        return found

    def _made(self, j: int, centre: float) -> Drawn:
        feature: Any = self.neighbourhood.features[j]
        if self.how == "tilted":
            return feature.tilted(self._points[j], centre, self.scale)
        return feature.around(self._points[j], centre, self.scale)
