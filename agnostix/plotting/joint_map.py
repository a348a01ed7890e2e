"""What-if map: the outcome over the averages of two features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.display import Display
from agnostix.plotting.style import INK, MUTED, PAPER
from agnostix.plotting.words import describe_metric, shorten


@dataclass(eq=False, repr=False)
class WhatIfMapDisplay(Display):
    """The outcome over the averages of two features.

    The cross is the observed population. Dots mark pairs with a small effective
    sample size, blanks pairs that no reweighting reaches.

    Parameters
    ----------
    grid : DataFrame
        Rows of `EntropicProjection.joint` of one output.
    names : tuple of str
        Names of the two features.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.
    colorbar_ : matplotlib Colorbar
        The color scale.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from agnostix import EntropicProjection
    >>> from agnostix.plotting import WhatIfMapDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> projection = EntropicProjection().fit(X, y)
    >>> pair = ("sepal length (cm)", "sepal width (cm)")
    >>> display = WhatIfMapDisplay.from_explainer(projection, *pair, n_targets=5).plot()
    >>> len(display.frame())
    25
    """

    grid: pd.DataFrame
    names: tuple[str, str]

    @classmethod
    def from_explainer(
        cls, explainer: Any, first: Any, second: Any, *, output: str | None = None, n_targets: int = 15
    ) -> WhatIfMapDisplay:
        """Compute the grid and select one output.

        Parameters
        ----------
        explainer : EntropicProjection
            A fitted explainer.
        first, second : str or tuple of (str, level)
            Features or levels whose averages are shifted.
        output : str, default=None
            Name of the output; the last by default.
        n_targets : int, default=15
            Targets for each average.

        Returns
        -------
        WhatIfMapDisplay
        """
        grid = explainer.joint(first, second, n_targets=n_targets)
        output = grid["output"].iloc[-1] if output is None else output
        return cls(grid[grid["output"] == output].reset_index(drop=True), (_named(first), _named(second)))

    def _figsize(self) -> tuple[float, float]:
        return 5.6, 4.2

    def _draw(self, cmap: Any = "cividis") -> None:
        table = self.grid.pivot(index="second_target", columns="first_target", values="value")
        x, y = table.columns.to_numpy(dtype=float), table.index.to_numpy(dtype=float)
        image = self.ax_.pcolormesh(x, y, np.ma.masked_invalid(table.to_numpy()), cmap=cmap)
        image.set_rasterized(True)
        thin = self.grid[self.grid["status"].isin(["thin", "boundary"])]
        rim = {"mec": INK, "mfc": PAPER, "mew": 0.5}  # seen on dark and on bright cells
        self.ax_.plot(thin["first_target"], thin["second_target"], "o", ms=2.6, **rim)
        start = self.grid[self.grid["kl"] < 1e-10]
        self.ax_.plot(start["first_target"], start["second_target"], "P", ms=11, **rim)
        self.colorbar_ = self.figure_.colorbar(image, ax=self.ax_)
        self.colorbar_.outline.set_edgecolor(MUTED)
        self.colorbar_.set_label(
            shorten(describe_metric("prediction", self.grid["output"].iloc[0]), 50), parse_math=False
        )
        self.ax_.set_xlabel(shorten(f"average of {self.names[0]}", 60), parse_math=False)
        self.ax_.set_ylabel(shorten(f"average of {self.names[1]}", 50), parse_math=False)


def _named(place: Any) -> str:
    return place if isinstance(place, str) else f"{place[0]} = {place[1]}"
