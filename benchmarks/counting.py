"""Multiply-adds by scalegrid, by torch's counter and by fvcore, of families and timm models.

``python -m benchmarks.counting`` prints a table; it takes minutes, nearly all of them fvcore's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scalegrid import baselines, cost

SAMPLED = (
    *("vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "eva02_tiny_patch14_224"),
    *("cait_xxs24_224", "xcit_nano_12_p16_224", "mixer_s16_224", "gmlp_s16_224", "convit_tiny"),
    *("swin_tiny_patch4_window7_224", "mvitv2_tiny", "pvt_v2_b0", "crossvit_9_240", "pit_ti_224"),
    *("mobilevit_xxs", "efficientvit_b0", "levit_128s", "tiny_vit_5m_224", "edgenext_xx_small"),
    *("efficientnet_cc_b0_4e", "resnet50_gn", "densenet121", "vgg11"),
)
PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum", "baddbmm")


def by_torch(model: nn.Module, px: int) -> int:
    """The count of torch's counter, halved: it counts two operations a multiply-add."""
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, px, px))
    return int(counter.get_total_flops() // 2)


def by_fvcore(model: nn.Module, px: int) -> int:
    """fvcore's count of convolutions and matrix products; fused attention is switched off."""
    from fvcore.nn import FlopCountAnalysis

    analysis: Any = FlopCountAnalysis(model, torch.zeros(1, 3, px, px))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counts = analysis.by_operator()
    return int(sum(counts[operator] for operator in PRODUCTS))


def networks() -> Iterator[tuple[str, nn.Module, int]]:
    """The first network of each family at its brief resolution, and sampled timm models."""
    for family, names in baselines.families().items():
        network = baselines.get(names[0])
        yield f"{family}: {names[0]}", network.build(1, 1, 1000), network.brief_resolution
    for name in SAMPLED:
        model: Any = timm.create_model(name)
        yield f"timm/{name}", model, int(model.pretrained_cfg["input_size"][-1])


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    largest = 0.0
    print("| network | px | scalegrid | torch | fvcore |\n| --- | --- | --- | --- | --- |")
    with mock.patch("timm.layers.config._USE_FUSED_ATTN", 0):
        for name, model, px in networks():
            model.eval().requires_grad_(False)
            ours = cost.measure(model, px).flops
            others = by_torch(model, px), by_fvcore(model, px)
            largest = max(largest, *(abs(other / ours - 1) for other in others))
            columns = " | ".join(f"{count / 1e6:,.3f} M" for count in (ours, *others))
            print(f"| {name} | {px} | {columns} |", flush=True)
    print(f"\nLargest difference: {largest:.2%}")


if __name__ == "__main__":
    main()
