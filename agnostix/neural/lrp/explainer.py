"""Layer-wise relevance propagation (Bach et al., 2015) of torch networks, and what of it is absorbed."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from agnostix.core.base import Attribution, OutputSelection
from agnostix.core.base.explainer import read_rows_like
from agnostix.core.explanation import Detail
from agnostix.core.models import Differentiable
from agnostix.core.sklearn_compat import StrOptions
from agnostix.core.typing import Codes, Floats
from agnostix.neural.base import BatchAttribution, as_array, as_floats, join_parts
from agnostix.neural.layer_axes import Axes
from agnostix.neural.layer_base import LayerExplainer
from agnostix.neural.lrp.box import Box
from agnostix.neural.lrp.composites import Composite, check_composite
from agnostix.neural.lrp.conservation import CAUSES

if TYPE_CHECKING:
    from agnostix.neural.lrp.network import Relevance, RelevanceNetwork

_LARGE = 100.0
"""Times the output, from which on the absolute sum of relevance is warned of."""
_N_NAMED = 5
"""Rows that a warning names."""


class LrpExplainer(LayerExplainer):
    """Layer-wise relevance propagation: the score of a network, handed down layer by layer to its input.

    Each operation distributes the relevance of its outputs to its inputs, by
    rules that a composite assigns. What biases, stabilizers and offsets absorb on
    the way is counted where it happens.

    Parameters
    ----------
    model : torch module, or `as_predictor` of one
        The model to explain.
    composite : str, dict or callable, default="epsilon_plus"
        Which linear operation has which rule [2]_: "epsilon", "epsilon_plus",
        "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1" or
        "deep_taylor"; a dict of rules from `agnostix.neural` by the name of a
        layer, "first", "convolution", "linear" and "default", in this order, and
        `Pass` by the name of a function such as "sigmoid"; or a function from a
        `agnostix.neural.Place` to a rule. See docs/relevance.md.
    bias : {"absorbed", "distributed"}, default="absorbed"
        Whether biases keep their share of relevance, or leave it to the inputs.
    attention : {"cp_lrp", "attn_lrp"}, default="cp_lrp"
        "cp_lrp": attention weights are held, values carry the relevance [4]_.
        "attn_lrp": weights and values get half each, and it goes on through the
        softmax [3]_.
    target : {"logits", "predictions"}, default="logits"
        The score that is explained: outputs before or after the activation
        that `as_predictor` applies. They are the same where it applies none.
    layer : None, str or module, default=None
        None: relevance of the input. Else of the output of this layer, one tensor
        whose first axis is that of the rows.
    layer_values : {"places", "channels"}, default="places"
        What has a value, with `layer`. "places": each place of the layer, summed over
        channels: pixels of its maps, which have a size of their own, tokens, steps of
        a series, units of a dense layer. "channels": each channel, summed over places.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Number of workers for predictions in `fit`, as in joblib; relevance has one.
    random_state : int, RandomState, Generator or None, default=None
        Not used: nothing is drawn.
    verbose : int, default=1
        Not used: work is done in the network's batches.

    Attributes
    ----------
    output_names_ : tuple of str
        Names of all of the model's outputs.
    features_ : Features
        Names and columns of the features, for tables.
    n_features_in_ : int
        Columns seen in `fit`, or numbers in an image.

    Notes
    -----
    Values are in model output units, have quantity "relevance" and are those of
    the network's own input, after layout, range and normalization: an input of 0
    there has none, but with the rules `ZBox`, `WSquare` and `Flat`. Channels are
    summed. Values of a layer have dims ("row", "y", "x", "output") for maps, else
    ("row", "feature", "output"); units have names such as "fc1[3]", but where there is
    one for each column. ``completeness_gap`` is the part of the output that the input does not
    get; ``extras["absorbed"]`` says what "bias", "epsilon", "offset" and "softmax"
    took of it, with shape (n_rows, 4, n_outputs), each computed at the operations
    that absorb it, so that values and they sum to the output, to rounding.
    ``extras["largest_size"]`` is the largest sum of absolute relevance of an
    operation's outputs or of the input; a warning says where it is over 100 times the output.

    Rules go by operation, in whatever way it is called. Batch norm is merged into a
    linear operation right before it. Gates are held: sigmoid and its like in a
    product, the softmax of attention, divisors; at other products of two factors
    each gets half. Functions of one number pass (f(x) - f(0)) / x. Normalization
    holds its standard deviation. What has no rule is refused by its name.

    References
    ----------
    .. [1] Bach, S., Binder, A., Montavon, G., Klauschen, F., Mueller, K.-R., Samek,
       W. (2015). On pixel-wise explanations for non-linear classifier decisions by
       layer-wise relevance propagation. PLoS ONE 10(7).
       https://doi.org/10.1371/journal.pone.0130140
    .. [2] Montavon, G., Binder, A., Lapuschkin, S., Samek, W., Mueller, K.-R.
       (2019). Layer-wise relevance propagation: an overview. Explainable AI, LNCS
       11700. https://doi.org/10.1007/978-3-030-28954-6_10
    .. [3] Achtibat, R., et al. (2024). AttnLRP: attention-aware layer-wise
       relevance propagation for transformers. ICML.
       https://doi.org/10.48550/arXiv.2402.05602
    .. [4] Ali, A., et al. (2022). XAI for transformers: better explanations through
       conservative propagation. ICML. https://doi.org/10.48550/arXiv.2202.07304

    Examples
    --------
    >>> import torch
    >>> from agnostix import LrpExplainer
    >>> network = torch.nn.Linear(3, 1)
    >>> network.weight.data = torch.tensor([[1.0, -2.0, 0.5]])
    >>> network.bias.data = torch.tensor([0.25])
    >>> X = torch.ones(4, 3).numpy()
    >>> exp = LrpExplainer(network).fit(X).explain(X)
    >>> exp.values[0, :, 0].round(4)
    array([ 1. , -2. ,  0.5])
    >>> exp.extras["absorbed"].array[0, :, 0].round(4)
    array([ 0.25, -0.  ,  0.  ,  0.  ])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LayerExplainer._parameter_constraints,
        "composite": "no_validation",
        "bias": [StrOptions({"absorbed", "distributed"})],
        "attention": [StrOptions({"cp_lrp", "attn_lrp"})],
    }
    _n_graphs_each = 1
    _row_axes: Any = None
    """Where rows are in the outputs of operations."""
    _box: Box | None = None
    """Bounds of the input, for rules that need them."""
    _n_direct = 0
    """Operations on the input with rules that give relevance itself."""

    def __init__(
        self,
        model: Any,
        *,
        composite: Any = "epsilon_plus",
        bias: str = "absorbed",
        attention: str = "cp_lrp",
        target: str = "logits",
        layer: Any = None,
        layer_values: str = "places",
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.composite = composite
        self.bias = bias
        self.attention = attention
        self.target = target
        self.layer = layer
        self.layer_values = layer_values

    @property
    def _quantity(self) -> str:
        return "relevance"

    @property
    def _completeness(self) -> str:
        return "outputs"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model if it is not fitted yet, predict a few rows, and try the rules on the first.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or images
            Rows like those to explain, from which a box of a table is taken; images
            have shape (n_rows, height, width) or (n_rows, height, width, n_channels).
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, for an unfitted model.

        Returns
        -------
        self : LrpExplainer

        Raises
        ------
        ValueError
            If the rows or the parameters cannot be used, or an operation has no rule.
        """
        check_composite(self.composite, type(self).__name__)
        super().fit(X, y, sample_weight)
        rows = as_array(read_rows_like(X, self._examples, type(self).__name__))
        self._row_axes, self._n_direct = None, 0
        self._box = self._find_box(self._read_composite(), rows)
        used = self._try_rules(rows[:1])
        if self._box is None and used.box is not None:  # given by a function
            self._box = self._find_box(used, rows)
            self._try_rules(rows[:1])
        return self

    def _find_box(self, composite: Composite, rows: Any) -> Box | None:
        return Box.from_rule(composite.box, rows, self.layer is not None, type(self).__name__)

    def _read_composite(self) -> Composite:
        return Composite(self.composite, type(self).__name__, self.layer is None)

    def _try_rules(self, row: Any) -> Composite:
        """Learn where rows are in inner tensors, from one row; DataError for what has no rule."""
        from agnostix.neural.lrp.network import find_row_axes  # torch is installed: the model is a module
        from agnostix.neural.network import failures_named

        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session:
            network = self._open_network(session, row.dtype)
            with failures_named(self._predictor.name, 0, 0):
                self._row_axes = find_row_axes(network, row)
                self._n_direct = network.n_direct
                network.composite.check_used()
                self._channel_axes(network.points(row), row)
            return network.composite

    def _open_network(self, session: Any, dtype: Any) -> RelevanceNetwork:
        from agnostix.neural.lrp.network import RelevanceNetwork  # torch is installed: the model is a module

        return RelevanceNetwork(
            session,
            dtype,
            self.target,
            self.layer,
            name=self._predictor.name,
            owner=type(self).__name__,
            composite=self._read_composite(),
            attention=self.attention,
            absorbs_bias=self.bias == "absorbed",
            row_axes=self._row_axes,
            box=self._box,
            n_direct=self._n_direct,
        )

    @property
    def _remedy_of_infinity(self) -> str:
        if self.bias == "absorbed":
            return super()._remedy_of_infinity
        return (
            "Without its bias, an output may be a sum of nearly 0 whose shares are of any size: use "
            "bias='absorbed', or composite={'default': ZPlus()}."
        )

    def _check_rows(self, array: Any) -> None:
        super()._check_rows(array)
        if self._box is not None:
            self._box.check(array, type(self).__name__)

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        attribution = super()._attribute(rows, selection)
        self._warn_of_size(attribution, selection.names)
        return attribution

    def _attribute_batch(
        self, network: RelevanceNetwork, rows: Any, selection: OutputSelection
    ) -> BatchAttribution:
        from agnostix.neural.operations.row_axis import RowsMixedError

        n_before = network.n_model_rows
        try:
            result = self._propagate(network, rows, selection)
        except RowsMixedError:
            each = [self._propagate(network, rows[i : i + 1], selection) for i in range(len(rows))]
            result = join_parts(each)
        n_to_the_layer = 0 if self.layer is None else len(rows)
        return replace(result, n_model_rows=network.n_model_rows - n_before + n_to_the_layer)

    def _propagate(
        self, network: RelevanceNetwork, rows: Any, selection: OutputSelection
    ) -> BatchAttribution:
        points = network.points(rows).requires_grad_()
        axes = self._channel_axes(points, rows)
        scores = network.scores(points, rows)
        predictions = as_floats(network.predictions(scores))
        columns = selection.indices(predictions)
        parts = [network.relevance(scores, points, column) for column in columns.T]
        outputs = selection.pick(as_floats(scores), predictions)
        values = self._stack(parts, axes)
        sums = np.stack([one.reshape(-1, one.shape[-1]).sum(axis=0) for one in values])
        details = {
            "absorbed": Detail(np.stack([as_floats(one.absorbed) for one in parts], axis=-1), _ABSORBED),
            "largest_size": Detail(
                np.stack([as_floats(one.largest_size) for one in parts], axis=-1), ("row", "output")
            ),
        }
        return BatchAttribution(
            values=values,
            scores=outputs,
            predictions=predictions,
            completeness_gap=outputs - sums,
            n_model_rows=len(rows),
            details=details,
        )

    def _stack(self, parts: list[Relevance], axes: Axes) -> Floats:
        return np.stack(
            [as_floats(one.values if axes is None else one.values.sum(dim=axes)) for one in parts], axis=-1
        )

    def _count_model_rows(self, rows: Any) -> int:
        n_passes = 1 if self.layer is None else 2
        return len(rows) * n_passes

    def _describe_fit(self) -> dict[str, Any]:
        return {"causes": CAUSES}

    def _describe_params(self) -> dict[str, Any]:
        params = super()._describe_params()
        is_named = isinstance(self.composite, str)
        return params if is_named else params | {"composite": repr(self.composite)}

    def _warn_of_size(self, attribution: Attribution, names: tuple[str, ...]) -> None:
        """Warn of rows whose relevance nearly cancels, or has nothing to be distributed."""
        outputs, sizes = attribution.outputs, attribution.details["largest_size"].array
        assert outputs is not None
        owner = type(self).__name__
        if (outputs == 0).any():
            rows = np.flatnonzero((outputs == 0).any(axis=1))
            warnings.warn(
                f"The score is exactly 0 in {_named(rows)}, so that {owner} has no relevance to distribute: "
                "all values are 0. Explain another output.",
                ConvergenceWarning,
                stacklevel=4,
            )
        is_large = (sizes > _LARGE * np.abs(outputs)) & (outputs != 0)
        if is_large.any():
            rows = np.flatnonzero(is_large.any(axis=1))
            ratio = np.where(is_large, sizes / np.where(outputs == 0, 1.0, np.abs(outputs)), 0.0)
            row, k = np.unravel_index(np.argmax(ratio), ratio.shape)
            warnings.warn(
                f"Relevance nearly cancels in {_named(rows)}: its absolute sum in a layer is up to "
                f"{ratio[row, k]:.3g} times the output (row {row}, output {names[k]!r}). Shares of "
                "positive products do not cancel, composite={'default': ZPlus()}, and a larger epsilon "
                "passes on less, such as Epsilon(0.25, relative=True).",
                ConvergenceWarning,
                stacklevel=4,
            )


_ABSORBED = ("row", "cause", "output")


def _named(rows: Codes) -> str:
    """A few rows by their numbers."""
    listed = ", ".join(map(str, rows[:_N_NAMED])) + (", ..." if len(rows) > _N_NAMED else "")
    return f"{len(rows)} row{'s' if len(rows) > 1 else ''}: {listed}"
