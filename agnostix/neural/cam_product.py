"""Guided Grad-CAM (Selvaraju et al., 2017): the product of guided backpropagation and Grad-CAM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agnostix.core.explanation import Explanation
from agnostix.core.explanation.fields import DEGREES_OF_FREEDOM
from agnostix.exceptions import DataError

_BETWEEN = ("layer", "method")
"""Dims that a class activation map may have beside those of a saliency map."""


def guided_grad_cam(saliency: Explanation, cam: Explanation) -> Explanation:
    """Multiply a saliency map by a class activation map.

    Guided Grad-CAM is the product of guided backpropagation, which is sharp and
    much the same for all classes, and Grad-CAM, which is coarse and tells classes
    apart [1]_. Any other two maps of pixels can be multiplied too.

    Parameters
    ----------
    saliency : Explanation
        From ``SaliencyExplainer(model, method="guided")``.
    cam : Explanation
        From ``CamExplainer(model)``, of the same images and outputs; it may be of
        several methods or layers.

    Returns
    -------
    Explanation
        Of quantity "relevance", with the dims of `cam`. Standard errors are those
        of the saliency map, if it has any, times the class activation map.

    Raises
    ------
    DataError
        If the two are of other images or outputs.

    References
    ----------
    .. [1] Selvaraju, R. R., Cogswell, M., Das, A., Vedantam, R., Parikh, D.,
       Batra, D. (2017). Grad-CAM: Visual explanations from deep networks via
       gradient-based localization. ICCV. https://doi.org/10.1109/ICCV.2017.74

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from agnostix import CamExplainer, SaliencyExplainer, guided_grad_cam
    >>> network = nn.Sequential(
    ...     nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> images = np.random.default_rng(0).random((3, 16, 16))
    >>> saliency = SaliencyExplainer(network, method="guided").fit(images).explain(images)
    >>> cam = CamExplainer(network).fit(images).explain(images)
    >>> exp = guided_grad_cam(saliency, cam)
    >>> bool((exp.values == saliency.values * cam.values).all())
    True
    """
    own = tuple(dim for dim in cam.dims if dim not in _BETWEEN)
    if saliency.dims != own or saliency.values.shape != _shape(cam):
        raise DataError(
            f"guided_grad_cam needs two maps of the same images, got dims {saliency.dims} of shape "
            f"{saliency.values.shape}, and {cam.dims} of shape {cam.values.shape}."
        )
    _check_same(saliency, cam)
    between = tuple(axis for axis, dim in enumerate(cam.dims) if dim in _BETWEEN)
    errors = saliency.std_errors
    kept = {key: value for key, value in saliency.extras.items() if key == DEGREES_OF_FREEDOM}
    return replace(
        cam,
        values=np.expand_dims(saliency.values, between) * cam.values,
        std_errors=None if errors is None else np.expand_dims(errors, between) * np.abs(cam.values),
        quantity="relevance",
        units=f"{saliency.units} times {cam.units}",
        method="guided_grad_cam",
        params={"saliency": saliency.params, "cam": cam.params},
        n_model_rows=saliency.n_model_rows + cam.n_model_rows,
        extras=cam.extras | kept,
    )


def _shape(cam: Explanation) -> tuple[int, ...]:
    """Shape of the values, without an axis for layers or methods."""
    return tuple(n for n, dim in zip(cam.values.shape, cam.dims, strict=True) if dim not in _BETWEEN)


def _check_same(saliency: Explanation, cam: Explanation) -> None:
    """Raise DataError unless two explanations are of the same outputs, rows and data."""
    if saliency.output_names != cam.output_names:
        raise DataError(
            f"guided_grad_cam needs two maps of the same outputs, got {saliency.output_names} and "
            f"{cam.output_names}. Give both explainers the same `outputs`."
        )
    is_same = saliency.data is None or cam.data is None or np.array_equal(saliency.data, cam.data)
    one, other = (exp.extras.get("predicted") for exp in (saliency, cam))
    is_same = is_same and (one is None or other is None or np.array_equal(np.asarray(one), np.asarray(other)))
    if not is_same:
        raise DataError("guided_grad_cam needs two maps of the same images, got others, or in another order.")
