"""Additive models, f(x) = c + sum_j f_j(x_j), and the moments of their parts under LIME's samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.features import distinct_rows
from agnostix.core.frames import build_table, column_values, take_rows
from agnostix.core.row_sources import TableRows
from agnostix.core.typing import Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.lime.exact_moments import ModelMoments, additive_moments
from agnostix.lime.features import BinnedFeature, Resampling, TruncatedNormals
from agnostix.lime.neighborhood import Evaluate
from agnostix.lime.tabular_samples import TabularSampler
from agnostix.lime.truncated_normal import bin_moments

_TOLERANCE = 1e-6
"""Error of the sum of the parts, relative to the largest prediction, that is rounding (also in float32)."""


@dataclass(frozen=True)
class ResampledValues:
    """The distinct values of a feature that is sampled from observed rows.

    Attributes
    ----------
    columns : list of (n,), one for each column of the feature
    bins : int (n,)
    weights : (n,)
        Summing to 1 within each bin.
    """

    columns: list[Any]
    bins: Codes
    weights: Numbers

    @classmethod
    def from_feature(cls, feature: BinnedFeature) -> ResampledValues:
        distribution = feature.distribution
        assert isinstance(distribution, Resampling)
        first, which = distinct_rows(distribution.rows)
        bins = np.ceil(distribution.ends).astype(np.intp) - 1
        starts = np.where(np.append(True, bins[1:] != bins[:-1]), bins, np.roll(distribution.ends, 1))
        weights = np.bincount(which, distribution.ends - starts)
        kept = take_rows(distribution.rows, first)
        return cls([column_values(kept, j) for j in range(kept.shape[1])], bins[first], weights)

    def bin_means(self, values: Floats, n_bins: int) -> Floats:
        """Means (n_bins, n_columns) of a function's values (n, n_columns)."""
        weighted = self.weights[:, None] * values
        return np.stack([np.bincount(self.bins, one, n_bins) for one in weighted.T], axis=1)


@dataclass(frozen=True)
class AdditiveModel:
    """A model with a part for each feature of a sampler, all with bins; `model_name` is for errors."""

    evaluate: Evaluate
    model_name: str
    sampler: TabularSampler

    def moments(self, bins: Codes, r: float) -> tuple[ModelMoments, int]:
        """Moments near rows with bins (n_rows, n_features), and model rows; DataError if not additive."""
        base, n_model_rows = self._check_additive()
        means, squares, frequencies = [], [], []
        for j, feature in enumerate(self.sampler.features):
            assert isinstance(feature, BinnedFeature)
            by_bin, n_more = self._bin_moments(j, feature, base)
            n_model_rows += n_more
            means.append(by_bin[:, 0])
            squares.append(by_bin[:, 1])
            frequencies.append(feature.frequencies)
        parts = additive_moments(means, frequencies, bins, r, squares)
        assert parts.square is not None
        mean = parts.mean + base
        return ModelMoments(mean, parts.kappa, parts.square - parts.mean**2 + mean**2), n_model_rows

    def unseen_effects(self, X: Any, rows: Codes, j: int) -> tuple[Floats, int]:
        """Effects (n, n_outputs) of a feature in some rows against its observed mean, and model rows."""
        feature: Any = self.sampler.features[j]
        columns = [column_values(take_rows(X, rows), position) for position in feature.positions]
        predictions = self._predict_with(j, columns)
        by_bin, n_model_rows = self._bin_moments(j, feature, 0.0)
        return predictions - feature.frequencies @ by_bin[:, 0], predictions.shape[0] + n_model_rows

    def _bin_moments(self, j: int, feature: BinnedFeature, base: Floats | float) -> tuple[Floats, int]:
        """Means of f_j and its square in each bin, (n_bins, 2, n_outputs), and model rows."""
        if isinstance(feature.distribution, TruncatedNormals):
            observed = np.flatnonzero(feature.frequencies)
            return bin_moments(feature.distribution, observed, lambda x: self._predict_with(j, [x]) - base)
        values = ResampledValues.from_feature(feature)
        part = self._predict_with(j, values.columns) - base
        powers = [values.bin_means(power, feature.frequencies.size) for power in (part, part**2)]
        return np.stack(powers, axis=1), part.shape[0]

    def _check_additive(self) -> tuple[Floats, int]:
        """The prediction c for the first known row, whose parts must add up at the others; and model rows."""
        known = self.sampler.template
        predictions, _ = self.evaluate(TableRows(known))
        sums = np.broadcast_to(predictions[0], predictions.shape).copy()
        for j, feature in enumerate(self.sampler.features):
            columns = [column_values(known, position) for position in feature.positions]
            sums += self._predict_with(j, columns) - predictions[0]
        error = np.abs(predictions - sums).max(axis=1)
        if error.max() > _TOLERANCE * np.abs(predictions).max():
            row = int(error.argmax())
            raise DataError(
                f"explain_exact got additive=True, but the model {self.model_name} is not a sum of functions "
                f"of single features: where its parts sum to {sums[row, -1]:.6g}, it predicts "
                f"{predictions[row, -1]:.6g}. Use LimeExplainer.explain, or feature_groups for columns that "
                "interact."
            )
        return predictions[0], known.shape[0] * (1 + len(self.sampler.features))

    def _predict_with(self, j: int, columns: Sequence[Any]) -> Floats:
        """Predictions (n, n_outputs) for the first known row with other values (n,) of one feature."""
        known = self.sampler.template
        first = take_rows(known, np.zeros(len(columns[0]), dtype=np.intp))
        whole = {k: column_values(first, k) for k in range(known.shape[1])}
        whole |= dict(zip(self.sampler.features[j].positions, columns, strict=True))
        return self.evaluate(TableRows(build_table(known, whole)))[0]
