"""Evaluations near rows: cost, contrasts of unseen levels and stability of selections."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import t as student

from agnostix.core.evaluate import evaluate
from agnostix.core.masking import Features
from agnostix.core.models import as_predictor
from agnostix.core.sobol import SobolBlocks
from agnostix.lime.kernel import Kernel
from agnostix.lime.learn_features import FeatureLearner
from agnostix.lime.near_rows import SurrogateSpec
from agnostix.lime.neighbourhood import Neighbourhood
from agnostix.lime.own_draws import OwnDraws
from agnostix.lime.selection import forward_selection
from agnostix.lime.surrogates import LinearSurrogate
from agnostix.lime.table_vicinity import MOST_DOUBLINGS, TableVicinity
from agnostix.lime.unseen import UnseenContrasts

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 3))
NEW = np.array(
    [[0.3, 9.0, np.nan], [99.0, 0.1, -0.2]]
)  # what is missing was never seen; 9 is in the last bin


def model(X):
    X = np.nan_to_num(X, nan=5.0)
    return np.stack([X[:, 0] + 0.9 * X[:, 1] + X[:, 2] ** 2, X[:, 1]], axis=1)


class Counting:
    def __init__(self):
        self.n_rows = 0

    def __call__(self, given):
        self.n_rows += len(given)
        return model(given)


def vicinity(how="kernel", stability=None, n=512, most=None):
    players = Features.from_names(["a", "b", "c"])
    features = FeatureLearner(X, np.ones(150), "quartile", None, "Owner").learn(players)
    hood = Neighbourhood(X[:20], tuple(features), SobolBlocks.from_n_points(3, n, 0))
    own = None if how == "kernel" else OwnDraws(hood, "tilted", 1.3)
    counting = Counting()
    run = partial(evaluate, as_predictor(counting), n_outputs=2)
    kernel = Kernel(1.3) if own is None else None
    spec = SurrogateSpec(LinearSurrogate(1.0, forward_selection), kernel, None, most, stability is not None)
    return TableVicinity(players, hood, own, 1.3, stability).evaluated(run), run, spec, counting


def fits(parts, rows, places=None):
    near, run, spec, _ = parts
    centres = near.neighbourhood.centres(rows)
    places = np.arange(len(rows)) if places is None else places
    return near._fits(run, spec, rows, centres, model(rows), places)


def test_shared_samples_are_evaluated_once():
    parts = vicinity()
    near, *_, counting = parts
    assert counting.n_rows == near.n_draws == 512
    np.testing.assert_array_equal(
        near.answers, model(near.neighbourhood.table(near.neighbourhood.shared(slice(0, 512))))
    )
    _, n_asked = fits(parts, X[:5])
    assert (n_asked, counting.n_rows, near.cost(X[:5])) == (0, 512, 5)


def test_own_samples_are_evaluated_per_row():
    parts = vicinity("tilted")
    near, *_, counting = parts
    assert counting.n_rows == 0
    _, n_asked = fits(parts, X[:5])
    assert n_asked == counting.n_rows == near.cost(X[:5]) - 5 == 5 * 512


@pytest.mark.parametrize("how", ["kernel", "tilted"])
def test_unseen_levels_get_contrasts(how):
    parts = vicinity(how)
    near, run, spec, counting = parts
    before = counting.n_rows
    found, n_asked = fits(parts, NEW)
    assert n_asked == counting.n_rows - before == near.cost(NEW) - 2
    hood = near.neighbourhood
    centres = hood.centres(NEW)
    unseen = hood.unseen(centres)
    assert unseen.tolist() == [[False, False, True], [False, False, False]]
    contrasts = UnseenContrasts.of(spec, hood, near.own, NEW, centres, unseen, np.arange(2))
    ((effect, error),), _ = run(contrasts, UnseenContrasts.estimate_effect)
    np.testing.assert_array_equal(found.coefficients[0, 2], effect)
    np.testing.assert_array_equal(found.std_errors[0, 2], error)
    assert found.selected[0, 2].all()
    plain, _ = fits(parts, np.array([[0.3, 9.0, X[0, 2]]]))
    assert found.surrogate_std_errors[0, 0] > error[0] > 0
    assert plain.coefficients.shape == (1, 3, 2)


def test_stability_threshold_is_student_quantile():
    near, _, spec, _ = vicinity(stability=0.95, most=1)
    found = near._shared(
        spec,
        near.neighbourhood.centres(X[:30]),
        model(X[:30]),
        np.ones((30, 3), bool),
        np.arange(30),
    )
    needed = student.ppf(0.95, 15)
    np.testing.assert_array_equal(near._is_unsure(found), found.margin.min(axis=1) < needed)
    assert 0 < near._is_unsure(found).sum() < 30


def test_stability_doubles_samples_of_unstable_rows():
    parts = vicinity(stability=0.9999, most=1)
    near, run, spec, counting = parts
    found, n_asked = fits(parts, X[:30])
    assert n_asked == counting.n_rows - 512 <= near.cost(X[:30]) - 30 == 15 * 512
    doublings = np.log2(found.n_samples / 512)
    assert set(doublings) <= set(range(MOST_DOUBLINGS + 1))
    assert len(set(doublings)) > 2
    np.testing.assert_array_equal(near._is_unsure(found) & (doublings < MOST_DOUBLINGS), False)
    for row in (int(doublings.argmin()), int(doublings.argmax()), int(np.flatnonzero(doublings == 1)[0])):
        alone, _ = fits(parts, X[row : row + 1])
        for name in ("coefficients", "std_errors", "n_samples", "margin", "selected"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(found, name)[row])
        points = near.neighbourhood.points.longer(int(2 ** doublings[row]))
        hood = Neighbourhood(near.neighbourhood.like, near.neighbourhood.features, points)
        wider = TableVicinity(near.players, hood, None, 1.3, None).evaluated(run)
        plain, _ = fits((wider, run, spec, counting), X[row : row + 1], np.array([row]))
        np.testing.assert_array_equal(plain.coefficients[0], found.coefficients[row])


def test_stability_of_stable_rows_costs_nothing():
    parts = vicinity(stability=0.51, most=1)
    found, n_asked = fits(parts, X[:30])
    sure = found.n_samples == 512
    assert sure.any()
    _, n_asked = fits(parts, X[:30][sure])
    assert n_asked == 0


def test_rare_labels_get_contrasts():
    labels = np.array([["often"]] * 1999 + [["once"]], dtype=object)
    players = Features.from_names(["t"])
    features = FeatureLearner(labels, np.ones(2000), "quartile", None, "Owner").learn(players)
    hood = Neighbourhood(labels[:20], tuple(features), SobolBlocks.from_n_points(1, 512, 0))
    near = TableVicinity(players, hood, None, 0.75, None)
    rows = np.array([["often"], ["once"], ["never"]], dtype=object)
    centres = hood.centres(rows)
    assert near.contrasted(centres)[:, 0].tolist() == [False, True, True]
    assert hood.unseen(centres)[:, 0].tolist() == [False, False, True]
    assert near.cost(rows) == 3 + 2 * 2 * 512
    more = Neighbourhood(labels[:20], tuple(features), SobolBlocks.from_n_points(1, 8192, 0))
    assert not TableVicinity(players, more, None, 0.75, None).contrasted(centres)[1, 0]
