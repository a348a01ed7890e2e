"""From a mean prediction to the scale on which it is explained."""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from agnostix.core.typing import Floats
from agnostix.exceptions import DataError


def linked(link: str, means: Floats) -> Floats:
    """Apply a link to mean predictions.

    Parameters
    ----------
    link : {"identity", "logit"}
        Which.
    means : ndarray
        Mean predictions, in model output units.

    Returns
    -------
    ndarray
        Of the same shape: the means themselves, or their log-odds.

    Raises
    ------
    DataError
        If a mean has no log-odds.
    """
    if link == "identity":
        return means
    outside = (means <= 0.0) | (means >= 1.0)
    if outside.any():
        raise DataError(
            "link='logit' needs mean predictions between 0 and 1, both excluded; one is "
            f"{means[outside].flat[0]:.6g}. Use link='identity', or a model whose probabilities are never "
            "certain, such as one that is calibrated."
        )
    return np.asarray(logit(means))
