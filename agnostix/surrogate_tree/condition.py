"""What a path through a tree says of one column."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agnostix.surrogate_tree.rule_feature import RuleFeature


@dataclass(frozen=True)
class Condition:
    """Values of one column that a path admits.

    Attributes
    ----------
    feature : int
        Place of the column.
    low, high : float
        Bounds of numbers, the lower not included, the upper included; infinite where there is none.
    levels : tuple of int or None
        Places of the labels that are admitted; None for numbers.
    missing : bool
        Whether missing values are admitted, and with them labels that were never seen.
    """

    feature: int
    low: float
    high: float
    levels: tuple[int, ...] | None
    missing: bool

    @classmethod
    def any_of(cls, place: int, feature: RuleFeature) -> Condition:
        """What admits all values.

        Parameters
        ----------
        place : int
            Of the column.
        feature : RuleFeature
            The column.

        Returns
        -------
        Condition
        """
        levels = None if feature.levels is None else tuple(range(len(feature.levels)))
        return cls(place, -np.inf, np.inf, levels, True)

    def bounded(self, low: float, high: float, missing: bool) -> Condition:
        """The same with numbers within bounds too.

        Parameters
        ----------
        low, high : float
            The bounds.
        missing : bool
            Whether missing values are admitted there.

        Returns
        -------
        Condition
        """
        both = self.missing and missing
        return replace(self, low=max(self.low, low), high=min(self.high, high), missing=both)

    def among(self, levels: frozenset[int], missing: bool) -> Condition:
        """The same with labels out of a set too.

        Parameters
        ----------
        levels : frozenset of int
            Their places.
        missing : bool
            Whether missing values are admitted there.

        Returns
        -------
        Condition
        """
        assert self.levels is not None
        kept = tuple(level for level in self.levels if level in levels)
        return replace(self, levels=kept, missing=self.missing and missing)

    @property
    def only_missing(self) -> bool:
        """Whether no value that is there is admitted."""
        return self.levels == () or self.low >= self.high

    def told(self, feature: RuleFeature) -> str:
        """The condition in words.

        Parameters
        ----------
        feature : RuleFeature
            The column.

        Returns
        -------
        str
        """
        if self.only_missing:
            return f"{feature.name} missing"
        if self._admits_all(feature):
            return f"{feature.name} any" if self.missing else f"{feature.name} not missing"
        gap = " or missing" if self.missing and feature.gaps else ""
        if self.levels is not None:
            return f"{feature.name} {feature.told(self.levels)}{gap}"
        if np.isinf(self.low):
            return f"{feature.name} <= {feature.said(self.high)}{gap}"
        if np.isinf(self.high):
            return f"{feature.name} > {feature.said(self.low)}{gap}"
        return f"{feature.said(self.low)} < {feature.name} <= {feature.said(self.high)}{gap}"

    def _admits_all(self, feature: RuleFeature) -> bool:
        if feature.levels is not None and self.levels is not None:
            return len(self.levels) == len(feature.levels)
        return bool(np.isinf(self.low) and np.isinf(self.high))
