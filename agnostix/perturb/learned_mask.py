"""What is asked of a mask that is learned by gradients."""

from __future__ import annotations

from dataclasses import dataclass

from agnostix.exceptions import DataError

OBJECTIVES = ("delete", "preserve", "area", "both")
_LEAST = {"area": 0, "smoothness": 0, "sigma": 0, "n_cells": 2, "jitter": 0, "noise": 0, "n_steps": 1}


@dataclass(frozen=True)
class LearnedMask:
    """How `OcclusionExplainer(method="mask")` searches for a mask.

    The mask m is 1 where the picture counts and 0 elsewhere. It is where a
    coarse, smooth grid is high, so that it cannot fool a network with single
    pixels, and its edges are softened over a cell; gradients pass as if the
    edge were a slope. With P(m) the score of the picture where only m is
    shown, and D(m) that where m is hidden, both counted from the score of what
    stands in, in units of its distance from the picture's:

    - "delete" minimises D(m) + area * mean(m) + smoothness * variation(m);
    - "preserve" minimises -P(m) + area * mean(m) + smoothness * variation(m);
    - "area" minimises -log P(m) + smoothness * variation(m), or with
      ``destroy=True`` log D(m) + smoothness * variation(m), among masks of a
      share `size` of the pixels;
    - "both" minimises D(m) - log P(m) + area * mean(m) + smoothness * variation(m).

    Below 0.01 a line goes on in place of the logarithm, so that any score will do.

    Parameters
    ----------
    objective : {"delete", "preserve", "area", "both"}, default="delete"
        What is searched for.
    size : float, default=0.3
        Share of the pixels, for "area".
    destroy : bool, default=False
        Whether "area" looks for the pixels without which the score falls.
    area : float, default=1.0
        Price of the whole picture: at 1, a pixel is taken where the score falls by more, as a share
        of what it loses where all is hidden, than a pixel is of the picture.
    smoothness : float, default=8.0
        Price of the grid's variation: the mean of differences between neighbouring cells, to the
        power of 3.
    n_cells : int, default=28
        Of the grid, down and to the right.
    sigma : float, default=2.0
        Standard deviation of the Gaussian that smooths the grid, in cells. More gives fewer, rounder
        parts; less gives many, which a network may take for what they are not.
    jitter : float, default=1.0
        Cells by which the picture is moved at random at each step, at most.
    noise : float, default=2.0
        Standard deviation of what is added to each cell at random before the grid is smoothed. It
        falls to 0 over the first four fifths of the steps.
    n_steps : int, default=300
        Steps of Adam.
    learning_rate : float, default=0.1
        Of Adam.

    Raises
    ------
    DataError
        If a parameter cannot be used.

    Notes
    -----
    "delete" and "preserve" are the games of [1]_, "area" is the constraint of [2]_, and "both" weighs
    the score inside and outside as [3]_ does. This differs from them:

    - They let m take any value between. A faint mask of the whole picture then often keeps its score,
      and little of that is left when it is made one of 0 and 1; here the search knows of no others.
      The scores that are told are those of the mask that is given.
    - A mask of an area is the highest places of the grid, from all of them to that many as the steps
      go on, in place of a penalty on its sorted values; what all places at its edge gain alike is
      taken off the gradient. The logarithm changes no best mask, but has a slope where a network is
      sure that it sees nothing.
    - The grid is shaken by noise, and the mask of least loss in the last fifth of the steps is given.
    - [3]_ trains a network that makes masks of all pictures; here one picture has its own.
    - Scores are put in units of what hiding all of the picture changes, so that `area` means the same for
      sure and unsure networks, and for a regressor.

    A search is no proof: other masks may do as well, above all where a picture shows a thing twice.

    References
    ----------
    .. [1] Fong, R., Vedaldi, A. (2017). Interpretable explanations of black
       boxes by meaningful perturbation. ICCV. https://doi.org/10.1109/ICCV.2017.371
    .. [2] Fong, R., Patrick, M., Vedaldi, A. (2019). Understanding deep
       networks via extremal perturbations and smooth masks. ICCV.
       https://doi.org/10.1109/ICCV.2019.00304
    .. [3] Phang, J., Park, J., Geras, K. J. (2020). Investigating and
       simplifying masking-based saliency methods for model interpretability.
       https://doi.org/10.48550/arXiv.2010.09750
    """

    objective: str = "delete"
    size: float = 0.3
    destroy: bool = False
    area: float = 1.0
    smoothness: float = 8.0
    n_cells: int = 28
    sigma: float = 2.0
    jitter: float = 1.0
    noise: float = 2.0
    n_steps: int = 300
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise DataError(
                f"The 'objective' of LearnedMask must be one of {', '.join(map(repr, OBJECTIVES))}, got "
                f"{self.objective!r}."
            )
        if not 0.0 < self.size < 1.0:
            raise DataError(f"The 'size' of LearnedMask must be above 0 and below 1, got {self.size!r}.")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise DataError(
                    f"The {name!r} of LearnedMask must be {least} or more, got {getattr(self, name)!r}."
                )
        if self.learning_rate <= 0:
            raise DataError(
                f"The 'learning_rate' of LearnedMask must be above 0, got {self.learning_rate!r}."
            )

    @property
    def shows(self) -> bool:
        """Whether the search asks about the picture where only the mask is shown."""
        return self.objective in ("preserve", "both") or (self.objective == "area" and not self.destroy)

    @property
    def hides(self) -> bool:
        """Whether the search asks about the picture where the mask is hidden."""
        return self.objective in ("delete", "both") or (self.objective == "area" and self.destroy)

    @property
    def cost(self) -> int:
        """Rows that the model is asked about for one mask, at most."""
        return self.n_steps * (self.shows + self.hides) + 4
