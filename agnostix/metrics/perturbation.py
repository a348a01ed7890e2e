"""Predictions of perturbed rows: which units of a row are hidden, each row with masks of its own.

A `MaskJob` puts the units of one row into groups and hides groups of them. Jobs of one row share what they
have in common: equal masks are evaluated once, and nothing is evaluated where nothing is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agnostix.core.evaluate import evaluate
from agnostix.core.masking import MaskBlock
from agnostix.core.models import MaskComposer, Predictor
from agnostix.core.row_sources import ModelCaller, RowSource, batch_rows
from agnostix.core.typing import Bools, Codes, Floats
from agnostix.metrics.remembered import RememberingPredictor, keys_of_masks, keys_of_units, new_masks
from agnostix.metrics.units import Units

MOST_TOGETHER = 4096
"""Model rows in an item of several rows."""


@dataclass(frozen=True)
class MaskJob:
    """Masks of one row: unit u is hidden by mask m unless masks[m, groups[u]]."""

    row: int
    groups: Codes | Callable[[], Codes]  # (n_units,), or what gives it when it is needed
    masks: Bools  # (n_masks, n_groups), True where the row's own values stay

    def read_groups(self) -> Codes:
        """Group of each unit, (n_units,)."""
        return self.groups() if callable(self.groups) else self.groups


@dataclass(frozen=True)
class RowMasks:
    """The distinct masks of one row's jobs that hide anything."""

    groups: tuple[Codes, ...]  # (n_units,) of each job
    masks: tuple[Bools, ...]  # (n_evaluated, n_groups) of each job: those not seen in a job before
    units: Bools  # (n_evaluated, n_units) of all jobs
    places: tuple[Codes, ...]  # (n_masks,) of each job: among the evaluated, -1 where nothing is hidden

    @classmethod
    def from_jobs(cls, jobs: Sequence[MaskJob]) -> RowMasks:
        """Masks by what they hide, each once."""
        known: dict[bytes, int] = {}
        every_groups, kept, units, places = [], [], [], []
        for job in jobs:
            groups = job.read_groups()
            own, fresh = np.empty(len(job.masks), dtype=np.intp), []
            by_unit = job.masks[:, groups]
            for m, mask in enumerate(by_unit):
                if mask.all():
                    own[m] = -1
                    continue
                key = np.packbits(mask).tobytes()
                if key not in known:
                    known[key] = len(known)
                    fresh.append(m)
                own[m] = known[key]
            every_groups.append(groups)
            kept.append(job.masks[fresh])
            units.append(by_unit[fresh])
            places.append(own)
        return cls(tuple(every_groups), tuple(kept), np.concatenate(units), tuple(places))


@dataclass
class MaskJobRows(RowSource):
    """Rows under masks of their own. An item is all jobs of a row, or of several rows where each is small."""

    units: Units
    jobs: tuple[tuple[int, tuple[MaskJob, ...]], ...]  # by row
    outputs: Codes  # (n_rows, n_selected)
    origin: Floats | None = None  # (n_rows, n_outputs): squared differences from it are averaged
    n_together: int = 1
    is_composed: bool = False
    _item: tuple[int, Any] = field(default=(-1, None), init=False, repr=False)

    @classmethod
    def from_jobs(cls, units: Units, jobs: Sequence[MaskJob], outputs: Codes) -> MaskJobRows:
        """Jobs put together by row."""
        by_row: dict[int, list[MaskJob]] = {}
        for job in jobs:
            by_row.setdefault(job.row, []).append(job)
        return cls(units, tuple((row, tuple(own)) for row, own in by_row.items()), outputs)

    @property
    def n_items(self) -> int:
        return -(-len(self.jobs) // self.n_together)

    @property
    def n_columns(self) -> int:
        return self.units.rows.n_values

    @property
    def n_evaluations(self) -> int:
        return sum(len(job.masks) for _, own in self.jobs for job in own)

    def plan(self, predictor: Predictor, n_outputs: int, n_workers: int, n_kept: int) -> MaskJobRows:
        rows = self.units.rows
        is_composed = (
            predictor.supports(MaskComposer) and rows.compose(np.array([self.jobs[0][0]])) is not None
        )
        most = max(sum(len(job.masks) for job in own) for _, own in self.jobs)
        n_each = most * np.size(self.units.masker.weights)
        room = min(batch_rows(self.n_columns, n_outputs, n_workers), MOST_TOGETHER)
        alone = is_composed or self.units.masker.merges
        n_together = 1 if alone else max(1, min(room // n_each, -(-len(self.jobs) // n_workers)))
        return replace(self, n_together=int(n_together), is_composed=is_composed)

    def for_worker(self) -> MaskJobRows:
        return replace(self)

    def n_rows(self, block: int) -> int:
        return int(self._prepare(block).cells.size)

    def parts(self, block: int, batch_size: int) -> list[slice]:
        return [slice(0, self.n_rows(block))] if self.is_composed else super().parts(block, batch_size)

    def build(self, block: int, part: slice) -> Any:
        return self._prepare(block).build(part)

    def predict(self, block: int, part: slice, caller: ModelCaller) -> Floats:
        return self._compose(block, caller) if self.is_composed else super().predict(block, part, caller)

    def describe(self, block: int, part: slice | None = None) -> str:
        rows = [row for row, _ in self._jobs_of(block)]
        where = f"row {rows[0]}" if len(rows) == 1 else f"rows {rows[0]} to {rows[-1]}"
        return f"{where} with {self.units.kind}s hidden"

    def collect_means(self, item: int, predictions: Floats) -> list[Floats]:
        """Mean predictions over fills (n_masks, n_selected) of each job, NaN where nothing is hidden."""
        return self._prepare(item).means(predictions, self.outputs, self.origin)

    def _jobs_of(self, item: int) -> tuple[tuple[int, tuple[MaskJob, ...]], ...]:
        return self.jobs[item * self.n_together : (item + 1) * self.n_together]

    def _prepare(self, item: int) -> PreparedItem:
        if self._item[0] != item:
            self._item = -1, None  # before another is made
            self._item = item, PreparedItem.from_jobs(self.units, self._jobs_of(item), self.is_composed)
        prepared: PreparedItem = self._item[1]
        return prepared

    def _compose(self, item: int, caller: ModelCaller) -> Floats:
        """Predictions (n_cells, n_outputs) of one row, whose groups are the segments that are hidden."""
        prepared = self._prepare(item)
        pieces = self.units.rows.compose(prepared.rows)
        assert pieces is not None
        masks = prepared.masks[0]
        outputs, place = [], 0
        for groups, own in zip(masks.groups, masks.masks, strict=True):
            draws = prepared.block.draws[place : place + len(own)]
            place += len(own)
            outputs.append(_compose_job(caller, pieces, groups, own, draws))
        return np.concatenate([one for one in outputs if len(one)])


def _compose_job(caller: ModelCaller, pieces: Any, groups: Codes, masks: Bools, draws: Any) -> Floats:
    """Predictions (n_draws of all masks, n_outputs) of one row; masks with the same fills go together."""
    if len(masks) == 0:
        return np.empty((0, 0))
    by_fill: dict[bytes, list[int]] = {}
    for mask, subset in enumerate(draws):
        by_fill.setdefault(subset.rows.tobytes(), []).append(mask)
    parts: list[Any] = [None] * len(masks)
    for some in by_fill.values():
        fill = pieces.fill[:, draws[some[0]].rows]
        predictions = caller.predict_masked(pieces.x, masks[some], fill, groups[pieces.labels])
        for place, mask in enumerate(some):
            parts[mask] = predictions[0, place]
    return np.concatenate(parts)


@dataclass
class PreparedItem:
    """All perturbed rows of an item: cells are counted by draw of a mask, each of its own row."""

    jobs: tuple[tuple[int, tuple[MaskJob, ...]], ...]
    rows: Codes  # (n_rows,) of the item
    masks: tuple[RowMasks, ...]  # of each row
    block: MaskBlock
    cells: Codes  # those that are evaluated
    inverse: Codes | None  # for each draw the place of its cell among them, where equal ones are merged
    builder: Any = None

    @classmethod
    def from_jobs(cls, units: Units, jobs: Any, is_composed: bool) -> PreparedItem:
        """Masks, draws and cells of the jobs of some rows."""
        rows = np.array([row for row, _ in jobs])
        masks = tuple(RowMasks.from_jobs(own) for _, own in jobs)
        every = np.concatenate([one.units for one in masks])
        block = MaskBlock(slice(0, len(every)), every, tuple(units.masker.draws(every)))
        owner = np.repeat(np.arange(rows.size), [len(one.units) for one in masks])
        of_draw = np.repeat(owner, np.diff(block.starts))
        cells = np.arange(block.n_draws) * rows.size + of_draw
        if is_composed:
            return cls(jobs, rows, masks, block, cells, None)
        builder = units.rows.builder(rows, 0)
        merged = builder.distinct(block) if rows.size == 1 and len(every) else None
        if merged is None:
            return cls(jobs, rows, masks, block, cells, None, builder)
        return cls(jobs, rows, masks, block, merged[0], merged[1], builder)

    def build(self, part: slice) -> Any:
        """The model's input for some of the cells."""
        return self.builder.build(self.block, self.cells[part])

    def means(self, predictions: Floats, outputs: Codes, origin: Floats | None = None) -> list[Floats]:
        """From predictions (n_cells, n_outputs) to means (n_masks, n_selected) of each job.

        With an origin (n_rows of all items, n_outputs) to means of squared differences from it.
        """
        every = predictions if self.inverse is None else predictions[self.inverse]
        if origin is not None:
            of_mask = np.repeat(self.rows, [len(one.units) for one in self.masks])
            every = (every - origin[np.repeat(of_mask, np.diff(self.block.starts))]) ** 2
        means, start, results = np.empty((0, 0)), 0, []
        if self.block.n_draws:
            apart, middle = self.block.counted(every)
            means = self.block.averaging @ apart + middle
        for (row, _), masks in zip(self.jobs, self.masks, strict=True):
            own = means[start : start + len(masks.units)]
            start += len(masks.units)
            for places in masks.places:
                taken = np.full((places.size, outputs.shape[1]), np.nan)
                hides = places >= 0
                taken[hides] = own[places[hides]][:, outputs[row]] if hides.any() else 0.0
                results.append(taken)
        return results


def predict_jobs(
    predictor: Predictor,
    units: Units,
    jobs: Sequence[MaskJob],
    outputs: Codes,
    predictions: Floats,
    **options: Any,
) -> tuple[list[Floats], int]:
    """Mean predictions over fills (n_masks, n_selected) of each job, and model rows.

    `outputs` (n_rows, n_selected) are those of each row, and `predictions` (n_rows, n_outputs) are known.
    Options are those of `evaluate_jobs`. A predictor that remembers evaluates what it has not seen.
    """
    if not isinstance(predictor, RememberingPredictor):
        return evaluate_jobs(predictor, units, jobs, outputs, predictions, **options)
    rows = keys_of_units(predictor, units)
    kind = str(options.get("squared", False)).encode()
    keys = [
        keys_of_masks(rows[job.row], outputs[job.row], kind, job.read_groups(), job.masks) for job in jobs
    ]
    fresh = new_masks(predictor.known, keys)
    new_jobs = [replace(job, masks=job.masks[own]) for job, own in zip(jobs, fresh, strict=True) if own]
    results, n_model_rows = evaluate_jobs(predictor, units, new_jobs, outputs, predictions, **options)
    in_turn = iter(results)
    for own_keys, own in zip(keys, fresh, strict=True):
        if own:
            predictor.known.update(
                {own_keys[place]: row for place, row in zip(own, next(in_turn), strict=True)}
            )
    return [np.stack([predictor.known[key] for key in own]) for own in keys], n_model_rows


def evaluate_jobs(
    predictor: Predictor,
    units: Units,
    jobs: Sequence[MaskJob],
    outputs: Codes,
    predictions: Floats,
    *,
    squared: bool = False,
    n_jobs: int | None = None,
    verbose: Any = 1,
) -> tuple[list[Floats], int]:
    """As `predict_jobs`, by the model; `squared`: means of squared differences from the predictions."""
    source = MaskJobRows.from_jobs(units, [job for job in jobs if _hides(job)], outputs)
    source = replace(source, origin=predictions if squared else None)
    results: list[Any] = [np.full((len(job.masks), outputs.shape[1]), np.nan) for job in jobs]
    n_model_rows = 0
    if source.jobs:
        evaluated, n_model_rows = evaluate(
            predictor,
            source,
            MaskJobRows.collect_means,
            n_outputs=predictions.shape[1],
            n_jobs=n_jobs,
            verbose=verbose,
        )
        in_turn = iter([one for item in evaluated for one in item])
        by_job = {id(job): next(in_turn) for _, own in source.jobs for job in own}
        results = [by_job.get(id(job), result) for job, result in zip(jobs, results, strict=True)]
    for job, result in zip(jobs, results, strict=True):
        whole = np.isnan(result).all(axis=1)  # predictions are finite
        result[whole] = 0.0 if squared else predictions[job.row, outputs[job.row]]
    return results, n_model_rows


def _hides(job: MaskJob) -> bool:
    return not bool(job.masks.all())
