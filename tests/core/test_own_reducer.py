"""A statistic of one's own over the background, in place of `MeanAndVariance`."""

import numpy as np

from agnostix.core.evaluate import evaluate
from agnostix.core.features import Features
from agnostix.core.masking import TabularMasker
from agnostix.core.models import as_predictor
from agnostix.core.row_sources import MaskedRowSource


class Extremes:
    """Reducer to the least and the greatest prediction over the background, (n_rows, n_masks, n_outputs)."""

    n_kept = 2

    def reduce_block(self, predictions, block):
        # predictions (n_draws, n_rows, n_outputs): of mask m those in block.spans[m], with the weights
        # block.draws[m].weights. Rows must not be mixed: each is explained as if it were alone.
        return np.array(
            [[predictions[span].min(axis=0), predictions[span].max(axis=0)] for span in block.spans]
        )

    def finalize(self, blocks):
        return blocks[:, 0].transpose(1, 0, 2), blocks[:, 1].transpose(1, 0, 2)


def model(X):
    return X[:, 0] * X[:, 1] - X[:, 2]


def test_own_reducer_gives_extremes_over_background():
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
    masker = TabularMasker(background, np.full(7, 1 / 7), Features.from_names(["a", "b", "c"]))
    masks = ~np.eye(3, dtype=bool)
    source = MaskedRowSource.from_rows(masker, masker.read(X), masks)
    (least, greatest), n_model_rows = evaluate(as_predictor(model), source, Extremes(), n_outputs=1)
    for row, x in enumerate(X):
        for j in range(3):
            hidden = np.tile(x, (7, 1))
            hidden[:, j] = background[:, j]
            expected = model(hidden)
            assert (least[row, j, 0], greatest[row, j, 0]) == (expected.min(), expected.max())
    assert n_model_rows == 5 * 3 * 7
