"""How the rows were sampled: clusters of rows that come together, within strata that were sampled apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from agnostix.core.frames import columns, is_frame, to_codes
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.exceptions import DataError

_MAX_NAMED = 5


@dataclass(frozen=True)
class Design:
    """Clusters and strata of rows. Clusters without a row here still count in their stratum."""

    cluster: Codes  # (n_rows,), the cluster of each row
    stratum: Codes  # (n_clusters,), the stratum of each cluster
    has_clusters: bool = True  # whether a cluster may have several rows

    @classmethod
    def from_labels(cls, groups: Any, strata: Any, weight: Floats) -> Design | None:
        """From labels of clusters and strata (n_rows,), each None if there are none; all in X's order."""
        if groups is None and strata is None:
            return None
        n_rows = weight.size
        there = weight > 0
        stratum, named = (
            _codes("strata", strata, there) if strata is not None else (np.zeros(n_rows, int), ())
        )
        if groups is None:
            cluster, clusters = np.arange(n_rows), ()
        else:
            cluster, clusters = _codes("groups", groups, there)
            _check_nested(cluster, stratum, clusters, named)
            _check_not_one(cluster[there], clusters)
        of_cluster = np.zeros(int(cluster.max()) + 1, dtype=np.intp)
        of_cluster[cluster] = stratum
        live = np.unique(cluster[there])  # clusters whose rows all have weight 0 were not sampled
        place = np.full(of_cluster.size, -1)
        place[live] = np.arange(live.size)
        _check_several(of_cluster[live], named, "cluster" if groups is not None else "row")
        found = np.unique(of_cluster[live], return_inverse=True)[1]
        return cls(place[cluster], found, groups is not None)

    @property
    def keys(self) -> list[Codes]:
        """What tells rows apart, each (n_rows,): the cluster, and its stratum."""
        own = [self.cluster] if self.has_clusters else []
        return [*own, self.stratum[self.cluster]]

    def in_order(self, order: Codes) -> Design:
        """The design of the rows of a table, from their places in X."""
        if self.has_clusters:
            return self.take(order)
        return Design(np.arange(order.size), self.stratum[self.cluster[order]], False)

    def take(self, rows: Codes) -> Design:
        """The design of some rows, in their order."""
        return replace(self, cluster=self.cluster[rows])

    def restrict(self, rows: Bools) -> Design:
        """Of the rows (n_rows,) in a domain: its clusters stay those of the whole sample."""
        return self.take(np.flatnonzero(rows))

    @cached_property
    def n_clusters(self) -> int:
        """How many clusters were sampled."""
        return self.stratum.size

    @cached_property
    def sizes(self) -> Codes:
        """Clusters in each stratum, (n_strata,)."""
        return np.bincount(self.stratum)

    def sum(self, values: Floats) -> Floats:
        """Sums (n_clusters, n_columns) of values of the rows (n_rows, n_columns)."""
        if not self.has_clusters:
            out = np.zeros((self.n_clusters, values.shape[1]))
            out[self.cluster] = values
            return out
        sums = [np.bincount(self.cluster, column, self.n_clusters) for column in values.T]
        return np.column_stack(sums) if sums else np.empty((self.n_clusters, 0))

    def centered(self, influences: Floats) -> Floats:
        """Influences of the clusters (n_clusters, n_outcomes), whose squares sum to variances."""
        # One stratum needs no centering: influences sum to 0 but for their leverage, as those of rows do.
        sums = self.sum(influences)
        if self.sizes.size == 1:
            return sums
        means = (
            np.column_stack([np.bincount(self.stratum, column) for column in sums.T]) / self.sizes[:, None]
        )
        factor = np.sqrt(self.sizes / (self.sizes - 1.0))
        return (sums - means[self.stratum]) * factor[self.stratum][:, None]

    def variances(self, influences: Floats) -> Floats:
        """Variances (n_outcomes,) from influences of the rows (n_rows, n_outcomes)."""
        return (self.centered(influences) ** 2).sum(0)

    def effective(self, weights: Floats) -> float:
        """Effective number of clusters under weights (n_rows,)."""
        carried = self.sum(weights[:, None])[:, 0]
        return float(carried.sum() ** 2 / (carried @ carried))

    @cached_property
    def degrees(self) -> float:
        """Clusters minus strata, of those with rows here."""
        here = np.unique(self.cluster)
        return float(max(here.size - np.unique(self.stratum[here]).size, 1))

    def blocks(self, n_most: int) -> tuple[Codes, int]:
        """Blocks (n_rows,) of whole clusters, from every stratum alike, and how many there are."""
        here = np.unique(self.cluster)
        order = here[np.argsort(self.stratum[here], kind="stable")]
        n_blocks = min(n_most, here.size)
        block = np.zeros(self.n_clusters, dtype=np.intp)
        block[order] = np.arange(order.size) % n_blocks
        return block[self.cluster], n_blocks


def _codes(name: str, labels: Any, there: Bools) -> tuple[Codes, tuple[Any, ...]]:
    """Codes (n_rows,) of labels, and the labels; DataError unless each row has one."""
    series = _series(name, labels, there.size)
    codes, levels = to_codes(series)
    lacking = int((codes[there] < 0).sum())
    if lacking:
        first = int(np.flatnonzero(there & (codes < 0))[0])
        raise DataError(
            f"{name} has no label in {lacking} of {there.size} rows, the first of them row {first}. Give "
            "each such row a label of its own if it belongs to none, or leave those rows out."
        )
    return np.maximum(codes, 0), levels


def _series(name: str, labels: Any, n_rows: int) -> Any:
    """Labels as a series of n_rows."""
    if is_frame(labels):
        held = list(columns(labels).values())
        labels = held[0] if len(held) == 1 else labels
    series = labels if hasattr(labels, "to_list") else pd.Series(_as_array(labels))
    if is_frame(series) or len(series) != n_rows or getattr(series, "ndim", 1) != 1:
        shape = getattr(labels, "shape", (len(series),))
        raise DataError(
            f"{name} must have one label for each of the {n_rows} rows of X, got shape {tuple(shape)}. "
            "Ids of several columns are joined first, as X['region'] + '/' + X['id']."
        )
    return series


def _as_array(labels: Any) -> np.ndarray:
    """Labels that came as a list or an array."""
    if isinstance(labels, np.ndarray):
        return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    try:
        held = list(labels)
    except TypeError:
        raise DataError(f"groups and strata are labels of the rows, got {labels!r}.") from None
    out = np.empty(len(held), dtype=object)
    out[:] = held
    return out


def _check_not_one(cluster: Codes, clusters: tuple[Any, ...]) -> None:
    """DataError unless the rows (n_rows,) are in two clusters or more."""
    if cluster.min() == cluster.max():
        raise DataError(
            f"groups has a single cluster, {clusters[cluster[0]]!r}: how far another sample of clusters "
            "would be from it cannot be known. Leave groups out, which takes the rows as independent, or "
            "pass the ids of smaller units, such as households."
        )


def _check_several(stratum: Codes, named: tuple[Any, ...], what: str) -> None:
    """DataError for strata with one cluster, from the stratum of each (n_clusters,)."""
    alone = np.flatnonzero(np.bincount(stratum, minlength=len(named)) == 1)
    if len(named) > 1 and alone.size:
        shown = ", ".join(repr(named[j]) for j in alone[:_MAX_NAMED])
        more = f", ... ({alone.size} in all)" if alone.size > _MAX_NAMED else ""
        raise DataError(
            f"strata with a single {what}: {shown}{more}. Their spread cannot be known. Give them the label "
            "of a similar stratum, or leave strata out."
        )


def _check_nested(cluster: Codes, stratum: Codes, clusters: tuple[Any, ...], named: tuple[Any, ...]) -> None:
    """DataError for a cluster with rows in two strata."""
    first = np.full(len(clusters), -1)
    first[cluster[::-1]] = stratum[::-1]
    apart = np.flatnonzero(first[cluster] != stratum)
    if apart.size:
        j = int(apart[0])
        one, other = sorted((int(first[cluster[j]]), int(stratum[j])))
        raise DataError(
            f"The cluster {clusters[cluster[j]]!r} of groups has rows in the strata {named[one]!r} and "
            f"{named[other]!r}, and clusters are sampled within strata. If ids start anew in each stratum, "
            "join them to its label first; else give all rows of a cluster one stratum."
        )
