"""Gradients of a network by its input, guided backpropagation and deconvolution, with SmoothGrad's noise."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from agnostix.core.base import OutputSelection
from agnostix.core.base.explainer import read_rows_like
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM, IS_SIGNED
from agnostix.core.models import Differentiable
from agnostix.core.sklearn_compat import Interval, Options, StrOptions
from agnostix.core.typing import Codes, Floats
from agnostix.exceptions import DataError
from agnostix.neural.base import BatchAttribution, as_array, as_floats
from agnostix.neural.layer_axes import Axes
from agnostix.neural.layer_base import LayerExplainer
from agnostix.neural.noise import Noise, RunningMoments

if TYPE_CHECKING:
    from agnostix.neural.network import Network

_RULED = ("deconvolution", "guided")


class SaliencyExplainer(LayerExplainer):
    """Gradients of a network by its input: how the output moves with each pixel, column or token.

    Plain gradients, gradient times input, guided backpropagation and
    deconvolution; with `n_samples` their means under noise on the input
    (SmoothGrad), with a standard error for each.

    Parameters
    ----------
    model : torch module, or `as_predictor` of one
        The model to explain. It must be differentiable.
    method : {"gradient", "gradient_x_input", "guided", "deconvolution"}, default="gradient"
        "gradient": df/dx [1]_. "gradient_x_input": x df/dx. "guided": at each
        ReLU gradients pass where it was active and if they are positive [2]_.
        "deconvolution": if they are positive, wherever it was active [3]_.
    form : {"signed", "absolute", "squared"}, default="signed"
        How the gradient g of a value enters: g, abs(g) or g**2. With
        "gradient_x_input" the values are x g, abs(x g) and x g**2.
    target : {"logits", "predictions"}, default="logits"
        What is differentiated: the outputs before or after the activation
        that `as_predictor` applies. They are the same where it applies none.
    layer : None, str or module, default=None
        None differentiates by the rows; else by what this layer gives for
        them, one tensor whose first axis is that of the rows.
    layer_values : {"places", "channels"}, default="places"
        What has a value, with `layer`. "places": each place of the layer, put together
        over channels: pixels of its maps, which have a size of their own, tokens, steps
        of a series, units of a dense layer. "channels": each channel, over places.
    rules : dict of str to {"gradient", "rectify"}, default=None
        For "guided" and "deconvolution": how gradients pass operations that
        have no rule, by the operation's name, such as {"gelu": "gradient"}: as
        they are, or the positive ones alone. `fit` names them in its error;
        custom autograd functions have the name of their class.
    n_samples : int, default=0
        Number of noisy copies of each row, over which values are averaged [4]_;
        0 uses the row alone. The paper has 50.
    noise : float, default=0.15
        Standard deviation of the noise, as a share of the range: of each column
        over the rows seen in `fit`, of the image, or of the layer's output for the row.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Number of workers for predictions in `fit`, as in joblib; gradients have one.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the noise. None draws a seed once, in `fit`.
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
    Gradients are per unit of X as it is given. Values of images are summed over
    the channels; with form="absolute" they are the largest over them, as in [1]_.
    They have quantity "sensitivity" for "gradient", else "relevance", and ``outputs``
    are what is differentiated.

    Values under noise are the mean of the form, not the form of the mean:
    "squared" is SmoothGrad squared [5]_. Gradients are multiplied by the row itself,
    not by its noisy copies. All rows have the same noise, up to its size, so
    that a row has the same values in any batch. Standard errors are the spread
    of the copies over sqrt(n_samples), intervals Student's with n_samples - 1
    degrees of freedom. They are too narrow where only rare copies differ, at kinks
    of ReLU that few of them reach.

    Rules go by operation: ReLU, ReLU6, threshold, and clamp from 0 up, in whatever
    way they are called, also in place and inside composites. Linear operations,
    normalization, pooling, reshaping, softmax, sigmoid and tanh as gates, and
    attention pass gradients as they are.
    Everything else is refused by its name, see docs/neural.md.

    References
    ----------
    .. [1] Simonyan, K., Vedaldi, A., Zisserman, A. (2014). Deep inside
       convolutional networks: visualising image classification models and
       saliency maps. ICLR Workshop. https://doi.org/10.48550/arXiv.1312.6034
    .. [2] Springenberg, J. T., Dosovitskiy, A., Brox, T., Riedmiller, M. (2015).
       Striving for simplicity: the all convolutional net. ICLR Workshop.
       https://doi.org/10.48550/arXiv.1412.6806
    .. [3] Zeiler, M. D., Fergus, R. (2014). Visualizing and understanding
       convolutional networks. ECCV. https://doi.org/10.1007/978-3-319-10590-1_53
    .. [4] Smilkov, D., Thorat, N., Kim, B., Viegas, F., Wattenberg, M. (2017).
       SmoothGrad: removing noise by adding noise.
       https://doi.org/10.48550/arXiv.1706.03825
    .. [5] Hooker, S., Erhan, D., Kindermans, P.-J., Kim, B. (2019). A benchmark
       for interpretability methods in deep neural networks. NeurIPS.
       https://doi.org/10.48550/arXiv.1806.10758

    Examples
    --------
    >>> import torch
    >>> from agnostix import SaliencyExplainer
    >>> network = torch.nn.Linear(3, 1, bias=False)
    >>> network.weight.data = torch.tensor([[1.0, -2.0, 0.5]])
    >>> X = torch.rand(4, 3).numpy()
    >>> SaliencyExplainer(network).fit(X).explain(X).values[0, :, 0]
    array([ 1. , -2. ,  0.5])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LayerExplainer._parameter_constraints,
        "method": [StrOptions({"gradient", "gradient_x_input", *_RULED})],
        "form": [StrOptions({"signed", "absolute", "squared"})],
        "rules": [dict, None],
        "n_samples": [Options(Integral, {0}), Interval(Integral, 2, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="neither")],
    }
    _ranges: Floats | None = None
    """Range of each column (n_columns,) over the rows seen in `fit`, for tables."""

    def __init__(
        self,
        model: Any,
        *,
        method: str = "gradient",
        form: str = "signed",
        target: str = "logits",
        layer: Any = None,
        layer_values: str = "places",
        rules: Mapping[str, str] | None = None,
        n_samples: int = 0,
        noise: float = 0.15,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.method = method
        self.form = form
        self.target = target
        self.layer = layer
        self.layer_values = layer_values
        self.rules = rules
        self.n_samples = n_samples
        self.noise = noise

    @property
    def _quantity(self) -> str:
        return "sensitivity" if self.method == "gradient" else "relevance"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model if it is not fitted yet, predict a few rows, and learn the ranges of columns.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns), or images
            Rows like those to explain; images have shape (n_rows, height, width) or
            (n_rows, height, width, n_channels).
        y : array-like of shape (n_rows,), default=None
            Needed only for an unfitted model.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, for an unfitted model.

        Returns
        -------
        self : SaliencyExplainer

        Raises
        ------
        ValueError
            If the rows or the parameters cannot be used.
        """
        super().fit(X, y, sample_weight)
        self._check_rules()
        if "feature" in self._dims and self.layer is None:
            rows = read_rows_like(X, self._examples, type(self).__name__)
            self._ranges = np.ptp(as_array(rows).astype(float), axis=0)
        self._try_gradients()
        return self

    def _try_gradients(self) -> None:
        """Differentiate the first row, or an error, before anything is explained."""
        from agnostix.neural.network import failures_named  # torch is installed: the model is a module

        row = as_array(self._examples)[:1]
        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session:
            network = self._open_network(session, row.dtype)
            with failures_named(self._predictor.name, 0, 0):
                network.check(row)
                points = network.points(row).requires_grad_()
                self._summed_axes(points, row)
                network.gradients(network.scores(points, row), points, np.zeros((1, 1), dtype=int))

    def _check_rules(self) -> None:
        """DataError for rules that do not apply, or are none."""
        if not self.rules:
            return
        if self.method not in _RULED:
            raise DataError(
                f"The 'rules' parameter of SaliencyExplainer is for method='guided' and 'deconvolution', got "
                f"method={self.method!r}, which differentiates the network as it is. Leave rules out."
            )
        for name, rule in self.rules.items():
            if not isinstance(name, str) or rule not in ("gradient", "rectify"):
                raise DataError(
                    "The 'rules' parameter of SaliencyExplainer must map names of operations to 'gradient' "
                    f"or 'rectify', got {name!r}: {rule!r}."
                )

    def _open_network(self, session: Any, dtype: Any) -> Network:
        if self.method not in _RULED:
            return super()._open_network(session, dtype)
        from agnostix.neural.backward_rules import BackwardRule, RuledNetwork  # these import torch

        rule = BackwardRule(self.method, self.rules or {})
        return RuledNetwork(session, dtype, self.target, self.layer, rule, self._predictor.name)

    def _attribute_batch(self, network: Network, rows: Any, selection: OutputSelection) -> BatchAttribution:
        points = network.points(rows)
        axes = self._summed_axes(points, rows)
        scores = network.scores(points if self.n_samples else points.requires_grad_(), rows)
        predictions = as_floats(network.predictions(scores))
        columns = selection.indices(predictions)
        errors = None
        if self.n_samples:
            noise = Noise(self._seed, self.noise * self._ranges_of(points))
            values, errors = self._average(network, rows, points, columns, noise, axes)
        else:
            values = as_floats(self._values(network.gradients(scores, points, columns), points, axes))
        return BatchAttribution(
            values=values,
            std_errors=errors,
            scores=selection.pick(as_floats(scores), predictions),
            predictions=predictions,
            n_model_rows=self._count_model_rows(rows),
        )

    def _average(
        self, network: Network, rows: Any, points: Any, columns: Codes, noise: Noise, axes: Axes
    ) -> tuple[Floats, Floats]:
        """Means of values over noisy copies, and their standard errors, each as values."""
        n_rows, moments = len(rows), RunningMoments()

        def add(part: slice) -> None:
            sample, row = np.divmod(np.arange(part.start, part.stop), n_rows)
            noisy = noise.add_to(points, sample, row).requires_grad_()
            gradients = network.gradients(network.scores(noisy, rows[row]), noisy, columns[row])
            moments.add(as_floats(self._values(gradients, points[row], axes)), sample, row, n_rows)

        # All rows with the first noise, all with the second, and so on: one batch may hold some of each.
        copies = np.broadcast_to(rows[:1], (n_rows * self.n_samples, *rows.shape[1:]))
        n_numbers = points[0].numel() * columns.shape[1]
        network.session.in_batches(copies, add, n_numbers=n_numbers)
        return moments.mean, moments.std_error(self.n_samples)

    def _values(self, gradients: Any, points: Any, axes: Axes) -> Any:
        """From gradients points.shape + (n_selected,) to values, their channels put together."""
        values = gradients
        if self.form != "signed":
            values = gradients.abs() if self.form == "absolute" else gradients**2
        if self.method == "gradient_x_input":
            own = points.detach()[..., None]
            values = values * (own.abs() if self.form == "absolute" else own)
        if axes is None:
            return values
        return values.amax(dim=axes) if self.form == "absolute" else values.sum(dim=axes)

    def _ranges_of(self, points: Any) -> Any:
        """Range of each column over the rows seen in `fit`, or of the points of each row."""
        if self._ranges is not None:
            return points.new_tensor(self._ranges)[None]
        axes = tuple(range(1, points.ndim))
        return points.amax(dim=axes, keepdim=True) - points.amin(dim=axes, keepdim=True)

    def _count_model_rows(self, rows: Any) -> int:
        n_to_the_layer = 0 if self.layer is None else 1
        return len(rows) * (1 + self.n_samples + n_to_the_layer)

    def _describe_fit(self) -> dict[str, Any]:
        keeps_sign = self.form == "signed" or (self.form == "squared" and self.method == "gradient_x_input")
        known: dict[str, Any] = {IS_SIGNED: keeps_sign}
        return known | (
            {DEGREES_OF_FREEDOM: Detail(np.array(self.n_samples - 1.0), ())} if self.n_samples else {}
        )
