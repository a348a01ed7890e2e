import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from agnostix.core.base import AttributionExplainer
from agnostix.core.explanation import Explanation
from agnostix.core.masking import Players

X, Y = load_iris(return_X_y=True)


class Numbered(AttributionExplainer):
    """The least that an explainer with attributions has: value 100 output + feature."""

    def __init__(self, model=None, *, outputs=None):
        self.model = model
        self.outputs = outputs

    def fit(self, X, y=None):
        predictor = self._fit_predictor(X, y)
        self.players_ = Players.from_names([f"x{j}" for j in range(X.shape[1])])
        self.output_names_ = predictor.names(predictor.predict(X[:1]).shape[1])
        self.is_binary_ = predictor.task == "classification" and len(self.output_names_) == 2
        return self

    def explain(self, X, *, outputs=None):
        wanted = self.outputs or range(len(self.output_names_))
        values = 100.0 * np.array(wanted) + np.arange(X.shape[1])[:, None]
        ends = np.zeros((len(X), len(wanted)))
        return Explanation(
            values=np.tile(values, (len(X), 1, 1)),
            base_values=ends,
            outputs=ends,
            feature_names=self.players_.names,
            output_names=[self.output_names_[j] for j in wanted],
            quantity="effect",
            method="Numbered",
        )


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
def test_the_matrix_has_an_output_after_the_other(model, outputs, row, names):
    explainer = Numbered(model, outputs=outputs).fit(X)
    np.testing.assert_array_equal(explainer.transform(X[:3]), [row] * 3)
    assert list(explainer.get_feature_names_out()) == names
    assert explainer.get_feature_names_out().dtype == object


def test_two_outputs_of_a_function_are_both_kept():
    explainer = Numbered(lambda X: X[:, :2]).fit(X)
    assert explainer.transform(X).shape == (150, 8)
    assert explainer.get_feature_names_out()[4] == "output_1: x0"


def test_it_is_a_transformer_to_scikit_learn():
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
        AttributionExplainer().explain(X)
