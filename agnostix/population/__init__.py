"""A population: rows with weights, what is measured on them, and how they can be moved."""

from agnostix.population.answers import Answers
from agnostix.population.baseline import baseline
from agnostix.population.chosen_rows import ChosenRows
from agnostix.population.companions import Companions
from agnostix.population.conditions import Condition, parse_conditions
from agnostix.population.curves import sweep_curves, sweep_ranking
from agnostix.population.joint import joint_map
from agnostix.population.metrics import default_metrics, quantities_for
from agnostix.population.neighbours import Neighbours, find_neighbours
from agnostix.population.sample import Sample
from agnostix.population.scenario import solve_scenario
from agnostix.population.settings import Settings
from agnostix.population.sweep import movable
from agnostix.population.table import Table

__all__ = [
    "Answers",
    "ChosenRows",
    "Companions",
    "Condition",
    "Neighbours",
    "Sample",
    "Settings",
    "Table",
    "baseline",
    "default_metrics",
    "find_neighbours",
    "joint_map",
    "movable",
    "parse_conditions",
    "quantities_for",
    "solve_scenario",
    "sweep_curves",
    "sweep_ranking",
]
