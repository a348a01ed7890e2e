"""The outcome over two averages at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.style import INK, MUTED, axes_for, house_style, shortened


class WhatIfMapDisplay:
    """The outcome over the averages of two features.

    Dots mark pairs with thin support, blanks pairs that no reweighting of the
    rows reaches, the cross the data as they are.

    Parameters
    ----------
    grid : DataFrame
        Rows of `EntropicProjection.joint` of one output.
    names : tuple of str
        Names of the two features.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Its figure.
    colorbar_ : matplotlib Colorbar
        The scale.

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

    def __init__(self, grid: pd.DataFrame, names: tuple[str, str]) -> None:
        self.grid = grid
        self.names = names

    @classmethod
    def from_explainer(
        cls, explainer: Any, first: Any, second: Any, *, output: str | None = None, n_targets: int = 15
    ) -> WhatIfMapDisplay:
        """Compute the grid and take one output.

        Parameters
        ----------
        explainer : EntropicProjection
            A fitted one.
        first, second : str or tuple of (str, level)
            What is moved.
        output : str, default=None
            Which output; the last by default.
        n_targets : int, default=15
            Targets of each.

        Returns
        -------
        WhatIfMapDisplay
        """
        grid = explainer.joint(first, second, n_targets=n_targets)
        output = grid["output"].iloc[-1] if output is None else output
        return cls(grid[grid["output"] == output].reset_index(drop=True), (_named(first), _named(second)))

    def frame(self) -> pd.DataFrame:
        """The data behind the picture.

        Returns
        -------
        DataFrame
        """
        return self.grid.copy()

    def plot(self, ax: Any = None, *, cmap: str = "cividis") -> WhatIfMapDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where; a new figure by default.
        cmap : str, default="cividis"
            A sequential palette.

        Returns
        -------
        self : WhatIfMapDisplay
        """
        with house_style():
            self.ax_, self.figure_ = axes_for(ax, 5.6, 4.2)
            table = self.grid.pivot(index="second_target", columns="first_target", values="value")
            x, y = table.columns.to_numpy(dtype=float), table.index.to_numpy(dtype=float)
            image = self.ax_.pcolormesh(x, y, np.ma.masked_invalid(table.to_numpy()), cmap=cmap)
            image.set_rasterized(True)
            thin = self.grid[self.grid["status"].isin(["thin", "boundary"])]
            self.ax_.plot(thin["first_target"], thin["second_target"], ".", color=INK, ms=2, alpha=0.6)
            start = self.grid[self.grid["kl"] < 1e-10]
            self.ax_.plot(start["first_target"], start["second_target"], "+", color=INK, ms=11, mew=2)
            self.colorbar_ = self.figure_.colorbar(image, ax=self.ax_)
            self.colorbar_.outline.set_edgecolor(MUTED)
            self.colorbar_.set_label(
                shortened(f"mean of {self.grid['output'].iloc[0]}", 50), parse_math=False
            )
            self.ax_.set_xlabel(shortened(f"average of {self.names[0]}", 60), parse_math=False)
            self.ax_.set_ylabel(shortened(f"average of {self.names[1]}", 50), parse_math=False)
        return self


def _named(place: Any) -> str:
    return place if isinstance(place, str) else f"{place[0]} = {place[1]}"
