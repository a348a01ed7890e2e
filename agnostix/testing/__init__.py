"""Test your own explainers: a battery of checks, random cases, and model doubles."""

from agnostix.testing.battery import all_explainers, check_explainer, parametrize_with_explainer_checks
from agnostix.testing.checks_random import check_case, check_random_case
from agnostix.testing.doubles import (
    AdditiveModel,
    ConjunctionModel,
    ConstantModel,
    CountingModel,
    IgnoringModel,
    InteractionModel,
    MixedFrameModel,
    ProbabilityModel,
)
from agnostix.testing.faulty_doubles import (
    MutatingModel,
    NanModel,
    RaisingModel,
    UnpicklableModel,
    WrongRowsModel,
)
from agnostix.testing.image_model import ImageModel
from agnostix.testing.random_cases import Case, random_case

__all__ = [
    "AdditiveModel",
    "Case",
    "ConjunctionModel",
    "ConstantModel",
    "CountingModel",
    "IgnoringModel",
    "ImageModel",
    "InteractionModel",
    "MixedFrameModel",
    "MutatingModel",
    "NanModel",
    "ProbabilityModel",
    "RaisingModel",
    "UnpicklableModel",
    "WrongRowsModel",
    "all_explainers",
    "check_case",
    "check_explainer",
    "check_random_case",
    "parametrize_with_explainer_checks",
    "random_case",
]
