"""FLOPs that the EfficientNet paper prints (arXiv 1905.11946, Tables 2, 3 and 7), and ours."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from scalegrid import baselines, cost
from scalegrid.baselines.stages import ResNetBaseline

UPWARDS = ResNetBaseline("upwards", (5, 6, 9, 5), (80, 160, 312, 616), bottleneck=True)
"""ResNet-50 at d=1.4, w=1.2, channels rounded up to multiples of 8."""


class Printed(NamedTuple):
    """A row of the paper: multipliers of a baseline, px, and what is printed in billions."""

    table: int
    row: str
    baseline: str | baselines.Baseline
    depth: float
    width: float
    px: int
    flops: str

    @property
    def ours(self) -> float:
        """Our count, in billions."""
        baseline: Any = self.baseline
        return _count(baseline, self.depth, self.width, self.px) / 1e9

    @property
    def agrees(self) -> bool:
        """Whether our count is the printed one to its precision, or within 3 %."""
        digits = Decimal(self.flops).as_tuple().exponent
        printed = float(self.flops)
        same = round(self.ours, -int(digits)) == printed
        return same or abs(self.ours / printed - 1) <= 0.03


@cache
def _count(baseline: Any, depth: float, width: float, px: int) -> int:
    if isinstance(baseline, str):
        baseline = baselines.get(baseline)
    return cost.measure(baselines.skeleton(baseline, depth, width, 1000), px).flops


AGREEING = [
    Printed(2, "B0", "b0", 1, 1, 224, "0.39"),
    Printed(2, "B1", "b1", 1, 1, 240, "0.70"),
    Printed(2, "B2", "b2", 1, 1, 260, "1.0"),
    Printed(2, "B3", "b3", 1, 1, 300, "1.8"),
    Printed(2, "B6", "b6", 1, 1, 528, "19"),
    Printed(2, "B7", "b7", 1, 1, 600, "37"),
    Printed(3, "MobileNetV1", "mobilenetv1", 1, 1, 224, "0.6"),
    Printed(3, "MobileNetV1, w=2", "mobilenetv1", 1, 2, 224, "2.2"),
    Printed(3, "MobileNetV1, d=1.4, w=1.2, r=1.3", "mobilenetv1", 1.4, 1.2, 288, "2.3"),
    Printed(3, "MobileNetV2", "mobilenetv2", 1, 1, 224, "0.3"),
    Printed(3, "MobileNetV2, d=4", "mobilenetv2", 4, 1, 224, "1.2"),
    Printed(3, "MobileNetV2, w=2", "mobilenetv2", 1, 2, 224, "1.1"),
    Printed(3, "MobileNetV2, r=2", "mobilenetv2", 1, 1, 448, "1.2"),
    Printed(3, "MobileNetV2, compound", "mobilenetv2", 1.4, 1.2, 288, "1.3"),
    Printed(3, "ResNet-50", "resnet50", 1, 1, 224, "4.1"),
    Printed(3, "ResNet-50, r=2", "resnet50", 1, 1, 448, "16.4"),
    Printed(7, "B0", "b0", 1, 1, 224, "0.4"),
    Printed(7, "B0, d=1.4, w=1.2, r=1.3", "b0", 1.4, 1.2, 291, "1.8"),
]
"""Rows on which we agree."""

DISAGREEING = [
    Printed(2, "B4", "b4", 1, 1, 380, "4.2"),
    Printed(2, "B5", "b5", 1, 1, 456, "9.9"),
    Printed(3, "MobileNetV1, r=2", "mobilenetv1", 1, 1, 448, "2.2"),
    Printed(3, "ResNet-50, d=4", "resnet50", 4, 1, 224, "16.2"),
    Printed(3, "ResNet-50, w=2", "resnet50", 1, 2, 224, "14.7"),
    Printed(3, "ResNet-50, compound", "resnet50", 1.4, 1.2, 291, "16.7"),
    Printed(7, "B0, d=4", "b0", 4, 1, 224, "1.8"),
    Printed(7, "B0, w=2", "b0", 1, 2, 224, "1.8"),
    Printed(7, "B0, r=2", "b0", 1, 1, 448, "1.9"),
]
"""Rows on which we do not, as they are printed."""

CLOSEST = [
    Printed(2, "B4 at 368 px", "b4", 1, 1, 368, "4.2"),
    Printed(3, "MobileNetV1 at 440 px", "mobilenetv1", 1, 1, 440, "2.2"),
    Printed(3, "ResNet-50, d=4, printed for w=2", "resnet50", 4, 1, 224, "14.7"),
    Printed(3, "ResNet-50, w=2, printed for d=4", "resnet50", 1, 2, 224, "16.2"),
    Printed(3, "ResNet-50, compound, channels rounded up", UPWARDS, 1, 1, 291, "16.7"),
    Printed(7, "B0, d=4.5", "b0", 4.5, 1, 224, "1.8"),
    Printed(7, "B0, w=2.2", "b0", 1, 2.2, 224, "1.8"),
    Printed(7, "B0, r=2.2", "b0", 1, 1, 493, "1.9"),
]
"""Readings of these rows on which we agree; B5 has none."""


def table_rows(rows: list[Printed]) -> list[str]:
    """The rows as lines of a Markdown table: as in docs/agreement.md."""
    lines = []
    for row in rows:
        name = row.row.replace("=", " = ")
        gap = 100 * (row.ours / float(row.flops) - 1)
        ours = f"{row.ours:.3f} | {gap:+.1f} %"
        lines.append(f"| {row.table} | {name} | {row.px} | {row.flops} | {ours} |")
    return lines
