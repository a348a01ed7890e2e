"""What keeps explainers honest: a battery of checks, random cases, and model doubles."""

from agnostix.testing.case import Case, random_case
from agnostix.testing.discovery import all_explainers
from agnostix.testing.doubles import (
    AdditiveModel,
    ConstantModel,
    CountingModel,
    IgnoringModel,
    ImageModel,
    InteractionModel,
    MixedFrameModel,
    MutatingModel,
    NanModel,
    ProbabilityModel,
    RaisingModel,
    UnpicklableModel,
    WrongRowsModel,
)
from agnostix.testing.parametrize import parametrize_with_explainer_checks
from agnostix.testing.properties import check_case, check_random_case
from agnostix.testing.run import check_explainer

__all__ = [
    "AdditiveModel",
    "Case",
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
