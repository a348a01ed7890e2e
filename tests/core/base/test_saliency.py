"""What an explainer of its own gets from the base classes: all but the attribution itself."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from agnostix import Explanation
from agnostix.core.base import Attribution, AttributionExplainer
from agnostix.core.models import Differentiable
from agnostix.core.sklearn_compat import InvalidParameterError
from agnostix.exceptions import DataError
from agnostix.plotting import PixelsDisplay
from agnostix.testing import CountingModel, ImageModel, ProbabilityModel, parametrize_with_explainer_checks
from tests.messages import refuses


class Saliency(AttributionExplainer):
    """Gradients (Simonyan et al., 2014): of each pixel the largest |df/dx| over its channels."""

    _dims = ("row", "y", "x", "output")
    _quantity = "sensitivity"
    _requires = (Differentiable,)

    def _attribute(self, rows, selection):
        predictions = self._predict(rows)
        model = self._predictor.require(Differentiable, by="Saliency")
        sizes = np.abs(model.gradients(rows, selection.indices(predictions)))
        values = sizes if rows.ndim == 3 else sizes.max(axis=3)
        return Attribution(values=values, predictions=predictions, n_model_rows=2 * len(rows))

    def _count_model_rows(self, rows):
        return 2 * len(rows)


RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(6, 8, 3, 2)) / 10
IMAGES = RNG.random((5, 6, 8, 3))


@parametrize_with_explainer_checks([Saliency(None)])
def test_saliency_passes_battery(explainer, check):
    check(explainer)


@pytest.fixture(scope="module")
def network():
    """A linear network of colored images with two outputs."""
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(6 * 8 * 3, 2, bias=False)
    flat = WEIGHTS.transpose(2, 0, 1, 3).reshape(-1, 2).T  # channels first
    layer.weight.data = torch.tensor(flat, dtype=torch.float32)
    return torch.nn.Sequential(torch.nn.Flatten(), layer)


@pytest.fixture(scope="module")
def explainer(network):
    from agnostix import as_predictor

    model = as_predictor(network, activation="none", output_names=["cat", "dog"])
    return Saliency(model).fit(IMAGES)


@pytest.fixture(scope="module")
def exp(explainer):
    return explainer.explain(IMAGES)


def test_saliency_values_are_absolute_gradients(exp):
    expected = np.abs(WEIGHTS).max(axis=2)
    np.testing.assert_allclose(exp.values, [expected] * 5, rtol=1e-6)
    np.testing.assert_allclose(exp.outputs, np.einsum("nyxc,yxck->nk", IMAGES, WEIGHTS), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(exp.data, IMAGES)


def test_saliency_explanation_states_dims_quantity_and_params(exp):
    assert (exp.method, exp.dims) == ("Saliency", ("row", "y", "x", "output"))
    assert (exp.quantity, exp.completeness, exp.units) == ("sensitivity", None, "model output")
    assert (exp.base_values, exp.std_errors, exp.feature_names) == (None, None, ())
    assert exp.output_names == ("cat", "dog")
    assert exp.params["model"]["precision"] == "fp32"
    assert exp.n_model_rows == 10


def test_saliency_selects_outputs(explainer, exp):
    np.testing.assert_array_equal(
        explainer.explain(IMAGES, outputs="dog").values, exp.sel(outputs="dog").values
    )
    predicted = explainer.explain(IMAGES, outputs="predicted")
    top = exp.outputs.argmax(axis=1)
    assert predicted.extras["predicted"].array.tolist() == [("cat", "dog")[j] for j in top]
    np.testing.assert_array_equal(predicted.values[..., 0], exp.values[np.arange(5), ..., top])
    np.testing.assert_array_equal(predicted.outputs[:, 0], exp.outputs.max(axis=1))


def test_saliency_explanation_selects_rows(exp):
    some = exp[[3, 1]]
    np.testing.assert_array_equal(some.values, exp.values[[3, 1]])
    np.testing.assert_array_equal(some.data, IMAGES[[3, 1]])


def test_saliency_is_drawn_by_pixels_display(explainer, exp):
    drawn = exp.plot.pixels(row=1, outputs="dog")
    assert isinstance(drawn, PixelsDisplay)
    assert drawn.ax_.figure is drawn.figure_
    frame = PixelsDisplay.from_explainer(explainer, IMAGES, row=1, outputs="dog").frame()
    assert len(frame) == 6 * 8
    np.testing.assert_array_equal(frame["value"], exp.values[1, ..., 1].ravel())


def test_saliency_storage_and_to_frame(exp, tmp_path):
    exp.save(tmp_path / "saliency.npz")
    again = Explanation.load(tmp_path / "saliency.npz")
    np.testing.assert_array_equal(again.values, exp.values)
    assert (again.dims, again.quantity, again.params) == (exp.dims, exp.quantity, exp.params)
    frame = exp.to_frame()
    assert {"row", "y", "x", "output", "value"} <= set(frame.columns)
    assert len(frame) == exp.values.size


def test_saliency_clone_pickle_and_without_model(explainer, exp, network):
    assert clone(explainer).model is explainer.model
    assert explainer.get_params() == {
        "model": explainer.model, "outputs": None, "n_jobs": None, "random_state": None, "verbose": 1
    }  # fmt: skip
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(explainer)).explain(IMAGES).values, exp.values)
    twin = pickle.loads(pickle.dumps(explainer.without_model()))
    with refuses(NotFittedError, "attach"):
        twin.explain(IMAGES)
    np.testing.assert_array_equal(twin.attach(explainer.model).explain(IMAGES).values, exp.values)
    with refuses(ValueError, "attach", "the model of fit"):
        twin.attach(ImageModel(ProbabilityModel(2)))


def test_saliency_fit_refuses_model_without_gradients():
    counted = CountingModel(lambda X: X.sum(axis=(1, 2, 3)))
    with refuses(DataError, "Saliency", "gradients", "CountingModel"):
        Saliency(counted).fit(IMAGES)
    assert counted.n_rows == 4  # two images, twice


@pytest.mark.parametrize(("name", "value"), [("n_jobs", "two"), ("verbose", -1), ("random_state", "x")])
def test_saliency_refuses_bad_parameters(name, value):
    with refuses(InvalidParameterError, f"'{name}' parameter of Saliency", f"Got {value!r}"):
        Saliency(ImageModel(ProbabilityModel()), **{name: value}).fit(IMAGES)


def test_saliency_refuses_unknown_output_other_shape_and_transform(explainer):
    with refuses(ValueError, "'bird'", "cat, dog"):
        explainer.explain(IMAGES, outputs="bird")
    with refuses(DataError, "(5, 8, 3)", "Saliency", "(6, 8, 3)"):
        explainer.explain(IMAGES[:, :5])
    with refuses(DataError, "columns", "dims"):
        explainer.transform(IMAGES)


def test_saliency_cost_counts_two_rows_per_image(explainer):
    assert explainer.cost(IMAGES[:3]) == 6


class Interactions(AttributionExplainer):
    """Mean of the mixed second difference between the rows and their mean, of each pair of features."""

    _dims = ("feature", "feature", "output")
    _quantity = "effect"

    def _attribute(self, rows, selection):
        predictions, d = self._predict(rows), rows.shape[1]

        def without(*columns):
            return self._predict(np.where(np.isin(np.arange(d), columns), rows.mean(axis=0), rows))

        pairs = [[predictions - without(i) - without(j) + without(i, j) for j in range(d)] for i in range(d)]
        values = selection.pick(np.array(pairs).transpose(2, 0, 1, 3), predictions).mean(axis=0)
        return Attribution(values=values, predictions=predictions, n_model_rows=len(rows) * (1 + 3 * d * d))


def test_interactions_have_display_storage_frame_and_selection(tmp_path):
    X = RNG.normal(size=(30, 3))
    pairs = Interactions(lambda X: X[:, 0] * X[:, 1] + X[:, 2]).fit(X).explain(X)
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = np.cov(X[:, 0], X[:, 1], bias=True)[0, 1]
    off_diagonal = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(pairs.values[off_diagonal, 0], expected[off_diagonal], atol=1e-12)
    assert (pairs.dims, pairs.outputs, pairs.data) == (("feature", "feature", "output"), None, None)
    drawn = pairs.plot.heatmap()
    assert len(drawn.frame()) == 9
    assert drawn.ax_.figure is drawn.figure_
    pairs.save(tmp_path / "pairs.npz")
    np.testing.assert_array_equal(Explanation.load(tmp_path / "pairs.npz").values, pairs.values)
    assert len(pairs.to_frame()) == 9
    some = pairs.sel(features=["x1", "x0"])
    np.testing.assert_array_equal(some.values[..., 0], pairs.values[[[1], [0]], [[1, 0]], 0])
