"""A masker of one's own, of time series by thirds: what it takes to explain another kind of input."""

from dataclasses import dataclass

import numpy as np
import pytest

from agnostix import KernelShapExplainer, LimeExplainer, OcclusionExplainer
from agnostix.core.features import Features
from agnostix.core.masking import fill_subsets


@dataclass(frozen=True)
class ThirdsMasker:
    """Hides the first, middle or last third of a series behind that of background series."""

    background: np.ndarray  # (n_background, n_times)
    merges, mask_distribution, same_features = False, "bernoulli", True

    @property
    def weights(self):
        return np.full(len(self.background), 1 / len(self.background))

    def draws(self, masks):
        return fill_subsets(masks, self.weights)  # every background series, for each mask

    def read(self, X):
        return MaskedSeries(np.asarray(X, dtype=float), self.background)


@dataclass(frozen=True)
class MaskedSeries:
    """Series (n_rows, n_times) and their thirds."""

    unmasked: np.ndarray
    background: np.ndarray
    features = Features.without_columns(["first", "middle", "last"])

    def __len__(self):
        return len(self.unmasked)

    def __getitem__(self, places):
        return MaskedSeries(self.unmasked[places], self.background)

    @property
    def thirds(self):  # (n_times,): the feature of each time
        return np.arange(self.n_values) * 3 // self.n_values

    @property
    def present(self):  # where rows have features of their own, such as words, some are absent
        return np.ones((len(self), 3), dtype=bool)

    varying = present  # all, though some may equal the background: that costs only time

    @property
    def data(self):
        return self.unmasked

    @property
    def n_values(self):
        return self.unmasked.shape[1]

    def details(self):
        return {}

    def distinct(self):  # first row of each kind, kind of each row: here each is of its own kind
        return np.arange(len(self)), np.arange(len(self))

    def builder(self, rows, capacity):
        return SeriesBuilder(self[rows])

    def compose(self, rows):  # only models that put masked rows together themselves need it
        return None


@dataclass(frozen=True)
class SeriesBuilder:
    """Builds series with thirds hidden. A cell is one series under one draw: a mask and a background row."""

    own: MaskedSeries

    def distinct(self, block):
        return None

    def build(self, block, cells):
        draw, row = np.divmod(np.arange(block.n_draws * len(self.own))[cells], len(self.own))
        mask = np.searchsorted(block.starts, draw, side="right") - 1
        kept = block.masks[mask][:, self.own.thirds]
        return np.where(kept, self.own.unmasked[row], self.own.background[block.rows[draw]])

    def is_whole(self, table):  # each table is new, so that a model may write into it
        return True


RNG = np.random.default_rng(0)
X, BACKGROUND, SLOPES = RNG.normal(size=(6, 12)), RNG.normal(size=(5, 12)), RNG.normal(size=12)


def linear(X):
    """Sums whose bits do not depend on the number of rows."""
    return sum(X[:, j] * SLOPES[j] for j in range(12))


def effects(background):
    """Of each third on the linear model, whatever the method."""
    return ((X - background.mean(0)) * SLOPES).reshape(6, 3, 4).sum(axis=2)


@pytest.mark.parametrize("method", [KernelShapExplainer, OcclusionExplainer])
def test_own_masker_gives_effects_on_linear_model(method):
    explainer = method(linear, masker=ThirdsMasker(BACKGROUND), random_state=0).fit(X)
    exp = explainer.explain(X)
    assert exp.feature_names == ("first", "middle", "last")
    np.testing.assert_allclose(exp.values[:, :, 0], effects(BACKGROUND), atol=1e-8)
    np.testing.assert_array_equal(explainer.explain(X[[3]]).values, exp.values[[3]])
    assert exp.n_model_rows <= explainer.cost(X)


def test_own_masker_of_one_fill_goes_to_lime():
    one = BACKGROUND[:1]
    exp = LimeExplainer(linear, masker=ThirdsMasker(one), random_state=0).fit(X).explain(X)
    np.testing.assert_allclose(exp.values[:, :, 0], effects(one), rtol=0.05, atol=0.02)
