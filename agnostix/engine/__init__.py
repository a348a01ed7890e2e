"""The engine: plans in, answers out."""

from agnostix.engine.run import Answered, cost, run

__all__ = ["Answered", "cost", "run"]
