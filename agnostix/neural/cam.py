"""Class activation maps (Zhou et al., 2016) and methods that generalize them, from one pass of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from agnostix.core.base import Attribution, OutputSelection, fill_whole
from agnostix.core.base.explainer import count_axes
from agnostix.core.evaluate import evaluate
from agnostix.core.explanation import Detail, Explanation
from agnostix.core.explanation.fields import IS_SIGNED
from agnostix.core.masking.fills import ImageFill
from agnostix.core.models import Differentiable, Predictor
from agnostix.core.sklearn_compat import StrOptions
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.neural.base import NetworkExplainer, as_array
from agnostix.neural.cam_config import METHODS, OF_ACTIVATIONS, CamConfig
from agnostix.neural.channel_masks import ChannelMaskRows, weigh_channels
from agnostix.neural.token_grid import TokenGrid

_HELD = 64 * 2**20
"""Bytes of feature maps that are held for Score-CAM."""


class CamExplainer(NetworkExplainer):
    """Class activation maps: where in an image a convolutional network sees a class.

    The feature maps of a late layer are added up with a weight each, or at each
    place, which says how much the score of a class depends on them. The sum is
    enlarged to the image. All gradient methods and all classes come from one
    forward pass, and from gradients of the part of the network after the layer.

    Parameters
    ----------
    model : torch module, or `as_predictor` of one
        The model to explain.
    method : str or list of str, default="grad_cam"
        "cam": weights of the linear layer after global average pooling [1]_.
        "grad_cam": mean gradients [2]_. "grad_cam_pp": positive gradients,
        weighted by their second and third powers [3]_. "axiom_cam" (XGrad-CAM):
        gradients weighted by the maps [4]_. "hires_cam": gradient times map at
        each place [5]_. "layer_cam": the same with positive gradients, which suits
        early layers [6]_. "ablation_cam": relative drop of the score without the
        map [7]_. "score_cam": prediction for the image multiplied by the map [8]_.
        A list gives maps of each, with a dim "method".
    layer : "auto", name, module or list of these, default="auto"
        Where feature maps are taken. "auto": the last output with a height and a
        width, which must be all that the scores depend on. A layer that is used
        several times counts with its last output. A list gives maps of each layer,
        with a dim "layer".
    target : {"logits", "predictions"}, default="logits"
        Whether the score is the output before or after the activation of
        `as_predictor`.
    positive : bool or None, default=None
        Whether negative values of a map become 0. None: as in the paper of each
        method, which is all but "cam" and "hires_cam".
    normalize : bool, default=False
        Whether each map is scaled to 0 to 1, which removes its units, and what
        the maps of two classes say of each other.
    token_grid : None, (height, width) or callable, default=None
        Grid of the tokens of a transformer, whose layers give (n_rows, n_tokens,
        n_channels); the last tokens are on it, a class token comes before. None: a
        square. A function gets the layer's output, and returns maps (n_rows,
        n_channels, height, width).
    fill : number, sequence of numbers, "mean" or "blur", default=0.0
        What replaces the parts that "score_cam" hides, in the images' units. The
        paper multiplies by the map, which is 0; libraries do so after
        normalization, which is the mean color that the network was trained with.
    outputs : None, "predicted", name, index or list of these, default=None
        Outputs to explain. None: all up to 20, else the predicted one.
    n_jobs : int, default=None
        Number of workers for the predictions of "score_cam", as in joblib.
    random_state : int, RandomState, Generator or None, default=None
        Not used; nothing is random.
    verbose : int, default=1
        1 shows a progress bar for "score_cam" once work has taken a few seconds; 0
        none.

    Attributes
    ----------
    output_names_ : tuple of str
        Names of all of the model's outputs.
    n_features_in_ : int
        Numbers in an image.
    layers_ : list of str
        For each layer its name and the shape of its output; for "auto" also the layer,
        or the function, that made it.

    Notes
    -----
    Values have quantity "relevance" and dims ("row", "y", "x", "output"); for tables
    and networks of series ("row", "feature", "output"). The scale is that of the
    method: maps of two classes can be compared, those of two methods cannot.

    On a network whose last maps are pooled and enter one linear layer, CAM is the
    number of places times Grad-CAM, XGrad-CAM and HiRes-CAM, which are equal, and
    Ablation-CAM needs no further evaluations. Else "ablation_cam" evaluates the
    part after the layer once for each channel, and "score_cam" the whole network;
    ``cost`` counts both as rows of the model.

    Ablation-CAM divides the drop by the size of the score, |y|. Where a score is not
    positive, as ``extras["negative_score"]`` says, the paper's weight (y - y_k) / y
    would have the opposite sign: what raises the score would count against it. The baseline
    image of Score-CAM cancels in the softmax and is left out.

    References
    ----------
    .. [1] Zhou, B., Khosla, A., Lapedriza, A., Oliva, A., Torralba, A. (2016).
       Learning deep features for discriminative localization. CVPR.
       https://doi.org/10.1109/CVPR.2016.319
    .. [2] Selvaraju, R. R., Cogswell, M., Das, A., Vedantam, R., Parikh, D.,
       Batra, D. (2017). Grad-CAM: Visual explanations from deep networks via
       gradient-based localization. ICCV. https://doi.org/10.1109/ICCV.2017.74
    .. [3] Chattopadhay, A., Sarkar, A., Howlader, P., Balasubramanian, V. N.
       (2018). Grad-CAM++: Generalized gradient-based visual explanations for deep
       convolutional networks. WACV. https://doi.org/10.1109/WACV.2018.00097
    .. [4] Fu, R., Hu, Q., Dong, X., Guo, Y., Gao, Y., Li, B. (2020). Axiom-based
       Grad-CAM. BMVC. https://doi.org/10.48550/arXiv.2008.02312
    .. [5] Draelos, R. L., Carin, L. (2020). Use HiResCAM instead of Grad-CAM for
       faithful explanations. https://doi.org/10.48550/arXiv.2011.08891
    .. [6] Jiang, P.-T., Zhang, C.-B., Hou, Q., Cheng, M.-M., Wei, Y. (2021).
       LayerCAM: Exploring hierarchical class activation maps for localization.
       IEEE TIP. https://doi.org/10.1109/TIP.2021.3089943
    .. [7] Desai, S., Ramaswamy, H. G. (2020). Ablation-CAM: Visual explanations
       for deep convolutional network via gradient-free localization. WACV.
       https://doi.org/10.1109/WACV45572.2020.9093360
    .. [8] Wang, H., Wang, Z., Du, M., Yang, F., Zhang, Z., Ding, S., Mardziel,
       P., Hu, X. (2020). Score-CAM: Score-weighted visual explanations for
       convolutional neural networks. CVPRW.
       https://doi.org/10.1109/CVPRW50498.2020.00020

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from agnostix import CamExplainer, as_predictor
    >>> network = nn.Sequential(
    ...     nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> images = np.random.default_rng(0).random((3, 16, 16))
    >>> explainer = CamExplainer(as_predictor(network), method=["grad_cam", "layer_cam"]).fit(images)
    >>> explainer.layers_
    ['auto (1): (4, 14, 14)']
    >>> exp = explainer.explain(images)
    >>> exp.dims, exp.values.shape
    (('row', 'method', 'y', 'x', 'output'), (3, 2, 16, 16, 2))
    """

    _squares_predictions = False
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkExplainer._parameter_constraints,
        "method": [StrOptions(set(METHODS)), list, tuple],
        "layer": "no_validation",
        "positive": ["boolean", None],
        "normalize": ["boolean"],
        "token_grid": [tuple, list, callable, None],
        "fill": "no_validation",
    }

    def __init__(
        self,
        model: Any,
        *,
        method: str | Sequence[str] = "grad_cam",
        layer: Any = "auto",
        target: str = "logits",
        positive: bool | None = None,
        normalize: bool = False,
        token_grid: TokenGrid = None,
        fill: Any = 0.0,
        outputs: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(model, outputs=outputs, n_jobs=n_jobs, random_state=random_state, verbose=verbose)
        self.method = method
        self.layer = layer
        self.target = target
        self.positive = positive
        self.normalize = normalize
        self.token_grid = token_grid
        self.fill = fill

    @property
    def _dims(self) -> tuple[str, ...]:
        is_image = self._examples is None or count_axes(self._examples) > 2
        lists = [dim for dim in ("layer", "method") if isinstance(getattr(self, dim), list | tuple)]
        return ("row", *lists, *(("y", "x") if is_image else ("feature",)), "output")

    @property
    def _quantity(self) -> str:
        return "relevance"

    @property
    def _units(self) -> str:
        if self.normalize:
            return "share of the largest value"
        of_scores = super()._units
        units = {"activations" if one in OF_ACTIVATIONS else of_scores for one in self._methods}
        return " or ".join(sorted(units))

    @property
    def _methods(self) -> tuple[str, ...]:
        return (self.method,) if isinstance(self.method, str) else tuple(self.method)

    @property
    def _layers(self) -> list[Any]:
        return list(self.layer) if isinstance(self.layer, list | tuple) else [self.layer]

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the layers, and predict a few images.

        Parameters
        ----------
        X : array-like of shape (n_rows, height, width) or (n_rows, height, width, n_channels)
            Images like those to explain; or a table, for a network of series.
        y : None
            Not used; there for scikit-learn.
        sample_weight : None
            Not used.

        Returns
        -------
        self : CamExplainer

        Raises
        ------
        ValueError
            If the model is no torch module, a layer does not exist or has no height
            and width, or "auto" cannot tell the last one that has.
        """
        super().fit(X, y, sample_weight)
        examples = as_array(self._examples)
        if "y" in self._dims:
            self._compute_fill(examples)  # or an error, before anything is explained
        from agnostix.neural.cam_pass import find_sources  # torch is installed: the model is a module
        from agnostix.neural.network import failures_named

        model = self._predictor.require(Differentiable, by=type(self).__name__)
        with model.session() as session, failures_named(self._predictor.name, 0, 0):
            self._sources = find_sources(session, self._config(examples), examples[:1])
        self.layers_ = [str(source) for source in self._sources]
        return self

    def _begin_fit(self) -> None:
        super()._begin_fit()
        unknown = [one for one in self._methods if one not in METHODS]
        if unknown or not self._methods or len(set(self._methods)) < len(self._methods):
            raise DataError(
                f"The 'method' parameter of CamExplainer must be one or several of {', '.join(METHODS)}, "
                f"none twice, got {self.method!r}."
            )
        named = [one if isinstance(one, str) else id(one) for one in self._layers]
        if not named or len(set(named)) < len(named):
            raise DataError(
                f"The 'layer' parameter of CamExplainer must name at least one layer, and none twice, got "
                f"{self.layer!r}."
            )

    def _config(self, array: Any) -> CamConfig:
        """What the pass needs to know of the parameters, for rows of a shape."""
        n_axes = 1 if array.ndim == 2 else 2
        if n_axes == 1 and "score_cam" in self._methods:
            raise DataError(
                "Score-CAM multiplies images by maps, got a table. Use another method of CamExplainer."
            )
        grid = tuple(self.token_grid) if isinstance(self.token_grid, list) else self.token_grid
        is_pair = (
            isinstance(grid, tuple) and len(grid) == 2 and all(isinstance(n, int) and n > 0 for n in grid)
        )
        if not (grid is None or callable(grid) or is_pair):
            raise DataError(
                f"The 'token_grid' parameter of CamExplainer must be (height, width), got "
                f"{self.token_grid!r}."
            )
        return CamConfig(self._methods, self._layers, self.target, tuple(array.shape[1 : 1 + n_axes]), grid,
                         self.positive, self.normalize)  # fmt: skip

    def _compute_fill(self, images: Any) -> Any:
        """The fill of each image, (n_rows or 1, ...), with axes of length 1 where it is uniform."""
        fill = ImageFill(self.fill, n_draws=1, owner=type(self).__name__)
        if fill.is_("noise") or fill.is_("inpaint") or fill.weights.size > 1:
            raise DataError(
                f"The 'fill' of CamExplainer must be one fill, got {self.fill!r}. Use 0, 'mean' or 'blur'."
            )
        return fill_whole(fill, images)

    def _attribute(self, rows: Any, selection: OutputSelection) -> Attribution:
        self._check_unchanged()
        from agnostix.neural.cam_pass import CamPass

        array = as_array(rows)
        model = self._predictor.require(Differentiable, by=type(self).__name__)
        config = self._config(array)
        values = config.empty(len(array), selection.n_selected)
        parts, n_model_rows = [], 0
        for part in self._parts(len(array)):
            with model.session() as session:
                cams = CamPass(session, config, self._sources, self._predictor, selection)
                parts += cams.compute(array[part], values[part], part.start)
            n_model_rows += cams.n_model_rows
            if "score_cam" in self._methods:
                predictions = np.concatenate([predictions for _, predictions in parts])[part]
                columns = selection.indices(predictions)
                n_model_rows += self._compute_score_cam(array[part], cams.kept, columns, values[part], config)
        scores, predictions = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        signed = [not config.is_positive(method) and not self.normalize for method in config.methods]
        lists_methods = "method" in self._dims
        details: dict[str, Any] = {
            IS_SIGNED: Detail(np.array(signed), ("method",)) if lists_methods else signed[0]
        }
        if "ablation_cam" in self._methods:
            details["negative_score"] = Detail(scores <= 0, ("row", "output"))
        dropped = tuple(axis for axis, dim in ((1, "layer"), (2, "method")) if dim not in self._dims)
        return Attribution(
            values=np.moveaxis(values, 3, -1).squeeze(dropped),
            predictions=predictions,
            outputs=scores,
            n_model_rows=n_model_rows,
            details=details,
        )

    def _compute_score_cam(
        self, images: Any, kept: list[dict[int, Floats]], columns: Any, values: Floats, config: CamConfig
    ) -> int:
        """Fill in Score-CAM of images from their feature maps; the number of model rows."""
        import torch

        from agnostix.neural.cam_pass import write

        predictor, fill, n_model_rows = self._score_predictor(), self._compute_fill(images), 0
        for at, by_row in enumerate(kept):
            maps = list(by_row.values())
            weights, n = evaluate(
                predictor,
                ChannelMaskRows(maps, images, fill),
                weigh_channels(columns),
                n_outputs=len(self.output_names_),
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            )
            n_model_rows += n
            for row, (weight, own) in enumerate(zip(weights, maps, strict=True)):
                found = torch.from_numpy(np.tensordot(weight, own, axes=1))[None]
                write({"score_cam": found}, values[row : row + 1, at], config)
        return n_model_rows

    def _score_predictor(self) -> Predictor:
        """The model, before its activation where that is the target."""
        function: Any = self._predictor.function
        if self.target == "logits" and hasattr(function, "before_activation"):
            return replace(self._predictor, function=function.before_activation())
        return self._predictor

    def _parts(self, n_rows: int) -> Iterator[slice]:
        """Rows whose feature maps are held together: all, where none are held after the pass."""
        size = n_rows
        if "score_cam" in self._methods:
            size = max(1, _HELD // (8 * sum(int(np.prod(one.shape)) for one in self._sources)))
        return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))

    def _count_model_rows(self, rows: Any) -> int:
        n_rows, n_each = len(rows), 1
        for source in self._sources:
            n_channels = max(source.shape)  # a function that makes maps does not tell which axis has them
            if not callable(self.token_grid):
                n_channels = source.shape[-1 if len(source.shape) == 2 and "y" in self._dims else 0]
            is_ablated = "ablation_cam" in self._methods and not source.is_affine
            n_each += n_channels * (("score_cam" in self._methods) + is_ablated)
        n_parts = len(list(self._parts(n_rows)))
        return n_rows * n_each + n_parts * ("ablation_cam" in self._methods)

    def _make_explanation(
        self, rows: Any, selection: OutputSelection, attribution: Attribution
    ) -> Explanation:
        explanation = super()._make_explanation(rows, selection, attribution)
        names = {"method": self._methods, "layer": [source.name for source in self._sources]}
        coords = {dim: np.array(entries) for dim, entries in names.items() if dim in self._dims}
        return replace(explanation, coords=coords) if coords else explanation

    def _describe_fit(self) -> dict[str, Any]:
        return {"layers": list(self.layers_)}

    def _describe_params(self) -> dict[str, Any]:
        names = [one if isinstance(one, str) else type(one).__name__ for one in self._layers]
        layers = names if isinstance(self.layer, list | tuple) else names[0]
        return super()._describe_params() | {"layer": layers}
