"""The networks of the tests: shapes, weights of a seed, batch norms merged."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.neural import networks
from tests.neural.larger_networks import N_TOKENS, NETWORKS, full_size, merge_batch_norm

HAVE_BATCH_NORM = ("VGG-11", "ResNet-18", "EfficientNet-Lite0", "MobileNet", "1-D CNN")


def _tensor(rows):
    """Rows as a module takes them, channels first."""
    x = torch.as_tensor(rows)
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_of_rows_have_a_value_a_class_and_come_from_the_seed(name):
    case = NETWORKS[name]
    X = case.rows(2)
    outputs = []
    for seed in (0, 0, 1):
        network = case.network(seed=seed)
        assert not network.training
        with torch.no_grad():
            outputs.append(network(_tensor(X)).numpy())
    n_classes = 1000 if name == "EfficientNet-Lite0" else networks.N_CLASSES
    assert outputs[0].shape == (2, n_classes)
    assert np.ptp(outputs[0], axis=0).min() > 0
    np.testing.assert_array_equal(outputs[0], outputs[1])
    is_trained = name == "EfficientNet-Lite0"
    assert is_trained == np.array_equal(outputs[0], outputs[2])
    np.testing.assert_array_equal(X, case.rows(2))
    assert not np.array_equal(X, case.rows(2, seed=1))


def test_layers_to_explain_are_embeddings():
    for case in NETWORKS.values():
        if case.layer is not None:
            assert isinstance(case.network().get_submodule(case.layer), nn.Embedding)
            assert case.rows(1).shape == (1, N_TOKENS)


@pytest.mark.parametrize("name", HAVE_BATCH_NORM)
def test_merged_batch_norms_are_equal(name):
    case = NETWORKS[name]
    network, x = case.network(), _tensor(case.rows(2))
    merged = merge_batch_norm(network)
    assert any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules())
    assert not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in merged.modules())
    with torch.no_grad():
        expected, given = network(x), merged(x)
    assert (given - expected).abs().max() <= 1e-12 * expected.abs().max()


@pytest.mark.slow
def test_full_size_networks_have_the_parameters_of_their_papers():
    # as torchvision counts them
    counts = {"VGG-11": 132_868_840, "ResNet-18": 11_689_512, "ViT-B/16": 86_567_656}
    for name, n_parameters in counts.items():
        network = full_size(name)
        assert sum(one.numel() for one in network.parameters()) == n_parameters
        with torch.no_grad():
            assert network(torch.rand(1, 3, 224, 224)).shape == (1, 1000)
