"""The networks are those that were promised: their sizes, their form, and the work that one answer costs."""

import pytest
import torch

from mnist_core.architectures import ARCHITECTURES, build, multiply_adds, parameter_count


@pytest.mark.parametrize(
    ("architecture", "fewest", "most"),
    [
        ("mlp", 242_762, 242_762),
        ("simple_cnn", 607_394, 607_394),
        ("wide_cnn", 3_274_634, 3_274_634),
        ("mnistnet", 1_200_074, 1_200_074),
        ("batchnorm_cnn", 460_000, 480_000),
        ("house", 150_000, 500_000),
    ],
)
def test_a_network_has_the_parameters_it_is_known_for(architecture, fewest, most):
    assert fewest <= parameter_count(build(architecture)) <= most


def test_there_are_five_networks_of_the_field_and_one_of_the_house():
    assert set(ARCHITECTURES) == {"mlp", "simple_cnn", "batchnorm_cnn", "wide_cnn", "mnistnet", "house"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_network_gives_ten_logits_an_image(architecture):
    logits = build(architecture).eval()(torch.randn(3, 1, 28, 28))
    assert logits.shape == (3, 10)
    assert logits.std(dim=0).min() > 0, "the answer does not depend on the image"


@pytest.mark.parametrize("architecture", ["mlp", "batchnorm_cnn", "mnistnet", "house"])
def test_dropout_is_at_work_in_training_and_not_in_serving(architecture):
    model, tensor = build(architecture), torch.randn(2, 1, 28, 28)
    model.eval()
    assert torch.equal(model(tensor), model(tensor))
    for layer in model.modules():
        layer.train("Dropout" in type(layer).__name__)
    assert not torch.equal(model(tensor), model(tensor))


def test_arguments_change_a_network():
    assert parameter_count(build("simple_cnn", filters=4, hidden=8)) == 4 * (9 + 1) + 8 * (4 * 13 * 13 + 1) + 10 * (
        8 + 1
    )


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=f"'resnet'; there are {', '.join(ARCHITECTURES)}"):
        build("resnet")


BY_HAND = {
    "mlp": 784 * 256 + 256 * 128 + 128 * 64 + 64 * 10,
    "simple_cnn": 26 * 26 * 28 * 9 + 28 * 13 * 13 * 128 + 128 * 10,
    "batchnorm_cnn": 28 * 28 * 32 * 9 * (1 + 32) + 14 * 14 * 64 * 9 * (32 + 64) + 64 * 7 * 7 * 128 + 128 * 10,
    "wide_cnn": 28 * 28 * 32 * 25 + 14 * 14 * 64 * 25 * 32 + 64 * 7 * 7 * 1024 + 1024 * 10,
    "mnistnet": 26 * 26 * 32 * 9 + 24 * 24 * 64 * 9 * 32 + 64 * 12 * 12 * 128 + 128 * 10,
    "house": 28 * 28 * 16 * 25 + 14 * 14 * 48 * 9 * (16 + 48) + 7 * 7 * 96 * 9 * (48 + 128) + 128 * 3 * 3 * 10,
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_multiply_adds_are_those_counted_by_hand(architecture):
    model = build(architecture).eval()
    assert multiply_adds(model, torch.zeros(1, 1, 28, 28)) == BY_HAND[architecture]
    assert multiply_adds(model, torch.zeros(2, 1, 28, 28)) == 2 * BY_HAND[architecture]


@pytest.mark.parametrize("side", [28, 5])
def test_counting_leaves_no_hooks_even_when_it_fails(side):
    model = build("wide_cnn").eval()
    try:
        multiply_adds(model, torch.zeros(1, 1, side, side))
    except RuntimeError:
        assert side == 5
    else:
        assert side == 28
    assert not any(layer._forward_hooks for layer in model.modules())


def test_the_folded_network_of_the_house_gives_the_same_logits_with_fewer_parameters():
    model = build("house")
    with torch.no_grad():
        for _ in range(20):  # averages and scales of their own, or there is nothing to fold
            model(torch.randn(16, 1, 28, 28) * 2 + 1)
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2)
                layer.bias.uniform_(-1, 1)
    tensors = torch.randn(8, 1, 28, 28)
    folded = model.eval().fold()
    torch.testing.assert_close(folded(tensors), model(tensors), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    assert parameter_count(folded) < parameter_count(model)
    assert [*folded.state_dict()] == [*build("house", folded=True).state_dict()]
