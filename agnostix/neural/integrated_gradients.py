"""Integrated gradients (Sundararajan, Taly and Yan, 2017) and expected gradients (Erion et al., 2021)."""

from __future__ import annotations

import warnings
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from agnostix.core.base import Attribution, OutputSelection
from agnostix.core.explanation import Detail
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM
from agnostix.core.frames import checked_weights
from agnostix.core.models import Differentiable
from agnostix.core.sklearn_compat import Interval, StrOptions
from agnostix.core.typing import Codes, Floats
from agnostix.neural.base import BatchAttribution, as_array, as_floats
from agnostix.neural.baselines import N_BLOCKS, BaselineSample, check_baseline, fixed_baseline, own_baselines
from agnostix.neural.layer_base import LayerExplainer

if TYPE_CHECKING:
    from agnostix.neural.network import Network
    from agnostix.neural.paths import Paths

CONVERGED, NOT_REACHED = "converged", "not reached"
_N_NAMED = 5
"""Rows that a warning names."""


class IntegratedGradientsExplainer(LayerExplainer):
    """Contributions to the change of a network's score from a baseline to the row, by its gradients.

    The value of a feature is its difference from the baseline, times the mean
    gradient on the straight path between them. Values sum to the score of the
    row minus the score of the baseline, up to the error of the integral. By
    default the path is divided where the gradient changes, until that error is
    within a tolerance.

    Parameters
    ----------
    model : torch module, or `as_predictor` of one
        The model to explain. It must be differentiable.
    baseline : str, float, sequence of float or array, default="zeros"
        Where paths start. Tables: "zeros", "mean" or "median" of the columns
        over the rows seen in `fit`, a number, or a row. Images: "black", which is
        "zeros", "mean" (the image's mean color), "blur", a number, one number a
        channel in the images' units, or an image. With `layer`: "zeros" of its
        output, or a row, such as one of padding tokens. "data": expected
        gradients [2]_, the mean over `n_samples` draws of a row seen in `fit` and a
        position on the path.
    method : {"adaptive", "gauss-legendre"}, default="adaptive"
        "adaptive": nodes are added for each row and output until `tolerance` is
        reached. "gauss-legendre": `n_steps` nodes.
    n_steps : int, default=50
        Nodes of "gauss-legendre".
    tolerance : float, default=0.02
        Of "adaptive": error that values may have, as a share of the largest one,
        and the gap of their sum, as a share of the difference of the scores.
    max_steps : int, default=1000
        Nodes of "adaptive" at most, for each row and output. As many maps are held
        in memory, of a single row if it must be.
    n_samples : int, default=256
        Draws of baseline="data", of which multiples of 16 are used.
    sigma : float, default=10.0
        Standard deviation of "blur", in pixels.
    target : {"logits", "predictions"}, default="logits"
        The score that is explained: outputs before or after the activation
        that `as_predictor` applies. They are the same where it applies none.
    layer : None, str or module, default=None
        None: paths lie in the input. Else in the output of this layer, one tensor
        whose first axis is that of the rows.
    layer_values : {"places", "channels"}, default="places"
        What has a value, with `layer`. "places": each place of the layer, summed over
        channels: pixels of its maps, which have a size of their own, tokens, steps of
        a series, units of a dense layer. "channels": each channel, summed over places.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one. Each node
        costs one forward pass for all of them, and a backward pass for each.
    n_jobs : int, default=None
        Number of workers for predictions in `fit`, as in joblib; gradients have one.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the draws. None draws a seed once, in `fit`.
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
    With row x, baseline x' and score f, the value of feature i is
    (x_i - x'_i) times the integral of df/dx_i(x' + a (x - x')) over a from 0 to
    1 [1]_. Values of images are summed over their channels. They have quantity
    "contribution"; ``outputs`` are f(x), ``base_values`` f(x'). What is missing from
    their sum is ``completeness_gap``; it is not spread over the features.

    "adaptive" divides the path into panels of nine cells with nodes at their
    centers, integrates each by a rule that is exact up to degree 5, and estimates
    its error from the differences of its nodes, as that of a gradient that jumps
    anywhere in a cell. Panels with large errors are divided into three, and all
    nodes are kept. A row has converged if the error of its values, as two
    standard deviations, is within the tolerance, and the gap too, which alone may
    be small by chance. A value or f(x) - f(x') is near 0 if it is less than a tenth
    of its variation along the path, by which errors are measured then. ``extras``
    hold, with shape (n_rows, n_outputs), "status" ("converged" or "not reached"),
    "n_nodes", "value_error" and "relative_gap", the two that are compared with the
    tolerance. A gap that more nodes do not close, of a score that jumps or a
    network that detaches a part, ends the search.

    The gradient of a large network of ReLUs jumps all along the path, and the
    error of any rule falls with the number of nodes and no faster.

    Expected gradients have standard errors from the spread of 16 independent
    blocks of draws, Student's with 15 degrees of freedom. Rows and positions in a
    block are a Latin hypercube, the same for all explained rows. ``base_values``
    are the mean score of the baselines that were drawn. On small networks 93 to
    96 % of the 95 % intervals hold the mean over all rows; with fewer draws than
    the default those of rare, large contributions are too short.

    References
    ----------
    .. [1] Sundararajan, M., Taly, A., Yan, Q. (2017). Axiomatic attribution for
       deep networks. ICML. https://doi.org/10.48550/arXiv.1703.01365
    .. [2] Erion, G., Janizek, J. D., Sturmfels, P., Lundberg, S. M., Lee, S.-I.
       (2021). Improving performance of deep learning models with axiomatic
       attribution priors and expected gradients. Nature Machine Intelligence 3.
       https://doi.org/10.1038/s42256-021-00343-w

    Examples
    --------
    >>> import torch
    >>> from agnostix import IntegratedGradientsExplainer
    >>> class Product(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x[:, 0] * x[:, 1] + 2 * x[:, 2]
    >>> X = torch.tensor([[1.0, 3.0, 0.5], [2.0, -1.0, 1.0]]).numpy()
    >>> exp = IntegratedGradientsExplainer(Product()).fit(X).explain(X)
    >>> exp.values[..., 0].round(4)
    array([[ 1.5,  1.5,  1. ],
           [-1. , -1. ,  2. ]])
    >>> exp.extras["status"].array.ravel().tolist()
    ['converged', 'converged']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LayerExplainer._parameter_constraints,
        "baseline": "no_validation",
        "method": [StrOptions({"adaptive", "gauss-legendre"})],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
        "max_steps": [Interval(Integral, 11, None, closed="left")],
        "n_samples": [Interval(Integral, 2 * N_BLOCKS, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
    }
    _fixed: Any = None
    """The baseline (1, ...) of all rows; None where each has its own, or draws."""
    _draws: BaselineSample | None = None
    _drawn_scores: Any = None

    def __init__(
        self,
        model: Any,
        *,
        baseline: Any = "zeros",
        method: str = "adaptive",
        n_steps: int = 50,
        tolerance: float = 0.02,
        max_steps: int = 1000,
        n_samples: int = 256,
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
        self.baseline = baseline
        self.method = method
        self.n_steps = n_steps
        self.tolerance = tolerance
        self.max_steps = max_steps
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
        """Fit the model if it is not fitted yet, predict a few rows, and learn the baseline.

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
        self : IntegratedGradientsExplainer

        Raises
        ------
        ValueError
            If the rows or the parameters cannot be used.
        """
        super().fit(X, y, sample_weight)
        rows = as_array(self._read(X))
        check_baseline(self.baseline, rows, self.layer is not None, type(self).__name__)
        weights = None if sample_weight is None else checked_weights(sample_weight, len(rows))
        self._fixed = fixed_baseline(self.baseline, rows, weights)
        self._draws = (
            BaselineSample.sample(rows, weights, self.n_samples, self._seed) if self._is_expected else None
        )
        self._drawn_scores = None if self._draws is None else self._score(self._draws)
        if self._drawn_scores is not None:
            self._check_start(self._drawn_scores)
        return self

    @property
    def _is_expected(self) -> bool:
        return isinstance(self.baseline, str) and self.baseline == "data"

    @property
    def _is_adaptive(self) -> bool:
        return self.method == "adaptive" and not self._is_expected

    def _score(self, draws: BaselineSample) -> Floats:
        """Mean scores (n_outputs,) of the rows that were drawn."""
        from agnostix.neural.paths import mean_scores  # torch is installed: the model is a module

        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session:
            network = self._open_network(session, draws.rows.dtype)
            return mean_scores(network, self._predictor.name, draws.rows, np.bincount(draws.places.ravel()))

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        attribution = super()._attribute(rows, selection)
        if self._is_adaptive:
            self._warn_not_reached(attribution.details, selection.names)
        return attribution

    def _attribute_batch(self, network: Network, rows: Any, selection: OutputSelection) -> BatchAttribution:
        from agnostix.neural.paths import Paths  # imports torch

        paths = Paths(network, rows, selection, self._summed_axes)
        errors, details = None, dict[str, np.ndarray]()
        if self._draws is not None:
            base = paths.start_at_draws(self._draws.rows, self._drawn_scores)
            values, errors = self._average_draws(paths, self._draws)
        else:
            base, moved = paths.start_at(self._baselines_of(rows))
            self._check_start(base)
            values, details = self._integrate(paths, base, moved)
        # Row by row, so that the bits of a sum do not depend on how many rows there are.
        sums = np.stack([one.reshape(-1, one.shape[-1]).sum(axis=0) for one in values])
        return BatchAttribution(
            values=values,
            std_errors=errors,
            scores=paths.outputs,
            base_values=base,
            completeness_gap=paths.outputs - base - sums,
            predictions=paths.predictions,
            n_model_rows=paths.n_model_rows,
            details={name: Detail(array, ("row", "output")) for name, array in details.items()},
        )

    def _baselines_of(self, rows: Any) -> Any:
        """Baselines (n_rows or 1, ...) of rows; None for 0 at a layer."""
        if self.layer is not None and isinstance(self.baseline, str):
            return None
        return own_baselines(self.baseline, self.sigma, rows) if self._fixed is None else self._fixed

    def _integrate(self, paths: Paths, base: Floats, moved: Codes) -> tuple[Floats, dict[str, np.ndarray]]:
        """Values of rows, 0 for those that have not moved from their baseline, and details of them."""
        from agnostix.neural.quadrature import Ends, gauss_legendre, integrate, rows_at_a_time

        values, shape = np.zeros(paths.shape), base.shape
        n_nodes = np.zeros(shape, dtype=np.intp)
        if not self._is_adaptive:
            nodes, weights = gauss_legendre(self.n_steps)
            rows, n = np.tile(moved, self.n_steps), len(moved)
            if n:
                values = as_floats(paths.weighted_sum(rows, rows, np.repeat(nodes, n), np.repeat(weights, n)))
            n_nodes[moved] = self.n_steps
            return values, {"n_nodes": n_nodes}
        errors, gaps = np.zeros((2, *shape))
        status = np.full(shape, CONVERGED, dtype=f"U{len(NOT_REACHED)}")
        size = rows_at_a_time(paths.shape)
        for part in (moved[start : start + size] for start in range(0, len(moved), size)):
            result = integrate(
                partial(paths.integrand, part),
                Ends(base[part], paths.outputs[part], paths.eps),
                self.tolerance,
                self.max_steps,
            )
            values[part], n_nodes[part] = as_floats(result.values), result.n_nodes
            errors[part], gaps[part] = result.errors, result.gaps
            status[part] = np.where(result.is_converged, CONVERGED, NOT_REACHED)
        return values, {"status": status, "n_nodes": n_nodes, "value_error": errors, "relative_gap": gaps}

    def _average_draws(self, paths: Paths, draws: BaselineSample) -> tuple[Floats, Floats]:
        """Means over the draws, and standard errors by the spread of the blocks, each as values."""
        n_rows, size = len(paths), draws.places.shape[1]
        rows, weights = np.tile(np.arange(n_rows), size), np.full(n_rows * size, 1.0 / size)

        def average(block: int) -> Any:
            places, positions = (np.repeat(one[block], n_rows) for one in (draws.places, draws.positions))
            return paths.weighted_sum(places, rows, positions, weights)

        # Counted from the first block: then equal ones have an error of exactly 0.
        first = average(0)
        total, squares = first - first, first - first
        for block in range(1, N_BLOCKS):
            apart = average(block) - first
            total, squares = total + apart, squares + apart**2
        variance = (squares - total**2 / N_BLOCKS).clamp(min=0.0) / (N_BLOCKS * (N_BLOCKS - 1.0))
        return as_floats(first + total / N_BLOCKS), as_floats(variance.sqrt())

    def _warn_not_reached(self, details: dict[str, Detail], names: tuple[str, ...]) -> None:
        """Warn of rows and outputs that have not converged: which, how far, and what to do."""
        errors, gaps = (details[name].array for name in ("value_error", "relative_gap"))
        missed = details["status"].array == NOT_REACHED
        if not missed.any():
            return
        rows = np.flatnonzero(missed.any(axis=1))
        named = ", ".join(map(str, rows[:_N_NAMED])) + (", ..." if len(rows) > _N_NAMED else "")
        row, k = np.unravel_index(np.argmax(np.where(missed, np.maximum(errors, gaps), -1.0)), missed.shape)
        is_stalled = bool((missed & (errors <= self.tolerance)).any())
        remedy = (
            "Gradients do not account for the scores there, and more steps do not help: the network jumps, "
            "or a part of it passes no gradient. Use a method that needs predictions alone, as "
            "OcclusionExplainer."
            if is_stalled
            else f"Use a larger max_steps than {self.max_steps}, or a larger tolerance."
        )
        warnings.warn(
            f"Integrated gradients have not reached the tolerance of {self.tolerance:g} in {len(rows)} of "
            f"{len(missed)} rows: {named}. The worst is row {row}, output {names[k]!r}: the estimated error "
            f"is {errors[row, k]:.2g} of the largest value, and the sum misses {gaps[row, k]:.2g} of the "
            f"difference from the baseline. {remedy}",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _count_model_rows(self, rows: Any) -> int:
        n_selected = self._select_outputs(None).n_selected
        n_ends = 2 if self.layer is None else 4
        if self._draws is not None:
            per_node = 1 if self.layer is None else 2
            return len(rows) * (n_ends + per_node * self._draws.places.size)
        each = self.max_steps * n_selected if self._is_adaptive else self.n_steps
        return len(rows) * (n_ends + each)

    def _describe_fit(self) -> dict[str, Any]:
        if self._draws is None:
            return {}
        dof = Detail(np.array(N_BLOCKS - 1.0), ())
        return {"n_samples": int(self._draws.places.size), DEGREES_OF_FREEDOM: dof}

    def _describe_params(self) -> dict[str, Any]:
        params = super()._describe_params()
        shape = np.shape(self.baseline)
        return params | ({"baseline": f"an array of shape {shape}"} if len(shape) > 1 else {})
