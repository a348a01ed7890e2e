"""Model doubles: callables that answer a row alike to the bit in any batch, and some that misbehave."""

from agnostix.testing.doubles.additive import AdditiveModel
from agnostix.testing.doubles.constant import ConstantModel
from agnostix.testing.doubles.counting import CountingModel
from agnostix.testing.doubles.ignoring import IgnoringModel
from agnostix.testing.doubles.image import ImageModel
from agnostix.testing.doubles.interaction import InteractionModel
from agnostix.testing.doubles.mixed_frame import MixedFrameModel
from agnostix.testing.doubles.mutating import MutatingModel
from agnostix.testing.doubles.nan import NanModel
from agnostix.testing.doubles.probability import ProbabilityModel
from agnostix.testing.doubles.raising import RaisingModel
from agnostix.testing.doubles.unpicklable import UnpicklableModel
from agnostix.testing.doubles.wrong_rows import WrongRowsModel

__all__ = [
    "AdditiveModel",
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
]
