"""A surrogate tree as an outline: its splits, and the predictions and fidelity of each leaf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agnostix.plotting.display import Display
from agnostix.plotting.fidelity import POOR_LEAF, format_r2
from agnostix.plotting.style import ACCENT, CONTRAST, FAINT, INK, MUTED, SERIES
from agnostix.plotting.words import format_percent, shorten

_ROW, _MARGIN = 0.3, 0.9
"""Height of a line, and of what is above and below all, in inches."""
_WIDTH = 10.5
_STEP = 0.018
"""Indentation, as a fraction of the width."""
_BAR = (0.575, 0.70)
_LABEL, _ROWS = 0.71, 0.865
_FIDELITY = (0.885, 0.99)


@dataclass(eq=False, repr=False)
class TreeDisplay(Display):
    """A surrogate tree as an outline, from all rows at the top; each line is one side of a split.

    Leaves have the tree's class probabilities or prediction, the percentage of the
    training rows, and the fidelity (agreement of labels with the model) with its
    interval, orange below 0.8.

    Parameters
    ----------
    lines : DataFrame
        One row per node, in the order of drawing: node, depth, words, is_leaf; at
        leaves label, coverage, fidelity, fidelity_low, fidelity_high (NaN where unknown).
    values : ndarray of shape (n_lines, n_outputs)
        The tree's predictions, in units of the model's output.
    output_names : sequence of str
        Names of the outputs.
    title : str, default=""
        Heading.
    is_classifier : bool, default=True
        Whether the predictions are class probabilities.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from agnostix import MimicTree
    >>> from agnostix.plotting import TreeDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> mimic = MimicTree(forest, max_leaf_nodes=4, random_state=0).fit(X)
    >>> display = TreeDisplay.from_estimator(mimic).plot()
    >>> int(display.frame()["is_leaf"].sum()) == len(mimic.leaves_)
    True
    """

    lines: pd.DataFrame
    values: Any
    output_names: Sequence[str]
    title: str = ""
    is_classifier: bool = True

    @classmethod
    def from_estimator(cls, estimator: Any) -> TreeDisplay:
        """Outline a fitted `MimicTree`.

        Parameters
        ----------
        estimator : MimicTree
            A fitted surrogate tree.

        Returns
        -------
        TreeDisplay
        """
        tree, leaves = estimator.rule_tree_, estimator.leaves_
        lines = pd.DataFrame(_outline(tree, 0, 0, "all rows"), columns=["node", "depth", "words", "is_leaf"])
        columns = ["label", "coverage", "fidelity", "fidelity_low", "fidelity_high"]
        lines = lines.join(leaves.reindex(columns=columns), on="node")
        return cls(
            lines,
            tree.values[lines["node"].to_numpy()],
            tree.output_names,
            describe_tree(estimator.fidelity_, len(leaves)),
            "label" in leaves,
        )

    def frame(self) -> pd.DataFrame:
        """The lines of the outline.

        Returns
        -------
        DataFrame
            With each output's prediction in a column "value NAME".
        """
        predictions = {f"value {name}": self.values[:, k] for k, name in enumerate(self.output_names)}
        return self.lines.assign(**predictions)

    def _figsize(self) -> tuple[float, float]:
        return _WIDTH, _ROW * len(self.lines) + _MARGIN

    def _draw(self) -> None:
        self.ax_.set(xlim=(0, 1), ylim=(len(self.lines) - 0.3, -1.2), xticks=[], yticks=[])
        self.ax_.spines[:].set_visible(False)
        self._draw_branches()
        lines: Any = self.lines.itertuples()
        for place, line in enumerate(lines):
            self._write(line.depth * _STEP + 0.004, place, shorten(line.words, 84 - 3 * line.depth))
            if line.is_leaf:
                self._draw_leaf(place, line)
        self._write_heads()

    def _draw_branches(self) -> None:
        """Lines from each split down to its two sides."""
        depth = self.lines["depth"].to_numpy()
        for place in range(1, depth.size):
            x = (depth[place] - 1) * _STEP + 0.012
            above = int(np.flatnonzero(depth[:place] == depth[place] - 1)[-1])
            self.ax_.plot([x, x, x + 0.008], [above + 0.38, place, place], color=FAINT, lw=1.0)

    def _draw_leaf(self, place: int, line: Any) -> None:
        self._draw_probabilities(place) if self.is_classifier else self._draw_number(place)
        if self.is_classifier:
            self._write(_LABEL, place, shorten(str(line.label), 16), weight="bold")
        self._write(_ROWS, place, format_percent(line.coverage, 1), ha="right", color=MUTED)
        if np.isfinite(line.fidelity):
            self._draw_fidelity(place, line)

    def _draw_probabilities(self, place: int) -> None:
        start, width = _BAR[0], _BAR[1] - _BAR[0]
        for k, probability in enumerate(np.clip(self.values[place], 0.0, 1.0)):
            color = SERIES[k] if k < len(SERIES) else FAINT
            self.ax_.barh(place, width * probability, left=start, height=0.5, color=color)
            start += width * probability

    def _draw_number(self, place: int) -> None:
        """Each output's prediction on a scale common to all leaves."""
        at = self.values[self.lines["is_leaf"].to_numpy()]
        low, high = at.min(axis=0), at.max(axis=0)
        where = (self.values[place] - low) / np.where(high > low, high - low, 1.0)
        self.ax_.plot(_BAR, [place, place], color=FAINT, lw=1.0)
        for k, position in enumerate(where):
            x = _BAR[0] + (_BAR[1] - _BAR[0]) * position
            self.ax_.plot(x, place, "o", color=SERIES[k % len(SERIES)], ms=5)
        self._write(
            _LABEL, place, ", ".join(f"{value:.4g}" for value in self.values[place][:2]), weight="bold"
        )

    def _draw_fidelity(self, place: int, line: Any) -> None:
        color = CONTRAST if line.fidelity < POOR_LEAF else ACCENT
        low, high, dot = (self._along(end) for end in (line.fidelity_low, line.fidelity_high, line.fidelity))
        self.ax_.plot([low, high], [place, place], color=color, lw=1.3)
        self.ax_.plot(dot, place, "o", color=color, ms=4.5)

    def _along(self, fidelity: float) -> float:
        """Horizontal position of a fidelity."""
        return _FIDELITY[0] + (_FIDELITY[1] - _FIDELITY[0]) * fidelity

    def _write(self, x: float, y: float, words: str, **look: Any) -> None:
        style = {"va": "center", "fontsize": 9, "color": INK, "parse_math": False} | look
        self.ax_.text(x, y, words, **style)

    def _write_heads(self) -> None:
        look = {"color": MUTED, "fontsize": 8.5}
        heading = "probabilities" if self.is_classifier else "prediction"
        self._write(_BAR[0], -0.85, heading, **look)
        self._write(_LABEL, -0.85, "label" if self.is_classifier else "value", **look)
        self._write(_ROWS, -0.85, "rows", ha="right", **look)
        if self.lines["fidelity"].notna().any():
            self._write(sum(_FIDELITY) / 2, -0.85, "fidelity, 0 to 1", ha="center", **look)
            for end in (0.0, 0.5, 1.0):
                x, n = self._along(end), len(self.lines)
                self.ax_.plot([x, x], [-0.5, n - 0.5], color=FAINT, lw=0.6, zorder=0)
        if self.title:
            self.ax_.set_title(shorten(self.title, 110), parse_math=False)
        if self.is_classifier:
            self._write_classes()

    def _write_classes(self) -> None:
        """Legend of the classes, below."""
        from matplotlib.patches import Patch

        named = list(self.output_names)[: len(SERIES)]
        patches = [Patch(color=SERIES[k], label=shorten(str(name), 24)) for k, name in enumerate(named)]
        self.ax_.legend(
            handles=patches, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=6, frameon=False, fontsize=8.5
        )


def describe_tree(fidelity: Any, n_leaves: int) -> str:
    """Fidelity of a surrogate tree with its intervals, in one line."""
    leaves = f"{n_leaves} leaves: " if n_leaves > 1 else "1 leaf: "
    r2 = f"R² {fidelity.r2:.2f}, of unknown error"
    if fidelity.measures["r2"].status == "ok":
        ends = (format_r2(end, like=fidelity.r2) for end in fidelity.measures["r2"].ends())
        r2 = f"R² {format_r2(fidelity.r2)} ({' to '.join(ends)})"
    if fidelity.label is None:
        return leaves + r2
    shares = (fidelity.label, *fidelity.measures["label"].ends())
    label, low, high = (format_percent(share, 1) for share in shares)
    interval = f"{low.removesuffix(' %')} to {high}"
    return f"{leaves}predicts the model's label for {label} of rows ({interval}); {r2}"


def _outline(tree: Any, node: int, depth: int, words: str) -> list[tuple[int, int, str, bool]]:
    """Node, depth, words and is_leaf of a node and all below it, in preorder."""
    is_leaf = bool(tree.left[node] < 0)
    lines = [(node, depth, words, is_leaf)]
    if not is_leaf:
        children = (tree.left[node], tree.right[node])
        for child, condition in zip(children, tree.describe_split(node), strict=True):
            lines += _outline(tree, int(child), depth + 1, condition)
    return lines
