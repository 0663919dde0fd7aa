"""The fast weight gradient equals the library's; patching changes nothing else."""

from __future__ import annotations

import copy
import pickle

import pytest
import timm
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from scalegrid.training.cpu import depthwise
from scalegrid.training.cpu.depthwise import (
    choose_method,
    weight_gradient_by_correlation,
    weight_gradient_by_strips,
)

CHANNELS = 6
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}

# Kernel, stride, map side: one case for each way of computing, and the extremes of each.
CASES = [
    pytest.param(5, 1, 1, "correlation", id="centre tap alone"),
    pytest.param(3, 1, 2, "correlation", id="narrow kernel, tiny map"),
    pytest.param(3, 2, 3, "correlation", id="narrow kernel, small map, stride 2"),
    pytest.param(5, 1, 4, "correlation", id="wide kernel, small map"),
    pytest.param(5, 2, 7, "correlation", id="wide kernel, odd side, stride 2"),
    pytest.param(3, 1, 3, "library", id="narrow kernel, stride 1"),
    pytest.param(3, 2, 4, "library", id="narrow kernel, stride 2"),
    pytest.param(5, 1, 9, "strips", id="two strips"),
    pytest.param(7, 2, 13, "strips", id="three strips, stride 2"),
]


def make_conv(kernel: int, stride: int = 1, dtype: torch.dtype = torch.float64) -> nn.Conv2d:
    torch.manual_seed(0)
    padding = kernel // 2
    conv = nn.Conv2d(
        CHANNELS, CHANNELS, kernel, stride, padding, groups=CHANNELS, bias=True, dtype=dtype
    )
    return conv.to(memory_format=torch.channels_last)


def random_map(side: int, images: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(side)
    x = torch.randn(images, CHANNELS, side, side, generator=generator, dtype=dtype)
    return x.contiguous(memory_format=torch.channels_last)


def gradients(conv: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    result = conv(x)
    # A loss that is not linear gives each position another gradient.
    return list(torch.autograd.grad(result.sin().sum(), [x, *conv.parameters()]))


@pytest.mark.parametrize("layout", [(6, 5), (3, 9), (13, 12)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_and_columns_may_differ(layout: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, (3, 5), (2, 1), (1, 3), groups=6, dtype=dtype)
    x = torch.randn(3, 6, *layout, dtype=dtype).contiguous(memory_format=torch.channels_last)
    expected = gradients(conv, x)
    assert depthwise.accelerate(conv) == 1
    assert "_OwnGradients" in conv(x).grad_fn.name()
    for ours, theirs in zip(gradients(conv, x), expected, strict=True):
        assert relative_error(ours, theirs) < TOLERANCE[dtype]


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-30))


@pytest.mark.parametrize(("kernel", "stride", "side", "method"), CASES)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_the_librarys(
    kernel: int,
    stride: int,
    side: int,
    method: str,
    layout: torch.memory_format,
    dtype: torch.dtype,
) -> None:
    conv = make_conv(kernel, stride, dtype)
    x = random_map(side, dtype=dtype).contiguous(memory_format=layout)
    expected_value, expected = conv(x), gradients(conv, x)
    assert depthwise.accelerate(conv) == 1
    value = conv(x)
    assert ("_OwnGradients" in value.grad_fn.name()) == (method != "library")
    assert torch.equal(value, expected_value)
    for ours, theirs in zip(gradients(conv, x), expected, strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        assert relative_error(ours, theirs) < TOLERANCE[dtype]


@pytest.mark.parametrize(("kernel", "stride", "side", "method"), CASES)
def test_in_bfloat16_values_are_the_librarys_and_gradients_equal_to_rounding(
    kernel: int, stride: int, side: int, method: str
) -> None:
    conv = make_conv(kernel, stride, torch.float32)
    x = random_map(side, dtype=torch.float32)
    expected = gradients(conv, x)
    with torch.autocast("cpu", torch.bfloat16):
        expected_value = conv(x)
        assert depthwise.accelerate(conv) == 1
        value = conv(x)
        ours = gradients(conv, x)
    own = method != "library" or stride != 1
    assert ("_OwnGradients" in value.grad_fn.name()) == own
    assert value.dtype == torch.bfloat16
    assert torch.equal(value, expected_value)
    for our, their in zip(ours, expected, strict=True):
        assert our.dtype == torch.float32
        assert relative_error(our, their) < 0.02


@pytest.mark.parametrize(("limit", "method"), [(255, "strips"), (256, "correlation")])
def test_the_limit_says_up_to_which_map_correlation_is_used(limit: int, method: str) -> None:
    assert choose_method((4, 4), (4, 4), (5, 5), (1, 1), limit) == method


@pytest.mark.parametrize(("kernel", "stride", "side", "method"), CASES)
def test_the_method_is_the_one_measured_best(
    kernel: int, stride: int, side: int, method: str
) -> None:
    out = (side + 2 * (kernel // 2) - kernel) // stride + 1
    assert choose_method((side, side), (out, out), (kernel, kernel), (stride, stride)) == method


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [2, 9, 10])
def test_gradients_agree_with_finite_differences(kernel: int, stride: int, side: int) -> None:
    conv = make_conv(kernel, stride)
    depthwise.accelerate(conv)
    x = random_map(side, images=1)[:, :, :, : side - 1].requires_grad_()

    def apply(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        parameters = {"weight": weight, "bias": bias}
        result: Tensor = torch.func.functional_call(conv, parameters, (x,))
        return result

    inputs = (x, *(p.detach().clone().requires_grad_() for p in conv.parameters()))
    assert torch.autograd.gradcheck(apply, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(apply, inputs, fast_mode=True)


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    images=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=150, deadline=None)
def test_both_methods_hold_for_any_geometry(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    images: int,
    seed: int,
) -> None:
    assume(all(n + 2 * p >= k for n, k, p in zip(size, kernel, padding, strict=True)))
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, 2, *size, generator=generator, dtype=torch.float64)
    weight = torch.zeros(2, 1, *kernel, dtype=torch.float64, requires_grad=True)
    result = nn.functional.conv2d(x, weight, None, stride, padding, groups=2)
    grad = torch.randn(result.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(result, weight, grad)
    for method in (weight_gradient_by_correlation, weight_gradient_by_strips):
        actual = method(x, grad, kernel, stride, padding)
        assert actual.shape == expected.shape
        assert torch.allclose(actual, expected, rtol=1e-11, atol=1e-11)


def small_network(px: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(1)
    model = timm.create_model("mnasnet_050", num_classes=4).double()
    model.eval()  # Batch statistics of two images would amplify rounding.
    x = torch.randn(2, 3, px, px, dtype=torch.float64)
    return model, x.contiguous(memory_format=torch.channels_last)


def test_a_whole_network_trains_the_same() -> None:
    model, x = small_network(40)
    fast = copy.deepcopy(model)
    assert depthwise.accelerate(fast) > 10
    for ours, theirs in zip(gradients(fast, x), gradients(model, x), strict=True):
        assert relative_error(ours, theirs) < 1e-9


def test_structure_is_untouched() -> None:
    model, _ = small_network(32)
    fast = copy.deepcopy(model)
    count = depthwise.accelerate(fast)
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert count == len(convs)
    assert repr(fast) == repr(model)
    assert [n for n, _ in fast.named_modules()] == [n for n, _ in model.named_modules()]
    state, fast_state = model.state_dict(), fast.state_dict()
    assert list(state) == list(fast_state)
    assert all(torch.equal(state[key], fast_state[key]) for key in state)
    model.load_state_dict(fast_state)


def test_accelerating_twice_is_accelerating_once() -> None:
    model, x = small_network(32)
    count = depthwise.accelerate(model)
    before = gradients(model, x)
    assert depthwise.accelerate(model) == count
    assert all(map(torch.equal, gradients(model, x), before))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_fast_too_and_have_their_own_weights(duplicate: type) -> None:
    conv = make_conv(5)
    depthwise.accelerate(conv)
    copied = duplicate(conv)
    x = random_map(4)
    assert "_OwnGradients" in copied(x).grad_fn.name()
    with torch.no_grad():
        copied.weight.zero_()
        copied.bias.zero_()
    assert copied(x).abs().max() == 0
    assert conv(x).abs().max() > 0


class OtherConv(nn.Conv2d):
    """A stand-in for any subclass with another forward, such as TensorFlow's 'same' padding."""


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 8, 3, padding=1, groups=4),
        nn.Conv2d(1, 1, 3, padding=1),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4),
        nn.Conv2d(4, 4, 3, padding=(1, 2), dilation=(1, 2), groups=4),
        nn.Conv2d(4, 4, 3, stride=4, groups=4),
        nn.Conv2d(4, 4, 3, padding="same", groups=4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="reflect"),
        OtherConv(4, 4, 3, padding=1, groups=4),
        nn.Conv1d(4, 4, 3, padding=1, groups=4),
    ],
    ids=str,
)
def test_other_convolutions_stay_as_they_are(conv: nn.Module) -> None:
    kind = type(conv)
    assert depthwise.accelerate(conv) == 0
    assert type(conv) is kind


def test_the_library_computes_what_has_no_fast_path() -> None:
    conv = make_conv(5, dtype=torch.float32)
    depthwise.accelerate(conv)
    x = random_map(4, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.float16):
        assert "_OwnGradients" not in conv(x).grad_fn.name()
    with torch.no_grad():
        assert conv(x).grad_fn is None
    assert conv.to("meta")(x.to("meta")).device.type == "meta"
    half = make_conv(5, dtype=torch.bfloat16)
    depthwise.accelerate(half)
    assert "_OwnGradients" not in half(random_map(4, dtype=torch.bfloat16)).grad_fn.name()


def test_frozen_weights_and_inputs_without_gradient() -> None:
    conv = make_conv(5)
    depthwise.accelerate(conv)
    x = random_map(4)
    conv(x).sum().backward()
    assert x.grad is None
    conv.requires_grad_(False)
    x.requires_grad_()
    (grad,) = torch.autograd.grad(conv(x).sum(), x)
    assert grad.shape == x.shape


def test_errors_are_the_librarys() -> None:
    conv = make_conv(5)
    conv.padding = (0, 0)
    depthwise.accelerate(conv)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        conv(random_map(3))
