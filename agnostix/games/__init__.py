"""Rows as cooperative games: their players' worths, and what each player's share is."""

from agnostix.games.row_shares import RowShares
from agnostix.games.session import Session
from agnostix.games.solver import ExactSolver, OwnKernelSolver, SampledSolver, Solver
from agnostix.games.worths import WorthScale

__all__ = ["ExactSolver", "OwnKernelSolver", "RowShares", "SampledSolver", "Session", "Solver", "WorthScale"]
