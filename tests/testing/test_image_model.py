"""ImageModel: the table's predictions and exact gradients of what is linear, in numpy and in torch."""

import numpy as np
import pytest

from agnostix.core.models import Differentiable
from agnostix.testing import AdditiveModel, CountingModel, ImageModel, InteractionModel, ProbabilityModel

IMAGES = np.random.default_rng(0).random((5, 2, 3))


def test_image_model_predicts_as_model_of_tables():
    np.testing.assert_array_equal(
        ImageModel(InteractionModel())(IMAGES), InteractionModel()(IMAGES.reshape(5, 6))
    )
    assert isinstance(ImageModel(AdditiveModel()), Differentiable)


def test_image_model_gradients_of_weighted_sum_are_weights():
    expected = np.broadcast_to([[1.0, -2.0, 0.5], [3.0, 1.0, -2.0]], IMAGES.shape)
    np.testing.assert_allclose(ImageModel(AdditiveModel()).gradients(IMAGES, 0), expected, rtol=1e-9)


def test_image_model_gradients_select_outputs():
    model = ImageModel(ProbabilityModel(3))
    jacobian = model.jacobian(IMAGES)
    assert jacobian.shape == (5, 2, 3, 3)
    np.testing.assert_allclose(jacobian.sum(axis=-1), 0.0, atol=1e-10)  # the outputs sum to 1
    np.testing.assert_array_equal(model.gradients(IMAGES, 2), jacobian[..., 2])
    several = model.gradients(IMAGES, np.tile([2, 0], (5, 1)))
    np.testing.assert_array_equal(several, jacobian[..., [2, 0]])


def test_image_model_gradients_evaluate_each_row_once():
    model = CountingModel(ProbabilityModel(2))
    ImageModel(model).gradients(IMAGES, 1)
    assert model.sizes == [5]


def test_image_model_session_gives_predictions_and_gradients():
    torch = pytest.importorskip("torch")
    model = CountingModel(ProbabilityModel(3))
    with ImageModel(model).session() as session:
        x = session.tensor(IMAGES, requires_grad=True)
        predictions = session.predict(x)
        (gradients,) = torch.autograd.grad(predictions[:, 1].sum(), [x])
    np.testing.assert_array_equal(predictions.detach().numpy(), ProbabilityModel(3)(IMAGES.reshape(5, 6)))
    expected = ImageModel(ProbabilityModel(3)).gradients(IMAGES, 1)
    np.testing.assert_allclose(gradients.numpy()[:, 0], expected, rtol=1e-12)
    assert model.sizes == [5]


def test_image_model_session_of_weights_needs_no_graph():
    pytest.importorskip("torch")
    with ImageModel(AdditiveModel()).session() as session:
        assert not session.predict(session.tensor(IMAGES)).requires_grad


def test_image_model_has_no_layers():
    pytest.importorskip("torch")
    with ImageModel(AdditiveModel()).session() as session, pytest.raises(ValueError, match="no layers"):
        session.activations("conv1")
    with pytest.raises(ValueError, match="no layers"):
        ImageModel(AdditiveModel()).activations(IMAGES, ["conv1"])
