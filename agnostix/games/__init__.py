"""Rows as cooperative games: their players' worths, and what each player's share is."""

from agnostix.games.exact_solver import ExactSolver
from agnostix.games.own_kernel_solver import OwnKernelSolver
from agnostix.games.row_shares import RowShares
from agnostix.games.sampled_solver import SampledSolver
from agnostix.games.scale import WorthScale
from agnostix.games.session import Session
from agnostix.games.solver import Solver
from agnostix.games.worths import Worths

__all__ = [
    "ExactSolver",
    "OwnKernelSolver",
    "RowShares",
    "SampledSolver",
    "Session",
    "Solver",
    "WorthScale",
    "Worths",
]
