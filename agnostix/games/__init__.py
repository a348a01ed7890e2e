"""Rows as cooperative games: values of coalitions, and the Shapley values of their players."""

from agnostix.games.coalition_values import CoalitionValues
from agnostix.games.exact_solver import ExactSolver
from agnostix.games.group_means import GroupMeans
from agnostix.games.linked_values import LinkedValues
from agnostix.games.own_kernel_solver import OwnKernelSolver
from agnostix.games.sampled_solver import SampledSolver
from agnostix.games.session import Session
from agnostix.games.shapley_result import ShapleyResult
from agnostix.games.solver import Solver

__all__ = [
    "CoalitionValues",
    "ExactSolver",
    "GroupMeans",
    "LinkedValues",
    "OwnKernelSolver",
    "SampledSolver",
    "Session",
    "ShapleyResult",
    "Solver",
]
