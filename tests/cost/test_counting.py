"""The count against closed forms, fvcore's, which traces the network, and torch's own counter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from breadth import some
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

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
]
TORCH_ALONE = [
    "mobileone_s0",
    "xception41",
    "beit_base_patch16_224",
    "cait_xxs24_224",
    "convmixer_768_32",
    "crossvit_9_240",
    "davit_tiny",
    "deit_tiny_distilled_patch16_224",
    "efficientvit_m0",
    "eva02_tiny_patch14_224",
    "gmlp_s16_224",
    "levit_128s",
    "mixer_s16_224",
    "mobilevit_xxs",
    "mvitv2_tiny",
    "nest_tiny",
    "pit_ti_224",
    "pvt_v2_b0",
    "resmlp_12_224",
    "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_224",
    "twins_svt_small",
    "vit_tiny_patch16_224",
    "xcit_nano_12_p16_224",
]
PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum", "baddbmm")


def fvcore_count(model: nn.Module, px: int) -> int:
    """Multiply-adds of convolutions and matrix products as fvcore counts them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; traced branches are constants
        from fvcore.nn import FlopCountAnalysis

        analysis: Any = FlopCountAnalysis(model.eval(), torch.zeros(1, 3, px, px))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = analysis.by_operator()
    return int(sum(by_operator[operator] for operator in PRODUCTS))


@pytest.mark.parametrize("name", [names[0] for names in baselines.families().values()])
def test_a_baseline_costs_what_fvcore_counts(name: str) -> None:
    baseline = baselines.get(name)
    px = 2 * baseline.total_stride
    with torch.random.fork_rng(devices=[]):
        model = baseline.build(1, 1, 10)
    assert cost.measure(model, px).flops == fvcore_count(model, px)


@pytest.mark.parametrize("name", some(OTHERS, 3))
def test_another_network_costs_what_fvcore_counts(name: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("timm.layers.config._USE_FUSED_ATTN", 0)  # fvcore does not know it
    with torch.random.fork_rng(devices=[]):
        model = timm.create_model(name, num_classes=10)
    assert cost.measure(model, 64).flops == fvcore_count(model, 64)


@pytest.mark.parametrize("name", some([*OTHERS, *TORCH_ALONE], 4))
def test_another_network_costs_what_torch_counts(name: str) -> None:
    """Attention by a fused operator is counted too, which torch has other formulas for."""
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=10).eval().requires_grad_(False)
        px = int(model.pretrained_cfg["input_size"][-1])  # type: ignore[index]
        image = torch.empty(1, 3, px, px)
    with FlopCounterMode(display=False) as counter:
        model(image)
    assert cost.measure(model, px).flops == counter.get_total_flops() // 2


class Call(nn.Module):
    """A function of the image, with a weight of this shape."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], *shape: int) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight)


def attended(x: Tensor, weight: Tensor) -> Tensor:
    """Attention of one head over the pixels, as a map again."""
    q, k, v = (tokens(x) @ weight).chunk(3, -1)
    mixed = nn.functional.scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2).reshape(1, -1, *x.shape[2:])


def tokens(x: Tensor) -> Tensor:
    """(1, C, R, R) → (1, R², C)."""
    return x.flatten(2).transpose(1, 2)


def conditional(x: Tensor, experts: Tensor) -> Tensor:
    routing = torch.softmax(x.mean((2, 3))[:, :2], -1)
    kernel = (routing @ experts).view(5, 3, 3, 3)
    return nn.functional.conv2d(x, kernel, padding=1)


R = 6
CALLS = {
    "matmul": (Call(lambda x, w: tokens(x) @ w, 3, 7), R * R * 3 * 7),
    "linear": (Call(lambda x, w: nn.functional.linear(tokens(x), w), 7, 3), R * R * 3 * 7),
    "bmm": (Call(lambda x, w: torch.bmm(x[0], w), 3, R, 4), 3 * R * R * 4),
    "einsum": (Call(lambda x, w: torch.einsum("bchw,cd->bdhw", x, w), 3, 7), R * R * 3 * 7),
    "vector": (Call(lambda x, w: tokens(x)[0] @ w, 3), R * R * 3),
    "functional convolution": (
        Call(lambda x, w: nn.functional.conv2d(x, w, padding=1), 5, 3, 3, 3),
        R * R * 27 * 5,
    ),
    "weight-standardised": (
        Call(lambda x, w: nn.functional.conv2d(x, w - w.mean((1, 2, 3), keepdim=True)), 5, 3, 1, 1),
        R * R * 3 * 5,
    ),
    "transposed": (
        Call(lambda x, w: nn.functional.conv_transpose2d(x, w, stride=2), 3, 5, 2, 2),
        R * R * 3 * 5 * 4,
    ),
    "conditional": (Call(conditional, 2, 5 * 27), 2 * 5 * 27 + R * R * 27 * 5),
    "attention": (Call(attended, 3, 12), R * R * 3 * 12 + 2 * R**4 * 4),
}


@pytest.mark.parametrize("kind", CALLS)
def test_every_kind_of_product_is_counted(kind: str) -> None:
    model, flops = CALLS[kind]
    assert cost.measure(model, R).flops == flops
    assert cost.measure(model.to("meta"), R).flops == flops


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_as_a_layer_is_counted_in_evaluation_mode(batch_first: bool) -> None:
    """torch has a fused path for it that no counter sees."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=batch_first)
            self.stem = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x).flatten(2)
            result: Tensor = self.layer(x.transpose(1, 2) if batch_first else x.permute(2, 0, 1))
            return result

    n = R * R
    assert cost.measure(Attention().eval(), R).flops == n * (12 + 4 * 16 + 64) + 2 * n * n * 4


def test_arithmetic_that_is_not_counted_is_named() -> None:
    def mixed(x: Tensor, w: Tensor) -> Tensor:
        return nn.functional.conv2d(torch.fft.rfft2(x).abs(), w)

    found = cost.trace(Call(mixed, 5, 3, 1, 1), R)
    assert found.total.flops == 15 * R * (R // 2 + 1)
    assert set(found.uncounted) == {"_fft_r2c"}


PIECES: dict[str, Callable[[int], nn.Module]] = {
    "convolution": lambda c: nn.Conv2d(c, c, 3, padding=1),
    "grouped": lambda c: nn.Conv2d(c, c, 3, padding=1, groups=2),
    "strided": lambda c: nn.Conv2d(c, c, 2, stride=2),
    "transposed": lambda c: nn.ConvTranspose2d(c, c, 2, stride=2),
    "functional": lambda c: Call(lambda x, w: nn.functional.conv2d(x, w / w.sum()), c, c, 1, 1),
    "norm": nn.BatchNorm2d,
    "activation": lambda _: nn.Hardswish(),
    "attention": lambda c: Call(attended, c, 3 * c),
}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(sorted(PIECES)), max_size=6), st.sampled_from([2, 4, 6]))
def test_random_networks_cost_what_torch_counts(pieces: list[str], channels: int) -> None:
    stages = [PIECES[piece](channels) for piece in pieces]
    model = (
        nn.Sequential(nn.Conv2d(3, channels, 1), *stages).to("meta").eval().requires_grad_(False)
    )
    side = 8 * 2 ** pieces.count("strided")
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, side, side, device="meta"))
    assert cost.measure(model, side).flops == counter.get_total_flops() // 2


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
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_layer_used_twice_is_counted_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.conv(self.conv(x))
            return result

    assert cost.measure(Twice(), 10).flops == 2 * 9 * 100
