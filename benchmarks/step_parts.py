"""Where the time of a training step goes, and what bounds it: ``python -m benchmarks.step_parts``.

On one thread of this processor, by PyTorch's profiler, in milliseconds: with PyTorch's own kernels
and with scalegrid's (up to the limits that a sweep's probe finds), in float32 and in bfloat16 by
autocast. The last row has the images per second of steps that are not profiled, the best of ten.
Operators are grouped by their names: products of matrices are together, of whichever layer. The
second table has the speed of a product of two large matrices and of a copy in memory, and what a
step would take at these speeds: its products alone, and one pass over all outputs of convolutions
and products, read and written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchmarks.contenders import BATCH
from benchmarks.timing import bounded, options_parser, publish
from benchmarks.train_throughput import probe
from scalegrid import baselines, cost
from scalegrid.training.cpu import accelerate, keep_freed_memory

GROUPS = {
    "products of matrices": ("mm", "addmm", "bmm", "baddbmm", "linear"),
    "convolutions, forward": ("convolution", "conv2d", "conv_depthwise"),
    "gradients of convolutions": ("convolution_backward",),
    "batch norm, forward and backward": ("batch_norm",),
    "activations, forward and backward": (
        *("silu", "relu", "sigmoid", "hardswish", "hardtanh", "threshold"),
        *("hardsigmoid", "gelu"),
    ),
    "sums and products of maps": ("mul", "add", "sum", "mean", "div", "sub"),
    "copies and conversions": ("copy", "contiguous", "cat", "clone", "im2col", "col2im", "pad"),
}
"""Parts of the names of operators; the longest part that is found decides."""

Kernels = Callable[[nn.Module], object]
"""Changes a network's layers in place."""

REST = "optimiser, clipping, memory, everything else"
TOGETHER, SPEED = "together", "images/s, not profiled"
_STEPS = 5
_RATE = 0.01
_SIDE, _COPIED = 1536, 2**27  # of the matrices; floats


def main() -> None:
    """Measure, print, write parquet."""
    parser = options_parser("step_parts", __doc__)
    parser.add_argument("--network", default="b0", help="a baseline (b0)")
    parser.add_argument("--px", type=bounded(int, 1), default=64, help="its input (64)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    if options.quick:
        options.network, options.px = "nano", 32
    limits = probe(options.network, options.px)[1]
    timed = partial(parts, options.network, options.px)
    ways = {
        f"{name}, {form}": timed(kernels, half=form == "bf16")
        for name, kernels in (
            ("PyTorch", lambda _: None),
            ("scalegrid", partial(accelerate, limits=limits)),
        )
        for form in ("fp32", "bf16")
    }
    groups = [*GROUPS, REST, TOGETHER, SPEED]
    rows = [{"part": group, **{way: ways[way][group] for way in ways}} for group in groups]
    cell = f"{options.network}-{options.px}"
    publish(f"step_parts-{cell}", rows, options.out)
    publish(f"step_bounds-{cell}", bounds(options.network, options.px), options.out)


def parts(
    network: str, px: int, kernels: Kernels, *, half: bool, steps: int = _STEPS
) -> dict[str, float]:
    """Milliseconds a step by group.

    `TOGETHER` is the sum of all groups, `SPEED` in images per second.
    """
    step = _step(network, px, kernels, half=half)
    step()
    seconds = _fastest(step, times=2 * steps)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(steps):
            step()
    found = dict.fromkeys([*GROUPS, REST], 0.0)
    for event in profile.key_averages():
        found[group_of(event.key)] += event.self_cpu_time_total / 1000 / steps
    return found | {TOGETHER: sum(found.values()), SPEED: BATCH / seconds}


def group_of(operator: str) -> str:
    """The group of an operator by its name."""
    name = operator.removeprefix("aten::").lower()
    if name == operator.lower() or name.startswith(("_foreach", "_fused")):
        return REST  # of the autograd engine, the optimiser, the clipping
    matching = {part: group for group, all_ in GROUPS.items() for part in all_ if part in name}
    return matching[max(matching, key=len)] if matching else REST


def _step(network: str, px: int, kernels: Kernels, *, half: bool) -> Callable[[], None]:
    """A step of training on noise."""
    model = baselines.get(network).build(1.0, 1.0, 10).to(memory_format=torch.channels_last)
    kernels(model)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=_RATE, momentum=0.9, nesterov=True, fused=True
    )
    pixels = torch.randn(BATCH, 3, px, px).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            outputs = model(pixels)
        torch.autograd.backward(nn.functional.cross_entropy(outputs.float(), labels))
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def bounds(network: str, px: int) -> list[dict[str, object]]:
    """Rows of the second table, one a number format."""
    counted = cost.measure(baselines.skeleton(baselines.get(network), 1.0, 1.0, 10), px)
    copied = torch.randn(_COPIED)
    target = torch.empty_like(copied)
    bandwidth = 2 * 4 * _COPIED / _fastest(lambda: target.copy_(copied))
    rows: list[dict[str, object]] = []
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        matrix = torch.randn(_SIDE, _SIDE).to(kind)
        peak = 2 * _SIDE**3 / _fastest(partial(torch.mm, matrix, matrix))
        products = 3 * 2 * counted.flops * BATCH
        one_pass = 2 * counted.activations * BATCH * kind.itemsize
        rows.append(
            {
                "format": name,
                "product, GFLOP/s": peak / 1e9,
                "copy, GB/s": bandwidth / 1e9,
                "all products, ms": 1000 * products / peak,
                "one pass, ms": 1000 * one_pass / bandwidth,
            }
        )
    return rows


def _fastest(action: Callable[[], object], times: int = 9) -> float:
    """Seconds of the fastest of so many times."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    main()
