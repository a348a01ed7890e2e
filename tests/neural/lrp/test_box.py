"""The box of ZBox: defaults by what rows are, units, shapes, and rows that leave it."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import LrpExplainer, as_predictor  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from agnostix.neural import Epsilon, Gamma, WSquare, ZBox  # noqa: E402
from agnostix.neural.lrp.box import Box  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.lrp.comparison import assert_kept, explain  # noqa: E402
from tests.neural.networks import pictures, seeded, vgg  # noqa: E402

IMAGES = pictures(2, 16)
TABLE = np.random.default_rng(0).normal(size=(6, 4))
pytestmark = pytest.mark.filterwarnings("ignore:Relevance nearly cancels")


def boxed(low=None, high=None):
    return {"first": ZBox(low, high), "default": Gamma()}


def mlp():
    return seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))


def test_box_by_default_is_0_to_1_for_images_and_0_to_255_for_bytes():
    module = as_predictor(seeded(vgg), activation="none", mean=[0.5, 0.4, 0.3], std=[0.2] * 3)
    values = explain(module, IMAGES, boxed()).values
    np.testing.assert_allclose(values, explain(module, IMAGES, boxed(0.0, 1.0)).values)
    np.testing.assert_allclose(values, explain(module, IMAGES, boxed([0.0] * 3, [1.0] * 3)).values)
    np.testing.assert_allclose(values, explain(module, IMAGES, boxed(0 * IMAGES[0], 1.0)).values)
    in_bytes = (255 * IMAGES).round().astype(np.uint8)
    as_bytes = explain(module, in_bytes, boxed())
    np.testing.assert_allclose(as_bytes.values, explain(module, in_bytes / 255.0, boxed()).values, atol=1e-12)
    np.testing.assert_allclose(as_bytes.values, explain(module, in_bytes, boxed(0, 255)).values, atol=1e-14)
    assert_kept(as_bytes)


def test_box_of_a_table_is_the_range_of_each_column_in_fit():
    exp = explain(mlp(), TABLE[:2], boxed(), fitted_on=TABLE)
    wanted = explain(mlp(), TABLE[:2], boxed(TABLE.min(axis=0), TABLE.max(axis=0)), fitted_on=TABLE)
    np.testing.assert_allclose(exp.values, wanted.values)
    with refuses(DataError, "Row 1", "ZBox(low, high)", "8.46433", "LrpExplainer"):
        explain(mlp(), np.array([TABLE[0], TABLE[1] + 9.0]), boxed(), fitted_on=TABLE)
    wide = explain(mlp(), np.array([TABLE[0], TABLE[1] + 9.0]), boxed(-15.0, 15.0), fitted_on=TABLE)
    assert_kept(wide)


def test_relevance_depends_on_the_box():
    one, other = (explain(seeded(vgg), IMAGES, boxed(*ends)).values for ends in ((0.0, 1.0), (-1.0, 1.0)))
    assert np.abs(one - other).max() > 1e-3 * np.abs(one).max()


def test_box_that_a_function_gives_is_used():
    def choose(place):
        return ZBox(-1.0, 2.0) if place.is_first else Gamma()

    module = seeded(vgg)
    np.testing.assert_allclose(
        explain(module, IMAGES, choose).values, explain(module, IMAGES, boxed(-1.0, 2.0)).values
    )
    with refuses(DataError, "Row 0", "ZBox", "0.5"):
        explain(module, IMAGES, lambda place: ZBox(0.5, 2.0) if place.is_first else Gamma())


def test_row_that_leaves_the_box_is_named():
    X = IMAGES.copy()
    X[1, 3, 4, 2] = 1.5
    facts = ("Row 1", "1.5", "from 0 to 1", "ZBox(low, high)")
    with refuses(DataError, *facts):
        explain(seeded(vgg), X, "epsilon_gamma_box")
    fitted = LrpExplainer(seeded(vgg), composite="deep_taylor").fit(IMAGES)
    with refuses(DataError, *facts):
        fitted.explain(X)
    assert_kept(explain(seeded(vgg), X, boxed(0.0, 2.0)))


@pytest.mark.parametrize(
    ("low", "high", "facts"),
    [
        (1.0, 0.0, ("'low'", "'high'", "1.0", "0.0")),
        (0.5, 0.5, ("'low'", "'high'", "0.5")),
        ([0.0, 0.0], 1.0, ("'low'", "(16, 16, 3)", "[0.0, 0.0]")),
        (0.0, "white", ("'high'", "number", "'white'")),
    ],
)
def test_box_that_is_none_is_refused(low, high, facts):
    with refuses(DataError, "ZBox", *facts):
        explain(seeded(vgg), IMAGES, boxed(low, high))


def test_box_for_what_a_layer_gives_is_refused():
    X = TABLE
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
    with refuses(DataError, "layer", "WSquare()", "ZBox()"):
        explain(module, X, boxed(), layer="0")
    assert_kept(explain(module, X, {"first": WSquare(), "default": Gamma()}, layer="1"))
    assert_kept(explain(module, X, "deep_taylor", layer="1"))  # which has squares there


def test_several_boxes_are_refused():
    module = seeded(vgg)
    composite = {"0": ZBox(0.0, 1.0), "first": ZBox(0.0, 2.0), "default": Epsilon()}
    with refuses(DataError, "several boxes", "ZBox(low=0.0, high=1.0)", "ZBox(low=0.0, high=2.0)", "same"):
        explain(module, IMAGES, composite)


def test_no_rule_needs_no_box():
    assert Box.from_rule(None, TABLE, False, "LrpExplainer") is None
