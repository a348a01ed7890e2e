import pickle
import re
import sysconfig
from urllib.request import urlopen

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostix import EntropicProjection, LimeExplainer, OcclusionExplainer
from agnostix.core.base import BaseExplainer, OutputSelection
from agnostix.core.base.explainer import page_address
from agnostix.core.models import Predictor, as_predictor
from tests.messages import refuses

RNG = np.random.default_rng(0)


X = RNG.normal(size=(40, 2))


Y = (X[:, 0] > 0).astype(int)


class Explainer(BaseExplainer):
    """The least that an explainer has."""

    def __init__(self, model=None, *, size=3):
        self.model = model
        self.size = size

    def fit(self, X, y=None, sample_weight=None):
        self.predictor_ = self._fit_predictor(X, y, sample_weight)
        return self


def double(X):
    return X[:, 0]


FITTED = LogisticRegression(C=2.0).fit(X, Y)


SHARED = {
    "fitted": FITTED,
    "fitted pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "function": double,
    "predictor": as_predictor(FITTED),
    "none": None,
}


@pytest.mark.parametrize("model", SHARED.values(), ids=SHARED)
def test_clone_shares_fitted_model(model):
    copy = clone(Explainer(model, size=5))
    assert copy.model is model
    assert copy.size == 5


def test_clone_clones_unfitted_estimator():
    model = LogisticRegression(C=7.0)
    copy = clone(Explainer(model))
    assert copy.model is not model
    assert copy.model.C == 7.0


@pytest.mark.parametrize("model", SHARED.values(), ids=SHARED)
def test_get_params_hides_parameters_of_fitted_model(model):
    explainer = Explainer(model)
    assert explainer.get_params() == {"model": model, "size": 3}
    assert explainer.get_params(deep=False) == {"model": model, "size": 3}


def test_set_params_reaches_unfitted_estimator():
    explainer = Explainer(LogisticRegression(C=7.0))
    assert explainer.get_params()["model__C"] == 7.0
    explainer.set_params(model__C=0.1, size=8)
    assert (explainer.model.C, explainer.size) == (0.1, 8)
    explainer.set_params(model=LogisticRegression(), model__C=0.2)
    assert explainer.model.C == 0.2


def test_set_params_refuses_parameters_of_fitted_model():
    facts = ["model of Explainer", "fitted", "'C' cannot be set", "unfitted"]
    with refuses(ValueError, *facts):
        Explainer(FITTED).set_params(model__C=3.0)
    with refuses(ValueError, *facts):
        Explainer(LogisticRegression()).set_params(model=FITTED, model__C=3.0)
    assert FITTED.C == 2.0


def test_set_params_refuses_unknown_parameter():
    with refuses(ValueError, "Invalid parameter 'sise'", "Explainer"):
        Explainer(FITTED).set_params(sise=3)


def test_fit_uses_fitted_model_as_it_is():
    explainer = Explainer(FITTED).fit(X)
    assert explainer.model_ is FITTED
    assert isinstance(explainer.predictor_, Predictor)
    np.testing.assert_array_equal(explainer.predictor_.predict(X), FITTED.predict_proba(X))


def test_fit_clones_and_fits_unfitted_model_with_weights():
    model, weight = LinearRegression(), RNG.random(40)
    explainer = Explainer(model).fit(X, Y, weight)
    assert explainer.model is model
    assert not hasattr(model, "coef_")
    np.testing.assert_array_equal(explainer.model_.coef_, LinearRegression().fit(X, Y, weight).coef_)


def test_fit_refuses_unfitted_model_without_y():
    with refuses(ValueError, "'model' of Explainer", "not fitted", "LinearRegression", "pass y to fit"):
        Explainer(LinearRegression()).fit(X)
    with pytest.raises(NotFittedError):
        as_predictor(LinearRegression())


class Unpicklable:
    """A model that nobody can store."""

    def __call__(self, X):
        return np.asarray(X)[:, 0] + 1.0

    def __reduce__(self):
        raise TypeError("cannot be stored")


def test_without_model_pickles_and_attach_restores():
    explainer = OcclusionExplainer(Unpicklable(), random_state=0).fit(X)
    with refuses(TypeError, "cannot be stored"):
        pickle.dumps(explainer)
    twin = pickle.loads(pickle.dumps(explainer.without_model()))
    with refuses(NotFittedError, "OcclusionExplainer", "without its model", "attach(model)"):
        twin.explain(X[:3])
    model = Unpicklable()
    assert twin.attach(model) is twin
    assert twin.model is twin.model_ is model
    np.testing.assert_array_equal(twin.explain(X[:3]).values, explainer.explain(X[:3]).values)
    assert isinstance(explainer.model, Unpicklable)  # the original keeps its own


def test_attach_refuses_other_model():
    explainer = OcclusionExplainer(double, random_state=0).fit(X)
    same_mean = double(X).mean()
    for model in (
        lambda X: X[:, 0] + 1.0,
        lambda X: np.ones((len(X), 2)),
        lambda X: np.full(len(X), same_mean),
    ):
        with refuses(ValueError, "attach", "the model of fit", "function", "Fit a new explainer") as error:
            explainer.without_model().attach(model)
        assert re.search(r"\[.*\] for trial row \d+.*\[.*\]", str(error.value))


@pytest.mark.parametrize("method", ["without_model", "attach"])
def test_without_model_and_attach_before_fit_raise(method):
    explainer = OcclusionExplainer(double)
    with pytest.raises(NotFittedError):
        explainer.attach(double) if method == "attach" else explainer.without_model()


@pytest.mark.parametrize(
    ("explainer", "page"),
    [
        (OcclusionExplainer(double), "occlusion.md"),
        (EntropicProjection(double), "what_if.md"),
        (LimeExplainer(double), "lime.md"),
    ],
)
def test_html_links_documentation_page(explainer, page):
    address = re.search(r'href="([^"]+)"', explainer._repr_html_()).group(1)
    assert address.endswith(page)
    with urlopen(address) as found:
        assert type(explainer).__name__ in found.read().decode()


def test_page_address_finds_installed_pages(monkeypatch, tmp_path):
    folder = tmp_path / "share" / "doc" / "agnostix"
    folder.mkdir(parents=True)
    (folder / "lately.md").write_text("found")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert page_address("lately.md") == (folder / "lately.md").as_uri()
    assert page_address("never.md") == ""


def test_doc_link_is_empty_for_foreign_explainers():
    assert Explainer(double)._get_doc_link() == ""


NAMES = ("bern", "oslo", "rome")


PREDICTIONS = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])


@pytest.mark.parametrize(
    ("outputs", "places"),
    [
        (None, [0, 1, 2]),
        ("oslo", [1]),
        (2, [2]),
        (np.int64(2), [2]),
        (["rome", 0], [2, 0]),
        (("rome", "bern"), [2, 0]),
        (np.array(["rome"]), [2]),
        (np.array(1), [1]),
        (np.array("rome"), [2]),
        ([np.array(2), np.str_("bern")], [2, 0]),
    ],
)
def test_selection_by_name_and_index_is_same_in_every_row(outputs, places):
    selection = OutputSelection.from_parameter(outputs, NAMES)
    np.testing.assert_array_equal(selection.indices(PREDICTIONS), [places, places])
    assert selection.names == tuple(NAMES[j] for j in places)
    assert selection.n_selected == len(places)
    assert selection.details(PREDICTIONS) == {}


def test_selection_predicted_is_largest_prediction():
    selection = OutputSelection.from_parameter("predicted", NAMES)
    np.testing.assert_array_equal(selection.indices(PREDICTIONS), [[1], [0]])
    assert selection.names == ("predicted",)
    assert selection.n_selected == 1
    (detail,) = selection.details(PREDICTIONS).values()
    assert detail.dims == ("row",)
    assert detail.array.tolist() == ["oslo", "bern"]


def test_selection_prefers_output_named_predicted():
    selection = OutputSelection.from_parameter("predicted", ("expected", "predicted"))
    np.testing.assert_array_equal(selection.indices(PREDICTIONS[:, :2]), [[1], [1]])
    assert selection.names == ("predicted",)
    assert selection.details(PREDICTIONS[:, :2]) == {}


def test_selection_of_numeric_labels_by_index_or_text():
    assert OutputSelection.from_parameter(1, ("1", "2")).names == ("2",)
    assert OutputSelection.from_parameter("1", ("1", "2")).names == ("1",)
    assert OutputSelection.from_parameter(True, ("False", "True")).names == ("True",)


@pytest.mark.parametrize(("n", "selected"), [(20, 20), (21, 1)])
def test_selection_none_beyond_20_outputs_is_predicted(n, selected):
    selection = OutputSelection.from_parameter(None, [f"output_{j}" for j in range(n)])
    assert selection.n_selected == selected
    assert selection.indices(np.eye(n)).shape == (n, selected)


@pytest.mark.parametrize("outputs", ["paris", 3, -1, False, 1.5, np.nan, ["oslo", "paris"]])
def test_selection_refuses_unknown_output(outputs):
    unknown = "paris" if isinstance(outputs, list) else outputs
    with refuses(ValueError, f"no output {unknown!r}", "bern, oslo, rome"):
        OutputSelection.from_parameter(outputs, NAMES)


@pytest.mark.parametrize("outputs", [[], ["oslo", 1], ["oslo", "oslo"]])
def test_selection_refuses_no_output_and_repeated_output(outputs):
    with refuses(ValueError, "'outputs' parameter", "at least one output", "none twice", f"got {outputs!r}"):
        OutputSelection.from_parameter(outputs, NAMES)


@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 3), (5, 2, 4, 3)])
@pytest.mark.parametrize("outputs", [None, 1, [2, 0, 1], "predicted"])
def test_selection_picks_outputs_of_each_row(shape, outputs):
    rng = np.random.default_rng(0)
    array, predictions = rng.normal(size=shape), rng.normal(size=(5, 3))
    selection = OutputSelection.from_parameter(outputs, NAMES)
    found, which = selection.pick(array, predictions), selection.indices(predictions)
    assert found.shape == (*shape[:-1], selection.n_selected)
    for row in range(5):
        np.testing.assert_array_equal(found[row], array[row][..., which[row]])
