"""Squeeze-and-excitation with one addition has the values and gradients of timm's."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from torch import nn

from scalegrid import baselines
from scalegrid.training.cpu import squeeze


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_values_are_the_same_bits_and_gradients_equal(memory: torch.memory_format) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = SqueezeExcite(8, act_layer=nn.SiLU).double()
        x = torch.randn(3, 8, 5, 6, dtype=torch.float64).contiguous(memory_format=memory)
    fast = copy.deepcopy(plain)
    assert squeeze.accelerate(nn.Sequential(fast)) == 1
    outputs, gradients = [], []
    for module in (plain, fast):
        source = x.clone().requires_grad_()
        output = module(source)
        inputs = [source, *module.parameters()]
        outputs.append(output)
        gradients.append(torch.autograd.grad(output.sin().sum(), inputs))
    assert torch.equal(*outputs)
    torch.testing.assert_close(*gradients)


def test_its_gradients_are_those_of_finite_differences() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = SqueezeExcite(4, act_layer=nn.SiLU).double()
        x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    squeeze.accelerate(module)
    assert torch.autograd.gradcheck(module, (x,))


def test_a_network_keeps_its_structure() -> None:
    model = baselines.get("b0").build(1.0, 1.0, 5)
    printed, keys = str(model), list(model.state_dict())
    count = sum(isinstance(module, SqueezeExcite) for module in model.modules())
    assert squeeze.accelerate(model) == count == squeeze.accelerate(model) == 16
    assert (str(model), list(model.state_dict())) == (printed, keys)
