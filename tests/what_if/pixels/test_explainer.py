"""PixelProjection as its users call it: inputs, models, groups, outputs, errors."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from agnostix import EntropicProjection, PixelProjection, as_predictor
from agnostix.exceptions import DataError, EngineError
from tests.messages import refuses
from tests.what_if.pixels.doubles import digits, labels, scores, with_noise

PICTURES = digits()
N = len(PICTURES)
SCORES = scores(PICTURES)
Y = labels(PICTURES)
SEX = np.where(np.random.default_rng(9).random(N) < 0.4, "woman", "man")


def fitted(**given):
    return PixelProjection().fit(PICTURES, Y, predictions=SCORES, **given)


def arrays(result):
    return {name: getattr(result, name) for name in result.axes}


def assert_same(one, other, **tolerance):
    for name, array in arrays(one).items():
        wanted = getattr(other, name)
        if array.dtype == object:
            assert array.tolist() == wanted.tolist()
        elif tolerance:
            np.testing.assert_allclose(array, wanted, **tolerance)
        else:
            np.testing.assert_array_equal(array, wanted)


# -- models


def test_model_predicts_each_picture_once():
    sizes = []

    def model(pictures):
        sizes.append(len(pictures))
        return scores(pictures)

    projection = PixelProjection(as_predictor(model, task="classification")).fit(PICTURES, Y)
    effects = projection.explain(metric="accuracy")
    projection.reverse()
    projection.what_if(error_rate=0.5)
    assert sizes[0] == N
    assert sum(sizes) == projection.n_model_rows_ == effects.n_model_rows <= N + 4


def test_callable_estimator_and_recorded_predictions_agree():
    recorded = PixelProjection().fit(PICTURES, predictions=SCORES).explain()
    of_callable = PixelProjection(scores).fit(PICTURES).explain()
    np.testing.assert_allclose(of_callable.values, recorded.values, atol=1e-12)
    flatten = FunctionTransformer(lambda pictures: pictures.reshape(len(pictures), -1))
    model = make_pipeline(flatten, LogisticRegression(max_iter=500))
    own = PixelProjection(model).fit(PICTURES, Y)
    again = PixelProjection().fit(PICTURES, Y, predictions=own.model_.predict_proba(PICTURES))
    np.testing.assert_allclose(own.explain().values, again.explain().values, atol=1e-12)
    assert own.explain().output_names == ("0", "1", "2")


def test_outcome_alone():
    effects = PixelProjection().fit(PICTURES, Y / 2.0).explain()
    again = PixelProjection().fit(PICTURES, predictions=Y / 2.0).explain()
    np.testing.assert_allclose(effects.values, again.values, atol=1e-12)
    with refuses(ValueError, "no outcome", "model, predictions, or y"):
        PixelProjection().fit(PICTURES)
    with refuses(ValueError, "either a model or predictions", "not both"):
        PixelProjection(scores).fit(PICTURES, predictions=SCORES)


def test_torch_network_through_adapter():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 16, 2)
    ).eval()
    color = np.random.default_rng(0).integers(0, 256, (80, 6, 6, 3), dtype=np.uint8)
    effects = PixelProjection(network).fit(color).explain()
    with torch.no_grad():
        given = torch.from_numpy(color.transpose(0, 3, 1, 2)).float() / 255.0
        p = torch.softmax(network(given), dim=1).numpy().astype(float)
    again = PixelProjection().fit(color, predictions=p).explain()
    np.testing.assert_allclose(effects.values, again.values, atol=1e-5)


def test_failing_model_is_named():
    def broken(pictures):
        raise ArithmeticError("no such picture")

    with refuses((EngineError, ArithmeticError), "no such picture"):
        PixelProjection(broken).fit(PICTURES)


def test_verbose_logs_the_model(caplog):
    with caplog.at_level(logging.INFO, logger="agnostix"):
        PixelProjection(scores, verbose=1).fit(PICTURES)
    assert f"{N + 4} pictures" in caplog.text


# -- order, memory, groups


@pytest.mark.parametrize("pictures", [PICTURES, with_noise(PICTURES)], ids=["merged", "row by row"])
def test_order_of_pictures_does_not_matter(pictures):
    turned = np.random.default_rng(1).permutation(N)
    one = PixelProjection().fit(pictures, Y, predictions=SCORES)
    other = PixelProjection().fit(pictures[turned], Y[turned], predictions=SCORES[turned])
    assert_same(
        other.explain(metric=["prediction", "accuracy"]), one.explain(metric=["prediction", "accuracy"])
    )
    assert_same(other.explain(by=SEX[turned]), one.explain(by=SEX))
    first, second = one.reverse(), other.reverse()
    np.testing.assert_array_equal(second.weights, first.weights[..., turned])
    np.testing.assert_array_equal(second.values, first.values)


@pytest.mark.parametrize("pictures", [PICTURES, with_noise(PICTURES)], ids=["merged", "row by row"])
def test_working_memory_does_not_matter(pictures):
    projection = PixelProjection().fit(pictures, Y, predictions=SCORES)
    expected = projection.explain(), projection.reverse(), projection.what_if(error_rate=0.5)
    with config_context(working_memory=0.01):
        actual = projection.explain(), projection.reverse(), projection.what_if(error_rate=0.5)
    for one, other in zip(actual, expected, strict=True):
        assert_same(one, other)


def test_later_changes_of_the_pictures_do_not_matter():
    given = PICTURES.copy()
    projection = PixelProjection().fit(given, predictions=SCORES)
    expected = projection.explain()
    given[:] = 0
    assert_same(projection.explain(), expected)


def test_groups_are_reweighted_by_themselves():
    effects = fitted(attributes=pd.DataFrame({"sex": SEX})).explain(
        by="sex", metric=["prediction", "accuracy"]
    )
    assert effects.groups == ("man", "woman")
    assert effects.n_rows == tuple(int((name == SEX).sum()) for name in effects.groups)
    for g, name in enumerate(effects.groups):
        own = name == SEX
        alone = PixelProjection().fit(PICTURES[own], Y[own], predictions=SCORES[own])
        expected = alone.explain(metric=["prediction", "accuracy"])
        for field in ("values", "std_errors", "low", "high", "targets", "ess", "averages", "base"):
            np.testing.assert_allclose(
                getattr(effects, field)[g], getattr(expected, field), rtol=1e-7, atol=1e-10
            )
        assert effects.status[g].tolist() == expected.status.tolist()
    for labels_ in (SEX, list(SEX), pd.Series(SEX)):
        again = fitted().explain(by=labels_, metric=["prediction", "accuracy"])
        assert_same(again, effects, rtol=1e-10, atol=1e-12)


def test_weight_0_leaves_a_picture_out():
    weight = np.where(np.arange(N) < 20, 0.0, 1.0)
    effects = PixelProjection().fit(PICTURES, sample_weight=weight, predictions=SCORES).explain()
    again = PixelProjection().fit(PICTURES[20:], predictions=SCORES[20:]).explain()
    assert_same(effects, again, rtol=1e-9, atol=1e-12)
    shifts = PixelProjection().fit(PICTURES, sample_weight=weight, predictions=SCORES).reverse()
    assert (shifts.weights[..., :20] == 0.0).all()


# -- results


def test_outputs_are_selected_in_order():
    whole = fitted().explain()
    some = fitted().explain(outputs=["2", "0"])
    assert some.output_names == ("2", "0")
    assert_same(some, whole.sel(outputs=["2", "0"]))
    reverse = fitted().reverse().sel(outputs="1")
    assert_same(fitted().reverse(outputs=1), reverse, rtol=1e-10, atol=1e-12)
    with_metric = fitted().explain(outputs="1", metric=["prediction", "error_rate"])
    assert with_metric.output_names == ("1", "error_rate")


def test_simultaneous_intervals_are_bonferroni():
    narrow, wide = fitted().explain(), fitted().explain(simultaneous=True)
    level = 1.0 - 0.05 / (3 * 16)
    expected = PixelProjection(confidence_level=level).fit(PICTURES, Y, predictions=SCORES).explain()
    np.testing.assert_array_equal(wide.values, narrow.values)
    np.testing.assert_allclose(wide.high, expected.high, rtol=1e-12)
    assert (wide.high > narrow.high)[np.isfinite(wide.high)].all()


def test_frame_has_every_pixel():
    effects = fitted().explain(by=SEX)
    frame = effects.to_frame()
    assert len(frame) == 2 * 3 * 16
    assert frame["channel"].isna().all()
    row = frame[
        (frame["group"] == "woman") & (frame["output"] == "2") & (frame["y"] == 1) & (frame["x"] == 3)
    ]
    assert row["value"].item() == effects.values[1, 2, 1, 3]
    assert row["status"].item() == effects.status[1, 1, 3]
    shifts = fitted().reverse().to_frame()
    assert len(shifts) == 3 * 16
    assert shifts["group"].isna().all()
    color = PixelProjection().fit(np.stack([PICTURES] * 3, axis=-1), predictions=SCORES).explain().to_frame()
    assert color["channel"].tolist()[:4] == [0, 1, 2, 0]


def test_sel_by_name_place_and_group():
    effects = fitted().explain(by=SEX)
    one = effects.sel(outputs="1", groups="woman")
    assert (one.groups, one.output_names) == (("woman",), ("1",))
    np.testing.assert_array_equal(one.values[0, 0], effects.values[1, 1])
    np.testing.assert_array_equal(one.targets[0], effects.targets[1])
    assert effects.sel(groups=0).groups == ("man",)
    with refuses(KeyError, "output 'cat'", "0, 1, 2"):
        effects.sel(outputs="cat")
    with refuses(KeyError, "group 'child'", "man, woman"):
        effects.sel(groups="child")
    with refuses(KeyError, "no groups", "by=labels"):
        fitted().explain().sel(groups="man")


def test_representations():
    effects = fitted().explain(by=SEX)
    assert repr(effects) == "PixelEffects(0, 1, 2: 4 x 4 pixels; groups man, woman)"
    assert "largest at" in effects._repr_html_()
    assert repr(fitted().reverse(outputs=1)) == "PixelShifts(1: 4 x 4 pixels)"


# -- bad input


@pytest.mark.parametrize(
    ("X", "facts"),
    [
        (
            [np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 5))],
            ["one size", "(4, 4)", "picture 2", "(4, 5)"],
        ),
        (np.zeros((1, 4, 4)), ["single picture", "at least two"]),
        (np.zeros((5, 16)), ["got a table", "EntropicProjection"]),
        (np.where(np.arange(96).reshape(6, 4, 4) == 50, np.nan, 1.0), ["row 3", "NaN"]),
        (np.zeros((5, 3, 8, 8)), ["channels come first", "X.transpose(0, 2, 3, 1)"]),
        (np.full((3, 2, 2), "a"), ["numbers"]),
    ],
    ids=["sizes", "one picture", "table", "NaN", "channels first", "text"],
)
def test_fit_refuses_what_are_no_pictures(X, facts):
    with refuses(DataError, *facts):
        PixelProjection().fit(X, predictions=np.zeros(len(X)))


def test_list_of_pictures_of_one_size_is_accepted():
    assert_same(
        PixelProjection().fit(list(PICTURES), predictions=SCORES).explain(),
        PixelProjection().fit(PICTURES, predictions=SCORES).explain(),
    )


def test_explain_refuses_groups_of_other_lengths():
    with refuses(DataError, "by must have one label", f"{N} pictures", f"got {N - 1}"):
        fitted().explain(by=SEX[:-1])
    with refuses(ValueError, "no column 'gender'", "Did you mean"):
        fitted(attributes=pd.DataFrame({"genders": SEX})).explain(by="gender")
    with refuses(DataError, "'only one'", "single picture"):
        fitted().explain(by=np.where(np.arange(N) == 5, "only one", "others"))
    joined = fitted().explain(by=np.where(np.arange(N) < 2, "only one", "others"))
    assert joined.n_rows == (2, N - 2)
    with refuses(ValueError, "24 groups", "at most 20"):
        fitted().explain(by=np.arange(N) % 24)


def test_fit_refuses_attributes_that_do_not_fit():
    with refuses(DataError, "one row for each", f"{N} pictures", f"got {N - 2}"):
        fitted(attributes=pd.DataFrame({"sex": SEX[2:]}))
    with refuses(DataError, "DataFrame", "list"):
        fitted(attributes=list(SEX))


def test_what_if_refuses_attributes_with_missing_values():
    ages = np.where(np.arange(N) < 3, np.nan, np.arange(N) % 40)
    projection = fitted(attributes=pd.DataFrame({"age": ages}))
    with refuses(DataError, "attribute 'age'", f"3 of {N} pictures"):
        projection.what_if({"age": 20})
    known = PixelProjection().fit(
        PICTURES[3:], predictions=SCORES[3:], attributes=pd.DataFrame({"age": ages[3:]})
    )
    assert known.what_if({"age": 20}).status[0] == "ok"
    with refuses(ValueError, "no column 'sex'"):
        projection.what_if({"sex": 1})
    by_age = projection.explain(by=np.where(np.isnan(ages), None, np.where(ages > 20, "old", "young")))
    assert sum(by_age.n_rows) == N - 3


@pytest.mark.parametrize("outputs", ["7", 3, ["0", "0"], []])
def test_explain_refuses_unknown_outputs(outputs):
    with refuses(ValueError, "output"):
        fitted().explain(outputs=outputs)


def test_explain_refuses_predicted_output():
    with refuses(ValueError, "'predicted'", "Name outputs: 0, 1, 2"):
        fitted().explain(outputs="predicted")
    assert fitted().explain(outputs=["0", "1", "2"]).output_names == ("0", "1", "2")


def test_explain_refuses_metrics_that_are_no_means():
    two = PixelProjection().fit(PICTURES, Y > 0, predictions=SCORES[:, 0])
    with refuses(ValueError, "'roc_auc'", "means alone", "error_rate", "EntropicProjection"):
        two.explain(metric="roc_auc")
    flat = pd.DataFrame(PICTURES.reshape(N, -1)).add_prefix("p")[["p5", "p6"]]
    columns = EntropicProjection(n_targets=3).fit(flat, Y > 0, predictions=SCORES[:, 0])
    assert set(columns.explain(metric="roc_auc").frame["feature"]) == {"p5", "p6"}  # as the message says
    with refuses(ValueError, "no metric 'accurate'"):
        fitted().explain(metric="accurate")
    with refuses(DataError, "'accuracy'", "pass y to fit"):
        PixelProjection().fit(PICTURES, predictions=SCORES).explain(metric="accuracy")


@pytest.mark.parametrize("kl", [0, -1.0, np.inf, "far", True])
@pytest.mark.parametrize("method", ["explain", "reverse"])
def test_divergence_must_be_positive(method, kl):
    with refuses(ValueError, f"'kl' parameter of {method}", "positive", repr(kl)):
        getattr(fitted(), method)(kl=kl)


@pytest.mark.parametrize("method", ["explain", "reverse", "what_if"])
def test_methods_before_fit_raise_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(PixelProjection(scores), method)()


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"confidence_level": 1.0}, ["(0.0, 1.0)", "Got 1.0"]),
        ({"min_ess_fraction": 2}, ["[0.0, 1.0]", "Got 2"]),
        ({"quantiles": (0.9, 0.1)}, ["0 <= low < high <= 1", "(0.9, 0.1)"]),
    ],
    ids=str,
)
def test_fit_refuses_parameter_out_of_range(params, facts):
    (name,) = params
    with refuses(ValueError, f"'{name}' parameter of PixelProjection", *facts):
        PixelProjection(**params).fit(PICTURES, predictions=SCORES)


def test_fit_refuses_predictions_whose_squares_are_lost():
    with refuses(DataError, "PixelProjection squares predictions", "1e159"):
        PixelProjection().fit(PICTURES, predictions=SCORES[:, 0] * 1e160)
