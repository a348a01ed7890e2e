"""The product of a saliency map and a class activation map."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from agnostix import CamExplainer, SaliencyExplainer, as_predictor, guided_grad_cam  # noqa: E402
from agnostix.exceptions import DataError  # noqa: E402
from tests.messages import refuses  # noqa: E402
from tests.neural.networks import pictures, seeded, vgg  # noqa: E402

X = pictures()
MODEL = as_predictor(seeded(vgg), activation="softmax")


def saliency(rows=X, **params):
    explainer = SaliencyExplainer(MODEL, **({"method": "guided", "random_state": 0} | params))
    return explainer.fit(X).explain(rows)


def cam(rows=X, **params):
    return CamExplainer(MODEL, **params).fit(X).explain(rows)


def test_product_equals_rules_by_hand():
    """Guided backpropagation by hooks on the ReLU modules, times Grad-CAM enlarged by torch."""
    net, images = MODEL.function.module, torch.as_tensor(X).permute(0, 3, 1, 2).requires_grad_()
    kept = []
    hooks = [
        part.register_full_backward_hook(lambda _m, given, _o: (given[0].clamp(min=0),))
        for part in net
        if isinstance(part, nn.ReLU)
    ]
    hooks.append(net[9].register_forward_hook(lambda _m, _i, out: kept.append(out)))
    scores = net(images)
    guided = torch.autograd.grad(scores[:, 1].sum(), images, retain_graph=True)[0].sum(dim=1)
    for hook in hooks:
        hook.remove()
    slopes = torch.autograd.grad(net[10:](kept[0])[:, 1].sum(), kept[0])[0]
    small = torch.einsum("nk,nkyx->nyx", slopes.mean((2, 3)), kept[0]).relu()
    large = nn.functional.interpolate(small[None], size=(16, 16), mode="bilinear")[0]
    exp = guided_grad_cam(saliency(), cam())
    np.testing.assert_allclose(exp.values[..., 1], (guided * large).detach(), atol=1e-12)
    assert (exp.quantity, exp.method, exp.units) == ("relevance", "guided_grad_cam", "logits times logits")
    assert exp.n_model_rows == saliency().n_model_rows + 3
    assert exp.params["cam"]["method"] == "grad_cam"


def test_product_of_several_methods_and_with_errors():
    noisy, maps = saliency(n_samples=8), cam(method=["grad_cam", "hires_cam"])
    exp = guided_grad_cam(noisy, maps)
    assert exp.dims == maps.dims
    assert exp.coords["method"].tolist() == ["grad_cam", "hires_cam"]
    for k in range(2):
        np.testing.assert_array_equal(exp.values[:, k], noisy.values * maps.values[:, k])
        np.testing.assert_array_equal(exp.std_errors[:, k], noisy.std_errors * np.abs(maps.values[:, k]))
    low, high = exp.interval()
    assert (low <= exp.values).all()
    assert (exp.values <= high).all()


def test_maps_of_other_images_or_outputs_are_refused():
    with refuses(DataError, "same images", "(2, 16, 16, 4)", "(3, 16, 16, 4)"):
        guided_grad_cam(saliency(X[:2]), cam())
    with refuses(DataError, "same images", "another order"):
        guided_grad_cam(saliency(X[::-1]), cam())
    with refuses(DataError, "same outputs", "output_1", "output_2"):
        guided_grad_cam(saliency(outputs=1), cam(outputs=2))
    with refuses(DataError, "dims", "method"):
        guided_grad_cam(cam(method=["grad_cam"]), saliency())
    guided_grad_cam(saliency(outputs="predicted"), cam(outputs="predicted"))
