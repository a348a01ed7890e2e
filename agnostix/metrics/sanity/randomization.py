"""Would the explanation look the same for a network of noise, or for another output?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from agnostix.core.intervals import check_level
from agnostix.core.models import Differentiable, Predictor, as_predictor
from agnostix.core.typing import Floats
from agnostix.exceptions import DataError
from agnostix.metrics.checks import check_explainer, check_one_of, check_whole
from agnostix.metrics.intervals import mean_known
from agnostix.metrics.orders import RANDOM, generator
from agnostix.metrics.result import MetricResult
from agnostix.metrics.sanity.explain_again import (
    SIMILARITIES,
    background_of,
    choose_similarity,
    compare_maps,
    copy_for,
    explain_first,
    explain_outputs,
)
from agnostix.metrics.sanity.verdicts import (
    Stage,
    check_margin,
    judge,
    judge_output,
    measure_stage,
    seeds_of,
    similarity_to_others,
    stage_result,
)

ORDERS = ("cascading", "independent")
INSTEAD = (
    "For scikit-learn estimators pass train=(X_train, y_train), to be trained on shuffled labels; for any "
    "other model data_randomization(..., refit=). random_logit and deletion need predictions alone."
)


def model_randomization(
    model: Any,
    X: Any,
    explainer: Any,
    *,
    how: str = "cascading",
    n_steps: int | None = None,
    n_draws: int = 5,
    similarity: str = "auto",
    background: Any = None,
    train: Any = None,
    outputs: Any = None,
    margin: float = 0.05,
    level: float = 0.95,
    random_state: int = 0,
) -> MetricResult:
    """Similarity of explanations to those of the network with its layers reset; less is better.

    An explanation that stays the same when nothing is left of what the network has learned cannot
    tell what it has learned [1]_.

    Parameters
    ----------
    model : torch module, scikit-learn estimator, or `as_predictor` of one
        The model that is explained. Copies are reset, it is left as it is. Of an estimator clones are
        trained on shuffled labels, as by `data_randomization`.
    X : array-like of shape (n_rows, ...)
        Rows to explain.
    explainer : fitted explainer
        Clones of it explain `model` and its copies, with the same seed.
    how : {"cascading", "independent"}, default="cascading"
        "cascading": layers are reset from the top down, one more at each point, until all are.
        "independent": one layer at a time, the others as learned.
    n_steps : int, default=None
        Points of the curve, evenly over the layers, the last of which has them all; None: each layer.
    n_draws : int, default=5
        Networks drawn with all layers reset, over which the score is averaged; other points of the
        cascade have the first of them. With "independent", of each layer.
    similarity : {"auto", "absolute-spearman", "spearman", "ssim"}, default="auto"
        Which one the score is: Spearman's correlation of sizes, of values, or the structural
        similarity of sizes over their largest, for maps. "auto" is that of sizes for sensitivities
        and masks, which have no direction, else that of values. `details` has the curves of all.
    background : rows, default=None
        On which clones are fitted; None: the explainer's own background where it keeps one, else X.
    train : tuple (X, y), default=None
        What a scikit-learn estimator was trained on, and is trained on again with shuffled labels.
    outputs : str or int, default=None
        Whose maps are compared; None: of each row the one predicted before anything is reset.
    margin : float, default=0.05
        By how much similarity may exceed that to other rows' maps.
    level : float, default=0.95
        Of the intervals that the verdict is read from.
    random_state : int, default=0
        Of the parameters that are drawn.

    Returns
    -------
    MetricResult
        Scores are similarities with all layers reset, or means over layers for "independent". Reference
        "other rows": the similarity to original maps of up to eight other rows. `verdict`, for
        "cascading": "insensitive", "sensitive" or "undecided", and why.

    Raises
    ------
    DataError
        If the model is neither a torch module nor an estimator with `train`, or has no parameters.

    Notes
    -----
    Layers are reset by their ``reset_parameters``, batch normalization with its statistics; parameters
    that it leaves, or of layers without one, are drawn from a normal distribution with their own mean and
    spread. Layers come in the order in which they are first used.

    The null hypothesis is that a map is no more like the original one than original maps of other rows are,
    by `margin`. Maps that exceed it show what is in the row, such as edges, and not what was
    learned. Insensitive, too, are maps with similarity beyond 0.5 at any rate, such as one that is
    the same for all rows. The interval is over rows and networks.

    Sizes of contributions, such as x df/dx, follow those of the inputs whatever the weights, which
    is no fault of theirs: [1]_ has found them to be insensitive by sizes and sensitive by values.

    References
    ----------
    .. [1] Adebayo, J., et al. (2018). Sanity checks for saliency maps. NeurIPS.
       https://doi.org/10.48550/arXiv.1810.03292

    Examples
    --------
    >>> import torch
    >>> from agnostix import SaliencyExplainer
    >>> from agnostix.metrics import model_randomization
    >>> network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> X = torch.rand(20, 6).numpy()
    >>> explainer = SaliencyExplainer(network).fit(X)
    >>> result = model_randomization(network, X, explainer)
    >>> result.curve.x, result.details["points"].array.tolist()
    (array([0., 1., 2.]), ['nothing', '2', '0'])
    """
    by = "model_randomization"
    check_explainer(explainer, by)
    check_one_of(by, "how", how, ORDERS)
    check_one_of(by, "similarity", similarity, ("auto", *SIMILARITIES))
    check_whole(by, "n_draws", n_draws, 1)
    check_whole(by, "random_state", random_state, 0)
    if n_steps is not None:
        check_whole(by, "n_steps", n_steps, 1)
    check_margin(by, margin)
    check_level(level)
    if train is not None and not is_network(as_predictor(model)):
        return _shuffled(
            model, X, explainer, train, n_draws, similarity, background, outputs, margin, level, random_state
        )
    predictor = network_of(model, by)
    rows = background_of(explainer, background, X)
    first = explain_first(copy_for(explainer, model, *rows), X, outputs, predictor, by)
    similarity = choose_similarity(by, similarity, first)
    stages = _reset_stages(predictor, X, how, n_steps, n_draws, random_state)
    measured = [measure_stage(stage, explainer, rows, X, first, similarity, random_state) for stage in stages]
    cascading = how == "cascading"
    last = measured[-1]
    verdict = None
    if cascading:
        n_layers = f"the {int(stages[-1].x)} layers' parameters"
        verdict = judge(last.own[similarity], last.others, n_layers, similarity, margin, level)
    return stage_result(
        by,
        first,
        measured,
        similarity,
        [last] if cascading else measured,
        "layers reset, from the top" if cascading else "layer reset, from the top",
        verdict=verdict,
        params={
            "how": how,
            "n_steps": n_steps,
            "n_draws": n_draws,
            "similarity": similarity,
            "margin": margin,
            "level": level,
            "random_state": random_state,
        },
    )


def is_network(predictor: Predictor) -> bool:
    """Whether a model is a torch module, whose layers can be reset."""
    return predictor.supports(Differentiable) and hasattr(predictor.function, "module")


def network_of(model: Any, by: str) -> Predictor:
    """The model as a Predictor of a torch module; DataError, with what works instead, for others."""
    predictor = as_predictor(model)
    if not is_network(predictor):
        raise DataError(
            f"{by} resets the layers of a torch module, and the model is {predictor.name}. {INSTEAD}"
        )
    return predictor


def _shuffled(model: Any, X: Any, explainer: Any, train: Any, *options: Any) -> MetricResult:
    """The same for an estimator, trained on shuffled labels."""
    from agnostix.metrics.sanity.retraining import data_randomization

    names = ("n_draws", "similarity", "background", "outputs", "margin", "level", "random_state")
    if not isinstance(train, tuple) or len(train) != 2:
        raise DataError(
            "The 'train' of model_randomization must be the tuple (X, y) that the model was trained on, got "
            f"{type(train).__name__}."
        )
    settings = dict(zip(names, options, strict=True))
    result = data_randomization(model, *train, explainer, rows=X, **settings)
    return replace(result, name="model_randomization")


def _reset_stages(
    predictor: Predictor, X: Any, how: str, n_steps: int | None, n_draws: int, random_state: int
) -> list[Stage]:
    """What is reset at each point of the curve."""
    from agnostix.metrics.sanity.reset_layers import (  # torch is installed: it is a module
        find_layers,
        reset_copy,
    )

    by = "model_randomization"
    layers = find_layers(predictor, X, by)[::-1]
    places = range(len(layers))
    seeds = [[int(seeds_of(random_state, place, draw)[0]) for place in places] for draw in range(n_draws)]
    steps = len(layers) if n_steps is None else min(n_steps, len(layers))
    if how == "cascading":
        ends = np.unique(np.rint(np.linspace(len(layers) / steps, len(layers), steps)).astype(int))
    else:
        ends = np.unique(np.rint(np.linspace(1, len(layers), steps)).astype(int))
    stages = []
    for end in ends.tolist():
        start = 0 if how == "cascading" else end - 1
        of_all = range(n_draws if how == "independent" or end == len(layers) else 1)
        some = [
            partial(reset_copy, predictor, layers[start:end], seeds[draw][start:end], by) for draw in of_all
        ]
        stages.append(Stage(float(end), "+".join(layers[end - 1]) or "module", tuple(some)))
    return stages


def random_logit(
    model: Any,
    X: Any,
    explainer: Any,
    *,
    n_draws: int = 1,
    similarity: str = "auto",
    outputs: Any = None,
    level: float = 0.95,
    random_state: int = 0,
) -> MetricResult:
    """Similarity of each row's explanation to that of another output, drawn by chance; less is better.

    Parameters
    ----------
    model : fitted estimator, torch module, callable or Predictor
        The model that is explained, with two outputs or more.
    X : array-like, images or texts
        Rows to explain.
    explainer : fitted explainer
        Of this model. It explains the rows again, and is left as it is.
    n_draws : int, default=1
        Other outputs drawn for each row, with replacement.
    similarity : {"auto", "absolute-spearman", "spearman", "ssim"}, default="auto"
        As in `model_randomization`.
    outputs : str or int, default=None
        Whose maps are compared with others; None: each row's predicted output.
    level : float, default=0.95
        Of the interval that the verdict is read from.
    random_state : int, default=0
        Of the outputs that are drawn, which depend on it and on what a row holds.

    Returns
    -------
    MetricResult
        Scores are similarities, means over draws. Reference "other rows": the similarity of the other
        output's map to maps of up to eight other rows. `verdict`: "insensitive" if the interval
        is above 0.5, "sensitive" if it is below, else "undecided".

    Raises
    ------
    DataError
        If the model has a single output.

    Notes
    -----
    Of two outputs that sum to 1 explanations mirror each other, so that their sizes are the same
    whatever the method: `notes` says so where sizes are compared.

    References
    ----------
    .. [1] Sixt, L., Granz, M., Landgraf, T. (2020). When explanations lie: why many modified BP
       attributions fail. ICML. https://doi.org/10.48550/arXiv.1912.09818

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from agnostix import OcclusionExplainer
    >>> from agnostix.metrics import random_logit
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> explainer = OcclusionExplainer(model, random_state=0).fit(X)
    >>> result = random_logit(model, X[::10], explainer)
    >>> result.score < 1
    True
    """
    by = "random_logit"
    check_explainer(explainer, by)
    check_one_of(by, "similarity", similarity, ("auto", *SIMILARITIES))
    check_whole(by, "n_draws", n_draws, 1)
    check_whole(by, "random_state", random_state, 0)
    check_level(level)
    names = explainer.output_names_
    if len(names) < 2:
        raise DataError(
            f"{by} needs a model with two outputs or more, and this one has {names[0]!r} alone. Use "
            "model_randomization for a torch module, or data_randomization for other models."
        )
    first = explain_first(explainer, X, outputs, as_predictor(model), by)
    similarity = choose_similarity(by, similarity, first)
    own, others, n_model_rows = [], [], first.n_model_rows
    for draw in range(n_draws):
        drawn = tuple(
            _other(names, output, generator(key, RANDOM, draw + random_state * n_draws))
            for output, key in zip(first.outputs, first.row_keys, strict=True)
        )
        again, n = explain_outputs(explainer, X, drawn)
        n_model_rows += n
        own.append(compare_maps(similarity, first.values, again, first.shape))
        others.append(similarity_to_others(first, again, similarity, random_state))
    values, beside = np.stack(own, axis=1), np.stack(others, axis=1)
    notes: tuple[str, ...] = ()
    if getattr(explainer, "is_binary_", False) and similarity != "spearman":
        notes = ("Two outputs that sum to 1: sizes of their explanations are the same.",)
    result = MetricResult(
        name=by,
        scores=mean_known(values, 1),
        greater_is_better=False,
        made_for=(first.quantity,),
        draw_errors=_error_of_mean(values) if n_draws > 1 else None,
        n_draws=n_draws if n_draws > 1 else 0,
        references={"other rows": mean_known(beside, 1)},
        n_model_rows=n_model_rows,
        params={"n_draws": n_draws, "similarity": similarity, "level": level, "random_state": random_state},
        notes=notes,
        **first.result_fields(),
    )
    return replace(result, verdict=judge_output(result, similarity, level))


def _other(names: tuple[str, ...], output: str, rng: np.random.Generator) -> str:
    """An output other than the one given."""
    left = [name for name in names if name != output]
    return left[int(rng.integers(len(left)))]


def _error_of_mean(values: Floats) -> Floats:
    """Standard errors (n_rows,) of means over draws (n_rows, n_draws)."""
    return np.asarray(values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))
