"""Average drop, gain and increase against plain loops, their bounds, and how maps become masks."""

import numpy as np
import pytest

from agnostix import KernelShapExplainer, as_predictor
from agnostix.exceptions import DataError
from agnostix.maskers import SegmentMasker
from agnostix.metrics import average_drop, average_gain, average_increase
from agnostix.metrics.read import read_explanation
from agnostix.metrics.removal.masked_scores import masked_results, score_masked
from tests.messages import assert_states, refuses
from tests.metrics.explanations import Counted, of_maps, of_table, softmax_model
from tests.reference import metrics as reference

RNG = np.random.default_rng(1)
PICTURES = RNG.random((12, 7, 6, 3))
WEIGHTS = RNG.normal(size=(7, 6, 3, 4)) * 0.2
MODEL = softmax_model(WEIGHTS)
PREDICTED = MODEL(PICTURES)
CLASS = PREDICTED.argmax(axis=1)
MAPS = RNG.normal(size=(12, 7, 6, 4))
EXP = of_maps(MAPS, PREDICTED, ("a", "b", "c", "d"))


def _mask(row, how):
    own = MAPS[row, :, :, CLASS[row]]
    if how == "relu-max":
        own = np.maximum(own, 0.0)
        return own / own.max()
    return (own - own.min()) / (own.max() - own.min())


def _both(how):
    masked = [MODEL((PICTURES[row] * _mask(row, how)[..., None])[None])[0, CLASS[row]] for row in range(12)]
    return PREDICTED.max(axis=1), np.array(masked)


@pytest.mark.parametrize("how", ["relu-max", "min-max"])
def test_scores_are_those_of_plain_loops(how):
    y, o = _both(how)
    assert average_drop(MODEL, PICTURES, EXP, mask=how).score == pytest.approx(reference.average_drop(y, o))
    assert average_gain(MODEL, PICTURES, EXP, mask=how).score == pytest.approx(reference.average_gain(y, o))
    lecture = average_gain(MODEL, PICTURES, EXP, mask=how, denominator="lecture")
    assert lecture.score == pytest.approx(reference.average_gain(y, o, lecture=True))
    increase = average_increase(MODEL, PICTURES, EXP, mask=how)
    assert increase.score == pytest.approx(reference.average_increase(y, o))
    assert increase.mask == how
    assert increase.fill == "0.0"


def test_torch_predictions_are_those_of_normalized_pictures():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(80, 4)).eval()
    predictor = as_predictor(network, mean=[0.4, 0.5, 0.6], std=[0.2, 0.2, 0.3], activation="softmax")
    pictures = PICTURES.astype(np.float32)
    exp = of_maps(MAPS, predictor.predict(pictures), tuple(f"output_{j}" for j in range(4)))
    chosen = predictor.predict(pictures).argmax(axis=1)
    o = []
    for row in range(12):
        own = np.maximum(MAPS[row, :, :, chosen[row]], 0.0)
        masked = torch.tensor(pictures[row] * (own / own.max())[..., None], dtype=torch.float32)
        masked = (masked - torch.tensor([0.4, 0.5, 0.6])) / torch.tensor([0.2, 0.2, 0.3])
        with torch.no_grad():
            o.append(float(network(masked.permute(2, 0, 1)[None]).softmax(1)[0, chosen[row]]))
    y = predictor.predict(pictures).max(axis=1)
    assert average_drop(predictor, pictures, exp).score == pytest.approx(
        reference.average_drop(y, o), abs=1e-5
    )
    assert average_gain(predictor, pictures, exp).score == pytest.approx(
        reference.average_gain(y, o), abs=1e-5
    )


def test_all_three_cost_one_evaluation_of_each_picture():
    model = Counted(MODEL)
    explained = read_explanation(model, PICTURES, EXP, by="scores", fill=0.0)
    results = masked_results(explained)
    assert model.n_rows == 24
    assert [one.n_model_rows for one in results.values()] == [24] * 3
    assert results["average_drop"].score == average_drop(MODEL, PICTURES, EXP).score


def test_gain_of_a_sigmoid_is_largest_at_the_mask_of_positive_parts():
    weights = RNG.normal(size=(6, 5))
    pictures = RNG.random((8, 6, 5))
    contributions = weights * pictures

    def model(X):
        return 1.0 / (1.0 + np.exp(-(X * weights).sum(axis=(1, 2))))

    best = of_maps((contributions > 0).astype(float)[..., None], model(pictures)[:, None])
    gain = average_gain(model, pictures, best, mask="none")
    assert average_drop(model, pictures, best, mask="none").score == 0.0
    assert average_increase(model, pictures, best, mask="none").score == 1.0
    for seed in range(20):
        random = np.random.default_rng(seed).random((8, 6, 5, 1))
        other = average_gain(model, pictures, of_maps(random), mask="none")
        assert gain.difference(other).interval()[0] > 0
        assert (gain.scores > other.scores).all()
    # The bounds of drop and increase are reached by other masks too.
    half = of_maps((contributions > 0.3).astype(float)[..., None])
    assert average_drop(model, pictures, half, mask="none").score == 0.0


def test_segments_are_painted():
    masker = SegmentMasker("grid", n_segments=6)
    exp = KernelShapExplainer(MODEL, masker=masker, random_state=0).fit(PICTURES).explain(PICTURES)
    labels = exp.extras["segments"].array
    maps = np.stack([exp.values[row][labels[row]] for row in range(12)])
    by_pixels = average_drop(MODEL, PICTURES, of_maps(maps, PREDICTED, ("a", "b", "c", "d")))
    np.testing.assert_allclose(average_drop(MODEL, PICTURES, exp).scores, by_pixels.scores, atol=1e-12)


def test_maps_without_positive_values_hide_everything():
    maps = MAPS.copy()
    maps[3] = -np.abs(maps[3])
    result = average_drop(MODEL, PICTURES, of_maps(maps, PREDICTED, ("a", "b", "c", "d")))
    black = MODEL(np.zeros((1, 7, 6, 3)))[0, CLASS[3]]
    assert result.scores[3] == pytest.approx(max(0, PREDICTED[3].max() - black) / PREDICTED[3].max())
    assert_states(" ".join(result.notes), "1 of 12", "no positive value")


def test_scores_at_probabilities_of_0_and_1():
    whole, masked = np.array([[1.0], [0.0], [0.0]]), np.array([[0.4], [0.0], [0.5]])
    np.testing.assert_array_equal(score_masked("average_drop", whole, masked)[:, 0], [0.6, np.nan, np.nan])
    np.testing.assert_array_equal(score_masked("average_gain", whole, masked)[:, 0], [0.0, 0.0, 0.5])
    lecture = score_masked("average_gain", whole, masked, "lecture")[:, 0]
    assert lecture[0] == 0.0
    assert not np.isfinite(lecture[1:]).any()


def test_outputs_that_are_no_probabilities_are_refused():
    exp = of_maps(MAPS[..., :1], (PREDICTED.max(axis=1) * 5)[:, None])

    def scores(X):
        return MODEL(X).max(axis=1) * 5

    with refuses(DataError, "average_gain", "between 0 and 1", "average_increase"):
        average_gain(scores, PICTURES, exp)
    with refuses(DataError, "average_drop", "activation='softmax'"):
        average_drop(scores, PICTURES, exp)
    assert average_increase(scores, PICTURES, exp).scores.shape == (12,)


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"mask": "sigmoid"}, ("mask", "'relu-max'", "'min-max'", "'none'", "'sigmoid'")),
        ({"mask": "none"}, ("mask='none'", "between 0 and 1", "relu-max")),
        ({"fill": "noise"}, ("fill", "single picture", "10")),
    ],
)
def test_bad_parameters(options, facts):
    with refuses(DataError, "average_drop", *facts):
        average_drop(MODEL, PICTURES, EXP, **options)


def test_bad_denominator_and_tables():
    with refuses(DataError, "denominator", "'lecture'", "'Y'"):
        average_gain(MODEL, PICTURES, EXP, denominator="Y")
    table = RNG.normal(size=(5, 3))
    exp = of_table(RNG.normal(size=(5, 3, 1)), table)
    with refuses(DataError, "average_drop", "columns", "sufficiency"):
        average_drop(lambda X: X[:, 0], table, exp)


def test_gain_of_a_softmax_is_largest_at_the_solution_of_a_convex_programme():
    cvxpy = pytest.importorskip("cvxpy")
    weights, pictures = RNG.normal(size=(4, 4, 3)), RNG.random((6, 4, 4))

    def model(X):
        scores = np.exp(np.einsum("nyx,yxc->nc", X, weights))
        return scores / scores.sum(axis=1, keepdims=True)

    predicted = model(pictures)
    best = np.empty((6, 4, 4, 1))
    for row, picture in enumerate(pictures):
        mask = cvxpy.Variable(16)
        scores = (weights * picture[..., None]).reshape(16, 3).T @ mask
        log_probability = scores[int(predicted[row].argmax())] - cvxpy.log_sum_exp(scores)
        cvxpy.Problem(cvxpy.Maximize(log_probability), [mask >= 0, mask <= 1]).solve(solver="CLARABEL")
        best[row, ..., 0] = np.clip(mask.value, 0.0, 1.0).reshape(4, 4)
    names = ("a", "b", "c")

    def gain(masks):
        repeated = np.repeat(masks, 3, axis=-1)
        return average_gain(model, pictures, of_maps(repeated, predicted, names), mask="none")

    own = gain(best)
    for seed in range(20):
        other = gain((np.random.default_rng(seed).random((6, 4, 4, 1)) < 0.5).astype(float))
        assert (own.scores >= other.scores - 1e-8).all()
        assert own.difference(other).interval()[0] > 0
    # The positive parts of the contributions to the class's own score are no optimum here.
    classes = predicted.argmax(axis=1)
    parts = np.stack([weights[..., c] * one for c, one in zip(classes, pictures, strict=True)])
    assert own.difference(gain((parts > 0).astype(float)[..., None])).score > 1e-4


def test_means_that_rest_on_few_rows_say_so():
    def model(X):
        return np.where(X[:, 0, 0] > 0.5, X.mean(axis=(1, 2)), 0.1)

    pictures = np.full((30, 3, 3), 0.4)
    pictures[:4] = 0.9
    values = np.full((30, 3, 3, 1), 0.5)
    values[:, 0, 0] = 1.0
    few = average_drop(model, pictures, of_maps(values))
    assert (few.scores > 0).sum() == 4
    assert_states(" ".join(few.notes), "4 of 30 rows have a drop", "too narrow")
    pictures[:20] = 0.9
    assert not average_drop(model, pictures, of_maps(values)).notes[1:]
    assert "drop" not in " ".join(average_increase(model, pictures, of_maps(values)).notes)
