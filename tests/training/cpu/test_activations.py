"""Activations out of place, or ReLU6 without a copy, give the same bits."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from scalegrid import baselines
from scalegrid.training.cpu import activations


@pytest.mark.parametrize("activation", [nn.SiLU, nn.Hardswish, nn.ReLU6, nn.Hardtanh, nn.Mish])
def test_the_same_bits_without_autograds_copy(activation: type[nn.SiLU]) -> None:
    x = torch.linspace(-8, 8, 101, requires_grad=True)

    def run(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor, bool]:
        source = x * 1
        result = module(source)
        (grad,) = torch.autograd.grad(result.square().sum(), x)
        return result, grad, result is source

    module = activation(inplace=True)
    before = run(module)
    assert before[2]
    assert activations.accelerate(nn.Sequential(module)) == 1
    after = run(module)
    assert not after[2]
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert activations.accelerate(nn.Sequential(module)) == 0


def test_relu6_of_a_mobile_network_stays_in_place_with_the_same_bits() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = baselines.get("mobilenetv2").build(1.0, 1.0, 5)
        x = 3 * torch.randn(2, 3, 32, 32)
    before = copy.deepcopy(model)
    relus = [module for module in model.modules() if isinstance(module, nn.ReLU6)]
    assert activations.accelerate(model) == len(relus) == 35
    assert activations.accelerate(model) == 0
    assert str(model) == str(before)
    grads = []
    for network in (before, model):
        output = network(x)
        inputs = list(network.parameters())
        grads.append([output, *torch.autograd.grad(output.square().sum(), inputs)])
    assert all(torch.equal(plain, fast) for plain, fast in zip(*grads, strict=True))
    source = torch.linspace(-1, 7, 9) * 1
    assert relus[0](source).data_ptr() == source.data_ptr()


def test_relu6_out_of_place_stays_as_it_is() -> None:
    assert activations.accelerate(nn.Sequential(nn.ReLU6())) == 0


def test_a_network_that_overwrites_the_output_of_relu6_still_trains() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU6(inplace=True), nn.Dropout(0.5, inplace=True))
    activations.accelerate(model)
    model(torch.ones(2, 4)).sum().backward()
    assert model[0].weight.grad is not None


def test_relu_stays_in_place() -> None:
    module = nn.ReLU(inplace=True)
    assert activations.accelerate(module) == 0
    assert module.inplace
