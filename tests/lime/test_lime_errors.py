"""What LimeExplainer says when it cannot do what is asked."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LassoLars
from sklearn.tree import DecisionTreeRegressor

from agnostix import LimeExplainer
from agnostix.exceptions import DataError, EngineError
from agnostix.testing import RaisingModel
from tests.messages import assert_states, refuses

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(60, 3))
CLASSES = np.arange(60) % 2
GAPS = np.where(np.arange(180).reshape(60, 3) == 4, np.nan, TABLE)


def model(X):
    return np.asarray(X)[:, 0].astype(float)


def fit(seen=TABLE, y=None, **params):
    return LimeExplainer(model, **{"random_state": 0, "n_samples": 512, **params}).fit(seen, y)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("n_samples", 31, "a str among {'auto'} or an int in the range [32, inf)"),
        ("max_features", 0, "an int in the range [1, inf) or None"),
        ("kernel_width", 0.0, "a float in the range (0.0, inf) or None"),
        ("radius", -1.0, "a float in the range (0.0, inf)"),
        ("stability", 0.5, "a float in the range (0.5, 1.0) or None"),
        ("feature_groups", ["x0"], "an instance of 'dict' or None"),
    ],
)
def test_fit_refuses_parameter_of_wrong_kind(name, value, allowed):
    with refuses(ValueError, f"'{name}' parameter of LimeExplainer", allowed, f"Got {value!r}"):
        fit(**{name: value})


@pytest.mark.parametrize(
    ("name", "words", "more"),
    [
        ("discretizer", {"auto", "quartile", "decile", "entropy"}, ["None"]),
        ("sampling", {"kernel", "local", "tilted"}, []),
        ("surrogate", {"ridge", "klasso", "tree"}, ["'fit' and 'predict'"]),
        ("feature_selection", {"auto", "forward_selection", "highest_weights", "lasso_path"}, []),
        ("values", {"coef_x", "coef"}, []),
    ],
)
def test_fit_refuses_unknown_option(name, words, more):
    with refuses(ValueError, f"'{name}' parameter of LimeExplainer", *more, "Got 'other'") as error:
        fit(**{name: "other"})
    assert set(re.findall(r"'(\w+)'", re.search(r"\{(.*)\}", str(error.value))[1])) == words


@pytest.mark.parametrize("how", ["quartile", "decile", "entropy"])
def test_local_sampling_refuses_discretizer(how):
    facts = ["'discretizer' of LimeExplainer", "'auto' or None", "sampling='local'", f"got {how!r}"]
    with refuses(DataError, *facts, "sampling='tilted'"):
        fit(sampling="local", discretizer=how)


def test_stability_refused_without_max_features():
    with refuses(DataError, "'stability' of LimeExplainer", "max_features=None", "Set max_features"):
        fit(stability=0.9)


@pytest.mark.parametrize("sampling", ["tilted", "local"])
def test_stability_refused_unless_sampling_is_kernel(sampling):
    facts = ["'stability' of LimeExplainer", "sampling='kernel'", f"got {sampling!r}", "n_samples"]
    with refuses(DataError, *facts):
        fit(stability=0.9, max_features=1, sampling=sampling)


@pytest.mark.parametrize(("groups", "most"), [(None, 3), ({"two": ["x0", "x2"]}, 2)])
def test_max_features_refused_above_number_of_features(groups, most):
    fit(max_features=most, feature_groups=groups)
    with refuses(DataError, "'max_features' of LimeExplainer", f"at most {most}", "None", f"got {most + 1}"):
        fit(max_features=most + 1, feature_groups=groups)


def test_radius_refused_if_too_small_for_integers():
    seen = pd.DataFrame({"x": TABLE[:, 0], "k": CLASSES})
    facts = ["'radius' of LimeExplainer is 0.1", "column 'k'", "0.05", "Raise it to 1", "floats"]
    with refuses(DataError, *facts):
        fit(seen, sampling="local", radius=0.1)
    fit(seen.assign(k=CLASSES.astype(float)), sampling="local", radius=0.1)
    fit(seen.assign(k=1), sampling="local", radius=0.1)
    fit(seen, sampling="local", radius=1.0)


@pytest.mark.parametrize("sampling", ["kernel", "local"])
def test_kernel_width_too_small_error_names_row_and_least_width(sampling):
    how = "decile" if sampling == "kernel" else None
    explainer = fit(sampling=sampling, discretizer=how, kernel_width=0.01)
    with pytest.raises(DataError) as error:
        explainer.explain(TABLE[5:7])
    message = str(error.value)
    assert_states(
        message, "'kernel_width' of LimeExplainer is 0.01", "row 0", "3 features need 4", "'tilted'"
    )
    assert float(re.search(r"(\S+) of 512 samples", message)[1]) < 12
    least = float(re.search(r"smallest width that works for it is (\S+)\.", message)[1])
    fit(sampling=sampling, discretizer=how, kernel_width=least).explain(TABLE[5:6])


def test_discretizer_entropy_refused_without_classes():
    with refuses(DataError, "'discretizer' of LimeExplainer is 'entropy'", "pass y to fit", "'quartile'"):
        fit(discretizer="entropy")
    with refuses(DataError, "'discretizer' of LimeExplainer is 'entropy'", "y is of numbers", "'quartile'"):
        fit(y=TABLE[:, 0], discretizer="entropy")
    with refuses(ValueError, "inconsistent numbers of samples", "[60, 59]"):
        fit(y=CLASSES[:59], discretizer="entropy")


@pytest.mark.parametrize("sampling", ["kernel", "tilted", "local"])
def test_no_discretizer_refuses_missing_values(sampling):
    params = {"discretizer": None, "sampling": sampling}
    with refuses(DataError, "Column 'x1'", "missing or infinite values", "discretizer='quartile'"):
        fit(GAPS, **params)
    with refuses(DataError, "Column 'x1'", "nan in row 1 of X", "discretizer='quartile'"):
        fit(**params).explain(GAPS[:3])


def test_discretizer_refuses_infinite_values():
    seen = TABLE.copy()
    seen[7, 2] = -np.inf
    with refuses(DataError, "Column 'x2'", "infinite values", "Replace them"):
        fit(seen)


def test_no_discretizer_refuses_numbers_in_feature_groups():
    with refuses(DataError, "group 'two' of feature_groups", "'x0'", "discretizer='quartile'"):
        fit(discretizer=None, feature_groups={"two": ["x0", "x2"]})


@pytest.mark.parametrize(
    ("regressor", "facts"),
    [
        (DecisionTreeRegressor(), ["coef_", "DecisionTreeRegressor"]),
        (LassoLars(), ["sample_weight", "LassoLars"]),
    ],
)
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_surrogate_refused_without_coef_or_sample_weight(regressor, facts, n_jobs):
    with refuses(DataError, "'surrogate' of LimeExplainer", *facts, "'ridge', 'klasso', 'tree'"):
        fit(surrogate=regressor, n_jobs=n_jobs).explain(TABLE[:3])


def test_explain_and_cost_before_fit_raise_not_fitted():
    for method in ("explain", "cost"):
        with pytest.raises(NotFittedError):
            getattr(LimeExplainer(model), method)(TABLE)


def test_explain_and_cost_refuse_missing_column():
    explainer = fit(pd.DataFrame(TABLE, columns=["a", "b", "c"]))
    for method in (explainer.explain, explainer.cost):
        with refuses(DataError, "X", "columns", "(a, b, c)", "lacks c"):
            method(pd.DataFrame(TABLE[:, :2], columns=["a", "b"]))


@pytest.mark.parametrize("sampling", ["kernel", "tilted"])
def test_model_failure_error_names_samples(sampling):
    seen = TABLE.copy()
    seen[::8, 0] = -999.0
    marked = RaisingModel(model)

    def some(X):
        return model(X) if len(X) < 100 else marked(X)

    params = {"random_state": 0, "n_samples": 512, "sampling": sampling}
    where = "of the neighborhood" if sampling == "kernel" else "around row 0"
    facts = [
        "model some",
        f"draws 0 to 511 {where}",
        "512 model rows",
        "ArithmeticError",
        "cannot be answered",
    ]
    with refuses(EngineError, *facts):
        LimeExplainer(some, **params).fit(seen).explain(seen[1:3])
