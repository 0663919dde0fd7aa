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
43 ms). On an EPYC with AVX-512 strips are as fast as correlation at 4 × 4 and 2 × 2, and three
times as fast at 8 × 8, so that a probe finds the limit (`scalegrid.training.probe`). For kernels of
up to three columns, the library's own kernel applies from a side of 3 (stride 1) or 4 (stride 2).

In bfloat16 (the same EPYC, whose AVX-512 has instructions for it) the library's forward and input
gradient take half the time or a third, but its input gradient with stride 2 falls back to a dense
one (47 to 111 ms), and so does its weight gradient in the cases above. There the input gradient is
that of stride 1 with zeros between the outputs, or for wide kernels computed in float32 (0.3 to 3
ms); strips take half the time that they take in float32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from scalegrid.training.cpu.convolution import (
    Pair,
    WeightGradient,
    convolve,
    library_gradients,
    library_input_gradient,
    output_size,
    pair,
    plain_geometry,
)
from scalegrid.training.cpu.patching import PatchedConv2d, patch, runs_eagerly_on_cpu

if TYPE_CHECKING:
    from torch import Tensor, nn

Method = Literal["library", "correlation", "strips"]

# Widest kernel, in columns, for which oneDNN has a depthwise weight-gradient kernel.
_LIBRARY_COLUMNS = 3
LIMIT = 64 * 64
"""Pairs of input and output positions up to which correlation is faster: 8 × 8 to 8 × 8."""


def accelerate(model: nn.Module, limit: int = LIMIT) -> int:
    """Let every depthwise convolution of ``model`` use the fast weight gradient; returns how many.

    These are plain `torch.nn.Conv2d` with one input channel per group, as many outputs as inputs,
    stride 1 or 2, dilation 1 and numeric zero padding. They compute the library's forward, and its
    gradients to rounding: that of the input as the library does, in bfloat16 with stride 2 in
    another way; that of the weight by correlation up to ``limit`` pairs of input and output
    positions. Under autocast to bfloat16 they do so in that format. Where the library is
    faster (`choose_method`), on other devices and in other precisions they call the library.

    The model's structure and ``state_dict`` stay as they are. Idempotent.
    """
    return patch(model, _DepthwiseConv2d, _eligible, limit)


def choose_method(
    input_size: Pair, output_size: Pair, kernel: Pair, stride: Pair, limit: int = LIMIT
) -> Method:
    """The fastest weight gradient for maps of these sizes (rows, columns), as measured above.

    ``limit`` is the largest number of pairs of positions for which correlation is faster.
    """
    smallest = 3 if stride == (1, 1) else 4
    if kernel[1] <= _LIBRARY_COLUMNS and min(input_size) >= max(smallest, kernel[0]):
        return "library"
    pairs = input_size[0] * input_size[1] * output_size[0] * output_size[1]
    return "correlation" if pairs <= limit else "strips"


def weight_gradient_by_library(
    x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair
) -> Tensor:
    """As `weight_gradient_by_correlation`, by PyTorch's own backward pass."""
    channels = x.shape[1]
    weight = x.new_empty((channels, 1, *kernel))
    return library_gradients(grad, x, weight, stride, padding, channels, (False, True))[1]


def weight_gradient_by_correlation(
    x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair
) -> Tensor:
    """The weight gradient (C, 1, rows, columns) of input (N, C, h, w) and gradient (N, C, h', w').

    ``products[c, i, o]`` is the sum over images of input position i times output gradient o.
    """
    channels = x.shape[1]
    products = torch.bmm(_positions(x).transpose(1, 2), _positions(grad))
    taps = _taps(pair(x.shape[2:]), pair(grad.shape[2:]), kernel, stride, padding, dtype=x.dtype)
    return torch.mm(products.view(channels, -1), taps).view(channels, 1, *kernel)


def weight_gradient_by_strips(
    x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair
) -> Tensor:
    """As `weight_gradient_by_correlation`, from the library's gradients of narrow kernels."""
    channels, height, width = x.shape[1:]
    out_height, out_width = grad.shape[2:]
    rows, columns = kernel
    # The library pads at no cost, but its fast kernel needs maps no smaller than the kernel.
    reached = output_size((height, width), kernel, stride, padding)[0]
    inside = height >= rows and reached == out_height
    above = 0 if inside else padding[0]
    below = 0 if inside else (out_height - 1) * stride[0] + rows - height - above
    result = x.new_zeros((channels, 1, rows, columns))
    for start in range(0, columns, _LIBRARY_COLUMNS):
        strip = min(_LIBRARY_COLUMNS, columns - start)
        left = padding[1] - start
        right = (out_width - 1) * stride[1] + strip - width - left
        if max(-left, -right) >= width or -below >= height:
            continue  # these taps cover padding alone
        result[..., start : start + strip] = weight_gradient_by_library(
            functional.pad(x, (left, right, above, below)),
            grad,
            (rows, strip),
            stride,
            (padding[0] - above, 0),
        )
    return result


def input_gradient(x: Tensor, weight: Tensor, grad: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of input (N, C, h, w), of which the shape and format alone count."""
    if x.dtype != torch.bfloat16 or stride == (1, 1):
        return library_input_gradient(x, weight, grad, stride, padding)
    kernel = pair(weight.shape[2:])
    if kernel[1] <= _LIBRARY_COLUMNS:  # as with stride 1 and every other output left out
        whole = output_size(pair(x.shape[2:]), kernel, (1, 1), padding)
        spread = x.new_zeros((len(x), *whole, x.shape[1])).permute(0, 3, 1, 2)
        spread[:, :, :: stride[0], :: stride[1]] = grad
        return library_input_gradient(x, weight, spread, (1, 1), padding)
    single = torch.empty_like(x, dtype=torch.float32), weight.float(), grad.float()
    return library_input_gradient(*single, stride, padding).to(x.dtype)


class _DepthwiseConv2d(PatchedConv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not torch.is_grad_enabled() or not runs_eagerly_on_cpu(input, weight):
            return self._library_forward(input, weight, bias)
        kernel, size, stride = pair(weight.shape[2:]), pair(input.shape[2:]), pair(self.stride)
        output = output_size(size, kernel, stride, pair(self.padding))
        method = choose_method(size, output, kernel, stride, self.limit)
        slow_input = torch.is_autocast_enabled("cpu") and stride != (1, 1)  # see `input_gradient`
        if min(output) < 1 or (method == "library" and not slow_input):
            return self._library_forward(input, weight, bias)
        return convolve(self, input, weight, bias, (input_gradient, _WEIGHT_GRADIENTS[method]))


_WEIGHT_GRADIENTS: dict[Method, WeightGradient] = {
    "library": weight_gradient_by_library,
    "correlation": weight_gradient_by_correlation,
    "strips": weight_gradient_by_strips,
}


def _eligible(conv: nn.Conv2d) -> bool:
    depthwise = 1 < conv.groups == conv.in_channels == conv.out_channels
    return depthwise and set(conv.stride) <= {1, 2} and plain_geometry(conv)


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
