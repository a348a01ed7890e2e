import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from agnostix.core.base import Attribution, AttributionExplainer
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
    assert (tags.input_tags.allow_nan, tags.input_tags.string, tags.input_tags.categorical) == (True,) * 3
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
