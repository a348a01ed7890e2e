"""Rows as cooperative games: their players' worths, and what each player's share is."""

from agnostix.games.shares import ShareSummary
from agnostix.games.solver import ExactSolver, OwnKernelSolver, SampledSolver, Solver
from agnostix.games.stopping import Stopping
from agnostix.games.worths import WorthScale

__all__ = [
    "ExactSolver",
    "OwnKernelSolver",
    "SampledSolver",
    "ShareSummary",
    "Solver",
    "Stopping",
    "WorthScale",
]
