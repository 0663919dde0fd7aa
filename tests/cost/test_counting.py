"""The fast count against fvcore's, which traces the network."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import timm
import torch
from torch import nn

from scalegrid import baselines, cost

OTHERS = [
    "cs3darknet_s",
    "densenet121",
    "dla46_c",
    "dpn48b",
    "edgenext_xx_small",
    "efficientvit_b0",
    "fastvit_t8",
    "ghostnet_100",
    "hardcorenas_a",
    "hgnetv2_b0",
    "inception_next_atto",
    "lcnet_050",
    "mixnet_s",
    "mobilenetv4_conv_small",
    "mobileone_s0",
    "poolformerv2_s12",
    "repghostnet_050",
    "repvit_m0_9",
    "resnest14d",
    "rexnet_100",
    "selecsls42",
    "shvit_s1",
    "starnet_s1",
    "tinynet_e",
    "tiny_vit_5m_224",
    "xception41",
]
LAYERS = ("conv", "linear", "addmm")


def fvcore_count(model: nn.Module, px: int) -> int:
    """Multiply-adds of convolution and linear layers as fvcore counts them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; traced branches are constants
        from fvcore.nn import FlopCountAnalysis

        analysis: Any = FlopCountAnalysis(model.eval(), torch.zeros(1, 3, px, px))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = analysis.by_operator()
    return int(sum(by_operator[operator] for operator in LAYERS))


@pytest.mark.parametrize("name", baselines.names())
def test_a_baseline_costs_what_fvcore_counts(name: str) -> None:
    baseline = baselines.get(name)
    px = 2 * baseline.total_stride
    with torch.random.fork_rng(devices=[]):
        model = baseline.build(1, 1, 10)
    assert cost.measure(model, px).flops == fvcore_count(model, px)


@pytest.mark.parametrize("name", OTHERS)
def test_another_network_costs_what_fvcore_counts(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        model = timm.create_model(name, num_classes=10)
    assert cost.measure(model, 64).flops == fvcore_count(model, 64)


@pytest.mark.parametrize("px", [33, 47, 64])
def test_counts_follow_the_closed_form_of_a_single_layer(px: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(8, 8, 5, padding=2, groups=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    side = (px + 1) // 2
    counted = cost.measure(model, px)
    assert counted.flops == side**2 * (27 * 8 + 25 * 2 * 8) + 80
    assert counted.params == 27 * 8 + (25 * 2 * 8 + 8) + 90
    assert counted.activations == 2 * 8 * side**2 + 10


def test_counting_leaves_the_network_as_it_was() -> None:
    model = timm.create_model("mobilenetv3_small_050")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cost.measure(model, 64)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_used_twice_is_counted_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.conv(self.conv(x))
            return result

    assert cost.measure(Twice(), 10).flops == 2 * 9 * 100
