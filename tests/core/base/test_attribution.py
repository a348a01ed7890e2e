import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from agnostix.core.background import choose_rows
from agnostix.core.base import Attribution, AttributionExplainer, BackgroundExplainer
from agnostix.core.evaluate import MeanAndVariance, mask_cost
from agnostix.core.row_sources import MaskedRowSource
from tests.messages import refuses

X, Y = load_iris(return_X_y=True)


class Numbered(AttributionExplainer):
    """The least that an explainer with attributions has: value 100 output + feature."""

    _quantity = "effect"

    def _attribute(self, rows, selection):
        predictions = self._predict(rows)
        values = 100.0 * selection.indices(predictions)[:, None, :] + np.arange(rows.shape[1])[:, None]
        return Attribution(values=values, predictions=predictions, n_model_rows=len(rows))

    def _count_model_rows(self, rows):
        return len(rows)


class LeastSpread(BackgroundExplainer):
    """The least that an explainer with a background has: the variance as each feature takes its values."""

    _quantity = "sensitivity"

    def _attribute(self, rows, selection):
        source = MaskedRowSource.from_rows(self._masker, rows, self._masks())
        (means, variances), n_model_rows = self._evaluate(source, MeanAndVariance())
        values = selection.pick(variances[:, 1:], means[:, 0])
        return Attribution(values=values, predictions=means[:, 0], n_model_rows=n_model_rows)

    def _masks(self):
        n_features = len(self.features_.names)
        return np.vstack([np.ones(n_features, dtype=bool), ~np.eye(n_features, dtype=bool)])

    def _count_model_rows(self, rows):
        return len(rows) * mask_cost(self._masker, rows, self._masks())


def test_background_is_fifty_chosen_rows_by_default():
    explainer = LeastSpread(THREE, random_state=0).fit(X)
    assert explainer.background_.shape == (50, 4)
    chosen = choose_rows(X, 50, 0, None)
    np.testing.assert_array_equal(explainer.background_, X[chosen.rows])
    np.testing.assert_array_equal(explainer._masker.weights, chosen.weights)
    again = LeastSpread(THREE, random_state=0).fit(X)
    np.testing.assert_array_equal(explainer.background_, again.background_)
    assert LeastSpread(THREE).fit(X[:30]).background_.shape == (30, 4)
    assert explainer.get_params() == {
        "model": THREE, "masker": None, "feature_groups": None, "outputs": None, "n_jobs": None,
        "random_state": 0, "verbose": 1,
    }  # fmt: skip


def test_background_has_weights_of_rows_by_default():
    weights = np.arange(30.0)
    explainer = LeastSpread(lambda X: X[:, 0], random_state=0).fit(X[:30], sample_weight=weights)
    assert explainer.background_.shape == (29, 4)  # without the row of weight 0
    assert explainer.base_values_ == pytest.approx(np.average(X[:30, 0], weights=weights))
    mean = np.average(X[:30, 0], weights=weights)
    variance = np.average((X[:30, 0] - mean) ** 2, weights=weights)
    np.testing.assert_allclose(explainer.explain(X[:2]).values[:, :, 0], [[variance, 0, 0, 0]] * 2)


def test_background_explainer_takes_feature_groups_by_default():
    explainer = LeastSpread(THREE, feature_groups={"sepal": ["x0", "x1"]}).fit(X)
    assert explainer.explain(X[:2]).feature_names == ("sepal", "x2", "x3")


THREE = LogisticRegression(max_iter=1000).fit(X, Y)
TWO = LogisticRegression().fit(X, Y > 0)


@pytest.mark.parametrize(
    ("model", "outputs", "row", "names"),
    [
        (TWO, None, [100, 101, 102, 103], ["x0", "x1", "x2", "x3"]),
        (TWO, [1, 0], [100, 101, 102, 103], ["x0", "x1", "x2", "x3"]),
        (TWO, [0], [0, 1, 2, 3], ["x0", "x1", "x2", "x3"]),
        (THREE, [2], [200, 201, 202, 203], ["x0", "x1", "x2", "x3"]),
        (
            THREE,
            [2, 0],
            [200, 201, 202, 203, 0, 1, 2, 3],
            ["2: x0", "2: x1", "2: x2", "2: x3", "0: x0", "0: x1", "0: x2", "0: x3"],
        ),
    ],
)
def test_transform_puts_outputs_one_after_another(model, outputs, row, names):
    explainer = Numbered(model, outputs=outputs).fit(X)
    np.testing.assert_array_equal(explainer.transform(X[:3]), [row] * 3)
    assert list(explainer.get_feature_names_out()) == names
    assert explainer.get_feature_names_out().dtype == object


def test_transform_keeps_both_outputs_of_function():
    explainer = Numbered(lambda X: X[:, :2]).fit(X)
    assert explainer.transform(X).shape == (150, 8)
    assert explainer.get_feature_names_out()[4] == "output_1: x0"


def test_attribution_explainer_is_sklearn_transformer():
    explainer = Numbered(TWO)
    tags = get_tags(explainer)
    assert tags.transformer_tags is not None
    assert (tags.input_tags.string, tags.input_tags.categorical) == (True, True)
    assert not tags.input_tags.allow_nan  # which LogisticRegression refuses
    assert get_tags(Numbered(lambda X: X[:, 0])).input_tags.allow_nan
    np.testing.assert_array_equal(explainer.fit_transform(X), explainer.transform(X))
    with pytest.raises(NotFittedError):
        Numbered(TWO).transform(X)
    with pytest.raises(NotFittedError):
        Numbered(TWO).get_feature_names_out()
    with pytest.raises(NotImplementedError):
        AttributionExplainer(TWO).fit(X).explain(X)


class Unwritten(AttributionExplainer):
    pass


class WithoutQuantity(Numbered):
    _quantity = AttributionExplainer._quantity


class WithoutCost(Numbered):
    _count_model_rows = AttributionExplainer._count_model_rows


@pytest.mark.parametrize(
    ("explainer", "call", "member"),
    [
        (Unwritten, "explain", "_attribute"),
        (Unwritten, "transform", "_attribute"),
        (Unwritten, "cost", "_count_model_rows"),
        (WithoutQuantity, "explain", "_quantity"),
        (WithoutCost, "cost", "_count_model_rows"),
    ],
)
def test_explain_names_missing_member_of_subclass(explainer, call, member):
    fitted = explainer(TWO).fit(X)
    with refuses(NotImplementedError, explainer.__name__, f"define {member}"):
        getattr(fitted, call)(X[:2])
