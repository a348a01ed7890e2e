"""Values for each row of a frame, such as y, whose labels are those of the rows in another order."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from agnostix import (
    EntropicProjection,
    KernelShapExplainer,
    LimeExplainer,
    MimicTree,
    OcclusionExplainer,
    WhatIfReport,
    as_predictor,
)
from agnostix.exceptions import DataError
from agnostix.maskers import TextMasker
from tests.messages import refuses, states

N = 60
RNG = np.random.default_rng(0)
NUMBERED = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N)})
NAMED = NUMBERED.set_axis([f"patient {j}" for j in range(N)])
INDEXES = {
    "texts": NAMED.index,
    "dates": pd.date_range("2024-01-01", periods=N),
    "pairs": pd.MultiIndex.from_product([["north", "south"], range(N // 2)]),
    "repeated": pd.Index([f"patient {j // 2}" for j in range(N)]),
}
TEXTS = pd.Series([f"w{j} and w{j % 7}" for j in range(N)], index=NAMED.index)


def model(X):
    return 2.0 * np.asarray(X)[:, 0] + np.asarray(X)[:, 1]


REGRESSION = as_predictor(model, task="regression")
FITS = {
    "KernelShap, weights": lambda X, v: KernelShapExplainer(model).fit(X, sample_weight=v),
    "Occlusion, weights": lambda X, v: OcclusionExplainer(model).fit(X, sample_weight=v),
    "LIME, weights": lambda X, v: LimeExplainer(model, n_samples=64).fit(X, sample_weight=v),
    "MimicTree, weights": lambda X, v: MimicTree(model).fit(X, sample_weight=v),
    "what-if, weights": lambda X, v: EntropicProjection(model).fit(X, sample_weight=v),
    "KernelShap, y": lambda X, v: KernelShapExplainer(LinearRegression()).fit(X, v),
    "Occlusion, y": lambda X, v: OcclusionExplainer(LinearRegression()).fit(X, v),
    "LIME, y": lambda X, v: LimeExplainer(LinearRegression(), n_samples=64).fit(X, v),
    "MimicTree, y": lambda X, v: MimicTree(LinearRegression()).fit(X, v),
    "MimicTree, fidelity": lambda X, v: MimicTree(model, random_state=0).fit(X).fidelity(X, v),
    "what-if, y": lambda X, v: EntropicProjection(model).fit(X, v),
    "what-if, predictions": lambda X, v: EntropicProjection().fit(X, predictions=v),
    "report, y": lambda X, v: WhatIfReport(model, X, v).json(),
    "report, weights": lambda X, v: WhatIfReport(model, X, sample_weight=v).json(),
    "texts, weights": lambda X, v: KernelShapExplainer(
        lambda texts: [float(len(text)) for text in texts], masker=TextMasker()
    ).fit(TEXTS.set_axis(X.index), sample_weight=v),
}
parametrize = pytest.mark.parametrize("fit", FITS.values(), ids=FITS)


def shuffled(values):
    return values.sample(frac=1.0, random_state=1)


@parametrize
def test_labels_in_another_order_are_refused(fit):
    values = np.abs(pd.Series(model(NAMED), index=NAMED.index))
    mixed = shuffled(values)
    first = f"X has 'patient 0' and {{}} has {mixed.index[0]!r}"
    with pytest.raises(DataError, match=states("another order", "position 0")) as error:
        fit(NAMED, mixed)
    name = str(error.value).split()[0]
    assert first.format(name) in str(error.value)
    X, y = NAMED, mixed
    for remedy in (f"{name}.loc[X.index]", f"{name}.to_numpy()"):
        assert remedy in str(error.value)
        fit(NAMED, eval(remedy, {"X": X, name: y}))


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_labels_of_any_kind(index):
    X = NUMBERED.set_axis(index)
    y = pd.Series(model(X), index=index)
    fitted = EntropicProjection(REGRESSION).fit(X, y)
    mixed = shuffled(y)
    facts = ["y", "another order", "y.to_numpy()"] + ["y.loc[X.index]"] * index.is_unique
    with refuses(DataError, *facts):
        EntropicProjection(REGRESSION).fit(X, mixed)
    if index.is_unique:
        again = EntropicProjection(REGRESSION).fit(X, mixed.loc[X.index])
        pd.testing.assert_frame_equal(again.baseline(metric="r2"), fitted.baseline(metric="r2"))
        assert again.baseline(metric="r2")["value"].iloc[0] == pytest.approx(1.0)


def test_numbered_rows_are_warned_of():
    y = pd.Series(model(NUMBERED))
    mixed = shuffled(y)
    by_place = EntropicProjection(REGRESSION).fit(NUMBERED, mixed.to_numpy()).baseline(metric="r2")
    with pytest.warns(
        UserWarning, match=states("y has the row labels of X", "as is done now", "y.loc[X.index]")
    ):
        warned = EntropicProjection(REGRESSION).fit(NUMBERED, mixed).baseline(metric="r2")
    pd.testing.assert_frame_equal(warned, by_place)
    again = EntropicProjection(REGRESSION).fit(NUMBERED, mixed.loc[NUMBERED.index]).baseline(metric="r2")
    assert again["value"].iloc[0] == pytest.approx(1.0)
    with pytest.warns(UserWarning, match=states("another order", "y.to_numpy()")):
        EntropicProjection(REGRESSION).fit(NUMBERED.loc[mixed.index], y)


@parametrize
def test_other_labels_say_nothing(fit):
    values = np.abs(pd.Series(model(NAMED)))
    fit(NAMED, values)
    fit(NAMED, values.set_axis(values.index + 1))
    fit(NAMED, values.to_numpy())
    fit(NAMED, values.tolist())


def test_y_that_a_fitted_model_does_not_need_is_not_looked_at():
    y = shuffled(pd.Series(model(NAMED), index=NAMED.index))
    for kind in (KernelShapExplainer, OcclusionExplainer, MimicTree):
        kind(model).fit(NAMED, y)
