"""Base of the explainers that differentiate a torch network: what is differentiated, batches, dims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from agnostix.core.base import Attribution, AttributionExplainer, OutputSelection
from agnostix.core.base.explainer import count_axes
from agnostix.core.explanation import Detail
from agnostix.core.frames import is_frame, to_array
from agnostix.core.models import Differentiable
from agnostix.core.sklearn_compat import StrOptions
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError, EngineError

if TYPE_CHECKING:
    from agnostix.neural.network import Network


_USED_IN_FIT = (
    "attention",
    "baseline",
    "bias",
    "composite",
    "layer",
    "layer_values",
    "method",
    "n_samples",
    "rule",
    "rules",
    "target",
    "token_grid",
)
"""Parameters of one method or the other on which what `fit` has learned and checked depends."""


@dataclass(frozen=True, kw_only=True)
class BatchAttribution:
    """What a method computes for a batch of rows, of the selected outputs."""

    values: Floats  # an axis for each of the explainer's dims
    scores: Floats  # (n_rows, n_selected), what was differentiated
    predictions: Floats  # (n_rows, n_outputs), all outputs
    n_model_rows: int
    std_errors: Floats | None = None
    base_values: Floats | None = None  # (n_rows, n_selected)
    completeness_gap: Floats | None = None  # (n_rows, n_selected)
    details: dict[str, Detail] = field(default_factory=dict)  # with "row" as their first dim


class NetworkExplainer(AttributionExplainer):
    """Base of explainers that differentiate a torch network.

    A subclass writes `_attribute_batch`; rows come in batches whose graphs fit into memory.
    """

    _requires = (Differentiable,)
    _doc_page = "neural.md"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AttributionExplainer._parameter_constraints,
        "target": [StrOptions({"logits", "predictions"})],
    }
    target: str
    layer: Any = None
    _n_graphs_each: int = 1
    """Rows that are in the network's graph at a time for each row."""
    _examples: Any = None

    def __sklearn_clone__(self) -> NetworkExplainer:
        twin = super().__sklearn_clone__()
        if "layer" in self.get_params(deep=False):
            twin.layer = self.layer  # modules of the network, of which a copy is none
        return twin

    @property
    def _dims(self) -> tuple[str, ...]:
        is_table = self._examples is None or count_axes(self._examples) == 2
        return ("row", "feature", "output") if is_table else ("row", "y", "x", "output")

    @property
    def _units(self) -> str:
        """Of what is differentiated: logits, where as_predictor applies an activation to them."""
        applied = self._predictor.params.get("activation", "none")
        return "logits" if self.target == "logits" and applied in ("softmax", "sigmoid") else "model output"

    @property
    def _remedy_of_infinity(self) -> str:
        """What to do about values that are not finite, for a message."""
        return "Roots and norms have none at 0, nor have quotients by 0: add a small number inside them."

    def _attribute_batch(self, network: Any, rows: Any, selection: OutputSelection) -> BatchAttribution:
        """Attributions of an array of rows (n_rows, ...), by a `Network` inside its session."""
        raise self._not_written("_attribute_batch")

    def _begin_fit(self) -> None:
        super()._begin_fit()
        self._used = {name: getattr(self, name) for name in _USED_IN_FIT if hasattr(self, name)}

    def _check_unchanged(self) -> None:
        """DataError for parameters that `fit` has used and that were changed since."""
        changed = [name for name, used in self._used.items() if not _is_same(used, getattr(self, name))]
        if changed:
            raise DataError(
                f"{type(self).__name__} was fitted with another value of {', '.join(changed)}. Call fit "
                "again."
            )

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        self._check_unchanged()
        array = as_array(rows)
        self._check_rows(array)
        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session:
            network = self._open_network(session, array.dtype)
            parts = session.in_batches(
                array,
                lambda part: self._attribute_part(network, array, part, selection),
                n_each=self._n_graphs_each,
                n_numbers=self._count_numbers(array) * selection.n_selected,
            )
        return join_batches(parts)

    def _count_numbers(self, array: Any) -> int:
        """Numbers, for each row, by which is differentiated."""
        return int(array[0].size)

    def _check_rows(self, array: Any) -> None:
        """DataError, which names the row, for tables with missing values."""
        if array.dtype.kind != "f" or np.isfinite(array).all():
            return
        row = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0]
        raise DataError(
            f"Row {row} holds NaN or infinity, for which the outputs of the model {self._predictor.name} are "
            "meaningless. Impute them first."
        )

    def _open_network(self, session: Any, dtype: Any) -> Network:
        """The network of a session, for rows of some dtype."""
        from agnostix.neural.network import Network  # torch is installed: the model is a module

        return Network(session, dtype, self.target, self.layer)

    def _attribute_part(
        self, network: Network, rows: Any, part: slice, selection: OutputSelection
    ) -> BatchAttribution:
        """Attributions of some of the rows; EngineError, which names them, where the model fails."""
        from agnostix.neural.network import failures_named

        with failures_named(self._predictor.name, part.start, part.stop - 1):
            result = self._attribute_batch(network, rows[part], selection)
            self._predictor.checked(result.predictions, part.stop - part.start)
        self._check_values(result, part, network)
        return result

    def _check_start(self, scores: Floats) -> None:
        """DataError if scores of baselines are not finite, to which nothing adds up."""
        if not np.isfinite(scores).all():
            raise DataError(
                f"The model {self._predictor.name} returns NaN or infinity for the baseline, so that there "
                "is no difference from it to explain. Use another baseline, for which it has finite outputs."
            )

    def _check_values(self, result: BatchAttribution, part: slice, network: Network) -> None:
        """EngineError, which names the row, where gradients of finite predictions are not finite."""
        bad = np.flatnonzero(~np.isfinite(result.values.reshape(len(result.values), -1)).all(axis=1))
        if bad.size == 0:
            return
        remedy = self._remedy_of_infinity
        if str(network.session.dtype) == "torch.float16":
            is_own = self._predictor.params.get("precision", "fp32") == "fp32"
            way = "(copy.deepcopy(module).float())" if is_own else "(module, precision='bf16') or 'fp32'"
            remedy = f"Half precision overflows beyond 65,504: use as_predictor{way}."
        raise EngineError(
            f"The gradients of the model {self._predictor.name} are NaN or infinite at row "
            f"{part.start + bad[0]}, whose predictions are finite. {remedy}"
        )


def join_batches(parts: Sequence[BatchAttribution]) -> Attribution:
    """Attributions of batches as those of all rows."""
    whole = join_parts(parts)
    return Attribution(
        values=whole.values,
        predictions=whole.predictions,
        outputs=whole.scores,
        std_errors=whole.std_errors,
        base_values=whole.base_values,
        completeness_gap=whole.completeness_gap,
        n_model_rows=whole.n_model_rows,
        details=whole.details,
    )


def join_parts(parts: Sequence[BatchAttribution]) -> BatchAttribution:
    """Attributions of parts of a batch as those of all of it."""

    def join(get: Callable[[BatchAttribution], Any]) -> Any:
        arrays = [get(part) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    return BatchAttribution(
        values=join(lambda part: part.values),
        scores=join(lambda part: part.scores),
        predictions=join(lambda part: part.predictions),
        n_model_rows=sum(part.n_model_rows for part in parts),
        std_errors=join(lambda part: part.std_errors),
        base_values=join(lambda part: part.base_values),
        completeness_gap=join(lambda part: part.completeness_gap),
        details={
            name: Detail(np.concatenate([part.details[name].array for part in parts]), detail.dims)
            for name, detail in parts[0].details.items()
        },
    )


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of a parameter are equal; arrays may be among them."""
    try:
        return one is other or bool(np.all(one == other))
    except ValueError:  # arrays of other shapes
        return False


def as_array(rows: Any) -> Any:
    """Rows of a table, or images, as an array."""
    return to_array(rows) if is_frame(rows) else np.asarray(rows)


def as_floats(tensor: Any) -> Floats:
    """A tensor as an array of float64."""
    from agnostix.core.models import torch_functional  # torch is installed: the model is a module

    return torch_functional.to_array(tensor)
