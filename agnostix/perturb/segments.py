"""Hiding segments of pictures behind a colour."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from agnostix.exceptions import DataError
from agnostix.perturb.draws import Draws, MaskBlock
from agnostix.perturb.masker import Composition
from agnostix.perturb.players import Players
from agnostix.typing import Bools, Codes, Floats


@dataclass(frozen=True)
class SegmentMasker:
    """Segments of pictures as players; what is hidden gets a colour.

    Parameters
    ----------
    labels : array-like of int of shape (height, width)
        The segment of each pixel; any whole numbers.
    fill : float or "mean", default="mean"
        The colour, in the pictures' own units; "mean" is each picture's own mean, by channel.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostix import KernelShapExplainer
    >>> from agnostix.perturb import SegmentMasker
    >>> pictures = np.random.default_rng(0).random((2, 4, 4))
    >>> quarters = np.repeat(np.repeat([[0, 1], [2, 3]], 2, axis=0), 2, axis=1)
    >>> explainer = KernelShapExplainer(lambda x: x[:, :2, :2].sum((1, 2)), masker=SegmentMasker(quarters))
    >>> exp = explainer.fit(pictures).explain(pictures)
    >>> exp.feature_names, bool(np.abs(exp.values[:, 1:]).max() < 1e-12)
    (('segment 0', 'segment 1', 'segment 2', 'segment 3'), True)
    """

    labels: Any
    fill: Any = "mean"
    players: Players = field(init=False)
    weights: Floats = field(init=False)

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "iu":
            raise DataError(
                "The 'labels' of SegmentMasker must be whole numbers of shape (height, width), got "
                f"{labels.dtype} of shape {labels.shape}."
            )
        is_mean = isinstance(self.fill, str) and self.fill == "mean"
        if not is_mean and (isinstance(self.fill, bool) or not isinstance(self.fill, Real)):
            raise DataError(f"The 'fill' of SegmentMasker must be 'mean' or a number, got {self.fill!r}.")
        names, places = np.unique(labels, return_inverse=True)
        object.__setattr__(self, "labels", places.reshape(labels.shape))
        segments = tuple(f"segment {name}" for name in names)
        object.__setattr__(self, "players", Players(segments, ((),) * len(segments)))
        object.__setattr__(self, "weights", np.ones(1))

    @property
    def merges(self) -> bool:
        """False: masks of pictures that differ give pictures that differ."""
        return False

    def check(self, X: Any) -> None:
        """Check that X are pictures of the labels' size, whose type can hold the colour.

        Parameters
        ----------
        X : ndarray of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
            The pictures.

        Raises
        ------
        DataError
            If they are not.
        """
        if X.ndim not in (3, 4) or X.shape[1:3] != self.labels.shape or X.dtype.kind not in "biuf":
            raise DataError(
                f"X must be numbers of shape (n_rows, {self.labels.shape[0]}, {self.labels.shape[1]}), as "
                "the labels of SegmentMasker are, or with channels as a last axis; "
                f"got {X.dtype} of shape {X.shape}."
            )
        if not self._is_held(X.dtype):
            raise DataError(
                f"The 'fill' of SegmentMasker is {self.fill!r}, which pictures of type {X.dtype} cannot hold."
            )

    def varying(self, X: Any) -> Bools:
        """Segments of each picture that are not of the colour already.

        Parameters
        ----------
        X : ndarray of n_rows pictures
            The pictures.

        Returns
        -------
        ndarray of bool of shape (n_rows, n_segments)
        """
        differs = (self._colours(X) != X).reshape(*X.shape[:3], -1).any(axis=3)
        found = np.zeros((X.shape[0], len(self.players.names)), dtype=bool)
        row, *pixel = np.nonzero(differs)
        found[row, self.labels[tuple(pixel)]] = True
        return found

    def draws(self, masks: Bools) -> list[Draws]:
        """One for each mask: a colour is no draw.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_masks, n_segments)
            The masks.

        Returns
        -------
        list of Draws
        """
        only = np.zeros(1, dtype=np.intp)
        return [Draws(only, np.ones(1), only)] * masks.shape[0]

    def distinct(self, X: Any) -> tuple[Codes, Codes]:
        """Every picture is taken for one of a kind.

        Parameters
        ----------
        X : ndarray of n_rows pictures
            The pictures.

        Returns
        -------
        tuple of ndarray of int
        """
        return np.arange(X.shape[0]), np.arange(X.shape[0])

    def width(self, X: Any) -> int:
        """Numbers in a picture.

        Parameters
        ----------
        X : ndarray of n_rows pictures
            The pictures.

        Returns
        -------
        int
        """
        return int(np.prod(X.shape[1:]))

    def builder(self, X: Any, rows: Codes, room: int) -> _SegmentBuilder:
        """Make a builder of pictures with segments hidden.

        Parameters
        ----------
        X : ndarray of n_rows pictures
            The pictures.
        rows : ndarray of int of shape (n,)
            Which of them.
        room : int
            Not used.

        Returns
        -------
        Builder
        """
        own = X[rows]
        return _SegmentBuilder(own, self._colours(own), self.labels)

    def compose(self, X: Any, row: int) -> Composition:
        """A picture in pieces.

        Parameters
        ----------
        X : ndarray of n_rows pictures
            The pictures.
        row : int
            Which of them.

        Returns
        -------
        Composition
        """
        fill = np.broadcast_to(self._colours(X[[row]]), X[[row]].shape)
        return Composition(X[row], fill, self.labels)

    def _is_held(self, dtype: np.dtype) -> bool:
        """Whether pixels of a type can have the colour; decimals may be rounded."""
        if isinstance(self.fill, str) or dtype.kind == "f":
            return True
        with np.errstate(invalid="ignore"):
            return bool(np.asarray(self.fill).astype(dtype) == self.fill)

    def _colours(self, X: Any) -> Any:
        """What hidden pixels get, of a shape that broadcasts to X's and of its type."""
        if isinstance(self.fill, str):
            own = np.ascontiguousarray(X)  # in other layouts the bits of a mean depend on the other pictures
            return own.mean(axis=(1, 2), keepdims=True).astype(X.dtype)
        return np.full((1,) * X.ndim, self.fill).astype(X.dtype)


@dataclass(frozen=True)
class _SegmentBuilder:
    own: Any
    colours: Any
    labels: Codes

    def distinct(self, block: MaskBlock) -> None:
        """Nothing is merged."""
        return

    def build(self, block: MaskBlock, cells: Codes | slice) -> Any:
        """Pictures by mask, then by row."""
        n_rows = self.own.shape[0]
        mask, row = np.divmod(np.arange(block.n_draws * n_rows)[cells], n_rows)
        shown = block.masks[mask][:, self.labels]
        shown = shown.reshape(*shown.shape, *[1] * (self.own.ndim - 3))
        colours = self.colours if self.colours.shape[0] == 1 else self.colours[row]
        return np.where(shown, self.own[row], colours)

    def is_whole(self, table: Any) -> bool:
        """Nothing else holds the pictures."""
        return True
