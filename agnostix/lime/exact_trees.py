"""Models that are sums of trees as sums of boxes over the bins of a sampler: their leaves.

A side of a box is what the way to a leaf asks of one feature: that columns which the trees compare, and which
stem from it, are within an interval or in sets of codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostix.core.frames import build_table, column_values, take_rows, without_index
from agnostix.core.models import Predictor
from agnostix.core.trees import TreeModel, read_trees
from agnostix.core.typing import Bools, Codes, Floats, Numbers
from agnostix.exceptions import DataError
from agnostix.lime.exact_additive import ResampledValues
from agnostix.lime.exact_moments import Boxes, ModelMoments, box_moments
from agnostix.lime.features import BinnedFeature, TruncatedNormals
from agnostix.lime.tabular_samples import TabularSampler
from agnostix.lime.truncated_normal import truncnorm_cdf

_N_CHECKED = 256
"""Samples on which the model is read."""
_N_PROBES = 9
"""Numbers at which a column that steps make of a number is seen to be a straight line."""
_STRAIGHT = 1e-5
"""By how much it may bend, relative to its range."""
_OF_KERNEL_SHAP = re.compile(r"(?<=[.]) [^.]*(?:KernelSHAP|algorithm='kernel').*", re.DOTALL)
"""What a reader says that another explainer could do."""


def tree_moments(
    predictor: Predictor, features: Any, sampler: TabularSampler, bins: Codes, r: float
) -> tuple[ModelMoments, int]:
    """Moments of a model that is a sum of trees near rows with bins (n_rows, n_features), and model rows."""
    model = _read(predictor, features, sampler)
    sides = LeafSides(model, len(sampler.features))
    probabilities = [_probabilities(model, sampler, j, one) for j, one in enumerate(sides.of_feature)]
    boxes = Boxes(probabilities, sides.factors(), sides.values())
    frequencies = [one.frequencies for one in sampler.features if isinstance(one, BinnedFeature)]
    is_tree = model.ensemble.n_trees == 1 and not model.ensemble.constant.any()
    return box_moments(boxes, frequencies, bins, r, disjoint=is_tree), model.n_model_rows


def _read(predictor: Predictor, features: Any, sampler: TabularSampler) -> TreeModel:
    table = sampler.build_table(sampler.sample(slice(0, min(_N_CHECKED, sampler.points.n_points))))
    try:
        model = read_trees(predictor, table, features)
    except DataError as error:
        reason = _OF_KERNEL_SHAP.sub("", str(error))
        raise DataError(
            f"explain_exact reads sums of trees, and cannot read {predictor.name}: {reason} Pass "
            "additive=True if it is a sum of functions of single features, or use LimeExplainer.explain."
        ) from error
    if model.is_margin:
        raise DataError(
            f"explain_exact reads sums of trees, and those of {predictor.name} are margins, of which its "
            f"{predictor.response} is a function. Explain as_predictor(model, output='decision_function') if "
            "it has one, or use LimeExplainer.explain."
        )
    return model


@dataclass(frozen=True)
class Interval:
    """What the way to a leaf asks of a column: not <= low, <= high (None for no end), and splits on codes."""

    low: Any = None
    high: Any = None
    codes: tuple[tuple[int, bool], ...] = ()  # nodes, and whether the way goes left there

    def narrowed(self, threshold: Any, goes_left: bool) -> Interval:
        """With one split more."""
        if goes_left:
            return Interval(
                self.low, threshold if self.high is None else min(self.high, threshold), self.codes
            )
        return Interval(threshold if self.low is None else max(self.low, threshold), self.high, self.codes)

    def is_met(self, model: TreeModel, column: Numbers, read: Numbers) -> Bools:
        """By which rows (n_rows,), from the column and all columns `read`."""
        met = np.ones(column.size, dtype=bool)
        if self.low is not None:
            met &= ~(column <= self.low)
        if self.high is not None:
            met &= column <= self.high
        for node, goes_left in self.codes:
            met &= model.ensemble.goes_left(np.array([node]), read)[0] == goes_left
        return met


Side = tuple[tuple[int, Interval], ...]
"""Columns that stem from one feature, and the interval of each."""


class LeafSides:
    """The sides of all leaves, each once, by feature."""

    def __init__(self, model: TreeModel, n_features: int) -> None:
        self._model, ensemble = model, model.ensemble
        self.of_feature: list[dict[Side, int]] = [{} for _ in range(n_features)]  # and their numbers there
        self._leaves: list[int] = []
        self._boxes: list[list[tuple[int, int]]] = []
        start: dict[int, Interval] = {}
        stack = [(int(root), start) for root in ensemble.roots]
        while stack:
            node, box = stack.pop()
            if ensemble.left[node] < 0:
                self._leaves.append(node)
                self._boxes.append(self._number(box))
                continue
            column, threshold = int(ensemble.column[node]), ensemble.threshold[node]
            known = box.get(column, Interval())
            for child, goes_left in ((ensemble.left[node], True), (ensemble.right[node], False)):
                if ensemble.subset[node] >= 0:
                    more = Interval(known.low, known.high, (*known.codes, (node, goes_left)))
                else:
                    more = known.narrowed(threshold, goes_left)
                stack.append((int(child), box | {column: more}))

    def _number(self, box: dict[int, Interval]) -> list[tuple[int, int]]:
        """Feature and number of each side of a box."""
        by_feature: dict[int, list[tuple[int, Interval]]] = {}
        for column in sorted(box):
            by_feature.setdefault(int(self._model.owner[column]), []).append((column, box[column]))
        numbered = []
        for feature, parts in by_feature.items():
            sides = self.of_feature[feature]
            numbered.append((feature, sides.setdefault(tuple(parts), len(sides))))
        return numbered

    def factors(self) -> Codes:
        """Sides of each box, numbered through feature after feature, -1 where it has fewer: (n_boxes, n)."""
        n_sides = np.array([len(sides) for sides in self.of_feature])
        first = np.cumsum(n_sides) - n_sides
        width = max((len(box) for box in self._boxes), default=0)
        factors = np.full((len(self._boxes) + 1, width), -1)  # the last is the constant
        for box, sides in enumerate(self._boxes):
            factors[box, : len(sides)] = [first[feature] + number for feature, number in sides]
        return factors

    def values(self) -> Floats:
        """Values of each box, and the constant, (n_boxes, n_outputs)."""
        ensemble = self._model.ensemble
        leaves = np.array(self._leaves, dtype=np.intp)
        values = ensemble.values[leaves]
        if (ensemble.outputs >= 0).any():
            output = np.repeat(ensemble.outputs, ensemble.sizes)[leaves]
            values = np.where(output[:, None] == np.arange(ensemble.n_outputs), values[:, :1], 0.0)
        return np.concatenate([values, ensemble.constant[None]])


def _probabilities(model: TreeModel, sampler: TabularSampler, j: int, sides: dict[Side, int]) -> Floats:
    """Probability of being on each side of a feature within each bin, (n_sides, n_bins)."""
    feature = sampler.features[j]
    assert isinstance(feature, BinnedFeature)
    n_bins = feature.frequencies.size
    if not sides:
        return np.empty((0, n_bins))
    if isinstance(feature.distribution, TruncatedNormals):
        return _normal_probabilities(model, sampler, feature, feature.distribution, list(sides))
    values = ResampledValues.from_feature(feature)
    read = _read_values(model, sampler, feature, values.columns)
    met = [_is_on(model, side, read) for side in sides]
    return values.bin_means(np.stack(met, axis=1).astype(float), n_bins).T


def _read_values(model: TreeModel, sampler: TabularSampler, feature: Any, columns: list[Any]) -> Numbers:
    """Columns (n_columns, n_values) that trees compare, where a feature has values (n_values,)."""
    like = take_rows(sampler.template, np.zeros(len(columns[0]), dtype=np.intp))
    made = {place: column_values(like, place) for place in range(like.shape[1])}
    made |= dict(zip(feature.positions, columns, strict=True))
    return model.read(build_table(without_index(like), made))


def _is_on(model: TreeModel, side: Side, read: Numbers) -> Bools:
    parts = [interval.is_met(model, read[column], read) for column, interval in side]
    return np.logical_and.reduce(parts)


def _normal_probabilities(
    model: TreeModel, sampler: TabularSampler, feature: Any, normals: TruncatedNormals, sides: list[Side]
) -> Floats:
    """The same of a number that is a truncated normal within each bin, or one value."""
    is_point = ~(normals.low < normals.high)
    there = feature.frequencies > 0.0
    at_points = np.where(there, normals.low, np.nanmin(normals.low)).astype(normals.dtype)
    read = _read_values(model, sampler, feature, [at_points])
    low, high = np.nanmin(normals.low), np.nanmax(normals.high)
    probes = np.linspace(low, high, _N_PROBES).astype(normals.dtype)
    lines = _Lines(probes.astype(float), _read_values(model, sampler, feature, [probes]), feature.coding.name)
    found = np.empty((len(sides), feature.frequencies.size))
    for number, side in enumerate(sides):
        found[number] = _is_on(model, side, read)
        ends = lines.ends(side) if (there & ~is_point).any() else (low, high)
        for code in np.flatnonzero(there & ~is_point):
            limits = normals.mean[code], normals.sd[code], normals.low[code], normals.high[code]
            start, stop = (truncnorm_cdf(np.array([end]), *limits)[0] for end in ends)
            found[number, code] = max(stop - start, 0.0)
    return found


@dataclass(frozen=True)
class _Lines:
    """Columns (n_columns, n_probes) that steps make of numbers (n_probes,), as straight lines."""

    numbers: Floats
    columns: Numbers
    name: str

    def ends(self, side: Side) -> tuple[float, float]:
        """Ends of the numbers that are on a side."""
        low, high = -np.inf, np.inf
        for column, interval in side:
            slope, level = self._line(column)
            known = (interval.low, interval.high)
            ends = [None if end is None else (float(end) - level) / slope for end in known]
            start, stop = ends if slope > 0.0 else ends[::-1]
            low = low if start is None else max(low, start)
            high = high if stop is None else min(high, stop)
            if interval.codes:
                raise self._refusal()
        return low, high

    def _line(self, column: int) -> tuple[float, float]:
        made = self.columns[column].astype(float)
        if np.array_equal(self.columns[column], self.numbers.astype(self.columns.dtype)):
            return 1.0, 0.0
        width = self.numbers[-1] - self.numbers[0]
        slope = (made[-1] - made[0]) / width
        level = made[0] - slope * self.numbers[0]
        bend = np.abs(made - (slope * self.numbers + level)).max()
        if slope == 0.0 or not bend <= _STRAIGHT * np.ptp(made):
            raise self._refusal()
        return float(slope), float(level)

    def _refusal(self) -> DataError:
        return DataError(
            f"explain_exact follows numbers through scaling alone, and what stands before the trees makes "
            f"something else of column {self.name!r}. Use LimeExplainer.explain."
        )
