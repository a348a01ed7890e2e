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
    shown, and D(m) that where m is hidden:

    - "delete" minimises D(m) + area * mean(m) + smoothness * variation(m);
    - "preserve" minimises -P(m) + area * mean(m) + smoothness * variation(m);
    - "area" maximises P(m), or with ``destroy=True`` minimises D(m), among masks
      of a share `size` of the pixels;
    - "both" minimises D(m) - log P(m) + area * mean(m) + smoothness * variation(m).

    Parameters
    ----------
    objective : {"delete", "preserve", "area", "both"}, default="delete"
        What is searched for.
    size : float, default=0.3
        Share of the pixels, for "area".
    destroy : bool, default=False
        Whether "area" looks for the pixels without which the score falls.
    area : float, default=1.0
        Price of the whole picture, in units of the score.
    smoothness : float, default=8.0
        Price of its variation: the mean of differences between neighbouring cells, to the power of 3.
    n_cells : int, default=28
        Of the grid, down and to the right.
    sigma : float, default=1.0
        Standard deviation of the Gaussian that smooths the grid, in cells.
    jitter : int, default=4
        Pixels by which the picture is moved at random at each step, at most.
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
    The literature lets m take any value between. A faint mask of the whole
    picture then often keeps its score, and nothing of it is left when it is
    made one of 0 and 1; here the search knows of no others, and the scores that
    are told are those of the mask that is given. The score should be a
    probability, or `area` in its units; "both" needs one above 0.

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
