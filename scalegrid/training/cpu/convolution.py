"""A convolution whose gradients are computed in another way than the library's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn import functional

from scalegrid.training.cpu.patching import PatchedConv2d

if TYPE_CHECKING:
    from torch import Tensor, nn

Pair = tuple[int, int]
"""Of rows and of columns."""


class WeightGradient(Protocol):
    """Computes the weight gradient of a convolution."""

    def __call__(
        self, x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair
    ) -> Tensor:
        """That of input (N, C, h, w) and output gradient (N, K, h', w'), as the weight's shape."""


class InputGradient(Protocol):
    """Computes the input gradient of a convolution."""

    def __call__(
        self, x: Tensor, weight: Tensor, grad: Tensor, stride: Pair, padding: Pair
    ) -> Tensor:
        """That of input (N, C, h, w), of which the shape and format alone count."""


class _OwnGradients(torch.autograd.Function):
    """A convolution with `WeightGradient` and `InputGradient` of its own."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        geometry: tuple[Pair, Pair, int],
        gradients: tuple[InputGradient, WeightGradient],
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.gradients = geometry, gradients
        stride, padding, groups = geometry
        return functional.conv2d(x, weight, bias, stride, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, _ = ctx.geometry
        input_gradient, weight_gradient = ctx.gradients
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = input_gradient(x, weight, grad, stride, padding)
        if ctx.needs_input_grad[1]:
            grad_weight = weight_gradient(x, grad, pair(weight.shape[2:]), stride, padding)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum((0, 2, 3))
        return grad_x, grad_weight, grad_bias, None, None


def convolve(
    conv: PatchedConv2d,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    gradients: tuple[InputGradient, WeightGradient],
) -> Tensor:
    """What a convolution computes; under autocast in its format."""
    if torch.is_autocast_enabled("cpu"):
        half = torch.get_autocast_dtype("cpu")
        x, weight = x.to(half), weight.to(half)
        bias = None if bias is None else bias.to(half)
    geometry = pair(conv.stride), pair(conv.padding), conv.groups
    result: Tensor = _OwnGradients.apply(x, weight, bias, geometry, gradients)
    return result


def library_gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: Pair,
    padding: Pair,
    groups: int,
    mask: tuple[bool, bool],
) -> tuple[Tensor, Tensor]:
    """The input's and the weight's gradient by PyTorch's own backward pass, where ``mask`` says."""
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward.default(
        *(grad, x, weight, None, stride, padding, (1, 1)), False, (0, 0), groups, (*mask, False)
    )
    return found[0], found[1]


def library_input_gradient(
    x: Tensor, weight: Tensor, grad: Tensor, stride: Pair, padding: Pair
) -> Tensor:
    """The `InputGradient` of PyTorch itself."""
    groups = x.shape[1] // weight.shape[1]
    return library_gradients(grad, x, weight, stride, padding, groups, (True, False))[0]


def plain_geometry(conv: nn.Conv2d) -> bool:
    """Whether a convolution has dilation 1 and numeric zero padding."""
    padded = not isinstance(conv.padding, str) and conv.padding_mode == "zeros"
    return padded and conv.dilation == (1, 1)


def output_size(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Rows and columns of the output; below 1 if the kernel is larger than the padded map."""
    found = (
        (n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
    )
    return pair(found)


def pair(values: Any) -> Pair:
    """Two whole numbers, of anything that has two."""
    first, second = values
    return int(first), int(second)
