"""Depthwise convolutions whose weight gradient avoids the library's slow path.

PyTorch computes depthwise convolutions on a CPU with oneDNN (3.12 as of PyTorch 2.14). Forward and
input gradient are fast there at every size. The weight gradient has a depthwise kernel only for
kernels up to three columns wide on maps that are not tiny; every other case runs as a *dense* or
GEMM convolution, 7 to 100 times slower than the forward. Here those cases are computed by

- **correlation**, for small maps: per channel, one small matrix product gives the products of all
  input and output positions, summed over the images; the gradient of a kernel tap is the sum over
  the pairs of positions that it connects;
- **strips**, for larger maps: the kernel is cut into strips of at most three columns, and the
  library computes the gradient of each strip, with the map padded (or cropped) to match.

Measured: float32, channels_last, batch 64, one thread of a Xeon with AVX-512, PyTorch 2.14.1, all
cores busy; ms of processor time for the weight gradient alone, beside the forward's.

=======  ======  ======  ========  =======  ===========  ======  =========
map      kernel  stride  channels  library  correlation  strips  (forward)
=======  ======  ======  ========  =======  ===========  ======  =========
 1 × 1   5       1           1152     6.31         0.10    1.02       0.06
 1 × 1   3       1           1152     3.21         0.09    0.36       0.05
 2 × 2   5       1           1152    12.36         0.58    2.13       0.16
 2 × 2   3       2            576     1.91         0.24    0.21       0.04
 3 × 3   5       1            672    10.06         0.83    1.78       0.23
 3 × 3   3       1            480     0.15         0.54    0.41       0.12
 3 × 3   3       2            576     2.60         0.52    2.90       0.09
 4 × 4   5       1            672    11.32         1.42    2.91       0.38
 4 × 4   5       2            672     9.59         1.08    2.21       0.21
 4 × 4   3       2            240     0.08         0.28    0.24       0.06
 6 × 6   5       1            240     5.42         1.36    1.63       0.38
 8 × 8   5       1            240     7.34         2.82    2.68       0.61
 8 × 8   5       2            240     4.12         1.37    1.82       0.30
 8 × 8   7       1            240    17.96         3.58    5.66       1.06
10 × 10  5       1            240    11.12         7.64    5.15       0.98
12 × 12  5       1            144     9.96         7.35    5.53       1.04
12 × 12  5       2            144     3.93         2.61    4.14       0.44
16 × 16  5       1            144    16.58           --    9.21       2.05
16 × 16  5       2            144     6.34         5.76    5.97       0.86
16 × 16  7       1             96    17.07           --    9.21       1.59
=======  ======  ======  ========  =======  ===========  ======  =========

On an EPYC with AVX2 the same methods are the fastest, except that strips are a quarter faster than
correlation at 8 × 8 with stride 2, and the library is even slower on maps of 1 × 1 and 2 × 2 (20 to
43 ms). `choose_method` follows from this. For kernels of up to three columns, the library's own
kernel applies from a side of 3 (stride 1) or 4 (stride 2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch.nn import functional

from scalegrid.training.cpu.patching import PatchedConv2d, patch, runs_eagerly_on_cpu

if TYPE_CHECKING:
    from torch import Tensor, nn

Pair = tuple[int, int]
Method = Literal["library", "correlation", "strips"]

# Widest kernel, in columns, for which oneDNN has a depthwise weight-gradient kernel.
_LIBRARY_COLUMNS = 3
# Most pairs of input and output positions for which the correlation is faster: 8 × 8 to 8 × 8.
_CORRELATION_LIMIT = 64 * 64


def accelerate(model: nn.Module) -> int:
    """Let every depthwise convolution of ``model`` use the fast weight gradient; returns how many.

    These are plain `torch.nn.Conv2d` with one input channel per group, as many outputs as inputs,
    stride 1 or 2, dilation 1 and numeric zero padding. They compute the library's forward and input
    gradient, and its weight gradient to rounding. Where the library is faster (`choose_method`),
    on other devices, in other precisions and under autocast they call the library.

    The model's structure and ``state_dict`` stay as they are. Idempotent.
    """
    return patch(model, _DepthwiseConv2d, _eligible)


def choose_method(input_size: Pair, output_size: Pair, kernel: Pair, stride: Pair) -> Method:
    """The fastest weight gradient for maps of these sizes (rows, columns), as measured above."""
    smallest = 3 if stride == (1, 1) else 4
    if kernel[1] <= _LIBRARY_COLUMNS and min(input_size) >= max(smallest, kernel[0]):
        return "library"
    pairs = input_size[0] * input_size[1] * output_size[0] * output_size[1]
    return "correlation" if pairs <= _CORRELATION_LIMIT else "strips"


def weight_gradient_by_correlation(
    x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair
) -> Tensor:
    """The weight gradient (C, 1, rows, columns) of input (N, C, h, w) and gradient (N, C, h', w').

    ``products[c, i, o]`` is the sum over images of input position i times output gradient o.
    """
    channels = x.shape[1]
    products = torch.bmm(_positions(x).transpose(1, 2), _positions(grad))
    taps = _taps(_pair(x.shape[2:]), _pair(grad.shape[2:]), kernel, stride, padding, dtype=x.dtype)
    return torch.mm(products.view(channels, -1), taps).view(channels, 1, *kernel)


def weight_gradient_by_strips(
    x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair
) -> Tensor:
    """As `weight_gradient_by_correlation`, from the library's gradients of narrow kernels."""
    channels, height, width = x.shape[1:]
    out_height, out_width = grad.shape[2:]
    rows, columns = kernel
    # The library pads at no cost, but its fast kernel needs maps no smaller than the kernel.
    inside = height >= rows and _output(height, rows, stride[0], padding[0]) == out_height
    above = 0 if inside else padding[0]
    below = 0 if inside else (out_height - 1) * stride[0] + rows - height - above
    result = x.new_zeros((channels, 1, rows, columns))
    for start in range(0, columns, _LIBRARY_COLUMNS):
        strip = min(_LIBRARY_COLUMNS, columns - start)
        left = padding[1] - start
        right = (out_width - 1) * stride[1] + strip - width - left
        if max(-left, -right) >= width or -below >= height:
            continue  # these taps cover padding alone
        result[..., start : start + strip] = _library_backward(
            grad,
            functional.pad(x, (left, right, above, below)),
            x.new_empty((channels, 1, rows, strip)),
            stride,
            (padding[0] - above, 0),
            (False, True, False),
        )[1]
    return result


class _DepthwiseConv2d(PatchedConv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not torch.is_grad_enabled() or not runs_eagerly_on_cpu(input, weight):
            return self._library_forward(input, weight, bias)
        stride, padding = _pair(self.stride), _pair(self.padding)
        kernel, size = _pair(weight.shape[2:]), _pair(input.shape[2:])
        output = tuple(map(_output, size, kernel, stride, padding))
        method = choose_method(size, _pair(output), kernel, stride)
        if method == "library" or min(output) < 1:
            return self._library_forward(input, weight, bias)
        result: Tensor = _Depthwise.apply(input, weight, bias, stride, padding, method)
        return result


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Pair,
        padding: Pair,
        method: Method,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding
        ctx.method = method
        return functional.conv2d(x, weight, bias, stride, padding, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding = ctx.geometry
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            only_x = (True, False, False)
            grad_x = _library_backward(grad, x, weight, stride, padding, only_x)[0]
        if ctx.needs_input_grad[1]:
            weight_gradient = _WEIGHT_GRADIENTS[ctx.method]
            grad_weight = weight_gradient(x, grad, _pair(weight.shape[2:]), stride, padding)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum((0, 2, 3))
        return grad_x, grad_weight, grad_bias, None, None, None


_WEIGHT_GRADIENTS = {
    "correlation": weight_gradient_by_correlation,
    "strips": weight_gradient_by_strips,
}


def _eligible(conv: nn.Conv2d) -> bool:
    return (
        conv.groups == conv.in_channels == conv.out_channels
        and conv.groups > 1
        and conv.dilation == (1, 1)
        and set(conv.stride) <= {1, 2}
        and not isinstance(conv.padding, str)
        and conv.padding_mode == "zeros"
    )


def _library_backward(
    grad: Tensor, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, mask: tuple[bool, ...]
) -> tuple[Tensor, ...]:
    gradients: tuple[Tensor, ...] = torch.ops.aten.convolution_backward.default(
        grad, x, weight, None, stride, padding, (1, 1), False, (0, 0), x.shape[1], mask
    )
    return gradients


def _positions(x: Tensor) -> Tensor:
    """(N, C, h, w) as C matrices of images by positions, a view with strided rows.

    Contiguous maps and a strided product take half the time of a copy in the order C, N, h, w.
    """
    return x.contiguous().view(*x.shape[:2], -1).transpose(0, 1)


@lru_cache(maxsize=256)
def _taps(
    size: Pair, out: Pair, kernel: Pair, stride: Pair, padding: Pair, dtype: torch.dtype
) -> Tensor:
    """A 0/1 matrix: which tap (column) connects which pair of input and output positions (row)."""
    rows, columns = (
        torch.arange(n)[:, None, None] - s * torch.arange(o)[:, None] + p == torch.arange(k)
        for n, o, k, s, p in zip(size, out, kernel, stride, padding, strict=True)
    )
    pairs = rows[:, None, :, None, :, None] & columns[None, :, None, :, None, :]
    return pairs.reshape(-1, kernel[0] * kernel[1]).to(dtype)


def _output(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def _pair(values: Any) -> Pair:
    first, second = values
    return int(first), int(second)
