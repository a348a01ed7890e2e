"""Errors of LimeExplainer: which parameter, of which class, what is allowed, and what to do."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LassoLars
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from agnostix import LimeExplainer
from agnostix.exceptions import DataError, EngineError
from agnostix.lime import KernelSampling, LocalSampling, TiltedSampling
from agnostix.maskers import TextMasker
from agnostix.testing import RaisingModel
from tests.messages import assert_states, refuses

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(60, 3))
CLASSES = np.arange(60) % 2
GAPS = np.where(np.arange(180).reshape(60, 3) == 4, np.nan, TABLE)


def model(X):
    return np.asarray(X)[:, 0].astype(float)


def fit(observed=TABLE, y=None, **params):
    return LimeExplainer(model, **{"random_state": 0, "n_samples": 512, **params}).fit(observed, y)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("n_samples", 31, "a str among {'auto'} or an int in the range [32, 1073741824]"),
        ("max_features", 0, "an int in the range [1, inf) or None"),
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
        ("sampling", {"kernel", "local", "tilted"}, ["KernelSampling", "LocalSampling", "TiltedSampling"]),
        ("surrogate", {"ridge", "klasso", "tree"}, ["'fit' and 'predict'"]),
        ("feature_selection", {"auto", "forward_selection", "highest_weights", "lasso_path"}, []),
        ("values", {"coef_x", "coef"}, []),
    ],
)
def test_fit_refuses_unknown_option(name, words, more):
    with refuses(ValueError, f"'{name}' parameter of LimeExplainer", *more, "Got 'other'") as error:
        fit(**{name: "other"})
    assert set(re.findall(r"'(\w+)'", re.search(r"\{(.*)\}", str(error.value))[1])) == words


POSITIVE = "a float in the range (0.0, inf)"
DISCRETIZERS = ["'quartile'", "'decile'", "'entropy'", "or None"]


@pytest.mark.parametrize(
    ("sampling", "name", "facts"),
    [
        (KernelSampling(width=0.0), "width", [f"{POSITIVE} or None", "Got 0.0"]),
        (TiltedSampling(width=-1.0), "width", [f"{POSITIVE} or None", "Got -1.0"]),
        (LocalSampling(width=0.0), "width", [f"{POSITIVE} or None", "Got 0.0"]),
        (LocalSampling(radius=-1.0), "radius", [POSITIVE, "Got -1.0"]),
        (KernelSampling(discretizer="auto"), "discretizer", [*DISCRETIZERS, "Got 'auto'"]),
        (TiltedSampling(discretizer="other"), "discretizer", [*DISCRETIZERS, "Got 'other'"]),
    ],
)
def test_fit_refuses_invalid_sampling(sampling, name, facts):
    with refuses(ValueError, f"'{name}' parameter of {type(sampling).__name__}", *facts):
        fit(sampling=sampling)


def test_stability_refused_without_max_features():
    with refuses(DataError, "'stability' of LimeExplainer", "max_features=None", "Set max_features"):
        fit(stability=0.9)


@pytest.mark.parametrize("sampling", ["tilted", "local", TiltedSampling(2.0)])
def test_stability_refused_unless_sampling_is_kernel(sampling):
    facts = ["'stability' of LimeExplainer", "sampling='kernel'", f"got {sampling!r}", "n_samples"]
    with refuses(DataError, *facts):
        fit(stability=0.9, max_features=1, sampling=sampling)


@pytest.mark.parametrize(("groups", "n_features"), [(None, 3), ({"two": ["x0", "x2"]}, 2)])
def test_max_features_refused_above_number_of_features(groups, n_features):
    fit(max_features=n_features, feature_groups=groups)
    with refuses(
        DataError,
        "'max_features' of LimeExplainer",
        f"at most {n_features}",
        "None",
        f"got {n_features + 1}",
    ):
        fit(max_features=n_features + 1, feature_groups=groups)


def test_radius_refused_if_too_small_for_integers():
    observed = pd.DataFrame({"x": TABLE[:, 0], "k": CLASSES})
    facts = ["'radius' of LocalSampling is 0.1", "column 'k'", "0.05", "radius=1 or more", "floats"]
    with refuses(DataError, *facts):
        fit(observed, sampling=LocalSampling(0.1))
    fit(observed.assign(k=CLASSES.astype(float)), sampling=LocalSampling(0.1))
    fit(observed.assign(k=1), sampling=LocalSampling(0.1))
    fit(observed, sampling=LocalSampling(1.0))


@pytest.mark.parametrize("sampling", [KernelSampling(0.01, "decile"), LocalSampling(width=0.01)])
def test_kernel_width_too_small_error_names_row_and_least_width(sampling):
    explainer = fit(sampling=sampling)
    with pytest.raises(DataError) as error:
        explainer.explain(TABLE[5:7])
    message = str(error.value)
    assert_states(
        message,
        f"'width' of {type(sampling).__name__} is 0.01",
        "row 0",
        "3 features need 4",
        "sampling=TiltedSampling(",
    )
    tilted = TiltedSampling(float(re.search(r"TiltedSampling\((\S+)\)", message)[1]))
    assert np.isfinite(fit(sampling=tilted).explain(TABLE).values).all()
    assert float(re.search(r"(\S+) of 512 samples", message)[1]) < 12
    least = float(re.search(r"smallest width that works for it is (\S+)\.", message)[1])
    fit(sampling=clone(sampling).set_params(width=least)).explain(TABLE[5:6])


def test_discretizer_entropy_refused_without_classes():
    sampling = TiltedSampling(discretizer="entropy")
    with refuses(DataError, "'discretizer' of TiltedSampling is 'entropy'", "pass y to fit", "'quartile'"):
        fit(sampling=sampling)
    with refuses(DataError, "'discretizer' of TiltedSampling is 'entropy'", "y is continuous", "'quartile'"):
        fit(y=TABLE[:, 0], sampling=sampling)
    with refuses(ValueError, "inconsistent numbers of samples", "[60, 59]"):
        fit(y=CLASSES[:59], sampling=sampling)


@pytest.mark.parametrize(
    "sampling", [KernelSampling(discretizer=None), TiltedSampling(discretizer=None), "local"]
)
def test_no_discretizer_refuses_missing_values(sampling):
    with refuses(DataError, "Column 'x1'", "missing or infinite values", "discretizer='quartile'"):
        fit(GAPS, sampling=sampling)
    with refuses(DataError, "Column 'x1'", "nan in row 1 of X", "sampling='kernel'"):
        fit(sampling=sampling).explain(GAPS[:3])


def test_discretizer_refuses_infinite_values():
    observed = TABLE.copy()
    observed[7, 2] = -np.inf
    with refuses(DataError, "Column 'x2'", "infinite values", "Replace them"):
        fit(observed)


def test_no_discretizer_refuses_numbers_in_feature_groups():
    with refuses(DataError, "group 'two' of feature_groups", "'x0'", "discretizer='quartile'"):
        fit(sampling=KernelSampling(discretizer=None), feature_groups={"two": ["x0", "x2"]})


@pytest.mark.parametrize(
    ("regressor", "facts"),
    [
        (DecisionTreeRegressor(), ["coef_", "DecisionTreeRegressor"]),
        (LassoLars(), ["sample_weight", "LassoLars"]),
        (KNeighborsRegressor(), ["sample_weight", "KNeighborsRegressor"]),
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
    observed = TABLE.copy()
    observed[::8, 0] = -999.0
    marked = RaisingModel(model)

    def some(X):
        return model(X) if len(X) < 100 else marked(X)

    params = {"random_state": 0, "n_samples": 512, "sampling": sampling}
    where = "of the neighborhood" if sampling == "kernel" else "around row 0"
    facts = [
        "model some",
        f"samples 0 to 511 {where}",
        "512 model rows",
        "ArithmeticError",
        "cannot be predicted",
    ]
    with refuses(EngineError, *facts):
        LimeExplainer(some, **params).fit(observed).explain(observed[1:3])


def test_n_samples_refused_below_two_for_each_coefficient():
    observed = RNG.normal(size=(80, 40))
    facts = [
        "'n_samples' of LimeExplainer",
        "40 features",
        "41 coefficients",
        "n_samples='auto'",
        "410",
        "82",
    ]
    with refuses(DataError, *facts):
        fit(observed, n_samples=64)
    assert np.isfinite(fit(observed, n_samples=120).explain(observed[:2]).std_errors).all()
    explained = fit(observed, n_samples="auto").explain(observed[:2])
    assert (explained.extras["n_samples"].array > 4000).all()


def test_n_samples_of_masks_refused_below_two_for_each_coefficient():
    texts = [" ".join(f"w{j}" for j in range(n)) for n in (5, 60)]

    def count(texts):
        return np.array([float(len(text.split())) for text in texts])

    explainer = LimeExplainer(count, masker=TextMasker(), n_samples=100, random_state=0).fit(texts)
    assert explainer.explain(texts[:1]).n_model_rows <= 101
    facts = ["'n_samples' of LimeExplainer", "near row 1", "60 features", "n_samples='auto'", "610", "122"]
    with refuses(DataError, *facts):
        explainer.explain(texts)
    with refuses(DataError, *facts):
        explainer.cost(texts)
    grown = explainer.set_params(n_samples="auto").fit(texts)
    words = [f"w{j}" for j in range(300)]
    assert 2800 < grown.cost([" ".join(words)]) <= 3011
