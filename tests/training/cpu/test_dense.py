"""Weight gradients of dense convolutions by taps: the library's numbers, nothing else changes."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from scalegrid.training.cpu import dense
from scalegrid.training.cpu.dense import weight_gradient_by_taps

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
CHANNELS = 128
ALL = 10**6


def make_conv(stride: int = 1, dtype: torch.dtype = torch.float32) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(CHANNELS, CHANNELS, 3, stride, 1, dtype=dtype).to(
        memory_format=torch.channels_last
    )


def random_map(side: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(side)
    x = torch.randn(3, side, side, CHANNELS, generator=generator, dtype=dtype)
    return x.permute(0, 3, 1, 2)


def gradients(conv: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    return list(torch.autograd.grad(conv(x).sin().sum(), [x, *conv.parameters()]))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


def by_taps(conv: nn.Module, side: int) -> bool:
    result = conv(random_map(side))
    return result.grad_fn is not None and "_OwnGradients" in result.grad_fn.name()


@pytest.mark.parametrize("side", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_the_librarys(side: int, stride: int, dtype: torch.dtype) -> None:
    conv, x = make_conv(stride, dtype), random_map(side, dtype)
    expected_value, expected = conv(x), gradients(conv, x)
    assert dense.accelerate(conv, ALL) == 1
    assert torch.equal(conv(x), expected_value)
    for ours, theirs in zip(gradients(conv, x), expected, strict=True):
        assert ours.dtype == dtype
        assert relative_error(ours, theirs) < TOLERANCE[dtype]


def test_in_bfloat16_gradients_equal_those_in_float32_to_rounding() -> None:
    conv, x = make_conv(), random_map(2)
    expected = gradients(conv, x)
    dense.accelerate(conv, ALL)
    with torch.autocast("cpu", torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
        assert by_taps(conv, 2)
        ours = gradients(conv, x)
    for our, their in zip(ours, expected, strict=True):
        assert our.dtype == torch.float32
        assert relative_error(our, their) < 0.02


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=150, deadline=None)
def test_taps_hold_for_any_geometry(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    seed: int,
) -> None:
    assume(all(n + 2 * p >= k for n, k, p in zip(size, kernel, padding, strict=True)))
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
    weight = torch.zeros(4, 3, *kernel, dtype=torch.float64, requires_grad=True)
    result = nn.functional.conv2d(x, weight, None, stride, padding)
    grad = torch.randn(result.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(result, weight, grad)
    actual = weight_gradient_by_taps(x, grad, kernel, stride, padding)
    assert actual.shape == expected.shape
    assert torch.allclose(actual, expected, rtol=1e-11, atol=1e-11)


def test_the_limit_is_the_largest_output_in_positions() -> None:
    conv = make_conv()
    dense.accelerate(conv, 16)
    assert by_taps(conv, 4)
    assert not by_taps(conv, 5)
    dense.accelerate(conv)
    assert not by_taps(conv, 1), "by default nothing changes"


def test_without_gradients_or_with_another_format_the_library_computes() -> None:
    conv = make_conv()
    dense.accelerate(conv, ALL)
    with torch.no_grad():
        assert conv(random_map(2)).grad_fn is None
    with torch.autocast("cpu", torch.float16):
        assert not by_taps(conv, 2)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(128, 128, 1),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.Conv2d(128, 128, 3, padding=1, groups=2),
        nn.Conv2d(128, 128, 3, padding=2, dilation=2),
        nn.Conv2d(128, 128, 3, padding="same"),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="circular"),
    ],
    ids=str,
)
def test_other_convolutions_stay_as_they_are(conv: nn.Conv2d) -> None:
    assert dense.accelerate(conv, ALL) == 0
    assert type(conv) is nn.Conv2d


def test_a_whole_network_trains_the_same_and_keeps_its_structure() -> None:
    torch.manual_seed(1)
    model = timm.create_model("resnet18", num_classes=4, zero_init_last=False).double().eval()
    model = model.to(memory_format=torch.channels_last)
    fast = copy.deepcopy(model)
    count = dense.accelerate(fast, ALL)
    assert count > 10
    assert dense.accelerate(fast, ALL) == count
    assert repr(fast) == repr(model)
    assert list(fast.state_dict()) == list(model.state_dict())
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    for ours, theirs in zip(gradients(fast, x), gradients(model, x), strict=True):
        assert relative_error(ours, theirs) < 1e-9
