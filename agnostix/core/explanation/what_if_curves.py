"""The result of moving features one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from agnostix.core.typing import Floats


class Histogram(NamedTuple):
    """Share of the weight in bins of equal width.

    Attributes
    ----------
    feature : str
        The column.
    group : object or None
        In which group; None without groups.
    edges : ndarray of shape (n_bins + 1,)
        Of the bins, in the column's units.
    share : ndarray of shape (n_bins,)
        Of the base weight.
    """

    feature: str
    group: Any
    edges: Floats
    share: Floats


@dataclass(frozen=True, eq=False)
class WhatIfCurves:
    """What happens to the outcome when a feature's average is somewhere else.

    Attributes
    ----------
    frame : DataFrame
        One row for each target and quantity: feature, level, group, tau,
        target, quantity, output, value, std_error, low, high, slope, kl, ess,
        max_weight, status, n_rows (those with a value of the feature). Values in
        model output units, targets in the column's units, slopes in output
        units per unit of the column.
    skipped : tuple of (feature, group, reason)
        Features that were left out.
    histograms : tuple of Histogram
        The data's own distribution of each numeric feature.
    n_model_rows : int
        Rows the model evaluated, all of them in `fit`.
    params : dict
        Parameters of the explainer.
    """

    frame: pd.DataFrame
    skipped: tuple[tuple[str, Any, str], ...]
    histograms: tuple[Histogram, ...]
    n_model_rows: int
    params: dict[str, Any]

    kind = "reweighting"
    method = "EntropicProjection"

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        names = list(dict.fromkeys(self.frame["feature"]))
        shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        return f"WhatIfCurves({len(names)} features: {shown}; {len(self.frame)} rows)"

    @cached_property
    def distributions(self) -> pd.DataFrame:
        """The histograms as one table: feature, group, left, right, share."""
        bins = [
            (h.feature, h.group, h.edges[j], h.edges[j + 1], h.share[j])
            for h in self.histograms
            for j in range(h.share.size)
        ]
        names = ["feature", "group", "left", "right", "share"]
        groups = pd.Series([row[1] for row in bins], dtype=object)
        return pd.DataFrame(bins, columns=names).assign(group=groups)

    def to_frame(self) -> pd.DataFrame:
        """The curves as one table.

        Returns
        -------
        DataFrame
            A copy.
        """
        return self.frame.copy()

    def sel(
        self,
        *,
        features: str | Sequence[str] | None = None,
        outputs: Any = None,
        quantities: str | Sequence[str] | None = None,
        groups: Any = None,
    ) -> WhatIfCurves:
        """Select by name.

        Parameters
        ----------
        features, outputs, quantities, groups : scalar or sequence, default=None
            Which to keep; None keeps all.

        Returns
        -------
        WhatIfCurves

        Raises
        ------
        KeyError
            If one of the names does not exist.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from agnostix import EntropicProjection
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> curves = EntropicProjection(n_targets=5).fit(X, y).explain()
        >>> len(curves.sel(features="petal width (cm)").frame)
        5
        """
        frame, histograms = self.frame, self.histograms
        wanted = {"feature": features, "output": outputs, "quantity": quantities, "group": groups}
        for column, names in wanted.items():
            if names is None:
                continue
            keep = list(names) if isinstance(names, list | tuple) else [names]
            there = set(frame[column])
            unknown = [name for name in keep if name not in there]
            if unknown:
                known = ", ".join(str(name) for name in dict.fromkeys(frame[column]))
                raise KeyError(f"No {column} {unknown[0]!r} here. There are: {known}.")
            frame = frame[frame[column].isin(keep)]
            if column in ("feature", "group"):
                histograms = tuple(h for h in histograms if getattr(h, column) in keep)
        return replace(self, frame=frame.reset_index(drop=True), histograms=histograms)
