"""DeepLIFT (Shrikumar, Greenside and Kundaje, 2017) of torch networks, against one baseline or several."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from agnostix.core.base import OutputSelection
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM
from agnostix.core.frames import checked_weights
from agnostix.core.models import Differentiable
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Floats
from agnostix.neural.base import BatchAttribution, as_array, as_floats
from agnostix.neural.baselines import own_baselines
from agnostix.neural.deep_lift.baselines import Baselines, WeightedMoments, read_baselines
from agnostix.neural.layer_axes import Axes
from agnostix.neural.layer_base import LayerExplainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agnostix.neural.deep_lift.network import DeepLiftNetwork


class DeepLiftExplainer(LayerExplainer):
    """Contributions to the change of a network's score from a baseline to the row, by its operations.

    Each operation passes on by how much its output differs from what it is for
    the baseline, not its gradient: a ReLU that is off at the row and on at the
    baseline has a share too. Values sum to the score of the row minus that of
    the baseline, to rounding, and cost about two passes of the network.

    Parameters
    ----------
    model : torch module, or `as_predictor` of one
        The model to explain.
    rule : {"rescale", "reveal_cancel"}, default="rescale"
        Of functions such as ReLU. "rescale": the difference of the output over
        that of the input. "reveal_cancel": positive and negative parts of the
        difference pass apart, so that those that cancel each other are seen; it is
        used where a linear operation comes right before the function, also with batch
        norm between them or in a sum, and "rescale" elsewhere.
    baseline : str, float, sequence of float or array, default="zeros"
        What rows are compared with. Tables: "zeros", "mean" or "median" of the columns
        over the rows seen in `fit`, a number, or a row. Images: "black", which is
        "zeros", "mean" (the image's mean color), "blur", a number, one number a
        channel in the images' units, or an image. With `layer`: "zeros" of its
        output, or a row, such as one of padding tokens. "data": rows seen in `fit`,
        or an array of several rows: values are means over them.
    n_samples : int, default=32
        Rows of "data", sampled without replacement. Each costs a backward pass.
    sigma : float, default=10.0
        Standard deviation of "blur", in pixels.
    target : {"logits", "predictions"}, default="logits"
        The score that is explained: outputs before or after the activation
        that `as_predictor` applies. They are the same where it applies none.
    layer : None, str or module, default=None
        None: contributions of the input. Else of the output of this layer, one tensor
        whose first axis is that of the rows.
    layer_values : {"places", "channels"}, default="places"
        What has a value, with `layer`. "places": each place of the layer, summed over
        channels: pixels of its maps, which have a size of their own, tokens, steps of
        a series, units of a dense layer. "channels": each channel, summed over places.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one. Each costs a
        backward pass.
    n_jobs : int, default=None
        Number of workers for predictions in `fit`, as in joblib; multipliers have one.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the sample of "data". None draws a seed once, in `fit`.
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
    The value of a feature is its difference from the baseline times a multiplier,
    which is passed back through each operation [1]_. Values have quantity
    "contribution"; ``outputs`` are the scores of the rows, ``base_values`` those of
    the baseline. What is missing from the sum of values is ``completeness_gap``; it
    is not spread over the features. Channels of images are summed.

    Linear operations pass multipliers as gradients. A product of two factors that
    both depend on the input, as in gates and attention, gives each its difference
    times the mean of the other's two values, which is its Shapley value; a
    quotient is a product with the reciprocal. Softmax and normalization are made of
    these. At a maximum the increase from the baseline goes to the largest input of
    the row, the decrease to that of the baseline. Layers of recurrent networks are
    opened, step by step.

    The network must run the same operations for a row and its baseline. What was
    computed from the input and passes no gradient, as a comparison or an index, must
    be the same for both, or is refused by its name, as are operations without a
    rule.

    Means over several baselines have standard errors from their spread, Student's
    with degrees of freedom in ``extras``; weights of rows are kept.

    References
    ----------
    .. [1] Shrikumar, A., Greenside, P., Kundaje, A. (2017). Learning important
       features through propagating activation differences. ICML.
       https://doi.org/10.48550/arXiv.1704.02685

    Examples
    --------
    >>> import torch
    >>> from agnostix import DeepLiftExplainer
    >>> class Smallest(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x[:, 0] - torch.relu(x[:, 0] - x[:, 1])
    >>> X = torch.tensor([[3.0, 1.0], [1.0, 2.0]]).numpy()
    >>> exp = DeepLiftExplainer(Smallest()).fit(X).explain(X)
    >>> exp.values[..., 0].round(4)
    array([[0., 1.],
           [1., 0.]])
    >>> exp = DeepLiftExplainer(Smallest(), rule="reveal_cancel").fit(X).explain(X)
    >>> exp.values[..., 0].round(4)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LayerExplainer._parameter_constraints,
        "rule": [StrOptions({"rescale", "reveal_cancel"})],
        "baseline": "no_validation",
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
    }
    _n_graphs_each = 4
    _compares_operations = True
    """Doubles in `agnostix.testing` are made of operations."""
    _fixed: Baselines | None = None
    """Baselines of all rows; None where each has its own, or 0 at a layer."""

    def __init__(
        self,
        model: Any,
        *,
        rule: str = "rescale",
        baseline: Any = "zeros",
        n_samples: int = 32,
        sigma: float = 10.0,
        target: str = "logits",
        layer: Any = None,
        layer_values: str = "places",
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.rule = rule
        self.baseline = baseline
        self.n_samples = n_samples
        self.sigma = sigma
        self.target = target
        self.layer = layer
        self.layer_values = layer_values

    @property
    def _quantity(self) -> str:
        return "contribution"

    @property
    def _completeness(self) -> str:
        return "outputs - base_values"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model if it is not fitted yet, read the baseline, and try the rules on the first row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or images
            Rows like those to explain, from which "mean", "median" and "data" are taken; images have
            shape (n_rows, height, width) or (n_rows, height, width, n_channels).
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, for the baseline and an unfitted model.

        Returns
        -------
        self : DeepLiftExplainer

        Raises
        ------
        ValueError
            If the rows or the parameters cannot be used, or an operation has no rule.
        """
        super().fit(X, y, sample_weight)
        rows = as_array(self._read(X))
        weights = None if sample_weight is None else checked_weights(sample_weight, len(rows))
        self._fixed = read_baselines(
            self.baseline,
            rows,
            weights,
            self.n_samples,
            self._seed,
            has_layer=self.layer is not None,
            owner=type(self).__name__,
        )
        self._try_rules(rows[:1])
        return self

    def _try_rules(self, row: Any) -> None:
        """DataError for what has no rule, from one row against its first baseline."""
        from agnostix.neural.network import failures_named  # torch is installed: the model is a module

        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session, failures_named(self._predictor.name, 0, 0):
            network = self._open_network(session, row.dtype)
            points = network.points(row).requires_grad_()
            self._channel_axes(points, row)
            network.scores(points, row)
            base, _ = next(self._baseline_points(network, row, points))
            network.against(base, row)

    def _open_network(self, session: Any, dtype: Any) -> DeepLiftNetwork:
        from agnostix.neural.deep_lift.network import DeepLiftNetwork  # torch is installed

        return DeepLiftNetwork(
            session,
            dtype,
            self.target,
            self.layer,
            name=self._predictor.name,
            owner=type(self).__name__,
            rule=self.rule,
        )

    def _baseline_points(self, network: Any, rows: Any, points: Any) -> Iterator[tuple[Any, float]]:
        """Baselines (n_rows or 1, ...) as points, with their weights."""
        if self._fixed is not None:
            for place, weight in enumerate(self._fixed.weights):
                yield network.points(self._fixed.rows[place : place + 1]), float(weight)
        elif self.layer is not None:
            yield points.detach()[:1] * 0, 1.0
        else:
            yield network.points(own_baselines(self.baseline, self.sigma, rows)), 1.0

    def _attribute_batch(
        self, network: DeepLiftNetwork, rows: Any, selection: OutputSelection
    ) -> BatchAttribution:
        network.n_model_rows = 0
        points = network.points(rows).requires_grad_()
        axes = self._channel_axes(points, rows)
        scores = network.scores(points, rows)
        predictions = as_floats(network.predictions(scores))
        self._predictor.checked(predictions, len(rows))
        columns = selection.indices(predictions)
        values, base_values = WeightedMoments(), WeightedMoments()
        for base, weight in self._baseline_points(network, rows, points):
            base_scores = as_floats(network.against(base, rows))
            self._check_start(base_scores)
            parts = [network.multipliers(scores, points, column) for column in columns.T]
            differences = points.detach() - base
            values.add(self._contributions(parts, differences, axes), weight)
            # In batches of other sizes the same row may have scores that differ by rounding.
            differs = as_floats(differences.flatten(1).any(dim=1))[:, None]
            base_values.add(np.where(differs, base_scores, as_floats(scores)), weight)
        outputs, base_outputs = (
            np.take_along_axis(one, columns, axis=1) for one in (as_floats(scores), base_values.mean)
        )
        sums = np.stack([one.reshape(-1, one.shape[-1]).sum(axis=0) for one in values.mean])
        n_baselines = 1 if self._fixed is None else len(self._fixed)
        return BatchAttribution(
            values=values.mean,
            std_errors=values.std_error(self._fixed.concentration)
            if self._fixed is not None and n_baselines > 1
            else None,
            scores=outputs,
            base_values=base_outputs,
            completeness_gap=outputs - base_outputs - sums,
            predictions=predictions,
            n_model_rows=network.n_model_rows,
        )

    def _contributions(self, multipliers: list[Any], differences: Any, axes: Axes) -> Floats:
        """Values (n_rows, ..., n_outputs) from multipliers of each output."""
        products = [one.double() * differences for one in multipliers]
        return np.stack([as_floats(one if axes is None else one.sum(dim=axes)) for one in products], axis=-1)

    def _count_model_rows(self, rows: Any) -> int:
        n_baselines = 1 if self._fixed is None else len(self._fixed)
        n_layers = 0 if self.layer is None else 1
        return len(rows) * (1 + n_layers + n_baselines * (2 + n_layers))

    def _describe_fit(self) -> dict[str, Any]:
        if self._fixed is None or len(self._fixed) == 1:
            return {}
        dof = Detail(np.array(self._fixed.n_degrees), ())
        return {"n_samples": len(self._fixed), DEGREES_OF_FREEDOM: dof}

    def _describe_params(self) -> dict[str, Any]:
        params = super()._describe_params()
        shape = np.shape(self.baseline)
        return params | ({"baseline": f"an array of shape {shape}"} if len(shape) > 1 else {})
