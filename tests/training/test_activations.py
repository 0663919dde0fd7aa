"""Working out of place gives the same bits, and only where it saves a copy."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scalegrid.training import activations


@pytest.mark.parametrize("activation", [nn.SiLU, nn.Hardswish, nn.Mish])
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


def test_relu6_works_in_place_with_the_same_bits() -> None:
    x = torch.linspace(-8, 8, 161, requires_grad=True)  # 0 and 6 among them

    def run(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor, bool]:
        source = x * 1
        result = module(source)
        (grad,) = torch.autograd.grad(result.square().sum(), x)
        return result, grad, result.data_ptr() == source.data_ptr()

    model = nn.Sequential(nn.ReLU6(inplace=True))
    printed, before = str(model), run(model)
    assert activations.accelerate(model) == 1
    after = run(model)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert before[2]
    assert after[2]
    assert str(model) == printed
    assert activations.accelerate(model) == 0
    with torch.no_grad():
        assert torch.equal(model(x.detach().clone()), before[0])


def test_relu6_out_of_place_is_left_alone() -> None:
    assert activations.accelerate(nn.Sequential(nn.ReLU6())) == 0


def test_relu_stays_in_place() -> None:
    module = nn.ReLU(inplace=True)
    assert activations.accelerate(module) == 0
    assert module.inplace
