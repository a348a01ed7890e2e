"""A small case, drawn at random: which table, which model, cut up how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FORMS = ("numpy", "pandas", "polars", "mixed objects", "mixed pandas", "mixed polars")
MODELS = ("additive", "interaction", "constant", "ignoring", "probabilities")
MEMORIES = (0.0, 0.0005, 0.002, 0.01, 0.1, 2000.0)
MAX_COLUMNS, MAX_FITTED, MAX_EXPLAINED = 5, 12, 6


@dataclass(frozen=True)
class Case:
    """One case of `check_case`.

    Parameters
    ----------
    form : str
        "numpy", "pandas" or "polars": the same numbers in each; "mixed objects", "mixed pandas" or "mixed
        polars": columns of any type.
    model : str
        "additive", "interaction", "constant", "ignoring" or "probabilities"; on mixed tables a double that
        insists on their types.
    n_columns, n_fitted, n_explained : int
        Width of the table, rows given to fit, rows explained.
    weighted : bool
        Whether fit is given weights.
    grouped : bool
        Whether some columns are one feature, for explainers that have groups.
    n_jobs : int
        Threads.
    working_memory : float
        In MB.
    seed : int
        Of the table, the weights, the groups, and the rows that are explained by themselves.

    Examples
    --------
    >>> from agnostix.testing import Case
    >>> Case("numpy", "additive", 2, 5, 3, False, False, 1, 0.01, seed=0).form
    'numpy'
    """

    form: str
    model: str
    n_columns: int
    n_fitted: int
    n_explained: int
    weighted: bool
    grouped: bool
    n_jobs: int
    working_memory: float
    seed: int

    @property
    def is_mixed(self) -> bool:
        """Whether the columns are of any type."""
        return self.form.startswith("mixed")


def random_case(rng: np.random.Generator) -> Case:
    """Draw a case.

    Parameters
    ----------
    rng : numpy.random.Generator
        What draws.

    Returns
    -------
    Case
    """
    return Case(
        form=FORMS[rng.integers(len(FORMS))],
        model=MODELS[rng.integers(len(MODELS))],
        n_columns=int(rng.integers(1, MAX_COLUMNS + 1)),
        n_fitted=int(rng.integers(2, MAX_FITTED + 1)),
        n_explained=int(rng.integers(1, MAX_EXPLAINED + 1)),
        weighted=bool(rng.random() < 0.5),
        grouped=bool(rng.random() < 0.5),
        n_jobs=int(rng.integers(1, 3)),
        working_memory=float(rng.choice(MEMORIES)),
        seed=int(rng.integers(2**31)),
    )
