"""A user's network for `sweeps/own_code.yaml`: three stages of residual blocks."""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return nn.functional.relu(self.body(x) + self.shortcut(x))


def plainnet(depth: float, width: float, num_classes: int) -> nn.Module:
    """The network with its blocks a stage and its channels multiplied."""
    blocks = [round(n * depth) for n in (2, 3, 3)]
    channels = [round(n * width) for n in (10, 20, 40)]
    layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 3, stride=2, padding=1)]
    inputs = channels[0]
    for stage, (n, outputs) in enumerate(zip(blocks, channels, strict=True)):
        first = Block(inputs, outputs, stride=2 if stage else 1)
        rest = [Block(outputs, outputs, stride=1) for _ in range(n - 1)]
        layers.append(nn.Sequential(first, *rest))
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, num_classes)]
    return nn.Sequential(*layers)


plainnet.resolution = 32  # px a sweep starts from, unless it gives its own
