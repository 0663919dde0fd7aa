"""1×1 convolutions as matrix products: the library's numbers, the library's memory layout."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import Tensor, nn

from scalegrid.training.cpu import pointwise

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def random_map(side: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(side)
    # These strides are those of channels_last even for a single position.
    return torch.randn(3, side, side, 5, generator=generator, dtype=dtype).permute(0, 3, 1, 2)


def make_conv(bias: bool = True, dtype: torch.dtype = torch.float64) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(5, 7, 1, bias=bias, dtype=dtype).to(memory_format=torch.channels_last)


def is_fast(result: Tensor) -> bool:
    assert result.grad_fn is not None
    return "Convolution" not in result.grad_fn.name()


def close(actual: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    return bool((actual - expected).abs().max() <= TOLERANCE[dtype] * expected.abs().max())


@pytest.mark.parametrize("side", [1, 2, 6])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_the_librarys(side: int, bias: bool, dtype: torch.dtype) -> None:
    conv, x = make_conv(bias, dtype), random_map(side, dtype).requires_grad_()
    fast = copy.deepcopy(conv)
    assert pointwise.accelerate(fast) == 1
    expected, actual = conv(x), fast(x)
    assert is_fast(actual)
    assert not is_fast(expected)
    assert close(actual, expected, dtype)
    assert actual.is_contiguous(memory_format=torch.channels_last)
    theirs = torch.autograd.grad(expected.sin().sum(), [x, *conv.parameters()])
    ours = torch.autograd.grad(actual.sin().sum(), [x, *fast.parameters()])
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        assert close(our, their, dtype)


def test_in_bfloat16_values_and_gradients_equal_the_librarys_to_rounding() -> None:
    conv, x = make_conv(dtype=torch.float32), random_map(4, torch.float32).requires_grad_()
    expected = torch.autograd.grad(conv(x).sin().sum(), [x, *conv.parameters()])
    pointwise.accelerate(conv)
    with torch.autocast("cpu", torch.bfloat16):
        value = conv(x)
    assert is_fast(value)
    assert value.dtype == torch.bfloat16
    for ours, theirs in zip(
        torch.autograd.grad(value.float().sin().sum(), [x, *conv.parameters()]),
        expected,
        strict=True,
    ):
        assert ours.dtype == torch.float32
        assert (ours - theirs).abs().max() <= 0.02 * theirs.abs().max()


@pytest.mark.parametrize(("limit", "fast"), [(15, False), (16, True)])
def test_the_limit_is_the_largest_map_in_positions(limit: int, fast: bool) -> None:
    conv = make_conv()
    pointwise.accelerate(conv, limit)
    assert is_fast(conv(random_map(4))) == fast


def test_gradients_agree_with_finite_differences() -> None:
    conv = make_conv()
    pointwise.accelerate(conv)
    x = random_map(3).requires_grad_()
    # gradcheck perturbs the parameters in place, so the closure over ``conv`` sees the changes.
    assert torch.autograd.gradcheck(lambda x, *_: conv(x), (x, *conv.parameters()))


def test_the_library_keeps_large_maps_other_layouts_and_other_precisions() -> None:
    conv = make_conv()
    pointwise.accelerate(conv)
    assert not is_fast(conv(random_map(7)))
    assert not is_fast(conv(random_map(4).contiguous()))
    with torch.autocast("cpu", dtype=torch.float16):
        assert not is_fast(conv.float()(random_map(4, torch.float32).half()))
    assert conv.to("meta")(random_map(4, torch.float32).to("meta")).device.type == "meta"


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Conv2d(4, 4, 1, stride=2),
        nn.Conv2d(4, 4, 1, padding=1),
        nn.Conv2d(4, 4, 1, groups=2),
    ],
    ids=str,
)
def test_other_convolutions_stay_as_they_are(conv: nn.Conv2d) -> None:
    assert pointwise.accelerate(conv) == 0
    assert type(conv) is nn.Conv2d


def test_a_whole_network_trains_the_same_and_keeps_its_structure() -> None:
    torch.manual_seed(1)
    model = timm.create_model("efficientnet_lite0", num_classes=4).double().eval()
    model = model.to(memory_format=torch.channels_last)
    fast = copy.deepcopy(model)
    count = pointwise.accelerate(fast)
    assert count > 25
    assert pointwise.accelerate(fast) == count
    assert repr(fast) == repr(model)
    assert list(fast.state_dict()) == list(model.state_dict())
    x = torch.randn(2, 3, 40, 40, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    expected = torch.autograd.grad(model(x).sin().sum(), list(model.parameters()))
    actual = torch.autograd.grad(fast(x).sin().sum(), list(fast.parameters()))
    for ours, theirs in zip(actual, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()
